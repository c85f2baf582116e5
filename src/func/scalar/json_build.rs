//! Functions that make json and jsonb of SQL values (manual, chapter 9.16.2). Where both exist, the json one spaces its text as
//! PostgreSQL does and keeps the order of what it is given; the jsonb one gives the normal form.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeStringArray};
use arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, each, texts, texts_type};
use crate::data::PgType;
use crate::data::json::{normalise, put_string};
use crate::error::{Error, Result, code};
use crate::func::json_text;

const JSON: DataType = DataType::LargeUtf8;

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    let json = PgType::Json;
    vec![
        Function::typed("json_build_object", any_rule, json.clone(), |a, _| rows(a, build_object)),
        Function::udf("jsonb_build_object", any_rule, |a, _| rows(a, |a, row| binary(build_object(a, row)?))),
        Function::typed("json_build_array", any_rule, json.clone(), |a, _| rows(a, build_array)),
        Function::udf("jsonb_build_array", any_rule, |a, _| rows(a, |a, row| binary(build_array(a, row)?))),
        Function::typed("to_json", one_rule, json.clone(), |a, _| strict(a, |a, row| json_text::of(&a[0], row))),
        Function::udf("to_jsonb", one_rule, |a, _| strict(a, |a, row| binary(json_text::of(&a[0], row)?))),
        Function::typed("row_to_json", row_rule, json.clone(), |a, _| strict(a, row_to_json)),
        Function::typed("array_to_json", shown_array_rule, json.clone(), |a, _| strict(a, array_to_json)),
        Function::typed("json_object", texts_rule, json.clone(), |a, _| strict(a, object_of_texts)),
        Function::udf("jsonb_object", texts_rule, |a, _| strict(a, |a, row| binary(object_of_texts(a, row)?))),
        // What json_agg and its kin make of a group's values: rewrite rules put array_agg around them.
        Function::typed("array_to_json_agg", array_rule, json.clone(), |a, _| strict(a, collected)),
        Function::udf("array_to_jsonb_agg", array_rule, |a, _| strict(a, |a, row| binary(collected(a, row)?))),
        Function::typed("arrays_to_json_object", two_arrays, json, |a, _| strict(a, collected_object)),
        Function::udf("arrays_to_object", two_arrays, |a, _| strict(a, |a, row| binary(collected_object(a, row)?))),
    ]
}

type Types = Option<(Vec<DataType>, DataType)>;

fn any_rule(types: &[DataType]) -> Types {
    // A NULL without a type is a text.
    let typed = |t: &DataType| if t.is_null() { DataType::Utf8View } else { t.clone() };
    Some((types.iter().map(typed).collect(), JSON))
}

fn one_rule(types: &[DataType]) -> Types {
    matches!(types, [ty] if !ty.is_null()).then(|| (types.to_vec(), JSON))
}

fn shown_array_rule(types: &[DataType]) -> Types {
    let [array @ DataType::List(_), pretty @ ..] = types else { return None };
    match pretty {
        [] => Some((vec![array.clone()], JSON)),
        [DataType::Boolean | DataType::Null] => Some((vec![array.clone(), DataType::Boolean], JSON)),
        _ => None,
    }
}

fn array_rule(types: &[DataType]) -> Types {
    matches!(types, [DataType::List(_)]).then(|| (types.to_vec(), JSON))
}

fn two_arrays(types: &[DataType]) -> Types {
    matches!(types, [DataType::List(_), DataType::List(_)]).then(|| (types.to_vec(), JSON))
}

fn row_rule(types: &[DataType]) -> Types {
    match types {
        [DataType::Struct(_)] => Some((types.to_vec(), JSON)),
        [DataType::Struct(_), DataType::Boolean] => Some((types.to_vec(), JSON)),
        _ => None,
    }
}

fn texts_rule(types: &[DataType]) -> Types {
    let taken = types.iter().map(texts_type).collect::<Option<Vec<_>>>()?;
    matches!(types.len(), 1 | 2).then_some((taken, JSON))
}

/// Each row's text, NULLs among the arguments or not.
fn rows(args: &[ArrayRef], one: impl Fn(&[ArrayRef], usize) -> Result<String>) -> Result<ArrayRef> {
    let n = args.first().map_or(1, |a| a.len());
    Ok(Arc::new((0..n).map(|row| one(args, row).map(Some)).collect::<Result<LargeStringArray>>()?))
}

/// The text of each row without a NULL.
fn strict(args: &[ArrayRef], one: impl Fn(&[ArrayRef], usize) -> Result<String>) -> Result<ArrayRef> {
    Ok(Arc::new(each(args, |row| one(args, row))?.into_iter().collect::<LargeStringArray>()))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(code::INVALID_PARAMETER_VALUE, message)
}

/// JSON text as jsonb's.
fn binary(text: String) -> Result<String> {
    normalise(&text)
}

