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
use crate::data::PgType;
use crate::data::types::{NUMERIC_PRECISION_MAX, QUOTIENT_SCALE};
use crate::error::{Error, Result, code};

fn no_function(name: &str, ty: &DataType) -> Error {
    Error::new(code::UNDEFINED_FUNCTION, format!("function {name}({}) does not exist", PgType::of_arrow(ty).base()))
        .hint("No function matches the given name and argument types. You might need to add explicit type casts.")
}

/// The type that an argument of sum or avg is coerced to. Errors: 42883.
pub fn argument_type(name: &str, ty: &DataType) -> Result<DataType> {
    let ty = canonical(ty);
    match ty {
        DataType::Null => Ok(DataType::Float64),
        ref t if t.is_numeric() || *t == rules::INTERVAL => Ok(ty),
        DataType::Time64(_) => Ok(rules::INTERVAL),
        other => Err(no_function(name, &other)),
    }
}

/// The type of sum over an argument of this type. Errors: 42883.
pub fn sum_type(ty: &DataType) -> Result<DataType> {
    use DataType::*;
    Ok(match argument_type("sum", ty)? {
        Int16 | Int32 => Int64,
        Int64 => Decimal128(NUMERIC_PRECISION_MAX, 0),
        Decimal128(_, s) => Decimal128(NUMERIC_PRECISION_MAX, s),
        Decimal256(_, s) => Decimal256(WIDE_PRECISION, s),
        other => other,
    })
}

/// The type of avg over an argument of this type. Errors: 42883.
pub fn avg_type(ty: &DataType) -> Result<DataType> {
    use DataType::*;
    Ok(match argument_type("avg", ty)? {
        Int16 | Int32 | Int64 => Decimal256(WIDE_PRECISION, QUOTIENT_SCALE),
        Decimal128(_, s) | Decimal256(_, s) => Decimal256(WIDE_PRECISION, QUOTIENT_SCALE.max(s).min(QUOTIENT_SCALE_MAX)),
        Float32 | Float64 => Float64,
        other => other,
    })
}

/// Scale of the average of values of scale `scale`.
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

    /// Adds another sum.
    pub fn merge(&mut self, other: &WideSum) {
        self.add(other.low);
        self.carry += other.carry;
    }

    /// The sum. Errors: 22003 if it does not fit.
    pub fn value(&self) -> Result<i256> {
        if self.carry == 0 { Ok(self.low) } else { Err(overflow()) }
    }

    /// 40 bytes: low and carry, little endian.
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

/// What is computed: sum or avg, over which type, giving which.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    pub average: bool,
    pub input: DataType,
    pub output: DataType,
}

impl Spec {
    /// sum or avg (`average`) over `input`. Errors: 42883.
    pub fn new(average: bool, input: &DataType) -> Result<Spec> {
        let input = argument_type(if average { "avg" } else { "sum" }, input)?;
        let output = if average { avg_type(&input)? } else { sum_type(&input)? };
        Ok(Spec { average, input, output })
    }

    /// Scale of the sum.
    fn scale(&self) -> i8 {
        if let DataType::Decimal128(_, s) | DataType::Decimal256(_, s) = self.input { s } else { 0 }
    }

    /// True if the state is an i128; see the table at the head.
    pub fn is_narrow(&self) -> bool {
        match self.input {
            DataType::Decimal128(p, _) => p <= 20,
            ref t => t.is_integer(),
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
        let value = if self.average { quotient(sum, self.scale(), count)? } else { sum };
        let digits = if let DataType::Decimal128(p, _) | DataType::Decimal256(p, _) = self.output { p } else { WIDE_PRECISION };
        if value.wrapping_abs() >= pow10(u32::from(digits)) {
            return Err(overflow());
        }
        Ok(Total::Decimal(value))
    }

    /// The value of a sum of floats. Errors: 22003.
    pub fn finish_float(&self, sum: &ExactSum, count: i64) -> Result<Total> {
        let total = sum.checked()?;
        if self.average {
            return Ok(Total::Float(total / count as f64));
        }
        let rounded = if self.output == DataType::Float32 { f64::from(total as f32) } else { total };
        if rounded.is_infinite() && total.is_finite() {
            return Err(Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow"));
        }
        Ok(Total::Float(rounded))
    }

    /// The value of a sum of intervals. Errors: 22008.
    pub fn finish_interval(&self, sum: &IntervalSum, count: i64) -> Result<Total> {
        Ok(Total::Interval(if self.average { sum.average(count)? } else { sum.value()? }))
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
    fn an_average_is_rounded_half_away_from_zero() {
        let two_thirds = quotient(i256::from_i128(-2), 0, 3).unwrap();
        assert_eq!(two_thirds.to_i128(), Some(-66_666_666_666_666_666_667));
        let spec = Spec::new(false, &DataType::Int32).unwrap();
        assert_eq!(spec.finish_narrow(1 << 70, 1).unwrap_err().message(), "bigint out of range");
    }
}
