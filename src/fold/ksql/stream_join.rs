//! The join of two streams within a window of time, as Kafka Streams does it.
//!
//! Each side remembers its records; one record meets those of the other side whose time is within the window around its own, bounds
//! included, in the order of time, then arrival. A side forgets what is older than its own newest record by window and grace period;
//! so a late record is joined as long as the other side remembers. The result's time is the later of both.
//!
//! A record of an outer side that meets nothing is padded with NULLs: at once if the join has no GRACE PERIOD, which may show a row
//! that a match follows, else when its window has closed by the time of both sides together. A record whose window lies in the past
//! as it comes, grace or not, is padded at once.
//!
//! A RIGHT join is ksqlDB's left join with the sides exchanged: BEFORE and AFTER are then seen from the right side.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::error::{Error, Result, code};
use crate::fold::ksql::change::{Change, Counts, Expr, Operator, evaluate, in_order, joined};
use crate::fold::ksql::codec::{KeyBytes, key_bytes, load_row, row_bytes, save_row};
use crate::fold::ksql::table::ENTRY_BYTES;
use crate::fold::state::{StateReader, StateWriter};
use crate::func::ksql::Row;

/// No time has been seen yet.
const NEVER: i64 = i64::MIN;

/// How long both sides are remembered if no GRACE PERIOD is given, unless the window is longer.
const RETENTION_DEFAULT: i64 = 24 * 60 * 60 * 1_000;

/// Which sides of a join appear without a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    /// Neither.
    Inner,
    /// The left one.
    Left,
    /// The right one.
    Right,
    /// Both.
    Full,
}

impl JoinKind {
    /// True if rows of a side (0 left, 1 right) appear without a match.
    pub fn keeps(self, side: usize) -> bool {
        match self {
            JoinKind::Inner => false,
            JoinKind::Left => side == 0,
            JoinKind::Right => side == 1,
            JoinKind::Full => true,
        }
    }

    /// Its name in EXPLAIN.
    pub fn text(self) -> &'static str {
        match self {
            JoinKind::Inner => "inner",
            JoinKind::Left => "left",
            JoinKind::Right => "right",
            JoinKind::Full => "full",
        }
    }
}

/// What a join of two streams computes.
#[derive(Clone)]
pub struct StreamJoinSpec {
    pub kind: JoinKind,
    /// How much earlier a record of the other side may be, in milliseconds.
    pub before: i64,
    /// How much later.
    pub after: i64,
    /// GRACE PERIOD.
    pub grace: Option<i64>,
    pub left_key: Expr,
    pub right_key: Expr,
    /// The numbers of columns of both sides.
    pub columns: (usize, usize),
    /// True if records of an outer side whose key is NULL are padded (Kafka from 3.7 on); else they are dropped.
    pub keeps_null_keys: bool,
    /// For EXPLAIN.
    pub detail: String,
}

/// What one side remembers.
struct Side {
    /// By key, then time and number.
    rows: HashMap<KeyBytes, BTreeMap<(i64, u64), Row>>,
    /// The keys by time and number.
    order: BTreeMap<(i64, u64), KeyBytes>,
    /// The time of the newest record.
    newest: i64,
    /// Records that have met nothing yet, by time and key.
    waiting: BTreeMap<(i64, KeyBytes), Waiting>,
}

impl Default for Side {
    fn default() -> Self {
        Side { rows: HashMap::new(), order: BTreeMap::new(), newest: NEVER, waiting: BTreeMap::new() }
    }
}

struct Waiting {
    key: Row,
    rows: Vec<Row>,
}

/// The join of two streams.
pub struct StreamJoin {
    spec: StreamJoinSpec,
    sides: [Side; 2],
    /// The time of both sides together.
    now: i64,
    /// The number of the next record.
    next: u64,
    bytes: usize,
    counts: Counts,
}

fn held_bytes(row: &Row) -> usize {
    row_bytes(row) + 3 * ENTRY_BYTES
}

