//! String functions that DataFusion lacks (manual, chapter 9.4): quoting.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, TEXT, each, fixed, text, text_array};
use super::format::shown;
use crate::data::quoting::{ident, literal};
use crate::error::Result;

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Function::udf("quote_ident", one_text, |args, _| map(args, ident)),
        Function::udf("quote_literal", one_value, |args, _| Ok(text_array(each(args, |row| Ok(literal(&printed(args, row)?)))?))),
        Function::udf("quote_nullable", one_value, quote_nullable),
    ]
}

fn one_text(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    fixed(types, &[TEXT], 0, TEXT)
}

/// A value of any type, shown as text.
fn one_value(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    (types.len() == 1).then(|| (types.to_vec(), TEXT))
}

fn printed(args: &[ArrayRef], row: usize) -> Result<String> {
    Ok(shown(&args[0], row)?.unwrap_or_default())
}

fn map(args: &[ArrayRef], f: fn(&str) -> String) -> Result<ArrayRef> {
    Ok(text_array(each(args, |row| Ok(f(text(args, 0).value(row))))?))
}

fn quote_nullable(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let quoted = |row| Ok(Some(shown(&args[0], row)?.map_or_else(|| "NULL".to_string(), |value| literal(&value))));
    Ok(text_array((0..args[0].len()).map(quoted).collect::<Result<_>>()?))
}
