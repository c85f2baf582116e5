//! What is read, and what is refused.

use super::*;
use crate::sql::ksql::ast::*;

fn query(text: &str) -> Query {
    match parse(text) {
        Ok(Statement::Query(query)) => query,
        other => panic!("{text}: {other:?}"),
    }
}

fn refused(text: &str) -> (&'static str, Option<usize>) {
    match parse(text) {
        Ok(statement) => panic!("{text}: {statement:?}"),
        Err(error) => (error.code(), error.fields().position),
    }
}

fn list<'a>(items: impl IntoIterator<Item = &'a Expr>) -> String {
    items.into_iter().map(show).collect::<Vec<_>>().join(" ")
}

/// An expression with all of its parentheses: (operator operands).
fn show(expr: &Expr) -> String {
    let not = |negated: &bool| if *negated { "not " } else { "" };
    match &expr.kind {
        ExprKind::Null => "null".into(),
        ExprKind::Boolean(b) => b.to_string(),
        ExprKind::Integer(n) => n.clone(),
        ExprKind::Decimal(n) => format!("d{n}"),
        ExprKind::Double(n) => format!("f{n}"),
        ExprKind::String(s) => format!("'{s}'"),
        ExprKind::Temporal(ty, s) => format!("{ty}'{s}'"),
        ExprKind::Column { source: Some(source), name } => format!("{source}.{name}"),
        ExprKind::Column { source: None, name } => name.clone(),
        ExprKind::Field(base, name) => format!("{}->{name}", show(base)),
        ExprKind::Index(base, index) => format!("{}[{}]", show(base), show(index)),
        ExprKind::Call { name, arguments } => format!("{name}({})", list(arguments)),
        ExprKind::Lambda { parameters, body } => format!("({} => {})", parameters.join(" "), show(body)),
        ExprKind::Array(items) => format!("ARRAY[{}]", list(items)),
        ExprKind::Map(entries) => format!("MAP({})", list(entries.iter().flat_map(|(k, v)| [k, v]))),
        ExprKind::Struct(fields) => {
            format!("STRUCT({})", fields.iter().map(|(n, e)| format!("{n}:={}", show(e))).collect::<Vec<_>>().join(" "))
        }
        ExprKind::Not(inner) => format!("(not {})", show(inner)),
        ExprKind::Negate(inner) => format!("(neg {})", show(inner)),
        ExprKind::Binary(op, left, right) => format!("({op:?} {} {})", show(left), show(right)),
        ExprKind::Between { value, low, high, negated } => {
            format!("({}between {} {} {})", not(negated), show(value), show(low), show(high))
        }
        ExprKind::In { value, list: items, negated } => format!("({}in {}: {})", not(negated), show(value), list(items)),
        ExprKind::Like { value, pattern, escape, negated } => {
            format!("({}like {} {} {escape:?})", not(negated), show(value), show(pattern))
        }
        ExprKind::IsNull { value, negated } => format!("({}null? {})", not(negated), show(value)),
        ExprKind::Case { operand, whens, otherwise } => {
            let (operand, otherwise) = (list(operand.as_deref()), list(otherwise.as_deref()));
            format!("(case {operand}: {} else {otherwise})", list(whens.iter().flat_map(|(w, t)| [w, t])))
        }
        ExprKind::Cast(value, ty) => format!("(cast {} {ty:?})", show(value)),
    }
}

