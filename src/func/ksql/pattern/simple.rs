//! Reading dates by the patterns of Java's SimpleDateFormat, which ksqlDB's PARSE_DATE uses: lenient calendars, so that the 32nd of
//! January is the 1st of February, and text behind the date is ignored.

use super::calendar::{DAY_MS, YEAR_MAX, day_of_civil, day_of_week, first_week};
use super::zone::{Zone, offset_of};
use super::{Field, PATTERN_BYTES_MAX, Style, bad_pattern, names, quoted};
use crate::error::{Error, Result, code};

/// Two-digit years from here on are of the last century. Java counts 80 years back from today; a fixed year keeps results the same.
const CENTURY_TURN: i64 = 46;

/// The fields of a lenient calendar, as given.
#[derive(Default)]
struct Fields {
    year: Option<i64>,
    before_christ: bool,
    week_year: Option<i64>,
    month: Option<i64>,
    dom: Option<i64>,
    of_year: Option<i64>,
    week_of_year: Option<i64>,
    week_of_month: Option<i64>,
    of_week: Option<i64>,
    hour: i64,
    half: Option<i64>,
    half_hour: Option<i64>,
    minute: i64,
    second: i64,
    milli: i64,
    offset_s: i64,
}

/// Days since 1970-01-01 of a date; a pattern that makes a time of day of it is an error.
pub fn parse_simple_date(text: &str, pattern: &str) -> Result<i64> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(Error::new(code::INVALID_PARAMETER_VALUE, "date pattern is too long"));
    }
    let short: String = text.chars().take(100).collect();
    let unreadable = || Error::new(code::INVALID_DATETIME_FORMAT, format!("\"{short}\" does not match the date pattern \"{pattern}\""));
    let chars: Vec<char> = pattern.chars().collect();
    let mut fields = Fields::default();
    let (mut at, mut rest) = (0, text);
    while let Some(&c) = chars.get(at) {
        if c.is_ascii_alphabetic() {
            let run = chars.iter().skip(at).take_while(|&&d| d == c).count();
            at += run;
            // A number directly before another one has just the digits of its letters.
            let next = chars.get(at).filter(|d| d.is_ascii_alphabetic());
            let next_run = next.map_or(0, |&d| chars.iter().skip(at).take_while(|&&e| e == d).count());
            let fixed = next.is_some_and(|&d| is_number(d, next_run)).then_some(run);
            rest = read(c, run, fixed, rest, &mut fields)
                .map_err(|e| if e { bad_pattern(pattern, "no such letter") } else { unreadable() })?;
        } else if c == '\'' {
            let (literal, next) = quoted(&chars, at + 1).ok_or_else(|| bad_pattern(pattern, "a quote is not closed"))?;
            rest = rest.strip_prefix(literal.as_str()).ok_or_else(unreadable)?;
            at = next;
        } else {
            rest = rest.strip_prefix(c).ok_or_else(unreadable)?;
            at += 1;
        }
    }
    let ms = fields.millis().ok_or_else(|| Error::new(code::DATETIME_FIELD_OVERFLOW, "date out of range"))?;
    if ms.rem_euclid(DAY_MS) != 0 {
        return Err(Error::new(code::INVALID_DATETIME_FORMAT, "the date has a time of day").hint("Use PARSE_TIMESTAMP."));
    }
    Ok(ms.div_euclid(DAY_MS))
}

/// True for letters that stand for a number.
fn is_number(letter: char, count: usize) -> bool {
    match letter {
        'M' | 'L' => count < 3,
        'D' | 'F' | 'H' | 'K' | 'S' | 'W' | 'Y' | 'd' | 'h' | 'k' | 'm' | 's' | 'u' | 'w' | 'y' => true,
        _ => false,
    }
}

