//! `everfold run`: a script's statements, one after the other, echoed, with their results.
//!
//! Both ways of running go through the wire: [`against_server`] over a socket, [`on_directory`] over a pipe inside the process to
//! a session of an engine that it opens. So a script that runs here runs with psql, and the other way round.

use std::io::{Read, Write};
use std::path::Path;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::client::{Answer, COPY_BYTES, Client, Report};
use super::copy::{self, End};
use super::print::aligned;
use super::script::{Item, Script};
use super::serve::runtime;
use crate::config::Config;
use crate::engine::Engine;
use crate::error::{Error, Result, code};
use crate::sql::redacted;
use crate::wire::{Registry, server};

/// Bytes that may be under way in the pipe to a session in this process.
const PIPE_BYTES: usize = 256 << 10;
/// Meta-commands of psql that change how it shows things or takes errors, and change nothing here.
const HARMLESS: &[&str] = &["set", "unset", "timing", "pset", "encoding", "x", "a", "t", "errverbose"];

/// Runs the script on the database of `config`, opened by this process. True if all statements succeeded.
pub(super) fn on_directory(script: &Path, config: &Config) -> Result<bool> {
    let text = read(script)?;
    let runtime = runtime()?;
    let engine = Engine::open(config)?;
    let outcome = runtime.block_on(async {
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        let session = tokio::spawn(server::converse(engine.clone(), Registry::new(), theirs));
        let outcome = whole(&script.display().to_string(), &text, ours).await;
        // The session ends by itself once the pipe is closed; an error of the task is that of a statement, already told.
        let _ = session.await;
        outcome
    });
    engine.shutdown();
    outcome
}

/// Runs the script against the server at `address` (`host:port`). True if all statements succeeded.
pub(super) fn against_server(script: &Path, address: &str) -> Result<bool> {
    let text = read(script)?;
    runtime()?.block_on(async {
        let stream = TcpStream::connect(address).await.map_err(|e| {
            Error::new(code::CONNECTION_FAILURE, format!("could not connect to {address}: {e}"))
                .hint("Is the server running? Start it with: everfold serve")
        })?;
        stream.set_nodelay(true)?;
        whole(&script.display().to_string(), &text, stream).await
    })
}

fn read(script: &Path) -> Result<String> {
    if script == Path::new("-") {
        return Ok(std::io::read_to_string(std::io::stdin())?);
    }
    std::fs::read_to_string(script).map_err(|e| Error::new(code::UNDEFINED_FILE, format!("could not read \"{}\": {e}", script.display())))
}

async fn whole<S: AsyncRead + AsyncWrite + Unpin>(name: &str, text: &str, stream: S) -> Result<bool> {
    // PostgreSQL's own variables, so that psql and this reach a server in the same way.
    let variable = |name: &str| std::env::var(name).ok();
    let user = variable("PGUSER").or_else(|| variable("USER")).unwrap_or_else(|| "everfold".to_string());
    let client = Client::connect(stream, &user, variable("PGPASSWORD").as_deref()).await?;
    let mut runner = Runner { client, name, text, out: std::io::stdout(), complaint: std::io::stderr() };
    let outcome = runner.run().await?;
    runner.client.close().await?;
    Ok(outcome)
}

/// A script being run: results go to `out`, the error that ends it to `complaint`.
struct Runner<'a, S, O, C> {
    client: Client<S>,
    name: &'a str,
    text: &'a str,
    out: O,
    complaint: C,
}

