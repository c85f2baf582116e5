//! Patterns of to_char, to_date and to_timestamp for times (manual, table 9.27), cut into pieces.

use crate::func::arith::time::{DAY_US, civil, day_number};

/// Pattern words, longer ones before their own beginnings.
const WORDS: &[&str] = &[
    "HH24", "HH12", "HH", "MI", "SSSSS", "SSSS", "SS", "MS", "US", "FF1", "FF2", "FF3", "FF4", "FF5", "FF6", "A.M.", "P.M.", "a.m.",
    "p.m.", "AM", "PM", "am", "pm", "Y,YYY", "YYYY", "YYY", "YY", "Y", "IYYY", "IYY", "IY", "B.C.", "A.D.", "BC", "AD", "bc", "ad",
    "MONTH", "Month", "month", "MON", "Mon", "mon", "MM", "DAY", "Day", "day", "DY", "Dy", "dy", "DDD", "IDDD", "DD", "D", "ID", "WW",
    "IW", "I", "W", "CC", "J", "Q", "RM", "rm", "TZH", "TZM", "TZ", "tz", "OF",
];

/// A piece of a pattern.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// A pattern word; `fill` is false after FM, `ordinal` is its TH or th suffix.
    Word { word: &'static str, fill: bool, ordinal: Option<bool> },
    /// Text that stands for itself.
    Text(String),
}

/// The pieces of a pattern.
pub fn pieces(pattern: &str) -> Vec<Piece> {
    let mut all = Vec::new();
    let mut rest = pattern;
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let end = quoted.find('"').unwrap_or(quoted.len());
            all.push(Piece::Text(quoted[..end].replace('\\', "")));
            rest = quoted.get(end + 1..).unwrap_or("");
            continue;
        }
        let (fill, body) = match rest.strip_prefix("FM").or_else(|| rest.strip_prefix("fm")) {
            Some(body) => (false, body),
            None => (true, rest),
        };
        let (localized, body) = match body.strip_prefix("TM").or_else(|| body.strip_prefix("tm")) {
            Some(body) => (true, body),
            None => (false, body),
        };
        let upper = body.get(..body.len().min(5)).map(str::to_ascii_uppercase).unwrap_or_default();
        let exact = WORDS.iter().find(|w| body.starts_with(**w));
        let word = WORDS.iter().find(|w| body.starts_with(**w)).or_else(|| WORDS.iter().find(|w| upper.starts_with(**w)));
        let longest = [exact, word].into_iter().flatten().max_by_key(|w| w.len());
        if let Some(word) = longest {
            rest = &body[word.len()..];
            let ordinal = match rest.get(..2) {
                Some("TH") => Some(true),
                Some("th") => Some(false),
                _ => None,
            };
            rest = if ordinal.is_some() { &rest[2..] } else { rest };
            // A name in the language of the session is not filled.
            let fill = fill && !(localized && matches!(word.to_ascii_lowercase().as_str(), "month" | "day"));
            all.push(Piece::Word { word, fill, ordinal });
            continue;
        }
        let mut chars = rest.chars();
        let first = chars.next().unwrap_or(' ');
        match all.last_mut() {
            Some(Piece::Text(text)) => text.push(first),
            _ => all.push(Piece::Text(first.to_string())),
        }
        rest = chars.as_str();
    }
    all
}

/// Full names of the months.
pub const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
/// Full names of the days, Sunday first.
pub const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A moment in its fields.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fields {
    pub year: i64,
    pub month: i64,
    pub day: i64,
    /// Microseconds of the day; of an interval all of its time.
    pub time: i64,
    pub is_interval: bool,
}

impl Fields {
    /// The fields of a timestamp in microseconds since 1970.
    pub fn of_timestamp(us: i64) -> Fields {
        let (year, month, day) = civil(us.div_euclid(DAY_US));
        Fields { year, month, day, time: us.rem_euclid(DAY_US), is_interval: false }
    }

    fn days(&self) -> i64 {
        day_number(self.year, self.month.clamp(1, 12), self.day)
    }

    /// 0 = Sunday.
    pub fn weekday(&self) -> i64 {
        (self.days() + 4).rem_euclid(7)
    }

    /// Day of the year from 1.
    pub fn yearday(&self) -> i64 {
        self.days() - day_number(self.year, 1, 1) + 1
    }

