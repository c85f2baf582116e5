//! Text of values, and values of text, as a session that has set DateStyle, IntervalStyle, TimeZone, bytea_output or extra_float_digits
//! has them.
//!
//! The rest of the server makes text in the usual forms. Where a session's differ, [`super::zone::InZone`] puts these functions around
//! the casts and calls that make text or read it. Their first argument is what the session has set, as [`spelled`] writes it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, StringViewBuilder, StructArray};
use arrow::datatypes::{DataType, FieldRef, TimeUnit};
use datafusion::logical_expr::ScalarUDF;

use super::arith::rules::{TIMESTAMP, timestamptz};
use super::scalar::define::{Function, text};
use crate::data::datetime::style::DateForm;
use crate::data::datetime::{DateOrder, DateStyle, IntervalStyle, Reading, Zone};
use crate::data::decode::ColumnBuilder;
use crate::data::encode::{Column, Style};
use crate::data::{EnumType, PgType};
use crate::error::{Error, Result};

const TEXT: DataType = DataType::Utf8View;

/// What becomes of the text of a value of a type.
type Form = fn(&str, &DataType) -> String;

/// What a session has set, as the functions here are told it.
pub fn spelled(style: &Style, zone: &str) -> String {
    let bytea = if style.bytea_escape { "escape" } else { "hex" };
    format!("{zone}|{}|{}|{bytea}|{}", style.dates, style.interval.name(), style.extra_float_digits)
}

/// The style that [`spelled`] has written.
fn style_of(args: &[ArrayRef]) -> Result<Style> {
    let settings = text(args, 0);
    if settings.is_empty() {
        return Ok(Style::default());
    }
    let parts: Vec<&str> = settings.value(0).split('|').collect();
    let [zone, dates, interval, bytea, digits] = parts.as_slice() else { return Err(Error::internal("a style has five parts")) };
    Ok(Style {
        timezone: Zone::parse(zone)?,
        dates: DateStyle::of(dates),
        interval: IntervalStyle::of(interval),
        bytea_escape: *bytea == "escape",
        extra_float_digits: digits.parse().unwrap_or(1),
        ..Style::default()
    })
}

/// True if values of the type, or values in them, have another text in that style than usual.
pub fn shows(ty: &DataType, style: &Style) -> bool {
    match ty {
        DataType::List(item) | DataType::LargeList(item) => shows(item.data_type(), style),
        DataType::Struct(fields) => fields.iter().any(|field| shows(field.data_type(), style)),
        DataType::Date32 | DataType::Timestamp(_, None) => style.dates.form != DateForm::Iso,
        DataType::Timestamp(_, Some(_)) if EnumType::of_arrow(ty).is_some() => false,
        DataType::Timestamp(_, Some(_)) => style.dates.form != DateForm::Iso || !style.timezone.is_utc(),
        DataType::Float32 | DataType::Float64 => style.extra_float_digits < 1,
        _ => shows_in_json(ty, style),
    }
}

/// True if values of the type, or values in them, are another string in JSON in that style: it has ISO's dates whatever DateStyle is.
pub fn shows_in_json(ty: &DataType, style: &Style) -> bool {
    match ty {
        DataType::List(item) | DataType::LargeList(item) => shows_in_json(item.data_type(), style),
        DataType::Struct(fields) => fields.iter().any(|field| shows_in_json(field.data_type(), style)),
        DataType::Timestamp(_, Some(_)) => EnumType::of_arrow(ty).is_none() && !style.timezone.is_utc(),
        DataType::Interval(_) => style.interval != IntervalStyle::Postgres,
        DataType::Binary => style.bytea_escape,
        _ => false,
    }
}

/// True if text is another value of the type to a session with that style than usual.
pub fn reads(ty: &DataType, style: &Style) -> bool {
    match ty {
        DataType::List(item) => reads(item.data_type(), style),
        DataType::Date32 | DataType::Timestamp(_, None) => style.dates.order != DateOrder::Mdy,
        DataType::Timestamp(_, Some(_)) if EnumType::of_arrow(ty).is_some() => false,
        DataType::Timestamp(_, Some(_)) => style.dates.order != DateOrder::Mdy || !style.timezone.is_utc(),
        DataType::Interval(_) => style.interval == IntervalStyle::SqlStandard,
        _ => false,
    }
}

/// `styled_text(style, value)`: the text of a value; of arrays and rows the same with texts in them.
pub fn text_function() -> Arc<ScalarUDF> {
    let rule = |types: &[DataType]| rule(types, &is_styled);
    Function::udf("styled_text", rule, |args, _| shown(&args[1], &is_styled, &style_of(args)?, |text, _| text.to_string()))
}

