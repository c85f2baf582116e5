//! A logical plan of DataFusion to a dataflow.
//!
//! Each node of the optimized plan becomes one operator, one arm of [`Lowering::node`]. Two facts are carried along statically:
//! whether a node's output is append-only (then operators keep less), and which of its columns identify a row (then the view's
//! output is indexed by them).

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::SortOptions;
use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, NullEquality, ScalarValue};
use datafusion::datasource::source_as_provider;
use datafusion::execution::SessionState;
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Aggregate, Distinct, Expr, Filter, Join, LogicalPlan, Projection, TableScan, Union, Volatility};
use datafusion::optimizer::{Optimizer, OptimizerRule};
use datafusion::physical_expr::aggregate::{AggregateFunctionExpr, LoweredAggregateBuilder};
use datafusion::physical_expr::expressions::{CastExpr, Column, Literal};
use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr};

use super::top_n::row_number_bound;
use crate::catalog::{Relation, RelationKind};
use crate::error::{Error, Result};
use crate::fold::{self, AggregateCall, AggregateKind, Flow, JoinSpec};
use crate::serve::provider::RelationProvider;

/// A view's operators and what they read.
pub struct Dataflow {
    pub flow: Flow,
    /// The inputs, in the order of the flow's sources.
    pub inputs: Vec<DataflowInput>,
    /// Columns of the output that identify a row, if known.
    pub key: Option<Vec<usize>>,
    /// True if rows are only ever added to the output.
    pub append_only: bool,
    /// What the user should know, though it is no error.
    pub notices: Vec<String>,
}

/// A relation that a dataflow reads, and which of its columns.
pub struct DataflowInput {
    pub relation: Arc<Relation>,
    pub columns: Vec<usize>,
    /// The relation's schema, in which `columns` are indices.
    pub schema: SchemaRef,
}

/// Rules of DataFusion's optimizer that are left out: what they make is worse to maintain than what they take.
const LEFT_OUT: [&str; 1] = ["single_distinct_aggregation_to_group_by"];

/// The dataflow of an unoptimized plan, its columns named and typed as `wanted`. Errors: 0A000 with the reason and a hint for what cannot be maintained.
pub fn lower(state: &SessionState, plan: &LogicalPlan, wanted: &[Field]) -> Result<Dataflow> {
    refuse_unstable(plan)?;
    let plan = optimized(state, plan)?;
    let mut lowering = Lowering { state, row_number_bound: None, inputs: Vec::new(), notices: Vec::new() };
    let root = lowering.node(&plan)?;
    let from = root.flow.schema();
    let fields = from
        .fields()
        .iter()
        .zip(wanted)
        .map(|(f, w)| f.as_ref().clone().with_name(w.name()).with_data_type(w.data_type().clone()).with_nullable(true));
    let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    // Several Arrow types carry one SQL type, text for one; who reads the view is told the SQL type's own.
    let typed = |(i, w): (usize, &Field)| -> Arc<dyn PhysicalExpr> {
        let same = from.field(i).data_type() == w.data_type();
        if same { column(&from, i) } else { Arc::new(CastExpr::new(column(&from, i), w.data_type().clone(), None)) }
    };
    let columns = wanted.iter().enumerate().map(typed).collect();
    let flow = Flow::node(Box::new(fold::Project::new(columns, schema)), vec![root.flow]);
    Ok(Dataflow { flow, inputs: lowering.inputs, key: root.key, append_only: root.append_only, notices: lowering.notices })
}

fn optimized(state: &SessionState, plan: &LogicalPlan) -> Result<LogicalPlan> {
    let analyzed = state.analyzer().execute_and_check(plan.clone(), state.config_options(), |_, _| {})?;
    let rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> =
        state.optimizers().iter().filter(|r| !LEFT_OUT.contains(&r.name())).cloned().collect();
    Ok(Optimizer::with_rules(rules).optimize(analyzed, state, |_, _| {})?)
}

pub(super) fn unsupported(what: impl Into<String>, hint: &str) -> Error {
    Error::unsupported(format!("a materialized view cannot have {}", what.into())).hint(hint.to_string())
}

