//! Values to text and back, for casts and to_char. The one place to change when the codec of `crate::data` is at hand.
//!
//! Forms are those of PostgreSQL with DateStyle ISO, IntervalStyle postgres, time zone UTC; what a session has set besides, [`super::zone`] sees to.

use std::fmt::Write;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, IntervalMonthDayNano,
    IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType, TimestampSecondType, UInt32Type, i256,
};
use datafusion::common::ScalarValue;

use super::arith::decimal::{overflow, pow10, rescale};
use super::scalar::jsonpath;
use crate::data::datetime::{
    Reading, Zone, parse_date, parse_interval, parse_time, parse_timestamp, parse_timestamptz, put_date, put_timestamp, put_timestamptz,
};
use crate::data::decode;
use crate::data::encode::{Style, cell_text};
use crate::data::numeric::Decimal;
use crate::data::types::UNCONSTRAINED_SCALE;
use crate::data::{Network, PgType, json, tid};
use crate::error::{Error, Result, code};

fn invalid(ty: &PgType, text: &str) -> Error {
    Error::new(code::INVALID_TEXT_REPRESENTATION, format!("invalid input syntax for type {}: \"{text}\"", ty.base()))
}

/// The value that `text` means for `ty`. Errors: 22P02, 22003, 22007, 22008, and those of a jsonpath that is none.
pub fn parse(ty: &PgType, text: &str) -> Result<ScalarValue> {
    let trimmed = text.trim();
    Ok(match ty {
        PgType::Bool => ScalarValue::Boolean(Some(boolean(text)?)),
        PgType::Int2 => ScalarValue::Int16(Some(whole(ty, text)?)),
        PgType::Int4 => ScalarValue::Int32(Some(whole(ty, text)?)),
        PgType::Int8 => ScalarValue::Int64(Some(whole(ty, text)?)),
        PgType::Oid | PgType::Regclass | PgType::Regtype | PgType::Regproc | PgType::Id(_) => ScalarValue::UInt32(Some(whole(ty, text)?)),
        PgType::Float8 => ScalarValue::Float64(Some(float(ty, text)?)),
        PgType::Float4 => {
            let value = float(ty, text)?;
            if value.is_finite() && (value as f32).is_infinite() {
                return Err(Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, format!("\"{trimmed}\" is out of range for type real")));
            }
            ScalarValue::Float32(Some(value as f32))
        }
        ty if ty.is_numeric() => numeric(ty, text)?,
        PgType::Date => ScalarValue::Date32(Some(parse_date(text, &Reading::default())?)),
        PgType::Time => ScalarValue::Time64Microsecond(Some(parse_time(text, &Reading::default())?)),
        PgType::Timestamp => ScalarValue::TimestampMicrosecond(Some(parse_timestamp(text, &Reading::default())?), None),
        PgType::Timestamptz => ScalarValue::TimestampMicrosecond(Some(parse_timestamptz(text, &Reading::default())?), Some("UTC".into())),
        PgType::Interval => ScalarValue::IntervalMonthDayNano(Some(parse_interval(text)?)),
        PgType::Enum(of) => ScalarValue::TimestampSecond(Some(of.rank(text)?), Some(of.kept_name().into())),
        PgType::Uuid => ScalarValue::FixedSizeBinary(16, Some(uuid(text)?)),
        PgType::Inet | PgType::Cidr => ScalarValue::LargeBinary(Some(Network::parse(ty, text)?.to_bytes())),
        PgType::Bytea => ScalarValue::Binary(Some(decode::bytea(text)?)),
        PgType::Json | PgType::Jsonb => ScalarValue::LargeUtf8(Some(json(ty, text)?)),
        PgType::Array(_) => super::array_text::parse(ty, text)?,
        PgType::Composite(_) => decode::parse_text(ty, text)?,
        PgType::Opaque("tid") => ScalarValue::Utf8View(Some(tid::shown(text)?)),
        PgType::Opaque("jsonpath") => ScalarValue::Utf8View(Some(jsonpath::shown(text)?)),
        _ => ScalarValue::Utf8View(Some(text.to_string())),
    })
}

