//! What a query computes of each row of its input, taken out of its plan: conditions that rows must meet, and projections of those that do.
//!
//! The plan is analyzed once ([`PerRow::of`]). Each run puts the parameters into its expressions and has them simplified, as the optimizer
//! would ([`Given::ready`]), and computes them over rows that are there ([`PerRow::rows`]). That costs O(expressions), far less than to optimize a plan
//! and to make a physical one, which for a few rows is nearly all that a statement costs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast, cast_with_options, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use chrono::{DateTime, Utc};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchemaRef, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::create_physical_expr;

use super::soon::Effort;
use crate::error::{Error, Result};
use crate::limits;

/// Conditions and projections over one input.
pub struct PerRow {
    /// The input's columns as conditions name them.
    pub(super) columns: DFSchemaRef,
    /// All of these are met by the rows that the query gives.
    pub(super) conditions: Vec<Expr>,
    /// What is computed of those rows, if the query is about nothing else.
    pub(super) steps: Option<Vec<Step>>,
    /// What that takes, where [`PerRow::of`] has found it.
    effort: Effort,
}

/// A projection, over rows of these columns.
pub(super) struct Step {
    input: DFSchemaRef,
    pub(super) expressions: Vec<Expr>,
}

/// What expressions are computed under.
#[derive(Clone)]
pub struct Under {
    /// The options of the session.
    pub options: Arc<ConfigOptions>,
    /// The time that `now()` tells.
    pub now: DateTime<Utc>,
}

/// What expressions are computed with: the values of parameters, and what they are computed under.
pub(super) struct Given {
    props: ExecutionProps,
    parameters: Vec<ScalarValue>,
}

impl PerRow {
    /// What a plan over rows that stand in for tables computes, side by side where it names several. `None` if it is about more than one row at
    /// a time, or reads anything else. Cost: that of analyzing it.
    pub fn of(state: &SessionState, plan: &LogicalPlan) -> Option<PerRow> {
        let analyzed = state.analyzer().execute_and_check(plan.clone(), state.config_options(), |_, _| {}).ok()?;
        let found = taken_apart(&analyzed, &side_by_side)?;
        let mut expressions = found.steps.as_ref()?.iter().flat_map(|step| &step.expressions).chain(&found.conditions);
        let effort = Effort::of(expressions.clone());
        expressions.all(is_plain).then_some(PerRow { effort, ..found })
    }

    /// True if that is computed of these rows in no time to speak of.
    pub fn is_soon(&self, parameters: &[ScalarValue], rows: &RecordBatch) -> bool {
        self.effort.is_little_of(parameters, rows)
    }

    /// What it gives of these rows, with the columns of `schema`: n rows become at most n. Errors: those of its expressions.
    pub fn rows(&self, under: &Under, parameters: &[ScalarValue], rows: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
        let given = Given::new(under, parameters);
        let ready = self.conditions.iter().map(|condition| given.ready(condition, &self.columns));
        let conditions = ready.collect::<Result<Vec<_>>>()?;
        self.compute(&given, &conditions, rows, schema)
    }

    /// The same where conditions are ready.
    pub(super) fn compute(&self, given: &Given, conditions: &[Expr], rows: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
        let computed = catch_unwind(AssertUnwindSafe(|| self.computed(given, conditions, rows, schema)));
        computed.unwrap_or_else(|_| Err(Error::internal("the query panicked")))
    }

    fn computed(&self, given: &Given, conditions: &[Expr], mut rows: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
        for condition in conditions {
            let met = given.evaluate(condition, &self.columns, &rows)?;
            rows = filter_record_batch(&rows, cast(&met, &DataType::Boolean)?.as_boolean())?;
        }
        if rows.num_rows() == 0 {
            return Ok(RecordBatch::new_empty(schema.clone()));
        }
        for Step { input, expressions } in self.steps.iter().flatten() {
            let computed = |e: &Expr| given.evaluate(&given.ready(e, input)?, input, &rows);
            rows = batch_of(expressions.iter().map(computed).collect::<Result<_>>()?, rows.num_rows())?;
        }
        // What does not fit is an error, never NULL.
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        let typed = rows.columns().iter().zip(schema.fields()).map(|(column, field)| cast_with_options(column, field.data_type(), &strict));
        let nullable: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
        Ok(RecordBatch::try_new(Arc::new(Schema::new(nullable)), typed.collect::<Result<_, _>>()?)?)
    }
}

impl Given {
    pub(super) fn new(under: &Under, parameters: &[ScalarValue]) -> Given {
        let mut props = ExecutionProps::new();
        props.mark_start_execution(under.options.clone());
        props.query_execution_start_time = Some(under.now);
        Given { props, parameters: parameters.to_vec() }
    }

