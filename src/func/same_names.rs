//! Filters that DataFusion pushes down through a physical plan, past columns of one name.
//!
//! On its way down a filter finds its columns again by their names, in nodes whose rows may have two of one name, as those of joins have: it
//! then takes the first, and rows are compared with another table's column (`WHERE upper(right.name) > 'A'` above a join whose sides were
//! swapped). [`Apart`] has the rule leave such plans as they are.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::Result as DfResult;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;

/// The rules that do so, by DataFusion's names.
pub const PUSHING: [&str; 2] = ["FilterPushdown", "FilterPushdown(Post)"];

/// A rule that pushes filters down, for plans in which it finds their columns.
#[derive(Debug)]
pub struct Apart(pub Arc<dyn PhysicalOptimizerRule + Send + Sync>);

impl PhysicalOptimizerRule for Apart {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> DfResult<Arc<dyn ExecutionPlan>> {
        if is_ambiguous(&plan)? { Ok(plan) } else { self.0.optimize(plan, config) }
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}

/// True if a filter may meet two columns of one name: in what a projection gives, in what any other node reads.
fn is_ambiguous(plan: &Arc<dyn ExecutionPlan>) -> DfResult<bool> {
    let mut found = false;
    plan.apply(|node| {
        found = match node.downcast_ref::<ProjectionExec>() {
            Some(projection) => has_twins(projection),
            None => node.children().into_iter().any(|child| has_twins(child.as_ref())),
        };
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

fn has_twins(plan: &dyn ExecutionPlan) -> bool {
    let schema = plan.schema();
    let mut names = HashSet::with_capacity(schema.fields().len());
    !schema.fields().iter().all(|field| names.insert(field.name()))
}
