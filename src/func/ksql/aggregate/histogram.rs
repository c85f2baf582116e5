//! HISTOGRAM. Its map has no limit of keys and is sorted by them, so that it does not depend on what came and left before.

use std::sync::Arc;

use super::bag;
use super::collect::merge_bags;
use super::state::{arg, bounded};
use crate::error::Result;
use crate::func::ksql::{Aggregate, AggregateOverload, Value};

/// The functions of this file.
pub const FUNCTIONS: &[Aggregate] = &[Aggregate {
    name: "HISTOGRAM",
    about: "A map of each distinct string to how many times there is it; NULLs are skipped.",
    overloads: &[AggregateOverload {
        signature: "HISTOGRAM(x STRING) -> MAP<STRING, BIGINT>",
        returns: None,
        init: |_| bag::empty(),
        add: |_, s, a| counted(s, arg(a, 0), 1),
        undo: Some(|_, s, a| counted(s, arg(a, 0), -1)),
        merge: merge_bags,
        result: |_, s| bounded(Value::Map(Arc::new(bag::entries(s).cloned().collect()))),
    }],
}];

fn counted(mut state: Value, value: &Value, times: i64) -> Result<Value> {
    if !value.is_null() {
        bag::add(&mut state, value, times)?;
    }
    Ok(state)
}
