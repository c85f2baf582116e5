//! What readers see: per log its segments and its tail, and the head. One lock guards all of it.
//!
//! Invariants: in a log, segments come before the tail and neither overlaps; `head` moves, under the write lock, after the events
//! below it are in their tails. So whoever holds the read lock sees each transaction wholly or not at all, and each event once.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parking_lot::{Mutex, RwLock};

use super::batch::Definition;
use super::projection::Projection;
use super::segment::Segment;
use super::staging::Payloads;
use super::tail::Tail;
use super::{LogId, Options};
use crate::clock::Clock;
use crate::data::{Position, RowBatches};
use crate::error::{Error, Result, code};
use crate::log::store::Store;

/// One log.
pub(super) struct LogState {
    /// Tells it from a later log of its number.
    pub identity: Arc<()>,
    pub definition: Arc<Definition>,
    pub segments: Vec<Arc<Segment>>,
    pub tail: Tail,
    /// Number of its events.
    pub count: u64,
    /// Position after its last event.
    pub end: Position,
}

impl LogState {
    pub fn new(definition: Arc<Definition>) -> LogState {
        LogState { identity: Arc::default(), definition, segments: Vec::new(), tail: Tail::default(), count: 0, end: 0 }
    }

    /// Gives it further columns, which are null in the events that it has.
    pub fn widen(&mut self, definition: Arc<Definition>) -> Result<()> {
        self.tail.widen(&definition.schema)?;
        self.definition = definition;
        Ok(())
    }

    /// Position after the last sealed event.
    pub fn sealed_end(&self) -> Position {
        self.segments.last().map_or(0, |s| s.end)
    }

    /// Adds events behind all others; they may lack columns that the log has got since they were checked. Errors: XX000 for other ones.
    pub fn push(&mut self, batch: RecordBatch) -> Result<()> {
        let batch = match batch.num_columns() == self.definition.schema.fields().len() {
            true => batch,
            false => Projection::new(&self.definition.schema, batch.schema_ref()).apply(&batch)?,
        };
        self.count += batch.num_rows() as u64;
        self.tail.push(batch);
        self.end = self.tail.end().unwrap_or(self.end);
        Ok(())
    }

    /// Adds a segment behind all others; its events leave the tail.
    pub fn add_segment(&mut self, segment: Arc<Segment>) {
        self.tail.forget(segment.end);
        self.end = self.end.max(segment.end);
        self.count = self.count.max(segment.first_offset + segment.rows);
        self.segments.push(segment);
    }
}

/// A part of a log, as of one moment.
#[derive(Clone)]
pub struct Slice {
    /// The log's full schema.
    pub schema: SchemaRef,
    /// Sealed parts in order.
    pub segments: Vec<SegmentSlice>,
    /// Unsealed parts in order, behind the segments; cut exactly, all columns.
    pub tail: Vec<RecordBatch>,
    /// The range read.
    pub range: Range<Position>,
}

impl Slice {
    /// The events in order, in batches of the columns of `wanted`, found by name.
    pub fn batches(&self, wanted: &SchemaRef) -> Result<RowBatches> {
        let mut parts: Vec<RowBatches> = Vec::with_capacity(self.segments.len() + 1);
        for part in &self.segments {
            parts.push(part.segment.read(wanted, self.range.clone())?);
        }
        parts.push(Box::new(self.unsealed(wanted)?.into_iter().map(Ok)));
        Ok(Box::new(parts.into_iter().flatten()))
    }

    /// The unsealed events, as [`Slice::batches`] gives them.
    pub fn unsealed(&self, wanted: &SchemaRef) -> Result<Vec<RecordBatch>> {
        let projection = Projection::new(wanted, &self.schema);
        self.tail.iter().map(|batch| projection.apply(batch)).collect()
    }
}

/// A segment that has events in a range.
#[derive(Clone)]
pub struct SegmentSlice {
    pub segment: Arc<Segment>,
    /// True if all its events are within the range; otherwise the reader must filter by position, as [`Segment::read`] does.
    pub whole: bool,
}

/// All logs.
#[derive(Default)]
pub(super) struct State {
    pub logs: HashMap<LogId, LogState>,
}

impl State {
    pub fn log(&self, id: LogId) -> Result<&LogState> {
        self.logs.get(&id).ok_or_else(|| unknown(id))
    }

    pub fn read(&self, id: LogId, range: Range<Position>) -> Result<Slice> {
        let log = self.log(id)?;
        let from = log.segments.partition_point(|s| s.end <= range.start);
        let within = log.segments[from..].iter().take_while(|s| s.first < range.end);
        let slice = |s: &Arc<Segment>| SegmentSlice { whole: range.start <= s.first && s.end <= range.end, segment: s.clone() };
        let segments = within.map(slice).collect();
        Ok(Slice { schema: log.definition.schema.clone(), segments, tail: log.tail.range(range.clone()), range })
    }
}

/// 42P01: no such log.
pub(super) fn unknown(id: LogId) -> Error {
    Error::new(code::UNDEFINED_TABLE, format!("log {id} does not exist"))
}

/// Which WAL files must stay because a staged transaction is in them.
pub(super) struct Pin {
    /// Number of the first WAL file that has rows of it.
    pub file: u64,
    /// Position after its events once it is committed.
    pub end: Option<Position>,
}

/// What is told each new head, and the logs that grew.
pub type Observer = Box<dyn Fn(Position, &[LogId]) + Send + Sync>;

/// What is shown each batch of a commit, with its positions.
pub type Preview = Box<dyn Fn(LogId, &RecordBatch) + Send + Sync>;

/// What the log's threads and its users share.
pub(super) struct Shared {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub options: Options,
    pub state: RwLock<State>,
    pub head: AtomicU64,
    pub observers: RwLock<Vec<Observer>>,
    pub previews: RwLock<Vec<Preview>>,
    /// Staged transactions that have rows in the WAL.
    pub pins: Mutex<BTreeMap<u64, Pin>>,
    pub next_transaction: AtomicU64,
    /// Memory for encoded rows on their way to the writer.
    pub payloads: Payloads,
}

impl Shared {
    pub fn head(&self) -> Position {
        self.head.load(Ordering::Acquire)
    }

    pub fn definition(&self, id: LogId) -> Result<Arc<Definition>> {
        Ok(self.state.read().log(id)?.definition.clone())
    }

    /// Makes events visible, all at one moment.
    pub fn publish(&self, batches: Vec<(LogId, RecordBatch)>, head: Position) {
        let mut state = self.state.write();
        for (id, batch) in batches {
            if let Some(log) = state.logs.get_mut(&id) {
                log.push(batch).expect("a batch has its own columns, and may have nulls for others");
            }
        }
        self.head.store(head, Ordering::Release);
    }
}
