//! Arrays as text: `{1,NULL,"a b"}` (manual, chapter 8.15.2); what is read is of one dimension.

use arrow::array::ArrayRef;
use datafusion::common::ScalarValue;

use super::text_io;
use crate::data::PgType;
use crate::data::decode::split_array;
use crate::data::types::dimensions;
use crate::error::{Error, Result};

/// Reads an array of `ty` (a [`PgType::Array`]). Errors: 22P02, those of its items; 0A000 for more than one dimension or a lower bound.
pub fn parse(ty: &PgType, text: &str) -> Result<ScalarValue> {
    let PgType::Array(item) = ty else { return Err(Error::internal(format!("an array of type {ty}"))) };
    let value = |cell: Option<String>| match cell {
        Some(cell) => text_io::parse(item, &cell),
        None => Ok(ScalarValue::try_from(&item.arrow())?),
    };
    let values = split_array(text)?.into_iter().map(value).collect::<Result<Vec<_>>>()?;
    Ok(ScalarValue::List(ScalarValue::new_list(&values, &item.arrow(), true)))
}

/// Prints the elements of one array of type `ty`: those of several dimensions are arrays of the same type.
pub fn print(values: &ArrayRef, ty: &PgType) -> Result<String> {
    let nested = dimensions(values.data_type()) > 0;
    let item = match ty {
        ty if nested => ty,
        PgType::Array(item) => item.as_ref(),
        _ => &PgType::Text,
    };
    let mut cells = Vec::with_capacity(values.len());
    for row in 0..values.len() {
        cells.push(match text_io::print(values.as_ref(), row, item)? {
            None => "NULL".to_string(),
            Some(text) if nested => text,
            Some(text) if *item == PgType::Bool => text[..1].to_string(),
            Some(text) => quoted(&text),
        });
    }
    Ok(format!("{{{}}}", cells.join(",")))
}

fn quoted(text: &str) -> String {
    let plain =
        !text.is_empty() && !text.eq_ignore_ascii_case("null") && !text.contains(|c: char| c.is_whitespace() || "{},\"\\".contains(c));
    if plain { text.to_string() } else { format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")) }
}