impl StreamJoin {
    /// Errors: a window of negative length.
    pub fn new(spec: StreamJoinSpec) -> Result<Self> {
        if spec.before < 0 || spec.after < 0 || spec.grace.is_some_and(|grace| grace < 0) {
            return Err(Error::new(code::WINDOWING_ERROR, "the lengths of a join's window must not be negative"));
        }
        let (sides, counts) = ([Side::default(), Side::default()], Counts::default());
        Ok(StreamJoin { spec, sides, now: NEVER, next: 0, bytes: 0, counts })
    }

    /// The side that BEFORE and AFTER are seen from.
    fn first(&self) -> usize {
        usize::from(self.spec.kind == JoinKind::Right)
    }

    fn retention(&self) -> i64 {
        let size = self.spec.before.saturating_add(self.spec.after);
        self.spec.grace.map_or(size.max(RETENTION_DEFAULT), |grace| size.saturating_add(grace))
    }

    /// How much earlier and later the other side's records may be, seen from a side.
    fn reach(&self, side: usize) -> (i64, i64) {
        if side == self.first() { (self.spec.before, self.spec.after) } else { (self.spec.after, self.spec.before) }
    }

    fn row(&self, side: usize, this: &Row, other: Option<&Row>) -> Row {
        match side {
            0 => joined(Some(this), other, self.spec.columns),
            _ => joined(other, Some(this), self.spec.columns),
        }
    }

    fn record(&mut self, side: usize, change: &Change, out: &mut Vec<Change>) {
        let Some(row) = &change.new else { return };
        if change.time < 0 {
            self.counts.late += 1;
            return;
        }
        self.now = self.now.max(change.time);
        let expr = if side == 0 { &self.spec.left_key } else { &self.spec.right_key };
        let value = evaluate(expr, row, &mut self.counts.errors);
        let (position, time, keeps) = (change.position, change.time, self.spec.kind.keeps(side));
        let result = |key: &Row, time: i64, row: Row| Change { position, time, key: key.clone(), old: None, new: Some(row) };
        let unmatched = value.is_null();
        let key: Row = [value].into();
        if unmatched {
            if keeps && self.spec.keeps_null_keys {
                out.push(result(&key, time, self.row(side, row, None)));
            } else {
                self.counts.unkeyed += 1;
            }
            return;
        }
        let id = key_bytes(&key);
        self.remember(side, &id, row, time);
        if time == self.now {
            self.pad(position, out);
        }
        let (back, ahead) = self.reach(side);
        let (low, high) = (time.saturating_sub(back).max(0), time.saturating_add(ahead));
        let other = 1 - side;
        let mut met: Vec<i64> = Vec::new();
        // What the other side has forgotten is not there, so the window alone decides.
        if let Some(rows) = self.sides[other].rows.get(&id).filter(|_| low <= high) {
            for ((at, _), other_row) in rows.range((low, 0)..=(high, u64::MAX)) {
                met.push(*at);
                out.push(result(&key, time.max(*at), self.row(side, row, Some(other_row))));
            }
        }
        let matched = !met.is_empty();
        met.dedup();
        for at in met {
            if let Some(waiting) = self.sides[other].waiting.remove(&(at, id.clone())) {
                self.bytes -= waiting.rows.iter().map(held_bytes).sum::<usize>();
            }
        }
        if matched || !keeps {
            return;
        }
        if self.spec.grace.is_none() || high < self.now {
            out.push(result(&key, time, self.row(side, row, None)));
        } else {
            self.bytes += held_bytes(row);
            let waiting = self.sides[side].waiting.entry((time, id)).or_insert_with(|| Waiting { key, rows: Vec::new() });
            waiting.rows.push(row.clone());
        }
    }

    /// Remembers a record, unless it is too old already, and forgets what has become so.
    fn remember(&mut self, side: usize, id: &KeyBytes, row: &Row, time: i64) {
        let retention = self.retention();
        let this = &mut self.sides[side];
        this.newest = this.newest.max(time);
        let forgotten = this.newest.saturating_sub(retention);
        if time > forgotten {
            this.rows.entry(id.clone()).or_default().insert((time, self.next), row.clone());
            this.order.insert((time, self.next), id.clone());
            self.next += 1;
            self.bytes += held_bytes(row);
        } else {
            self.counts.late += 1;
        }
        while let Some(entry) = this.order.first_entry().filter(|entry| entry.key().0 <= forgotten) {
            let (at, id) = entry.remove_entry();
            let Some(rows) = this.rows.get_mut(&id) else { continue };
            if let Some(row) = rows.remove(&at) {
                self.bytes -= held_bytes(&row);
            }
            if rows.is_empty() {
                this.rows.remove(&id);
            }
        }
    }

