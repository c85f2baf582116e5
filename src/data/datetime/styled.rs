//! Writing dates and times in the forms that DateStyle has besides ISO, and intervals in those of IntervalStyle.

use bytes::BufMut;

use super::format::{Line, put_infinity};
use super::style::{DateForm, DateOrder, DateStyle, IntervalStyle};
use super::{
    US_PER_DAY, US_PER_SECOND, Zone, civil_from_days, is_infinite, is_infinite_date, put_date, put_interval, put_iso_interval,
    put_timestamp, put_timestamptz,
};
use crate::data::text::put_integer;

const WEEKDAYS: [&[u8; 3]; 7] = [b"Sun", b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat"];
const MONTHS: [&[u8; 3]; 12] = [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
/// Letters of a time zone's abbreviation that are shown.
const ABBREVIATION_MAX: usize = 10;

/// A date in a style, from days since 1970-01-01.
pub fn put_date_as<B: BufMut>(days: i32, style: DateStyle, out: &mut B) {
    if style.form == DateForm::Iso || is_infinite_date(days) {
        return put_date(days, out);
    }
    let mut line = Line::new();
    let bc = put_day(&mut line, i64::from(days), style);
    line.end(bc, out);
}

/// A timestamp in a style, from microseconds since 1970-01-01.
pub fn put_timestamp_as<B: BufMut>(us: i64, style: DateStyle, out: &mut B) {
    if style.form == DateForm::Iso {
        return put_timestamp(us, out);
    }
    if is_infinite(us) {
        return put_infinity(us > 0, out);
    }
    let (line, bc) = moment(us.into(), style);
    line.end(bc, out);
}

/// A timestamptz in a style, from microseconds since 1970-01-01 UTC: with the name of the zone behind it.
pub fn put_timestamptz_as<B: BufMut>(us: i64, zone: &Zone, style: DateStyle, out: &mut B) {
    if style.form == DateForm::Iso {
        return put_timestamptz(us, zone, out);
    }
    if is_infinite(us) {
        return put_infinity(us > 0, out);
    }
    let (mut line, bc) = moment(i128::from(us) + i128::from(zone.offset_at(us)) * i128::from(US_PER_SECOND), style);
    line.push(b' ');
    zone.abbreviation(us).bytes().take(ABBREVIATION_MAX).for_each(|b| line.push(b));
    line.end(bc, out);
}

/// An interval in a style.
pub fn put_interval_as<B: BufMut>(months: i32, days: i32, ns: i64, style: IntervalStyle, out: &mut B) {
    match style {
        IntervalStyle::Postgres => put_interval(months, days, ns, out),
        IntervalStyle::Iso8601 => put_iso_interval(months, days, ns, out),
        IntervalStyle::PostgresVerbose => put_verbose(months, days, ns / 1000, out),
        IntervalStyle::SqlStandard => put_standard(months, days, ns / 1000, out),
    }
}

/// The day in numbers. True if it is BC.
fn put_day(line: &mut Line, days: i64, style: DateStyle) -> bool {
    let (year, month, day) = civil_from_days(days);
    let between = match style.form {
        DateForm::German => b'.',
        DateForm::Postgres => b'-',
        DateForm::Sql | DateForm::Iso => b'/',
    };
    let day_first = style.form == DateForm::German || style.order == DateOrder::Dmy;
    let (first, second) = if day_first { (day, month) } else { (month, day) };
    line.two(first);
    line.push(between);
    line.two(second);
    line.push(between);
    line.year(of_era(year));
    year <= 0
}

fn of_era(year: i64) -> u64 {
    (if year <= 0 { 1 - year } else { year }) as u64
}

/// The line of what a clock shows at a local time, and whether it is BC.
fn moment(local: i128, style: DateStyle) -> (Line, bool) {
    let (days, us) = (local.div_euclid(i128::from(US_PER_DAY)) as i64, local.rem_euclid(i128::from(US_PER_DAY)) as i64);
    let mut line = Line::new();
    if style.form != DateForm::Postgres {
        let bc = put_day(&mut line, days, style);
        line.push(b' ');
        line.time(us);
        return (line, bc);
    }
    let (year, month, day) = civil_from_days(days);
    line.word(WEEKDAYS[(days + 4).rem_euclid(7) as usize]);
    line.push(b' ');
    let name = MONTHS[month as usize - 1];
    if style.order == DateOrder::Dmy {
        line.two(day);
        line.push(b' ');
        line.word(name);
    } else {
        line.word(name);
        line.push(b' ');
        line.two(day);
    }
    line.push(b' ');
    line.time(us);
    line.push(b' ');
    line.year(of_era(year));
    (line, year <= 0)
}

/// `@ 1 year 2 mons -3 days`: the first part tells by `ago` whether it is negative, and turns the signs of the others.
fn put_verbose<B: BufMut>(months: i32, days: i32, us: i64, out: &mut B) {
    out.put_u8(b'@');
    let seconds = us / US_PER_SECOND;
    let parts = [
        (i64::from(months / 12), "year"),
        (i64::from(months % 12), "mon"),
        (i64::from(days), "day"),
        (seconds / 3600, "hour"),
        (seconds / 60 % 60, "min"),
    ];
    let mut ago = None;
    for (value, unit) in parts.into_iter().filter(|(value, _)| *value != 0) {
        let is_ago = *ago.get_or_insert(value < 0);
        let value = if is_ago { -value } else { value };
        out.put_u8(b' ');
        put_integer(value, out);
        out.put_u8(b' ');
        out.put_slice(unit.as_bytes());
        if value != 1 {
            out.put_u8(b's');
        }
    }
    let rest = us % (60 * US_PER_SECOND);
    if rest != 0 {
        let is_ago = *ago.get_or_insert(rest < 0);
        out.put_u8(b' ');
        if (rest < 0) != is_ago {
            out.put_u8(b'-');
        }
        put_seconds(rest.unsigned_abs(), false, out);
        out.put_slice(if rest.unsigned_abs() == 1_000_000 { b" sec" } else { b" secs" });
    }
    out.put_slice(match ago {
        None => b" 0",
        Some(true) => b" ago",
        Some(false) => b"",
    });
}

/// `1-2`, `3 4:05:06` or, where both or several signs are needed, `+1-2 +3 +4:05:06`.
fn put_standard<B: BufMut>(months: i32, days: i32, us: i64, out: &mut B) {
    let (negative, positive) = (months < 0 || days < 0 || us < 0, months > 0 || days > 0 || us > 0);
    if !negative && !positive {
        return out.put_u8(b'0');
    }
    let plain = !(negative && positive) && (months == 0 || (days == 0 && us == 0));
    let sign = |value: i64, out: &mut B| {
        if !plain {
            out.put_u8(if value < 0 { b'-' } else { b'+' });
        }
    };
    if plain && negative {
        out.put_u8(b'-');
    }
    if months != 0 || !plain {
        sign(months.into(), out);
        put_integer(i64::from((months / 12).unsigned_abs()), out);
        out.put_u8(b'-');
        put_integer(i64::from((months % 12).unsigned_abs()), out);
        if plain {
            return;
        }
        out.put_u8(b' ');
    }
    if days != 0 || !plain {
        sign(days.into(), out);
        put_integer(i64::from(days).abs(), out);
        out.put_u8(b' ');
    }
    sign(us, out);
    let us = us.unsigned_abs();
    put_integer((us / 3_600_000_000) as i64, out);
    let mut line = Line::new();
    line.push(b':');
    line.two((us / 60_000_000 % 60) as u32);
    line.push(b':');
    line.end(false, out);
    put_seconds(us % 60_000_000, true, out);
}

/// Seconds below a minute, with two digits if `filled`, and their decimals.
fn put_seconds<B: BufMut>(us: u64, filled: bool, out: &mut B) {
    let mut line = Line::new();
    match us / 1_000_000 {
        few if few < 10 && !filled => line.push(b'0' + few as u8),
        seconds => line.two(seconds as u32),
    }
    line.fraction((us % 1_000_000) as u32);
    line.end(false, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(months: i32, days: i32, us: i64, style: IntervalStyle) -> String {
        let mut out = Vec::new();
        put_interval_as(months, days, us * 1000, style, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn intervals_are_written_in_the_styles_of_postgresql() {
        let (verbose, standard) = (IntervalStyle::PostgresVerbose, IntervalStyle::SqlStandard);
        assert_eq!(interval(14, 3, 14_706_700_000, verbose), "@ 1 year 2 mons 3 days 4 hours 5 mins 6.7 secs");
        assert_eq!(interval(-14, 3, -1_000_000, verbose), "@ 1 year 2 mons -3 days 1 sec ago");
        assert_eq!(interval(0, 0, 0, verbose), "@ 0");
        assert_eq!(interval(14, 0, 0, standard), "1-2");
        assert_eq!(interval(-14, 0, 0, standard), "-1-2");
        assert_eq!(interval(0, -1, -7_384_000_000, standard), "-1 2:03:04");
        assert_eq!(interval(14, 0, -7_384_000_000, standard), "+1-2 +0 -2:03:04");
        assert_eq!(interval(0, 0, 0, standard), "0");
    }

    #[test]
    fn timestamps_are_written_in_the_styles_of_postgresql() {
        let shown = |style: &str| {
            let mut out = Vec::new();
            put_timestamptz_as(1_706_781_600_500_000, &Zone::Utc, DateStyle::of(style), &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(shown("SQL, DMY"), "01/02/2024 10:00:00.5 UTC");
        assert_eq!(shown("SQL, YMD"), "02/01/2024 10:00:00.5 UTC");
        assert_eq!(shown("German"), "01.02.2024 10:00:00.5 UTC");
        assert_eq!(shown("Postgres, MDY"), "Thu Feb 01 10:00:00.5 2024 UTC");
        assert_eq!(shown("Postgres, DMY"), "Thu 01 Feb 10:00:00.5 2024 UTC");
    }
}
