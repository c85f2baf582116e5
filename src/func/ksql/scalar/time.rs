//! Functions of dates and times.
//!
//! Where no zone is given it is UTC, the zone that ksqlDB's servers run in.

use super::legacy::refuse_clock;
use crate::error::{Error, Result, code};
use crate::func::ksql::cast::{local_parts, read_timestamp};
use crate::func::ksql::pattern::calendar::{DAY_MS, DAY_NS};
use crate::func::ksql::pattern::{Parts, Pattern, Zone, parse_simple_date};
use crate::func::ksql::{Call, Nulls, Overload, Scalar, Value};

/// The functions of this file.
pub const FUNCTIONS: &[Scalar] = &[
    time(
        "FORMAT_DATE",
        "A date as text, by a pattern of Java's DateTimeFormatter.",
        &[one("FORMAT_DATE(date DATE, pattern STRING) -> STRING", format_date)],
    ),
    time(
        "FORMAT_TIME",
        "A time of day as text, by a pattern of Java's DateTimeFormatter.",
        &[one("FORMAT_TIME(time TIME, pattern STRING) -> STRING", format_time)],
    ),
    time(
        "FORMAT_TIMESTAMP",
        "A timestamp as text, by a pattern of Java's DateTimeFormatter, in a time zone or in UTC.",
        &[one("FORMAT_TIMESTAMP(timestamp TIMESTAMP, pattern STRING, [zone STRING]) -> STRING", |_, a| format_timestamp(a))],
    ),
    time(
        "PARSE_DATE",
        "The date of a text, by a pattern of Java's SimpleDateFormat.",
        &[one("PARSE_DATE(text STRING, pattern STRING) -> DATE", parse_date)],
    ),
    time(
        "PARSE_TIME",
        "The time of day of a text, by a pattern of Java's DateTimeFormatter.",
        &[one("PARSE_TIME(text STRING, pattern STRING) -> TIME", parse_time)],
    ),
    time(
        "PARSE_TIMESTAMP",
        "The timestamp of a text, by a pattern of Java's DateTimeFormatter; the time zone is UTC unless it is given or in the text. What \
         the text leaves out is as on 1970-01-01.",
        &[one("PARSE_TIMESTAMP(text STRING, pattern STRING, [zone STRING]) -> TIMESTAMP", |_, a| Ok(Value::Timestamp(parse_instant(a)?)))],
    ),
    time("DATEADD", "A date some time later.", &[one("DATEADD(unit UNIT, n INT, date DATE) -> DATE", |_, a| move_date(a, 1))]),
    time("DATESUB", "A date some time before.", &[one("DATESUB(unit UNIT, n INT, date DATE) -> DATE", |_, a| move_date(a, -1))]),
    time(
        "TIMEADD",
        "A time of day some time later, around the clock.",
        &[one("TIMEADD(unit UNIT, n INT, time TIME) -> TIME", |_, a| move_time(a, 1))],
    ),
    time(
        "TIMESUB",
        "A time of day some time before, around the clock.",
        &[one("TIMESUB(unit UNIT, n INT, time TIME) -> TIME", |_, a| move_time(a, -1))],
    ),
    time(
        "TIMESTAMPADD",
        "A timestamp some time later.",
        &[one("TIMESTAMPADD(unit UNIT, n INT, timestamp TIMESTAMP) -> TIMESTAMP", |_, a| move_timestamp(a, 1))],
    ),
    time(
        "TIMESTAMPSUB",
        "A timestamp some time before.",
        &[one("TIMESTAMPSUB(unit UNIT, n INT, timestamp TIMESTAMP) -> TIMESTAMP", |_, a| move_timestamp(a, -1))],
    ),
    time(
        "CONVERT_TZ",
        "A timestamp that shows in one time zone what the given one shows in another.",
        &[one("CONVERT_TZ(timestamp TIMESTAMP, source STRING, target STRING) -> TIMESTAMP", convert_tz)],
    ),
    time(
        "FROM_DAYS",
        "The date that is so many days after 1970-01-01.",
        &[one("FROM_DAYS(days INT) -> DATE", |_, a| Ok(Value::Date(small(a, 0)?)))],
    ),
    time(
        "FROM_UNIXTIME",
        "The timestamp that is so many milliseconds after 1970-01-01 in UTC.",
        &[one("FROM_UNIXTIME(milliseconds BIGINT) -> TIMESTAMP", |_, a| Ok(Value::Timestamp(integer(a, 0)?)))],
    ),
    time(
        "UNIX_DATE",
        "The days from 1970-01-01 to a date; without one, to today.",
        &[
            one("UNIX_DATE() -> INT", |_, _| Err(refuse_clock("UNIX_DATE()"))),
            one("UNIX_DATE(date DATE) -> INT", |_, a| Ok(Value::Int(small(a, 0)?))),
        ],
    ),
    time(
        "UNIX_TIMESTAMP",
        "The milliseconds from 1970-01-01 in UTC to a timestamp; without one, to now.",
        &[
            one("UNIX_TIMESTAMP() -> BIGINT", |_, _| Err(refuse_clock("UNIX_TIMESTAMP()"))),
            one("UNIX_TIMESTAMP(timestamp TIMESTAMP) -> BIGINT", |_, a| Ok(Value::Bigint(integer(a, 0)?))),
        ],
    ),
];

