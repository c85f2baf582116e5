//! By what values are ordered and told apart, where arrow does it otherwise than PostgreSQL.
//!
//! Comparisons are mended one by one ([`super::rewrite`]). Sorts, windows and whatever hashes take their values as they are, and get another
//! one in their place here:
//!
//! - *Intervals* are ordered, grouped and joined by their length ([`length`]): a day is 24 hours. Where a group shows the interval it is of,
//!   that is the one of its intervals with the most months, then the most days; PostgreSQL shows the one that it met first. What array_agg
//!   collects of distinct intervals is put in order behind it, one of those that are equal, as of jsonb.
//! - *Floats* are ordered with -0 as 0. Whatever hashes knows that, but not in arrays, and PARTITION BY compares neighbours: they get
//!   floats of which equal ones have the same bits. So a key of a group, and a row of DISTINCT or UNION, shows 0 for -0; PostgreSQL shows what it
//!   met first. What is one of the values themselves keeps its sign: of both zeros max shows 0 and min -0 ([`super::extremes`]), and EXCEPT and
//!   INTERSECT show 0 ([`super::setops`]).
//! - *jsonb* is ordered, grouped and joined by its keys ([`jsonb_order`]), so that a number's decimals count for nothing. A group shows the
//!   last of its values in the order of texts; PostgreSQL shows the one that it met first. What array_agg collects of distinct values is put in
//!   order behind it.
//! - *tids* are ordered by their numbers.
//! - *Arrays* and *rows* are ordered by [`arrays::key`]; those of intervals and of jsonb, and rows of floats, are grouped and joined by it too,
//!   and a group shows the one that is last by [`exact::key`]. arrow puts a NULL among the elements where it puts a NULL instead of the array; to
//!   PostgreSQL it is larger than any other element, whatever NULLS FIRST says.
//!
//! min() and max() of intervals become the first of them by their length.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, IntervalUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, JoinConstraint, Result as DfResult, ScalarValue};
use datafusion::functions_aggregate::first_last::first_value_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, InSubquery, WindowFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, ExprSchemable, GroupingSet, LogicalPlan, LogicalPlanBuilder, ScalarUDF, SortExpr, Window, WindowFrameBound,
    WindowFrameUnits, lit, when,
};
use datafusion::optimizer::AnalyzerRule;
use hashbrown::HashSet;

use super::length;
use super::scalar::{arrays, exact, jsonb_order, math, system_columns};
use super::setops::{is_set_operation, shown_first};
use super::subquery::outer_columns;

/// The rule; see the head of this module.
#[derive(Debug)]
pub struct Keys;

