//! Arrays of an enumeration that are constant.
//!
//! DataFusion's rule that simplifies expressions computes those that are constant, and makes literals of them: `NULL::mood[]` of a column of
//! the side of an outer join on which there are no rows, or of a CASE of which no branch is left. Then it compares the names of before and
//! after, and its printing of such a literal panics ([`super::bound`]). [`Unprinted`] stands in the place of the rule: expressions that give
//! such an array are hidden from it in a function that bears their name, and the literals among them become functions without arguments.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result as DfResult, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use super::bound::{constant, is_list, is_list_of_labels};
use crate::data::EnumType;
use crate::func::cast::PgCast;
use crate::func::keys;

/// The rule that simplifies expressions, by DataFusion's name.
pub const SIMPLIFYING: &str = "simplify_expressions";

/// The rule that simplifies expressions, but for those of the head of this module.
pub struct Unprinted(pub Arc<dyn OptimizerRule + Send + Sync>);

impl fmt::Debug for Unprinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl OptimizerRule for Unprinted {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> DfResult<Transformed<LogicalPlan>> {
        if !has_labels(&plan)? {
            return self.0.rewrite(plan, config);
        }
        let plan = keys::each(plan, hidden)?;
        self.0.rewrite(plan, config)?.map_data(|plan| keys::each(plan, shown))
    }
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

/// An expression that gives an array of labels, in a function that is not computed beforehand.
fn hidden(expr: Expr, schema: &DFSchema) -> DfResult<Transformed<Expr>> {
    let is_computed = matches!(expr, Expr::Cast(_) | Expr::TryCast(_) | Expr::Case(_) | Expr::ScalarFunction(_));
    if !is_computed || !expr.get_type(schema).is_ok_and(|ty| is_list_of_labels(&ty)) {
        return Ok(Transformed::no(expr));
    }
    let function = Hidden { name: expr.schema_name().to_string(), signature: Signature::any(1, Volatility::Volatile) };
    let function = ScalarUDF::new_from_impl(function);
    Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(function.into(), vec![expr]))))
}

/// What [`hidden`] has hidden, without literals.
fn shown(expr: Expr, _: &DFSchema) -> DfResult<Transformed<Expr>> {
    match expr {
        Expr::Literal(value, _) if is_list(&value) => Ok(Transformed::yes(constant(value))),
        Expr::ScalarFunction(f) if f.func.inner().downcast_ref::<Hidden>().is_some() => match <[Expr; 1]>::try_from(f.args) {
            Ok([expr]) => Ok(Transformed::yes(expr)),
            Err(_) => internal_err!("what hides an expression has it as its argument"),
        },
        other => Ok(Transformed::no(other)),
    }
}

/// A function that gives its argument, under the argument's name of before.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Hidden {
    name: String,
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

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        match types {
            [ty] => Ok(ty.clone()),
            _ => internal_err!("what hides an expression has it as its argument"),
        }
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        match args.args.pop() {
            Some(value) => Ok(value),
            None => internal_err!("what hides an expression has it as its argument"),
        }
    }
}
