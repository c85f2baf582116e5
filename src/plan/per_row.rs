//! What a query computes of each row of its input, taken out of its plan: conditions that rows must meet, projections of those that do, and
//! which of these, in what order.
//!
//! The plan is analyzed once ([`PerRow::of`]). Each run puts the parameters into its expressions and has them simplified, as the optimizer
//! would ([`Given::ready`]), and computes them over rows that are there ([`PerRow::rows`]). That costs O(expressions), far less than to optimize a plan
//! and to make a physical one, which for a few rows is nearly all that a statement costs.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{
    CastOptions, SortColumn, SortOptions, cast, cast_with_options, concat_batches, filter_record_batch, lexsort_to_indices,
    take_record_batch,
};
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
use datafusion::logical_expr::{Expr, ExprSchemable, JoinType, LogicalPlan, lit};
use datafusion::optimizer::Optimizer;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::create_physical_expr;

use super::soon::Effort;
use crate::error::{Error, Result, code};
use crate::func::held_filters;
use crate::func::plain_constants::plain_within;
use crate::limits;

/// Conditions over one input, and what is made of the rows that meet them.
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

/// What is made of rows of these columns.
pub(super) struct Step {
    input: DFSchemaRef,
    /// Those of a projection; what rows are sorted by; or how many of them are passed over, and how many are left then.
    pub(super) expressions: Vec<Expr>,
    kind: Kind,
}

enum Kind {
    Projection,
    /// In these orders.
    Sort(Vec<SortOptions>),
    Limit,
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
        let steps = found.steps.as_ref().filter(|steps| steps.iter().all(|step| matches!(step.kind, Kind::Projection)))?;
        let mut expressions = steps.iter().flat_map(|step| &step.expressions).chain(&found.conditions);
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

    /// Its conditions, to be computed with what is given, each by itself. Errors: those of what is constant in them.
    pub(super) fn ready(&self, given: &Given) -> Result<Vec<Expr>> {
        let mut all = Vec::with_capacity(self.conditions.len());
        for condition in &self.conditions {
            all.extend(split_conjunction_owned(given.ready(condition, &self.columns)?));
        }
        Ok(all)
    }

    /// Rows that were found, with the columns that the query sees: a node may keep more, behind those.
    pub(super) fn seen(&self, found: &[RecordBatch]) -> Result<RecordBatch> {
        let columns = self.columns.inner();
        let seen: Vec<usize> = (0..columns.fields().len()).collect();
        let found = found.iter().map(|batch| batch.project(&seen)).collect::<Result<Vec<_>, _>>()?;
        Ok(concat_batches(&found.first().map_or(columns.clone(), RecordBatch::schema), &found)?)
    }

    /// The same with another step behind them; without it nothing is known of what becomes of the rows.
    fn and_then(self, step: Option<Step>) -> PerRow {
        let steps = self.steps.zip(step).map(|(mut steps, step)| {
            // What is computed of rows that no LIMIT lets through may err.
            let behind = steps.iter().rposition(|step| !matches!(step.kind, Kind::Projection)).map_or(0, |i| i + 1);
            let at = if matches!(step.kind, Kind::Limit) { behind } else { steps.len() };
            steps.insert(at, step);
            steps
        });
        PerRow { steps, ..self }
    }

    /// The same without what no later step asks for, which may err too: NULL stands in its place.
    fn pruned(mut self) -> PerRow {
        let mut asked: Option<HashSet<usize>> = None;
        for Step { input, expressions, kind } in self.steps.iter_mut().flatten().rev() {
            let named = |e: &Expr| e.column_refs().into_iter().filter_map(|c| input.index_of_column(c).ok()).collect::<Vec<_>>();
            match kind {
                Kind::Projection => {
                    for (i, e) in expressions.iter_mut().enumerate() {
                        if asked.as_ref().is_some_and(|asked| !asked.contains(&i))
                            && let Some(null) = e.get_type(input).ok().and_then(|ty| ScalarValue::try_new_null(&ty).ok())
                        {
                            *e = Expr::Literal(null, None);
                        }
                    }
                    asked = Some(expressions.iter().flat_map(named).collect());
                }
                Kind::Sort(_) => asked.iter_mut().for_each(|asked| asked.extend(expressions.iter().flat_map(named))),
                Kind::Limit => {}
            }
        }
        self
    }

    /// The same where conditions are ready.
    pub(super) fn compute(&self, given: &Given, conditions: &[Expr], rows: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
        catching(|| self.computed(given, conditions, rows, schema))
    }

    /// The rows that meet these conditions, which are ready.
    pub(super) fn meeting(&self, given: &Given, conditions: &[Expr], mut rows: RecordBatch) -> Result<RecordBatch> {
        for condition in conditions {
            let met = given.evaluate(condition, &self.columns, &rows)?;
            rows = filter_record_batch(&rows, cast(&met, &DataType::Boolean)?.as_boolean())?;
        }
        Ok(rows)
    }

