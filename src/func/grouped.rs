//! The arguments of GROUPING that are expressions, `GROUPING (a + 1)` beside `GROUP BY ROLLUP (a + 1)`.
//!
//! A key keeps the name that it was planned under when its literals get their types, and so becomes an expression with an alias; the same
//! expression within GROUPING does not, and DataFusion would not find it among the keys. [`by_keys`] puts the key there.

use datafusion::common::Result as DfResult;
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan};

/// The aggregation with its keys as the arguments of GROUPING that they are equal to.
pub(super) fn by_keys(mut aggregate: Aggregate) -> DfResult<LogicalPlan> {
    if aggregate.aggr_expr.iter_mut().any(|expr| arguments(expr).is_some()) {
        let keys: Vec<Expr> = grouping_set_to_exprlist(&aggregate.group_expr)?.into_iter().cloned().collect();
        for argument in aggregate.aggr_expr.iter_mut().filter_map(arguments).flatten() {
            let bare = argument.clone().unalias();
            if let Some(key) = keys.iter().find(|key| (*key).clone().unalias() == bare) {
                *argument = key.clone();
            }
        }
    }
    LogicalPlan::Aggregate(aggregate).recompute_schema()
}

/// The arguments of GROUPING.
fn arguments(expr: &mut Expr) -> Option<&mut Vec<Expr>> {
    match expr {
        Expr::Alias(alias) => arguments(&mut alias.expr),
        Expr::AggregateFunction(call) if call.func.name() == "grouping" => Some(&mut call.params.args),
        _ => None,
    }
}
