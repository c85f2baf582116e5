//! Keys to dense numbers: the part that all stateful operators share.
//!
//! A [`KeyIndex`] gives equal keys the same number, from 0 up, so that state is a vector indexed by it. NULL is a key value like
//! any other (that is grouping; joins leave NULLs out beforehand). Numbers that were released are given out again.
//!
//! Four codings, picked by the key's types: one fixed-width column of up to 64 bits is hashed as an integer, and the table holds
//! the integer itself; two of them likewise ([`super::key_pairs`]); one string or binary column is hashed and kept as its bytes;
//! everything else is arrow-row bytes. Bytes stand in one arena, which is rewritten when half of it is dead. The table is [`NumberTable`]'s,
//! which is asked for [`TOGETHER`] keys at a time.

use std::hash::BuildHasher;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryViewBuilder, LargeBinaryArray, LargeStringArray, LargeStringBuilder, PrimitiveArray,
    StringBuilder, StringViewBuilder,
};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::compute;
use arrow::datatypes::*;
use arrow::row::{RowConverter, SortField};
use foldhash::fast::FixedState;

use super::key_pairs::Pairs;
pub use super::number_table::NONE;
use super::number_table::{NumberTable, SlotKey, joined, marked};
use super::state::{StateReader, StateWriter, damaged};
use super::warm::TOGETHER;
use crate::data::json;
use crate::error::{Error, Result, code};
use crate::func::one_zeros;

/// When two keys are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Equality {
    /// As SQL's `IS NOT DISTINCT FROM`: -0.0 equals 0.0, all NaN are one, and the zeros at the end of a jsonb's numbers count for nothing.
    Sql,
    /// If their bytes are.
    Exact,
}

/// Keys of fixed column types, each with a dense number.
pub struct KeyIndex {
    types: Vec<DataType>,
    equality: Equality,
    keys: Keys,
    /// Released numbers, to be given out again.
    free: Vec<u32>,
    /// Numbers given out so far, live or free.
    slots: usize,
    /// The number of the key NULL, for the codings of one column.
    null: u32,
}

enum Keys {
    Fixed { table: NumberTable<Integer>, values: Vec<i64> },
    Pairs(Pairs),
    Bytes { table: NumberTable<Hash>, arena: Arena, coding: Coding },
}

#[derive(Clone, Copy, PartialEq)]
struct Integer(i64);

impl SlotKey for Integer {
    type Slot = [u32; 3];
    #[inline]
    fn hash(&self) -> u64 {
        mix(self.0)
    }
    #[inline]
    fn marked(self, mark: u32) -> [u32; 3] {
        marked(self.0 as u64, mark)
    }
    #[inline]
    fn read([low, high, mark]: &[u32; 3]) -> (Self, u32) {
        (Integer(joined(*low, *high) as i64), *mark)
    }
}

/// The hash of a key whose bytes stand in the arena.
#[derive(Clone, Copy, PartialEq)]
struct Hash(u64);

impl SlotKey for Hash {
    type Slot = [u32; 3];
    #[inline]
    fn hash(&self) -> u64 {
        self.0
    }
    #[inline]
    fn marked(self, mark: u32) -> [u32; 3] {
        marked(self.0, mark)
    }
    #[inline]
    fn read([low, high, mark]: &[u32; 3]) -> (Self, u32) {
        (Hash(joined(*low, *high)), *mark)
    }
}

enum Coding {
    /// No columns: all keys are equal.
    Unit,
    /// One string or binary column, as its bytes.
    Raw,
    /// arrow-row bytes.
    Rows(RowConverter),
}

/// Dead bytes that an arena may keep, whatever their share.
const DEAD_BYTES: usize = 65_536;

/// Byte strings by number.
#[derive(Default)]
struct Arena {
    bytes: Vec<u8>,
    spans: Vec<(u64, u32)>,
    dead: usize,
}

impl Arena {
    fn get(&self, slot: u32) -> &[u8] {
        let (start, length) = self.spans[slot as usize];
        &self.bytes[start as usize..start as usize + length as usize]
    }

    fn set(&mut self, slot: u32, key: &[u8]) {
        let span = put(&mut self.bytes, key);
        if slot as usize == self.spans.len() { self.spans.push(span) } else { self.spans[slot as usize] = span }
    }

