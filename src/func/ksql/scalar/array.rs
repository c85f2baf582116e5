//! Functions of arrays.
//!
//! NULL elements are values like others here: they are equal to each other and kept by the set functions; only ARRAY_MIN and
//! ARRAY_MAX skip them, and ARRAY_SORT puts them last in both directions.

use std::cmp::Ordering;
use std::collections::HashSet;

use crate::error::{Error, Result, code};
use crate::func::ksql::function::Returns;
use crate::func::ksql::show::java_double;
use crate::func::ksql::{Call, Nulls, Overload, Scalar, Type, Value};
use crate::limits::VALUE_BYTES_MAX;

/// The functions of this file.
pub const FUNCTIONS: &[Scalar] = &[
    Scalar {
        name: "ARRAY_CONCAT",
        family: "array",
        about: "The elements of the first array, then those of the second. A NULL array counts as empty; two of them give NULL.",
        overloads: &[see("ARRAY_CONCAT(left ARRAY<T>, right ARRAY<T>) -> ARRAY<T>", concat)],
    },
    Scalar {
        name: "ARRAY_CONTAINS",
        family: "array",
        about: "Whether the value is an element of the array. FALSE for a NULL array; a NULL value is looked for like any other.",
        overloads: &[see("ARRAY_CONTAINS(array ARRAY<T>, value T) -> BOOLEAN", contains)],
    },
    Scalar {
        name: "ARRAY_DISTINCT",
        family: "array",
        about: "The distinct elements, NULL among them, in the order in which they first appear.",
        overloads: &[give("ARRAY_DISTINCT(array ARRAY<T>) -> ARRAY<T>", distinct)],
    },
    Scalar {
        name: "ARRAY_EXCEPT",
        family: "array",
        about: "The distinct elements of the first array that are not in the second, in the order of the first.",
        overloads: &[give("ARRAY_EXCEPT(left ARRAY<T>, right ARRAY<T>) -> ARRAY<T>", except)],
    },
    Scalar {
        name: "ARRAY_INTERSECT",
        family: "array",
        about: "The distinct elements that are in both arrays, in the order of the first.",
        overloads: &[give("ARRAY_INTERSECT(left ARRAY<T>, right ARRAY<T>) -> ARRAY<T>", intersect)],
    },
    Scalar {
        name: "ARRAY_UNION",
        family: "array",
        about: "The distinct elements of both arrays, those of the first first.",
        overloads: &[give("ARRAY_UNION(left ARRAY<T>, right ARRAY<T>) -> ARRAY<T>", union)],
    },
    Scalar {
        name: "ARRAY_JOIN",
        family: "array",
        about: "The elements as text, with the delimiter between them, a comma unless given. NULL elements read null; a NULL delimiter \
                is empty.",
        overloads: &[
            give("ARRAY_JOIN(array ARRAY<T>) -> STRING", |_, a| join(arg(a, 0), ",")),
            see("ARRAY_JOIN(array ARRAY<T>, delimiter STRING) -> STRING", |_, a| join(arg(a, 0), arg(a, 1).as_str().unwrap_or(""))),
        ],
    },
    Scalar {
        name: "ARRAY_LENGTH",
        family: "array",
        about: "The number of elements.",
        overloads: &[give("ARRAY_LENGTH(array ARRAY<T>) -> INT", length)],
    },
    Scalar {
        name: "ARRAY_MAX",
        family: "array",
        about: "The greatest element; NULL elements are skipped.",
        overloads: &[ordered("ARRAY_MAX(array ARRAY<T>) -> T", item, |_, a| extreme(a, Ordering::Greater))],
    },
    Scalar {
        name: "ARRAY_MIN",
        family: "array",
        about: "The least element; NULL elements are skipped.",
        overloads: &[ordered("ARRAY_MIN(array ARRAY<T>) -> T", item, |_, a| extreme(a, Ordering::Less))],
    },
    Scalar {
        name: "ARRAY_REMOVE",
        family: "array",
        about: "The array without the elements that equal the value, which may be NULL.",
        overloads: &[see("ARRAY_REMOVE(array ARRAY<T>, value T) -> ARRAY<T>", remove)],
    },
    Scalar {
        name: "ARRAY_SORT",
        family: "array",
        about: "The elements in ascending order, or in that of the direction 'ASC' or 'DESC'; NULL elements come last. Another \
                direction gives NULL.",
        overloads: &[
            ordered("ARRAY_SORT(array ARRAY<T>) -> ARRAY<T>", whole, sort),
            ordered("ARRAY_SORT(array ARRAY<T>, direction STRING) -> ARRAY<T>", whole, sort),
        ],
    },
    Scalar {
        name: "SLICE",
        family: "array",
        about: "The elements from one position to another, both included and counted from 1. A NULL bound means that end of the array; \
                bounds outside of it give NULL.",
        overloads: &[see("SLICE(array ARRAY<T>, from INT, to INT) -> ARRAY<T>", slice)],
    },
];

