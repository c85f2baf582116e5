//! `INSERT INTO t (..) OVERRIDING SYSTEM VALUE VALUES ..`: whether values that are given for identity columns count (manual, INSERT).
//!
//! sqlparser does not take the clause, so it is blanked out before it reads the statement, and found again in the text.

use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Whitespace};

use super::dialect::Postgres;
use super::statement::{Overriding, Statement};
use super::{is_word, solid};
use crate::error::{Error, Result};

/// The tokens without the clause.
pub(super) fn spelled(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    for (places, _) in clauses(&tokens) {
        places.into_iter().for_each(|at| tokens[at].token = Token::Whitespace(Whitespace::Space));
    }
    tokens
}

/// The statement of a text with what the text says of that. Errors: 0A000 where it is not the statement's own.
pub(super) fn noted(sql: &str, mut statement: Statement) -> Result<Statement> {
    const WORD: &[u8] = b"overriding";
    if !sql.as_bytes().windows(WORD.len()).any(|part| part.eq_ignore_ascii_case(WORD)) {
        return Ok(statement);
    }
    let tokens = Tokenizer::new(&Postgres, sql).tokenize_with_location().unwrap_or_default();
    match (clauses(&tokens).as_slice(), &mut statement) {
        ([], _) => Ok(statement),
        ([(_, said)], Statement::Insert { overriding, .. }) => {
            *overriding = Some(*said);
            Ok(statement)
        }
        _ => Err(Error::unsupported("OVERRIDING is not supported in a statement within another").hint("Write the INSERT by itself.")),
    }
}

/// The places of the words of each such clause, and what it says. MERGE has it too, without INTO before it, and reads it itself. Cost O(tokens).
fn clauses(tokens: &[TokenWithSpan]) -> Vec<([usize; 3], Overriding)> {
    if !tokens.iter().any(|t| is_word(&t.token, "overriding")) {
        return Vec::new();
    }
    let words = solid(tokens);
    let is = |at: usize, word: &str| words.get(at).is_some_and(|i| is_word(&tokens[*i].token, word));
    let (mut found, mut of_insert) = (Vec::new(), false);
    for at in 0..words.len() {
        if is(at, "insert") {
            of_insert = is(at + 1, "into");
        }
        if !of_insert || !is(at, "overriding") || !is(at + 2, "value") {
            continue;
        }
        let said = match () {
            () if is(at + 1, "system") => Overriding::System,
            () if is(at + 1, "user") => Overriding::User,
            () => continue,
        };
        found.push(([words[at], words[at + 1], words[at + 2]], said));
    }
    found
}
