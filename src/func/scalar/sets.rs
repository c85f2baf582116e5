//! Functions that return sets of values out of json and text, as arrays that the query expands (manual, chapters 9.16 and 9.4).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeStringBuilder, ListBuilder, StringViewBuilder};
use arrow::datatypes::{DataType, Field};
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, Rule, TEXT, each, fixed, text};
use super::series::list_of;
use crate::data::json::{Json, parse, parse_written, take_apart};
use crate::error::{Error, Result, code};

pub(super) const JSON: DataType = DataType::LargeUtf8;

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    let json: Rule = |types| json_rule(types, JSON);
    let text: Rule = |types| json_rule(types, TEXT);
    vec![
        Function::udf("string_to_table", text_rule, split_by_string),
        Function::udf("jsonb_array_elements", json, |a, _| jsons(a, parse, items)),
        Function::udf("jsonb_array_elements_text", text, |a, _| texts(a, parse, items)),
        Function::udf("json_array_elements", json, |a, _| jsons(a, take_apart, |json| written_items(json, "json_array_elements"))),
        Function::udf("json_array_elements_text", text, |a, _| {
            texts(a, take_apart, |json| written_items(json, "json_array_elements_text"))
        }),
        Function::udf("jsonb_object_keys", text, |a, _| texts(a, parse, |json| names(json, "jsonb_object_keys"))),
        Function::udf("json_object_keys", text, |a, _| texts(a, parse_written, |json| names(json, "json_object_keys"))),
        // Keys and values alone: a rewrite rule puts them side by side.
        Function::udf("pg_jsonb_each_keys", text, |a, _| texts(a, parse, |json| keys(members(json, "jsonb_each")))),
        Function::udf("pg_jsonb_each_text_keys", text, |a, _| texts(a, parse, |json| keys(members(json, "jsonb_each_text")))),
        Function::udf("pg_json_each_keys", text, |a, _| texts(a, parse_written, |json| keys(written_members(json)))),
        Function::udf("jsonb_each", json, |a, _| jsons(a, parse, |json| values(members(json, "jsonb_each")))),
        Function::udf("jsonb_each_text", text, |a, _| texts(a, parse, |json| values(members(json, "jsonb_each_text")))),
        Function::udf("json_each", json, |a, _| jsons(a, take_apart, |json| values(written_members(json)))),
        Function::udf("json_each_text", text, |a, _| texts(a, take_apart, |json| values(written_members(json)))),
    ]
}

type Members = Vec<(String, Json)>;
/// How a text is read.
pub(super) type Read = fn(&str) -> Result<Json>;
/// What a set consists of.
type Parts = fn(Json) -> Result<Vec<Json>>;

fn refused(message: String) -> Error {
    Error::new(code::INVALID_PARAMETER_VALUE, message)
}

fn json_rule(types: &[DataType], item: DataType) -> Option<(Vec<DataType>, DataType)> {
    matches!(types, [a] if *a == JSON || a.is_string() || a.is_null()).then(|| (vec![JSON], list_of(item)))
}

fn items(json: Json) -> Result<Vec<Json>> {
    match json {
        Json::Array(items) => Ok(items),
        Json::Object(_) => Err(refused("cannot extract elements from an object".to_string())),
        _ => Err(refused("cannot extract elements from a scalar".to_string())),
    }
}

fn written_items(json: Json, function: &str) -> Result<Vec<Json>> {
    match json {
        Json::Array(items) => Ok(items),
        Json::Object(_) => Err(refused(format!("cannot call {function} on a non-array"))),
        _ => Err(refused(format!("cannot call {function} on a scalar"))),
    }
}

fn members(json: Json, function: &str) -> Result<Members> {
    match json {
        Json::Object(members) => Ok(members),
        _ => Err(refused(format!("cannot call {function} on a non-object"))),
    }
}

