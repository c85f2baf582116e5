//! GROUPING SETS: each row once per set, its keys masked where the set leaves them out.

use std::sync::Arc;

use arrow::array::{ArrayRef, UInt64Array, new_null_array};
use arrow::compute;
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};

use super::Operator;
use super::basic::{list, only};
use super::eval::{Expr, batch_of, evaluate_all};
use crate::data::Delta;
use crate::error::Result;

/// One of several groupings.
#[derive(Clone, Debug)]
pub struct GroupingSet {
    /// For each key, whether the set leaves it out.
    pub masked: Vec<bool>,
    /// What tells its rows from those of the other sets.
    pub id: u64,
}

/// Rows under several groupings at once, for an aggregate above. Output: the keys, the set's id, then the input's columns. Linear:
/// no state.
pub struct Expand {
    keys: Vec<Expr>,
    sets: Vec<GroupingSet>,
    schema: SchemaRef,
}

impl Expand {
    /// The groupings `sets` of an input of schema `input`; `fields` are those of the keys and of the id.
    pub fn new(keys: Vec<Expr>, sets: Vec<GroupingSet>, fields: Vec<FieldRef>, input: &SchemaRef) -> Self {
        let fields: Vec<FieldRef> = fields.into_iter().chain(input.fields().iter().cloned()).collect();
        Expand { keys, sets, schema: Arc::new(Schema::new(fields)) }
    }

    /// The keys and the id of the sets that leave all keys out: their groups are there without any row. One row per set.
    pub fn empty_groups(&self) -> Result<(Vec<ArrayRef>, usize)> {
        let ids: Vec<u64> = self.sets.iter().filter(|s| s.masked.iter().all(|m| *m)).map(|s| s.id).collect();
        let rows = ids.len();
        let mut columns: Vec<ArrayRef> = self.key_types().map(|t| new_null_array(t, rows)).collect();
        columns.push(compute::cast(&UInt64Array::from(ids), self.schema.field(self.keys.len()).data_type())?);
        Ok((columns, rows))
    }

    fn key_types(&self) -> impl Iterator<Item = &DataType> {
        self.schema.fields()[..self.keys.len()].iter().map(|f| f.data_type())
    }
}

impl Operator for Expand {
    fn name(&self) -> &'static str {
        "Expand"
    }
    fn detail(&self) -> String {
        format!("keys: {}; {} grouping sets", list(&self.keys), self.sets.len())
    }
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn step(&mut self, inputs: Vec<Vec<Delta>>) -> Result<Vec<Delta>> {
        let mut out = Vec::new();
        for delta in only(inputs)?.into_iter().filter(|d| d.num_rows() > 0) {
            let rows = delta.num_rows();
            let keys = evaluate_all(&self.keys, &delta.batch)?;
            let nulls: Vec<ArrayRef> = self.key_types().map(|t| new_null_array(t, rows)).collect();
            for set in &self.sets {
                let mask = |(i, masked): (usize, &bool)| if *masked { nulls[i].clone() } else { keys[i].clone() };
                let mut columns: Vec<ArrayRef> = set.masked.iter().enumerate().map(mask).collect();
                columns.push(Arc::new(UInt64Array::from(vec![set.id; rows])));
                columns.extend(delta.batch.columns().iter().cloned());
                out.push(delta.with_batch(batch_of(&self.schema, columns, rows)?));
            }
        }
        Ok(out)
    }
}
