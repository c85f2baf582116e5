//! Times with less in them: date_trunc (manual, 9.9.2), and the precision in `timestamp(3)`.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, IntervalMonthDayNanoArray, TimestampMicrosecondArray};
use arrow::datatypes::{
    DataType, Int32Type, IntervalMonthDayNano, IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};
use datafusion::logical_expr::{Expr, ScalarUDF, lit};

use super::define::{Function, TEXT, accepts, each, fixed, text};
use super::pattern::Fields;
use super::times::unit_name;
use crate::data::PgType;
use crate::data::datetime::{PG_EPOCH_US, Zone, is_infinite};
use crate::error::{Error, Result, code};
use crate::func::arith::rules::{INTERVAL, TIME, TIMESTAMP, canonical, timestamptz};
use crate::func::arith::time::{DAY_US, day_number, out_of_range};

/// Units no longer than an hour.
const FINE: &[&str] =
    &["microsecond", "microseconds", "millisecond", "milliseconds", "second", "seconds", "minute", "minutes", "hour", "hours"];

type Interval = IntervalMonthDayNano;

/// What casts to `timestamp(3)` and its kin call.
static PRECISION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Function::udf("time_precision", precision_rule, time_precision));

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![Function::udf("date_trunc", trunc_rule, date_trunc), PRECISION.clone()]
}

/// A time, rounded to so many decimals of a second.
pub fn rounded(time: Expr, decimals: u8) -> Expr {
    PRECISION.call(vec![time, lit(i32::from(decimals))])
}

/// Times, rounded to so many decimals of a second. Errors: 22008.
pub fn round_all(times: &ArrayRef, decimals: u8) -> Result<ArrayRef> {
    let decimals: ArrayRef = Arc::new(Int32Array::from(vec![i32::from(decimals); times.len()]));
    time_precision(&[times.clone(), decimals], times.data_type())
}

/// A date is truncated as a timestamptz, PostgreSQL's preferred type; a zone goes with those only.
fn trunc_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let value = match canonical(types.get(1)?) {
        DataType::Timestamp(_, None) if types.len() == 2 => TIMESTAMP,
        DataType::Timestamp(..) | DataType::Date32 => timestamptz(),
        DataType::Interval(_) if types.len() == 2 => INTERVAL,
        // A time of day is truncated as an interval.
        DataType::Time64(_) if types.len() == 2 => return Some((vec![TEXT, TIME], INTERVAL)),
        DataType::Utf8View | DataType::Null => timestamptz(),
        _ => return None,
    };
    let wanted = [TEXT, value.clone(), TEXT];
    let fits = (2..=3).contains(&types.len()) && types.iter().zip(&wanted).all(|(t, w)| accepts(t, w));
    fits.then(|| (wanted[..types.len()].to_vec(), value))
}

/// date_trunc(unit, time [, zone]).
fn date_trunc(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    let units = text(args, 0);
    let unknown = |unit: &str| {
        let ty = PgType::of_arrow(output).base();
        Error::new(code::INVALID_PARAMETER_VALUE, format!("unit \"{unit}\" not recognized for type {ty}"))
    };
    if let DataType::Interval(_) = output {
        let length = |row: usize| match args[1].as_primitive_opt::<Time64MicrosecondType>() {
            Some(times) => Interval::new(0, 0, times.value(row) * 1_000),
            None => args[1].as_primitive::<IntervalMonthDayNanoType>().value(row),
        };
        let rows = each(args, |row| {
            let unit = unit_name(units.value(row));
            trunc_interval(&unit, length(row)).ok_or_else(|| unknown(&unit))
        })?;
        return Ok(Arc::new(rows.into_iter().collect::<IntervalMonthDayNanoArray>()));
    }
    let values = args[1].as_primitive::<TimestampMicrosecondType>();
    // Unit and zone are constants nearly always.
    let mut last: Option<(&str, String)> = None;
    let mut zone: Option<(&str, Zone)> = None;
    let mut rows = Vec::with_capacity(values.len());
    for row in 0..values.len() {
        if args.iter().any(|a| a.is_null(row)) {
            rows.push(None);
            continue;
        }
        if last.as_ref().is_none_or(|(given, _)| *given != units.value(row)) {
            last = Some((units.value(row), unit_name(units.value(row))));
        }
        let unit = last.as_ref().map_or("", |(_, unit)| unit.as_str());
        if let Some(names) = args.get(2).map(|_| text(args, 2))
            && zone.is_none_or(|(name, _)| name != names.value(row))
        {
            let name = names.value(row);
            let found = Zone::named(name);
            let found = found.map_err(|_| Error::new(code::INVALID_PARAMETER_VALUE, format!("time zone \"{name}\" not recognized")))?;
            zone = Some((name, found));
        }
        let at = values.value(row);
        if is_infinite(at) {
            trunc_us(unit, 0).ok_or_else(|| unknown(unit))?;
            rows.push(Some(at));
            continue;
        }
        let offset = zone.map_or(0, |(_, zone)| i64::from(zone.offset_at(at)) * 1_000_000);
        let local = at.checked_add(offset).ok_or_else(|| out_of_range("timestamp"))?;
        let start = trunc_us(unit, local).ok_or_else(|| unknown(unit))?;
        // An hour that a clock shows twice stays the one that it was.
        let begun = match zone.filter(|_| !FINE.contains(&unit)) {
            Some((_, zone)) => zone.to_utc(start),
            None => start.checked_sub(offset),
        };
        rows.push(Some(begun.ok_or_else(|| out_of_range("timestamp"))?));
    }
    Ok(Arc::new(rows.into_iter().collect::<TimestampMicrosecondArray>().with_data_type(output.clone())))
}

