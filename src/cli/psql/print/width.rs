//! How wide text is on a terminal, and cells cut into lines.

/// A line of a cell, and the columns that it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub text: String,
    pub width: usize,
}

/// The lines of a cell, control characters written out. At least one.
pub(super) fn pieces(cell: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let (mut text, mut width) = (String::new(), 0);
    for c in cell.chars() {
        match c {
            '\n' => pieces.push(Piece { text: std::mem::take(&mut text), width: std::mem::take(&mut width) }),
            '\t' => {
                let to = (width / 8 + 1) * 8;
                text.extend(std::iter::repeat_n(' ', to - width));
                width = to;
            }
            '\r' => {
                text.push_str("\\r");
                width += 2;
            }
            c if u32::from(c) < 0x20 || c == '\u{7f}' => {
                text.push_str(&format!("\\x{:02X}", u32::from(c)));
                width += 4;
            }
            c if (0x80..0xa0).contains(&u32::from(c)) => {
                text.push_str(&format!("\\u{:04X}", u32::from(c)));
                width += 6;
            }
            c => {
                text.push(c);
                width += columns(c);
            }
        }
    }
    pieces.push(Piece { text, width });
    pieces
}

/// Columns that a character takes: two for East Asian wide characters and emoji, none for those that combine.
fn columns(c: char) -> usize {
    let c = u32::from(c);
    if ZERO.iter().any(|(from, to)| (*from..=*to).contains(&c)) {
        0
    } else if WIDE.iter().any(|(from, to)| (*from..=*to).contains(&c)) {
        2
    } else {
        1
    }
}

/// Characters that combine with the one before, or are not seen.
const ZERO: &[(u32, u32)] = &[
    (0x300, 0x36f),
    (0x483, 0x489),
    (0x591, 0x5bd),
    (0x610, 0x61a),
    (0x64b, 0x65f),
    (0x6d6, 0x6dc),
    (0x93c, 0x93c),
    (0x941, 0x948),
    (0x94d, 0x94d),
    (0xe31, 0xe31),
    (0xe34, 0xe3a),
    (0xe47, 0xe4e),
    (0x1ab0, 0x1aff),
    (0x1dc0, 0x1dff),
    (0x200b, 0x200f),
    (0x202a, 0x202e),
    (0x2060, 0x2064),
    (0x20d0, 0x20f0),
    (0x302a, 0x302d),
    (0xfe00, 0xfe0f),
    (0xfe20, 0xfe2f),
    (0xfeff, 0xfeff),
    (0xe0100, 0xe01ef),
];

/// Characters of East Asian width W or F.
const WIDE: &[(u32, u32)] = &[
    (0x1100, 0x115f),
    (0x231a, 0x231b),
    (0x2329, 0x232a),
    (0x23e9, 0x23ec),
    (0x25fd, 0x25fe),
    (0x2614, 0x2615),
    (0x2648, 0x2653),
    (0x26a1, 0x26a1),
    (0x26bd, 0x26be),
    (0x26c4, 0x26c5),
    (0x2705, 0x2705),
    (0x270a, 0x270b),
    (0x2728, 0x2728),
    (0x274c, 0x274c),
    (0x2753, 0x2755),
    (0x2757, 0x2757),
    (0x2795, 0x2797),
    (0x2b1b, 0x2b1c),
    (0x2b50, 0x2b50),
    (0x2b55, 0x2b55),
    (0x2e80, 0x303e),
    (0x3041, 0xa4cf),
    (0xa960, 0xa97c),
    (0xac00, 0xd7a3),
    (0xf900, 0xfaff),
    (0xfe10, 0xfe19),
    (0xfe30, 0xfe6f),
    (0xff00, 0xff60),
    (0xffe0, 0xffe6),
    (0x16fe0, 0x18cff),
    (0x1b000, 0x1b2ff),
    (0x1f004, 0x1f004),
    (0x1f0cf, 0x1f0cf),
    (0x1f18e, 0x1f18e),
    (0x1f191, 0x1f19a),
    (0x1f200, 0x1f320),
    (0x1f32d, 0x1f335),
    (0x1f337, 0x1f37c),
    (0x1f37e, 0x1f393),
    (0x1f3a0, 0x1f3ca),
    (0x1f3e0, 0x1f3f0),
    (0x1f3f8, 0x1f43e),
    (0x1f440, 0x1f4fc),
    (0x1f4ff, 0x1f53d),
    (0x1f550, 0x1f567),
    (0x1f5fb, 0x1f64f),
    (0x1f680, 0x1f6c5),
    (0x1f6d0, 0x1f6d2),
    (0x1f6eb, 0x1f6ec),
    (0x1f7e0, 0x1f7eb),
    (0x1f90c, 0x1f9ff),
    (0x1fa70, 0x1faff),
    (0x20000, 0x3fffd),
];
