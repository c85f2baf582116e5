//! Which values can be compared with one another (manual, chapter 10.2), and what conditions must be (chapter 4.2): a part of
//! [`super::rewrite::Meaning`].
//!
//! DataFusion casts a text beside a number or a date, a date beside a number, and a number that is a condition. It then fails at the first
//! value that cannot be read, or finds rows that PostgreSQL would not. So what PostgreSQL has no operator for is refused here, while the
//! statement is planned, whatever is in the tables. A literal of no type takes the type of what stands beside it, and is never refused.

use arrow::datatypes::{DataType, Field};
use datafusion::common::{DFSchema, JoinConstraint, Result as DfResult, ScalarValue};
use datafusion::logical_expr::expr::{AggregateFunction, Between, BinaryExpr, InList, InSubquery, Like, SetComparison};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator};

use super::APART;
use super::rewrite::literal;
use super::scalar::define::no_function;
use super::setops::is_set_operation;
use crate::data::PgType;
use crate::error::{Error, code};

/// Values that have operators in common. Enumerations have rules of their own: [`super::enums`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    /// Numbers, and the numbers of the system catalogs' objects.
    Number,
    Text,
    /// Dates and timestamps.
    Time,
    /// Intervals and times of day.
    Length,
    Uuid,
    Network,
    Bytea,
    Json,
    Record,
    Array,
}

impl Kind {
    /// The kind of a column's values; `None` if nothing is known of it, or it is not checked.
    fn of(field: &Field) -> Option<Kind> {
        if field.data_type().is_null() {
            return None;
        }
        Some(match PgType::of(field) {
            PgType::Bool => Kind::Bool,
            PgType::Int2 | PgType::Int4 | PgType::Int8 | PgType::Float4 | PgType::Float8 => Kind::Number,
            ty if ty.is_numeric() || ty.is_reg() => Kind::Number,
            PgType::Oid | PgType::Id(_) => Kind::Number,
            PgType::Text | PgType::Varchar(_) | PgType::Bpchar(_) | PgType::Name | PgType::Char => Kind::Text,
            PgType::Date | PgType::Timestamp | PgType::Timestamptz => Kind::Time,
            PgType::Time | PgType::Interval => Kind::Length,
            PgType::Uuid => Kind::Uuid,
            PgType::Inet | PgType::Cidr => Kind::Network,
            PgType::Bytea => Kind::Bytea,
            PgType::Jsonb => Kind::Json,
            PgType::Record if matches!(field.data_type(), DataType::Struct(_)) => Kind::Record,
            PgType::Composite(_) => Kind::Record,
            PgType::Array(_) => Kind::Array,
            _ => return None,
        })
    }
}

