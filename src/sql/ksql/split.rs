//! Cuts a script of ksqlDB's dialect into statements.

use std::ops::Range;

use super::lex::{Lexeme, Lexer};
use crate::error::{Error, Result};

/// The byte ranges of the statements of `text`: without semicolons and without the comments around them; empty ones are left out.
/// Cost O(length). Errors: 42601 for a string, a quoted name or a comment that does not end.
pub fn split(text: &str) -> Result<Vec<Range<usize>>> {
    let mut ranges = Vec::new();
    let mut open: Option<Range<usize>> = None;
    for token in Lexer::new(text) {
        match token.kind {
            Lexeme::Sign(";") => ranges.extend(open.take()),
            Lexeme::Open(what) => return Err(Error::syntax(format!("unterminated {what}")).at(token.at)),
            _ => open = Some(open.map_or(token.start, |range| range.start)..token.end),
        }
    }
    ranges.extend(open);
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semicolons_in_quotes_and_comments_do_not_count() {
        let text = " -- a;\nSELECT ';' FROM `b;`; ; /* c; */ ä d\n;\"e\"";
        let parts: Vec<&str> = split(text).unwrap().into_iter().map(|r| &text[r]).collect();
        assert_eq!(parts, ["SELECT ';' FROM `b;`", "ä d", "\"e\""]);
        assert_eq!(split("a; 'b").unwrap_err().fields().position, Some(4));
    }
}
