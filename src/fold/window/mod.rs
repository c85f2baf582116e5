//! Window functions: each row of the input with values computed over the rows of its partition.
//!
//! A partition is the list of its rows in order: by the sort keys, and rows that are equal in them by the columns that settle ties
//! and then by their bytes, so that the answer is deterministic. A row stands in a [`RowStore`] together with its values, once per copy. [`Window::step`] gathers the
//! rows of all touched partitions into one batch, sorts it once together with the change (the old rows come as sorted runs),
//! lets equal rows cancel, computes the values of each partition over its slice, and gives the rows that went, came or have other
//! values than before. Cost per step: O(rows of the touched partitions), whatever else is stored.

mod evaluate;
mod frame;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute;
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use arrow::row::{RowConverter, SortField};
use datafusion::physical_expr::PhysicalSortExpr;

use self::evaluate::{Partition, Sorted};
pub use self::evaluate::{WindowCall, WindowFunction};
use super::basic::{list, only};
use super::encoded::Encoded;
use super::eval::{Expr, batch_of, concat_deltas, evaluate, evaluate_all, replace, same_rows, take_all};
use super::key_index::{Equality, KeyIndex, NONE};
use super::marks::Marks;
use super::state::damaged;
use super::{Operator, RowStore, StateReader, StateWriter, Stop};
use crate::data::Delta;
use crate::error::{Error, Result, code};
use crate::func::one_zeros;

/// What a [`Window`] is to do.
pub struct WindowSpec {
    /// The input; the output has the values of the calls behind its columns.
    pub input: SchemaRef,
    /// PARTITION BY; empty for one partition.
    pub partition: Vec<Expr>,
    /// ORDER BY; without it all rows of a partition are peers.
    pub order_by: Vec<PhysicalSortExpr>,
    /// Columns of the input by which peers are ordered before all others.
    pub ties: Vec<usize>,
    /// The functions, all over the same partitions and order.
    pub calls: Vec<WindowCall>,
}

/// Window functions over one partitioning and order.
pub struct Window {
    spec: WindowSpec,
    schema: SchemaRef,
    order: RowConverter,
    whole: RowConverter,
    index: KeyIndex,
    /// The rows of each partition in order, by number.
    partitions: Vec<Vec<u32>>,
    /// Output rows by number.
    rows: RowStore,
    /// Numbers given out so far, and those of them that are free.
    slots: u32,
    free: Vec<u32>,
    /// What the step at hand has touched.
    marks: Marks,
    stop: Stop,
}

/// The rows of the touched partitions: those that were stored, in order, and behind them those of the step.
struct Gathered {
    /// Numbers of the stored rows.
    stored: Vec<u32>,
    /// Output columns of the stored rows.
    before: Vec<ArrayRef>,
    /// Input columns of all rows.
    all: RecordBatch,
    /// Order keys of all rows.
    order: Vec<ArrayRef>,
    /// The partition of each row.
    owners: Vec<u32>,
}

/// The rows that are left of a [`Gathered`], sorted.
#[derive(Default)]
struct Survivors {
    /// Places in the gathered rows; those below the count of stored rows were there before.
    rows: Vec<u32>,
    /// Places of stored rows that went.
    gone: Vec<u32>,
    partitions: Vec<Partition>,
}

impl Window {
    /// Errors: 0A000 for types that cannot be compared.
    pub fn new(spec: WindowSpec) -> Result<Self> {
        let types = spec.partition.iter().map(|e| Ok(e.data_type(&spec.input)?)).collect::<Result<Vec<_>>>()?;
        let order = spec.order_by.iter().map(|o| Ok(SortField::new_with_options(o.expr.data_type(&spec.input)?, o.options)));
        let order = RowConverter::new(order.collect::<Result<Vec<_>>>()?)?;
        let ties = spec.ties.iter().map(|tie| spec.input.field(*tie));
        let fields = ties.chain(spec.input.fields().iter().map(|f| f.as_ref()));
        let whole = RowConverter::new(fields.map(|f| SortField::new(f.data_type().clone())).collect())?;
        let fields: Vec<FieldRef> = spec.input.fields().iter().chain(spec.calls.iter().map(|c| &c.field)).map(Arc::clone).collect();
        let schema = Arc::new(Schema::new(fields));
        Ok(Window {
            order,
            whole,
            index: KeyIndex::new(&types, Equality::Sql)?,
            partitions: Vec::new(),
            rows: RowStore::new(schema.clone()),
            slots: 0,
            free: Vec::new(),
            marks: Marks::default(),
            stop: Stop::default(),
            spec,
            schema,
        })
    }

