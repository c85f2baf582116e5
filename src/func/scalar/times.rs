//! Functions of dates and times (manual, chapter 9.9): extract, date_part, age, make_*, justify_*, date_bin's refusals.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Decimal128Array, Float64Array, IntervalMonthDayNanoArray, Time64MicrosecondArray,
    TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Float64Type, Int32Type, IntervalMonthDayNano, IntervalMonthDayNanoType, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, TEXT, accepts, each, fixed, text};
use super::pattern::Fields;
use crate::data::datetime::{Zone, is_infinite, is_infinite_date, parse_offset};
use crate::error::{Error, Result, code};
use crate::func::arith::rules::{INTERVAL, TIME, TIMESTAMP, canonical, timestamptz};
use crate::func::arith::time::{DAY_US, day_number, days_in_month, out_of_range};
use crate::func::text_io::interval_text;

type Interval = IntervalMonthDayNano;
/// The numeric that extract gives: microseconds kept.
const EXTRACTED: DataType = DataType::Decimal128(38, 6);
const INT: DataType = DataType::Int32;
const FLOAT: DataType = DataType::Float64;

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Function::refined("extract", |t| part_rule(t, EXTRACTED), 0, extracted_scale, extract),
        Function::udf("date_part", |t| part_rule(t, FLOAT), date_part),
        Function::udf("datepart", |t| part_rule(t, FLOAT), date_part),
        Function::udf("date_bin", bin_rule, date_bin),
        Function::udf("age", age_rule, age),
        timezone_function(),
        Function::udf("make_date", |t| fixed(t, &[INT, INT, INT], 0, DataType::Date32), make_date),
        Function::udf("make_time", |t| fixed(t, &[INT, INT, FLOAT], 0, TIME), make_time),
        Function::udf("make_timestamp", |t| fixed(t, &[INT, INT, INT, INT, INT, FLOAT], 0, TIMESTAMP), make_timestamp),
        Function::udf("make_timestamptz", |t| fixed(t, &[INT, INT, INT, INT, INT, FLOAT, TEXT], 1, timestamptz()), make_timestamptz),
        Function::udf("make_interval", |t| fixed(t, &[INT, INT, INT, INT, INT, INT, FLOAT], 7, INTERVAL), make_interval),
        Function::udf("justify_days", interval_rule, |a, _| map_interval(a, justify_days)),
        Function::udf("justify_hours", interval_rule, |a, _| map_interval(a, justify_hours)),
        Function::udf("justify_interval", interval_rule, |a, _| map_interval(a, justify_interval)),
    ]
}

/// timezone(zone, x), which `x AT TIME ZONE zone` is.
pub fn timezone_function() -> Arc<ScalarUDF> {
    Function::udf("timezone", timezone_rule, timezone)
}

fn interval_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    fixed(types, &[INTERVAL], 0, INTERVAL)
}

fn part_rule(types: &[DataType], output: DataType) -> Option<(Vec<DataType>, DataType)> {
    let [part, value] = types else { return None };
    let value = match canonical(value) {
        DataType::Null | DataType::Utf8View => TIMESTAMP,
        other => other,
    };
    // A date has no parts of a second.
    let output = if value == DataType::Date32 && output == EXTRACTED { DataType::Decimal128(38, 0) } else { output };
    // A literal stays as it is, so that its text can be looked at.
    let unit = if part.is_string() { part.clone() } else { TEXT };
    (accepts(part, &TEXT) && value.is_temporal()).then(|| (vec![unit, value], output))
}

fn unsupported(unit: &str, ty: &DataType) -> Error {
    let name = crate::data::PgType::of_arrow(ty).base();
    let is_unit = date_unit(unit, 0).or_else(|| time_unit(unit, 0)).is_some() || unit.starts_with("timezone");
    if !is_unit {
        return Error::new(code::INVALID_PARAMETER_VALUE, format!("unit \"{unit}\" not recognized for type {name}"));
    }
    Error::new(code::FEATURE_NOT_SUPPORTED, format!("unit \"{unit}\" not supported for type {name}"))
        .hint("Choose a unit that the type has.")
}

