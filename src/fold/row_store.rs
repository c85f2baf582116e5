//! Whole rows by number, columnar: what a [`KeyIndex`](super::KeyIndex) numbers, a [`RowStore`] keeps.
//!
//! Rows stand in immutable Arrow chunks of at most [`CHUNK_ROWS_MAX`] rows, as they came, without a copy. A row that goes is
//! marked dead in its chunk's bitmap, which is copied on write, so that a snapshot is a clone of `Arc`s. [`RowStore::maintain`],
//! called at the end of a step, drops chunks that are all dead, rewrites those that are mostly dead, and merges small ones, each
//! row O(log n) times in all. Strings in views that pin much larger buffers than they use are copied out. Conditions leave out
//! the blocks of a chunk that they cannot be met in ([`Chunk::within`]).

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ByteView, GenericByteViewArray, MAX_INLINE_VIEW_LEN, RecordBatch, UInt32Array};
use arrow::buffer::{BooleanBuffer, Buffer, ScalarBuffer};
use arrow::compute;
use arrow::datatypes::{ByteViewType, DataType, SchemaRef};

use super::eval::{batch_of, take_all};
use super::state::{StateReader, StateWriter, damaged};
use super::warm::warm;
use super::zone_map::{BLOCK_ROWS, Within, ZoneMap};
use crate::data::RowBatches;
use crate::data::delta::take_rows;
use crate::error::Result;
use crate::limits::CHUNK_ROWS_MAX;

/// Rows of a batch in which rows stand as often as they count.
const COPIES_ROWS: usize = 65_536;
/// Rows with which a chunk gets a zone map; fewer are looked at sooner.
const MAPPED_ROWS: usize = 512;
/// No place: the row is not stored. A place is the chunk's number times 2^32 plus the row in it.
const ABSENT: u64 = u64::MAX;

/// Immutable rows of which some may be dead, and some may count several times.
#[derive(Clone)]
pub struct Chunk {
    batch: RecordBatch,
    /// One bit per row, set for live ones; `None` if all are.
    live: Option<Arc<Vec<u64>>>,
    rows_live: usize,
    /// How often each row counts; `None` if once each.
    copies: Option<Arc<Vec<i64>>>,
    zones: Option<Arc<ZoneMap>>,
}

impl Chunk {
    fn new(batch: RecordBatch) -> Self {
        let rows_live = batch.num_rows();
        let zones = (rows_live >= MAPPED_ROWS).then(Arc::default);
        Chunk { batch, live: None, rows_live, copies: None, zones }
    }

    /// The rows, dead ones among them: see [`Chunk::mask`] and [`Chunk::copies`].
    pub fn raw(&self) -> &RecordBatch {
        &self.batch
    }

    /// Which rows are live; `None` if all are.
    pub fn mask(&self) -> Option<BooleanArray> {
        let words = self.live.as_ref()?;
        let bits = BooleanBuffer::new(Buffer::from_slice_ref(words.as_slice()), 0, self.batch.num_rows());
        Some(BooleanArray::new(bits, None))
    }

    /// How often each row counts; `None` if each live row counts once.
    pub fn copies(&self) -> Option<&[i64]> {
        self.copies.as_deref().map(Vec::as_slice)
    }

    /// The live rows, each as often as it counts, only the columns `projection`, all if `None`. Without counts they are one batch, which costs
    /// nothing if all are live, else O(rows x c); with counts, which may be any numbers, as many batches of [`COPIES_ROWS`] rows as it takes.
    pub fn batches(&self, projection: Option<&[usize]>) -> RowBatches {
        let batch = match projection.map(|columns| self.batch.project(columns)) {
            Some(Ok(batch)) => batch,
            Some(Err(e)) => return Box::new(std::iter::once(Err(e.into()))),
            None => self.batch.clone(),
        };
        let chunk = Chunk { batch, zones: None, ..self.clone() };
        match chunk.copies {
            Some(_) => Box::new(chunk.pieces()),
            None => Box::new(std::iter::once_with(move || chunk.rows_once())),
        }
    }

