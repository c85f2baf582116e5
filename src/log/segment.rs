//! A segment: sealed events of one log in a Parquet file that any tool can read.
//!
//! The footer's key-value metadata has the log (`everfold.log`), the positions (`everfold.first_position`, `.end_position`), the
//! first offset (`.first_offset`), the rows (`.rows`), the chain (`.previous`) and the content's hash (`.sha256`).
//!
//! Decision: the hash covers the whole file, footer included, read with the hash's own 64 digits as zeros: so a changed
//! statistic is noticed as well as a changed page. A segment's link of the chain is SHA-256(previous link || hash), and stands
//! in the next segment's footer; the first previous link is zeros.

use std::io::{self, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::{KeyValue, ParquetMetaData};
use parquet::file::properties::{BloomFilterPosition, WriterProperties};
use parquet::schema::types::ColumnPath;
use sha2::{Digest, Sha256};

use super::LogId;
use super::batch::{Definition, offsets, positions};
use super::frame::u32_at;
use super::parquet_file::{Effort, ParquetFile, parquet_error};
use super::projection::Projection;
use super::store::{Blob, NewFile, Store};
use super::{parquet_file, stored};
use crate::data::{Position, RowBatches};
use crate::error::{Error, Result, code};
use crate::limits;

/// Directory of the segments.
pub(super) const DIRECTORY: &str = "segments";
const HASH_KEY: &str = "everfold.sha256";
const HASH_DIGITS: usize = 64;

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// A sealed part of a log; it does not change.
pub struct Segment {
    pub log: LogId,
    /// Its rows.
    pub file: ParquetFile,
    /// Path on this machine; `None` if the store is not local.
    pub path: Option<PathBuf>,
    /// Position of its first event, and position after its last one.
    pub first: Position,
    pub end: Position,
    /// Offset of its first event.
    pub first_offset: u64,
    pub rows: u64,
    /// Hash of the file, its own digits read as zeros.
    pub sha256: Hash,
    /// The chain's link before this segment.
    pub previous: Hash,
    store: Arc<dyn Store>,
    doomed: std::sync::atomic::AtomicBool,
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Segment({}, {} rows)", self.file.name, self.rows)
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
        self.file.metadata()
    }

    /// The first four bytes of its hash: enough to tell it from another file of its name.
    pub fn checksum(&self) -> u32 {
        u32_at(&self.sha256, 0)
    }

    /// Removes the file when the last reader is gone.
    pub(super) fn doom(&self) {
        self.doomed.store(true, std::sync::atomic::Ordering::Release);
    }

    /// Reads the footer of a segment. Errors: XX001 if it is none of Everfold's.
    pub(super) fn open(store: &Arc<dyn Store>, name: &str) -> Result<Segment> {
        let file = ParquetFile::open(store, name, damaged)?;
        let pairs = file.metadata().file_metadata().key_value_metadata();
        let text = |key: &str| pairs.and_then(|p| p.iter().find(|kv| kv.key == key)).and_then(|kv| kv.value.clone());
        let number =
            |key: &str| text(key).and_then(|v| v.parse::<u64>().ok()).ok_or_else(|| damaged(name, format!("The footer lacks {key}.")));
        let hash = |key: &str| text(key).and_then(|v| unhex(&v)).ok_or_else(|| damaged(name, format!("The footer lacks {key}.")));
        let log = LogId::try_from(number("everfold.log")?).map_err(|_| damaged(name, "The log's number is out of range."))?;
        Ok(Segment {
            log,
            path: store.local_path(name),
            first: number("everfold.first_position")?,
            end: number("everfold.end_position")?,
            first_offset: number("everfold.first_offset")?,
            rows: number("everfold.rows")?,
            sha256: hash(HASH_KEY)?,
            previous: hash("everfold.previous")?,
            file,
            store: store.clone(),
            doomed: Default::default(),
        })
    }

    /// The events within a range of positions, in order, in batches of at most [`READ_ROWS_MAX`](super::parquet_file::READ_ROWS_MAX) rows.
    /// `wanted`: the columns, found by name; those that the log has got later are null. Row groups outside the range are not touched.
    pub fn read(&self, wanted: &SchemaRef, range: Range<Position>) -> Result<RowBatches> {
        let whole = range.start <= self.first && self.end <= range.end;
        let projection = Projection::new(wanted, &self.file.schema);
        let present = projection.present();
        let batches = self.file.read(Some(&present), (!whole).then_some(range))?;
        if !projection.lacks() {
            return Ok(Box::new(batches));
        }
        let projection = Projection::new(wanted, &self.file.schema.project(&present)?);
        Ok(Box::new(batches.map(move |batch| projection.apply(&batch?))))
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if *self.doomed.get_mut() {
            // If it fails the file is an orphan, which the next opening or dropping removes.
            let _ = self.store.remove(&self.file.name);
        }
    }
}

