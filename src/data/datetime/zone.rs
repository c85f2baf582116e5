//! Time zones: fixed offsets and the names of the IANA database.
//!
//! An offset in the name of a zone is POSIX's, as in PostgreSQL (manual, chapter B.5): it counts to the west of UTC, where an offset in a
//! time's text, and a bare number of hours in SET, count to the east. `<+03>-03` is three hours east, by the name +03.

use std::str::FromStr;

use arrow::array::timezone::Tz;
use chrono::{DateTime, NaiveDateTime, Offset, TimeZone};
use chrono_tz::OffsetName;

use super::{US_PER_SECOND, abbreviations};
use crate::error::{Error, Result, code};

/// Hours from UTC that are too many: a week's.
const OFFSET_HOURS_END: i32 = 168;

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

    /// Reads what `SET timezone` takes: `UTC`, `Europe/Berlin`, hours to the east such as `5` and `-3.5`, and POSIX's names such as
    /// `<-07>+07` and `-3:30`. Errors: 22023.
    pub fn parse(name: &str) -> Result<Zone> {
        let name = name.trim();
        match hours(name)? {
            Some(seconds) => Ok(Zone::fixed(seconds)),
            None => Zone::by_name(name).ok_or_else(|| unknown(name)),
        }
    }

    /// What SHOW tells of a zone that is set. Errors: 22023.
    pub fn canonical(name: &str) -> Result<String> {
        let name = name.trim();
        if let Some(seconds) = hours(name)? {
            return Ok(posix_name(seconds));
        }
        Ok(match Zone::find(name) {
            Some(Zone::Named(tz)) => tz.to_string(),
            Some(_) if name.len() <= 3 => name.to_ascii_uppercase(),
            Some(_) => title_case(name).replace("Utc", "UTC"),
            None => posix_offset(name).map(|_| name.to_ascii_uppercase()).ok_or_else(|| unknown(name))?,
        })
    }

    /// A name of this zone that is read everywhere as it is here: its own, `name`, unless it is an offset.
    pub fn spelled(&self, name: &str) -> String {
        match self {
            Zone::Fixed(seconds) => posix_name(*seconds),
            _ => name.to_string(),
        }
    }

    /// Reads what AT TIME ZONE may name: an abbreviation such as PST, a zone of the database, or one of POSIX's names. Errors: 22023.
    pub fn named(name: &str) -> Result<Zone> {
        let trimmed = name.trim();
        Zone::abbreviated(trimmed).or_else(|| Zone::by_name(trimmed)).ok_or_else(|| unknown(name))
    }

    fn by_name(name: &str) -> Option<Zone> {
        Zone::find(name).or_else(|| posix_offset(name).map(Zone::fixed))
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

    /// What a clock of this zone shows at an instant, both in microseconds. `None` on overflow.
    pub fn local(&self, utc_us: i64) -> Option<i64> {
        utc_us.checked_add(i64::from(self.offset_at(utc_us)) * US_PER_SECOND)
    }

    /// What the zone is called at an instant, such as CEST; its offset, such as -03, where that has no name.
    pub fn abbreviation(&self, utc_us: i64) -> String {
        let name = match self {
            Zone::Utc => Some("UTC".to_string()),
            Zone::Fixed(seconds) => Some(clock_offset(*seconds)),
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

fn unknown(name: &str) -> Error {
    Error::new(code::INVALID_PARAMETER_VALUE, format!("invalid value for parameter \"TimeZone\": \"{name}\""))
        .hint("Write a name such as Europe/Berlin, or a number of hours east of UTC.")
}

/// A bare number of hours east of UTC, in seconds; `None` for what is no number. Errors: 22023.
fn hours(text: &str) -> Result<Option<i32>> {
    let Some(hours) = text.parse::<f64>().ok().filter(|hours| hours.is_finite()) else { return Ok(None) };
    if hours.abs() >= f64::from(OFFSET_HOURS_END) {
        return Err(unknown(text).detail("UTC timezone offset is out of range."));
    }
    Ok(Some((hours * 3600.0) as i32))
}

/// POSIX's name for a zone of so many seconds east of UTC: `<+05:30>-05:30`.
pub fn posix_name(seconds: i32) -> String {
    let name = clock_offset(seconds);
    let west = if seconds < 0 { '+' } else { '-' };
    format!("<{name}>{west}{}", &name[1..])
}

/// What a clock is ahead of UTC: `+02`, `-03:30`, `+01:00:01`.
fn clock_offset(seconds: i32) -> String {
    let (sign, ahead) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs());
    let (hours, minutes, rest) = (ahead / 3600, ahead / 60 % 60, ahead % 60);
    match (minutes, rest) {
        (0, 0) => format!("{sign}{hours:02}"),
        (_, 0) => format!("{sign}{hours:02}:{minutes:02}"),
        _ => format!("{sign}{hours:02}:{minutes:02}:{rest:02}"),
    }
}

/// The seconds east of UTC that one of POSIX's names stands for: `GMT+5`, `<+05>-05`, `-3:30`, whose offset counts to the west. `None` for
/// any other name, such as one with the rules of summer time.
fn posix_offset(name: &str) -> Option<i32> {
    let offset = match name.strip_prefix('<') {
        Some(quoted) => quoted.split_once('>')?.1,
        None => name.trim_start_matches(|c: char| c.is_ascii_alphabetic()),
    };
    let (ahead, number) = match offset.as_bytes().first()? {
        b'-' => (1, &offset[1..]),
        b'+' => (-1, &offset[1..]),
        _ => (-1, offset),
    };
    let mut seconds = 0;
    let mut parts = number.split(':');
    for (unit, end) in [(3600, OFFSET_HOURS_END), (60, 60), (1, 60)] {
        let Some(part) = parts.next() else { break };
        let digits = (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        seconds += unit * part.parse::<i32>().ok().filter(|n| digits && *n < end)?;
    }
    if parts.next().is_some() { None } else { Some(ahead * seconds) }
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
        assert_eq!(Zone::parse("5.5").unwrap().offset_at(0), 19_800);
        assert_eq!(Zone::parse("-7").unwrap().offset_at(0), -25_200);
        assert_eq!(Zone::named("-7").unwrap().offset_at(0), 25_200);
        assert_eq!(Zone::parse("europe/berlin").unwrap().offset_at(1_436_918_400_000_000), 7_200);
        for wrong in ["Nowhere/Land", "168", "ABC168", "PST", "CET-1CEST,M3.5.0,M10.5.0/3", "<+05-05", "GMT+5:60", "", "+"] {
            assert_eq!(Zone::parse(wrong).unwrap_err().code(), code::INVALID_PARAMETER_VALUE, "{wrong}");
        }
    }

    #[test]
    fn offsets_in_names_count_to_the_west() {
        for (name, seconds, shown) in [
            ("-3:30", 12_600, "-3:30"),
            ("+3:30", -12_600, "+3:30"),
            ("+02", 7_200, "<+02>-02"),
            ("-3.5", -12_600, "<-03:30>+03:30"),
            ("0", 0, "<+00>-00"),
            ("5.123", 18_442, "<+05:07:22>-05:07:22"),
            ("GMT+5", -18_000, "GMT+5"),
            ("utc-5:30", 19_800, "UTC-5:30"),
            ("<+05>-05", 18_000, "<+05>-05"),
            ("167", 601_200, "<+167>-167"),
            ("europe/berlin", 3_600, "Europe/Berlin"),
            ("utc", 0, "UTC"),
            ("etc/utc", 0, "Etc/UTC"),
            ("zulu", 0, "Zulu"),
        ] {
            let zone = Zone::parse(name).unwrap();
            assert_eq!((zone.offset_at(0), Zone::canonical(name).unwrap().as_str()), (seconds, shown), "{name}");
            assert_eq!(Zone::named(&zone.spelled(shown)).unwrap().offset_at(0), seconds, "{name}");
        }
    }

    #[test]
    fn a_zone_is_called_by_the_time_of_the_year() {
        let called = |zone: &str, us| Zone::parse(zone).unwrap().abbreviation(us);
        assert_eq!(called("Europe/Berlin", 1_436_918_400_000_000), "CEST");
        assert_eq!(called("Europe/Berlin", 0), "CET");
        assert_eq!(called("America/Sao_Paulo", 1_704_067_200_000_000), "-03");
        assert_eq!(called("5.5", 0), "+05:30");
    }

    #[test]
    fn gaps_and_repeated_hours_are_read_as_postgres_does() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        let local = |text: &str| super::super::parse_timestamp(text, &Default::default()).unwrap();
        assert_eq!(berlin.to_utc(local("2015-03-29 02:30:00")), Some(local("2015-03-29 01:30:00")));
        assert_eq!(berlin.to_utc(local("2015-10-25 02:30:00")), Some(local("2015-10-25 01:30:00")));
    }
}