    /// Its blocks in which all conditions may be met, those side by side in one. Cost: see [`ZoneMap::may_meet`].
    pub fn within(&self, conditions: &[Within], make: bool) -> Vec<Chunk> {
        let Some(zones) = &self.zones else { return vec![self.clone()] };
        let may = zones.may_meet(&self.batch, conditions, make);
        if may.iter().all(|may| *may) {
            return vec![self.clone()];
        }
        let mut from = 0;
        let runs = may.chunk_by(|a, b| a == b).filter_map(|run| {
            let start = from;
            from += run.len() * BLOCK_ROWS;
            run[0].then(|| self.part(start..from.min(self.batch.num_rows())))
        });
        runs.filter(|chunk| chunk.rows_live > 0).collect()
    }

    /// Some of its rows; the first of a block is the first.
    fn part(&self, rows: Range<usize>) -> Chunk {
        let words = rows.start / 64..rows.end.div_ceil(64);
        let batch = self.batch.slice(rows.start, rows.len());
        let live = self.live.as_ref().map(|live| Arc::new(live[words].to_vec()));
        let copies = self.copies.as_ref().map(|copies| Arc::new(copies[rows].to_vec()));
        let chunk = Chunk { rows_live: batch.num_rows(), batch, live, copies, zones: None };
        Chunk { rows_live: chunk.mask().map_or(chunk.rows_live, |mask| mask.true_count()), ..chunk }
    }

    /// The live rows, each as often as it counts, in batches of [`COPIES_ROWS`] rows.
    fn pieces(self) -> impl Iterator<Item = Result<RecordBatch>> + Send {
        let mut left = self.live_rows().into_iter().map(|row| (row, self.copies_of(row))).collect::<VecDeque<_>>();
        std::iter::from_fn(move || {
            let mut indices: Vec<u32> = Vec::new();
            while indices.len() < COPIES_ROWS
                && let Some((row, copies)) = left.front_mut()
            {
                let taken = (*copies).min(COPIES_ROWS - indices.len());
                indices.extend(std::iter::repeat_n(*row, taken));
                *copies -= taken;
                if *copies == 0 {
                    left.pop_front();
                }
            }
            (!indices.is_empty()).then(|| take_rows(&self.batch, &UInt32Array::from(indices)))
        })
    }

    /// Live rows, each counted as often as it counts.
    pub fn rows(&self) -> usize {
        match self.copies {
            Some(_) => self.live_rows().into_iter().fold(0, |sum: usize, row| sum.saturating_add(self.copies_of(row))),
            None => self.rows_live,
        }
    }

    /// The live rows, each once.
    fn rows_once(&self) -> Result<RecordBatch> {
        match self.mask() {
            None => Ok(self.batch.clone()),
            Some(mask) => Ok(compute::filter_record_batch(&self.batch, &mask)?),
        }
    }

    fn is_live(&self, row: usize) -> bool {
        self.live.as_ref().is_none_or(|words| words[row / 64] >> (row % 64) & 1 == 1)
    }

    fn live_rows(&self) -> Vec<u32> {
        (0..self.batch.num_rows()).filter(|&r| self.is_live(r)).map(|r| r as u32).collect()
    }

    fn copies_of(&self, row: u32) -> usize {
        self.copies.as_ref().map_or(1, |copies| copies[row as usize].max(0) as usize)
    }

    fn kill(&mut self, row: usize) {
        let rows = self.batch.num_rows();
        let words = self.live.get_or_insert_with(|| Arc::new(vec![u64::MAX; rows.div_ceil(64)]));
        Arc::make_mut(words)[row / 64] &= !(1 << (row % 64));
        self.rows_live -= 1;
    }
}

/// A chunk and the number of each of its rows.
#[derive(Clone)]
struct Stored {
    chunk: Chunk,
    owners: Vec<u32>,
    /// Which came first: a snapshot has its chunks in this order, so that rows that only come stand as they came.
    age: u64,
}

