//! JSON as this dialect sees it: a tree that keeps the order of an object's fields and the digits of its numbers.
//!
//! Decision: a tree of our own and not serde_json's, because numbers must survive as written (`1.10` is a decimal of scale two, and a
//! BIGINT must not pass through a double) and fields must keep their order.

mod convert;

use std::collections::HashMap;

use crate::error::{Error, Result, code};

pub use convert::{decode_base64, encode_base64, from_json, temporal, to_json};

/// Arrays and objects may be nested this deep.
const DEPTH_MAX: usize = 512;

/// Objects of more fields are searched for repeated names by a hash.
const SMALL: usize = 8;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    /// As written.
    Number(String),
    String(String),
    Array(Vec<Json>),
    /// Fields in the order in which they came, each name once: of equal names the last wins, at the place of the first.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads one value, and nothing but white space around it (RFC 8259).
    pub fn parse(text: &str) -> Result<Json> {
        let mut parser = Parser::new(text);
        let value = parser.value(0)?;
        parser.space();
        if parser.at < text.len() { Err(parser.error("more text after the value")) } else { Ok(value) }
    }

    /// Reads the first value of a text and does not look at what follows, as ksqlDB's functions do; `None` if there is only white space.
    pub fn parse_first(text: &str) -> Result<Option<Json>> {
        let mut parser = Parser::new(text);
        parser.space();
        if parser.at == text.len() {
            return Ok(None);
        }
        let value = parser.value(0)?;
        // A bare word or number must end where it ends: `12x` is no number.
        let glued = matches!(value, Json::Null | Json::Bool(_) | Json::Number(_)) && parser.peek().is_some_and(|b| !is_space(b));
        if glued { Err(parser.error("a value runs into other text")) } else { Ok(Some(value)) }
    }

    /// The elements of the array that a text begins with, up to where it stops being JSON; `None` if it does not begin with one.
    pub fn leading_items(text: &str) -> Option<Vec<Json>> {
        let mut parser = Parser::new(text);
        parser.space();
        parser.eat(b'[').then(|| {
            let mut items = Vec::new();
            while let Ok(item) = parser.value(1) {
                items.push(item);
                parser.space();
                if !parser.eat(b',') {
                    break;
                }
            }
            items
        })
    }

    /// Writes it without white space.
    pub fn write(&self) -> String {
        let mut out = String::new();
        self.write_to(&mut out);
        out
    }

    fn write_to(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(true) => out.push_str("true"),
            Json::Bool(false) => out.push_str("false"),
            Json::Number(n) => out.push_str(n),
            Json::String(s) => write_string(s, out),
            Json::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    item.write_to(out);
                }
                out.push(']');
            }
            Json::Object(fields) => {
                out.push('{');
                for (i, (name, value)) in fields.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    write_string(name, out);
                    out.push(':');
                    value.write_to(out);
                }
                out.push('}');
            }
        }
    }

    /// An object of these fields; of equal names the last wins, at the place of the first.
    pub fn object(fields: Vec<(String, Json)>) -> Json {
        Json::Object(unique(fields))
    }

    /// The value of a field, of an object.
    pub fn get(&self, name: &str) -> Option<&Json> {
        let Json::Object(fields) = self else { return None };
        fields.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Leaves the last of equal names, at the place of the first.
fn unique(fields: Vec<(String, Json)>) -> Vec<(String, Json)> {
    let mut kept: Vec<(String, Json)> = Vec::with_capacity(fields.len());
    let mut places: HashMap<String, usize> = HashMap::new();
    let large = fields.len() > SMALL;
    for (name, value) in fields {
        let known = if large { places.get(&name).copied() } else { kept.iter().position(|(n, _)| *n == name) };
        match known.and_then(|at| kept.get_mut(at)) {
            Some(field) => field.1 = value,
            None => {
                if large {
                    places.insert(name.clone(), kept.len());
                }
                kept.push((name, value));
            }
        }
    }
    kept
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Reads JSON. Positions are bytes, and every slice begins and ends beside ASCII.
struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Parser<'a> {
        Parser { text, at: 0 }
    }

    fn error(&self, what: &str) -> Error {
        Error::new(code::INVALID_TEXT_REPRESENTATION, format!("invalid JSON: {what} at byte {}", self.at + 1))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn space(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json> {
        if !self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return Err(self.error("an unknown word"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn value(&mut self, depth: usize) -> Result<Json> {
        if depth > DEPTH_MAX {
            return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, format!("JSON is nested deeper than {DEPTH_MAX} levels")));
        }
        self.space();
        match self.peek() {
            Some(b'n') => self.word("null", Json::Null),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'"') => Ok(Json::String(self.string()?)),
            Some(b'[') => self.array(depth),
            Some(b'{') => self.object(depth),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => Err(self.error("an unexpected character")),
            None => Err(self.error("the text ends")),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.eat(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            if self.eat(b']') {
                return Ok(Json::Array(items));
            }
            if !self.eat(b',') {
                return Err(self.error("\",\" or \"]\" is missing"));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json> {
        self.at += 1;
        let mut fields = Vec::new();
        self.space();
        if self.eat(b'}') {
            return Ok(Json::Object(fields));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.error("a field's name is missing"));
            }
            let name = self.string()?;
            self.space();
            if !self.eat(b':') {
                return Err(self.error("\":\" is missing"));
            }
            fields.push((name, self.value(depth + 1)?));
            self.space();
            if self.eat(b'}') {
                return Ok(Json::Object(unique(fields)));
            }
            if !self.eat(b',') {
                return Err(self.error("\",\" or \"}\" is missing"));
            }
        }
    }

    fn digits(&mut self) -> Result<()> {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(self.error("a digit is missing")) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<Json> {
        let start = self.at;
        self.eat(b'-');
        if self.eat(b'0') {
            if self.peek().is_some_and(|b| b.is_ascii_digit()) {
                return Err(self.error("a number begins with 0"));
            }
        } else {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            if !self.eat(b'+') {
                self.eat(b'-');
            }
            self.digits()?;
        }
        Ok(Json::Number(self.text.get(start..self.at).unwrap_or_default().to_string()))
    }

    fn string(&mut self) -> Result<String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let start = self.at;
            while self.peek().is_some_and(|b| b >= b' ' && b != b'"' && b != b'\\') {
                self.at += 1;
            }
            out.push_str(self.text.get(start..self.at).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                Some(_) => return Err(self.error("a control character in a string")),
                None => return Err(self.error("a string does not end")),
            }
        }
    }

    fn escape(&mut self) -> Result<char> {
        let c = match self.peek() {
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.error("an unknown escape")),
        };
        self.at += 1;
        Ok(c)
    }

    /// Half a surrogate pair is no character: it becomes U+FFFD.
    fn unicode(&mut self) -> Result<char> {
        let first = self.hex()?;
        if !(0xD800..0xDC00).contains(&first) {
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let before = self.at;
        if self.eat(b'\\') && self.eat(b'u') {
            let second = self.hex()?;
            if (0xDC00..0xE000).contains(&second) {
                let point = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                return Ok(char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
        }
        self.at = before;
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex(&mut self) -> Result<u32> {
        let digits = self.text.get(self.at..self.at + 4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let value =
            digits.and_then(|d| u32::from_str_radix(d, 16).ok()).ok_or_else(|| self.error("four hexadecimal digits are missing"))?;
        self.at += 4;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        for text in ["null", "[1,-0,1.10,2e5,{\"a\":\"b\",\"\":[]}]", "\"\\\"\\\\\\n\\u0001é\"", "{}", "12345678901234567890"] {
            assert_eq!(Json::parse(text).unwrap().write(), text);
        }
        assert_eq!(Json::parse(" { \"a\" : 1 , \"b\":2, \"a\":3 } ").unwrap().write(), "{\"a\":3,\"b\":2}");
        assert_eq!(Json::parse("\"\\ud83d\\ude00\\ud800x\"").unwrap(), Json::String("😀\u{fffd}x".into()));
    }

    #[test]
    fn refuses() {
        for text in [
            "",
            "01",
            "1.",
            ".5",
            "+1",
            "nul",
            "[1,]",
            "{\"a\"}",
            "{a:1}",
            "'a'",
            "\"\t\"",
            "\"\\x\"",
            "\"\\u12\"",
            "1 2",
            "NaN",
            "[",
            "\"a",
        ] {
            assert!(Json::parse(text).is_err(), "{text}");
        }
        assert!(Json::parse(&"[".repeat(100_000)).is_err());
        assert!(Json::parse(&format!("{}{}", "[".repeat(500), "]".repeat(500))).is_ok());
    }

    #[test]
    fn reads_what_a_text_begins_with() {
        assert_eq!(Json::parse_first("  ").unwrap(), None);
        assert_eq!(Json::parse_first("{}}").unwrap(), Some(Json::Object(vec![])));
        assert!(Json::parse_first("12x").is_err());
        assert_eq!(Json::leading_items("[1, \"a\", x").unwrap().len(), 2);
        assert_eq!(Json::leading_items("{}"), None);
    }
}
