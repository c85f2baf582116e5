//! JSON text: checked as json, normalised as jsonb.
//!
//! jsonb is kept as the text that PostgreSQL's jsonb_out prints: keys by length, then by bytes, the last of equal ones kept, one blank after
//! each colon and comma, numbers without exponent, strings with the fewest escapes. Equal documents so have equal text.

use serde::de::IgnoredAny;

use super::numeric::plain_number;
use crate::error::{Error, Result, code};

/// SQLSTATE of an escape that has no text: U+0000.
const UNTRANSLATABLE_CHARACTER: &str = "22P05";

/// Checks that text is JSON. Errors: 22P02 with what was expected and where.
pub fn check(text: &str) -> Result<()> {
    let parsed: Result<IgnoredAny, _> = serde_json::from_str(text);
    parsed.map(|_| ()).map_err(|e| {
        let error = Error::new(code::INVALID_TEXT_REPRESENTATION, "invalid input syntax for type json");
        error.detail(format!("{}.", sentence(&e.to_string())))
    })
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|c| c.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The text of a jsonb value. Errors: 22P02; 22P05 for \u0000. Depth is bounded by serde_json's recursion limit of 128, checked first.
pub fn normalise(text: &str) -> Result<String> {
    check(text)?;
    let mut reader = Reader { bytes: text.as_bytes(), text, at: 0 };
    let node = reader.value()?;
    let mut out = String::with_capacity(text.len() + 8);
    node.write(&mut out);
    Ok(out)
}

/// A value, with scalars already in their final text.
enum Node {
    Scalar(String),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    fn write(&self, out: &mut String) {
        match self {
            Node::Scalar(text) => out.push_str(text),
            Node::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i > 0 { ", " } else { "" });
                    item.write(out);
                }
                out.push(']');
            }
            Node::Object(members) => {
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

/// Walks text that is known to be JSON.
struct Reader<'a> {
    bytes: &'a [u8],
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&mut self) -> u8 {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn value(&mut self) -> Result<Node> {
        match self.peek() {
            b'{' => self.object(),
            b'[' => self.array(),
            b'"' => {
                let mut quoted = String::new();
                put_string(&self.string()?, &mut quoted);
                Ok(Node::Scalar(quoted))
            }
            _ => self.bare(),
        }
    }

    /// A number, true, false or null.
    fn bare(&mut self) -> Result<Node> {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.')) {
            self.at += 1;
        }
        let word = &self.text[start..self.at];
        if word.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return Ok(Node::Scalar(word.to_string()));
        }
        let number = plain_number(word);
        number.map(Node::Scalar).ok_or_else(|| Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format"))
    }

    fn array(&mut self) -> Result<Node> {
        self.at += 1;
        let mut items = Vec::new();
        while self.peek() != b']' {
            items.push(self.value()?);
            if self.peek() == b',' {
                self.at += 1;
            }
        }
        self.at += 1;
        Ok(Node::Array(items))
    }

    fn object(&mut self) -> Result<Node> {
        self.at += 1;
        let mut members: Vec<(String, Node)> = Vec::new();
        while self.peek() != b'}' {
            let key = self.string()?;
            self.peek();
            self.at += 1;
            members.push((key, self.value()?));
            if self.peek() == b',' {
                self.at += 1;
            }
        }
        self.at += 1;
        // The sort is stable, so among equal keys the last one written comes last, and is the one kept.
        members.sort_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
        members.reverse();
        members.dedup_by(|later, first| later.0 == first.0);
        members.reverse();
        Ok(Node::Object(members))
    }

    fn string(&mut self) -> Result<String> {
        let start = self.at;
        self.at += 1;
        while self.bytes.get(self.at).is_some_and(|b| *b != b'"') {
            self.at += if self.bytes[self.at] == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
        let quoted = &self.text[start..self.at];
        if !quoted.contains('\\') {
            return Ok(quoted[1..quoted.len() - 1].to_string());
        }
        let plain: String = serde_json::from_str(quoted).map_err(|e| Error::new(code::INVALID_TEXT_REPRESENTATION, e.to_string()))?;
        if plain.contains('\0') {
            let error = Error::new(UNTRANSLATABLE_CHARACTER, "unsupported Unicode escape sequence");
            return Err(error.detail("\\u0000 cannot be converted to text."));
        }
        Ok(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jsonb_prints_as_postgresql_prints_it() {
        let recorded = [
            (r#" {"bb":1,"a":[1, 2 ,{}],"a":[true,null]} "#, r#"{"a": [true, null], "bb": 1}"#),
            ("1e2", "100"),
            ("-0.0", "0.0"),
            ("1.10", "1.10"),
            ("12e-3", "0.012"),
            (r#""\u00e9\/\n""#, "\"é/\\n\""),
            ("[]", "[]"),
        ];
        for (read, printed) in recorded {
            assert_eq!(normalise(read).unwrap(), printed);
        }
        assert_eq!(normalise("{").unwrap_err().code(), code::INVALID_TEXT_REPRESENTATION);
        assert_eq!(normalise(r#""\u0000""#).unwrap_err().code(), UNTRANSLATABLE_CHARACTER);
    }
}
