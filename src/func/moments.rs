//! What variances, deviations, covariances and regressions are made of: exact sums of the values and of their products. So the
//! answer does not depend on the order of the rows, a row can be taken out again, and nothing cancels: the formulas that lose all
//! digits in floats, n * sum(x^2) - sum(x)^2, are computed with whole numbers of any length and rounded once.
//!
//! | argument | state | result |
//! |---|---|---|
//! | int2, int4, int8, numeric | [`WholeMoments`] | numeric |
//! | float4, float8 | [`FloatMoments`] | float8 |
//! | two of float8 | [`Pairs`] | float8 |
//!
//! Source: <https://www.postgresql.org/docs/current/functions-aggregate.html>, "Aggregate Functions for Statistics"; scales of numeric
//! results are those of `numeric_stddev_internal` in PostgreSQL's numeric.c.

use arrow::datatypes::i256;
use bigdecimal::num_bigint::{BigInt, Sign};

use super::arith::decimal::{long, mantissa, ten_to};
use super::exact_float::{BIAS, ExactProducts, ExactSum};
use super::sum_state::Total;
use crate::data::numeric::Decimal;
use crate::data::types::QUOTIENT_SCALE;
use crate::error::{Error, Result, code};

/// Of which set the values are all there is, or a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Of {
    Population,
    Sample,
}

impl Of {
    /// What sums of squares of n values are divided by; `None` if that has no sense.
    fn degrees(self, count: i64) -> Option<i64> {
        match self {
            Of::Population => (count > 0).then_some(count),
            Of::Sample => (count > 1).then(|| count - 1),
        }
    }
}

/// A statistic of pairs (y, x), in PostgreSQL's order of arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pair {
    Covariance(Of),
    Correlation,
    AverageX,
    AverageY,
    Count,
    Intercept,
    R2,
    Slope,
    Sxx,
    Sxy,
    Syy,
}

/// Sums of whole numbers, or of mantissas of one scale, and of their squares. What does not fit 128 bits goes to `wide`.
#[derive(Clone, Debug, Default)]
pub struct WholeMoments {
    sum: i128,
    squares: i128,
    wide: Option<Box<[BigInt; 2]>>,
}

impl WholeMoments {
    /// Adds a value.
    pub fn add(&mut self, value: i256) {
        self.accumulate(value, 1);
    }

    /// Takes a value out.
    pub fn sub(&mut self, value: i256) {
        self.accumulate(value, -1);
    }

    fn accumulate(&mut self, value: i256, weight: i128) {
        let narrow = value.to_i128().and_then(|v| {
            let square = v.checked_mul(v)?.checked_mul(weight)?;
            Some((self.sum.checked_add(v.checked_mul(weight)?)?, self.squares.checked_add(square)?))
        });
        match narrow {
            Some((sum, squares)) => (self.sum, self.squares) = (sum, squares),
            None => {
                let value = long(value);
                let square = &value * &value * weight;
                self.widen([value * weight, square]);
            }
        }
    }

    fn widen(&mut self, by: [BigInt; 2]) {
        let wide = self.wide.get_or_insert_default();
        wide.iter_mut().zip(by).for_each(|(sum, by)| *sum += by);
    }

    /// The two sums.
    fn sums(&self) -> [BigInt; 2] {
        let narrow = [BigInt::from(self.sum), BigInt::from(self.squares)];
        match &self.wide {
            None => narrow,
            Some(wide) => [&narrow[0] + &wide[0], &narrow[1] + &wide[1]],
        }
    }

    /// Adds the sums of other values.
    pub fn merge(&mut self, other: &WholeMoments) {
        let narrow = || Some((self.sum.checked_add(other.sum)?, self.squares.checked_add(other.squares)?));
        match other.wide.is_none().then(narrow).flatten() {
            Some((sum, squares)) => (self.sum, self.squares) = (sum, squares),
            None => self.widen(other.sums()),
        }
    }

