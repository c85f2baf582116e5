//! What a query of WITH RECURSIVE may be (manual, chapter 7.8.2): `first UNION [ALL] next`, where `next` reads the query's own rows once, in
//! FROM. DataFusion takes more, and answers it otherwise: it gives aggregates the rows of one step, and drops LIMIT.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Cte, Expr, JoinOperator, LimitClause, ObjectName, Query, Select, SetExpr, SetOperator, TableFactor, TableWithJoins, Visit, Visitor,
    With,
};

use super::build::{each_expression, last_name, parsed};
use super::outer_aggregates::is_aggregate;
use crate::error::{Error, Result, code};
use crate::sql::fold_name;

/// Errors: 42P19 and 0A000, as in PostgreSQL, for what is not of that form.
pub fn checked(query: &Query) -> Result<()> {
    let Some(with) = query.with.as_ref().filter(|with| with.recursive) else { return Ok(()) };
    for (i, cte) in with.cte_tables.iter().enumerate() {
        let name = fold_name(&cte.alias.name);
        let mutual = |other: &Cte| reads(&cte.query, &fold_name(&other.alias.name)) > 0 && reads(&other.query, &name) > 0;
        if with.cte_tables[i + 1..].iter().any(mutual) {
            return Err(Error::unsupported("mutual recursion between WITH items is not implemented"));
        }
        if reads(&cte.query, &name) > 0 {
            of_form(&cte.query, &name)?;
        }
    }
    Ok(())
}

/// Puts the queries of WITH RECURSIVE in an order in which each stands behind those that it reads, and the WITH of one of them to where
/// DataFusion looks for it: it takes every UNION for one of two terms, and their WITH for nothing.
pub fn arranged(query: &mut Query) -> Result<()> {
    let Some(with) = query.with.as_mut().filter(|with| with.recursive) else { return Ok(()) };
    let mut waiting = std::mem::take(&mut with.cte_tables);
    while !waiting.is_empty() {
        let name = |i: usize| fold_name(&waiting[i].alias.name);
        let is_ready = |i: &usize| (0..waiting.len()).all(|other| other == *i || reads(&waiting[*i].query, &name(other)) == 0);
        let next = (0..waiting.len()).find(is_ready).unwrap_or(0);
        with.cte_tables.push(waiting.remove(next));
    }
    for cte in &mut with.cte_tables {
        let (name, inner) = (fold_name(&cte.alias.name), cte.query.as_mut());
        if inner.with.is_none() || !matches!(inner.body.as_ref(), SetExpr::SetOperation { .. }) {
            continue;
        }
        if reads(inner, &name) == 0 {
            *inner = apart(inner.clone())?;
        } else if let SetExpr::SetOperation { left, right, .. } = inner.body.as_mut() {
            let with = inner.with.take();
            [left, right].into_iter().try_for_each(|term| within(term, with.clone()))?;
        }
    }
    Ok(())
}

/// `SELECT * FROM (query)`.
fn apart(query: Query) -> Result<Query> {
    let mut outer = parsed("SELECT * FROM (SELECT 1) AS of_with")?;
    if let SetExpr::Select(select) = outer.body.as_mut()
        && let Some(TableFactor::Derived { subquery, .. }) = select.from.first_mut().map(|from| &mut from.relation)
    {
        **subquery = query;
    }
    Ok(*outer)
}

/// A term with WITH before it.
fn within(term: &mut SetExpr, with: Option<With>) -> Result<()> {
    let mut query = parsed("SELECT 1")?;
    std::mem::swap(query.body.as_mut(), term);
    query.with = with;
    *term = SetExpr::Query(query);
    Ok(())
}

fn of_form(query: &Query, name: &str) -> Result<()> {
    let SetExpr::SetOperation { op: SetOperator::Union, left, right, .. } = query.body.as_ref() else {
        return Err(invalid(format!("recursive query \"{name}\" does not have the form non-recursive-term UNION [ALL] recursive-term")));
    };
    if reads(left, name) > 0 {
        return Err(misplaced(name, "within its non-recursive term"));
    }
    let (limit, offset) = match &query.limit_clause {
        Some(LimitClause::LimitOffset { limit, offset, .. }) => (limit.is_some(), offset.is_some()),
        other => (other.is_some(), false),
    };
    let clauses = [("ORDER BY", query.order_by.is_some()), ("OFFSET", offset), ("LIMIT", limit || query.fetch.is_some())];
    if let Some((clause, _)) = clauses.iter().find(|(_, is_there)| *is_there) {
        return Err(Error::unsupported(format!("{clause} in a recursive query is not implemented")));
    }
    let found = of_body(right, name)?;
    if found < reads(right, name) {
        return Err(misplaced(name, "within a subquery"));
    }
    if found > 1 {
        return Err(misplaced(name, "more than once"));
    }
    Ok(())
}

