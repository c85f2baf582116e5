//! Roles, memberships and default privileges, from the catalog. What is kept of a password is shown to superusers only, in pg_authid and pg_shadow.

use super::super::SystemContext;
use super::super::acl::default_acl;
use super::super::names::{DATABASE, OWNER};
use super::super::rows::{Cell, Rows};
use crate::catalog::{NewObjects, PUBLIC, Role, RoleId};
use crate::error::{Error, Result, code};

/// The first of the oids in pg_default_acl, far above every other one.
const DEFAULT_ACLS: u32 = 3 << 30;

/// What stands where a password would.
const MASK: &str = "********";

fn common(context: &SystemContext, role: &Role, password: Cell) -> [(&'static str, Cell); 12] {
    [
        ("oid", role.id.into()),
        ("rolname", context.role_name(role.id).into()),
        ("rolsuper", role.superuser.into()),
        ("rolinherit", role.inherit.into()),
        ("rolcreaterole", (role.superuser || role.create_role).into()),
        ("rolcreatedb", (role.superuser || role.create_db).into()),
        ("rolcanlogin", role.login.into()),
        ("rolreplication", role.superuser.into()),
        ("rolbypassrls", (role.superuser || role.bypass_rls).into()),
        ("rolconnlimit", role.connection_limit.into()),
        ("rolpassword", password),
        ("rolvaliduntil", role.valid_until_us.into()),
    ]
}

pub fn pg_roles(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    context.scope.roles().all().try_for_each(|role| {
        let settings = ("rolconfig", settings(context, role.id));
        rows.add(common(context, role, MASK.into()).into_iter().chain([settings]))
    })
}

/// `{name=value,..}`, null for a role without settings.
fn settings(context: &SystemContext, role: RoleId) -> Cell {
    let all: Vec<Cell> = context.scope.roles().settings_of(role).map(|(name, value)| format!("{name}={value}").into()).collect();
    if all.is_empty() { Cell::Null } else { Cell::List(all) }
}

/// Those of everybody are the database's.
pub fn pg_db_role_setting(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    context.scope.roles().with_settings().try_for_each(|role| {
        let database = if role == PUBLIC { DATABASE } else { 0 };
        rows.add([("setdatabase", database.into()), ("setrole", role.into()), ("setconfig", settings(context, role))])
    })
}

pub fn pg_authid(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    only_superusers(context, "table pg_authid")?;
    let password = |role: &Role| role.password.as_ref().map(|v| v.text()).into();
    context.scope.roles().all().try_for_each(|role| rows.add(common(context, role, password(role))))
}

/// Errors: 42501.
fn only_superusers(context: &SystemContext, what: &str) -> Result<()> {
    if context.is_superuser() {
        return Ok(());
    }
    Err(Error::new(code::INSUFFICIENT_PRIVILEGE, format!("permission denied for {what}"))
        .hint("Query pg_roles, which shows all but what is kept of passwords."))
}

fn users(context: &SystemContext, rows: &mut Rows, password: impl Fn(&Role) -> Cell) -> Result<()> {
    context.scope.roles().all().filter(|role| role.login).try_for_each(|role| {
        rows.add([
            ("usename", context.role_name(role.id).into()),
            ("usesysid", role.id.into()),
            ("usecreatedb", (role.superuser || role.create_db).into()),
            ("usesuper", role.superuser.into()),
            ("userepl", role.superuser.into()),
            ("usebypassrls", (role.superuser || role.bypass_rls).into()),
            ("passwd", password(role)),
            ("valuntil", role.valid_until_us.into()),
        ])
    })
}

pub fn pg_user(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    users(context, rows, |_| MASK.into())
}

pub fn pg_shadow(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    only_superusers(context, "view pg_shadow")?;
    users(context, rows, |role| role.password.as_ref().map(|v| v.text()).into())
}

pub fn pg_group(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    let roles = context.scope.roles();
    roles.all().filter(|role| !role.login).try_for_each(|role| {
        let members: Vec<Cell> = roles.memberships().filter(|m| m.role == role.id).map(|m| m.member.into()).collect();
        rows.add([("groname", (&role.name).into()), ("grosysid", role.id.into()), ("grolist", members.into())])
    })
}

pub fn pg_auth_members(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    context.scope.roles().memberships().try_for_each(|m| {
        rows.add([("roleid", m.role.into()), ("member", m.member.into()), ("grantor", m.grantor.into()), ("admin_option", m.admin.into())])
    })
}

pub fn pg_default_acl(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    let mut all: Vec<&NewObjects> = context.scope.roles().defaults().map(|(on, _, _)| on).collect();
    all.dedup();
    all.into_iter().zip(DEFAULT_ACLS..).try_for_each(|(on, oid)| {
        rows.add([
            ("oid", oid.into()),
            ("defaclrole", on.owner.into()),
            ("defaclnamespace", on.schema.unwrap_or(0).into()),
            ("defaclobjtype", if on.sequences { "S" } else { "r" }.into()),
            ("defaclacl", default_acl(context, on)),
        ])
    })
}

/// The roles whose privileges the session has.
pub fn enabled_roles(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    let own = context.scope.roles().inherits(context.role);
    let enabled = context.scope.roles().all().filter(|role| own.contains(&role.id) || role.id != OWNER && context.is_superuser());
    enabled.map(|role| role.id).try_for_each(|id| rows.add([("role_name", context.role_name(id).into())]))
}
