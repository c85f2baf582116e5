//! The columns by which the rows of a plan can be ordered as they came.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, DFSchema, JoinType, Result as DfResult};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::functions::math::expr_fn::abs;
use datafusion::logical_expr::{
    Expr, ExprSchemable, Join, LogicalPlan, Projection, Sort, SortExpr, SubqueryAlias, TableScan, TableScanBuilder, Unnest, Values, lit,
};

use crate::catalog::{Relation, RelationKind};
use crate::data::{OFFSET, ROW};
use crate::func::{ORDINALS, array_ordinals, type_of};
use crate::plan::names::stored_schema;
use crate::serve::provider::RelationProvider;
use crate::serve::secured::SecuredProvider;

/// How the columns begin that are added to projections, and to what an unnest expands.
const ARRIVAL: &str = "__arrival_";
const ORDINAL: &str = "__ordinal_";

/// A plan as it was given, with columns added where its rows need them for their order.
pub struct Rows {
    /// The plan.
    pub plan: LogicalPlan,
    /// The order, in columns of the plan.
    pub order: Vec<SortExpr>,
    /// True if no two rows tie in it.
    pub total: bool,
}

impl Rows {
    /// Rows of which nothing is known.
    fn unknown(plan: &LogicalPlan) -> Rows {
        Rows { plan: plan.clone(), order: vec![], total: false }
    }

    /// One row.
    fn single(plan: &LogicalPlan) -> Rows {
        Rows { plan: plan.clone(), order: vec![], total: true }
    }
}

/// The rows of a plan, with their order as far as it is known.
pub fn arranged(plan: &LogicalPlan) -> Rows {
    // A node that cannot be made anew has no order, which is as good for a query as for a view.
    known(plan).unwrap_or_else(|_| Rows::unknown(plan))
}

fn known(plan: &LogicalPlan) -> DfResult<Rows> {
    match plan {
        LogicalPlan::TableScan(scan) => scanned(scan),
        LogicalPlan::Values(values) => listed(values),
        LogicalPlan::EmptyRelation(empty) if empty.produce_one_row => Ok(Rows::single(plan)),
        LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() => Ok(Rows::single(plan)),
        LogicalPlan::Filter(filter) => handed_on(plan, &filter.input),
        LogicalPlan::Window(window) => handed_on(plan, &window.input),
        // One without either is a fence: see `super::fenced`.
        LogicalPlan::Limit(limit) if limit.skip.is_some() || limit.fetch.is_some() => handed_on(plan, &limit.input),
        LogicalPlan::Sort(sort) => sorted(sort),
        LogicalPlan::Projection(projection) => projected(projection),
        LogicalPlan::SubqueryAlias(alias) => aliased(alias),
        LogicalPlan::Subquery(lateral) => {
            let Rows { plan, order, total } = arranged(&lateral.subquery);
            Ok(Rows { plan: LogicalPlan::Subquery(lateral.with_plan(Arc::new(plan))), order, total })
        }
        LogicalPlan::Join(join) => joined(plan, join),
        LogicalPlan::Unnest(unnest) => unnested(unnest),
        other => Ok(Rows::unknown(other)),
    }
}

/// True for a scan of a stream, a table or a materialized view.
pub fn is_relation(scan: &TableScan) -> bool {
    let is_one = |provider: Arc<dyn TableProvider>| {
        provider.downcast_ref::<RelationProvider>().is_some() || provider.downcast_ref::<SecuredProvider>().is_some()
    };
    source_as_provider(&scan.source).is_ok_and(is_one)
}

/// The columns that tell the rows of a relation apart, in their order; none for a materialized view.
fn identity(relation: &Relation) -> Vec<&str> {
    match relation.kind {
        RelationKind::Stream => vec![OFFSET],
        RelationKind::Table if !relation.key.is_empty() => relation.key.iter().map(|k| relation.columns[*k].name.as_str()).collect(),
        RelationKind::Table if relation.ksql.is_none() => vec![ROW],
        _ => vec![],
    }
}

