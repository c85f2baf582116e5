//! Numeric functions.

use std::f64::consts::PI;

use bigdecimal::BigDecimal;

use crate::error::{Error, Result, code};
use crate::func::ksql::cast::{Rounding, java_double, parse_decimal, rescale};
use crate::func::ksql::{Call, Nulls, Overload, Scalar, Type, Value};
use crate::limits;

/// The functions of this file.
pub const FUNCTIONS: &[Scalar] = &[
    Scalar {
        name: "ABS",
        family: "math",
        about: "The absolute value.",
        overloads: &[
            one("ABS(value INT) -> INT", abs),
            one("ABS(value BIGINT) -> BIGINT", abs),
            same("ABS(value DECIMAL) -> ANY", abs),
            one("ABS(value DOUBLE) -> DOUBLE", abs),
        ],
    },
    double("ACOS", "The arc cosine, in radians.", &[one("ACOS(value DOUBLE) -> DOUBLE", |_, a| on_double(a, f64::acos))]),
    double("ASIN", "The arc sine, in radians.", &[one("ASIN(value DOUBLE) -> DOUBLE", |_, a| on_double(a, f64::asin))]),
    double("ATAN", "The arc tangent, in radians.", &[one("ATAN(value DOUBLE) -> DOUBLE", |_, a| on_double(a, f64::atan))]),
    double(
        "ATAN2",
        "The angle, in radians, of the point (x, y) from the x axis.",
        &[one("ATAN2(y DOUBLE, x DOUBLE) -> DOUBLE", |_, a| on_doubles(a, f64::atan2))],
    ),
    double("COS", "The cosine of an angle in radians.", &[one("COS(value DOUBLE) -> DOUBLE", |_, a| on_double(a, f64::cos))]),
    double("COSH", "The hyperbolic cosine.", &[one("COSH(value DOUBLE) -> DOUBLE", |_, a| on_double(a, f64::cosh))]),
    double(
        "COT",
        "The cotangent of an angle in radians.",
        &[one("COT(value DOUBLE) -> DOUBLE", |_, a| on_double(a, |x| x.cos() / x.sin()))],
    ),
    double("SIN", "The sine of an angle in radians.", &[one("SIN(value DOUBLE) -> DOUBLE", |_, a| on_double(a, f64::sin))]),
    double("SINH", "The hyperbolic sine.", &[one("SINH(value DOUBLE) -> DOUBLE", |_, a| on_double(a, f64::sinh))]),
    double("TAN", "The tangent of an angle in radians.", &[one("TAN(value DOUBLE) -> DOUBLE", |_, a| on_double(a, f64::tan))]),
    double("TANH", "The hyperbolic tangent.", &[one("TANH(value DOUBLE) -> DOUBLE", |_, a| on_double(a, f64::tanh))]),
    double("CBRT", "The cube root.", &[one("CBRT(value DOUBLE) -> DOUBLE", |_, a| on_double(a, f64::cbrt))]),
    double("SQRT", "The square root.", &[one("SQRT(value DOUBLE) -> DOUBLE", |_, a| on_double(a, f64::sqrt))]),
    double("EXP", "Euler's number to the power of the value.", &[one("EXP(value DOUBLE) -> DOUBLE", |_, a| on_double(a, f64::exp))]),
    double("LN", "The natural logarithm.", &[one("LN(value DOUBLE) -> DOUBLE", |_, a| on_double(a, f64::ln))]),
    double(
        "LOG",
        "The logarithm to a base; without one, the natural logarithm.",
        &[
            one("LOG(value DOUBLE) -> DOUBLE", |_, a| on_double(a, f64::ln)),
            one("LOG(base DOUBLE, value DOUBLE) -> DOUBLE", |_, a| on_doubles(a, log)),
        ],
    ),
    double(
        "POWER",
        "The base raised to the exponent.",
        &[one("POWER(base DOUBLE, exponent DOUBLE) -> DOUBLE", |_, a| on_doubles(a, f64::powf))],
    ),
    Scalar {
        name: "CEIL",
        family: "math",
        about: "The least whole number that is not less than the value.",
        overloads: &[
            one("CEIL(value INT) -> INT", itself),
            one("CEIL(value BIGINT) -> BIGINT", itself),
            same("CEIL(value DECIMAL) -> ANY", |_, a| to_whole(a, Rounding::Ceiling)),
            one("CEIL(value DOUBLE) -> DOUBLE", |_, a| on_double(a, f64::ceil)),
        ],
    },
    Scalar {
        name: "FLOOR",
        family: "math",
        about: "The greatest whole number that is not greater than the value.",
        overloads: &[
            one("FLOOR(value INT) -> INT", itself),
            one("FLOOR(value BIGINT) -> BIGINT", itself),
            same("FLOOR(value DECIMAL) -> ANY", |_, a| to_whole(a, Rounding::Floor)),
            one("FLOOR(value DOUBLE) -> DOUBLE", |_, a| on_double(a, f64::floor)),
        ],
    },
    Scalar {
        name: "ROUND",
        family: "math",
        about: "The value rounded to a number of decimal places, none by default, negative ones being in front of the point. A value \
                halfway between two is rounded towards positive infinity.",
        overloads: &[
            one("ROUND(value INT) -> BIGINT", to_bigint),
            one("ROUND(value BIGINT) -> BIGINT", to_bigint),
            whole("ROUND(value DECIMAL) -> ANY", |_, a| places(a, 0, half_up)),
            one("ROUND(value DOUBLE) -> BIGINT", |_, a| Ok(Value::Bigint(java_round(number(a, 0)?)))),
            same("ROUND(value DECIMAL, scale INT) -> ANY", |_, a| kept_places(a, half_up)),
            one("ROUND(value DOUBLE, scale INT) -> DOUBLE", |_, a| double_places(a, half_up)),
        ],
    },
    Scalar {
        name: "TRUNC",
        family: "math",
        about: "The value cut to a number of decimal places, none by default, negative ones being in front of the point.",
        overloads: &[
            one("TRUNC(value INT) -> BIGINT", to_bigint),
            one("TRUNC(value BIGINT) -> BIGINT", to_bigint),
            whole("TRUNC(value DECIMAL) -> ANY", |_, a| places(a, 0, |_| Rounding::Down)),
            one("TRUNC(value DOUBLE) -> BIGINT", |_, a| Ok(Value::Bigint(number(a, 0)? as i64))),
            same("TRUNC(value DECIMAL, scale INT) -> ANY", |_, a| kept_places(a, |_| Rounding::Down)),
            one("TRUNC(value DOUBLE, scale INT) -> DOUBLE", |_, a| double_places(a, |_| Rounding::Down)),
        ],
    },
    Scalar {
        name: "SIGN",
        family: "math",
        about: "1, 0 or -1: the sign of the value.",
        overloads: &[one("SIGN(value INT) -> INT", sign), one("SIGN(value BIGINT) -> INT", sign), one("SIGN(value DOUBLE) -> INT", sign)],
    },
    double(
        "DEGREES",
        "An angle in radians as degrees.",
        &[one("DEGREES(value DOUBLE) -> DOUBLE", |_, a| on_double(a, |x| x * 180.0 / PI))],
    ),
    double("RADIANS", "An angle in degrees as radians.", &[one("RADIANS(value DOUBLE) -> DOUBLE", |_, a| on_double(a, radians))]),
    double("PI", "The circumference of a circle of diameter 1.", &[one("PI() -> DOUBLE", |_, _| Ok(Value::Double(PI)))]),
    double("RANDOM", "A random number from 0 to 1. It has no place in a query that is kept current.", &[one("RANDOM() -> DOUBLE", random)]),
    double(
        "GEO_DISTANCE",
        "The distance between two points on the Earth, given in degrees, along the great circle: in kilometers, or in miles if the \
         unit is MI or MILES. A unit that is NULL means kilometers.",
        &[Overload {
            signature: "GEO_DISTANCE(lat1 DOUBLE, lon1 DOUBLE, lat2 DOUBLE, lon2 DOUBLE, [unit STRING]) -> DOUBLE",
            returns: None,
            nulls: Nulls::See,
            eval: geo_distance,
        }],
    ),
    Scalar {
        name: "GENERATE_SERIES",
        family: "array",
        about: "The numbers from one to another, both included, by a step: 1 or -1 if none is given.",
        overloads: &[
            one("GENERATE_SERIES(first INT, last INT) -> ARRAY<INT>", series),
            one("GENERATE_SERIES(first INT, last INT, step INT) -> ARRAY<INT>", series),
            one("GENERATE_SERIES(first BIGINT, last BIGINT) -> ARRAY<BIGINT>", series),
            one("GENERATE_SERIES(first BIGINT, last BIGINT, step INT) -> ARRAY<BIGINT>", series),
        ],
    },
];

