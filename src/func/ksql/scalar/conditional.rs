//! Scalar functions of the family `conditional`, and the conversion of values to a common type that they need.
//!
//! Their signatures say `ANY` and not `T`, because a type variable binds to one type and these take numbers of several: what fits and
//! what comes out is computed from all arguments together.

use std::cmp::Ordering;
use std::sync::Arc;

use super::string::{int_at, seeing, str_at, strict};
use crate::error::Result;
use crate::func::ksql::function::Returns;
use crate::func::ksql::json::temporal;
use crate::func::ksql::{Call, Nulls, Overload, Scalar, Struct, Type, Value};

const DAY_MS: i64 = 86_400_000;

/// A value in a type that [`Type::common`] made of its own and another one: numbers widen, a date becomes its midnight, composites
/// change element by element, text becomes a moment. A value that the type cannot hold is left as it is.
pub fn convert(value: &Value, ty: &Type) -> Value {
    let converted = match (value, ty) {
        (Value::Int(n), Type::Bigint) => Some(Value::Bigint(i64::from(*n))),
        (Value::Int(_) | Value::Bigint(_) | Value::Decimal(_), Type::Double) => value.as_f64().map(Value::Double),
        (Value::Int(_) | Value::Bigint(_) | Value::Decimal(_), Type::Decimal(_, scale)) => {
            value.as_decimal().map(|d| Value::Decimal(d.with_scale(i64::from(*scale))))
        }
        (Value::Date(days), Type::Timestamp) => i64::from(*days).checked_mul(DAY_MS).map(Value::Timestamp),
        (Value::String(s), Type::Date | Type::Time | Type::Timestamp) => temporal(s, ty),
        (Value::Array(items), Type::Array(item)) => Some(Value::array(items.iter().map(|value| convert(value, item)).collect())),
        (Value::Map(entries), Type::Map(key, item)) => Some(Value::map(entries.iter().map(|(k, v)| (convert(k, key), convert(v, item))))),
        (Value::Struct(s), Type::Struct(fields)) => {
            let field = |(name, ty): &(Arc<str>, Type)| {
                let at = s.names.iter().position(|n| n == name);
                at.and_then(|at| s.values.get(at)).map(|value| convert(value, ty)).unwrap_or_default()
            };
            let names = fields.iter().map(|(name, _)| name.clone()).collect();
            Some(Value::Struct(Arc::new(Struct { names, values: fields.iter().map(field).collect() })))
        }
        _ => None,
    };
    converted.unwrap_or_else(|| value.clone())
}

/// The common type of all; `None` also if there is nothing but NULLs.
fn common(types: &[Type]) -> Option<Type> {
    let ty = types.iter().try_fold(Type::Null, |all, ty| all.common(ty))?;
    (ty != Type::Null).then_some(ty)
}

/// The type in which values are ordered. As in ksqlDB, numbers of different types are refused (but for decimals among each other): its
/// overloads for them are ambiguous. Text is taken for a moment where there are moments.
fn ordered(types: &[Type]) -> Option<Type> {
    let mut all = Type::Null;
    for ty in types {
        all = match (&all, ty) {
            (Type::Boolean | Type::Array(_) | Type::Map(..) | Type::Struct(_) | Type::Unit, _) => return None,
            (a, b) if a.is_number() && b.is_number() && std::mem::discriminant(a) != std::mem::discriminant(b) => return None,
            (Type::Date | Type::Time | Type::Timestamp, Type::String) => all,
            (Type::String, Type::Date | Type::Time | Type::Timestamp) => ty.clone(),
            (a, b) => a.common(b)?,
        };
    }
    (!matches!(all, Type::Null | Type::Boolean | Type::Array(_) | Type::Map(..) | Type::Struct(_) | Type::Unit)).then_some(all)
}

/// The greatest or least of the values that are not NULL.
fn extreme(call: &Call<'_>, args: &[Value], wanted: Ordering) -> Result<Value> {
    let mut best = Value::Null;
    for value in args.iter().filter(|value| !value.is_null()) {
        let value = convert(value, call.returns);
        if best.is_null() || value.compare(&best) == Some(wanted) {
            best = value;
        }
    }
    Ok(best)
}

fn coalesce(call: &Call<'_>, args: &[Value]) -> Result<Value> {
    Ok(args.iter().find(|value| !value.is_null()).map(|value| convert(value, call.returns)).unwrap_or_default())
}

fn nullif(call: &Call<'_>, args: &[Value]) -> Result<Value> {
    match args {
        [value, other] if value != other => Ok(convert(value, call.returns)),
        _ => Ok(Value::Null),
    }
}

/// The argument at a place, from 1; NULL for any other place.
fn elt(_: &Call<'_>, args: &[Value]) -> Result<Value> {
    if args.first().is_none_or(Value::is_null) {
        return Ok(Value::Null);
    }
    let place = usize::try_from(int_at(args, 0)?).ok().filter(|n| *n > 0);
    Ok(place.and_then(|n| args.get(n)).cloned().unwrap_or_default())
}

/// The place of a text among the others, from 1, or 0; a NULL is nowhere.
fn field(_: &Call<'_>, args: &[Value]) -> Result<Value> {
    if args.first().is_none_or(Value::is_null) {
        return Ok(Value::Int(0));
    }
    let wanted = str_at(args, 0)?;
    let place = args.iter().skip(1).position(|value| value.as_str() == Some(wanted));
    Ok(Value::Int(place.and_then(|at| i32::try_from(at + 1).ok()).unwrap_or(0)))
}

const fn typed(signature: &'static str, returns: Returns, eval: fn(&Call<'_>, &[Value]) -> Result<Value>) -> Overload {
    Overload { signature, returns: Some(returns), nulls: Nulls::See, eval }
}