    /// The variance of `count` mantissas of scale `scale`, or its root, as a mantissa of scale `result`. Errors: 22003.
    pub fn finish(&self, count: i64, of: Of, root: bool, scale: i8, result: i8) -> Result<Option<Total>> {
        let Some(degrees) = of.degrees(count) else { return Ok(None) };
        let [sum, squares] = self.sums();
        let numerator = (squares * count - &sum * &sum) * ten_to(result as u32);
        let denominator = BigInt::from(count) * degrees * ten_to(2 * scale as u32);
        let variance = rounded(&numerator, &denominator);
        if !root {
            return Ok(Some(Total::Decimal(mantissa(&variance)?)));
        }
        // PostgreSQL takes the root of the variance as it would show it, and gives as many decimals of the root. What it shows has twice the
        // decimals of the values, which a column of any scale does not tell: then those of their sum. A variance may be too long to be shown
        // where its root is not; then it has no decimals of its own.
        let decimals = match mantissa(&sum) {
            Ok(sum) if scale >= QUOTIENT_SCALE => Decimal::from_i256(sum, scale).least_scale(),
            _ => scale.into(),
        };
        let quotient = mantissa(&variance).map_or(0, |variance| Decimal::from_i256(variance, result).quotient_scale());
        let shown = quotient.max(2 * decimals).min(result.into()) as u32;
        let drop = ten_to((result as u32).saturating_sub(shown));
        let variance = rounded(&variance, &drop) * ten_to(shown);
        let root = ((variance * 4u32).sqrt() + 1u32) / 2u32;
        Ok(Some(Total::Decimal(mantissa(&(root * drop))?)))
    }

    /// Both sums, each with its length before it.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.sums().iter().flat_map(|sum| framed(sum.to_signed_bytes_le())).collect()
    }

    /// Reads [`WholeMoments::to_bytes`]. Errors: XX001.
    pub fn from_bytes(bytes: &[u8]) -> Result<WholeMoments> {
        let [sum, squares] = parts(bytes)?.map(BigInt::from_signed_bytes_le);
        Ok(match (i128::try_from(&sum), i128::try_from(&squares)) {
            (Ok(sum), Ok(squares)) => WholeMoments { sum, squares, wide: None },
            _ => WholeMoments { sum: 0, squares: 0, wide: Some(Box::new([sum, squares])) },
        })
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.wide.as_ref().map_or(0, |w| w.iter().map(|sum| sum.bits() as usize / 8 + size_of::<BigInt>()).sum())
    }
}

/// Sums of floats and of their squares.
#[derive(Clone, Debug, Default)]
pub struct FloatMoments {
    sum: ExactSum,
    squares: ExactProducts,
}

impl FloatMoments {
    /// Adds a value.
    pub fn add(&mut self, value: f64) {
        self.sum.add(value);
        self.squares.add(value, value, 1);
    }

    /// Takes a value out.
    pub fn sub(&mut self, value: f64) {
        self.sum.sub(value);
        self.squares.add(value, value, -1);
    }

    /// Adds the sums of other values.
    pub fn merge(&mut self, other: &FloatMoments) {
        self.sum.merge(&other.sum);
        self.squares.merge(&other.squares);
    }

    /// The variance of `count` values, or its root. Errors: 22003.
    pub fn finish(&self, count: i64, of: Of, root: bool) -> Result<Option<Total>> {
        let Some(degrees) = of.degrees(count) else { return Ok(None) };
        if self.sum.has_special() {
            return Ok(Some(Total::Float(f64::NAN)));
        }
        let deviations = deviations(count, &self.sum, &self.sum, &self.squares);
        let variance = checked(float(&deviations, &(BigInt::from(count) * degrees), ExactProducts::EXPONENT))?;
        Ok(Some(Total::Float(if root { variance.sqrt() } else { variance })))
    }

    /// Both sums, each with its length before it.
    pub fn to_bytes(&self) -> Vec<u8> {
        [framed(self.sum.to_bytes()), framed(self.squares.to_bytes())].concat()
    }

