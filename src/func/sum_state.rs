//! What sum and avg are made of: their types, their states, and how a state becomes a value. The fold of a view uses these
//! very structs, so that an incrementally kept sum and a batch sum cannot differ.
//!
//! | argument | sum | avg | state |
//! |---|---|---|---|
//! | int2, int4 | bigint | numeric | i128 |
//! | int8 | numeric(38,0) | numeric | i128 |
//! | numeric(p,s) | numeric(38,s) | numeric, scale max(20, s) | i128 if p <= 20, else [`WideSum`] |
//! | numeric | numeric | numeric | [`WideSum`] |
//! | float4 | float4 | float8 | [`ExactSum`] |
//! | float8 | float8 | float8 | [`ExactSum`] |
//! | interval | interval | interval | [`IntervalSum`] |
//!
//! No state can wrap: i128 holds 2^64 values of 64 bits, [`WideSum`] counts its carries. Only the finished value is checked.

use arrow::datatypes::{DataType, IntervalMonthDayNano, i256};

use super::arith::decimal::{div_round, div_round_128, overflow, pow10};
use super::arith::rules::{self, QUOTIENT_SCALE_MAX, WIDE_PRECISION, canonical};
use super::arith::{out_of_range, time};
use super::exact_float::ExactSum;
use super::moments::{FloatMoments, Of, Pair, Pairs, WholeMoments};
use crate::data::PgType;
use crate::data::types::{NUMERIC_PRECISION_MAX, QUOTIENT_SCALE};
use crate::error::{Error, Result, code};

/// Digits of decimals of which no sum is wider than 128 bits.
pub const NARROW_DIGITS_MAX: u8 = 20;

/// What is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    Sum,
    Avg,
    Variance(Of),
    /// The root of the variance.
    Deviation(Of),
    Pair(Pair),
}

impl What {
    /// How many arguments it has.
    pub fn arguments(self) -> usize {
        if matches!(self, What::Pair(_)) { 2 } else { 1 }
    }

    /// The type that an argument of the function `name` is coerced to. Errors: 42883.
    pub fn argument_type(self, name: &str, ty: &DataType) -> Result<DataType> {
        let ty = canonical(ty);
        match (self, ty) {
            (_, DataType::Null) => Ok(DataType::Float64),
            (What::Pair(_), ty) if ty.is_numeric() => Ok(DataType::Float64),
            (_, ty) if ty.is_numeric() => Ok(ty),
            (What::Sum | What::Avg, rules::INTERVAL | DataType::Time64(_)) => Ok(rules::INTERVAL),
            (_, ty) => Err(no_function(name, &ty)),
        }
    }

    /// The type of its result over an argument of a type that [`What::argument_type`] gives.
    fn result_type(self, ty: &DataType) -> DataType {
        match (self, ty) {
            (What::Sum, _) => sum_of(ty),
            (What::Pair(Pair::Count), _) => DataType::Int64,
            (What::Pair(_), _) | (_, DataType::Float32 | DataType::Float64) => DataType::Float64,
            (What::Avg, ty) => numeric_of(ty, scale(ty)),
            // Squares have twice the decimals.
            (_, ty) => numeric_of(ty, scale(ty).saturating_mul(2)),
        }
    }
}

fn no_function(name: &str, ty: &DataType) -> Error {
    Error::new(code::UNDEFINED_FUNCTION, format!("function {name}({}) does not exist", PgType::of_arrow(ty).base()))
        .hint("No function matches the given name and argument types. You might need to add explicit type casts.")
}

/// The type of sum over an argument of this type. Errors: 42883.
pub fn sum_type(ty: &DataType) -> Result<DataType> {
    Ok(sum_of(&What::Sum.argument_type("sum", ty)?))
}

fn sum_of(ty: &DataType) -> DataType {
    use DataType::*;
    match *ty {
        Int16 | Int32 => Int64,
        Int64 => Decimal128(NUMERIC_PRECISION_MAX, 0),
        Decimal128(_, s) => Decimal128(NUMERIC_PRECISION_MAX, s),
        Decimal256(_, s) => Decimal256(WIDE_PRECISION, s),
        ref other => other.clone(),
    }
}

