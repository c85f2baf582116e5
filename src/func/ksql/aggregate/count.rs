//! COUNT and COUNT_DISTINCT.

use super::bag;
use super::state::{arg, count, parts, parts_of};
use crate::error::Result;
use crate::func::ksql::{Aggregate, AggregateCall, AggregateOverload, Value};

/// The functions of this file.
pub const FUNCTIONS: &[Aggregate] = &[
    Aggregate {
        name: "COUNT",
        about: "How many rows there are, or how many in which the argument is not NULL.",
        overloads: &[
            AggregateOverload { add: |_, s, _| counted(s, 1), undo: Some(|_, s, _| counted(s, -1)), ..counting("COUNT() -> BIGINT") },
            AggregateOverload {
                add: |_, s, a| counted(s, i64::from(!arg(a, 0).is_null())),
                undo: Some(|_, s, a| counted(s, -i64::from(!arg(a, 0).is_null()))),
                ..counting("COUNT(x ANY) -> BIGINT")
            },
        ],
    },
    Aggregate {
        name: "COUNT_DISTINCT",
        about: "How many different values there are, NULL not counted. Exact: the values are kept.",
        overloads: &[AggregateOverload {
            signature: "COUNT_DISTINCT(x ANY) -> BIGINT",
            returns: None,
            init: |_| Value::array(vec![Value::Bigint(0), bag::empty()]),
            add: |_, s, a| distinct(s, arg(a, 0), 1),
            undo: Some(|_, s, a| distinct(s, arg(a, 0), -1)),
            merge: merge_distinct,
            result: |_, s| parts_of::<2>(s).map(|[n, _]| n.clone()),
        }],
    },
];

const fn counting(signature: &'static str) -> AggregateOverload {
    AggregateOverload {
        signature,
        returns: None,
        init: |_| Value::Bigint(0),
        add: |_, s, _| Ok(s),
        undo: None,
        merge: |_, a, b| counted(a, b.as_i64().unwrap_or(0)),
        result: |_, s| Ok(s.clone()),
    }
}

fn counted(mut state: Value, more: i64) -> Result<Value> {
    count(&mut state, more);
    Ok(state)
}

fn distinct(mut state: Value, value: &Value, times: i64) -> Result<Value> {
    if !value.is_null() {
        let [n, seen] = parts::<2>(&mut state)?;
        let more = bag::add(seen, value, times)?;
        count(n, more);
    }
    Ok(state)
}

fn merge_distinct(_: &AggregateCall<'_>, mut a: Value, b: Value) -> Result<Value> {
    let [n, seen] = parts::<2>(&mut a)?;
    let [_, other] = parts_of::<2>(&b)?;
    let more = bag::merge(seen, other)?;
    count(n, more);
    Ok(a)
}