/// The live rows of a chunk, and their numbers.
pub struct Numbered(Stored);

impl Numbered {
    /// The rows, and the number of each. Cost O(rows) if some are dead.
    pub fn rows(&self) -> Result<(RecordBatch, Vec<u32>)> {
        Ok((self.0.chunk.rows_once()?, self.0.owners_live()))
    }
}

impl Stored {
    /// The numbers of the live rows; none if rows have no numbers.
    fn owners_live(&self) -> Vec<u32> {
        self.chunk.live_rows().into_iter().filter_map(|row| self.owners.get(row as usize).copied()).collect()
    }
}

/// Rows by number.
pub struct RowStore {
    schema: SchemaRef,
    places: Vec<u64>,
    chunks: Vec<Option<Stored>>,
    free: Vec<u32>,
    /// Chunks that may still be merged, oldest first.
    tail: Vec<u32>,
    /// Chunks in which rows died since the last maintenance.
    dirty: Vec<u32>,
    rows: usize,
    bytes: usize,
    /// The age of the next chunk.
    next: u64,
}

impl RowStore {
    /// An empty store of rows of `schema`.
    pub fn new(schema: SchemaRef) -> Self {
        let (places, chunks, free, tail, dirty) = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        RowStore { schema, places, chunks, free, tail, dirty, rows: 0, bytes: 0, next: 0 }
    }

    /// The schema of the rows.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Rows stored, each counted once.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// True if no row is stored.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Bytes of memory held, about.
    pub fn bytes(&self) -> usize {
        self.bytes + self.places.capacity() * 8 + self.rows * 4
    }

    /// Whether a row of that number is stored.
    #[inline]
    pub fn contains(&self, number: u32) -> bool {
        self.places.get(number as usize).is_some_and(|p| *p != ABSENT)
    }

    /// Reads ahead where the rows of these numbers stand.
    pub fn warm(&self, numbers: impl Iterator<Item = u32>) {
        warm(numbers.filter_map(|number| self.places.get(number as usize)).map(|place| *place as u32));
    }

    /// Stores row i of `columns` under `numbers[i]`, none of which is stored yet. No copy of the rows, except of strings that
    /// pin too much.
    pub fn insert(&mut self, columns: &[ArrayRef], numbers: &[u32]) -> Result<()> {
        self.append(columns, numbers.len(), numbers)
    }

    /// Stores rows without numbers, which can then be neither found nor removed.
    pub fn insert_anonymous(&mut self, columns: &[ArrayRef], rows: usize) -> Result<()> {
        self.append(columns, rows, &[])
    }

    fn append(&mut self, columns: &[ArrayRef], rows: usize, numbers: &[u32]) -> Result<()> {
        let batch = batch_of(&self.schema, columns.to_vec(), rows)?;
        for start in (0..rows).step_by(CHUNK_ROWS_MAX) {
            let length = CHUNK_ROWS_MAX.min(rows - start);
            let owners = if numbers.is_empty() { Vec::new() } else { numbers[start..start + length].to_vec() };
            self.next += 1;
            self.add_chunk(batch.slice(start, length), owners, None, self.next)?;
        }
        Ok(())
    }

    fn add_chunk(&mut self, batch: RecordBatch, owners: Vec<u32>, copies: Option<Vec<i64>>, age: u64) -> Result<()> {
        let batch = compact_views(&batch)?;
        let id = self.free.pop().unwrap_or_else(|| {
            self.chunks.push(None);
            (self.chunks.len() - 1) as u32
        });
        for (row, &owner) in owners.iter().enumerate() {
            if self.places.len() <= owner as usize {
                self.places.resize(owner as usize + 1, ABSENT);
            }
            self.places[owner as usize] = u64::from(id) << 32 | row as u64;
        }
        self.rows += batch.num_rows();
        self.bytes += batch_bytes(&batch);
        self.tail.push(id);
        let copies = copies.filter(|c| c.iter().any(|n| *n != 1)).map(Arc::new);
        self.chunks[id as usize] = Some(Stored { chunk: Chunk { copies, ..Chunk::new(batch) }, owners, age });
        Ok(())
    }

