//! In what order values are gathered: as their rows came.
//!
//! `array_agg(v)` has no order of its own (manual, chapter 9.21); PostgreSQL takes the rows as it reads them. Here a view, which folds changes as
//! they come, must have what its query has, however either is cut into batches and partitions. So what array_agg, string_agg, the json
//! aggregates, any_value, first_value and last_value take, and the window functions that count rows where OVER has no ORDER BY, come in an order
//! that is told by the rows themselves ([`rows`]):
//!
//! - of a stream, in the order of its events; of a table, in that of its primary key, or of their insertion where it has none;
//! - of a join, in that of its left side, and for each of those rows in that of the right one;
//! - the elements of an array that is unnested, in that of the array, for each row.
//!
//! An order that is written comes first, and this one settles its ties. What is read of anything else (a materialized view, a grouping, a set
//! operation) has no such order, and its values come in their own. What reads no relation (VALUES, system relations) is taken as it comes.
//!
//! [`Arrivals`] is an analyzer rule, which queries and views have in common: it adds what tells the order to the ORDER BY of the call, and the
//! columns that it needs to the plan below. Cost: a query sorts the rows of each group, which a scan has in order already but for its
//! partitions; a view keeps some nine bytes more for each row of a group.
//!
//! Invariant: the rule leaves its own output alone, because a plan is analyzed again before it runs.

mod rows;

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::functions_aggregate::array_agg::ArrayAgg;
use datafusion::functions_aggregate::first_last::first_value_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, NullTreatment, WindowFunction};
use datafusion::logical_expr::{
    Aggregate, Cast, Expr, ExprSchemable, Limit, LogicalPlan, LogicalPlanBuilder, SortExpr, Window, WindowFrame, WindowFrameBound,
    WindowFrameUnits, WindowFunctionDefinition,
};
use datafusion::optimizer::AnalyzerRule;

use self::rows::{add, arranged, is_relation};
use crate::func::{APART, excluding};

/// Aggregates whose answer tells the order of all their rows.
const GATHERING: [&str; 2] = ["array_agg", "string_agg"];
/// Those whose answer is of one row, of which there must be one.
const PICKING: [&str; 3] = ["first_value", "last_value", "nth_value"];
const ANY: &str = "any_value";
/// Window functions that count rows.
const COUNTING: [&str; 7] = ["row_number", "ntile", "lag", "lead", "first_value", "last_value", "nth_value"];

/// The rule; see the head of this module.
#[derive(Debug)]
pub struct Arrivals;

impl AnalyzerRule for Arrivals {
    fn name(&self) -> &str {
        "arrivals"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> DfResult<LogicalPlan> {
        let arrive = |node: LogicalPlan| match node {
            LogicalPlan::Aggregate(aggregate) if aggregate.aggr_expr.iter().any(tells_order) => aggregated(aggregate),
            LogicalPlan::Window(window) => windowed(window),
            other => Ok(Transformed::no(other)),
        };
        Ok(plan.transform_up_with_subqueries(arrive)?.data)
    }
}

/// Puts the rule into a session, where subqueries are still as they were written.
pub fn register(mut builder: SessionStateBuilder) -> SessionStateBuilder {
    if let Some(analyzer) = builder.analyzer() {
        let at = analyzer.rules.iter().position(|rule| rule.name() == "subqueries").unwrap_or(0);
        analyzer.rules.insert(at, Arc::new(Arrivals));
    }
    builder
}

/// A plan whose rows have no order, whatever those below have: the query of a materialized view, which is read instead of the view.
pub fn fenced(plan: LogicalPlan) -> LogicalPlan {
    LogicalPlan::Limit(Limit { skip: None, fetch: None, input: Arc::new(plan) })
}

/// The function of an aggregate call, if the answer depends on the order of rows.
fn order_sensitive(call: &AggregateFunction) -> Option<&str> {
    let name = call.func.name();
    // DataFusion's own is of what our rules have put there, for which the order is all the same.
    let is_ours = name != "array_agg" || !call.func.inner().is::<ArrayAgg>();
    let is_told = name == ANY || GATHERING.contains(&name) || PICKING.contains(&name);
    (is_told && is_ours && !call.params.distinct).then_some(name)
}

fn tells_order(expr: &Expr) -> bool {
    match expr {
        Expr::Alias(alias) => tells_order(&alias.expr),
        Expr::AggregateFunction(call) => order_sensitive(call).is_some(),
        _ => false,
    }
}

/// What is known of the rows that calls are of.
struct Input<'a> {
    order: Vec<SortExpr>,
    total: bool,
    /// True if they are of relations.
    read: bool,
    schema: &'a DFSchema,
}

