//! COPY's options, with PostgreSQL's defaults and its checks.

use crate::data::charset::Charset;
use crate::error::{Error, Result, code};

/// How the rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopyFormat {
    #[default]
    Text,
    Csv,
    Binary,
}

/// Whether the first line names the columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Header {
    #[default]
    No,
    Yes,
    /// It does, and the names must be those of the columns.
    Match,
}

/// Columns whose values CSV output always quotes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ForceQuote {
    #[default]
    None,
    All,
    Columns(Vec<String>),
}

/// The value of an option as the statement has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionValue {
    /// `HEADER`
    Absent,
    /// `FORMAT csv`, `DELIMITER ';'`
    Text(String),
    /// `FORCE_NULL (a, b)`
    List(Vec<String>),
    /// `FORCE_QUOTE *`
    Star,
}

/// What a COPY statement says about its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyOptions {
    pub format: CopyFormat,
    pub delimiter: u8,
    /// The text of NULL.
    pub null: String,
    pub header: Header,
    pub quote: u8,
    pub escape: u8,
    /// COPY TO: columns always quoted.
    pub force_quote: ForceQuote,
    /// COPY FROM: columns whose unquoted null string is text.
    pub force_not_null: Vec<String>,
    /// COPY FROM: columns whose quoted null string is NULL.
    pub force_null: Vec<String>,
    /// COPY FROM: the rows are to be stored as if they were old. Rows here never age: it only says that nobody else can see the table.
    pub freeze: bool,
    /// What the data is encoded in, if not in what the client's text is.
    pub encoding: Option<Charset>,
}

impl Default for CopyOptions {
    fn default() -> Self {
        CopyOptions::new(CopyFormat::Text)
    }
}

impl CopyOptions {
    /// A format's defaults.
    pub fn new(format: CopyFormat) -> CopyOptions {
        let csv = format == CopyFormat::Csv;
        CopyOptions {
            format,
            delimiter: if csv { b',' } else { b'\t' },
            null: if csv { String::new() } else { "\\N".to_string() },
            header: Header::No,
            quote: b'"',
            escape: b'"',
            force_quote: ForceQuote::None,
            force_not_null: Vec::new(),
            force_null: Vec::new(),
            freeze: false,
            encoding: None,
        }
    }

    /// Reads the options of a statement, names in lower case; `to` for COPY TO.
    /// Errors: 42601 for unknown or repeated options, 22023 and 0A000 for values that do not go.
    pub fn parse(options: &[(String, OptionValue)], to: bool) -> Result<CopyOptions> {
        for (i, (name, _)) in options.iter().enumerate() {
            if options[..i].iter().any(|(other, _)| other == name) {
                return Err(Error::syntax("conflicting or redundant options"));
            }
        }
        let format = match options.iter().find(|(n, _)| n == "format") {
            Some((_, value)) => format_of(value)?,
            None => CopyFormat::Text,
        };
        let mut read = CopyOptions::new(format);
        for (name, value) in options {
            read.set(name, value)?;
        }
        if !options.iter().any(|(n, _)| n == "escape") {
            read.escape = read.quote;
        }
        let given = |name: &str| options.iter().any(|(n, _)| n == name);
        read.check(to, &given)?;
        Ok(read)
    }

    fn set(&mut self, name: &str, value: &OptionValue) -> Result<()> {
        let list = || match value {
            OptionValue::List(names) => Ok(names.clone()),
            _ => Err(wrong(format!("argument to option \"{name}\" must be a list of column names"))),
        };
        match name {
            "format" => {}
            "delimiter" => self.delimiter = one_byte("delimiter", value)?,
            "quote" => self.quote = one_byte("quote", value)?,
            "escape" => self.escape = one_byte("escape", value)?,
            "null" => self.null = text_of(name, value)?,
            "header" => self.header = header_of(value)?,
            "force_quote" if *value == OptionValue::Star => self.force_quote = ForceQuote::All,
            "force_quote" => self.force_quote = ForceQuote::Columns(list()?),
            "force_not_null" => self.force_not_null = list()?,
            "force_null" => self.force_null = list()?,
            "encoding" => {
                let encoding = text_of(name, value)?;
                let none = || Error::new(code::INVALID_PARAMETER_VALUE, "argument to option \"encoding\" must be a valid encoding name");
                self.encoding = Some(Charset::named(&encoding)?.ok_or_else(none)?);
            }
            "freeze" => self.freeze = boolean_of(value).ok_or_else(|| Error::syntax("freeze requires a Boolean value"))?,
            _ => return Err(Error::syntax(format!("option \"{name}\" not recognized"))),
        }
        Ok(())
    }

