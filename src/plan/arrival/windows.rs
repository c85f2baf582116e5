//! In what order window functions take rows that their ORDER BY puts beside one another, or all rows where they have none.
//!
//! What ranks peers or computes over all of them alike (rank, cume_dist, a sum over a frame of peers) stays as it is written, since its answer is
//! the same in any order. To the other calls the order of [`super::ties::settled`] is added, so that a view and its query agree:
//!
//! - behind the ORDER BY, where rows are counted: by row_number, ntile, lag and lead, and by frames of ROWS;
//! - for the first or the last one of the peers, which are then the partition, instead of the ORDER BY;
//! - where the frame goes by peers and their order shows too (`array_agg(v) OVER (ORDER BY k)`), the ORDER BY must stay as it is. The rows are
//!   numbered by a window below, whose order of the input DataFusion keeps, since it fits the one above. The number becomes a second argument
//!   of [`IN_TURN`] around the first of the call, so that it is not left out as unused, and a view orders peers by it.
//!   Known gap: a query sorts once more, and leaves peers to chance, where PARTITION BY is of a float, an interval, a jsonb or an array of such,
//!   for which each window computes a key of its own.
//!
//! Calls whose order becomes another are a node of their own. They stand below the others of their node, which may use their sorted rows.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result as DfResult, ScalarValue};
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::{NullTreatment, WindowFunction};
use datafusion::logical_expr::{
    Expr, LogicalPlan, LogicalPlanBuilder, SortExpr, Window, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition,
};

use super::rows::{Rows, add};
use super::ties::{columns, settled, tells_rows};
use super::{ANY, GATHERING};
use crate::func::{IN_TURN, TURN, excluding, frame_offsets, in_turn};

/// Window functions that count rows, whatever their frame.
const COUNTING: [&str; 4] = ["row_number", "ntile", "lag", "lead"];
/// Those whose answer is one row of the frame.
const PICKING: [&str; 3] = ["first_value", "last_value", "nth_value"];

/// What a call needs for an answer that does not depend on chance.
#[derive(Clone, Copy, PartialEq)]
enum Need {
    /// Nothing.
    None,
    /// More behind its order.
    Order,
    /// More behind its order, and a frame of all rows of the partition.
    Whole,
    /// More behind its order, and a frame of the rows so far.
    SoFar,
    /// Its peers as the partition, in order.
    Peers,
    /// Peers in order that stay peers.
    Numbers,
}

/// A window whose calls take rows that tie in an order that the rows tell.
pub fn windowed(window: Window) -> DfResult<Transformed<LogicalPlan>> {
    if window.window_expr.iter().all(|call| need(call) == Need::None) {
        return Ok(Transformed::no(LogicalPlan::Window(window)));
    }
    let Some(Rows { plan, order, .. }) = settled(&window.input)? else { return Ok(Transformed::no(LogicalPlan::Window(window))) };
    let (mut ordered, mut numbered, mut others) = (Vec::new(), Vec::new(), Vec::new());
    let names = window.schema.iter().skip(window.input.schema().fields().len());
    for (call, (qualifier, field)) in window.window_expr.iter().zip(names) {
        let named = |call: WindowFunction| Expr::from(call).alias_qualified(qualifier.cloned(), field.name());
        let settled = if is_told(call, &window.input) { Settled::AsItIs } else { settled_call(call, &order) };
        match settled {
            Settled::AsItIs => others.push(call.clone()),
            Settled::Ordered(call) => ordered.push(named(call)),
            Settled::Numbered(call, order) => numbered.push((order, named(call))),
        }
    }
    if ordered.is_empty() && numbered.is_empty() {
        return Ok(Transformed::no(LogicalPlan::Window(window)));
    }
    let mut plan = plan;
    // Calls of one node are sorted alike.
    while let Some(first) = ordered.first().cloned() {
        let (alike, rest): (Vec<Expr>, Vec<Expr>) = ordered.into_iter().partition(|call| sorted_by(call) == sorted_by(&first));
        plan = LogicalPlan::Window(Window::try_new(alike, Arc::new(plan))?);
        ordered = rest;
    }
    while let Some((order, first)) = numbered.first().cloned() {
        let (alike, rest): (Vec<_>, Vec<_>) = numbered.into_iter().partition(|(_, call)| sorted_by(call) == sorted_by(&first));
        plan = in_turns(alike.into_iter().map(|(_, call)| call).collect(), order, plan)?;
        numbered = rest;
    }
    if !others.is_empty() {
        plan = LogicalPlan::Window(Window::try_new(others, Arc::new(plan))?);
    }
    let shown: Vec<Expr> = window.schema.columns().into_iter().map(Expr::Column).collect();
    if columns(&plan) == shown {
        return Ok(Transformed::yes(plan));
    }
    Ok(Transformed::yes(LogicalPlanBuilder::from(plan).project(shown)?.build()?))
}

