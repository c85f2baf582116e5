//! Casts as PostgreSQL does them. A cast that arrow's kernel does alike stays DataFusion's, which its optimizer knows how to
//! unwrap; every other becomes [`PgCast`], one immutable function per target type ([`plan`] chooses).
//!
//! What differs in arrow: it truncates a float or a numeric on the way to an integer where PostgreSQL rounds (floats half to
//! even, numerics half away from zero); it prints and reads text in its own forms; it knows no varchar(n), json, uuid text.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array, LargeStringArray, ListArray, StringViewArray,
    Time64MicrosecondArray, new_null_array,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Date32Type, Field, FieldRef, Float32Type, Float64Type, TimeUnit, TimestampMicrosecondType};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    Cast, ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::arith::decimal::{div_round, mantissas, pow10};
use super::arith::{named, out_of_range, shown};
use super::composites;
use super::present;
use super::scalar::{jsonpath, network};
use super::text_io;
use super::type_of;
use crate::data::datetime::style::{depends_on_order, spread_sign};
use crate::data::datetime::{US_PER_DAY, is_infinite};
use crate::data::decode::{self, ColumnBuilder};
use crate::data::types::check_dimensions;
use crate::data::{PgType, tid};
use crate::error::{Error, Result, code};

/// The cast's name as a function.
pub const NAME: &str = "pg_cast";

/// Arrow's cast, failing where a value does not fit.
const STRICT: CastOptions<'static> = CastOptions { safe: false, format_options: arrow::util::display::FormatOptions::new() };

/// A cast to one PostgreSQL type, from whatever type its argument has.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct PgCast {
    /// The type of its argument, where its field does not tell all of it: an enumeration.
    source: Option<PgType>,
    target: PgType,
    /// What is too long is refused, and not cut.
    assigned: bool,
    signature: Signature,
}

impl PgCast {
    /// A cast to `target`.
    pub fn new(target: PgType) -> Self {
        PgCast { source: None, target, assigned: false, signature: Signature::any(1, Volatility::Immutable) }
    }

    /// A cast of values of `source` to `target`.
    pub fn between(source: PgType, target: PgType) -> Self {
        // DataFusion prints constants, and has no text for a list of an enumeration's values: a cast to one is not computed beforehand.
        let lists = matches!(target, PgType::Array(_)) && target.is_of_enum();
        let volatility = if lists { Volatility::Volatile } else { Volatility::Immutable };
        PgCast { source: Some(source), target, assigned: false, signature: Signature::any(1, volatility) }
    }

    /// The type that it casts from, if it was told.
    pub fn source(&self) -> Option<&PgType> {
        self.source.as_ref()
    }

    /// The type it casts to.
    pub fn target(&self) -> &PgType {
        &self.target
    }

    /// The cast of `value` as a name of it is written: also that of casts of casts in time that grows with their number. `hides`: the name
    /// does not show DataFusion's casts.
    fn written(&self, mut value: &Expr, name: fn(&Expr, &mut String), hides: bool) -> String {
        // The types from the last to the first.
        let mut targets = vec![&self.target];
        loop {
            let cast = match value {
                Expr::ScalarFunction(call) => call.func.inner().downcast_ref::<PgCast>().zip(call.args.first()),
                _ => None,
            };
            match (cast, value) {
                (Some((cast, operand)), _) => {
                    targets.push(&cast.target);
                    value = operand;
                }
                (None, Expr::Cast(cast)) if hides => value = &cast.expr,
                _ => break,
            }
        }
        let mut all = String::new();
        name(value, &mut all);
        for target in targets.into_iter().rev() {
            let _ = write!(all, "::{target}");
        }
        all
    }
}

impl ScalarUDFImpl for PgCast {
    fn name(&self) -> &str {
        NAME
    }

    fn display_name(&self, args: &[Expr]) -> DfResult<String> {
        Ok(args.first().map_or_else(String::new, |value| self.written(value, shown, false)))
    }

