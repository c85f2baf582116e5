//! Expressions: from the syntax tree to typed code.
//!
//! | file | says |
//! |---|---|
//! | this | what each kind of expression becomes |
//! | `node` | expressions that still may take another type: literals and constructors |
//! | `common` | the common type of a list |
//! | `assign` | what INSERT VALUES takes for a column |
//! | `compare` | which types compare, and how |
//! | `call` | functions, lambdas, units |
//! | `walk` | names, columns, aggregates, rewriting |
//! | `text` | an expression as text |

mod assign;
mod call;
mod common;
mod compare;
mod node;
mod text;
mod walk;

use std::sync::Arc;

use crate::error::{Error, Result, code};
use crate::func::ksql::arith::{Arith, result_type};
use crate::func::ksql::cast::castable;
use crate::func::ksql::code::{Code, Comparison, Conversion, List};
use crate::func::ksql::{Type, Value};
use crate::sql::ksql::ast::{BinaryOp, Expr, ExprKind, Place, TypeName};

use node::{Made, Node};
pub use text::text_of;
pub use walk::{calls_aggregate, columns_of, name_of, rewrite};

/// An expression that can be evaluated, and its type.
#[derive(Clone, Debug)]
pub struct Typed {
    pub code: Code,
    pub ty: Type,
}

/// Finds the index and type of `[source.]column`.
pub type Columns<'a> = dyn Fn(Option<&str>, &str) -> Result<(usize, Type)> + 'a;

/// What the names in an expression mean.
pub struct Scope<'a> {
    /// Columns; an error is the expression's.
    pub column: &'a Columns<'a>,
    /// The type that CREATE TYPE gave a name.
    pub custom: &'a dyn Fn(&str) -> Option<Type>,
}

/// Compiles an expression of a query.
pub fn compile(expr: &Expr, scope: &Scope<'_>) -> Result<Typed> {
    let mut compiler = Compiler { scope, frames: Vec::new() };
    let (code, ty) = compiler.typed(expr)?;
    Ok(Typed { code, ty })
}

/// Compiles an expression of INSERT VALUES for a column of type `to`. One that fails is refused, where a query would go on with NULL.
pub fn compile_as(expr: &Expr, scope: &Scope<'_>, to: &Type) -> Result<Typed> {
    let mut compiler = Compiler { scope, frames: Vec::new() };
    let code = compiler.node(expr)?.assigned(to)?;
    code.eval_strictly(&[]).map_err(|error| placed(error, expr.at))?;
    Ok(Typed { code, ty: to.clone() })
}

/// The type that is meant by a type as written.
pub fn resolve_type(name: &TypeName, custom: &dyn Fn(&str) -> Option<Type>) -> Result<Type> {
    Ok(match name {
        TypeName::Known(ty) => ty.clone(),
        TypeName::Array(item) => Type::Array(Box::new(resolve_type(item, custom)?)),
        TypeName::Map(key, value) => Type::Map(Box::new(resolve_type(key, custom)?), Box::new(resolve_type(value, custom)?)),
        TypeName::Struct(fields) => {
            no_twice(fields.iter().map(|(name, _)| name.as_str()))?;
            let fields: Result<Vec<(Arc<str>, Type)>> =
                fields.iter().map(|(name, ty)| Ok((name.as_str().into(), resolve_type(ty, custom)?))).collect();
            Type::Struct(fields?.into())
        }
        TypeName::Custom(name, at) => custom(name).ok_or_else(|| {
            let error = Error::new(code::UNDEFINED_OBJECT, format!("type {name} does not exist")).at(*at);
            error.hint("SHOW TYPES lists the types that CREATE TYPE made.")
        })?,
    })
}

/// Turns expressions into code. `frames` are the parameters of the lambdas around, the innermost last.
struct Compiler<'a> {
    scope: &'a Scope<'a>,
    frames: Vec<Vec<(Arc<str>, Type)>>,
}

