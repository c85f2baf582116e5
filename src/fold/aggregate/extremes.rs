//! min, max, first and last: over input that only grows, the best value of each group; over input that retracts, all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, AsArray, PrimitiveArray, RecordBatch};
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::row::{RowConverter, SortField};

use super::super::key_index::{from_integers, integers};
use super::super::state::{StateReader, StateWriter, damaged};
use super::state::{Rows, State};
use crate::error::{Error, Result};

/// min or max of a primitive type over input that only grows.
pub(super) struct Best<T: ArrowPrimitiveType> {
    pub max: bool,
    pub data_type: DataType,
    pub groups: Vec<Option<T::Native>>,
}

impl<T: ArrowPrimitiveType> State for Best<T>
where
    T::Native: ArrowNativeTypeOp,
{
    fn resize(&mut self, groups: usize) {
        self.groups.resize(groups, None);
    }
    fn reset(&mut self, group: u32) {
        self.groups[group as usize] = None;
    }
    fn update(&mut self, rows: &Rows<'_>) -> Result<()> {
        let values = rows.args[0].as_primitive_opt::<T>().ok_or_else(|| Error::internal("an argument changed its type"))?.values();
        let max = self.max;
        rows.each(|i, g, _| {
            let (value, best) = (values[i], &mut self.groups[g]);
            if best.is_none_or(|b| if max { value.is_gt(b) } else { value.is_lt(b) }) {
                *best = Some(value);
            }
        });
        Ok(())
    }
    fn finish(&mut self, groups: &[u32]) -> Result<ArrayRef> {
        let values: PrimitiveArray<T> = groups.iter().map(|g| self.groups[*g as usize]).collect();
        Ok(Arc::new(values.with_data_type(self.data_type.clone())))
    }
    fn bytes(&self) -> usize {
        self.groups.capacity() * size_of::<Option<T::Native>>()
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        let values: PrimitiveArray<T> = self.groups.iter().copied().collect();
        let schema = Schema::new(vec![Field::new("best", self.data_type.clone(), true)]);
        out.batch(&RecordBatch::try_new(Arc::new(schema), vec![Arc::new(values.with_data_type(self.data_type.clone()))])?)
    }
    fn load(&mut self, input: &mut StateReader<'_>, groups: usize) -> Result<()> {
        let batch = input.batch()?;
        let values = batch.columns().first().and_then(|c| c.as_primitive_opt::<T>()).filter(|v| v.len() == groups);
        self.groups = values.ok_or_else(|| damaged("extremes"))?.iter().collect();
        Ok(())
    }
}

