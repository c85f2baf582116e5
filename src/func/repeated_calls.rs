//! Window calls that turn out to be the same: `lag(x, 1) OVER w, lag(x, 2 - 1) OVER w`, or two frames that are written in different ways.
//!
//! DataFusion's rule about what a node computes twice would compute them below the window, where nothing can. Under [`once`] such a call
//! stands in its window once, and a projection gives its value the names of all.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Column, Result as DfResult};
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, Window};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// The rule that looks for what is computed twice, by DataFusion's name.
pub const SHARING: &str = "common_sub_expression_eliminate";

/// The rewriting of [`SHARING`], behind that of windows with such calls.
pub fn once(theirs: &dyn OptimizerRule, plan: LogicalPlan, config: &dyn OptimizerConfig) -> DfResult<Transformed<LogicalPlan>> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= matches!(node, LogicalPlan::Window(window) if repeats(window));
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    if !found {
        return theirs.rewrite(plan, config);
    }
    plan.transform_up_with_subqueries(called_once)?.transform_data(|plan| theirs.rewrite(plan, config))
}

/// Calls that were met, and the columns that their values are.
type Met<'a> = Vec<(&'a Expr, Column)>;

/// The calls of a window and of those right below it, which the rule takes for one.
fn below(mut plan: &LogicalPlan) -> Met<'_> {
    let mut met = Vec::new();
    while let LogicalPlan::Window(window) = plan {
        met.extend(window.window_expr.iter().zip(columns(window)));
        plan = &window.input;
    }
    met
}

/// The columns of the calls of a window.
fn columns(window: &Window) -> impl Iterator<Item = Column> {
    window.schema.iter().skip(window.input.schema().fields().len()).map(Column::from)
}

/// The column in which a call has been computed.
fn computed<'a>(met: &'a Met<'_>, call: &Expr) -> Option<&'a Column> {
    let same = |(earlier, _): &&(&Expr, Column)| bare(earlier) == bare(call) && !call.is_volatile();
    met.iter().find(same).map(|(_, column)| column)
}

fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => bare(&alias.expr),
        other => other,
    }
}

fn repeats(window: &Window) -> bool {
    let mut met = below(&window.input);
    window.window_expr.iter().zip(columns(window)).any(|(call, column)| {
        let is_met = computed(&met, call).is_some();
        met.push((call, column));
        is_met
    })
}

fn called_once(node: LogicalPlan) -> DfResult<Transformed<LogicalPlan>> {
    let window = match node {
        LogicalPlan::Window(window) if repeats(&window) => window,
        other => return Ok(Transformed::no(other)),
    };
    let mut met = below(&window.input);
    let mut calls: Vec<Expr> = Vec::with_capacity(window.window_expr.len());
    let mut outputs: Vec<Expr> = window.input.schema().columns().into_iter().map(Expr::Column).collect();
    for (call, own) in window.window_expr.iter().zip(columns(&window)) {
        if let Some(column) = computed(&met, call) {
            outputs.push(Expr::Column(column.clone()).alias_qualified(own.relation, own.name));
            continue;
        }
        outputs.push(Expr::Column(own.clone()));
        calls.push(call.clone());
        met.push((call, own));
    }
    let input = Arc::clone(&window.input);
    let single = if calls.is_empty() { input } else { Arc::new(LogicalPlan::Window(Window::try_new(calls, input)?)) };
    Ok(Transformed::yes(LogicalPlan::Projection(Projection::try_new(outputs, single)?)))
}
