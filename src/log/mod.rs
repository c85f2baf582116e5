//! The log: durable, in one order, never interpreted.
//!
//! The life of an event: [`Log::append`] checks its batch against the log's schema and hands it to the one writer (`writer`),
//! which gathers what waits, gives positions, writes one WAL frame (`frame`, `wal`, `ipc`), syncs once and publishes to the tail
//! (`tail`, `state`). Large transactions go the same way in pieces ([`Staging`]). A full WAL file is closed and its
//! events are sealed in the background into Parquet segments, hash-chained per log (`seal`, `segment`); then the file goes.
//! Opening reads segments and WAL again (`recover`); [`verify()`] proves them unaltered. All files go through [`Store`].
//!
//! Invariants:
//! - Positions are gapless over all logs, offsets gapless within one; a transaction's events are neighbours.
//! - An event is visible only after it was written, and, if its transaction asked, synced; a transaction is visible wholly or not.
//! - At any moment each event is in a segment or in the tail of its log, once.
//! - After a failed write nothing of its group remains; after a failed sync nothing is written until a restart, because nobody
//!   knows what is on the disk (a second sync would report success for pages the kernel has dropped).
//! - Damage is refused by name and byte offset before anything is changed.
//!
//! Decision: a log gets further columns without a byte of it being written anew ([`Log::register`]). Its next frame says the new schema,
//! what was written before lacks the columns, and whoever reads names those that it wants (`projection`).

mod batch;
mod frame;
mod ipc;
pub mod memory;
mod parquet_file;
mod projection;
mod recover;
mod seal;
pub mod segment;
pub mod shared_rows;
mod staging;
mod state;
pub mod store;
pub mod stored;
mod tail;
mod verify;
pub mod view_rows;
mod wal;
mod writer;

#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::clock::Clock;
use crate::data::Position;
use crate::error::Result;
use crate::limits;

use batch::{Definition, Part};
use frame::FileHeader;
use recover::Recovered;
use seal::Sealer;
use state::{LogState, Shared};
use wal::Wal;
use writer::{Request, Writer, closed};

pub use projection::in_columns;
pub use segment::Segment;
pub use shared_rows::{Place, SharedRows, Sharing};
pub use staging::Staging;
pub use state::{Observer, Preview, SegmentSlice, Slice};
pub use store::{LocalStore, Store};
pub use verify::{LogReport, Report, verify};
pub use view_rows::RowsOfView;

/// Number of a log: the relation's id in the catalog.
pub type LogId = u32;

/// An append of more rows than this is staged, so that its rows are encoded in the caller's thread.
const SMALL_ROWS: usize = 4_096;
/// As [`SMALL_ROWS`], in bytes of Arrow memory.
const SMALL_BYTES: usize = 1 << 20;

/// One transaction's events.
#[derive(Clone, Debug)]
pub struct Append {
    /// Batches in order, each n rows x the log's user columns; a further last column named `_time` holds event times of their own.
    pub batches: Vec<(LogId, RecordBatch)>,
    /// Acknowledge only when the disk has it. Otherwise it is synced within about 100 ms.
    pub sync: bool,
}

/// Where a transaction's events are: positions `first..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    pub first: Position,
    pub end: Position,
    /// Commit time, microseconds since 1970; it never decreases along the log.
    pub time_us: i64,
}

/// Sizes that tests, and small machines, set differently.
#[derive(Clone, Debug)]
pub struct Options {
    /// A WAL file is closed when it is larger than this many bytes.
    pub wal_file_bytes: u64,
    /// Zeros written ahead of small commits at a time, in bytes; 0 for none.
    pub fill_bytes: u64,
    /// Rows of a row group of a segment, at most [`limits::ROW_GROUP_ROWS_MAX`].
    pub row_group_rows: usize,
    /// Appends wait when so many closed WAL files are not sealed yet.
    pub unsealed_files_max: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            wal_file_bytes: limits::WAL_FILE_BYTES_MAX,
            fill_bytes: 8 << 20,
            row_group_rows: limits::ROW_GROUP_ROWS_MAX,
            unsealed_files_max: 16,
        }
    }
}

/// All logs of a data directory.
pub struct Log {
    shared: Arc<Shared>,
    sealer: Arc<Sealer>,
    sender: mpsc::Sender<Request>,
    room: Arc<Semaphore>,
    closed: AtomicBool,
    threads: Mutex<Vec<JoinHandle<()>>>,
    lock: Mutex<Option<Box<dyn Send + Sync>>>,
}

