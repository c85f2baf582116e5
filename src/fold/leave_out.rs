//! Leaves out the rows for which an expression of the operator above errs.
//!
//! Such a row fails the view, unless it is told to leave such rows out: then this stands below every operator that evaluates
//! expressions over rows. An expression is a function of the row alone, so a retraction of a row that was left out errs alike
//! and is left out too: what passes is always the sum of all rows that do not err. Errors that are no row's own, those outside of
//! SQLSTATE class 22, are not caught.

use arrow::array::{BooleanArray, BooleanBufferBuilder, RecordBatch};
use arrow::compute;
use arrow::datatypes::SchemaRef;

use super::basic::only;
use super::eval::{Expr, evaluate_whole};
use super::{Operator, StateReader, StateWriter};
use crate::data::Delta;
use crate::error::{Error, Result};

/// Expressions that the operator above evaluates over each row, or over those for which `filter` is true.
pub struct Guard {
    pub filter: Option<Expr>,
    pub exprs: Vec<Expr>,
}

/// The rows of the input for which no expression errs.
pub struct LeaveOut {
    guards: Vec<Guard>,
    schema: SchemaRef,
    left_out: i64,
}

impl LeaveOut {
    /// Leaves out the rows of an input of `schema` for which an expression of `guards` errs.
    pub fn new(guards: Vec<Guard>, schema: SchemaRef) -> Self {
        LeaveOut { guards, schema, left_out: 0 }
    }

    /// Errors: that of some row of the batch.
    fn check(&self, batch: &RecordBatch) -> Result<()> {
        for guard in &self.guards {
            let kept = match &guard.filter {
                Some(filter) => {
                    let mask = evaluate_whole(filter, batch)?;
                    let mask = mask.as_any().downcast_ref::<BooleanArray>().ok_or_else(|| Error::internal("a filter is not boolean"))?;
                    compute::filter_record_batch(batch, mask)?
                }
                None => batch.clone(),
            };
            guard.exprs.iter().try_for_each(|e| evaluate_whole(e, &kept).map(|_| ()))?;
        }
        Ok(())
    }

    /// Appends for each row whether it passes. Cost: one evaluation, and O(log rows) for each row that errs.
    fn judge(&self, batch: &RecordBatch, passes: &mut BooleanBufferBuilder) -> Result<()> {
        let rows = batch.num_rows();
        match self.check(batch) {
            Ok(()) => passes.append_n(rows, true),
            Err(e) if !e.is_of_data() => return Err(e),
            Err(_) if rows <= 1 => passes.append_n(rows, false),
            Err(_) => {
                let half = rows / 2;
                self.judge(&batch.slice(0, half), passes)?;
                self.judge(&batch.slice(half, rows - half), passes)?;
            }
        }
        Ok(())
    }
}

impl Operator for LeaveOut {
    fn name(&self) -> &'static str {
        "LeaveOut"
    }
    fn detail(&self) -> String {
        let texts = self.guards.iter().flat_map(|g| &g.exprs).map(ToString::to_string);
        format!("rows for which one of these errs: {}", texts.collect::<Vec<_>>().join(", "))
    }
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn step(&mut self, inputs: Vec<Vec<Delta>>) -> Result<Vec<Delta>> {
        let mut kept = Vec::new();
        for delta in only(inputs)? {
            let mut passes = BooleanBufferBuilder::new(delta.num_rows());
            self.judge(&delta.batch, &mut passes)?;
            let passes = BooleanArray::from(passes.finish());
            if passes.true_count() == delta.num_rows() {
                kept.push(delta);
                continue;
            }
            self.left_out += (0..delta.num_rows()).filter(|i| !passes.value(*i)).map(|i| delta.weight(i)).sum::<i64>();
            if passes.true_count() > 0 {
                kept.push(delta.filter(&passes)?);
            }
        }
        Ok(kept)
    }

    fn left_out(&self) -> i64 {
        self.left_out
    }
    fn save(&self, out: &mut StateWriter<'_>) -> Result<()> {
        out.i64(self.left_out);
        Ok(())
    }
    fn load(&mut self, input: &mut StateReader<'_>) -> Result<()> {
        self.left_out = input.i64()?;
        Ok(())
    }
}
