//! Decimals as Java's BigDecimal computes with them: exact, with a scale, rounded only where it is said.
//!
//! Rounding is our own, on the unscaled integers, so that no exponent that data bring can make a number of a billion digits.

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::{BigInt, Sign};

use crate::error::{Error, Result, code};

/// The most digits that a decimal's text or a change of scale may have.
const DIGITS_MAX: i64 = 10_000;

/// How a decimal loses digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// To the nearest, ties away from zero.
    HalfUp,
    /// To the nearest, ties towards zero.
    HalfDown,
    /// Towards zero.
    Down,
    /// Towards positive infinity.
    Ceiling,
    /// Towards negative infinity.
    Floor,
}

/// 10 to the power of `n`.
fn ten_to(n: u32) -> BigInt {
    BigInt::from(10).pow(n)
}

fn overflow() -> Error {
    Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "decimal has too many digits")
}

/// The quotient of two integers, rounded; the divisor is positive.
fn divide_rounded(value: &BigInt, divisor: &BigInt, rounding: Rounding) -> BigInt {
    let quotient = value / divisor;
    let rest = value % divisor;
    if rest.sign() == Sign::NoSign {
        return quotient;
    }
    let negative = value.sign() == Sign::Minus;
    let doubled = BigInt::from(rest.magnitude().clone()) * 2;
    let away = match rounding {
        Rounding::HalfUp => doubled >= *divisor,
        Rounding::HalfDown => doubled > *divisor,
        Rounding::Down => false,
        Rounding::Ceiling => !negative,
        Rounding::Floor => negative,
    };
    match (away, negative) {
        (false, _) => quotient,
        (true, false) => quotient + 1,
        (true, true) => quotient - 1,
    }
}

/// The decimal with that many digits behind the point (negative: with zeros in front of it).
pub fn rescale(value: &BigDecimal, scale: i64, rounding: Rounding) -> Result<BigDecimal> {
    let (digits, from) = value.as_bigint_and_exponent();
    if digits.sign() == Sign::NoSign {
        return Ok(BigDecimal::new(digits, scale));
    }
    let change = scale.checked_sub(from).ok_or_else(overflow)?;
    if change >= 0 {
        let power = u32::try_from(change).ok().filter(|_| change <= DIGITS_MAX).ok_or_else(overflow)?;
        return Ok(BigDecimal::new(digits * ten_to(power), scale));
    }
    // A power of ten far above the digits rounds as one just above them does.
    let most = i64::try_from(value.digits()).unwrap_or(i64::MAX - 2) + 2;
    let power = u32::try_from(change.saturating_neg().min(most)).map_err(|_| overflow())?;
    Ok(BigDecimal::new(divide_rounded(&digits, &ten_to(power), rounding), scale))
}

/// The decimal rounded half up (ties away from zero) to that many digits behind the point.
pub fn round_decimal(value: BigDecimal, scale: i64) -> Result<BigDecimal> {
    rescale(&value, scale, Rounding::HalfUp)
}

/// The decimal rounded half up to so many significant digits.
fn round_digits(value: &BigDecimal, precision: u8) -> Result<BigDecimal> {
    let (_, scale) = value.as_bigint_and_exponent();
    let surplus = i64::try_from(value.digits()).unwrap_or(i64::MAX) - i64::from(precision);
    if surplus <= 0 {
        return Ok(value.clone());
    }
    let rounded = rescale(value, scale - surplus, Rounding::HalfUp)?;
    // 99.9 becomes 100: one digit more, which is a zero.
    if rounded.digits() > u64::from(precision) { rescale(&rounded, scale - surplus - 1, Rounding::HalfUp) } else { Ok(rounded) }
}

