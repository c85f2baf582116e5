//! The properties of WITH (ksqlDB's reference, "CREATE STREAM": stream properties).
//!
//! Events are kept as typed columns, so formats say nothing about how they are kept: they are checked and remembered, as are the
//! properties of a topic that a broker would have.

use std::collections::BTreeMap;

use crate::catalog::TimestampColumn;
use crate::error::{Error, Result, code, nearest};
use crate::sql::ksql::PROPERTIES;
use crate::sql::ksql::ast::Properties;

const FORMATS: [&str; 8] = ["JSON", "JSON_SR", "AVRO", "PROTOBUF", "PROTOBUF_NOSR", "DELIMITED", "KAFKA", "NONE"];

/// Properties, checked.
#[derive(Clone, Debug, Default)]
pub struct With {
    pub topic: Option<String>,
    pub timestamp: Option<TimestampColumn>,
    /// TUMBLING, HOPPING or SESSION.
    pub window: Option<String>,
    pub key_format: Option<String>,
    pub value_format: Option<String>,
    /// All of them, by name.
    pub all: BTreeMap<String, String>,
}

fn invalid(message: String) -> Error {
    Error::new(code::INVALID_PARAMETER_VALUE, message)
}

/// Checks the properties of a statement, with a query or without. Errors: 22023.
pub fn with(properties: &Properties, query: bool) -> Result<With> {
    let mut with = With::default();
    for property in properties {
        let known = PROPERTIES.iter().find(|(name, _)| *name == property.name);
        if !known.is_some_and(|(_, too)| *too || !query) {
            let error = invalid(format!("invalid property \"{}\" in WITH", property.name)).at(property.at);
            let near = nearest(&property.name, PROPERTIES.iter().filter(|(_, too)| *too || !query).map(|(name, _)| *name));
            return Err(match near {
                Some(near) => error.hint(format!("Perhaps you meant {near}.")),
                None => error,
            });
        }
        if with.all.insert(property.name.clone(), property.value.clone()).is_some() {
            return Err(invalid(format!("property \"{}\" is given more than once", property.name)).at(property.at));
        }
        check(&property.name, &property.value).map_err(|e| e.at(property.at))?;
    }
    let of = |name: &str| with.all.get(name).cloned();
    let both = of("FORMAT").map(|f| f.to_uppercase());
    if both.is_some() && (of("KEY_FORMAT").is_some() || of("VALUE_FORMAT").is_some()) {
        return Err(invalid("FORMAT cannot stand beside KEY_FORMAT and VALUE_FORMAT".into()).hint("Use either one or the two others."));
    }
    with.key_format = of("KEY_FORMAT").map(|f| f.to_uppercase()).or_else(|| both.clone());
    with.value_format = of("VALUE_FORMAT").map(|f| f.to_uppercase()).or(both);
    with.topic = of("KAFKA_TOPIC");
    with.window = window(of("WINDOW_TYPE"), of("WINDOW_SIZE"))?;
    with.timestamp = timestamp(of("TIMESTAMP"), of("TIMESTAMP_FORMAT"))?;
    wrapping(&with)?;
    Ok(with)
}

fn check(name: &str, value: &str) -> Result<()> {
    match name {
        "FORMAT" | "KEY_FORMAT" | "VALUE_FORMAT" if !FORMATS.contains(&value.to_uppercase().as_str()) => {
            Err(invalid(format!("unknown format \"{value}\"")).hint(format!("Formats are {}.", FORMATS.join(", "))))
        }
        "VALUE_DELIMITER" | "KEY_DELIMITER" => {
            let word = ["SPACE", "TAB"].contains(&value.to_uppercase().as_str());
            let one = value.chars().count() == 1 && !value.trim().is_empty();
            if word || one {
                return Ok(());
            }
            Err(invalid(format!("invalid delimiter \"{value}\"")).hint("One character, or SPACE or TAB."))
        }
        "PARTITIONS" | "REPLICAS" | "RETENTION_MS" if value.parse::<i64>().is_err() => {
            Err(invalid(format!("{name} is a whole number, not \"{value}\"")))
        }
        "WRAP_SINGLE_VALUE" if !["TRUE", "FALSE"].contains(&value.to_uppercase().as_str()) => {
            Err(invalid(format!("{name} is TRUE or FALSE, not \"{value}\"")))
        }
        "KAFKA_TOPIC" if value.is_empty() => Err(invalid("KAFKA_TOPIC is empty".into())),
        _ => Ok(()),
    }
}

