//! Schema everfold: what PostgreSQL has no catalog for: positions, lag, state, operators, segments.

use super::super::acl::{shown_error, shown_query};
use super::super::keys::key_columns;
use super::super::rows::Rows;
use super::super::{RelationStatus, SystemContext};
use super::listing::definition;

use crate::catalog::{Relation, RelationKind};
use crate::error::Result;

fn status(context: &SystemContext, relation: &Relation) -> RelationStatus {
    context.progress.relations.iter().find(|s| s.id == relation.id).cloned().unwrap_or_default()
}

/// The name of a relation, with its schema where that is not on the path.
fn name(context: &SystemContext, id: u32) -> Option<String> {
    context.scope.by_id(id).map(|r| context.scope.shown(r.namespace, &r.name).to_string())
}

pub fn streams(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for r in context.scope.relations().filter(|r| r.kind == RelationKind::Stream) {
        let s = status(context, r);
        let segments = || context.segments.iter().filter(|s| s.relation == r.id);
        rows.add([
            ("name", (&r.name).into()),
            ("schema", context.scope.namespace_name(r.namespace).into()),
            ("oid", r.id.into()),
            ("events", s.events.into()),
            ("end_position", s.position.into()),
            ("segments", segments().count().into()),
            ("segment_bytes", segments().map(|s| s.bytes).sum::<u64>().into()),
            ("columns", r.columns.len().into()),
        ])?;
    }
    Ok(())
}

pub fn tables(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for r in context.scope.relations().filter(|r| r.kind == RelationKind::Table) {
        let s = status(context, r);
        rows.add([
            ("name", (&r.name).into()),
            ("schema", context.scope.namespace_name(r.namespace).into()),
            ("oid", r.id.into()),
            ("key", (!r.key.is_empty()).then(|| key_columns(r)).into()),
            ("rows", s.rows.into()),
            ("events", s.events.into()),
            ("end_position", s.position.into()),
            ("state_bytes", s.state_bytes.into()),
            ("columns", r.columns.len().into()),
        ])?;
    }
    Ok(())
}

pub fn views(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for r in context.scope.relations().filter(|r| !r.is_table()) {
        let text = definition(context, r);
        if r.kind == RelationKind::View {
            // A plain view keeps nothing, so it is neither behind nor of any size.
            rows.add([
                ("name", (&r.name).into()),
                ("schema", context.scope.namespace_name(r.namespace).into()),
                ("oid", r.id.into()),
                ("materialized", false.into()),
                ("definition", text.into()),
            ])?;
            continue;
        }
        let s = status(context, r);
        rows.add([
            ("name", (&r.name).into()),
            ("schema", context.scope.namespace_name(r.namespace).into()),
            ("oid", r.id.into()),
            ("materialized", true.into()),
            ("state", s.state.into()),
            ("position", s.position.into()),
            ("lag", s.lag.into()),
            ("progress", s.progress.into()),
            ("rows", s.rows.into()),
            ("state_bytes", s.state_bytes.into()),
            ("file_bytes", s.file_bytes.into()),
            ("left_out", s.left_out.into()),
            ("failed_position", s.failed_position.into()),
            ("sqlstate", s.sqlstate.into()),
            ("error", shown_error(context, r, s.error).into()),
            ("definition", text.into()),
        ])?;
    }
    Ok(())
}

pub fn segments(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    context.segments.iter().try_for_each(|s| {
        rows.add([
            ("relation", name(context, s.relation).into()),
            ("relation_oid", s.relation.into()),
            ("file", (&s.file).into()),
            ("first_position", s.first_position.into()),
            ("end_position", s.end_position.into()),
            ("rows", s.rows.into()),
            ("bytes", s.bytes.into()),
            ("sha256", (&s.sha256).into()),
        ])
    })
}

pub fn dataflows(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    context.progress.operators.iter().try_for_each(|o| {
        rows.add([
            ("view", name(context, o.relation).into()),
            ("view_oid", o.relation.into()),
            ("ordinal", o.ordinal.into()),
            ("depth", o.depth.into()),
            ("operator", (&o.operator).into()),
            ("detail", (&o.detail).into()),
            ("rows_in", o.rows_in.into()),
            ("rows_out", o.rows_out.into()),
            ("state_bytes", o.state_bytes.into()),
            ("busy_us", o.busy_us.into()),
        ])
    })
}

pub fn settings(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    context.settings.iter().try_for_each(|(name, value, description)| {
        rows.add([("name", name.into()), ("value", value.into()), ("description", description.into())])
    })
}

pub fn sessions(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    context.sessions.iter().try_for_each(|s| {
        rows.add([
            ("process_id", s.process_id.into()),
            ("user_name", (&s.user).into()),
            ("database", (&s.database).into()),
            ("application", (&s.application).into()),
            ("state", (&s.state).into()),
            ("query", shown_query(context, s).into()),
            ("started", s.started_us.into()),
        ])
    })
}

pub fn dependencies(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for r in context.scope.relations() {
        for on in &r.depends_on {
            rows.add([
                ("relation", name(context, r.id).into()),
                ("relation_oid", r.id.into()),
                ("depends_on", name(context, *on).into()),
                ("depends_on_oid", (*on).into()),
            ])?;
        }
    }
    Ok(())
}

/// Work that takes long, while it does. Counts are of rows; only COPY tells bytes.
pub fn progress(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    context.works.iter().try_for_each(|w| {
        rows.add([
            ("kind", w.kind.into()),
            ("relation", w.relation.clone().into()),
            ("relation_oid", w.relation_id.into()),
            ("process_id", w.process_id.into()),
            ("phase", w.phase.into()),
            ("done", w.done.into()),
            ("total", w.total.into()),
            ("bytes", w.kind.starts_with("COPY").then_some(w.bytes).into()),
            ("per_second", w.per_second.into()),
            ("seconds_left", w.seconds_left.into()),
            ("started", w.started_us.into()),
        ])
    })
}
