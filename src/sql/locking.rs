//! FOR UPDATE and its kin behind a SELECT.

use std::ops::ControlFlow;

use sqlparser::ast::{self, SetExpr, VisitMut, VisitorMut};
use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

use super::convert::relation_name;
use super::statement::{RowLock, Statement, Wait};
use super::{fold_name, is_word, solid};
use crate::catalog::Name;
use crate::error::{Error, Result};

/// The tokens with locks where the parser takes them ([`behind_limits`]), PostgreSQL's weaker ones spelled as those that it knows: FOR NO KEY UPDATE and FOR KEY SHARE, which
/// differ in what they let pass that a SELECT of Everfold's does not tell apart.
pub(super) fn spelled(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let words = solid(&tokens);
    for (locks, dropped) in [(&["for", "no", "key", "update"][..], 1..3), (&["for", "key", "share"][..], 1..2)] {
        for i in 0..words.len().saturating_sub(locks.len() - 1) {
            if locks.iter().enumerate().all(|(j, word)| is_word(&tokens[words[i + j]].token, word)) {
                dropped.clone().for_each(|j| tokens[words[i + j]].token = Token::Whitespace(Whitespace::Space));
            }
        }
    }
    behind_limits(tokens)
}

/// A clause that is to stand elsewhere: its first token, the first behind it, and the token before which it is to be.
type Moved = (usize, usize, usize);

/// Moves locks behind LIMIT, OFFSET and FETCH, before which PostgreSQL takes them too. Cost O(tokens).
fn behind_limits(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let early = before_limits(&tokens);
    if early.is_empty() {
        return tokens;
    }
    let mut moved: Vec<Moved> = ends_of_queries(&tokens, &early);
    let mut kept = early.into_iter().peekable();
    moved.sort_by_key(|(_, _, end)| *end);
    let mut moved = moved.into_iter().peekable();
    let mut out = Vec::with_capacity(tokens.len());
    for at in 0..=tokens.len() {
        while let Some((first, behind, _)) = moved.next_if(|(_, _, end)| *end == at) {
            out.extend_from_slice(&tokens[first..behind]);
        }
        while kept.next_if(|(_, behind)| *behind <= at).is_some() {}
        let is_moved = kept.peek().is_some_and(|(first, _)| *first <= at);
        out.extend(tokens.get(at).filter(|_| !is_moved).cloned());
    }
    out
}

/// Where locks begin and end that stand before LIMIT, OFFSET or FETCH.
fn before_limits(tokens: &[TokenWithSpan]) -> Vec<(usize, usize)> {
    let words = solid(tokens);
    let one_of = |at: usize, wanted: &[&str]| words.get(at).is_some_and(|i| wanted.iter().any(|word| is_word(&tokens[*i].token, word)));
    let mut early = Vec::new();
    for at in 0..words.len() {
        if !one_of(at, &["for"]) || !one_of(at + 1, &["update", "share"]) {
            continue;
        }
        let mut end = at + 2;
        if one_of(end, &["of"]) {
            let name = |i: usize| matches!(tokens[i].token, Token::Word(_) | Token::Comma | Token::Period);
            let ends = ["nowait", "skip", "limit", "offset", "fetch", "for"];
            while words.get(end).is_some_and(|i| name(*i)) && !one_of(end, &ends) {
                end += 1;
            }
        }
        end += match () {
            () if one_of(end, &["nowait"]) => 1,
            () if one_of(end, &["skip"]) && one_of(end + 1, &["locked"]) => 2,
            () => 0,
        };
        if one_of(end, &["limit", "offset", "fetch"]) {
            early.push((words[at], words[end]));
        }
    }
    early
}

/// The same with where the query of each ends: before the parenthesis around it, a semicolon, or at the end.
fn ends_of_queries(tokens: &[TokenWithSpan], early: &[(usize, usize)]) -> Vec<Moved> {
    let mut ended = Vec::with_capacity(early.len());
    // For each parenthesis that is open, the locks in it.
    let mut open: Vec<Vec<(usize, usize)>> = vec![Vec::new()];
    let mut early = early.iter().copied().peekable();
    for (at, token) in tokens.iter().enumerate() {
        if let Some(level) = open.last_mut() {
            level.extend(early.next_if(|(first, _)| *first == at));
        }
        let closed = match token.token {
            Token::LParen => {
                open.push(Vec::new());
                continue;
            }
            Token::RParen => open.pop().unwrap_or_default(),
            Token::SemiColon => std::mem::take(&mut open).concat(),
            _ => continue,
        };
        ended.extend(closed.into_iter().map(|(first, behind)| (first, behind, at)));
        if open.is_empty() {
            open.push(Vec::new());
        }
    }
    ended.extend(open.concat().into_iter().map(|(first, behind)| (first, behind, tokens.len())));
    ended
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
