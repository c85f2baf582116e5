//! System columns (manual, chapter 5.5), which clients ask of catalogs and of tables.
//!
//! `tableoid` is the number of what FROM names, so it is written down; for a partitioned table, that of the partition whose bound the row satisfies. `xmin` of a row of a catalog is the position of the log as of the
//! statement: whoever looks for what changed since (`age(xmin) <= ..`) finds everything, and misses nothing.
//!
//! `xmin` and `ctid` of a row of a table are made of the position of the event that it is as of, of one of a stream of its own: so they
//! tell whether a row was changed since it was read, and which rows were changed last. `xmin` of the rows of a transaction that was asked for its number is
//! that number, before it ends and after; its `ctid` is provisional until it ends. Rows of views have none, and are refused with what to use instead.

use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{self, CaseWhen, Expr, Ident, OrderByKind, Query, Select, SelectItem, SetExpr, TableFactor, VisitMut};

use super::super::facts;
use super::super::{STAND_IN, STANDS_FOR, SystemContext};
use super::Ctes;
use super::build::{call, column_of, each_expression, last_name, take, when, with_optional};
use super::casts::oid_literal;
use super::queries::name_of_item;
use crate::catalog::{Name, Relation, RelationKind};
use crate::data::{OFFSET, POSITION};
use crate::error::{Error, Result};
use crate::func::PARTITION_OID;
use crate::sql::convert::relation_name;
use crate::sql::fold_name;
use crate::sql::hidden::SYSTEM;
use crate::sql::parse::written_expression;

/// The system column that everything has.
const TABLEOID: &str = "tableoid";

/// What FROM names.
struct Named {
    alias: String,
    oid: u32,
    /// Of a partitioned table: its partitions, and what their rows satisfy.
    partitions: Vec<(u32, Expr)>,
    catalog: bool,
    /// The hidden columns that say since when its rows are as they are, and which row one is.
    place: Option<[&'static str; 2]>,
    /// True for rows that the statement has written.
    written: bool,
    /// Columns of its own that are called so.
    own: Vec<String>,
    /// Where an outer join may leave no row: a column that tells whether there is one, if any does.
    present: Option<Option<String>>,
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
        if let Some(name) = system_column(within_casts(expr)).map(|(_, column)| column.clone()) {
            *item = SelectItem::ExprWithAlias { expr: take(expr), alias: name };
        }
    }
    replaced(select, &named, alone)
}

/// The same for the ORDER BY of a query that is one SELECT, where a name alone is an output column's first.
pub fn of_order(query: &mut Query, ctes: &Ctes, context: &SystemContext) -> Result<()> {
    let SetExpr::Select(select) = query.body.as_ref() else { return Ok(()) };
    let Some(OrderByKind::Expressions(by)) = query.order_by.as_mut().map(|by| &mut by.kind) else { return Ok(()) };
    let factors: Vec<(&TableFactor, bool)> = select.from.iter().flat_map(with_optional).collect();
    let alone = factors.len() == 1;
    let named: Vec<Named> = factors.into_iter().filter_map(|(factor, outer)| named_by(factor, outer, ctes, context)).collect();
    let outputs: Vec<String> = select.projection.iter().filter_map(name_of_item).collect();
    let is_output = |expr: &Expr| matches!(expr, Expr::Identifier(name) if outputs.contains(&fold_name(name)));
    by.iter_mut().filter(|one| !is_output(&one.expr)).try_for_each(|one| replaced(one, &named, alone))
}

/// Puts in what such columns are. `alone`: FROM has one relation.
fn replaced(node: &mut impl VisitMut, named: &[Named], alone: bool) -> Result<()> {
    let mut refused = None;
    each_expression(node, |expr, subqueries| match value(named, expr, alone && subqueries == 0) {
        Some(Ok(value)) => *expr = value,
        Some(Err(error)) => {
            refused.get_or_insert(error);
        }
        None => {}
    });
    refused.map_or(Ok(()), Err)
}

/// What a table in FROM is; `None` for what has no such columns, or none whose row may be missing.
fn named_by(factor: &TableFactor, outer: bool, ctes: &Ctes, context: &SystemContext) -> Option<Named> {
    let TableFactor::Table { name, alias, args: None, .. } = factor else { return None };
    let alias = alias.as_ref().map_or_else(|| last_name(name), |a| fold_name(&a.name));
    let relation = relation_name(name).ok().filter(|name| !ctes.has(name))?;
    let stands_in = stood_for(&relation, context);
    let found = context.scope.find(&relation).or(stands_in.map(|(stood_for, _)| stood_for));
    let place = found.and_then(|relation| place_of(relation, stands_in.map(|(_, columns)| columns)));
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
    own.retain(|name| is_system(name));
    if outer && telling.is_none() && place.is_none() {
        return None;
    }
    let present = outer.then_some(telling);
    let written = stands_in.is_some() && relation.name.starts_with(STAND_IN);
    let leaves = found.filter(|relation| relation.partitioning.is_some()).map(|relation| context.scope.leaves(relation));
    let partitions = leaves.into_iter().flatten().filter_map(|(id, condition)| Some((id, of_alias(&condition, &alias)?))).collect();
    Some(Named { alias, oid, partitions, catalog, place, written, own, present })
}

