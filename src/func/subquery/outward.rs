//! What a scalar subquery says of the outer row alone, said outside of it.
//!
//! DataFusion joins a subquery by the conditions in its WHERE that compare its columns with the outer row's. Other mentions of the
//! outer row it does not take, so they move out: `(SELECT f(outer, a) FROM t WHERE p(outer) AND c)` is
//! `CASE WHEN p(outer) AND (SELECT true FROM t WHERE c) THEN f(outer, (SELECT a FROM t WHERE c)) END`. Without a row that is NULL either way,
//! and several rows are refused in each part. SQLAlchemy asks so for the options of identity columns.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result as DfResult};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Case, Expr, LogicalPlan, LogicalPlanBuilder, Subquery, lit};

use super::scalar::single;
use super::{has_subquery, subquery};

/// The subquery with its mentions of the outer row, whose columns are those of `schema`, moved out; `None` if there are none to move.
pub(super) fn outward(asked: &Subquery, schema: &DFSchema) -> DfResult<Option<Expr>> {
    let LogicalPlan::Projection(projection) = asked.subquery.as_ref() else { return Ok(None) };
    let [value] = projection.expr.as_slice() else { return Ok(None) };
    let value = value.clone().unalias();
    let (conditions, input) = match projection.input.as_ref() {
        LogicalPlan::Filter(filter) => (split_conjunction_owned(filter.predicate.clone()), Arc::clone(&filter.input)),
        _ => (vec![], Arc::clone(&projection.input)),
    };
    let (guards, rest): (Vec<Expr>, Vec<Expr>) =
        conditions.into_iter().partition(|e| names_outer(e) && !names_inner(e) && !has_subquery(e));
    let lifts = names_outer(&value) && !has_subquery(&value);
    if guards.is_empty() && !lifts || !guards.iter().chain([&value]).all(|e| is_of(e, schema)) {
        return Ok(None);
    }
    let mut builder = LogicalPlanBuilder::from(input);
    if let Some(rest) = conjunction(rest) {
        builder = builder.filter(rest)?;
    }
    let rows = builder.build()?;
    let part = |e: Expr| -> DfResult<Expr> {
        let plan = LogicalPlanBuilder::from(rows.clone()).project([e])?.build()?;
        Ok(single(subquery(Arc::new(plan)))?.data)
    };
    let mut when = guards.into_iter().map(local).collect::<DfResult<Vec<_>>>()?;
    let then = if lifts {
        when.push(part(lit(true))?);
        let moved = value.transform_up(|e| match e {
            Expr::OuterReferenceColumn(_, column) => Ok(Transformed::yes(Expr::Column(column))),
            Expr::Column(_) => Ok(Transformed::yes(part(e)?)),
            other => Ok(Transformed::no(other)),
        });
        moved?.data
    } else {
        part(value)?
    };
    let Some(when) = conjunction(when) else { return Ok(None) };
    Ok(Some(Expr::Case(Case::new(None, vec![(Box::new(when), Box::new(then))], None))))
}

fn names_outer(expr: &Expr) -> bool {
    expr.exists(|e| Ok(matches!(e, Expr::OuterReferenceColumn(..)))).unwrap_or(false)
}

fn names_inner(expr: &Expr) -> bool {
    expr.exists(|e| Ok(matches!(e, Expr::Column(_)))).unwrap_or(false)
}

/// True if all that it says of outer rows is said of the next one out.
fn is_of(expr: &Expr, schema: &DFSchema) -> bool {
    !expr.exists(|e| Ok(matches!(e, Expr::OuterReferenceColumn(_, column) if !schema.has_column(column)))).unwrap_or(true)
}

/// The expression as the outer query has it.
fn local(expr: Expr) -> DfResult<Expr> {
    let moved = expr.transform_up(|e| match e {
        Expr::OuterReferenceColumn(_, column) => Ok(Transformed::yes(Expr::Column(column))),
        other => Ok(Transformed::no(other)),
    });
    Ok(moved?.data)
}