/// Errors: 42883 for an expression that compares what cannot be compared or calls what is not there, 42804 for one with a condition that is none. Its parts have
/// PostgreSQL's meaning already.
pub fn check(expr: &Expr, schema: &DFSchema) -> DfResult<()> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => binary(left, *op, right, schema),
        Expr::Between(Between { expr, negated, low, high }) => {
            let [from, to] = if *negated { ["<", ">"] } else { [">=", "<="] };
            compared(expr, from, low, schema)?;
            compared(expr, to, high, schema)
        }
        Expr::InList(InList { expr, list, negated }) => {
            let sign = if *negated { "<>" } else { "=" };
            listed(expr, sign, list, schema)
        }
        Expr::InSubquery(InSubquery { expr, subquery, .. }) => beside_rows(expr, "=", &subquery.subquery, schema),
        Expr::SetComparison(SetComparison { expr, subquery, op, .. }) => match sign_of(*op) {
            Some(sign) => beside_rows(expr, sign, &subquery.subquery, schema),
            None => Ok(()),
        },
        Expr::Like(Like { negated, expr, pattern, case_insensitive, .. }) => {
            let sign = match (negated, case_insensitive) {
                (false, false) => "~~",
                (true, false) => "!~~",
                (false, true) => "~~*",
                (true, true) => "!~~*",
            };
            matched(expr, sign, pattern, schema)
        }
        Expr::Case(case) => case.when_then_expr.iter().try_for_each(|(when, _)| match &case.expr {
            Some(operand) => compared(operand, "=", when, schema),
            None => condition("CASE/WHEN", when, schema),
        }),
        Expr::Not(operand) => condition("NOT", operand, schema),
        Expr::AggregateFunction(AggregateFunction { func, params }) => {
            aggregated(func.name(), &params.args, schema)?;
            filter(params.filter.as_deref(), schema)
        }
        Expr::WindowFunction(window) => {
            aggregated(window.fun.name(), &window.params.args, schema)?;
            filter(window.params.filter.as_deref(), schema)
        }
        Expr::ScalarFunction(call) => match (call.name(), call.args.as_slice()) {
            ("nullif", [left, right]) => compared(left, "=", right, schema),
            // DataFusion's planner makes it of `item = ANY (list)`.
            ("array_has", [list, item]) => beside_items(item, list, schema),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Errors: 42883 for a join on values that cannot be compared, 42804 for a join or a filter by what is no condition. `schema` is that of the
/// node's inputs.
pub fn check_node(plan: &LogicalPlan, schema: &DFSchema) -> DfResult<()> {
    match plan {
        LogicalPlan::Filter(filter) => condition("WHERE", &filter.predicate, schema),
        LogicalPlan::Join(join) if join.join_constraint == JoinConstraint::Using => {
            join.on.iter().try_for_each(|(left, right)| match (left.to_field(schema), right.to_field(schema)) {
                (Ok((_, left)), Ok((_, right))) if differ(&left, &right) => Err(unlike_columns(&left, &right).into()),
                _ => Ok(()),
            })
        }
        // Literals of set operations have the type of the other side, which is told elsewhere.
        LogicalPlan::Join(join) if is_set_operation(join) => Ok(()),
        LogicalPlan::Join(join) => {
            join.on.iter().try_for_each(|(left, right)| compared(left, "=", right, schema))?;
            join.filter.iter().try_for_each(|filter| condition("JOIN/ON", filter, schema))
        }
        _ => Ok(()),
    }
}

/// The error of columns that a join cannot make one of.
pub fn unlike_columns(left: &Field, right: &Field) -> Error {
    let [left, right] = [left, right].map(|field| PgType::of(field).base());
    Error::new(code::DATATYPE_MISMATCH, format!("JOIN/USING types {left} and {right} cannot be matched"))
}

/// Errors: 42883 for columns and constants that cannot be compared, before their comparison gets a type. What is computed of whole numbers
/// gets its type later.
pub fn check_plain(left: &Expr, sign: &str, right: &Expr, schema: &DFSchema) -> DfResult<()> {
    let is_plain = |expr: &Expr| matches!(expr, Expr::Column(_) | Expr::OuterReferenceColumn(..) | Expr::Literal(..) | Expr::Cast(_));
    if is_plain(left) && is_plain(right) { compared(left, sign, right, schema) } else { Ok(()) }
}

/// Errors: 42804 for what is no condition, by the name of the clause that it stands in.
pub fn condition(clause: &str, expr: &Expr, schema: &DFSchema) -> DfResult<()> {
    // Their operands are conditions, or were refused. To ask a long chain at each of its members would be slow.
    if matches!(expr, Expr::BinaryExpr(BinaryExpr { op: Operator::And | Operator::Or, .. })) {
        return Ok(());
    }
    let Ok((_, field)) = expr.to_field(schema) else { return Ok(()) };
    if is_untyped(expr) || field.data_type().is_null() || matches!(field.data_type(), DataType::Boolean | DataType::Dictionary(..)) {
        return Ok(());
    }
    let message = format!("argument of {clause} must be type boolean, not type {}", name(Some(expr), &field));
    Err(Error::new(code::DATATYPE_MISMATCH, message).beside(written(expr), None).into())
}

/// Errors: 42883 for an aggregate that DataFusion has and PostgreSQL has not.
fn aggregated(function: &str, args: &[Expr], schema: &DFSchema) -> DfResult<()> {
    let is_record = |arg: &Expr| matches!(arg.get_type(schema), Ok(DataType::Struct(_)));
    match (function, args) {
        ("count", [_, _, ..]) => {}
        ("min" | "max", [arg]) if is_record(arg) => {}
        _ => return Ok(()),
    }
    let types = args.iter().map(|arg| arg.get_type(schema)).collect::<DfResult<Vec<_>>>()?;
    Err(no_function(function, &types).into())
}

fn filter(filter: Option<&Expr>, schema: &DFSchema) -> DfResult<()> {
    filter.map_or(Ok(()), |filter| condition("FILTER", filter, schema))
}

fn binary(left: &Expr, op: Operator, right: &Expr, schema: &DFSchema) -> DfResult<()> {
    use Operator::{RegexIMatch, RegexMatch, RegexNotIMatch, RegexNotMatch};
    match op {
        Operator::And | Operator::Or => {
            let clause = op.to_string();
            condition(&clause, left, schema)?;
            condition(&clause, right, schema)
        }
        RegexMatch | RegexIMatch | RegexNotMatch | RegexNotIMatch => matched(left, &op.to_string(), right, schema),
        op => sign_of(op).map_or(Ok(()), |sign| compared(left, sign, right, schema)),
    }
}

/// The operator that an error names for a comparison.
fn sign_of(op: Operator) -> Option<&'static str> {
    Some(match op {
        Operator::Eq | Operator::IsDistinctFrom | Operator::IsNotDistinctFrom => "=",
        Operator::NotEq => "<>",
        Operator::Lt => "<",
        Operator::LtEq => "<=",
        Operator::Gt => ">",
        Operator::GtEq => ">=",
        _ => return None,
    })
}