const fn time(name: &'static str, about: &'static str, overloads: &'static [Overload]) -> Scalar {
    Scalar { name, family: "time", about, overloads }
}

const fn one(signature: &'static str, eval: fn(&Call<'_>, &[Value]) -> Result<Value>) -> Overload {
    Overload { signature, returns: None, nulls: Nulls::Give, eval }
}

fn wrong() -> Error {
    Error::new(code::DATATYPE_MISMATCH, "argument is not of the expected type")
}

fn out_of_range() -> Error {
    Error::new(code::DATETIME_FIELD_OVERFLOW, "date or time out of range")
}

/// A whole number, or the count behind a date or time.
pub(super) fn integer(args: &[Value], at: usize) -> Result<i64> {
    args.get(at).and_then(Value::as_i64).ok_or_else(wrong)
}

fn small(args: &[Value], at: usize) -> Result<i32> {
    i32::try_from(integer(args, at)?).map_err(|_| out_of_range())
}

/// A text.
pub(super) fn text(args: &[Value], at: usize) -> Result<&str> {
    args.get(at).and_then(Value::as_str).ok_or_else(wrong)
}

fn zone(args: &[Value], at: usize) -> Result<Zone> {
    if args.len() > at { Zone::parse(text(args, at)?) } else { Ok(Zone::utc()) }
}

/// A day as text, by the pattern that is the second argument.
pub(super) fn format_day(days: i64, pattern: &str) -> Result<Value> {
    Ok(Value::text(Pattern::compile(pattern)?.format(&Parts { day: Some(days), nano: None, zone: None })?))
}

fn format_date(_: &Call<'_>, args: &[Value]) -> Result<Value> {
    format_day(integer(args, 0)?, text(args, 1)?)
}

fn format_time(_: &Call<'_>, args: &[Value]) -> Result<Value> {
    let nano = integer(args, 0)?.rem_euclid(DAY_MS) * 1_000_000;
    Ok(Value::text(Pattern::compile(text(args, 1)?)?.format(&Parts { day: None, nano: Some(nano), zone: None })?))
}

/// Milliseconds as text: value, pattern and, if it is there, a zone.
pub(super) fn format_timestamp(args: &[Value]) -> Result<Value> {
    let pattern = Pattern::compile(text(args, 1)?)?;
    Ok(Value::text(pattern.format(&local_parts(integer(args, 0)?, &zone(args, 2)?))?))
}

fn parse_date(_: &Call<'_>, args: &[Value]) -> Result<Value> {
    let day = parse_simple_date(text(args, 0)?, text(args, 1)?)?;
    i32::try_from(day).map(Value::Date).map_err(|_| out_of_range())
}

fn parse_time(_: &Call<'_>, args: &[Value]) -> Result<Value> {
    let parsed = Pattern::compile(text(args, 1)?)?.parse(text(args, 0)?)?;
    if parsed.speaks_of_date() {
        return Err(Error::new(code::INVALID_DATETIME_FORMAT, "the time has a date").hint("Use PARSE_TIMESTAMP."));
    }
    let nano = parsed.nano().ok_or_else(|| Error::new(code::INVALID_DATETIME_FORMAT, "the text does not say a time of day"))?;
    i32::try_from(nano / 1_000_000).map(Value::Time).map_err(|_| out_of_range())
}

