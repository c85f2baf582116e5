//! Small operators at the edges of others: rows with their key, with their time, or with another time.

use hashbrown::HashMap;

use super::change::{Change, Counts, Operator, only_input};
use super::codec;
use super::stateless::Filter;
use crate::error::Result;
use crate::fold::state::{StateReader, StateWriter};
use crate::func::ksql::scalar::time::parse_timestamp_text;
use crate::func::ksql::{Row, Value};

/// Rows with their key behind their columns.
pub struct WithKey;

fn with(row: &Row, behind: &[Value]) -> Row {
    row.iter().chain(behind).cloned().collect()
}

impl Operator for WithKey {
    fn name(&self) -> &'static str {
        "WithKey"
    }
    fn detail(&self) -> String {
        String::new()
    }
    fn step(&mut self, inputs: Vec<Vec<Change>>) -> Result<Vec<Change>> {
        let add = |change: Change| {
            let (old, new) = (change.old.map(|row| with(&row, &change.key)), change.new.map(|row| with(&row, &change.key)));
            Change { old, new, ..change }
        };
        Ok(only_input(inputs)?.into_iter().map(add).collect())
    }
    fn save(&self, _: &mut StateWriter<'_>) -> Result<()> {
        Ok(())
    }
    fn load(&mut self, _: &mut StateReader<'_>) -> Result<()> {
        Ok(())
    }
}

/// Rows of a query with the pseudo columns that rows of a log have: ROWTIME, ROWPARTITION, ROWOFFSET.
pub struct Stamp {
    /// ROWTIME per key, of tables, so that a row that goes is the one that came.
    times: Option<HashMap<Row, i64, foldhash::fast::FixedState>>,
    /// What the keys take.
    bytes: usize,
    offset: i64,
}

/// Bytes of memory of a key with its time, about.
fn stamp_bytes(key: &Row) -> usize {
    codec::row_bytes(key) + 24
}

impl Stamp {
    /// Of a table's rows, or of a stream's.
    pub fn new(table: bool) -> Stamp {
        Stamp { times: table.then(HashMap::default), bytes: 0, offset: 0 }
    }

    fn stamp(&mut self, change: Change) -> Change {
        let pseudo = |time: i64, offset: i64| [Value::Bigint(time), Value::Int(0), Value::Bigint(offset)];
        let before = match &mut self.times {
            Some(times) if change.new.is_some() => times.insert(change.key.clone(), change.time),
            Some(times) => times.remove(&change.key),
            None => None,
        };
        if self.times.is_some() && before.is_some() != change.new.is_some() {
            let bytes = stamp_bytes(&change.key);
            self.bytes = if before.is_some() { self.bytes - bytes } else { self.bytes + bytes };
        }
        let offset = if self.times.is_some() { 0 } else { self.offset };
        self.offset += 1;
        let old = change.old.map(|row| with(&row, &pseudo(before.unwrap_or(change.time), 0)));
        let new = change.new.map(|row| with(&row, &pseudo(change.time, offset)));
        Change { old, new, ..change }
    }
}

impl Operator for Stamp {
    fn name(&self) -> &'static str {
        "Stamp"
    }
    fn detail(&self) -> String {
        String::new()
    }
    fn step(&mut self, inputs: Vec<Vec<Change>>) -> Result<Vec<Change>> {
        Ok(only_input(inputs)?.into_iter().map(|change| self.stamp(change)).collect())
    }
    fn state_bytes(&self) -> usize {
        self.bytes
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        out.i64(self.offset);
        let times = self.times.iter().flatten();
        out.u64(self.times.as_ref().map_or(0, HashMap::len) as u64);
        for (key, time) in times {
            codec::save_row(key, out);
            out.i64(*time);
        }
        Ok(())
    }
    fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.offset = input.i64()?;
        let mut times = HashMap::default();
        for _ in 0..input.u64()? {
            let key = codec::load_row(input)?;
            times.insert(key, input.i64()?);
        }
        self.bytes = times.keys().map(stamp_bytes).sum();
        self.times = self.times.as_ref().map(|_| times);
        Ok(())
    }
}