impl AnalyzerRule for Keys {
    fn name(&self) -> &str {
        "keys"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> DfResult<LogicalPlan> {
        // Joins come first, since the DISTINCT by which one is known is gone afterwards.
        let plan = plan.transform_up_with_subqueries(joined)?.data;
        Ok(plan.transform_up_with_subqueries(keyed)?.data)
    }
}

/// What stands for a value where equal ones must be the same; `None` where the value does.
fn identity(expr: &Expr, schema: &DFSchema) -> Option<Expr> {
    match expr.get_type(schema) {
        Ok(DataType::Interval(IntervalUnit::MonthDayNano)) => Some(length::of(expr.clone())),
        Ok(ty @ DataType::List(_)) if math::has_twins(&ty) => (!is_one(expr)).then(|| math::one_zero().call(vec![expr.clone()])),
        Ok(ty @ (DataType::List(_) | DataType::Struct(_))) if exact::may_differ(&ty) => Some(arrays::key().call(vec![expr.clone()])),
        Ok(DataType::LargeUtf8) if jsonb_order::is_jsonb(expr, schema) => Some(jsonb_order::key().call(vec![expr.clone()])),
        _ => None,
    }
}

fn is_interval(expr: &Expr, schema: &DFSchema) -> bool {
    matches!(expr.get_type(schema), Ok(DataType::Interval(IntervalUnit::MonthDayNano)))
}

/// True for what is the one of its equals already.
fn is_one(expr: &Expr) -> bool {
    match expr {
        Expr::Alias(alias) => is_one(&alias.expr),
        Expr::ScalarFunction(f) => f.name() == math::ONE_ZERO,
        _ => false,
    }
}

/// What stands for a value in an order; `None` where the value does.
fn order(expr: &Expr, schema: &DFSchema) -> Option<Expr> {
    match expr.get_type(schema) {
        Ok(DataType::Float32 | DataType::Float64) if !is_one(expr) => Some(math::one_zero().call(vec![expr.clone()])),
        Ok(DataType::Interval(IntervalUnit::MonthDayNano) | DataType::LargeUtf8) => identity(expr, schema),
        Ok(DataType::List(_) | DataType::Struct(_)) => Some(arrays::key().call(vec![expr.clone()])),
        Ok(DataType::Utf8View) if system_columns::is_tid(expr, schema) => Some(system_columns::key().call(vec![expr.clone()])),
        _ => None,
    }
}

fn identify(expr: &mut Expr, schema: &DFSchema) {
    if let Some(key) = identity(expr, schema) {
        *expr = key;
    }
}

fn order_by(order_by: &mut [SortExpr], schema: &DFSchema) {
    for by in order_by {
        if let Some(key) = order(&by.expr, schema) {
            by.expr = key;
        }
    }
}

/// Joins by pairs of columns: USING, and INTERSECT and EXCEPT where an interval or a jsonb of one side is to be shown, unless they count their rows
/// or name the row around on the right, where DataFusion lets no semi join do so ([`super::setops`]).
fn joined(plan: LogicalPlan) -> DfResult<Transformed<LogicalPlan>> {
    let LogicalPlan::Join(mut join) = plan else { return Ok(Transformed::no(plan)) };
    let is_distinct = matches!(join.left.as_ref(), LogicalPlan::Distinct(Distinct::All(_)));
    let is_shown = |value: &Expr| is_interval(value, join.left.schema()) || jsonb_order::is_jsonb(value, join.left.schema());
    let is_keyed = is_distinct && join.on.iter().any(|(left, _)| is_shown(left));
    if is_set_operation(&join) && !(is_keyed && outer_columns(&join.right)?.is_empty()) {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    }
    for (left, right) in &mut join.on {
        if let (Some(l), Some(r)) = (identity(left, join.left.schema()), identity(right, join.right.schema())) {
            (*left, *right) = (l, r);
            // USING is of columns.
            join.join_constraint = JoinConstraint::On;
        }
    }
    Ok(Transformed::yes(LogicalPlan::Join(join)))
}

fn keyed(plan: LogicalPlan) -> DfResult<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Sort(mut sort) => {
            order_by(&mut sort.expr, sort.input.schema());
            Ok(Transformed::yes(LogicalPlan::Sort(sort)))
        }
        LogicalPlan::Distinct(Distinct::On(mut on)) => {
            // The order begins with what is distinct, in the same words.
            let schema = on.input.schema().clone();
            for expr in &mut on.on_expr {
                *expr = order(expr, &schema).unwrap_or_else(|| expr.clone());
            }
            if let Some(by) = &mut on.sort_expr {
                order_by(by, &schema);
            }
            Ok(Transformed::yes(LogicalPlan::Distinct(Distinct::On(on))))
        }
        LogicalPlan::Distinct(Distinct::All(input)) => {
            let columns: Vec<Expr> = input.schema().columns().into_iter().map(Expr::Column).collect();
            if columns.iter().all(|column| identity(column, input.schema()).is_none()) {
                return Ok(Transformed::no(LogicalPlan::Distinct(Distinct::All(input))));
            }
            Ok(Transformed::yes(grouped(Aggregate::try_new(input, columns, vec![])?)?))
        }
        LogicalPlan::Aggregate(_) => {
            let LogicalPlan::Aggregate(aggregate) = each(plan, called)? else {
                return datafusion::common::internal_err!("an aggregate is lost");
            };
            let sets = sets(&aggregate);
            sorted(grouped(aggregate)?, &sets).map(Transformed::yes)
        }
        LogicalPlan::Window(_) => {
            let LogicalPlan::Window(window) = each(plan, windowed)? else {
                return datafusion::common::internal_err!("a window is lost");
            };
            partitioned(window).map(Transformed::yes)
        }
        LogicalPlan::Filter(_) | LogicalPlan::Projection(_) | LogicalPlan::Join(_) if has_members(&plan)? => {
            Ok(Transformed::yes(each(plan, member)?))
        }
        other => Ok(Transformed::no(other)),
    }
}

/// Rewrites all expressions of a node, keeping the names of its columns.
pub(super) fn each(plan: LogicalPlan, rewrite: fn(Expr, &DFSchema) -> DfResult<Transformed<Expr>>) -> DfResult<LogicalPlan> {
    let schema = merge_schema(&plan.inputs());
    let names = NamePreserver::new(&plan);
    let named = |expr: Expr| {
        let name = names.save(&expr);
        let rewritten = expr.transform_up(|e| rewrite(e, &schema))?;
        Ok(if rewritten.transformed { rewritten.update_data(|e| name.restore(e)) } else { rewritten })
    };
    let plan = plan.map_expressions(|expr| match expr {
        // Each of its members is a column of its own.
        Expr::GroupingSet(_) => expr.map_children(named),
        expr => named(expr),
    })?;
    Ok(plan.data)
}

