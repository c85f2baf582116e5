//! Views that fail, and how they are mended.
//!
//! The rule for a row for which an expression of a view errs: the statement that appended it is not harmed, since the log does not
//! know the views. The view fails: it frees its memory, and whoever reads it or a view above it is told with 55000 why, and which
//! event it was; `everfold.views` shows the same. Other views go on. CREATE MATERIALIZED VIEW over events of which one errs
//! makes a view that fails so while it folds the history; an expression that errs for every row is refused by CREATE. A view whose
//! state passes the limit fails alike, with 53400 as its cause, and so does one whose dataflow panics.
//!
//! `ALTER MATERIALIZED VIEW v RESUME` builds the view and all above it anew ([`Session::resume`]) and folds again, from the logs or from
//! what the tables and views below hold now: a bad row of a table that was mended or deleted since is no obstacle any more. A restart does
//! the same. `RESUME SKIP` first notes in the catalog that rows for which an expression errs are left out from now on; see
//! `fold::leave_out`. What aggregates raise over many rows, a sum out of range, has no row to leave out and fails the view again.
//!
//! To find the event at fault ([`find_fault`]) the view and what is below it are folded again, apart from everybody, and the range of
//! events of the step that failed is bisected.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;

use super::database::Engine;
use super::ddl;
use super::node::{Changes, Node, Source, read_log};
use super::session::Session;
use crate::catalog::{Change, Name, Relation, RelationId, RelationKind};
use crate::data::{Delta, POSITION, Position};
use crate::error::{Error, Result, code};
use crate::fold::Stop;
use crate::limits;
use crate::log::Log;

/// Why a node has failed, and where.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What the dataflow raised.
    pub cause: Error,
    /// What readers are told, 55000.
    pub told: Error,
    /// The event at fault, if it was found.
    pub position: Option<Position>,
}

impl Failure {
    /// The failure of `relation` with `cause` in a step over `range`.
    pub fn new(relation: &Relation, cause: Error, range: Range<Position>, position: Option<Position>) -> Self {
        let message = format!("{} \"{}\" has failed: {}", relation.kind.word(), relation.name, cause.message());
        let place = match position {
            Some(position) => format!("The event at position {position} made it fail"),
            None if range.is_empty() => format!("It stopped at position {}", range.start),
            None => format!("It failed between the positions {} and {}", range.start, range.end - 1),
        };
        let detail = cause.fields().detail.as_ref().map_or(String::new(), |d| format!(" {d}"));
        let told = Error::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
            .detail(format!("{place}, with SQLSTATE {}.{detail}", cause.code()))
            .hint(remedy(relation, &cause));
        Failure { cause, told, position }
    }
}

fn remedy(relation: &Relation, cause: &Error) -> String {
    let resume = format!("ALTER MATERIALIZED VIEW {} RESUME", relation.name);
    match cause.code() {
        code::CONFIGURATION_LIMIT_EXCEEDED => {
            format!("Start the server with a larger view_state_bytes_max, or make the state smaller and {resume}.")
        }
        _ if !cause.is_of_data() => format!("{resume} folds it again."),
        _ if relation.leaves_out => {
            format!(
                "Rows for which an expression errs are left out already; mend the rows that are aggregated and {resume}, or replace the view."
            )
        }
        _ => format!("{resume} SKIP leaves such rows out; if the row has been mended, {resume} folds it again."),
    }
}

/// The event in `range` with which folding the view fails, where folding all before it succeeds: over streams the first one, over tables,
/// whose rows may have been mended since, one as near to the end as was found. `None` if that cannot be said: too much history, or
/// a failure that is not an event's. Cost: folding the history once, and the range O(log events) times.
pub fn find_fault(engine: &Engine, id: RelationId, range: Range<Position>) -> Result<Option<Position>> {
    let gone = || Error::internal("a view is gone");
    let stop = engine.runner.node(id).ok_or_else(gone)?.stop().clone();
    let replica = Replica::new(engine, id, &stop)?;
    let events = replica.events(&engine.log, range.clone())?;
    if let [only] = events[..] {
        return Ok(Some(only));
    }
    let history: u64 = replica.logs().iter().map(|log| engine.log.count(*log)).sum();
    if events.is_empty() || history > limits::FAULT_SEARCH_EVENTS_MAX || replica.fold(&engine.log, 0..range.start).is_err() {
        return Ok(None);
    }
    let mut search = Search { engine, id, stop, saved: replica.save()?, replica, at: range.start };
    // Folding all before events[good] succeeds, and all up to events[bad] fails.
    let (mut good, mut bad) = (0, events.len() - 1);
    if !search.fails_with(events[bad])? {
        return Ok(None);
    }
    let mut stride = 1;
    while search.reads_tables() && stride <= bad {
        match search.fails_with(events[bad - stride])? {
            true => (bad, stride) = (bad - stride, stride * 2),
            false => {
                good = bad - stride + 1;
                break;
            }
        }
    }
    while good < bad {
        let middle = (good + bad) / 2;
        match search.fails_with(events[middle])? {
            true => bad = middle,
            false => good = middle + 1,
        }
    }
    Ok(Some(events[bad]))
}

/// A search for an event at fault: a replica that has folded all before `at`, and its state there.
struct Search<'a> {
    engine: &'a Engine,
    id: RelationId,
    /// The failed view's.
    stop: Stop,
    replica: Replica,
    saved: Vec<Vec<u8>>,
    at: Position,
}

