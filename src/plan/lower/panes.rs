//! Rows in HOP's windows that are only counted: counted by panes first.
//!
//! Where the size of the windows is a multiple of their slide, rows of one slide, a pane, fall into the same windows. So a row's time may be
//! replaced by the start of its pane; rows that are then alike are one row with a weight before it is repeated for each window. As
//! "panes" in Li et al., "No Pane, No Gain", SIGMOD Record 34 (2005), but without state: the aggregate above keeps it all.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, Projection};

use super::{Lowered, Lowering, bare};
use crate::error::Result;
use crate::fold::{self, Flow};
use crate::func::{HOP_STARTS, TUMBLE_START};

/// True if an aggregate asks no more than how many rows there are in HOP's windows.
pub(super) fn counts_hops(aggregate: &Aggregate) -> bool {
    let counts = |e: &Expr| match bare(e) {
        Expr::AggregateFunction(call) => {
            let params = &call.params;
            let all = params.args.iter().all(|arg| matches!(arg, Expr::Literal(value, _) if !value.is_null()));
            call.func.name() == "count" && all && params.filter.is_none() && !params.distinct
        }
        _ => false,
    };
    aggregate.aggr_expr.iter().all(counts) && is_hop(&aggregate.input)
}

fn is_hop(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => is_hop(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => is_hop(&alias.input),
        LogicalPlan::Filter(filter) => is_hop(&filter.input),
        LogicalPlan::Unnest(unnest) => match unnest.input.as_ref() {
            LogicalPlan::Projection(projection) => projection.expr.iter().any(|e| hop(e).is_some()),
            _ => false,
        },
        _ => false,
    }
}

/// The arguments of hop_starts(time, slide, size, offset) in whole panes.
fn hop(expr: &Expr) -> Option<&[Expr]> {
    let Expr::ScalarFunction(call) = bare(expr) else { return None };
    let [_, slide, size, _] = call.args.as_slice() else { return None };
    let (Expr::Literal(ScalarValue::Int64(Some(slide)), _), Expr::Literal(ScalarValue::Int64(Some(size)), _)) = (slide, size) else {
        return None;
    };
    (call.func.name() == HOP_STARTS && *slide > 0 && size % slide == 0).then_some(&call.args)
}

impl Lowering<'_> {
    /// The projection to the windows of each row, of rows that are alike within a pane one with a weight.
    pub(super) fn hops(&mut self, projection: &Projection) -> Result<Lowered> {
        let tumble = self.state.udf(TUMBLE_START)?;
        // The pane stands where the windows stand above.
        let paned = projection.expr.iter().map(|expr| match hop(expr) {
            Some([time, slide, _, offset]) => {
                tumble.call(vec![time.clone(), slide.clone(), offset.clone()]).alias(expr.schema_name().to_string())
            }
            _ => expr.clone(),
        });
        let paned = Projection::try_new(paned.collect(), Arc::clone(&projection.input))?;
        let of_pane = projection.expr.iter().zip(paned.schema.columns()).map(|(expr, pane)| match (hop(expr), bare(expr)) {
            (Some([_, rest @ ..]), Expr::ScalarFunction(call)) => {
                call.func.call(std::iter::once(Expr::Column(pane)).chain(rest.iter().cloned()).collect())
            }
            _ => Expr::Column(pane),
        });
        let windows: Vec<Expr> = of_pane.collect();
        let rows = self.node(&projection.input)?;
        let mut panes = self.project(&paned, rows)?;
        panes.flow = Flow::node(Box::new(fold::Consolidate::new(panes.flow.schema())), vec![panes.flow]);
        let paned = Arc::new(LogicalPlan::Projection(paned));
        self.project(&Projection::try_new_with_schema(windows, paned, Arc::clone(&projection.schema))?, panes)
    }
}
