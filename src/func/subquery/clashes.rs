//! Columns of a SELECT list that are called as others are by which a subquery depends on the row around it:
//! `LATERAL (SELECT s.b AS a FROM q s WHERE s.a < p.x)`. DataFusion's decorrelation adds those to the list, where the names are ambiguous.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result as DfResult};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan, Projection};

/// Ends the new name, followed by the column's place: no column of a relation is called so.
pub(in crate::func) const MARK: char = '\u{1}';

/// The plan of a subquery with other names for such columns, which are where they were; `None` if it has none. Its output has none again.
pub(in crate::func) fn renamed(plan: &LogicalPlan) -> DfResult<Option<LogicalPlan>> {
    let added = added(plan)?;
    if added.is_empty() { Ok(None) } else { rename(plan, &added, false) }
}

/// The same where a cast or a key may be put in the place of what the list gives: that is no more the column that decorrelation adds,
/// though it is now.
pub(super) fn renamed_all(plan: &LogicalPlan) -> DfResult<Option<LogicalPlan>> {
    let added = added(plan)?;
    if added.is_empty() { Ok(None) } else { rename(plan, &added, true) }
}

/// True if such a list stands where [`renamed`] does not come: in FROM of the subquery, `(SELECT m.a + 1 AS a FROM m WHERE m.a <> p.x) z`.
pub(super) fn is_within(plan: &LogicalPlan) -> DfResult<bool> {
    match plan {
        LogicalPlan::Projection(projection) => is_within(&projection.input),
        LogicalPlan::Sort(sort) => is_within(&sort.input),
        LogicalPlan::Limit(limit) => is_within(&limit.input),
        LogicalPlan::Filter(filter) => is_within(&filter.input),
        LogicalPlan::Distinct(Distinct::All(input)) => is_within(input),
        other => other.exists(|node| match node {
            LogicalPlan::Projection(projection) => clashes(projection),
            _ => Ok(false),
        }),
    }
}

fn clashes(projection: &Projection) -> DfResult<bool> {
    let added = added(&projection.input)?;
    let clashes = |(expr, column): (&Expr, Column)| {
        let itself = matches!(expr, Expr::Column(column) if added.contains(column));
        !itself && added.iter().any(|other| other.name == column.name)
    };
    Ok(!added.is_empty() && projection.expr.iter().zip(projection.schema.columns()).any(clashes))
}

/// The columns that decorrelation adds to the lists: those beside the outer row's in conditions.
fn added(plan: &LogicalPlan) -> DfResult<Vec<Column>> {
    let mut added: Vec<Column> = Vec::new();
    plan.apply(|node| {
        let condition = match node {
            LogicalPlan::Filter(filter) => Some(&filter.predicate),
            LogicalPlan::Join(join) => join.filter.as_ref(),
            _ => None,
        };
        for part in condition.into_iter().flat_map(split_conjunction).filter(|part| part.contains_outer()) {
            added.extend(part.column_refs().into_iter().cloned());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(added)
}

fn rename(plan: &LogicalPlan, added: &[Column], all: bool) -> DfResult<Option<LogicalPlan>> {
    match plan {
        LogicalPlan::Projection(projection) => {
            let input = rename(&projection.input, added, false)?;
            let mut changed = input.is_some();
            let mut exprs = Vec::with_capacity(projection.expr.len());
            for (i, (expr, column)) in projection.expr.iter().zip(projection.schema.columns()).enumerate() {
                let itself = !all && matches!(expr, Expr::Column(column) if added.contains(column));
                let expr = match &input {
                    Some(input) => moved(expr, &projection.input, input)?,
                    None => expr.clone(),
                };
                let clashes = !itself && added.iter().any(|other| other.name == column.name);
                changed |= clashes;
                exprs.push(if clashes { expr.unalias().alias(format!("{}{MARK}{i}", column.name)) } else { expr });
            }
            if !changed {
                return Ok(None);
            }
            let input = input.map_or_else(|| Arc::clone(&projection.input), Arc::new);
            Ok(Some(LogicalPlan::Projection(Projection::try_new(exprs, input)?)))
        }
        LogicalPlan::Sort(_) | LogicalPlan::Limit(_) | LogicalPlan::Filter(_) | LogicalPlan::Distinct(Distinct::All(_)) => {
            let inputs = plan.inputs();
            let [from] = inputs.as_slice() else { return Ok(None) };
            let Some(input) = rename(from, added, all)? else { return Ok(None) };
            let exprs = plan.expressions().iter().map(|expr| moved(expr, from, &input)).collect::<DfResult<Vec<_>>>()?;
            plan.with_new_exprs(exprs, vec![input]).map(Some)
        }
        _ => Ok(None),
    }
}

/// An expression over one plan as one over another that has the same columns under other names.
pub(in crate::func) fn moved(expr: &Expr, from: &LogicalPlan, to: &LogicalPlan) -> DfResult<Expr> {
    let moved = expr.clone().transform_up(|e| match &e {
        Expr::Column(column) => match from.schema().maybe_index_of_column(column) {
            Some(i) => Ok(Transformed::yes(Expr::Column(Column::from(to.schema().qualified_field(i))))),
            None => Ok(Transformed::no(e)),
        },
        _ => Ok(Transformed::no(e)),
    })?;
    Ok(moved.data)
}