impl Search<'_> {
    /// True if folding up to and with this event, which is not before `at`, fails; else `at` moves behind it.
    fn fails_with(&mut self, event: Position) -> Result<bool> {
        if self.replica.fold(&self.engine.log, self.at..event + 1).is_ok() {
            (self.saved, self.at) = (self.replica.save()?, event + 1);
            return Ok(false);
        }
        self.stop.check()?;
        self.replica = Replica::new(self.engine, self.id, &self.stop)?;
        if self.replica.load(&self.saved).is_err() {
            // DataFusion does not plan every query alike each time, so a state may fit another replica only: then all is folded again.
            self.replica = Replica::new(self.engine, self.id, &self.stop)?;
            self.replica.fold(&self.engine.log, 0..self.at)?;
        }
        Ok(true)
    }

    fn reads_tables(&self) -> bool {
        self.replica.0.iter().any(|n| n.relation.kind == RelationKind::Table)
    }
}

/// A view and everything below it, built anew to be folded apart; those below first.
struct Replica(Vec<Arc<Node>>);

impl Replica {
    fn new(engine: &Engine, id: RelationId, stop: &Stop) -> Result<Self> {
        let catalog = engine.catalog();
        let ids = ddl::nodes_all_below(&catalog, id);
        let build = |id: &RelationId| ddl::node(engine, catalog.by_id(*id).ok_or_else(|| Error::internal("a relation is gone"))?);
        let replica = Replica(ids.iter().map(build).collect::<Result<Vec<_>>>()?);
        for node in &replica.0 {
            node.stop_by(stop);
            node.fold_whole();
        }
        Ok(replica)
    }

    fn logs(&self) -> &[RelationId] {
        self.0.last().map_or(&[], |n| &n.base_logs)
    }

    /// The positions of the events in a range that concern the view, ascending.
    fn events(&self, log: &Log, range: Range<Position>) -> Result<Vec<Position>> {
        let mut found = Vec::new();
        for id in self.logs() {
            let schema = log.schema(*id).ok_or_else(|| Error::internal("a log is gone"))?;
            let column = Arc::new(schema.project(&[schema.index_of(POSITION)?])?);
            for batch in read_log(log, *id, range.clone(), &column)? {
                found.extend(batch?.column(0).as_primitive::<Int64Type>().values().iter().map(|p| *p as Position));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    fn fold(&self, log: &Log, range: Range<Position>) -> Result<()> {
        let mut made: Vec<(RelationId, Option<Delta>)> = Vec::new();
        for node in &self.0 {
            let mut changes = vec![Vec::new(); node.inputs.len()];
            for (input, deltas) in node.inputs.iter().zip(&mut changes) {
                let Source::Node(below) = input.source else { continue };
                if let Some((_, Some(delta))) = made.iter().find(|(id, _)| *id == below) {
                    deltas.push(delta.with_batch(delta.batch.project(&input.columns)?));
                }
            }
            made.push((node.relation.id, node.step(log, range.clone(), changes.into_iter().map(Changes::Deltas).collect(), None)?));
        }
        Ok(())
    }

    fn save(&self) -> Result<Vec<Vec<u8>>> {
        let saved = |node: &Arc<Node>| {
            let mut bytes = Vec::new();
            node.save(&mut bytes)?;
            Ok(bytes)
        };
        self.0.iter().map(saved).collect()
    }

    fn load(&self, saved: &[Vec<u8>]) -> Result<()> {
        self.0.iter().zip(saved).try_for_each(|(n, bytes)| n.load(bytes, &|_| Err(Error::internal("a replica has no files"))))
    }
}

impl Session {
    /// `ALTER MATERIALIZED VIEW .. RESUME [SKIP]`: folds a failed view and all above it again.
    pub(super) async fn resume(&mut self, name: &Name, if_exists: bool, skip: bool) -> Result<()> {
        if self.transaction.as_ref().is_some_and(|t| t.explicit) {
            let message = "ALTER MATERIALIZED VIEW .. RESUME cannot run inside a transaction block";
            return Err(Error::new(code::ACTIVE_SQL_TRANSACTION, message).hint("COMMIT first; it cannot be rolled back."));
        }
        let engine = self.engine.clone();
        let _ddl = self.define_now().await?;
        let catalog = engine.catalog();
        let relation = match self.scope().get(name).cloned() {
            Err(_) if if_exists => {
                self.notice("NOTICE", Error::new(code::SUCCESS, format!("relation \"{name}\" does not exist, skipping")));
                return Ok(());
            }
            found => found?,
        };
        if relation.kind != RelationKind::MaterializedView {
            return Err(Error::new(code::WRONG_OBJECT_TYPE, format!("\"{name}\" is not a materialized view")));
        }
        self.must_own(&relation)?;
        let skips_anew = skip && !relation.leaves_out;
        match engine.runner.failure(relation.id) {
            Some((failed, failure)) if failed != relation.id => return Err(failure.told.clone()),
            None if !skips_anew => {
                self.notice("NOTICE", Error::new(code::SUCCESS, format!("materialized view \"{name}\" has not failed, nothing to resume")));
                return Ok(());
            }
            _ => {}
        }
        // All is planned before anything changes: a query whose rows cannot be left out is refused.
        let change = Change::LeaveOut(relation.id);
        let next = if skips_anew { Arc::new(catalog.apply(&change)?) } else { catalog };
        let mut above = next.with_dependents(relation.id);
        above.reverse();
        let nodes = self.aside({
            let engine = engine.clone();
            move || async move {
                let mut nodes = Vec::with_capacity(above.len());
                for relation in above.iter().filter_map(|id| next.by_id(*id)).filter(|r| r.kind == RelationKind::MaterializedView) {
                    nodes.push(ddl::view_node_of(&engine, relation).await?);
                }
                Ok(nodes)
            }
        });
        let nodes = nodes.await?;
        match skips_anew {
            true => self.cancel.shield(engine.change(&[change], || engine.runner.restart(nodes))).await,
            false => engine.runner.restart(nodes),
        }
    }
}