    fn schema_name(&self, args: &[Expr]) -> DfResult<String> {
        Ok(args.first().map_or_else(String::new, |value| self.written(value, named, true)))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DfResult<DataType> {
        Ok(self.target.arrow())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DfResult<FieldRef> {
        // Infinity has no time of day.
        let nullable = self.target == PgType::Time || args.arg_fields.first().is_none_or(|f| f.is_nullable());
        Ok(Arc::new(self.target.field(NAME, nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let ([value], [field]) = (args.args.as_slice(), args.arg_fields.as_slice()) else {
            return Err(Error::internal("a cast takes one argument").into());
        };
        let array = value.to_array(1)?;
        if matches!(self.target, PgType::Array(_)) {
            check_dimensions(array.data_type(), &self.target.arrow())?;
        }
        let source = self.source.clone().unwrap_or_else(|| PgType::of(field));
        let result = if self.assigned { assigned(&array, &source, &self.target) } else { cast_array(&array, &source, &self.target) }?;
        match value {
            ColumnarValue::Array(_) => Ok(ColumnarValue::Array(result)),
            ColumnarValue::Scalar(_) => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?)),
        }
    }
}

/// The expression of `expr::field`: DataFusion's cast where it is right, else ours. Errors: 42846 if there is no such cast, 0A000
/// if an array would lose dimensions.
pub fn plan(expr: Expr, field: FieldRef, schema: &DFSchema) -> DfResult<Transformed<Expr>> {
    let Some(from) = type_of::field(&expr, schema) else {
        return Ok(Transformed::no(Expr::Cast(Cast::new_from_field(Box::new(expr), field))));
    };
    let (source, target) = (PgType::of(&from), PgType::of(&field));
    if matches!(target, PgType::Array(_)) {
        check_dimensions(from.data_type(), field.data_type())?;
    }
    if *field.data_type() != target.arrow() || arrow_is_right(from.data_type(), &source, &target) {
        return Ok(Transformed::no(Expr::Cast(Cast::new_from_field(Box::new(expr), field))));
    }
    if !exists(&source, &target) {
        let message = format!("cannot cast type {} to {}", source.base(), target.base());
        return Err(Error::new(code::CANNOT_COERCE, message).into());
    }
    Ok(Transformed::yes(call(expr, target)))
}

/// The cast of an expression to a type, by ours.
pub fn call(expr: Expr, target: PgType) -> Expr {
    called(expr, PgCast::new(target))
}

fn called(expr: Expr, cast: PgCast) -> Expr {
    if let Some(present) = present::of(&expr, &cast.target) {
        return present;
    }
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(ScalarUDF::new_from_impl(cast)), vec![expr]))
}

/// The cast of an expression of type `source`, which its field may not tell.
pub fn between(expr: Expr, source: PgType, target: PgType) -> Expr {
    called(expr, PgCast::between(source, target))
}

/// What becomes of a value of type `source`, which its field may not tell, that is put into a column.
pub fn assignment_from(expr: Expr, source: PgType, target: PgType) -> Expr {
    called(expr, PgCast { assigned: true, ..PgCast::between(source, target) })
}

/// What becomes of a value that is put into a column of varchar(n) or char(n), or of an array of them.
pub fn assignment(expr: Expr, target: PgType) -> Expr {
    called(expr, PgCast { assigned: true, ..PgCast::new(target) })
}

/// A text literal of no type as what it is beside a value of this type, where DataFusion would take it for something else, or read it
/// otherwise. Errors: 22P02, 22007.
pub fn read_beside(literal: &Expr, ty: &DataType) -> Result<Option<Expr>> {
    let Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), None) = literal else { return Ok(None) };
    Ok(match ty {
        ty if PgType::of_arrow(ty).is_of_enum() => None,
        ty if present::is_meant(text, &PgType::of_arrow(ty)) => Some(call(literal.clone(), PgType::of_arrow(ty))),
        // The session's settings have a say, which is put around the cast.
        ty if is_read_by_settings(text, ty) => Some(call(literal.clone(), PgType::of_arrow(ty))),
        DataType::Boolean
        | DataType::FixedSizeBinary(16)
        | DataType::LargeBinary
        | DataType::Binary
        | DataType::Interval(_)
        | DataType::Date32
        | DataType::Time64(TimeUnit::Microsecond)
        | DataType::Timestamp(_, None)
        | DataType::List(_) => Some(Expr::Literal(text_io::parse(&PgType::of_arrow(ty), text)?, None)),
        _ => None,
    })
}

