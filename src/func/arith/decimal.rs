//! Arithmetic on numeric: exact, in i128 where the types say that it fits, else in i256.
//!
//! A product or quotient whose digits after the point exceed the result's scale is rounded half away from zero, like every
//! rounding of PostgreSQL's numeric.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal256Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, i256};
use bigdecimal::num_bigint::{BigInt, Sign};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ColumnarValue;

use super::Op;
use super::kernel::map2;
use super::rules::WIDE_PRECISION;
use crate::error::{Error, Result, code};

/// 22003 as PostgreSQL says it of numeric.
pub fn overflow() -> Error {
    Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow")
        .detail("Everfold's numeric has at most 76 digits, of which at most 38 after the decimal point.")
}

fn by_zero() -> Error {
    Error::new(code::DIVISION_BY_ZERO, "division by zero")
}

/// A mantissa as a whole number of any length.
pub fn long(value: i256) -> BigInt {
    BigInt::from_signed_bytes_le(&value.to_le_bytes())
}

/// 10^n as a whole number of any length.
pub fn ten_to(n: u32) -> BigInt {
    BigInt::from(10).pow(n)
}

/// The mantissa that a whole number is. Errors: 22003 for more digits than a numeric has.
pub fn mantissa(value: &BigInt) -> Result<i256> {
    let bytes = value.to_signed_bytes_le();
    if bytes.len() > 32 {
        return Err(overflow());
    }
    let mut all = [if value.sign() == Sign::Minus { 0xff } else { 0 }; 32];
    all[..bytes.len()].copy_from_slice(&bytes);
    let mantissa = i256::from_le_bytes(all);
    let limit = pow10(u32::from(WIDE_PRECISION));
    if mantissa < limit && mantissa > limit.wrapping_neg() { Ok(mantissa) } else { Err(overflow()) }
}

/// 10^n as an i256, n in 0..=76.
pub fn pow10(n: u32) -> i256 {
    i256::from_i128(10).wrapping_pow(n)
}

/// 10^n as an i128, n in 0..=38.
pub fn pow10_128(n: u32) -> i128 {
    10i128.pow(n)
}

/// numerator / denominator rounded half away from zero. The denominator is not zero.
pub fn div_round(numerator: i256, denominator: i256) -> i256 {
    let quotient = numerator.wrapping_div(denominator);
    let rest = numerator.wrapping_rem(denominator);
    let away = twice_reaches(rest, denominator);
    if !away {
        return quotient;
    }
    if numerator.is_negative() == denominator.is_negative() { quotient.wrapping_add(i256::ONE) } else { quotient.wrapping_sub(i256::ONE) }
}

/// |2 * rest| >= |denominator|, without overflow.
fn twice_reaches(rest: i256, denominator: i256) -> bool {
    let (rest, denominator) = (rest.wrapping_abs(), denominator.wrapping_abs());
    rest >= denominator.wrapping_sub(rest)
}

/// The same in i128.
pub fn div_round_128(numerator: i128, denominator: i128) -> i128 {
    let (quotient, rest) = (numerator / denominator, numerator % denominator);
    if rest.unsigned_abs() < denominator.unsigned_abs() - rest.unsigned_abs() {
        return quotient;
    }
    if (numerator < 0) == (denominator < 0) { quotient + 1 } else { quotient - 1 }
}

/// The value of `mantissa` at scale `from` brought to scale `to`, rounded half away from zero. Errors: 22003.
pub fn rescale(mantissa: i256, from: i8, to: i8) -> Result<i256> {
    if to >= from {
        return mantissa.checked_mul(pow10((to - from) as u32)).ok_or_else(overflow);
    }
    Ok(div_round(mantissa, pow10((from - to) as u32)))
}

/// Drops decimal zeros at the end of `mantissa`, at most `scale` of them: fewer digits to carry through a product.
fn strip(mut mantissa: i256, mut scale: i32) -> (i256, i32) {
    for step in [16u32, 8, 4, 2, 1] {
        let power = pow10(step);
        while scale >= step as i32 && mantissa.wrapping_rem(power) == i256::ZERO {
            mantissa = mantissa.wrapping_div(power);
            scale -= step as i32;
        }
    }
    (mantissa, scale)
}

/// a (scale sa) * b (scale sb) at scale `out`. Errors: 22003.
pub fn multiply(a: i256, sa: i8, b: i256, sb: i8, out: i8) -> Result<i256> {
    if let Some(product) = a.checked_mul(b) {
        return rescale_wide(product, i32::from(sa) + i32::from(sb), i32::from(out));
    }
    let ((a, sa), (b, sb)) = (strip(a, i32::from(sa)), strip(b, i32::from(sb)));
    let product = a.checked_mul(b).ok_or_else(overflow)?;
    rescale_wide(product, sa + sb, i32::from(out))
}

