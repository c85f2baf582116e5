//! How far long work is: what `everfold.progress` and `pg_stat_progress_copy` show, and what a client that waits is told.
//!
//! Whoever works moves a [`Gauge`]: atomic counters, so that counting costs nothing worth mentioning. A node has one of its own, which
//! shows while the node folds what was there before it was born; a statement that moves rows puts a [`Work`] on the [`Board`] for as
//! long as it runs. Rates and times left are computed when somebody looks.
//!
//! A client is told by NOTICE of what its own statement does or waits for: a COPY, a rewrite, the backfill of a view that it reads.
//! Its [`Teller`] is asked again and again while the statement runs, the first time after `everfold.progress_interval`, so that short
//! statements say nothing; it repeats nothing that has not moved.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use super::database::Engine;
use super::node::Node;
use super::settings::Settings;
use crate::catalog::{Relation, RelationId};
use crate::error::{Error, code};
use crate::serve::system::WorkStatus;

/// How often the server says on standard error how far a recovery is.
const RECOVERY_INTERVAL: Duration = Duration::from_secs(5);
/// A total that nobody knows.
const UNKNOWN: u64 = u64::MAX;

/// Counters of one piece of work.
#[derive(Debug)]
pub struct Gauge {
    begun_us: AtomicI64,
    done: AtomicU64,
    total: AtomicU64,
    bytes: AtomicU64,
}

impl Default for Gauge {
    fn default() -> Gauge {
        Gauge { begun_us: AtomicI64::new(0), done: AtomicU64::new(0), total: AtomicU64::new(UNKNOWN), bytes: AtomicU64::new(0) }
    }
}

impl Gauge {
    /// Begins anew, with so many rows to come, if that is known.
    pub fn begin(&self, now_us: i64, total: Option<u64>) {
        self.begun_us.store(now_us, Ordering::Relaxed);
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total.unwrap_or(UNKNOWN), Ordering::Relaxed);
    }

    /// So many rows are done.
    pub fn add(&self, rows: usize) {
        self.done.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// So many rows more are to be done than was known.
    pub fn expect(&self, rows: usize) {
        if self.total.load(Ordering::Relaxed) != UNKNOWN {
            self.total.fetch_add(rows as u64, Ordering::Relaxed);
        }
    }

    /// So many bytes have gone by.
    pub fn add_bytes(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// What kind of work it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A materialized view, or a table, folds the history that was there before it.
    Backfill,
    /// The same, after a restart.
    Recovery,
    CopyFrom,
    CopyTo,
    /// ALTER writes a relation anew.
    Rewrite,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Backfill => "backfill",
            Kind::Recovery => "recovery",
            Kind::CopyFrom => "COPY FROM",
            Kind::CopyTo => "COPY TO",
            Kind::Rewrite => "rewrite",
        }
    }
}

/// What a statement does to many rows.
#[derive(Debug)]
pub struct Work {
    kind: Kind,
    relation: Option<(RelationId, String)>,
    process: i32,
    phase: Mutex<&'static str>,
    pub gauge: Gauge,
}

impl Work {
    /// The next part of the work begins, of so many rows, if that is known.
    pub fn enter(&self, phase: &'static str, now_us: i64, total: Option<u64>) {
        *self.phase.lock() = phase;
        self.gauge.begin(now_us, total);
    }

    fn status(&self, now_us: i64) -> WorkStatus {
        let named = WorkStatus {
            kind: self.kind.name(),
            relation_id: self.relation.as_ref().map(|(id, _)| *id),
            relation: self.relation.as_ref().map(|(_, name)| name.clone()),
            process_id: Some(self.process),
            phase: *self.phase.lock(),
            ..WorkStatus::default()
        };
        measured(named, &self.gauge, now_us)
    }
}

/// Adds what the gauge says to a status.
fn measured(status: WorkStatus, gauge: &Gauge, now_us: i64) -> WorkStatus {
    let (begun, done) = (gauge.begun_us.load(Ordering::Relaxed), gauge.done.load(Ordering::Relaxed));
    // A total that was estimated too low is not shown to be passed.
    let total = Some(gauge.total.load(Ordering::Relaxed)).filter(|t| *t != UNKNOWN).map(|t| t.max(done));
    let seconds = (now_us - begun) as f64 / 1e6;
    let per_second = (seconds > 0.0).then(|| done as f64 / seconds);
    let left = total.zip(per_second.filter(|r| *r > 0.0)).map(|(total, rate)| (total - done) as f64 / rate);
    let bytes = gauge.bytes.load(Ordering::Relaxed);
    WorkStatus { done, total, bytes, per_second, seconds_left: left, started_us: begun, ..status }
}