    /// The expression with parameters in it, and simplified.
    pub(super) fn ready(&self, expression: &Expr, input: &DFSchemaRef) -> Result<Expr> {
        match expression {
            Expr::Column(_) | Expr::Literal(..) => return Ok(expression.clone()),
            Expr::Placeholder(place) => {
                let value = number(&place.id).and_then(|i| self.parameters.get(i));
                return Ok(value.map_or_else(|| expression.clone(), |value| Expr::Literal(value.clone(), None)));
            }
            _ => {}
        }
        let given = expression.clone().transform_up(|e| {
            Ok(match &e {
                Expr::Placeholder(place) => match number(&place.id).and_then(|i| self.parameters.get(i)) {
                    Some(value) => Transformed::yes(Expr::Literal(value.clone(), None)),
                    None => Transformed::no(e),
                },
                _ => Transformed::no(e),
            })
        })?;
        let context = SimplifyContext::builder()
            .with_schema(input.clone())
            .with_config_options(self.props.config_options.clone().unwrap_or_default())
            .with_query_execution_start_time(self.props.query_execution_start_time);
        Ok(ExprSimplifier::new(context.build()).simplify(given.data)?)
    }

    pub(super) fn evaluate(&self, expression: &Expr, input: &DFSchemaRef, rows: &RecordBatch) -> Result<ArrayRef> {
        if let Expr::Literal(value, _) = expression {
            return Ok(value.to_array_of_size(rows.num_rows())?);
        }
        let physical = create_physical_expr(expression, input, &self.props, &PhysicalPlanningContext::default())?;
        Ok(physical.evaluate(rows)?.into_array(rows.num_rows())?)
    }
}

/// The place of `$n` among the parameters.
fn number(id: &str) -> Option<usize> {
    id.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1)
}

/// Columns whose names nobody asks for.
fn batch_of(columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let field = |(i, column): (usize, &ArrayRef)| Field::new(i.to_string(), column.data_type().clone(), true);
    let schema = Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>());
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::new(schema), columns, &options)?)
}

/// The plan taken apart: what is done with the rows of its `input`.
pub(super) fn taken_apart(plan: &LogicalPlan, input: &dyn Fn(&LogicalPlan) -> bool) -> Option<PerRow> {
    let of = |plan: &LogicalPlan, conditions| PerRow {
        columns: plan.schema().clone(),
        conditions,
        steps: Some(vec![]),
        effort: Effort::default(),
    };
    match plan {
        whole if input(whole) => Some(of(whole, vec![])),
        LogicalPlan::Projection(projection) => {
            let mut below = taken_apart(&projection.input, input)?;
            if let Some(steps) = &mut below.steps {
                let expressions = projection.expr.iter().map(|e| e.clone().unalias()).collect();
                steps.push(Step { input: projection.input.schema().clone(), expressions });
            }
            Some(below)
        }
        LogicalPlan::Filter(filter) => input(&filter.input).then(|| of(&filter.input, split_conjunction_owned(filter.predicate.clone()))),
        // Of the rows that are found, some, or in another order.
        LogicalPlan::Sort(_) | LogicalPlan::Limit(_) | LogicalPlan::SubqueryAlias(_) => {
            let below = taken_apart(plan.inputs().first()?, input)?;
            Some(PerRow { steps: None, ..below })
        }
        _ => None,
    }
}

/// True for rows that stand in for a table, and for those of several side by side.
fn side_by_side(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::TableScan(scan) => scan.projection.is_none() && scan.filters.is_empty() && scan.fetch.is_none(),
        LogicalPlan::SubqueryAlias(alias) => side_by_side(&alias.input),
        LogicalPlan::Join(join) => {
            let all = join.join_type == JoinType::Inner && join.on.is_empty() && join.filter.is_none();
            all && side_by_side(&join.left) && side_by_side(&join.right)
        }
        _ => false,
    }
}

/// True for what can be computed from a row, with the same result each time.
pub(super) fn is_plain(expression: &Expr) -> bool {
    reads_no_rows(expression) && !expression.is_volatile()
}

/// True for what can be computed from a row, in not too many parts.
pub(super) fn reads_no_rows(expression: &Expr) -> bool {
    let mut parts = 0;
    let walked = expression.apply(|e| {
        parts += 1;
        let reads = matches!(
            e,
            Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_) | Expr::OuterReferenceColumn(..)
        );
        Ok(if reads || parts > PARTS_MAX { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    walked.is_ok_and(|walked| walked != TreeNodeRecursion::Stop)
}

/// Parts of an expression that is computed without the planner; a longer one is left to it.
const PARTS_MAX: usize = 2 * limits::STATEMENT_KEYS_MAX;
