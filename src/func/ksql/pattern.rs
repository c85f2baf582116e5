//! Patterns of dates and times as Java's DateTimeFormatter knows them: compiled once, then used for writing and reading.
//!
//! What ksqlDB relies upon is kept: reading ignores case, two-digit years are of this century, days beyond a month's end fall back to
//! its last one, names are English, weeks are American (ksqlDB runs in the locale en_US).

pub mod calendar;
mod names;
mod parse;
mod print;
mod resolve;
mod simple;
pub mod zone;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::error::{Error, Result, code};

pub use resolve::Parsed;
pub use simple::parse_simple_date;
pub use zone::Zone;

/// Compiled patterns that a thread keeps.
const KEPT_MAX: usize = 1_000;
/// The longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 4_096;

thread_local! {
    static KEPT: RefCell<HashMap<String, Rc<Pattern>>> = RefCell::new(HashMap::new());
}

/// What is known of a moment: what a pattern asks for beyond that is an error.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Days since 1970-01-01.
    pub day: Option<i64>,
    /// Nanoseconds since midnight.
    pub nano: Option<i64>,
    /// The zone and its offset at that moment, in seconds.
    pub zone: Option<(Zone, i32)>,
}

/// A field of a date or time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Era,
    YearOfEra,
    Year,
    Quarter,
    Month,
    DayOfMonth,
    DayOfYear,
    DayOfWeek,
    /// Sunday is 1.
    DayOfAmericanWeek,
    WeekYear,
    WeekOfYear,
    WeekOfMonth,
    AlignedWeek,
    AmPm,
    Hour,
    ClockHour,
    HourOfAmPm,
    ClockHourOfAmPm,
    Minute,
    Second,
    Nano,
    NanoOfDay,
    MilliOfDay,
}

/// The number of fields.
const FIELDS: usize = Field::MilliOfDay as usize + 1;

impl Field {
    fn is_time(self) -> bool {
        self as usize >= Field::AmPm as usize
    }
}

/// When a number carries a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    /// Only negative ones.
    Normal,
    /// None may be negative.
    Never,
    /// Also positive ones that are longer than the pattern says.
    Exceeds,
}

/// How long a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Short,
    Full,
    Narrow,
}

/// A piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Literal(String),
    Number {
        field: Field,
        min: usize,
        max: usize,
        sign: Sign,
        /// Digits that the fixed numbers directly behind need.
        reserved: usize,
    },
    /// The last two digits of a year of this century.
    ShortYear {
        field: Field,
        reserved: usize,
    },
    Text(Field, Style),
    Fraction(usize),
    Offset {
        shape: Shape,
        zero: &'static str,
    },
    /// `GMT+8`, or in full `GMT+08:00`.
    LocalizedOffset(Style),
    ZoneId,
    ZoneName(Style),
    Optional(Vec<Item>),
}

/// How an offset is written behind its hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    colon: bool,
    minutes_optional: bool,
    seconds: bool,
}

/// A compiled pattern.
#[derive(Debug)]
pub struct Pattern {
    items: Vec<Item>,
}

impl Pattern {
    /// Compiles a pattern, or gives the one compiled before.
    pub fn compile(text: &str) -> Result<Rc<Pattern>> {
        if let Some(kept) = KEPT.with(|kept| kept.borrow().get(text).cloned()) {
            return Ok(kept);
        }
        let compiled = Rc::new(Pattern { items: compile(text)? });
        KEPT.with(|kept| {
            let mut kept = kept.borrow_mut();
            if kept.len() >= KEPT_MAX {
                kept.clear();
            }
            kept.insert(text.to_string(), compiled.clone());
        });
        Ok(compiled)
    }

    /// Writes a moment.
    pub fn format(&self, parts: &Parts) -> Result<String> {
        let mut out = String::new();
        print::print(&self.items, parts, &mut out)?;
        Ok(out)
    }

    /// Reads a text, all of it.
    pub fn parse(&self, text: &str) -> Result<Parsed> {
        resolve::resolve(parse::parse(&self.items, text)?, text)
    }
}

/// 22023: what is wrong with a pattern.
fn bad_pattern(text: &str, why: &str) -> Error {
    Error::new(code::INVALID_PARAMETER_VALUE, format!("invalid date and time pattern \"{text}\": {why}"))
}