fn compared(left: &Expr, sign: &str, right: &Expr, schema: &DFSchema) -> DfResult<()> {
    if is_untyped(left) || is_untyped(right) {
        return Ok(());
    }
    match (left.to_field(schema), right.to_field(schema)) {
        (Ok((_, l)), Ok((_, r))) => refuse(&l, sign, &r, [Some(left), Some(right)]),
        _ => Ok(()),
    }
}

/// A value beside those of a list, which may be long.
fn listed(value: &Expr, sign: &str, list: &[Expr], schema: &DFSchema) -> DfResult<()> {
    let Ok((_, field)) = value.to_field(schema) else { return Ok(()) };
    if is_untyped(value) {
        return Ok(());
    }
    list.iter().filter(|item| !is_untyped(item)).try_for_each(|item| match item.to_field(schema) {
        Ok((_, of_item)) => refuse(&field, sign, &of_item, [Some(value), Some(item)]),
        Err(_) => Ok(()),
    })
}

/// A value beside the one column of a query.
fn beside_rows(value: &Expr, sign: &str, rows: &LogicalPlan, schema: &DFSchema) -> DfResult<()> {
    match (value.to_field(schema), rows.schema().fields().first()) {
        (Ok((_, field)), Some(column)) if !is_untyped(value) => refuse(&field, sign, column, [Some(value), None]),
        _ => Ok(()),
    }
}

/// A value beside the items of an array.
fn beside_items(value: &Expr, list: &Expr, schema: &DFSchema) -> DfResult<()> {
    let (Ok((_, field)), Ok((_, list_field))) = (value.to_field(schema), list.to_field(schema)) else { return Ok(()) };
    match list_field.data_type() {
        DataType::List(item) if !is_untyped(value) && !item.data_type().is_nested() => refuse(&field, "=", item, [Some(value), None]),
        _ => Ok(()),
    }
}

/// A text beside a pattern; a bytea is checked where the operator is.
fn matched(text: &Expr, sign: &str, pattern: &Expr, schema: &DFSchema) -> DfResult<()> {
    let (Ok((_, of_text)), Ok((_, of_pattern))) = (text.to_field(schema), pattern.to_field(schema)) else { return Ok(()) };
    // json has no kind, since it is compared with nothing.
    let is_none = |field: &Field| PgType::of(field) == PgType::Json;
    let is_text = |field: &Field| matches!(Kind::of(field), None | Some(Kind::Text)) && !is_none(field);
    let fits = |expr: &Expr, field: &Field| is_untyped(expr) || is_text(field);
    if Kind::of(&of_text) == Some(Kind::Bytea) || fits(text, &of_text) && fits(pattern, &of_pattern) {
        return Ok(());
    }
    let operation = format!("{} {sign} {}", name(Some(text), &of_text), name(Some(pattern), &of_pattern));
    Err(Error::no_operator(&operation).beside(written(text), written(pattern)).into())
}

