//! The numbers of LIMIT and OFFSET where each row around has its own.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::logical_expr::Expr;

use crate::error::{Error, Result, code};
use crate::func::scalar::define::{Function, Rule};

/// A bigint that says how many rows to keep: checked. Errors: 2201W for a negative one.
pub(super) fn limit(bound: Expr) -> Expr {
    let kernel = |args: &[ArrayRef], _: &DataType| checked(&args[0], code::INVALID_ROW_COUNT_IN_LIMIT_CLAUSE, "LIMIT");
    Function::udf("pg_row_limit", BIGINT, kernel).call(vec![bound])
}

/// A bigint that says how many rows to leave out: checked. Errors: 2201X for a negative one.
pub(super) fn offset(bound: Expr) -> Expr {
    let kernel = |args: &[ArrayRef], _: &DataType| checked(&args[0], code::INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE, "OFFSET");
    Function::udf("pg_row_offset", BIGINT, kernel).call(vec![bound])
}

const BIGINT: Rule = |types| matches!(types, [DataType::Int64]).then(|| (types.to_vec(), DataType::Int64));

fn checked(bounds: &ArrayRef, code: &'static str, clause: &str) -> Result<ArrayRef> {
    if bounds.as_primitive::<Int64Type>().iter().flatten().any(|n| n < 0) {
        return Err(Error::new(code, format!("{clause} must not be negative")));
    }
    Ok(Arc::clone(bounds))
}
