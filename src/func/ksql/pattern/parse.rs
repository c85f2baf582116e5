//! Reading a text by a pattern: the fields that stand in it, not yet put together.

use super::zone::{Zone, offset_of};
use super::{FIELDS, Field, Item, Shape, Sign, names};
use crate::error::{Error, Result, code};

/// What stands in a text.
#[derive(Clone, Debug, Default)]
pub struct Found {
    fields: [Option<i64>; FIELDS],
    /// An offset in seconds.
    pub offset: Option<i32>,
    pub zone: Option<Zone>,
}

impl Found {
    /// The value of a field.
    pub fn get(&self, field: Field) -> Option<i64> {
        self.fields.get(field as usize).copied().flatten()
    }

    /// Takes the value of a field out.
    pub fn take(&mut self, field: Field) -> Option<i64> {
        self.fields.get_mut(field as usize).and_then(Option::take)
    }

    /// Sets a field; false if it has another value already.
    pub fn set(&mut self, field: Field, value: i64) -> bool {
        match self.fields.get_mut(field as usize) {
            Some(place) => *place.get_or_insert(value) == value,
            None => false,
        }
    }

    fn set_offset(&mut self, seconds: i32) -> bool {
        *self.offset.get_or_insert(seconds) == seconds
    }
}

/// Reads a text, all of it.
pub fn parse(items: &[Item], text: &str) -> Result<Found> {
    let mut found = Found::default();
    match read(items, text, 0, &mut found) {
        Some(end) if end == text.len() => Ok(found),
        Some(end) => Err(unreadable(text, end)),
        None => Err(unreadable(text, 0)),
    }
}

fn unreadable(text: &str, at: usize) -> Error {
    let short: String = text.chars().take(100).collect();
    let error = Error::new(code::INVALID_DATETIME_FORMAT, format!("\"{short}\" does not match the date and time pattern"));
    if at > 0 { error.detail(format!("What stands behind byte {at} is left over.")) } else { error }
}

/// Reads items from a place on; gives the place behind them.
fn read(items: &[Item], text: &str, from: usize, found: &mut Found) -> Option<usize> {
    let mut at = from;
    for item in items {
        at = match item {
            Item::Literal(literal) => starts(text, at, literal)?,
            Item::Number { field, min, max, sign, reserved } => {
                let (value, end) = number(text, at, *min, *max, *sign, *reserved)?;
                found.set(*field, value).then_some(end)?
            }
            Item::ShortYear { field, .. } => {
                let (value, end) = number(text, at, 2, 2, Sign::Never, 0)?;
                found.set(*field, 2_000 + value).then_some(end)?
            }
            Item::Text(field, style) => {
                let (value, len) = names::read(*field, *style, text.get(at..)?)?;
                found.set(*field, value).then_some(at + len)?
            }
            Item::Fraction(width) => {
                let digits = text.get(at..at + width).filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
                found.set(Field::Nano, format!("{digits:0<9}").parse().ok()?).then_some(at + width)?
            }
            Item::Offset { shape, zero } => {
                let (seconds, end) = offset(text, at, *shape, zero)?;
                found.set_offset(seconds).then_some(end)?
            }
            Item::LocalizedOffset(_) => {
                let (seconds, end) = localized(text, at)?;
                found.set_offset(seconds).then_some(end)?
            }
            Item::ZoneId => zone_id(text, at, found)?,
            Item::ZoneName(_) => match zone_id(text, at, found) {
                Some(end) => end,
                None => {
                    let (region, len) = names::read_zone(text.get(at..)?)?;
                    found.zone = Zone::parse(region).ok();
                    at + len
                }
            },
            Item::Optional(items) => {
                let mut tried = found.clone();
                match read(items, text, at, &mut tried) {
                    Some(end) => {
                        *found = tried;
                        end
                    }
                    None => at,
                }
            }
        };
    }
    Some(at)
}