    /// Removes the row of that number, if it is stored.
    pub fn remove(&mut self, number: u32) {
        let Some(place) = self.places.get_mut(number as usize) else { return };
        let (id, row) = ((*place >> 32) as u32, *place as u32 as usize);
        if *place == ABSENT {
            return;
        }
        *place = ABSENT;
        let stored = self.chunks[id as usize].as_mut().expect("a place points into a chunk that is there");
        if stored.chunk.rows_live == stored.chunk.batch.num_rows() || self.dirty.last() != Some(&id) {
            self.dirty.push(id);
        }
        stored.chunk.kill(row);
        self.rows -= 1;
    }

    /// Lets go of the oldest rows, so many of them, which have no numbers. Cost O(chunks).
    pub fn remove_oldest(&mut self, mut rows: usize) -> Result<()> {
        let mut oldest: Vec<(u64, u32)> = (0..).zip(&self.chunks).filter_map(|(id, s)| Some((s.as_ref()?.age, id))).collect();
        oldest.sort_unstable();
        for (age, id) in oldest {
            let Some(stored) = self.chunks[id as usize].take_if(|_| rows > 0) else { break };
            self.free.push(id);
            self.tail.retain(|t| *t != id);
            let batch = stored.chunk.batch;
            let all = batch.num_rows();
            self.rows -= all;
            self.bytes -= batch_bytes(&batch);
            if all > rows {
                self.add_chunk(batch.slice(rows, all - rows), Vec::new(), None, age)?;
                // What is left of a chunk is older than all others: chunks are merged with their neighbours in this order.
                self.tail.rotate_right(1);
            }
            rows = rows.saturating_sub(all);
        }
        Ok(())
    }

    /// Says that the row of that number counts `copies` times.
    pub fn set_copies(&mut self, number: u32, copies: i64) {
        let place = self.places[number as usize];
        let stored = self.chunks[(place >> 32) as usize].as_mut().expect("a place points into a chunk that is there");
        if copies == 1 && stored.chunk.copies.is_none() {
            return;
        }
        let rows = stored.chunk.batch.num_rows();
        let all = stored.chunk.copies.get_or_insert_with(|| Arc::new(vec![1; rows]));
        Arc::make_mut(all)[place as u32 as usize] = copies;
    }

    /// The columns of the rows of these numbers, all stored.
    pub fn gather(&self, numbers: &[u32]) -> Result<Vec<ArrayRef>> {
        let mut dense = vec![u32::MAX; self.chunks.len()];
        let mut used: Vec<&RecordBatch> = Vec::new();
        let mut places = Vec::with_capacity(numbers.len());
        for &number in numbers {
            let place = self.places[number as usize];
            let id = (place >> 32) as usize;
            if dense[id] == u32::MAX {
                dense[id] = used.len() as u32;
                used.push(&self.chunks[id].as_ref().expect("a place points into a chunk that is there").chunk.batch);
            }
            places.push((dense[id] as usize, place as u32 as usize));
        }
        if used.len() == 1 {
            let rows: Vec<u32> = places.iter().map(|p| p.1 as u32).collect();
            return take_all(used[0].columns(), &rows);
        }
        let column = |c: usize| {
            if used.is_empty() {
                return Ok(arrow::array::new_empty_array(self.schema.field(c).data_type()));
            }
            let parts: Vec<&dyn Array> = used.iter().map(|b| b.column(c).as_ref()).collect();
            Ok(compute::interleave(&parts, &places)?)
        };
        (0..self.schema.fields().len()).map(column).collect()
    }