type Eval = fn(&Call<'_>, &[Value]) -> Result<Value>;

const fn give(signature: &'static str, eval: Eval) -> Overload {
    Overload { signature, returns: None, nulls: Nulls::Give, eval }
}

const fn see(signature: &'static str, eval: Eval) -> Overload {
    Overload { signature, returns: None, nulls: Nulls::See, eval }
}

const fn ordered(signature: &'static str, returns: Returns, eval: Eval) -> Overload {
    Overload { signature, returns: Some(returns), nulls: Nulls::Give, eval }
}

/// The type of the elements, if they have an order.
fn item(arguments: &[Type]) -> Option<Type> {
    match arguments.first()? {
        Type::Null => Some(Type::Null),
        Type::Array(item) if !matches!(**item, Type::Array(_) | Type::Map(..) | Type::Struct(_) | Type::Unit) => Some((**item).clone()),
        _ => None,
    }
}

fn whole(arguments: &[Type]) -> Option<Type> {
    item(arguments).map(|item| Type::Array(Box::new(item)))
}

static NULL: Value = Value::Null;

/// An argument; NULL if it is missing.
pub(super) fn arg(arguments: &[Value], at: usize) -> &Value {
    arguments.get(at).unwrap_or(&NULL)
}

/// The elements of an argument; none of a NULL.
pub(super) fn elements(arguments: &[Value], at: usize) -> &[Value] {
    arg(arguments, at).as_array().unwrap_or(&[])
}

/// The value, if it is not too large.
pub(super) fn bounded(value: Value) -> Result<Value> {
    if value.bytes() > VALUE_BYTES_MAX {
        return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, format!("the result exceeds {VALUE_BYTES_MAX} bytes")));
    }
    Ok(value)
}

fn concat(_: &Call<'_>, a: &[Value]) -> Result<Value> {
    if arg(a, 0).is_null() && arg(a, 1).is_null() {
        return Ok(Value::Null);
    }
    bounded(Value::array([elements(a, 0), elements(a, 1)].concat()))
}

fn contains(_: &Call<'_>, a: &[Value]) -> Result<Value> {
    Ok(Value::Boolean(elements(a, 0).contains(arg(a, 1))))
}

/// The elements that pass, each once.
fn once<'v>(values: impl Iterator<Item = &'v Value>) -> Value {
    let mut seen = HashSet::new();
    Value::array(values.filter(|v| seen.insert(*v)).cloned().collect())
}

fn distinct(_: &Call<'_>, a: &[Value]) -> Result<Value> {
    Ok(once(elements(a, 0).iter()))
}

fn except(_: &Call<'_>, a: &[Value]) -> Result<Value> {
    let others: HashSet<&Value> = elements(a, 1).iter().collect();
    Ok(once(elements(a, 0).iter().filter(|v| !others.contains(v))))
}

