//! json and jsonb (manual, chapter 9.16): the operators `-> ->> #> #>>  @> ?`, jsonb_typeof, jsonb_array_length.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int32Array, LargeStringArray};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, TEXT, each, text, text_array, texts, texts_type};
use super::series::list_of;
use super::sets::Read;
use crate::data::PgType;
use crate::data::json::{Json, parse, take_apart};
use crate::error::{Error, Result, code};

const JSON: DataType = DataType::LargeUtf8;

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Function::typed("json_get", |t| key_rule(t, JSON), PgType::Json, |args, _| json_array(step(args, take_apart, item)?)),
        Function::udf("json_get_text", |t| key_rule(t, TEXT), |args, _| Ok(as_text(step(args, take_apart, item)?))),
        Function::udf("jsonb_get", |t| key_rule(t, JSON), |args, _| json_array(step(args, parse, item_of_jsonb)?)),
        Function::udf("jsonb_get_text", |t| key_rule(t, TEXT), |args, _| Ok(as_text(step(args, parse, item_of_jsonb)?))),
        Function::typed("json_path", |t| path_rule(t, JSON), PgType::Json, |args, _| json_array(walk(args, take_apart)?)),
        Function::udf("json_path_text", |t| path_rule(t, TEXT), |args, _| Ok(as_text(walk(args, take_apart)?))),
        Function::udf("jsonb_path", |t| path_rule(t, JSON), |args, _| json_array(walk(args, parse)?)),
        Function::udf("jsonb_path_text", |t| path_rule(t, TEXT), |args, _| Ok(as_text(walk(args, parse)?))),
        Function::udf("jsonb_object_field", |t| field_rule(t, JSON), |args, _| json_array(step(args, parse, item_of_jsonb)?)),
        Function::udf("jsonb_object_field_text", |t| field_rule(t, TEXT), |args, _| Ok(as_text(step(args, parse, item_of_jsonb)?))),
        Function::udf("jsonb_array_element", |t| element_rule(t, JSON), |args, _| json_array(step(args, parse, item_of_jsonb)?)),
        Function::udf("jsonb_array_element_text", |t| element_rule(t, TEXT), |args, _| Ok(as_text(step(args, parse, item_of_jsonb)?))),
        Function::typed("json_object_field", |t| field_rule(t, JSON), PgType::Json, |args, _| json_array(step(args, take_apart, item)?)),
        Function::udf("json_object_field_text", |t| field_rule(t, TEXT), |args, _| Ok(as_text(step(args, take_apart, item)?))),
        Function::typed("json_array_element", |t| element_rule(t, JSON), PgType::Json, |args, _| json_array(step(args, take_apart, item)?)),
        Function::udf("json_array_element_text", |t| element_rule(t, TEXT), |args, _| Ok(as_text(step(args, take_apart, item)?))),
        Function::udf("jsonb_contains", two_json, contains),
        Function::udf("jsonb_exists", exists_rule, exists),
        Function::udf("jsonb_contained", two_json, |args, kind| contains(&[args[1].clone(), args[0].clone()], kind)),
        Function::udf("jsonb_exists_any", keys_of_rule, |args, _| exists_keys(args, |found, _| found > 0)),
        Function::udf("jsonb_exists_all", keys_of_rule, |args, _| exists_keys(args, |found, asked| found == asked)),
        subscript(),
        Function::udf("jsonb_extract_path_text", |t| keys_rule(t, TEXT), |args, _| Ok(as_text(walk_keys(args, parse)?))),
        Function::typed("json_extract_path", |t| keys_rule(t, JSON), PgType::Json, |args, _| json_array(walk_keys(args, take_apart)?)),
        Function::udf("json_extract_path_text", |t| keys_rule(t, TEXT), |args, _| Ok(as_text(walk_keys(args, take_apart)?))),
        Function::udf("jsonb_typeof", |t| one_json(t, TEXT), type_of),
        Function::udf("json_typeof", |t| one_json(t, TEXT), type_of),
        Function::udf("jsonb_array_length", |t| one_json(t, DataType::Int32), array_length),
        Function::udf("json_array_length", |t| one_json(t, DataType::Int32), array_length),
    ]
}

