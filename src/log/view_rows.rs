//! The file of rows of a view that only grows. It has no hash and no chain: the log has all that it takes to make it again.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;

use super::ipc::is_storable;
use super::parquet_file::{Effort, ParquetFile, parquet_error, properties};
use super::segment::Segment;
use super::store::{Blob, NewFile, Store};
use super::stored;
use crate::data::{Position, RowBatches, RowFile};
use crate::error::{Error, Result, code};

/// Rows of a row group: few, since readers that follow a view take the rows of some positions at a time.
const ROW_GROUP_ROWS: usize = 32_768;
/// Bytes read at a time for a checksum.
const PIECE_BYTES: usize = 1 << 20;
/// What the footer calls the segment that the rows stand beside.
const SEGMENT_KEY: &str = "everfold.segment";

/// Rows of a view in a file.
pub struct RowsOfView {
    file: ParquetFile,
    rows: usize,
    /// Where its positions lie, if it has some: most readers want others.
    positions: Range<Position>,
    checksum: u32,
    store: Arc<dyn Store>,
    doomed: AtomicBool,
}

impl RowsOfView {
    /// Writes rows of `schema` in order under a new name, durably. Errors: the store's, those of `batches`; then there is no file.
    pub fn write(
        store: &Arc<dyn Store>,
        name: &str,
        schema: &SchemaRef,
        batches: impl IntoIterator<Item = Result<RecordBatch>>,
    ) -> Result<RowsOfView> {
        RowsOfView::written(store, name, schema, batches, None)
    }

    /// The same of what is computed of the events of a segment, one row for each; see [`SharedRows`](super::shared_rows::SharedRows).
    pub fn write_beside(
        segment: &Segment,
        store: &Arc<dyn Store>,
        name: &str,
        schema: &SchemaRef,
        batches: impl IntoIterator<Item = Result<RecordBatch>>,
    ) -> Result<RowsOfView> {
        RowsOfView::written(store, name, schema, batches, Some(&segment.file.name))
    }

    fn written(
        store: &Arc<dyn Store>,
        name: &str,
        schema: &SchemaRef,
        batches: impl IntoIterator<Item = Result<RecordBatch>>,
        segment: Option<&str>,
    ) -> Result<RowsOfView> {
        let written = Arc::new(stored::stored_schema(schema));
        let properties = properties(schema, ROW_GROUP_ROWS, Effort::Quick).build();
        let failed = |e| parquet_error(e, |detail| damaged(name, detail));
        let mut writer = ArrowWriter::try_new(NewFile::create(store, name)?, written.clone(), Some(properties)).map_err(failed)?;
        for batch in batches {
            writer.write(&stored::stored_batch(&batch?, &written)?).map_err(failed)?;
        }
        if let Some(segment) = segment {
            writer.append_key_value_metadata(KeyValue::new(SEGMENT_KEY.to_string(), segment.to_string()));
        }
        writer.finish().map_err(failed)?;
        writer.sync()?;
        let file = writer.inner_mut();
        let checksum = file.checksum();
        file.finish()?;
        RowsOfView::opened(store, name, checksum).inspect_err(|_| drop(store.remove(name)))
    }

    /// Opens a file, and reads it once for its checksum. Errors: 58P01 if there is none, XX001 if it is damaged.
    pub fn open(store: &Arc<dyn Store>, name: &str) -> Result<RowsOfView> {
        RowsOfView::opened(store, name, checksum(&store.open(name)?)?)
    }

    fn opened(store: &Arc<dyn Store>, name: &str, checksum: u32) -> Result<RowsOfView> {
        let file = ParquetFile::open(store, name, damaged)?;
        let rows =
            usize::try_from(file.metadata().file_metadata().num_rows()).map_err(|_| damaged(name, "It has no number of rows.".into()))?;
        let positions = file.positions();
        Ok(RowsOfView { file, rows, positions, checksum, store: store.clone(), doomed: AtomicBool::new(false) })
    }

    /// The name of the segment whose events these rows stand beside, if they do.
    pub fn segment(&self) -> Option<&str> {
        let pairs = self.file.metadata().file_metadata().key_value_metadata()?;
        pairs.iter().find(|pair| pair.key == SEGMENT_KEY)?.value.as_deref()
    }

    /// XX001: the file is not what it was.
    pub(super) fn damaged(&self, detail: String) -> Error {
        damaged(&self.file.name, detail)
    }

    /// True if rows of this schema can stand in a file.
    pub fn can_have(schema: &SchemaRef) -> bool {
        !schema.fields().is_empty() && schema.fields().iter().all(|field| is_storable(field.data_type()))
    }
}

