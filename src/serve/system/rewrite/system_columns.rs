//! `tableoid` and `xmin` (manual, chapter 5.5), which clients ask of catalogs and of tables.
//!
//! `tableoid` is the number of what FROM names, so it is written down. `xmin` of a row of a catalog is the position of the log as of the
//! statement: whoever looks for what changed since (`age(xmin) <= ..`) finds everything, and misses nothing. Rows of tables have no `xmin`,
//! and nothing has a `ctid`: they are refused with what to use instead.

use std::sync::Arc;

use sqlparser::ast::{Expr, Ident, Select, SelectItem, TableFactor};

use super::super::facts;
use super::super::{STANDS_FOR, SystemContext};
use super::Ctes;
use super::build::{call, each_expression, last_name, take, when, with_optional};
use super::casts::oid_literal;
use crate::catalog::{Name, Relation};
use crate::error::{Error, Result};
use crate::sql::convert::relation_name;

/// The columns.
const NAMES: [&str; 2] = ["tableoid", "xmin"];
/// Those that rows do not have, `xmin` only those of catalogs.
const ABSENT: [&str; 5] = ["ctid", "xmin", "xmax", "cmin", "cmax"];

/// What FROM names.
struct Named {
    alias: String,
    oid: u32,
    catalog: bool,
    /// Columns of its own that are called so.
    own: Vec<String>,
    /// A column that tells whether there is a row, where an outer join may leave none.
    present: Option<String>,
}

/// Puts in what these columns of the relations in FROM are. Errors: 0A000 for one that rows do not have.
pub fn of_select(select: &mut Select, ctes: &Ctes, context: &SystemContext) -> Result<()> {
    let factors: Vec<(&TableFactor, bool)> = select.from.iter().flat_map(with_optional).collect();
    let alone = factors.len() == 1;
    let named: Vec<Named> = factors.into_iter().filter_map(|(factor, outer)| named_by(factor, outer, ctes, context)).collect();
    if named.is_empty() {
        return Ok(());
    }
    for item in &mut select.projection {
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        if let Some(name) = column_among(&NAMES, expr).map(|(_, column)| column.clone()) {
            *item = SelectItem::ExprWithAlias { expr: take(expr), alias: name };
        }
    }
    let mut refused = None;
    each_expression(select, |expr, subqueries| {
        let only = alone && subqueries == 0;
        match value(&named, expr, only) {
            Some(value) => *expr = value,
            None if refused.is_none() => refused = absent(&named, expr, only),
            None => {}
        }
    });
    refused.map_or(Ok(()), Err)
}

/// What a table in FROM is; `None` for what has no such columns, or none whose row may be missing.
fn named_by(factor: &TableFactor, outer: bool, ctes: &Ctes, context: &SystemContext) -> Option<Named> {
    let TableFactor::Table { name, alias, args: None, .. } = factor else { return None };
    let alias = alias.as_ref().map_or_else(|| last_name(name), |a| a.name.value.clone());
    let relation = relation_name(name).ok().filter(|name| !ctes.has(name))?;
    let found = context.scope.find(&relation).or_else(|| stood_for(&relation, context));
    let (oid, catalog, telling, mut own): (_, _, _, Vec<String>) = match (found, catalog(&relation)) {
        (Some(relation), _) => {
            let telling = relation.columns.iter().find(|c| !c.nullable).map(|c| c.name.clone());
            (relation.id, false, telling, relation.columns.iter().map(|c| c.name.clone()).collect())
        }
        (None, Some(shape)) => {
            let telling = shape.columns.iter().any(|c| c.0 == "oid").then(|| "oid".to_string());
            (shape.oid, true, telling, shape.columns.iter().map(|c| c.0.to_string()).collect())
        }
        (None, None) => return None,
    };
    own.retain(|name| NAMES.iter().chain(&ABSENT).any(|known| known == name));
    let present = if outer { Some(telling?) } else { None };
    Some(Named { alias, oid, catalog, own, present })
}

/// The relation that something stands in for in this statement: the target of UPDATE or DELETE, and the rows of RETURNING.
fn stood_for<'a>(name: &Name, context: &'a SystemContext) -> Option<&'a Arc<Relation>> {
    context.stand_ins.iter().find(|(known, _)| name.schema.is_none() && *known == name.name)?;
    context.scope.by_id(name.name.rsplit_once(STANDS_FOR)?.1.parse().ok()?)
}

fn catalog(name: &Name) -> Option<&'static facts::Shape> {
    name.schema.as_deref().is_none_or(|schema| schema == "pg_catalog").then(|| facts::find("pg_catalog", &name.name)).flatten()
}

/// The table, if one is named, and the name of a column that is one of these.
fn column_among<'a>(names: &[&str], expr: &'a Expr) -> Option<(Option<&'a Ident>, &'a Ident)> {
    let (table, column) = match expr {
        Expr::Identifier(column) => (None, column),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [table, column] => (Some(table), column),
            _ => return None,
        },
        _ => return None,
    };
    names.contains(&column.value.as_str()).then_some((table, column))
}

/// What FROM names that such a column is of, which has none of its own that is called so. Without a table before it, it is of the `only` one in
/// FROM: of several, another may have a column of that name.
fn source<'a>(tables: &'a [Named], table: Option<&Ident>, column: &Ident, only: bool) -> Option<&'a Named> {
    let named = match table {
        Some(table) => tables.iter().find(|n| n.alias == table.value)?,
        None if only => tables.first()?,
        None => return None,
    };
    (!named.own.contains(&column.value)).then_some(named)
}

/// The refusal of a column that rows do not have.
fn absent(tables: &[Named], expr: &Expr, only: bool) -> Option<Error> {
    let (table, column) = column_among(&ABSENT, expr)?;
    source(tables, table, column, only)?;
    let hint = match column.value.as_str() {
        "ctid" => "A row has no place of its own: name it by the columns of its key.",
        _ => "Rows bear no numbers of transactions: give them a column that says when they changed, or LISTEN to the table.",
    };
    Some(Error::unsupported(format!("system column \"{}\" is not supported", column.value)).hint(hint))
}

/// What such a column is; `None` for another expression.
fn value(tables: &[Named], expr: &Expr, only: bool) -> Option<Expr> {
    let (table, column) = column_among(&NAMES, expr)?;
    let named = source(tables, table, column, only)?;
    let value = match column.value.as_str() {
        "tableoid" => oid_literal(named.oid),
        _ if named.catalog => call("catalog_xmin", vec![]),
        _ => return None,
    };
    let Some(present) = &named.present else { return Some(value) };
    let present = Expr::CompoundIdentifier(vec![Ident::new(&named.alias), Ident::with_quote('"', present)]);
    Some(when(Expr::IsNotNull(Box::new(present)), value))
}
