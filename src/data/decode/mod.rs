//! From PostgreSQL's external representations to Arrow arrays.
//!
//! A [`ColumnBuilder`] gathers the values of one column: [`ColumnBuilder::append_text`] in the type's input syntax,
//! [`ColumnBuilder::append_binary`] in the form of its *recv function, [`ColumnBuilder::append_scalar`] from DataFusion.
//! [`scalar`] reads single scalars, [`mod@array`] cuts array literals, [`rows`] reads rows, [`binary`] reads the binary forms.
//! A value that is refused leaves the builder as it was. Integers, timestamps and text are read without allocating.

mod array;
mod binary;
mod rows;
mod scalar;
mod values;

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::Field;
use datafusion::common::ScalarValue;

use rows::Members;

use super::datetime::{self, Reading};
use super::{EnumType, Network, PgType, json, numeric};
use crate::error::{Error, Result, code};
pub use array::split as split_array;
pub use rows::split as split_row;
pub(crate) use scalar::{bytea, bytea_escaped, bytea_hex, invalid_utf8};

/// Builds the array of one column, of the Arrow type that [`PgType::arrow`] names.
pub struct ColumnBuilder {
    ty: PgType,
    reading: Reading,
    values: Values,
}

/// The Arrow builder of each kind of type.
enum Values {
    Bool(BooleanBuilder),
    Int2(Int16Builder),
    Int4(Int32Builder),
    Int8(Int64Builder),
    Oid(UInt32Builder),
    Float4(Float32Builder),
    Float8(Float64Builder),
    Decimal128(Decimal128Builder, u8, i8),
    Decimal256(Decimal256Builder, i8, bool),
    Text(StringViewBuilder),
    Json(LargeStringBuilder),
    Bytes(BinaryBuilder),
    Uuid(FixedSizeBinaryBuilder),
    Network(LargeBinaryBuilder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Interval(IntervalMonthDayNanoBuilder),
    Enum(TimestampSecondBuilder, EnumType),
    List(Box<Items>),
    Row(Box<Members>),
}

/// The items of a list column and where each list ends in them.
struct Items {
    items: ColumnBuilder,
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl ColumnBuilder {
    /// A builder with room for `capacity` values. Text is read as in a session that has set nothing, see [`ColumnBuilder::reading`].
    pub fn new(ty: &PgType, capacity: usize) -> ColumnBuilder {
        ColumnBuilder { ty: ty.clone(), reading: Reading::default(), values: Values::new(ty, capacity) }
    }

    /// The same builder, reading what text leaves open about dates and times in that way.
    pub fn reading(mut self, reading: Reading) -> ColumnBuilder {
        self.set_reading(reading);
        self
    }

    fn set_reading(&mut self, reading: Reading) {
        self.reading = reading;
        match &mut self.values {
            Values::List(list) => list.items.set_reading(reading),
            Values::Row(row) => row.set_reading(reading),
            _ => {}
        }
    }

    /// The type of its values.
    pub fn ty(&self) -> &PgType {
        &self.ty
    }

    /// Appends the value that `text` stands for in the type's input syntax. Errors: 22P02, 22003, 22007, 22008, 22001, 22021.
    pub fn append_text(&mut self, text: &str) -> Result<()> {
        let ty = &self.ty;
        match &mut self.values {
            Values::Text(b) => match ty {
                PgType::Text | PgType::Unknown | PgType::Record if memchr::memchr(0, text.as_bytes()).is_none() => b.append_value(text),
                _ => b.append_value(scalar::text(ty, text)?),
            },
            Values::Int8(b) => b.append_value(scalar::integer(ty, text, i64::MIN, i64::MAX)?),
            Values::Int4(b) => b.append_value(scalar::integer(ty, text, i32::MIN.into(), i32::MAX.into())? as i32),
            Values::Int2(b) => b.append_value(scalar::integer(ty, text, i16::MIN.into(), i16::MAX.into())? as i16),
            Values::Timestamp(b) if *ty == PgType::Timestamp => b.append_value(datetime::parse_timestamp(text, &self.reading)?),
            Values::Timestamp(b) => b.append_value(datetime::parse_timestamptz(text, &self.reading)?),
            Values::Decimal128(b, precision, scale) => b.append_value(match numeric::short_decimal(text, *precision, *scale) {
                Some(value) => value,
                None => numeric::Parsed::read(text)?.to_i128(*precision, *scale)?,
            }),
            Values::Decimal256(b, scale, exact) => b.append_value(numeric::Parsed::read(text)?.to_i256(*scale, *exact)?),
            Values::Bool(b) => b.append_value(scalar::boolean(text)?),
            Values::Float4(b) => b.append_value(scalar::float(ty, text)?),
            Values::Float8(b) => b.append_value(scalar::float(ty, text)?),
            Values::Oid(b) => b.append_value(scalar::oid(ty, text)?),
            Values::Json(b) if *ty == PgType::Jsonb => b.append_value(json::normalise(text)?),
            Values::Json(b) => {
                json::check(text)?;
                b.append_value(text);
            }
            Values::Bytes(b) => b.append_value(scalar::bytea(text)?),
            Values::Uuid(b) => b.append_value(scalar::uuid(text)?)?,
            Values::Network(b) => b.append_value(Network::parse(ty, text)?.to_bytes()),
            Values::Date(b) => b.append_value(datetime::parse_date(text, &self.reading)?),
            Values::Time(b) => b.append_value(datetime::parse_time(text, &self.reading)?),
            Values::Interval(b) => b.append_value(datetime::style::read_interval(text, self.reading.leading_sign)?),
            Values::Enum(b, ty) => b.append_value(ty.rank(text)?),
            Values::List(list) => return list.append_text(text),
            Values::Row(row) => return row.append_text(text),
        }
        Ok(())
    }

    /// Appends text known to have no zero byte; see [`ColumnBuilder::append_text`].
    #[inline]
    pub(crate) fn append_clean_text(&mut self, text: &str) -> Result<()> {
        match (&mut self.values, &self.ty) {
            (Values::Text(b), PgType::Text) => b.append_value(text),
            _ => return self.append_text(text),
        }
        Ok(())
    }

    /// The finished array; the builder is then empty and can be used again.
    pub fn finish(&mut self) -> ArrayRef {
        self.values.finish(&self.ty)
    }
}

impl Items {
    fn append_text(&mut self, text: &str) -> Result<()> {
        let before = self.items.len();
        let items = array::split(text)?;
        for item in &items {
            let appended = match item {
                Some(item) => self.items.append_text(item),
                None => {
                    self.items.append_null();
                    Ok(())
                }
            };
            if let Err(e) = appended {
                self.items.truncate(before);
                return Err(e);
            }
        }
        self.close()
    }

