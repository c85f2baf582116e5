//! One table or materialized view as it is folded: its inputs, its operators, its output.

use std::collections::HashSet;
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, Schema, SchemaRef};
use parking_lot::{Mutex, MutexGuard, RwLock};

use super::progress::Gauge;
use super::sharing::RowByRow;
use crate::catalog::{CLOCK_LOG, Relation, RelationId};
use crate::data::{Delta, OpenRowFile, Position, RowBatches, RowFile};
use crate::error::{Error, Result, code};
use crate::fold::{Flow, OperatorReport, Output, Snapshot, StateReader, StateWriter, Stop};
use crate::limits;
use crate::log::{Log, LogId, RowsOfView, SegmentSlice, Store};

/// Where a node's deltas come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The events of a log, all of weight +1.
    Log(LogId),
    /// The changes of another node.
    Node(RelationId),
}

/// One input of a node: which rows, and which of their columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    pub source: Source,
    /// Indices of the columns in the source's schema as it was when the node was made: a node's is as long as its readers are there.
    pub columns: Vec<usize>,
    /// The columns' fields, by whose names a log is read: it may have got further columns since.
    pub schema: SchemaRef,
    /// Only events before this position are read.
    pub until: Option<Position>,
}

impl Input {
    /// All rows of a source of the schema `of`. Errors: XX000 for a column that it has not.
    pub fn new(source: Source, columns: Vec<usize>, of: &Schema) -> Result<Self> {
        let schema = Arc::new(of.project(&columns)?);
        Ok(Input { source, columns, schema, until: None })
    }
}

/// Bytes of memory that a node may hold.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Of operators and output together: with more it fails.
    pub state: usize,
    /// Of rows of an output that only grows: with more they go to a file.
    pub rows: usize,
    /// Rows, not bytes: what only grows is folded in slices of so many.
    pub step_rows: usize,
}

impl Bounds {
    /// Rows go to a file long before there are too many for memory.
    pub fn new(state: usize, rows: usize) -> Bounds {
        Bounds { state, rows: rows.min(state / (2 * CROWDED)), step_rows: limits::STEP_ROWS_MAX }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds::new(limits::VIEW_STATE_BYTES_MAX, limits::VIEW_ROWS_BYTES_MAX)
    }
}

/// What a node has for one that reads it.
#[derive(Clone)]
pub(super) enum Changes {
    /// What it has changed.
    Deltas(Vec<Delta>),
    /// All its rows, of which these columns are read.
    Rows(Snapshot, Vec<usize>),
}

impl Changes {
    fn rows(&self) -> usize {
        match self {
            Changes::Deltas(deltas) => deltas.iter().map(Delta::num_rows).sum(),
            Changes::Rows(snapshot, _) => snapshot.rows,
        }
    }
}

/// Where a node puts files of rows.
#[derive(Clone, Copy)]
pub(super) struct Files<'a> {
    pub store: &'a Arc<dyn Store>,
    /// The time, for their names.
    pub now_us: i64,
}

/// Directory of the files with the rows of views.
const DIRECTORY: &str = "views";
/// How many of them this process has begun.
static FILES: AtomicU64 = AtomicU64::new(0);
/// How many times as many rows as may be in memory make a node wait until they stand in a file.
const CROWDED: usize = 4;

/// A table or materialized view under way. The runner decides when it steps; only one thread steps it at a time.
pub struct Node {
    pub relation: Arc<Relation>,
    pub inputs: Vec<Input>,
    /// The logs that its rows come from in the end, through all nodes below.
    pub base_logs: Vec<LogId>,
    /// Everything before it is folded; written under the runner's lock, read by look-ups without it.
    position: AtomicU64,
    /// The log's head when the runner took it: nobody is shown it as of an earlier position.
    born: AtomicU64,
    flow: Mutex<Flow>,
    output: Arc<RwLock<Output>>,
    /// True if rows of its output can stand in a file.
    movable: bool,
    /// What it has for each event of a log, if it is such a view.
    row_by_row: Option<RowByRow>,
    /// Held by who moves rows to a file.
    moving: Mutex<()>,
    /// Set once it is no relation's node any more: it was dropped, or another one is in its place.
    retired: AtomicBool,
    /// Asked for when nobody needs what a step gives any more.
    stop: Stop,
    /// True if its operators merge their inputs by position: each range of positions is then folded for all of them together.
    ordered: bool,
    /// True once it has folded a part of a range in a slice of its own.
    sliced: AtomicBool,
    /// True if each range is folded in one step: slices of one have erred.
    whole: AtomicBool,
    /// How much it may hold.
    bounds: Bounds,
    /// Rows folded since it was put in, and how many there were to fold then.
    pub gauge: Gauge,
    /// True if it was there before the server was started.
    recovering: AtomicBool,
    /// What the operators had done and held when it was last looked at between two steps.
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    reports: Vec<OperatorReport>,
    state_bytes: usize,
}

