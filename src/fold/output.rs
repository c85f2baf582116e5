//! The materialised result of a view: what readers scan and probe.
//!
//! Rows stand in a [`RowStore`], so that a [`Snapshot`] is a clone of `Arc`s. Of a result that only grows, and has no key, the older rows may
//! stand in files instead ([`Output::move_to`]): the engine writes them, when there are many, and a checkpoint only names them. Where it has a
//! key, rows are also found by other columns or by what is computed of them, once they have been asked for so ([`Output::index_by`]): such an
//! index is kept up from then on, and is in no checkpoint. One whose keys cannot be computed any more is forgotten; whoever asks for it next
//! is told why.
//!
//! Three ways, picked when it is built: append-only without a key keeps no index at all; with a key, the index has the key only, and the
//! retraction and insertion of a key is an update in place of its entry; else the index has whole rows, and equal rows are one row with a count.
//!
//! [`Output::apply`] takes one step's deltas and answers the net change, for the views over this one. With a key, whole rows are not encoded
//! for that ([`Output::pair`]): a key that comes at most once with each sign, as from an aggregate, is changed once, and where a row comes and
//! goes again within the step, as while a top-n is filled, the two are compared and left out. Only what is left then with several changes of a
//! key is consolidated.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;

use super::eval::{batch_of, concat_deltas, consolidate, replace, same_pairs, take_all};
use super::key_index::{Equality, KeyIndex, NONE};
use super::marks::Marks;
use super::row_keys::RowKeys;
use super::value_index::{IndexAside, IndexMade, ValueIndex};
use super::warm::TOGETHER;
use super::{Chunk, RowStore, StateReader, StateWriter, Within};
use crate::data::{Delta, Position, RowBatches, RowFile};
use crate::error::{Error, Result};

/// The rows of a view at one moment; cheap to clone and to hold.
#[derive(Clone)]
pub struct Snapshot {
    /// The schema of the rows.
    pub schema: SchemaRef,
    /// Files with the oldest rows, the oldest first.
    pub files: Arc<[Arc<dyn RowFile>]>,
    /// The chunks with the others; those of a result that only grows as they came.
    pub chunks: Arc<[Chunk]>,
    /// Rows in all files and chunks.
    pub rows: usize,
}

impl Snapshot {
    /// True if its rows are better read one batch after the other: some stand in files, or there are many more of them than take memory.
    pub fn is_streamed(&self) -> bool {
        const MORE_ROWS: usize = 1 << 20;
        let in_memory: usize = self.chunks.iter().map(|chunk| chunk.raw().num_rows()).sum();
        !self.files.is_empty() || self.rows > in_memory + MORE_ROWS
    }

    /// The same without blocks of rows in memory in which some condition is not met; unless `make`, as far as that is known, because somebody
    /// has asked about these columns before. Cost: see [`Chunk::within`].
    pub fn within(self, conditions: &[Within], make: bool) -> Snapshot {
        if conditions.is_empty() {
            return self;
        }
        let all: usize = self.chunks.iter().map(Chunk::rows).sum();
        let chunks: Arc<[Chunk]> = self.chunks.iter().flat_map(|chunk| chunk.within(conditions, make)).collect();
        Snapshot { rows: self.rows.saturating_sub(all) + chunks.iter().map(Chunk::rows).sum::<usize>(), chunks, ..self }
    }

    /// The rows in batches, only the columns `projection` (all if `None`); files are read one after the other.
    pub fn batches(&self, projection: Option<&[usize]>) -> RowBatches {
        self.batches_between(projection, None)
    }

    /// The same of rows with ascending positions: files are read only as far as rows are within, chunks are given whole.
    pub fn batches_between(&self, projection: Option<&[usize]>, positions: Option<Range<Position>>) -> RowBatches {
        let (files, chunks) = (self.files.clone(), self.chunks.clone());
        let (columns, own) = (projection.map(<[usize]>::to_vec), projection.map(<[usize]>::to_vec));
        let in_files = (0..files.len()).flat_map(move |i| match files[i].read(columns.as_deref(), positions.clone()) {
            Ok(batches) => batches,
            Err(e) => Box::new(std::iter::once(Err(e))),
        });
        Box::new(in_files.chain((0..chunks.len()).flat_map(move |i| chunks[i].batches(own.as_deref()))))
    }
}

