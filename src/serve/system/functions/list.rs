//! The list of system functions of scalars: one line each.

use super::columns;
use super::definitions as d;
use super::partitions;
use super::privileges as p;
use super::routines;
use super::{Body, Entry, Row};
use crate::data::PgType::{self, *};
use crate::data::Position;
use crate::error::{Error, Result, code};
use crate::serve::system::rows::Cell;
use crate::serve::system::{Ends, SERVER_VERSION, SystemContext};

fn null(_: &SystemContext, _: Row) -> Result<Cell> {
    Ok(Cell::Null)
}
fn yes(_: &SystemContext, row: Row) -> Result<Cell> {
    Ok(if row.iter().any(Option::is_none) { Cell::Null } else { true.into() })
}
fn no(_: &SystemContext, _: Row) -> Result<Cell> {
    Ok(false.into())
}
fn zero(_: &SystemContext, _: Row) -> Result<Cell> {
    Ok(Cell::Int(0))
}
fn user(context: &SystemContext, _: Row) -> Result<Cell> {
    Ok((&context.user).into())
}
fn database(context: &SystemContext, _: Row) -> Result<Cell> {
    Ok((&context.database).into())
}

/// The client's end of the session's own connection and ours, with their ports, if it is one over the network.
fn ends(context: &SystemContext) -> Option<[(String, i32); 2]> {
    let own = context.sessions.iter().find(|session| session.process_id == context.process_id)?;
    own.ends.map(Ends::shown)
}

/// The position of the log as the number of a transaction, of which there are 2^32.
fn as_xid(context: &SystemContext) -> i64 {
    i64::from(context.head as u32)
}

/// What a snapshot says of transactions: all before the next are over, but those that have taken a number and not ended.
fn snapshot(context: &SystemContext) -> String {
    let running: Vec<&Position> = context.running.iter().filter(|number| **number < context.head).collect();
    let least = running.first().map_or(context.head, |number| **number);
    let running: Vec<String> = running.into_iter().map(Position::to_string).collect();
    format!("{least}:{}:{}", context.head, running.join(","))
}

/// The number of the transaction. Errors: the log's.
fn transaction_number(context: &SystemContext) -> Result<Position> {
    let own = context.session.as_ref().map_or(Ok(None), |session| session.transaction_number(true))?;
    Ok(own.unwrap_or(context.head))
}

/// The same where it has taken one.
fn number_taken(context: &SystemContext) -> Result<Option<Position>> {
    context.session.as_ref().map_or(Ok(None), |session| session.transaction_number(false))
}

/// A part of a snapshot's text.
fn of_snapshot<'a>(row: Row<'a>, part: usize) -> Option<&'a str> {
    row[0].and_then(|text| text.split(':').nth(part))
}

/// Everything below the head is committed, but what has a number and has not ended. Errors: 22023.
fn transaction_status(context: &SystemContext, row: Row) -> Result<Cell> {
    let Some(text) = row[0] else { return Ok(Cell::Null) };
    let wrong = || Error::new(code::INVALID_PARAMETER_VALUE, format!("transaction ID {text} is in the future"));
    let number: u64 = text.parse().map_err(|_| wrong())?;
    match number {
        number if context.running.contains(&number) || number_taken(context)? == Some(number) => Ok("in progress".into()),
        number if number < context.head => Ok("committed".into()),
        number if number == context.head => Ok("in progress".into()),
        _ => Err(wrong()),
    }
}

/// Whether a transaction was over when a snapshot was taken.
fn visible(_: &SystemContext, row: Row) -> Result<Cell> {
    let [Some(number), Some(snapshot)] = row else { return Ok(Cell::Null) };
    let wrong = || Error::new(code::INVALID_TEXT_REPRESENTATION, format!("invalid input syntax for type pg_snapshot: \"{snapshot}\""));
    let mut parts = snapshot.split(':');
    let next: u64 = parts.nth(1).and_then(|next| next.parse().ok()).ok_or_else(wrong)?;
    let running = parts.next().unwrap_or_default().split(',').any(|id| id == *number);
    Ok((number.parse::<u64>().is_ok_and(|number| number < next) && !running).into())
}