fn rescale_wide(mantissa: i256, from: i32, to: i32) -> Result<i256> {
    if to >= from {
        let power = u32::try_from(to - from).map_err(|_| overflow())?;
        return mantissa.checked_mul(pow10(power)).ok_or_else(overflow);
    }
    let drop = u32::try_from(from - to).map_err(|_| overflow())?;
    Ok(if drop > u32::from(WIDE_PRECISION) { i256::ZERO } else { div_round(mantissa, pow10(drop)) })
}

/// a (scale sa) / b (scale sb) at scale `out`, rounded half away from zero. Errors: 22012, 22003.
pub fn divide(a: i256, sa: i8, b: i256, sb: i8, out: i8) -> Result<i256> {
    if b == i256::ZERO {
        return Err(by_zero());
    }
    let shift = i32::from(out) + i32::from(sb) - i32::from(sa);
    if shift >= 0 {
        if let (Some(a), Some(b)) = (a.to_i128(), b.to_i128())
            && shift <= 38
            && let Some(numerator) = a.checked_mul(pow10_128(shift as u32))
            && b != -1
        {
            return Ok(i256::from_i128(div_round_128(numerator, b)));
        }
        if shift <= 76
            && let Some(numerator) = a.checked_mul(pow10(shift as u32))
        {
            return Ok(div_round(numerator, b));
        }
    }
    let ((a, sa), (b, sb)) = (strip(a, i32::from(sa)), strip(b, i32::from(sb)));
    long_division(a, b, i32::from(out) + sb - sa)
}

/// a * 10^shift / b by long division, so that the numerator need not fit.
fn long_division(a: i256, b: i256, shift: i32) -> Result<i256> {
    if shift < 0 {
        let divisor = b.checked_mul(pow10(shift.unsigned_abs().min(76)));
        return Ok(divisor.map_or(i256::ZERO, |d| div_round(a, d)));
    }
    let (mut quotient, mut rest) = (a.wrapping_div(b), a.wrapping_rem(b));
    let mut left = shift as u32;
    while left > 0 {
        let mut step = left.min(18);
        let grown = loop {
            if let Some(grown) = rest.checked_mul(pow10(step)) {
                break grown;
            }
            if step == 1 {
                return Err(overflow());
            }
            step -= 1;
        };
        let digits = grown.wrapping_div(b);
        quotient = quotient.checked_mul(pow10(step)).and_then(|q| q.checked_add(digits)).ok_or_else(overflow)?;
        rest = grown.wrapping_rem(b);
        left -= step;
    }
    if !twice_reaches(rest, b) {
        return Ok(quotient);
    }
    Ok(if a.is_negative() == b.is_negative() { quotient.wrapping_add(i256::ONE) } else { quotient.wrapping_sub(i256::ONE) })
}

fn scale_of(ty: &DataType) -> i8 {
    if let DataType::Decimal128(_, s) | DataType::Decimal256(_, s) = ty { *s } else { 0 }
}

fn is_wide(ty: &DataType) -> bool {
    matches!(ty, DataType::Decimal256(..))
}

/// The operand as Decimal256 of its own scale.
fn widen(value: &ColumnarValue) -> Result<ColumnarValue> {
    let ty = value.data_type();
    if is_wide(&ty) {
        return Ok(value.clone());
    }
    let wide = DataType::Decimal256(WIDE_PRECISION, scale_of(&ty));
    Ok(match value {
        ColumnarValue::Array(array) => ColumnarValue::Array(cast(array, &wide)?),
        ColumnarValue::Scalar(scalar) => ColumnarValue::Scalar(ScalarValue::try_from_array(&cast(&scalar.to_array()?, &wide)?, 0)?),
    })
}

/// `left op right` on decimals of any width, the result of type `output`. Errors: 22003, 22012.
pub fn compute(op: Op, left: &ColumnarValue, right: &ColumnarValue, output: &DataType) -> Result<ArrayRef> {
    let (s1, s2, s) = (scale_of(&left.data_type()), scale_of(&right.data_type()), scale_of(output));
    if !is_wide(output) && !is_wide(&left.data_type()) && !is_wide(&right.data_type()) {
        return narrow(op, left, right, (s1, s2, s), output);
    }
    let (left, right) = (widen(left)?, widen(right)?);
    let map = |f: &dyn Fn(i256, i256) -> Result<i256>| -> Result<Decimal256Array> {
        map2::<Decimal256Type, Decimal256Type, Decimal256Type>(&left, &right, &DataType::Decimal256(WIDE_PRECISION, s), f)
    };
    let result = match op {
        Op::Add => map(&|a, b| rescale(a, s1, s)?.checked_add(rescale(b, s2, s)?).ok_or_else(overflow))?,
        Op::Sub => map(&|a, b| rescale(a, s1, s)?.checked_sub(rescale(b, s2, s)?).ok_or_else(overflow))?,
        Op::Mul => map(&|a, b| multiply(a, s1, b, s2, s))?,
        Op::Div => map(&|a, b| divide(a, s1, b, s2, s))?,
        Op::Rem => map(&|a, b| if b == i256::ZERO { Err(by_zero()) } else { Ok(rescale(a, s1, s)?.wrapping_rem(rescale(b, s2, s)?)) })?,
    };
    result.validate_decimal_precision(WIDE_PRECISION).map_err(|_| overflow())?;
    let result: ArrayRef = Arc::new(result);
    if is_wide(output) { Ok(result) } else { Ok(cast(&result, output)?) }
}