/// The materialised result of a view.
pub struct Output {
    schema: SchemaRef,
    key: Option<Vec<usize>>,
    append_only: bool,
    /// Made with the first rows, since types that cannot be indexed are an error then; absent if append-only without a key.
    index: Option<KeyIndex>,
    /// Files with the oldest rows of a result that only grows.
    files: Arc<[Arc<dyn RowFile>]>,
    rows: RowStore,
    /// Rows with a key by other keys.
    by_values: Vec<ValueIndex>,
    /// The chunks as they are now, once somebody has asked for them.
    chunks: OnceLock<Arc<[Chunk]>>,
    /// Count of each row, by number; without a key only.
    counts: Vec<i64>,
    /// Rows, each as often as it counts.
    total: usize,
    /// The keys that the step at hand has touched, and where each stands among its changes.
    marks: Marks<u32>,
}

/// What a step does to one key: the rows of the delta that insert and retract it.
#[derive(Clone, Copy)]
struct KeyChange {
    number: u32,
    insert: u32,
    retract: u32,
}

/// Rows of a delta that seem to be inserted and then retracted.
#[derive(Default)]
struct Passing {
    /// Where the change of its key stands.
    places: Vec<u32>,
    inserts: Vec<u32>,
    retracts: Vec<u32>,
}

impl Passing {
    fn add(&mut self, place: u32, insert: u32, retract: u32) {
        self.places.push(place);
        self.inserts.push(insert);
        self.retracts.push(retract);
    }

    /// Leaves the two out where they are one row, and else has them be the change of their key; false if that has another already.
    fn settle(&self, columns: &[ArrayRef], changes: &mut [KeyChange]) -> Result<bool> {
        let mut alike = same_pairs(columns, &self.inserts, &self.retracts)?.into_iter().peekable();
        for (i, &place) in self.places.iter().enumerate() {
            if alike.next_if_eq(&(i as u32)).is_some() {
                continue;
            }
            let change = &mut changes[place as usize];
            if change.insert != NONE || change.retract != NONE {
                return Ok(false);
            }
            (change.insert, change.retract) = (self.inserts[i], self.retracts[i]);
        }
        Ok(true)
    }
}

impl Output {
    /// An empty result. `key`: columns that identify a row, if known. `append_only`: no row is ever retracted.
    pub fn new(schema: SchemaRef, key: Option<Vec<usize>>, append_only: bool) -> Self {
        let rows = RowStore::new(schema.clone());
        Output {
            schema,
            key,
            append_only,
            index: None,
            files: Arc::new([]),
            rows,
            by_values: Vec::new(),
            chunks: OnceLock::new(),
            counts: Vec::new(),
            total: 0,
            marks: Marks::default(),
        }
    }

    /// The columns that identify a row, if known.
    pub fn key(&self) -> Option<&[usize]> {
        self.key.as_deref()
    }

    /// The schema of the rows.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// Rows, each as often as it counts.
    pub fn rows(&self) -> usize {
        self.total
    }

    /// Applies one step's deltas; answers the net change, `None` if nothing changed. Cost: O(rows of the deltas) whatever the
    /// size of the result. Errors: XX000 for a row retracted that is not there, or two rows of one key.
    pub fn apply(&mut self, deltas: Vec<Delta>) -> Result<Option<Delta>> {
        if deltas.iter().all(|delta| delta.num_rows() == 0) {
            return Ok(None);
        }
        self.chunks.take();
        let change = if self.only_grows() {
            self.apply_growth(deltas)
        } else if self.key.is_some() {
            self.apply_keyed(deltas)
        } else {
            self.apply_bag(deltas)
        }?;
        self.rows.maintain()?;
        Ok(change)
    }

    /// The same where nobody asks for the change: the rows of a result that only grows are then stored as they came, and not copied
    /// together first.
    pub fn absorb(&mut self, deltas: Vec<Delta>) -> Result<()> {
        if self.only_grows() {
            return deltas.into_iter().try_for_each(|delta| self.apply(vec![delta]).map(drop));
        }
        self.apply(deltas).map(drop)
    }

