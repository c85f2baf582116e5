//! Text as values: how strings are read by CAST and by the coercion of literals.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::func::ksql::pattern::calendar::{DAY_MS, day_of_civil, month_days};
use crate::func::ksql::pattern::zone::Zone;
use crate::func::ksql::pattern::{Parts, Pattern};

/// Base64 that does without padding, as Java's does.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// The text without blanks and control characters around it, as Java's trim gives it.
pub fn java_trim(text: &str) -> &str {
    text.trim_matches(|c: char| c <= ' ')
}

/// True for `true`, `yes` and what they begin with, false for `false`, `no` and what they begin with, whatever the case.
pub fn read_boolean(text: &str) -> Option<bool> {
    let begins = |word: &str| !text.is_empty() && word.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text));
    match (begins("true") || begins("yes"), begins("false") || begins("no")) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

/// A double as Java reads it, but neither NaN nor infinite.
pub fn read_double(text: &str) -> Option<f64> {
    let digits = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    // Rust reads words such as `inf`, which Java does not.
    if !digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E')) {
        return None;
    }
    digits.parse().ok().filter(|x: &f64| x.is_finite())
}

/// Bytes from base64.
pub fn read_bytes(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

fn digits(text: &str, count: usize) -> Option<i64> {
    (text.len() == count && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

/// A date with its month and day, if they are left out, being the first.
fn complete_date(text: &str) -> String {
    match text.trim_end_matches('-').split('-').count() {
        1 => format!("{text}-01-01"),
        2 => format!("{text}-01"),
        _ => text.to_string(),
    }
}

/// Days since 1970-01-01 of an ISO date, which may stop after the year or the month. Days that no month has are refused.
pub fn read_date(text: &str) -> Option<i64> {
    let full = complete_date(text);
    let (sign, rest) = match full.strip_prefix(['+', '-']) {
        Some(rest) if full.starts_with('-') => (-1, rest),
        Some(rest) => (1, rest),
        None => (1, full.as_str()),
    };
    let mut parts = rest.split('-');
    let (year, month, day) = (parts.next()?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    // Years of more than four digits need a plus, and only those may have one.
    if parts.next().is_some() || year.len() < 4 || year.len() > 9 || full.starts_with('+') != (year.len() > 4 && sign > 0) {
        return None;
    }
    let year = sign * digits(year, year.len())?;
    ((1..=12).contains(&month) && (1..=month_days(year, month)).contains(&day)).then(|| day_of_civil(year, month, day))
}

/// Milliseconds since midnight of `HH:mm[:ss[.fraction]]`.
pub fn read_time(text: &str) -> Option<i64> {
    let (clock, fraction) = match text.split_once('.') {
        Some((clock, fraction)) if clock.len() == 8 => (clock, fraction),
        Some(_) => return None,
        None => (text, ""),
    };
    let mut parts = clock.split(':');
    let (hour, minute) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let second = parts.next().map_or(Some(0), |s| digits(s, 2))?;
    if parts.next().is_some()
        || hour > 23
        || minute > 59
        || second > 59
        || fraction.len() > 9
        || digits(fraction, fraction.len()).is_none() && !fraction.is_empty()
    {
        return None;
    }
    let millis: i64 = format!("{:0<3}", fraction.get(..fraction.len().min(3))?).parse().ok()?;
    Some((hour * 3_600 + minute * 60 + second) * 1_000 + millis)
}

/// Milliseconds since 1970-01-01 UTC of `yyyy-MM-dd'T'HH:mm:ss.SSS` with an optional zone offset behind it. The date may stop after
/// the year or the month if no time follows, the time anywhere.
pub fn read_timestamp(text: &str) -> Option<i64> {
    const CLOCK: &str = "00:00:00.000";
    let Some((date, time)) = text.split_once('T') else {
        return read_local(&complete_date(text), CLOCK, &Zone::utc());
    };
    let (clock, zone) = match time.find('+').or_else(|| time.find('-')) {
        Some(at) => (time.get(..at)?, Zone::parse(time.get(at..)?).ok()?),
        None => (time.strip_suffix('Z').unwrap_or(time), Zone::utc()),
    };
    read_local(date, &format!("{clock}{}", CLOCK.get(clock.len()..).unwrap_or("")), &zone)
}

fn read_local(date: &str, time: &str, zone: &Zone) -> Option<i64> {
    let pattern = Pattern::compile("yyyy-MM-dd'T'HH:mm:ss.SSS").ok()?;
    pattern.parse(&format!("{date}T{time}")).ok()?.instant(zone).ok()
}

/// The parts of an instant in a zone, for a pattern to show.
pub fn local_parts(ms: i64, zone: &Zone) -> Parts {
    let offset = zone.offset_at(ms);
    let local = ms.saturating_add(i64::from(offset) * 1_000);
    let (day, of_day) = (local.div_euclid(DAY_MS), local.rem_euclid(DAY_MS));
    Parts { day: Some(day), nano: Some(of_day * 1_000_000), zone: Some((zone.clone(), offset)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_may_be_partial() {
        for (text, expected) in [
            ("2018", Some(1_514_764_800_000)),
            ("2018-01", Some(1_514_764_800_000)),
            ("2018-01-01T00:00:00.001", Some(1_514_764_800_001)),
            ("2019-03-17T10:00:00", Some(1_552_816_800_000)),
            ("2019-03-17T03:00-0700", Some(1_552_816_800_000)),
            ("2019-01-01T00:00:00+0445", Some(1_546_283_700_000)),
            ("2022-04-28T21:44:47.943Z", Some(1_651_182_287_943)),
            ("2020-02-31", Some(1_582_934_400_000)),
            ("2020-13-01", None),
            ("2020T10", None),
            ("2019-03-17 03:00", None),
            ("abc", None),
            ("", None),
        ] {
            assert_eq!(read_timestamp(text), expected, "{text}");
        }
        for (text, expected) in
            [("10:00:00", Some(36_000_000)), ("10:00", Some(36_000_000)), ("10:00:00.001", Some(36_000_001)), ("10", None), ("24:00", None)]
        {
            assert_eq!(read_time(text), expected, "{text}");
        }
        for (text, expected) in
            [("1990", Some(7_305)), ("1990-01", Some(7_305)), ("2021-02-29", None), ("12345-01-01", None), ("foo", None)]
        {
            assert_eq!(read_date(text), expected, "{text}");
        }
    }
}