type Eval = fn(&Call<'_>, &[Value]) -> Result<Value>;

const fn one(signature: &'static str, eval: Eval) -> Overload {
    Overload { signature, returns: None, nulls: Nulls::Give, eval }
}

/// The result has the type of the first argument.
const fn same(signature: &'static str, eval: Eval) -> Overload {
    Overload { signature, returns: Some(|types| types.first().cloned()), nulls: Nulls::Give, eval }
}

/// The result is a decimal without digits behind the point.
const fn whole(signature: &'static str, eval: Eval) -> Overload {
    Overload { signature, returns: Some(whole_type), nulls: Nulls::Give, eval }
}

const fn double(name: &'static str, about: &'static str, overloads: &'static [Overload]) -> Scalar {
    Scalar { name, family: "math", about, overloads }
}

fn whole_type(types: &[Type]) -> Option<Type> {
    match types.first()? {
        // A decimal has one digit at least.
        Type::Decimal(p, s) => Some(Type::Decimal(p.saturating_sub(*s).max(1), 0)),
        _ => None,
    }
}

fn wrong() -> Error {
    Error::new(code::DATATYPE_MISMATCH, "argument is not a number of the expected type")
}

fn number(args: &[Value], at: usize) -> Result<f64> {
    args.get(at).and_then(Value::as_f64).ok_or_else(wrong)
}

fn integer(args: &[Value], at: usize) -> Result<i64> {
    args.get(at).and_then(Value::as_i64).ok_or_else(wrong)
}

fn on_double(args: &[Value], f: fn(f64) -> f64) -> Result<Value> {
    Ok(Value::Double(f(number(args, 0)?)))
}

fn on_doubles(args: &[Value], f: fn(f64, f64) -> f64) -> Result<Value> {
    Ok(Value::Double(f(number(args, 0)?, number(args, 1)?)))
}

fn log(base: f64, value: f64) -> f64 {
    if base <= 0.0 || base == 1.0 { f64::NAN } else { value.ln() / base.ln() }
}

fn itself(_: &Call<'_>, args: &[Value]) -> Result<Value> {
    args.first().cloned().ok_or_else(wrong)
}

fn to_bigint(_: &Call<'_>, args: &[Value]) -> Result<Value> {
    Ok(Value::Bigint(integer(args, 0)?))
}

fn abs(_: &Call<'_>, args: &[Value]) -> Result<Value> {
    Ok(match args.first() {
        Some(Value::Int(n)) => Value::Int(n.wrapping_abs()),
        Some(Value::Bigint(n)) => Value::Bigint(n.wrapping_abs()),
        Some(Value::Double(x)) => Value::Double(x.abs()),
        Some(Value::Decimal(d)) => Value::Decimal(d.abs()),
        _ => return Err(wrong()),
    })
}

fn sign(_: &Call<'_>, args: &[Value]) -> Result<Value> {
    let sign = match args.first() {
        Some(Value::Int(n)) => n.signum(),
        Some(Value::Bigint(n)) => n.signum() as i32,
        Some(Value::Double(x)) => i32::from(*x > 0.0) - i32::from(*x < 0.0),
        _ => return Err(wrong()),
    };
    Ok(Value::Int(sign))
}

fn random(_: &Call<'_>, _: &[Value]) -> Result<Value> {
    Err(Error::unsupported("RANDOM() has no place in a query that is kept current").hint("Make the number where the event is made."))
}

/// To the nearest, ties towards positive infinity.
fn java_round(x: f64) -> i64 {
    let floor = x.floor();
    (if x - floor >= 0.5 { floor + 1.0 } else { floor }) as i64
}

fn half_up(value: &BigDecimal) -> Rounding {
    if value.sign() == bigdecimal::num_bigint::Sign::Plus { Rounding::HalfUp } else { Rounding::HalfDown }
}

fn decimal(args: &[Value]) -> Result<&BigDecimal> {
    match args.first() {
        Some(Value::Decimal(d)) => Ok(d),
        _ => Err(wrong()),
    }
}

/// A decimal at that many places.
fn places(args: &[Value], scale: i64, mode: fn(&BigDecimal) -> Rounding) -> Result<Value> {
    let value = decimal(args)?;
    Ok(Value::Decimal(rescale(value, scale, mode(value))?))
}

/// A decimal rounded to places, shown with those that it had.
fn kept(value: &BigDecimal, scale: i64, mode: Rounding) -> Result<BigDecimal> {
    let own = value.as_bigint_and_exponent().1;
    if scale >= own {
        return Ok(value.clone());
    }
    let rounded = rescale(value, scale, mode)?;
    rescale(&rounded, own, Rounding::Down)
}

fn kept_places(args: &[Value], mode: fn(&BigDecimal) -> Rounding) -> Result<Value> {
    let value = decimal(args)?;
    Ok(Value::Decimal(kept(value, integer(args, 1)?, mode(value))?))
}

fn to_whole(args: &[Value], mode: Rounding) -> Result<Value> {
    Ok(Value::Decimal(kept(decimal(args)?, 0, mode)?))
}

/// A double rounded by its decimal text, so that 1.005 is what it looks like.
fn double_places(args: &[Value], mode: fn(&BigDecimal) -> Rounding) -> Result<Value> {
    let (x, scale) = (number(args, 0)?, integer(args, 1)?);
    let text = java_double(x);
    let value = parse_decimal(&text)
        .ok_or_else(|| Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, format!("{text} cannot be rounded to decimal places")))?;
    if scale >= value.as_bigint_and_exponent().1 {
        return Ok(Value::Double(if x == 0.0 { 0.0 } else { x }));
    }
    let rounded = rescale(&value, scale, mode(&value))?;
    let (digits, at) = rounded.as_bigint_and_exponent();
    format!("{digits}e{}", -at).parse().map(Value::Double).map_err(|_| wrong())
}