fn compile(text: &str) -> Result<Vec<Item>> {
    if text.len() > PATTERN_BYTES_MAX {
        return Err(Error::new(code::INVALID_PARAMETER_VALUE, "date and time pattern is too long"));
    }
    let chars: Vec<char> = text.chars().collect();
    // The lists of items that are open: the pattern itself and the optional parts around the present place.
    let mut open: Vec<Vec<Item>> = vec![Vec::new()];
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let run = chars.iter().skip(at).take_while(|&&d| d == c).count();
        let mut add = |item: Item| {
            if let Some(items) = open.last_mut() {
                push(items, item);
            }
        };
        match c {
            'a'..='z' | 'A'..='Z' => {
                add(item_of(c, run).ok_or_else(|| bad_pattern(text, &format!("{} is no part of one", String::from(c).repeat(run))))?);
                at += run;
            }
            '\'' => {
                let (literal, next) = quoted(&chars, at + 1).ok_or_else(|| bad_pattern(text, "a quote is not closed"))?;
                add(Item::Literal(literal));
                at = next;
            }
            '[' => {
                if open.len() > 50 {
                    return Err(bad_pattern(text, "too many nested optional parts"));
                }
                open.push(Vec::new());
                at += 1;
            }
            ']' => {
                let items = open.pop().unwrap_or_default();
                let Some(around) = open.last_mut() else { return Err(bad_pattern(text, "] without [")) };
                push(around, Item::Optional(items));
                at += 1;
            }
            '{' | '}' | '#' => return Err(bad_pattern(text, &format!("{c} is reserved"))),
            _ => {
                add(Item::Literal(c.into()));
                at += 1;
            }
        }
    }
    // An optional part may stay open until the end.
    while open.len() > 1 {
        let items = open.pop().unwrap_or_default();
        if let Some(around) = open.last_mut() {
            push(around, Item::Optional(items));
        }
    }
    Ok(open.pop().unwrap_or_default())
}

/// The text behind an opening quote, and the place behind the closing one; two quotes are one.
fn quoted(chars: &[char], from: usize) -> Option<(String, usize)> {
    let mut literal = String::new();
    let mut at = from;
    loop {
        match (chars.get(at)?, chars.get(at + 1)) {
            ('\'', Some('\'')) => {
                literal.push('\'');
                at += 2;
            }
            ('\'', _) => {
                // Nothing between the quotes: a quote itself.
                return Some((if literal.is_empty() { "'".into() } else { literal }, at + 1));
            }
            (c, _) => {
                literal.push(*c);
                at += 1;
            }
        }
    }
}

/// Appends an item; a number of fixed length makes the number before it leave digits for it.
fn push(items: &mut Vec<Item>, item: Item) {
    let width = match &item {
        Item::Number { min, max, sign: Sign::Never, .. } if min == max => *min,
        Item::ShortYear { .. } => 2,
        Item::Fraction(width) => *width,
        _ => 0,
    };
    if width > 0 {
        // Through the fixed numbers before it to the first one of the row.
        let is_fixed = |item: &Item| match item {
            Item::Number { min, max, sign, .. } => *sign == Sign::Never && min == max,
            Item::Fraction(_) => true,
            _ => false,
        };
        let first = items.iter().rposition(|item| !is_fixed(item));
        if let Some(Item::Number { reserved, .. } | Item::ShortYear { reserved, .. }) = first.and_then(|at| items.get_mut(at)) {
            *reserved += width;
        }
    }
    items.push(item);
}

