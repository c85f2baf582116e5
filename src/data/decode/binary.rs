//! The binary forms, as PostgreSQL's *recv functions read them.

use arrow::datatypes::IntervalMonthDayNano;

use super::scalar::Float;
use super::{ColumnBuilder, Items, Values, invalid_utf8};
use crate::data::datetime::{PG_EPOCH_DAYS, PG_EPOCH_US, US_PER_DAY, is_infinite, is_infinite_date};
use crate::data::numeric::Parsed;
use crate::data::{Network, PgType, opaque};
use crate::error::{Error, Result, code};

/// 22P03 in PostgreSQL's words.
pub(super) fn wrong(ty: &PgType) -> Error {
    Error::new(code::INVALID_BINARY_REPRESENTATION, format!("incorrect binary data format for type {ty}"))
}

fn fixed<const N: usize>(ty: &PgType, bytes: &[u8]) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| wrong(ty))
}

fn text_of(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| invalid_utf8(bytes))
}

fn out_of_range(what: &str) -> Error {
    Error::new(code::DATETIME_FIELD_OVERFLOW, format!("{what} out of range"))
}

impl ColumnBuilder {
    /// Appends the value of a binary form. Errors: 22P03, and those of the type (22021, 22003, 22008).
    pub fn append_binary(&mut self, bytes: &[u8]) -> Result<()> {
        let ty = &self.ty;
        match &mut self.values {
            Values::Bool(b) => b.append_value(fixed::<1>(ty, bytes)?[0] != 0),
            Values::Int2(b) => b.append_value(i16::from_be_bytes(fixed(ty, bytes)?)),
            Values::Int4(b) => b.append_value(i32::from_be_bytes(fixed(ty, bytes)?)),
            Values::Int8(b) => b.append_value(i64::from_be_bytes(fixed(ty, bytes)?)),
            Values::Oid(b) => b.append_value(u32::from_be_bytes(fixed(ty, bytes)?)),
            Values::Float4(b) => b.append_value(f32::from_be_bytes(fixed(ty, bytes)?).one_nan()),
            Values::Float8(b) => b.append_value(f64::from_be_bytes(fixed(ty, bytes)?).one_nan()),
            Values::Decimal128(b, p, s) => b.append_value(Parsed::read_binary(bytes)?.to_i128(*p, *s)?),
            Values::Decimal256(b, s, exact) => b.append_value(Parsed::read_binary(bytes)?.to_i256(*s, *exact)?),
            Values::Bytes(b) => b.append_value(bytes),
            Values::Uuid(b) => b.append_value(fixed::<16>(ty, bytes)?)?,
            Values::Network(b) => {
                let network = Network::received(bytes, *ty == PgType::Cidr).ok_or_else(|| wrong(ty))?;
                b.append_value(network.to_bytes());
            }
            Values::Date(b) => {
                let sent = i32::from_be_bytes(fixed(ty, bytes)?);
                let days = if is_infinite_date(sent) { Some(sent) } else { sent.checked_add(PG_EPOCH_DAYS) };
                b.append_value(days.ok_or_else(|| out_of_range("date"))?);
            }
            Values::Time(b) => {
                let us = i64::from_be_bytes(fixed(ty, bytes)?);
                b.append_value(Some(us).filter(|us| (0..=US_PER_DAY).contains(us)).ok_or_else(|| out_of_range("time"))?);
            }
            Values::Timestamp(b) => {
                let sent = i64::from_be_bytes(fixed(ty, bytes)?);
                let us = if is_infinite(sent) { Some(sent) } else { sent.checked_add(PG_EPOCH_US) };
                b.append_value(us.ok_or_else(|| out_of_range("timestamp"))?);
            }
            Values::Interval(b) => b.append_value(interval(fixed(ty, bytes)?)?),
            Values::Text(_) | Values::Json(_) | Values::Enum(..) => return self.append_binary_text(bytes),
            Values::List(list) => return list.append_binary(bytes),
            Values::Row(row) => return row.append_binary(bytes),
        }
        Ok(())
    }

