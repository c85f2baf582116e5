//! Functions that are DataFusion's but for some of their methods: [`handed_on`] writes those in which they are the same.

/// Methods of an `AggregateUDFImpl` that are those of `self.0`, an `AggregateUDF`. `with_beneficial_ordering` puts `Self` around what
/// that makes of it.
macro_rules! handed_on {
    (@ name) => {
        fn name(&self) -> &str {
            self.0.inner().name()
        }
    };
    (@ aliases) => {
        fn aliases(&self) -> &[String] {
            self.0.inner().aliases()
        }
    };
    (@ window_function_schema_name) => {
        fn window_function_schema_name(
            &self,
            params: &::datafusion::logical_expr::expr::WindowFunctionParams,
        ) -> ::datafusion::common::Result<String> {
            self.0.inner().window_function_schema_name(params)
        }
    };
    (@ window_function_display_name) => {
        fn window_function_display_name(
            &self,
            params: &::datafusion::logical_expr::expr::WindowFunctionParams,
        ) -> ::datafusion::common::Result<String> {
            self.0.inner().window_function_display_name(params)
        }
    };
    (@ signature) => {
        fn signature(&self) -> &::datafusion::logical_expr::Signature {
            self.0.inner().signature()
        }
    };
    (@ coerce_types) => {
        fn coerce_types(&self, types: &[::arrow::datatypes::DataType]) -> ::datafusion::common::Result<Vec<::arrow::datatypes::DataType>> {
            self.0.inner().coerce_types(types)
        }
    };
    (@ return_type) => {
        fn return_type(&self, types: &[::arrow::datatypes::DataType]) -> ::datafusion::common::Result<::arrow::datatypes::DataType> {
            self.0.inner().return_type(types)
        }
    };
    (@ return_field) => {
        fn return_field(&self, args: &[::arrow::datatypes::FieldRef]) -> ::datafusion::common::Result<::arrow::datatypes::FieldRef> {
            self.0.inner().return_field(args)
        }
    };
    (@ is_nullable) => {
        fn is_nullable(&self) -> bool {
            self.0.inner().is_nullable()
        }
    };
    (@ default_value) => {
        fn default_value(&self, ty: &::arrow::datatypes::DataType) -> ::datafusion::common::Result<::datafusion::common::ScalarValue> {
            self.0.inner().default_value(ty)
        }
    };
    (@ state_fields) => {
        fn state_fields(
            &self,
            args: ::datafusion::logical_expr::function::StateFieldsArgs,
        ) -> ::datafusion::common::Result<Vec<::arrow::datatypes::FieldRef>> {
            self.0.inner().state_fields(args)
        }
    };
    (@ accumulator) => {
        fn accumulator(
            &self,
            args: ::datafusion::logical_expr::function::AccumulatorArgs,
        ) -> ::datafusion::common::Result<Box<dyn ::datafusion::logical_expr::Accumulator>> {
            self.0.inner().accumulator(args)
        }
    };
    (@ create_sliding_accumulator) => {
        fn create_sliding_accumulator(
            &self,
            args: ::datafusion::logical_expr::function::AccumulatorArgs,
        ) -> ::datafusion::common::Result<Box<dyn ::datafusion::logical_expr::Accumulator>> {
            self.0.inner().create_sliding_accumulator(args)
        }
    };
    (@ groups_accumulator_supported) => {
        fn groups_accumulator_supported(&self, args: ::datafusion::logical_expr::function::AccumulatorArgs) -> bool {
            self.0.inner().groups_accumulator_supported(args)
        }
    };
    (@ create_groups_accumulator) => {
        fn create_groups_accumulator(
            &self,
            args: ::datafusion::logical_expr::function::AccumulatorArgs,
        ) -> ::datafusion::common::Result<Box<dyn ::datafusion::logical_expr::GroupsAccumulator>> {
            self.0.inner().create_groups_accumulator(args)
        }
    };
    (@ is_descending) => {
        fn is_descending(&self) -> Option<bool> {
            self.0.inner().is_descending()
        }
    };
    (@ order_sensitivity) => {
        fn order_sensitivity(&self) -> ::datafusion::logical_expr::utils::AggregateOrderSensitivity {
            self.0.inner().order_sensitivity()
        }
    };
    (@ with_beneficial_ordering) => {
        fn with_beneficial_ordering(
            self: ::std::sync::Arc<Self>,
            ordered: bool,
        ) -> ::datafusion::common::Result<Option<::std::sync::Arc<dyn ::datafusion::logical_expr::AggregateUDFImpl>>> {
            let Some(theirs) = self.0.clone().with_beneficial_ordering(ordered)? else { return Ok(None) };
            Ok(Some(::std::sync::Arc::new(Self(theirs))))
        }
    };
    (@ reverse_expr) => {
        fn reverse_expr(&self) -> ::datafusion::logical_expr::ReversedUDAF {
            self.0.inner().reverse_expr()
        }
    };
    (@ value_from_stats) => {
        fn value_from_stats(
            &self,
            statistics: &::datafusion::logical_expr::StatisticsArgs,
        ) -> Option<::datafusion::common::ScalarValue> {
            self.0.inner().value_from_stats(statistics)
        }
    };
    (@ set_monotonicity) => {
        fn set_monotonicity(&self, ty: &::arrow::datatypes::DataType) -> ::datafusion::logical_expr::SetMonotonicity {
            self.0.inner().set_monotonicity(ty)
        }
    };
    (@ supports_null_handling_clause) => {
        fn supports_null_handling_clause(&self) -> bool {
            self.0.inner().supports_null_handling_clause()
        }
    };
    (@ supports_within_group_clause) => {
        fn supports_within_group_clause(&self) -> bool {
            self.0.inner().supports_within_group_clause()
        }
    };
    ($($method:ident),+ $(,)?) => {
        $( handed_on!(@ $method); )+
    };
}

pub(super) use handed_on;
