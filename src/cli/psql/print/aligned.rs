//! Columns side by side: aligned, and wrapped to fit into a width.

use super::super::options::Format;
use super::strokes::{Rule, Strokes};
use super::width::{Cell, End, Piece, blanks, cell, cut, widest};
use super::{Heading, Table, records};

/// The text of a table.
pub(super) fn text(table: &Table<'_>) -> String {
    let options = table.options;
    let (border, target) = (options.border.min(2), table.width());
    let (headings, rows) = table.cells();
    let measures = Measures::of(border, &headings, &rows);
    let widths = match target {
        Some(target) if options.format == Format::Wrapped => measures.narrowed(target),
        _ => measures.widest.clone(),
    };
    let needed = measures.total(&widths).max(measures.total(&measures.headings));
    if options.expands_if_wide() && headings.len() > 1 && target.is_some_and(|width| width < needed) {
        return records::text(table);
    }
    let printer = Printer { strokes: Strokes::of(options), border, widths };
    let mut out = String::new();
    if let Some(title) = table.title() {
        printer.title(&mut out, title, measures.total(&printer.widths));
    }
    if table.is_headed() {
        printer.headings(&mut out, &headings);
    }
    for row in rows {
        printer.row(&mut out, table.headings, row);
    }
    if table.part.last {
        printer.end(&mut out, &table.footers());
    }
    out
}

/// How wide the columns of a table would be.
struct Measures {
    /// What the frame takes, and the blanks around the values.
    frame: usize,
    /// Of the headings alone.
    headings: Vec<usize>,
    /// Of headings and values, if nothing is cut.
    widest: Vec<usize>,
    /// What a value takes on average, rounded down.
    average: Vec<usize>,
}

impl Measures {
    fn of(border: u16, headings: &[Cell], rows: &[Vec<Cell>]) -> Measures {
        let columns = headings.len();
        let frame = match border {
            0 => columns,
            1 => (columns * 3).saturating_sub(1),
            _ => columns * 3 + 1,
        };
        let headings: Vec<usize> = headings.iter().map(|heading| widest(heading)).collect();
        let (mut all, mut sums) = (headings.clone(), vec![0; columns]);
        for row in rows {
            for (i, cell) in row.iter().enumerate() {
                let width = widest(cell);
                all[i] = all[i].max(width);
                sums[i] += width;
            }
        }
        let average = sums.into_iter().map(|sum| sum / rows.len().max(1)).collect();
        Measures { frame, headings, widest: all, average }
    }

    /// The width of the table with columns of such widths.
    fn total(&self, widths: &[usize]) -> usize {
        self.frame + widths.iter().sum::<usize>()
    }

    /// Widths with which the table is not wider than `target`, or as narrow as it gets: headings are not cut, and if they do not fit
    /// nothing is.
    fn narrowed(&self, target: usize) -> Vec<usize> {
        let mut widths = self.widest.clone();
        if target < self.total(&self.headings) {
            return widths;
        }
        for _ in target..self.total(&widths) {
            match self.loosest(&widths) {
                Some(column) => widths[column] -= 1,
                None => break,
            }
        }
        widths
    }

    /// The column to be narrowed: the one with most room for what its values take on average, as fewest of them are cut then, and
    /// rather a wide one.
    fn loosest(&self, widths: &[usize]) -> Option<usize> {
        let looseness = |i: usize| widths[i] as f64 / self.average[i] as f64 + self.widest[i] as f64 * 0.01;
        let may_shrink = |i: &usize| self.average[*i] > 0 && widths[*i] > self.headings[*i];
        (0..widths.len()).filter(may_shrink).reduce(|best, i| if looseness(i) > looseness(best) { i } else { best })
    }
}

struct Printer {
    strokes: Strokes,
    border: u16,
    widths: Vec<usize>,
}

