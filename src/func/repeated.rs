//! Rows that an unnest repeats.
//!
//! What was unique in a row is not unique in its repetitions, but DataFusion's unnest says so: it hands on the functional dependencies of
//! its input. Two rules of the optimizer believe that, and would leave out a DISTINCT, or a join that repeats rows. [`doubting`] is
//! put in the place of each: it does without them where there is an unnest.

use datafusion::common::Result as DfResult;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::{Aggregate, Distinct, Expr, LogicalPlan};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// The rules of DataFusion that are doubted.
pub const DOUBTED: [&str; 2] = ["replace_distinct_aggregate", "eliminate_join"];

/// The rewriting of a rule that is not asked about rows that are repeated.
pub fn doubting(theirs: &dyn OptimizerRule, plan: LogicalPlan, config: &dyn OptimizerConfig) -> DfResult<Transformed<LogicalPlan>> {
    if !plan.exists(|node| Ok(matches!(node, LogicalPlan::Unnest(_))))? {
        return theirs.rewrite(plan, config);
    }
    match plan {
        LogicalPlan::Distinct(Distinct::All(input)) if !input.schema().fields().is_empty() => {
            let columns = input.schema().columns().into_iter().map(Expr::Column).collect();
            Ok(Transformed::yes(LogicalPlan::Aggregate(Aggregate::try_new(input, columns, vec![])?)))
        }
        distinct @ LogicalPlan::Distinct(_) => theirs.rewrite(distinct, config),
        other => Ok(Transformed::no(other)),
    }
}
