//! Rows that a query makes of no table: those of VALUES, and the one of a SELECT without FROM, which defaults are.
//!
//! As with what is computed of each row of a table ([`super::per_row`]) the plan is analyzed once, and each run computes its expressions without
//! DataFusion's planner. The rows of VALUES are computed one after the other, so that a function that gives another value each time is called in
//! the order in which PostgreSQL calls it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options, concat};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DFSchemaRef, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};

use super::per_row::{Given, PerRow, Under, catching, reads_no_rows, taken_apart};
use super::soon::Effort;
use crate::error::Result;

/// Functions that give another value each time and do nothing else.
const FRESH: [&str; 7] = ["uuid", "random", "clock_timestamp", "timeofday", "gen_random_bytes", "currval", "lastval"];
/// Those that take numbers from a sequence, for which they may wait.
const DRAWING: [&str; 2] = ["nextval", "everfold_identity"];
/// Values of a VALUES list that are computed so; a longer one is left to the threads of queries.
const VALUES_MAX: usize = 4_096;

/// What makes the rows of a query.
pub struct OfNothing {
    /// The rows of VALUES and their schema; `None` for a row without columns.
    values: Option<(DFSchemaRef, Vec<Vec<Expr>>)>,
    steps: PerRow,
    effort: Effort,
}

impl OfNothing {
    /// What a plan makes; `None` if it reads anything, or does more than to compute. Cost: that of analyzing it.
    pub fn of(state: &SessionState, plan: &LogicalPlan) -> Option<OfNothing> {
        if !Self::may_be(plan) {
            return None;
        }
        let analyzed = state.analyzer().execute_and_check(plan.clone(), state.config_options(), |_, _| {}).ok()?;
        let steps = taken_apart(&analyzed, &is_source)?;
        let values = match leaf(&analyzed) {
            LogicalPlan::Values(values) => Some((values.schema.clone(), values.values.clone())),
            _ => None,
        };
        let of_values = values.iter().flat_map(|(_, rows)| rows.iter().flatten());
        let mut expressions = of_values.chain(steps.steps.as_ref()?.iter().flat_map(|step| &step.expressions)).chain(&steps.conditions);
        let effort = Effort::of(expressions.clone());
        expressions.all(is_computed).then_some(OfNothing { values, steps, effort })
    }

    /// True for a plan that [`OfNothing::of`] may say something of. Cost O(depth).
    pub fn may_be(plan: &LogicalPlan) -> bool {
        match leaf(plan) {
            LogicalPlan::Values(list) => list.values.iter().map(Vec::len).sum::<usize>() <= VALUES_MAX,
            _ => Self::is_one_row(plan),
        }
    }

    /// True for a plan over the one row of a SELECT without FROM. Cost O(depth).
    pub fn is_one_row(plan: &LogicalPlan) -> bool {
        matches!(leaf(plan), LogicalPlan::EmptyRelation(empty) if empty.produce_one_row)
    }

    /// True if it makes that many rows in no time to speak of, and waits for nobody.
    pub fn is_soon(&self, parameters: &[ScalarValue], count: usize) -> bool {
        self.effort.is_little(parameters, count)
    }

    /// Its rows, with the columns of `schema`: those of VALUES, else `count` rows. Errors: those of its expressions.
    pub fn rows(&self, under: &Under, parameters: &[ScalarValue], count: usize, schema: &SchemaRef) -> Result<RecordBatch> {
        let given = Given::new(under, parameters);
        let rows = catching(|| self.made(&given, count))?;
        let conditions = self.steps.conditions.iter().map(|condition| given.ready(condition, &self.steps.columns));
        let conditions = conditions.collect::<Result<Vec<_>>>()?;
        self.steps.compute(&given, &conditions, rows, schema)
    }

    fn made(&self, given: &Given, count: usize) -> Result<RecordBatch> {
        let Some((schema, values)) = &self.values else { return without_columns(count) };
        let (nothing, one): (DFSchemaRef, _) = (Arc::new(DFSchema::empty()), without_columns(1)?);
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        let mut columns: Vec<Vec<ArrayRef>> = vec![Vec::with_capacity(values.len()); schema.fields().len()];
        for row in values {
            for ((value, column), field) in row.iter().zip(&mut columns).zip(schema.fields()) {
                let value = given.evaluate(&given.ready(value, &nothing)?, &nothing, &one)?;
                column.push(cast_with_options(&value, field.data_type(), &strict)?);
            }
        }
        let column = |parts: &Vec<ArrayRef>| concat(&parts.iter().map(|part| part.as_ref() as &dyn Array).collect::<Vec<_>>());
        let columns = columns.iter().map(column).collect::<Result<Vec<_>, _>>()?;
        let nullable = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
        Ok(RecordBatch::try_new(Arc::new(Schema::new(nullable.collect::<Vec<_>>())), columns)?)
    }
}

/// What stands below all else in a plan.
fn leaf(plan: &LogicalPlan) -> &LogicalPlan {
    let mut at = plan;
    while let [input] = at.inputs().as_slice() {
        at = input;
    }
    at
}

fn is_source(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Values(_)) || matches!(plan, LogicalPlan::EmptyRelation(empty) if empty.produce_one_row)
}

fn without_columns(rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options)?)
}

/// True for what is computed of nothing but constants and parameters, and does nothing beside.
fn is_computed(expression: &Expr) -> bool {
    let acts = |e: &Expr| match e {
        Expr::ScalarFunction(call) => {
            call.func.signature().volatility == Volatility::Volatile && !FRESH.contains(&call.name()) && !DRAWING.contains(&call.name())
        }
        _ => false,
    };
    reads_no_rows(expression) && !any(expression, &acts)
}

fn any(expression: &Expr, holds: &dyn Fn(&Expr) -> bool) -> bool {
    let walked = expression.apply(|e| Ok(if holds(e) { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue }));
    !walked.is_ok_and(|walked| walked != TreeNodeRecursion::Stop)
}
