//! Policies of rows: pg_policy and pg_policies.

use super::super::SystemContext;
use super::super::deparse::{Style, expression};
use super::super::names::shown_expression;
use super::super::rows::{Cell, Rows};
use crate::catalog::{Command, PUBLIC, Policy, Relation};
use crate::error::Result;

/// A condition as PostgreSQL prints it.
fn shown(context: &SystemContext, relation: &Relation, sql: Option<&String>) -> Cell {
    sql.map(|sql| expression(relation, &shown_expression(context, sql), Style::Whole)).into()
}

pub fn pg_policy(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    context.scope.policies().try_for_each(|(relation, policy)| {
        rows.add([
            ("oid", policy.id.into()),
            ("polname", (&policy.name).into()),
            ("polrelid", relation.id.into()),
            ("polcmd", policy.command.map_or("*", Command::letter).into()),
            ("polpermissive", (!policy.restrictive).into()),
            ("polroles", policy.roles.iter().map(|role| Cell::from(*role)).collect::<Vec<_>>().into()),
            ("polqual", shown(context, relation, policy.using.as_ref())),
            ("polwithcheck", shown(context, relation, policy.check.as_ref())),
        ])
    })
}

pub fn pg_policies(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    context.scope.policies().try_for_each(|(relation, policy)| {
        rows.add([
            ("schemaname", context.scope.namespace_name(relation.namespace).into()),
            ("tablename", (&relation.name).into()),
            ("policyname", (&policy.name).into()),
            ("permissive", if policy.restrictive { "RESTRICTIVE" } else { "PERMISSIVE" }.into()),
            ("roles", roles(context, policy).into_iter().map(Cell::from).collect::<Vec<_>>().into()),
            ("cmd", policy.command.map_or("ALL", Command::word).into()),
            ("qual", shown(context, relation, policy.using.as_ref())),
            ("with_check", shown(context, relation, policy.check.as_ref())),
        ])
    })
}

/// The names of the roles that a policy is for, in order.
fn roles(context: &SystemContext, policy: &Policy) -> Vec<String> {
    let name = |role: &u32| if *role == PUBLIC { "public".to_string() } else { context.role_name(*role) };
    let mut names: Vec<String> = policy.roles.iter().map(name).collect();
    names.sort();
    names
}
