//! What is put around a cast to a domain: the value, if a condition of the domain's is not false for it.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result as DfResult;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use crate::error::{Error, Result, code};

/// The name of the function: `domain_value(value, condition, domain, constraint)`; no constraint for NOT NULL.
pub const NAME: &str = "domain_value";

/// The function.
pub fn function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(DomainValue { signature: Signature::any(4, Volatility::Immutable) }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DomainValue {
    signature: Signature,
}

impl ScalarUDFImpl for DomainValue {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        Ok(types.first().cloned().unwrap_or(DataType::Null))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DfResult<FieldRef> {
        let value = args.arg_fields.first().ok_or_else(|| Error::internal("a value of a domain is one"))?;
        Ok(Arc::new(value.as_ref().clone().with_name(NAME)))
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let rows = args.number_rows;
        let conditions = args.args[1].to_array(rows)?;
        let Some(holds) = conditions.as_boolean_opt() else { return Ok(args.args.swap_remove(0)) };
        if (0..holds.len()).any(|row| holds.is_valid(row) && !holds.value(row)) {
            return Err(broken(&text(&args.args[2])?, &text(&args.args[3])?).into());
        }
        Ok(args.args.swap_remove(0))
    }
}

fn text(value: &ColumnarValue) -> Result<String> {
    match value {
        ColumnarValue::Scalar(scalar) => Ok(scalar.try_as_str().flatten().unwrap_or_default().to_string()),
        ColumnarValue::Array(_) => Err(Error::internal("the name of a domain is a constant")),
    }
}

fn broken(domain: &str, constraint: &str) -> Error {
    match constraint {
        "" => Error::new(code::NOT_NULL_VIOLATION, format!("domain {domain} does not allow null values")),
        _ => Error::new(code::CHECK_VIOLATION, format!("value for domain {domain} violates check constraint \"{constraint}\"")),
    }
}
