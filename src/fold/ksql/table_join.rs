//! Joins with tables by their primary key: of a stream with a table, and of two tables.

use crate::error::{Error, Result};
use crate::fold::ksql::change::{Change, Counts, Expr, Operator, evaluate, in_order, joined, unkeyed};
use crate::fold::ksql::codec::key_bytes;
use crate::fold::ksql::stream_join::JoinKind;
use crate::fold::ksql::table::Rows;
use crate::fold::state::{StateReader, StateWriter};
use crate::func::ksql::Row;

/// The join of a stream (input 0) with a table (input 1): each record meets the table's row of that moment. Only records make results,
/// with their own time.
pub struct StreamTableJoin {
    left: bool,
    key: Expr,
    columns: (usize, usize),
    keeps_null_keys: bool,
    detail: String,
    table: Rows,
    counts: Counts,
}

impl StreamTableJoin {
    /// `left`: records without a match are padded; `key`: of a stream's row, equal to the table's primary key; `columns`: how many
    /// both sides have; `keeps_null_keys`: of a left join, see [`super::stream_join::StreamJoinSpec`].
    pub fn new(left: bool, key: Expr, columns: (usize, usize), keeps_null_keys: bool, detail: impl Into<String>) -> Self {
        let (table, counts) = (Rows::default(), Counts::default());
        StreamTableJoin { left, key, columns, keeps_null_keys, detail: detail.into(), table, counts }
    }

    fn record(&mut self, change: Change) -> Option<Change> {
        let row = change.new.as_ref()?;
        let value = evaluate(&self.key, row, &mut self.counts.errors);
        if value.is_null() && !(self.left && self.keeps_null_keys) {
            self.counts.unkeyed += 1;
            return None;
        }
        let matched = if value.is_null() { None } else { self.table.get(&key_bytes(std::slice::from_ref(&value))) };
        if matched.is_none() && !self.left {
            return None;
        }
        let new = Some(joined(Some(row), matched.map(|stored| &stored.row), self.columns));
        Some(Change { key: [value].into(), old: None, new, ..change })
    }
}

impl Operator for StreamTableJoin {
    fn name(&self) -> &'static str {
        "StreamTableJoin"
    }
    fn detail(&self) -> String {
        format!("{} {}", if self.left { "left" } else { "inner" }, self.detail)
    }
    fn step(&mut self, inputs: Vec<Vec<Change>>) -> Result<Vec<Change>> {
        let mut out = Vec::new();
        for (side, change) in in_order(inputs) {
            match side {
                0 => out.extend(self.record(change)),
                1 => drop(self.table.set(key_bytes(&change.key), &change.key, change.new, change.time)),
                _ => return Err(Error::internal("a join has two inputs")),
            }
        }
        Ok(out)
    }
    fn state_bytes(&self) -> usize {
        self.table.bytes()
    }
    fn counts(&self) -> Counts {
        self.counts
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        self.counts.save(out);
        self.table.save(out);
        Ok(())
    }
    fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.counts = Counts::load(input)?;
        self.table = Rows::load(input)?;
        Ok(())
    }
}

/// The join of two tables by their primary keys. The result's time is the later of both rows'.
pub struct TableTableJoin {
    kind: JoinKind,
    columns: (usize, usize),
    detail: String,
    tables: [Rows; 2],
    counts: Counts,
}

impl TableTableJoin {
    /// `columns`: how many both sides have.
    pub fn new(kind: JoinKind, columns: (usize, usize), detail: impl Into<String>) -> Self {
        let tables = [Rows::default(), Rows::default()];
        TableTableJoin { kind, columns, detail: detail.into(), tables, counts: Counts::default() }
    }

    /// The result's row, if there is one.
    fn row(&self, side: usize, this: Option<&Row>, other: Option<&Row>) -> Option<Row> {
        let (left, right) = if side == 0 { (this, other) } else { (other, this) };
        let shown = match (left, right) {
            (Some(_), Some(_)) => true,
            (Some(_), None) => self.kind.keeps(0),
            (None, Some(_)) => self.kind.keeps(1),
            (None, None) => false,
        };
        shown.then(|| joined(left, right, self.columns))
    }

    fn change(&mut self, side: usize, change: Change) -> Option<Change> {
        if unkeyed(&change.key) {
            self.counts.unkeyed += 1;
            return None;
        }
        let id = key_bytes(&change.key);
        let other = self.tables.get(1 - side)?.get(&id).cloned();
        let before = self.tables.get_mut(side)?.set(id, &change.key, change.new.clone(), change.time);
        let other_row = other.as_ref().map(|stored| &stored.row);
        let old = self.row(side, before.as_ref().map(|stored| &stored.row), other_row);
        let new = self.row(side, change.new.as_ref(), other_row);
        let time = other.as_ref().map_or(change.time, |stored| stored.time.max(change.time));
        (old.is_some() || new.is_some()).then_some(Change { time, old, new, ..change })
    }
}

impl Operator for TableTableJoin {
    fn name(&self) -> &'static str {
        "TableJoin"
    }
    fn detail(&self) -> String {
        format!("{} {}", self.kind.text(), self.detail)
    }
    fn step(&mut self, inputs: Vec<Vec<Change>>) -> Result<Vec<Change>> {
        if inputs.len() > 2 {
            return Err(Error::internal("a join has two inputs"));
        }
        Ok(in_order(inputs).into_iter().filter_map(|(side, change)| self.change(side, change)).collect())
    }
    fn state_bytes(&self) -> usize {
        self.tables.iter().map(Rows::bytes).sum()
    }
    fn counts(&self) -> Counts {
        self.counts
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        self.counts.save(out);
        self.tables.iter().for_each(|table| table.save(out));
        Ok(())
    }
    fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.counts = Counts::load(input)?;
        self.tables = [Rows::load(input)?, Rows::load(input)?];
        Ok(())
    }
}
