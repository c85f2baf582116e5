//! A logical plan of DataFusion to a dataflow.
//!
//! Each node of the optimized plan becomes one operator, one arm of [`Lowering::node`]; each kind of node has a file here. Two
//! facts are carried along statically: whether a node's output is append-only (then operators keep less), and which of its
//! columns identify a row (then the view's output is indexed by them). A node that stands in the plan several times, as a WITH
//! query that is read twice, is lowered once ([`shared`]).

mod aggregate;
mod distinct_on;
mod iterations;
mod join;
mod leave_out;
mod leaves;
mod now;
mod panes;
mod recursion;
mod rows;
mod set_operation;
mod shared;
mod time;
mod top_n;
mod unnest;
mod window;

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan, ScalarUDF, Volatility};
use datafusion::optimizer::{Optimizer, OptimizerRule};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column};

use crate::catalog::Relation;
use crate::data::types::check_dimensions;
use crate::error::{Error, Result};
use crate::fold::{self, Flow};
use crate::func::recursive::node::OwnRun;
use crate::func::{PARTITION_OID, STABLE};

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

/// Rules of the optimizer that are left out: what they make is worse to maintain than what they take.
const LEFT_OUT: [&str; 3] = ["single_distinct_aggregation_to_group_by", "counted_multisets", OwnRun::NAME];
/// Left out too where a view filters by the time: the bounds of two filters are not to be computed as a column of the rows.
const LEFT_OUT_CLOCKED: &str = "common_sub_expression_eliminate";

/// How a view is to be folded.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Rows for which an expression errs are left out, rather than failing the view.
    pub leaves_out: bool,
    /// Most bytes that a join may give in one step.
    pub step_bytes_max: usize,
}

/// The dataflow of an unoptimized plan, its columns named and typed as `wanted`. Errors: 0A000 with the reason and a hint for what
/// cannot be maintained or kept; that of a part that errs for every row.
pub fn lower(state: &SessionState, plan: &LogicalPlan, wanted: &[Field], options: Options) -> Result<Dataflow> {
    let (plan, clocked) = now::clocked(plan)?;
    refuse_unstable(&plan)?;
    if unstable(&plan, |name| STABLE.contains(&name))?.is_some() {
        return Err(now::refused());
    }
    let plan = optimized(state, &plan, clocked)?;
    let mut lowering = Lowering {
        state,
        options,
        row_number_bound: None,
        for_outer_rows: false,
        counts_rows: false,
        working_table_grows: None,
        repeated: shared::repeated(&plan),
        parts: Vec::new(),
        inputs: Vec::new(),
        notices: Vec::new(),
    };
    let root = lowering.node(&plan)?;
    let from = root.flow.schema();
    from.fields().iter().zip(wanted).try_for_each(|(f, w)| check_dimensions(f.data_type(), w.data_type()))?;
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
    let columns: Vec<_> = wanted.iter().enumerate().map(typed).collect();
    let root = lowering.guarded(root, vec![leave_out::always(&columns)])?;
    let flow = Flow::node(Box::new(fold::Project::new(columns, schema)), vec![root.flow]);
    let flow = flow.with_parts(lowering.parts.into_iter().map(|part| part.flow).collect());
    Ok(Dataflow { flow, inputs: lowering.inputs, key: root.key, append_only: root.append_only, notices: lowering.notices })
}

fn optimized(state: &SessionState, plan: &LogicalPlan, clocked: bool) -> Result<LogicalPlan> {
    let analyzed = state.analyzer().execute_and_check(plan.clone(), state.config_options(), |_, _| {})?;
    let left_out = |name| LEFT_OUT.contains(&name) || clocked && name == LEFT_OUT_CLOCKED;
    let rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> = state.optimizers().iter().filter(|r| !left_out(r.name())).cloned().collect();
    // Subqueries become joins, all of them: a dataflow has no other way to follow their changes.
    let mut state = state.clone();
    state.config_mut().options_mut().optimizer.enable_physical_uncorrelated_scalar_subquery = false;
    Ok(Optimizer::with_rules(rules).optimize(distinct_on::rewrite(analyzed)?, &state, |_, _| {})?)
}

fn unsupported(what: impl Into<String>, hint: &str) -> Error {
    Error::unsupported(format!("a materialized view cannot have {}", what.into())).hint(hint.to_string())
}

