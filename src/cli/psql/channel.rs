//! Where `\copy` reads from and writes to, other than the script and its results: files, programs, standard input and output.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Result, Write};
use std::path::Path;
use std::process::{Child, Stdio};

use super::sink::{Sink, shell};
use super::source::plain;
use crate::cli::copy::End;

/// What goes wrong, in psql's words.
type Told<T> = std::result::Result<T, String>;

pub(super) enum Input {
    /// A file, and how many bytes it has.
    File(File, u64),
    Program(Program),
    Standard,
}

/// A program that is read from.
pub(super) struct Program {
    command: String,
    child: Child,
}

pub(super) enum Output {
    Sink(Sink),
    Standard,
}

impl Input {
    /// Opens what a `\copy .. from` names; nothing if that is the script. Errors: there is no such thing.
    pub fn open(end: &End, environment: &HashMap<String, String>) -> Told<Option<Input>> {
        Ok(Some(match end {
            End::Here => return Ok(None),
            End::Standard => Input::Standard,
            End::File(path) => file(Path::new(path)).map_err(|e| format!("{path}: {}", plain(&e)))?,
            End::Program(command) => {
                let started = shell(command, environment).stdout(Stdio::piped()).spawn();
                let child = started.map_err(|e| format!("could not execute command \"{command}\": {}", plain(&e)))?;
                Input::Program(Program { command: command.clone(), child })
            }
        }))
    }

    /// How many bytes there are, if that is known.
    pub fn length(&self) -> Option<u64> {
        match self {
            Input::File(_, length) => Some(*length),
            _ => None,
        }
    }
}

fn file(path: &Path) -> Result<Input> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(std::io::Error::other("cannot copy from/to a directory"));
    }
    Ok(Input::File(file, metadata.len()))
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        match self {
            Input::File(file, _) => file.read(buffer),
            Input::Program(program) => program.child.stdout.as_mut().map_or(Ok(0), |output| output.read(buffer)),
            Input::Standard => std::io::stdin().read(buffer),
        }
    }
}

impl Program {
    /// Waits for its end. Errors: it did not end well.
    pub fn end(&mut self) -> Told<()> {
        drop(self.child.stdout.take());
        let ended = match self.child.wait() {
            Ok(status) if status.success() => return Ok(()),
            Ok(status) => status.code().map_or("child process was terminated by a signal".to_string(), |code| {
                format!("child process exited with exit code {code}")
            }),
            Err(e) => plain(&e),
        };
        Err(format!("{}: {ended}", self.command))
    }
}

impl Output {
    /// Opens what a `\copy .. to` names; nothing if that is where results go. Errors: it cannot be written to.
    pub fn open(end: &End, environment: &HashMap<String, String>) -> Told<Option<Output>> {
        Ok(Some(match end {
            End::Here => return Ok(None),
            End::Standard => Output::Standard,
            End::File(path) => Output::Sink(Sink::open(path, environment)?),
            End::Program(command) => Output::Sink(Sink::open(&format!("|{command}"), environment)?),
        }))
    }

    /// Writes there; `out` is standard output.
    pub fn write(&mut self, out: &mut impl Write, data: &[u8]) -> Result<()> {
        match self {
            Output::Sink(sink) => sink.write_all(data),
            Output::Standard => out.write_all(data),
        }
    }
}
