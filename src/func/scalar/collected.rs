//! What PostgreSQL's ordered-set aggregates make of a group's values, as functions of their array: a rewrite rule turns
//! `mode() WITHIN GROUP (ORDER BY x)` into `array_mode(array_agg(x ORDER BY x))`, so that one aggregate serves them all, in views too.
//! Those of the json aggregates are in [`super::json_build`].

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, ListArray, PrimitiveArray, UInt32Array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute;
use arrow::datatypes::{DataType, Field, Float64Type, IntervalMonthDayNanoType, IntervalUnit};
use datafusion::logical_expr::ScalarUDF;

use super::arrays;
use super::define::{Function, no_function};
use crate::error::{Error, Result, code};
use crate::func::arith::time;
use crate::func::text_io;

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Function::udf("array_mode", element_rule, mode),
        Function::explained("array_percentile_cont", continuous_rule, |types| no_percentile("percentile_cont", types), percentile_cont),
        Function::explained("array_percentile_disc", discrete_rule, |types| no_percentile("percentile_disc", types), percentile_disc),
    ]
}

/// The error for a fraction, and elements, of types that the aggregate does not take.
fn no_percentile(name: &str, types: &[DataType]) -> Error {
    let element = types.first().map(|ty| if let DataType::List(item) = ty { item.data_type().clone() } else { ty.clone() });
    let types: Vec<DataType> = types.iter().skip(1).cloned().chain(element).collect();
    no_function(name, &types)
}

fn element_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    match types {
        [DataType::List(item)] => Some((types.to_vec(), item.data_type().clone())),
        _ => None,
    }
}

fn discrete_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    match types {
        [DataType::List(item), fraction] => percentile_rule(types, fraction, item.data_type().clone()),
        _ => None,
    }
}

fn continuous_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let [DataType::List(item), fraction] = types else { return None };
    match item.data_type() {
        interval @ DataType::Interval(IntervalUnit::MonthDayNano) => percentile_rule(types, fraction, interval.clone()),
        number if number.is_numeric() || number.is_null() => percentile_rule(types, fraction, DataType::Float64),
        _ => None,
    }
}

/// One answer for a fraction, and as many for an array of them.
fn percentile_rule(types: &[DataType], fraction: &DataType, answer: DataType) -> Option<(Vec<DataType>, DataType)> {
    match fraction {
        DataType::List(item) if item.data_type().is_numeric() || item.data_type().is_null() => {
            Some((types.to_vec(), DataType::List(Arc::new(Field::new_list_field(answer, true)))))
        }
        one if one.is_numeric() || one.is_null() => Some((vec![types[0].clone(), DataType::Float64], answer)),
        _ => None,
    }
}

/// The numbers of a row's elements that are not NULL; none for a row that is NULL.
fn valid_elements(lists: &ListArray, row: usize) -> Vec<u32> {
    if lists.is_null(row) {
        return vec![];
    }
    let (start, end) = (lists.value_offsets()[row] as u32, lists.value_offsets()[row + 1] as u32);
    (start..end).filter(|i| lists.values().is_valid(*i as usize)).collect()
}

/// The most frequent element of an array in order; of several the first.
fn mode(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let lists = args[0].as_list::<i32>();
    let values = arrays::comparable(lists.values())?;
    let compare = arrow::array::make_comparator(&values, &values, Default::default())?;
    let one = |row: usize| {
        let valid = valid_elements(lists, row);
        let runs = valid.chunk_by(|a, b| compare(*a as usize, *b as usize).is_eq());
        runs.reduce(|best, run| if run.len() > best.len() { run } else { best }).map(|run| run[0])
    };
    let indices: UInt32Array = (0..lists.len()).map(one).collect();
    Ok(compute::take(lists.values(), &indices, None)?)
}

/// The first element of an array in order at or behind which the fraction of all elements stands.
fn percentile_disc(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    let pick = |valid: &[u32], fraction: f64| {
        let number = (fraction * valid.len() as f64).ceil().max(1.0) as usize;
        Ok(valid.get(number - 1).copied())
    };
    let values = args[0].as_list::<i32>().values();
    percentiles(args, output, pick, |found| Ok(compute::take(values, &UInt32Array::from(found), None)?))
}

