//! Array functions whose results PostgreSQL types or computes otherwise (manual, chapter 9.19).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array};
use arrow::datatypes::{DataType, Int32Type};
use datafusion::functions_nested::remove::array_remove_all_udf;
use datafusion::functions_nested::replace::array_replace_all_udf;
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, each};
use crate::error::Result;

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        // PostgreSQL removes and replaces all, not the first.
        Arc::new(array_remove_all_udf().as_ref().clone().with_aliases(["array_remove"])),
        Arc::new(array_replace_all_udf().as_ref().clone().with_aliases(["array_replace"])),
        Function::udf("array_length", dimension_rule, length),
        Function::udf("array_upper", dimension_rule, length),
        Function::udf("cardinality", list_rule, cardinality),
    ]
}

fn dimension_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    match types {
        [list @ DataType::List(_), dimension] if dimension.is_integer() => Some((vec![list.clone(), DataType::Int32], DataType::Int32)),
        _ => None,
    }
}

fn list_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    match types {
        [list @ DataType::List(_)] => Some((vec![list.clone()], DataType::Int32)),
        _ => None,
    }
}

/// NULL for an empty array and for a dimension that it does not have.
fn length(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let (lists, dimension) = (args[0].as_list::<i32>(), args[1].as_primitive::<Int32Type>());
    let rows = each(args, |row| {
        let found = (dimension.value(row) == 1).then(|| lists.value_length(row)).filter(|n| *n > 0);
        Ok(found)
    })?;
    Ok(Arc::new(rows.into_iter().map(Option::flatten).collect::<Int32Array>()))
}

fn cardinality(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let lists = args[0].as_list::<i32>();
    Ok(Arc::new((0..lists.len()).map(|row| lists.is_valid(row).then(|| lists.value_length(row))).collect::<Int32Array>()))
}