impl RowFile for RowsOfView {
    fn name(&self) -> &str {
        &self.file.name
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn bytes(&self) -> u64 {
        self.file.bytes
    }

    fn checksum(&self) -> u32 {
        self.checksum
    }

    fn read(&self, projection: Option<&[usize]>, positions: Option<Range<Position>>) -> Result<RowBatches> {
        if positions.as_ref().is_some_and(|p| p.end <= self.positions.start || self.positions.end <= p.start) {
            return Ok(Box::new(std::iter::empty()));
        }
        Ok(Box::new(self.file.read(projection, positions)?))
    }

    fn doom(&self) {
        self.doomed.store(true, Ordering::Release);
    }
}

impl Drop for RowsOfView {
    fn drop(&mut self) {
        if *self.doomed.get_mut() {
            // If it fails the file is an orphan, which the next opening removes.
            let _ = self.store.remove(&self.file.name);
        }
    }
}

fn checksum(blob: &Blob) -> Result<u32> {
    let mut hasher = crc32fast::Hasher::new();
    for at in (0..blob.len()).step_by(PIECE_BYTES) {
        hasher.update(&blob.read_at(at, (blob.len() - at).min(PIECE_BYTES as u64) as usize)?);
    }
    Ok(hasher.finalize())
}

fn damaged(name: &str, detail: String) -> Error {
    let error = Error::new(code::DATA_CORRUPTED, format!("rows of a view are damaged: file \"{name}\"")).detail(detail);
    error.hint("Stop the server, remove the file and start again: the view is then folded again from the log.")
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray, Int64Array, IntervalMonthDayNanoArray, StringViewArray};
    use arrow::datatypes::{Int64Type, IntervalMonthDayNano};

    use super::*;
    use crate::data::POSITION;
    use crate::log::memory::MemoryStore;

    fn batch(from: i64) -> RecordBatch {
        let positions = Int64Array::from_iter_values((0..100).map(|i| 2 * (from + i)));
        let texts = StringViewArray::from_iter((0..100).map(|i| (i % 3 > 0).then(|| format!("a text that is longer than a view {i}"))));
        let spans = IntervalMonthDayNanoArray::from_iter_values((0..100).map(|i| IntervalMonthDayNano::new(i, -1, 5)));
        let columns: [(&str, ArrayRef); 3] = [("text", Arc::new(texts)), ("span", Arc::new(spans)), (POSITION, Arc::new(positions))];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    #[test]
    fn rows_come_back_by_column_and_position_and_go_with_the_last_reader() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let batches = [batch(0), batch(100)];
        let file = RowsOfView::write(&store, "views/1/a.parquet", &batches[0].schema(), batches.iter().cloned().map(Ok)).unwrap();
        let read = |columns: Option<&[usize]>, positions| {
            let batches: Vec<RecordBatch> = file.read(columns, positions).unwrap().map(Result::unwrap).collect();
            batches.first().map(|first| arrow::compute::concat_batches(&first.schema(), &batches).unwrap())
        };
        let whole = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
        assert_eq!((read(None, None), file.rows()), (Some(whole), 200));
        let some = read(Some(&[2]), Some(101..205)).unwrap();
        assert_eq!(some.column(0).as_primitive::<Int64Type>().values().to_vec(), (51..103).map(|i| 2 * i).collect::<Vec<_>>());
        assert_eq!(read(Some(&[0]), Some(400..500)), None);
        assert_eq!(RowsOfView::open(&store, file.name()).unwrap().checksum(), file.checksum());
        assert!(RowsOfView::can_have(&batches[0].schema()) && !RowsOfView::can_have(&Arc::new(arrow::datatypes::Schema::empty())));
        let reader = file.read(None, None).unwrap();
        file.doom();
        drop(file);
        assert_eq!(reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 200);
        assert_eq!(store.list("views").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_column_may_be_called_as_the_logs_are_and_what_fails_leaves_no_file() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let text: ArrayRef = Arc::new(StringViewArray::from(vec![Some("x"), None]));
        let number: ArrayRef = Arc::new(arrow::array::Float64Array::from(vec![1.5, 2.5]));
        let batch = RecordBatch::try_from_iter([(POSITION, text), (crate::data::TIME, number)]).unwrap();
        let file = RowsOfView::write(&store, "views/2/b.parquet", &batch.schema(), [Ok(batch.clone())]).unwrap();
        assert_eq!(file.read(None, None).unwrap().next().unwrap().unwrap(), batch);
        let broken = [Ok(batch.clone()), Err(Error::internal("it breaks off"))];
        assert!(RowsOfView::write(&store, "views/2/c.parquet", &batch.schema(), broken).is_err());
        assert_eq!(store.list("views").unwrap(), ["views/2/b.parquet"]);
    }
}