fn aggregated(aggregate: Aggregate) -> DfResult<Transformed<LogicalPlan>> {
    let rows = arranged(&aggregate.input);
    let order = rows.order.into_iter().filter(|by| !aggregate.group_expr.contains(&by.expr)).collect();
    let input = Input { order, total: rows.total, read: reads(&aggregate.input)?, schema: rows.plan.schema() };
    let first = aggregate.schema.fields().len() - aggregate.aggr_expr.len();
    let mut is_changed = false;
    let mut calls = Vec::with_capacity(aggregate.aggr_expr.len());
    for (call, (qualifier, field)) in aggregate.aggr_expr.iter().zip(aggregate.schema.iter().skip(first)) {
        let call = call.clone().transform_up(|expr| Ok(input.ordered(expr)))?;
        is_changed |= call.transformed;
        let alias = call.transformed && !matches!(call.data, Expr::Alias(_));
        calls.push(if alias { call.data.alias_qualified(qualifier.cloned(), field.name()) } else { call.data });
    }
    if !is_changed {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    }
    let plan = Aggregate::try_new(Arc::new(rows.plan), aggregate.group_expr, calls)?;
    Ok(Transformed::yes(LogicalPlan::Aggregate(plan)))
}

impl Input<'_> {
    /// A call with the order of the rows behind its own.
    fn ordered(&self, expr: Expr) -> Transformed<Expr> {
        let Expr::AggregateFunction(mut call) = expr else { return Transformed::no(expr) };
        let changed = match order_sensitive(&call) {
            Some(ANY) => return self.first(call),
            // There is no saying which of several rows is the first, if not by the order that is written.
            Some(name) if PICKING.contains(&name) => self.total && self.order(&mut call),
            Some(_) => self.order(&mut call),
            None => false,
        };
        Transformed::new_transformed(Expr::AggregateFunction(call), changed)
    }

    /// Adds to the order of a call; true if there was anything to add.
    fn order(&self, call: &mut AggregateFunction) -> bool {
        let (args, order_by) = (&call.params.args, &mut call.params.order_by);
        let marks = order_by.iter().position(is_last);
        let is_told = |value: &Expr| matches!(value, Expr::Literal(..)) || order_by.iter().any(|by| by.expr == *value);
        // Rows that tie in all that is gathered of them are as good as one another.
        if !self.read && marks.is_none() || !order_by.is_empty() && args.iter().all(is_told) {
            return false;
        }
        let before = order_by.clone();
        let last = order_by.split_off(marks.unwrap_or(order_by.len()));
        add(order_by, &self.order);
        if !self.total {
            order_by.extend(last);
        }
        if order_by.is_empty() && !self.total {
            order_by.extend(args.first().and_then(|value| self.by_value(value)));
        }
        before != *order_by
    }

    /// any_value as the first of the values that are there.
    fn first(&self, call: AggregateFunction) -> Transformed<Expr> {
        let mut order = call.params.order_by.clone();
        add(&mut order, &self.order);
        if order.is_empty() {
            order.extend(call.params.args.first().and_then(|value| self.by_value(value)));
        }
        if !self.read || order.is_empty() {
            return Transformed::no(Expr::AggregateFunction(call));
        }
        let params = call.params;
        let first =
            AggregateFunction::new_udf(first_value_udaf(), params.args, false, params.filter, order, Some(NullTreatment::IgnoreNulls));
        Transformed::yes(Expr::AggregateFunction(first))
    }

    /// The order of a value itself; json, which has none, has that of its text.
    fn by_value(&self, value: &Expr) -> Option<SortExpr> {
        let key = match value.get_type(self.schema) {
            Ok(DataType::Null | DataType::Map(..)) => return None,
            Ok(DataType::LargeUtf8) => Expr::Cast(Cast::new(Box::new(value.clone()), DataType::Utf8View)),
            _ => value.clone(),
        };
        Some(key.sort(true, false))
    }
}

