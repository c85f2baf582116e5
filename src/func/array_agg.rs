//! array_agg: DataFusion's, but never reversed. Beside a call of the opposite order DataFusion runs one of the two backwards, which its
//! accumulator of distinct values does not know: `array_agg(DISTINCT x ORDER BY x DESC)` came ascending.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result as DfResult;
use datafusion::functions_aggregate::array_agg::array_agg_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, Signature};

#[derive(Debug, PartialEq, Eq, Hash)]
struct ArrayAgg(AggregateUDF);

/// array_agg, for the registry.
pub fn function() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(ArrayAgg(array_agg_udaf().as_ref().clone())))
}

impl AggregateUDFImpl for ArrayAgg {
    fn name(&self) -> &str {
        self.0.inner().name()
    }

    fn signature(&self) -> &Signature {
        self.0.inner().signature()
    }

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        self.0.inner().return_type(types)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> DfResult<Vec<FieldRef>> {
        self.0.inner().state_fields(args)
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.0.inner().order_sensitivity()
    }

    fn with_beneficial_ordering(self: Arc<Self>, ordered: bool) -> DfResult<Option<Arc<dyn AggregateUDFImpl>>> {
        let theirs = self.0.clone().with_beneficial_ordering(ordered)?;
        Ok(theirs.map(|theirs| Arc::new(ArrayAgg(theirs)) as Arc<dyn AggregateUDFImpl>))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        self.0.inner().accumulator(args)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::NotSupported
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.0.inner().groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> DfResult<Box<dyn GroupsAccumulator>> {
        self.0.inner().create_groups_accumulator(args)
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.0.inner().supports_null_handling_clause()
    }
}
