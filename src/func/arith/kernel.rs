//! The one loop of our kernels: a fallible function of two values over arrays and scalars.

use arrow::array::{Array, ArrowPrimitiveType, PrimitiveArray};
use arrow::compute::kernels::arity::{try_binary, try_unary};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use datafusion::logical_expr::ColumnarValue;

use crate::error::{Error, Result};

fn native<T: ArrowPrimitiveType>(value: &ColumnarValue) -> Result<PrimitiveArray<T>> {
    let array = value.to_array(1)?;
    downcast::<T>(array.as_ref()).cloned()
}

/// The array as one of primitive type `T`. Errors: XX000 if it is not.
pub fn downcast<T: ArrowPrimitiveType>(array: &dyn Array) -> Result<&PrimitiveArray<T>> {
    let typed = array.as_any().downcast_ref::<PrimitiveArray<T>>();
    typed.ok_or_else(|| Error::internal(format!("expected {}, not {}", T::DATA_TYPE, array.data_type())))
}

/// `f` of each pair of values, NULL where either is; the result has the length of the array operand, or 1 for two scalars.
/// A scalar operand must not be NULL. `output` is the exact type of the result (scale, time zone).
pub fn map2<A, B, O>(
    left: &ColumnarValue,
    right: &ColumnarValue,
    output: &DataType,
    f: impl Fn(A::Native, B::Native) -> Result<O::Native>,
) -> Result<PrimitiveArray<O>>
where
    A: ArrowPrimitiveType,
    B: ArrowPrimitiveType,
    O: ArrowPrimitiveType,
{
    let f = |a, b| f(a, b).map_err(ArrowError::from);
    let result: PrimitiveArray<O> = match (left, right) {
        (ColumnarValue::Array(l), ColumnarValue::Array(r)) => try_binary(downcast::<A>(l.as_ref())?, downcast::<B>(r.as_ref())?, f)?,
        (ColumnarValue::Array(l), ColumnarValue::Scalar(_)) => {
            let constant = native::<B>(right)?.value(0);
            try_unary(downcast::<A>(l.as_ref())?, |a| f(a, constant))?
        }
        (ColumnarValue::Scalar(_), r) => {
            let constant = native::<A>(left)?.value(0);
            let r = r.to_array(1)?;
            try_unary(downcast::<B>(r.as_ref())?, |b| f(constant, b))?
        }
    };
    Ok(result.with_data_type(output.clone()))
}
