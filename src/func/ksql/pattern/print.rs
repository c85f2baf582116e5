//! Writing a moment by a pattern.

use super::calendar::{DAY_MS, civil_of_day, day_of_civil, day_of_week, week_of};
use super::zone::Zone;
use super::{Field, Item, Parts, Shape, Sign, Style, names};
use crate::error::{Error, Result, code};

/// Appends a moment's text.
pub fn print(items: &[Item], parts: &Parts, out: &mut String) -> Result<()> {
    for item in items {
        match item {
            Item::Literal(text) => out.push_str(text),
            Item::Number { field, min, max, sign, .. } => number(value_of(parts, *field)?, *min, *max, *sign, out)?,
            Item::ShortYear { field, .. } => out.push_str(&format!("{:02}", value_of(parts, *field)?.unsigned_abs() % 100)),
            Item::Text(field, style) => {
                let value = value_of(parts, *field)?;
                out.push_str(names::name(*field, *style, value).ok_or_else(missing)?);
            }
            Item::Fraction(width) => {
                let digits = format!("{:09}", value_of(parts, Field::Nano)?);
                out.push_str(digits.get(..*width).unwrap_or(&digits));
            }
            Item::Offset { shape, zero } => offset(zone_of(parts)?.1, *shape, zero, out),
            Item::LocalizedOffset(style) => localized(zone_of(parts)?.1, *style, out),
            Item::ZoneId => out.push_str(zone_of(parts)?.0.id()),
            Item::ZoneName(style) => out.push_str(&zone_name(parts, *style)?),
            // What cannot be written is left out as a whole.
            Item::Optional(items) => {
                let kept = out.len();
                if print(items, parts, out).is_err() {
                    out.truncate(kept);
                }
            }
        }
    }
    Ok(())
}

fn missing() -> Error {
    Error::new(code::INVALID_PARAMETER_VALUE, "the pattern asks for a part that the value does not have")
}

fn zone_of(parts: &Parts) -> Result<(&Zone, i32)> {
    parts.zone.as_ref().map(|(zone, offset)| (zone, *offset)).ok_or_else(missing)
}

/// The value of a field of a moment.
fn value_of(parts: &Parts, field: Field) -> Result<i64> {
    if field.is_time() {
        let nano = parts.nano.ok_or_else(missing)?;
        let hour = nano / 3_600_000_000_000;
        return Ok(match field {
            Field::Hour => hour,
            Field::ClockHour => {
                if hour == 0 {
                    24
                } else {
                    hour
                }
            }
            Field::HourOfAmPm => hour % 12,
            Field::ClockHourOfAmPm => {
                if hour % 12 == 0 {
                    12
                } else {
                    hour % 12
                }
            }
            Field::AmPm => hour / 12,
            Field::Minute => nano / 60_000_000_000 % 60,
            Field::Second => nano / 1_000_000_000 % 60,
            Field::Nano => nano % 1_000_000_000,
            Field::MilliOfDay => nano / 1_000_000,
            _ => nano,
        });
    }
    let day = parts.day.ok_or_else(missing)?;
    let (year, month, dom) = civil_of_day(day);
    let of_week = day_of_week(day);
    Ok(match field {
        Field::Era => i64::from(year > 0),
        Field::YearOfEra => {
            if year > 0 {
                year
            } else {
                1 - year
            }
        }
        Field::Year => year,
        Field::Quarter => (month - 1) / 3 + 1,
        Field::Month => month,
        Field::DayOfMonth => dom,
        Field::DayOfYear => day - day_of_civil(year, 1, 1) + 1,
        Field::DayOfWeek => of_week,
        Field::DayOfAmericanWeek => of_week % 7 + 1,
        Field::WeekYear => week_of(day).0,
        Field::WeekOfYear => week_of(day).1,
        Field::WeekOfMonth => (dom - 1 + day_of_week(day - dom + 1) % 7) / 7 + 1,
        _ => (dom - 1) / 7 + 1,
    })
}

fn number(value: i64, min: usize, max: usize, sign: Sign, out: &mut String) -> Result<()> {
    let digits = value.unsigned_abs().to_string();
    let too_long = || Error::new(code::DATETIME_FIELD_OVERFLOW, format!("{value} does not fit the pattern"));
    if digits.len() > max || (value < 0 && sign == Sign::Never) {
        return Err(too_long());
    }
    if value < 0 {
        out.push('-');
    } else if sign == Sign::Exceeds && digits.len() > min {
        out.push('+');
    }
    out.push_str(&format!("{digits:0>min$}"));
    Ok(())
}

fn offset(seconds: i32, shape: Shape, zero: &str, out: &mut String) {
    let n = seconds.unsigned_abs();
    let (hours, minutes, secs) = (n / 3_600, n / 60 % 60, n % 60);
    // Seconds that the shape does not show do not count.
    if n == 0 || (hours == 0 && minutes == 0 && !shape.seconds) {
        out.push_str(zero);
        return;
    }
    let colon = if shape.colon { ":" } else { "" };
    out.push(if seconds < 0 { '-' } else { '+' });
    out.push_str(&format!("{hours:02}"));
    if !shape.minutes_optional || minutes > 0 {
        out.push_str(&format!("{colon}{minutes:02}"));
    }
    if shape.seconds && secs > 0 {
        out.push_str(&format!("{colon}{secs:02}"));
    }
}

fn localized(seconds: i32, style: Style, out: &mut String) {
    out.push_str("GMT");
    let n = seconds.unsigned_abs();
    if n == 0 {
        return;
    }
    let (hours, minutes, secs) = (n / 3_600, n / 60 % 60, n % 60);
    out.push(if seconds < 0 { '-' } else { '+' });
    if style == Style::Full {
        out.push_str(&format!("{hours:02}:{minutes:02}"));
    } else {
        out.push_str(&hours.to_string());
        if minutes > 0 || secs > 0 {
            out.push_str(&format!(":{minutes:02}"));
        }
    }
    if secs > 0 {
        out.push_str(&format!(":{secs:02}"));
    }
}

fn zone_name(parts: &Parts, style: Style) -> Result<String> {
    let (zone, offset) = zone_of(parts)?;
    let (day, nano) = (parts.day.unwrap_or(0), parts.nano.unwrap_or(0));
    let ms = day.saturating_mul(DAY_MS).saturating_add(nano / 1_000_000).saturating_sub(i64::from(offset) * 1_000);
    let short = zone.abbreviation_at(ms);
    Ok(match names::zone_in_full(&short) {
        Some(full) if style == Style::Full => full.to_string(),
        _ => short,
    })
}
