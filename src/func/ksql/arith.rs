//! Arithmetic: + - * / % on numbers, + on text, and negation.
//!
//! Whole numbers wrap around as Java's do. Decimals get a type that holds every result; where none can (a quotient without end), the
//! result is rounded half up.

use bigdecimal::BigDecimal;

use super::cast::{check_decimal, divide};
use super::types::Type;
use super::value::Value;
use crate::error::{Error, Result, code};
use crate::limits;

/// An operation on two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arith {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

/// The type of a result; `None` if the operation is not for these types. A bare NULL takes the type of the other operand.
pub fn result_type(op: Arith, l: &Type, r: &Type) -> Option<Type> {
    match (l, r) {
        (Type::Null, other) | (other, Type::Null) => {
            (other.is_number() || (op == Arith::Add && *other == Type::String)).then(|| other.clone())
        }
        (Type::String, Type::String) => (op == Arith::Add).then_some(Type::String),
        (l, r) if l.is_number() && r.is_number() => match (l, r) {
            (Type::Double, _) | (_, Type::Double) => Some(Type::Double),
            (Type::Decimal(..), _) | (_, Type::Decimal(..)) => decimal_type(op, l.as_decimal()?, r.as_decimal()?),
            (Type::Int, Type::Int) => Some(Type::Int),
            _ => Some(Type::Bigint),
        },
        _ => None,
    }
}

/// The decimal that holds the results; `None` if there is none that large.
fn decimal_type(op: Arith, (p, s): (u8, u8), (q, t): (u8, u8)) -> Option<Type> {
    let [p, s, q, t] = [p, s, q, t].map(i32::from);
    let wider = s.max(t);
    let (precision, scale) = match op {
        Arith::Add | Arith::Subtract => (wider + (p - s).max(q - t) + 1, wider),
        Arith::Multiply => (p + q + 1, s + t),
        Arith::Divide => {
            let scale = (s + q + 1).max(6);
            (p - s + t + scale, scale)
        }
        Arith::Modulo => ((p - s).min(q - t) + wider, wider),
    };
    // DECIMAL(2, 2) % x has no digit before the point, but a decimal has one digit at least.
    Some(Type::Decimal(u8::try_from(precision.max(1)).ok()?, u8::try_from(scale).ok()?))
}

fn by_zero() -> Error {
    Error::new(code::DIVISION_BY_ZERO, "division by zero")
}

/// Computes a result of the type that [`result_type`] gives; NULL if an operand is.
pub fn compute(op: Arith, l: &Value, r: &Value, ty: &Type) -> Result<Value> {
    let wrong = || Error::new(code::DATATYPE_MISMATCH, format!("unsupported operands for arithmetic to {ty}"));
    if l.is_null() || r.is_null() {
        return Ok(Value::Null);
    }
    Ok(match ty {
        Type::Int => {
            let both = |v: &Value| v.as_i64().and_then(|n| i32::try_from(n).ok()).ok_or_else(wrong);
            // Modulo 2^32, what 64 bits give is what 32 bits wrap to.
            Value::Int(whole(op, both(l)?.into(), both(r)?.into())? as i32)
        }
        Type::Bigint => {
            let (a, b) = (l.as_i64().ok_or_else(wrong)?, r.as_i64().ok_or_else(wrong)?);
            Value::Bigint(whole(op, a, b)?)
        }
        Type::Double => {
            let (a, b) = (l.as_f64().ok_or_else(wrong)?, r.as_f64().ok_or_else(wrong)?);
            Value::Double(match op {
                Arith::Add => a + b,
                Arith::Subtract => a - b,
                Arith::Multiply => a * b,
                Arith::Divide => a / b,
                Arith::Modulo => a % b,
            })
        }
        Type::Decimal(p, s) => {
            let (a, b) = (l.as_decimal().ok_or_else(wrong)?, r.as_decimal().ok_or_else(wrong)?);
            Value::Decimal(check_decimal(decimal(op, a, b, i64::from(*s))?, *p, *s)?)
        }
        Type::String if op == Arith::Add => {
            let (a, b) = (l.as_str().ok_or_else(wrong)?, r.as_str().ok_or_else(wrong)?);
            if a.len() + b.len() > limits::VALUE_BYTES_MAX {
                return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, "result of concatenation is too large"));
            }
            Value::text(format!("{a}{b}"))
        }
        _ => return Err(wrong()),
    })
}

/// Wraps at 64 bits. Errors: 22012.
fn whole(op: Arith, a: i64, b: i64) -> Result<i64> {
    Ok(match op {
        Arith::Add => a.wrapping_add(b),
        Arith::Subtract => a.wrapping_sub(b),
        Arith::Multiply => a.wrapping_mul(b),
        Arith::Divide | Arith::Modulo if b == 0 => return Err(by_zero()),
        Arith::Divide => a.wrapping_div(b),
        Arith::Modulo => a.wrapping_rem(b),
    })
}