/// `jsonb[key]`: what stands at a path of one key.
pub fn subscript() -> Arc<ScalarUDF> {
    Function::udf("jsonb_extract_path", |t| keys_rule(t, JSON), |args, _| json_array(walk_keys(args, parse)?))
}

/// The function of an operator of json.
pub fn operator(name: &str) -> Option<Arc<ScalarUDF>> {
    functions().into_iter().find(|f| f.name() == name)
}

fn is_json(ty: &DataType) -> bool {
    *ty == JSON || ty.is_string() || ty.is_null()
}

fn one_json(types: &[DataType], output: DataType) -> Option<(Vec<DataType>, DataType)> {
    matches!(types, [a] if is_json(a)).then(|| (vec![JSON], output))
}

fn two_json(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    matches!(types, [a, b] if is_json(a) && is_json(b)).then(|| (vec![JSON, JSON], DataType::Boolean))
}

fn exists_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    matches!(types, [a, b] if is_json(a) && (b.is_string() || b.is_null())).then(|| (vec![JSON, TEXT], DataType::Boolean))
}

fn key_rule(types: &[DataType], output: DataType) -> Option<(Vec<DataType>, DataType)> {
    match types {
        [a, b] if is_json(a) && b.is_integer() => Some((vec![JSON, DataType::Int64], output)),
        [a, b] if is_json(a) && (b.is_string() || b.is_null()) => Some((vec![JSON, TEXT], output)),
        _ => None,
    }
}

/// A key that is a name.
fn field_rule(types: &[DataType], output: DataType) -> Option<(Vec<DataType>, DataType)> {
    key_rule(types, output).filter(|(args, _)| args[1] == TEXT)
}

/// A key that is the number of an item.
fn element_rule(types: &[DataType], output: DataType) -> Option<(Vec<DataType>, DataType)> {
    key_rule(types, output).filter(|(args, _)| args[1] != TEXT)
}

fn path_rule(types: &[DataType], output: DataType) -> Option<(Vec<DataType>, DataType)> {
    let [a, path] = types else { return None };
    // NULL, or a parameter whose type is not known yet.
    let path = if path.is_null() { list_of(TEXT) } else { texts_type(path)? };
    is_json(a).then(|| (vec![JSON, path], output))
}

/// A path whose keys are arguments.
fn keys_rule(types: &[DataType], output: DataType) -> Option<(Vec<DataType>, DataType)> {
    let (first, keys) = types.split_first()?;
    (is_json(first) && keys.iter().all(DataType::is_string)).then(|| ([vec![JSON], vec![TEXT; keys.len()]].concat(), output))
}

pub(super) fn value(args: &[ArrayRef], i: usize, row: usize) -> Result<Json> {
    parse(args[i].as_string::<i64>().value(row))
}

/// The last of that key, of which json may have several.
fn member(json: Json, key: &str) -> Option<Json> {
    match json {
        Json::Object(members) => members.into_iter().rfind(|(k, _)| k == key).map(|(_, v)| v),
        _ => None,
    }
}

fn item(json: Json, at: i64) -> Option<Json> {
    let Json::Array(mut items) = json else { return None };
    let at = if at < 0 { at + items.len() as i64 } else { at };
    let at = usize::try_from(at).ok().filter(|at| *at < items.len())?;
    Some(items.swap_remove(at))
}

/// To `->` a scalar in jsonb is an array of it alone.
fn item_of_jsonb(json: Json, at: i64) -> Option<Json> {
    if json.is_scalar() { matches!(at, 0 | -1).then_some(json) } else { item(json, at) }
}

fn step(args: &[ArrayRef], read: Read, item: fn(Json, i64) -> Option<Json>) -> Result<Vec<Option<Json>>> {
    let by_number = args[1].data_type().is_integer();
    let found = each(args, |row| {
        let json = read(args[0].as_string::<i64>().value(row))?;
        Ok(if by_number { item(json, args[1].as_primitive::<Int64Type>().value(row)) } else { member(json, text(args, 1).value(row)) })
    })?;
    Ok(found.into_iter().map(Option::flatten).collect())
}

fn walk(args: &[ArrayRef], read: Read) -> Result<Vec<Option<Json>>> {
    let documents = args[0].as_string::<i64>();
    let found = each(args, |row| at_path(read(documents.value(row))?, texts(args, 1, row)?.iter().map(Option::as_deref)))?;
    Ok(found.into_iter().map(Option::flatten).collect())
}

