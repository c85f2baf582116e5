//! Times in a path: what datetime() reads, by the templates of the SQL standard, and how times are compared.

use std::cmp::Ordering;
use std::sync::LazyLock;

use crate::data::datetime::{US_PER_DAY, US_PER_SECOND, Zone, days_from_civil, days_in_month, put_date, put_time};
use crate::error::{Error, Result, code};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Date,
    Time,
    Timetz,
    Timestamp,
    Timestamptz,
}

/// A date, a time of day, or both.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    kind: Kind,
    /// Microseconds that a clock shows: since 1970, or of the day.
    us: i64,
    /// Seconds that this clock is ahead of UTC, where that is said.
    offset: i32,
}

impl Kind {
    /// As errors name it.
    fn short_name(self) -> &'static str {
        match self {
            Kind::Date => "date",
            Kind::Time => "time",
            Kind::Timetz => "timetz",
            Kind::Timestamp => "timestamp",
            Kind::Timestamptz => "timestamptz",
        }
    }
}

impl Moment {
    /// What type() calls it.
    pub(super) fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Date => "date",
            Kind::Time => "time without time zone",
            Kind::Timetz => "time with time zone",
            Kind::Timestamp => "timestamp without time zone",
            Kind::Timestamptz => "timestamp with time zone",
        }
    }

    /// As JSON has it: `2020-01-05T10:20:30+02:00`.
    pub(super) fn text(&self) -> String {
        let mut out = Vec::new();
        if matches!(self.kind, Kind::Date | Kind::Timestamp | Kind::Timestamptz) {
            // The reader keeps years below 294277.
            put_date(self.us.div_euclid(US_PER_DAY) as i32, &mut out);
        }
        if matches!(self.kind, Kind::Timestamp | Kind::Timestamptz) {
            out.push(b'T');
        }
        if self.kind != Kind::Date {
            put_time(self.us.rem_euclid(US_PER_DAY), &mut out);
        }
        let mut text = String::from_utf8_lossy(&out).into_owned();
        if matches!(self.kind, Kind::Timetz | Kind::Timestamptz) {
            let (sign, minutes) = (if self.offset < 0 { '-' } else { '+' }, self.offset.abs() / 60);
            text.push_str(&format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60));
        }
        text
    }

    fn utc(&self) -> i64 {
        self.us.saturating_sub(i64::from(self.offset) * US_PER_SECOND)
    }
}

/// The order of two times; `None` if they have none. Errors: 0A000 where it depends on the time zone and none may be used.
pub(super) fn compared(left: &Moment, right: &Moment, zone: Option<&Zone>) -> Result<Option<Ordering>> {
    use Kind::{Date, Time, Timestamp, Timestamptz, Timetz};
    Ok(match (left.kind, right.kind) {
        (Date | Timestamp, Date | Timestamp) | (Time, Time) => Some(left.us.cmp(&right.us)),
        (Timestamptz, Timestamptz) => Some(left.utc().cmp(&right.utc())),
        // Of two that are the same instant, the clock further west comes later.
        (Timetz, Timetz) => Some(left.utc().cmp(&right.utc()).then(right.offset.cmp(&left.offset))),
        (Date | Timestamp, Timestamptz) | (Time, Timetz) => compared(&zoned(left, right.kind, zone)?, right, zone)?,
        (Timestamptz, Date | Timestamp) | (Timetz, Time) => compared(left, &zoned(right, left.kind, zone)?, zone)?,
        (Date | Timestamp | Timestamptz, Time | Timetz) | (Time | Timetz, Date | Timestamp | Timestamptz) => None,
    })
}

/// A time as one of that kind in the session's zone. Errors: 0A000 if no zone may be used, or if the zone's offset is not always the same for
/// a time of day.
fn zoned(moment: &Moment, kind: Kind, zone: Option<&Zone>) -> Result<Moment> {
    let Some(zone) = zone else {
        let (from, to) = (moment.kind.short_name(), kind.short_name());
        let error = Error::unsupported(format!("cannot convert value from {from} to {to} without time zone usage"));
        return Err(error.hint("Use *_tz() function for time zone support."));
    };
    let offset = match (kind, zone) {
        (Kind::Timetz, Zone::Named(_)) => {
            let error = Error::unsupported("a time of day has no offset in a time zone whose clock is put forward and back");
            return Err(error.hint("SET timezone to UTC or to an offset, or write the offset behind the time."));
        }
        (Kind::Timetz, zone) => zone.offset_at(0),
        _ => {
            let utc = zone.to_utc(moment.us).unwrap_or(moment.us);
            ((moment.us - utc) / US_PER_SECOND) as i32
        }
    };
    Ok(Moment { kind, us: moment.us, offset })
}

