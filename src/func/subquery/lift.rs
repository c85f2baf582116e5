//! Moves subqueries out of the nodes in which DataFusion does not run them, into a projection below; what calls of window functions name of the
//! query around likewise, which DataFusion does not take beside columns of their own.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinType, Result as DfResult};
use datafusion::functions_aggregate::first_last::first_value_udaf;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    Distinct, DistinctOn, Expr, ExprFunctionExt, Filter, Join, LogicalPlan, LogicalPlanBuilder, Projection, Sort, SortExpr,
};

use super::dependent::{as_exprs, null_safe, outer_columns};
use super::unnesting::{is_volatile, not_supported};
use super::{Names, has_subquery, is_subquery, rewrite};
use crate::func::scalar::exact;

/// The plan with its own subqueries in projections and filters only, where that can be done.
pub(super) fn lift(plan: LogicalPlan, names: &Names) -> DfResult<LogicalPlan> {
    match plan {
        LogicalPlan::Aggregate(_) => Ok(over_projection(plan, is_subquery, names)?.0),
        LogicalPlan::Distinct(Distinct::On(distinct)) => lift_distinct_on(distinct, names),
        LogicalPlan::Sort(_) | LogicalPlan::Window(_) => shown_as_before(plan, is_subquery, names),
        LogicalPlan::Join(join) => lift_join(join, names),
        other => Ok(other),
    }
}

/// A window with the columns of the query around, which its calls name, in a projection below.
pub(super) fn outer_values(plan: LogicalPlan, names: &Names) -> DfResult<LogicalPlan> {
    let is_mixed = |call: &Expr| call.contains_outer() && call.any_column_refs();
    match &plan {
        LogicalPlan::Window(window) if window.window_expr.iter().any(is_mixed) => {
            shown_as_before(plan, |e| matches!(e, Expr::OuterReferenceColumn(..)), names)
        }
        _ => Ok(plan),
    }
}

/// The node over a projection that has what is taken out of its expressions, and above it the columns that it had.
fn shown_as_before(plan: LogicalPlan, taken: fn(&Expr) -> bool, names: &Names) -> DfResult<LogicalPlan> {
    let width = plan.schema().fields().len();
    let (lifted, hidden) = over_projection(plan, taken, names)?;
    let shown = lifted.schema().columns().into_iter().filter(|c| !hidden.contains(&c.name)).map(Expr::Column);
    let shown: Vec<Expr> = shown.collect();
    debug_assert_eq!(shown.len(), width);
    LogicalPlanBuilder::from(lifted).project(shown)?.build()
}

/// A node, and the columns of it that are to be seen, if it has more.
pub(super) struct Lifted {
    pub plan: LogicalPlan,
    pub shown: Option<Vec<Expr>>,
}

/// The node with columns for the subqueries in the values that IN, ANY and ALL compare, where it is a filter or a projection.
pub(super) fn values(plan: LogicalPlan, names: &Names) -> DfResult<Lifted> {
    let mut hidden = Hidden::default();
    match plan {
        LogicalPlan::Filter(filter) => {
            let predicate = hidden.take_values(filter.predicate, names)?;
            if hidden.0.is_empty() {
                return Ok(Lifted { plan: LogicalPlan::Filter(Filter::try_new(predicate, filter.input)?), shown: None });
            }
            let shown = filter.input.schema().columns().into_iter().map(Expr::Column).collect();
            let below = rewrite(hidden.below(Arc::unwrap_or_clone(filter.input))?, names)?.data;
            Ok(Lifted { plan: LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(below))?), shown: Some(shown) })
        }
        LogicalPlan::Projection(projection) => {
            let kept = NamePreserver::new_for_projection();
            let exprs = projection.expr.iter().map(|e| Ok(kept.save(e).restore(hidden.take_values(e.clone(), names)?)));
            let exprs = exprs.collect::<DfResult<Vec<_>>>()?;
            if hidden.0.is_empty() {
                return Ok(Lifted { plan: LogicalPlan::Projection(projection), shown: None });
            }
            let below = rewrite(hidden.below(Arc::unwrap_or_clone(projection.input))?, names)?.data;
            Ok(Lifted { plan: LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(below))?), shown: None })
        }
        other => Ok(Lifted { plan: other, shown: None }),
    }
}

