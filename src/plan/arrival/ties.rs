//! Which of several rows come first that an order puts beside one another: those of `ORDER BY .. LIMIT`, and the one of `DISTINCT ON`.
//!
//! They come as they arrived. Where that is not known of all rows that are read ([`super::rows`]), rows that arrived alike come in the order of
//! their values, column by column; of a grouping it takes those that it groups by. Then what ties is the same in all that can be seen of it.
//!
//! Cost: a query orders by a column or a few more, and reads them. Nothing is added where what is ordered by tells the rows apart already.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use arrow::row::{RowConverter, SortField};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchema, Result as DfResult};
use datafusion::logical_expr::{
    Cast, Distinct, DistinctOn, Expr, ExprSchemable, Limit, LogicalPlan, Projection, Sort, SortExpr, SubqueryAlias,
};

use super::reads;
use super::rows::{Rows, add, arranged, bare};
use crate::func::{exact_order, may_equals_differ};

/// The rows of a plan in an order in which only such tie as are the same; `None` for what is taken as it comes.
pub fn settled(plan: &LogicalPlan) -> DfResult<Option<Rows>> {
    let mut rows = arranged(plan);
    if rows.total {
        return Ok(Some(rows));
    }
    if !reads(plan)? {
        return Ok(None);
    }
    let schema = plan.schema();
    let all = || (0..schema.fields().len()).collect();
    for at in key(plan).unwrap_or_else(all) {
        let column = Expr::Column(Column::from(schema.qualified_field(at)));
        add(&mut rows.order, by_value(&column, schema).as_slice());
        // Equal values may look otherwise: 0 and -0, a day and 24 hours.
        let ty = schema.field(at).data_type();
        if may_equals_differ(ty) && *ty != DataType::LargeUtf8 {
            add(&mut rows.order, &[exact_order(column, ty).sort(true, false)]);
        }
    }
    Ok(Some(rows))
}

/// The places of the columns that tell the rows of a grouping apart, if a plan shows all of them.
fn key(plan: &LogicalPlan) -> Option<Vec<usize>> {
    match plan {
        LogicalPlan::Aggregate(aggregate) => Some((0..aggregate.schema.fields().len() - aggregate.aggr_expr.len()).collect()),
        LogicalPlan::Filter(filter) => key(&filter.input),
        LogicalPlan::Sort(sort) => key(&sort.input),
        LogicalPlan::Window(window) => key(&window.input),
        LogicalPlan::SubqueryAlias(alias) => key(&alias.input),
        LogicalPlan::Projection(projection) => {
            let from = projection.input.schema();
            let shown = |at: usize| {
                let column = Expr::Column(Column::from(from.qualified_field(at)));
                projection.expr.iter().position(|expr| *bare(expr) == column)
            };
            key(&projection.input)?.into_iter().map(shown).collect()
        }
        // A limit may be the fence around a materialized view, of which nobody knows how it groups where it is read as it stands.
        _ => None,
    }
}

/// The order of a value itself; json, which has none, has that of its text.
pub fn by_value(value: &Expr, schema: &DFSchema) -> Option<SortExpr> {
    let key = match value.get_type(schema) {
        Ok(DataType::Null | DataType::Map(..)) => return None,
        Ok(DataType::LargeUtf8) => Expr::Cast(Cast::new(Box::new(value.clone()), DataType::Utf8View)),
        Ok(ty) if !RowConverter::supports_fields(&[SortField::new(ty.clone())]) => return None,
        _ => value.clone(),
    };
    Some(key.sort(true, false))
}

/// `ORDER BY .. LIMIT`, with the ties settled of what it orders by.
pub fn limited(limit: Limit) -> DfResult<Transformed<LogicalPlan>> {
    let input = match &limit {
        Limit { skip: None, fetch: None, .. } => None,
        limit => first_rows(&limit.input)?,
    };
    Ok(match input {
        Some(input) => Transformed::yes(LogicalPlan::Limit(Limit { input: Arc::new(input), ..limit })),
        None => Transformed::no(LogicalPlan::Limit(limit)),
    })
}

