//! Cuts a message into statements.

use std::ops::Range;

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Location, Token, Tokenizer};

use crate::error::{Error, Result};

/// The byte ranges of the statements in `sql`, separators and empty statements left out. Cost O(length). Errors: 42601 for
/// text that is not even tokens (an unclosed quote).
pub fn split(sql: &str) -> Result<Vec<Range<usize>>> {
    if !sql.contains(';') {
        return Ok(if sql.trim().is_empty() { vec![] } else { std::iter::once(0..sql.len()).collect() });
    }
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize_with_location();
    let tokens = tokens.map_err(|e| Error::syntax(e.message.clone()).at(char_position(sql, e.location)))?;
    let mut ranges = Vec::new();
    let mut lines = LineIndex::new(sql);
    let (mut start, mut filled) = (0, false);
    let mut body = Body::default();
    for token in &tokens {
        body.read(&token.token);
        match token.token {
            Token::SemiColon if body.is_open() => {}
            Token::SemiColon => {
                let end = lines.byte(token.span.start);
                if filled {
                    ranges.push(start..end);
                }
                (start, filled) = (end + 1, false);
            }
            Token::Whitespace(_) | Token::EOF => {}
            _ => filled = true,
        }
    }
    if filled {
        ranges.push(start..sql.len());
    }
    Ok(ranges)
}

/// `BEGIN ATOMIC .. END` of a function, which is a part of its statement with all that it separates.
#[derive(Default)]
struct Body {
    /// The first words of the statement, in lower case, as many as tell what it makes.
    first: Vec<String>,
    /// True right behind BEGIN.
    begun: bool,
    /// How many END there are to come: of the body, and of CASE in it.
    open: usize,
}

impl Body {
    fn read(&mut self, token: &Token) {
        let word = match token {
            Token::Whitespace(_) => return,
            Token::SemiColon if self.open == 0 => return *self = Body::default(),
            Token::Word(word) if word.quote_style.is_none() => word.value.to_lowercase(),
            _ => String::new(),
        };
        match word.as_str() {
            "atomic" if self.begun && self.open == 0 && self.makes_function() => self.open = 1,
            "case" if self.open > 0 => self.open += 1,
            "end" => self.open = self.open.saturating_sub(1),
            _ => {}
        }
        self.begun = word == "begin";
        if self.first.len() < 4 {
            self.first.push(word);
        }
    }

    fn makes_function(&self) -> bool {
        let first: Vec<&str> = self.first.iter().map(String::as_str).collect();
        matches!(first.as_slice(), ["create", "function" | "procedure", ..] | ["create", "or", "replace", "function" | "procedure"])
    }

    fn is_open(&self) -> bool {
        self.open > 0
    }
}

/// 1-based character position of a 1-based (line, column) of the tokenizer, whose columns count characters.
pub fn char_position(sql: &str, location: Location) -> usize {
    let before: usize = sql.split_inclusive('\n').take(location.line.saturating_sub(1) as usize).map(|l| l.chars().count()).sum();
    before + (location.column as usize).max(1)
}

/// The 1-based (line, column) of a 1-based character position, as the tokenizer counts them. Cost O(text).
pub fn location(sql: &str, position: usize) -> Location {
    let (mut line, mut column) = (1, position);
    for text in sql.split_inclusive('\n') {
        let length = text.chars().count();
        if column <= length {
            break;
        }
        (line, column) = (line + 1, column - length);
    }
    Location { line, column: column as u64 }
}

/// Byte offsets by (line, column), asked for in rising order.
pub(super) struct LineIndex<'a> {
    sql: &'a str,
    line: u64,
    start: usize,
    /// The last answer, and its column: the next one is counted from there, so that a long line is read once.
    at: usize,
    column: u64,
}

impl<'a> LineIndex<'a> {
    pub(super) fn new(sql: &'a str) -> Self {
        LineIndex { sql, line: 1, start: 0, at: 0, column: 1 }
    }

    pub(super) fn byte(&mut self, at: Location) -> usize {
        while self.line < at.line {
            let rest = &self.sql[self.start..];
            self.start += rest.find('\n').map_or(rest.len(), |i| i + 1);
            self.line += 1;
            (self.at, self.column) = (self.start, 1);
        }
        let rest = &self.sql[self.at..];
        self.at += rest.char_indices().nth(at.column.saturating_sub(self.column) as usize).map_or(rest.len(), |(i, _)| i);
        self.column = self.column.max(at.column);
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_in_quotes_and_comments_do_not_count() {
        let sql = "SELECT ';' AS \"a;b\"; -- c;\n/* d; */ SELECT $$;$$\n; ;\nSELECT 'ä;', 1;";
        let parts: Vec<&str> = split(sql).unwrap().into_iter().map(|r| sql[r].trim()).collect();
        assert_eq!(parts, ["SELECT ';' AS \"a;b\"", "-- c;\n/* d; */ SELECT $$;$$", "SELECT 'ä;', 1"]);
    }

    #[test]
    fn places_are_counted_both_ways() {
        let sql = "SELECT 'ä',\n\n  1;\n";
        for position in 1..=sql.chars().count() {
            assert_eq!(char_position(sql, location(sql, position)), position);
        }
    }

    #[test]
    fn a_long_line_is_read_once() {
        let sql = "SELECT 'ä';".repeat(50_000);
        let parts = split(&sql).unwrap();
        assert!(parts.len() == 50_000 && parts.into_iter().all(|r| &sql[r] == "SELECT 'ä'"));
    }

    #[test]
    fn separators_in_the_body_of_a_function_do_not_count() {
        let sql =
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END; BEGIN; SELECT 1 AS atomic; END";
        let parts: Vec<&str> = split(sql).unwrap().into_iter().map(|r| sql[r].trim()).collect();
        assert_eq!(parts.len(), 4);
        assert!(parts[0].ends_with("SELECT 2; END"), "{}", parts[0]);
    }
}