/// True if a text is another value of a type to a session in another time zone, or that reads dates or intervals otherwise.
pub fn is_read_by_settings(text: &str, ty: &DataType) -> bool {
    match ty {
        DataType::Timestamp(_, Some(_)) => !PgType::of_arrow(ty).is_of_enum(),
        DataType::Date32 | DataType::Timestamp(_, None) => depends_on_order(text),
        DataType::Interval(_) => spread_sign(text).is_some(),
        DataType::List(item) => match item.data_type() {
            DataType::Timestamp(_, Some(_)) => !PgType::of_arrow(ty).is_of_enum(),
            of => {
                let items = decode::split_array(text).unwrap_or_default();
                items.iter().flatten().any(|item| is_read_by_settings(item, of))
            }
        },
        _ => false,
    }
}

/// The same where the literal is one of several values of a type; a number keeps the decimals that it has.
pub fn read_as(literal: &Expr, ty: &DataType) -> Result<Option<Expr>> {
    if let Some(read) = read_beside(literal, ty)? {
        return Ok(Some(read));
    }
    let Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), None) = literal else { return Ok(None) };
    let of = if ty.is_decimal() { decimal_of(text) } else { PgType::of_arrow(ty) };
    let plain = ty.is_decimal() || matches!(of, PgType::Int2 | PgType::Int4 | PgType::Int8 | PgType::Float4 | PgType::Float8 | PgType::Oid);
    Ok(if plain { Some(Expr::Literal(text_io::parse(&of, text)?, None)) } else { None })
}

/// The numeric that holds the decimals which a text shows.
fn decimal_of(text: &str) -> PgType {
    let digits = text.trim().trim_start_matches(['+', '-']);
    let decimals = digits.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let count = digits.bytes().filter(u8::is_ascii_digit).count().max(1);
    let narrow = || PgType::numeric(count as i64, decimals as i64).ok();
    plain.then(narrow).flatten().unwrap_or(PgType::Numeric(None))
}

/// An implicit cast between numeric types.
pub fn implicit(expr: Expr, from: &DataType, to: &DataType) -> DfResult<Expr> {
    if from.is_integer() || from.is_floating() || !to.is_floating() {
        return Ok(Expr::Cast(Cast::new(Box::new(expr), to.clone())));
    }
    Ok(call(expr, PgType::of_arrow(to)))
}

pub fn is_text(ty: &PgType) -> bool {
    matches!(ty, PgType::Text | PgType::Varchar(_) | PgType::Bpchar(_) | PgType::Name | PgType::Unknown | PgType::Char | PgType::Opaque(_))
}

fn is_int(ty: &PgType) -> bool {
    matches!(ty, PgType::Int2 | PgType::Int4 | PgType::Int8)
}

fn is_number(ty: &PgType) -> bool {
    is_int(ty) || is_float(ty) || ty.is_numeric()
}

/// True for an array of one dimension.
fn has_plain_items(array: &ArrayRef) -> bool {
    matches!(array.data_type(), DataType::List(item) if !item.data_type().is_nested())
}

fn is_network(ty: &PgType) -> bool {
    matches!(ty, PgType::Inet | PgType::Cidr)
}

fn is_float(ty: &PgType) -> bool {
    matches!(ty, PgType::Float4 | PgType::Float8)
}

fn is_time(ty: &PgType) -> bool {
    matches!(ty, PgType::Date | PgType::Timestamp | PgType::Timestamptz)
}

