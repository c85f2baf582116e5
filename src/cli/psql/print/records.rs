//! One record below the other: expanded display, aligned or wrapped to fit into a width.

use super::super::options::Format;
use super::Table;
use super::strokes::{Rule, Strokes};
use super::width::{Cell, End, Piece, blanks, cut, widest};

/// The fewest columns that values are cut to.
const LEAST: usize = 3;

/// The text of a table.
pub(super) fn text(table: &Table<'_>) -> String {
    let mut out = String::new();
    if table.rows.is_empty() && table.part.is_whole() {
        table.footers().iter().for_each(|line| out.push_str(&format!("{line}\n")));
        out.push('\n');
        return out;
    }
    if let Some(title) = table.title() {
        out.push_str(&format!("{title}\n"));
    }
    let (headings, rows) = table.cells();
    let printer = Printer::of(table, &headings, &rows);
    for (i, row) in rows.into_iter().enumerate() {
        let rule = if i == 0 { Rule::Top } else { Rule::Middle };
        if !table.options.tuples_only {
            printer.rule(&mut out, rule, Some(table.part.prior + i + 1));
        } else if i > 0 || !table.part.first || printer.border == 2 {
            printer.rule(&mut out, rule, None);
        }
        headings.iter().zip(row).for_each(|(heading, cell)| printer.field(&mut out, heading, cell));
    }
    if table.part.last {
        printer.end(&mut out, table.own_footers());
    }
    out
}

struct Printer {
    strokes: Strokes,
    border: u16,
    /// Width of the headings, without marks.
    header: usize,
    /// Width of the values, without marks.
    data: usize,
    /// Room for a mark to the left and to the right of a heading.
    marks: [bool; 2],
}

impl Printer {
    fn of(table: &Table<'_>, headings: &[Cell], rows: &[Vec<Cell>]) -> Printer {
        let (strokes, border) = (Strokes::of(table.options), table.options.border.min(2));
        let tall = headings.iter().any(|heading| heading.len() > 1);
        let marks = [border == 2 || (tall && !strokes.marks_right), border > 0 || (tall && strokes.marks_right)];
        let header = headings.iter().map(|heading| widest(heading)).max().unwrap_or(0);
        let mut printer = Printer { strokes, border, header, data: 0, marks };
        printer.data = printer.data_width(table, rows);
        printer
    }

    /// The width of the values: what they take. If they are wrapped it is what is left for them, but enough for the rules above the
    /// records to hold their names.
    fn data_width(&self, table: &Table<'_>, rows: &[Vec<Cell>]) -> usize {
        let cells = || rows.iter().flatten();
        let data = cells().map(|cell| widest(cell)).max().unwrap_or(0);
        if table.options.format != Format::Wrapped {
            return data;
        }
        let name = [9, 12, 15][usize::from(self.border)] + table.count.checked_ilog10().map_or(0, |log| log as usize + 1);
        let rule = if table.options.tuples_only { 0 } else { name };
        let room = |beside: usize| {
            let taken = self.header + beside;
            let (wanted, least) = ((taken + data).max(rule), (taken + LEAST).max(rule));
            let total = table.width().filter(|width| *width < wanted).map_or(wanted, |width| width.max(least));
            total - taken
        };
        // Marks of the headings, what is between them and the values, and the frame.
        let beside = self.marks.map(usize::from).iter().sum::<usize>() + [1, 2, 5][usize::from(self.border)];
        let may_be_marked = self.border < 2 && self.strokes.marks_right;
        let is_marked = may_be_marked && (cells().any(|cell| cell.len() > 1) || room(beside) < data);
        room(beside + usize::from(is_marked))
    }

    /// The line above a record, or below the last.
    fn rule(&self, out: &mut String, rule: Rule, record: Option<usize>) {
        let line = self.strokes.line(rule);
        let stroke = if self.border > 0 { line.stroke } else { " " };
        let name = match (record, self.border) {
            (None, _) => String::new(),
            (Some(n), 0) => format!("* Record {n}"),
            (Some(n), _) => format!("[ RECORD {n} ]"),
        };
        match self.border {
            0 => {}
            1 => out.push_str(stroke),
            _ => out.push_str(&format!("{}{stroke}", line.left)),
        }
        out.push_str(&name);
        let header = self.header + usize::from(self.border < 2 && self.marks[0]);
        let crossing = if self.border > 0 { vec![stroke, line.middle, stroke] } else { vec![" "] };
        let strokes = std::iter::repeat_n(stroke, header).chain(crossing).chain(std::iter::repeat_n(stroke, self.data));
        // The name stands in the place of the first of them; without an edge so does the stroke before it.
        strokes.skip(name.len() + usize::from(self.border < 2)).for_each(|stroke| out.push_str(stroke));
        if self.border == 2 {
            out.push_str(&format!("{stroke}{}", line.right));
        }
        out.push('\n');
    }

    /// A heading and its value.
    fn field(&self, out: &mut String, heading: &[Piece], cell: Cell) {
        let cell = cut(cell, self.data);
        for i in 0..heading.len().max(cell.len()) {
            if self.border == 2 {
                out.push_str(self.strokes.edge);
            }
            self.heading(out, heading, i);
            let before = before(&cell, i);
            if self.border > 0 {
                out.push_str(self.strokes.between(before, false));
            }
            self.value(out, cell.get(i), before);
            if self.border == 2 {
                out.push_str(self.strokes.edge);
            }
            out.push('\n');
        }
    }

    fn heading(&self, out: &mut String, heading: &[Piece], i: usize) {
        let [left, right] = self.marks.map(usize::from);
        let Some(piece) = heading.get(i) else {
            // Below a heading there is always a blank, even if there was no room for one beside it.
            return blanks(out, (left + self.header + right).max(1));
        };
        let marks = &self.strokes.heading;
        out.push_str(&(if i > 0 { marks.left } else { " " }).repeat(left));
        out.push_str(&piece.text);
        blanks(out, self.header - piece.width);
        out.push_str(&(if i + 1 < heading.len() { marks.right } else { " " }).repeat(right));
    }

    /// A line of a value, `before` being how the one above it ended.
    fn value(&self, out: &mut String, piece: Option<&Piece>, before: Option<End>) {
        let Some(piece) = piece else {
            return blanks(out, if self.border == 2 { self.data + 2 } else { 0 });
        };
        out.push_str(self.strokes.left_mark(before));
        out.push_str(&piece.text);
        let mark = self.strokes.right_mark(piece.end).filter(|_| self.strokes.marks_right);
        if self.border == 2 || mark.is_some() {
            blanks(out, self.data.saturating_sub(piece.width));
            out.push_str(mark.unwrap_or(" "));
        }
    }

    fn end(&self, out: &mut String, footers: &[String]) {
        if self.border == 2 {
            self.rule(out, Rule::Bottom, None);
        } else if !footers.is_empty() {
            out.push('\n');
        }
        footers.iter().for_each(|line| out.push_str(&format!("{line}\n")));
        out.push('\n');
    }
}

/// How the line ended that stands above the `i`th of a value. Below the last one the value counts as cut, unless that had no text: so
/// psql has it, and where a heading is higher than its value it shows between them.
fn before(cell: &[Piece], i: usize) -> Option<End> {
    let above = i.checked_sub(1)?;
    match cell.last() {
        Some(last) if i >= cell.len() && !last.text.is_empty() => Some(End::Cut),
        Some(_) if i >= cell.len() => (cell.len() > 1).then_some(End::Newline),
        _ => Some(cell[above].end),
    }
}