fn called(expr: &Expr) -> Option<&WindowFunction> {
    match expr {
        Expr::Alias(alias) => called(&alias.expr),
        Expr::WindowFunction(call) => Some(call),
        _ => None,
    }
}

/// True if rows that tie for a call are the same.
fn is_told(expr: &Expr, input: &LogicalPlan) -> bool {
    let Some((partition, order)) = sorted_by(expr) else { return true };
    tells_rows(input, |column| partition.contains(column) || order.iter().any(|by| by.expr == *column))
}

fn sorted_by(expr: &Expr) -> Option<(&[Expr], &[SortExpr])> {
    called(expr).map(|call| (call.params.partition_by.as_slice(), call.params.order_by.as_slice()))
}

fn need(expr: &Expr) -> Need {
    match called(expr) {
        // What leaves rows out has been settled when it was made from its marker.
        Some(call) if !excluding::is_excluding(&call.fun) => match left_out(call) {
            None => of_frame(call),
            Some(only_itself) => of_excluding(call, only_itself),
        },
        _ => Need::None,
    }
}

/// True if the frame leaves out the row itself only, false if peers; `None` if it leaves out nothing.
fn left_out(call: &WindowFunction) -> Option<bool> {
    let markers = call.params.partition_by.iter().filter_map(|by| match by {
        Expr::ScalarFunction(marker) if excluding::is_marker(marker.name()) => Some(marker.name()),
        _ => None,
    });
    markers.map(|name| name == excluding::Exclusion::CurrentRow.marker()).next()
}

/// True if the answer shows which rows of the frame come first.
fn shows_order(call: &WindowFunction) -> bool {
    match &call.fun {
        WindowFunctionDefinition::WindowUDF(function) => PICKING.contains(&function.name()),
        WindowFunctionDefinition::AggregateUDF(function) => function.name() == ANY || GATHERING.contains(&function.name()),
    }
}

fn counts(call: &WindowFunction) -> bool {
    matches!(&call.fun, WindowFunctionDefinition::WindowUDF(function) if COUNTING.contains(&function.name()))
}

fn is_aggregate(call: &WindowFunction) -> bool {
    matches!(call.fun, WindowFunctionDefinition::AggregateUDF(_))
}

fn of_frame(call: &WindowFunction) -> Need {
    let frame = &call.params.window_frame;
    let by_row = frame.units == WindowFrameUnits::Rows;
    // Distances are of something that is ordered by.
    if !by_row && call.params.order_by.is_empty() && (has_offset(&frame.start_bound) || has_offset(&frame.end_bound)) {
        return Need::None;
    }
    // Without an order all rows are peers.
    let is_whole = is_whole(frame) || !by_row && call.params.order_by.is_empty();
    if counts(call) {
        // A distance is one in a single order.
        let measures = frame.units == WindowFrameUnits::Range && (has_offset(&frame.start_bound) || has_offset(&frame.end_bound));
        return if measures {
            Need::None
        } else if is_whole {
            Need::Whole
        } else {
            Need::Order
        };
    }
    match shows_order(call) {
        _ if by_row && !is_whole && (shows_order(call) || is_aggregate(call)) => Need::Order,
        false => Need::None,
        true if is_whole => Need::Whole,
        true => of_peers(call),
    }
}

/// What a call needs whose frame goes by peers, and whose answer shows their order.
fn of_peers(call: &WindowFunction) -> Need {
    use WindowFrameBound::{CurrentRow, Following, Preceding};
    let (start, end) = (&call.params.window_frame.start_bound, &call.params.window_frame.end_bound);
    // A frame whose offset is still to be told stays as it is.
    if call.params.null_treatment == Some(NullTreatment::IgnoreNulls)
        || call.params.partition_by.iter().any(|by| frame_offsets::told(by).is_some())
    {
        return Need::Numbers;
    }
    let has_row = !matches!(start, Following(_)) && !matches!(end, Preceding(_));
    match call.fun.name() {
        "first_value" if has_row && is_open(start) => Need::SoFar,
        "last_value" if has_row && is_open(end) => Need::Whole,
        "first_value" if has_row && *start == CurrentRow => Need::Peers,
        "last_value" if has_row && *end == CurrentRow => Need::Peers,
        _ => Need::Numbers,
    }
}

/// What a call needs whose frame leaves rows out.
fn of_excluding(call: &WindowFunction, only_itself: bool) -> Need {
    let by_row = call.params.window_frame.units == WindowFrameUnits::Rows;
    if counts(call) {
        return of_frame(call);
    }
    match by_row && (is_aggregate(call) || shows_order(call)) || shows_order(call) {
        false => Need::None,
        true if by_row && only_itself => Need::Order,
        true => Need::Numbers,
    }
}

