//! Opening: what the files say is the log.
//!
//! Steps ([`recover`], which only reads): open every segment and check that each log's segments follow one another in offsets and in
//! the chain; scan the WAL files in order; apply their frames, skipping events that are in segments already. Only when all of
//! it is sound does [`Recovered::tidy`] change the directory: temporary files, segments of dropped logs, the torn tail.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::batch::{Definition, Part, Run, offsets, positions};
use super::frame::{Frame, Kind, Scan, corrupt, scan, u32_at, u64_at};
use super::ipc::{FULL, Section, TIMED, schema_from_bytes};
use super::segment::{self, Segment, damaged};
use super::state::{LogState, Pin, State};
use super::store::{Store, TEMPORARY, parent};
use super::wal;
use super::{LogId, seal::Unit};
use crate::data::Position;
use crate::error::{Error, Result};

/// What an opening found.
#[derive(Default)]
pub(super) struct Recovered {
    pub state: State,
    pub head: Position,
    pub last_time_us: i64,
    pub next_transaction: u64,
    pub pins: BTreeMap<u64, Pin>,
    /// Closed WAL files, oldest first, with their names.
    pub closed: Vec<(Unit, String)>,
    /// The last WAL file; `None` in an empty directory.
    pub last: Option<Scan>,
    /// Logs whose schema stands in the last file, as that says it.
    pub in_file: HashMap<LogId, Arc<Definition>>,
    dropped: Vec<Arc<Segment>>,
    temporary: Vec<String>,
    staged: HashMap<u64, Staged>,
    /// Logs whose events do not follow one another, which is in order only if the log was dropped later.
    broken: BTreeMap<LogId, Error>,
}

/// Rows of a transaction that has not committed.
struct Staged {
    file: u64,
    parts: Vec<Part>,
}

/// Segments of all logs, each log's in order. Errors: XX001 if one does not follow its predecessor.
pub(super) fn open_segments(store: &Arc<dyn Store>) -> Result<BTreeMap<LogId, Vec<Arc<Segment>>>> {
    let mut logs: BTreeMap<LogId, Vec<Arc<Segment>>> = BTreeMap::new();
    for name in store.list(segment::DIRECTORY)?.iter().filter(|n| n.ends_with(".parquet")) {
        let segment = Segment::open(store, name)?;
        if *name != segment::file_name(segment.log, segment.first, segment.end) {
            return Err(damaged(name, "The footer is another segment's."));
        }
        logs.entry(segment.log).or_default().push(Arc::new(segment));
    }
    for segments in logs.values() {
        let mut before: Option<&Arc<Segment>> = None;
        for segment in segments {
            let (offset, end) = before.map_or((0, 0), |b| (b.first_offset + b.rows, b.end));
            if segment.first_offset != offset || segment.first < end {
                return Err(damaged(&segment.file.name, format!("Its first offset is {}, not {offset}.", segment.first_offset)));
            }
            if segment.previous != before.map_or([0; 32], |b| b.link()) {
                return Err(damaged(&segment.file.name, "It is not chained to the segment before it."));
            }
            before = Some(segment);
        }
    }
    Ok(logs)
}

/// Names of the WAL files, in order. Errors: XX001 if one is missing.
pub(super) fn wal_files(store: &dyn Store) -> Result<Vec<String>> {
    let names: Vec<String> = store.list(wal::DIRECTORY)?.into_iter().filter(|n| n.ends_with(".wal")).collect();
    let number = |name: &String| name.get(wal::DIRECTORY.len() + 1..wal::DIRECTORY.len() + 11).and_then(|n| n.parse::<u64>().ok());
    for pair in names.windows(2) {
        match (number(&pair[0]), number(&pair[1])) {
            (Some(a), Some(b)) if a + 1 == b => {}
            _ => return Err(corrupt(&pair[1], 0, format!("The WAL file after \"{}\" is missing.", pair[0]))),
        }
    }
    Ok(names)
}

