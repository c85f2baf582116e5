//! `\pset`: how results are shown.
//!
//! Manual: psql, "Meta-Commands", `\pset`.

use std::io::IsTerminal;

use super::variables::boolean;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Aligned,
    Asciidoc,
    Csv,
    Html,
    Latex,
    LatexLongtable,
    TroffMs,
    Unaligned,
    Wrapped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineStyle {
    Ascii,
    OldAscii,
    Unicode,
}

/// Whether lines of the line style `unicode` are drawn once or twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stroke {
    Single,
    Double,
}

/// Whether each value gets a line of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expanded {
    Off,
    On,
    /// If the result is too wide otherwise.
    Auto,
}

/// When a pager shows the output. None does here, but what was set is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pager {
    Off,
    On,
    Always,
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

    /// As `\pset` lists it, which has another line for the zero byte.
    fn listed(&self) -> String {
        quoted(if self.is_zero() { "" } else { self.text() })
    }
}

/// The options in force.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub format: Format,
    /// How much of a frame there is. Each format knows how far it goes.
    pub border: u16,
    expanded: Expanded,
    pub fieldsep: Separator,
    pub recordsep: Separator,
    pub csv_fieldsep: String,
    pub null: String,
    pub footer: bool,
    pub tuples_only: bool,
    pub title: Option<String>,
    /// Attributes of an HTML table, or the widths of the columns of a `longtable`.
    pub tableattr: Option<String>,
    /// Digits of numbers stand in groups.
    pub numericlocale: bool,
    pub linestyle: LineStyle,
    pub unicode_border: Stroke,
    pub unicode_column: Stroke,
    pub unicode_header: Stroke,
    columns: i32,
    pager: Pager,
    pager_min_lines: i32,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            format: Format::Aligned,
            border: 1,
            expanded: Expanded::Off,
            fieldsep: Separator::Text("|".into()),
            recordsep: Separator::Text("\n".into()),
            csv_fieldsep: ",".into(),
            null: String::new(),
            footer: true,
            tuples_only: false,
            title: None,
            tableattr: None,
            numericlocale: false,
            linestyle: LineStyle::Ascii,
            unicode_border: Stroke::Single,
            unicode_column: Stroke::Single,
            unicode_header: Stroke::Single,
            columns: 0,
            pager: Pager::On,
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

/// The name that an option is listed under.
fn full_name(name: &str) -> &str {
    match name {
        "x" | "vertical" => "expanded",
        "t" => "tuples_only",
        "C" => "title",
        "T" => "tableattr",
        full => full,
    }
}

impl Options {
    /// True if each value gets a line of its own.
    pub fn is_expanded(&self) -> bool {
        self.expanded == Expanded::On
    }

    /// True if each value gets a line of its own where the result is too wide otherwise.
    pub fn expands_if_wide(&self) -> bool {
        self.expanded == Expanded::Auto
    }

    /// The same with values on lines of their own.
    pub fn expanded(&self) -> Options {
        Options { expanded: Expanded::On, ..self.clone() }
    }

    /// The same without groups of digits.
    pub fn ungrouped(&self) -> Options {
        Options { numericlocale: false, ..self.clone() }
    }

    /// The same with values side by side.
    pub fn collapsed(&self) -> Options {
        Options { expanded: Expanded::Off, ..self.clone() }
    }

    /// The width that the output should fit into, if there is one: the one that was set, or else the one that the environment tells of if
    /// a terminal or a pager shows it.
    pub fn width(&self, paged: bool) -> Option<usize> {
        let positive = |columns: i32| usize::try_from(columns).ok().filter(|n| *n > 0);
        let told = || std::env::var("COLUMNS").ok().filter(|_| paged || std::io::stdout().is_terminal());
        positive(self.columns).or_else(|| told().and_then(|columns| positive(number(&columns))))
    }

    /// Sets an option, or turns it over if no value is given; says what is so now, or nothing where psql does not. Errors: in psql's words.
    pub fn set(&mut self, name: &str, value: Option<&str>) -> Result<String, String> {
        match (full_name(name), value) {
            ("expanded", _) => self.expanded = self.expanded_by(name, value)?,
            ("footer", _) => self.footer = switched(self.footer, name, value)?,
            ("numericlocale", _) => self.numericlocale = switched(self.numericlocale, name, value)?,
            ("tuples_only", _) => self.tuples_only = switched(self.tuples_only, name, value)?,
            ("pager", _) => self.pager = self.pager_by(value)?,
            ("fieldsep_zero", _) => self.fieldsep = Separator::Zero,
            ("recordsep_zero", _) => self.recordsep = Separator::Zero,
            ("title", _) => self.title = value.map(str::to_string),
            ("tableattr", _) => self.tableattr = value.map(str::to_string),
            (known, None) if NAMES.contains(&known) => {}
            (known, Some(value)) if NAMES.contains(&known) => self.assign(known, value)?,
            _ => return Err(format!("\\pset: unknown option: {name}")),
        }
        let name = full_name(name);
        let silent = value.is_some() && ["footer", "tuples_only", "numericlocale"].contains(&name);
        Ok(if silent { String::new() } else { format!("{}\n", self.told(name)) })
    }

