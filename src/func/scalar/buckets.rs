//! Numbers that PostgreSQL counts, places or measures in ways of its own (manual, chapter 9.3): width_bucket, min_scale, trim_scale,
//! num_nulls, trigonometry in degrees.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal256Array, Float64Array, Int32Array, make_comparator};
use arrow::datatypes::{DataType, Float64Type, Int32Type};
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, each, fixed};
use crate::data::PgType;
use crate::data::numeric::Decimal;
use crate::error::{Error, Result, code};
use crate::func::arith::decimal::{mantissas, rescale};

const FLOAT: DataType = DataType::Float64;
const INT: DataType = DataType::Int32;

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Function::udf("width_bucket", bucket_rule, bucket),
        Function::udf("min_scale", |t| matches!(t, [t] if t.is_numeric()).then(|| (t.to_vec(), INT)), min_scale),
        Function::udf("scale", |t| matches!(t, [t] if t.is_numeric()).then(|| (t.to_vec(), INT)), scale),
        Function::udf("trim_scale", trim_rule, trim_scale),
        Function::udf("num_nulls", any_rule, |args, _| counted(args, |a, row| a.is_null(row))),
        Function::udf("num_nonnulls", any_rule, |args, _| counted(args, |a, row| a.is_valid(row))),
        Function::udf("sind", float_rule, |a, _| degrees(a, |x| exact(x, f64::sin), false)),
        Function::udf("cosd", float_rule, |a, _| degrees(a, |x| exact(90.0 - x, f64::sin), false)),
        Function::udf("tand", float_rule, |a, _| degrees(a, |x| exact(x, f64::sin) / exact(90.0 - x, f64::sin), false)),
        Function::udf("cotd", float_rule, |a, _| degrees(a, |x| exact(90.0 - x, f64::sin) / exact(x, f64::sin), false)),
        Function::udf("asind", float_rule, |a, _| degrees(a, |x| round_trip(x.asin().to_degrees()), true)),
        Function::udf("acosd", float_rule, |a, _| degrees(a, |x| round_trip(x.acos().to_degrees()), true)),
        Function::udf("atand", float_rule, |a, _| degrees(a, |x| round_trip(x.atan().to_degrees()), false)),
        Function::udf("acosh", float_rule, |a, _| within(a, f64::acosh, |x| x < 1.0)),
        Function::udf("atanh", float_rule, |a, _| within(a, f64::atanh, |x| x.abs() > 1.0)),
        Function::udf("atan2d", |t| fixed(t, &[FLOAT, FLOAT], 0, FLOAT), atan2d),
    ]
}

type Types = Option<(Vec<DataType>, DataType)>;

fn any_rule(types: &[DataType]) -> Types {
    (!types.is_empty()).then(|| (types.iter().map(|t| if t.is_null() { super::define::TEXT } else { t.clone() }).collect(), INT))
}

fn float_rule(types: &[DataType]) -> Types {
    fixed(types, &[FLOAT], 0, FLOAT)
}

/// `width_bucket(value, low, high, count)` or `width_bucket(value, thresholds)`.
fn bucket_rule(types: &[DataType]) -> Types {
    match types {
        [value, DataType::List(item)] => {
            let common = match (value, item.data_type()) {
                (v, i) if v == i => v.clone(),
                (v, i) if v.is_numeric() && i.is_numeric() => FLOAT,
                (v, i) if v.is_temporal() && i.is_temporal() => i.clone(),
                _ => return None,
            };
            Some((vec![common.clone(), DataType::new_list(common, true)], INT))
        }
        _ => fixed(types, &[FLOAT, FLOAT, FLOAT, INT], 0, INT),
    }
}

fn bucket(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    if args.len() == 2 {
        return among(args);
    }
    let float = |i: usize, row: usize| args[i].as_primitive::<Float64Type>().value(row);
    let wrong = |message: &str| Err(Error::new(code::INVALID_ARGUMENT_FOR_WIDTH_BUCKET, message));
    let rows = each(args, |row| {
        let (value, low, high, count) = (float(0, row), float(1, row), float(2, row), args[3].as_primitive::<Int32Type>().value(row));
        if count <= 0 {
            return wrong("count must be greater than zero");
        }
        if value.is_nan() || low.is_nan() || high.is_nan() {
            return wrong("operand, lower bound, and upper bound cannot be NaN");
        }
        if !low.is_finite() || !high.is_finite() {
            return wrong("lower and upper bounds must be finite");
        }
        if low == high {
            return wrong("lower bound cannot equal upper bound");
        }
        let (from, to, at) = if low < high { (low, high, value) } else { (-low, -high, -value) };
        Ok(match at {
            at if at < from => 0,
            at if at >= to => count.saturating_add(1),
            at => (((at - from) / (to - from) * f64::from(count)).floor() as i32).saturating_add(1).min(count),
        })
    })?;
    Ok(Arc::new(rows.into_iter().collect::<Int32Array>()))
}

