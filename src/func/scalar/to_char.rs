//! to_char, to_date, to_timestamp and to_number (manual, chapter 9.8).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, Decimal256Array, StringViewArray, StringViewBuilder, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, IntervalMonthDayNanoType};
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, TEXT, accepts, each, fixed, text, text_array};
use super::pattern::{Fields, Place, finest_us, format, pieces};
use super::{pattern_number, pattern_read};
use crate::data::PgType;
use crate::data::datetime::{Zone, is_infinite};
use crate::error::{Error, Result, code};
use crate::func::arith::decimal::{mantissas, rescale};
use crate::func::arith::rules::{INTERVAL, TIMESTAMP, WIDE_PRECISION, canonical, timestamptz};
use crate::func::arith::time::DAY_US;
use crate::func::text_io;

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Function::udf("to_char", to_char_rule, to_char),
        Function::udf("to_date", |t| fixed(t, &[TEXT, TEXT], 0, DataType::Date32), to_date),
        Function::udf("to_timestamp", to_timestamp_rule, to_timestamp),
        Function::udf("to_number", |t| fixed(t, &[TEXT, TEXT], 0, PgType::Numeric(None).arrow()), to_number),
    ]
}

fn to_char_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let [value, pattern] = types else { return None };
    let value = match canonical(value) {
        DataType::Date32 => TIMESTAMP,
        DataType::Time64(_) => INTERVAL,
        DataType::Null | DataType::Utf8View => TIMESTAMP,
        other => other,
    };
    let takes = value.is_numeric() || value.is_temporal();
    (takes && accepts(pattern, &TEXT)).then(|| (vec![value, TEXT], TEXT))
}

fn to_char(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let value = &args[0];
    let pattern = text(args, 1);
    let rows = match value.data_type() {
        DataType::Timestamp(_, zone) => {
            let zone = zone.as_ref().map(|_| Zone::Utc);
            return timestamps_to_char(value.as_primitive(), pattern, zone.as_ref());
        }
        DataType::Interval(_) => {
            let intervals = value.as_primitive::<IntervalMonthDayNanoType>();
            each(args, |row| {
                let v = intervals.value(row);
                let time = v.nanoseconds / 1_000;
                let fields =
                    Fields { year: (v.months / 12).into(), month: (v.months % 12).into(), day: v.days.into(), time, is_interval: true };
                Ok(format(&pieces(pattern.value(row)), &fields, &Place::default()))
            })?
        }
        ty if ty.is_floating() => {
            let floats = cast(value, &DataType::Float64)?;
            let floats = floats.as_primitive::<Float64Type>();
            each(args, |row| Ok(pattern_number::parse(pattern.value(row))?.format_float(floats.value(row))))?
        }
        _ => {
            let (values, scale) = mantissas(value.as_ref())?;
            each(args, |row| Ok(pattern_number::parse(pattern.value(row))?.format(values.value(row), scale)))?
        }
    };
    Ok(text_array(rows))
}

/// to_char of instants as a clock of a time zone shows them: the zone, the same in each row, the instants and the patterns.
pub fn zoned_function() -> Arc<ScalarUDF> {
    Function::udf(
        "zoned_to_char",
        |t| (t.len() == 3).then(|| (vec![TEXT, timestamptz(), TEXT], TEXT)),
        |args, _| timestamps_to_char(args[1].as_primitive(), text(args, 2), Some(&zone_of(args)?)),
    )
}

/// to_timestamp of what a clock of a time zone shows: the zone, the same in each row, the texts and the patterns.
pub fn zoned_to_timestamp() -> Arc<ScalarUDF> {
    Function::udf(
        "zoned_to_timestamp",
        |t| (t.len() == 3).then(|| (vec![TEXT, TEXT, TEXT], timestamptz())),
        |args, output| {
            let zone = zone_of(args)?;
            let stamps = each(args, |row| {
                let local = pattern_read::read(text(args, 1).value(row), text(args, 2).value(row))?;
                zone.to_utc(local).ok_or_else(|| crate::func::arith::time::out_of_range("timestamp"))
            })?;
            Ok(Arc::new(stamps.into_iter().collect::<TimestampMicrosecondArray>().with_data_type(output.clone())))
        },
    )
}

