//! The join of two tables where an expression over the left row is the right row's primary key.
//!
//! The result has the left table's key. A change on the right changes the results of all left rows that refer to it, in the order of
//! their keys.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::fold::ksql::change::{Change, Counts, Expr, Operator, evaluate, in_order, joined, unkeyed};
use crate::fold::ksql::codec::{KeyBytes, key_bytes};
use crate::fold::ksql::table::{ENTRY_BYTES, Rows};
use crate::fold::state::{StateReader, StateWriter};
use crate::func::ksql::Row;

/// The foreign-key join.
pub struct ForeignKeyJoin {
    keeps_left: bool,
    foreign_key: Expr,
    columns: (usize, usize),
    detail: String,
    left: Rows,
    right: Rows,
    /// Left keys by foreign key.
    references: BTreeSet<(KeyBytes, KeyBytes)>,
    counts: Counts,
}

impl ForeignKeyJoin {
    /// `keeps_left`: a LEFT join; `columns`: how many both sides have.
    pub fn new(keeps_left: bool, foreign_key: Expr, columns: (usize, usize), detail: impl Into<String>) -> Self {
        ForeignKeyJoin {
            keeps_left,
            foreign_key,
            columns,
            detail: detail.into(),
            left: Rows::default(),
            right: Rows::default(),
            references: BTreeSet::new(),
            counts: Counts::default(),
        }
    }

    /// What a left row refers to; `None` for NULL.
    fn foreign(&self, row: &Row, errors: &mut u64) -> Option<KeyBytes> {
        let value = evaluate(&self.foreign_key, row, errors);
        (!value.is_null()).then(|| key_bytes(&[value]))
    }

    fn row(&self, left: Option<&Row>, right: Option<&Row>) -> Option<Row> {
        left.filter(|_| right.is_some() || self.keeps_left).map(|row| joined(Some(row), right, self.columns))
    }

    fn left_change(&mut self, change: Change, out: &mut Vec<Change>) {
        let id = key_bytes(&change.key);
        let before = self.left.set(id.clone(), &change.key, change.new.clone(), change.time).map(|stored| stored.row);
        let mut errors = 0;
        let old_key = before.as_ref().and_then(|row| self.foreign(row, &mut 0));
        let new_key = change.new.as_ref().and_then(|row| self.foreign(row, &mut errors));
        self.counts.errors += errors;
        if let Some(key) = &old_key {
            self.references.remove(&(key.clone(), id.clone()));
        }
        if let Some(key) = &new_key {
            self.references.insert((key.clone(), id));
        }
        let right = |key: &Option<KeyBytes>| key.as_ref().and_then(|key| self.right.get(key));
        let (old_right, new_right) = (right(&old_key), right(&new_key));
        let old = self.row(before.as_ref(), old_right.map(|stored| &stored.row));
        let new = self.row(change.new.as_ref(), new_right.map(|stored| &stored.row));
        if old.is_some() || new.is_some() {
            let time = new_right.map_or(change.time, |stored| stored.time.max(change.time));
            out.push(Change { time, old, new, ..change });
        }
    }

    fn right_change(&mut self, change: Change, out: &mut Vec<Change>) {
        let id = key_bytes(&change.key);
        let before = self.right.set(id.clone(), &change.key, change.new.clone(), change.time).map(|stored| stored.row);
        if before.is_none() && change.new.is_none() {
            return;
        }
        let referring = self.references.range((id.clone(), KeyBytes::default())..).take_while(|(key, _)| *key == id);
        for left in referring.filter_map(|(_, left)| self.left.get(left)) {
            let old = self.row(Some(&left.row), before.as_ref());
            let new = self.row(Some(&left.row), change.new.as_ref());
            if old.is_some() || new.is_some() {
                let time = left.time.max(change.time);
                out.push(Change { position: change.position, time, key: left.key.clone(), old, new });
            }
        }
    }
}

impl Operator for ForeignKeyJoin {
    fn name(&self) -> &'static str {
        "ForeignKeyJoin"
    }
    fn detail(&self) -> String {
        format!("{} {}", if self.keeps_left { "left" } else { "inner" }, self.detail)
    }
    fn step(&mut self, inputs: Vec<Vec<Change>>) -> Result<Vec<Change>> {
        let mut out = Vec::new();
        for (side, change) in in_order(inputs) {
            if unkeyed(&change.key) {
                self.counts.unkeyed += 1;
                continue;
            }
            match side {
                0 => self.left_change(change, &mut out),
                1 => self.right_change(change, &mut out),
                _ => return Err(Error::internal("a join has two inputs")),
            }
        }
        Ok(out)
    }
    fn state_bytes(&self) -> usize {
        self.left.bytes() + self.right.bytes() + self.references.len() * 2 * ENTRY_BYTES
    }
    fn counts(&self) -> Counts {
        self.counts
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        self.counts.save(out);
        self.left.save(out);
        self.right.save(out);
        Ok(())
    }
    fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.counts = Counts::load(input)?;
        (self.left, self.right) = (Rows::load(input)?, Rows::load(input)?);
        let references = self.left.sorted().into_iter();
        self.references = references.filter_map(|(id, row)| Some((self.foreign(&row.row, &mut 0)?, id.clone()))).collect();
        Ok(())
    }
}
