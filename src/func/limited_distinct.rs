//! `SELECT DISTINCT .. LIMIT n` over ordered rows.
//!
//! DataFusion lets the aggregate of such a statement stop after n groups if its input has no order, and decides so before it is known
//! whether the input has one. Where a window below brings an order in, the aggregate takes the limit for that of a top-n, and ends in an
//! internal error. [`Limits`] runs last, and takes the limit away again where it cannot be kept.

use std::sync::Arc;

use datafusion::common::Result as DfResult;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;

/// The rule; see the head of this module.
#[derive(Debug)]
pub struct Limits;

impl PhysicalOptimizerRule for Limits {
    fn name(&self) -> &str {
        "limits_of_distinct"
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> DfResult<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| match node.downcast_ref::<AggregateExec>() {
            Some(aggregate) if is_lost(aggregate) => Ok(Transformed::yes(Arc::new(aggregate.with_new_limit_options(None)) as _)),
            _ => Ok(Transformed::no(node)),
        })
        .data()
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Whether an aggregate has a limit that is neither that of a top-n nor one after which it may stop.
fn is_lost(aggregate: &AggregateExec) -> bool {
    let undirected = aggregate.limit_options().is_some_and(|limit| limit.descending().is_none());
    undirected && !aggregate.is_unordered_unfiltered_group_by_distinct()
}
