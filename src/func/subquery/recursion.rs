//! WITH RECURSIVE in a subquery that depends on the row around: its rows are found for all rows of the domain at once. They carry the domain's columns,
//! which the rows of a step hand on to those that are found from them.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{Result as DfResult, TableReference};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, RecursiveQuery, TableSource};

use super::dependent::{Dependent, Domain, Pushed};

/// The rows of the last step of a recursive query that is carried through.
#[derive(Clone)]
pub(super) struct Step {
    /// What reads them is called as the query is.
    name: TableReference,
    /// Them, with the domain's columns at their end.
    rows: Arc<dyn TableSource>,
}

impl Step {
    /// True if a plan reads the rows.
    pub fn is_read(&self, plan: &LogicalPlan) -> DfResult<bool> {
        plan.exists(|node| Ok(self.is_scan(node)))
    }

    /// True for what reads the rows.
    pub fn is_scan(&self, plan: &LogicalPlan) -> bool {
        let LogicalPlan::TableScan(scan) = plan else { return false };
        let is_step = || source_as_provider(&scan.source).is_ok_and(|provider| provider.downcast_ref::<CteWorkTable>().is_some());
        scan.table_name == self.name && is_step()
    }
}

impl Domain<'_> {
    /// The query with the domain's columns in its terms.
    pub(super) fn recursive(&self, query: &RecursiveQuery, as_of: &LogicalPlan) -> Pushed {
        let Some(first) = self.part(&query.static_term)? else { return Ok(None) };
        let nullable = |field: &Arc<Field>| field.as_ref().clone().with_nullable(true);
        let schema = Schema::new(first.schema().fields().iter().map(nullable).collect::<Vec<_>>());
        let rows = provider_as_source(Arc::new(CteWorkTable::new(&query.name, Arc::new(schema))));
        let within = self.in_step(Step { name: TableReference::from(query.name.clone()), rows });
        let Some(next) = within.part(&query.recursive_term)? else { return Ok(None) };
        let whole = RecursiveQuery::try_new(query.name.clone(), Arc::new(first), Arc::new(next), query.is_distinct)?;
        self.of_parts(LogicalPlan::RecursiveQuery(whole), as_of)
    }

    /// The rows of the last step, under the names that the scan `as_of` has for their columns.
    pub(super) fn step(&self, step: &Step, as_of: &LogicalPlan) -> Pushed {
        let scan = LogicalPlanBuilder::scan(step.name.clone(), Arc::clone(&step.rows), None)?.build()?;
        let LogicalPlan::TableScan(read) = as_of else { return Ok(None) };
        let width = read.source.schema().fields().len();
        let rows = LogicalPlanBuilder::from(scan).alias(self.next_name())?.build()?;
        let mut columns = rows.schema().columns();
        let keys = columns.split_off(width);
        let read: Vec<usize> = read.projection.clone().unwrap_or_else(|| (0..width).collect());
        let values: Vec<Expr> = read.into_iter().map(|i| Expr::Column(columns[i].clone())).collect();
        self.project(Dependent { plan: rows, keys }, &values, as_of)
    }
}