fn written_members(json: Json) -> Result<Members> {
    match json {
        Json::Object(members) => Ok(members),
        Json::Array(_) => Err(refused("cannot deconstruct an array as an object".to_string())),
        _ => Err(refused("cannot deconstruct a scalar".to_string())),
    }
}

fn names(json: Json, function: &str) -> Result<Vec<Json>> {
    match json {
        Json::Object(members) => keys(Ok(members)),
        Json::Array(_) => Err(refused(format!("cannot call {function} on an array"))),
        _ => Err(refused(format!("cannot call {function} on a scalar"))),
    }
}

fn keys(members: Result<Members>) -> Result<Vec<Json>> {
    Ok(members?.into_iter().map(|(key, _)| Json::String(key)).collect())
}

fn values(members: Result<Members>) -> Result<Vec<Json>> {
    Ok(members?.into_iter().map(|(_, value)| value).collect())
}

fn parts(args: &[ArrayRef], read: Read, of: Parts) -> Result<Vec<Option<Vec<Json>>>> {
    each(args, |row| of(read(args[0].as_string::<i64>().value(row))?))
}

/// A row of a column of json. Errors: 22P02.
pub(super) fn parsed(column: &ArrayRef, row: usize) -> Result<Json> {
    parse(column.as_string::<i64>().value(row))
}

fn jsons(args: &[ArrayRef], read: Read, of: Parts) -> Result<ArrayRef> {
    let rows = parts(args, read, of)?.into_iter().map(|row| row.map(|items| items.into_iter().map(|json| Some(json.to_text())).collect()));
    Ok(json_lists(rows))
}

/// Lists of json.
pub(super) fn json_lists(rows: impl Iterator<Item = Option<Vec<Option<String>>>>) -> ArrayRef {
    let mut lists = ListBuilder::new(LargeStringBuilder::new()).with_field(Field::new_list_field(JSON, true));
    for row in rows {
        let valid = row.is_some();
        row.into_iter().flatten().for_each(|json| lists.values().append_option(json));
        lists.append(valid);
    }
    Arc::new(lists.finish())
}

/// A string without quotes, null as NULL.
pub(super) fn as_text(json: Json) -> Option<String> {
    match json {
        Json::Null => None,
        Json::String(s) => Some(s),
        other => Some(other.to_text()),
    }
}

fn texts(args: &[ArrayRef], read: Read, of: Parts) -> Result<ArrayRef> {
    let rows = parts(args, read, of)?.into_iter().map(|row| row.map(|items| items.into_iter().map(as_text).collect()));
    text_lists(rows.collect())
}

pub(super) fn text_lists(rows: Vec<Option<Vec<Option<String>>>>) -> Result<ArrayRef> {
    let mut lists = ListBuilder::new(StringViewBuilder::new()).with_field(Field::new_list_field(TEXT, true));
    for row in rows {
        let valid = row.is_some();
        row.into_iter().flatten().for_each(|item| lists.values().append_option(item));
        lists.append(valid);
    }
    Ok(Arc::new(lists.finish()))
}

fn text_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    fixed(types, &[TEXT, TEXT, TEXT], 1, list_of(TEXT))
}

/// NULL between parts splits into characters; the third argument is the part that stands for NULL.
fn split_by_string(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let (values, separators) = (text(args, 0), text(args, 1));
    let split = |row: usize| {
        if values.is_null(row) {
            return None;
        }
        let value = values.value(row);
        let parts: Vec<String> = match separators.is_valid(row).then(|| separators.value(row)) {
            _ if value.is_empty() => vec![],
            None => value.chars().map(String::from).collect(),
            Some("") => vec![value.to_string()],
            Some(separator) => value.split(separator).map(String::from).collect(),
        };
        let null = args.get(2).filter(|a| a.is_valid(row)).map(|_| text(args, 2).value(row));
        Some(parts.into_iter().map(|part| (Some(part.as_str()) != null).then_some(part)).collect())
    };
    text_lists((0..values.len()).map(split).collect())
}
