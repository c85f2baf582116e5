//! One column, downcast once, and the text of its cells.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::NullBuffer;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use bytes::BufMut;

use super::Style;
use super::nested::{List, Map, Row};
use crate::data::datetime::{put_date_as, put_interval_as, put_time, put_timestamp_as, put_timestamptz_as};
use crate::data::numeric::Decimal;
use crate::data::text::{put_float4, put_float8, put_integer};
use crate::data::{EnumType, Network, PgType, opaque};
use crate::error::{Error, Result, code};

/// A column of a batch, ready to be written.
pub struct Column {
    pub(super) values: Values,
    nulls: Option<NullBuffer>,
    /// The column's type is a text type but the array is not: binary, too, is the text.
    pub(super) as_text: bool,
}

/// The arrays that the encoder writes; all others are cast to one of them.
pub(super) enum Values {
    Null,
    Bool(BooleanArray),
    Int2(Int16Array),
    Int4(Int32Array),
    Int8(Int64Array),
    Oid(UInt32Array),
    /// The object id of a type, shown as its name.
    Regtype(UInt32Array),
    Float4(Float32Array),
    Float8(Float64Array),
    Decimal128(Decimal128Array, i8, Decimals),
    Decimal256(Decimal256Array, i8, Decimals),
    View(StringViewArray, TextKind),
    Utf8(StringArray, TextKind),
    LargeUtf8(LargeStringArray, TextKind),
    Bytes(BinaryArray),
    Uuid(FixedSizeBinaryArray),
    /// Addresses, and whether they are cidr.
    Network(LargeBinaryArray, bool),
    Date(Date32Array),
    Time(Time64MicrosecondArray),
    Timestamp(TimestampMicrosecondArray),
    Timestamptz(TimestampMicrosecondArray),
    Interval(IntervalMonthDayNanoArray),
    List(Box<List>),
    Row(Box<Row>),
    Map(Box<Map>),
}

/// How many decimals of a numeric are shown.
#[derive(Clone, Copy, Debug)]
pub(super) enum Decimals {
    /// All that the type has.
    Fixed(i32),
    /// Without trailing zeros, down to so many.
    Trimmed(i32),
    /// As many as PostgreSQL's division computes.
    Quotient,
}

/// Between the object id and the name of a value of a reg* type, in a column of text that was made to be shown: the client gets
/// the name in text form and the id in binary form.
pub const REG_SEPARATOR: char = '\u{1}';

/// The object id and the name of such a value; id 0 if it has none.
pub(super) fn reg_parts(shown: &str) -> (u32, &str) {
    match shown.split_once(REG_SEPARATOR) {
        Some((oid, name)) => (oid.parse().unwrap_or(0), name),
        None => (0, shown),
    }
}

/// Text types whose binary form is not just their bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum TextKind {
    Plain,
    Jsonb,
    Char,
    Int2Vector,
    OidVector,
    Record,
    /// An object id and the name that it is shown by, apart by [`REG_SEPARATOR`].
    Reg,
    /// A type carried as text, by its name, with a binary form of its own: see [`opaque`].
    Opaque(&'static str),
}