/// The part of each value, in millionths.
fn parts(args: &[ArrayRef]) -> Result<Vec<Option<i128>>> {
    let value = &args[1];
    let ty = value.data_type();
    let units = cast(&args[0], &TEXT)?;
    let unit = |row: usize| unit_name(units.as_string_view().value(row));
    match ty {
        DataType::Date32 => {
            let days = value.as_primitive::<Date32Type>();
            each(args, |row| {
                let (unit, day) = (unit(row), days.value(row));
                let is_infinite = is_infinite_date(day);
                let us = if is_infinite { 0 } else { i64::from(day).checked_mul(DAY_US).ok_or_else(|| out_of_range("timestamp"))? };
                let part = date_unit(&unit, us).ok_or_else(|| unsupported(&unit, ty))?;
                Ok(if is_infinite { endless_unit(&unit, day > 0) } else { Some(part) })
            })
            .map(flat)
        }
        DataType::Timestamp(_, zone) => {
            let stamps = value.as_primitive::<TimestampMicrosecondType>();
            each(args, |row| {
                let (unit, us) = (unit(row), stamps.value(row));
                let zoned = || (zone.is_some() && unit.starts_with("timezone")).then_some(0);
                let part = date_unit(&unit, us)
                    .or_else(|| time_unit(&unit, us.rem_euclid(DAY_US)))
                    .or_else(zoned)
                    .ok_or_else(|| unsupported(&unit, ty))?;
                Ok(if is_infinite(us) { endless_unit(&unit, us > 0) } else { Some(part) })
            })
            .map(flat)
        }
        DataType::Time64(_) => {
            let times = value.as_primitive::<Time64MicrosecondType>();
            each(args, |row| {
                let (unit, us) = (unit(row), times.value(row));
                let epoch = || (unit == "epoch").then_some(i128::from(us));
                time_unit(&unit, us).or_else(epoch).ok_or_else(|| unsupported(&unit, ty))
            })
        }
        _ => {
            let intervals = value.as_primitive::<IntervalMonthDayNanoType>();
            each(args, |row| {
                let unit = unit(row);
                interval_unit(&unit, intervals.value(row)).ok_or_else(|| unsupported(&unit, ty))
            })
        }
    }
}

const ONE: i128 = 1_000_000;

/// The name of a unit in small letters, one of PostgreSQL's abbreviations in full.
pub(super) fn unit_name(text: &str) -> String {
    let word = text.to_ascii_lowercase();
    let full = match word.as_str() {
        "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecon" => "microsecond",
        "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecon" => "millisecond",
        "s" | "sec" | "secs" => "second",
        "m" | "min" | "mins" => "minute",
        "h" | "hr" | "hrs" => "hour",
        "d" => "day",
        "w" => "week",
        "mon" | "mons" => "month",
        "qtr" => "quarter",
        "y" | "yr" | "yrs" => "year",
        "dec" | "decs" => "decade",
        "c" | "cent" => "century",
        "mil" | "mils" => "millennium",
        "j" | "jd" => "julian",
        _ => return word,
    };
    full.to_string()
}

fn flat(parts: Vec<Option<Option<i128>>>) -> Vec<Option<i128>> {
    parts.into_iter().map(Option::flatten).collect()
}

/// The part of infinity or -infinity: what grows with time is infinite too, which the ends of the range stand for; what comes around again is
/// not known.
fn endless_unit(unit: &str, positive: bool) -> Option<i128> {
    let grows = matches!(
        unit,
        "year" | "years" | "isoyear" | "decade" | "decades" | "century" | "centuries" | "millennium" | "millennia" | "epoch" | "julian"
    );
    grows.then_some(if positive { i128::MAX } else { i128::MIN })
}

fn time_unit(unit: &str, us: i64) -> Option<i128> {
    let us = i128::from(us);
    Some(match unit {
        "hour" | "hours" => us / 3_600_000_000 * ONE,
        "minute" | "minutes" => us / 60_000_000 % 60 * ONE,
        "second" | "seconds" => us % 60_000_000,
        "millisecond" | "milliseconds" => us % 60_000_000 * 1_000,
        "microsecond" | "microseconds" => us % 60_000_000 * ONE,
        _ => return None,
    })
}

