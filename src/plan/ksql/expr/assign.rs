//! What INSERT VALUES takes for a column.
//!
//! Stricter than comparisons: numbers widen and nothing more, text becomes dates, times and bytes (base64), but no text becomes a number
//! and no number text. Looser than queries: an empty constructor or one of NULLs has the type of the column.

use std::borrow::Cow;

use bigdecimal::BigDecimal;

use crate::error::{Error, Result, code};
use crate::func::ksql::cast::{cast, coerce_literal};
use crate::func::ksql::code::{Code, Conversion};
use crate::func::ksql::{Type, Value};

use super::node::{Made, Node};
use super::placed;

impl Node<'_> {
    /// The code of a value for a column of type `to`.
    pub(super) fn assigned(self, to: &Type) -> Result<Code> {
        let at = self.expr.at;
        self.assigned_to(to).map_err(|e| placed(e, at))
    }

    fn assigned_to(self, to: &Type) -> Result<Code> {
        if self.ty == Type::Null {
            return Ok(Code::Constant(Value::Null));
        }
        let code = match (self.made, to) {
            (Made::Array(items), Type::Array(item)) => {
                Code::Array(items.into_iter().map(|node| node.assigned(item)).collect::<Result<_>>()?)
            }
            (Made::Map(entries), Type::Map(key, value)) => {
                let entry = |(k, v): (Node<'_>, Node<'_>)| Ok((k.assigned(key)?, v.assigned(value)?));
                Code::Map(entries.into_iter().map(entry).collect::<Result<_>>()?)
            }
            (Made::Struct(mut given), Type::Struct(fields)) => {
                let mut codes = Vec::with_capacity(fields.len());
                for (name, ty) in fields.iter() {
                    let exact = given.iter().position(|(n, _)| n == name);
                    let found = exact.or_else(|| given.iter().position(|(n, _)| n.eq_ignore_ascii_case(name)));
                    codes.push(match found {
                        Some(at) => given.remove(at).1.assigned(ty)?,
                        None => Code::Constant(Value::Null),
                    });
                }
                if let Some((name, _)) = given.first() {
                    return Err(Error::new(code::UNDEFINED_COLUMN, format!("{to} has no field {name}")));
                }
                Code::Struct(fields.iter().map(|(name, _)| name.clone()).collect(), codes)
            }
            (made, _) => {
                let (code, from) = Node { made, ty: self.ty, expr: self.expr }.finish()?;
                return assign(code, &from, to);
            }
        };
        Ok(code)
    }
}

fn assign(code: Code, from: &Type, to: &Type) -> Result<Code> {
    if from == to {
        return Ok(code);
    }
    if !assignable(from, to) {
        let message = format!("a value of type {to} is needed, but the expression is of type {from}");
        return Err(Error::new(code::DATATYPE_MISMATCH, message).hint("You might need to add a CAST."));
    }
    match code {
        Code::Constant(value) => Ok(Code::Constant(exact(value, to)?)),
        code => Ok(Code::Convert { value: Box::new(code), to: to.clone(), how: Conversion::Cast }),
    }
}

fn assignable(from: &Type, to: &Type) -> bool {
    match (from, to) {
        (Type::Null, _) => true,
        (Type::Int, Type::Bigint | Type::Decimal(..) | Type::Double) | (Type::Bigint, Type::Decimal(..) | Type::Double) => true,
        (Type::Decimal(..), Type::Decimal(..) | Type::Double) => true,
        (Type::String, Type::Date | Type::Time | Type::Timestamp | Type::Bytes) => true,
        (Type::Array(f), Type::Array(t)) => assignable(f, t),
        (Type::Map(fk, fv), Type::Map(tk, tv)) => assignable(fk, tk) && assignable(fv, tv),
        (Type::Struct(f), Type::Struct(t)) => {
            f.iter().all(|(name, from)| t.iter().find(|(n, _)| n == name).is_some_and(|(_, to)| assignable(from, to)))
        }
        _ => from == to,
    }
}

/// The value in another type; digits behind the point that do not fit are an error, not rounded.
fn exact(value: Value, to: &Type) -> Result<Value> {
    match (&value, to) {
        (Value::Null, _) => Ok(value),
        (Value::String(text), _) => coerce_literal(text, to),
        (Value::Int(_) | Value::Bigint(_) | Value::Decimal(_), Type::Decimal(..)) => {
            let converted = cast(&value, to)?;
            let (before, after): (Option<BigDecimal>, Option<BigDecimal>) = (value.as_decimal(), converted.as_decimal());
            if before != after {
                let message = format!("the value has more digits behind the point than {to}");
                return Err(Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, message).hint("CAST rounds it."));
            }
            Ok(converted)
        }
        _ => Conversion::Cast.apply(Cow::Owned(value), to),
    }
}