/// True for what is to be ordered by only behind the order of the rows: json_object_agg marks it so.
fn is_last(by: &SortExpr) -> bool {
    matches!(&by.expr, Expr::ScalarFunction(call) if call.name() == APART)
}

/// True if rows of relations, or values of a row around, are among what a plan reads.
fn reads(plan: &LogicalPlan) -> DfResult<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= matches!(node, LogicalPlan::TableScan(scan) if is_relation(scan));
        node.apply_expressions(|expr| {
            found |= expr.contains_outer();
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// A window with an order for those of its calls that count rows without one. They are a node of their own, since they are sorted otherwise.
fn windowed(window: Window) -> DfResult<Transformed<LogicalPlan>> {
    if !window.window_expr.iter().any(counts_rows) || !reads(&window.input)? {
        return Ok(Transformed::no(LogicalPlan::Window(window)));
    }
    let rows = arranged(&window.input);
    if !rows.total || rows.order.is_empty() {
        return Ok(Transformed::no(LogicalPlan::Window(window)));
    }
    let (mut ordered, mut others) = (Vec::new(), Vec::new());
    let names = window.schema.iter().skip(window.input.schema().fields().len());
    for (call, (qualifier, field)) in window.window_expr.iter().zip(names) {
        if !counts_rows(call) {
            others.push(call.clone());
            continue;
        }
        let call = call.clone().transform_up(|expr| Ok(Transformed::yes(in_order(expr, &rows.order))))?.data;
        let is_named = matches!(call, Expr::Alias(_));
        ordered.push(if is_named { call } else { call.alias_qualified(qualifier.cloned(), field.name()) });
    }
    let mut plan = rows.plan;
    if !others.is_empty() {
        plan = LogicalPlan::Window(Window::try_new(others, Arc::new(plan))?);
    }
    plan = LogicalPlan::Window(Window::try_new(ordered, Arc::new(plan))?);
    let columns = window.schema.columns().into_iter().map(Expr::Column).collect::<Vec<_>>();
    Ok(Transformed::yes(LogicalPlanBuilder::from(plan).project(columns)?.build()?))
}

/// True for a call whose answer depends on an order of rows that it has not got.
fn counts_rows(expr: &Expr) -> bool {
    match expr {
        Expr::Alias(alias) => counts_rows(&alias.expr),
        Expr::WindowFunction(call) => is_unordered(call),
        _ => false,
    }
}

fn is_unordered(call: &WindowFunction) -> bool {
    let is_marker = |expr: &Expr| matches!(expr, Expr::ScalarFunction(f) if excluding::is_marker(f.name()));
    // Which rows a frame leaves out may depend on there being no order.
    if !call.params.order_by.is_empty() || call.params.partition_by.iter().any(is_marker) {
        return false;
    }
    match &call.fun {
        WindowFunctionDefinition::WindowUDF(function) => COUNTING.contains(&function.name()),
        WindowFunctionDefinition::AggregateUDF(function) => GATHERING.contains(&function.name()) || !is_whole(&call.params.window_frame),
    }
}

/// True for a frame of all rows of the partition: without an order all of them are peers.
fn is_whole(frame: &WindowFrame) -> bool {
    let is_open = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::CurrentRow => false,
        WindowFrameBound::Preceding(n) | WindowFrameBound::Following(n) => n.is_null(),
    };
    frame.units != WindowFrameUnits::Rows || is_open(&frame.start_bound) && is_open(&frame.end_bound)
}

fn in_order(mut expr: Expr, order: &[SortExpr]) -> Expr {
    if let Expr::WindowFunction(call) = &mut expr {
        let params = &mut call.params;
        params.order_by = order.to_vec();
        if is_whole(&params.window_frame) {
            let (first, last) = (ScalarValue::UInt64(None), ScalarValue::UInt64(None));
            let bounds = (WindowFrameBound::Preceding(first), WindowFrameBound::Following(last));
            params.window_frame = WindowFrame::new_bounds(WindowFrameUnits::Rows, bounds.0, bounds.1);
        }
    }
    expr
}
