//! Expressions whose type is not settled: literals and constructors adapt to where they stand, everything else is converted.

use std::borrow::Cow;
use std::sync::Arc;

use bigdecimal::BigDecimal;

use crate::error::{Error, Result, code};
use crate::func::ksql::cast::{cast, castable, coerce_literal, widen};
use crate::func::ksql::code::{Code, Conversion};
use crate::func::ksql::{Type, Value};
use crate::sql::ksql::ast::Expr;

use super::{placed, text_of};

/// An expression, its type as it stands, and where it was written.
#[derive(Clone)]
pub(super) struct Node<'e> {
    pub made: Made<'e>,
    pub ty: Type,
    pub expr: &'e Expr,
}

#[derive(Clone)]
pub(super) enum Made<'e> {
    Literal(Value),
    Array(Vec<Node<'e>>),
    Map(Vec<(Node<'e>, Node<'e>)>),
    Struct(Vec<(Arc<str>, Node<'e>)>),
    Code(Code),
}

impl Node<'_> {
    /// The code as it stands. Constructors that do not say their type are refused.
    pub fn finish(self) -> Result<(Code, Type)> {
        let (at, ty) = (self.expr.at, self.ty);
        let untyped = |what: &str| {
            let error = Error::new(code::DATATYPE_MISMATCH, format!("the type of {what} is not known"));
            Err(placed(error.hint("Give an element a type with CAST, as in CAST(NULL AS INT)."), at))
        };
        let code = match (self.made, &ty) {
            (Made::Literal(value), _) => Code::Constant(value),
            (Made::Code(code), _) => code,
            (Made::Array(_), Type::Array(item)) if **item == Type::Null => return untyped("an array without elements or of NULLs alone"),
            (Made::Map(_), Type::Map(key, value)) if **key == Type::Null || **value == Type::Null => {
                return untyped("a map without entries or of NULLs alone");
            }
            (Made::Struct(_), Type::Struct(fields)) if fields.iter().any(|(_, ty)| *ty == Type::Null) => {
                return untyped("a NULL in a struct");
            }
            (made, ty) => constructed(made, ty)?,
        };
        Ok((code, ty))
    }

    /// True for constructors whose type is not known without their place.
    pub fn is_untyped(&self) -> bool {
        fn unknown(ty: &Type) -> bool {
            match ty {
                Type::Null => true,
                Type::Array(item) => unknown(item),
                Type::Map(key, value) => unknown(key) || unknown(value),
                Type::Struct(fields) => fields.iter().any(|(_, ty)| unknown(ty)),
                _ => false,
            }
        }
        !matches!(self.made, Made::Code(_)) && unknown(&self.ty)
    }

    /// The code, converted to a type that [`super::common`] found or a function wants.
    pub fn converted(self, to: &Type) -> Result<Code> {
        if self.ty == *to {
            return Ok(self.finish()?.0);
        }
        let at = self.expr.at;
        match (self.made, to) {
            (Made::Literal(Value::Null), _) => Ok(Code::Constant(Value::Null)),
            (Made::Literal(value), _) => Ok(Code::Constant(literal_as(value, to).map_err(|e| placed(e, at))?)),
            (made @ Made::Array(_), Type::Array(_)) | (made @ Made::Map(_), Type::Map(..)) | (made @ Made::Struct(_), Type::Struct(_)) => {
                constructed(made, to)
            }
            (made, _) => {
                let (code, from) = Node { made, ty: self.ty, expr: self.expr }.finish()?;
                convert(code, &from, to).map_err(|e| placed(e, at))
            }
        }
    }

    /// What was written, for messages.
    pub fn text(&self) -> String {
        text_of(self.expr)
    }
}

/// A constructor's code, its elements converted to those of the type.
fn constructed(made: Made<'_>, to: &Type) -> Result<Code> {
    let code = match (made, to) {
        (Made::Array(items), Type::Array(item)) => {
            let items: Result<Vec<Code>> = items.into_iter().map(|node| Ok(guarded(node.converted(item)?))).collect();
            Code::Array(items?)
        }
        (Made::Map(entries), Type::Map(key, value)) => {
            let entries: Result<Vec<(Code, Code)>> =
                entries.into_iter().map(|(k, v)| Ok((guarded(k.converted(key)?), guarded(v.converted(value)?)))).collect();
            Code::Map(entries?)
        }
        (Made::Struct(mut given), Type::Struct(fields)) => {
            let names = fields.iter().map(|(name, _)| name.clone()).collect();
            let mut codes = Vec::with_capacity(fields.len());
            for (name, ty) in fields.iter() {
                codes.push(match given.iter().position(|(n, _)| n == name) {
                    Some(at) => guarded(given.swap_remove(at).1.converted(ty)?),
                    None => Code::Constant(Value::Null),
                });
            }
            Code::Struct(names, codes)
        }
        _ => return Err(Error::internal("a constructor of another type")),
    };
    Ok(code.folded())
}

/// The code that gives NULL where this fails.
pub(super) fn guarded(code: Code) -> Code {
    match code {
        Code::Constant(_) | Code::Column { .. } | Code::Variable { .. } | Code::Guard(_) => code,
        _ => Code::Guard(Box::new(code)),
    }
}

/// Converts what is no literal.
pub(super) fn convert(code: Code, from: &Type, to: &Type) -> Result<Code> {
    if from == to || *from == Type::Null {
        return Ok(code);
    }
    let how = match (from, to) {
        (Type::Int, Type::Bigint | Type::Double | Type::Decimal(..)) | (Type::Bigint, Type::Double | Type::Decimal(..)) => {
            Conversion::Widen
        }
        (Type::Decimal(..), Type::Double | Type::Decimal(..)) => Conversion::Widen,
        (Type::String, Type::Date | Type::Time | Type::Timestamp | Type::Bytes) => Conversion::Parse,
        _ if castable(from, to) => Conversion::Cast,
        _ => {
            let message = format!("Cast of {from} to {to} is not supported");
            return Err(Error::new(code::CANNOT_COERCE, message));
        }
    };
    Ok(guarded(Code::Convert { value: Box::new(code), to: to.clone(), how }.folded()))
}

/// A literal as a value of another type: user input is taken more freely than other values.
pub(super) fn literal_as(value: Value, to: &Type) -> Result<Value> {
    match (&value, to) {
        (Value::String(text), _) => coerce_literal(text, to),
        (_, Type::Bigint | Type::Double | Type::Decimal(..)) if value.as_f64().is_some() => widen(value, to),
        _ => Conversion::Cast.apply(Cow::Owned(value), to),
    }
}

/// INT if it fits, else BIGINT.
pub(super) fn integer(text: &str) -> Result<(Value, Type)> {
    if let Ok(n) = text.parse::<i32>() {
        return Ok((Value::Int(n), Type::Int));
    }
    match text.parse::<i64>() {
        Ok(n) => Ok((Value::Bigint(n), Type::Bigint)),
        Err(_) => Err(Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, format!("number {text} is out of range for type BIGINT"))
            .hint("Write a decimal point behind it to make it a DECIMAL.")),
    }
}

