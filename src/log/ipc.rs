//! Batches and schemas as Arrow IPC messages inside WAL frames.
//!
//! A section is one batch: log (u32), flags (u32), bytes of the message (u32), bytes of the body (u32), then message and body,
//! each padded with zeros to a multiple of 8. Flags say which columns it has, so that its schema follows from the log's.
//!
//! The body of a packed section is its length unpacked (u32) and then pieces, each with its lengths unpacked and packed (u32
//! each; equal if it stands as it is), compressed as one LZ4 block.
//!
//! Decisions. The message is encoded by Arrow's encoder without the schema, which stands in the file once. Compression is ours
//! rather than that of Arrow's format: a piece goes from the column's own memory straight into the frame, while Arrow's writer copies
//! each column four times on the way, into memory that is fresh each time; COPY spent a fifth of its time there.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryViewArray, ListArray, RecordBatch, StringViewArray};
use arrow::buffer::{Buffer, MutableBuffer};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::ipc::reader::read_record_batch;
use arrow::ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteOptions, StreamEncoder};
use arrow::ipc::{MetadataVersion, root_as_message};
use lz4_flex::block::{CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size};

use super::frame::u32_at;
use crate::error::{Error, Result, code};

/// The section has all columns, with position, offset and time.
pub(super) const FULL: u32 = 1;
/// The section has the user's columns and their own event times.
pub(super) const TIMED: u32 = 2;
/// The body is packed.
const PACKED: u32 = 4;
const SECTION_BYTES: usize = 16;
/// A body larger than this many bytes is packed.
const PACKED_BYTES_MIN: usize = 64 << 10;
/// Bytes of a column that are packed together: LZ4 looks back no further, and they stay in the cache.
const PIECE_BYTES: usize = 65_534;
/// A buffer smaller than this is not worth packing.
const PIECE_BYTES_MIN: usize = 128;
/// After a piece that packing makes less than an eighth smaller, so many of the same buffer are not packed.
const PIECES_PLAIN: usize = 15;
/// Bytes of the prefix of an encapsulated message: the continuation mark and the length of the metadata.
const PREFIX_BYTES: usize = 8;

/// Encodes batches; it keeps its scratch memory between them.
pub(super) struct Encoder {
    messages: StreamEncoder,
    table: CompressTable,
    packed: Vec<u8>,
}

impl Encoder {
    pub fn new() -> Result<Encoder> {
        let mut messages = StreamEncoder::try_new_with_options(&Schema::empty(), options()?)?;
        // The first message has the stream's schema before it, which is never wanted here.
        messages.encode(&RecordBatch::new_empty(Arc::new(Schema::empty())))?;
        Ok(Encoder { messages, table: CompressTable::small(), packed: vec![0; get_maximum_output_size(PIECE_BYTES)] })
    }

    /// Appends a section to `out`. Errors: 54000 for more than 4 GiB.
    pub fn section(&mut self, out: &mut Vec<u8>, log: u32, flags: u32, batch: &RecordBatch) -> Result<()> {
        let encoded = self.messages.encode(batch)?;
        let (message, body) = split(&encoded)?;
        let bytes: usize = body.iter().map(Buffer::len).sum();
        let packed = bytes > PACKED_BYTES_MIN;
        let start = out.len();
        for number in [log, flags | if packed { PACKED } else { 0 }, length(message.len())?, 0] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(message);
        pad(out);
        let at = out.len();
        if packed {
            out.extend_from_slice(&length(bytes)?.to_le_bytes());
            body.iter().try_for_each(|buffer| self.pieces(out, buffer))?;
        } else {
            body.iter().for_each(|b| out.extend_from_slice(b));
        }
        let written = length(out.len() - at)?;
        out[start + SECTION_BYTES - 4..start + SECTION_BYTES].copy_from_slice(&written.to_le_bytes());
        pad(out);
        Ok(())
    }

    /// Appends a buffer in pieces. Where packing one hardly pays, as with random text, the next few stand as they are.
    fn pieces(&mut self, out: &mut Vec<u8>, buffer: &[u8]) -> Result<()> {
        let mut plain = 0;
        for piece in buffer.chunks(PIECE_BYTES) {
            let packed = if plain > 0 || piece.len() < PIECE_BYTES_MIN {
                piece.len()
            } else {
                compress_into_with_table(piece, &mut self.packed, &mut self.table).map_err(|e| Error::internal(e.to_string()))?
            };
            plain = match packed {
                _ if plain > 0 => plain - 1,
                packed if packed > piece.len() - piece.len() / 8 => PIECES_PLAIN,
                _ => 0,
            };
            let bytes = if packed < piece.len() { &self.packed[..packed] } else { piece };
            out.extend_from_slice(&(piece.len() as u32).to_le_bytes());
            out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            out.extend_from_slice(bytes);
        }
        Ok(())
    }
}