fn build_object(args: &[ArrayRef], row: usize) -> Result<String> {
    if args.len() % 2 == 1 {
        let hint = "The arguments of json_build_object() must consist of alternating keys and values.";
        return Err(invalid("argument list must have even number of elements").hint(hint));
    }
    let mut out = String::from("{");
    for (i, [key, value]) in args.as_chunks::<2>().0.iter().enumerate() {
        let missing = || invalid(format!("argument {} cannot be null", 2 * i + 1)).hint("Object keys should be text.");
        out.push_str(if i > 0 { ", " } else { "" });
        put_key(key, row, missing, &mut out)?;
        out.push_str(" : ");
        json_text::put(value, row, &mut out)?;
    }
    out.push('}');
    Ok(out)
}

/// A value as the key of a member: what it is as JSON, in quotes. Errors: that of `missing` for NULL, 22023 for what has parts.
fn put_key(key: &ArrayRef, row: usize, missing: impl Fn() -> Error, out: &mut String) -> Result<()> {
    if key.is_null(row) || key.data_type().is_null() {
        return Err(missing());
    }
    if key.data_type().is_nested() || *key.data_type() == JSON {
        return Err(invalid("key value must be scalar, not array, composite, or json"));
    }
    let text = json_text::of(key, row)?;
    if text.starts_with('"') {
        out.push_str(&text);
    } else {
        put_string(&text, out);
    }
    Ok(())
}

fn build_array(args: &[ArrayRef], row: usize) -> Result<String> {
    let mut out = String::from("[");
    for (i, value) in args.iter().enumerate() {
        out.push_str(if i > 0 { ", " } else { "" });
        json_text::put(value, row, &mut out)?;
    }
    out.push(']');
    Ok(out)
}

/// With a true second argument, each member on a line of its own.
fn row_to_json(args: &[ArrayRef], row: usize) -> Result<String> {
    if args.get(1).is_none_or(|pretty| !pretty.as_boolean().value(row)) {
        return json_text::of(&args[0], row);
    }
    let record = args[0].as_struct();
    let mut out = String::from("{");
    for (i, (name, column)) in record.column_names().iter().zip(record.columns()).enumerate() {
        out.push_str(if i > 0 { ",\n " } else { "" });
        put_string(name, &mut out);
        out.push(':');
        json_text::put(column, row, &mut out)?;
    }
    out.push('}');
    Ok(out)
}

/// With a true second argument, each element on a line of its own.
fn array_to_json(args: &[ArrayRef], row: usize) -> Result<String> {
    if args.get(1).is_none_or(|pretty| !pretty.as_boolean().value(row)) {
        return json_text::of(&args[0], row);
    }
    elements(&args[0].as_list::<i32>().value(row), ",\n ")
}

/// `{k1,v1,k2,v2}`, or keys and values in arrays of their own.
fn object_of_texts(args: &[ArrayRef], row: usize) -> Result<String> {
    let first = texts(args, 0, row)?;
    let pairs: Vec<(Option<String>, Option<String>)> = if args.len() == 2 {
        let values = texts(args, 1, row)?;
        if first.len() != values.len() {
            return Err(Error::new(code::ARRAY_SUBSCRIPT_ERROR, "mismatched array dimensions"));
        }
        first.into_iter().zip(values).collect()
    } else {
        if first.len() % 2 == 1 {
            return Err(Error::new(code::ARRAY_SUBSCRIPT_ERROR, "array must have even number of elements"));
        }
        first.as_chunks::<2>().0.iter().map(|[key, value]| (key.clone(), value.clone())).collect()
    };
    let mut out = String::from("{");
    for (i, (key, value)) in pairs.into_iter().enumerate() {
        out.push_str(if i > 0 { ", " } else { "" });
        let missing = || Error::new(code::NULL_VALUE_NOT_ALLOWED, "null value not allowed for object key");
        put_string(&key.ok_or_else(missing)?, &mut out);
        out.push_str(" : ");
        match value {
            Some(value) => put_string(&value, &mut out),
            None => out.push_str("null"),
        }
    }
    out.push('}');
    Ok(out)
}

fn collected(args: &[ArrayRef], row: usize) -> Result<String> {
    let items = args[0].as_list::<i32>().value(row);
    // PostgreSQL begins a new line before each row, which is what has members.
    let between = if matches!(items.data_type(), DataType::Struct(_)) { ", \n " } else { ", " };
    elements(&items, between)
}

fn elements(items: &ArrayRef, between: &str) -> Result<String> {
    let mut out = String::from("[");
    for i in 0..items.len() {
        out.push_str(if i > 0 { between } else { "" });
        json_text::put(items, i, &mut out)?;
    }
    out.push(']');
    Ok(out)
}

fn collected_object(args: &[ArrayRef], row: usize) -> Result<String> {
    let (keys, values) = (args[0].as_list::<i32>().value(row), args[1].as_list::<i32>().value(row));
    let mut out = String::from("{ ");
    for i in 0..keys.len().min(values.len()) {
        out.push_str(if i > 0 { ", " } else { "" });
        put_key(&keys, i, || invalid("field name must not be null"), &mut out)?;
        out.push_str(" : ");
        json_text::put(&values, i, &mut out)?;
    }
    out.push_str(" }");
    Ok(out)
}