    /// Pads the records whose windows have closed: by time, then those of the second side before those of the first, then by key.
    fn pad(&mut self, position: u64, out: &mut Vec<Change>) {
        let Some(grace) = self.spec.grace else { return };
        let mut closed: Vec<(i64, bool, KeyBytes, usize, Waiting)> = Vec::new();
        for side in 0..2 {
            let ahead = self.reach(side).1;
            let is_first = side == self.first();
            let open = |at: i64| at.saturating_add(ahead).saturating_add(grace) >= self.now;
            while let Some(entry) = self.sides[side].waiting.first_entry().filter(|entry| !open(entry.key().0)) {
                let ((at, id), waiting) = entry.remove_entry();
                closed.push((at, is_first, id, side, waiting));
            }
        }
        closed.sort_by(|a, b| (a.0, a.1, &a.2).cmp(&(b.0, b.1, &b.2)));
        for (time, _, _, side, waiting) in closed {
            for row in &waiting.rows {
                self.bytes -= held_bytes(row);
                let new = Some(self.row(side, row, None));
                out.push(Change { position, time, key: waiting.key.clone(), old: None, new });
            }
        }
    }
}

impl Operator for StreamJoin {
    fn name(&self) -> &'static str {
        "StreamJoin"
    }
    fn detail(&self) -> String {
        format!("{} {}", self.spec.kind.text(), self.spec.detail)
    }
    fn step(&mut self, inputs: Vec<Vec<Change>>) -> Result<Vec<Change>> {
        let mut out = Vec::new();
        for (side, change) in in_order(inputs) {
            if side > 1 {
                return Err(Error::internal("a join has two inputs"));
            }
            self.record(side, &change, &mut out);
        }
        Ok(out)
    }
    fn state_bytes(&self) -> usize {
        self.bytes
    }
    fn counts(&self) -> Counts {
        self.counts
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        self.counts.save(out);
        out.i64(self.now);
        out.u64(self.next);
        for side in &self.sides {
            out.i64(side.newest);
            out.u64(side.order.len() as u64);
            for ((time, number), id) in &side.order {
                out.i64(*time);
                out.u64(*number);
                out.bytes(id);
                let row = side.rows.get(id).and_then(|rows| rows.get(&(*time, *number)));
                save_row(row.map_or(&[], |row| row), out);
            }
            out.u64(side.waiting.len() as u64);
            for ((time, _), waiting) in &side.waiting {
                out.i64(*time);
                save_row(&waiting.key, out);
                out.u64(waiting.rows.len() as u64);
                waiting.rows.iter().for_each(|row| save_row(row, out));
            }
        }
        Ok(())
    }
    fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.counts = Counts::load(input)?;
        (self.now, self.next, self.bytes) = (input.i64()?, input.u64()?, 0);
        for side in &mut self.sides {
            *side = Side { newest: input.i64()?, ..Side::default() };
            for _ in 0..input.u64()? {
                let (at, id, row) = ((input.i64()?, input.u64()?), KeyBytes::from(input.bytes()?), load_row(input)?);
                self.bytes += held_bytes(&row);
                side.order.insert(at, id.clone());
                side.rows.entry(id).or_default().insert(at, row);
            }
            for _ in 0..input.u64()? {
                let (time, key) = (input.i64()?, load_row(input)?);
                let mut rows = Vec::new();
                for _ in 0..input.u64()? {
                    rows.push(load_row(input)?);
                }
                self.bytes += rows.iter().map(held_bytes).sum::<usize>();
                side.waiting.insert((time, key_bytes(&key)), Waiting { key, rows });
            }
        }
        Ok(())
    }
}
