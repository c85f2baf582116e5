//! `\pset`: how results are shown.
//!
//! Manual: psql, "Meta-Commands", `\pset`.

use super::variables::boolean;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Aligned,
    Unaligned,
    Csv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineStyle {
    Ascii,
    Unicode,
}

/// What stands between fields or records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Separator {
    Text(String),
    Zero,
}

impl Separator {
    pub fn text(&self) -> &str {
        match self {
            Separator::Text(text) => text,
            Separator::Zero => "\0",
        }
    }

    pub fn is_zero(&self) -> bool {
        *self == Separator::Zero
    }
}

/// The options in force.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub format: Format,
    border: usize,
    /// `on`, `off` or `auto`, which is off where there is no terminal to be wide.
    expanded: &'static str,
    pub fieldsep: Separator,
    pub recordsep: Separator,
    pub csv_fieldsep: String,
    pub null: String,
    pub footer: bool,
    pub tuples_only: bool,
    pub title: Option<String>,
    pub linestyle: LineStyle,
    columns: usize,
    pager: &'static str,
    pager_min_lines: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            format: Format::Aligned,
            border: 1,
            expanded: "off",
            fieldsep: Separator::Text("|".into()),
            recordsep: Separator::Text("\n".into()),
            csv_fieldsep: ",".into(),
            null: String::new(),
            footer: true,
            tuples_only: false,
            title: None,
            linestyle: LineStyle::Ascii,
            columns: 0,
            pager: "1",
            pager_min_lines: 0,
        }
    }
}

/// The names of the options, sorted.
const NAMES: &[&str] = &[
    "border",
    "columns",
    "csv_fieldsep",
    "expanded",
    "fieldsep",
    "fieldsep_zero",
    "footer",
    "format",
    "linestyle",
    "null",
    "numericlocale",
    "pager",
    "pager_min_lines",
    "recordsep",
    "recordsep_zero",
    "tableattr",
    "title",
    "tuples_only",
    "unicode_border_linestyle",
    "unicode_column_linestyle",
    "unicode_header_linestyle",
];

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

impl Options {
    /// How much of a frame there is: 0, 1 or 2.
    pub fn border(&self) -> usize {
        self.border.min(2)
    }

    /// True if each value gets a line of its own.
    pub fn is_expanded(&self) -> bool {
        self.expanded == "on"
    }

    /// The same with values on lines of their own.
    pub fn expanded(&self) -> Options {
        Options { expanded: "on", ..self.clone() }
    }

    /// The same with values side by side.
    pub fn collapsed(&self) -> Options {
        Options { expanded: "off", ..self.clone() }
    }

    /// Sets an option, or turns it over if no value is given; says what is so now, or nothing where psql does not. Errors: in psql's words.
    pub fn set(&mut self, name: &str, value: Option<&str>) -> Result<String, String> {
        let name = match name {
            "x" | "vertical" => "expanded",
            "t" => "tuples_only",
            known => known,
        };
        let switch = |now: bool| match value {
            None => Ok(!now),
            Some(word) => boolean(word).ok_or_else(|| format!("unrecognized value \"{word}\" for \"{name}\": Boolean expected")),
        };
        let number = |now: usize| value.map_or(now, |v| v.trim().parse().unwrap_or(0));
        match name {
            "format" => {
                if let Some(value) = value {
                    self.format = format(value)?;
                }
            }
            "border" => self.border = number(self.border),
            "columns" => self.columns = number(self.columns),
            "expanded" => {
                self.expanded = match value {
                    Some("auto") => "auto",
                    _ => {
                        let word = |v: &str| format!("unrecognized value \"{v}\" for \"expanded\"\nAvailable values are: on, off, auto.");
                        on_off(switch(self.expanded == "on").map_err(|_| word(value.unwrap_or_default()))?)
                    }
                }
            }
            "fieldsep" => {
                if let Some(value) = value {
                    self.fieldsep = Separator::Text(value.to_string());
                }
            }
            "fieldsep_zero" => self.fieldsep = Separator::Zero,
            "recordsep" => {
                if let Some(value) = value {
                    self.recordsep = Separator::Text(value.to_string());
                }
            }
            "recordsep_zero" => self.recordsep = Separator::Zero,
            "csv_fieldsep" => {
                if let Some(value) = value {
                    if value.chars().count() != 1 || !value.is_ascii() {
                        return Err("\\pset: csv_fieldsep must be a single one-byte character".into());
                    }
                    if ["\"", "\n", "\r", "\0"].contains(&value) {
                        return Err("\\pset: csv_fieldsep cannot be a double quote, a newline, or a carriage return".into());
                    }
                    self.csv_fieldsep = value.to_string();
                }
            }
            "null" => {
                if let Some(value) = value {
                    self.null = value.to_string();
                }
            }
            "footer" => self.footer = switch(self.footer)?,
            "tuples_only" => self.tuples_only = switch(self.tuples_only)?,
            "title" => self.title = value.map(str::to_string),
            "linestyle" => match value {
                None => {}
                Some(word) if !word.is_empty() && "ascii".starts_with(&word.to_ascii_lowercase()) => self.linestyle = LineStyle::Ascii,
                Some(word) if !word.is_empty() && "unicode".starts_with(&word.to_ascii_lowercase()) => self.linestyle = LineStyle::Unicode,
                Some("old-ascii") => return Err(refused("linestyle old-ascii")),
                Some(_) => return Err("\\pset: allowed line styles are ascii, old-ascii, unicode".into()),
            },
            "pager" => {
                self.pager = match value {
                    Some("always") => "2",
                    _ => {
                        if switch(self.pager != "0")? {
                            "1"
                        } else {
                            "0"
                        }
                    }
                }
            }
            "pager_min_lines" => self.pager_min_lines = number(self.pager_min_lines),
            "numericlocale" if switch(false)? => return Err(refused("numericlocale")),
            "numericlocale" => {}
            "tableattr" if value.is_none() => {}
            known if NAMES.contains(&known) => return Err(refused(known)),
            other => return Err(format!("\\pset: unknown option: {other}")),
        }
        let silent = value.is_some() && ["footer", "tuples_only", "numericlocale"].contains(&name);
        Ok(if silent { String::new() } else { format!("{}\n", self.told(name)) })
    }