/// ORDER BY over a SELECT list that also has what the subqueries in ORDER BY name of FROM; the planner adds what ORDER BY names itself.
pub(super) fn widened(plan: LogicalPlan) -> DfResult<Lifted> {
    let LogicalPlan::Sort(sort) = &plan else { return Ok(Lifted { plan, shown: None }) };
    let LogicalPlan::Projection(list) = sort.input.as_ref() else { return Ok(Lifted { plan, shown: None }) };
    let mut missing: Vec<Column> = Vec::new();
    for by in &sort.expr {
        for column in columns_of_subqueries(&by.expr)? {
            let is_missing = !list.schema.has_column(&column) && list.input.schema().has_column(&column);
            if is_missing && !missing.contains(&column) {
                missing.push(column);
            }
        }
    }
    if missing.is_empty() {
        return Ok(Lifted { plan, shown: None });
    }
    let shown = list.schema.columns().into_iter().map(Expr::Column).collect();
    let wide = list.expr.iter().cloned().chain(missing.into_iter().map(Expr::Column)).collect();
    let input = LogicalPlan::Projection(Projection::try_new(wide, Arc::clone(&list.input))?);
    let sort = Sort { expr: sort.expr.clone(), input: Arc::new(input), fetch: sort.fetch };
    Ok(Lifted { plan: LogicalPlan::Sort(sort), shown: Some(shown) })
}

/// DISTINCT ON with its subqueries below it.
fn lift_distinct_on(distinct: DistinctOn, names: &Names) -> DfResult<LogicalPlan> {
    let DistinctOn { on_expr, select_expr, sort_expr, input, .. } = distinct;
    let kept = NamePreserver::new_for_projection();
    let mut hidden = Hidden::default();
    let on = on_expr.into_iter().map(|e| hidden.take(e, names)).collect::<DfResult<Vec<_>>>()?;
    let select = select_expr.into_iter().map(|e| {
        let name = kept.save(&e);
        Ok(name.restore(hidden.take(e, names)?))
    });
    let select = select.collect::<DfResult<Vec<_>>>()?;
    let sorts = sort_expr.unwrap_or_default().into_iter().map(|sort| Ok(SortExpr { expr: hidden.take(sort.expr, names)?, ..sort }));
    let sorts = sorts.collect::<DfResult<Vec<_>>>()?;
    let below = hidden.below(Arc::unwrap_or_clone(input))?;
    let sorts = (!sorts.is_empty()).then_some(sorts);
    Ok(LogicalPlan::Distinct(Distinct::On(DistinctOn::try_new(on, select, sorts, Arc::new(below))?)))
}

/// A node of one input with what is taken out of its expressions as columns of a projection below, and the names of these.
fn over_projection(plan: LogicalPlan, taken: fn(&Expr) -> bool, names: &Names) -> DfResult<(LogicalPlan, Vec<String>)> {
    let kept = NamePreserver::new_for_projection();
    let mut hidden = Hidden::default();
    let exprs = plan.expressions().into_iter().map(|e| {
        let name = kept.save(&e);
        Ok(name.restore(hidden.take_all(e, taken, names)?))
    });
    let exprs = exprs.collect::<DfResult<Vec<_>>>()?;
    let input = plan.inputs()[0].clone();
    let below = hidden.below(input)?;
    Ok((plan.with_new_exprs(exprs, vec![below])?, hidden.names()))
}

/// Subqueries and the like taken out of expressions, each as a named column.
#[derive(Default)]
struct Hidden(Vec<(Expr, String)>);

impl Hidden {
    /// The expression with columns in the place of its subqueries.
    fn take(&mut self, expr: Expr, names: &Names) -> DfResult<Expr> {
        self.take_all(expr, is_subquery, names)
    }

