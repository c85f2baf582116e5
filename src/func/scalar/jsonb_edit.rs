//! Functions and operators that change jsonb (manual, chapter 9.16): jsonb_set, jsonb_set_lax, jsonb_insert, `||`, `-`, `#-`, strip_nulls, pretty.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeStringArray};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, TEXT, each, text, text_array, texts, texts_type};
use super::jsonb::value;
use crate::data::PgType;
use crate::data::json::{Json, object, parse_written, put_string};
use crate::error::{Error, Result, code};

const JSON: DataType = DataType::LargeUtf8;

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Function::udf("jsonb_set", set_rule, |a, _| edited(a, |row| set(a, row))),
        Function::udf("jsonb_set_lax", lax_rule, set_lax),
        Function::udf("jsonb_insert", set_rule, |a, _| edited(a, |row| insert(a, row))),
        Function::udf("jsonb_strip_nulls", one_json, |a, _| edited(a, |row| Ok(stripped(value(a, 0, row)?)))),
        Function::typed("json_strip_nulls", one_json, PgType::Json, strip_json),
        Function::udf("jsonb_pretty", |t| one_json(t).map(|(args, _)| (args, TEXT)), pretty),
        Function::udf(JOIN, |t| if t.len() == 2 { all_json(t) } else { None }, concatenated),
        Function::udf("jsonb_delete", delete_rule, |a, _| edited(a, |row| without(a, row))),
        Function::udf("jsonb_delete_path", path_rule, |a, _| edited(a, |row| without_path(a, row))),
    ]
}

/// The function of the operator `||` between jsonb.
pub const JOIN: &str = "jsonb_concat";

/// What `||` is between two jsonb and more.
pub fn joined_all() -> Arc<ScalarUDF> {
    Function::udf(JOIN, all_json, concatenated)
}

/// The function of an operator that changes jsonb.
pub fn operator(name: &str) -> Option<Arc<ScalarUDF>> {
    functions().into_iter().find(|f| f.name() == name)
}

type Types = Option<(Vec<DataType>, DataType)>;

fn is_json(ty: &DataType) -> bool {
    *ty == JSON || ty.is_string() || ty.is_null()
}

fn one_json(types: &[DataType]) -> Types {
    matches!(types, [a] if is_json(a)).then(|| (vec![JSON], JSON))
}

fn all_json(types: &[DataType]) -> Types {
    (types.len() >= 2 && types.iter().all(is_json)).then(|| (vec![JSON; types.len()], JSON))
}

fn path_rule(types: &[DataType]) -> Types {
    let [a, path] = types else { return None };
    let path = texts_type(path)?;
    is_json(a).then(|| (vec![JSON, path], JSON))
}

fn set_rule(types: &[DataType]) -> Types {
    let [a, path, new, flag @ ..] = types else { return None };
    let path = texts_type(path)?;
    let fits = is_json(a) && is_json(new) && matches!(flag, [] | [DataType::Boolean]);
    fits.then(|| ([vec![JSON, path, JSON], flag.to_vec()].concat(), JSON))
}

fn lax_rule(types: &[DataType]) -> Types {
    let (set, treatment) = types.split_at(types.len().min(4));
    let (mut args, output) = set_rule(set)?;
    match treatment {
        [] => {}
        [word] if word.is_string() || word.is_null() => args.push(TEXT),
        _ => return None,
    }
    Some((args, output))
}

fn delete_rule(types: &[DataType]) -> Types {
    let [a, b] = types else { return None };
    let by = match b {
        b if b.is_integer() => DataType::Int64,
        b if b.is_string() => TEXT,
        _ => texts_type(b)?,
    };
    is_json(a).then(|| (vec![JSON, by], JSON))
}

fn edited(args: &[ArrayRef], one: impl Fn(usize) -> Result<Json>) -> Result<ArrayRef> {
    let rows = each(args, |row| Ok(one(row)?.to_text()))?;
    Ok(Arc::new(rows.into_iter().collect::<LargeStringArray>()))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(code::INVALID_PARAMETER_VALUE, message)
}

/// The keys of a path. Errors: 22004 for a NULL among them.
fn path(args: &[ArrayRef], i: usize, row: usize) -> Result<Vec<String>> {
    let null = |at| Error::new(code::NULL_VALUE_NOT_ALLOWED, format!("path element at position {} is null", at + 1));
    texts(args, i, row)?.into_iter().enumerate().map(|(at, key)| key.ok_or_else(|| null(at))).collect()
}

