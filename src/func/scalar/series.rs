//! Functions that return sets of numbers and times, as arrays that the query expands (manual, chapter 9.25): generate_series,
//! generate_subscripts. `array_ordinals` numbers the rows of an unnest for WITH ORDINALITY.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, PrimitiveArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{
    ArrowPrimitiveType, DECIMAL128_MAX_PRECISION, DataType, Decimal128Type, Field, Int32Type, Int64Type, IntervalMonthDayNano,
    IntervalMonthDayNanoType, TimestampMicrosecondType,
};
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, TEXT, accepts, text};
use crate::data::datetime::Zone;
use crate::error::{Error, Result, code};
use crate::func::arith::rules::{INTERVAL, TIMESTAMP, timestamptz};
use crate::func::arith::time::add_interval;
use crate::func::zone::add_in;
use crate::limits;

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Function::udf("generate_series", series_rule, series),
        Function::udf("generate_subscripts", subscripts_rule, subscripts),
        array_ordinals(),
    ]
}

/// The name of the function that numbers the rows of an unnest.
pub const ORDINALS: &str = "array_ordinals";

/// The function of that name: 1, 2 .. to the length of the longest of its arguments.
pub fn array_ordinals() -> Arc<ScalarUDF> {
    Function::udf(ORDINALS, ordinals_rule, ordinals)
}

/// An array type that may hold NULL.
pub(super) fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

/// Rows of elements as arrays; `None` is NULL.
fn lists<T: ArrowPrimitiveType>(rows: Vec<Option<Vec<T::Native>>>, output: &DataType) -> Result<ArrayRef> {
    let DataType::List(field) = output else { return Err(Error::internal("a series is an array")) };
    let offsets = OffsetBuffer::from_lengths(rows.iter().map(|r| r.as_ref().map_or(0, Vec::len)));
    let nulls = rows.iter().map(Option::is_some).collect::<Vec<bool>>().into();
    let values: Vec<T::Native> = rows.into_iter().flatten().flatten().collect();
    let values = PrimitiveArray::<T>::from_iter_values(values).with_data_type(field.data_type().clone());
    Ok(Arc::new(ListArray::try_new(field.clone(), offsets, Arc::new(values), Some(nulls))?))
}

fn series_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let (first, step) = match types {
        [_, _] => (types, None),
        [_, _, step] => (&types[..2], Some(step)),
        _ => return None,
    };
    let integer = |t: &DataType| t.is_integer() || t.is_null();
    if types.iter().all(integer) {
        let wide = types.iter().any(|t| matches!(t, DataType::Int64 | DataType::UInt32 | DataType::UInt64));
        let item = if wide { DataType::Int64 } else { DataType::Int32 };
        return Some((vec![item.clone(); types.len()], list_of(item)));
    }
    let scale = |t: &DataType| match t {
        DataType::Decimal128(_, scale) => Some((*scale).max(0)),
        t => integer(t).then_some(0),
    };
    if let Some(scales) = types.iter().map(scale).collect::<Option<Vec<i8>>>() {
        let item = DataType::Decimal128(DECIMAL128_MAX_PRECISION, scales.into_iter().max().unwrap_or(0));
        return Some((vec![item.clone(); types.len()], list_of(item)));
    }
    let step = step.filter(|s| s.is_string() || accepts(s, &INTERVAL)).map(|_| INTERVAL)?;
    let zoned = |t: &DataType| matches!(t, DataType::Timestamp(_, Some(_)));
    // Beside a timestamp a date is one; by itself it is a timestamptz, the preferred type.
    let plain = first.iter().any(|t| matches!(t, DataType::Timestamp(_, None)));
    let item = if first.iter().any(zoned) || !plain { timestamptz() } else { TIMESTAMP };
    let temporal = first.iter().all(|t| t.is_temporal() || t.is_null() || t.is_string()) && first.iter().any(|t| t.is_temporal());
    temporal.then(|| (vec![item.clone(), item.clone(), step], list_of(item)))
}

fn too_long() -> Error {
    Error::new(code::PROGRAM_LIMIT_EXCEEDED, format!("a series has at most {} elements", limits::SERIES_ELEMENTS_MAX))
        .hint("Write generate_series with literal numbers in FROM: its rows are made one by one.")
}

fn no_step() -> Error {
    Error::new(code::INVALID_PARAMETER_VALUE, "step size cannot equal zero")
}

fn series(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    match args[0].data_type() {
        DataType::Int32 => numbers::<Int32Type>(args, output, 1),
        DataType::Int64 => numbers::<Int64Type>(args, output, 1),
        DataType::Decimal128(_, scale) => numbers::<Decimal128Type>(args, output, 10i128.pow(u32::from(scale.unsigned_abs()))),
        _ => times(args, output, add_interval),
    }
}