/// How far a node is with what was there before it.
fn status_of_node(node: &Node, started: bool, now_us: i64) -> WorkStatus {
    let kind = if node.is_recovering() { Kind::Recovery } else { Kind::Backfill };
    let named = WorkStatus {
        kind: kind.name(),
        relation: Some(node.relation.name.clone()),
        relation_id: Some(node.relation.id),
        phase: if started { "folding" } else { "starting" },
        ..WorkStatus::default()
    };
    measured(named, &node.gauge, now_us)
}

/// The statements that move many rows, while they do.
#[derive(Default)]
pub struct Board {
    works: Mutex<BTreeMap<u64, Arc<Work>>>,
    next: AtomicU64,
}

/// A work on the board; dropping it takes it off.
pub struct Running {
    engine: Arc<Engine>,
    number: u64,
    work: Arc<Work>,
}

impl std::ops::Deref for Running {
    type Target = Work;
    fn deref(&self) -> &Work {
        &self.work
    }
}

impl Running {
    /// The next part of the work begins; see [`Work::enter`].
    pub fn enter(&self, phase: &'static str, total: Option<u64>) {
        self.work.enter(phase, self.engine.clock.now_us(), total);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.engine.board.works.lock().remove(&self.number);
    }
}

impl Engine {
    /// Puts a work on the board.
    pub(super) fn begin_work(self: &Arc<Engine>, kind: Kind, relation: Option<&Relation>, process: i32, phase: &'static str) -> Running {
        let relation = relation.map(|r| (r.id, r.name.clone()));
        let work = Arc::new(Work { kind, relation, process, phase: Mutex::new(phase), gauge: Gauge::default() });
        work.gauge.begin(self.clock.now_us(), None);
        let number = self.board.next.fetch_add(1, Ordering::Relaxed);
        self.board.works.lock().insert(number, work.clone());
        Running { engine: self.clone(), number, work }
    }

    /// Rows of a relation, as far as that is known without reading it.
    pub(super) fn rows_of(&self, relation: &Relation) -> Option<u64> {
        match self.node(relation.id) {
            Some(node) => Some(node.with_output(|output| output.rows() as u64)),
            None => relation.has_log().then(|| self.log.count(relation.id)),
        }
    }

    /// All work under way.
    pub(super) fn works(&self) -> Vec<WorkStatus> {
        let now_us = self.clock.now_us();
        let mut all: Vec<WorkStatus> = self.board.works.lock().values().map(|work| work.status(now_us)).collect();
        all.extend(self.runner.behind(None).iter().map(|(node, started)| status_of_node(node, *started, now_us)));
        all
    }

    /// Says on standard error how far tables and views are that fold the log again after a start, until all of them have.
    pub fn tell_recovery(self: &Arc<Engine>) {
        let engine = Arc::downgrade(self);
        self.query_runtime().spawn(async move {
            let mut said = false;
            loop {
                tokio::time::sleep(RECOVERY_INTERVAL).await;
                let Some(engine) = engine.upgrade() else { return };
                let works: Vec<WorkStatus> = engine.works().into_iter().filter(|w| w.kind == Kind::Recovery.name()).collect();
                works.iter().for_each(|work| eprintln!("{}", told(work)));
                if works.is_empty() {
                    if said {
                        eprintln!("recovery is complete");
                    }
                    return;
                }
                said = true;
            }
        });
    }
}

/// Tells one session's client how far its statement is.
pub struct Teller {
    engine: Weak<Engine>,
    process: i32,
    settings: Settings,
    /// The relations that the statement at hand reads.
    awaited: Mutex<Vec<RelationId>>,
    /// What was told last.
    told: Mutex<String>,
}

impl Teller {
    pub(super) fn new(engine: &Arc<Engine>, process: i32, settings: &Settings) -> Arc<Teller> {
        let (engine, settings) = (Arc::downgrade(engine), settings.clone());
        Arc::new(Teller { engine, process, settings, awaited: Mutex::default(), told: Mutex::default() })
    }

    /// The statement at hand reads these relations.
    pub(super) fn awaits(&self, relations: impl IntoIterator<Item = RelationId>) {
        let mut awaited = self.awaited.lock();
        awaited.clear();
        awaited.extend(relations);
    }

    /// How long the client waits to be told first, and again; `None` if it is not told.
    pub fn interval(&self) -> Option<Duration> {
        if !self.settings.is_on("everfold.progress_notices") || !self.settings.tells("NOTICE") {
            return None;
        }
        self.settings.time("everfold.progress_interval")
    }

    /// How far the statement at hand is, if that is known and has changed.
    pub fn tell(&self) -> Option<Error> {
        let engine = self.engine.upgrade()?;
        let now_us = engine.clock.now_us();
        let own = engine.board.works.lock().values().find(|work| work.process == self.process).map(|work| work.status(now_us));
        let status = own.or_else(|| self.slowest(&engine, now_us))?;
        let moved = format!("{}{}{:?}{}{}", status.kind, status.phase, status.relation, status.done, status.bytes);
        let mut last = self.told.lock();
        if *last == moved {
            return None;
        }
        *last = moved;
        Some(Error::new(code::SUCCESS, told(&status)))
    }

