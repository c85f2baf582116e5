//! Reading dates, times and timestamps as PostgreSQL does (manual, appendix B.1 "Date/Time Input Interpretation").
//!
//! The fixed-width ISO form has a path of its own ([`fixed_timestamp`]) that allocates nothing; everything else is cut into words by [`Fields::read`].

use super::style::{DateOrder, Reading};
use super::zone::parse_offset;
use super::{US_PER_DAY, US_PER_SECOND, Zone, civil_from_days, days_from_civil, days_in_month, field_out_of_range, malformed};
use crate::error::{Error, Result, code};

const MONTHS: [&str; 12] =
    ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];
const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/// Days since 1970-01-01 of a date's text. Errors: 22007, 22008, 0A000 for `now` and its kin where nobody knows the time.
pub fn parse_date(text: &str, reading: &Reading) -> Result<i32> {
    if let Some(days) = fixed_date(text.as_bytes()) {
        return Ok(days as i32);
    }
    let fields = Fields::read("date", text, reading)?;
    if let Some(positive) = fields.infinite {
        return Ok(if positive { i32::MAX } else { i32::MIN });
    }
    let days = fields.days("date", text)?;
    // PostgreSQL's dates begin in 4714 BC and end in 5874897.
    let range = -2_440_588..=2_145_031_948;
    let out = || Error::new(code::DATETIME_FIELD_OVERFLOW, format!("date out of range: \"{text}\""));
    i32::try_from(days).ok().filter(|d| range.contains(d)).ok_or_else(out)
}

/// Microseconds since midnight of a time's text. Errors: those of [`parse_date`].
pub fn parse_time(text: &str, reading: &Reading) -> Result<i64> {
    let fields = Fields::read("time", text, reading)?;
    // A zone whose clocks are put forward has no offset without a date.
    let has_offset = !matches!(fields.zone, Some(Zone::Named(_))) || fields.date.is_some();
    fields.time.filter(|_| has_offset).ok_or_else(|| malformed("time", text))
}

/// Microseconds since 1970-01-01 of a timestamp's text; a time zone in it is ignored, as in PostgreSQL. Errors: those of [`parse_date`].
pub fn parse_timestamp(text: &str, reading: &Reading) -> Result<i64> {
    if let Some(us) = fixed_timestamp(text.as_bytes()) {
        return Ok(us);
    }
    local_timestamp("timestamp", text, reading).map(|(us, _)| us)
}

/// Microseconds since 1970-01-01 UTC; text without a time zone is taken in that of `reading`. Errors: those of [`parse_date`].
pub fn parse_timestamptz(text: &str, reading: &Reading) -> Result<i64> {
    let bytes = text.as_bytes();
    let utc = bytes.strip_suffix(b"+00").or_else(|| bytes.strip_suffix(b"Z"));
    if let Some(us) = utc.and_then(fixed_timestamp) {
        return Ok(us);
    }
    let (local, written) = local_timestamp("timestamp with time zone", text, reading)?;
    let out = || timestamp_out_of_range(text);
    written.as_ref().unwrap_or(&reading.zone).to_utc(local).ok_or_else(out)
}

fn timestamp_out_of_range(text: &str) -> Error {
    Error::new(code::DATETIME_FIELD_OVERFLOW, format!("timestamp out of range: \"{text}\""))
}

fn local_timestamp(ty: &'static str, text: &str, reading: &Reading) -> Result<(i64, Option<Zone>)> {
    let fields = Fields::read(ty, text, reading)?;
    if fields.epoch {
        return Ok((0, Some(Zone::Utc)));
    }
    if let Some(positive) = fields.infinite {
        return Ok((if positive { i64::MAX } else { i64::MIN }, Some(Zone::Utc)));
    }
    let days = fields.days(ty, text)?;
    if days < -2_440_588 {
        return Err(timestamp_out_of_range(text));
    }
    let us = days.checked_mul(US_PER_DAY).and_then(|d| d.checked_add(fields.time.unwrap_or(0)));
    Ok((us.ok_or_else(|| timestamp_out_of_range(text))?, fields.zone))
}

