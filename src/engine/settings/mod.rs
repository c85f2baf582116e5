//! Settings of a session: SET, SHOW, RESET.
//!
//! One list, [`list::SETTINGS`]. A client may set what has no effect here only where PostgreSQL clients do so by habit and the
//! default is what they ask for or harmless; values that would change an answer, and do not, are refused. Any name with a dot in it, other than
//! ours, is the client's own: kept and shown.
//!
//! A value is, in this order: what SET says, what the startup message said, the default. `set_config()` runs on a query's thread, so
//! the values are shared; what is to be undone at the transaction's end, or told to the client, waits until the session asks.

mod list;
mod options;
mod path;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use parking_lot::Mutex;

use self::list::{SETTINGS, Setting};
pub use self::options::from_options;
use super::transaction::OldSetting;
use crate::data::charset::Charset;
use crate::data::datetime::{DateStyle, IntervalStyle, Reading, Zone};
use crate::data::encode::Style;
use crate::error::{Error, Result, code, nearest};
use crate::limits;
use crate::serve::system::preset;

/// What a setting takes.
#[derive(Clone, Copy)]
enum Kind {
    /// Anything; kept and shown.
    Text,
    Bool,
    /// A boolean that has effect in its default only, so that the other value is refused.
    Only,
    Integer,
    /// A time, in milliseconds unless a unit is given.
    Milliseconds,
    /// An amount of memory, in units of so many kB unless one is given.
    Size(u64),
    /// One of these words.
    OneOf(&'static [&'static str]),
    TimeZone,
    /// A form of dates and the order in which their parts are read.
    DateStyle,
    /// What the client's text is encoded in.
    Encoding,
    /// Names apart by commas.
    Path,
    /// Cannot be set.
    ReadOnly,
}

/// The settings of one session. Clones are the same settings.
#[derive(Clone, Debug, Default)]
pub struct Settings(Arc<Mutex<Values>>);

#[derive(Debug, Default)]
struct Values {
    /// What differs from `start` and the defaults.
    set: BTreeMap<String, String>,
    /// From the startup message: what RESET goes back to.
    start: BTreeMap<String, String>,
    /// What set_config() has changed in this transaction, not yet known to it.
    undo: Vec<OldSetting>,
    /// Changes that the client is to be told.
    reports: Vec<(String, String)>,
    /// How values are shown, once somebody has asked; `None` again when anything is set.
    style: Option<Style>,
    /// What now() tells, in microseconds since 1970.
    now_us: Option<i64>,
    /// Times that have been asked for since.
    times: Vec<(&'static str, Option<Duration>)>,
}

/// The modes of a transaction, and what each is when one begins.
pub(super) const MODES: [(&str, &str); 3] = [
    ("transaction_isolation", "default_transaction_isolation"),
    ("transaction_read_only", "default_transaction_read_only"),
    ("transaction_deferrable", "default_transaction_deferrable"),
];

/// The settings by their names: some are asked for by every statement.
static BY_NAME: LazyLock<HashMap<&str, &Setting>> = LazyLock::new(|| SETTINGS.iter().map(|setting| (setting.0, setting)).collect());

impl Values {
    /// Something is set: what has been made of the values is to be made anew.
    fn changed(&mut self) {
        self.style = None;
        self.times.clear();
    }

    fn get(&self, name: &str) -> Option<&str> {
        let own = |name: &str| self.set.get(name).or_else(|| self.start.get(name)).map(String::as_str);
        // Outside of a transaction its modes are those that the next one begins with.
        let next = || MODES.iter().find(|(mode, _)| *mode == name).and_then(|(_, default)| own(default));
        own(name).or_else(next).or_else(|| BY_NAME.get(name).map(|setting| setting.1))
    }

