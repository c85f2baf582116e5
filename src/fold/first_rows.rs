//! The first rows of each partition of an input that only grows: few rows kept for each of many partitions.
//!
//! A kept row is an entry: its number, the head of its sort key as two integers that compare as the key does, and a link to the
//! next better entry of its partition; its columns stand in a [`RowStore`]. A partition is a chain that begins with its last row,
//! so that a row that does not come in is turned away by one comparison, mostly of integers. Where those are equal the columns are
//! compared, and at last whole rows, so that the answer does not depend on the order in which rows came.
//!
//! Rows of a step stay in its batch until the end of the step; only those that are then still among the first are stored.
//! Cost: O(1) per row that is turned away, O(limit) for one that comes in, and nothing is allocated per row or partition.

use std::cell::OnceCell;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, DynComparator, Int64Array, RecordBatch, make_comparator};
use arrow::compute::{self, SortOptions};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::row::{RowConverter, SortField};

use super::basic::only;
use super::eval::{batch_of, concat_deltas, evaluate, evaluate_all, replace, take_all};
use super::key_index::{Equality, KeyIndex, NONE, integers, is_integer_like};
use super::row_store::compacted;
use super::state::damaged;
use super::top_n::{TopNSpec, described};
use super::{Operator, RowStore, StateReader, StateWriter};
use crate::data::Delta;
use crate::error::{Error, Result, code};
use crate::func::one_zeros;

/// More rows per partition than this are better kept in a tree. It fits the length of a [`Partition`].
pub(super) const ROWS_MAX: u64 = 128;

/// The head of a sort key: compares as the key does, but may be equal where the key is not.
type Head = (u64, u64);

/// The first rows of each partition.
pub struct FirstRows {
    spec: TopNSpec,
    schema: SchemaRef,
    /// Rows kept of each partition, those before the offset among them.
    end: usize,
    /// Codes the sort key; `None` if it is one integer or begins with two, which code themselves.
    converter: Option<RowConverter>,
    index: KeyIndex,
    partitions: Vec<Partition>,
    entries: Vec<Entry>,
    /// Entries that can be given out again.
    free: Vec<u32>,
    rows: RowStore,
    changes: Changes,
}

/// A partition, in as few bytes as a cache is glad of.
#[derive(Clone, Copy)]
struct Partition {
    /// Its last entry, or [`NONE`].
    last: u32,
    /// How many entries it has.
    length: u8,
    /// The step at hand has touched it.
    touched: bool,
}

/// A kept row.
#[derive(Clone, Copy)]
struct Entry {
    head: Head,
    /// The entry before it in the order, or [`NONE`].
    better: u32,
    /// Its row in the step's batch, or [`NONE`] if it is stored.
    source: u32,
}

/// What the step at hand has done.
#[derive(Default)]
struct Changes {
    /// The touched partitions, and where their entries of before stand.
    partitions: Vec<(u32, usize)>,
    before: Vec<u32>,
    /// Stored entries that went.
    gone: Vec<u32>,
}

/// The rows of a step.
struct Incoming {
    batch: RecordBatch,
    /// Sort keys.
    order: Vec<ArrayRef>,
    heads: Vec<Head>,
    /// Compare two rows of the step, column by column; made when first needed.
    comparators: OnceCell<Vec<DynComparator>>,
}

/// Entries that leave or enter the result, and their numbers in the partition from 0.
#[derive(Default)]
struct Listed {
    entries: Vec<u32>,
    numbers: Vec<i64>,
}

impl Listed {
    fn push(&mut self, entry: u32, number: usize) {
        self.entries.push(entry);
        self.numbers.push(number as i64);
    }
}

impl FirstRows {
    /// Errors: 0A000 for types that cannot be compared, XX000 for a spec of more than [`ROWS_MAX`] rows.
    pub fn new(spec: TopNSpec) -> Result<Self> {
        let end = spec.end();
        if end > ROWS_MAX || !spec.append_only {
            return Err(Error::internal("too many first rows, or rows that may go"));
        }
        let types = spec.partition.iter().map(|e| Ok(e.data_type(&spec.input)?)).collect::<Result<Vec<_>>>()?;
        let order = spec.order_by.iter().map(|o| Ok((o.expr.data_type(&spec.input)?, o.options))).collect::<Result<Vec<_>>>()?;
        let columns = spec.input.fields().iter().chain(&spec.row_number).map(Arc::clone).collect::<Vec<_>>();
        Ok(FirstRows {
            schema: Arc::new(Schema::new(columns)),
            end: end as usize,
            converter: Self::converter(&order, &spec.input)?,
            index: KeyIndex::new(&types, Equality::Sql)?,
            partitions: Vec::new(),
            entries: Vec::new(),
            free: Vec::new(),
            rows: RowStore::new(spec.input.clone()),
            changes: Changes::default(),
            spec,
        })
    }