    /// Keeps a key under the next number.
    fn add(&mut self, key: &[u8], give: &mut Numbers<'_>) -> u32 {
        let number = give.next();
        self.set(number, key);
        number
    }

    fn release(&mut self, slot: u32) {
        self.dead += self.spans[slot as usize].1 as usize;
        self.spans[slot as usize] = (0, 0);
        if self.dead == self.bytes.len() && self.bytes.capacity() <= DEAD_BYTES {
            self.bytes.clear();
            self.dead = 0;
        } else if self.dead > DEAD_BYTES && self.dead * 2 > self.bytes.len() {
            let mut bytes = Vec::with_capacity(self.bytes.len() - self.dead);
            for span in &mut self.spans {
                *span = put(&mut bytes, &self.bytes[span.0 as usize..span.0 as usize + span.1 as usize]);
            }
            self.bytes = bytes;
            self.dead = 0;
        }
    }
}

/// Puts a key behind the others; answers where it stands. One without bytes stands at the start, which is there whatever goes.
fn put(bytes: &mut Vec<u8>, key: &[u8]) -> (u64, u32) {
    let start = if key.is_empty() { 0 } else { bytes.len() as u64 };
    bytes.extend_from_slice(key);
    (start, key.len() as u32)
}

/// Spreads an integer over 64 bits: a folded multiplication, whose high and low halves both depend on all bits.
#[inline]
pub(super) fn mix(key: i64) -> u64 {
    let product = u128::from(key as u64 ^ 0x9E37_79B9_7F4A_7C15) * 0xA076_1D64_78BD_642F_u128;
    (product as u64) ^ ((product >> 64) as u64)
}

/// Hashes byte strings. Its seed is fixed: hashes are not kept across a restart, and nothing visible depends on them.
#[inline]
fn hash_bytes(key: &[u8]) -> u64 {
    FixedState::with_seed(0x45).hash_one(key)
}

/// Runs `$body` with `$t` bound to the Arrow type of a fixed-width column of at most 64 bits, or else `$other`.
macro_rules! with_fixed {
    ($data_type:expr, $t:ident => $body:expr, $other:expr) => {
        with_fixed!(@ $data_type, $t, $body, $other,
            (DataType::Int8, Int8Type) (DataType::Int16, Int16Type) (DataType::Int32, Int32Type) (DataType::Int64, Int64Type)
            (DataType::UInt8, UInt8Type) (DataType::UInt16, UInt16Type) (DataType::UInt32, UInt32Type) (DataType::UInt64, UInt64Type)
            (DataType::Date32, Date32Type) (DataType::Date64, Date64Type)
            (DataType::Time32(TimeUnit::Second), Time32SecondType) (DataType::Time32(TimeUnit::Millisecond), Time32MillisecondType)
            (DataType::Time64(TimeUnit::Microsecond), Time64MicrosecondType) (DataType::Time64(TimeUnit::Nanosecond), Time64NanosecondType)
            (DataType::Timestamp(TimeUnit::Second, _), TimestampSecondType) (DataType::Timestamp(TimeUnit::Millisecond, _), TimestampMillisecondType)
            (DataType::Timestamp(TimeUnit::Microsecond, _), TimestampMicrosecondType)
            (DataType::Timestamp(TimeUnit::Nanosecond, _), TimestampNanosecondType))
    };
    (@ $data_type:expr, $t:ident, $body:expr, $other:expr, $(($pattern:pat, $arrow:ty))*) => {
        match $data_type {
            $($pattern => { type $t = $arrow; $body })*
            _ => $other,
        }
    };
}

/// True for types whose values [`integers`] can give.
pub(crate) fn is_integer_like(data_type: &DataType) -> bool {
    with_fixed!(data_type, T => { let _ = std::marker::PhantomData::<T>; true }, false)
}

/// The values of a fixed-width column as 64-bit integers; those of nulls are arbitrary. `None` for other types. The order of the
/// integers is that of the values, except for u64 beyond 2^63.
#[allow(clippy::unnecessary_cast, reason = "the macro casts all widths alike")]
pub(crate) fn integers(array: &dyn Array) -> Option<ScalarBuffer<i64>> {
    with_fixed!(array.data_type(), T => {
        let values = array.as_primitive::<T>().values();
        Some(if size_of::<<T as ArrowPrimitiveType>::Native>() == 8 {
            ScalarBuffer::new(values.inner().clone(), 0, values.len())
        } else {
            values.iter().map(|v| *v as i64).collect()
        })
    }, None)
}

