//! Where windows of time start: what TUMBLE and HOP in FROM are made of. Sizes and offsets are constants in microseconds, checked
//! to be positive where they are written; windows start at multiples since 1970-01-01 00:00 UTC, moved by the offset.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, TimestampMicrosecondArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Int64Type, TimestampMicrosecondType};
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, accepts};
use crate::data::PgType;
use crate::error::{Error, Result, code};
use crate::func::arith::rules::{TIMESTAMP, canonical, timestamptz};
use crate::func::arith::time::out_of_range;

/// The start of the window that holds a time: tumble_start(time, size, offset).
pub const TUMBLE_START: &str = "tumble_start";
/// The starts of all windows that do: hop_starts(time, slide, size, offset).
pub const HOP_STARTS: &str = "hop_starts";

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Function::explained(TUMBLE_START, |t| stamped(t, 3, |stamp| stamp), |t| not_a_time("TUMBLE", t), tumble_start),
        Function::explained(HOP_STARTS, |t| stamped(t, 4, starts), |t| not_a_time("HOP", t), hop_starts),
    ]
}

fn starts(stamp: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(stamp, true)))
}

/// The type of time in which windows over a column are counted; `None` if it is no time.
pub fn stamp(column: &DataType) -> Option<DataType> {
    match canonical(column) {
        DataType::Timestamp(_, Some(_)) => Some(timestamptz()),
        DataType::Timestamp(_, None) | DataType::Date32 | DataType::Null => Some(TIMESTAMP),
        _ => None,
    }
}

/// 42804 for a column that is no time, positioned at the function's name.
pub fn not_a_time(function: &str, types: &[DataType]) -> Error {
    let given = types.first().map_or("nothing".to_string(), |t| PgType::of_arrow(t).base().to_string());
    Error::new(code::DATATYPE_MISMATCH, format!("function {function} takes a column of type timestamp, timestamptz or date, not {given}"))
}

fn stamped(types: &[DataType], count: usize, output: fn(DataType) -> DataType) -> Option<(Vec<DataType>, DataType)> {
    let (column, numbers) = types.split_first()?;
    let stamp = stamp(column)?;
    let fits = numbers.len() + 1 == count && numbers.iter().all(|t| accepts(t, &DataType::Int64));
    let mut wanted = vec![DataType::Int64; count];
    wanted[0] = stamp.clone();
    fits.then(|| (wanted, output(stamp)))
}

/// The constant in argument `i`; 1 where there are no rows to see it in.
fn constant(args: &[ArrayRef], i: usize) -> i64 {
    let values = args[i].as_primitive::<Int64Type>();
    if values.is_empty() { 1 } else { values.value(0) }
}

/// The greatest start not after `at`. Errors: 22008 beyond the range of timestamps.
fn start(at: i64, size: i64, offset: i64) -> Result<i64> {
    let distance = at.checked_sub(offset).ok_or_else(|| out_of_range("timestamp"))?;
    at.checked_sub(distance.rem_euclid(size)).ok_or_else(|| out_of_range("timestamp"))
}

/// tumble_start(time, size, offset): the start of the window that holds the time.
fn tumble_start(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    let (size, offset) = (constant(args, 1), constant(args, 2));
    let times = args[0].as_primitive::<TimestampMicrosecondType>();
    let starts: TimestampMicrosecondArray = times.try_unary(|at| start(at, size, offset))?;
    Ok(Arc::new(starts.with_data_type(output.clone())))
}

/// hop_starts(time, slide, size, offset): the starts of all windows that hold the time, ascending. None if the time is NULL, or in a gap.
fn hop_starts(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    let (slide, size, offset) = (constant(args, 1), constant(args, 2), constant(args, 3));
    let DataType::List(item) = output else { return Err(Error::internal("hop_starts gives a list")) };
    let times = args[0].as_primitive::<TimestampMicrosecondType>();
    let mut starts: Vec<i64> = Vec::with_capacity(times.len() * usize::try_from(size / slide + 1).unwrap_or(1));
    let mut lengths = Vec::with_capacity(times.len());
    for row in 0..times.len() {
        let before = starts.len();
        if times.is_valid(row) {
            let at = times.value(row);
            let last = start(at, slide, offset)?;
            // The window `back` slides before the last one ends size - back * slide after the last one's start.
            let count = (size - (at - last) + slide - 1).div_euclid(slide).max(0);
            let first = last.checked_sub((count - 1) * slide).ok_or_else(|| out_of_range("timestamp"))?;
            starts.extend((0..count).map(|i| first + i * slide));
        }
        lengths.push(starts.len() - before);
    }
    if i32::try_from(starts.len()).is_err() {
        return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, "HOP makes too many windows of one batch").hint("Make the slide wider."));
    }
    let values = TimestampMicrosecondArray::from(starts).with_data_type(item.data_type().clone());
    Ok(Arc::new(ListArray::new(item.clone(), OffsetBuffer::from_lengths(lengths), Arc::new(values), None)))
}
