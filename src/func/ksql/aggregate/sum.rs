//! SUM, SUM_LIST and AVG.
//!
//! INT and BIGINT sums wrap around, as in ksqlDB; a DECIMAL sum that does not fit its type is an error. AVG sums whole numbers
//! without a limit, where ksqlDB's wraps. Doubles are summed plainly over a stream and exactly over a table, where values leave again.

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;

use super::exact;
use super::state::{arg, broken, count, parts, parts_of};
use crate::error::{Error, Result, code};
use crate::func::ksql::{Aggregate, AggregateCall, AggregateOverload, Type, Value};

/// The functions of this file.
pub const FUNCTIONS: &[Aggregate] = &[
    Aggregate {
        name: "SUM",
        about: "The sum of the values that are not NULL, 0 if there are none. Whole numbers wrap around; decimals must fit their type.",
        overloads: &[
            AggregateOverload { init: |_| Value::Int(0), ..summing("SUM(x INT) -> INT") },
            AggregateOverload { init: |_| Value::Bigint(0), ..summing("SUM(x BIGINT) -> BIGINT") },
            AggregateOverload { init: zero_decimal, returns: Some(same), ..summing("SUM(x DECIMAL) -> DECIMAL") },
            AggregateOverload { init: zero_double, ..summing("SUM(x DOUBLE) -> DOUBLE") },
        ],
    },
    Aggregate {
        name: "SUM_LIST",
        about: "The sum of the elements of all arrays; NULL arrays and elements are skipped. Whole numbers wrap around.",
        overloads: &[
            AggregateOverload { init: |_| Value::Int(0), ..listing("SUM_LIST(list ARRAY<INT>) -> INT") },
            AggregateOverload { init: |_| Value::Bigint(0), ..listing("SUM_LIST(list ARRAY<BIGINT>) -> BIGINT") },
            AggregateOverload { init: zero_double, ..listing("SUM_LIST(list ARRAY<DOUBLE>) -> DOUBLE") },
        ],
    },
    Aggregate {
        name: "AVG",
        about: "The average of the values that are not NULL as a DOUBLE, 0 if there are none.",
        overloads: &[
            AggregateOverload { init: |_| Value::array(vec![Value::Bigint(0); 2]), ..averaging("AVG(x BIGINT) -> DOUBLE") },
            AggregateOverload { init: |c| Value::array(vec![zero_double(c), Value::Bigint(0)]), ..averaging("AVG(x DOUBLE) -> DOUBLE") },
        ],
    },
];

const fn summing(signature: &'static str) -> AggregateOverload {
    AggregateOverload {
        signature,
        returns: None,
        init: |_| Value::Null,
        add: |c, s, a| sum(c, s, std::slice::from_ref(arg(a, 0)), 1),
        undo: Some(|c, s, a| sum(c, s, std::slice::from_ref(arg(a, 0)), -1)),
        merge: merge_sums,
        result: |_, s| Ok(shown(s)),
    }
}

const fn listing(signature: &'static str) -> AggregateOverload {
    AggregateOverload {
        add: |c, s, a| sum(c, s, arg(a, 0).as_array().unwrap_or(&[]), 1),
        undo: Some(|c, s, a| sum(c, s, arg(a, 0).as_array().unwrap_or(&[]), -1)),
        ..summing(signature)
    }
}

const fn averaging(signature: &'static str) -> AggregateOverload {
    AggregateOverload {
        add: |_, s, a| weigh(s, arg(a, 0), 1),
        undo: Some(|_, s, a| weigh(s, arg(a, 0), -1)),
        merge: merge_averages,
        result: average,
        ..summing(signature)
    }
}

fn same(arguments: &[Type]) -> Option<Type> {
    arguments.first().filter(|t| matches!(t, Type::Decimal(..))).cloned()
}

fn zero_decimal(call: &AggregateCall<'_>) -> Value {
    let scale = if let Type::Decimal(_, scale) = call.returns { i64::from(*scale) } else { 0 };
    Value::Decimal(BigDecimal::new(BigInt::from(0), scale))
}

