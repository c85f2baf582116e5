//! A whole query of ksqlDB's dialect as one operator of the fold: Arrow at both ends, rows of values between.
//!
//! 1. [`Input::changes`] turns the rows of a log, or of another query's stream, into [`Change`]s.
//! 2. The [`Pipeline`] folds them, record by record.
//! 3. [`Sink`] turns what comes out into a delta: a stream's rows with their position, offset and ROWTIME; a table's net change per key.
//!
//! Invariant: inputs come in ranges of positions, all inputs of a range together, since a pipeline merges them by position.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{Int8Type, Int64Type, SchemaRef, TimestampMicrosecondType};
use hashbrown::HashSet;

use super::change::Change;
use super::codec::{KeyBytes, key_bytes};
use super::pipeline::{Pipeline, Report};
use super::table::{Rows, Stored};
use crate::data::{Delta, Position};
use crate::error::{Error, Result};
use crate::fold::{Operator, OperatorReport, StateReader, StateWriter};
use crate::func::ksql::columns::{fitting_column, value_at};
use crate::func::ksql::{Row, Type, Value};

/// How the rows of an input are read. The input's columns are those of the relation, then `_op` where `deletes` is set, then
/// `_position`, `_offset` and `_time`.
#[derive(Clone, Debug)]
pub struct Input {
    /// The types of the relation's columns.
    pub types: Vec<Type>,
    /// Indices of the key's columns.
    pub key: Vec<usize>,
    /// True if an input's row may say that its key is gone.
    pub deletes: bool,
}

/// Columns that each record has behind the relation's: ROWTIME, ROWPARTITION, ROWOFFSET.
pub const PSEUDO_COLUMNS: [(&str, Type); 3] = [("ROWTIME", Type::Bigint), ("ROWPARTITION", Type::Int), ("ROWOFFSET", Type::Bigint)];

impl Input {
    /// The changes that rows are, in the order of their positions. A record without a key where one is needed is no record of a table.
    pub fn changes(&self, deltas: &[Delta], out: &mut Vec<Change>) -> Result<()> {
        let first = out.len();
        for delta in deltas.iter().filter(|d| d.num_rows() > 0) {
            self.read(&delta.batch, out)?;
        }
        let read = &mut out[first..];
        if !read.is_sorted_by_key(|c| c.position) {
            read.sort_by_key(|c| c.position);
        }
        Ok(())
    }

    fn read(&self, batch: &RecordBatch, out: &mut Vec<Change>) -> Result<()> {
        let width = self.types.len();
        let system = width + usize::from(self.deletes);
        let positions = whole(batch, system)?;
        let offsets = whole(batch, system + 1)?;
        let times = batch.column(system + 2).as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(missing)?;
        let ops = self.deletes.then(|| batch.column(width).as_primitive_opt::<Int8Type>().ok_or_else(missing)).transpose()?;
        for i in 0..batch.num_rows() {
            let time = times.value(i).div_euclid(1_000);
            let mut row: Vec<Value> = Vec::with_capacity(width + PSEUDO_COLUMNS.len());
            row.extend(self.types.iter().enumerate().map(|(c, ty)| value_at(batch.column(c), i, ty)));
            row.extend([Value::Bigint(time), Value::Int(0), Value::Bigint(offsets.value(i))]);
            let key: Row = self.key.iter().map(|k| row[*k].clone()).collect();
            let gone = ops.is_some_and(|ops| ops.value(i) < 0);
            let new = (!gone).then(|| Row::from(row));
            out.push(Change { position: positions.value(i) as Position, time, key, old: None, new });
        }
        Ok(())
    }
}

fn whole(batch: &RecordBatch, index: usize) -> Result<&Int64Array> {
    batch.column(index).as_primitive_opt::<Int64Type>().ok_or_else(missing)
}

fn missing() -> Error {
    Error::internal("an input lacks its system columns")
}

/// What a query's changes become.
pub enum Sink {
    /// Rows that stay. The next one's offset.
    Stream { offset: i64 },
    /// The present row per key, with its ROWTIME.
    Table { rows: Rows },
}

/// A query under way.
pub struct Program {
    inputs: Vec<Input>,
    pipeline: Pipeline,
    types: Vec<Type>,
    sink: Sink,
    schema: SchemaRef,
    detail: String,
}

impl Program {
    /// `types`: of the output's columns. `schema`: those columns, then for a stream `_position`, `_offset` and `_time`, for a table
    /// `_time`. `detail`: the query, for EXPLAIN.
    pub fn new(inputs: Vec<Input>, pipeline: Pipeline, types: Vec<Type>, table: bool, schema: SchemaRef, detail: String) -> Program {
        let sink = if table { Sink::Table { rows: Rows::default() } } else { Sink::Stream { offset: 0 } };
        Program { inputs, pipeline, types, sink, schema, detail }
    }

