//! Enumerations in expressions (manual, chapters 8.7 and 9.10), a part of [`super::rewrite::Meaning`].
//!
//! To DataFusion a value of an enumeration is a timestamp of a zone that names the type ([`crate::data::enums`]): it compares, sorts and
//! groups values as they are. What it cannot know is settled here, before it coerces types: literals that stand beside such a value
//! are read as labels; casts from and to text look labels up; functions that print get text; and what PostgreSQL has no operator or
//! function for is refused, where DataFusion would take the value for a time.

mod bound;
mod functions;
mod ranks;
mod unprinted;

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::expr::{
    AggregateFunction, Between, BinaryExpr, Case, InList, InSubquery, Like, ScalarFunction, WindowFunction,
};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, LogicalPlan, Operator, ScalarUDF, Union};

use functions::unfolded;

pub use bound::{bind, is_list_of_labels};
pub use functions::{functions, lenient, make_array};
pub use unprinted::{SIMPLIFYING, is_constant, unprinted};

use super::APART;
use super::carried::carried;
use super::cast::{self, PgCast};
use super::domains;
use super::excluding;
use super::scalar::slices::SLICES;
use super::setops;
use super::subquery::SINGLE_ROW;
use super::text_io;
use super::type_of::{UNTOLD, field};
use super::unions;
use crate::data::enums::Label;
use crate::data::{EnumType, Enums, PgType};
use crate::error::{Error, Result, code};

/// The enumerations of the catalog, for the rules of a session state.
#[derive(Clone, Debug, Default)]
pub struct Known(Enums);

carried!(Known, "enums");

/// Lets the rules that run under `options` know these.
pub fn know(options: &mut ConfigOptions, enums: &Enums) {
    if !enums.is_empty() {
        options.extensions.insert(Known(enums.clone()));
    }
}

/// Those that the rules under `options` know.
pub fn known(options: &ConfigOptions) -> Enums {
    options.extensions.get::<Known>().map(|known| known.0.clone()).unwrap_or_default()
}

/// Functions that take values of any type for what they are.
const KEEPING: &[&str] = &[
    ranks::NAME,
    APART,
    SLICES,
    "any_value",
    "array_agg",
    "array_any_value",
    "array_append",
    "array_concat",
    "array_distinct",
    "array_element",
    "array_has",
    "array_has_all",
    "array_has_any",
    "array_length",
    "array_mode",
    "array_ndims",
    "array_percentile_disc",
    "array_position",
    "array_positions",
    "array_prepend",
    "array_remove",
    "array_remove_all",
    "array_replace_all",
    "array_slice",
    "array_sort",
    "arrow_typeof",
    "cardinality",
    "coalesce",
    "count",
    "empty",
    "enum_first",
    "enum_last",
    "enum_range",
    "first_value",
    "greatest",
    "grouping",
    "lag",
    "last_value",
    "lead",
    "least",
    "make_array",
    "max",
    "min",
    "nth_value",
    "nullif",
    "num_nonnulls",
    "num_nulls",
    "pg_any",
    "pg_array_or_empty",
    "pg_array_overlap",
    "pg_typeof",
    UNTOLD,
    "unnest",
];

/// Of those, the ones whose arguments have one type.
const ALIKE: &[&str] = &["coalesce", "greatest", "least", "nullif"];

/// Functions that print values of any type.
const PRINTING: &[&str] = &[
    "array_to_json",
    "array_to_json_agg",
    "array_to_jsonb_agg",
    "array_to_string",
    "arrays_to_json_object",
    "arrays_to_object",
    "concat",
    "concat_ws",
    "format",
    "json_build_array",
    "json_build_object",
    "jsonb_build_array",
    "jsonb_build_object",
    "named_struct",
    "quote_literal",
    "quote_nullable",
    "row",
    "textcat",
    "to_json",
    "to_jsonb",
];

/// The type of an expression, if it has one by itself.
pub fn type_of(expr: &Expr, schema: &DFSchema, enums: &Enums) -> Option<PgType> {
    match expr {
        Expr::Literal(value, None) if is_untyped(value) => None,
        expr => field(expr, schema).map(|field| enums.complete(PgType::of(&field))),
    }
}

