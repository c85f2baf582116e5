//! `FROM ROWS FROM (f(..), g(..))`: sqlparser does not read it. The words become the name of one function, of which [`crate::serve`] makes
//! the rows of all side by side.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace, Word};

use super::is_word;

/// The function that the words become.
pub const ROWS_FROM: &str = "pg_rows_from";
/// The words that it may follow.
const BEFORE: [&str; 3] = ["from", "join", "lateral"];

/// The tokens with the function in the place of the words. Cost O(tokens).
pub(super) fn spelled(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|t| is_word(&t.token, "rows")) {
        return tokens;
    }
    let solid: Vec<usize> = (0..tokens.len()).filter(|i| !matches!(tokens[*i].token, Token::Whitespace(_))).collect();
    for at in 1..solid.len().saturating_sub(2) {
        let token = |i: usize| &tokens[solid[i]].token;
        let begins = *token(at - 1) == Token::Comma || BEFORE.iter().any(|word| is_word(token(at - 1), word));
        if begins && is_word(token(at), "rows") && is_word(token(at + 1), "from") && *token(at + 2) == Token::LParen {
            let name = Word { value: ROWS_FROM.to_string(), quote_style: None, keyword: Keyword::NoKeyword };
            tokens[solid[at]].token = Token::Word(name);
            tokens[solid[at + 1]].token = Token::Whitespace(Whitespace::Space);
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use crate::sql::parse;

    #[test]
    fn they_are_read_in_from_and_nowhere_else() {
        for sql in [
            "SELECT * FROM ROWS FROM (generate_series(1, 3), unnest(a)) WITH ORDINALITY AS t (n, a, i)",
            "SELECT * FROM t, LATERAL ROWS FROM (f(t.a)) JOIN ROWS FROM (g(1)) ON true",
            "SELECT rows FROM (SELECT 1 AS rows) AS t",
        ] {
            assert!(parse(sql).is_ok(), "{sql}: {:?}", parse(sql).err());
        }
    }
}
