//! Keys, constraints and indexes as PostgreSQL shows them: pg_index, pg_constraint, pg_indexes.

use super::super::SystemContext;
use super::super::facts;
use super::super::keys::{constraints, indexes};
use super::super::names::shown_expression;
use super::super::rows::{Cell, Rows};
use crate::catalog::TypeKind;
use crate::error::Result;

/// An int2vector or oidvector: numbers apart by blanks.
fn vector(values: impl Iterator<Item = i64>) -> Cell {
    values.map(|v| v.to_string()).collect::<Vec<_>>().join(" ").into()
}

fn numbers(values: impl Iterator<Item = usize>) -> Cell {
    values.map(|v| Cell::Int(v as i64)).collect::<Vec<_>>().into()
}

pub fn pg_index(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    let classes: Vec<_> = facts::opclasses().collect();
    let collations: Vec<_> = facts::types().collect();
    for index in indexes(&context.scope) {
        let type_of = |n: usize| n.checked_sub(1).map_or(25, |i| index.relation.columns[i].ty.oid().into());
        let types: Vec<i64> = index.numbers().map(type_of).collect();
        let class = |ty: &i64| classes.iter().find(|c| facts::number(c[2]) == *ty).map_or(0, |c| facts::number(c[0]));
        let collation = |ty: &i64| collations.iter().find(|t| facts::number(t[0]) == *ty).map_or(0, |t| facts::number(t[13]));
        rows.add([
            ("indexrelid", index.oid.into()),
            ("indrelid", index.relation.id.into()),
            ("indnatts", index.items.len().into()),
            ("indnkeyatts", index.items.len().into()),
            ("indisunique", index.unique.into()),
            ("indisprimary", index.primary.into()),
            ("indimmediate", true.into()),
            ("indisvalid", true.into()),
            ("indisready", true.into()),
            ("indislive", true.into()),
            ("indkey", vector(index.numbers().map(|n| n as i64))),
            ("indcollation", vector(types.iter().map(collation))),
            ("indclass", vector(types.iter().map(class))),
            ("indoption", vector(types.iter().map(|_| 0))),
        ])?;
    }
    Ok(())
}

pub fn pg_constraint(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for constraint in constraints(&context.scope) {
        let foreign = constraint.foreign;
        let parent = foreign.and_then(|f| context.scope.by_id(f.parent));
        let parent_columns = foreign.map(|f| numbers(f.parent_columns.iter().filter_map(|c| Some(parent?.column(c).ok()? + 1))));
        let letter = |action: Option<char>| action.unwrap_or(' ').to_string();
        rows.add([
            ("oid", constraint.oid.into()),
            ("conname", (&constraint.name).into()),
            ("connamespace", constraint.relation.namespace.into()),
            ("contype", constraint.kind.to_string().into()),
            ("condeferrable", foreign.is_some_and(|f| f.deferrable).into()),
            ("condeferred", foreign.is_some_and(|f| f.deferred).into()),
            ("convalidated", true.into()),
            ("conrelid", constraint.relation.id.into()),
            ("conindid", constraint.index.into()),
            ("confrelid", foreign.map_or(0, |f| f.parent).into()),
            ("confupdtype", letter(foreign.map(|f| f.on_update.letter())).into()),
            ("confdeltype", letter(foreign.map(|f| f.on_delete.letter())).into()),
            ("confmatchtype", letter(foreign.map(|_| 's')).into()),
            ("conislocal", true.into()),
            ("connoinherit", (constraint.kind != 'c').into()),
            ("conkey", numbers(constraint.columns.iter().map(|c| c + 1))),
            ("confkey", parent_columns.unwrap_or(Cell::Null)),
            ("conbin", constraint.condition.map(|sql| shown_expression(context, sql)).into()),
        ])?;
    }
    for ty in context.scope.user_types() {
        let TypeKind::Domain(domain) = &ty.what else { continue };
        for check in &domain.checks {
            rows.add([
                ("oid", check.id.into()),
                ("conname", (&check.name).into()),
                ("connamespace", ty.namespace.into()),
                ("contype", "c".into()),
                ("convalidated", true.into()),
                ("contypid", ty.id.into()),
                ("conislocal", true.into()),
                ("conbin", shown_expression(context, &check.sql).into()),
            ])?;
        }
    }
    Ok(())
}

pub fn pg_indexes(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    indexes(&context.scope).iter().try_for_each(|index| {
        rows.add([
            ("schemaname", context.scope.namespace_name(index.relation.namespace).into()),
            ("tablename", (&index.relation.name).into()),
            ("indexname", (&index.name).into()),
            ("indexdef", index.definition(&context.scope).into()),
        ])
    })
}
