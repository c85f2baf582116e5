//! Each line of `tests/data/postgres_answers.txt`, over the wire: value and type as PostgreSQL 15 answered, or its SQLSTATE.

use std::collections::BTreeSet;

use crate::support::server::Server;
use crate::support::wire::{Wire, type_name};

const ANSWERS: &str = concat!(include_str!("data/postgres_answers.txt"), include_str!("data/postgres_answers_rewritten.txt"));
const DIFFERENCES: &str = include_str!("data/postgres_differences.txt");

/// The answer as the file has it: rows parted by `¶`, a tab, the first column's type; or `ERROR sqlstate`.
fn answer(wire: &mut Wire, sql: &str) -> String {
    match wire.simple(sql).pop() {
        Some(Ok(answer)) => {
            let oid = answer.columns.as_ref().and_then(|c| c.first()).map_or(0, |c| c.1);
            format!("{}\t{}", answer.lines().join("¶"), type_name(oid))
        }
        Some(Err(e)) => format!("ERROR {}", e.code),
        None => String::new(),
    }
}

#[test]
fn arithmetic_and_functions_answer_as_postgresql_does() {
    let server = Server::start();
    let mut wire = server.connect();
    let known: BTreeSet<&str> = DIFFERENCES.lines().filter(|l| !l.starts_with('#')).collect();
    let mut wrong = Vec::new();
    let mut right = 0;
    for line in ANSWERS.lines().filter(|l| !l.starts_with('#') && !l.is_empty()) {
        let (sql, expected) = line.split_once('\t').expect("SQL, a tab, the answer");
        let ours = answer(&mut wire, sql);
        match (ours == expected, known.contains(sql)) {
            (true, false) => right += 1,
            (false, true) => {}
            (true, true) => wrong.push(format!("{sql}\n  is answered now; take it out of postgres_differences.txt")),
            (false, false) => wrong.push(format!("{sql}\n  PostgreSQL: {expected}\n  Everfold:   {ours}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ\n{}", wrong.len(), right + wrong.len(), wrong.join("\n"));
}

#[test]
fn every_known_difference_is_a_line_of_the_answers_and_has_a_reason() {
    let asked: BTreeSet<&str> = ANSWERS.lines().filter_map(|l| l.split('\t').next()).collect();
    let mut reason = "";
    for line in DIFFERENCES.lines() {
        match line.strip_prefix('#') {
            Some(text) => reason = text.trim(),
            None if line.is_empty() => reason = "",
            None => {
                assert!(asked.contains(line), "no such line: {line}");
                assert!(!reason.is_empty(), "no reason above it: {line}");
            }
        }
    }
}
