//! Conversions between types: CAST, the implicit widening of values, and the coercion of literals.
//!
//! CAST does what Java does with the classes behind ksqlDB's types, surprises included: a BIGINT that is too large for INT loses its
//! high bits, a DOUBLE that is too large gives the largest INT, and text that is no truth is FALSE.

mod decimal;
mod text;

use std::sync::Arc;

use super::pattern::calendar::DAY_MS;
use super::show::show;
use super::types::Type;
use super::value::{Struct, Value};
use crate::error::{Error, Result, code};

pub use super::show::java_double;
pub use decimal::{Rounding, check_decimal, divide, double_to_decimal, low_bits, parse_decimal, plain, rescale, round_decimal, scientific};
pub use text::{java_trim, local_parts, read_boolean, read_date, read_double, read_time, read_timestamp};

/// True if CAST converts the one type to the other.
pub fn castable(from: &Type, to: &Type) -> bool {
    use Type::*;
    match (from, to) {
        (a, b) if a == b => true,
        (Null, _) => true,
        (Unit, _) | (_, Unit) | (Bytes, _) => false,
        (_, String) => true,
        (a, b) if a.is_number() && b.is_number() => true,
        (String, Boolean | Int | Bigint | Decimal(..) | Double | Bytes | Date | Time | Timestamp) => true,
        (Timestamp, Date | Time) | (Date, Timestamp) => true,
        (Array(a), Array(b)) => castable(a, b),
        (Map(k, v), Map(l, w)) => castable(k, l) && castable(v, w),
        (Struct(a), Struct(b)) => a.iter().all(|(name, ty)| b.iter().find(|(n, _)| n == name).is_none_or(|(_, other)| castable(ty, other))),
        _ => false,
    }
}

/// 22P02: the text is not of the type.
fn not_of_type(text: &str, to: &Type) -> Error {
    let name = match to {
        Type::Decimal(..) => "DECIMAL".to_string(),
        other => other.to_string(),
    };
    Error::new(code::INVALID_TEXT_REPRESENTATION, format!("invalid input syntax for type {name}: \"{text}\""))
}

fn refused(value: &Value, to: &Type) -> Error {
    Error::new(code::CANNOT_COERCE, format!("cast of {} to {to} is not supported", kind(value)))
}

/// The name of a value's type, for messages.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL",
        Value::Boolean(_) => "BOOLEAN",
        Value::Int(_) => "INTEGER",
        Value::Bigint(_) => "BIGINT",
        Value::Double(_) => "DOUBLE",
        Value::Decimal(_) => "DECIMAL",
        Value::String(_) => "STRING",
        Value::Bytes(_) => "BYTES",
        Value::Date(_) => "DATE",
        Value::Time(_) => "TIME",
        Value::Timestamp(_) => "TIMESTAMP",
        Value::Array(_) => "ARRAY",
        Value::Map(_) => "MAP",
        Value::Struct(_) => "STRUCT",
    }
}

/// Explicit CAST. NULL stays NULL.
pub fn cast(value: &Value, to: &Type) -> Result<Value> {
    Ok(match (value, to) {
        (Value::Null, _) => Value::Null,
        (_, Type::Null) => value.clone(),
        (Value::String(s), Type::Boolean) => Value::Boolean(read_boolean(java_trim(s)).unwrap_or(false)),
        (Value::String(_), Type::String) => value.clone(),
        (Value::String(s), Type::Decimal(p, q)) => Value::Decimal(check_decimal(decimal_text(s, to)?, *p, *q)?),
        (Value::String(s), _) => read_scalar(s, to)?.ok_or_else(|| refused(value, to))?,
        (Value::Boolean(_), Type::Boolean) | (Value::Bytes(_), Type::Bytes) => value.clone(),
        (Value::Bytes(_), _) => return Err(refused(value, to)),
        (_, Type::String) => Value::text(show(value)),
        (Value::Int(_) | Value::Bigint(_) | Value::Double(_) | Value::Decimal(_), _) if to.is_number() => cast_number(value, to)?,
        (Value::Date(_), Type::Date) | (Value::Time(_), Type::Time) | (Value::Timestamp(_), Type::Timestamp) => value.clone(),
        (Value::Timestamp(ms), Type::Date) => Value::Date(narrow(ms.div_euclid(DAY_MS))?),
        (Value::Timestamp(ms), Type::Time) => Value::Time(narrow(ms.rem_euclid(DAY_MS))?),
        (Value::Date(day), Type::Timestamp) => Value::Timestamp(i64::from(*day) * DAY_MS),
        _ => each(value, to, &cast)?.ok_or_else(|| refused(value, to))?,
    })
}

