//! A segment: sealed events of one log in a Parquet file that any tool can read.
//!
//! The footer's key-value metadata has the log (`everfold.log`), the positions (`everfold.first_position`, `.end_position`), the
//! first offset (`.first_offset`), the rows (`.rows`), the chain (`.previous`) and the content's hash (`.sha256`).
//!
//! Decision: the hash covers the whole file, footer included, read with the hash's own 64 digits as zeros: so a changed
//! statistic is noticed as well as a changed page. A segment's link of the chain is SHA-256(previous link || hash), and stands
//! in the next segment's footer; the first previous link is zeros.
//!
//! Decision: columns of fixed width are plain and LZ4, which decodes at memory speed (backfill reads them by the ten million);
//! positions, offsets and times are delta-packed and not compressed; text and bytes have dictionaries and zstd.

use std::io::{self, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{Array, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, ParquetMetaData};
use parquet::file::properties::{BloomFilterPosition, WriterProperties};
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnPath;
use sha2::{Digest, Sha256};

use super::LogId;
use super::batch::{Definition, offsets, positions};
use super::frame::u32_at;
use super::store::{Blob, Store, TEMPORARY, Writable, parent};
use super::stored;
use crate::data::{POSITION, Position};
use crate::error::{Error, Result, code};
use crate::limits;

/// Directory of the segments.
pub(super) const DIRECTORY: &str = "segments";
/// Rows of one batch that [`Segment::read`] gives at most.
pub const READ_ROWS_MAX: usize = 65_536;
const HASH_KEY: &str = "everfold.sha256";
const HASH_DIGITS: usize = 64;

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// A sealed part of a log; it does not change.
pub struct Segment {
    pub log: LogId,
    /// Name in the store.
    pub name: String,
    /// Path on this machine; `None` if the store is not local.
    pub path: Option<PathBuf>,
    /// Position of its first event, and position after its last one.
    pub first: Position,
    pub end: Position,
    /// Offset of its first event.
    pub first_offset: u64,
    pub rows: u64,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Hash of the file, its own digits read as zeros.
    pub sha256: Hash,
    /// The chain's link before this segment.
    pub previous: Hash,
    /// All columns.
    pub schema: SchemaRef,
    metadata: ArrowReaderMetadata,
    store: Arc<dyn Store>,
    doomed: std::sync::atomic::AtomicBool,
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Segment({}, {} rows)", self.name, self.rows)
    }
}

