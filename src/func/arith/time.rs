//! Arithmetic on date, time, timestamp and interval (manual, table 9.32).
//!
//! An interval has months, days and time apart, so each is added by its own rule: months first, clamped to the last day of
//! the month, then days, then time. The session's time zone is UTC, where a day always has 24 hours.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{
    DataType, Date32Type, Float64Type, Int32Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use datafusion::logical_expr::ColumnarValue;

use super::Op;
use super::kernel::map2;
use super::rules::Rule;
use crate::data::datetime::{self, is_infinite, is_infinite_date};
use crate::error::{Error, Result, code};

/// Microseconds of a day.
pub const DAY_US: i64 = 86_400_000_000;

pub type Interval = IntervalMonthDayNano;

/// 22008 in PostgreSQL's words.
pub fn out_of_range(what: &str) -> Error {
    Error::new(code::DATETIME_FIELD_OVERFLOW, format!("{what} out of range"))
}

fn wrong() -> Error {
    Error::internal("a rule of arithmetic without its kernel")
}

/// The civil date of a day number since 1970-01-01: (year, month 1..=12, day 1..=31), proleptic Gregorian.
pub fn civil(days: i64) -> (i64, i64, i64) {
    let (year, month, day) = datetime::civil_from_days(days);
    (year, i64::from(month), i64::from(day))
}

/// The day number since 1970-01-01 of a civil date; the month must be in 1..=12, the day may be any.
pub fn day_number(year: i64, month: i64, day: i64) -> i64 {
    datetime::days_from_civil(year, month as u32, 1) + day - 1
}

/// Days of a month, 1..=12.
pub fn days_in_month(year: i64, month: i64) -> i64 {
    datetime::days_in_month(year, month as u32).into()
}

/// timestamp + interval, in microseconds; infinity stays what it is. Errors: 22008.
pub fn add_interval(us: i64, by: Interval) -> Result<i64> {
    if is_infinite(us) {
        return Ok(us);
    }
    let mut us = us;
    if by.months != 0 {
        let (days, time) = (us.div_euclid(DAY_US), us.rem_euclid(DAY_US));
        let (year, month, day) = civil(days);
        let months = year * 12 + month - 1 + i64::from(by.months);
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
        let day = day.min(days_in_month(year, month));
        us = day_number(year, month, day).checked_mul(DAY_US).and_then(|d| d.checked_add(time)).ok_or_else(|| out_of_range("timestamp"))?;
    }
    let days = i64::from(by.days).checked_mul(DAY_US).ok_or_else(|| out_of_range("timestamp"))?;
    us.checked_add(days).and_then(|v| v.checked_add(by.nanoseconds / 1_000)).ok_or_else(|| out_of_range("timestamp"))
}

/// The time of day so many microseconds after another: midnight follows the last of a day.
pub fn time_after(us: i64, by: i64) -> i64 {
    (us + by % DAY_US).rem_euclid(DAY_US)
}

/// -interval. Errors: 22008.
pub fn negate(v: Interval) -> Result<Interval> {
    let negated = (v.months.checked_neg(), v.days.checked_neg(), v.nanoseconds.checked_neg());
    match negated {
        (Some(months), Some(days), Some(nanos)) => Ok(Interval::new(months, days, nanos)),
        _ => Err(out_of_range("interval")),
    }
}

/// a + b. Errors: 22008.
pub fn add_intervals(a: Interval, b: Interval) -> Result<Interval> {
    let sum = (a.months.checked_add(b.months), a.days.checked_add(b.days), a.nanoseconds.checked_add(b.nanoseconds));
    match sum {
        (Some(months), Some(days), Some(nanos)) => Ok(Interval::new(months, days, nanos)),
        _ => Err(out_of_range("interval")),
    }
}

fn no_difference(what: &str) -> Error {
    Error::new(code::DATETIME_FIELD_OVERFLOW, format!("cannot subtract infinite {what}"))
}

/// The time between two timestamps: whole days and the rest, as PostgreSQL justifies it.
pub fn between(later: i64, earlier: i64) -> Result<Interval> {
    if is_infinite(later) || is_infinite(earlier) {
        return Err(no_difference("timestamps"));
    }
    let us = later.checked_sub(earlier).ok_or_else(|| out_of_range("interval"))?;
    let days = i32::try_from(us / DAY_US).map_err(|_| out_of_range("interval"))?;
    Ok(Interval::new(0, days, us % DAY_US * 1_000))
}

