//! LATERAL: subqueries and functions in FROM that name columns of what stands to their left (manual, chapter 7.2.1.5).
//!
//! DataFusion joins a lateral subquery by the equalities of its WHERE. [`Laterals`], an analyzer rule, does what that does not reach:
//!
//! 1. A subquery without a relation of its own (an unnest, VALUES, expressions) is computed on the rows of the left side: [`Inliner`].
//!    The join vanishes, and what is left is linear.
//! 2. A SELECT list that names columns of the left side is computed above the join: [`Inliner::raised`].
//! 3. Columns called as others by which the subquery depends on the left side get other names within: [`told_apart`].
//! 4. What is asked of the left side alone is asked before the join, as in PostgreSQL: nothing is computed for other rows ([`asked_before`]).
//! 5. `ORDER BY .. LIMIT n` inside becomes `row_number() <= n` for each set of correlated values: [`first_rows`]. Then DataFusion joins it.

use std::cell::Cell;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinType, NullHandling, Result as DfResult, ScalarValue, UnnestOptions};
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprFunctionExt, FetchType, Filter, Join, LogicalPlan, LogicalPlanBuilder, Operator, Projection, SkipType, SortExpr,
    Subquery, SubqueryAlias, WindowFunctionDefinition, lit, when,
};
use datafusion::optimizer::AnalyzerRule;

use super::subquery::{has_subquery, is_one_row, moved, outer_columns, renamed, subquery, through};

/// The rule; see the head of this module.
#[derive(Debug)]
pub struct Laterals;

