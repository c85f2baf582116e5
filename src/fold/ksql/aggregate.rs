//! GROUP BY: what is aggregated, and the aggregation without a window, over a stream or over a table.
//!
//! Over a table a change takes the old row out of its group and puts the new one in. If both are of one group that is one change of
//! the group, else two: the old group's first. A group whose last row is gone stays, with what its aggregates are over no rows; so
//! does ksqlDB.

use hashbrown::HashMap;

use crate::error::{Error, Result};
use crate::fold::ksql::change::{Change, Counts, Expr, Operator, evaluate, only_input};
use crate::fold::ksql::codec::{KeyBytes, key_bytes, load_row, row_bytes, save_row, shallow_bytes};
use crate::fold::ksql::sessions::Sessions;
use crate::fold::ksql::table::ENTRY_BYTES;
use crate::fold::ksql::windows::Windows;
use crate::fold::state::{StateReader, StateWriter, damaged};
use crate::func::ksql::{AggregateCall, AggregateOverload, Row, Type, Value};

/// One call of an aggregate function.
#[derive(Clone)]
pub struct Aggregation {
    /// What is called.
    pub overload: &'static AggregateOverload,
    /// The arguments that are computed per row.
    pub arguments: Vec<Expr>,
    /// The values of the others.
    pub constants: Vec<Value>,
    /// The types of all arguments, constants included.
    pub argument_types: Vec<Type>,
    /// The type of the result.
    pub returns: Type,
    /// True over a table.
    pub retracting: bool,
}

impl Aggregation {
    fn call(&self) -> AggregateCall<'_> {
        AggregateCall { arguments: &self.argument_types, returns: &self.returns, constants: &self.constants, retracting: self.retracting }
    }

    /// The state after `change` of it. If that errs the row is as if it had not been, unless the state is too large to keep a copy:
    /// large collections do not err because of what is in a row.
    fn change(&self, state: &mut Value, row: &[Value], undo: bool, errors: &mut u64) -> Result<()> {
        let arguments: Vec<Value> = self.arguments.iter().map(|a| evaluate(a, row, errors)).collect();
        let apply = match (undo, self.overload.undo) {
            (false, _) => self.overload.add,
            (true, Some(undo)) => undo,
            (true, None) => return Err(Error::internal("an aggregate over a table cannot take rows back")),
        };
        let copy = is_small(state).then(|| state.clone());
        match (apply(&self.call(), std::mem::take(state), &arguments), copy) {
            (Ok(after), _) => *state = after,
            (Err(_), Some(copy)) => {
                *errors += 1;
                *state = copy;
            }
            (Err(error), None) => return Err(error),
        }
        Ok(())
    }
}

/// True if a copy of the value costs next to nothing and takes no collection's only reference.
fn is_small(state: &Value) -> bool {
    match state {
        Value::Array(items) => items.is_empty(),
        Value::Map(entries) => entries.is_empty(),
        Value::Struct(fields) => fields.values.iter().all(is_small),
        _ => true,
    }
}

/// The window of an aggregation; lengths in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowKind {
    /// WINDOW TUMBLING.
    Tumbling { size: i64 },
    /// WINDOW HOPPING.
    Hopping { size: i64, advance: i64 },
    /// WINDOW SESSION.
    Session { gap: i64 },
}

/// What an aggregation computes.
#[derive(Clone)]
pub struct AggregateSpec {
    /// The group's key. A row with NULL in any of them belongs to no group.
    pub keys: Vec<Expr>,
    /// What is aggregated.
    pub calls: Vec<Aggregation>,
    /// `None`: over all time.
    pub window: Option<WindowKind>,
    /// GRACE PERIOD. Without one: 24 h less the window's length, or none with EMIT FINAL.
    pub grace: Option<i64>,
    /// RETENTION, if one is given: then windows older than that are deleted from the table.
    pub retention: Option<i64>,
    /// EMIT FINAL: a window is emitted once, when it closes.
    pub emit_final: bool,
    /// True over a table.
    pub table: bool,
    /// For EXPLAIN.
    pub detail: String,
}

/// How long after its end a window takes records if nothing is said, less its length.
const GRACE_DEFAULT: i64 = 24 * 60 * 60 * 1_000;

