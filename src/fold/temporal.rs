//! `expires_at > now()`, `at > now() - INTERVAL '1 hour'`: a filter whose rows come and go as time passes.
//!
//! Time is an input like any other: ticks, events that bear the time. `now()` is the time of the latest tick; before the first one no row
//! passes. The row's side of the comparison does not depend on time, the other side, the bound, on nothing else, and it never
//! falls; so a row passes from some tick on, or until some tick. [`Temporal`] orders the rows that are still to change by their
//! side, and a tick moves the bound over them. Rows that never change again are not held. Cost: O(log n) per row that is held, and
//! per tick only the rows that it changes.
//!
//! A bound with months in it falls a little at times, by less than its slack: rows are held until it is that far past them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, TimestampMicrosecondArray};
use arrow::compute;
use arrow::datatypes::{DataType, SchemaRef, TimeUnit, TimestampMicrosecondType};
use arrow::row::{RowConverter, SortField};

use super::encoded::Encoded;
use super::eval::{Expr, batch_of, evaluate};
use super::key_index::integers;
use super::state::damaged;
use super::{Operator, StateReader, StateWriter};
use crate::data::Delta;
use crate::error::{Error, Result};

/// Which rows pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passes {
    /// Those whose value is less than the bound: they enter as it rises.
    Below { equal: bool },
    /// Those whose value is greater than the bound: they leave as it rises.
    Above { equal: bool },
}

/// What a [`Temporal`] is to do.
pub struct TemporalSpec {
    /// The rows.
    pub input: SchemaRef,
    /// The row's side of the comparison: a date or a timestamp in microseconds. Rows where it is NULL never pass.
    pub value: Expr,
    pub passes: Passes,
    /// The other side, of `value`'s type, over the only column of `clock`.
    pub bound: Expr,
    /// As time rises the bound falls by less than this, or, if it is 0, never.
    pub slack: i64,
    /// The ticks: their time, in microseconds with a time zone.
    pub clock: SchemaRef,
}

/// A row by its value.
type Row = (i64, Arc<[u8]>);

/// A comparison with the time. Input 0 are the rows, input 1 the ticks.
pub struct Temporal {
    spec: TemporalSpec,
    converter: RowConverter,
    /// The time of the latest tick, and what the bound is then; `None` before the first.
    now: Option<i64>,
    bound: Option<i64>,
    /// Rows that are to enter, or to leave, or may do so again, with their weights.
    held: BTreeMap<Row, i64>,
    bytes: usize,
}

/// Bytes that a held row takes beside its own.
const ROW_BYTES: usize = 64;

impl Temporal {
    /// Errors: XX000 for sides that cannot be compared as numbers.
    pub fn new(spec: TemporalSpec) -> Result<Self> {
        let (value, bound) = (spec.value.data_type(&spec.input)?, spec.bound.data_type(&spec.clock)?);
        if value != bound || !is_time(&value) {
            return Err(Error::internal(format!("{value} cannot be compared with {bound} as time passes")));
        }
        let converter = RowConverter::new(spec.input.fields().iter().map(|f| SortField::new(f.data_type().clone())).collect())?;
        Ok(Temporal { spec, converter, now: None, bound: None, held: BTreeMap::new(), bytes: 0 })
    }

    /// The bound at a time.
    fn bound_at(&self, now: i64) -> Result<Option<i64>> {
        let time = TimestampMicrosecondArray::from(vec![now]).with_data_type(self.spec.clock.field(0).data_type().clone());
        let clock = RecordBatch::try_new(self.spec.clock.clone(), vec![Arc::new(time)])?;
        let bound = evaluate(&self.spec.bound, &clock)?;
        let values = integers(&bound).ok_or_else(|| Error::internal("a bound is no time"))?;
        Ok(bound.is_valid(0).then(|| values[0]))
    }

    fn passes(&self, value: i64) -> bool {
        let Some(bound) = self.bound else { return false };
        match self.spec.passes {
            Passes::Below { equal } => value < bound || equal && value == bound,
            Passes::Above { equal } => value > bound || equal && value == bound,
        }
    }

    /// The least value that a bound is not past.
    fn ahead_of(&self, bound: i64) -> i128 {
        let with_bound = matches!(self.spec.passes, Passes::Below { equal: true } | Passes::Above { equal: false });
        i128::from(bound) + i128::from(with_bound)
    }

    /// True if no bound to come is on the other side of the value.
    fn is_settled(&self, value: i64) -> bool {
        self.bound.is_some_and(|bound| i128::from(value) < self.ahead_of(bound) - i128::from(self.spec.slack))
    }

    /// Lets go of the held rows that are settled.
    fn let_go(&mut self) {
        let settled: Vec<Row> = self.held.keys().take_while(|row| self.is_settled(row.0)).cloned().collect();
        for row in settled {
            self.held.remove(&row);
            self.bytes -= row.1.len() + ROW_BYTES;
        }
    }