    fn converter(order: &[(DataType, SortOptions)], input: &SchemaRef) -> Result<Option<RowConverter>> {
        // Unsigned numbers beyond 2^63 are not ordered as their bits.
        let codes_itself = |(ty, _): &(DataType, SortOptions)| is_integer_like(ty) && *ty != DataType::UInt64;
        let fields: Vec<SortField> = match order {
            [only] if codes_itself(only) => return Ok(None),
            [first, second, ..] if codes_itself(first) && codes_itself(second) => return Ok(None),
            [] => input.fields().iter().map(|f| SortField::new(f.data_type().clone())).collect(),
            order => order.iter().map(|(t, options)| SortField::new_with_options(t.clone(), *options)).collect(),
        };
        Ok(Some(RowConverter::new(fields)?))
    }

    fn incoming(&self, batch: RecordBatch) -> Result<Incoming> {
        let order = self.spec.order_by.iter().map(|o| Ok(one_zeros(&evaluate(&o.expr, &batch)?))).collect::<Result<Vec<_>>>()?;
        let heads = match &self.converter {
            None if order.len() == 1 => integer_heads(&order[0], self.spec.order_by[0].options)?,
            None => pair_heads([&order[0], &order[1]], [self.spec.order_by[0].options, self.spec.order_by[1].options])?,
            // Without an order the rows themselves are the order.
            Some(converter) => byte_heads(converter, if order.is_empty() { batch.columns() } else { &order }, batch.num_rows())?,
        };
        Ok(Incoming { batch, order, heads, comparators: OnceCell::new() })
    }

    /// True if row `row` of the step comes before an entry.
    #[inline]
    fn is_before(&self, incoming: &Incoming, row: u32, entry: u32) -> Result<bool> {
        let (head, other) = (incoming.heads[row as usize], self.entries[entry as usize].head);
        if head != other { Ok(head < other) } else { self.is_before_by_columns(incoming, row, entry) }
    }

    #[cold]
    fn is_before_by_columns(&self, incoming: &Incoming, row: u32, entry: u32) -> Result<bool> {
        let source = self.entries[entry as usize].source;
        if source != NONE {
            if incoming.comparators.get().is_none() {
                let made = self.comparators(incoming, &incoming.order, incoming.batch.columns())?;
                incoming.comparators.get_or_init(|| made);
            }
            let comparators = incoming.comparators.get().map_or(&[][..], Vec::as_slice);
            return Ok(is_less(comparators, row as usize, source as usize));
        }
        let stored = batch_of(&self.spec.input, self.rows.gather(&[entry])?, 1)?;
        let order = self.spec.order_by.iter().map(|o| Ok(one_zeros(&evaluate(&o.expr, &stored)?))).collect::<Result<Vec<_>>>()?;
        Ok(is_less(&self.comparators(incoming, &order, stored.columns())?, row as usize, 0))
    }

    fn comparators(&self, incoming: &Incoming, order: &[ArrayRef], columns: &[ArrayRef]) -> Result<Vec<DynComparator>> {
        let keys = incoming.order.iter().zip(order).zip(&self.spec.order_by).map(|((a, b), by)| (a, b, by.options));
        let rest = incoming.batch.columns().iter().zip(columns).map(|(a, b)| (a, b, SortOptions::default()));
        keys.chain(rest).map(|(a, b, options)| Ok(make_comparator(a, b, options)?)).collect()
    }

    /// Puts a row of the step where it belongs in its partition, if it does.
    fn offer(&mut self, incoming: &Incoming, row: u32, number: u32) -> Result<()> {
        let mut partition = self.partitions[number as usize];
        let full = usize::from(partition.length) == self.end;
        if full && !self.is_before(incoming, row, partition.last)? {
            return Ok(());
        }
        if !std::mem::replace(&mut partition.touched, true) {
            self.changes.partitions.push((number, self.changes.before.len()));
            chain(partition.last, &self.entries, &mut self.changes.before);
        }
        if full {
            let last = self.entries[partition.last as usize];
            if last.source == NONE {
                self.changes.gone.push(partition.last)
            } else {
                self.free.push(partition.last)
            }
            partition.last = last.better;
        } else {
            partition.length += 1;
        }
        let (mut worse, mut next) = (NONE, partition.last);
        while next != NONE && self.is_before(incoming, row, next)? {
            (worse, next) = (next, self.entries[next as usize].better);
        }
        let entry = self.entry(Entry { head: incoming.heads[row as usize], better: next, source: row })?;
        if worse == NONE {
            partition.last = entry
        } else {
            self.entries[worse as usize].better = entry
        }
        self.partitions[number as usize] = partition;
        Ok(())
    }