fn walk_keys(args: &[ArrayRef], read: Read) -> Result<Vec<Option<Json>>> {
    let documents = args[0].as_string::<i64>();
    let keys = |row| (1..args.len()).map(move |i| Some(text(args, i).value(row)));
    let found = each(args, |row| at_path(read(documents.value(row))?, keys(row)))?;
    Ok(found.into_iter().map(Option::flatten).collect())
}

fn at_path<'a>(json: Json, path: impl Iterator<Item = Option<&'a str>>) -> Result<Option<Json>> {
    let mut at = json;
    for key in path {
        let Some(key) = key else { return Ok(None) };
        let part = match at {
            Json::Written(text) => take_apart(&text)?,
            json => json,
        };
        let found = match part {
            json @ Json::Array(_) => key.trim_start().parse().ok().and_then(|place| item(json, place)),
            json => member(json, key),
        };
        let Some(found) = found else { return Ok(None) };
        at = found;
    }
    Ok(Some(at))
}

fn json_array(rows: Vec<Option<Json>>) -> Result<ArrayRef> {
    Ok(Arc::new(rows.into_iter().map(|v| v.map(|v| v.to_text())).collect::<LargeStringArray>()))
}

/// Strings without quotes, null as NULL.
fn as_text(rows: Vec<Option<Json>>) -> ArrayRef {
    let text = |v: Json| match v {
        Json::Null => None,
        Json::String(s) => Some(s),
        other => Some(other.to_text()),
    };
    text_array(rows.into_iter().map(|v| v.and_then(text)).collect())
}

/// jsonb containment: members and items of the right are found in the left; an array contains a bare scalar.
fn holds(left: &Json, right: &Json, top: bool) -> bool {
    match (left, right) {
        (Json::Object(l), Json::Object(r)) => r.iter().all(|(k, v)| l.iter().any(|(lk, lv)| lk == k && holds(lv, v, false))),
        (Json::Array(l), Json::Array(r)) => r.iter().all(|v| l.iter().any(|lv| holds(lv, v, false))),
        (Json::Array(l), scalar) if top && scalar.is_scalar() => l.iter().any(|item| item.is_same_scalar(scalar)),
        _ => left.is_same_scalar(right),
    }
}

fn contains(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| Ok(holds(&value(args, 0, row)?, &value(args, 1, row)?, true)))?;
    Ok(Arc::new(rows.into_iter().collect::<BooleanArray>()))
}

fn has_key(json: &Json, key: &str) -> bool {
    match json {
        Json::Object(members) => members.iter().any(|(k, _)| k == key),
        Json::Array(items) => items.iter().any(|item| matches!(item, Json::String(s) if s == key)),
        Json::String(s) => s == key,
        _ => false,
    }
}

fn exists(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| Ok(has_key(&value(args, 0, row)?, text(args, 1).value(row))))?;
    Ok(Arc::new(rows.into_iter().collect::<BooleanArray>()))
}

fn keys_of_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    path_rule(types, DataType::Boolean)
}

/// `?|` and `?&`, by how many of the keys are there and how many are asked for; NULLs are not.
fn exists_keys(args: &[ArrayRef], holds: fn(usize, usize) -> bool) -> Result<ArrayRef> {
    let rows = each(args, |row| {
        let (json, keys) = (value(args, 0, row)?, texts(args, 1, row)?);
        let asked = keys.iter().flatten().count();
        Ok(holds(keys.iter().flatten().filter(|key| has_key(&json, key)).count(), asked))
    })?;
    Ok(Arc::new(rows.into_iter().collect::<BooleanArray>()))
}

fn type_of(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    Ok(text_array(each(args, |row| Ok(value(args, 0, row)?.type_name().to_string()))?))
}

fn array_length(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| match value(args, 0, row)? {
        Json::Array(items) => Ok(items.len() as i32),
        Json::Object(_) => Err(Error::new(code::INVALID_PARAMETER_VALUE, "cannot get array length of a non-array")),
        _ => Err(Error::new(code::INVALID_PARAMETER_VALUE, "cannot get array length of a scalar")),
    })?;
    Ok(Arc::new(rows.into_iter().collect::<Int32Array>()))
}
