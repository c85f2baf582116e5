//! SESSION: the rows of each key with the bounds of the session they are in, kept up to date.
//!
//! Each partition has an ordered map from (time, bytes of the whole row) to a weight. [`Session::step`] sorts the changes of a
//! partition by time and finds the stretches they touch: an old session that a change lies in or reaches, or the change alone.
//! Only rows of those are looked at, before the changes and after, and what differs is given. Cost per step: O(log n) per
//! change and O(rows of the touched sessions).

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, TimestampMicrosecondArray};
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, SortField};

use super::basic::{list, only};
use super::eval::{Expr, batch_of, evaluate, evaluate_all};
use super::key_index::{Equality, KeyIndex, integers};
use super::state::damaged;
use super::{Operator, StateReader, StateWriter};
use crate::data::Delta;
use crate::error::{Error, Result};
use crate::func::session::{Bound, sessions};

/// What a [`Session`] is to do.
pub struct SessionSpec {
    /// The input.
    pub input: SchemaRef,
    /// The keys; empty for one partition.
    pub partition: Vec<Expr>,
    /// The time of a row, in microseconds; rows where it is NULL are dropped.
    pub time: Expr,
    /// The longest time between two rows of a session, in microseconds.
    pub gap_us: i64,
    /// The bounds that follow the input's columns.
    pub bounds: Vec<Bound>,
    /// The output: the input's columns and the bounds.
    pub schema: SchemaRef,
}

type Row = (i64, Arc<[u8]>);
type Partition = BTreeMap<Row, i64>;

/// The rows of sessions with their bounds.
pub struct Session {
    spec: SessionSpec,
    converter: RowConverter,
    index: KeyIndex,
    partitions: Vec<Partition>,
    bytes: usize,
}

/// Times from the first to the last of some neighbouring sessions.
type Stretch = (i64, i64);

impl Session {
    /// Errors: 0A000 for types that cannot be compared.
    pub fn new(spec: SessionSpec) -> Result<Self> {
        let types = spec.partition.iter().map(|e| Ok(e.data_type(&spec.input)?)).collect::<Result<Vec<_>>>()?;
        let converter = RowConverter::new(spec.input.fields().iter().map(|f| SortField::new(f.data_type().clone())).collect())?;
        let index = KeyIndex::new(&types, Equality::Sql)?;
        Ok(Session { spec, converter, index, partitions: Vec::new(), bytes: 0 })
    }

    /// Sorts a delta's rows into the changes of their partitions.
    fn gather(&mut self, delta: &Delta, changes: &mut BTreeMap<u32, Vec<(Row, i64)>>) -> Result<()> {
        let keys = evaluate_all(&self.spec.partition, &delta.batch)?;
        let times = evaluate(&self.spec.time, &delta.batch)?;
        let values = integers(&times).ok_or_else(|| Error::internal("the time of a session is no time"))?;
        let (mut numbers, mut fresh) = (Vec::new(), Vec::new());
        self.index.intern(&keys, delta.num_rows(), &mut numbers, &mut fresh)?;
        self.partitions.resize_with(self.index.slots(), Partition::new);
        let rows = self.converter.convert_columns(delta.batch.columns())?;
        for (i, &number) in numbers.iter().enumerate() {
            let change = changes.entry(number).or_default();
            if times.is_valid(i) {
                change.push(((values[i], rows.row(i).data().into()), delta.weight(i)));
            }
        }
        Ok(())
    }

    /// The stretches of a partition that changes at these ascending times touch, disjoint and further apart than the gap.
    fn stretches(&self, rows: &Partition, times: impl Iterator<Item = i64>) -> Vec<Stretch> {
        let near = |a: i64, b: i64| b.checked_sub(a).is_some_and(|d| d <= self.spec.gap_us);
        let key = |at: i64| (at, Arc::from([].as_slice()));
        let mut found: Vec<Stretch> = Vec::new();
        for at in times {
            if found.last().is_some_and(|s| at <= s.1) {
                continue;
            }
            let (mut low, mut high) = (at, at);
            for ((time, _), _) in rows.range(..key(at)).rev() {
                if !near(*time, low) {
                    break;
                }
                low = *time;
            }
            for ((time, _), _) in rows.range(key(at)..) {
                if !near(high, *time) {
                    break;
                }
                high = *time;
            }
            match found.last_mut() {
                Some(last) if near(last.1, low) || low <= last.1 => last.1 = high,
                _ => found.push((low, high)),
            }
        }
        found
    }