    /// Moves on to the latest of the ticks; gives the rows that enter or leave by that.
    fn tick(&mut self, ticks: &[Delta]) -> Result<Option<Delta>> {
        let latest = ticks.iter().filter_map(|d| compute::max(d.batch.column(0).as_primitive::<TimestampMicrosecondType>())).max();
        let Some(now) = latest.filter(|now| self.now.is_none_or(|before| before < *now)) else { return Ok(None) };
        let before = self.bound;
        (self.now, self.bound) = (Some(now), self.bound_at(now)?);
        let Some(bound) = self.bound else { return Ok(None) };
        let (from, to, below) = (before.map(|b| self.ahead_of(b)), self.ahead_of(bound), matches!(self.spec.passes, Passes::Below { .. }));
        // Before the first tick no row was given.
        let change = match from {
            None if below => self.emit(i128::MIN..to, 1),
            None => self.emit(to..i128::MAX, 1),
            Some(from) if from <= to => self.emit(from..to, if below { 1 } else { -1 }),
            Some(from) => self.emit(to..from, if below { -1 } else { 1 }),
        };
        self.let_go();
        change
    }

    /// The held rows with values in a range.
    fn emit(&self, values: Range<i128>, sign: i64) -> Result<Option<Delta>> {
        let least: Row = (values.start.clamp(i64::MIN.into(), i64::MAX.into()) as i64, Arc::from([].as_slice()));
        let rows = self.held.range(least..).skip_while(|(row, _)| i128::from(row.0) < values.start);
        let rows: Vec<(&Row, &i64)> = rows.take_while(|(row, _)| i128::from(row.0) < values.end).collect();
        if rows.is_empty() {
            return Ok(None);
        }
        let parser = self.converter.parser();
        let columns = self.converter.convert_rows(rows.iter().map(|(row, _)| parser.parse(&row.1)))?;
        let batch = batch_of(&self.spec.input, columns, rows.len())?;
        let weights: Vec<i64> = rows.iter().map(|(_, weight)| sign * **weight).collect();
        Ok(Some(Delta::of(batch, weights)))
    }

    /// Gives the rows that pass now, and holds those that may change.
    fn fold(&mut self, delta: &Delta) -> Result<Delta> {
        let value = evaluate(&self.spec.value, &delta.batch)?;
        let values = integers(&value).ok_or_else(|| Error::internal("a time is no time"))?;
        let pass: BooleanArray = (0..delta.num_rows()).map(|i| Some(value.is_valid(i) && self.passes(values[i]))).collect();
        let held: BooleanArray = (0..delta.num_rows()).map(|i| Some(value.is_valid(i) && !self.is_settled(values[i]))).collect();
        if held.true_count() > 0 {
            let (rows, values) = (delta.filter(&held)?, compute::filter(&value, &held)?);
            let values = integers(&values).ok_or_else(|| Error::internal("a time is no time"))?;
            let bytes = Encoded::new(&self.converter, rows.batch.columns())?;
            (0..rows.num_rows()).for_each(|i| self.hold((values[i], bytes.row(i as u32).into()), rows.weight(i)));
        }
        delta.filter(&pass)
    }

    fn hold(&mut self, row: Row, weight: i64) {
        let bytes = row.1.len() + ROW_BYTES;
        let sum = self.held.entry(row.clone()).or_insert_with(|| {
            self.bytes += bytes;
            0
        });
        *sum += weight;
        if *sum == 0 {
            self.held.remove(&row);
            self.bytes -= bytes;
        }
    }
}

/// True for the types whose values can be compared with a time.
pub fn is_time(ty: &DataType) -> bool {
    matches!(ty, DataType::Date32 | DataType::Timestamp(TimeUnit::Microsecond, _))
}

impl Operator for Temporal {
    fn name(&self) -> &'static str {
        "Temporal"
    }
    fn detail(&self) -> String {
        let op = match self.spec.passes {
            Passes::Below { equal: false } => "<",
            Passes::Below { equal: true } => "<=",
            Passes::Above { equal: false } => ">",
            Passes::Above { equal: true } => ">=",
        };
        format!("{} {op} {}", self.spec.value, self.spec.bound)
    }
    fn schema(&self) -> SchemaRef {
        self.spec.input.clone()
    }

    fn step(&mut self, inputs: Vec<Vec<Delta>>) -> Result<Vec<Delta>> {
        let [rows, ticks] = <[Vec<Delta>; 2]>::try_from(inputs).map_err(|_| Error::internal("a filter by time has rows and ticks"))?;
        let mut out: Vec<Delta> = self.tick(&ticks)?.into_iter().collect();
        for delta in rows.iter().filter(|d| d.num_rows() > 0) {
            let passing = self.fold(delta)?;
            if passing.num_rows() > 0 {
                out.push(passing);
            }
        }
        Ok(out)
    }

    fn state_bytes(&self) -> usize {
        self.bytes
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        out.bool(self.now.is_some());
        out.i64(self.now.unwrap_or_default());
        out.u64(self.held.len() as u64);
        self.held.iter().for_each(|((value, row), weight)| {
            out.i64(*value);
            out.bytes(row);
            out.i64(*weight);
        });
        Ok(())
    }
    fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        let ticked = input.bool()?;
        self.now = Some(input.i64()?).filter(|_| ticked);
        self.bound = self.now.map_or(Ok(None), |now| self.bound_at(now))?;
        let row = |input: &mut StateReader<'_>| Ok(((input.i64()?, Arc::from(input.bytes()?)), input.i64()?));
        self.held = (0..input.u64()?).map(|_| row(input)).collect::<Result<_>>()?;
        if self.held.values().any(|w| *w == 0) {
            return Err(damaged("a row counts nothing"));
        }
        self.bytes = self.held.keys().map(|r| r.1.len() + ROW_BYTES).sum();
        Ok(())
    }
}
