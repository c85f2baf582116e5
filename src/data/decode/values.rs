//! What all kinds of builders have in common: made, filled with NULLs, counted, finished; and scalars of DataFusion.

use std::sync::Arc;

use arrow::array::*;
use datafusion::common::ScalarValue;

use super::rows::Members;
use super::{ColumnBuilder, Items, Values};
use crate::data::encode::{Style, cell_text};
use crate::data::types::UNCONSTRAINED_SCALE;
use crate::data::{EnumType, PgType};
use crate::error::{Error, Result};

/// Runs one expression for every builder but those of lists and rows.
macro_rules! each {
    ($values:expr, $b:ident => $body:expr, list $list:ident => $on_list:expr, row $row:ident => $on_row:expr) => {
        match $values {
            Values::Bool($b) => $body,
            Values::Int2($b) => $body,
            Values::Int4($b) => $body,
            Values::Int8($b) => $body,
            Values::Oid($b) => $body,
            Values::Float4($b) => $body,
            Values::Float8($b) => $body,
            Values::Decimal128($b, ..) => $body,
            Values::Decimal256($b, ..) => $body,
            Values::Text($b) => $body,
            Values::Json($b) => $body,
            Values::Bytes($b) => $body,
            Values::Uuid($b) => $body,
            Values::Network($b) => $body,
            Values::Date($b) => $body,
            Values::Time($b) => $body,
            Values::Timestamp($b) => $body,
            Values::Interval($b) => $body,
            Values::Enum($b, _) => $body,
            Values::List($list) => $on_list,
            Values::Row($row) => $on_row,
        }
    };
}

impl Values {
    pub(super) fn new(ty: &PgType, n: usize) -> Values {
        match ty {
            PgType::Bool => Values::Bool(BooleanBuilder::with_capacity(n)),
            PgType::Int2 => Values::Int2(Int16Builder::with_capacity(n)),
            PgType::Int4 => Values::Int4(Int32Builder::with_capacity(n)),
            PgType::Int8 => Values::Int8(Int64Builder::with_capacity(n)),
            PgType::Float4 => Values::Float4(Float32Builder::with_capacity(n)),
            PgType::Float8 => Values::Float8(Float64Builder::with_capacity(n)),
            PgType::Numeric(Some((p, s))) | PgType::Exact(p, s) => {
                Values::Decimal128(Decimal128Builder::with_capacity(n).with_data_type(ty.arrow()), *p, *s)
            }
            PgType::Numeric(None) | PgType::Padded(_) => {
                Values::Decimal256(Decimal256Builder::with_capacity(n).with_data_type(ty.arrow()), UNCONSTRAINED_SCALE, true)
            }
            PgType::Quotient(s) => Values::Decimal256(Decimal256Builder::with_capacity(n).with_data_type(ty.arrow()), *s, false),
            PgType::Json | PgType::Jsonb => Values::Json(LargeStringBuilder::with_capacity(n, 16 * n)),
            PgType::Bytea => Values::Bytes(BinaryBuilder::with_capacity(n, 16 * n)),
            PgType::Date => Values::Date(Date32Builder::with_capacity(n)),
            PgType::Time => Values::Time(Time64MicrosecondBuilder::with_capacity(n)),
            PgType::Timestamp | PgType::Timestamptz => {
                Values::Timestamp(TimestampMicrosecondBuilder::with_capacity(n).with_data_type(ty.arrow()))
            }
            PgType::Interval => Values::Interval(IntervalMonthDayNanoBuilder::with_capacity(n)),
            PgType::Enum(of) => Values::Enum(TimestampSecondBuilder::with_capacity(n).with_data_type(of.arrow()), of.clone()),
            PgType::Uuid => Values::Uuid(FixedSizeBinaryBuilder::with_capacity(n, 16)),
            PgType::Inet | PgType::Cidr => Values::Network(LargeBinaryBuilder::with_capacity(n, 8 * n)),
            PgType::Oid | PgType::Regclass | PgType::Regtype | PgType::Regproc | PgType::Id(_) => {
                Values::Oid(UInt32Builder::with_capacity(n))
            }
            PgType::Array(item) => {
                let items = ColumnBuilder::new(item, n);
                Values::List(Box::new(Items { items, offsets: vec![0], nulls: NullBufferBuilder::new(n) }))
            }
            PgType::Composite(of) => Values::Row(Box::new(Members::new(of, n))),
            PgType::Text | PgType::Varchar(_) | PgType::Bpchar(_) | PgType::Name | PgType::Char => text_builder(n),
            PgType::Int2Vector | PgType::OidVector | PgType::Record | PgType::Unknown | PgType::Opaque(_) | PgType::Void => text_builder(n),
        }
    }

