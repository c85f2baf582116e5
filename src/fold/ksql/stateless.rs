//! Operators without state: Filter, Project, Rekey, Explode, Merge, ToStream.
//!
//! Over tables they work on both rows of a change, so that what comes out is again a table's change. Errors are counted for the new
//! row only: the old one was counted when it was new.

use std::sync::Arc;

use crate::error::Result;
use crate::fold::ksql::change::{Change, Counts, Expr, Operator, evaluate_all, in_order, only_input, passes};
use crate::fold::state::{StateReader, StateWriter};
use crate::func::ksql::{Row, Value};

/// What all operators without state save: their counts.
macro_rules! counted {
    () => {
        fn counts(&self) -> Counts {
            self.counts
        }
        fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
            self.counts.save(out);
            Ok(())
        }
        fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
            self.counts = Counts::load(input)?;
            Ok(())
        }
    };
}

/// WHERE and HAVING. A stream's records that do not pass are dropped; a table's row that stops passing is deleted.
pub struct Filter {
    predicate: Expr,
    detail: String,
    table: bool,
    counts: Counts,
}

impl Filter {
    /// Over a stream.
    pub fn stream(predicate: Expr, detail: impl Into<String>) -> Self {
        Filter { predicate, detail: detail.into(), table: false, counts: Counts::default() }
    }

    /// Over a table.
    pub fn table(predicate: Expr, detail: impl Into<String>) -> Self {
        Filter { predicate, detail: detail.into(), table: true, counts: Counts::default() }
    }

    fn table_change(&mut self, change: Change) -> Option<Change> {
        if change.old.is_none() && change.new.is_none() {
            return Some(change);
        }
        let mut ignored = 0;
        let old = change.old.filter(|row| passes(&self.predicate, row, &mut ignored));
        let new = change.new.filter(|row| passes(&self.predicate, row, &mut self.counts.errors));
        (old.is_some() || new.is_some()).then_some(Change { old, new, ..change })
    }
}

impl Operator for Filter {
    fn name(&self) -> &'static str {
        "Filter"
    }
    fn detail(&self) -> String {
        self.detail.clone()
    }
    fn step(&mut self, inputs: Vec<Vec<Change>>) -> Result<Vec<Change>> {
        let input = only_input(inputs)?;
        if self.table {
            return Ok(input.into_iter().filter_map(|change| self.table_change(change)).collect());
        }
        let mut kept = input;
        kept.retain(|change| change.new.as_ref().is_some_and(|row| passes(&self.predicate, row, &mut self.counts.errors)));
        Ok(kept)
    }
    counted!();
}

/// SELECT: one expression per column of the new row.
pub struct Project {
    columns: Vec<Expr>,
    key: Vec<usize>,
    detail: String,
    counts: Counts,
}

impl Project {
    /// `key`: the places of the key's columns in the new row. It serves streams and tables.
    pub fn new(columns: Vec<Expr>, key: Vec<usize>, detail: impl Into<String>) -> Self {
        Project { columns, key, detail: detail.into(), counts: Counts::default() }
    }

    fn change(&mut self, change: Change) -> Change {
        let mut ignored = 0;
        let old = change.old.map(|row| evaluate_all(&self.columns, &row, &mut ignored));
        let new = change.new.map(|row| evaluate_all(&self.columns, &row, &mut self.counts.errors));
        // The deletion of what was never there has no row to take the key from, and its key stays.
        let key = match new.as_ref().or(old.as_ref()) {
            Some(row) => self.key.iter().map(|&at| row.get(at).cloned().unwrap_or_default()).collect(),
            None => change.key,
        };
        Change { key, old, new, ..change }
    }
}

impl Operator for Project {
    fn name(&self) -> &'static str {
        "Project"
    }
    fn detail(&self) -> String {
        self.detail.clone()
    }
    fn step(&mut self, inputs: Vec<Vec<Change>>) -> Result<Vec<Change>> {
        Ok(only_input(inputs)?.into_iter().map(|change| self.change(change)).collect())
    }
    counted!();
}

/// PARTITION BY: another key for the records of a stream. Rows stay as they are; an expression that errs gives a NULL key.
pub struct Rekey {
    key: Vec<Expr>,
    detail: String,
    counts: Counts,
}

impl Rekey {
    /// No expression at all takes the key away.
    pub fn new(key: Vec<Expr>, detail: impl Into<String>) -> Self {
        Rekey { key, detail: detail.into(), counts: Counts::default() }
    }
}