fn is_open(bound: &WindowFrameBound) -> bool {
    matches!(bound, WindowFrameBound::Preceding(n) | WindowFrameBound::Following(n) if n.is_null())
}

fn has_offset(bound: &WindowFrameBound) -> bool {
    !is_open(bound) && *bound != WindowFrameBound::CurrentRow
}

fn is_whole(frame: &WindowFrame) -> bool {
    is_open(&frame.start_bound) && is_open(&frame.end_bound)
}

fn of_rows(end: WindowFrameBound) -> WindowFrame {
    WindowFrame::new_bounds(WindowFrameUnits::Rows, WindowFrameBound::Preceding(ScalarValue::UInt64(None)), end)
}

/// A call, settled.
enum Settled {
    AsItIs,
    Ordered(WindowFunction),
    /// It takes peers in this order.
    Numbered(WindowFunction, Vec<SortExpr>),
}

/// A call with what it needs for its rows to come in an order.
fn settled_call(expr: &Expr, more: &[SortExpr]) -> Settled {
    let Some(call) = called(expr) else { return Settled::AsItIs };
    let mut order = call.params.order_by.clone();
    // What is equal within a partition does not order it.
    let more: Vec<SortExpr> = more.iter().filter(|by| !call.params.partition_by.contains(&by.expr)).cloned().collect();
    add(&mut order, &more);
    if order.len() == call.params.order_by.len() {
        return Settled::AsItIs;
    }
    let mut call = call.clone();
    let params = &mut call.params;
    let last = || WindowFrameBound::Following(ScalarValue::UInt64(None));
    match need(expr) {
        Need::None => return Settled::AsItIs,
        Need::Order => params.order_by = order,
        Need::Whole => {
            params.order_by = order;
            params.window_frame = of_rows(last());
        }
        Need::SoFar => {
            params.order_by = order;
            params.window_frame = of_rows(WindowFrameBound::CurrentRow);
        }
        Need::Peers => {
            let peers = std::mem::take(&mut params.order_by);
            order.retain(|by| !peers.iter().any(|peer| peer.expr == by.expr));
            params.partition_by.extend(peers.into_iter().map(|by| by.expr));
            params.order_by = order;
            params.window_frame = of_rows(last());
        }
        Need::Numbers => {
            let is_in_turn = |arg: &Expr| matches!(arg, Expr::ScalarFunction(f) if f.name() == IN_TURN);
            let is_settled = params.args.first().is_none_or(is_in_turn);
            return if is_settled { Settled::AsItIs } else { Settled::Numbered(call, order) };
        }
    }
    Settled::Ordered(call)
}

/// Calls that are sorted alike, over rows that are numbered in an order that theirs is the beginning of.
fn in_turns(calls: Vec<Expr>, order: Vec<SortExpr>, plan: LogicalPlan) -> DfResult<LogicalPlan> {
    let is_taken = |name: &String| plan.schema().has_column_with_unqualified_name(name);
    let name = (0..).map(|i: usize| format!("{TURN}{i}")).find(|name| !is_taken(name)).unwrap_or_default();
    let mut number = WindowFunction::new(WindowFunctionDefinition::WindowUDF(row_number_udwf()), vec![]);
    // What they tell of a frame is of that of the calls.
    let is_marker =
        |by: &Expr| frame_offsets::told(by).is_some() || matches!(by, Expr::ScalarFunction(f) if excluding::is_marker(f.name()));
    let partition = calls.first().and_then(called).map(|call| call.params.partition_by.clone()).unwrap_or_default();
    number.params.partition_by = partition.into_iter().filter(|by| !is_marker(by)).collect();
    number.params.order_by = order;
    number.params.window_frame = of_rows(WindowFrameBound::CurrentRow);
    let numbered = Window::try_new(vec![Expr::from(number).alias(&name)], Arc::new(plan))?;
    let number = Expr::Column(Column::from_name(name));
    let in_turn = |expr: Expr| {
        Ok(match expr {
            Expr::WindowFunction(mut call) => {
                if let Some(arg) = call.params.args.first_mut() {
                    *arg = in_turn().call(vec![std::mem::take(arg), number.clone()]);
                }
                Transformed::yes(Expr::WindowFunction(call))
            }
            other => Transformed::no(other),
        })
    };
    let calls = calls.into_iter().map(|call| Ok(call.transform_up(in_turn)?.data)).collect::<DfResult<Vec<_>>>()?;
    // What calls of one window have in common is computed below all windows that stand on one another: the number must not be among those.
    let columns: Vec<Expr> = numbered.schema.columns().into_iter().map(Expr::Column).collect();
    let numbered = LogicalPlanBuilder::from(LogicalPlan::Window(numbered)).project(columns)?.build()?;
    Ok(LogicalPlan::Window(Window::try_new(calls, Arc::new(numbered))?))
}
