//! Mathematical functions (manual, chapter 9.3): div, sign, ceiling, abs, round and trunc as PostgreSQL types them. Roots, powers and
//! logarithms are in [`super::powers`].

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, ListArray};
use arrow::compute::cast;
use arrow::compute::kernels::arity::try_unary;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, i256};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, Rule, fixed};
use crate::data::PgType;
use crate::error::Result;
use crate::func::arith::decimal::{div_round, divide, mantissas, overflow, pow10, rescale};
use crate::func::arith::out_of_range;
use crate::func::arith::rules::{QUOTIENT_SCALE_MAX, WIDE_PRECISION, as_decimal, canonical, decimal};

const FLOAT: DataType = DataType::Float64;

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Function::udf("div", quotient_rule, whole_quotient),
        Function::udf("sign", whole_rule, sign),
        Function::udf("ceiling", whole_rule, |args, out| whole(args, out, f64::ceil)),
        Function::udf("ceil", whole_rule, |args, out| whole(args, out, f64::ceil)),
        Function::udf("floor", whole_rule, |args, out| whole(args, out, f64::floor)),
        Function::refined("round", round_rule, 1, round_scale, round),
        Function::refined("trunc", round_rule, 1, round_scale, trunc),
        Function::udf("abs", absolute_rule, absolute),
    ]
}

/// The name of [`one_zero`].
pub const ONE_ZERO: &str = "pg_one_zero";

/// A float as the one of its equals whose bits stand for all: 0 for -0, one NaN for all. An array of floats as one of such.
pub fn one_zero() -> Arc<ScalarUDF> {
    let rule: Rule = |types| matches!(types, [ty] if has_twins(ty)).then(|| (types.to_vec(), types[0].clone()));
    Function::udf(ONE_ZERO, rule, |args, _| Ok(one_zeros(&args[0])))
}

/// True for types of which [`one_zero`] takes values: equal ones may differ in their bits.
pub fn has_twins(ty: &DataType) -> bool {
    match ty {
        DataType::Float32 | DataType::Float64 => true,
        DataType::List(item) => has_twins(item.data_type()),
        _ => false,
    }
}

/// What [`one_zero`] gives for each of these values; those of other types as they are.
pub fn one_zeros(values: &ArrayRef) -> ArrayRef {
    match values.data_type() {
        DataType::Float32 => {
            let floats = values.as_primitive::<Float32Type>();
            Arc::new(floats.unary::<_, Float32Type>(|v| if v.is_nan() { f32::NAN } else { v + 0.0 }))
        }
        DataType::Float64 => {
            let floats = values.as_primitive::<Float64Type>();
            Arc::new(floats.unary::<_, Float64Type>(|v| if v.is_nan() { f64::NAN } else { v + 0.0 }))
        }
        ty @ DataType::List(item) if has_twins(ty) => {
            let lists = values.as_list::<i32>();
            let items = one_zeros(lists.values());
            Arc::new(ListArray::new(item.clone(), lists.offsets().clone(), items, lists.nulls().cloned()))
        }
        _ => Arc::clone(values),
    }
}

/// The numeric that holds a number; `None` for a float and for what is no number.
pub fn numeric(ty: &DataType) -> Option<DataType> {
    let (p, s) = as_decimal(&canonical(ty))?;
    Some(decimal(i32::from(p) - i32::from(s), s))
}

/// numeric for NULL and for a parameter whose type is not known yet: PostgreSQL has the function of no other type.
fn told(ty: &DataType) -> DataType {
    if ty.is_null() { PgType::Numeric(None).arrow() } else { ty.clone() }
}

/// numeric without decimals for numeric, float8 for everything else that is a number.
fn whole_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    match types {
        [t] if t.is_decimal() => {
            let (p, s) = as_decimal(&canonical(t))?;
            Some((vec![numeric(t)?], decimal(i32::from(p) - i32::from(s) + 1, 0)))
        }
        _ => fixed(types, &[FLOAT], 0, FLOAT),
    }
}

fn quotient_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let [a, b] = types else { return None };
    let output = DataType::Decimal256(WIDE_PRECISION, 0);
    Some((vec![numeric(&told(a))?, numeric(&told(b))?], output))
}

fn whole_quotient(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    let ((a, sa), (b, sb)) = (mantissas(args[0].as_ref())?, mantissas(args[1].as_ref())?);
    let scale = sa.max(sb);
    let rows = super::define::each(args, |row| {
        let up = |v, s: i8| rescale(v, s, scale);
        let (a, b) = (up(a.value(row), sa)?, up(b.value(row), sb)?);
        if b.is_negative() || b.is_positive() { Ok(a.wrapping_div(b)) } else { divide(a, 0, b, 0, 0) }
    })?;
    Ok(Arc::new(rows.into_iter().collect::<arrow::array::Decimal256Array>().with_data_type(output.clone())))
}

fn sign(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    if *output == FLOAT {
        let signs: Float64Array = args[0].as_primitive::<Float64Type>().unary(|v| if v == 0.0 || v.is_nan() { 0.0 } else { v.signum() });
        return Ok(Arc::new(signs));
    }
    on_mantissas(args, output, |v, unit| v.signum().wrapping_mul(unit))
}

/// ceil or floor. A decimal is first cut towards zero; the float of its sign and rest says where it goes from there.
fn whole(args: &[ArrayRef], output: &DataType, f: fn(f64) -> f64) -> Result<ArrayRef> {
    if *output == FLOAT {
        let values: Float64Array = args[0].as_primitive::<Float64Type>().unary(f);
        return Ok(Arc::new(values));
    }
    on_mantissas(args, output, move |v, unit| {
        let (cut, rest) = (v.wrapping_div(unit), v.wrapping_rem(unit));
        let step = if rest.is_positive() {
            f(0.5)
        } else if rest.is_negative() {
            f(-0.5)
        } else {
            0.0
        };
        cut.wrapping_add(i256::from_i128(step as i128)).wrapping_mul(unit)
    })
}