/// The decimal as one of DECIMAL(precision, scale): rounded half up, an error if it has too many digits before the point.
pub fn check_decimal(value: BigDecimal, precision: u8, scale: u8) -> Result<BigDecimal> {
    let refuse = |value: &BigDecimal| {
        Error::new(
            code::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("numeric field overflow: {} does not fit DECIMAL({precision}, {scale})", brief(value)),
        )
    };
    let whole = i64::from(precision) - i64::from(scale);
    let fits = |value: &BigDecimal| {
        let (digits, at) = value.as_bigint_and_exponent();
        digits.sign() == Sign::NoSign || i64::try_from(value.digits()).unwrap_or(i64::MAX).saturating_sub(at) <= whole
    };
    // Before rounding, so that a monstrous exponent is never written out.
    if !fits(&value) {
        return Err(refuse(&value));
    }
    let rounded = rescale(&value, i64::from(scale), Rounding::HalfUp)?;
    if fits(&rounded) { Ok(rounded) } else { Err(refuse(&value)) }
}

/// A double as one of DECIMAL(precision, scale): its exact binary value, cut to the precision first, as ksqlDB does it.
pub fn double_to_decimal(x: f64, precision: u8, scale: u8) -> Result<BigDecimal> {
    let exact = BigDecimal::try_from(x)
        .map_err(|_| Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, format!("{} is not a decimal", super::super::show::java_double(x))))?;
    check_decimal(round_digits(&exact, precision)?, precision, scale)
}

/// A decimal's text as Java reads it: digits with an optional sign, point and exponent; `None` if it is none.
pub fn parse_decimal(text: &str) -> Option<BigDecimal> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (text.get(..at)?, text.get(at + 1..)?),
        None => (text, "0"),
    };
    let unsigned = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !is_digits(whole) || !is_digits(fraction) || text.len() as i64 > DIGITS_MAX {
        return None;
    }
    let power = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if power.is_empty() || !is_digits(power) {
        return None;
    }
    let power: i64 = exponent.parse().ok().filter(|n: &i64| n.abs() <= i64::from(i32::MAX))?;
    let digits = BigInt::parse_bytes(format!("{whole}{fraction}").as_bytes(), 10)?;
    let digits = if mantissa.starts_with('-') { -digits } else { digits };
    Some(BigDecimal::new(digits, fraction.len() as i64 - power))
}

/// A quotient rounded half up to that many digits behind the point; `None` if the divisor is zero.
pub fn divide(left: &BigDecimal, right: &BigDecimal, scale: i64) -> Result<Option<BigDecimal>> {
    let ((a, s), (b, t)) = (left.as_bigint_and_exponent(), right.as_bigint_and_exponent());
    if b.sign() == Sign::NoSign {
        return Ok(None);
    }
    let shift = scale + t - s;
    let power = u32::try_from(shift.abs()).ok().filter(|_| shift.abs() <= DIGITS_MAX).ok_or_else(overflow)?;
    let (a, b) = if shift >= 0 { (a * ten_to(power), b) } else { (a, b * ten_to(power)) };
    let (a, b) = if b.sign() == Sign::Minus { (-a, -b) } else { (a, b) };
    Ok(Some(BigDecimal::new(divide_rounded(&a, &b, Rounding::HalfUp), scale)))
}

/// The low 64 bits of the whole part, as Java's longValue gives them.
pub fn low_bits(value: &BigDecimal) -> i64 {
    let (digits, scale) = value.as_bigint_and_exponent();
    let whole = if (0..=DIGITS_MAX).contains(&scale) {
        digits / ten_to(scale as u32)
    } else if (-DIGITS_MAX..0).contains(&scale) {
        digits * ten_to(scale.unsigned_abs() as u32)
    } else {
        // Below one, or a multiple of a power of two that is higher than the bits kept.
        return 0;
    };
    let magnitude = whole.magnitude().iter_u64_digits().next().unwrap_or(0) as i64;
    if whole.sign() == Sign::Minus { magnitude.wrapping_neg() } else { magnitude }
}

