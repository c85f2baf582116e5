//! Tokens of ksqlDB's dialect.
//!
//! The lexer itself never fails, so that a text of another dialect can be looked at too ([`super::begins`]); [`tokens`] turns what it
//! could not read into errors.

use super::ast::Place;
use crate::error::{Error, Result};

/// A token and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// What it is.
    pub kind: Lexeme,
    /// Its first character, counted from 1.
    pub at: Place,
    /// Its first byte in the text.
    pub start: usize,
    /// The byte behind it.
    pub end: usize,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub enum Lexeme {
    /// A keyword or an unquoted name, in upper case.
    Word(String),
    /// A name in double quotes or backticks, without them.
    Quoted(String),
    /// A string, without its quotes.
    Text(String),
    /// Digits only.
    Integer(String),
    /// A number with a point: digits stand before the point always, behind it unless the point is left out.
    Decimal(String),
    /// A number with an exponent.
    Double(String),
    /// An operator or a separator; `!=` is `<>`.
    Sign(&'static str),
    /// A character that begins no token.
    Unknown(char),
    /// Something that does not end: what it is.
    Open(&'static str),
}

/// Longer ones first: the first that fits is taken.
const SIGNS: &[&str] =
    &["->", ":=", "=>", "<>", "!=", "<=", ">=", "||", "=", "<", ">", "+", "-", "*", "/", "%", "(", ")", "[", "]", ",", ".", ";"];

/// The tokens of `text`. Cost O(length). Errors: 42601 for what is no token, such as a string that does not end.
pub fn tokens(text: &str) -> Result<Vec<Token>> {
    Lexer::new(text)
        .map(|token| match token.kind {
            Lexeme::Unknown(c) => Err(Error::syntax(format!("syntax error at or near \"{c}\"")).at(token.at)),
            Lexeme::Open(what) => Err(Error::syntax(format!("unterminated {what}")).at(token.at)),
            Lexeme::Quoted(ref name) if name.is_empty() => Err(Error::syntax("a quoted name cannot be empty").at(token.at)),
            _ => Ok(token),
        })
        .collect()
}

/// Gives one token after the other.
pub struct Lexer<'a> {
    text: &'a str,
    /// Where the next token is looked for: byte and character.
    byte: usize,
    at: Place,
    /// True right behind a name: a point there separates, it begins no number.
    named: bool,
}

impl<'a> Lexer<'a> {
    /// A lexer at the beginning of `text`.
    pub fn new(text: &'a str) -> Self {
        Lexer { text, byte: 0, at: 1, named: false }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.byte..).unwrap_or_default()
    }

    fn advance(&mut self, bytes: usize) {
        self.at += self.rest().get(..bytes).map_or(0, |s| s.chars().count());
        self.byte = (self.byte + bytes).min(self.text.len());
    }

    /// Skips blanks and comments; false at a comment that does not end.
    fn skip(&mut self) -> bool {
        loop {
            let rest = self.rest();
            let length = if rest.starts_with("--") {
                rest.find('\n').unwrap_or(rest.len())
            } else if let Some(comment) = rest.strip_prefix("/*") {
                match comment.find("*/") {
                    Some(length) => length + 4,
                    None => return false,
                }
            } else {
                rest.len() - rest.trim_start().len()
            };
            if length == 0 {
                return true;
            }
            self.named = false;
            self.advance(length);
        }
    }

    /// The token at the beginning of `rest`, and its length in bytes.
    fn token(&self, rest: &str, first: char) -> (Lexeme, usize) {
        match first {
            '\'' => quoted(rest, '\'', "string", Lexeme::Text),
            '"' | '`' => quoted(rest, first, "quoted name", Lexeme::Quoted),
            '.' if !self.named && rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit) => number(rest),
            '0'..='9' => {
                let (lexeme, length) = number(rest);
                let word = word_length(rest);
                if word > length { (Lexeme::Word(upper(rest, word)), word) } else { (lexeme, length) }
            }
            'a'..='z' | 'A'..='Z' | '_' | '@' => {
                let length = word_length(rest);
                (Lexeme::Word(upper(rest, length)), length)
            }
            _ => match SIGNS.iter().find(|s| rest.starts_with(**s)) {
                Some(&"!=") => (Lexeme::Sign("<>"), 2),
                Some(sign) => (Lexeme::Sign(sign), sign.len()),
                None => (Lexeme::Unknown(first), first.len_utf8()),
            },
        }
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let closed = self.skip();
        let rest = self.rest();
        let first = rest.chars().next()?;
        let (kind, length) = if closed { self.token(rest, first) } else { (Lexeme::Open("comment"), rest.len()) };
        let (at, start) = (self.at, self.byte);
        self.advance(length);
        self.named = matches!(kind, Lexeme::Word(_) | Lexeme::Quoted(_));
        Some(Token { kind, at, start, end: self.byte })
    }
}

