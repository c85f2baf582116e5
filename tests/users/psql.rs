//! `everfold run` writes what psql writes.
//!
//! Each script under `psql/` has beside it what psql 15 writes to standard output for it (`psql -X -a -f`), run on an empty database;
//! `everfold run` must write the same, byte for byte, on a data directory and against a server. Where psql is installed it is asked
//! again. With `EVERFOLD_REWRITE=1` in the environment psql's output is recorded instead.

use std::path::Path;
use std::process::{Command, Output};

use super::top;
use crate::support::server::{BINARY, Server};

/// A directory to run in, with what the scripts include.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let inner = directory.path().join("inner");
    std::fs::create_dir(&inner).expect("it is new");
    std::fs::copy(scripts().join("included.psql"), inner.join("included.psql")).expect("there is one to include");
    directory
}

fn scripts() -> std::path::PathBuf {
    top().join("tests/users/psql")
}

/// Runs a copy of a script from a directory of its own.
fn output(mut command: Command, script: &Path, script_arguments: &[&str]) -> Output {
    let directory = directory();
    std::fs::copy(script, directory.path().join("script.sql")).expect("the script is there");
    command.args(script_arguments).current_dir(directory.path()).env("USER", "ann").env_remove("PGUSER").env_remove("PSQLRC");
    command.output().expect("it runs")
}

/// What `everfold run` writes; it ends well unless the script stops at an error.
fn ours(script: &Path, place: &[&str]) -> String {
    let mut command = Command::new(BINARY);
    command.args(["run", "script.sql", "-v", "ON_ERROR_STOP=off"]);
    let output = output(command, script, place);
    assert!(output.status.success(), "{}: {}", script.display(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it is text")
}

fn psqls(script: &Path, server: &Server) -> String {
    let mut command = Command::new("psql");
    let (host, port) = (server.address.ip().to_string(), server.address.port().to_string());
    command.args(["-X", "-a", "-h", &host, "-p", &port, "-U", "ann", "-d", "everfold"]);
    String::from_utf8(output(command, script, &["-f", "script.sql"]).stdout).expect("it is text")
}

fn same(script: &Path, who: &str, expected: &str, text: &str) {
    let same = expected.lines().zip(text.lines()).take_while(|(a, b)| a == b).count();
    let line = |of: &str| of.lines().nth(same).unwrap_or("(the end)").to_string();
    let name = script.display();
    assert!(expected == text, "{name}, {who}: line {} should be\n  {:?}\nand is\n  {:?}", same + 1, line(expected), line(text));
}

/// True if psql is installed, of the version that was recorded: others write some things otherwise.
fn psql_is_there() -> bool {
    let version = Command::new("psql").arg("--version").output();
    let there = version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(" 15."));
    if !there {
        eprintln!("NOTICE: the comparison with psql itself is skipped: there is no psql 15");
    }
    there
}

/// Compares one script, or records what psql writes.
fn check(name: &str) {
    let script = scripts().join(format!("{name}.sql"));
    let record = script.with_extension("out");
    let has_psql = psql_is_there();
    if std::env::var_os("EVERFOLD_REWRITE").is_some() && has_psql {
        std::fs::write(&record, psqls(&script, &Server::start())).expect("the repository can be written to when records are rewritten");
    }
    let expected = std::fs::read_to_string(&record).expect("it is recorded");
    let server = Server::start();
    same(&script, "against a server", &expected, &ours(&script, &["--server", &server.address.to_string()]));
    let data = tempfile::tempdir().expect("a temporary directory");
    same(&script, "in one process", &expected, &ours(&script, &["--data", &data.path().join("data").display().to_string()]));
    if has_psql {
        same(&script, "psql itself", &expected, &psqls(&script, &Server::start()));
    }
}

#[test]
fn values_are_shown_in_all_ways() {
    check("display");
}

#[test]
fn statements_begin_and_end_where_they_do() {
    check("statements");
}

#[test]
fn meta_commands_do_what_they_do() {
    check("commands");
}

#[test]
fn relations_are_listed() {
    check("listings");
}

#[test]
fn other_things_are_listed() {
    check("catalogs");
}

#[test]
fn everything_else_is_listed() {
    check("lists");
}

#[test]
fn values_are_shown_in_all_formats() {
    check("formats");
}

#[test]
fn variables_steer_the_run_and_it_goes_on_in_other_sessions() {
    check("steering");
}

#[test]
fn relations_are_described() {
    check("describe");
}

#[test]
fn results_become_grids() {
    check("crosstab");
}

#[test]
fn results_go_to_programs() {
    check("pipes");
}

#[test]
fn rows_are_copied_from_the_script_and_from_files() {
    check("copying");
}

/// A script, what is run it with, and what comes out: whether it ends well, standard output and standard error.
fn run(script: &str, arguments: &[&str]) -> (bool, String, String) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("s.sql"), script).expect("it can be written to");
    let mut command = Command::new(BINARY);
    command.args(["run", "s.sql", "--data", "data"]).args(arguments).current_dir(directory.path());
    let output = command.output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("it is text");
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_script_stops_at_its_first_error() {
    let script = "SELECT 1 AS x;\nSELECT\n  nosuch;\nSELECT 2 AS y;\n";
    let (well, out, complaint) = run(script, &[]);
    assert!(!well && out.ends_with("SELECT\n  nosuch;\n"), "{out}");
    assert_eq!(complaint, "s.sql:3: ERROR:  column \"nosuch\" does not exist\nLINE 3:   nosuch;\n          ^\n");
    let (well, out, _) = run(script, &["-v", "ON_ERROR_STOP=off", "--echo", "none"]);
    assert_eq!((well, out.as_str()), (true, " x \n---\n 1\n(1 row)\n\n y \n---\n 2\n(1 row)\n\n"));
    let (well, _, complaint) = run("", &["--echo", "loudly"]);
    assert!(!well && complaint.contains("unrecognized value \"loudly\" for \"ECHO\""), "{complaint}");
}

#[test]
fn parameters_are_bound_and_statements_repeated() {
    let (well, out, complaint) = run("SELECT $1::int + $2 AS n \\bind 1 2 \\g\n", &["--echo", "none"]);
    assert_eq!((well, out.as_str(), complaint.as_str()), (true, " n \n---\n 3\n(1 row)\n\n", ""));
    let (well, out, _) = run("\\a\n\\t\nSELECT 'again' \\watch i=0 c=3\n", &["--echo", "none"]);
    assert_eq!((well, out.matches("again\n").count()), (true, 3), "{out}");
    let (well, _, complaint) = run("SELECT 1 \\watch 1\n", &[]);
    assert_eq!((well, complaint.as_str()), (false, "s.sql:1: error: \\watch: say how many times, as in \\watch i=2 c=5\n"));
}

#[test]
fn what_is_not_there_is_refused_by_name() {
    for command in ["\\edit", "\\ef", "\\password", "\\set SINGLESTEP on", "\\connect postgres://h/d"] {
        let (well, _, complaint) = run(&format!("SELECT 1;\n{command}\n"), &[]);
        assert!(!well && complaint.starts_with("s.sql:2: error: ") && complaint.contains("everfold run does not "), "{complaint}");
    }
}