    /// Reads [`FloatMoments::to_bytes`]. Errors: XX001.
    pub fn from_bytes(bytes: &[u8]) -> Result<FloatMoments> {
        let [sum, squares] = parts(bytes)?;
        Ok(FloatMoments { sum: ExactSum::from_bytes(sum)?, squares: ExactProducts::from_bytes(squares)? })
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.sum.heap_bytes() + self.squares.heap_bytes()
    }
}

/// Sums of pairs and of their products.
#[derive(Clone, Debug, Default)]
pub struct Pairs {
    y: ExactSum,
    x: ExactSum,
    yy: ExactProducts,
    xx: ExactProducts,
    xy: ExactProducts,
}

impl Pairs {
    /// Adds a pair.
    pub fn add(&mut self, (y, x): (f64, f64)) {
        self.y.add(y);
        self.x.add(x);
        self.products(y, x, 1);
    }

    /// Takes a pair out.
    pub fn sub(&mut self, (y, x): (f64, f64)) {
        self.y.sub(y);
        self.x.sub(x);
        self.products(y, x, -1);
    }

    fn products(&mut self, y: f64, x: f64, weight: i64) {
        self.yy.add(y, y, weight);
        self.xx.add(x, x, weight);
        self.xy.add(x, y, weight);
    }

    /// Adds the sums of other pairs.
    pub fn merge(&mut self, other: &Pairs) {
        self.y.merge(&other.y);
        self.x.merge(&other.x);
        self.yy.merge(&other.yy);
        self.xx.merge(&other.xx);
        self.xy.merge(&other.xy);
    }

    /// The statistic of `count` pairs. Errors: 22003.
    pub fn finish(&self, count: i64, statistic: Pair) -> Result<Option<Total>> {
        let n = BigInt::from(count);
        let of_sum = |units: BigInt, divisor: &BigInt| Ok(Some(float(&units, divisor, ExactProducts::EXPONENT)));
        let dxx = || deviations(count, &self.x, &self.x, &self.xx);
        let dyy = || deviations(count, &self.y, &self.y, &self.yy);
        let no_deviation =
            |sum: &ExactSum, squares: &ExactProducts| !sum.has_special() && deviations(count, sum, sum, squares).sign() == Sign::NoSign;
        let dxy = || deviations(count, &self.x, &self.y, &self.xy);
        let special = match statistic {
            Pair::Count => return Ok(Some(Total::Int8(count))),
            _ if count < 1 => return Ok(None),
            Pair::AverageX => return Ok(Some(Total::Float(self.x.checked()? / count as f64))),
            Pair::AverageY => return Ok(Some(Total::Float(self.y.checked()? / count as f64))),
            Pair::Sxx => self.x.has_special(),
            Pair::Syy => self.y.has_special(),
            _ => self.x.has_special() || self.y.has_special(),
        };
        let value: Result<Option<f64>> = match statistic {
            Pair::Covariance(Of::Sample) if count < 2 => Ok(None),
            // What has no deviations decides before an infinity or a NaN on the other side does.
            Pair::Correlation | Pair::Slope | Pair::Intercept | Pair::R2 if special && no_deviation(&self.x, &self.xx) => Ok(None),
            Pair::Correlation if special && no_deviation(&self.y, &self.yy) => Ok(None),
            Pair::R2 if special && no_deviation(&self.y, &self.yy) => Ok(Some(1.0)),
            _ if special => Ok(Some(f64::NAN)),
            Pair::Covariance(of) => of_sum(dxy(), &(&n * of.degrees(count).unwrap_or(1))),
            Pair::Sxx => of_sum(dxx(), &n),
            Pair::Syy => of_sum(dyy(), &n),
            Pair::Sxy => of_sum(dxy(), &n),
            Pair::Correlation => Ok(correlation(&dxx(), &dyy(), &dxy())),
            Pair::R2 => Ok(match (dxx(), dyy()) {
                (xx, _) if xx.sign() == Sign::NoSign => None,
                (_, yy) if yy.sign() == Sign::NoSign => Some(1.0),
                (xx, yy) => Some(float(&dxy().pow(2), &(xx * yy), 0)),
            }),
            Pair::Slope | Pair::Intercept => Ok(match dxx() {
                xx if xx.sign() == Sign::NoSign => None,
                xx if statistic == Pair::Slope => Some(float(&dxy(), &xx, 0)),
                xx => Some(float(&(self.y.units() * &xx - self.x.units() * dxy()), &(xx * n), -BIAS)),
            }),
            Pair::AverageX | Pair::AverageY | Pair::Count => Err(Error::internal("a statistic that was computed before")),
        };
        value?.map(|v| if special { Ok(v) } else { checked(v) }).transpose().map(|v| v.map(Total::Float))
    }

