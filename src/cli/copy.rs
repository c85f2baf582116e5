//! `\copy`: COPY between a file on the client's side and the server.
//!
//! Manual: psql, "Meta-Commands", `\copy`.

use crate::error::{Error, Result};

/// The other end of a `\copy`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// A file's path.
    File(String),
    /// The script itself for `from stdin`, the output for `to stdout`.
    Here,
}

/// A `\copy` taken apart: what the server is sent, and where the rows come from or go.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Copy {
    /// `COPY .. FROM STDIN ..` or `COPY .. TO STDOUT ..`.
    pub sql: String,
    pub from: bool,
    pub end: End,
}

/// Takes apart what follows `\copy`. Errors: 42601.
pub(super) fn parse(text: &str) -> Result<Copy> {
    let syntax =
        || Error::syntax("invalid \\copy").hint("Write \\copy name [(columns)] from|to 'file' [options], or \\copy (query) to 'file' ...");
    let text = text.trim().trim_end_matches(';');
    let words = words(text);
    let at = words.iter().skip(1).position(|w| matches!(w.to_ascii_lowercase().as_str(), "from" | "to")).ok_or_else(syntax)? + 1;
    let (direction, file) = (words[at], words.get(at + 1).ok_or_else(syntax)?);
    let from = direction.eq_ignore_ascii_case("from");
    let offset = |word: &str| word.as_ptr() as usize - text.as_ptr() as usize;
    let what = text[..offset(direction)].trim_end();
    let options = text[offset(file) + file.len()..].trim();
    let end = match file.strip_prefix('\'') {
        Some(quoted) => End::File(quoted.strip_suffix('\'').ok_or_else(syntax)?.replace("''", "'")),
        None if matches!(file.to_ascii_lowercase().as_str(), "stdin" | "stdout" | "pstdin" | "pstdout") => End::Here,
        None if file.eq_ignore_ascii_case("program") => {
            return Err(Error::unsupported("\\copy from or to a program is not supported").hint("Write the rows to a file first."));
        }
        None => End::File(file.to_string()),
    };
    let place = if from { "FROM STDIN" } else { "TO STDOUT" };
    Ok(Copy { sql: format!("COPY {what} {place} {options}").trim_end().to_string(), from, end })
}

/// The words of a line: what is quoted or in parentheses is one word.
fn words(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let (mut words, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let start = at;
        match bytes[at] {
            b if b.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b'(' => at = parenthesis_end(bytes, at),
            b'\'' => at = quote_end(bytes, at),
            _ => {
                while at < bytes.len() && !bytes[at].is_ascii_whitespace() && bytes[at] != b'(' {
                    at = if bytes[at] == b'"' { quote_end(bytes, at) } else { at + 1 };
                }
            }
        }
        words.push(&text[start..at]);
    }
    words
}

fn parenthesis_end(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0usize;
    while at < bytes.len() {
        match bytes[at] {
            b'(' => depth += 1,
            b')' if depth == 1 => return at + 1,
            b')' => depth -= 1,
            b'\'' | b'"' => {
                at = quote_end(bytes, at);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

fn quote_end(bytes: &[u8], at: usize) -> usize {
    let quote = bytes[at];
    let mut at = at + 1;
    while at < bytes.len() {
        match (bytes[at] == quote, bytes.get(at + 1) == Some(&quote)) {
            (true, true) => at += 2,
            (true, false) => return at + 1,
            (false, _) => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_becomes_what_the_server_understands() {
        let cases = [
            ("bid from 'b.csv' with (format csv, header)", "COPY bid FROM STDIN with (format csv, header)", true, "b.csv"),
            ("bid (a, b) FROM /tmp/b.csv csv header;", "COPY bid (a, b) FROM STDIN csv header", true, "/tmp/b.csv"),
            ("(select ' from ' from t) to 'it''s.txt'", "COPY (select ' from ' from t) TO STDOUT", false, "it's.txt"),
            ("\"from\" to 'x'", "COPY \"from\" TO STDOUT", false, "x"),
            ("s.t(a) from 'x'", "COPY s.t(a) FROM STDIN", true, "x"),
        ];
        for (text, sql, from, file) in cases {
            assert_eq!(parse(text).unwrap(), Copy { sql: sql.into(), from, end: End::File(file.into()) }, "{text}");
        }
        assert_eq!(parse("t to stdout").unwrap().end, End::Here);
        for text in ["", "t", "t from", "t from 'x", "from 'x'", "é'"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("t from program 'x'").unwrap_err().code(), "0A000");
    }
}
