//! EXCEPT ALL and INTERSECT ALL as operations on multisets (manual, chapter 7.4).
//!
//! DataFusion plans them as an anti or a semi join on all columns, which loses the counts. [`Multisets`] finds these joins and
//! numbers the equal rows of either side, `row_number() over (partition by all columns)`, as one more column to be equal in.
//! Then the k-th copy of a row meets the k-th copy of the other side: EXCEPT ALL keeps the copies without a partner,
//! INTERSECT ALL those with one. A projection drops the number again. The joins treat NULLs as equal, as before.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, JoinType, NullEquality, Result as DfResult};
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{Distinct, Expr, ExprFunctionExt, Join, LogicalPlan, LogicalPlanBuilder, WindowFunctionDefinition};
use datafusion::optimizer::AnalyzerRule;

/// Name of the hidden column that numbers equal rows.
const COPY: &str = "__copy";

/// The rule; see the head of this module.
#[derive(Debug)]
pub struct Multisets;

impl AnalyzerRule for Multisets {
    fn name(&self) -> &str {
        "multiset_operations"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> DfResult<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(mend)?.data)
    }
}

/// True for the join that the SQL planner makes of EXCEPT or INTERSECT: all columns of both sides, NULLs equal, no filter.
fn is_set_operation(join: &Join) -> bool {
    let columns = join.left.schema().fields().len();
    matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti)
        && join.null_equality == NullEquality::NullEqualsNull
        && join.filter.is_none()
        && join.on.len() == columns
        && join.right.schema().fields().len() == columns
}

fn mend(plan: LogicalPlan) -> DfResult<Transformed<LogicalPlan>> {
    match plan {
        // Without ALL the left side is made distinct first: one copy of each row, so the plain join is right.
        LogicalPlan::Join(join) if is_set_operation(&join) && !is_distinct(&join.left) => {
            let output: Vec<Expr> = join.left.schema().columns().into_iter().map(Expr::Column).collect();
            let left = numbered(&join.left)?;
            let right = numbered(&join.right)?;
            let mut on = join.on.clone();
            let copy = |plan: &LogicalPlan| Expr::Column(plan.schema().columns().pop().unwrap_or_else(|| Column::from_name(COPY)));
            on.push((copy(&left), copy(&right)));
            let joined =
                Join::try_new(Arc::new(left), Arc::new(right), on, None, join.join_type, join.join_constraint, join.null_equality, false)?;
            let plan = LogicalPlanBuilder::from(LogicalPlan::Join(joined)).project(output)?.build()?;
            Ok(Transformed::yes(plan))
        }
        other => Ok(Transformed::no(other)),
    }
}

fn is_distinct(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Distinct(Distinct::All(_)) => true,
        LogicalPlan::SubqueryAlias(alias) => is_distinct(&alias.input),
        _ => false,
    }
}

fn numbered(plan: &Arc<LogicalPlan>) -> DfResult<LogicalPlan> {
    let columns: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
    let number = WindowFunction::new(WindowFunctionDefinition::WindowUDF(row_number_udwf()), vec![]);
    let number = Expr::from(number).partition_by(columns.clone()).build()?;
    let windowed = LogicalPlanBuilder::from(Arc::clone(plan)).window(vec![number])?.build()?;
    let last = windowed.schema().columns().pop().unwrap_or_else(|| Column::from_name(COPY));
    let renamed = columns.into_iter().chain([Expr::Column(last).alias(COPY)]);
    LogicalPlanBuilder::from(windowed).project(renamed)?.build()
}
