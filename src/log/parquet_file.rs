//! Rows in a Parquet file: how a footer is read, and rows by column and position. A segment is such a file, and so is a [`RowsOfView`].
//!
//! Decision: in a segment columns of fixed width are plain and LZ4, which decodes at memory speed (backfill reads them by the ten million),
//! and text and bytes have dictionaries and zstd. The rows of a view, which are written while it folds and can be made again, are plain
//! with LZ4 for text and bytes alone: half as small, and twice as fast to write ([`Effort`]). Positions, offsets and times are delta-packed
//! and not compressed.
//!
//! [`RowsOfView`]: super::view_rows::RowsOfView

use std::io;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnPath;

use super::store::Store;
use super::stored;
use crate::data::{OFFSET, POSITION, Position, TIME};
use crate::error::{Error, Result};

/// Rows of one batch that [`ParquetFile::read`] gives at most.
pub const READ_ROWS_MAX: usize = 65_536;

/// What is said of a damaged file, of that name, with a detail.
pub(super) type Damaged = fn(&str, String) -> Error;

/// A file of rows, its footer read.
pub struct ParquetFile {
    /// Name in the store.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// All columns, as they are in memory.
    pub schema: SchemaRef,
    metadata: ArrowReaderMetadata,
    store: Arc<dyn Store>,
    damaged: Damaged,
}

impl ParquetFile {
    /// Reads the footer. Errors: XX001, as `damaged` says it, if it is none that the server writes.
    pub(super) fn open(store: &Arc<dyn Store>, name: &str, damaged: Damaged) -> Result<ParquetFile> {
        let blob = store.open(name)?;
        let bytes = blob.len();
        // Arrow panics on an embedded schema with a type it does not know, which a damaged footer may hold.
        let load = std::panic::AssertUnwindSafe(|| ArrowReaderMetadata::load(&blob, ArrowReaderOptions::new()));
        let metadata = std::panic::catch_unwind(load).map_err(|_| damaged(name, "The footer is not valid.".into()))?;
        let metadata = metadata.map_err(|e| parquet_error(e, |detail| damaged(name, detail)))?;
        // Without the writer's key-value pairs the schema is the one in memory.
        let schema = Arc::new(stored::logged_schema(metadata.schema()));
        Ok(ParquetFile { name: name.to_string(), bytes, schema, metadata, store: store.clone(), damaged })
    }

    /// The footer: row groups, statistics, bloom filters.
    pub fn metadata(&self) -> &Arc<ParquetMetaData> {
        self.metadata.metadata()
    }

    /// The rows in order, in batches of at most [`READ_ROWS_MAX`] rows. `projection`: indices into the full schema, in the order wanted;
    /// absent means all. `positions`: only those rows; row groups outside are not touched. Errors: XX001.
    pub fn read(&self, projection: Option<&[usize]>, positions: Option<Range<Position>>) -> Result<RowReader> {
        let width = self.schema.fields().len();
        let wanted: Vec<usize> = projection.map_or_else(|| (0..width).collect(), <[usize]>::to_vec);
        if let Some(i) = wanted.iter().find(|&&i| i >= width) {
            return Err(Error::internal(format!("\"{}\" has no column {i}", self.name)));
        }
        let mut read = wanted.clone();
        let mut cut = None;
        if let Some(range) = positions {
            let column = self.schema.index_of(POSITION)?;
            read.push(column);
            cut = Some((column, range));
        }
        read.sort_unstable();
        read.dedup();
        let at = |column: &usize| read.binary_search(column).expect("every wanted column is read");
        let blob = self.store.open(&self.name)?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(blob, self.metadata.clone());
        let mask = ProjectionMask::roots(builder.parquet_schema(), read.iter().copied());
        let groups = self.row_groups(cut.as_ref().map(|(_, range)| range));
        let reader = builder.with_batch_size(READ_ROWS_MAX).with_projection(mask).with_row_groups(groups).build();
        let reader = reader.map_err(|e| parquet_error(e, |detail| (self.damaged)(&self.name, detail)))?;
        let order = wanted.iter().map(at).collect();
        let cut = cut.map(|(column, range)| (at(&column), range));
        let schema = Arc::new(self.schema.project(&wanted)?);
        Ok(RowReader { reader, schema, order, cut, name: self.name.clone(), damaged: self.damaged })
    }

    /// Numbers of the row groups that have rows in a range, by their statistics.
    fn row_groups(&self, range: Option<&Range<Position>>) -> Vec<usize> {
        let overlaps = |group: &usize| {
            let own = self.positions_of(*group);
            range.is_none_or(|range| own.start < range.end && range.start < own.end)
        };
        (0..self.metadata().num_row_groups()).filter(overlaps).collect()
    }

    /// Where the positions of all rows lie, by the statistics.
    pub(super) fn positions(&self) -> Range<Position> {
        let groups: Vec<Range<Position>> = (0..self.metadata().num_row_groups()).map(|group| self.positions_of(group)).collect();
        groups.iter().map(|g| g.start).min().unwrap_or(0)..groups.iter().map(|g| g.end).max().unwrap_or(0)
    }

