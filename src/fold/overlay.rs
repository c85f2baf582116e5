//! The events of a transaction over the rows of a table: what the table holds for the transaction alone.

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;

use super::key_index::{Equality, KeyIndex, NONE};
use super::{Output, RowKeys};
use crate::data::Delta;
use crate::error::Result;

/// What events that nobody has committed make of a table's rows, and which they touch.
pub struct Overlay {
    /// The columns that identify a row.
    identity: Vec<usize>,
    /// What becomes of the rows that the events touch, those that they delete left out.
    output: Output,
    /// The rows that they touch, by identity.
    touched: KeyIndex,
}

impl Overlay {
    /// Over rows of `schema`, identified by these columns.
    pub fn new(schema: SchemaRef, identity: Vec<usize>) -> Result<Self> {
        let types: Vec<_> = identity.iter().map(|&c| schema.field(c).data_type().clone()).collect();
        let output = Output::new(schema, Some(identity.clone()), false);
        Ok(Overlay { identity, output, touched: KeyIndex::new(&types, Equality::Sql)? })
    }

    /// Adds what a step of the table's fold has made of events, as if nothing was committed. `identities`: of the rows that the events
    /// touch, NULL for those that they insert under an identity of their own.
    pub fn add(&mut self, change: Vec<Delta>, identities: &[ArrayRef]) -> Result<()> {
        let count = identities.first().map_or(0, |column| column.len());
        self.touched.intern(identities, count, &mut Vec::new(), &mut Vec::new())?;
        self.output.apply(change).map(|_| ())
    }

    /// Of rows that are committed, those that the events leave as they are.
    pub fn untouched(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let keys: Vec<ArrayRef> = self.identity.iter().map(|&c| rows.column(c).clone()).collect();
        let keep: BooleanArray = self.touched.find(&keys, rows.num_rows())?.into_iter().map(|n| Some(n == NONE)).collect();
        Ok(filter_record_batch(rows, &keep)?)
    }

    /// The rows that the events insert, and what becomes of those that they change.
    pub fn rows(&self) -> &Output {
        &self.output
    }

    /// Lets the rows be found by these keys.
    pub fn index_by(&mut self, by: &RowKeys) -> Result<()> {
        self.output.index_by(by)
    }
}
