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
use super::key_index::{Equality, KeyIndex, NONE, integers, is_integer_like, normalise};
use super::marks::Marks;
use super::state::damaged;
use super::top_n::{TopNSpec, described};
use super::{Operator, RowStore, StateReader, StateWriter};
use crate::data::Delta;
use crate::error::{Error, Result, code};

/// More rows per partition than this are better kept in a tree.
pub(super) const ROWS_MAX: u64 = 128;

/// The head of a sort key: compares as the key does, but may be equal where the key is not.
type Head = (u64, u64);

/// The first rows of each partition.
pub struct FirstRows {
    spec: TopNSpec,
    schema: SchemaRef,
    /// Rows kept of each partition, those before the offset among them.
    end: usize,
    /// Codes the sort key; `None` if it is one integer, which codes itself.
    converter: Option<RowConverter>,
    index: KeyIndex,
    /// By partition: its last entry, and how many it has.
    lasts: Vec<u32>,
    lengths: Vec<u32>,
    /// By entry.
    heads: Vec<Head>,
    better: Vec<u32>,
    /// Entries that can be given out again.
    free: Vec<u32>,
    rows: RowStore,
    changes: Changes,
}

/// What the step at hand has done.
#[derive(Default)]
struct Changes {
    marks: Marks,
    /// The touched partitions, and where their entries of before stand.
    partitions: Vec<(u32, usize)>,
    before: Vec<u32>,
    /// By entry: its row in the step's batch, or [`NONE`] if it is stored.
    sources: Vec<u32>,
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
            lasts: Vec::new(),
            lengths: Vec::new(),
            heads: Vec::new(),
            better: Vec::new(),
            free: Vec::new(),
            rows: RowStore::new(spec.input.clone()),
            changes: Changes::default(),
            spec,
        })
    }

    fn converter(order: &[(DataType, SortOptions)], input: &SchemaRef) -> Result<Option<RowConverter>> {
        let fields: Vec<SortField> = match order {
            // Unsigned numbers beyond 2^63 are not ordered as their bits.
            [(only, _)] if is_integer_like(only) && *only != DataType::UInt64 => return Ok(None),
            [] => input.fields().iter().map(|f| SortField::new(f.data_type().clone())).collect(),
            order => order.iter().map(|(t, options)| SortField::new_with_options(t.clone(), *options)).collect(),
        };
        Ok(Some(RowConverter::new(fields)?))
    }

    fn incoming(&self, batch: RecordBatch) -> Result<Incoming> {
        let order = self.spec.order_by.iter().map(|o| Ok(normalise(&evaluate(&o.expr, &batch)?))).collect::<Result<Vec<_>>>()?;
        let heads = match &self.converter {
            None => integer_heads(&order[0], self.spec.order_by[0].options)?,
            // Without an order the rows themselves are the order.
            Some(converter) => byte_heads(converter, if order.is_empty() { batch.columns() } else { &order }, batch.num_rows())?,
        };
        Ok(Incoming { batch, order, heads, comparators: OnceCell::new() })
    }

    /// True if row `row` of the step comes before an entry.
    #[inline]
    fn is_before(&self, incoming: &Incoming, row: u32, entry: u32) -> Result<bool> {
        let (head, other) = (incoming.heads[row as usize], self.heads[entry as usize]);
        if head != other { Ok(head < other) } else { self.is_before_by_columns(incoming, row, entry) }
    }

    #[cold]
    fn is_before_by_columns(&self, incoming: &Incoming, row: u32, entry: u32) -> Result<bool> {
        let source = self.changes.sources[entry as usize];
        if source != NONE {
            if incoming.comparators.get().is_none() {
                let made = self.comparators(incoming, &incoming.order, incoming.batch.columns())?;
                incoming.comparators.get_or_init(|| made);
            }
            let comparators = incoming.comparators.get().map_or(&[][..], Vec::as_slice);
            return Ok(is_less(comparators, row as usize, source as usize));
        }
        let stored = batch_of(&self.spec.input, self.rows.gather(&[entry])?, 1)?;
        let order = self.spec.order_by.iter().map(|o| Ok(normalise(&evaluate(&o.expr, &stored)?))).collect::<Result<Vec<_>>>()?;
        Ok(is_less(&self.comparators(incoming, &order, stored.columns())?, row as usize, 0))
    }

    fn comparators(&self, incoming: &Incoming, order: &[ArrayRef], columns: &[ArrayRef]) -> Result<Vec<DynComparator>> {
        let keys = incoming.order.iter().zip(order).zip(&self.spec.order_by).map(|((a, b), by)| (a, b, by.options));
        let rest = incoming.batch.columns().iter().zip(columns).map(|(a, b)| (a, b, SortOptions::default()));
        keys.chain(rest).map(|(a, b, options)| Ok(make_comparator(a, b, options)?)).collect()
    }

    /// Puts a row of the step where it belongs in its partition, if it does.
    fn offer(&mut self, incoming: &Incoming, row: u32, partition: u32) -> Result<()> {
        let at = partition as usize;
        let full = self.lengths[at] as usize == self.end;
        if full && !self.is_before(incoming, row, self.lasts[at])? {
            return Ok(());
        }
        if self.changes.marks.first(partition) {
            self.changes.partitions.push((partition, self.changes.before.len()));
            chain(self.lasts[at], &self.better, &mut self.changes.before);
        }
        if full {
            let last = self.lasts[at];
            self.lasts[at] = self.better[last as usize];
            self.lengths[at] -= 1;
            if self.changes.sources[last as usize] == NONE { self.changes.gone.push(last) } else { self.free.push(last) }
        }
        let (mut worse, mut next) = (NONE, self.lasts[at]);
        while next != NONE && self.is_before(incoming, row, next)? {
            (worse, next) = (next, self.better[next as usize]);
        }
        let entry = self.entry(incoming.heads[row as usize], row, next)?;
        if worse == NONE {
            self.lasts[at] = entry
        } else {
            self.better[worse as usize] = entry
        }
        self.lengths[at] += 1;
        Ok(())
    }

    fn entry(&mut self, head: Head, row: u32, better: u32) -> Result<u32> {
        if let Some(entry) = self.free.pop() {
            let at = entry as usize;
            (self.heads[at], self.better[at], self.changes.sources[at]) = (head, better, row);
            return Ok(entry);
        }
        if self.heads.len() >= NONE as usize {
            return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, "more than 4294967295 first rows of partitions"));
        }
        self.heads.push(head);
        self.better.push(better);
        self.changes.sources.push(row);
        Ok(self.heads.len() as u32 - 1)
    }

    /// Stores the new rows that are left, and gives what differs in the windows of the touched partitions.
    fn finish(&mut self, batch: &RecordBatch) -> Result<Option<Delta>> {
        let (mut fresh, mut sources) = (Vec::new(), Vec::new());
        let (mut removed, mut added) = (Listed::default(), Listed::default());
        let partitions = std::mem::take(&mut self.changes.partitions);
        let before = std::mem::take(&mut self.changes.before);
        let offset = self.spec.offset as usize;
        let mut after = Vec::new();
        for (i, &(partition, start)) in partitions.iter().enumerate() {
            let end = partitions.get(i + 1).map_or(before.len(), |next| next.1);
            after.clear();
            chain(self.lasts[partition as usize], &self.better, &mut after);
            for &entry in &after {
                let source = std::mem::replace(&mut self.changes.sources[entry as usize], NONE);
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
        let stored = take_all(batch.columns(), &sources)?;
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
fn chain(last: u32, better: &[u32], out: &mut Vec<u32>) {
    let start = out.len();
    let mut entry = last;
    while entry != NONE {
        out.push(entry);
        entry = better[entry as usize];
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
        self.lasts.resize(self.index.slots(), NONE);
        self.lengths.resize(self.index.slots(), 0);
        self.changes.marks.begin(self.index.slots());
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
        let partitions = self.lasts.capacity() * 8 + self.changes.marks.bytes();
        let entries = self.heads.capacity() * (size_of::<Head>() + 8) + self.free.capacity() * 4;
        self.index.bytes() + self.rows.bytes() + partitions + entries
    }
    fn save(&self, out: &mut StateWriter) -> Result<()> {
        self.index.save(out)?;
        self.rows.save(out)?;
        [&self.lasts, &self.lengths, &self.better, &self.free].into_iter().for_each(|numbers| out.u32s(numbers));
        out.i64s(&self.heads.iter().flat_map(|h| [h.0 as i64, h.1 as i64]).collect::<Vec<_>>());
        Ok(())
    }
    fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.index.load(input)?;
        self.rows.load(input, NONE as usize)?;
        (self.lasts, self.lengths) = (input.u32s()?, input.u32s()?);
        (self.better, self.free) = (input.u32s()?, input.u32s()?);
        self.heads = input.i64s()?.chunks_exact(2).map(|h| (h[0] as u64, h[1] as u64)).collect();
        let entries = self.heads.len();
        self.changes = Changes { sources: vec![NONE; entries], ..Changes::default() };
        let linked = self.lasts.iter().chain(&self.better).chain(&self.free).all(|&e| e == NONE || (e as usize) < entries);
        let stored = self.lasts.iter().all(|&e| e == NONE || self.rows.contains(e));
        let sized = self.lasts.len() == self.index.slots() && self.lengths.len() == self.lasts.len() && self.better.len() == entries;
        if linked && stored && sized { Ok(()) } else { Err(damaged("first rows")) }
    }
}
