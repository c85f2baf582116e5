//! How a session has dates, times and intervals shown and read: DateStyle and IntervalStyle (manual, 8.5.2 and 8.5.5).

use std::fmt;

use arrow::datatypes::IntervalMonthDayNano;

use super::{Zone, parse_date, parse_timestamp, parse_timestamptz};
use crate::error::Result;

/// How dates and timestamps are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DateForm {
    /// `2024-02-01`
    #[default]
    Iso,
    /// `02/01/2024`
    Sql,
    /// `01.02.2024`
    German,
    /// `02-01-2024`, and `Thu Feb 01 10:00:00 2024`
    Postgres,
}

/// In what order the parts of a date of numbers are read, and some forms write them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DateOrder {
    #[default]
    Mdy,
    Dmy,
    Ymd,
}

/// The setting DateStyle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DateStyle {
    pub form: DateForm,
    pub order: DateOrder,
}

/// The setting IntervalStyle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IntervalStyle {
    /// `1 year 2 mons 3 days 04:05:06`
    #[default]
    Postgres,
    /// `@ 1 year 2 mons 3 days 4 hours 5 mins 6 secs`
    PostgresVerbose,
    /// `+1-2 +3 +4:05:06`
    SqlStandard,
    /// `P1Y2M3DT4H5M6S`
    Iso8601,
}

/// What the text of a date, a time or an interval leaves to the session to say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading {
    /// The time zone of a timestamptz that names none.
    pub zone: Zone,
    pub order: DateOrder,
    /// In an interval a sign before all parts is one of all of them.
    pub leading_sign: bool,
    /// What `'now'` tells, in microseconds since 1970 UTC; `None` where nobody knows, as in a definition.
    pub now: Option<i64>,
}

impl DateStyle {
    /// The style that words apart by commas ask for; what they leave open is as in `before`, and as in `default` for the word DEFAULT.
    /// Errors: what is wrong with them.
    pub fn read(text: &str, before: DateStyle, default: DateStyle) -> std::result::Result<DateStyle, String> {
        let (mut form, mut order) = (None, None);
        // The order that German and DEFAULT bring along gives way to one that is written.
        let mut implied = None;
        if text.trim().is_empty() {
            return Ok(before);
        }
        for word in text.split(',').map(|word| word.trim().trim_matches('"').to_lowercase()) {
            let (new_form, new_order) = match word.as_str() {
                "iso" => (Some(DateForm::Iso), None),
                "sql" => (Some(DateForm::Sql), None),
                "german" => (Some(DateForm::German), None),
                "ymd" => (None, Some(DateOrder::Ymd)),
                "us" | "mdy" => (None, Some(DateOrder::Mdy)),
                "dmy" => (None, Some(DateOrder::Dmy)),
                "default" => {
                    form = form.or(Some(default.form));
                    implied = implied.or(Some(default.order));
                    continue;
                }
                _ if word.starts_with("postgres") => (Some(DateForm::Postgres), None),
                _ if word.starts_with("euro") => (None, Some(DateOrder::Dmy)),
                _ if word.starts_with("noneuro") => (None, Some(DateOrder::Mdy)),
                "" => return Err("List syntax is invalid.".into()),
                _ => return Err(format!("Unrecognized key word: \"{word}\".")),
            };
            let conflict = form.zip(new_form).is_some_and(|(a, b)| a != b) || order.zip(new_order).is_some_and(|(a, b)| a != b);
            if conflict {
                return Err("Conflicting \"datestyle\" specifications.".into());
            }
            if new_form == Some(DateForm::German) {
                implied = Some(DateOrder::Dmy);
            }
            (form, order) = (new_form.or(form), new_order.or(order));
        }
        Ok(DateStyle { form: form.unwrap_or(before.form), order: order.or(implied).unwrap_or(before.order) })
    }

    /// The style that [`fmt::Display`] has written; the default for anything else.
    pub fn of(shown: &str) -> DateStyle {
        // Every statement asks, and few sessions have another.
        if shown == "ISO, MDY" {
            return DateStyle::default();
        }
        DateStyle::read(shown, DateStyle::default(), DateStyle::default()).unwrap_or_default()
    }
}

impl fmt::Display for DateStyle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = match self.form {
            DateForm::Iso => "ISO",
            DateForm::Sql => "SQL",
            DateForm::German => "German",
            DateForm::Postgres => "Postgres",
        };
        let order = match self.order {
            DateOrder::Mdy => "MDY",
            DateOrder::Dmy => "DMY",
            DateOrder::Ymd => "YMD",
        };
        write!(f, "{form}, {order}")
    }
}

