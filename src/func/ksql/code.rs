//! Compiled expressions and their evaluation.
//!
//! A tree of typed operations; what a type decides was decided when it was built, so evaluation only looks at values. Values travel as
//! `Cow`: columns, constants and lambda variables are borrowed, so that a comparison of columns allocates nothing.
//!
//! NULL is ksqlDB's: a comparison with NULL is FALSE and not unknown, arithmetic with NULL is NULL. Where ksqlDB's generated Java would
//! stumble over a NULL truth value (AND, OR, NOT, WHEN), the result is NULL, which is what it writes for such a failure.

mod compare;
mod display;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use super::arith::{Arith, compute, negate};
use super::cast::{cast, coerce_literal, widen};
use super::function::{Call, Lambda, Nulls, Overload};
use super::scalar::search::like;
use super::types::Type;
use super::value::{Struct, Value};
use crate::error::{Error, Result, code};
use crate::limits;

pub use compare::Comparison;

/// A compiled expression.
#[derive(Clone)]
pub enum Code {
    Constant(Value),
    /// A column of the row.
    Column {
        index: usize,
        name: Arc<str>,
    },
    /// A parameter of a lambda: of the `up`th around this place, counted from the innermost.
    Variable {
        up: usize,
        index: usize,
        name: Arc<str>,
    },
    /// A struct's field, which stands at `index` unless the value was made by another struct.
    Field {
        base: Box<Code>,
        index: usize,
        name: Arc<str>,
    },
    /// An array's element: from 1, or from -1 backwards; NULL beyond.
    Element(Box<Code>, Box<Code>),
    /// A map's entry.
    Entry(Box<Code>, Box<Code>),
    Call(Arc<Invocation>),
    Array(Vec<Code>),
    Map(Vec<(Code, Code)>),
    Struct(Arc<[Arc<str>]>, Vec<Code>),
    Not(Box<Code>),
    Negate(Box<Code>),
    And(Box<Code>, Box<Code>),
    Or(Box<Code>, Box<Code>),
    /// Arithmetic, with the type of its result.
    Arith(Arith, Box<Code>, Box<Code>, Type),
    Concat(Box<Code>, Box<Code>),
    Compare(Comparison, Box<Code>, Box<Code>),
    In(Box<Code>, Arc<List>),
    Like {
        value: Box<Code>,
        pattern: Box<Code>,
        escape: Option<char>,
    },
    IsNull {
        value: Box<Code>,
        negated: bool,
    },
    Case {
        whens: Vec<(Code, Code)>,
        otherwise: Option<Box<Code>>,
    },
    Convert {
        value: Box<Code>,
        to: Type,
        how: Conversion,
    },
    /// NULL where the inner expression fails. ksqlDB does so for casts, elements and fields of constructors, and arguments that are
    /// calls themselves.
    Guard(Box<Code>),
}

/// A call of a scalar function.
pub struct Invocation {
    pub name: &'static str,
    pub overload: &'static Overload,
    pub operands: Vec<Operand>,
    /// The types of the arguments; a lambda's is that of its result.
    pub types: Vec<Type>,
    pub returns: Type,
}

/// An argument.
pub enum Operand {
    Value(Code),
    Lambda { parameters: Vec<Arc<str>>, body: Code },
}

/// The right side of IN.
pub struct List {
    /// Constants, if they are many.
    constants: HashSet<Value>,
    others: Vec<Code>,
    /// What was written, for EXPLAIN.
    text: String,
}

/// How a value is converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// CAST.
    Cast,
    /// A number to a wider one.
    Widen,
    /// Text to a date or time.
    Parse,
}

/// Where an expression is evaluated: a row, and the lambdas around it.
struct Env<'a> {
    row: &'a [Value],
    arguments: &'a [Value],
    outer: Option<&'a Env<'a>>,
    /// Errors that [`Code::Guard`] would hide are errors.
    strict: bool,
}

