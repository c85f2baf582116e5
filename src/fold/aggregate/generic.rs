//! Every other aggregate function that DataFusion has: the group's multiset of arguments, replayed into a fresh accumulator.
//!
//! An accumulator that is kept would be cheaper, but its answer may depend on the order and batching of what it was given,
//! most cannot retract, and reading one may empty it. The multiset is in a fixed order, so the answer is too.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::SortOptions;
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};
use datafusion::common::ScalarValue;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;

use super::super::state::{StateReader, StateWriter};
use super::state::{Rows, State};
use crate::error::Result;

pub(super) struct Generic {
    function: Arc<AggregateFunctionExpr>,
    converter: RowConverter,
    /// Number of ORDER BY columns, which stand before the arguments.
    order: usize,
    distinct: bool,
    result: DataType,
    groups: Vec<BTreeMap<Box<[u8]>, i64>>,
    /// The last answer of each group, if it still holds.
    answers: Vec<Option<ScalarValue>>,
    bytes: usize,
}

impl Generic {
    pub fn new(
        function: Arc<AggregateFunctionExpr>,
        order: &[(DataType, SortOptions)],
        args: &[DataType],
        distinct: bool,
        result: DataType,
    ) -> Result<Self> {
        let mut fields: Vec<SortField> = order.iter().map(|(t, o)| SortField::new_with_options(t.clone(), *o)).collect();
        fields.extend(args.iter().cloned().map(SortField::new));
        let converter = RowConverter::new(fields)?;
        Ok(Generic { function, converter, order: order.len(), distinct, result, groups: Vec::new(), answers: Vec::new(), bytes: 0 })
    }

    /// Folds the whole multiset of a group. Cost O(rows of the group).
    fn replay(&self, group: u32) -> Result<ScalarValue> {
        let mut accumulator = self.function.create_accumulator()?;
        let copies = |(key, weight): (_, i64)| {
            let times = if self.distinct { usize::from(weight > 0) } else { weight.max(0) as usize };
            std::iter::repeat_n(key, times)
        };
        let rows: Vec<&[u8]> = self.groups[group as usize].iter().map(|(key, weight)| (&key[..], *weight)).flat_map(copies).collect();
        if !rows.is_empty() {
            let parser = self.converter.parser();
            let mut columns = self.converter.convert_rows(rows.iter().map(|k| parser.parse(k)))?;
            // An order-sensitive accumulator expects its ORDER BY columns behind its arguments.
            columns.rotate_left(self.order);
            accumulator.update_batch(&columns)?;
        }
        Ok(accumulator.evaluate()?)
    }
}

impl State for Generic {
    fn resize(&mut self, groups: usize) {
        self.groups.resize_with(groups, BTreeMap::new);
        self.answers.resize(groups, None);
    }
    fn reset(&mut self, group: u32) {
        let gone = std::mem::take(&mut self.groups[group as usize]);
        self.bytes -= gone.keys().map(|k| k.len() + 24).sum::<usize>();
        self.answers[group as usize] = None;
    }

    fn update(&mut self, rows: &Rows<'_>) -> Result<()> {
        let columns: Vec<ArrayRef> = rows.order.iter().chain(rows.args).cloned().collect();
        let encoded = self.converter.convert_columns(&columns)?;
        for (i, row) in encoded.iter().enumerate() {
            let group = rows.groups[i] as usize;
            self.answers[group] = None;
            let entries = &mut self.groups[group];
            match entries.get_mut(row.data()) {
                Some(weight) => {
                    *weight += rows.weight(i);
                    if *weight == 0 {
                        entries.remove(row.data());
                        self.bytes -= row.data().len() + 24;
                    }
                }
                None => {
                    entries.insert(row.data().into(), rows.weight(i));
                    self.bytes += row.data().len() + 24;
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self, groups: &[u32]) -> Result<ArrayRef> {
        if groups.is_empty() {
            return Ok(arrow::array::new_empty_array(&self.result));
        }
        for &group in groups {
            if self.answers[group as usize].is_none() {
                self.answers[group as usize] = Some(self.replay(group)?);
            }
        }
        Ok(ScalarValue::iter_to_array(groups.iter().filter_map(|g| self.answers[*g as usize].clone()))?)
    }
    fn bytes(&self) -> usize {
        self.bytes + self.groups.capacity() * (24 + size_of::<Option<ScalarValue>>())
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        for group in &self.groups {
            out.u64(group.len() as u64);
            group.iter().for_each(|(key, weight)| {
                out.bytes(key);
                out.i64(*weight);
            });
        }
        Ok(())
    }
    fn load(&mut self, input: &mut StateReader<'_>, groups: usize) -> Result<()> {
        self.groups = Vec::new();
        for _ in 0..groups {
            let entries =
                (0..input.u64()?).map(|_| Ok((Box::from(input.bytes()?), input.i64()?))).collect::<Result<BTreeMap<Box<[u8]>, _>>>()?;
            self.bytes += entries.keys().map(|k| k.len() + 24).sum::<usize>();
            self.groups.push(entries);
        }
        self.answers = vec![None; groups];
        Ok(())
    }
}
