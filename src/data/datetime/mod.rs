//! Dates, times, timestamps and intervals between their numbers and PostgreSQL's text.
//!
//! The numbers are Arrow's: days and microseconds since 1970-01-01, in the proleptic Gregorian calendar, years counted
//! astronomically (1 BC is year 0). [`mod@format`] writes DateStyle ISO and IntervalStyle postgres, [`styled`] all others of [`style`];
//! [`parse`] and [`interval`] read what PostgreSQL reads (manual, appendix B "Date/Time Support"), [`zone`] knows time zones.
//! `infinity` and `-infinity` are the ends of the numbers' range, which no other date or time takes: so they compare as they should, and
//! whatever computes with times asks [`is_infinite`] first.

mod abbreviations;
pub mod format;
pub mod interval;
pub mod parse;
pub mod style;
pub mod styled;
pub mod zone;

pub use format::{put_date, put_interval, put_iso_interval, put_time, put_timestamp, put_timestamptz};
pub use interval::parse_interval;
pub use parse::{parse_date, parse_time, parse_timestamp, parse_timestamptz};
pub use style::{DateOrder, DateStyle, IntervalStyle, Reading};
pub use styled::{put_date_as, put_interval_as, put_timestamp_as, put_timestamptz_as};
pub use zone::{Zone, parse_offset, posix_name};

use crate::error::{Error, code};

/// Microseconds in a second.
pub const US_PER_SECOND: i64 = 1_000_000;
/// Microseconds in a day.
pub const US_PER_DAY: i64 = 86_400 * US_PER_SECOND;
/// Days from 1970-01-01 to PostgreSQL's epoch, 2000-01-01.
pub const PG_EPOCH_DAYS: i32 = 10_957;
/// Microseconds from 1970-01-01 to PostgreSQL's epoch.
pub const PG_EPOCH_US: i64 = PG_EPOCH_DAYS as i64 * US_PER_DAY;

/// True for infinity and -infinity of a timestamp.
pub fn is_infinite(us: i64) -> bool {
    us == i64::MAX || us == i64::MIN
}

/// True for infinity and -infinity of a date.
pub fn is_infinite_date(days: i32) -> bool {
    days == i32::MAX || days == i32::MIN
}

/// Days since 1970-01-01 of a civil date; the month must be 1 to 12. The era method of Hinnant, "chrono-compatible low-level date algorithms".
pub fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * shifted + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The civil date (year, month, day) of a number of days since 1970-01-01.
pub fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted + 2) / 5 + 1) as u32;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Days in a month of a year; the month must be 1 to 12.
pub fn days_in_month(year: i64, month: u32) -> u32 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// 22007: the text is not in the syntax of the type.
pub(crate) fn malformed(ty: &str, text: &str) -> Error {
    Error::new(code::INVALID_DATETIME_FORMAT, format!("invalid input syntax for type {ty}: \"{text}\""))
}

/// 22008: a field, such as a day of the month, is outside its range.
pub(crate) fn field_out_of_range(text: &str) -> Error {
    Error::new(code::DATETIME_FIELD_OVERFLOW, format!("date/time field value out of range: \"{text}\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_date_survives_the_calendar(days in -3_000_000i64..3_000_000) {
            let (y, m, d) = civil_from_days(days);
            prop_assert!((1..=12).contains(&m) && (1..=days_in_month(y, m)).contains(&d));
            prop_assert_eq!(days_from_civil(y, m, d), days);
        }
    }
}
