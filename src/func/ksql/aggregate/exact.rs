//! Sums of doubles that lose nothing, so that what was added can be taken back.
//!
//! A plain sum of doubles rounds at each step: 1e17 + 1 - 1e17 is 0. Here a sum is held as several doubles that do not overlap and
//! whose sum is the exact one (Shewchuk, "Adaptive Precision Floating-Point Arithmetic", 1997); it is rounded once, when it is read.
//! The order in which values come and go thus does not matter. Values that are not finite are counted.

use std::sync::Arc;

use crate::func::ksql::Value;

/// The places of the counts of NaN, Infinity and -Infinity; the doubles follow.
const SPECIALS: usize = 3;

/// The exact sum of nothing.
pub(super) fn zero() -> Value {
    Value::array(vec![Value::Bigint(0); SPECIALS])
}

/// Adds `sign` times a value, `sign` being 1 or -1. A sum that is a plain double stays one.
pub(super) fn add(sum: &mut Value, x: f64, sign: i64) {
    let signed = if sign < 0 { -x } else { x };
    match sum {
        Value::Array(values) => {
            let values = Arc::make_mut(values);
            if x.is_finite() {
                grow(values, signed);
            } else {
                let place = if x.is_nan() { 0 } else { 1 + usize::from(x < 0.0) };
                if let Some(Value::Bigint(count)) = values.get_mut(place) {
                    *count = count.saturating_add(sign);
                }
            }
        }
        Value::Double(plain) => *plain += signed,
        _ => *sum = Value::Double(signed),
    }
}

/// Adds a finite value to the doubles: each step keeps what it rounds away.
fn grow(values: &mut Vec<Value>, x: f64) {
    let (mut x, mut kept) = (x, SPECIALS);
    for at in SPECIALS..values.len() {
        let mut y = double(values.get(at));
        if x.abs() < y.abs() {
            (x, y) = (y, x);
        }
        let high = x + y;
        // Beyond the largest double nothing can be kept apart; the sum is infinite then, and stays so.
        let low = if high.is_finite() { y - (high - x) } else { 0.0 };
        if low != 0.0 {
            values[kept] = Value::Double(low);
            kept += 1;
        }
        x = high;
    }
    values.truncate(kept);
    if x != 0.0 {
        values.push(Value::Double(x));
    }
}

fn double(value: Option<&Value>) -> f64 {
    if let Some(Value::Double(x)) = value { *x } else { 0.0 }
}

/// Adds `sign` times a product, exactly unless it underflows.
pub(super) fn add_product(sum: &mut Value, a: f64, b: f64, sign: i64) {
    let product = a * b;
    add(sum, product, sign);
    if product.is_finite() {
        add(sum, a.mul_add(b, -product), sign);
    }
}

/// Adds another sum of the same kind.
pub(super) fn merge(sum: &mut Value, other: &Value) {
    if let (Value::Array(values), Value::Array(more)) = (&mut *sum, other) {
        for (count, more) in Arc::make_mut(values).iter_mut().zip(more.iter()).take(SPECIALS) {
            super::state::count(count, more.as_i64().unwrap_or(0));
        }
    }
    for x in doubles(other) {
        add(sum, x, 1);
    }
}

/// The doubles that make up a sum.
pub(super) fn doubles(sum: &Value) -> impl DoubleEndedIterator<Item = f64> {
    let values = match sum {
        Value::Array(values) => values.get(SPECIALS..).unwrap_or(&[]),
        plain => std::slice::from_ref(plain),
    };
    values.iter().map(|x| double(Some(x)))
}

/// What the sum is because of values that are not finite.
pub(super) fn special(sum: &Value) -> Option<f64> {
    let values = sum.as_array()?;
    let seen = |at: usize| values.get(at).and_then(Value::as_i64).unwrap_or(0) > 0;
    match (seen(0), seen(1), seen(2)) {
        (false, false, false) => None,
        (false, true, false) => Some(f64::INFINITY),
        (false, false, true) => Some(f64::NEG_INFINITY),
        _ => Some(f64::NAN),
    }
}

/// The sum, rounded to the nearest double.
pub(super) fn value(sum: &Value) -> f64 {
    if let Some(special) = special(sum) {
        return special;
    }
    let mut rest = doubles(sum).rev();
    let Some(mut high) = rest.next() else { return 0.0 };
    while let Some(y) = rest.next() {
        let x = high;
        high = x + y;
        let low = y - (high - x);
        if low != 0.0 {
            // Exactly half way, what is left decides in which direction to round.
            if let Some(next) = rest.next() {
                let up = high + low * 2.0;
                if (low < 0.0) == (next < 0.0) && low * 2.0 == up - high {
                    high = up;
                }
            }
            break;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> Value {
        let mut sum = zero();
        values.iter().for_each(|x| add(&mut sum, *x, 1));
        sum
    }

    #[test]
    fn nothing_is_lost() {
        assert_eq!(value(&zero()), 0.0);
        assert_eq!(value(&sum(&[1e17, 1.0, -1e17])), 1.0);
        assert_eq!(value(&sum(&[0.1; 10])), 1.0);
        assert_eq!(value(&sum(&[1e100, 0.25, 3.5, -1e100, 1e-300, -3.5])), 0.25);
        let mut s = sum(&[0.1, 0.2]);
        for x in [1e300, 0.7, -3e-200, f64::INFINITY, f64::NAN] {
            add(&mut s, x, 1);
        }
        assert!(value(&s).is_nan());
        for x in [0.7, f64::NAN, 1e300, f64::INFINITY, -3e-200] {
            add(&mut s, x, -1);
        }
        assert_eq!(value(&s), 0.1 + 0.2);
        merge(&mut s, &sum(&[f64::INFINITY]));
        assert_eq!(value(&s), f64::INFINITY);
        assert_eq!(value(&sum(&[f64::MAX, f64::MAX, -f64::MAX])), f64::INFINITY);
    }

    #[test]
    fn products_are_exact() {
        let mut s = zero();
        add_product(&mut s, 0.1, 0.1, 1);
        add(&mut s, 0.1 * 0.1, -1);
        assert_eq!(value(&s), 0.1_f64.mul_add(0.1, -(0.1 * 0.1)));
    }
}