    fn style(&self) -> Style {
        let of = |name| self.get(name).unwrap_or_default();
        Style {
            timezone: Zone::parse(of("timezone")).unwrap_or(Zone::Utc),
            dates: DateStyle::of(of("datestyle")),
            interval: IntervalStyle::of(of("intervalstyle")),
            bytea_escape: of("bytea_output") == "escape",
            charset: Charset::of(of("client_encoding")),
            extra_float_digits: of("extra_float_digits").parse().unwrap_or(1),
        }
    }
}

impl Settings {
    /// The value in force. Errors: 42704 for an unknown name.
    pub fn get(&self, name: &str) -> Result<String> {
        let name = name.to_lowercase();
        self.read(&name, str::to_string).ok_or_else(|| unknown(&name))
    }

    /// The value that has been set, if one has.
    pub(super) fn own(&self, name: &str) -> Option<String> {
        self.0.lock().set.get(name).cloned()
    }

    /// What `read` makes of the value in force; `None` for an unknown name, which is in lower case.
    fn read<T>(&self, name: &str, read: impl FnOnce(&str) -> T) -> Option<T> {
        self.0.lock().get(name).map(read)
    }

    /// Sets a value, or that of the start for `None`. Errors: 42704, 22023, 55P02.
    pub fn set(&self, name: &str, value: Option<&str>) -> Result<()> {
        let name = name.to_lowercase();
        let known = BY_NAME.get(name.as_str()).copied();
        if known.map_or_else(|| preset(&name).is_some(), |setting| matches!(setting.2, Kind::ReadOnly)) {
            return Err(Error::new(code::CANT_CHANGE_RUNTIME_PARAM, format!("parameter \"{name}\" cannot be changed")));
        }
        let mut values = self.0.lock();
        values.changed();
        match value {
            None if known.is_none() && !values.set.contains_key(&name) && !values.start.contains_key(&name) => return Err(unknown(&name)),
            None => {
                values.set.remove(&name);
            }
            Some(value) => {
                let value = match known {
                    Some(Setting(_, _, Kind::DateStyle, ..)) => values.date_style(value)?,
                    _ => checked(&name, known, value)?,
                };
                if known.is_none() && values.set.len() >= limits::SETTINGS_MAX {
                    return Err(Error::new(code::CONFIGURATION_LIMIT_EXCEEDED, "too many settings in one session")
                        .hint("RESET those that are not used."));
                }
                values.set.insert(name.clone(), value);
            }
        }
        values.report(&name);
        Ok(())
    }

    /// What the startup message says: from now on the value that RESET goes back to.
    pub fn start_with(&self, name: &str, value: &str) -> Result<()> {
        self.set(name, Some(value))?;
        let mut values = self.0.lock();
        values.changed();
        if let Some(value) = values.set.remove(&name.to_lowercase()) {
            values.start.insert(name.to_lowercase(), value);
        }
        Ok(())
    }

    /// Sets what a client cannot: who the session is.
    pub fn put(&self, name: &str, value: String) {
        let mut values = self.0.lock();
        values.changed();
        values.start.insert(name.to_string(), value);
        values.report(name);
    }

    /// set_config(): the new value. `local` makes it last as long as the transaction.
    pub fn set_from_function(&self, name: &str, value: Option<&str>, local: bool) -> Result<String> {
        let before = self.get(name).ok();
        self.set(name, value)?;
        self.0.lock().undo.push(OldSetting { name: name.to_lowercase(), value: before, local });
        self.get(name)
    }

    /// RESET ALL, but for what belongs to the transaction.
    pub fn reset_all(&self) {
        let mut values = self.0.lock();
        values.changed();
        let names: Vec<String> =
            values.set.keys().filter(|name| !name.starts_with("transaction_") || *name == "transaction_timeout").cloned().collect();
        for name in names {
            values.set.remove(&name);
            values.report(&name);
        }
    }

    /// What set_config() has changed since the last call.
    pub(super) fn take_undo(&self) -> Vec<OldSetting> {
        std::mem::take(&mut self.0.lock().undo)
    }

    /// Changes that the client is to be told, since the last call.
    pub(super) fn take_reports(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.0.lock().reports)
    }

