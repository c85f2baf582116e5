//! The events of one log that are not sealed yet: immutable batches in order of position.
//!
//! Decision: small neighbours are merged in levels of 16 (1-15 rows, 16-255, 256-4095), so that a million one-row commits are some
//! hundred batches and each row is copied about three times. A batch of [`FINAL_ROWS`] rows or more is never copied again, and a
//! merged one has fewer than twice as many. Readers keep the `Arc`s they have; merging only replaces the list's entries.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;

use super::batch::positions;
use super::ipc::compact;
use super::projection::Projection;
use crate::data::Position;
use crate::error::Result;

/// A batch of so many rows is left alone.
const FINAL_ROWS: usize = 4096;
/// So many batches of one level are merged.
const FAN: usize = 16;

/// The unsealed events of one log.
#[derive(Default)]
pub(super) struct Tail {
    batches: VecDeque<Entry>,
}

struct Entry {
    first: Position,
    last: Position,
    batch: RecordBatch,
}

impl Entry {
    fn new(batch: RecordBatch) -> Entry {
        let at = positions(&batch);
        let (first, last) = (at.value(0) as Position, at.value(at.len() - 1) as Position);
        Entry { first, last, batch }
    }

    fn level(&self) -> u32 {
        self.batch.num_rows().min(FINAL_ROWS).ilog2() / FAN.ilog2()
    }

    /// The rows within a range of positions, without a copy.
    fn cut(&self, range: &Range<Position>) -> RecordBatch {
        if range.start <= self.first && self.last < range.end {
            return self.batch.clone();
        }
        let at = positions(&self.batch).values();
        let from = at.partition_point(|&p| (p as Position) < range.start);
        let to = at.partition_point(|&p| (p as Position) < range.end);
        self.batch.slice(from, to.saturating_sub(from))
    }
}

impl Tail {
    /// Adds a batch, which lies behind all others.
    pub fn push(&mut self, batch: RecordBatch) {
        if batch.num_rows() == 0 {
            return;
        }
        self.batches.push_back(Entry::new(batch));
        while let Some(run) = self.run_to_merge() {
            let from = self.batches.len() - run;
            // A merge fails only where two gigabytes of one value column meet; then the batches stay as they are.
            let Ok(merged) = merge(self.batches.range(from..).map(|e| &e.batch)) else { return };
            self.batches.truncate(from);
            self.batches.push_back(Entry::new(merged));
        }
    }

    /// Gives the events the columns of a schema, null where they have none.
    pub fn widen(&mut self, schema: &SchemaRef) -> Result<()> {
        let widened = self.batches.iter().map(|e| Projection::new(schema, e.batch.schema_ref()).apply(&e.batch));
        let widened = widened.collect::<Result<Vec<_>>>()?;
        self.batches.iter_mut().zip(widened).for_each(|(entry, batch)| entry.batch = batch);
        Ok(())
    }

    /// How many of the last batches are to be merged.
    fn run_to_merge(&self) -> Option<usize> {
        let level = self.batches.back()?.level();
        if level >= FINAL_ROWS.ilog2() / FAN.ilog2() {
            return None;
        }
        let run = self.batches.iter().rev().take_while(|e| e.level() <= level).count();
        let small = self.batches.iter().rev().take_while(|e| e.batch.num_rows() < FINAL_ROWS);
        let (count, rows) = small.fold((0, 0), |(n, rows), e| (n + 1, rows + e.batch.num_rows()));
        match () {
            () if rows >= FINAL_ROWS && count > 1 => Some(count),
            () if run >= FAN => Some(run),
            () => None,
        }
    }

    /// The events within a range of positions, without a copy.
    pub fn range(&self, range: Range<Position>) -> Vec<RecordBatch> {
        let from = self.batches.partition_point(|e| e.last < range.start);
        self.batches.range(from..).take_while(|e| e.first < range.end).map(|e| e.cut(&range)).filter(|b| b.num_rows() > 0).collect()
    }

    /// Forgets the events before a position.
    pub fn forget(&mut self, before: Position) {
        while let Some(entry) = self.batches.front_mut() {
            if entry.first >= before {
                return;
            }
            if entry.last >= before {
                *entry = Entry::new(entry.cut(&(before..Position::MAX)));
                return;
            }
            self.batches.pop_front();
        }
    }

    /// Position after the last event.
    pub fn end(&self) -> Option<Position> {
        self.batches.back().map(|e| e.last + 1)
    }

    /// Bytes of Arrow memory.
    pub fn bytes(&self) -> usize {
        self.batches.iter().map(|e| e.batch.get_array_memory_size()).sum()
    }
}

fn merge<'a>(batches: impl Iterator<Item = &'a RecordBatch> + Clone) -> Result<RecordBatch> {
    let schema = batches.clone().next().map_or_else(|| Arc::new(arrow::datatypes::Schema::empty()), |b| b.schema());
    let merged = concat_batches(&schema, batches)?;
    let columns = merged.columns().iter().map(compact).collect();
    Ok(RecordBatch::try_new(schema, columns)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::batch::{Definition, Part, Run};
    use arrow::array::Int64Array;
    use arrow::datatypes::{DataType, Field, Schema};

    fn batch(from: u64, rows: usize) -> RecordBatch {
        let user = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
        let definition = Arc::new(Definition::new(9, &user, &[]).unwrap());
        let numbers = Int64Array::from_iter_values(from as i64..from as i64 + rows as i64);
        let part = Part::new(definition, &RecordBatch::try_new(user, vec![Arc::new(numbers)]).unwrap()).unwrap();
        Run { parts: vec![(from, part)], rows }.stamp(from, 0).unwrap()
    }

    fn read(tail: &Tail, range: Range<u64>) -> Vec<i64> {
        tail.range(range).iter().flat_map(|b| positions(b).values().to_vec()).collect()
    }

    #[test]
    fn a_hundred_thousand_one_row_commits_are_few_batches() {
        let mut tail = Tail::default();
        for at in 0..100_000 {
            tail.push(batch(at, 1));
        }
        assert!(tail.batches.len() < 25 + 4 * FAN, "{}", tail.batches.len());
        assert!(tail.batches.iter().all(|e| e.batch.num_rows() < 2 * FINAL_ROWS));
        assert_eq!(read(&tail, 0..u64::MAX), (0..100_000).collect::<Vec<_>>());
        assert_eq!(read(&tail, 99_990..99_993), [99_990, 99_991, 99_992]);
        tail.forget(50_001);
        assert_eq!(read(&tail, 0..50_003), [50_001, 50_002]);
        assert_eq!(tail.end(), Some(100_000));
    }

    #[test]
    fn large_batches_are_never_copied() {
        let mut tail = Tail::default();
        let large = batch(3, 5000);
        tail.push(batch(0, 3));
        tail.push(large.clone());
        assert!(Arc::ptr_eq(tail.range(3..u64::MAX)[0].column(0), large.column(0)));
        assert!(tail.range(1..1).is_empty() && tail.range(7000..8000).is_empty());
    }
}