fn boolean(text: &str) -> Result<bool> {
    let word = text.trim().to_ascii_lowercase();
    let is_start = |full: &str, least: usize| word.len() >= least && full.starts_with(&word);
    match word.as_str() {
        "1" => Ok(true),
        "0" => Ok(false),
        _ if is_start("true", 1) || is_start("yes", 1) || is_start("on", 2) => Ok(true),
        _ if is_start("false", 1) || is_start("no", 1) || is_start("off", 2) => Ok(false),
        _ => Err(invalid(&PgType::Bool, text)),
    }
}

fn whole<T: TryFrom<i128>>(ty: &PgType, text: &str) -> Result<T> {
    let digits = text.trim();
    let unsigned = digits.strip_prefix(['-', '+']).unwrap_or(digits);
    if unsigned.is_empty() || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return Err(invalid(ty, text));
    }
    let value = digits.parse::<i128>().ok().and_then(|v| T::try_from(v).ok());
    let out = || Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, format!("value \"{text}\" is out of range for type {}", ty.base()));
    value.ok_or_else(out)
}

fn float(ty: &PgType, text: &str) -> Result<f64> {
    let word = text.trim();
    let value: f64 = match word.to_ascii_lowercase().as_str() {
        "nan" => f64::NAN,
        "infinity" | "inf" | "+infinity" | "+inf" => f64::INFINITY,
        "-infinity" | "-inf" => f64::NEG_INFINITY,
        _ => word.parse().map_err(|_| invalid(ty, text))?,
    };
    let is_word = word.bytes().any(|b| b.eq_ignore_ascii_case(&b'n'));
    let has_digit = word.bytes().take_while(|b| !b.eq_ignore_ascii_case(&b'e')).any(|b| (b'1'..=b'9').contains(&b));
    if !is_word && (value.is_infinite() || value == 0.0 && has_digit) {
        return Err(Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, format!("\"{word}\" is out of range for type {}", ty.base())));
    }
    Ok(value)
}

