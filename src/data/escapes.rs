//! Unicode escapes: those of literals `U&'..'` and of `unistr()` (manual, chapters 4.1.2.3 and 9.4).

use crate::error::{Error, Result};

/// A text with its escapes `\XXXX` and `\+XXXXXX` as the characters that they name, and `\\` as a backslash, where `escape` stands for the
/// backslash; if they may be `long`, those `\uXXXX` and `\UXXXXXXXX` too. Errors: 42601.
pub fn unescaped(value: &str, escape: char, long: bool) -> Result<String> {
    let wrong = || {
        let more = if long { format!(", {escape}uXXXX, or {escape}UXXXXXXXX") } else { String::new() };
        let or = if long { "," } else { " or" };
        Error::syntax("invalid Unicode escape").hint(format!("Unicode escapes must be {escape}XXXX{or} {escape}+XXXXXX{more}."))
    };
    let pair = || Error::syntax("invalid Unicode surrogate pair");
    let (mut out, mut rest) = (String::with_capacity(value.len()), value);
    // The first half of a character that takes two escapes.
    let mut high: Option<u32> = None;
    while let Some(first) = rest.chars().next() {
        let behind = &rest[first.len_utf8()..];
        let doubled = if first == escape { behind.strip_prefix(escape) } else { None };
        if first != escape || doubled.is_some() {
            if high.is_some() {
                return Err(pair());
            }
            out.push(first);
            rest = doubled.unwrap_or(behind);
            continue;
        }
        let (from, length) = match behind.as_bytes().first() {
            Some(b'+') => (1, 6),
            Some(b'u') if long => (1, 4),
            Some(b'U') if long => (1, 8),
            _ => (0, 4),
        };
        let digits = behind.get(from..from + length).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit())).ok_or_else(wrong)?;
        let number = u32::from_str_radix(digits, 16).map_err(|_| wrong())?;
        rest = &behind[from + length..];
        let number = match (high.take(), number) {
            (None, 0xd800..0xdc00) => {
                high = Some(number);
                continue;
            }
            (Some(high), 0xdc00..0xe000) => 0x10000 + ((high - 0xd800) << 10) + (number - 0xdc00),
            (None, number) => number,
            (Some(_), _) => return Err(pair()),
        };
        out.push(char::from_u32(number).filter(|c| *c != '\0').ok_or_else(pair)?);
    }
    if high.is_some() { Err(pair()) } else { Ok(out) }
}

#[cfg(test)]
mod tests {
    use super::unescaped;

    #[test]
    fn escapes_are_read() {
        let read = |value: &str, long| unescaped(value, '!', long).map_err(|e| e.message().to_string());
        assert_eq!(read("d!0061!+000074é!!", false), Ok("daté!".into()));
        assert_eq!(read("!d83d!DE00", false), Ok("😀".into()));
        assert_eq!(read("!u00e9!U0001F600", true), Ok("é😀".into()));
        for wrong in ["!00g1", "!00", "!é", "!", "!u00e9"] {
            assert_eq!(read(wrong, false), Err("invalid Unicode escape".into()), "{wrong}");
        }
        for wrong in ["!d83d", "!d83da", "!d83d!!", "!de00", "!d83d!0061", "!0000"] {
            assert_eq!(read(wrong, false), Err("invalid Unicode surrogate pair".into()), "{wrong}");
        }
    }
}
