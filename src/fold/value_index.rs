//! Rows found by keys other than their own: beside a [`RowStore`](super::RowStore), whose numbers it knows rows by. What a key is, and
//! which rows have one, [`RowKeys`] says.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;

use super::Snapshot;
use super::chains::Chains;
use super::key_index::{Equality, KeyIndex, NONE};
use super::row_keys::RowKeys;
use super::row_store::Numbered;
use crate::error::Result;

/// Numbers of rows by their keys.
pub struct ValueIndex {
    by: RowKeys,
    values: KeyIndex,
    rows: Chains,
}

impl ValueIndex {
    /// An empty index of rows of `schema` by these keys. Errors: 0A000 for a type that has no order.
    pub fn new(schema: &SchemaRef, by: &RowKeys) -> Result<Self> {
        Ok(ValueIndex { by: by.clone(), values: KeyIndex::new(&by.types(schema)?, Equality::Sql)?, rows: Chains::default() })
    }

    /// What rows are found by.
    pub fn by(&self) -> &RowKeys {
        &self.by
    }

    /// Adds rows, all their columns given, of these numbers. Errors: what computing a key raises; nothing is added then.
    pub fn add(&mut self, rows: &RecordBatch, numbers: &[u32]) -> Result<()> {
        let keyed = self.by.of(rows)?;
        let (mut found, mut fresh) = (Vec::new(), Vec::new());
        self.values.intern(&keyed.keys, keyed.rows.len(), &mut found, &mut fresh)?;
        let rows = numbers.iter().map(|&n| n as usize + 1).max().unwrap_or(0);
        self.rows.grow(self.values.slots(), rows);
        for (&i, value) in keyed.rows.iter().zip(found) {
            self.rows.link(numbers[i as usize], value);
        }
        Ok(())
    }

    /// Removes the row of that number, if it is there.
    pub fn remove(&mut self, number: u32) {
        let value = self.rows.unlink(number);
        if value != NONE && self.rows.first(value) == NONE {
            self.values.release(value);
        }
    }

    /// The numbers of the rows that have one of these values; a row may come twice.
    pub fn find(&self, values: &[ArrayRef], count: usize) -> Result<Vec<u32>> {
        let found = self.values.find(values, count)?;
        Ok(found.into_iter().filter(|&value| value != NONE).flat_map(|value| self.rows.entries(value)).collect())
    }

    /// Bytes of memory held.
    pub fn bytes(&self) -> usize {
        self.values.bytes() + self.rows.bytes()
    }
}

/// An index that is to be made of a result's rows as they were.
pub struct IndexAside {
    pub(super) index: ValueIndex,
    pub(super) rows: Vec<Numbered>,
    pub(super) of: Snapshot,
}

/// One that was.
pub struct IndexMade {
    pub(super) index: ValueIndex,
    pub(super) of: Snapshot,
}

impl IndexAside {
    /// Makes it. Cost O(rows). Errors: what computing a key raises.
    pub fn finish(mut self) -> Result<IndexMade> {
        for part in &self.rows {
            let (rows, numbers) = part.rows()?;
            self.index.add(&rows, &numbers)?;
        }
        Ok(IndexMade { index: self.index, of: self.of })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use arrow::array::{AsArray, Int32Array, Int64Array, StringViewArray};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};

    use super::super::Output;
    use super::*;
    use crate::data::Delta;

