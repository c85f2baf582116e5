//! What must hold of every aggregate, tried on random rows; and for each, an example.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{collect, count, extremes, histogram, offset, statistics, sum, topk};
use crate::func::ksql::{Aggregate, AggregateCall, AggregateOverload, Type, Value};

fn functions() -> impl Iterator<Item = &'static Aggregate> {
    [
        collect::FUNCTIONS,
        count::FUNCTIONS,
        extremes::FUNCTIONS,
        histogram::FUNCTIONS,
        offset::FUNCTIONS,
        statistics::FUNCTIONS,
        sum::FUNCTIONS,
        topk::FUNCTIONS,
    ]
    .into_iter()
    .flatten()
}

/// A value of the type a parameter is declared with, of a small number.
fn value_of(parameter: &str, number: Option<i8>) -> Value {
    let Some(n) = number else { return Value::Null };
    let n = i32::from(n);
    match parameter.rsplit(' ').next().unwrap_or("") {
        "DOUBLE" => Value::Double(f64::from(n) * 0.1),
        "DECIMAL" => Value::Decimal(format!("{n}.5").parse().unwrap()),
        "STRING" => Value::text(format!("s{n}")),
        "BIGINT" => Value::Bigint(i64::from(n) << 40),
        "ARRAY<INT>" => Value::array(vec![Value::Int(n), Value::Null, Value::Int(3)]),
        "ARRAY<BIGINT>" => Value::array(vec![Value::Bigint(n.into()), Value::Null]),
        "ARRAY<DOUBLE>" => Value::array(vec![Value::Double(f64::from(n) * 0.1), Value::Double(1e10)]),
        _ => Value::Int(n),
    }
}

struct Case {
    overload: &'static AggregateOverload,
    arguments: Vec<Type>,
    returns: Type,
    constants: Vec<Value>,
    retracting: bool,
}

impl Case {
    fn all(retracting: bool) -> Vec<Case> {
        let overloads = functions().flat_map(|f| f.overloads).filter(|o| !retracting || o.undo.is_some());
        overloads
            .map(|overload| {
                let constants = parameters(overload).into_iter().filter_map(|p| match p {
                    p if !p.ends_with('=') => None,
                    p if p.contains("BOOLEAN") => Some(Value::Boolean(false)),
                    _ => Some(Value::Int(3)),
                });
                let constants: Vec<Value> = constants.collect();
                let arguments = if overload.signature.contains("DECIMAL") { Type::Decimal(20, 1) } else { Type::Int };
                let arguments = vec![arguments, Type::Int, Type::Int];
                let returns = overload.returns.and_then(|f| f(&arguments)).unwrap_or(Type::Null);
                Case { overload, arguments, returns, constants, retracting }
            })
            .collect()
    }

    fn call(&self) -> AggregateCall<'_> {
        AggregateCall { arguments: &self.arguments, returns: &self.returns, constants: &self.constants, retracting: self.retracting }
    }

    fn row(&self, row: (Option<i8>, Option<i8>)) -> Vec<Value> {
        let given = parameters(self.overload).into_iter().filter(|p| !p.ends_with('='));
        given.zip([row.0, row.1]).map(|(p, n)| value_of(p, n)).collect()
    }

    fn add(&self, state: Value, rows: &[(Option<i8>, Option<i8>)]) -> Value {
        rows.iter().fold(state, |state, row| (self.overload.add)(&self.call(), state, &self.row(*row)).unwrap())
    }

    fn over(&self, rows: &[(Option<i8>, Option<i8>)]) -> Value {
        self.add((self.overload.init)(&self.call()), rows)
    }

    fn result(&self, state: &Value) -> Value {
        (self.overload.result)(&self.call(), state).unwrap()
    }
}

fn parameters(overload: &AggregateOverload) -> Vec<&'static str> {
    let inner = overload.signature.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).map_or("", |(inner, _)| inner);
    inner.split(", ").filter(|p| !p.is_empty()).collect()
}

/// Equal, doubles nearly so.
fn alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Double(a), Value::Double(b)) => (a - b).abs() <= 1e-9 * (1.0 + a.abs()) || a.is_nan() && b.is_nan(),
        _ => a == b,
    }
}

/// A list sorted, where only what is in it counts.
fn sorted(signature: &str, value: Value) -> Value {
    match value {
        Value::Array(values) if signature.starts_with("COLLECT") => {
            let mut values = values.to_vec();
            values.sort_by(super::bag::order);
            Value::array(values)
        }
        other => other,
    }
}

fn rows(count: usize) -> impl Strategy<Value = Vec<(Option<i8>, Option<i8>)>> {
    let number = || prop_oneof![1 => Just(None), 5 => (-4_i8..5).prop_map(Some)];
    vec((number(), number()), 0..count)
}

