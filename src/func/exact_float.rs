//! Exact sums of float8: the result does not depend on the order of the additions, nor on what was added and taken out between.
//!
//! A sum is kept as a fixed-point number wide enough for every finite float8 (2^-1074 .. 2^1024), in limbs of 32 bits held in
//! i64 slots, so that 2^30 additions need no carry. Only the limbs in use are stored. [`ExactSum::value`] rounds once, to
//! nearest even. Infinities and NaN are counted, so that they can be taken out again. So an incrementally kept sum equals the
//! batch sum bit for bit. A sum of zeros is +0, unless all of them are -0 ([`ExactSum::is_of_minus_zeros`]).

use bigdecimal::num_bigint::{BigInt, BigUint};

use crate::error::{Error, Result, code};

/// Additions after which the carries are brought forward.
const PENDING_MAX: u32 = 1 << 30;
/// Bits before the lowest one: limb 0 begins at 2^-1074.
pub const BIAS: i32 = 1_074;

/// An exact sum of float8 values. Size: 4 bytes per 32 bits between the lowest and the highest bit in use, twice.
#[derive(Clone, Debug, Default)]
pub struct ExactSum {
    /// `limbs[i]` weighs 2^(32 * (base + i) - 1074).
    limbs: Vec<i64>,
    base: usize,
    pending: u32,
    nan: i64,
    positive_infinities: i64,
    negative_infinities: i64,
    minus_zeros: i64,
}

impl ExactSum {
    /// Adds `value`. Cost O(1).
    pub fn add(&mut self, value: f64) {
        self.accumulate(value, 1);
    }

    /// Takes out a `value` that was added. Cost O(1).
    pub fn sub(&mut self, value: f64) {
        self.accumulate(value, -1);
    }

    fn accumulate(&mut self, value: f64, weight: i64) {
        if !value.is_finite() {
            return self.count_special(value, weight);
        }
        let (mantissa, position) = parts(value);
        if mantissa == 0 {
            self.minus_zeros += if value.is_sign_negative() { weight } else { 0 };
            return;
        }
        self.add_bits(mantissa, position, if value.is_sign_negative() { -weight } else { weight });
    }

    /// Adds mantissa * 2^position, in units of the lowest bit, `sign` (1 or -1) times.
    fn add_bits(&mut self, mantissa: u64, position: usize, sign: i64) {
        if mantissa == 0 {
            return;
        }
        let (limb, shift) = (position / 32, position % 32);
        let wide = u128::from(mantissa) << shift;
        let slots = self.reserve(limb, 3);
        for (i, slot) in slots.iter_mut().enumerate() {
            *slot += sign * ((wide >> (32 * i)) as u32 as i64);
        }
        self.pending += 1;
        if self.pending >= PENDING_MAX {
            self.carry();
        }
    }

    fn count_special(&mut self, value: f64, weight: i64) {
        let counter = match (value.is_nan(), value > 0.0) {
            (true, _) => &mut self.nan,
            (false, true) => &mut self.positive_infinities,
            (false, false) => &mut self.negative_infinities,
        };
        *counter += weight;
    }

    /// The slots of `count` limbs from limb `first` on, created if need be.
    fn reserve(&mut self, first: usize, count: usize) -> &mut [i64] {
        if self.limbs.is_empty() {
            self.base = first;
        } else if first < self.base {
            let missing = self.base - first;
            self.limbs.splice(0..0, std::iter::repeat_n(0, missing));
            self.base = first;
        }
        let start = first - self.base;
        if self.limbs.len() < start + count {
            self.limbs.resize(start + count, 0);
        }
        &mut self.limbs[start..start + count]
    }

    /// Brings carries forward: every limb but the last is then in 0..2^32, and the last bears the sign.
    fn carry(&mut self) {
        let mut carry = 0i64;
        for slot in &mut self.limbs {
            let total = *slot + carry;
            *slot = total & 0xffff_ffff;
            carry = total >> 32;
        }
        if carry != 0 {
            // The last limb keeps the sign: a carry of -1 into a new last limb is that sign.
            self.limbs.push(carry);
        }
        self.pending = 0;
        self.trim();
    }

