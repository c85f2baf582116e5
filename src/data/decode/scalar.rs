//! The input syntaxes of scalar types, as PostgreSQL's *in functions read them.

use std::str::FromStr;

use crate::data::PgType;
use crate::error::{Error, Result, code};
use crate::limits::IDENTIFIER_BYTES_MAX;

/// 22P02 in PostgreSQL's words.
pub(super) fn malformed(ty: &str, text: &str) -> Error {
    Error::new(code::INVALID_TEXT_REPRESENTATION, format!("invalid input syntax for type {ty}: \"{text}\""))
}

/// 22021 for bytes that are not UTF-8, or a zero byte.
pub(crate) fn invalid_utf8(bytes: &[u8]) -> Error {
    let bad = match std::str::from_utf8(bytes) {
        _ if bytes.first() == Some(&0) => &bytes[..1],
        Ok(_) => &bytes[memchr::memchr(0, bytes).unwrap_or(0)..][..1.min(bytes.len())],
        Err(e) => {
            let rest = &bytes[e.valid_up_to()..];
            &rest[..e.error_len().unwrap_or(rest.len()).min(rest.len())]
        }
    };
    let shown: Vec<String> = bad.iter().map(|b| format!("0x{b:02x}")).collect();
    let message = format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" "));
    Error::new(code::CHARACTER_NOT_IN_REPERTOIRE, message)
}

fn is_blank(b: &u8) -> bool {
    matches!(b, b' ' | b'\t'..=b'\r')
}

/// Blanks around the input of numbers, booleans and the like are skipped.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| u8::try_from(c).is_ok_and(|b| is_blank(&b)))
}

/// An integer within `min..=max`. Errors: 22P02, 22003.
pub(super) fn integer(ty: &PgType, text: &str, min: i64, max: i64) -> Result<i64> {
    let short = match text.as_bytes() {
        [b'-', digits @ ..] => short_digits(digits).map(|n| -n),
        digits => short_digits(digits),
    };
    let value = match short {
        Some(value) => value,
        None => long_integer(ty, text)?,
    };
    if value < min || value > max {
        return Err(out_of_range(ty, text));
    }
    Ok(value)
}

/// One to eighteen digits, which cannot overflow.
fn short_digits(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut value = 0i64;
    let mut bad = false;
    for b in digits {
        let digit = b.wrapping_sub(b'0');
        bad |= digit > 9;
        value = value.wrapping_mul(10).wrapping_add(i64::from(digit));
    }
    (!bad).then_some(value)
}

fn long_integer(ty: &PgType, text: &str) -> Result<i64> {
    let trimmed = trim(text);
    let digits = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(malformed(&ty.to_string(), text));
    }
    trimmed.parse().map_err(|_| out_of_range(ty, text))
}

fn out_of_range(ty: &PgType, text: &str) -> Error {
    Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, format!("value \"{text}\" is out of range for type {ty}"))
}

/// An object id: unsigned, or a negative number that wraps, as PostgreSQL's oidin takes it; regtype also takes a type's name.
pub(super) fn oid(ty: &PgType, text: &str) -> Result<u32> {
    let numeric = trim(text).trim_start_matches(['+', '-']).bytes().all(|b| b.is_ascii_digit());
    match ty {
        PgType::Regtype if !numeric => return Ok(PgType::parse(text)?.oid()),
        PgType::Regclass | PgType::Regproc if !numeric => {
            let error = Error::unsupported(format!("{ty} input \"{text}\" is supported as a number only"));
            return Err(error.hint("Look the object id up in pg_class or pg_proc."));
        }
        _ => {}
    }
    let value = integer(ty, text, i64::from(i32::MIN), i64::from(u32::MAX))?;
    Ok(value as u32)
}

/// A boolean: any unambiguous prefix of true, false, yes, no, on, off; 1 and 0. Errors: 22P02.
pub(super) fn boolean(text: &str) -> Result<bool> {
    let word = trim(text);
    let begins =
        |full: &str, least: usize| word.len() >= least && word.len() <= full.len() && full[..word.len()].eq_ignore_ascii_case(word);
    if !word.is_ascii() || word.is_empty() {
        return Err(malformed("boolean", text));
    }
    if word == "1" || begins("true", 1) || begins("yes", 1) || begins("on", 2) {
        return Ok(true);
    }
    if word == "0" || begins("false", 1) || begins("no", 1) || begins("off", 2) {
        return Ok(false);
    }
    Err(malformed("boolean", text))
}

/// What float4 and float8 need to be read alike.
pub(super) trait Float: FromStr + Copy {
    const ZERO_OR_INFINITE: fn(Self) -> bool;
    /// The value; of the many NaN, which sign and payload tell apart, the one that equals all others where bits are compared.
    fn one_nan(self) -> Self;
}

impl Float for f32 {
    const ZERO_OR_INFINITE: fn(f32) -> bool = |v| v == 0.0 || v.is_infinite();

    fn one_nan(self) -> f32 {
        if self.is_nan() { f32::NAN } else { self }
    }
}

impl Float for f64 {
    const ZERO_OR_INFINITE: fn(f64) -> bool = |v| v == 0.0 || v.is_infinite();

    fn one_nan(self) -> f64 {
        if self.is_nan() { f64::NAN } else { self }
    }
}