/// A DECIMAL as narrow as its digits.
pub(super) fn decimal(text: &str) -> Result<(Value, Type)> {
    let bad = || Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, format!("number {text} is out of range for type DECIMAL"));
    let value: BigDecimal = text.parse().map_err(|_| bad())?;
    let ty = decimal_type(&value).ok_or_else(bad)?;
    Ok((cast(&Value::Decimal(value), &ty)?, ty))
}

/// ksqlDB counts a digit before the point also where that is zero.
pub(super) fn decimal_type(value: &BigDecimal) -> Option<Type> {
    let (digits, scale) = value.as_bigint_and_exponent();
    let scale = scale.max(0);
    let value = if digits.sign() == bigdecimal::num_bigint::Sign::NoSign { BigDecimal::from(0) } else { value.with_scale(scale) };
    let below_one = value.abs() < 1;
    let precision = if below_one { u64::try_from(scale).ok()? + 1 } else { value.digits() };
    Some(Type::Decimal(u8::try_from(precision).ok()?, u8::try_from(scale).ok()?))
}

/// A DOUBLE.
pub(super) fn double(text: &str) -> Result<(Value, Type)> {
    match text.parse::<f64>() {
        Ok(x) if x.is_finite() => Ok((Value::Double(x), Type::Double)),
        _ => Err(Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, format!("number {text} is out of range for type DOUBLE"))),
    }
}
