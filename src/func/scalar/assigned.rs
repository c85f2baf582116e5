//! An array or a jsonb with something else in one place: what `SET a[2] = x` and `SET j['key'] = x` put into a column (manual, chapters 8.15.4
//! and 8.14.5). The parser makes a call of it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeStringArray, ListArray, new_null_array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{cast, interleave};
use arrow::datatypes::{DataType, Int32Type};
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, TEXT};
use super::sets::JSON;
use crate::data::PgType;
use crate::data::json::{Json, object, parse};
use crate::error::{Error, Result, code};
use crate::limits;

/// The function of the old value, of what is assigned, and of the subscripts.
pub const ASSIGNED: &str = "pg_assigned_element";

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![Function::udf(ASSIGNED, rule, |args, _| match args[0].data_type() {
        DataType::List(_) => element(args),
        _ => within(args),
    })]
}

/// `(array, element, place)` or `(jsonb, jsonb, step, ..)`.
fn rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let (old, new, path) = match types {
        [old, new, path @ ..] if !path.is_empty() => (old, new, path),
        _ => return None,
    };
    let is_text = |ty: &DataType| ty.is_string() || ty.is_null();
    match old {
        DataType::List(item) if path.len() == 1 && (path[0].is_integer() || is_text(&path[0])) => {
            let item = item.data_type();
            let fits = new == item || is_text(new) || new.is_numeric() && item.is_numeric();
            Some((vec![old.clone(), if fits { item } else { new }.clone(), DataType::Int32], old.clone()))
        }
        old if *old == JSON => {
            let new = if is_text(new) { &JSON } else { new };
            let step = |ty: &DataType| if ty.is_integer() { DataType::Int64 } else { TEXT };
            let steps = path.iter().map(step);
            path.iter().all(|ty| ty.is_integer() || is_text(ty)).then(|| ([JSON, new.clone()].into_iter().chain(steps).collect(), JSON))
        }
        _ => None,
    }
}

/// Errors: 42804 for a value of a type that is not assigned there.
fn check_type(given: &DataType, wanted: &DataType) -> Result<()> {
    if given == wanted {
        return Ok(());
    }
    let [given, wanted] = [given, wanted].map(|ty| PgType::of_arrow(ty).base());
    let message = format!("subscripted assignment requires type {wanted} but expression is of type {given}");
    Err(Error::new(code::DATATYPE_MISMATCH, message).hint("You will need to rewrite or cast the expression."))
}

fn null_subscript() -> Error {
    Error::new(code::NULL_VALUE_NOT_ALLOWED, "subscript in assignment must not be null")
}

/// An array that is shorter gets NULLs up to the place. Errors: 22004, 42804, 54000; 0A000 for a place at which an array would have to begin.
fn element(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (lists, places) = (args[0].as_list::<i32>(), args[2].as_primitive::<Int32Type>());
    let DataType::List(field) = lists.data_type() else { return Err(Error::internal("an array is one")) };
    check_type(args[1].data_type(), field.data_type())?;
    let offsets = lists.value_offsets();
    // Of the items, of what is put there, and a NULL.
    let (mut from, mut lengths) = (Vec::new(), Vec::with_capacity(lists.len()));
    for row in 0..lists.len() {
        let here = if lists.is_valid(row) { offsets[row] as usize..offsets[row + 1] as usize } else { 0..0 };
        if places.is_null(row) {
            return Err(null_subscript());
        }
        let place = places.value(row);
        let Some(at) = usize::try_from(place).ok().filter(|at| *at > 0 && (*at == 1 || !here.is_empty())) else {
            let error = Error::unsupported(format!("an array that begins at {place} is not supported"));
            return Err(error.hint("Arrays count from 1: assign the first element first, or a whole array."));
        };
        let length = here.len().max(at);
        if length - here.len() > limits::VALUE_BYTES_MAX / size_of::<u64>() {
            return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, "array size exceeds the maximum allowed"));
        }
        from.extend((0..length).map(|i| match i {
            i if i + 1 == at => (1, row),
            i if i < here.len() => (0, here.start + i),
            _ => (2, 0),
        }));
        lengths.push(length);
    }
    let null = new_null_array(field.data_type(), 1);
    let items = interleave(&[lists.values().as_ref(), args[1].as_ref(), null.as_ref()], &from)?;
    Ok(Arc::new(ListArray::try_new(field.clone(), OffsetBuffer::from_lengths(lengths), items, None)?))
}

