//! array_cat(a, b) of NULL, and of parameters whose types are not known yet (manual, chapter 9.19).

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::Result as DfResult;
use datafusion::functions_nested::concat::array_concat_udf;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature};

/// DataFusion's function, which would make an item of what has no type beside an array, and then refuse it.
pub(super) fn function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(Joined(array_concat_udf())))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Joined(Arc<ScalarUDF>);

impl ScalarUDFImpl for Joined {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn aliases(&self) -> &[String] {
        self.0.aliases()
    }

    fn signature(&self) -> &Signature {
        self.0.signature()
    }

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        self.0.inner().return_type(types)
    }

    fn coerce_types(&self, types: &[DataType]) -> DfResult<Vec<DataType>> {
        let mut wanted = self.0.coerce_types(types)?;
        let Some(array) = types.iter().position(|ty| !ty.is_null()).map(|i| wanted[i].clone()) else { return Ok(wanted) };
        wanted.iter_mut().zip(types).filter(|(_, ty)| ty.is_null()).for_each(|(wanted, _)| *wanted = array.clone());
        Ok(wanted)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        self.0.invoke_with_args(args)
    }
}
