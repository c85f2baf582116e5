//! Lists as PostgreSQL arrays, structs as rows, maps as jsonb objects.

use arrow::array::{Array, ListArray, MapArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use bytes::{BufMut, BytesMut};

use super::column::{Column, Values};
use super::{Format, Style, put_cell};
use crate::data::PgType;
use crate::data::json::put_string;
use crate::error::{Error, Result, code};
use crate::limits;

/// A list column: offsets into its items. A list of lists is an array of more dimensions.
pub(super) struct List {
    offsets: OffsetBuffer<i32>,
    items: Column,
    item_oid: u32,
}

/// A row's columns.
pub(super) struct Row {
    columns: Vec<(u32, Column)>,
}

/// A map's keys and values.
pub(super) struct Map {
    offsets: OffsetBuffer<i32>,
    keys: Column,
    values: Column,
    /// Values that JSON writes without quotes.
    bare: bool,
}

impl List {
    pub(super) fn new(array: ListArray, ty: &PgType) -> Result<List> {
        let (field, offsets, values, _) = array.into_parts();
        let item = match ty {
            PgType::Array(item) => (**item).clone(),
            _ => PgType::of(&field),
        };
        let nested = matches!(field.data_type(), DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..));
        let shown = if nested { PgType::Array(Box::new(item.clone())) } else { item.clone() };
        Ok(List { offsets, items: Column::new(&values, &shown)?, item_oid: item.oid() })
    }

    fn range(&self, row: usize) -> std::ops::Range<usize> {
        self.offsets[row] as usize..self.offsets[row + 1] as usize
    }

    /// `{1,NULL,"a b"}`.
    pub(super) fn text(&self, row: usize, style: &Style) -> Vec<u8> {
        let mut out = vec![b'{'];
        let mut item = Vec::new();
        for (i, at) in self.range(row).enumerate() {
            if i > 0 {
                out.push(b',');
            }
            if self.items.is_null(at) {
                out.extend_from_slice(b"NULL");
                continue;
            }
            item.clear();
            self.items.put_text(at, style, &mut item);
            if matches!(self.items.values, Values::List(_)) || !needs_quotes(&item, b"{},\"\\") {
                out.extend_from_slice(&item);
            } else {
                put_quoted(&item, b"\\", &mut out);
            }
        }
        out.push(b'}');
        out
    }

    /// As array_send: dimensions, a flag for NULLs, the items' type, each dimension's length and lower bound, the items.
    pub(super) fn put_binary(&self, row: usize, style: &Style, out: &mut BytesMut) -> Result<()> {
        let mut lengths = vec![self.range(row).len()];
        let mut range = self.range(row);
        let mut leaf = self;
        while let Values::List(inner) = &leaf.items.values {
            let length = range.clone().next().map_or(0, |first| inner.range(first).len());
            if range.clone().any(|r| leaf.items.is_null(r) || inner.range(r).len() != length) {
                let message = "multidimensional arrays must have sub-arrays with matching dimensions";
                return Err(Error::unsupported(message).hint("Ask for the text format, or cast the value to text."));
            }
            range = inner.offsets[range.start] as usize..inner.offsets[range.end] as usize;
            lengths.push(length);
            leaf = inner;
        }
        if range.is_empty() {
            lengths.clear();
        }
        out.put_i32(lengths.len() as i32);
        out.put_i32(i32::from(leaf.items.any_null(range.clone())));
        out.put_u32(self.item_oid);
        for length in lengths {
            out.put_i32(i32::try_from(length).map_err(|_| Error::new(code::PROGRAM_LIMIT_EXCEEDED, "an array is too long"))?);
            out.put_i32(1);
        }
        range.into_iter().try_for_each(|at| put_cell(&leaf.items, at, Format::Binary, style, out))
    }
}

