//! Scalar functions of the family `json`: on text that holds JSON.
//!
//! As in ksqlDB, what follows a text's first value is not looked at, and text that holds no JSON is an error of the record (so NULL),
//! but for IS_JSON_STRING and JSON_ARRAY_CONTAINS, which say false.

use super::string::{check_parts, check_size, seeing, str_at, strict};
use crate::error::{Error, Result, code};
use crate::func::ksql::json::{Json, encode_base64};
use crate::func::ksql::show::java_double;
use crate::func::ksql::{Scalar, Value};

const DAY_MS: i64 = 86_400_000;

/// The first value of an argument's text; `None` if there is only white space.
fn read(args: &[Value], at: usize) -> Result<Option<Json>> {
    Json::parse_first(str_at(args, at)?)
}

/// Text as it is, anything else as JSON.
fn text(json: Json) -> Result<Value> {
    match json {
        Json::String(s) => Ok(Value::text(s)),
        other => Ok(Value::text(other.canonical(false)?.write())),
    }
}

/// The names and indices of a path such as `$.a.b[0]["x y"]`.
fn path(text: &str) -> Result<Vec<String>> {
    let wrong = || Error::new(code::INVALID_PARAMETER_VALUE, format!("invalid JSON path \"{text}\""));
    let word = |rest: &mut &str, more: &str| {
        let end = rest.find(|c: char| !(c == '_' || c.is_alphanumeric() || more.contains(c))).unwrap_or(rest.len());
        let (word, after) = rest.split_at_checked(end).unwrap_or_default();
        *rest = after;
        if word.is_empty() { Err(wrong()) } else { Ok(word.to_string()) }
    };
    let mut rest = text.strip_prefix('$').ok_or_else(wrong)?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            steps.push(word(&mut rest, ":@")?);
            continue;
        }
        rest = rest.strip_prefix('[').ok_or_else(wrong)?;
        match rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
            None => steps.push(word(&mut rest, "")?),
            Some(quote) => {
                let (name, length) = quoted(rest, quote).ok_or_else(wrong)?;
                steps.push(name);
                rest = rest.get(length..).unwrap_or_default();
            }
        }
        rest = rest.strip_prefix(']').ok_or_else(wrong)?;
    }
    Ok(steps)
}

/// A quoted name and how many bytes it takes; a backslash stands before a quote or another backslash.
fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.push(chars.next().map(|(_, c)| c).filter(|c| *c == quote || *c == '\\')?),
            c if c == quote => return Some((name, at + 1)),
            c => name.push(c),
        }
    }
    None
}

fn extract(args: &[Value]) -> Result<Value> {
    let steps = path(str_at(args, 1)?)?;
    let Some(mut json) = read(args, 0)? else { return Ok(Value::Null) };
    for step in steps {
        let inner = match json {
            Json::Array(mut items) => step.parse().ok().filter(|at: &usize| *at < items.len()).map(|at| items.swap_remove(at)),
            Json::Object(fields) => fields.into_iter().find(|(name, _)| *name == step).map(|(_, value)| value),
            _ => None,
        };
        match inner {
            Some(inner) => json = inner,
            None => return Ok(Value::Null),
        }
    }
    text(json)
}

fn is_json(args: &[Value]) -> Result<Value> {
    Ok(Value::Boolean(args.first().is_some_and(|v| !v.is_null()) && matches!(read(args, 0), Ok(Some(_)))))
}

/// Whole numbers are only found as INT or BIGINT, fractions only as DOUBLE. What stands before a mistake in the text is still found.
fn array_contains(args: &[Value]) -> Result<Value> {
    if args.first().is_none_or(Value::is_null) {
        return Ok(Value::Null);
    }
    let items = Json::leading_items(str_at(args, 0)?).unwrap_or_default();
    let wanted = args.get(1).unwrap_or(&Value::Null);
    let found = items.iter().any(|item| match (item, wanted) {
        (Json::Null, Value::Null) => true,
        (Json::Bool(a), Value::Boolean(b)) => a == b,
        (Json::String(a), Value::String(b)) => a.as_str() == b.as_ref(),
        (Json::Number(a), Value::Int(_) | Value::Bigint(_)) => a.parse().ok() == wanted.as_i64(),
        (Json::Number(a), Value::Double(b)) => a.contains(['.', 'e', 'E']) && a.parse() == Ok(*b),
        _ => false,
    });
    Ok(Value::Boolean(found))
}

