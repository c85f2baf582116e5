//! json and jsonb (manual, chapter 9.16): the operators `-> ->> #> #>>  @> ?`, jsonb_typeof, jsonb_array_length.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int32Array, LargeStringArray};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, TEXT, each, text, text_array};
use crate::error::{Error, Result, code};
use crate::func::json::{Json, parse};

const JSON: DataType = DataType::LargeUtf8;

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Function::udf("json_get", |t| key_rule(t, JSON), |args, _| json_array(step(args)?)),
        Function::udf("json_get_text", |t| key_rule(t, TEXT), |args, _| Ok(as_text(step(args)?))),
        Function::udf("json_path", |t| path_rule(t, JSON), |args, _| json_array(walk(args)?)),
        Function::udf("json_path_text", |t| path_rule(t, TEXT), |args, _| Ok(as_text(walk(args)?))),
        Function::udf("jsonb_contains", two_json, contains),
        Function::udf("jsonb_exists", exists_rule, exists),
        Function::udf("jsonb_typeof", |t| one_json(t, TEXT), type_of),
        Function::udf("json_typeof", |t| one_json(t, TEXT), type_of),
        Function::udf("jsonb_array_length", |t| one_json(t, DataType::Int32), array_length),
        Function::udf("json_array_length", |t| one_json(t, DataType::Int32), array_length),
    ]
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
    matches!(types, [a, b] if is_json(a) && b.is_string()).then(|| (vec![JSON, TEXT], DataType::Boolean))
}

fn key_rule(types: &[DataType], output: DataType) -> Option<(Vec<DataType>, DataType)> {
    match types {
        [a, b] if is_json(a) && b.is_integer() => Some((vec![JSON, DataType::Int64], output)),
        [a, b] if is_json(a) && (b.is_string() || b.is_null()) => Some((vec![JSON, TEXT], output)),
        _ => None,
    }
}

fn path_rule(types: &[DataType], output: DataType) -> Option<(Vec<DataType>, DataType)> {
    matches!(types, [a, b] if is_json(a) && b.is_string()).then(|| (vec![JSON, TEXT], output))
}

fn value(args: &[ArrayRef], i: usize, row: usize) -> Result<Json> {
    let text = args[i].as_string::<i64>().value(row);
    let wrong = || Error::new(code::INVALID_TEXT_REPRESENTATION, format!("invalid input syntax for type json: \"{text}\""));
    parse(text).ok_or_else(wrong)
}

fn member(json: Json, key: &str) -> Option<Json> {
    match json {
        Json::Object(members) => members.into_iter().find(|(k, _)| k == key).map(|(_, v)| v),
        _ => None,
    }
}

fn item(json: Json, at: i64) -> Option<Json> {
    let Json::Array(mut items) = json else { return None };
    let at = if at < 0 { at + items.len() as i64 } else { at };
    let at = usize::try_from(at).ok().filter(|at| *at < items.len())?;
    Some(items.swap_remove(at))
}

fn step(args: &[ArrayRef]) -> Result<Vec<Option<Json>>> {
    let by_number = args[1].data_type().is_integer();
    let found = each(args, |row| {
        let json = value(args, 0, row)?;
        Ok(if by_number { item(json, args[1].as_primitive::<Int64Type>().value(row)) } else { member(json, text(args, 1).value(row)) })
    })?;
    Ok(found.into_iter().map(Option::flatten).collect())
}

fn walk(args: &[ArrayRef]) -> Result<Vec<Option<Json>>> {
    let found = each(args, |row| {
        let path = text(args, 1).value(row);
        let inner = path.trim().strip_prefix('{').and_then(|p| p.strip_suffix('}'));
        let inner = inner.ok_or_else(|| Error::new(code::INVALID_TEXT_REPRESENTATION, format!("malformed array literal: \"{path}\"")))?;
        let mut at = Some(value(args, 0, row)?);
        for key in inner.split(',').map(|k| k.trim().trim_matches('"')).filter(|k| !k.is_empty()) {
            at = match at {
                Some(json @ Json::Array(_)) => key.parse().ok().and_then(|n| item(json, n)),
                Some(json) => member(json, key),
                None => None,
            };
        }
        Ok(at)
    })?;
    Ok(found.into_iter().map(Option::flatten).collect())
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
        (Json::Array(l), scalar) if top && !matches!(scalar, Json::Object(_)) => l.contains(scalar),
        (Json::Number(l), Json::Number(r)) => l == r || l.parse::<f64>().ok() == r.parse::<f64>().ok(),
        _ => left == right,
    }
}

fn contains(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| Ok(holds(&value(args, 0, row)?, &value(args, 1, row)?, true)))?;
    Ok(Arc::new(rows.into_iter().collect::<BooleanArray>()))
}

fn exists(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| {
        let key = text(args, 1).value(row);
        Ok(match value(args, 0, row)? {
            Json::Object(members) => members.iter().any(|(k, _)| k == key),
            Json::Array(items) => items.contains(&Json::String(key.to_string())),
            Json::String(s) => s == key,
            _ => false,
        })
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