    /// The expression with columns in the place of those parts of it.
    fn take_all(&mut self, expr: Expr, taken: fn(&Expr) -> bool, names: &Names) -> DfResult<Expr> {
        let replaced = expr.transform_down(|e| {
            if !taken(&e) {
                return Ok(Transformed::no(e));
            }
            let name = match self.0.iter().find(|(known, _)| *known == e) {
                Some((_, name)) => name.clone(),
                None => {
                    self.0.push((e, names.next()));
                    self.0[self.0.len() - 1].1.clone()
                }
            };
            Ok(Transformed::new(Expr::Column(Column::new_unqualified(name)), true, TreeNodeRecursion::Jump))
        })?;
        Ok(replaced.data)
    }

    /// The expression with columns in the place of the subqueries that its tests of membership compare.
    fn take_values(&mut self, expr: Expr, names: &Names) -> DfResult<Expr> {
        let replaced = expr.transform_down(|e| match e {
            Expr::InSubquery(mut test) if has_subquery(&test.expr) => {
                test.expr = Box::new(self.take(*test.expr, names)?);
                Ok(Transformed::yes(Expr::InSubquery(test)))
            }
            Expr::SetComparison(mut test) if has_subquery(&test.expr) => {
                test.expr = Box::new(self.take(*test.expr, names)?);
                Ok(Transformed::yes(Expr::SetComparison(test)))
            }
            other => Ok(Transformed::no(other)),
        })?;
        Ok(replaced.data)
    }

    fn names(&self) -> Vec<String> {
        self.0.iter().map(|(_, name)| name.clone()).collect()
    }

    /// The input with the columns added.
    fn below(&self, input: LogicalPlan) -> DfResult<LogicalPlan> {
        if self.0.is_empty() {
            return Ok(input);
        }
        let columns = input.schema().columns().into_iter().map(Expr::Column);
        let added = self.0.iter().map(|(e, name)| e.clone().alias(name));
        let exprs: Vec<Expr> = columns.chain(added).collect();
        LogicalPlanBuilder::from(input).project(exprs)?.build()
    }
}

/// A subquery in a join's condition becomes a column of the side that it depends on. One that depends on both sides becomes a filter
/// above an inner join; in an outer join, one below it ([`by_pairs`]).
fn lift_join(join: Join, names: &Names) -> DfResult<LogicalPlan> {
    let Some(filter) = join.filter.clone().filter(has_subquery) else { return Ok(LogicalPlan::Join(join)) };
    let (mut left, mut right) = (Hidden::default(), Hidden::default());
    let (mut stay, mut above, mut of_both) = (Vec::new(), Vec::new(), Vec::new());
    for part in split_conjunction_owned(filter) {
        if !has_subquery(&part) {
            stay.push(part);
            continue;
        }
        match side_of(&part, &join)? {
            Some(true) => stay.push(left.take(part, names)?),
            Some(false) => stay.push(right.take(part, names)?),
            None if join.join_type == JoinType::Inner => above.push(part),
            None => of_both.push(part),
        }
    }
    let columns: Vec<Expr> = join.schema.columns().into_iter().map(Expr::Column).collect();
    let (l, r) = (left.below(join.left.as_ref().clone())?, right.below(join.right.as_ref().clone())?);
    let joined = match conjunction(of_both) {
        Some(condition) => {
            let on = join.on.iter().map(|(l, r)| l.clone().eq(r.clone()));
            by_pairs((l, r), join.join_type, condition, conjunction(on.chain(stay)), names)?
        }
        None => LogicalPlan::Join(Join::try_new(
            Arc::new(l),
            Arc::new(r),
            join.on,
            conjunction(stay),
            join.join_type,
            join.join_constraint,
            join.null_equality,
            join.null_aware,
        )?),
    };
    let mut plan = LogicalPlanBuilder::from(joined);
    if let Some(above) = conjunction(above) {
        plan = plan.filter(above)?;
    }
    plan.project(columns)?.build()
}