    /// Drops, rewrites and merges chunks; to be called at the end of a step.
    pub fn maintain(&mut self) -> Result<()> {
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_unstable();
        dirty.dedup();
        for id in dirty {
            let stored = self.chunks[id as usize].as_ref().expect("a dirty chunk is there");
            let (live, all) = (stored.chunk.rows_live, stored.chunk.batch.num_rows());
            if live * 2 < all {
                self.rewrite(&[id])?;
            }
        }
        while let [.., a, b] = self.tail[..] {
            let (a_rows, b_rows) = (self.live(a), self.live(b));
            if a_rows + b_rows > CHUNK_ROWS_MAX || a_rows > 2 * b_rows {
                break;
            }
            self.rewrite(&[a, b])?;
        }
        if self.tail.len() > 64 {
            let keep = self.tail.len() - 32;
            self.tail.drain(..keep);
        }
        Ok(())
    }

    fn live(&self, id: u32) -> usize {
        self.chunks[id as usize].as_ref().map_or(0, |s| s.chunk.rows_live)
    }

    /// Replaces these chunks by one of their live rows.
    fn rewrite(&mut self, ids: &[u32]) -> Result<()> {
        self.tail.retain(|t| !ids.contains(t));
        let (mut batches, mut owners, mut copies, mut age) = (Vec::new(), Vec::new(), Vec::new(), u64::MAX);
        for &id in ids {
            let stored = self.chunks[id as usize].take().expect("a chunk to be rewritten is there");
            self.free.push(id);
            age = age.min(stored.age);
            self.rows -= stored.chunk.rows_live;
            self.bytes -= batch_bytes(&stored.chunk.batch);
            let live = stored.chunk.live_rows();
            owners.extend(stored.owners_live());
            copies.extend(live.iter().map(|&r| stored.chunk.copies.as_ref().map_or(1, |c| c[r as usize])));
            batches.push(stored.chunk.rows_once()?);
        }
        let batch = if batches.len() == 1 { batches.swap_remove(0) } else { compute::concat_batches(&self.schema, &batches)? };
        if batch.num_rows() > 0 {
            self.add_chunk(batch, owners, Some(copies), age)?;
        }
        Ok(())
    }

    /// The chunks that hold live rows, as they are now. Cost O(chunks).
    pub fn snapshot(&self) -> Arc<[Chunk]> {
        self.by_age().into_iter().map(|s| s.chunk.clone()).collect()
    }

    /// The chunks that hold live rows, the oldest first.
    fn by_age(&self) -> Vec<&Stored> {
        let mut stored: Vec<&Stored> = self.chunks.iter().flatten().filter(|s| s.chunk.rows_live > 0).collect();
        stored.sort_unstable_by_key(|s| s.age);
        stored
    }

    /// All live rows with their numbers, the oldest first, as they are now. Cost O(rows), for the numbers alone.
    pub fn numbered(&self) -> Vec<Numbered> {
        self.by_age().into_iter().cloned().map(Numbered).collect()
    }

    /// Writes all live rows with their numbers. Cost O(rows).
    pub fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        let live = self.by_age();
        out.u64(live.len() as u64);
        for stored in live {
            let rows = stored.chunk.live_rows();
            out.batch(&compact_views(&stored.chunk.rows_once()?)?)?;
            out.u32s(stored.owners_live());
            let copies: Vec<i64> = rows.iter().filter_map(|&r| stored.chunk.copies.as_ref().map(|c| c[r as usize])).collect();
            out.i64s(&copies);
        }
        Ok(())
    }

    /// Reads what `save` wrote, into an empty store. `slots` is the count of numbers that exist.
    pub fn load(&mut self, input: &mut StateReader<'_>, slots: usize) -> Result<()> {
        for _ in 0..input.u64()? {
            let (batch, owners, copies) = (input.batch()?, input.u32s()?, input.i64s()?);
            let fits = |n: usize| n == 0 || n == batch.num_rows();
            if !fits(owners.len()) || !fits(copies.len()) || owners.iter().any(|&o| o as usize >= slots) {
                return Err(damaged("row numbers"));
            }
            let batch = batch_of(&self.schema, batch.columns().to_vec(), batch.num_rows())?;
            self.next += 1;
            self.add_chunk(batch, owners, Some(copies).filter(|c| !c.is_empty()), self.next)?;
        }
        Ok(())
    }
}

