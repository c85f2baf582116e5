//! information_schema: tables, columns, schemata, views and their small companions. Each shows what the current role owns or has some
//! privilege on, as the standard wants it: which ones differs.

use super::super::SystemContext;
use super::super::deparse::Style;
use super::super::facts::SHAPES;
use super::super::keys::columns_in;
use super::super::names::{shown_expression, shown_generation};
use super::super::rows::{Cell, Rows};
use super::super::updatable::{DELETE, INSERT, UPDATE, changes_replaced, changes_taken};
use super::listing::definition;
use crate::catalog::{Column, Identity, Privileges, Relation, TEMPORARY_NAMESPACE, TypeKind};
use crate::data::PgType;
use crate::error::Result;

pub(super) fn yes_no(yes: bool) -> Cell {
    if yes { "YES" } else { "NO" }.into()
}

/// The standard knows base tables and views; a materialized view is listed as a view, so that tools which read only this find it.
pub fn tables(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    let mut table = |schema: &str, name: &str, table_type: &str, insertable: bool| {
        rows.add([
            ("table_catalog", (&context.database).into()),
            ("table_schema", schema.into()),
            ("table_name", name.into()),
            ("table_type", table_type.into()),
            ("is_insertable_into", yes_no(insertable)),
            ("is_typed", "NO".into()),
        ])
    };
    for s in SHAPES.iter() {
        table(s.schema, s.name, if s.kind == "r" { "BASE TABLE" } else { "VIEW" }, false)?;
    }
    let mut seen = context.scope.relations().filter(|r| context.may_touch(r, Privileges::OF_RELATIONS));
    let kind = |r: &Relation| match r.is_table() {
        _ if r.namespace == TEMPORARY_NAMESPACE => "LOCAL TEMPORARY",
        true => "BASE TABLE",
        false => "VIEW",
    };
    let takes_rows = |r| changes_taken(&context.scope, r).0 & INSERT != 0;
    seen.try_for_each(|r| table(context.scope.namespace_name(r.namespace), &r.name, kind(r), takes_rows(r)))
}

pub fn columns(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for s in SHAPES.iter() {
        for (i, (name, ty)) in s.columns.iter().enumerate() {
            column(context, rows, [s.schema, s.name, name], i + 1, ty, [true, false], None)?;
        }
    }
    for r in context.scope.relations() {
        let schema = context.scope.namespace_name(r.namespace);
        let seen = |c: &Column| context.may_touch_column(r, &c.name, Privileges::OF_COLUMNS);
        let (_, updatable) = changes_taken(&context.scope, r);
        for (i, c) in r.columns.iter().enumerate().filter(|(_, c)| seen(c)) {
            let nullable = c.nullable && !r.key.contains(&i);
            column(context, rows, [schema, &r.name, &c.name], i + 1, &c.ty, [nullable, updatable[i]], Some((r.as_ref(), c)))?;
        }
    }
    Ok(())
}

/// How the standard's relations name a type.
pub(super) struct TypeTold<'a> {
    pub data_type: String,
    pub udt_schema: &'a str,
    pub udt_name: String,
}

pub(super) fn type_told<'a>(context: &'a SystemContext, ty: &PgType) -> TypeTold<'a> {
    let id = ty.enumeration().map(|of| of.id()).or_else(|| ty.composite().map(|of| of.id()));
    let user = id.and_then(|id| context.scope.user_type(id));
    let data_type = match (ty, user) {
        (PgType::Array(_), _) => "ARRAY".to_string(),
        (_, Some(_)) => "USER-DEFINED".to_string(),
        _ => ty.base().to_string(),
    };
    let (udt_schema, udt_name) = match (ty, user) {
        (PgType::Array(_), Some(user)) => (context.scope.namespace_name(user.namespace), format!("_{}", user.name)),
        (_, Some(user)) => (context.scope.namespace_name(user.namespace), user.name.clone()),
        _ => ("pg_catalog", ty.typname()),
    };
    TypeTold { data_type, udt_schema, udt_name }
}

