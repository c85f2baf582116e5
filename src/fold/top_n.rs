//! ORDER BY .. LIMIT and `row_number() .. <= n`: the first rows of each partition, kept up to date.
//!
//! Each partition has an ordered map from the bytes of (sort key, whole row) to a weight; rows with equal sort keys are ordered by
//! their bytes, so that the answer is deterministic. [`TopN::step`] remembers the window of each touched partition before the
//! first change, and gives what differs in the window at the end. Over input that only grows, a partition keeps no more than
//! its window needs. Cost per step: O(log n) per row and O(window) per touched partition. Few rows of an input that only grows
//! are kept by [`FirstRows`] instead.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::compute;
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use arrow::row::{RowConverter, SortField};
use datafusion::physical_expr::expressions::PhysicalSortExpr;

use super::basic::{list, only};
use super::encoded::Encoded;
use super::eval::{Expr, batch_of, evaluate, evaluate_all};
use super::first_rows::{self, FirstRows};
use super::key_index::{Equality, KeyIndex};
use super::marks::Marks;
use super::state::damaged;
use super::{Operator, StateReader, StateWriter};
use crate::data::Delta;
use crate::error::Result;
use crate::func::one_zeros;

/// What a [`TopN`] is to do.
pub struct TopNSpec {
    /// The input.
    pub input: SchemaRef,
    /// PARTITION BY; empty for one partition.
    pub partition: Vec<Expr>,
    /// ORDER BY.
    pub order_by: Vec<PhysicalSortExpr>,
    /// Rows of each partition after the offset; `None` for all.
    pub limit: Option<u64>,
    /// Rows of each partition that are skipped.
    pub offset: u64,
    /// Adds a column with the row's number in its partition, from 1 (Int64).
    pub row_number: Option<FieldRef>,
    /// No input row is ever retracted.
    pub append_only: bool,
}

impl TopNSpec {
    /// The operator that serves it best. Errors: 0A000 for types that cannot be compared.
    pub fn operator(self) -> Result<Box<dyn Operator>> {
        if self.append_only && self.end() <= first_rows::ROWS_MAX {
            return Ok(Box::new(FirstRows::new(self)?));
        }
        Ok(Box::new(TopN::new(self)?))
    }

    /// Rows of each partition up to the last of the window.
    pub(super) fn end(&self) -> u64 {
        self.limit.map_or(u64::MAX, |limit| limit.saturating_add(self.offset))
    }
}

/// A spec, for EXPLAIN.
pub(super) fn described(spec: &TopNSpec) -> String {
    let limit = spec.limit.map_or("all".to_string(), |l| l.to_string());
    format!("partition by: {}; order by: {}; limit: {limit}, offset: {}", list(&spec.partition), list(&spec.order_by), spec.offset)
}

type Bytes = Arc<[u8]>;
type Partition = BTreeMap<Bytes, i64>;
/// Rows of a window: (bytes, number of the first copy from 0, copies).
type Window = Vec<(Bytes, u64, u64)>;

/// The first rows of each partition.
pub struct TopN {
    spec: TopNSpec,
    schema: SchemaRef,
    converter: RowConverter,
    index: KeyIndex,
    partitions: Vec<Partition>,
    bytes: usize,
    /// What the step at hand has touched.
    marks: Marks,
}

impl TopN {
    /// Errors: 0A000 for types that cannot be compared.
    pub fn new(spec: TopNSpec) -> Result<Self> {
        let types = spec.partition.iter().map(|e| Ok(e.data_type(&spec.input)?)).collect::<Result<Vec<_>>>()?;
        let order = spec.order_by.iter().map(|o| Ok(SortField::new_with_options(o.expr.data_type(&spec.input)?, o.options)));
        let mut fields = order.collect::<Result<Vec<_>>>()?;
        fields.extend(spec.input.fields().iter().map(|f| SortField::new(f.data_type().clone())));
        let columns = spec.input.fields().iter().chain(&spec.row_number).map(Arc::clone).collect::<Vec<_>>();
        let schema = Arc::new(Schema::new(columns));
        let index = KeyIndex::new(&types, Equality::Sql)?;
        Ok(TopN { converter: RowConverter::new(fields)?, spec, schema, index, partitions: Vec::new(), bytes: 0, marks: Marks::default() })
    }

    /// The rows of a partition's window as it is now.
    fn window(&self, partition: u32) -> Window {
        let (start, end) = (self.spec.offset, self.spec.end());
        let mut rows = Vec::new();
        let mut at = 0u64;
        for (row, &weight) in &self.partitions[partition as usize] {
            if at >= end {
                break;
            }
            let next = at + weight.max(0) as u64;
            let (from, to) = (at.max(start), next.min(end));
            if from < to {
                rows.push((Arc::clone(row), from, to - from));
            }
            at = next;
        }
        rows
    }