    /// The checks of PostgreSQL's ProcessCopyOptions; `given` tells which options were written.
    fn check(&self, to: bool, given: &dyn Fn(&str) -> bool) -> Result<()> {
        let csv = self.format == CopyFormat::Csv;
        if self.format == CopyFormat::Binary {
            if let Some(name) = ["delimiter", "null"].into_iter().find(|n| given(n)) {
                return Err(Error::syntax(format!("cannot specify {} in BINARY mode", name.to_uppercase())));
            }
            if given("header") {
                return Err(Error::unsupported("cannot specify HEADER in BINARY mode").hint("Use the text or CSV format."));
            }
        }
        let only_csv = [("quote", "quote"), ("escape", "escape"), ("force_quote", "force quote")];
        let only_csv = only_csv.into_iter().chain([("force_not_null", "force not null"), ("force_null", "force null")]);
        for (name, words) in only_csv {
            if given(name) && !csv {
                return Err(Error::unsupported(format!("COPY {words} available only in CSV mode")).hint("Add FORMAT csv."));
            }
        }
        if self.freeze && to {
            return Err(Error::unsupported("COPY FREEZE cannot be used with COPY TO").hint("Leave FREEZE away."));
        }
        if given("force_quote") && !to {
            return Err(Error::unsupported("COPY force quote only available using COPY TO").hint("Leave FORCE_QUOTE away."));
        }
        for (name, words) in [("force_not_null", "force not null"), ("force_null", "force null")] {
            if given(name) && to {
                return Err(Error::unsupported(format!("COPY {words} only available using COPY FROM")).hint("Leave it away."));
            }
        }
        if self.header == Header::Match && to {
            return Err(Error::unsupported("cannot use \"match\" with HEADER in COPY TO").hint("Write HEADER true."));
        }
        if self.format == CopyFormat::Binary { Ok(()) } else { self.check_characters(csv) }
    }

    fn check_characters(&self, csv: bool) -> Result<()> {
        if matches!(self.delimiter, b'\r' | b'\n') {
            return Err(wrong("COPY delimiter cannot be newline or carriage return"));
        }
        if self.null.contains(['\r', '\n']) {
            return Err(wrong("COPY null representation cannot use newline or carriage return"));
        }
        if !csv && (matches!(self.delimiter, b'\\' | b'.') || self.delimiter.is_ascii_lowercase() || self.delimiter.is_ascii_digit()) {
            return Err(wrong(format!("COPY delimiter cannot be \"{}\"", char::from(self.delimiter))));
        }
        if csv && self.delimiter == self.quote {
            return Err(wrong("COPY delimiter and quote must be different"));
        }
        if csv && [self.quote, self.escape].iter().any(|b| matches!(b, b'\r' | b'\n')) {
            return Err(wrong("COPY quote and escape cannot be newline or carriage return"));
        }
        if self.null.as_bytes().contains(&self.delimiter) {
            return Err(Error::unsupported("COPY delimiter must not appear in the NULL specification").hint("Choose another NULL string."));
        }
        if csv && self.null.as_bytes().contains(&self.quote) {
            let error = Error::unsupported("CSV quote character must not appear in the NULL specification");
            return Err(error.hint("Choose another NULL string."));
        }
        Ok(())
    }
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(code::INVALID_PARAMETER_VALUE, message)
}

fn text_of(name: &str, value: &OptionValue) -> Result<String> {
    match value {
        OptionValue::Text(text) => Ok(text.clone()),
        _ => Err(Error::syntax(format!("{name} requires a parameter"))),
    }
}

fn one_byte(name: &str, value: &OptionValue) -> Result<u8> {
    match text_of(name, value)?.as_bytes() {
        [byte] if byte.is_ascii() && *byte != 0 => Ok(*byte),
        _ => {
            let error = Error::unsupported(format!("COPY {name} must be a single one-byte character"));
            Err(error.hint("Convert the data, or use a delimiter such as ',' or E'\\t'."))
        }
    }
}

fn format_of(value: &OptionValue) -> Result<CopyFormat> {
    let name = text_of("format", value)?;
    match name.to_ascii_lowercase().as_str() {
        "text" => Ok(CopyFormat::Text),
        "csv" => Ok(CopyFormat::Csv),
        "binary" => Ok(CopyFormat::Binary),
        _ => Err(wrong(format!("COPY format \"{name}\" not recognized"))),
    }
}

fn header_of(value: &OptionValue) -> Result<Header> {
    match (boolean_of(value), value) {
        (Some(true), _) => Ok(Header::Yes),
        (Some(false), _) => Ok(Header::No),
        (None, OptionValue::Text(word)) if word.eq_ignore_ascii_case("match") => Ok(Header::Match),
        _ => Err(Error::syntax("header requires a Boolean value or \"match\"")),
    }
}

/// A truth value, which is true where nothing is said.
fn boolean_of(value: &OptionValue) -> Option<bool> {
    match value {
        OptionValue::Absent => Some(true),
        OptionValue::Text(word) => match word.to_ascii_lowercase().as_str() {
            "true" | "on" | "1" => Some(true),
            "false" | "off" | "0" => Some(false),
            _ => None,
        },
        OptionValue::List(_) | OptionValue::Star => None,
    }
}