impl IntervalStyle {
    /// The style of that name, in lower case.
    pub fn of(name: &str) -> IntervalStyle {
        match name {
            "postgres_verbose" => IntervalStyle::PostgresVerbose,
            "sql_standard" => IntervalStyle::SqlStandard,
            "iso_8601" => IntervalStyle::Iso8601,
            _ => IntervalStyle::Postgres,
        }
    }

    /// Its name, as SET has it.
    pub fn name(self) -> &'static str {
        match self {
            IntervalStyle::Postgres => "postgres",
            IntervalStyle::PostgresVerbose => "postgres_verbose",
            IntervalStyle::SqlStandard => "sql_standard",
            IntervalStyle::Iso8601 => "iso_8601",
        }
    }
}

impl From<Zone> for Reading {
    fn from(zone: Zone) -> Reading {
        Reading { zone, ..Reading::default() }
    }
}

/// True if a text is another date, or another timestamp, to a session that reads the parts in another order.
pub fn depends_on_order(text: &str) -> bool {
    let orders = [DateOrder::Mdy, DateOrder::Dmy, DateOrder::Ymd];
    let alike = |read: &dyn Fn(DateOrder) -> Option<i64>| {
        let [first, second, third] = orders.map(read);
        first == second && second == third
    };
    let reading = |order| Reading { order, ..Reading::default() };
    let date = |order| parse_date(text, &reading(order)).ok().map(i64::from);
    let timestamp = |order| parse_timestamp(text, &reading(order)).ok();
    !alike(&date) || !alike(&timestamp)
}

/// True if a text is another moment to a session in another time zone.
pub fn depends_on_zone(text: &str) -> bool {
    let [here, there] = [Zone::Utc, Zone::Fixed(3_600)].map(|zone| parse_timestamptz(text, &zone.into()).ok());
    here != there
}

/// The text of an interval with the sign before it at each of its parts, where it bears no other: what the SQL standard takes it for.
/// `None` where it means the same anyway.
pub fn spread_sign(text: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    let first = words.next().filter(|word| word.starts_with('-'))?;
    let rest: Vec<&str> = words.collect();
    let is_number = |word: &str| word.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if rest.iter().any(|word| word.starts_with(['+', '-'])) || !rest.iter().any(|word| is_number(word)) {
        return None;
    }
    let signed = rest.iter().map(|word| if is_number(word) { format!(" -{word}") } else { format!(" {word}") });
    Some(first.to_string() + &signed.collect::<String>())
}

/// An interval's text as a session reads it. Errors: 22007, 22015.
pub fn read_interval(text: &str, leading_sign: bool) -> Result<IntervalMonthDayNano> {
    let usual = super::parse_interval(text)?;
    match leading_sign.then(|| spread_sign(text)).flatten() {
        Some(signed) => super::parse_interval(&signed),
        None => Ok(usual),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_datestyle_are_put_together() {
        let read = |text: &str| DateStyle::read(text, DateStyle::default(), DateStyle::default()).map(|style| style.to_string());
        for (text, shown) in [
            ("SQL, DMY", "SQL, DMY"),
            ("german", "German, DMY"),
            ("German, MDY", "German, MDY"),
            ("MDY, German", "German, MDY"),
            ("postgresql", "Postgres, MDY"),
            ("european", "ISO, DMY"),
            ("YMD", "ISO, YMD"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(shown), "{text}");
        }
        assert_eq!(read("ISO, SQL"), Err("Conflicting \"datestyle\" specifications.".to_string()));
        assert_eq!(read("nonsense"), Err("Unrecognized key word: \"nonsense\".".to_string()));
    }

    #[test]
    fn only_dates_of_short_numbers_depend_on_the_order() {
        assert!(["01/02/2024", "1.2.2024 10:00", "13-02-24", "05/05/2024 1:00"].iter().all(|text| depends_on_order(text)));
        assert!(["2024-01-02", "Jan 8 1999", "today", "x"].iter().all(|text| !depends_on_order(text)));
    }

    #[test]
    fn a_moment_without_an_offset_depends_on_the_zone() {
        assert!(["2024-01-02", "2024-01-02 10:00", "Jan 8 1999"].iter().all(|text| depends_on_zone(text)));
        assert!(
            ["2024-01-02 10:00+01", "2024-01-02 10:00:00Z", "epoch", "infinity", "10 days", "x"].iter().all(|text| !depends_on_zone(text))
        );
    }

    #[test]
    fn one_sign_is_that_of_all_parts_in_the_sql_standard() {
        assert_eq!(spread_sign("-1 2:03:04").as_deref(), Some("-1 -2:03:04"));
        assert_eq!(spread_sign("-1 day 2 hours").as_deref(), Some("-1 day -2 hours"));
        assert_eq!(spread_sign("-1 +2:03:04"), None);
    }
}
