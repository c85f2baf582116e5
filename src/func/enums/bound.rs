//! Arrays of an enumeration as parameters.
//!
//! DataFusion prints constants, into the names of expressions among others, and its printing of a list panics where it cannot read the
//! zone of the items, which is what an enumeration's type looks like to it. So a list never stands in a plan as a literal: [`bind`]
//! puts it in as a function without arguments that is not computed beforehand.

use std::fmt;
use std::hash::{Hash, Hasher};

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{ColumnarValue, Expr, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use crate::data::EnumType;

/// The plan with those of the parameters that are arrays of an enumeration in their places.
pub fn bind(plan: LogicalPlan, parameters: &[ScalarValue]) -> DfResult<LogicalPlan> {
    if !parameters.iter().any(is_list) {
        return Ok(plan);
    }
    let bound = plan.transform_up_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            let bound = expr.transform_up(|e| match &e {
                Expr::Placeholder(placeholder) => Ok(match numbered(&placeholder.id, parameters) {
                    Some(value) if is_list(value) => Transformed::yes(constant(value.clone())),
                    _ => Transformed::no(e),
                }),
                _ => Ok(Transformed::no(e)),
            })?;
            Ok(bound.update_data(|e| name.restore(e)))
        })
    });
    Ok(bound?.data)
}

/// True for an array of an enumeration's values.
pub(super) fn is_list(value: &ScalarValue) -> bool {
    matches!(value, ScalarValue::List(_)) && is_list_of_labels(&value.data_type())
}

/// True for the type of arrays of an enumeration.
pub fn is_list_of_labels(ty: &DataType) -> bool {
    matches!(ty, DataType::List(item) if EnumType::of_arrow(item.data_type()).is_some())
}

/// The value of `$n`.
fn numbered<'a>(id: &str, parameters: &'a [ScalarValue]) -> Option<&'a ScalarValue> {
    let n: usize = id.strip_prefix('$')?.parse().ok()?;
    parameters.get(n.checked_sub(1)?)
}

/// A function of no arguments that gives the value.
pub(super) fn constant(value: ScalarValue) -> Expr {
    let function = ScalarUDF::new_from_impl(Constant { value, signature: Signature::exact(vec![], Volatility::Volatile) });
    Expr::ScalarFunction(ScalarFunction::new_udf(function.into(), vec![]))
}

struct Constant {
    value: ScalarValue,
    signature: Signature,
}

impl fmt::Debug for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("labels")
    }
}

impl PartialEq for Constant {
    fn eq(&self, other: &Constant) -> bool {
        self.value == other.value
    }
}

impl Eq for Constant {}

impl Hash for Constant {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}

impl ScalarUDFImpl for Constant {
    fn name(&self) -> &str {
        "labels"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DfResult<DataType> {
        Ok(self.value.data_type())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.value.clone()))
    }
}
