//! Reads JSON text, as PostgreSQL's json_in and jsonb_in do, and says in their words what is wrong with it.

use serde::de::IgnoredAny;

use super::{Json, object};
use crate::data::numeric::plain_number;
use crate::error::{Error, Result, code};

/// Deepest nesting read; deeper text is refused rather than overflowing the stack.
const DEPTH_MAX: usize = 512;
/// How many bytes longer than its text a document may become as its exponents are written out.
const GROWTH_MAX: usize = 1 << 20;

/// What is made of the text.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// Keys in jsonb's order, each once; numbers as numerics.
    Jsonb,
    /// All as it is written.
    Written,
    /// The same, but arrays and objects within another are not taken apart.
    Outermost,
    /// Nothing: escapes are not looked at closely.
    Checked,
}

/// Reads a JSON text as jsonb. Errors: 22P02 with what was expected; 22P05 for \u0000; 22003 for a number that is no numeric; 54001 for what
/// is nested too deeply; 54000 for exponents that make too much of a short text.
pub fn parse(text: &str) -> Result<Json> {
    document(text, Form::Jsonb)
}

/// Reads a JSON text with all members of its objects, as they follow one another, and numbers as they are written. Errors: those of [`parse`]
/// that do not concern numbers.
pub fn parse_written(text: &str) -> Result<Json> {
    document(text, Form::Written)
}

/// Reads the outermost array or object of a JSON text; those within it stay as they are written, [`Json::Written`]. Errors: those of
/// [`parse_written`].
pub fn take_apart(text: &str) -> Result<Json> {
    document(text, Form::Outermost)
}

/// Checks that text is JSON. Errors: 22P02 with what was expected, 54001 for what is nested too deeply.
pub fn check(text: &str) -> Result<()> {
    // Quicker, but stricter about depth.
    if serde_json::from_str::<IgnoredAny>(text).is_ok() {
        return Ok(());
    }
    document(text, Form::Checked).map(|_| ())
}