/// The expression with PostgreSQL's meaning where values of enumerations are in it. Its parts have theirs already. Errors: 22P02 for
/// a literal that is no label, 42883, 42804, 42846 for what there is not.
pub fn settle(expr: Expr, schema: &DFSchema, enums: &Enums) -> DfResult<Transformed<Expr>> {
    if enums.is_empty() {
        return Ok(Transformed::no(expr));
    }
    Settling { schema, enums }.expr(expr)
}

struct Settling<'a> {
    schema: &'a DFSchema,
    enums: &'a Enums,
}

impl Settling<'_> {
    /// The type of an expression, if it has one by itself.
    fn type_of(&self, expr: &Expr) -> Option<PgType> {
        type_of(expr, self.schema, self.enums)
    }

    /// The type among those of the expressions that is an enumeration or an array of one.
    fn enum_among<'e>(&self, all: impl IntoIterator<Item = &'e Expr>) -> Option<PgType> {
        all.into_iter().find_map(|e| self.type_of(e).filter(PgType::is_of_enum))
    }

    fn expr(&self, expr: Expr) -> DfResult<Transformed<Expr>> {
        match expr {
            Expr::Cast(cast) => self.cast(cast),
            Expr::ScalarSubquery(ref subquery) => match self.type_of(&expr) {
                Some(ty @ PgType::Array(_)) if ty.is_of_enum() => Ok(Transformed::yes(ranks::of_subquery(subquery.clone(), &ty)?)),
                _ => Ok(Transformed::no(expr)),
            },
            Expr::ScalarFunction(call) if call.name() == SINGLE_ROW => match ranks::of_item(call) {
                Ok(label) => Ok(Transformed::yes(label)),
                Err(call) => Ok(Transformed::no(Expr::ScalarFunction(call))),
            },
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => self.binary(*left, op, *right),
            Expr::Between(Between { expr, negated, low, high }) => match self.enum_among([&*expr, &*low, &*high]) {
                None => Ok(Transformed::no(Expr::Between(Between { expr, negated, low, high }))),
                Some(_) => {
                    let (expr, low) = self.compared(*expr, *low, "BETWEEN")?;
                    let (expr, high) = self.compared(expr, *high, "BETWEEN")?;
                    Ok(Transformed::yes(Expr::Between(Between::new(Box::new(expr), negated, Box::new(low), Box::new(high)))))
                }
            },
            Expr::InList(InList { expr, list, negated }) => {
                if self.enum_among(list.iter().chain([expr.as_ref()])).is_none() {
                    return Ok(Transformed::no(Expr::InList(InList { expr, list, negated })));
                }
                let (mut expr, mut settled) = (*expr, Vec::with_capacity(list.len()));
                for item in list {
                    let (left, right) = self.compared(expr, item, "=")?;
                    expr = left;
                    settled.push(right);
                }
                Ok(Transformed::yes(Expr::InList(InList::new(Box::new(expr), settled, negated))))
            }
            Expr::Like(Like { negated, expr, pattern, escape_char, case_insensitive }) => {
                if let Some(ty) = self.enum_among([&*expr, &*pattern]) {
                    let other = self.type_of(&pattern).map_or("unknown".to_string(), |t| t.base().to_string());
                    let op = match (negated, case_insensitive) {
                        (false, false) => "~~",
                        (true, false) => "!~~",
                        (false, true) => "~~*",
                        (true, true) => "!~~*",
                    };
                    return Err(Error::no_operator(&format!("{ty} {op} {other}")).into());
                }
                Ok(Transformed::no(Expr::Like(Like { negated, expr, pattern, escape_char, case_insensitive })))
            }
            Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                let found = subquery.subquery.schema().fields().first().map(|f| self.enums.complete(PgType::of(f)));
                let expr = match (self.type_of(&expr), found) {
                    (None, Some(found)) => Box::new(typed(*expr, &found)?),
                    (Some(left), Some(found)) if left != found && (left.is_of_enum() || found.is_of_enum()) => {
                        return Err(Error::no_operator(&format!("{} = {}", left.base(), found.base())).into());
                    }
                    _ => expr,
                };
                Ok(Transformed::yes(Expr::InSubquery(InSubquery { expr, subquery, negated })))
            }
            Expr::Case(case) => self.case(case),
            Expr::ScalarFunction(ScalarFunction { func, args }) => {
                if self.enum_among(&args).is_none() {
                    return Ok(Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args })));
                }
                if let Some(value) = self.constant(func.name(), &args)? {
                    return Ok(Transformed::yes(value));
                }
                // A cast that is settled is one from or to text; a value of a domain has names behind it.
                let settled = [cast::NAME, domains::NAME].contains(&func.name());
                let args = if settled { args } else { self.arguments(func.name(), args)? };
                let func = if func.name() == "make_array" { unfolded(func) } else { func };
                Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args })))
            }
            Expr::AggregateFunction(AggregateFunction { func, mut params }) => {
                params.args = self.arguments(func.name(), params.args)?;
                Ok(Transformed::yes(Expr::AggregateFunction(AggregateFunction { func, params })))
            }
            // The condition of one that leaves rows out of its frames is among its arguments.
            Expr::WindowFunction(window) if !excluding::is_excluding(&window.fun) => {
                let WindowFunction { fun, mut params } = *window;
                params.args = self.arguments(fun.name(), params.args)?;
                Ok(Transformed::yes(Expr::WindowFunction(Box::new(WindowFunction { fun, params }))))
            }
            other => Ok(Transformed::no(other)),
        }
    }

    fn cast(&self, Cast { expr, field }: Cast) -> DfResult<Transformed<Expr>> {
        let target = self.enums.complete(PgType::of(&field));
        let Some(source) = self.type_of(&expr) else {
            let literal = match (&target.is_of_enum(), expr.as_ref()) {
                (true, Expr::Literal(value, None)) => Some(read(value, &target)?),
                _ => None,
            };
            return Ok(match literal {
                Some(value) => Transformed::new(value, true, TreeNodeRecursion::Jump),
                None => Transformed::no(Expr::Cast(Cast { expr, field })),
            });
        };
        if !source.is_of_enum() && !target.is_of_enum() || source == target {
            let same = source == target && source.is_of_enum();
            return Ok(if same { Transformed::yes(*expr) } else { Transformed::no(Expr::Cast(Cast { expr, field })) });
        }
        if let Some(unknown) = [&source, &target].into_iter().filter_map(|t| t.enumeration()).find(|t| self.enums.get(t.id()).is_none()) {
            return Err(Error::new(code::UNDEFINED_OBJECT, format!("type \"{}\" does not exist", unknown.name())).into());
        }
        if !castable(&source, &target) {
            let message = format!("cannot cast type {} to {}", source.base(), target.base());
            return Err(Error::new(code::CANNOT_COERCE, message).into());
        }
        Ok(Transformed::yes(call(*expr, source, target)))
    }

    fn binary(&self, left: Expr, op: Operator, right: Expr) -> DfResult<Transformed<Expr>> {
        let again = |left: Expr, right: Expr| Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)));
        if self.enum_among([&left, &right]).is_none() {
            return Ok(Transformed::no(again(left, right)));
        }
        use Operator::*;
        match op {
            Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom | AtArrow | ArrowAt => {
                let sign = match op {
                    NotEq => "<>".to_string(),
                    IsDistinctFrom | IsNotDistinctFrom => "=".to_string(),
                    AtArrow => "@>".to_string(),
                    ArrowAt => "<@".to_string(),
                    op => op.to_string(),
                };
                let (left, right) = self.compared(left, right, &sign)?;
                Ok(Transformed::yes(again(left, right)))
            }
            StringConcat => Ok(Transformed::yes(again(self.printed(left), self.printed(right)))),
            op => {
                let name = |e: &Expr| self.type_of(e).map_or("unknown".to_string(), |t| t.base().to_string());
                Err(Error::no_operator(&format!("{} {op} {}", name(&left), name(&right))).into())
            }
        }
    }

    /// Two operands that are compared: of one type, a literal beside a value of it is read as one.
    fn compared(&self, left: Expr, right: Expr, sign: &str) -> DfResult<(Expr, Expr)> {
        let (left_type, right_type) = (self.type_of(&left), self.type_of(&right));
        match (left_type, right_type) {
            (Some(a), Some(b)) if a == b || is_null(&left, self.schema) || is_null(&right, self.schema) => Ok((left, right)),
            (Some(a), None) => Ok((left, typed(right, &a)?)),
            (None, Some(b)) => Ok((typed(left, &b)?, right)),
            (Some(a), Some(b)) => {
                let sign = if sign == "BETWEEN" { ">=" } else { sign };
                Err(Error::no_operator(&format!("{} {sign} {}", a.base(), b.base())).into())
            }
            (None, None) => Ok((left, right)),
        }
    }

    fn case(&self, mut case: Case) -> DfResult<Transformed<Expr>> {
        if let Some(operand) = case.expr.take() {
            let mut operand = *operand;
            if self.enum_among(case.when_then_expr.iter().map(|(when, _)| when.as_ref()).chain([&operand])).is_some() {
                for (when, _) in &mut case.when_then_expr {
                    let (left, right) = self.compared(operand, std::mem::take(when), "=")?;
                    operand = left;
                    **when = right;
                }
            }
            case.expr = Some(Box::new(operand));
        }
        let thens = || case.when_then_expr.iter().map(|(_, then)| then.as_ref()).chain(case.else_expr.as_deref());
        if let Some(ty) = self.enum_among(thens()) {
            let all = case.when_then_expr.iter_mut().map(|(_, then)| then).chain(case.else_expr.as_mut());
            for result in all {
                **result = self.matched(std::mem::take(result), &ty, "CASE")?;
            }
        }
        Ok(Transformed::yes(Expr::Case(case)))
    }

    /// An alternative among others that are of the type. Errors: 42804.
    fn matched(&self, expr: Expr, ty: &PgType, what: &str) -> DfResult<Expr> {
        match self.type_of(&expr) {
            None => Ok(typed(expr, ty)?),
            Some(other) if other == *ty || is_null(&expr, self.schema) => Ok(expr),
            Some(other) => {
                let message = format!("{what} types {} and {} cannot be matched", ty.base(), other.base());
                Err(Error::new(code::DATATYPE_MISMATCH, message).into())
            }
        }
    }

    /// The arguments of a function, some of which are values of enumerations. Errors: 42883 for a function that takes none.
    fn arguments(&self, function: &str, args: Vec<Expr>) -> DfResult<Vec<Expr>> {
        let Some(ty) = self.enum_among(&args) else { return Ok(args) };
        if PRINTING.contains(&function) {
            return Ok(args.into_iter().map(|arg| self.printed(arg)).collect());
        }
        if !KEEPING.contains(&function) {
            let names: Vec<String> =
                args.iter().map(|arg| self.type_of(arg).map_or("unknown".to_string(), |t| t.base().to_string())).collect();
            let message = format!("function {function}({}) does not exist", names.join(", "));
            let hint = "No function matches the given name and argument types. You might need to add explicit type casts.";
            return Err(Error::new(code::UNDEFINED_FUNCTION, message).hint(hint).into());
        }
        if function == "nullif"
            && let Ok([left, right]) = <[Expr; 2]>::try_from(args.clone())
        {
            let (left, right) = self.compared(left, right, "=")?;
            return Ok(vec![left, right]);
        }
        let item = PgType::Enum(ty.enumeration().cloned().unwrap_or_else(|| EnumType::bare(0)));
        let (alike, upper) = (ALIKE.contains(&function) || function == "make_array", function.to_uppercase());
        let upper = if function == "make_array" { "ARRAY".to_string() } else { upper };
        let one = |(i, arg): (usize, Expr)| match (&arg, alike) {
            (_, true) => self.matched(arg, &ty, &upper),
            // The value of what is added to a list or looked for in it; of the row that is not there.
            (Expr::Literal(value, None), false) if i > 0 && is_untyped(value) && !value.is_null() => Ok(typed(arg, &item)?),
            _ => Ok(arg),
        };
        args.into_iter().enumerate().map(one).collect()
    }

    /// The text of a value of an enumeration, or of an array of them; other values as they are.
    fn printed(&self, expr: Expr) -> Expr {
        match self.type_of(&expr) {
            Some(ty @ PgType::Enum(_)) => call(expr, ty, PgType::Text),
            Some(ty) if ty.is_of_enum() => call(expr, ty, PgType::Array(Box::new(PgType::Text))),
            _ => expr,
        }
    }

    /// What enum_first(), enum_last() and enum_range() are of a type.
    fn constant(&self, function: &str, args: &[Expr]) -> Result<Option<Expr>> {
        let Some(ty) = self.enum_among(args) else { return Ok(None) };
        let Some(of) = ty.enumeration() else { return Ok(None) };
        let value = |rank: Option<i64>| ScalarValue::TimestampSecond(rank, Some(of.kept_name().into()));
        let none = || Error::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, format!("enum {} contains no values", of.name()));
        let constant = match (function, args) {
            ("enum_first", [_]) => value(Some(of.labels().first().ok_or_else(none)?.rank)),
            ("enum_last", [_]) => value(Some(of.labels().last().ok_or_else(none)?.rank)),
            ("enum_range", [_]) => return Ok(Some(list(of, of.labels().iter()))),
            ("enum_range", [low, high]) => {
                let bound = |expr: &Expr| match expr {
                    Expr::Literal(ScalarValue::TimestampSecond(rank, _), _) => Ok(*rank),
                    Expr::Literal(untyped, None) if untyped.is_null() => Ok(None),
                    Expr::Literal(untyped, None) => match untyped.try_as_str().flatten() {
                        Some(label) => of.rank(label).map(Some),
                        None => Err(Error::internal("a bound is a label")),
                    },
                    _ => Err(Error::unsupported("enum_range() takes constants").hint("Compare with the bounds, as in BETWEEN.")),
                };
                let (low, high) = (bound(low)?, bound(high)?);
                let within = |rank: i64| low.is_none_or(|low| low <= rank) && high.is_none_or(|high| rank <= high);
                return Ok(Some(list(of, of.labels().iter().filter(|l| within(l.rank)))));
            }
            _ => return Ok(None),
        };
        Ok(Some(Expr::Literal(constant, None)))
    }
}

