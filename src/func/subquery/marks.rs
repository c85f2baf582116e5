//! EXISTS in a SELECT list: a mark join, which DataFusion makes for WHERE only.
//!
//! The rule asks DataFusion's own to plan a filter with the same tests, and puts the projection in the place of the filter.

use std::sync::Arc;

use datafusion::common::Result as DfResult;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{BinaryExpr, Expr, Filter, LogicalPlan, Operator, Projection, lit};
use datafusion::optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

/// The rule; see the head of this module.
#[derive(Debug, Default)]
pub struct Marks;

impl OptimizerRule for Marks {
    fn name(&self) -> &str {
        "mark_joins_of_projections"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> DfResult<Transformed<LogicalPlan>> {
        let LogicalPlan::Projection(projection) = &plan else { return Ok(Transformed::no(plan)) };
        let tests = tests(&projection.expr)?;
        if tests.is_empty() {
            return Ok(Transformed::no(plan));
        }
        // `false OR test OR ..`: under OR each test becomes a mark.
        let asked = tests.iter().cloned().fold(lit(false), Expr::or);
        let filter = LogicalPlan::Filter(Filter::try_new(asked, Arc::clone(&projection.input))?);
        let planned = DecorrelatePredicateSubquery::new().rewrite(filter, config)?.data;
        let Some((marks, input)) = take_apart(planned, tests.len()) else { return Ok(Transformed::no(plan)) };
        if marks.iter().any(is_test) {
            return Ok(Transformed::no(plan));
        }
        let LogicalPlan::Projection(projection) = plan else { return Ok(Transformed::no(plan)) };
        let kept = NamePreserver::new_for_projection();
        let exprs = projection.expr.into_iter().map(|expr| {
            let name = kept.save(&expr);
            let replaced = expr.transform_down(|e| match tests.iter().position(|t| *t == e) {
                Some(i) => Ok(Transformed::new(marks[i].clone(), true, TreeNodeRecursion::Jump)),
                None => Ok(Transformed::no(e)),
            })?;
            Ok(name.restore(replaced.data))
        });
        let exprs = exprs.collect::<DfResult<Vec<_>>>()?;
        Ok(Transformed::yes(LogicalPlan::Projection(Projection::try_new(exprs, input)?)))
    }
}

fn is_test(expr: &Expr) -> bool {
    matches!(expr, Expr::Exists(_) | Expr::InSubquery(_))
}

fn tests(exprs: &[Expr]) -> DfResult<Vec<Expr>> {
    let mut found: Vec<Expr> = Vec::new();
    for expr in exprs {
        expr.apply(|e| {
            if is_test(e) && !found.contains(e) {
                found.push(e.clone());
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    Ok(found)
}

/// What became of the tests of the filter, and its input.
fn take_apart(planned: LogicalPlan, tests: usize) -> Option<(Vec<Expr>, Arc<LogicalPlan>)> {
    let filter = match planned {
        LogicalPlan::Projection(p) => Arc::unwrap_or_clone(p.input),
        other => other,
    };
    let LogicalPlan::Filter(Filter { predicate, input, .. }) = filter else { return None };
    let mut marks = Vec::with_capacity(tests);
    let mut rest = predicate;
    for _ in 0..tests {
        let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) = rest else { return None };
        marks.push(*right);
        rest = *left;
    }
    marks.reverse();
    Some((marks, input))
}
