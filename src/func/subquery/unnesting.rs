//! Subqueries of any form that depend on the row around them.
//!
//! DataFusion joins a subquery by the comparisons of its WHERE. What it leaves, because the outer row is named elsewhere, [`Unnesting`] turns into
//! joins by Neumann and Kemper's way: the subquery is asked once for all values that the outer row's columns have ([`Domain`]), and its
//! answers are joined to the rows with those values. So nothing is asked row by row, in queries and in views alike.
//!
//! The rule runs twice, from the outermost subquery inwards: before DataFusion's own for subqueries that those would answer wrongly, for they
//! lift a condition on the outer row out of anything, also past windows, outer joins, DISTINCT and WITH RECURSIVE, which see other rows then,
//! and past aggregates, which have a row of no rows for HAVING or a query around to see; and they take a row two queries out for the one next to it.
//! And behind them for what they leave. What cannot be carried through is refused.

use std::sync::Arc;

use datafusion::common::alias::AliasGenerator;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DataFusionError, JoinType, Result as DfResult};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, Filter, Join, LogicalPlan, LogicalPlanBuilder, Projection, SkipType, lit};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use super::dependent::{Domain, as_exprs, column, null_safe, outer_columns};
use super::{clashes, has_subquery};
use crate::error::Error;
use crate::func::enums::is_list_of_labels;
use crate::func::lateral::lateral;

/// The rule; see the head of this module.
#[derive(Debug)]
pub struct Unnesting {
    name: &'static str,
    /// True to leave subqueries alone that DataFusion joins rightly.
    wrong_only: bool,
}

impl Unnesting {
    /// Before DataFusion's rules.
    pub fn of_what_goes_wrong() -> Unnesting {
        Unnesting { name: "unnest_what_goes_wrong", wrong_only: true }
    }

    /// Behind DataFusion's rules.
    pub fn of_what_is_left() -> Unnesting {
        Unnesting { name: "unnest_what_is_left", wrong_only: false }
    }
}

/// What the names of columns begin with that carry the values of the row around.
pub const UNNESTED: &str = "__unnested";

/// Names that nothing else in the statement has, and which subqueries are asked about.
pub(super) struct Names<'a> {
    names: &'a AliasGenerator,
    wrong_only: bool,
}

impl Names<'_> {
    pub fn next(&self) -> String {
        self.names.next(UNNESTED)
    }
}