/// The instant of text, pattern and, if it is there, a zone.
pub(super) fn parse_instant(args: &[Value]) -> Result<i64> {
    Pattern::compile(text(args, 1)?)?.parse(text(args, 0)?)?.instant(&zone(args, 2)?)
}

/// The milliseconds since 1970-01-01 in UTC of a text: by a pattern, or in the ISO form that literals have; in a zone or in UTC.
pub fn parse_timestamp_text(text: &str, format: Option<&str>, zone: Option<&str>) -> Result<i64> {
    match format {
        Some(pattern) => {
            let zone = zone.map_or_else(|| Ok(Zone::utc()), Zone::parse)?;
            Pattern::compile(pattern)?.parse(text)?.instant(&zone)
        }
        None => read_timestamp(text.trim())
            .ok_or_else(|| Error::new(code::INVALID_TEXT_REPRESENTATION, format!("invalid input syntax for type TIMESTAMP: \"{text}\""))),
    }
}

/// The nanoseconds of a unit.
fn unit_nanos(args: &[Value]) -> Result<i64> {
    let unit = text(args, 0)?;
    Ok(match unit.strip_suffix('S').unwrap_or(unit) {
        "DAY" => DAY_NS,
        "HOUR" => 3_600_000_000_000,
        "MINUTE" => 60_000_000_000,
        "SECOND" => 1_000_000_000,
        "MILLISECOND" => 1_000_000,
        "MICROSECOND" => 1_000,
        "NANOSECOND" => 1,
        _ => return Err(Error::new(code::INVALID_PARAMETER_VALUE, format!("{unit} is not a unit of time"))),
    })
}

/// The milliseconds that a call moves by; what is less than one is cut off.
fn millis(args: &[Value]) -> Result<i64> {
    let nanos = i128::from(unit_nanos(args)?) * i128::from(integer(args, 1)?);
    i64::try_from(nanos / 1_000_000).map_err(|_| out_of_range())
}

/// Java cuts a date in milliseconds to days towards 1970, so that hours before 1970 move up.
fn move_date(args: &[Value], sign: i64) -> Result<Value> {
    let by = sign * millis(args)?;
    let ms = integer(args, 2)?.checked_mul(DAY_MS).and_then(|ms| ms.checked_add(by));
    let day = ms.ok_or_else(out_of_range)? / DAY_MS;
    i32::try_from(day).map(Value::Date).map_err(|_| out_of_range())
}

fn move_time(args: &[Value], sign: i64) -> Result<Value> {
    let by = i128::from(unit_nanos(args)?) * i128::from(integer(args, 1)?) * i128::from(sign);
    let nanos = (i128::from(integer(args, 2)?) * 1_000_000 + by).rem_euclid(i128::from(DAY_NS));
    i32::try_from(nanos / 1_000_000).map(Value::Time).map_err(|_| out_of_range())
}

fn move_timestamp(args: &[Value], sign: i64) -> Result<Value> {
    integer(args, 2)?.checked_add(sign * millis(args)?).map(Value::Timestamp).ok_or_else(out_of_range)
}