/// How many of the sorted thresholds are not above the value.
fn among(args: &[ArrayRef]) -> Result<ArrayRef> {
    let lists = args[1].as_list::<i32>();
    let compare = make_comparator(args[0].as_ref(), lists.values().as_ref(), Default::default())?;
    let rows = each(args, |row| {
        let (from, to) = (lists.value_offsets()[row] as usize, lists.value_offsets()[row + 1] as usize);
        if (from..to).any(|i| lists.values().is_null(i)) {
            return Err(Error::new(code::NULL_VALUE_NOT_ALLOWED, "thresholds array must not contain NULLs"));
        }
        Ok((from..to).filter(|i| compare(row, *i).is_ge()).count() as i32)
    })?;
    Ok(Arc::new(rows.into_iter().collect::<Int32Array>()))
}

fn decimals(args: &[ArrayRef], of: fn(Decimal, i8) -> i32) -> Result<ArrayRef> {
    if !args[0].data_type().is_decimal() {
        return Ok(Arc::new(each(args, |_| Ok(0))?.into_iter().collect::<Int32Array>()));
    }
    let (values, scale) = mantissas(args[0].as_ref())?;
    Ok(Arc::new(values.iter().map(|v| v.map(|v| of(Decimal::from_i256(v, scale), scale))).collect::<Int32Array>()))
}

fn min_scale(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    decimals(args, |decimal, _| decimal.least_scale())
}

/// The decimals that are shown: all of numeric(p,s), those that are needed of one without a scale.
fn scale(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    match args[0].data_type() {
        DataType::Decimal256(..) => decimals(args, |decimal, _| decimal.least_scale()),
        _ => decimals(args, |_, scale| i32::from(scale).max(0)),
    }
}

/// A number is a numeric without a scale, which is shown with the decimals that it needs.
fn trim_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let [of] = types else { return None };
    (of.is_numeric() && !of.is_floating()).then(|| (types.to_vec(), PgType::Numeric(None).arrow()))
}

fn trim_scale(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    let DataType::Decimal256(_, to) = *output else { return Err(Error::internal("trim_scale gives a numeric")) };
    let (values, from) = mantissas(args[0].as_ref())?;
    let trimmed = values.iter().map(|v| v.map(|v| rescale(v, from, to)).transpose()).collect::<Result<Decimal256Array>>()?;
    Ok(Arc::new(trimmed.with_data_type(output.clone())))
}

fn counted(args: &[ArrayRef], counts: fn(&ArrayRef, usize) -> bool) -> Result<ArrayRef> {
    let rows = args.first().map_or(1, |a| a.len());
    Ok(Arc::new((0..rows).map(|row| args.iter().filter(|a| counts(a, row)).count() as i32).collect::<Int32Array>()))
}

fn degrees(args: &[ArrayRef], f: fn(f64) -> f64, bounded: bool) -> Result<ArrayRef> {
    within(args, f, move |x| x.is_infinite() || bounded && x.abs() > 1.0)
}

/// Errors: 22003 for what is outside of a function's domain.
fn within(args: &[ArrayRef], f: fn(f64) -> f64, is_outside: impl Fn(f64) -> bool) -> Result<ArrayRef> {
    let values = args[0].as_primitive::<Float64Type>();
    let rows = each(args, |row| {
        let x = values.value(row);
        if is_outside(x) {
            return Err(Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "input is out of range"));
        }
        Ok(f(x))
    })?;
    Ok(Arc::new(rows.into_iter().collect::<Float64Array>()))
}

/// The sine of an angle in degrees, exact at the multiples of 30.
fn exact(x: f64, sine: fn(f64) -> f64) -> f64 {
    let turn = x.rem_euclid(360.0);
    match turn {
        0.0 | 180.0 => 0.0,
        30.0 | 150.0 => 0.5,
        90.0 => 1.0,
        210.0 | 330.0 => -0.5,
        270.0 => -1.0,
        _ => sine(turn.to_radians()),
    }
}

/// The angle of a point by its y and its x. As in PostgreSQL it is measured by that of (1, 1), which is 45 degrees.
fn atan2d(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let [y, x] = [0, 1].map(|i| args[i].as_primitive::<Float64Type>());
    let angles = each(args, |row| Ok(y.value(row).atan2(x.value(row)) / 1f64.atan() * 45.0))?;
    Ok(Arc::new(Float64Array::from(angles)))
}

/// An angle in degrees, exact where it is a multiple of 15 but for the last bits.
fn round_trip(x: f64) -> f64 {
    let near = (x / 15.0).round() * 15.0;
    if (x - near).abs() < 1e-12 { near } else { x }
}
