//! One side of a join: its rows, found by join key.
//!
//! A key has a number, a chain of entries and the sum of their weights. An entry is a row with a weight; its columns stand in a
//! [`RowStore`] under the entry's number. Where rows can be retracted, equal rows are one entry, found by their bytes. A side of
//! which only the existence of a match is asked keeps the sums alone.

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, SchemaRef};

use super::chains::Chains;
use super::key_index::{Equality, KeyIndex, NONE};
use super::marks::Marks;
use super::state::damaged;
use super::{RowStore, StateReader, StateWriter};
use crate::data::Delta;
use crate::error::{Error, Result};

/// Rows by join key.
pub struct Arrangement {
    keys: KeyIndex,
    /// Sum of the weights of each key's rows.
    totals: Vec<i64>,
    /// The entries of each key.
    chains: Chains,
    /// `None` if only the sums are kept.
    rows: Option<RowStore>,
    /// Whole rows to entry numbers; `None` if no row is ever retracted, so that each is an entry of its own.
    identity: Option<KeyIndex>,
    weights: Vec<i64>,
    /// For each entry the sum of the weights of its matches; kept if the join asks for it.
    matched: Vec<i64>,
    /// What the step at hand has touched.
    marks: Marks,
}

/// What [`Arrangement::add`] is told of each row.
pub struct Added<'a> {
    /// The rows.
    pub delta: &'a Delta,
    /// Their join keys.
    pub keys: &'a [ArrayRef],
    /// The rows to take, ascending.
    pub chosen: &'a [u32],
    /// For each row of the delta the sum of the weights of its matches.
    pub matched: &'a [i64],
}

impl Arrangement {
    /// An empty side. `with_rows`: keep the rows, not just the sums.
    pub fn new(schema: SchemaRef, key_types: &[DataType], append_only: bool, with_rows: bool) -> Result<Self> {
        let types: Vec<DataType> = schema.fields().iter().map(|f| f.data_type().clone()).collect();
        let identity = if append_only || !with_rows { None } else { Some(KeyIndex::new(&types, Equality::Exact)?) };
        Ok(Arrangement {
            marks: Marks::default(),
            keys: KeyIndex::new(key_types, Equality::Sql)?,
            totals: Vec::new(),
            chains: Chains::default(),
            rows: with_rows.then(|| RowStore::new(schema)),
            identity,
            weights: Vec::new(),
            matched: Vec::new(),
        })
    }

    /// The number of each row's key, or [`NONE`].
    pub fn find(&self, keys: &[ArrayRef], rows: usize) -> Result<Vec<u32>> {
        self.keys.find(keys, rows)
    }

    /// Sum of the weights of a key's rows; 0 for [`NONE`].
    #[inline]
    pub fn total(&self, key: u32) -> i64 {
        self.totals.get(key as usize).copied().unwrap_or(0)
    }

    /// The first entry of a key, or [`NONE`].
    #[inline]
    pub fn first(&self, key: u32) -> u32 {
        self.chains.first(key)
    }

    /// The entry after `entry` in its key's chain, or [`NONE`].
    #[inline]
    pub fn after(&self, entry: u32) -> u32 {
        self.chains.after(entry)
    }

    /// The weight of an entry.
    #[inline]
    pub fn weight(&self, entry: u32) -> i64 {
        self.weights[entry as usize]
    }

    /// The sum of the weights of an entry's matches, as last set.
    #[inline]
    pub fn matched(&self, entry: u32) -> i64 {
        self.matched[entry as usize]
    }

    /// Sets the sum of the weights of an entry's matches.
    pub fn set_matched(&mut self, entry: u32, matched: i64) {
        self.matched[entry as usize] = matched;
    }

    /// All entries.
    pub fn entries(&self) -> Vec<u32> {
        (0..self.weights.len() as u32).filter(|&e| self.weights[e as usize] != 0).collect()
    }

    /// The columns of these entries.
    pub fn gather(&self, entries: &[u32]) -> Result<Vec<ArrayRef>> {
        self.rows.as_ref().ok_or_else(|| Error::internal("this side of the join keeps no rows"))?.gather(entries)
    }