    fn entry(&mut self, entry: Entry) -> Result<u32> {
        if let Some(number) = self.free.pop() {
            self.entries[number as usize] = entry;
            return Ok(number);
        }
        if self.entries.len() >= NONE as usize {
            return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, "more than 4294967295 first rows of partitions"));
        }
        self.entries.push(entry);
        Ok(self.entries.len() as u32 - 1)
    }

    /// Stores the new rows that are left, and gives what differs in the windows of the touched partitions.
    fn finish(&mut self, batch: &RecordBatch) -> Result<Option<Delta>> {
        let (mut fresh, mut sources) = (Vec::new(), Vec::new());
        let (mut removed, mut added) = (Listed::default(), Listed::default());
        let partitions = std::mem::take(&mut self.changes.partitions);
        let before = std::mem::take(&mut self.changes.before);
        let offset = self.spec.offset as usize;
        let mut after = Vec::new();
        for (i, &(number, start)) in partitions.iter().enumerate() {
            let end = partitions.get(i + 1).map_or(before.len(), |next| next.1);
            let partition = &mut self.partitions[number as usize];
            partition.touched = false;
            after.clear();
            chain(partition.last, &self.entries, &mut after);
            for &entry in &after {
                let source = std::mem::replace(&mut self.entries[entry as usize].source, NONE);
                if source != NONE {
                    fresh.push(entry);
                    sources.push(source);
                }
            }
            let before = &before[start..end];
            let numbered = self.spec.row_number.is_some();
            let stays = |list: &[u32], at: usize, entry: u32| match numbered {
                true => list.get(at) == Some(&entry),
                false => list.iter().skip(offset).any(|e| *e == entry),
            };
            let leaves = before.iter().enumerate().skip(offset).filter(|&(at, &entry)| !stays(&after, at, entry));
            leaves.for_each(|(at, &entry)| removed.push(entry, at));
            let enters = after.iter().enumerate().skip(offset).filter(|&(at, &entry)| !stays(before, at, entry));
            enters.for_each(|(at, &entry)| added.push(entry, at));
        }
        let old = self.rows.gather(&removed.entries)?;
        for entry in std::mem::take(&mut self.changes.gone) {
            self.rows.remove(entry);
            self.free.push(entry);
        }
        // What is stored here is given on as it stands here, so that the view's output can keep the same strings.
        let stored = compacted(&take_all(batch.columns(), &sources)?, sources.len())?;
        self.rows.insert(&stored, &fresh)?;
        let new = if added.entries == fresh { stored } else { self.rows.gather(&added.entries)? };
        self.rows.maintain()?;
        replace(&self.schema, self.numbered(old, removed)?, self.numbered(new, added)?)
    }

    fn numbered(&self, mut columns: Vec<ArrayRef>, listed: Listed) -> Result<(Vec<ArrayRef>, usize)> {
        let rows = listed.entries.len();
        if let Some(field) = &self.spec.row_number {
            let numbers = Int64Array::from_iter_values(listed.numbers.into_iter().map(|n| n + 1));
            columns.push(compute::cast(&numbers, field.data_type())?);
        }
        Ok((columns, rows))
    }
}

/// Appends a partition's entries, the first row first.
fn chain(last: u32, entries: &[Entry], out: &mut Vec<u32>) {
    let start = out.len();
    let mut entry = last;
    while entry != NONE {
        out.push(entry);
        entry = entries[entry as usize].better;
    }
    out[start..].reverse();
}

fn is_less(comparators: &[DynComparator], a: usize, b: usize) -> bool {
    comparators.iter().map(|compare| compare(a, b)).find(|o| o.is_ne()).is_some_and(|o| o.is_lt())
}

fn integer_heads(column: &ArrayRef, options: SortOptions) -> Result<Vec<Head>> {
    let values = integers(column).ok_or_else(|| Error::internal("an order key changed its type"))?;
    let flip = if options.descending { u64::MAX } else { 0 };
    let head = |v: &i64| (1, (*v as u64 ^ 1 << 63) ^ flip);
    let null = (if options.nulls_first { 0 } else { 2 }, 0);
    Ok(match column.nulls() {
        None => values.iter().map(head).collect(),
        Some(nulls) => values.iter().zip(nulls).map(|(v, valid)| if valid { head(v) } else { null }).collect(),
    })
}