    /// Sets one of the options that only change if a value is given.
    fn assign(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "format" => self.format = format(value)?,
            // No number counts as zero, and one that is too large loses its upper bits.
            "border" => self.border = number(value) as u16,
            "columns" => self.columns = number(value),
            "pager_min_lines" => self.pager_min_lines = number(value),
            "fieldsep" => self.fieldsep = Separator::Text(value.to_string()),
            "recordsep" => self.recordsep = Separator::Text(value.to_string()),
            "csv_fieldsep" => self.csv_fieldsep = csv_fieldsep(value)?,
            "null" => self.null = value.to_string(),
            "linestyle" => self.linestyle = line_style(value)?,
            "unicode_border_linestyle" => self.unicode_border = stroke("border", value)?,
            "unicode_column_linestyle" => self.unicode_column = stroke("column", value)?,
            _ => self.unicode_header = stroke("header", value)?,
        }
        Ok(())
    }

    fn expanded_by(&self, name: &str, value: Option<&str>) -> Result<Expanded, String> {
        match value {
            None if self.expanded == Expanded::Off => Ok(Expanded::On),
            None => Ok(Expanded::Off),
            Some(word) if word.eq_ignore_ascii_case("auto") => Ok(Expanded::Auto),
            Some(word) => match boolean(word) {
                Some(on) => Ok(if on { Expanded::On } else { Expanded::Off }),
                None => Err(not_among(name, word, "on, off, auto")),
            },
        }
    }

    fn pager_by(&self, value: Option<&str>) -> Result<Pager, String> {
        match value {
            None if self.pager == Pager::On => Ok(Pager::Off),
            None => Ok(Pager::On),
            Some(word) if word.eq_ignore_ascii_case("always") => Ok(Pager::Always),
            Some(word) => match boolean(word) {
                Some(on) => Ok(if on { Pager::On } else { Pager::Off }),
                None => Err(not_among("pager", word, "on, off, always")),
            },
        }
    }

    /// What is said of an option when it is set.
    fn told(&self, name: &str) -> String {
        match name {
            "format" => format!("Output format is {}.", self.format.name()),
            "border" => format!("Border style is {}.", self.border),
            "columns" if self.columns == 0 => "Target width is unset.".into(),
            "columns" => format!("Target width is {}.", self.columns),
            "expanded" if self.expanded == Expanded::Auto => "Expanded display is used automatically.".into(),
            "expanded" => format!("Expanded display is {}.", self.expanded.name()),
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
            "tableattr" => self.tableattr.as_ref().map_or("Table attributes unset.".into(), |t| format!("Table attributes are \"{t}\".")),
            "linestyle" => format!("Line style is {}.", self.linestyle.name()),
            "numericlocale" => format!("Locale-adjusted numeric output is {}.", on_off(self.numericlocale)),
            "pager_min_lines" if self.pager_min_lines == 1 => "Pager won't be used for less than 1 line.".into(),
            "pager_min_lines" => format!("Pager won't be used for less than {} lines.", self.pager_min_lines),
            "unicode_border_linestyle" => format!("Unicode border line style is \"{}\".", self.unicode_border.name()),
            "unicode_column_linestyle" => format!("Unicode column line style is \"{}\".", self.unicode_column.name()),
            "unicode_header_linestyle" => format!("Unicode header line style is \"{}\".", self.unicode_header.name()),
            _ => match self.pager {
                Pager::Off => "Pager usage is off.",
                Pager::On => "Pager is used for long output.",
                Pager::Always => "Pager is always used.",
            }
            .into(),
        }
    }

    /// All options, as \pset lists them.
    pub fn listed(&self) -> String {
        let value = |name: &str| match name {
            "border" => self.border.to_string(),
            "columns" => self.columns.to_string(),
            "csv_fieldsep" => quoted(&self.csv_fieldsep),
            "expanded" => self.expanded.name().into(),
            "fieldsep" => self.fieldsep.listed(),
            "fieldsep_zero" => on_off(self.fieldsep.is_zero()).into(),
            "footer" => on_off(self.footer).into(),
            "format" => self.format.name().into(),
            "linestyle" => self.linestyle.name().into(),
            "null" => quoted(&self.null),
            "numericlocale" => on_off(self.numericlocale).into(),
            "pager" => (self.pager as u8).to_string(),
            "pager_min_lines" => self.pager_min_lines.to_string(),
            "recordsep" => self.recordsep.listed(),
            "recordsep_zero" => on_off(self.recordsep.is_zero()).into(),
            "tableattr" => self.tableattr.as_deref().map(quoted).unwrap_or_default(),
            "title" => self.title.as_deref().map(quoted).unwrap_or_default(),
            "tuples_only" => on_off(self.tuples_only).into(),
            "unicode_border_linestyle" => self.unicode_border.name().into(),
            "unicode_column_linestyle" => self.unicode_column.name().into(),
            _ => self.unicode_header.name().into(),
        };
        NAMES.iter().map(|name| format!("{name:<24} {}\n", value(name))).collect()
    }
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Format::Aligned => "aligned",
            Format::Asciidoc => "asciidoc",
            Format::Csv => "csv",
            Format::Html => "html",
            Format::Latex => "latex",
            Format::LatexLongtable => "latex-longtable",
            Format::TroffMs => "troff-ms",
            Format::Unaligned => "unaligned",
            Format::Wrapped => "wrapped",
        }
    }
}

