//! String functions that DataFusion lacks (manual, chapter 9.4): quoting.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, TEXT, each, fixed, text, text_array};
use super::format::shown;
use crate::error::Result;

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Function::udf("quote_ident", one_text, |args, _| map(args, quote_ident)),
        Function::udf("quote_literal", one_value, |args, _| Ok(text_array(each(args, |row| Ok(quote_literal(&printed(args, row)?)))?))),
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

/// The name as SQL must write it: quoted unless it is lower-case letters, digits and underscores.
pub fn quote_ident(name: &str) -> String {
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let plain = starts && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '$');
    if plain { name.to_string() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// The text as a SQL string literal.
pub fn quote_literal(value: &str) -> String {
    let quoted = value.replace('\'', "''");
    if value.contains('\\') { format!(" E'{}'", quoted.replace('\\', "\\\\")).trim_start().to_string() } else { format!("'{quoted}'") }
}

fn quote_nullable(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let quoted = |row| Ok(Some(shown(&args[0], row)?.map_or_else(|| "NULL".to_string(), |value| quote_literal(&value))));
    Ok(text_array((0..args[0].len()).map(quoted).collect::<Result<_>>()?))
}