/// An array of labels.
fn list<'a>(of: &EnumType, labels: impl Iterator<Item = &'a Label>) -> Expr {
    let quoted = |label: &Label| format!("\"{}\"", label.name.replace('\\', "\\\\").replace('"', "\\\""));
    let text = format!("{{{}}}", labels.map(quoted).collect::<Vec<_>>().join(","));
    let text = Expr::Literal(ScalarValue::Utf8View(Some(text)), None);
    call(text, PgType::Text, PgType::Array(Box::new(PgType::Enum(of.clone()))))
}

/// True for a literal whose type its place decides.
fn is_untyped(value: &ScalarValue) -> bool {
    value.is_null() && !matches!(value, ScalarValue::TimestampSecond(..) | ScalarValue::List(_))
        || matches!(value, ScalarValue::Utf8(_) | ScalarValue::Utf8View(_))
}

fn is_null(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|ty| ty.is_null())
}

/// A literal of no type as a value of one that it stands beside; other expressions as they are. Errors: 22P02.
fn typed(expr: Expr, ty: &PgType) -> Result<Expr> {
    match &expr {
        Expr::Literal(value, None) if ty.is_of_enum() => read(value, ty),
        _ => Ok(expr),
    }
}

fn read(value: &ScalarValue, ty: &PgType) -> Result<Expr> {
    // A list is no literal: see [`bound`].
    if matches!(ty, PgType::Array(_)) && (value.is_null() || value.try_as_str().flatten().is_some()) {
        let text = if value.is_null() { ScalarValue::Utf8View(None) } else { value.clone() };
        return Ok(call(Expr::Literal(text, None), PgType::Text, ty.clone()));
    }
    let value = match value.try_as_str().flatten() {
        Some(text) => text_io::parse(ty, text)?,
        None if value.is_null() => ScalarValue::try_from(&ty.arrow())?,
        None => {
            let from = PgType::of_arrow(&value.data_type()).base();
            return Err(Error::new(code::CANNOT_COERCE, format!("cannot cast type {from} to {ty}")));
        }
    };
    Ok(Expr::Literal(value, None))
}

