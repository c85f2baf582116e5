//! Rows that are equal and differ, such as '1 month' and '30 days', or jsonb's 1 and 1.0: each way of writing a row is a form of it.
//!
//! An operator that counts rows has an index of what is equal; where it may choose among forms, it keeps these here beside it. The forms of a row
//! are in an order, that of arrow's rows, so that which of them is shown depends on which there are, not on who came first.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Schema};

use super::key_index::{Equality, KeyIndex, NONE};
use super::state::damaged;
use super::{StateReader, StateWriter};
use crate::error::Result;
use crate::func::{comparable, comparable_type, may_equals_differ};

/// The forms of rows, what uses them, and which of them each row shows. Rows, forms and uses are numbered by the operator, by the index and by
/// the operator.
pub(super) struct Forms {
    index: KeyIndex,
    /// The form of each use.
    of_uses: Vec<u32>,
    /// How many uses each form has.
    counts: Vec<u32>,
    /// The form that each row shows, or [`NONE`].
    shown: Vec<u32>,
    /// Forms that have lost a use since they were last looked through.
    left: Vec<u32>,
}

impl Forms {
    /// `None` for rows of which no equal ones differ. Errors: 0A000 for a type that has no order.
    pub fn new(schema: &Schema) -> Result<Option<Self>> {
        let types: Vec<DataType> = schema.fields().iter().map(|f| f.data_type().clone()).collect();
        if !types.iter().any(may_equals_differ) {
            return Ok(None);
        }
        let index = KeyIndex::new(&types, Equality::Exact)?;
        Ok(Some(Forms { index, of_uses: vec![], counts: vec![], shown: vec![], left: vec![] }))
    }

    /// The types of what is the same for equal rows.
    pub fn key_types(&self) -> Result<Vec<DataType>> {
        self.index.types().iter().map(comparable_type).collect()
    }

    /// What is the same for equal rows.
    pub fn keys(rows: &RecordBatch) -> Result<Vec<ArrayRef>> {
        rows.columns().iter().map(comparable).collect()
    }

    /// The form of each row; `forms` is overwritten. Cost: one hash and about one probe per row.
    pub fn intern(&mut self, rows: &RecordBatch, forms: &mut Vec<u32>) -> Result<()> {
        self.index.intern(rows.columns(), rows.num_rows(), forms, &mut Vec::new())?;
        self.counts.resize(self.index.slots(), 0);
        Ok(())
    }

    /// The columns of these forms.
    pub fn columns(&self, forms: &[u32]) -> Result<Vec<ArrayRef>> {
        self.index.keys(forms)
    }

    /// The one of two forms of a row that comes last.
    pub fn last(&self, one: u32, other: u32) -> u32 {
        if self.index.bytes_of(one) < self.index.bytes_of(other) { other } else { one }
    }

    /// Makes room for so many rows and uses.
    pub fn grow(&mut self, rows: usize, uses: usize) {
        self.shown.resize(self.shown.len().max(rows), NONE);
        self.of_uses.resize(self.of_uses.len().max(uses), NONE);
    }

    pub fn of_use(&self, number: u32) -> u32 {
        self.of_uses[number as usize]
    }

    /// Notes what a new use is of.
    pub fn take(&mut self, number: u32, form: u32) {
        self.of_uses[number as usize] = form;
        self.counts[form as usize] += 1;
    }

    /// Notes that a use is gone.
    pub fn leave(&mut self, number: u32) {
        let form = std::mem::replace(&mut self.of_uses[number as usize], NONE);
        self.counts[form as usize] -= 1;
        self.left.push(form);
    }

    /// The form that a row shows.
    pub fn shown(&self, row: u32) -> u32 {
        self.shown[row as usize]
    }

    pub fn show(&mut self, row: u32, form: u32) {
        self.shown[row as usize] = form;
    }

    /// Forgets forms that have no use any more.
    pub fn sweep(&mut self) {
        self.left.sort_unstable();
        self.left.dedup();
        for form in self.left.drain(..) {
            if self.counts[form as usize] == 0 {
                self.index.release(form);
            }
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.index.bytes() + (self.of_uses.capacity() + self.counts.capacity() + self.shown.capacity()) * 4
    }

    /// Writes all; between steps, when none is left over.
    pub fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        self.index.save(out)?;
        out.u32s(&self.of_uses);
        out.u32s(&self.shown);
        Ok(())
    }

    /// Reads what `save` wrote. Errors: XX001 for damaged bytes.
    pub fn load(&mut self, input: &mut StateReader<'_>, rows: usize, uses: usize) -> Result<()> {
        self.index.load(input)?;
        self.of_uses = input.u32s()?;
        self.shown = input.u32s()?;
        self.counts = vec![0; self.index.slots()];
        let is_form = |form: &u32| *form == NONE || (*form as usize) < self.index.slots();
        if self.of_uses.len() != uses || self.shown.len() != rows || !self.of_uses.iter().chain(&self.shown).all(is_form) {
            return Err(damaged("forms of rows"));
        }
        for form in self.of_uses.iter().filter(|form| **form != NONE) {
            self.counts[*form as usize] += 1;
        }
        Ok(())
    }
}
