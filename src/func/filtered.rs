//! What a call computes is computed of the rows that its FILTER lets through alone: DataFusion computes the arguments of every row first, so
//! that `sum(1 / n) FILTER (WHERE n <> 0)` would divide by zero. `f(x) FILTER (WHERE c)`, over a window or not, becomes
//! `f(CASE WHEN c THEN x END) FILTER (WHERE c)` where x may err. A condition that is another each time it is computed (random()) cannot
//! be written twice and stays alone.

use datafusion::common::Result as DfResult;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::{Expr, Operator};

/// Puts `exprs`, which a call computes of its rows, behind its FILTER.
pub fn guard<'a>(filter: Option<&Expr>, exprs: impl Iterator<Item = &'a mut Expr>) -> DfResult<()> {
    let Some(filter) = filter.filter(|filter| !filter.is_volatile()) else { return Ok(()) };
    for expr in exprs {
        if may_err(expr)? && !is_behind(expr, filter) {
            let then = Box::new(std::mem::take(expr));
            *expr = Expr::Case(Case::new(None, vec![(Box::new(filter.clone()), then)], None));
        }
    }
    Ok(())
}

/// True for what this rule has made, since plans are analyzed more than once.
fn is_behind(expr: &Expr, filter: &Expr) -> bool {
    matches!(expr, Expr::Case(case) if matches!(case.when_then_expr.as_slice(), [(when, _)] if **when == *filter))
}

/// False if it has a value for every row. What reads no column is as PostgreSQL has it, which computes it before there are rows.
fn may_err(expr: &Expr) -> DfResult<bool> {
    let (mut errs, mut reads) = (false, false);
    expr.apply(|part| {
        match part {
            Expr::Column(_) | Expr::OuterReferenceColumn(..) => reads = true,
            Expr::BinaryExpr(binary) if is_harmless(binary.op) => {}
            Expr::Literal(..) | Expr::Alias(_) | Expr::Not(_) | Expr::IsNull(_) | Expr::IsNotNull(_) | Expr::Case(_) => {}
            Expr::InList(_) | Expr::Between(_) | Expr::Like(_) => {}
            _ => errs = true,
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(errs && reads)
}

fn is_harmless(op: Operator) -> bool {
    use Operator::*;
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | And | Or | IsDistinctFrom | IsNotDistinctFrom)
}
