//! `FROM ONLY t`, `FROM ONLY (t)`, `UPDATE ONLY t`: the table without those that inherit from it (manual, SELECT). No table here inherits
//! from another, and that `CREATE INDEX .. ON ONLY t` leaves partitions out says nothing of what is held, so the word is left out; sqlparser does not read it everywhere.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{is_word, solid};

/// The words that a table may follow.
const BEFORE: [&str; 6] = ["from", "join", "using", "update", "into", "on"];

/// The tokens without the word, and without parentheses around the one name behind it. Cost O(tokens).
pub(super) fn spelled(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|t| is_word(&t.token, "only")) {
        return tokens;
    }
    let solid = solid(&tokens);
    let mut blank = Vec::new();
    for at in 1..solid.len() {
        let token = |i: usize| solid.get(i).map(|i| &tokens[*i].token);
        let begins = token(at - 1).is_some_and(|t| *t == Token::Comma || BEFORE.iter().any(|word| is_word(t, word)));
        if !begins || !token(at).is_some_and(|t| is_word(t, "only")) {
            continue;
        }
        match token(at + 1) {
            Some(Token::Word(_)) => blank.push(solid[at]),
            Some(Token::LParen) => {
                let in_name = |t: &Token| matches!(t, Token::Word(_) | Token::Period);
                let end = (at + 2..solid.len()).find(|i| !token(*i).is_some_and(in_name));
                if let Some(end) = end.filter(|end| token(*end) == Some(&Token::RParen)) {
                    blank.extend([solid[at], solid[at + 1], solid[end]]);
                }
            }
            _ => {}
        }
    }
    for at in blank {
        tokens[at].token = Token::Whitespace(sqlparser::tokenizer::Whitespace::Space);
    }
    tokens
}

#[cfg(test)]
mod tests {
    use crate::sql::parse;

    #[test]
    fn it_is_read_before_a_table_and_nowhere_else() {
        for sql in [
            "SELECT * FROM ONLY t",
            "SELECT * FROM ONLY (s.t) AS x, ONLY \"u\" JOIN ONLY v ON true",
            "UPDATE ONLY t SET a = 1",
            "DELETE FROM ONLY t",
            "CREATE INDEX i ON ONLY t USING btree (a)",
            "SELECT * FROM only",
            "SELECT a FROM t FETCH FIRST 1 ROW ONLY",
            "SET TRANSACTION READ ONLY, DEFERRABLE",
        ] {
            assert!(parse(sql).is_ok(), "{sql}: {:?}", parse(sql).err());
        }
    }
}
