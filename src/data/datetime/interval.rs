//! Reading intervals: PostgreSQL's verbose form, the SQL standard's and ISO 8601's (manual, 8.5.4 "Interval Input").

use arrow::datatypes::IntervalMonthDayNano;

use super::malformed;
use crate::error::{Error, Result};

/// SQLSTATE of an interval whose parts do not fit.
const INTERVAL_FIELD_OVERFLOW: &str = "22015";
/// Decimals of a number that are kept: enough for a nanosecond of a millennium's fraction.
const DECIMALS_MAX: usize = 18;
const NS_PER_SECOND: i128 = 1_000_000_000;
const NS_PER_DAY: i128 = 86_400 * NS_PER_SECOND;

/// What a unit counts in.
#[derive(Clone, Copy)]
enum Unit {
    /// This many months.
    Months(i128),
    /// This many days.
    Days(i128),
    /// This many nanoseconds.
    Time(i128),
}

/// A number with a fraction, as written: value * 10^-decimals.
#[derive(Clone, Copy)]
struct Number {
    value: i128,
    unit: i128,
}

/// The parts gathered so far; wide enough that single additions cannot overflow.
#[derive(Default)]
struct Parts {
    months: i128,
    days: i128,
    ns: i128,
}

/// An interval's text as months, days and nanoseconds (always whole microseconds). Errors: 22007, 22015 if a part overflows.
pub fn parse_interval(text: &str) -> Result<IntervalMonthDayNano> {
    let trimmed = text.trim();
    if trimmed.eq_ignore_ascii_case("infinity") || trimmed.eq_ignore_ascii_case("-infinity") {
        return Err(malformed("interval", text));
    }
    let parts = match trimmed.strip_prefix('P') {
        Some(iso) => read_iso(iso),
        None => read_words(trimmed),
    };
    let parts = parts.ok_or_else(|| malformed("interval", text))?;
    let out = || Error::new(INTERVAL_FIELD_OVERFLOW, format!("interval field value out of range: \"{text}\""));
    let us = round_div(parts.ns, 1000);
    let ns = i64::try_from(us.checked_mul(1000).ok_or_else(out)?).map_err(|_| out())?;
    let months = i32::try_from(parts.months).map_err(|_| out())?;
    let days = i32::try_from(parts.days).map_err(|_| out())?;
    Ok(IntervalMonthDayNano::new(months, days, ns))
}

fn round_div(value: i128, by: i128) -> i128 {
    let half = if value < 0 { -(by / 2) } else { by / 2 };
    (value.saturating_add(half)) / by
}

impl Parts {
    /// Adds `number` of a unit; a fraction spills into the next smaller units, a month being 30 days and a day 24 hours.
    fn add(&mut self, number: Number, unit: Unit) -> Option<()> {
        match unit {
            Unit::Months(n) => {
                let total = number.value.checked_mul(n)?;
                if n >= 12 {
                    // Fractions of years give whole months.
                    self.months = self.months.checked_add(round_div(total, number.unit))?;
                } else {
                    self.months = self.months.checked_add(total / number.unit)?;
                    self.add(Number { value: total % number.unit, unit: number.unit }, Unit::Days(30))?;
                }
            }
            Unit::Days(n) => {
                let total = number.value.checked_mul(n)?;
                self.days = self.days.checked_add(total / number.unit)?;
                self.add(Number { value: total % number.unit, unit: number.unit }, Unit::Time(NS_PER_DAY))?;
            }
            Unit::Time(n) => self.ns = self.ns.checked_add(round_div(number.value.checked_mul(n)?, number.unit))?,
        }
        Some(())
    }
}

fn unit_of(word: &str) -> Option<Unit> {
    let word = word.to_ascii_lowercase();
    Some(match word.as_str() {
        "us" | "usec" | "usecs" | "microsecond" | "microseconds" | "microsec" | "microsecs" | "useconds" | "usecond" => Unit::Time(1_000),
        "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" | "millisec" | "millisecs" | "msecond" | "mseconds" => {
            Unit::Time(1_000_000)
        }
        "s" | "sec" | "secs" | "second" | "seconds" => Unit::Time(NS_PER_SECOND),
        "m" | "min" | "mins" | "minute" | "minutes" => Unit::Time(60 * NS_PER_SECOND),
        "h" | "hr" | "hrs" | "hour" | "hours" => Unit::Time(3600 * NS_PER_SECOND),
        "d" | "day" | "days" => Unit::Days(1),
        "w" | "week" | "weeks" => Unit::Days(7),
        "mon" | "mons" | "month" | "months" => Unit::Months(1),
        "y" | "yr" | "yrs" | "year" | "years" => Unit::Months(12),
        "dec" | "decs" | "decade" | "decades" => Unit::Months(120),
        "c" | "cent" | "century" | "centuries" => Unit::Months(1_200),
        "mil" | "mils" | "millennium" | "millenniums" | "millennia" => Unit::Months(12_000),
        _ => return None,
    })
}

