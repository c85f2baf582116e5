//! The log's one writer: a thread that gives every event its position.
//!
//! Steps for one group ([`Writer::commit`]): take everything that waits; give positions and offsets; build per log ONE batch of
//! the group's rows; encode the frames; one write; one sync, if anybody asked; preview; publish; wake the waiters; tell the observers. While
//! the sync runs the next group gathers in the queue: that is the whole of group commit, there is no timer in it.
//!
//! Invariants: positions and sequence numbers are given only here, and given back if the write fails; nothing becomes visible that
//! was not written; a group fails as a whole, since its frames are one write.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow::array::RecordBatch;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;

use super::batch::{Definition, Part, Run};
use super::frame::Kind;
use super::ipc::{Encoder, FULL, schema_to_bytes};
use super::seal::{Sealer, Unit, unit_name};
use super::state::{Pin, Shared, unknown};
use super::wal::Wal;
use super::{Committed, LogId};
use crate::data::Position;
use crate::error::{Error, Result, code};
use crate::limits;

/// What is committed without a sync is synced after so long.
const LAZY_SYNC: Duration = Duration::from_millis(100);
/// A group takes no more once it has so many bytes.
const GROUP_BYTES: usize = 16 << 20;
/// Staged rows are synced, so that the disk works while they are still coming, when so many bytes wait for it.
const STAGED_SYNC_BYTES: usize = 16 << 20;

/// Where a request's answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T>>;

/// A transaction whose rows reach the WAL before it commits.
pub(super) struct Transaction {
    pub id: u64,
    /// Why a part of it could not be written.
    pub failed: Mutex<Option<Error>>,
    /// Read and set under the lock of the pins.
    pub aborted: AtomicBool,
}

/// What the writer is asked.
pub(super) enum Request {
    Append {
        parts: Vec<Part>,
        sync: bool,
        reply: Reply<Committed>,
    },
    /// Rows of a staged transaction, encoded: its id and a section.
    Stage {
        transaction: Arc<Transaction>,
        definition: Arc<Definition>,
        payload: Vec<u8>,
        _room: OwnedSemaphorePermit,
    },
    Commit {
        transaction: Arc<Transaction>,
        parts: Vec<Part>,
        sync: bool,
        reply: Reply<Committed>,
    },
    Drop {
        id: LogId,
        reply: Reply<()>,
    },
    /// Closes the WAL file; answers the number of the last closed one.
    Rotate {
        reply: Reply<Option<u64>>,
    },
    Close {
        reply: Reply<()>,
    },
    Stop,
}

impl Request {
    fn is_work(&self) -> bool {
        matches!(self, Request::Append { .. } | Request::Stage { .. } | Request::Commit { .. })
    }

    fn bytes(&self) -> usize {
        match self {
            Request::Append { parts, .. } => parts.iter().map(Part::bytes).sum(),
            Request::Stage { payload, .. } => payload.len(),
            _ => 0,
        }
    }
}

/// The writing thread's state.
pub(super) struct Writer {
    shared: Arc<Shared>,
    sealer: Arc<Sealer>,
    receiver: mpsc::Receiver<Request>,
    wal: Wal,
    encoder: Encoder,
    /// Logs whose schema stands in the current file, as it stands there.
    in_file: HashMap<LogId, Arc<Definition>>,
    last_time_us: i64,
    /// When what was committed without a sync is synced.
    lazy: Option<Instant>,
    staged_bytes: usize,
    timer: tokio::runtime::Runtime,
    frames: Vec<u8>,
}

/// A group being built.
struct Group {
    position: Position,
    time_us: i64,
    /// Rows of appends that share the next data frame.
    runs: Vec<(LogId, Run)>,
    /// Position after the frames that are built.
    written: Position,
    /// Next offset of each log the group has rows of.
    offsets: HashMap<LogId, u64>,
    batches: Vec<(LogId, RecordBatch)>,
    replies: Vec<(Reply<Committed>, Committed)>,
    staged: Vec<Arc<Transaction>>,
    committed: Vec<(u64, Position)>,
    schemas: Vec<LogId>,
    sync: bool,
    staged_bytes: usize,
}