/// Reads everything. Errors: XX001, and the directory is as before.
pub(super) fn recover(store: &Arc<dyn Store>) -> Result<Recovered> {
    let mut found = Recovered::default();
    for dir in [segment::DIRECTORY, wal::DIRECTORY] {
        found.temporary.extend(store.list(dir)?.into_iter().filter(|n| n.ends_with(TEMPORARY)));
    }
    for (id, segments) in open_segments(store)? {
        // Earlier segments may lack columns that the last one has.
        let Some(last) = segments.last() else { continue };
        let definition =
            Definition::of_full(id, &last.file.schema, &[]).ok_or_else(|| damaged(&last.file.name, "It lacks the log's columns."))?;
        let mut log = LogState::new(Arc::new(definition));
        segments.into_iter().for_each(|s| log.add_segment(s));
        found.state.logs.insert(id, log);
    }
    let names = wal_files(store.as_ref())?;
    if names.is_empty() && !found.state.logs.is_empty() {
        return Err(corrupt(wal::DIRECTORY, 0, "There are segments, but no WAL file."));
    }
    for (i, name) in names.iter().enumerate() {
        found.apply_file(store.as_ref(), name, i + 1 == names.len())?;
    }
    if let Some(error) = found.broken.into_values().next() {
        return Err(error);
    }
    found.broken = BTreeMap::new();
    Ok(found)
}

impl Recovered {
    fn apply_file(&mut self, store: &dyn Store, name: &str, is_last: bool) -> Result<()> {
        let scan = scan(name, store.read(name)?, is_last)?;
        if let Some(before) = self.last.take() {
            if scan.header.sequence != before.next_sequence() || scan.header.first != self.head {
                return Err(corrupt(name, 0, "The file does not follow the one before it."));
            }
            self.closed.push((Unit { number: before.header.number, end: self.head }, before.name));
        }
        self.in_file.clear();
        self.head = scan.header.first;
        self.last_time_us = self.last_time_us.max(scan.header.time_us);
        for frame in &scan.frames {
            let header = &frame.header;
            if header.position != self.head {
                return Err(scan.corrupt(frame, format!("The frame is for position {}, not {}.", header.position, self.head)));
            }
            self.apply(&scan, frame).map_err(|e| if e.message().contains(name) { e } else { scan.corrupt(frame, e.to_string()) })?;
            self.head += header.events;
            self.last_time_us = self.last_time_us.max(header.time_us);
        }
        self.last = Some(scan);
        Ok(())
    }

    fn apply(&mut self, scan: &Scan, frame: &Frame) -> Result<()> {
        let payload = &scan.bytes[frame.payload.clone()];
        match frame.header.kind {
            Kind::Schema => self.apply_schema(payload).ok_or_else(|| scan.corrupt(frame, "It does not hold a schema.")),
            Kind::Data => self.apply_data(scan, frame, payload),
            Kind::Stage => self.apply_stage(scan, frame, payload),
            Kind::Commit => self.apply_commit(scan, frame, payload),
            Kind::Clean => Ok(()),
            Kind::Drop if payload.len() >= 4 => {
                self.apply_drop(u32_at(payload, 0), frame.header.position);
                Ok(())
            }
            Kind::Drop => Err(scan.corrupt(frame, "It names no log.")),
        }
    }

    fn apply_schema(&mut self, payload: &[u8]) -> Option<()> {
        let number = |at: usize| payload.get(at..at + 4).map(|b| u32_at(b, 0) as usize);
        let (id, blooms) = (number(0)? as LogId, number(4)?);
        let bloom = (0..blooms).map(|i| number(8 + 4 * i)).collect::<Option<Vec<_>>>()?;
        let at = 12 + 4 * blooms;
        let length = number(at - 4)?;
        let schema = schema_from_bytes(payload.get(at..at + length)?)?;
        let definition = Arc::new(Definition::of_full(id, &schema, &bloom)?);
        self.in_file.insert(id, definition.clone());
        let log = self.state.logs.entry(id).or_insert_with(|| LogState::new(definition.clone()));
        match () {
            // Batches before this file have the older schema object; both are equal, and the WAL's knows the bloom filters.
            () if log.definition.is_alike(&definition) => log.definition = definition,
            () if definition.widens(&log.definition) => log.widen(definition).ok()?,
            // A segment has been written since the log got further columns.
            () if log.definition.widens(&definition) => {}
            () => return None,
        }
        Some(())
    }

    fn apply_data(&mut self, scan: &Scan, frame: &Frame, mut payload: &[u8]) -> Result<()> {
        while !payload.is_empty() {
            let section = Section::take(&mut payload).filter(|s| s.flags == FULL);
            let section = section.ok_or_else(|| scan.corrupt(frame, "It does not hold batches."))?;
            let definition = self.in_file.get(&section.log).ok_or_else(|| scan.corrupt(frame, "It has events of an unknown log."))?;
            let batch = section.decode(definition.schema.clone())?;
            self.add(scan, frame, section.log, batch)?;
        }
        Ok(())
    }