/// An outer join on a condition whose subqueries depend on both sides, and on others (`rest`). The condition is asked of the pairs of the values
/// that it names, each once. The pairs for which it holds are joined to the side that may be left out, by its values, and the other side to them.
fn by_pairs(
    (left, right): (LogicalPlan, LogicalPlan),
    join_type: JoinType,
    condition: Expr,
    rest: Option<Expr>,
    names: &Names,
) -> DfResult<LogicalPlan> {
    // Of two sides that may be left out none can be widened by the pairs.
    if !matches!(join_type, JoinType::Left | JoinType::Right) || is_volatile(&left)? || is_volatile(&right)? {
        return Err(not_supported());
    }
    let mut named: Vec<Column> = condition.column_refs().into_iter().cloned().collect();
    named.extend(columns_of_subqueries(&condition)?);
    let keys = |side: &LogicalPlan| {
        let mut keys: Vec<Column> = named.iter().filter(|c| side.schema().has_column(c)).cloned().collect();
        keys.sort();
        keys.dedup();
        keys
    };
    let (of_left, of_right) = (Paired::new(keys(&left), names), Paired::new(keys(&right), names));
    let all = LogicalPlanBuilder::from(of_left.values(&left)?).cross_join(of_right.values(&right)?)?;
    let (found_left, found_right) = (as_exprs(&of_left.found), as_exprs(&of_right.found));
    let pairs = all.filter(condition)?.project(found_left.iter().chain(&found_right).cloned())?.build()?;
    if join_type == JoinType::Left {
        let right = null_safe(right, pairs, (&of_right.keys, &found_right), JoinType::Inner, None)?;
        null_safe(left, right, (&of_left.keys, &found_left), join_type, rest)
    } else {
        let left = null_safe(left, pairs, (&of_left.keys, &found_left), JoinType::Inner, None)?;
        null_safe(left, right, (&found_right, &of_right.keys), join_type, rest)
    }
}

/// The columns of one side of a join of whose values pairs are made. Equal values that print differently are apart.
struct Paired {
    columns: Vec<Column>,
    /// What tells their values apart.
    keys: Vec<Expr>,
    /// What has these keys in the pairs.
    found: Vec<Column>,
}

impl Paired {
    fn new(columns: Vec<Column>, names: &Names) -> Paired {
        let keys = as_exprs(&columns).into_iter().map(exact::key).collect();
        let found = columns.iter().map(|_| Column::new_unqualified(names.next())).collect();
        Paired { columns, keys, found }
    }

    /// The values, each once, and their keys.
    fn values(&self, side: &LogicalPlan) -> DfResult<LogicalPlan> {
        let named = self.keys.iter().zip(&self.found).map(|(key, found)| key.clone().alias(&found.name));
        let keyed = LogicalPlanBuilder::from(side.clone()).project(as_exprs(&self.columns).into_iter().chain(named))?;
        let values = self.columns.iter().zip(as_exprs(&self.found)).map(|(column, key)| {
            let value = first_value_udaf().call(vec![Expr::Column(column.clone())]).order_by(vec![key.sort(true, false)]).build()?;
            Ok(value.alias_qualified(column.relation.clone(), &column.name))
        });
        keyed.aggregate(as_exprs(&self.found), values.collect::<DfResult<Vec<_>>>()?)?.build()
    }
}

/// True if the subqueries of an expression depend on the left side at most, false for the right one, `None` for both.
fn side_of(expr: &Expr, join: &Join) -> DfResult<Option<bool>> {
    let columns = columns_of_subqueries(expr)?;
    let in_left = columns.iter().any(|c| join.left.schema().has_column(c));
    let in_right = columns.iter().any(|c| join.right.schema().has_column(c));
    Ok(match (in_left, in_right) {
        (true, true) => None,
        (in_left, _) => Some(in_left),
    })
}

/// The columns by which the subqueries of an expression depend on the rows around them, those of what they are compared with included.
fn columns_of_subqueries(expr: &Expr) -> DfResult<Vec<Column>> {
    let mut columns: Vec<Column> = Vec::new();
    expr.apply(|e| {
        let asked = match e {
            Expr::ScalarSubquery(s) => s,
            Expr::Exists(x) => &x.subquery,
            Expr::InSubquery(x) => &x.subquery,
            Expr::SetComparison(x) => &x.subquery,
            _ => return Ok(TreeNodeRecursion::Continue),
        };
        columns.extend(e.column_refs().into_iter().cloned());
        columns.extend(outer_columns(&asked.subquery)?);
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(columns)
}
