//! FOR UPDATE and its kin behind a SELECT.

use sqlparser::ast::{self, SetExpr};
use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

use super::statement::{RowLock, Statement};
use super::{fold_name, is_word};
use crate::error::{Error, Result};

/// The tokens with PostgreSQL's weaker locks spelled as those that the parser knows: FOR NO KEY UPDATE and FOR KEY SHARE, which
/// differ in what they let pass that a SELECT of Everfold's does not tell apart.
pub(super) fn spelled(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let words: Vec<usize> = (0..tokens.len()).filter(|i| !matches!(tokens[*i].token, Token::Whitespace(_))).collect();
    for (locks, dropped) in [(&["for", "no", "key", "update"][..], 1..3), (&["for", "key", "share"][..], 1..2)] {
        for i in 0..words.len().saturating_sub(locks.len() - 1) {
            if locks.iter().enumerate().all(|(j, word)| is_word(&tokens[words[i + j]].token, word)) {
                dropped.clone().for_each(|j| tokens[words[i + j]].token = Token::Whitespace(Whitespace::Space));
            }
        }
    }
    tokens
}

/// A query with locks as a statement of its own. Errors: 0A000 for SKIP LOCKED, and where rows of a result are no rows of a table.
pub(super) fn locking(mut query: Box<ast::Query>) -> Result<Statement> {
    let clauses = std::mem::take(&mut query.locks);
    if clauses.is_empty() {
        return Ok(Statement::Query(query));
    }
    let mut locks = Vec::with_capacity(clauses.len());
    for clause in clauses {
        let word = format!("FOR {}", clause.lock_type);
        if clause.nonblock == Some(ast::NonBlock::SkipLocked) {
            return Err(Error::unsupported("SKIP LOCKED is not supported: a statement waits for all rows that it locks")
                .hint("Take rows with UPDATE .. RETURNING or DELETE .. RETURNING, or write NOWAIT and try again."));
        }
        if let Some(what) = no_rows_of_tables(&query) {
            return Err(Error::unsupported(format!("{word} is not allowed with {what}"))
                .hint("Lock the rows in a SELECT of their own, or with LOCK TABLE."));
        }
        let of = clause.of.as_ref().and_then(|name| name.0.last()).and_then(|part| part.as_ident()).map(fold_name);
        locks.push(RowLock { word, of, nowait: clause.nonblock.is_some() });
    }
    Ok(Statement::Locking { query, locks })
}

fn no_rows_of_tables(query: &ast::Query) -> Option<&'static str> {
    let SetExpr::Select(select) = query.body.as_ref() else { return Some("UNION/INTERSECT/EXCEPT or VALUES") };
    let grouped = !matches!(&select.group_by, ast::GroupByExpr::Expressions(e, m) if e.is_empty() && m.is_empty());
    match () {
        () if grouped => Some("GROUP BY clause"),
        () if select.having.is_some() => Some("HAVING clause"),
        () if select.distinct.is_some() => Some("DISTINCT clause"),
        () => None,
    }
}