    /// All settings: (name, value, description).
    pub fn all(&self) -> Vec<(String, String, String)> {
        let values = self.0.lock();
        let known = SETTINGS.iter().map(|s| (s.0.to_string(), values.get(s.0).unwrap_or_default().to_string(), s.4.to_string()));
        let is_own = |name: &&String| !BY_NAME.contains_key(name.as_str());
        let mut own: Vec<&String> = values.set.keys().chain(values.start.keys()).filter(is_own).collect();
        own.dedup();
        known
            .chain(own.iter().map(|name| (name.to_string(), values.get(name).unwrap_or_default().to_string(), "Set by the client.".into())))
            .collect()
    }

    /// The client is to be told all that it wants to know.
    pub(super) fn report_all(&self) {
        let mut values = self.0.lock();
        SETTINGS.iter().for_each(|s| values.report(s.0));
    }

    /// A time; `None` for none.
    pub fn time(&self, name: &'static str) -> Option<Duration> {
        // Every statement asks for several.
        let mut values = self.0.lock();
        if let Some((_, known)) = values.times.iter().find(|(of, _)| *of == name) {
            return *known;
        }
        let time = values.get(name).and_then(milliseconds).filter(|ms| *ms > 0).map(Duration::from_millis);
        values.times.push((name, time));
        time
    }

    /// True if a boolean is on.
    pub fn is_on(&self, name: &str) -> bool {
        self.read(name, |value| value == "on") == Some(true)
    }

    /// True if appends are acknowledged only when they are on disk.
    pub fn synchronous_commit(&self) -> bool {
        self.read("synchronous_commit", |value| matches!(value, "off" | "false")) != Some(true)
    }

    /// True if policies keep rows back; false if that is to be an error.
    pub fn row_security(&self) -> bool {
        self.read("row_security", |value| matches!(value, "off" | "false")) != Some(true)
    }

    /// True if queries read views as they are, without waiting.
    pub fn read_latest(&self) -> bool {
        self.read("everfold.read", |value| value == "latest") == Some(true)
    }

    /// True if a plain INSERT refuses a primary key that is there.
    pub fn refuses_taken_keys(&self) -> bool {
        self.read("everfold.on_duplicate_key", |value| value == "error") == Some(true)
    }

    /// The session's time zone.
    pub fn zone(&self) -> Zone {
        self.style().timezone
    }

    /// The names in search_path.
    pub fn search_path(&self) -> Vec<String> {
        self.read("search_path", path::names).flatten().unwrap_or_default()
    }

    /// How values are shown.
    pub fn style(&self) -> Style {
        // Every statement asks several times.
        let mut values = self.0.lock();
        if let Some(known) = values.style {
            return known;
        }
        let style = values.style();
        values.style = Some(style);
        style
    }

    /// How a value is shown that is carried as text from one place to another, and read again there: nothing of it is lost.
    pub fn carried(&self) -> Style {
        Style { timezone: self.zone(), ..Style::default() }
    }

    /// How text is read.
    pub fn reading(&self) -> Reading {
        let style = self.style();
        Reading { now: self.0.lock().now_us, ..crate::func::styled::reading(&style) }
    }

    /// Notes what now() tells from here on.
    pub fn set_now(&self, us: i64) {
        self.0.lock().now_us = Some(us);
    }

    /// True if a notice of that severity is sent to the client.
    pub fn tells(&self, severity: &str) -> bool {
        const ORDER: [&str; 9] = ["DEBUG5", "DEBUG4", "DEBUG3", "DEBUG2", "DEBUG1", "LOG", "NOTICE", "WARNING", "ERROR"];
        let rank = |name: &str| ORDER.iter().position(|level| level.eq_ignore_ascii_case(name));
        let least = match self.get("client_min_messages").unwrap_or_default().to_lowercase().as_str() {
            "debug" => rank("debug2"),
            "info" => rank("notice"),
            other => rank(other),
        };
        // INFO is always sent.
        severity == "INFO" || rank(severity) >= least
    }
}

