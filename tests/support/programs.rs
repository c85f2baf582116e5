//! Programs that a test needs and a machine may lack: the test says so and passes.

use std::path::PathBuf;
use std::process::{Command, Output};

/// True if the program can be run; else a notice that `what` is skipped.
pub fn available(program: &str, arguments: &[&str], what: &str) -> bool {
    let found = Command::new(program).args(arguments).output().is_ok_and(|o| o.status.success());
    if !found {
        eprintln!("NOTICE: {what} is skipped: {program} {} does not run here", arguments.join(" "));
    }
    found
}

/// A Python that has the module: the one named by EVERFOLD_TEST_PYTHON, or `python3`.
pub fn python_with(module: &str, what: &str) -> Option<PathBuf> {
    let program = std::env::var("EVERFOLD_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    available(&program, &["-c", &format!("import {module}")], what).then(|| program.into())
}

/// What a program printed, standard error behind standard output; the test fails if the program did.
pub fn output_of(command: &mut Command) -> String {
    let output: Output = command.output().expect("it runs");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} failed:\n{text}");
    text
}
