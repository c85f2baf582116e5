//! EXCEPT ALL and INTERSECT ALL: how often a row stands on either side, and how often it stands in the result.

use arrow::array::Int64Array;
use arrow::datatypes::SchemaRef;

use super::eval::batch_of;
use super::key_index::{Equality, KeyIndex};
use super::marks::Marks;
use super::state::damaged;
use super::{Operator, StateReader, StateWriter};
use crate::data::Delta;
use crate::error::{Error, Result};

/// What is done with the copies of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOperationKind {
    /// Those of the left side less those of the right.
    ExceptAll,
    /// The fewer of both.
    IntersectAll,
}

/// A set operation on multisets. Cost per change of a row's count: one probe.
pub struct SetOperation {
    kind: SetOperationKind,
    schema: SchemaRef,
    index: KeyIndex,
    /// Copies of each row on the left and on the right.
    counts: Vec<[i64; 2]>,
    /// What the step at hand has touched.
    marks: Marks,
}

impl SetOperation {
    /// The operation on two inputs of `schema`. Errors: 0A000 for a type that cannot be compared.
    pub fn new(kind: SetOperationKind, schema: SchemaRef) -> Result<Self> {
        let types: Vec<_> = schema.fields().iter().map(|f| f.data_type().clone()).collect();
        Ok(SetOperation { kind, schema, index: KeyIndex::new(&types, Equality::Sql)?, counts: Vec::new(), marks: Marks::default() })
    }

    /// Copies of a row in the result.
    fn copies(&self, number: u32) -> i64 {
        let [left, right] = self.counts[number as usize];
        match self.kind {
            SetOperationKind::ExceptAll => (left - right).max(0),
            SetOperationKind::IntersectAll => left.min(right).max(0),
        }
    }
}

impl Operator for SetOperation {
    fn name(&self) -> &'static str {
        "SetOperation"
    }
    fn detail(&self) -> String {
        match self.kind {
            SetOperationKind::ExceptAll => "EXCEPT ALL".to_string(),
            SetOperationKind::IntersectAll => "INTERSECT ALL".to_string(),
        }
    }
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn step(&mut self, inputs: Vec<Vec<Delta>>) -> Result<Vec<Delta>> {
        if inputs.len() != 2 {
            return Err(Error::internal("a set operation has two inputs"));
        }
        // Copies in the result at the beginning of the step of every row that is touched, in order of first touch.
        let mut touched: Vec<(u32, i64)> = Vec::new();
        self.marks.begin(self.counts.len());
        let mut numbers = Vec::new();
        for (side, deltas) in inputs.into_iter().enumerate() {
            for delta in deltas {
                self.index.intern(delta.batch.columns(), delta.num_rows(), &mut numbers, &mut Vec::new())?;
                self.counts.resize(self.index.slots(), [0, 0]);
                self.marks.grow(self.index.slots());
                for (i, &number) in numbers.iter().enumerate() {
                    if self.marks.first(number) {
                        touched.push((number, self.copies(number)));
                    }
                    self.counts[number as usize][side] += delta.weight(i);
                }
            }
        }
        let change = |(number, before): &(u32, i64)| (*number, self.copies(*number) - before);
        let (changed, weights): (Vec<u32>, Vec<i64>) = touched.iter().map(change).filter(|(_, weight)| *weight != 0).unzip();
        let rows = changed.len();
        let out = if rows == 0 {
            Vec::new()
        } else {
            let batch = batch_of(&self.schema, self.index.keys(&changed)?, rows)?;
            vec![Delta::weighted(batch, Int64Array::from(weights))]
        };
        touched.iter().filter(|(n, _)| self.counts[*n as usize] == [0, 0]).for_each(|(n, _)| self.index.release(*n));
        Ok(out)
    }

    fn state_bytes(&self) -> usize {
        self.index.bytes() + self.counts.capacity() * 16
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        self.index.save(out)?;
        out.i64s(self.counts.as_flattened());
        Ok(())
    }
    fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.index.load(input)?;
        let counts = input.i64s()?;
        let (pairs, rest) = counts.as_chunks::<2>();
        self.counts = pairs.to_vec();
        if rest.is_empty() && self.counts.len() == self.index.slots() { Ok(()) } else { Err(damaged("row counts")) }
    }
}