/// Mantissa and scale of a decimal number in text, exponents allowed; at most 76 digits are kept, further ones are an error or,
/// behind the point, rounded away at `scale_max`. `None` if it is no number.
pub fn decimal(text: &str, scale_max: i8) -> Option<Result<(i256, i8)>> {
    let text = text.trim();
    let (sign, unsigned) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let (digits, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (unsigned, 0),
    };
    let (before, after) = digits.split_once('.').unwrap_or((digits, ""));
    if before.len() + after.len() == 0 || !before.bytes().chain(after.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut all = format!("{before}{after}");
    let mut scale = i32::try_from(after.len()).ok()?.saturating_sub(exponent);
    let keep = i32::from(scale_max);
    let mut round_up = false;
    if scale > keep {
        let drop = usize::try_from(scale - keep).ok()?;
        let cut = all.len().saturating_sub(drop);
        round_up = drop <= all.len() && all.as_bytes().get(cut).is_some_and(|d| *d >= b'5');
        all.truncate(cut);
        scale = keep;
    }
    if scale < 0 {
        if scale < -76 {
            return Some(Err(overflow()));
        }
        all.extend(std::iter::repeat_n('0', scale.unsigned_abs() as usize));
        scale = 0;
    }
    let significant = all.trim_start_matches('0');
    if significant.len() > 76 {
        return Some(Err(overflow()));
    }
    let mantissa = if significant.is_empty() { i256::ZERO } else { i256::from_string(significant)? };
    let mantissa = if round_up { mantissa.wrapping_add(i256::ONE) } else { mantissa };
    Some(Ok((if sign < 0 { mantissa.wrapping_neg() } else { mantissa }, scale as i8)))
}

fn numeric(ty: &PgType, text: &str) -> Result<ScalarValue> {
    let (digits, scale) = match ty {
        PgType::Numeric(Some((p, s))) | PgType::Exact(p, s) => (*p, *s),
        PgType::Quotient(s) => (76, *s),
        _ => (76, crate::data::types::UNCONSTRAINED_SCALE),
    };
    if matches!(text.trim().to_ascii_lowercase().as_str(), "nan" | "infinity" | "inf" | "-infinity" | "-inf") {
        return Err(Error::unsupported("numeric has no NaN and no infinity in Everfold").hint("Use double precision for them."));
    }
    let (mantissa, found) = decimal(text, scale).ok_or_else(|| invalid(&PgType::Numeric(None), text))??;
    let mantissa = rescale(mantissa, found, scale)?;
    if mantissa.wrapping_abs() >= pow10(u32::from(digits)) {
        let detail = format!(
            "A field with precision {digits}, scale {scale} must round to an absolute value less than 10^{}.",
            i32::from(digits) - i32::from(scale)
        );
        return Err(Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow").detail(detail));
    }
    match ty {
        PgType::Numeric(Some((p, s))) | PgType::Exact(p, s) => Ok(ScalarValue::Decimal128(mantissa.to_i128(), *p, *s)),
        _ => Ok(ScalarValue::Decimal256(Some(mantissa), 76, scale)),
    }
}

fn uuid(text: &str) -> Result<Vec<u8>> {
    let hex: String = text.trim().trim_matches(['{', '}']).chars().filter(|c| *c != '-').collect();
    let bytes = if hex.len() == 32 { unhex(&hex) } else { None };
    bytes.ok_or_else(|| invalid(&PgType::Uuid, text))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| (b as char).to_digit(16);
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|p| if let [h, l] = p { Some((digit(*h)? << 4 | digit(*l)?) as u8) } else { None }).collect()
}

/// The stored text of a json (as written) or jsonb (normalised) value. Errors: those of [`json::parse`].
pub fn json(ty: &PgType, text: &str) -> Result<String> {
    if *ty == PgType::Jsonb {
        return json::normalise(text);
    }
    json::check(text)?;
    Ok(text.to_string())
}

/// A cell as PostgreSQL prints it; `None` for NULL.
pub fn print(array: &dyn Array, row: usize, ty: &PgType) -> Result<Option<String>> {
    // A NULL without a type is not marked as one.
    if array.is_null(row) || array.data_type().is_null() {
        return Ok(None);
    }
    if let PgType::Enum(of) = ty {
        return of.label(array.as_primitive::<TimestampSecondType>().value(row)).map(|label| Some(label.to_string()));
    }
    let usual = PgType::of_arrow(array.data_type()).arrow();
    let is_plain = matches!(array.data_type(), DataType::List(_) | DataType::Struct(_) | DataType::Utf8);
    if usual != *array.data_type() && !is_plain && !array.data_type().is_decimal() {
        // DataFusion's own functions may bring other units and layouts.
        return print(cast(&array.slice(row, 1), &usual)?.as_ref(), 0, ty);
    }
    let mut line = Vec::new();
    Ok(Some(match array.data_type() {
        DataType::Boolean => if array.as_boolean().value(row) { "true" } else { "false" }.to_string(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).to_string(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).to_string(),
        DataType::Float32 => float_text(array.as_primitive::<Float32Type>().value(row), 6),
        DataType::Float64 => float_text(array.as_primitive::<Float64Type>().value(row), 15),
        DataType::Decimal128(_, s) => decimal_text(i256::from_i128(array.as_primitive::<Decimal128Type>().value(row)), *s),
        DataType::Decimal256(_, s) if *s == UNCONSTRAINED_SCALE => {
            trimmed(&decimal_text(array.as_primitive::<Decimal256Type>().value(row), *s))
        }
        DataType::Decimal256(_, s) => quotient_text(array.as_primitive::<Decimal256Type>().value(row), *s),
        DataType::Date32 => {
            put_date(array.as_primitive::<Date32Type>().value(row), &mut line);
            String::from_utf8_lossy(&line).into_owned()
        }
        DataType::Time64(_) => time_text(array.as_primitive::<Time64MicrosecondType>().value(row)),
        DataType::Timestamp(_, zone) => {
            let us = array.as_primitive::<TimestampMicrosecondType>().value(row);
            if zone.is_some() {
                put_timestamptz(us, &Zone::Utc, &mut line)
            } else {
                put_timestamp(us, &mut line)
            }
            String::from_utf8_lossy(&line).into_owned()
        }
        DataType::Interval(_) => interval_text(array.as_primitive::<IntervalMonthDayNanoType>().value(row)),
        DataType::Utf8View => array.as_string_view().value(row).to_string(),
        DataType::Utf8 => array.as_string::<i32>().value(row).to_string(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).to_string(),
        DataType::Binary => hex(array.as_binary::<i32>().value(row), "\\x"),
        DataType::FixedSizeBinary(16) => uuid_text(array.as_fixed_size_binary().value(row)),
        DataType::LargeBinary => Network::of_bytes(array.as_binary::<i64>().value(row))?.text(*ty == PgType::Cidr),
        DataType::List(_) => super::array_text::print(&array.as_list::<i32>().value(row), ty)?,
        DataType::Struct(_) => {
            let ty = if matches!(ty, PgType::Composite(_)) { ty } else { &PgType::Record };
            cell_text(array, row, ty, &Style::default(), &mut line)?;
            String::from_utf8_lossy(&line).into_owned()
        }
        other => {
            let message = format!("a value of type {other} has no text form");
            return Err(Error::unsupported(message).hint("Cast it to another type first."));
        }
    }))
}

/// A quotient has as many decimals as PostgreSQL computes.
fn quotient_text(mantissa: i256, scale: i8) -> String {
    let decimal = Decimal::from_i256(mantissa, scale);
    let scale = decimal.quotient_scale();
    let mut out = Vec::new();
    decimal.rounded(scale).put_text(scale, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Without zeros at the end: numeric columns are held with more digits than were given.
fn trimmed(digits: &str) -> String {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.').to_string() } else { digits.to_string() }
}

/// The digits of `mantissa` with `scale` of them after the point.
pub fn decimal_text(mantissa: i256, scale: i8) -> String {
    let digits = mantissa.wrapping_abs().to_string();
    let sign = if mantissa.is_negative() { "-" } else { "" };
    let Ok(scale) = usize::try_from(scale) else { return format!("{sign}{digits}") };
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (before, after) = padded.split_at(padded.len() - scale);
    format!("{sign}{before}.{after}")
}

/// The shortest digits that read back as the same float; scientific where PostgreSQL writes so (exponent below -4 or from `digits` on).
pub fn float_text(value: impl std::fmt::LowerExp + Into<f64> + Copy, digits: i32) -> String {
    let wide: f64 = value.into();
    if wide.is_nan() {
        return "NaN".to_string();
    }
    if wide.is_infinite() {
        return if wide > 0.0 { "Infinity" } else { "-Infinity" }.to_string();
    }
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < -4 || exponent >= digits {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |m| ("-", m));
    let all: String = mantissa.chars().filter(|c| *c != '.').collect();
    if exponent < 0 {
        return format!("{sign}0.{}{all}", "0".repeat(exponent.unsigned_abs() as usize - 1));
    }
    let point = exponent as usize + 1;
    if all.len() <= point { format!("{sign}{all:0<point$}") } else { format!("{sign}{}.{}", &all[..point], &all[point..]) }
}

fn fraction(us: i64) -> String {
    if us == 0 { String::new() } else { format!(".{us:06}").trim_end_matches('0').to_string() }
}

fn time_text(us: i64) -> String {
    let seconds = us / 1_000_000;
    format!("{:02}:{:02}:{:02}{}", seconds / 3600, seconds / 60 % 60, seconds % 60, fraction(us % 1_000_000))
}

/// An interval in IntervalStyle postgres: `1 year 2 mons -3 days +04:05:06.7`.
pub fn interval_text(v: IntervalMonthDayNano) -> String {
    let mut out = String::new();
    let mut negative = false;
    let fields = [(v.months / 12, "year"), (v.months % 12, "mon"), (v.days, "day")];
    for (count, unit) in fields.into_iter().filter(|f| f.0 != 0) {
        let space = if out.is_empty() { "" } else { " " };
        let plus = if negative && count > 0 { "+" } else { "" };
        let plural = if count == 1 { "" } else { "s" };
        let _ = write!(out, "{space}{plus}{count} {unit}{plural}");
        negative = count < 0;
    }
    let us = v.nanoseconds / 1_000;
    if us != 0 || out.is_empty() {
        let space = if out.is_empty() { "" } else { " " };
        let sign = if us < 0 {
            "-"
        } else if negative {
            "+"
        } else {
            ""
        };
        let _ = write!(out, "{space}{sign}{}", time_text(us.abs()));
    }
    out
}

/// Bytes in hexadecimal behind `prefix`.
pub fn hex(bytes: &[u8], prefix: &str) -> String {
    let mut out = prefix.to_string();
    bytes.iter().for_each(|b| {
        let _ = write!(out, "{b:02x}");
    });
    out
}

fn uuid_text(bytes: &[u8]) -> String {
    let digits = hex(bytes, "");
    format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
}
