//! Between rows of values and columns of Arrow: how ksqlDB's types are kept in the log and shown to PostgreSQL's clients.
//!
//! | ksqlDB | PostgreSQL |
//! |---|---|
//! | BOOLEAN, INT, BIGINT, DOUBLE | boolean, integer, bigint, double precision |
//! | DECIMAL(p, s) | numeric(p, s) |
//! | STRING, BYTES | text, bytea |
//! | DATE, TIME, TIMESTAMP | date, time, timestamp (all UTC) |
//! | ARRAY of one of these | its array |
//! | STRUCT, MAP, other ARRAYs | jsonb; it is read back by the ksqlDB type, which the catalog keeps |

use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int32Builder, Int64Builder,
    LargeStringBuilder, ListArray, StringViewBuilder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Field, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    Time64MicrosecondType, TimestampMicrosecondType,
};
use bigdecimal::{BigDecimal, RoundingMode, ToPrimitive};

use super::json::{Json, from_json, to_json};
use super::types::Type;
use super::value::Value;
use crate::data::PgType;
use crate::data::json::normalise;
use crate::error::{Error, Result, code};

/// The most digits of a numeric column.
const PRECISION_MAX: u8 = 38;

/// The PostgreSQL type that carries a type.
pub fn pg_type(ty: &Type) -> PgType {
    match ty {
        Type::Boolean => PgType::Bool,
        Type::Int => PgType::Int4,
        Type::Bigint => PgType::Int8,
        Type::Double => PgType::Float8,
        Type::Decimal(p, s) => {
            let precision = (*p).clamp(1, PRECISION_MAX);
            PgType::Numeric(Some((precision, (*s).min(precision) as i8)))
        }
        Type::String | Type::Null | Type::Unit => PgType::Text,
        Type::Bytes => PgType::Bytea,
        Type::Date => PgType::Date,
        Type::Time => PgType::Time,
        Type::Timestamp => PgType::Timestamp,
        Type::Array(item) => match pg_type(item) {
            PgType::Jsonb | PgType::Array(_) => PgType::Jsonb,
            scalar => PgType::Array(Box::new(scalar)),
        },
        Type::Map(..) | Type::Struct(_) => PgType::Jsonb,
    }
}

/// The type of a column that was not made in this dialect; `None` if it has none.
pub fn of_pg_type(ty: &PgType) -> Option<Type> {
    Some(match ty {
        PgType::Bool => Type::Boolean,
        PgType::Int2 | PgType::Int4 => Type::Int,
        PgType::Int8 => Type::Bigint,
        PgType::Float4 | PgType::Float8 => Type::Double,
        PgType::Numeric(Some((p, s))) | PgType::Exact(p, s) if *s >= 0 => Type::Decimal(*p, *s as u8),
        numeric if numeric.is_numeric() => Type::Decimal(PRECISION_MAX, 10),
        PgType::Text | PgType::Varchar(_) | PgType::Bpchar(_) | PgType::Name | PgType::Json | PgType::Jsonb => Type::String,
        PgType::Bytea => Type::Bytes,
        PgType::Date => Type::Date,
        PgType::Time => Type::Time,
        PgType::Timestamp | PgType::Timestamptz => Type::Timestamp,
        PgType::Array(item) => Type::Array(Box::new(of_pg_type(item)?)),
        _ => return None,
    })
}

/// The value in a row of a column that carries `ty`. A value that does not fit the type (by another relation's making) is NULL.
pub fn value_at(column: &ArrayRef, row: usize, ty: &Type) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    read(column, row, ty).unwrap_or(Value::Null)
}

