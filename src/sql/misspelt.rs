//! What a misspelt keyword may have been meant to be: `SELCT`, `FORM`, `WEHRE`.

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::is_word;
use super::split::{char_position, location};
use crate::error::{Error, nearest};

/// How statements begin.
const BEGINNINGS: &[&str] = &[
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "CREATE",
    "DROP",
    "ALTER",
    "WITH",
    "VALUES",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "EXPLAIN",
    "SHOW",
    "COPY",
    "PREPARE",
    "EXECUTE",
    "DECLARE",
    "FETCH",
    "TABLE",
    "RESET",
    "DISCARD",
    "DEALLOCATE",
    "SAVEPOINT",
    "RELEASE",
    "ANALYZE",
];

/// Keywords within statements.
const WITHIN: &[&str] = &[
    "FROM",
    "WHERE",
    "GROUP",
    "ORDER",
    "HAVING",
    "LIMIT",
    "OFFSET",
    "JOIN",
    "INNER",
    "INTO",
    "VALUES",
    "RETURNING",
    "UNION",
    "TABLE",
    "VIEW",
    "MATERIALIZED",
    "STREAM",
    "BETWEEN",
    "EXISTS",
    "DISTINCT",
    "SELECT",
    "SET",
];

/// An error of grammar with a hint at the keyword that was probably meant, if the word where it is, or the one before, is near to one.
/// Cost O(text), for errors only.
pub(super) fn hinted(sql: &str, error: Error) -> Error {
    let Some(position) = error.fields().position.filter(|_| error.fields().hint.is_none()) else { return error };
    let Ok(tokens) = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize_with_location() else { return error };
    let solid: Vec<&TokenWithSpan> = tokens.iter().filter(|t| !matches!(t.token, Token::Whitespace(_) | Token::EOF)).collect();
    let place = location(sql, position);
    let at = solid.partition_point(|t| t.span.start < place);
    // A word before what does not fit was taken for a name, and is the likelier slip.
    for i in [at.checked_sub(1), Some(at)].into_iter().flatten() {
        let Some(word) = solid.get(i).and_then(|t| plain_word(&t.token)) else { continue };
        let known = if i == 0 || solid[i - 1].token == Token::SemiColon { BEGINNINGS } else { WITHIN };
        let Some(meant) = nearest(&word.to_uppercase(), known.iter().copied()) else { continue };
        let before_by = solid.get(i + 1).is_some_and(|t| is_word(&t.token, "by"));
        if matches!(meant, "ORDER" | "GROUP") && !before_by {
            continue;
        }
        let goes_on = solid.get(at).is_some_and(|t| !matches!(t.token, Token::RParen | Token::Comma | Token::SemiColon));
        if i < at && !goes_on {
            continue;
        }
        let error = error.hint(format!("Perhaps you meant {meant}."));
        // Behind what cannot have a name, the word itself is the mistake.
        let is_name = i > 0 && plain_word(&solid[i - 1].token).is_some();
        return if i < at && !is_name { moved(error, word, char_position(sql, solid[i].span.start)) } else { error };
    }
    error
}

fn moved(error: Error, word: &str, position: usize) -> Error {
    let hint = error.fields().hint.clone().unwrap_or_default();
    Error::syntax(format!("syntax error at or near \"{word}\"")).at(position).hint(hint)
}

/// An unquoted word that is no keyword.
fn plain_word(token: &Token) -> Option<&str> {
    match token {
        Token::Word(word) if word.quote_style.is_none() && word.keyword == Keyword::NoKeyword => Some(&word.value),
        _ => None,
    }
}