    fn apply_growth(&mut self, deltas: Vec<Delta>) -> Result<Option<Delta>> {
        let Some(delta) = concat_deltas(&self.schema, deltas)? else { return Ok(None) };
        let delta = match &delta.weights {
            None => delta,
            Some(weights) if weights.values().iter().any(|w| *w < 0) => {
                return Err(Error::internal("a row was retracted from a result that only grows"));
            }
            Some(weights) => {
                let copies = |(i, w): (usize, &i64)| std::iter::repeat_n(i as u32, *w as usize);
                let all: Vec<u32> = weights.values().iter().enumerate().flat_map(copies).collect();
                Delta::insert(batch_of(&self.schema, take_all(delta.batch.columns(), &all)?, all.len())?)
            }
        };
        self.rows.insert_anonymous(delta.batch.columns(), delta.num_rows())?;
        self.total += delta.num_rows();
        Ok((delta.num_rows() > 0).then_some(delta))
    }

    fn index(&mut self) -> Result<&mut KeyIndex> {
        if self.index.is_none() {
            let field = |c: usize| self.schema.field(c).data_type().clone();
            let (types, equality): (Vec<DataType>, _) = match &self.key {
                Some(key) => (key.iter().map(|&k| field(k)).collect(), Equality::Sql),
                None => ((0..self.schema.fields().len()).map(field).collect(), Equality::Exact),
            };
            self.index = Some(KeyIndex::new(&types, equality)?);
        }
        self.index.as_mut().ok_or_else(|| Error::internal("the index was just made"))
    }

    fn apply_bag(&mut self, deltas: Vec<Delta>) -> Result<Option<Delta>> {
        let Some(delta) = consolidate(&self.schema, deltas)? else { return Ok(None) };
        let (mut numbers, mut fresh) = (Vec::new(), Vec::new());
        self.index()?.intern(delta.batch.columns(), delta.num_rows(), &mut numbers, &mut fresh)?;
        let slots = self.index()?.slots();
        self.counts.resize(slots, 0);
        let before = |n: u32| self.counts[n as usize];
        if numbers.iter().enumerate().any(|(i, &n)| before(n) + delta.weight(i) < 0) {
            return Err(Error::internal("a row was retracted that is not in the result"));
        }
        let new: Vec<u32> = (0..numbers.len() as u32).filter(|&i| before(numbers[i as usize]) == 0).collect();
        let owners: Vec<u32> = new.iter().map(|&i| numbers[i as usize]).collect();
        let columns = take_all(delta.batch.columns(), &new)?;
        self.rows.insert(&columns, &owners)?;
        self.index_values(columns, &owners)?;
        for (i, &number) in numbers.iter().enumerate() {
            let count = &mut self.counts[number as usize];
            *count += delta.weight(i);
            self.total = self.total.saturating_add_signed(delta.weight(i) as isize);
            if *count > 0 {
                self.rows.set_copies(number, *count);
            } else {
                self.rows.remove(number);
                self.by_values.iter_mut().for_each(|index| index.remove(number));
                self.index.as_mut().expect("made above").release(number);
            }
        }
        Ok(Some(delta))
    }

    fn apply_keyed(&mut self, deltas: Vec<Delta>) -> Result<Option<Delta>> {
        let Some(delta) = concat_deltas(&self.schema, deltas)? else { return Ok(None) };
        let key = self.key.clone().unwrap_or_default();
        if let Some(changes) = self.pair(&key, &delta)? {
            return self.update(&delta, changes);
        }
        let Some(delta) = consolidate(&self.schema, vec![delta])? else {
            return Ok(None);
        };
        let changes = self.pair(&key, &delta)?.ok_or_else(|| Error::internal("two rows of a result have one key"))?;
        self.update(&delta, changes)
    }

