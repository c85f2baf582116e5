//! Spans of time (manual, chapter 9.9): OVERLAPS, isfinite.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, IntervalMonthDayNanoType, TimestampMicrosecondType};
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, each};
use crate::error::Result;
use crate::func::arith::rules::{INTERVAL, TIMESTAMP};
use crate::func::arith::time::add_interval;

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        // Not PostgreSQL's own: a rewrite rule makes it of (a, b) OVERLAPS (c, d).
        Function::udf("spans_overlap", overlap_rule, overlap),
        Function::udf("isfinite", finite_rule, finite),
    ]
}

type Types = Option<(Vec<DataType>, DataType)>;

fn overlap_rule(types: &[DataType]) -> Types {
    let point =
        |t: &DataType| (t.is_temporal() && !matches!(t, DataType::Interval(_)) || t.is_null() || t.is_string()).then_some(TIMESTAMP);
    let end = |t: &DataType| if matches!(t, DataType::Interval(_)) { Some(INTERVAL) } else { point(t) };
    let [a, b, c, d] = types else { return None };
    Some((vec![point(a)?, end(b)?, point(c)?, end(d)?], DataType::Boolean))
}

/// Start and end of a span, in order; its end may be given as its length. NULL for an end that is not known.
fn span(args: &[ArrayRef], first: usize, row: usize) -> Result<(Option<i64>, Option<i64>)> {
    let starts = args[first].as_primitive::<TimestampMicrosecondType>();
    let start = starts.is_valid(row).then(|| starts.value(row));
    let end = &args[first + 1];
    let end = match (end.data_type(), start) {
        _ if end.is_null(row) => None,
        (DataType::Interval(_), None) => None,
        (DataType::Interval(_), Some(start)) => Some(add_interval(start, end.as_primitive::<IntervalMonthDayNanoType>().value(row))?),
        _ => Some(end.as_primitive::<TimestampMicrosecondType>().value(row)),
    };
    Ok(match (start, end) {
        (Some(a), Some(b)) if a > b => (Some(b), Some(a)),
        (None, Some(b)) => (Some(b), None),
        other => other,
    })
}

/// Half-open spans; one without length is a point.
fn overlap(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let one = |row: usize| {
        let ((a, b), (c, d)) = (span(args, 0, row)?, span(args, 2, row)?);
        let (Some(a), Some(c)) = (a, c) else { return Ok(None) };
        let ((_, end), later) = if a <= c { ((a, b), c) } else { ((c, d), a) };
        Ok(match end {
            _ if a == c => Some(true),
            Some(end) => Some(later < end),
            None => None,
        })
    };
    Ok(Arc::new((0..args[0].len()).map(one).collect::<Result<BooleanArray>>()?))
}

fn finite_rule(types: &[DataType]) -> Types {
    match types {
        [DataType::Date32 | DataType::Timestamp(..) | DataType::Interval(_)] => Some((types.to_vec(), DataType::Boolean)),
        _ => None,
    }
}

/// False for infinity and -infinity, which are the ends of the range.
fn finite(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let days = matches!(args[0].data_type(), DataType::Date32);
    let whole = match args[0].data_type() {
        DataType::Interval(_) => None,
        _ if days => Some(cast(&cast(&args[0], &DataType::Int32)?, &DataType::Int64)?),
        _ => Some(cast(&args[0], &DataType::Int64)?),
    };
    let (low, high) = if days { (i64::from(i32::MIN), i64::from(i32::MAX)) } else { (i64::MIN, i64::MAX) };
    let rows = each(args, |row| {
        let value = whole.as_ref().map(|w| w.as_primitive::<arrow::datatypes::Int64Type>().value(row));
        Ok(value.is_none_or(|v| v > low && v < high))
    })?;
    Ok(Arc::new(rows.into_iter().collect::<BooleanArray>()))
}
