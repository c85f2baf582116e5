//! JSON: json is kept as it is written, jsonb as the text that PostgreSQL's jsonb_out prints.
//!
//! That text has keys by length, then by bytes, the last of equal ones kept, one blank after each colon and comma, numbers without exponent,
//! strings with the fewest escapes. Equal documents have equal text but for the decimals of their numbers, which are shown as they were
//! written and count for nothing: [`canonical`] has none that are zeros at the end. Their order is another than that of their text: that of
//! their [`key`].

mod order;
mod read;

use std::borrow::Cow;

pub use order::{compare_numbers, key};
pub use read::{check, parse, parse_written, take_apart};

use crate::error::Result;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    /// As jsonb prints it; as it is written, where it was read so.
    Number(String),
    String(String),
    Array(Vec<Json>),
    /// In jsonb's order, each key once, if it was not read as written.
    Object(Vec<(String, Json)>),
    /// An array or an object that is not taken apart, as it is written.
    Written(String),
}

/// The text of a jsonb value. Errors: those of [`parse`].
pub fn normalise(text: &str) -> Result<String> {
    Ok(parse(text)?.to_text())
}

/// An object of these members: the last of equal keys wins, in jsonb's order.
pub fn object(mut members: Vec<(String, Json)>) -> Json {
    // The sort is stable, so among equal keys the last one written comes last, and is the one kept.
    members.sort_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
    members.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            std::mem::swap(later, kept);
        }
        same
    });
    Json::Object(members)
}

impl Json {
    /// jsonb's text: one space after each comma and colon.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            Json::Number(n) | Json::Written(n) => out.push_str(n),
            Json::String(s) => put_string(s, out),
            Json::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i > 0 { ", " } else { "" });
                    item.write(out);
                }
                out.push(']');
            }
            Json::Object(members) => {
                out.push('{');
                for (i, (key, value)) in members.iter().enumerate() {
                    out.push_str(if i > 0 { ", " } else { "" });
                    put_string(key, out);
                    out.push_str(": ");
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// The name that jsonb_typeof gives it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "boolean",
            Json::Number(_) => "number",
            Json::String(_) => "string",
            Json::Array(_) => "array",
            Json::Object(_) => "object",
            Json::Written(text) if text.starts_with('{') => "object",
            Json::Written(_) => "array",
        }
    }

    /// True for what is neither an array nor an object.
    pub fn is_scalar(&self) -> bool {
        !matches!(self, Json::Array(_) | Json::Object(_) | Json::Written(_))
    }

    /// Equal as jsonb is, whatever the decimals of the numbers; for scalars.
    pub fn is_same_scalar(&self, other: &Json) -> bool {
        match (self, other) {
            (Json::Number(a), Json::Number(b)) => without_zeros(a) == without_zeros(b),
            _ => self == other,
        }
    }
}

/// A number as jsonb prints it without the decimals that are zeros at its end.
fn without_zeros(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

/// The text that all equal jsonb values have in common, from the text of one of them.
pub fn canonical(text: &str) -> Cow<'_, str> {
    if !text.contains('.') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let (mut out, mut at, mut kept) = (String::with_capacity(text.len()), 0, 0);
    while let Some(byte) = bytes.get(at) {
        let from = at;
        match byte {
            b'"' => at = end_of_string(bytes, at),
            b'-' | b'0'..=b'9' => {
                at += bytes[at..].iter().take_while(|b| matches!(b, b'-' | b'0'..=b'9' | b'.')).count();
                out.push_str(&text[kept..from]);
                out.push_str(without_zeros(&text[from..at]));
                kept = at;
            }
            _ => at += 1,
        }
    }
    out.push_str(&text[kept..]);
    Cow::Owned(out)
}

/// The place behind the string that begins there.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Writes a JSON string with the escapes that PostgreSQL's escape_json uses.
pub fn put_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jsonb_prints_as_postgresql_prints_it() {
        let recorded = [
            (r#" {"bb":1,"a":[1, 2 ,{}],"a":[true,null]} "#, r#"{"a": [true, null], "bb": 1}"#),
            (r#"{"b":1,"a":2,"b":3,"a":4,"b":5}"#, r#"{"a": 4, "b": 5}"#),
            (r#"{"bb":1.10,"a":[1, 2,{}], "a":null}"#, r#"{"a": null, "bb": 1.10}"#),
            (r#""\u00e9\ud83d\ude00\n""#, "\"é😀\\n\""),
            (r#""\u00e9\/\n""#, "\"é/\\n\""),
            ("[1e2,-0.5E-1]", "[100, -0.05]"),
            ("[-0,-0.00,0e9]", "[0, 0.00, 0]"),
            ("12e-3", "0.012"),
            ("1.10", "1.10"),
            ("[]", "[]"),
        ];
        for (read, printed) in recorded {
            assert_eq!(normalise(read).unwrap(), printed);
        }
    }

    #[test]
    fn equal_documents_have_one_canonical_text() {
        let recorded = [
            ("1.0", "1"),
            ("-10.050", "-10.05"),
            ("0.00", "0"),
            ("100", "100"),
            (r#"{"1.0": [1.50, "2.0\"3.0", 10.0]}"#, r#"{"1.0": [1.5, "2.0\"3.0", 10]}"#),
            (r#""é.0""#, r#""é.0""#),
        ];
        for (text, one) in recorded {
            assert_eq!(canonical(text), one, "{text}");
        }
    }
}