/// Refuses functions of the session that asks, and such as give another value each time: a view's rows must depend on the events alone.
/// What tells the time is left to [`lower`], which takes it in filters. Errors: 0A000.
pub fn refuse_unstable(plan: &LogicalPlan) -> Result<()> {
    let Some(function) = unstable(plan, |name| !STABLE.contains(&name))? else { return Ok(()) };
    if function.name() == PARTITION_OID {
        let what = "tableoid of a partitioned table: its value does not come from the events";
        return Err(unsupported(what, "Name the columns of the partition key instead, or ask for tableoid when reading the table."));
    }
    let hint = match function.signature().volatility {
        Volatility::Stable => "Call it in the query that reads the view.",
        _ => "Use the column _time for the time of an event; filter by the time of day when reading the view.",
    };
    // What a cast to regclass and its kin becomes is no function of a user's.
    let what = match function.name() {
        name if name.starts_with("reg_") => "a name that stands for an object of the catalog, as of type regclass".to_string(),
        name => format!("{name}()"),
    };
    Err(unsupported(format!("{what}: its value does not come from the events"), hint))
}

/// True if a plan tells which of the partitions of a table rows are of, of those that there were when it was made. Cost O(plan).
pub fn tells_partition(plan: &LogicalPlan) -> bool {
    unstable(plan, |name| name == PARTITION_OID).is_ok_and(|found| found.is_some())
}

/// The first function of a plan whose value does not come from its arguments alone, among those of the names that are sought.
fn unstable(plan: &LogicalPlan, is_sought: impl Fn(&str) -> bool) -> Result<Option<Arc<ScalarUDF>>> {
    let mut found = None;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|e| {
                if let Expr::ScalarFunction(f) = e
                    && found.is_none()
                    && f.func.signature().volatility != Volatility::Immutable
                    && (!f.func.name().starts_with("to_") || f.func.name().starts_with("to_reg"))
                    && is_sought(f.func.name())
                {
                    found = Some(Arc::clone(&f.func));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}

/// A lowered node.
struct Lowered {
    flow: Flow,
    append_only: bool,
    key: Option<Vec<usize>>,
}

struct Lowering<'a> {
    state: &'a SessionState,
    options: Options,
    /// Set by a filter for the window below it: more rows of a partition than these are not asked for.
    row_number_bound: Option<u64>,
    /// Set by an outer join for a subquery's rows for each of its left side: a row that is left out of them would not take the left
    /// side's with it, but change what that is joined with.
    for_outer_rows: bool,
    /// Set by an aggregate that only counts, for the HOP below it.
    counts_rows: bool,
    /// Within the recursive term of a recursive query: true if rows are only ever added to its working table.
    working_table_grows: Option<bool>,
    /// Nodes that stand in the plan several times, and those of them that are lowered.
    repeated: HashSet<LogicalPlan>,
    parts: Vec<shared::Part>,
    inputs: Vec<DataflowInput>,
    notices: Vec<String>,
}

impl Lowering<'_> {
    fn node(&mut self, plan: &LogicalPlan) -> Result<Lowered> {
        // A bound from above would hold for one of its places only.
        if self.row_number_bound.is_none() && self.repeated.contains(plan) { self.part(plan) } else { self.node_itself(plan) }
    }

    fn node_itself(&mut self, plan: &LogicalPlan) -> Result<Lowered> {
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
                leaves::constant(empty.schema.inner().clone(), vec![], rows)
            }
            LogicalPlan::Values(values) => self.values(values.schema.as_ref(), &values.values),
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => {
                self.notices.push("ORDER BY has no effect in a materialized view; order the rows when reading it".into());
                self.node(&sort.input)
            }
            LogicalPlan::Sort(sort) => self.first_rows(&sort.input, &sort.expr, sort.fetch.map(|n| n as u64), 0),
            LogicalPlan::Limit(limit) => self.limit(limit),
            LogicalPlan::Window(window) => match time::session_calls(window) {
                Some(calls) => self.session(window, &calls),
                None => self.window(window),
            },
            LogicalPlan::Unnest(unnest) => self.unnest(unnest),
            LogicalPlan::Extension(extension) => self.extension(extension),
            LogicalPlan::RecursiveQuery(query) => self.recursion(query),
            LogicalPlan::Subquery(_) => Err(unsupported("this form of a subquery that depends on the row", "Write it as a join.")),
            other => Err(unsupported(format!("this part of a plan: {}", other.display()), "Simplify the query.")),
        }
    }

    fn expr(&self, expr: &Expr, schema: &DFSchema) -> Result<Arc<dyn PhysicalExpr>> {
        if now::tells_time(expr) {
            return Err(now::refused());
        }
        let mut subquery = false;
        expr.apply(|e| {
            subquery |= matches!(e, Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_));
            Ok(TreeNodeRecursion::Continue)
        })?;
        if subquery {
            return Err(unsupported("this subquery", "Write it as a join, or make it a view of its own and join that."));
        }
        let expr = self.state.create_physical_expr(expr.clone(), schema)?;
        leave_out::refuse_always_erring(&expr)?;
        Ok(expr)
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
