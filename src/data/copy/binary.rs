//! The binary format: a header, tuples, a trailer.

use super::read::Rows;
use super::{SIGNATURE, bad_format};
use crate::error::{Error, Result};

/// The one flag that is defined says that object ids are included, which PostgreSQL dropped; all critical flags are refused.
const CRITICAL_FLAGS: u32 = 0xffff_0000;

/// Reads tuples, and remembers whether the header is behind it.
#[derive(Default)]
pub(super) struct Tuples {
    header_read: bool,
}

/// Whole words off the front of the bytes; `None` if they have not all come yet.
fn word(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..at + 4).map(|b| i32::from_be_bytes([b[0], b[1], b[2], b[3]]))
}

impl Tuples {
    /// Reads all whole tuples; answers how many bytes they were. `ended` is set by the trailer.
    pub(super) fn read(&mut self, bytes: &[u8], last: bool, rows: &mut Rows, ended: &mut bool) -> Result<usize> {
        let mut at = 0;
        if !self.header_read {
            match header(bytes).map_err(|e| e.context(rows.place()))? {
                Some(end) => at = end,
                None if last => return Err(bad_format("COPY file signature not recognized")),
                None => return Ok(0),
            }
            self.header_read = true;
        }
        while let Some(end) = whole_tuple(bytes, at, rows)? {
            rows.line += 1;
            if end == at + 2 && bytes[at] == 0xff {
                *ended = true;
                return if bytes.len() > end { Err(after_trailer(rows)) } else { Ok(end) };
            }
            tuple(bytes, at + 2, rows)?;
            at = end;
        }
        if last && at < bytes.len() {
            return Err(bad_format("unexpected EOF in COPY data").context(rows.place()));
        }
        Ok(at)
    }
}

fn after_trailer(rows: &Rows) -> Error {
    bad_format("received copy data after EOF marker").context(rows.place())
}

/// The header's end, if it has all come.
fn header(bytes: &[u8]) -> Result<Option<usize>> {
    let n = bytes.len().min(SIGNATURE.len());
    if bytes[..n] != SIGNATURE[..n] {
        return Err(bad_format("COPY file signature not recognized"));
    }
    let (Some(flags), Some(extension)) = (word(bytes, 11), word(bytes, 15)) else { return Ok(None) };
    if flags as u32 & CRITICAL_FLAGS != 0 {
        return Err(bad_format("unrecognized critical flags in COPY file header"));
    }
    let extension = usize::try_from(extension).map_err(|_| bad_format("invalid COPY file header (wrong length)"))?;
    Ok(Some(19 + extension).filter(|end| *end <= bytes.len()))
}

/// The end of the tuple at `at`, if it has all come. Errors: 22P04 for a wrong number of fields or a negative length.
fn whole_tuple(bytes: &[u8], at: usize, rows: &mut Rows) -> Result<Option<usize>> {
    let Some(count) = bytes.get(at..at + 2).map(|b| i16::from_be_bytes([b[0], b[1]])) else { return Ok(None) };
    if count == -1 {
        return Ok(Some(at + 2));
    }
    if usize::try_from(count).ok() != Some(rows.columns.len()) {
        rows.line += 1;
        let message = format!("row field count is {count}, expected {}", rows.columns.len());
        return Err(bad_format(message).context(rows.place()));
    }
    let mut end = at + 2;
    for column in 0..rows.columns.len() {
        let Some(length) = word(bytes, end) else { return Ok(None) };
        if length < -1 {
            rows.line += 1;
            return Err(bad_format("invalid field size").context(rows.column_place(column)));
        }
        end = end.saturating_add(4 + length.max(0) as usize);
    }
    Ok(Some(end).filter(|end| *end <= bytes.len()))
}

/// Appends the fields of a tuple that is known to be whole.
fn tuple(bytes: &[u8], mut at: usize, rows: &mut Rows) -> Result<()> {
    for column in 0..rows.columns.len() {
        let length = word(bytes, at).unwrap_or(-1);
        at += 4;
        let Ok(length) = usize::try_from(length) else {
            rows.columns[column].append_null();
            continue;
        };
        let field = &bytes[at..at + length];
        if let Err(e) = rows.columns[column].append_binary(field) {
            return Err(e.context(rows.column_place(column)));
        }
        at += length;
    }
    rows.end_row()
}
