//! Proving a log unaltered: every frame's checksums, every segment's hash, the chain through the segments.

use std::sync::Arc;

use super::LogId;
use super::frame::scan;
use super::recover::{open_segments, wal_files};
use super::segment::{DIRECTORY, Segment, check_content, damaged, hex};
use super::store::Store;
use crate::error::Result;

/// What [`verify`] found in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// One entry per log that has segments.
    pub logs: Vec<LogReport>,
    pub wal_files: usize,
    pub wal_frames: usize,
    pub wal_bytes: u64,
    /// File and byte offset of a torn tail, which the next opening will cut; usual after a power cut.
    pub torn: Option<(String, u64)>,
}

/// The segments of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogReport {
    pub log: LogId,
    pub segments: usize,
    pub rows: u64,
    pub bytes: u64,
    /// The chain's last link: keep it elsewhere, and a rewritten history cannot have the same.
    pub chain: String,
}

/// Checks all files of a log, without changing any. Cost: reads every byte. Errors: XX001 naming the file, and in the WAL the
/// byte offset, of the first damage.
pub fn verify(store: &Arc<dyn Store>) -> Result<Report> {
    let mut report = Report::default();
    // The bytes first: only a footer that is as it was written is worth being read.
    for name in store.list(DIRECTORY)?.iter().filter(|n| n.ends_with(".parquet")) {
        check_content(&store.open(name)?, name)?;
    }
    for (log, segments) in open_segments(store)? {
        for segment in &segments {
            check_rows(segment)?;
        }
        let chain = segments.last().map(|s| hex(&s.link())).unwrap_or_default();
        let (rows, bytes) = segments.iter().fold((0, 0), |(rows, bytes), s| (rows + s.rows, bytes + s.file.bytes));
        report.logs.push(LogReport { log, segments: segments.len(), rows, bytes, chain });
    }
    let names = wal_files(store.as_ref())?;
    for (i, name) in names.iter().enumerate() {
        let scan = scan(name, store.read(name)?, i + 1 == names.len())?;
        report.wal_files += 1;
        report.wal_frames += scan.frames.len();
        report.wal_bytes += scan.end;
        if scan.torn {
            report.torn = Some((name.clone(), scan.end));
        }
    }
    Ok(report)
}

fn check_rows(segment: &Segment) -> Result<()> {
    let rows = u64::try_from(segment.metadata().file_metadata().num_rows()).unwrap_or_default();
    if rows != segment.rows {
        return Err(damaged(&segment.file.name, format!("It has {rows} rows, but its footer says {}.", segment.rows)));
    }
    Ok(())
}