impl Log {
    /// Opens the log in a directory, making it if it is empty. Errors: 55006 if another process has it; XX001 for damage, with
    /// file and byte offset, and nothing changed; 53100 or 58030 from the disk.
    pub fn open(store: Arc<dyn Store>, clock: Arc<dyn Clock>, options: Options) -> Result<Arc<Log>> {
        let lock = store.lock()?;
        let mut found = recover::recover(&store)?;
        found.tidy(store.as_ref())?;
        let wal = open_wal(&store, clock.as_ref(), &found, options.fill_bytes)?;
        let Recovered { state, head, last_time_us, next_transaction, pins, closed, in_file, .. } = found;
        let shared = Arc::new(Shared {
            store,
            clock,
            options,
            state: RwLock::new(state),
            head: AtomicU64::new(head),
            observers: RwLock::default(),
            previews: RwLock::default(),
            pins: Mutex::new(pins),
            next_transaction: AtomicU64::new(next_transaction.max(wal.sequence)),
            payloads: Default::default(),
        });
        let sealer = Arc::new(Sealer::new(shared.clone()));
        for (unit, name) in closed {
            sealer.add(unit, name);
        }
        let (sender, receiver) = mpsc::channel(limits::APPEND_QUEUE_MAX);
        let writer = Writer::new(shared.clone(), sealer.clone(), receiver, wal, in_file, last_time_us)?;
        let sealing = sealer.clone();
        let threads = vec![
            std::thread::Builder::new().name("log-writer".into()).spawn(move || writer.run())?,
            std::thread::Builder::new().name("log-sealer".into()).spawn(move || sealing.run())?,
        ];
        let room = Arc::new(Semaphore::new(staging::ROOM_KIB));
        let (closed, threads, lock) = (AtomicBool::new(false), Mutex::new(threads), Mutex::new(Some(lock)));
        Ok(Arc::new(Log { shared, sealer, sender, room, closed, threads, lock }))
    }

    /// Makes a log known. `schema`: the user's columns; `bloom`: indices of those that get bloom filters in segments. A log
    /// that is known already stays as it is, or gets the further columns of `schema`, which are null in the events before and in what
    /// is appended by those who began before. Errors: 42P07 if its columns are other ones, and see `Definition::new`.
    pub fn register(&self, id: LogId, schema: SchemaRef, bloom: &[usize]) -> Result<()> {
        let definition = Definition::new(id, &schema, bloom)?;
        let mut state = self.shared.state.write();
        match state.logs.get_mut(&id) {
            None => drop(state.logs.insert(id, LogState::new(Arc::new(definition)))),
            Some(log) if log.definition.is_widened_by(&definition)? => {
                let definition = definition.after(&log.definition);
                log.widen(Arc::new(definition))?;
            }
            // A segment does not say which columns have filters; nobody appends yet.
            Some(log) if log.definition.bloom.is_empty() && !definition.bloom.is_empty() => log.definition = Arc::new(definition),
            Some(_) => {}
        }
        Ok(())
    }

    /// Errors: those that [`Log::register`] would meet now.
    pub fn check(&self, id: LogId, schema: &SchemaRef, bloom: &[usize]) -> Result<()> {
        let definition = Definition::new(id, schema, bloom)?;
        let state = self.shared.state.read();
        state.logs.get(&id).map_or(Ok(()), |log| log.definition.is_widened_by(&definition).map(|_| ()))
    }

    /// The full schema of a log: user columns, then `_position`, `_offset`, `_time`.
    pub fn schema(&self, id: LogId) -> Option<SchemaRef> {
        self.shared.state.read().logs.get(&id).map(|log| log.definition.schema.clone())
    }

