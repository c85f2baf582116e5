//! Values to JSON and back, with ksqlDB's coercions (its JSON format): what a record's text becomes as a column, and what a column
//! becomes as text.

use std::str::FromStr;
use std::sync::Arc;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose};
use bigdecimal::num_bigint::{BigInt, Sign};
use bigdecimal::{BigDecimal, RoundingMode};
use chrono::{Datelike, NaiveDate};

use super::Json;
use crate::error::{Error, Result, code};
use crate::func::ksql::cast::scientific;
use crate::func::ksql::show::java_double;
use crate::func::ksql::{Struct, Type, Value};

/// Numbers of a larger exponent than this are not expanded: nothing stores them.
const EXPONENT_MAX: i64 = 10_000;

const DAY_MS: i64 = 86_400_000;

/// Java's decoder: padding may be missing, left-over bits are ignored.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true),
);

/// Base64 with padding, on one line.
pub fn encode_base64(bytes: &[u8]) -> String {
    general_purpose::STANDARD.encode(bytes)
}

/// The bytes that base64 text stands for.
pub fn decode_base64(text: &str) -> Option<Vec<u8>> {
    LENIENT.decode(text).ok()
}

/// The decimal that a JSON number stands for; `None` if it is too large or small to be one.
pub(super) fn number(text: &str) -> Option<BigDecimal> {
    if let Some((_, exponent)) = text.split_once(['e', 'E']) {
        exponent.parse::<i64>().ok().filter(|e| e.abs() <= EXPONENT_MAX)?;
    }
    BigDecimal::from_str(text).ok()
}

impl Json {
    /// Rewrites its numbers as ksqlDB's functions print them after reading: `-0` as `0`, fractions as Java's decimals, or `plain`.
    pub fn canonical(self, plain: bool) -> Result<Json> {
        Ok(match self {
            Json::Number(n) if n == "-0" => Json::Number("0".to_string()),
            Json::Number(n) if n.contains(['.', 'e', 'E']) => {
                let d =
                    number(&n).ok_or_else(|| Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, format!("number \"{n}\" is out of range")))?;
                Json::Number(if plain { d.to_plain_string() } else { scientific(&d) })
            }
            Json::Array(items) => Json::Array(items.into_iter().map(|item| item.canonical(plain)).collect::<Result<_>>()?),
            Json::Object(fields) => {
                Json::Object(fields.into_iter().map(|(name, value)| Ok((name, value.canonical(plain)?))).collect::<Result<_>>()?)
            }
            other => other,
        })
    }
}

/// The JSON that ksqlDB writes for a value: dates and times are numbers, bytes are base64, map keys are text.
pub fn to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(b) => Json::Bool(*b),
        Value::Int(n) | Value::Date(n) | Value::Time(n) => Json::Number(n.to_string()),
        Value::Bigint(n) | Value::Timestamp(n) => Json::Number(n.to_string()),
        Value::Double(x) if x.is_finite() => Json::Number(java_double(*x)),
        Value::Double(x) => Json::String(java_double(*x)),
        Value::Decimal(d) => Json::Number(d.to_plain_string()),
        Value::String(s) => Json::String(s.to_string()),
        Value::Bytes(b) => Json::String(encode_base64(b)),
        Value::Array(items) => Json::Array(items.iter().map(to_json).collect()),
        Value::Map(entries) => Json::object(entries.iter().map(|(k, v)| (key_text(k), to_json(v))).collect()),
        Value::Struct(s) => Json::Object(s.names.iter().map(|n| n.to_string()).zip(s.values.iter().map(to_json)).collect()),
    }
}

/// A map's key as an object's field name.
fn key_text(key: &Value) -> String {
    match to_json(key) {
        Json::String(text) => text,
        other => other.write(),
    }
}

