//! Roles: the session's user, who owns everything and may do everything.

use super::super::SystemContext;
use super::super::names::OWNER;
use super::super::rows::{Cell, Rows};
use crate::error::Result;

pub fn pg_roles(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    rows.add([
        ("oid", OWNER.into()),
        ("rolname", (&context.user).into()),
        ("rolsuper", true.into()),
        ("rolinherit", true.into()),
        ("rolcreaterole", true.into()),
        ("rolcreatedb", true.into()),
        ("rolcanlogin", true.into()),
        ("rolreplication", true.into()),
        ("rolconnlimit", Cell::Int(-1)),
        ("rolpassword", "********".into()),
        ("rolbypassrls", true.into()),
    ])
}

/// pg_roles without the masked password: what is kept of a password is not shown to anybody.
pub fn pg_authid(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    rows.add([
        ("oid", OWNER.into()),
        ("rolname", (&context.user).into()),
        ("rolsuper", true.into()),
        ("rolinherit", true.into()),
        ("rolcreaterole", true.into()),
        ("rolcreatedb", true.into()),
        ("rolcanlogin", true.into()),
        ("rolreplication", true.into()),
        ("rolbypassrls", true.into()),
        ("rolconnlimit", Cell::Int(-1)),
    ])
}

pub fn pg_user(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    rows.add([
        ("usename", (&context.user).into()),
        ("usesysid", OWNER.into()),
        ("usecreatedb", true.into()),
        ("usesuper", true.into()),
        ("userepl", true.into()),
        ("usebypassrls", true.into()),
    ])
}