fn has_members(plan: &LogicalPlan) -> DfResult<bool> {
    let mut found = false;
    plan.apply_expressions(|expr| {
        found |= expr.exists(|e| Ok(matches!(e, Expr::InSubquery(_))))?;
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// True unless these are arrays or rows whose [`arrays::key`]s are not to be compared.
fn keys_alike(one: &DataType, other: &DataType) -> bool {
    !one.is_nested() || math::has_twins(one) || arrays::have_keys_alike(one, other)
}

/// `x IN (subquery)`: a join, later.
fn member(expr: Expr, schema: &DFSchema) -> DfResult<Transformed<Expr>> {
    let Expr::InSubquery(InSubquery { expr, subquery, negated }) = expr else { return Ok(Transformed::no(expr)) };
    let columns = subquery.subquery.schema().columns();
    let is_jsonb = columns.first().is_some_and(|c| jsonb_order::is_jsonb(&Expr::Column(c.clone()), subquery.subquery.schema()));
    let expr = if is_jsonb { Box::new(jsonb_order::read(*expr)?) } else { expr };
    let found = columns.first().and_then(|column| identity(&Expr::Column(column.clone()), subquery.subquery.schema()));
    let are_alike = columns.is_empty() || keys_alike(&expr.get_type(schema)?, subquery.subquery.schema().field(0).data_type());
    let (Some(key), Some(found), true) = (identity(&expr, schema), found, are_alike) else {
        return Ok(Transformed::no(Expr::InSubquery(InSubquery { expr, subquery, negated })));
    };
    let plan = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone()).project([found])?.build()?;
    let subquery = subquery.with_plan(Arc::new(plan));
    Ok(Transformed::yes(Expr::InSubquery(InSubquery { expr: Box::new(key), subquery, negated })))
}

fn windowed(expr: Expr, schema: &DFSchema) -> DfResult<Transformed<Expr>> {
    let Expr::WindowFunction(mut call) = expr else { return Ok(Transformed::no(expr)) };
    let WindowFunction { params, .. } = call.as_mut();
    let before = params.order_by.clone();
    let frame = &params.window_frame;
    let is_offset = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::CurrentRow => false,
        WindowFrameBound::Preceding(n) | WindowFrameBound::Following(n) => !n.is_null(),
    };
    // A distance is one between the values themselves. Floats keep theirs.
    let is_float = |by: &SortExpr| matches!(by.expr.get_type(schema), Ok(DataType::Float32 | DataType::Float64));
    let measures = frame.units == WindowFrameUnits::Range && (is_offset(&frame.start_bound) || is_offset(&frame.end_bound));
    if !measures || params.order_by.iter().all(is_float) {
        order_by(&mut params.order_by, schema);
    }
    let changed = before != params.order_by;
    Ok(Transformed::new_transformed(Expr::WindowFunction(call), changed))
}

/// The window with what stands for the keys of its partitions in their place. That is computed below it: of an expression in PARTITION BY,
/// DataFusion may not see that it has sorted by it.
fn partitioned(window: Window) -> DfResult<LogicalPlan> {
    let from: &DFSchema = window.input.schema();
    let given = |key: &Expr| match (window.input.as_ref(), key) {
        // The plan is analyzed again, with the projection below.
        (LogicalPlan::Projection(below), Expr::Column(column)) => {
            below.schema.maybe_index_of_column(column).is_some_and(|i| is_one(&below.expr[i]))
        }
        _ => false,
    };
    let mut keys: Vec<Expr> = Vec::new();
    let mut named = |expr: Expr| -> DfResult<Transformed<Expr>> {
        let Expr::WindowFunction(mut call) = expr else { return Ok(Transformed::no(expr)) };
        let mut changed = false;
        for by in call.params.partition_by.iter_mut().filter(|by| !given(by)) {
            let is_float = by.get_type(from).is_ok_and(|ty| ty.is_floating());
            let key = if is_float { order(by, from) } else { identity(by, from) };
            let Some(key) = key else { continue };
            let at = keys.iter().position(|known| *known == key).unwrap_or(keys.len());
            if at == keys.len() {
                keys.push(key);
            }
            *by = Expr::Column(Column::from_name(partition_key(at)));
            changed = true;
        }
        Ok(Transformed::new_transformed(Expr::WindowFunction(call), changed))
    };
    let mut calls = Vec::with_capacity(window.window_expr.len());
    for (call, (qualifier, field)) in window.window_expr.iter().zip(window.schema.iter().skip(from.fields().len())) {
        let call = call.clone().transform_up(&mut named)?;
        let alias = call.transformed && !matches!(call.data, Expr::Alias(_));
        calls.push(if alias { call.data.alias_qualified(qualifier.cloned(), field.name()) } else { call.data });
    }
    if keys.is_empty() {
        return Ok(LogicalPlan::Window(window));
    }
    let keys = keys.into_iter().enumerate().map(|(i, key)| key.alias(partition_key(i)));
    let below = from.columns().into_iter().map(Expr::Column).chain(keys).collect::<Vec<_>>();
    let below = LogicalPlanBuilder::from(window.input.as_ref().clone()).project(below)?.build()?;
    let plan = LogicalPlan::Window(Window::try_new(calls, Arc::new(below))?);
    let columns = window.schema.columns().into_iter().map(Expr::Column).collect::<Vec<_>>();
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}

/// The name of the column that stands for a key of partitions.
fn partition_key(i: usize) -> String {
    format!("__partition_{i}")
}

/// The calls of an aggregate.
fn called(expr: Expr, schema: &DFSchema) -> DfResult<Transformed<Expr>> {
    let Expr::AggregateFunction(mut call) = expr else { return Ok(Transformed::no(expr)) };
    let before = call.params.clone();
    let params = &mut call.params;
    let key = match params.args.as_slice() {
        [value] => identity(value, schema),
        _ => None,
    };
    match (call.func.name(), key) {
        ("min" | "max", Some(key)) => {
            let is_min = call.func.name() == "min";
            // Of arrays that are equal and differ, as of floats, it is the least in the order that tells -0 from 0.
            let value = params.args[0].clone();
            let shown = match value.get_type(schema)? {
                ty if math::has_twins(&ty) => value.sort(is_min, false),
                ty if ty.is_nested() => shown_first(value, &ty),
                _ => value.sort(false, false),
            };
            let by = vec![key.sort(is_min, false), shown];
            let first = AggregateFunction::new_udf(first_value_udaf(), params.args.clone(), false, params.filter.clone(), by, None);
            return Ok(Transformed::yes(Expr::AggregateFunction(first)));
        }
        ("count", _) if params.distinct => params.args.iter_mut().for_each(|value| identify(value, schema)),
        // What it orders by are its arguments.
        _ if params.distinct || call.func.supports_within_group_clause() => {}
        _ => order_by(&mut params.order_by, schema),
    }
    let changed = before != call.params;
    Ok(Transformed::new_transformed(Expr::AggregateFunction(call), changed))
}

/// A column in which an aggregate collects distinct values of which equal ones differ, in what order, and the function that makes it so.
type Set = (Column, SortExpr, Arc<ScalarUDF>);

fn sets(aggregate: &Aggregate) -> Vec<Set> {
    let calls = aggregate.schema.fields().len() - aggregate.aggr_expr.len();
    let mut found = vec![];
    for (i, expr) in aggregate.aggr_expr.iter().enumerate() {
        if let Expr::AggregateFunction(call) = expr.clone().unalias()
            && call.func.name() == "array_agg"
            && call.params.distinct
            && let [value] = call.params.args.as_slice()
            && let Some(sorted) = sorting(value, aggregate.input.schema())
        {
            let by = call.params.order_by.first().cloned().unwrap_or_else(|| value.clone().sort(true, false));
            found.push((Column::from(aggregate.schema.qualified_field(calls + i)), by, sorted));
        }
    }
    found
}

/// What puts lists of such values in order, equal ones once.
fn sorting(value: &Expr, schema: &DFSchema) -> Option<Arc<ScalarUDF>> {
    if jsonb_order::is_jsonb(value, schema) {
        return Some(jsonb_order::sorted());
    }
    is_interval(value, schema).then(length::sorted)
}

/// The same columns, with those sets in order.
fn sorted(plan: LogicalPlan, sets: &[Set]) -> DfResult<LogicalPlan> {
    if sets.is_empty() {
        return Ok(plan);
    }
    let exprs: Vec<Expr> = plan
        .schema()
        .columns()
        .into_iter()
        .map(|column| match sets.iter().find(|(set, ..)| *set == column) {
            Some((_, by, sorted)) => {
                let (relation, name) = (column.relation.clone(), column.name.clone());
                let args = vec![Expr::Column(column), lit(!by.asc), lit(by.nulls_first)];
                sorted.call(args).alias_qualified(relation, name)
            }
            None => Expr::Column(column),
        })
        .collect();
    LogicalPlanBuilder::from(plan).project(exprs)?.build()
}

/// Each once: a key that stands twice in GROUP BY has one column.
fn unique(keys: Vec<Expr>) -> Vec<Expr> {
    let mut seen = HashSet::with_capacity(keys.len());
    keys.into_iter().filter(|key| seen.insert(key.clone())).collect()
}

/// The aggregate with what stands for its keys in their place, and the keys above it.
fn grouped(mut aggregate: Aggregate) -> DfResult<LogicalPlan> {
    let from = aggregate.input.schema().clone();
    let (is_set, keys): (bool, Vec<Expr>) = match aggregate.group_expr.as_slice() {
        [Expr::GroupingSet(sets)] => (true, sets.distinct_expr().into_iter().cloned().collect()),
        keys => (false, unique(keys.to_vec())),
    };
    let keyed: Vec<Option<Expr>> = keys.iter().map(|key| identity(key, &from)).collect();
    if keyed.iter().all(Option::is_none) {
        return Ok(LogicalPlan::Aggregate(aggregate));
    }
    let replace = |expr: &mut Expr| {
        if let Some(key) = keys.iter().position(|key| *key == *expr).and_then(|i| keyed[i].clone()) {
            *expr = key;
        }
    };
    if !is_set {
        aggregate.group_expr.clone_from(&keys);
    }
    match aggregate.group_expr.as_mut_slice() {
        [Expr::GroupingSet(GroupingSet::Rollup(exprs) | GroupingSet::Cube(exprs))] => exprs.iter_mut().for_each(replace),
        [Expr::GroupingSet(GroupingSet::GroupingSets(sets))] => sets.iter_mut().flatten().for_each(replace),
        exprs => exprs.iter_mut().for_each(replace),
    }
    // grouping() names keys.
    let named = |call: Expr| {
        call.transform_up(|e| match e {
            Expr::AggregateFunction(mut call) if call.func.name() == "grouping" => {
                call.params.args.iter_mut().for_each(replace);
                Ok(Transformed::yes(Expr::AggregateFunction(call)))
            }
            other => Ok(Transformed::no(other)),
        })
    };
    let old = aggregate.schema.clone();
    let calls = old.fields().len() - aggregate.aggr_expr.len();
    let mut aggr_expr = Vec::with_capacity(aggregate.aggr_expr.len() + keys.len());
    for (call, (qualifier, field)) in aggregate.aggr_expr.into_iter().zip(old.iter().skip(calls)) {
        let call = named(call)?;
        let alias = call.transformed && !matches!(call.data, Expr::Alias(_));
        aggr_expr.push(if alias { call.data.alias_qualified(qualifier.cloned(), field.name()) } else { call.data });
    }
    let shown = |i: usize| format!("__key_{i}");
    // What is the one of its equals is shown itself.
    let is_shown = |i: usize| keyed.get(i).and_then(Option::as_ref).is_some_and(|key| !is_one(key));
    for (i, key) in keys.iter().enumerate().filter(|(i, _)| is_shown(*i)) {
        let value = key.clone().unalias();
        let by = match value.get_type(from.as_ref())? {
            ty if ty.is_nested() => shown_first(value.clone(), &ty),
            _ => value.clone().sort(false, false),
        };
        let first = AggregateFunction::new_udf(first_value_udaf(), vec![value], false, None, vec![by], None);
        aggr_expr.push(Expr::AggregateFunction(first).alias(shown(i)));
    }
    let plan = LogicalPlan::Aggregate(Aggregate::try_new(aggregate.input, aggregate.group_expr, aggr_expr)?);
    let made = plan.schema().columns();
    // Behind the keys of grouping sets is a number of theirs, which only grouping() needs: it is found below.
    let mut exprs = Vec::with_capacity(old.fields().len());
    for (i, (qualifier, field)) in old.iter().enumerate().filter(|(i, _)| !is_set || *i != keys.len()) {
        let column = Expr::Column(made[i].clone());
        if !is_shown(i) {
            let renamed = keyed.get(i).is_some_and(Option::is_some);
            exprs.push(if renamed { column.alias_qualified(qualifier.cloned(), field.name()) } else { column });
            continue;
        }
        let key = Expr::Column(Column::from_name(shown(i)));
        // Where a set is without the key, its intervals are not to be seen.
        let null = Expr::Literal(ScalarValue::try_from(field.data_type())?, None);
        let key = if is_set { when(column.is_null(), null).otherwise(key)? } else { key };
        exprs.push(key.alias_qualified(qualifier.cloned(), field.name()));
    }
    LogicalPlanBuilder::from(plan).project(exprs)?.build()
}
