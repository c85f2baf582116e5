//! Arithmetic of jsonb's numbers, which are numeric of any length, in their text: exact, with as many decimals as numeric shows.

use bigdecimal::num_bigint::{BigInt, Sign};

use super::Operator;
use crate::error::{Error, Result, code};

/// The most decimals that a product shows, and a quotient.
const SCALE_MAX: usize = 16_383;
const QUOTIENT_SCALE_MAX: i64 = 1_000;
/// The fewest significant digits of a quotient.
const QUOTIENT_DIGITS: i64 = 16;
/// The most digits before the point.
const WHOLE_DIGITS_MAX: usize = 131_072;

/// A number: its digits, read as one whole number, and how many of them are decimals.
struct Parts {
    unscaled: BigInt,
    scale: usize,
}

fn parts(text: &str) -> Parts {
    let scale = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let digits: String = text.chars().filter(|c| *c != '.').collect();
    Parts { unscaled: BigInt::parse_bytes(digits.as_bytes(), 10).unwrap_or_default(), scale }
}

fn ten_to(power: usize) -> BigInt {
    BigInt::from(10).pow(power as u32)
}

/// Its text. Errors: 22003 for too many digits before the point.
fn printed(number: &Parts) -> Result<String> {
    let digits = number.unscaled.magnitude().to_string();
    let digits = format!("{digits:0>width$}", width = number.scale + 1);
    let (whole, decimals) = digits.split_at(digits.len() - number.scale);
    if whole.len() > WHOLE_DIGITS_MAX {
        return Err(Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format"));
    }
    let sign = if number.unscaled.sign() == Sign::Minus { "-" } else { "" };
    let point = if decimals.is_empty() { "" } else { "." };
    Ok(format!("{sign}{whole}{point}{decimals}"))
}

/// The same number with at least so many decimals, as a whole number of the last of them.
fn widened(number: &Parts, scale: usize) -> BigInt {
    &number.unscaled * ten_to(scale.saturating_sub(number.scale))
}

/// The result of an operator. Errors: 22012 for a division by zero, 22003 for a number of too many digits.
pub(super) fn computed(operator: Operator, left: &str, right: &str) -> Result<String> {
    let (left, right) = (parts(left), parts(right));
    let scale = left.scale.max(right.scale);
    let divides = matches!(operator, Operator::Divide | Operator::Remainder);
    if divides && right.unscaled.sign() == Sign::NoSign {
        return Err(Error::new(code::DIVISION_BY_ZERO, "division by zero"));
    }
    printed(&match operator {
        Operator::Add => Parts { unscaled: widened(&left, scale) + widened(&right, scale), scale },
        Operator::Subtract => Parts { unscaled: widened(&left, scale) - widened(&right, scale), scale },
        Operator::Multiply => rounded(Parts { unscaled: &left.unscaled * &right.unscaled, scale: left.scale + right.scale }, SCALE_MAX),
        Operator::Remainder => Parts { unscaled: widened(&left, scale) % widened(&right, scale), scale },
        Operator::Divide => {
            let scale = quotient_scale(&left, &right);
            let shift = scale + right.scale;
            // One of the two is widened: the other has the decimals already.
            let (dividend, divisor) = match shift.checked_sub(left.scale) {
                Some(more) => (&left.unscaled * ten_to(more), right.unscaled),
                None => (left.unscaled, right.unscaled * ten_to(left.scale - shift)),
            };
            Parts { unscaled: divided(&dividend, &divisor), scale }
        }
    })
}

/// A quotient of whole numbers, rounded half away from zero.
fn divided(dividend: &BigInt, divisor: &BigInt) -> BigInt {
    let (quotient, remainder) = (dividend / divisor, dividend % divisor);
    if remainder.magnitude() * 2u32 < *divisor.magnitude() {
        return quotient;
    }
    if dividend.sign() == divisor.sign() { quotient + 1 } else { quotient - 1 }
}

fn rounded(number: Parts, scale: usize) -> Parts {
    if number.scale <= scale {
        return number;
    }
    Parts { unscaled: divided(&number.unscaled, &ten_to(number.scale - scale)), scale }
}

/// How many decimals a quotient has (select_div_scale in PostgreSQL's numeric.c): so many that it has enough significant digits, counted in
/// groups of four, and no fewer than its operands.
fn quotient_scale(left: &Parts, right: &Parts) -> usize {
    let ((left_weight, left_first), (right_weight, right_first)) = (leading_group(left), leading_group(right));
    let weight = left_weight - right_weight - i64::from(left_first <= right_first);
    let least = left.scale.max(right.scale) as i64;
    (QUOTIENT_DIGITS - 4 * weight).max(least).clamp(0, QUOTIENT_SCALE_MAX) as usize
}

/// Of the groups of four digits, counted from the point, the first that is not zero: which it is, and its value.
fn leading_group(number: &Parts) -> (i64, u32) {
    if number.unscaled.sign() == Sign::NoSign {
        return (0, 0);
    }
    let digits = number.unscaled.magnitude().to_string();
    let whole = digits.len() as i64 - number.scale as i64;
    let weight = (whole - 1).div_euclid(4);
    let length = (whole - 4 * weight) as usize;
    let group = digits.bytes().chain(std::iter::repeat(b'0')).take(length);
    (weight, group.fold(0, |value, digit| value * 10 + u32::from(digit - b'0')))
}

/// True for a number that is zero, however many of them it shows.
fn is_zero(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0' | b'.' | b'-'))
}

pub(super) fn negated(text: &str) -> String {
    match text.strip_prefix('-') {
        Some(positive) => positive.to_string(),
        None if is_zero(text) => text.to_string(),
        None => format!("-{text}"),
    }
}

pub(super) fn absolute(text: &str) -> String {
    text.strip_prefix('-').unwrap_or(text).to_string()
}

/// The largest whole number that is not above it.
pub(super) fn floor(text: &str) -> Result<String> {
    let number = parts(text);
    let one = ten_to(number.scale);
    let (whole, rest) = (&number.unscaled / &one, &number.unscaled % &one);
    let unscaled = if rest.sign() == Sign::Minus { whole - 1 } else { whole };
    printed(&Parts { unscaled, scale: 0 })
}

/// The least whole number that is not below it.
pub(super) fn ceiling(text: &str) -> Result<String> {
    floor(&negated(text)).map(|floor| negated(&floor))
}

/// Its whole part, if that is an integer of SQL's.
pub(super) fn whole(text: &str) -> Option<i32> {
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    // Of -0.5 it is zero.
    whole.parse().ok()
}

/// True for a number that a double precision holds.
pub(super) fn fits_double(text: &str) -> bool {
    text.trim().parse::<f64>().is_ok_and(|value| value.is_finite() && (value != 0.0 || is_zero_mantissa(text)))
}

/// False for what is so near to zero that a double precision is zero.
fn is_zero_mantissa(text: &str) -> bool {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    !mantissa.bytes().any(|b| matches!(b, b'1'..=b'9'))
}

/// The numeric that a double precision becomes: 15 significant digits of it.
pub(super) fn of_double(text: &str) -> Option<String> {
    let value: f64 = text.trim().parse().ok()?;
    let printed = format!("{value:.14e}");
    let (mantissa, exponent) = printed.split_once('e')?;
    let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
    crate::data::numeric::plain_number(&format!("{mantissa}e{exponent}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from PostgreSQL 15.
    #[test]
    fn numbers_are_computed_as_numeric_computes_them() {
        let recorded = [
            (Operator::Add, "1.50", "-2", "-0.50"),
            (Operator::Subtract, "1", "1.00", "0.00"),
            (Operator::Multiply, "1.50", "2.00", "3.0000"),
            (Operator::Divide, "7", "3", "2.3333333333333333"),
            (Operator::Divide, "7.50", "3", "2.5000000000000000"),
            (Operator::Divide, "70000", "3", "23333.333333333333"),
            (Operator::Divide, "0.00007", "3", "0.000023333333333333333333"),
            (Operator::Divide, "0", "3", "0.00000000000000000000"),
            (Operator::Divide, "-2", "3", "-0.66666666666666666667"),
            (Operator::Remainder, "-7.5", "2", "-1.5"),
            (Operator::Remainder, "7", "2.50", "2.00"),
        ];
        for (operator, left, right, result) in recorded {
            assert_eq!(computed(operator, left, right).unwrap(), result, "{left} {} {right}", operator.text());
        }
        assert_eq!(computed(Operator::Remainder, "1", "0.00").unwrap_err().code(), code::DIVISION_BY_ZERO);
    }

    #[test]
    fn numbers_are_rounded_to_whole_ones() {
        let recorded = [("-1.50", "-2", "-1"), ("-0.50", "-1", "0"), ("1.2", "1", "2"), ("3", "3", "3"), ("2.00", "2", "2")];
        for (number, below, above) in recorded {
            assert_eq!((floor(number).unwrap().as_str(), ceiling(number).unwrap().as_str()), (below, above), "{number}");
        }
        assert_eq!([whole("1.7"), whole("-0.5"), whole("99999999999")], [Some(1), Some(0), None]);
    }

    #[test]
    fn texts_become_doubles() {
        assert_eq!(of_double("1.23456789012345678").as_deref(), Some("1.23456789012346"));
        assert_eq!(of_double("1.5e3").as_deref(), Some("1500"));
        assert_eq!(["1e400", "1e-400", "0e9", "nan", "12"].map(fits_double), [false, false, true, false, true]);
    }
}
