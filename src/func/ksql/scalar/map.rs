//! Functions of maps. Entries are taken in the order in which they came.

use std::sync::Arc;

use super::array::{arg, bounded, elements};
use crate::error::Result;
use crate::func::ksql::{Call, Nulls, Overload, Scalar, Struct, Type, Value};

/// The functions of this file.
pub const FUNCTIONS: &[Scalar] = &[
    Scalar {
        name: "AS_MAP",
        family: "map",
        about: "The map of the keys in the first array to the values at the same places of the second; values that are missing are NULL.",
        overloads: &[Overload {
            signature: "AS_MAP(keys ARRAY<STRING>, values ARRAY<V>) -> MAP<STRING, V>",
            returns: None,
            nulls: Nulls::Give,
            eval: as_map,
        }],
    },
    Scalar {
        name: "ENTRIES",
        family: "map",
        about: "The entries as an array of structs with the fields K and V, sorted by key if asked for.",
        overloads: &[Overload {
            signature: "ENTRIES(map MAP<STRING, V>, sorted BOOLEAN) -> ANY",
            returns: Some(entries_type),
            nulls: Nulls::Give,
            eval: entries,
        }],
    },
    Scalar {
        name: "MAP_KEYS",
        family: "map",
        about: "The keys as an array.",
        overloads: &[Overload {
            signature: "MAP_KEYS(map MAP<K, V>) -> ARRAY<K>",
            returns: None,
            nulls: Nulls::Give,
            eval: |_, a| Ok(Value::array(pairs(a, 0).iter().map(|(k, _)| k.clone()).collect())),
        }],
    },
    Scalar {
        name: "MAP_VALUES",
        family: "map",
        about: "The values as an array, NULLs among them.",
        overloads: &[Overload {
            signature: "MAP_VALUES(map MAP<K, V>) -> ARRAY<V>",
            returns: None,
            nulls: Nulls::Give,
            eval: |_, a| Ok(Value::array(pairs(a, 0).iter().map(|(_, v)| v.clone()).collect())),
        }],
    },
    Scalar {
        name: "MAP_UNION",
        family: "map",
        about: "The entries of both maps; of a key in both the value of the second counts. A NULL map counts as empty; two of them \
                give NULL.",
        overloads: &[Overload {
            signature: "MAP_UNION(left MAP<K, V>, right MAP<K, V>) -> MAP<K, V>",
            returns: None,
            nulls: Nulls::See,
            eval: union,
        }],
    },
];

/// The entries of an argument; none of a NULL.
pub(super) fn pairs(arguments: &[Value], at: usize) -> &[(Value, Value)] {
    arg(arguments, at).as_map().unwrap_or(&[])
}

fn as_map(_: &Call<'_>, a: &[Value]) -> Result<Value> {
    let values = elements(a, 1);
    let entries = elements(a, 0).iter().enumerate().map(|(i, key)| (key.clone(), arg(values, i).clone()));
    Ok(Value::map(entries))
}

fn entries_type(arguments: &[Type]) -> Option<Type> {
    let Type::Map(key, value) = arguments.first()? else { return None };
    let fields = [(Arc::from("K"), (**key).clone()), (Arc::from("V"), (**value).clone())];
    Some(Type::Array(Box::new(Type::Struct(Arc::from(fields)))))
}

fn entries(_: &Call<'_>, a: &[Value]) -> Result<Value> {
    let mut entries: Vec<&(Value, Value)> = pairs(a, 0).iter().collect();
    if matches!(arg(a, 1), Value::Boolean(true)) {
        entries.sort_by(|(k, _), (l, _)| k.compare(l).unwrap_or(std::cmp::Ordering::Equal));
    }
    let names: Arc<[Arc<str>]> = Arc::from([Arc::from("K"), Arc::from("V")]);
    let row = |(k, v): &(Value, Value)| Value::Struct(Arc::new(Struct { names: names.clone(), values: vec![k.clone(), v.clone()] }));
    bounded(Value::array(entries.into_iter().map(row).collect()))
}

fn union(_: &Call<'_>, a: &[Value]) -> Result<Value> {
    if arg(a, 0).is_null() && arg(a, 1).is_null() {
        return Ok(Value::Null);
    }
    bounded(Value::map(pairs(a, 0).iter().chain(pairs(a, 1)).cloned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(at: usize, arguments: &[Value]) -> Value {
        (FUNCTIONS[at].overloads[0].eval)(&Call { arguments: &[], returns: &Type::Null, lambdas: &[] }, arguments).unwrap()
    }

    fn map(entries: &[(&str, i32)]) -> Value {
        Value::map(entries.iter().map(|(k, v)| (Value::text(k), Value::Int(*v))))
    }

    fn texts(text: &str) -> Value {
        Value::array(text.split_whitespace().map(Value::text).collect())
    }

    #[test]
    fn maps_come_apart_and_together() {
        let m = map(&[("b", 2), ("a", 1)]);
        assert_eq!(call(2, std::slice::from_ref(&m)), texts("b a"));
        assert_eq!(call(3, std::slice::from_ref(&m)), Value::array(vec![Value::Int(2), Value::Int(1)]));
        assert_eq!(call(0, &[texts("b a"), Value::array(vec![Value::Int(2)])]).entry(&Value::text("a")), Some(&Value::Null));
        assert_eq!(call(4, &[m.clone(), map(&[("a", 5), ("c", 6)])]), map(&[("b", 2), ("a", 5), ("c", 6)]));
        assert_eq!(call(4, &[Value::Null, m.clone()]), m);
        assert_eq!(call(4, &[Value::Null, Value::Null]), Value::Null);
        let sorted = call(1, &[m, Value::Boolean(true)]);
        let first = &sorted.as_array().unwrap()[0];
        assert_eq!((first.field("K"), first.field("V")), (Some(&Value::text("a")), Some(&Value::Int(1))));
    }
}