/// A count of days or milliseconds as their 32 bits.
fn narrow(n: i64) -> Result<i32> {
    i32::try_from(n).map_err(|_| Error::new(code::DATETIME_FIELD_OVERFLOW, "date out of range"))
}

/// Converts what a composite value is made of; `None` if the type is not of its kind.
fn each(value: &Value, to: &Type, convert: &dyn Fn(&Value, &Type) -> Result<Value>) -> Result<Option<Value>> {
    Ok(Some(match (value, to) {
        (Value::Array(items), Type::Array(item)) => Value::array(items.iter().map(|v| convert(v, item)).collect::<Result<_>>()?),
        (Value::Map(entries), Type::Map(key, item)) => {
            let entries: Result<Vec<_>> = entries.iter().map(|(k, v)| Ok((convert(k, key)?, convert(v, item)?))).collect();
            Value::map(entries?)
        }
        (Value::Struct(s), Type::Struct(fields)) => {
            let field = |name: &Arc<str>| s.names.iter().position(|n| n == name).and_then(|at| s.values.get(at));
            let values: Result<Vec<Value>> =
                fields.iter().map(|(name, ty)| field(name).map_or(Ok(Value::Null), |value| convert(value, ty))).collect();
            Value::Struct(Arc::new(Struct { names: fields.iter().map(|(n, _)| n.clone()).collect(), values: values? }))
        }
        _ => return Ok(None),
    }))
}

/// Numbers among each other: whole ones lose their high bits, doubles stop at the bounds, decimals are checked.
fn cast_number(value: &Value, to: &Type) -> Result<Value> {
    let whole = || match value {
        Value::Double(x) => *x as i64,
        Value::Decimal(d) => low_bits(d),
        _ => value.as_i64().unwrap_or_default(),
    };
    Ok(match (value, to) {
        (Value::Double(x), Type::Int) => Value::Int(*x as i32),
        (_, Type::Int) => Value::Int(whole() as i32),
        (_, Type::Bigint) => Value::Bigint(whole()),
        (Value::Double(x), Type::Decimal(p, s)) => Value::Decimal(double_to_decimal(*x, *p, *s)?),
        (_, Type::Decimal(p, s)) => Value::Decimal(check_decimal(value.as_decimal().ok_or_else(|| refused(value, to))?, *p, *s)?),
        (_, Type::Double) => Value::Double(value.as_f64().ok_or_else(|| refused(value, to))?),
        _ => return Err(refused(value, to)),
    })
}

fn decimal_text(text: &str, to: &Type) -> Result<bigdecimal::BigDecimal> {
    parse_decimal(java_trim(text)).ok_or_else(|| not_of_type(text, to))
}

/// Text as a number other than a decimal, as bytes or as a time; `None` if the type is none of these.
fn read_scalar(text: &str, to: &Type) -> Result<Option<Value>> {
    let trimmed = java_trim(text);
    let value = match to {
        Type::Int => trimmed.parse().ok().map(Value::Int),
        Type::Bigint => trimmed.parse().ok().map(Value::Bigint),
        Type::Double => read_double(trimmed).map(Value::Double),
        Type::Bytes => text::read_bytes(trimmed).map(|bytes| Value::Bytes(bytes.into())),
        Type::Date => read_date(trimmed).and_then(|day| i32::try_from(day).ok()).map(Value::Date),
        Type::Time => read_time(trimmed).and_then(|ms| i32::try_from(ms).ok()).map(Value::Time),
        Type::Timestamp => read_timestamp(trimmed).map(Value::Timestamp),
        _ => return Ok(None),
    };
    value.map(Some).ok_or_else(|| not_of_type(text, to))
}