impl<'a> Env<'a> {
    fn new(row: &'a [Value], strict: bool) -> Self {
        Env { row, arguments: &[], outer: None, strict }
    }
}

const NULL: Value = Value::Null;
const TRUE: Value = Value::Boolean(true);
const FALSE: Value = Value::Boolean(false);

fn truth<'a>(value: bool) -> Cow<'a, Value> {
    Cow::Borrowed(if value { &TRUE } else { &FALSE })
}

fn null<'a>() -> Cow<'a, Value> {
    Cow::Borrowed(&NULL)
}

/// Constants of IN that are worth a hash table.
const MANY: usize = 8;

impl List {
    /// The list of these; they have the type of the value that is looked for.
    pub fn new(items: Vec<Code>) -> List {
        let text = items.iter().map(Code::to_string).collect::<Vec<_>>().join(", ");
        let (constants, others): (Vec<Code>, Vec<Code>) = items.into_iter().partition(|c| matches!(c, Code::Constant(_)));
        if constants.len() < MANY {
            return List { constants: HashSet::new(), others: constants.into_iter().chain(others).collect(), text };
        }
        let values = constants.into_iter().filter_map(|c| if let Code::Constant(v) = c { Some(v) } else { None });
        List { constants: values.filter(|v| !v.is_null()).collect(), others, text }
    }
}

impl Code {
    /// The value for a row. An error is for the caller to turn into NULL.
    pub fn eval(&self, row: &[Value]) -> Result<Value> {
        self.value(&Env::new(row, false)).map(Cow::into_owned)
    }

    /// The value for a row, where a failing part is never NULL but the failure of the whole: for what a statement says itself.
    pub fn eval_strictly(&self, row: &[Value]) -> Result<Value> {
        self.value(&Env::new(row, true)).map(Cow::into_owned)
    }

    /// Whether a condition is TRUE for a row.
    pub fn holds(&self, row: &[Value]) -> Result<bool> {
        Ok(matches!(*self.value(&Env::new(row, false))?, Value::Boolean(true)))
    }

    /// The constant that this is, if it is one.
    pub fn constant(&self) -> Option<&Value> {
        if let Code::Constant(value) = self { Some(value) } else { None }
    }

    /// The constant it amounts to, if its operands are constants and it does not fail; a failing one fails for each row.
    pub fn folded(self) -> Code {
        let operands = self.operands();
        if operands.is_empty() || operands.iter().any(|c| c.constant().is_none()) {
            return self;
        }
        match self.eval(&[]) {
            Ok(value) => Code::Constant(value),
            Err(_) => self,
        }
    }

    /// What is evaluated within; empty where nothing is or where the value may differ from time to time.
    fn operands(&self) -> Vec<&Code> {
        match self {
            Code::Constant(_) | Code::Column { .. } | Code::Variable { .. } => Vec::new(),
            Code::Field { base: a, .. } | Code::Not(a) | Code::Negate(a) | Code::Guard(a) => vec![a],
            Code::IsNull { value: a, .. } | Code::Convert { value: a, .. } => vec![a],
            Code::Element(a, b) | Code::Entry(a, b) | Code::And(a, b) | Code::Or(a, b) | Code::Concat(a, b) => vec![a, b],
            Code::Arith(_, a, b, _) | Code::Compare(_, a, b) | Code::Like { value: a, pattern: b, .. } => vec![a, b],
            Code::Array(items) | Code::Struct(_, items) => items.iter().collect(),
            Code::Map(entries) => entries.iter().flat_map(|(k, v)| [k, v]).collect(),
            Code::In(value, list) => std::iter::once(value.as_ref()).chain(&list.others).collect(),
            Code::Case { whens, otherwise } => whens.iter().flat_map(|(w, t)| [w, t]).chain(otherwise.as_deref()).collect(),
            Code::Call(call) => {
                let values = call.operands.iter().map(|o| if let Operand::Value(code) = o { Some(code) } else { None });
                values.collect::<Option<Vec<_>>>().unwrap_or_default()
            }
        }
    }