/// The plan, whose first rows are wanted, with more in the order of the sort that is below its projections; `None` if there is nothing to add.
fn first_rows(plan: &LogicalPlan) -> DfResult<Option<LogicalPlan>> {
    Ok(match plan {
        LogicalPlan::Sort(sort) => match sorted(sort)? {
            Some(plan) => Some(LogicalPlan::Projection(Projection::try_new(columns(&sort.input), Arc::new(plan))?)),
            None => None,
        },
        LogicalPlan::Projection(projection) => {
            let input = match projection.input.as_ref() {
                LogicalPlan::Sort(sort) => sorted(sort)?,
                other => first_rows(other)?,
            };
            let above = |input| Projection::try_new(projection.expr.clone(), Arc::new(input));
            input.map(above).transpose()?.map(LogicalPlan::Projection)
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let above = |input| SubqueryAlias::try_new(Arc::new(input), alias.alias.clone());
            first_rows(&alias.input)?.map(above).transpose()?.map(LogicalPlan::SubqueryAlias)
        }
        _ => None,
    })
}

/// True if rows of a plan that are equal in these expressions are the same.
pub fn tells_rows(plan: &LogicalPlan, by: impl Fn(&Expr) -> bool) -> bool {
    let is_told = |(qualifier, field): (Option<&_>, &FieldRef)| {
        // Of other types equal values may look otherwise.
        let ty = field.data_type();
        let looks_as_it_compares =
            ty.is_integer() || ty.is_string() && *ty != DataType::LargeUtf8 || ty.is_temporal() || *ty == DataType::Boolean;
        looks_as_it_compares && !matches!(ty, DataType::Interval(_)) && by(&Expr::Column(Column::from((qualifier, field))))
    };
    plan.schema().iter().all(is_told)
}

/// What tells arrays or rows apart that are equal and look otherwise, `{0}` and `{-0}`; `None` for values that need no more than their order, since
/// those that tie in it are told apart where they are gathered.
pub fn apart(value: &Expr, schema: &DFSchema) -> Option<SortExpr> {
    match value.get_type(schema) {
        Ok(ty) if ty.is_nested() && may_equals_differ(&ty) => Some(exact_order(value.clone(), &ty).sort(true, false)),
        _ => None,
    }
}

/// A sort with more in its order, over its input with the columns for that.
fn sorted(sort: &Sort) -> DfResult<Option<LogicalPlan>> {
    if tells_rows(&sort.input, |column| sort.expr.iter().any(|by| by.expr == *column)) {
        return Ok(None);
    }
    let Some(rows) = settled(&sort.input)? else { return Ok(None) };
    let mut order = sort.expr.clone();
    add(&mut order, &rows.order);
    if order.len() == sort.expr.len() {
        return Ok(None);
    }
    Ok(Some(LogicalPlan::Sort(Sort { expr: order, input: Arc::new(rows.plan), fetch: sort.fetch })))
}

/// The columns of a plan.
pub fn columns(plan: &LogicalPlan) -> Vec<Expr> {
    plan.schema().columns().into_iter().map(Expr::Column).collect()
}

/// `DISTINCT ON`, with more in the order that tells which row is kept.
pub fn picked(distinct: DistinctOn) -> DfResult<Transformed<LogicalPlan>> {
    let by_key = || distinct.on_expr.iter().map(|key| key.clone().sort(true, false)).collect();
    let mut order: Vec<SortExpr> = distinct.sort_expr.clone().unwrap_or_else(by_key);
    let given = order.len();
    let Some(rows) = settled(&distinct.input)? else { return Ok(Transformed::no(LogicalPlan::Distinct(Distinct::On(distinct)))) };
    add(&mut order, &rows.order);
    if order.len() == given {
        return Ok(Transformed::no(LogicalPlan::Distinct(Distinct::On(distinct))));
    }
    let distinct = DistinctOn { sort_expr: Some(order), input: Arc::new(rows.plan), ..distinct };
    Ok(Transformed::yes(LogicalPlan::Distinct(Distinct::On(distinct))))
}