fn array_length(args: &[Value]) -> Result<Value> {
    match read(args, 0)? {
        Some(Json::Array(items)) => Ok(i32::try_from(items.len()).map_or(Value::Null, Value::Int)),
        _ => Ok(Value::Null),
    }
}

/// Objects merge, later fields winning; anything else becomes one array.
fn concat(args: &[Value]) -> Result<Value> {
    let mut parts = Vec::with_capacity(args.len());
    for at in 0..args.len() {
        let Some(json) = read(args, at)? else { return Ok(Value::Null) };
        parts.push(json);
    }
    let one = parts.len() == 1;
    let objects = parts.iter().all(|json| matches!(json, Json::Object(_)));
    let joined = if one {
        parts.pop().unwrap_or(Json::Null)
    } else if objects {
        let fields = parts.into_iter().flat_map(|json| if let Json::Object(fields) = json { fields } else { Vec::new() });
        Json::object(fields.collect())
    } else {
        let items = parts.into_iter().flat_map(|json| if let Json::Array(items) = json { items } else { vec![json] });
        Json::Array(items.collect())
    };
    if args.is_empty() {
        return Err(Error::new(code::INVALID_PARAMETER_VALUE, "JSON_CONCAT needs an argument"));
    }
    let text = joined.canonical(true)?.write();
    check_size(text.len())?;
    Ok(Value::text(text))
}

fn items(args: &[Value]) -> Result<Value> {
    match read(args, 0)? {
        Some(Json::Array(items)) => {
            check_parts(items.len())?;
            let texts: Result<Vec<Value>> = items.into_iter().map(|item| Ok(Value::text(item.canonical(false)?.write()))).collect();
            texts.map(Value::array)
        }
        _ => Err(Error::new(code::INVALID_TEXT_REPRESENTATION, "the text holds no JSON array")),
    }
}

fn fields(args: &[Value]) -> Result<Option<Vec<(String, Json)>>> {
    match read(args, 0)? {
        Some(Json::Object(fields)) => {
            check_parts(fields.len())?;
            Ok(Some(fields))
        }
        _ => Ok(None),
    }
}

fn keys(args: &[Value]) -> Result<Value> {
    Ok(fields(args)?.map_or(Value::Null, |fields| Value::array(fields.into_iter().map(|(name, _)| Value::text(name)).collect())))
}

fn records(args: &[Value]) -> Result<Value> {
    let Some(fields) = fields(args)? else { return Ok(Value::Null) };
    let entries: Result<Vec<_>> = fields.into_iter().map(|(name, value)| Ok((Value::text(name), text(value)?))).collect();
    entries.map(Value::map)
}

/// Other than in a topic, dates and times are text, and fields and keys come in the order of their names.
fn readable(value: &Value) -> Json {
    let sorted = |mut fields: Vec<(String, Json)>| {
        fields.sort_by(|a, b| a.0.encode_utf16().cmp(b.0.encode_utf16()));
        Json::object(fields)
    };
    match value {
        Value::Date(days) => Json::String(date(i64::from(*days))),
        Value::Time(ms) => {
            // The fraction is cut, and so are seconds that are 0.
            let seconds = ms / 1000;
            let minutes = format!("{:02}:{:02}", seconds / 3600, seconds / 60 % 60);
            Json::String(if seconds % 60 == 0 { minutes } else { format!("{minutes}:{:02}", seconds % 60) })
        }
        Value::Timestamp(ms) => {
            let (days, ms) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
            let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
            Json::String(format!("{}T{hour:02}:{minute:02}:{second:02}.{:03}", date(days), ms % 1000))
        }
        Value::Bytes(b) => Json::String(encode_base64(b)),
        Value::Array(items) => Json::Array(items.iter().map(readable).collect()),
        Value::Map(entries) => sorted(entries.iter().map(|(key, value)| (key_text(key), readable(value))).collect()),
        Value::Struct(s) => sorted(s.names.iter().map(|n| n.to_string()).zip(s.values.iter().map(readable)).collect()),
        Value::Double(x) if !x.is_finite() => Json::String(java_double(*x)),
        other => crate::func::ksql::json::to_json(other),
    }
}

fn key_text(key: &Value) -> String {
    match readable(key) {
        Json::String(text) => text,
        other => other.write(),
    }
}

/// A day as ISO text; years of more than four digits have a sign, as in Java.
fn date(days: i64) -> String {
    let from_ce = i32::try_from(days.saturating_add(719_163)).ok();
    match from_ce.and_then(chrono::NaiveDate::from_num_days_from_ce_opt) {
        Some(date) => date.format("%Y-%m-%d").to_string(),
        None => days.to_string(),
    }
}