impl Writer {
    pub fn new(
        shared: Arc<Shared>,
        sealer: Arc<Sealer>,
        receiver: mpsc::Receiver<Request>,
        wal: Wal,
        in_file: HashMap<LogId, Arc<Definition>>,
        last_time_us: i64,
    ) -> Result<Writer> {
        let timer = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let encoder = Encoder::new()?;
        let (lazy, staged_bytes, frames) = (None, 0, Vec::new());
        Ok(Writer { shared, sealer, receiver, wal, encoder, in_file, last_time_us, lazy, staged_bytes, timer, frames })
    }

    /// The thread's life.
    pub fn run(mut self) {
        while let Some(first) = self.next() {
            let (work, control) = self.gather(first);
            if !work.is_empty() {
                self.commit(work);
            }
            if self.wal.end >= self.shared.options.wal_file_bytes {
                // On an error the file grows on; the next group tries again.
                let _ = self.rotate();
            }
            match control {
                Some(Request::Drop { id, reply }) => drop(reply.send(self.drop_log(id))),
                Some(Request::Rotate { reply }) => drop(reply.send(self.rotate())),
                Some(Request::Close { reply }) => {
                    let _ = reply.send(self.close());
                    return;
                }
                Some(_) => break,
                None => {}
            }
        }
        if self.lazy.is_some() && self.wal.broken.is_none() {
            let _ = self.wal.sync();
        }
        let _ = self.wal.trim();
    }

    /// The next request; while something is to be synced lazily, waits for it no longer than that.
    fn next(&mut self) -> Option<Request> {
        while let Some(deadline) = self.lazy {
            let (timer, receiver) = (&self.timer, &mut self.receiver);
            match timer.block_on(async { tokio::time::timeout_at(deadline, receiver.recv()).await }) {
                Ok(request) => return request,
                Err(_) => {
                    self.lazy = None;
                    let _ = self.sync(); // a failure breaks the WAL, which the next append is told
                }
            }
        }
        self.receiver.blocking_recv()
    }

    /// Everything that waits, up to a request that is not an append.
    fn gather(&mut self, first: Request) -> (Vec<Request>, Option<Request>) {
        let (mut work, mut bytes) = (Vec::new(), 0);
        let mut next = Some(first);
        while let Some(request) = next {
            if !request.is_work() {
                return (work, Some(request));
            }
            bytes += request.bytes();
            work.push(request);
            next = if bytes < GROUP_BYTES && work.len() < limits::APPEND_QUEUE_MAX { self.receiver.try_recv().ok() } else { None };
        }
        (work, None)
    }

    /// Commits a group.
    fn commit(&mut self, work: Vec<Request>) {
        let head = self.shared.head();
        self.last_time_us = self.last_time_us.max(self.shared.clock.now_us());
        let mut group = Group::new(head, self.last_time_us);
        let mark = self.wal.mark();
        self.frames.clear();
        let built = self.wal.check().and_then(|()| self.sealer.wait_for_room());
        // Requests that are not taken in are answered here; those that are, with the group.
        let mut result = built;
        for request in work {
            match &result {
                Ok(()) => result = self.take(&mut group, request),
                Err(error) => self.refuse(request, error),
            }
        }
        let result = result.and_then(|()| self.close_runs(&mut group)).and_then(|()| self.write(&group));
        match result {
            Ok(()) => self.publish(group),
            Err(error) => {
                self.wal.rewind(mark);
                for id in &group.schemas {
                    self.in_file.remove(id);
                }
                self.unpin(&group.committed.iter().map(|(id, _)| *id).collect::<Vec<_>>());
                group.fail(&error);
            }
        }
    }