/// Where COPY's rows come from and go to.
enum Place<'s, 'a> {
    /// The lines after the statement; the output.
    Script(&'s mut Script<'a>),
    /// A file.
    File(&'s Path),
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin, O: Write, C: Write> Runner<'a, S, O, C> {
    /// Runs all items up to the first error; true if there was none.
    async fn run(&mut self) -> Result<bool> {
        let mut script = Script::new(self.text);
        while let Some(item) = script.next_item() {
            let (text, line) = match item {
                Item::Statement { text, line } | Item::Meta { text, line } => (text, line),
            };
            let failed = match item {
                Item::Statement { .. } => {
                    writeln!(self.out, "{}", redacted(text))?;
                    self.statement(text, Place::Script(&mut script)).await?
                }
                Item::Meta { .. } if text == "q" => return Ok(true),
                Item::Meta { .. } => match self.meta(text, &mut script).await {
                    Ok(failed) => failed,
                    Err(e) if e.code() == code::CONNECTION_FAILURE => return Err(e),
                    Err(e) => {
                        let hint = e.fields().hint.iter().map(|h| format!("HINT:  {h}\n")).collect::<String>();
                        self.out.flush()?;
                        write!(self.complaint, "{}:{line}: ERROR:  {}\n{hint}", self.name, e.message())?;
                        return Ok(false);
                    }
                },
            };
            if let Some(report) = failed {
                self.out.flush()?;
                let shown = matches!(item, Item::Statement { .. }).then(|| redacted(text));
                write!(self.complaint, "{}", diagnosis(self.name, line, shown.as_deref(), &report))?;
                return Ok(false);
            }
        }
        self.out.flush()?;
        Ok(true)
    }

    async fn meta(&mut self, text: &str, script: &mut Script<'a>) -> Result<Option<Report>> {
        let (command, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        match command {
            "echo" => writeln!(self.out, "{}", unquoted(rest.trim()))?,
            "copy" => {
                writeln!(self.out, "\\{text}")?;
                let copy = copy::parse(rest)?;
                return match &copy.end {
                    End::Here => self.statement(&copy.sql, Place::Script(script)).await,
                    End::File(path) => self.statement(&copy.sql, Place::File(Path::new(path))).await,
                };
            }
            _ if HARMLESS.contains(&command) => {}
            _ => {
                let hint = "Of psql's commands a script may use \\copy, \\echo, \\q, and \\set and the like, which have no effect.";
                return Err(Error::syntax(format!("invalid command \\{command}")).hint(hint));
            }
        }
        Ok(None)
    }

    /// Runs one statement and prints what comes back; the error it ended with, if it did.
    async fn statement(&mut self, sql: &str, mut place: Place<'_, 'a>) -> Result<Option<Report>> {
        self.client.query(sql).await?;
        let (mut table, mut rows, mut failed) = (None, Vec::new(), None);
        let mut file = None;
        loop {
            match self.client.answer().await? {
                Answer::Ready => return Ok(failed),
                // Only while it logs in.
                Answer::Scram(_) => {}
                Answer::Failed(report) if matches!(report.field(b'S'), Some("FATAL" | "PANIC")) => return Ok(Some(report)),
                Answer::Failed(report) => failed = Some(report),
                Answer::Notice(report) => write!(self.out, "{}{}", report.headline(), report.footnotes())?,
                Answer::Columns(headings) => table = Some(headings),
                Answer::Row(row) => rows.push(row),
                Answer::Tag(tag) => {
                    let was_table = table.take().map(|headings| aligned(&headings, &std::mem::take(&mut rows)));
                    if let Some(text) = &was_table {
                        write!(self.out, "{text}")?;
                    }
                    if was_table.is_none() || ["INSERT", "UPDATE", "DELETE", "MERGE"].iter().any(|w| tag.starts_with(w)) {
                        writeln!(self.out, "{tag}")?;
                    }
                }
                Answer::CopyIn => match &mut place {
                    Place::Script(script) => {
                        self.client.copy_data(script.copy_data().as_bytes()).await?;
                        self.client.copy_done().await?;
                    }
                    Place::File(path) => self.send_file(path).await?,
                },
                Answer::CopyOut => {
                    if let Place::File(path) = place {
                        file = Some(std::io::BufWriter::new(std::fs::File::create(path).map_err(|e| unreachable_file(path, &e))?));
                    }
                }
                Answer::CopyData(data) => match &mut file {
                    Some(file) => file.write_all(&data)?,
                    None => self.out.write_all(&data)?,
                },
            }
        }
    }

    async fn send_file(&mut self, path: &Path) -> Result<()> {
        let mut file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(e) => return self.client.copy_fail(unreachable_file(path, &e).message()).await,
        };
        let mut buffer = vec![0; COPY_BYTES];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return self.client.copy_done().await,
                Ok(n) => self.client.copy_data(&buffer[..n]).await?,
                Err(e) => return self.client.copy_fail(unreachable_file(path, &e).message()).await,
            }
        }
    }
}

