//! What determines the other columns of a row, where DataFusion is wrong about it.
//!
//! Of the keys of an aggregate, DataFusion takes those that determined something below for what determines the whole row. That is so if all keys
//! did; but of `SELECT c.id, o.day .. FROM (SELECT id .. GROUP BY id) c JOIN o .. GROUP BY c.id, o.day`, an id has several rows. And it hands on
//! below an unnest what the rows that are repeated were determined by. Rules of the optimizer that believe it leave out a key of a GROUP BY or
//! ORDER BY above, a DISTINCT, or a join that repeats rows. [`forgetting`] is put in the place of each: it asks them about plans in
//! which nothing is known to determine anything, where something of it is wrong.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{DFSchemaRef, FunctionalDependencies, Result as DfResult};
use datafusion::logical_expr::{Distinct, LogicalPlan};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// The rules of DataFusion that believe it.
pub const BELIEVING: [&str; 4] = ["replace_distinct_aggregate", "eliminate_join", "optimize_projections", "eliminate_duplicated_expr"];

/// The rewriting of a rule that is not told what is wrong.
pub fn forgetting(theirs: &dyn OptimizerRule, plan: LogicalPlan, config: &dyn OptimizerConfig) -> DfResult<Transformed<LogicalPlan>> {
    // Rules that are asked about one node after the other believe it of these only.
    let believes = theirs.apply_order().is_none() || matches!(plan, LogicalPlan::Sort(_) | LogicalPlan::Distinct(_));
    if believes && is_wrong(&plan)? {
        let plan = plan.transform_up_with_subqueries(|node| forgotten(node).map(Transformed::yes))?.data;
        return theirs.rewrite(plan, config);
    }
    theirs.rewrite(plan, config)
}

/// True if something in the plan says that columns determine a row, and they may not.
fn is_wrong(plan: &LogicalPlan) -> DfResult<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= match node {
            LogicalPlan::Aggregate(aggregate) => {
                let known = aggregate.schema.functional_dependencies();
                known.iter().any(|known| known.source_indices.len() < aggregate.group_expr.len())
            }
            LogicalPlan::Unnest(unnest) => !unnest.schema.functional_dependencies().is_empty(),
            _ => false,
        };
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// The node, knowing nothing of the kind.
fn forgotten(mut node: LogicalPlan) -> DfResult<LogicalPlan> {
    match &mut node {
        LogicalPlan::Projection(node) => forget(&mut node.schema)?,
        LogicalPlan::Aggregate(node) => forget(&mut node.schema)?,
        LogicalPlan::SubqueryAlias(node) => forget(&mut node.schema)?,
        LogicalPlan::Join(node) => forget(&mut node.schema)?,
        LogicalPlan::Window(node) => forget(&mut node.schema)?,
        LogicalPlan::Unnest(node) => forget(&mut node.schema)?,
        LogicalPlan::Distinct(Distinct::On(node)) => forget(&mut node.schema)?,
        _ => {}
    }
    Ok(node)
}

fn forget(schema: &mut DFSchemaRef) -> DfResult<()> {
    if !schema.functional_dependencies().is_empty() {
        let known = schema.as_ref().clone();
        *schema = Arc::new(known.with_functional_dependencies(FunctionalDependencies::empty())?);
    }
    Ok(())
}
