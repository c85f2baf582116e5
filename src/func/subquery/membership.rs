//! `x IN (..)`, `x op ANY (..)` and `x op ALL (..)` (manual, chapter 9.23).
//!
//! With S the rows of the subquery, `x op ANY S` is true if a row matches; else NULL if x or a value of S is NULL and S has rows; else
//! false. ALL is NOT ANY of the opposite operator, IN is `= ANY`, NOT IN is `<> ALL`. Whether a row matches is asked by EXISTS, or of the
//! least or greatest value of S if it is the same for all rows: then a change of S costs the groups' rows once.
//!
//! x and the rows of S may have several columns, `(a, b) IN (SELECT x, y ..)`: they come as calls of [`ROW`] and are compared column by column.
//! Where no row matches, x op ANY S is NULL if the comparison with a row is.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, DataFusionError, ExprSchema, Result as DfResult, ScalarValue};
use datafusion::functions_aggregate::expr_fn::{max, min};
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, lit, not, when};

use super::super::scalar::arrays;
use super::{Scope, has_subquery, moved, renamed, subquery, unordered};

/// The function whose calls are the two sides of a test of rows.
pub const ROW: &str = "row";

/// `values op ANY (rows)`, or NOT of it.
pub(super) struct Membership {
    /// The columns of the value, mostly one.
    values: Vec<Expr>,
    /// The same as the subquery sees them: their columns are those of the outer query.
    outer: Vec<Expr>,
    op: Operator,
    rows: LogicalPlan,
    /// The subquery's columns, as many.
    columns: Vec<Expr>,
    correlated: bool,
    negated: bool,
    /// Whether a value and a column may be NULL.
    nullable: (bool, bool),
    /// What is NULL where the one value is, and where the one column is.
    sources: (Option<Expr>, Option<Expr>),
    ordered: bool,
}

/// True for IN that compares rows of columns.
pub(super) fn compares_rows(test: &InSubquery) -> bool {
    members(&test.expr, &test.subquery.subquery).is_some()
}

/// The columns of a row, those of a subquery of rows beside it, and what the latter are columns of; `None` if these are no rows.
fn members(value: &Expr, asked: &LogicalPlan) -> Option<(Vec<Expr>, Vec<Expr>, Arc<LogicalPlan>)> {
    let args = |expr: &Expr| match expr.clone().unalias() {
        Expr::ScalarFunction(call) if call.name() == ROW => Some(call.args),
        _ => None,
    };
    let LogicalPlan::Projection(projection) = asked else { return None };
    let [item] = projection.expr.as_slice() else { return None };
    let (values, columns) = (args(value)?, args(item)?);
    (values.len() == columns.len()).then(|| (values, columns, Arc::clone(&projection.input)))
}

