//! Decides which node folds what, and when.
//!
//! Each table and each materialized view is a [`Node`] with a position of its own, so that a slow, failed or backfilling view
//! delays only queries that name it. A few threads take nodes from a queue and step them:
//!
//! 1. The log's writer calls [`Runner::committed`]: the nodes that read those logs are queued.
//! 2. A thread picks a node and, under the one lock, its target ([`Shared::target`]); it folds the events and the changes of other
//!    nodes up to there without the lock ([`Node::step`]), and publishes.
//! 3. [`Shared::advanced`] moves the node's position, keeps its change for the nodes that read it, serves cuts that wait at this
//!    position, and queues whoever can go on now.
//! 4. A query registers a [`Cut`] at the log's head for the nodes it names ([`Runner::cut`]). No node steps across a cut it
//!    has not served, so all are seen at one position; nobody else waits.
//!
//! Invariants. A target never lies beyond the head read under the lock, so no node is ever past a new cut. A node that reads
//! other nodes stops only where none of their kept changes straddles. Where a node reads several nodes, those below it are `aligned`:
//! they all stop at the same ticks, so that such a position always comes. A node with no event of its own logs left is
//! current at every later position, and is moved there without a step.
//!
//! Decision: the design joins views that feed one another into one dataflow; here they stay apart and hand changes on, because a
//! slow view over a fast one would otherwise hold up the fast one's readers too.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::checkpoint;
use super::cut::{Cut, Purpose};
use super::failure::Failure;
use super::hooks::Hooks;
use super::node::{Changes, Files, Input, Node, Source};
use super::order::below_first;
use crate::catalog::RelationId;
use crate::clock::Clock;
use crate::data::{Delta, Position};
use crate::error::{Error, Result, code};
use crate::limits;
use crate::log::store::Store;
use crate::log::{Log, LogId};

/// Events that one step folds at most, so that a long backfill lets other nodes and cuts take turns.
const SLICE_EVENTS: u64 = 4 << 20;

/// The scheduler of all nodes.
pub struct Runner {
    log: Arc<Log>,
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
    shared: Mutex<Shared>,
    work: Condvar,
    /// Who is told what happens to nodes.
    pub hooks: Hooks,
}

#[derive(Default)]
struct Shared {
    nodes: HashMap<RelationId, Entry>,
    queue: VecDeque<RelationId>,
    /// Positions at which aligned nodes stop, ascending.
    ticks: VecDeque<Position>,
    /// Nodes above one that has failed, to be freed without the lock.
    useless: Vec<Arc<Node>>,
    stopping: bool,
}

/// A change that a node made, kept for the nodes that read it.
struct Kept {
    start: Position,
    end: Position,
    delta: Option<Delta>,
}

struct Entry {
    node: Arc<Node>,
    position: Position,
    /// What its first step waits for; `None` once it has started.
    start: Option<Start>,
    queued: bool,
    running: bool,
    aligned: bool,
    failed: Option<Arc<Failure>>,
    /// True if a node below has failed; it then waits to be built anew.
    suspended: bool,
    kept: VecDeque<Kept>,
    kept_bytes: usize,
    readers: BTreeSet<RelationId>,
    cuts: BTreeMap<Position, Vec<Arc<Cut>>>,
}

impl Entry {
    /// True if it does not fold until it is built anew.
    fn is_stopped(&self) -> bool {
        self.failed.is_some() || self.suspended
    }
}

/// How a node without loaded state begins.
#[derive(Clone)]
enum Start {
    /// At once: it reads logs only.
    Now,
    /// With the snapshots of the nodes below, when they are there.
    After(Arc<Cut>),
}

impl Start {
    /// True if the first step can be taken.
    fn is_ready(&self) -> bool {
        match self {
            Start::Now => true,
            Start::After(cut) => cut.snapshots().is_some(),
        }
    }
}

/// What a thread is to do with a node. A node that starts steps once even if there is nothing to fold: a query may have
/// rows over no events.
struct Task {
    node: Arc<Node>,
    from: Position,
    to: Position,
    step: bool,
    changes: Vec<Changes>,
    saves: Vec<Arc<Cut>>,
}