impl Column {
    /// Looks at an array that is to be shown as `ty`. Errors: 42804 if that cannot be.
    pub fn new(array: &ArrayRef, ty: &PgType) -> Result<Column> {
        if let PgType::Enum(of) = ty
            && EnumType::of_arrow(array.data_type()).is_some()
        {
            let labels: ArrayRef = Arc::new(of.texts(array)?);
            return Column::new(&labels, &PgType::Text);
        }
        let array = canonical(array)?;
        let natural = PgType::of_arrow(array.data_type());
        let packed = ty.is_reg() && *array.data_type() == DataType::Utf8View;
        let textual = packed || matches!(ty.arrow(), DataType::Utf8View | DataType::LargeUtf8);
        let strings = matches!(array.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        let shaped = matches!(
            (array.data_type(), ty),
            (DataType::List(_), PgType::Array(_)) | (DataType::Struct(_), PgType::Record | PgType::Composite(_))
        );
        let (array, as_text) = if (textual && strings) || shaped || natural.oid() == ty.oid() || *array.data_type() == DataType::Null {
            (array, false)
        } else if textual {
            (array, true)
        } else {
            (cast(&array, &ty.arrow())?, false)
        };
        let array: ArrayRef = match ty {
            PgType::Bpchar(n) if *n > 0 && strings => Arc::new(filled(cast(&array, &DataType::Utf8View)?.as_string_view(), *n)),
            _ => array,
        };
        let shown = if as_text { &natural } else { ty };
        let nulls = array.nulls().cloned();
        Ok(Column { values: Values::new(&array, shown)?, nulls, as_text })
    }

    /// True if the cell is NULL.
    pub fn is_null(&self, row: usize) -> bool {
        match &self.nulls {
            Some(nulls) => nulls.is_null(row),
            None => matches!(self.values, Values::Null),
        }
    }

    /// Appends the text of a cell that is not NULL.
    pub fn put_text<B: BufMut>(&self, row: usize, style: &Style, out: &mut B) {
        match &self.values {
            Values::Null => {}
            Values::Bool(a) => out.put_u8(if a.value(row) { b't' } else { b'f' }),
            Values::Int2(a) => put_integer(i64::from(a.value(row)), out),
            Values::Int4(a) => put_integer(i64::from(a.value(row)), out),
            Values::Int8(a) => put_integer(a.value(row), out),
            Values::Oid(a) => put_integer(i64::from(a.value(row)), out),
            Values::Regtype(a) => put_regtype(a.value(row), out),
            Values::Float4(a) => put_float4(a.value(row), style.extra_float_digits, out),
            Values::Float8(a) => put_float8(a.value(row), style.extra_float_digits, out),
            Values::Decimal128(a, scale, show) => {
                let (decimal, shown) = show.apply(Decimal::from_i128(a.value(row), *scale), *scale);
                decimal.put_text(shown, out);
            }
            Values::Decimal256(a, scale, show) => {
                let (decimal, shown) = show.apply(Decimal::from_i256(a.value(row), *scale), *scale);
                decimal.put_text(shown, out);
            }
            Values::View(a, TextKind::Reg) => out.put_slice(reg_parts(a.value(row)).1.as_bytes()),
            Values::View(a, _) => out.put_slice(a.value(row).as_bytes()),
            Values::Utf8(a, _) => out.put_slice(a.value(row).as_bytes()),
            Values::LargeUtf8(a, _) => out.put_slice(a.value(row).as_bytes()),
            Values::Bytes(a) if style.bytea_escape => put_escaped(a.value(row), out),
            Values::Bytes(a) => put_hex(a.value(row), out),
            Values::Uuid(a) => put_uuid(a.value(row), out),
            Values::Network(a, is_cidr) => out.put_slice(network(a, row).text(*is_cidr).as_bytes()),
            Values::Date(a) => put_date_as(a.value(row), style.dates, out),
            Values::Time(a) => put_time(a.value(row), out),
            Values::Timestamp(a) => put_timestamp_as(a.value(row), style.dates, out),
            Values::Timestamptz(a) => put_timestamptz_as(a.value(row), &style.timezone, style.dates, out),
            Values::Interval(a) => {
                let v = a.value(row);
                put_interval_as(v.months, v.days, v.nanoseconds, style.interval, out);
            }
            Values::List(list) => out.put_slice(&list.text(row, style)),
            Values::Row(record) => out.put_slice(&record.text(row, style)),
            Values::Map(map) => out.put_slice(map.text(row, style).as_bytes()),
        }
    }
}

impl Decimals {
    fn of(ty: &PgType, scale: i8) -> Decimals {
        match ty {
            PgType::Numeric(None) => Decimals::Trimmed(0),
            PgType::Padded(least) => Decimals::Trimmed(i32::from(*least)),
            PgType::Quotient(_) => Decimals::Quotient,
            PgType::Numeric(Some((_, s))) => Decimals::Fixed(i32::from(*s).max(0)),
            _ => Decimals::Fixed(i32::from(scale).max(0)),
        }
    }