/// In this order of operations, which decides about the last digit.
fn radians(degrees: f64) -> f64 {
    degrees / 180.0 * PI
}

fn geo_distance(_: &Call<'_>, args: &[Value]) -> Result<Value> {
    if args.iter().take(4).any(Value::is_null) {
        return Ok(Value::Null);
    }
    let (lat1, lon1, lat2, lon2) = (number(args, 0)?, number(args, 1)?, number(args, 2)?, number(args, 3)?);
    let bad = |message: &str| Error::new(code::INVALID_PARAMETER_VALUE, message);
    if [lat1, lat2].iter().any(|lat| lat.abs() > 90.0) {
        return Err(bad("latitude must be from -90 to 90 degrees"));
    }
    if [lon1, lon2].iter().any(|lon| lon.abs() > 180.0) {
        return Err(bad("longitude must be from -180 to 180 degrees"));
    }
    let unit = args.get(4).and_then(Value::as_str).unwrap_or("").trim().to_lowercase();
    let radius = match unit.as_str() {
        "" | "km" | "kilometer" | "kilometers" | "kilometre" | "kilometres" => 6371.0,
        "mi" | "mile" | "miles" => 3959.0,
        _ => return Err(bad("unit of distance must be MI, MILES, KM or KILOMETERS")),
    };
    let squared = |angle: f64| (angle / 2.0).sin().powi(2);
    let chord = squared(radians(lat2 - lat1)) + squared(radians(lon2 - lon1)) * radians(lat1).cos() * radians(lat2).cos();
    Ok(Value::Double(2.0 * chord.sqrt().asin() * radius))
}