/// The numeric of quotients of scale `scale`; a type without digits (interval) stays.
fn numeric_of(ty: &DataType, scale: i8) -> DataType {
    if ty.is_numeric() { DataType::Decimal256(WIDE_PRECISION, avg_scale(scale)) } else { ty.clone() }
}

fn scale(ty: &DataType) -> i8 {
    if let DataType::Decimal128(_, s) | DataType::Decimal256(_, s) = ty { *s } else { 0 }
}

/// Scale of the average of values of scale `scale`, and of other quotients.
pub fn avg_scale(scale: i8) -> i8 {
    QUOTIENT_SCALE.max(scale).min(QUOTIENT_SCALE_MAX)
}

/// The average at scale [`avg_scale`]: numerator (a sum at scale `scale`) / count, rounded half away from zero. The count is
/// above zero. Errors: 22003.
pub fn quotient(numerator: i256, scale: i8, count: i64) -> Result<i256> {
    let shift = avg_scale(scale) - scale;
    if let Some(narrow) = numerator.to_i128()
        && let Some(shifted) = 10i128.checked_pow(shift.max(0) as u32).and_then(|p| narrow.checked_mul(p))
        && shift >= 0
    {
        return Ok(i256::from_i128(div_round_128(shifted, i128::from(count))));
    }
    let count = i256::from_i128(i128::from(count));
    if shift < 0 {
        return Ok(div_round(numerator, count.checked_mul(pow10((-shift) as u32)).ok_or_else(overflow)?));
    }
    Ok(div_round(numerator.checked_mul(pow10(shift as u32)).ok_or_else(overflow)?, count))
}

/// A sum in 256 bits that counts its carries: exact whatever the order, even where a partial sum would not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WideSum {
    low: i256,
    carry: i64,
}

impl WideSum {
    /// Adds a value.
    pub fn add(&mut self, value: i256) {
        let sum = self.low.wrapping_add(value);
        // Overflow has happened just when both operands have one sign and the sum the other.
        if self.low.is_negative() == value.is_negative() && sum.is_negative() != value.is_negative() {
            self.carry += if value.is_negative() { -1 } else { 1 };
        }
        self.low = sum;
    }

    /// Takes a value out.
    pub fn sub(&mut self, value: i256) {
        let difference = self.low.wrapping_sub(value);
        if self.low.is_negative() != value.is_negative() && difference.is_negative() != self.low.is_negative() {
            self.carry += if value.is_negative() { 1 } else { -1 };
        }
        self.low = difference;
    }

    /// Adds a value so many times, or takes it out. Cost O(log times).
    pub fn add_times(&mut self, value: i256, times: i64) {
        match times {
            1 => self.add(value),
            -1 => self.sub(value),
            _ => {
                let (mut term, mut left) = (WideSum { low: value, carry: 0 }, times.unsigned_abs());
                while left > 0 {
                    match (left & 1 == 1, times > 0) {
                        (true, true) => self.merge(&term),
                        (true, false) => self.take_out(&term),
                        _ => {}
                    }
                    left >>= 1;
                    if left > 0 {
                        term.merge(&term.clone());
                    }
                }
            }
        }
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &WideSum) {
        self.add(other.low);
        self.carry += other.carry;
    }

    /// Takes another sum out.
    fn take_out(&mut self, other: &WideSum) {
        self.sub(other.low);
        self.carry -= other.carry;
    }

    /// The sum. Errors: 22003 if it does not fit.
    pub fn value(&self) -> Result<i256> {
        if self.carry == 0 { Ok(self.low) } else { Err(overflow()) }
    }

    /// As many [`WideSum::to_bytes`] makes.
    pub const BYTES: usize = 32 + 8;

    /// [`WideSum::BYTES`] bytes: low and carry, little endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.low.to_le_bytes().as_slice(), &self.carry.to_le_bytes()].concat()
    }

    /// Reads [`WideSum::to_bytes`]. Errors: XX001.
    pub fn from_bytes(bytes: &[u8]) -> Result<WideSum> {
        let damaged = || Error::new(code::DATA_CORRUPTED, "damaged state of a sum");
        let (low, carry) = bytes.split_at_checked(32).ok_or_else(damaged)?;
        let low = i256::from_le_bytes(low.try_into().map_err(|_| damaged())?);
        Ok(WideSum { low, carry: i64::from_le_bytes(carry.try_into().map_err(|_| damaged())?) })
    }
}

