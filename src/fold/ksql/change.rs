//! What flows between the operators of ksqlDB's dialect, and what an operator is.
//!
//! Unlike the Arrow operators of `fold`, which see sets of rows with weights, these see one record after the other: each record finds
//! the state that the one before it left, and the order of what comes out is part of the result.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::fold::state::{StateReader, StateWriter};
use crate::func::ksql::{Row, Value};

/// One record on its way through a dataflow of ksqlDB's dialect.
#[derive(Clone, Debug)]
pub struct Change {
    /// Of the event that caused it; it never decreases along a stream of changes.
    pub position: u64,
    /// ROWTIME, in milliseconds since 1970.
    pub time: i64,
    /// The record's key; of windowed tables the key columns, WINDOWSTART and WINDOWEND. Streams without a key have an empty one.
    pub key: Row,
    /// The row before, of tables, if there was one.
    pub old: Option<Row>,
    /// The row with all its columns, those of the key included. Always there in streams; in tables `None` means deleted.
    pub new: Option<Row>,
}

/// An expression over a row. An error is that record's NULL, see [`evaluate`].
pub type Expr = Arc<dyn Fn(&[Value]) -> Result<Value> + Send + Sync>;

/// What an operator has left out so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records that came after their window had closed, counted once per window.
    pub late: u64,
    /// Errors of expressions that became NULL.
    pub errors: u64,
    /// Records dropped because their key is NULL.
    pub unkeyed: u64,
}

impl Counts {
    /// Writes the counts into a checkpoint.
    pub fn save(&self, out: &mut StateWriter<'_>) {
        [self.late, self.errors, self.unkeyed].into_iter().for_each(|n| out.u64(n));
    }

    /// Reads what `save` wrote.
    pub fn load(input: &mut StateReader<'_>) -> Result<Counts> {
        Ok(Counts { late: input.u64()?, errors: input.u64()?, unkeyed: input.u64()? })
    }
}

/// One operator. However the positions are cut into steps, the concatenated output is the same; and it depends on nothing but the
/// inputs.
pub trait Operator: Send {
    /// Its name in EXPLAIN.
    fn name(&self) -> &'static str;
    /// What it does, for EXPLAIN.
    fn detail(&self) -> String;
    /// Folds all changes of a range of positions: `inputs[i]` are those of input `i`, in order. Inputs are merged by position; at equal
    /// positions input 0 goes first. What is returned is in order.
    fn step(&mut self, inputs: Vec<Vec<Change>>) -> Result<Vec<Change>>;
    /// Bytes of memory held between steps, about.
    fn state_bytes(&self) -> usize {
        0
    }
    /// What it has left out so far.
    fn counts(&self) -> Counts {
        Counts::default()
    }
    /// Writes its state and its counts.
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()>;
    /// Reads what `save` wrote, into an operator built alike. Errors: XX001 for damaged bytes.
    fn load(&mut self, input: &mut StateReader<'_>) -> Result<()>;
}

/// The value of an expression; an error is counted and gives NULL.
pub fn evaluate(expr: &Expr, row: &[Value], errors: &mut u64) -> Value {
    expr(row).unwrap_or_else(|_| {
        *errors += 1;
        Value::Null
    })
}

/// The values of several expressions.
pub fn evaluate_all(exprs: &[Expr], row: &[Value], errors: &mut u64) -> Row {
    exprs.iter().map(|expr| evaluate(expr, row, errors)).collect()
}

/// True only if the predicate is TRUE: NULL and errors do not pass.
pub fn passes(predicate: &Expr, row: &[Value], errors: &mut u64) -> bool {
    matches!(evaluate(predicate, row, errors), Value::Boolean(true))
}

/// True if there is no key to find a row by: no column, or NULL in all of them.
pub fn unkeyed(key: &[Value]) -> bool {
    key.iter().all(Value::is_null)
}

/// The only input of an operator with one input.
pub fn only_input(mut inputs: Vec<Vec<Change>>) -> Result<Vec<Change>> {
    match (inputs.pop(), inputs.is_empty()) {
        (Some(input), true) => Ok(input),
        _ => Err(Error::internal("an operator with one input was given another number of them")),
    }
}

/// The changes of all inputs by position, those of one position by input; each with the number of its input.
pub fn in_order(inputs: Vec<Vec<Change>>) -> Vec<(usize, Change)> {
    let mut all: Vec<(usize, Change)> = Vec::with_capacity(inputs.iter().map(Vec::len).sum());
    for (i, input) in inputs.into_iter().enumerate() {
        all.extend(input.into_iter().map(|change| (i, change)));
    }
    // The sort is stable and runs are found as such, so this is a merge.
    all.sort_by_key(|(i, change)| (change.position, *i));
    all
}

/// The row `left ++ right`; a side that is missing is padded with that many NULLs.
pub fn joined(left: Option<&Row>, right: Option<&Row>, columns: (usize, usize)) -> Row {
    let side = |row: Option<&Row>, width: usize| match row {
        Some(row) => row.to_vec(),
        None => vec![Value::Null; width],
    };
    let mut values = side(left, columns.0);
    values.extend(side(right, columns.1));
    values.into()
}