impl AnalyzerRule for Laterals {
    fn name(&self) -> &str {
        "laterals"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> DfResult<LogicalPlan> {
        let names = Cell::new(0);
        let rewrite = |node: LogicalPlan| match node {
            LogicalPlan::Join(join) => rewrite(seen(join)?, &names),
            other => Ok(Transformed::no(other)),
        };
        let before = |node: LogicalPlan| match node {
            LogicalPlan::Filter(filter) => asked_before(filter),
            other => Ok(Transformed::no(other)),
        };
        Ok(plan.transform_down_with_subqueries(before)?.data.transform_up_with_subqueries(rewrite)?.data)
    }
}

/// The condition above a lateral join with what it asks of the left side alone below that.
fn asked_before(filter: Filter) -> DfResult<Transformed<LogicalPlan>> {
    let join = match filter.input.as_ref() {
        LogicalPlan::Join(join) if matches!(join.join_type, JoinType::Inner | JoinType::Left) && depends_on_left(join)? => join,
        _ => return Ok(Transformed::no(LogicalPlan::Filter(filter))),
    };
    let left = join.left.schema();
    let is_of_left = |part: &&Expr| {
        let columns = part.column_refs();
        let alone = !has_subquery(part) && !part.is_volatile() && !part.contains_outer();
        alone && !columns.is_empty() && columns.into_iter().all(|column| left.has_column(column))
    };
    let (of_left, others): (Vec<&Expr>, Vec<&Expr>) = split_conjunction(&filter.predicate).into_iter().partition(is_of_left);
    let Some(condition) = conjunction(of_left.into_iter().cloned()) else { return Ok(Transformed::no(LogicalPlan::Filter(filter))) };
    let left = LogicalPlanBuilder::from(join.left.as_ref().clone()).filter(condition)?.build()?;
    let joined = LogicalPlanBuilder::from(LogicalPlan::Join(Join { left: Arc::new(left), ..join.clone() }));
    Ok(Transformed::yes(match conjunction(others.into_iter().cloned()) {
        Some(others) => joined.filter(others)?.build()?,
        None => joined.build()?,
    }))
}

/// True for a join whose right side names columns of its left one.
fn depends_on_left(join: &Join) -> DfResult<bool> {
    Ok(lateral(&join.right).is_some() || outer_columns(&join.right)?.iter().any(|column| join.left.schema().has_column(column)))
}

/// The join with a lateral subquery on its right that DataFusion takes for none, since only subqueries within it name the left side.
fn seen(mut join: Join) -> DfResult<Join> {
    let lateral = matches!(join.join_type, JoinType::Inner | JoinType::Left) && lateral(&join.right).is_none();
    if lateral && depends_on_left(&join)? {
        join.right = Arc::new(LogicalPlan::Subquery(subquery(join.right)));
    }
    Ok(join)
}

fn rewrite(join: Join, names: &Cell<usize>) -> DfResult<Transformed<LogicalPlan>> {
    if let Some(renamed) = told_apart(&join)? {
        let left = join.left.schema().columns().into_iter().map(Expr::Column);
        let right = renamed.right.schema().columns().into_iter().zip(join.right.schema().columns());
        let right = right.map(|(from, to)| Expr::Column(from).alias_qualified(to.relation, to.name));
        let columns: Vec<Expr> = left.chain(right).collect();
        let plan = rewritten(renamed, names)?.data;
        return Ok(Transformed::yes(LogicalPlanBuilder::from(plan).project(columns)?.build()?));
    }
    rewritten(join, names)
}

/// A join whose columns are told apart as far as they can be.
fn rewritten(join: Join, names: &Cell<usize>) -> DfResult<Transformed<LogicalPlan>> {
    let no = |join| Ok(Transformed::no(LogicalPlan::Join(join)));
    let outer = match join.join_type {
        JoinType::Inner => false,
        JoinType::Left => true,
        _ => return no(join),
    };
    let Some(lateral) = lateral(&join.right) else { return no(join) };
    let condition = condition(&join);
    let always = condition.iter().all(|c| matches!(c, Expr::Literal(ScalarValue::Boolean(Some(true)), _)));
    if !outer || always {
        let inliner = Inliner { left: &join.left, outer, names };
        if let Some(inlined) = inliner.inline(&lateral.subquery)? {
            let left = join.left.schema().columns().into_iter().map(Expr::Column);
            let right = inlined.columns.into_iter().zip(join.right.schema().columns());
            let right = right.map(|(from, to)| Expr::Column(from).alias_qualified(to.relation, to.name));
            let mut plan = LogicalPlanBuilder::from(inlined.plan).project(left.chain(right).collect::<Vec<_>>())?;
            if let Some(condition) = conjunction(condition.clone()).filter(|_| !always) {
                plan = plan.filter(condition)?;
            }
            return Ok(Transformed::yes(plan.build()?));
        }
    }
    let limited = first_rows(&lateral.subquery, names)?;
    if !outer || always {
        let inliner = Inliner { left: &join.left, outer, names };
        if let Some(plan) = inliner.raised(&join, limited.as_ref().unwrap_or(&lateral.subquery))? {
            let condition = conjunction(condition).filter(|_| !always);
            let plan = LogicalPlanBuilder::from(plan);
            return Ok(Transformed::yes(match condition {
                Some(condition) => plan.filter(condition)?.build()?,
                None => plan.build()?,
            }));
        }
    }
    let Some(limited) = limited else { return no(join) };
    let subquery = LogicalPlan::Subquery(subquery(Arc::new(limited)));
    let right = match join.right.as_ref() {
        LogicalPlan::SubqueryAlias(alias) => LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(subquery), alias.alias.clone())?),
        _ => subquery,
    };
    Ok(Transformed::yes(LogicalPlan::Join(Join { right: Arc::new(right), ..join })))
}

/// The join with other names for columns of its lateral subquery that decorrelation would find ambiguous; `None` if it has none, or if a
/// subquery of the condition may name them.
fn told_apart(join: &Join) -> DfResult<Option<Join>> {
    let mut condition = condition(join);
    let Some(lateral) = lateral(&join.right) else { return Ok(None) };
    if !matches!(join.join_type, JoinType::Inner | JoinType::Left) || condition.iter().any(has_subquery) {
        return Ok(None);
    }
    let Some(plan) = renamed(&lateral.subquery)? else { return Ok(None) };
    let plan = LogicalPlan::Subquery(subquery(Arc::new(plan)));
    let right = match join.right.as_ref() {
        LogicalPlan::SubqueryAlias(alias) => LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(plan), alias.alias.clone())?),
        _ => plan,
    };
    for part in &mut condition {
        *part = moved(part, &join.right, &right)?;
    }
    if condition.is_empty() {
        condition.push(lit(true));
    }
    match LogicalPlanBuilder::from(join.left.as_ref().clone()).join_on(right, join.join_type, condition)?.build()? {
        LogicalPlan::Join(join) => Ok(Some(join)),
        _ => Ok(None),
    }
}

/// The lateral subquery that a join's right side is.
pub(super) fn lateral(right: &LogicalPlan) -> Option<&Subquery> {
    match right {
        LogicalPlan::Subquery(subquery) => Some(subquery),
        LogicalPlan::SubqueryAlias(alias) => match alias.input.as_ref() {
            LogicalPlan::Subquery(subquery) => Some(subquery),
            _ => None,
        },
        _ => None,
    }
}

