//! Words that cannot name a relation, and where an error stands that such a word is the cause of.

use std::ops::ControlFlow;

use sqlparser::ast;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::is_word;
use super::split::char_position;
use crate::error::{Error, Result};

/// Words that name no relation unless they are quoted; sqlparser lets them, and `SELECT 1 FROM WHERE` would look for one.
const RESERVED: &[&str] = &[
    "all",
    "and",
    "as",
    "cross",
    "distinct",
    "end",
    "except",
    "fetch",
    "for",
    "from",
    "full",
    "group",
    "having",
    "inner",
    "intersect",
    "into",
    "join",
    "left",
    "limit",
    "natural",
    "not",
    "offset",
    "on",
    "or",
    "order",
    "right",
    "select",
    "then",
    "union",
    "using",
    "when",
    "where",
    "window",
    "with",
];

/// True for a word that names no relation unless it is quoted.
pub(super) fn is_reserved(word: &str) -> bool {
    RESERVED.contains(&word.to_lowercase().as_str())
}

/// Words that begin no item of a list; sqlparser takes some of them for columns, and stops further on.
const NEVER_FIRST: &[&str] = &[
    "and",
    "as",
    "except",
    "fetch",
    "for",
    "from",
    "group",
    "having",
    "intersect",
    "into",
    "limit",
    "offset",
    "on",
    "or",
    "order",
    "then",
    "union",
    "using",
    "when",
    "where",
    "window",
];

/// An error of grammar, told of the first word behind a comma that begins no item, if there is one before the error's place. Cost O(text), for
/// errors only.
pub(super) fn earliest(sql: &str, error: Error) -> Error {
    let Ok(tokens) = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize_with_location() else { return error };
    let solid: Vec<&TokenWithSpan> = tokens.iter().filter(|t| !matches!(t.token, Token::Whitespace(_) | Token::EOF)).collect();
    let begins = |t: &TokenWithSpan| NEVER_FIRST.iter().any(|word| is_word(&t.token, word));
    let Some(two) = solid.windows(2).find(|two| two[0].token == Token::Comma && begins(two[1])) else { return error };
    let place = char_position(sql, two[1].span.start);
    if error.fields().position.is_some_and(|position| position <= place) {
        return error;
    }
    Error::syntax(format!("syntax error at or near \"{}\"", two[1].token)).at(place)
}

/// Errors: 42601 at the first reserved word that stands where a relation should.
pub(super) fn refuse_reserved(sql: &str, query: &ast::Query) -> Result<()> {
    let refused = ast::visit_relations(query, |name| match name.0.as_slice() {
        [part] => match part.as_ident() {
            Some(ident) if ident.quote_style.is_none() && is_reserved(&ident.value) => {
                let error = Error::syntax(format!("syntax error at or near \"{}\"", ident.value));
                ControlFlow::Break(error.at(char_position(sql, ident.span.start)))
            }
            _ => ControlFlow::Continue(()),
        },
        _ => ControlFlow::Continue(()),
    });
    refused.break_value().map_or(Ok(()), Err)
}