/// `styled_json(style, value)`: the same with the texts that JSON has in strings.
pub fn json_function() -> Arc<ScalarUDF> {
    let rule = |types: &[DataType]| rule(types, &is_styled_in_json);
    Function::udf("styled_json", rule, |args, _| {
        let style = Style { dates: DateStyle::default(), ..style_of(args)? };
        shown(
            &args[1],
            &is_styled_in_json,
            &style,
            |text, ty| if matches!(ty, DataType::Timestamp(..)) { iso(text) } else { text.to_string() },
        )
    })
}

/// `styled_read(style, text, NULL of a type)`: the value of that type which a text is.
pub fn read_function() -> Arc<ScalarUDF> {
    let rule = |types: &[DataType]| match types {
        [_, _, ty] => Some((vec![TEXT, TEXT, ty.clone()], ty.clone())),
        _ => None,
    };
    Function::udf("styled_read", rule, read)
}

/// Whether the text of values of a type may differ from session to session.
fn is_styled(ty: &DataType) -> bool {
    matches!(ty, DataType::Date32 | DataType::Float32 | DataType::Float64 | DataType::Timestamp(_, None)) || is_styled_in_json(ty)
}

fn is_styled_in_json(ty: &DataType) -> bool {
    let is_instant = matches!(ty, DataType::Timestamp(_, Some(_))) && EnumType::of_arrow(ty).is_none();
    is_instant || matches!(ty, DataType::Interval(_) | DataType::Binary)
}

fn rule(types: &[DataType], styled: &dyn Fn(&DataType) -> bool) -> Option<(Vec<DataType>, DataType)> {
    let [_, ty] = types else { return None };
    // DataFusion counts what now() gives in nanoseconds.
    let taken = match ty {
        DataType::Timestamp(unit, None) if *unit != TimeUnit::Microsecond => TIMESTAMP,
        DataType::Timestamp(_, Some(_)) if styled(ty) => timestamptz(),
        other => other.clone(),
    };
    Some((vec![TEXT, taken], shown_type(ty, styled)))
}

/// The type with texts in the place of what is styled.
fn shown_type(ty: &DataType, styled: &dyn Fn(&DataType) -> bool) -> DataType {
    let with_type = |field: &FieldRef| Arc::new(field.as_ref().clone().with_data_type(shown_type(field.data_type(), styled)));
    match ty {
        DataType::List(item) => DataType::List(with_type(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(with_type).collect()),
        ty if styled(ty) => TEXT,
        ty => ty.clone(),
    }
}

/// Values with a text in the place of each that is styled.
fn shown(values: &ArrayRef, styled: &dyn Fn(&DataType) -> bool, style: &Style, form: Form) -> Result<ArrayRef> {
    match (values.data_type(), shown_type(values.data_type(), styled)) {
        (_, DataType::List(item)) => {
            let list = values.as_list::<i32>();
            let items = shown(list.values(), styled, style, form)?;
            Ok(Arc::new(ListArray::try_new(item, list.offsets().clone(), items, list.nulls().cloned())?))
        }
        (_, DataType::Struct(fields)) => {
            let record = values.as_struct();
            let columns = record.columns().iter().map(|column| shown(column, styled, style, form)).collect::<Result<Vec<_>>>()?;
            Ok(Arc::new(StructArray::try_new(fields, columns, record.nulls().cloned())?))
        }
        (ty, _) if styled(ty) => texts(values, style, form),
        _ => Ok(values.clone()),
    }
}

fn texts(values: &ArrayRef, style: &Style, form: Form) -> Result<ArrayRef> {
    let column = Column::new(values, &PgType::of_arrow(values.data_type()))?;
    let mut texts = StringViewBuilder::with_capacity(values.len());
    let mut line = Vec::new();
    for row in 0..values.len() {
        line.clear();
        if column.is_null(row) {
            texts.append_null();
            continue;
        }
        column.put_text(row, style, &mut line);
        texts.append_value(form(&String::from_utf8_lossy(&line), values.data_type()));
    }
    Ok(Arc::new(texts.finish()))
}

/// The text of an instant as JSON has it: 2024-07-01T08:00:00-04:00.
fn iso(shown: &str) -> String {
    let (text, era) = shown.strip_suffix(" BC").map_or((shown, ""), |text| (text, " BC"));
    let whole_hours = text.len() > 3 && matches!(text.as_bytes()[text.len() - 3], b'+' | b'-');
    format!("{}{}{era}", text.replacen(' ', "T", 1), if whole_hours { ":00" } else { "" })
}

/// How a session with that style reads text.
pub fn reading(style: &Style) -> Reading {
    Reading { zone: style.timezone, order: style.dates.order, leading_sign: style.interval == IntervalStyle::SqlStandard, now: None }
}

fn read(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    let (style, texts) = (style_of(args)?, text(args, 1));
    let mut builder = ColumnBuilder::new(&PgType::of_arrow(output), texts.len()).reading(reading(&style));
    for text in texts {
        match text {
            Some(text) => builder.append_text(text)?,
            None => builder.append_null(),
        }
    }
    Ok(arrow::compute::cast(&builder.finish(), output)?)
}