fn document(text: &str, form: Form) -> Result<Json> {
    let mut reader = Reader { text, form, before: 0, start: 0, end: 0, token: Token::End, string: String::new(), depth: 0, growth: 0 };
    reader.advance()?;
    let value = reader.value()?;
    match reader.token {
        Token::End => Ok(value),
        _ => Err(reader.expected("end of input")),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Token {
    /// Of the text.
    End,
    /// A brace, bracket, comma or colon.
    Mark(u8),
    String,
    Number,
    True,
    False,
    Null,
}

struct Reader<'a> {
    text: &'a str,
    form: Form,
    /// Where the token before the one at hand ended.
    before: usize,
    /// The token at hand, and where it stands.
    token: Token,
    start: usize,
    end: usize,
    /// What the token says, if it is a string.
    string: String,
    depth: usize,
    growth: usize,
}

fn malformed(detail: impl Into<String>) -> Error {
    Error::new(code::INVALID_TEXT_REPRESENTATION, "invalid input syntax for type json").detail(detail)
}

fn lone_surrogate() -> Error {
    malformed("Unicode low surrogate must follow a high surrogate.")
}

/// True for what belongs to one word with its neighbours, if only to say that the word is wrong.
fn is_word(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii()
}

impl Reader<'_> {
    fn word(&self) -> &str {
        self.text.get(self.start..self.end).unwrap_or_default()
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    fn expected(&self, what: &str) -> Error {
        match self.token {
            Token::End => malformed("The input string ended unexpectedly."),
            _ => malformed(format!("Expected {what}, but found \"{}\".", self.word())),
        }
    }

    /// The token at hand, which reaches up to there, is none.
    fn invalid(&mut self, end: usize) -> Error {
        self.end = end.min(self.text.len());
        malformed(format!("Token \"{}\" is invalid.", self.word()))
    }

    /// Goes on to the next token.
    fn advance(&mut self) -> Result<()> {
        self.before = self.end;
        let bytes = self.text.as_bytes();
        let blanks = bytes[self.end..].iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.start = self.end + blanks;
        self.end = self.start + 1;
        self.token = match self.byte(self.start) {
            None => {
                self.end = self.start;
                Token::End
            }
            Some(mark @ (b'{' | b'}' | b'[' | b']' | b',' | b':')) => Token::Mark(mark),
            Some(b'"') => {
                self.read_string()?;
                Token::String
            }
            Some(b'-' | b'0'..=b'9') => {
                self.read_number()?;
                Token::Number
            }
            Some(_) => {
                self.end = self.start + bytes[self.start..].iter().take_while(|b| is_word(b)).count();
                match self.word() {
                    "true" => Token::True,
                    "false" => Token::False,
                    "null" => Token::Null,
                    _ => return Err(self.invalid(self.end.max(self.start + 1))),
                }
            }
        };
        Ok(())
    }

    /// Takes this mark and goes on.
    fn pass(&mut self, mark: u8, what: &str) -> Result<()> {
        if self.token != Token::Mark(mark) {
            return Err(self.expected(what));
        }
        self.advance()
    }

    fn value(&mut self) -> Result<Json> {
        let json = match self.token {
            Token::Mark(b'{' | b'[') if self.form == Form::Outermost && self.depth > 0 => return self.unopened(),
            Token::Mark(b'{') => return self.nested(Reader::object),
            Token::Mark(b'[') => return self.nested(Reader::array),
            Token::String => Json::String(std::mem::take(&mut self.string)),
            Token::Number => Json::Number(self.number()?),
            Token::True => Json::Bool(true),
            Token::False => Json::Bool(false),
            Token::Null => Json::Null,
            Token::Mark(_) | Token::End => return Err(self.expected("JSON value")),
        };
        self.advance()?;
        Ok(json)
    }

    /// An array or an object as it is written.
    fn unopened(&mut self) -> Result<Json> {
        let start = self.start;
        self.form = Form::Checked;
        self.value()?;
        self.form = Form::Outermost;
        Ok(Json::Written(self.text[start..self.before].to_string()))
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Json>) -> Result<Json> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let hint = format!("JSON may be nested {DEPTH_MAX} levels deep.");
            return Err(Error::new(code::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded").hint(hint));
        }
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn array(&mut self) -> Result<Json> {
        self.advance()?;
        let mut items = Vec::new();
        if self.token != Token::Mark(b']') {
            items.push(self.value()?);
            while self.token == Token::Mark(b',') {
                self.advance()?;
                items.push(self.value()?);
            }
        }
        self.pass(b']', "\",\" or \"]\"")?;
        Ok(Json::Array(items))
    }

    fn object(&mut self) -> Result<Json> {
        self.advance()?;
        let mut members = Vec::new();
        if self.token != Token::Mark(b'}') {
            members.push(self.member("string or \"}\"")?);
            while self.token == Token::Mark(b',') {
                self.advance()?;
                members.push(self.member("string")?);
            }
        }
        self.pass(b'}', "\",\" or \"}\"")?;
        Ok(if self.form == Form::Jsonb { object(members) } else { Json::Object(members) })
    }

    fn member(&mut self, wanted: &str) -> Result<(String, Json)> {
        if self.token != Token::String {
            return Err(self.expected(wanted));
        }
        let key = std::mem::take(&mut self.string);
        self.advance()?;
        self.pass(b':', "\":\"")?;
        Ok((key, self.value()?))
    }

    /// Finds the end of a number.
    fn read_number(&mut self) -> Result<()> {
        let bytes = self.text.as_bytes();
        let digits = |at: usize| bytes[at.min(bytes.len())..].iter().take_while(|b| b.is_ascii_digit()).count();
        let mut at = self.start + usize::from(self.byte(self.start) == Some(b'-'));
        let whole = if self.byte(at) == Some(b'0') { 1 } else { digits(at) };
        let mut is_right = whole > 0;
        at += whole;
        if self.byte(at) == Some(b'.') {
            let decimals = digits(at + 1);
            is_right &= decimals > 0;
            at += 1 + decimals;
        }
        if let Some(b'e' | b'E') = self.byte(at) {
            at += 1 + usize::from(matches!(self.byte(at + 1), Some(b'+' | b'-')));
            let exponent = digits(at);
            is_right &= exponent > 0;
            at += exponent;
        }
        let rest = bytes[at.min(bytes.len())..].iter().take_while(|b| is_word(b)).count();
        if !is_right || rest > 0 {
            return Err(self.invalid(at + rest));
        }
        self.end = at;
        Ok(())
    }

    /// The number at hand. Errors: 22003 for what is no numeric, 54000 for too many zeros.
    fn number(&mut self) -> Result<String> {
        let word = self.word();
        if self.form != Form::Jsonb {
            return Ok(word.to_string());
        }
        let overflow = || Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format");
        let number = plain_number(word).ok_or_else(overflow)?;
        self.growth += number.len().saturating_sub(word.len());
        if self.growth > GROWTH_MAX {
            let error = Error::new(code::PROGRAM_LIMIT_EXCEEDED, "the numbers of a JSON text have too many digits");
            return Err(error.hint("jsonb keeps numbers without exponents. Keep the text as json, or large numbers as strings."));
        }
        Ok(number)
    }

    /// Finds the end of a string, and what it says.
    fn read_string(&mut self) -> Result<()> {
        self.string.clear();
        // What is not yet taken begins there.
        let mut kept = self.start + 1;
        let mut at = kept;
        // The first half of a pair.
        let mut high = None;
        loop {
            match self.byte(at) {
                None => return Err(self.invalid(at)),
                Some(b'"') => break,
                Some(control) if control < b' ' => return Err(malformed(format!("Character with value 0x{control:02x} must be escaped."))),
                Some(b'\\') => {
                    self.string.push_str(&self.text[kept..at]);
                    at = self.escape(at, &mut high)?;
                    kept = at;
                }
                Some(_) if high.is_some() => return Err(lone_surrogate()),
                Some(_) => at += 1,
            }
        }
        if high.is_some() {
            return Err(lone_surrogate());
        }
        self.string.push_str(&self.text[kept..at]);
        self.end = at + 1;
        Ok(())
    }

    /// What the escape says that begins there, and where it ends. `high` is the first half of a pair, which the second must follow.
    fn escape(&mut self, at: usize, high: &mut Option<u32>) -> Result<usize> {
        let Some(letter) = self.text.get(at + 1..).and_then(|rest| rest.chars().next()) else {
            return Err(self.invalid(at + 1));
        };
        if letter == 'u' {
            let unit = self.hexadecimal(at + 2)?;
            if self.form != Form::Checked {
                self.put_unit(unit, high)?;
            }
            return Ok(at + 6);
        }
        if high.is_some() {
            return Err(lone_surrogate());
        }
        self.string.push(match letter {
            '"' | '\\' | '/' => letter,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            other => return Err(malformed(format!("Escape sequence \"\\{other}\" is invalid."))),
        });
        Ok(at + 2)
    }

    /// The four digits that stand there.
    fn hexadecimal(&mut self, at: usize) -> Result<u32> {
        let mut unit = 0;
        for at in at..at + 4 {
            let Some(byte) = self.byte(at) else { return Err(self.invalid(at)) };
            let digit = char::from(byte).to_digit(16);
            unit = unit * 16 + digit.ok_or_else(|| malformed("\"\\u\" must be followed by four hexadecimal digits."))?;
        }
        Ok(unit)
    }

    fn put_unit(&mut self, unit: u32, high: &mut Option<u32>) -> Result<()> {
        let character = match (high.take(), unit) {
            (None, 0xd800..=0xdbff) => {
                *high = Some(unit);
                return Ok(());
            }
            (Some(_), 0xd800..=0xdbff) => return Err(malformed("Unicode high surrogate must not follow a high surrogate.")),
            (Some(first), 0xdc00..=0xdfff) => 0x10000 + ((first - 0xd800) << 10) + (unit - 0xdc00),
            (Some(_), _) | (None, 0xdc00..=0xdfff) => return Err(lone_surrogate()),
            (None, 0) => {
                let error = Error::new(code::UNTRANSLATABLE_CHARACTER, "unsupported Unicode escape sequence");
                return Err(error.detail("\\u0000 cannot be converted to text."));
            }
            (None, unit) => unit,
        };
        self.string.extend(char::from_u32(character));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from PostgreSQL 15.
    #[test]
    fn malformed_text_is_explained_as_postgresql_explains_it() {
        let recorded = [
            ("", "The input string ended unexpectedly."),
            ("{", "The input string ended unexpectedly."),
            ("[1,]", "Expected JSON value, but found \"]\"."),
            ("[1 2]", "Expected \",\" or \"]\", but found \"2\"."),
            ("{\"a\"}", "Expected \":\", but found \"}\"."),
            ("{\"a\" 1}", "Expected \":\", but found \"1\"."),
            ("{a:1}", "Token \"a\" is invalid."),
            ("{1:1}", "Expected string or \"}\", but found \"1\"."),
            ("{\"a\":1,}", "Expected string, but found \"}\"."),
            ("1 1", "Expected end of input, but found \"1\"."),
            ("01", "Token \"01\" is invalid."),
            ("1.", "Token \"1.\" is invalid."),
            (".5", "Token \".\" is invalid."),
            ("-", "Token \"-\" is invalid."),
            ("1e", "Token \"1e\" is invalid."),
            ("1x", "Token \"1x\" is invalid."),
            ("trué", "Token \"trué\" is invalid."),
            ("\"a", "Token \"\"a\" is invalid."),
            ("\"\u{1}\"", "Character with value 0x01 must be escaped."),
            (r#""\x""#, "Escape sequence \"\\x\" is invalid."),
            (r#""\u12""#, "\"\\u\" must be followed by four hexadecimal digits."),
            (r#""\ud83d""#, "Unicode low surrogate must follow a high surrogate."),
            (r#""\ud83dx""#, "Unicode low surrogate must follow a high surrogate."),
            (r#""\ude00""#, "Unicode low surrogate must follow a high surrogate."),
            (r#""\ud83d\ud83d""#, "Unicode high surrogate must not follow a high surrogate."),
            (r#""\u0000""#, "\\u0000 cannot be converted to text."),
        ];
        for (text, detail) in recorded {
            assert_eq!(parse(text).unwrap_err().fields().detail.as_deref(), Some(detail), "{text}");
        }
        // Escapes are looked at when json is taken apart.
        assert!(check(r#"["\u0000", "\ud83d"]"#).is_ok());
        assert_eq!(check("[1 2]").unwrap_err().code(), code::INVALID_TEXT_REPRESENTATION);
    }

    #[test]
    fn depth_and_digits_are_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(DEPTH_MAX)).is_ok() && check(&nested(DEPTH_MAX)).is_ok());
        assert_eq!(parse(&nested(DEPTH_MAX + 1)).unwrap_err().code(), code::STATEMENT_TOO_COMPLEX);
        assert_eq!(parse("1e1000").unwrap().to_text().len(), 1001);
        assert_eq!(parse("1e131072").unwrap_err().code(), code::NUMERIC_VALUE_OUT_OF_RANGE);
        assert_eq!(parse(&format!("[{}1]", "1e131000,".repeat(10))).unwrap_err().code(), code::PROGRAM_LIMIT_EXCEEDED);
    }

    #[test]
    fn members_are_kept_as_they_are_written() {
        let written = parse_written(r#"{"b":1e2,"a":2,"b":3}"#).unwrap();
        assert_eq!(written.to_text(), r#"{"b": 1e2, "a": 2, "b": 3}"#);
        let Json::Array(parts) = take_apart(r#" [ {"b" :1e2,"a":["\u0000"]} , "\u00e9", 1e2 ,[ ]] "#).unwrap() else { panic!("an array") };
        let texts: Vec<String> = parts.iter().map(Json::to_text).collect();
        assert_eq!(texts, [r#"{"b" :1e2,"a":["\u0000"]}"#, "\"é\"", "1e2", "[ ]"]);
    }
}