    fn value<'a>(&'a self, env: &'a Env<'a>) -> Result<Cow<'a, Value>> {
        Ok(match self {
            Code::Constant(value) => Cow::Borrowed(value),
            Code::Column { index, .. } => env.row.get(*index).map_or_else(null, Cow::Borrowed),
            Code::Variable { up, index, .. } => {
                let mut at = env;
                for _ in 0..*up {
                    at = at.outer.unwrap_or(at);
                }
                at.arguments.get(*index).map_or_else(null, Cow::Borrowed)
            }
            Code::Field { base, index, name } => inner(base.value(env)?, |value| field(value, *index, name)),
            Code::Element(array, index) => {
                let array = array.value(env)?;
                if array.is_null() {
                    return Ok(array);
                }
                let index = index.value(env)?.as_i64();
                inner(array, |value| element(value.as_array()?, index?))
            }
            Code::Entry(map, key) => {
                let map = map.value(env)?;
                if map.is_null() {
                    return Ok(map);
                }
                let key = key.value(env)?;
                inner(map, |value| value.as_map()?.iter().find(|(k, _)| same(k, &key)).map(|(_, v)| v))
            }
            Code::Call(call) => Cow::Owned(call.eval(env)?),
            Code::Array(items) => {
                let items: Result<Vec<Value>> = items.iter().map(|item| Ok(item.value(env)?.into_owned())).collect();
                Cow::Owned(Value::array(items?))
            }
            Code::Map(entries) => {
                let entry = |(k, v): &'a (Code, Code)| Ok((k.value(env)?.into_owned(), v.value(env)?.into_owned()));
                Cow::Owned(Value::map(entries.iter().map(entry).collect::<Result<Vec<_>>>()?))
            }
            Code::Struct(names, fields) => {
                let values: Result<Vec<Value>> = fields.iter().map(|field| Ok(field.value(env)?.into_owned())).collect();
                Cow::Owned(Value::Struct(Arc::new(Struct { names: names.clone(), values: values? })))
            }
            Code::Not(inner) => match *inner.value(env)? {
                Value::Boolean(b) => truth(!b),
                _ => null(),
            },
            Code::Negate(inner) => {
                let value = inner.value(env)?;
                if value.is_null() { value } else { Cow::Owned(negate(&value)?) }
            }
            Code::And(left, right) => match *left.value(env)? {
                Value::Boolean(true) => right.value(env)?,
                Value::Boolean(false) => truth(false),
                _ => null(),
            },
            Code::Or(left, right) => match *left.value(env)? {
                Value::Boolean(false) => right.value(env)?,
                Value::Boolean(true) => truth(true),
                _ => null(),
            },
            Code::Arith(op, left, right, ty) => {
                let (left, right) = (left.value(env)?, right.value(env)?);
                if left.is_null() || right.is_null() { null() } else { Cow::Owned(compute(*op, &left, &right, ty)?) }
            }
            Code::Concat(left, right) => Cow::Owned(concat(&*left.value(env)?, &*right.value(env)?)?),
            Code::Compare(comparison, left, right) => truth(comparison.holds(&*left.value(env)?, &*right.value(env)?)),
            Code::In(value, list) => truth(list.contains(&*value.value(env)?, env)?),
            Code::Like { value, pattern, escape } => match (&*value.value(env)?, &*pattern.value(env)?) {
                (Value::String(value), Value::String(pattern)) => truth(like(value, pattern, *escape)?),
                _ => truth(false),
            },
            Code::IsNull { value, negated } => truth(value.value(env)?.is_null() != *negated),
            Code::Case { whens, otherwise } => {
                for (condition, result) in whens {
                    match *condition.value(env)? {
                        Value::Boolean(true) => return result.value(env),
                        Value::Boolean(false) => {}
                        _ => return Ok(null()),
                    }
                }
                match otherwise {
                    Some(otherwise) => otherwise.value(env)?,
                    None => null(),
                }
            }
            Code::Convert { value, to, how } => {
                let value = value.value(env)?;
                if value.is_null() { value } else { Cow::Owned(how.apply(value, to)?) }
            }
            Code::Guard(inner) => match inner.value(env) {
                Err(_) if !env.strict => null(),
                result => result?,
            },
        })
    }
}

