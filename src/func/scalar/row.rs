//! `ROW(a, b)` and `(a, b)`: a value of the columns f1, f2 and so on, as PostgreSQL names them.

use std::sync::Arc;

use arrow::array::{ArrayRef, StructArray};
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::logical_expr::ScalarUDF;

use super::define::Function;
use crate::error::{Error, Result};

/// The function, which also stands for DataFusion's `struct`.
pub fn row() -> Arc<ScalarUDF> {
    Function::udf("row", rule, made)
}

fn rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let field = |(i, ty): (usize, &DataType)| Field::new(format!("f{}", i + 1), ty.clone(), true);
    let fields: Fields = types.iter().enumerate().map(field).collect();
    Some((types.to_vec(), DataType::Struct(fields)))
}

fn made(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    let DataType::Struct(fields) = output else { return Err(Error::internal("a row has columns")) };
    if args.is_empty() {
        return Ok(Arc::new(StructArray::new_empty_fields(1, None)));
    }
    Ok(Arc::new(StructArray::try_new(fields.clone(), args.to_vec(), None)?))
}
