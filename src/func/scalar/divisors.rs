//! gcd and lcm (manual, chapter 9.3): of the type of their arguments, so that a result may be out of its range.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int32Array, Int64Array};
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, each, fixed};
use crate::error::Result;
use crate::func::arith::out_of_range;

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Function::udf("gcd", rule, |args, output| on_integers(args, output, |a, b| Some(divisor(a, b)))),
        Function::udf("lcm", rule, |args, output| on_integers(args, output, multiple)),
    ]
}

fn rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let fits = |t: &DataType| t.is_signed_integer() || t.is_null();
    let ty = if types.contains(&DataType::Int64) { DataType::Int64 } else { DataType::Int32 };
    types.iter().all(fits).then(|| fixed(types, &[ty.clone(), ty.clone()], 0, ty)).flatten()
}

/// Errors: 22003.
fn on_integers(args: &[ArrayRef], output: &DataType, of: fn(i128, i128) -> Option<i128>) -> Result<ArrayRef> {
    let late = || out_of_range(output);
    if *output == DataType::Int32 {
        let value = |i: usize, row: usize| i128::from(args[i].as_primitive::<Int32Type>().value(row));
        let rows = each(args, |row| of(value(0, row), value(1, row)).and_then(|v| i32::try_from(v).ok()).ok_or_else(late))?;
        return Ok(Arc::new(rows.into_iter().collect::<Int32Array>()));
    }
    let value = |i: usize, row: usize| i128::from(args[i].as_primitive::<Int64Type>().value(row));
    let rows = each(args, |row| of(value(0, row), value(1, row)).and_then(|v| i64::try_from(v).ok()).ok_or_else(late))?;
    Ok(Arc::new(rows.into_iter().collect::<Int64Array>()))
}

/// Euclid's algorithm; that of 0 and 0 is 0.
fn divisor(a: i128, b: i128) -> i128 {
    let (mut a, mut b) = (a.abs(), b.abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn multiple(a: i128, b: i128) -> Option<i128> {
    if a == 0 || b == 0 { Some(0) } else { (a / divisor(a, b)).checked_mul(b).map(i128::abs) }
}
