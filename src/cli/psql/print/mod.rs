//! Results as psql prints them.
//!
//! [`table`] is the one door: it takes the options of `\pset` and gives the text, whole, as psql writes it; [`part`] gives that of a
//! part of a result. There is a file for each format: `aligned`, which is wrapped too, with `records` for one record below the other,
//! `plain` for values with separators, `html`, `asciidoc`, `latex`, `longtable` and `troff`. What text is drawn with is in `strokes`.

mod aligned;
mod asciidoc;
mod html;
mod latex;
mod longtable;
mod numbers;
mod plain;
mod ranges;
mod records;
mod strokes;
mod troff;
mod width;

use std::borrow::Cow;

use self::width::{Cell, cell};
use super::options::{Format, Options};
use crate::cli::client::Rows;

/// A column's heading and whether its values stand to the right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heading {
    pub name: String,
    pub right: bool,
}

impl Heading {
    /// The heading of a column of the type with that object id: numbers stand to the right.
    pub fn new(name: &str, oid: u32) -> Heading {
        // int8, int2, int4, oid, xid, cid, float4, float8, money, numeric, xid8
        const RIGHT: [u32; 11] = [20, 21, 23, 26, 28, 29, 700, 701, 790, 1700, 5069];
        Heading { name: name.to_string(), right: RIGHT.contains(&oid) }
    }
}

impl Rows {
    /// The headings of its columns.
    pub(super) fn headings(&self) -> Vec<Heading> {
        self.columns.iter().map(|c| Heading::new(&c.name, c.oid)).collect()
    }
}

/// Which part of a result is shown. Each has its own widths; what stands above a result comes with the first, what stands below it
/// with the last, which may be without rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::psql) struct Part {
    /// Rows that were shown before.
    pub prior: usize,
    pub first: bool,
    pub last: bool,
}

impl Part {
    /// The result as a whole.
    pub const WHOLE: Part = Part { prior: 0, first: true, last: true };

    fn is_whole(self) -> bool {
        self.first && self.last
    }
}

/// A result, or a part of one, with the values to be shown.
struct Table<'a> {
    options: &'a Options,
    headings: &'a [Heading],
    /// Without those that have no columns, of which nothing is seen.
    rows: Vec<Vec<Cow<'a, str>>>,
    count: usize,
    footers: Option<&'a [String]>,
    part: Part,
}

impl Table<'_> {
    /// True if the headings are shown here.
    fn is_headed(&self) -> bool {
        self.part.first && !self.options.tuples_only
    }

    /// The title, if it is shown here.
    fn title(&self) -> Option<&str> {
        self.options.title.as_deref().filter(|_| self.is_headed())
    }

    /// The lines below: the number of rows if there are no others, unless that is not wanted.
    fn footers(&self) -> Cow<'_, [String]> {
        let counted = self.footers.is_none() && self.options.footer && self.part.last && !self.options.tuples_only;
        match self.part.prior + self.count {
            _ if !counted => Cow::Borrowed(self.own_footers()),
            1 => Cow::Owned(vec!["(1 row)".to_string()]),
            count => Cow::Owned(vec![format!("({count} rows)")]),
        }
    }

    /// The lines below records, which are numbered and need not be counted.
    fn own_footers(&self) -> &[String] {
        self.footers.filter(|_| self.part.last && !self.options.tuples_only).unwrap_or_default()
    }

    /// True if psql takes its output for paged, which it does with that of several parts. Then all of them are expanded if any might be.
    fn is_paged(&self) -> bool {
        !self.part.is_whole()
    }

    /// True for the formats of text on a terminal, which may fit into its width.
    fn is_text(&self) -> bool {
        matches!(self.options.format, Format::Aligned | Format::Wrapped)
    }

    /// The width that the text should fit into, if there is one.
    fn width(&self) -> Option<usize> {
        self.options.width(self.is_paged())
    }

    /// The lines of the headings and of the values.
    fn cells(&self) -> (Vec<Cell>, Vec<Vec<Cell>>) {
        let values = self.rows.iter().map(|row| row.iter().map(|value| cell(value)).collect());
        (self.headings.iter().map(|heading| cell(&heading.name)).collect(), values.collect())
    }

    /// The rows with their numbers: the records of expanded display.
    fn records(&self) -> impl Iterator<Item = (usize, &[Cow<'_, str>])> {
        self.rows.iter().enumerate().map(|(i, row)| (self.part.prior + i + 1, row.as_slice()))
    }
}

/// The text of a result: `rows` (n x c) under `headings` (c), above `footers` instead of their count.
pub(super) fn table(options: &Options, headings: &[Heading], rows: &[Vec<Option<String>>], footers: Option<&[String]>) -> String {
    part(options, headings, rows, footers, Part::WHOLE)
}

/// The text of a part of a result. The texts of all of them, one behind the other, are that of the result.
pub(super) fn part(
    options: &Options,
    headings: &[Heading],
    rows: &[Vec<Option<String>>],
    footers: Option<&[String]>,
    part: Part,
) -> String {
    let seen = if headings.is_empty() { &[] } else { rows };
    let table = Table {
        options,
        headings,
        count: rows.len(),
        rows: seen.iter().map(|row| values(options, headings, row)).collect(),
        footers,
        part,
    };
    let expanded = options.is_expanded() || (options.expands_if_wide() && table.is_paged() && table.is_text());
    match (options.format, expanded) {
        (Format::Aligned | Format::Wrapped, false) => aligned::text(&table),
        (Format::Aligned | Format::Wrapped, true) => records::text(&table),
        (Format::Unaligned, false) => plain::unaligned(&table),
        (Format::Unaligned, true) => plain::unaligned_records(&table),
        (Format::Csv, expanded) => plain::csv(&table, expanded),
        (Format::Html, expanded) => html::text(&table, expanded),
        (Format::Asciidoc, expanded) => asciidoc::text(&table, expanded),
        (Format::Latex, false) => latex::text(&table),
        (Format::LatexLongtable, false) => longtable::text(&table),
        (Format::Latex | Format::LatexLongtable, true) => latex::records(&table),
        (Format::TroffMs, false) => troff::text(&table),
        (Format::TroffMs, true) => troff::records(&table),
    }
}

/// The values of a row as they are shown, before a format writes them.
fn values<'a>(options: &'a Options, headings: &[Heading], row: &'a [Option<String>]) -> Vec<Cow<'a, str>> {
    let shown = |(heading, value): (&Heading, &'a Option<String>)| match value {
        None => Cow::Borrowed(options.null.as_str()),
        Some(number) if options.numericlocale && heading.right => numbers::grouped(number),
        Some(value) => Cow::Borrowed(value.as_str()),
    };
    headings.iter().zip(row).map(shown).collect()
}

/// True for what formats that are read by another program show as a blank, which that would not see.
fn is_blank(value: &str) -> bool {
    value.chars().all(|c| c == ' ' || c == '\t')
}
