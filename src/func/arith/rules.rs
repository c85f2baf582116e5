//! Typing of arithmetic: which operand types an operator takes, what they are coerced to, and the type of the result.
//!
//! PostgreSQL's rules (manual, chapters 10.2 and 9.9), on our Arrow types. numeric of p digits is Decimal128 while its digits are
//! known to fit 38, else Decimal256; a product's scale is capped at [`SCALE_MAX`], a quotient has at least
//! [`QUOTIENT_SCALE`] digits after the point.

use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};

use super::Op;
use crate::data::types::{NUMERIC_PRECISION_MAX, QUOTIENT_SCALE, UNCONSTRAINED_SCALE};
use crate::data::{EnumType, PgType};
use crate::error::{Error, Result, code};

/// Largest scale of any numeric we compute with.
pub const SCALE_MAX: i8 = UNCONSTRAINED_SCALE;
/// Largest scale of a quotient: one less than a numeric column's, since the scale tells the two apart.
pub const QUOTIENT_SCALE_MAX: i8 = UNCONSTRAINED_SCALE - 1;
/// Digits of a Decimal256.
pub const WIDE_PRECISION: u8 = 76;

/// interval
pub const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
/// time
pub const TIME: DataType = DataType::Time64(TimeUnit::Microsecond);
/// timestamp
pub const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// timestamptz
pub fn timestamptz() -> DataType {
    PgType::Timestamptz.arrow()
}

/// What an operator does with two operands: the types they are coerced to and the type of the result.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub left: DataType,
    pub right: DataType,
    pub output: DataType,
}

/// The type we compute with for a type that DataFusion may bring (unsigned integers, other time units, views).
pub fn canonical(ty: &DataType) -> DataType {
    use DataType::*;
    match ty {
        Int8 | UInt8 => Int16,
        UInt16 => Int32,
        UInt32 | UInt64 => Int64,
        Float16 => Float32,
        Decimal128(p, s) | Decimal256(p, s) if *s < 0 => decimal(i32::from(*p) - i32::from(*s), 0),
        Decimal32(p, s) | Decimal64(p, s) => Decimal128(*p, *s),
        Date64 => Date32,
        Time32(_) | Time64(_) => TIME,
        Timestamp(_, None) => TIMESTAMP,
        Timestamp(_, Some(_)) if EnumType::of_arrow(ty).is_none() => timestamptz(),
        Interval(_) | Duration(_) => INTERVAL,
        Dictionary(_, value) => canonical(value),
        Utf8 | LargeUtf8 => Utf8View,
        other => other.clone(),
    }
}

/// The decimal type that holds every value of a numeric type: integers by their digits.
pub fn as_decimal(ty: &DataType) -> Option<(u8, i8)> {
    use DataType::*;
    Some(match ty {
        Int16 => (5, 0),
        Int32 => (10, 0),
        Int64 => (19, 0),
        Decimal128(p, s) | Decimal256(p, s) => (*p, *s),
        _ => return None,
    })
}

/// Decimal128 if `digits` before the point and `scale` after fit 38, else Decimal256.
pub fn decimal(digits: i32, scale: i8) -> DataType {
    let precision = digits.max(0) + i32::from(scale);
    if precision <= i32::from(NUMERIC_PRECISION_MAX) {
        return DataType::Decimal128(precision.max(1) as u8, scale);
    }
    DataType::Decimal256(WIDE_PRECISION, scale)
}

/// The scale of the quotient of operands of scales `s1` and `s2`.
pub fn quotient_scale(s1: i8, s2: i8) -> i8 {
    QUOTIENT_SCALE.max(s1).max(s2).min(QUOTIENT_SCALE_MAX)
}

