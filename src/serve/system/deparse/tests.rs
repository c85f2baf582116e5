//! Expressions, and what PostgreSQL 15 prints of them.

use super::*;
use crate::catalog::{Column, RelationKind};

fn table() -> Relation {
    let column = |(name, ty): (&str, &str)| Column::new(name.into(), PgType::parse(ty).unwrap());
    let columns = [
        ("n", "int"),
        ("b", "bigint"),
        ("x", "float8"),
        ("p", "numeric(10,2)"),
        ("t", "text"),
        ("v", "varchar(9)"),
        ("d", "timestamp"),
        ("o", "boolean"),
        ("j", "jsonb"),
        ("Odd", "int"),
    ];
    Relation::new(1, "r".into(), RelationKind::Table, columns.into_iter().map(column).collect(), String::new())
}

/// Keys of indexes as they are written, and as PostgreSQL prints them: pg_get_indexdef of an index on it, without and with pretty.
const KEYS: &[(&str, &str, &str)] = &[
    ("lower(t)", "lower(t)", "lower(t)"),
    ("LOWER(v)", "lower((v)::text)", "lower(v::text)"),
    ("n+1", "((n + 1))", "(n + 1)"),
    ("b * 2 + n - 1", "((((b * 2) + n) - 1))", "(b * 2 + n - 1)"),
    ("b - (n - 1)", "((b - (n - 1)))", "(b - (n - 1))"),
    ("p * 2", "((p * (2)::numeric))", "(p * 2::numeric)"),
    ("n::text", "((n)::text)", "(n::text)"),
    ("upper(t::text) || v::varchar(9)", "((upper(t) || (v)::text))", "(upper(t) || v::text)"),
    ("v::varchar(3)", "((v)::character varying(3))", "(v::character varying(3))"),
    ("substring(t from 2 for 3)", "SUBSTRING(t FROM 2 FOR 3)", "SUBSTRING(t FROM 2 FOR 3)"),
    ("d at time zone 'UTC'", "(d AT TIME ZONE 'UTC'::text)", "(d AT TIME ZONE 'UTC'::text)"),
    (
        "case n when 1 then 'a' else t end",
        "(\nCASE n\n    WHEN 1 THEN 'a'::text\n    ELSE t\nEND)",
        "(\nCASE n\n    WHEN 1 THEN 'a'::text\n    ELSE t\nEND)",
    ),
    ("round(p, 1)", "round(p, 1)", "round(p, 1)"),
    ("sqrt(n)", "sqrt((n)::double precision)", "sqrt(n::double precision)"),
    ("md5(v)", "md5((v)::text)", "md5(v::text)"),
    ("replace(t, ' ', '')", "replace(t, ' '::text, ''::text)", "replace(t, ' '::text, ''::text)"),
    ("-n", "((- n))", "(- n)"),
    ("abs(n - 1)", "abs((n - 1))", "abs(n - 1)"),
    ("t || '-' || v", "(((t || '-'::text) || (v)::text))", "((t || '-'::text) || v::text)"),
    ("'#' || n", "(('#'::text || n))", "('#'::text || n)"),
    ("coalesce(v, '')", "COALESCE(v, ''::character varying)", "COALESCE(v, ''::character varying)"),
    ("date_trunc('day', d)", "date_trunc('day'::text, d)", "date_trunc('day'::text, d)"),
    ("extract(year from d)", "EXTRACT(year FROM d)", "EXTRACT(year FROM d)"),
    ("j ->> 'k'", "((j ->> 'k'::text))", "(j ->> 'k'::text)"),
    ("(j ->> 'k')::int", "(((j ->> 'k'::text))::integer)", "((j ->> 'k'::text)::integer)"),
    ("\"Odd\" + 1", "((\"Odd\" + 1))", "(\"Odd\" + 1)"),
    ("true", "(true)", "(true)"),
    ("left(t, 3)", "\"left\"(t, 3)", "\"left\"(t, 3)"),
    (
        "case when o then n else -1 end",
        "(\nCASE\n    WHEN o THEN n\n    ELSE '-1'::integer\nEND)",
        "(\nCASE\n    WHEN o THEN n\n    ELSE '-1'::integer\nEND)",
    ),
];

/// The same of the condition of a partial index.
const CONDITIONS: &[(&str, &str, &str)] = &[
    ("o", "o", "o"),
    ("NOT o", "(NOT o)", "NOT o"),
    ("n>0 and (b<3 or o)", "((n > 0) AND ((b < 3) OR o))", "n > 0 AND (b < 3 OR o)"),
    ("p > 0", "(p > (0)::numeric)", "p > 0::numeric"),
    ("x >= 1", "(x >= (1)::double precision)", "x >= 1::double precision"),
    ("v = 'a'", "((v)::text = 'a'::text)", "v::text = 'a'::text"),
    ("t like 'a%'", "(t ~~ 'a%'::text)", "t ~~ 'a%'::text"),
    ("t is not null and t <> ''", "((t IS NOT NULL) AND (t <> ''::text))", "t IS NOT NULL AND t <> ''::text"),
    ("n in (1, 2)", "(n = ANY (ARRAY[1, 2]))", "n = ANY (ARRAY[1, 2])"),
    ("t not in ('a', 'b')", "(t <> ALL (ARRAY['a'::text, 'b'::text]))", "t <> ALL (ARRAY['a'::text, 'b'::text])"),
    (
        "v in ('a', 'b') and o",
        "(((v)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])) AND o)",
        "(v::text = ANY (ARRAY['a'::character varying, 'b'::character varying]::text[])) AND o",
    ),
    ("n between 1 and 3", "((n >= 1) AND (n <= 3))", "n >= 1 AND n <= 3"),
    ("(n + 1) is null", "((n + 1) IS NULL)", "(n + 1) IS NULL"),
    ("o is true", "(o IS TRUE)", "o IS TRUE"),
    ("n is not distinct from 3", "(NOT (n IS DISTINCT FROM 3))", "NOT n IS DISTINCT FROM 3"),
    (
        "d > '2020-01-01'",
        "(d > '2020-01-01 00:00:00'::timestamp without time zone)",
        "d > '2020-01-01 00:00:00'::timestamp without time zone",
    ),
    ("b = -1", "(b = '-1'::integer)", "b = '-1'::integer"),
];

/// Compares what is printed in both styles.
fn compare(cases: &[(&str, &str, &str)], print: impl Fn(&Relation, &str, Style) -> String) {
    for (sql, whole, pretty) in cases {
        assert_eq!((print(&table(), sql, Style::Whole).as_str(), print(&table(), sql, Style::Pretty).as_str()), (*whole, *pretty), "{sql}");
    }
}

#[test]
fn keys_are_printed_as_postgresql_prints_them() {
    let of = |sql: &str| Indexed::Expression { sql: sql.into(), ty: PgType::Unknown };
    compare(KEYS, |table, sql, style| key(table, &of(sql), style));
}

#[test]
fn conditions_are_printed_as_postgresql_prints_them() {
    compare(CONDITIONS, expression);
}

#[test]
fn keys_have_names() {
    for (sql, name) in
        [("lower(t)", "lower"), ("n + 1", "expr"), ("n::text", "n"), ("(n + 1)::text", "text"), ("coalesce(t, '')", "coalesce")]
    {
        assert_eq!(name_of(&Indexed::Expression { sql: sql.into(), ty: PgType::Unknown }), name);
    }
}