/// How a segment is written.
fn properties(definition: &Definition, row_group_rows: usize) -> WriterProperties {
    let builder = parquet_file::properties(&definition.schema, row_group_rows, Effort::Small);
    let mut builder = builder.set_bloom_filter_position(BloomFilterPosition::AfterRowGroup);
    for &column in &definition.bloom {
        let path = ColumnPath::new(vec![definition.schema.field(column).name().clone()]);
        builder = builder.set_column_bloom_filter_enabled(path, true);
    }
    builder.build()
}

/// Writes through to a file, keeping the hash of what passed and the bytes since the last row group.
struct Tee {
    to: NewFile,
    hasher: Sha256,
    footer: Option<(u64, Vec<u8>)>,
}

impl Write for Tee {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hasher.update(bytes);
        if let Some((_, footer)) = &mut self.footer {
            footer.extend_from_slice(bytes);
        }
        Ok(written)
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

/// Writes the events of one log, in order, as its next segment, durably. Errors: the store's; then there is no file, or one that
/// the next attempt replaces.
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
    let pairs = [
        ("everfold.log", definition.id.to_string()),
        ("everfold.first_position", from.to_string()),
        ("everfold.end_position", to.to_string()),
        ("everfold.first_offset", offsets(first).value(0).to_string()),
        ("everfold.rows", rows.to_string()),
        ("everfold.previous", hex(previous)),
        (HASH_KEY, "0".repeat(HASH_DIGITS)),
    ];
    let tee = Tee { to: NewFile::create(store, &name)?, hasher: Sha256::new(), footer: None };
    let schema = Arc::new(stored::stored_schema(&definition.schema));
    let failed = |e| parquet_error(e, |detail| damaged(&name, detail));
    let properties = properties(definition, row_group_rows.min(limits::ROW_GROUP_ROWS_MAX));
    let mut writer = ArrowWriter::try_new(tee, schema.clone(), Some(properties)).map_err(failed)?;
    for batch in batches {
        writer.write(&stored::stored_batch(batch, &schema)?).map_err(failed)?;
    }
    writer.flush().map_err(failed)?;
    writer.sync()?;
    let at = writer.inner().to.written();
    writer.inner_mut().footer = Some((at, Vec::new()));
    for (key, value) in pairs {
        writer.append_key_value_metadata(KeyValue::new(key.to_string(), value));
    }
    writer.finish().map_err(failed)?;
    writer.sync()?;
    finish(store, writer.inner_mut(), &name)
}

/// Puts the hash into the footer and gives the file its name.
fn finish(store: &Arc<dyn Store>, tee: &mut Tee, name: &str) -> Result<Segment> {
    let (start, footer) = tee.footer.take().unwrap_or_default();
    let at = digits_at(&footer).ok_or_else(|| Error::internal("a Parquet footer without the hash's place"))?;
    let hash: Hash = tee.hasher.finalize_reset().into();
    tee.to.overwrite(start + at as u64, hex(&hash).as_bytes())?;
    tee.to.finish()?;
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