/// The column of type `data_type` whose values are `values`, the inverse of [`integers`].
pub(crate) fn from_integers(data_type: &DataType, values: Vec<i64>, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    with_fixed!(data_type, T => {
        let values: ScalarBuffer<<T as ArrowPrimitiveType>::Native> = values.into_iter().map(|v| v as _).collect();
        Ok(Arc::new(PrimitiveArray::<T>::new(values, nulls).with_data_type(data_type.clone())))
    }, Err(Error::internal(format!("{data_type} is not a fixed-width key"))))
}

fn is_raw(data_type: &DataType) -> bool {
    use DataType::*;
    matches!(data_type, Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView)
}

/// What stands for values of which equal ones must be the same: floats with one zero and one NaN, jsonb in its canonical text; other columns as
/// they are.
pub(crate) fn normalise(array: &ArrayRef) -> ArrayRef {
    let DataType::LargeUtf8 = array.data_type() else { return one_zeros(array) };
    let texts = array.as_string::<i64>();
    if !texts.value_data().contains(&b'.') {
        return array.clone();
    }
    Arc::new(texts.iter().map(|text| text.map(json::canonical)).collect::<LargeStringArray>())
}

/// A hash of each row's key, the same for keys that are equal to SQL. Errors: for a type that has no order.
pub fn hashes(columns: &[ArrayRef]) -> Result<Vec<u64>> {
    let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
    let rows = RowConverter::new(fields)?.convert_columns(&columns.iter().map(normalise).collect::<Vec<_>>())?;
    Ok(rows.iter().map(|row| hash_bytes(row.data())).collect())
}

/// Runs `$body` with `$get` bound to a function from a row to its bytes, `None` for NULL, of a string or binary column.
macro_rules! with_raw {
    ($array:expr, $get:ident => $body:expr) => {
        with_raw!(@ $array, $get, $body, (Utf8, as_string::<i32>) (LargeUtf8, as_string::<i64>) (Utf8View, as_string_view)
            (Binary, as_binary::<i32>) (LargeBinary, as_binary::<i64>) (BinaryView, as_binary_view))
    };
    (@ $array:expr, $get:ident, $body:expr, $(($variant:ident, $($as:tt)*))*) => {
        match $array.data_type() {
            $(DataType::$variant => {
                let values = $array.$($as)*();
                let $get = |i: usize| if values.is_null(i) { None } else { let bytes: &[u8] = values.value(i).as_ref(); Some(bytes) };
                $body
            })*
            other => Err(Error::internal(format!("{other} is not a string key"))),
        }
    };
}

impl KeyIndex {
    /// An empty index of keys with these column types. Errors: 0A000 for a type that has no order.
    pub fn new(types: &[DataType], equality: Equality) -> Result<Self> {
        let keys = match types {
            [only] if is_integer_like(only) => Keys::Fixed { table: NumberTable::default(), values: Vec::new() },
            [first, second] if is_integer_like(first) && is_integer_like(second) => Keys::Pairs(Pairs::default()),
            [only] if is_raw(only) => Keys::Bytes { table: NumberTable::default(), arena: Arena::default(), coding: Coding::Raw },
            [] => Keys::Bytes { table: NumberTable::default(), arena: Arena::default(), coding: Coding::Unit },
            _ => {
                let converter = RowConverter::new(types.iter().cloned().map(SortField::new).collect()).map_err(|e| {
                    Error::unsupported("values of this type cannot be compared").detail(e.to_string()).hint("Cast them to text.")
                })?;
                Keys::Bytes { table: NumberTable::default(), arena: Arena::default(), coding: Coding::Rows(converter) }
            }
        };
        Ok(KeyIndex { types: types.to_vec(), equality, keys, free: Vec::new(), slots: 0, null: NONE })
    }

    /// The types of the key columns.
    pub fn types(&self) -> &[DataType] {
        &self.types
    }

    /// Numbers given out so far: state vectors must have at least this length.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Keys in the index.
    pub fn len(&self) -> usize {
        self.slots - self.free.len()
    }