/// A sum of intervals, field by field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntervalSum {
    months: i64,
    days: i64,
    nanos: i128,
}

impl IntervalSum {
    /// Adds a value.
    pub fn add(&mut self, v: IntervalMonthDayNano) {
        self.months += i64::from(v.months);
        self.days += i64::from(v.days);
        self.nanos += i128::from(v.nanoseconds);
    }

    /// Takes a value out.
    pub fn sub(&mut self, v: IntervalMonthDayNano) {
        self.months -= i64::from(v.months);
        self.days -= i64::from(v.days);
        self.nanos -= i128::from(v.nanoseconds);
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &IntervalSum) {
        self.months += other.months;
        self.days += other.days;
        self.nanos += other.nanos;
    }

    /// The sum. Errors: 22008.
    pub fn value(&self) -> Result<IntervalMonthDayNano> {
        match (i32::try_from(self.months), i32::try_from(self.days), i64::try_from(self.nanos)) {
            (Ok(months), Ok(days), Ok(nanos)) => Ok(IntervalMonthDayNano::new(months, days, nanos)),
            _ => Err(time::out_of_range("interval")),
        }
    }

    /// The average of `count` values. Errors: 22008.
    pub fn average(&self, count: i64) -> Result<IntervalMonthDayNano> {
        time::divide(self.value()?, count as f64)
    }

    /// 32 bytes, little endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.months.to_le_bytes().as_slice(), &self.days.to_le_bytes(), &self.nanos.to_le_bytes()].concat()
    }

    /// Reads [`IntervalSum::to_bytes`]. Errors: XX001.
    pub fn from_bytes(bytes: &[u8]) -> Result<IntervalSum> {
        let damaged = || Error::new(code::DATA_CORRUPTED, "damaged state of a sum");
        let word = |at: usize| bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map(i64::from_le_bytes).ok_or_else(damaged);
        let nanos = bytes.get(16..32).and_then(|b| b.try_into().ok()).map(i128::from_le_bytes).ok_or_else(damaged)?;
        Ok(IntervalSum { months: word(0)?, days: word(8)?, nanos })
    }
}

/// A finished value of sum or avg, in the native form of the result's type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Total {
    Int8(i64),
    Decimal(i256),
    Float(f64),
    Interval(IntervalMonthDayNano),
}

/// What is computed over which type, giving which.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    pub what: What,
    pub input: DataType,
    pub output: DataType,
}

/// The kind of state; see the tables here and in [`super::moments`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// A sum as i128.
    Narrow,
    /// A wider sum, of the argument's type.
    Wide,
    Moments,
    Pairs,
}

impl Spec {
    /// `what` over `input`. Errors: 42883.
    pub fn new(what: What, input: &DataType) -> Result<Spec> {
        let input = what.argument_type(if what == What::Avg { "avg" } else { "sum" }, input)?;
        let output = what.result_type(&input);
        Ok(Spec { what, input, output })
    }

    /// Scale of the sum.
    fn scale(&self) -> i8 {
        scale(&self.input)
    }

    /// The kind of its state.
    pub fn kept(&self) -> Kept {
        match (self.what, &self.input) {
            (What::Pair(_), _) => Kept::Pairs,
            (What::Variance(_) | What::Deviation(_), _) => Kept::Moments,
            (_, DataType::Decimal128(p, _)) if *p <= NARROW_DIGITS_MAX => Kept::Narrow,
            (_, ty) if ty.is_integer() => Kept::Narrow,
            _ => Kept::Wide,
        }
    }

    /// The value of a variance or deviation of whole numbers or mantissas. Errors: 22003.
    pub fn finish_whole(moments: &WholeMoments, count: i64, spec: &Spec) -> Result<Option<Total>> {
        let (of, root) = spec.moment()?;
        moments.finish(count, of, root, spec.scale(), scale(&spec.output))
    }

    /// The value of a variance or deviation of floats. Errors: 22003.
    pub fn finish_float_moments(moments: &FloatMoments, count: i64, spec: &Spec) -> Result<Option<Total>> {
        let (of, root) = spec.moment()?;
        moments.finish(count, of, root)
    }