    /// What `delta` does to each key, in order of first appearance, without the rows that come and go again in it; `None` if some key is left
    /// with more than one row of one sign.
    fn pair(&mut self, key: &[usize], delta: &Delta) -> Result<Option<Vec<KeyChange>>> {
        let columns: Vec<ArrayRef> = key.iter().map(|&k| delta.batch.column(k).clone()).collect();
        let (gone, replaced) = replaced(&columns, delta);
        let (mut numbers, mut others, mut fresh) = (Vec::new(), Vec::new(), Vec::new());
        let part = |from: usize, rows: usize| columns.iter().map(|column| column.slice(from, rows)).collect::<Vec<_>>();
        let rest = delta.num_rows() - gone - replaced;
        let index = self.index()?;
        index.intern(&part(0, gone), gone, &mut numbers, &mut fresh)?;
        index.intern(&part(gone + replaced, rest), rest, &mut others, &mut fresh)?;
        let slots = index.slots();
        self.marks.begin(slots);
        numbers.extend_from_within(..replaced);
        numbers.append(&mut others);
        let side_by_side = (0..replaced).flat_map(|i| [i, gone + i]);
        let rows = side_by_side.chain(replaced..gone).chain(gone + replaced..numbers.len());
        let mut changes: Vec<KeyChange> = Vec::new();
        let mut passing = Passing::default();
        let mut once = true;
        for i in rows {
            let number = numbers[i];
            if i % TOGETHER == 0 {
                self.marks.warm(&numbers[i..numbers.len().min(i + TOGETHER)]);
            }
            let place = self.marks.mark(number, changes.len() as u32).unwrap_or_else(|| {
                changes.push(KeyChange { number, insert: NONE, retract: NONE });
                changes.len() as u32 - 1
            });
            let change = &mut changes[place as usize];
            match delta.weight(i) {
                1 if change.insert == NONE => change.insert = i as u32,
                -1 if change.insert != NONE => passing.add(place, std::mem::replace(&mut change.insert, NONE), i as u32),
                -1 if change.retract == NONE => change.retract = i as u32,
                _ => {
                    once = false;
                    break;
                }
            }
        }
        if once && passing.settle(delta.batch.columns(), &mut changes)? {
            return Ok(Some(changes));
        }
        // Keys that are not stored must not stay in the index if this delta comes to nothing.
        fresh.into_iter().for_each(|n| self.index.as_mut().expect("made above").release(n));
        Ok(None)
    }

    /// Applies at most one insertion and one retraction per key.
    fn update(&mut self, delta: &Delta, mut changes: Vec<KeyChange>) -> Result<Option<Delta>> {
        let columns = delta.batch.columns();
        // A retraction and an insertion of one key is an update, unless both are of the same row, which is nothing.
        let both: Vec<u32> =
            (0..changes.len() as u32).filter(|&c| changes[c as usize].insert != NONE && changes[c as usize].retract != NONE).collect();
        let inserted: Vec<u32> = both.iter().map(|&c| changes[c as usize].insert).collect();
        let retracted: Vec<u32> = both.iter().map(|&c| changes[c as usize].retract).collect();
        for at in same_pairs(columns, &inserted, &retracted)? {
            let change = &mut changes[both[at as usize] as usize];
            (change.insert, change.retract) = (NONE, NONE);
        }
        let (mut removed, mut added, mut owners) = (Vec::new(), Vec::new(), Vec::new());
        for (at, change) in changes.iter().enumerate() {
            if at % TOGETHER == 0 {
                self.rows.warm(changes[at..].iter().take(TOGETHER).map(|change| change.number));
            }
            let there = self.rows.contains(change.number);
            match (there, change.retract != NONE, change.insert != NONE) {
                (true, false, true) => return Err(Error::internal("two rows of a result have one key")),
                (false, true, _) => return Err(Error::internal("a row was retracted that is not in the result")),
                _ => {}
            }
            if change.retract != NONE {
                self.rows.remove(change.number);
                self.by_values.iter_mut().for_each(|index| index.remove(change.number));
                removed.push(change.retract);
            }
            if change.insert != NONE {
                added.push(change.insert);
                owners.push(change.number);
            }
        }
        let after = take_all(columns, &added)?;
        self.rows.insert(&after, &owners)?;
        self.index_values(after.clone(), &owners)?;
        for change in changes.iter().filter(|c| !self.rows.contains(c.number)) {
            self.index.as_mut().expect("made when paired").release(change.number);
        }
        self.total = self.rows.len();
        let before = (take_all(columns, &removed)?, removed.len());
        replace(&self.schema, before, (after, added.len()))
    }

    /// Lets rows that were stored under these numbers be found by other keys than their own too.
    fn index_values(&mut self, columns: Vec<ArrayRef>, numbers: &[u32]) -> Result<()> {
        if !self.by_values.is_empty() {
            let rows = batch_of(&self.schema, columns, numbers.len())?;
            self.by_values.retain_mut(|index| index.add(&rows, numbers).is_ok());
        }
        Ok(())
    }

