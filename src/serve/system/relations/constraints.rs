//! information_schema: keys and conditions, of the relations that the current role owns or has some privilege on.

use super::super::SystemContext;
use super::super::keys::constraints;
use super::super::names::shown_expression;
use super::super::rows::{Cell, Rows};
use crate::catalog::Privileges;
use crate::error::Result;

pub fn table_constraints(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    constraints(&context.scope).iter().filter(|c| context.may_touch(c.relation, Privileges::OF_CHANGES)).try_for_each(|c| {
        let yes = |yes: bool| if yes { "YES" } else { "NO" };
        rows.add([
            ("constraint_catalog", (&context.database).into()),
            ("constraint_schema", context.scope.namespace_name(c.relation.namespace).into()),
            ("constraint_name", (&c.name).into()),
            ("table_catalog", (&context.database).into()),
            ("table_schema", context.scope.namespace_name(c.relation.namespace).into()),
            ("table_name", (&c.relation.name).into()),
            ("constraint_type", c.kind_word().into()),
            ("is_deferrable", yes(c.foreign.is_some_and(|f| f.deferrable)).into()),
            ("initially_deferred", yes(c.foreign.is_some_and(|f| f.deferred)).into()),
            ("enforced", "YES".into()),
            ("nulls_distinct", if c.kind == 'u' { "YES".into() } else { Cell::Null }),
        ])
    })
}

pub fn key_column_usage(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for c in constraints(&context.scope).into_iter().filter(|c| c.kind != 'c') {
        let name = |column: &usize| &c.relation.columns[*column].name;
        let seen = |column: &usize| context.may_touch_column(c.relation, name(column), Privileges::OF_COLUMNS);
        for (i, column) in c.columns.iter().enumerate().filter(|(_, column)| seen(column)) {
            rows.add([
                ("constraint_catalog", (&context.database).into()),
                ("constraint_schema", context.scope.namespace_name(c.relation.namespace).into()),
                ("constraint_name", (&c.name).into()),
                ("table_catalog", (&context.database).into()),
                ("table_schema", context.scope.namespace_name(c.relation.namespace).into()),
                ("table_name", (&c.relation.name).into()),
                ("column_name", name(column).into()),
                ("ordinal_position", (i + 1).into()),
                ("position_in_unique_constraint", c.foreign.map(|_| i + 1).into()),
            ])?;
        }
    }
    Ok(())
}

/// The columns that a constraint is about: those referred to, of a foreign key.
pub fn constraint_column_usage(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for c in constraints(&context.scope) {
        let own = || c.columns.iter().map(|i| c.relation.columns[*i].name.clone()).collect();
        let (table, columns): (_, Vec<String>) = match c.foreign.and_then(|f| Some((context.scope.by_id(f.parent)?, f))) {
            Some((parent, foreign)) => (parent, foreign.parent_columns.clone()),
            None => (c.relation, own()),
        };
        if !context.is_owner(table.owner) {
            continue;
        }
        for column in columns {
            rows.add([
                ("table_catalog", (&context.database).into()),
                ("table_schema", context.scope.namespace_name(table.namespace).into()),
                ("table_name", (&table.name).into()),
                ("column_name", column.into()),
                ("constraint_catalog", (&context.database).into()),
                ("constraint_schema", context.scope.namespace_name(c.relation.namespace).into()),
                ("constraint_name", (&c.name).into()),
            ])?;
        }
    }
    Ok(())
}

pub fn constraint_table_usage(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    constraints(&context.scope).iter().filter(|c| c.kind != 'c').try_for_each(|c| {
        let table = c.foreign.and_then(|f| context.scope.by_id(f.parent)).unwrap_or(c.relation);
        if !context.is_owner(table.owner) {
            return Ok(());
        }
        rows.add([
            ("table_catalog", (&context.database).into()),
            ("table_schema", context.scope.namespace_name(table.namespace).into()),
            ("table_name", (&table.name).into()),
            ("constraint_catalog", (&context.database).into()),
            ("constraint_schema", context.scope.namespace_name(c.relation.namespace).into()),
            ("constraint_name", (&c.name).into()),
        ])
    })
}

pub fn referential_constraints(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    let all = constraints(&context.scope);
    for c in all.iter().filter(|c| context.may_touch(c.relation, Privileges::OF_CHANGES)) {
        let Some(foreign) = c.foreign else { continue };
        let names = |k: &&super::super::keys::ConstraintEntry<'_>| -> Vec<String> {
            k.columns.iter().map(|i| k.relation.columns[*i].name.clone()).collect()
        };
        let target =
            all.iter().find(|k| k.relation.id == foreign.parent && matches!(k.kind, 'p' | 'u') && names(k) == foreign.parent_columns);
        rows.add([
            ("constraint_catalog", (&context.database).into()),
            ("constraint_schema", context.scope.namespace_name(c.relation.namespace).into()),
            ("constraint_name", (&c.name).into()),
            ("unique_constraint_catalog", (&context.database).into()),
            ("unique_constraint_schema", target.map(|k| context.scope.namespace_name(k.relation.namespace)).into()),
            ("unique_constraint_name", target.map(|k| k.name.clone()).into()),
            ("match_option", "NONE".into()),
            ("update_rule", foreign.on_update.word().into()),
            ("delete_rule", foreign.on_delete.word().into()),
        ])?;
    }
    Ok(())
}

pub fn check_constraints(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    constraints(&context.scope).iter().filter(|c| c.kind == 'c' && context.is_owner(c.relation.owner)).try_for_each(|c| {
        rows.add([
            ("constraint_catalog", (&context.database).into()),
            ("constraint_schema", context.scope.namespace_name(c.relation.namespace).into()),
            ("constraint_name", (&c.name).into()),
            ("check_clause", format!("(({}))", shown_expression(context, c.condition.unwrap_or_default())).into()),
        ])
    })
}
