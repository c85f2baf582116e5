//! Relations by kind and what they are made from: pg_tables, pg_views, pg_matviews, pg_depend.

use std::collections::BTreeSet;

use super::super::SystemContext;
use super::super::facts::SHAPES;
use super::super::names::{CONSTRAINT, INDEX, OWNER, ROW_TYPE, result_oid, schema_kept_as, type_kept_as, users_type};
use super::super::rows::Rows;
use super::attribute::defaults;
use super::functions::PLPGSQL;
use super::rules::RULE;
use crate::catalog::{BOOTSTRAP, Column, Function, Path, Relation, RelationKind, TypeKind, UserType};
use crate::data::PgType;
use crate::error::Result;
use crate::sql::respell::{self, sequence_of_default};

/// The catalogs that pg_depend names.
const PG_CLASS: u32 = 1259;
const PG_REWRITE: u32 = 2618;
const PG_CONSTRAINT: u32 = 2606;
const PG_TYPE: u32 = 1247;
const PG_PROC: u32 = 1255;
const PG_ATTRDEF: u32 = 2604;
const PG_NAMESPACE: u32 = 2615;
const PG_LANGUAGE: u32 = 2612;
const PG_EXTENSION: u32 = 3079;

/// A view's definition as PostgreSQL shows it, ended by a semicolon, with the schema before names that mean something else along the path.
pub fn definition(context: &SystemContext, view: &Relation) -> String {
    let (scope, kept) = (&context.scope, Path::kept());
    if scope.path == kept && scope.user_types().next().is_none() {
        return ended(&view.sql);
    }
    let schema_of = |name: &str| schema_kept_as(context, name);
    ended(&respell::query(&view.sql, &schema_of, &|name| type_kept_as(context, name)).unwrap_or_else(|_| view.sql.clone()))
}

fn ended(sql: &str) -> String {
    format!(" {};", sql.trim().trim_end_matches(';'))
}