/// Implicit conversion: numbers to wider ones, dates to timestamps, composites element by element, structs by the names of their
/// fields. A value that needs none is given back as it is.
pub fn widen(value: Value, to: &Type) -> Result<Value> {
    Ok(match (&value, to) {
        (Value::Int(n), Type::Bigint) => Value::Bigint(i64::from(*n)),
        (Value::Int(_) | Value::Bigint(_) | Value::Decimal(_), Type::Double) => cast_number(&value, to)?,
        (Value::Int(_) | Value::Bigint(_), Type::Decimal(..)) => cast_number(&value, to)?,
        (Value::Decimal(d), Type::Decimal(p, s)) if d.as_bigint_and_exponent().1 != i64::from(*s) => {
            Value::Decimal(check_decimal(d.clone(), *p, *s)?)
        }
        (Value::Date(day), Type::Timestamp) => Value::Timestamp(i64::from(*day) * DAY_MS),
        (Value::Array(_) | Value::Map(_) | Value::Struct(_), _) => match each(&value, to, &|v, ty| widen(v.clone(), ty))? {
            Some(widened) => widened,
            None => value,
        },
        _ => value,
    })
}

/// A string literal as a value of another type, with which it is compared or to which it is assigned. Unlike CAST it takes no text
/// for a truth that is none, and does not round.
pub fn coerce_literal(text: &str, to: &Type) -> Result<Value> {
    match to {
        Type::String | Type::Null => Ok(Value::text(text)),
        Type::Boolean => read_boolean(java_trim(text)).map(Value::Boolean).ok_or_else(|| not_of_type(text, to)),
        Type::Decimal(p, s) => {
            let exact = decimal_text(text, to)?;
            let fitted = check_decimal(exact.clone(), *p, *s)?;
            if fitted == exact {
                return Ok(Value::Decimal(fitted));
            }
            Err(Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, format!("\"{text}\" does not fit {to} without rounding")))
        }
        _ => read_scalar(text, to)?.ok_or_else(|| not_of_type(text, to)),
    }
}

