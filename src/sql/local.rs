//! `SELECT .. INTO LOCAL TEMPORARY TABLE t` (Tableau): LOCAL and GLOBAL say nothing before TEMPORARY (manual, CREATE TABLE), and sqlparser does
//! not read them there.

use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

use super::{is_word, solid};

/// The tokens without the word. Cost O(tokens).
pub(super) fn spelled(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let is = |token: &Token, words: [&str; 2]| words.iter().any(|word| is_word(token, word));
    if !tokens.iter().any(|t| is(&t.token, ["local", "global"])) {
        return tokens;
    }
    let solid = solid(&tokens);
    let blank = solid.windows(3).find(|at| {
        let [into, word, temporary] = [0, 1, 2].map(|i| &tokens[at[i]].token);
        is_word(into, "into") && is(word, ["local", "global"]) && is(temporary, ["temp", "temporary"])
    });
    if let Some(at) = blank.map(|at| at[1]) {
        tokens[at].token = Token::Whitespace(Whitespace::Space);
    }
    tokens
}