fn scanned(scan: &TableScan) -> DfResult<Rows> {
    let given = LogicalPlan::TableScan(scan.clone());
    let Ok(provider) = source_as_provider(&scan.source) else { return Ok(Rows::unknown(&given)) };
    let Some(provider) = provider.downcast_ref::<RelationProvider>() else { return Ok(Rows::unknown(&given)) };
    let names = identity(&provider.relation);
    if names.is_empty() {
        return Ok(Rows::unknown(&given));
    }
    let (mut source, mut schema) = (Arc::clone(&scan.source), provider.schema.clone());
    let seen = schema.fields().len();
    if names.iter().any(|name| schema.index_of(name).is_err()) {
        let stored = stored_schema(&provider.relation, true);
        if stored.fields().get(..seen) != Some(&schema.fields()[..]) {
            return Ok(Rows::unknown(&given));
        }
        schema = stored;
        source = provider_as_source(Arc::new(RelationProvider { relation: provider.relation.clone(), schema: schema.clone() }));
    }
    let mut columns = scan.projection.clone().unwrap_or_else(|| (0..seen).collect());
    let width = columns.len();
    for name in &names {
        let at = schema.index_of(name)?;
        if !columns.contains(&at) {
            columns.push(at);
        }
    }
    let order = names.iter().flat_map(|name| ordered_by(Expr::Column(Column::new(Some(scan.table_name.clone()), *name)), name)).collect();
    let plan = if columns.len() == width {
        given
    } else {
        let scan = TableScanBuilder::new(scan.table_name.clone(), source)
            .with_projection(Some(columns))
            .with_filters(scan.filters.clone())
            .with_fetch(scan.fetch);
        LogicalPlan::TableScan(scan.build()?)
    };
    Ok(Rows { plan, order, total: true })
}

fn ordered_by(column: Expr, name: &str) -> Vec<SortExpr> {
    let ascending = |expr: Expr| expr.sort(true, false);
    if name != ROW {
        return vec![ascending(column)];
    }
    // Rows that the transaction has not committed yet have numbers below zero, the later the lower.
    vec![ascending(column.clone().lt(lit(0i64))), ascending(abs(column))]
}

/// The rows of VALUES, as they are written: their numbers are one more column.
fn listed(values: &Values) -> DfResult<Rows> {
    let numbered = |(row, n): (&Vec<Expr>, i64)| row.last().is_some_and(|last| *bare(last) == lit(n));
    // They are numbered already if the plan is analyzed again.
    let plan = match values.values.iter().zip(0i64..).all(numbered) {
        true => LogicalPlan::Values(values.clone()),
        false => {
            let with_number = |(row, n): (&Vec<Expr>, i64)| row.iter().cloned().chain([lit(n)]).collect();
            type_of::values(values.values.iter().zip(0i64..).map(with_number).collect())?
        }
    };
    let number = Expr::Column(Column::from(plan.schema().qualified_field(plan.schema().fields().len() - 1)));
    Ok(Rows { plan, order: vec![number.sort(true, false)], total: true })
}

/// A node that has the columns of its input among its own.
fn handed_on(node: &LogicalPlan, input: &LogicalPlan) -> DfResult<Rows> {
    let Rows { plan, order, total } = arranged(input);
    Ok(Rows { plan: node.with_new_exprs(node.expressions(), vec![plan])?, order, total })
}

/// Rows in an order that was asked for; those that tie in it are in that of the input.
fn sorted(sort: &Sort) -> DfResult<Rows> {
    let Rows { plan, order, total } = arranged(&sort.input);
    let mut first = sort.expr.clone();
    add(&mut first, &order);
    let plan = LogicalPlan::Sort(Sort { expr: sort.expr.clone(), input: Arc::new(plan), fetch: sort.fetch });
    Ok(Rows { plan, order: first, total })
}

/// Adds to an order what it does not order by yet.
pub fn add(order: &mut Vec<SortExpr>, more: &[SortExpr]) {
    for by in more {
        if !order.iter().any(|known| known.expr == by.expr) {
            order.push(by.clone());
        }
    }
}

fn projected(projection: &Projection) -> DfResult<Rows> {
    let rows = arranged(&projection.input);
    let mut exprs = projection.expr.clone();
    let places = places(&mut exprs, &rows.order, |name| projection.schema.has_column_with_unqualified_name(name));
    let plan = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(rows.plan))?);
    Ok(Rows { order: at_places(&rows.order, &plan, &places), total: rows.total, plan })
}

/// Where among these expressions is what is ordered by; what is not among them is added, under a name that is not taken.
fn places(exprs: &mut Vec<Expr>, order: &[SortExpr], is_taken: impl Fn(&str) -> bool) -> Vec<usize> {
    let mut names = (0..).map(|i: usize| format!("{ARRIVAL}{i}")).filter(|name| !is_taken(name));
    let mut places = Vec::with_capacity(order.len());
    for by in order {
        let place = exprs.iter().position(|expr| *bare(expr) == by.expr).unwrap_or(exprs.len());
        if place == exprs.len() {
            exprs.push(by.expr.clone().alias(names.next().unwrap_or_default()));
        }
        places.push(place);
    }
    places
}

