//! The data directory as PostgreSQL's functions of its own tell it: pg_control_*(), pg_ls_*dir().

use super::super::SystemContext;
use super::super::rows::{Cell, Rows};
use crate::error::{Error, Result, code};

/// pg_control's own version in PostgreSQL 15.
const CONTROL_VERSION: i64 = 1300;
/// The version of PostgreSQL 15's catalogs.
const CATALOG_VERSION: i64 = 202_209_061;

pub fn pg_control_system(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    rows.add([
        ("pg_control_version", Cell::Int(CONTROL_VERSION)),
        ("catalog_version_no", Cell::Int(CATALOG_VERSION)),
        ("system_identifier", Cell::Int(context.identity)),
        ("pg_control_last_modified", context.started_us.into()),
    ])
}

/// All that was acknowledged is on disk: the last checkpoint is now.
pub fn pg_control_checkpoint(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    rows.add([
        ("checkpoint_lsn", context.lsn().into()),
        ("redo_lsn", context.lsn().into()),
        ("timeline_id", Cell::Int(1)),
        ("prev_timeline_id", Cell::Int(1)),
        ("full_page_writes", false.into()),
        ("next_oid", context.scope.next_id().into()),
        ("checkpoint_time", context.started_us.into()),
    ])
}

pub fn pg_control_init(_: &SystemContext, rows: &mut Rows) -> Result<()> {
    rows.add([
        ("max_data_alignment", Cell::Int(8)),
        ("database_block_size", Cell::Int(8192)),
        ("wal_block_size", Cell::Int(8192)),
        ("max_identifier_length", Cell::Int(64)),
        ("max_index_columns", Cell::Int(32)),
        ("float8_pass_by_value", true.into()),
        ("data_page_checksum_version", Cell::Int(1)),
    ])
}

/// There is one row even where nothing is recovered.
pub fn pg_control_recovery(_: &SystemContext, rows: &mut Rows) -> Result<()> {
    rows.add([
        ("min_recovery_end_lsn", "0/0".into()),
        ("min_recovery_end_timeline", Cell::Int(0)),
        ("backup_start_lsn", "0/0".into()),
        ("backup_end_lsn", "0/0".into()),
        ("end_of_backup_record_required", false.into()),
    ])
}

/// The files of the write-ahead log, as they are called here.
pub fn pg_ls_waldir(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    files("wal", context, rows)
}

/// The files of queries that do not fit into their memory.
pub fn pg_ls_tmpdir(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    files("spill", context, rows)
}

fn files(directory: &str, context: &SystemContext, rows: &mut Rows) -> Result<()> {
    let Some(store) = &context.directory.0 else {
        let error = Error::new(code::INSUFFICIENT_PRIVILEGE, "permission denied to list the data directory");
        return Err(error.hint("A superuser can let a role: GRANT pg_monitor TO ..;"));
    };
    for path in store.list(directory)? {
        // A file may be gone by now.
        let Ok(file) = store.open(&path) else { continue };
        let name = path.rsplit('/').next().unwrap_or(&path);
        let modified = store.local_path(&path).and_then(|local| local.metadata().ok()?.modified().ok());
        let modified = modified.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        let modified = modified.and_then(|at| i64::try_from(at.as_micros()).ok());
        rows.add([("name", name.into()), ("size", file.len().into()), ("modification", modified.into())])?;
    }
    Ok(())
}
