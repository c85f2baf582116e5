//! What DataFusion says of calls, literals and groups in its own words, in PostgreSQL's.

use super::theirs::sql_name;
use super::{Error, code};

/// DataFusion's sentence as PostgreSQL's clients know it, if it is one of these.
pub(super) fn reworded(text: &str) -> Option<Error> {
    let between = |start: &str, end: &str| text.split_once(start).and_then(|(_, rest)| rest.split_once(end)).map(|(found, _)| found);
    if let Some(call) = between("the given name and argument types '", "'. ").and_then(called) {
        return Some(
            Error::new(code::UNDEFINED_FUNCTION, format!("function {call} does not exist"))
                .hint("No function matches the given name and argument types. You might need to add explicit type casts."),
        );
    }
    if text.contains("HAVING clause references: ") {
        let message = "columns of the select list must appear in the GROUP BY clause or be used in an aggregate function";
        return Some(Error::new(code::GROUPING_ERROR, message).hint("HAVING makes one group of all rows; to leave rows out write WHERE."));
    }
    if let Some((columns, names)) = between("Source table contains ", " names given").and_then(|m| m.split_once(" columns but only ")) {
        let message = format!("table has {columns} columns available but {names} columns specified");
        return Some(Error::new(code::INVALID_COLUMN_REFERENCE, message));
    }
    for clause in ["LIMIT", "OFFSET"] {
        if let Some((_, ty)) = text.split_once(&format!("Expected {clause} to be an integer or null, but got ")) {
            let ty = type_name(ty.trim_end()).unwrap_or_else(|| "another".into());
            return Some(Error::new(code::DATATYPE_MISMATCH, format!("argument of {clause} must be type bigint, not type {ty}")));
        }
    }
    if let Some(digits) = between("Decimal precision ", " exceeds the maximum supported precision: ") {
        let message = format!("a numeric literal of {digits} digits is not supported");
        return Some(Error::unsupported(message).hint("Write fewer digits, or double precision: '1e100'::float8."));
    }
    if let Some(digits) = between("Invalid HexStringLiteral '", "'") {
        return Some(match digits.chars().find(|c| !c.is_ascii_hexdigit()) {
            Some(wrong) => Error::new(code::INVALID_TEXT_REPRESENTATION, format!("\"{wrong}\" is not a valid hexadecimal digit")),
            None => bit_strings(),
        });
    }
    if let Some(digits) = between("Unsupported Value 'SingleQuotedByteStringLiteral(\"", "\")'") {
        return Some(match digits.chars().find(|c| !matches!(c, '0' | '1')) {
            Some(wrong) => Error::new(code::INVALID_TEXT_REPRESENTATION, format!("\"{wrong}\" is not a valid binary digit")),
            None => bit_strings(),
        });
    }
    if between("Placeholder ':", "' was not provided a value").is_some() {
        return Some(Error::syntax("syntax error at or near \":\""));
    }
    if let Some((_, number)) = text.split_once("invalid Unicode scalar value: ") {
        let number = number.trim_end();
        return Some(match number.starts_with('-') {
            true => Error::new(code::INVALID_PARAMETER_VALUE, "character number must be positive"),
            false => Error::new(code::PROGRAM_LIMIT_EXCEEDED, format!("requested character not valid for encoding: {number}")),
        });
    }
    None
}

/// 0A000: there is no type of bit strings.
pub fn bit_strings() -> Error {
    Error::unsupported("bit strings are not supported").hint("Write bytea, '\\x1f'::bytea, or an integer, whose bits &, | and # combine.")
}

/// A call as PostgreSQL writes it, from one with Arrow's types: `character_length(Utf8View, Int64)`.
fn called(call: &str) -> Option<String> {
    let (name, types) = call.strip_suffix(')')?.split_once('(')?;
    let name = if name == "character_length" { "length" } else { name };
    let mut named = Vec::new();
    for ty in parts(types) {
        named.push(type_name(ty)?);
    }
    Some(format!("{name}({})", named.join(", ")))
}

