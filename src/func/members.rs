//! `x IN (SELECT ..)` and `x < ALL (SELECT ..)`: both sides in one type, as PostgreSQL compares them ([`super::rewrite`]). DataFusion finds another
//! one: beside a numeric it would make a numeric of a float.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result as DfResult};
use datafusion::logical_expr::expr::{InSubquery, SetComparison};
use datafusion::logical_expr::{Expr, ExprSchemable, Subquery};

use super::arith::rules::common_numeric;
use super::cast;
use super::unions::{cast_column, common_time};

/// The test with casts where its sides are of different types of numbers, or of times; as it is otherwise.
pub(super) fn in_subquery(test: InSubquery, schema: &DFSchema) -> DfResult<InSubquery> {
    let (expr, subquery) = alike(*test.expr, test.subquery, schema)?;
    Ok(InSubquery { expr: Box::new(expr), subquery, negated: test.negated })
}

/// The same of `x op ANY (SELECT ..)` and ALL.
pub(super) fn set_comparison(test: SetComparison, schema: &DFSchema) -> DfResult<SetComparison> {
    let (expr, subquery) = alike(*test.expr, test.subquery, schema)?;
    Ok(SetComparison { expr: Box::new(expr), subquery, ..test })
}

fn alike(expr: Expr, subquery: Subquery, schema: &DFSchema) -> DfResult<(Expr, Subquery)> {
    let found = subquery.subquery.schema().fields().first().map(|field| field.data_type().clone());
    let (Ok(asked), Some(found)) = (expr.get_type(schema), found) else { return Ok((expr, subquery)) };
    let Some(common) = common(&asked, &found) else { return Ok((expr, subquery)) };
    let expr = match &asked {
        asked if *asked == common => expr,
        asked if asked.is_numeric() => cast::implicit(expr, asked, &common)?,
        _ => cast::of_time(expr, &common),
    };
    if found == common {
        return Ok((expr, subquery));
    }
    let plan = cast_column(&subquery.subquery, 0, &found, &common)?;
    Ok((expr, subquery.with_plan(Arc::new(plan))))
}

/// The type in which these are compared; `None` where it is of no account.
fn common(asked: &DataType, found: &DataType) -> Option<DataType> {
    match (asked, found) {
        (asked, found) if asked == found || asked.is_integer() && found.is_integer() => None,
        (asked, found) if asked.is_numeric() && found.is_numeric() => common_numeric(asked, found),
        (asked, found) => common_time(&[asked, found]),
    }
}