/// A signed number with decimals off the front of `text`, and the rest.
fn take_number(text: &str) -> Option<(Number, &str)> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let negative = text.starts_with('-');
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (whole, decimals) = unsigned[..end].split_once('.').unwrap_or((&unsigned[..end], ""));
    if whole.len() + decimals.len() == 0 || whole.len() > 18 || decimals.contains('.') {
        return None;
    }
    let decimals = &decimals[..decimals.len().min(DECIMALS_MAX)];
    let digits = whole.bytes().chain(decimals.bytes());
    let value = digits.fold(0i128, |v, b| v * 10 + i128::from(b - b'0'));
    let unit = 10i128.pow(decimals.len() as u32);
    Some((Number { value: if negative { -value } else { value }, unit }, &unsigned[end..]))
}

/// `1 year 2 mons 3 days 04:05:06 ago`, `1-2 3 04:05:06`, `10`.
fn read_words(text: &str) -> Option<Parts> {
    let mut parts = Parts::default();
    let mut rest = text.strip_prefix('@').unwrap_or(text).trim_start();
    let mut any = false;
    while !rest.is_empty() {
        if any && rest.eq_ignore_ascii_case("ago") {
            (parts.months, parts.days, parts.ns) = (-parts.months, -parts.days, -parts.ns);
            return Some(parts);
        }
        let end = rest.find(|c: char| c.is_ascii_whitespace()).unwrap_or(rest.len());
        let word = &rest[..end];
        if word.contains(':') {
            parts.ns = parts.ns.checked_add(clock_ns(word)?)?;
            rest = rest[end..].trim_start();
        } else if let Some(months) = year_month(word) {
            parts.months += months;
            rest = rest[end..].trim_start();
        } else {
            let (number, after) = take_number(rest)?;
            rest = unit_after(&mut parts, number, after)?;
        }
        any = true;
    }
    any.then_some(parts)
}

/// Adds a number whose unit follows it, or is told by what follows: before a time it counts days, at the end seconds.
fn unit_after<'a>(parts: &mut Parts, number: Number, after: &'a str) -> Option<&'a str> {
    let after = after.trim_start();
    let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
    if end > 0 && !after[..end].eq_ignore_ascii_case("ago") {
        parts.add(number, unit_of(&after[..end])?)?;
        return Some(after[end..].trim_start());
    }
    let next = &after[..after.find(|c: char| c.is_ascii_whitespace()).unwrap_or(after.len())];
    let unit = if next.contains(':') { Unit::Days(1) } else { Unit::Time(NS_PER_SECOND) };
    if !after.is_empty() && !next.contains(':') && end == 0 {
        return None;
    }
    parts.add(number, unit)?;
    Some(after)
}

/// `1-2`: one year and two months.
fn year_month(word: &str) -> Option<i128> {
    let unsigned = word.strip_prefix(['+', '-']).unwrap_or(word);
    let (years, months) = unsigned.split_once('-')?;
    let months: i128 = months.parse().ok().filter(|m| (0..12).contains(m))?;
    let total = i128::from(years.parse::<u32>().ok()?) * 12 + months;
    Some(if word.starts_with('-') { -total } else { total })
}

/// `[-]hh:mm[:ss[.f]]`, or `mm:ss.f`; the hours may have any number of digits.
fn clock_ns(word: &str) -> Option<i128> {
    let unsigned = word.strip_prefix(['+', '-']).unwrap_or(word);
    let mut fields: Vec<&str> = unsigned.split(':').collect();
    if fields.len() == 2 && fields[1].contains('.') {
        fields.insert(0, "0");
    }
    let (seconds, decimals) = fields.get(2).map_or(("0", ""), |s| s.split_once('.').unwrap_or((s, "")));
    let whole =
        |s: &str| (!s.is_empty() && s.len() <= 15 && s.bytes().all(|b| b.is_ascii_digit())).then(|| s.parse::<i128>().ok()).flatten();
    if fields.len() > 3 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes, seconds) = (whole(fields[0])?, whole(fields[1])?, whole(seconds)?);
    if minutes > 59 || seconds > 60 {
        return None;
    }
    let us = i128::from(super::parse::fraction_us(decimals));
    let ns = (hours * 3600 + minutes * 60 + seconds) * NS_PER_SECOND + us * 1000;
    Some(if word.starts_with('-') { -ns } else { ns })
}

/// ISO 8601 with designators, after the `P`: `1Y2M3DT4H5M6S`.
fn read_iso(text: &str) -> Option<Parts> {
    let mut parts = Parts::default();
    let mut in_time = false;
    let mut rest = text;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        if let Some(time) = rest.strip_prefix('T').filter(|_| !in_time) {
            in_time = true;
            rest = time;
            continue;
        }
        let (number, after) = take_number(rest)?;
        let unit = match (after.as_bytes().first()?, in_time) {
            (b'Y', false) => Unit::Months(12),
            (b'M', false) => Unit::Months(1),
            (b'W', false) => Unit::Days(7),
            (b'D', false) => Unit::Days(1),
            (b'H', true) => Unit::Time(3600 * NS_PER_SECOND),
            (b'M', true) => Unit::Time(60 * NS_PER_SECOND),
            (b'S', true) => Unit::Time(NS_PER_SECOND),
            _ => return None,
        };
        parts.add(number, unit)?;
        rest = &after[1..];
    }
    Some(parts)
}
