//! Expressions as text, and what they give.

use super::*;
use crate::sql::ksql::ast::{Item, Statement};
use crate::sql::ksql::parse::parse;

const COLUMNS: &[(&str, &str)] = &[
    ("I", "INTEGER"),
    ("B", "BIGINT"),
    ("D", "DOUBLE"),
    ("M", "DECIMAL(4, 2)"),
    ("S", "STRING"),
    ("N", "INTEGER"),
    ("T", "BOOLEAN"),
    ("U", "BOOLEAN"),
    ("A", "ARRAY<INTEGER>"),
    ("P", "MAP<STRING, INTEGER>"),
    ("R", "STRUCT<`F` BIGINT, `G` STRUCT<`H` STRING>>"),
    ("Y", "DATE"),
    ("Z", "TIMESTAMP"),
    ("ROWTIME", "BIGINT"),
    ("DAYS", "INTEGER"),
    ("X", "BYTES"),
];

fn column(source: Option<&str>, name: &str) -> Result<(usize, Type)> {
    let at = COLUMNS.iter().position(|(n, _)| *n == name && source.is_none_or(|s| s == "Q"));
    let at = at.ok_or_else(|| Error::new(code::UNDEFINED_COLUMN, format!("column {name} does not exist")))?;
    Ok((at, COLUMNS[at].1.parse()?))
}

fn custom(name: &str) -> Option<Type> {
    (name == "PAIR").then_some(Type::Array(Box::new(Type::Int)))
}

const SCOPE: Scope<'static> = Scope { column: &column, custom: &custom };

/// A row for the columns: 3, 10, 1.5, 2.50, 'abc', NULL, TRUE, NULL, [1, 2], {a: 1}, ..
fn row() -> Vec<Value> {
    let text = ["3", "10", "1.5", "2.50", "'abc'", "CAST(NULL AS INT)", "TRUE", "CAST(NULL AS BOOLEAN)", "ARRAY[1, 2]", "MAP('a' := 1)"];
    let more = ["STRUCT(F := 7, G := STRUCT(H := 'h'))", "DATE '2020-01-02'", "TIMESTAMP '2020-01-02T00:00:00'", "1577923200000", "5"];
    let values = text.iter().chain(&more).zip(COLUMNS).map(|(e, (_, ty))| {
        let to: Type = ty.parse().unwrap();
        compile_as(&expr(e), &SCOPE, &to).unwrap().code.eval(&[]).unwrap()
    });
    values.chain([Value::Bytes([1u8].as_slice().into())]).collect()
}

fn expr(text: &str) -> Expr {
    match parse(&format!("SELECT {text} FROM Q EMIT CHANGES;")) {
        Ok(Statement::Query(mut query)) => match query.items.remove(0) {
            Item::Expr { expr, .. } => expr,
            other => panic!("{other:?}"),
        },
        other => panic!("{text}: {other:?}"),
    }
}

fn shown(value: &Value) -> String {
    if value.is_null() { "NULL".into() } else { crate::func::ksql::show::show(value) }
}

fn run(text: &str) -> String {
    match compile(&expr(text), &SCOPE) {
        Ok(typed) => match typed.code.eval(&row()) {
            Ok(value) => format!("{} {}", typed.ty, shown(&value)),
            Err(e) => format!("{} fails {}", typed.ty, e.code()),
        },
        Err(e) => e.code().to_string(),
    }
}