    /// True if no key is in the index.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory held.
    pub fn bytes(&self) -> usize {
        let keys = match &self.keys {
            Keys::Fixed { table, values } => table.bytes() + values.capacity() * 8,
            Keys::Pairs(pairs) => pairs.bytes(),
            Keys::Bytes { table, arena, .. } => table.bytes() + arena.bytes.capacity() + arena.spans.capacity() * 16,
        };
        keys + self.free.capacity() * 4
    }

    fn columns(&self, columns: &[ArrayRef]) -> Vec<ArrayRef> {
        match self.equality {
            Equality::Sql => columns.iter().map(normalise).collect(),
            Equality::Exact => columns.to_vec(),
        }
    }

    /// The number of each row's key, new numbers for new keys; `numbers` is overwritten, `fresh` gets each new number once.
    /// Cost: one hash and about one probe per row. Errors: 54000 past 2^32 - 1 keys.
    pub fn intern(&mut self, columns: &[ArrayRef], rows: usize, numbers: &mut Vec<u32>, fresh: &mut Vec<u32>) -> Result<()> {
        numbers.clear();
        numbers.reserve(rows);
        if self.slots + rows >= NONE as usize && self.free.len() < rows {
            return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, "more than 4294967295 distinct keys in one operator"));
        }
        let columns = self.columns(columns);
        let mut give = Numbers { free: &mut self.free, slots: &mut self.slots, fresh };
        match &mut self.keys {
            Keys::Fixed { table, values } => {
                let keys = integers(&columns[0]).ok_or_else(|| Error::internal("a key changed its type"))?;
                let nulls = columns[0].nulls();
                for (start, together) in (0..).step_by(TOGETHER).zip(keys.chunks(TOGETHER)) {
                    table.warm(together.iter().map(|key| Integer(*key)));
                    for (i, &key) in (start..).zip(together) {
                        numbers.push(if nulls.is_some_and(|n| n.is_null(i)) {
                            null_number(&mut self.null, || give.next_for(values, 0))
                        } else {
                            table.find_or_add(Integer(key), |_| true, || give.next_for(values, key))
                        });
                    }
                }
                Ok(())
            }
            Keys::Pairs(pairs) => pairs.intern(&columns, numbers, &mut give),
            Keys::Bytes { table, arena, coding } => {
                let null = &mut self.null;
                match coding {
                    Coding::Unit => intern_bytes(table, arena, null, rows, |_| Some(&[]), numbers, &mut give),
                    Coding::Raw => {
                        return with_raw!(columns[0], get => { intern_bytes(table, arena, null, rows, get, numbers, &mut give); Ok(()) });
                    }
                    Coding::Rows(converter) => {
                        let encoded = converter.convert_columns(&columns)?;
                        intern_bytes(table, arena, null, rows, |i| Some(encoded.row(i).data()), numbers, &mut give);
                    }
                }
                Ok(())
            }
        }
    }

    /// The number of each row's key, or [`NONE`].
    pub fn find(&self, columns: &[ArrayRef], rows: usize) -> Result<Vec<u32>> {
        let columns = self.columns(columns);
        match &self.keys {
            Keys::Fixed { table, .. } => {
                let keys = integers(&columns[0]).ok_or_else(|| Error::internal("a key changed its type"))?;
                let nulls = columns[0].nulls();
                let mut numbers = Vec::with_capacity(rows);
                for (start, together) in (0..).step_by(TOGETHER).zip(keys.chunks(TOGETHER)) {
                    table.warm(together.iter().map(|key| Integer(*key)));
                    let is_null = |i| nulls.is_some_and(|n| n.is_null(i));
                    let one = |(i, &key)| if is_null(i) { self.null } else { table.find(&Integer(key), |_| true) };
                    numbers.extend((start..).zip(together).map(one));
                }
                Ok(numbers)
            }
            Keys::Pairs(pairs) => pairs.find(&columns),
            Keys::Bytes { table, arena, coding } => match coding {
                Coding::Unit => Ok(find_bytes(table, arena, self.null, rows, |_| Some(&[]))),
                Coding::Raw => with_raw!(columns[0], get => Ok(find_bytes(table, arena, self.null, rows, get))),
                Coding::Rows(converter) => {
                    let encoded = converter.convert_columns(&columns)?;
                    Ok(find_bytes(table, arena, self.null, rows, |i| Some(encoded.row(i).data())))
                }
            },
        }
    }

    /// The number of an integer key, or [`NONE`]; for an index of one fixed-width column.
    #[inline]
    pub fn find_i64(&self, key: i64) -> u32 {
        match &self.keys {
            Keys::Fixed { table, .. } => table.find(&Integer(key), |_| true),
            Keys::Pairs(_) | Keys::Bytes { .. } => NONE,
        }
    }

    /// Removes a key; its number may be given to another from now on.
    pub fn release(&mut self, number: u32) {
        self.free.push(number);
        let is_null = self.null == number;
        if is_null {
            self.null = NONE;
        }
        match &mut self.keys {
            Keys::Fixed { table, values } if !is_null => table.remove(&Integer(values[number as usize]), number),
            Keys::Bytes { table, arena, .. } => {
                if !is_null {
                    table.remove(&Hash(hash_bytes(arena.get(number))), number);
                }
                arena.release(number);
            }
            Keys::Pairs(pairs) => pairs.release(number),
            Keys::Fixed { .. } => {}
        }
    }

    /// The key columns of `numbers`, all live.
    pub fn keys(&self, numbers: &[u32]) -> Result<Vec<ArrayRef>> {
        match &self.keys {
            Keys::Fixed { values, .. } => {
                let keys = numbers.iter().map(|&n| values[n as usize]).collect();
                let has_null = self.null != NONE && numbers.contains(&self.null);
                let nulls = has_null.then(|| numbers.iter().map(|&n| n != self.null).collect::<NullBuffer>());
                Ok(vec![from_integers(&self.types[0], keys, nulls)?])
            }
            Keys::Pairs(pairs) => pairs.keys(&self.types, numbers),
            Keys::Bytes { coding: Coding::Unit, .. } => Ok(Vec::new()),
            Keys::Bytes { arena, coding: Coding::Raw, .. } => {
                let key = |&n: &u32| if n == self.null { None } else { Some(arena.get(n)) };
                Ok(vec![raw_column(&self.types[0], numbers.iter().map(key))?])
            }
            Keys::Bytes { arena, coding: Coding::Rows(converter), .. } => {
                let parser = converter.parser();
                Ok(converter.convert_rows(numbers.iter().map(|&n| parser.parse(arena.get(n))))?)
            }
        }
    }

    /// A live key as it is kept where keys are kept as bytes, which are in the order of arrow's rows; none where they are kept as integers.
    pub fn bytes_of(&self, number: u32) -> &[u8] {
        match &self.keys {
            Keys::Bytes { arena, .. } => arena.get(number),
            Keys::Fixed { .. } | Keys::Pairs(_) => &[],
        }
    }

    /// Writes all keys with their numbers. Cost O(keys).
    pub fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        out.u64(self.slots as u64);
        out.u64(u64::from(self.null));
        out.u32s(&self.free);
        match &self.keys {
            Keys::Fixed { values, .. } => out.i64s(values),
            Keys::Pairs(pairs) => pairs.save(out),
            Keys::Bytes { arena, .. } => {
                out.u32s(arena.spans.iter().map(|s| s.1));
                let length = arena.spans.iter().map(|s| s.1 as usize).sum();
                out.parts(length, (0..arena.spans.len() as u32).map(|n| arena.get(n)));
            }
        }
        Ok(())
    }

    /// Reads what `save` wrote, into an empty index of the same types.
    pub fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.slots = usize::try_from(input.u64()?).map_err(|_| damaged("key count"))?;
        self.null = u32::try_from(input.u64()?).map_err(|_| damaged("null key"))?;
        self.free = input.u32s()?;
        if (self.null != NONE && self.null as usize >= self.slots) || self.free.iter().any(|&n| n as usize >= self.slots) {
            return Err(damaged("key number"));
        }
        let mut live = vec![true; self.slots];
        self.free.iter().for_each(|&n| live[n as usize] = false);
        if self.null != NONE {
            live[self.null as usize] = false;
        }
        let numbers = (0..self.slots as u32).filter(|&n| live[n as usize]);
        match &mut self.keys {
            Keys::Fixed { table, values } => {
                *values = input.i64s()?;
                if values.len() != self.slots {
                    return Err(damaged("key values"));
                }
                numbers.for_each(|n| table.add(Integer(values[n as usize]), n));
            }
            Keys::Pairs(pairs) => pairs.load(input, self.slots, numbers)?,
            Keys::Bytes { table, arena, .. } => {
                let (lengths, bytes) = (input.u32s()?, input.bytes()?);
                if lengths.len() != self.slots || lengths.iter().map(|&l| l as usize).sum::<usize>() != bytes.len() {
                    return Err(damaged("key bytes"));
                }
                let mut start = 0;
                for (n, &length) in lengths.iter().enumerate() {
                    arena.set(n as u32, &bytes[start..start + length as usize]);
                    start += length as usize;
                }
                numbers.for_each(|n| table.add(Hash(hash_bytes(arena.get(n))), n));
            }
        }
        Ok(())
    }
}

