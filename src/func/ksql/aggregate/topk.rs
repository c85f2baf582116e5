//! TOPK and TOPKDISTINCT: the greatest values, in descending order. Of rows with equal values those that came first stay.
//!
//! Over a stream the state is the result so far. Over a table any row may leave and let the next one in, so all are kept.

use std::cmp::Ordering;
use std::sync::Arc;

use super::bag;
use super::state::{arg, bounded, broken, items, list, orderable};
use crate::error::{Error, Result, code};
use crate::func::ksql::{Aggregate, AggregateCall, AggregateOverload, Struct, Type, Value};

/// The functions of this file.
pub const FUNCTIONS: &[Aggregate] = &[
    Aggregate {
        name: "TOPK",
        about: "The k greatest values that are not NULL, as an array in descending order; with further columns, an array of structs of \
                the value, named sort_col, and the columns, named col0, col1 and so on.",
        overloads: &[
            AggregateOverload { returns: Some(values_type), ..top("TOPK(x T, k INT =) -> ARRAY<T>") },
            AggregateOverload {
                returns: Some(rows_type),
                add: |c, s, a| if arg(a, 0).is_null() { Ok(s) } else { add(c, s, Value::array(a.to_vec()), true, first) },
                undo: Some(|c, s, a| if arg(a, 0).is_null() { Ok(s) } else { undo(c, s, &Value::array(a.to_vec())) }),
                merge: |c, a, b| merge(c, a, b, true, first),
                result: rows,
                ..top("TOPK(x T, columns ANY..., k INT =) -> ANY")
            },
        ],
    },
    Aggregate {
        name: "TOPKDISTINCT",
        about: "The k greatest distinct values that are not NULL, as an array in descending order.",
        overloads: &[AggregateOverload {
            returns: Some(values_type),
            add: |c, s, a| if arg(a, 0).is_null() { Ok(s) } else { add(c, s, arg(a, 0).clone(), false, whole) },
            merge: |c, a, b| merge(c, a, b, false, whole),
            result: |c, s| bounded(Value::array(greatest(c, s, false)?)),
            ..top("TOPKDISTINCT(x T, k INT =) -> ARRAY<T>")
        }],
    },
];

/// The part of a kept value that it is ordered by.
type Key = fn(&Value) -> &Value;

fn whole(value: &Value) -> &Value {
    value
}

fn first(row: &Value) -> &Value {
    row.as_array().and_then(|values| values.first()).unwrap_or(row)
}

const fn top(signature: &'static str) -> AggregateOverload {
    AggregateOverload {
        signature,
        returns: None,
        init: |_| Value::array(Vec::new()),
        add: |c, s, a| if arg(a, 0).is_null() { Ok(s) } else { add(c, s, arg(a, 0).clone(), true, whole) },
        undo: Some(|c, s, a| if arg(a, 0).is_null() { Ok(s) } else { undo(c, s, arg(a, 0)) }),
        merge: |c, a, b| merge(c, a, b, true, whole),
        result: |c, s| bounded(Value::array(greatest(c, s, true)?)),
    }
}

fn values_type(arguments: &[Type]) -> Option<Type> {
    orderable(arguments).map(|item| Type::Array(Box::new(item)))
}

/// The last argument is k.
fn rows_type(arguments: &[Type]) -> Option<Type> {
    let (_, arguments) = arguments.split_last()?;
    let (_, columns) = arguments.split_first()?;
    let mut fields = vec![(Arc::from("sort_col"), orderable(arguments)?)];
    fields.extend(columns.iter().enumerate().map(|(i, ty)| (Arc::from(format!("col{i}")), ty.clone())));
    Some(Type::Array(Box::new(Type::Struct(Arc::from(fields)))))
}

fn limit(call: &AggregateCall<'_>) -> Result<usize> {
    let k = call.constants.first().and_then(Value::as_i64).unwrap_or(0);
    usize::try_from(k).ok().filter(|k| *k > 0).ok_or_else(|| Error::new(code::INVALID_PARAMETER_VALUE, "k must be at least 1"))
}

fn add(call: &AggregateCall<'_>, mut state: Value, value: Value, repeated: bool, key: Key) -> Result<Value> {
    let k = limit(call)?;
    if call.retracting {
        bag::add(&mut state, &value, 1)?;
        return Ok(state);
    }
    let kept = items(&state)?;
    let place = kept.partition_point(|other| bag::order(key(other), key(&value)) != Ordering::Less);
    let known = !repeated && place > 0 && kept.get(place - 1) == Some(&value);
    if place < k && !known {
        let kept = list(&mut state)?;
        kept.insert(place, value);
        kept.truncate(k);
    }
    Ok(state)
}

fn undo(call: &AggregateCall<'_>, mut state: Value, value: &Value) -> Result<Value> {
    if call.retracting {
        bag::add(&mut state, value, -1)?;
    }
    Ok(state)
}

fn merge(call: &AggregateCall<'_>, mut a: Value, b: Value, repeated: bool, key: Key) -> Result<Value> {
    if call.retracting {
        bag::merge(&mut a, &b)?;
        return Ok(a);
    }
    for value in items(&b)? {
        a = add(call, a, value.clone(), repeated, key)?;
    }
    Ok(a)
}

/// The values that are shown.
fn greatest(call: &AggregateCall<'_>, state: &Value, repeated: bool) -> Result<Vec<Value>> {
    if !call.retracting {
        return Ok(items(state)?.to_vec());
    }
    let k = limit(call)?;
    let times = |n: &Value| if repeated { usize::try_from(n.as_i64().unwrap_or(0)).unwrap_or(0) } else { 1 };
    Ok(bag::entries(state).rev().flat_map(|(value, n)| std::iter::repeat_n(value, times(n).min(k))).take(k).cloned().collect())
}

/// The rows that are shown, as structs.
fn rows(call: &AggregateCall<'_>, state: &Value) -> Result<Value> {
    let fields = match call.returns {
        Type::Array(item) => match &**item {
            Type::Struct(fields) => fields,
            _ => return Err(broken()),
        },
        _ => return Err(broken()),
    };
    let names: Arc<[Arc<str>]> = fields.iter().map(|(name, _)| name.clone()).collect();
    let row = |row: &Value| Ok(Value::Struct(Arc::new(Struct { names: names.clone(), values: items(row)?.to_vec() })));
    bounded(Value::array(greatest(call, state, true)?.iter().map(row).collect::<Result<_>>()?))
}