fn options() -> Result<IpcWriteOptions> {
    Ok(IpcWriteOptions::try_new(8, false, MetadataVersion::V5)?)
}

fn length(bytes: usize) -> Result<u32> {
    u32::try_from(bytes).map_err(|_| too_large())
}

/// The metadata and the body of an encapsulated message (Arrow's columnar format, "Encapsulated message format").
fn split(encoded: &[Buffer]) -> Result<(&[u8], &[Buffer])> {
    let lost = || Error::internal("an Arrow message without its metadata");
    let [prefix, metadata, rest @ ..] = encoded else { return Err(lost()) };
    if prefix.len() != PREFIX_BYTES {
        return Err(lost());
    }
    let padding = (u32_at(prefix, 4) as usize).checked_sub(metadata.len()).ok_or_else(lost)?;
    let body = match rest {
        [first, rest @ ..] if padding > 0 && first.len() == padding => rest,
        _ if padding > 0 => return Err(lost()),
        rest => rest,
    };
    Ok((metadata, body))
}

/// 54000: more bytes at once than a frame can hold.
pub(super) fn too_large() -> Error {
    Error::new(code::PROGRAM_LIMIT_EXCEEDED, "too many bytes for one WAL frame").hint("Insert fewer rows, or smaller values, at a time.")
}

/// Pads to a multiple of 8 with zeros.
pub(super) fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(8), 0);
}

/// A section as it stands in a frame.
pub(super) struct Section<'a> {
    pub log: u32,
    pub flags: u32,
    packed: bool,
    message: &'a [u8],
    body: &'a [u8],
}

impl<'a> Section<'a> {
    /// Takes the first section of `bytes`; `None` if they are none.
    pub fn take(bytes: &mut &'a [u8]) -> Option<Section<'a>> {
        let head = bytes.get(..SECTION_BYTES)?;
        let (log, flags, message, body) = (u32_at(head, 0), u32_at(head, 4), u32_at(head, 8) as usize, u32_at(head, 12) as usize);
        let middle = SECTION_BYTES + message.next_multiple_of(8);
        let section = Section {
            log,
            flags: flags & !PACKED,
            packed: flags & PACKED != 0,
            message: bytes.get(SECTION_BYTES..SECTION_BYTES + message)?,
            body: bytes.get(middle..middle + body)?,
        };
        *bytes = bytes.get(middle + body.next_multiple_of(8)..)?;
        Some(section)
    }

    /// Its rows, in memory of their own. Errors: XX001 or Arrow's if the bytes are no batch of that schema.
    pub fn decode(&self, schema: SchemaRef) -> Result<RecordBatch> {
        let no_batch = || Error::new(code::DATA_CORRUPTED, "a WAL frame does not hold a record batch");
        let message = Buffer::from_slice_ref(self.message);
        let message = root_as_message(message.as_slice()).map_err(|_| no_batch())?;
        let batch = message.header_as_record_batch().ok_or_else(no_batch)?;
        let body = if self.packed { unpacked(self.body).ok_or_else(no_batch)? } else { Buffer::from_slice_ref(self.body) };
        Ok(read_record_batch(&body, batch, schema, &HashMap::new(), None, &message.version())?)
    }
}

/// The body of a packed section; `None` if the bytes are none. The frame's checksum has been looked at before.
fn unpacked(bytes: &[u8]) -> Option<Buffer> {
    let (length, mut rest) = bytes.split_at_checked(4)?;
    let mut body = MutableBuffer::from_len_zeroed(u32_at(length, 0) as usize);
    let mut at = 0;
    while !rest.is_empty() {
        let (head, behind) = rest.split_at_checked(8)?;
        let (raw, packed) = (u32_at(head, 0) as usize, u32_at(head, 4) as usize);
        let (piece, behind) = behind.split_at_checked(packed)?;
        let target = body.as_slice_mut().get_mut(at..at + raw)?;
        if packed == raw {
            target.copy_from_slice(piece);
        } else if decompress_into(piece, target).ok()? != raw {
            return None;
        }
        at += raw;
        rest = behind;
    }
    (at == body.len()).then(|| body.into())
}

/// A schema as an IPC message.
pub(super) fn schema_to_bytes(schema: &Schema) -> Result<Vec<u8>> {
    let mut tracker = DictionaryTracker::new(true);
    Ok(IpcDataGenerator {}.schema_to_bytes_with_dictionary_tracker(schema, &mut tracker, &options()?).ipc_message)
}

/// Reads it back; `None` if the bytes are no schema.
pub(super) fn schema_from_bytes(bytes: &[u8]) -> Option<SchemaRef> {
    let aligned = Buffer::from_slice_ref(bytes);
    let message = root_as_message(aligned.as_slice()).ok()?;
    Some(Arc::new(arrow::ipc::convert::fb_to_schema(message.header_as_schema()?)))
}

/// True if a type can stand in the log: dictionaries would need messages of their own.
pub(super) fn is_storable(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(..) | DataType::RunEndEncoded(..) | DataType::Union(..) => false,
        DataType::List(f) | DataType::LargeList(f) | DataType::FixedSizeList(f, _) | DataType::Map(f, _) => is_storable(f.data_type()),
        DataType::ListView(_) | DataType::LargeListView(_) => false,
        DataType::Struct(fields) => fields.iter().all(|f| is_storable(f.data_type())),
        _ => true,
    }
}