    /// Adds the rows of a stretch with their sessions' bounds, `sign` times their weight.
    fn add(&self, rows: &Partition, stretch: Stretch, sign: i64, out: &mut BTreeMap<(Row, Stretch), i64>) -> Result<()> {
        let inside = || rows.range((stretch.0, Arc::from([].as_slice()))..).take_while(|((time, _), _)| *time <= stretch.1);
        let mut rows = inside();
        for (start, end, count) in sessions(inside().map(|((time, _), _)| *time), self.spec.gap_us)? {
            for (row, weight) in rows.by_ref().take(count) {
                *out.entry((row.clone(), (start, end))).or_default() += sign * weight;
            }
        }
        Ok(())
    }

    fn put(&mut self, partition: u32, row: Row, weight: i64) {
        let (rows, bytes) = (&mut self.partitions[partition as usize], row.1.len() + 64);
        let sum = rows.entry(row.clone()).or_insert_with(|| {
            self.bytes += bytes;
            0
        });
        *sum += weight;
        if *sum == 0 {
            rows.remove(&row);
            self.bytes -= bytes;
        }
    }

    fn emit(&self, changes: BTreeMap<(Row, Stretch), i64>, out: &mut Vec<Delta>) -> Result<()> {
        let changes: Vec<((Row, Stretch), i64)> = changes.into_iter().filter(|c| c.1 != 0).collect();
        if changes.is_empty() {
            return Ok(());
        }
        let parser = self.converter.parser();
        let mut columns = self.converter.convert_rows(changes.iter().map(|((row, _), _)| parser.parse(&row.1)))?;
        for (bound, field) in self.spec.bounds.iter().zip(&self.spec.schema.fields()[columns.len()..]) {
            let of = |session: &Stretch| if *bound == Bound::Start { session.0 } else { session.1 };
            let values: TimestampMicrosecondArray = changes.iter().map(|((_, session), _)| of(session)).collect::<Vec<_>>().into();
            columns.push(Arc::new(values.with_data_type(field.data_type().clone())) as ArrayRef);
        }
        let batch = batch_of(&self.spec.schema, columns, changes.len())?;
        let weights: Vec<i64> = changes.iter().map(|c| c.1).collect();
        out.push(Delta::of(batch, weights));
        Ok(())
    }
}

impl Operator for Session {
    fn name(&self) -> &'static str {
        "Session"
    }
    fn detail(&self) -> String {
        format!("partition by: {}; time: {}; gap: {} us", list(&self.spec.partition), self.spec.time, self.spec.gap_us)
    }
    fn schema(&self) -> SchemaRef {
        self.spec.schema.clone()
    }

    fn step(&mut self, inputs: Vec<Vec<Delta>>) -> Result<Vec<Delta>> {
        let mut changes = BTreeMap::new();
        for delta in only(inputs)?.iter().filter(|d| d.num_rows() > 0) {
            self.gather(delta, &mut changes)?;
        }
        let mut out = Vec::new();
        for (number, mut rows) in changes {
            rows.sort_unstable();
            let old = &self.partitions[number as usize];
            let stretches = self.stretches(old, rows.iter().map(|((time, _), _)| *time));
            let mut difference = BTreeMap::new();
            stretches.iter().try_for_each(|s| self.add(old, *s, -1, &mut difference))?;
            rows.into_iter().for_each(|(row, weight)| self.put(number, row, weight));
            let new = &self.partitions[number as usize];
            stretches.iter().try_for_each(|s| self.add(new, *s, 1, &mut difference))?;
            self.emit(difference, &mut out)?;
            if self.partitions[number as usize].is_empty() {
                self.index.release(number);
            }
        }
        Ok(out)
    }

    fn state_bytes(&self) -> usize {
        self.index.bytes() + self.bytes + self.partitions.capacity() * size_of::<Partition>()
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        self.index.save(out)?;
        for partition in &self.partitions {
            out.u64(partition.len() as u64);
            partition.iter().for_each(|((time, row), weight)| {
                out.i64(*time);
                out.bytes(row);
                out.i64(*weight);
            });
        }
        Ok(())
    }
    fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.index.load(input)?;
        (self.partitions, self.bytes) = (Vec::new(), 0);
        for _ in 0..self.index.slots() {
            let row = |input: &mut StateReader<'_>| Ok(((input.i64()?, Arc::from(input.bytes()?)), input.i64()?));
            let rows = (0..input.u64()?).map(|_| row(input)).collect::<Result<Partition>>()?;
            if rows.values().any(|w| *w == 0) {
                return Err(damaged("a row counts nothing"));
            }
            self.bytes += rows.keys().map(|r| r.1.len() + 64).sum::<usize>();
            self.partitions.push(rows);
        }
        Ok(())
    }
}