/// How far a node is, for the system relations.
#[derive(Clone, Debug)]
pub struct Progress {
    pub position: Position,
    pub started: bool,
    /// Its own failure, or that of a node below.
    pub failed: Option<Arc<Failure>>,
}

impl Runner {
    /// A runner without nodes. [`Runner::spawn`] starts its threads.
    pub fn new(log: Arc<Log>, clock: Arc<dyn Clock>, store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Runner { log, clock, store, shared: Mutex::default(), work: Condvar::new(), hooks: Hooks::default() })
    }

    /// Starts `threads` threads; they end after [`Runner::stop`].
    pub fn spawn(self: &Arc<Self>, threads: usize) -> Result<Vec<std::thread::JoinHandle<()>>> {
        let start = |i: usize| {
            let runner = self.clone();
            std::thread::Builder::new().name(format!("fold-{i}")).stack_size(limits::STACK_BYTES).spawn(move || runner.run())
        };
        (0..threads).map(|i| Ok(start(i)?)).collect()
    }

    /// Lets the threads end, with their steps undone.
    pub fn stop(&self) {
        let mut shared = self.shared.lock();
        shared.stopping = true;
        shared.nodes.values().for_each(|entry| entry.node.stop().ask());
        drop(shared);
        self.work.notify_all();
    }

    /// Adds a node. `position`: what its loaded state holds, or `None` for a node that begins from nothing.
    pub fn add(&self, node: Arc<Node>, position: Option<Position>) -> Result<()> {
        node.begin(&self.log, position, self.clock.now_us());
        let added = self.shared.lock().put_in(&self.log, node, position);
        self.work.notify_all();
        added
    }

    /// Adds a node that cannot fold, and why.
    pub fn add_failed(&self, node: Arc<Node>, cause: Error) -> Result<()> {
        let id = node.relation.id;
        let mut shared = self.shared.lock();
        shared.put_in(&self.log, node, None)?;
        shared.stop(id, cause);
        Ok(())
    }

    /// Removes nodes, dependents first. A step under way stops, and ends into nothing.
    pub fn remove(&self, ids: &[RelationId]) {
        let dropped = |name: &str| Error::new(code::UNDEFINED_TABLE, format!("relation \"{name}\" was dropped"));
        self.shared.lock().take_out(ids, dropped).iter().for_each(|node| node.doom_files());
    }

    /// Puts nodes that were built anew in the place of those of the same relations, to begin from nothing: those below first, and with
    /// each all above it.
    pub fn restart(&self, nodes: Vec<Arc<Node>>) -> Result<()> {
        let rebuilt = |name: &str| {
            Error::new(code::SERIALIZATION_FAILURE, format!("materialized view \"{name}\" is being built anew"))
                .hint("Run the query again.")
        };
        let mut shared = self.shared.lock();
        let gone = shared.take_out(&nodes.iter().rev().map(|node| node.relation.id).collect::<Vec<_>>(), rebuilt);
        nodes.iter().for_each(|node| node.begin(&self.log, None, self.clock.now_us()));
        let added = nodes.into_iter().try_for_each(|node| shared.put_in(&self.log, node, None));
        drop(shared);
        self.work.notify_all();
        gone.iter().for_each(|node| node.doom_files());
        added
    }

    /// The failure that keeps a node from answering, and whose it is: its own, or that of one below.
    pub fn failure(&self, id: RelationId) -> Option<(RelationId, Arc<Failure>)> {
        self.shared.lock().failure(id)
    }

    /// The log has new events in these logs.
    pub fn committed(&self, logs: &[LogId]) {
        let mut shared = self.shared.lock();
        let reads = |entry: &Entry| entry.node.inputs.iter().any(|i| matches!(&i.source, Source::Log(id) if logs.contains(id)));
        let concerned: Vec<RelationId> = shared.nodes.iter().filter(|(_, e)| reads(e)).map(|(id, _)| *id).collect();
        concerned.into_iter().for_each(|id| shared.enqueue(id));
        drop(shared);
        self.work.notify_all();
    }

    /// A cut at the log's head for these nodes. Cost O(nodes) under the lock. Errors: 55000 if one of them has failed.
    pub fn cut(&self, ids: &[RelationId], purpose: Purpose) -> Result<Arc<Cut>> {
        let cut = self.shared.lock().register(&self.log, ids, purpose);
        self.work.notify_all();
        cut
    }

    /// The nodes that have not failed and have started, for a checkpoint of all.
    pub fn healthy(&self) -> Vec<RelationId> {
        let shared = self.shared.lock();
        shared.nodes.iter().filter(|(id, e)| e.start.is_none() && shared.failure(**id).is_none()).map(|(id, _)| *id).collect()
    }

    /// The node of a relation.
    pub fn node(&self, id: RelationId) -> Option<Arc<Node>> {
        self.shared.lock().nodes.get(&id).map(|e| e.node.clone())
    }

    /// True if a node's rows come from this log in the end.
    pub fn reads(&self, log: LogId) -> bool {
        self.shared.lock().nodes.values().any(|e| e.node.base_logs.contains(&log))
    }

    /// How far each node is.
    pub fn progress(&self) -> HashMap<RelationId, Progress> {
        let shared = self.shared.lock();
        let failed = |id: &RelationId| shared.failure(*id).map(|(_, failure)| failure);
        let of = |id, e: &Entry| Progress { position: e.position, started: e.start.is_none(), failed: failed(id) };
        shared.nodes.iter().map(|(id, e)| (*id, of(id, e))).collect()
    }

    /// The nodes, of these and those below them or of all, that have not folded what was there when they were put in; and whether
    /// they have started.
    pub fn behind(&self, of: Option<&[RelationId]>) -> Vec<(Arc<Node>, bool)> {
        let shared = self.shared.lock();
        let wanted = of.map(|ids| shared.with_all_below(ids));
        let mut behind = Vec::new();
        for (id, entry) in shared.nodes.iter().filter(|(id, _)| wanted.as_ref().is_none_or(|w| w.contains(id))) {
            let (node, started) = (&entry.node, entry.start.is_none());
            let done = started && (entry.position >= node.born() || node.is_current(&self.log));
            if !done && shared.failure(*id).is_none() {
                behind.push((node.clone(), started || entry.running));
            }
        }
        behind.sort_by_key(|(node, _)| node.relation.id);
        behind
    }

    // The threads -------------------------------------------------------------------------------------------------------

    fn run(&self) {
        let mut shared = self.shared.lock();
        while !shared.stopping {
            match shared.next_task(&self.log) {
                Some(task) => MutexGuard::unlocked(&mut shared, || self.perform(task)),
                None if shared.queue.is_empty() => self.work.wait(&mut shared),
                None => {}
            }
        }
    }

    fn perform(&self, task: Task) {
        let Task { node, from, to, step, changes, saves } = task;
        let id = node.relation.id;
        saves.iter().for_each(|cut| checkpoint::serve(cut, &self.store, &node, self.clock.now_us()));
        let done = if step {
            let files = Files { store: &self.store, now_us: self.clock.now_us() };
            catch_unwind(AssertUnwindSafe(|| node.step_or_fold_whole(&self.log, from..to, changes, files, || self.hooks.anew(id))))
                .unwrap_or_else(|_| Err(Error::internal("the dataflow panicked")))
        } else {
            Ok(None)
        };
        let done = done.map_err(|cause| {
            let position = if node.stop().is_asked() { None } else { self.hooks.find_fault(id, from..to, &cause) };
            Failure::new(&node.relation, cause, from..to, position)
        });
        if done.is_err() {
            // It was stopped because the server ends: the checkpoint names files of the node's, and the next server folds on from there.
            if node.stop().is_asked() && !node.is_retired() {
                return;
            }
            node.release();
        }
        let changed = matches!(&done, Ok(Some(delta)) if delta.batch.num_rows() > 0);
        let mut shared = self.shared.lock();
        // A node that was removed or replaced meanwhile has stepped for nothing.
        if shared.nodes.get(&id).is_some_and(|e| Arc::ptr_eq(&e.node, &node)) {
            match done {
                Ok(change) => shared.advanced(&self.log, id, from, to, change),
                Err(failure) => shared.fail(id, failure),
            }
        }
        let useless = std::mem::take(&mut shared.useless);
        drop(shared);
        self.work.notify_all();
        useless.iter().for_each(|node| node.release());
        if changed {
            self.hooks.changed(id, to);
        }
    }
}