fn to_json_string(args: &[Value]) -> Result<Value> {
    let text = readable(args.first().unwrap_or(&Value::Null)).write();
    check_size(text.len())?;
    Ok(Value::text(text))
}

/// What is listed.
pub const FUNCTIONS: &[Scalar] = &[
    Scalar {
        name: "EXTRACTJSONFIELD",
        family: "json",
        about: "The value at a path such as $.a.b[0] of a JSON text, as text. NULL if there is none.",
        overloads: &[strict("EXTRACTJSONFIELD(json STRING, path STRING) -> STRING", |_, args| extract(args))],
    },
    Scalar {
        name: "IS_JSON_STRING",
        family: "json",
        about: "True if the text holds JSON. False for NULL.",
        overloads: &[seeing("IS_JSON_STRING(json STRING) -> BOOLEAN", |_, args| is_json(args))],
    },
    Scalar {
        name: "JSON_ARRAY_CONTAINS",
        family: "json",
        about: "True if the JSON array that the text holds has this element; a NULL is searched for as null. False if it holds no array.",
        overloads: &[seeing("JSON_ARRAY_CONTAINS(json STRING, value T) -> BOOLEAN", |_, args| array_contains(args))],
    },
    Scalar {
        name: "JSON_ARRAY_LENGTH",
        family: "json",
        about: "The number of elements of the JSON array that the text holds. NULL if it holds none.",
        overloads: &[strict("JSON_ARRAY_LENGTH(json STRING) -> INT", |_, args| array_length(args))],
    },
    Scalar {
        name: "JSON_CONCAT",
        family: "json",
        about: "JSON texts in one: objects merge, later fields winning; anything else becomes one array. NULL if one is NULL or no JSON.",
        overloads: &[strict("JSON_CONCAT(parts STRING...) -> STRING", |_, args| concat(args))],
    },
    Scalar {
        name: "JSON_ITEMS",
        family: "json",
        about: "The elements of the JSON array that the text holds, each as JSON text. NULL if it holds none.",
        overloads: &[strict("JSON_ITEMS(json STRING) -> ARRAY<STRING>", |_, args| items(args))],
    },
    Scalar {
        name: "JSON_KEYS",
        family: "json",
        about: "The names of the fields of the JSON object that the text holds. NULL if it holds none.",
        overloads: &[strict("JSON_KEYS(json STRING) -> ARRAY<STRING>", |_, args| keys(args))],
    },
    Scalar {
        name: "JSON_RECORDS",
        family: "json",
        about: "The fields of the JSON object that the text holds, each as text. NULL if it holds none.",
        overloads: &[strict("JSON_RECORDS(json STRING) -> MAP<STRING, STRING>", |_, args| records(args))],
    },
    Scalar {
        name: "TO_JSON_STRING",
        family: "json",
        about: "Any value as JSON text. NULL gives the text null.",
        overloads: &[seeing("TO_JSON_STRING(value T) -> STRING", |_, args| to_json_string(args))],
    },
];

#[cfg(test)]
mod tests {
    use super::super::string::tests::{b, call, n, t};
    use super::*;

    const NULL: Value = Value::Null;

    #[test]
    fn paths() {
        let json = t("{\"a\": {\"b\": [1, {\"x y\": \"z\"}, 1.50, 1e2]}, \"@t\": null, \"e\": {}}}");
        let cases = [
            ("$.a.b[0]", t("1")),
            ("$.a.b[1][\"x y\"]", t("z")),
            ("$['a'].b[1]", t("{\"x y\":\"z\"}")),
            ("$.a.b[2]", t("1.50")),
            ("$.a.b[3]", t("1E+2")),
            ("$.a.b[9]", NULL),
            ("$.a.b.x", NULL),
            ("$.@t", t("null")),
            ("$.e", t("{}")),
            ("$.nothing.more", NULL),
        ];
        for (path, expected) in cases {
            assert_eq!(call(FUNCTIONS, "EXTRACTJSONFIELD", &[json.clone(), t(path)]).unwrap(), expected, "{path}");
        }
        for path in ["", "a", "$.", "$a", "$[", "$[]", "$.a b", "$[\"a]", "$.a..b"] {
            assert!(call(FUNCTIONS, "EXTRACTJSONFIELD", &[json.clone(), t(path)]).is_err(), "{path}");
        }
        assert!(call(FUNCTIONS, "EXTRACTJSONFIELD", &[t("{"), t("$.a")]).is_err());
    }