/// Bytes of a batch that may be a slice of a larger one: its own share of those.
fn batch_bytes(batch: &RecordBatch) -> usize {
    let slice = |c: &ArrayRef| match c.data_type() {
        DataType::Utf8View => view_bytes(c.as_string_view()),
        DataType::BinaryView => view_bytes(c.as_binary_view()),
        _ => c.to_data().get_slice_memory_size().unwrap_or_else(|_| c.get_buffer_memory_size()),
    };
    batch.columns().iter().map(slice).sum()
}

/// The views of a slice, and the strings that they are of.
fn view_bytes<T: ByteViewType>(array: &GenericByteViewArray<T>) -> usize {
    let strings: usize = array.data_buffers().iter().map(Buffer::capacity).sum();
    size_of_val::<[u128]>(array.views()) + strings + array.nulls().map_or(0, |nulls| nulls.len().div_ceil(8))
}

/// The columns as a store keeps them: strings in views without what pins much more memory than they use, chunk by chunk. Two stores that
/// are given them keep the same bytes.
pub fn compacted(columns: &[ArrayRef], rows: usize) -> Result<Vec<ArrayRef>> {
    let compact = |column: &ArrayRef| -> Result<ArrayRef> {
        if !matches!(column.data_type(), DataType::Utf8View | DataType::BinaryView) {
            return Ok(column.clone());
        }
        let chunk = |start: usize| compact_column(&column.slice(start, CHUNK_ROWS_MAX.min(rows - start)));
        let chunks: Vec<ArrayRef> = (0..rows).step_by(CHUNK_ROWS_MAX).map(chunk).collect();
        Ok(match chunks.as_slice() {
            [only] => only.clone(),
            [] => column.clone(),
            // A concatenation of views copies no strings.
            chunks => compute::concat(&chunks.iter().map(AsRef::as_ref).collect::<Vec<_>>())?,
        })
    };
    columns.iter().map(compact).collect()
}

/// The batch with string views copied out of buffers of which they use less than half, and without buffers that they do not use.
fn compact_views(batch: &RecordBatch) -> Result<RecordBatch> {
    batch_of(&batch.schema(), batch.columns().iter().map(compact_column).collect(), batch.num_rows())
}

fn compact_column(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Utf8View => compact_array(column.as_string_view()),
        DataType::BinaryView => compact_array(column.as_binary_view()),
        _ => column.clone(),
    }
}

/// Bytes of a buffer that may lie fallow, whatever their share.
const FALLOW_BYTES: usize = 4_096;

