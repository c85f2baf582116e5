//! Partitioned tables and their partitions: pg_partitioned_table, pg_inherits.

use super::super::SystemContext;
use super::super::facts;
use super::super::rows::{Cell, Rows};
use super::keys::vector;
use crate::catalog::{Indexed, Partitioning, Relation, Strategy};
use crate::data::PgType;
use crate::error::Result;

pub fn pg_partitioned_table(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for relation in context.scope.relations() {
        let Some(by) = relation.partitioning.as_deref() else { continue };
        let types: Vec<PgType> = by.keys.iter().map(|key| Partitioning::type_of(key, &relation.columns)).collect();
        let method = facts::access_method(if by.strategy == Strategy::Hash { "hash" } else { "btree" });
        let class = |ty: &PgType| method.and_then(|method| facts::default_opclass(method, ty)).map_or(0, |(oid, _)| i64::from(oid));
        let known: Vec<_> = facts::types().collect();
        let collation = |ty: &PgType| known.iter().find(|t| facts::number(t[0]) == i64::from(ty.oid())).map_or(0, |t| facts::number(t[13]));
        rows.add([
            ("partrelid", relation.id.into()),
            ("partstrat", by.strategy.letter().into()),
            ("partnatts", by.keys.len().into()),
            ("partdefid", context.scope.default_partition(relation.id).map_or(0, |default| default.id).into()),
            ("partattrs", vector(by.keys.iter().map(|key| number(relation, key)))),
            ("partclass", vector(types.iter().map(class))),
            ("partcollation", vector(types.iter().map(collation))),
            ("partexprs", expressions(by)),
        ])?;
    }
    Ok(())
}

/// The number of a column from 1; 0 for an expression.
fn number(relation: &Relation, key: &Indexed) -> i64 {
    match key {
        Indexed::Column(name) => relation.columns.iter().position(|c| c.name == *name).map_or(0, |at| at as i64 + 1),
        Indexed::Expression { .. } => 0,
    }
}

/// The expressions of a key, as text; null if there are none.
fn expressions(by: &Partitioning) -> Cell {
    let texts = by.keys.iter().filter_map(|key| match key {
        Indexed::Expression { sql, .. } => Some(sql.as_str()),
        Indexed::Column(_) => None,
    });
    let texts: Vec<&str> = texts.collect();
    (!texts.is_empty()).then(|| texts.join(", ")).into()
}

pub fn pg_inherits(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for partition in context.scope.relations() {
        let Some(parent) = partition.parent() else { continue };
        rows.add([("inhrelid", partition.id.into()), ("inhparent", parent.into()), ("inhseqno", 1_i64.into())])?;
    }
    Ok(())
}