impl Row {
    /// Looks at the rows of a type, which may say more of the columns than their fields do.
    /// Errors: 54000 for rows within one another whose text would have no end: the quotes of one within are doubled.
    pub(super) fn new(array: &StructArray, ty: &PgType) -> Result<Row> {
        if quotings(array.data_type()) > limits::QUOTINGS_MAX {
            let message = format!("a value is more than {} rows and arrays deep", limits::QUOTINGS_MAX);
            return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, message).hint("Show it as json: to_json(..)."));
        }
        let attributes = match ty {
            PgType::Composite(of) if of.attributes().len() == array.num_columns() => of.attributes(),
            _ => &[],
        };
        let columns = array.fields().iter().zip(array.columns()).enumerate().map(|(i, (field, values))| {
            let ty = attributes.get(i).map_or_else(|| PgType::of(field), |attribute| attribute.ty.clone());
            Ok((ty.oid(), Column::new(values, &ty)?))
        });
        Ok(Row { columns: columns.collect::<Result<_>>()? })
    }

    /// `(1,,"a b")`.
    pub(super) fn text(&self, row: usize, style: &Style) -> Vec<u8> {
        let mut out = vec![b'('];
        let mut item = Vec::new();
        for (i, (_, column)) in self.columns.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            if column.is_null(row) {
                continue;
            }
            item.clear();
            column.put_text(row, style, &mut item);
            if item.is_empty() || item.iter().any(|b| b"(),\"\\".contains(b) || is_blank(*b)) {
                put_quoted(&item, b"", &mut out);
            } else {
                out.extend_from_slice(&item);
            }
        }
        out.push(b')');
        out
    }

    /// As record_send: the number of columns, and each with its type and length.
    pub(super) fn put_binary(&self, row: usize, style: &Style, out: &mut BytesMut) -> Result<()> {
        out.put_i32(self.columns.len() as i32);
        for (oid, column) in &self.columns {
            out.put_u32(*oid);
            put_cell(column, row, Format::Binary, style, out)?;
        }
        Ok(())
    }
}

impl Map {
    pub(super) fn new(array: &MapArray) -> Result<Map> {
        let of = |values: &arrow::array::ArrayRef| PgType::of(&Field::new("", values.data_type().clone(), true));
        let value_type = of(array.values());
        let bare = value_type.is_number() || matches!(value_type, PgType::Bool | PgType::Json | PgType::Jsonb);
        let keys = Column::new(array.keys(), &of(array.keys()))?;
        Ok(Map { offsets: array.offsets().clone(), keys, values: Column::new(array.values(), &value_type)?, bare })
    }

    /// `{"a": 1, "b": null}`, in the map's own order.
    pub(super) fn text(&self, row: usize, style: &Style) -> String {
        let mut out = String::from("{");
        let mut part = Vec::new();
        let (start, end) = (self.offsets[row] as usize, self.offsets[row + 1] as usize);
        for at in start..end {
            out.push_str(if at > start { ", " } else { "" });
            part.clear();
            self.keys.put_text(at, style, &mut part);
            put_string(&String::from_utf8_lossy(&part), &mut out);
            out.push_str(": ");
            if self.values.is_null(at) {
                out.push_str("null");
                continue;
            }
            part.clear();
            self.values.put_text(at, style, &mut part);
            let text = String::from_utf8_lossy(&part);
            match text.as_ref() {
                "t" if self.bare => out.push_str("true"),
                "f" if self.bare => out.push_str("false"),
                // JSON has no such numbers.
                "NaN" | "Infinity" | "-Infinity" => put_string(&text, &mut out),
                _ if self.bare => out.push_str(&text),
                _ => put_string(&text, &mut out),
            }
        }
        out.push('}');
        out
    }
}

/// How often the text of a value's innermost part is put into quotes: once for each row, and for each array of rows, that it is in.
fn quotings(ty: &DataType) -> usize {
    match ty {
        DataType::Struct(fields) => 1 + fields.iter().map(|field| quotings(field.data_type())).max().unwrap_or(0),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => match quotings(item.data_type()) {
            0 => 0,
            rows => rows + usize::from(matches!(item.data_type(), DataType::Struct(_))),
        },
        _ => 0,
    }
}

fn is_blank(b: u8) -> bool {
    b.is_ascii_whitespace() || b == 0x0b
}

fn needs_quotes(item: &[u8], special: &[u8]) -> bool {
    item.is_empty() || item.eq_ignore_ascii_case(b"NULL") || item.iter().any(|b| special.contains(b) || is_blank(*b))
}

/// Writes an item in double quotes; `escape` stands before quotes and backslashes, which are doubled if it is empty.
fn put_quoted(item: &[u8], escape: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for b in item {
        if matches!(b, b'"' | b'\\') {
            out.extend_from_slice(if escape.is_empty() { std::slice::from_ref(b) } else { escape });
        }
        out.push(*b);
    }
    out.push(b'"');
}
