//! `(SELECT unnest(c.keys) AS k, upper(c.name) AS name FROM t c) q`: below an unnest of the SELECT list the planner keeps what the list
//! computes beside the columns of FROM, where an alias that is a column's name is ambiguous. So such columns get their names above it.

use hashbrown::HashSet;
use sqlparser::ast::{Expr, Ident, Query, Select, SelectItem, SetExpr, TableAliasColumnDef, TableFactor, visit_expressions};
use std::ops::ControlFlow;

use super::build::{factors, last_name, take};
use super::columns::Columns;
use super::outer_aggregates::Scope;
use super::queries::{DUPLICATE, label, table_name};
use super::series;
use crate::sql::fold_name;

/// Names the columns of a derived table that expands a set behind its alias, and those that it computes otherwise within; and those of
/// LATERAL within, where the planner would name them otherwise.
pub fn name_derived(factor: &mut TableFactor, columns: Columns<'_>) {
    let TableFactor::Derived { subquery, alias: Some(alias), lateral, .. } = factor else { return };
    if alias.columns.is_empty()
        && let Some(names) = renamed(subquery)
    {
        alias.columns = names.into_iter().map(|name| TableAliasColumnDef { name, data_type: None }).collect();
    } else if *lateral && let SetExpr::Select(select) = subquery.body.as_mut() {
        name_computed(select, columns);
    }
}

/// Gives aliases to the expressions of a SELECT list, and to its columns of what is around it.
fn name_computed(select: &mut Select, columns: Columns<'_>) {
    let scope = Scope::of(select, columns);
    let own: Vec<String> = factors(&select.from).filter_map(table_name).collect();
    let mut seen: HashSet<String> = select.projection.iter().filter_map(name).map(|name| name.value).collect();
    for item in &mut select.projection {
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        let stays = match expr {
            Expr::Identifier(column) => !scope.is_whole() || scope.has(None, &fold_name(column)),
            Expr::CompoundIdentifier(parts) => parts.iter().nth_back(1).is_none_or(|table| own.contains(&table.value)),
            _ => false,
        };
        // The first of a name has it; the others keep what the planner calls them.
        if !stays && seen.remove(&label(expr)) {
            let alias = Ident::with_quote('"', label(expr));
            *item = SelectItem::ExprWithAlias { expr: take(expr), alias };
        }
    }
}

/// The names that the columns had; `None` if they are left as they are.
fn renamed(query: &mut Query) -> Option<Vec<Ident>> {
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    if query.order_by.is_some() || !select.projection.iter().any(is_set) || !is_plain(select) {
        return None;
    }
    let names = select.projection.iter().map(name).collect::<Option<Vec<Ident>>>()?;
    for (i, item) in select.projection.iter_mut().enumerate() {
        if let SelectItem::ExprWithAlias { expr, alias } = item
            && !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
        {
            *alias = Ident::with_quote('"', format!("{}{DUPLICATE}{i}", alias.value));
        }
    }
    Some(names)
}

/// True if nothing but the SELECT list can name an alias of it.
fn is_plain(select: &Select) -> bool {
    select.distinct.is_none() && matches!(&select.group_by, sqlparser::ast::GroupByExpr::Expressions(e, _) if e.is_empty())
}

fn is_set(item: &SelectItem) -> bool {
    let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else { return false };
    let found = visit_expressions(expr, |e| match e {
        Expr::Function(f) if series::is_set(&last_name(&f.name)) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

fn name(item: &SelectItem) -> Option<Ident> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.clone()),
        SelectItem::UnnamedExpr(Expr::Identifier(column)) => Some(column.clone()),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().cloned(),
        SelectItem::UnnamedExpr(expr) => Some(Ident::with_quote('"', label(expr))),
        _ => None,
    }
}
