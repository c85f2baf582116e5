//! Columns that are constant below an outer join or below grouping sets, and not above.
//!
//! An outer join puts NULL where a row has no partner, and grouping sets put NULL where a set leaves a column out. DataFusion takes over
//! what it knows of the rows below as if that did not happen: in `t LEFT JOIN (SELECT k, 7 AS c FROM u) AS u ON .. ORDER BY c, t.k` it
//! takes `c` for a constant and sorts by `t.k` alone; it takes two columns that a filter below made equal for equal, and the rows of
//! grouping sets for sorted as those below were. A window, an ordered aggregate and an ORDER BY then come out wrong, and an aggregate
//! above gives a group out before it has seen all of it. [`Nulls`] runs before orders are enforced and puts a [`Fence`] on each such
//! input of a join and on each aggregate with grouping sets.
//!
//! And on what says that a column equals what is computed of it, as `WHERE lower(s) = s` does: of rows that are sorted by `s`, DataFusion says
//! then that they are by `lower(s)`, and that a window by `s` has not got them sorted.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{JoinType, Result as DfResult};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

use crate::func::fence::Fence;

/// The rule; see the head of this module.
#[derive(Debug)]
pub struct Nulls;

impl PhysicalOptimizerRule for Nulls {
    fn name(&self) -> &str {
        "nulls_of_outer_joins"
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> DfResult<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let has_sets = node.downcast_ref::<AggregateExec>().is_some_and(|aggregate| aggregate.group_expr().has_grouping_set());
            if has_sets || is_circular(node.as_ref()) {
                return Ok(Transformed::yes(Fence::hiding_values(node)));
            }
            let Some((left, right)) = padded(&node) else { return Ok(Transformed::no(node)) };
            let fenced = |(input, is_padded): (&Arc<dyn ExecutionPlan>, bool)| match is_padded {
                true => Fence::hiding_values(Arc::clone(input)),
                false => Arc::clone(input),
            };
            let inputs = node.children().into_iter().zip([left, right]).map(fenced).collect();
            replace_children_if_necessary(node, inputs).map(Transformed::yes)
        })
        .data()
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// True if a column of the node's rows is known to equal what is computed of such a column.
fn is_circular(node: &dyn ExecutionPlan) -> bool {
    let known = node.equivalence_properties().eq_group();
    let is_known = |column: &Column| {
        let column: Arc<dyn PhysicalExpr> = Arc::new(column.clone());
        known.iter().any(|class| class.contains(&column))
    };
    let is_column = |expr: &Arc<dyn PhysicalExpr>| expr.downcast_ref::<Column>().is_some();
    known.iter().flat_map(|class| class.iter()).any(|expr| !is_column(expr) && collect_columns(expr).iter().any(is_known))
}

/// For an outer join: whether rows of its left and of its right input are padded with NULL.
fn padded(node: &Arc<dyn ExecutionPlan>) -> Option<(bool, bool)> {
    let hash = node.downcast_ref::<HashJoinExec>().map(|join| join.join_type());
    let nested = || node.downcast_ref::<NestedLoopJoinExec>().map(|join| join.join_type());
    match hash.or_else(nested)? {
        JoinType::Left => Some((false, true)),
        JoinType::Right => Some((true, false)),
        JoinType::Full => Some((true, true)),
        _ => None,
    }
}
