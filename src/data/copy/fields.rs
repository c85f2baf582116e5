//! Splitting a line into fields, as PostgreSQL's CopyReadAttributesText and CopyReadAttributesCSV do.

use memchr::{memchr, memchr2};

use super::{CopyFormat, CopyOptions, bad_format};
use crate::data::decode::invalid_utf8;
use crate::error::Result;

/// A field: its text without quotes and escapes, and whether it may stand for NULL.
pub(super) struct Field<'a> {
    pub text: &'a str,
    /// Its bytes are the null string (and, for CSV, ...).
    pub null: bool,
    /// ... it was quoted.
    pub quoted: bool,
}

/// Walks the fields of one line.
pub(super) struct Fields<'a> {
    options: &'a CopyOptions,
    line: &'a str,
    /// Where the next field begins; beyond the line's end if there is none.
    at: usize,
    special: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn new(options: &'a CopyOptions, line: &'a str, special: bool) -> Fields<'a> {
        Fields { options, line, at: 0, special }
    }

    /// True if the line has been used up.
    pub(super) fn done(&self) -> bool {
        self.at > self.line.len()
    }

    /// The next field, its text in the line or, if it had to be changed, in `scratch`. `None` at the line's end.
    /// Errors: 22P04 for an unterminated quote, 22021 for an escape that gives no UTF-8.
    #[inline]
    pub(super) fn next<'b>(&mut self, scratch: &'b mut Vec<u8>) -> Result<Option<Field<'b>>>
    where
        'a: 'b,
    {
        if self.done() {
            return Ok(None);
        }
        if self.special {
            return if self.options.format == CopyFormat::Csv { self.quoted(scratch) } else { self.escaped(scratch) };
        }
        let rest = &self.line.as_bytes()[self.at..];
        let length = find(self.options.delimiter, rest);
        let text = &self.line[self.at..self.at + length];
        self.at += length + 1;
        Ok(Some(Field { text, null: self.is_null(text.as_bytes()), quoted: false }))
    }

    #[inline]
    fn is_null(&self, bytes: &[u8]) -> bool {
        bytes.len() == self.options.null.len() && bytes == self.options.null.as_bytes()
    }

    /// A CSV field of a line that has quotes; they may begin anywhere in it.
    fn quoted<'b>(&mut self, scratch: &'b mut Vec<u8>) -> Result<Option<Field<'b>>>
    where
        'a: 'b,
    {
        let (quote, escape) = (self.options.quote, self.options.escape);
        let bytes = self.line.as_bytes();
        let mut at = self.at;
        let mut plain = at;
        let mut any = false;
        scratch.clear();
        loop {
            let found = memchr2(self.options.delimiter, quote, &bytes[at..]).map_or(bytes.len(), |n| at + n);
            if bytes.get(found) != Some(&quote) {
                let text = &self.line[plain..found];
                self.at = found + 1;
                if !any {
                    return Ok(Some(Field { text, null: self.is_null(text.as_bytes()), quoted: false }));
                }
                scratch.extend_from_slice(text.as_bytes());
                let null = self.is_null(scratch);
                return Ok(Some(Field { text: checked(scratch)?, null, quoted: true }));
            }
            any = true;
            scratch.extend_from_slice(&bytes[plain..found]);
            at = within_quotes(bytes, found + 1, quote, escape, scratch)?;
            plain = at;
        }
    }

    /// A field of the text format in a line that has backslashes.
    fn escaped<'b>(&mut self, scratch: &'b mut Vec<u8>) -> Result<Option<Field<'b>>>
    where
        'a: 'b,
    {
        let bytes = self.line.as_bytes();
        let start = self.at;
        let mut at = start;
        scratch.clear();
        loop {
            let found = memchr2(self.options.delimiter, b'\\', &bytes[at..]).map_or(bytes.len(), |n| at + n);
            scratch.extend_from_slice(&bytes[at..found]);
            if bytes.get(found) == Some(&b'\\') {
                at = unescape(bytes, found + 1, scratch);
                continue;
            }
            self.at = found + 1;
            // The null string is compared with what stands in the data, before escapes are resolved.
            let null = self.is_null(&bytes[start..found]);
            return Ok(Some(Field { text: if null { "" } else { checked(scratch)? }, null, quoted: false }));
        }
    }
}

/// Checks what escapes gave: UTF-8 without a zero byte.
fn checked(bytes: &[u8]) -> Result<&str> {
    let text = std::str::from_utf8(bytes).map_err(|_| invalid_utf8(bytes))?;
    if memchr(0, bytes).is_some() { Err(invalid_utf8(bytes)) } else { Ok(text) }
}

/// Index of the first `byte`, or the length. Most fields are shorter than a call of memchr is worth, so the first bytes are looked at here,
/// eight at a time (the zero-byte test of Mycroft, exact up to the first hit).
#[inline]
fn find(byte: u8, bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    let pattern = ONES * u64::from(byte);
    let (words, _) = bytes.as_chunks::<8>();
    for (i, word) in words.iter().take(4).enumerate() {
        let difference = u64::from_le_bytes(*word) ^ pattern;
        let hits = difference.wrapping_sub(ONES) & !difference & HIGHS;
        if hits != 0 {
            return 8 * i + hits.trailing_zeros() as usize / 8;
        }
    }
    let seen = 8 * words.len().min(4);
    memchr(byte, &bytes[seen..]).map_or(bytes.len(), |n| seen + n)
}

/// Copies what stands between quotes, from `at` on; answers the place behind the closing one.
fn within_quotes(bytes: &[u8], mut at: usize, quote: u8, escape: u8, out: &mut Vec<u8>) -> Result<usize> {
    loop {
        let found = memchr2(quote, escape, &bytes[at..]).ok_or_else(|| bad_format("unterminated CSV quoted field"))? + at;
        out.extend_from_slice(&bytes[at..found]);
        if bytes[found] == escape
            && let Some(next) = bytes.get(found + 1).filter(|n| **n == quote || **n == escape)
        {
            out.push(*next);
            at = found + 2;
        } else if bytes[found] == quote {
            return Ok(found + 1);
        } else {
            out.push(escape);
            at = found + 1;
        }
    }
}

/// Resolves the escape whose backslash stands before `at`; answers the place behind it.
fn unescape(bytes: &[u8], at: usize, out: &mut Vec<u8>) -> usize {
    let Some(c) = bytes.get(at).copied() else {
        out.push(b'\\');
        return at;
    };
    let digits = |from: usize, most: usize, radix: u32| {
        let run = bytes[from..].iter().take(most).take_while(|b| char::from(**b).is_digit(radix)).count();
        let value = bytes[from..from + run].iter().fold(0u32, |v, b| v * radix + char::from(*b).to_digit(radix).unwrap_or(0));
        (value as u8, run)
    };
    match c {
        b'0'..=b'7' => {
            let (value, run) = digits(at, 3, 8);
            out.push(value);
            at + run
        }
        b'x' if digits(at + 1, 2, 16).1 > 0 => {
            let (value, run) = digits(at + 1, 2, 16);
            out.push(value);
            at + 1 + run
        }
        _ => {
            out.push(match c {
                b'b' => 8,
                b'f' => 12,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 11,
                other => other,
            });
            at + 1
        }
    }
}