    /// The number as shown, and with how many decimals.
    pub(super) fn apply(self, decimal: Decimal, scale: i8) -> (Decimal, i32) {
        match self {
            Decimals::Fixed(s) if s >= i32::from(scale) => (decimal, s),
            Decimals::Fixed(s) => (decimal.rounded(s), s),
            Decimals::Trimmed(least) => {
                let s = decimal.least_scale().max(least);
                (decimal, s)
            }
            Decimals::Quotient => {
                let s = decimal.quotient_scale();
                (decimal.rounded(s), s)
            }
        }
    }
}

impl Values {
    fn new(array: &ArrayRef, ty: &PgType) -> Result<Values> {
        let kind = match ty {
            PgType::Jsonb => TextKind::Jsonb,
            PgType::Char => TextKind::Char,
            PgType::Int2Vector => TextKind::Int2Vector,
            PgType::OidVector => TextKind::OidVector,
            PgType::Record => TextKind::Record,
            PgType::Opaque(name) if opaque::has_binary_form(name) => TextKind::Opaque(name),
            reg if reg.is_reg() => TextKind::Reg,
            _ => TextKind::Plain,
        };
        Ok(match array.data_type() {
            DataType::Null => Values::Null,
            DataType::Boolean => Values::Bool(array.as_boolean().clone()),
            DataType::Int16 => Values::Int2(array.as_primitive().clone()),
            DataType::Int32 => Values::Int4(array.as_primitive().clone()),
            DataType::Int64 => Values::Int8(array.as_primitive().clone()),
            DataType::UInt32 if *ty == PgType::Regtype => Values::Regtype(array.as_primitive().clone()),
            DataType::UInt32 => Values::Oid(array.as_primitive().clone()),
            DataType::Float32 => Values::Float4(array.as_primitive().clone()),
            DataType::Float64 => Values::Float8(array.as_primitive().clone()),
            DataType::Decimal128(_, s) => Values::Decimal128(array.as_primitive().clone(), *s, Decimals::of(ty, *s)),
            DataType::Decimal256(_, s) => Values::Decimal256(array.as_primitive().clone(), *s, Decimals::of(ty, *s)),
            DataType::Utf8View => Values::View(array.as_string_view().clone(), kind),
            DataType::Utf8 => Values::Utf8(array.as_string().clone(), kind),
            DataType::LargeUtf8 => Values::LargeUtf8(array.as_string().clone(), kind),
            DataType::Binary => Values::Bytes(array.as_binary().clone()),
            DataType::FixedSizeBinary(_) => Values::Uuid(array.as_fixed_size_binary().clone()),
            DataType::LargeBinary => Values::Network(array.as_binary().clone(), *ty == PgType::Cidr),
            DataType::Date32 => Values::Date(array.as_primitive().clone()),
            DataType::Time64(_) => Values::Time(array.as_primitive().clone()),
            DataType::Timestamp(_, None) => Values::Timestamp(array.as_primitive().clone()),
            DataType::Timestamp(_, Some(_)) => Values::Timestamptz(array.as_primitive().clone()),
            DataType::Interval(_) => Values::Interval(array.as_primitive().clone()),
            DataType::List(_) => Values::List(Box::new(List::new(array.as_list().clone(), ty)?)),
            DataType::Struct(_) => Values::Row(Box::new(Row::new(array.as_struct(), ty)?)),
            DataType::Map(..) => Values::Map(Box::new(Map::new(array.as_map())?)),
            other => return Err(Error::internal(format!("no encoding for the Arrow type {other}"))),
        })
    }
}

/// char(n) with the blanks that it is shown with.
fn filled(texts: &StringViewArray, n: u32) -> StringViewArray {
    let fill = |text: &str| {
        let missing = (n as usize).saturating_sub(text.chars().count());
        text.chars().chain(std::iter::repeat_n(' ', missing)).collect::<String>()
    };
    texts.iter().map(|text| text.map(fill)).collect()
}

/// Casts what is exotic to the nearest of the types in [`Values`]; others are passed on as they are.
fn canonical(array: &ArrayRef) -> Result<ArrayRef> {
    let us = TimeUnit::Microsecond;
    let target = match array.data_type() {
        DataType::Int8 | DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => DataType::Decimal128(*p, *s),
        DataType::BinaryView => DataType::Binary,
        DataType::FixedSizeBinary(n) if *n != 16 => DataType::Binary,
        DataType::Date64 => DataType::Date32,
        DataType::Time32(_) | DataType::Time64(TimeUnit::Nanosecond) => DataType::Time64(us),
        DataType::Timestamp(unit, zone) if *unit != us => DataType::Timestamp(us, zone.clone()),
        DataType::Interval(IntervalUnit::YearMonth | IntervalUnit::DayTime) | DataType::Duration(_) => {
            DataType::Interval(IntervalUnit::MonthDayNano)
        }
        DataType::LargeList(f) | DataType::FixedSizeList(f, _) | DataType::ListView(f) | DataType::LargeListView(f) => {
            DataType::List(Arc::clone(f))
        }
        DataType::Dictionary(_, value) => return canonical(&cast(array, value)?),
        DataType::RunEndEncoded(_, value) => return canonical(&cast(array, value.data_type())?),
        DataType::Union(..) => DataType::Utf8,
        _ => return Ok(Arc::clone(array)),
    };
    cast(array, &target)
}

/// Casts without turning what does not fit into NULL.
fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, to, &options).map_err(|e| {
        let message = format!("a column of the Arrow type {} cannot be shown as {}", array.data_type(), PgType::of_arrow(to));
        Error::new(code::DATATYPE_MISMATCH, message).detail(e.to_string())
    })
}