pub fn pg_tables(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for s in SHAPES.iter().filter(|s| s.kind == "r") {
        rows.add([("schemaname", s.schema.into()), ("tablename", s.name.into()), ("tableowner", context.role_name(BOOTSTRAP).into())])?;
    }
    for r in context.scope.relations().filter(|r| r.is_table()) {
        rows.add([
            ("schemaname", context.scope.namespace_name(r.namespace).into()),
            ("tablename", (&r.name).into()),
            ("tableowner", context.role_name(r.owner).into()),
            ("hasindexes", (!r.key.is_empty()).into()),
            ("hastriggers", (!r.triggers.is_empty()).into()),
            ("rowsecurity", r.security.enabled.into()),
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

pub fn pg_depend(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for r in context.scope.relations() {
        if !r.is_table() {
            depend(rows, [PG_REWRITE, r.id + RULE, PG_CLASS, r.id], 0, "i")?;
            r.depends_on.iter().try_for_each(|on| depend(rows, [PG_REWRITE, r.id + RULE, PG_CLASS, *on], 0, "n"))?;
        }
        if let Some(parent) = r.parent() {
            depend(rows, [PG_CLASS, r.id, PG_CLASS, parent], 0, "a")?;
        }
        if !r.key.is_empty() {
            depend(rows, [PG_CONSTRAINT, r.id + CONSTRAINT, PG_CLASS, r.id], 0, "a")?;
            depend(rows, [PG_CLASS, r.id + INDEX, PG_CONSTRAINT, r.id + CONSTRAINT], 0, "i")?;
        }
    }
    for (i, r, c) in context.scope.relations().flat_map(|r| r.columns.iter().enumerate().map(move |(i, c)| (i, r, c))) {
        column_of_type(rows, r.id, i, c)?;
    }
    context.scope.user_types().try_for_each(|ty| of_type(ty, rows))?;
    context.scope.functions().try_for_each(|f| of_function(context, f, rows))?;
    // A column's own sequence goes with it.
    for sequence in context.scope.sequences.iter() {
        let Some((relation, column)) = sequence.owner.as_ref().and_then(|(id, name)| Some((context.scope.by_id(*id)?, name))) else {
            continue;
        };
        let Some(at) = relation.columns.iter().position(|c| c.name == *column) else { continue };
        let kind = if relation.columns[at].identity.is_some() { "i" } else { "a" };
        depend(rows, [PG_CLASS, sequence.id, PG_CLASS, relation.id], at as i64 + 1, kind)?;
    }
    // A default goes with its column, and needs the sequence that it takes numbers from.
    for (oid, relation, i, default) in defaults(context) {
        depend(rows, [PG_ATTRDEF, oid, PG_CLASS, relation.id], i as i64 + 1, "a")?;
        if let Some(sequence) = sequence_of_default(&context.scope, default) {
            depend(rows, [PG_ATTRDEF, oid, PG_CLASS, sequence.id], 0, "n")?;
        }
    }
    of_extensions(context, rows)
}

/// The type of a user that a type is or has for items.
fn of_user(ty: &PgType) -> Option<u32> {
    ty.enumeration().map(|of| of.id()).or_else(|| ty.composite().map(|of| of.id()))
}

/// A column needs its type.
fn column_of_type(rows: &mut Rows, relation: u32, i: usize, column: &Column) -> Result<()> {
    let Some(of) = column.domain.or_else(|| of_user(&column.ty)) else { return Ok(()) };
    rows.add([
        ("classid", PG_CLASS.into()),
        ("objid", relation.into()),
        ("objsubid", (i + 1).into()),
        ("refclassid", PG_TYPE.into()),
        ("refobjid", of.into()),
        ("deptype", "n".into()),
    ])
}

/// The relation that a composite type has goes with it, and needs the types of the attributes; a domain needs the type that it is over.
fn of_type(ty: &UserType, rows: &mut Rows) -> Result<()> {
    match &ty.what {
        TypeKind::Enum(_) => Ok(()),
        TypeKind::Domain(domain) => of_user(&domain.base).map_or(Ok(()), |base| depend(rows, [PG_TYPE, ty.id, PG_TYPE, base], 0, "n")),
        TypeKind::Composite(attributes) => {
            depend(rows, [PG_CLASS, ty.id + ROW_TYPE, PG_TYPE, ty.id], 0, "i")?;
            attributes.iter().enumerate().try_for_each(|(i, attribute)| column_of_type(rows, ty.id + ROW_TYPE, i, attribute))
        }
    }
}

/// A function needs the types of its parameters and of what it answers.
fn of_function(context: &SystemContext, f: &Function, rows: &mut Rows) -> Result<()> {
    let answer = users_type(context, result_oid(context, f)).map(|(ty, _)| ty.id);
    let types: BTreeSet<u32> = f.inputs.iter().chain(&f.outputs).filter_map(|column| of_user(&column.ty)).chain(answer).collect();
    types.into_iter().try_for_each(|ty| depend(rows, [PG_PROC, f.id, PG_TYPE, ty], 0, "n"))
}

/// What goes with Everfold itself goes with an extension, so that a dump leaves it out.
fn of_extensions(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    let [plpgsql, everfold, ..] = EXTENSIONS.map(|e| e.oid);
    depend(rows, [PG_LANGUAGE, PLPGSQL, PG_EXTENSION, plpgsql], 0, "e")?;
    let schema = context.scope.namespace_id(OWN_SCHEMA);
    schema.map_or(Ok(()), |id| depend(rows, [PG_NAMESPACE, id, PG_EXTENSION, everfold], 0, "e"))?;
    let own = SHAPES.iter().filter(|s| s.schema == OWN_SCHEMA);
    own.into_iter().try_for_each(|s| depend(rows, [PG_CLASS, s.oid, PG_EXTENSION, everfold], 0, "e"))
}

/// An extension that is there from the beginning.
pub struct Extension {
    pub oid: u32,
    pub name: &'static str,
    pub schema: &'static str,
    pub version: &'static str,
    pub comment: &'static str,
}

/// The language of DO blocks, Everfold's own system relations, and what there is of functions of PostgreSQL's extensions. Their oids are below those of users' objects, which says that they need not
/// be created.
pub const EXTENSIONS: [Extension; 4] = [
    Extension { oid: 13_500, name: "plpgsql", schema: "pg_catalog", version: "1.0", comment: "PL/pgSQL procedural language" },
    Extension {
        oid: 13_501,
        name: OWN_SCHEMA,
        schema: OWN_SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        comment: "what streams, views, segments and dataflows are at",
    },
    Extension { oid: 13_502, name: "pgcrypto", schema: "pg_catalog", version: "1.3", comment: "digests, keyed hashes and random bytes" },
    Extension { oid: 13_503, name: "uuid-ossp", schema: "pg_catalog", version: "1.1", comment: "UUIDs at random and of names" },
];

/// The schema of the relations that PostgreSQL does not have.
const OWN_SCHEMA: &str = "everfold";

pub fn pg_extension(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    EXTENSIONS.iter().try_for_each(|e| {
        rows.add([
            ("oid", e.oid.into()),
            ("extname", e.name.into()),
            ("extowner", OWNER.into()),
            ("extnamespace", context.scope.namespace_id(e.schema).into()),
            ("extversion", e.version.into()),
        ])
    })
}

pub fn pg_available_extensions(_: &SystemContext, rows: &mut Rows) -> Result<()> {
    EXTENSIONS.iter().try_for_each(|e| {
        let [version, comment] = [e.version, e.comment];
        rows.add([
            ("name", e.name.into()),
            ("default_version", version.into()),
            ("installed_version", version.into()),
            ("comment", comment.into()),
        ])
    })
}

/// The same as a function of FROM, which does not tell what is installed.
pub fn available_extensions(_: &SystemContext, rows: &mut Rows) -> Result<()> {
    EXTENSIONS
        .iter()
        .try_for_each(|e| rows.add([("name", e.name.into()), ("default_version", e.version.into()), ("comment", e.comment.into())]))
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
