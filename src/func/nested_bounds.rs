//! Filters that DataFusion makes while a plan runs, not of arrays nor of floats.
//!
//! The build side of a hash join tells the probe side the least and the greatest key, min() and max() the best value so far, and rows beyond
//! them are not read. For arrays it finds these bounds with a NULL element as the largest, and then compares rows with them with one as the
//! least: `{1,NULL}` lies outside of `{1,2}` to `{1,NULL}`, and its row is lost. The key -0 equals the key 0, and lies outside of 0 to 1.
//! [`Bounded`] has plans with bounds of these kinds go without.

use std::sync::Arc;

use datafusion::common::Result as DfResult;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::joins::HashJoinExec;

/// A rule that pushes filters down, for plans whose bounds can be compared with.
#[derive(Debug)]
pub struct Bounded(pub Arc<dyn PhysicalOptimizerRule + Send + Sync>);

impl PhysicalOptimizerRule for Bounded {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> DfResult<Arc<dyn ExecutionPlan>> {
        if !has_doubtful_bounds(&plan)? {
            return self.0.optimize(plan, config);
        }
        let mut config = config.clone();
        config.optimizer.enable_join_dynamic_filter_pushdown = false;
        config.optimizer.enable_aggregate_dynamic_filter_pushdown = false;
        self.0.optimize(plan, &config)
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}

/// True if a join is by arrays or floats, or the least or the greatest array is looked for.
fn has_doubtful_bounds(plan: &Arc<dyn ExecutionPlan>) -> DfResult<bool> {
    let mut found = false;
    plan.apply(|node| {
        if let Some(join) = node.downcast_ref::<HashJoinExec>() {
            let schema = join.left().schema();
            found = join.on().iter().any(|(key, _)| key.data_type(&schema).is_ok_and(|ty| ty.is_nested() || ty.is_floating()));
        } else if let Some(aggregate) = node.downcast_ref::<AggregateExec>() {
            let schema = aggregate.input_schema();
            let bounds = aggregate.aggr_expr().iter().filter(|call| matches!(call.fun().name(), "min" | "max"));
            found = bounds.flat_map(|call| call.expressions()).any(|value| value.data_type(&schema).is_ok_and(|ty| ty.is_nested()));
        }
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}