impl Printer {
    fn rule(&self, out: &mut String, rule: Rule) {
        let line = self.strokes.line(rule);
        let stroke = line.stroke;
        let parts: Vec<String> = self.widths.iter().map(|w| stroke.repeat(*w)).collect();
        let joined = |between: &str| parts.join(between);
        let crossing = format!("{stroke}{}{stroke}", line.middle);
        match self.border {
            0 => out.push_str(&joined(" ")),
            1 => out.push_str(&format!("{stroke}{}{stroke}", joined(&crossing))),
            _ => out.push_str(&format!("{}{stroke}{}{stroke}{}", line.left, joined(&crossing), line.right)),
        }
        out.push('\n');
    }

    /// Left or right edge of the table.
    fn edge(&self, out: &mut String) {
        if self.border == 2 {
            out.push_str(self.strokes.edge);
        }
    }

    /// In the middle above the table, which has this width.
    fn title(&self, out: &mut String, title: &str, width: usize) {
        blanks(out, width.saturating_sub(widest(&cell(title))) / 2);
        out.push_str(&format!("{title}\n"));
    }

    fn headings(&self, out: &mut String, headings: &[Cell]) {
        if self.border == 2 {
            self.rule(out, Rule::Top);
        }
        let height = headings.iter().map(Vec::len).max().unwrap_or(0);
        for i in 0..height {
            self.edge(out);
            for (j, (heading, width)) in headings.iter().zip(&self.widths).enumerate() {
                if self.border > 0 && j > 0 {
                    out.push_str(self.strokes.between(None, false));
                }
                self.heading(out, heading, i, *width, j == 0);
            }
            self.edge(out);
            out.push('\n');
        }
        self.rule(out, Rule::Middle);
    }

    /// A line of a heading, in the middle of its column.
    fn heading(&self, out: &mut String, heading: &[Piece], i: usize, width: usize, first: bool) {
        let marks = &self.strokes.heading;
        if self.border > 0 || (!self.strokes.marks_right && !first) {
            out.push_str(if i > 0 { marks.left } else { " " });
        }
        let (text, taken) = heading.get(i).map_or(("", 0), |piece| (piece.text.as_str(), piece.width));
        blanks(out, (width - taken) / 2);
        out.push_str(text);
        blanks(out, (width - taken).div_ceil(2));
        if self.border > 0 || self.strokes.marks_right {
            out.push_str(if i + 1 < heading.len() { marks.right } else { " " });
        }
    }

    /// A cell of several lines is continued below, with marks on both sides.
    fn row(&self, out: &mut String, headings: &[Heading], row: Vec<Cell>) {
        let cells: Vec<Cell> = row.into_iter().zip(&self.widths).map(|(cell, width)| cut(cell, *width)).collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(0);
        for i in 0..height {
            self.edge(out);
            for (j, (cell, heading)) in cells.iter().zip(headings).enumerate() {
                let before = i.checked_sub(1).and_then(|above| cell.get(above)).map(|piece| piece.end);
                if self.border > 0 {
                    out.push_str(if j > 0 { self.strokes.between(before, i >= cell.len()) } else { "" });
                    out.push_str(self.strokes.left_mark(before));
                }
                let filled = self.border == 2 || j + 1 < cells.len();
                self.line(out, cell.get(i), self.widths[j], heading.right, filled);
            }
            self.edge(out);
            out.push('\n');
        }
    }

    /// A line of a cell, or the blanks below its last; `filled` if something stands to the right.
    fn line(&self, out: &mut String, piece: Option<&Piece>, width: usize, right: bool, filled: bool) {
        let (text, taken, end) = piece.map_or(("", 0, End::Cell), |piece| (piece.text.as_str(), piece.width, piece.end));
        let (room, mark) = (width.saturating_sub(taken), self.strokes.right_mark(end));
        if right && piece.is_some() {
            blanks(out, room);
            out.push_str(text);
        } else {
            out.push_str(text);
            blanks(out, if filled || mark.is_some() { room } else { 0 });
        }
        out.push_str(mark.unwrap_or(if filled { " " } else { "" }));
    }
    fn end(&self, out: &mut String, footers: &[String]) {
        if self.border == 2 {
            self.rule(out, Rule::Bottom);
        }
        footers.iter().for_each(|line| out.push_str(&format!("{line}\n")));
        out.push('\n');
    }
}