impl LineStyle {
    fn name(self) -> &'static str {
        match self {
            LineStyle::Ascii => "ascii",
            LineStyle::OldAscii => "old-ascii",
            LineStyle::Unicode => "unicode",
        }
    }
}

impl Stroke {
    fn name(self) -> &'static str {
        match self {
            Stroke::Single => "single",
            Stroke::Double => "double",
        }
    }
}

impl Expanded {
    fn name(self) -> &'static str {
        match self {
            Expanded::Off => "off",
            Expanded::On => "on",
            Expanded::Auto => "auto",
        }
    }
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// A text as `\pset` lists it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\n', "\\n").replace('\'', "\\'"))
}

fn not_among(name: &str, word: &str, words: &str) -> String {
    format!("unrecognized value \"{word}\" for \"{name}\"\nAvailable values are: {words}.")
}

/// A switch after it was set, or turned over.
fn switched(now: bool, name: &str, value: Option<&str>) -> Result<bool, String> {
    match value {
        None => Ok(!now),
        Some(word) => boolean(word).ok_or_else(|| format!("unrecognized value \"{word}\" for \"{name}\": Boolean expected")),
    }
}

/// The number that a text begins with, zero if with none, as C's `atoi` reads it: psql complains of no number.
fn number(text: &str) -> i32 {
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = digits.bytes().take_while(u8::is_ascii_digit).map(|digit| sign * i64::from(digit - b'0'));
    digits.fold(0, |number: i64, digit| number.saturating_mul(10).saturating_add(digit)) as i32
}

/// The one of the choices whose name begins with a word, the first of several.
fn beginning_with<T: Copy>(word: &str, choices: &[T], name: fn(T) -> &'static str) -> Option<T> {
    choices.iter().copied().find(|choice| begins(name(*choice), word))
}

fn begins(name: &str, word: &str) -> bool {
    name.get(..word.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(word))
}

fn csv_fieldsep(value: &str) -> Result<String, String> {
    match value {
        "\"" | "\n" | "\r" => Err("\\pset: csv_fieldsep cannot be a double quote, a newline, or a carriage return".into()),
        _ if value.len() == 1 => Ok(value.to_string()),
        _ => Err("\\pset: csv_fieldsep must be a single one-byte character".into()),
    }
}

fn line_style(word: &str) -> Result<LineStyle, String> {
    let all = [LineStyle::Ascii, LineStyle::OldAscii, LineStyle::Unicode];
    beginning_with(word, &all, LineStyle::name).ok_or_else(|| "\\pset: allowed line styles are ascii, old-ascii, unicode".into())
}

fn stroke(of: &str, word: &str) -> Result<Stroke, String> {
    let all = [Stroke::Single, Stroke::Double];
    beginning_with(word, &all, Stroke::name).ok_or_else(|| format!("\\pset: allowed Unicode {of} line styles are single, double"))
}

/// A format by its name or the beginning of that.
fn format(word: &str) -> Result<Format, String> {
    use Format::{Aligned, Asciidoc, Csv, Html, Latex, LatexLongtable, TroffMs, Unaligned, Wrapped};
    let mut found = [Aligned, Asciidoc, Csv, Html, Latex, TroffMs, Unaligned, Wrapped].into_iter().filter(|f| begins(f.name(), word));
    match (found.next(), found.next()) {
        (Some(format), None) => Ok(format),
        (Some(one), Some(other)) => {
            Err(format!("\\pset: ambiguous abbreviation \"{word}\" matches both \"{}\" and \"{}\"", one.name(), other.name()))
        }
        // The beginning of this name is another name, which would be ambiguous.
        (None, _) if begins(LatexLongtable.name(), word) => Ok(LatexLongtable),
        (None, _) => {
            Err("\\pset: allowed formats are aligned, asciidoc, csv, html, latex, latex-longtable, troff-ms, unaligned, wrapped".into())
        }
    }
}