/// The relation that something stands in for in this statement, the target of UPDATE or DELETE, and the rows of RETURNING; and its columns.
fn stood_for<'a>(name: &Name, context: &'a SystemContext) -> Option<(&'a Arc<Relation>, &'a [String])> {
    let (_, columns) = context.stand_ins.iter().find(|(known, _)| name.schema.is_none() && *known == name.name)?;
    let relation = context.scope.by_id(name.name.rsplit_once(STANDS_FOR)?.1.parse().ok()?)?;
    Some((relation, columns))
}

/// The hidden columns that say since when a row of a relation is as it is, and which one it is. `columns`: of what stands in for it.
fn place_of(relation: &Relation, columns: Option<&[String]>) -> Option<[&'static str; 2]> {
    let place = match relation.kind {
        // Events that a derived stream has of one event have its position.
        RelationKind::Stream => [POSITION, OFFSET],
        RelationKind::Table if relation.ksql.is_none() => [POSITION, POSITION],
        _ => return None,
    };
    let has = |columns: &[String]| place.iter().all(|name| columns.iter().any(|column| column == name));
    columns.is_none_or(has).then_some(place)
}

fn catalog(name: &Name) -> Option<&'static facts::Shape> {
    name.schema.as_deref().is_none_or(|schema| schema == "pg_catalog").then(|| facts::find("pg_catalog", &name.name)).flatten()
}

fn is_system(name: &str) -> bool {
    name == TABLEOID || SYSTEM.contains(&name)
}

/// What is cast, by which a column is called.
fn within_casts(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast { expr, .. } => within_casts(expr),
        other => other,
    }
}

/// The table, if one is named, and the name of a column that is called as one of these is.
fn system_column(expr: &Expr) -> Option<(Option<&Ident>, &Ident)> {
    let (table, column) = match expr {
        Expr::Identifier(column) => (None, column),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [table, column] => (Some(table), column),
            _ => return None,
        },
        _ => return None,
    };
    is_system(&column.value).then_some((table, column))
}

/// What FROM names that such a column is of, which has none of its own that is called so. Without a table before it, it is of the `only` one in
/// FROM: of several, another may have a column of that name.
fn source<'a>(tables: &'a [Named], table: Option<&Ident>, column: &Ident, only: bool) -> Option<&'a Named> {
    let named = match table {
        Some(table) => tables.iter().find(|n| n.alias == fold_name(table))?,
        None if only => tables.first()?,
        None => return None,
    };
    (!named.own.contains(&column.value)).then_some(named)
}

/// What such a column is; `None` for another expression. Errors: 0A000 for one that rows do not have.
fn value(tables: &[Named], expr: &Expr, only: bool) -> Option<Result<Expr>> {
    let (table, column) = system_column(expr)?;
    let named = source(tables, table, column, only)?;
    let value = match (column.value.as_str(), named.place) {
        (TABLEOID, _) => table_of(named),
        // Without a row there is no place, and so no number.
        ("xmin", Some([position, _])) => return Some(Ok(call("row_xmin", vec![column_of(&named.alias, position)]))),
        ("ctid", Some([_, row])) => return Some(Ok(call("row_ctid", vec![column_of(&named.alias, row)]))),
        ("xmax", Some(_)) if named.written => return Some(Err(xmax_of_written())),
        ("xmax", Some([position, _])) => return Some(Ok(call("row_xmax", vec![column_of(&named.alias, position)]))),
        (_, Some([position, _])) => return Some(Ok(call("row_cid", vec![column_of(&named.alias, position)]))),
        ("xmin", None) if named.catalog => call("catalog_xmin", vec![]),
        (name, None) => return Some(Err(refused(name))),
    };
    let Some(present) = &named.present else { return Some(Ok(value)) };
    let present = present.as_ref()?;
    Some(Ok(when(Expr::IsNotNull(Box::new(column_of(&named.alias, present))), value)))
}

/// The table that a row is in: of those of a partitioned one, the partition.
fn table_of(named: &Named) -> Expr {
    if named.partitions.is_empty() {
        return oid_literal(named.oid);
    }
    let each = named.partitions.iter().map(|(id, condition)| CaseWhen { condition: condition.clone(), result: oid_literal(*id) });
    let partition = Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: each.collect(),
        else_result: None,
    };
    call(PARTITION_OID, vec![partition])
}

/// A condition over columns, with what they are of before them.
fn of_alias(condition: &str, alias: &str) -> Option<Expr> {
    let mut condition = written_expression(condition).ok()?;
    let _ = ast::visit_expressions_mut(&mut condition, |expr| {
        if let Expr::Identifier(column) = expr {
            *expr = Expr::CompoundIdentifier(vec![Ident::with_quote('"', alias), column.clone()]);
        }
        ControlFlow::<()>::Continue(())
    });
    Some(Expr::Nested(Box::new(condition)))
}

/// In PostgreSQL it tells rows that ON CONFLICT has updated from those that were inserted.
fn xmax_of_written() -> Error {
    Error::unsupported("system column \"xmax\" is not supported in RETURNING")
        .hint("It does not tell whether ON CONFLICT has inserted or updated a row: return a column that its SET changes.")
}

fn refused(column: &str) -> Error {
    let hint = "Rows of tables and streams have it, not those of views, of catalogs, and in RETURNING of DELETE, MERGE and WITH.";
    Error::unsupported(format!("system column \"{column}\" is not supported here")).hint(hint)
}
