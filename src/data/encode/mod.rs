//! From Arrow arrays to PostgreSQL's external representations: the text that psql shows and the binary form of the *send functions.
//!
//! A [`BatchEncoder`] looks at each column of a batch once ([`column::Column::new`]: exotic Arrow types are cast, the others
//! downcast), and then writes rows without looking again. [`mod@column`] writes text, [`binary`] the binary form, [`nested`] both for
//! lists, rows and maps. Any Arrow type that DataFusion may return can be encoded as text; what has no binary form is refused.

mod binary;
mod column;
mod nested;

use arrow::array::{Array, RecordBatch};
use bytes::{BufMut, BytesMut};

pub use column::{Column, REG_SEPARATOR};

use super::PgType;
use super::charset::Charset;
use super::datetime::{DateStyle, IntervalStyle, Zone};
use crate::error::{Error, Result};

/// The two external forms of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Text,
    Binary,
}

/// The settings of a session that text output depends on.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub timezone: Zone,
    /// extra_float_digits: above 0 floats are shown so that they read back exactly.
    pub extra_float_digits: i32,
    pub dates: DateStyle,
    pub interval: IntervalStyle,
    /// bytea_output: `escape`, and not `hex`.
    pub bytea_escape: bool,
    /// What rows of text are encoded in.
    pub charset: Charset,
}

impl Style {
    /// True if values are shown as they are where a session has set nothing.
    pub fn is_usual(&self) -> bool {
        let times = self.timezone.is_utc() && self.dates == DateStyle::default() && self.interval == IntervalStyle::default();
        times && !self.bytea_escape && self.extra_float_digits > 0
    }
}

impl Default for Style {
    fn default() -> Self {
        Style {
            timezone: Zone::Utc,
            extra_float_digits: 1,
            dates: DateStyle::default(),
            interval: IntervalStyle::Postgres,
            bytea_escape: false,
            charset: Charset::Utf8,
        }
    }
}

/// Writes the rows of one batch.
pub struct BatchEncoder {
    columns: Vec<(Column, Format)>,
    style: Style,
}

impl BatchEncoder {
    /// An encoder for `batch` [n rows x c columns]: one type per column; formats none (all text), one for all, or one each.
    /// Errors: 42804 if a column cannot be shown as its type, 08P01 if the numbers do not fit.
    pub fn new(batch: &RecordBatch, types: &[PgType], formats: &[Format], style: &Style) -> Result<BatchEncoder> {
        let width = batch.num_columns();
        if types.len() != width || (formats.len() > 1 && formats.len() != width) {
            let message = format!("{} types and {} formats for {width} columns", types.len(), formats.len());
            return Err(Error::new(crate::error::code::PROTOCOL_VIOLATION, message));
        }
        let format = |i: usize| formats.get(if formats.len() == 1 { 0 } else { i }).copied().unwrap_or_default();
        let columns = batch.columns().iter().zip(types).enumerate().map(|(i, (array, ty))| Ok((Column::new(array, ty)?, format(i))));
        Ok(BatchEncoder { columns: columns.collect::<Result<_>>()?, style: *style })
    }

    /// Appends the columns of one row as a DataRow has them: for each its length in bytes (i32, -1 for NULL), then its bytes.
    /// `row` must be below the batch's number of rows. Errors: 0A000 for a value without binary form.
    pub fn put_row(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        for (column, format) in &self.columns {
            put_cell(column, row, *format, &self.style, out)?;
        }
        Ok(())
    }

    /// The columns in order.
    pub fn columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().map(|(c, _)| c)
    }
}