/// The place of an item: from the end if it is negative. `Err` with what lies outside.
fn place(items: &[Json], key: &str, at: usize) -> Result<std::result::Result<usize, bool>> {
    let wrong = || Error::new(code::INVALID_TEXT_REPRESENTATION, format!("path element at position {at} is not an integer: \"{key}\""));
    let n: i64 = key.trim_start().parse().map_err(|_| wrong())?;
    let from_start = if n < 0 { n + items.len() as i64 } else { n };
    Ok(match usize::try_from(from_start) {
        Ok(i) if i < items.len() => Ok(i),
        Ok(_) => Err(true),
        Err(_) => Err(false),
    })
}

/// What is done at the end of a path.
enum Edit {
    /// Replace what is there, or add it if `create`.
    Set {
        new: Json,
        create: bool,
    },
    /// Put a new item before or after the one there, or a new member.
    Insert {
        new: Json,
        after: bool,
    },
    Delete,
}

fn change(json: Json, path: &[String], depth: usize, edit: Edit) -> Result<Json> {
    let Some((key, rest)) = path.split_first() else { return Ok(json) };
    match json {
        Json::Object(mut members) => {
            let at = members.iter().position(|(k, _)| k == key);
            match (at, rest.is_empty(), edit) {
                (Some(at), false, edit) => {
                    members[at].1 = change(std::mem::replace(&mut members[at].1, Json::Null), rest, depth + 1, edit)?
                }
                (Some(at), true, Edit::Set { new, .. }) => members[at].1 = new,
                (Some(at), true, Edit::Delete) => drop(members.remove(at)),
                (Some(_), true, Edit::Insert { .. }) => {
                    return Err(invalid("cannot replace existing key").hint("Try using the function jsonb_set to replace key value."));
                }
                (None, true, Edit::Set { new, create: true } | Edit::Insert { new, .. }) => members.push((key.clone(), new)),
                (None, ..) => {}
            }
            Ok(object(members))
        }
        Json::Array(mut items) => {
            match (place(&items, key, depth)?, rest.is_empty(), edit) {
                (Ok(at), false, edit) => items[at] = change(std::mem::replace(&mut items[at], Json::Null), rest, depth + 1, edit)?,
                (Ok(at), true, Edit::Set { new, .. }) => items[at] = new,
                (Ok(at), true, Edit::Insert { new, after }) => items.insert(at + usize::from(after), new),
                (Ok(at), true, Edit::Delete) => drop(items.remove(at)),
                (Err(end), true, Edit::Set { new, create: true } | Edit::Insert { new, .. }) => {
                    items.insert(if end { items.len() } else { 0 }, new);
                }
                (Err(_), ..) => {}
            }
            Ok(Json::Array(items))
        }
        scalar if depth > 1 => Ok(scalar),
        scalar => Ok(scalar),
    }
}

fn refuse_scalar(json: &Json, what: &str) -> Result<()> {
    match json {
        Json::Object(_) | Json::Array(_) => Ok(()),
        _ => Err(invalid(format!("cannot {what} in scalar"))),
    }
}

fn flag(args: &[ArrayRef], row: usize) -> Option<bool> {
    args.get(3).map(|a| a.as_boolean().value(row))
}

fn set(args: &[ArrayRef], row: usize) -> Result<Json> {
    let json = value(args, 0, row)?;
    refuse_scalar(&json, "set path")?;
    let edit = Edit::Set { new: value(args, 2, row)?, create: flag(args, row).unwrap_or(true) };
    change(json, &path(args, 1, row)?, 1, edit)
}

/// jsonb_set that says what a new value of NULL means: null in JSON unless another word is given. Errors: 22023 for other words, 22004 where
/// it means an error.
fn set_lax(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    const WORDS: &str = "null_value_treatment must be \"delete_key\", \"return_target\", \"use_json_null\", or \"raise_exception\"";
    let one = |row: usize| {
        if args.iter().enumerate().any(|(i, a)| i != 2 && i != 4 && a.is_null(row)) {
            return Ok(None);
        }
        let word = match args.get(4) {
            None => "use_json_null",
            Some(words) if words.is_null(row) => return Err(invalid(WORDS)),
            Some(_) => text(args, 4).value(row),
        };
        let changed = match (args[2].is_valid(row), word) {
            (true, _) => set(args, row)?,
            (false, "use_json_null") => {
                let json = value(args, 0, row)?;
                refuse_scalar(&json, "set path")?;
                change(json, &path(args, 1, row)?, 1, Edit::Set { new: Json::Null, create: flag(args, row).unwrap_or(true) })?
            }
            (false, "delete_key") => without_path(args, row)?,
            (false, "return_target") => value(args, 0, row)?,
            (false, "raise_exception") => {
                return Err(Error::new(code::NULL_VALUE_NOT_ALLOWED, "JSON value must not be null")
                    .detail("Exception was raised because null_value_treatment is \"raise_exception\".")
                    .hint("To avoid, either change the null_value_treatment argument or ensure that an SQL NULL is not passed."));
            }
            (false, _) => return Err(invalid(WORDS)),
        };
        Ok(Some(changed.to_text()))
    };
    Ok(Arc::new((0..args[0].len()).map(one).collect::<Result<LargeStringArray>>()?))
}