/// How values become keys whose order is the one asked for, and back.
pub(super) trait Keys: Send {
    type Key: Ord + Clone + Send;
    /// The key of each row; those of rows that do not count are arbitrary.
    fn encode(&self, rows: &Rows<'_>) -> Result<Vec<Self::Key>>;
    /// The argument of each key.
    fn decode(&self, keys: Vec<Option<&Self::Key>>) -> Result<ArrayRef>;
    fn bytes(key: &Self::Key) -> usize;
    fn save(key: &Self::Key, out: &mut StateWriter<'_>);
    fn load(input: &mut StateReader<'_>) -> Result<Self::Key>;
}

/// Fixed-width integers, dates and times as themselves.
pub(super) struct IntegerKeys(pub DataType);

impl Keys for IntegerKeys {
    type Key = i64;
    fn encode(&self, rows: &Rows<'_>) -> Result<Vec<i64>> {
        Ok(integers(&rows.args[0]).ok_or_else(|| Error::internal("an argument changed its type"))?.to_vec())
    }
    fn decode(&self, keys: Vec<Option<&i64>>) -> Result<ArrayRef> {
        let nulls = keys.iter().map(Option::is_some).collect();
        from_integers(&self.0, keys.into_iter().map(|k| k.copied().unwrap_or(0)).collect(), Some(nulls))
    }
    fn bytes(_: &i64) -> usize {
        16
    }
    fn save(key: &i64, out: &mut StateWriter<'_>) {
        out.i64(*key);
    }
    fn load(input: &mut StateReader<'_>) -> Result<i64> {
        input.i64()
    }
}

/// Everything else as arrow-row bytes of the ORDER BY columns and then the argument, which also breaks ties.
pub(super) struct ByteKeys {
    converter: RowConverter,
    /// Place of the argument.
    argument: usize,
    data_type: DataType,
}

impl ByteKeys {
    /// Keys of these ORDER BY columns and the argument. Errors: 0A000 for types that cannot be compared.
    pub fn new(order: &[(DataType, SortOptions)], data_type: DataType) -> Result<Self> {
        let mut fields: Vec<SortField> = order.iter().map(|(t, o)| SortField::new_with_options(t.clone(), *o)).collect();
        // In an array NULL is larger than any other element; an argument that is NULL itself does not count, or breaks ties only.
        let options = SortOptions { descending: false, nulls_first: !data_type.is_nested() };
        fields.push(SortField::new_with_options(data_type.clone(), options));
        Ok(ByteKeys { converter: RowConverter::new(fields)?, argument: order.len(), data_type })
    }
}

impl Keys for ByteKeys {
    type Key = Box<[u8]>;
    fn encode(&self, rows: &Rows<'_>) -> Result<Vec<Box<[u8]>>> {
        let columns: Vec<ArrayRef> = rows.order.iter().chain(&rows.args[..1]).cloned().collect();
        let encoded = self.converter.convert_columns(&columns)?;
        Ok(encoded.iter().map(|r| r.data().into()).collect())
    }
    fn decode(&self, keys: Vec<Option<&Box<[u8]>>>) -> Result<ArrayRef> {
        let parser = self.converter.parser();
        let present: Vec<&Box<[u8]>> = keys.iter().flatten().copied().collect();
        let values = if present.is_empty() {
            arrow::array::new_empty_array(&self.data_type)
        } else {
            self.converter.convert_rows(present.into_iter().map(|k| parser.parse(k)))?.swap_remove(self.argument)
        };
        let mut next = 0;
        let place = |k: &Option<&Box<[u8]>>| {
            k.map(|_| {
                next += 1;
                next - 1
            })
        };
        let places: arrow::array::UInt32Array = keys.iter().map(place).collect();
        Ok(arrow::compute::take(&values, &places, None)?)
    }
    fn bytes(key: &Box<[u8]>) -> usize {
        key.len() + 24
    }
    fn save(key: &Box<[u8]>, out: &mut StateWriter<'_>) {
        out.bytes(key);
    }
    fn load(input: &mut StateReader<'_>) -> Result<Box<[u8]>> {
        Ok(input.bytes()?.into())
    }
}

/// The first or last value of each group in the order of its keys.
pub(super) struct Extreme<K: Keys> {
    keys: K,
    last: bool,
    /// Only the best value is kept, since none is ever retracted.
    append_only: bool,
    /// NULL is no value (min, max, IGNORE NULLS) rather than one like any other (first, last).
    skip_nulls: bool,
    groups: Vec<BTreeMap<K::Key, i64>>,
    bytes: usize,
}

impl<K: Keys> Extreme<K> {
    pub fn new(keys: K, last: bool, append_only: bool, skip_nulls: bool) -> Self {
        Extreme { keys, last, append_only, skip_nulls, groups: Vec::new(), bytes: 0 }
    }
}

impl<K: Keys> State for Extreme<K> {
    fn resize(&mut self, groups: usize) {
        self.groups.resize_with(groups, BTreeMap::new);
    }
    fn reset(&mut self, group: u32) {
        let gone = std::mem::take(&mut self.groups[group as usize]);
        self.bytes -= gone.keys().map(K::bytes).sum::<usize>();
    }

    fn update(&mut self, rows: &Rows<'_>) -> Result<()> {
        let nulls = rows.args[0].logical_nulls().filter(|_| self.skip_nulls);
        for (i, key) in self.keys.encode(rows)?.into_iter().enumerate() {
            if nulls.as_ref().is_some_and(|n| n.is_null(i)) {
                continue;
            }
            let group = &mut self.groups[rows.groups[i] as usize];
            if self.append_only {
                let best = if self.last { group.last_key_value() } else { group.first_key_value() };
                if best.is_some_and(|(b, _)| if self.last { *b >= key } else { *b <= key }) {
                    continue;
                }
                self.bytes -= group.keys().map(K::bytes).sum::<usize>();
                group.clear();
            }
            let size = K::bytes(&key);
            match group.entry(key) {
                std::collections::btree_map::Entry::Vacant(empty) => {
                    empty.insert(rows.weight(i));
                    self.bytes += size;
                }
                std::collections::btree_map::Entry::Occupied(mut found) => {
                    *found.get_mut() += rows.weight(i);
                    if *found.get() == 0 {
                        found.remove();
                        self.bytes -= size;
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self, groups: &[u32]) -> Result<ArrayRef> {
        let best = |g: &u32| {
            let group = &self.groups[*g as usize];
            if self.last { group.last_key_value() } else { group.first_key_value() }.map(|(k, _)| k)
        };
        self.keys.decode(groups.iter().map(best).collect())
    }
    fn bytes(&self) -> usize {
        self.bytes + self.groups.capacity() * size_of::<BTreeMap<K::Key, i64>>()
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        for group in &self.groups {
            out.u64(group.len() as u64);
            group.iter().for_each(|(key, weight)| {
                K::save(key, out);
                out.i64(*weight);
            });
        }
        Ok(())
    }
    fn load(&mut self, input: &mut StateReader<'_>, groups: usize) -> Result<()> {
        self.groups = Vec::new();
        for _ in 0..groups {
            let entries = (0..input.u64()?).map(|_| Ok((K::load(input)?, input.i64()?))).collect::<Result<BTreeMap<_, _>>>()?;
            self.bytes += entries.keys().map(K::bytes).sum::<usize>();
            self.groups.push(entries);
        }
        Ok(())
    }
}