impl Operator for Rekey {
    fn name(&self) -> &'static str {
        "Rekey"
    }
    fn detail(&self) -> String {
        self.detail.clone()
    }
    fn step(&mut self, inputs: Vec<Vec<Change>>) -> Result<Vec<Change>> {
        let mut changes = only_input(inputs)?;
        for change in &mut changes {
            if let Some(row) = &change.new {
                change.key = evaluate_all(&self.key, row, &mut self.counts.errors);
            }
        }
        Ok(changes)
    }
    counted!();
}

/// A table function: from a row to the values that it becomes. NULL and empty arrays give none.
pub type TableFunction = Arc<dyn Fn(&[Value]) -> Result<Vec<Value>> + Send + Sync>;

/// Table functions in SELECT: each record becomes as many as the longest of the functions' results has values; shorter ones are
/// padded with NULL. The values stand behind the record's own columns.
pub struct Explode {
    functions: Vec<TableFunction>,
    detail: String,
    counts: Counts,
}

impl Explode {
    /// Over a stream; there must be a function.
    pub fn new(functions: Vec<TableFunction>, detail: impl Into<String>) -> Self {
        Explode { functions, detail: detail.into(), counts: Counts::default() }
    }
}

impl Operator for Explode {
    fn name(&self) -> &'static str {
        "Explode"
    }
    fn detail(&self) -> String {
        self.detail.clone()
    }
    fn step(&mut self, inputs: Vec<Vec<Change>>) -> Result<Vec<Change>> {
        let mut out = Vec::new();
        for change in only_input(inputs)? {
            let Some(row) = &change.new else { continue };
            let mut results: Vec<std::vec::IntoIter<Value>> = Vec::with_capacity(self.functions.len());
            for function in &self.functions {
                let values = function(row).unwrap_or_else(|_| {
                    self.counts.errors += 1;
                    Vec::new()
                });
                results.push(values.into_iter());
            }
            for _ in 0..results.iter().map(|r| r.len()).max().unwrap_or(0) {
                let values = results.iter_mut().map(|r| r.next().unwrap_or_default());
                let new: Row = row.iter().cloned().chain(values).collect();
                out.push(Change { key: change.key.clone(), old: None, new: Some(new), ..change });
            }
        }
        Ok(out)
    }
    counted!();
}

/// Several streams as one: by position, at one position by input.
#[derive(Default)]
pub struct Merge;

impl Operator for Merge {
    fn name(&self) -> &'static str {
        "Merge"
    }
    fn detail(&self) -> String {
        String::new()
    }
    fn step(&mut self, inputs: Vec<Vec<Change>>) -> Result<Vec<Change>> {
        Ok(in_order(inputs).into_iter().map(|(_, change)| change).collect())
    }
    fn save(&self, _out: &mut StateWriter<'_>) -> Result<()> {
        Ok(())
    }
    fn load(&mut self, _input: &mut StateReader<'_>) -> Result<()> {
        Ok(())
    }
}

/// A table's changes as the records of a stream.
pub struct ToStream {
    tombstones: bool,
}

impl ToStream {
    /// `tombstones`: deletions are records too, without a row; else they are dropped.
    pub fn new(tombstones: bool) -> Self {
        ToStream { tombstones }
    }
}

impl Operator for ToStream {
    fn name(&self) -> &'static str {
        "ToStream"
    }
    fn detail(&self) -> String {
        if self.tombstones { "with tombstones".to_string() } else { String::new() }
    }
    fn step(&mut self, inputs: Vec<Vec<Change>>) -> Result<Vec<Change>> {
        let mut changes = only_input(inputs)?;
        changes.retain(|change| self.tombstones || change.new.is_some());
        changes.iter_mut().for_each(|change| change.old = None);
        Ok(changes)
    }
    fn save(&self, _out: &mut StateWriter<'_>) -> Result<()> {
        Ok(())
    }
    fn load(&mut self, _input: &mut StateReader<'_>) -> Result<()> {
        Ok(())
    }
}

/// The value of a predicate that cannot err, for callers that build filters by hand.
pub fn predicate(test: impl Fn(&[Value]) -> bool + Send + Sync + 'static) -> Expr {
    Arc::new(move |row| Ok(Value::Boolean(test(row))))
}

/// The value of a column; of one that is not there NULL.
pub fn column(at: usize) -> Expr {
    Arc::new(move |row| Ok(row.get(at).cloned().unwrap_or_default()))
}
