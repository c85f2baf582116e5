//! pg_settings, and the time zones that a setting may name.

use super::super::rows::{Cell, Rows};
use super::super::{SERVER_VERSION, SERVER_VERSION_NUM, SystemContext};
use crate::error::Result;

/// Settings that clients read, that nobody can change, and that hold unless the session knows better: (name, value, description).
const PRESETS: &[(&str, &str, &str)] = &[
    ("allow_system_table_mods", "off", "System relations cannot be changed."),
    ("archive_mode", "off", "There is no archiving: the log is all there is."),
    ("archive_timeout", "0", "There is no archiving: the log is all there is."),
    ("autovacuum", "off", "Nothing has to be vacuumed."),
    ("autovacuum_analyze_scale_factor", "0.1", "Nothing has to be vacuumed."),
    ("autovacuum_analyze_threshold", "50", "Nothing has to be vacuumed."),
    ("autovacuum_freeze_max_age", "200000000", "Nothing has to be vacuumed."),
    ("autovacuum_max_workers", "0", "Nothing has to be vacuumed."),
    ("autovacuum_vacuum_scale_factor", "0.2", "Nothing has to be vacuumed."),
    ("autovacuum_vacuum_threshold", "50", "Nothing has to be vacuumed."),
    ("block_size", "8192", "Shows the size of a disk block."),
    ("checkpoint_completion_target", "0", "A checkpoint of views is written as fast as it can be."),
    ("checkpoint_timeout", "15", "Shows the longest time between checkpoints of views, in seconds."),
    ("client_encoding", "UTF8", "Sets the client's character set encoding."),
    ("data_checksums", "on", "Whatever is written bears a checksum."),
    ("deadlock_timeout", "1000", "Deadlocks are found when they arise."),
    ("default_table_access_method", "heap", "Sets the default table access method for new tables."),
    ("default_transaction_isolation", "read committed", "Sets the transaction isolation level of each new transaction."),
    ("fsync", "on", "What is acknowledged is on disk, unless synchronous_commit is off."),
    ("full_page_writes", "off", "No page is written twice."),
    ("hot_standby", "off", "There are no standbys."),
    ("hot_standby_feedback", "off", "There are no standbys."),
    ("huge_pages", "off", "Memory is taken as the system gives it."),
    ("integer_datetimes", "on", "Shows whether datetimes are integer based."),
    ("jit", "off", "Allow JIT compilation."),
    ("lc_collate", "C", "Shows the collation order locale."),
    ("lc_ctype", "C", "Shows the character classification and case conversion locale."),
    ("max_files_per_process", "1000", "Sets the number of files that are open at once."),
    ("max_identifier_length", "63", "Shows the maximum identifier length."),
    ("max_index_keys", "32", "Shows the maximum number of index keys."),
    ("max_locks_per_transaction", "64", "Locks are counted by session."),
    ("max_logical_replication_workers", "0", "There is no replication."),
    ("max_prepared_transactions", "0", "There are no prepared transactions."),
    ("max_replication_slots", "0", "There is no replication."),
    ("max_wal_senders", "0", "There is no replication."),
    ("max_wal_size", "0", "The log is sealed as it grows."),
    ("max_worker_processes", "0", "There are threads, and no worker processes."),
    ("min_wal_size", "0", "The log is sealed as it grows."),
    ("primary_conninfo", "", "There are no standbys."),
    ("search_path", "\"$user\", public", "Sets the schema search order for names that are not schema-qualified."),
    ("segment_size", "131072", "Shows the number of pages per disk file."),
    ("server_encoding", "UTF8", "Shows the server (database) character set encoding."),
    ("server_version", SERVER_VERSION, "Shows the server version."),
    ("server_version_num", SERVER_VERSION_NUM, "Shows the server version as an integer."),
    ("shared_buffers", "16384", "Memory is taken as it is needed."),
    ("ssl", "off", "Shows whether the server takes TLS connections."),
    ("standard_conforming_strings", "on", "Causes '...' strings to treat backslashes literally."),
    ("superuser_reserved_connections", "0", "No connection is reserved."),
    ("track_activities", "on", "What sessions do is collected."),
    ("track_activity_query_size", "0", "The text of a statement is shown whole."),
    ("track_counts", "on", "Rows are counted."),
    ("track_io_timing", "off", "Times of reading and writing are not collected."),
    ("transaction_isolation", "read committed", "Sets the current transaction's isolation level."),
    ("transaction_read_only", "off", "Sets the current transaction's read-only status."),
    ("wal_block_size", "8192", "Shows the block size in the write ahead log."),
    ("wal_buffers", "2048", "Memory is taken as it is needed."),
    ("wal_compression", "off", "The log is compressed when it is sealed."),
    ("wal_level", "replica", "Sets the level of information written to the WAL."),
    ("wal_segment_size", "16777216", "Shows the size of write ahead log segments."),
];

/// The value of a setting, the session's own first; names are matched without regard to case.
pub fn setting<'a>(context: &'a SystemContext, name: &str) -> Option<&'a str> {
    let own = context.settings.iter().find(|s| s.0.eq_ignore_ascii_case(name)).map(|s| s.1.as_str());
    own.or_else(|| preset(name))
}

/// The value of a setting that nobody can change.
pub fn preset(name: &str) -> Option<&'static str> {
    PRESETS.iter().find(|p| p.0.eq_ignore_ascii_case(name)).map(|p| p.1)
}

pub fn pg_settings(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    let own = context.settings.iter().map(|s| (s.0.as_str(), s.1.as_str(), s.2.as_str(), "user"));
    let preset = |p: &&(&str, &str, &str)| !context.settings.iter().any(|s| s.0.eq_ignore_ascii_case(p.0));
    let presets = PRESETS.iter().filter(preset).map(|p| (p.0, p.1, p.2, "internal"));
    let mut all: Vec<_> = own.chain(presets).collect();
    all.sort_unstable();
    for (name, value, description, context) in all {
        let kind = match value {
            "on" | "off" => "bool",
            v if v.parse::<i64>().is_ok() => "integer",
            _ => "string",
        };
        rows.add([
            ("name", name.into()),
            ("setting", value.into()),
            ("category", "Everfold".into()),
            ("short_desc", description.into()),
            ("context", context.into()),
            ("vartype", kind.into()),
            ("source", "default".into()),
            ("boot_val", value.into()),
            ("reset_val", value.into()),
            ("sourceline", Cell::Null),
        ])?;
    }
    Ok(())
}

/// The one zone whose rules are built in; timestamps with time zone are held and shown in it.
pub fn pg_timezone_names(_: &SystemContext, rows: &mut Rows) -> Result<()> {
    rows.add([("name", "UTC".into()), ("abbrev", "UTC".into()), ("utc_offset", Cell::Int(0))])
}

pub fn pg_timezone_abbrevs(_: &SystemContext, rows: &mut Rows) -> Result<()> {
    rows.add([("abbrev", "UTC".into()), ("utc_offset", Cell::Int(0))])
}
