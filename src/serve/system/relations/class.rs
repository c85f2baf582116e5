//! pg_class: every relation, index and sequence, and composite types.

use std::sync::Arc;

use hashbrown::HashSet;

use super::super::acl::{relation_acl, sequence_acl};
use super::super::facts::{self, SHAPES, Shape};
use super::super::keys::{IndexEntry, indexes};
use super::super::names::{OWNER, ROW_TYPE, relkind};
use super::super::rows::{Cell, Rows};
use super::super::{RelationStatus, SystemContext};
use crate::catalog::{Relation, RelationId, RelationKind, Rule, Sequence, TEMPORARY_NAMESPACE, UserType};
use crate::error::Result;

/// The access method of tables, as in pg_am.
const HEAP: u32 = 2;

pub fn pg_class(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for shape in SHAPES.iter() {
        system(context, shape, rows)?;
    }
    let with_triggers = in_foreign_keys(context);
    for relation in context.scope.relations() {
        let status = context.progress.relations.iter().find(|s| s.id == relation.id);
        let has_triggers = !relation.triggers.is_empty() || with_triggers.contains(&relation.id);
        user(context, relation, status, has_triggers, rows)?;
    }
    for entry in indexes(&context.scope) {
        let status = context.progress.relations.iter().find(|s| s.id == entry.relation.id);
        index(&entry, status, rows)?;
    }
    context.scope.sequences.iter().try_for_each(|s| sequence(context, s, rows))?;
    context.scope.user_types().try_for_each(|ty| ty.attributes().map_or(Ok(()), |attributes| composite(ty, attributes.len(), rows)))
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

fn user(context: &SystemContext, relation: &Relation, status: Option<&RelationStatus>, has_triggers: bool, rows: &mut Rows) -> Result<()> {
    let view = relation.kind == RelationKind::View;
    let derived = view || relation.kind == RelationKind::MaterializedView;
    // What is partitioned has rows in its partitions only, as PostgreSQL sees it.
    let stored = !view && relation.partitioning.is_none();
    let parent = relation.parent().and_then(|parent| context.scope.by_id(parent));
    let bound = parent.and_then(|parent| Some(relation.bound.as_ref()?.shown(parent.partitioning.as_deref()?, &parent.columns)));
    rows.add([
        ("oid", relation.id.into()),
        ("relname", (&relation.name).into()),
        ("relnamespace", relation.namespace.into()),
        ("reltype", (relation.id + ROW_TYPE).into()),
        ("relowner", relation.owner.into()),
        ("relacl", relation_acl(context, relation)),
        ("relam", relation.kind.access_method().filter(|_| stored).map_or(0, |(oid, _)| oid).into()),
        ("relfilenode", if stored { relation.id } else { 0 }.into()),
        ("reltuples", tuples(status)),
        ("relhasindex", (!relation.key.is_empty() || !relation.indexes.is_empty() || !relation.constraints.is_empty()).into()),
        ("relchecks", relation.constraints.iter().filter(|c| matches!(c.rule, Rule::Check(_))).count().into()),
        ("relpersistence", if relation.namespace == TEMPORARY_NAMESPACE { "t" } else { "p" }.into()),
        ("relkind", relkind(relation).into()),
        ("relnatts", relation.columns.len().into()),
        ("relhasrules", derived.into()),
        ("relhastriggers", has_triggers.into()),
        ("relrowsecurity", relation.security.enabled.into()),
        ("relforcerowsecurity", relation.security.forced.into()),
        ("relispopulated", true.into()),
        ("relhassubclass", (relation.partitioning.is_some() && context.scope.partitions(relation.id).next().is_some()).into()),
        ("relispartition", relation.is_partition().into()),
        ("relpartbound", bound.into()),
        ("relreplident", if view { "n" } else { "d" }.into()),
        ("reloptions", options(&relation.view_options.shown())),
    ])
}

/// The tables at either end of a foreign key, which PostgreSQL enforces by triggers: clients ask for foreign keys only of those.
fn in_foreign_keys(context: &SystemContext) -> HashSet<RelationId> {
    let ends = |relation: &Arc<Relation>| {
        let foreign = |rule: &Rule| if let Rule::ForeignKey(foreign) = rule { Some([relation.id, foreign.parent]) } else { None };
        relation.constraints.iter().filter_map(|c| foreign(&c.rule)).flatten().collect::<Vec<_>>()
    };
    context.scope.relations().flat_map(ends).collect()
}

fn sequence(context: &SystemContext, sequence: &Sequence, rows: &mut Rows) -> Result<()> {
    rows.add([
        ("oid", sequence.id.into()),
        ("relname", (&sequence.name).into()),
        ("relnamespace", sequence.namespace.into()),
        ("relowner", context.scope.sequence_owner(sequence).into()),
        ("relacl", sequence_acl(context, sequence)),
        ("relfilenode", sequence.id.into()),
        ("reltuples", Cell::Float(1.0)),
        ("relpersistence", "p".into()),
        ("relkind", "S".into()),
        ("relnatts", 3usize.into()),
        ("relispopulated", true.into()),
        ("relreplident", "n".into()),
    ])
}

/// A composite type, as a relation without rows.
fn composite(ty: &UserType, attributes: usize, rows: &mut Rows) -> Result<()> {
    rows.add([
        ("oid", (ty.id + ROW_TYPE).into()),
        ("relname", (&ty.name).into()),
        ("relnamespace", ty.namespace.into()),
        ("reltype", ty.id.into()),
        ("relowner", ty.owner.into()),
        ("reltuples", Cell::Float(0.0)),
        ("relpersistence", "p".into()),
        ("relkind", "c".into()),
        ("relnatts", attributes.into()),
        ("relispopulated", true.into()),
        ("relreplident", "n".into()),
    ])
}

fn index(index: &IndexEntry<'_>, status: Option<&RelationStatus>, rows: &mut Rows) -> Result<()> {
    rows.add([
        ("oid", index.oid.into()),
        ("relname", (&index.index.name).into()),
        ("relnamespace", index.relation.namespace.into()),
        ("relowner", index.relation.owner.into()),
        ("relam", facts::access_method(&index.index.method).map_or(0, |m| m.oid).into()),
        ("relfilenode", index.oid.into()),
        ("reltuples", tuples(status)),
        ("relpersistence", "p".into()),
        ("relkind", "i".into()),
        ("relnatts", index.width().into()),
        ("relispopulated", true.into()),
        ("relreplident", "n".into()),
        ("reloptions", options(&index.index.options)),
    ])
}

/// Storage parameters: `name=value` each.
fn options(options: &[(String, String)]) -> Cell {
    let options: Vec<Cell> = options.iter().map(|(name, value)| format!("{name}={value}").into()).collect();
    if options.is_empty() { Cell::Null } else { options.into() }
}

/// The row count as the planner's estimate; -1 is PostgreSQL's "not known".
fn tuples(status: Option<&RelationStatus>) -> Cell {
    Cell::Float(status.map_or(-1.0, |s| s.rows as f64))
}