/// The numeric type that comparing or combining two numeric types takes place in; `None` if one of them is no number.
pub fn common_numeric(left: &DataType, right: &DataType) -> Option<DataType> {
    use DataType::*;
    let (left, right) = (canonical(left), canonical(right));
    if left == right && left.is_numeric() {
        return Some(left);
    }
    match (&left, &right) {
        (Int16, Int32) | (Int32, Int16) => Some(Int32),
        (Int16 | Int32 | Int64, Int16 | Int32 | Int64) => Some(Int64),
        (Float32 | Float64, other) | (other, Float32 | Float64) if other.is_numeric() => Some(Float64),
        (l, r) => {
            let ((p1, s1), (p2, s2)) = (as_decimal(l)?, as_decimal(r)?);
            let digits = (i32::from(p1) - i32::from(s1)).max(i32::from(p2) - i32::from(s2));
            Some(decimal(digits, s1.max(s2)))
        }
    }
}

/// What `left op right` does. Errors: 42883 if there is no such operator.
pub fn resolve(op: Op, left: &DataType, right: &DataType) -> Result<Rule> {
    let (mut l, mut r) = (canonical(left), canonical(right));
    match (l.is_null(), r.is_null()) {
        (true, true) => (l, r) = (DataType::Int32, DataType::Int32),
        (true, false) => l = inferred(op, &r, true),
        (false, true) => r = inferred(op, &l, false),
        _ => {}
    }
    let found = numbers(op, &l, &r).or_else(|| times(op, &l, &r));
    found.ok_or_else(|| {
        let name = |t| PgType::of_arrow(t).base();
        Error::no_operator(&format!("{} {} {}", name(left), op.symbol(), name(right)))
    })
}

fn numbers(op: Op, l: &DataType, r: &DataType) -> Option<Rule> {
    let common = common_numeric(l, r)?;
    if !matches!(common, DataType::Decimal128(..) | DataType::Decimal256(..)) {
        if op == Op::Rem && common.is_floating() {
            return None;
        }
        return Some(Rule { left: common.clone(), right: common.clone(), output: common });
    }
    let ((p1, s1), (p2, s2)) = (as_decimal(l)?, as_decimal(r)?);
    let (d1, d2) = (i32::from(p1) - i32::from(s1), i32::from(p2) - i32::from(s2));
    let scale = s1.max(s2);
    let output = match op {
        Op::Add | Op::Sub => decimal(d1.max(d2) + 1, scale),
        Op::Mul => decimal(d1 + d2, s1.saturating_add(s2).min(SCALE_MAX)),
        Op::Div => DataType::Decimal256(WIDE_PRECISION, quotient_scale(s1, s2)),
        Op::Rem => decimal(d1.max(d2), scale),
    };
    let keep = |t: &DataType, (p, s): (u8, i8)| if t.is_integer() { DataType::Decimal128(p, s) } else { t.clone() };
    Some(Rule { left: keep(l, (p1, s1)), right: keep(r, (p2, s2)), output })
}

