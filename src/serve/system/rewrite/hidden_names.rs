//! `SELECT f(c.oid) AS oid .. ORDER BY g(oid)`: to PostgreSQL a name means an output column only where it stands alone in ORDER BY, and in an
//! expression a column of FROM (manual, SELECT). DataFusion takes the two for one another. So an output column whose name stands in such an
//! expression gets a mark behind its name, as [`labels`](super::queries::labels) does it.
//!
//! Of the outermost query the mark is gone before anybody sees it ([`of_query`]); what is around a query in FROM or WITH names its columns, so
//! that they get their names back with its alias ([`of_part`]); those of a subquery in an expression are named by nobody ([`of_expression`]).

use std::ops::ControlFlow;

use hashbrown::HashSet;
use sqlparser::ast::{
    Expr, FunctionArguments, Ident, OrderByKind, Query, SelectItem, SetExpr, TableAlias, TableAliasColumnDef, visit_expressions,
};

use super::build::take;
use super::queries::{label, name_of_item};
use super::{DUPLICATE, SystemContext};
use crate::error::Result;
use crate::sql::fold_name;

/// Marks the output columns of a query that is one SELECT.
pub fn of_query(query: &mut Query) {
    let Some(OrderByKind::Expressions(by)) = query.order_by.as_mut().map(|o| &mut o.kind) else { return };
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    let mut hidden = HashSet::new();
    for one in by.iter().filter(|one| !matches!(one.expr, Expr::Identifier(_))) {
        let _ = visit_expressions(&one.expr, |e| {
            match e {
                Expr::CompoundIdentifier(parts) => hidden.extend(parts.last().map(fold_name)),
                Expr::Identifier(column) => hidden.extend([fold_name(column)]),
                _ => {}
            }
            ControlFlow::<()>::Continue(())
        });
    }
    for (i, item) in select.projection.iter_mut().enumerate() {
        let (expr, name) = match item {
            SelectItem::UnnamedExpr(e) => {
                let name = label(e);
                (take(e), name)
            }
            SelectItem::ExprWithAlias { expr, alias } => (take(expr), fold_name(alias)),
            _ => continue,
        };
        let itself = match &expr {
            Expr::Identifier(column) => fold_name(column) == name,
            Expr::CompoundIdentifier(parts) => parts.last().is_some_and(|p| fold_name(p) == name),
            _ => false,
        };
        if itself || !hidden.contains(&name) {
            match item {
                SelectItem::UnnamedExpr(e) | SelectItem::ExprWithAlias { expr: e, .. } => *e = expr,
                _ => {}
            }
            continue;
        }
        let alias = Ident::with_quote('"', format!("{name}{DUPLICATE}{i}"));
        for one in by.iter_mut().filter(|one| matches!(&one.expr, Expr::Identifier(n) if fold_name(n) == name)) {
            one.expr = Expr::Identifier(alias.clone());
        }
        *item = SelectItem::ExprWithAlias { expr, alias };
    }
}

/// The same for a query in FROM or WITH. Nothing is done for one with a star in its list, or two columns of one name.
pub fn of_part(query: &mut Query, alias: &mut TableAlias) {
    if query.order_by.is_none() || !alias.columns.is_empty() {
        return of_query(query);
    }
    let Some(names) = names(query).filter(|names| names.iter().collect::<HashSet<_>>().len() == names.len()) else { return };
    of_query(query);
    if self::names(query).is_none_or(|marked| marked != names) {
        let named = |name: String| TableAliasColumnDef { name: Ident::with_quote('"', name), data_type: None };
        alias.columns = names.into_iter().map(named).collect();
    }
}

/// The same for a subquery, or ARRAY of one.
pub fn of_expression(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    match expr {
        Expr::Subquery(query) | Expr::InSubquery { subquery: query, .. } => of_query(query),
        Expr::Function(f) => {
            if let FunctionArguments::Subquery(query) = &mut f.args {
                of_query(query);
            }
        }
        _ => {}
    }
    Ok(())
}

/// The names of the columns that a SELECT gives; `None` if it has a star.
fn names(query: &Query) -> Option<Vec<String>> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    select.projection.iter().map(name_of_item).collect()
}