fn is_text(ty: &PgType) -> bool {
    matches!(ty, PgType::Text | PgType::Varchar(_) | PgType::Bpchar(_) | PgType::Name | PgType::Unknown)
}

fn castable(source: &PgType, target: &PgType) -> bool {
    match (source, target) {
        (PgType::Array(source), PgType::Array(target)) => is_text(source) || is_text(target),
        (source, target) => is_text(source) || is_text(target),
    }
}

fn call(expr: Expr, source: PgType, target: PgType) -> Expr {
    let cast = ScalarUDF::new_from_impl(PgCast::between(source, target));
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(cast), vec![expr]))
}

/// Nodes whose parts DataFusion matches by itself: joins on equal values, and set operations. Errors: 42883, 42804 where one side is of
/// an enumeration, and the other is not. Literals of no type in the branches of a set operation become labels.
pub fn settle_node(plan: LogicalPlan, enums: &Enums) -> DfResult<LogicalPlan> {
    if enums.is_empty() {
        return Ok(plan);
    }
    match plan {
        LogicalPlan::Join(join) if setops::is_set_operation(&join) => {
            setops::with_sides(join, |operation, sides| settle_sides(operation, sides, enums))
        }
        LogicalPlan::Join(join) => {
            for (left, right) in &join.on {
                let ty = |expr: &Expr, side: &LogicalPlan| expr.get_type(side.schema()).ok();
                if let (Some(a), Some(b)) = (ty(left, &join.left), ty(right, &join.right)) {
                    let (a, b) = (enums.complete(PgType::of_arrow(&a)), enums.complete(PgType::of_arrow(&b)));
                    if a != b && (a.is_of_enum() || b.is_of_enum()) {
                        return Err(Error::no_operator(&format!("{} = {}", a.base(), b.base())).into());
                    }
                }
            }
            Ok(LogicalPlan::Join(join))
        }
        LogicalPlan::Union(union) => {
            let inputs = settle_sides("UNION", union.inputs, enums)?;
            Ok(LogicalPlan::Union(Union { inputs, ..union }))
        }
        other => Ok(other),
    }
}

