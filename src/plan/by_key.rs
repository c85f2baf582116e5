//! Queries of rows of one table that their keys tell: which they are is known before anything is read, and what the query makes of
//! them is computed without planning it anew.
//!
//! The plan is analyzed once, when the query is planned ([`ByKey::of`]). Each run puts the parameters into its expressions and has them
//! simplified, as the optimizer would ([`ByKey::bind`]); conditions on the key then say which keys rows must have ([`keys::wanted`]), and
//! the expressions are computed over the rows of those keys. That costs O(expressions), far less than to optimize a plan and to make a physical one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{cast, concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchemaRef, ScalarValue};
use datafusion::datasource::source_as_provider;
use datafusion::execution::SessionState;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::create_physical_expr;

use crate::catalog::{Relation, RelationKind};
use crate::data::PgType;
use crate::error::{Error, Result};
use crate::limits;
use crate::serve::keys;
use crate::serve::provider::RelationProvider;

/// A query whose rows come from one table, by a condition.
pub struct ByKey {
    relation: Arc<Relation>,
    /// The table's columns as conditions name them.
    columns: DFSchemaRef,
    /// All of these are met by the rows that the query reads.
    conditions: Vec<Expr>,
    /// What is computed of the rows, if the conditions say all that the query is about.
    steps: Option<Vec<Step>>,
}

/// A projection, over rows of these columns.
struct Step {
    input: DFSchemaRef,
    expressions: Vec<Expr>,
}

impl ByKey {
    /// True if a plan may be of this form: of rows of that table, which are read in that place only, and of no materialized view,
    /// which may rest on the table. Cost O(plan).
    pub fn may_be(plan: &LogicalPlan, relation: &Arc<Relation>, parameters: &[PgType]) -> bool {
        let keyed = !relation.key.is_empty() && relation.ksql.is_none() && !parameters.iter().any(PgType::is_of_enum);
        keyed && reads_once(plan, relation) && filtered(plan, relation).is_some()
    }

    /// The form of a plan that may be of it. Cost: that of analyzing it.
    pub fn of(state: &SessionState, plan: &LogicalPlan, relation: &Arc<Relation>) -> Option<ByKey> {
        let analyzed = state.analyzer().execute_and_check(plan.clone(), state.config_options(), |_, _| {}).ok()?;
        let mut found = filtered(&analyzed, relation)?;
        let all = found.conditions.len();
        found.conditions.retain(is_plain);
        let plain = |steps: &Vec<Step>| steps.iter().flat_map(|step| &step.expressions).all(is_plain);
        found.steps = found.steps.filter(|steps| found.conditions.len() == all && plain(steps));
        Some(found)
    }

    /// The query with parameters in their places. `None` if its conditions tell no keys, or cannot be computed: then the planner says why.
    pub fn bind(&self, options: &Arc<ConfigOptions>, parameters: &[ScalarValue]) -> Option<Bound<'_>> {
        let mut props = ExecutionProps::new();
        props.mark_start_execution(options.clone());
        let mut bound = Bound { query: self, props, parameters: parameters.to_vec(), conditions: vec![], keys: vec![] };
        for condition in &self.conditions {
            let ready = bound.ready(condition, &self.columns).ok()?;
            bound.conditions.extend(split_conjunction_owned(ready));
        }
        bound.keys = keys::wanted(&bound.conditions, self.columns.inner(), &self.relation.key)?;
        Some(bound)
    }
}

/// A query by key that is about to run.
pub struct Bound<'a> {
    query: &'a ByKey,
    props: ExecutionProps,
    parameters: Vec<ScalarValue>,
    conditions: Vec<Expr>,
    /// The keys that its rows have, one array for each column of the key. There may be no such rows.
    pub keys: Vec<ArrayRef>,
}