/// The value of a type that JSON stands for, with ksqlDB's coercions: text to numbers, anything to text, but nothing to BOOLEAN.
pub fn from_json(json: &Json, ty: &Type) -> Result<Value> {
    let value = match (json, ty) {
        (Json::Null, _) | (_, Type::Null) => Some(Value::Null),
        (Json::Bool(b), Type::Boolean) => Some(Value::Boolean(*b)),
        // Out of range wraps, as in Java's intValue() and longValue().
        (Json::Number(n), Type::Int) => whole(n).map(|n| Value::Int(n as i32)),
        (Json::Number(n), Type::Bigint) => whole(n).map(Value::Bigint),
        (Json::Number(n), Type::Double) => n.parse().ok().map(Value::Double),
        (Json::Number(n), Type::Decimal(p, s)) => number(n).map(|d| fit(&d, *p, *s)).transpose()?,
        (Json::Number(n), Type::Date | Type::Time | Type::Timestamp) => whole(n).and_then(|n| moment(n, ty)),
        (Json::String(s), Type::Int) => s.parse().ok().map(Value::Int),
        (Json::String(s), Type::Bigint) => s.parse().ok().map(Value::Bigint),
        (Json::String(s), Type::Double) => double(s).map(Value::Double),
        (Json::String(s), Type::Decimal(p, scale)) => number(s).map(|d| fit(&d, *p, *scale)).transpose()?,
        (Json::String(s), Type::Date | Type::Time | Type::Timestamp) => match s.parse() {
            Ok(n) => moment(n, ty),
            Err(_) => temporal(s, ty),
        },
        (Json::String(s), Type::Bytes) => {
            let compact: String = s.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            decode_base64(&compact).map(|b| Value::Bytes(b.into()))
        }
        (_, Type::String) => Some(Value::text(text(json)?)),
        (Json::Array(items), Type::Array(item)) => {
            Some(Value::array(items.iter().map(|json| from_json(json, item)).collect::<Result<_>>()?))
        }
        (Json::Object(fields), Type::Map(key, item)) => {
            let entry = |(name, value): &(String, Json)| Ok((from_json(&Json::String(name.clone()), key)?, from_json(value, item)?));
            Some(Value::map(fields.iter().map(entry).collect::<Result<Vec<_>>>()?))
        }
        (Json::Object(fields), Type::Struct(types)) => {
            let values = types.iter().map(|(name, ty)| find(fields, name).map_or(Ok(Value::Null), |json| from_json(json, ty)));
            let values = values.collect::<Result<_>>()?;
            Some(Value::Struct(Arc::new(Struct { names: types.iter().map(|(name, _)| name.clone()).collect(), values })))
        }
        _ => None,
    };
    value.ok_or_else(|| Error::new(code::INVALID_TEXT_REPRESENTATION, format!("JSON {} does not fit type {ty}", kind(json))))
}

fn kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

/// The field of this name, else the last one whose name in upper case is it.
fn find<'a>(fields: &'a [(String, Json)], name: &str) -> Option<&'a Json> {
    let exact = fields.iter().find(|(n, _)| n == name);
    exact.or_else(|| fields.iter().rev().find(|(n, _)| n.to_uppercase() == name)).map(|(_, json)| json)
}

/// JSON as the text of a STRING column: arrays as Java prints lists, objects as JSON.
fn text(json: &Json) -> Result<String> {
    Ok(match json {
        Json::String(s) => s.clone(),
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(text).collect::<Result<_>>()?;
            format!("[{}]", items.join(", "))
        }
        other => other.clone().canonical(false)?.write(),
    })
}

/// The low 64 bits of a number without its fraction.
fn whole(text: &str) -> Option<i64> {
    if let Ok(n) = text.parse() {
        return Some(n);
    }
    let (n, _) = number(text)?.with_scale_round(0, RoundingMode::Down).into_bigint_and_exponent();
    let low = n.magnitude().iter_u64_digits().next().unwrap_or(0) as i64;
    Some(if n.sign() == Sign::Minus { low.wrapping_neg() } else { low })
}

fn double(text: &str) -> Option<f64> {
    let text = text.trim();
    let digits = text.trim_start_matches(['+', '-']);
    match digits {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }),
        _ if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') => text.parse().ok(),
        _ => None,
    }
}

/// A decimal of this precision and scale, if the number needs no rounding for it.
fn fit(d: &BigDecimal, precision: u8, scale: u8) -> Result<Value> {
    let overflow = || Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, format!("number does not fit DECIMAL({precision}, {scale})"));
    let fitted = d.with_scale(i64::from(scale));
    let limit = BigInt::from(10).pow(u32::from(precision));
    let (unscaled, _) = fitted.as_bigint_and_exponent();
    if fitted != *d || unscaled.magnitude() >= limit.magnitude() { Err(overflow()) } else { Ok(Value::Decimal(fitted)) }
}

fn moment(n: i64, ty: &Type) -> Option<Value> {
    match ty {
        Type::Date => i32::try_from(n).ok().map(Value::Date),
        Type::Time => i32::try_from(n).ok().filter(|n| (0..=DAY_MS).contains(&i64::from(*n))).map(Value::Time),
        Type::Timestamp => Some(Value::Timestamp(n)),
        _ => None,
    }
}

/// The DATE, TIME or TIMESTAMP that ISO text stands for. Dates may end early (`2020`, `2020-03`), and so may times; a timestamp may have
/// a zone (`Z`, `+01:00`) and is UTC without one.
pub fn temporal(text: &str, ty: &Type) -> Option<Value> {
    match ty {
        Type::Date => i32::try_from(days(text)?).ok().map(Value::Date),
        Type::Time => i32::try_from(millis(text)?).ok().map(Value::Time),
        Type::Timestamp => {
            let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, ""));
            let mut ms = days(date)?.checked_mul(DAY_MS)?;
            if !time.is_empty() {
                let zone = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
                let (time, zone) = time.split_at_checked(zone)?;
                ms = ms.checked_add(if time.is_empty() { 0 } else { millis(time)? })?.checked_sub(offset(zone)?)?;
            }
            Some(Value::Timestamp(ms))
        }
        _ => None,
    }
}