/// The type of a number written as text, for lists in which literals find a common type: INT, BIGINT or the DECIMAL of its digits;
/// `None` if it is no number.
pub fn number_type(text: &str) -> Option<Type> {
    let value = parse_decimal(java_trim(text))?;
    if !text.contains(['.', 'e', 'E']) {
        match java_trim(text).parse::<i64>() {
            Ok(n) if i32::try_from(n).is_ok() => return Some(Type::Int),
            Ok(_) => return Some(Type::Bigint),
            Err(_) => {}
        }
    }
    let (digits, scale) = value.as_bigint_and_exponent();
    let zero = digits == bigdecimal::num_bigint::BigInt::from(0);
    let scale_shown = u8::try_from(scale.max(0)).ok()?;
    let precision = if zero { i64::from(scale_shown) + 1 } else { (i64::try_from(value.digits()).ok()? - scale.min(0)).max(scale) };
    Some(Type::Decimal(u8::try_from(precision).ok()?, scale_shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(text: &str) -> Value {
        Value::Decimal(parse_decimal(text).expect("a decimal"))
    }

    fn array(ty: Type) -> Type {
        Type::Array(Box::new(ty))
    }

    #[test]
    fn casts_do_what_java_does() {
        let text = |s: &str| Value::text(s);
        let cases = [
            (Value::Bigint(2_147_483_648), Type::Int, Some(Value::Int(i32::MIN))),
            (Value::Double(1e20), Type::Int, Some(Value::Int(i32::MAX))),
            (Value::Double(-1.9), Type::Bigint, Some(Value::Bigint(-1))),
            (Value::Double(f64::NAN), Type::Int, Some(Value::Int(0))),
            (dec("10.99"), Type::Int, Some(Value::Int(10))),
            (dec("10.01"), Type::Double, Some(Value::Double(10.01))),
            (Value::Int(10), Type::Decimal(2, 1), None),
            (Value::Int(-1), Type::Decimal(2, 1), Some(dec("-1.0"))),
            (text(" 10 "), Type::Int, Some(Value::Int(10))),
            (text("10.5"), Type::Int, None),
            (text("+7"), Type::Bigint, Some(Value::Bigint(7))),
            (text("1e3"), Type::Double, Some(Value::Double(1000.0))),
            (text("Infinity"), Type::Double, None),
            (text("0.99"), Type::Decimal(2, 1), Some(dec("1.0"))),
            (text("tRu"), Type::Boolean, Some(Value::Boolean(true))),
            (text("whatever"), Type::Boolean, Some(Value::Boolean(false))),
            (text("foo"), Type::Timestamp, None),
            (text("AQI"), Type::Bytes, Some(Value::Bytes([1, 2].into()))),
            (Value::Timestamp(-1), Type::Date, Some(Value::Date(-1))),
            (Value::Timestamp(-1), Type::Time, Some(Value::Time(86_399_999))),
            (Value::Date(1), Type::Timestamp, Some(Value::Timestamp(DAY_MS))),
            (Value::array(vec![Value::Int(1), Value::Null]), array(Type::String), Some(Value::array(vec![text("1"), Value::Null]))),
            (Value::Null, array(Type::String), Some(Value::Null)),
        ];
        for (value, to, expected) in cases {
            assert_eq!(cast(&value, &to).ok(), expected, "{value:?} to {to}");
        }
    }

    #[test]
    fn the_matrix_of_casts() {
        let map = |v: Type| Type::Map(Box::new(Type::String), Box::new(v));
        let yes = [
            (Type::Boolean, Type::String),
            (Type::String, Type::Boolean),
            (Type::Date, Type::Timestamp),
            (map(Type::String), map(Type::Int)),
            (map(Type::String), Type::String),
            (Type::String, Type::Bytes),
        ];
        let no = [
            (Type::String, map(Type::Int)),
            (Type::Boolean, Type::Int),
            (Type::Bigint, Type::Timestamp),
            (Type::Bytes, Type::String),
            (Type::Time, Type::Timestamp),
            (array(Type::Boolean), array(Type::Int)),
        ];
        assert!(yes.iter().all(|(a, b)| castable(a, b)));
        assert!(!no.iter().any(|(a, b)| castable(a, b)));
    }

    #[test]
    fn literals_are_stricter_than_casts() {
        let message = |text: &str, ty: Type| coerce_literal(text, &ty).expect_err("refused").message().to_string();
        assert_eq!(message("Not a boolean", Type::Boolean), "invalid input syntax for type BOOLEAN: \"Not a boolean\"");
        assert_eq!(message("not 10", Type::Bigint), "invalid input syntax for type BIGINT: \"not 10\"");
        assert_eq!(message("10.0 - not a number", Type::Double), "invalid input syntax for type DOUBLE: \"10.0 - not a number\"");
        assert_eq!(coerce_literal("No", &Type::Boolean).ok(), Some(Value::Boolean(false)));
        assert_eq!(coerce_literal("2018", &Type::Timestamp).ok(), Some(Value::Timestamp(1_514_764_800_000)));
        assert!(coerce_literal("1.25", &Type::Decimal(3, 1)).is_err());
        assert_eq!(coerce_literal("1.20", &Type::Decimal(3, 1)).ok(), Some(dec("1.2")));
    }

    #[test]
    fn values_widen() {
        assert_eq!(show(&widen(Value::Int(1), &Type::Decimal(12, 2)).expect("fits")), "1.00");
        assert_eq!(show(&widen(Value::array(vec![Value::Int(1)]), &array(Type::Double)).expect("fits")), "[1.0]");
        assert_eq!(number_type("10"), Some(Type::Int));
        assert_eq!(number_type("3000000000"), Some(Type::Bigint));
        assert_eq!(number_type("10.50"), Some(Type::Decimal(4, 2)));
        assert_eq!(number_type("0.05"), Some(Type::Decimal(2, 2)));
        assert_eq!(number_type("10 - not a number"), None);
    }
}
