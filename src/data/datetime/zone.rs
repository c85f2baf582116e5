//! Time zones: fixed offsets and the names of the IANA database.

use std::str::FromStr;

use arrow::array::timezone::Tz;
use chrono::{DateTime, NaiveDateTime, Offset, TimeZone};
use chrono_tz::OffsetName;

use super::{US_PER_SECOND, abbreviations};
use crate::error::{Error, Result, code};

/// Furthest offset from UTC that PostgreSQL takes, in seconds (MAX_TZDISP_HOUR is 15).
const OFFSET_SECONDS_MAX: i32 = 16 * 3600 - 1;

/// A time zone: UTC, a fixed offset east of it, or a named zone.
#[derive(Clone, Copy, Debug, Default)]
pub enum Zone {
    #[default]
    Utc,
    /// Seconds east of UTC.
    Fixed(i32),
    /// A zone of the IANA database.
    Named(Tz),
}

impl Zone {
    /// True for UTC itself, not for a zone that happens to agree with it.
    pub fn is_utc(&self) -> bool {
        matches!(self, Zone::Utc)
    }

    /// Reads what `SET timezone` takes: `UTC`, `Europe/Berlin`, `+02`, `-07:30`, `5`. Errors: 22023.
    pub fn parse(name: &str) -> Result<Zone> {
        let unknown = || Error::new(code::INVALID_PARAMETER_VALUE, format!("invalid value for parameter \"TimeZone\": \"{name}\""));
        let trimmed = name.trim();
        if let Some(zone) = Zone::find(trimmed) {
            return Ok(zone);
        }
        if let Some(seconds) = parse_offset(trimmed) {
            return Ok(Zone::fixed(seconds));
        }
        let hours: f64 = trimmed.parse().map_err(|_| unknown())?;
        if !hours.is_finite() || (hours * 3600.0).abs() > f64::from(OFFSET_SECONDS_MAX) {
            return Err(unknown().hint("Write a name such as Europe/Berlin, or an offset such as +02:00."));
        }
        Ok(Zone::fixed((hours * 3600.0) as i32))
    }

    /// Reads what a time in a text, and AT TIME ZONE, may name: an abbreviation such as PST, or what [`Zone::parse`] takes. Errors: 22023.
    pub fn named(name: &str) -> Result<Zone> {
        Zone::abbreviated(name.trim()).map_or_else(|| Zone::parse(name), Ok)
    }

    /// The zone of an abbreviation.
    pub fn abbreviated(name: &str) -> Option<Zone> {
        abbreviations::offset(name).map(Zone::fixed)
    }

    /// The zone of that many seconds east of UTC.
    pub fn fixed(seconds: i32) -> Zone {
        if seconds == 0 { Zone::Utc } else { Zone::Fixed(seconds) }
    }

    /// The zone of a name, in any spelling of upper and lower case; `None` if there is none.
    pub fn find(name: &str) -> Option<Zone> {
        let upper = name.to_ascii_uppercase();
        if matches!(upper.as_str(), "UTC" | "Z" | "ZULU" | "GMT" | "UT" | "ETC/UTC" | "UNIVERSAL") {
            return Some(Zone::Utc);
        }
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        let tries = [name.to_string(), title_case(name), upper];
        tries.iter().find_map(|t| Tz::from_str(t).ok()).map(Zone::Named)
    }

    /// Seconds east of UTC at an instant, given in microseconds since 1970 UTC.
    pub fn offset_at(&self, utc_us: i64) -> i32 {
        match self {
            Zone::Utc => 0,
            Zone::Fixed(seconds) => *seconds,
            Zone::Named(tz) => match naive(utc_us) {
                Some(at) => tz.offset_from_utc_datetime(&at).fix().local_minus_utc(),
                None => 0,
            },
        }
    }

    /// What the zone is called at an instant, such as CEST; its offset, such as -03, where that has no name.
    pub fn abbreviation(&self, utc_us: i64) -> String {
        let name = match self {
            Zone::Utc => Some("UTC".to_string()),
            Zone::Fixed(_) => None,
            Zone::Named(tz) => tz.to_string().parse::<chrono_tz::Tz>().ok().zip(naive(utc_us)).and_then(|(tz, at)| {
                let offset = tz.offset_from_utc_datetime(&at);
                offset.abbreviation().map(String::from)
            }),
        };
        name.unwrap_or_else(|| {
            let seconds = self.offset_at(utc_us);
            let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
            let behind = if minutes % 60 == 0 { String::new() } else { format!("{:02}", minutes % 60) };
            format!("{sign}{:02}{behind}", minutes / 60)
        })
    }