/// True if arrow's kernel does this cast as PostgreSQL does.
fn arrow_is_right(from: &DataType, source: &PgType, target: &PgType) -> bool {
    if from.is_null() {
        return true;
    }
    let number = |t: &PgType| is_int(t) || is_float(t);
    match (source, target) {
        (s, t) if may_change(s, t) => false,
        (s, t) if s == t && *from == t.arrow() => true,
        (s, PgType::Text | PgType::Varchar(None)) if is_text(s) && !matches!(s, PgType::Bpchar(_)) => true,
        (s, t) if is_int(s) && (t.is_numeric() || is_float(t)) => true,
        (PgType::Int2, PgType::Int4 | PgType::Int8) | (PgType::Int4, PgType::Int8) => true,
        (PgType::Float4, PgType::Float8) => true,
        (s, t) if s.is_numeric() && t.is_numeric() => true,
        (s, t) if number(s) && number(t) => false,
        (PgType::Bool, PgType::Int4) | (PgType::Int4, PgType::Bool) => true,
        (PgType::Oid, t) if is_int(t) => true,
        (s, PgType::Oid) if is_int(s) => true,
        (PgType::Array(s), PgType::Array(t)) => match from {
            DataType::List(item) if is_number(s) && is_number(t) && !item.data_type().is_nested() => arrow_is_right(item.data_type(), s, t),
            _ => !is_array_of_text(source) && !target.has_length(),
        },
        (s, t) if is_id(s) && is_id(t) => true,
        _ => false,
    }
}

/// oid and the types of its kind.
fn is_id(ty: &PgType) -> bool {
    matches!(ty, PgType::Oid | PgType::Id(_)) || ty.is_reg()
}

/// True if values may have to change that have the Arrow type of the target, arrays of them likewise: what is to be jsonb may be json as it was
/// written, since the items of a set or an array of json do not say which they are, and an inet may have a host part, which a cidr has not.
fn may_change(source: &PgType, target: &PgType) -> bool {
    match (source, target) {
        (PgType::Json | PgType::Jsonb, PgType::Jsonb) | (PgType::Inet, PgType::Cidr) => true,
        (PgType::Array(source), PgType::Array(target)) => may_change(source, target),
        _ => false,
    }
}

fn is_array_of_text(ty: &PgType) -> bool {
    matches!(ty, PgType::Array(item) if is_text(item))
}

/// True if PostgreSQL has the cast (explicit, assignment or through text).
pub fn exists(source: &PgType, target: &PgType) -> bool {
    let number = |t: &PgType| is_int(t) || is_float(t) || t.is_numeric();
    match (source, target) {
        (s, t) if s.is_of_rows() || t.is_of_rows() => composites::castable(s, t),
        (s, t) if is_text(s) || is_text(t) => true,
        (s, t) if number(s) && number(t) => true,
        (PgType::Json | PgType::Jsonb, PgType::Json | PgType::Jsonb) => true,
        (s, t) if is_network(s) && is_network(t) => true,
        (PgType::Jsonb, t) => number(t) || *t == PgType::Bool,
        (PgType::Time, PgType::Interval) | (PgType::Interval, PgType::Time) => true,
        (PgType::Timestamp | PgType::Timestamptz, PgType::Time) => true,
        (s, t) if is_time(s) && is_time(t) => true,
        (PgType::Array(_), PgType::Array(_)) => true,
        (PgType::Int2Vector | PgType::OidVector, PgType::Array(_)) => true,
        (s, t) if is_id(s) && is_id(t) => true,
        (s, t) => s.base() == t.base(),
    }
}

