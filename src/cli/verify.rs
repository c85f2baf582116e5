//! `everfold verify`: proves the log of a data directory whole and unaltered.

use std::sync::Arc;

use crate::config::Config;
use crate::error::{Error, Result, code};

use crate::log::store::{LocalStore, Store};

/// Verifies the log under `config.data` and prints what it found; the directory must not be in use. Errors: XX001 naming file and
/// byte offset for anything damaged, 58P01 if there is no such directory.
pub(super) fn verify(config: &Config) -> Result<bool> {
    if !config.data.is_dir() {
        return Err(
            Error::new(code::UNDEFINED_FILE, format!("there is no data directory {}", config.data.display())).hint("Name it with --data.")
        );
    }
    let store: Arc<dyn Store> = Arc::new(LocalStore::open(&config.data)?);
    let _lock = store.lock()?;
    let report = crate::log::verify(&store)?;
    println!("write-ahead log: {} files, {} frames, {} bytes", report.wal_files, report.wal_frames, report.wal_bytes);
    if let Some((file, offset)) = &report.torn {
        println!("{file} is torn at byte {offset}, as after a power cut; the next start cuts it there");
    }
    for log in &report.logs {
        println!("log {}: {} segments, {} events, chain {}", log.log, log.segments, log.rows, log.chain);
    }
    println!("whole");
    Ok(true)
}