impl Node {
    /// A node at position 0 with nothing folded. `key`: columns of its output that identify a row, if known.
    pub fn new(
        relation: Arc<Relation>,
        inputs: Vec<Input>,
        base_logs: Vec<LogId>,
        mut flow: Flow,
        key: Option<Vec<usize>>,
        append_only: bool,
        bounds: Bounds,
    ) -> Self {
        let output = Output::new(flow.schema(), key, append_only);
        let movable = output.only_grows() && RowsOfView::can_have(&output.schema());
        let stop = Stop::default();
        flow.stop_by(&stop);
        let row_by_row = if movable { RowByRow::of(&flow, &inputs, &output.schema()) } else { None };
        Node {
            relation,
            inputs,
            base_logs,
            position: AtomicU64::new(0),
            born: AtomicU64::new(0),
            flow: Mutex::new(flow),
            output: Arc::new(RwLock::new(output)),
            movable,
            row_by_row,
            moving: Mutex::default(),
            retired: AtomicBool::new(false),
            stop,
            ordered: false,
            sliced: AtomicBool::new(false),
            whole: AtomicBool::new(false),
            bounds,
            gauge: Gauge::default(),
            recovering: AtomicBool::new(false),
            seen: Mutex::default(),
        }
    }

    /// The same node, of operators that merge their inputs by position. Each input then has `_position`, `_offset` and `_time` as
    /// its last columns.
    pub fn in_order(self) -> Self {
        Node { ordered: true, ..self }
    }

    /// Everything before this position is folded.
    pub fn position(&self) -> Position {
        self.position.load(Ordering::Acquire)
    }

    /// The runner's alone: moves the position on.
    pub(super) fn set_position(&self, position: Position) {
        self.position.store(position, Ordering::Release);
    }

    /// The runner's alone: where the node's readers begin.
    pub(super) fn set_born(&self, position: Position) {
        self.born.store(position, Ordering::Release);
    }

    /// The runner's alone: counts what is before it, the rows of its logs. Those of nodes below are added when it takes them.
    pub(super) fn begin(&self, log: &Log, position: Option<Position>, now_us: i64) {
        let logs = self.inputs.iter().filter_map(|i| if let Source::Log(id) = i.source { Some(id) } else { None });
        let rows = logs.filter(|id| *id != CLOCK_LOG).map(|id| log.count_from(id, position.unwrap_or(0)));
        self.gauge.begin(now_us, Some(rows.sum()));
    }

    /// The head of the log when it was put in; what lies before is history to it.
    pub(super) fn born(&self) -> Position {
        self.born.load(Ordering::Acquire)
    }

    /// It folds again after a restart.
    pub(super) fn set_recovering(&self) {
        self.recovering.store(true, Ordering::Release);
    }

    /// True if it was there before the server was started.
    pub fn is_recovering(&self) -> bool {
        self.recovering.load(Ordering::Acquire)
    }

