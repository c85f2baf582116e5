//! Arrays of an enumeration that are constant.
//!
//! DataFusion's rule that simplifies expressions computes those that are constant, and makes literals of them: `NULL::mood[]` of a column of
//! the side of an outer join on which there are no rows, or of a CASE of which no branch is left. Then it compares the names of before and
//! after, and its printing of such a literal panics ([`super::bound`]). [`unprinted`] is put in the place of the rule: what it would compute is
//! hidden from it in a function without arguments, and afterwards shown again, literals as [`constant`] has them.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::bound::{constant, is_list, is_list_of_labels};
use crate::data::EnumType;
use crate::func::cast::PgCast;
use crate::func::keys;

/// The rule that simplifies expressions, by DataFusion's name.
pub const SIMPLIFYING: &str = "simplify_expressions";

/// The rewriting of the rule that simplifies expressions, but for those of the head of this module.
pub fn unprinted(theirs: &dyn OptimizerRule, plan: LogicalPlan, config: &dyn OptimizerConfig) -> DfResult<Transformed<LogicalPlan>> {
    if !has_labels(&plan)? {
        return theirs.rewrite(plan, config);
    }
    let plan = keys::each(plan, hidden)?;
    theirs.rewrite(plan, config)?.map_data(|plan| keys::each(plan, shown))
}

/// Whether expressions of a node may give values of an enumeration, or arrays of them. Most have none, and are not to pay for the rule.
fn has_labels(plan: &LogicalPlan) -> DfResult<bool> {
    let of_labels = |ty: &DataType| is_list_of_labels(ty) || EnumType::of_arrow(ty).is_some();
    if plan.inputs().iter().any(|input| input.schema().fields().iter().any(|field| of_labels(field.data_type()))) {
        return Ok(true);
    }
    let gives = |e: &Expr| match e {
        Expr::Cast(cast) => of_labels(cast.field.data_type()),
        Expr::TryCast(cast) => of_labels(cast.field.data_type()),
        Expr::Literal(value, _) => of_labels(&value.data_type()),
        Expr::ScalarFunction(f) => f.func.inner().downcast_ref::<PgCast>().is_some_and(|cast| cast.target().is_of_enum()),
        _ => false,
    };
    let mut found = false;
    plan.apply_expressions(|expr| {
        found |= expr.exists(|e| Ok(gives(e)))?;
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// What gives an array of labels whatever the row, in a function that is not computed beforehand; and CASE with an ELSE that is, as the rule
/// may find that no other branch is left.
fn hidden(expr: Expr, schema: &DFSchema) -> DfResult<Transformed<Expr>> {
    let Some(ty) = expr.get_type(schema).ok().filter(is_list_of_labels) else { return Ok(Transformed::no(expr)) };
    match expr {
        Expr::Case(mut case) if case.else_expr.is_none() => {
            let null = Expr::Literal(ScalarValue::try_new_null(&ty)?, None);
            case.else_expr = Some(Box::new(hiding("NULL".into(), ty, null)));
            Ok(Transformed::yes(Expr::Case(case)))
        }
        Expr::Literal(..) | Expr::Cast(_) | Expr::TryCast(_) | Expr::ScalarFunction(_) if is_constant(&expr)? => {
            // Printing a literal is what goes wrong.
            let name = if matches!(expr, Expr::Literal(..)) { "literal".into() } else { expr.schema_name().to_string() };
            Ok(Transformed::yes(hiding(name, ty, expr)))
        }
        expr => Ok(Transformed::no(expr)),
    }
}

/// True for what the rule computes: it reads nothing, and always gives the same.
pub fn is_constant(expr: &Expr) -> DfResult<bool> {
    let computed =
        expr.exists(|e| Ok(!matches!(e, Expr::Literal(..) | Expr::Cast(_) | Expr::TryCast(_) | Expr::ScalarFunction(_) | Expr::Alias(_))))?;
    Ok(!computed && !expr.is_volatile())
}

fn hiding(name: String, ty: DataType, expr: Expr) -> Expr {
    let function = Hidden { name, ty, expr, signature: Signature::nullary(Volatility::Volatile) };
    Expr::ScalarFunction(ScalarFunction::new_udf(ScalarUDF::new_from_impl(function).into(), vec![]))
}

/// What [`hidden`] has hidden, without literals.
fn shown(expr: Expr, _: &DFSchema) -> DfResult<Transformed<Expr>> {
    let inner = match &expr {
        Expr::ScalarFunction(f) => f.func.inner().downcast_ref::<Hidden>().map(|hidden| hidden.expr.clone()),
        _ => None,
    };
    match inner.as_ref().unwrap_or(&expr) {
        Expr::Literal(value, _) if is_list(value) => Ok(Transformed::yes(constant(value.clone()))),
        _ => Ok(inner.map_or_else(|| Transformed::no(expr), Transformed::yes)),
    }
}

/// A function that stands for an expression, under its name.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Hidden {
    name: String,
    ty: DataType,
    expr: Expr,
    signature: Signature,
}

impl ScalarUDFImpl for Hidden {
    fn name(&self) -> &str {
        "hidden"
    }

    fn schema_name(&self, _: &[Expr]) -> DfResult<String> {
        Ok(self.name.clone())
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DfResult<DataType> {
        Ok(self.ty.clone())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        internal_err!("what stands for an expression is not computed")
    }
}