/// `YYYY-MM-DD`, exactly.
fn fixed_date(b: &[u8]) -> Option<i64> {
    if b.len() != 10 || b[4] != b'-' || b[7] != b'-' {
        return None;
    }
    let mut bad = 0u8;
    let mut two = |i: usize| {
        let (high, low) = (b[i].wrapping_sub(b'0'), b[i + 1].wrapping_sub(b'0'));
        bad |= u8::from(high > 9) | u8::from(low > 9);
        u32::from(high) * 10 + u32::from(low)
    };
    let year = i64::from(two(0) * 100 + two(2));
    let (month, day) = (two(5), two(8));
    let valid = bad == 0 && year > 0 && (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month);
    valid.then(|| days_from_civil(year, month, day))
}

/// `YYYY-MM-DD HH:MM:SS`, optionally with one to six decimals, in microseconds; `None` if it is in another form, or not valid.
fn fixed_timestamp(b: &[u8]) -> Option<i64> {
    if b.len() < 19 || b.len() > 26 || (b[10] != b' ' && b[10] != b'T') || b[13] != b':' || b[16] != b':' {
        return None;
    }
    let days = fixed_date(&b[..10])?;
    let mut bad = 0u8;
    let mut two = |i: usize| {
        let (high, low) = (b[i].wrapping_sub(b'0'), b[i + 1].wrapping_sub(b'0'));
        bad |= u8::from(high > 9) | u8::from(low > 9);
        u32::from(high) * 10 + u32::from(low)
    };
    let (hour, minute, second) = (two(11), two(14), two(17));
    if bad != 0 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let us = match &b[19..] {
        [] => 0,
        [b'.', decimals @ ..] if !decimals.is_empty() => fixed_fraction(decimals)?,
        _ => return None,
    };
    Some(days * US_PER_DAY + i64::from(hour * 3600 + minute * 60 + second) * US_PER_SECOND + us)
}

fn fixed_fraction(decimals: &[u8]) -> Option<i64> {
    let mut us = 0i64;
    for i in 0..6 {
        let digit = decimals.get(i).map_or(0, |b| b.wrapping_sub(b'0'));
        if digit > 9 {
            return None;
        }
        us = us * 10 + i64::from(digit);
    }
    Some(us)
}

/// What the words of a date and time say.
#[derive(Default)]
struct Fields {
    date: Option<(i64, u32, u32)>,
    time: Option<i64>,
    zone: Option<Zone>,
    epoch: bool,
    /// infinity, or with false -infinity.
    infinite: Option<bool>,
    bc: bool,
    meridiem: Option<bool>,
    /// A month by name, and the bare numbers around it.
    month: Option<u32>,
    numbers: Vec<(i64, usize)>,
    /// What stands before a year of two digits: 1900 or 2000, but nothing before Christ.
    century: i64,
    reading: Reading,
}