    /// The value of a statistic of pairs. Errors: 22003.
    pub fn finish_pairs(pairs: &Pairs, count: i64, spec: &Spec) -> Result<Option<Total>> {
        let What::Pair(statistic) = spec.what else { return Err(Error::internal("not a statistic of pairs")) };
        pairs.finish(count, statistic)
    }

    fn moment(&self) -> Result<(Of, bool)> {
        match self.what {
            What::Variance(of) => Ok((of, false)),
            What::Deviation(of) => Ok((of, true)),
            _ => Err(Error::internal("not a variance")),
        }
    }

    /// The value of a sum of whole numbers or mantissas. Errors: 22003.
    pub fn finish_narrow(&self, sum: i128, count: i64) -> Result<Total> {
        if self.output == DataType::Int64 {
            return i64::try_from(sum).map(Total::Int8).map_err(|_| out_of_range(&DataType::Int64));
        }
        self.finish_decimal(i256::from_i128(sum), count)
    }

    /// The value of a sum of mantissas. Errors: 22003.
    pub fn finish_decimal(&self, sum: i256, count: i64) -> Result<Total> {
        let value = if self.what == What::Avg { quotient(sum, self.scale(), count)? } else { sum };
        let digits = if let DataType::Decimal128(p, _) | DataType::Decimal256(p, _) = self.output { p } else { WIDE_PRECISION };
        if value.wrapping_abs() >= pow10(u32::from(digits)) {
            return Err(overflow());
        }
        Ok(Total::Decimal(value))
    }

    /// The value of a sum of floats. Errors: 22003.
    pub fn finish_float(&self, sum: &ExactSum, count: i64) -> Result<Total> {
        let total = sum.checked()?;
        if self.what == What::Avg {
            return Ok(Total::Float(total / count as f64));
        }
        if sum.is_of_minus_zeros(count) {
            return Ok(Total::Float(-0.0));
        }
        let rounded = if self.output == DataType::Float32 { f64::from(total as f32) } else { total };
        if rounded.is_infinite() && total.is_finite() {
            return Err(Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow"));
        }
        Ok(Total::Float(rounded))
    }

    /// The value of a sum of intervals. Errors: 22008.
    pub fn finish_interval(&self, sum: &IntervalSum, count: i64) -> Result<Total> {
        Ok(Total::Interval(if self.what == What::Avg { sum.average(count)? } else { sum.value()? }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_sum_finds_back_from_beyond_its_range() {
        let mut sum = WideSum::default();
        sum.add(i256::MAX);
        sum.add(i256::MAX);
        assert_eq!(sum.value().unwrap_err().code(), code::NUMERIC_VALUE_OUT_OF_RANGE);
        assert_eq!(WideSum::from_bytes(&sum.to_bytes()).unwrap(), sum);
        sum.sub(i256::MAX);
        assert_eq!(sum.value().unwrap(), i256::MAX);
        sum.sub(i256::MAX);
        sum.sub(i256::MIN);
        assert!(sum.value().is_err());
        sum.add(i256::MIN);
        assert_eq!(sum, WideSum::default());
    }

    #[test]
    fn a_value_counts_as_many_times_as_it_is_there() {
        for (value, times) in [(i256::MAX, 5), (i256::MIN, 6), (i256::from_i128(-7), 3), (i256::MAX, 1), (i256::ONE, 0)] {
            let (mut at_once, mut one_by_one) = (WideSum::default(), WideSum::default());
            at_once.add_times(value, times);
            (0..times).for_each(|_| one_by_one.add(value));
            assert_eq!(at_once, one_by_one);
            at_once.add_times(value, -times);
            assert_eq!(at_once, WideSum::default());
        }
    }

    #[test]
    fn an_average_is_rounded_half_away_from_zero() {
        let two_thirds = quotient(i256::from_i128(-2), 0, 3).unwrap();
        assert_eq!(two_thirds.to_i128(), Some(-66_666_666_666_666_666_667));
        let spec = Spec::new(What::Sum, &DataType::Int32).unwrap();
        assert_eq!(spec.finish_narrow(1 << 70, 1).unwrap_err().message(), "bigint out of range");
    }
}
