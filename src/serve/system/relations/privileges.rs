//! information_schema: privileges. Each shows what was granted by or to a role whose privileges the session has; the first half of them
//! what was granted to everybody too.

use std::collections::BTreeSet;

use super::super::SystemContext;
use super::super::rows::{Cell, Rows};
use super::routines::named;
use crate::catalog::{Granted, NamespaceId, Object, PUBLIC, Privileges, RoleId};
use crate::error::Result;

/// What one role has given another.
type Given = (RoleId, RoleId, Granted);

/// What the owner of an object may, and what was granted on it: grantee, grantor, and what.
fn with_owner(context: &SystemContext, object: &Object, owner: RoleId, all: Privileges) -> Vec<Given> {
    let own = (owner, owner, Granted { privileges: all, options: all });
    std::iter::once(own).chain(given(context, object)).collect()
}

fn given(context: &SystemContext, object: &Object) -> Vec<Given> {
    context.scope.roles().grants_on(object).map(|(to, from, granted)| (to, from, *granted)).collect()
}

/// Whose grants are shown.
struct Shown {
    all: bool,
    everybodys: bool,
    roles: BTreeSet<RoleId>,
}

impl Shown {
    fn new(context: &SystemContext, everybodys: bool) -> Shown {
        Shown { all: context.is_superuser(), everybodys, roles: context.scope.roles().inherits(context.role) }
    }

    fn has(&self, grantee: RoleId, grantor: RoleId) -> bool {
        let named = |role: RoleId| self.all && role != PUBLIC || self.roles.contains(&role);
        named(grantee) || named(grantor) || self.everybodys && grantee == PUBLIC
    }
}

/// The columns that all of these relations begin with, and end with.
fn who(context: &SystemContext, grantor: RoleId, grantee: RoleId) -> [(&'static str, Cell); 2] {
    [("grantor", context.role_name(grantor).into()), ("grantee", context.role_name(grantee).into())]
}

fn what(name: &str, grantable: bool) -> [(&'static str, Cell); 2] {
    [("privilege_type", name.into()), ("is_grantable", if grantable { "YES" } else { "NO" }.into())]
}

fn place(context: &SystemContext, namespace: NamespaceId, table: &str) -> [(&'static str, Cell); 3] {
    let schema = context.scope.namespace_name(namespace);
    [("table_catalog", (&context.database).into()), ("table_schema", schema.into()), ("table_name", table.into())]
}

pub fn table_privileges(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    on_tables(context, rows, true)
}

pub fn role_table_grants(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    on_tables(context, rows, false)
}

fn on_tables(context: &SystemContext, rows: &mut Rows, everybodys: bool) -> Result<()> {
    let shown = Shown::new(context, everybodys);
    for r in context.scope.relations() {
        let all = with_owner(context, &Object::Relation(r.id), r.owner, Privileges::on_relation(r.kind));
        for (grantee, grantor, granted) in all.into_iter().filter(|(to, from, _)| shown.has(*to, *from)) {
            for (privilege, name) in granted.privileges.each() {
                let hierarchy = ("with_hierarchy", if name == "SELECT" { "YES" } else { "NO" }.into());
                let cells = who(context, grantor, grantee).into_iter().chain(place(context, r.namespace, &r.name));
                rows.add(cells.chain(what(name, granted.options.has(privilege))).chain([hierarchy]))?;
            }
        }
    }
    Ok(())
}

pub fn column_privileges(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    on_columns(context, rows, true)
}

pub fn role_column_grants(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    on_columns(context, rows, false)
}

/// What is granted on a relation is on each of its columns.
fn on_columns(context: &SystemContext, rows: &mut Rows, everybodys: bool) -> Result<()> {
    let shown = Shown::new(context, everybodys);
    for r in context.scope.relations() {
        let whole = with_owner(context, &Object::Relation(r.id), r.owner, Privileges::on_relation(r.kind));
        for column in &r.columns {
            let own = given(context, &Object::Column(r.id, column.name.clone()));
            let mut lines = BTreeSet::new();
            for (grantee, grantor, granted) in whole.iter().chain(&own).filter(|(to, from, _)| shown.has(*to, *from)) {
                let each = granted.privileges.within(Privileges::OF_COLUMNS).each();
                lines.extend(each.map(|(privilege, name)| (*grantor, *grantee, name, granted.options.has(privilege))));
            }
            for (grantor, grantee, name, grantable) in lines {
                let cells = who(context, grantor, grantee).into_iter().chain(place(context, r.namespace, &r.name));
                rows.add(cells.chain([("column_name", (&column.name).into())]).chain(what(name, grantable)))?;
            }
        }
    }
    Ok(())
}

pub fn usage_privileges(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    on_sequences(context, rows, true)
}

pub fn role_usage_grants(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    on_sequences(context, rows, false)
}

/// USAGE of sequences, which nothing else has.
fn on_sequences(context: &SystemContext, rows: &mut Rows, everybodys: bool) -> Result<()> {
    let shown = Shown::new(context, everybodys);
    for s in context.scope.sequences.iter() {
        let owner = context.scope.sequence_owner(s);
        let all = with_owner(context, &Object::Sequence(s.id), owner, Privileges::ON_SEQUENCE);
        let usage = |(to, from, granted): &Given| granted.privileges.has(Privileges::USAGE) && shown.has(*to, *from);
        for (grantee, grantor, granted) in all.into_iter().filter(usage) {
            let object = [
                ("object_catalog", (&context.database).into()),
                ("object_schema", context.scope.namespace_name(s.namespace).into()),
                ("object_name", (&s.name).into()),
                ("object_type", "SEQUENCE".into()),
            ];
            let cells = who(context, grantor, grantee).into_iter().chain(object);
            rows.add(cells.chain(what("USAGE", granted.options.has(Privileges::USAGE))))?;
        }
    }
    Ok(())
}

pub fn routine_privileges(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    on_routines(context, rows, true)
}

pub fn role_routine_grants(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    on_routines(context, rows, false)
}

/// EXECUTE of functions and procedures of users.
fn on_routines(context: &SystemContext, rows: &mut Rows, everybodys: bool) -> Result<()> {
    let shown = Shown::new(context, everybodys);
    for f in context.scope.functions() {
        let all = with_owner(context, &Object::Function(f.id), f.owner, Privileges::EXECUTE);
        for (grantee, grantor, granted) in all.into_iter().filter(|(to, from, _)| shown.has(*to, *from)) {
            let cells = who(context, grantor, grantee).into_iter().chain(named(context, f));
            rows.add(cells.chain(what("EXECUTE", granted.options.has(Privileges::EXECUTE))))?;
        }
    }
    Ok(())
}
