//! to_date and to_timestamp: reading a time by a pattern (manual, chapter 9.8).

use super::pattern::{DAYS, MONTHS, Piece, pieces};
use crate::error::{Error, Result, code};
use crate::func::arith::time::{DAY_US, day_number, days_in_month};

#[derive(Default)]
struct Read {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    yearday: Option<i64>,
    hour: i64,
    half: Option<bool>,
    minute: i64,
    second: i64,
    us: i64,
    of_day: Option<i64>,
}

/// Microseconds since 1970 of `text` read by `pattern`. Errors: 22007 where they do not fit, 22008 for a field out of range.
pub fn read(text: &str, pattern: &str) -> Result<i64> {
    let mut found = Read::default();
    let mut rest = text;
    let all = pieces(pattern);
    for (i, piece) in all.iter().enumerate() {
        match piece {
            Piece::Text(literal) => {
                for c in literal.chars() {
                    // A separator in the pattern matches any separator in the text; other characters stand for one of the text.
                    let skip = !c.is_alphanumeric() && rest.starts_with(char::is_alphanumeric);
                    let mut chars = rest.chars();
                    if !skip {
                        chars.next();
                    }
                    rest = chars.as_str();
                }
            }
            Piece::Word { word, .. } => {
                rest = rest.trim_start();
                let next_is_number = matches!(all.get(i + 1), Some(Piece::Word { .. }));
                rest = take(word, rest, next_is_number, &mut found)?;
            }
        }
    }
    moment(&found, text)
}

fn bad(value: &str, word: &str) -> Error {
    let value: String = value.chars().take(word.len()).collect();
    Error::new(code::INVALID_DATETIME_FORMAT, format!("invalid value \"{value}\" for \"{word}\"")).detail("Value must be an integer.")
}

fn take<'a>(word: &'static str, text: &'a str, fixed: bool, found: &mut Read) -> Result<&'a str> {
    if let Some(rest) = take_name(word, text, found)? {
        return Ok(rest);
    }
    let width = match word {
        "YYYY" | "HH24" | "HH12" => word.len().min(if word == "YYYY" { 4 } else { 2 }),
        "US" => 6,
        "MS" | "DDD" => 3,
        "SSSS" | "SSSSS" => 5,
        "J" => 9,
        _ => word.len(),
    };
    let width = if word == "YYYY" && !fixed { 9 } else { width };
    let end = text.bytes().take(width).take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(end);
    let value: i64 = digits.parse().map_err(|_| bad(text, word))?;
    let scaled = |digits: usize| value * 10i64.pow(6u32.saturating_sub(digits as u32));
    match word {
        "YYYY" | "IYYY" => found.year = Some(value),
        "YYY" => found.year = Some(2000 + value % 1000),
        "YY" => found.year = Some(if value < 70 { 2000 + value } else { 1900 + value }),
        "Y" => found.year = Some(2020 + value),
        "MM" => found.month = Some(value),
        "DD" => found.day = Some(value),
        "DDD" => found.yearday = Some(value),
        "HH24" | "HH12" | "HH" => found.hour = value,
        "MI" => found.minute = value,
        "SS" => found.second = value,
        "MS" | "US" | "FF1" | "FF2" | "FF3" | "FF4" | "FF5" | "FF6" => found.us = scaled(digits.len()),
        "SSSS" | "SSSSS" => found.of_day = Some(value),
        "Q" | "WW" | "W" | "D" | "ID" | "CC" => {}
        other => {
            let message = format!("pattern \"{other}\" is not supported for reading");
            return Err(Error::unsupported(message).hint("Read the date with YYYY, MM, DD and the time with HH24, MI, SS."));
        }
    }
    Ok(rest)
}

fn take_name<'a>(word: &str, text: &'a str, found: &mut Read) -> Result<Option<&'a str>> {
    let starts = |name: &str| text.get(..name.len()).is_some_and(|t| t.eq_ignore_ascii_case(name));
    let upper = word.to_ascii_uppercase();
    match upper.as_str() {
        "MONTH" | "MON" => {
            let at = MONTHS.iter().position(|m| starts(if upper == "MON" { &m[..3] } else { m })).ok_or_else(|| bad_name(text, word))?;
            found.month = Some(at as i64 + 1);
            let length = if upper == "MON" { 3 } else { MONTHS[at].len() };
            Ok(Some(&text[length..]))
        }
        "DAY" | "DY" => {
            let day = DAYS.iter().find(|d| starts(if upper == "DY" { &d[..3] } else { d })).ok_or_else(|| bad_name(text, word))?;
            Ok(Some(&text[if upper == "DY" { 3 } else { day.len() }..]))
        }
        "AM" | "PM" | "A.M." | "P.M." => {
            let length = if upper.len() == 4 { 4 } else { 2 };
            let is_pm = if starts("P") {
                true
            } else if starts("A") {
                false
            } else {
                return Err(bad_name(text, word));
            };
            found.half = Some(is_pm);
            Ok(Some(text.get(length..).unwrap_or("")))
        }
        _ => Ok(None),
    }
}

fn bad_name(text: &str, word: &str) -> Error {
    let message = format!("invalid value \"{text}\" for \"{word}\"");
    Error::new(code::INVALID_DATETIME_FORMAT, message).detail("The given value did not match any of the allowed values for this field.")
}

fn moment(found: &Read, text: &str) -> Result<i64> {
    let out = || Error::new(code::DATETIME_FIELD_OVERFLOW, format!("date/time field value out of range: \"{text}\""));
    let hour = match found.half {
        Some(true) if found.hour < 12 => found.hour + 12,
        Some(false) if found.hour == 12 => 0,
        _ => found.hour,
    };
    let (year, month, day) = (found.year.unwrap_or(1), found.month.unwrap_or(1), found.day.unwrap_or(1));
    let valid = (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month) && year <= 294_276;
    if !valid || hour > 24 || found.minute > 59 || found.second > 60 {
        return Err(out());
    }
    let days = match found.yearday {
        Some(n) => day_number(year, 1, 1) + n - 1,
        None => day_number(year, month, day),
    };
    let seconds = found.of_day.unwrap_or((hour * 60 + found.minute) * 60 + found.second);
    Ok(days * DAY_US + seconds * 1_000_000 + found.us)
}
