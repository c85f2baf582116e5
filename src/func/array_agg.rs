//! array_agg: DataFusion's, but never reversed. Beside a call of the opposite order DataFusion runs one of the two backwards, which its
//! accumulator of distinct values does not know: `array_agg(DISTINCT x ORDER BY x DESC)` came ascending.
//!
//! Arrays are made one of a dimension more, for which all of them must have the same dimensions.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::functions_aggregate::array_agg::array_agg_udaf;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, ReversedUDAF};

use super::scalar::places::lengths;
use super::theirs::handed_on;
use crate::error::{Error, Result, code};

#[derive(Debug, PartialEq, Eq, Hash)]
struct ArrayAgg(AggregateUDF);

/// array_agg, for the registry.
pub fn function() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(ArrayAgg(array_agg_udaf().as_ref().clone())))
}

impl AggregateUDFImpl for ArrayAgg {
    handed_on!(name, signature, return_type, state_fields, create_groups_accumulator);
    handed_on!(order_sensitivity, with_beneficial_ordering, supports_null_handling_clause);

    fn accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        let of_arrays = is_of_arrays(&args);
        let theirs = self.0.inner().accumulator(args)?;
        if of_arrays {
            return Ok(Box::new(OfArrays(theirs)));
        }
        Ok(theirs)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !is_of_arrays(&args) && self.0.inner().groups_accumulator_supported(args)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::NotSupported
    }
}

fn is_of_arrays(args: &AccumulatorArgs) -> bool {
    args.expr_fields.first().is_some_and(|field| matches!(field.data_type(), DataType::List(_)))
}

/// Checks what was gathered.
#[derive(Debug)]
struct OfArrays(Box<dyn Accumulator>);

impl Accumulator for OfArrays {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        self.0.update_batch(values)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DfResult<()> {
        self.0.merge_batch(states)
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        self.0.state()
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        let gathered = self.0.evaluate()?;
        if let ScalarValue::List(list) = &gathered
            && list.is_valid(0)
        {
            check(&list.value(0))?;
        }
        Ok(gathered)
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}

/// Errors: 22004 for an array that is NULL, 2202E for an empty one and for arrays whose dimensions differ.
fn check(arrays: &ArrayRef) -> Result<()> {
    let mut common: Option<Vec<usize>> = None;
    for row in 0..arrays.len() {
        if arrays.is_null(row) {
            return Err(Error::new(code::NULL_VALUE_NOT_ALLOWED, "cannot accumulate null arrays"));
        }
        let here = lengths(arrays, row);
        if here.is_empty() {
            return Err(Error::new(code::ARRAY_SUBSCRIPT_ERROR, "cannot accumulate empty arrays"));
        }
        if *common.get_or_insert_with(|| here.clone()) != here {
            return Err(Error::new(code::ARRAY_SUBSCRIPT_ERROR, "cannot accumulate arrays of different dimensionality"));
        }
    }
    Ok(())
}
