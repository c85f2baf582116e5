//! UNNEST: each row once per element of its arrays.

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute;
use arrow::datatypes::SchemaRef;

use super::Operator;
use super::basic::only;
use super::eval::batch_of;
use crate::data::Delta;
use crate::error::{Error, Result};

/// The column of the input that a column of the output comes from, and whether it is an array to be expanded.
#[derive(Clone, Copy, Debug)]
pub struct UnnestColumn {
    pub input: usize,
    pub expand: bool,
}

/// Rows with arrays expanded side by side: as many rows as the longest array has elements, the others padded with NULL. Linear: no
/// state.
pub struct Unnest {
    columns: Vec<UnnestColumn>,
    /// Whether a row without an element is kept once, with NULL for them: the unnest of a left join.
    outer: bool,
    schema: SchemaRef,
}

impl Unnest {
    /// The columns of the output, of schema `schema`.
    pub fn new(columns: Vec<UnnestColumn>, outer: bool, schema: SchemaRef) -> Self {
        Unnest { columns, outer, schema }
    }

    /// How many rows each row of a batch becomes.
    fn lengths(&self, delta: &Delta) -> Result<Vec<u32>> {
        let mut lengths = vec![u32::from(self.outer); delta.num_rows()];
        for column in self.columns.iter().filter(|c| c.expand) {
            let array = delta.batch.column(column.input);
            let lists = array.as_list_opt::<i32>().ok_or_else(|| Error::internal("unnest of what is no array"))?;
            let longest = lengths.iter_mut().enumerate().filter(|(row, _)| lists.is_valid(*row));
            longest.for_each(|(row, length)| *length = (*length).max(lists.value_length(row) as u32));
        }
        Ok(lengths)
    }
}

impl Operator for Unnest {
    fn name(&self) -> &'static str {
        "Unnest"
    }
    fn detail(&self) -> String {
        let expanded = self.columns.iter().zip(self.schema.fields()).filter(|(c, _)| c.expand);
        expanded.map(|(_, f)| f.name().as_str()).collect::<Vec<_>>().join(", ")
    }
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn step(&mut self, inputs: Vec<Vec<Delta>>) -> Result<Vec<Delta>> {
        let mut out = Vec::new();
        for delta in only(inputs)?.into_iter().filter(|d| d.num_rows() > 0) {
            let lengths = self.lengths(&delta)?;
            let repeated = |(row, length): (usize, &u32)| std::iter::repeat_n(row as u32, *length as usize);
            let rows: UInt32Array = lengths.iter().enumerate().flat_map(repeated).collect();
            if rows.is_empty() {
                continue;
            }
            let columns = self.columns.iter().map(|column| {
                let array = delta.batch.column(column.input);
                if column.expand { elements(array, &lengths) } else { Ok(compute::take(array, &rows, None)?) }
            });
            let batch = batch_of(&self.schema, columns.collect::<Result<Vec<_>>>()?, rows.len())?;
            let weights = delta.weights.as_ref().map(|w| rows.values().iter().map(|&row| w.value(row as usize)).collect());
            out.push(Delta { batch, weights });
        }
        Ok(out)
    }
}

/// The elements of the arrays, one array after the other, each padded to its length with NULL.
fn elements(array: &ArrayRef, lengths: &[u32]) -> Result<ArrayRef> {
    let lists = array.as_list_opt::<i32>().ok_or_else(|| Error::internal("unnest of what is no array"))?;
    let element = |(row, length): (usize, &u32)| {
        let (start, count) = if lists.is_valid(row) { (lists.value_offsets()[row], lists.value_length(row)) } else { (0, 0) };
        (0..*length as i32).map(move |i| (i < count).then_some((start + i) as u32))
    };
    let indices: UInt32Array = lengths.iter().enumerate().flat_map(element).collect();
    Ok(compute::take(lists.values(), &indices, None)?)
}