fn multiply_whole(v: Interval, by: i64) -> Result<Interval> {
    let field = |f: i32| i64::from(f).checked_mul(by).and_then(|f| i32::try_from(f).ok());
    match (field(v.months), field(v.days), v.nanoseconds.checked_mul(by)) {
        (Some(months), Some(days), Some(nanos)) => Ok(Interval::new(months, days, nanos)),
        _ => Err(out_of_range("interval")),
    }
}

/// interval * factor: what is left of a month is given to days (30 to a month), what is left of a day to the time.
pub fn multiply(v: Interval, factor: f64) -> Result<Interval> {
    if factor.fract() == 0.0 && factor.abs() < 9e15 {
        return multiply_whole(v, factor as i64);
    }
    spread(v, |f| f * factor)
}

/// interval / number. Errors: 22012, 22008.
pub fn divide(v: Interval, by: f64) -> Result<Interval> {
    if by == 0.0 {
        return Err(Error::new(code::DIVISION_BY_ZERO, "division by zero"));
    }
    spread(v, |f| f / by)
}

fn spread(v: Interval, scaled: impl Fn(f64) -> f64) -> Result<Interval> {
    let round = |seconds: f64| (seconds * 1e6).round_ties_even() / 1e6;
    let whole = |f: f64| if f.is_finite() && f.abs() < 2_147_483_648.0 { Ok(f.trunc() as i32) } else { Err(out_of_range("interval")) };
    let months = whole(scaled(f64::from(v.months)))?;
    let mut days = whole(scaled(f64::from(v.days)))?;
    let month_days = round((scaled(f64::from(v.months)) - f64::from(months)) * 30.0);
    let mut seconds = round((scaled(f64::from(v.days)) - f64::from(days) + month_days - month_days.trunc()) * 86_400.0);
    if seconds.abs() >= 86_400.0 {
        days = days.saturating_add((seconds / 86_400.0) as i32);
        seconds -= (seconds / 86_400.0).trunc() * 86_400.0;
    }
    let days = days.checked_add(month_days as i32).ok_or_else(|| out_of_range("interval"))?;
    let us = (scaled(v.nanoseconds as f64 / 1e3) + seconds * 1e6).round_ties_even();
    if !us.is_finite() || us.abs() > 9.2e15 {
        return Err(out_of_range("interval"));
    }
    Ok(Interval::new(months, days, us as i64 * 1_000))
}

/// `left op right` for operands of which at least one is a date, a time or an interval. Errors: 22008, 22012.
pub fn compute(op: Op, left: &ColumnarValue, right: &ColumnarValue, rule: &Rule) -> Result<ArrayRef> {
    use DataType::*;
    let out = &rule.output;
    match (&rule.left, &rule.right) {
        (Date32, Int64) => Ok(Arc::new(map2::<Date32Type, Int64Type, Date32Type>(left, right, out, |a, b| shift_date(op, a, b))?)),
        (Int64, Date32) => Ok(Arc::new(map2::<Int64Type, Date32Type, Date32Type>(left, right, out, |a, b| shift_date(op, b, a))?)),
        (Date32, Date32) => Ok(Arc::new(map2::<Date32Type, Date32Type, Int32Type>(left, right, out, |a, b| {
            if is_infinite_date(a) || is_infinite_date(b) {
                return Err(no_difference("dates"));
            }
            a.checked_sub(b).ok_or_else(|| out_of_range("date"))
        })?)),
        (Timestamp(..), Timestamp(..)) => {
            type Stamp = TimestampMicrosecondType;
            Ok(Arc::new(map2::<Stamp, Stamp, IntervalMonthDayNanoType>(left, right, out, between)?))
        }
        (Timestamp(..), Interval(_)) => stamp_interval(op, left, right, out),
        (Interval(_), Timestamp(..)) => stamp_interval(op, right, left, out),
        (Timestamp(..), Time64(_)) => stamp_time(left, right, out),
        (Time64(_), Timestamp(..)) => stamp_time(right, left, out),
        (Time64(_), _) | (_, Time64(_)) => times(op, left, right, rule),
        _ => intervals(op, left, right, rule),
    }
}

fn shift_date(op: Op, date: i32, by: i64) -> Result<i32> {
    if is_infinite_date(date) {
        return Ok(date);
    }
    let by = if op == Op::Sub { by.checked_neg().ok_or_else(|| out_of_range("date"))? } else { by };
    let moved = i64::from(date).checked_add(by).and_then(|d| i32::try_from(d).ok());
    moved.ok_or_else(|| out_of_range("date"))
}

