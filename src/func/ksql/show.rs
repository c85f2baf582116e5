//! Values as text: what CAST(x AS STRING) gives, in the forms of Java's classes behind ksqlDB's types.
//!
//! Inside arrays, maps and structs some values look different from those standing alone, because there Java's own toString speaks.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::cast::{plain, scientific};
use super::pattern::calendar::{DAY_MS, civil_of_day};
use super::value::Value;

/// The text of CAST(x AS STRING). NULL is the text `null`; callers treat it before.
pub fn show(value: &Value) -> String {
    match value {
        Value::Decimal(d) => plain(d),
        Value::Time(ms) => {
            let (h, m, s) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
            if s == 0 { format!("{h:02}:{m:02}") } else { format!("{h:02}:{m:02}:{s:02}") }
        }
        Value::Timestamp(ms) => {
            let (date, of_day) = (show_date(ms.div_euclid(DAY_MS)), ms.rem_euclid(DAY_MS));
            format!("{date}T{}.{:03}", clock(of_day), of_day % 1_000)
        }
        Value::Bytes(bytes) => STANDARD.encode(bytes),
        _ => {
            let mut out = String::new();
            nested(value, &mut out);
            out
        }
    }
}

/// A value as it stands inside another one.
fn nested(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Boolean(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Int(n) => out.push_str(&n.to_string()),
        Value::Bigint(n) => out.push_str(&n.to_string()),
        Value::Double(x) => out.push_str(&java_double(*x)),
        Value::Decimal(d) => out.push_str(&scientific(d)),
        Value::String(s) => out.push_str(s),
        Value::Bytes(b) => write!(out, "java.nio.HeapByteBuffer[pos=0 lim={0} cap={0}]", b.len()).unwrap_or_default(),
        Value::Date(days) => out.push_str(&show_date(i64::from(*days))),
        Value::Time(ms) => out.push_str(&clock(i64::from(*ms))),
        Value::Timestamp(ms) => {
            let of_day = ms.rem_euclid(DAY_MS);
            let fraction = format!("{:03}", of_day % 1_000);
            let fraction = match fraction.trim_end_matches('0') {
                "" => "0",
                digits => digits,
            };
            write!(out, "{} {}.{fraction}", show_date(ms.div_euclid(DAY_MS)), clock(of_day)).unwrap_or_default();
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { ", " });
                nested(item, out);
            }
            out.push(']');
        }
        Value::Map(entries) => {
            out.push('{');
            for (i, (key, value)) in entries.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { ", " });
                nested(key, out);
                out.push('=');
                nested(value, out);
            }
            out.push('}');
        }
        // Kafka Connect's Struct leaves out the fields that are NULL.
        Value::Struct(s) => {
            out.push_str("Struct{");
            for (i, (name, value)) in s.names.iter().zip(&s.values).filter(|(_, v)| !v.is_null()).enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                out.push_str(name);
                out.push('=');
                nested(value, out);
            }
            out.push('}');
        }
    }
}

/// A date as ISO text; years beyond four digits carry a sign.
fn show_date(day: i64) -> String {
    let (year, month, dom) = civil_of_day(day);
    let year = match year {
        0..=9_999 => format!("{year:04}"),
        10_000.. => format!("+{year}"),
        _ => format!("-{:04}", year.unsigned_abs()),
    };
    format!("{year}-{month:02}-{dom:02}")
}

/// Hours, minutes and seconds of a count of milliseconds since midnight.
fn clock(ms: i64) -> String {
    format!("{:02}:{:02}:{:02}", ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60)
}

/// A double as Java's Double.toString writes it: the shortest digits that tell it from its neighbours, at least one behind the point.
pub fn java_double(x: f64) -> String {
    if x.is_nan() {
        return "NaN".into();
    }
    if x.is_infinite() {
        return if x > 0.0 { "Infinity".into() } else { "-Infinity".into() };
    }
    let magnitude = x.abs();
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        return format!("{x:?}");
    }
    // Two digits are always shown, so that of the shortest two-digit numbers the nearest is chosen: 4.9E-324.
    let two = format!("{x:.1e}");
    let shortest = if two.parse() == Ok(x) { two } else { format!("{x:e}") };
    match shortest.split_once('e') {
        Some((digits, power)) => format!("{digits}{}E{power}", if digits.contains('.') { "" } else { ".0" }),
        None => shortest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::func::ksql::cast::parse_decimal;
    use crate::func::ksql::value::Struct;
    use std::sync::Arc;

    #[test]
    fn doubles_look_as_in_java() {
        let cases = [
            (1.0, "1.0"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1e10, "1.0E10"),
            (1e-5, "1.0E-5"),
            (0.001, "0.001"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (1.234567e8, "1.234567E8"),
            (5e-324, "4.9E-324"),
            (f64::MAX, "1.7976931348623157E308"),
            (2.2250738585072014e-308, "2.2250738585072014E-308"),
            (1e23, "1.0E23"),
            (f64::NEG_INFINITY, "-Infinity"),
            (f64::NAN, "NaN"),
        ];
        for (x, expected) in cases {
            assert_eq!(java_double(x), expected);
        }
    }

    #[test]
    fn values_look_as_in_java() {
        let small = Value::Decimal(parse_decimal("0.0000001").expect("a decimal"));
        let fields = Struct { names: ["A".into(), "B".into()].into(), values: vec![Value::Null, Value::text("x")] };
        let cases = [
            (Value::Date(-1), "1969-12-31"),
            (Value::Time(36_000_000), "10:00"),
            (Value::Time(1_005), "00:00:01"),
            (Value::Timestamp(10), "1970-01-01T00:00:00.010"),
            (Value::Timestamp(-1), "1969-12-31T23:59:59.999"),
            (small.clone(), "0.0000001"),
            (Value::array(vec![small, Value::Null, Value::Timestamp(10), Value::Timestamp(0)]), {
                "[1E-7, null, 1970-01-01 00:00:00.01, 1970-01-01 00:00:00.0]"
            }),
            (Value::map([(Value::text("k"), Value::Int(1)), (Value::text("l"), Value::Double(2.0))]), "{k=1, l=2.0}"),
            (Value::Struct(Arc::new(fields)), "Struct{B=x}"),
        ];
        for (value, expected) in cases {
            assert_eq!(show(&value), expected);
        }
    }
}