    pub(super) fn finish(&mut self, ty: &PgType) -> ArrayRef {
        each!(self, b => Arc::new(b.finish()), list l => match ty {
            PgType::Array(item) => l.finish(item),
            other => l.finish(other),
        }, row r => r.finish())
    }
}

fn text_builder(n: usize) -> Values {
    Values::Text(StringViewBuilder::with_capacity(n))
}

impl ColumnBuilder {
    /// Appends a NULL.
    pub fn append_null(&mut self) {
        each!(&mut self.values, b => b.append_null(), list l => {
            l.offsets.push(l.offsets.last().copied().unwrap_or(0));
            l.nulls.append_null();
        }, row r => r.append_null())
    }

    /// Number of values appended since it was made or finished.
    pub fn len(&self) -> usize {
        each!(&self.values, b => b.len(), list l => l.offsets.len() - 1, row r => r.len())
    }

    /// True if nothing was appended.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all but the first `n` values. It rebuilds what is kept, so it is for the way of errors only.
    pub(super) fn truncate(&mut self, n: usize) {
        let kept = self.finish().slice(0, n);
        for row in 0..n {
            if let Ok(value) = ScalarValue::try_from_array(&kept, row) {
                // What the builder held already is certainly of its type.
                let _ = self.append_scalar(&value);
            }
        }
    }

    /// Appends a scalar of DataFusion. If its Arrow type is not the builder's, it is read again from its text, under the input rules
    /// of the type. Errors as [`ColumnBuilder::append_text`].
    pub fn append_scalar(&mut self, value: &ScalarValue) -> Result<()> {
        if value.is_null() {
            self.append_null();
            return Ok(());
        }
        match (&mut self.values, value) {
            (Values::Bool(b), ScalarValue::Boolean(v)) => b.append_option(*v),
            (Values::Int2(b), ScalarValue::Int16(v)) => b.append_option(*v),
            (Values::Int4(b), ScalarValue::Int32(v)) => b.append_option(*v),
            (Values::Int8(b), ScalarValue::Int64(v)) => b.append_option(*v),
            (Values::Oid(b), ScalarValue::UInt32(v)) => b.append_option(*v),
            (Values::Float4(b), ScalarValue::Float32(v)) => b.append_option(*v),
            (Values::Float8(b), ScalarValue::Float64(v)) => b.append_option(*v),
            (Values::Date(b), ScalarValue::Date32(v)) => b.append_option(*v),
            (Values::Time(b), ScalarValue::Time64Microsecond(v)) => b.append_option(*v),
            (Values::Interval(b), ScalarValue::IntervalMonthDayNano(v)) => b.append_option(*v),
            (Values::Decimal128(b, p, s), ScalarValue::Decimal128(v, vp, vs)) if vs == s && vp <= p => b.append_option(*v),
            (Values::Decimal256(b, s, _), ScalarValue::Decimal256(v, _, vs)) if vs == s => b.append_option(*v),
            (Values::Timestamp(b), ScalarValue::TimestampMicrosecond(v, z)) if z.is_some() == (self.ty == PgType::Timestamptz) => {
                b.append_option(*v);
            }
            (Values::Enum(b, of), ScalarValue::TimestampSecond(v, _)) if EnumType::of_arrow(&value.data_type()).as_ref() == Some(of) => {
                b.append_option(*v);
            }
            (Values::Json(b), ScalarValue::LargeUtf8(v)) => b.append_option(v.as_deref()),
            (Values::Bytes(b), ScalarValue::Binary(v)) => b.append_option(v.as_deref()),
            (Values::Uuid(b), ScalarValue::FixedSizeBinary(16, Some(v))) => b.append_value(v)?,
            (Values::Network(b), ScalarValue::LargeBinary(Some(v))) if self.ty == PgType::Inet => b.append_value(v),
            (Values::Row(row), ScalarValue::Struct(values)) if row.has_type(values.data_type()) => return row.append_row(values),
            (_, ScalarValue::Utf8View(Some(v)) | ScalarValue::Utf8(Some(v)) | ScalarValue::LargeUtf8(Some(v))) => {
                return self.append_text(v);
            }
            _ => return self.append_by_text(value),
        }
        Ok(())
    }

    fn append_by_text(&mut self, value: &ScalarValue) -> Result<()> {
        let array = value.to_array()?;
        let style = Style { timezone: self.reading.zone, ..Style::default() };
        let mut text = Vec::new();
        cell_text(&array, 0, &PgType::of_arrow(array.data_type()), &style, &mut text)?;
        let text = String::from_utf8(text).map_err(|e| Error::internal(format!("a value's text is not UTF-8: {e}")))?;
        self.append_text(&text)
    }
}