/// What a template asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Field {
    /// The last digits of a year, at most so many.
    Year(usize),
    Month,
    Day,
    DayOfYear,
    Hour24,
    Hour12,
    Minute,
    Second,
    SecondOfDay,
    /// Digits of a fraction of a second.
    Fraction(usize),
    Half,
    ZoneHour,
    ZoneMinute,
}

/// Fields by their names, the longer before those that they begin with.
const FIELDS: &[(&str, Field)] = &[
    ("YYYY", Field::Year(4)),
    ("YYY", Field::Year(3)),
    ("YY", Field::Year(2)),
    ("Y", Field::Year(1)),
    ("MM", Field::Month),
    ("DDD", Field::DayOfYear),
    ("DD", Field::Day),
    ("HH24", Field::Hour24),
    ("HH12", Field::Hour12),
    ("HH", Field::Hour12),
    ("MI", Field::Minute),
    ("SSSSS", Field::SecondOfDay),
    ("SSSS", Field::SecondOfDay),
    ("SS", Field::Second),
    ("MS", Field::Fraction(3)),
    ("US", Field::Fraction(6)),
    ("FF1", Field::Fraction(1)),
    ("FF2", Field::Fraction(2)),
    ("FF3", Field::Fraction(3)),
    ("FF4", Field::Fraction(4)),
    ("FF5", Field::Fraction(5)),
    ("FF6", Field::Fraction(6)),
    ("A.M.", Field::Half),
    ("P.M.", Field::Half),
    ("AM", Field::Half),
    ("PM", Field::Half),
    ("TZH", Field::ZoneHour),
    ("TZM", Field::ZoneMinute),
];