    /// What is said of an option when it is set.
    fn told(&self, name: &str) -> String {
        match name {
            "format" => format!("Output format is {}.", self.format.name()),
            "border" => format!("Border style is {}.", self.border),
            "columns" if self.columns == 0 => "Target width is unset.".into(),
            "columns" => format!("Target width is {}.", self.columns),
            "expanded" if self.expanded == "auto" => "Expanded display is used automatically.".into(),
            "expanded" => format!("Expanded display is {}.", self.expanded),
            "fieldsep" | "fieldsep_zero" => match &self.fieldsep {
                Separator::Zero => "Field separator is zero byte.".into(),
                Separator::Text(text) => format!("Field separator is \"{text}\"."),
            },
            "recordsep" | "recordsep_zero" => match &self.recordsep {
                Separator::Zero => "Record separator is zero byte.".into(),
                Separator::Text(text) if text == "\n" => "Record separator is <newline>.".into(),
                Separator::Text(text) => format!("Record separator is \"{text}\"."),
            },
            "csv_fieldsep" => format!("Field separator for CSV is \"{}\".", self.csv_fieldsep),
            "null" => format!("Null display is \"{}\".", self.null),
            "footer" => format!("Default footer is {}.", on_off(self.footer)),
            "tuples_only" => format!("Tuples only is {}.", on_off(self.tuples_only)),
            "title" => self.title.as_ref().map_or("Title is unset.".into(), |t| format!("Title is \"{t}\".")),
            "linestyle" => format!("Line style is {}.", self.linestyle.name()),
            "numericlocale" => "Locale-adjusted numeric output is off.".into(),
            "tableattr" => "Table attributes unset.".into(),
            "pager_min_lines" if self.pager_min_lines == 1 => "Pager won't be used for less than 1 line.".into(),
            "pager_min_lines" => format!("Pager won't be used for less than {} lines.", self.pager_min_lines),
            _ => match self.pager {
                "0" => "Pager usage is off.",
                "1" => "Pager is used for long output.",
                _ => "Pager is always used.",
            }
            .into(),
        }
    }

    /// All options, as \pset lists them.
    pub fn listed(&self) -> String {
        let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\n', "\\n").replace('\'', "\\'"));
        let value = |name: &str| match name {
            "border" => self.border.to_string(),
            "columns" => self.columns.to_string(),
            "csv_fieldsep" => quoted(&self.csv_fieldsep),
            "expanded" => self.expanded.to_string(),
            "fieldsep" => quoted(if self.fieldsep.is_zero() { "" } else { self.fieldsep.text() }),
            "fieldsep_zero" => on_off(self.fieldsep.is_zero()).into(),
            "footer" => on_off(self.footer).into(),
            "format" => self.format.name().into(),
            "linestyle" => self.linestyle.name().into(),
            "null" => quoted(&self.null),
            "numericlocale" => "off".into(),
            "pager" => self.pager.into(),
            "pager_min_lines" => self.pager_min_lines.to_string(),
            "recordsep" => quoted(if self.recordsep.is_zero() { "" } else { self.recordsep.text() }),
            "recordsep_zero" => on_off(self.recordsep.is_zero()).into(),
            "title" => self.title.as_deref().map(quoted).unwrap_or_default(),
            "tuples_only" => on_off(self.tuples_only).into(),
            "tableattr" => String::new(),
            _ => "single".into(),
        };
        NAMES.iter().map(|name| format!("{name:<24} {}\n", value(name))).collect()
    }
}

fn refused(what: &str) -> String {
    format!("\\pset: everfold run does not support {what}")
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Format::Aligned => "aligned",
            Format::Unaligned => "unaligned",
            Format::Csv => "csv",
        }
    }
}

impl LineStyle {
    fn name(self) -> &'static str {
        match self {
            LineStyle::Ascii => "ascii",
            LineStyle::Unicode => "unicode",
        }
    }
}

/// A format by its name or the beginning of that.
fn format(word: &str) -> Result<Format, String> {
    const OTHERS: [&str; 6] = ["asciidoc", "html", "latex", "latex-longtable", "troff-ms", "wrapped"];
    let of = |format: Format| (format.name(), Some(format));
    let all = [of(Format::Aligned), of(Format::Csv), of(Format::Unaligned)].into_iter().chain(OTHERS.map(|name| (name, None)));
    let all: Vec<_> = all.filter(|(name, _)| !word.is_empty() && name.starts_with(&word.to_ascii_lowercase())).collect();
    let exact = all.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).copied();
    match exact.or(if all.len() == 1 { all.first().copied() } else { None }) {
        Some((_, Some(format))) => Ok(format),
        Some((name, None)) => Err(refused(&format!("format {name}"))),
        None if all.len() > 1 => {
            Err(format!("\\pset: ambiguous abbreviation \"{word}\" matches both \"{}\" and \"{}\"", all[0].0, all[1].0))
        }
        None => {
            Err("\\pset: allowed formats are aligned, asciidoc, csv, html, latex, latex-longtable, troff-ms, unaligned, wrapped".into())
        }
    }
}