impl Values {
    /// DateStyle as it is kept; what the value leaves open stays as it is. Errors: 22023.
    fn date_style(&self, value: &str) -> Result<String> {
        let now = DateStyle::of(self.get("datestyle").unwrap_or_default());
        let reset = DateStyle::of(self.start.get("datestyle").map_or("", String::as_str));
        let wrong = |detail: String| {
            Error::new(code::INVALID_PARAMETER_VALUE, format!("invalid value for parameter \"DateStyle\": \"{value}\"")).detail(detail)
        };
        Ok(DateStyle::read(value, now, reset).map_err(wrong)?.to_string())
    }

    fn report(&mut self, name: &str) {
        if BY_NAME.get(name).is_some_and(|setting| setting.3) {
            let value = self.get(name).unwrap_or_default().to_string();
            let name = display_name(name);
            self.reports.retain(|(known, _)| *known != name);
            self.reports.push((name, value));
        }
    }
}

fn unknown(name: &str) -> Error {
    let error = Error::new(code::UNDEFINED_OBJECT, format!("unrecognized configuration parameter \"{name}\""));
    match nearest(name, SETTINGS.iter().map(|s| s.0)) {
        Some(near) => error.hint(format!("Perhaps you meant \"{near}\".")),
        None => error,
    }
}

/// The value as it is kept. Errors: 42704 for a name that is neither known nor of the client's own kind, 22023.
fn checked(name: &str, known: Option<&Setting>, value: &str) -> Result<String> {
    let Some(Setting(_, default, kind, ..)) = known else { return own_value(name, value) };
    let value = value.trim();
    let lower = value.to_lowercase();
    let refuse = |hint: String| {
        let shown = display_name(name);
        Err(Error::new(code::INVALID_PARAMETER_VALUE, format!("invalid value for parameter \"{shown}\": \"{value}\"")).hint(hint))
    };
    if value == *default {
        return Ok(value.to_string());
    }
    match kind {
        Kind::Bool => match boolean(&lower) {
            Some(on) => Ok(if on { "on" } else { "off" }.to_string()),
            None => refuse("Use on or off.".into()),
        },
        Kind::Only => match boolean(&lower).map(|on| if on { "on" } else { "off" }) {
            Some(shown) if shown == *default => Ok(shown.to_string()),
            Some(_) => Err(Error::unsupported(format!("{name} = {value} is not supported")).hint(format!("Leave it {default}."))),
            None => Err(Error::new(code::INVALID_PARAMETER_VALUE, format!("parameter \"{name}\" requires a Boolean value"))),
        },
        Kind::OneOf(_) if name == "session_replication_role" && matches!(lower.as_str(), "replica" | "local") => {
            Err(Error::unsupported(format!("{name} = {lower} is not supported"))
                .hint("Constraints hold always; ALTER TABLE .. DISABLE TRIGGER USER switches triggers off."))
        }
        Kind::Integer if lower.parse::<f64>().is_err() => refuse("Use a number.".into()),
        Kind::Integer if name == "extra_float_digits" && !lower.parse::<f64>().is_ok_and(|digits| (-15.0..=3.0).contains(&digits)) => {
            let message = format!("{value} is outside the valid range for parameter \"{name}\" (-15 .. 3)");
            Err(Error::new(code::INVALID_PARAMETER_VALUE, message))
        }
        Kind::Milliseconds => match milliseconds(&lower) {
            Some(ms) => Ok(shown_time(ms)),
            None => refuse("Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\".".into()),
        },
        // Words count with their capitals here.
        Kind::Size(unit) => match kilobytes(value, *unit) {
            Some(kb) => Ok(shown_size(kb)),
            None => refuse("Valid units for this parameter are \"B\", \"kB\", \"MB\", \"GB\", and \"TB\".".into()),
        },
        Kind::Encoding => match Charset::named(value)? {
            Some(charset) => Ok(charset.name().to_string()),
            None => Err(Error::new(code::INVALID_PARAMETER_VALUE, format!("invalid value for parameter \"{name}\": \"{value}\""))),
        },
        Kind::OneOf(words) if !words.contains(&lower.as_str()) => {
            let words: Vec<&str> = words.iter().copied().filter(|w| !w.is_empty()).collect();
            refuse(format!("Available values: {}.", words.join("; ")))
        }
        // Whoever looks at the value compares with the word.
        Kind::OneOf(_) => Ok(lower),
        Kind::TimeZone => Zone::canonical(value),
        Kind::Path if path::names(value).is_none() => refuse("It is a list of names apart by commas.".into()),
        _ => Ok(value.to_string()),
    }
}