/// The place behind a literal, whatever the case of its letters.
fn starts(text: &str, at: usize, literal: &str) -> Option<usize> {
    let mut rest = text.get(at..)?.chars();
    let mut end = at;
    for expected in literal.chars() {
        let c = rest.next()?;
        if c != expected && !c.to_lowercase().eq(expected.to_lowercase()) {
            return None;
        }
        end += c.len_utf8();
    }
    Some(end)
}

fn number(text: &str, at: usize, min: usize, max: usize, sign: Sign, reserved: usize) -> Option<(i64, usize)> {
    let rest = text.get(at..)?;
    let (negative, plus) = (rest.starts_with('-'), rest.starts_with('+'));
    if (negative && sign == Sign::Never) || (plus && sign != Sign::Exceeds) {
        return None;
    }
    let start = usize::from(negative || plus);
    let digits = rest.get(start..)?;
    let present = digits.bytes().take_while(u8::is_ascii_digit).count();
    let mut length = present.min(max + reserved);
    if reserved > 0 {
        length = length.min(max.min(length.saturating_sub(reserved)).max(min));
    }
    if length < min {
        return None;
    }
    let value: i64 = digits.get(..length)?.parse().ok()?;
    if sign == Sign::Exceeds && (if plus { length <= min } else { !negative && length > min }) || negative && value == 0 {
        return None;
    }
    Some((if negative { -value } else { value }, at + start + length))
}

/// Two digits.
fn pair(text: &str, at: usize) -> Option<i64> {
    text.get(at..at + 2).filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
}

fn offset(text: &str, at: usize, shape: Shape, zero: &str) -> Option<(i32, usize)> {
    if let Some(end) = starts(text, at, zero) {
        // `+00` may be the beginning of `+0030`.
        if zero == "Z" || !text.get(end..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == ':')) {
            return Some((0, end));
        }
    }
    let sign = match text.as_bytes().get(at)? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let hours = pair(text, at + 1)?;
    let mut end = at + 3;
    let part = |end: &mut usize| {
        let from = if shape.colon { text.get(*end..)?.strip_prefix(':').map(|_| *end + 1)? } else { *end };
        let value = pair(text, from)?;
        *end = from + 2;
        Some(value)
    };
    let minutes = match part(&mut end) {
        Some(minutes) => minutes,
        None if shape.minutes_optional => 0,
        None => return None,
    };
    let seconds = if shape.seconds { part(&mut end).unwrap_or(0) } else { 0 };
    Some((offset_of(sign, hours, minutes, seconds)?, end))
}

/// `GMT`, with hours, minutes and seconds behind it or without.
fn localized(text: &str, at: usize) -> Option<(i32, usize)> {
    let mut end = starts(text, at, "GMT")?;
    let sign = match text.as_bytes().get(end) {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return Some((0, end)),
    };
    end += 1;
    let width = text.get(end..)?.bytes().take_while(u8::is_ascii_digit).count().min(2);
    let hours = text.get(end..end + width)?.parse().ok()?;
    end += width;
    let mut parts = [0, 0];
    for part in &mut parts {
        if text.get(end..).is_some_and(|rest| rest.starts_with(':')) {
            *part = pair(text, end + 1)?;
            end += 3;
        }
    }
    Some((offset_of(sign, hours, parts[0], parts[1])?, end))
}

/// The longest identifier of a zone.
fn zone_id(text: &str, at: usize, found: &mut Found) -> Option<usize> {
    let rest = text.get(at..)?;
    if starts(text, at, "Z").is_some() && !rest.get(1..).is_some_and(|r| r.starts_with(|c: char| c.is_ascii_alphabetic())) {
        found.zone = Some(Zone::fixed(0));
        return Some(at + 1);
    }
    let is_part = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+' | b':' | b'~' | b'.');
    let most = rest.bytes().take_while(|b| is_part(*b)).count().min(64);
    let (len, zone) = (1..=most).rev().find_map(|len| Some((len, Zone::parse(rest.get(..len)?).ok()?)))?;
    found.zone = Some(zone);
    Some(at + len)
}