    /// The touched partitions, ascending, and all their rows.
    fn gather(&mut self, delta: &Delta) -> Result<(Vec<u32>, Gathered)> {
        let keys = evaluate_all(&self.spec.partition, &delta.batch)?;
        let (mut numbers, mut fresh) = (Vec::new(), Vec::new());
        self.index.intern(&keys, delta.num_rows(), &mut numbers, &mut fresh)?;
        self.partitions.resize_with(self.index.slots(), Vec::new);
        self.marks.begin(self.index.slots());
        let mut touched: Vec<u32> = numbers.iter().copied().filter(|&n| self.marks.first(n)).collect();
        touched.sort_unstable();
        let (mut stored, mut owners) = (Vec::new(), Vec::new());
        for &partition in &touched {
            let rows = &self.partitions[partition as usize];
            stored.extend_from_slice(rows);
            owners.extend(std::iter::repeat_n(partition, rows.len()));
        }
        owners.extend_from_slice(&numbers);
        let before = self.rows.gather(&stored)?;
        let columns = before.iter().zip(delta.batch.columns()).map(|(old, new)| Ok(compute::concat(&[old, new])?));
        let all = batch_of(&self.spec.input, columns.collect::<Result<_>>()?, owners.len())?;
        let order = self.spec.order_by.iter().map(|o| Ok(one_zeros(&evaluate(&o.expr, &all)?))).collect::<Result<_>>()?;
        Ok((touched, Gathered { stored, before, all, order, owners }))
    }

    /// Sorts, and lets rows of the step cancel with equal ones.
    fn survivors(&self, gathered: &Gathered, delta: &Delta) -> Result<Survivors> {
        let total = gathered.owners.len();
        let order = Encoded::new(&self.order, &gathered.order)?;
        let ties = self.spec.ties.iter().map(|tie| gathered.all.column(*tie));
        let whole = Encoded::new(&self.whole, &ties.chain(gathered.all.columns()).cloned().collect::<Vec<_>>())?;
        let mut sorted: Vec<u32> = (0..total as u32).collect();
        let owner = |i: u32| gathered.owners[i as usize];
        // Stable, so that stored rows come before equal ones of the step.
        sorted.sort_by(|&a, &b| {
            let keys = owner(a).cmp(&owner(b)).then_with(|| order.row(a).cmp(order.row(b)));
            keys.then_with(|| whole.row(a).cmp(whole.row(b)))
        });
        let mut left = Survivors::default();
        for run in sorted.chunk_by(|&a, &b| owner(a) == owner(b) && whole.row(a) == whole.row(b)) {
            let stored = run.partition_point(|&i| (i as usize) < gathered.stored.len());
            let change: i64 = run[stored..].iter().map(|&i| delta.weight(i as usize - gathered.stored.len())).sum();
            let copies = (stored as i64 + change).max(0) as usize;
            left.gone.extend(run[..stored].iter().skip(copies));
            if copies == 0 {
                continue;
            }
            let at = left.rows.len();
            left.rows.extend(run[..stored].iter().take(copies));
            left.rows.extend(std::iter::repeat_n(run[run.len() - 1], copies.saturating_sub(stored)));
            let previous = left.partitions.last_mut().filter(|p| p.number == owner(run[0]));
            match previous {
                Some(partition) => {
                    let peers = order.row(left.rows[at - 1]) == order.row(run[0]);
                    partition.extend(left.rows.len(), peers);
                }
                None => left.partitions.push(Partition::new(owner(run[0]), at..left.rows.len())),
            }
        }
        Ok(left)
    }

