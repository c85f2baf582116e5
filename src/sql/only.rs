//! `FROM ONLY t`, `FROM ONLY (t)`, `UPDATE ONLY t`: the table without those that inherit from it (manual, SELECT). No table here inherits
//! from another, and that `CREATE INDEX .. ON ONLY t` leaves partitions out says nothing of what is held, so the word is left out; sqlparser does not read it everywhere.
//! Of a partitioned table it would leave out all rows: [`named`] tells of which tables it was said.

use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::dialect::Postgres;
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

/// The names, each in its parts, of tables whose rows a statement reads or changes with the word before them. Cost: a look at the text where
/// the word is not in it, else O(tokens).
pub fn named(sql: &str) -> Vec<Vec<String>> {
    const WORD: &[u8] = b"only";
    if !sql.as_bytes().windows(WORD.len()).any(|part| part.eq_ignore_ascii_case(WORD)) {
        return vec![];
    }
    let tokens = Tokenizer::new(&Postgres, sql).tokenize_with_location().unwrap_or_default();
    let solid = solid(&tokens);
    let token = |i: usize| solid.get(i).map(|i| &tokens[*i].token);
    let is = |i: usize, word: &str| token(i).is_some_and(|t| is_word(t, word));
    let of_rows = |at: usize| {
        let before = at.checked_sub(1);
        let of_truncate = before.is_some_and(|b| is(b, "truncate") || is(b, "table") && b > 0 && is(b - 1, "truncate"));
        of_truncate || before.is_some_and(|b| token(b) == Some(&Token::Comma) || BEFORE[..5].iter().any(|word| is(b, word)))
    };
    let name = |at: usize| {
        let begin = if token(at) == Some(&Token::LParen) { at + 1 } else { at };
        let mut parts = Vec::new();
        while let Some(Token::Word(word)) = token(begin + 2 * parts.len()) {
            let is_quoted = word.quote_style.is_some();
            parts.push(if is_quoted { word.value.clone() } else { word.value.to_lowercase() });
            if token(begin + 2 * parts.len() - 1) != Some(&Token::Period) {
                break;
            }
        }
        parts
    };
    let all = (0..solid.len()).filter(|at| is(*at, "only") && of_rows(*at)).map(|at| name(at + 1));
    all.filter(|parts| !parts.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::named;
    use crate::sql::parse;

    #[test]
    fn tables_of_which_it_is_said_are_told() {
        let told = |sql: &str| named(sql).into_iter().map(|parts| parts.join(".")).collect::<Vec<_>>();
        assert_eq!(told("SELECT * FROM ONLY (s.T) AS x, only \"U\" JOIN ONLY v ON true"), ["s.t", "U", "v"]);
        assert_eq!(told("UPDATE ONLY t SET a = 1"), ["t"]);
        assert_eq!(told("TRUNCATE TABLE ONLY t, ONLY u"), ["t", "u"]);
        assert!(told("ALTER TABLE ONLY t ADD PRIMARY KEY (a)").is_empty());
        assert!(told("CREATE INDEX ON ONLY t (a)").is_empty());
        assert!(told("SELECT a FROM t FETCH FIRST 1 ROW ONLY").is_empty());
    }

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
