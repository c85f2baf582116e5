//! Functions that take lambdas. A lambda's error is the error of the whole call.
//!
//! As in ksqlDB, a map's lambdas may not end in an entry with a NULL value, and keys may not meet: that is an error, thus NULL.

use std::collections::HashSet;
use std::sync::Arc;

use super::array::{arg, bounded};
use crate::error::{Error, Result, code};
use crate::func::ksql::{Call, Lambda, Nulls, Overload, Scalar, Value};

/// The functions of this file.
pub const FUNCTIONS: &[Scalar] = &[
    Scalar {
        name: "TRANSFORM",
        family: "lambda",
        about: "The array of what the lambda makes of each element; or the map of what two lambdas make of each entry, the first its \
                key, the second its value. Two entries with one key, or one whose value is NULL, make the result NULL.",
        overloads: &[
            lambda("TRANSFORM(array ARRAY<T>, f (T) => U) -> ARRAY<U>", transform_array),
            lambda("TRANSFORM(map MAP<K, V>, key (K, V) => L, value (K, V) => W) -> MAP<L, W>", transform_map),
        ],
    },
    Scalar {
        name: "FILTER",
        family: "lambda",
        about: "The elements of the array, or the entries of the map, for which the lambda is TRUE. If it is NULL for one, or if an \
                entry that stays has a NULL value, the result is NULL.",
        overloads: &[
            lambda("FILTER(array ARRAY<T>, f (T) => BOOLEAN) -> ARRAY<T>", filter_array),
            lambda("FILTER(map MAP<K, V>, f (K, V) => BOOLEAN) -> MAP<K, V>", filter_map),
        ],
    },
    Scalar {
        name: "REDUCE",
        family: "lambda",
        about: "The last state: each element of the array, or each entry of the map, makes by the lambda a new state of the one before. \
                A NULL collection gives the initial state, a NULL initial state gives NULL.",
        overloads: &[
            lambda("REDUCE(array ARRAY<T>, state S, f (S, T) => S) -> S", reduce_array),
            lambda("REDUCE(map MAP<K, V>, state S, f (S, K, V) => S) -> S", reduce_map),
        ],
    },
];

/// NULLs are seen, since a lambda's own value is one.
const fn lambda(signature: &'static str, eval: fn(&Call<'_>, &[Value]) -> Result<Value>) -> Overload {
    Overload { signature, returns: None, nulls: Nulls::See, eval }
}

fn function<'a>(call: &Call<'a>, at: usize) -> Result<&'a Lambda<'a>> {
    call.lambdas.get(at).copied().ok_or_else(|| Error::internal("a lambda is missing from a call"))
}

fn transform_array(call: &Call<'_>, a: &[Value]) -> Result<Value> {
    let Some(array) = arg(a, 0).as_array() else { return Ok(Value::Null) };
    let f = function(call, 0)?;
    let values = array.iter().map(|v| f(std::slice::from_ref(v))).collect::<Result<_>>()?;
    bounded(Value::array(values))
}

fn transform_map(call: &Call<'_>, a: &[Value]) -> Result<Value> {
    let Some(map) = arg(a, 0).as_map() else { return Ok(Value::Null) };
    let (key, value) = (function(call, 0)?, function(call, 1)?);
    let mut seen = HashSet::new();
    let mut entries = Vec::with_capacity(map.len());
    for (k, v) in map {
        let entry = [k.clone(), v.clone()];
        let entry = (key(&entry)?, no_null(value(&entry)?)?);
        if !seen.insert(entry.0.clone()) {
            return Err(Error::new(code::DATA_EXCEPTION, "two entries of the transformed map have the same key"));
        }
        entries.push(entry);
    }
    bounded(Value::Map(Arc::new(entries)))
}

fn no_null(value: Value) -> Result<Value> {
    if value.is_null() {
        return Err(Error::new(code::DATA_EXCEPTION, "an entry of the resulting map has the value NULL"));
    }
    Ok(value)
}

fn holds(verdict: Value) -> Result<bool> {
    match verdict {
        Value::Boolean(b) => Ok(b),
        _ => Err(Error::new(code::DATA_EXCEPTION, "the condition of FILTER is NULL")),
    }
}

fn filter_array(call: &Call<'_>, a: &[Value]) -> Result<Value> {
    let Some(array) = arg(a, 0).as_array() else { return Ok(Value::Null) };
    let f = function(call, 0)?;
    let mut kept = Vec::new();
    for value in array {
        if holds(f(std::slice::from_ref(value))?)? {
            kept.push(value.clone());
        }
    }
    Ok(Value::array(kept))
}

