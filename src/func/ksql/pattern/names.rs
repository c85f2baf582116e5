//! English names of months, days and zones.

use super::{Field, Style};

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const QUARTERS: [&str; 4] = ["1st quarter", "2nd quarter", "3rd quarter", "4th quarter"];
const SHORT_QUARTERS: [&str; 4] = ["Q1", "Q2", "Q3", "Q4"];

/// Abbreviations of zones, their names in full, and a region that has them, by which they are read.
const ZONES: [(&str, &str, &str); 26] = [
    ("UTC", "Coordinated Universal Time", "UTC"),
    ("GMT", "Greenwich Mean Time", "GMT"),
    ("PST", "Pacific Standard Time", "America/Los_Angeles"),
    ("PDT", "Pacific Daylight Time", "America/Los_Angeles"),
    ("MST", "Mountain Standard Time", "America/Denver"),
    ("MDT", "Mountain Daylight Time", "America/Denver"),
    ("CST", "Central Standard Time", "America/Chicago"),
    ("CDT", "Central Daylight Time", "America/Chicago"),
    ("EST", "Eastern Standard Time", "America/New_York"),
    ("EDT", "Eastern Daylight Time", "America/New_York"),
    ("AKST", "Alaska Standard Time", "America/Anchorage"),
    ("AKDT", "Alaska Daylight Time", "America/Anchorage"),
    ("HST", "Hawaii-Aleutian Standard Time", "Pacific/Honolulu"),
    ("BST", "British Summer Time", "Europe/London"),
    ("WET", "Western European Standard Time", "Europe/Lisbon"),
    ("WEST", "Western European Summer Time", "Europe/Lisbon"),
    ("CET", "Central European Standard Time", "Europe/Paris"),
    ("CEST", "Central European Summer Time", "Europe/Paris"),
    ("EET", "Eastern European Standard Time", "Europe/Bucharest"),
    ("EEST", "Eastern European Summer Time", "Europe/Bucharest"),
    ("MSK", "Moscow Standard Time", "Europe/Moscow"),
    ("IST", "India Standard Time", "Asia/Kolkata"),
    ("JST", "Japan Standard Time", "Asia/Tokyo"),
    ("KST", "Korean Standard Time", "Asia/Seoul"),
    ("AEST", "Australian Eastern Standard Time", "Australia/Sydney"),
    ("AEDT", "Australian Eastern Daylight Time", "Australia/Sydney"),
];

/// The name of a field's value.
pub fn name(field: Field, style: Style, value: i64) -> Option<&'static str> {
    let pick = |names: &[&'static str], first: i64| names.get(usize::try_from(value - first).ok()?).copied();
    let cut = |full: &'static str, len: usize| if style == Style::Full { full } else { full.get(..len).unwrap_or(full) };
    let short = if style == Style::Narrow { 1 } else { 3 };
    match (field, style) {
        (Field::Month, _) => pick(&MONTHS, 1).map(|full| cut(full, short)),
        (Field::DayOfWeek, _) => pick(&DAYS, 1).map(|full| cut(full, short)),
        (Field::AmPm, _) => pick(&["AM", "PM"], 0),
        (Field::Era, Style::Short) => pick(&["BC", "AD"], 0),
        (Field::Era, Style::Full) => pick(&["Before Christ", "Anno Domini"], 0),
        (Field::Era, Style::Narrow) => pick(&["B", "A"], 0),
        (Field::Quarter, Style::Full) => pick(&QUARTERS, 1),
        (Field::Quarter, Style::Short) => pick(&SHORT_QUARTERS, 1),
        (Field::Quarter, Style::Narrow) => pick(&["1", "2", "3", "4"], 1),
        _ => None,
    }
}

/// The value of the longest name that the text begins with, whatever its case, and the length of that name.
pub fn read(field: Field, style: Style, text: &str) -> Option<(i64, usize)> {
    let found = (0..=12).filter_map(|value| {
        let name = name(field, style, value)?;
        let start = text.get(..name.len())?;
        start.eq_ignore_ascii_case(name).then_some((value, name.len()))
    });
    // Of equal ones (narrow names) the first.
    found.fold(None, |best, next| match best {
        Some((_, len)) if len >= next.1 => best,
        _ => Some(next),
    })
}

/// The name in full of a zone's abbreviation.
pub fn zone_in_full(abbreviation: &str) -> Option<&'static str> {
    ZONES.iter().find(|(short, ..)| *short == abbreviation).map(|(_, full, _)| *full)
}

/// The region of the longest abbreviation or name of a zone that the text begins with, and the length of that.
pub fn read_zone(text: &str) -> Option<(&'static str, usize)> {
    let starts = |name: &str| text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    let names = ZONES.iter().flat_map(|(short, full, region)| [(*short, *region), (*full, *region)]);
    names.filter(|(name, _)| starts(name)).map(|(name, region)| (region, name.len())).max_by_key(|(_, len)| *len)
}