/// The heads of keys that begin with two integers. Each has 64 bits, a NULL among them, which stands for the outermost integer too; where
/// that makes the first ones equal that are not, nothing is told by the second.
fn pair_heads([first, second]: [&ArrayRef; 2], [of_first, of_second]: [SortOptions; 2]) -> Result<Vec<Head>> {
    let (first, second) = (integer_heads(first, of_first)?, integer_heads(second, of_second)?);
    let narrow = |head: &Head| match *head {
        (0, _) => (0, true),
        (1, value) => (value.clamp(1, u64::MAX - 1), (2..u64::MAX - 1).contains(&value)),
        _ => (u64::MAX, true),
    };
    Ok(first
        .iter()
        .zip(&second)
        .map(|(first, second)| match narrow(first) {
            (first, true) => (first, narrow(second).0),
            (first, false) => (first, 0),
        })
        .collect())
}

fn byte_heads(converter: &RowConverter, columns: &[ArrayRef], rows: usize) -> Result<Vec<Head>> {
    if columns.is_empty() {
        return Ok(vec![(0, 0); rows]);
    }
    let head = |bytes: &[u8]| {
        let mut first = [0u8; 16];
        let length = bytes.len().min(16);
        first[..length].copy_from_slice(&bytes[..length]);
        let both = u128::from_be_bytes(first);
        ((both >> 64) as u64, both as u64)
    };
    Ok(converter.convert_columns(columns)?.iter().map(|row| head(row.data())).collect())
}

impl Operator for FirstRows {
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
        let Some(delta) = concat_deltas(&self.spec.input, only(inputs)?)? else { return Ok(Vec::new()) };
        if self.end == 0 {
            return Ok(Vec::new());
        }
        let keys = evaluate_all(&self.spec.partition, &delta.batch)?;
        let (mut numbers, mut fresh) = (Vec::new(), Vec::new());
        self.index.intern(&keys, delta.num_rows(), &mut numbers, &mut fresh)?;
        self.partitions.resize(self.index.slots(), Partition { last: NONE, length: 0, touched: false });
        let incoming = self.incoming(delta.batch.clone())?;
        for (row, &partition) in numbers.iter().enumerate() {
            // More copies than there is room for change nothing.
            for _ in 0..delta.weight(row).clamp(0, self.end as i64) {
                self.offer(&incoming, row as u32, partition)?;
            }
        }
        Ok(self.finish(&delta.batch)?.into_iter().collect())
    }

    fn state_bytes(&self) -> usize {
        let partitions = self.partitions.capacity() * size_of::<Partition>();
        let entries = self.entries.capacity() * size_of::<Entry>() + self.free.capacity() * 4;
        self.index.bytes() + self.rows.bytes() + partitions + entries
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        self.index.save(out)?;
        self.rows.save(out)?;
        out.u32s(self.partitions.iter().map(|p| p.last));
        out.u32s(self.partitions.iter().map(|p| u32::from(p.length)));
        out.i64s(self.entries.iter().map(|e| e.head.0 as i64));
        out.i64s(self.entries.iter().map(|e| e.head.1 as i64));
        out.u32s(self.entries.iter().map(|e| e.better));
        out.u32s(&self.free);
        Ok(())
    }
    fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.index.load(input)?;
        self.rows.load(input, NONE as usize)?;
        let (lasts, lengths) = (input.u32s()?, input.u32s()?);
        let even = lasts.len() == lengths.len();
        let partition = |(last, length): (u32, u32)| Partition { last, length: length as u8, touched: false };
        self.partitions = lasts.into_iter().zip(lengths).map(partition).collect();
        let (first, second, better) = (input.i64s()?, input.i64s()?, input.u32s()?);
        let even = even && [second.len(), better.len()] == [first.len(); 2];
        let entry = |((first, second), better): ((i64, i64), u32)| Entry { head: (first as u64, second as u64), better, source: NONE };
        self.entries = first.into_iter().zip(second).zip(better).map(entry).collect();
        self.free = input.u32s()?;
        let count = self.entries.len();
        let links = self.partitions.iter().map(|p| p.last).chain(self.entries.iter().map(|e| e.better));
        let linked = links.chain(self.free.iter().copied()).all(|e| e == NONE || (e as usize) < count);
        let stored = self.partitions.iter().all(|p| p.last == NONE || self.rows.contains(p.last));
        if even && linked && stored && self.partitions.len() == self.index.slots() { Ok(()) } else { Err(damaged("first rows")) }
    }
}