/// Appends a length (i32, -1 for NULL) and the value.
pub(crate) fn put_cell(column: &Column, row: usize, format: Format, style: &Style, out: &mut BytesMut) -> Result<()> {
    if column.is_null(row) {
        out.put_i32(-1);
        return Ok(());
    }
    let start = out.len();
    out.put_i32(0);
    match format {
        Format::Text => column.put_text(row, style, out),
        Format::Binary => column.put_binary(row, style, out)?,
    }
    if style.charset.converts() && (format == Format::Text || column.is_text()) {
        style.charset.write_behind(start + 4, out)?;
    }
    let length = i32::try_from(out.len() - start - 4).map_err(|_| too_long())?;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

fn too_long() -> Error {
    Error::new(crate::error::code::PROGRAM_LIMIT_EXCEEDED, "a value is longer than 2 GiB")
}

/// Appends the text of one cell, nothing for NULL. It looks at the array anew for each call: for many cells use [`Column`].
/// Errors: 42804 if the array cannot be shown as `ty`.
pub fn cell_text(array: &dyn Array, row: usize, ty: &PgType, style: &Style, out: &mut Vec<u8>) -> Result<()> {
    let column = Column::new(&array.slice(row, 1), ty)?;
    if !column.is_null(0) {
        column.put_text(0, style, out);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::*;
    use arrow::datatypes::{DataType, Field, Int32Type};

    use super::*;

    fn text(array: &dyn Array, row: usize) -> String {
        let mut out = Vec::new();
        cell_text(array, row, &PgType::of_arrow(array.data_type()), &Style::default(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn arrow_types_without_a_postgresql_twin_are_shown() {
        assert_eq!(text(&UInt64Array::from(vec![u64::MAX]), 0), "18446744073709551615");
        assert_eq!(text(&Int8Array::from(vec![-3]), 0), "-3");
        assert_eq!(text(&["a", "b"].into_iter().collect::<DictionaryArray<Int32Type>>(), 1), "b");
        assert_eq!(text(&TimestampNanosecondArray::from(vec![1_500]), 0), "1970-01-01 00:00:00.000001");
        assert_eq!(text(&TimestampSecondArray::from(vec![60]).with_timezone("Europe/Berlin"), 0), "1970-01-01 00:01:00+00");
        assert_eq!(text(&DurationMillisecondArray::from(vec![61_500]), 0), "00:01:01.5");
        assert_eq!(text(&BinaryViewArray::from_iter_values([b"\x01"]), 0), "\\x01");
        assert_eq!(text(&Date64Array::from(vec![86_400_000]), 0), "1970-01-02");
        assert_eq!(text(&NullArray::new(1), 0), "");
    }

    #[test]
    fn rows_maps_and_nested_lists_are_shown() {
        let a: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
        let b: ArrayRef = Arc::new(StringArray::from(vec!["x \"y\"", ""]));
        let row = StructArray::from(vec![
            (Arc::new(Field::new("a", DataType::Int32, true)), a),
            (Arc::new(Field::new("b", DataType::Utf8, true)), b),
        ]);
        assert_eq!([text(&row, 0), text(&row, 1)], [r#"(1,"x ""y""")"#, r#"(,"")"#]);
        let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
        map.keys().append_value("k");
        map.values().append_value(7);
        map.append(true).unwrap();
        assert_eq!(text(&map.finish(), 0), r#"{"k": 7}"#);
        let mut nested = ListBuilder::new(ListBuilder::new(Int32Builder::new()));
        nested.values().append_value([Some(1), Some(2)]);
        nested.values().append_value([Some(3), None]);
        nested.append(true);
        let nested: ArrayRef = Arc::new(nested.finish());
        assert_eq!(text(&nested, 0), "{{1,2},{3,NULL}}");
        let column = Column::new(&nested, &PgType::of_arrow(nested.data_type())).unwrap();
        let mut sent = BytesMut::new();
        column.put_binary(0, &Style::default(), &mut sent).unwrap();
        let head: Vec<i32> = sent[..28].chunks(4).map(|w| i32::from_be_bytes([w[0], w[1], w[2], w[3]])).collect();
        assert_eq!(head, [2, 1, 23, 2, 1, 2, 1]);
    }

    #[test]
    fn a_column_is_shown_as_the_type_that_is_asked_for() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![5]));
        for (ty, sent) in [(PgType::Text, &b"5"[..]), (PgType::Int4, b"\0\0\0\x05")] {
            let mut out = BytesMut::new();
            Column::new(&numbers, &ty).unwrap().put_binary(0, &Style::default(), &mut out).unwrap();
            assert_eq!(out, sent, "{ty}");
        }
        let wide: ArrayRef = Arc::new(Int64Array::from(vec![i64::MAX]));
        assert_eq!(Column::new(&wide, &PgType::Int4).err().unwrap().code(), crate::error::code::DATATYPE_MISMATCH);
    }
}