    fn fold(&mut self, delta: &Delta, before: &mut Vec<(u32, Window)>) -> Result<()> {
        let keys = evaluate_all(&self.spec.partition, &delta.batch)?;
        let (mut numbers, mut fresh) = (Vec::new(), Vec::new());
        self.index.intern(&keys, delta.num_rows(), &mut numbers, &mut fresh)?;
        self.partitions.resize_with(self.index.slots(), Partition::new);
        self.marks.grow(self.index.slots());
        let order = self.spec.order_by.iter().map(|o| Ok(one_zeros(&evaluate(&o.expr, &delta.batch)?)));
        let mut columns = order.collect::<Result<Vec<ArrayRef>>>()?;
        columns.extend_from_slice(delta.batch.columns());
        let rows = Encoded::new(&self.converter, &columns)?;
        for (i, &number) in numbers.iter().enumerate() {
            if self.marks.first(number) {
                before.push((number, self.window(number)));
            }
            self.put(number, rows.row(i as u32), delta.weight(i));
        }
        Ok(())
    }

    fn put(&mut self, partition: u32, row: &[u8], weight: i64) {
        let end = self.spec.end();
        let rows = &mut self.partitions[partition as usize];
        // Every row counts at least once, so behind that many there is nothing that can come into the window.
        let full = self.spec.append_only && rows.len() as u64 >= end;
        if full && rows.last_key_value().is_none_or(|(last, _)| row > &last[..]) {
            return;
        }
        match rows.get_mut(row) {
            Some(sum) => {
                *sum += weight;
                if *sum == 0 {
                    rows.remove(row);
                    self.bytes -= row.len() + 40;
                }
            }
            None => {
                rows.insert(row.into(), weight);
                self.bytes += row.len() + 40;
                if full && let Some((gone, _)) = rows.pop_last() {
                    self.bytes -= gone.len() + 40;
                }
            }
        }
    }

    /// The difference of two windows: (row, number from 0, weight), numbers being 0 throughout if they are not asked for.
    fn difference(&self, before: Window, after: Window, out: &mut Vec<(Bytes, u64, i64)>) {
        if self.spec.row_number.is_none() {
            let mut sums: BTreeMap<Bytes, i64> = BTreeMap::new();
            before.into_iter().for_each(|(row, _, copies)| *sums.entry(row).or_default() -= copies as i64);
            after.into_iter().for_each(|(row, _, copies)| *sums.entry(row).or_default() += copies as i64);
            out.extend(sums.into_iter().filter(|s| s.1 != 0).map(|(row, weight)| (row, 0, weight)));
            return;
        }
        let numbered = |window: Window| -> BTreeSet<(u64, Bytes)> {
            window.into_iter().flat_map(|(row, from, copies)| (from..from + copies).map(move |n| (n, Arc::clone(&row)))).collect()
        };
        let (before, after) = (numbered(before), numbered(after));
        out.extend(before.difference(&after).map(|(n, row)| (Arc::clone(row), *n, -1)));
        out.extend(after.difference(&before).map(|(n, row)| (Arc::clone(row), *n, 1)));
    }

    fn emit(&self, changes: &[(Bytes, u64, i64)]) -> Result<Vec<Delta>> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let parser = self.converter.parser();
        let mut columns = self.converter.convert_rows(changes.iter().map(|c| parser.parse(&c.0)))?;
        columns.drain(..self.spec.order_by.len());
        if let Some(field) = &self.spec.row_number {
            let numbers: Int64Array = changes.iter().map(|c| c.1 as i64 + 1).collect();
            columns.push(compute::cast(&numbers, field.data_type())?);
        }
        let batch = batch_of(&self.schema, columns, changes.len())?;
        let weights: Vec<i64> = changes.iter().map(|c| c.2).collect();
        Ok(vec![Delta::of(batch, weights)])
    }
}

impl Operator for TopN {
    fn name(&self) -> &'static str {
        "TopN"
    }
    fn detail(&self) -> String {
        described(&self.spec)
    }
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn step(&mut self, inputs: Vec<Vec<Delta>>) -> Result<Vec<Delta>> {
        self.marks.begin(self.partitions.len());
        let mut before = Vec::new();
        for delta in only(inputs)?.iter().filter(|d| d.num_rows() > 0) {
            self.fold(delta, &mut before)?;
        }
        let mut changes = Vec::new();
        for (partition, window) in before {
            self.difference(window, self.window(partition), &mut changes);
            if self.partitions[partition as usize].is_empty() {
                self.index.release(partition);
            }
        }
        self.emit(&changes)
    }

    fn state_bytes(&self) -> usize {
        self.index.bytes() + self.bytes + self.partitions.capacity() * size_of::<Partition>()
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        self.index.save(out)?;
        for partition in &self.partitions {
            out.u64(partition.len() as u64);
            partition.iter().for_each(|(row, weight)| {
                out.bytes(row);
                out.i64(*weight);
            });
        }
        Ok(())
    }
    fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.index.load(input)?;
        self.partitions = Vec::new();
        for _ in 0..self.index.slots() {
            let rows = (0..input.u64()?).map(|_| Ok((Bytes::from(input.bytes()?), input.i64()?))).collect::<Result<Partition>>()?;
            if rows.values().any(|w| *w == 0) {
                return Err(damaged("a row counts nothing"));
            }
            self.bytes += rows.keys().map(|r| r.len() + 40).sum::<usize>();
            self.partitions.push(rows);
        }
        Ok(())
    }
}