fn check(cases: &[(&str, &str)]) {
    let wrong: Vec<String> =
        cases.iter().filter(|(e, x)| run(e) != *x).map(|(e, x)| format!("{e}\n  is     {}\n  wanted {x}", run(e))).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn literals_and_arithmetic() {
    check(&[
        ("-2147483648", "INTEGER -2147483648"),
        ("2147483648", "BIGINT 2147483648"),
        ("0.05", "DECIMAL(3, 2) 0.05"),
        ("10.30", "DECIMAL(4, 2) 10.30"),
        ("1E1", "DOUBLE 10.0"),
        ("NULL", "NULL NULL"),
        ("I + B", "BIGINT 13"),
        ("I + N", "INTEGER NULL"),
        ("-I", "INTEGER -3"),
        ("I / 0", "INTEGER fails 22012"),
        ("I + NULL", "INTEGER NULL"),
        ("NULL * NULL", "42883"),
        ("A + NULL", "42883"),
        ("ABS(CAST('x' AS INT)) IS NULL", "BOOLEAN true"),
        ("I + S", "42883"),
        ("-S", "42883"),
        ("S || 'd'", "STRING abcd"),
        ("S || CAST(NULL AS STRING)", "STRING NULL"),
        ("S || 1", "42883"),
        ("NOPE", "42703"),
        ("Q.I", "INTEGER 3"),
    ]);
}

#[test]
fn comparisons() {
    check(&[
        ("I + 1 > 3 AND S = 'abc'", "BOOLEAN true"),
        ("I = 3.0", "BOOLEAN true"),
        ("D < 2.0", "BOOLEAN true"),
        ("D = M", "BOOLEAN false"),
        ("N = 1", "BOOLEAN false"),
        ("NOT (N = 1)", "BOOLEAN true"),
        ("N IS DISTINCT FROM I", "BOOLEAN true"),
        ("N IS NOT DISTINCT FROM N", "BOOLEAN true"),
        ("I = '3'", "42883"),
        ("S = 11", "42883"),
        ("NULL <> NULL", "42804"),
        ("I = NULL", "42804"),
        ("T = TRUE", "BOOLEAN true"),
        ("T > FALSE", "42883"),
        ("A = ARRAY[1, 2]", "BOOLEAN true"),
        ("A <> ARRAY[1]", "BOOLEAN true"),
        ("A > ARRAY[1]", "42883"),
        ("P = MAP('a' := 1)", "BOOLEAN true"),
        ("R->G = STRUCT(H := 'h')", "BOOLEAN true"),
        ("Y = '2020-01-02'", "BOOLEAN true"),
        ("'2020-01-03' > Y", "BOOLEAN true"),
        ("Y = 'no date'", "BOOLEAN fails 22P02"),
        ("Z >= Y", "BOOLEAN true"),
        ("Z = 1", "42883"),
        ("ROWTIME = '2020-01-02'", "BOOLEAN true"),
        ("ROWTIME BETWEEN '2020' AND '2020-01-02T00:00:00.001'", "BOOLEAN true"),
        ("ROWTIME > '2020-01-02T00:00:00+0100'", "BOOLEAN true"),
        ("B = '2020-01-02'", "42883"),
        ("X = X", "BOOLEAN true"),
        ("I AND T", "42804"),
        ("U OR T", "BOOLEAN NULL"),
        ("T OR U", "BOOLEAN true"),
    ]);
}

#[test]
fn predicates() {
    check(&[
        ("I BETWEEN 3 AND 3.5", "BOOLEAN true"),
        ("N BETWEEN 1 AND 2", "BOOLEAN false"),
        ("N NOT BETWEEN 1 AND 2", "BOOLEAN true"),
        ("I BETWEEN 'a' AND 'b'", "42883"),
        ("I IN (1, 2.0, '3')", "BOOLEAN true"),
        ("I IN (1, '2147483648', NULL)", "BOOLEAN false"),
        ("N IN (1, NULL)", "BOOLEAN false"),
        ("N NOT IN (1)", "BOOLEAN true"),
        ("I IN (NULL)", "BOOLEAN false"),
        ("S IN (TRUE, 10, 10.30, 'abc')", "BOOLEAN true"),
        ("I IN (B, D, M, 3)", "BOOLEAN true"),
        ("I IN (10, S)", "42883"),
        ("I IN (1, 'x')", "22P02"),
        ("T IN (TRUE, 'nope')", "22P02"),
        ("T IN ('yes')", "BOOLEAN true"),
        ("T IN (TRUE, 10)", "42883"),
        ("A IN (ARRAY['1', '2'])", "BOOLEAN true"),
        ("A IN (ARRAY['x'])", "22P02"),
        ("P IN (MAP('a' := 1))", "BOOLEAN true"),
        ("P IN (10)", "42883"),
        ("R->G IN (STRUCT(H := 'x'), STRUCT(`h` := 'h'))", "BOOLEAN false"),
        ("R IN (STRUCT(F := '7', G := STRUCT(H := 'h')))", "BOOLEAN true"),
        ("Y IN ('2020-01-02')", "BOOLEAN true"),
        ("S LIKE 'a%'", "BOOLEAN true"),
        ("S NOT LIKE CAST(NULL AS STRING)", "BOOLEAN true"),
        ("I LIKE 'a'", "42804"),
        ("N IS NULL", "BOOLEAN true"),
        ("1 IN (0, 1) AND 'b' BETWEEN 'a' AND 'c'", "BOOLEAN true"),
    ]);
}

#[test]
fn composites() {
    check(&[
        ("A[1]", "INTEGER 1"),
        ("A[-1]", "INTEGER 2"),
        ("A[0]", "INTEGER NULL"),
        ("A['x']", "42804"),
        ("P['a']", "INTEGER 1"),
        ("P['b']", "INTEGER NULL"),
        ("P[1]", "42804"),
        ("R->G->H", "STRING h"),
        ("R->NOPE", "42703"),
        ("I->F", "42809"),
        ("R[1]", "42809"),
        ("ARRAY[NULL, 10, '2e1', I, B]", "ARRAY<DECIMAL(19, 0)> [null, 10, 20, 3, 10]"),
        ("ARRAY[1 / 0, I]", "ARRAY<INTEGER> [null, 3]"),
        ("ARRAY[]", "42804"),
        ("ARRAY[NULL]", "42804"),
        ("CAST(ARRAY[] AS ARRAY<INT>)", "ARRAY<INTEGER> []"),
        ("ARRAY[CAST(NULL AS INT)]", "ARRAY<INTEGER> [null]"),
        ("ARRAY[1, TRUE]", "42883"),
        ("MAP('k' := I, 'l' := NULL)", "MAP<STRING, INTEGER> {k=3, l=null}"),
        ("MAP('k' := NULL)", "42804"),
        ("STRUCT(F := 1, F := 2)", "42701"),
        ("STRUCT(F := NULL)", "42804"),
        ("STRUCT(F := I, g := 'x')->G", "STRING x"),
        ("ARRAY[STRUCT(F := 1), STRUCT(F := B)][1]->F", "BIGINT 1"),
        ("CAST('x' AS INT)", "INTEGER NULL"),
        ("CAST('5' AS BIGINT)", "BIGINT 5"),
        ("CAST(S AS STRUCT<F INT>)", "42846"),
        ("CAST(A AS PAIR)", "ARRAY<INTEGER> [1, 2]"),
        ("CAST(A AS NOPE)", "42704"),
    ]);
}

#[test]
fn cases() {
    check(&[
        ("CASE WHEN I < 2 THEN 'small' WHEN D < 4 THEN NULL ELSE 'large' END", "STRING NULL"),
        ("CASE WHEN N > 2 THEN 'foo' ELSE 'default' END", "STRING default"),
        ("CASE WHEN FALSE THEN 1 END", "INTEGER NULL"),
        ("CASE WHEN U THEN 1 ELSE 2 END", "INTEGER NULL"),
        ("CASE WHEN T THEN 1 ELSE 1 / 0 END", "INTEGER 1"),
        ("CASE I WHEN 1 THEN 'one' WHEN 3 THEN 'three' END", "STRING three"),
        ("CASE WHEN T THEN 1 ELSE B END", "BIGINT 1"),
        ("CASE WHEN T THEN 1 ELSE 'x' END", "42804"),
        ("CASE WHEN T THEN NULL END", "42804"),
        ("CASE WHEN I THEN 1 END", "42804"),
    ]);
}

#[test]
fn calls() {
    check(&[
        ("ABS(-I)", "INTEGER 3"),
        ("ABS(M)", "DECIMAL(4, 2) 2.50"),
        ("ABS(N)", "INTEGER NULL"),
        ("GEO_DISTANCE(1, D, 'foo', B)", "42883"),
        ("IFNULL(N, -1)", "INTEGER -1"),
        ("IFNULL(B, 0)", "BIGINT 10"),
        ("IFNULL(A[7], I)", "INTEGER 3"),
        ("ABBS(1)", "42883"),
        ("EXPLODE(A)", "42809"),
        ("DATEADD(DAYS, 1, Y)", "DATE 2020-01-03"),
        ("DATEADD(Y, 1, Y)", "42883"),
        ("IFNULL(DAYS, 1)", "INTEGER 5"),
        ("TRANSFORM(A, (X) => X + B)", "ARRAY<BIGINT> [11, 12]"),
        ("TRANSFORM(A, X => ABS(X - 5))", "ARRAY<INTEGER> [4, 3]"),
        ("FILTER(A, X => X > 1)", "ARRAY<INTEGER> [2]"),
        ("FILTER(A, X => X + 1)", "42883"),
        ("REDUCE(A, 2, (S, X) => S + X)", "INTEGER 5"),
        ("REDUCE(A, CAST(2 AS BIGINT), (S, X) => S + X)", "BIGINT 5"),
        ("REDUCE(A, 2, (S, X) => S + B)", "42883"),
        ("REDUCE(A, 0, (S, X) => S + REDUCE(A, 0, (S2, X2) => S2 + X * X2))", "INTEGER 9"),
        ("TRANSFORM(A, (X, Y2) => X)", "42883"),
        ("REDUCE(A, 2, (X, X) => X)", "42710"),
        ("IFNULL(X => X, 1)", "42883"),
    ]);
}

#[test]
fn insert_values() {
    let cases = [
        ("10", "BIGINT", "10"),
        ("1.5", "DOUBLE", "1.5"),
        ("1.5", "DECIMAL(4, 2)", "1.50"),
        ("1.555", "DECIMAL(4, 2)", "22003"),
        ("'10'", "INTEGER", "42804"),
        ("10", "STRING", "42804"),
        ("1.5", "INTEGER", "42804"),
        ("1 + 1", "BIGINT", "2"),
        ("'2020-01-02'", "DATE", "2020-01-02"),
        ("NULL", "DATE", "NULL"),
        ("ARRAY[]", "ARRAY<INTEGER>", "[]"),
        ("ARRAY[NULL, 1]", "ARRAY<BIGINT>", "[null, 1]"),
        ("ARRAY[ARRAY[]]", "ARRAY<ARRAY<BIGINT>>", "[[]]"),
        ("MAP()", "MAP<STRING, INTEGER>", "{}"),
        ("MAP('k' := NULL)", "MAP<STRING, INTEGER>", "{k=null}"),
        ("STRUCT()", "STRUCT<`F` INTEGER>", "Struct{}"),
        ("STRUCT(B := 2, a := ARRAY[2])", "STRUCT<`A` ARRAY<DOUBLE>, `b` DOUBLE>", "Struct{A=[2.0],b=2.0}"),
        ("STRUCT(C := 2)", "STRUCT<`A` INTEGER>", "42703"),
        ("CAST('x' AS INT)", "INTEGER", "22P02"),
        ("ARRAY[1 / 0]", "ARRAY<INTEGER>", "22012"),
        ("I", "INTEGER", "NULL"),
    ];
    for (text, to, expected) in cases {
        let to: Type = to.parse().unwrap();
        let got = match compile_as(&expr(text), &SCOPE, &to) {
            Ok(typed) => shown(&typed.code.eval(&[]).unwrap()),
            Err(e) => e.code().to_string(),
        };
        assert_eq!(got, expected, "{text} as {to}");
    }
}

#[test]
fn looks_through_expressions() {
    let e = expr("TRANSFORM(A, X => X + I) [Q.B] + COUNT(DATEADD(DAYS, D, Y)) + DAYS");
    let names: Vec<String> = columns_of(&e).into_iter().map(|(s, n)| s.map(|s| s + ".").unwrap_or_default() + &n).collect();
    assert_eq!(names, ["A", "I", "Q.B", "D", "Y", "DAYS"]);
    assert!(calls_aggregate(&e, &|name| name == "COUNT") && !calls_aggregate(&e, &|name| name == "SUM"));
    let replaced = rewrite(e, &mut |e| match &e.kind {
        ExprKind::Call { name, .. } if name == "COUNT" => Some(expr("I")),
        ExprKind::Column { name, .. } if name == "I" => Some(expr("N")),
        _ => None,
    });
    assert_eq!(text_of(&replaced), "((TRANSFORM(A, (X) => (X + N))[Q.B] + I) + DAYS)");
    for (text, name) in [("I", Some("I")), ("R->G->H", Some("H")), ("I + 1", None), ("A[1]", None)] {
        assert_eq!(name_of(&expr(text)).as_deref(), name);
    }
}

#[test]
fn errors_say_where_and_what_to_do() {
    for (text, message) in [
        ("1 + (I >= 'x')", "Cannot compare I (INTEGER) to 'x' (STRING)"),
        ("M IN (10, TRUE)", "operator does not exist: DECIMAL(12, 2) = BOOLEAN (true)"),
        ("ABBS(1)", "function ABBS does not exist"),
        ("ABS('x', 1)", "Function 'ABS' does not accept parameters (STRING, INTEGER)"),
    ] {
        let error = compile(&expr(text), &SCOPE).unwrap_err();
        assert_eq!(error.message(), message);
        assert!(error.fields().hint.is_some() && error.fields().position.is_some(), "{error:?}");
    }
    let typed = compile(&expr("NOT (I + 1 > B) AND S IN ('a', 'b')"), &SCOPE).unwrap();
    assert_eq!(typed.code.to_string(), "((NOT ((I + 1) > B)) AND (S IN ('a', 'b')))");
}
