//! `\copy`: COPY between a file on the client's side and the server.
//!
//! Manual: psql, "Meta-Commands", `\copy`.

use crate::error::{Error, Result};

/// The other end of a `\copy`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// A file's path.
    File(String),
    /// What a program writes, or the program that reads it.
    Program(String),
    /// The script itself for `from stdin`, where results go for `to stdout`.
    Here,
    /// Standard input or output, whatever the script does with results: `pstdin`, `pstdout`.
    Standard,
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
    let (direction, mut last) = (words[at], *words.get(at + 1).ok_or_else(syntax)?);
    let from = direction.eq_ignore_ascii_case("from");
    let unquoted = |word: &str| match word.strip_prefix('\'') {
        Some(quoted) => quoted.strip_suffix('\'').map(|text| text.replace("''", "'")).ok_or_else(syntax),
        None => Ok(word.to_string()),
    };
    let end = match last.to_ascii_lowercase().as_str() {
        "stdin" | "stdout" => End::Here,
        "pstdin" | "pstdout" => End::Standard,
        "program" => {
            last = words.get(at + 2).filter(|word| word.starts_with('\'')).ok_or_else(syntax)?;
            End::Program(unquoted(last)?)
        }
        _ => End::File(unquoted(last)?),
    };
    let offset = |word: &str| word.as_ptr() as usize - text.as_ptr() as usize;
    let what = text[..offset(direction)].trim_end();
    let options = text[offset(last) + last.len()..].trim();
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
        let copy = parse("t from program 'seq ''3''' csv").unwrap();
        assert_eq!((copy.sql.as_str(), copy.end), ("COPY t FROM STDIN csv", End::Program("seq '3'".into())));
    }
}