/// A hash's 64 hexadecimal digits.
pub fn hex(hash: &Hash) -> String {
    hash.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Option<Hash> {
    let mut hash = [0; 32];
    if text.len() != HASH_DIGITS || !text.is_ascii() {
        return None;
    }
    for (i, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(hash)
}

/// The chain's link after a segment.
pub(super) fn link(previous: &Hash, sha256: &Hash) -> Hash {
    Sha256::new().chain_update(previous).chain_update(sha256).finalize().into()
}

fn parquet_error(name: &str, e: ParquetError) -> Error {
    match e {
        ParquetError::External(inner) => match inner.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(inner) => match inner.downcast::<io::Error>() {
                Ok(e) => from_io(*e),
                Err(inner) => damaged(name, inner.to_string()),
            },
        },
        other => damaged(name, other.to_string()),
    }
}

fn from_io(e: io::Error) -> Error {
    e.downcast::<Error>().unwrap_or_else(Error::from)
}

/// XX001: a segment is not what it was.
pub(super) fn damaged(name: &str, detail: impl Into<String>) -> Error {
    let error = Error::new(code::DATA_CORRUPTED, format!("the log is damaged: segment \"{name}\"")).detail(detail);
    error.hint("Nothing was changed. Restore the file from a backup.")
}

impl Segment {
    /// The chain's link after this segment.
    pub fn link(&self) -> Hash {
        link(&self.previous, &self.sha256)
    }

    /// The Parquet footer: row groups, statistics, bloom filters.
    pub fn metadata(&self) -> &Arc<ParquetMetaData> {
        self.metadata.metadata()
    }

    /// Removes the file when the last reader is gone.
    pub(super) fn doom(&self) {
        self.doomed.store(true, std::sync::atomic::Ordering::Release);
    }

    /// Reads the footer of a segment. Errors: XX001 if it is none of Everfold's.
    pub(super) fn open(store: &Arc<dyn Store>, name: &str) -> Result<Segment> {
        let blob = store.open(name)?;
        let bytes = blob.len();
        // Arrow panics on an embedded schema with a type it does not know, which a damaged footer may hold.
        let load = std::panic::AssertUnwindSafe(|| ArrowReaderMetadata::load(&blob, ArrowReaderOptions::new()));
        let metadata = std::panic::catch_unwind(load).map_err(|_| damaged(name, "The footer is not valid."))?;
        let metadata = metadata.map_err(|e| parquet_error(name, e))?;
        let pairs = metadata.metadata().file_metadata().key_value_metadata();
        let text = |key: &str| pairs.and_then(|p| p.iter().find(|kv| kv.key == key)).and_then(|kv| kv.value.clone());
        let number =
            |key: &str| text(key).and_then(|v| v.parse::<u64>().ok()).ok_or_else(|| damaged(name, format!("The footer lacks {key}.")));
        let hash = |key: &str| text(key).and_then(|v| unhex(&v)).ok_or_else(|| damaged(name, format!("The footer lacks {key}.")));
        let log = LogId::try_from(number("everfold.log")?).map_err(|_| damaged(name, "The log's number is out of range."))?;
        // Without the writer's key-value pairs the schema is the one the log has.
        let schema = Arc::new(stored::logged_schema(metadata.schema()));
        Ok(Segment {
            log,
            name: name.to_string(),
            path: store.local_path(name),
            first: number("everfold.first_position")?,
            end: number("everfold.end_position")?,
            first_offset: number("everfold.first_offset")?,
            rows: number("everfold.rows")?,
            bytes,
            sha256: hash(HASH_KEY)?,
            previous: hash("everfold.previous")?,
            schema,
            metadata,
            store: store.clone(),
            doomed: Default::default(),
        })
    }

    /// The events within a range of positions, in order, in batches of at most [`READ_ROWS_MAX`] rows. `projection`: indices
    /// into the full schema, in the order wanted; absent means all. Row groups outside the range are not touched.
    pub fn read(&self, projection: Option<&[usize]>, range: Range<Position>) -> Result<SegmentReader> {
        let width = self.schema.fields().len();
        let wanted: Vec<usize> = projection.map_or_else(|| (0..width).collect(), <[usize]>::to_vec);
        if let Some(i) = wanted.iter().find(|&&i| i >= width) {
            return Err(Error::internal(format!("segment \"{}\" has no column {i}", self.name)));
        }
        let whole = range.start <= self.first && self.end <= range.end;
        let mut read = wanted.clone();
        if !whole {
            read.push(width - super::batch::ADDED);
        }
        read.sort_unstable();
        read.dedup();
        let blob = self.store.open(&self.name)?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(blob, self.metadata.clone());
        let mask = ProjectionMask::roots(builder.parquet_schema(), read.iter().copied());
        let groups = self.row_groups(&range);
        let reader = builder.with_batch_size(READ_ROWS_MAX).with_projection(mask).with_row_groups(groups).build();
        let at = |column: &usize| read.binary_search(column).expect("every wanted column is read");
        let order = wanted.iter().map(at).collect();
        let position = (!whole).then(|| at(&(width - super::batch::ADDED)));
        let reader = reader.map_err(|e| parquet_error(&self.name, e))?;
        let schema = Arc::new(self.schema.project(&wanted)?);
        Ok(SegmentReader { reader, schema, order, position, range, name: self.name.clone() })
    }

    /// Numbers of the row groups that have events in a range, by their statistics.
    fn row_groups(&self, range: &Range<Position>) -> Vec<usize> {
        let column = self.metadata.parquet_schema().columns().iter().position(|c| c.path().string() == POSITION);
        let overlaps = |group: &usize| {
            let statistics = column.and_then(|c| self.metadata().row_group(*group).column(c).statistics());
            match statistics {
                Some(Statistics::Int64(s)) => {
                    let (min, max) = (s.min_opt().map_or(0, |&v| v as Position), s.max_opt().map_or(Position::MAX, |&v| v as Position));
                    min < range.end && max >= range.start
                }
                _ => true,
            }
        };
        (0..self.metadata().num_row_groups()).filter(overlaps).collect()
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if *self.doomed.get_mut() {
            // If it fails the file is an orphan, which the next opening or dropping removes.
            let _ = self.store.remove(&self.name);
        }
    }
}

/// The batches of a segment; see [`Segment::read`].
pub struct SegmentReader {
    reader: ParquetRecordBatchReader,
    /// The schema of what is given.
    schema: SchemaRef,
    /// For each column wanted, its place among those read.
    order: Vec<usize>,
    /// The place of the positions, if rows must be cut by them.
    position: Option<usize>,
    range: Range<Position>,
    name: String,
}

impl SegmentReader {
    fn cut(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let batch = match self.position {
            Some(column) => {
                let at = batch.column(column).as_any().downcast_ref::<Int64Array>();
                let at = at.ok_or_else(|| damaged(&self.name, "The positions are not 64-bit integers."))?.values();
                let from = at.partition_point(|&p| (p as Position) < self.range.start);
                let to = at.partition_point(|&p| (p as Position) < self.range.end);
                batch.slice(from, to.saturating_sub(from))
            }
            None => batch,
        };
        let columns = self.order.iter().zip(self.schema.fields()).map(|(i, f)| stored::load(batch.column(*i), f.data_type()));
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns.collect::<Result<_>>()?, &options)?)
    }
}

