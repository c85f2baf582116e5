//! Scalar subqueries: one value, NULL without a row, 21000 with several (manual, chapter 4.2.11).
//!
//! DataFusion knows them as aggregates only. So the values of any other subquery are gathered in an array, and [`super::single_row`] takes
//! the one out, above the join that decorrelation makes: it errs for rows that are asked for, and not for groups nobody names.
//! `ORDER BY .. LIMIT 1` becomes first_value(); equal rows are told apart by the value, so the answer is the same each time.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result as DfResult, ScalarValue};
use datafusion::functions_aggregate::array_agg::array_agg_udaf;
use datafusion::functions_aggregate::first_last::first_value_udaf;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    Expr, ExprFunctionExt, ExprSchemable, FetchType, LogicalPlan, LogicalPlanBuilder, SkipType, SortExpr, Subquery, cast, lit,
};

use super::single_row::single_row;
use super::{renamed, subquery, through};

/// The value of a scalar subquery.
pub(super) fn single(asked: Subquery) -> DfResult<Transformed<Expr>> {
    let (asked, changed) = match renamed(&asked.subquery)? {
        Some(plan) => (subquery(Arc::new(plan)), true),
        None => (asked, false),
    };
    if is_global(&asked.subquery) || asked.subquery.schema().fields().len() != 1 {
        return Ok(Transformed::new_transformed(Expr::ScalarSubquery(asked), changed));
    }
    let rows = Rows::of(Arc::clone(&asked.subquery))?;
    let gathered = |aggregate: Expr| -> DfResult<Expr> {
        let plan = LogicalPlanBuilder::from(rows.plan.clone()).aggregate(Vec::<Expr>::new(), [aggregate])?.build()?;
        Ok(Expr::ScalarSubquery(subquery(Arc::new(plan))))
    };
    let order = || {
        let last = rows.order.iter().all(|s| s.expr != rows.value).then(|| rows.value.clone().sort(true, false));
        rows.order.iter().cloned().chain(last).collect::<Vec<SortExpr>>()
    };
    let value = match (rows.skip, rows.fetch) {
        (_, Some(0)) => cast(lit(ScalarValue::Null), rows.value.get_type(rows.plan.schema())?),
        (0, Some(1)) => gathered(first_value_udaf().call(vec![rows.value.clone()]).order_by(order()).build()?)?,
        (skip, fetch) => {
            let all = array_agg_udaf().call(vec![rows.value.clone()]);
            let all = if rows.skip > 0 { all.order_by(order()).build()? } else { all };
            let number = |n: usize| lit(i64::try_from(n).unwrap_or(i64::MAX));
            let args = vec![gathered(all)?, number(skip), number(fetch.unwrap_or(usize::MAX))];
            Expr::ScalarFunction(ScalarFunction::new_udf(single_row(), args))
        }
    };
    Ok(Transformed::yes(value))
}

/// True for a plan of exactly one row, whatever its input.
pub(in crate::func) fn is_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(p) => is_one_row(&p.input),
        LogicalPlan::SubqueryAlias(a) => is_one_row(&a.input),
        LogicalPlan::Sort(s) => is_one_row(&s.input),
        LogicalPlan::Aggregate(a) => a.group_expr.is_empty(),
        LogicalPlan::EmptyRelation(e) => e.produce_one_row,
        _ => false,
    }
}

/// True for an aggregate without GROUP BY, which DataFusion runs as it is. Not with HAVING: it takes the count for one that is never NULL.
fn is_global(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(p) => is_global(&p.input),
        LogicalPlan::SubqueryAlias(a) => is_global(&a.input),
        LogicalPlan::Aggregate(a) => a.group_expr.is_empty(),
        _ => false,
    }
}

/// A subquery's one column with the ORDER BY, OFFSET and LIMIT at its top taken off.
struct Rows {
    plan: LogicalPlan,
    value: Expr,
    order: Vec<SortExpr>,
    skip: usize,
    fetch: Option<usize>,
}

impl Rows {
    fn of(plan: Arc<LogicalPlan>) -> DfResult<Rows> {
        let value = Expr::Column(Column::from(plan.schema().qualified_field(0)));
        let whole = Rows { plan: plan.as_ref().clone(), value: value.clone(), order: vec![], skip: 0, fetch: None };
        let mut rows = Rows { plan: plan.as_ref().clone(), value, order: vec![], skip: 0, fetch: None };
        let (mut limited, mut sorted) = (false, false);
        loop {
            let next = match &rows.plan {
                LogicalPlan::Limit(limit) if !limited && !sorted => {
                    let (SkipType::Literal(skip), FetchType::Literal(fetch)) = (limit.get_skip_type()?, limit.get_fetch_type()?) else {
                        return Ok(whole);
                    };
                    (rows.skip, rows.fetch, limited) = (skip, fetch, true);
                    Arc::clone(&limit.input)
                }
                LogicalPlan::Sort(sort) if !sorted => {
                    (rows.order, sorted) = (sort.expr.clone(), true);
                    Arc::clone(&sort.input)
                }
                LogicalPlan::Projection(p) if limited && !sorted && over_sort(&p.input) => {
                    rows.value = through(rows.value, p)?;
                    Arc::clone(&p.input)
                }
                _ => break,
            };
            rows.plan = next.as_ref().clone();
        }
        Ok(rows)
    }
}

/// True for a sort below nothing but projections.
pub(super) fn over_sort(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(_) => true,
        LogicalPlan::Projection(p) => over_sort(&p.input),
        _ => false,
    }
}