impl Conversion {
    /// Converts a value that is not NULL.
    pub fn apply(self, value: Cow<'_, Value>, to: &Type) -> Result<Value> {
        match self {
            Conversion::Cast => cast(&value, to),
            Conversion::Widen => widen(value.into_owned(), to),
            Conversion::Parse => match &*value {
                Value::String(text) => coerce_literal(text, to),
                _ => cast(&value, to),
            },
        }
    }
}

/// What `select` finds in a value, borrowed if the value is; NULL if nothing.
fn inner<'a>(value: Cow<'a, Value>, select: impl Fn(&Value) -> Option<&Value>) -> Cow<'a, Value> {
    match value {
        Cow::Borrowed(value) => select(value).map_or_else(null, Cow::Borrowed),
        Cow::Owned(value) => select(&value).map_or_else(null, |found| Cow::Owned(found.clone())),
    }
}

fn field<'a>(value: &'a Value, index: usize, name: &Arc<str>) -> Option<&'a Value> {
    let Value::Struct(s) = value else { return None };
    match s.names.get(index) {
        Some(found) if Arc::ptr_eq(found, name) || found == name => s.values.get(index),
        _ => value.field(name),
    }
}

fn element(array: &[Value], index: i64) -> Option<&Value> {
    let length = i64::try_from(array.len()).ok()?;
    let at = if index < 0 { length.checked_add(index)? } else { index.checked_sub(1)? };
    array.get(usize::try_from(at).ok()?)
}

/// Equality as IN and maps see it, with the usual cases first.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a == b,
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::Bigint(a), Value::Bigint(b)) => a == b,
        _ => a == b,
    }
}

fn concat(left: &Value, right: &Value) -> Result<Value> {
    let fits = |a: usize, b: usize| {
        let too_long = || Error::new(code::PROGRAM_LIMIT_EXCEEDED, "the result of || is too long");
        if a.saturating_add(b) > limits::VALUE_BYTES_MAX { Err(too_long()) } else { Ok(()) }
    };
    Ok(match (left, right) {
        (Value::String(a), Value::String(b)) => {
            fits(a.len(), b.len())?;
            Value::text([a.as_ref(), b.as_ref()].concat())
        }
        (Value::Bytes(a), Value::Bytes(b)) => {
            fits(a.len(), b.len())?;
            Value::Bytes([a.as_ref(), b.as_ref()].concat().into())
        }
        _ => Value::Null,
    })
}

