//! Settings of a session: SET, SHOW, RESET.
//!
//! One list, [`SETTINGS`]. A client may set what has no effect here only where PostgreSQL clients do so by habit and the default is
//! what they ask for or harmless; values that would change an answer are refused.

use std::collections::BTreeMap;

use crate::error::{Error, Result, code, nearest};

/// What a setting takes.
#[derive(Clone, Copy)]
enum Kind {
    /// Anything; kept and shown.
    Text,
    Bool,
    /// Milliseconds or a plain number.
    Number,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Cannot be set.
    ReadOnly,
}

/// A setting: name, default, what it takes, whether changes are reported to the client, description.
struct Setting(&'static str, &'static str, Kind, bool, &'static str);

const SETTINGS: &[Setting] = &[
    Setting("application_name", "", Kind::Text, true, "Sets the application name to be reported in statistics and logs."),
    Setting("bytea_output", "hex", Kind::OneOf(&["hex"]), false, "Sets the output format for bytea."),
    Setting(
        "client_encoding",
        "UTF8",
        Kind::OneOf(&["utf8", "utf-8", "unicode", "sql_ascii"]),
        true,
        "Sets the client's character set encoding.",
    ),
    Setting("client_min_messages", "notice", Kind::Text, false, "Sets the message levels that are sent to the client."),
    Setting(
        "datestyle",
        "ISO, MDY",
        Kind::OneOf(&["iso, mdy", "iso", "iso, dmy", "iso, ymd"]),
        true,
        "Sets the display format for date and time values.",
    ),
    Setting(
        "default_transaction_isolation",
        "serializable",
        Kind::Text,
        false,
        "Every transaction is serializable, whatever is asked for.",
    ),
    Setting(
        "default_transaction_read_only",
        "off",
        Kind::OneOf(&["off", "false"]),
        true,
        "Sets the default read-only status of new transactions.",
    ),
    Setting(
        "everfold.read",
        "current",
        Kind::OneOf(&["current", "latest"]),
        false,
        "current: a query sees all acknowledged events; latest: views as they are, without waiting.",
    ),
    Setting("extra_float_digits", "1", Kind::Number, false, "Floats are always shown in the shortest exact form."),
    Setting("in_hot_standby", "off", Kind::ReadOnly, true, "Shows whether hot standby is currently active."),
    Setting("integer_datetimes", "on", Kind::ReadOnly, true, "Shows whether datetimes are integer based."),
    Setting("intervalstyle", "postgres", Kind::OneOf(&["postgres"]), true, "Sets the display format for interval values."),
    Setting("is_superuser", "on", Kind::ReadOnly, true, "Shows whether the current user is a superuser."),
    Setting("lc_collate", "C", Kind::ReadOnly, false, "Shows the collation order locale."),
    Setting("lc_messages", "C", Kind::Text, false, "Sets the language in which messages are displayed."),
    Setting("lc_monetary", "C", Kind::Text, false, "Sets the locale for formatting monetary amounts."),
    Setting("max_identifier_length", "63", Kind::ReadOnly, false, "Shows the maximum identifier length."),
    Setting("max_index_keys", "32", Kind::ReadOnly, false, "Shows the maximum number of index keys."),
    Setting("role", "none", Kind::ReadOnly, false, "Sets the current role."),
    Setting("row_security", "on", Kind::Bool, false, "There is no row security."),
    Setting("search_path", "\"$user\", public", Kind::Text, false, "There is one schema, public, before pg_catalog."),
    Setting("server_encoding", "UTF8", Kind::ReadOnly, true, "Shows the server character set encoding."),
    Setting("server_version", crate::SERVER_VERSION, Kind::ReadOnly, true, "Shows the server version."),
    Setting("server_version_num", "150018", Kind::ReadOnly, false, "Shows the server version as an integer."),
    Setting("session_authorization", "everfold", Kind::ReadOnly, true, "Shows the session user."),
    Setting(
        "standard_conforming_strings",
        "on",
        Kind::OneOf(&["on", "true"]),
        true,
        "Causes '...' strings to treat backslashes literally.",
    ),
    Setting("statement_timeout", "0", Kind::Number, false, "Sets the maximum allowed duration of any statement, in milliseconds."),
    Setting("lock_timeout", "0", Kind::Number, false, "Sets the maximum allowed duration of any wait for a lock."),
    Setting(
        "idle_in_transaction_session_timeout",
        "0",
        Kind::Number,
        false,
        "Not in force: an idle transaction holds nothing that others wait for but table locks.",
    ),
    Setting(
        "synchronous_commit",
        "on",
        Kind::OneOf(&["on", "off", "local", "remote_write", "remote_apply", "true", "false"]),
        false,
        "off: an append is acknowledged before it is on disk.",
    ),
    Setting("synchronize_seqscans", "on", Kind::Bool, false, "There are no synchronized scans."),
    Setting("jit", "off", Kind::Bool, false, "There is no JIT compilation."),
    Setting("timezone", "UTC", Kind::Text, true, "Sets the time zone for displaying and interpreting time stamps."),
    Setting("transaction_isolation", "serializable", Kind::Text, false, "Every transaction is serializable."),
    Setting("transaction_read_only", "off", Kind::OneOf(&["off", "false"]), false, "Sets the current transaction's read-only status."),
];

/// The settings of one session that differ from the defaults.
#[derive(Clone, Debug, Default)]
pub struct Settings(BTreeMap<&'static str, String>);

impl Settings {
    fn find(name: &str) -> Result<&'static Setting> {
        let name = name.to_lowercase();
        SETTINGS.iter().find(|s| s.0 == name).ok_or_else(|| {
            let error = Error::new(code::UNDEFINED_OBJECT, format!("unrecognized configuration parameter \"{name}\""));
            match nearest(&name, SETTINGS.iter().map(|s| s.0)) {
                Some(near) => error.hint(format!("Perhaps you meant \"{near}\".")),
                None => error,
            }
        })
    }

    /// The value in force. Errors: 42704 for an unknown name.
    pub fn get(&self, name: &str) -> Result<&str> {
        let setting = Self::find(name)?;
        Ok(self.0.get(setting.0).map_or(setting.1, String::as_str))
    }

    /// Sets a value, or the default for `None`. Answers what to report to the client, if anything. Errors: 42704, 22023, 55P02.
    pub fn set(&mut self, name: &str, value: Option<&str>) -> Result<Option<(String, String)>> {
        let Setting(name, default, kind, reported, _) = Self::find(name)?;
        let value = value.unwrap_or(default).trim().to_string();
        let refuse = |hint: String| {
            Err(Error::new(code::INVALID_PARAMETER_VALUE, format!("invalid value for parameter \"{name}\": \"{value}\"")).hint(hint))
        };
        let lower = value.to_lowercase();
        match kind {
            _ if value == *default => {}
            Kind::ReadOnly => return Err(Error::new("55P02", format!("parameter \"{name}\" cannot be changed"))),
            Kind::Bool if !["on", "off", "true", "false", "yes", "no", "1", "0"].contains(&lower.as_str()) => {
                return refuse("Use on or off.".into());
            }
            Kind::Number if milliseconds(&lower).is_none() => return refuse("Use a number, of milliseconds where it is a time.".into()),
            Kind::OneOf(words) if !words.contains(&lower.as_str()) => return refuse(format!("Use one of: {}.", words.join("; "))),
            Kind::Text if *name == "timezone" => check_time_zone(&value)?,
            _ => {}
        }
        let value = match *name {
            "client_encoding" => "UTF8".to_string(),
            "datestyle" => "ISO, MDY".to_string(),
            _ => value,
        };
        self.0.insert(name, value.clone());
        Ok(reported.then(|| (display_name(name), value)))
    }

    /// Sets what a client cannot: who the session is.
    pub fn put(&mut self, name: &'static str, value: String) {
        self.0.insert(name, value);
    }

    /// All settings: (name, value, description).
    pub fn all(&self) -> Vec<(String, String, String)> {
        SETTINGS.iter().map(|s| (s.0.to_string(), self.0.get(s.0).map_or(s.1, String::as_str).to_string(), s.4.to_string())).collect()
    }

    /// The settings that a client is told at the start.
    pub fn reported(&self) -> Vec<(String, String)> {
        SETTINGS.iter().filter(|s| s.3).map(|s| (display_name(s.0), self.0.get(s.0).map_or(s.1, String::as_str).to_string())).collect()
    }

    /// Milliseconds a statement may take; `None` for no limit.
    pub fn statement_timeout_ms(&self) -> Option<u64> {
        self.get("statement_timeout").ok().and_then(milliseconds).filter(|ms| *ms > 0)
    }

    /// True if appends are acknowledged only when they are on disk.
    pub fn synchronous_commit(&self) -> bool {
        !matches!(self.get("synchronous_commit"), Ok("off" | "false"))
    }

    /// True if queries read views as they are, without waiting.
    pub fn read_latest(&self) -> bool {
        matches!(self.get("everfold.read"), Ok("latest"))
    }
}

/// Only UTC is known; other zones would be shown wrongly.
fn check_time_zone(value: &str) -> Result<()> {
    let utc = ["utc", "etc/utc", "gmt", "etc/gmt", "zulu", "universal", "uct", "0", "+00", "+00:00", "utc0"];
    if utc.contains(&value.to_lowercase().as_str()) {
        return Ok(());
    }
    Err(Error::unsupported(format!("time zone \"{value}\" is not supported for sessions"))
        .hint("Sessions run in UTC; shift what you show with AT TIME ZONE."))
}

/// As PostgreSQL spells it in ParameterStatus.
fn display_name(name: &str) -> String {
    match name {
        "datestyle" => "DateStyle".into(),
        "intervalstyle" => "IntervalStyle".into(),
        "timezone" => "TimeZone".into(),
        other => other.into(),
    }
}

/// `100`, `100ms`, `5s`, `1min`, `2h` in milliseconds.
fn milliseconds(text: &str) -> Option<u64> {
    let digits = text.trim_start_matches('-').trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.trim().parse().ok()?;
    let unit = text.trim_start_matches('-')[digits.len()..].trim();
    let factor = match unit {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_and_wrong_settings_are_refused_with_a_hint() {
        let mut settings = Settings::default();
        assert!(settings.set("statement_timout", Some("1")).unwrap_err().fields().hint.as_ref().unwrap().contains("statement_timeout"));
        assert_eq!(settings.set("everfold.read", Some("maybe")).unwrap_err().code(), code::INVALID_PARAMETER_VALUE);
        assert_eq!(settings.set("timezone", Some("Europe/Berlin")).unwrap_err().code(), code::FEATURE_NOT_SUPPORTED);
        settings.set("statement_timeout", Some("2s")).unwrap();
        assert_eq!(settings.statement_timeout_ms(), Some(2_000));
        settings.set("statement_timeout", None).unwrap();
        assert_eq!(settings.statement_timeout_ms(), None);
    }
}