/// What stands between the commas of a list, but for those in parentheses.
fn parts(list: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0usize, 0);
    for (at, c) in list.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(list[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    if !list.trim().is_empty() {
        parts.push(list[start..].trim());
    }
    parts
}

/// PostgreSQL's name of a type that Arrow names so.
fn type_name(arrow: &str) -> Option<String> {
    if let Some(item) = arrow.strip_prefix("List(").and_then(|rest| rest.strip_suffix(')')) {
        return type_name(item).map(|item| format!("{item}[]"));
    }
    Some(match arrow {
        "Utf8" | "Utf8View" | "LargeUtf8" => "text".into(),
        "Binary" | "BinaryView" | "LargeBinary" => "bytea".into(),
        "Null" => "unknown".into(),
        _ if arrow.starts_with("Struct(") => "record".into(),
        _ if arrow.starts_with("Interval(") => "interval".into(),
        _ if arrow.starts_with("Time64(") => "time".into(),
        _ if arrow.starts_with("Timestamp(") && arrow.contains('"') => "timestamp with time zone".into(),
        _ => sql_name(arrow)?.into(),
    })
}

/// The DETAIL of a numeric that has no room, from Arrow's sentence, which ends with the largest or smallest that has: `Max is 99.9`.
pub(super) fn limits(text: &str) -> Option<String> {
    let (_, bound) = text.split_once(" is ").and_then(|(_, rest)| rest.rsplit_once(" is "))?;
    let digits: Vec<usize> = bound.trim_start_matches('-').split('.').map(str::len).collect();
    let (whole, scale) = (*digits.first()?, digits.get(1).copied().unwrap_or(0));
    // A bound below one has a zero before its point.
    let whole = if bound.trim_start_matches('-').starts_with("0.") { 0 } else { whole };
    let below = if whole == 0 { "1".to_string() } else { format!("10^{whole}") };
    let precision = whole + scale;
    Some(format!("A field with precision {precision}, scale {scale} must round to an absolute value less than {below}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_and_literals_are_told_in_sql() {
        let more = ". You might need to add explicit type casts.";
        for (theirs, code, message) in [
            (
                format!(
                    "Function 'character_length' expects 1 arguments but received 2. No function matches the given name and argument types 'character_length(Utf8View, Int64)'{more}"
                ),
                "42883",
                "function length(text, bigint) does not exist",
            ),
            (
                format!("No function matches the given name and argument types 'f(List(Int64), Decimal128(10, 2))'{more}"),
                "42883",
                "function f(bigint[], numeric) does not exist",
            ),
            (
                "Source table contains 1 columns but only 2 names given as column alias".into(),
                "42P10",
                "table has 1 columns available but 2 columns specified",
            ),
            (
                "Expected LIMIT to be an integer or null, but got Decimal128(2, 1)".into(),
                "42804",
                "argument of LIMIT must be type bigint, not type numeric",
            ),
            ("Invalid HexStringLiteral '1z'".into(), "22P02", "\"z\" is not a valid hexadecimal digit"),
            ("Placeholder ':a' was not provided a value for execution".into(), "42601", "syntax error at or near \":\""),
            ("invalid Unicode scalar value: -1".into(), "22023", "character number must be positive"),
        ] {
            let error = reworded(&theirs).expect(message);
            assert_eq!((error.code(), error.message()), (code, message));
        }
    }

    #[test]
    fn limits_are_those_of_the_type() {
        let told = |bound: &str| limits(&format!("1 is too large to store in a Decimal128 of precision 9. {bound}")).unwrap_or_default();
        let expected = "A field with precision 10, scale 2 must round to an absolute value less than 10^8.";
        assert_eq!(told("Max is 99999999.99"), expected);
        assert_eq!(told("Min is -99999999.99"), expected);
        assert_eq!(told("Max is 0.99"), "A field with precision 2, scale 2 must round to an absolute value less than 1.");
    }
}