fn date_unit(unit: &str, us: i64) -> Option<i128> {
    let at = Fields::of_timestamp(us);
    let year = if at.year <= 0 { at.year - 1 } else { at.year };
    let group = |size: i64| if at.year > 0 { (at.year + size - 1) / size } else { -((size - year - 1) / size) };
    let whole = match unit {
        "year" | "years" => year,
        "month" | "months" => at.month,
        "day" | "days" => at.day,
        "dow" => at.weekday(),
        "isodow" => at.iso().2,
        "doy" => at.yearday(),
        "week" | "weeks" => at.iso().1,
        "isoyear" if at.iso().0 <= 0 => at.iso().0 - 1,
        "isoyear" => at.iso().0,
        "quarter" => (at.month - 1) / 3 + 1,
        "decade" | "decades" => at.year.div_euclid(10),
        "century" | "centuries" => group(100),
        "millennium" | "millennia" => group(1_000),
        "epoch" => return Some(i128::from(us)),
        "julian" => return Some(i128::from(at.julian()) * ONE + i128::from(at.time) * ONE / i128::from(DAY_US)),
        _ => return None,
    };
    Some(i128::from(whole) * ONE)
}

fn interval_unit(unit: &str, v: Interval) -> Option<i128> {
    let (years, months) = (v.months / 12, v.months % 12);
    let whole = match unit {
        "year" | "years" => years,
        "month" | "months" => months,
        "day" | "days" => v.days,
        "quarter" => months / 3 + 1,
        "decade" | "decades" => years / 10,
        "century" | "centuries" => years / 100,
        "millennium" | "millennia" => years / 1_000,
        "epoch" => {
            let year_us = i128::from(years) * 31_557_600 * ONE;
            let month_us = i128::from(months) * 30 * i128::from(DAY_US);
            return Some(year_us + month_us + i128::from(v.days) * i128::from(DAY_US) + i128::from(v.nanoseconds / 1_000));
        }
        _ => return time_unit(unit, v.nanoseconds / 1_000),
    };
    Some(i128::from(whole) * ONE)
}

/// Parts that are whole numbers are shown without decimals, milliseconds with three.
fn extracted_scale(ty: DataType, unit: &ScalarValue) -> DataType {
    let scale = match unit.try_as_str().flatten().map(unit_name).as_deref() {
        None | Some("second" | "seconds" | "epoch" | "julian") => return ty,
        Some("millisecond" | "milliseconds") => 3,
        Some(_) => 0,
    };
    DataType::Decimal128(38, scale)
}

fn extract(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    let DataType::Decimal128(_, scale) = *output else { return Err(Error::internal("extract gives a numeric")) };
    let unit = 10i128.pow(6 - u32::from(scale.unsigned_abs()).min(6));
    let finite = |v: i128| match v {
        i128::MAX | i128::MIN => {
            Err(Error::unsupported("numeric has no infinity in Everfold").hint("Use date_part(), which gives double precision."))
        }
        v => Ok(v / unit),
    };
    let values = parts(args)?.into_iter().map(|part| part.map(finite).transpose()).collect::<Result<Vec<_>>>()?;
    let values = values.into_iter();
    Ok(Arc::new(values.collect::<Decimal128Array>().with_data_type(output.clone())))
}

fn date_part(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let float = |v: i128| match v {
        i128::MAX => f64::INFINITY,
        i128::MIN => f64::NEG_INFINITY,
        v => v as f64 / 1e6,
    };
    Ok(Arc::new(parts(args)?.into_iter().map(|p| p.map(float)).collect::<Float64Array>()))
}

/// A timestamptz becomes the timestamp that a clock of the zone shows, a timestamp the instant at which it shows that. A literal of
/// unknown type is a timestamptz, the preferred type.
fn timezone_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let [zone, value] = types else { return None };
    // An offset may be said as an interval.
    let zone = if matches!(zone, DataType::Interval(_)) { INTERVAL } else { accepts(zone, &TEXT).then_some(TEXT)? };
    let (value, output) = match canonical(value) {
        DataType::Timestamp(_, None) => (TIMESTAMP, timestamptz()),
        DataType::Timestamp(_, Some(_)) | DataType::Date32 | DataType::Utf8View | DataType::Null => (timestamptz(), TIMESTAMP),
        _ => return None,
    };
    Some((vec![zone, value], output))
}