/// What stands at the fraction of the way from the first element of an array in order to its last, between two elements if need be.
fn percentile_cont(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    let values = args[0].as_list::<i32>().values();
    // The elements on both sides of the place, and how far it is from the first of them to the second.
    let around = |valid: &[u32], fraction: f64| {
        let place = fraction * (valid.len() - 1) as f64;
        let (first, second) = (place.floor() as usize, place.ceil() as usize);
        let element = |i: usize| valid.get(i).map(|i| *i as usize);
        Some((element(first)?, element(second)?, place - place.floor()))
    };
    if let Some(values) = values.as_primitive_opt::<IntervalMonthDayNanoType>() {
        let pick = |valid: &[u32], fraction: f64| {
            let Some((first, second, way)) = around(valid, fraction) else { return Ok(None) };
            let (first, second) = (values.value(first), values.value(second));
            let between = time::add_intervals(second, time::negate(first)?)?;
            time::add_intervals(first, time::multiply(between, way)?).map(Some)
        };
        return percentiles(args, output, pick, |found| Ok(Arc::new(PrimitiveArray::<IntervalMonthDayNanoType>::from(found))));
    }
    let values = compute::cast(values, &DataType::Float64)?;
    let values = values.as_primitive::<Float64Type>();
    let pick = |valid: &[u32], fraction: f64| {
        let Some((first, second, way)) = around(valid, fraction) else { return Ok(None) };
        let value = values.value(first);
        // An infinite value is not between itself and another.
        Ok(Some(if first == second { value } else { value + way * (values.value(second) - value) }))
    };
    percentiles(args, output, pick, |found| Ok(Arc::new(Float64Array::from(found))))
}

/// For each row, and each of its fractions, what `pick` finds for it among the elements that are not NULL, as an array that `collect` makes.
/// NULL for a fraction that is NULL, and for a row without elements. Errors: 22003.
fn percentiles<T>(
    args: &[ArrayRef],
    output: &DataType,
    pick: impl Fn(&[u32], f64) -> Result<Option<T>>,
    collect: impl FnOnce(Vec<Option<T>>) -> Result<ArrayRef>,
) -> Result<ArrayRef> {
    let lists = args[0].as_list::<i32>();
    let several = args[1].as_list_opt::<i32>();
    let fractions = compute::cast(several.map_or(&args[1], |several| several.values()), &DataType::Float64)?;
    let fractions = fractions.as_primitive::<Float64Type>();
    let (mut found, mut lengths, mut present) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..lists.len() {
        let valid = valid_elements(lists, row);
        let asked = match several {
            Some(several) if several.is_null(row) || valid.is_empty() => 0..0,
            Some(several) => several.value_offsets()[row] as usize..several.value_offsets()[row + 1] as usize,
            None => row..row + 1,
        };
        lengths.push(asked.len());
        present.push(!valid.is_empty() && args[1].is_valid(row));
        for i in asked {
            let fraction = (fractions.is_valid(i) && !valid.is_empty()).then(|| fractions.value(i));
            found.push(match fraction {
                Some(fraction) => pick(&valid, within_range(fraction)?)?,
                None => None,
            });
        }
    }
    let found = collect(found)?;
    match (several, output) {
        (Some(_), DataType::List(item)) => {
            let offsets = OffsetBuffer::from_lengths(lengths);
            Ok(Arc::new(ListArray::try_new(Arc::clone(item), offsets, found, Some(NullBuffer::from(present)))?))
        }
        _ => Ok(found),
    }
}

/// The fraction. Errors: 22003 for one that is none.
fn within_range(fraction: f64) -> Result<f64> {
    if (0.0..=1.0).contains(&fraction) {
        return Ok(fraction);
    }
    let message = format!("percentile value {} is not between 0 and 1", text_io::float_text(fraction, 1));
    Err(Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, message))
}
