//! Files as the log reads them, for what DataFusion's own Parquet scan cannot do: cut a segment at a position, read from a
//! store without paths, or read a type that stands otherwise in the file. The rows of a view that stand in files are read so too, and those
//! of which there are more than memory should hold at once, as they are few rows many times.

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

use crate::data::{Position, RowBatches};
use crate::error::Result;
use crate::fold::Snapshot;
use crate::log::Segment;

/// Opens a file for its rows.
type Opening = Arc<dyn Fn() -> Result<RowBatches> + Send + Sync>;

/// A partition: the rows of some files.
struct Partition {
    files: Vec<Opening>,
    schema: SchemaRef,
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} files", self.files.len())
    }
}

impl PartitionStream for Partition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = self.schema.clone();
        let batches = self.files.clone().into_iter().flat_map(|open| open().unwrap_or_else(|e| Box::new(std::iter::once(Err(e)))));
        let named = schema.clone();
        let batches = batches.map(move |batch| {
            let batch = batch.map_err(DataFusionError::from)?;
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            Ok(RecordBatch::try_new_with_options(named.clone(), batch.columns().to_vec(), &options)?)
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter(batches)))
    }
}

/// A scan of segments, dealt out over the partitions. `schema`: the columns wanted, of the log's.
pub fn scan(
    segments: Vec<Arc<Segment>>,
    schema: SchemaRef,
    range: Range<Position>,
    partitions: usize,
) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
    let opening = |segment: Arc<Segment>| -> Opening {
        let (schema, range) = (schema.clone(), range.clone());
        Arc::new(move || segment.read(&schema, range.clone()))
    };
    let openings = segments.into_iter().map(opening).collect();
    scan_files(openings, schema, partitions)
}

/// A scan of the rows of a result, in files and in memory, dealt out over the partitions. `columns`: indices into their full schema;
/// `schema` is theirs.
pub fn scan_rows(
    rows: &Snapshot,
    columns: &[usize],
    schema: SchemaRef,
    partitions: usize,
) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
    let filed = rows.files.iter().map(|file| -> Opening {
        let (file, columns) = (file.clone(), columns.to_vec());
        Arc::new(move || file.read(Some(&columns), None))
    });
    let held = rows.chunks.iter().map(|chunk| -> Opening {
        let (chunk, columns) = (chunk.clone(), columns.to_vec());
        Arc::new(move || Ok(chunk.batches(Some(&columns))))
    });
    scan_files(filed.chain(held).collect(), schema, partitions)
}

fn scan_files(files: Vec<Opening>, schema: SchemaRef, partitions: usize) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
    let each = files.len().div_ceil(partitions.max(1)).max(1);
    let partition =
        |files: &[Opening]| -> Arc<dyn PartitionStream> { Arc::new(Partition { files: files.to_vec(), schema: schema.clone() }) };
    let partitions = files.chunks(each).map(partition).collect();
    Ok(Arc::new(StreamingTableExec::try_new(schema.clone(), partitions, None, [], false, None)?))
}