    /// Adds what is not sealed yet of a batch.
    fn add(&mut self, scan: &Scan, frame: &Frame, id: LogId, batch: RecordBatch) -> Result<()> {
        let Some(log) = self.state.logs.get_mut(&id) else { return Ok(()) };
        let sealed = log.sealed_end();
        let from = positions(&batch).values().partition_point(|&p| (p as Position) < sealed);
        let batch = batch.slice(from, batch.num_rows() - from);
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let offset = offsets(&batch).value(0) as u64;
        if offset != log.count {
            let what = format!("Log {id} goes on with offset {offset}, but has {} events.", log.count);
            self.broken.entry(id).or_insert_with(|| scan.corrupt(frame, what));
        }
        log.push(batch)?;
        log.count = log.count.max(offset);
        Ok(())
    }

    fn apply_stage(&mut self, scan: &Scan, frame: &Frame, payload: &[u8]) -> Result<()> {
        let bad = || scan.corrupt(frame, "It does not hold staged rows.");
        let mut rest = payload.get(8..).ok_or_else(bad)?;
        let transaction = u64_at(payload, 0);
        let section = Section::take(&mut rest).ok_or_else(bad)?;
        let definition = self.in_file.get(&section.log).ok_or_else(bad)?;
        let timed = section.flags & TIMED != 0;
        let batch = section.decode(definition.staged(timed))?;
        let part = Part::new(definition.clone(), &batch)?;
        self.next_transaction = self.next_transaction.max(transaction + 1);
        let staged = self.staged.entry(transaction).or_insert_with(|| Staged { file: scan.header.number, parts: Vec::new() });
        staged.parts.push(part);
        Ok(())
    }

    fn apply_commit(&mut self, scan: &Scan, frame: &Frame, payload: &[u8]) -> Result<()> {
        let header = &frame.header;
        let bad = || scan.corrupt(frame, "It does not match the staged rows.");
        if payload.len() < 8 || payload.len() % 24 != 8 {
            return Err(bad());
        }
        let transaction = u64_at(payload, 0);
        let logs = payload[8..].chunks_exact(24).map(|c| (u64_at(c, 0) as LogId, u64_at(c, 8), u64_at(c, 16)));
        let staged = self.staged.remove(&transaction);
        let parts = staged.as_ref().map_or(&[][..], |s| &s.parts);
        if parts.iter().map(|p| p.rows as u64).sum::<u64>() != header.events {
            // The files with the staged rows go before this one; a crash in between leaves this one, with all rows in segments.
            for (id, offset, rows) in logs {
                let sealed = self.state.logs.get(&id).and_then(|log| log.segments.last()).map_or(0, |s| s.first_offset + s.rows);
                if sealed < offset + rows {
                    self.broken.entry(id).or_insert_with(bad);
                }
            }
            return Ok(());
        }
        let Some(staged) = staged else { return Ok(()) };
        let mut next: BTreeMap<LogId, u64> = logs.map(|(id, offset, _)| (id, offset)).collect();
        let mut position = header.position;
        for part in staged.parts {
            let (id, rows) = (part.definition.id, part.rows);
            let offset = next.get_mut(&id).ok_or_else(bad)?;
            let batch = Run { parts: vec![(position, part)], rows }.stamp(*offset, header.time_us)?;
            *offset += rows as u64;
            position += rows as u64;
            self.add(scan, frame, id, batch)?;
        }
        self.pins.insert(transaction, Pin { file: staged.file, end: Some(position) });
        Ok(())
    }

    fn apply_drop(&mut self, id: LogId, position: Position) {
        self.broken.remove(&id);
        self.in_file.remove(&id);
        if let Some(log) = self.state.logs.remove(&id) {
            let (gone, newer): (Vec<_>, Vec<_>) = log.segments.into_iter().partition(|s| s.end <= position);
            self.dropped.extend(gone);
            if !newer.is_empty() {
                let mut log = LogState::new(log.definition);
                newer.into_iter().for_each(|s| log.add_segment(s));
                self.state.logs.insert(id, log);
            }
        }
    }

    /// Removes what has no meaning any more.
    pub fn tidy(&mut self, store: &dyn Store) -> Result<()> {
        let dropped = std::mem::take(&mut self.dropped);
        let gone: BTreeSet<String> = self.temporary.drain(..).chain(dropped.iter().map(|s| s.file.name.clone())).collect();
        for name in &gone {
            store.remove(name)?;
        }
        let dirs: BTreeSet<&str> = gone.iter().map(|n| parent(n)).collect();
        dirs.into_iter().try_for_each(|dir| store.sync_dir(dir))
    }
}
