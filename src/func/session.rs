//! Sessions: what SESSION in FROM is made of. `session_start(time, gap) OVER (PARTITION BY .. ORDER BY time)` is the time of the
//! first row of the row's session, `session_end` that of its last row plus the gap; the gap is a constant in microseconds. Two rows
//! that follow one another are in one session if no more than the gap lies between them.
//!
//! These window functions are what a query runs; a view folds the sessions by an operator of its own, [`crate::fold::Session`].

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type, TimestampMicrosecondType};
use datafusion::common::Result as DfResult;
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{PartitionEvaluator, Signature, Volatility, WindowUDF, WindowUDFImpl};

use super::arith::time::out_of_range;
use super::scalar::windows::{not_a_time, stamp};
use crate::error::{Error, Result};

/// Which bound of its session a row is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bound {
    Start,
    End,
}

impl Bound {
    /// The bound that a window function gives; `None` for other functions.
    pub fn of(function: &str) -> Option<Bound> {
        [Bound::Start, Bound::End].into_iter().find(|b| b.function() == function)
    }

    fn function(self) -> &'static str {
        match self {
            Bound::Start => "session_start",
            Bound::End => "session_end",
        }
    }
}

/// The two window functions.
pub fn functions() -> Vec<Arc<WindowUDF>> {
    let make =
        |bound| Arc::new(WindowUDF::new_from_impl(SessionBound { bound, signature: Signature::user_defined(Volatility::Immutable) }));
    [Bound::Start, Bound::End].map(make).into()
}

/// The sessions of ascending times: start, end (the gap included) and number of times of each. Cost O(times). Errors: 22008.
pub fn sessions(times: impl Iterator<Item = i64>, gap: i64) -> Result<Vec<(i64, i64, usize)>> {
    let mut found: Vec<(i64, i64, usize)> = Vec::new();
    for at in times {
        let end = at.checked_add(gap).ok_or_else(|| out_of_range("timestamp"))?;
        match found.last_mut() {
            Some(session) if at <= session.1 => (session.1, session.2) = (end, session.2 + 1),
            _ => found.push((at, end, 1)),
        }
    }
    Ok(found)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SessionBound {
    bound: Bound,
    signature: Signature,
}

impl WindowUDFImpl for SessionBound {
    fn name(&self) -> &str {
        self.bound.function()
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn coerce_types(&self, types: &[DataType]) -> DfResult<Vec<DataType>> {
        match types {
            [time, _gap] => Ok(vec![stamp(time).ok_or_else(|| not_a_time("SESSION", types))?, DataType::Int64]),
            _ => Err(not_a_time("SESSION", types).into()),
        }
    }
    fn field(&self, args: WindowUDFFieldArgs) -> DfResult<FieldRef> {
        let types: Vec<DataType> = args.input_fields().iter().map(|f| f.data_type().clone()).collect();
        let stamp = types.first().and_then(stamp).ok_or_else(|| not_a_time("SESSION", &types))?;
        Ok(Arc::new(Field::new(args.name(), stamp, true)))
    }
    fn partition_evaluator(&self, _: PartitionEvaluatorArgs) -> DfResult<Box<dyn PartitionEvaluator>> {
        Ok(Box::new(Evaluator(self.bound)))
    }
}

#[derive(Debug)]
struct Evaluator(Bound);

impl PartitionEvaluator for Evaluator {
    fn evaluate_all(&mut self, values: &[ArrayRef], rows: usize) -> DfResult<ArrayRef> {
        let [times, gaps] = values else { return Err(Error::internal("a session has a time and a gap").into()) };
        let (times, gaps) = (times.as_primitive::<TimestampMicrosecondType>(), gaps.as_primitive::<Int64Type>());
        if times.null_count() > 0 || rows == 0 {
            return Ok(arrow::array::new_null_array(times.data_type(), rows));
        }
        let mut bounds = Vec::with_capacity(rows);
        for (start, end, count) in sessions(times.values().iter().copied(), gaps.value(0))? {
            bounds.resize(bounds.len() + count, if self.0 == Bound::Start { start } else { end });
        }
        Ok(Arc::new(TimestampMicrosecondArray::from(bounds).with_data_type(times.data_type().clone())))
    }
    fn uses_window_frame(&self) -> bool {
        false
    }
    fn supports_bounded_execution(&self) -> bool {
        false
    }
}