proptest! {
    #[test]
    fn what_is_taken_back_was_never_there(kept in rows(12), more in rows(12), seed in any::<u64>()) {
        for case in Case::all(true) {
            let undo = case.overload.undo.unwrap();
            // Rows that stay and rows that go come mixed, and the latter go in another order.
            let (mut state, mut stay, mut go, mut bits) = (case.over(&[]), kept.iter(), more.iter(), seed);
            loop {
                let next = if bits & 1 == 0 { stay.next().or_else(|| go.next()) } else { go.next().or_else(|| stay.next()) };
                let Some(row) = next else { break };
                state = case.add(state, &[*row]);
                bits = bits.rotate_right(1);
            }
            let turn = if more.is_empty() { 0 } else { seed as usize % more.len() };
            for row in more[turn..].iter().chain(&more[..turn]) {
                state = undo(&case.call(), state, &case.row(*row)).unwrap();
            }
            let signature = case.overload.signature;
            let (left, never) = (sorted(signature, case.result(&state)), sorted(signature, case.result(&case.over(&kept))));
            // Exactly, and NaN equals NaN.
            prop_assert_eq!(left, never, "{}", signature);
        }
    }

    #[test]
    fn merged_is_added(a in rows(12), b in rows(12)) {
        for case in Case::all(false).into_iter().chain(Case::all(true)) {
            let merged = (case.overload.merge)(&case.call(), case.over(&a), case.over(&b)).unwrap();
            let (merged, added) = (case.result(&merged), case.result(&case.add(case.over(&a), &b)));
            prop_assert!(alike(&merged, &added), "{}: {:?} and {:?}", case.overload.signature, merged, added);
        }
    }

    #[test]
    fn tables_give_what_streams_give(a in rows(20)) {
        let streams = Case::all(false).into_iter().filter(|c| c.overload.undo.is_some() && !c.overload.signature.contains("..."));
        for (stream, table) in streams.zip(Case::all(true).into_iter().filter(|c| !c.overload.signature.contains("..."))) {
            let signature = stream.overload.signature;
            let (x, y) = (sorted(signature, stream.result(&stream.over(&a))), sorted(signature, table.result(&table.over(&a))));
            prop_assert!(alike(&x, &y), "{}: {:?} and {:?}", signature, x, y);
        }
    }
}

/// The result over rows of one argument, a dot being a NULL, as JSON-like text.
fn example(signature: &str, values: &str) -> String {
    let case = Case::all(false).into_iter().find(|c| c.overload.signature.starts_with(signature)).unwrap();
    let rows: Vec<_> = values.split_whitespace().map(|v| (v.parse().ok(), v.parse().ok())).collect();
    show(&case.result(&case.over(&rows)))
}