fn read(column: &ArrayRef, row: usize, ty: &Type) -> Option<Value> {
    Some(match column.data_type() {
        DataType::Boolean => Value::Boolean(column.as_boolean().value(row)),
        DataType::Int16 => Value::Int(i32::from(column.as_primitive::<Int16Type>().value(row))),
        DataType::Int32 => Value::Int(column.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => Value::Bigint(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float32 => Value::Double(f64::from(column.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => Value::Double(column.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(_, scale) => {
            let unscaled = column.as_primitive::<Decimal128Type>().value(row);
            Value::Decimal(BigDecimal::new(unscaled.into(), i64::from(*scale)))
        }
        DataType::Decimal256(..) => {
            let text = column.as_primitive::<Decimal256Type>().value_as_string(row);
            let Type::Decimal(_, scale) = ty else { return None };
            Value::Decimal(BigDecimal::from_str(&text).ok()?.with_scale_round(i64::from(*scale), RoundingMode::HalfUp))
        }
        DataType::Utf8 => text(column.as_string::<i32>().value(row), ty)?,
        DataType::Utf8View => text(column.as_string_view().value(row), ty)?,
        DataType::LargeUtf8 => text(column.as_string::<i64>().value(row), ty)?,
        DataType::Binary => Value::Bytes(column.as_binary::<i32>().value(row).into()),
        DataType::BinaryView => Value::Bytes(column.as_binary_view().value(row).into()),
        DataType::Date32 => Value::Date(column.as_primitive::<Date32Type>().value(row)),
        DataType::Time64(_) => Value::Time((column.as_primitive::<Time64MicrosecondType>().value(row) / 1_000) as i32),
        DataType::Timestamp(..) => Value::Timestamp(column.as_primitive::<TimestampMicrosecondType>().value(row).div_euclid(1_000)),
        DataType::List(_) => {
            let Type::Array(item) = ty else { return None };
            let items = column.as_list::<i32>().value(row);
            Value::array((0..items.len()).map(|i| value_at(&items, i, item)).collect())
        }
        _ => return None,
    })
}

/// Text is a string, or the JSON of a composite value.
fn text(text: &str, ty: &Type) -> Option<Value> {
    match ty {
        Type::Array(_) | Type::Map(..) | Type::Struct(_) => from_json(&Json::parse(text).ok()?, ty).ok(),
        _ => Some(Value::text(text)),
    }
}

/// The column that carries values of a type. Errors: 22003 for a decimal with more digits than a column has.
pub fn column(values: &[&Value], ty: &Type) -> Result<ArrayRef> {
    macro_rules! fill {
        ($builder:expr, $pattern:pat => $value:expr) => {{
            let mut builder = $builder;
            for value in values {
                match value {
                    $pattern => builder.append_value($value),
                    _ => builder.append_null(),
                }
            }
            Ok(Arc::new(builder.finish()) as ArrayRef)
        }};
    }
    macro_rules! numbers {
        ($builder:expr, $of:ident) => {{
            let mut builder = $builder;
            values.iter().for_each(|value| builder.append_option(value.$of()));
            Ok(Arc::new(builder.finish()) as ArrayRef)
        }};
    }
    match pg_type(ty) {
        PgType::Bool => fill!(BooleanBuilder::new(), Value::Boolean(b) => *b),
        PgType::Int4 => fill!(Int32Builder::new(), Value::Int(n) => *n),
        PgType::Int8 => numbers!(Int64Builder::new(), as_i64),
        PgType::Float8 => numbers!(Float64Builder::new(), as_f64),
        PgType::Numeric(Some((precision, scale))) => decimals(values, precision, scale),
        PgType::Bytea => fill!(BinaryBuilder::new(), Value::Bytes(b) => b),
        PgType::Date => fill!(Date32Builder::new(), Value::Date(n) => *n),
        PgType::Time => fill!(Time64MicrosecondBuilder::new(), Value::Time(n) => i64::from(*n) * 1_000),
        PgType::Timestamp => fill!(TimestampMicrosecondBuilder::new(), Value::Timestamp(n) => n.saturating_mul(1_000)),
        PgType::Jsonb => {
            let mut builder = LargeStringBuilder::new();
            for value in values {
                match value {
                    Value::Null => builder.append_null(),
                    other => builder.append_value(normalise(&to_json(other).write())?),
                }
            }
            Ok(Arc::new(builder.finish()))
        }
        PgType::Array(item) => lists(values, ty, &item),
        _ => fill!(StringViewBuilder::new(), Value::String(s) => s),
    }
}

/// The same; a value that does not fit its column is an error of its record, and so NULL.
pub fn fitting_column(values: &[&Value], ty: &Type) -> Result<ArrayRef> {
    column(values, ty).or_else(|_| {
        let fit: Vec<&Value> = values.iter().map(|v| if column(&[v], ty).is_ok() { *v } else { &Value::Null }).collect();
        column(&fit, ty)
    })
}

fn decimals(values: &[&Value], precision: u8, scale: i8) -> Result<ArrayRef> {
    let mut builder = Decimal128Builder::new();
    for value in values {
        match value.as_decimal() {
            Some(decimal) => {
                let (unscaled, _) = decimal.with_scale_round(i64::from(scale), RoundingMode::HalfUp).into_bigint_and_exponent();
                let fits = unscaled.to_i128().filter(|n| n.unsigned_abs() < 10u128.pow(u32::from(precision)));
                let overflow = || Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow");
                builder.append_value(fits.ok_or_else(overflow)?);
            }
            None => builder.append_null(),
        }
    }
    Ok(Arc::new(builder.with_precision_and_scale(precision, scale)?.finish()))
}

fn lists(values: &[&Value], ty: &Type, item: &PgType) -> Result<ArrayRef> {
    let Type::Array(item_type) = ty else { return Err(Error::internal("only arrays are lists")) };
    let items = |value: &&Value| value.as_array().map_or(0, <[Value]>::len);
    let offsets = OffsetBuffer::from_lengths(values.iter().map(items));
    let flat: Vec<&Value> = values.iter().filter_map(|v| v.as_array()).flatten().collect();
    let nulls = NullBuffer::from_iter(values.iter().map(|v| v.as_array().is_some()));
    let field = Arc::new(Field::new_list_field(item.arrow(), true));
    Ok(Arc::new(ListArray::try_new(field, offsets, column(&flat, item_type)?, Some(nulls))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_from_their_columns() {
        let decimal = |text: &str| Value::Decimal(text.parse().expect("a decimal"));
        let pair: Type = Type::Struct([("A".into(), Type::Int), ("B".into(), Type::Array(Box::new(Type::String)))].into());
        let names: Arc<[Arc<str>]> = ["A".into(), "B".into()].into();
        let values = vec![Value::Int(7), Value::array(vec![Value::text("x"), Value::Null])];
        let row = Value::Struct(Arc::new(super::super::value::Struct { names, values }));
        let cases = [
            (Type::Boolean, Value::Boolean(true)),
            (Type::Int, Value::Int(-3)),
            (Type::Bigint, Value::Bigint(i64::MIN)),
            (Type::Double, Value::Double(0.5)),
            (Type::Decimal(5, 2), decimal("-12.30")),
            (Type::String, Value::text("héllo")),
            (Type::Bytes, Value::Bytes([0, 255].as_slice().into())),
            (Type::Date, Value::Date(-1)),
            (Type::Time, Value::Time(86_399_999)),
            (Type::Timestamp, Value::Timestamp(-1)),
            (Type::Array(Box::new(Type::Decimal(4, 1))), Value::array(vec![decimal("1.5"), Value::Null])),
            (Type::Array(Box::new(Type::Array(Box::new(Type::Int)))), Value::array(vec![Value::array(vec![Value::Int(1)])])),
            (Type::Map(Box::new(Type::String), Box::new(Type::Bigint)), Value::map([(Value::text("k"), Value::Bigint(1 << 60))])),
            (pair, row),
        ];
        for (ty, value) in cases {
            let column = column(&[&value, &Value::Null], &ty).expect("it fits");
            assert_eq!(column.data_type(), &pg_type(&ty).arrow(), "{ty}");
            assert_eq!((value_at(&column, 0, &ty), value_at(&column, 1, &ty)), (value, Value::Null), "{ty}");
        }
        assert!(column(&[&decimal("1000")], &Type::Decimal(5, 2)).is_err());
    }
}