impl OptimizerRule for Unnesting {
    fn name(&self) -> &str {
        self.name
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> DfResult<Transformed<LogicalPlan>> {
        let names = Names { names: config.alias_generator(), wrong_only: self.wrong_only };
        let unnested = match &plan {
            LogicalPlan::Filter(filter) => of_filter(filter, &names)?,
            LogicalPlan::Projection(projection) => of_projection(projection, &names)?,
            LogicalPlan::Join(join) => of_lateral(join, &names)?,
            _ => None,
        };
        Ok(unnested.map_or_else(|| Transformed::no(plan), Transformed::yes))
    }
}

pub(super) fn not_supported() -> DataFusionError {
    let error = Error::unsupported("this form of a subquery that depends on the row is not supported");
    error.hint("Write it as a join.").into()
}

fn of_filter(filter: &Filter, names: &Names) -> DfResult<Option<LogicalPlan>> {
    if !has_subquery(&filter.predicate) {
        return Ok(None);
    }
    // Rows that the other conditions leave out are not asked about: they may have values by which the subqueries err.
    let parts = split_conjunction_owned(filter.predicate.clone()).into_iter();
    let (asking, others): (Vec<Expr>, Vec<Expr>) = parts.partition(|part| has_subquery(part) || part.is_volatile());
    let input = match conjunction(others) {
        Some(condition) => Arc::new(LogicalPlan::Filter(Filter::try_new(condition, Arc::clone(&filter.input))?)),
        None => Arc::clone(&filter.input),
    };
    let Some((mut exprs, rows)) = joined(conjunction(asking).as_slice(), &input, names)? else { return Ok(None) };
    let Some(predicate) = exprs.pop() else { return Ok(None) };
    let columns = filter.input.schema().columns().into_iter().map(Expr::Column);
    Ok(Some(LogicalPlanBuilder::from(rows).filter(predicate)?.project(columns)?.build()?))
}

fn of_projection(projection: &Projection, names: &Names) -> DfResult<Option<LogicalPlan>> {
    let Some((exprs, rows)) = joined(&projection.expr, &projection.input, names)? else { return Ok(None) };
    let kept = NamePreserver::new_for_projection();
    let named = projection.expr.iter().zip(exprs).map(|(before, after)| kept.save(before).restore(after));
    Ok(Some(LogicalPlanBuilder::from(rows).project(named.collect::<Vec<_>>())?.build()?))
}

/// A join whose right side is a subquery that names columns of its left.
fn of_lateral(join: &Join, names: &Names) -> DfResult<Option<LogicalPlan>> {
    let Some(lateral) = lateral(&join.right) else { return Ok(None) };
    if !matches!(join.join_type, JoinType::Inner | JoinType::Left) {
        return Ok(None);
    }
    let values = lateral.subquery.schema().columns().into_iter().zip(join.right.schema().columns());
    let values = values.map(|(from, to)| Expr::Column(from).alias_qualified(to.relation, to.name));
    if outer_columns(&lateral.subquery)?.is_empty() {
        let right = LogicalPlanBuilder::from(Arc::clone(&lateral.subquery)).project(values.collect::<Vec<_>>())?.build()?;
        return Ok(Some(LogicalPlan::Join(Join { right: Arc::new(right), ..join.clone() })));
    }
    let Some(domain) = domain(&lateral.subquery, &join.left, true, names)? else { return Ok(None) };
    let Some(rows) = domain.push(&lateral.subquery)? else {
        return if names.wrong_only { Err(not_supported()) } else { Ok(None) };
    };
    let exprs: Vec<Expr> = values.chain(rows.keys.iter().cloned().map(Expr::Column)).collect();
    let right = LogicalPlanBuilder::from(rows.plan).project(exprs)?.build()?;
    let on = join.on.iter().map(|(l, r)| l.clone().eq(r.clone()));
    let condition = conjunction(on.chain(join.filter.clone()));
    let plan = null_safe(join.left.as_ref().clone(), right, (&domain.keys, &as_exprs(&rows.keys)), join.join_type, condition)?;
    let columns = join.schema.columns().into_iter().map(Expr::Column);
    Ok(Some(LogicalPlanBuilder::from(plan).project(columns)?.build()?))
}

/// The expressions with columns for the subqueries that depend on a row of `input`, and the rows with those columns; `None` if there are
/// no such subqueries, or if one is of a form that cannot be carried through.
fn joined(exprs: &[Expr], input: &LogicalPlan, names: &Names) -> DfResult<Option<(Vec<Expr>, LogicalPlan)>> {
    // Most nodes of most plans have none; they are not to pay for the rule.
    if !exprs.iter().any(has_subquery) {
        return Ok(None);
    }
    let mut rows = Rows { input, plan: input.clone(), names, found: false, failed: false };
    let replaced = exprs.iter().map(|e| rows.replaced(e)).collect::<DfResult<Vec<_>>>()?;
    Ok((rows.found && !rows.failed).then_some((replaced, rows.plan)))
}

/// The values around a subquery; `None` if it names none of `outer`, or could take one for another. `by_value`: whether DataFusion would
/// join the subquery's values, so that it minds that an aggregate at the top has one of no rows.
fn domain<'a>(subquery: &LogicalPlan, outer: &LogicalPlan, by_value: bool, names: &'a Names<'a>) -> DfResult<Option<Domain<'a>>> {
    if names.wrong_only && !is_wrong(subquery, outer, by_value)? {
        return Ok(None);
    }
    let mut columns = outer_columns(subquery)?;
    columns.retain(|c| outer.schema().has_column(c));
    if columns.is_empty() || is_volatile(outer)? || hides(subquery, &columns)? {
        return Ok(None);
    }
    Domain::new(columns, outer, names).map(Some)
}

/// True for a subquery that DataFusion would join wrongly.
fn is_wrong(subquery: &LogicalPlan, outer: &LogicalPlan, by_value: bool) -> DfResult<bool> {
    let other_rows = goes_wrong(subquery)? || begins_outside(subquery, outer)? || reaches_through(subquery, outer)?;
    let read_wrong =
        || Ok::<_, DataFusionError>(loses_row(subquery, by_value)? || compares_twins(subquery)? || has_lists_of_labels(subquery)?);
    Ok(other_rows || read_wrong()? || becomes_wrong(subquery)? || clashes::is_within(subquery)?)
}

/// True if rows of the plan that depend on the outer row are asked about in a subquery of its own that is not left to DataFusion: these rows
/// are then on both sides of a join, past which no condition on the outer row must be lifted.
fn becomes_wrong(plan: &LogicalPlan) -> DfResult<bool> {
    let mut found = false;
    plan.apply(|node| {
        let asked = asked(node);
        if asked.is_empty() {
            return Ok(TreeNodeRecursion::Continue);
        }
        let rows = node.inputs()[0];
        let mut depends = !outer_columns(rows)?.is_empty();
        node.apply_expressions(|e| {
            depends |= e.contains_outer();
            Ok(TreeNodeRecursion::Continue)
        })?;
        for (subquery, by_value) in asked {
            let names_rows = depends && outer_columns(&subquery)?.iter().any(|c| rows.schema().has_column(c));
            found |= names_rows && is_wrong(&subquery, rows, by_value)?;
        }
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// The subqueries in the conditions and values of a node, with whether it is their value that is asked for.
fn asked(node: &LogicalPlan) -> Vec<(Arc<LogicalPlan>, bool)> {
    let mut asked = Vec::new();
    if !matches!(node, LogicalPlan::Filter(_) | LogicalPlan::Projection(_)) {
        return asked;
    }
    for expr in node.expressions() {
        let _ = expr.apply(|e| {
            match e {
                Expr::ScalarSubquery(s) => asked.push((Arc::clone(&s.subquery), true)),
                Expr::Exists(x) => asked.push((Arc::clone(&x.subquery.subquery), false)),
                Expr::InSubquery(x) => asked.push((Arc::clone(&x.subquery.subquery), false)),
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        });
    }
    asked
}

/// True if the plan names the outer row below something that a condition must not be lifted past, in a LIMIT or in GROUP BY.
fn goes_wrong(plan: &LogicalPlan) -> DfResult<bool> {
    // EXISTS does without its LIMIT, though that may be 0.
    if let LogicalPlan::Limit(limit) = plan
        && [&limit.skip, &limit.fetch].into_iter().flatten().any(|bound| bound.contains_outer())
    {
        return Ok(true);
    }
    // And without its OFFSET; below NOT IN, a row that is skipped counts as one.
    if let LogicalPlan::Limit(limit) = plan
        && !matches!(limit.get_skip_type()?, SkipType::Literal(0))
        && !outer_columns(&limit.input)?.is_empty()
    {
        return Ok(true);
    }
    // Of a key of GROUP BY, DataFusion makes a column that nothing below has.
    if let LogicalPlan::Aggregate(aggregate) = plan
        && aggregate.group_expr.iter().any(Expr::contains_outer)
    {
        return Ok(true);
    }
    let harmless = match plan {
        LogicalPlan::Join(join) => join.join_type == JoinType::Inner,
        LogicalPlan::Window(_) | LogicalPlan::Distinct(_) | LogicalPlan::RecursiveQuery(_) => false,
        LogicalPlan::Aggregate(aggregate) => !aggregate.aggr_expr.is_empty(),
        _ => true,
    };
    for input in plan.inputs() {
        if !harmless && !outer_columns(input)?.is_empty() || goes_wrong(input)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// True if a column is an array of an enumeration: DataFusion's rule names a NULL in its place by its text, which has none.
fn has_lists_of_labels(plan: &LogicalPlan) -> DfResult<bool> {
    plan.exists(|node| Ok(node.schema().fields().iter().any(|field| is_list_of_labels(field.data_type()))))
}

/// True if the row that an aggregate without GROUP BY has of no rows is seen within the plan: by HAVING, by a query around. Grouped by what
/// the outer row is compared with, it has none. `at_top`: whether only SELECT lists are above the plan, to which DataFusion gives its values.
fn loses_row(plan: &LogicalPlan, at_top: bool) -> DfResult<bool> {
    if let LogicalPlan::Aggregate(aggregate) = plan
        && !at_top
        && aggregate.group_expr.is_empty()
        && !outer_columns(&aggregate.input)?.is_empty()
    {
        return Ok(true);
    }
    let at_top = at_top && matches!(plan, LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_));
    for input in plan.inputs() {
        if loses_row(input, at_top)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// True if a condition on the outer row names a column of which the rows have two of that name: joined as a whole, as the rows of EXISTS
/// are, the other one is taken.
fn compares_twins(plan: &LogicalPlan) -> DfResult<bool> {
    let mut found = false;
    plan.apply(|node| {
        let (condition, schema) = match node {
            LogicalPlan::Filter(filter) => (Some(&filter.predicate), filter.input.schema()),
            LogicalPlan::Join(join) => (join.filter.as_ref(), &join.schema),
            _ => return Ok(TreeNodeRecursion::Continue),
        };
        let twins = |c: &Column| schema.fields().iter().filter(|f| *f.name() == c.name).count() > 1;
        found |= condition.is_some_and(|e| e.contains_outer() && e.column_refs().into_iter().any(twins));
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// True if something in FROM is made of the row around alone, as in `FROM unnest(t.a)`: DataFusion does not see that it depends on it.
fn begins_outside(plan: &LogicalPlan, outer: &LogicalPlan) -> DfResult<bool> {
    let mut found = false;
    plan.apply(|node| {
        if let LogicalPlan::Subquery(from) = node {
            let columns = outer_columns(&from.subquery)?;
            found |= !columns.is_empty() && columns.iter().all(|c| outer.schema().has_column(c));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// True if a subquery further in names the row around: DataFusion looks for its columns in the query between them.
fn reaches_through(plan: &LogicalPlan, outer: &LogicalPlan) -> DfResult<bool> {
    let mut found = false;
    plan.apply(|node| {
        found |= named_within(node)?.iter().any(|c| outer.schema().has_column(c));
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// The columns of outer rows that the subqueries of a node name.
fn named_within(node: &LogicalPlan) -> DfResult<Vec<Column>> {
    let mut named = Vec::new();
    node.apply_expressions(|e| {
        e.apply(|e| {
            let inner = match e {
                Expr::ScalarSubquery(s) => &s.subquery,
                Expr::Exists(x) => &x.subquery.subquery,
                Expr::InSubquery(x) => &x.subquery.subquery,
                _ => return Ok(TreeNodeRecursion::Continue),
            };
            named.extend(outer_columns(inner)?);
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    if let LogicalPlan::Join(join) = node
        && let Some(lateral) = lateral(&join.right)
    {
        named.extend(outer_columns(&lateral.subquery)?);
    }
    Ok(named)
}

/// True if the plan gives other rows when it is asked twice, as it will be.
pub(super) fn is_volatile(plan: &LogicalPlan) -> DfResult<bool> {
    let mut volatile = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|e| {
            volatile |= e.is_volatile();
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(volatile)
}

/// True if something in the plan has a column by the same name, which a subquery further in that names one might mean.
fn hides(plan: &LogicalPlan, columns: &[Column]) -> DfResult<bool> {
    let mut hidden = false;
    plan.apply_with_subqueries(|node| {
        let named = named_within(node)?;
        let mut own = named.iter().filter(|c| columns.contains(c));
        hidden |= own.any(|c| node.inputs().iter().any(|input| input.schema().has_column(c)));
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(hidden)
}

/// A plan of what a subquery answers, what its rows are found by in the rows around, and the columns of that in the plan.
type Asked = (LogicalPlan, Vec<Expr>, Vec<Expr>);

/// The outer query's rows, with what subqueries answer joined to them.
struct Rows<'a> {
    input: &'a LogicalPlan,
    plan: LogicalPlan,
    names: &'a Names<'a>,
    found: bool,
    failed: bool,
}

impl Rows<'_> {
    fn replaced(&mut self, expr: &Expr) -> DfResult<Expr> {
        let replaced = expr.clone().transform_down(|e| {
            let value = match &e {
                Expr::ScalarSubquery(s) => self.scalar(&s.subquery)?,
                Expr::Exists(x) => self.mark(&x.subquery.subquery, None)?.map(|m| if x.negated { m.is_null() } else { m.is_not_null() }),
                Expr::InSubquery(x) if !x.negated => self.mark(&x.subquery.subquery, Some(&x.expr))?.map(Expr::is_not_null),
                _ => return Ok(Transformed::no(e)),
            };
            Ok(match value {
                Some(value) => Transformed::new(value, true, TreeNodeRecursion::Jump),
                None => Transformed::new(e, false, TreeNodeRecursion::Jump),
            })
        })?;
        Ok(replaced.data)
    }

    /// The subquery for all rows: a plan of `values`, which are given its columns, and of the domain's columns.
    fn asked(&mut self, subquery: &LogicalPlan, by_value: bool, values: impl FnOnce(Vec<Column>) -> Vec<Expr>) -> DfResult<Option<Asked>> {
        let Some(domain) = domain(subquery, self.input, by_value, self.names)? else {
            // One that names no row, or that DataFusion joins rightly, is for others to plan.
            self.failed |= !self.names.wrong_only && !outer_columns(subquery)?.is_empty();
            return Ok(None);
        };
        let Some(rows) = domain.push(subquery)? else {
            if self.names.wrong_only {
                return Err(not_supported());
            }
            self.failed = true;
            return Ok(None);
        };
        self.found = true;
        let exprs = values(subquery.schema().columns()).into_iter().chain(rows.keys.iter().cloned().map(Expr::Column));
        let plan = LogicalPlanBuilder::from(rows.plan).project(exprs.collect::<Vec<_>>())?.build()?;
        Ok(Some((plan, domain.keys, as_exprs(&rows.keys))))
    }

    /// The value of a subquery of at most one row.
    fn scalar(&mut self, subquery: &LogicalPlan) -> DfResult<Option<Expr>> {
        let value = column(&self.names.next(), "value");
        let named = |columns: Vec<Column>| -> Vec<Expr> {
            columns.into_iter().take(1).map(|c| Expr::Column(c).alias_qualified(value.relation.clone(), &value.name)).collect()
        };
        let Some((answers, outer, keys)) = self.asked(subquery, true, named)? else { return Ok(None) };
        self.plan = null_safe(self.plan.clone(), answers, (&outer, &keys), JoinType::Left, None)?;
        Ok(Some(Expr::Column(value)))
    }

    /// A column that is NULL where the subquery has no row, with `equal` no row of that value.
    fn mark(&mut self, subquery: &LogicalPlan, equal: Option<&Expr>) -> DfResult<Option<Expr>> {
        let alias = self.names.next();
        let value = column(&alias, "value");
        let named = |columns: Vec<Column>| -> Vec<Expr> {
            let wanted = usize::from(equal.is_some());
            columns.into_iter().take(wanted).map(|c| Expr::Column(c).alias_qualified(value.relation.clone(), &value.name)).collect()
        };
        let Some((answers, outer, keys)) = self.asked(subquery, false, named)? else { return Ok(None) };
        let columns: Vec<Expr> = answers.schema().columns().into_iter().map(Expr::Column).collect();
        let mark = column(&alias, "mark");
        let marked = columns.iter().cloned().chain([lit(true).alias_qualified(mark.relation.clone(), &mark.name)]);
        let answers = LogicalPlanBuilder::from(answers).aggregate(columns.clone(), Vec::<Expr>::new())?;
        let answers = answers.project(marked.collect::<Vec<_>>())?.build()?;
        let condition = equal.map(|e| e.clone().eq(Expr::Column(value.clone())));
        self.plan = null_safe(self.plan.clone(), answers, (&outer, &keys), JoinType::Left, condition)?;
        Ok(Some(Expr::Column(mark)))
    }
}
