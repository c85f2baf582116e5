//! Writing dates and times as PostgreSQL does under DateStyle ISO and IntervalStyle postgres.

use bytes::BufMut;

use super::{US_PER_DAY, US_PER_SECOND, Zone, civil_from_days, is_infinite, is_infinite_date};
use crate::data::text::put_integer;

/// A line that is put together on the stack; the longest, a timestamptz BC with its weekday, is far shorter than the room.
pub(super) struct Line {
    bytes: [u8; 64],
    len: usize,
}

impl Line {
    pub(super) fn new() -> Self {
        Line { bytes: [0; 64], len: 0 }
    }
    pub(super) fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }
    pub(super) fn word(&mut self, word: &[u8]) {
        word.iter().for_each(|b| self.push(*b));
    }
    pub(super) fn two(&mut self, n: u32) {
        self.push(b'0' + (n / 10) as u8);
        self.push(b'0' + (n % 10) as u8);
    }
    /// A year of at least four digits.
    pub(super) fn year(&mut self, year: u64) {
        if year < 10_000 {
            self.two((year / 100) as u32);
            return self.two((year % 100) as u32);
        }
        let mut digits = [0u8; 20];
        let mut at = digits.len();
        let mut rest = year;
        while rest > 0 {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        for d in &digits[at..] {
            self.push(*d);
        }
    }
    fn date(&mut self, days: i64) -> bool {
        let (year, month, day) = civil_from_days(days);
        let bc = year <= 0;
        self.year(if bc { (1 - year) as u64 } else { year as u64 });
        self.push(b'-');
        self.two(month);
        self.push(b'-');
        self.two(day);
        bc
    }
    pub(super) fn time(&mut self, us: i64) {
        let seconds = us / US_PER_SECOND;
        self.two((seconds / 3600) as u32);
        self.push(b':');
        self.two((seconds / 60 % 60) as u32);
        self.push(b':');
        self.two((seconds % 60) as u32);
        self.fraction((us % US_PER_SECOND) as u32);
    }
    /// Up to six decimals without trailing zeros, nothing for zero.
    pub(super) fn fraction(&mut self, mut us: u32) {
        if us == 0 {
            return;
        }
        self.push(b'.');
        let mut unit = 100_000;
        while us > 0 {
            self.push(b'0' + (us / unit) as u8);
            us %= unit;
            unit /= 10;
        }
    }
    fn offset(&mut self, seconds: i32) {
        self.push(if seconds < 0 { b'-' } else { b'+' });
        let seconds = seconds.unsigned_abs();
        // There are zones of more than 99 hours: POSIX's names take 167.
        let hours = seconds / 3600;
        if hours >= 100 {
            self.push(b'0' + (hours / 100) as u8);
        }
        self.two(hours % 100);
        let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
        if minutes > 0 || rest > 0 {
            self.push(b':');
            self.two(minutes);
        }
        if rest > 0 {
            self.push(b':');
            self.two(rest);
        }
    }
    pub(super) fn end<B: BufMut>(self, bc: bool, out: &mut B) {
        out.put_slice(&self.bytes[..self.len]);
        if bc {
            out.put_slice(b" BC");
        }
    }
}

pub(super) fn put_infinity<B: BufMut>(positive: bool, out: &mut B) {
    out.put_slice(if positive { b"infinity" } else { b"-infinity" });
}

/// `2013-01-05`, from days since 1970-01-01.
pub fn put_date<B: BufMut>(days: i32, out: &mut B) {
    if is_infinite_date(days) {
        return put_infinity(days > 0, out);
    }
    let mut line = Line::new();
    let bc = line.date(i64::from(days));
    line.end(bc, out);
}

/// `04:05:06.789`, from microseconds since midnight.
pub fn put_time<B: BufMut>(us: i64, out: &mut B) {
    let mut line = Line::new();
    line.time(us.clamp(0, US_PER_DAY));
    line.end(false, out);
}

