//! The columns of UNION, INTERSECT, EXCEPT and VALUES where DataFusion finds another type for them than PostgreSQL (manual, chapter 10.5): a part of
//! [`super::rewrite::Meaning`].
//!
//! DataFusion makes a numeric of float8 beside numeric, counts in nanoseconds where dates stand beside timestamps, and takes a string for a
//! text beside whatever type. [`alike`] casts the columns of set operations beforehand, and refuses what has no type in common; those of VALUES
//! are settled on the syntax tree, since DataFusion casts them while it plans.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan, Projection};

use super::arith::rules::{TIMESTAMP, common_numeric, timestamptz};
use super::cast;
use super::operands::differ;
use crate::data::{EnumType, PgType};
use crate::error::{Error, Result, code};

/// The rows of VALUES with NULLs that have no type, beside values that have one. DataFusion gave them that which it found while whole
/// numbers were bigint. Those with metadata are parameters and keep theirs.
pub fn untyped_nulls(mut rows: Vec<Vec<Expr>>) -> Vec<Vec<Expr>> {
    let is_null = |value: &Expr| matches!(value, Expr::Literal(value, None) if value.is_null());
    for column in 0..rows.iter().map(Vec::len).min().unwrap_or(0) {
        if rows.iter().all(|row| is_null(&row[column])) {
            continue;
        }
        for row in rows.iter_mut().filter(|row| is_null(&row[column])) {
            row[column] = Expr::Literal(ScalarValue::Null, None);
        }
    }
    rows
}

/// The inputs of a set operation, by its name, with columns of the types that PostgreSQL finds; those which DataFusion finds too are left to it.
/// Errors: 22P02, 22007 for a literal that cannot be read, 42804 for types that have none in common.
pub fn alike(operation: &str, mut inputs: Vec<Arc<LogicalPlan>>) -> DfResult<Vec<Arc<LogicalPlan>>> {
    let width = inputs.iter().map(|input| input.schema().fields().len()).min().unwrap_or(0);
    // Twice, as a literal may bring decimals of its own.
    for i in (0..width).chain(0..width) {
        let types: Vec<DataType> = inputs.iter().map(|input| input.schema().field(i).data_type().clone()).collect();
        if types.windows(2).all(|two| two[0] == two[1]) {
            as_inet(&mut inputs, i)?;
            continue;
        }
        let typed: Vec<&DataType> =
            inputs.iter().zip(&types).filter(|(input, ty)| !ty.is_null() && literal(input, i).is_none()).map(|(_, ty)| ty).collect();
        let Some(common) = common(&typed).filter(|ty| !ty.is_string()) else {
            matched(operation, &inputs, i)?;
            continue;
        };
        for (input, ty) in inputs.iter_mut().zip(&types).filter(|(_, ty)| **ty != common && !ty.is_null()) {
            *input = Arc::new(cast_column(input, i, ty, &common)?);
        }
    }
    Ok(inputs)
}

/// Makes inet of column `i` where it is cidr in some of the inputs, and inet in others.
fn as_inet(inputs: &mut [Arc<LogicalPlan>], i: usize) -> DfResult<()> {
    let is = |input: &LogicalPlan, ty: PgType| PgType::of(input.schema().field(i)) == ty;
    if inputs.iter().any(|input| is(input, PgType::Inet)) {
        for input in inputs.iter_mut().filter(|input| is(input, PgType::Cidr)) {
            *input = Arc::new(replaced(input, i, |plain| Ok(cast::call(plain, PgType::Inet)))?);
        }
    }
    Ok(())
}

/// Errors: 42804 for the first column `i` that is of another kind than those of the inputs before it.
fn matched(operation: &str, inputs: &[Arc<LogicalPlan>], i: usize) -> Result<()> {
    let typed = |input: &&Arc<LogicalPlan>| !open(input, i);
    let mut fields = inputs.iter().filter(typed).map(|input| input.schema().field(i));
    let Some(first) = fields.next() else { return Ok(()) };
    // Nothing is compared with json, so that it is of no kind; what may be either has jsonb's type.
    let is_json = |field: &FieldRef| PgType::of(field) == PgType::Json;
    let is_other = |field: &FieldRef| *field.data_type() != DataType::LargeUtf8;
    let differ = |other: &&FieldRef| differ(first, other) || is_json(first) && is_other(other) || is_other(first) && is_json(other);
    let Some(other) = fields.find(differ) else { return Ok(()) };
    let [first, other] = [first, other].map(|field| PgType::of(field).base());
    Err(Error::new(code::DATATYPE_MISMATCH, format!("{operation} types {first} and {other} cannot be matched")))
}