fn convert_tz(_: &Call<'_>, args: &[Value]) -> Result<Value> {
    let ms = integer(args, 0)?;
    let (from, to) = (Zone::parse(text(args, 1)?)?, Zone::parse(text(args, 2)?)?);
    let by = i64::from(to.offset_at(ms)) - i64::from(from.offset_at(ms));
    ms.checked_add(by * 1_000).map(Value::Timestamp).ok_or_else(out_of_range)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::func::ksql::Type;

    fn call(name: &str, args: &[Value]) -> Result<Value> {
        let function = FUNCTIONS.iter().chain(super::super::legacy::FUNCTIONS).find(|f| f.name == name).expect("a function");
        let overload = function.overloads.last().expect("an overload");
        (overload.eval)(&Call { arguments: &[], returns: &Type::Null, lambdas: &[] }, args)
    }

    fn t(text: &str) -> Value {
        Value::text(text)
    }

    #[test]
    fn dates_and_times_convert() {
        let cases = [
            ("FORMAT_DATE", vec![Value::Date(10), t("dd/MM/yyyy")], Value::text("11/01/1970")),
            ("FORMAT_TIME", vec![Value::Time(65_000), t("HH_mm_ss_SSS")], Value::text("00_01_05_000")),
            ("FORMAT_TIME", vec![Value::Time(1_234_567), t("HHmmss'AAAAA'")], Value::text("002034AAAAA")),
            ("FORMAT_TIMESTAMP", vec![Value::Timestamp(0), t("yyyy-MM-dd HH:mm z")], Value::text("1970-01-01 00:00 UTC")),
            ("PARSE_DATE", vec![t("01-JAN-2022"), t("dd-MMM-yyyy")], Value::Date(18_993)),
            ("PARSE_TIME", vec![t("10:30 pm"), t("hh:mm a")], Value::Time(81_000_000)),
            ("PARSE_TIMESTAMP", vec![t("2018-05-11 14:58"), t("yyyy-MM-dd HH:mm"), t("America/Los_Angeles")], {
                Value::Timestamp(1_526_075_880_000)
            }),
            ("DATEADD", vec![t("DAYS"), Value::Int(10), Value::Date(10)], Value::Date(20)),
            ("DATESUB", vec![t("DAYS"), Value::Int(-5), Value::Date(-5)], Value::Date(0)),
            ("DATEADD", vec![t("HOURS"), Value::Int(-1), Value::Date(0)], Value::Date(0)),
            ("TIMEADD", vec![t("MILLISECONDS"), Value::Int(10), Value::Time(86_399_995)], Value::Time(5)),
            ("TIMESUB", vec![t("MILLISECONDS"), Value::Int(10), Value::Time(5)], Value::Time(86_399_995)),
            ("TIMESTAMPSUB", vec![t("MILLISECOND"), Value::Int(-5), Value::Timestamp(-100)], Value::Timestamp(-95)),
            ("CONVERT_TZ", vec![Value::Timestamp(100), t("+0200"), t("+0500")], Value::Timestamp(10_800_100)),
            ("CONVERT_TZ", vec![Value::Timestamp(1_589_234_313_000), t("America/Los_Angeles"), t("America/New_York")], {
                Value::Timestamp(1_589_245_113_000)
            }),
            ("FROM_DAYS", vec![Value::Int(-10)], Value::Date(-10)),
            ("UNIX_DATE", vec![Value::Date(100)], Value::Int(100)),
            ("DATETOSTRING", vec![Value::Int(0), t("yyyy")], Value::text("1970")),
            ("STRINGTODATE", vec![t("11-may-2018"), t("d-MMM-yyyy")], Value::Int(17_662)),
            ("TIMESTAMPTOSTRING", vec![Value::Bigint(1_526_075_913_000), t("HH:mm zzz"), t("Europe/London")], Value::text("22:58 BST")),
            ("STRINGTOTIMESTAMP", vec![t("2020-05-11T21:58:33z"), t("yyyy-MM-dd'T'HH:mm:ssX")], Value::Bigint(1_589_234_313_000)),
        ];
        for (name, args, expected) in cases {
            assert_eq!(call(name, &args).expect(name), expected, "{name}");
        }
    }

    #[test]
    fn what_is_wrong_is_an_error() {
        for (name, args) in [
            ("PARSE_TIME", vec![t("2020-01-01 10:00"), t("yyyy-MM-dd HH:mm")]),
            ("PARSE_TIME", vec![t("10"), t("mm")]),
            ("STRINGTODATE", vec![t("2020-01"), t("yyyy-MM")]),
            ("FORMAT_DATE", vec![Value::Date(0), t("HH")]),
            ("FORMAT_TIMESTAMP", vec![Value::Timestamp(0), t("HH"), t("Nowhere")]),
            ("TIMESTAMPADD", vec![t("DAYS"), Value::Int(1), Value::Timestamp(i64::MAX)]),
        ] {
            assert!(call(name, &args).is_err(), "{name}");
        }
        assert_eq!(parse_timestamp_text("2018-01", None, None).ok(), Some(1_514_764_800_000));
    }
}