/// The values of `array`, of type `source`, as `target`. Cost: columnar for numbers, one parse or print per row for text.
/// Errors: 22003, 22P02, 22007, 42846, and those of a jsonpath that is none.
pub fn cast_array(array: &ArrayRef, source: &PgType, target: &PgType) -> Result<ArrayRef> {
    let array = &normal(array)?;
    if array.data_type().is_null() {
        // The optimizer asks what becomes of NULL.
        return Ok(new_null_array(&target.arrow(), array.len()));
    }
    match (source, target) {
        (PgType::Enum(of), t) if is_text(t) => Ok(texts(&(Arc::new(of.texts(array)?) as ArrayRef), t)),
        (PgType::Array(s), PgType::Array(t)) if s.is_of_enum() || t.is_of_enum() => cast_items(array, s, t, cast_array),
        (PgType::Array(s), PgType::Array(t)) if t.is_of_rows() => cast_items(array, s, t, cast_array),
        (PgType::Record | PgType::Composite(_), PgType::Composite(to)) if array.as_struct_opt().is_some() => {
            composites::of_type(array.as_struct(), to, cast_array)
        }
        (PgType::Array(s), PgType::Array(t)) if is_number(s) && is_number(t) && has_plain_items(array) => {
            cast_items(array, s, t, cast_array)
        }
        (PgType::Array(s), PgType::Array(t)) if is_network(s) && is_network(t) && has_plain_items(array) => {
            cast_items(array, s, t, cast_array)
        }
        // Each item is cut to the length.
        (PgType::Array(s), PgType::Array(t)) if t.has_length() && has_plain_items(array) => cast_items(array, s, t, cast_array),
        (s, PgType::Array(t)) if is_text(s) && t.has_length() => {
            let texts = PgType::Array(Box::new(PgType::Text));
            cast_array(&through_text(array, s, &texts)?, &texts, target)
        }
        (PgType::Bpchar(_), t) if is_text(t) && !matches!(t, PgType::Bpchar(_)) => Ok(texts(&trimmed(array), t)),
        (s, PgType::Opaque("tid")) if is_text(s) && !matches!(s, PgType::Opaque(_)) => {
            let shown = |text: Option<&str>| text.map(tid::shown).transpose();
            Ok(Arc::new(texts(array, &PgType::Text).as_string_view().iter().map(shown).collect::<Result<StringViewArray>>()?))
        }
        (s, PgType::Opaque("jsonpath")) if is_text(s) => Ok(Arc::new(jsonpath::jsonpath(texts(array, &PgType::Text).as_string_view())?)),
        (s, t) if is_text(s) && is_text(t) => Ok(texts(array, t)),
        // What DataFusion counts is unsigned: a numeric to us, but with nothing to round.
        (_, t) if is_int(t) && array.data_type().is_integer() => {
            cast_with_options(array, &t.arrow(), &STRICT).map_err(|_| out_of_range(&t.arrow()))
        }
        (s, t) if is_int(t) && is_float(s) => round_float(array, &t.arrow()),
        (s, t) if is_int(t) && s.is_numeric() => round_decimal(array, &t.arrow()),
        (PgType::Float8, PgType::Float4) => narrow_float(array),
        (s, t) if s.is_numeric() && is_float(t) => decimal_to_float(array, t),
        (s, t) if s.is_numeric() && t.is_numeric() => Ok(cast_with_options(array, &t.arrow(), &STRICT)?),
        (PgType::Time, PgType::Interval) | (PgType::Interval, PgType::Time) => time_interval(array, target),
        (PgType::Timestamp | PgType::Timestamptz, PgType::Time) => time_of_day(array),
        (s, PgType::Inet) if is_network(s) => Ok(array.clone()),
        (s, PgType::Cidr) if is_network(s) => network::without_hosts(array),
        (s, t) if is_network(s) && is_text(t) => Ok(texts(&network::full_texts(array)?, t)),
        (PgType::Jsonb, t) if !is_text(t) && !matches!(t, PgType::Json | PgType::Jsonb) => unwrap_json(array, t),
        (s, t) if is_text(t) => {
            let printed = printed(array, s)?;
            let printed: ArrayRef = Arc::new(printed);
            Ok(texts(&printed, t))
        }
        (PgType::Int2Vector | PgType::OidVector, PgType::Array(_)) => {
            let as_array = |text: &str| format!("{{{}}}", text.replace(' ', ","));
            let texts: StringViewArray = array.as_string_view().iter().map(|t| t.map(as_array)).collect();
            through_text(&(Arc::new(texts) as ArrayRef), &PgType::Text, target)
        }
        (s, t) if is_time(s) && is_time(t) => time(array, &t.arrow()),
        (s, t) => through_text(array, s, t),
    }
}

/// An expression of a date or a timestamp as one of another such type. Arrow's cast knows no infinity.
pub fn of_time(expr: Expr, to: &DataType) -> Expr {
    call(expr, PgType::of_arrow(to))
}

/// The time of day of timestamps, in UTC; infinity has none.
fn time_of_day(array: &ArrayRef) -> Result<ArrayRef> {
    let stamps = time(array, &PgType::Timestamp.arrow())?;
    let of_day = |us: i64| (!is_infinite(us)).then(|| us.rem_euclid(US_PER_DAY));
    let times = stamps.as_primitive::<TimestampMicrosecondType>().iter().map(|us| us.and_then(of_day));
    Ok(Arc::new(times.collect::<Time64MicrosecondArray>()))
}

