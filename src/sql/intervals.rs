//! Interval literals: `INTERVAL '3 days 04:05:06'`, `INTERVAL '10' MINUTE`, `INTERVAL '1 2:03' DAY TO MINUTE`.
//!
//! DataFusion reads them by a syntax of its own. So [`expand`] reads them as PostgreSQL does and spells their parts out, as any reader
//! understands them. A field behind the literal is the unit of a bare number, and what is smaller than it is cut off. A cast of a literal
//! to `interval minute` is such a literal.

use std::ops::ControlFlow;

use arrow::datatypes::IntervalMonthDayNano;
use sqlparser::ast::{CastKind, DataType, DateTimeField, Expr, Interval, IntervalFields, Value, VisitMut, VisitorMut};

use super::split::char_position;
use crate::data::datetime::style::spread_sign;
use crate::data::datetime::{US_PER_SECOND, parse_interval};
use crate::error::{Error, Result};

const US_PER_MINUTE: i64 = 60 * US_PER_SECOND;

/// Replaces the literals. Errors: 22007 and 22015 for texts that are no interval, 0A000 for fields that intervals do not have; with
/// their position in `sql`.
pub(super) fn expand(sql: &str, node: &mut impl VisitMut) -> Result<()> {
    VisitMut::visit(node, &mut Expander { sql }).break_value().map_or(Ok(()), Err)
}

struct Expander<'a> {
    sql: &'a str,
}

impl VisitorMut for Expander<'_> {
    type Break = Error;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        if let Some(literal) = cast_literal(expr) {
            *expr = Expr::Interval(literal);
        }
        let Expr::Interval(interval) = expr else { return ControlFlow::Continue(()) };
        let Expr::Value(value) = interval.value.as_ref() else { return ControlFlow::Continue(()) };
        let (Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text)) = &value.value else { return ControlFlow::Continue(()) };
        if misplaced_precision(interval) {
            let behind = char_position(self.sql, value.span.end);
            let at = self.sql.chars().skip(behind.saturating_sub(1)).position(|c| c == '(').map_or(behind, |n| behind + n);
            return ControlFlow::Break(Error::syntax("syntax error at or near \"(\"").at(at));
        }
        // The session's IntervalStyle says what the one sign belongs to, so the text is read when that is known.
        if interval.leading_field.is_none() && spread_sign(text).is_some() && parse_interval(text).is_ok() {
            let data_type = DataType::Interval { fields: None, precision: None };
            *expr = Expr::Cast { kind: CastKind::Cast, expr: interval.value.clone(), data_type, array: false, format: None };
            return ControlFlow::Continue(());
        }
        match read(text, interval) {
            Ok(read) => {
                let text = Expr::Value(Value::SingleQuotedString(plain(read)).with_span(value.span));
                *interval = Interval {
                    value: Box::new(text),
                    leading_field: None,
                    leading_precision: None,
                    last_field: None,
                    fractional_seconds_precision: None,
                };
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error.at(char_position(self.sql, value.span.start))),
        }
    }
}

/// True for decimals behind a field that has none: only seconds have.
fn misplaced_precision(interval: &Interval) -> bool {
    let is_second = |field: &Option<DateTimeField>| matches!(field, Some(DateTimeField::Second | DateTimeField::Seconds));
    let (leading, last) = (&interval.leading_field, &interval.last_field);
    let leads_alone = is_second(leading) && last.is_none();
    interval.leading_precision.is_some() && !leads_alone
        || interval.fractional_seconds_precision.is_some() && leading.is_some() && !leads_alone && !is_second(last)
}

/// The literal that a cast of a text to an interval of some fields is.
fn cast_literal(expr: &Expr) -> Option<Interval> {
    let Expr::Cast { expr: text, data_type: DataType::Interval { fields: Some(fields), precision }, .. } = expr else { return None };
    let is_text =
        matches!(text.as_ref(), Expr::Value(v) if matches!(v.value, Value::SingleQuotedString(_) | Value::EscapedStringLiteral(_)));
    let (leading, last_field) = ends(fields);
    let interval = || Interval {
        value: text.clone(),
        leading_field: Some(leading),
        leading_precision: None,
        last_field,
        fractional_seconds_precision: *precision,
    };
    is_text.then(interval)
}

/// The first and the last of such fields.
fn ends(fields: &IntervalFields) -> (DateTimeField, Option<DateTimeField>) {
    use DateTimeField::{Day, Hour, Minute, Month, Second, Year};
    match fields {
        IntervalFields::Year => (Year, None),
        IntervalFields::Month => (Month, None),
        IntervalFields::Day => (Day, None),
        IntervalFields::Hour => (Hour, None),
        IntervalFields::Minute => (Minute, None),
        IntervalFields::Second => (Second, None),
        IntervalFields::YearToMonth => (Year, Some(Month)),
        IntervalFields::DayToHour => (Day, Some(Hour)),
        IntervalFields::DayToMinute => (Day, Some(Minute)),
        IntervalFields::DayToSecond => (Day, Some(Second)),
        IntervalFields::HourToMinute => (Hour, Some(Minute)),
        IntervalFields::HourToSecond => (Hour, Some(Second)),
        IntervalFields::MinuteToSecond => (Minute, Some(Second)),
    }
}

