//! `t.* IS NULL` and `t.* IS DISTINCT FROM u.*`, of rows (manual, chapter 8.16.5): sqlparser takes such a wildcard for an item of its own.
//! It is spelled `row(t.*)`, which it reads anywhere.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{is_word, solid};

/// The tokens with such wildcards in `row()`. Cost O(tokens).
pub(super) fn spelled(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.windows(2).any(|pair| pair[0].token == Token::Period && pair[1].token == Token::Mul) {
        return tokens;
    }
    let solid = solid(&tokens);
    let token = |i: usize| solid.get(i).map(|at| &tokens[*at].token);
    let is = |i: usize, word: &str| token(i).is_some_and(|t| is_word(t, word));
    let mut rows: Vec<(usize, usize)> = Vec::new();
    for star in 2..solid.len() {
        if token(star) != Some(&Token::Mul) {
            continue;
        }
        let mut first = star;
        while first >= 2 && token(first - 1) == Some(&Token::Period) && matches!(token(first - 2), Some(Token::Word(_))) {
            first -= 2;
        }
        let is_distinct = first >= 3 && is(first - 1, "from") && is(first - 2, "distinct") && (is(first - 3, "is") || is(first - 3, "not"));
        if first < star && (is(star + 1, "is") || is_distinct) {
            rows.push((solid[first], solid[star]));
        }
    }
    let mut rows = rows.into_iter().peekable();
    let mut out = Vec::with_capacity(tokens.len());
    for (at, token) in tokens.into_iter().enumerate() {
        let span = token.span;
        let put = |token: Token| TokenWithSpan { token, span };
        if rows.peek().is_some_and(|(first, _)| *first == at) {
            out.extend([put(Token::make_word("row", None)), put(Token::LParen)]);
        }
        out.push(token);
        if rows.next_if(|(_, star)| *star == at).is_some() {
            out.push(put(Token::RParen));
        }
    }
    out
}