    /// Ends a list after the items appended so far.
    fn close(&mut self) -> Result<()> {
        let end = i32::try_from(self.items.len());
        let end = end.map_err(|_| Error::new(code::PROGRAM_LIMIT_EXCEEDED, "arrays of one batch hold more than 2^31 items"))?;
        self.offsets.push(end);
        self.nulls.append_non_null();
        Ok(())
    }

    fn finish(&mut self, item: &PgType) -> ArrayRef {
        let offsets = OffsetBuffer::new(std::mem::replace(&mut self.offsets, vec![0]).into());
        let field = Arc::new(Field::new_list_field(item.arrow(), true));
        Arc::new(ListArray::new(field, offsets, self.items.finish(), self.nulls.finish()))
    }
}

/// The value that text stands for. Errors as [`ColumnBuilder::append_text`].
pub fn parse_text(ty: &PgType, text: &str) -> Result<ScalarValue> {
    parse_text_as(ty, text, Reading::default())
}

/// The value that text stands for to a session that reads dates and times in that way. Errors as [`ColumnBuilder::append_text`].
pub fn parse_text_as(ty: &PgType, text: &str, reading: Reading) -> Result<ScalarValue> {
    // The types that keys have skip the builder, since point queries parse one value each.
    match ty {
        PgType::Int8 => return Ok(ScalarValue::Int64(Some(scalar::integer(ty, text, i64::MIN, i64::MAX)?))),
        PgType::Int4 => return Ok(ScalarValue::Int32(Some(scalar::integer(ty, text, i32::MIN.into(), i32::MAX.into())? as i32))),
        PgType::Text if !text.contains('\0') => return Ok(ScalarValue::Utf8View(Some(text.to_string()))),
        _ => {}
    }
    let mut builder = ColumnBuilder::new(ty, 1).reading(reading);
    builder.append_text(text)?;
    Ok(ScalarValue::try_from_array(&builder.finish(), 0)?)
}

/// The value that a binary form stands for. Errors as [`ColumnBuilder::append_binary`].
pub fn parse_binary(ty: &PgType, bytes: &[u8]) -> Result<ScalarValue> {
    match (ty, bytes.len()) {
        (PgType::Int8, 8) => return Ok(ScalarValue::Int64(bytes.try_into().ok().map(i64::from_be_bytes))),
        (PgType::Int4, 4) => return Ok(ScalarValue::Int32(bytes.try_into().ok().map(i32::from_be_bytes))),
        _ => {}
    }
    let mut builder = ColumnBuilder::new(ty, 1);
    builder.append_binary(bytes)?;
    Ok(ScalarValue::try_from_array(&builder.finish(), 0)?)
}
