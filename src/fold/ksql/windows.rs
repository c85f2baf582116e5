//! GROUP BY in tumbling and hopping windows, as Kafka Streams does it.
//!
//! Time is stream time: the largest ROWTIME seen so far, record by record. Windows are aligned to 1970, hold [start, start + size) and
//! never start before 1970. A window takes records until stream time passes its end by the grace period; each window that a record
//! falls into is checked for itself, in ascending order of start.
//!
//! EMIT FINAL emits a window when it closes, by start, then key. The store that ksqlDB then reads it from has already forgotten what
//! starts more than size + grace (or RETENTION) before the newest window: after a long silence the windows before it are never emitted.
//! That loses results, but it is what ksqlDB gives and its tests pin it; a longer RETENTION keeps them.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::error::Result;
use crate::fold::ksql::aggregate::{AggregateSpec, Group};
use crate::fold::ksql::change::{Change, Counts, Operator, only_input};
use crate::fold::ksql::codec::{KeyBytes, key_bytes, load_row, save_row};
use crate::fold::state::{StateReader, StateWriter};
use crate::func::ksql::{Row, Value};

/// No time has been seen yet.
const NEVER: i64 = i64::MIN;

/// The starts of the windows that a time falls into, ascending.
pub(crate) fn starts(time: i64, size: i64, advance: i64) -> impl Iterator<Item = i64> {
    let first = time.saturating_sub(size).saturating_add(advance).max(0) / advance * advance;
    std::iter::successors(Some(first), move |start| start.checked_add(advance)).take_while(move |start| *start <= time)
}

/// The aggregation in tumbling and hopping windows.
pub struct Windows {
    spec: AggregateSpec,
    size: i64,
    advance: i64,
    /// By start; those that have been emitted for good only if RETENTION keeps them.
    windows: BTreeMap<i64, HashMap<KeyBytes, Group>>,
    /// Stream time.
    now: i64,
    /// The newest window's start.
    newest: i64,
    /// Windows that start up to here have been emitted for good, or are lost.
    done: i64,
    bytes: usize,
    counts: Counts,
}

impl Windows {
    pub(crate) fn new(spec: AggregateSpec, size: i64, advance: i64) -> Self {
        let (windows, counts) = (BTreeMap::new(), Counts::default());
        Windows { spec, size, advance, windows, now: NEVER, newest: NEVER, done: NEVER, bytes: 0, counts }
    }

    fn bounds(&self, start: i64) -> [Value; 2] {
        [Value::Bigint(start), Value::Bigint(start.saturating_add(self.size))]
    }

    fn key(&self, group: &Group, start: i64) -> Row {
        group.key.iter().cloned().chain(self.bounds(start)).collect()
    }

    /// How far behind the newest window's start a window is kept.
    fn kept(&self) -> i64 {
        let least = self.size.saturating_add(self.spec.grace(self.size));
        self.spec.retention.map_or(least, |retention| retention.max(least))
    }

    fn record(&mut self, change: &Change, out: &mut Vec<Change>) -> Result<()> {
        let Some(row) = &change.new else { return Ok(()) };
        let Some(key) = self.spec.key(row, &mut self.counts.errors) else {
            self.counts.unkeyed += 1;
            return Ok(());
        };
        if change.time < 0 {
            self.counts.late += 1;
            return Ok(());
        }
        self.now = self.now.max(change.time);
        let closed = self.now.saturating_sub(self.spec.grace(self.size));
        let id = key_bytes(&key);
        for start in starts(change.time, self.size, self.advance) {
            if start.saturating_add(self.size) <= closed {
                self.counts.late += 1;
                continue;
            }
            self.add(start, &id, &key, row, change, out)?;
            self.newest = self.newest.max(start);
        }
        let closed_start = closed.saturating_sub(self.size);
        if self.spec.emit_final && closed_start >= 0 && closed_start > self.done {
            self.finish(closed_start, change.position, out);
        }
        self.expire(closed_start, change.position, out);
        Ok(())
    }

