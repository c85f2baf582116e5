//! Places of rows, PostgreSQL's type tid: `(block,offset)`. It is carried as text.
//!
//! Rows have no place in a block here: theirs is made of a position of the log, of which a tid has room for 2^48.

use crate::error::{Error, Result, code};

/// The bits of the offset.
const OFFSET_BITS: u32 = 16;

/// The tid that a position is.
pub fn of_position(position: i64) -> String {
    text((position >> OFFSET_BITS) as u32, position as u16)
}

/// `(block,offset)`
pub fn text(block: u32, offset: u16) -> String {
    format!("({block},{offset})")
}

/// Block and offset; `None` for a text that is no tid.
pub fn parts(text: &str) -> Option<(u32, u16)> {
    let (block, offset) = text.trim().strip_prefix('(')?.strip_suffix(')')?.split_once(',')?;
    let (block, offset) = (block.trim_start(), offset.trim_start());
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    (digits(block) && digits(offset)).then(|| Some((block.parse().ok()?, offset.parse().ok()?)))?
}

/// A text as tids are shown. Errors: 22P02.
pub fn shown(given: &str) -> Result<String> {
    parts(given).map(|(block, offset)| text(block, offset)).ok_or_else(|| wrong(given))
}

/// The position that a tid is made of, as far as it has room for it: tids are in its order. Errors: 22P02.
pub fn position(given: &str) -> Result<i64> {
    parts(given).map(|(block, offset)| i64::from(block) << OFFSET_BITS | i64::from(offset)).ok_or_else(|| wrong(given))
}

fn wrong(given: &str) -> Error {
    Error::new(code::INVALID_TEXT_REPRESENTATION, format!("invalid input syntax for type tid: \"{given}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_have_places_of_their_own() {
        assert_eq!(of_position(0), "(0,0)");
        assert_eq!(of_position(65_536 + 7), "(1,7)");
        // Of an event that is not committed yet.
        assert_eq!(of_position(-1), "(4294967295,65535)");
        assert_eq!(position("(1,7)").ok(), Some(65_536 + 7));
        assert_eq!(shown(" ( 01, 2) ").ok().as_deref(), Some("(1,2)"));
        assert!(["(1)", "1,2", "(1,65536)", "(+1,2)", "(,)"].iter().all(|text| shown(text).is_err()));
    }
}
