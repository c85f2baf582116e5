//! NOT IN: a left anti join under three-valued logic.
//!
//! `x NOT IN (right)` is true for every x, NULL too, if the right side is empty; for none if it has a NULL; and else for the x
//! that are not NULL and equal nothing. So the right side as a whole has a [`Mode`], and when it changes, the left side is
//! gone through once.

use arrow::array::ArrayRef;
use arrow::buffer::NullBuffer;
use arrow::datatypes::SchemaRef;

use super::super::arrangement::{Added, Arrangement};
use super::super::eval::{batch_of, evaluate_all, take_all};
use super::super::{StateReader, StateWriter};
use super::{Folding, Join, Lone, PAIRS_MAX};
use crate::data::Delta;
use crate::error::Result;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// No right row: every left row counts.
    Empty,
    /// Left rows count that are not NULL and match nothing.
    Plain,
    /// A right row is NULL: no left row counts.
    HasNull,
}

/// What NOT IN needs beside the two sides.
pub(super) struct NullAware {
    /// Sum of the weights of all right rows.
    rows: i64,
    /// Sum of the weights of the right rows whose key is NULL.
    nulls: i64,
    /// The left rows whose key is NULL, all under one key.
    left: Arrangement,
}

impl NullAware {
    pub fn new(left: SchemaRef, append_only: bool) -> Result<Self> {
        Ok(NullAware { rows: 0, nulls: 0, left: Arrangement::new(left, &[], append_only, true)? })
    }

    fn mode(&self) -> Mode {
        if self.nulls > 0 {
            Mode::HasNull
        } else if self.rows > 0 {
            Mode::Plain
        } else {
            Mode::Empty
        }
    }

    pub fn bytes(&self) -> usize {
        self.left.bytes()
    }
    pub fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        out.i64(self.rows);
        out.i64(self.nulls);
        self.left.save(out)
    }
    pub fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.rows = input.i64()?;
        self.nulls = input.i64()?;
        self.left.load(input)
    }
}

fn counts(mode: Mode, matched: bool, is_null: bool) -> bool {
    match mode {
        Mode::Empty => true,
        Mode::Plain => !matched && !is_null,
        Mode::HasNull => false,
    }
}

impl Join {
    pub(super) fn fold_null_aware(
        &mut self,
        folding: &Folding<'_>,
        valid: Option<&NullBuffer>,
        added: &Added<'_>,
        out: &mut Vec<Delta>,
    ) -> Result<()> {
        let Some(state) = &mut self.null_aware else { return Ok(()) };
        let is_null = |i: usize| valid.is_some_and(|v| v.is_null(i));
        let (delta, before) = (folding.delta, state.mode());
        if folding.side == 0 {
            let rows = 0..delta.num_rows();
            let shown: Vec<u32> = rows.clone().filter(|&i| counts(before, folding.matched[i] > 0, is_null(i))).map(|i| i as u32).collect();
            let nulls: Vec<u32> = rows.filter(|&i| is_null(i)).map(|i| i as u32).collect();
            state.left.add(&Added { keys: &[], chosen: &nulls, ..*added })?;
            state.left.maintain()?;
            self.sides[0].add(added)?;
            return self.show(delta, &shown, out);
        }
        for i in 0..delta.num_rows() {
            state.rows += delta.weight(i);
            state.nulls += if is_null(i) { delta.weight(i) } else { 0 };
        }
        let after = state.mode();
        let changed = self.sides[1].add(added)?;
        if before == Mode::Plain {
            self.key_transitions(folding, &changed, out)?;
        }
        if before != after { self.sweep(before, after, out) } else { Ok(()) }
    }

    fn show(&self, delta: &Delta, rows: &[u32], out: &mut Vec<Delta>) -> Result<()> {
        if !rows.is_empty() {
            let weights = rows.iter().map(|&r| delta.weight(r as usize)).collect();
            out.push(self.lone(0, Lone::Bare, take_all(delta.batch.columns(), rows)?, weights)?);
        }
        Ok(())
    }

    /// The change of all left rows from one mode to another, the sums of matches being those of now. Cost O(left rows).
    fn sweep(&self, before: Mode, after: Mode, out: &mut Vec<Delta>) -> Result<()> {
        let Some(state) = &self.null_aware else { return Ok(()) };
        for (side, is_null) in [(&self.sides[0], false), (&state.left, true)] {
            for entries in side.entries().chunks(PAIRS_MAX) {
                let columns: Vec<ArrayRef> = side.gather(entries)?;
                let batch = batch_of(&self.spec.left, columns, entries.len())?;
                let found = if is_null { Vec::new() } else { self.sides[1].find(&evaluate_all(&self.on[0], &batch)?, entries.len())? };
                let matched = |i: usize| !is_null && self.sides[1].total(found[i]) > 0;
                let change = |i: usize| i64::from(counts(after, matched(i), is_null)) - i64::from(counts(before, matched(i), is_null));
                let rows: Vec<u32> = (0..entries.len()).filter(|&i| change(i) != 0).map(|i| i as u32).collect();
                if rows.is_empty() {
                    continue;
                }
                let weights = rows.iter().map(|&r| change(r as usize) * side.weight(entries[r as usize])).collect();
                out.push(Delta::of(batch_of(&self.spec.schema, take_all(batch.columns(), &rows)?, rows.len())?, weights));
            }
        }
        Ok(())
    }
}
