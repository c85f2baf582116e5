//! COLLECT_LIST, COLLECT_SET and ATTR. NULLs are values here.

use super::bag;
use super::state::{arg, bounded, items, list, shown};
use crate::error::Result;
use crate::func::ksql::{Aggregate, AggregateCall, AggregateOverload, Value};

/// The functions of this file.
pub const FUNCTIONS: &[Aggregate] = &[
    Aggregate {
        name: "COLLECT_LIST",
        about: "An array of all values, NULLs among them, in the order in which they came. Over a table, a value that leaves is taken \
                from the end.",
        overloads: &[AggregateOverload {
            signature: "COLLECT_LIST(x T) -> ARRAY<T>",
            returns: None,
            init: |_| Value::array(Vec::new()),
            add: |c, s, a| append(c, s, arg(a, 0)),
            undo: Some(|_, s, a| take(s, arg(a, 0))),
            merge: |c, a, b| concat(c, a, &b),
            result: shown,
        }],
    },
    Aggregate {
        name: "COLLECT_SET",
        about: "An array of the distinct values, NULL among them, in the order in which they first came; over a table in ascending order.",
        overloads: &[AggregateOverload {
            signature: "COLLECT_SET(x T) -> ARRAY<T>",
            returns: None,
            init: |_| Value::array(Vec::new()),
            add: |c, s, a| insert(c, s, arg(a, 0)),
            undo: Some(|_, s, a| bagged(s, arg(a, 0), -1)),
            merge: unite,
            result: |c, s| if c.retracting { bounded(Value::array(bag::values(s).take(limit(c)).cloned().collect())) } else { shown(c, s) },
        }],
    },
    Aggregate {
        name: "ATTR",
        about: "The value all rows share, NULL being a value as well; NULL if there are different ones, or no row.",
        overloads: &[AggregateOverload {
            signature: "ATTR(x T) -> T",
            returns: None,
            init: |_| bag::empty(),
            add: |_, s, a| bagged(s, arg(a, 0), 1),
            undo: Some(|_, s, a| bagged(s, arg(a, 0), -1)),
            merge: merge_bags,
            result: |_, s| Ok(only(s)),
        }],
    },
];

/// How many values are kept: of COLLECT_LIST and COLLECT_SET the planner gives the property `ksql.functions.NAME.limit`, where it is set.
fn limit(call: &AggregateCall<'_>) -> usize {
    call.constants.first().and_then(Value::as_i64).map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// Adds at the end, unless there are as many as may be. Sizes are looked at when the length is a power of two: seldom, but before the list
/// can grow to its double.
fn append(call: &AggregateCall<'_>, mut state: Value, value: &Value) -> Result<Value> {
    let values = list(&mut state)?;
    if values.len() >= limit(call) {
        return Ok(state);
    }
    values.push(value.clone());
    if values.len().is_power_of_two() { bounded(state) } else { Ok(state) }
}

fn take(mut state: Value, value: &Value) -> Result<Value> {
    let values = list(&mut state)?;
    if let Some(at) = values.iter().rposition(|v| v == value) {
        values.remove(at);
    }
    Ok(state)
}

fn concat(call: &AggregateCall<'_>, mut a: Value, b: &Value) -> Result<Value> {
    let values = list(&mut a)?;
    values.extend_from_slice(items(b)?);
    values.truncate(limit(call));
    bounded(a)
}

fn insert(call: &AggregateCall<'_>, state: Value, value: &Value) -> Result<Value> {
    if call.retracting {
        return bagged(state, value, 1);
    }
    if items(&state)?.contains(value) { Ok(state) } else { append(call, state, value) }
}

fn unite(call: &AggregateCall<'_>, mut a: Value, b: Value) -> Result<Value> {
    if call.retracting {
        return merge_bags(call, a, b);
    }
    let before: std::collections::HashSet<Value> = items(&a)?.iter().cloned().collect();
    let values = list(&mut a)?;
    values.extend(items(&b)?.iter().filter(|v| !before.contains(*v)).cloned());
    values.truncate(limit(call));
    bounded(a)
}

fn bagged(mut state: Value, value: &Value, times: i64) -> Result<Value> {
    bag::add(&mut state, value, times)?;
    Ok(state)
}

/// `merge` of states that are bags.
pub(super) fn merge_bags(_: &AggregateCall<'_>, mut a: Value, b: Value) -> Result<Value> {
    bag::merge(&mut a, &b)?;
    Ok(a)
}

fn only(state: &Value) -> Value {
    let mut values = bag::values(state);
    match (values.next(), values.next()) {
        (Some(value), None) => value.clone(),
        _ => Value::Null,
    }
}