/// A number of just so many digits.
fn digits(text: &str, count: std::ops::RangeInclusive<usize>) -> Option<u32> {
    (count.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn days(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let year = digits(parts.next()?, 4..=4)?;
    let mut next = || parts.next().map_or(Some(1), |part| digits(part, 1..=2));
    let (month, day) = (next()?, next()?);
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day).filter(|_| parts.next().is_none())?;
    Some(i64::from(date.num_days_from_ce()) - 719_163)
}

fn millis(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':');
    let mut next = |limit: u32| parts.next().map_or(Some(0), |part| digits(part, 1..=2).filter(|n| *n < limit));
    let (hour, minute, second) = (next(24)?, next(60)?, next(60)?);
    if parts.next().is_some() || (text.contains('.') && fraction.is_empty()) || fraction.len() > 9 {
        return None;
    }
    let padded = format!("{fraction:0<3}");
    let ms = digits(padded.get(..3)?, 3..=3)?;
    fraction.bytes().all(|b| b.is_ascii_digit()).then_some(i64::from((hour * 60 + minute) * 60 + second) * 1000 + i64::from(ms))
}

/// Milliseconds that a zone is ahead of UTC.
fn offset(zone: &str) -> Option<i64> {
    let sign = match zone.as_bytes().first() {
        None | Some(b'Z' | b'z') => return (zone.len() <= 1).then_some(0),
        Some(b'-') => -1,
        _ => 1,
    };
    let plain: String = zone.chars().skip(1).filter(|c| *c != ':').collect();
    let number = digits(&plain, 2..=4)?;
    let (hours, minutes) = if plain.len() == 2 { (number, 0) } else { (number / 100, number % 100) };
    Some(sign * (i64::from(hours) * 60 + i64::from(minutes)) * 60_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str, ty: &Type) -> Value {
        from_json(&Json::parse(json).unwrap(), ty).unwrap()
    }

    #[test]
    fn prints_numbers_as_java() {
        for (x, text) in [(1.0, "1.0"), (-0.0, "-0.0"), (1e7, "1.0E7"), (1.5e-4, "1.5E-4"), (0.001, "0.001"), (123456.789, "123456.789")] {
            assert_eq!(java_double(x), text);
        }
        for (d, text) in [("1e2", "1E+2"), ("0.0000001", "1E-7"), ("1.10", "1.10"), ("-12.5e3", "-1.25E+4"), ("0.00", "0.00")] {
            assert_eq!(scientific(&number(d).unwrap()), text);
        }
        assert!(number("1e999999999").is_none());
    }

    #[test]
    fn coerces_as_ksqldb() {
        let decimal = |t: &str| Value::Decimal(t.parse().unwrap());
        let cases = [
            ("5000000000", Type::Int, Value::Int(705_032_704)),
            ("1.9", Type::Int, Value::Int(1)),
            ("-1.9", Type::Bigint, Value::Bigint(-1)),
            ("\"12\"", Type::Bigint, Value::Bigint(12)),
            ("\"1.5\"", Type::Double, Value::Double(1.5)),
            ("1.5", Type::Decimal(4, 2), decimal("1.50")),
            ("1.50", Type::String, Value::text("1.50")),
            ("true", Type::String, Value::text("true")),
            ("{\"a\": 1}", Type::String, Value::text("{\"a\":1}")),
            ("[1, \"a\", null]", Type::String, Value::text("[1, a, null]")),
            ("\"ew==\"", Type::Bytes, Value::Bytes(b"{"[..].into())),
            ("\"1972-09-27\"", Type::Date, Value::Date(1000)),
            ("1000", Type::Date, Value::Date(1000)),
            ("\"16:43:40\"", Type::Time, Value::Time(60_220_000)),
            ("\"1970-01-01T01:00:00.5+01:00\"", Type::Timestamp, Value::Timestamp(500)),
            ("{\"a\":1}", Type::Map(Box::new(Type::String), Box::new(Type::Int)), Value::map([(Value::text("a"), Value::Int(1))])),
        ];
        for (json, ty, value) in cases {
            assert_eq!(read(json, &ty), value, "{json} as {ty}");
        }
        for (json, ty) in
            [("\"true\"", Type::Boolean), ("\"x\"", Type::Int), ("1.55", Type::Decimal(4, 1)), ("[]", Type::Bigint), ("-1", Type::Time)]
        {
            assert!(from_json(&Json::parse(json).unwrap(), &ty).is_err(), "{json} as {ty}");
        }
    }

    #[test]
    fn fields_whatever_their_case() {
        let ty = Type::Struct(vec![("ID".into(), Type::Int), ("b".into(), Type::Int)].into());
        let value = read("{\"id\": 1, \"B\": 2}", &ty);
        assert_eq!(value.field("ID"), Some(&Value::Int(1)));
        assert_eq!(value.field("b"), Some(&Value::Null));
        assert_eq!(to_json(&value).write(), "{\"ID\":1,\"b\":null}");
    }
}
