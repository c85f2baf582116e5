//! Values told apart by their bytes, equal ones too: 0 and -0, `1 day` and `24:00:00`, jsonb's `1.0` and `1.00`. PostgreSQL prints them
//! differently, so what is computed once for each value is computed once for each of these.
//!
//! [`key`] gives a value of a type of which no two are equal, and [`value`] takes it back. Of equal values that differ, the one with the greater
//! key is 0, not -0; the interval with the more months, then days; and the jsonb that is last in the order of texts.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, ListArray, StructArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, FieldRef, Float32Type, Float64Type, Int32Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
};
use datafusion::logical_expr::Expr;

use super::arrays;
use super::define::{Function, TEXT};
use crate::error::Result;
use crate::func::arith::rules::INTERVAL;

/// What tells a value apart from all others of its type.
pub fn key(expr: Expr) -> Expr {
    let function = Function::udf(
        "pg_exact_key",
        |types| matches!(types, [_]).then(|| (types.to_vec(), key_type(&types[0]))),
        |args, _| keys(&args[0]),
    );
    function.call(vec![expr])
}

/// The value that such a key is of, where its type is one that [`has_value`] is true for.
pub fn value(key: Expr) -> Expr {
    let function = Function::udf(
        "pg_exact_value",
        |types| matches!(types, [_]).then(|| (types.to_vec(), value_type(&types[0]))),
        |args, output| values(&args[0], output),
    );
    function.call(vec![key])
}

/// The same as what a sort knows the order of: of arrays and of rows, their bytes.
pub fn ordered(value: Expr, ty: &DataType) -> Expr {
    let key = key(value);
    if ty.is_nested() { arrays::key().call(vec![key]) } else { key }
}

/// True for types of which equal values may differ.
pub fn may_differ(ty: &DataType) -> bool {
    key_type(ty) != *ty
}

/// True for types of which DataFusion or a view takes equal values for one, though their bytes differ: floats, arrays of them, and jsonb.
/// Intervals and rows, and arrays of these, are told apart as they are.
pub fn has_value(ty: &DataType) -> bool {
    match ty {
        DataType::List(item) => has_value(item.data_type()),
        DataType::Struct(_) => false,
        ty => *ty != INTERVAL && may_differ(ty),
    }
}

/// The type of the keys of values of this type.
pub fn key_type(ty: &DataType) -> DataType {
    match ty {
        DataType::Float32 => DataType::Int32,
        DataType::Float64 => DataType::Int64,
        DataType::LargeUtf8 => TEXT,
        DataType::List(item) => {
            let of_item = key_type(item.data_type());
            DataType::List(Arc::new(item.as_ref().clone().with_data_type(of_item)))
        }
        DataType::Struct(fields) => {
            let of_field = |field: &FieldRef| field.as_ref().clone().with_data_type(key_type(field.data_type()));
            DataType::Struct(fields.iter().map(of_field).collect())
        }
        ty if *ty == INTERVAL => DataType::Binary,
        other => other.clone(),
    }
}

/// The type of the values that keys of this type are of.
fn value_type(key: &DataType) -> DataType {
    match key {
        DataType::Int32 => DataType::Float32,
        DataType::Int64 => DataType::Float64,
        DataType::Utf8View => DataType::LargeUtf8,
        DataType::List(item) => {
            let of_item = value_type(item.data_type());
            DataType::List(Arc::new(item.as_ref().clone().with_data_type(of_item)))
        }
        other => other.clone(),
    }
}

fn keys(values: &ArrayRef) -> Result<ArrayRef> {
    Ok(match values.data_type() {
        DataType::Float32 => Arc::new(values.as_primitive::<Float32Type>().unary::<_, Int32Type>(|v| v.to_bits() as i32)),
        DataType::Float64 => Arc::new(values.as_primitive::<Float64Type>().unary::<_, Int64Type>(|v| v.to_bits() as i64)),
        ty if *ty == INTERVAL => {
            let parts = values.as_primitive::<IntervalMonthDayNanoType>();
            let bytes =
                |v: IntervalMonthDayNano| [&v.months.to_be_bytes()[..], &v.days.to_be_bytes(), &v.nanoseconds.to_be_bytes()].concat();
            Arc::new(parts.iter().map(|v| v.map(bytes)).collect::<BinaryArray>())
        }
        ty @ DataType::List(_) => of_items(values, &key_type(ty), keys)?,
        ty @ DataType::Struct(_) => {
            let (rows, DataType::Struct(fields)) = (values.as_struct(), key_type(ty)) else { return Ok(Arc::clone(values)) };
            let columns = rows.columns().iter().map(keys).collect::<Result<Vec<_>>>()?;
            Arc::new(StructArray::try_new_with_length(fields, columns, rows.nulls().cloned(), rows.len())?)
        }
        ty => cast(values, &key_type(ty))?,
    })
}

fn values(keys: &ArrayRef, output: &DataType) -> Result<ArrayRef> {
    Ok(match output {
        DataType::Float32 => Arc::new(keys.as_primitive::<Int32Type>().unary::<_, Float32Type>(|v| f32::from_bits(v as u32))),
        DataType::Float64 => Arc::new(keys.as_primitive::<Int64Type>().unary::<_, Float64Type>(|v| f64::from_bits(v as u64))),
        DataType::List(item) => of_items(keys, output, |items| values(items, item.data_type()))?,
        ty => cast(keys, ty)?,
    })
}

/// Lists with other items.
fn of_items(lists: &ArrayRef, output: &DataType, of: impl Fn(&ArrayRef) -> Result<ArrayRef>) -> Result<ArrayRef> {
    let DataType::List(item) = output else { return Ok(Arc::clone(lists)) };
    let lists = lists.as_list::<i32>();
    Ok(Arc::new(ListArray::new(item.clone(), lists.offsets().clone(), of(lists.values())?, lists.nulls().cloned())))
}