fn stamp_interval(op: Op, stamp: &ColumnarValue, interval: &ColumnarValue, out: &DataType) -> Result<ArrayRef> {
    let result = map2::<TimestampMicrosecondType, IntervalMonthDayNanoType, TimestampMicrosecondType>(stamp, interval, out, |a, b| {
        add_interval(a, if op == Op::Sub { negate(b)? } else { b })
    })?;
    Ok(Arc::new(result))
}

fn stamp_time(stamp: &ColumnarValue, time: &ColumnarValue, out: &DataType) -> Result<ArrayRef> {
    let result = map2::<TimestampMicrosecondType, Time64MicrosecondType, TimestampMicrosecondType>(stamp, time, out, |a, b| {
        if is_infinite(a) { Ok(a) } else { a.checked_add(b).ok_or_else(|| out_of_range("timestamp")) }
    })?;
    Ok(Arc::new(result))
}

fn times(op: Op, left: &ColumnarValue, right: &ColumnarValue, rule: &Rule) -> Result<ArrayRef> {
    let shift = |time: i64, by: Interval| {
        let us = by.nanoseconds / 1_000;
        Ok(time_after(time, if op == Op::Sub { -us } else { us }))
    };
    let out = &rule.output;
    match (&rule.left, &rule.right) {
        (DataType::Time64(_), DataType::Time64(_)) => {
            let result = map2::<Time64MicrosecondType, Time64MicrosecondType, IntervalMonthDayNanoType>(left, right, out, |a, b| {
                Ok(Interval::new(0, 0, (a - b) * 1_000))
            })?;
            Ok(Arc::new(result))
        }
        (DataType::Time64(_), _) => {
            Ok(Arc::new(map2::<Time64MicrosecondType, IntervalMonthDayNanoType, Time64MicrosecondType>(left, right, out, shift)?))
        }
        _ => Ok(Arc::new(map2::<Time64MicrosecondType, IntervalMonthDayNanoType, Time64MicrosecondType>(right, left, out, shift)?)),
    }
}

fn intervals(op: Op, left: &ColumnarValue, right: &ColumnarValue, rule: &Rule) -> Result<ArrayRef> {
    type I = IntervalMonthDayNanoType;
    let out = &rule.output;
    Ok(match (op, &rule.left, &rule.right) {
        (Op::Add, DataType::Interval(_), DataType::Interval(_)) => Arc::new(map2::<I, I, I>(left, right, out, add_intervals)?),
        (Op::Sub, DataType::Interval(_), DataType::Interval(_)) => {
            Arc::new(map2::<I, I, I>(left, right, out, |a, b| add_intervals(a, negate(b)?))?)
        }
        (Op::Mul, DataType::Interval(_), DataType::Int64) => Arc::new(map2::<I, Int64Type, I>(left, right, out, multiply_whole)?),
        (Op::Mul, DataType::Int64, DataType::Interval(_)) => {
            Arc::new(map2::<Int64Type, I, I>(left, right, out, |a, b| multiply_whole(b, a))?)
        }
        (Op::Mul, DataType::Interval(_), DataType::Float64) => Arc::new(map2::<I, Float64Type, I>(left, right, out, multiply)?),
        (Op::Mul, DataType::Float64, DataType::Interval(_)) => {
            Arc::new(map2::<Float64Type, I, I>(left, right, out, |a, b| multiply(b, a))?)
        }
        (Op::Div, DataType::Interval(_), DataType::Float64) => Arc::new(map2::<I, Float64Type, I>(left, right, out, divide)?),
        _ => return Err(wrong()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn months_clamp_to_the_end_of_the_month() {
        let january_31 = day_number(2023, 1, 31) * DAY_US;
        assert_eq!(add_interval(january_31, Interval::new(1, 0, 0)).unwrap(), day_number(2023, 2, 28) * DAY_US);
        assert_eq!(add_interval(january_31, Interval::new(13, 0, 0)).unwrap(), day_number(2024, 2, 29) * DAY_US);
    }

    proptest! {
        #[test]
        fn civil_and_day_number_are_inverse(days in -1_000_000i64..3_000_000) {
            let (year, month, day) = civil(days);
            prop_assert!((1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day));
            prop_assert_eq!(day_number(year, month, day), days);
        }
    }
}
