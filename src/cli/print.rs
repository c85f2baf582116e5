//! Results as psql prints them: aligned, border 1.

use std::fmt::Write;

/// A column's heading and whether its values stand to the right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heading {
    pub name: String,
    pub right: bool,
}

/// Prints `rows` (n x c) under `headings` (c); null is empty. Ends with the number of rows and an empty line, as psql does.
pub(super) fn aligned(headings: &[Heading], rows: &[Vec<Option<String>>]) -> String {
    let mut out = String::new();
    let widths = widths(headings, rows);
    if !headings.is_empty() {
        let centred: Vec<String> = headings.iter().zip(&widths).map(|(h, w)| centre(&h.name, *w)).collect();
        push(&mut out, format_args!(" {} \n", centred.join(" | ")));
        let rule: Vec<String> = widths.iter().map(|w| "-".repeat(w + 2)).collect();
        push(&mut out, format_args!("{}\n", rule.join("+")));
    } else {
        out.push_str("--\n");
    }
    for row in rows {
        put_row(&mut out, headings, &widths, row);
    }
    let plural = if rows.len() == 1 { "row" } else { "rows" };
    push(&mut out, format_args!("({} {plural})\n\n", rows.len()));
    out
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes everything");
}

fn widths(headings: &[Heading], rows: &[Vec<Option<String>>]) -> Vec<usize> {
    let mut widths: Vec<usize> = headings.iter().map(|h| width(&h.name)).collect();
    for row in rows {
        for (cell, w) in row.iter().zip(&mut widths) {
            let longest = cell.iter().flat_map(|text| text.split('\n')).map(width).max();
            *w = (*w).max(longest.unwrap_or(0));
        }
    }
    widths
}

/// A cell of several lines is continued below, with a `+` behind each line but its last.
fn put_row(out: &mut String, headings: &[Heading], widths: &[usize], row: &[Option<String>]) {
    let cells: Vec<Vec<&str>> = row.iter().map(|cell| cell.as_deref().unwrap_or("").split('\n').collect()).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    for i in 0..height {
        for (j, cell) in cells.iter().enumerate() {
            let text = cell.get(i).copied().unwrap_or("");
            let pad = " ".repeat(widths[j].saturating_sub(width(text)));
            let (more, last) = (i + 1 < cell.len(), j + 1 == cells.len());
            let (left, right) = if headings[j].right { (pad.as_str(), "") } else { ("", pad.as_str()) };
            let right = if last && !more { "" } else { right };
            let mark = if more { "+" } else { " " };
            let separator = if last { if more { "+\n" } else { "\n" } } else { mark };
            push(out, format_args!(" {left}{text}{right}{separator}{}", if last { "" } else { "|" }));
        }
    }
}

fn centre(text: &str, to: usize) -> String {
    let room = to.saturating_sub(width(text));
    format!("{}{text}{}", " ".repeat(room / 2), " ".repeat(room - room / 2))
}

/// Columns that a text takes on a terminal: two for East Asian wide characters and emoji, none for combining marks.
fn width(text: &str) -> usize {
    let of = |c: char| match u32::from(c) {
        0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f | 0xff00..=0xff60 => 2,
        0x1f300..=0x1faff | 0x20000..=0x3fffd => 2,
        _ => 1,
    };
    text.chars().map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headings(names: &[(&str, bool)]) -> Vec<Heading> {
        names.iter().map(|(name, right)| Heading { name: name.to_string(), right: *right }).collect()
    }

    fn row(cells: &[&str]) -> Vec<Option<String>> {
        cells.iter().map(|c| (*c != "NULL").then(|| c.to_string())).collect()
    }

    #[test]
    fn numbers_stand_right_and_headings_in_the_middle() {
        let rows = [row(&["1", "ann"]), row(&["1234", "NULL"]), row(&["NULL", "李"])];
        let expected = "  id  | name \n------+------\n    1 | ann\n 1234 | \n      | 李\n(3 rows)\n\n";
        assert_eq!(aligned(&headings(&[("id", true), ("name", false)]), &rows), expected);
    }

    #[test]
    fn cells_of_several_lines_are_continued() {
        let rows = [row(&["a\nbc", "1"]), row(&["d", "x\ny"])];
        let expected = " t  | u \n----+---\n a +| 1\n bc | \n d  | x+\n    | y\n(2 rows)\n\n";
        assert_eq!(aligned(&headings(&[("t", false), ("u", false)]), &rows), expected);
    }

    #[test]
    fn no_rows_and_no_columns_are_shown_too() {
        assert_eq!(aligned(&headings(&[("n", true)]), &[]), " n \n---\n(0 rows)\n\n");
        assert_eq!(aligned(&[], &[vec![]]), "--\n(1 row)\n\n");
    }
}