fn compact_array<T: ByteViewType>(array: &GenericByteViewArray<T>) -> ArrayRef {
    let buffers = array.data_buffers();
    let mut used = vec![0usize; buffers.len()];
    let views = array.views().iter().map(|view| ByteView::from(*view));
    views.clone().filter(|view| view.length > MAX_INLINE_VIEW_LEN).for_each(|v| used[v.buffer_index as usize] += v.length as usize);
    let is_sparse = |used: usize, held: usize| held > FALLOW_BYTES && used * 2 < held;
    let held: usize = buffers.iter().zip(&used).filter(|(_, used)| **used > 0).map(|(buffer, _)| buffer.capacity()).sum();
    let keeps: Vec<bool> = buffers.iter().zip(&used).map(|(b, used)| *used > 0 && !is_sparse(*used, b.capacity())).collect();
    let copied: usize = used.iter().zip(&keeps).filter(|(_, keeps)| !**keeps).map(|(used, _)| used).sum();
    // A view has 31 bits for where its string stands.
    if is_sparse(used.iter().sum(), held) || i32::try_from(copied).is_err() {
        return Arc::new(array.gc());
    }
    if keeps.iter().all(|keeps| *keeps) {
        return Arc::new(array.clone());
    }
    let mut kept: Vec<Buffer> = Vec::new();
    let mut places: Vec<Option<u32>> = Vec::new();
    for (buffer, keeps) in buffers.iter().zip(keeps) {
        places.push(keeps.then_some(kept.len() as u32));
        kept.extend(keeps.then(|| buffer.clone()));
    }
    let mut strings = Vec::with_capacity(copied);
    let moved = views.map(|view| {
        if view.length <= MAX_INLINE_VIEW_LEN {
            return view.as_u128();
        }
        let place = places[view.buffer_index as usize].map(|index| (index, view.offset)).unwrap_or_else(|| {
            let start = view.offset as usize;
            let at = strings.len() as u32;
            strings.extend_from_slice(&buffers[view.buffer_index as usize][start..start + view.length as usize]);
            (kept.len() as u32, at)
        });
        ByteView { buffer_index: place.0, offset: place.1, ..view }.as_u128()
    });
    let moved: ScalarBuffer<u128> = moved.collect::<Vec<_>>().into();
    if !strings.is_empty() {
        kept.push(Buffer::from_vec(strings));
    }
    // SAFETY: each view is of the bytes that it was of before, wherever they stand now; short ones hold theirs.
    Arc::new(unsafe { GenericByteViewArray::<T>::new_unchecked(moved, kept, array.nulls().cloned()) })
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringViewArray};
    use arrow::datatypes::{Field, Schema};

    use super::*;

    #[test]
    fn rows_that_count_often_are_read_piece_by_piece() {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let mut store = RowStore::new(schema);
        store.insert(&[Arc::new(Int64Array::from(vec![1, 2, 3]))], &[0, 1, 2]).unwrap();
        let rows = |store: &RowStore| store.snapshot().iter().map(Chunk::rows).sum::<usize>();
        store.set_copies(1, 100_000);
        let read: Vec<usize> = store.snapshot()[0].batches(Some(&[0])).map(|batch| batch.unwrap().num_rows()).collect();
        assert_eq!((read, rows(&store)), (vec![COPIES_ROWS, 100_002 - COPIES_ROWS], 100_002));
        store.set_copies(0, 1 << 40);
        let first = store.snapshot()[0].batches(None).take(2).map(|batch| batch.unwrap().num_rows()).sum::<usize>();
        assert_eq!((first, rows(&store)), (2 * COPIES_ROWS, (1 << 40) + 100_001));
    }

    #[test]
    fn many_rows_at_once_take_no_more_bytes_than_a_few_at_a_time() {
        let schema = Arc::new(Schema::new(vec![Field::new("s", DataType::Utf8View, false)]));
        let texts = |rows: usize| -> ArrayRef { Arc::new(StringViewArray::from_iter_values((0..rows).map(|i| format!("text {i}")))) };
        let (mut few, mut many) = (RowStore::new(schema.clone()), RowStore::new(schema));
        const PARTS: usize = 20;
        for _ in 0..PARTS {
            few.insert_anonymous(&[texts(CHUNK_ROWS_MAX)], CHUNK_ROWS_MAX).unwrap();
        }
        let rows = PARTS * CHUNK_ROWS_MAX;
        many.insert_anonymous(&[texts(rows)], rows).unwrap();
        assert_eq!(many.bytes(), few.bytes());
        assert_eq!(many.bytes(), rows * (size_of::<u128>() + size_of::<u32>()));
    }

    #[test]
    fn rows_are_found_after_many_rewrites() {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false), Field::new("s", DataType::Utf8View, false)]));
        let mut store = RowStore::new(schema);
        let mut stored = std::collections::BTreeMap::new();
        for step in 0..60i64 {
            let numbers: Vec<u32> = (0..40).map(|i| (i * 7 + step as u32 * 13) % 300).collect();
            numbers.iter().for_each(|&n| store.remove(n));
            let values: Vec<i64> = numbers.iter().map(|&n| i64::from(n) * 1000 + step).collect();
            let texts: Vec<String> = values.iter().map(|v| format!("a text that is longer than a view {v}")).collect();
            numbers.iter().zip(&values).for_each(|(&n, &v)| {
                stored.insert(n, v);
            });
            store.insert(&[Arc::new(Int64Array::from(values)), Arc::new(StringViewArray::from(texts))], &numbers).unwrap();
            store.maintain().unwrap();
        }
        let numbers: Vec<u32> = stored.keys().copied().collect();
        let columns = store.gather(&numbers).unwrap();
        assert_eq!(
            columns[0].as_primitive::<arrow::datatypes::Int64Type>().values().to_vec(),
            stored.values().copied().collect::<Vec<_>>()
        );
        assert_eq!(store.snapshot().iter().map(Chunk::rows).sum::<usize>(), stored.len());
        assert!(store.snapshot().len() < 12, "small chunks are merged: {}", store.snapshot().len());
    }

    #[test]
    fn rows_that_only_come_stay_in_their_order_when_the_oldest_go() {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let mut store = RowStore::new(schema);
        let (mut next, mut gone) = (0i64, 0i64);
        let insert = |store: &mut RowStore, next: &mut i64, rows: i64| {
            store.insert_anonymous(&[Arc::new(Int64Array::from_iter_values(*next..*next + rows))], rows as usize).unwrap();
            store.maintain().unwrap();
            *next += rows;
        };
        for round in 0..40 {
            let seen = store.len();
            // Meanwhile chunks are merged with those of which the rows are to go.
            (0..round % 5).for_each(|i| insert(&mut store, &mut next, 1 + (round * 7 + i * 3) % 11));
            store.remove_oldest(seen).unwrap();
            gone += seen as i64;
            (0..round % 7).for_each(|i| insert(&mut store, &mut next, 1 + (round + i) % 5));
            let rows: Vec<i64> = store
                .snapshot()
                .iter()
                .flat_map(|c| c.batches(None).map(Result::unwrap).collect::<Vec<_>>())
                .flat_map(|batch| batch.column(0).as_primitive::<arrow::datatypes::Int64Type>().values().to_vec())
                .collect();
            assert_eq!(rows, (gone..next).collect::<Vec<_>>(), "round {round}");
            assert_eq!(store.len(), rows.len());
        }
    }

    #[test]
    fn strings_that_were_compacted_are_kept_as_they_are_and_others_are_not_pinned() {
        let text = |i: usize| format!("a text that is longer than a view {i}");
        let whole = StringViewArray::from_iter_values((0..4_000).map(text));
        let other = StringViewArray::from_iter_values((4_000..8_000).map(text));
        // All of the first and a tenth of the second.
        let rows: Vec<(usize, usize)> = (0..4_000).map(|i| (0, i)).chain((0..400).map(|i| (1, i))).collect();
        let both = compute::interleave(&[&whole, &other], &rows).unwrap();
        let compact = compacted(std::slice::from_ref(&both), both.len()).unwrap();
        assert_eq!(&compact[0], &both);
        let buffers = |array: &ArrayRef| array.as_string_view().data_buffers().to_vec();
        let bytes = |array: &ArrayRef| buffers(array).iter().map(Buffer::capacity).sum::<usize>();
        assert!(bytes(&compact[0]) * 3 < bytes(&both) * 2, "{} of {}", bytes(&compact[0]), bytes(&both));
        assert!(
            buffers(&both).iter().any(|b| buffers(&compact[0]).iter().any(|c| c.as_ptr() == b.as_ptr())),
            "what is dense is not copied"
        );
        let again = compacted(&compact, both.len()).unwrap();
        let pointers = |array: &ArrayRef| buffers(array).iter().map(|b| b.as_ptr()).collect::<Vec<_>>();
        assert_eq!(pointers(&again[0]), pointers(&compact[0]));
        let few = compacted(&[both.slice(4_100, 10)], 10).unwrap();
        assert_eq!(few[0].as_string_view().value(9), text(4_109));
        assert!(bytes(&few[0]) < 8_192 + FALLOW_BYTES);
    }
}