    /// The rows as they are now. Cost O(chunks).
    pub fn snapshot(&self) -> Snapshot {
        let chunks = self.chunks.get_or_init(|| self.rows.snapshot()).clone();
        Snapshot { schema: self.schema.clone(), files: self.files.clone(), chunks, rows: self.total }
    }

    /// True if no row ever goes and none has a key.
    pub fn only_grows(&self) -> bool {
        self.append_only && self.key.is_none()
    }

    /// Bytes of memory that its rows take which may as well stand in a file: those of a result that only grows.
    pub fn movable_bytes(&self) -> usize {
        if self.only_grows() { self.rows.bytes() } else { 0 }
    }

    /// Bytes of the files that its older rows stand in.
    pub fn file_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes()).sum()
    }

    /// Its oldest rows in memory stand in `file` from now on. Cost O(chunks).
    pub fn move_to(&mut self, file: Arc<dyn RowFile>) -> Result<()> {
        if self.movable_bytes() == 0 || file.rows() > self.rows.len() {
            return Err(Error::internal("these rows are not there to be moved"));
        }
        self.chunks.take();
        self.rows.remove_oldest(file.rows())?;
        self.files = self.files.iter().cloned().chain([file]).collect();
        Ok(())
    }

    /// The rows of `file`, where they stand already, come behind those that there are. Errors: XX000 unless the result only grows and has
    /// none in memory.
    pub fn append_file(&mut self, file: Arc<dyn RowFile>) -> Result<()> {
        if !self.only_grows() || !self.rows.is_empty() {
            return Err(Error::internal("rows of a file must come before those in memory"));
        }
        self.chunks.take();
        self.total += file.rows();
        self.files = self.files.iter().cloned().chain([file]).collect();
        Ok(())
    }

    /// The files go once nobody reads them any more.
    pub fn doom_files(&self) {
        self.files.iter().for_each(|file| file.doom());
    }

    /// The names of the files that its older rows stand in.
    pub fn file_names(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| file.name())
    }

    /// True if the rows are those of the snapshot still.
    pub fn is_at(&self, snapshot: &Snapshot) -> bool {
        self.chunks.get().is_some_and(|chunks| Arc::ptr_eq(chunks, &snapshot.chunks))
    }

    /// True if rows are found by these keys.
    pub fn is_indexed_by(&self, by: &RowKeys) -> bool {
        self.is_key(by) || self.by_values.iter().any(|index| index.by() == by)
    }

    /// True for the columns that identify a row.
    fn is_key(&self, by: &RowKeys) -> bool {
        self.key.as_ref().is_some_and(|key| *by == RowKeys::Columns(key.clone()))
    }

    /// Lets rows be found by these keys. Cost O(rows) the first time. Errors: 0A000 if the result only grows, where rows have no
    /// numbers, or for a type that has no order; what computing a key raises.
    pub fn index_by(&mut self, by: &RowKeys) -> Result<()> {
        if self.is_indexed_by(by) {
            return Ok(());
        }
        let made = self.index_aside(by)?.finish()?;
        self.by_values.push(made.index);
        Ok(())
    }

    /// What it takes to make such an index while others use the result. Cost O(rows), for their numbers alone. Errors: 0A000 as above.
    pub fn index_aside(&self, by: &RowKeys) -> Result<IndexAside> {
        if self.only_grows() {
            return Err(no_key());
        }
        Ok(IndexAside { index: ValueIndex::new(&self.schema, by)?, rows: self.rows.numbered(), of: self.snapshot() })
    }

    /// Takes an index that was made aside, or makes another where rows have changed since then.
    pub fn adopt(&mut self, made: IndexMade) -> Result<()> {
        if !self.is_at(&made.of) {
            return self.index_by(&made.index.by().clone());
        }
        if !self.is_indexed_by(made.index.by()) {
            self.by_values.push(made.index);
        }
        Ok(())
    }

    /// Forgets the indexes by other keys than those that are wanted.
    pub fn retain_indexes(&mut self, wanted: impl Fn(&RowKeys) -> bool) {
        self.by_values.retain(|index| wanted(index.by()));
    }

    /// The rows that have one of these keys, each as often as it counts. `None` if they are not indexed by them.
    pub fn find(&self, by: &RowKeys, keys: &[ArrayRef]) -> Result<Option<RecordBatch>> {
        self.find_few(by, keys, usize::MAX)
    }

    /// The same if they are at most so many.
    pub fn find_few(&self, by: &RowKeys, keys: &[ArrayRef], most: usize) -> Result<Option<RecordBatch>> {
        let count = keys.first().map_or(0, |v| v.len());
        let mut numbers = match self.by_values.iter().find(|index| index.by() == by) {
            Some(index) => index.find(&in_order(index.by(), by, keys), count)?,
            None if self.is_key(by) => {
                let own = RowKeys::Columns(self.key.clone().unwrap_or_default());
                self.index.as_ref().map_or(Ok(Vec::new()), |index| index.find(&in_order(&own, by, keys), count))?
            }
            None => return Ok(None),
        };
        numbers.retain(|number| self.rows.contains(*number));
        numbers.sort_unstable();
        numbers.dedup();
        let count = |number: &u32| self.counts.get(*number as usize).map_or(1, |count| usize::try_from(*count).unwrap_or(0));
        if numbers.iter().map(count).fold(0, usize::saturating_add) > most {
            return Ok(None);
        }
        if !self.counts.is_empty() {
            numbers = numbers.into_iter().flat_map(|number| std::iter::repeat_n(number, count(&number))).collect();
        }
        Ok(Some(batch_of(&self.schema, self.rows.gather(&numbers)?, numbers.len())?))
    }

    /// The row of a key, given in the order of the key columns; one probe. Errors: 0A000 if the result has no key.
    pub fn lookup(&self, key: &[ScalarValue]) -> Result<Option<RecordBatch>> {
        let Some(columns) = &self.key else { return Err(no_key()) };
        let Some(index) = &self.index else { return Ok(None) };
        let cast = |(value, &column): (&ScalarValue, &usize)| Ok(value.cast_to(self.schema.field(column).data_type())?.to_array()?);
        let values = key.iter().zip(columns).map(cast).collect::<Result<Vec<_>>>()?;
        if values.len() != columns.len() {
            return Err(Error::internal("a key has another number of columns"));
        }
        self.row(index.find(&values, 1)?[0])
    }

    /// The row of a single integer (or date, or timestamp) key; one probe.
    pub fn lookup_i64(&self, key: i64) -> Result<Option<RecordBatch>> {
        if self.key.is_none() {
            return Err(no_key());
        }
        self.row(self.index.as_ref().map_or(NONE, |index| index.find_i64(key)))
    }

    fn row(&self, number: u32) -> Result<Option<RecordBatch>> {
        if !self.rows.contains(number) {
            return Ok(None);
        }
        Ok(Some(batch_of(&self.schema, self.rows.gather(&[number])?, 1)?))
    }

    /// Bytes of memory held, about, without indexes by other keys: those come with who asks for them.
    pub fn state_bytes(&self) -> usize {
        self.rows.bytes() + self.counts.capacity() * 8 + self.index.as_ref().map_or(0, KeyIndex::bytes)
    }

    /// The same with them.
    pub fn bytes(&self) -> usize {
        self.state_bytes() + self.by_values.iter().map(ValueIndex::bytes).sum::<usize>()
    }

    /// Writes the rows in memory, and the names of files. Cost O(rows in memory).
    pub fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        out.section("Output", |out| {
            out.u64(self.total as u64);
            out.i64s(&self.counts);
            out.bool(self.index.is_some());
            if let Some(index) = &self.index {
                index.save(out)?;
            }
            out.u64(self.files.len() as u64);
            self.files.iter().for_each(|file| out.row_file(file.as_ref()));
            self.rows.save(out)
        })
    }

    /// Reads what `save` wrote, into a result built alike. Errors: XX001 for damaged bytes; the result must then be dropped.
    pub fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        *self = Output::new(self.schema.clone(), self.key.clone(), self.append_only);
        input.section("Output", |input| {
            self.total = usize::try_from(input.u64()?).map_err(|_| super::state::damaged("row count"))?;
            self.counts = input.i64s()?;
            if input.bool()? {
                self.index()?.load(input)?;
            }
            let files = input.u64()?;
            self.files = (0..files).map(|_| input.row_file()).collect::<Result<_>>()?;
            let slots = self.index.as_ref().map_or(0, KeyIndex::slots);
            self.rows.load(input, slots)
        })
    }
}