    /// All logs known, in order of their ids.
    pub fn ids(&self) -> Vec<LogId> {
        let mut ids: Vec<LogId> = self.shared.state.read().logs.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// Removes a log and its events, durably. Slices that readers hold stay readable. Its positions are not given again.
    /// Errors: 42P01, and the disk's.
    pub fn drop_log(&self, id: LogId) -> Result<()> {
        self.ask(|reply| Request::Drop { id, reply })
    }

    /// Appends one transaction and waits until it is visible, and durable if it asks. Waits too while the writer is behind.
    /// Errors: 42P01, 42804, 23502 for batches that do not fit; 53100 or 58030 from the disk; then nothing of it is visible.
    /// After a failed sync it may still be there after a restart.
    pub async fn append(&self, append: Append) -> Result<Committed> {
        let parts = self.parts(&append)?;
        let (rows, bytes) = parts.iter().fold((0, 0), |(rows, bytes), p| (rows + p.rows, bytes + p.bytes()));
        if rows > SMALL_ROWS || bytes > SMALL_BYTES {
            let mut staging = self.stage()?;
            for (id, batch) in append.batches {
                staging.push(id, batch).await?;
            }
            return staging.commit(append.sync).await;
        }
        let (reply, answer) = oneshot::channel();
        self.sender.send(Request::Append { parts, sync: append.sync, reply }).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// [`Log::append`] for threads that are not async.
    pub fn append_blocking(&self, append: Append) -> Result<Committed> {
        futures::executor::block_on(self.append(append))
    }

    fn parts(&self, append: &Append) -> Result<Vec<Part>> {
        let part = |(id, batch): &(LogId, RecordBatch)| Part::new(self.shared.definition(*id)?, batch);
        append.batches.iter().map(part).collect()
    }

    /// Begins a transaction whose rows are handed over in pieces; see [`Staging`]. Other appends go on meanwhile.
    pub fn stage(&self) -> Result<Staging> {
        Staging::new(self.shared.clone(), self.sender.clone(), self.room.clone())
    }

    /// Number of visible events: one atomic load.
    pub fn head(&self) -> Position {
        self.shared.head()
    }

    /// Position after the log's last visible event; 0 if it has none, or is not known.
    pub fn end_of(&self, id: LogId) -> Position {
        self.shared.state.read().logs.get(&id).map_or(0, |log| log.end)
    }

    /// Number of the log's visible events; 0 if it is not known.
    pub fn count(&self, id: LogId) -> u64 {
        self.shared.state.read().logs.get(&id).map_or(0, |log| log.count)
    }

    /// Number of the log's visible events from a position on; an estimate where that lies within a segment.
    pub fn count_from(&self, id: LogId, position: Position) -> u64 {
        let state = self.shared.state.read();
        let Some(log) = state.logs.get(&id) else { return 0 };
        if position == 0 {
            return log.count;
        }
        let sealed = log.segments.iter().filter(|s| s.end > position).map(|s| {
            let part = (s.end - s.first.max(position)) as f64 / (s.end - s.first).max(1) as f64;
            (s.rows as f64 * part) as u64
        });
        let tail = log.tail.range(position..Position::MAX);
        sealed.sum::<u64>() + tail.iter().map(|batch| batch.num_rows() as u64).sum::<u64>()
    }

    /// The events of a log within a range of positions, as of one moment. Cost: no copy, O(batches). Errors: 42P01.
    pub fn read(&self, id: LogId, range: Range<Position>) -> Result<Slice> {
        self.shared.state.read().read(id, range)
    }

    /// Has `tell` called with the new head, and the logs that grew, after each commit. It runs in the writer: it must be cheap.
    pub fn on_commit(&self, tell: Observer) {
        self.shared.observers.write().push(tell);
    }

    /// Has `show` called with each batch of a commit, its positions in it, when it is written and before anybody sees it. It runs in the
    /// writer: it must be cheap.
    pub fn before_commit(&self, show: Preview) {
        self.shared.previews.write().push(show);
    }

    /// Seals every event visible now; blocks until done. Errors: why not; readers are not affected, and it is tried again.
    pub fn seal(&self) -> Result<()> {
        match self.ask(|reply| Request::Rotate { reply })? {
            Some(number) => self.sealer.wait(number),
            None => Ok(()),
        }
    }

    /// The sealed parts of a log, in order.
    pub fn segments(&self, id: LogId) -> Vec<Arc<Segment>> {
        self.shared.state.read().logs.get(&id).map_or_else(Vec::new, |log| log.segments.clone())
    }

    /// Bytes of Arrow memory that a log's unsealed events take.
    pub fn tail_bytes(&self, id: LogId) -> usize {
        self.shared.state.read().logs.get(&id).map_or(0, |log| log.tail.bytes())
    }

    /// The door to files that the log goes through.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.shared.store
    }

    /// Shuts down well: everything acknowledged is synced, the WAL gets its clean mark, the directory is unlocked. Appends fail with
    /// 57P01 from then on; readers go on. A second call does nothing.
    pub fn close(&self) -> Result<()> {
        if self.closed.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let result = self.ask(|reply| Request::Close { reply });
        self.join();
        result
    }

    fn ask<T>(&self, request: impl FnOnce(writer::Reply<T>) -> Request) -> Result<T> {
        futures::executor::block_on(async {
            let (reply, answer) = oneshot::channel();
            self.sender.send(request(reply)).await.map_err(|_| closed())?;
            answer.await.map_err(|_| closed())?
        })
    }

    fn join(&self) {
        self.sealer.stop();
        for thread in self.threads.lock().drain(..) {
            // A panic in a thread was reported where it happened; there is nothing to add to it here.
            let _ = thread.join();
        }
        self.lock.lock().take();
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if !self.closed.swap(true, Ordering::SeqCst) {
            let _ = futures::executor::block_on(self.sender.send(Request::Stop));
            self.join();
        }
    }
}

/// Goes on with the last WAL file, or begins the first one.
fn open_wal(store: &Arc<dyn Store>, clock: &dyn Clock, found: &Recovered, fill_bytes: u64) -> Result<Wal> {
    match &found.last {
        Some(scan) => Wal::resume(store.clone(), scan, fill_bytes),
        None => {
            let header = FileHeader { salt: writer::salt(1, clock.now_us()), number: 1, first: 0, sequence: 1, time_us: 0 };
            Wal::create(store.clone(), header, fill_bytes)
        }
    }
}