/// What came from a position on.
pub struct Since {
    from: u64,
}

impl Since {
    /// Drops changes of earlier positions.
    pub fn new(from: u64) -> Since {
        Since { from }
    }
}

impl Operator for Since {
    fn name(&self) -> &'static str {
        "Since"
    }
    fn detail(&self) -> String {
        format!("position {}", self.from)
    }
    fn step(&mut self, inputs: Vec<Vec<Change>>) -> Result<Vec<Change>> {
        let mut changes = only_input(inputs)?;
        changes.retain(|change| change.position >= self.from);
        Ok(changes)
    }
    fn save(&self, _: &mut StateWriter<'_>) -> Result<()> {
        Ok(())
    }
    fn load(&mut self, _: &mut StateReader<'_>) -> Result<()> {
        Ok(())
    }
}

/// A filter that was replaced: each version holds for the positions before its end.
pub struct Versions {
    filters: Vec<(u64, Option<Filter>)>,
    detail: String,
}

impl Versions {
    /// Filters and where each one's time ends, in ascending order; `None` lets everything through.
    pub fn new(filters: Vec<(u64, Option<Filter>)>, detail: String) -> Versions {
        Versions { filters, detail }
    }
}

impl Operator for Versions {
    fn name(&self) -> &'static str {
        "Filter"
    }
    fn detail(&self) -> String {
        self.detail.clone()
    }
    fn step(&mut self, inputs: Vec<Vec<Change>>) -> Result<Vec<Change>> {
        let mut rest = only_input(inputs)?.into_iter().peekable();
        let mut out = Vec::new();
        for (until, filter) in &mut self.filters {
            let mut part = Vec::new();
            while let Some(change) = rest.next_if(|change| change.position < *until) {
                part.push(change);
            }
            match filter {
                Some(filter) => out.extend(filter.step(vec![part])?),
                None => out.extend(part),
            }
        }
        Ok(out)
    }
    fn counts(&self) -> Counts {
        let errors = self.filters.iter().filter_map(|(_, f)| f.as_ref()).map(|f| f.counts().errors).sum();
        Counts { errors, ..Counts::default() }
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        self.filters.iter().filter_map(|(_, f)| f.as_ref()).try_for_each(|f| f.save(out))
    }
    fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.filters.iter_mut().filter_map(|(_, f)| f.as_mut()).try_for_each(|f| f.load(input))
    }
}

/// Rows with ROWTIME from one of their columns: a number of milliseconds, a timestamp, or text in a format.
pub struct Restamp {
    column: usize,
    format: Option<String>,
    dropped: Counts,
}

impl Restamp {
    /// By the column of that index.
    pub fn new(column: usize, format: Option<String>) -> Restamp {
        Restamp { column, format, dropped: Counts::default() }
    }
}

/// The time that a value tells, in milliseconds; `None` for none, or one before 1970, which no event has.
pub fn told_time(value: &Value, format: Option<&str>) -> Option<i64> {
    let time = match value {
        Value::Bigint(_) | Value::Timestamp(_) | Value::Int(_) => value.as_i64(),
        Value::String(text) => parse_timestamp_text(text, format, None).ok(),
        _ => None,
    };
    time.filter(|t| *t >= 0)
}

impl Operator for Restamp {
    fn name(&self) -> &'static str {
        "Restamp"
    }
    fn detail(&self) -> String {
        format!("by column {}", self.column)
    }
    fn step(&mut self, inputs: Vec<Vec<Change>>) -> Result<Vec<Change>> {
        let mut out = Vec::new();
        for change in only_input(inputs)? {
            let Some(row) = &change.new else {
                out.push(change);
                continue;
            };
            match row.get(self.column).and_then(|value| told_time(value, self.format.as_deref())) {
                Some(time) => out.push(Change { time, ..change }),
                None => self.dropped.errors += 1,
            }
        }
        Ok(out)
    }
    fn counts(&self) -> Counts {
        self.dropped
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        self.dropped.save(out);
        Ok(())
    }
    fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.dropped = Counts::load(input)?;
        Ok(())
    }
}