/// The inputs of a set operation, by its name.
fn settle_sides(operation: &str, mut inputs: Vec<Arc<LogicalPlan>>, enums: &Enums) -> DfResult<Vec<Arc<LogicalPlan>>> {
    let type_of = |input: &LogicalPlan, i: usize| input.schema().fields().get(i).map(|f| PgType::of(f));
    let width = inputs.iter().map(|input| input.schema().fields().len()).min().unwrap_or(0);
    for i in 0..width {
        let Some(ty) = inputs.iter().find_map(|input| type_of(input, i).filter(PgType::is_of_enum)) else { continue };
        let ty = enums.complete(ty);
        for input in &mut inputs {
            let other = type_of(input, i).unwrap_or(PgType::Unknown);
            if other == ty || input.schema().field(i).data_type().is_null() {
                continue;
            }
            let Some(Expr::Literal(value, None)) =
                unions::written(input, i).filter(|e| matches!(e, Expr::Literal(v, None) if is_untyped(v)))
            else {
                let message = format!("{operation} types {} and {} cannot be matched", ty.base(), enums.complete(other).base());
                return Err(Error::new(code::DATATYPE_MISMATCH, message).into());
            };
            *input = Arc::new(unions::replaced(input, i, |_| Ok(read(&value, &ty)?))?);
        }
    }
    Ok(inputs)
}

/// True if a plan that is analyzed looks up labels of that enumeration while it runs.
pub fn spells(plan: &LogicalPlan, id: u32) -> DfResult<bool> {
    let is_it = |ty: Option<&PgType>| ty.and_then(PgType::enumeration).is_some_and(|of| of.id() == id);
    let casts = |expr: &Expr| match expr {
        Expr::ScalarFunction(call) => {
            call.func.inner().downcast_ref::<PgCast>().is_some_and(|cast| is_it(cast.source()) || is_it(Some(cast.target())))
        }
        _ => false,
    };
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            found |= expr.exists(|e| Ok(casts(e)))?;
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(found)
}