fn times(op: Op, l: &DataType, r: &DataType) -> Option<Rule> {
    use DataType::*;
    let rule = |left: &DataType, right: &DataType, output: &DataType| {
        Some(Rule { left: left.clone(), right: right.clone(), output: output.clone() })
    };
    let number = |t: &DataType| t.is_numeric();
    let mixed_zone = |a: &DataType, b: &DataType| if a == b { a.clone() } else { timestamptz() };
    match (op, l, r) {
        (Op::Add | Op::Sub, Date32, Int16 | Int32 | Int64) => rule(l, &Int64, &Date32),
        (Op::Add, Int16 | Int32 | Int64, Date32) => rule(&Int64, r, &Date32),
        (Op::Sub, Date32, Date32) => rule(l, r, &Int32),
        (Op::Add | Op::Sub, Date32, Interval(_)) => rule(&TIMESTAMP, r, &TIMESTAMP),
        (Op::Add, Interval(_), Date32) => rule(l, &TIMESTAMP, &TIMESTAMP),
        (Op::Add, Date32 | Timestamp(_, None), Time64(_)) => rule(&TIMESTAMP, &TIME, &TIMESTAMP),
        (Op::Add, Time64(_), Date32 | Timestamp(_, None)) => rule(&TIME, &TIMESTAMP, &TIMESTAMP),
        (Op::Add | Op::Sub, Timestamp(..), Interval(_)) => rule(l, r, l),
        (Op::Add, Interval(_), Timestamp(..)) => rule(l, r, r),
        (Op::Sub, Timestamp(..) | Date32, Timestamp(..)) | (Op::Sub, Timestamp(..), Date32) => {
            let zone = |t: &DataType| if *t == Date32 { TIMESTAMP } else { t.clone() };
            let common = mixed_zone(&zone(l), &zone(r));
            rule(&common, &common, &INTERVAL)
        }
        (Op::Add | Op::Sub, Time64(_), Interval(_)) => rule(l, r, &TIME),
        (Op::Add, Interval(_), Time64(_)) => rule(l, r, &TIME),
        (Op::Sub, Time64(_), Time64(_)) => rule(l, r, &INTERVAL),
        (Op::Add | Op::Sub, Interval(_), Interval(_)) => rule(l, r, &INTERVAL),
        (Op::Mul, Interval(_), Int16 | Int32 | Int64) => rule(l, &Int64, &INTERVAL),
        (Op::Mul, Int16 | Int32 | Int64, Interval(_)) => rule(&Int64, r, &INTERVAL),
        (Op::Mul | Op::Div, Interval(_), t) if number(t) => rule(l, &Float64, &INTERVAL),
        (Op::Mul, t, Interval(_)) if number(t) => rule(&Float64, r, &INTERVAL),
        _ => None,
    }
}

/// The type that an operand of unknown type takes beside one of type `other`. `is_left`: the unknown one stands on the left.
pub fn inferred(op: Op, other: &DataType, is_left: bool) -> DataType {
    let other = canonical(other);
    match (op, &other) {
        (Op::Add, DataType::Timestamp(..) | DataType::Time64(_) | DataType::Date32) => INTERVAL,
        (Op::Add, DataType::Interval(_)) => INTERVAL,
        (Op::Mul | Op::Div, DataType::Interval(_)) => DataType::Float64,
        (Op::Sub, DataType::Date32) if is_left => DataType::Date32,
        _ => other,
    }
}

/// The type of `- value`. Errors: 42883 if the type has no unary minus.
pub fn negated(ty: &DataType) -> Result<DataType> {
    let ty = canonical(ty);
    if ty.is_null() {
        return Ok(DataType::Int32);
    }
    if ty.is_numeric() || matches!(ty, DataType::Interval(_)) {
        return Ok(ty);
    }
    Err(Error::new(code::UNDEFINED_FUNCTION, format!("operator does not exist: - {}", PgType::of_arrow(&ty).base())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_results_are_those_of_postgresql() {
        use DataType::*;
        let output = |op, l: &DataType, r: &DataType| resolve(op, l, r).unwrap().output;
        assert_eq!(output(Op::Add, &Int16, &Int16), Int16);
        assert_eq!(output(Op::Add, &Int32, &Int64), Int64);
        assert_eq!(output(Op::Mul, &Decimal128(3, 3), &Int64), Decimal128(22, 3));
        assert_eq!(output(Op::Div, &Int32, &Decimal128(10, 2)), Decimal256(76, 20));
        assert_eq!(output(Op::Add, &Decimal128(38, 2), &Int32), Decimal256(76, 2));
        assert_eq!(output(Op::Sub, &Date32, &Date32), Int32);
        assert_eq!(output(Op::Add, &Date32, &INTERVAL), TIMESTAMP);
        assert_eq!(output(Op::Mul, &Int64, &INTERVAL), INTERVAL);
        assert_eq!(output(Op::Add, &Float32, &Int32), Float64);
        assert_eq!(resolve(Op::Add, &Utf8View, &Int32).unwrap_err().code(), code::UNDEFINED_FUNCTION);
    }
}
