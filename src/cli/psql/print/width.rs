//! How wide text is on a terminal, and cells cut into lines.

use super::ranges::columns;

/// What comes behind a line of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The end of the cell.
    Cell,
    /// Another line.
    Newline,
    /// More of the same line, for which there was no room.
    Cut,
}

/// A line of a cell or a part of one, and the columns that it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub text: String,
    pub width: usize,
    pub end: End,
}

impl Piece {
    fn begun() -> Piece {
        Piece { text: String::new(), width: 0, end: End::Cell }
    }

    /// The piece up to here; a new one begins.
    fn ended(&mut self, end: End) -> Piece {
        Piece { end, ..std::mem::replace(self, Piece::begun()) }
    }

    fn push(&mut self, c: char) {
        match c {
            '\t' => {
                let to = (self.width / 8 + 1) * 8;
                blanks(&mut self.text, to - self.width);
                self.width = to;
            }
            '\r' => self.write_out("\\r"),
            c if c.is_ascii_control() => self.write_out(&format!("\\x{:02X}", u32::from(c))),
            c if c.is_control() => self.write_out(&format!("\\u{:04X}", u32::from(c))),
            c => {
                self.text.push(c);
                self.width += columns(c);
            }
        }
    }

    fn write_out(&mut self, name: &str) {
        self.text.push_str(name);
        self.width += name.len();
    }

    /// Its parts that take no more than so many columns each. A character that takes more by itself stays whole.
    fn cut(self, width: usize) -> Vec<Piece> {
        if self.width <= width {
            return vec![self];
        }
        let (mut parts, mut part) = (Vec::new(), Piece::begun());
        for c in self.text.chars() {
            if part.width > 0 && part.width + columns(c) > width {
                parts.push(part.ended(End::Cut));
            }
            part.push(c);
        }
        parts.push(part.ended(self.end));
        parts
    }
}

/// The lines of a heading or a value. At least one.
pub(super) type Cell = Vec<Piece>;

/// The lines of a text, control characters written out.
pub(super) fn cell(text: &str) -> Cell {
    let (mut pieces, mut piece) = (Vec::new(), Piece::begun());
    for c in text.chars() {
        match c {
            '\n' => pieces.push(piece.ended(End::Newline)),
            c => piece.push(c),
        }
    }
    pieces.push(piece);
    pieces
}

/// The lines of a cell, cut where they take more than so many columns.
pub(super) fn cut(cell: Cell, width: usize) -> Cell {
    cell.into_iter().flat_map(|piece| piece.cut(width)).collect()
}

/// The columns that a cell takes.
pub(super) fn widest(cell: &[Piece]) -> usize {
    cell.iter().map(|piece| piece.width).max().unwrap_or(0)
}

pub(super) fn blanks(out: &mut String, n: usize) {
    out.extend(std::iter::repeat_n(' ', n));
}
