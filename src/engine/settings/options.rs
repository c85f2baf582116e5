//! The command-line options of the startup message, which libpq fills from PGOPTIONS and `options=`: `-c name=value --name=value`.

use crate::error::{Error, Result, code};

/// Names and values of the settings in an options string. Errors: 42601 for what is no setting.
pub fn from_options(text: &str) -> Result<Vec<(String, String)>> {
    let words = words(text);
    let mut words = words.iter();
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let assignment = match word.strip_prefix("--") {
            Some(long) => Some(long.to_string()),
            None => match word.strip_prefix("-c") {
                Some("") => words.next().cloned(),
                short => short.map(str::to_string),
            },
        };
        let pair = assignment.as_deref().and_then(|a| a.split_once('='));
        let Some((name, value)) = pair else {
            return Err(Error::new(code::SYNTAX_ERROR, format!("invalid command-line argument for server process: {word}"))
                .hint("Options are settings: -c name=value."));
        };
        settings.push((name.trim().replace('-', "_"), value.to_string()));
    }
    Ok(settings)
}

/// Parts at white space; a backslash takes the next character as it is.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\\' => word.get_or_insert_default().extend(chars.next()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_settings() {
        let read = from_options(r"-c statement_timeout=5s  -csearch_path=a\ b --application-name=x=y").unwrap();
        let pairs: Vec<(&str, &str)> = read.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(pairs, [("statement_timeout", "5s"), ("search_path", "a b"), ("application_name", "x=y")]);
        assert!(from_options("").unwrap().is_empty());
        assert_eq!(from_options("-B 8").unwrap_err().code(), code::SYNTAX_ERROR);
        assert_eq!(from_options("-c x").unwrap_err().code(), code::SYNTAX_ERROR);
    }
}