fn intersect(_: &Call<'_>, a: &[Value]) -> Result<Value> {
    let others: HashSet<&Value> = elements(a, 1).iter().collect();
    Ok(once(elements(a, 0).iter().filter(|v| others.contains(v))))
}

fn union(_: &Call<'_>, a: &[Value]) -> Result<Value> {
    bounded(once(elements(a, 0).iter().chain(elements(a, 1))))
}

fn join(array: &Value, delimiter: &str) -> Result<Value> {
    let Some(elements) = array.as_array() else { return Ok(Value::Null) };
    let mut text = String::new();
    for (i, element) in elements.iter().enumerate() {
        if i > 0 {
            text.push_str(delimiter);
        }
        match element {
            Value::Null => text.push_str("null"),
            Value::Boolean(b) => text.push_str(if *b { "true" } else { "false" }),
            Value::Int(n) => text.push_str(&n.to_string()),
            Value::Bigint(n) => text.push_str(&n.to_string()),
            Value::Double(x) => text.push_str(&java_double(*x)),
            Value::Decimal(d) => text.push_str(&d.to_plain_string()),
            Value::String(s) => text.push_str(s),
            _ => return Err(Error::new(code::DATATYPE_MISMATCH, "ARRAY_JOIN takes arrays of booleans, numbers and strings only")),
        }
        if text.len() > VALUE_BYTES_MAX {
            return bounded(Value::text(text));
        }
    }
    Ok(Value::text(text))
}

fn length(_: &Call<'_>, a: &[Value]) -> Result<Value> {
    Ok(i32::try_from(elements(a, 0).len()).map_or(Value::Null, Value::Int))
}

fn extreme(a: &[Value], wanted: Ordering) -> Result<Value> {
    let mut best = &NULL;
    for value in elements(a, 0).iter().filter(|v| !v.is_null()) {
        if best.is_null() || value.compare(best) == Some(wanted) {
            best = value;
        }
    }
    Ok(best.clone())
}

fn remove(_: &Call<'_>, a: &[Value]) -> Result<Value> {
    let Some(array) = arg(a, 0).as_array() else { return Ok(Value::Null) };
    Ok(Value::array(array.iter().filter(|v| *v != arg(a, 1)).cloned().collect()))
}

fn sort(_: &Call<'_>, a: &[Value]) -> Result<Value> {
    let direction = a.get(1).and_then(Value::as_str).unwrap_or("ASC").to_uppercase();
    let descending = match direction.as_str() {
        "ASC" | "ASCENDING" => false,
        "DESC" | "DESCENDING" => true,
        _ => return Ok(Value::Null),
    };
    let mut values = elements(a, 0).to_vec();
    values.sort_by(|x, y| match (x.is_null(), y.is_null()) {
        (false, false) if descending => y.compare(x).unwrap_or(Ordering::Equal),
        (false, false) => x.compare(y).unwrap_or(Ordering::Equal),
        (x, y) => x.cmp(&y),
    });
    Ok(Value::array(values))
}