fn condition(join: &Join) -> Vec<Expr> {
    let on = join.on.iter().map(|(l, r)| l.clone().eq(r.clone()));
    on.chain(join.filter.clone()).collect()
}

// Computed on the left side's rows ---------------------------------------------------------------------------------------------

struct Inliner<'a> {
    left: &'a Arc<LogicalPlan>,
    /// True for a left join: a row of the left side without a row of the subquery stays.
    outer: bool,
    names: &'a Cell<usize>,
}

/// A subquery over the rows of the left side: all columns of the left side, and where those of the subquery are.
struct Inlined {
    plan: LogicalPlan,
    columns: Vec<Column>,
    /// True if a row of the left side may have several rows or none.
    expanded: bool,
}

impl Inliner<'_> {
    fn inline(&self, plan: &LogicalPlan) -> DfResult<Option<Inlined>> {
        match plan {
            LogicalPlan::EmptyRelation(empty) if empty.produce_one_row => {
                Ok(Some(Inlined { plan: self.left.as_ref().clone(), columns: vec![], expanded: false }))
            }
            LogicalPlan::SubqueryAlias(alias) => self.inline(&alias.input),
            LogicalPlan::Subquery(subquery) => self.inline(&subquery.subquery),
            LogicalPlan::Projection(projection) => self.projection(projection),
            LogicalPlan::Filter(filter) if !self.outer => {
                let Some(input) = self.inline(&filter.input)? else { return Ok(None) };
                let Some(predicate) = self.moved(&filter.predicate, &filter.input, &input)? else { return Ok(None) };
                let plan = LogicalPlanBuilder::from(input.plan).filter(predicate)?.build()?;
                Ok(Some(Inlined { plan, columns: input.columns, expanded: true }))
            }
            LogicalPlan::Values(values) => self.values(&values.values),
            LogicalPlan::Unnest(unnest) => {
                let simple = unnest.struct_type_columns.is_empty() && unnest.list_type_columns.iter().all(|(_, list)| list.depth == 1);
                let Some(input) = self.inline(&unnest.input)?.filter(|i| simple && !i.expanded) else { return Ok(None) };
                let lists = unnest.list_type_columns.iter().map(|(i, _)| input.columns[*i].clone()).collect();
                let columns = unnest.dependency_indices.iter().map(|i| input.columns[*i].clone()).collect();
                let nulls = if self.outer { NullHandling::PreserveAndExpandEmpty } else { NullHandling::Drop };
                let options = UnnestOptions::new().with_null_handling(nulls);
                let plan = LogicalPlanBuilder::from(input.plan).unnest_columns_with_options(lists, options)?.build()?;
                Ok(Some(Inlined { plan, columns, expanded: true }))
            }
            _ => Ok(None),
        }
    }

    /// The join with a SELECT list that names outer columns computed above it; `None` if the list names none.
    fn raised(&self, join: &Join, subquery_plan: &LogicalPlan) -> DfResult<Option<LogicalPlan>> {
        let LogicalPlan::Projection(list) = subquery_plan else { return Ok(None) };
        if !list.expr.iter().any(Expr::contains_outer) {
            return Ok(None);
        }
        let columns: Vec<Column> = list.input.schema().columns().iter().map(|_| Column::new_unqualified(self.name())).collect();
        let (found, always_one) = (Column::new_unqualified(self.name()), is_one_row(&list.input));
        let inner = list.input.schema().columns().into_iter().zip(&columns).map(|(from, to)| Expr::Column(from).alias(&to.name));
        let inner = inner.chain([lit(true).alias(&found.name)]).collect::<Vec<_>>();
        let inner = LogicalPlanBuilder::from(list.input.as_ref().clone()).project(inner)?.build()?;
        let right = LogicalPlan::Subquery(subquery(Arc::new(inner)));
        let joined = LogicalPlanBuilder::from(self.left.as_ref().clone()).join_on(right, join.join_type, [lit(true)])?.build()?;
        let joined = Inlined { plan: joined, columns, expanded: true };
        let mut exprs: Vec<Expr> = self.left.schema().columns().into_iter().map(Expr::Column).collect();
        for (expr, to) in list.expr.iter().zip(join.right.schema().columns()) {
            let Some(value) = self.moved(expr, &list.input, &joined)? else { return Ok(None) };
            // A row that a left join keeps has NULL in every column.
            let value = if self.outer && !always_one {
                when(Expr::Column(found.clone()).is_not_null(), value.unalias()).end()?
            } else {
                value.unalias()
            };
            exprs.push(value.alias_qualified(to.relation, to.name));
        }
        LogicalPlanBuilder::from(joined.plan).project(exprs)?.build().map(Some)
    }

    fn projection(&self, projection: &Projection) -> DfResult<Option<Inlined>> {
        let Some(input) = self.inline(&projection.input)? else { return Ok(None) };
        // A row that a left join keeps has NULL in every column.
        let plain = |e: &Expr| matches!(e.clone().unalias(), Expr::Column(_));
        if self.outer && input.expanded && !projection.expr.iter().all(plain) {
            return Ok(None);
        }
        let exprs = projection.expr.iter().map(|e| self.moved(e, &projection.input, &input)).collect::<DfResult<Option<Vec<_>>>>()?;
        let Some(exprs) = exprs else { return Ok(None) };
        self.project(input.plan, exprs, input.expanded).map(Some)
    }

    /// One row per VALUES row and row of the left side.
    fn values(&self, rows: &[Vec<Expr>]) -> DfResult<Option<Inlined>> {
        let start = self.names.get();
        let mut parts: Vec<LogicalPlan> = Vec::with_capacity(rows.len());
        let mut columns = Vec::new();
        for row in rows {
            let exprs = row.iter().map(|e| self.outer_as_column(e)).collect::<DfResult<Option<Vec<_>>>>()?;
            let Some(exprs) = exprs else { return Ok(None) };
            self.names.set(start);
            let part = self.project(self.left.as_ref().clone(), exprs, false)?;
            columns = part.columns;
            parts.push(part.plan);
        }
        let mut parts = parts.into_iter();
        let Some(first) = parts.next() else { return Ok(None) };
        let expanded = parts.len() > 0;
        let plan = parts.try_fold(LogicalPlanBuilder::from(first), LogicalPlanBuilder::union)?.build()?;
        // A union forgets which relation a column is of.
        let named = self.left.schema().columns().into_iter().zip(plan.schema().columns());
        let named = named.map(|(to, from)| Expr::Column(from).alias_qualified(to.relation, to.name));
        let exprs: Vec<Expr> = named.chain(columns.iter().cloned().map(Expr::Column)).collect();
        let plan = LogicalPlanBuilder::from(plan).project(exprs)?.build()?;
        Ok(Some(Inlined { plan, columns, expanded }))
    }

    /// The left side's columns and these expressions under names of their own.
    fn project(&self, plan: LogicalPlan, exprs: Vec<Expr>, expanded: bool) -> DfResult<Inlined> {
        let columns: Vec<Column> = exprs.iter().map(|_| Column::new_unqualified(self.name())).collect();
        let left = self.left.schema().columns().into_iter().map(Expr::Column);
        let named = exprs.into_iter().zip(&columns).map(|(e, c)| e.unalias().alias(&c.name));
        let plan = LogicalPlanBuilder::from(plan).project(left.chain(named).collect::<Vec<_>>())?.build()?;
        Ok(Inlined { plan, columns, expanded })
    }

    fn name(&self) -> String {
        self.names.set(self.names.get() + 1);
        format!("__lateral_{}", self.names.get())
    }

    /// An expression over the subquery's plan as one over the inlined plan; `None` if it names what is not there.
    fn moved(&self, expr: &Expr, from: &LogicalPlan, to: &Inlined) -> DfResult<Option<Expr>> {
        let inner = expr.clone().transform_up(|e| match &e {
            Expr::Column(column) => match from.schema().maybe_index_of_column(column) {
                Some(i) => Ok(Transformed::yes(Expr::Column(to.columns[i].clone()))),
                None => Ok(Transformed::no(e)),
            },
            _ => Ok(Transformed::no(e)),
        })?;
        self.outer_as_column(&inner.data)
    }

    /// An expression with the outer query's columns as columns of the left side; `None` if they are of a query further out, or if a
    /// subquery would have to follow.
    fn outer_as_column(&self, expr: &Expr) -> DfResult<Option<Expr>> {
        let mut known = true;
        let moved = expr.clone().transform_up(|e| match e {
            Expr::OuterReferenceColumn(_, column) if self.left.schema().has_column(&column) => Ok(Transformed::yes(Expr::Column(column))),
            other => {
                known &= !matches!(
                    other,
                    Expr::OuterReferenceColumn(..)
                        | Expr::ScalarSubquery(_)
                        | Expr::Exists(_)
                        | Expr::InSubquery(_)
                        | Expr::SetComparison(_)
                );
                Ok(Transformed::no(other))
            }
        })?;
        Ok(known.then_some(moved.data))
    }
}

