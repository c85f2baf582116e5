//! What tables of text are drawn with: the line styles.

use super::super::options::{LineStyle, Options, Stroke};
use super::width::End;

/// Which line of a table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Top = 0,
    Middle = 1,
    Bottom = 2,
}

/// A line across a table: what it is made of, and its crossings at the left edge, between columns and at the right edge.
#[derive(Clone, Copy)]
pub(super) struct Line {
    pub stroke: &'static str,
    pub left: &'static str,
    pub middle: &'static str,
    pub right: &'static str,
}

/// Marks on either side of a line, for one that goes on: on the right of what is continued, on the left of what continues it.
pub(super) struct Marks {
    pub left: &'static str,
    pub right: &'static str,
}

/// What stands between two columns, depending on the cell to the right.
struct Between {
    /// It begins here.
    first: &'static str,
    newline: &'static str,
    cut: &'static str,
    /// It has ended above.
    blank: &'static str,
}

/// A line style.
pub(super) struct Strokes {
    lines: [Line; 3],
    pub edge: &'static str,
    between: Between,
    pub heading: Marks,
    newline: Marks,
    cut: Marks,
    /// There is room for the marks on the right even without a frame, instead of room for those on the left.
    pub marks_right: bool,
}

const ASCII_LINE: Line = Line { stroke: "-", left: "+", middle: "+", right: "+" };

const ASCII: Strokes = Strokes {
    lines: [ASCII_LINE; 3],
    edge: "|",
    between: Between { first: "|", newline: "|", cut: "|", blank: "|" },
    heading: Marks { left: " ", right: "+" },
    newline: Marks { left: " ", right: "+" },
    cut: Marks { left: ".", right: "." },
    marks_right: true,
};

const OLD_ASCII: Strokes = Strokes {
    lines: [ASCII_LINE; 3],
    edge: "|",
    between: Between { first: "|", newline: ":", cut: ";", blank: " " },
    heading: Marks { left: "+", right: " " },
    newline: Marks { left: " ", right: " " },
    cut: Marks { left: " ", right: " " },
    marks_right: false,
};

impl Strokes {
    pub fn of(options: &Options) -> Strokes {
        match options.linestyle {
            LineStyle::Ascii => ASCII,
            LineStyle::OldAscii => OLD_ASCII,
            LineStyle::Unicode => unicode(options.unicode_border, options.unicode_column, options.unicode_header),
        }
    }

    pub fn line(&self, rule: Rule) -> Line {
        self.lines[rule as usize]
    }

    /// What stands before a line of a cell, `before` being how the one above it ended, and `over` whether the cell has ended too.
    pub fn between(&self, before: Option<End>, over: bool) -> &'static str {
        match before {
            Some(End::Cut) => self.between.cut,
            Some(End::Newline) => self.between.newline,
            _ if over => self.between.blank,
            _ => self.between.first,
        }
    }

    /// The mark on the left of a line of a cell, `before` being how the one above it ended.
    pub fn left_mark(&self, before: Option<End>) -> &'static str {
        match before {
            Some(End::Cut) => self.cut.left,
            Some(End::Newline) => self.newline.left,
            _ => " ",
        }
    }

    /// The mark on the right of a line that ends so, if it goes on.
    pub fn right_mark(&self, end: End) -> Option<&'static str> {
        match end {
            End::Cut => Some(self.cut.right),
            End::Newline => Some(self.newline.right),
            End::Cell => None,
        }
    }
}

/// The line style of Unicode's box drawings: the frame and what is between columns and below the headings may be double lines.
fn unicode(border: Stroke, column: Stroke, header: Stroke) -> Strokes {
    use Stroke::{Double, Single};
    let horizontal = |stroke| if stroke == Single { "─" } else { "═" };
    let vertical = |stroke| if stroke == Single { "│" } else { "║" };
    let [top_left, top_right, bottom_left, bottom_right] = match border {
        Single => ["┌", "┐", "└", "┘"],
        Double => ["╔", "╗", "╚", "╝"],
    };
    let [top, bottom] = match (column, border) {
        (Single, Single) => ["┬", "┴"],
        (Single, Double) => ["╤", "╧"],
        (Double, Single) => ["╥", "╨"],
        (Double, Double) => ["╦", "╩"],
    };
    let [left, right] = match (border, header) {
        (Single, Single) => ["├", "┤"],
        (Single, Double) => ["╞", "╡"],
        (Double, Single) => ["╟", "╢"],
        (Double, Double) => ["╠", "╣"],
    };
    let cross = match (column, header) {
        (Single, Single) => "┼",
        (Single, Double) => "╪",
        (Double, Single) => "╫",
        (Double, Double) => "╬",
    };
    let between = vertical(column);
    Strokes {
        lines: [
            Line { stroke: horizontal(border), left: top_left, middle: top, right: top_right },
            Line { stroke: horizontal(header), left, middle: cross, right },
            Line { stroke: horizontal(border), left: bottom_left, middle: bottom, right: bottom_right },
        ],
        edge: vertical(border),
        between: Between { first: between, newline: between, cut: between, blank: between },
        heading: Marks { left: " ", right: "↵" },
        newline: Marks { left: " ", right: "↵" },
        cut: Marks { left: "…", right: "…" },
        marks_right: true,
    }
}
