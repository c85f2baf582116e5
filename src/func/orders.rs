//! Orders as DataFusion can follow them, where PostgreSQL takes more.
//!
//! - An order that names an expression twice (`ORDER BY a, b, a DESC`) says nothing more by the second time. DataFusion's DISTINCT ON
//!   and ordered aggregates count on there being no such thing, and panic where there is. Two expressions may turn out to be one when they
//!   are simplified (`ORDER BY a, coalesce(a, b)` where `a` is never NULL), so [`SimplifiedOrders`] looks again behind the optimizer.
//! - A frame by RANGE that goes to the current row or without bound is one by GROUPS: peers are in it together. DataFusion wants
//!   distances between the values nevertheless, which uuid, bytea, time and interval have not got.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result as DfResult};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Distinct, Expr, ExprSchemable, LogicalPlan, SortExpr, WindowFrame, WindowFrameBound, WindowFrameUnits};
use datafusion::optimizer::{AnalyzerRule, ApplyOrder, OptimizerConfig, OptimizerRule};

/// The analyzer rule; see the head of this module.
#[derive(Debug)]
pub struct Orders;

impl AnalyzerRule for Orders {
    fn name(&self) -> &str {
        "orders"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> DfResult<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(mend)?.data)
    }
}

/// The optimizer rule; see the head of this module.
#[derive(Debug)]
pub struct SimplifiedOrders;

impl OptimizerRule for SimplifiedOrders {
    fn name(&self) -> &str {
        "simplified_orders"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> DfResult<Transformed<LogicalPlan>> {
        if !matches!(plan, LogicalPlan::Aggregate(_)) {
            return Ok(Transformed::no(plan));
        }
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let shortened = expr.transform_up(|mut e| {
                let is_shorter = match &mut e {
                    Expr::AggregateFunction(call) => once_each(&mut call.params.order_by),
                    _ => false,
                };
                Ok(Transformed::new_transformed(e, is_shorter))
            })?;
            Ok(shortened.update_data(|e| name.restore(e)))
        })
    }
}

fn mend(mut plan: LogicalPlan) -> DfResult<Transformed<LogicalPlan>> {
    if let LogicalPlan::Distinct(Distinct::On(on)) = &mut plan {
        on.sort_expr.iter_mut().for_each(|order| _ = once_each(order));
    }
    if !matches!(plan, LogicalPlan::Aggregate(_) | LogicalPlan::Window(_)) {
        return Ok(Transformed::yes(plan));
    }
    let schema = merge_schema(&plan.inputs());
    let names = NamePreserver::new(&plan);
    plan.map_expressions(|expr| {
        let name = names.save(&expr);
        Ok(Transformed::yes(name.restore(expr.transform_up(|e| Ok(Transformed::yes(ordered(e, &schema))))?.data)))
    })
}

fn ordered(mut expr: Expr, schema: &DFSchema) -> Expr {
    match &mut expr {
        Expr::AggregateFunction(call) => _ = once_each(&mut call.params.order_by),
        Expr::WindowFunction(call) => {
            if let Some(first) = call.params.order_by.first()
                && call.params.window_frame.units == WindowFrameUnits::Range
                && first.expr.get_type(schema).is_ok_and(|ty| !has_distances(&ty))
            {
                by_groups(&mut call.params.window_frame);
            }
        }
        _ => {}
    }
    expr
}

/// Leaves out each expression that stands further ahead already; true if there was one. An optimized expression may bear the name of
/// what it was.
fn once_each(order: &mut Vec<SortExpr>) -> bool {
    let all = order.len();
    let mut seen: Vec<Expr> = Vec::with_capacity(all);
    order.retain(|by| {
        let expr = by.expr.clone().unalias();
        let first = !seen.contains(&expr);
        seen.push(expr);
        first
    });
    order.len() < all
}

/// True for the types that DataFusion takes for an order of a frame by RANGE.
fn has_distances(ty: &DataType) -> bool {
    ty.is_numeric()
        || ty.is_string()
        || ty.is_null()
        || matches!(ty, DataType::List(_) | DataType::Boolean | DataType::Date32 | DataType::Timestamp(..) | DataType::Dictionary(..))
}

fn by_groups(frame: &mut WindowFrame) {
    let no_offset = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::CurrentRow => true,
        WindowFrameBound::Preceding(n) | WindowFrameBound::Following(n) => n.is_null(),
    };
    if no_offset(&frame.start_bound) && no_offset(&frame.end_bound) {
        *frame = WindowFrame::new_bounds(WindowFrameUnits::Groups, frame.start_bound.clone(), frame.end_bound.clone());
    }
}