fn timezone(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    let values = args[1].as_primitive::<TimestampMicrosecondType>();
    let to_local = *output == TIMESTAMP;
    let mut last: Option<(String, Zone)> = None;
    let mut zone_of = |name: &str| -> Result<Zone> {
        // The zone is a constant nearly always.
        if let Some((known, zone)) = &last
            && known == name
        {
            return Ok(*zone);
        }
        let zone =
            Zone::named(name).map_err(|_| Error::new(code::INVALID_PARAMETER_VALUE, format!("time zone \"{name}\" not recognized")))?;
        last = Some((name.to_string(), zone));
        Ok(zone)
    };
    let offsets = args[0].as_primitive_opt::<IntervalMonthDayNanoType>();
    let mut moved = Vec::with_capacity(values.len());
    for row in 0..values.len() {
        if args[0].is_null(row) || values.is_null(row) {
            moved.push(None);
            continue;
        }
        let zone = match offsets {
            Some(offsets) => zone_of_interval(offsets.value(row))?,
            None => zone_of(text(args, 0).value(row))?,
        };
        let at = values.value(row);
        if is_infinite(at) {
            moved.push(Some(at));
            continue;
        }
        let there = if to_local { at.checked_add(i64::from(zone.offset_at(at)) * 1_000_000) } else { zone.to_utc(at) };
        moved.push(Some(there.ok_or_else(|| out_of_range("timestamp"))?));
    }
    Ok(Arc::new(moved.into_iter().collect::<TimestampMicrosecondArray>().with_data_type(output.clone())))
}

/// The zone that is so far ahead of UTC. Errors: 22023 for days and months, and for more seconds than there can be.
fn zone_of_interval(v: Interval) -> Result<Zone> {
    let seconds = i32::try_from(v.nanoseconds / 1_000_000_000).ok().filter(|_| v.months == 0 && v.days == 0);
    let wrong = || {
        let message = format!("interval time zone \"{}\" must not include months or days", interval_text(v));
        let error = Error::new(code::INVALID_PARAMETER_VALUE, message);
        error.hint("Write hours and minutes, as in INTERVAL '02:00'.")
    };
    seconds.map(Zone::fixed).ok_or_else(wrong)
}

fn bin_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let [_, source, _] = types else { return None };
    let stamp = if matches!(canonical(source), DataType::Timestamp(_, Some(_))) { timestamptz() } else { TIMESTAMP };
    fixed(types, &[INTERVAL, stamp.clone(), stamp.clone()], 0, stamp)
}

/// date_bin(stride, source, origin): the start of the bin that source falls into.
fn date_bin(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    let stride = args[0].as_primitive::<IntervalMonthDayNanoType>();
    let (source, origin) = (args[1].as_primitive::<TimestampMicrosecondType>(), args[2].as_primitive::<TimestampMicrosecondType>());
    let mut last = (Interval::new(0, 0, 0), 0);
    if stride.is_empty() {
        return Ok(arrow::array::new_empty_array(output));
    }
    if stride.is_valid(0) {
        last = (stride.value(0), stride_us(stride.value(0))?);
    }
    let bins = each(args, |row| {
        // The stride is a constant nearly always.
        let width = if stride.value(row) == last.0 { last.1 } else { stride_us(stride.value(row))? };
        let (at, from) = (source.value(row), origin.value(row));
        if is_infinite(from) {
            return Err(Error::new(code::DATETIME_FIELD_OVERFLOW, "origin out of range"));
        }
        if is_infinite(at) {
            return Ok(at);
        }
        let distance = at.checked_sub(from).ok_or_else(|| out_of_range("interval"))?;
        distance.div_euclid(width).checked_mul(width).and_then(|d| from.checked_add(d)).ok_or_else(|| out_of_range("timestamp"))
    })?;
    Ok(Arc::new(bins.into_iter().collect::<TimestampMicrosecondArray>().with_data_type(output.clone())))
}

