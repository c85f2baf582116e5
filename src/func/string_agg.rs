//! string_agg as text: DataFusion's gives LargeUtf8, which is json here. Otherwise it is DataFusion's.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::functions_aggregate::string_agg::string_agg_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl};

use super::theirs::handed_on;
use crate::error::{Error, code};
use crate::limits;

/// string_agg(text, delimiter) giving text.
#[derive(Debug, PartialEq, Eq, Hash)]
struct StringAgg(AggregateUDF);

/// The function, for the registry.
pub fn function() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(StringAgg(string_agg_udaf().as_ref().clone())))
}

fn their_field() -> FieldRef {
    Arc::new(Field::new("string_agg", DataType::LargeUtf8, true))
}

impl AggregateUDFImpl for StringAgg {
    handed_on!(name, signature, coerce_types, order_sensitivity);

    fn return_type(&self, _: &[DataType]) -> DfResult<DataType> {
        Ok(DataType::Utf8View)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        let theirs = self.0.accumulator(AccumulatorArgs { return_field: their_field(), ..args })?;
        Ok(Box::new(AsText(theirs)))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> DfResult<Vec<FieldRef>> {
        self.0.state_fields(StateFieldsArgs { return_field: their_field(), ..args })
    }
}

#[derive(Debug)]
struct AsText(Box<dyn Accumulator>);

impl AsText {
    /// Errors: 54000 for a text longer than a value may be.
    fn fits(&self) -> DfResult<()> {
        if self.0.size() > limits::VALUE_BYTES_MAX.saturating_mul(2) {
            let error = Error::new(code::PROGRAM_LIMIT_EXCEEDED, "the result of string_agg is too large");
            return Err(error.detail(format!("A value has at most {} bytes.", limits::VALUE_BYTES_MAX)).into());
        }
        Ok(())
    }
}

impl Accumulator for AsText {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        self.0.update_batch(values)?;
        self.fits()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DfResult<()> {
        self.0.merge_batch(states)?;
        self.fits()
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        self.0.state()
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        self.0.evaluate()?.cast_to(&DataType::Utf8View)
    }

    fn size(&self) -> usize {
        self.0.size()
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        self.0.retract_batch(values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.0.supports_retract_batch()
    }
}
