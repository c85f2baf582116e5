//! Rows that an unnest repeats.
//!
//! What was unique in a row is not unique in its repetitions, but DataFusion's unnest says so: it hands on the functional dependencies of
//! its input. Two rules of the optimizer believe that, and would leave out a DISTINCT, or a join that repeats rows. [`Doubting`] stands
//! in the place of each: it does without them where there is an unnest.

use std::fmt;
use std::sync::Arc;

use datafusion::common::Result as DfResult;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::{Aggregate, Distinct, Expr, LogicalPlan};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

/// The rules of DataFusion that are doubted.
pub const DOUBTED: [&str; 2] = ["replace_distinct_aggregate", "eliminate_join"];

/// A rule that is not asked about rows that are repeated.
pub struct Doubting(pub Arc<dyn OptimizerRule + Send + Sync>);

impl fmt::Debug for Doubting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl OptimizerRule for Doubting {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> DfResult<Transformed<LogicalPlan>> {
        if !plan.exists(|node| Ok(matches!(node, LogicalPlan::Unnest(_))))? {
            return self.0.rewrite(plan, config);
        }
        match plan {
            LogicalPlan::Distinct(Distinct::All(input)) if !input.schema().fields().is_empty() => {
                let columns = input.schema().columns().into_iter().map(Expr::Column).collect();
                Ok(Transformed::yes(LogicalPlan::Aggregate(Aggregate::try_new(input, columns, vec![])?)))
            }
            distinct @ LogicalPlan::Distinct(_) => self.0.rewrite(distinct, config),
            other => Ok(Transformed::no(other)),
        }
    }
}