    fn add(&mut self, start: i64, id: &KeyBytes, key: &Row, row: &[Value], change: &Change, out: &mut Vec<Change>) -> Result<()> {
        let bounds = self.bounds(start);
        let Windows { spec, windows, bytes, counts, .. } = self;
        let groups = windows.entry(start).or_default();
        if !groups.contains_key(id) {
            let group = Group { key: key.clone(), states: spec.init(), time: change.time, shown: None };
            *bytes += group.bytes();
            groups.insert(id.clone(), group);
        }
        let Some(group) = groups.get_mut(id) else { return Ok(()) };
        *bytes -= group.bytes();
        spec.change(&mut group.states, row, false, &mut counts.errors)?;
        *bytes += group.bytes();
        group.time = group.time.max(change.time);
        if !spec.emit_final {
            let new = spec.row(&group.key, &bounds, &group.states, &mut counts.errors);
            let old = group.shown.replace(new.clone());
            let key = group.key.iter().cloned().chain(bounds).collect();
            out.push(Change { position: change.position, time: group.time, key, old, new: Some(new) });
        }
        Ok(())
    }

    /// Emits the windows that start up to `last` and have not been.
    fn finish(&mut self, last: i64, position: u64, out: &mut Vec<Change>) {
        let remembered = self.newest.saturating_sub(self.kept());
        let first = self.done.saturating_add(1).max(remembered);
        self.done = last;
        if first > last {
            return;
        }
        let (spec, size, counts) = (&self.spec, self.size, &mut self.counts);
        for (start, groups) in self.windows.range_mut(first..=last) {
            let mut groups: Vec<_> = groups.iter_mut().collect();
            groups.sort_by(|a, b| a.0.cmp(b.0));
            for (_, group) in groups {
                let bounds = [Value::Bigint(*start), Value::Bigint(start.saturating_add(size))];
                let new = spec.row(&group.key, &bounds, &group.states, &mut counts.errors);
                let key = group.key.iter().cloned().chain(bounds).collect();
                group.shown = Some(new.clone());
                out.push(Change { position, time: group.time, key, old: None, new: Some(new) });
            }
        }
    }

    /// Drops the windows that nothing can change any more; with RETENTION only those that it does not keep, which leave the table.
    fn expire(&mut self, closed_start: i64, position: u64, out: &mut Vec<Change>) {
        let expired = self.newest.saturating_sub(self.kept());
        let last = match (self.spec.retention, self.spec.emit_final) {
            (None, _) => closed_start,
            (Some(_), false) => expired,
            (Some(_), true) => expired.saturating_sub(1),
        };
        while let Some(entry) = self.windows.first_entry() {
            let start = *entry.key();
            if start > last {
                break;
            }
            let mut groups: Vec<_> = entry.remove().into_iter().collect();
            groups.sort_by(|a, b| a.0.cmp(&b.0));
            for (_, group) in groups {
                self.bytes -= group.bytes();
                if self.spec.retention.is_some() && group.shown.is_some() {
                    let key = self.key(&group, start);
                    out.push(Change { position, time: self.now, key, old: group.shown, new: None });
                }
            }
        }
    }
}

impl Operator for Windows {
    fn name(&self) -> &'static str {
        "WindowAggregate"
    }
    fn detail(&self) -> String {
        self.spec.detail.clone()
    }
    fn step(&mut self, inputs: Vec<Vec<Change>>) -> Result<Vec<Change>> {
        let mut out = Vec::new();
        for change in only_input(inputs)? {
            self.record(&change, &mut out)?;
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
        [self.now, self.newest, self.done].into_iter().for_each(|time| out.i64(time));
        out.u64(self.windows.values().map(|groups| groups.len() as u64).sum());
        for (start, groups) in &self.windows {
            let mut groups: Vec<_> = groups.iter().collect();
            groups.sort_by_key(|(id, _)| *id);
            for (_, group) in groups {
                out.i64(*start);
                save_row(&group.key, out);
                group.states.save(out);
                out.i64(group.time);
                out.bool(group.shown.is_some());
            }
        }
        Ok(())
    }
    fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.counts = Counts::load(input)?;
        (self.now, self.newest, self.done) = (input.i64()?, input.i64()?, input.i64()?);
        (self.windows, self.bytes) = (BTreeMap::new(), 0);
        for _ in 0..input.u64()? {
            let (start, key, states) = (input.i64()?, load_row(input)?, self.spec.load(input)?);
            let (time, shown) = (input.i64()?, input.bool()?);
            let shown = shown.then(|| self.spec.row(&key, &self.bounds(start), &states, &mut 0));
            let group = Group { key, states, time, shown };
            self.bytes += group.bytes();
            self.windows.entry(start).or_default().insert(key_bytes(&group.key), group);
        }
        Ok(())
    }
}