/// Reads one field; the error is true if the letter is none.
fn read<'a>(letter: char, count: usize, fixed: Option<usize>, text: &'a str, fields: &mut Fields) -> Result<&'a str, bool> {
    if is_number(letter, count) {
        let text = if fixed.is_some() { text } else { text.trim_start() };
        let most = fixed.unwrap_or(9).min(9);
        let len = text.bytes().take_while(u8::is_ascii_digit).count();
        if fixed.is_none() && len > most {
            return Err(false);
        }
        let (digits, rest) = text.split_at(len.min(most));
        let n: i64 = digits.parse().map_err(|_| false)?;
        let short_year = |n: i64| if count < 3 && n < 100 { n + if n >= CENTURY_TURN { 1900 } else { 2000 } } else { n };
        match letter {
            'y' => fields.year = Some(short_year(n)),
            'Y' => fields.week_year = Some(short_year(n)),
            'M' | 'L' => fields.month = Some(n),
            'd' => fields.dom = Some(n),
            'D' => fields.of_year = Some(n),
            'w' => fields.week_of_year = Some(n),
            'W' => fields.week_of_month = Some(n),
            'u' => fields.of_week = Some(n % 7),
            'H' => fields.hour = n,
            'k' => fields.hour = if n == 24 { 0 } else { n },
            'K' => fields.half_hour = Some(n),
            'h' => fields.half_hour = Some(if n == 12 { 0 } else { n }),
            'm' => fields.minute = n,
            's' => fields.second = n,
            'S' => fields.milli = n,
            _ => {}
        }
        return Ok(rest);
    }
    let named = |field| {
        let full = names::read(field, Style::Full, text);
        full.or_else(|| names::read(field, Style::Short, text)).and_then(|(n, len)| Some((n, text.get(len..)?))).ok_or(false)
    };
    let (value, rest) = match letter {
        'M' | 'L' => named(Field::Month)?,
        'E' => named(Field::DayOfWeek)?,
        'G' => named(Field::Era)?,
        'a' => named(Field::AmPm)?,
        'X' | 'Z' | 'z' => zone(text).ok_or(false)?,
        _ => return Err(true),
    };
    match letter {
        'M' | 'L' => fields.month = Some(value),
        'E' => fields.of_week = Some(value % 7),
        'G' => fields.before_christ = value == 0,
        'a' => fields.half = Some(value),
        _ => fields.offset_s = value,
    }
    Ok(rest)
}

/// An offset in seconds, or a zone's, and what follows it.
fn zone(text: &str) -> Option<(i64, &str)> {
    if let Some(rest) = text.strip_prefix('Z') {
        return Some((0, rest));
    }
    let signed = text.strip_prefix("GMT").or_else(|| text.strip_prefix("UTC")).unwrap_or(text);
    if signed.starts_with(['+', '-']) {
        let sign = if signed.starts_with('-') { -1 } else { 1 };
        let hours = signed.get(1..3)?.parse().ok()?;
        let rest = signed.get(3..)?;
        let minutes = rest.strip_prefix(':').unwrap_or(rest);
        return Some(match minutes.get(..2).and_then(|m| m.parse().ok()) {
            Some(m) => (i64::from(offset_of(sign, hours, m, 0)?), minutes.get(2..)?),
            None => (i64::from(offset_of(sign, hours, 0, 0)?), rest),
        });
    }
    let (region, len) = names::read_zone(text)?;
    Some((i64::from(Zone::parse(region).ok()?.offset_at(0)), text.get(len..)?))
}

impl Fields {
    fn millis(&self) -> Option<i64> {
        let year = self.year.or(self.week_year).unwrap_or(1970);
        let year = if self.before_christ { 1 - year } else { year };
        if year.abs() > YEAR_MAX {
            return None;
        }
        let of_week = self.of_week.unwrap_or(0);
        let in_month = self.month.is_some() || self.dom.is_some();
        let day = match (self.of_year, self.week_of_year, self.week_of_month) {
            (Some(of_year), ..) if !in_month => day_of_civil(year, 1, 1) + of_year - 1,
            (_, Some(week), _) if !in_month => first_week(year) + (week - 1) * 7 + of_week,
            (_, _, Some(week)) if self.dom.is_none() => {
                let first = self.month_start(year);
                first - day_of_week(first) % 7 + (week - 1) * 7 + of_week
            }
            _ => self.month_start(year) + self.dom.unwrap_or(1) - 1,
        };
        let hour = match (self.half_hour, self.half) {
            (Some(hour), half) => half.unwrap_or(0) * 12 + hour,
            (None, _) => self.hour,
        };
        let seconds = hour * 3_600 + self.minute * 60 + self.second - self.offset_s;
        day.checked_mul(DAY_MS)?.checked_add(seconds * 1_000 + self.milli)
    }

    /// The first day of the month; months beyond December count on.
    fn month_start(&self, year: i64) -> i64 {
        let months = self.month.unwrap_or(1) - 1;
        day_of_civil(year + months.div_euclid(12), months.rem_euclid(12) + 1, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_leniently() {
        for (text, pattern, expected) in [
            ("2018-05-11Lit", "yyyy-MM-dd'Lit'", Some(17_662)),
            ("11/05/2019", "dd/MM/yyyy", Some(18_027)),
            ("01-Jan-2022", "dd-MMM-yyyy", Some(18_993)),
            ("01-JANUARY-2022", "dd-MMM-yyyy", Some(18_993)),
            ("JAN-2022", "MMM-yyyy", Some(18_993)),
            ("20220101", "yyyyMMdd", Some(18_993)),
            ("32-12-2021", "dd-MM-yyyy", Some(18_993)),
            ("1-1-22 and more", "d-M-yy", Some(18_993)),
            ("2022-01-01 10", "yyyy-MM-dd HH", None),
            ("2022-001", "yyyy-DDD", Some(18_993)),
            ("x", "yyyy", None),
            ("2022", "yyyyn", None),
            ("", "yyyy", None),
        ] {
            assert_eq!(parse_simple_date(text, pattern).ok(), expected, "{text}");
        }
    }
}