fn show(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Int(n) => n.to_string(),
        Value::Bigint(n) => format!("{n}L"),
        Value::Double(x) => format!("{x:?}"),
        Value::Decimal(d) => d.to_plain_string(),
        Value::String(s) => s.to_string(),
        Value::Array(a) => format!("[{}]", a.iter().map(show).collect::<Vec<_>>().join(" ")),
        Value::Map(m) => format!("{{{}}}", m.iter().map(|(k, v)| format!("{}:{}", show(k), show(v))).collect::<Vec<_>>().join(" ")),
        Value::Struct(s) => {
            let fields: Vec<String> = s.names.iter().zip(&s.values).map(|(n, v)| format!("{n}:{}", show(v))).collect();
            format!("<{}>", fields.join(" "))
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn examples() {
    for (signature, values, expected) in [
        ("COUNT()", "1 . 2", "3L"),
        ("COUNT(x", "1 . 2", "2L"),
        ("COUNT_DISTINCT", "1 . 2 1", "2L"),
        ("SUM(x INT)", "1 . 2", "3"),
        ("SUM(x INT)", ".", "0"),
        ("SUM(x DECIMAL)", "1 2", "4.0"),
        ("SUM(x DECIMAL)", "", "0.0"),
        ("SUM(x DOUBLE)", "10 20", "3.0"),
        ("SUM_LIST(list ARRAY<INT>)", "1 . 2", "9"),
        ("AVG(x BIGINT)", ". 0", "0.0"),
        ("AVG(x DOUBLE)", "10 20 .", "1.5"),
        ("AVG(x DOUBLE)", ".", "0.0"),
        ("MIN", "2 . 1 3", "1"),
        ("MAX", "2 . 1 3", "3"),
        ("MAX", ".", "null"),
        ("COLLECT_LIST", "2 . 1 2", "[2 null 1 2]"),
        ("COLLECT_SET", "2 . 1 2 .", "[2 null 1]"),
        ("ATTR", "2 2", "2"),
        ("ATTR", "2 . 2", "null"),
        ("ATTR", "", "null"),
        ("HISTOGRAM", "2 1 . 2", "{s1:1L s2:2L}"),
        ("TOPK(x T, k", "1 . 4 4 3 0", "[4 4 3]"),
        ("TOPK(x T, columns", "1 . 4", "[<sort_col:4 col0:4> <sort_col:1 col0:1>]"),
        ("TOPKDISTINCT", "1 4 4 3 0", "[4 3 1]"),
        ("EARLIEST_BY_OFFSET(x T)", ". 1 2", "1"),
        ("EARLIEST_BY_OFFSET(x T, ignore", ". 1", "null"),
        ("EARLIEST_BY_OFFSET(x T, n INT =)", ". 1 2 3 4", "[1 2 3]"),
        ("LATEST_BY_OFFSET(x T)", "1 2 .", "2"),
        ("LATEST_BY_OFFSET(x T, ignore", "1 .", "null"),
        ("LATEST_BY_OFFSET(x T, n INT =, ", "1 2 3 .", "[2 3 null]"),
        ("STDDEV_SAMP(", "0 10 20 . 50", "4.666666666666667"),
        ("STDDEV_SAMP(", "7", "0.0"),
        ("STDDEV_SAMPLE(", "0 10 20 50 .", "2.160246899469287"),
        ("CORRELATION", "1", "NaN"),
        ("CORRELATION", "1 2 3", "1.0"),
    ] {
        assert_eq!(example(signature, values), expected, "{signature} of {values}");
    }
}

/// The state over values as they are.
fn over(signature: &str, returns: &Type, rows: &[&[Value]]) -> crate::error::Result<Value> {
    let overload = functions().flat_map(|f| f.overloads).find(|o| o.signature.starts_with(signature)).unwrap();
    let call = AggregateCall { arguments: &[], returns, constants: &[], retracting: false };
    let state = rows.iter().try_fold((overload.init)(&call), |state, row| (overload.add)(&call, state, row))?;
    (overload.result)(&call, &state)
}

#[test]
fn numbers_at_their_limits() {
    let double = Type::Double;
    let average = over("AVG(x BIGINT)", &double, &[&[Value::Bigint(i64::MAX)], &[Value::Bigint(i64::MAX)], &[Value::Bigint(1)]]).unwrap();
    assert_eq!(average, Value::Double((2.0 * i64::MAX as f64 + 1.0) / 3.0));
    let wrapped = over("SUM(x INT)", &Type::Int, &[&[Value::Int(i32::MAX)], &[Value::Int(2)]]).unwrap();
    assert_eq!(wrapped, Value::Int(i32::MIN + 1));
    let decimal = |text: &str| [Value::Decimal(text.parse().unwrap())];
    let (a, b) = (decimal("500.9"), decimal("499.0"));
    assert_eq!(over("SUM(x DECIMAL)", &Type::Decimal(4, 1), &[&a, &b]).unwrap(), Value::Decimal("999.9".parse().unwrap()));
    let error = over("SUM(x DECIMAL)", &Type::Decimal(4, 1), &[&a, &b, &decimal("0.1")]).unwrap_err();
    assert_eq!(error.code(), "22003");
    let large: Vec<[Value; 1]> = [1e15, 1e15 + 2.0, 1e15 + 4.0].map(|x| [Value::Double(x)]).to_vec();
    let large: Vec<&[Value]> = large.iter().map(|row| &row[..]).collect();
    assert_eq!(over("STDDEV_SAMP(", &double, &large).unwrap(), Value::Double(4.0));
    let constant = |x: f64| [Value::Double(x), Value::Double(0.3)];
    assert!(over("CORRELATION", &double, &[&constant(0.1), &constant(0.7), &constant(0.2)]).unwrap().as_f64().unwrap().is_nan());
    let pairs = [(1, 8), (-1, -2), (-4, -1)].map(|(x, y)| [Value::Int(x), Value::Int(y)]);
    let pairs: Vec<&[Value]> = pairs.iter().map(|row| &row[..]).collect();
    // n Sxy - Sx Sy = 3 * 14 + 4 * 5, and so on for the squares.
    let expected = (3.0 * 14.0 + 4.0 * 5.0) / (f64::sqrt(3.0 * 18.0 - 16.0) * f64::sqrt(3.0 * 69.0 - 25.0));
    assert!(alike(&over("CORRELATION", &double, &pairs).unwrap(), &Value::Double(expected)));
}