// The first rows for each row of the left side -----------------------------------------------------------------------------------

/// `SELECT .. WHERE inner = outer ORDER BY keys LIMIT n OFFSET m` with numbered rows in the place of LIMIT; `None` for another shape.
fn first_rows(plan: &LogicalPlan, names: &Cell<usize>) -> DfResult<Option<LogicalPlan>> {
    let (mut above, mut rest): (Vec<&Projection>, &LogicalPlan) = (vec![], plan);
    let mut bounds: Option<(usize, Option<usize>)> = None;
    let mut order: Option<Vec<SortExpr>> = None;
    loop {
        rest = match rest {
            LogicalPlan::Projection(projection) => {
                above.push(projection);
                // What is below the projection does not know its columns.
                if let Some(order) = &mut order {
                    for key in order {
                        key.expr = through(key.expr.clone(), projection)?;
                    }
                }
                &projection.input
            }
            LogicalPlan::SubqueryAlias(alias) if !matches!(alias.input.as_ref(), LogicalPlan::TableScan(_)) => return Ok(None),
            LogicalPlan::Limit(limit) if bounds.is_none() && order.is_none() => {
                let (SkipType::Literal(skip), FetchType::Literal(fetch)) = (limit.get_skip_type()?, limit.get_fetch_type()?) else {
                    return Ok(None);
                };
                bounds = Some((skip, fetch));
                &limit.input
            }
            LogicalPlan::Sort(sort) if bounds.is_some() && order.is_none() => {
                order = Some(sort.expr.clone());
                &sort.input
            }
            _ => break,
        };
    }
    let (Some((skip, fetch)), LogicalPlan::Filter(filter)) = (bounds, rest) else { return Ok(None) };
    let Some(partition) = correlated(&filter.predicate, &filter.input)? else { return Ok(None) };
    names.set(names.get() + 1);
    let number = format!("__row_number_{}", names.get());
    let function = Expr::from(WindowFunction::new(WindowFunctionDefinition::WindowUDF(row_number_udwf()), vec![]));
    let window = function.partition_by(partition).order_by(order.unwrap_or_default()).build()?.alias(&number);
    let numbered = LogicalPlanBuilder::from(rest.clone()).window(vec![window])?;
    let number = || Expr::Column(Column::new_unqualified(&number));
    let bound = |n: usize| lit(u64::try_from(n).unwrap_or(u64::MAX));
    let first = (skip > 0).then(|| number().gt(bound(skip)));
    let last = fetch.map(|fetch| number().lt_eq(bound(skip.saturating_add(fetch))));
    let mut kept = match conjunction(first.into_iter().chain(last)) {
        Some(condition) => numbered.filter(condition)?,
        None => numbered,
    };
    for projection in above.into_iter().rev() {
        kept = kept.project(projection.expr.clone())?;
    }
    kept.build().map(Some)
}

/// The inner sides of the equalities with columns outside; `None` if the outer query is named in another way, or not at all.
fn correlated(predicate: &Expr, input: &LogicalPlan) -> DfResult<Option<Vec<Expr>>> {
    if !input.all_out_ref_exprs().is_empty() {
        return Ok(None);
    }
    let mut inner: Vec<Expr> = Vec::new();
    for part in split_conjunction(predicate).into_iter().filter(|p| p.contains_outer()) {
        let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = part else { return Ok(None) };
        let side = match (left.contains_outer(), right.contains_outer()) {
            (true, false) if !left.any_column_refs() => right,
            (false, true) if !right.any_column_refs() => left,
            _ => return Ok(None),
        };
        let mut plain = true;
        side.apply(|e| {
            plain &= !matches!(e, Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_));
            Ok(TreeNodeRecursion::Continue)
        })?;
        if !plain {
            return Ok(None);
        }
        inner.push(side.as_ref().clone());
    }
    Ok((!inner.is_empty()).then_some(inner))
}