/// One step into a jsonb.
enum Step {
    Key(String),
    Place(i64),
}

/// Errors: 22004, 22P02, 22023, 42804, 54000.
fn within(args: &[ArrayRef]) -> Result<ArrayRef> {
    check_type(args[1].data_type(), &JSON)?;
    let (old, new) = (args[0].as_string::<i64>(), args[1].as_string::<i64>());
    let texts = args[2..].iter().map(|step| cast(step, &TEXT)).collect::<Result<Vec<_>, _>>()?;
    let one = |row: usize| {
        let mut path = Vec::with_capacity(texts.len());
        for (text, given) in texts.iter().zip(&args[2..]) {
            if text.is_null(row) {
                return Err(null_subscript());
            }
            let text = text.as_string_view().value(row);
            let place = if given.data_type().is_integer() { text.parse().ok() } else { None };
            path.push(place.map_or_else(|| Step::Key(text.to_string()), Step::Place));
        }
        let new = if new.is_valid(row) { parse(new.value(row))? } else { Json::Null };
        let old = if old.is_valid(row) { parse(old.value(row))? } else { empty(path.first()) };
        Ok(Some(put(old, &path, 1, new)?.to_text()))
    };
    Ok(Arc::new((0..args[0].len()).map(one).collect::<Result<LargeStringArray>>()?))
}

/// What a step leads into that is not there yet.
fn empty(step: Option<&Step>) -> Json {
    match step {
        Some(Step::Place(_)) => Json::Array(vec![]),
        _ => Json::Object(vec![]),
    }
}

fn put(old: Json, path: &[Step], position: usize, new: Json) -> Result<Json> {
    let Some((step, rest)) = path.split_first() else { return Ok(new) };
    let invalid = |message: String| Error::new(code::INVALID_PARAMETER_VALUE, message);
    match old {
        Json::Object(mut members) => {
            let key = match step {
                Step::Key(key) => key.clone(),
                Step::Place(place) => place.to_string(),
            };
            let before = members.iter().position(|(name, _)| *name == key).map(|at| members.remove(at).1);
            let value = put(before.unwrap_or_else(|| empty(rest.first())), rest, position + 1, new)?;
            members.push((key, value));
            Ok(object(members))
        }
        Json::Array(mut items) => {
            let place = match step {
                Step::Place(place) => *place,
                Step::Key(key) => key.parse().map_err(|_| {
                    let message = format!("path element at position {position} is not an integer: \"{key}\"");
                    Error::new(code::INVALID_TEXT_REPRESENTATION, message)
                })?,
            };
            let at = if place < 0 { place + items.len() as i64 } else { place };
            let at = usize::try_from(at).map_err(|_| invalid(format!("path element at position {position} is out of range: {place}")))?;
            if at.saturating_sub(items.len()) > limits::VALUE_BYTES_MAX / size_of::<Json>() {
                return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, "number of jsonb array elements exceeds the maximum allowed"));
            }
            let before = (at < items.len()).then(|| std::mem::replace(&mut items[at], Json::Null));
            items.resize(items.len().max(at + 1), Json::Null);
            items[at] = put(before.unwrap_or_else(|| empty(rest.first())), rest, position + 1, new)?;
            Ok(Json::Array(items))
        }
        _ => Err(invalid("cannot replace existing key".to_string())
            .detail("The path assumes key is a composite object, but it is a scalar value.")),
    }
}
