//! Constants that are compared, of types that arrow has no type for: `'a'::varchar`, `'a'::name`, `current_user`.
//!
//! What tells such a constant's type is metadata of the literal that it becomes, and DataFusion takes two literals for different ones if they
//! differ in that alone: of `v = 'a'::varchar AND v = 'a'` it makes `false`, of `v = 'a'::varchar AND v <> 'a'` the first half. To a comparison
//! the value is all that matters, once it is settled which comparison it is. [`plain`] is put in the place of the rule that simplifies
//! expressions, and takes the type from constants that are compared before the rule computes them.

use std::sync::{Arc, LazyLock};

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result as DfResult};
use datafusion::logical_expr::expr::{InList, ScalarFunction};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, ScalarUDF};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::enums::is_constant;
use super::keys;
use super::scalar::define::Function;
use crate::data::PgType;

/// A function that gives its argument, as a value of the arrow type alone.
static VALUE: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    Function::udf("pg_value", |types| (types.len() == 1).then(|| (types.to_vec(), types[0].clone())), |args, _| Ok(args[0].clone()))
});

/// The rewriting of the rule that simplifies expressions, behind that of the head of this module.
pub fn plain(theirs: &dyn OptimizerRule, plan: LogicalPlan, config: &dyn OptimizerConfig) -> DfResult<Transformed<LogicalPlan>> {
    let mut found = false;
    plan.apply_expressions(|expr| {
        found |= expr.exists(|e| Ok(compared(e).any(is_told)))?;
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    if !found {
        return theirs.rewrite(plan, config);
    }
    theirs.rewrite(keys::each(plan, with_plain)?, config)
}

/// The same for one expression, which is simplified by itself.
pub fn plain_within(expr: Expr) -> DfResult<Expr> {
    if !expr.exists(|e| Ok(compared(e).any(is_told)))? {
        return Ok(expr);
    }
    expr.transform_up(|e| with_plain(e, &DFSchema::empty())).data()
}

/// What a comparison compares.
fn compared(expr: &Expr) -> impl Iterator<Item = &Expr> {
    let (sides, list): ([Option<&Expr>; 2], &[Expr]) = match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if op.supports_propagation() => ([Some(left), Some(right)], &[]),
        Expr::InList(InList { list, .. }) => ([None, None], list),
        _ => ([None, None], &[]),
    };
    sides.into_iter().flatten().chain(list)
}

/// True for a constant of which more than its value is told. Values of an enumeration are known by their type.
fn is_told(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(_, None) | Expr::Column(_) => return false,
        Expr::Literal(..) | Expr::Cast(_) | Expr::TryCast(_) | Expr::ScalarFunction(_) => {}
        _ => return false,
    }
    let field = || expr.to_field(&DFSchema::empty()).ok().map(|(_, field)| field);
    is_constant(expr).is_ok_and(|constant| constant)
        && field().is_some_and(|field| !field.metadata().is_empty() && !field.data_type().is_nested() && !PgType::of(&field).is_of_enum())
}

fn with_plain(expr: Expr, _: &DFSchema) -> DfResult<Transformed<Expr>> {
    if !compared(&expr).any(is_told) {
        return Ok(Transformed::no(expr));
    }
    let plain = |expr: Box<Expr>| Box::new(plain_value(*expr));
    Ok(Transformed::yes(match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => Expr::BinaryExpr(BinaryExpr { left: plain(left), op, right: plain(right) }),
        Expr::InList(InList { expr, list, negated }) => {
            Expr::InList(InList { expr, list: list.into_iter().map(plain_value).collect(), negated })
        }
        other => other,
    }))
}

fn plain_value(expr: Expr) -> Expr {
    match expr {
        expr if !is_told(&expr) => expr,
        Expr::Literal(value, _) => Expr::Literal(value, None),
        expr => Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&VALUE), vec![expr])),
    }
}
