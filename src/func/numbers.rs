//! Numbers that are compared, or of which one is the result: they take part as they are written, in a type that holds all of them (manual,
//! chapter 10).

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType};
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::{Expr, ExprSchemable};

use super::arith::rules::common_numeric;
use super::cast;
use crate::data::numeric::short_decimal;

/// A literal of no type beside a number with decimals is a number with as many decimals as it is written with.
pub fn read_as_numbers(mut operands: Vec<Expr>, schema: &DFSchema) -> Vec<Expr> {
    let is_text = |e: &Expr| matches!(e, Expr::Literal(value, None) if value.data_type().is_string());
    if operands.iter().any(is_text) && operands.iter().any(|e| e.get_type(schema).is_ok_and(|ty| ty.is_decimal())) {
        for operand in &mut operands {
            if let Some(number) = as_number(operand) {
                *operand = number;
            }
        }
    }
    operands
}

/// The number that a literal of text is, if it is written with digits and a point alone.
pub fn as_number(literal: &Expr) -> Option<Expr> {
    let Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), None) = literal else { return None };
    let text = text.trim();
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let (digits, scale) = (u8::try_from(whole.len() + decimals.len()).ok()?, i8::try_from(decimals.len()).ok()?);
    let precision = digits.clamp(1, DECIMAL128_MAX_PRECISION);
    let value = short_decimal(text, precision, scale)?;
    Some(Expr::Literal(ScalarValue::Decimal128(Some(value), precision, scale), None))
}

/// Casts operands of differing numeric types, one of them a decimal or a float, to the type that PostgreSQL finds for all of them.
pub fn numbers_alike(operands: Vec<Expr>, schema: &DFSchema) -> DfResult<Vec<Expr>> {
    let types = operands.iter().map(|e| e.get_type(schema)).collect::<DfResult<Vec<_>>>();
    let Ok(types) = types else { return Ok(operands) };
    let numbers: Vec<&DataType> = types.iter().filter(|t| t.is_numeric()).collect();
    let plain = numbers.iter().all(|t| t.is_integer()) || numbers.windows(2).all(|w| w[0] == w[1]);
    if numbers.is_empty() || plain || types.iter().any(|t| !t.is_numeric() && !t.is_null()) {
        return Ok(operands);
    }
    let mut common = numbers[0].clone();
    for ty in &numbers[1..] {
        let Some(next) = common_numeric(&common, ty) else { return Ok(operands) };
        common = next;
    }
    let to = |(e, t): (Expr, &DataType)| {
        if *t == common || t.is_null() { Ok(e) } else { cast::implicit(e, t, &common) }
    };
    operands.into_iter().zip(&types).map(to).collect()
}