impl List {
    fn contains(&self, value: &Value, env: &Env<'_>) -> Result<bool> {
        if value.is_null() {
            return Ok(false);
        }
        if self.constants.contains(value) {
            return Ok(true);
        }
        for other in &self.others {
            let other = other.value(env)?;
            if !other.is_null() && same(&other, value) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Invocation {
    fn eval(&self, env: &Env<'_>) -> Result<Value> {
        const FEW: usize = 4;
        if self.operands.len() <= FEW {
            let mut values: [Value; FEW] = Default::default();
            for (place, operand) in values.iter_mut().zip(&self.operands) {
                *place = operand.eval(env)?;
            }
            self.apply(values.get(..self.operands.len()).unwrap_or(&values), env)
        } else {
            let values: Result<Vec<Value>> = self.operands.iter().map(|operand| operand.eval(env)).collect();
            self.apply(&values?, env)
        }
    }

    fn apply(&self, values: &[Value], env: &Env<'_>) -> Result<Value> {
        let missing = |(value, operand): (&Value, &Operand)| value.is_null() && matches!(operand, Operand::Value(_));
        if self.overload.nulls == Nulls::Give && values.iter().zip(&self.operands).any(missing) {
            return Ok(Value::Null);
        }
        let boxed: Vec<Box<Lambda<'_>>> = self.operands.iter().filter_map(|operand| operand.lambda(env)).collect();
        let lambdas: Vec<&Lambda<'_>> = boxed.iter().map(|lambda| &**lambda).collect();
        let call = Call { arguments: &self.types, returns: &self.returns, lambdas: &lambdas };
        (self.overload.eval)(&call, values)
    }
}

impl Operand {
    fn eval(&self, env: &Env<'_>) -> Result<Value> {
        match self {
            Operand::Value(code) => code.value(env).map(Cow::into_owned),
            Operand::Lambda { .. } => Ok(Value::Null),
        }
    }

    fn lambda<'a>(&'a self, env: &'a Env<'a>) -> Option<Box<Lambda<'a>>> {
        let Operand::Lambda { body, .. } = self else { return None };
        Some(Box::new(move |arguments: &[Value]| {
            body.value(&Env { row: env.row, arguments, outer: Some(env), strict: env.strict }).map(Cow::into_owned)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(index: usize) -> Box<Code> {
        Box::new(Code::Column { index, name: format!("C{index}").into() })
    }

    #[test]
    fn logic_is_lazy_and_null_stops_it() {
        let failing = || Box::new(Code::Arith(Arith::Divide, Box::new(Code::Constant(Value::Int(1))), column(0), Type::Int));
        let fails = || Box::new(Code::Compare(Comparison::Equal, failing(), column(0)));
        let row = [Value::Int(0), Value::Null];
        let constant = |b: bool| Box::new(Code::Constant(Value::Boolean(b)));
        assert_eq!(Code::And(constant(false), fails()).eval(&row).unwrap(), Value::Boolean(false));
        assert_eq!(Code::Or(constant(true), fails()).eval(&row).unwrap(), Value::Boolean(true));
        assert!(Code::And(constant(true), fails()).eval(&row).is_err());
        assert_eq!(Code::Guard(failing()).eval(&row).unwrap(), Value::Null);
        assert_eq!(Code::Or(column(1), constant(true)).eval(&row).unwrap(), Value::Null);
        assert_eq!(Code::Not(column(1)).eval(&row).unwrap(), Value::Null);
        let not_equal = Code::Not(Box::new(Code::Compare(Comparison::Equal, column(0), column(1))));
        assert_eq!(not_equal.eval(&row).unwrap(), Value::Boolean(true));
        assert_eq!(not_equal.to_string(), "(NOT (C0 = C1))");
    }

    #[test]
    fn elements_are_counted_from_one_and_from_behind() {
        let array = Value::array(vec![Value::Int(1), Value::Int(2)]);
        for (index, expected) in [(1, Some(1)), (2, Some(2)), (3, None), (0, None), (-1, Some(2)), (-2, Some(1)), (-3, None)] {
            let code = Code::Element(column(0), Box::new(Code::Constant(Value::Int(index))));
            let expected = expected.map_or(Value::Null, Value::Int);
            assert_eq!(code.eval(std::slice::from_ref(&array)).unwrap(), expected, "{index}");
        }
    }

    #[test]
    fn folds_what_is_constant_unless_it_fails() {
        let number = |n| Box::new(Code::Constant(Value::Int(n)));
        assert_eq!(Code::Arith(Arith::Add, number(1), number(2), Type::Int).folded().to_string(), "3");
        assert_eq!(Code::Arith(Arith::Divide, number(1), number(0), Type::Int).folded().to_string(), "(1 / 0)");
        let many = (0..20).map(|n| *number(n)).collect();
        let within = Code::In(column(0), Arc::new(List::new(many)));
        assert!(within.holds(&[Value::Int(19)]).unwrap() && !within.holds(&[Value::Int(20)]).unwrap());
    }
}
