//! Putting the fields of a text together: to a date, a time, an instant; with Java's "smart" leniency.

use super::calendar::{DAY_NS, YEAR_MAX, civil_of_day, day_of_civil, day_of_week, first_week, is_leap, month_days, week_of};
use super::parse::Found;
use super::{Field, Zone};
use crate::error::{Error, Result, code};

/// What a text said.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The date, if it is complete.
    day: Option<i64>,
    /// The time of day in nanoseconds, if it is complete.
    nano: Option<i64>,
    /// The fields that did not go into either.
    rest: Found,
    zone: Option<Zone>,
}

fn invalid(text: &str, why: &str) -> Error {
    let short: String = text.chars().take(100).collect();
    Error::new(code::DATETIME_FIELD_OVERFLOW, format!("date/time field value out of range: \"{short}\"")).detail(format!("{why}."))
}

/// Puts fields together.
pub fn resolve(mut found: Found, text: &str) -> Result<Parsed> {
    check_ranges(&found).map_err(|why| invalid(text, why))?;
    let (nano, excess) = resolve_time(&mut found);
    let day = resolve_date(&mut found).map_err(|why| invalid(text, why))?;
    let zone = found.zone.clone().or(found.offset.map(Zone::fixed));
    Ok(Parsed { day: day.map(|day| day + excess), nano, rest: found, zone })
}

/// Every field within its own range.
fn check_ranges(found: &Found) -> Result<(), &'static str> {
    let ranges = [
        (Field::YearOfEra, 1, YEAR_MAX, "a year"),
        (Field::Year, -YEAR_MAX, YEAR_MAX, "a year"),
        (Field::WeekYear, -YEAR_MAX, YEAR_MAX, "a year"),
        (Field::Quarter, 1, 4, "a quarter"),
        (Field::Month, 1, 12, "a month"),
        (Field::DayOfMonth, 1, 31, "a day of the month"),
        (Field::DayOfYear, 1, 366, "a day of the year"),
        (Field::DayOfAmericanWeek, 1, 7, "a day of the week"),
        (Field::WeekOfYear, 1, 54, "a week"),
        (Field::WeekOfMonth, 1, 6, "a week"),
        (Field::AlignedWeek, 1, 5, "a week"),
        (Field::Hour, 0, 24, "an hour"),
        (Field::ClockHour, 0, 24, "an hour"),
        (Field::HourOfAmPm, 0, 11, "an hour"),
        (Field::ClockHourOfAmPm, 0, 12, "an hour"),
        (Field::Minute, 0, 59, "a minute"),
        (Field::Second, 0, 59, "a second"),
        (Field::Nano, 0, 999_999_999, "a nanosecond"),
        (Field::NanoOfDay, 0, DAY_NS - 1, "a nanosecond"),
        (Field::MilliOfDay, 0, DAY_NS / 1_000_000 - 1, "a millisecond"),
    ];
    let outside = ranges.iter().find(|(field, min, max, _)| found.get(*field).is_some_and(|v| v < *min || v > *max));
    if let Some((.., what)) = outside {
        return Err(match *what {
            "a year" => "it is no year",
            "a month" => "it is no month",
            "an hour" => "it is no hour",
            _ => "a field has no such value",
        });
    }
    // 24:00 is the end of the day, 24:01 is nothing.
    let past = [Field::Minute, Field::Second, Field::Nano].iter().any(|f| found.get(*f).is_some_and(|v| v > 0));
    if found.get(Field::Hour) == Some(24) && (past || found.get(Field::Minute).is_none()) {
        return Err("it is no hour");
    }
    Ok(())
}