/// How many rows a delta begins with that go; and for how many of those, from the first on, the rows behind them all have the same keys in the
/// same order, as where an aggregate's groups change. Then these keys need not be looked up twice. Keys that are equal and differ are none here.
fn replaced(keys: &[ArrayRef], delta: &Delta) -> (usize, usize) {
    let Some(weights) = &delta.weights else { return (0, 0) };
    let gone = weights.values().iter().take_while(|weight| **weight < 0).count();
    let both = gone.min(delta.num_rows() - gone);
    let same = keys.iter().all(|column| column.slice(0, both) == column.slice(gone, both));
    (gone, if same { both } else { 0 })
}

/// Keys that are given in the order of the columns of `by`, in that of the same columns of an index.
fn in_order(indexed: &RowKeys, by: &RowKeys, keys: &[ArrayRef]) -> Vec<ArrayRef> {
    match (indexed, by) {
        (RowKeys::Columns(indexed), RowKeys::Columns(columns)) => {
            let place = |c: &usize| columns.iter().position(|column| column == c);
            indexed.iter().filter_map(place).map(|i| keys[i].clone()).collect()
        }
        _ => keys.to_vec(),
    }
}

fn no_key() -> Error {
    Error::unsupported("a look-up by key in a result without a key").hint("Give the view a GROUP BY, or select with WHERE.")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;
    use proptest::prelude::*;

    use super::super::testing::{Bag, delta, schema, snapshot_bag, sum_up};
    use super::*;

    /// The row of a key; equal values have equal texts, which stand inside of their views or apart.
    fn row(key: i64, value: i64) -> (Option<i64>, Option<i64>, u8) {
        (Some(key), Some(value), (value % 3) as u8)
    }

    proptest! {
        /// A step sets and removes keys one after the other. In how many parts and in what order it says so does not matter.
        #[test]
        fn changes_of_a_key_come_in_any_order(
            steps in prop::collection::vec(prop::collection::vec((0i64..4, prop::option::of(0i64..4)), 1..10), 1..6),
            seed: u64,
            order in 0..3,
            part in 1usize..9,
        ) {
            let mut output = Output::new(schema(), Some(vec![0]), false);
            let mut table: BTreeMap<i64, i64> = BTreeMap::new();
            for step in steps {
                let before = table.clone();
                let mut rows = Vec::new();
                for (key, value) in step {
                    rows.extend(table.remove(&key).map(|old| (row(key, old), -1)));
                    if let Some(value) = value {
                        table.insert(key, value);
                        rows.push((row(key, value), 1));
                    }
                }
                if order == 1 {
                    rows.sort_by_key(|(_, weight)| *weight);
                } else if order == 2 {
                    let mut at = seed;
                    rows.sort_by_cached_key(|_| {
                        at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                        at >> 33
                    });
                }
                let change = output.apply(rows.chunks(part).map(delta).collect()).unwrap();
                let (mut told, mut expected) = (Bag::new(), Bag::new());
                sum_up(&mut told, change.as_slice());
                let weighted = |table: &BTreeMap<i64, i64>, weight: i64| table.iter().map(|(k, v)| (row(*k, *v), weight)).collect::<Vec<_>>();
                sum_up(&mut expected, &[delta(&weighted(&before, -1)), delta(&weighted(&table, 1))]);
                prop_assert_eq!(&told, &expected);
                prop_assert_eq!(change.map_or(0, |change| change.num_rows()), expected.len(), "nothing is told that is nothing");
                let mut rows = Bag::new();
                sum_up(&mut rows, &[delta(&weighted(&table, 1))]);
                prop_assert_eq!(snapshot_bag(&output), rows);
                for key in 0..4 {
                    let found = output.lookup(&[ScalarValue::Int64(Some(key))]).unwrap();
                    prop_assert_eq!(found.map(|b| b.column(1).as_primitive::<Int64Type>().value(0)), table.get(&key).copied());
                }
            }
        }
    }
}
