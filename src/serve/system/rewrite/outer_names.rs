//! `FROM c AS score WHERE EXISTS (SELECT .. FROM c WHERE id = score.boss)`: the name before a dot is that of a table, wherever around it stands
//! (manual, chapter 4.2.1). The planner takes it for a column of a FROM further in, if there is one of that name, and looks for a field of it.
//! So it gets a schema before it, by which it is no column; tables without one in FROM are found by any.

use sqlparser::ast::{Expr, Ident, Select};

use super::build::each_expression;
use super::columns::Columns;
use super::outer_aggregates::Scope;
use crate::sql::fold_name;

/// What stands for the schema; no column is called so.
const SCHEMA: &str = "$outer";

/// Tells apart the tables around a SELECT from columns of its own.
pub fn told_apart(select: &mut Select, around: &[Scope], columns: Columns<'_>) {
    if around.is_empty() {
        return;
    }
    let mut names: Vec<String> = Vec::new();
    each_expression(select, |expr, queries| {
        let table = table(expr).filter(|table| queries == 0 && around.iter().any(|scope| scope.has(Some(table), "")));
        names.extend(table.filter(|table| !names.contains(table)));
    });
    if names.is_empty() {
        return;
    }
    let own = Scope::of(select, columns);
    let hides = |scope: &Scope, name: &str| !scope.has(Some(name), "") && scope.has(None, name);
    names.retain(|name| !own.has(Some(name), "") && (hides(&own, name) || around.iter().any(|scope| hides(scope, name))));
    each_expression(select, |expr, queries| {
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
