//! What a new user meets: every script under `sql/` and every SQL block of the README, run by the real binary.
//!
//! A script is run by `everfold run` twice, on a data directory and against a server, and must print what is recorded in
//! `expected/` next to this file, each time. With `EVERFOLD_REWRITE=1` in the environment the records are written instead of compared:
//! read the difference before you commit it. [`psql`] compares with psql itself.

mod flights;
mod psql;
mod readme;
mod scripts;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::server::BINARY;

/// The top of the repository, which is where scripts are run from.
fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs `everfold run SCRIPT` with further arguments from the top of the repository.
fn run(script: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.arg("run").arg(script).args(arguments).current_dir(top());
    command.output().expect("the binary was built for this test")
}

/// What a run printed; it must have succeeded.
fn printed(script: &Path, arguments: &[&str]) -> String {
    let output = run(script, arguments);
    let (out, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{} failed:\n{complaint}\nafter\n{out}", script.display());
    out.into_owned()
}

/// Compares `text` with the record of that name, or records it.
fn compare(name: &str, text: &str) {
    let path = top().join("tests/users/expected").join(format!("{name}.txt"));
    if std::env::var_os("EVERFOLD_REWRITE").is_some() {
        std::fs::write(&path, text).expect("the repository can be written to when records are rewritten");
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let same = expected.lines().zip(text.lines()).take_while(|(a, b)| a == b).count();
    let line = |of: &str| of.lines().nth(same).unwrap_or("(the end)").to_string();
    assert!(expected == text, "{name}: line {} should be\n  {}\nand is\n  {}", same + 1, line(&expected), line(text));
}

/// All files of a directory and those below it that end in `.sql`, sorted.
fn sql_files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("the repository is readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sql_files(&path));
        } else if path.extension().is_some_and(|e| e == "sql") {
            found.push(path);
        }
    }
    found.sort();
    found
}