/// The time of day, and the days beyond the date that it means.
fn resolve_time(found: &mut Found) -> (Option<i64>, i64) {
    if let Some(hour) = found.take(Field::ClockHour) {
        found.set(Field::Hour, hour % 24);
    }
    if let Some(hour) = found.take(Field::ClockHourOfAmPm) {
        found.set(Field::HourOfAmPm, hour % 12);
    }
    if let (Some(half), Some(hour)) = (found.get(Field::AmPm), found.get(Field::HourOfAmPm)) {
        found.take(Field::AmPm);
        found.take(Field::HourOfAmPm);
        found.set(Field::Hour, half * 12 + hour);
    }
    if let Some(nano) = found.take(Field::NanoOfDay) {
        return (Some(nano), 0);
    }
    if let Some(ms) = found.take(Field::MilliOfDay) {
        return (Some(ms * 1_000_000 + found.take(Field::Nano).unwrap_or(0) % 1_000_000), 0);
    }
    let Some(hour) = found.get(Field::Hour) else { return (None, 0) };
    let (minute, second, nano) = (found.get(Field::Minute), found.get(Field::Second), found.get(Field::Nano));
    // A hole between the hour and what is finer: there is no time.
    if (minute.is_none() && (second.is_some() || nano.is_some())) || (second.is_none() && nano.is_some()) {
        return (None, 0);
    }
    for field in [Field::Hour, Field::Minute, Field::Second, Field::Nano] {
        found.take(field);
    }
    let seconds = hour % 24 * 3_600 + minute.unwrap_or(0) * 60 + second.unwrap_or(0);
    (Some(seconds * 1_000_000_000 + nano.unwrap_or(0)), hour / 24)
}

/// The date, if the fields say one; those that speak of it must agree.
fn resolve_date(found: &mut Found) -> Result<Option<i64>, &'static str> {
    if let Some(of_era) = found.take(Field::YearOfEra) {
        let year = if found.take(Field::Era) == Some(0) { 1 - of_era } else { of_era };
        if !found.set(Field::Year, year) {
            return Err("its years differ");
        }
    }
    if let Some(of_week) = found.take(Field::DayOfAmericanWeek)
        && !found.set(Field::DayOfWeek, (of_week + 5) % 7 + 1)
    {
        return Err("its days of the week differ");
    }
    let (year, month, dom) = (found.get(Field::Year), found.get(Field::Month), found.get(Field::DayOfMonth));
    let (of_year, of_week) = (found.get(Field::DayOfYear), found.get(Field::DayOfWeek));
    let day = if let (Some(year), Some(month), Some(dom)) = (year, month, dom) {
        day_of_civil(year, month, dom.min(month_days(year, month)))
    } else if let (Some(year), Some(of_year)) = (year, of_year) {
        if of_year == 366 && !is_leap(year) {
            return Err("the year is no leap year");
        }
        day_of_civil(year, 1, 1) + of_year - 1
    } else if let (Some(year), Some(week), Some(of_week)) = (found.get(Field::WeekYear), found.get(Field::WeekOfYear), of_week) {
        first_week(year) + (week - 1) * 7 + of_week % 7
    } else if let (Some(year), Some(month), Some(week), Some(of_week)) = (year, month, found.get(Field::WeekOfMonth), of_week) {
        let first = day_of_civil(year, month, 1);
        first - day_of_week(first) % 7 + (week - 1) * 7 + of_week % 7
    } else {
        return Ok(None);
    };
    let (year, month, dom) = civil_of_day(day);
    let known = [
        (Field::Year, year),
        (Field::Quarter, (month - 1) / 3 + 1),
        (Field::Month, month),
        (Field::DayOfYear, day - day_of_civil(year, 1, 1) + 1),
        (Field::DayOfWeek, day_of_week(day)),
        (Field::WeekYear, week_of(day).0),
        (Field::WeekOfYear, week_of(day).1),
        (Field::AlignedWeek, (dom - 1) / 7 + 1),
    ];
    for (field, value) in known {
        if found.take(field).is_some_and(|given| given != value) {
            return Err("its fields contradict each other");
        }
    }
    found.take(Field::DayOfMonth);
    found.take(Field::WeekOfMonth);
    Ok(Some(day))
}

impl Parsed {
    /// The date in days since 1970-01-01, if it is complete.
    pub fn day(&self) -> Option<i64> {
        self.day
    }

