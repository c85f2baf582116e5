//! Mark joins whose subquery has no columns left.
//!
//! A mark is named after the first column of the subquery that it tests (`alias.mark`), so DataFusion keeps one. Where it then puts the
//! preserved side of an outer join that finds nothing in the place of that join, that column is gone with the other side, and the
//! next look at the plan ends in a panic. [`Columnless`] gives such a subquery a column again.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Result as DfResult, TableReference};
use datafusion::logical_expr::{Expr, Join, JoinType, LogicalPlan, Projection, SubqueryAlias, lit};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

/// The rule; see the head of this module.
#[derive(Debug, Default)]
pub struct Columnless;

impl OptimizerRule for Columnless {
    fn name(&self) -> &str {
        "columnless_mark_joins"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> DfResult<Transformed<LogicalPlan>> {
        let LogicalPlan::Join(mut join) = plan else { return Ok(Transformed::no(plan)) };
        if join.join_type != JoinType::LeftMark || !join.right.schema().fields().is_empty() {
            return Ok(Transformed::no(LogicalPlan::Join(join)));
        }
        join.right = with_a_column(&join)?;
        Ok(Transformed::yes(LogicalPlan::Join(join)))
    }
}

/// The subquery of a mark join, with a constant column by the name that its mark has.
fn with_a_column(join: &Join) -> DfResult<Arc<LogicalPlan>> {
    let one = |name: Option<TableReference>, input: &Arc<LogicalPlan>| -> DfResult<Arc<LogicalPlan>> {
        let column: Expr = lit(1).alias_qualified(name, "one");
        Ok(Arc::new(LogicalPlan::Projection(Projection::try_new(vec![column], Arc::clone(input))?)))
    };
    if let LogicalPlan::SubqueryAlias(named) = join.right.as_ref() {
        let input = one(None, &named.input)?;
        return Ok(Arc::new(LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(input, named.alias.clone())?)));
    }
    one(join.schema.iter().last().and_then(|(qualifier, _)| qualifier.cloned()), &join.right)
}