    fn computed(&self, given: &Given, conditions: &[Expr], rows: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
        let mut rows = self.meeting(given, conditions, rows)?;
        // What they say is wrong however many rows there are.
        let limits = self.steps.iter().flatten().filter(|step| matches!(step.kind, Kind::Limit));
        let mut limits = limits.map(|limit| counts(given, limit)).collect::<Result<Vec<_>>>()?.into_iter();
        for Step { input, expressions, kind } in self.steps.iter().flatten() {
            if rows.num_rows() == 0 {
                break;
            }
            let computed = |e: &Expr| given.evaluate(&given.ready(e, input)?, input, &rows);
            rows = match kind {
                Kind::Projection => batch_of(expressions.iter().map(computed).collect::<Result<_>>()?, rows.num_rows())?,
                Kind::Sort(orders) => {
                    let column = |(by, order): (&Expr, &SortOptions)| Ok(SortColumn { values: computed(by)?, options: Some(*order) });
                    let columns = expressions.iter().zip(orders).map(column).collect::<Result<Vec<_>>>()?;
                    take_record_batch(&rows, &lexsort_to_indices(&columns, None)?)?
                }
                Kind::Limit => {
                    let [skipped, most] = limits.next().unwrap_or_default();
                    let skipped = skipped.unwrap_or(0).min(rows.num_rows());
                    let left = rows.num_rows() - skipped;
                    rows.slice(skipped, most.map_or(left, |most| most.min(left)))
                }
            };
        }
        if rows.num_rows() == 0 {
            return Ok(RecordBatch::new_empty(schema.clone()));
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
        Ok(ExprSimplifier::new(context.build()).simplify(plain_within(given.data)?)?)
    }

    pub(super) fn evaluate(&self, expression: &Expr, input: &DFSchemaRef, rows: &RecordBatch) -> Result<ArrayRef> {
        if let Expr::Literal(value, _) = expression {
            return Ok(value.to_array_of_size(rows.num_rows())?);
        }
        let physical = create_physical_expr(expression, input, &self.props, &PhysicalPlanningContext::default())?;
        Ok(physical.evaluate(rows)?.into_array(rows.num_rows())?)
    }
}

/// What a function of DataFusion panics of is an error of the statement.
pub(super) fn catching<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Error::internal("the query panicked")))
}

/// What projections, conditions and the like of a plan stand above, if nothing else does. Cost O(depth).
pub(super) fn source(plan: &LogicalPlan) -> Option<&LogicalPlan> {
    match plan {
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::SubqueryAlias(_) => source(plan.inputs().first()?),
        other => Some(other),
    }
}

/// The plan with its conditions moved down to what they are about, also through the projections of views.
pub(super) fn moved_down(state: &SessionState, plan: LogicalPlan) -> Option<LogicalPlan> {
    let moving = state.optimizers().iter().filter(|rule| rule.name() == held_filters::PUSHING).cloned().collect();
    Optimizer::with_rules(moving).optimize(plan, state, |_, _| {}).ok()
}

/// How many rows OFFSET and LIMIT say; NULL says nothing. Errors: 2201X, 2201W.
fn counts(given: &Given, limit: &Step) -> Result<[Option<usize>; 2]> {
    let kinds = [("OFFSET", code::INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE), ("LIMIT", code::INVALID_ROW_COUNT_IN_LIMIT_CLAUSE)];
    let mut counts = [None; 2];
    for ((count, (clause, code)), expression) in counts.iter_mut().zip(kinds).zip(&limit.expressions) {
        let Expr::Literal(value, _) = given.ready(expression, &limit.input)? else {
            return Err(Error::internal("a limit is a constant by now"));
        };
        if let ScalarValue::Int64(Some(rows)) = value.cast_to(&DataType::Int64)? {
            let negative = |_| Error::new(code, format!("{clause} must not be negative"));
            *count = Some(usize::try_from(rows).map_err(negative)?);
        }
    }
    Ok(counts)
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
    apart(plan, input).map(PerRow::pruned)
}

fn apart(plan: &LogicalPlan, input: &dyn Fn(&LogicalPlan) -> bool) -> Option<PerRow> {
    let of = |plan: &LogicalPlan, conditions| PerRow {
        columns: plan.schema().clone(),
        conditions,
        steps: Some(vec![]),
        effort: Effort::default(),
    };
    match plan {
        whole if input(whole) => Some(of(whole, vec![])),
        LogicalPlan::Projection(projection) => {
            let below = apart(&projection.input, input)?;
            let expressions = projection.expr.iter().map(|e| e.clone().unalias()).collect();
            Some(below.and_then(Some(Step { input: projection.input.schema().clone(), expressions, kind: Kind::Projection })))
        }
        LogicalPlan::Filter(filter) => input(&filter.input).then(|| of(&filter.input, split_conjunction_owned(filter.predicate.clone()))),
        LogicalPlan::Sort(sort) => {
            let below = apart(&sort.input, input)?;
            let by = |e: &Expr| e.get_type(sort.input.schema()).is_ok_and(|ty| !ty.is_nested());
            let step = (sort.fetch.is_none() && sort.expr.iter().all(|e| by(&e.expr))).then(|| Step {
                input: sort.input.schema().clone(),
                expressions: sort.expr.iter().map(|e| e.expr.clone()).collect(),
                kind: Kind::Sort(sort.expr.iter().map(|e| SortOptions { descending: !e.asc, nulls_first: e.nulls_first }).collect()),
            });
            Some(below.and_then(step))
        }
        LogicalPlan::Limit(limit) => {
            let below = apart(&limit.input, input)?;
            let or_null = |count: &Option<Box<Expr>>| count.as_ref().map_or(lit(ScalarValue::Int64(None)), |count| count.as_ref().clone());
            let expressions = vec![or_null(&limit.skip), or_null(&limit.fetch)];
            Some(below.and_then(Some(Step { input: limit.input.schema().clone(), expressions, kind: Kind::Limit })))
        }
        // The same rows under another name.
        LogicalPlan::SubqueryAlias(alias) => apart(&alias.input, input),
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
