//! Rows found by the values of columns that are not their key: beside a [`RowStore`](super::RowStore), whose numbers it knows rows by.
//!
//! NULL equals nothing here, as in UNIQUE, REFERENCES and `WHERE column = value`: a row with a NULL in these columns is not found.

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::SchemaRef;

use super::chains::Chains;
use super::eval::take_all;
use super::key_index::{Equality, KeyIndex, NONE};
use crate::error::Result;

/// Numbers of rows by the values of some of their columns.
pub struct ValueIndex {
    columns: Vec<usize>,
    values: KeyIndex,
    rows: Chains,
}

impl ValueIndex {
    /// An empty index of rows of `schema` by these columns. Errors: 0A000 for a type that has no order.
    pub fn new(schema: &SchemaRef, columns: &[usize]) -> Result<Self> {
        let types: Vec<_> = columns.iter().map(|&c| schema.field(c).data_type().clone()).collect();
        Ok(ValueIndex { columns: columns.to_vec(), values: KeyIndex::new(&types, Equality::Sql)?, rows: Chains::default() })
    }

    /// The columns by whose values rows are found.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Adds rows, all their columns given, of these numbers.
    pub fn add(&mut self, rows: &[ArrayRef], numbers: &[u32]) -> Result<()> {
        let values: Vec<ArrayRef> = self.columns.iter().map(|&c| rows[c].clone()).collect();
        let known: Vec<u32> = (0..numbers.len() as u32).filter(|&i| values.iter().all(|v| v.is_valid(i as usize))).collect();
        let values = if known.len() == numbers.len() { values } else { take_all(&values, &known)? };
        let (mut found, mut fresh) = (Vec::new(), Vec::new());
        self.values.intern(&values, known.len(), &mut found, &mut fresh)?;
        let rows = numbers.iter().map(|&n| n as usize + 1).max().unwrap_or(0);
        self.rows.grow(self.values.slots(), rows);
        for (&i, value) in known.iter().zip(found) {
            self.rows.link(numbers[i as usize], value);
        }
        Ok(())
    }

    /// Removes the row of that number, if it is there.
    pub fn remove(&mut self, number: u32) {
        let value = self.rows.unlink(number);
        if value != NONE && self.rows.first(value) == NONE {
            self.values.release(value);
        }
    }

    /// The numbers of the rows that have one of these values; a row may come twice.
    pub fn find(&self, values: &[ArrayRef], count: usize) -> Result<Vec<u32>> {
        let found = self.values.find(values, count)?;
        Ok(found.into_iter().filter(|&value| value != NONE).flat_map(|value| self.rows.entries(value)).collect())
    }

    /// Bytes of memory held.
    pub fn bytes(&self) -> usize {
        self.values.bytes() + self.rows.bytes()
    }
}