    /// Folds one step and answers what came out, change by change, for those who watch.
    pub fn changes(&mut self, inputs: &[Vec<Delta>]) -> Result<Vec<Change>> {
        let mut sources = Vec::with_capacity(self.inputs.len());
        for (input, deltas) in self.inputs.iter().zip(inputs) {
            let mut changes = Vec::new();
            input.changes(deltas, &mut changes)?;
            sources.push(changes);
        }
        self.pipeline.step(sources)
    }

    /// The rows as a batch of the output's schema. Each comes with position, offset and ROWTIME.
    fn batch(&self, rows: &[(&Row, Position, i64, i64)]) -> Result<RecordBatch> {
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for (i, ty) in self.types.iter().enumerate() {
            let values: Vec<&Value> = rows.iter().map(|(row, ..)| &row[i]).collect();
            columns.push(fitting_column(&values, ty)?);
        }
        if let Sink::Stream { .. } = self.sink {
            columns.push(Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.1 as i64))));
            columns.push(Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.2))));
        }
        let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|r| r.3.saturating_mul(1_000)));
        columns.push(Arc::new(times.with_timezone("UTC")));
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }

    fn stream(&mut self, changes: &[Change]) -> Result<Option<Delta>> {
        let Sink::Stream { offset } = &mut self.sink else { return Err(Error::internal("not a stream")) };
        let mut rows = Vec::with_capacity(changes.len());
        for change in changes {
            if let Some(row) = &change.new {
                rows.push((row, change.position, *offset, change.time));
                *offset += 1;
            }
        }
        if rows.is_empty() { Ok(None) } else { Ok(Some(Delta::insert(self.batch(&rows)?))) }
    }

    fn table(&mut self, changes: &[Change]) -> Result<Option<Delta>> {
        let Sink::Table { rows } = &mut self.sink else { return Err(Error::internal("not a table")) };
        // The row that each touched key had before this step, in the order in which they were touched.
        let mut touched: Vec<(KeyBytes, Option<Stored>)> = Vec::new();
        let mut seen = HashSet::new();
        for change in changes {
            let id = key_bytes(&change.key);
            let before = rows.set(id.clone(), &change.key, change.new.clone(), change.time);
            if seen.insert(id.clone()) {
                touched.push((id, before));
            }
        }
        let Sink::Table { rows } = &self.sink else { return Err(Error::internal("not a table")) };
        let gone = touched.iter().filter_map(|(_, before)| before.as_ref()).map(|stored| (stored, -1));
        let come = touched.iter().filter_map(|(id, _)| rows.get(id)).map(|stored| (stored, 1));
        let (all, weights): (Vec<_>, Vec<i64>) = gone.chain(come).map(|(s, weight)| ((&s.row, 0, 0, s.time), weight)).unzip();
        if all.is_empty() {
            return Ok(None);
        }
        Ok(Some(Delta::of(self.batch(&all)?, weights)))
    }
}

impl Operator for Program {
    fn name(&self) -> &'static str {
        "Ksql"
    }
    fn detail(&self) -> String {
        self.detail.clone()
    }
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn step(&mut self, inputs: Vec<Vec<Delta>>) -> Result<Vec<Delta>> {
        let changes = self.changes(&inputs)?;
        let delta = match self.sink {
            Sink::Stream { .. } => self.stream(&changes)?,
            Sink::Table { .. } => self.table(&changes)?,
        };
        Ok(delta.into_iter().collect())
    }

    fn parts(&self) -> Vec<OperatorReport> {
        let report = |r: Report| OperatorReport {
            depth: r.depth,
            name: r.name,
            detail: r.detail,
            rows_in: r.rows_in,
            rows_out: r.rows_out,
            state_bytes: r.state_bytes,
            // Records that came too late, or without the key that they are joined or grouped by.
            left_out: (r.late + r.unkeyed) as i64,
            busy: Duration::ZERO,
        };
        self.pipeline.reports().into_iter().map(report).collect()
    }

    fn state_bytes(&self) -> usize {
        let rows = match &self.sink {
            Sink::Stream { .. } => 0,
            Sink::Table { rows } => rows.bytes(),
        };
        self.pipeline.state_bytes() + rows
    }

    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        match &self.sink {
            Sink::Stream { offset } => out.i64(*offset),
            Sink::Table { rows } => rows.save(out),
        }
        self.pipeline.save(out)
    }

    fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        match &mut self.sink {
            Sink::Stream { offset } => *offset = input.i64()?,
            Sink::Table { rows } => *rows = Rows::load(input)?,
        }
        self.pipeline.load(input)
    }
}