/// Gives out numbers: released ones first, newest first, then new ones.
pub(super) struct Numbers<'a> {
    free: &'a mut Vec<u32>,
    slots: &'a mut usize,
    fresh: &'a mut Vec<u32>,
}

impl Numbers<'_> {
    pub(super) fn next(&mut self) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            *self.slots += 1;
            (*self.slots - 1) as u32
        });
        self.fresh.push(number);
        number
    }

    /// The next one, by which `key` stands in `keys` from now on.
    pub(super) fn next_for<K>(&mut self, keys: &mut Vec<K>, key: K) -> u32 {
        let number = self.next();
        if number as usize == keys.len() {
            keys.push(key)
        } else {
            keys[number as usize] = key
        }
        number
    }
}

fn null_number(null: &mut u32, give: impl FnOnce() -> u32) -> u32 {
    if *null == NONE {
        *null = give();
    }
    *null
}

/// The keys of [`TOGETHER`] rows at a time: which row is the first, and the hash of each row's bytes, which `get` gives; `None` for NULL.
fn hashed<'a>(rows: usize, get: impl Fn(usize) -> Option<&'a [u8]>) -> impl Iterator<Item = (usize, Vec<Option<Hash>>)> {
    let hash = move |i| get(i).map(|key| Hash(hash_bytes(key)));
    (0..rows).step_by(TOGETHER).map(move |start| (start, (start..rows.min(start + TOGETHER)).map(&hash).collect()))
}