/// The zone that the first argument names. Errors: 22023.
fn zone_of(args: &[ArrayRef]) -> Result<Zone> {
    let names = text(args, 0);
    if names.is_empty() { Ok(Zone::Utc) } else { Zone::parse(names.value(0)) }
}

/// A text is made once for neighbours that do not differ in what the pattern shows: a day's events have one date.
fn timestamps_to_char(stamps: &TimestampMicrosecondArray, patterns: &StringViewArray, zone: Option<&Zone>) -> Result<ArrayRef> {
    let mut out = StringViewBuilder::with_capacity(stamps.len());
    let (mut pattern, mut parts, mut unit) = (None, Vec::new(), 1);
    let (mut last, mut shown) = (None, String::new());
    for row in 0..stamps.len() {
        if stamps.is_null(row) || patterns.is_null(row) || is_infinite(stamps.value(row)) {
            out.append_null();
            continue;
        }
        if pattern != Some(patterns.value(row)) {
            pattern = Some(patterns.value(row));
            parts = pieces(patterns.value(row));
            unit = finest_us(&parts);
            last = None;
        }
        let instant = stamps.value(row);
        let offset = zone.map_or(0, |zone| i64::from(zone.offset_at(instant)));
        let local = instant.checked_add(offset * 1_000_000).ok_or_else(|| crate::func::arith::time::out_of_range("timestamp"))?;
        let now = (local.div_euclid(unit), offset);
        if last != Some(now) {
            last = Some(now);
            let place = Place { name: zone.map(|zone| zone.abbreviation(instant)).unwrap_or_default(), offset };
            shown = format(&parts, &Fields::of_timestamp(local), &place);
        }
        out.append_value(&shown);
    }
    Ok(Arc::new(out.finish()))
}

fn to_date(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let days = each(args, |row| {
        let us = pattern_read::read(text(args, 0).value(row), text(args, 1).value(row))?;
        i32::try_from(us.div_euclid(DAY_US)).map_err(|_| crate::func::arith::time::out_of_range("date"))
    })?;
    Ok(Arc::new(days.into_iter().collect::<Date32Array>()))
}

fn to_timestamp_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    match types {
        [seconds] if !seconds.is_string() => fixed(types, &[DataType::Float64], 0, timestamptz()),
        _ => fixed(types, &[TEXT, TEXT], 0, timestamptz()),
    }
}

fn to_timestamp(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    let stamps = if let [seconds] = args {
        let seconds = seconds.as_primitive::<Float64Type>();
        each(args, |row| {
            let us = (seconds.value(row) * 1e6).round_ties_even();
            if seconds.value(row).is_infinite() {
                return Ok(if us > 0.0 { i64::MAX } else { i64::MIN });
            }
            if us.abs() < 9.2e18 { Ok(us as i64) } else { Err(crate::func::arith::time::out_of_range("timestamp")) }
        })?
    } else {
        each(args, |row| pattern_read::read(text(args, 0).value(row), text(args, 1).value(row)))?
    };
    Ok(Arc::new(stamps.into_iter().collect::<TimestampMicrosecondArray>().with_data_type(output.clone())))
}

fn to_number(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| {
        let pattern = pattern_number::parse(text(args, 1).value(row))?;
        pattern.for_reading()?;
        let given = text(args, 0).value(row);
        let negative = given.contains('-') || given.contains('<');
        let digits: String = given.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
        let wrong = || Error::new(code::INVALID_TEXT_REPRESENTATION, std::format!("invalid input syntax for type numeric: \"{given}\""));
        let (mantissa, scale) = text_io::decimal(&digits, 38).ok_or_else(wrong)??;
        let mantissa = rescale(mantissa, scale.saturating_add(i8::try_from(pattern.shift()).unwrap_or(0)), 38)?;
        Ok(if negative { mantissa.wrapping_neg() } else { mantissa })
    })?;
    debug_assert_eq!(*output, DataType::Decimal256(WIDE_PRECISION, 38));
    Ok(Arc::new(rows.into_iter().collect::<Decimal256Array>().with_data_type(output.clone())))
}
