//! Spans of time (manual, chapter 9.9): OVERLAPS, isfinite.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, IntervalMonthDayNanoArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, IntervalMonthDayNanoType};
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, each};
use crate::error::{Error, Result};
use crate::func::arith::rules::{INTERVAL, TIME, TIMESTAMP};
use crate::func::arith::time::{add_interval, time_after};

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        // A rewrite rule makes it of (a, b) OVERLAPS (c, d).
        Function::udf("overlaps", overlap_rule, overlap),
        Function::udf("isfinite", finite_rule, finite),
    ]
}

type Types = Option<(Vec<DataType>, DataType)>;

/// Two spans: of timestamps, or of times of day. What has no type yet is one of what it stands beside.
fn overlap_rule(types: &[DataType]) -> Types {
    let [a, b, c, d] = types else { return None };
    let is_time = |t: &DataType| matches!(t, DataType::Time64(_));
    let of_times = types.iter().any(is_time);
    let point = |t: &DataType| {
        let fits = t.is_null() || t.is_string() || if of_times { is_time(t) } else { t.is_temporal() && *t != INTERVAL };
        fits.then_some(if of_times { TIME } else { TIMESTAMP })
    };
    let end = |t: &DataType| if *t == INTERVAL { Some(INTERVAL) } else { point(t) };
    Some((vec![point(a)?, end(b)?, point(c)?, end(d)?], DataType::Boolean))
}

/// Spans, each from one point in microseconds to another, or of a length from there.
struct Spans<'a> {
    starts: Int64Array,
    ends: Int64Array,
    lengths: Option<&'a IntervalMonthDayNanoArray>,
    /// Of times of day, which begin anew behind midnight.
    of_times: bool,
}

impl<'a> Spans<'a> {
    fn new(starts: &ArrayRef, ends: &'a ArrayRef) -> Result<Spans<'a>> {
        let of_times = matches!(starts.data_type(), DataType::Time64(_));
        let points = |points: &ArrayRef| Ok::<_, Error>(cast(points, &DataType::Int64)?.as_primitive::<Int64Type>().clone());
        let lengths = ends.as_primitive_opt::<IntervalMonthDayNanoType>();
        let ends = if lengths.is_some() { Int64Array::new_null(ends.len()) } else { points(ends)? };
        Ok(Spans { starts: points(starts)?, ends, lengths, of_times })
    }

    /// The earlier of the points that are known, and the later one if both are; `None` if none is. Errors: 22008.
    fn span(&self, row: usize) -> Result<Option<(i64, Option<i64>)>> {
        let start = self.starts.is_valid(row).then(|| self.starts.value(row));
        let length = self.lengths.filter(|lengths| lengths.is_valid(row)).map(|lengths| lengths.value(row));
        let end = match (start, length) {
            (Some(start), Some(length)) if self.of_times => Some(time_after(start, length.nanoseconds / 1_000)),
            (Some(start), Some(length)) => Some(add_interval(start, length)?),
            _ => self.ends.is_valid(row).then(|| self.ends.value(row)),
        };
        Ok(match (start, end) {
            (Some(a), Some(b)) => Some((a.min(b), Some(a.max(b)))),
            (one, other) => one.or(other).map(|point| (point, None)),
        })
    }
}

/// Half-open spans; one without length is a point. Unknown where that depends on a point that is.
fn overlap(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let (left, right) = (Spans::new(&args[0], &args[1])?, Spans::new(&args[2], &args[3])?);
    let one = |row: usize| {
        let (Some((a, b)), Some((c, d))) = (left.span(row)?, right.span(row)?) else { return Ok(None) };
        if a == c {
            return Ok(b.and(d).map(|_| true));
        }
        let (end_of_earlier, later, end_of_later) = if a < c { (b, c, d) } else { (d, a, b) };
        Ok(match end_of_earlier {
            Some(end) if later < end => Some(true),
            Some(_) => end_of_later.map(|_| false),
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
        let value = whole.as_ref().map(|w| w.as_primitive::<Int64Type>().value(row));
        Ok(value.is_none_or(|v| v > low && v < high))
    })?;
    Ok(Arc::new(rows.into_iter().collect::<BooleanArray>()))
}