impl Iterator for SegmentReader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Result<RecordBatch>> {
        loop {
            let batch = match self.reader.next()? {
                Ok(batch) => self.cut(batch),
                Err(e) => Err(damaged(&self.name, e.to_string())),
            };
            match batch {
                Ok(batch) if batch.num_rows() == 0 => {}
                other => return Some(other),
            }
        }
    }
}

/// How a segment is written.
fn properties(definition: &Definition, row_group_rows: usize) -> WriterProperties {
    let zstd = Compression::ZSTD(ZstdLevel::try_new(1).unwrap_or_default());
    let mut builder = WriterProperties::builder()
        .set_created_by(format!("everfold {}", env!("CARGO_PKG_VERSION")))
        .set_compression(zstd)
        .set_max_row_group_row_count(Some(row_group_rows))
        .set_bloom_filter_position(BloomFilterPosition::AfterRowGroup);
    for (i, field) in definition.schema.fields().iter().enumerate() {
        let path = ColumnPath::new(vec![field.name().clone()]);
        if i >= definition.width() {
            builder = builder.set_column_dictionary_enabled(path.clone(), false);
            builder = builder.set_column_encoding(path.clone(), Encoding::DELTA_BINARY_PACKED);
            builder = builder.set_column_compression(path, Compression::UNCOMPRESSED);
        } else if is_plain(field.data_type()) {
            builder = builder.set_column_dictionary_enabled(path.clone(), false).set_column_compression(path, Compression::LZ4_RAW);
        }
    }
    for &column in &definition.bloom {
        let path = ColumnPath::new(vec![definition.schema.field(column).name().clone()]);
        builder = builder.set_column_bloom_filter_enabled(path, true);
    }
    builder.build()
}

/// Fixed-width numbers and times.
fn is_plain(data_type: &DataType) -> bool {
    data_type.is_integer()
        || data_type.is_floating()
        || matches!(data_type, DataType::Timestamp(..) | DataType::Date32 | DataType::Time64(_))
}

/// Writes through to a file, keeping the hash of what passed and the bytes since the last row group.
struct Tee {
    file: Arc<dyn Writable>,
    written: u64,
    hasher: Sha256,
    footer: Option<(u64, Vec<u8>)>,
}