/// Errors: 42883 for values that cannot be compared.
fn refuse(left: &Field, sign: &str, right: &Field, operands: [Option<&Expr>; 2]) -> DfResult<()> {
    if !differ(left, right) {
        return Ok(());
    }
    let operation = format!("{} {sign} {}", name(operands[0], left), name(operands[1], right));
    let [left, right] = operands.map(|operand| operand.and_then(written));
    Err(Error::no_operator(&operation).beside(left, right).into())
}

/// The type of an operand as an error names it: whole numbers are read as bigint before they get theirs.
fn name(operand: Option<&Expr>, field: &Field) -> PgType {
    match operand {
        Some(operand) if is_untyped(operand) => PgType::Unknown,
        Some(Expr::Literal(value, None)) => PgType::of_arrow(&literal(value).unwrap_or_else(|| value.clone()).data_type()).base(),
        _ => PgType::of(field).base(),
    }
}

/// True for values of which PostgreSQL has no comparison.
pub fn differ(left: &Field, right: &Field) -> bool {
    match (left.data_type(), right.data_type()) {
        (DataType::List(left), DataType::List(right)) => differ(left, right),
        _ => matches!((Kind::of(left), Kind::of(right)), (Some(left), Some(right)) if left != right),
    }
}

/// True for a literal whose type its place decides. A parameter has metadata, and a type.
fn is_untyped(expr: &Expr) -> bool {
    match expr {
        Expr::Alias(alias) => is_untyped(&alias.expr),
        Expr::ScalarFunction(call) if call.name() == APART => call.args.first().is_some_and(is_untyped),
        Expr::Literal(value, None) => value.is_null() || matches!(value, ScalarValue::Utf8(_) | ScalarValue::Utf8View(_)),
        _ => false,
    }
}

/// An operand as it stands in the statement, if it is a column or a whole number: by it the place of an operator is found.
fn written(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Column(column) | Expr::OuterReferenceColumn(_, column) => Some(column.name.clone()),
        Expr::Literal(ScalarValue::Int32(Some(number)), None) => Some(number.to_string()),
        Expr::Literal(ScalarValue::Int64(Some(number)), None) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{cast, col, lit};

    use super::*;

    fn columns() -> DFSchema {
        let of = |name: &str, ty: PgType| ty.field(name, true);
        let fields = vec![of("id", PgType::Int4), of("name", PgType::Varchar(None)), of("at", PgType::Date), of("is", PgType::Bool)];
        let schema = arrow::datatypes::Schema::new(fields);
        DFSchema::try_from(schema).unwrap()
    }

    fn refused(expr: Expr) -> Option<String> {
        check(&expr, &columns()).err().map(|e| Error::from(e).message().to_string())
    }

    #[test]
    fn what_postgresql_cannot_compare_is_refused() {
        assert_eq!(refused(col("name").eq(lit(5))).as_deref(), Some("operator does not exist: character varying = integer"));
        assert_eq!(refused(col("at").lt(col("id"))).as_deref(), Some("operator does not exist: date < integer"));
        let text = cast(lit("5"), PgType::Text.arrow());
        assert_eq!(refused(col("id").in_list(vec![text], true)).as_deref(), Some("operator does not exist: integer <> text"));
        assert_eq!(refused(col("id").eq(lit("5"))), None);
        assert_eq!(refused(col("id").eq(lit(5i64))), None);
        assert_eq!(refused(col("name").eq(lit(ScalarValue::Null))), None);
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        let said = "argument of AND must be type boolean, not type integer";
        assert_eq!(refused(col("is").and(col("id"))).as_deref(), Some(said));
        assert_eq!(refused(col("is").and(lit("t"))), None);
    }
}