fn stride_us(v: Interval) -> Result<i64> {
    if v.months != 0 {
        let error = Error::new(code::FEATURE_NOT_SUPPORTED, "timestamps cannot be binned into intervals containing months or years");
        return Err(error.hint("Use date_trunc for months and years."));
    }
    let width = i64::from(v.days).checked_mul(DAY_US).and_then(|d| d.checked_add(v.nanoseconds / 1_000));
    width.filter(|w| *w > 0).ok_or_else(|| Error::new(code::DATETIME_FIELD_OVERFLOW, "stride must be greater than zero"))
}

fn age_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let zoned = types.iter().any(|t| matches!(t, DataType::Timestamp(_, Some(_))));
    let stamp = if zoned { timestamptz() } else { TIMESTAMP };
    fixed(types, &[stamp.clone(), stamp], 0, INTERVAL)
}

fn age(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let (a, b) = (args[0].as_primitive::<TimestampMicrosecondType>(), args[1].as_primitive::<TimestampMicrosecondType>());
    let rows = each(args, |row| {
        let (a, b) = (a.value(row), b.value(row));
        if a >= b { symbolic(a, b) } else { crate::func::arith::time::negate(symbolic(b, a)?) }
    })?;
    Ok(Arc::new(rows.into_iter().collect::<IntervalMonthDayNanoArray>()))
}

/// Years, months, days and time between two timestamps, the days borrowed from the month of the earlier one.
fn symbolic(later: i64, earlier: i64) -> Result<Interval> {
    if is_infinite(later) || is_infinite(earlier) {
        return Err(out_of_range("interval"));
    }
    let (a, b) = (Fields::of_timestamp(later), Fields::of_timestamp(earlier));
    let mut months = (a.year - b.year) * 12 + a.month - b.month;
    let mut days = a.day - b.day;
    let mut time = a.time - b.time;
    if time < 0 {
        time += DAY_US;
        days -= 1;
    }
    if days < 0 {
        days += days_in_month(b.year, b.month);
        months -= 1;
    }
    let months = i32::try_from(months).map_err(|_| out_of_range("interval"))?;
    Ok(Interval::new(months, days as i32, time * 1_000))
}

fn ints(args: &[ArrayRef], i: usize, row: usize) -> i64 {
    args.get(i).map_or(0, |a| i64::from(a.as_primitive::<Int32Type>().value(row)))
}

fn checked_date(year: i64, month: i64, day: i64) -> Result<i64> {
    let valid = year != 0 && (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month) && year.abs() <= 294_276;
    let out = || Error::new(code::DATETIME_FIELD_OVERFLOW, format!("date field value out of range: {year}-{month:02}-{day:02}"));
    let year = if year < 0 { year + 1 } else { year };
    if valid { Ok(day_number(year, month, day)) } else { Err(out()) }
}

fn checked_time(hour: i64, minute: i64, second: f64) -> Result<i64> {
    let valid = (0..=24).contains(&hour) && (0..60).contains(&minute) && (0.0..=60.0).contains(&second);
    let us = (hour * 60 + minute) * 60_000_000 + (second * 1e6).round_ties_even() as i64;
    let out = || Error::new(code::DATETIME_FIELD_OVERFLOW, format!("time field value out of range: {hour}:{minute:02}:{second:02}"));
    if valid && us <= DAY_US { Ok(us) } else { Err(out()) }
}

fn make_date(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let days = each(args, |row| {
        let days = checked_date(ints(args, 0, row), ints(args, 1, row), ints(args, 2, row))?;
        i32::try_from(days).map_err(|_| out_of_range("date"))
    })?;
    Ok(Arc::new(days.into_iter().collect::<Date32Array>()))
}

fn make_time(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let seconds = args[2].as_primitive::<Float64Type>();
    let rows = each(args, |row| checked_time(ints(args, 0, row), ints(args, 1, row), seconds.value(row)))?;
    Ok(Arc::new(rows.into_iter().collect::<Time64MicrosecondArray>()))
}

/// The time that year, month, day, hour, minute and second say.
fn local_time(args: &[ArrayRef], row: usize) -> Result<i64> {
    let second = args[5].as_primitive::<Float64Type>().value(row);
    let days = checked_date(ints(args, 0, row), ints(args, 1, row), ints(args, 2, row))?;
    let time = checked_time(ints(args, 3, row), ints(args, 4, row), second)?;
    days.checked_mul(DAY_US).and_then(|d| d.checked_add(time)).ok_or_else(|| out_of_range("timestamp"))
}

