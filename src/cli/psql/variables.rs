//! psql's variables: those of the script, and those that say how it is run.
//!
//! Manual: psql, "Variables".

use std::collections::BTreeMap;

use crate::data::quoting::literal;

/// What a variable that steers the run may be, with what it is when it is unset.
enum Kind {
    Bool,
    OneOf(&'static [&'static str]),
    Integer,
}

/// Variables that steer the run: name, value at the start, kind.
const STEERING: &[(&str, &str, Kind)] = &[
    ("AUTOCOMMIT", "on", Kind::Bool),
    ("ECHO", "none", Kind::OneOf(&["none", "errors", "queries", "all"])),
    ("ECHO_HIDDEN", "off", Kind::OneOf(&["off"])),
    ("FETCH_COUNT", "0", Kind::Integer),
    ("HIDE_TABLEAM", "off", Kind::OneOf(&["off"])),
    ("HIDE_TOAST_COMPRESSION", "off", Kind::OneOf(&["off", "on"])),
    ("ON_ERROR_ROLLBACK", "off", Kind::OneOf(&["on", "off", "interactive"])),
    ("ON_ERROR_STOP", "off", Kind::Bool),
    ("QUIET", "off", Kind::Bool),
    ("SHOW_ALL_RESULTS", "on", Kind::Bool),
    ("SHOW_CONTEXT", "errors", Kind::OneOf(&["never", "errors", "always"])),
    ("SINGLELINE", "off", Kind::Bool),
    ("SINGLESTEP", "off", Kind::OneOf(&["off"])),
    ("VERBOSITY", "default", Kind::OneOf(&["default", "verbose", "terse", "sqlstate"])),
];

/// The variables of a run.
pub(super) struct Variables(BTreeMap<String, String>);

impl Default for Variables {
    fn default() -> Variables {
        let told =
            [("ERROR", "false"), ("SQLSTATE", "00000"), ("ROW_COUNT", "0"), ("LAST_ERROR_MESSAGE", ""), ("LAST_ERROR_SQLSTATE", "00000")];
        let all = STEERING.iter().map(|(name, value, _)| (*name, *value)).chain(told);
        Variables(all.map(|(name, value)| (name.to_string(), value.to_string())).collect())
    }
}

impl Variables {
    /// The value, if it is set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// True if it is on.
    pub fn is_on(&self, name: &str) -> bool {
        self.get(name) == Some("on")
    }

    /// Sets a variable. Errors: in psql's words.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii()) {
            return Err(format!("invalid variable name: \"{name}\""));
        }
        let value = match STEERING.iter().find(|(known, ..)| *known == name) {
            None => value.to_string(),
            Some((_, _, Kind::Bool)) if value.is_empty() => "on".to_string(),
            Some((_, _, Kind::Bool)) => match boolean(value) {
                Some(on) => if on { "on" } else { "off" }.to_string(),
                None => return Err(format!("unrecognized value \"{value}\" for \"{name}\": Boolean expected")),
            },
            Some((_, _, Kind::OneOf(words))) => match words.iter().find(|w| w.eq_ignore_ascii_case(value)) {
                Some(word) => word.to_string(),
                None if words.len() == 1 => return Err(format!("everfold run does not support {name} = {value}")),
                None => return Err(format!("unrecognized value \"{value}\" for \"{name}\"\nAvailable values are: {}.", words.join(", "))),
            },
            Some((_, _, Kind::Integer)) => match value.trim().parse::<i32>() {
                Ok(_) => value.to_string(),
                Err(_) => return Err(format!("invalid value \"{value}\" for \"{name}\": integer expected")),
            },
        };
        self.0.insert(name.to_string(), value);
        Ok(())
    }

    /// Sets what the run itself tells.
    pub fn tell(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_string(), value.into());
    }

    /// Takes a variable away; one that steers the run gets the value that it has when nothing is said.
    pub fn unset(&mut self, name: &str) {
        match STEERING.iter().find(|(known, ..)| *known == name) {
            Some((_, _, Kind::Bool)) => self.tell(name, "off"),
            Some((_, value, _)) => self.tell(name, *value),
            None => {
                self.0.remove(name);
            }
        }
    }

    /// True for a variable that only \set may set.
    pub fn is_special(name: &str) -> bool {
        STEERING.iter().any(|(known, ..)| *known == name)
    }

    /// All of them, as \set lists them.
    pub fn listed(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name} = '{value}'\n")).collect()
    }
}

/// What a word says: `on`, `TRUE`, `1`, `y` ..; any beginning of such a word, as in psql.
pub(super) fn boolean(word: &str) -> Option<bool> {
    let word = word.to_ascii_lowercase();
    let begins = |full: &str| !word.is_empty() && full.starts_with(&word);
    match word.as_str() {
        "1" | "on" => Some(true),
        "0" => Some(false),
        "o" => None,
        _ if begins("true") || begins("yes") => Some(true),
        _ if begins("false") || begins("no") || begins("off") => Some(false),
        _ => None,
    }
}

/// A value as a literal of SQL. A blank keeps the E of one with backslashes apart from what is before it.
pub(super) fn quoted_literal(value: &str) -> String {
    let literal = literal(value);
    if literal.starts_with('E') { format!(" {literal}") } else { literal }
}

/// A value as a name of SQL.
pub(super) fn quoted_identifier(value: &str) -> String {
    format!("\"{}\"", value.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_steer_the_run_take_some_values_only() {
        let mut variables = Variables::default();
        variables.set("ON_ERROR_STOP", "").unwrap();
        assert!(variables.is_on("ON_ERROR_STOP"));
        variables.unset("ON_ERROR_STOP");
        assert_eq!(variables.get("ON_ERROR_STOP"), Some("off"));
        assert_eq!(
            variables.set("AUTOCOMMIT", "perhaps").unwrap_err(),
            "unrecognized value \"perhaps\" for \"AUTOCOMMIT\": Boolean expected"
        );
        assert!(variables.set("ECHO", "loud").unwrap_err().ends_with("none, errors, queries, all."));
        assert_eq!(variables.set("a-b", "1").unwrap_err(), "invalid variable name: \"a-b\"");
        variables.set("mine", "it's").unwrap();
        assert_eq!(variables.get("mine").map(quoted_literal).as_deref(), Some("'it''s'"));
        variables.unset("mine");
        assert_eq!(variables.get("mine"), None);
    }

    #[test]
    fn booleans_are_psqls() {
        assert_eq!(["on", "tr", "YES", "1"].map(boolean), [Some(true); 4]);
        assert_eq!(["off", "f", "no", "0"].map(boolean), [Some(false); 4]);
        assert_eq!(["", "o", "2", "onn"].map(boolean), [None; 4]);
    }
}
