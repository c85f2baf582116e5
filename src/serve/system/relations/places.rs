//! Where things are: pg_namespace, pg_database, pg_tablespace.

use super::super::SystemContext;
use super::super::acl::{database_acl, schema_acl};
use super::super::names::{DATABASE, OWNER};
use super::super::rows::{Cell, Rows};
use crate::error::Result;

/// PostgreSQL's number for the encoding UTF8.
const UTF8: i64 = 6;
/// The tablespace pg_default.
const DEFAULT_TABLESPACE: u32 = 1663;

pub fn pg_namespace(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    context.schemas().into_iter().try_for_each(|(oid, name, owner)| {
        let acl = context.scope.namespace(oid).map_or(Cell::Null, |schema| schema_acl(context, schema));
        rows.add([("oid", oid.into()), ("nspname", name.into()), ("nspowner", owner.into()), ("nspacl", acl)])
    })
}

/// One database; text is compared by its bytes, which is PostgreSQL's collation C.
pub fn pg_database(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    rows.add([
        ("oid", DATABASE.into()),
        ("datname", (&context.database).into()),
        ("datdba", OWNER.into()),
        ("datacl", database_acl(context)),
        ("encoding", Cell::Int(UTF8)),
        ("datlocprovider", "c".into()),
        ("datallowconn", true.into()),
        ("datconnlimit", Cell::Int(-1)),
        ("dattablespace", DEFAULT_TABLESPACE.into()),
        ("datcollate", "C".into()),
        ("datctype", "C".into()),
    ])
}

pub fn pg_tablespace(_: &SystemContext, rows: &mut Rows) -> Result<()> {
    let both = [(DEFAULT_TABLESPACE, "pg_default"), (1664, "pg_global")];
    both.into_iter().try_for_each(|(oid, name)| rows.add([("oid", oid.into()), ("spcname", name.into()), ("spcowner", OWNER.into())]))
}