/// A setting of the client's own has a dot in its name: `my.variable`.
fn own_value(name: &str, value: &str) -> Result<String> {
    let begins = |c: char| c.is_alphabetic() || c == '_';
    let part = |p: &str| p.starts_with(begins) && p.chars().all(|c| begins(c) || c.is_ascii_digit() || c == '$');
    if !name.contains('.') || name.starts_with("everfold.") {
        return Err(unknown(name));
    }
    if !name.split('.').all(part) {
        return Err(Error::new(code::INVALID_NAME, format!("invalid configuration parameter name \"{name}\""))
            .detail("Custom parameter names must be two or more simple identifiers separated by dots."));
    }
    if value.len() > limits::SETTING_BYTES_MAX {
        return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, format!("the value of \"{name}\" is too long"))
            .hint(format!("At most {} bytes are kept.", limits::SETTING_BYTES_MAX)));
    }
    Ok(value.to_string())
}

/// As PostgreSQL spells it in ParameterStatus.
pub fn display_name(name: &str) -> String {
    match name {
        "datestyle" => "DateStyle".into(),
        "intervalstyle" => "IntervalStyle".into(),
        "timezone" => "TimeZone".into(),
        other => other.into(),
    }
}

/// PostgreSQL takes any beginning of a word that is one only.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "on" | "1" => Some(true),
        "off" | "of" | "0" => Some(false),
        "" => None,
        _ if "true".starts_with(text) || "yes".starts_with(text) => Some(true),
        _ if "false".starts_with(text) || "no".starts_with(text) => Some(false),
        _ => None,
    }
}