/// Fields that PostgreSQL reads and we do not.
const UNREAD: &[&str] = &[
    "MONTH", "MON", "DAY", "DY", "RRRR", "RR", "IYYY", "IYY", "IY", "IDDD", "ID", "IW", "WW", "CC", "BC", "AD", "B.C.", "A.D.", "RM", "FM",
    "FX", "Q", "J", "D", "W",
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    /// `counted`: digits follow at once, so that this one has no more than its own.
    Field(Field, &'static str, bool),
    Separator(char),
    /// In quotes.
    Char(char),
}

/// The forms of ISO 8601 that datetime() reads by itself; see PostgreSQL's manual, table 9.50.
static ISO: LazyLock<Vec<Vec<Part>>> = LazyLock::new(|| {
    const TIMES: &[&str] =
        &["HH24:MI:SS.USTZH:TZM", "HH24:MI:SS.USTZH", "HH24:MI:SSTZH:TZM", "HH24:MI:SSTZH", "HH24:MI:SS.US", "HH24:MI:SS"];
    let timestamps = |between: &'static str| TIMES.iter().map(move |time| format!("yyyy-mm-dd{between}{time}"));
    let all = std::iter::once("yyyy-mm-dd".to_string()).chain(TIMES.iter().map(ToString::to_string));
    all.chain(timestamps(" ")).chain(timestamps("\"T\"")).filter_map(|template| parts(&template).ok()).collect()
});

fn wrong(message: impl Into<String>) -> Error {
    Error::new(code::INVALID_DATETIME_FORMAT, message)
}

/// Takes a template apart. Errors: 22007 for what is no field and no separator, 0A000 for a field that is not read.
fn parts(template: &str) -> Result<Vec<Part>> {
    let mut all = Vec::new();
    let mut rest = template;
    let starts = |rest: &str, name: &str| rest.get(..name.len()).is_some_and(|text| text.eq_ignore_ascii_case(name));
    while let Some(first) = rest.chars().next() {
        if let Some((name, field)) = FIELDS.iter().find(|(name, _)| starts(rest, name)) {
            if let Some(unread) = UNREAD.iter().find(|unread| unread.len() > name.len() && starts(rest, unread)) {
                return Err(unread_field(unread));
            }
            rest = &rest[name.len()..];
            let counted = FIELDS.iter().any(|(next, field)| starts(rest, next) && !matches!(field, Field::Half | Field::ZoneHour));
            all.push(Part::Field(*field, name, counted));
        } else if let Some(unread) = UNREAD.iter().find(|unread| starts(rest, unread)) {
            return Err(unread_field(unread));
        } else if let Some(quoted) = rest.strip_prefix('"') {
            let (text, behind) = quoted.split_once('"').unwrap_or((quoted, ""));
            all.extend(text.chars().map(Part::Char));
            rest = behind;
        } else if "-./,':; ".contains(first) {
            all.push(Part::Separator(first));
            rest = &rest[first.len_utf8()..];
        } else {
            return Err(wrong(format!("invalid datetime format separator: \"{first}\"")));
        }
    }
    Ok(all)
}

fn unread_field(name: &str) -> Error {
    let error = Error::unsupported(format!("pattern \"{name}\" is not supported in a template of datetime()"));
    error.hint("Write the date with YYYY, MM and DD, the time with HH24, MI, SS and US, the zone with TZH and TZM.")
}

/// Reads a time of ISO 8601.
pub(super) fn read_iso(text: &str) -> Option<Moment> {
    ISO.iter().find_map(|parts| read_parts(text, parts).ok())
}

/// Reads a time by a template. Errors: 22007 where they do not fit, 22008 and 22009 for a field out of range, 0A000.
pub(super) fn read(text: &str, template: &str) -> Result<Moment> {
    read_parts(text, &parts(template)?)
}

/// What is read so far.
#[derive(Default)]
struct Read {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hour: i64,
    /// The hour is one of a clock with twelve of them.
    is_of_twelve: bool,
    half: Option<bool>,
    minute: i64,
    second: i64,
    second_of_day: Option<i64>,
    us: i64,
    zone_sign: i32,
    zone_hour: i64,
    zone_minute: i64,
    is_dated: bool,
    is_timed: bool,
    is_zoned: bool,
}

fn read_parts(text: &str, parts: &[Part]) -> Result<Moment> {
    let mut rest = text.trim_start();
    let mut found = Read { zone_sign: 1, ..Read::default() };
    for part in parts {
        if let Part::Field(..) = part {
            rest = rest.trim_start();
        }
        let Some(first) = rest.chars().next() else { return Err(wrong("input string is too short for datetime format")) };
        match part {
            Part::Separator(wanted) if first == *wanted => rest = &rest[first.len_utf8()..],
            Part::Separator(wanted) => return Err(wrong(format!("unmatched format separator \"{wanted}\""))),
            Part::Char(wanted) if first == *wanted => rest = &rest[first.len_utf8()..],
            Part::Char(wanted) => return Err(wrong(format!("unmatched format character \"{wanted}\""))),
            Part::Field(field, name, counted) => rest = found.take(*field, name, *counted, rest)?,
        }
    }
    if !rest.trim_start().is_empty() {
        return Err(wrong("trailing characters remain in input string after datetime format"));
    }
    found.moment(text)
}

/// The most digits of a field that is counted.
fn width(field: Field) -> usize {
    match field {
        Field::Year(digits) | Field::Fraction(digits) => digits,
        Field::DayOfYear => 3,
        Field::SecondOfDay => 5,
        _ => 2,
    }
}

impl Read {
    /// Takes a field, and answers what is behind it.
    fn take<'t>(&mut self, field: Field, name: &str, counted: bool, text: &'t str) -> Result<&'t str> {
        self.is_dated |= matches!(field, Field::Year(_) | Field::Month | Field::Day | Field::DayOfYear);
        self.is_zoned |= matches!(field, Field::ZoneHour | Field::ZoneMinute);
        self.is_timed |=
            !matches!(field, Field::Year(_) | Field::Month | Field::Day | Field::DayOfYear | Field::ZoneHour | Field::ZoneMinute);
        if field == Field::Half {
            return self.take_half(name, text);
        }
        self.is_of_twelve |= field == Field::Hour12;
        let mut text = text;
        if field == Field::ZoneHour
            && let Some(behind) = text.strip_prefix(['+', '-'])
        {
            self.zone_sign = if text.starts_with('-') { -1 } else { 1 };
            text = behind;
        }
        let most = if counted { width(field) } else { text.len() };
        let count = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let (digits, rest) = text.split_at(count);
        let shown: String = text.chars().take(width(field)).collect();
        if digits.is_empty() {
            let error = wrong(format!("invalid value \"{shown}\" for \"{name}\""));
            return Err(error.detail("Value must be an integer."));
        }
        let out_of_range = || {
            let error = Error::new(code::DATETIME_FIELD_OVERFLOW, format!("value for \"{name}\" in source string is out of range"));
            error.detail("Value must be in the range -2147483648 to 2147483647.")
        };
        let value = i64::from(digits.parse::<i32>().map_err(|_| out_of_range())?);
        match field {
            Field::Year(4) => self.year = value,
            Field::Year(3) => self.year = 2000 + value,
            Field::Year(2) => self.year = if value < 70 { 2000 + value } else { 1900 + value },
            Field::Year(_) => self.year = 2000 + value,
            Field::Month => self.month = Some(value),
            Field::Day => self.day = Some(value),
            Field::DayOfYear => self.day_of_year = Some(value),
            Field::Hour24 | Field::Hour12 => self.hour = value,
            Field::Minute => self.minute = value,
            Field::Second => self.second = value,
            Field::SecondOfDay => self.second_of_day = Some(value),
            Field::Fraction(_) => self.us = if digits.len() > 6 { US_PER_SECOND } else { value * 10i64.pow(6 - digits.len() as u32) },
            Field::ZoneHour => self.zone_hour = value,
            Field::ZoneMinute => self.zone_minute = value,
            Field::Half => {}
        }
        Ok(rest)
    }

    fn take_half<'t>(&mut self, name: &str, text: &'t str) -> Result<&'t str> {
        let forms: &[(&str, bool)] = if name.contains('.') { &[("A.M.", false), ("P.M.", true)] } else { &[("AM", false), ("PM", true)] };
        let found = forms.iter().find(|(form, _)| text.get(..form.len()).is_some_and(|text| text.eq_ignore_ascii_case(form)));
        let Some((form, is_afternoon)) = found else {
            let shown: String = text.chars().take(name.len()).collect();
            let error = wrong(format!("invalid value \"{shown}\" for \"{name}\""));
            return Err(error.detail("The given value did not match any of the allowed values for this field."));
        };
        self.half = Some(*is_afternoon);
        Ok(&text[form.len()..])
    }

    fn moment(&self, text: &str) -> Result<Moment> {
        let kind = match (self.is_dated, self.is_timed, self.is_zoned) {
            (true, true, true) => Kind::Timestamptz,
            (true, true, false) => Kind::Timestamp,
            (true, false, false) => Kind::Date,
            (false, true, true) => Kind::Timetz,
            (false, true, false) => Kind::Time,
            (true, false, true) => return Err(wrong("datetime format is zoned but not timed")),
            (false, false, _) => return Err(wrong("datetime format is not dated and not timed")),
        };
        let out_of_range = || Error::new(code::DATETIME_FIELD_OVERFLOW, format!("date/time field value out of range: \"{text}\""));
        if self.zone_hour > 15 || self.zone_minute > 59 {
            return Err(Error::new(code::INVALID_TIME_ZONE_DISPLACEMENT, format!("time zone displacement out of range: \"{text}\"")));
        }
        if self.is_of_twelve && !(1..=12).contains(&self.hour) {
            let error = wrong(format!("hour \"{}\" is invalid for the 12-hour clock", self.hour));
            return Err(error.hint("Use the 24-hour clock, or give an hour between 1 and 12."));
        }
        if self.day_of_year.is_some() && self.year == 0 {
            return Err(wrong("cannot calculate day of year without year information"));
        }
        let date = if self.is_dated { self.days().and_then(|days| days.checked_mul(US_PER_DAY)) } else { Some(0) };
        let us = date.zip(self.time()).and_then(|(date, time)| date.checked_add(time)).ok_or_else(out_of_range)?;
        Ok(Moment { kind, us, offset: self.zone_sign * (self.zone_hour * 3600 + self.zone_minute * 60) as i32 })
    }

    /// Days since 1970.
    fn days(&self) -> Option<i64> {
        let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        let month = u32::try_from(month).ok().filter(|month| (1..=12).contains(month) && self.year < 294_277)?;
        let day = u32::try_from(day).ok().filter(|day| (1..=days_in_month(self.year, month)).contains(day))?;
        match self.day_of_year {
            Some(n) if !(1..=366).contains(&n) => None,
            Some(n) => Some(days_from_civil(self.year, 1, 1) + n - 1),
            None => Some(days_from_civil(self.year, month, day)),
        }
    }

    /// Microseconds of the day.
    fn time(&self) -> Option<i64> {
        if let Some(second) = self.second_of_day {
            return (second < 86_400).then(|| second * US_PER_SECOND + self.us);
        }
        let hour = match self.half {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let fits = hour < 24 && self.minute < 60 && self.second < 60 && self.us < US_PER_SECOND;
        fits.then(|| ((hour * 60 + self.minute) * 60 + self.second) * US_PER_SECOND + self.us)
    }
}
