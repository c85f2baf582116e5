//! pg_class: every relation, index and sequence.

use super::super::acl::relation_acl;
use super::super::facts::{SHAPES, Shape};
use super::super::keys::{IndexEntry, indexes};
use super::super::names::{OWNER, ROW_TYPE, relkind};
use super::super::rows::{Cell, Rows};
use super::super::{RelationStatus, SystemContext};
use crate::catalog::{Relation, RelationKind, Rule, Sequence};
use crate::error::Result;

/// Access methods, as in pg_am.
const HEAP: u32 = 2;
const BTREE: u32 = 403;

pub fn pg_class(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for shape in SHAPES.iter() {
        system(context, shape, rows)?;
    }
    for relation in context.scope.relations() {
        let status = context.relations.iter().find(|s| s.id == relation.id);
        user(context, relation, status, rows)?;
    }
    for entry in indexes(&context.scope) {
        let status = context.relations.iter().find(|s| s.id == entry.relation.id);
        index(&entry, status, rows)?;
    }
    context.scope.sequences.iter().try_for_each(|s| sequence(s, rows))
}

fn system(context: &SystemContext, shape: &Shape, rows: &mut Rows) -> Result<()> {
    let table = shape.kind == "r";
    rows.add([
        ("oid", shape.oid.into()),
        ("relname", shape.name.into()),
        ("relnamespace", context.scope.namespace_id(shape.schema).into()),
        ("relowner", OWNER.into()),
        ("relam", if table { HEAP } else { 0 }.into()),
        ("relfilenode", if table { shape.oid } else { 0 }.into()),
        ("reltuples", Cell::Float(-1.0)),
        ("relpersistence", "p".into()),
        ("relkind", shape.kind.into()),
        ("relnatts", shape.columns.len().into()),
        ("relhasrules", (!table).into()),
        ("relispopulated", true.into()),
        ("relreplident", "n".into()),
    ])
}

fn user(context: &SystemContext, relation: &Relation, status: Option<&RelationStatus>, rows: &mut Rows) -> Result<()> {
    let view = relation.kind == RelationKind::View;
    let derived = view || relation.kind == RelationKind::MaterializedView;
    rows.add([
        ("oid", relation.id.into()),
        ("relname", (&relation.name).into()),
        ("relnamespace", relation.namespace.into()),
        ("reltype", (relation.id + ROW_TYPE).into()),
        ("relowner", relation.owner.into()),
        ("relacl", relation_acl(context, relation)),
        ("relam", if view { 0 } else { HEAP }.into()),
        ("relfilenode", if view { 0 } else { relation.id }.into()),
        ("reltuples", tuples(status)),
        ("relhasindex", (!relation.key.is_empty() || !relation.indexes.is_empty() || !relation.constraints.is_empty()).into()),
        ("relchecks", relation.constraints.iter().filter(|c| matches!(c.rule, Rule::Check(_))).count().into()),
        ("relpersistence", "p".into()),
        ("relkind", relkind(relation.kind).into()),
        ("relnatts", relation.columns.len().into()),
        ("relhasrules", derived.into()),
        ("relhastriggers", is_in_foreign_key(context, relation).into()),
        ("relispopulated", true.into()),
        ("relreplident", if view { "n" } else { "d" }.into()),
    ])
}

/// True for both ends of a foreign key, which PostgreSQL enforces by triggers: clients ask for foreign keys only where there are some.
fn is_in_foreign_key(context: &SystemContext, relation: &Relation) -> bool {
    let parents = |r: &Relation| -> Vec<_> {
        let foreign =
            r.constraints.iter().filter_map(|c| if let Rule::ForeignKey(foreign) = &c.rule { Some(foreign.parent) } else { None });
        foreign.collect()
    };
    !parents(relation).is_empty() || context.scope.relations().any(|other| parents(other).contains(&relation.id))
}

fn sequence(sequence: &Sequence, rows: &mut Rows) -> Result<()> {
    rows.add([
        ("oid", sequence.id.into()),
        ("relname", (&sequence.name).into()),
        ("relnamespace", sequence.namespace.into()),
        ("relowner", OWNER.into()),
        ("relfilenode", sequence.id.into()),
        ("reltuples", Cell::Float(1.0)),
        ("relpersistence", "p".into()),
        ("relkind", "S".into()),
        ("relnatts", 3usize.into()),
        ("relispopulated", true.into()),
        ("relreplident", "n".into()),
    ])
}

fn index(index: &IndexEntry<'_>, status: Option<&RelationStatus>, rows: &mut Rows) -> Result<()> {
    rows.add([
        ("oid", index.oid.into()),
        ("relname", (&index.name).into()),
        ("relnamespace", index.relation.namespace.into()),
        ("relowner", index.relation.owner.into()),
        ("relam", BTREE.into()),
        ("relfilenode", index.oid.into()),
        ("reltuples", tuples(status)),
        ("relpersistence", "p".into()),
        ("relkind", "i".into()),
        ("relnatts", index.items.len().into()),
        ("relispopulated", true.into()),
        ("relreplident", "n".into()),
    ])
}

/// The row count as the planner's estimate; -1 is PostgreSQL's "not known".
fn tuples(status: Option<&RelationStatus>) -> Cell {
    Cell::Float(status.map_or(-1.0, |s| s.rows as f64))
}
