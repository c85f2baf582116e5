//! `a OPERATOR(pg_catalog.=) ANY (b)` (manual, chapter 4.2.5), as psql and pg_dump write it: sqlparser does not take ANY behind an operator
//! that is spelled so, only behind the operator itself.

use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

use super::{is_word, solid};

/// The tokens with such operators spelled as themselves before ANY, SOME and ALL. Cost O(tokens).
pub(super) fn spelled(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|t| is_word(&t.token, "operator")) {
        return tokens;
    }
    let solid = solid(&tokens);
    let mut blank = Vec::new();
    for window in solid.windows(7) {
        let [word, open, schema, point, _, close, quantifier] = std::array::from_fn(|i| &tokens[window[i]].token);
        let spelt = is_word(word, "operator") && *open == Token::LParen && is_word(schema, "pg_catalog") && *point == Token::Period;
        if spelt && *close == Token::RParen && ["any", "some", "all"].iter().any(|q| is_word(quantifier, q)) {
            blank.extend([0, 1, 2, 3, 5].map(|i| window[i]));
        }
    }
    for at in blank {
        tokens[at].token = Token::Whitespace(Whitespace::Space);
    }
    tokens
}
