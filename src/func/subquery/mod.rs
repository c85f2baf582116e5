//! Subqueries in expressions (manual, chapters 4.2.11 and 9.23), wherever PostgreSQL takes them.
//!
//! DataFusion takes subqueries in WHERE and, if they are aggregates, in SELECT; elsewhere it refuses them, and where NULLs decide
//! it may answer wrongly. Five rules mend that, for queries and views alike:
//!
//! 1. [`Subqueries`], an analyzer rule that runs before types are settled, brings every subquery into a form that DataFusion runs: IN, ANY and ALL become EXISTS
//!    and comparisons with min or max, three-valued where that can be seen ([`membership`]); a scalar subquery becomes one aggregate whose value
//!    is checked to be of one row ([`scalar`]); and subqueries in GROUP BY, in aggregates, in window functions,
//!    in ORDER BY, in join conditions and in what IN, ANY and ALL compare move into a projection below ([`lift`]), as do columns of the row
//!    around in window functions. Names that
//!    decorrelation would find ambiguous become others ([`clashes`]).
//! 2. [`from_outside`] and [`OuterTypes`], an analyzer rule, tell subqueries the types of the outer row's columns, once those are settled.
//! 3. [`Marks`], an optimizer rule, joins what EXISTS in a SELECT list asks for as a mark, as DataFusion does in WHERE ([`marks`]).
//! 4. [`Unnesting`], an optimizer rule, joins what DataFusion cannot, or would join wrongly: subqueries that name the outer row in any
//!    place ([`unnesting`], [`dependent`], [`recursion`]).
//! 5. [`Columnless`], an optimizer rule, gives the subquery of a mark a column where DataFusion has left it none.
//!
//! Invariant: the first rule leaves its own output alone, because a plan is analyzed again before it runs.

mod clashes;
mod columnless;
mod dependent;
mod lift;
mod marks;
mod membership;
mod outer_types;
mod recursion;
mod row_bounds;
mod scalar;
mod single_row;
mod unnesting;

use std::cell::Cell;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result as DfResult, Spans};
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, merge_schema, split_conjunction_owned};
use datafusion::logical_expr::{
    BinaryExpr, Expr, FetchType, Filter, LogicalPlan, LogicalPlanBuilder, Operator, Projection, SkipType, Subquery, SubqueryAlias, lit,
};
use datafusion::optimizer::AnalyzerRule;

pub(super) use clashes::{MARK, moved, renamed};
pub use columnless::Columnless;
pub(super) use dependent::outer_columns;
pub use marks::Marks;
pub use membership::ROW;
pub use outer_types::{OuterTypes, Place, Rewrite, from_outside};
pub(super) use scalar::is_one_row;
pub(super) use single_row::SINGLE_ROW;
pub use unnesting::{UNNESTED, Unnesting};

/// The analyzer rule; see the head of this module.
#[derive(Debug)]
pub struct Subqueries;

impl AnalyzerRule for Subqueries {
    fn name(&self) -> &str {
        "subqueries"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> DfResult<LogicalPlan> {
        let names = Names::default();
        Ok(plan.transform_up_with_subqueries(|node| rewrite(node, &names))?.data)
    }
}

/// Names of hidden columns and subqueries, unique within a statement.
#[derive(Default)]
struct Names(Cell<usize>);

impl Names {
    fn next(&self) -> String {
        self.0.set(self.0.get() + 1);
        format!("__subquery_{}", self.0.get())
    }
}

fn rewrite(plan: LogicalPlan, names: &Names) -> DfResult<Transformed<LogicalPlan>> {
    let plan = lift::outer_values(requalified(plan)?, names)?;
    if !asks(&plan)? {
        return Ok(Transformed::yes(plan));
    }
    let wide = lift::widened(plan)?;
    let lifted = lift::values(wide.plan, names)?;
    let schema = merge_schema(&lifted.plan.inputs());
    let scope = Scope { schema: &schema, names };
    let plan = match lifted.plan {
        LogicalPlan::Filter(filter) => LogicalPlan::Filter(Filter::try_new(scope.filter(filter.predicate)?, filter.input)?),
        other => {
            let kept = NamePreserver::new(&other);
            let value = |e: Expr| {
                let name = kept.save(&e);
                Ok(scope.value(e)?.update_data(|e| name.restore(e)))
            };
            other.map_expressions(value)?.data.recompute_schema()?
        }
    };
    let plan = lift::lift(plan, names)?;
    match lifted.shown.or(wide.shown) {
        Some(shown) => Ok(Transformed::yes(LogicalPlanBuilder::from(plan).project(shown)?.build()?)),
        None => Ok(Transformed::yes(plan)),
    }
}

/// A derived table that names columns of an outer query becomes a projection: DataFusion's decorrelation adds columns below an
/// alias and forgets them above it.
fn requalified(plan: LogicalPlan) -> DfResult<LogicalPlan> {
    match plan {
        LogicalPlan::SubqueryAlias(SubqueryAlias { input, schema, .. })
            if !matches!(input.as_ref(), LogicalPlan::Subquery(_)) && !input.all_out_ref_exprs().is_empty() =>
        {
            let pairs = input.schema().columns().into_iter().zip(schema.columns());
            let exprs: Vec<Expr> = pairs.map(|(from, to)| Expr::Column(from).alias_qualified(to.relation, to.name)).collect();
            LogicalPlanBuilder::from(input).project(exprs)?.build()
        }
        other => Ok(other),
    }
}

/// Where an expression stands: the columns it may name, and the names that are taken.
struct Scope<'a> {
    schema: &'a DFSchema,
    names: &'a Names,
}

