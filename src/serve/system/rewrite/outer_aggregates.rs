//! An aggregate whose arguments name columns of a query around its own alone is that query's (manual, chapter 4.2.7): `(SELECT sum(p.x) FROM o)`
//! groups `p`. The planner would group `o`, so `p` is grouped apart ([`super::outer_grouping`]); `(SELECT sum(p.x))`, which has no rows of
//! its own, is `sum(p.x)`. Where neither is seen to be possible it is refused.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Select, TableFactor, TableWithJoins, visit_expressions};

use super::super::facts::PROCS;
use super::aggregates::is_collected;
use super::build::{each_expression, factors, last_name, take};
use super::columns::Columns;
use super::queries::{contains_set, is_bare, only_item, plain_select, table_name};
use crate::error::{Error, Result};
use crate::sql::fold_name;

/// `(SELECT max(o.x) + 1)` without a FROM is `max(o.x) + 1` of the query around.
pub fn without_from(expr: &mut Expr) {
    let Expr::Subquery(query) = expr else { return };
    let Some(select) = plain_select(query).filter(|select| is_bare(select)) else { return };
    let Some(item) = only_item(select).filter(|item| !contains_set(item)) else { return };
    let (mut of_others, mut of_its_row) = (false, false);
    each_expression(item, |e, queries| {
        if queries > 0 {
            return;
        }
        if is_aggregate(e) {
            let names = names_columns(e);
            of_others |= names;
            of_its_row |= !names;
        }
        of_its_row |= matches!(e, Expr::Function(f) if f.over.is_some());
    });
    if of_others && !of_its_row {
        *expr = Expr::Nested(Box::new(take(item)));
    }
}

/// True for an expression that names a column outside of subqueries of its own.
fn names_columns(expr: &Expr) -> bool {
    let found = visit_expressions(expr, |e| match e {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(true),
        Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => ControlFlow::Break(false),
        _ => ControlFlow::Continue(()),
    });
    found.break_value() == Some(true)
}

/// What the FROM of a query has, for the queries within.
#[derive(Default)]
pub struct Scope {
    tables: Vec<String>,
    /// Columns of those tables whose columns are known.
    columns: Vec<String>,
    /// True if these are all tables and all columns.
    whole: bool,
}

impl Scope {
    pub fn of(select: &Select, columns: Columns<'_>) -> Scope {
        let mut scope = Scope { whole: true, ..Scope::default() };
        scope.extend(&select.from, columns);
        scope
    }

    fn extend(&mut self, from: &[TableWithJoins], columns: Columns<'_>) {
        for factor in factors(from) {
            match factor {
                TableFactor::NestedJoin { table_with_joins, alias: None } => {
                    self.extend(std::slice::from_ref(&**table_with_joins), columns);
                    continue;
                }
                TableFactor::Function { alias: Some(alias), .. } | TableFactor::UNNEST { alias: Some(alias), .. } => {
                    self.tables.push(fold_name(&alias.name));
                }
                other => match table_name(other) {
                    Some(name) => self.tables.push(name),
                    None => self.whole = false,
                },
            }
            match columns.of_factor(factor, 0) {
                Some(known) => self.columns.extend(known),
                None => self.whole = false,
            }
        }
    }

    /// True if all its columns are known.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// True if it may have a column of that name, or a table whose row it names.
    pub fn has(&self, table: Option<&str>, column: &str) -> bool {
        match table {
            Some(table) => self.tables.iter().any(|t| t == table),
            None => self.columns.iter().chain(&self.tables).any(|name| name == column),
        }
    }
}

/// Refuses such aggregates of a SELECT that stands within others, and answers its scope. Those of subqueries without a FROM become the SELECT's.
/// Errors: 0A000.
pub fn refused(select: &mut Select, around: &[Scope], columns: Columns<'_>) -> Result<Scope> {
    // Whether a SELECT is around others, and whether it has aggregates, is cheaper to know than its columns.
    let (mut queries, mut aggregates) = (false, Vec::new());
    each_expression(select, |expr, subqueries| {
        queries |= subqueries > 0;
        if subqueries == 0 {
            without_from(expr);
        }
    });
    each_expression(select, |expr, subqueries| {
        if subqueries == 0 && is_aggregate(expr) {
            aggregates.push(expr.clone());
        }
    });
    if !queries && (aggregates.is_empty() || around.is_empty()) {
        return Ok(Scope::default());
    }
    let scope = Scope::of(select, columns);
    if aggregates.iter().any(|aggregate| is_of_others(aggregate, &scope, around)) {
        return Err(not_supported());
    }
    Ok(scope)
}

pub fn not_supported() -> Error {
    Error::unsupported("an aggregate of columns of the query around its own is not supported")
        .hint("Compute it in the query whose columns they are, for instance in a subquery of FROM.")
}

/// True for the call of an aggregate that is no window function.
pub fn is_aggregate(expr: &Expr) -> bool {
    let Expr::Function(f) = expr else { return false };
    let name = last_name(&f.name);
    f.over.is_none() && (is_collected(f) || PROCS.iter().any(|p| p.kind == "a" && p.name == name))
}

/// True if the aggregate names columns, all of them of what is around.
fn is_of_others(aggregate: &Expr, own: &Scope, around: &[Scope]) -> bool {
    let Some(names) = names_of_aggregate(aggregate) else { return false };
    let is_outer = |(table, column): &(Option<String>, String)| {
        let table = table.as_deref();
        (own.whole || table.is_some()) && !own.has(table, column) && around.iter().any(|scope| scope.has(table, column))
    };
    !names.is_empty() && names.iter().all(is_outer)
}

/// The tables and names of the columns in an aggregate; `None` where it has more columns than it names.
pub fn names_of_aggregate(aggregate: &Expr) -> Option<Vec<(Option<String>, String)>> {
    let Expr::Function(f) = aggregate else { return None };
    let wild = |arg: &FunctionArg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(_)));
    if matches!(&f.args, FunctionArguments::List(list) if list.args.iter().any(wild)) {
        return None;
    }
    let mut names = Vec::new();
    let all = visit_expressions(aggregate, |expr| {
        // A query within has columns of its own.
        if matches!(expr, Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. }) {
            return ControlFlow::Break(());
        }
        names.extend(named(expr));
        ControlFlow::Continue(())
    });
    all.is_continue().then_some(names)
}

/// The table, where it is named, and the name of a column.
pub fn named(expr: &Expr) -> Option<(Option<String>, String)> {
    match expr {
        Expr::Identifier(name) => Some((None, fold_name(name))),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [.., table, column] => Some((Some(fold_name(table)), fold_name(column))),
            _ => None,
        },
        _ => None,
    }
}
