//! The binary form of cells, as PostgreSQL's *send functions write it.

use bytes::{BufMut, BytesMut};

use super::Style;
use super::column::{Column, TextKind, Values, network, reg_parts};
use crate::data::datetime::{PG_EPOCH_DAYS, PG_EPOCH_US, is_infinite, is_infinite_date};
use crate::data::numeric::Decimal;
use crate::data::opaque;
use crate::error::{Error, Result};

impl Column {
    /// True if the binary form is text, but for bytes that are ASCII.
    pub(super) fn is_text(&self) -> bool {
        let kind = match &self.values {
            Values::View(_, kind) | Values::Utf8(_, kind) | Values::LargeUtf8(_, kind) => kind,
            Values::Map(_) => return true,
            _ => return self.as_text,
        };
        matches!(kind, TextKind::Plain | TextKind::Jsonb | TextKind::Char)
    }

    /// Appends the binary form of a cell that is not NULL, its text in UTF-8 but for that of arrays and rows. Errors: 0A000 where there is none.
    pub fn put_binary(&self, row: usize, style: &Style, out: &mut BytesMut) -> Result<()> {
        if self.as_text {
            self.put_text(row, &Style::default(), out);
            return Ok(());
        }
        match &self.values {
            Values::Null => {}
            Values::Bool(a) => out.put_u8(u8::from(a.value(row))),
            Values::Int2(a) => out.put_i16(a.value(row)),
            Values::Int4(a) => out.put_i32(a.value(row)),
            Values::Int8(a) => out.put_i64(a.value(row)),
            Values::Oid(a) | Values::Regtype(a) => out.put_u32(a.value(row)),
            Values::Float4(a) => out.put_f32(a.value(row)),
            Values::Float8(a) => out.put_f64(a.value(row)),
            Values::Decimal128(a, scale, show) => {
                let (decimal, shown) = show.apply(Decimal::from_i128(a.value(row), *scale), *scale);
                decimal.put_binary(shown, out);
            }
            Values::Decimal256(a, scale, show) => {
                let (decimal, shown) = show.apply(Decimal::from_i256(a.value(row), *scale), *scale);
                decimal.put_binary(shown, out);
            }
            Values::View(a, kind) => return put_text_kind(a.value(row), *kind, out),
            Values::Utf8(a, kind) => return put_text_kind(a.value(row), *kind, out),
            Values::LargeUtf8(a, kind) => return put_text_kind(a.value(row), *kind, out),
            Values::Bytes(a) => out.put_slice(a.value(row)),
            Values::Uuid(a) => out.put_slice(a.value(row)),
            Values::Network(a, is_cidr) => out.put_slice(&network(a, row).sent(*is_cidr)),
            Values::Date(a) if is_infinite_date(a.value(row)) => out.put_i32(a.value(row)),
            Values::Date(a) => out.put_i32(a.value(row).saturating_sub(PG_EPOCH_DAYS)),
            Values::Time(a) => out.put_i64(a.value(row)),
            Values::Timestamp(a) | Values::Timestamptz(a) if is_infinite(a.value(row)) => out.put_i64(a.value(row)),
            Values::Timestamp(a) | Values::Timestamptz(a) => out.put_i64(a.value(row).saturating_sub(PG_EPOCH_US)),
            Values::Interval(a) => {
                let v = a.value(row);
                out.put_i64(v.nanoseconds / 1000);
                out.put_i32(v.days);
                out.put_i32(v.months);
            }
            Values::List(list) => return list.put_binary(row, style, out),
            Values::Row(record) => return record.put_binary(row, style, out),
            Values::Map(map) => {
                out.put_u8(1);
                out.put_slice(map.text(row, &Style::default()).as_bytes());
            }
        }
        Ok(())
    }

    /// True if any of the cells is NULL.
    pub(super) fn any_null(&self, mut rows: std::ops::Range<usize>) -> bool {
        rows.any(|r| self.is_null(r))
    }
}

fn put_text_kind(text: &str, kind: TextKind, out: &mut BytesMut) -> Result<()> {
    match kind {
        TextKind::Plain => out.put_slice(text.as_bytes()),
        TextKind::Jsonb => {
            out.put_u8(1);
            out.put_slice(text.as_bytes());
        }
        TextKind::Char => out.put_u8(text.bytes().next().unwrap_or(0)),
        TextKind::Reg => out.put_u32(reg_parts(text).0),
        TextKind::Opaque(name) => opaque::put(name, text, out)?,
        TextKind::Int2Vector => put_vector(text, 21, 2, out),
        TextKind::OidVector => put_vector(text, 26, 4, out),
        TextKind::Record => {
            let error = Error::unsupported("a row as text has no binary format");
            return Err(error.hint("Cast the row to text, or select its columns one by one."));
        }
    }
    Ok(())
}

/// An int2vector or oidvector: an array of one dimension that counts from 0, even when it is empty.
fn put_vector(text: &str, item_oid: u32, width: usize, out: &mut BytesMut) {
    let items: Vec<i64> = text.split_ascii_whitespace().filter_map(|t| t.parse().ok()).collect();
    out.put_i32(1);
    out.put_i32(0);
    out.put_u32(item_oid);
    out.put_i32(items.len() as i32);
    out.put_i32(0);
    for item in items {
        out.put_i32(width as i32);
        out.put_int(item, width);
    }
}
