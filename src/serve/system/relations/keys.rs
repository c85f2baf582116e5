//! Primary keys as PostgreSQL shows them: pg_index, pg_constraint, pg_indexes.

use super::super::SystemContext;
use super::super::facts;
use super::super::names::{CONSTRAINT, INDEX, PUBLIC, key_name, quote_ident};
use super::super::rows::{Cell, Rows};
use crate::catalog::Relation;
use crate::error::Result;

fn keyed(context: &SystemContext) -> impl Iterator<Item = &std::sync::Arc<Relation>> {
    context.catalog.relations().filter(|r| !r.key.is_empty())
}

/// `(client, seq)`.
pub fn key_columns(relation: &Relation) -> String {
    let names: Vec<_> = relation.key.iter().map(|k| quote_ident(&relation.columns[*k].name)).collect();
    names.join(", ")
}

/// The statement that would make the index of the primary key.
pub fn index_definition(relation: &Relation) -> String {
    let (index, table) = (quote_ident(&key_name(relation)), quote_ident(&relation.name));
    format!("CREATE UNIQUE INDEX {index} ON public.{table} USING btree ({})", key_columns(relation))
}

/// An int2vector or oidvector: numbers apart by blanks.
fn vector(values: impl Iterator<Item = i64>) -> Cell {
    values.map(|v| v.to_string()).collect::<Vec<_>>().join(" ").into()
}

pub fn pg_index(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    let classes: Vec<_> = facts::opclasses().collect();
    let collations: Vec<_> = facts::types().collect();
    for relation in keyed(context) {
        let types: Vec<i64> = relation.key.iter().map(|k| relation.columns[*k].ty.oid().into()).collect();
        let class = |ty: &i64| classes.iter().find(|c| facts::number(c[2]) == *ty).map_or(0, |c| facts::number(c[0]));
        let collation = |ty: &i64| collations.iter().find(|t| facts::number(t[0]) == *ty).map_or(0, |t| facts::number(t[13]));
        rows.add([
            ("indexrelid", (relation.id + INDEX).into()),
            ("indrelid", relation.id.into()),
            ("indnatts", relation.key.len().into()),
            ("indnkeyatts", relation.key.len().into()),
            ("indisunique", true.into()),
            ("indisprimary", true.into()),
            ("indimmediate", true.into()),
            ("indisvalid", true.into()),
            ("indisready", true.into()),
            ("indislive", true.into()),
            ("indkey", vector(relation.key.iter().map(|k| *k as i64 + 1))),
            ("indcollation", vector(types.iter().map(collation))),
            ("indclass", vector(types.iter().map(class))),
            ("indoption", vector(relation.key.iter().map(|_| 0))),
        ])?;
    }
    Ok(())
}

pub fn pg_constraint(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    keyed(context).try_for_each(|relation| {
        rows.add([
            ("oid", (relation.id + CONSTRAINT).into()),
            ("conname", key_name(relation).into()),
            ("connamespace", PUBLIC.into()),
            ("contype", "p".into()),
            ("convalidated", true.into()),
            ("conrelid", relation.id.into()),
            ("conindid", (relation.id + INDEX).into()),
            ("confupdtype", " ".into()),
            ("confdeltype", " ".into()),
            ("confmatchtype", " ".into()),
            ("conislocal", true.into()),
            ("connoinherit", true.into()),
            ("conkey", relation.key.iter().map(|k| Cell::Int(*k as i64 + 1)).collect::<Vec<_>>().into()),
        ])
    })
}

pub fn pg_indexes(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    keyed(context).try_for_each(|relation| {
        rows.add([
            ("schemaname", "public".into()),
            ("tablename", (&relation.name).into()),
            ("indexname", key_name(relation).into()),
            ("indexdef", index_definition(relation).into()),
        ])
    })
}