    /// The time in nanoseconds since midnight, if it is complete.
    pub fn nano(&self) -> Option<i64> {
        self.nano
    }

    /// True if anything was said about the date.
    pub fn speaks_of_date(&self) -> bool {
        let fields = [
            Field::Era,
            Field::Year,
            Field::Quarter,
            Field::Month,
            Field::DayOfMonth,
            Field::DayOfYear,
            Field::DayOfWeek,
            Field::WeekYear,
            Field::WeekOfYear,
            Field::WeekOfMonth,
            Field::AlignedWeek,
        ];
        self.day.is_some() || fields.iter().any(|f| self.rest.get(*f).is_some())
    }

    /// The instant in milliseconds since 1970: what was not said is as on 1970-01-01 at midnight, and in that zone.
    pub fn instant(&self, zone: &Zone) -> Result<i64> {
        let get = |field| self.rest.get(field);
        // Fields that have no meaning without the ones they go with.
        let lost = [Field::Quarter, Field::WeekYear, Field::WeekOfYear, Field::WeekOfMonth].iter().any(|f| get(*f).is_some());
        if lost {
            return Err(Error::new(code::INVALID_DATETIME_FORMAT, "the fields do not make a date"));
        }
        let day = match self.day {
            Some(day) => day,
            None => self.day_from_1970()?,
        };
        let nano = match self.nano {
            Some(nano) => nano,
            None => {
                let hour = get(Field::Hour).unwrap_or(get(Field::AmPm).unwrap_or(0) * 12 + get(Field::HourOfAmPm).unwrap_or(0));
                let seconds = hour * 3_600 + get(Field::Minute).unwrap_or(0) * 60 + get(Field::Second).unwrap_or(0);
                seconds * 1_000_000_000 + get(Field::Nano).unwrap_or(0)
            }
        };
        let given = self.zone.as_ref();
        if let (Some(region), Some(offset)) = (given, self.rest.offset) {
            return region.instant_of(day, nano, Some(offset));
        }
        // ksqlDB changes the fields of 1970-01-01 one after the other, which keeps the offset of the same day in 1970 where it is valid.
        let prefer = match given {
            Some(_) => None,
            None => {
                let (year, ..) = civil_of_day(day);
                let same = day_of_civil(1970, 1, 1) + (day - day_of_civil(year, 1, 1)).min(364);
                zone.instant_of(same, nano, None).ok().map(|ms| zone.offset_at(ms))
            }
        };
        given.unwrap_or(zone).instant_of(day, nano, prefer)
    }

    /// The date of single fields, set one after the other from 1970-01-01 on.
    fn day_from_1970(&self) -> Result<i64> {
        let get = |field| self.rest.get(field);
        let mut day = 0;
        if let Some(of_week) = get(Field::DayOfWeek) {
            day += of_week - day_of_week(day);
        }
        let (mut year, mut month, mut dom) = civil_of_day(day);
        if let Some(given) = get(Field::DayOfMonth) {
            dom = given.min(month_days(year, month));
            if given > dom {
                return Err(Error::new(code::DATETIME_FIELD_OVERFLOW, "the month has no such day"));
            }
        }
        if let Some(given) = get(Field::DayOfYear) {
            if given == 366 {
                return Err(Error::new(code::DATETIME_FIELD_OVERFLOW, "the last day of a leap year needs its year"));
            }
            (year, month, dom) = civil_of_day(day_of_civil(year, 1, 1) + given - 1);
        }
        if let Some(given) = get(Field::AlignedWeek) {
            (year, month, dom) = civil_of_day(day_of_civil(year, month, dom) + (given - ((dom - 1) / 7 + 1)) * 7);
        }
        if let Some(given) = get(Field::Month) {
            month = given;
            dom = dom.min(month_days(year, month));
        }
        if let Some(given) = get(Field::Year) {
            year = given;
        }
        if get(Field::Era) == Some(0) {
            year = 1 - year;
        }
        Ok(day_of_civil(year, month, dom.min(month_days(year, month))))
    }
}
