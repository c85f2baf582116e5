//! The words of a path, cut as PostgreSQL's scanner cuts them: of several readings the longest holds, and what an error names is the text
//! that was read last, which behind a name is what ends it.

use crate::data::numeric::plain_number;
use crate::error::{Error, Result, code};

/// A word of a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// In quotes.
    String(String),
    /// Behind `$`.
    Variable(String),
    /// As numeric prints it, and whether it is written as a whole number.
    Number {
        text: String,
        is_whole: bool,
    },
    /// A name or a keyword.
    Word(String),
    Sign(&'static str),
    End,
}

/// A word, and the text that an error about it names.
#[derive(Debug, Clone)]
pub(super) struct Lexed {
    pub token: Token,
    pub near: String,
}

const SIGNS: &[&str] = &[
    "&&", "||", "**", "<=", "==", "<>", "!=", ">=", "?", "%", "$", ".", "[", "]", "{", "}", "(", ")", "|", "&", "!", "=", "<", ">", "@",
    "#", ",", "*", ":", "-", "+", "/",
];

pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

/// 42601, in the words of PostgreSQL's scanner and parser.
pub(super) fn complaint(message: &str, near: &str) -> Error {
    Error::syntax(match near {
        "" => format!("{message} at end of jsonpath input"),
        near => format!("{message} at or near \"{near}\" of jsonpath input"),
    })
}

fn malformed(detail: &str) -> Error {
    Error::new(code::INVALID_TEXT_REPRESENTATION, "invalid input syntax for type jsonpath").detail(detail)
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}')
}

/// True for what is part of a name.
fn is_other(c: char) -> bool {
    !is_blank(c) && !matches!(c, '\\' | '"') && !SIGNS.iter().any(|sign| sign.starts_with(c))
}

/// How many bytes at the beginning are such characters.
fn run(text: &str, is_part: fn(char) -> bool) -> usize {
    text.find(|c| !is_part(c)).unwrap_or(text.len())
}