impl AggregateSpec {
    /// The operator. Errors: what ksqlDB does not allow, such as windows over tables.
    pub fn build(self) -> Result<Box<dyn Operator>> {
        let positive = match self.window {
            None => true,
            Some(WindowKind::Tumbling { size }) => size > 0,
            Some(WindowKind::Hopping { size, advance }) => size > 0 && advance > 0 && advance <= size,
            Some(WindowKind::Session { gap }) => gap >= 0,
        };
        let error = |message: &str| Err(Error::new(crate::error::code::WINDOWING_ERROR, message));
        if !positive || self.grace.is_some_and(|g| g < 0) || self.retention.is_some_and(|r| r < 0) {
            return error("the lengths of a window must be positive, and it must not advance by more than its size");
        }
        if self.table && self.window.is_some() {
            return error("a table cannot be aggregated in windows");
        }
        if self.table && self.calls.iter().any(|call| call.overload.undo.is_none()) {
            let message = "an aggregate function over a table must be able to take rows back";
            return Err(Error::new(crate::error::code::WRONG_OBJECT_TYPE, message));
        }
        Ok(match self.window {
            None if self.emit_final => return error("EMIT FINAL needs a window"),
            None => Box::new(Aggregate { spec: self, groups: HashMap::new(), bytes: 0, counts: Counts::default() }),
            Some(WindowKind::Session { gap }) => Box::new(Sessions::new(self, gap)),
            Some(WindowKind::Tumbling { size }) => Box::new(Windows::new(self, size, size)),
            Some(WindowKind::Hopping { size, advance }) => Box::new(Windows::new(self, size, advance)),
        })
    }

    /// The grace period in force.
    pub(crate) fn grace(&self, length: i64) -> i64 {
        self.grace.unwrap_or(if self.emit_final { 0 } else { (GRACE_DEFAULT - length).max(0) })
    }

    /// The group that a row belongs to. Errors of the key's expressions are counted; `None` is a NULL in the key.
    pub(crate) fn key(&self, row: &[Value], errors: &mut u64) -> Option<Row> {
        let mut key = Vec::with_capacity(self.keys.len());
        for expr in &self.keys {
            match evaluate(expr, row, errors) {
                Value::Null => return None,
                value => key.push(value),
            }
        }
        Some(key.into())
    }

    /// The states over no rows.
    pub(crate) fn init(&self) -> States {
        let states: Vec<Value> = self.calls.iter().map(|call| (call.overload.init)(&call.call())).collect();
        States { bytes: states.iter().map(shallow_bytes).sum(), states }
    }

    /// One row more, or with `undo` one less.
    pub(crate) fn change(&self, states: &mut States, row: &[Value], undo: bool, errors: &mut u64) -> Result<()> {
        for (call, state) in self.calls.iter().zip(&mut states.states) {
            call.change(state, row, undo, errors)?;
        }
        states.bytes = states.states.iter().map(shallow_bytes).sum();
        Ok(())
    }

    /// The states over the rows of both, those of the first having come first.
    pub(crate) fn merge(&self, first: States, second: States, errors: &mut u64) -> Result<States> {
        let mut states = Vec::with_capacity(self.calls.len());
        for (call, (a, b)) in self.calls.iter().zip(first.states.into_iter().zip(second.states)) {
            let copy = is_small(&a).then(|| a.clone());
            states.push(match ((call.overload.merge)(&call.call(), a, b), copy) {
                (Ok(state), _) => state,
                (Err(_), Some(copy)) => {
                    *errors += 1;
                    copy
                }
                (Err(error), None) => return Err(error),
            });
        }
        Ok(States { bytes: states.iter().map(shallow_bytes).sum(), states })
    }

    /// The row that is shown: the key, then `between`, then the results.
    pub(crate) fn row(&self, key: &[Value], between: &[Value], states: &States, errors: &mut u64) -> Row {
        let mut row = Vec::with_capacity(key.len() + between.len() + self.calls.len());
        row.extend(key.iter().cloned());
        row.extend(between.iter().cloned());
        for (call, state) in self.calls.iter().zip(&states.states) {
            row.push((call.overload.result)(&call.call(), state).unwrap_or_else(|_| {
                *errors += 1;
                Value::Null
            }));
        }
        row.into()
    }

    /// Reads what [`States::save`] wrote.
    pub(crate) fn load(&self, input: &mut StateReader<'_>) -> Result<States> {
        let states = load_row(input)?.to_vec();
        if states.len() != self.calls.len() {
            return Err(damaged("aggregates are missing"));
        }
        Ok(States { bytes: states.iter().map(shallow_bytes).sum(), states })
    }
}

/// The states of all aggregates of one group.
pub(crate) struct States {
    states: Vec<Value>,
    /// Bytes of memory, about.
    pub bytes: usize,
}

