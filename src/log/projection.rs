//! Columns by name: a log gets further columns when events without them are in it already, and those who read it may know it as it was.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::{Schema, SchemaRef};

use crate::error::Result;

/// The columns of `wanted` of a batch, found by name, and null where it lacks one.
pub fn in_columns(wanted: &Schema, batch: &RecordBatch) -> Result<RecordBatch> {
    Projection::new(wanted, batch.schema_ref()).apply(batch)
}

/// Where the columns that are wanted stand in batches of a schema.
pub(super) struct Projection {
    /// Per column wanted its index; `None` for one that the batches lack.
    at: Vec<Option<usize>>,
    /// The schema of what is given: fields as the batches have them, and those wanted for columns that they lack.
    schema: SchemaRef,
}

impl Projection {
    pub fn new(wanted: &Schema, of: &Schema) -> Projection {
        let at: Vec<Option<usize>> = wanted.fields().iter().map(|field| of.index_of(field.name()).ok()).collect();
        let fields = at.iter().zip(wanted.fields()).map(|(at, field)| at.map_or(field, |at| &of.fields()[at]).clone());
        Projection { schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())), at }
    }

    /// The indices of the columns that the batches have, in the order wanted.
    pub fn present(&self) -> Vec<usize> {
        self.at.iter().flatten().copied().collect()
    }

    /// True if the batches lack a column.
    pub fn lacks(&self) -> bool {
        self.at.contains(&None)
    }

    /// The columns wanted of a batch, those that it lacks as nulls. Cost: no copy of values.
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let column = |(at, field): (&Option<usize>, &Arc<arrow::datatypes::Field>)| {
            at.map_or_else(|| new_null_array(field.data_type(), rows), |at| batch.column(at).clone())
        };
        let columns = self.at.iter().zip(self.schema.fields()).map(column).collect();
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &RecordBatchOptions::new().with_row_count(Some(rows)))?)
    }
}