impl Shared {
    fn entry(&mut self, id: RelationId) -> Result<&mut Entry> {
        self.nodes.get_mut(&id).ok_or_else(|| Error::internal(format!("relation {id} has no dataflow")))
    }

    fn put_in(&mut self, log: &Log, node: Arc<Node>, position: Option<Position>) -> Result<()> {
        let below = |input: &Input| if let Source::Node(id) = input.source { Some(id) } else { None };
        let below: Vec<RelationId> = node.inputs.iter().filter_map(below).collect();
        let id = node.relation.id;
        let suspended = below.iter().any(|b| self.failure(*b).is_some());
        let start = match position {
            Some(_) => None,
            None if below.is_empty() || suspended => Some(Start::Now),
            None => Some(Start::After(self.register(log, &below, Purpose::Read)?)),
        };
        let position = position.unwrap_or(0);
        node.set_position(position);
        node.set_born(log.head());
        for reader_of in &below {
            self.entry(*reader_of)?.readers.insert(id);
        }
        let entry = Entry {
            node,
            position,
            start,
            queued: false,
            running: false,
            aligned: false,
            failed: None,
            suspended,
            kept: VecDeque::new(),
            kept_bytes: 0,
            readers: BTreeSet::new(),
            cuts: BTreeMap::new(),
        };
        self.nodes.insert(id, entry);
        if below.len() > 1 {
            self.align_below(id);
        }
        self.enqueue(id);
        Ok(())
    }

