//! GROUP BY in session windows, as Kafka Streams does it.
//!
//! A record joins all sessions of its key whose ends are no more than the gap before it and whose starts no more than the gap after
//! it, both inclusive. They are absorbed in the order of their ends: each leaves the table, then the merged session enters it. Its
//! WINDOWEND is the time of its last event. A session is closed when stream time has passed its end by gap and grace period; a record
//! is late if the session that it would make is closed.
//!
//! EMIT FINAL emits a session when it closes, by end, then start, then key.

use std::collections::BTreeSet;

use hashbrown::HashMap;

use crate::error::Result;
use crate::fold::ksql::aggregate::{AggregateSpec, States};
use crate::fold::ksql::change::{Change, Counts, Operator, only_input};
use crate::fold::ksql::codec::{KeyBytes, key_bytes, load_row, row_bytes, save_row};
use crate::fold::ksql::table::ENTRY_BYTES;
use crate::fold::state::{StateReader, StateWriter};
use crate::func::ksql::{Row, Value};

/// No time has been seen yet.
const NEVER: i64 = i64::MIN;

/// One session of one key.
struct Session {
    start: i64,
    end: i64,
    states: States,
    shown: Option<Row>,
}

/// A key's sessions by end, then start.
struct OfKey {
    key: Row,
    sessions: Vec<Session>,
}

/// The aggregation in session windows.
pub struct Sessions {
    spec: AggregateSpec,
    gap: i64,
    keys: HashMap<KeyBytes, OfKey>,
    /// All sessions by end, start and key.
    ends: BTreeSet<(i64, i64, KeyBytes)>,
    /// Stream time.
    now: i64,
    /// Sessions that end before this have been emitted for good.
    done: i64,
    bytes: usize,
    counts: Counts,
}

impl Sessions {
    pub(crate) fn new(spec: AggregateSpec, gap: i64) -> Self {
        let (keys, ends, counts) = (HashMap::new(), BTreeSet::new(), Counts::default());
        Sessions { spec, gap, keys, ends, now: NEVER, done: NEVER, bytes: 0, counts }
    }

    /// How far behind stream time a session's end may be for it to be found again.
    fn kept(&self) -> i64 {
        let least = self.gap.saturating_add(self.spec.grace(self.gap));
        self.spec.retention.map_or(least, |retention| retention.max(least))
    }

