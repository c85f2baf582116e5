//! array_agg: DataFusion's, but never reversed. Beside a call of the opposite order DataFusion runs one of the two backwards, which its
//! accumulator of distinct values does not know: `array_agg(DISTINCT x ORDER BY x DESC)` came ascending.
//!
//! A call with an order sorts by itself ([`super::in_order`]).
//!
//! Arrays are made one of a dimension more, for which all of them must have the same dimensions.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::functions_aggregate::array_agg::array_agg_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF};

use super::in_order::{self, InOrder, Made};
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
    handed_on!(name, signature, return_type, order_sensitivity, with_beneficial_ordering, supports_null_handling_clause);

    fn accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        if let Some(in_order) = in_order(&args)? {
            return Ok(Box::new(in_order));
        }
        let of_arrays = is_of_arrays(&args);
        let theirs = self.0.inner().accumulator(args)?;
        if of_arrays {
            return Ok(Box::new(OfArrays(theirs)));
        }
        Ok(theirs)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> DfResult<Vec<FieldRef>> {
        match is_in_order(args.is_distinct, !args.ordering_fields.is_empty(), args.input_fields) {
            true => Ok(in_order::state_fields(&args)),
            false => self.0.inner().state_fields(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        let is_in_order = is_in_order(args.is_distinct, !args.order_bys.is_empty(), args.expr_fields);
        is_in_order || !is_of_arrays(&args) && self.0.inner().groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn GroupsAccumulator>> {
        match in_order(&args)? {
            Some(in_order) => Ok(Box::new(in_order)),
            None => self.0.inner().create_groups_accumulator(args),
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::NotSupported
    }
}

fn is_of_arrays(args: &AccumulatorArgs) -> bool {
    args.expr_fields.first().is_some_and(is_array)
}

fn is_array(value: &FieldRef) -> bool {
    matches!(value.data_type(), DataType::List(_))
}

/// True for calls that sort by themselves; arrays are checked as they are gathered, and left to DataFusion.
fn is_in_order(is_distinct: bool, is_ordered: bool, args: &[FieldRef]) -> bool {
    args.first().is_some_and(|value| !is_array(value) && in_order::is_for(is_distinct, is_ordered, Some(value.data_type())))
}

fn in_order(args: &AccumulatorArgs) -> DfResult<Option<InOrder>> {
    match args.return_field.data_type() {
        DataType::List(item) if is_in_order(args.is_distinct, !args.order_bys.is_empty(), args.expr_fields) => {
            InOrder::new(args, Made::Array(item.clone())).map(Some)
        }
        _ => Ok(None),
    }
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
