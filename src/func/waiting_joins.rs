//! Hash joins whose parts would wait for each other for ever.
//!
//! A hash join tells its probe side which keys it looks for, once all parts of its build side have been read: each part waits for that. A
//! part of a partitioned join whose build side has no rows never asks its probe side for any, and a join down there is not run for that part.
//! DataFusion counts such a part out if the lower join is partitioned as well, but not if all parts of it share one build side: its other
//! parts wait, and the statement never ends. [`Waits`] runs when all filters have found their places, and has such a join tell nobody
//! its keys.

use std::sync::Arc;

use datafusion::common::Result as DfResult;
use datafusion::common::config::ConfigOptions;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

/// The rule; see the head of this module.
#[derive(Debug)]
pub struct Waits;

impl PhysicalOptimizerRule for Waits {
    fn name(&self) -> &str {
        "waiting_joins"
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> DfResult<Arc<dyn ExecutionPlan>> {
        mended(plan, false)
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The plan without the joins that would wait. `is_partial`: whether some of its parts may be run and others not.
fn mended(plan: Arc<dyn ExecutionPlan>, is_partial: bool) -> DfResult<Arc<dyn ExecutionPlan>> {
    let parts = parts_run(&plan, is_partial);
    let children = plan.children().into_iter().zip(parts).map(|(child, is_partial)| mended(Arc::clone(child), is_partial));
    let children = children.collect::<DfResult<Vec<_>>>()?;
    let plan = replace_children_if_necessary(plan, children)?;
    if is_partial && would_wait(&plan) { plan.reset_state() } else { Ok(plan) }
}

/// For each input of a node, whether some of its parts may be run and others not.
fn parts_run(plan: &Arc<dyn ExecutionPlan>, is_partial: bool) -> Vec<bool> {
    match plan.downcast_ref::<HashJoinExec>().map(HashJoinExec::partition_mode) {
        Some(PartitionMode::Partitioned) => vec![is_partial, true],
        Some(_) => vec![false, is_partial],
        // These run all parts of their input as soon as they are asked for a row.
        None if plan.is::<RepartitionExec>() || plan.is::<CoalescePartitionsExec>() || plan.is::<SortPreservingMergeExec>() => vec![false],
        None => vec![is_partial; plan.children().len()],
    }
}

/// Whether a join's parts share one build side, and wait until all have read it.
fn would_wait(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let join = plan.downcast_ref::<HashJoinExec>();
    join.is_some_and(|join| {
        let is_shared = *join.partition_mode() == PartitionMode::CollectLeft && join.right().output_partitioning().partition_count() > 1;
        is_shared && !join.dynamic_expressions_produced().is_empty()
    })
}