impl Scope<'_> {
    /// The condition of a filter. IN and EXISTS that stand alone stay: DataFusion joins them, NULLs by the book; NOT IN, only if it depends
    /// on no row around, the next one or one further out, and only if its value is one of the rows: a constant is compared below the join,
    /// which does not see NULLs then. Rows of several columns are compared in EXISTS.
    fn filter(&self, predicate: Expr) -> DfResult<Expr> {
        let parts = split_conjunction_owned(predicate).into_iter().map(|part| match part {
            Expr::InSubquery(test) if membership::compares_rows(&test) => self.truth(Expr::InSubquery(test)),
            Expr::InSubquery(test) if !test.negated => Ok(Expr::InSubquery(told_apart(test)?)),
            Expr::InSubquery(test) if outer_columns(&test.subquery.subquery)?.is_empty() && test.expr.any_column_refs() => {
                Ok(Expr::InSubquery(told_apart(test)?))
            }
            other => self.truth(other),
        });
        let parts = parts.collect::<DfResult<Vec<_>>>()?;
        conjunction(parts).ok_or_else(|| datafusion::common::internal_datafusion_err!("a filter without a condition"))
    }

    /// A condition of which only matters whether it is true.
    fn truth(&self, expr: Expr) -> DfResult<Expr> {
        match expr {
            Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
                let (left, right) = (self.truth(*left)?, self.truth(*right)?);
                Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right))))
            }
            Expr::Not(inner) => match *inner {
                Expr::InSubquery(mut test) => {
                    test.negated = !test.negated;
                    self.truth(Expr::InSubquery(test))
                }
                inner => Ok(self.value(Expr::Not(Box::new(inner)))?.data),
            },
            other => match membership::Membership::of(&other, self)? {
                Some(membership) => membership.truth(),
                None => Ok(self.value(other)?.data),
            },
        }
    }

    /// True if a subquery depends on the row, itself or by a subquery further in.
    fn is_named(&self, plan: &LogicalPlan) -> DfResult<bool> {
        Ok(outer_columns(plan)?.iter().any(|column| self.schema.has_column(column)))
    }

    /// An expression whose value matters, NULL included.
    fn value(&self, expr: Expr) -> DfResult<Transformed<Expr>> {
        if !has_subquery(&expr) {
            return Ok(Transformed::no(expr));
        }
        expr.transform_up(|e| {
            if let Some(membership) = membership::Membership::of(&e, self)? {
                return Ok(Transformed::yes(membership.value()?));
            }
            match e {
                Expr::ScalarSubquery(subquery) => scalar::single(subquery),
                Expr::Exists(mut exists) => {
                    if scalar::is_one_row(&exists.subquery.subquery) {
                        return Ok(Transformed::yes(lit(!exists.negated)));
                    }
                    exists.subquery = subquery(unordered(exists.subquery.subquery)?);
                    Ok(Transformed::yes(Expr::Exists(exists)))
                }
                other => Ok(Transformed::no(other)),
            }
        })
    }
}

/// IN over columns that decorrelation does not find ambiguous ([`clashes`]).
fn told_apart(mut test: InSubquery) -> DfResult<InSubquery> {
    if let Some(plan) = clashes::renamed_all(&test.subquery.subquery)? {
        test.subquery = subquery(Arc::new(plan));
    }
    Ok(test)
}

fn is_subquery(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_))
}

pub(super) fn has_subquery(expr: &Expr) -> bool {
    expr.exists(|e| Ok(is_subquery(e))).unwrap_or(false)
}

/// True for a node with subqueries in its expressions.
fn asks(plan: &LogicalPlan) -> DfResult<bool> {
    let mut found = false;
    plan.apply_expressions(|e| {
        found |= has_subquery(e);
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// A plan as a subquery.
pub(super) fn subquery(plan: Arc<LogicalPlan>) -> Subquery {
    let outer_ref_columns = plan.all_out_ref_exprs();
    Subquery { subquery: plan, outer_ref_columns, spans: Spans::new() }
}

/// A plan without the SELECT list, ORDER BY and LIMIT at its top, which do not change whether it has rows.
fn unordered(plan: Arc<LogicalPlan>) -> DfResult<Arc<LogicalPlan>> {
    match plan.as_ref() {
        LogicalPlan::Sort(sort) if sort.fetch.is_none_or(|n| n > 0) => unordered(Arc::clone(&sort.input)),
        LogicalPlan::Limit(limit) => match (limit.get_skip_type()?, limit.get_fetch_type()?) {
            (SkipType::Literal(0), FetchType::Literal(fetch)) if fetch.is_none_or(|n| n > 0) => unordered(Arc::clone(&limit.input)),
            _ => Ok(plan),
        },
        LogicalPlan::Projection(p) if !is_leaf(&p.input) => unordered(Arc::clone(&p.input)),
        _ => Ok(plan),
    }
}

fn is_leaf(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::EmptyRelation(_))
}

/// An expression over a projection as one over its input.
pub(super) fn through(expr: Expr, projection: &Projection) -> DfResult<Expr> {
    let replaced = expr.transform_up(|e| match &e {
        Expr::Column(column) => match projection.schema.maybe_index_of_column(column) {
            Some(i) => Ok(Transformed::yes(projection.expr[i].clone().unalias())),
            None => Ok(Transformed::no(e)),
        },
        _ => Ok(Transformed::no(e)),
    })?;
    Ok(replaced.data)
}