fn decimal(op: Arith, a: BigDecimal, b: BigDecimal, scale: i64) -> Result<BigDecimal> {
    Ok(match op {
        Arith::Add => a + b,
        Arith::Subtract => a - b,
        Arith::Multiply => a * b,
        Arith::Divide => divide(&a, &b, scale)?.ok_or_else(by_zero)?,
        Arith::Modulo => {
            let ((x, s), (y, t)) = (a.as_bigint_and_exponent(), b.as_bigint_and_exponent());
            if y == 0.into() {
                return Err(by_zero());
            }
            // On integers of a common scale; the sign is the dividend's.
            let common = s.max(t);
            let align = |n, from| BigDecimal::new(n, from).with_scale(common).into_bigint_and_exponent().0;
            BigDecimal::new(align(x, s) % align(y, t), common)
        }
    })
}

/// The number with the other sign. The least whole number stays as it is, as in Java.
pub fn negate(value: &Value) -> Result<Value> {
    Ok(match value {
        Value::Null => Value::Null,
        Value::Int(n) => Value::Int(n.wrapping_neg()),
        Value::Bigint(n) => Value::Bigint(n.wrapping_neg()),
        Value::Double(x) => Value::Double(-x),
        Value::Decimal(d) => Value::Decimal(-d.clone()),
        _ => return Err(Error::new(code::DATATYPE_MISMATCH, "negation is for numbers")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::func::ksql::cast::parse_decimal;
    use crate::func::ksql::show::show;

    /// Computes on texts: whole numbers are INT, with L behind them BIGINT, with a point DECIMAL of their digits, with D DOUBLE.
    fn run(l: &str, op: Arith, r: &str) -> String {
        let read = |text: &str| match (text.strip_suffix('L'), text.strip_suffix('D')) {
            (Some(n), _) => (Value::Bigint(n.parse().expect("a number")), Type::Bigint),
            (_, Some(x)) => (Value::Double(x.parse().expect("a number")), Type::Double),
            _ if text.contains('.') => {
                let d = parse_decimal(text).expect("a decimal");
                let scale = d.as_bigint_and_exponent().1 as u8;
                let ty = Type::Decimal((d.digits() as u8).max(scale), scale);
                (Value::Decimal(d), ty)
            }
            _ => (Value::Int(text.parse().expect("a number")), Type::Int),
        };
        let ((a, s), (b, t)) = (read(l), read(r));
        let ty = result_type(op, &s, &t).expect("numbers");
        match compute(op, &a, &b, &ty) {
            Ok(v) => format!("{} {ty}", show(&v)),
            Err(e) => e.code().to_string(),
        }
    }

    #[test]
    fn arithmetic_is_java_s() {
        use Arith::*;
        let cases = [
            ("2147483647", Add, "1", "-2147483648 INTEGER"),
            ("-2147483648", Subtract, "1", "2147483647 INTEGER"),
            ("2147483647", Multiply, "2147483647", "1 INTEGER"),
            ("-2147483648", Divide, "-1", "-2147483648 INTEGER"),
            ("-2147483648", Modulo, "-1", "0 INTEGER"),
            ("7", Divide, "2", "3 INTEGER"),
            ("-7", Modulo, "3L", "-1 BIGINT"),
            ("1", Divide, "0", code::DIVISION_BY_ZERO),
            ("1D", Divide, "0", "Infinity DOUBLE"),
            ("10.10", Add, "5.10", "15.20 DECIMAL(5, 2)"),
            ("10.10", Subtract, "1", "9.10 DECIMAL(13, 2)"),
            ("10.10", Multiply, "-2.00", "-20.2000 DECIMAL(8, 4)"),
            ("10.10", Divide, "2.00", "5.050000 DECIMAL(10, 6)"),
            ("10.00", Divide, "3.00", "3.333333 DECIMAL(10, 6)"),
            ("10.10", Divide, "0.00", code::DIVISION_BY_ZERO),
            ("-10.10", Modulo, "3.0", "-1.10 DECIMAL(3, 2)"),
            ("1.5", Multiply, "2D", "3.0 DOUBLE"),
        ];
        for (l, op, r, expected) in cases {
            assert_eq!(run(l, op, r), expected, "{l} {op:?} {r}");
        }
        assert_eq!(result_type(Add, &Type::String, &Type::String), Some(Type::String));
        assert_eq!(result_type(Add, &Type::String, &Type::Int), None);
        assert_eq!(result_type(Multiply, &Type::Decimal(200, 0), &Type::Decimal(200, 0)), None);
        let joined = compute(Add, &Value::text("a"), &Value::text("b"), &Type::String);
        assert_eq!(joined.ok(), Some(Value::text("ab")));
    }
}
