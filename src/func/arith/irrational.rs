//! sqrt, exp, ln, log and power of numerics, in whole numbers of any length.
//!
//! Results have as many decimals as PostgreSQL gives them: at least 16 significant digits, and no fewer than their arguments have (numeric.c,
//! "select the scale"). Roots and whole powers are exact, rounded once; exp and ln are series with [`GUARD`] decimals, of which the result
//! takes at most half, so that its last digit is as good as theirs. There is no state, so a view computes what a query does.

use std::f64::consts::LOG10_E;
use std::sync::OnceLock;

use arrow::datatypes::i256;
use bigdecimal::num_bigint::{BigInt, Sign};

use super::decimal::{self, long, overflow, ten_to};
use super::rules::WIDE_PRECISION;
use crate::data::numeric::Decimal;
use crate::data::types::UNCONSTRAINED_SCALE;
use crate::error::{Error, Result, code};

/// Decimals of the series.
const GUARD: u32 = 120;
/// Significant digits of a power while it is computed.
const DIGITS: i64 = 160;
/// PostgreSQL's NUMERIC_MIN_SIG_DIGITS.
const SIGNIFICANT: i32 = 16;
/// The most decimals of a result.
const SCALE_MAX: i32 = UNCONSTRAINED_SCALE as i32;

/// A decimal number: `digits` times 10^-scale; `scale` decimals are shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    digits: BigInt,
    scale: i32,
}

fn is_zero(n: &BigInt) -> bool {
    n.sign() == Sign::NoSign
}

fn is_negative(n: &BigInt) -> bool {
    n.sign() == Sign::Minus
}

fn absolute(n: &BigInt) -> BigInt {
    if is_negative(n) { -n } else { n.clone() }
}

/// n / 10^drop, rounded half away from zero.
fn shortened(n: &BigInt, drop: u32) -> BigInt {
    if drop == 0 {
        return n.clone();
    }
    let unit = ten_to(drop);
    let half: BigInt = &unit / 2;
    let rounded: BigInt = (absolute(n) + half) / unit;
    if is_negative(n) { -rounded } else { rounded }
}

/// n times 10^by, rounded where digits are lost.
fn shifted(n: &BigInt, by: i32) -> BigInt {
    match by {
        0.. => n * ten_to(by.unsigned_abs()),
        _ => shortened(n, by.unsigned_abs()),
    }
}

/// How many decimal digits it has; 0 for zero.
fn length(n: &BigInt) -> i32 {
    if is_zero(n) { 0 } else { absolute(n).to_string().len() as i32 }
}

fn no_logarithm(of: &str) -> Error {
    Error::new(code::INVALID_ARGUMENT_FOR_LOGARITHM, format!("cannot take logarithm of {of}"))
}

/// 2201E for what has no logarithm.
pub fn check_logarithm(is_zero: bool, is_negative: bool) -> Result<()> {
    match (is_zero, is_negative) {
        (true, _) => Err(no_logarithm("zero")),
        (_, true) => Err(no_logarithm("a negative number")),
        _ => Ok(()),
    }
}

/// 2201F: the root of a negative number.
pub fn no_root() -> Error {
    Error::new(code::INVALID_ARGUMENT_FOR_POWER_FUNCTION, "cannot take square root of a negative number")
}

/// 2201F: zero to a negative power.
pub fn undefined_power() -> Error {
    Error::new(code::INVALID_ARGUMENT_FOR_POWER_FUNCTION, "zero raised to a negative power is undefined")
}

/// 2201F: a negative number to a power that is not whole.
pub fn complex_power() -> Error {
    let message = "a negative number raised to a non-integer power yields a complex result";
    Error::new(code::INVALID_ARGUMENT_FOR_POWER_FUNCTION, message)
}

impl Number {
    /// A decimal of an Arrow type's scale. Numerics without a precision are held with more decimals than they show, and so are quotients;
    /// `wide` says that it is one of those.
    pub fn of(mantissa: i256, scale: i8, wide: bool) -> Number {
        let shown = || Decimal::from_i256(mantissa, scale);
        let shown = match wide {
            false => i32::from(scale),
            true if scale == UNCONSTRAINED_SCALE => shown().least_scale(),
            true => shown().quotient_scale(),
        };
        Number { digits: shifted(&long(mantissa), shown - i32::from(scale)), scale: shown }
    }

    /// A whole number.
    pub fn whole(n: i64) -> Number {
        Number { digits: BigInt::from(n), scale: 0 }
    }

    /// The mantissa of the number at a scale. Errors: 22003.
    pub fn mantissa(&self, scale: i8) -> Result<i256> {
        decimal::mantissa(&shifted(&self.digits, i32::from(scale) - self.scale))
    }

    /// The same with [`GUARD`] decimals, as a whole number.
    fn fixed(&self) -> BigInt {
        shifted(&self.digits, GUARD as i32 - self.scale)
    }

    fn float(&self) -> f64 {
        format!("{}e{}", self.digits, -self.scale).parse().unwrap_or(f64::NAN)
    }

