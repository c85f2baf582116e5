//! Functions that return sets of values out of json and text, as arrays that the query expands (manual, chapters 9.16 and 9.4).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeStringBuilder, ListBuilder, StringViewBuilder};
use arrow::datatypes::{DataType, Field};
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, TEXT, each, fixed, text};
use super::series::list_of;
use crate::error::{Error, Result, code};
use crate::func::json::{Json, parse};

pub(super) const JSON: DataType = DataType::LargeUtf8;

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    let mut all = vec![Function::udf("string_to_table", text_rule, split_by_string)];
    for (elements, elements_text, keys, values, values_text) in [
        ("jsonb_array_elements", "jsonb_array_elements_text", "jsonb_object_keys", "jsonb_each", "jsonb_each_text"),
        ("json_array_elements", "json_array_elements_text", "json_object_keys", "json_each", "json_each_text"),
    ] {
        all.push(Function::udf(elements, |t| json_rule(t, JSON), |a, _| jsons(a, items)));
        all.push(Function::udf(elements_text, |t| json_rule(t, TEXT), |a, _| texts(a, items)));
        all.push(Function::udf(keys, |t| json_rule(t, TEXT), |a, _| texts(a, object_keys)));
        // The values alone: a rewrite rule puts the keys beside them.
        all.push(Function::udf(values, |t| json_rule(t, JSON), |a, _| jsons(a, object_values)));
        all.push(Function::udf(values_text, |t| json_rule(t, TEXT), |a, _| texts(a, object_values)));
    }
    all
}

fn json_rule(types: &[DataType], item: DataType) -> Option<(Vec<DataType>, DataType)> {
    matches!(types, [a] if *a == JSON || a.is_string() || a.is_null()).then(|| (vec![JSON], list_of(item)))
}

fn items(json: Json) -> Result<Vec<Json>> {
    let wrong = |what| Err(Error::new(code::INVALID_PARAMETER_VALUE, format!("cannot extract elements from {what}")));
    match json {
        Json::Array(items) => Ok(items),
        Json::Object(_) => wrong("an object"),
        _ => wrong("a scalar"),
    }
}

fn members(json: Json) -> Result<Vec<(String, Json)>> {
    let wrong = |what| Err(Error::new(code::INVALID_PARAMETER_VALUE, format!("cannot deconstruct {what}")));
    match json {
        Json::Object(members) => Ok(members),
        Json::Array(_) => wrong("an array as an object"),
        _ => wrong("a scalar"),
    }
}

fn object_keys(json: Json) -> Result<Vec<Json>> {
    Ok(members(json)?.into_iter().map(|(key, _)| Json::String(key)).collect())
}

fn object_values(json: Json) -> Result<Vec<Json>> {
    Ok(members(json)?.into_iter().map(|(_, value)| value).collect())
}

fn parts(args: &[ArrayRef], of: fn(Json) -> Result<Vec<Json>>) -> Result<Vec<Option<Vec<Json>>>> {
    each(args, |row| of(parsed(&args[0], row)?))
}

/// A row of a column of json. Errors: 22P02.
pub(super) fn parsed(column: &ArrayRef, row: usize) -> Result<Json> {
    let text = column.as_string::<i64>().value(row);
    let wrong = || Error::new(code::INVALID_TEXT_REPRESENTATION, format!("invalid input syntax for type json: \"{text}\""));
    parse(text).ok_or_else(wrong)
}

fn jsons(args: &[ArrayRef], of: fn(Json) -> Result<Vec<Json>>) -> Result<ArrayRef> {
    let rows = parts(args, of)?.into_iter().map(|row| row.map(|items| items.into_iter().map(|json| Some(json.to_text())).collect()));
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

fn texts(args: &[ArrayRef], of: fn(Json) -> Result<Vec<Json>>) -> Result<ArrayRef> {
    let rows = parts(args, of)?.into_iter().map(|row| row.map(|items| items.into_iter().map(as_text).collect()));
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
