//! Results as psql prints them.
//!
//! [`table`] is the one door: it takes the options of `\pset` and gives the text, whole, as psql writes it: aligned (`aligned`), one
//! record below the other (`records`), or with separators (`plain`).

mod aligned;
mod plain;
mod records;
mod width;

use super::options::{Format, LineStyle, Options};
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

/// The strokes of a table.
struct Strokes {
    horizontal: &'static str,
    vertical: &'static str,
    /// Left, middle and right crossing of the line above, below the headings, and below.
    crossings: [[&'static str; 3]; 3],
    /// Behind a line that goes on below.
    more: &'static str,
}

const ASCII: Strokes = Strokes { horizontal: "-", vertical: "|", crossings: [["+"; 3]; 3], more: "+" };
const UNICODE: Strokes =
    Strokes {
        horizontal: "─", vertical: "│", crossings: [["┌", "┬", "┐"], ["├", "┼", "┤"], ["└", "┴", "┘"]], more: "↵"
    };

/// Which line of a table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    Top = 0,
    Middle = 1,
    Bottom = 2,
}

impl Strokes {
    fn of(options: &Options) -> &'static Strokes {
        if options.linestyle == LineStyle::Unicode { &UNICODE } else { &ASCII }
    }
}

/// A result with the values to be shown.
struct Table<'a> {
    options: &'a Options,
    headings: &'a [Heading],
    /// Without those that have no columns, of which nothing is seen.
    rows: Vec<Vec<&'a str>>,
    count: usize,
    footers: Option<&'a [String]>,
}

impl Table<'_> {
    /// The lines below: the number of rows if there are no others, unless that is not wanted.
    fn footers(&self) -> Vec<String> {
        match self.footers {
            _ if self.options.tuples_only => vec![],
            Some(footers) => footers.to_vec(),
            None if !self.options.footer => vec![],
            None if self.count == 1 => vec!["(1 row)".to_string()],
            None => vec![format!("({} rows)", self.count)],
        }
    }

    /// The lines below records, which are numbered and need not be counted.
    fn footers_of_records(&self) -> Vec<String> {
        if self.footers.is_some() || self.count == 0 { self.footers() } else { vec![] }
    }

    fn title(&self) -> Option<&str> {
        self.options.title.as_deref().filter(|_| !self.options.tuples_only)
    }
}

/// The text of a result: `rows` (n x c) under `headings` (c), above `footers` instead of their count.
pub(super) fn table(options: &Options, headings: &[Heading], rows: &[Vec<Option<String>>], footers: Option<&[String]>) -> String {
    let rows: Vec<Vec<&str>> = rows.iter().map(|row| row.iter().map(|c| c.as_deref().unwrap_or(&options.null)).collect()).collect();
    let table = Table { options, headings, count: rows.len(), rows: if headings.is_empty() { vec![] } else { rows }, footers };
    match (options.format, options.is_expanded()) {
        (Format::Aligned, false) => aligned::text(&table),
        (Format::Aligned, true) => records::text(&table),
        (Format::Unaligned, false) => plain::unaligned(&table),
        (Format::Unaligned, true) => plain::unaligned_records(&table),
        (Format::Csv, expanded) => plain::csv(&table, expanded),
    }
}