fn intern_bytes<'a>(
    table: &mut NumberTable<Hash>,
    arena: &mut Arena,
    null: &mut u32,
    rows: usize,
    get: impl Fn(usize) -> Option<&'a [u8]>,
    numbers: &mut Vec<u32>,
    give: &mut Numbers<'_>,
) {
    for (start, hashes) in hashed(rows, &get) {
        table.warm(hashes.iter().flatten().copied());
        for (i, hash) in (start..).zip(hashes) {
            let key = get(i).unwrap_or_default();
            numbers.push(match hash {
                None => null_number(null, || arena.add(key, give)),
                Some(hash) => match table.find(&hash, |n| arena.get(n) == key) {
                    NONE => {
                        let number = arena.add(key, give);
                        table.add(hash, number);
                        number
                    }
                    number => number,
                },
            });
        }
    }
}

fn find_bytes<'a>(table: &NumberTable<Hash>, arena: &Arena, null: u32, rows: usize, get: impl Fn(usize) -> Option<&'a [u8]>) -> Vec<u32> {
    let mut numbers = Vec::with_capacity(rows);
    for (start, hashes) in hashed(rows, &get) {
        table.warm(hashes.iter().flatten().copied());
        let one = |(i, hash): (usize, Option<Hash>)| {
            hash.map_or(null, |hash| table.find(&hash, |n| get(i).is_some_and(|key| arena.get(n) == key)))
        };
        numbers.extend((start..).zip(hashes).map(one));
    }
    numbers
}