    #[test]
    fn functions() {
        let a = |parts: &[&str]| Value::array(parts.iter().map(|part| t(part)).collect());
        let yes = |is: bool| Value::Boolean(is);
        #[rustfmt::skip]
        let cases: &[(&str, &[Value], Value)] = &[
            ("IS_JSON_STRING", &[t("1")], yes(true)), ("IS_JSON_STRING", &[t("abc")], yes(false)),
            ("IS_JSON_STRING", &[t("")], yes(false)), ("IS_JSON_STRING", &[NULL], yes(false)),
            ("JSON_ARRAY_CONTAINS", &[t("[1, \"a\", null, true, 1.5"), t("a")], yes(true)),
            ("JSON_ARRAY_CONTAINS", &[t("[1, 2]"), Value::Bigint(2)], yes(true)), ("JSON_ARRAY_CONTAINS", &[t("[1.0]"), n(1)], yes(false)),
            ("JSON_ARRAY_CONTAINS", &[t("[1]"), Value::Double(1.0)], yes(false)), ("JSON_ARRAY_CONTAINS", &[t("[1.0]"), Value::Double(1.0)], yes(true)),
            ("JSON_ARRAY_CONTAINS", &[t("[null]"), NULL], yes(true)), ("JSON_ARRAY_CONTAINS", &[t("[[1]]"), n(1)], yes(false)),
            ("JSON_ARRAY_CONTAINS", &[t("{}"), n(1)], yes(false)), ("JSON_ARRAY_CONTAINS", &[t("x"), n(1)], yes(false)),
            ("JSON_ARRAY_LENGTH", &[t("[1, [2, 3], {}]")], n(3)), ("JSON_ARRAY_LENGTH", &[t("{}")], NULL), ("JSON_ARRAY_LENGTH", &[t("")], NULL),
            ("JSON_CONCAT", &[t("{\"a\": {\"5\": 6}}"), t("{\"a\": {\"3\": 4}, \"b\": 1e2}")], t("{\"a\":{\"3\":4},\"b\":100}")),
            ("JSON_CONCAT", &[t("[1, 2]"), t("{\"a\": 1}"), t("4")], t("[1,2,{\"a\":1},4]")), ("JSON_CONCAT", &[t("null"), t("null")], t("[null,null]")),
            ("JSON_CONCAT", &[t("1"), t("")], NULL), ("JSON_CONCAT", &[t("1"), NULL], NULL), ("JSON_CONCAT", &[t("1")], t("1")),
            ("JSON_ITEMS", &[t("[1, {\"a\": \"b\"}, \"c\"]")], a(&["1", "{\"a\":\"b\"}", "\"c\""])), ("JSON_ITEMS", &[t("[]")], a(&[])),
            ("JSON_KEYS", &[t("{\"b\": 3, \"a\": 5}")], a(&["b", "a"])), ("JSON_KEYS", &[t("[]")], NULL), ("JSON_KEYS", &[t("")], NULL),
            ("JSON_RECORDS", &[t("{\"b\": 3, \"a\": \"x\", \"c\": [\"y\"]}")],
                Value::map([(t("b"), t("3")), (t("a"), t("x")), (t("c"), t("[\"y\"]"))])),
            ("TO_JSON_STRING", &[NULL], t("null")), ("TO_JSON_STRING", &[t("a\"")], t("\"a\\\"\"")), ("TO_JSON_STRING", &[b(b"!")], t("\"IQ==\"")),
            ("TO_JSON_STRING", &[Value::Double(123.456)], t("123.456")), ("TO_JSON_STRING", &[Value::Double(1e10)], t("1.0E10")),
            ("TO_JSON_STRING", &[Value::Time(60_220_999)], t("\"16:43:40\"")), ("TO_JSON_STRING", &[Value::Time(60_000)], t("\"00:01\"")),
            ("TO_JSON_STRING", &[Value::Date(1000)], t("\"1972-09-27\"")),
            ("TO_JSON_STRING", &[Value::Timestamp(-1)], t("\"1969-12-31T23:59:59.999\"")),
            ("TO_JSON_STRING", &[Value::map([(t("b"), n(1)), (t("a"), Value::array(vec![n(2), NULL]))])], t("{\"a\":[2,null],\"b\":1}")),
        ];
        for (name, args, expected) in cases {
            assert_eq!(&call(FUNCTIONS, name, args).unwrap(), expected, "{name}{args:?}");
        }
        for name in ["JSON_ARRAY_LENGTH", "JSON_ITEMS", "JSON_KEYS", "JSON_RECORDS"] {
            assert!(call(FUNCTIONS, name, &[t("{")]).is_err(), "{name}");
        }
    }
}
