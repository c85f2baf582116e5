//! The types of the outer row's columns in the subqueries that name them.
//!
//! A subquery is planned with the types that the query around it has then. Those change: `1` is bigint to DataFusion and int4 to PostgreSQL,
//! which [`Meaning`](crate::func::rewrite::Meaning) settles. [`OuterTypes`] runs behind it, and goes from the outermost query inwards to
//! tell subqueries what became of the columns; without that, arithmetic in them would be planned for other types than it gets.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result as DfResult};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan, Subquery};
use datafusion::optimizer::AnalyzerRule;

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

/// Tells the subqueries in a node's expressions, and the lateral ones among its inputs, of its inputs' types.
fn tell(node: LogicalPlan) -> DfResult<Transformed<LogicalPlan>> {
    let outer = merge_schema(&node.inputs());
    let told = |plan: LogicalPlan| match plan {
        LogicalPlan::Subquery(subquery) => retyped(subquery, &outer),
        other => Ok(Transformed::no(other)),
    };
    let is_lateral = |plan: &LogicalPlan| match plan {
        LogicalPlan::SubqueryAlias(alias) => matches!(alias.input.as_ref(), LogicalPlan::Subquery(_)),
        other => matches!(other, LogicalPlan::Subquery(_)),
    };
    node.map_subqueries(told)?.transform_sibling(|node| match &node {
        LogicalPlan::Join(join) if is_lateral(&join.right) => node.map_children(|input| match input {
            LogicalPlan::SubqueryAlias(_) => input.map_children(told),
            input => told(input),
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