/// What is listed.
pub const FUNCTIONS: &[Scalar] = &[
    Scalar {
        name: "COALESCE",
        family: "conditional",
        about: "The first argument that is not NULL.",
        overloads: &[typed("COALESCE(first ANY, more ANY...) -> ANY", common, coalesce)],
    },
    Scalar {
        name: "IFNULL",
        family: "conditional",
        about: "The value, or another one if it is NULL.",
        overloads: &[typed("IFNULL(value ANY, other ANY) -> ANY", common, coalesce)],
    },
    Scalar {
        name: "NULLIF",
        family: "conditional",
        about: "The value, or NULL if it equals another one.",
        overloads: &[typed("NULLIF(value ANY, other ANY) -> ANY", common, nullif)],
    },
    Scalar {
        name: "AS_VALUE",
        family: "conditional",
        about: "The value itself. With it a key column is copied into a column that is no key.",
        overloads: &[strict("AS_VALUE(key T) -> T", |_, args| Ok(args.first().cloned().unwrap_or_default()))],
    },
    Scalar {
        name: "ELT",
        family: "string",
        about: "The text at a place of those that follow, from 1. NULL if there is no such place.",
        overloads: &[seeing("ELT(n INT, texts STRING...) -> STRING", elt)],
    },
    Scalar {
        name: "FIELD",
        family: "string",
        about: "The place, from 1, of a text among those that follow. 0 if it is NULL or not among them.",
        overloads: &[seeing("FIELD(s STRING, texts STRING...) -> INT", field)],
    },
    Scalar {
        name: "GREATEST",
        family: "math",
        about: "The greatest of its arguments, which must be of one type. NULLs are skipped.",
        overloads: &[typed("GREATEST(first ANY, more ANY...) -> ANY", ordered, |call, args| extreme(call, args, Ordering::Greater))],
    },
    Scalar {
        name: "LEAST",
        family: "math",
        about: "The least of its arguments, which must be of one type. NULLs are skipped.",
        overloads: &[typed("LEAST(first ANY, more ANY...) -> ANY", ordered, |call, args| extreme(call, args, Ordering::Less))],
    },
];

#[cfg(test)]
mod tests {
    use super::super::string::tests::{call_as, n, t};
    use super::*;

    const NULL: Value = Value::Null;

    /// A call, the types of its arguments, and what it gives; `None` if it is refused.
    type Case<'a> = (&'a str, &'a [Type], &'a [Value], Option<Value>);

    fn typed_call(name: &str, types: &[Type], args: &[Value]) -> Option<Value> {
        let function = FUNCTIONS.iter().find(|f| f.name == name)?;
        let returns = function.overloads[0].returns.map_or(Some(Type::String), |returns| returns(types))?;
        call_as(FUNCTIONS, name, args, types, &returns).ok()
    }

    #[test]
    fn chooses() {
        use Type::{Bigint, Date, Decimal, Double, Int, Null, String};
        let d = |text: &str| Value::Decimal(text.parse().unwrap());
        #[rustfmt::skip]
        let cases: &[Case] = &[
            ("COALESCE", &[Null, String], &[NULL, t("a")], Some(t("a"))), ("COALESCE", &[Int, Int], &[NULL, NULL], Some(NULL)),
            ("COALESCE", &[Int, Bigint], &[n(1), NULL], Some(Value::Bigint(1))), ("COALESCE", &[Int, String], &[n(1), NULL], None),
            ("IFNULL", &[Bigint, Int], &[NULL, n(-1)], Some(Value::Bigint(-1))), ("IFNULL", &[Double, Int], &[NULL, n(1)], Some(Value::Double(1.0))),
            ("NULLIF", &[Int, Int], &[n(1), n(1)], Some(NULL)), ("NULLIF", &[Int, Int], &[n(1), n(2)], Some(n(1))),
            ("NULLIF", &[Int, Int], &[n(1), NULL], Some(n(1))), ("NULLIF", &[Int, Int], &[NULL, n(1)], Some(NULL)),
            ("ELT", &[], &[n(2), t("a"), t("b")], Some(t("b"))), ("ELT", &[], &[n(0), t("a")], Some(NULL)), ("ELT", &[], &[n(9), t("a")], Some(NULL)),
            ("ELT", &[], &[NULL, t("a")], Some(NULL)), ("FIELD", &[], &[t("b"), t("a"), t("b")], Some(n(2))),
            ("FIELD", &[], &[NULL, NULL], Some(n(0))), ("FIELD", &[], &[t("c"), NULL], Some(n(0))),
            ("GREATEST", &[Int, Int, Null], &[n(1), n(5), NULL], Some(n(5))), ("LEAST", &[String, String], &[t("b"), t("Z")], Some(t("Z"))),
            ("LEAST", &[Int, Bigint], &[n(1), NULL], None), ("LEAST", &[Null, Null], &[NULL, NULL], None), ("LEAST", &[String, Int], &[t("a"), n(1)], None),
            ("GREATEST", &[Decimal(3, 1), Decimal(3, 2)], &[d("2.5"), d("1.25")], Some(d("2.50"))),
            ("LEAST", &[Date, Null, String], &[NULL, NULL, t("2022-06-14")], Some(Value::Date(19157))),
            ("LEAST", &[Double, Double], &[NULL, NULL], Some(NULL)), ("GREATEST", &[Type::Boolean], &[Value::Boolean(true)], None),
        ];
        for (name, types, args, expected) in cases {
            assert_eq!(&typed_call(name, types, args), expected, "{name}{args:?}");
        }
    }
}