    /// Where the positions of a row group lie; anywhere, if nothing is told.
    fn positions_of(&self, group: usize) -> Range<Position> {
        let column = self.metadata.parquet_schema().columns().iter().position(|c| c.path().string() == POSITION);
        match column.and_then(|c| self.metadata().row_group(group).column(c).statistics()) {
            Some(Statistics::Int64(s)) => {
                s.min_opt().map_or(0, |&v| v as Position)..s.max_opt().map_or(Position::MAX, |&v| (v as Position).saturating_add(1))
            }
            _ => 0..Position::MAX,
        }
    }
}

/// The batches of a file; see [`ParquetFile::read`].
pub struct RowReader {
    reader: ParquetRecordBatchReader,
    /// The schema of what is given.
    schema: SchemaRef,
    /// For each column wanted, its place among those read.
    order: Vec<usize>,
    /// The place of the positions and those wanted, if rows must be cut by them.
    cut: Option<(usize, Range<Position>)>,
    name: String,
    damaged: Damaged,
}

impl RowReader {
    fn wanted(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let batch = match &self.cut {
            Some((column, range)) => {
                let at = batch.column(*column).as_any().downcast_ref::<Int64Array>();
                let at = at.ok_or_else(|| (self.damaged)(&self.name, "The positions are not 64-bit integers.".into()))?.values();
                let from = at.partition_point(|&p| (p as Position) < range.start);
                let to = at.partition_point(|&p| (p as Position) < range.end);
                batch.slice(from, to.saturating_sub(from))
            }
            None => batch,
        };
        let columns = self.order.iter().zip(self.schema.fields()).map(|(i, f)| stored::load(batch.column(*i), f.data_type()));
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns.collect::<Result<_>>()?, &options)?)
    }
}

impl Iterator for RowReader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Result<RecordBatch>> {
        loop {
            let batch = match self.reader.next()? {
                Ok(batch) => self.wanted(batch),
                Err(e) => Err((self.damaged)(&self.name, e.to_string())),
            };
            match batch {
                Ok(batch) if batch.num_rows() == 0 => {}
                other => return Some(other),
            }
        }
    }
}

/// What Parquet's error is: the store's own, or damage.
pub(super) fn parquet_error(e: ParquetError, damaged: impl FnOnce(String) -> Error) -> Error {
    match e {
        ParquetError::External(inner) => match inner.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(inner) => match inner.downcast::<io::Error>() {
                Ok(e) => Error::from(*e),
                Err(inner) => damaged(inner.to_string()),
            },
        },
        other => damaged(other.to_string()),
    }
}

/// What a file is to cost.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// Little room: it stays.
    Small,
    /// Little time: it is one of many, and can be made again.
    Quick,
}

/// How rows of `schema` are written.
pub(super) fn properties(schema: &Schema, row_group_rows: usize, effort: Effort) -> WriterPropertiesBuilder {
    let (texts, numbers) = match effort {
        Effort::Small => (Compression::ZSTD(ZstdLevel::try_new(1).unwrap_or_default()), Compression::LZ4_RAW),
        Effort::Quick => (Compression::LZ4_RAW, Compression::UNCOMPRESSED),
    };
    let mut builder = WriterProperties::builder()
        .set_created_by(format!("everfold {}", env!("CARGO_PKG_VERSION")))
        .set_compression(texts)
        .set_dictionary_enabled(effort == Effort::Small)
        .set_max_row_group_row_count(Some(row_group_rows));
    if effort == Effort::Quick {
        // Its readers choose by position alone.
        builder = builder.set_statistics_enabled(EnabledStatistics::None).set_offset_index_disabled(true);
    }
    for field in schema.fields() {
        let path = ColumnPath::new(vec![field.name().clone()]);
        if is_added(field) {
            builder = builder.set_column_dictionary_enabled(path.clone(), false);
            builder = builder.set_column_encoding(path.clone(), Encoding::DELTA_BINARY_PACKED);
            if effort == Effort::Quick {
                builder = builder.set_column_statistics_enabled(path.clone(), EnabledStatistics::Chunk);
            }
            builder = builder.set_column_compression(path, Compression::UNCOMPRESSED);
        } else if is_plain(field.data_type()) {
            builder = builder.set_column_dictionary_enabled(path.clone(), false).set_column_compression(path, numbers);
        }
    }
    builder
}

/// A column that the log adds. A view may have one of that name with anything in it.
fn is_added(field: &Field) -> bool {
    let counted = matches!(field.data_type(), DataType::Int64 | DataType::Timestamp(..));
    counted && [POSITION, OFFSET, TIME].contains(&field.name().as_str())
}

/// Fixed-width numbers and times.
fn is_plain(data_type: &DataType) -> bool {
    data_type.is_integer()
        || data_type.is_floating()
        || matches!(data_type, DataType::Timestamp(..) | DataType::Date32 | DataType::Time64(_))
}