    /// Of what the statement waits for, the one that has the greatest part before it.
    fn slowest(&self, engine: &Engine, now_us: i64) -> Option<WorkStatus> {
        let awaited = self.awaited.lock().clone();
        let behind = engine.runner.behind(Some(&awaited));
        let part = |s: &WorkStatus| s.total.filter(|t| *t > 0).map_or(0.0, |t| s.done as f64 / t as f64);
        let statuses = behind.iter().map(|(node, started)| status_of_node(node, *started, now_us));
        statuses.min_by(|a, b| part(a).total_cmp(&part(b)))
    }
}

/// A status in words: `backfill of "v": 1,200,000 of 9,200,000 rows (13 %), 850,000 rows/s, 9 s left`.
fn told(status: &WorkStatus) -> String {
    let name = status.relation.as_deref().map_or("a query".to_string(), |name| format!("\"{name}\""));
    let mut text = match status.kind {
        "COPY FROM" => format!("COPY into {name}: "),
        "COPY TO" => format!("COPY out of {name}: "),
        kind => format!("{kind} of {name}: "),
    };
    if status.phase != "folding" && !status.kind.starts_with("COPY") {
        let _ = write!(text, "{}, ", status.phase);
    }
    let _ = match status.total {
        Some(total) => write!(text, "{} of {} rows", grouped(status.done), grouped(total)),
        None => write!(text, "{} rows", grouped(status.done)),
    };
    if let Some(total) = status.total.filter(|t| *t > 0) {
        let _ = write!(text, " ({} %)", u128::from(status.done) * 100 / u128::from(total));
    }
    if let Some(rate) = status.per_second.filter(|r| *r > 0.0) {
        let _ = write!(text, ", {} rows/s", grouped(rate as u64));
    }
    if let Some(left) = status.seconds_left {
        let _ = write!(text, ", {} left", span(left.ceil() as u64));
    }
    text
}

/// The part done, 0 to 1, that such a text tells; `None` for a text that is not of a progress.
pub fn share_told(text: &str) -> Option<Option<f64>> {
    let kinds = ["backfill of ", "recovery of ", "COPY into ", "COPY out of ", "rewrite of "];
    if !kinds.iter().any(|kind| text.starts_with(kind)) || !text.contains(" rows") {
        return None;
    }
    let percent = text.rsplit_once(" (").and_then(|(_, rest)| rest.split_once(" %)")).and_then(|(n, _)| n.parse::<f64>().ok());
    Some(percent.map(|n| n / 100.0))
}

/// A number with its thousands apart.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A time in its two largest units.
pub fn span(seconds: u64) -> String {
    match seconds {
        s if s < 60 => format!("{s} s"),
        s if s < 3_600 => format!("{} min {} s", s / 60, s % 60),
        s => format!("{} h {} min", s / 3_600, s % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(done: usize, total: Option<u64>, now_us: i64) -> WorkStatus {
        let gauge = Gauge::default();
        gauge.begin(1_000_000, total);
        gauge.add(done);
        let named = WorkStatus { kind: "backfill", relation: Some("v".into()), phase: "folding", ..WorkStatus::default() };
        measured(named, &gauge, now_us)
    }

    #[test]
    fn rate_and_time_left_follow_from_what_was_done() {
        let status = status(1_200_000, Some(9_200_000), 3_000_000);
        assert_eq!((status.per_second, status.seconds_left), (Some(600_000.0), Some(40.0 / 3.0)));
        assert_eq!(told(&status), "backfill of \"v\": 1,200,000 of 9,200,000 rows (13 %), 600,000 rows/s, 14 s left");
        assert_eq!(share_told(&told(&status)), Some(Some(0.13)));
    }

    #[test]
    fn what_is_not_known_is_not_told() {
        let begun = status(0, None, 1_000_000);
        assert_eq!((begun.total, begun.per_second, begun.seconds_left), (None, None, None));
        assert_eq!(told(&begun), "backfill of \"v\": 0 rows");
        assert_eq!(share_told(&told(&begun)), Some(None));
        assert_eq!(share_told("relation \"v\" already exists, skipping"), None);
        // More came than was foreseen.
        assert_eq!(status(5, Some(3), 2_000_000).total, Some(5));
    }

    #[test]
    fn numbers_and_times_are_easy_to_read() {
        assert_eq!([7, 999, 1_000, 1_234_567].map(grouped), ["7", "999", "1,000", "1,234,567"]);
        assert_eq!([9, 75, 7_500].map(span), ["9 s", "1 min 15 s", "2 h 5 min"]);
    }
}