    /// Adds one request to the group. An error fails the whole group.
    fn take(&mut self, group: &mut Group, request: Request) -> Result<()> {
        match request {
            Request::Append { parts, sync, reply } => {
                match self.check(&parts, None) {
                    Ok(()) => group.append(parts, sync, reply),
                    Err(error) => drop(reply.send(Err(error))),
                }
                Ok(())
            }
            Request::Stage { transaction, definition, payload, .. } => {
                let staged = self.stage(group, transaction, definition, &payload);
                self.shared.payloads.give(payload);
                staged
            }
            Request::Commit { transaction, parts, sync, reply } => match self.check(&parts, Some(&transaction)) {
                Ok(()) => self.commit_staged(group, &transaction, parts, sync, reply),
                Err(error) => {
                    self.unpin(&[transaction.id]);
                    drop(reply.send(Err(error)));
                    Ok(())
                }
            },
            _ => Ok(()),
        }
    }

    /// Answers a request that the group does not take in.
    fn refuse(&self, request: Request, error: &Error) {
        match request {
            Request::Append { reply, .. } => drop(reply.send(Err(error.clone()))),
            Request::Commit { transaction, reply, .. } => {
                self.unpin(&[transaction.id]);
                drop(reply.send(Err(error.clone())));
            }
            Request::Stage { transaction, .. } => drop(transaction.failed.lock().get_or_insert(error.clone())),
            _ => {}
        }
    }

    /// Lets the WAL files of transactions that failed go.
    fn unpin(&self, transactions: &[u64]) {
        self.shared.pins.lock().retain(|id, _| !transactions.contains(id));
    }

    /// Refuses rows of a log that was dropped since they were checked.
    fn check(&self, parts: &[Part], transaction: Option<&Transaction>) -> Result<()> {
        if let Some(error) = transaction.and_then(|t| t.failed.lock().clone()) {
            return Err(error);
        }
        parts.iter().try_for_each(|p| self.check_definition(&p.definition))
    }

    fn check_definition(&self, definition: &Arc<Definition>) -> Result<()> {
        let state = self.shared.state.read();
        // It may have got columns since the rows were checked.
        let fits = |log: &Arc<Definition>| Arc::ptr_eq(log, definition) || log.widens(definition);
        let known = state.logs.get(&definition.id).is_some_and(|log| fits(&log.definition));
        if known { Ok(()) } else { Err(unknown(definition.id)) }
    }

    fn next_offset(&self, group: &mut Group, id: LogId) -> u64 {
        *group.offsets.entry(id).or_insert_with(|| self.shared.state.read().logs.get(&id).map_or(0, |log| log.count))
    }

    /// Writes a log's schema before its first batch in the file: id, bloom filter columns, then the IPC message.
    fn ensure_schema(&mut self, group: &mut Group, definition: &Arc<Definition>) -> Result<()> {
        if self.in_file.get(&definition.id).is_some_and(|written| Arc::ptr_eq(written, definition)) {
            return Ok(());
        }
        self.in_file.insert(definition.id, definition.clone());
        group.schemas.push(definition.id);
        let message = schema_to_bytes(&definition.schema)?;
        self.wal.frame(&mut self.frames, (Kind::Schema, group.written, group.time_us, 0), |out| {
            let bloom = definition.bloom.iter().map(|&i| i as u32);
            let head = [definition.id, definition.bloom.len() as u32].into_iter().chain(bloom).chain([message.len() as u32]);
            head.for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
            out.extend_from_slice(&message);
            Ok(())
        })
    }

    /// Ends the data frame that the appends before share.
    fn close_runs(&mut self, group: &mut Group) -> Result<()> {
        let runs = std::mem::take(&mut group.runs);
        if runs.is_empty() {
            return Ok(());
        }
        let mut stamped = Vec::with_capacity(runs.len());
        for (id, run) in runs {
            let run = run.level()?;
            self.ensure_schema(group, &run.parts[0].1.definition)?;
            let offset = self.next_offset(group, id);
            group.offsets.insert(id, offset + run.rows as u64);
            stamped.push((id, run.stamp(offset, group.time_us)?));
        }
        let (first, events) = (group.written, group.position - group.written);
        let (wal, encoder) = (&mut self.wal, &mut self.encoder);
        wal.frame(&mut self.frames, (Kind::Data, first, group.time_us, events), |out| {
            stamped.iter().try_for_each(|(id, batch)| encoder.section(out, *id, FULL, batch))
        })?;
        group.batches.extend(stamped);
        group.written = group.position;
        Ok(())
    }