    /// Folds rows in. Answers, for each key whose sum changed, one of its rows in the delta and the sum before and after.
    pub fn add(&mut self, added: &Added<'_>) -> Result<Vec<(u32, i64, i64)>> {
        let Added { delta, keys, chosen, matched } = *added;
        if chosen.is_empty() {
            return Ok(Vec::new());
        }
        let all = chosen.len() == delta.num_rows();
        let take = |columns: &[ArrayRef]| if all { Ok(columns.to_vec()) } else { super::eval::take_all(columns, chosen) };
        let (keys, rows) = (take(keys)?, if self.rows.is_some() { take(delta.batch.columns())? } else { Vec::new() });
        let (mut numbers, mut fresh) = (Vec::new(), Vec::new());
        self.keys.intern(&keys, chosen.len(), &mut numbers, &mut fresh)?;
        self.totals.resize(self.keys.slots(), 0);
        self.chains.grow(self.keys.slots(), 0);

        let mut before = Vec::new();
        self.marks.begin(self.keys.slots());
        for (&row, &key) in chosen.iter().zip(&numbers) {
            if self.marks.first(key) {
                before.push((row, key, self.totals[key as usize]));
            }
            self.totals[key as usize] += delta.weight(row as usize);
        }
        if self.rows.is_some() {
            self.add_rows(&rows, added, &numbers, matched)?;
        }
        let changed = before.iter().map(|&(row, key, sum)| (row, sum, self.totals[key as usize])).collect();
        for (_, key, _) in before {
            if self.totals[key as usize] == 0 && self.chains.first(key) == NONE {
                self.keys.release(key);
            }
        }
        Ok(changed)
    }

    fn add_rows(&mut self, rows: &[ArrayRef], added: &Added<'_>, keys: &[u32], matched: &[i64]) -> Result<()> {
        let (mut entries, mut fresh) = (Vec::new(), Vec::new());
        match &mut self.identity {
            Some(identity) => identity.intern(rows, keys.len(), &mut entries, &mut fresh)?,
            None => {
                let start = self.weights.len() as u32;
                entries.extend(start..start + keys.len() as u32);
            }
        }
        let slots = self.identity.as_ref().map_or(self.weights.len() + keys.len(), KeyIndex::slots);
        self.weights.resize(slots, 0);
        self.chains.grow(0, slots);
        self.matched.resize(slots, 0);

        let mut is_new = vec![self.identity.is_none(); if self.identity.is_none() { 0 } else { slots }];
        fresh.iter().for_each(|&e| is_new[e as usize] = true);
        let mut new: Vec<u32> = Vec::with_capacity(fresh.len());
        for (i, (&entry, &row)) in entries.iter().zip(added.chosen).enumerate() {
            if self.identity.is_none() || std::mem::replace(&mut is_new[entry as usize], false) {
                new.push(i as u32);
                self.chains.link(entry, keys[i]);
                self.weights[entry as usize] = 0;
                self.matched[entry as usize] = matched.get(row as usize).copied().unwrap_or(0);
            }
            self.weights[entry as usize] += added.delta.weight(row as usize);
        }
        let owners: Vec<u32> = new.iter().map(|&i| entries[i as usize]).collect();
        let columns = if new.len() == keys.len() { rows.to_vec() } else { super::eval::take_all(rows, &new)? };
        self.rows.as_mut().ok_or_else(|| Error::internal("this side of the join keeps no rows"))?.insert(&columns, &owners)?;
        if self.identity.is_some() {
            entries.sort_unstable();
            entries.dedup();
            entries.into_iter().filter(|e| self.weights[*e as usize] == 0).collect::<Vec<_>>().into_iter().for_each(|e| self.drop_entry(e));
        }
        Ok(())
    }

    fn drop_entry(&mut self, entry: u32) {
        self.chains.unlink(entry);
        if let (Some(rows), Some(identity)) = (&mut self.rows, &mut self.identity) {
            rows.remove(entry);
            identity.release(entry);
        }
    }

    /// Compacts; to be called at the end of a step.
    pub fn maintain(&mut self) -> Result<()> {
        self.rows.as_mut().map_or(Ok(()), RowStore::maintain)
    }

    /// Bytes of memory held, about.
    pub fn bytes(&self) -> usize {
        let rows = self.rows.as_ref().map_or(0, RowStore::bytes) + self.identity.as_ref().map_or(0, KeyIndex::bytes);
        self.keys.bytes() + self.totals.capacity() * 8 + self.weights.capacity() * 16 + self.chains.bytes() + rows
    }

    /// Writes everything.
    pub fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        self.keys.save(out)?;
        out.i64s(&self.totals);
        if let Some(rows) = &self.rows {
            rows.save(out)?;
        }
        if let Some(identity) = &self.identity {
            identity.save(out)?;
        }
        out.i64s(&self.weights);
        out.i64s(&self.matched);
        self.chains.save(out);
        Ok(())
    }

    /// Reads what `save` wrote, into an empty side built alike.
    pub fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.keys.load(input)?;
        self.totals = input.i64s()?;
        if let Some(rows) = &mut self.rows {
            rows.load(input, NONE as usize)?;
        }
        if let Some(identity) = &mut self.identity {
            identity.load(input)?;
        }
        self.weights = input.i64s()?;
        self.matched = input.i64s()?;
        let (keys, entries) = (self.keys.slots(), self.weights.len());
        self.chains.load(input, keys, entries)?;
        let sized = self.totals.len() == keys && self.matched.len() == entries;
        if sized { Ok(()) } else { Err(damaged("join state")) }
    }
}