/// An expression without its aliases.
pub fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => bare(&alias.expr),
        other => other,
    }
}

/// The order in the columns of a plan that stand at these places.
fn at_places(order: &[SortExpr], plan: &LogicalPlan, places: &[usize]) -> Vec<SortExpr> {
    let column = |place: &usize| Expr::Column(Column::from(plan.schema().qualified_field(*place)));
    order.iter().zip(places).map(|(by, place)| by.with_expr(column(place))).collect()
}

fn aliased(alias: &SubqueryAlias) -> DfResult<Rows> {
    let rows = arranged(&alias.input);
    let mut exprs: Vec<Expr> = rows.plan.schema().columns().into_iter().map(Expr::Column).collect();
    let width = exprs.len();
    let places = places(&mut exprs, &rows.order, |name| rows.plan.schema().has_column_with_unqualified_name(name));
    let input = if exprs.len() > width { LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(rows.plan))?) } else { rows.plan };
    let plan = LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())?);
    Ok(Rows { order: at_places(&rows.order, &plan, &places), total: rows.total, plan })
}

/// A join has the order of its left side, and for each of its rows that of the right one.
fn joined(node: &LogicalPlan, join: &Join) -> DfResult<Rows> {
    // Of one side only it is asked whether there are such rows.
    let (left, right) = match join.join_type {
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => (arranged(&join.left), arranged(&join.right)),
        JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => (arranged(&join.left), Rows::single(&join.right)),
        JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => (Rows::single(&join.left), arranged(&join.right)),
    };
    let mut order = left.order;
    add(&mut order, &right.order);
    let plan = node.with_new_exprs(node.expressions(), vec![left.plan, right.plan])?;
    Ok(Rows { plan, order, total: left.total && right.total })
}

/// The elements of an array have its order within each row.
fn unnested(unnest: &Unnest) -> DfResult<Rows> {
    let from: &DFSchema = unnest.input.schema();
    let is_list = |column: &Column| Expr::Column(column.clone()).get_type(from).is_ok_and(|ty| matches!(ty, DataType::List(_)));
    let is_plain = unnest.list_type_columns.iter().all(|(_, list)| list.depth == 1) && unnest.exec_columns.iter().all(is_list);
    if !is_plain || !unnest.struct_type_columns.is_empty() {
        return Ok(Rows::unknown(&LogicalPlan::Unnest(unnest.clone())));
    }
    let rows = arranged(&unnest.input);
    let mut exprs: Vec<Expr> = rows.plan.schema().columns().into_iter().map(Expr::Column).collect();
    let is_taken = |name: &String| rows.plan.schema().has_column_with_unqualified_name(name);
    let mut names = (0..).map(|i: usize| format!("{ARRIVAL}{i}")).filter(|name| !is_taken(name));
    let mut order: Vec<SortExpr> = Vec::with_capacity(rows.order.len() + 1);
    for by in &rows.order {
        // What is unnested is called as the array was, and is another value.
        if matches!(&by.expr, Expr::Column(column) if !unnest.exec_columns.contains(column)) {
            order.push(by.clone());
            continue;
        }
        let name = names.next().unwrap_or_default();
        exprs.push(by.expr.clone().alias(&name));
        order.push(by.with_expr(Expr::Column(Column::from_name(name))));
    }
    let mut exec_columns = unnest.exec_columns.clone();
    let ordinal = match numbered(unnest) {
        Some(column) => column,
        None => {
            let name = (0..).map(|i: usize| format!("{ORDINAL}{i}")).find(|name| !is_taken(name)).unwrap_or_default();
            let lists = unnest.exec_columns.iter().cloned().map(Expr::Column).collect();
            exprs.push(array_ordinals().call(lists).alias(&name));
            exec_columns.push(Column::from_name(&name));
            Column::from_name(name)
        }
    };
    order.push(Expr::Column(ordinal).sort(true, false));
    let input = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(rows.plan))?);
    let plan = LogicalPlan::Unnest(Unnest::try_new(Arc::new(input), exec_columns, unnest.options.clone())?);
    Ok(Rows { plan, order, total: rows.total })
}

/// The column that numbers the elements already, as of WITH ORDINALITY.
fn numbered(unnest: &Unnest) -> Option<Column> {
    let LogicalPlan::Projection(below) = unnest.input.as_ref() else { return None };
    let is_number = |expr: &Expr| matches!(bare(expr), Expr::ScalarFunction(call) if call.name() == ORDINALS);
    let mut lists = unnest.list_type_columns.iter();
    let (_, list) = lists.find(|(at, _)| below.expr.get(*at).is_some_and(is_number))?;
    Some(list.output_column.clone())
}
