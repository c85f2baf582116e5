//! Tables: the rows that operators remember by key, and the operator that makes a table of a log.

use hashbrown::HashMap;

use crate::error::Result;
use crate::fold::ksql::change::{Change, Counts, Operator, only_input, unkeyed};
use crate::fold::ksql::codec::{KeyBytes, key_bytes, load_row, row_bytes, save_row};
use crate::fold::state::{StateReader, StateWriter};
use crate::func::ksql::Row;

/// Bytes that a hash table and its key take per entry, about.
pub(crate) const ENTRY_BYTES: usize = 64;

/// The present row of a key.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its key.
    pub key: Row,
    /// The row.
    pub row: Row,
    /// Its ROWTIME.
    pub time: i64,
}

impl Stored {
    fn bytes(&self) -> usize {
        row_bytes(&self.key) + row_bytes(&self.row) + ENTRY_BYTES
    }
}

/// Rows by key.
#[derive(Default)]
pub struct Rows {
    rows: HashMap<KeyBytes, Stored>,
    bytes: usize,
}

impl Rows {
    /// The present row of a key.
    pub fn get(&self, key: &[u8]) -> Option<&Stored> {
        self.rows.get(key)
    }

    /// Puts a row or, with `None`, takes it away; answers what was there.
    pub fn set(&mut self, bytes: KeyBytes, key: &Row, row: Option<Row>, time: i64) -> Option<Stored> {
        let before = match row {
            Some(row) => {
                let stored = Stored { key: key.clone(), row, time };
                self.bytes += stored.bytes();
                self.rows.insert(bytes, stored)
            }
            None => self.rows.remove(&bytes),
        };
        self.bytes -= before.as_ref().map_or(0, Stored::bytes);
        before
    }

    /// All rows with the bytes of their keys, in the order of these.
    pub fn sorted(&self) -> Vec<(&KeyBytes, &Stored)> {
        let mut all: Vec<_> = self.rows.iter().collect();
        all.sort_by_key(|(key, _)| *key);
        all
    }

    /// Bytes of memory, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Writes the rows.
    pub fn save(&self, out: &mut StateWriter<'_>) {
        out.u64(self.rows.len() as u64);
        for (_, stored) in self.sorted() {
            save_row(&stored.key, out);
            save_row(&stored.row, out);
            out.i64(stored.time);
        }
    }

    /// Reads what `save` wrote.
    pub fn load(input: &mut StateReader<'_>) -> Result<Rows> {
        let mut rows = Rows::default();
        for _ in 0..input.u64()? {
            let (key, row) = (load_row(input)?, load_row(input)?);
            let time = input.i64()?;
            rows.set(key_bytes(&key), &key, Some(row), time);
        }
        Ok(rows)
    }
}

/// Makes a table of records: the last one of each key is its row, one without a row deletes it. It serves tables that are written to
/// and streams that are read as a table. A deletion of what is not there comes out too, without an old row. Records without a key are
/// dropped.
pub struct Upsert {
    rows: Rows,
    detail: String,
    counts: Counts,
}

impl Upsert {
    /// `detail`: for EXPLAIN, the name of what is read.
    pub fn new(detail: impl Into<String>) -> Self {
        Upsert { rows: Rows::default(), detail: detail.into(), counts: Counts::default() }
    }
}

impl Operator for Upsert {
    fn name(&self) -> &'static str {
        "Upsert"
    }
    fn detail(&self) -> String {
        self.detail.clone()
    }
    fn step(&mut self, inputs: Vec<Vec<Change>>) -> Result<Vec<Change>> {
        let input = only_input(inputs)?;
        let mut out = Vec::with_capacity(input.len());
        for change in input {
            if unkeyed(&change.key) {
                self.counts.unkeyed += 1;
                continue;
            }
            let before = self.rows.set(key_bytes(&change.key), &change.key, change.new.clone(), change.time);
            out.push(Change { old: before.map(|stored| stored.row), ..change });
        }
        Ok(out)
    }
    fn state_bytes(&self) -> usize {
        self.rows.bytes()
    }
    fn counts(&self) -> Counts {
        self.counts
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        self.counts.save(out);
        self.rows.save(out);
        Ok(())
    }
    fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.counts = Counts::load(input)?;
        self.rows = Rows::load(input)?;
        Ok(())
    }
}
