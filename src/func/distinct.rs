//! sum(DISTINCT ..) and avg(DISTINCT ..): the values seen, each with how often, so that a sliding frame can take one out.

use hashbrown::HashMap;

use arrow::array::{Array, ArrayRef, AsArray};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::Accumulator;

use super::sum::accumulator;
use super::sum_state::Spec;
use crate::error::{Error, Result};

/// The multiset of values of one group, and the accumulator that each distinct value has entered once.
#[derive(Debug)]
pub struct DistinctSum {
    spec: Spec,
    seen: HashMap<ScalarValue, i64>,
}

impl DistinctSum {
    /// An empty set. Errors: 42883 for a type that has no sum.
    pub fn new(spec: Spec) -> DfResult<DistinctSum> {
        accumulator(spec.clone())?;
        Ok(DistinctSum { spec, seen: HashMap::new() })
    }

    fn change(&mut self, array: &ArrayRef, by: i64) -> Result<()> {
        for row in (0..array.len()).filter(|row| array.is_valid(*row)) {
            let count = self.seen.entry(ScalarValue::try_from_array(array, row)?).or_insert(0);
            *count += by;
        }
        self.seen.retain(|_, count| *count > 0);
        Ok(())
    }
}

fn argument(values: &[ArrayRef]) -> Result<&ArrayRef> {
    values.first().ok_or_else(|| Error::internal("sum without an argument"))
}

impl Accumulator for DistinctSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        Ok(self.change(argument(values)?, 1)?)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        Ok(self.change(argument(values)?, -1)?)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        let mut sum = accumulator(self.spec.clone())?;
        if !self.seen.is_empty() {
            sum.update_batch(&[ScalarValue::iter_to_array(self.seen.keys().cloned())?])?;
        }
        sum.evaluate()
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        let values: Vec<ScalarValue> = self.seen.keys().cloned().collect();
        Ok(vec![ScalarValue::List(ScalarValue::new_list(&values, &self.spec.input, true))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DfResult<()> {
        let lists = argument(states)?.as_list::<i32>();
        for row in (0..lists.len()).filter(|row| lists.is_valid(*row)) {
            self.change(&lists.value(row), 1)?;
        }
        Ok(())
    }

    fn size(&self) -> usize {
        self.seen.capacity() * (size_of::<ScalarValue>() + 8)
    }
}
