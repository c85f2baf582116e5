//! SQL values as JSON text, as to_json() writes them (manual, chapter 9.16.2): arrays as arrays, rows as objects, times in ISO 8601,
//! json as it is, everything else as a number, a boolean or a string.

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;

use super::text_io;
use crate::data::PgType;
use crate::data::json::put_string;
use crate::error::Result;

/// The value of that row as JSON text; `null` for NULL.
pub fn put(array: &dyn Array, row: usize, out: &mut String) -> Result<()> {
    // A NULL without a type is not marked as one.
    if array.is_null(row) || array.data_type().is_null() {
        out.push_str("null");
        return Ok(());
    }
    match array.data_type() {
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            out.push('[');
            for i in 0..items.len() {
                out.push_str(if i > 0 { "," } else { "" });
                put(&items, i, out)?;
            }
            out.push(']');
            Ok(())
        }
        DataType::Struct(fields) => {
            out.push('{');
            for (i, (field, column)) in fields.iter().zip(array.as_struct().columns()).enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                put_string(field.name(), out);
                out.push(':');
                put(column, row, out)?;
            }
            out.push('}');
            Ok(())
        }
        _ => scalar(array, row, out),
    }
}

fn scalar(array: &dyn Array, row: usize, out: &mut String) -> Result<()> {
    let ty = PgType::of_arrow(array.data_type());
    let text = text_io::print(array, row, &ty)?.unwrap_or_default();
    match array.data_type() {
        DataType::LargeUtf8 | DataType::Boolean => out.push_str(&text),
        t if t.is_numeric() && text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) && !text.ends_with('y') => out.push_str(&text),
        DataType::Timestamp(_, zone) => {
            let iso = text.replacen(' ', "T", 1);
            // BC stands behind the zone.
            put_string(&if zone.is_some() { iso.replacen("+00", "+00:00", 1) } else { iso }, out);
        }
        _ => put_string(&text, out),
    }
    Ok(())
}

/// The value of that row as JSON text by itself.
pub fn of(array: &dyn Array, row: usize) -> Result<String> {
    let mut out = String::new();
    put(array, row, &mut out)?;
    Ok(out)
}