impl Bound<'_> {
    /// True if what becomes of the rows is computed by [`Bound::rows`].
    pub fn is_complete(&self) -> bool {
        self.query.steps.is_some()
    }

    /// What the query gives, with the columns of `schema`, where the table has these rows of its keys.
    pub fn rows(&self, found: &[RecordBatch], schema: &SchemaRef) -> Result<RecordBatch> {
        let computed = catch_unwind(AssertUnwindSafe(|| self.compute(found, schema)));
        computed.unwrap_or_else(|_| Err(Error::internal("the query panicked")))
    }

    fn compute(&self, found: &[RecordBatch], schema: &SchemaRef) -> Result<RecordBatch> {
        let columns = self.query.columns.inner();
        let seen: Vec<usize> = (0..columns.fields().len()).collect();
        // A node may keep more columns, behind those that the query sees.
        let found = found.iter().map(|batch| batch.project(&seen)).collect::<Result<Vec<_>, _>>()?;
        let mut rows = match found.first() {
            Some(first) => concat_batches(&first.schema(), &found)?,
            None => RecordBatch::new_empty(columns.clone()),
        };
        for condition in &self.conditions {
            let met = self.evaluate(condition, &self.query.columns, &rows)?;
            rows = filter_record_batch(&rows, cast(&met, &DataType::Boolean)?.as_boolean())?;
        }
        if rows.num_rows() == 0 {
            return Ok(RecordBatch::new_empty(schema.clone()));
        }
        for Step { input, expressions } in self.query.steps.iter().flatten() {
            let computed = |e: &Expr| self.evaluate(&self.ready(e, input)?, input, &rows);
            rows = batch_of(expressions.iter().map(computed).collect::<Result<_>>()?, rows.num_rows())?;
        }
        let typed = rows.columns().iter().zip(schema.fields()).map(|(column, field)| cast(column, field.data_type()));
        let nullable: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
        Ok(RecordBatch::try_new(Arc::new(Schema::new(nullable)), typed.collect::<Result<_, _>>()?)?)
    }

    /// The expression with parameters in it, and simplified.
    fn ready(&self, expression: &Expr, input: &DFSchemaRef) -> Result<Expr> {
        if matches!(expression, Expr::Column(_)) {
            return Ok(expression.clone());
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

    fn evaluate(&self, expression: &Expr, input: &DFSchemaRef, rows: &RecordBatch) -> Result<ArrayRef> {
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

/// The plan taken apart: what is done with the rows of the table that meet conditions.
fn filtered(plan: &LogicalPlan, relation: &Arc<Relation>) -> Option<ByKey> {
    match plan {
        LogicalPlan::Projection(projection) => {
            let mut below = filtered(&projection.input, relation)?;
            if let Some(steps) = &mut below.steps {
                let expressions = projection.expr.iter().map(|e| e.clone().unalias()).collect();
                steps.push(Step { input: projection.input.schema().clone(), expressions });
            }
            Some(below)
        }
        LogicalPlan::Filter(filter) => scans(&filter.input, relation).then(|| ByKey {
            relation: relation.clone(),
            columns: filter.input.schema().clone(),
            conditions: split_conjunction_owned(filter.predicate.clone()),
            steps: Some(vec![]),
        }),
        // Of the rows that are found, some, or in another order.
        LogicalPlan::Sort(_) | LogicalPlan::Limit(_) | LogicalPlan::SubqueryAlias(_) => {
            let below = filtered(plan.inputs().first()?, relation)?;
            Some(ByKey { steps: None, ..below })
        }
        _ => None,
    }
}

/// True for all rows of the table, as they are.
fn scans(plan: &LogicalPlan, relation: &Relation) -> bool {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => scans(&alias.input, relation),
        LogicalPlan::TableScan(scan) => {
            let whole = scan.projection.is_none() && scan.filters.is_empty() && scan.fetch.is_none();
            whole && scanned(plan).is_some_and(|scanned| scanned.id == relation.id)
        }
        _ => false,
    }
}

/// True if the plan reads the table in one place, and nothing that may rest on it.
fn reads_once(plan: &LogicalPlan, relation: &Relation) -> bool {
    let (mut places, mut rests) = (0, false);
    let walked = plan.apply_with_subqueries(|node| {
        if let Some(read) = scanned(node) {
            places += usize::from(read.id == relation.id);
            rests |= read.kind == RelationKind::MaterializedView;
        }
        Ok(TreeNodeRecursion::Continue)
    });
    walked.is_ok() && places == 1 && !rests
}

fn scanned(plan: &LogicalPlan) -> Option<Arc<Relation>> {
    let LogicalPlan::TableScan(scan) = plan else { return None };
    let source = source_as_provider(&scan.source).ok()?;
    source.downcast_ref::<RelationProvider>().map(|provider| provider.relation.clone())
}

/// True for what can be computed from a row, with the same result each time, and soon.
fn is_plain(expression: &Expr) -> bool {
    let mut parts = 0;
    let walked = expression.apply(|e| {
        parts += 1;
        let reads = matches!(
            e,
            Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_) | Expr::OuterReferenceColumn(..)
        );
        Ok(if reads || parts > PARTS_MAX { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    walked.is_ok_and(|walked| walked != TreeNodeRecursion::Stop) && !expression.is_volatile()
}

/// Parts of an expression that is computed at once; a longer one is left to the threads of queries.
const PARTS_MAX: usize = 2 * limits::STATEMENT_KEYS_MAX;
