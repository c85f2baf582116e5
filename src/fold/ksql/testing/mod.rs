//! Property tests of ksqlDB's operators: random records, random times, random cuts into steps with a save and a load at each cut; the
//! result must be, change by change, that of a model which keeps everything and looks at all of it for each record.

mod aggregates;
mod examples;
mod stream_joins;
mod table_joins;
mod time_windows;

use std::sync::Arc;

use crate::error::{Error, Result, code};
use crate::fold::ksql::aggregate::{AggregateSpec, Aggregation, WindowKind};
use crate::fold::ksql::change::{Change, Operator};
use crate::fold::ksql::stateless::column;
use crate::fold::state::{StateReader, saved as saved_as};
use crate::func::ksql::{AggregateOverload, Row, Type, Value};

pub fn int(n: i64) -> Value {
    Value::Bigint(n)
}

/// A whole number; negative ones stand for NULL.
pub fn maybe(n: i64) -> Value {
    if n < 0 { Value::Null } else { int(n) }
}

pub fn row(values: &[Value]) -> Row {
    values.into()
}

pub fn record(position: u64, time: i64, values: &[Value]) -> Change {
    Change { position, time, key: row(&values[..1]), old: None, new: Some(row(values)) }
}

pub fn tombstone(position: u64, time: i64, key: Value) -> Change {
    Change { position, time, key: row(&[key]), old: None, new: None }
}

/// COUNT(*).
pub static COUNT: AggregateOverload = AggregateOverload {
    signature: "COUNT() -> BIGINT",
    returns: None,
    init: |_| int(0),
    add: |_, state, _| Ok(int(state.as_i64().unwrap_or(0) + 1)),
    undo: Some(|_, state, _| Ok(int(state.as_i64().unwrap_or(0) - 1))),
    merge: |_, a, b| Ok(int(a.as_i64().unwrap_or(0) + b.as_i64().unwrap_or(0))),
    result: |_, state| Ok(state.clone()),
};

/// SUM(x), which does not take 13.
pub static SUM: AggregateOverload = AggregateOverload {
    signature: "SUM(x BIGINT) -> BIGINT",
    returns: None,
    init: |_| int(0),
    add: |_, state, x| match x[0].as_i64() {
        Some(13) => Err(Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "13")),
        x => Ok(int(state.as_i64().unwrap_or(0) + x.unwrap_or(0))),
    },
    undo: Some(|_, state, x| Ok(int(state.as_i64().unwrap_or(0) - x[0].as_i64().filter(|n| *n != 13).unwrap_or(0)))),
    merge: |_, a, b| Ok(int(a.as_i64().unwrap_or(0) + b.as_i64().unwrap_or(0))),
    result: |_, state| Ok(state.clone()),
};

fn items(value: &Value) -> Vec<Value> {
    value.as_array().unwrap_or_default().to_vec()
}

/// COLLECT_LIST(x): shows the order in which rows and sessions were put together.
pub static LIST: AggregateOverload = AggregateOverload {
    signature: "LIST(x BIGINT) -> ARRAY<BIGINT>",
    returns: None,
    init: |_| Value::array(vec![]),
    add: |_, state, x| Ok(Value::array(items(&state).into_iter().chain([x[0].clone()]).collect())),
    undo: None,
    merge: |_, a, b| Ok(Value::array(items(&a).into_iter().chain(items(&b)).collect())),
    result: |_, state| Ok(state.clone()),
};

pub fn call(overload: &'static AggregateOverload) -> Aggregation {
    Aggregation {
        overload,
        arguments: vec![column(1)],
        constants: vec![],
        argument_types: vec![Type::Bigint],
        returns: Type::Bigint,
        retracting: overload.undo.is_some(),
    }
}

/// COUNT, SUM and LIST of column 1, grouped by column 0.
pub fn spec(window: Option<WindowKind>, grace: Option<i64>, emit_final: bool) -> AggregateSpec {
    let calls = vec![call(&COUNT), call(&SUM), call(&LIST)];
    let detail = String::new();
    AggregateSpec { keys: vec![column(0)], calls, window, grace, retention: None, emit_final, table: false, detail }
}