    /// Drops limbs that say nothing: zeros at either end, and a last -1 above a limb that can bear the sign itself.
    fn trim(&mut self) {
        while let [.., below, -1] = self.limbs.as_mut_slice() {
            *below -= 1 << 32;
            self.limbs.pop();
            if self.limbs.last().is_some_and(|l| *l < -(1 << 32)) {
                break;
            }
        }
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
        let zeros = self.limbs.iter().take_while(|l| **l == 0).count();
        self.limbs.drain(..zeros);
        self.base = if self.limbs.is_empty() { 0 } else { self.base + zeros };
    }

    /// Adds the sum `other`. Cost O(limbs).
    pub fn merge(&mut self, other: &ExactSum) {
        let mut other = other.clone();
        other.carry();
        self.carry();
        if !other.limbs.is_empty() {
            let slots = self.reserve(other.base, other.limbs.len());
            for (slot, limb) in slots.iter_mut().zip(&other.limbs) {
                *slot += limb;
            }
            self.pending = 1;
        }
        self.nan += other.nan;
        self.positive_infinities += other.positive_infinities;
        self.negative_infinities += other.negative_infinities;
        self.minus_zeros += other.minus_zeros;
    }

    /// True for a sum of `count` values of which there are some and all are -0: -0 to IEEE 754, and so to PostgreSQL's sum().
    pub fn is_of_minus_zeros(&self, count: i64) -> bool {
        count != 0 && self.minus_zeros == count
    }

    /// True if an infinity or a NaN is in the sum.
    pub fn has_special(&self) -> bool {
        self.nan != 0 || self.positive_infinities != 0 || self.negative_infinities != 0
    }

    /// The sum, rounded to nearest even once; an infinity if it is beyond the range of float8.
    pub fn value(&self) -> f64 {
        if self.has_special() {
            return match (self.nan != 0, self.positive_infinities != 0, self.negative_infinities != 0) {
                (true, ..) | (false, true, true) => f64::NAN,
                (false, true, false) => f64::INFINITY,
                _ => f64::NEG_INFINITY,
            };
        }
        let mut exact = self.clone();
        exact.carry();
        let negative = exact.limbs.last().is_some_and(|l| *l < 0);
        if negative {
            exact.limbs.iter_mut().for_each(|l| *l = -*l);
            exact.carry();
        }
        let magnitude = exact.magnitude();
        if negative { -magnitude } else { magnitude }
    }

    /// Rounds limbs that are all in 0..2^32 (the last may be larger).
    fn magnitude(&self) -> f64 {
        let bit = |position: usize| {
            let limb = position / 32;
            limb >= self.base && self.limbs.get(limb - self.base).is_some_and(|l| *l >> (position % 32) & 1 == 1)
        };
        let Some(last) = self.limbs.last().filter(|l| **l > 0) else { return 0.0 };
        let last_at = (self.base + self.limbs.len() - 1) * 32;
        // The last limb may exceed 32 bits only before a carry, which `value` has done.
        let highest = last_at + 63 - last.leading_zeros() as usize;
        let low = highest.saturating_sub(52);
        let mut mantissa = 0u64;
        for position in (low..=highest).rev() {
            mantissa = mantissa << 1 | u64::from(bit(position));
        }
        if low > 0 && bit(low - 1) && (mantissa & 1 == 1 || self.any_below(low - 1)) {
            mantissa += 1;
        }
        // A mantissa of 2^53 after rounding carries into the exponent by itself.
        let bits = if low == 0 { mantissa } else { ((low as u64) << 52) + mantissa };
        if bits >= f64::INFINITY.to_bits() { f64::INFINITY } else { f64::from_bits(bits) }
    }

    /// The finite part of the sum in units of its lowest bit, 2^-1074. Cost O(limbs).
    pub fn units(&self) -> BigInt {
        let mut exact = self.clone();
        exact.carry();
        let Some((sign, digits)) = exact.limbs.split_last() else { return BigInt::ZERO };
        // After a carry all but the last are in 0..2^32.
        let low = BigUint::new(digits.iter().map(|l| *l as u32).collect());
        ((BigInt::from(*sign) << (32 * digits.len())) + BigInt::from(low)) << (32 * exact.base)
    }