/// Operands and result in i128: the rules chose Decimal128 because the digits fit, so that only a literal out of its own type
/// could overflow here.
fn narrow(op: Op, left: &ColumnarValue, right: &ColumnarValue, (s1, s2, s): (i8, i8, i8), output: &DataType) -> Result<ArrayRef> {
    let up = |from: i8| pow10_128((s - from).max(0) as u32);
    let (up1, up2) = (up(s1), up(s2));
    let map = |f: &dyn Fn(i128, i128) -> Option<i128>| -> Result<ArrayRef> {
        Ok(Arc::new(map2::<Decimal128Type, Decimal128Type, Decimal128Type>(left, right, output, |a, b| f(a, b).ok_or_else(overflow))?))
    };
    match op {
        Op::Add if up1 == 1 && up2 == 1 => map(&|a, b| a.checked_add(b)),
        Op::Add => map(&|a, b| a.checked_mul(up1)?.checked_add(b.checked_mul(up2)?)),
        Op::Sub => map(&|a, b| a.checked_mul(up1)?.checked_sub(b.checked_mul(up2)?)),
        Op::Mul if s1 + s2 == s => multiply_narrow(left, right, output),
        Op::Mul => map(&|a, b| Some(div_round_128(a.checked_mul(b)?, pow10_128((s1 + s2 - s) as u32)))),
        Op::Rem => {
            let result = map2::<Decimal128Type, Decimal128Type, Decimal128Type>(left, right, output, |a, b| {
                let (a, b) = (a.checked_mul(up1).ok_or_else(overflow)?, b.checked_mul(up2).ok_or_else(overflow)?);
                a.checked_rem(b).ok_or_else(by_zero)
            })?;
            Ok(Arc::new(result))
        }
        Op::Div => Err(Error::internal("a quotient is always wide")),
    }
}

/// The hot one, `0.908 * price`: a closure known to the compiler, no rescaling.
fn multiply_narrow(left: &ColumnarValue, right: &ColumnarValue, output: &DataType) -> Result<ArrayRef> {
    let product =
        map2::<Decimal128Type, Decimal128Type, Decimal128Type>(left, right, output, |a, b| a.checked_mul(b).ok_or_else(overflow))?;
    Ok(Arc::new(product))
}

/// The mantissas of a decimal array as i256, and its scale; integers have scale 0. Errors: XX000 for other types.
pub fn mantissas(array: &dyn Array) -> Result<(Decimal256Array, i8)> {
    let scale = scale_of(array.data_type());
    let wide = cast(array, &DataType::Decimal256(WIDE_PRECISION, scale))?;
    Ok((wide.as_primitive::<Decimal256Type>().clone(), scale))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_quotient_of_columns_needs_no_wide_numerator() {
        let five = i256::from_i128(5).wrapping_mul(pow10(38));
        let three = i256::from_i128(3).wrapping_mul(pow10(38));
        let expected = i256::from_string(&format!("1{}7", "6".repeat(36))).unwrap();
        assert_eq!(divide(five, 38, three, 38, 37).unwrap(), expected);
        assert_eq!(divide(five, 38, i256::ZERO, 38, 37).unwrap_err().code(), code::DIVISION_BY_ZERO);
    }

    proptest! {
        #[test]
        fn long_division_equals_plain(a in any::<i64>(), b in any::<i64>().prop_filter("zero", |b| *b != 0), shift in 0i32..30) {
            let (a, b) = (i256::from_i128(a.into()), i256::from_i128(b.into()));
            let plain = div_round(a.checked_mul(pow10(shift as u32)).unwrap(), b);
            prop_assert_eq!(long_division(a, b, shift).unwrap(), plain);
        }

        #[test]
        fn rounding_is_half_away_from_zero(a in any::<i32>(), b in 1i32..1000) {
            let exact = f64::from(a) / f64::from(b);
            prop_assert_eq!(div_round_128(a.into(), b.into()) as f64, exact.round());
            prop_assert_eq!(div_round(i256::from_i128(a.into()), i256::from_i128(b.into())).to_i128(), Some(exact.round() as i128));
        }
    }
}