impl Write for Tee {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(self.written, bytes).map_err(io::Error::other)?;
        self.hasher.update(bytes);
        self.written += bytes.len() as u64;
        if let Some((_, footer)) = &mut self.footer {
            footer.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where the hash's digits are in a footer: behind its key, a Thrift field header and their length.
fn digits_at(footer: &[u8]) -> Option<usize> {
    let mut key = HASH_KEY.as_bytes().to_vec();
    key.extend_from_slice(&[0x18, HASH_DIGITS as u8]);
    let at = memchr::memmem::rfind(footer, &key)? + key.len();
    (at + HASH_DIGITS <= footer.len()).then_some(at)
}

/// Name of a segment's file.
pub(super) fn file_name(log: LogId, first: Position, end: Position) -> String {
    format!("{DIRECTORY}/{log:010}/{first:020}-{end:020}.parquet")
}

/// Writes the events of one log, in order, as its next segment, durably. Errors: the store's; then the file may be there under
/// a temporary name only.
pub(super) fn write(
    store: &Arc<dyn Store>,
    definition: &Definition,
    batches: &[RecordBatch],
    previous: &Hash,
    row_group_rows: usize,
) -> Result<Segment> {
    let (Some(first), Some(last)) = (batches.first(), batches.last()) else { return Err(Error::internal("a segment without events")) };
    let (from, to) = (positions(first).value(0) as u64, positions(last).value(last.num_rows() - 1) as u64 + 1);
    let rows: usize = batches.iter().map(|b| b.num_rows()).sum();
    let name = file_name(definition.id, from, to);
    let temporary = format!("{name}{TEMPORARY}");
    let pairs = [
        ("everfold.log", definition.id.to_string()),
        ("everfold.first_position", from.to_string()),
        ("everfold.end_position", to.to_string()),
        ("everfold.first_offset", offsets(first).value(0).to_string()),
        ("everfold.rows", rows.to_string()),
        ("everfold.previous", hex(previous)),
        (HASH_KEY, "0".repeat(HASH_DIGITS)),
    ];
    let tee = Tee { file: store.create(&temporary)?, written: 0, hasher: Sha256::new(), footer: None };
    let schema = Arc::new(stored::stored_schema(&definition.schema));
    let failed = |e| parquet_error(&name, e);
    let properties = properties(definition, row_group_rows.min(limits::ROW_GROUP_ROWS_MAX));
    let mut writer = ArrowWriter::try_new(tee, schema.clone(), Some(properties)).map_err(failed)?;
    for batch in batches {
        writer.write(&stored::stored_batch(batch, &schema)?).map_err(failed)?;
    }
    writer.flush().map_err(failed)?;
    writer.sync().map_err(from_io)?;
    let at = writer.inner().written;
    writer.inner_mut().footer = Some((at, Vec::new()));
    for (key, value) in pairs {
        writer.append_key_value_metadata(KeyValue::new(key.to_string(), value));
    }
    writer.finish().map_err(failed)?;
    writer.sync().map_err(from_io)?;
    finish(store, writer.inner_mut(), &name, &temporary)
}

/// Puts the hash into the footer and gives the file its name.
fn finish(store: &Arc<dyn Store>, tee: &mut Tee, name: &str, temporary: &str) -> Result<Segment> {
    let (start, footer) = tee.footer.take().unwrap_or_default();
    let at = digits_at(&footer).ok_or_else(|| Error::internal("a Parquet footer without the hash's place"))?;
    let hash: Hash = tee.hasher.finalize_reset().into();
    tee.file.write_at(start + at as u64, hex(&hash).as_bytes())?;
    tee.file.sync_data()?;
    store.rename(temporary, name)?;
    store.sync_dir(parent(name))?;
    Segment::open(store, name)
}

/// Checks a segment's file against the hash in its footer, by its bytes alone. Errors: XX001.
pub(super) fn check_content(blob: &Blob, name: &str) -> Result<()> {
    const TRAILER_BYTES: u64 = 8;
    const CHUNK_BYTES: u64 = 1 << 20;
    let length = blob.len();
    let trailer = blob.read_at(length.saturating_sub(TRAILER_BYTES), TRAILER_BYTES as usize)?;
    let footer_bytes = u64::from(u32_at(&trailer, 0));
    let start = length.checked_sub(TRAILER_BYTES + footer_bytes).ok_or_else(|| damaged(name, "The footer's length is not valid."))?;
    let footer = blob.read_at(start, footer_bytes as usize)?;
    let digits = start + digits_at(&footer).ok_or_else(|| damaged(name, "The footer lacks the hash."))? as u64;
    let mut hasher = Sha256::new();
    let mut at = 0;
    while at < length {
        let mut chunk = blob.read_at(at, CHUNK_BYTES.min(length - at) as usize)?.to_vec();
        for i in digits.max(at)..(digits + HASH_DIGITS as u64).min(at + chunk.len() as u64) {
            chunk[(i - at) as usize] = b'0';
        }
        hasher.update(&chunk);
        at += chunk.len() as u64;
    }
    let (found, noted) = (hex(&hasher.finalize().into()), &footer[(digits - start) as usize..][..HASH_DIGITS]);
    if found.as_bytes() != noted {
        let noted = String::from_utf8_lossy(noted);
        return Err(damaged(name, format!("Its content has the hash {found}, but its footer says {noted}.")));
    }
    Ok(())
}
