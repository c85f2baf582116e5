//! Columns side by side.

use super::width::{Piece, pieces};
use super::{Rule, Strokes, Table};

/// The text of a table.
pub(super) fn text(table: &Table<'_>) -> String {
    let options = table.options;
    let headings: Vec<Vec<Piece>> = table.headings.iter().map(|h| pieces(&h.name)).collect();
    let rows: Vec<Vec<Vec<Piece>>> = table.rows.iter().map(|row| row.iter().map(|cell| pieces(cell)).collect()).collect();
    let widest = |cell: &[Piece]| cell.iter().map(|p| p.width).max().unwrap_or(0);
    let mut widths: Vec<usize> = headings.iter().map(|h| widest(h)).collect();
    for row in &rows {
        row.iter().zip(&mut widths).for_each(|(cell, width)| *width = (*width).max(widest(cell)));
    }
    let printer = Printer { strokes: Strokes::of(options), border: options.border(), widths };
    let mut out = String::new();
    if let Some(title) = table.title() {
        printer.title(&mut out, title);
    }
    if !options.tuples_only {
        if options.border() == 2 {
            printer.rule(&mut out, Rule::Top);
        }
        printer.headings(&mut out, &headings);
        printer.rule(&mut out, Rule::Middle);
    } else if options.border() == 2 {
        printer.rule(&mut out, Rule::Top);
    }
    for row in &rows {
        printer.row(&mut out, table, row);
    }
    if options.border() == 2 {
        printer.rule(&mut out, Rule::Bottom);
    }
    table.footers().iter().for_each(|line| out.push_str(&format!("{line}\n")));
    out.push('\n');
    out
}

struct Printer {
    strokes: &'static Strokes,
    border: usize,
    widths: Vec<usize>,
}

fn blanks(out: &mut String, n: usize) {
    out.extend(std::iter::repeat_n(' ', n));
}

impl Printer {
    /// In the middle above the table.
    fn title(&self, out: &mut String, title: &str) {
        let columns = self.widths.len();
        let frame = match self.border {
            0 => columns,
            1 => (columns * 3).saturating_sub(1),
            _ => columns * 3 + 1,
        };
        let (total, lines) = (frame + self.widths.iter().sum::<usize>(), pieces(title));
        let width = lines.iter().map(|p| p.width).max().unwrap_or(0);
        blanks(out, total.saturating_sub(width) / 2);
        out.push_str(title);
        out.push('\n');
    }

    fn rule(&self, out: &mut String, rule: Rule) {
        let line = self.strokes.horizontal;
        let [left, middle, right] = self.strokes.crossings[rule as usize];
        let parts: Vec<String> = self.widths.iter().map(|w| line.repeat(*w)).collect();
        match self.border {
            0 => out.push_str(&parts.join(" ")),
            1 => out.push_str(&format!("{line}{}{line}", parts.join(&format!("{line}{middle}{line}")))),
            _ => out.push_str(&format!("{left}{line}{}{line}{right}", parts.join(&format!("{line}{middle}{line}")))),
        }
        out.push('\n');
    }

    fn headings(&self, out: &mut String, headings: &[Vec<Piece>]) {
        let height = headings.iter().map(Vec::len).max().unwrap_or(0);
        for i in 0..height {
            if self.border == 2 {
                out.push_str(self.strokes.vertical);
            }
            for (j, (heading, width)) in headings.iter().zip(&self.widths).enumerate() {
                if self.border > 0 {
                    out.push(' ');
                }
                match heading.get(i) {
                    Some(piece) => {
                        let room = width - piece.width;
                        blanks(out, room / 2);
                        out.push_str(&piece.text);
                        blanks(out, room.div_ceil(2));
                    }
                    None => blanks(out, *width),
                }
                out.push_str(if i + 1 < heading.len() { self.strokes.more } else { " " });
                if self.border > 0 && j + 1 < headings.len() {
                    out.push_str(self.strokes.vertical);
                }
            }
            if self.border == 2 {
                out.push_str(self.strokes.vertical);
            }
            out.push('\n');
        }
    }

    /// A cell of several lines is continued below, with a mark behind each line but its last.
    fn row(&self, out: &mut String, table: &Table<'_>, row: &[Vec<Piece>]) {
        let height = row.iter().map(Vec::len).max().unwrap_or(1);
        for i in 0..height {
            if self.border == 2 {
                out.push_str(self.strokes.vertical);
            }
            for (j, (cell, width)) in row.iter().zip(&self.widths).enumerate() {
                let last = j + 1 == row.len();
                let (more, filled) = (i + 1 < cell.len(), self.border == 2 || !last);
                if self.border > 0 {
                    out.push(' ');
                }
                match cell.get(i) {
                    Some(piece) if table.headings[j].right => {
                        blanks(out, width - piece.width);
                        out.push_str(&piece.text);
                    }
                    Some(piece) => {
                        out.push_str(&piece.text);
                        blanks(out, if filled || more { width - piece.width } else { 0 });
                    }
                    None => blanks(out, if filled { *width } else { 0 }),
                }
                out.push_str(if more {
                    self.strokes.more
                } else if filled {
                    " "
                } else {
                    ""
                });
                if self.border > 0 && !last {
                    out.push_str(self.strokes.vertical);
                }
            }
            if self.border == 2 {
                out.push_str(self.strokes.vertical);
            }
            out.push('\n');
        }
    }
}
