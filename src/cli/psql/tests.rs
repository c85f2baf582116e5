//! Scripts against a session that needs no database.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::{Runner, Source};
use crate::cli::place::{Place, Way};
use crate::clock::ManualClock;
use crate::wire::Registry;
use crate::wire::server::converse;
use crate::wire::testing::FakeHost;

/// Runs a script that stops at its first error and shows all lines: how it ended, and what it wrote to either output.
async fn run(text: &str) -> (bool, String, String) {
    let sessions = Rc::new(RefCell::new(JoinSet::new()));
    let begun = sessions.clone();
    let begin = move || {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        begun.borrow_mut().spawn(converse(FakeHost::new(), Registry::new(), theirs));
        ours
    };
    let (user, database) = ("ann".to_string(), "everfold".to_string());
    let place = Place { way: Way::Process(Rc::new(begin)), user, database, password: None, settings: &[] };
    let (mut out, mut complaint) = (Vec::new(), Vec::new());
    let mut runner = Runner::begin(place, &mut out, &mut complaint, Arc::new(ManualClock::default())).await.unwrap();
    runner.set("ON_ERROR_STOP", "on").unwrap();
    runner.set("ECHO", "all").unwrap();
    let well = runner.run(&mut Source::new("s.sql", text)).await.unwrap();
    runner.close().await.unwrap();
    sessions.take().join_all().await;
    (well, String::from_utf8(out).unwrap(), String::from_utf8(complaint).unwrap())
}

#[tokio::test]
async fn a_script_is_echoed_with_its_results() {
    let script =
        "\\set ON_ERROR_STOP on\n\\echo 'it''s'\n-- two rows\n\nrows 2;\nnotice; done CREATE STREAM;\ncopyin;\na\nb;c\n\\.\ncopyout;\n";
    let (well, out, complaint) = run(script).await;
    let expected = "\\set ON_ERROR_STOP on\n\\echo 'it''s'\nit's\n-- two rows\nrows 2;\n n |  t  \n---+-----\n 0 | v 0\n 1 | v 1\n(2 rows)\n\n\
                    notice; done CREATE STREAM;\nNOTICE\nCREATE STREAM\ncopyin;\nCOPY 6\ncopyout;\na\nb\n";
    assert_eq!((well, complaint.as_str()), (true, "s.sql:6: NOTICE:  take note\n"));
    assert_eq!(out, expected);
}

#[tokio::test]
async fn the_first_error_ends_the_script_and_is_placed() {
    let (well, out, complaint) = run("rows 0;\n\n  fail at\n\tthe é here;\nrows 1;").await;
    assert!(!well && !out.contains("rows 1"));
    let expected = "s.sql:4: ERROR:  it failed\nLINE 4: \tthe é here;\n        \t    ^\nDETAIL:  detailed\nHINT:  hinted\n";
    assert_eq!(complaint, expected);
    let (well, _, complaint) = run("\n\\frobnicate\n\\echo on").await;
    assert_eq!((well, complaint.as_str()), (false, "s.sql:2: error: invalid command \\frobnicate\n"));
    let (well, _, complaint) = run("\\edit").await;
    let refusal = "s.sql:1: error: everfold run does not support \\edit\nHINT:  Run the script with psql";
    assert!(!well && complaint.starts_with(refusal), "{complaint}");
}

#[tokio::test]
async fn scripts_run_scripts_in_either_dialect() {
    let directory = tempfile::tempdir().unwrap();
    let inner = directory.path().join("inner script.sql");
    std::fs::write(&inner, "done INNER;\n").unwrap();
    let (well, out, complaint) = run(&format!("run  SCRIPT\n'{}' ;\n\\i '{}'\ndone OUTER;\n", inner.display(), inner.display())).await;
    assert_eq!((well, complaint.as_str()), (true, ""));
    assert_eq!(out.matches("done INNER;\nINNER\n").count(), 2, "{out}");
    let (well, _, complaint) = run("RUN SCRIPT '/nowhere/file';").await;
    assert_eq!((well, complaint.as_str()), (false, "s.sql:1: error: /nowhere/file: No such file or directory\n"));
}

#[tokio::test]
async fn rows_come_from_files_and_go_to_files() {
    let directory = tempfile::tempdir().unwrap();
    let (source, sink) = (directory.path().join("in"), directory.path().join("out"));
    std::fs::write(&source, "x\ny\nz\n").unwrap();
    let script = format!("\\copy t from '{}' csv\n\\copy t to '{}'\n", source.display(), sink.display());
    let (well, out, complaint) = run(&script).await;
    assert_eq!((well, complaint.as_str()), (true, ""));
    assert!(out.contains("\nCOPY 6\n") && out.ends_with("\nCOPY 2\n"), "{out}");
    assert_eq!(std::fs::read_to_string(sink).unwrap(), "a\nb\n");
    let (well, _, complaint) = run("\\copy t from '/nowhere/file'").await;
    assert_eq!((well, complaint.as_str()), (false, "s.sql:1: error: /nowhere/file: No such file or directory\n"));
}

#[tokio::test]
async fn branches_and_variables_steer_a_script() {
    let script = "\\set n 2\n\\if :{?n}\n\\if 0\nfail;\n\\else\nrows :n;\n\\endif\n\\elif perhaps\nfail;\n\\else\nfail;\n\\endif\n";
    let (well, out, complaint) = run(script).await;
    assert_eq!((well, complaint.as_str()), (true, ""));
    assert!(out.contains("(2 rows)"), "{out}");
    let (well, _, complaint) = run("\\if 1\n\\endif\n\\endif").await;
    assert_eq!((well, complaint.as_str()), (false, "s.sql:3: error: \\endif: no matching \\if\n"));
    let (well, _, complaint) = run("\\if 1\n").await;
    assert_eq!((well, complaint.as_str()), (false, "s.sql:1: error: reached EOF without finding closing \\endif(s)\n"));
}
