//! Rows of composite types (manual, chapter 8.16.2 and 8.16.6): from text such as `(1,"a b",)`, and from the form of record_send.

use std::sync::Arc;

use arrow::array::{ArrayRef, NullBufferBuilder, StructArray};
use arrow::datatypes::{DataType, Fields};
use datafusion::common::ScalarValue;

use super::ColumnBuilder;
use super::binary::{Cursor, wrong};
use crate::data::datetime::Reading;
use crate::data::{CompositeType, PgType};
use crate::error::{Error, Result, code};

/// The attributes' values of a column of rows.
pub(super) struct Members {
    ty: CompositeType,
    fields: Fields,
    columns: Vec<ColumnBuilder>,
    nulls: NullBufferBuilder,
}

impl Members {
    pub(super) fn new(ty: &CompositeType, n: usize) -> Members {
        let columns = ty.attributes().iter().map(|attribute| ColumnBuilder::new(&attribute.ty, n)).collect();
        Members { ty: ty.clone(), fields: ty.fields(), columns, nulls: NullBufferBuilder::new(n) }
    }

    pub(super) fn set_reading(&mut self, reading: Reading) {
        self.columns.iter_mut().for_each(|column| column.set_reading(reading));
    }

    pub(super) fn has_type(&self, data_type: &DataType) -> bool {
        matches!(data_type, DataType::Struct(fields) if *fields == self.fields)
    }

    pub(super) fn len(&self) -> usize {
        self.nulls.len()
    }

    pub(super) fn append_null(&mut self) {
        self.columns.iter_mut().for_each(ColumnBuilder::append_null);
        self.nulls.append_null();
    }

    pub(super) fn append_text(&mut self, text: &str) -> Result<()> {
        let values = split(text, self.columns.len())?;
        self.append(|column, i| match &values[i] {
            Some(value) => column.append_text(value),
            None => {
                column.append_null();
                Ok(())
            }
        })
    }

    /// Appends the one row of an array of the type.
    pub(super) fn append_row(&mut self, row: &StructArray) -> Result<()> {
        self.append(|column, i| column.append_scalar(&ScalarValue::try_from_array(row.column(i), 0)?))
    }

    pub(super) fn append_binary(&mut self, bytes: &[u8]) -> Result<()> {
        let ty = PgType::Composite(self.ty.clone());
        let mut cursor = Cursor(bytes);
        let count = cursor.word().ok_or_else(|| wrong(&ty))?;
        if usize::try_from(count).ok() != Some(self.columns.len()) {
            let message = format!("wrong number of columns: {count}, expected {}", self.columns.len());
            return Err(Error::new(code::DATATYPE_MISMATCH, message));
        }
        let mut values = Vec::with_capacity(self.columns.len());
        for (i, column) in self.columns.iter().enumerate() {
            let oid = cursor.word().ok_or_else(|| wrong(&ty))? as u32;
            let expected = column.ty().oid();
            if oid != expected {
                let message = format!("binary data has type {oid} instead of expected {expected} in record column {}", i + 1);
                return Err(Error::new(code::DATATYPE_MISMATCH, message));
            }
            values.push(cursor.item().ok_or_else(|| wrong(&ty))?);
        }
        if !cursor.0.is_empty() {
            return Err(wrong(&ty));
        }
        self.append(|column, i| match values[i] {
            Some(value) => column.append_binary(value),
            None => {
                column.append_null();
                Ok(())
            }
        })
    }

    /// Appends a row that is not NULL, or nothing at all if one of its values is refused.
    fn append(&mut self, mut value: impl FnMut(&mut ColumnBuilder, usize) -> Result<()>) -> Result<()> {
        let before = self.len();
        let appended = self.columns.iter_mut().enumerate().try_for_each(|(i, column)| value(column, i));
        match appended {
            Ok(()) => self.nulls.append_non_null(),
            Err(_) => self.columns.iter_mut().filter(|column| column.len() > before).for_each(|column| column.truncate(before)),
        }
        appended
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        let columns = self.columns.iter_mut().map(ColumnBuilder::finish).collect();
        Arc::new(StructArray::new(self.fields.clone(), columns, self.nulls.finish()))
    }
}

/// The texts of so many values in `(1,"a b",)`; `None` is NULL. Errors: 22P02.
pub fn split(text: &str, count: usize) -> Result<Vec<Option<String>>> {
    let malformed = |detail: &str| {
        let error = Error::new(code::INVALID_TEXT_REPRESENTATION, format!("malformed record literal: \"{text}\""));
        error.detail(detail)
    };
    let mut rest = text.trim_start().strip_prefix('(').ok_or_else(|| malformed("Missing left parenthesis."))?;
    let mut values = Vec::with_capacity(count);
    for i in 0..count {
        if i > 0 {
            rest = rest.strip_prefix(',').ok_or_else(|| malformed("Too few columns."))?;
        }
        if rest.starts_with([',', ')']) {
            values.push(None);
            continue;
        }
        let (value, after) = value(rest).ok_or_else(|| malformed("Unexpected end of input."))?;
        values.push(Some(value));
        rest = after;
    }
    let rest = rest.strip_prefix(')').ok_or_else(|| malformed("Too many columns."))?;
    if !rest.trim_start().is_empty() {
        return Err(malformed("Junk after right parenthesis."));
    }
    Ok(values)
}

/// A value up to the comma or parenthesis behind it, and what stands there; `None` if the text ends before. Quotes may begin and end within.
fn value(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut quoted = false;
    let mut letters = text.chars();
    loop {
        let before = letters.as_str();
        match letters.next()? {
            ',' | ')' if !quoted => return Some((value, before)),
            '\\' => value.push(letters.next()?),
            '"' if quoted && letters.as_str().starts_with('"') => {
                letters.next();
                value.push('"');
            }
            '"' => quoted = !quoted,
            c => value.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str, count: usize) -> std::result::Result<Vec<Option<String>>, String> {
        split(text, count).map_err(|e| e.message().to_string())
    }

    #[test]
    fn a_row_is_cut_where_postgresql_cuts_it() {
        let some = |text: &str| Some(text.to_string());
        assert_eq!(parts("(1,\"a \"\"b\\\\\",)", 3), Ok(vec![some("1"), some("a \"b\\"), None]));
        assert_eq!(parts(" ( x,\"\")  ", 2), Ok(vec![some(" x"), some("")]));
        assert_eq!(parts("(a\"b,c\"d)", 1), Ok(vec![some("ab,cd")]));
        for (text, count) in [("1,2)", 2), ("(1)", 2), ("(1,2,3)", 2), ("(1,2", 2), ("(1,2)x", 2), ("(1,\"2)", 2)] {
            assert_eq!(parts(text, count), Err(format!("malformed record literal: \"{text}\"")));
        }
    }

    #[test]
    fn a_row_that_is_refused_leaves_the_builder_as_it_was() {
        let attribute = |name: &str| crate::data::Attribute { name: name.to_string(), ty: PgType::Int4 };
        let ty = PgType::Composite(CompositeType::new(7, ["a", "b"].map(attribute)));
        let mut builder = ColumnBuilder::new(&ty, 2);
        builder.append_text("(1,2)").unwrap();
        assert!(builder.append_text("(3,x)").is_err());
        builder.append_null();
        let rows = builder.finish();
        assert_eq!((rows.len(), rows.null_count()), (2, 1));
        assert_eq!(rows.data_type(), &ty.arrow());
    }
}