fn slice(_: &Call<'_>, a: &[Value]) -> Result<Value> {
    let Some(array) = arg(a, 0).as_array() else { return Ok(Value::Null) };
    let from = arg(a, 1).as_i64().unwrap_or(1);
    let to = arg(a, 2).as_i64().map_or(Some(array.len()), |n| usize::try_from(n).ok());
    let range = from.checked_sub(1).and_then(|n| usize::try_from(n).ok()).zip(to).and_then(|(from, to)| array.get(from..to));
    Ok(range.map_or(Value::Null, |values| Value::array(values.to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, arguments: &[Value]) -> Value {
        let call = Call { arguments: &[], returns: &Type::Null, lambdas: &[] };
        let function = FUNCTIONS.iter().find(|f| f.name == name).unwrap();
        let overload = function.overloads.iter().find(|o| o.signature.split(", ").count() == arguments.len()).unwrap();
        if overload.nulls == Nulls::Give && arguments.iter().any(Value::is_null) {
            return Value::Null;
        }
        (overload.eval)(&call, arguments).unwrap()
    }

    /// Numbers; a dot is a NULL.
    fn ints(text: &str) -> Value {
        Value::array(text.split_whitespace().map(|t| t.parse().map_or(Value::Null, Value::Int)).collect())
    }

    fn texts(text: &str) -> Value {
        Value::array(text.split_whitespace().map(Value::text).collect())
    }

    #[test]
    fn each_function_gives_what_it_says() {
        let null = Value::Null;
        let int = Value::Int;
        for (name, arguments, expected) in [
            ("ARRAY_CONCAT", vec![ints("1 2"), ints("2 .")], ints("1 2 2 .")),
            ("ARRAY_CONCAT", vec![null.clone(), ints("2")], ints("2")),
            ("ARRAY_CONCAT", vec![null.clone(), null.clone()], null.clone()),
            ("ARRAY_CONTAINS", vec![ints("1 ."), null.clone()], Value::Boolean(true)),
            ("ARRAY_CONTAINS", vec![null.clone(), int(1)], Value::Boolean(false)),
            ("ARRAY_DISTINCT", vec![ints("0 . 1 0 .")], ints("0 . 1")),
            ("ARRAY_EXCEPT", vec![ints("3 1 . 3 2"), ints("2 .")], ints("3 1")),
            ("ARRAY_INTERSECT", vec![ints("3 1 . 3 2"), ints(". 3")], ints("3 .")),
            ("ARRAY_UNION", vec![ints("3 1 3"), ints(". 1 4")], ints("3 1 . 4")),
            ("ARRAY_UNION", vec![ints("3"), null.clone()], null.clone()),
            ("ARRAY_LENGTH", vec![ints("3 .")], int(2)),
            ("ARRAY_MAX", vec![ints(". 3 5 1")], int(5)),
            ("ARRAY_MIN", vec![ints(". 3 5 1")], int(1)),
            ("ARRAY_MIN", vec![ints(".")], null.clone()),
            ("ARRAY_MAX", vec![texts("foo fo Food F food")], Value::text("food")),
            ("ARRAY_REMOVE", vec![ints("1 . 2 ."), null.clone()], ints("1 2")),
            ("ARRAY_SORT", vec![ints("3 . 1")], ints("1 3 .")),
            ("ARRAY_SORT", vec![ints("3 . 1 7"), Value::text("Desc")], ints("7 3 1 .")),
            ("ARRAY_SORT", vec![ints("3 . 1"), Value::text("up")], null.clone()),
            ("SLICE", vec![ints("1 2 3 4"), int(2), int(3)], ints("2 3")),
            ("SLICE", vec![ints("1 2 3 4"), null.clone(), int(2)], ints("1 2")),
            ("SLICE", vec![ints("1 2 3 4"), int(3), null.clone()], ints("3 4")),
            ("SLICE", vec![ints("1 2"), int(0), int(1)], null.clone()),
            ("SLICE", vec![ints("1 2"), int(1), int(3)], null.clone()),
            ("SLICE", vec![ints("1 2"), int(2), int(1)], ints("")),
        ] {
            let shown = format!("{name}{arguments:?}");
            assert_eq!(call(name, &arguments), expected, "{shown}");
        }
    }

    #[test]
    fn join_writes_as_java_does() {
        let doubles = Value::array([1.0, -0.5, 1e7, 1.25e-4, 0.001, 9999999.5].map(Value::Double).to_vec());
        assert_eq!(call("ARRAY_JOIN", &[doubles]), Value::text("1.0,-0.5,1.0E7,1.25E-4,0.001,9999999.5"));
        assert_eq!(call("ARRAY_JOIN", &[ints("1 . 3"), Value::Null]), Value::text("1null3"));
        let call = Call { arguments: &[], returns: &Type::Null, lambdas: &[] };
        assert!((FUNCTIONS[6].overloads[0].eval)(&call, &[Value::array(vec![ints("1")])]).is_err());
    }
}