impl Fields {
    fn read(ty: &'static str, text: &str, reading: &Reading) -> Result<Fields> {
        let mut fields = Fields { reading: *reading, ..Fields::default() };
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(malformed(ty, text));
        }
        while !rest.is_empty() {
            rest = fields.word(ty, text, rest)?.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',');
        }
        fields.settle(ty, text)?;
        Ok(fields)
    }

    /// Takes one word off the front and answers what is left.
    fn word<'a>(&mut self, ty: &'static str, text: &str, rest: &'a str) -> Result<&'a str> {
        let first = rest.as_bytes()[0];
        if first.is_ascii_digit() {
            let run = rest.bytes().take_while(u8::is_ascii_digit).count();
            if rest.as_bytes().get(run) == Some(&b':') {
                return self.clock(ty, text, rest);
            }
            return self.calendar(ty, text, rest);
        }
        if first == b'-' && rest.get(1..9).is_some_and(|word| word.eq_ignore_ascii_case("infinity")) {
            self.infinite = Some(false);
            return Ok(&rest[9..]);
        }
        if first == b'+' || first == b'-' {
            let end = rest.find(|c: char| !c.is_ascii_digit() && !matches!(c, '+' | '-' | ':')).unwrap_or(rest.len());
            let seconds = parse_offset(&rest[..end]).ok_or_else(|| self.bad_offset(ty, text, &rest[..end]))?;
            self.set_zone(ty, text, Zone::fixed(seconds))?;
            return Ok(&rest[end..]);
        }
        if !first.is_ascii_alphabetic() {
            return Err(malformed(ty, text));
        }
        // The T between date and time stands directly before a digit.
        if (first == b'T' || first == b't') && rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit) && self.date.is_some() {
            return Ok(&rest[1..]);
        }
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let end = match rest.as_bytes().get(letters) {
            Some(b'+' | b'0'..=b'9') if is_keyword(&rest[..letters]) => letters,
            Some(b'+' | b'-' | b'/' | b'.' | b'0'..=b'9') if self.has_date() || self.time.is_some() || ty == "time" => punctuated_end(rest),
            Some(b'-' | b'/' | b'.') if month_of(&rest[..letters]).is_some() => {
                let end = punctuated_end(rest);
                self.parts(ty, text, &rest[..end])?;
                return Ok(&rest[end..]);
            }
            _ => letters,
        };
        self.name(ty, text, &rest[..end])?;
        Ok(&rest[end..])
    }

    /// Whether the date has been said, so that a word with signs and digits in it names a time zone: `UTC+3`, `America/Port-au-Prince`.
    fn has_date(&self) -> bool {
        self.date.is_some() || (self.month.is_some() && self.numbers.len() == 2)
    }

    fn set_zone(&mut self, ty: &'static str, text: &str, zone: Zone) -> Result<()> {
        if self.zone.replace(zone).is_some() {
            return Err(malformed(ty, text));
        }
        Ok(())
    }

    fn bad_offset(&self, ty: &str, text: &str, offset: &str) -> Error {
        if offset.len() > 1 && offset[1..].bytes().all(|b| b.is_ascii_digit() || b == b':') && self.time.is_some() {
            return Error::new("22009", format!("time zone displacement out of range: \"{text}\""));
        }
        malformed(ty, text)
    }

    fn clock<'a>(&mut self, ty: &'static str, text: &str, rest: &'a str) -> Result<&'a str> {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(rest.len());
        if self.time.is_some() {
            return Err(malformed(ty, text));
        }
        self.time = Some(parse_clock(&rest[..end]).ok_or_else(|| malformed(ty, text))?.ok_or_else(|| field_out_of_range(text))?);
        Ok(&rest[end..])
    }

    fn calendar<'a>(&mut self, ty: &'static str, text: &str, rest: &'a str) -> Result<&'a str> {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '/' | '.')).unwrap_or(rest.len());
        // In 2015-07-15T00:00 the date ends at the T, in 2015-07-15Z at the Z.
        let t = rest[..end].find(['T', 't', 'Z', 'z']).filter(|t| rest.as_bytes()[t - 1].is_ascii_digit());
        let end = t.unwrap_or(end);
        let word = &rest[..end];
        if word.bytes().all(|b| b.is_ascii_digit()) {
            self.number(ty, text, word)?;
        } else {
            self.parts(ty, text, word)?;
        }
        Ok(&rest[end..])
    }

    /// Digits only: YYYYMMDD, hhmmss after a date, or a number beside a month's name.
    fn number(&mut self, ty: &'static str, text: &str, word: &str) -> Result<()> {
        let number: i64 = word.parse().map_err(|_| malformed(ty, text))?;
        let unset = self.date.is_none() && self.month.is_none() && self.numbers.is_empty();
        if word.len() == 8 && unset {
            return self.set_date(ty, text, (number / 10_000, (number / 100 % 100) as u32, (number % 100) as u32));
        }
        let clock = word.len() == 6 || (word.len() == 4 && ty != "date");
        if clock && (self.date.is_some() || ty == "time") && self.time.is_none() {
            let (h, m, s) =
                if word.len() == 6 { (number / 10_000, number / 100 % 100, number % 100) } else { (number / 100, number % 100, 0) };
            self.time = Some(clock_us(h, m, s, 0).ok_or_else(|| field_out_of_range(text))?);
            return Ok(());
        }
        if self.date.is_some() || self.numbers.len() == 2 {
            return Err(malformed(ty, text));
        }
        self.numbers.push((number, word.len()));
        Ok(())
    }

    /// Three parts joined by `-`, `/` or `.`: year first if it has more than two digits, else in the order asked for.
    fn parts(&mut self, ty: &'static str, text: &str, word: &str) -> Result<()> {
        let parts: Vec<&str> = word.split(['-', '/', '.']).collect();
        let [a, b, c] = parts.as_slice() else { return Err(malformed(ty, text)) };
        let number = |s: &str| s.parse::<i64>().map_err(|_| malformed(ty, text));
        if let Some(month) = month_of(a) {
            let (year, day) = self.year_and_day((number(b)?, b.len()), (number(c)?, c.len()));
            return self.set_date(ty, text, (year, month, small(day)));
        }
        if let Some(month) = month_of(b) {
            let (year, day) = self.year_and_day((number(a)?, a.len()), (number(c)?, c.len()));
            return self.set_date(ty, text, (year, month, small(day)));
        }
        if a.len() > 2 {
            return self.set_date(ty, text, (number(a)?, small(number(b)?), small(number(c)?)));
        }
        let (year, month, day) = match self.reading.order {
            DateOrder::Mdy => (c, a, b),
            DateOrder::Dmy => (c, b, a),
            DateOrder::Ymd => (a, b, c),
        };
        let year = self.full_year(number(year)?, year.len());
        self.set_date(ty, text, (year, small(number(month)?), small(number(day)?)))
    }

    /// The year and the day of the two numbers beside a month's name, each with its digits: more than two of them make a year.
    fn year_and_day(&mut self, first: (i64, usize), second: (i64, usize)) -> (i64, i64) {
        let year_first = first.1 > 2 || (self.reading.order == DateOrder::Ymd && second.1 <= 2);
        let (year, day) = if year_first { (first, second) } else { (second, first) };
        (self.full_year(year.0, year.1), day.0)
    }

    /// A year of two digits is one of 1970 to 2069.
    fn full_year(&mut self, year: i64, digits: usize) -> i64 {
        self.century = match (digits, year) {
            (1 | 2, 0..70) => 2000,
            (1 | 2, _) => 1900,
            _ => 0,
        };
        year + self.century
    }

    fn name(&mut self, ty: &'static str, text: &str, word: &str) -> Result<()> {
        let lower = word.to_ascii_lowercase();
        match lower.as_str() {
            "epoch" => {
                self.epoch = true;
                self.date = Some((1970, 1, 1));
            }
            "bc" => self.bc = true,
            "ad" | "t" => {}
            "am" | "pm" if self.time.is_some() => self.meridiem = Some(lower == "pm"),
            "allballs" => self.time = Some(0),
            "infinity" => self.infinite = Some(true),
            "now" | "today" | "tomorrow" | "yesterday" => self.present(ty, text, &lower)?,
            _ if is_weekday(&lower) => {}
            _ => match month_of(&lower) {
                Some(month) if self.date.is_none() && self.month.is_none() => self.month = Some(month),
                _ => {
                    let unknown = || Error::new(code::INVALID_PARAMETER_VALUE, format!("time zone \"{lower}\" not recognized"));
                    let letters = word.bytes().all(|b| b.is_ascii_alphabetic());
                    let zone = Zone::named(word).map_err(|_| if letters { malformed(ty, text) } else { unknown() })?;
                    self.set_zone(ty, text, zone)?;
                }
            },
        }
        Ok(())
    }

    /// What a word says that names a day, or the moment, by where it is from now.
    fn present(&mut self, ty: &'static str, text: &str, word: &str) -> Result<()> {
        let unknown = || refused(ty, word).hint("Write now() or current_date in the statement instead.");
        let now = self.reading.now.ok_or_else(unknown)?;
        let local = self.reading.zone.local(now).ok_or_else(|| timestamp_out_of_range(text))?;
        let days = match word {
            "tomorrow" => 1,
            "yesterday" => -1,
            _ => 0,
        };
        let (year, month, day) = civil_from_days(local.div_euclid(US_PER_DAY) + days);
        if word == "now" {
            self.time = Some(local.rem_euclid(US_PER_DAY));
            self.set_zone(ty, text, Zone::fixed(self.reading.zone.offset_at(now)))?;
        }
        self.set_date(ty, text, (year, month, day))
    }

    fn set_date(&mut self, ty: &'static str, text: &str, date: (i64, u32, u32)) -> Result<()> {
        if self.date.is_some() {
            return Err(malformed(ty, text));
        }
        self.date = Some(date);
        Ok(())
    }

    /// Puts together what several words said: a named month with its day and year, BC, AM and PM.
    fn settle(&mut self, ty: &'static str, text: &str) -> Result<()> {
        if let Some(month) = self.month {
            let [first, second] = *self.numbers.as_slice() else { return Err(malformed(ty, text)) };
            let (year, day) = self.year_and_day(first, second);
            self.date = Some((year, month, small(day)));
        } else if !self.numbers.is_empty() {
            return Err(malformed(ty, text));
        }
        if let (Some(pm), Some(us)) = (self.meridiem, self.time) {
            let hour = us / (3600 * US_PER_SECOND);
            if hour > 12 {
                return Err(field_out_of_range(text));
            }
            let shift = (hour % 12 + if pm { 12 } else { 0 }) - hour;
            self.time = Some(us + shift * 3600 * US_PER_SECOND);
        }
        Ok(())
    }

    fn days(&self, ty: &str, text: &str) -> Result<i64> {
        let (year, month, day) = self.date.ok_or_else(|| malformed(ty, text))?;
        let year = if self.bc { year - self.century } else { year };
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return Err(field_out_of_range(text).hint("Perhaps you need a different \"datestyle\" setting."));
        }
        if year == 0 || year > 6_000_000 {
            return Err(field_out_of_range(text));
        }
        let year = if self.bc { 1 - year } else { year };
        if day > days_in_month(year, month) {
            return Err(field_out_of_range(text));
        }
        Ok(days_from_civil(year, month, day))
    }
}