/// `100`, `100ms`, `5s`, `1min`, `2h`, `1d` in milliseconds. A time that is not 0 is at least 1.
fn milliseconds(text: &str) -> Option<u64> {
    let text = text.trim();
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let value: f64 = number.trim().parse().ok().filter(|v: &f64| v.is_finite() && *v >= 0.0)?;
    let factor = match text[number.len()..].trim() {
        "us" => 0.001,
        "" | "ms" => 1.0,
        "s" => 1_000.0,
        "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    let ms = (value * factor).round();
    (ms <= f64::from(i32::MAX)).then_some(ms as u64)
}

/// A time in the largest unit that it is a whole number of, as SHOW tells it.
fn shown_time(ms: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    match units.iter().find(|(unit, _)| ms > 0 && ms.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{}{name}", ms / unit),
        None if ms == 0 => "0".into(),
        None => format!("{ms}ms"),
    }
}

/// `64`, `512B`, `64kB`, `4MB`, `1GB`, `1TB` in kB, where a number without a unit counts so many of them.
fn kilobytes(text: &str, unit: u64) -> Option<u64> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let value: f64 = number.trim().parse().ok().filter(|v: &f64| v.is_finite() && *v >= 0.0)?;
    let factor = match text[number.len()..].trim() {
        "" => unit as f64,
        "B" => 1.0 / 1024.0,
        "kB" => 1.0,
        "MB" => 1024.0,
        "GB" => 1024.0 * 1024.0,
        "TB" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let kb = (value * factor).round();
    (kb <= f64::from(i32::MAX) * unit as f64).then_some(kb as u64)
}

/// An amount of memory in the largest unit that it is a whole number of, as SHOW tells it.
fn shown_size(kb: u64) -> String {
    let units = [(1 << 30, "TB"), (1 << 20, "GB"), (1 << 10, "MB")];
    match units.iter().find(|(unit, _)| kb > 0 && kb.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{}{name}", kb / unit),
        None if kb == 0 => "0".into(),
        None => format!("{kb}kB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_shown_with_units() {
        let settings = Settings::default();
        for (name, text, shown) in [
            ("work_mem", "65536", "64MB"),
            ("work_mem", "0.5 GB", "512MB"),
            ("work_mem", "100kB", "100kB"),
            ("temp_buffers", "100", "800kB"),
            ("min_parallel_table_scan_size", "0", "0"),
        ] {
            settings.set(name, Some(text)).unwrap();
            assert_eq!(settings.get(name).unwrap(), shown, "{name} = {text}");
        }
        for text in ["banana", "1mb", "-1", "99999999TB"] {
            assert_eq!(settings.set("work_mem", Some(text)).unwrap_err().code(), code::INVALID_PARAMETER_VALUE, "{text}");
        }
    }

    #[test]
    fn unknown_and_wrong_settings_are_refused_with_a_hint() {
        let settings = Settings::default();
        assert!(settings.set("statement_timout", Some("1")).unwrap_err().fields().hint.as_ref().unwrap().contains("statement_timeout"));
        assert_eq!(settings.set("everfold.read", Some("maybe")).unwrap_err().code(), code::INVALID_PARAMETER_VALUE);
        assert_eq!(settings.set("everfold.reed", Some("latest")).unwrap_err().code(), code::UNDEFINED_OBJECT);
        assert_eq!(settings.set("timezone", Some("Nowhere/Land")).unwrap_err().code(), code::INVALID_PARAMETER_VALUE);
        assert_eq!(settings.set("server_version", Some("16")).unwrap_err().code(), "55P02");
        assert_eq!(settings.set("my.1st", Some("16")).unwrap_err().code(), "42602");
    }

    #[test]
    fn times_are_read_and_shown_with_units() {
        let settings = Settings::default();
        for (text, ms, shown) in
            [("2s", 2_000, "2s"), ("1500", 1_500, "1500ms"), ("1min", 60_000, "1min"), ("0.5 s", 500, "500ms"), ("1d", 86_400_000, "1d")]
        {
            settings.set("statement_timeout", Some(text)).unwrap();
            assert_eq!(settings.time("statement_timeout"), Some(Duration::from_millis(ms)));
            assert_eq!(settings.get("statement_timeout").unwrap(), shown);
        }
        settings.set("statement_timeout", None).unwrap();
        assert_eq!(settings.time("statement_timeout"), None);
        assert!(settings.set("statement_timeout", Some("-1")).is_err());
    }

    #[test]
    fn reset_goes_back_to_what_the_startup_message_said() {
        let settings = Settings::default();
        settings.start_with("TimeZone", "Europe/Berlin").unwrap();
        settings.set("timezone", Some("UTC")).unwrap();
        settings.set("my.own", Some("x")).unwrap();
        assert_eq!(settings.get("my.own").unwrap(), "x");
        settings.reset_all();
        assert_eq!(settings.get("timezone").unwrap(), "Europe/Berlin");
        assert_eq!(settings.get("my.own").unwrap_err().code(), code::UNDEFINED_OBJECT);
    }

    #[test]
    fn notices_below_client_min_messages_are_not_told() {
        let settings = Settings::default();
        assert!(settings.tells("NOTICE") && !settings.tells("DEBUG1") && settings.tells("WARNING"));
        settings.set("client_min_messages", Some("error")).unwrap();
        assert!(!settings.tells("WARNING") && settings.tells("INFO"));
        settings.set("client_min_messages", Some("debug")).unwrap();
        assert!(settings.tells("DEBUG1") && !settings.tells("DEBUG5"));
    }
}
