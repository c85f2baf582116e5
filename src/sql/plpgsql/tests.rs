//! What is read of a body, and where errors in it are.

use super::{Turns, What, body};
use crate::error::code;

#[test]
fn numbers_with_dots_between_them_are_bounds() {
    for (text, from, to, step) in [
        ("FOR i IN 1..10 LOOP NULL; END LOOP;", "1", "10", None),
        ("FOR i IN a.b .. f(1, '..') BY 2 LOOP NULL; END LOOP;", "a.b", "f(1, '..')", Some("2")),
        ("FOR i IN REVERSE n..(SELECT max(x) FROM t) LOOP NULL; END LOOP;", "n", "(SELECT max(x) FROM t)", None),
        ("FOR i IN 1.5 .. 2.5 LOOP NULL; END LOOP;", "1.5", "2.5", None),
    ] {
        let block = body(&format!("BEGIN {text} END")).unwrap();
        let What::Loop { turns: Turns::Numbers { from: a, to: b, step: by, .. }, .. } = &block.body[0].what else { panic!("{text}") };
        assert_eq!((a.text.as_str(), b.text.as_str(), by.as_ref().map(|e| e.text.as_str())), (from, to, step), "{text}");
    }
}

#[test]
fn into_names_variables_and_that_of_insert_a_table() {
    let block =
        body("BEGIN INSERT INTO t SELECT 1 RETURNING a, b INTO STRICT x, y.z; SELECT 1 INTO x FROM t WHERE a = 'into'; END").unwrap();
    let read = |i: usize| match &block.body[i].what {
        What::Sql { sql, into: Some(into) } => {
            (sql.text.split_whitespace().collect::<Vec<_>>().join(" "), into.strict, into.targets.clone())
        }
        other => panic!("{other:?}"),
    };
    let names = |path: &[&str]| path.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(read(0), ("INSERT INTO t SELECT 1 RETURNING a, b".into(), true, vec![names(&["x"]), names(&["y", "z"])]));
    assert_eq!(read(1), ("SELECT 1 FROM t WHERE a = 'into'".into(), false, vec![names(&["x"])]));
}

#[test]
fn lines_are_those_of_the_body() {
    let block = body("\nBEGIN\n  NULL;\n  /* two\n  lines */ RAISE NOTICE 'x\ny';\n  NULL;\nEND").unwrap();
    assert_eq!(block.body.iter().map(|s| s.line).collect::<Vec<_>>(), [3, 5, 7]);
}

#[test]
fn what_is_wrong_is_told_at_its_place() {
    for (text, state, message, at) in [
        ("BEGIN SELEC 1; END", code::SYNTAX_ERROR, "syntax error at or near \"SELEC\"", "SELEC"),
        ("BEGIN x := 1 + ; END", code::SYNTAX_ERROR, "syntax error at end of input", " ;"),
        ("BEGIN IF THEN NULL; END IF; END", code::SYNTAX_ERROR, "missing expression at or near \"THEN\"", "THEN"),
        ("BEGIN IF a THEN NULL; END; END", code::SYNTAX_ERROR, "syntax error at or near \";\"", "; END"),
        ("BEGIN NULL END", code::SYNTAX_ERROR, "syntax error at end of input", ""),
        ("BEGIN NULL; END x", code::SYNTAX_ERROR, "end label \"x\" specified for unlabeled block", ""),
        ("DECLARE x int BEGIN NULL; END", code::SYNTAX_ERROR, "syntax error at or near \"int\"", ""),
        ("BEGIN RAISE NOTICE '%'; END", code::SYNTAX_ERROR, "too few parameters specified for RAISE", ""),
        ("BEGIN RAISE NOTICE '%%', 1; END", code::SYNTAX_ERROR, "too many parameters specified for RAISE", ""),
        ("BEGIN SELECT 1; END", code::SYNTAX_ERROR, "query has no destination for result data", "SELECT 1"),
    ] {
        let error = body(text).unwrap_err();
        assert_eq!((error.code(), error.message()), (state, message), "{text}");
        if !at.is_empty() {
            let position = error.fields().position.unwrap_or_else(|| panic!("{text}: no position"));
            assert!(text[position - 1..].starts_with(at), "{text}: at {position}");
        }
    }
}

#[test]
fn a_deep_body_is_refused() {
    let deep = |n: usize| format!("BEGIN {} NULL; {} END", "BEGIN ".repeat(n), "END; ".repeat(n));
    assert!(body(&deep(15)).is_ok());
    assert_eq!(body(&deep(1_000)).unwrap_err().code(), code::STATEMENT_TOO_COMPLEX);
}
