//! Orders that DataFusion asks for and then loses.
//!
//! An order by a column that is constant asks for nothing, where that is known. A hash join forgets what is constant on its right side, so
//! the order is asked for above the join; pushed down to that side, it is found to hold there and is dropped, and the plan is refused,
//! since above the join nobody knows. [`Restored`] runs right before plans are checked, and sorts each input that lacks an order its node asks for.

use std::sync::Arc;

use datafusion::common::Result as DfResult;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_expr::LexOrdering;
use datafusion::physical_expr_common::sort_expr::OrderingRequirements;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

/// The rule; see the head of this module.
#[derive(Debug)]
pub struct Restored;

impl PhysicalOptimizerRule for Restored {
    fn name(&self) -> &str {
        "lost_orders"
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> DfResult<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let required = node.required_input_ordering();
            if required.iter().all(Option::is_none) {
                return Ok(Transformed::no(node));
            }
            let mut restored = false;
            let mut inputs = Vec::with_capacity(required.len());
            for (input, required) in node.children().into_iter().zip(required) {
                let lost = match required {
                    Some(required) => lost_order(input, required)?,
                    None => None,
                };
                restored |= lost.is_some();
                inputs.push(match lost {
                    Some(order) => sorted(input, order),
                    None => Arc::clone(input),
                });
            }
            if restored { replace_children_if_necessary(node, inputs).map(Transformed::yes) } else { Ok(Transformed::no(node)) }
        })
        .data()
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The order that is required of an input, unless it is known to have it.
fn lost_order(input: &Arc<dyn ExecutionPlan>, required: OrderingRequirements) -> DfResult<Option<LexOrdering>> {
    let required = required.into_single();
    let has_it = input.equivalence_properties().ordering_satisfy_requirement(required.clone())?;
    Ok((!has_it).then(|| required.into()))
}

/// The rows of each partition of the input in that order.
fn sorted(input: &Arc<dyn ExecutionPlan>, order: LexOrdering) -> Arc<dyn ExecutionPlan> {
    Arc::new(SortExec::new(order, Arc::clone(input)).with_preserve_partitioning(true))
}