/// Privileges: name, least and greatest number of arguments, body. Everybody may call functions, and use languages and types.
const PRIVILEGES: [(&str, usize, usize, Body); 14] = [
    ("has_any_column_privilege", 2, 3, p::on_any_column),
    ("has_column_privilege", 3, 4, p::on_column),
    ("has_database_privilege", 2, 3, p::on_database),
    ("has_foreign_data_wrapper_privilege", 2, 3, p::superuser),
    ("has_function_privilege", 2, 3, p::on_function),
    ("has_language_privilege", 2, 3, yes),
    ("has_parameter_privilege", 2, 3, p::superuser),
    ("has_schema_privilege", 2, 3, p::on_schema),
    ("has_sequence_privilege", 2, 3, p::on_sequence),
    ("has_server_privilege", 2, 3, p::superuser),
    ("has_table_privilege", 2, 3, p::on_table),
    ("has_tablespace_privilege", 2, 3, p::superuser),
    ("has_type_privilege", 2, 3, yes),
    ("pg_has_role", 2, 3, p::has_role),
];

/// Kinds of objects all of which are visible, since they are in pg_catalog.
const VISIBLE: [&str; 10] = [
    "pg_collation_is_visible",
    "pg_conversion_is_visible",
    "pg_opclass_is_visible",
    "pg_operator_is_visible",
    "pg_opfamily_is_visible",
    "pg_statistics_obj_is_visible",
    "pg_ts_config_is_visible",
    "pg_ts_dict_is_visible",
    "pg_ts_parser_is_visible",
    "pg_ts_template_is_visible",
];

/// Counters that PostgreSQL keeps per table and Everfold does not: always zero.
const COUNTERS: [&str; 12] = [
    "pg_stat_get_analyze_count",
    "pg_stat_get_autoanalyze_count",
    "pg_stat_get_autovacuum_count",
    "pg_stat_get_blocks_fetched",
    "pg_stat_get_blocks_hit",
    "pg_stat_get_dead_tuples",
    "pg_stat_get_numscans",
    "pg_stat_get_tuples_deleted",
    "pg_stat_get_tuples_fetched",
    "pg_stat_get_tuples_returned",
    "pg_stat_get_tuples_updated",
    "pg_stat_get_vacuum_count",
];

/// When somebody did to a table, or began to count, what nobody has to do here: never.
const NEVER: [&str; 6] = [
    "pg_stat_get_db_stat_reset_time",
    "pg_stat_get_last_analyze_time",
    "pg_stat_get_last_autoanalyze_time",
    "pg_stat_get_last_autovacuum_time",
    "pg_stat_get_last_vacuum_time",
    "pg_xact_commit_timestamp",
];

/// Every function: name, result, least and greatest number of arguments, body.
pub fn entries() -> Vec<Entry> {
    let entry = |(name, returns, least, most, body): (&'static str, PgType, usize, usize, Body)| Entry {
        name,
        returns,
        arity: [least, most],
        body,
    };
    let mut all: Vec<Entry> = session().into_iter().chain(definitions()).chain(sizes()).map(entry).collect();
    all.extend(PRIVILEGES.map(|(name, least, most, body)| entry((name, Bool, least, most, body))));
    all.extend(VISIBLE.map(|name| entry((name, Bool, 1, 1, yes))));
    all.extend(COUNTERS.map(|name| entry((name, Int8, 1, 1, zero))));
    all.extend(NEVER.map(|name| entry((name, Timestamptz, 1, 1, null))));
    all
}