    /// The runner's alone: the node is taken out; a step under way stops.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        self.stop.ask();
    }

    /// What its steps stop by.
    pub(super) fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Has its steps stop by another's signal; waits for one that is under way.
    pub(super) fn stop_by(&self, stop: &Stop) {
        self.flow.lock().stop_by(stop);
    }

    /// The files of its rows go once nobody reads them; it is retired.
    pub(super) fn doom_files(&self) {
        self.output.read().doom_files();
    }

    /// True if it is no relation's node any more, and folds nothing.
    pub fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    /// True if no event that concerns the node lies at or behind its position: it is then current at every later position.
    pub fn is_current(&self, log: &Log) -> bool {
        let position = self.position();
        self.base_logs.iter().all(|id| log.end_of(*id) <= position)
    }

    /// The schema of its rows.
    pub fn schema(&self) -> SchemaRef {
        self.output.read().schema()
    }

    /// Its rows as they are now. Cost O(chunks).
    pub fn snapshot(&self) -> Snapshot {
        self.output.read().snapshot()
    }

    /// Its live output, for those who look rows up in it by their keys.
    pub fn live(&self) -> Arc<RwLock<Output>> {
        self.output.clone()
    }

    /// Calls `f` with the output, shared with other readers; `f` must be short, since a step waits for it to publish.
    pub fn with_output<T>(&self, f: impl FnOnce(&Output) -> T) -> T {
        f(&self.output.read())
    }

    /// Calls `f` with the operators; waits for a step that is under way.
    pub fn with_flow<T>(&self, f: impl FnOnce(&Flow) -> T) -> T {
        f(&self.flow.lock())
    }

    /// Has the node fold each range in one step from now on.
    pub(super) fn fold_whole(&self) {
        self.whole.store(true, Ordering::Release);
    }

    /// As [`Node::step`]; but where slices of what it starts with err, all of that is folded once more, in one step, by the operators of a
    /// node made anew: between slices one input is there without another, so that expressions see rows and groups that no position has.
    pub(super) fn step_or_fold_whole(
        &self,
        log: &Log,
        range: Range<Position>,
        changes: Vec<Changes>,
        files: Files<'_>,
        anew: impl FnOnce() -> Option<Arc<Node>>,
    ) -> Result<Option<Delta>> {
        let again = (range.start == 0).then(|| changes.clone());
        match (self.step(log, range.clone(), changes, Some(files)), again) {
            (Err(cause), Some(changes)) if cause.is_of_data() && self.sliced.load(Ordering::Acquire) && !self.stop.is_asked() => {
                if !anew().is_some_and(|node| self.begin_anew(node)) {
                    return Err(cause);
                }
                self.fold_whole();
                self.step(log, range, changes, Some(files))
            }
            (done, _) => done,
        }
    }

    /// Takes the operators of a node with nothing folded in the place of its own; false if that reads something else.
    fn begin_anew(&self, node: Arc<Node>) -> bool {
        let Some(Node { inputs, flow, output, .. }) = Arc::into_inner(node) else { return false };
        let Some(fresh) = Arc::into_inner(output).map(RwLock::into_inner) else { return false };
        let mut output = self.output.write();
        if inputs != self.inputs || fresh.schema() != output.schema() {
            return false;
        }
        output.doom_files();
        *output = fresh;
        drop(output);
        *self.flow.lock() = flow.into_inner();
        self.stop_by(&self.stop);
        true
    }

    /// Folds the events of `range` and the given changes of other nodes, publishes the result at once, and answers the net
    /// change of the output. The position is left to the runner. Where rows become many they go to `files`.
    ///
    /// With it, what a node that starts gives is published in parts: in one it takes more memory, if it fits at all, and nobody is shown it,
    /// nor asks for this change of it, before the step is over. The answer is then the last part. A replica, whose changes are asked for, has none.
    pub(super) fn step(
        &self,
        log: &Log,
        range: std::ops::Range<Position>,
        changes: Vec<Changes>,
        files: Option<Files<'_>>,
    ) -> Result<Option<Delta>> {
        let mut flow = self.flow.lock();
        self.gauge.expect(changes.iter().map(Changes::rows).sum());
        let mut out = Vec::new();
        let mut pending = vec![Vec::new(); self.inputs.len()];
        let (mut rows, mut out_bytes) = (0, 0);
        let mut held = self.output.read().state_bytes();
        let in_parts = files.filter(|_| range.start == 0);
        let range = in_parts.map_or(Ok(range.start), |files| self.share(&mut flow, log, &range, files))?..range.end;
        let mut fold = |flow: &mut Flow, pending: &mut Vec<Vec<Delta>>| -> Result<()> {
            let given = flow.step(pending)?;
            self.gauge.add(pending.iter().flatten().map(Delta::num_rows).sum());
            pending.iter_mut().for_each(Vec::clear);
            out_bytes += given.iter().map(Delta::own_bytes).sum::<usize>();
            out.extend(given);
            let is_much = || out.iter().map(|d: &Delta| d.batch.get_array_memory_size()).sum::<usize>() > self.bounds.rows;
            if let Some(files) = in_parts.filter(|_| is_much()) {
                self.output.write().absorb(std::mem::take(&mut out))?;
                self.make_room(files);
                (held, out_bytes) = (self.output.read().state_bytes(), 0);
            }
            self.check_size(flow.state_bytes() + held + out_bytes)
        };
        if self.ordered {
            for part in ranges(&range) {
                for (i, (input, deltas)) in self.inputs.iter().zip(&changes).enumerate() {
                    pending[i] = self.part_of(log, input, deltas, &part)?;
                }
                fold(&mut flow, &mut pending)?;
            }
            return self.publish(flow, out, files);
        }
        self.read_clock(log, &range, &mut pending)?;
        // What only grows, events and the rows that a view starts with, is folded in slices; a change is folded whole.
        let mut grown: Vec<(usize, RowBatches)> = Vec::new();
        for (i, (input, deltas)) in self.inputs.iter().zip(changes).enumerate() {
            match input.source {
                Source::Log(CLOCK_LOG) => {}
                Source::Log(id) => grown.push((i, read_log(log, id, range.clone(), &input.schema)?)),
                Source::Node(_) => match deltas {
                    Changes::Rows(snapshot, columns) => grown.push((i, snapshot.batches(Some(&columns)))),
                    Changes::Deltas(deltas) if deltas.iter().all(|d| d.weights.is_none()) => {
                        grown.push((i, Box::new(deltas.into_iter().map(|d| Ok(d.batch)))));
                    }
                    Changes::Deltas(deltas) => pending[i] = deltas,
                },
            }
        }
        let whole = self.whole.load(Ordering::Acquire);
        let mut read_bytes = 0;
        for (i, batches) in grown {
            for batch in batches {
                let batch = batch?;
                rows += batch.num_rows();
                if whole {
                    read_bytes += batch.get_array_memory_size();
                    self.check_size(read_bytes)?;
                }
                pending[i].push(Delta::insert(batch));
                if rows >= self.bounds.step_rows && !whole {
                    self.sliced.store(true, Ordering::Release);
                    fold(&mut flow, &mut pending)?;
                    rows = 0;
                }
            }
        }
        fold(&mut flow, &mut pending)?;
        self.publish(flow, out, files)
    }

    /// True if it shares rows with the segments of a log when it starts.
    pub(super) fn shares_events(&self) -> bool {
        self.row_by_row.is_some()
    }

    /// Has the rows for the first events of `range` stand where the events are sealed, if it has one for each; answers where those begin that
    /// are to be folded.
    fn share(&self, flow: &mut Flow, log: &Log, range: &Range<Position>, files: Files<'_>) -> Result<Position> {
        let (Some(row_by_row), [Input { source: Source::Log(id), .. }]) = (&self.row_by_row, self.inputs.as_slice()) else {
            return Ok(range.start);
        };
        let mut from = range.start;
        let enough = limits::SHARED_BYTES_MIN.min(self.bounds.rows);
        let whole = |part: &SegmentSlice| !self.stop.is_asked() && part.whole && row_by_row.is_for(&part.segment, enough);
        for part in log.read(*id, range.clone())?.segments.into_iter().take_while(whole) {
            let name = self.new_file(files.now_us, part.segment.first_offset as usize);
            // Whatever is wrong, a full disk or a row that errs, is seen to where its events are folded.
            let Ok(rows) = row_by_row.rows_of(&part.segment, files.store, &name) else { break };
            flow.count_passed(part.segment.rows);
            self.gauge.add(rows.rows());
            let mut output = self.output.write();
            output.append_file(rows.clone())?;
            if self.is_retired() {
                rows.doom();
            }
            from = part.segment.end;
        }
        Ok(from)
    }

    /// A name for a file of its rows, of which `first` come before. Time and number keep it apart from what an earlier node of the relation
    /// has left, in this process or one before.
    fn new_file(&self, now_us: i64, first: usize) -> String {
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        format!("{DIRECTORY}/{:010}/{first:020}-{now_us}-{number}.parquet", self.relation.id)
    }

    /// Moves rows to a file if there are more than may be in memory. If none can be written they stay, and it is tried again.
    fn make_room(&self, files: Files<'_>) {
        let _ = self.move_rows(files, usize::MAX);
    }

    fn publish(&self, flow: MutexGuard<'_, Flow>, out: Vec<Delta>, files: Option<Files<'_>>) -> Result<Option<Delta>> {
        let state = flow.state_bytes();
        drop(flow);
        let change = self.output.write().apply(out)?;
        if let Some(files) = files.filter(|_| self.movable_bytes() / CROWDED > self.bounds.rows) {
            self.make_room(files);
        }
        self.check_size(state + self.output.read().state_bytes())?;
        Ok(change)
    }

    /// The rows of an input in a part of a step's range.
    fn part_of(&self, log: &Log, input: &Input, changes: &Changes, part: &Range<Position>) -> Result<Vec<Delta>> {
        let end = input.until.map_or(part.end, |until| part.end.min(until)).max(part.start);
        let range = part.start..end;
        match (&input.source, changes) {
            (Source::Log(id), _) => read_log(log, *id, range, &input.schema)?.map(|batch| Ok(Delta::insert(batch?))).collect(),
            (Source::Node(_), Changes::Deltas(deltas)) => between(deltas, &range),
            (Source::Node(_), Changes::Rows(snapshot, columns)) => {
                within(snapshot.batches_between(Some(columns), Some(range.clone())), &range)
            }
        }
    }

    /// Reads the ticks before the events, of which the last says all. A backfill begins with the time at which the node was born,
    /// so that it does not hold what has expired since.
    fn read_clock(&self, log: &Log, range: &std::ops::Range<Position>, pending: &mut [Vec<Delta>]) -> Result<()> {
        for (i, input) in self.inputs.iter().enumerate().filter(|(_, input)| input.source == Source::Log(CLOCK_LOG)) {
            let end = if range.start == 0 { range.end.max(self.born()) } else { range.end };
            let mut last = None;
            for batch in read_log(log, CLOCK_LOG, range.start..end, &input.schema)? {
                last = Some(batch?).filter(|b| b.num_rows() > 0).or(last);
            }
            pending[i].extend(last.map(Delta::insert));
        }
        Ok(())
    }

    fn check_size(&self, bytes: usize) -> Result<()> {
        if bytes <= self.bounds.state {
            return Ok(());
        }
        let message = format!("its state takes more than {} bytes", self.bounds.state);
        Err(Error::new(code::CONFIGURATION_LIMIT_EXCEEDED, message))
    }

    /// Frees what the node holds. It must not be stepped or read any more; the runner sees to that.
    pub(super) fn release(&self) {
        let schema = self.schema();
        let mut flow = self.flow.lock();
        *flow = Flow::constant(RecordBatch::new_empty(schema.clone()));
        let mut output = self.output.write();
        output.doom_files();
        *output = Output::new(schema, None, false);
        drop(output);
        *self.seen.lock() = Seen::default();
    }

    /// Bytes of its rows in memory that may as well stand in a file.
    fn movable_bytes(&self) -> usize {
        if self.movable { self.output.read().movable_bytes() } else { 0 }
    }

    /// True if it holds more bytes of such rows than it may.
    pub(super) fn has_many_rows(&self) -> bool {
        self.movable_bytes() > self.bounds.rows
    }

    /// Moves its rows from memory to a file if they are many: if they take `enough` bytes or, anyway, more than they may. Steps and readers
    /// go on meanwhile. Errors: the store's; then all is as before.
    pub(super) fn move_rows(&self, files: Files<'_>, enough: usize) -> Result<()> {
        let _one = self.moving.lock();
        if self.movable_bytes() <= enough.min(self.bounds.rows) || self.is_retired() {
            return Ok(());
        }
        let rows = self.snapshot();
        let first = rows.files.iter().map(|file| file.rows()).sum::<usize>();
        let name = self.new_file(files.now_us, first);
        let held = rows.chunks.iter().flat_map(|chunk| chunk.batches(None));
        let file = Arc::new(RowsOfView::write(files.store, &name, &rows.schema, held)?);
        let mut output = self.output.write();
        if self.is_retired() {
            file.doom();
            return Ok(());
        }
        output.move_to(file.clone()).inspect_err(|_| file.doom())
    }

    /// Bytes that its operators and its output hold; while a step is under way, what they held before.
    pub fn state_bytes(&self) -> usize {
        self.look();
        self.seen.lock().state_bytes
    }

    /// Rows that its operators have left out; while a step is under way, as of before.
    pub fn left_out(&self) -> i64 {
        self.look();
        self.seen.lock().reports.iter().map(|r| r.left_out).sum()
    }

    /// What its operators have done; while a step is under way, what they had done before.
    pub fn reports(&self) -> Vec<OperatorReport> {
        self.look();
        self.seen.lock().reports.clone()
    }

    fn look(&self) {
        if let (Some(flow), Some(output)) = (self.flow.try_lock(), self.output.try_read()) {
            *self.seen.lock() = Seen { reports: flow.operators(), state_bytes: flow.state_bytes() + output.bytes() };
        }
    }

    /// Writes the node's whole state, of which readers of the rows as they are now may wait for the end; see [`super::checkpoint`].
    pub(super) fn save(&self, out: &mut dyn Write) -> Result<()> {
        let mut writer = StateWriter::new(out);
        self.flow.lock().save(&mut writer)?;
        self.output.read().save(&mut writer)?;
        writer.finish()
    }

    /// Rows of it that a checkpoint names. Errors: they are not there, or are damaged.
    pub(super) fn open_rows(&self, log: &Log, store: &Arc<dyn Store>, name: &str) -> Result<Arc<dyn RowFile>> {
        match &self.row_by_row {
            Some(row_by_row) => row_by_row.open(log, store, name),
            None => Ok(Arc::new(RowsOfView::open(store, name)?)),
        }
    }

    /// Replaces the state by a saved one. On an error the node must be built anew.
    pub(super) fn load(&self, bytes: &[u8], open: &OpenRowFile<'_>) -> Result<()> {
        let mut reader = StateReader::new(bytes)?.with_files(open);
        self.flow.lock().load(&mut reader)?;
        self.output.write().load(&mut reader)
    }
}

