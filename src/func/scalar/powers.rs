//! sqrt, exp, ln, log and power (manual, chapter 9.3): numeric for numerics, float8 for every other number.
//!
//! Their numerics are held as those of a column without precision are, rounded to the decimals that PostgreSQL shows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal256Array, Float64Array};
use arrow::datatypes::{DataType, Float64Type, i256};
use datafusion::logical_expr::ScalarUDF;

use super::define::{Function, each};
use super::math::numeric;
use crate::data::PgType;
use crate::data::types::UNCONSTRAINED_SCALE;
use crate::error::{Error, Result, code};
use crate::func::arith::decimal::mantissas;
use crate::func::arith::irrational::{Number, check_logarithm, complex_power, no_root, undefined_power};

const FLOAT: DataType = DataType::Float64;

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Function::udf("sqrt", one_rule, |args, out| one(args, out, Number::sqrt, root)),
        Function::udf("exp", one_rule, |args, out| one(args, out, Number::exp, exponential)),
        Function::udf("ln", one_rule, |args, out| one(args, out, Number::ln, |v| logarithm(v, f64::ln))),
        Function::udf("log10", one_rule, log),
        Function::udf("log", log_rule, log),
        Function::udf("power", power_rule, power),
        Function::udf("pow", power_rule, power),
    ]
}

type Types = Option<(Vec<DataType>, DataType)>;

fn result() -> DataType {
    PgType::Numeric(None).arrow()
}

/// True for what is a float8 beside other numbers: literals of no type among them.
fn may_be_float(ty: &DataType) -> bool {
    ty.is_numeric() || ty.is_null() || ty.is_string()
}

fn one_rule(types: &[DataType]) -> Types {
    match types {
        [ty] if ty.is_decimal() => Some((vec![numeric(ty)?], result())),
        [ty] if may_be_float(ty) => Some((vec![FLOAT], FLOAT)),
        _ => None,
    }
}

fn floats(types: &[DataType]) -> Types {
    types.iter().all(may_be_float).then(|| (vec![FLOAT; types.len()], FLOAT))
}

fn numerics(types: &[DataType]) -> Types {
    Some((types.iter().map(numeric).collect::<Option<_>>()?, result()))
}

/// That to a base is of numerics, whole numbers too.
fn log_rule(types: &[DataType]) -> Types {
    match types {
        [_] => one_rule(types),
        [_, _] => numerics(types).or_else(|| floats(types)),
        _ => None,
    }
}

/// A numeric where one of both is one, and none is a float.
fn power_rule(types: &[DataType]) -> Types {
    match types {
        [a, b] if a.is_decimal() || b.is_decimal() => numerics(types).or_else(|| floats(types)),
        [_, _] => floats(types),
        _ => None,
    }
}

/// The numbers of an argument: its mantissas, and how they are read.
fn numbers(arg: &ArrayRef) -> Result<impl Fn(usize) -> Number> {
    let wide = matches!(arg.data_type(), DataType::Decimal256(..));
    let (values, scale) = mantissas(arg.as_ref())?;
    Ok(move |row: usize| Number::of(values.value(row), scale, wide))
}

fn numeric_array(rows: Vec<Option<i256>>) -> ArrayRef {
    Arc::new(rows.into_iter().collect::<Decimal256Array>().with_data_type(result()))
}

fn float_array(rows: Vec<Option<f64>>) -> ArrayRef {
    Arc::new(rows.into_iter().collect::<Float64Array>())
}

fn one(args: &[ArrayRef], output: &DataType, exact: fn(&Number) -> Result<Number>, float: fn(f64) -> Result<f64>) -> Result<ArrayRef> {
    if *output == FLOAT {
        let values = args[0].as_primitive::<Float64Type>();
        return Ok(float_array(each(args, |row| float(values.value(row)))?));
    }
    let number = numbers(&args[0])?;
    Ok(numeric_array(each(args, |row| exact(&number(row))?.mantissa(UNCONSTRAINED_SCALE))?))
}

fn root(value: f64) -> Result<f64> {
    if value < 0.0 { Err(no_root()) } else { Ok(value.sqrt()) }
}

fn exponential(value: f64) -> Result<f64> {
    in_range(value.exp(), value.is_finite(), value.is_finite())
}

fn logarithm(value: f64, of: fn(f64) -> f64) -> Result<f64> {
    check_logarithm(value == 0.0, value < 0.0)?;
    Ok(of(value))
}

/// Errors: 22003 for an infinity that comes of finite values, and a zero that should be more.
fn in_range(value: f64, finite: bool, not_zero: bool) -> Result<f64> {
    let error = |what: &str| Err(Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, format!("value out of range: {what}")));
    match value {
        v if v.is_infinite() && finite => error("overflow"),
        v if v == 0.0 && not_zero => error("underflow"),
        v => Ok(v),
    }
}

/// log(x) is that to the base 10, log(b, x) that to the base b.
fn log(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    let (base, value) = match args {
        [value] => (None, value),
        [base, value] => (Some(base), value),
        _ => return Err(Error::internal("log takes one or two arguments")),
    };
    if *output == FLOAT {
        let base = base.map(|base| base.as_primitive::<Float64Type>());
        let values = value.as_primitive::<Float64Type>();
        return Ok(float_array(each(args, |row| match base {
            None => logarithm(values.value(row), f64::log10),
            Some(base) => Ok(logarithm(values.value(row), f64::ln)? / logarithm(base.value(row), f64::ln)?),
        })?));
    }
    let ten = Number::whole(10);
    let base = base.map(numbers).transpose()?;
    let number = numbers(value)?;
    Ok(numeric_array(each(args, |row| {
        let logarithm = match &base {
            None => number(row).log(&ten),
            Some(base) => number(row).log(&base(row)),
        };
        logarithm?.mantissa(UNCONSTRAINED_SCALE)
    })?))
}

fn power(args: &[ArrayRef], output: &DataType) -> Result<ArrayRef> {
    if *output == FLOAT {
        let (bases, exponents) = (args[0].as_primitive::<Float64Type>(), args[1].as_primitive::<Float64Type>());
        return Ok(float_array(each(args, |row| float_power(bases.value(row), exponents.value(row)))?));
    }
    let (base, exponent) = (numbers(&args[0])?, numbers(&args[1])?);
    Ok(numeric_array(each(args, |row| base(row).power(&exponent(row))?.mantissa(UNCONSTRAINED_SCALE))?))
}

fn float_power(base: f64, exponent: f64) -> Result<f64> {
    if base == 0.0 && exponent < 0.0 {
        return Err(undefined_power());
    }
    if base < 0.0 && exponent.floor() != exponent {
        return Err(complex_power());
    }
    let finite = base.is_finite() && exponent.is_finite();
    in_range(base.powf(exponent), finite, finite && base != 0.0)
}