    /// The place of the first digit: 0 for 1 to 9, -1 for 0.1.
    fn magnitude(&self) -> i32 {
        length(&self.digits) - self.scale - 1
    }

    /// The place of the first group of four digits, as PostgreSQL keeps them.
    fn weight(&self) -> i32 {
        if is_zero(&self.digits) { 0 } else { self.magnitude().div_euclid(4) }
    }

    /// The integer that it is.
    fn integer(&self) -> Option<i32> {
        let unit = ten_to(self.scale.max(0).unsigned_abs());
        let whole = &self.digits / &unit;
        if &whole * &unit != self.digits { None } else { i32::try_from(&whole).ok() }
    }

    /// The root, exact to its last digit. Errors: 2201F.
    pub fn sqrt(&self) -> Result<Number> {
        if is_negative(&self.digits) {
            return Err(no_root());
        }
        let scale = (SIGNIFICANT - ((self.weight() + 1) * 2 - 1)).max(self.scale).clamp(0, SCALE_MAX);
        // With one decimal more: a root that is cut off there lies on the same side of a half as the whole one.
        let root = shifted(&self.digits, 2 * (scale + 1) - self.scale).sqrt();
        Ok(Number { digits: shortened(&root, 1), scale })
    }

    /// e to the power of it. Errors: 22003.
    pub fn exp(&self) -> Result<Number> {
        let weight = self.float() * LOG10_E;
        let scale = (SIGNIFICANT - weight.clamp(-2_000.0, 2_000.0) as i32).max(self.scale).clamp(0, SCALE_MAX);
        exponential(&self.fixed(), weight, scale)
    }

    /// The natural logarithm. Errors: 2201E.
    pub fn ln(&self) -> Result<Number> {
        let logarithm = logarithm(self)?;
        let scale = (SIGNIFICANT - self.logarithm_magnitude()).max(self.scale).clamp(0, SCALE_MAX);
        Ok(Number { digits: shifted(&logarithm, scale - GUARD as i32), scale })
    }

    /// The logarithm to a base. Errors: 2201E; 22012 for the base 1.
    pub fn log(&self, base: &Number) -> Result<Number> {
        let (of_base, of_self) = (logarithm(base)?, logarithm(self)?);
        if is_zero(&of_base) {
            return Err(Error::new(code::DIVISION_BY_ZERO, "division by zero"));
        }
        let magnitude = self.logarithm_magnitude() - base.logarithm_magnitude();
        let scale = (SIGNIFICANT - magnitude).max(self.scale).max(base.scale).clamp(0, SCALE_MAX);
        let quotient = of_self * ten_to(GUARD) / of_base;
        Ok(Number { digits: shifted(&quotient, scale - GUARD as i32), scale })
    }

    /// PostgreSQL's estimate_ln_dweight(): about where the first digit of the logarithm of a positive number stands.
    fn logarithm_magnitude(&self) -> i32 {
        let value = self.float();
        if (0.9..=1.1).contains(&value) {
            let unit = ten_to(self.scale.max(0).unsigned_abs());
            let above = Number { digits: &self.digits - unit, scale: self.scale };
            return if is_zero(&above.digits) { 0 } else { above.magnitude() };
        }
        value.ln().abs().log10() as i32
    }

    /// It to a power. Errors: 2201F, 22003.
    pub fn power(&self, exponent: &Number) -> Result<Number> {
        if is_zero(&self.digits) && is_negative(&exponent.digits) {
            return Err(undefined_power());
        }
        if let Some(exponent) = exponent.integer() {
            return self.whole_power(exponent);
        }
        if is_zero(&self.digits) {
            return Ok(Number { digits: BigInt::from(0), scale: SIGNIFICANT });
        }
        if is_negative(&self.digits) {
            return Err(complex_power());
        }
        let product = logarithm(self)? * exponent.fixed();
        let product = shortened(&product, GUARD);
        let weight = Number { digits: product.clone(), scale: GUARD as i32 }.float() * LOG10_E;
        let scale = (SIGNIFICANT - weight.clamp(-2_000.0, 2_000.0) as i32).max(self.scale).max(exponent.scale).clamp(0, SCALE_MAX);
        exponential(&product, weight, scale)
    }