/// The instant at which a clock of the zone shows that; in UTC where none is said, which a session of another zone does.
fn make_timestamptz(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| {
        // An offset is here as it is in the text of a time.
        let named = |name: &str| parse_offset(name.trim()).map_or_else(|| Zone::named(name), |seconds| Ok(Zone::fixed(seconds)));
        let zone = if args.len() > 6 { named(text(args, 6).value(row))? } else { Zone::Utc };
        zone.to_utc(local_time(args, row)?).ok_or_else(|| out_of_range("timestamp"))
    })?;
    Ok(Arc::new(rows.into_iter().collect::<TimestampMicrosecondArray>().with_data_type(output.clone())))
}

fn make_timestamp(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| local_time(args, row))?;
    Ok(Arc::new(rows.into_iter().collect::<TimestampMicrosecondArray>().with_data_type(output.clone())))
}

fn make_interval(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let seconds = args.get(6).map(|a| a.as_primitive::<Float64Type>());
    let rows = each(args, |row| {
        let field = |i| ints(args, i, row);
        let months = i32::try_from(field(0) * 12 + field(1)).map_err(|_| out_of_range("interval"))?;
        let days = i32::try_from(field(2) * 7 + field(3)).map_err(|_| out_of_range("interval"))?;
        let seconds_us = seconds.map_or(0.0, |s| s.value(row) * 1e6).round_ties_even();
        let us = (field(4) * 60 + field(5)) * 60_000_000;
        let us = us.saturating_add(seconds_us as i64);
        Ok(Interval::new(months, days, us.checked_mul(1_000).ok_or_else(|| out_of_range("interval"))?))
    })?;
    Ok(Arc::new(rows.into_iter().collect::<IntervalMonthDayNanoArray>()))
}

fn map_interval(args: &[ArrayRef], f: fn(i64, i64, i64) -> (i64, i64, i64)) -> Result<ArrayRef> {
    let intervals = args[0].as_primitive::<IntervalMonthDayNanoType>();
    let rows = each(args, |row| {
        let v = intervals.value(row);
        let (months, days, nanos) = f(v.months.into(), v.days.into(), v.nanoseconds);
        match (i32::try_from(months), i32::try_from(days)) {
            (Ok(months), Ok(days)) => Ok(Interval::new(months, days, nanos)),
            _ => Err(out_of_range("interval")),
        }
    })?;
    Ok(Arc::new(rows.into_iter().collect::<IntervalMonthDayNanoArray>()))
}

const DAY_NS: i64 = DAY_US * 1_000;

/// Carries whole units of `size` from `low` to `high` and lets both have one sign.
fn carry(high: i64, low: i64, size: i64) -> (i64, i64) {
    let (mut high, mut low) = (high + low / size, low % size);
    if high > 0 && low < 0 {
        (high, low) = (high - 1, low + size);
    } else if high < 0 && low > 0 {
        (high, low) = (high + 1, low - size);
    }
    (high, low)
}

fn justify_days(months: i64, days: i64, nanos: i64) -> (i64, i64, i64) {
    let (months, days) = carry(months, days, 30);
    (months, days, nanos)
}

fn justify_hours(months: i64, days: i64, nanos: i64) -> (i64, i64, i64) {
    let (days, nanos) = carry(days, nanos, DAY_NS);
    (months, days, nanos)
}

fn justify_interval(months: i64, days: i64, nanos: i64) -> (i64, i64, i64) {
    let (days, nanos) = carry(days, nanos, DAY_NS);
    let (mut months, mut days) = carry(months, days, 30);
    let mut nanos = nanos;
    if nanos < 0 && (days > 0 || days == 0 && months > 0) {
        nanos += DAY_NS;
        days -= 1;
    } else if nanos > 0 && (days < 0 || days == 0 && months < 0) {
        nanos -= DAY_NS;
        days += 1;
    }
    if days < 0 && months > 0 {
        days += 30;
        months -= 1;
    } else if days > 0 && months < 0 {
        days -= 30;
        months += 1;
    }
    (months, days, nanos)
}