    /// Takes nodes out, whose files are to be doomed without the lock; `why` tells those who wait for one, given its name.
    fn take_out(&mut self, ids: &[RelationId], why: impl Fn(&str) -> Error) -> Vec<Arc<Node>> {
        let out: Vec<Entry> = ids.iter().filter_map(|id| self.nodes.remove(id)).collect();
        for entry in &out {
            let gone = why(&entry.node.relation.name);
            entry.node.retire();
            entry.cuts.values().flatten().for_each(|cut| cut.fail(gone.clone()));
        }
        self.nodes.values_mut().for_each(|other| other.readers.retain(|reader| !ids.contains(reader)));
        // Whoever comes in their place is queued anew.
        self.queue.retain(|queued| !ids.contains(queued));
        out.into_iter().map(|entry| entry.node).collect()
    }

    fn enqueue(&mut self, id: RelationId) {
        if let Some(entry) = self.nodes.get_mut(&id)
            && !entry.queued
            && !entry.running
            && !entry.is_stopped()
        {
            entry.queued = true;
            self.queue.push_back(id);
        }
    }

    fn below(&self, id: RelationId) -> Vec<RelationId> {
        let inputs = self.nodes.get(&id).map(|e| e.node.inputs.as_slice()).unwrap_or_default();
        let mut below: Vec<RelationId> =
            inputs.iter().filter_map(|i| if let Source::Node(id) = i.source { Some(id) } else { None }).collect();
        below.dedup();
        below
    }

    /// The nodes and all nodes below them, which their rows come from; those below first.
    fn with_all_below(&self, ids: &[RelationId]) -> Vec<RelationId> {
        below_first(ids.iter().copied(), |id| self.below(id))
    }

    fn align_below(&mut self, id: RelationId) {
        for below in self.with_all_below(&[id]) {
            if let Some(entry) = self.nodes.get_mut(&below)
                && below != id
            {
                entry.aligned = true;
            }
        }
    }

