//! Where results go instead of to standard output: a file, or a program.

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Result, Write};
use std::process::{Child, Command, Stdio};

use super::source::plain;

pub(super) enum Sink {
    File(File),
    Program(Program),
}

/// A program that reads what is written. When it is let go of it has ended.
pub(super) struct Program(Child);

impl Sink {
    /// Opens the file of that name, or starts the program that stands behind a `|`. Errors: in psql's words.
    pub fn open(target: &str, environment: &HashMap<String, String>) -> std::result::Result<Sink, String> {
        let opened = match target.strip_prefix('|') {
            None => File::create(target).map(Sink::File),
            Some(command) => {
                let program = shell(command, environment).stdin(Stdio::piped()).spawn();
                program.map(|child| Sink::Program(Program(child)))
            }
        };
        opened.map_err(|e| format!("{target}: {}", plain(&e)))
    }
}

/// A command of the system, with what the script has set for it.
pub(super) fn shell(command: &str, environment: &HashMap<String, String>) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).envs(environment);
    shell
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self {
            Sink::File(file) => file.write(bytes),
            Sink::Program(Program(child)) => match child.stdin.as_mut().map_or(Ok(bytes.len()), |input| input.write(bytes)) {
                // A program need not read to the end.
                Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(bytes.len()),
                written => written,
            },
        }
    }

    fn flush(&mut self) -> Result<()> {
        match self {
            Sink::File(file) => file.flush(),
            Sink::Program(_) => Ok(()),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // How it ended makes no difference, as in psql.
        let _ = self.0.wait();
    }
}
