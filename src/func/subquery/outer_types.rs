//! The types of the outer row's columns in the subqueries that name them.
//!
//! A subquery is planned with the types that the query around it has then. Those change: `1` is bigint to DataFusion and int4 to PostgreSQL,
//! and `CASE WHEN b THEN 'ok' ELSE mood END` is text to it, which [`Meaning`](crate::func::rewrite::Meaning) settles. So that goes through a
//! plan by [`from_outside`], which tells subqueries what became of the columns before it goes into them. [`OuterTypes`] runs
//! behind it, for plans that are changed otherwise.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result as DfResult};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, Join, LogicalPlan, Subquery};
use datafusion::optimizer::AnalyzerRule;

use super::asks;

/// The rule; see the head of this module.
#[derive(Debug)]
pub struct OuterTypes;

impl AnalyzerRule for OuterTypes {
    fn name(&self) -> &str {
        "outer_types"
    }

    fn analyze(&self, mut plan: LogicalPlan, _config: &ConfigOptions) -> DfResult<LogicalPlan> {
        if !is_correlated(&plan)? {
            return Ok(plan);
        }
        // What a lateral subquery gives may have changed in type with what it was given; each round settles one such step.
        loop {
            let told = plan.clone().transform_down_with_subqueries(tell)?.data;
            if told == plan {
                return Ok(plan);
            }
            plan = told.transform_up_with_subqueries(|node| node.recompute_schema().map(Transformed::yes))?.data;
        }
    }
}

fn is_correlated(plan: &LogicalPlan) -> DfResult<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= matches!(node, LogicalPlan::Subquery(s) if !s.outer_ref_columns.is_empty());
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// The plan with each of its nodes rewritten behind the node's inputs and subqueries. These come behind the inputs, and are told of the types
/// that the columns around them have then.
pub fn from_outside(plan: LogicalPlan, rewrite: &Rewrite<'_>) -> DfResult<LogicalPlan> {
    at(Place::Around, plan, rewrite)
}

fn at(place: Place, plan: LogicalPlan, rewrite: &Rewrite<'_>) -> DfResult<LogicalPlan> {
    stacker::maybe_grow(STACK_BYTES.0, STACK_BYTES.1, || {
        let within = if matches!(plan, LogicalPlan::RecursiveQuery(_)) { Place::Term } else { place };
        let rewritten = |plan: LogicalPlan| at(within, plan, rewrite).map(Transformed::yes);
        let plan = match plan {
            LogicalPlan::Join(join) if is_lateral(&join.right) => LogicalPlan::Join(with_lateral(place, join, rewrite)?),
            other => other.map_children(rewritten)?.data,
        };
        let outer = if asks(&plan)? { merge_schema(&plan.inputs()) } else { DFSchema::empty() };
        let plan = plan.map_subqueries(|asked| rewritten(told(asked, &outer)?.data))?.data;
        Ok(rewrite(plan, place)?.data)
    })
}

/// Where a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a term of a recursive query.
    Term,
    /// Elsewhere.
    Around,
}

/// How a node is rewritten, whose inputs are.
pub type Rewrite<'a> = dyn Fn(LogicalPlan, Place) -> DfResult<Transformed<LogicalPlan>> + 'a;

/// How much of the stack must be left, and how much more there is where it is not.
const STACK_BYTES: (usize, usize) = (512 << 10, 4 << 20);

/// The inputs of a join with a lateral subquery on its right.
fn with_lateral(place: Place, mut join: Join, rewrite: &Rewrite<'_>) -> DfResult<Join> {
    let left = at(place, Arc::unwrap_or_clone(join.left), rewrite)?;
    let right = match Arc::unwrap_or_clone(join.right) {
        alias @ LogicalPlan::SubqueryAlias(_) => alias.map_children(|input| told(input, left.schema()))?.data,
        other => told(other, left.schema())?.data,
    };
    join.left = Arc::new(left);
    join.right = Arc::new(at(place, right, rewrite)?);
    Ok(join)
}

/// True for a subquery in FROM that may name columns of what stands to its left.
fn is_lateral(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => matches!(alias.input.as_ref(), LogicalPlan::Subquery(_)),
        other => matches!(other, LogicalPlan::Subquery(_)),
    }
}

/// A subquery that is told of the columns around it.
fn told(plan: LogicalPlan, outer: &DFSchema) -> DfResult<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Subquery(subquery) => retyped(subquery, outer),
        other => Ok(Transformed::no(other)),
    }
}

/// Tells the subqueries in a node's expressions, and the lateral ones among its inputs, of its inputs' types.
fn tell(node: LogicalPlan) -> DfResult<Transformed<LogicalPlan>> {
    let outer = merge_schema(&node.inputs());
    node.map_subqueries(|asked| told(asked, &outer))?.transform_sibling(|node| match &node {
        LogicalPlan::Join(join) if is_lateral(&join.right) => node.map_children(|input| match input {
            LogicalPlan::SubqueryAlias(_) => input.map_children(|input| told(input, &outer)),
            input => told(input, &outer),
        }),
        _ => Ok(Transformed::no(node)),
    })
}

/// The subquery with columns of `outer` as they are there. Those of queries further out, and of queries between, are told by these.
fn retyped(subquery: Subquery, outer: &DFSchema) -> DfResult<Transformed<LogicalPlan>> {
    let retype = |expr: Expr| match expr {
        Expr::OuterReferenceColumn(field, column) => match outer.maybe_index_of_column(&column).map(|i| outer.field(i)) {
            Some(now) if now.data_type() != field.data_type() => {
                let field = field.as_ref().clone().with_data_type(now.data_type().clone());
                Ok(Transformed::yes(Expr::OuterReferenceColumn(Arc::new(field), column)))
            }
            _ => Ok(Transformed::no(Expr::OuterReferenceColumn(field, column))),
        },
        other => Ok(Transformed::no(other)),
    };
    let plan = subquery.subquery.as_ref().clone();
    let plan = plan.transform_down_with_subqueries(|node| node.map_expressions(|e| e.transform_up(retype)))?;
    Ok(plan.update_data(|plan| LogicalPlan::Subquery(super::subquery(Arc::new(plan)))))
}
