//! FOR UPDATE and its kin behind a SELECT.

use std::ops::ControlFlow;

use sqlparser::ast::{self, SetExpr, VisitMut, VisitorMut};
use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

use super::convert::relation_name;
use super::statement::{RowLock, Statement, Wait};
use super::{fold_name, is_word};
use crate::catalog::Name;
use crate::error::{Error, Result};

/// The tokens with locks where the parser takes them ([`behind_limits`]), PostgreSQL's weaker ones spelled as those that it knows: FOR NO KEY UPDATE and FOR KEY SHARE, which
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
    behind_limits(&mut tokens);
    tokens
}

/// Moves locks behind LIMIT, OFFSET and FETCH, before which PostgreSQL takes them too.
fn behind_limits(tokens: &mut [TokenWithSpan]) {
    let words: Vec<usize> = (0..tokens.len()).filter(|i| !matches!(tokens[*i].token, Token::Whitespace(_))).collect();
    let one_of = |tokens: &[TokenWithSpan], at: usize, wanted: &[&str]| {
        words.get(at).is_some_and(|i| wanted.iter().any(|word| is_word(&tokens[*i].token, word)))
    };
    for at in 0..words.len() {
        if !one_of(tokens, at, &["for"]) || !one_of(tokens, at + 1, &["update", "share"]) {
            continue;
        }
        let mut end = at + 2;
        if one_of(tokens, end, &["of"]) {
            let name = |i: usize| matches!(tokens[i].token, Token::Word(_) | Token::Comma | Token::Period);
            let ends = ["nowait", "skip", "limit", "offset", "fetch", "for"];
            while words.get(end).is_some_and(|i| name(*i)) && !one_of(tokens, end, &ends) {
                end += 1;
            }
        }
        end += match () {
            () if one_of(tokens, end, &["nowait"]) => 1,
            () if one_of(tokens, end, &["skip"]) && one_of(tokens, end + 1, &["locked"]) => 2,
            () => 0,
        };
        if one_of(tokens, end, &["limit", "offset", "fetch"]) {
            let (first, behind) = (words[at], words[end]);
            let last = end_of_query(tokens, behind);
            tokens[first..last].rotate_left(behind - first);
        }
    }
}

/// Where the query ends that goes on at a token: before the parenthesis around it, a semicolon, or at the end.
fn end_of_query(tokens: &[TokenWithSpan], from: usize) -> usize {
    let mut open = 0_usize;
    for (i, token) in tokens.iter().enumerate().skip(from) {
        match token.token {
            Token::LParen => open += 1,
            Token::RParen if open == 0 => return i,
            Token::RParen => open -= 1,
            Token::SemiColon => return i,
            _ => {}
        }
    }
    tokens.len()
}

/// Takes the locks of rows out of the subqueries of an UPDATE or DELETE that read nothing but the table that it changes: it has that locked
/// whole where it finds its rows by a subquery. So it waits for rows that SKIP LOCKED would leave out.
pub(super) fn without_own_locks(table: &Name, node: &mut impl VisitMut) {
    let _ = VisitMut::visit(node, &mut OwnLocks(table));
}

struct OwnLocks<'a>(&'a Name);

impl VisitorMut for OwnLocks<'_> {
    type Break = ();
    fn pre_visit_query(&mut self, query: &mut ast::Query) -> ControlFlow<()> {
        if let SetExpr::Select(select) = query.body.as_ref()
            && let [ast::TableWithJoins { relation: ast::TableFactor::Table { name, alias, args: None, .. }, joins }] =
                select.from.as_slice()
            && joins.is_empty()
            && let Ok(name) = relation_name(name)
            && name == *self.0
        {
            let named = alias.as_ref().map_or(name.name, |a| fold_name(&a.name));
            let of = |lock: &ast::LockClause| lock.of.as_ref().and_then(|of| of.0.last()).and_then(|part| part.as_ident()).map(fold_name);
            // The others are refused when the statement is planned.
            query.locks.retain(|lock| lock.nonblock == Some(ast::NonBlock::Nowait) || of(lock).is_some_and(|of| of != named));
        }
        ControlFlow::Continue(())
    }
}

/// A query with locks as a statement of its own. Errors: 0A000 where rows of a result are no rows of a table.
pub(super) fn locking(mut query: Box<ast::Query>) -> Result<Statement> {
    let clauses = std::mem::take(&mut query.locks);
    if clauses.is_empty() {
        return Ok(Statement::Query(query));
    }
    let mut locks = Vec::with_capacity(clauses.len());
    for clause in clauses {
        let word = format!("FOR {}", clause.lock_type);
        if let Some(what) = no_rows_of_tables(&query) {
            return Err(Error::unsupported(format!("{word} is not allowed with {what}"))
                .hint("Lock the rows in a SELECT of their own, or with LOCK TABLE."));
        }
        let of = clause.of.as_ref().and_then(|name| name.0.last()).and_then(|part| part.as_ident()).map(fold_name);
        let wait = match clause.nonblock {
            None => Wait::Until,
            Some(ast::NonBlock::Nowait) => Wait::Not,
            Some(ast::NonBlock::SkipLocked) => Wait::Skip,
        };
        if wait == Wait::Skip && query.fetch.as_ref().is_some_and(|fetch| fetch.with_ties) {
            return Err(Error::syntax("SKIP LOCKED and WITH TIES options cannot be used together"));
        }
        locks.push(RowLock { word, of, wait });
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