    /// All sums, each with its length before it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let sums = [self.y.to_bytes(), self.x.to_bytes(), self.yy.to_bytes(), self.xx.to_bytes(), self.xy.to_bytes()];
        sums.into_iter().flat_map(framed).collect()
    }

    /// Reads [`Pairs::to_bytes`]. Errors: XX001.
    pub fn from_bytes(bytes: &[u8]) -> Result<Pairs> {
        let [y, x, yy, xx, xy] = parts(bytes)?;
        let (sum, products) = (ExactSum::from_bytes, ExactProducts::from_bytes);
        Ok(Pairs { y: sum(y)?, x: sum(x)?, yy: products(yy)?, xx: products(xx)?, xy: products(xy)? })
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.y.heap_bytes() + self.x.heap_bytes() + self.yy.heap_bytes() + self.xx.heap_bytes() + self.xy.heap_bytes()
    }
}

/// n * sum(ab) - sum(a) * sum(b), that is n times the sum of (a - avg(a)) * (b - avg(b)), in units of [`ExactProducts::EXPONENT`].
fn deviations(count: i64, a: &ExactSum, b: &ExactSum, products: &ExactProducts) -> BigInt {
    products.units() * count - a.units() * b.units()
}

/// xy / sqrt(xx * yy), by the root of its square: so it is 1 where all pairs are on one line.
fn correlation(xx: &BigInt, yy: &BigInt, xy: &BigInt) -> Option<f64> {
    let both = xx * yy;
    if both.sign() == Sign::NoSign {
        return None;
    }
    let square = float(&xy.pow(2), &both, 0);
    Some(if xy.sign() == Sign::Minus { -square.sqrt() } else { square.sqrt() })
}

/// numerator / denominator * 2^exponent, rounded to nearest even once (twice if it is subnormal). The denominator is above zero.
fn float(numerator: &BigInt, denominator: &BigInt, exponent: i32) -> f64 {
    if numerator.sign() == Sign::NoSign {
        return 0.0;
    }
    // The quotient gets 66 or 67 bits, and a last one for what is behind them.
    let shift = 66 + denominator.bits() as i64 - numerator.bits() as i64;
    let (n, d) = (numerator.magnitude() << shift.max(0), denominator.magnitude() << (-shift).max(0));
    let quotient = &n / &d;
    let rest = n != &quotient * &d;
    let quotient = u128::try_from(quotient).unwrap_or(u128::MAX) << 1 | u128::from(rest);
    let mut value = quotient as f64;
    let mut exponent = i64::from(exponent) - shift - 1;
    while exponent != 0 {
        let step = exponent.clamp(-1022, 1023);
        value *= f64::from_bits(((step + 1023) as u64) << 52);
        exponent -= step;
    }
    if numerator.sign() == Sign::Minus { -value } else { value }
}

