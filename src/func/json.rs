//! JSON text: a reader that keeps numbers as they are written, and jsonb's normal form (manual, chapter 8.14).

use crate::data::json::put_string;

/// Deepest nesting read; deeper text is refused as malformed rather than overflowing the stack.
const DEPTH_MAX: usize = 512;

/// A JSON value. Objects are in jsonb's order (shorter keys first, then by bytes), the last of equal keys wins.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    /// As written.
    Number(String),
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

/// Reads a JSON text; `None` if it is malformed or nested deeper than 512.
pub fn parse(text: &str) -> Option<Json> {
    let mut reader = Reader { rest: text, depth: 0 };
    let value = reader.value()?;
    reader.space();
    reader.rest.is_empty().then_some(value)
}

/// jsonb's text of a JSON text; `None` if it is malformed.
pub fn normalize(text: &str) -> Option<String> {
    parse(text).map(|v| v.to_text())
}

impl<'a> Reader<'a> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn eat(&mut self, token: &str) -> bool {
        self.space();
        self.rest.strip_prefix(token).map(|r| self.rest = r).is_some()
    }

    fn value(&mut self) -> Option<Json> {
        self.space();
        match self.rest.as_bytes().first()? {
            b'n' => self.eat("null").then_some(Json::Null),
            b't' => self.eat("true").then_some(Json::Bool(true)),
            b'f' => self.eat("false").then_some(Json::Bool(false)),
            b'"' => self.string().map(Json::String),
            b'[' => self.nested(Reader::array),
            b'{' => self.nested(Reader::object),
            _ => self.number(),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Option<Json>) -> Option<Json> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return None;
        }
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn array(&mut self) -> Option<Json> {
        self.eat("[");
        let mut items = Vec::new();
        if self.eat("]") {
            return Some(Json::Array(items));
        }
        loop {
            items.push(self.value()?);
            if self.eat("]") {
                return Some(Json::Array(items));
            }
            if !self.eat(",") {
                return None;
            }
        }
    }

    fn object(&mut self) -> Option<Json> {
        self.eat("{");
        let mut members = Vec::new();
        if self.eat("}") {
            return Some(Json::Object(members));
        }
        loop {
            self.space();
            let key = self.string()?;
            if !self.eat(":") {
                return None;
            }
            members.push((key, self.value()?));
            if self.eat("}") {
                return Some(object(members));
            }
            if !self.eat(",") {
                return None;
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        let mut out = String::new();
        let mut chars = self.rest.strip_prefix('"')?.chars();
        loop {
            match chars.next()? {
                '"' => break,
                '\\' => match chars.next()? {
                    c @ ('"' | '\\' | '/') => out.push(c),
                    'b' => out.push('\u{8}'),
                    'f' => out.push('\u{c}'),
                    'n' => out.push('\n'),
                    'r' => out.push('\r'),
                    't' => out.push('\t'),
                    'u' => out.push(escaped(&mut chars)?),
                    _ => return None,
                },
                c if (c as u32) < 0x20 => return None,
                c => out.push(c),
            }
        }
        self.rest = chars.as_str();
        Some(out)
    }

    fn number(&mut self) -> Option<Json> {
        let end = self.rest.find(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c))).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let mantissa = unsigned.split(['e', 'E']).next()?;
        let whole = mantissa.split('.').next()?;
        let leading_zero = whole.len() > 1 && whole.starts_with('0');
        let starts = unsigned.as_bytes().first()?.is_ascii_digit();
        if leading_zero || !starts || mantissa.ends_with('.') || text.parse::<f64>().is_err() {
            return None;
        }
        self.rest = rest;
        Some(Json::Number(text.to_string()))
    }
}

fn escaped(chars: &mut std::str::Chars) -> Option<char> {
    let mut unit = || {
        chars.as_str().get(..4).and_then(|h| u32::from_str_radix(h, 16).ok()).inspect(|_| {
            chars.nth(3);
        })
    };
    let first = unit()?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first);
    }
    if chars.next()? != '\\' || chars.next()? != 'u' {
        return None;
    }
    let low = chars.as_str().get(..4).and_then(|h| u32::from_str_radix(h, 16).ok())?;
    chars.nth(3);
    char::from_u32(0x10000 + ((first - 0xd800) << 10) + low.checked_sub(0xdc00)?)
}

/// An object of these members: the last of equal keys wins, in jsonb's order.
pub fn object(members: Vec<(String, Json)>) -> Json {
    let mut sorted: Vec<(String, Json)> = Vec::with_capacity(members.len());
    for (key, value) in members {
        match sorted.binary_search_by(|(k, _)| (k.len(), k.as_bytes()).cmp(&(key.len(), key.as_bytes()))) {
            Ok(at) => sorted[at].1 = value,
            Err(at) => sorted.insert(at, (key, value)),
        }
    }
    Json::Object(sorted)
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
            Json::Number(n) => out.push_str(&plain_number(n)),
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
        }
    }
}

/// Numbers are numeric in jsonb: an exponent is written out, and zero has no sign.
fn plain_number(text: &str) -> String {
    let is_zero = !text.split(['e', 'E']).next().unwrap_or_default().bytes().any(|b| (b'1'..=b'9').contains(&b));
    let text = text.strip_prefix('-').filter(|_| is_zero).unwrap_or(text);
    if !text.contains(['e', 'E']) {
        return text.to_string();
    }
    match super::text_io::decimal(text, 38) {
        Some(Ok((mantissa, scale))) => super::text_io::decimal_text(mantissa, scale),
        _ => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jsonb_is_normalised_as_postgresql_does() {
        let cases = [
            (r#"{"bb":1.10,"a":[1, 2,{}], "a":null}"#, r#"{"a": null, "bb": 1.10}"#),
            (r#""\u00e9\ud83d\ude00\n""#, "\"é😀\\n\""),
            ("[1e2,-0.5E-1]", "[100, -0.05]"),
            ("[-0,-0.00]", "[0, 0.00]"),
        ];
        for (text, normal) in cases {
            assert_eq!(normalize(text).as_deref(), Some(normal), "{text}");
        }
        for bad in ["", "{", "[1,]", "01", "1.", "{\"a\" 1}", "tru", "\"\u{1}\"", &"[".repeat(5000)] {
            assert_eq!(normalize(bad), None, "{bad:.20}");
        }
    }
}