impl States {
    /// Writes the states.
    pub fn save(&self, out: &mut StateWriter<'_>) {
        save_row(&self.states, out);
    }
}

/// A group, or a group's window.
pub(crate) struct Group {
    pub key: Row,
    pub states: States,
    /// The largest ROWTIME of its rows.
    pub time: i64,
    /// The row last shown.
    pub shown: Option<Row>,
}

impl Group {
    /// Bytes of memory, about; what is shown is shared with those who were shown it, and counted there.
    pub fn bytes(&self) -> usize {
        row_bytes(&self.key) + self.states.bytes + 2 * ENTRY_BYTES
    }
}

/// GROUP BY without a window.
pub struct Aggregate {
    spec: AggregateSpec,
    groups: HashMap<KeyBytes, Group>,
    bytes: usize,
    counts: Counts,
}

impl Aggregate {
    /// One change of one group: a row less, a row more, or both. A row that was never put in is not taken out.
    fn group(&mut self, key: Row, less: Option<&Row>, more: Option<&Row>, change: &Change) -> Result<Option<Change>> {
        let Aggregate { spec, groups, bytes, counts } = self;
        let id = key_bytes(&key);
        if more.is_none() && !groups.contains_key(&id) {
            return Ok(None);
        }
        let mut fresh = false;
        let group = groups.entry(id).or_insert_with(|| {
            fresh = true;
            Group { key, states: spec.init(), time: change.time, shown: None }
        });
        if !fresh {
            *bytes -= group.bytes();
            if let Some(row) = less {
                spec.change(&mut group.states, row, true, &mut 0)?;
            }
        }
        if let Some(row) = more {
            spec.change(&mut group.states, row, false, &mut counts.errors)?;
        }
        *bytes += group.bytes();
        group.time = group.time.max(change.time);
        let new = spec.row(&group.key, &[], &group.states, &mut counts.errors);
        let old = group.shown.replace(new.clone());
        Ok(Some(Change { position: change.position, time: group.time, key: group.key.clone(), old, new: Some(new) }))
    }

    fn record(&mut self, change: &Change, out: &mut Vec<Change>) -> Result<()> {
        let old = change.old.as_ref().filter(|_| self.spec.table);
        let key_of = |row: Option<&Row>, errors: &mut u64| row.and_then(|row| self.spec.key(row, errors));
        let (old_key, new_key) = (key_of(old, &mut 0), key_of(change.new.as_ref(), &mut self.counts.errors));
        self.counts.unkeyed += u64::from(change.new.is_some() && new_key.is_none());
        match (old_key, new_key) {
            (Some(old_key), Some(new_key)) if key_bytes(&old_key) == key_bytes(&new_key) => {
                out.extend(self.group(new_key, old, change.new.as_ref(), change)?);
            }
            (old_key, new_key) => {
                if let Some(key) = old_key {
                    out.extend(self.group(key, old, None, change)?);
                }
                if let Some(key) = new_key {
                    out.extend(self.group(key, None, change.new.as_ref(), change)?);
                }
            }
        }
        Ok(())
    }
}

impl Operator for Aggregate {
    fn name(&self) -> &'static str {
        "Aggregate"
    }
    fn detail(&self) -> String {
        self.spec.detail.clone()
    }
    fn step(&mut self, inputs: Vec<Vec<Change>>) -> Result<Vec<Change>> {
        let mut out = Vec::new();
        for change in only_input(inputs)? {
            self.record(&change, &mut out)?;
        }
        Ok(out)
    }
    fn state_bytes(&self) -> usize {
        self.bytes
    }
    fn counts(&self) -> Counts {
        self.counts
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        self.counts.save(out);
        out.u64(self.groups.len() as u64);
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by_key(|(id, _)| *id);
        for (_, group) in groups {
            save_row(&group.key, out);
            group.states.save(out);
            out.i64(group.time);
        }
        Ok(())
    }
    fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.counts = Counts::load(input)?;
        (self.groups, self.bytes) = (HashMap::new(), 0);
        for _ in 0..input.u64()? {
            let (key, states, time) = (load_row(input)?, self.spec.load(input)?, input.i64()?);
            let shown = Some(self.spec.row(&key, &[], &states, &mut 0));
            let group = Group { key, states, time, shown };
            self.bytes += group.bytes();
            self.groups.insert(key_bytes(&group.key), group);
        }
        Ok(())
    }
}