/// A string or binary column from its bytes. Errors: bytes that are not UTF-8, which only damaged state has.
pub(crate) fn raw_column<'a>(data_type: &DataType, values: impl Iterator<Item = Option<&'a [u8]>>) -> Result<ArrayRef> {
    let text = |v: Option<&'a [u8]>| v.map(|b| std::str::from_utf8(b).map_err(|_| damaged("text is not UTF-8"))).transpose();
    macro_rules! build {
        ($builder:expr, $convert:expr) => {{
            let mut builder = $builder;
            for value in values {
                builder.append_option($convert(value)?);
            }
            Arc::new(builder.finish()) as ArrayRef
        }};
    }
    Ok(match data_type {
        DataType::Utf8 => build!(StringBuilder::new(), text),
        DataType::LargeUtf8 => build!(LargeStringBuilder::new(), text),
        DataType::Utf8View => build!(StringViewBuilder::new(), text),
        DataType::BinaryView => build!(BinaryViewBuilder::new(), Ok::<_, Error>),
        DataType::Binary => Arc::new(values.collect::<BinaryArray>()),
        DataType::LargeBinary => Arc::new(values.collect::<LargeBinaryArray>()),
        other => compute::cast(&build!(BinaryViewBuilder::new(), Ok::<_, Error>), other)?,
    })
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int32Array, Int64Array, StringViewArray};

    use super::super::state::saved;
    use super::*;

    fn check(columns: Vec<ArrayRef>, rows: usize, expected: &[u32]) {
        let types: Vec<DataType> = columns.iter().map(|c| c.data_type().clone()).collect();
        let mut index = KeyIndex::new(&types, Equality::Sql).unwrap();
        let (mut numbers, mut fresh) = (Vec::new(), Vec::new());
        index.intern(&columns, rows, &mut numbers, &mut fresh).unwrap();
        assert_eq!(numbers, expected);
        assert_eq!(index.find(&columns, rows).unwrap(), expected);
        let keys = index.keys(&numbers).unwrap();
        assert_eq!(keys.iter().map(|k| k.len()).collect::<Vec<_>>(), vec![rows; keys.len()]);
        index.release(fresh[0]);
        let bytes = saved(|out| index.save(out));
        let mut loaded = KeyIndex::new(&types, Equality::Sql).unwrap();
        loaded.load(&mut StateReader::new(&bytes).unwrap()).unwrap();
        assert_eq!(loaded.find(&columns, rows).unwrap(), index.find(&columns, rows).unwrap());
        assert_eq!(index.find(&columns, rows).unwrap()[0], NONE);
        let mut again = Vec::new();
        index.intern(&columns, rows, &mut numbers, &mut again).unwrap();
        assert_eq!(numbers, expected, "a released number is given out again");
    }

    #[test]
    fn equal_keys_get_one_number_in_every_coding() {
        let ints: ArrayRef = Arc::new(Int32Array::from(vec![Some(7), None, Some(-7), None, Some(7)]));
        let texts: ArrayRef = Arc::new(StringViewArray::from(vec![Some("a"), None, Some(""), None, Some("a")]));
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![0.0, f64::NAN, 1.0, -f64::NAN, -0.0]));
        let dates: ArrayRef = Arc::new(arrow::array::Date32Array::from(vec![Some(1), None, Some(1), None, Some(1)]));
        let same: ArrayRef = Arc::new(Int64Array::from(vec![1; 5]));
        let pairs = [vec![ints.clone(), dates], vec![same, ints.clone()], vec![ints.clone(), texts.clone()]];
        for columns in pairs.into_iter().chain([vec![ints], vec![texts], vec![floats]]) {
            check(columns, 5, &[0, 1, 2, 1, 0]);
        }
        check(Vec::new(), 3, &[0, 0, 0]);
    }

    #[test]
    fn keys_that_come_and_go_take_no_more_bytes() {
        let mut index = KeyIndex::new(&[DataType::Utf8View], Equality::Sql).unwrap();
        let (mut numbers, mut fresh) = (Vec::new(), Vec::new());
        let keys = |at: usize| -> Vec<ArrayRef> {
            vec![Arc::new(StringViewArray::from(vec![Some(format!("key {at}")), Some(String::new()), None]))]
        };
        let bytes: Vec<usize> = (0..50)
            .map(|at| {
                index.intern(&keys(at), 3, &mut numbers, &mut fresh).unwrap();
                assert_eq!(&index.keys(&numbers).unwrap(), &keys(at));
                // The empty key and NULL outlast those whose bytes go.
                let gone = if at % 5 == 0 { &numbers[..] } else { &numbers[..1] };
                gone.iter().for_each(|number| index.release(*number));
                assert_eq!(index.find(&keys(at), 3).unwrap()[0], NONE);
                index.bytes()
            })
            .collect();
        assert_eq!(bytes[49], bytes[4], "{bytes:?}");
    }
}
