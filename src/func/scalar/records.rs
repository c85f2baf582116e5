//! What a key has in a json object, or in each object of an array: the columns of rows that are made of json (manual, chapter 9.16).
//! A rewrite rule puts them side by side. The first argument is the name of the function that was called, for its errors.

use std::sync::Arc;

use arrow::array::{ArrayRef, LargeStringArray, StringViewArray};
use arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, TEXT, each, text};
use super::series::list_of;
use super::sets::{JSON, as_text, json_lists, parsed, text_lists};
use crate::data::json::Json;
use crate::error::{Error, Result, code};

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Function::udf("pg_record_field", |t| rule(t, JSON), |a, _| Ok(Arc::new(LargeStringArray::from(one(a, as_json)?)))),
        Function::udf("pg_record_field_text", |t| rule(t, TEXT), |a, _| Ok(Arc::new(StringViewArray::from(one(a, as_text)?)))),
        Function::udf("pg_record_fields", |t| rule(t, list_of(JSON)), |a, _| Ok(json_lists(all(a, as_json)?.into_iter()))),
        Function::udf("pg_record_field_texts", |t| rule(t, list_of(TEXT)), |a, _| text_lists(all(a, as_text)?)),
    ]
}

fn rule(types: &[DataType], output: DataType) -> Option<(Vec<DataType>, DataType)> {
    let fits = matches!(types, [_, json, _] if *json == JSON || json.is_string() || json.is_null());
    fits.then(|| (vec![TEXT, JSON, TEXT], output))
}

fn as_json(json: Json) -> Option<String> {
    if json == Json::Null { None } else { Some(json.to_text()) }
}

/// The value of a key, of which the last counts; null if there is none.
fn value(members: Vec<(String, Json)>, key: &str) -> Json {
    members.into_iter().rfind(|(name, _)| name == key).map_or(Json::Null, |(_, value)| value)
}

/// That of each row's object.
fn one(args: &[ArrayRef], of: fn(Json) -> Option<String>) -> Result<Vec<Option<String>>> {
    let rows = each(args, |row| match parsed(&args[1], row)? {
        Json::Object(members) => Ok(of(value(members, text(args, 2).value(row)))),
        Json::Array(_) => Err(refused(args, row, "an array")),
        _ => Err(refused(args, row, "a scalar")),
    });
    Ok(rows?.into_iter().map(Option::flatten).collect())
}

/// Those of the objects of each row's array.
fn all(args: &[ArrayRef], of: fn(Json) -> Option<String>) -> Result<Vec<Option<Vec<Option<String>>>>> {
    each(args, |row| {
        let (function, key) = (text(args, 0).value(row), text(args, 2).value(row));
        let item = |item: Json| match item {
            Json::Object(members) => Ok(of(value(members, key))),
            _ => Err(Error::new(code::INVALID_PARAMETER_VALUE, format!("argument of {function} must be an array of objects"))),
        };
        match parsed(&args[1], row)? {
            Json::Array(items) => items.into_iter().map(item).collect(),
            Json::Object(_) => Err(refused(args, row, "an object")),
            _ => Err(refused(args, row, "a scalar")),
        }
    })
}

fn refused(args: &[ArrayRef], row: usize, what: &str) -> Error {
    Error::new(code::INVALID_PARAMETER_VALUE, format!("cannot call {} on {what}", text(args, 0).value(row)))
}
