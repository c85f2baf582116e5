//! MIN and MAX. Over a stream the best value so far is all there is to keep; over a table it may leave, so all are kept.

use std::cmp::Ordering;

use super::bag;
use super::state::{arg, orderable};
use crate::error::Result;
use crate::func::ksql::{Aggregate, AggregateCall, AggregateOverload, Value};

/// The functions of this file.
pub const FUNCTIONS: &[Aggregate] = &[
    Aggregate {
        name: "MIN",
        about: "The least of the values that are not NULL; NULL if there are none.",
        overloads: &[AggregateOverload {
            add: |c, s, a| add(c, s, arg(a, 0), Ordering::Less),
            merge: |c, a, b| merge(c, a, b, Ordering::Less),
            result: |c, s| Ok(if c.retracting { bag::values(s).next().cloned().unwrap_or(Value::Null) } else { s.clone() }),
            ..extreme("MIN(x T) -> T")
        }],
    },
    Aggregate {
        name: "MAX",
        about: "The greatest of the values that are not NULL; NULL if there are none.",
        overloads: &[AggregateOverload {
            add: |c, s, a| add(c, s, arg(a, 0), Ordering::Greater),
            merge: |c, a, b| merge(c, a, b, Ordering::Greater),
            result: |c, s| Ok(if c.retracting { bag::values(s).next_back().cloned().unwrap_or(Value::Null) } else { s.clone() }),
            ..extreme("MAX(x T) -> T")
        }],
    },
];

const fn extreme(signature: &'static str) -> AggregateOverload {
    AggregateOverload {
        signature,
        returns: Some(orderable),
        init: |c| if c.retracting { bag::empty() } else { Value::Null },
        add: |_, s, _| Ok(s),
        undo: Some(undo),
        merge: |_, a, _| Ok(a),
        result: |_, s| Ok(s.clone()),
    }
}

fn add(call: &AggregateCall<'_>, mut state: Value, value: &Value, wanted: Ordering) -> Result<Value> {
    if value.is_null() {
        return Ok(state);
    }
    if call.retracting {
        bag::add(&mut state, value, 1)?;
        return Ok(state);
    }
    let better = state.is_null() || value.compare(&state) == Some(wanted);
    Ok(if better { value.clone() } else { state })
}

fn undo(call: &AggregateCall<'_>, mut state: Value, arguments: &[Value]) -> Result<Value> {
    if call.retracting && !arg(arguments, 0).is_null() {
        bag::add(&mut state, arg(arguments, 0), -1)?;
    }
    Ok(state)
}

fn merge(call: &AggregateCall<'_>, mut a: Value, b: Value, wanted: Ordering) -> Result<Value> {
    if call.retracting {
        bag::merge(&mut a, &b)?;
        return Ok(a);
    }
    add(call, a, &b, wanted)
}