    /// Why a node cannot answer: its own failure, or that of one below.
    fn failure(&self, id: RelationId) -> Option<(RelationId, Arc<Failure>)> {
        self.with_all_below(&[id]).into_iter().find_map(|id| Some((id, self.nodes.get(&id)?.failed.clone()?)))
    }

    /// Moves a node without pending events to the head. True if it is current there.
    fn bump(&mut self, log: &Log, id: RelationId, head: Position) -> bool {
        let Some(entry) = self.nodes.get_mut(&id) else { return false };
        if entry.position >= head {
            return true;
        }
        let idle = !entry.running && entry.start.is_none() && !entry.is_stopped();
        if idle && entry.node.is_current(log) && entry.cuts.is_empty() {
            entry.position = head;
            entry.node.set_position(head);
            return true;
        }
        false
    }

    /// Makes a cut at the head; see [`Runner::cut`].
    fn register(&mut self, log: &Log, ids: &[RelationId], purpose: Purpose) -> Result<Arc<Cut>> {
        let head = log.head();
        for id in ids {
            if !self.nodes.contains_key(id) {
                return Err(Error::internal(format!("relation {id} has no dataflow")));
            }
            if let Some((_, failure)) = self.failure(*id) {
                return Err(failure.told.clone());
            }
        }
        let cut = Cut::new(head, purpose, ids.iter().copied());
        // From the bottom up: a node below must be moved before those that read it.
        for id in self.with_all_below(ids) {
            if self.bump(log, id, head) {
                self.serve_idle(id, &cut);
            }
            let Some(entry) = self.nodes.get_mut(&id) else { continue };
            if entry.position < head || cut.awaits(id) {
                entry.cuts.entry(head).or_default().push(cut.clone());
                if entry.aligned && self.ticks.back().is_none_or(|t| *t < head) {
                    self.ticks.push_back(head);
                }
                self.enqueue(id);
            }
        }
        Ok(cut)
    }

    /// Serves a cut at a node that stands there and is not stepping; saving is left to a thread.
    fn serve_idle(&mut self, id: RelationId, cut: &Arc<Cut>) {
        let Some(entry) = self.nodes.get(&id) else { return };
        if entry.running || !cut.awaits(id) {
            return;
        }
        match cut.purpose {
            Purpose::Read => cut.arrive(id, Some(entry.node.snapshot())),
            Purpose::Reach => cut.arrive(id, None),
            Purpose::Save => {}
        }
    }

    /// Takes the next node that can do something from the queue.
    fn next_task(&mut self, log: &Log) -> Option<Task> {
        let id = self.queue.pop_front()?;
        self.nodes.get_mut(&id)?.queued = false;
        let saves = self.due_saves(id);
        let from = self.nodes.get(&id)?.position;
        let (mut changes, mut to, mut step) = (Vec::new(), from, false);
        if let Some(target) = self.target(log, id) {
            match self.take_changes(id, target) {
                Ok(taken) => (changes, to, step) = (taken, target, true),
                Err(e) => {
                    self.stop(id, e);
                    return None;
                }
            }
        }
        if !step && saves.is_empty() {
            return None;
        }
        let entry = self.nodes.get_mut(&id)?;
        entry.running = true;
        Some(Task { node: entry.node.clone(), from, to, step, changes, saves })
    }

    /// Takes the cuts at the node's position for which its state is to be saved; others there are served.
    fn due_saves(&mut self, id: RelationId) -> Vec<Arc<Cut>> {
        let Some(entry) = self.nodes.get_mut(&id) else { return vec![] };
        if entry.start.is_some() {
            return vec![];
        }
        let due = entry.cuts.remove(&entry.position).unwrap_or_default();
        let (saves, others): (Vec<_>, Vec<_>) = due.into_iter().filter(|c| c.awaits(id)).partition(|c| c.purpose == Purpose::Save);
        for cut in &others {
            self.serve_idle(id, cut);
        }
        saves
    }