    /// ISO year, week and weekday (Monday = 1).
    pub fn iso(&self) -> (i64, i64, i64) {
        let weekday = (self.weekday() + 6) % 7;
        let thursday = self.days() - weekday + 3;
        let (year, ..) = civil(thursday);
        (year, (thursday - day_number(year, 1, 1)) / 7 + 1, weekday + 1)
    }

    /// The Julian day.
    pub fn julian(&self) -> i64 {
        self.days() + 2_440_588
    }
}

/// The time zone that a moment is shown in: what it is called, and how many seconds it is east of UTC. A timestamp has none.
#[derive(Clone, Debug, Default)]
pub struct Place {
    pub name: String,
    pub offset: i64,
}

/// `n` padded with zeros to `width` where `fill`, a sign apart.
fn number(n: i64, width: usize, fill: bool) -> String {
    let width = width + usize::from(n < 0);
    if fill { format!("{n:0width$}") } else { n.to_string() }
}

fn ordinal_suffix(n: i64) -> &'static str {
    match (n % 10, n / 10 % 10 == 1) {
        (1, false) => "st",
        (2, false) => "nd",
        (3, false) => "rd",
        _ => "th",
    }
}

fn cased(word: &str, name: &str) -> String {
    let second_is_upper = word.chars().nth(1).is_some_and(char::is_uppercase);
    match (word.starts_with(char::is_uppercase), second_is_upper) {
        (true, true) => name.to_uppercase(),
        (true, false) => name.to_string(),
        _ => name.to_lowercase(),
    }
}

/// The finest unit, in microseconds, that a pattern shows: moments within one such unit of each other's beginning look alike.
pub fn finest_us(pieces: &[Piece]) -> i64 {
    let unit = |piece: &Piece| match piece {
        Piece::Text(_) => DAY_US,
        Piece::Word { word, .. } => match *word {
            "HH24" | "HH12" | "HH" | "AM" | "PM" | "am" | "pm" | "A.M." | "P.M." | "a.m." | "p.m." => 3_600_000_000,
            "MI" => 60_000_000,
            "SS" | "SSSS" | "SSSSS" => 1_000_000,
            "MS" | "US" => 1,
            word if word.starts_with("FF") => 1,
            _ => DAY_US,
        },
    };
    pieces.iter().map(unit).min().unwrap_or(DAY_US)
}

/// The moment by the pieces of a pattern.
pub fn format(pieces: &[Piece], at: &Fields, place: &Place) -> String {
    let mut out = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Word { word, fill, ordinal } => {
                let text = word_text(word, *fill, at, place);
                let suffix = ordinal.and_then(|upper| text.trim().parse::<i64>().ok().map(|n| (upper, ordinal_suffix(n))));
                out.push_str(&text);
                match suffix {
                    Some((true, suffix)) => out.push_str(&suffix.to_uppercase()),
                    Some((false, suffix)) => out.push_str(suffix),
                    None => {}
                }
            }
        }
    }
    out
}

