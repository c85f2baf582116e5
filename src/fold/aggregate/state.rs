//! What the states of all aggregate functions have in common.

use arrow::array::{Array, ArrayRef, UInt32Array};
use arrow::buffer::NullBuffer;

use super::super::key_index::{Equality, KeyIndex, normalise};
use super::super::marks::Marks;
use super::super::state::{StateReader, StateWriter, damaged};
use crate::error::Result;

/// The rows that are to be folded into a state.
pub(super) struct Rows<'a> {
    /// Group of each row.
    pub groups: &'a [u32],
    /// The call's arguments.
    pub args: &'a [ArrayRef],
    /// The call's ORDER BY columns.
    pub order: &'a [ArrayRef],
    /// Weight of each row; `None` for all +1.
    pub weights: Option<&'a [i64]>,
}

impl Rows<'_> {
    /// Weight of row `i`.
    #[inline]
    pub fn weight(&self, i: usize) -> i64 {
        self.weights.map_or(1, |w| w[i])
    }

    /// Rows of which no argument is null; `None` if that is all.
    pub fn nulls(&self) -> Option<NullBuffer> {
        self.args.iter().fold(None, |all, a| NullBuffer::union(all.as_ref(), a.logical_nulls().as_ref()))
    }

    /// Calls `f(row, group, weight)` for each row that has no null argument.
    #[inline]
    pub fn each(&self, mut f: impl FnMut(usize, usize, i64)) {
        let groups = self.groups.iter().map(|g| *g as usize).enumerate();
        match (self.nulls().filter(|n| n.null_count() > 0), self.weights) {
            (None, None) => groups.for_each(|(i, g)| f(i, g, 1)),
            (None, Some(w)) => groups.for_each(|(i, g)| f(i, g, w[i])),
            (Some(n), _) => n.valid_indices().for_each(|i| f(i, self.groups[i] as usize, self.weight(i))),
        }
    }
}

/// The state of one aggregate call for all groups, indexed by group number.
pub(super) trait State: Send {
    /// Makes room for groups below `groups`; new ones are empty.
    fn resize(&mut self, groups: usize);
    /// Empties a group.
    fn reset(&mut self, group: u32);
    /// Folds rows in.
    fn update(&mut self, rows: &Rows<'_>) -> Result<()>;
    /// The results of these groups.
    fn finish(&mut self, groups: &[u32]) -> Result<ArrayRef>;
    /// Bytes of memory held.
    fn bytes(&self) -> usize;
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()>;
    /// Reads what `save` wrote for `groups` groups.
    fn load(&mut self, input: &mut StateReader<'_>, groups: usize) -> Result<()>;
}

/// Checks that a loaded vector has one entry per group.
pub(super) fn sized<T>(values: Vec<T>, groups: usize) -> Result<Vec<T>> {
    if values.len() == groups { Ok(values) } else { Err(damaged("aggregate state")) }
}

/// DISTINCT before count, sum or avg: passes on only the first copy of a value in a group, and the retraction of its last.
/// One table of (group, value) for all groups.
pub(super) struct DistinctState {
    index: KeyIndex,
    weights: Vec<i64>,
    inner: Box<dyn State>,
    /// What the step at hand has touched.
    marks: Marks,
}

impl DistinctState {
    pub fn new(types: &[arrow::datatypes::DataType], inner: Box<dyn State>) -> Result<Self> {
        let mut key = vec![arrow::datatypes::DataType::UInt32];
        key.extend_from_slice(types);
        Ok(DistinctState { index: KeyIndex::new(&key, Equality::Sql)?, weights: Vec::new(), inner, marks: Marks::default() })
    }
}

impl State for DistinctState {
    fn resize(&mut self, groups: usize) {
        self.inner.resize(groups);
    }
    fn reset(&mut self, group: u32) {
        self.inner.reset(group);
    }

    fn update(&mut self, rows: &Rows<'_>) -> Result<()> {
        // What is taken back may be equal to what was folded, and another: they are folded as what stands for both.
        let args: Vec<ArrayRef> = rows.args.iter().map(normalise).collect();
        let mut columns: Vec<ArrayRef> = vec![std::sync::Arc::new(UInt32Array::from(rows.groups.to_vec()))];
        columns.extend_from_slice(&args);
        let (mut numbers, mut fresh) = (Vec::new(), Vec::new());
        self.index.intern(&columns, rows.groups.len(), &mut numbers, &mut fresh)?;
        self.weights.resize(self.index.slots(), 0);
        self.marks.begin(self.weights.len());
        // (row, number, weight before this batch) of each value met.
        let mut touched: Vec<(u32, u32, i64)> = Vec::new();
        for (i, &number) in numbers.iter().enumerate() {
            let n = number as usize;
            if self.marks.first(number) {
                touched.push((i as u32, number, self.weights[n]));
            }
            self.weights[n] += rows.weight(i);
        }
        let change = |&(row, n, before): &(u32, u32, i64)| {
            let weight = i64::from(self.weights[n as usize] > 0) - i64::from(before > 0);
            (weight != 0).then_some((row, weight))
        };
        let (kept, weights): (Vec<u32>, Vec<i64>) = touched.iter().filter_map(change).unzip();
        let args = super::super::eval::take_all(&args, &kept)?;
        let groups: Vec<u32> = kept.iter().map(|&i| rows.groups[i as usize]).collect();
        self.inner.update(&Rows { groups: &groups, args: &args, order: &[], weights: Some(&weights) })?;
        touched.iter().filter(|t| self.weights[t.1 as usize] == 0).for_each(|t| self.index.release(t.1));
        Ok(())
    }

    fn finish(&mut self, groups: &[u32]) -> Result<ArrayRef> {
        self.inner.finish(groups)
    }
    fn bytes(&self) -> usize {
        self.index.bytes() + self.weights.capacity() * 8 + self.inner.bytes()
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        self.index.save(out)?;
        out.i64s(&self.weights);
        self.inner.save(out)
    }
    fn load(&mut self, input: &mut StateReader<'_>, groups: usize) -> Result<()> {
        self.index.load(input)?;
        self.weights = sized(input.i64s()?, self.index.slots())?;
        self.inner.load(input, groups)
    }
}