fn put_regtype<B: BufMut>(oid: u32, out: &mut B) {
    match PgType::from_oid(oid) {
        Some(ty) => out.put_slice(ty.to_string().as_bytes()),
        None if oid == 0 => out.put_u8(b'-'),
        None => put_integer(i64::from(oid), out),
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn put_hex_digits<B: BufMut>(bytes: &[u8], out: &mut B) {
    for b in bytes {
        out.put_slice(&[HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]]);
    }
}

fn put_hex<B: BufMut>(bytes: &[u8], out: &mut B) {
    out.put_slice(b"\\x");
    put_hex_digits(bytes, out);
}

/// Printable bytes as they are, a backslash twice, others as a backslash and three octal digits.
fn put_escaped<B: BufMut>(bytes: &[u8], out: &mut B) {
    for b in bytes {
        match b {
            b'\\' => out.put_slice(b"\\\\"),
            0x20..=0x7e => out.put_u8(*b),
            _ => out.put_slice(&[b'\\', b'0' + (b >> 6), b'0' + (b >> 3 & 7), b'0' + (b & 7)]),
        }
    }
}

/// An address; all that is in such an array was read as one.
pub(super) fn network(array: &LargeBinaryArray, row: usize) -> Network {
    Network::of_bytes(array.value(row)).unwrap_or_default()
}

fn put_uuid<B: BufMut>(bytes: &[u8], out: &mut B) {
    for (i, part) in [0..4, 4..6, 6..8, 8..10, 10..16].into_iter().enumerate() {
        if i > 0 {
            out.put_u8(b'-');
        }
        put_hex_digits(&bytes[part], out);
    }
}