/// `2013-01-05 04:05:06.789`, from microseconds since 1970-01-01.
pub fn put_timestamp<B: BufMut>(us: i64, out: &mut B) {
    if is_infinite(us) {
        return put_infinity(us > 0, out);
    }
    let mut line = Line::new();
    let bc = line.date(us.div_euclid(US_PER_DAY));
    line.push(b' ');
    line.time(us.rem_euclid(US_PER_DAY));
    line.end(bc, out);
}

/// `2013-01-05 04:05:06.789+00`, from microseconds since 1970-01-01 UTC.
pub fn put_timestamptz<B: BufMut>(us: i64, zone: &Zone, out: &mut B) {
    if is_infinite(us) {
        return put_infinity(us > 0, out);
    }
    let offset = zone.offset_at(us);
    let local = i128::from(us) + i128::from(offset) * i128::from(US_PER_SECOND);
    let mut line = Line::new();
    let bc = line.date(local.div_euclid(i128::from(US_PER_DAY)) as i64);
    line.push(b' ');
    line.time(local.rem_euclid(i128::from(US_PER_DAY)) as i64);
    line.offset(offset);
    line.end(bc, out);
}

/// `1 year 2 mons 3 days 04:05:06.789`. After a negative part a positive one bears a plus sign, as PostgreSQL writes it.
pub fn put_interval<B: BufMut>(months: i32, days: i32, ns: i64, out: &mut B) {
    let us = ns / 1000;
    let mut empty = true;
    let mut negative = false;
    for (value, unit) in [(months / 12, " year"), (months % 12, " mon"), (days, " day")] {
        if value == 0 {
            continue;
        }
        if !empty {
            out.put_u8(b' ');
        }
        if negative && value > 0 {
            out.put_u8(b'+');
        }
        put_integer(i64::from(value), out);
        out.put_slice(unit.as_bytes());
        if value != 1 {
            out.put_u8(b's');
        }
        empty = false;
        negative = value < 0;
    }
    if us == 0 && !empty {
        return;
    }
    if !empty {
        out.put_u8(b' ');
    }
    if us < 0 || negative {
        out.put_u8(if us < 0 { b'-' } else { b'+' });
    }
    let us = us.unsigned_abs();
    let seconds = us / 1_000_000;
    let hours = seconds / 3600;
    if hours < 10 {
        out.put_u8(b'0');
    }
    put_integer(hours as i64, out);
    let mut line = Line::new();
    line.push(b':');
    line.two((seconds / 60 % 60) as u32);
    line.push(b':');
    line.two((seconds % 60) as u32);
    line.fraction((us % 1_000_000) as u32);
    line.end(false, out);
}
/// Appends an interval as ISO 8601 writes it, as under IntervalStyle iso_8601.
pub fn put_iso_interval<B: BufMut>(months: i32, days: i32, ns: i64, out: &mut B) {
    let us = ns / 1000;
    if months == 0 && days == 0 && us == 0 {
        out.put_slice(b"PT0S");
        return;
    }
    out.put_u8(b'P');
    put_part(i64::from(months / 12), b'Y', out);
    put_part(i64::from(months % 12), b'M', out);
    put_part(i64::from(days), b'D', out);
    if us == 0 {
        return;
    }
    out.put_u8(b'T');
    let seconds = us / US_PER_SECOND;
    put_part(seconds / 3600, b'H', out);
    put_part(seconds / 60 % 60, b'M', out);
    let rest = us % (60 * US_PER_SECOND);
    if rest == 0 {
        return;
    }
    if rest < 0 {
        out.put_u8(b'-');
    }
    let rest = rest.unsigned_abs();
    put_integer((rest / 1_000_000) as i64, out);
    let fraction = format!("{:06}", rest % 1_000_000);
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        out.put_u8(b'.');
        out.put_slice(fraction.as_bytes());
    }
    out.put_u8(b'S');
}

fn put_part<B: BufMut>(value: i64, unit: u8, out: &mut B) {
    if value != 0 {
        put_integer(value, out);
        out.put_u8(unit);
    }
}