/// Dates and timestamps as each other, in UTC; infinity is that of either.
fn time(array: &ArrayRef, target: &DataType) -> Result<ArrayRef> {
    let late = || Error::new(code::DATETIME_FIELD_OVERFLOW, "date out of range for timestamp");
    let us = match array.data_type() {
        DataType::Date32 | DataType::Date64 => {
            let days = cast_with_options(array, &DataType::Date32, &STRICT)?;
            let midnight = |day: i32| match day {
                i32::MAX => Ok(i64::MAX),
                i32::MIN => Ok(i64::MIN),
                day => i64::from(day).checked_mul(US_PER_DAY).ok_or_else(late),
            };
            days.as_primitive::<Date32Type>().try_unary::<_, TimestampMicrosecondType, Error>(midnight)?
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => array.as_primitive::<TimestampMicrosecondType>().clone(),
        // DataFusion's own functions may bring other units.
        DataType::Timestamp(_, zone) => {
            let us = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
            cast_with_options(array, &us, &STRICT)?.as_primitive::<TimestampMicrosecondType>().clone()
        }
        other => return Err(Error::internal(format!("{other} is no time"))),
    };
    if *target != DataType::Date32 {
        return Ok(Arc::new(us.with_data_type(target.clone())));
    }
    let day = |us: i64| match us {
        i64::MAX => i32::MAX,
        i64::MIN => i32::MIN,
        // The days of all microseconds that there are fit.
        us => us.div_euclid(US_PER_DAY) as i32,
    };
    Ok(Arc::new(us.unary::<_, Date32Type>(day)))
}

/// A conversion of values of one type to those of another.
type Convert = fn(&ArrayRef, &PgType, &PgType) -> Result<ArrayRef>;

fn cast_items(array: &ArrayRef, source: &PgType, target: &PgType, convert: Convert) -> Result<ArrayRef> {
    let (_, offsets, items, nulls) = array.as_list::<i32>().clone().into_parts();
    let items = convert(&items, source, target)?;
    Ok(Arc::new(ListArray::try_new(Arc::new(Field::new_list_field(target.arrow(), true)), offsets, items, nulls)?))
}

/// Strings in one layout, dictionaries unpacked.
fn normal(array: &ArrayRef) -> Result<ArrayRef> {
    Ok(match array.data_type() {
        DataType::Utf8 => cast_with_options(array, &DataType::Utf8View, &STRICT)?,
        DataType::Dictionary(_, value) => cast_with_options(array, value, &STRICT)?,
        _ => Arc::clone(array),
    })
}

/// Every value as PostgreSQL prints it.
pub fn printed(array: &ArrayRef, source: &PgType) -> Result<StringViewArray> {
    (0..array.len()).map(|row| text_io::print(array.as_ref(), row, source)).collect()
}

/// The values as a column of the type takes them. Errors: 22001 for a text that is too long, and those of [`cast_array`].
pub fn assigned(array: &ArrayRef, source: &PgType, target: &PgType) -> Result<ArrayRef> {
    match (source, target) {
        (_, PgType::Composite(to)) if array.as_struct_opt().is_some() => composites::of_type(array.as_struct(), to, assigned),
        (PgType::Array(s), PgType::Array(t)) if s.is_of_rows() && t.is_of_rows() => cast_items(array, s, t, assigned),
        (_, target) if target.has_length() => read_back(array, source, target),
        (_, target) => cast_array(array, source, target),
    }
}

/// The values as what their texts would be, given for a column of the type. Errors: 22001.
fn read_back(array: &ArrayRef, source: &PgType, target: &PgType) -> Result<ArrayRef> {
    let mut builder = ColumnBuilder::new(target, array.len());
    let array = match source {
        PgType::Bpchar(_) if !matches!(target, PgType::Bpchar(_)) => trimmed(&normal(array)?),
        _ => normal(array)?,
    };
    for text in &printed(&array, source)? {
        match text {
            Some(text) => builder.append_text(text)?,
            None => builder.append_null(),
        }
    }
    Ok(builder.finish())
}

fn through_text(array: &ArrayRef, source: &PgType, target: &PgType) -> Result<ArrayRef> {
    let printed = printed(array, source)?;
    if matches!(target, PgType::Json | PgType::Jsonb) {
        let parse = |text: Option<&str>| text.map(|t| text_io::json(target, t)).transpose();
        return Ok(Arc::new(printed.iter().map(parse).collect::<Result<LargeStringArray>>()?));
    }
    let parse = |text: Option<&str>| match text {
        Some(text) => text_io::parse(target, text),
        None => Ok(ScalarValue::try_from(&target.arrow())?),
    };
    let values = printed.iter().map(parse).collect::<Result<Vec<_>>>()?;
    if values.is_empty() {
        return Ok(arrow::array::new_empty_array(&target.arrow()));
    }
    Ok(cast_with_options(&ScalarValue::iter_to_array(values)?, &target.arrow(), &STRICT)?)
}

/// char(n) without blanks at its end, which former versions held.
fn trimmed(array: &ArrayRef) -> ArrayRef {
    Arc::new(array.as_string_view().iter().map(|t| t.map(|t| t.trim_end_matches(' '))).collect::<StringViewArray>())
}

/// An explicit cast to varchar(n) or char(n) cuts to n characters; char(n) is held without the blanks that fill it when it is shown.
fn texts(array: &ArrayRef, target: &PgType) -> ArrayRef {
    let views = array.as_string_view();
    let cut = |n: u32, text: &str| text.chars().take(n as usize).collect::<String>();
    Arc::new(match target {
        PgType::Varchar(Some(n)) => views.iter().map(|t| t.map(|t| cut(*n, t))).collect::<StringViewArray>(),
        PgType::Bpchar(n) if *n > 0 => views.iter().map(|t| t.map(|t| cut(*n, t).trim_end_matches(' ').to_string())).collect(),
        PgType::Bpchar(_) => return trimmed(array),
        PgType::Name => views
            .iter()
            .map(|t| t.map(|t| t.get(..(0..=t.len().min(63)).rev().find(|n| t.is_char_boundary(*n)).unwrap_or(0)).unwrap_or(t)))
            .collect(),
        PgType::Text => return Arc::clone(array),
        _ => views.clone(),
    })
}

fn round_float(array: &ArrayRef, target: &DataType) -> Result<ArrayRef> {
    let floats: Float64Array = match array.data_type() {
        DataType::Float32 => array.as_primitive::<Float32Type>().unary(f64::from),
        _ => array.as_primitive::<Float64Type>().clone(),
    };
    let (low, high) = match target {
        DataType::Int16 => (f64::from(i16::MIN), f64::from(i16::MAX) + 1.0),
        DataType::Int32 => (f64::from(i32::MIN), f64::from(i32::MAX) + 1.0),
        _ => (-(2f64.powi(63)), 2f64.powi(63)),
    };
    let whole = |v: f64| {
        let rounded = v.round_ties_even();
        if rounded >= low && rounded < high { Ok(rounded as i64) } else { Err(out_of_range(target)) }
    };
    let values = floats.iter().map(|v| v.map(whole).transpose()).collect::<Result<Int64Array>>()?;
    Ok(cast_with_options(&values, target, &STRICT)?)
}

fn round_decimal(array: &ArrayRef, target: &DataType) -> Result<ArrayRef> {
    let (values, scale) = mantissas(array.as_ref())?;
    let unit = pow10(scale.max(0) as u32);
    let whole = |v| div_round(v, unit).to_i128().ok_or_else(|| out_of_range(target));
    let whole = values.iter().map(|v| v.map(whole).transpose()).collect::<Result<Vec<_>>>()?;
    let missing = |_| out_of_range(target);
    Ok(match target {
        DataType::Int16 => {
            let narrow = |v: Option<i128>| v.map(i16::try_from).transpose().map_err(missing);
            Arc::new(whole.into_iter().map(narrow).collect::<Result<Int16Array>>()?)
        }
        DataType::Int32 => {
            let narrow = |v: Option<i128>| v.map(i32::try_from).transpose().map_err(missing);
            Arc::new(whole.into_iter().map(narrow).collect::<Result<Int32Array>>()?)
        }
        _ => {
            let narrow = |v: Option<i128>| v.map(i64::try_from).transpose().map_err(missing);
            Arc::new(whole.into_iter().map(narrow).collect::<Result<Int64Array>>()?)
        }
    })
}

fn narrow_float(array: &ArrayRef) -> Result<ArrayRef> {
    let narrow = |v: f64| {
        let narrowed = v as f32;
        match (narrowed.is_infinite() && v.is_finite(), narrowed == 0.0 && v != 0.0) {
            (true, _) => Err(Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow")),
            (_, true) => Err(Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: underflow")),
            _ => Ok(narrowed),
        }
    };
    let values = array.as_primitive::<Float64Type>().iter().map(|v| v.map(narrow).transpose());
    Ok(Arc::new(values.collect::<Result<Float32Array>>()?))
}

/// The float nearest to a decimal. Mantissas of up to 53 bits with a power of ten that is exact take one division; others are
/// rounded by way of their digits.
fn decimal_to_float(array: &ArrayRef, target: &PgType) -> Result<ArrayRef> {
    let (values, scale) = mantissas(array.as_ref())?;
    let unit = 10f64.powi(i32::from(scale));
    let exact = scale <= 22;
    let float = |v: arrow::datatypes::i256| match v.to_i128() {
        Some(small) if exact && small.unsigned_abs() <= 1 << 53 => small as f64 / unit,
        _ => format!("{v}e-{scale}").parse().unwrap_or(f64::NAN),
    };
    let floats: Float64Array = values.iter().map(|v| v.map(float)).collect();
    if *target == PgType::Float4 {
        return narrow_float(&(Arc::new(floats) as ArrayRef));
    }
    Ok(Arc::new(floats))
}

fn time_interval(array: &ArrayRef, target: &PgType) -> Result<ArrayRef> {
    use arrow::array::{IntervalMonthDayNanoArray, Time64MicrosecondArray};
    use arrow::datatypes::{IntervalMonthDayNano, IntervalMonthDayNanoType, Time64MicrosecondType};
    if *target == PgType::Interval {
        let interval = |us: i64| IntervalMonthDayNano::new(0, 0, us * 1_000);
        let values: IntervalMonthDayNanoArray = array.as_primitive::<Time64MicrosecondType>().unary(interval);
        return Ok(Arc::new(values));
    }
    let day = super::arith::time::DAY_US;
    let values: Time64MicrosecondArray =
        array.as_primitive::<IntervalMonthDayNanoType>().unary(|v: IntervalMonthDayNano| (v.nanoseconds / 1_000).rem_euclid(day));
    Ok(Arc::new(values))
}

/// jsonb number or boolean to a number or boolean.
fn unwrap_json(array: &ArrayRef, target: &PgType) -> Result<ArrayRef> {
    let wanted = if *target == PgType::Bool { "boolean" } else { "numeric" };
    for text in array.as_string::<i64>().iter().flatten() {
        let found = match text.trim_start().as_bytes().first() {
            Some(b't' | b'f') => "boolean",
            Some(b'-' | b'0'..=b'9') => "numeric",
            Some(b'"') => "string",
            Some(b'[') => "array",
            Some(b'{') => "object",
            _ => "null",
        };
        if found != wanted {
            let message = format!("cannot cast jsonb {found} to type {}", target.base());
            return Err(Error::new(code::INVALID_PARAMETER_VALUE, message));
        }
    }
    let text: ArrayRef = Arc::new(array.as_string::<i64>().iter().collect::<StringViewArray>());
    if *target == PgType::Bool {
        return through_text(&text, &PgType::Text, target);
    }
    let numbers = through_text(&text, &PgType::Text, &PgType::Numeric(None))?;
    if target.is_numeric() {
        Ok(cast_with_options(&numbers, &target.arrow(), &STRICT)?)
    } else {
        cast_array(&numbers, &PgType::Numeric(None), target)
    }
}