type Line = (&'static str, PgType, usize, usize, Body);

/// About the session and the server.
fn session() -> Vec<Line> {
    vec![
        ("version", Text, 0, 0, |_, _| Ok(format!("PostgreSQL {SERVER_VERSION} on {}", std::env::consts::ARCH).into())),
        ("current_database", Name, 0, 0, database),
        ("current_catalog", Name, 0, 0, database),
        ("current_schema", Name, 0, 0, d::current_schema),
        ("current_schemas", Array(Box::new(Name)), 1, 1, d::current_schemas),
        ("current_user", Name, 0, 0, user),
        ("current_role", Name, 0, 0, user),
        ("session_user", Name, 0, 0, |c, _| Ok((&c.session_user).into())),
        ("user", Name, 0, 0, user),
        ("current_setting", Text, 1, 2, d::current_setting),
        ("pg_backend_pid", Int4, 0, 0, |c, _| Ok(c.process_id.into())),
        ("pg_client_encoding", Name, 0, 0, |c, _| d::current_setting(c, &[Some("client_encoding")])),
        ("getdatabaseencoding", Name, 0, 0, |_, _| Ok("UTF8".into())),
        ("pg_is_in_recovery", Bool, 0, 0, no),
        ("pg_is_wal_replay_paused", Bool, 0, 0, no),
        ("pg_postmaster_start_time", Timestamptz, 0, 0, |c, _| Ok(c.started_us.into())),
        ("pg_conf_load_time", Timestamptz, 0, 0, |c, _| Ok(c.started_us.into())),
        ("statement_timestamp", Timestamptz, 0, 0, |c, _| Ok(c.session.as_ref().map(|session| session.statement_us()).into())),
        ("pg_my_temp_schema", Oid, 0, 0, d::temporary_schema),
        ("pg_is_other_temp_schema", Bool, 1, 1, no),
        ("txid_current", Int8, 0, 0, |c, _| Ok(transaction_number(c)?.into())),
        ("txid_current_if_assigned", Int8, 0, 0, |c, _| Ok(number_taken(c)?.map(|number| number as i64).into())),
        ("pg_current_xact_id", Opaque("xid8"), 0, 0, |c, _| Ok(transaction_number(c)?.to_string().into())),
        ("pg_current_xact_id_if_assigned", Opaque("xid8"), 0, 0, |c, _| Ok(number_taken(c)?.map(|number| number.to_string()).into())),
        ("pg_xact_status", Text, 1, 1, transaction_status),
        ("txid_status", Text, 1, 1, transaction_status),
        ("pg_visible_in_snapshot", Bool, 2, 2, visible),
        ("txid_visible_in_snapshot", Bool, 2, 2, visible),
        ("current_query", Text, 0, 0, |c, _| Ok(c.sessions.iter().find(|s| s.process_id == c.process_id).map(|s| s.query.clone()).into())),
        ("pg_trigger_depth", Int4, 0, 0, |c, _| Ok(Cell::Int(c.session.as_ref().map_or(0, |session| session.trigger_depth().into())))),
        ("pg_jit_available", Bool, 0, 0, no),
        ("pg_stat_clear_snapshot", Void, 0, 0, |_, _| Ok("".into())),
        ("getpgusername", Name, 0, 0, user),
        ("pg_safe_snapshot_blocking_pids", Array(Box::new(Int4)), 1, 1, |_, _| Ok(Cell::List(vec![]))),
        ("inet_server_addr", Inet, 0, 0, |c, _| Ok(ends(c).map(|[_, server]| server.0).into())),
        ("inet_server_port", Int4, 0, 0, |c, _| Ok(ends(c).map(|[_, server]| server.1).into())),
        ("inet_client_addr", Inet, 0, 0, |c, _| Ok(ends(c).map(|[client, _]| client.0).into())),
        ("inet_client_port", Int4, 0, 0, |c, _| Ok(ends(c).map(|[client, _]| client.1).into())),
        ("row_security_active", Bool, 1, 1, p::row_security_active),
        ("catalog_xmin", Id("xid"), 0, 0, |c, _| Ok(as_xid(c).into())),
        ("pg_current_wal_lsn", Opaque("pg_lsn"), 0, 0, |c, _| Ok(c.lsn().into())),
        ("pg_current_wal_insert_lsn", Opaque("pg_lsn"), 0, 0, |c, _| Ok(c.lsn().into())),
        ("pg_current_wal_flush_lsn", Opaque("pg_lsn"), 0, 0, |c, _| Ok(c.lsn().into())),
        ("pg_lsn", Opaque("pg_lsn"), 1, 1, |_, r| Ok(r[0].into())),
        ("pg_current_snapshot", Opaque("pg_snapshot"), 0, 0, |c, _| Ok(snapshot(c).into())),
        ("txid_current_snapshot", Opaque("txid_snapshot"), 0, 0, |c, _| Ok(snapshot(c).into())),
        ("pg_snapshot_xmin", Opaque("xid8"), 1, 1, |_, r| Ok(of_snapshot(r, 0).into())),
        ("pg_snapshot_xmax", Opaque("xid8"), 1, 1, |_, r| Ok(of_snapshot(r, 1).into())),
        ("txid_snapshot_xmin", Int8, 1, 1, |_, r| Ok(of_snapshot(r, 0).and_then(|xid| xid.parse::<i64>().ok()).into())),
        ("txid_snapshot_xmax", Int8, 1, 1, |_, r| Ok(of_snapshot(r, 1).and_then(|xid| xid.parse::<i64>().ok()).into())),
        ("pg_last_wal_receive_lsn", Opaque("pg_lsn"), 0, 0, null),
        ("pg_last_wal_replay_lsn", Opaque("pg_lsn"), 0, 0, null),
        ("pg_last_xact_replay_timestamp", Timestamptz, 0, 0, null),
        ("lsn_number", Int8, 1, 1, d::lsn_number),
        ("mxid_age", Int4, 1, 1, zero),
        ("xid_age", Int4, 1, 1, |c, r| Ok(d::oid(r[0]).map(|xid| as_xid(c) - i64::from(xid)).into())),
        ("pg_blocking_pids", Array(Box::new(Int4)), 1, 1, d::blocking),
    ]
}

/// From object ids to names and definitions, and back.
fn definitions() -> Vec<Line> {
    vec![
        ("reg_oid", Oid, 2, 2, d::reg_oid),
        ("reg_name", Text, 2, 2, d::reg_name),
        ("reg_shown", Text, 2, 2, d::reg_shown),
        ("pg_partition_ancestors", Array(Box::new(Regclass)), 1, 1, partitions::ancestors),
        ("pg_partition_root", Regclass, 1, 1, partitions::root),
        ("pg_partition_tree_relations", Array(Box::new(Oid)), 1, 1, partitions::tree_relations),
        ("pg_partition_tree_parents", Array(Box::new(Oid)), 1, 1, partitions::tree_parents),
        ("pg_partition_tree_leaves", Array(Box::new(Bool)), 1, 1, partitions::tree_leaves),
        ("pg_partition_tree_levels", Array(Box::new(Int4)), 1, 1, partitions::tree_levels),
        ("to_regclass", Regclass, 1, 1, |c, r| d::to_reg("regclass", c, r)),
        ("to_regtype", Regtype, 1, 1, |c, r| d::to_reg("regtype", c, r)),
        ("to_regprocedure", Id("regprocedure"), 1, 1, |c, r| d::to_reg("regprocedure", c, r)),
        ("to_regcollation", Id("regcollation"), 1, 1, |c, r| d::to_reg("regcollation", c, r)),
        ("to_regoper", Id("regoper"), 1, 1, |c, r| d::to_reg("regoper", c, r)),
        ("to_regproc", Regproc, 1, 1, |c, r| d::to_reg("regproc", c, r)),
        ("to_regnamespace", Id("regnamespace"), 1, 1, |c, r| d::to_reg("regnamespace", c, r)),
        ("to_regrole", Id("regrole"), 1, 1, |c, r| d::to_reg("regrole", c, r)),
        ("pg_column_names", Array(Box::new(Name)), 2, 2, d::column_names),
        ("format_type", Text, 2, 2, d::format_type),
        ("pg_get_userbyid", Name, 1, 1, p::user_by_id),
        ("pg_role_names", Text, 1, 1, p::role_names),
        ("acldefault", Array(Box::new(Opaque("aclitem"))), 2, 2, p::acl_default),
        ("pg_acl_grantor", Array(Box::new(Oid)), 1, 1, |c, r| p::acl_column(c, r, 0)),
        ("pg_acl_grantee", Array(Box::new(Oid)), 1, 1, |c, r| p::acl_column(c, r, 1)),
        ("pg_acl_privilege", Array(Box::new(Text)), 1, 1, |c, r| p::acl_column(c, r, 2)),
        ("pg_acl_grantable", Array(Box::new(Bool)), 1, 1, |c, r| p::acl_column(c, r, 3)),
        ("pg_describe_object", Text, 3, 3, d::described),
        ("pg_relation_filenode", Oid, 1, 1, d::filenode),
        ("pg_sequence_last_value", Int8, 1, 1, d::sequence_last_value),
        ("pg_option_name", Array(Box::new(Text)), 1, 1, |_, r| Ok(d::options(r, 0))),
        ("pg_option_value", Array(Box::new(Text)), 1, 1, |_, r| Ok(d::options(r, 1))),
        ("pg_table_is_visible", Bool, 1, 1, d::table_is_visible),
        ("pg_type_is_visible", Bool, 1, 1, d::type_is_visible),
        ("pg_function_is_visible", Bool, 1, 1, routines::is_visible),
        ("pg_relation_is_publishable", Bool, 1, 1, no),
        ("pg_get_expr", Text, 2, 3, d::expression),
        ("pg_get_viewdef", Text, 1, 2, d::view_definition),
        ("pg_get_indexdef", Text, 1, 3, d::index_definition),
        ("pg_get_constraintdef", Text, 1, 2, d::constraint_definition),
        ("pg_get_functiondef", Text, 1, 1, routines::definition),
        ("pg_get_function_arguments", Text, 1, 1, routines::arguments),
        ("pg_get_function_identity_arguments", Text, 1, 1, routines::identity_arguments),
        ("pg_get_function_result", Text, 1, 1, routines::result),
        ("pg_indexam_has_property", Bool, 2, 2, d::access_method_can),
        ("pg_index_column_has_property", Bool, 3, 3, columns::index_column_can),
        ("_pg_index_position", Int4, 2, 2, columns::index_position),
        ("_pg_char_max_length", Int4, 2, 2, columns::char_max_length),
        ("_pg_char_octet_length", Int4, 2, 2, columns::char_octet_length),
        ("_pg_numeric_precision", Int4, 2, 2, columns::numeric_precision),
        ("_pg_numeric_precision_radix", Int4, 2, 2, columns::numeric_radix),
        ("_pg_numeric_scale", Int4, 2, 2, columns::numeric_scale),
        ("_pg_datetime_precision", Int4, 2, 2, columns::datetime_precision),
        // Intervals have no fields to choose.
        ("_pg_interval_type", Text, 2, 2, null),
        ("oidvectortypes", Text, 1, 1, d::vector_types),
        ("pg_relation_is_updatable", Int4, 2, 2, d::updatable),
        ("pg_column_is_updatable", Bool, 3, 3, d::column_updatable),
        ("pg_get_function_arg_default", Text, 2, 2, routines::argument_default),
        ("pg_get_ruledef", Text, 1, 2, null),
        ("pg_get_triggerdef", Text, 1, 2, d::trigger_definition),
        ("pg_get_partkeydef", Text, 1, 1, partitions::key_definition),
        ("pg_get_partition_constraintdef", Text, 1, 1, partitions::constraint_definition),
        ("pg_get_serial_sequence", Text, 2, 2, d::serial_sequence),
        ("pg_get_statisticsobjdef", Text, 1, 1, null),
        ("pg_get_statisticsobjdef_columns", Text, 1, 1, null),
        ("pg_encoding_to_char", Name, 1, 1, |_, r| Ok(r[0].map(|e| if e == "6" { "UTF8" } else { "" }).into())),
        ("pg_get_function_sqlbody", Text, 1, 1, null),
        ("pg_char_to_encoding", Int4, 1, 1, d::char_to_encoding),
        ("pg_encoding_max_length", Int4, 1, 1, |_, r| {
            Ok(r[0].map(|e| if e == "6" { Cell::Int(4) } else { Cell::Null }).unwrap_or(Cell::Null))
        }),
        ("obj_description", Text, 1, 2, d::object_description),
        ("col_description", Text, 2, 2, d::column_description),
        ("shobj_description", Text, 2, 2, d::database_description),
        ("pg_tablespace_location", Text, 1, 1, |_, r| Ok(r[0].map(|_| "").into())),
    ]
}

/// Sizes in bytes, and rows.
fn sizes() -> Vec<Line> {
    vec![
        ("pg_relation_size", Int8, 1, 2, d::relation_size),
        ("pg_table_size", Int8, 1, 1, d::relation_size),
        ("pg_total_relation_size", Int8, 1, 1, d::relation_size),
        ("pg_indexes_size", Int8, 1, 1, zero),
        ("pg_database_size", Int8, 1, 1, d::database_size),
        ("pg_tablespace_size", Int8, 1, 1, d::database_size),
        ("pg_size_bytes", Int8, 1, 1, d::size_bytes),
        ("pg_size_pretty", Text, 1, 1, d::size_pretty),
        ("pg_stat_get_live_tuples", Int8, 1, 1, |c, r| d::status(c, r, |s| s.rows)),
        ("pg_stat_get_tuples_inserted", Int8, 1, 1, |c, r| d::status(c, r, |s| s.events)),
        ("pg_stat_get_db_numbackends", Int4, 1, 1, |c, _| Ok(c.sessions.len().into())),
    ]
}
