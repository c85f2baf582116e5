//! Numbers that numeric cannot hold here, and numbers where a condition belongs.

use sqlparser::ast::{CastKind, DataType, ExactNumberInfo, Expr, UnaryOperator, Value};

use super::super::SystemContext;
use super::build::{bare, text};
use crate::error::{Error, Result, code};

/// Decimal digits of the widest numeric.
const DIGITS_MAX: i64 = 76;

/// `1e200` is a float8, as numeric does not reach so far; in PostgreSQL it is a numeric.
pub fn beyond_numeric(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::Value(value) = &*expr else { return Ok(()) };
    let Value::Number(digits, _) = &value.value else { return Ok(()) };
    let digits = digits.to_string();
    if places(&digits).is_some_and(|places| places > DIGITS_MAX) {
        *expr = Expr::Cast {
            kind: CastKind::DoubleColon,
            expr: Box::new(text(&digits)),
            data_type: DataType::Double(ExactNumberInfo::None),
            array: false,
            format: None,
        };
    }
    Ok(())
}

/// Errors: 42804 for NOT of a number. DataFusion's error about it knows nothing of integer.
pub fn negated(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::UnaryOp { op: UnaryOperator::Not, expr: operand } = &*expr else { return Ok(()) };
    let Expr::Value(value) = bare(operand) else { return Ok(()) };
    let Value::Number(digits, _) = &value.value else { return Ok(()) };
    let digits = digits.to_string();
    let ty = match (digits.parse::<i32>(), digits.parse::<i64>()) {
        (Ok(_), _) => "integer",
        (_, Ok(_)) => "bigint",
        _ => "numeric",
    };
    let message = format!("argument of NOT must be type boolean, not type {ty}");
    Err(Error::new(code::DATATYPE_MISMATCH, message).beside(Some(digits), None))
}

/// How many places before and behind the point a number with an exponent takes; `None` without one.
fn places(digits: &str) -> Option<i64> {
    let (mantissa, exponent) = digits.split_once(['e', 'E'])?;
    let exponent: i64 = exponent.parse().ok()?;
    let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let whole = whole.trim_start_matches('0').len() as i64;
    let decimals = decimals.trim_end_matches('0').len() as i64;
    Some(whole.saturating_add(exponent).max(0).saturating_add(decimals.saturating_sub(exponent).max(0)))
}
