//! Rows in checkpoints, by the codec of values.

use crate::error::Result;
use crate::fold::state::{StateReader, StateWriter};
use crate::func::ksql::Row;
use crate::func::ksql::Value;

pub use crate::func::ksql::codec::{KeyBytes, decode_row, encode_row, key_bytes, row_bytes, shallow_bytes};

/// Writes a row into a checkpoint.
pub fn save_row(row: &[Value], out: &mut StateWriter<'_>) {
    out.bytes(&encode_row(row));
}

/// Reads what [`save_row`] wrote.
pub fn load_row(input: &mut StateReader<'_>) -> Result<Row> {
    decode_row(input.bytes()?)
}