impl Compiler<'_> {
    fn typed(&mut self, expr: &Expr) -> Result<(Code, Type)> {
        self.node(expr)?.finish()
    }

    fn node<'e>(&mut self, expr: &'e Expr) -> Result<Node<'e>> {
        self.node_of(expr).map_err(|error| placed(error, expr.at))
    }

    fn node_of<'e>(&mut self, expr: &'e Expr) -> Result<Node<'e>> {
        if let Some((value, ty)) = literal(expr)? {
            return Ok(Node { made: Made::Literal(value), ty, expr });
        }
        let (made, ty) = match &expr.kind {
            ExprKind::Array(items) => {
                let items = self.nodes(items)?;
                let ty = Type::Array(Box::new(common::of(&items)?));
                (Made::Array(items), ty)
            }
            ExprKind::Map(entries) => {
                let entries: Result<Vec<_>> = entries.iter().map(|(k, v)| Ok((self.node(k)?, self.node(v)?))).collect();
                let (keys, values): (Vec<Node<'e>>, Vec<Node<'e>>) = entries?.into_iter().unzip();
                let ty = Type::Map(Box::new(common::of(&keys)?), Box::new(common::of(&values)?));
                (Made::Map(keys.into_iter().zip(values).collect()), ty)
            }
            ExprKind::Struct(fields) => {
                no_twice(fields.iter().map(|(name, _)| name.as_str()))?;
                let fields: Result<Vec<_>> = fields.iter().map(|(n, e)| Ok((Arc::<str>::from(n.as_str()), self.node(e)?))).collect();
                let fields = fields?;
                let ty = Type::Struct(fields.iter().map(|(name, node)| (name.clone(), node.ty.clone())).collect());
                (Made::Struct(fields), ty)
            }
            _ => {
                let (code, ty) = self.code(expr)?;
                (Made::Code(code), ty)
            }
        };
        Ok(Node { made, ty, expr })
    }

    fn nodes<'e>(&mut self, exprs: &'e [Expr]) -> Result<Vec<Node<'e>>> {
        exprs.iter().map(|expr| self.node(expr)).collect()
    }

    /// The code of an expression that is neither a literal nor a constructor.
    fn code(&mut self, expr: &Expr) -> Result<(Code, Type)> {
        let (code, ty) = match &expr.kind {
            ExprKind::Column { source, name } => return self.column(source.as_deref(), name),
            ExprKind::Field(base, name) => self.field(base, name)?,
            ExprKind::Index(base, index) => self.index(base, index)?,
            ExprKind::Call { name, arguments } => self.call(name, arguments)?,
            ExprKind::Lambda { .. } => {
                let error = Error::new(code::DATATYPE_MISMATCH, "a lambda can only be an argument of a function that takes one");
                return Err(error.hint("Such functions are TRANSFORM, FILTER and REDUCE."));
            }
            ExprKind::Not(inner) => (Code::Not(Box::new(self.boolean(inner, "NOT")?)), Type::Boolean),
            ExprKind::Negate(inner) => {
                let (code, ty) = self.typed(inner)?;
                if !ty.is_number() {
                    return Err(Error::new(code::UNDEFINED_FUNCTION, format!("operator does not exist: - {ty}")));
                }
                (Code::Negate(Box::new(code)), ty)
            }
            ExprKind::Binary(op, left, right) => self.binary(*op, left, right)?,
            ExprKind::Between { value, low, high, negated } => {
                let value = self.node(value)?;
                let (low, high) = (self.node(low)?, self.node(high)?);
                let above = compare::compare(Comparison::GreaterEqual, value.clone(), low)?;
                let below = compare::compare(Comparison::LessEqual, value, high)?;
                (negate(Code::And(Box::new(above), Box::new(below)), *negated), Type::Boolean)
            }
            ExprKind::In { value, list, negated } => (negate(self.within(value, list)?, *negated), Type::Boolean),
            ExprKind::Like { value, pattern, escape, negated } => {
                let (value, pattern) = (self.text(value)?, self.text(pattern)?);
                let like = Code::Like { value: Box::new(value), pattern: Box::new(pattern), escape: *escape };
                (negate(like, *negated), Type::Boolean)
            }
            ExprKind::IsNull { value, negated } => {
                let (value, _) = self.typed(value)?;
                (Code::IsNull { value: Box::new(value), negated: *negated }, Type::Boolean)
            }
            ExprKind::Case { operand, whens, otherwise } => self.case(operand.as_deref(), whens, otherwise.as_deref())?,
            ExprKind::Cast(inner, ty) => self.cast(inner, ty)?,
            _ => return Err(Error::internal("a literal or a constructor is no code")),
        };
        Ok((code.folded(), ty))
    }

    /// A lambda's parameter, or else a column.
    fn column(&mut self, source: Option<&str>, name: &str) -> Result<(Code, Type)> {
        if source.is_none() {
            for (up, frame) in self.frames.iter().rev().enumerate() {
                if let Some(index) = frame.iter().position(|(n, _)| n.as_ref() == name)
                    && let Some((name, ty)) = frame.get(index)
                {
                    return Ok((Code::Variable { up, index, name: name.clone() }, ty.clone()));
                }
            }
        }
        let (index, ty) = (self.scope.column)(source, name)?;
        Ok((Code::Column { index, name: name.into() }, ty))
    }

    fn field(&mut self, base: &Expr, name: &str) -> Result<(Code, Type)> {
        let (code, ty) = self.typed(base)?;
        let Type::Struct(fields) = &ty else {
            let error = Error::new(code::WRONG_OBJECT_TYPE, format!("-> needs a STRUCT, but {} is {ty}", text_of(base)));
            return Err(error.hint("The elements of arrays and maps are taken with []."));
        };
        let Some(index) = fields.iter().position(|(n, _)| n.as_ref() == name) else {
            let error = Error::new(code::UNDEFINED_COLUMN, format!("{} has no field {name}", text_of(base)));
            return Err(match crate::error::nearest(name, fields.iter().map(|(n, _)| n.as_ref())) {
                Some(near) => error.hint(format!("Perhaps you meant the field `{near}`; names in backquotes keep their case.")),
                None => error,
            });
        };
        let (name, ty) = fields.get(index).cloned().ok_or_else(|| Error::internal("no such field"))?;
        Ok((Code::Field { base: Box::new(code), index, name }, ty))
    }

    fn index(&mut self, base: &Expr, index: &Expr) -> Result<(Code, Type)> {
        let (code, ty) = self.typed(base)?;
        let key = self.node(index)?;
        match ty {
            Type::Array(item) => match key.ty {
                Type::Int | Type::Bigint | Type::Null => {
                    let (key, _) = key.finish()?;
                    Ok((Code::Element(Box::new(code), Box::new(key)), *item))
                }
                other => Err(Error::new(code::DATATYPE_MISMATCH, format!("the index of an array must be an INTEGER, not {other}"))),
            },
            Type::Map(wanted, value) => {
                let fits = key.ty == Type::Null || key.ty == *wanted || key.ty.is_number() && wanted.is_number();
                if !fits {
                    return Err(Error::new(code::DATATYPE_MISMATCH, format!("the keys of the map are {wanted}, not {}", key.ty)));
                }
                let (key, _) = key.finish()?;
                Ok((Code::Entry(Box::new(code), Box::new(key)), *value))
            }
            other => {
                let error = Error::new(code::WRONG_OBJECT_TYPE, format!("[] needs an ARRAY or a MAP, but {} is {other}", text_of(base)));
                Err(if matches!(other, Type::Struct(_)) { error.hint("The fields of a STRUCT are taken with ->.") } else { error })
            }
        }
    }

    fn binary(&mut self, op: BinaryOp, left: &Expr, right: &Expr) -> Result<(Code, Type)> {
        let comparison = match op {
            BinaryOp::And => {
                let (left, right) = (self.boolean(left, "AND")?, self.boolean(right, "AND")?);
                return Ok((Code::And(Box::new(left), Box::new(right)), Type::Boolean));
            }
            BinaryOp::Or => {
                let (left, right) = (self.boolean(left, "OR")?, self.boolean(right, "OR")?);
                return Ok((Code::Or(Box::new(left), Box::new(right)), Type::Boolean));
            }
            BinaryOp::Add => return self.arith(Arith::Add, '+', left, right),
            BinaryOp::Subtract => return self.arith(Arith::Subtract, '-', left, right),
            BinaryOp::Multiply => return self.arith(Arith::Multiply, '*', left, right),
            BinaryOp::Divide => return self.arith(Arith::Divide, '/', left, right),
            BinaryOp::Modulo => return self.arith(Arith::Modulo, '%', left, right),
            BinaryOp::Concat => return self.concat(left, right),
            BinaryOp::Equal => Comparison::Equal,
            BinaryOp::NotEqual => Comparison::NotEqual,
            BinaryOp::Less => Comparison::Less,
            BinaryOp::LessEqual => Comparison::LessEqual,
            BinaryOp::Greater => Comparison::Greater,
            BinaryOp::GreaterEqual => Comparison::GreaterEqual,
            BinaryOp::IsDistinct => Comparison::Distinct,
            BinaryOp::IsNotDistinct => Comparison::NotDistinct,
        };
        let (left, right) = (self.node(left)?, self.node(right)?);
        Ok((compare::compare(comparison, left, right)?, Type::Boolean))
    }

    fn arith(&mut self, op: Arith, sign: char, left: &Expr, right: &Expr) -> Result<(Code, Type)> {
        let ((l, lt), (r, rt)) = (self.typed(left)?, self.typed(right)?);
        let ty = result_type(op, &lt, &rt).ok_or_else(|| {
            let error = Error::new(code::UNDEFINED_FUNCTION, format!("operator does not exist: {lt} {sign} {rt}"));
            error.detail(format!("In ({} {sign} {}).", text_of(left), text_of(right))).hint("You might need to add explicit type casts.")
        })?;
        Ok((Code::Arith(op, Box::new(l), Box::new(r), ty.clone()), ty))
    }

    fn concat(&mut self, left: &Expr, right: &Expr) -> Result<(Code, Type)> {
        let ((l, lt), (r, rt)) = (self.typed(left)?, self.typed(right)?);
        let ty = match (&lt, &rt) {
            (Type::String | Type::Null, Type::String) | (Type::String, Type::Null) => Type::String,
            (Type::Bytes | Type::Null, Type::Bytes) | (Type::Bytes, Type::Null) => Type::Bytes,
            _ => {
                let error = Error::new(code::UNDEFINED_FUNCTION, format!("operator does not exist: {lt} || {rt}"));
                return Err(error.hint("You might need to add explicit type casts."));
            }
        };
        Ok((Code::Concat(Box::new(l), Box::new(r)), ty))
    }

    fn within(&mut self, value: &Expr, list: &[Expr]) -> Result<Code> {
        // NULLs never match, so they have no say in the type.
        let written = list.iter().filter(|e| !matches!(e.kind, ExprKind::Null));
        let nodes: Vec<Node<'_>> = std::iter::once(value).chain(written).map(|e| self.node(e)).collect::<Result<_>>()?;
        let ty = common::of(&nodes)?;
        let mut codes = nodes.into_iter().map(|node| node.converted(&ty)).collect::<Result<Vec<Code>>>()?.into_iter();
        let value = codes.next().ok_or_else(|| Error::internal("IN without a value"))?;
        Ok(Code::In(Box::new(value), Arc::new(List::new(codes.collect()))))
    }

    fn case(&mut self, operand: Option<&Expr>, whens: &[(Expr, Expr)], otherwise: Option<&Expr>) -> Result<(Code, Type)> {
        let operand = operand.map(|operand| self.node(operand)).transpose()?;
        let mut conditions = Vec::with_capacity(whens.len());
        for (when, _) in whens {
            conditions.push(match &operand {
                Some(operand) => compare::compare(Comparison::Equal, operand.clone(), self.node(when)?)?,
                None => self.boolean(when, "CASE WHEN")?,
            });
        }
        let results: Result<Vec<Node<'_>>> = whens.iter().map(|(_, then)| then).chain(otherwise).map(|e| self.node(e)).collect();
        let results = results?;
        let mut ty = Type::Null;
        for result in &results {
            ty = ty.common(&result.ty).ok_or_else(|| {
                let message = format!("CASE types {ty} and {} cannot be matched", result.ty);
                placed(Error::new(code::DATATYPE_MISMATCH, message), result.expr.at).hint("All results of a CASE must have the same type.")
            })?;
        }
        if ty == Type::Null {
            return Err(Error::new(code::DATATYPE_MISMATCH, "all results of the CASE are NULL").hint("Give one a type with CAST."));
        }
        let mut results = results.into_iter().map(|node| node.converted(&ty)).collect::<Result<Vec<Code>>>()?;
        let otherwise = if otherwise.is_some() { results.pop().map(Box::new) } else { None };
        let whens = conditions.into_iter().zip(results).collect();
        Ok((Code::Case { whens, otherwise }, ty))
    }

    fn cast(&mut self, inner: &Expr, name: &TypeName) -> Result<(Code, Type)> {
        let to = resolve_type(name, self.scope.custom)?;
        let node = self.node(inner)?;
        if node.ty == Type::Null {
            return Ok((Code::Constant(Value::Null), to));
        }
        if node.is_untyped() {
            return Ok((node.converted(&to)?, to));
        }
        let (code, from) = node.finish()?;
        if from == to {
            return Ok((code, to));
        }
        if !castable(&from, &to) {
            return Err(Error::new(code::CANNOT_COERCE, format!("Cast of {from} to {to} is not supported")));
        }
        let cast = Code::Convert { value: Box::new(code), to: to.clone(), how: Conversion::Cast }.folded();
        Ok((node::guarded(cast), to))
    }

    /// An operand that must be a truth value.
    fn boolean(&mut self, expr: &Expr, of: &str) -> Result<Code> {
        match self.typed(expr)? {
            (code, Type::Boolean) => Ok(code),
            (_, ty) => {
                let message = format!("argument of {of} must be type BOOLEAN, not type {ty}");
                Err(placed(Error::new(code::DATATYPE_MISMATCH, message), expr.at))
            }
        }
    }

    /// An operand of LIKE.
    fn text(&mut self, expr: &Expr) -> Result<Code> {
        match self.typed(expr)? {
            (code, Type::String | Type::Null) => Ok(code),
            (_, ty) => {
                let message = format!("argument of LIKE must be type STRING, not type {ty}");
                Err(placed(Error::new(code::DATATYPE_MISMATCH, message), expr.at).hint("You might need to add explicit type casts."))
            }
        }
    }
}