    fn whole_power(&self, exponent: i32) -> Result<Number> {
        let scale = SIGNIFICANT.max(self.scale).clamp(0, SCALE_MAX);
        if is_zero(&self.digits) {
            return Ok(Number { digits: if exponent == 0 { ten_to(scale.unsigned_abs()) } else { BigInt::from(0) }, scale });
        }
        // By squaring, each product cut to more digits than a result has.
        let trim = |digits: BigInt, places: i64| {
            let drop = u32::try_from(i64::from(length(&digits)) - DIGITS).unwrap_or(0);
            (shortened(&digits, drop), places + i64::from(drop))
        };
        let (mut square, mut place) = (self.digits.clone(), -i64::from(self.scale));
        let (mut digits, mut places) = (BigInt::from(1), 0i64);
        let mut left = exponent.unsigned_abs();
        while left > 0 {
            if left & 1 == 1 {
                (digits, places) = trim(digits * &square, places + place);
            }
            left >>= 1;
            if left > 0 {
                (square, place) = trim(&square * &square, place.saturating_mul(2));
            }
        }
        if exponent < 0 {
            let up = DIGITS as u32 + length(&digits).unsigned_abs();
            (digits, places) = (ten_to(up) / digits, -places - i64::from(up));
        }
        let magnitude = i64::from(length(&digits)) + places;
        if magnitude > i64::from(WIDE_PRECISION) {
            return Err(overflow());
        }
        if magnitude < -i64::from(SCALE_MAX) {
            return Ok(Number { digits: BigInt::from(0), scale });
        }
        let by = i32::try_from(places + i64::from(scale)).map_err(|_| overflow())?;
        Ok(Number { digits: shifted(&digits, by), scale })
    }
}

/// ln, with [`GUARD`] decimals. Errors: 2201E.
fn logarithm(of: &Number) -> Result<BigInt> {
    check_logarithm(is_zero(&of.digits), is_negative(&of.digits))?;
    // of = near * 10^place, with a number near 1 that loses no digits of what is small beside 1.
    let place = if (0.1..10.0).contains(&of.float()) { 0 } else { of.magnitude() };
    let near = shifted(&of.digits, GUARD as i32 - of.scale - place);
    Ok(series(near) + ln_10() * place)
}

fn ln_10() -> &'static BigInt {
    static LN_10: OnceLock<BigInt> = OnceLock::new();
    LN_10.get_or_init(|| series(10 * ten_to(GUARD)))
}

/// ln of a number of 0.1 to 10: 2 artanh((x - 1) / (x + 1)) of its 32nd root, 32 times.
fn series(mut x: BigInt) -> BigInt {
    let one = ten_to(GUARD);
    for _ in 0..5 {
        x = (x * &one).sqrt();
    }
    let z = (&x - &one) * &one / (&x + &one);
    let square = &z * &z / &one;
    let (mut sum, mut term, mut n) = (z.clone(), z, 1u32);
    while !is_zero(&term) {
        term = term * &square / &one;
        n += 2;
        sum += &term / n;
    }
    sum * 64
}

/// e to a power that is given with [`GUARD`] decimals, at a scale; `weight` is about where its first digit stands. Errors: 22003.
fn exponential(of: &BigInt, weight: f64, scale: i32) -> Result<Number> {
    if weight > f64::from(WIDE_PRECISION) {
        return Err(overflow());
    }
    if weight < -f64::from(SCALE_MAX + 2) {
        return Ok(Number { digits: BigInt::from(0), scale });
    }
    let one = ten_to(GUARD);
    let place = weight.floor() as i32;
    // What is left of it without 10^place, in 256ths: 8 squares make it whole again.
    let part = (of - ln_10() * place) / 256;
    let (mut sum, mut term, mut n) = (one.clone(), one.clone(), 0u32);
    while !is_zero(&term) {
        n += 1;
        term = term * &part / &one / n;
        sum += &term;
    }
    for _ in 0..8 {
        sum = &sum * &sum / &one;
    }
    Ok(Number { digits: shifted(&sum, place + scale - GUARD as i32), scale })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        Number { digits: format!("{whole}{decimals}").parse().unwrap(), scale: decimals.len() as i32 }
    }

    #[test]
    fn results_have_the_digits_of_postgresql() {
        let same = |found: Result<Number>, text: &str| assert_eq!(found.unwrap(), number(text), "{text}");
        same(number("2.0").sqrt(), "1.414213562373095");
        same(number("0.0001").sqrt(), "0.01000000000000000");
        same(number("123456789012345678901234567890.0").sqrt(), "351364182882014.4");
        same(number("2.0").ln(), "0.6931471805599453");
        same(number("1.00000001").ln(), "0.000000009999999950000000");
        same(number("123456789.123456789").ln(), "18.631401767168018");
        same(number("0.0001").ln(), "-9.2103403719761827");
        same(number("1.0").ln(), "0.0000000000000000");
        same(number("10.0").exp(), "22026.465794806717");
        same(number("-10.0").exp(), "0.00004539992976248485");
        same(number("100.0").exp(), "26881171418161354484126255515800135873611118.8");
        same(number("3.0").log(&number("10")), "0.4771212547196624");
        same(number("10.0").log(&number("3.0")), "2.0959032742893846");
        same(number("2.5").power(&number("2")), "6.2500000000000000");
        same(number("2.0").power(&number("0.5")), "1.4142135623730950");
        same(number("2.0").power(&number("-200")), "0.0000000000000000");
        assert_eq!(number("0.0").ln().unwrap_err().code(), "2201E");
        assert_eq!(number("-1.0").sqrt().unwrap_err().code(), "2201F");
        assert_eq!(number("-8.0").power(&number("0.3")).unwrap_err().code(), "2201F");
        assert_eq!(number("1").log(&number("1.0")).unwrap_err().code(), "22012");
    }
}
