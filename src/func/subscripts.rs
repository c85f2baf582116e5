//! Arrays with fewer subscripts than dimensions (manual, chapter 8.15.3): `(ARRAY[[1,2],[3,4]])[1]` is NULL, since an array is no array of arrays. To
//! DataFusion it is one, and each subscript takes an item of the one before.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::{Expr, ExprSchemable};

/// The expression with NULL in the place of what too few subscripts take.
pub(super) fn complete(expr: Expr, schema: &DFSchema) -> DfResult<Transformed<Expr>> {
    expr.transform_down(|expr| {
        let Expr::ScalarFunction(call) = &expr else { return Ok(Transformed::no(expr)) };
        if call.name() != "array_element" {
            return Ok(Transformed::no(expr));
        }
        match expr.get_type(schema) {
            Ok(DataType::List(item)) => {
                let null = Expr::Literal(ScalarValue::try_from(element_of(item.data_type()))?, None);
                Ok(Transformed::new(null, true, TreeNodeRecursion::Jump))
            }
            // The subscripts below are of the same array.
            _ => Ok(Transformed::new(expr, false, TreeNodeRecursion::Jump)),
        }
    })
}

/// The type of the values in an array, whatever its dimensions, by the type of its items.
fn element_of(item: &DataType) -> &DataType {
    match item {
        DataType::List(inner) => element_of(inner.data_type()),
        other => other,
    }
}