fn negate(code: Code, negated: bool) -> Code {
    if negated { Code::Not(Box::new(code.folded())) } else { code }
}

/// The place of an expression, for an error that has none yet.
fn placed(mut error: Error, at: Place) -> Error {
    error.fields_mut().position.get_or_insert(at);
    error
}

fn no_twice<'a>(names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        if seen.contains(&name) {
            return Err(Error::new(code::DUPLICATE_COLUMN, format!("STRUCT has the field {name} twice")));
        }
        seen.push(name);
    }
    Ok(())
}

/// The value and type of a literal, the sign before a number included.
fn literal(expr: &Expr) -> Result<Option<(Value, Type)>> {
    let number = |kind: &ExprKind, sign: &str| {
        Ok(match kind {
            ExprKind::Integer(digits) => Some(node::integer(&format!("{sign}{digits}"))?),
            ExprKind::Decimal(digits) => Some(node::decimal(&format!("{sign}{digits}"))?),
            ExprKind::Double(digits) => Some(node::double(&format!("{sign}{digits}"))?),
            _ => None,
        })
    };
    Ok(match &expr.kind {
        ExprKind::Null => Some((Value::Null, Type::Null)),
        ExprKind::Boolean(b) => Some((Value::Boolean(*b), Type::Boolean)),
        ExprKind::String(text) => Some((Value::text(text), Type::String)),
        ExprKind::Temporal(ty, text) => Some((crate::func::ksql::cast::coerce_literal(text, ty)?, ty.clone())),
        ExprKind::Negate(inner) => match &inner.kind {
            ExprKind::Integer(digits) | ExprKind::Decimal(digits) | ExprKind::Double(digits) if !digits.starts_with('-') => {
                return number(&inner.kind, "-");
            }
            _ => None,
        },
        kind => return number(kind, ""),
    })
}

#[cfg(test)]
mod tests;