fn unreachable_file(path: &Path, e: &std::io::Error) -> Error {
    Error::new(code::UNDEFINED_FILE, format!("\"{}\": {e}", path.display()))
}

/// `\echo`'s argument: quotes around words are not shown.
fn unquoted(text: &str) -> String {
    let inner = text.strip_prefix('\'').and_then(|t| t.strip_suffix('\''));
    inner.map_or_else(|| text.to_string(), |t| t.replace("''", "'"))
}

/// What is told of a statement that failed: `file:line: ERROR:  message`, the line of the script with a caret under the place if
/// the server named one, and the server's further remarks. `line` is where the statement begins.
fn diagnosis(name: &str, line: usize, statement: Option<&str>, report: &Report) -> String {
    let place = statement.zip(report.position()).map(|(text, position)| {
        let at = text.char_indices().nth(position.saturating_sub(1)).map_or(text.len(), |(i, _)| i);
        let start = text[..at].rfind('\n').map_or(0, |i| i + 1);
        let end = text[at..].find('\n').map_or(text.len(), |i| at + i);
        (line + text[..start].matches('\n').count(), &text[start..end], &text[start..at])
    });
    let Some((line, source, before)) = place else {
        return format!("{name}:{line}: {}{}", report.headline(), report.footnotes());
    };
    let label = format!("LINE {line}: ");
    let indent: String = before.chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let caret = format!("{}{indent}^", " ".repeat(label.len()));
    format!("{name}:{line}: {}{label}{source}\n{caret}\n{}", report.headline(), report.footnotes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::server::converse;
    use crate::wire::testing::FakeHost;

    async fn run(text: &str) -> (bool, String, String) {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let session = tokio::spawn(converse(FakeHost::new(), Registry::new(), theirs));
        let client = Client::connect(ours, "ann", None).await.unwrap();
        let (mut out, mut complaint) = (Vec::new(), Vec::new());
        let mut runner = Runner { client, name: "s.sql", text, out: &mut out, complaint: &mut complaint };
        let well = runner.run().await.unwrap();
        runner.client.close().await.unwrap();
        session.await.unwrap();
        (well, String::from_utf8(out).unwrap(), String::from_utf8(complaint).unwrap())
    }

    #[tokio::test]
    async fn a_script_is_echoed_with_its_results() {
        let script =
            "\\set ON_ERROR_STOP on\n\\echo 'it''s'\n-- two rows\nrows 2;\nnotice; done CREATE STREAM;\ncopyin;\na\nb;c\n\\.\ncopyout;\n";
        let (well, out, complaint) = run(script).await;
        let expected = "it's\nrows 2;\n n |  t  \n---+-----\n 0 | v 0\n 1 | v 1\n(2 rows)\n\nnotice;\nNOTICE:  take note\nNOTICE\n\
                        done CREATE STREAM;\nCREATE STREAM\ncopyin;\nCOPY 6\ncopyout;\na\nb\nCOPY 2\n";
        assert_eq!((well, complaint.as_str()), (true, ""));
        assert_eq!(out, expected);
    }

    #[tokio::test]
    async fn the_first_error_ends_the_script_and_is_placed() {
        let (well, out, complaint) = run("rows 0;\n\n  fail at\n\tthe é here;\nrows 1;").await;
        assert!(!well && !out.contains("rows 1"));
        let expected = "s.sql:4: ERROR:  it failed\nLINE 4: \tthe é here;\n        \t    ^\nDETAIL:  detailed\nHINT:  hinted\n";
        assert_eq!(complaint, expected);
        let (well, _, complaint) = run("\n\\frobnicate").await;
        assert!(!well && complaint.starts_with("s.sql:2: ERROR:  invalid command \\frobnicate\nHINT:"));
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
        assert!(!well && complaint.contains("COPY from stdin failed: \"/nowhere/file\": "), "{complaint}");
    }
}
