//! sum, avg and the statistics of distinct values: the rows of arguments seen, each with how often, so that a sliding frame can take one out.
//! Of equal floats 0 is there for -0, as among the keys of a group.

use hashbrown::HashMap;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{Field, FieldRef};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::Accumulator;

use super::scalar::math;
use super::sum::accumulator;
use super::sum_state::Spec;
use crate::error::{Error, Result};

/// The multiset of rows of one group, and what is computed of each distinct one.
#[derive(Debug)]
pub struct DistinctSum {
    spec: Spec,
    seen: HashMap<Box<[ScalarValue]>, i64>,
}

impl DistinctSum {
    /// An empty set. Errors: 42883 for a type that has no sum.
    pub fn new(spec: Spec) -> DfResult<DistinctSum> {
        accumulator(spec.clone())?;
        Ok(DistinctSum { spec, seen: HashMap::new() })
    }

    /// Its state: a list for each argument, all of one length.
    pub fn state_fields(name: &str, spec: &Spec) -> Vec<FieldRef> {
        let list = |n: usize| Field::new_list(format!("{name}[distinct {n}]"), Field::new_list_field(spec.input.clone(), true), true);
        (0..spec.what.arguments()).map(|n| list(n).into()).collect()
    }

    fn change(&mut self, args: &[ArrayRef], by: i64) -> Result<()> {
        let rows = args.first().ok_or_else(|| Error::internal("sum without an argument"))?.len();
        let args: Vec<ArrayRef> = args.iter().map(math::one_zeros).collect();
        for row in (0..rows).filter(|row| args.iter().all(|arg| arg.is_valid(*row))) {
            let key = args.iter().map(|arg| ScalarValue::try_from_array(arg, row)).collect::<DfResult<_>>()?;
            *self.seen.entry(key).or_insert(0) += by;
        }
        if by < 0 {
            self.seen.retain(|_, count| *count > 0);
        }
        Ok(())
    }

    /// The distinct values of the nth argument.
    fn values(&self, n: usize) -> impl ExactSizeIterator<Item = ScalarValue> {
        self.seen.keys().map(move |row| row[n].clone())
    }
}

impl Accumulator for DistinctSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        Ok(self.change(values, 1)?)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        Ok(self.change(values, -1)?)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        let mut sum = accumulator(self.spec.clone())?;
        if !self.seen.is_empty() {
            let args = (0..self.spec.what.arguments()).map(|n| ScalarValue::iter_to_array(self.values(n)));
            sum.update_batch(&args.collect::<DfResult<Vec<_>>>()?)?;
        }
        sum.evaluate()
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        let list = |n| ScalarValue::List(ScalarValue::new_list_from_iter(self.values(n), &self.spec.input, true));
        Ok((0..self.spec.what.arguments()).map(list).collect())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DfResult<()> {
        let lists: Vec<_> = states.iter().map(|state| state.as_list::<i32>()).collect();
        let rows = lists.first().map_or(0, |lists| lists.len());
        for row in (0..rows).filter(|row| lists.iter().all(|lists| lists.is_valid(*row))) {
            self.change(&lists.iter().map(|lists| lists.value(row)).collect::<Vec<_>>(), 1)?;
        }
        Ok(())
    }

    fn size(&self) -> usize {
        self.seen.capacity() * (size_of::<Box<[ScalarValue]>>() + self.spec.what.arguments() * size_of::<ScalarValue>() + 8)
    }
}
