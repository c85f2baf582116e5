//! What PostgreSQL's json and ordered-set aggregates make of a group's values, as functions of their array: a rewrite rule turns
//! `json_agg(x ORDER BY y)` into `array_to_json(array_agg(x ORDER BY y))`, so that one aggregate serves them all, in views too.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeStringArray, UInt32Array};
use arrow::compute;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, each};
use crate::data::PgType;
use crate::data::json::put_string;
use crate::error::{Error, Result, code};
use crate::func::json::{object, parse};
use crate::func::text_io;

const JSON: DataType = DataType::LargeUtf8;

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Function::udf("array_to_json", one_array, array_to_json),
        Function::udf("arrays_to_object", two_arrays, arrays_to_object),
        Function::udf("array_mode", element_rule, mode),
        Function::udf("array_percentile_disc", percentile_rule, percentile_disc),
    ]
}

fn one_array(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    matches!(types, [DataType::List(_)]).then(|| (types.to_vec(), JSON))
}

fn two_arrays(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    matches!(types, [DataType::List(_), DataType::List(_)]).then(|| (types.to_vec(), JSON))
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

/// A value as jsonb's text (manual, to_jsonb).
fn put_json(array: &dyn Array, row: usize, out: &mut String) -> Result<()> {
    if array.is_null(row) {
        out.push_str("null");
        return Ok(());
    }
    if let DataType::List(_) = array.data_type() {
        let items = array.as_list::<i32>().value(row);
        out.push('[');
        for i in 0..items.len() {
            out.push_str(if i > 0 { ", " } else { "" });
            put_json(&items, i, out)?;
        }
        out.push(']');
        return Ok(());
    }
    let ty = PgType::of_arrow(array.data_type());
    let text = text_io::print(array, row, &ty)?.unwrap_or_default();
    match array.data_type() {
        DataType::LargeUtf8 => out.push_str(&text),
        DataType::Boolean => out.push_str(if array.as_boolean().value(row) { "true" } else { "false" }),
        t if t.is_numeric() && text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) && !text.ends_with('y') => out.push_str(&text),
        // ISO 8601, as PostgreSQL writes them in json.
        DataType::Timestamp(_, zone) => {
            let iso = text.replacen(' ', "T", 1);
            let zoned = zone.is_some() && iso.ends_with("+00");
            put_string(&if zoned { format!("{iso}:00") } else { iso }, out);
        }
        _ => put_string(&text, out),
    }
    Ok(())
}

fn array_to_json(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| {
        let mut text = String::new();
        put_json(&args[0], row, &mut text)?;
        Ok(text)
    })?;
    Ok(Arc::new(rows.into_iter().collect::<LargeStringArray>()))
}

/// Keys and values side by side as an object; the last of equal keys wins.
fn arrays_to_object(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| {
        let (keys, values) = (args[0].as_list::<i32>().value(row), args[1].as_list::<i32>().value(row));
        let ty = PgType::of_arrow(keys.data_type());
        let mut members = Vec::with_capacity(keys.len());
        for i in 0..keys.len().min(values.len()) {
            let null = || Error::new(code::INVALID_PARAMETER_VALUE, "field name must not be null");
            let key = text_io::print(&keys, i, &ty)?.ok_or_else(null)?;
            let mut value = String::new();
            put_json(&values, i, &mut value)?;
            members.push((key, parse(&value).ok_or_else(|| Error::internal("a value has no json text"))?));
        }
        Ok(object(members).to_text())
    })?;
    Ok(Arc::new(rows.into_iter().collect::<LargeStringArray>()))
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
    let compare = arrow::array::make_comparator(args[0].as_list::<i32>().values(), args[0].as_list::<i32>().values(), Default::default())?;
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