/// A view's rows must depend on the events alone: nothing that changes with the time of day or by chance.
fn refuse_unstable(plan: &LogicalPlan) -> Result<()> {
    let mut found = None;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|e| {
                if let Expr::ScalarFunction(f) = e
                    && f.func.signature().volatility != Volatility::Immutable
                    && !f.func.name().starts_with("to_")
                    && found.is_none()
                {
                    found = Some(f.func.name().to_string());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    match found {
        Some(name) => Err(unsupported(
            format!("{name}(): its value does not come from the events"),
            "Use the column _time for the time of an event; filter by the time of day when reading the view.",
        )),
        None => Ok(()),
    }
}

/// A lowered node.
pub(super) struct Lowered {
    pub flow: Flow,
    pub append_only: bool,
    pub key: Option<Vec<usize>>,
}

pub(super) struct Lowering<'a> {
    state: &'a SessionState,
    /// Set by a filter for the window below it: more rows of a partition than these are not asked for.
    pub row_number_bound: Option<u64>,
    inputs: Vec<DataflowInput>,
    notices: Vec<String>,
}

impl Lowering<'_> {
    pub(super) fn node(&mut self, plan: &LogicalPlan) -> Result<Lowered> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::Projection(projection) => self.projection(projection),
            LogicalPlan::Filter(filter) => self.filter(filter),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Union(union) => self.union(union),
            LogicalPlan::Distinct(Distinct::All(input)) => self.distinct(input),
            LogicalPlan::SubqueryAlias(alias) => self.node(&alias.input),
            LogicalPlan::EmptyRelation(empty) => {
                let rows = if empty.produce_one_row { 1 } else { 0 };
                constant(empty.schema.inner().clone(), vec![], rows)
            }
            LogicalPlan::Values(values) => self.values(values.schema.as_ref(), &values.values),
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => {
                self.notices.push("ORDER BY has no effect in a materialized view; order the rows when reading it".into());
                self.node(&sort.input)
            }
            LogicalPlan::Sort(sort) => self.first_rows(&sort.input, &sort.expr, sort.fetch.map(|n| n as u64), 0),
            LogicalPlan::Limit(limit) => self.limit(limit),
            LogicalPlan::Window(window) => self.window(window),
            LogicalPlan::Distinct(Distinct::On(_)) => Err(unsupported("DISTINCT ON", "Use GROUP BY with min or max.")),
            LogicalPlan::Unnest(_) => Err(unsupported("unnest", "Expand the array when reading the view.")),
            LogicalPlan::RecursiveQuery(_) => Err(unsupported("WITH RECURSIVE", "Run the recursive query when reading.")),
            other => Err(unsupported(format!("this part of a plan: {}", other.display()), "Simplify the query.")),
        }
    }

    // Leaves -------------------------------------------------------------------------------------------------------------------

    fn scan(&mut self, scan: &TableScan) -> Result<Lowered> {
        let provider = source_as_provider(&scan.source)?;
        let Some(provider) = provider.downcast_ref::<RelationProvider>() else {
            return Err(unsupported(format!("\"{}\" as an input", scan.table_name), "Use streams, tables and materialized views."));
        };
        let relation = provider.relation.clone();
        let columns = scan.projection.clone().unwrap_or_else(|| (0..provider.schema.fields().len()).collect());
        let index = self.inputs.len();
        let stream = relation.kind == RelationKind::Stream;
        let schema: SchemaRef = Arc::new(provider.schema.project(&columns)?);
        let position = |k: &usize| columns.iter().position(|c| c == k);
        let key: Option<Vec<usize>> = if relation.key.is_empty() { None } else { relation.key.iter().map(position).collect() };
        let mut lowered = Lowered { flow: Flow::source(index, schema), append_only: stream, key };
        self.inputs.push(DataflowInput { relation, columns, schema: provider.schema.clone() });
        // Only filters that the scan took over for good are missing above it; ours takes none.
        debug_assert!(lowered.flow.schema().fields().len() == scan.projected_schema.fields().len());
        lowered.key = lowered.key.filter(|k| !k.is_empty());
        Ok(lowered)
    }

    fn values(&mut self, schema: &DFSchema, rows: &[Vec<Expr>]) -> Result<Lowered> {
        let empty = DFSchema::empty();
        let one = RecordBatch::try_new_with_options(
            Arc::new(Schema::empty()),
            vec![],
            &arrow::array::RecordBatchOptions::new().with_row_count(Some(1)),
        )?;
        let mut columns: Vec<Vec<ScalarValue>> = vec![Vec::with_capacity(rows.len()); schema.fields().len()];
        for row in rows {
            for (expr, column) in row.iter().zip(&mut columns) {
                let value = self.expr(expr, &empty)?.evaluate(&one)?.into_array(1)?;
                column.push(ScalarValue::try_from_array(&value, 0)?);
            }
        }
        constant(schema.inner().clone(), columns, rows.len())
    }

    // Row by row -----------------------------------------------------------------------------------------------------------------

    fn filter(&mut self, filter: &Filter) -> Result<Lowered> {
        self.row_number_bound = row_number_bound(filter);
        let input = self.node(&filter.input)?;
        self.row_number_bound = None;
        let predicate = self.expr(&filter.predicate, filter.input.schema())?;
        let schema = input.flow.schema();
        Ok(Lowered { flow: Flow::node(Box::new(fold::Filter::new(predicate, schema)), vec![input.flow]), ..input })
    }

    fn projection(&mut self, projection: &Projection) -> Result<Lowered> {
        let input = self.node(&projection.input)?;
        let from = projection.input.schema();
        let exprs = projection.expr.iter().map(|e| self.expr(e, from)).collect::<Result<Vec<_>>>()?;
        let position = |k: &usize| exprs.iter().position(|e| is_column(e, *k));
        let key = input.key.as_ref().and_then(|key| key.iter().map(position).collect());
        let schema = output_schema(&exprs, &projection.schema, &input.flow.schema())?;
        Ok(Lowered { flow: Flow::node(Box::new(fold::Project::new(exprs, schema)), vec![input.flow]), append_only: input.append_only, key })
    }

    fn union(&mut self, union: &Union) -> Result<Lowered> {
        let schema = union.schema.inner().clone();
        let mut flows = Vec::with_capacity(union.inputs.len());
        let mut append_only = true;
        for input in &union.inputs {
            let lowered = self.node(input)?;
            append_only &= lowered.append_only;
            let width = lowered.flow.schema().fields().len();
            let same = (0..width).all(|i| lowered.flow.schema().field(i).data_type() == schema.field(i).data_type());
            if !same {
                return Err(Error::internal("the branches of a union differ in their types"));
            }
            let columns = (0..width).map(|i| column(&lowered.flow.schema(), i)).collect();
            flows.push(Flow::node(Box::new(fold::Project::new(columns, schema.clone())), vec![lowered.flow]));
        }
        Ok(Lowered { flow: Flow::node(Box::new(fold::Union::new(schema)), flows), append_only, key: None })
    }

    fn distinct(&mut self, input: &LogicalPlan) -> Result<Lowered> {
        let input = self.node(input)?;
        let schema = input.flow.schema();
        let key = Some((0..schema.fields().len()).collect());
        Ok(Lowered { flow: Flow::node(Box::new(fold::Distinct::new(schema)?), vec![input.flow]), append_only: input.append_only, key })
    }

    // Aggregates -------------------------------------------------------------------------------------------------------------------

    fn aggregate(&mut self, aggregate: &Aggregate) -> Result<Lowered> {
        let input = self.node(&aggregate.input)?;
        let from = aggregate.input.schema();
        if aggregate.group_expr.iter().any(|e| matches!(e, Expr::GroupingSet(_))) {
            return Err(unsupported("GROUPING SETS, ROLLUP or CUBE", "Write one view for each grouping, or UNION ALL of them."));
        }
        let groups = aggregate.group_expr.iter().map(|e| self.expr(e, from)).collect::<Result<Vec<_>>>()?;
        let schema = aggregate.schema.inner().clone();
        let input_schema = input.flow.schema();
        let mut calls = Vec::with_capacity(aggregate.aggr_expr.len());
        for (i, expr) in aggregate.aggr_expr.iter().enumerate() {
            calls.push(self.call(expr, from, &input_schema, schema.fields()[groups.len() + i].clone())?);
        }
        // GROUP BY without aggregates is DISTINCT; with none of either there is nothing to identify.
        let key = (!groups.is_empty()).then(|| (0..groups.len()).collect());
        let append_only = input.append_only && calls.is_empty() && !groups.is_empty();
        let operator = fold::Aggregate::new(groups, calls, input_schema, schema, input.append_only)?;
        Ok(Lowered { flow: Flow::node(Box::new(operator), vec![input.flow]), append_only, key })
    }

    fn call(&self, expr: &Expr, from: &DFSchema, input: &SchemaRef, field: FieldRef) -> Result<AggregateCall> {
        let Expr::AggregateFunction(AggregateFunction { params, .. }) = bare(expr) else {
            return Err(unsupported(format!("the aggregate {expr}"), "Use an aggregate function."));
        };
        let mut args = params.args.iter().map(|e| self.expr(e, from)).collect::<Result<Vec<_>>>()?;
        let filter = params.filter.as_ref().map(|e| self.expr(e, from)).transpose()?;
        let function = self.function(expr, from, input)?;
        let types = args.iter().map(|a| Ok(a.data_type(input)?)).collect::<Result<Vec<_>>>()?;
        let kind = AggregateKind::of(&function, &types);
        // count(*) reaches us as the count of a literal.
        let literal = |a: &Arc<dyn PhysicalExpr>| a.downcast_ref::<Literal>().is_some_and(|l| !l.value().is_null());
        if matches!(kind, AggregateKind::Count) && !params.distinct && args.iter().all(literal) {
            args.clear();
        }
        let order_by = params.order_by.iter().map(|s| {
            let options = SortOptions { descending: !s.asc, nulls_first: s.nulls_first };
            Ok(PhysicalSortExpr::new(self.expr(&s.expr, from)?, options))
        });
        let order_by = order_by.collect::<Result<Vec<_>>>()?;
        Ok(AggregateCall { kind, args, filter, distinct: params.distinct, order_by, field })
    }

    /// An aggregate function as DataFusion runs it.
    fn function(&self, expr: &Expr, from: &DFSchema, input: &SchemaRef) -> Result<Arc<AggregateFunctionExpr>> {
        let context = PhysicalPlanningContext::default();
        let props = ExecutionProps::new();
        Ok(LoweredAggregateBuilder::new(expr, from, input, &props, &context).build()?.aggregate)
    }

    // Joins --------------------------------------------------------------------------------------------------------------------------

    fn join(&mut self, join: &Join) -> Result<Lowered> {
        let left = self.node(&join.left)?;
        let right = self.node(&join.right)?;
        let mut on = Vec::with_capacity(join.on.len());
        for (l, r) in &join.on {
            on.push((self.expr(l, join.left.schema())?, self.expr(r, join.right.schema())?));
        }
        let both = join.left.schema().join(join.right.schema())?;
        let residual = join.filter.as_ref().map(|e| self.expr(e, &both)).transpose()?;
        let inner = join.join_type == datafusion::common::JoinType::Inner;
        let spec = JoinSpec {
            kind: join.join_type,
            on,
            residual,
            null_equals_null: join.null_equality == NullEquality::NullEqualsNull,
            null_aware: join.null_aware,
            left: left.flow.schema(),
            right: right.flow.schema(),
            schema: join.schema.inner().clone(),
            left_append_only: left.append_only,
            right_append_only: right.append_only,
        };
        let append_only = inner && left.append_only && right.append_only;
        Ok(Lowered { flow: Flow::node(Box::new(fold::Join::new(spec)?), vec![left.flow, right.flow]), append_only, key: None })
    }

    // Expressions ----------------------------------------------------------------------------------------------------------------------

    pub(super) fn expr(&self, expr: &Expr, schema: &DFSchema) -> Result<Arc<dyn PhysicalExpr>> {
        let mut subquery = false;
        expr.apply(|e| {
            subquery |= matches!(e, Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_));
            Ok(TreeNodeRecursion::Continue)
        })?;
        if subquery {
            return Err(unsupported("this subquery", "Write it as a join, or make it a view of its own and join that."));
        }
        Ok(self.state.create_physical_expr(expr.clone(), schema)?)
    }
}

fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => bare(&alias.expr),
        other => other,
    }
}

fn column(schema: &SchemaRef, index: usize) -> Arc<dyn PhysicalExpr> {
    Arc::new(Column::new(schema.field(index).name(), index))
}

fn is_column(expr: &Arc<dyn PhysicalExpr>, index: usize) -> bool {
    expr.downcast_ref::<Column>().is_some_and(|c| c.index() == index)
}

/// The schema of a projection: names and metadata of the plan, types of the expressions.
fn output_schema(exprs: &[Arc<dyn PhysicalExpr>], planned: &DFSchema, input: &SchemaRef) -> Result<SchemaRef> {
    let mut fields: Vec<Field> = Vec::with_capacity(exprs.len());
    for (expr, field) in exprs.iter().zip(planned.fields()) {
        fields.push(field.as_ref().clone().with_data_type(expr.data_type(input)?));
    }
    Ok(Arc::new(Schema::new(fields)))
}

fn constant(schema: SchemaRef, columns: Vec<Vec<ScalarValue>>, rows: usize) -> Result<Lowered> {
    // The optimizer puts an empty relation of many columns where it finds that a filter lets nothing through.
    if rows == 0 {
        return Ok(Lowered { flow: Flow::constant(RecordBatch::new_empty(schema)), append_only: true, key: None });
    }
    let mut arrays = Vec::with_capacity(columns.len());
    for (values, field) in columns.into_iter().zip(schema.fields()) {
        let array = ScalarValue::iter_to_array(values)?;
        arrays.push(if array.data_type() == field.data_type() { array } else { arrow::compute::cast(&array, field.data_type())? });
    }
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(schema, arrays, &options)?;
    Ok(Lowered { flow: Flow::constant(batch), append_only: true, key: None })
}