impl Membership {
    /// The test that an expression is, if it is one.
    pub fn of(expr: &Expr, scope: &Scope<'_>) -> DfResult<Option<Membership>> {
        let (value, asked, op, negated) = match expr {
            Expr::InSubquery(InSubquery { expr, subquery, negated }) => (expr, subquery, Operator::Eq, *negated),
            Expr::SetComparison(SetComparison { expr, subquery, op, quantifier: SetQuantifier::Any }) => (expr, subquery, *op, false),
            Expr::SetComparison(SetComparison { expr, subquery, op, quantifier: SetQuantifier::All }) => match op.negate() {
                Some(op) => (expr, subquery, op, true),
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        // The value would have to move into the subquery.
        if has_subquery(value) || asked.subquery.schema().fields().len() != 1 {
            return Ok(None);
        }
        let (values, columns, plan) = match members(value, &asked.subquery) {
            Some(members) => members,
            None => {
                let plan = if matches!(asked.subquery.as_ref(), LogicalPlan::Sort(_)) {
                    unordered(Arc::clone(&asked.subquery))?
                } else {
                    Arc::clone(&asked.subquery)
                };
                let first = Expr::Column(Column::from(plan.schema().qualified_field(0)));
                (vec![value.as_ref().clone()], vec![first], plan)
            }
        };
        let (plan, columns) = match renamed(&plan)? {
            Some(other) => {
                let columns = columns.iter().map(|column| moved(column, &plan, &other)).collect::<DfResult<Vec<_>>>()?;
                (Arc::new(other), columns)
            }
            None => (plan, columns),
        };
        // Names of their own keep the subquery's columns apart from columns of the same table outside.
        let named: Vec<Expr> = columns.into_iter().map(|column| column.alias(scope.names.next())).collect();
        let rows = LogicalPlanBuilder::from(plan).project(named)?.build()?;
        let fields = rows.schema().fields();
        let columns: Vec<Expr> = rows.schema().columns().into_iter().map(Expr::Column).collect();
        Ok(Some(Membership {
            sources: (single(&values, scope.schema), single(&columns, rows.schema())),
            nullable: (
                values.iter().any(|value| value.nullable(scope.schema).unwrap_or(true)),
                fields.iter().any(|field| field.is_nullable()),
            ),
            // jsonb has no min() and max().
            ordered: fields
                .iter()
                .all(|field| !matches!(field.data_type(), DataType::Boolean | DataType::LargeUtf8) && !field.data_type().is_nested()),
            correlated: scope.is_named(&asked.subquery)?,
            outer: values.iter().map(|value| of_outer_query(value, scope)).collect::<DfResult<Vec<_>>>()?,
            values,
            op,
            columns,
            rows,
            negated,
        }))
    }

    /// Its value: true, false or NULL.
    pub fn value(&self) -> DfResult<Expr> {
        let any = match self.unknown()? {
            Some(unknown) => when(self.matched()?, lit(true)).when(unknown, lit(ScalarValue::Boolean(None))).otherwise(lit(false))?,
            None => when(self.matched()?, lit(true)).otherwise(lit(false))?,
        };
        Ok(if self.negated { not(any) } else { any })
    }

    /// True where its value is; false or NULL elsewhere.
    pub fn truth(&self) -> DfResult<Expr> {
        if !self.negated {
            return self.matched();
        }
        let matched = self.matched()?;
        let mut all = if self.compares_extremes() { matched.is_not_true() } else { not(matched) };
        let (Some(value), Some(column)) = &self.sources else {
            return Ok(match self.unknown()? {
                Some(unknown) => all.and(not(unknown)),
                None => all,
            });
        };
        if self.nullable.1 {
            all = all.and(not(self.exists(Some(column.clone().is_null()))?));
        }
        if self.nullable.0 {
            all = all.and(value.clone().is_not_null().or(not(self.exists(None)?)));
        }
        Ok(all)
    }

    /// The condition under which a test without a match is NULL; `None` if it never is.
    fn unknown(&self) -> DfResult<Option<Expr>> {
        let (value, row) = self.nullable;
        let (Some(single), Some(column)) = &self.sources else {
            let unknown = || self.exists(Some(compared(&self.outer, self.op, &self.columns).is_null()));
            return (value || row).then(unknown).transpose();
        };
        let row = row.then(|| self.exists(Some(column.clone().is_null()))).transpose()?;
        let value = value.then(|| Ok::<_, DataFusionError>(single.clone().is_null().and(self.exists(None)?))).transpose()?;
        Ok([row, value].into_iter().flatten().reduce(Expr::or))
    }

    fn compares_extremes(&self) -> bool {
        self.op != Operator::Eq && !self.correlated && self.ordered && self.columns.len() == 1
    }

    /// True if a row matches, else false or NULL.
    fn matched(&self) -> DfResult<Expr> {
        let [column] = self.columns.as_slice() else { return self.exists(Some(compared(&self.outer, self.op, &self.columns))) };
        if !self.compares_extremes() {
            return self.exists(Some(compared(&self.outer, self.op, &self.columns)));
        }
        let compare = |side: Expr| compared(&self.values, self.op, &[side]);
        let (least, greatest) = (self.extreme(min(column.clone()))?, self.extreme(max(column.clone()))?);
        Ok(match self.op {
            Operator::Lt | Operator::LtEq => compare(greatest),
            Operator::Gt | Operator::GtEq => compare(least),
            _ => compare(least).or(compare(greatest)),
        })
    }

    fn extreme(&self, aggregate: Expr) -> DfResult<Expr> {
        let plan = LogicalPlanBuilder::from(self.rows.clone()).aggregate(Vec::<Expr>::new(), [aggregate])?.build()?;
        Ok(Expr::ScalarSubquery(subquery(Arc::new(plan))))
    }

    /// Whether the subquery has rows for which a condition holds.
    fn exists(&self, condition: Option<Expr>) -> DfResult<Expr> {
        let mut plan = LogicalPlanBuilder::from(self.rows.clone());
        if let Some(condition) = condition {
            plan = plan.filter(condition)?;
        }
        let asked: Subquery = subquery(Arc::new(plan.build()?));
        Ok(Expr::Exists(Exists { subquery: asked, negated: false }))
    }
}

/// What is NULL where the only one of values is: IS NULL asks of a row whether all that it has is, and a row of NULLs is compared as any other.
fn single(values: &[Expr], schema: &DFSchema) -> Option<Expr> {
    let [value] = values else { return None };
    let is_row = matches!(value.get_type(schema), Ok(DataType::Struct(_)));
    Some(if is_row { arrays::key().call(vec![value.clone()]) } else { value.clone() })
}

/// A value as a subquery sees it.
fn of_outer_query(value: &Expr, scope: &Scope<'_>) -> DfResult<Expr> {
    let outer = value.clone().transform_up(|e| match e {
        Expr::Column(column) => {
            let field = Arc::clone(scope.schema.field_from_column(&column)?);
            Ok(Transformed::yes(Expr::OuterReferenceColumn(field, column)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(outer.data)
}

/// The comparison of rows of one length: of their first columns that differ (manual, chapter 9.24.5).
fn compared(left: &[Expr], op: Operator, right: &[Expr]) -> Expr {
    let binary = |(l, r): (&Expr, &Expr), op: Operator| Expr::BinaryExpr(BinaryExpr::new(Box::new(l.clone()), op, Box::new(r.clone())));
    let pairs = left.iter().zip(right);
    let compared = match op {
        Operator::Eq => pairs.map(|pair| binary(pair, op)).reduce(Expr::and),
        Operator::NotEq => pairs.map(|pair| binary(pair, op)).reduce(Expr::or),
        _ => {
            let strict = match op {
                Operator::LtEq => Operator::Lt,
                Operator::GtEq => Operator::Gt,
                other => other,
            };
            pairs.rev().fold(None, |rest: Option<Expr>, pair| {
                Some(match rest {
                    None => binary(pair, op),
                    Some(rest) => binary(pair, strict).or(binary(pair, Operator::Eq).and(rest)),
                })
            })
        }
    };
    compared.unwrap_or_else(|| lit(true))
}
