//! `(SELECT oid FROM pg_namespace WHERE nspname = c.table_schema)` is `namespace_oid(c.table_schema)`: GORM and Drizzle look up what a
//! name stands for two subqueries deep, and DataFusion lets one name the query around it, and not the one around that.

use sqlparser::ast::{BinaryOperator, Expr, Select, SelectItem, TableFactor};

use super::super::SystemContext;
use super::build::{bare, call, column_name, last_name, take};
use super::queries::plain_select;
use crate::error::Result;

/// The oid of a schema by its name, as a call.
pub fn namespace(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::Subquery(query) = expr else { return Ok(()) };
    if let Some(name) = plain_select(query).and_then(looked_up) {
        *expr = call("namespace_oid", vec![name]);
    }
    Ok(())
}

fn looked_up(select: &mut Select) -> Option<Expr> {
    let [from] = select.from.as_slice() else { return None };
    let is_catalog = matches!(&from.relation, TableFactor::Table { name, args: None, .. } if last_name(name) == "pg_namespace");
    let oid = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(e) if column_name(e).is_some_and(|name| name == "oid"));
    if !is_catalog || !from.joins.is_empty() || select.projection.len() != 1 || !select.projection.iter().all(oid) {
        return None;
    }
    let Some(Expr::BinaryOp { left, op: BinaryOperator::Eq, right }) = &mut select.selection else { return None };
    let is_name = |e: &Expr| column_name(e).is_some_and(|name| name == "nspname");
    let outer = |e: &Expr| matches!(bare(e), Expr::CompoundIdentifier(_));
    match (is_name(left), is_name(right)) {
        (true, false) if outer(right) => Some(take(right)),
        (false, true) if outer(left) => Some(take(left)),
        _ => None,
    }
}