    /// How far the node may fold now; `None` if it has to wait or has nothing to do.
    fn target(&mut self, log: &Log, id: RelationId) -> Option<Position> {
        let head = log.head();
        let below = self.below(id);
        for b in &below {
            self.bump(log, *b, head);
        }
        let entry = self.nodes.get(&id)?;
        if entry.is_stopped() || entry.running {
            return None;
        }
        let starts = entry.start.is_some();
        match &entry.start {
            Some(Start::After(cut)) => return cut.snapshots().map(|_| cut.position),
            Some(Start::Now) | None => {}
        }
        let position = entry.position;
        // What is shared with segments is not folded, and segments are of any length.
        let slice = if starts && entry.node.shares_events() { Position::MAX } else { SLICE_EVENTS };
        let mut bound = head.min(position.saturating_add(slice));
        if let Some((cut, _)) = entry.cuts.range(position + 1..).next() {
            bound = bound.min(*cut);
        }
        if entry.aligned && !starts {
            if self.ticks.back().is_none_or(|t| *t <= position) && head > position {
                self.ticks.push_back(head);
            }
            let tick = self.ticks.iter().find(|t| **t > position);
            bound = bound.min(*tick?);
        }
        for b in &below {
            bound = bound.min(self.nodes.get(b)?.position);
        }
        let bound = self.without_straddling(&below, bound);
        (bound > position || starts).then_some(bound)
    }

    /// The greatest position up to `bound` at which no kept change of the nodes below begins before and ends after.
    fn without_straddling(&self, below: &[RelationId], mut bound: Position) -> Position {
        loop {
            let straddling =
                below.iter().filter_map(|b| self.nodes.get(b)).flat_map(|e| &e.kept).find(|k| k.start < bound && bound < k.end);
            match straddling {
                Some(kept) => bound = kept.start,
                None => return bound,
            }
        }
    }

    /// The changes of other nodes that the node folds up to `target`, per input. Errors: a start that cannot be had.
    fn take_changes(&self, id: RelationId, target: Position) -> Result<Vec<Changes>> {
        let lost = || Error::internal("a node below is gone");
        let entry = self.nodes.get(&id).ok_or_else(lost)?;
        let started = match &entry.start {
            Some(Start::After(cut)) => Some(cut.snapshots().ok_or_else(lost)??),
            Some(Start::Now) | None => None,
        };
        let mut changes = Vec::with_capacity(entry.node.inputs.len());
        for input in &entry.node.inputs {
            changes.push(match (&input.source, &started) {
                (Source::Log(_), _) => Changes::Deltas(Vec::new()),
                (Source::Node(below), Some(snapshots)) => {
                    Changes::Rows(snapshots.get(below).ok_or_else(lost)?.clone(), input.columns.clone())
                }
                (Source::Node(below), None) => {
                    let kept = &self.nodes.get(below).ok_or_else(lost)?.kept;
                    let due = kept.iter().filter(|k| k.end > entry.position && k.end <= target).filter_map(|k| k.delta.as_ref());
                    let project = |delta: &Delta| Ok(delta.with_batch(delta.batch.project(&input.columns)?));
                    Changes::Deltas(due.map(project).collect::<Result<_>>()?)
                }
            });
        }
        Ok(changes)
    }

    /// A node has folded up to `to`; `change` is what became of its output.
    fn advanced(&mut self, log: &Log, id: RelationId, from: Position, to: Position, change: Option<Delta>) {
        let Some(entry) = self.nodes.get_mut(&id) else { return };
        entry.running = false;
        entry.start = None;
        entry.position = to;
        entry.node.set_position(to);
        if to > from && !entry.readers.is_empty() {
            entry.kept_bytes += change.as_ref().map_or(0, Delta::bytes);
            entry.kept.push_back(Kept { start: from, end: to, delta: change });
        }
        let readers: Vec<RelationId> = entry.readers.iter().copied().collect();
        self.serve_due(id);
        self.trim();
        self.limit_kept(id);
        for reader in readers {
            self.enqueue(reader);
        }
        let more = self.nodes.get(&id).is_some_and(|e| !e.node.is_current(log) || !e.cuts.is_empty());
        if more {
            self.enqueue(id);
        }
    }

