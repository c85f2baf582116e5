//! `x IN (..)`, `x op ANY (..)` and `x op ALL (..)` (manual, chapter 9.23).
//!
//! With S the rows of the subquery, `x op ANY S` is true if a row matches; else NULL if x or a value of S is NULL and S has rows; else
//! false. ALL is NOT ANY of the opposite operator, IN is `= ANY`, NOT IN is `<> ALL`. Whether a row matches is asked by EXISTS, or of the
//! least or greatest value of S if it is the same for all rows: then a change of S costs the groups' rows once.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, ExprSchema, Result as DfResult, ScalarValue};
use datafusion::functions_aggregate::expr_fn::{max, min};
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, lit, not, when};

use super::{Scope, has_subquery, subquery, unordered};

/// `value op ANY (rows)`, or NOT of it.
pub(super) struct Membership {
    value: Expr,
    /// The value as the subquery sees it: its columns are those of the outer query.
    outer: Expr,
    op: Operator,
    rows: LogicalPlan,
    /// The subquery's one column.
    column: Expr,
    correlated: bool,
    negated: bool,
    /// Whether the value and the column may be NULL.
    nullable: (bool, bool),
    ordered: bool,
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
        let outer = value.as_ref().clone().transform_up(|e| match e {
            Expr::Column(column) => {
                let field = Arc::clone(scope.schema.field_from_column(&column)?);
                Ok(Transformed::yes(Expr::OuterReferenceColumn(field, column)))
            }
            other => Ok(Transformed::no(other)),
        })?;
        let plan = if matches!(asked.subquery.as_ref(), LogicalPlan::Sort(_)) {
            unordered(Arc::clone(&asked.subquery))?
        } else {
            Arc::clone(&asked.subquery)
        };
        // A name of its own keeps the subquery's column apart from a column of the same table outside.
        let first = Expr::Column(Column::from(plan.schema().qualified_field(0)));
        let rows = LogicalPlanBuilder::from(plan).project([first.alias(scope.names.next())])?.build()?;
        let column = Expr::Column(Column::from(rows.schema().qualified_field(0)));
        let ty = rows.schema().field(0).data_type();
        Ok(Some(Membership {
            nullable: (value.nullable(scope.schema).unwrap_or(true), rows.schema().field(0).is_nullable()),
            // jsonb has no min() and max().
            ordered: !matches!(ty, DataType::Boolean | DataType::LargeUtf8) && !ty.is_nested(),
            correlated: scope.is_named(&asked.subquery)?,
            value: value.as_ref().clone(),
            outer: outer.data,
            op,
            rows,
            column,
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
        if self.nullable.1 {
            all = all.and(not(self.null_row()?));
        }
        if self.nullable.0 {
            all = all.and(self.value.clone().is_not_null().or(not(self.exists(None)?)));
        }
        Ok(all)
    }

    /// The condition under which a test without a match is NULL; `None` if it never is.
    fn unknown(&self) -> DfResult<Option<Expr>> {
        let row = self.nullable.1.then(|| self.null_row()).transpose()?;
        let value =
            self.nullable.0.then(|| Ok::<_, datafusion::error::DataFusionError>(self.value.clone().is_null().and(self.exists(None)?)));
        Ok([row, value.transpose()?].into_iter().flatten().reduce(Expr::or))
    }

    fn compares_extremes(&self) -> bool {
        self.op != Operator::Eq && !self.correlated && self.ordered
    }

    /// True if a row matches, else false or NULL.
    fn matched(&self) -> DfResult<Expr> {
        let compare = |side: Expr| Expr::BinaryExpr(BinaryExpr::new(Box::new(self.value.clone()), self.op, Box::new(side)));
        if self.compares_extremes() {
            let (least, greatest) = (self.extreme(min(self.column.clone()))?, self.extreme(max(self.column.clone()))?);
            return Ok(match self.op {
                Operator::Lt | Operator::LtEq => compare(greatest),
                Operator::Gt | Operator::GtEq => compare(least),
                _ => compare(least).or(compare(greatest)),
            });
        }
        let matches = BinaryExpr::new(Box::new(self.outer.clone()), self.op, Box::new(self.column.clone()));
        self.exists(Some(Expr::BinaryExpr(matches)))
    }

    fn extreme(&self, aggregate: Expr) -> DfResult<Expr> {
        let plan = LogicalPlanBuilder::from(self.rows.clone()).aggregate(Vec::<Expr>::new(), [aggregate])?.build()?;
        Ok(Expr::ScalarSubquery(subquery(Arc::new(plan))))
    }

    fn null_row(&self) -> DfResult<Expr> {
        self.exists(Some(self.column.clone().is_null()))
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