fn window(kind: Option<String>, size: Option<String>) -> Result<Option<String>> {
    let Some(kind) = kind.map(|k| k.to_uppercase()) else {
        return match size {
            Some(_) => Err(invalid("WINDOW_SIZE needs WINDOW_TYPE".into())),
            None => Ok(None),
        };
    };
    match (kind.as_str(), size.is_some()) {
        ("TUMBLING" | "HOPPING", true) | ("SESSION", false) => Ok(Some(kind)),
        ("TUMBLING" | "HOPPING", false) => Err(invalid(format!("windows of type {kind} need WINDOW_SIZE"))),
        ("SESSION", true) => Err(invalid("windows of type SESSION have no WINDOW_SIZE".into())),
        _ => Err(invalid(format!("unknown window type \"{kind}\"")).hint("TUMBLING, HOPPING or SESSION.")),
    }
}

fn timestamp(column: Option<String>, format: Option<String>) -> Result<Option<TimestampColumn>> {
    match (column, format) {
        (Some(column), format) => Ok(Some(TimestampColumn { column: identifier(&column), format })),
        (None, Some(_)) => Err(invalid("TIMESTAMP_FORMAT needs TIMESTAMP".into())),
        (None, None) => Ok(None),
    }
}

/// A name given as text: folded unless it is quoted.
fn identifier(text: &str) -> String {
    for quote in ['`', '"'] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote)) {
            return inner.to_string();
        }
    }
    text.to_uppercase()
}

fn wrapping(with: &With) -> Result<()> {
    let Some(wrap) = with.all.get("WRAP_SINGLE_VALUE") else { return Ok(()) };
    let Some(format) = with.value_format.as_deref() else { return Ok(()) };
    let wraps = wrap.eq_ignore_ascii_case("true");
    match (format, wraps) {
        ("KAFKA" | "DELIMITED" | "NONE", true) => Err(invalid(format!("format {format} cannot wrap single values"))),
        ("PROTOBUF" | "PROTOBUF_NOSR", false) => Err(invalid(format!("format {format} cannot leave single values unwrapped"))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::ksql::ast::Property;

    fn read(properties: &[(&str, &str)], query: bool) -> Result<With> {
        let property = |(name, value): &(&str, &str)| Property { name: name.to_string(), value: value.to_string(), at: 1 };
        with(&properties.iter().map(property).collect(), query)
    }

    #[test]
    fn properties_are_checked_and_remembered() {
        let found = read(&[("KAFKA_TOPIC", "t"), ("FORMAT", "json"), ("TIMESTAMP", "`ts`")], false).expect("they are right");
        assert_eq!((found.topic.as_deref(), found.value_format.as_deref()), (Some("t"), Some("JSON")));
        assert_eq!(found.timestamp.map(|t| t.column).as_deref(), Some("ts"));
        for wrong in [
            &[("KAFKA_TOPC", "t")][..],
            &[("VALUE_FORMAT", "FOO")],
            &[("FORMAT", "JSON"), ("KEY_FORMAT", "JSON")],
            &[("VALUE_DELIMITER", " ")],
            &[("WINDOW_TYPE", "TUMBLING")],
            &[("WINDOW_TYPE", "SESSION"), ("WINDOW_SIZE", "1 SECOND")],
            &[("TIMESTAMP_FORMAT", "yyyy")],
            &[("VALUE_FORMAT", "KAFKA"), ("WRAP_SINGLE_VALUE", "true")],
        ] {
            assert_eq!(read(wrong, false).map(|_| ()).unwrap_err().code(), code::INVALID_PARAMETER_VALUE, "{wrong:?}");
        }
        assert!(read(&[("WINDOW_TYPE", "SESSION")], true).is_err());
    }
}