fn digits(text: &str) -> usize {
    run(text, |c| c.is_ascii_digit())
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Lexer<'a> {
        Lexer { text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Goes on by so many bytes, and answers them.
    fn take(&mut self, bytes: usize) -> &'a str {
        let taken = &self.rest()[..bytes];
        self.at += bytes;
        taken
    }

    /// The next word. Errors: 42601, 22P02 and 22P05 for escapes, 22003 for a number that is no numeric.
    pub(super) fn read(&mut self) -> Result<Lexed> {
        loop {
            self.take(run(self.rest(), is_blank));
            let rest = self.rest();
            let Some(first) = rest.chars().next() else { return Ok(Lexed { token: Token::End, near: String::new() }) };
            if rest.starts_with("/*") {
                self.comment()?;
                continue;
            }
            if first == '"' {
                self.take(1);
                return Ok(Lexed { token: Token::String(self.quoted()?), near: "\"".to_string() });
            }
            if rest.starts_with("$\"") {
                self.take(2);
                return Ok(Lexed { token: Token::Variable(self.quoted()?), near: "\"".to_string() });
            }
            if let Some(name) = rest.strip_prefix('$').map(|behind| run(behind, is_other)).filter(|bytes| *bytes > 0) {
                let near = self.take(1 + name);
                return Ok(Lexed { token: Token::Variable(near[1..].to_string()), near: near.to_string() });
            }
            if let Some(number) = self.number()? {
                return Ok(number);
            }
            if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                self.take(sign.len());
                return Ok(Lexed { token: Token::Sign(sign), near: sign.to_string() });
            }
            if let Some(word) = self.word()? {
                return Ok(word);
            }
        }
    }

    fn comment(&mut self) -> Result<()> {
        let Some(end) = self.rest()[2..].find("*/") else { return Err(complaint("unexpected end of comment", "")) };
        self.take(end + 4);
        Ok(())
    }

    /// A number that begins here, unless a name does that is longer: `1ab` is one, `1a` is neither.
    fn number(&mut self) -> Result<Option<Lexed>> {
        let rest = self.rest();
        let whole = if rest.starts_with('0') { 1 } else { digits(rest) };
        let decimal = match rest[whole..].strip_prefix('.').map(digits) {
            Some(0) if whole == 0 => 0,
            Some(decimals) => whole + 1 + decimals,
            None => 0,
        };
        // An exponent may follow either, and be without its digits.
        let (mut real, mut cut) = (0, 0);
        for mantissa in [whole, decimal].into_iter().filter(|bytes| *bytes > 0) {
            let Some(behind) = rest[mantissa..].strip_prefix(['e', 'E']) else { continue };
            let sign = usize::from(behind.starts_with(['+', '-']));
            match digits(&behind[sign..]) {
                0 if sign > 0 => cut = mantissa + 2,
                0 => {}
                count => real = mantissa + 1 + sign + count,
            }
        }
        let number = whole.max(decimal).max(real);
        let junk = |bytes: usize| rest[bytes..].chars().next().filter(|c| bytes > 0 && is_other(*c)).map_or(0, |c| bytes + c.len_utf8());
        let junk = junk(whole).max(junk(decimal)).max(junk(real));
        let longest = number.max(junk).max(cut);
        if longest == 0 || run(rest, is_other) > longest {
            return Ok(None);
        }
        let near = self.take(longest);
        match longest {
            l if l == number => {
                let spelled = near.strip_prefix('.').map_or_else(|| near.to_string(), |decimals| format!("0.{decimals}"));
                let spelled = spelled.strip_suffix('.').unwrap_or(&spelled);
                let overflow = || Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format");
                let text = plain_number(spelled).ok_or_else(overflow)?;
                Ok(Some(Lexed { token: Token::Number { text, is_whole: longest == whole }, near: near.to_string() }))
            }
            l if l == junk => Err(complaint("trailing junk after numeric literal", near)),
            _ => Err(complaint("invalid numeric literal", near)),
        }
    }

    /// What stands up to the quote, which is read too.
    fn quoted(&mut self) -> Result<String> {
        let mut out = String::new();
        loop {
            let plain = run(self.rest(), |c| !matches!(c, '"' | '\\'));
            out.push_str(self.take(plain));
            match self.rest().chars().next() {
                None => return Err(complaint("unexpected end of quoted string", "")),
                Some('"') => {
                    self.take(1);
                    return Ok(out);
                }
                Some(_) => self.escape(&mut out)?,
            }
        }
    }

    /// A name. `None` where a comment follows at once: PostgreSQL's scanner then forgets the name.
    fn word(&mut self) -> Result<Option<Lexed>> {
        let mut out = String::new();
        loop {
            out.push_str(self.take(run(self.rest(), is_other)));
            let rest = self.rest();
            if rest.starts_with('\\') {
                self.escape(&mut out)?;
                continue;
            }
            if rest.starts_with("/*") {
                self.comment()?;
                return Ok(None);
            }
            let near = self.take(run(rest, is_blank)).to_string();
            return Ok(Some(Lexed { token: Token::Word(out), near }));
        }
    }

    /// What is written with a backslash.
    fn escape(&mut self, out: &mut String) -> Result<()> {
        let rest = self.rest();
        let Some(letter) = rest[1..].chars().next() else { return Err(complaint("unexpected end after backslash", "\\")) };
        match letter {
            'u' => return self.unicode(out),
            'x' => {
                let count = rest[2..].chars().take(2).take_while(char::is_ascii_hexdigit).count();
                let near = self.take(2 + count);
                if count < 2 {
                    return Err(complaint("invalid hex character sequence", near));
                }
                return put(u32::from_str_radix(&near[2..], 16).unwrap_or_default(), out);
            }
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'v' => out.push('\u{b}'),
            other => out.push(other),
        }
        self.take(1 + letter.len_utf8());
        Ok(())
    }

    /// `\u0041` and `\u{41}`, as many as follow one another: two may be the halves of one character.
    fn unicode(&mut self, out: &mut String) -> Result<()> {
        let start = self.at;
        let mut high = None;
        while self.rest().starts_with("\\u") {
            let behind = &self.rest()[2..];
            let braced = behind.starts_with('{');
            let (most, skipped) = if braced { (6, 1) } else { (4, 0) };
            let count = behind[skipped..].chars().take(most).take_while(char::is_ascii_hexdigit).count();
            let hexadecimal = &behind[skipped..skipped + count];
            let closed = if braced { count > 0 && behind[1 + count..].starts_with('}') } else { count == 4 };
            self.take(2 + skipped + count + usize::from(braced && closed));
            if !closed {
                return Err(complaint("invalid unicode sequence", &self.text[start..self.at]));
            }
            let unit = u32::from_str_radix(hexadecimal, 16).unwrap_or_default();
            match (high.take(), unit) {
                (None, 0xd800..=0xdbff) => high = Some(unit),
                (Some(_), 0xd800..=0xdbff) => return Err(malformed("Unicode high surrogate must not follow a high surrogate.")),
                (Some(first), 0xdc00..=0xdfff) => put(0x10000 + ((first - 0xd800) << 10) + (unit - 0xdc00), out)?,
                (Some(_), _) | (None, 0xdc00..=0xdfff) => return Err(malformed("Unicode low surrogate must follow a high surrogate.")),
                (None, unit) => put(unit, out)?,
            }
        }
        if high.is_some() {
            return Err(malformed("Unicode low surrogate must follow a high surrogate."));
        }
        Ok(())
    }
}

/// Appends the character of a number. Errors: 22P05 for zero, 42601 for what is no character.
fn put(unit: u32, out: &mut String) -> Result<()> {
    if unit == 0 {
        let error = Error::new(code::UNTRANSLATABLE_CHARACTER, "unsupported Unicode escape sequence");
        return Err(error.detail("\\u0000 cannot be converted to text."));
    }
    out.push(char::from_u32(unit).ok_or_else(|| Error::syntax("invalid Unicode code point"))?);
    Ok(())
}