/// True for a column whose type its place decides: a literal, a parameter.
fn open(input: &LogicalPlan, i: usize) -> bool {
    written(input, i).is_some_and(|expr| match expr {
        Expr::Literal(value, metadata) => metadata.is_some() || value.is_null() || value.try_as_str().is_some(),
        expr => matches!(expr, Expr::Placeholder(_)),
    })
}

/// The string that column `i` of an input is, whose type its place decides.
fn literal(input: &LogicalPlan, i: usize) -> Option<Expr> {
    let is_text = |expr: &Expr| matches!(expr, Expr::Literal(ScalarValue::Utf8(Some(_)) | ScalarValue::Utf8View(Some(_)), None));
    written(input, i).filter(is_text)
}

/// What is selected as column `i` of an input. DataFusion gives the sides of INTERSECT and EXCEPT names where columns of both are called alike.
pub(super) fn written(input: &LogicalPlan, i: usize) -> Option<Expr> {
    match input {
        LogicalPlan::Projection(projection) => Some(projection.expr.get(i)?.clone().unalias()),
        LogicalPlan::SubqueryAlias(side) => written(&side.input, i),
        LogicalPlan::Limit(limit) => written(&limit.input, i),
        LogicalPlan::Sort(sort) => written(&sort.input, i),
        LogicalPlan::Distinct(Distinct::All(input)) => written(input, i),
        _ => None,
    }
}

/// The type that these have in common.
pub(super) fn common(types: &[&DataType]) -> Option<DataType> {
    let first = (*types.first()?).clone();
    if types.iter().all(|ty| **ty == first) {
        return Some(first);
    }
    if let Some(time) = common_time(types) {
        return Some(time);
    }
    if !types.iter().all(|ty| ty.is_numeric() && !ty.is_unsigned_integer()) {
        return None;
    }
    // A real takes in all numbers but double precision.
    match types.iter().any(|ty| **ty == DataType::Float32) {
        true if types.iter().all(|ty| **ty != DataType::Float64) => Some(DataType::Float32),
        _ => types[1..].iter().try_fold(first, |so_far, ty| common_numeric(&so_far, ty)),
    }
}

/// The type that dates and timestamps have in common, timestamptz if one of them is one; `None` if there is another type among them.
pub fn common_time(types: &[&DataType]) -> Option<DataType> {
    let is_time = |ty: &DataType| matches!(ty, DataType::Date32 | DataType::Timestamp(..)) && EnumType::of_arrow(ty).is_none();
    let zoned = types.iter().any(|ty| matches!(ty, DataType::Timestamp(_, Some(_))));
    types.iter().all(|ty| is_time(ty)).then(|| if zoned { timestamptz() } else { TIMESTAMP })
}

/// The plan with its column `i`, which is of one type, as one of another, under the same name.
pub(super) fn cast_column(plan: &LogicalPlan, i: usize, from: &DataType, to: &DataType) -> DfResult<LogicalPlan> {
    replaced(plan, i, |plain| {
        Ok(match literal(plan, i) {
            Some(literal) => cast::read_as(&literal, to)?.unwrap_or(plain),
            None if from.is_numeric() => cast::implicit(plain, from, to)?,
            None => cast::of_time(plain, to),
        })
    })
}

/// The plan with something else for its column `i`, under the same name.
pub(super) fn replaced(plan: &LogicalPlan, i: usize, by: impl FnOnce(Expr) -> DfResult<Expr>) -> DfResult<LogicalPlan> {
    let (mut exprs, input) = match plan {
        LogicalPlan::Projection(projection) => (projection.expr.clone(), Arc::clone(&projection.input)),
        other => (other.schema().columns().into_iter().map(Expr::Column).collect(), Arc::new(other.clone())),
    };
    let expr = std::mem::take(&mut exprs[i]);
    let (relation, name) = expr.qualified_name();
    exprs[i] = by(expr.unalias())?.alias_qualified(relation, name);
    Ok(LogicalPlan::Projection(Projection::try_new(exprs, input)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_the_type_that_postgresql_finds() {
        use DataType::*;
        assert_eq!(common(&[&Float64, &Decimal128(2, 1)]), Some(Float64));
        assert_eq!(common(&[&Decimal128(2, 1), &Float32, &Int64]), Some(Float32));
        assert_eq!(common(&[&Int32, &Decimal128(2, 1)]), Some(Decimal128(11, 1)));
        assert_eq!(common(&[&Date32, &TIMESTAMP]), Some(TIMESTAMP));
        assert_eq!(common(&[&Utf8View, &Int32]), None);
        assert_eq!(common(&[]), None);
    }
}
