//! Time zones by the identifiers that Java's ZoneId.of takes: offsets, `UTC+1` and the like, regions.

use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::{OffsetName, Tz};

use super::calendar::{DAY_MS, DAY_NS};
use crate::error::{Error, Result, code};

/// The largest offset, in seconds.
const OFFSET_MAX: i64 = 18 * 3_600;

/// A time zone.
#[derive(Clone, Debug)]
pub enum Zone {
    /// A fixed offset in seconds, with its identifier.
    Fixed(i32, Arc<str>),
    /// A region of the time zone database.
    Region(Tz),
}

impl Zone {
    /// UTC, the zone of ksqlDB's servers where none is given.
    pub fn utc() -> Zone {
        Zone::Region(Tz::UTC)
    }

    /// A fixed offset.
    pub fn fixed(seconds: i32) -> Zone {
        Zone::Fixed(seconds, show_offset(seconds).into())
    }

    /// The zone of an identifier; the case counts.
    pub fn parse(id: &str) -> Result<Zone> {
        let unknown = || Error::new(code::INVALID_PARAMETER_VALUE, format!("time zone \"{id}\" not recognized"));
        if id == "Z" {
            return Ok(Zone::fixed(0));
        }
        if id.starts_with(['+', '-']) {
            return read_offset(id).map(Zone::fixed).ok_or_else(unknown);
        }
        for prefix in ["UTC", "GMT", "UT"] {
            let Some(rest) = id.strip_prefix(prefix) else { continue };
            if rest.starts_with(['+', '-']) {
                let offset = read_offset(rest).ok_or_else(unknown)?;
                let shown = if offset == 0 { prefix.to_string() } else { format!("{prefix}{}", show_offset(offset)) };
                return Ok(Zone::Fixed(offset, shown.into()));
            }
            if rest.is_empty() && prefix == "UT" {
                return Ok(Zone::Fixed(0, "UT".into()));
            }
        }
        Tz::from_str(id).map(Zone::Region).map_err(|_| unknown())
    }

    /// The identifier.
    pub fn id(&self) -> &str {
        match self {
            Zone::Fixed(_, id) => id,
            Zone::Region(tz) => tz.name(),
        }
    }

    /// The offset in seconds at an instant, in milliseconds since 1970.
    pub fn offset_at(&self, ms: i64) -> i32 {
        match self {
            Zone::Fixed(offset, _) => *offset,
            Zone::Region(tz) => tz.offset_from_utc_datetime(&instant(ms).naive_utc()).fix().local_minus_utc(),
        }
    }

    /// The abbreviation in use at an instant, for example PDT.
    pub fn abbreviation_at(&self, ms: i64) -> String {
        match self {
            Zone::Fixed(_, id) => id.to_string(),
            Zone::Region(tz) => {
                let offset = tz.offset_from_utc_datetime(&instant(ms).naive_utc());
                offset.abbreviation().map_or_else(|| show_offset(offset.fix().local_minus_utc()), str::to_string)
            }
        }
    }

    /// The instant, in milliseconds, of a local day and time. Of two the one with the preferred offset is taken, else the earlier;
    /// a time in a gap moves on by the gap.
    pub fn instant_of(&self, day: i64, nano: i64, prefer: Option<i32>) -> Result<i64> {
        let out_of_range = || Error::new(code::DATETIME_FIELD_OVERFLOW, "timestamp out of range");
        let local = day.checked_mul(DAY_MS).and_then(|ms| ms.checked_add(nano.rem_euclid(DAY_NS) / 1_000_000)).ok_or_else(out_of_range)?;
        // An offset is right if it is in use at the instant that it makes of the local time.
        let at = |offset: i32| local.saturating_sub(i64::from(offset) * 1_000);
        let right = |offset: &i32| self.offset_at(at(*offset)) == *offset;
        let before = self.offset_at(local.saturating_sub(DAY_MS));
        let after = self.offset_at(local.saturating_add(DAY_MS));
        let offset = prefer.filter(right).or_else(|| [before, after].into_iter().find(right)).unwrap_or(before);
        local.checked_sub(i64::from(offset) * 1_000).ok_or_else(out_of_range)
    }
}

/// An instant for the time zone database; beyond what chrono knows the zone's last rule holds.
fn instant(ms: i64) -> DateTime<chrono::Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or(if ms < 0 { DateTime::<chrono::Utc>::MIN_UTC } else { DateTime::<chrono::Utc>::MAX_UTC })
}

/// An offset as an identifier shows it: `Z`, `+01:00`, `-03:30:15`.
pub fn show_offset(seconds: i32) -> String {
    if seconds == 0 {
        return "Z".into();
    }
    let (sign, n) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs());
    let text = format!("{sign}{:02}:{:02}", n / 3_600, n / 60 % 60);
    if n % 60 == 0 { text } else { format!("{text}:{:02}", n % 60) }
}

/// An offset: `+h`, `+hh`, `+hhmm`, `+hh:mm`, `+hhmmss`, `+hh:mm:ss`.
fn read_offset(text: &str) -> Option<i32> {
    let (sign, rest) = (if text.starts_with('-') { -1 } else { 1 }, text.get(1..)?);
    let parts: Vec<&str> = match (rest.len(), rest.contains(':')) {
        (_, true) => rest.split(':').collect(),
        (1 | 2, _) => vec![rest],
        (4, _) => vec![rest.get(..2)?, rest.get(2..)?],
        (6, _) => vec![rest.get(..2)?, rest.get(2..4)?, rest.get(4..)?],
        _ => return None,
    };
    let lone = parts.len() == 1;
    if parts.len() > 3 || parts.iter().any(|p| !p.bytes().all(|b| b.is_ascii_digit()) || !(p.len() == 2 || lone && p.len() == 1)) {
        return None;
    }
    let numbers: Vec<i64> = parts.iter().filter_map(|p| p.parse().ok()).collect();
    offset_of(sign, numbers.first().copied()?, numbers.get(1).copied().unwrap_or(0), numbers.get(2).copied().unwrap_or(0))
}

/// The seconds of an offset, if it is one.
pub fn offset_of(sign: i64, hours: i64, minutes: i64, seconds: i64) -> Option<i32> {
    let total = hours * 3_600 + minutes * 60 + seconds;
    (minutes < 60 && seconds < 60 && total <= OFFSET_MAX).then(|| i32::try_from(sign * total).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_have_identifiers() {
        for (id, shown, offset) in [
            ("+0200", "+02:00", 7_200),
            ("+5", "+05:00", 18_000),
            ("-03:30:15", "-03:30:15", -12_615),
            ("Z", "Z", 0),
            ("UTC+01:00", "UTC+01:00", 3_600),
            ("GMT0", "GMT0", 0),
            ("America/Los_Angeles", "America/Los_Angeles", -25_200),
        ] {
            let zone = Zone::parse(id).expect("a zone");
            assert_eq!((zone.id(), zone.offset_at(1_589_234_313_000)), (shown, offset));
        }
        for wrong in ["", "+19:00", "+1:00", "+01:60", "Foo/Bar", "pst", "+", "+12345", "é"] {
            assert!(Zone::parse(wrong).is_err(), "{wrong}");
        }
    }
}