/// The same values without buffers that are mostly unused: slices of views otherwise drag along all the text they were cut from.
pub(super) fn compact(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Utf8View => {
            let views = array.as_string_view();
            let wasted = is_wasteful(views.data_buffers(), || views.total_buffer_bytes_used(), views.len());
            if wasted { Arc::new(StringViewArray::gc(views)) } else { array.clone() }
        }
        DataType::BinaryView => {
            let views = array.as_binary_view();
            let wasted = is_wasteful(views.data_buffers(), || views.total_buffer_bytes_used(), views.len());
            if wasted { Arc::new(BinaryViewArray::gc(views)) } else { array.clone() }
        }
        DataType::List(field) => {
            let list: &ListArray = array.as_list();
            let (first, last) = (list.value_offsets()[0], list.value_offsets()[list.len()]);
            let values = list.values().slice(first as usize, (last - first) as usize);
            let compacted = compact(&values);
            if Arc::ptr_eq(&values, &compacted) {
                return array.clone();
            }
            let offsets = arrow::buffer::OffsetBuffer::from_lengths(list.offsets().lengths());
            Arc::new(ListArray::new(field.clone(), offsets, compacted, list.nulls().cloned()))
        }
        _ => array.clone(),
    }
}

/// More than half of the bytes unused, or more buffers than rows / 16.
fn is_wasteful(buffers: &[Buffer], used: impl Fn() -> usize, rows: usize) -> bool {
    let held: usize = buffers.iter().map(|b| b.len()).sum();
    held > 0 && (buffers.len() > 1 + rows / 16 || held > 2 * used() + 256)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int64Array;
    use arrow::datatypes::Field;

    fn round_trip(batch: &RecordBatch) -> (RecordBatch, usize) {
        let mut out = Vec::new();
        Encoder::new().unwrap().section(&mut out, 7, FULL, batch).unwrap();
        let mut bytes = out.as_slice();
        let section = Section::take(&mut bytes).unwrap();
        assert!(bytes.is_empty() && section.log == 7 && section.flags == FULL);
        (section.decode(batch.schema()).unwrap(), out.len())
    }

    #[test]
    fn batches_come_back_and_large_ones_are_compressed() {
        let fields = vec![Field::new("n", DataType::Int64, true), Field::new("t", DataType::Utf8View, false)];
        let schema = Arc::new(Schema::new(fields));
        for rows in [0usize, 1, 3, 20_000] {
            let numbers = Int64Array::from_iter((0..rows as i64).map(|i| (i % 3 != 0).then_some(i)));
            let texts = StringViewArray::from_iter_values((0..rows).map(|i| format!("a text that is not inlined {i}")));
            let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(numbers), Arc::new(texts)]).unwrap();
            let (back, bytes) = round_trip(&batch);
            assert_eq!(back, batch);
            assert!(rows < 20_000 || bytes < batch.get_array_memory_size() / 2, "{bytes} bytes");
        }
        assert_eq!(schema_from_bytes(&schema_to_bytes(&schema).unwrap()), Some(schema));
    }

    #[test]
    fn what_cannot_be_packed_round_trips() {
        let schema = Arc::new(Schema::new(vec![Field::new("t", DataType::Utf8View, true)]));
        let mut state = 1u64;
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            format!("{:016x}", state.rotate_left(23))
        };
        // Noise, then a text that packs well: it comes while pieces are not packed, and after.
        let noisy: Vec<String> = (0..40_000).map(|_| noise()).collect();
        let texts = noisy.iter().cloned().chain((0..80_000).map(|_| "again and again".to_string()));
        let batch = RecordBatch::try_new(schema, vec![Arc::new(StringViewArray::from_iter_values(texts))]).unwrap();
        let (back, bytes) = round_trip(&batch);
        assert_eq!(back, batch);
        assert!(bytes < batch.get_array_memory_size());
    }

    #[test]
    fn a_slice_of_text_does_not_drag_the_rest_along() {
        let texts: ArrayRef = Arc::new(StringViewArray::from_iter_values((0..1000).map(|i| format!("a text that is not inlined {i}"))));
        let one = compact(&texts.slice(500, 1));
        assert_eq!(one.as_string_view().value(0), "a text that is not inlined 500");
        assert!(one.get_array_memory_size() < 1000);
        assert!(Arc::ptr_eq(&compact(&texts), &texts));
    }
}