fn column(
    context: &SystemContext,
    rows: &mut Rows,
    [schema, table, name]: [&str; 3],
    number: usize,
    ty: &PgType,
    [nullable, updatable]: [bool; 2],
    of: Option<(&Relation, &Column)>,
) -> Result<()> {
    let generation = of.and_then(|(relation, c)| shown_generation(context, relation, c, Style::Whole));
    let of = of.map(|(_, c)| c);
    let domain = of.and_then(|c| context.scope.user_type(c.domain?));
    let TypeTold { data_type, udt_schema, udt_name } = type_told(context, ty);
    let database = || Cell::from(&context.database);
    let [precision, radix, scale] = numeric(ty);
    let identity = of.and_then(|c| c.identity).map(|i| if i == Identity::Always { "ALWAYS" } else { "BY DEFAULT" });
    rows.add([
        ("table_catalog", database()),
        ("table_schema", schema.into()),
        ("table_name", table.into()),
        ("column_name", name.into()),
        ("ordinal_position", number.into()),
        ("column_default", of.and_then(|c| c.default.as_ref()).map(|default| shown_expression(context, default)).into()),
        ("is_nullable", yes_no(nullable)),
        ("data_type", data_type.into()),
        ("character_maximum_length", length(ty).into()),
        ("character_octet_length", octets(ty).into()),
        ("numeric_precision", precision),
        ("numeric_precision_radix", radix),
        ("numeric_scale", scale),
        ("datetime_precision", of.and_then(|c| c.precision.map(i64::from)).or_else(|| datetime_precision(ty)).into()),
        ("domain_catalog", domain.map(|_| &context.database).into()),
        ("domain_schema", domain.map(|ty| context.scope.namespace_name(ty.namespace)).into()),
        ("domain_name", domain.map(|ty| &ty.name).into()),
        ("udt_catalog", database()),
        ("udt_schema", udt_schema.into()),
        ("udt_name", udt_name.into()),
        ("dtd_identifier", number.to_string().into()),
        ("is_self_referencing", "NO".into()),
        ("is_identity", yes_no(identity.is_some())),
        ("identity_generation", identity.into()),
        ("identity_cycle", "NO".into()),
        ("is_generated", if generation.is_some() { "ALWAYS" } else { "NEVER" }.into()),
        ("generation_expression", generation.into()),
        ("is_updatable", yes_no(updatable)),
    ])
}

/// The columns that generated ones are computed of.
pub fn column_column_usage(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for r in context.scope.relations().filter(|r| context.is_owner(r.owner)) {
        for generated in &r.columns {
            let Some(sql) = &generated.generated else { continue };
            for read in columns_in(r, sql) {
                rows.add([
                    ("table_catalog", (&context.database).into()),
                    ("table_schema", context.scope.namespace_name(r.namespace).into()),
                    ("table_name", (&r.name).into()),
                    ("column_name", (&r.columns[read].name).into()),
                    ("dependent_column", (&generated.name).into()),
                ])?;
            }
        }
    }
    Ok(())
}

pub fn domains(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for ty in context.scope.user_types() {
        let TypeKind::Domain(domain) = &ty.what else { continue };
        let base = &domain.base;
        let [precision, radix, scale] = numeric(base);
        rows.add([
            ("domain_catalog", (&context.database).into()),
            ("domain_schema", context.scope.namespace_name(ty.namespace).into()),
            ("domain_name", (&ty.name).into()),
            ("data_type", if base.is_of_enum() { "USER-DEFINED".into() } else { base.base().to_string().into() }),
            ("character_maximum_length", length(base).into()),
            ("character_octet_length", octets(base).into()),
            ("numeric_precision", precision),
            ("numeric_precision_radix", radix),
            ("numeric_scale", scale),
            ("datetime_precision", datetime_precision(base).into()),
            ("domain_default", domain.default.as_ref().map(|default| shown_expression(context, default)).into()),
            ("udt_catalog", (&context.database).into()),
            ("udt_schema", "pg_catalog".into()),
            ("udt_name", base.typname().into()),
            ("dtd_identifier", "1".into()),
        ])?;
    }
    Ok(())
}

/// The conditions of domains; NOT NULL is none.
pub fn domain_constraints(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for ty in context.scope.user_types() {
        let TypeKind::Domain(domain) = &ty.what else { continue };
        for check in &domain.checks {
            let schema = context.scope.namespace_name(ty.namespace);
            rows.add([
                ("constraint_catalog", (&context.database).into()),
                ("constraint_schema", schema.into()),
                ("constraint_name", (&check.name).into()),
                ("domain_catalog", (&context.database).into()),
                ("domain_schema", schema.into()),
                ("domain_name", (&ty.name).into()),
                ("is_deferrable", "NO".into()),
                ("initially_deferred", "NO".into()),
            ])?;
        }
    }
    Ok(())
}

