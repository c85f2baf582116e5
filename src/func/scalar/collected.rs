//! What PostgreSQL's ordered-set aggregates make of a group's values, as functions of their array: a rewrite rule turns
//! `mode() WITHIN GROUP (ORDER BY x)` into `array_mode(array_agg(x ORDER BY x))`, so that one aggregate serves them all, in views too.
//! Those of the json aggregates are in [`super::json_build`].

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::logical_expr::ScalarUDF;

use super::arrays;
use super::define::Function;
use crate::error::{Error, Result, code};
use crate::func::text_io;

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![Function::udf("array_mode", element_rule, mode), Function::udf("array_percentile_disc", percentile_rule, percentile_disc)]
}

fn element_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    match types {
        [DataType::List(item)] => Some((types.to_vec(), item.data_type().clone())),
        _ => None,
    }
}

fn percentile_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    match types {
        [DataType::List(item), fraction] if fraction.is_numeric() || fraction.is_null() => {
            Some((vec![types[0].clone(), DataType::Float64], item.data_type().clone()))
        }
        _ => None,
    }
}

/// For each row the element that `pick` finds among the elements that are not NULL, which are given by their numbers.
fn picked(args: &[ArrayRef], pick: impl Fn(usize, &ArrayRef, &[u32]) -> Result<Option<u32>>) -> Result<ArrayRef> {
    let lists = args[0].as_list::<i32>();
    let values = lists.values();
    let one = |row: usize| {
        if args.iter().any(|a| a.is_null(row)) {
            return Ok(None);
        }
        let (start, end) = (lists.value_offsets()[row] as u32, lists.value_offsets()[row + 1] as u32);
        let valid: Vec<u32> = (start..end).filter(|i| values.is_valid(*i as usize)).collect();
        if valid.is_empty() { Ok(None) } else { pick(row, values, &valid) }
    };
    let indices = (0..lists.len()).map(one).collect::<Result<UInt32Array>>()?;
    Ok(compute::take(values, &indices, None)?)
}

/// The most frequent element of an array in order; of several the first.
fn mode(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let values = arrays::comparable(args[0].as_list::<i32>().values())?;
    let compare = arrow::array::make_comparator(&values, &values, Default::default())?;
    picked(args, |_, _, valid| {
        let runs = valid.chunk_by(|a, b| compare(*a as usize, *b as usize).is_eq());
        let best = runs.reduce(|best, run| if run.len() > best.len() { run } else { best });
        Ok(best.map(|run| run[0]))
    })
}

/// The first element of an array in order at or behind which the fraction of all elements stands.
fn percentile_disc(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let fractions = args[1].as_primitive::<Float64Type>();
    picked(args, |row, _, valid| {
        let fraction = fractions.value(row);
        if !(0.0..=1.0).contains(&fraction) {
            let message = format!("percentile value {} is not between 0 and 1", text_io::float_text(fraction, 1));
            return Err(Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, message));
        }
        let number = (fraction * valid.len() as f64).ceil().max(1.0) as usize;
        Ok(valid.get(number - 1).copied())
    })
}
