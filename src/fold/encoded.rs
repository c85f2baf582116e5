//! Rows as bytes, rows of no columns among them: those of `SELECT count(*) FROM (SELECT * FROM t LIMIT 3)`.

use arrow::array::ArrayRef;
use arrow::row::{RowConverter, Rows};

use crate::error::Result;

/// Rows as bytes that compare as the rows do; empty ones for rows of no columns, of which a converter makes none.
pub(super) struct Encoded(Option<Rows>);

impl Encoded {
    /// The rows of these columns, which are those of the converter.
    pub fn new(converter: &RowConverter, columns: &[ArrayRef]) -> Result<Self> {
        Ok(Encoded(if columns.is_empty() { None } else { Some(converter.convert_columns(columns)?) }))
    }

    /// The bytes of a row.
    pub fn row(&self, i: u32) -> &[u8] {
        self.0.as_ref().map_or(&[], |rows| rows.row(i as usize).data())
    }
}
