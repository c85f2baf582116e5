//! What is going on: pg_stat_activity, pg_stat_user_tables, pg_statio_user_tables, pg_stat_database.

use super::super::SystemContext;
use super::super::acl::shown_query;
use super::super::names::DATABASE;
use super::super::rows::{Cell, Rows};
use crate::error::Result;

pub fn pg_stat_activity(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for s in &context.sessions {
        rows.add([
            ("datid", DATABASE.into()),
            ("datname", (&s.database).into()),
            ("pid", s.process_id.into()),
            ("leader_pid", Cell::Null),
            ("usesysid", s.role.into()),
            ("usename", (&s.user).into()),
            ("application_name", (&s.application).into()),
            ("client_port", Cell::Null),
            ("backend_start", Cell::Int(s.started_us)),
            ("state", (&s.state).into()),
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
    for r in context.catalog.relations() {
        let Some(s) = context.relations.iter().find(|s| s.id == r.id) else { continue };
        rows.add([
            ("relid", r.id.into()),
            ("schemaname", "public".into()),
            ("relname", (&r.name).into()),
            ("n_tup_ins", s.events.into()),
            ("n_live_tup", s.rows.into()),
        ])?;
    }
    Ok(())
}

/// Everfold reads no blocks: the counters are zero.
pub fn pg_statio_user_tables(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    let mut relations = context.catalog.relations();
    relations.try_for_each(|r| rows.add([("relid", r.id.into()), ("schemaname", "public".into()), ("relname", (&r.name).into())]))
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
