//! array_agg: DataFusion's, but never reversed. Beside a call of the opposite order DataFusion runs one of the two backwards, which its
//! accumulator of distinct values does not know: `array_agg(DISTINCT x ORDER BY x DESC)` came ascending.

use std::sync::Arc;

use datafusion::functions_aggregate::array_agg::array_agg_udaf;
use datafusion::logical_expr::{AggregateUDF, AggregateUDFImpl, ReversedUDAF};

use super::theirs::handed_on;

#[derive(Debug, PartialEq, Eq, Hash)]
struct ArrayAgg(AggregateUDF);

/// array_agg, for the registry.
pub fn function() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(ArrayAgg(array_agg_udaf().as_ref().clone())))
}

impl AggregateUDFImpl for ArrayAgg {
    handed_on!(name, signature, return_type, state_fields, accumulator, groups_accumulator_supported, create_groups_accumulator);
    handed_on!(order_sensitivity, with_beneficial_ordering, supports_null_handling_clause);

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::NotSupported
    }
}