/// Whether the letters of a word stand for themselves, so that a sign or a digit behind them begins another.
fn is_keyword(letters: &str) -> bool {
    let lower = letters.to_ascii_lowercase();
    matches!(lower.as_str(), "am" | "pm" | "ad" | "bc" | "t" | "epoch" | "allballs") || is_weekday(&lower) || month_of(&lower).is_some()
}

/// Where a word ends that may have signs and points in it.
fn punctuated_end(rest: &str) -> usize {
    rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-' | '/' | '_' | '.' | ':')).unwrap_or(rest.len())
}

fn refused(ty: &str, word: &str) -> Error {
    Error::unsupported(format!("the {ty} value \"{word}\" is not supported"))
}

fn small(n: i64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn month_of(word: &str) -> Option<u32> {
    let lower = word.to_ascii_lowercase();
    let found =
        MONTHS.iter().position(|m| *m == lower || (lower.len() == 3 && m.starts_with(&lower)) || (lower == "sept" && *m == "september"));
    found.map(|i| i as u32 + 1)
}

fn is_weekday(lower: &str) -> bool {
    WEEKDAYS.iter().any(|d| lower.len() >= 3 && d.starts_with(lower))
}

/// `hh:mm[:ss[.ffffff]]`: `None` if it is not of that form, `Some(None)` if a field is out of range.
pub(super) fn parse_clock(word: &str) -> Option<Option<i64>> {
    let mut parts = word.split(':');
    let (hour, minute) = (parts.next()?, parts.next()?);
    let (second, decimals) = parts.next().map_or(("0", ""), |s| s.split_once('.').unwrap_or((s, "")));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if parts.next().is_some() || ![hour, minute, second].into_iter().all(digits) || !decimals.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = |s: &str| s.parse::<i64>().unwrap_or(i64::MAX);
    Some(clock_us(number(hour), number(minute), number(second), fraction_us(decimals)))
}

/// Microseconds of a string of decimals, rounded half up past the sixth.
pub(super) fn fraction_us(decimals: &str) -> i64 {
    let mut us = 0;
    for i in 0..6 {
        us = us * 10 + decimals.as_bytes().get(i).map_or(0, |b| i64::from(b - b'0'));
    }
    us + i64::from(decimals.as_bytes().get(6).is_some_and(|b| *b >= b'5'))
}

/// Microseconds of a time of day; 24:00:00 and a 60th second are allowed as PostgreSQL allows them.
fn clock_us(hour: i64, minute: i64, second: i64, us: i64) -> Option<i64> {
    if hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    let total = (hour * 3600 + minute * 60 + second) * US_PER_SECOND + us;
    (total <= US_PER_DAY).then_some(total)
}
