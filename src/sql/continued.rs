//! `'foo'` and `'bar'` with nothing but white space and a new line between them are one literal, `'foobar'` (manual, chapter 4.1.2.1).
//! sqlparser would take the second for an alias of the first.

use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Whitespace};

use super::dialect::Postgres;

/// The tokens with such literals as one. Cost O(tokens).
pub(super) fn spelled(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut joined: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    // White space behind a literal, and whether a new line is in it.
    let (mut blanks, mut new_line) = (0, false);
    for token in tokens {
        match &token.token {
            Token::Whitespace(blank) => {
                blanks += 1;
                new_line |= matches!(blank, Whitespace::Newline | Whitespace::SingleLineComment { .. });
            }
            Token::SingleQuotedString(more) if new_line => {
                let before = joined.len() - blanks;
                let literal = before.checked_sub(1).map(|at| &mut joined[at].token);
                let more = if matches!(literal, Some(Token::EscapedStringLiteral(_))) { decoded(more) } else { more.clone() };
                if let Some(Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text)) = literal {
                    text.push_str(&more);
                    joined.truncate(before);
                    (blanks, new_line) = (0, false);
                    continue;
                }
                (blanks, new_line) = (0, false);
            }
            _ => (blanks, new_line) = (0, false),
        }
        joined.push(token);
    }
    joined
}

/// A text that goes on behind `E'..'`, where a backslash escapes what is behind it; as it is if it escapes nothing.
fn decoded(text: &str) -> String {
    let literal = format!("E'{}'", text.replace('\'', "''"));
    match Tokenizer::new(&Postgres, &literal).tokenize().as_deref() {
        Ok([Token::EscapedStringLiteral(decoded)]) => decoded.clone(),
        _ => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use crate::sql::parse;
    use crate::sql::statement::Statement;

    #[test]
    fn literals_over_several_lines_are_one() {
        let shown = |sql: &str| match parse(sql) {
            Ok(Statement::Query(query)) => query.to_string(),
            other => panic!("{sql}: {other:?}"),
        };
        assert_eq!(shown("SELECT 'a'\n'b' \n  'c', 'd' 'e'"), "SELECT 'abc', 'd' AS \"e\"".replace("AS \"e\"", "AS 'e'"));
        assert_eq!(shown("SELECT 'a' -- one\n  'b'"), "SELECT 'ab'");
        assert_eq!(shown("SELECT 1\n, 'b'"), "SELECT 1, 'b'");
    }
}