    fn stage(&mut self, group: &mut Group, transaction: Arc<Transaction>, definition: Arc<Definition>, payload: &[u8]) -> Result<()> {
        if let Err(error) = self.check_definition(&definition) {
            transaction.failed.lock().get_or_insert(error);
            return Ok(());
        }
        {
            let mut pins = self.shared.pins.lock();
            if transaction.aborted.load(Ordering::Relaxed) {
                return Ok(());
            }
            pins.entry(transaction.id).or_insert(Pin { file: self.wal.header.number, end: None });
        }
        self.ensure_schema(group, &definition)?;
        group.staged.push(transaction);
        group.staged_bytes += payload.len();
        self.wal.frame(&mut self.frames, (Kind::Stage, group.written, group.time_us, 0), |out| {
            out.extend_from_slice(payload);
            Ok(())
        })
    }

    /// Makes a staged transaction visible. Its payload: id of the transaction, then for each of its logs id, first offset and rows.
    fn commit_staged(
        &mut self,
        group: &mut Group,
        transaction: &Transaction,
        parts: Vec<Part>,
        sync: bool,
        reply: Reply<Committed>,
    ) -> Result<()> {
        self.close_runs(group)?;
        let first = group.position;
        let mut logs: Vec<(LogId, u64, u64)> = Vec::new();
        let mut position = first;
        for part in parts {
            let (id, rows) = (part.definition.id, part.rows);
            let offset = self.next_offset(group, id);
            match logs.iter_mut().find(|(known, ..)| *known == id) {
                Some((_, _, total)) => *total += rows as u64,
                None => logs.push((id, offset, rows as u64)),
            }
            group.offsets.insert(id, offset + rows as u64);
            group.batches.push((id, Run { parts: vec![(position, part)], rows }.stamp(offset, group.time_us)?));
            position += rows as u64;
        }
        let events = position - first;
        if events > 0 {
            self.wal.frame(&mut self.frames, (Kind::Commit, first, group.time_us, events), |out| {
                out.extend_from_slice(&transaction.id.to_le_bytes());
                let numbers = logs.iter().flat_map(|&(id, offset, rows)| [u64::from(id), offset, rows]);
                numbers.for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
                Ok(())
            })?;
            group.committed.push((transaction.id, position));
        }
        (group.position, group.written) = (position, position);
        group.answer(first, sync, reply);
        Ok(())
    }