fn word_text(word: &str, fill: bool, at: &Fields, place: &Place) -> String {
    let hour = at.time / 3_600_000_000;
    let seconds = at.time / 1_000_000;
    let us = at.time % 1_000_000;
    let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
    // There is no year 0: the one before 1 is 1 BC.
    let year = if at.is_interval || at.year > 0 { at.year } else { 1 - at.year };
    let padded = |name: String| if fill { format!("{name:<9}") } else { name };
    let month = usize::try_from(at.month - 1).ok().and_then(|m| MONTHS.get(m)).copied().unwrap_or("");
    let day = DAYS[at.weekday() as usize];
    // Reckoned only where they are shown.
    let iso_year = || at.iso().0;
    match word {
        "HH24" => number(hour, 2, fill),
        "HH12" | "HH" => number(twelve, 2, fill),
        "MI" => number(seconds / 60 % 60, 2, fill),
        "SS" => number(seconds % 60, 2, fill),
        "SSSS" | "SSSSS" => number(seconds, 1, false),
        "MS" | "FF3" => number(us / 1_000, 3, fill),
        "US" | "FF6" => number(us, 6, fill),
        "FF1" => number(us / 100_000, 1, fill),
        "FF2" => number(us / 10_000, 2, fill),
        "FF4" => number(us / 100, 4, fill),
        "FF5" => number(us / 10, 5, fill),
        "AM" | "PM" => if hour % 24 < 12 { "AM" } else { "PM" }.to_string(),
        "am" | "pm" => if hour % 24 < 12 { "am" } else { "pm" }.to_string(),
        "A.M." | "P.M." => if hour % 24 < 12 { "A.M." } else { "P.M." }.to_string(),
        "a.m." | "p.m." => if hour % 24 < 12 { "a.m." } else { "p.m." }.to_string(),
        "Y,YYY" => format!("{},{:03}", year / 1_000, year % 1_000),
        "YYYY" => number(year, 4, fill),
        "YYY" => number(year % 1_000, 3, fill),
        "YY" => number(year % 100, 2, fill),
        "Y" => (year % 10).to_string(),
        "IYYY" => number(iso_year(), 4, fill),
        "IYY" => number(iso_year() % 1_000, 3, fill),
        "IY" => number(iso_year() % 100, 2, fill),
        "I" => (iso_year() % 10).to_string(),
        "BC" | "AD" => if at.year > 0 { "AD" } else { "BC" }.to_string(),
        "bc" | "ad" => if at.year > 0 { "ad" } else { "bc" }.to_string(),
        "B.C." | "A.D." => if at.year > 0 { "A.D." } else { "B.C." }.to_string(),
        "MONTH" | "Month" | "month" => padded(cased(word, month)),
        "MON" | "Mon" | "mon" => cased(word, month.get(..3).unwrap_or("")),
        "MM" => number(at.month, 2, fill),
        "DAY" | "Day" | "day" => padded(cased(word, day)),
        "DY" | "Dy" | "dy" => cased(word, &day[..3]),
        "DDD" => number(at.yearday(), 3, fill),
        "IDDD" => {
            let (_, week, day) = at.iso();
            number((week - 1) * 7 + day, 3, fill)
        }
        "DD" if fill => format!("{:02}", at.day),
        "DD" => at.day.to_string(),
        "D" => (at.weekday() + 1).to_string(),
        "ID" => at.iso().2.to_string(),
        "W" => ((at.day - 1) / 7 + 1).to_string(),
        "WW" => number((at.yearday() - 1) / 7 + 1, 2, fill),
        "IW" => number(at.iso().1, 2, fill),
        "CC" => number((at.year + 99) / 100, 2, fill),
        "J" => at.julian().to_string(),
        "Q" => ((at.month - 1) / 3 + 1).to_string(),
        "RM" | "rm" => roman(word, at.month, fill),
        "TZ" => place.name.to_uppercase(),
        "tz" => place.name.to_lowercase(),
        "TZH" => offset_hours(place.offset, fill),
        "TZM" => format!("{:02}", place.offset.abs() / 60 % 60),
        "OF" => match place.offset.abs() / 60 % 60 {
            0 => offset_hours(place.offset, fill),
            minutes => format!("{}:{minutes:02}", offset_hours(place.offset, fill)),
        },
        other => other.to_string(),
    }
}

/// `+02`
fn offset_hours(seconds: i64, fill: bool) -> String {
    format!("{}{}", if seconds < 0 { '-' } else { '+' }, number(seconds.abs() / 3_600, 2, fill))
}

fn roman(word: &str, month: i64, fill: bool) -> String {
    const NUMERALS: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];
    let numeral = usize::try_from(month - 1).ok().and_then(|m| NUMERALS.get(m)).copied().unwrap_or("");
    let numeral = if word == "rm" { numeral.to_lowercase() } else { numeral.to_string() };
    if fill { format!("{numeral:<4}") } else { numeral }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_within_the_finest_unit_look_alike() {
        let moments = [0i64, -1, 999_999, 1_437_000_123_456_789, -62_135_596_800_000_001, 951_782_399_999_999];
        for word in WORDS {
            let parts = pieces(word);
            let unit = finest_us(&parts);
            for us in moments {
                let begin = us.div_euclid(unit) * unit;
                let shown = |us| format(&parts, &Fields::of_timestamp(us), &Place { name: "UTC".into(), offset: 0 });
                assert_eq!(shown(us), shown(begin), "{word} at {us}");
            }
        }
    }
}