    fn append_binary_text(&mut self, bytes: &[u8]) -> Result<()> {
        match &self.ty {
            PgType::Jsonb => match bytes {
                [1, text @ ..] => self.append_text(text_of(text)?),
                [version, ..] => {
                    let message = format!("unsupported jsonb version number {version}");
                    Err(Error::new(code::INVALID_BINARY_REPRESENTATION, message))
                }
                [] => Err(wrong(&self.ty)),
            },
            PgType::Char => match bytes {
                [0] => self.append_text(""),
                [_] => self.append_text(text_of(bytes)?),
                _ => Err(wrong(&self.ty)),
            },
            PgType::Int2Vector | PgType::OidVector => {
                let vector = vector(bytes).ok_or_else(|| wrong(&self.ty))?;
                self.append_text(&vector)
            }
            PgType::Opaque(name) if opaque::has_binary_form(name) => {
                let text = opaque::read(name, bytes)?;
                self.append_text(&text)
            }
            PgType::Record => Err(Error::unsupported("rows are not supported as binary input").hint("Send the row as text.")),
            _ => self.append_text(text_of(bytes)?),
        }
    }
}

fn interval(bytes: [u8; 16]) -> Result<IntervalMonthDayNano> {
    let word = |i: usize| i32::from_be_bytes([bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]]);
    let us = i64::from(word(0)) << 32 | i64::from(word(4) as u32);
    let ns = us.checked_mul(1000).ok_or_else(|| out_of_range("interval"))?;
    Ok(IntervalMonthDayNano::new(word(12), word(8), ns))
}

/// Reads words and items off the front of a binary array or row.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(n)?;
        self.0 = tail;
        Some(head)
    }
    pub(super) fn word(&mut self) -> Option<i32> {
        self.take(4).map(|b| i32::from_be_bytes([b[0], b[1], b[2], b[3]]))
    }
    /// An item with its length before it; the inner `None` is NULL.
    pub(super) fn item(&mut self) -> Option<Option<&'a [u8]>> {
        match self.word()? {
            -1 => Some(None),
            n => self.take(usize::try_from(n).ok()?).map(Some),
        }
    }
}

/// The text of an int2vector or oidvector.
fn vector(bytes: &[u8]) -> Option<String> {
    let mut cursor = Cursor(bytes);
    let (dimensions, _, _) = (cursor.word()?, cursor.word()?, cursor.word()?);
    let n = if dimensions == 1 { cursor.word()? } else { 0 };
    if dimensions == 1 {
        cursor.word()?;
    }
    let mut words = Vec::new();
    for _ in 0..n {
        let item = cursor.item()??;
        words.push(match item {
            [a, b] => i16::from_be_bytes([*a, *b]).to_string(),
            [a, b, c, d] => u32::from_be_bytes([*a, *b, *c, *d]).to_string(),
            _ => return None,
        });
    }
    cursor.0.is_empty().then(|| words.join(" "))
}

impl Items {
    fn append_binary(&mut self, bytes: &[u8]) -> Result<()> {
        let ty = PgType::Array(Box::new(self.items.ty.clone()));
        let mut cursor = Cursor(bytes);
        let header = (cursor.word(), cursor.word(), cursor.word());
        let (Some(dimensions), Some(_), Some(oid)) = header else { return Err(wrong(&ty)) };
        if dimensions > 1 {
            let error = Error::unsupported("multidimensional arrays are not supported as input");
            return Err(error.hint("Use an array of one dimension, or jsonb."));
        }
        if oid as u32 != self.items.ty.oid() {
            let message = format!("binary data has array element type {} instead of expected {}", oid as u32, self.items.ty.oid());
            return Err(Error::new(code::DATATYPE_MISMATCH, message));
        }
        let n = if dimensions == 1 { cursor.word().zip(cursor.word()).map(|(n, _)| n) } else { Some(0) };
        let n = n.filter(|n| *n >= 0).ok_or_else(|| wrong(&ty))?;
        let before = self.items.len();
        let appended = self.append_items(&mut cursor, n, &ty);
        if let Err(e) = appended {
            self.items.truncate(before);
            return Err(e);
        }
        self.close()
    }

    fn append_items(&mut self, cursor: &mut Cursor, n: i32, ty: &PgType) -> Result<()> {
        for _ in 0..n {
            match cursor.item().ok_or_else(|| wrong(ty))? {
                Some(item) => self.items.append_binary(item)?,
                None => self.items.append_null(),
            }
        }
        if cursor.0.is_empty() { Ok(()) } else { Err(wrong(ty)) }
    }
}