/// A step's range in parts of at most [`limits::ORDERED_STEP_EVENTS_MAX`] positions; at least one, since a first step may have nothing to fold.
fn ranges(range: &Range<Position>) -> impl Iterator<Item = Range<Position>> + use<> {
    let (start, end) = (range.start, range.end);
    let parts = (end - start).div_ceil(limits::ORDERED_STEP_EVENTS_MAX).max(1);
    (0..parts).map(move |i| {
        let from = start + i * limits::ORDERED_STEP_EVENTS_MAX;
        from..end.min(from + limits::ORDERED_STEP_EVENTS_MAX)
    })
}

/// Of rows in the order of their positions, which stand in the third column from the end, those of a range.
pub(super) fn between(deltas: &[Delta], range: &Range<Position>) -> Result<Vec<Delta>> {
    let mut inside = Vec::new();
    for delta in deltas.iter().filter(|d| d.num_rows() > 0) {
        let columns = delta.batch.columns();
        let positions = columns.len().checked_sub(3).and_then(|at| columns[at].as_primitive_opt::<Int64Type>());
        let positions = positions.ok_or_else(|| Error::internal("an input has no positions"))?.values();
        let from = positions.partition_point(|p| (*p as Position) < range.start);
        let to = positions.partition_point(|p| (*p as Position) < range.end);
        if from < to {
            inside.push(Delta::insert(delta.batch.slice(from, to - from)));
        }
    }
    Ok(inside)
}

/// The same of batches on their way.
pub(super) fn within(batches: RowBatches, range: &Range<Position>) -> Result<Vec<Delta>> {
    Ok(batches.map(|batch| between(&[Delta::insert(batch?)], range)).collect::<Result<Vec<_>>>()?.concat())
}

/// Removes files that none of the nodes has: those of a server that ended in between.
pub(super) fn remove_orphans(store: &dyn Store, nodes: &[Arc<Node>]) -> Result<()> {
    let known: HashSet<String> =
        nodes.iter().flat_map(|node| node.with_output(|o| o.file_names().map(String::from).collect::<Vec<_>>())).collect();
    store.list(DIRECTORY)?.iter().filter(|name| !known.contains(*name)).try_for_each(|name| store.remove(name))
}

/// The events of a log in a range of positions, those columns of them.
pub(super) fn read_log(log: &Log, id: LogId, range: Range<Position>, wanted: &SchemaRef) -> Result<RowBatches> {
    log.read(id, range)?.batches(wanted)
}
