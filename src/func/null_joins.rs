//! Joins by which NULLs are equal, beside conditions by which they are not.
//!
//! A join of DataFusion's has one equality of NULLs for all of its keys, which two of its rules mix up. One takes neighbouring inner joins and
//! a filter above them apart, and joins their inputs again by all the keys that it finds, with the equality that the topmost join has:
//! `a JOIN b ON a.x = b.x JOIN c ON a.y IS NOT DISTINCT FROM c.y` would join rows of a and b of which both x are NULL. The other makes keys of
//! the equalities in a join's condition, also if NULLs are equal by the keys that it has. [`joined_apart`] and [`extracted`] stand in their places.
//! The former hides a join by which NULLs are equal from the joins and the filter around it, and the joins below from it, behind projections of all columns,
//! which it takes away again; the latter leaves such a join's condition as it is.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{JoinType, NullEquality, Result as DfResult};
use datafusion::logical_expr::{Expr, Join, LogicalPlan, Projection};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// The rule that joins again, by DataFusion's name.
pub const JOINING: &str = "eliminate_cross_join";

/// The rule that makes keys of a join's condition, by DataFusion's name.
pub const EXTRACTING: &str = "extract_equijoin_predicate";

/// The rewriting of [`EXTRACTING`], but for joins by which NULLs are equal.
pub fn extracted(theirs: &dyn OptimizerRule, plan: LogicalPlan, config: &dyn OptimizerConfig) -> DfResult<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Join(join) if join.null_equality == NullEquality::NullEqualsNull && !join.on.is_empty() => {
            Ok(Transformed::no(LogicalPlan::Join(join)))
        }
        other => theirs.rewrite(other, config),
    }
}

/// The rewriting of [`JOINING`], from which joins by which NULLs are equal are hidden.
pub fn joined_apart(theirs: &dyn OptimizerRule, plan: LogicalPlan, config: &dyn OptimizerConfig) -> DfResult<Transformed<LogicalPlan>> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= matches!(node, LogicalPlan::Join(join) if joins_nulls(join));
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    if !found {
        return theirs.rewrite(plan, config);
    }
    let hidden = plan.transform_up_with_subqueries(|node| Ok(hidden(node)))?.data;
    let joined = theirs.rewrite(hidden, config)?;
    joined.transform_data(|plan| plan.transform_up_with_subqueries(|node| Ok(shown(node))))
}

fn joins_nulls(join: &Join) -> bool {
    join.join_type == JoinType::Inner && join.null_equality == NullEquality::NullEqualsNull
}

/// A join by which NULLs are equal, with a projection above it and above the joins that it joins.
fn hidden(node: LogicalPlan) -> Transformed<LogicalPlan> {
    match node {
        LogicalPlan::Join(mut join) if joins_nulls(&join) => {
            for input in [&mut join.left, &mut join.right] {
                if matches!(input.as_ref(), LogicalPlan::Join(_)) {
                    *input = Arc::new(behind(Arc::clone(input)));
                }
            }
            Transformed::yes(behind(Arc::new(LogicalPlan::Join(join))))
        }
        other => Transformed::no(other),
    }
}

/// A projection of all columns.
fn behind(plan: Arc<LogicalPlan>) -> LogicalPlan {
    let schema = Arc::clone(plan.schema());
    LogicalPlan::Projection(Projection::new_from_schema(plan, schema))
}

/// What is below a projection of all columns.
fn shown(node: LogicalPlan) -> Transformed<LogicalPlan> {
    match node {
        LogicalPlan::Projection(projection) if keeps_all(&projection) => Transformed::yes(Arc::unwrap_or_clone(projection.input)),
        other => Transformed::no(other),
    }
}

fn keeps_all(projection: &Projection) -> bool {
    let columns = projection.input.schema().columns();
    projection.schema == *projection.input.schema()
        && projection.expr.len() == columns.len()
        && projection.expr.iter().zip(&columns).all(|(expr, column)| matches!(expr, Expr::Column(kept) if kept == column))
}