/// The item of a run of letters.
fn item_of(letter: char, count: usize) -> Option<Item> {
    use Field::*;
    let number = |field, min, max, sign| Item::Number { field, min, max, sign, reserved: 0 };
    // One letter: as many digits as there are; two: just two.
    let one_or_two = |field| match count {
        1 => Some(number(field, 1, 19, Sign::Normal)),
        2 => Some(number(field, 2, 2, Sign::Never)),
        _ => None,
    };
    let named = |field| match count {
        1 | 2 => one_or_two(field),
        3 => Some(Item::Text(field, Style::Short)),
        4 => Some(Item::Text(field, Style::Full)),
        5 => Some(Item::Text(field, Style::Narrow)),
        _ => None,
    };
    let year = |field| match count {
        2 => Item::ShortYear { field, reserved: 0 },
        1 | 3 => number(field, count, 19, Sign::Normal),
        _ => number(field, count, 19, Sign::Exceeds),
    };
    let shape = |colon, minutes_optional, seconds| Shape { colon, minutes_optional, seconds };
    let offset_shape = match count {
        1 => shape(false, true, false),
        2 => shape(false, false, false),
        3 => shape(true, false, false),
        4 => shape(false, false, true),
        _ => shape(true, false, true),
    };
    Some(match letter {
        'y' if count <= 19 => year(YearOfEra),
        'u' if count <= 19 => year(Year),
        'Y' if count <= 19 => year(WeekYear),
        'M' | 'L' => named(Month)?,
        'Q' | 'q' => named(Quarter)?,
        'e' | 'c' if count == 1 => number(DayOfAmericanWeek, 1, 1, Sign::Never),
        'e' if count == 2 => number(DayOfAmericanWeek, 2, 2, Sign::Never),
        'e' | 'c' if (3..=5).contains(&count) => return item_of('E', count),
        'E' => match count {
            1..=3 => Item::Text(DayOfWeek, Style::Short),
            4 => Item::Text(DayOfWeek, Style::Full),
            5 => Item::Text(DayOfWeek, Style::Narrow),
            _ => return None,
        },
        'G' => match count {
            1..=3 => Item::Text(Era, Style::Short),
            4 => Item::Text(Era, Style::Full),
            5 => Item::Text(Era, Style::Narrow),
            _ => return None,
        },
        'a' if count == 1 => Item::Text(AmPm, Style::Short),
        'w' => match count {
            1 => number(WeekOfYear, 1, 2, Sign::Never),
            2 => number(WeekOfYear, 2, 2, Sign::Never),
            _ => return None,
        },
        'W' if count == 1 => number(WeekOfMonth, 1, 1, Sign::Never),
        'F' if count == 1 => number(AlignedWeek, 1, 19, Sign::Normal),
        'd' => one_or_two(DayOfMonth)?,
        'h' => one_or_two(ClockHourOfAmPm)?,
        'H' => one_or_two(Hour)?,
        'k' => one_or_two(ClockHour)?,
        'K' => one_or_two(HourOfAmPm)?,
        'm' => one_or_two(Minute)?,
        's' => one_or_two(Second)?,
        'D' => match count {
            1 => number(DayOfYear, 1, 19, Sign::Normal),
            2 | 3 => number(DayOfYear, count, 3, Sign::Never),
            _ => return None,
        },
        'S' if count <= 9 => Item::Fraction(count),
        'A' if count <= 19 => number(MilliOfDay, count, 19, Sign::Never),
        'n' if count <= 19 => number(Nano, count, 19, Sign::Never),
        'N' if count <= 19 => number(NanoOfDay, count, 19, Sign::Never),
        'X' if count <= 5 => Item::Offset { shape: offset_shape, zero: "Z" },
        'x' if count <= 5 => Item::Offset {
            shape: offset_shape,
            zero: match count {
                1 => "+00",
                2 | 4 => "+0000",
                _ => "+00:00",
            },
        },
        'Z' => match count {
            1..=3 => Item::Offset { shape: shape(false, false, false), zero: "+0000" },
            4 => Item::LocalizedOffset(Style::Full),
            5 => Item::Offset { shape: shape(true, false, true), zero: "Z" },
            _ => return None,
        },
        'O' if count == 1 => Item::LocalizedOffset(Style::Short),
        'O' if count == 4 => Item::LocalizedOffset(Style::Full),
        'V' if count == 2 => Item::ZoneId,
        'z' if count <= 3 => Item::ZoneName(Style::Short),
        'z' | 'v' if count == 4 => Item::ZoneName(Style::Full),
        'v' if count == 1 => Item::ZoneName(Style::Short),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::calendar::day_of_civil;
    use super::*;
    use crate::func::ksql::cast::local_parts;

    fn format(ms: i64, pattern: &str, zone: &str) -> Option<String> {
        Pattern::compile(pattern).ok()?.format(&local_parts(ms, &Zone::parse(zone).ok()?)).ok()
    }

    #[test]
    fn moments_are_written() {
        let cases = [
            ("yyyy-MM-dd HH:mm:ss zzz", "America/Los_Angeles", "2018-05-11 14:58:33 PDT"),
            ("yyyy-MM-dd HH:mm:ss zzz", "Europe/London", "2018-05-11 22:58:33 BST"),
            ("yyyy-MM-dd'T'HH:mm:ssX", "UTC", "2018-05-11T21:58:33Z"),
            ("EEE, d MMM yyyy h:mm a", "UTC", "Fri, 11 May 2018 9:58 PM"),
            ("EEEE MMMM yy G QQQ D e w W", "UTC", "Friday May 18 AD Q2 131 6 19 2"),
            ("XXX xx Z ZZZZ O VV", "Asia/Kolkata", "+05:30 +0530 +0530 GMT+05:30 GMT+5:30 Asia/Kolkata"),
            ("x Z ZZZZ O VV z zzzz", "UTC", "+00 +0000 GMT GMT UTC UTC Coordinated Universal Time"),
            ("HHmmss'AAAAA'''SSS", "UTC", "215833AAAAA'123"),
            ("KK kk A n S", "UTC", "09 21 79113123 123000000 1"),
            ("yyyy[ 'at' HH]", "UTC", "2018 at 21"),
            ("VV", "+02:00", "+02:00"),
        ];
        for (pattern, zone, expected) in cases {
            assert_eq!(format(1_526_075_913_123, pattern, zone).as_deref(), Some(expected), "{pattern}");
        }
        assert_eq!(format(253_402_300_800_000, "yyyy-MM-dd", "UTC").as_deref(), Some("+10000-01-01"));
        for wrong in ["yyyy-MM-dd'T", "bbb", "MMMMMM", "{", "]", "ppH"] {
            assert!(Pattern::compile(wrong).is_err(), "{wrong}");
        }
        let date_only = Parts { day: Some(0), nano: None, zone: None };
        let pattern = |text: &str| Pattern::compile(text).expect("a pattern");
        assert!(pattern("yyyy HH").format(&date_only).is_err());
        assert_eq!(pattern("yyyy[ HH]").format(&date_only).ok().as_deref(), Some("1970"));
    }

    #[test]
    fn texts_are_read() {
        let cases = [
            ("2018-05-11T21:58:33z", "yyyy-MM-dd'T'HH:mm:ssX", Some(1_526_075_913_000)),
            ("10-04-19 12:00:17Z", "yy-MM-dd HH:mm:ssX", Some(1_271_678_417_000)),
            ("20180511215833123", "yyyyMMddHHmmssSSS", Some(1_526_075_913_123)),
            ("11 MAY 2018 9 pm", "d MMM yyyy h a", Some(1_526_072_400_000)),
            ("1605", "HHmm", Some(57_900_000)),
            ("07", "MM", Some(181 * 86_400_000)),
            ("2020", "yyyy", Some(1_577_836_800_000)),
            ("2020-366", "yyyy-DDD", Some(1_609_372_800_000)),
            ("366", "DDD", None),
            ("2021-366", "yyyy-DDD", None),
            ("2020-01-01 24:00", "yyyy-MM-dd HH:mm", Some(1_577_923_200_000)),
            ("2020-13-01", "yyyy-MM-dd", None),
            ("2020-01-01x", "yyyy-MM-dd", None),
            ("2020-01-01", "yyyy-MM-dd[ HH:mm]", Some(1_577_836_800_000)),
            ("2020-01-01 01:30", "yyyy-MM-dd[ HH:mm]", Some(1_577_842_200_000)),
            ("2018-05-11 14:58:33 PDT", "yyyy-MM-dd HH:mm:ss zzz", Some(1_526_075_913_000)),
            ("2018-05-11 14:58 America/Los_Angeles", "yyyy-MM-dd HH:mm VV", Some(1_526_075_880_000)),
            ("2018-05-11 14:58 GMT-7", "yyyy-MM-dd HH:mm O", Some(1_526_075_880_000)),
            ("Fri 2018-05-11", "EEE yyyy-MM-dd", Some(1_525_996_800_000)),
            ("Mon 2018-05-11", "EEE yyyy-MM-dd", None),
            ("2018 19 6", "YYYY w e", Some(1_525_996_800_000)),
            ("12", "hh", Some(0)),
        ];
        for (text, pattern, expected) in cases {
            let read = Pattern::compile(pattern).and_then(|p| p.parse(text)).and_then(|p| p.instant(&Zone::utc()));
            assert_eq!(read.ok(), expected, "{text} as {pattern}");
        }
    }

    #[test]
    fn gaps_and_overlaps_of_a_zone() {
        let zone = Zone::parse("America/New_York").expect("a zone");
        let read = |text: &str| {
            let pattern = Pattern::compile("yyyy-MM-dd HH:mm").expect("a pattern");
            pattern.parse(text).and_then(|p| p.instant(&zone)).expect("a time")
        };
        // 02:30 does not exist on that day and becomes 03:30.
        assert_eq!(read("2020-03-08 02:30"), day_of_civil(2020, 3, 8) * 86_400_000 + 7 * 3_600_000 + 1_800_000);
        // 01:30 exists twice; Java's chain of changes from 1970 on ends at the standard time.
        assert_eq!(read("2020-11-01 01:30"), day_of_civil(2020, 11, 1) * 86_400_000 + 6 * 3_600_000 + 1_800_000);
    }
}