    /// A row: its key, the values by which it is found, as they were last put.
    type Rows = BTreeMap<i64, (Option<i32>, &'static str)>;

    fn schema() -> SchemaRef {
        let fields = vec![
            Field::new("k", DataType::Int64, false),
            Field::new("a", DataType::Int32, true),
            Field::new("b", DataType::Utf8View, false),
        ];
        Arc::new(Schema::new(fields))
    }

    fn delta(schema: &SchemaRef, rows: &[(i64, Option<i32>, &'static str, i64)]) -> Delta {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.0))),
            Arc::new(rows.iter().map(|r| r.1).collect::<Int32Array>()),
            Arc::new(StringViewArray::from_iter_values(rows.iter().map(|r| r.2))),
        ];
        let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
        Delta { batch, weights: Some(Int64Array::from_iter_values(rows.iter().map(|r| r.3))) }
    }

    #[test]
    fn rows_are_found_by_values_through_all_changes() {
        let schema = schema();
        let mut output = Output::new(schema.clone(), Some(vec![0]), false);
        let mut rows = Rows::new();
        let by = RowKeys::Columns(vec![1, 2]);
        for step in 0..300i64 {
            // Indexed from the middle on: rows that are there already are found too.
            if step == 100 {
                output.index_by(&RowKeys::Columns(vec![2, 1])).unwrap();
            }
            let key = (step * 7) % 31;
            let old = rows.get(&key).copied();
            let new =
                (step % 4 != 0).then_some((if step % 5 == 0 { None } else { Some((step % 3) as i32) }, ["x", "y"][step as usize % 2]));
            let mut changes: Vec<_> = old.iter().map(|(a, b)| (key, *a, *b, -1)).collect();
            changes.extend(new.iter().map(|(a, b)| (key, *a, *b, 1)));
            output.apply(vec![delta(&schema, &changes)]).unwrap();
            match new {
                Some(row) => rows.insert(key, row),
                None => rows.remove(&key),
            };
            assert_eq!(output.is_indexed_by(&by), step >= 100);
            for (a, b) in [(0, "x"), (1, "y"), (2, "x"), (2, "nothing")] {
                let wanted: Vec<ArrayRef> =
                    vec![Arc::new(Int32Array::from(vec![Some(a), None])), Arc::new(StringViewArray::from(vec![b, b]))];
                let Some(found) = output.find(&by, &wanted).unwrap() else { continue };
                let mut found = found.column(0).as_primitive::<Int64Type>().values().to_vec();
                found.sort_unstable();
                let expected: Vec<i64> = rows.iter().filter(|(_, row)| **row == (Some(a), b)).map(|(k, _)| *k).collect();
                assert_eq!(found, expected, "step {step}: {a} {b}");
            }
        }
        output.retain_indexes(|by| *by == RowKeys::Columns(vec![1]));
        assert!(!output.is_indexed_by(&by));
    }

    /// Rows that are the same are one in the index, and as many as they are in what it finds; whether it was made before them or of them.
    #[test]
    fn rows_without_a_key_are_found_as_often_as_they_count() {
        let schema = schema();
        let by = RowKeys::Columns(vec![1]);
        for indexed_at in [0, 50] {
            let mut output = Output::new(schema.clone(), None, false);
            let mut rows: BTreeMap<(i64, Option<i32>), i64> = BTreeMap::new();
            for step in 0..200i64 {
                if step == indexed_at {
                    let made = output.index_aside(&by).unwrap().finish().unwrap();
                    output.adopt(made).unwrap();
                }
                let row = (step * 7 % 5, if step % 11 == 0 { None } else { Some((step % 3) as i32) });
                let count = rows.entry(row).or_default();
                let change = if step % 2 == 0 { 2 } else { -(*count).min(1) };
                *count += change;
                if change != 0 {
                    output.apply(vec![delta(&schema, &[(row.0, row.1, "x", change)])]).unwrap();
                }
                for a in 0..3 {
                    let found = output.find(&by, &[Arc::new(Int32Array::from(vec![a]))]).unwrap();
                    assert_eq!(found.is_some(), step >= indexed_at);
                    let Some(found) = found else { continue };
                    let mut found = found.column(0).as_primitive::<Int64Type>().values().to_vec();
                    found.sort_unstable();
                    let of_a = rows.iter().filter(|((_, of), _)| *of == Some(a));
                    let expected: Vec<i64> = of_a.flat_map(|((k, _), count)| std::iter::repeat_n(*k, *count as usize)).collect();
                    assert_eq!(found, expected, "step {step}: {a}");
                    assert!(output.find_few(&by, &[Arc::new(Int32Array::from(vec![a]))], expected.len()).unwrap().is_some());
                }
            }
        }
    }
}
