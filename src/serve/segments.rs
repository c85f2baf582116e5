//! Segments as the log reads them, for what DataFusion's own Parquet scan cannot do: cut a segment at a position, read from a
//! store without paths, or read a type that stands otherwise in the file.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};

use crate::data::Position;
use crate::log::Segment;

/// A partition: the events of some segments within a range of positions.
struct Partition {
    segments: Vec<Arc<Segment>>,
    columns: Vec<usize>,
    range: Range<Position>,
    schema: SchemaRef,
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.segments)
    }
}

impl PartitionStream for Partition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (columns, range, schema) = (self.columns.clone(), self.range.clone(), self.schema.clone());
        let batches = self.segments.clone().into_iter().flat_map(move |segment| {
            let (reader, failed) = match segment.read(Some(&columns), range.clone()) {
                Ok(reader) => (Some(reader), None),
                Err(e) => (None, Some(Err(e))),
            };
            reader.into_iter().flatten().chain(failed)
        });
        let named = schema.clone();
        let batches = batches.map(move |batch| {
            let batch = batch.map_err(DataFusionError::from)?;
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            Ok(RecordBatch::try_new_with_options(named.clone(), batch.columns().to_vec(), &options)?)
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter(batches)))
    }
}

/// A scan of segments, dealt out over the partitions. `columns`: indices into the log's full schema; `schema` is theirs.
pub fn scan(
    segments: Vec<Arc<Segment>>,
    columns: &[usize],
    schema: SchemaRef,
    range: Range<Position>,
    partitions: usize,
) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
    let each = segments.len().div_ceil(partitions.max(1)).max(1);
    let partition = |segments: &[Arc<Segment>]| -> Arc<dyn PartitionStream> {
        Arc::new(Partition { segments: segments.to_vec(), columns: columns.to_vec(), range: range.clone(), schema: schema.clone() })
    };
    let partitions = segments.chunks(each).map(partition).collect();
    Ok(Arc::new(StreamingTableExec::try_new(schema.clone(), partitions, None, [], false, None)?))
}