fn on_mantissas(args: &[ArrayRef], output: &DataType, f: impl Fn(i256, i256) -> i256) -> Result<ArrayRef> {
    let (values, scale) = mantissas(args[0].as_ref())?;
    let unit = pow10(scale.max(0) as u32);
    let result: arrow::array::Decimal256Array = values.unary(|v| f(v, unit));
    let result: ArrayRef = Arc::new(result.with_data_type(DataType::Decimal256(WIDE_PRECISION, scale)));
    Ok(cast(&result, output)?)
}

fn absolute_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let [ty] = types else { return None };
    let ty = if ty.is_string() || ty.is_null() { FLOAT } else { canonical(ty) };
    ty.is_numeric().then(|| (vec![ty.clone()], ty))
}

fn absolute(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    let array = &args[0];
    let out = || arrow::error::ArrowError::from(out_of_range(output));
    Ok(match output {
        DataType::Int16 => Arc::new(try_unary::<_, _, Int16Type>(array.as_primitive::<Int16Type>(), |v| v.checked_abs().ok_or_else(out))?),
        DataType::Int32 => Arc::new(try_unary::<_, _, Int32Type>(array.as_primitive::<Int32Type>(), |v| v.checked_abs().ok_or_else(out))?),
        DataType::Int64 => Arc::new(try_unary::<_, _, Int64Type>(array.as_primitive::<Int64Type>(), |v| v.checked_abs().ok_or_else(out))?),
        DataType::Float32 | DataType::Float64 => {
            let floats = cast(array, &FLOAT)?;
            let positive: Float64Array = floats.as_primitive::<Float64Type>().unary(f64::abs);
            cast(&positive, output)?
        }
        _ => on_mantissas(args, output, |v, _| v.wrapping_abs())?,
    })
}

/// Also that of trunc.
fn round_rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let carried = |value: &DataType, scale: Option<i8>| {
        let (p, s) = as_decimal(&canonical(value))?;
        Some(decimal(i32::from(p) - i32::from(s) + 1, scale.unwrap_or(s)))
    };
    match types {
        [value, digits] if digits.is_integer() || digits.is_null() => {
            let (value, digits) = (told(value), if digits.is_null() { DataType::Int32 } else { canonical(digits) });
            Some((vec![numeric(&value)?, digits], carried(&value, None)?))
        }
        [value] if value.is_decimal() => Some((vec![numeric(value)?], carried(value, Some(0))?)),
        _ => fixed(types, &[FLOAT], 0, FLOAT),
    }
}

/// A literal number of digits is the scale of the result; otherwise that of the argument is kept, since a column has one scale.
fn round_scale(ty: DataType, digits: &ScalarValue) -> DataType {
    let digits = match digits {
        ScalarValue::Int16(Some(n)) => i64::from(*n),
        ScalarValue::Int32(Some(n)) => i64::from(*n),
        ScalarValue::Int64(Some(n)) => *n,
        _ => return ty,
    };
    match ty {
        DataType::Decimal128(p, s) | DataType::Decimal256(p, s) => {
            let scale = i8::try_from(digits.clamp(0, i64::from(QUOTIENT_SCALE_MAX))).unwrap_or(s);
            decimal(i32::from(p) - i32::from(s), scale)
        }
        _ => ty,
    }
}

/// Floats round half to even, numerics half away from zero.
fn round(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    if *output == FLOAT {
        let values: Float64Array = args[0].as_primitive::<Float64Type>().unary(f64::round_ties_even);
        return Ok(Arc::new(values));
    }
    to_digits(args, output, div_round)
}

/// Towards zero.
fn trunc(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    if *output == FLOAT {
        let values: Float64Array = args[0].as_primitive::<Float64Type>().unary(f64::trunc);
        return Ok(Arc::new(values));
    }
    to_digits(args, output, i256::wrapping_div)
}

/// Decimals of `args[0]` cut to `args[1]` digits (0 if left out); `divide` says which way.
fn to_digits(args: &[ArrayRef], output: &DataType, divide: fn(i256, i256) -> i256) -> Result<ArrayRef> {
    let (values, scale) = mantissas(args[0].as_ref())?;
    let digits = args.get(1).map(|d| cast(d, &DataType::Int64)).transpose()?;
    let digits = digits.as_ref().map(|d| d.as_primitive::<Int64Type>());
    let out_scale = match output {
        DataType::Decimal128(_, s) | DataType::Decimal256(_, s) => *s,
        _ => scale,
    };
    let rows = super::define::each(args, |row| {
        let drop = i64::from(scale).saturating_sub(digits.map_or(0, |d| d.value(row)));
        let rounded = match u32::try_from(drop) {
            Err(_) if drop > 0 => i256::ZERO,
            Ok(0) | Err(_) => values.value(row),
            Ok(drop) if drop > u32::from(WIDE_PRECISION) => i256::ZERO,
            Ok(drop) => divide(values.value(row), pow10(drop)).checked_mul(pow10(drop)).ok_or_else(overflow)?,
        };
        rescale(rounded, scale, out_scale)
    })?;
    let wide = rows.into_iter().collect::<arrow::array::Decimal256Array>().with_data_type(DataType::Decimal256(WIDE_PRECISION, out_scale));
    let wide: ArrayRef = Arc::new(wide);
    Ok(cast(&wide, output)?)
}