    /// Serves the cuts at the node's position.
    fn serve_due(&mut self, id: RelationId) {
        let Some(entry) = self.nodes.get(&id) else { return };
        let Some(due) = entry.cuts.get(&entry.position).cloned() else { return };
        let position = entry.position;
        for cut in &due {
            self.serve_idle(id, cut);
        }
        if let Some(entry) = self.nodes.get_mut(&id)
            && due.iter().all(|c| !(c.purpose == Purpose::Save && c.awaits(id)))
        {
            entry.cuts.remove(&position);
        }
        // Starts of nodes above may have waited for this cut.
        let waiting: Vec<RelationId> =
            self.nodes.iter().filter(|(_, e)| e.start.as_ref().is_some_and(Start::is_ready)).map(|(id, _)| *id).collect();
        for id in waiting {
            self.enqueue(id);
        }
    }

    /// Forgets changes that every reader has folded, and ticks that every aligned node has passed.
    fn trim(&mut self) {
        let needs = |id: RelationId, e: &Entry| match &e.start {
            _ if self.failure(id).is_some() => Position::MAX,
            Some(Start::After(cut)) => cut.position,
            Some(Start::Now) | None => e.position,
        };
        let positions: HashMap<RelationId, Position> = self.nodes.iter().map(|(id, e)| (*id, needs(*id, e))).collect();
        let mut least = Position::MAX;
        for entry in self.nodes.values_mut() {
            let needed = entry.readers.iter().filter_map(|r| positions.get(r)).min().copied().unwrap_or(Position::MAX);
            while entry.kept.front().is_some_and(|k| k.end <= needed) {
                let gone = entry.kept.pop_front();
                entry.kept_bytes -= gone.and_then(|k| k.delta).map_or(0, |d| d.bytes());
            }
            if entry.aligned && !entry.is_stopped() {
                least = least.min(entry.position);
            }
        }
        while self.ticks.front().is_some_and(|t| *t <= least) {
            self.ticks.pop_front();
        }
    }

    /// A reader that lags so far that the changes kept for it pass the limit fails, rather than holding memory.
    fn limit_kept(&mut self, id: RelationId) {
        let Some(entry) = self.nodes.get(&id) else { return };
        if entry.kept_bytes <= limits::CHANGELOG_BYTES_MAX {
            return;
        }
        let slowest = entry.readers.iter().filter_map(|r| self.nodes.get(r)).filter(|e| !e.is_stopped());
        if let Some(slowest) = slowest.min_by_key(|e| e.position).map(|e| e.node.relation.id) {
            let error = Error::new(code::PROGRAM_LIMIT_EXCEEDED, "the view lags too far behind the relation it reads")
                .detail(format!("More than {} bytes of changes wait for it.", limits::CHANGELOG_BYTES_MAX));
            self.stop(slowest, error);
            self.trim();
        }
    }

    /// Fails a node between two steps, for no event's fault.
    fn stop(&mut self, id: RelationId, cause: Error) {
        if let Some(entry) = self.nodes.get(&id) {
            let failure = Failure::new(&entry.node.relation, cause, entry.position..entry.position, None);
            self.useless.push(entry.node.clone());
            self.fail(id, failure);
        }
    }

    /// The node has failed: its readers and its dependents' readers are told, and those above it are stopped.
    fn fail(&mut self, id: RelationId, failure: Failure) {
        let Some(entry) = self.nodes.get_mut(&id) else { return };
        entry.running = false;
        entry.failed = Some(Arc::new(failure));
        let stopped: Vec<RelationId> = self.nodes.keys().copied().filter(|n| self.with_all_below(&[*n]).contains(&id)).collect();
        for stopped in stopped {
            let Some((_, failure)) = self.failure(stopped) else { continue };
            let Some(entry) = self.nodes.get_mut(&stopped) else { continue };
            if stopped != id {
                entry.suspended = true;
                self.useless.push(entry.node.clone());
            }
            std::mem::take(&mut entry.cuts).into_values().flatten().for_each(|cut| cut.fail(failure.told.clone()));
        }
    }
}