    fn write(&mut self, group: &Group) -> Result<()> {
        if self.frames.is_empty() {
            return Ok(());
        }
        self.wal.write(&self.frames)?;
        self.staged_bytes += group.staged_bytes;
        let visible = !group.batches.is_empty();
        if (group.sync && visible) || self.staged_bytes > STAGED_SYNC_BYTES {
            return self.sync();
        }
        if visible {
            self.lazy.get_or_insert_with(|| {
                let _inside = self.timer.enter();
                Instant::now() + LAZY_SYNC
            });
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        self.lazy = None;
        self.staged_bytes = 0;
        self.wal.sync()
    }

    fn publish(&mut self, group: Group) {
        let mut ids: Vec<LogId> = group.batches.iter().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids.dedup();
        if !group.committed.is_empty() {
            let mut pins = self.shared.pins.lock();
            for (transaction, end) in &group.committed {
                if let Some(pin) = pins.get_mut(transaction) {
                    pin.end = Some(*end);
                }
            }
        }
        for show in self.shared.previews.read().iter() {
            group.batches.iter().for_each(|(id, batch)| show(*id, batch));
        }
        self.shared.publish(group.batches, group.position);
        for (reply, committed) in group.replies {
            // Whoever gave up waiting finds the events in the log all the same.
            let _ = reply.send(Ok(committed));
        }
        if !ids.is_empty() {
            self.shared.observers.read().iter().for_each(|tell| tell(group.position, &ids));
        }
    }

    /// Closes the WAL file, unless it is empty, and hands it to the sealer. Answers the number of the last closed file.
    fn rotate(&mut self) -> Result<Option<u64>> {
        self.wal.check()?;
        let closed = self.wal.header;
        if self.wal.sequence == closed.sequence {
            return Ok(closed.number.checked_sub(1));
        }
        self.sync()?;
        let head = self.shared.head();
        let salt = salt(closed.number + 1, self.shared.clock.now_us());
        self.wal.rotate(head, self.last_time_us, salt)?;
        self.in_file.clear();
        self.sealer.add(Unit { number: closed.number, end: head }, unit_name(closed.number, closed.first));
        Ok(Some(closed.number))
    }

    /// Removes a log: first in the WAL, durably, then for readers; its files go when their last reader has gone.
    fn drop_log(&mut self, id: LogId) -> Result<()> {
        self.wal.check()?;
        self.shared.state.read().log(id)?;
        self.alone(Kind::Drop, |out| {
            out.extend_from_slice(&id.to_le_bytes());
            Ok(())
        })?;
        self.in_file.remove(&id);
        let gone = self.shared.state.write().logs.remove(&id);
        gone.iter().flat_map(|log| &log.segments).for_each(|s| s.doom());
        Ok(())
    }

    /// Writes and syncs one frame by itself.
    fn alone(&mut self, kind: Kind, body: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        let mark = self.wal.mark();
        self.frames.clear();
        self.wal.frame(&mut self.frames, (kind, self.shared.head(), self.last_time_us, 0), body)?;
        self.wal.write(&self.frames).inspect_err(|_| self.wal.rewind(mark))?;
        self.sync()
    }

    fn close(&mut self) -> Result<()> {
        self.wal.check()?;
        self.sync()?;
        self.alone(Kind::Clean, |_| Ok(()))?;
        self.wal.trim()?;
        self.sync()
    }
}

/// A number that differs from file to file.
pub(super) fn salt(number: u64, now_us: i64) -> u64 {
    (now_us as u64 ^ number.rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl Group {
    fn new(position: Position, time_us: i64) -> Group {
        Group {
            position,
            time_us,
            runs: Vec::new(),
            written: position,
            offsets: HashMap::new(),
            batches: Vec::new(),
            replies: Vec::new(),
            staged: Vec::new(),
            committed: Vec::new(),
            schemas: Vec::new(),
            sync: false,
            staged_bytes: 0,
        }
    }

    /// Gives an append its positions.
    fn append(&mut self, parts: Vec<Part>, sync: bool, reply: Reply<Committed>) {
        let first = self.position;
        for part in parts.into_iter().filter(|p| p.rows > 0) {
            let (id, rows, at) = (part.definition.id, part.rows, self.position);
            match self.runs.iter_mut().find(|(known, _)| *known == id) {
                Some((_, run)) => {
                    run.parts.push((at, part));
                    run.rows += rows;
                }
                None => self.runs.push((id, Run { parts: vec![(at, part)], rows })),
            }
            self.position += rows as u64;
        }
        self.answer(first, sync, reply);
    }

    fn answer(&mut self, first: Position, sync: bool, reply: Reply<Committed>) {
        self.sync |= sync;
        self.replies.push((reply, Committed { first, end: self.position, time_us: self.time_us }));
    }

    fn fail(self, error: &Error) {
        for (reply, _) in self.replies {
            let _ = reply.send(Err(error.clone()));
        }
        for transaction in self.staged {
            transaction.failed.lock().get_or_insert(error.clone());
        }
    }
}

/// 57P01: the log takes no more.
pub(super) fn closed() -> Error {
    Error::new(code::ADMIN_SHUTDOWN, "the log is closed")
}
