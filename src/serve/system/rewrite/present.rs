//! The present in its spellings, and the precision of a time: `localtimestamp`, `current_timestamp(0)`, `x::timestamp(3)`,
//! `x::interval hour`.

use sqlparser::ast::{CastKind, DataType, Expr, IntervalFields, TimezoneInfo, TypedString, Value};

use super::super::SystemContext;
use super::build::{arguments, call, last_name, literal, take, text};
use crate::error::Result;

/// All of them are now(), cast to their type; where there is no session, as for a view, that is when a statement came too.
pub fn present(expr: &mut Expr, context: &SystemContext) -> Result<()> {
    let name = match expr {
        Expr::Identifier(name) if name.quote_style.is_none() => name.value.to_ascii_lowercase(),
        Expr::Function(f) => last_name(&f.name),
        _ => return Ok(()),
    };
    let data_type = match (name.as_str(), &*expr) {
        ("localtimestamp", _) => Some(DataType::Timestamp(None, TimezoneInfo::None)),
        ("localtime", _) => Some(DataType::Time(None, TimezoneInfo::None)),
        ("statement_timestamp", Expr::Function(_)) if context.session.is_some() => return Ok(()),
        ("current_timestamp" | "transaction_timestamp" | "statement_timestamp", Expr::Function(_)) => None,
        _ => return Ok(()),
    };
    let decimals = if let Expr::Function(f) = expr { arguments(f).pop().map(take) } else { None };
    let now = call("now", vec![]);
    let now = match data_type {
        Some(data_type) => Expr::Cast { kind: CastKind::Cast, expr: Box::new(now), data_type, array: false, format: None },
        None => now,
    };
    *expr = match decimals {
        Some(decimals) => call("time_precision", vec![now, decimals]),
        None => now,
    };
    Ok(())
}

/// A cast to a type of so many decimals of a second rounds; one to an interval of some fields cuts off what is smaller.
pub fn precision(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let data_type = match expr {
        Expr::Cast { data_type, .. } | Expr::TypedString(TypedString { data_type, .. }) => data_type,
        _ => return Ok(()),
    };
    let (smallest, decimals) = match data_type {
        DataType::Timestamp(decimals, _) | DataType::Time(decimals, _) => (None, decimals.take()),
        DataType::Interval { fields, precision } => (fields.take().and_then(smallest), precision.take()),
        _ => (None, None),
    };
    if let Some(field) = smallest {
        *expr = call("date_trunc", vec![text(field), take(expr)]);
    }
    if let Some(decimals) = decimals.filter(|d| *d < 6) {
        *expr = call("time_precision", vec![take(expr), literal(Value::Number(decimals.to_string(), false))]);
    }
    Ok(())
}

/// The smallest of an interval's fields; `None` for the second, of which only decimals are cut off.
fn smallest(fields: IntervalFields) -> Option<&'static str> {
    use IntervalFields::*;
    match fields {
        Year => Some("year"),
        Month | YearToMonth => Some("month"),
        Day => Some("day"),
        Hour | DayToHour => Some("hour"),
        Minute | DayToMinute | HourToMinute => Some("minute"),
        Second | DayToSecond | HourToSecond | MinuteToSecond => None,
    }
}