fn zero_double(call: &AggregateCall<'_>) -> Value {
    if call.retracting { exact::zero() } else { Value::Double(0.0) }
}

fn shown(sum: &Value) -> Value {
    if matches!(sum, Value::Array(_)) { Value::Double(exact::value(sum)) } else { sum.clone() }
}

/// Adds `sign` times a number to a sum of its type.
fn add(sum: &mut Value, x: &Value, sign: i64) -> Result<()> {
    match sum {
        Value::Int(sum) => *sum = sum.wrapping_add(x.as_i64().unwrap_or(0).wrapping_mul(sign) as i32),
        Value::Bigint(sum) => *sum = sum.wrapping_add(x.as_i64().unwrap_or(0).wrapping_mul(sign)),
        Value::Decimal(sum) => {
            let x = x.as_decimal().ok_or_else(broken)?;
            *sum = if sign < 0 { &*sum - x } else { &*sum + x };
        }
        _ => exact::add(sum, x.as_f64().ok_or_else(broken)?, sign),
    }
    Ok(())
}

fn sum(call: &AggregateCall<'_>, mut state: Value, values: &[Value], sign: i64) -> Result<Value> {
    for value in values.iter().filter(|v| !v.is_null()) {
        add(&mut state, value, sign)?;
    }
    // Taking back cannot go wrong: it leaves a sum that was one before, or that rows still to come make right.
    if sign > 0 { fitting(call, state) } else { Ok(state) }
}

fn merge_sums(call: &AggregateCall<'_>, mut a: Value, b: Value) -> Result<Value> {
    if matches!(a, Value::Array(_)) {
        exact::merge(&mut a, &b);
    } else {
        add(&mut a, &b, 1)?;
    }
    fitting(call, a)
}

/// The sum, if it fits its type.
fn fitting(call: &AggregateCall<'_>, sum: Value) -> Result<Value> {
    if let (Value::Decimal(d), Type::Decimal(precision, scale)) = (&sum, call.returns) {
        let limit = BigDecimal::new(BigInt::from(1), -i64::from(precision.saturating_sub(*scale)));
        if d.abs() >= limit {
            return Err(Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow").detail(format!(
                "A sum of type DECIMAL({precision}, {scale}) must be less than 10^{}, but is {}.",
                precision.saturating_sub(*scale),
                d.to_plain_string()
            )));
        }
    }
    Ok(sum)
}

/// A sum of whole numbers goes over to a decimal when it leaves the range of BIGINT.
fn weigh(mut state: Value, x: &Value, sign: i64) -> Result<Value> {
    if !x.is_null() {
        let [sum, n] = parts::<2>(&mut state)?;
        widened(sum, x, sign)?;
        count(n, sign);
    }
    Ok(state)
}

fn widened(sum: &mut Value, x: &Value, sign: i64) -> Result<()> {
    if let Value::Bigint(s) = sum {
        let whole = x.as_i64().and_then(|x| x.checked_mul(sign)).and_then(|x| s.checked_add(x));
        match whole {
            Some(whole) => {
                *s = whole;
                return Ok(());
            }
            None => *sum = Value::Decimal(BigDecimal::from(*s)),
        }
    }
    add(sum, x, sign)
}

fn merge_averages(_: &AggregateCall<'_>, mut a: Value, b: Value) -> Result<Value> {
    let [sum, n] = parts::<2>(&mut a)?;
    let [more, m] = parts_of::<2>(&b)?;
    if matches!(sum, Value::Array(_)) {
        exact::merge(sum, more);
    } else {
        widened(sum, more, 1)?;
    }
    count(n, m.as_i64().unwrap_or(0));
    Ok(a)
}

fn average(_: &AggregateCall<'_>, state: &Value) -> Result<Value> {
    let [sum, n] = parts_of::<2>(state)?;
    let n = n.as_f64().unwrap_or(0.0);
    let sum = shown(sum).as_f64().ok_or_else(broken)?;
    Ok(Value::Double(if n == 0.0 { 0.0 } else { sum / n }))
}