    fn key(key: &Row, start: i64, end: i64) -> Row {
        key.iter().cloned().chain([Value::Bigint(start), Value::Bigint(end)]).collect()
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
        let found_after = self.now.saturating_sub(self.kept());
        self.now = self.now.max(change.time);
        let closed = self.now.saturating_sub(self.spec.grace(self.gap)).saturating_sub(self.gap);
        let id = key_bytes(&key);
        let (low, high) = (change.time.saturating_sub(self.gap), change.time.saturating_add(self.gap));
        let found = |s: &Session| s.end > found_after && s.end >= low && s.start <= high;
        let (mut start, mut end) = (change.time, change.time);
        for session in self.keys.get(&id).into_iter().flat_map(|of_key| &of_key.sessions).filter(|s| found(s)) {
            (start, end) = (start.min(session.start), end.max(session.end));
        }
        if end < closed {
            self.counts.late += 1;
        } else {
            self.merge(&id, &key, (start, end), found, row, change, out)?;
        }
        if self.spec.emit_final && closed > self.done {
            self.finish(closed, change.position, out);
        }
        self.expire(closed, change.position, out);
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn merge(
        &mut self,
        id: &KeyBytes,
        key: &Row,
        (start, end): (i64, i64),
        found: impl Fn(&Session) -> bool,
        row: &[Value],
        change: &Change,
        out: &mut Vec<Change>,
    ) -> Result<()> {
        let Sessions { spec, keys, ends, bytes, counts, .. } = self;
        let of_key = keys.entry(id.clone()).or_insert_with(|| OfKey { key: key.clone(), sessions: Vec::new() });
        let (absorbed, left): (Vec<_>, Vec<_>) = std::mem::take(&mut of_key.sessions).into_iter().partition(found);
        of_key.sessions = left;
        let same = start == end && start == change.time;
        let (mut states, mut old) = (spec.init(), None);
        for session in absorbed {
            *bytes -= session_bytes(key, &session.states);
            ends.remove(&(session.end, session.start, id.clone()));
            states = spec.merge(states, session.states, &mut counts.errors)?;
            if same {
                // The same session again: it is updated and does not leave.
                old = session.shown;
            } else if session.shown.is_some() && !spec.emit_final {
                let key = Self::key(key, session.start, session.end);
                out.push(Change { position: change.position, time: session.end, key, old: session.shown, new: None });
            }
        }
        // One that was too old to be found but has the same bounds is overwritten.
        if let Some(at) = of_key.sessions.iter().position(|s| (s.end, s.start) == (end, start)) {
            let session = of_key.sessions.remove(at);
            *bytes -= session_bytes(key, &session.states);
            old = session.shown.filter(|_| !spec.emit_final);
        }
        spec.change(&mut states, row, false, &mut counts.errors)?;
        let mut shown = None;
        if !spec.emit_final {
            let new = spec.row(key, &[Value::Bigint(start), Value::Bigint(end)], &states, &mut counts.errors);
            shown = Some(new.clone());
            out.push(Change { position: change.position, time: end, key: Self::key(key, start, end), old, new: Some(new) });
        }
        *bytes += session_bytes(key, &states);
        ends.insert((end, start, id.clone()));
        let at = of_key.sessions.partition_point(|s| (s.end, s.start) < (end, start));
        of_key.sessions.insert(at, Session { start, end, states, shown });
        Ok(())
    }

    /// Emits the sessions that end before `closed` and have not been.
    fn finish(&mut self, closed: i64, position: u64, out: &mut Vec<Change>) {
        let Sessions { spec, keys, ends, counts, .. } = self;
        for (end, start, id) in ends.range((self.done, NEVER, KeyBytes::default())..(closed, NEVER, KeyBytes::default())) {
            let Some(of_key) = keys.get_mut(id) else { continue };
            let Some(session) = of_key.sessions.iter_mut().find(|s| (s.end, s.start) == (*end, *start)) else { continue };
            let new = spec.row(&of_key.key, &[Value::Bigint(*start), Value::Bigint(*end)], &session.states, &mut counts.errors);
            session.shown = Some(new.clone());
            out.push(Change { position, time: *end, key: Self::key(&of_key.key, *start, *end), old: None, new: Some(new) });
        }
        self.done = closed;
    }

    /// Drops the sessions that no record can find any more; with RETENTION they leave the table.
    fn expire(&mut self, closed: i64, position: u64, out: &mut Vec<Change>) {
        let last = match self.spec.retention {
            None => closed.saturating_sub(1),
            Some(_) => self.now.saturating_sub(self.kept()),
        };
        while let Some((end, start, id)) = self.ends.first().filter(|(end, ..)| *end <= last).cloned() {
            if self.spec.emit_final && end >= self.done {
                break;
            }
            self.ends.pop_first();
            let Some(of_key) = self.keys.get_mut(&id) else { continue };
            let Some(at) = of_key.sessions.iter().position(|s| (s.end, s.start) == (end, start)) else { continue };
            let session = of_key.sessions.remove(at);
            self.bytes -= session_bytes(&of_key.key, &session.states);
            if self.spec.retention.is_some() && session.shown.is_some() {
                let key = Self::key(&of_key.key, start, end);
                out.push(Change { position, time: self.now, key, old: session.shown, new: None });
            }
            if of_key.sessions.is_empty() {
                self.keys.remove(&id);
            }
        }
    }
}

/// Bytes of memory of a session, about.
fn session_bytes(key: &Row, states: &States) -> usize {
    row_bytes(key) + states.bytes + 4 * ENTRY_BYTES
}

impl Operator for Sessions {
    fn name(&self) -> &'static str {
        "SessionAggregate"
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
        out.i64(self.now);
        out.i64(self.done);
        out.u64(self.ends.len() as u64);
        for (end, start, id) in &self.ends {
            let of_key = self.keys.get(id);
            let session = of_key.and_then(|k| k.sessions.iter().find(|s| (s.end, s.start) == (*end, *start)));
            if let (Some(of_key), Some(session)) = (of_key, session) {
                out.i64(*end);
                out.i64(*start);
                save_row(&of_key.key, out);
                session.states.save(out);
                out.bool(session.shown.is_some());
            }
        }
        Ok(())
    }
    fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.counts = Counts::load(input)?;
        (self.now, self.done) = (input.i64()?, input.i64()?);
        (self.keys, self.ends, self.bytes) = (HashMap::new(), BTreeSet::new(), 0);
        for _ in 0..input.u64()? {
            let (end, start, key) = (input.i64()?, input.i64()?, load_row(input)?);
            let (states, shown) = (self.spec.load(input)?, input.bool()?);
            let shown = shown.then(|| self.spec.row(&key, &[Value::Bigint(start), Value::Bigint(end)], &states, &mut 0));
            let id = key_bytes(&key);
            self.bytes += session_bytes(&key, &states);
            self.ends.insert((end, start, id.clone()));
            let of_key = self.keys.entry(id).or_insert_with(|| OfKey { key, sessions: Vec::new() });
            of_key.sessions.push(Session { start, end, states, shown });
        }
        Ok(())
    }
}
