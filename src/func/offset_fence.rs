//! Keeps `ORDER BY .. OFFSET` together, whatever is asked for above it.
//!
//! DataFusion takes a limit that skips rows for an operator that keeps its input's order. So it pushes an order that somebody above asks
//! for (a window, an ordered aggregate, an outer ORDER BY) to below it, where it changes which rows are skipped; and where a projection
//! between the limit and its order takes the ordered column away, it leaves the order out as unneeded. [`Offsets`] runs before orders are
//! enforced: it moves each such limit below projections, next to its order, and puts a [`Fence`] on it, which passes rows and their order
//! on, and says that it keeps none, which is what push-down looks at.

use std::sync::Arc;

use datafusion::common::Result as DfResult;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::projection::ProjectionExec;

use crate::func::fence::Fence;

/// The rule; see the head of this module.
#[derive(Debug)]
pub struct Offsets;

impl PhysicalOptimizerRule for Offsets {
    fn name(&self) -> &str {
        "offsets"
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> DfResult<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| match node.downcast_ref::<GlobalLimitExec>() {
            Some(limit) if limit.skip() > 0 => Ok(Transformed::yes(fenced(limit)?)),
            _ => Ok(Transformed::no(node)),
        })
        .data()
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn fenced(limit: &GlobalLimitExec) -> DfResult<Arc<dyn ExecutionPlan>> {
    let (mut above, mut input) = (Vec::new(), Arc::clone(limit.input()));
    while let Some(projection) = input.downcast_ref::<ProjectionExec>() {
        let next = Arc::clone(projection.input());
        above.push(std::mem::replace(&mut input, next));
    }
    let limited = Arc::new(GlobalLimitExec::new(input, limit.skip(), limit.fetch()));
    let fence = Fence::holding_order(limited);
    above.into_iter().rev().try_fold(fence, |below, projection| replace_children_if_necessary(projection, vec![below]))
}
