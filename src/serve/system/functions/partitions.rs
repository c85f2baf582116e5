//! What functions tell of partitioned tables and their partitions (manual, chapters 9.26.3 and 9.27.7).

use std::sync::Arc;

use super::Row;
use super::definitions::class;
use crate::catalog::Relation;
use crate::error::Result;
use crate::serve::system::SystemContext;
use crate::serve::system::deparse::{self, Style};
use crate::serve::system::rows::Cell;

fn relation<'a>(context: &'a SystemContext, row: Row) -> Result<Option<&'a Arc<Relation>>> {
    Ok(class(context, row)?.and_then(|oid| context.scope.by_id(oid)))
}

/// `RANGE (key, ..)`
pub fn key_definition(context: &SystemContext, row: Row) -> Result<Cell> {
    let definition = |relation: &Arc<Relation>| {
        let by = relation.partitioning.as_ref()?;
        let keys = by.keys.iter().map(|key| deparse::key(relation, key, Style::Whole));
        Some(format!("{} ({})", by.strategy.word(), keys.collect::<Vec<_>>().join(", ")))
    };
    Ok(relation(context, row)?.and_then(definition).into())
}

/// What the rows of a partition satisfy, that of its parent included.
pub fn constraint_definition(context: &SystemContext, row: Row) -> Result<Cell> {
    let condition = |relation: &Arc<Relation>| {
        let written = context.scope.written(relation);
        let entry = written.entry.as_ref()?;
        Some(deparse::expression(&entry.table, &format!("({})", entry.condition), Style::Whole))
    };
    Ok(relation(context, row)?.and_then(condition).into())
}

/// The table that a partition is of in the end; null for what has nothing to do with partitions.
pub fn root(context: &SystemContext, row: Row) -> Result<Cell> {
    let divided = relation(context, row)?.filter(|r| r.is_partition() || r.partitioning.is_some());
    Ok(divided.and_then(|r| context.scope.lineage(r).last()).map(|table| table.id).into())
}

/// A partition, its parent, and so on up to the table.
pub fn ancestors(context: &SystemContext, row: Row) -> Result<Cell> {
    let divided = relation(context, row)?.filter(|r| r.is_partition() || r.partitioning.is_some());
    let lineage = divided.map(|r| context.scope.lineage(r).map(|of| of.id.into()).collect::<Vec<Cell>>());
    Ok(lineage.unwrap_or_default().into())
}

/// A column of the tree of partitions below a relation, which any table has. PostgreSQL has no rows for what is no table.
fn tree(context: &SystemContext, row: Row, cell: impl Fn(&Arc<Relation>, usize) -> Cell, of_catalog: Cell) -> Result<Cell> {
    let Some(oid) = class(context, row)? else { return Ok(Cell::List(vec![])) };
    let Some(top) = context.scope.by_id(oid) else { return Ok(Cell::List(vec![of_catalog])) };
    let rows = context.scope.partition_tree(top).into_iter();
    Ok(rows.map(|(relation, level)| cell(relation, level)).collect::<Vec<_>>().into())
}

pub fn tree_relations(context: &SystemContext, row: Row) -> Result<Cell> {
    let own = class(context, row)?;
    tree(context, row, |relation, _| relation.id.into(), own.into())
}

pub fn tree_parents(context: &SystemContext, row: Row) -> Result<Cell> {
    tree(context, row, |relation, _| relation.parent().into(), Cell::Null)
}

pub fn tree_leaves(context: &SystemContext, row: Row) -> Result<Cell> {
    tree(context, row, |relation, _| relation.partitioning.is_none().into(), true.into())
}

pub fn tree_levels(context: &SystemContext, row: Row) -> Result<Cell> {
    tree(context, row, |_, level| level.into(), 0_usize.into())
}