/// Precision, radix and scale of a number type.
pub(super) fn numeric(ty: &PgType) -> [Cell; 3] {
    let binary = |bits: i64, scale: Cell| [Cell::Int(bits), Cell::Int(2), scale];
    match ty {
        PgType::Int2 => binary(16, Cell::Int(0)),
        PgType::Int4 => binary(32, Cell::Int(0)),
        PgType::Int8 => binary(64, Cell::Int(0)),
        PgType::Float4 => binary(24, Cell::Null),
        PgType::Float8 => binary(53, Cell::Null),
        PgType::Numeric(Some((p, s))) => [Cell::Int((*p).into()), Cell::Int(10), Cell::Int((*s).into())],
        numeric if numeric.is_numeric() => [Cell::Null, Cell::Int(10), Cell::Null],
        _ => [Cell::Null, Cell::Null, Cell::Null],
    }
}

pub(super) fn length(ty: &PgType) -> Option<u32> {
    match ty {
        PgType::Varchar(n) => *n,
        PgType::Bpchar(n) => Some((*n).max(1)),
        _ => None,
    }
}

/// A character of UTF-8 takes four bytes at most; text may be 1 GiB long.
pub(super) fn octets(ty: &PgType) -> Option<i64> {
    match ty {
        PgType::Text | PgType::Varchar(None) => Some(1 << 30),
        other => length(other).map(|n| i64::from(n) * 4),
    }
}

pub(super) fn datetime_precision(ty: &PgType) -> Option<i64> {
    match ty {
        PgType::Date => Some(0),
        PgType::Time | PgType::Timestamp | PgType::Timestamptz | PgType::Interval => Some(6),
        _ => None,
    }
}

pub fn schemata(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    let seen = |id| context.scope.namespace(id).is_none_or(|schema| !context.on_schema(schema).privileges.is_none());
    context.schemas().into_iter().filter(|(id, _, _)| seen(*id)).try_for_each(|(_, name, owner)| {
        rows.add([
            ("catalog_name", (&context.database).into()),
            ("schema_name", name.into()),
            ("schema_owner", context.role_name(owner).into()),
        ])
    })
}

pub fn views(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    let derived = context.scope.relations().filter(|r| !r.is_table());
    for r in derived.filter(|r| context.may_touch(r, Privileges::OF_RELATIONS)) {
        let ((taken, _), replaced) = (changes_taken(&context.scope, r), changes_replaced(r));
        rows.add([
            ("table_catalog", (&context.database).into()),
            ("table_schema", context.scope.namespace_name(r.namespace).into()),
            ("table_name", (&r.name).into()),
            ("view_definition", context.is_owner(r.owner).then(|| definition(context, r)).into()),
            ("check_option", r.view_options.check.map_or("NONE".to_string(), |check| check.word().to_uppercase()).into()),
            ("is_updatable", yes_no(taken & UPDATE != 0 && taken & DELETE != 0)),
            ("is_insertable_into", yes_no(taken & INSERT != 0)),
            ("is_trigger_updatable", yes_no(replaced & UPDATE != 0)),
            ("is_trigger_deletable", yes_no(replaced & DELETE != 0)),
            ("is_trigger_insertable_into", yes_no(replaced & INSERT != 0)),
        ])?;
    }
    Ok(())
}

pub fn view_table_usage(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for view in context.scope.relations().filter(|r| !r.is_table()) {
        for table in view.depends_on.iter().filter_map(|id| context.scope.by_id(*id)).filter(|table| context.is_owner(table.owner)) {
            rows.add([
                ("view_catalog", (&context.database).into()),
                ("view_schema", context.scope.namespace_name(view.namespace).into()),
                ("view_name", (&view.name).into()),
                ("table_catalog", (&context.database).into()),
                ("table_schema", context.scope.namespace_name(table.namespace).into()),
                ("table_name", (&table.name).into()),
            ])?;
        }
    }
    Ok(())
}

pub fn character_sets(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    rows.add([
        ("character_set_name", "UTF8".into()),
        ("character_repertoire", "UCS".into()),
        ("form_of_use", "UTF8".into()),
        ("default_collate_catalog", (&context.database).into()),
        ("default_collate_schema", "pg_catalog".into()),
        ("default_collate_name", "C".into()),
    ])
}

pub fn catalog_name(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    rows.add([("catalog_name", (&context.database).into())])
}
