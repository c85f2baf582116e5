//! `FROM ROWS FROM (f(..), g(..))`: sqlparser does not read it. The words become the name of one function, of which [`crate::serve`] makes
//! the rows of all side by side.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace, Word};

use super::{is_word, solid};

/// The function that the words become.
pub const ROWS_FROM: &str = "pg_rows_from";
/// The words that it may follow.
const BEFORE: [&str; 3] = ["from", "join", "lateral"];
/// The words that a list of FROM ends before.
const ENDS: [&str; 8] = ["select", "where", "group", "having", "window", "order", "returning", "set"];

/// The tokens with the function in the place of the words. Cost O(tokens).
pub(super) fn spelled(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|t| is_word(&t.token, "rows")) {
        return tokens;
    }
    let solid = solid(&tokens);
    // For each parenthesis that is open, whether a list of FROM is what stands there.
    let mut in_from = vec![false];
    for at in 0..solid.len() {
        let token = |i: usize| solid.get(i).map(|i| &tokens[*i].token);
        let is = |i: usize, word: &str| token(i).is_some_and(|t| is_word(t, word));
        let Some((before, here)) = at.checked_sub(1).and_then(token).zip(token(at)) else { continue };
        match here {
            Token::LParen => in_from.push(false),
            Token::RParen if in_from.len() > 1 => _ = in_from.pop(),
            // The comma of `SELECT a, rows FROM (..)` is before a column.
            _ if is(at, "rows") && is(at + 1, "from") && token(at + 2) == Some(&Token::LParen) => {
                let listed = *before == Token::Comma && in_from.last() == Some(&true);
                if listed || BEFORE.iter().any(|word| is_word(before, word)) {
                    let name = Word { value: ROWS_FROM.to_string(), quote_style: None, keyword: Keyword::NoKeyword };
                    tokens[solid[at]].token = Token::Word(name);
                    tokens[solid[at + 1]].token = Token::Whitespace(Whitespace::Space);
                }
            }
            here if is_word(here, "from") && !is_word(before, "distinct") || is_word(here, "using") => set_last(&mut in_from, true),
            here if ENDS.iter().any(|word| is_word(here, word)) => set_last(&mut in_from, false),
            _ => {}
        }
    }
    tokens
}

fn set_last(open: &mut [bool], value: bool) {
    if let Some(last) = open.last_mut() {
        *last = value;
    }
}

#[cfg(test)]
mod tests {
    use crate::sql::parse;

    #[test]
    fn they_are_read_in_from_and_nowhere_else() {
        for sql in [
            "SELECT * FROM ROWS FROM (generate_series(1, 3), unnest(a)) WITH ORDINALITY AS t (n, a, i)",
            "SELECT * FROM t, LATERAL ROWS FROM (f(t.a)) JOIN ROWS FROM (g(1)) ON true",
            "SELECT * FROM (SELECT 1) AS t, ROWS FROM (f(1)), ROWS FROM (g(1))",
            "SELECT rows FROM (SELECT 1 AS rows) AS t",
            "SELECT a IS DISTINCT FROM b, rows FROM (VALUES (1, 2, 3)) AS t (a, b, rows)",
        ] {
            assert!(parse(sql).is_ok(), "{sql}: {:?}", parse(sql).err());
        }
    }
}
