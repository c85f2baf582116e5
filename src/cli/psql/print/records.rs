//! One record below the other: expanded display.

use super::width::{Piece, pieces};
use super::{Rule, Strokes, Table};

/// The text of a table.
pub(super) fn text(table: &Table<'_>) -> String {
    let options = table.options;
    let mut out = String::new();
    if let Some(title) = table.title() {
        out.push_str(title);
        out.push('\n');
    }
    if table.rows.is_empty() {
        table.footers_of_records().iter().for_each(|line| out.push_str(&format!("{line}\n")));
        out.push('\n');
        return out;
    }
    let headings: Vec<Vec<Piece>> = table.headings.iter().map(|h| pieces(&h.name)).collect();
    let widest = |cell: &[Piece]| cell.iter().map(|p| p.width).max().unwrap_or(0);
    let header = headings.iter().map(|h| widest(h)).max().unwrap_or(0);
    let data = table.rows.iter().flatten().map(|cell| widest(&pieces(cell))).max().unwrap_or(0);
    let printer =
        Printer { strokes: Strokes::of(options), border: options.border(), header, data, tall: headings.iter().any(|h| h.len() > 1) };
    for (n, row) in table.rows.iter().enumerate() {
        let rule = if n == 0 { Rule::Top } else { Rule::Middle };
        if !options.tuples_only {
            printer.rule(&mut out, rule, Some(n + 1));
        } else if n > 0 || options.border() == 2 {
            printer.rule(&mut out, rule, None);
        }
        for (heading, cell) in headings.iter().zip(row) {
            printer.field(&mut out, heading, &pieces(cell));
        }
    }
    if options.border() == 2 {
        printer.rule(&mut out, Rule::Bottom, None);
    }
    out.push('\n');
    let footers = table.footers_of_records();
    if !footers.is_empty() {
        footers.iter().for_each(|line| out.push_str(&format!("{line}\n")));
        out.push('\n');
    }
    out
}

struct Printer {
    strokes: &'static Strokes,
    border: usize,
    /// Width of the headings.
    header: usize,
    /// Width of the values.
    data: usize,
    /// True if a heading has several lines.
    tall: bool,
}

fn blanks(out: &mut String, n: usize) {
    out.extend(std::iter::repeat_n(' ', n));
}

impl Printer {
    /// The line above a record, or below the last.
    fn rule(&self, out: &mut String, rule: Rule, record: Option<usize>) {
        let line = if self.border > 0 { self.strokes.horizontal } else { " " };
        let [left, middle, right] = self.strokes.crossings[rule as usize];
        match self.border {
            0 => {}
            1 => out.push_str(line),
            _ => out.push_str(&format!("{left}{line}")),
        }
        let name = match (record, self.border) {
            (None, _) => String::new(),
            (Some(n), 0) => format!("* Record {n}"),
            (Some(n), _) => format!("[ RECORD {n} ]"),
        };
        out.push_str(&name);
        // What the name takes of the headings' part, and then of the values' part.
        let mut taken = (name.len() + usize::from(self.border != 2)) as isize;
        out.push_str(&line.repeat(usize::try_from(self.header as isize - taken).unwrap_or(0)));
        taken -= self.header as isize;
        let mut put = |out: &mut String, text: &str| {
            if taken <= 0 {
                out.push_str(text);
            }
            taken -= 1;
        };
        if self.border > 0 {
            put(out, line);
            put(out, middle);
            put(out, line);
        } else {
            put(out, " ");
        }
        out.push_str(&line.repeat(usize::try_from(self.data as isize - taken.max(0)).unwrap_or(0)));
        if self.border == 2 {
            out.push_str(&format!("{line}{right}"));
        }
        out.push('\n');
    }

    fn field(&self, out: &mut String, heading: &[Piece], cell: &[Piece]) {
        let marked = self.border > 0 || self.tall;
        for i in 0..heading.len().max(cell.len()) {
            if self.border == 2 {
                out.push_str(self.strokes.vertical);
                out.push(' ');
            }
            match heading.get(i) {
                Some(piece) => {
                    out.push_str(&piece.text);
                    blanks(out, self.header - piece.width);
                    if marked {
                        out.push_str(if i + 1 < heading.len() { self.strokes.more } else { " " });
                    }
                }
                None => blanks(out, self.header + usize::from(marked)),
            }
            if self.border > 0 {
                out.push_str(self.strokes.vertical);
            }
            match cell.get(i) {
                Some(piece) => {
                    let more = i + 1 < cell.len();
                    out.push(' ');
                    out.push_str(&piece.text);
                    if more || self.border == 2 {
                        blanks(out, self.data - piece.width);
                        out.push_str(if more { self.strokes.more } else { " " });
                    }
                }
                None if self.border == 2 => blanks(out, self.data + 2),
                None => {}
            }
            if self.border == 2 {
                out.push_str(self.strokes.vertical);
            }
            out.push('\n');
        }
    }
}