    fn any_below(&self, position: usize) -> bool {
        let limb = position / 32;
        self.limbs.iter().enumerate().any(|(i, l)| match (self.base + i).cmp(&limb) {
            std::cmp::Ordering::Less => *l != 0,
            std::cmp::Ordering::Equal => l & ((1 << (position % 32)) - 1) != 0,
            std::cmp::Ordering::Greater => false,
        })
    }

    /// The sum as PostgreSQL returns it. Errors: 22003 if finite values sum beyond the range.
    pub fn checked(&self) -> Result<f64> {
        let value = self.value();
        if value.is_infinite() && !self.has_special() {
            return Err(Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow"));
        }
        Ok(value)
    }

    /// A canonical form: equal sums of equal history of infinities have equal bytes. Layout, little endian: four i64 counters,
    /// u32 base, then the limbs as i64.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut exact = self.clone();
        exact.carry();
        let mut bytes = Vec::with_capacity(36 + 8 * exact.limbs.len());
        for counter in [exact.nan, exact.positive_infinities, exact.negative_infinities, exact.minus_zeros] {
            bytes.extend(counter.to_le_bytes());
        }
        bytes.extend((exact.base as u32).to_le_bytes());
        exact.limbs.iter().for_each(|l| bytes.extend(l.to_le_bytes()));
        bytes
    }

    /// Reads [`ExactSum::to_bytes`]. Errors: XX001 for bytes of another form.
    pub fn from_bytes(bytes: &[u8]) -> Result<ExactSum> {
        let damaged = || Error::new(code::DATA_CORRUPTED, "damaged state of a float sum");
        let (head, limbs) = bytes.split_at_checked(36).ok_or_else(damaged)?;
        let word = |at: usize| head.get(at..at + 8).and_then(|b| b.try_into().ok()).map(i64::from_le_bytes).ok_or_else(damaged);
        let base = head.get(32..36).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes).ok_or_else(damaged)? as usize;
        if limbs.len() % 8 != 0 || base > (BIAS as usize * 4) / 32 + 2 || limbs.len() > 8 * 256 {
            return Err(damaged());
        }
        let limbs = limbs.chunks_exact(8).filter_map(|c| c.try_into().ok()).map(i64::from_le_bytes).collect();
        let (positive_infinities, negative_infinities) = (word(8)?, word(16)?);
        Ok(ExactSum { limbs, base, pending: 1, nan: word(0)?, positive_infinities, negative_infinities, minus_zeros: word(24)? })
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.limbs.capacity() * 8
    }
}

/// Mantissa and position of a finite value: |value| = mantissa * 2^(position - 1074).
fn parts(value: f64) -> (u64, usize) {
    let bits = value.to_bits();
    let exponent = (bits >> 52 & 0x7ff) as usize;
    let fraction = bits & ((1 << 52) - 1);
    if exponent == 0 { (fraction, 0) } else { (fraction | 1 << 52, exponent - 1) }
}

/// An exact sum of products of two float8 values: twice as wide as [`ExactSum`], with 2^-2148 as its lowest bit.
#[derive(Clone, Debug, Default)]
pub struct ExactProducts(ExactSum);

impl ExactProducts {
    /// The power of two of the lowest bit.
    pub const EXPONENT: i32 = -2 * BIAS;

    /// Adds x * y `weight` (1 or -1) times. Cost O(1).
    pub fn add(&mut self, x: f64, y: f64, weight: i64) {
        if !x.is_finite() || !y.is_finite() {
            return self.0.count_special(x * y, weight);
        }
        let ((a, at), (b, also)) = (parts(x), parts(y));
        let product = u128::from(a) * u128::from(b);
        let sign = if x.is_sign_negative() != y.is_sign_negative() { -weight } else { weight };
        self.0.add_bits(product as u64, at + also, sign);
        self.0.add_bits((product >> 64) as u64, at + also + 64, sign);
    }

    /// Adds the sum `other`. Cost O(limbs).
    pub fn merge(&mut self, other: &ExactProducts) {
        self.0.merge(&other.0);
    }

