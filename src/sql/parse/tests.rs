//! Statements read, and refused, as they should be.

use super::*;
use crate::data::PgType;

fn error(sql: &str) -> Error {
    parse(sql).expect_err(sql)
}

#[test]
fn positions_point_at_the_token_that_does_not_fit() {
    assert_eq!(error("SELECT 1 FROM WHERE").fields().position, Some(15));
    assert_eq!(error("COPY t FRM STDIN").fields().position, Some(8));
    assert_eq!(error("SELECT 1 FROM ").fields().position, Some(15));
    assert_eq!(error("SELECT 1 FROM").message(), "syntax error at end of input");
    assert_eq!(error("DROP VIEW v x").fields().position, Some(13));
}

#[test]
fn tables_and_streams() {
    let Statement::CreateRelation(new) = parse(
        "CREATE TABLE IF NOT EXISTS \"T\" (a INT, b numeric(10,2) NOT NULL, c TIMESTAMP WITH TIME ZONE, d text[], PRIMARY KEY (b, a))",
    )
    .unwrap() else {
        panic!()
    };
    let columns = &new.columns;
    assert_eq!((new.kind, &new.key), (RelationKind::Table, &vec![1, 0]));
    assert_eq!(columns[1].ty, PgType::Numeric(Some((10, 2))));
    assert_eq!(columns[2].ty, PgType::Timestamptz);
    assert_eq!(columns[3].ty, PgType::Array(Box::new(PgType::Text)));
    assert_eq!(error("CREATE STREAM s (a int, a text)").code(), code::DUPLICATE_COLUMN);
    assert_eq!(error("CREATE TABLE t (a int PRIMARY KEY, b int PRIMARY KEY)").code(), code::INVALID_TABLE_DEFINITION);
    assert_eq!(error("CREATE STREAM s (a int UNIQUE)").code(), code::FEATURE_NOT_SUPPORTED);
    assert_eq!(error("CREATE STREAM s (a numeric(40,2))").code(), code::INVALID_PARAMETER_VALUE);
}

#[test]
fn copy_in_both_spellings() {
    for sql in
        ["COPY t (a, b) FROM STDIN WITH (FORMAT csv, HEADER, DELIMITER ';')", "copy t (a, b) from stdin with csv header delimiter ';'"]
    {
        let Statement::CopyIn { table, columns, options, condition: None } = parse(sql).unwrap() else { panic!("{sql}") };
        assert_eq!((table.name.as_str(), columns.len()), ("t", 2));
        assert!(options.0.contains(&("format".into(), Some("csv".into()))) && options.0.contains(&("delimiter".into(), Some(";".into()))));
    }
}

#[test]
fn a_view_keeps_the_text_of_its_query() {
    let Statement::CreateView { sql, materialized, .. } = parse("CREATE MATERIALIZED VIEW v AS SELECT 'ü', a FROM t WITH DATA;").unwrap()
    else {
        panic!()
    };
    assert!(materialized);
    assert_eq!(sql, "SELECT 'ü', a FROM t");
}

/// What takes time that grows with the square of the length would keep this test for a long time.
#[test]
fn long_statements_are_read_in_time() {
    for (begin, again) in [
        ("SELECT (a).*", ", (a).*"),
        ("SELECT 1 ", "FOR UPDATE LIMIT 1 "),
        ("INSERT INTO t VALUES (1) ", "ON CONFLICT () "),
        ("SELECT preceding ", "ROWS '1' "),
        ("OVERRIDING ", "OVERRIDING x VALUE "),
        ("INSERT INTO t ", "TABLE "),
        ("CREATE (", " AS TABLE x"),
    ] {
        let _ = parse(&(begin.to_string() + &again.repeat((1 << 18) / again.len())));
    }
}

#[test]
fn a_slip_at_the_end_of_a_long_text_is_found_at_once() {
    let rows = "(100, 100),\n".repeat(20_000);
    let sql = format!("INSERT INTO t VALUES\n{rows}oops oops");
    assert_eq!(error(&sql).code(), code::SYNTAX_ERROR);
    let copied = |rows: usize| format!("COPY (SELECT 1 IN (1{})) TO STDOUT", ", 1".repeat(rows));
    assert!(matches!(parse(&copied(100)), Ok(Statement::CopyOut { .. })));
}
