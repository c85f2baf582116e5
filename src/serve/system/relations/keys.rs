//! Keys, constraints and indexes as PostgreSQL shows them: pg_index, pg_constraint, pg_indexes.

use super::super::SystemContext;
use super::super::deparse::Style;
use super::super::facts;
use super::super::keys::{constraints, indexes};
use super::super::names::{Reg, shown_expression};
use super::super::rows::{Cell, Rows};
use crate::catalog::{IndexKey, TypeKind};
use crate::data::PgType;
use crate::error::Result;

/// An int2vector or oidvector: numbers apart by blanks.
pub(super) fn vector(values: impl Iterator<Item = i64>) -> Cell {
    values.map(|v| v.to_string()).collect::<Vec<_>>().join(" ").into()
}

fn numbers(values: impl Iterator<Item = usize>) -> Cell {
    values.map(|v| Cell::Int(v as i64)).collect::<Vec<_>>().into()
}

pub fn pg_index(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    /// Bits of indoption.
    const DESCENDING: i64 = 1;
    const NULLS_FIRST: i64 = 2;
    let types: Vec<_> = facts::types().collect();
    let collation = |ty: &PgType| types.iter().find(|t| facts::number(t[0]) == i64::from(ty.oid())).map_or(0, |t| facts::number(t[13]));
    for entry in indexes(&context.scope) {
        let (index, method) = (&entry.index, facts::access_method(&entry.index.method));
        let keys = || index.keys.iter().zip(entry.columns());
        let class = |(key, (_, ty)): (&IndexKey, (String, PgType))| {
            let named = key.opclass.as_ref().and_then(|name| facts::opclass(method?, name));
            named.or_else(|| facts::default_opclass(method?, &ty)).map_or(0, |(oid, _)| oid.into())
        };
        let compared = |(key, (_, ty)): (&IndexKey, (String, PgType))| {
            let named = key.collation.as_ref().and_then(|name| Reg::Collation.look_up(context, name).ok().flatten());
            named.map_or_else(|| collation(&ty), i64::from)
        };
        let option = |key: &IndexKey| i64::from(key.descending) * DESCENDING + i64::from(key.nulls_first) * NULLS_FIRST;
        rows.add([
            ("indexrelid", entry.oid.into()),
            ("indrelid", entry.relation.id.into()),
            ("indnatts", entry.width().into()),
            ("indnkeyatts", index.keys.len().into()),
            ("indisunique", index.unique.into()),
            ("indnullsnotdistinct", index.nulls_equal.into()),
            ("indisprimary", entry.primary.into()),
            ("indimmediate", true.into()),
            ("indisvalid", true.into()),
            ("indisready", true.into()),
            ("indislive", true.into()),
            ("indkey", vector(entry.numbers().map(|n| n as i64))),
            ("indcollation", vector(keys().map(compared))),
            ("indclass", vector(keys().map(class))),
            ("indoption", vector(index.keys.iter().map(option))),
            ("indexprs", entry.expressions(context).into()),
            ("indpred", entry.predicate(context, Style::Whole).into()),
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
            ("indexname", (&index.index.name).into()),
            ("indexdef", index.definition(context, Style::Whole).into()),
        ])
    })
}