/// The start of the unit that a time lies in; `None` for unknown units.
fn trunc_us(unit: &str, us: i64) -> Option<i64> {
    let to = |size: i64| Some(us - us.rem_euclid(size));
    match unit {
        "microsecond" | "microseconds" => return Some(us),
        "millisecond" | "milliseconds" => return to(1_000),
        "second" | "seconds" => return to(1_000_000),
        "minute" | "minutes" => return to(60_000_000),
        "hour" | "hours" => return to(3_600_000_000),
        "day" | "days" => return to(DAY_US),
        // 1970-01-01 was a Thursday.
        "week" | "weeks" => return Some(us - (us + 3 * DAY_US).rem_euclid(7 * DAY_US)),
        _ => {}
    }
    let at = Fields::of_timestamp(us);
    // Years are counted astronomically; centuries begin with year 1.
    let group = |size: i64| (at.year - 1).div_euclid(size) * size + 1;
    let (year, month) = match unit {
        "month" | "months" => (at.year, at.month),
        "quarter" => (at.year, (at.month - 1) / 3 * 3 + 1),
        "year" | "years" => (at.year, 1),
        "decade" | "decades" => (at.year.div_euclid(10) * 10, 1),
        "century" | "centuries" => (group(100), 1),
        "millennium" | "millennia" => (group(1_000), 1),
        _ => return None,
    };
    Some(day_number(year, month, 1) * DAY_US)
}

fn trunc_interval(unit: &str, v: Interval) -> Option<Interval> {
    let months = |size: i32| Some(Interval::new(v.months / size * size, 0, 0));
    let time = |size_us: i64| Some(Interval::new(v.months, v.days, v.nanoseconds / (size_us * 1_000) * (size_us * 1_000)));
    match unit {
        "millennium" | "millennia" => months(12_000),
        "century" | "centuries" => months(1_200),
        "decade" | "decades" => months(120),
        "year" | "years" => months(12),
        "quarter" => months(3),
        "month" | "months" => months(1),
        "day" | "days" => Some(Interval::new(v.months, v.days, 0)),
        "hour" | "hours" => time(3_600_000_000),
        "minute" | "minutes" => time(60_000_000),
        "second" | "seconds" => time(1_000_000),
        "millisecond" | "milliseconds" => time(1_000),
        "microsecond" | "microseconds" => time(1),
        _ => None,
    }
}

fn precision_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let ty = match canonical(types.first()?) {
        DataType::Timestamp(_, None) => TIMESTAMP,
        DataType::Timestamp(_, Some(_)) => timestamptz(),
        DataType::Time64(_) => TIME,
        DataType::Interval(_) => INTERVAL,
        _ => return None,
    };
    fixed(types, &[ty.clone(), DataType::Int32], 0, ty)
}

/// time_precision(time, decimals): a time rounded to so many decimals of a second, halves away from 2000-01-01, from midnight, or from
/// zero. It is what a cast to `timestamp(p)` is made of.
fn time_precision(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    let decimals = args[1].as_primitive::<Int32Type>();
    let size = |row: usize| 10i64.pow(6 - decimals.value(row).clamp(0, 6) as u32);
    let round = |us: i64, size: i64| {
        let moved = us.checked_add(size / 2 * us.signum()).ok_or_else(|| out_of_range("timestamp"))?;
        Ok::<i64, Error>(moved / size * size)
    };
    Ok(match output {
        DataType::Timestamp(..) => {
            let values = args[0].as_primitive::<TimestampMicrosecondType>();
            let rows = each(args, |row| {
                if is_infinite(values.value(row)) {
                    return Ok(values.value(row));
                }
                let since = values.value(row).checked_sub(PG_EPOCH_US).ok_or_else(|| out_of_range("timestamp"))?;
                round(since, size(row))?.checked_add(PG_EPOCH_US).ok_or_else(|| out_of_range("timestamp"))
            })?;
            Arc::new(rows.into_iter().collect::<TimestampMicrosecondArray>().with_data_type(output.clone()))
        }
        DataType::Time64(_) => {
            let values = args[0].as_primitive::<Time64MicrosecondType>();
            let rows = each(args, |row| round(values.value(row), size(row)))?;
            Arc::new(rows.into_iter().collect::<arrow::array::Time64MicrosecondArray>())
        }
        _ => {
            let values = args[0].as_primitive::<IntervalMonthDayNanoType>();
            let rows = each(args, |row| {
                let v = values.value(row);
                Ok(Interval::new(v.months, v.days, round(v.nanoseconds / 1_000, size(row))? * 1_000))
            })?;
            Arc::new(rows.into_iter().collect::<IntervalMonthDayNanoArray>())
        }
    })
}
