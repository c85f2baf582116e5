//! Recursive queries that DataFusion cannot run, as nodes of a plan that we run ourselves:
//!
//! - those whose second term reads the rows of the step before in several places. A query may name them once, but what it joins them with by
//!   LATERAL is found for all of their values at once, and so these are read again: as for `LATERAL (.. LIMIT 1)`;
//! - those with UNION.
//!
//! DataFusion (55.2) hands the rows of a step to one reader and takes them from it. With UNION it tells rows apart by their bytes, though some
//! are equal and differ, such as '1 month' and '30 days'; and it drops new rows that follow one whose hash another row of their batch has, as
//! (NULL, NULL, 5) and (NULL, 5, NULL) have the same. [`OwnRun`], an optimizer rule that runs last, makes of such a query a [`Recursion`],
//! which [`Planner`] plans as one of [`super::run`]. Views have no need of it.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchemaRef, Result as DfResult, internal_err};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{
    Expr, Extension, LogicalPlan, RecursiveQuery, TableScan, TableSource, UserDefinedLogicalNode, UserDefinedLogicalNodeCore,
};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};

use super::run::{RecursionExec, Step, StepTable};
use super::scan_of;

/// A recursive query whose second term may read the rows of the step before wherever it likes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Recursion {
    name: String,
    first: LogicalPlan,
    next: LogicalPlan,
    is_distinct: bool,
    schema: DFSchemaRef,
    /// What `next` reads.
    step: Step,
}

impl PartialOrd for Recursion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (&self.name, &self.first, &self.next).partial_cmp(&(&other.name, &other.first, &other.next))
    }
}

impl UserDefinedLogicalNodeCore for Recursion {
    fn name(&self) -> &str {
        "Recursion"
    }
    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.first, &self.next]
    }
    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }
    fn expressions(&self) -> Vec<Expr> {
        vec![]
    }
    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recursion: name={}, is_distinct={}", self.name, self.is_distinct)
    }
    fn with_exprs_and_inputs(&self, _: Vec<Expr>, inputs: Vec<LogicalPlan>) -> DfResult<Self> {
        let Ok([first, next]) = <[LogicalPlan; 2]>::try_from(inputs) else { return internal_err!("a recursive query has two terms") };
        Ok(Recursion { first, next, ..self.clone() })
    }
}

/// The optimizer rule; see the head of this module.
#[derive(Debug)]
pub struct OwnRun;

impl OwnRun {
    /// Its name.
    pub const NAME: &str = "recursive_queries_of_own_run";
}

impl OptimizerRule for OwnRun {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> DfResult<Transformed<LogicalPlan>> {
        match plan {
            LogicalPlan::RecursiveQuery(query) if is_needed(&query) => Ok(Transformed::yes(of_own(query)?)),
            other => Ok(Transformed::no(other)),
        }
    }
}

fn is_needed(query: &RecursiveQuery) -> bool {
    query.is_distinct || reads(&query.recursive_term, &query.name) > 1
}

fn of_own(query: RecursiveQuery) -> DfResult<LogicalPlan> {
    let RecursiveQuery { name, static_term, recursive_term, is_distinct, schema } = query;
    let step = Step::default();
    let next = reading(Arc::unwrap_or_clone(recursive_term), &name, &step)?;
    let first = Arc::unwrap_or_clone(static_term);
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(Recursion { name, first, next, is_distinct, schema, step }) }))
}

/// True for a scan of the rows of a step of the recursive query of this name.
fn is_of_step(scan: &TableScan, name: &str) -> bool {
    source_as_provider(&scan.source).is_ok_and(|provider| provider.downcast_ref::<CteWorkTable>().is_some_and(|rows| rows.name() == name))
}

/// In how many places a plan reads the rows of a step. A recursive query of the same name within means its own.
fn reads(plan: &LogicalPlan, name: &str) -> usize {
    match plan {
        LogicalPlan::TableScan(scan) => usize::from(is_of_step(scan, name)),
        LogicalPlan::RecursiveQuery(inner) if inner.name == name => reads(&inner.static_term, name),
        other => other.inputs().into_iter().map(|input| reads(input, name)).sum(),
    }
}

/// The plan with `step` in all these places.
fn reading(plan: LogicalPlan, name: &str, step: &Step) -> DfResult<LogicalPlan> {
    match plan {
        LogicalPlan::TableScan(scan) if is_of_step(&scan, name) => {
            let rows: Arc<dyn TableSource> = provider_as_source(Arc::new(StepTable::new(scan.source.schema(), step.clone())));
            scan_of(&scan, rows)
        }
        LogicalPlan::RecursiveQuery(inner) if inner.name == name => {
            let static_term = Arc::new(reading(Arc::unwrap_or_clone(inner.static_term), name, step)?);
            Ok(LogicalPlan::RecursiveQuery(RecursiveQuery { static_term, ..inner }))
        }
        other => Ok(other.map_children(|child| reading(child, name, step).map(Transformed::yes))?.data),
    }
}

/// DataFusion's planner, which plans a [`Recursion`] too.
#[derive(Debug)]
pub struct Planner;

#[async_trait]
impl QueryPlanner for Planner {
    async fn create_physical_plan(&self, plan: &LogicalPlan, session: &dyn Session) -> DfResult<Arc<dyn ExecutionPlan>> {
        DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(Recursions)]).create_physical_plan(plan, session).await
    }
}

struct Recursions;

#[async_trait]
impl ExtensionPlanner for Recursions {
    async fn plan_extension(
        &self,
        _: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        _: &dyn Session,
        _: &PhysicalPlanningContext,
    ) -> DfResult<Option<Arc<dyn ExecutionPlan>>> {
        let Some(recursion) = node.as_any().downcast_ref::<Recursion>() else { return Ok(None) };
        let [first, next] = inputs else { return internal_err!("a recursive query has two terms") };
        let Recursion { name, is_distinct, schema, step, .. } = recursion;
        let terms = [Arc::clone(first), Arc::clone(next)];
        Ok(Some(Arc::new(RecursionExec::new(name.clone(), schema.inner().clone(), terms, *is_distinct, step.clone()))))
    }
}
