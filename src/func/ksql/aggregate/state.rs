//! What aggregates share: how they take their states apart, and their arguments.
//!
//! A state is changed in place as long as nobody else holds it (`Arc::make_mut`), so adding a row does not copy what is there.

use std::sync::Arc;

use crate::error::{Error, Result, code};
use crate::func::ksql::{AggregateCall, Type, Value};
use crate::limits::VALUE_BYTES_MAX;

static NULL: Value = Value::Null;

/// An argument; NULL if it is missing.
pub(super) fn arg(arguments: &[Value], at: usize) -> &Value {
    arguments.get(at).unwrap_or(&NULL)
}

/// The elements of a state that is a list.
pub(super) fn list(state: &mut Value) -> Result<&mut Vec<Value>> {
    match state {
        Value::Array(values) => Ok(Arc::make_mut(values)),
        _ => Err(broken()),
    }
}

/// The elements of a state that is a list, to be looked at.
pub(super) fn items(state: &Value) -> Result<&[Value]> {
    state.as_array().ok_or_else(broken)
}

/// The parts of a state of so many parts.
pub(super) fn parts<const N: usize>(state: &mut Value) -> Result<&mut [Value; N]> {
    list(state)?.as_mut_slice().try_into().map_err(|_| broken())
}

/// The parts of a state of so many parts, to be looked at.
pub(super) fn parts_of<const N: usize>(state: &Value) -> Result<&[Value; N]> {
    items(state)?.try_into().map_err(|_| broken())
}

/// Adds to a count.
pub(super) fn count(state: &mut Value, more: i64) {
    *state = Value::Bigint(state.as_i64().unwrap_or(0).saturating_add(more));
}

/// The error of a state that its function cannot have made.
pub(super) fn broken() -> Error {
    Error::internal("the state of an aggregate does not have the shape its function gave it")
}

/// The value, if it is not too large to be a result.
pub(super) fn bounded(value: Value) -> Result<Value> {
    if value.bytes() > VALUE_BYTES_MAX {
        return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, format!("the result of an aggregate exceeds {VALUE_BYTES_MAX} bytes")));
    }
    Ok(value)
}

/// `result` of the aggregates that show their state as it is.
pub(super) fn shown(_: &AggregateCall<'_>, state: &Value) -> Result<Value> {
    bounded(state.clone())
}

/// `returns` of the aggregates that give one of the values, which must have an order.
pub(super) fn orderable(arguments: &[Type]) -> Option<Type> {
    let ty = arguments.first()?;
    let unordered = matches!(ty, Type::Boolean | Type::Array(_) | Type::Map(..) | Type::Struct(_) | Type::Unit);
    (!unordered).then(|| ty.clone())
}