fn filter_map(call: &Call<'_>, a: &[Value]) -> Result<Value> {
    let Some(map) = arg(a, 0).as_map() else { return Ok(Value::Null) };
    let f = function(call, 0)?;
    let mut kept = Vec::new();
    for (key, value) in map {
        if holds(f(&[key.clone(), value.clone()])?)? {
            kept.push((key.clone(), no_null(value.clone())?));
        }
    }
    Ok(Value::Map(Arc::new(kept)))
}

fn reduce_array(call: &Call<'_>, a: &[Value]) -> Result<Value> {
    let mut state = arg(a, 1).clone();
    if let (false, Some(array)) = (state.is_null(), arg(a, 0).as_array()) {
        let f = function(call, 0)?;
        for value in array {
            state = f(&[state, value.clone()])?;
        }
    }
    bounded(state)
}

fn reduce_map(call: &Call<'_>, a: &[Value]) -> Result<Value> {
    let mut state = arg(a, 1).clone();
    if let (false, Some(map)) = (state.is_null(), arg(a, 0).as_map()) {
        let f = function(call, 0)?;
        for (key, value) in map {
            state = f(&[state, key.clone(), value.clone()])?;
        }
    }
    bounded(state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::func::ksql::Type;

    fn call(at: (usize, usize), lambdas: &[&Lambda<'_>], arguments: &[Value]) -> Result<Value> {
        (FUNCTIONS[at.0].overloads[at.1].eval)(&Call { arguments: &[], returns: &Type::Null, lambdas }, arguments)
    }

    fn ints(values: &[i32]) -> Value {
        Value::array(values.iter().map(|n| Value::Int(*n)).collect())
    }

    fn int(v: &Value) -> i32 {
        v.as_i64().unwrap_or(0) as i32
    }

    #[test]
    fn arrays() {
        let double: &Lambda<'_> = &|a| Ok(Value::Int(int(&a[0]) * 2));
        let large: &Lambda<'_> = &|a| Ok(if a[0].is_null() { Value::Null } else { Value::Boolean(int(&a[0]) > 1) });
        let sum: &Lambda<'_> = &|a| Ok(Value::Int(int(&a[0]) + int(&a[1])));
        assert_eq!(call((0, 0), &[double], &[ints(&[1, 2]), Value::Null]).unwrap(), ints(&[2, 4]));
        assert_eq!(call((0, 0), &[double], &[Value::Null, Value::Null]).unwrap(), Value::Null);
        assert_eq!(call((1, 0), &[large], &[ints(&[1, 2, 3]), Value::Null]).unwrap(), ints(&[2, 3]));
        assert!(call((1, 0), &[large], &[Value::array(vec![Value::Null]), Value::Null]).is_err());
        assert_eq!(call((2, 0), &[sum], &[ints(&[1, 2]), Value::Int(5), Value::Null]).unwrap(), Value::Int(8));
        assert_eq!(call((2, 0), &[sum], &[Value::Null, Value::Int(5), Value::Null]).unwrap(), Value::Int(5));
        assert_eq!(call((2, 0), &[sum], &[ints(&[1, 2]), Value::Null, Value::Null]).unwrap(), Value::Null);
    }

    #[test]
    fn maps() {
        let map = |entries: &[(&str, i32)]| Value::map(entries.iter().map(|(k, v)| (Value::text(k), Value::Int(*v))));
        let upper: &Lambda<'_> = &|a| Ok(Value::text(a[0].as_str().unwrap_or("").to_uppercase()));
        let same: &Lambda<'_> = &|a| Ok(a[1].clone());
        let yes: &Lambda<'_> = &|a| Ok(Value::Boolean(a[0] != Value::text("b")));
        let sum: &Lambda<'_> = &|a| Ok(Value::Int(int(&a[0]) + int(&a[2])));
        let m = map(&[("a", 1), ("b", 2)]);
        assert_eq!(call((0, 1), &[upper, same], std::slice::from_ref(&m)).unwrap(), map(&[("A", 1), ("B", 2)]));
        assert!(call((0, 1), &[upper, same], &[map(&[("a", 1), ("A", 2)])]).is_err());
        assert_eq!(call((1, 1), &[yes], std::slice::from_ref(&m)).unwrap(), map(&[("a", 1)]));
        let with_null = |key: &str| Value::map([(Value::text(key), Value::Null)]);
        assert!(call((1, 1), &[yes], &[with_null("a")]).is_err());
        assert_eq!(call((1, 1), &[yes], &[with_null("b")]).unwrap(), map(&[]));
        assert_eq!(call((2, 1), &[sum], &[m, Value::Int(5)]).unwrap(), Value::Int(8));
    }
}