    /// Stores what changed, and gives it.
    fn apply(&mut self, touched: &[u32], gathered: Gathered, left: Survivors) -> Result<Option<Delta>> {
        let width = self.spec.input.fields().len();
        let columns = take_all(gathered.all.columns(), &left.rows)?;
        let order = take_all(&gathered.order, &left.rows)?;
        let batch = batch_of(&self.spec.input, columns, left.rows.len())?;
        let (order_by, partitions) = (&self.spec.order_by, &left.partitions);
        let sorted = Sorted { batch: &batch, order: &order, order_by, partitions, stop: &self.stop };
        let values = self.spec.calls.iter().map(|call| call.evaluate(&sorted)).collect::<Result<Vec<_>>>()?;
        let after = batch_of(&self.schema, batch.columns().iter().cloned().chain(values).collect(), left.rows.len())?;

        // Where a row that stays has the values it had, nothing is to be done.
        let stays = |row: &u32| (*row as usize) < gathered.stored.len();
        let kept: Vec<u32> = (0..left.rows.len() as u32).filter(|&at| stays(&left.rows[at as usize])).collect();
        let kept_rows: Vec<u32> = left.rows.iter().copied().filter(stays).collect();
        let old = take_all(&gathered.before[width..], &kept_rows)?;
        let same = same_rows(&take_all(&after.columns()[width..], &kept)?, &old, kept.len())?;
        let mut numbers: Vec<u32> = vec![NONE; left.rows.len()];
        let mut gone = left.gone;
        for (i, &at) in kept.iter().enumerate() {
            if same.value(i) {
                numbers[at as usize] = gathered.stored[kept_rows[i] as usize];
            } else {
                gone.push(kept_rows[i]);
            }
        }
        for &row in &gone {
            let number = gathered.stored[row as usize];
            self.rows.remove(number);
            self.free.push(number);
        }
        let come: Vec<u32> = (0..left.rows.len() as u32).filter(|&at| numbers[at as usize] == NONE).collect();
        let fresh = come.iter().map(|_| self.number()).collect::<Result<Vec<_>>>()?;
        come.iter().zip(&fresh).for_each(|(&at, &number)| numbers[at as usize] = number);
        let added = take_all(after.columns(), &come)?;
        self.rows.insert(&added, &fresh)?;

        touched.iter().for_each(|&p| self.partitions[p as usize].clear());
        for partition in &left.partitions {
            self.partitions[partition.number as usize].extend_from_slice(&numbers[partition.rows.clone()]);
        }
        for &partition in touched {
            if self.partitions[partition as usize].is_empty() {
                self.partitions[partition as usize] = Vec::new();
                self.index.release(partition);
            }
        }
        self.rows.maintain()?;
        replace(&self.schema, (take_all(&gathered.before, &gone)?, gone.len()), (added, come.len()))
    }

    fn number(&mut self) -> Result<u32> {
        if let Some(number) = self.free.pop() {
            return Ok(number);
        }
        if self.slots == NONE {
            return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, "more than 4294967295 rows under window functions"));
        }
        self.slots += 1;
        Ok(self.slots - 1)
    }
}

impl Operator for Window {
    fn name(&self) -> &'static str {
        "Window"
    }
    fn detail(&self) -> String {
        let (partition, order) = (list(&self.spec.partition), list(&self.spec.order_by));
        format!("{}; partition by: {partition}; order by: {order}", list(&self.spec.calls))
    }
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn step(&mut self, inputs: Vec<Vec<Delta>>) -> Result<Vec<Delta>> {
        let Some(delta) = concat_deltas(&self.spec.input, only(inputs)?)? else { return Ok(Vec::new()) };
        let (touched, gathered) = self.gather(&delta)?;
        let left = self.survivors(&gathered, &delta)?;
        Ok(self.apply(&touched, gathered, left)?.into_iter().collect())
    }

    fn stop_by(&mut self, stop: &Stop) {
        self.stop = stop.clone();
    }
    fn state_bytes(&self) -> usize {
        let lists = self.partitions.capacity() * size_of::<Vec<u32>>() + self.rows.len() * 4 + self.free.capacity() * 4;
        self.index.bytes() + self.rows.bytes() + lists + self.marks.bytes()
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        self.index.save(out)?;
        self.rows.save(out)?;
        out.u64(u64::from(self.slots));
        out.u32s(&self.free);
        self.partitions.iter().for_each(|rows| out.u32s(rows));
        Ok(())
    }
    fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.index.load(input)?;
        self.rows.load(input, NONE as usize)?;
        self.slots = u32::try_from(input.u64()?).map_err(|_| damaged("row count"))?;
        self.free = input.u32s()?;
        self.partitions = (0..self.index.slots()).map(|_| input.u32s()).collect::<Result<_>>()?;
        let listed = self.partitions.iter().flatten().all(|&n| n < self.slots && self.rows.contains(n));
        let free = self.free.iter().all(|&n| n < self.slots && !self.rows.contains(n));
        if listed && free { Ok(()) } else { Err(damaged("rows of a partition")) }
    }
}
