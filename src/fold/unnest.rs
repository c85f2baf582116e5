//! UNNEST: each row as often as its longest list is long, with one element of each list. Linear: each delta is mapped on its own.

use arrow::array::{Array, ArrayRef, AsArray, ListArray, UInt32Array};
use arrow::compute;
use arrow::datatypes::SchemaRef;

use super::Operator;
use super::basic::only;
use super::eval::batch_of;
use crate::data::Delta;
use crate::error::{Error, Result};

/// Where a column of the output comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unnested {
    /// A column of the input, repeated.
    Plain(usize),
    /// The elements of a column of lists; NULL behind the end of a list shorter than another.
    List(usize),
}

/// The elements of lists as rows; a row without elements is dropped. Cost O(rows out x columns).
pub struct Unnest {
    columns: Vec<Unnested>,
    schema: SchemaRef,
}

impl Unnest {
    /// `columns`: one for each of `schema`'s; those of lists must be of the type List.
    pub fn new(columns: Vec<Unnested>, schema: SchemaRef) -> Self {
        Unnest { columns, schema }
    }

    fn rows(&self, delta: &Delta) -> Result<Delta> {
        let n = delta.num_rows();
        let list = |c: usize| delta.batch.column(c).as_list_opt::<i32>().ok_or_else(|| Error::internal("unnest takes lists"));
        let mut lengths = vec![0; n];
        for column in &self.columns {
            if let Unnested::List(c) = column {
                let list = list(*c)?;
                lengths.iter_mut().enumerate().for_each(|(row, length)| *length = (*length).max(length_of(list, row)));
            }
        }
        let total: usize = lengths.iter().sum();
        let repeated: UInt32Array = (0..n as u32).zip(&lengths).flat_map(|(row, length)| std::iter::repeat_n(row, *length)).collect();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            columns.push(match column {
                Unnested::Plain(c) => compute::take(delta.batch.column(*c), &repeated, None)?,
                Unnested::List(c) => elements(list(*c)?, &lengths, total)?,
            });
        }
        let weights = delta.weights.as_ref().map(|w| repeated.values().iter().map(|row| w.value(*row as usize)).collect());
        Ok(Delta { batch: batch_of(&self.schema, columns, total)?, weights })
    }
}

fn length_of(list: &ListArray, row: usize) -> usize {
    if list.is_null(row) { 0 } else { list.value_length(row) as usize }
}

/// The elements of each list, filled up with NULL to the row's length.
fn elements(list: &ListArray, lengths: &[usize], total: usize) -> Result<ArrayRef> {
    let mut indices: Vec<Option<u32>> = Vec::with_capacity(total);
    for (row, &length) in lengths.iter().enumerate() {
        let (start, own) = (list.value_offsets()[row] as u32, length_of(list, row));
        indices.extend((0..length).map(|i| (i < own).then_some(start + i as u32)));
    }
    Ok(compute::take(list.values(), &UInt32Array::from(indices), None)?)
}

impl Operator for Unnest {
    fn name(&self) -> &'static str {
        "Unnest"
    }
    fn detail(&self) -> String {
        let lists = self.columns.iter().zip(self.schema.fields()).filter(|(c, _)| matches!(c, Unnested::List(_)));
        lists.map(|(_, field)| field.name().as_str()).collect::<Vec<_>>().join(", ")
    }
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
    fn step(&mut self, inputs: Vec<Vec<Delta>>) -> Result<Vec<Delta>> {
        only(inputs)?.iter().filter(|d| d.num_rows() > 0).map(|d| self.rows(d)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, RecordBatch};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};

    use super::*;

    #[test]
    fn lists_side_by_side_are_filled_up_with_null() {
        let list = |rows: Vec<Option<Vec<Option<i64>>>>| Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(rows)) as ArrayRef;
        let a = list(vec![Some(vec![Some(1), None, Some(3)]), None, Some(vec![]), Some(vec![Some(4)])]);
        let b = list(vec![Some(vec![Some(7)]), None, Some(vec![]), Some(vec![Some(8), Some(9)])]);
        let field = |name: &str, ty: &DataType| Field::new(name, ty.clone(), true);
        let input = Schema::new(vec![field("n", &DataType::Int64), field("a", a.data_type()), field("b", b.data_type())]);
        let batch = RecordBatch::try_new(Arc::new(input), vec![Arc::new(Int64Array::from(vec![10, 20, 30, 40])), a, b]).unwrap();
        let output = Arc::new(Schema::new(["a", "b", "n"].map(|name| field(name, &DataType::Int64)).to_vec()));
        let mut unnest = Unnest::new(vec![Unnested::List(1), Unnested::List(2), Unnested::Plain(0)], output);
        let out = unnest.step(vec![vec![Delta::weighted(batch, vec![1, 1, 1, -2].into())]]).unwrap().remove(0);
        let column = |c: usize| out.batch.column(c).as_primitive::<Int64Type>().iter().collect::<Vec<_>>();
        assert_eq!(column(0), [Some(1), None, Some(3), Some(4), None]);
        assert_eq!(column(1), [Some(7), None, None, Some(8), Some(9)]);
        assert_eq!(column(2), [Some(10), Some(10), Some(10), Some(40), Some(40)]);
        assert_eq!(out.weights.unwrap().values().to_vec(), [1, 1, 1, -2, -2]);
    }
}
