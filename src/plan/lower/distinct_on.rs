//! DISTINCT ON, as the rows whose row_number() is 1: one row kept per key, where DataFusion would keep one aggregate per column.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result as DfResult, ScalarValue};
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{
    Distinct, DistinctOn, Expr, Filter, Limit, LogicalPlan, Projection, Sort, SortExpr, Window, WindowFunctionDefinition, lit,
};

use crate::error::Result;

/// The plan with every DISTINCT ON written as a bounded row_number().
pub(super) fn rewrite(plan: LogicalPlan) -> Result<LogicalPlan> {
    let node = |plan: LogicalPlan| match plan {
        // Its ORDER BY orders its result too, which shows only here.
        LogicalPlan::Limit(Limit { skip, fetch, input }) => match Arc::unwrap_or_clone(input) {
            LogicalPlan::Distinct(Distinct::On(distinct)) => {
                let input = Arc::new(first_rows(distinct, true)?);
                Ok(Transformed::yes(LogicalPlan::Limit(Limit { skip, fetch, input })))
            }
            other => Ok(Transformed::no(LogicalPlan::Limit(Limit { skip, fetch, input: Arc::new(other) }))),
        },
        LogicalPlan::Distinct(Distinct::On(distinct)) => Ok(Transformed::yes(first_rows(distinct, false)?)),
        other => Ok(Transformed::no(other)),
    };
    Ok(plan.transform_down_with_subqueries(node)?.data)
}

fn first_rows(distinct: DistinctOn, sorted: bool) -> DfResult<LogicalPlan> {
    let DistinctOn { on_expr, select_expr, sort_expr, input, schema } = distinct;
    let order = sort_expr.unwrap_or_default();
    let mut call = WindowFunction::new(WindowFunctionDefinition::WindowUDF(row_number_udwf()), Vec::new());
    // What is equal within a partition does not order it.
    call.params.order_by = order.iter().filter(|s| !on_expr.contains(&s.expr)).cloned().collect::<Vec<SortExpr>>();
    call.params.partition_by = on_expr;
    let window = Window::try_new(vec![Expr::from(call).alias("_distinct_on")], input)?;
    let number = Expr::Column(Column::from(window.schema.qualified_field(window.schema.fields().len() - 1)));
    let first = Filter::try_new(number.lt_eq(lit(ScalarValue::UInt64(Some(1)))), Arc::new(LogicalPlan::Window(window)))?;
    let mut rows = LogicalPlan::Filter(first);
    if sorted && !order.is_empty() {
        rows = LogicalPlan::Sort(Sort { expr: order, input: Arc::new(rows), fetch: None });
    }
    Ok(LogicalPlan::Projection(Projection::try_new_with_schema(select_expr, Arc::new(rows), schema)?))
}
