//! What is going on: pg_locks, pg_stat_progress_copy, pg_cursors, pg_prepared_statements, pg_stat_activity, pg_stat_user_tables, pg_statio_user_tables,
//! pg_stat_user_indexes, pg_stat_database, and counters of what is not done.

use super::super::acl::{may_watch, shown_query};
use super::super::keys::indexes;
use super::super::names::DATABASE;
use super::super::rows::{Cell, Rows};
use super::super::{LockKey, SystemContext};
use crate::error::Result;

/// What stands for the port of a client that came by the socket file.
const NO_PORT: i32 = -1;

pub fn pg_stat_activity(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for s in context.sessions.iter() {
        let may = may_watch(context, s);
        let (address, port) = s.ends.map(|ends| ends.shown()[0].clone()).unzip();
        rows.add([
            ("datid", DATABASE.into()),
            ("datname", (&s.database).into()),
            ("pid", s.process_id.into()),
            ("leader_pid", Cell::Null),
            ("usesysid", s.role.into()),
            ("usename", (&s.user).into()),
            ("application_name", (&s.application).into()),
            ("client_addr", address.filter(|_| may).into()),
            ("client_port", may.then(|| port.unwrap_or(NO_PORT)).into()),
            ("backend_start", may.then_some(s.started_us).into()),
            ("state", may.then_some(&s.state).into()),
            ("backend_xid", Cell::Null),
            ("backend_xmin", Cell::Null),
            ("query_id", Cell::Null),
            ("query", shown_query(context, s).into()),
            ("backend_type", "client backend".into()),
        ])?;
    }
    Ok(())
}

/// Streams and tables count their events as inserted rows: that is what an append is.
pub fn pg_stat_user_tables(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for r in context.scope.relations().filter(|r| !r.is_expanded()) {
        let Some(s) = context.progress.relations.iter().find(|s| s.id == r.id) else { continue };
        rows.add([
            ("relid", r.id.into()),
            ("schemaname", context.scope.namespace_name(r.namespace).into()),
            ("relname", (&r.name).into()),
            ("n_tup_ins", s.events.into()),
            ("n_live_tup", s.rows.into()),
        ])?;
    }
    Ok(())
}

/// Everfold reads no blocks: the counters are zero.
pub fn pg_statio_user_tables(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    let mut relations = context.scope.relations().filter(|r| !r.is_expanded());
    relations.try_for_each(|r| {
        rows.add([("relid", r.id.into()), ("schemaname", context.scope.namespace_name(r.namespace).into()), ("relname", (&r.name).into())])
    })
}

/// An index is not read apart from its table: the counters are zero.
pub fn pg_stat_user_indexes(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    indexes(&context.scope).iter().try_for_each(|index| {
        rows.add([
            ("relid", index.relation.id.into()),
            ("indexrelid", index.oid.into()),
            ("schemaname", context.scope.namespace_name(index.relation.namespace).into()),
            ("relname", (&index.relation.name).into()),
            ("indexrelname", (&index.index.name).into()),
        ])
    })
}

/// One row of counters since the start, of work that the server does not do: pg_stat_bgwriter, pg_stat_archiver, pg_stat_wal.
pub fn counters(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    rows.add([("stats_reset", Cell::Int(context.started_us))])
}

/// Every commit of the log is a position or more; the head stands in for the count of rows inserted.
pub fn pg_stat_database(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    rows.add([
        ("datid", DATABASE.into()),
        ("datname", (&context.database).into()),
        ("numbackends", context.sessions.len().into()),
        ("tup_inserted", context.head.into()),
    ])
}

/// Advisory locks; a table is locked only while statements change it. A number takes two columns, its upper and its lower half.
pub fn pg_locks(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for lock in context.locks.iter() {
        let (classid, objid, objsubid) = match lock.key {
            LockKey::One(n) => ((n as u64 >> 32) as u32, n as u32, 1),
            LockKey::Two(a, b) => (a as u32, b as u32, 2),
        };
        rows.add([
            ("locktype", "advisory".into()),
            ("database", DATABASE.into()),
            ("relation", Cell::Null),
            ("page", Cell::Null),
            ("tuple", Cell::Null),
            ("transactionid", Cell::Null),
            ("classid", classid.into()),
            ("objid", objid.into()),
            ("objsubid", i16::into(objsubid)),
            ("virtualtransaction", format!("{}/0", lock.process_id).into()),
            ("pid", lock.process_id.into()),
            ("mode", if lock.shared { "ShareLock" } else { "ExclusiveLock" }.into()),
            ("granted", lock.granted.into()),
        ])?;
    }
    Ok(())
}

/// Rows come from clients and go to them: the type is always a pipe, and bytes to come are not known.
pub fn pg_stat_progress_copy(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for w in context.works.iter().filter(|w| w.kind.starts_with("COPY")) {
        rows.add([
            ("pid", w.process_id.into()),
            ("datid", DATABASE.into()),
            ("datname", (&context.database).into()),
            ("relid", w.relation_id.unwrap_or(0).into()),
            ("command", w.kind.into()),
            ("type", "PIPE".into()),
            ("bytes_processed", w.bytes.into()),
            ("tuples_processed", w.done.into()),
        ])?;
    }
    Ok(())
}

/// The session's own.
pub fn pg_cursors(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for c in context.session.iter().flat_map(|s| s.cursors()) {
        rows.add([
            ("name", c.name.into()),
            ("statement", c.statement.into()),
            ("is_holdable", c.hold.into()),
            ("is_binary", c.binary.into()),
            ("is_scrollable", c.scroll.into()),
            ("creation_time", Cell::Int(c.created_us)),
        ])?;
    }
    Ok(())
}

/// The session's own.
pub fn pg_prepared_statements(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for p in context.session.iter().flat_map(|s| s.prepared()) {
        rows.add([
            ("name", p.name.into()),
            ("statement", p.statement.into()),
            ("prepare_time", Cell::Int(p.prepared_us)),
            ("parameter_types", Cell::List(p.parameters.iter().map(|t| t.oid().into()).collect())),
            ("from_sql", p.from_sql.into()),
        ])?;
    }
    Ok(())
}