#[test]
fn expressions() {
    let cases = [
        ("a + b * -c - 1", "(Subtract (Add A (Multiply B (neg C))) 1)"),
        ("-5 - -5.50 * - 1e3", "(Subtract -5 (Multiply d-5.50 f-1e3))"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("a || b + 1 || 'x'", "(Concat (Concat A (Add B 1)) 'x')"),
        ("NOT a = 1 AND b OR c", "(Or (And (not (Equal A 1)) B) C)"),
        ("a OR NOT NOT b AND (c OR d)", "(Or A (And (not (not B)) (Or C D)))"),
        ("a IS NOT NULL AND b IS NULL", "(And (not null? A) (null? B))"),
        ("a IS DISTINCT FROM b + 1", "(IsDistinct A (Add B 1))"),
        ("a IS NOT DISTINCT FROM b", "(IsNotDistinct A B)"),
        ("a BETWEEN 1 AND 2 AND b NOT BETWEEN 3 AND 4", "(And (between A 1 2) (not between B 3 4))"),
        ("a NOT IN (1, b) OR c IN ('x')", "(Or (not in A: 1 B) (in C: 'x'))"),
        ("a NOT LIKE 'x!%' ESCAPE '!' AND b LIKE c", "(And (not like A 'x!%' Some('!')) (like B C None))"),
        ("CASE WHEN a THEN 1 ELSE 2 END", "(case : A 1 else 2)"),
        ("CASE a WHEN 1 THEN 'x' WHEN 2 THEN 'y' END", "(case A: 1 'x' 2 'y' else )"),
        ("CAST(a AS MAP<STRING, INT>)", "(cast A Map(Known(String), Known(Int)))"),
        ("s.a->b->`c`[1]['k']->d", "S.A->B->c[1]['k']->D"),
        ("ARRAY[1, ARRAY[]] + array", "(Add ARRAY[1 ARRAY[]] ARRAY)"),
        ("MAP('a' := 1, b := MAP())", "MAP('a' 1 B MAP())"),
        ("STRUCT(a := 1, `b` := STRUCT())", "STRUCT(A:=1 b:=STRUCT())"),
        ("date '2020-01-01' = TIMESTAMP 'x'", "(Equal DATE'2020-01-01' TIMESTAMP'x')"),
        ("count(*) + Count() + f(DAYS, 1)", "(Add (Add COUNT() COUNT()) F(DAYS 1))"),
        ("reduce(a, 0, (s, x) => s + x)", "REDUCE(A 0 (S X => (Add S X)))"),
        ("filter(m, k => f(k, (a, b) => a))", "FILTER(M (K => F(K (A B => A))))"),
        ("f((a), (b) + 1)", "F(A (Add B 1))"),
        ("1 <> 2 != TRUE", "42601"),
        ("a = b = c", "42601"),
        ("a + NOT b", "42601"),
        ("a.b.c", "42601"),
        ("(a, b)", "42601"),
        ("a IN ()", "42601"),
        ("INTERVAL '1'", "42601"),
        ("CASE a END", "42601"),
        ("CAST(a AS NULL)", "42601"),
        ("9223372036854775808", "22003"),
        ("1.7976931348623159E308", "22003"),
        ("a LIKE 'x' ESCAPE 'ab'", "22023"),
        ("a AT TIME ZONE 'x'", "0A000"),
    ];
    for (text, expected) in cases {
        let shown = match parse(&format!("SELECT x FROM s WHERE {text};")) {
            Ok(Statement::Query(query)) => show(&query.condition.unwrap()),
            Ok(other) => panic!("{text}: {other:?}"),
            Err(error) => error.code().to_string(),
        };
        assert_eq!(shown, expected, "{text}");
    }
}

#[test]
fn words_are_names_where_they_can_be() {
    let q = query(
        "SELECT id, key, value AS `from`, date, timestamp time, table, stream, topic, type, size, grace, period, window, year, entries, \
         emit, partition p, s.*, f->*, a.b->c->*, COUNT(*) cnt FROM s EMIT CHANGES",
    );
    let items: Vec<String> = q
        .items
        .iter()
        .map(|item| match item {
            Item::All { source, .. } => format!("{}.*", source.as_deref().unwrap_or("")),
            Item::Fields(expr) => format!("{}->*", show(expr)),
            Item::Expr { expr, alias: None } => show(expr),
            Item::Expr { expr, alias: Some(alias) } => format!("{} {alias}", show(expr)),
        })
        .collect();
    assert_eq!(
        items.join(", "),
        "ID, KEY, VALUE from, DATE, TIMESTAMP TIME, TABLE, STREAM, TOPIC, TYPE, SIZE, GRACE, PERIOD, WINDOW, YEAR, ENTRIES, \
         EMIT, PARTITION P, S.*, F->*, A.B->C->*, COUNT() CNT"
    );
    assert_eq!((q.from.alias, q.emit), (None, Some(Emit::Changes)));
    assert_eq!(query("SELECT * FROM s emit EMIT FINAL").from.alias.as_deref(), Some("EMIT"));
    assert_eq!(query("SELECT * FROM s PARTITION BY a").partition_by.map(|p| list(&p)).as_deref(), Some("A"));
    for (text, at) in [
        ("SELECT a FROM", 14),
        ("SELECT select FROM s", 8),
        ("SELECT a + b->* FROM s", 13),
        ("SELECT * FROM s ON", 17),
        ("SELECT 1", 9),
        ("SELECT DISTINCT a FROM s", 8),
        ("SELECT * FROM s LIMIT x", 23),
        ("SELECT * FROM s LIMIT 1 WHERE a", 25),
        ("SELECT 'ä' FROM s;;", 19),
        ("FOO", 1),
        ("", 1),
    ] {
        assert_eq!(refused(text), ("42601", Some(at)), "{text}");
    }
    assert_eq!(refused("SELECT * FROM s LIMIT 2.5").0, "22023");
    assert_eq!(refused("SELECT * FROM s LIMIT -1").0, "22023");
}

#[test]
fn clauses_of_a_query() {
    let q = query(
        "SELECT * FROM a x LEFT OUTER JOIN b AS y WITHIN (1 HOUR, 2 MINUTES) GRACE PERIOD 3 SECONDS ON x.k = y.k \
         JOIN c ON TRUE FULL JOIN d WITHIN 1 DAY ON FALSE \
         WINDOW w HOPPING (SIZE 10 SECONDS, ADVANCE BY 5 MILLISECONDS, RETENTION 1 DAY, GRACE PERIOD 0 SECONDS) \
         WHERE 1 = 1 GROUP BY (a, b) PARTITION BY (a) + 1, b HAVING COUNT(*) > 1 EMIT FINAL LIMIT 3",
    );
    let joins: Vec<_> = q.joins.iter().map(|j| (j.kind, j.source.name.as_str(), j.source.alias.as_deref(), j.within)).collect();
    let within = |before_ms, after_ms, grace_ms| Some(Within { before_ms, after_ms, grace_ms });
    assert_eq!(
        joins,
        [
            (JoinKind::Left, "B", Some("Y"), within(3_600_000, 120_000, Some(3_000))),
            (JoinKind::Inner, "C", None, None),
            (JoinKind::Full, "D", None, within(86_400_000, 86_400_000, None)),
        ]
    );
    let kind = WindowKind::Hopping { size_ms: 10_000, advance_ms: 5 };
    assert_eq!(q.window, Some(Window { kind, retention_ms: Some(86_400_000), grace_ms: Some(0) }));
    assert_eq!(q.group_by.map(|g| list(&g)).as_deref(), Some("A B"));
    assert_eq!(q.partition_by.map(|g| list(&g)).as_deref(), Some("(Add A 1) B"));
    assert_eq!((q.emit, q.limit), (Some(Emit::Final), Some(3)));
    assert_eq!(query("SELECT * FROM s GROUP BY () HAVING a").group_by, Some(vec![]));
    let window = |text: &str| query(&format!("SELECT a FROM s WINDOW {text} GROUP BY a")).window.unwrap().kind;
    assert_eq!(window("TUMBLING (SIZE 1 HOUR)"), WindowKind::Tumbling { size_ms: 3_600_000 });
    assert_eq!(window("session(30 seconds)"), WindowKind::Session { gap_ms: 30_000 });
    for (text, code) in [
        ("TUMBLING (SIZE 0 SECONDS)", "22023"),
        ("TUMBLING (SIZE 1.5 SECONDS)", "22023"),
        ("TUMBLING (SIZE 9223372036854775807 DAYS)", "22003"),
        ("TUMBLING (SIZE 1 YEAR)", "42601"),
        ("TUMBLING (SIZE 1 DAY, GRACE PERIOD 1 DAY, GRACE PERIOD 1 DAY)", "42601"),
        ("HOPPING (SIZE 1 SECOND, ADVANCE BY 2 SECONDS)", "22023"),
        ("SESSION (-1 SECOND)", "22023"),
    ] {
        assert_eq!(refused(&format!("SELECT a FROM s WINDOW {text} GROUP BY a")).0, code, "{text}");
    }
}

#[test]
fn relations_and_types() {
    let text = "CREATE OR REPLACE SOURCE TABLE IF NOT EXISTS t (ID INT PRIMARY KEY, `k` VARCHAR(20) KEY, a INT ARRAY ARRAY, \
                b ARRAY<MAP<STRING, STRUCT<x DECIMAL(4, 2), `y` addr>>>, s STRUCT<>, h BYTES HEADER('q'), hs X HEADERS, KEY BOOLEAN) \
                WITH (kafka_topic='t', 'Value_Format' = 'json', partitions=-1, wrap_single_value = FALSE);";
    let Ok(Statement::Create(create)) = parse(text) else { panic!("{:?}", parse(text)) };
    assert!(create.or_replace && create.source && create.if_not_exists && create.kind == Kind::Table && create.query.is_none());
    let columns: Vec<_> = create.columns.iter().map(|c| format!("{} {:?} {:?}", c.name, c.ty, c.role)).collect();
    assert_eq!(
        columns,
        [
            "ID Known(Int) PrimaryKey",
            "k Known(String) Key",
            "A Array(Array(Known(Int))) Value",
            "B Array(Map(Known(String), Struct([(\"X\", Known(Decimal(4, 2))), (\"y\", Custom(\"ADDR\", 157))]))) Value",
            "S Struct([]) Value",
            "H Known(Bytes) Headers(Some(\"q\"))",
            "HS Custom(\"X\", 202) Headers(None)",
            "KEY Known(Boolean) Value",
        ]
    );
    let with: Vec<_> = create.with.iter().map(|p| format!("{}={}", p.name, p.value)).collect();
    assert_eq!(with, ["KAFKA_TOPIC=t", "VALUE_FORMAT=json", "PARTITIONS=-1", "WRAP_SINGLE_VALUE=false"]);
    for (text, code) in [
        ("CREATE STREAM s (a INT) AS SELECT * FROM t", "42601"),
        ("CREATE STREAM s ()", "42601"),
        ("CREATE STREAM s (a DECIMAL)", "42601"),
        ("CREATE STREAM s (a INT (KEY))", "42601"),
        ("CREATE STREAM s (a STRUCT<b NULL>)", "42601"),
        ("CREATE STREAM s (a DECIMAL(2, 3))", "22023"),
        ("CREATE STREAM s WITH (a = NULL)", "22023"),
        ("CREATE STREAM s WITH (a = b)", "42601"),
    ] {
        assert_eq!(refused(text).0, code, "{text}");
    }
}

/// What every other statement is, as Debug writes it, by a part that tells.
#[test]
fn statements() {
    let cases = [
        ("CREATE STREAM s", "kind: Stream, name: \"S\", or_replace: false, source: false, if_not_exists: false, columns: [], with: []"),
        ("CREATE TABLE t WITH (format='JSON') AS SELECT a FROM s", "query: Some(Query { items"),
        ("CREATE TYPE IF NOT EXISTS t AS INT ARRAY", "CreateType { name: \"T\", ty: Array(Known(Int)), if_not_exists: true }"),
        ("DROP TYPE IF EXISTS t", "DropType { name: \"T\", if_exists: true }"),
        ("DROP STREAM s", "kind: Stream, name: \"S\", if_exists: false, delete_topic: false, cascade: false }"),
        ("DROP TABLE IF EXISTS `t` DELETE TOPIC CASCADE;", "name: \"t\", if_exists: true, delete_topic: true, cascade: true }"),
        ("ALTER STREAM s ADD COLUMN a INT, ADD b X, ADD COLUMN STRING", "name: \"COLUMN\", ty: Known(String)"),
        ("INSERT INTO s WITH (query_id='q') SELECT * FROM t", "InsertSelect { name: \"S\", with: [Property"),
        ("INSERT INTO s (a, `b`) VALUES (1, NULL), (2, 'x')", "columns: [(\"A\", 16), (\"b\", 19)], rows: [["),
        ("INSERT INTO s VALUES ()", "columns: [], rows: [[]]"),
        ("DELETE FROM t WHERE k = 1", "Delete { name: \"T\", condition: Some("),
        ("TERMINATE CSAS_A_1", "Control { action: Terminate, query: Some(\"CSAS_A_1\") }"),
        ("PAUSE ALL", "Control { action: Pause, query: None }"),
        ("EXPLAIN CTAS_A_1;", "Explain(Query(\"CTAS_A_1\"))"),
        ("EXPLAIN SELECT * FROM s", "Explain(Statement(Query("),
        ("LIST TABLES EXTENDED", "Show { what: Tables, extended: true }"),
        ("SHOW ALL TOPICS", "Show { what: Topics { all: true }, extended: false }"),
        ("SHOW SOURCE CONNECTORS", "Refused"),
        ("DESCRIBE s EXTENDED", "Describe { name: \"S\", extended: true }"),
        ("DESCRIBE STREAMS", "DescribeAll { kind: Stream, extended: false }"),
        ("DESCRIBE FUNCTION lcase", "DescribeFunction(\"LCASE\")"),
        (
            "PRINT my_topic FROM BEGINNING INTERVAL 2 LIMIT 3",
            "topic: \"my_topic\", from_beginning: true, interval: Some(2), limit: Some(3)",
        ),
        ("PRINT 'a-b'", "topic: \"a-b\", from_beginning: false, interval: None, limit: None"),
        ("SET 'a'='b'", "Set { property: \"a\", value: \"b\" }"),
        ("UNSET 'a'", "Unset { property: \"a\" }"),
        ("DEFINE x = 'y'", "Define { name: \"X\", value: \"y\" }"),
        ("UNDEFINE x", "Undefine { name: \"X\" }"),
        ("RUN SCRIPT 'f.sql'", "RunScript { file: \"f.sql\" }"),
        ("ASSERT VALUES s (a, b) VALUES (1, 2)", "Values { name: \"S\", columns: [\"A\", \"B\"], values: ["),
        ("ASSERT NULL VALUES s (a) KEY (1)", "null: true"),
        ("ASSERT TABLE t (a INT) WITH (x=1)", "Relation { kind: Table, name: \"T\", columns: ["),
        ("ASSERT NOT EXISTS TOPIC t WITH (p=1) TIMEOUT 2 SECONDS", "Topic { name: \"t\", exists: false, with: [Property"),
        ("ASSERT SCHEMA SUBJECT 'x' ID 3 TIMEOUT 1 SECOND", "Refused"),
        ("CREATE SINK CONNECTOR c WITH ('a'='b')", "Refused"),
        ("ALTER SYSTEM 'a'='b'", "Refused"),
    ];
    for (text, expected) in cases {
        let shown = format!("{:?}", parse(text).unwrap_or_else(|e| panic!("{text}: {e:?}")));
        assert!(shown.contains(expected), "{text}: {shown}");
        // What is cut off anywhere is an error or another statement, and never a panic.
        for end in 0..text.len() {
            let _ = parse(&text[..end]);
        }
    }
}

#[test]
fn nesting_ends_in_an_error() {
    // Each level goes through every precedence.
    let level = "a OR b AND NOT c = d || e + f * - (";
    let condition = |inner: String| format!("SELECT x FROM s WHERE {inner}");
    let deep = |n: usize| condition(format!("{}1{}", level.repeat(n), ")".repeat(n)));
    assert!(parse(&deep(12)).is_ok());
    assert!(parse(&condition(format!("{}1{}", "(".repeat(120), ")".repeat(120)))).is_ok());
    let chain = |n: usize| condition(format!("a{}", " = 1 OR a".repeat(n)));
    assert!(parse(&chain(900)).is_ok());
    for text in [
        deep(1_000),
        chain(2_000),
        condition("(".repeat(100_000)),
        condition("-".repeat(2) + &"- ".repeat(100_000)),
        condition("NOT ".repeat(100_000)),
        condition("f(".repeat(100_000)),
        condition("CASE ".repeat(100_000)),
        condition(format!("a{}", "->b".repeat(100_000))),
        condition(format!("{}a", "x => ".repeat(100_000))).replace("WHERE ", "WHERE f("),
        format!("CREATE STREAM s (a {}", "ARRAY<".repeat(100_000)),
        format!("CREATE STREAM s (a INT{}", " ARRAY".repeat(100_000)),
        "EXPLAIN ".repeat(100_000),
    ] {
        let code = refused(&text).0;
        assert!(matches!(code, code::STATEMENT_TOO_COMPLEX | code::SYNTAX_ERROR), "{code} {}", &text[..60]);
    }
    assert_eq!(refused(&chain(2_000)).0, code::STATEMENT_TOO_COMPLEX);
}