/// Errors: 22003 for an infinity that comes of finite values.
fn checked(value: f64) -> Result<f64> {
    if value.is_infinite() {
        return Err(Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow"));
    }
    Ok(value)
}

/// numerator / denominator rounded half up; neither is below zero.
fn rounded(numerator: &BigInt, denominator: &BigInt) -> BigInt {
    (numerator * 2u32 + denominator) / (denominator * 2u32)
}

fn framed(bytes: Vec<u8>) -> Vec<u8> {
    [(bytes.len() as u32).to_le_bytes().as_slice(), &bytes].concat()
}

/// Reads N pieces of [`framed`].
fn parts<const N: usize>(mut bytes: &[u8]) -> Result<[&[u8]; N]> {
    let damaged = || Error::new(code::DATA_CORRUPTED, "damaged state of a statistic");
    let mut parts = [&bytes[..0]; N];
    for part in &mut parts {
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
        (*part, bytes) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(damaged)?;
    }
    if bytes.is_empty() { Ok(parts) } else { Err(damaged()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(values: &[i64]) -> WholeMoments {
        let mut moments = WholeMoments::default();
        values.iter().for_each(|v| moments.add(i256::from_i128((*v).into())));
        moments
    }

    fn pairs(values: &[(f64, f64)]) -> Pairs {
        let mut pairs = Pairs::default();
        values.iter().for_each(|v| pairs.add(*v));
        pairs
    }

    #[test]
    fn squares_beyond_128_bits_are_kept() {
        let mut moments = whole(&[i64::MIN, i64::MAX, i64::MIN, i64::MAX, i64::MIN]);
        assert!(moments.wide.is_some(), "five squares of 2^126 are more than 2^127");
        (0..2).for_each(|_| moments.sub(i256::from_i128(i64::MIN.into())));
        moments.sub(i256::from_i128(i64::MAX.into()));
        assert_eq!(moments.to_bytes(), whole(&[i64::MIN, i64::MAX]).to_bytes());
    }

    #[test]
    fn a_quotient_is_rounded_once() {
        let (one, three) = (BigInt::from(1), BigInt::from(3));
        assert_eq!(float(&one, &three, 0), 1.0 / 3.0);
        assert_eq!(float(&-one.clone(), &three, -1074), -0.0);
        assert_eq!(float(&BigInt::from(2), &three, -1074), 5e-324);
        assert_eq!(float(&one, &one, 1023), 2f64.powi(1023));
        assert!(float(&one, &one, 1024).is_infinite());
    }

    proptest! {
        #[test]
        fn what_was_taken_out_leaves_no_trace(
            values in proptest::collection::vec((-1e6f64..1e6, proptest::num::f64::NORMAL), 0..20),
            gone in proptest::collection::vec((proptest::num::f64::ANY, proptest::num::f64::ANY), 0..10),
        ) {
            let straight = pairs(&values);
            let mut other = pairs(&gone);
            values.iter().rev().for_each(|v| other.add(*v));
            gone.iter().for_each(|v| other.sub(*v));
            prop_assert_eq!(straight.to_bytes(), other.to_bytes());
            let (left, right) = values.split_at(values.len() / 2);
            let mut merged = pairs(left);
            merged.merge(&Pairs::from_bytes(&pairs(right).to_bytes()).unwrap());
            prop_assert_eq!(merged.to_bytes(), straight.to_bytes());
        }

        #[test]
        fn floats_and_whole_numbers_agree(values in proptest::collection::vec(-1_000_000i64..1_000_000, 2..50)) {
            let count = values.len() as i64;
            let mut floats = FloatMoments::default();
            values.iter().for_each(|v| floats.add(*v as f64));
            let exact = whole(&values).finish(count, Of::Sample, false, 0, 20).unwrap();
            let (Some(Total::Decimal(exact)), Ok(Some(Total::Float(float)))) = (exact, floats.finish(count, Of::Sample, false)) else {
                return Err(TestCaseError::fail("two values have a variance"));
            };
            let exact = exact.to_string().parse::<f64>().unwrap() / 1e20;
            prop_assert!((exact - float).abs() <= float * 1e-15, "{} and {}", exact, float);
        }
    }
}