/// The same of a query within, whose WITH may read them in the place of its FROM.
fn of_query(query: &Query, name: &str) -> Result<usize> {
    if hides(query, name) {
        return Ok(0);
    }
    let of_with = query.with.iter().flat_map(|with| &with.cte_tables).map(|cte| of_query(&cte.query, name)).sum::<Result<usize>>()?;
    Ok(of_with + of_body(&query.body, name)?)
}

/// True if the query's WITH names another query so.
fn hides(query: &Query, name: &str) -> bool {
    query.with.iter().flat_map(|with| &with.cte_tables).any(|cte| fold_name(&cte.alias.name) == name)
}

/// How often FROM reads the query's own rows where it may.
fn of_body(body: &SetExpr, name: &str) -> Result<usize> {
    match body {
        SetExpr::Select(select) => of_select(select, name),
        SetExpr::Query(query) => of_query(query, name),
        SetExpr::SetOperation { op, left, right, .. } => {
            if *op == SetOperator::Except && reads(right, name) > 0 {
                return Err(misplaced(name, "within EXCEPT"));
            }
            Ok(of_body(left, name)? + of_body(right, name)?)
        }
        _ => Ok(0),
    }
}

fn of_select(select: &Select, name: &str) -> Result<usize> {
    let found = select.from.iter().map(|from| of_joined(from, name)).sum::<Result<usize>>()?;
    let mut aggregates = false;
    if found > 0 {
        let mut within = (select.projection.clone(), select.having.clone());
        let mut look = |expr: &mut Expr, queries: usize| aggregates |= queries == 0 && is_aggregate(expr);
        each_expression(&mut within.0, &mut look);
        each_expression(&mut within.1, &mut look);
    }
    if aggregates {
        return Err(invalid("aggregate functions are not allowed in a recursive query's recursive term".into()));
    }
    Ok(found)
}

fn of_joined(from: &TableWithJoins, name: &str) -> Result<usize> {
    use JoinOperator as J;
    let mut found = of_factor(&from.relation, name)?;
    for join in &from.joins {
        let of_right = of_factor(&join.relation, name)?;
        let is_wrong = match &join.join_operator {
            J::Left(_) | J::LeftOuter(_) => of_right > 0,
            J::Right(_) | J::RightOuter(_) => found > 0,
            J::FullOuter(_) => found + of_right > 0,
            _ => false,
        };
        if is_wrong {
            return Err(misplaced(name, "within an outer join"));
        }
        found += of_right;
    }
    Ok(found)
}

fn of_factor(factor: &TableFactor, name: &str) -> Result<usize> {
    match factor {
        TableFactor::Table { name: table, args: None, .. } => Ok(usize::from(is_named(table, name))),
        TableFactor::Derived { subquery, .. } => of_query(subquery, name),
        TableFactor::NestedJoin { table_with_joins, .. } => of_joined(table_with_joins, name),
        _ => Ok(0),
    }
}

fn is_named(table: &ObjectName, name: &str) -> bool {
    table.0.len() == 1 && last_name(table) == name
}

/// How often a part of a statement reads a relation of that name, but for places where a WITH of its own names another so.
pub(super) fn reads(part: &impl Visit, name: &str) -> usize {
    let mut reads = Reads { name, hidden: 0, found: 0 };
    let _ = part.visit(&mut reads);
    reads.found
}

struct Reads<'a> {
    name: &'a str,
    /// Queries around a place whose WITH has the name.
    hidden: usize,
    found: usize,
}

impl Visitor for Reads<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.hidden += usize::from(hides(query, self.name));
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.hidden -= usize::from(hides(query, self.name));
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, table: &ObjectName) -> ControlFlow<()> {
        self.found += usize::from(self.hidden == 0 && is_named(table, self.name));
        ControlFlow::Continue(())
    }
}

fn misplaced(name: &str, place: &str) -> Error {
    invalid(format!("recursive reference to query \"{name}\" must not appear {place}"))
}

fn invalid(message: String) -> Error {
    Error::new(code::INVALID_RECURSION, message)
}
