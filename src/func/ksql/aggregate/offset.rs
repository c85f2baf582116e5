//! EARLIEST_BY_OFFSET and LATEST_BY_OFFSET: the first or last values in the order of arrival.
//!
//! The state is the array of the values kept, which tells a NULL that counts from no value at all. There is no taking back: a value
//! that left long ago could come to the front again, and only a list of all of them would know.

use super::state::{arg, bounded, items, list, shown};
use crate::error::{Error, Result, code};
use crate::func::ksql::{Aggregate, AggregateCall, AggregateOverload, Value};

/// The functions of this file.
pub const FUNCTIONS: &[Aggregate] = &[
    Aggregate {
        name: "EARLIEST_BY_OFFSET",
        about: "The first value to arrive, or an array of the first n. NULLs are skipped unless ignoreNulls is FALSE.",
        overloads: &[
            AggregateOverload { result: single, ..earliest("EARLIEST_BY_OFFSET(x T) -> T") },
            AggregateOverload { result: single, ..earliest("EARLIEST_BY_OFFSET(x T, ignoreNulls BOOLEAN =) -> T") },
            earliest("EARLIEST_BY_OFFSET(x T, n INT =) -> ARRAY<T>"),
            earliest("EARLIEST_BY_OFFSET(x T, n INT =, ignoreNulls BOOLEAN =) -> ARRAY<T>"),
        ],
    },
    Aggregate {
        name: "LATEST_BY_OFFSET",
        about: "The last value to arrive, or an array of the last n, in the order of their arrival. NULLs are skipped unless \
                ignoreNulls is FALSE.",
        overloads: &[
            AggregateOverload { result: single, ..latest("LATEST_BY_OFFSET(x T) -> T") },
            AggregateOverload { result: single, ..latest("LATEST_BY_OFFSET(x T, ignoreNulls BOOLEAN =) -> T") },
            latest("LATEST_BY_OFFSET(x T, n INT =) -> ARRAY<T>"),
            latest("LATEST_BY_OFFSET(x T, n INT =, ignoreNulls BOOLEAN =) -> ARRAY<T>"),
        ],
    },
];

const fn earliest(signature: &'static str) -> AggregateOverload {
    AggregateOverload { add: add_earliest, merge: merge_earliest, ..latest(signature) }
}

const fn latest(signature: &'static str) -> AggregateOverload {
    AggregateOverload {
        signature,
        returns: None,
        init: |_| Value::array(Vec::new()),
        add: add_latest,
        undo: None,
        merge: merge_latest,
        result: shown,
    }
}

/// How many values are kept: the constant that is a number, else one.
fn limit(call: &AggregateCall<'_>) -> Result<usize> {
    let n = call.constants.iter().find_map(Value::as_i64).unwrap_or(1);
    usize::try_from(n).ok().filter(|n| *n > 0).ok_or_else(|| Error::new(code::INVALID_PARAMETER_VALUE, "n must be at least 1"))
}

fn skipped(call: &AggregateCall<'_>, value: &Value) -> bool {
    value.is_null() && !call.constants.iter().any(|c| matches!(c, Value::Boolean(false)))
}

fn add_earliest(call: &AggregateCall<'_>, mut state: Value, arguments: &[Value]) -> Result<Value> {
    let value = arg(arguments, 0);
    if !skipped(call, value) && items(&state)?.len() < limit(call)? {
        list(&mut state)?.push(value.clone());
    }
    Ok(state)
}

fn add_latest(call: &AggregateCall<'_>, mut state: Value, arguments: &[Value]) -> Result<Value> {
    let value = arg(arguments, 0);
    if !skipped(call, value) {
        let n = limit(call)?;
        let values = list(&mut state)?;
        if values.len() >= n {
            values.drain(..=values.len() - n);
        }
        values.push(value.clone());
    }
    Ok(state)
}

fn merge_earliest(call: &AggregateCall<'_>, mut a: Value, b: Value) -> Result<Value> {
    let values = list(&mut a)?;
    values.extend_from_slice(items(&b)?);
    values.truncate(limit(call)?);
    bounded(a)
}

fn merge_latest(call: &AggregateCall<'_>, mut a: Value, b: Value) -> Result<Value> {
    let n = limit(call)?;
    let values = list(&mut a)?;
    values.extend_from_slice(items(&b)?);
    values.drain(..values.len().saturating_sub(n));
    bounded(a)
}

fn single(_: &AggregateCall<'_>, state: &Value) -> Result<Value> {
    Ok(items(state)?.first().cloned().unwrap_or(Value::Null))
}
