//! STDDEV_SAMP, STDDEV_SAMPLE and CORRELATION.
//!
//! All three are read off sums of values and of products. Such formulas are known to cancel badly; here the sums are exact (see
//! `exact`), and so are the differences, whence the results are right to the last digits and rows can be taken back.

use super::exact;
use super::state::{arg, count, parts, parts_of};
use crate::error::Result;
use crate::func::ksql::{Aggregate, AggregateCall, AggregateOverload, Value};

/// The functions of this file.
pub const FUNCTIONS: &[Aggregate] = &[
    Aggregate {
        name: "STDDEV_SAMP",
        about: "The sample variance, that is the square of the sample standard deviation, as in ksqlDB; 0 of fewer than two values. \
                NULLs are skipped. STDDEV_SAMPLE gives the deviation itself.",
        overloads: &[AggregateOverload { result: |_, s| variance(s).map(Value::Double), ..deviating("STDDEV_SAMP(x DOUBLE) -> DOUBLE") }],
    },
    Aggregate {
        name: "STDDEV_SAMPLE",
        about: "The sample standard deviation; 0 of fewer than two values. NULLs are skipped.",
        overloads: &[AggregateOverload {
            result: |_, s| variance(s).map(|v| Value::Double(v.sqrt())),
            ..deviating("STDDEV_SAMPLE(x DOUBLE) -> DOUBLE")
        }],
    },
    Aggregate {
        name: "CORRELATION",
        about: "Pearson's coefficient of correlation of two columns, NaN where it is not defined. Rows with a NULL are skipped.",
        overloads: &[AggregateOverload {
            signature: "CORRELATION(x DOUBLE, y DOUBLE) -> DOUBLE",
            returns: None,
            init: |_| zeros(5),
            add: |_, s, a| pair(s, a, 1),
            undo: Some(|_, s, a| pair(s, a, -1)),
            merge: merge::<6>,
            result: correlation,
        }],
    },
];

const fn deviating(signature: &'static str) -> AggregateOverload {
    AggregateOverload {
        signature,
        returns: None,
        init: |_| zeros(2),
        add: |_, s, a| single(s, a, 1),
        undo: Some(|_, s, a| single(s, a, -1)),
        merge: merge::<3>,
        result: |_, s| Ok(s.clone()),
    }
}

/// A count and so many sums.
fn zeros(sums: usize) -> Value {
    let mut parts = vec![Value::Bigint(0)];
    parts.resize_with(1 + sums, exact::zero);
    Value::array(parts)
}

fn single(mut state: Value, arguments: &[Value], sign: i64) -> Result<Value> {
    if let Some(x) = arg(arguments, 0).as_f64() {
        let [n, sum, squares] = parts::<3>(&mut state)?;
        count(n, sign);
        exact::add(sum, x, sign);
        exact::add_product(squares, x, x, sign);
    }
    Ok(state)
}

fn pair(mut state: Value, arguments: &[Value], sign: i64) -> Result<Value> {
    if let (Some(x), Some(y)) = (arg(arguments, 0).as_f64(), arg(arguments, 1).as_f64()) {
        let [n, sum_x, sum_y, squares_x, squares_y, products] = parts::<6>(&mut state)?;
        count(n, sign);
        exact::add(sum_x, x, sign);
        exact::add(sum_y, y, sign);
        exact::add_product(squares_x, x, x, sign);
        exact::add_product(squares_y, y, y, sign);
        exact::add_product(products, x, y, sign);
    }
    Ok(state)
}

fn merge<const N: usize>(_: &AggregateCall<'_>, mut a: Value, b: Value) -> Result<Value> {
    if let ([n, sums @ ..], [m, others @ ..]) = (&mut parts::<N>(&mut a)?[..], &parts_of::<N>(&b)?[..]) {
        count(n, m.as_i64().unwrap_or(0));
        sums.iter_mut().zip(others).for_each(|(sum, other)| exact::merge(sum, other));
    }
    Ok(a)
}

/// n times the sum of products, less the product of the sums: n squared times the covariance.
fn spread(n: f64, products: &Value, x: &Value, y: &Value) -> f64 {
    if [products, x, y].into_iter().any(|sum| exact::special(sum).is_some()) {
        return f64::NAN;
    }
    let mut total = exact::zero();
    for product in exact::doubles(products) {
        exact::add_product(&mut total, n, product, 1);
    }
    for x in exact::doubles(x) {
        for y in exact::doubles(y) {
            exact::add_product(&mut total, x, y, -1);
        }
    }
    exact::value(&total)
}

fn variance(state: &Value) -> Result<f64> {
    let [n, sum, squares] = parts_of::<3>(state)?;
    let n = n.as_f64().unwrap_or(0.0);
    Ok(if n < 2.0 { 0.0 } else { spread(n, squares, sum, sum) / (n * (n - 1.0)) })
}

fn correlation(_: &AggregateCall<'_>, state: &Value) -> Result<Value> {
    let [n, sum_x, sum_y, squares_x, squares_y, products] = parts_of::<6>(state)?;
    let n = n.as_f64().unwrap_or(0.0);
    let both = spread(n, squares_x, sum_x, sum_x).sqrt() * spread(n, squares_y, sum_y, sum_y).sqrt();
    Ok(Value::Double((spread(n, products, sum_x, sum_y) / both).clamp(-1.0, 1.0)))
}