/// The text without an exponent, with all digits of the scale.
pub fn plain(value: &BigDecimal) -> String {
    let (digits, scale) = value.as_bigint_and_exponent();
    let text = digits.magnitude().to_string();
    let sign = if digits.sign() == Sign::Minus { "-" } else { "" };
    if scale <= 0 {
        let zeros = if digits.sign() == Sign::NoSign { 0 } else { scale.unsigned_abs().min(DIGITS_MAX as u64) as usize };
        return format!("{sign}{text}{}", "0".repeat(zeros));
    }
    let scale = scale.min(DIGITS_MAX) as usize;
    let padded = format!("{text:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

/// The text as Java's BigDecimal.toString gives it: with an exponent where the plain one would hide the precision.
pub fn scientific(value: &BigDecimal) -> String {
    let (digits, scale) = value.as_bigint_and_exponent();
    let text = digits.magnitude().to_string();
    let adjusted = text.len() as i64 - 1 - scale;
    if scale >= 0 && adjusted >= -6 {
        return plain(value);
    }
    let sign = if digits.sign() == Sign::Minus { "-" } else { "" };
    let (first, rest) = text.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{first}{point}{rest}E{adjusted:+}")
}

/// A decimal for a message, never long.
fn brief(value: &BigDecimal) -> String {
    let text = scientific(value);
    if text.len() <= 60 { text } else { format!("{}..", text.chars().take(58).collect::<String>()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(text: &str) -> BigDecimal {
        parse_decimal(text).expect("a decimal")
    }

    #[test]
    fn rounding_follows_its_mode() {
        let cases = [
            ("2.5", 0, Rounding::HalfUp, "3"),
            ("-2.5", 0, Rounding::HalfUp, "-3"),
            ("-2.5", 0, Rounding::HalfDown, "-2"),
            ("2.51", 0, Rounding::HalfDown, "3"),
            ("-2.9", 0, Rounding::Down, "-2"),
            ("-2.1", 0, Rounding::Floor, "-3"),
            ("2.1", 0, Rounding::Ceiling, "3"),
            ("0.1", 0, Rounding::Ceiling, "1"),
            ("12345", -2, Rounding::HalfUp, "12300"),
            ("1.2", 3, Rounding::HalfUp, "1.200"),
            ("1E-2000000000", 2, Rounding::HalfUp, "0.00"),
            ("51", -2, Rounding::HalfUp, "100"),
            ("49", -2, Rounding::HalfUp, "0"),
        ];
        for (value, scale, mode, expected) in cases {
            assert_eq!(plain(&rescale(&dec(value), scale, mode).expect("small")), expected, "{value} {mode:?}");
        }
        assert!(rescale(&dec("1E2000000000"), 0, Rounding::Down).is_err());
    }

    #[test]
    fn decimals_are_checked_against_their_type() {
        let check = |text: &str, p, s| check_decimal(dec(text), p, s).map(|d| plain(&d)).ok();
        assert_eq!(check("0.99", 2, 1).as_deref(), Some("1.0"));
        assert_eq!(check("10", 2, 1), None);
        assert_eq!(check("9.99", 2, 1), None);
        assert_eq!(check("1E999999999", 38, 0), None);
        let double = |x, p, s| double_to_decimal(x, p, s).map(|d| plain(&d)).ok();
        assert_eq!(double(0.01, 2, 1).as_deref(), Some("0.0"));
        assert_eq!(double(0.99, 2, 1).as_deref(), Some("1.0"));
        assert_eq!(double(f64::NAN, 2, 1), None);
    }

    #[test]
    fn decimals_are_read_and_shown_as_in_java() {
        for (text, shown) in
            [("1E5", "1E+5"), (".5", "0.5"), ("1.", "1"), ("-0.0000001", "-1E-7"), ("+12.30", "12.30"), ("123E3", "1.23E+5")]
        {
            assert_eq!(scientific(&dec(text)), shown);
        }
        for wrong in ["", ".", "1e", "--1", "1 ", "0x1", "1_0", "e5", "NaN"] {
            assert_eq!(parse_decimal(wrong), None, "{wrong}");
        }
        assert_eq!(low_bits(&dec("-3.9")), -3);
        assert_eq!(low_bits(&dec("18446744073709551617")), 1);
    }
}