fn series(call: &Call<'_>, args: &[Value]) -> Result<Value> {
    let bad = |message: &str| Error::new(code::INVALID_PARAMETER_VALUE, message);
    let (first, last) = (integer(args, 0)?, integer(args, 1)?);
    let span = i128::from(last) - i128::from(first);
    let step = match args.get(2) {
        Some(_) => integer(args, 2)?,
        None => {
            if span > 0 {
                1
            } else {
                -1
            }
        }
    };
    if step == 0 {
        return Err(bad("step of GENERATE_SERIES must not be zero"));
    }
    if span.signum() * i128::from(step.signum()) < 0 {
        return Err(bad("step of GENERATE_SERIES has the wrong sign"));
    }
    let count = span / i128::from(step) + 1;
    if count > (limits::VALUE_BYTES_MAX / size_of::<Value>()) as i128 {
        return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, format!("GENERATE_SERIES would make {count} numbers")));
    }
    let narrow = matches!(call.returns, Type::Array(item) if **item == Type::Int);
    let make = |n: i64| if narrow { Value::Int(n as i32) } else { Value::Bigint(n) };
    // No step leads beyond the last number, so nothing overflows.
    Ok(Value::array((0..count as i64).map(|i| make(first.wrapping_add(i.wrapping_mul(step)))).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::func::ksql::show::show;

    /// Calls the overload whose signature begins so; the text of the result, or the error's code.
    fn call(signature: &str, args: &[Value]) -> String {
        let overload = FUNCTIONS.iter().flat_map(|f| f.overloads).find(|o| o.signature.starts_with(signature)).expect("a function");
        let returns = Type::Array(Box::new(Type::Int));
        let call = Call { arguments: &[], returns: &returns, lambdas: &[] };
        (overload.eval)(&call, args).map_or_else(|e| e.code().to_string(), |v| show(&v))
    }

    fn dec(text: &str) -> Value {
        Value::Decimal(parse_decimal(text).expect("a decimal"))
    }

    #[test]
    fn numbers_are_rounded_as_in_java() {
        let scaled = [
            ("ROUND(value DOUBLE,", 12345.678, 2, "12345.68"),
            ("ROUND(value DOUBLE,", -12345.678, -1, "-12350.0"),
            ("ROUND(value DOUBLE,", -1.5, 0, "-1.0"),
            ("ROUND(value DOUBLE,", -1.1, -1, "0.0"),
            ("ROUND(value DOUBLE,", 1.2, 10, "1.2"),
            ("ROUND(value DOUBLE,", f64::NAN, 1, code::NUMERIC_VALUE_OUT_OF_RANGE),
            ("TRUNC(value DOUBLE,", -12345.678, 1, "-12345.6"),
            ("TRUNC(value DOUBLE,", 12345.678, -2, "12300.0"),
        ];
        for (signature, x, scale, expected) in scaled {
            assert_eq!(call(signature, &[Value::Double(x), Value::Int(scale)]), expected, "{signature} {x} {scale}");
        }
        for (x, expected) in [(1.5, "2"), (-1.5, "-1"), (-1.7, "-2"), (0.49999999999999994, "0"), (1e300, "9223372036854775807")] {
            assert_eq!(call("ROUND(value DOUBLE)", &[Value::Double(x)]), expected);
        }
        let large = dec("12345678987654321.2345678987654321");
        assert_eq!(call("ROUND(value DECIMAL)", std::slice::from_ref(&large)), "12345678987654321");
        assert_eq!(call("ROUND(value DECIMAL,", &[large, Value::Int(0)]), "12345678987654321.0000000000000000");
        assert_eq!(call("TRUNC(value DECIMAL,", &[dec("12345.6780000"), Value::Int(-1)]), "12340.0000000");
        assert_eq!(call("CEIL(value DECIMAL)", &[dec("-1.50")]), "-1.00");
        assert_eq!(call("FLOOR(value DECIMAL)", &[dec("-1.50")]), "-2.00");
        assert_eq!(whole_type(&[Type::Decimal(33, 16)]), Some(Type::Decimal(17, 0)));
    }

    #[test]
    fn functions_of_doubles() {
        let on = |name: &str, xs: &[f64]| call(name, &xs.iter().map(|x| Value::Double(*x)).collect::<Vec<_>>());
        assert_eq!(on("EXP", &[-1.0]), "0.36787944117144233");
        assert_eq!(on("LN", &[0.0]), "-Infinity");
        assert_eq!(on("LOG(value", &[13.0]), "2.5649493574615367");
        assert_eq!(on("LOG(base", &[1.0, 5.0]), "NaN");
        assert_eq!(on("CBRT", &[-3.0]), "-1.4422495703074083");
        assert_eq!(on("ACOS", &[-1.1]), "NaN");
        let at = |lat1, lon1, lat2, lon2, unit: Value| {
            call("GEO_DISTANCE", &[Value::Double(lat1), Value::Double(lon1), Value::Double(lat2), Value::Double(lon2), unit])
        };
        assert_eq!(at(37.4439, -122.1663, 51.5257, -0.1122, Value::Null), "8634.659796579544");
        assert_eq!(at(51.5257, -0.1122, -33.9323, 18.4197, Value::text("MI")), "6011.1453892944355");
        assert_eq!(at(-33.9323, 18.4197, -33.8666, 151.1, Value::text("KM")), "11005.23304055582");
        assert_eq!(at(39.18660374, -76.73262144, 39.18660374, -76.73222145, Value::Null), "0.03447366811448324");
        assert_eq!(at(91.0, 0.0, 0.0, 0.0, Value::Null), code::INVALID_PARAMETER_VALUE);
    }

    #[test]
    fn series_run_both_ways() {
        let on = |args: &[i32]| call("GENERATE_SERIES(first INT, last INT", &args.iter().map(|n| Value::Int(*n)).collect::<Vec<_>>());
        assert_eq!(on(&[1, 3]), "[1, 2, 3]");
        assert_eq!(on(&[3, 1]), "[3, 2, 1]");
        assert_eq!(on(&[1, 6, 2]), "[1, 3, 5]");
        assert_eq!(on(&[1, 1]), "[1]");
        assert_eq!(on(&[1, 3, 0]), code::INVALID_PARAMETER_VALUE);
        assert_eq!(on(&[1, 3, -1]), code::INVALID_PARAMETER_VALUE);
        assert_eq!(on(&[i32::MIN, i32::MAX]), code::PROGRAM_LIMIT_EXCEEDED);
    }
}
