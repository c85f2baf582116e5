//! `FROM c AS score WHERE EXISTS (SELECT .. FROM c WHERE id = score.boss)`: the name before a dot is that of a table, wherever around it stands
//! (manual, chapter 4.2.1). The planner takes it for a column of a FROM further in, if there is one of that name, and looks for a field of it.
//! So it gets a schema before it, by which it is no column; tables without one in FROM are found by any.

use sqlparser::ast::{Expr, Ident, Query, Select, SetExpr, VisitMut};

use super::build::each_expression;
use super::columns::Columns;
use super::outer_aggregates::Scope;
use crate::sql::fold_name;

/// What stands for the schema; no column is called so.
const SCHEMA: &str = "$outer";

/// Tells apart the tables around a SELECT from columns of its own.
pub fn told_apart(select: &mut Select, around: &[Scope], columns: Columns<'_>) {
    let mut names = names(select, around);
    if !names.is_empty() {
        hidden(&mut names, &Scope::of(select, columns), around);
        qualified(select, &names);
    }
}

/// The same in ORDER BY of a query that is one SELECT.
pub fn of_order(query: &mut Query, around: &[Scope], columns: Columns<'_>) {
    let Query { body, order_by: Some(by), .. } = query else { return };
    let SetExpr::Select(select) = body.as_ref() else { return };
    let mut names = names(by, around);
    if !names.is_empty() {
        hidden(&mut names, &Scope::of(select, columns), around);
        qualified(by, &names);
    }
}

/// What is named before a dot and is the name of a table around.
fn names(part: &mut impl VisitMut, around: &[Scope]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    if around.is_empty() {
        return names;
    }
    each_expression(part, |expr, queries| {
        let table = table(expr).filter(|table| queries == 0 && around.iter().any(|scope| scope.has(Some(table), "")));
        names.extend(table.filter(|table| !names.contains(table)));
    });
    names
}

/// Keeps the names of which there is a column further in than the table.
fn hidden(names: &mut Vec<String>, own: &Scope, around: &[Scope]) {
    let hides = |scope: &Scope, name: &str| !scope.has(Some(name), "") && scope.has(None, name);
    names.retain(|name| !own.has(Some(name), "") && (hides(own, name) || around.iter().any(|scope| hides(scope, name))));
}

fn qualified(part: &mut impl VisitMut, names: &[String]) {
    each_expression(part, |expr, queries| {
        let is_outer = queries == 0 && table(expr).is_some_and(|table| names.contains(&table));
        if let Expr::CompoundIdentifier(parts) = expr
            && is_outer
        {
            parts.insert(0, Ident::with_quote('"', SCHEMA));
        }
    });
}

/// The table before the name of a column.
fn table(expr: &Expr) -> Option<String> {
    match expr {
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [table, _] => Some(fold_name(table)),
            _ => None,
        },
        _ => None,
    }
}