    /// The finite part of the sum in units of 2^[`Self::EXPONENT`]. Cost O(limbs).
    pub fn units(&self) -> BigInt {
        self.0.units()
    }

    /// As [`ExactSum::to_bytes`].
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes()
    }

    /// Reads [`ExactProducts::to_bytes`]. Errors: XX001 for bytes of another form.
    pub fn from_bytes(bytes: &[u8]) -> Result<ExactProducts> {
        ExactSum::from_bytes(bytes).map(ExactProducts)
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(values: &[f64]) -> ExactSum {
        let mut sum = ExactSum::default();
        values.iter().for_each(|v| sum.add(*v));
        sum
    }

    #[test]
    fn known_sums_are_rounded_once() {
        assert_eq!(sum(&[]).value(), 0.0);
        assert_eq!(sum(&[0.1, 0.2]).value(), 0.1 + 0.2);
        assert_eq!(sum(&[1e308, 1e-308, -1e308]).value(), 1e-308);
        assert_eq!(sum(&[f64::MAX, f64::MAX, -f64::MAX]).value(), f64::MAX);
        assert_eq!(sum(&[1.0, 1e100, 1.0, -1e100]).value(), 2.0);
        assert_eq!(sum(&[-5e-324, -5e-324]).value(), -1e-323);
        assert_eq!(sum(&[f64::MAX, f64::MAX]).checked().unwrap_err().code(), code::NUMERIC_VALUE_OUT_OF_RANGE);
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).value().is_nan());
        let tie = 2f64.powi(53);
        assert_eq!(sum(&[tie, 1.0]).value(), tie);
        assert_eq!(sum(&[tie, 1.0, 2f64.powi(-1000)]).value(), tie + 2.0);
        assert_eq!(sum(&[-tie, -1.0, -2f64.powi(-1000)]).value(), -tie - 2.0);
    }

    #[test]
    fn only_a_sum_of_minus_zeros_is_one() {
        assert!(!sum(&[]).is_of_minus_zeros(0));
        let mut zeros = sum(&[-0.0, -0.0]);
        assert!(zeros.is_of_minus_zeros(2));
        zeros.add(0.0);
        assert!(!zeros.is_of_minus_zeros(3));
        zeros.sub(0.0);
        let mut other = ExactSum::from_bytes(&zeros.to_bytes()).unwrap();
        other.merge(&sum(&[-0.0]));
        assert!(other.is_of_minus_zeros(3));
        other.merge(&sum(&[1.0, -1.0]));
        assert!(!other.is_of_minus_zeros(5));
    }

    proptest! {
        #[test]
        fn one_value_comes_back(v in proptest::num::f64::ANY.prop_filter("zero or nan", |v| *v != 0.0 && !v.is_nan())) {
            prop_assert_eq!(sum(&[v]).value().to_bits(), v.to_bits());
        }

        #[test]
        fn the_order_and_what_was_taken_out_leave_no_trace(
            values in proptest::collection::vec(proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO, 0..30),
            gone in proptest::collection::vec(proptest::num::f64::ANY, 0..10),
        ) {
            let straight = sum(&values);
            let mut other = sum(&gone);
            values.iter().rev().for_each(|v| other.add(*v));
            gone.iter().for_each(|v| other.sub(*v));
            prop_assert_eq!(straight.to_bytes(), other.to_bytes());
            prop_assert_eq!(straight.value().to_bits(), other.value().to_bits());
            let (left, right) = values.split_at(values.len() / 2);
            let mut merged = sum(left);
            merged.merge(&ExactSum::from_bytes(&sum(right).to_bytes()).unwrap());
            prop_assert_eq!(merged.to_bytes(), straight.to_bytes());
        }

        #[test]
        fn a_sum_of_whole_numbers_is_exact(values in proptest::collection::vec(-(1i64 << 40)..(1i64 << 40), 0..100)) {
            let exact: i64 = values.iter().sum();
            prop_assert_eq!(sum(&values.iter().map(|v| *v as f64).collect::<Vec<_>>()).value(), exact as f64);
        }
    }
}