fn insert(args: &[ArrayRef], row: usize) -> Result<Json> {
    let json = value(args, 0, row)?;
    refuse_scalar(&json, "set path")?;
    let edit = Edit::Insert { new: value(args, 2, row)?, after: flag(args, row).unwrap_or(false) };
    change(json, &path(args, 1, row)?, 1, edit)
}

fn without_path(args: &[ArrayRef], row: usize) -> Result<Json> {
    let json = value(args, 0, row)?;
    refuse_scalar(&json, "delete path")?;
    change(json, &path(args, 1, row)?, 1, Edit::Delete)
}

/// `jsonb - key`, `jsonb - number`, `jsonb - keys`.
fn without(args: &[ArrayRef], row: usize) -> Result<Json> {
    let json = value(args, 0, row)?;
    let keys = match args[1].data_type() {
        DataType::Int64 => return without_item(json, args[1].as_primitive::<Int64Type>().value(row)),
        DataType::List(_) => texts(args, 1, row)?.into_iter().flatten().collect(),
        _ => vec![text(args, 1).value(row).to_string()],
    };
    match json {
        Json::Object(members) => Ok(Json::Object(members.into_iter().filter(|(k, _)| !keys.contains(k)).collect())),
        Json::Array(items) => {
            let named = |item: &Json| matches!(item, Json::String(s) if keys.contains(s));
            Ok(Json::Array(items.into_iter().filter(|i| !named(i)).collect()))
        }
        _ => Err(invalid("cannot delete from scalar")),
    }
}

fn without_item(json: Json, n: i64) -> Result<Json> {
    match json {
        Json::Array(mut items) => {
            let at = if n < 0 { n.checked_add(items.len() as i64) } else { Some(n) };
            if let Some(at) = at.and_then(|at| usize::try_from(at).ok()).filter(|at| *at < items.len()) {
                items.remove(at);
            }
            Ok(Json::Array(items))
        }
        Json::Object(_) => Err(invalid("cannot delete from object using integer index")),
        _ => Err(invalid("cannot delete from scalar")),
    }
}

fn concatenated(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    edited(args, |row| (1..args.len()).try_fold(value(args, 0, row)?, |left, i| Ok(joined(left, value(args, i, row)?))))
}

/// `jsonb || jsonb`: members of both, the right ones winning; anything else as items of one array.
fn joined(left: Json, right: Json) -> Json {
    match (left, right) {
        (Json::Object(l), Json::Object(r)) => object([l, r].concat()),
        (l, r) => {
            let items = |json| if let Json::Array(items) = json { items } else { vec![json] };
            Json::Array([items(l), items(r)].concat())
        }
    }
}

fn stripped(json: Json) -> Json {
    match json {
        Json::Object(members) => {
            Json::Object(members.into_iter().filter(|(_, v)| *v != Json::Null).map(|(k, v)| (k, stripped(v))).collect())
        }
        Json::Array(items) => Json::Array(items.into_iter().map(stripped).collect()),
        other => other,
    }
}

fn strip_json(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| {
        let mut out = String::new();
        put_compact(&stripped(parse_written(args[0].as_string::<i64>().value(row))?), &mut out);
        Ok(out)
    })?;
    Ok(Arc::new(rows.into_iter().collect::<LargeStringArray>()))
}

/// Without a blank between.
fn put_compact(json: &Json, out: &mut String) {
    match json {
        Json::Object(members) => {
            for (i, (key, value)) in members.iter().enumerate() {
                out.push(if i > 0 { ',' } else { '{' });
                put_string(key, out);
                out.push(':');
                put_compact(value, out);
            }
            out.push_str(if members.is_empty() { "{}" } else { "}" });
        }
        Json::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                put_compact(item, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_text()),
    }
}

fn pretty(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| {
        let mut out = String::new();
        put_pretty(&value(args, 0, row)?, 0, &mut out);
        Ok(out)
    })?;
    Ok(text_array(rows))
}

/// Each member and item on a line of its own, four blanks deeper than what holds it.
fn put_pretty(json: &Json, depth: usize, out: &mut String) {
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.push_str(&"    ".repeat(depth));
    };
    match json {
        Json::Object(members) => {
            out.push('{');
            for (i, (key, value)) in members.iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                line(out, depth + 1);
                put_string(key, out);
                out.push_str(": ");
                put_pretty(value, depth + 1, out);
            }
            line(out, depth);
            out.push('}');
        }
        Json::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                line(out, depth + 1);
                put_pretty(item, depth + 1, out);
            }
            line(out, depth);
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_text()),
    }
}
