//! In what order rows are taken where the query does not say it: as they came.
//!
//! `array_agg(v)` has no order of its own (manual, chapter 9.21), and an ORDER BY says nothing of rows that tie in it; PostgreSQL takes the rows
//! as it reads them. Here a view, which folds changes as they come, must have what its query has, however either is cut into batches and
//! partitions. So the rows come in an order that is told by themselves ([`rows`]):
//!
//! - of a stream, in the order of its events; of a table, in that of its primary key, or of their insertion where it has none; of VALUES, as
//!   they are written;
//! - of a join, in that of its left side, and for each of those rows in that of the right one;
//! - the elements of an array that is unnested, in that of the array, for each row.
//!
//! An order that is written comes first, and this one settles its ties. What is read of anything else (a materialized view, a grouping, a set
//! operation) has no such order, and comes in that of values: for an aggregate that of its argument, for a row that of its columns, or of those
//! that are grouped by ([`ties`]). System relations, alone, are taken as they come, and so are the rows of a LIMIT without ORDER BY.
//!
//! It holds for array_agg, string_agg, the json aggregates, any_value, first_value and last_value, for [`windows`], for ORDER BY .. LIMIT and for
//! DISTINCT ON.
//!
//! [`Arrivals`] is an analyzer rule, which queries and views have in common: it adds what tells the order to the ORDER BY of the call, and the
//! columns that it needs to the plan below. Cost: a query sorts the rows of each group, which a scan has in order already but for its
//! partitions; a view keeps some nine bytes more for each row of a group.
//!
//! Invariant: the rule leaves its own output alone, because a plan is analyzed again before it runs. (What stands in an order twice by then is left
//! out of it by [`crate::func`]'s rule for orders.)

mod rows;
mod ties;
mod windows;

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result as DfResult};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::functions_aggregate::array_agg::ArrayAgg;
use datafusion::functions_aggregate::first_last::first_value_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, NullTreatment};
use datafusion::logical_expr::{Aggregate, Distinct, Expr, Limit, LogicalPlan, SortExpr};
use datafusion::optimizer::AnalyzerRule;

use self::rows::{add, arranged, is_relation};
use self::ties::{apart, by_value};
use crate::func::APART;

/// Aggregates whose answer tells the order of all their rows.
const GATHERING: [&str; 2] = ["array_agg", "string_agg"];
/// Those whose answer is of one row, of which there must be one.
const PICKING: [&str; 3] = ["first_value", "last_value", "nth_value"];
const ANY: &str = "any_value";

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
            LogicalPlan::Window(window) => windows::windowed(window),
            LogicalPlan::Limit(limit) => ties::limited(limit),
            LogicalPlan::Distinct(Distinct::On(distinct)) => ties::picked(distinct),
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
            Some(name) if PICKING.contains(&name) && !self.total && call.params.order_by.is_empty() => false,
            Some(_) => self.order(&mut call),
            None => false,
        };
        Transformed::new_transformed(Expr::AggregateFunction(call), changed)
    }

    /// Adds to the order of a call; true if there was anything to add.
    fn order(&self, call: &mut AggregateFunction) -> bool {
        let (args, order_by) = (&call.params.args, &mut call.params.order_by);
        let marks = order_by.iter().position(is_last);
        let is_ordered = |value: &Expr| order_by.iter().any(|by| by.expr == *value) && apart(value, self.schema).is_none();
        let is_told = |value: &Expr| matches!(value, Expr::Literal(..)) || is_ordered(value);
        // Rows that tie in all that is gathered of them are as good as one another.
        if !self.read && !self.total && marks.is_none() || !order_by.is_empty() && args.iter().all(is_told) {
            return false;
        }
        let before = order_by.clone();
        let last = order_by.split_off(marks.unwrap_or(order_by.len()));
        add(order_by, &self.order);
        if !self.total {
            order_by.extend(last);
        }
        if marks.is_none() {
            self.add_value(order_by, args);
        }
        before != *order_by
    }

    /// any_value as the first of the values that are there.
    fn first(&self, call: AggregateFunction) -> Transformed<Expr> {
        let mut order = call.params.order_by.clone();
        add(&mut order, &self.order);
        self.add_value(&mut order, &call.params.args);
        if !self.read && !self.total || order.is_empty() {
            return Transformed::no(Expr::AggregateFunction(call));
        }
        let params = call.params;
        let first =
            AggregateFunction::new_udf(first_value_udaf(), params.args, false, params.filter, order, Some(NullTreatment::IgnoreNulls));
        Transformed::yes(Expr::AggregateFunction(first))
    }

    /// Adds what is gathered itself, where rows may tie in their order.
    fn add_value(&self, order: &mut Vec<SortExpr>, args: &[Expr]) {
        let Some(value) = args.first().filter(|_| !self.total) else { return };
        let is_ordered = order.iter().any(|by| by.expr == *value);
        let by = if is_ordered { apart(value, self.schema) } else { by_value(value, self.schema) };
        add(order, by.as_slice());
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
