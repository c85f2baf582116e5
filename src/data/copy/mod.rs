//! COPY's data formats (manual, "COPY", "File Formats"): text, CSV and binary, from bytes to batches and back.
//!
//! In: [`CopyDecoder::feed`] takes bytes cut anywhere. [`lines::Cutter`] finds whole lines, their UTF-8 is checked once per chunk,
//! [`fields`] splits a line and every field goes straight to its [`super::decode::ColumnBuilder`], without a copy unless it is quoted or
//! escaped. Full batches are handed out while parsing goes on. Strings are copied into the builders' blocks rather than pointed at
//! in the input: the log writes whole blocks, and must not carry along the digits and commas between the strings.
//! Out: [`CopyEncoder`] writes batches through [`super::encode::BatchEncoder`].
//!
//! An error names the place as PostgreSQL does: `COPY bid, line 3, column price: "abc"`. A decoder that failed must be dropped.

mod binary;
mod fields;
mod lines;
mod options;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use options::{CopyFormat, CopyOptions, ForceQuote, Header, OptionValue};
pub use read::CopyDecoder;
pub use write::CopyEncoder;

use crate::error::{Error, code};

/// The first bytes of the binary format.
const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// 22P04: the data is not in COPY's format.
fn bad_format(message: impl Into<String>) -> Error {
    Error::new(code::BAD_COPY_FILE_FORMAT, message)
}