/// What [`spec`]'s aggregates show of those values.
pub fn shown(values: &[i64]) -> Vec<Value> {
    let sum: i64 = values.iter().filter(|n| **n != 13).sum();
    vec![int(values.len() as i64), int(sum), Value::array(values.iter().map(|n| int(*n)).collect())]
}

pub fn saved(operator: &dyn Operator) -> Vec<u8> {
    saved_as(|out| out.section("state", |out| operator.save(out)))
}

/// A step that is not the last ends behind each event whose bit is set, if a position ends there; then the state moves to a fresh
/// operator. Events are sorted by position, then input.
pub fn run(make: &dyn Fn() -> Box<dyn Operator>, inputs: usize, events: &[(usize, Change)], cuts: &[bool]) -> Vec<Change> {
    let mut operator = make();
    let mut out = Vec::new();
    let mut step: Vec<Vec<Change>> = vec![Vec::new(); inputs];
    for (i, (input, change)) in events.iter().enumerate() {
        step[*input].push(change.clone());
        let ends = events.get(i + 1).is_none_or(|(_, next)| next.position > change.position);
        if ends && cuts.get(i).copied().unwrap_or(false) {
            out.extend(operator.step(std::mem::replace(&mut step, vec![Vec::new(); inputs])).unwrap());
            let bytes = saved(operator.as_ref());
            let (held, counts) = (operator.state_bytes(), operator.counts());
            operator = make();
            StateReader::new(&bytes).unwrap().section("state", |input| operator.load(input)).unwrap();
            assert_eq!((operator.state_bytes(), operator.counts()), (held, counts));
            assert_eq!(saved(operator.as_ref()), bytes);
        }
    }
    out.extend(operator.step(step).unwrap());
    assert!(out.is_sorted_by_key(|change| change.position));
    out
}

/// Two lists of changes are the same.
pub fn same(left: &[Change], right: &[Change]) -> Result<(), String> {
    let text = |changes: &[Change]| changes.iter().map(|change| format!("{change:?}\n")).collect::<String>();
    let (left, right) = (text(left), text(right));
    if left == right { Ok(()) } else { Err(format!("operator:\n{left}model:\n{right}")) }
}

/// Makes events of generated numbers: positions rise by 0 or 1.
pub fn events(generated: Vec<(usize, u64, Change)>) -> Vec<(usize, Change)> {
    let mut position = 0;
    let mut events: Vec<(usize, Change)> = Vec::new();
    for (input, rise, change) in generated {
        position += rise;
        events.push((input, Change { position, ..change }));
    }
    events.sort_by_key(|(input, change)| (change.position, *input));
    events
}

/// Follows a table's changes; each must say truly what was there before.
#[derive(Default)]
pub struct Table(pub std::collections::HashMap<Row, Row>);

impl Table {
    pub fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            let before = match &change.new {
                Some(row) => self.0.insert(change.key.clone(), row.clone()),
                None => self.0.remove(&change.key),
            };
            assert_eq!(before, change.old, "{change:?}");
        }
    }

    pub fn rows(&self) -> Vec<String> {
        let mut rows: Vec<String> = self.0.values().map(|row| format!("{row:?}")).collect();
        rows.sort();
        rows
    }
}

/// Bytes that are not a state give errors and no panics.
pub fn survives_damage(make: &dyn Fn() -> Box<dyn Operator>, operator: &dyn Operator) {
    let good = saved_as(|out| operator.save(out));
    for i in 1..good.len() {
        let mut bad = good.clone();
        bad[i] ^= 0x91;
        let _ = make().load(&mut StateReader::new(&bad).unwrap());
        assert!(make().load(&mut StateReader::new(&good[..i]).unwrap()).is_err());
    }
}

pub fn boxed(operator: impl Operator + 'static) -> Box<dyn Operator> {
    Box::new(operator)
}

/// An expression that always errs.
pub fn failing() -> crate::fold::ksql::change::Expr {
    Arc::new(|_| Err(Error::new(code::DIVISION_BY_ZERO, "division by zero")))
}
