//! Relations by kind and what they are made from: pg_tables, pg_views, pg_matviews, pg_rewrite, pg_depend.

use super::super::SystemContext;
use super::super::facts::SHAPES;
use super::super::names::{CONSTRAINT, INDEX, type_kept_as};
use super::super::rows::Rows;
use crate::catalog::{BOOTSTRAP, NamespaceId, Path, Relation, RelationKind};
use crate::error::Result;
use crate::sql::respell;

/// Added to a view's oid: its rule `_RETURN`, by which PostgreSQL says what a view depends on.
const RULE: u32 = (1 << 30) + (1 << 29);
/// The catalogs that pg_depend names.
const PG_CLASS: u32 = 1259;
const PG_REWRITE: u32 = 2618;
const PG_CONSTRAINT: u32 = 2606;
const PG_TYPE: u32 = 1247;

/// A view's definition as PostgreSQL shows it, ended by a semicolon, with the schema before names that mean something else along the path.
pub fn definition(context: &SystemContext, view: &Relation) -> String {
    let (scope, kept) = (&context.scope, Path::kept());
    if scope.path == kept && scope.user_types().next().is_none() {
        return ended(&view.sql);
    }
    let there = |id: &NamespaceId, name: &str| scope.find_in(*id, name).is_some() || scope.find_sequence_in(*id, name).is_some();
    let schema_of = |name: &str| {
        let found = kept.namespaces().iter().find(|id| there(id, name))?;
        (!scope.is_visible(*found, name)).then(|| scope.namespace_name(*found).to_string())
    };
    ended(&respell::query(&view.sql, &schema_of, &|name| type_kept_as(context, name)).unwrap_or_else(|_| view.sql.clone()))
}

fn ended(sql: &str) -> String {
    format!(" {};", sql.trim().trim_end_matches(';'))
}

pub fn pg_tables(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for s in SHAPES.iter().filter(|s| s.kind == "r") {
        rows.add([("schemaname", s.schema.into()), ("tablename", s.name.into()), ("tableowner", context.role_name(BOOTSTRAP).into())])?;
    }
    for r in context.scope.relations().filter(|r| r.has_log()) {
        rows.add([
            ("schemaname", context.scope.namespace_name(r.namespace).into()),
            ("tablename", (&r.name).into()),
            ("tableowner", context.role_name(r.owner).into()),
            ("hasindexes", (!r.key.is_empty()).into()),
        ])?;
    }
    Ok(())
}

pub fn pg_views(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for s in SHAPES.iter().filter(|s| s.kind == "v") {
        rows.add([("schemaname", s.schema.into()), ("viewname", s.name.into()), ("viewowner", context.role_name(BOOTSTRAP).into())])?;
    }
    for r in context.scope.relations().filter(|r| r.kind == RelationKind::View) {
        rows.add([
            ("schemaname", context.scope.namespace_name(r.namespace).into()),
            ("viewname", (&r.name).into()),
            ("viewowner", context.role_name(r.owner).into()),
            ("definition", definition(context, r).into()),
        ])?;
    }
    Ok(())
}

pub fn pg_matviews(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for r in context.scope.relations().filter(|r| r.kind == RelationKind::MaterializedView) {
        rows.add([
            ("schemaname", context.scope.namespace_name(r.namespace).into()),
            ("matviewname", (&r.name).into()),
            ("matviewowner", context.role_name(r.owner).into()),
            ("hasindexes", (!r.key.is_empty()).into()),
            ("ispopulated", true.into()),
            ("definition", definition(context, r).into()),
        ])?;
    }
    Ok(())
}

pub fn pg_rewrite(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for r in context.scope.relations().filter(|r| !r.has_log()) {
        rows.add([
            ("oid", (r.id + RULE).into()),
            ("rulename", "_RETURN".into()),
            ("ev_class", r.id.into()),
            ("ev_type", "1".into()),
            ("ev_enabled", "O".into()),
            ("is_instead", true.into()),
            ("ev_qual", "<>".into()),
            ("ev_action", (&r.sql).into()),
        ])?;
    }
    Ok(())
}

pub fn pg_depend(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for r in context.scope.relations() {
        if !r.has_log() {
            depend(rows, [PG_REWRITE, r.id + RULE, PG_CLASS, r.id], 0, "i")?;
            r.depends_on.iter().try_for_each(|on| depend(rows, [PG_REWRITE, r.id + RULE, PG_CLASS, *on], 0, "n"))?;
        }
        if !r.key.is_empty() {
            depend(rows, [PG_CONSTRAINT, r.id + CONSTRAINT, PG_CLASS, r.id], 0, "a")?;
            depend(rows, [PG_CLASS, r.id + INDEX, PG_CONSTRAINT, r.id + CONSTRAINT], 0, "i")?;
        }
    }
    for (i, r, c) in context.scope.relations().flat_map(|r| r.columns.iter().enumerate().map(move |(i, c)| (i, r, c))) {
        if let Some(of) = c.domain.or(c.ty.enumeration().map(|of| of.id())) {
            rows.add([
                ("classid", PG_CLASS.into()),
                ("objid", r.id.into()),
                ("objsubid", (i + 1).into()),
                ("refclassid", PG_TYPE.into()),
                ("refobjid", of.into()),
                ("deptype", "n".into()),
            ])?;
        }
    }
    // A column's own sequence goes with it.
    for sequence in context.scope.sequences.iter() {
        let Some((relation, column)) = sequence.owner.as_ref().and_then(|(id, name)| Some((context.scope.by_id(*id)?, name))) else {
            continue;
        };
        let Some(at) = relation.columns.iter().position(|c| c.name == *column) else { continue };
        let kind = if relation.columns[at].identity.is_some() { "i" } else { "a" };
        depend(rows, [PG_CLASS, sequence.id, PG_CLASS, relation.id], at as i64 + 1, kind)?;
    }
    Ok(())
}

fn depend(rows: &mut Rows, [class, object, on_class, on]: [u32; 4], on_column: i64, kind: &str) -> Result<()> {
    rows.add([
        ("classid", class.into()),
        ("objid", object.into()),
        ("refclassid", on_class.into()),
        ("refobjid", on.into()),
        ("refobjsubid", on_column.into()),
        ("deptype", kind.into()),
    ])
}
