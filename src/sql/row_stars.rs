//! `(expression).*`, the columns of a row (manual, chapter 8.16.3), in a SELECT list: sqlparser reads it after names only. It is spelled
//! `pg_row_star(expression)`, for which its columns are put when the query is planned: their names are those of its type.

use std::collections::HashSet;

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{is_word, solid};

/// The function that stands for the columns of a row.
pub const ROW_STAR: &str = "pg_row_star";
/// Words behind which an item of such a list begins; others before a parenthesis call a function.
const BEFORE_ITEMS: [&str; 4] = ["select", "distinct", "all", "returning"];

/// The tokens with such stars as calls. Cost O(tokens).
pub(super) fn spelled(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let solid = solid(&tokens);
    let token = |i: usize| solid.get(i).map(|at| &tokens[*at]);
    let is = |i: usize, wanted: &Token| token(i).is_some_and(|t| t.token == *wanted);
    let (mut open, mut calls, mut stars) = (Vec::new(), HashSet::new(), HashSet::new());
    // What DISTINCT ON has in parentheses ends there, and the items begin.
    let mut behind_distinct = None;
    for i in 0..solid.len() {
        if is(i, &Token::LParen) {
            open.push(i);
        } else if is(i, &Token::RParen)
            && let Some(first) = open.pop()
        {
            let before = |n: usize| first.checked_sub(n).and_then(token);
            let is_before = |n: usize, word: &str| before(n).is_some_and(|t| is_word(&t.token, word));
            if is_before(1, "on") && is_before(2, "distinct") {
                behind_distinct = Some(i + 1);
            }
            let begins = behind_distinct == Some(first)
                || before(1).is_some_and(|t| t.token == Token::Comma)
                || BEFORE_ITEMS.iter().any(|word| is_before(1, word));
            if begins && is(i + 1, &Token::Period) && is(i + 2, &Token::Mul) {
                calls.insert(solid[first]);
                stars.extend([solid[i + 1], solid[i + 2]]);
            }
        }
    }
    if calls.is_empty() {
        return tokens;
    }
    let mut out = Vec::with_capacity(tokens.len() + calls.len());
    for (at, token) in tokens.into_iter().enumerate() {
        if calls.contains(&at) {
            out.push(TokenWithSpan { token: Token::make_word(ROW_STAR, None), span: token.span });
        }
        if !stars.contains(&at) {
            out.push(token);
        }
    }
    out
}