/// A series of instants whose months and days are those of a time zone's clock: the zone, the same in each row, first, last and step.
pub fn zoned_function() -> Arc<ScalarUDF> {
    Function::udf(
        "zoned_series",
        |t| (t.len() == 4).then(|| (vec![TEXT, timestamptz(), timestamptz(), INTERVAL], list_of(timestamptz()))),
        |args, output| {
            let names = text(args, 0);
            let zone = if names.is_empty() { Zone::Utc } else { Zone::parse(names.value(0))? };
            times(&args[1..], output, |at, step| add_in(&zone, at, step))
        },
    )
}

/// One row's elements for each row without a NULL; their number is limited over all rows.
fn rows<N>(args: &[ArrayRef], mut one: impl FnMut(usize, usize) -> Result<Vec<N>>) -> Result<Vec<Option<Vec<N>>>> {
    let mut left = limits::SERIES_ELEMENTS_MAX;
    let mut all = Vec::with_capacity(args[0].len());
    for row in 0..args[0].len() {
        if args.iter().any(|a| a.is_null(row)) {
            all.push(None);
            continue;
        }
        let elements = one(row, left)?;
        left -= elements.len();
        all.push(Some(elements));
    }
    Ok(all)
}

/// Numbers of one type, in steps of `one` where no step is given.
fn numbers<T: ArrowPrimitiveType>(args: &[ArrayRef], output: &DataType, one: i128) -> Result<ArrayRef>
where
    T::Native: Into<i128> + TryFrom<i128>,
{
    let value = |i: usize, row: usize| -> i128 { args[i].as_primitive::<T>().value(row).into() };
    let found = rows(args, |row, left| {
        let (first, last) = (value(0, row), value(1, row));
        let step = if args.len() > 2 { value(2, row) } else { one };
        if step == 0 {
            return Err(no_step());
        }
        let way = last.checked_sub(first).ok_or_else(too_long)?;
        let count = (way / step + 1) * i128::from(way.signum() * step.signum() >= 0);
        if count > left as i128 {
            return Err(too_long());
        }
        // All of them lie between the first and the last, which have the type.
        Ok((0..count).filter_map(|i| T::Native::try_from(first + i * step).ok()).collect())
    })?;
    lists::<T>(found, output)
}

fn times(args: &[ArrayRef], output: &DataType, add: impl Fn(i64, IntervalMonthDayNano) -> Result<i64>) -> Result<ArrayRef> {
    let at = |i: usize, row: usize| args[i].as_primitive::<TimestampMicrosecondType>().value(row);
    let found = rows(args, |row, left| {
        let step = args[2].as_primitive::<IntervalMonthDayNanoType>().value(row);
        let (mut next, last) = (at(0, row), at(1, row));
        let forward = sign(step)? > 0;
        let mut elements = Vec::new();
        while if forward { next <= last } else { next >= last } {
            if elements.len() == left {
                return Err(too_long());
            }
            elements.push(next);
            next = add(next, step)?;
        }
        Ok(elements)
    })?;
    lists::<TimestampMicrosecondType>(found, output)
}

/// Whether an interval goes forward, a month of 30 days. Errors: 22023 if it does not go at all.
fn sign(step: IntervalMonthDayNano) -> Result<i64> {
    let days = i128::from(step.months) * 30 + i128::from(step.days);
    match days * 86_400_000_000_000 + i128::from(step.nanoseconds) {
        0 => Err(no_step()),
        n => Ok(n.signum() as i64),
    }
}

fn subscripts_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let output = list_of(DataType::Int32);
    match types {
        [list @ DataType::List(_), dimension] if dimension.is_integer() => Some((vec![list.clone(), DataType::Int32], output)),
        [list @ DataType::List(_), dimension, DataType::Boolean] if dimension.is_integer() => {
            Some((vec![list.clone(), DataType::Int32, DataType::Boolean], output))
        }
        _ => None,
    }
}

fn subscripts(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    let found = rows(args, |row, _| {
        let first = args[1].as_primitive::<Int32Type>().value(row) == 1;
        let numbers = 1..=if first { args[0].as_list::<i32>().value_length(row) } else { 0 };
        let reverse = args.get(2).is_some_and(|a| a.as_boolean().value(row));
        Ok(if reverse { numbers.rev().collect() } else { numbers.collect() })
    })?;
    lists::<Int32Type>(found, output)
}

fn ordinals_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let arrays = !types.is_empty() && types.iter().all(|t| matches!(t, DataType::List(_)));
    arrays.then(|| (types.to_vec(), list_of(DataType::Int64)))
}

/// 1, 2 .. to the length of the longest of the arrays.
fn ordinals(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    let length = |a: &ArrayRef, row: usize| if a.is_valid(row) { i64::from(a.as_list::<i32>().value_length(row)) } else { 0 };
    let longest = |row: usize| args.iter().map(|a| length(a, row)).max().unwrap_or(0);
    lists::<Int64Type>((0..args[0].len()).map(|row| Some((1..=longest(row)).collect())).collect(), output)
}