/// A float, with NaN and infinities. Errors: 22P02; 22003 if it overflows or vanishes.
pub(super) fn float<F: Float>(ty: &PgType, text: &str) -> Result<F> {
    let trimmed = trim(text);
    let body = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    let named = ["nan", "inf", "infinity"].iter().any(|w| body.eq_ignore_ascii_case(w));
    let numeric = body.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    let value = Some(trimmed).filter(|_| named || numeric).and_then(|t| t.parse::<F>().ok()).map(F::one_nan);
    let value = value.ok_or_else(|| malformed(&ty.to_string(), text))?;
    let digits = body.split(['e', 'E']).next().unwrap_or_default();
    if !named && F::ZERO_OR_INFINITE(value) && digits.bytes().any(|b| (b'1'..=b'9').contains(&b)) {
        return Err(Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, format!("\"{trimmed}\" is out of range for type {ty}")));
    }
    Ok(value)
}

/// Text under the rules of its type: lengths, truncation, char(n) without the blanks that fill it. Errors: 22001, 22021, 22P02.
pub(super) fn text<'a>(ty: &PgType, text: &'a str) -> Result<&'a str> {
    if memchr::memchr(0, text.as_bytes()).is_some() {
        return Err(invalid_utf8(text.as_bytes()));
    }
    match ty {
        PgType::Varchar(Some(n)) => limited(ty, text, *n as usize),
        PgType::Bpchar(n) if *n > 0 => Ok(limited(ty, text, *n as usize)?.trim_end_matches(' ')),
        PgType::Bpchar(_) => Ok(text.trim_end_matches(' ')),
        PgType::Name => {
            let end = (0..=IDENTIFIER_BYTES_MAX.min(text.len())).rev().find(|i| text.is_char_boundary(*i));
            Ok(&text[..end.unwrap_or(0)])
        }
        PgType::Char => Ok(text.chars().next().map_or("", |c| &text[..c.len_utf8()])),
        PgType::Int2Vector | PgType::OidVector => {
            let item = if *ty == PgType::Int2Vector { PgType::Int2 } else { PgType::Oid };
            let (min, max) = if item == PgType::Int2 { (i64::from(i16::MIN), i64::from(i16::MAX)) } else { (0, i64::from(u32::MAX)) };
            text.split_ascii_whitespace().try_for_each(|t| integer(&item, t, min, max).map(|_| ()))?;
            Ok(trim(text))
        }
        _ => Ok(text),
    }
}

/// At most `n` characters; blanks beyond them are dropped, as the SQL standard wants.
fn limited<'a>(ty: &PgType, text: &'a str, n: usize) -> Result<&'a str> {
    if text.len() <= n {
        return Ok(text);
    }
    match text.char_indices().nth(n) {
        None => Ok(text),
        Some((end, _)) if text[end..].bytes().all(|b| b == b' ') => Ok(&text[..end]),
        Some(_) => Err(Error::new(code::STRING_DATA_RIGHT_TRUNCATION, format!("value too long for type {ty}"))),
    }
}

fn hex_digit(b: u8) -> Option<u8> {
    char::from(b).to_digit(16).map(|d| d as u8)
}

/// A uuid: 32 hexadecimal digits, with hyphens after any group of four, in braces or not. Errors: 22P02.
pub(super) fn uuid(text: &str) -> Result<[u8; 16]> {
    let wrong = || malformed("uuid", text);
    let body = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}').ok_or_else(wrong)?,
        None => text,
    };
    let mut out = [0u8; 16];
    let mut rest = body.as_bytes();
    for (i, slot) in out.iter_mut().enumerate() {
        let [high, low, tail @ ..] = rest else { return Err(wrong()) };
        *slot = hex_digit(*high).zip(hex_digit(*low)).map(|(h, l)| h << 4 | l).ok_or_else(wrong)?;
        rest = match tail {
            [b'-', more @ ..] if i % 2 == 1 && i < 15 => more,
            more => more,
        };
    }
    if rest.is_empty() { Ok(out) } else { Err(wrong()) }
}

/// Bytes in the hex or the escape format (manual, 8.4). Errors: 22023, 22P02.
pub(crate) fn bytea(text: &str) -> Result<Vec<u8>> {
    match text.strip_prefix("\\x") {
        Some(hex) => bytea_hex(hex),
        None => bytea_escaped(text.as_bytes()),
    }
}

/// Bytes of two hexadecimal digits each; blanks mean nothing. Errors: 22023.
pub(crate) fn bytea_hex(text: &str) -> Result<Vec<u8>> {
    let wrong = |message: String| Error::new(code::INVALID_PARAMETER_VALUE, message);
    let mut out = Vec::with_capacity(text.len() / 2);
    let mut letters = text.chars().filter(|c| !matches!(c, ' ' | '\n' | '\t' | '\r'));
    let digit = |c: char| c.to_digit(16).map(|d| d as u8).ok_or_else(|| wrong(format!("invalid hexadecimal digit: \"{c}\"")));
    while let Some(high) = letters.next() {
        let high = digit(high)?;
        let low = letters.next().ok_or_else(|| wrong("invalid hexadecimal data: odd number of digits".into()))?;
        out.push(high << 4 | digit(low)?);
    }
    Ok(out)
}

/// Bytes as themselves, and behind a backslash as three octal digits or a second backslash. Errors: 22P02.
pub(crate) fn bytea_escaped(mut rest: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(rest.len());
    let octal = |b: &u8| (b'0'..=b'7').contains(b);
    loop {
        match rest {
            [] => return Ok(out),
            [b'\\', b'\\', more @ ..] => {
                out.push(b'\\');
                rest = more;
            }
            [b'\\', a @ b'0'..=b'3', b, c, more @ ..] if octal(b) && octal(c) => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = more;
            }
            [b'\\', ..] => return Err(Error::new(code::INVALID_TEXT_REPRESENTATION, "invalid input syntax for type bytea")),
            [b, more @ ..] => {
                out.push(*b);
                rest = more;
            }
        }
    }
}
