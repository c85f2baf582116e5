//! Types by fields: pg_typeof(x), the type of its argument, whatever its value (manual, chapter 9.26.6); and x in a field that tells
//! nothing of its type.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::scalar::define::Function;
use crate::data::PgType;

/// The function that gives its argument as it is, in a field without metadata.
pub const UNTOLD: &str = "pg_untold";

/// The functions.
pub fn functions() -> [Arc<ScalarUDF>; 2] {
    let same = |types: &[DataType]| (types.len() == 1).then(|| (types.to_vec(), types[0].clone()));
    let type_of = ScalarUDF::new_from_impl(TypeOf { signature: Signature::any(1, Volatility::Immutable) });
    [Arc::new(type_of), Function::udf(UNTOLD, same, |args, _| Ok(Arc::clone(&args[0])))]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TypeOf {
    signature: Signature,
}

impl ScalarUDFImpl for TypeOf {
    fn name(&self) -> &str {
        "pg_typeof"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DfResult<DataType> {
        Ok(PgType::Regtype.arrow())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs) -> DfResult<FieldRef> {
        Ok(Arc::new(PgType::Regtype.field("pg_typeof", true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let ty = args.arg_fields.first().map_or(PgType::Unknown, |field| match field.data_type() {
            // A literal that nothing has given a type.
            DataType::Null | DataType::Utf8 => PgType::Unknown,
            _ => PgType::of(field),
        });
        Ok(ColumnarValue::Scalar(ScalarValue::UInt32(Some(ty.oid()))))
    }
}