/// A doubled quote inside stands for one.
fn quoted(rest: &str, quote: char, what: &'static str, make: fn(String) -> Lexeme) -> (Lexeme, usize) {
    let mut value = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((i, c)) = chars.next() {
        if c != quote {
            value.push(c);
        } else if chars.next_if(|(_, c)| *c == quote).is_some() {
            value.push(quote);
        } else {
            return (make(value), i + 1);
        }
    }
    (Lexeme::Open(what), rest.len())
}

fn digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| b.is_ascii_digit()).count()
}

/// The number at the beginning of `rest`, which begins with a digit or with a point and a digit.
fn number(rest: &str) -> (Lexeme, usize) {
    let bytes = rest.as_bytes();
    let tail = |from: usize| bytes.get(from..).unwrap_or_default();
    let whole = digits(bytes);
    let mut length = whole;
    let point = tail(whole).first() == Some(&b'.');
    if point {
        length += 1 + digits(tail(whole + 1));
    }
    let mut exponent = 0;
    if let [b'e' | b'E', behind @ ..] = tail(length) {
        let sign = usize::from(matches!(behind.first(), Some(b'+' | b'-')));
        let power = digits(behind.get(sign..).unwrap_or_default());
        exponent = if power > 0 { 1 + sign + power } else { 0 };
    }
    let text = rest.get(..length + exponent).unwrap_or_default();
    let text = if whole == 0 { format!("0{text}") } else { text.to_string() };
    let lexeme = match (exponent > 0, point) {
        (true, _) => Lexeme::Double(text),
        (false, true) => Lexeme::Decimal(text.trim_end_matches('.').to_string()),
        (false, false) => Lexeme::Integer(text),
    };
    (lexeme, length + exponent)
}

fn word_length(rest: &str) -> usize {
    rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'@' | b'$')).count()
}

fn upper(rest: &str, length: usize) -> String {
    rest.get(..length).unwrap_or_default().to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_token() {
        let show = |text: &str| -> Vec<String> {
            let show = |t: Token| match t.kind {
                Lexeme::Word(s) => s,
                Lexeme::Quoted(s) => format!("`{s}`"),
                Lexeme::Text(s) => format!("'{s}'"),
                Lexeme::Integer(s) => format!("i{s}"),
                Lexeme::Decimal(s) => format!("d{s}"),
                Lexeme::Double(s) => format!("f{s}"),
                Lexeme::Sign(s) => s.to_string(),
                other => format!("{other:?}"),
            };
            Lexer::new(text).map(show).collect()
        };
        let cases = [
            ("a 1b @c d$e x@y", "A 1B @C D$E X@Y"),
            ("`a``b` \"C\"\"d\" 'it''s'", "`a`b` `C\"d` 'it's'"),
            ("1 1.5 .5 5. 1E3 1.5e-3 .5E+1 1e 12_3", "i1 d1.5 d0.5 d5 f1E3 f1.5e-3 f0.5E+1 1E 12_3"),
            ("a.b t.1x x->y k:=v x=>1", "A . B T . 1X X -> Y K := V X => i1"),
            ("<>!=<=>=||<>>", "<> <> <= >= || <> >"),
            ("a--b\nc/* d */e -- f", "A C E"),
            ("# 'open", "Unknown('#') Open(\"string\")"),
            ("a /* open", "A Open(\"comment\")"),
        ];
        for (text, expected) in cases {
            assert_eq!(show(text).join(" "), expected, "{text}");
        }
    }

    #[test]
    fn places_are_characters() {
        let places: Vec<_> = tokens("'ä' /*ö*/ b\n`ü`,").unwrap().iter().map(|t| (t.at, t.start, t.end)).collect();
        assert_eq!(places, [(1, 0, 4), (11, 12, 13), (13, 14, 18), (16, 18, 19)]);
        let refused: Vec<_> = ["ä #", "x 'y", "\"\""].iter().map(|t| tokens(t).unwrap_err().fields().position).collect();
        assert_eq!(refused, [Some(1), Some(3), Some(1)]);
    }
}