    /// The instant at which a clock of this zone shows `local_us`. As in PostgreSQL a time that occurs twice is the one of standard
    /// time, and one that is skipped is read with the offset before the gap. `None` on overflow.
    pub fn to_utc(&self, local_us: i64) -> Option<i64> {
        let seconds = match self {
            Zone::Utc => 0,
            Zone::Fixed(seconds) => *seconds,
            Zone::Named(_) => {
                let day = 86_400 * US_PER_SECOND;
                let (before, after) = (self.offset_at(local_us.saturating_sub(day)), self.offset_at(local_us.saturating_add(day)));
                let shown = |offset: i32| {
                    let utc = local_us.saturating_sub(i64::from(offset) * US_PER_SECOND);
                    self.offset_at(utc) == offset
                };
                match (shown(before), shown(after)) {
                    (true, true) => before.min(after),
                    (false, true) => after,
                    _ => before,
                }
            }
        };
        local_us.checked_sub(i64::from(seconds) * US_PER_SECOND)
    }
}

fn naive(utc_us: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_micros(utc_us).map(|t| t.naive_utc())
}

fn title_case(name: &str) -> String {
    let mut start = true;
    let letters = name.chars().map(|c| {
        let out = if start { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        start = !c.is_ascii_alphabetic();
        out
    });
    letters.collect()
}

/// Reads `+hh`, `-hh:mm`, `+hhmm`, `+hh:mm:ss` as seconds east of UTC; `None` if it is nothing of the kind.
pub fn parse_offset(text: &str) -> Option<i32> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let mut parts = rest.split(':');
    let first = parts.next()?;
    if first.is_empty() || first.len() > 6 || !first.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: i32 = first.parse().ok()?;
    let (mut hours, mut minutes, mut seconds) = match first.len() {
        1 | 2 => (number, 0, 0),
        3 | 4 => (number / 100, number % 100, 0),
        5 | 6 => (number / 10_000, number / 100 % 100, number % 100),
        _ => return None,
    };
    for (slot, part) in [&mut minutes, &mut seconds].into_iter().zip(&mut parts) {
        *slot = part.parse().ok().filter(|_| part.len() == 2 && first.len() <= 2)?;
    }
    if parts.next().is_some() || hours > 15 || minutes > 59 || seconds > 59 {
        return None;
    }
    hours *= 3600;
    Some(sign * (hours + minutes * 60 + seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_offsets_are_read() {
        assert_eq!(Zone::parse("+05:30").unwrap().offset_at(0), 19_800);
        assert_eq!(Zone::parse("-7").unwrap().offset_at(0), -25_200);
        assert_eq!(Zone::parse("europe/berlin").unwrap().offset_at(1_436_918_400_000_000), 7_200);
        assert_eq!(Zone::parse("Nowhere/Land").unwrap_err().code(), code::INVALID_PARAMETER_VALUE);
    }

    #[test]
    fn a_zone_is_called_by_the_time_of_the_year() {
        let called = |zone: &str, us| Zone::parse(zone).unwrap().abbreviation(us);
        assert_eq!(called("Europe/Berlin", 1_436_918_400_000_000), "CEST");
        assert_eq!(called("Europe/Berlin", 0), "CET");
        assert_eq!(called("America/Sao_Paulo", 1_704_067_200_000_000), "-03");
        assert_eq!(called("+05:30", 0), "+0530");
    }

    #[test]
    fn gaps_and_repeated_hours_are_read_as_postgres_does() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        let local = |text: &str| super::super::parse_timestamp(text).unwrap();
        assert_eq!(berlin.to_utc(local("2015-03-29 02:30:00")), Some(local("2015-03-29 01:30:00")));
        assert_eq!(berlin.to_utc(local("2015-10-25 02:30:00")), Some(local("2015-10-25 01:30:00")));
    }
}
