//! The events of a table to the changes of its rows: the last event of a row wins.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int8Array};
use arrow::compute;
use arrow::datatypes::{DataType, Int8Type, Schema, SchemaRef};

use super::basic::{list, only};
use super::eval::{concat_deltas, replace, same_rows, take_all};
use super::key_index::{Equality, KeyIndex};
use super::marks::Marks;
use super::{Operator, RowStore, StateReader, StateWriter};
use crate::data::Delta;
use crate::error::{Error, Result};

/// What makes two events be about the same row.
#[derive(Clone, Debug)]
pub enum Identity {
    /// Equal key columns.
    Key(Vec<usize>),
    /// The same row id: the column `row` (Int64), or where that is null, since the event inserts a row, its own `position` (Int64).
    Row {
        /// Column of the row id.
        row: usize,
        /// Column of the event's position.
        position: usize,
    },
}

/// Turns the events of a table into deltas of its rows. Events come in order, with weight +1; within a step only the net change
/// of a row is given, and deleting an absent row is nothing.
pub struct Upsert {
    identity: Identity,
    op: usize,
    columns: Vec<usize>,
    input: SchemaRef,
    index: KeyIndex,
    rows: RowStore,
    /// What the step at hand has touched.
    marks: Marks,
}

impl Upsert {
    /// `input` is the schema of the events, `op` its column that says +1 for upsert and -1 for delete (Int8), and `columns` are
    /// those of the table's rows. A row id among them is never null: a row that an event inserts bears that event's position.
    pub fn new(input: SchemaRef, identity: Identity, op: usize, columns: Vec<usize>) -> Result<Self> {
        let types: Vec<DataType> = match &identity {
            Identity::Key(key) => key.iter().map(|&k| input.field(k).data_type().clone()).collect(),
            Identity::Row { .. } => vec![DataType::Int64],
        };
        let fields: Vec<_> = columns.iter().map(|&c| Arc::clone(&input.fields()[c])).collect();
        let rows = RowStore::new(Arc::new(Schema::new(fields)));
        Ok(Upsert { identity, op, columns, input, index: KeyIndex::new(&types, Equality::Sql)?, rows, marks: Marks::default() })
    }

    fn identify(&self, delta: &Delta) -> Result<Vec<ArrayRef>> {
        match &self.identity {
            Identity::Key(key) => Ok(key.iter().map(|&k| delta.batch.column(k).clone()).collect()),
            Identity::Row { row, position } => {
                let (row, position) = (delta.batch.column(*row), delta.batch.column(*position));
                Ok(vec![compute::kernels::zip::zip(&compute::is_null(row)?, position, row)?])
            }
        }
    }
}

impl Upsert {
    /// The columns of the table's rows. The row id is the identity itself, also for the event that inserts the row.
    fn table(&self, events: &Delta, keys: &[ArrayRef]) -> Vec<ArrayRef> {
        let column = |&c: &usize| match self.identity {
            Identity::Row { row, .. } if row == c => keys[0].clone(),
            _ => events.batch.column(c).clone(),
        };
        self.columns.iter().map(column).collect()
    }
}

impl Operator for Upsert {
    fn name(&self) -> &'static str {
        "Upsert"
    }
    fn detail(&self) -> String {
        match &self.identity {
            Identity::Key(key) => format!("key: {}", list(&key.iter().map(|&k| self.input.field(k).name()).collect::<Vec<_>>())),
            Identity::Row { row, .. } => format!("key: {}", self.input.field(*row).name()),
        }
    }
    fn schema(&self) -> SchemaRef {
        self.rows.schema().clone()
    }

    fn step(&mut self, inputs: Vec<Vec<Delta>>) -> Result<Vec<Delta>> {
        let Some(events) = concat_deltas(&self.input, only(inputs)?)? else { return Ok(Vec::new()) };
        if events.weights.as_ref().is_some_and(|w| w.values().iter().any(|w| *w != 1)) {
            return Err(Error::internal("the events of a table were retracted"));
        }
        let ops: &Int8Array = events
            .batch
            .column(self.op)
            .as_primitive_opt::<Int8Type>()
            .ok_or_else(|| Error::internal("a table's operation is not Int8"))?;
        let (mut numbers, mut fresh) = (Vec::new(), Vec::new());
        let keys = self.identify(&events)?;
        self.index.intern(&keys, events.num_rows(), &mut numbers, &mut fresh)?;
        // Backwards, the first event met of a row is its last one.
        self.marks.begin(self.index.slots());
        let mut last: Vec<u32> = Vec::new();
        for i in (0..numbers.len()).rev() {
            if self.marks.first(numbers[i]) {
                last.push(i as u32);
            }
        }
        last.reverse();
        let number = |i: &u32| numbers[*i as usize];
        let (puts, deletes): (Vec<u32>, Vec<u32>) = last.iter().partition(|&&i| ops.value(i as usize) > 0);
        let (updates, inserts): (Vec<u32>, Vec<u32>) = puts.iter().partition(|i| self.rows.contains(number(i)));
        let (removes, nothings): (Vec<u32>, Vec<u32>) = deletes.iter().partition(|i| self.rows.contains(number(i)));

        let table = self.table(&events, &keys);
        let updated: Vec<u32> = updates.iter().map(number).collect();
        let same = same_rows(&self.rows.gather(&updated)?, &take_all(&table, &updates)?, updates.len())?;
        let changed: Vec<u32> = (0..updates.len()).filter(|&u| !same.value(u)).map(|u| updates[u]).collect();

        let old: Vec<u32> = changed.iter().chain(&removes).map(number).collect();
        let new: Vec<u32> = changed.iter().chain(&inserts).copied().collect();
        let before = self.rows.gather(&old)?;
        let after = take_all(&table, &new)?;
        old.iter().for_each(|&n| self.rows.remove(n));
        self.rows.insert(&after, &new.iter().map(number).collect::<Vec<_>>())?;
        self.rows.maintain()?;
        removes.iter().chain(&nothings).for_each(|i| self.index.release(number(i)));
        Ok(replace(self.rows.schema(), (before, old.len()), (after, new.len()))?.into_iter().collect())
    }

    fn state_bytes(&self) -> usize {
        self.index.bytes() + self.rows.bytes()
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        self.index.save(out)?;
        self.rows.save(out)
    }
    fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.index.load(input)?;
        self.rows.load(input, self.index.slots())
    }
}