/// The parts by their names, so that any reader of intervals understands them alike.
fn plain(v: IntervalMonthDayNano) -> String {
    let parts = [(i64::from(v.months), "months"), (i64::from(v.days), "days"), (v.nanoseconds / 1_000, "microseconds")];
    let named: Vec<String> = parts.iter().filter(|(n, _)| *n != 0).map(|(n, unit)| format!("{n} {unit}")).collect();
    if named.is_empty() { "0 days".to_string() } else { named.join(" ") }
}

fn read(text: &str, interval: &Interval) -> Result<IntervalMonthDayNano> {
    let Some(leading) = &interval.leading_field else { return parse_interval(text) };
    let last = interval.last_field.as_ref().unwrap_or(leading);
    let bare = !text.trim().is_empty() && text.trim().chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
    let minutes_first = *leading == DateTimeField::Minute && text.matches(':').count() == 1;
    let days_and_hours = if *last == DateTimeField::Hour { days_and_hours(text, leading) } else { None };
    let spelled = match last {
        _ if let Some((days, hours)) = days_and_hours => format!("{days} days {hours} hours"),
        // 1-2 is a year and two months whatever the fields say.
        _ if bare && !text.trim().get(1..).is_some_and(|rest| rest.contains('-')) => format!("{text} {}", unit(last)?),
        DateTimeField::Second if minutes_first => format!("0:{}", text.trim()),
        _ => text.to_string(),
    };
    let mut v = parse_interval(&spelled)?;
    let us = v.nanoseconds / 1_000;
    let to = |size: i64| us / size * size;
    let us = match unit(last)? {
        "year" => {
            (v.months, v.days) = (v.months / 12 * 12, 0);
            0
        }
        "month" => {
            v.days = 0;
            0
        }
        "day" => 0,
        "hour" => to(60 * US_PER_MINUTE),
        "minute" => to(US_PER_MINUTE),
        _ => rounded(us, interval.fractional_seconds_precision.or(interval.leading_precision).unwrap_or(6)),
    };
    v.nanoseconds = us * 1_000;
    Ok(v)
}

/// The two numbers of a literal of the fields DAY TO HOUR.
fn days_and_hours<'a>(text: &'a str, leading: &DateTimeField) -> Option<(&'a str, &'a str)> {
    let (days, hours) = text.trim().split_once(char::is_whitespace).filter(|_| *leading == DateTimeField::Day)?;
    let hours = hours.trim_start();
    let is_number = |text: &str| text.trim_start_matches(['+', '-']).chars().all(|c| c.is_ascii_digit() || c == '.');
    (is_number(days) && is_number(hours)).then_some((days, hours))
}

/// Microseconds to so many decimals of a second, halves away from zero.
fn rounded(us: i64, decimals: u64) -> i64 {
    let size = 10i64.pow(6 - decimals.min(6) as u32);
    us.saturating_add(size / 2 * us.signum()) / size * size
}

fn unit(field: &DateTimeField) -> Result<&'static str> {
    Ok(match field {
        DateTimeField::Year | DateTimeField::Years => "year",
        DateTimeField::Month | DateTimeField::Months => "month",
        DateTimeField::Week(None) | DateTimeField::Weeks => "week",
        DateTimeField::Day | DateTimeField::Days => "day",
        DateTimeField::Hour | DateTimeField::Hours => "hour",
        DateTimeField::Minute | DateTimeField::Minutes => "minute",
        DateTimeField::Second | DateTimeField::Seconds => "second",
        other => return Err(Error::unsupported(format!("intervals have no field {other}")).hint("Write the unit inside the quotes.")),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Statement, parse};

    fn read(literal: &str) -> String {
        match parse(&format!("SELECT INTERVAL {literal}")) {
            Ok(Statement::Query(query)) => query.to_string().trim_start_matches("SELECT INTERVAL '").trim_end_matches('\'').to_string(),
            Ok(_) => panic!("not a query"),
            Err(e) => format!("{} {:?}", e.code(), e.fields().position),
        }
    }

    #[test]
    fn literals_are_read_as_postgresql_reads_them() {
        for (literal, parts) in [
            ("'1 year 2 months 3 days 04:05:06.789'", "14 months 3 days 14706789000 microseconds"),
            ("'-1-2 +3 -4:05:06'", "-14 months 3 days -14706000000 microseconds"),
            ("'P1DT1S'", "1 days 1000000 microseconds"),
            ("'0'", "0 days"),
            ("'10' MINUTE", "600000000 microseconds"),
            ("'5' YEAR", "60 months"),
            ("'-2' DAYS", "-2 days"),
            ("'1.5' HOUR", "3600000000 microseconds"),
            ("'1 2:03' DAY TO MINUTE", "1 days 7380000000 microseconds"),
            ("'1 2:03:04' DAY TO HOUR", "1 days 7200000000 microseconds"),
            ("'1  2' DAY TO HOUR", "1 days 7200000000 microseconds"),
            ("'-1 2' DAY TO HOUR", "-1 days 7200000000 microseconds"),
            ("'3:04' MINUTE TO SECOND", "184000000 microseconds"),
            ("'3:04' HOUR TO MINUTE", "11040000000 microseconds"),
            ("'1-2' YEAR TO MONTH", "14 months"),
            ("'1.234567' SECOND(2)", "1230000 microseconds"),
            ("'1 fortnight'", "22007 Some(17)"),
        ] {
            assert_eq!(read(literal), parts, "{literal}");
        }
    }
}
