//! Intervals are compared by their length, a month being 30 days and a day 24 hours; arrow compares months first.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Decimal128Array};
use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalMonthDayNanoType};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Expr, ScalarUDF};

use super::arith::rules::INTERVAL;
use super::scalar::define::{Function, each, fixed};
use crate::data::datetime::US_PER_DAY;
use crate::error::Result;

/// The name of the function that gives an interval's length.
pub const LENGTH: &str = "interval_length";
/// Microseconds: wide enough for any interval.
const MICROSECONDS: DataType = DataType::Decimal128(38, 0);

/// The length of an interval in microseconds, as what comparisons compare.
pub fn function() -> Arc<ScalarUDF> {
    Function::udf(LENGTH, |types| fixed(types, &[INTERVAL], 0, MICROSECONDS), length)
}

/// The length of an expression that gives an interval.
pub fn of(expr: Expr) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(function(), vec![expr]))
}

/// The lengths of intervals, NULL for NULL.
pub fn lengths(intervals: &ArrayRef) -> Result<ArrayRef> {
    length(std::slice::from_ref(intervals), &MICROSECONDS)
}

/// The length of an interval in microseconds.
pub fn micros(v: IntervalMonthDayNano) -> i128 {
    (i128::from(v.months) * 30 + i128::from(v.days)) * i128::from(US_PER_DAY) + i128::from(v.nanoseconds / 1_000)
}

fn length(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    let values = args[0].as_primitive::<IntervalMonthDayNanoType>();
    let rows = each(args, |row| Ok(micros(values.value(row))))?;
    Ok(Arc::new(rows.into_iter().collect::<Decimal128Array>().with_data_type(output.clone())))
}
