//! information_schema: keys and privileges.

use super::super::SystemContext;
use super::super::names::key_name;
use super::super::rows::{Cell, Rows};
use crate::catalog::Relation;
use crate::error::Result;

fn keyed(context: &SystemContext) -> impl Iterator<Item = &std::sync::Arc<Relation>> {
    context.catalog.relations().filter(|r| !r.key.is_empty())
}

pub fn table_constraints(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    keyed(context).try_for_each(|r| {
        rows.add([
            ("constraint_catalog", (&context.database).into()),
            ("constraint_schema", "public".into()),
            ("constraint_name", key_name(r).into()),
            ("table_catalog", (&context.database).into()),
            ("table_schema", "public".into()),
            ("table_name", (&r.name).into()),
            ("constraint_type", "PRIMARY KEY".into()),
            ("is_deferrable", "NO".into()),
            ("initially_deferred", "NO".into()),
            ("enforced", "YES".into()),
            ("nulls_distinct", Cell::Null),
        ])
    })
}

pub fn key_column_usage(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for r in keyed(context) {
        for (i, k) in r.key.iter().enumerate() {
            rows.add([
                ("constraint_catalog", (&context.database).into()),
                ("constraint_schema", "public".into()),
                ("constraint_name", key_name(r).into()),
                ("table_catalog", (&context.database).into()),
                ("table_schema", "public".into()),
                ("table_name", (&r.name).into()),
                ("column_name", (&r.columns[*k].name).into()),
                ("ordinal_position", (i + 1).into()),
            ])?;
        }
    }
    Ok(())
}

pub fn constraint_column_usage(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for r in keyed(context) {
        for k in &r.key {
            rows.add([
                ("table_catalog", (&context.database).into()),
                ("table_schema", "public".into()),
                ("table_name", (&r.name).into()),
                ("column_name", (&r.columns[*k].name).into()),
                ("constraint_catalog", (&context.database).into()),
                ("constraint_schema", "public".into()),
                ("constraint_name", key_name(r).into()),
            ])?;
        }
    }
    Ok(())
}

pub fn constraint_table_usage(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    keyed(context).try_for_each(|r| {
        rows.add([
            ("table_catalog", (&context.database).into()),
            ("table_schema", "public".into()),
            ("table_name", (&r.name).into()),
            ("constraint_catalog", (&context.database).into()),
            ("constraint_schema", "public".into()),
            ("constraint_name", key_name(r).into()),
        ])
    })
}

/// Everybody who may connect may do what the kind of relation allows.
pub fn table_privileges(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for r in context.catalog.relations() {
        let rights: &[&str] = if r.has_log() { &["INSERT", "SELECT", "UPDATE", "DELETE"] } else { &["SELECT"] };
        for right in rights {
            rows.add([
                ("grantor", (&context.user).into()),
                ("grantee", (&context.user).into()),
                ("table_catalog", (&context.database).into()),
                ("table_schema", "public".into()),
                ("table_name", (&r.name).into()),
                ("privilege_type", (*right).into()),
                ("is_grantable", "YES".into()),
                ("with_hierarchy", if *right == "SELECT" { "YES" } else { "NO" }.into()),
            ])?;
        }
    }
    Ok(())
}
