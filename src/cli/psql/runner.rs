//! The loop over a script's lines.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::answers::How;
use super::bar::Bar;
use super::branches::Branches;
use super::commands::Act;
use super::options::Options;
use super::scan::{End, Line, Scanner};
use super::sink::Sink;
use super::source::Source;
use super::variables::Variables;
use crate::cli::client::{Client, Report};
use crate::cli::place::Place;
use crate::clock::Clock;
use crate::error::{Error, Result, code};
use crate::sql::redacted;

/// How deeply scripts may include one another.
const DEPTH_MAX: usize = 50;

/// A script being run: results go to `out`, errors and notices to `complaint`.
pub(in crate::cli) struct Runner<O, C> {
    pub(super) client: Client,
    /// Where `client` is connected to.
    pub(super) place: Place,
    pub(super) out: O,
    pub(super) complaint: C,
    pub(super) clock: Arc<dyn Clock>,
    /// Shows on a terminal how far long statements are.
    pub(super) bar: Option<Bar>,
    pub(super) variables: Variables,
    pub(super) options: Options,
    pub(super) timing: bool,
    /// Where results go after `\o`.
    pub(super) redirected: Option<Sink>,
    pub(super) last_error: Option<Report>,
    /// What `\setenv` has set, for the commands that are run.
    pub(super) environment: HashMap<String, String>,
    /// The parameters of the next statement, after `\bind`.
    pub(super) bound: Option<Vec<String>>,
    depth: usize,
}

/// What has been read of the statement at hand.
#[derive(Default)]
pub(super) struct Reading {
    pub query: String,
    /// The statement before.
    pub previous: String,
    pub scanner: Scanner,
    pub branches: Branches,
    /// The line that the statement begins in.
    pub begun: usize,
}

impl<O: Write, C: Write> Runner<O, C> {
    /// A runner with psql's defaults, connected to `place`. Errors: as [`Place::connect`].
    pub async fn begin(place: Place, out: O, complaint: C, clock: Arc<dyn Clock>) -> Result<Self> {
        let client = place.connect().await?;
        let (variables, options) = (Variables::default(), Options::default());
        let (bar, redirected, last_error, bound, environment) = (None, None, None, None, HashMap::new());
        let (timing, depth) = (false, 0);
        let mut runner = Runner {
            client,
            place,
            out,
            complaint,
            clock,
            bar,
            variables,
            options,
            timing,
            redirected,
            last_error,
            environment,
            bound,
            depth,
        };
        runner.connected();
        Ok(runner)
    }

    /// Goes on in another session, and ends the one before. Errors: as [`Place::connect`]; then nothing has changed.
    pub(super) async fn reconnect(&mut self, place: Place) -> Result<()> {
        let before = std::mem::replace(&mut self.client, place.connect().await?);
        self.place = place;
        self.connected();
        // Whether the other side heard it makes no difference.
        let _ = before.close().await;
        Ok(())
    }

    /// Sets what a script may want to know of where it runs.
    fn connected(&mut self) {
        let version = self.client.version().to_string();
        let (host, port) = self.place.address();
        let told = [
            ("DBNAME", self.place.database.as_str()),
            ("USER", &self.place.user),
            ("HOST", host),
            ("PORT", port),
            ("ENCODING", "UTF8"),
            ("SERVER_VERSION_NAME", &version),
            ("SERVER_VERSION_NUM", &version_number(&version)),
        ];
        for (name, value) in told {
            self.variables.tell(name, value);
        }
    }

    /// Shows on a terminal how far long statements are.
    pub fn with_bar(self, bar: Option<Bar>) -> Self {
        Runner { bar, ..self }
    }

    /// Sets a variable. Errors: 22023.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        self.variables.set(name, value).map_err(|message| Error::new(code::INVALID_PARAMETER_VALUE, message))
    }

    /// Runs a whole script; false if an error has ended it. Errors: 08006.
    pub async fn run(&mut self, source: &mut Source) -> Result<bool> {
        let outcome = self.lines(source).await;
        self.erase();
        self.out.flush()?;
        outcome
    }

    /// Says good-bye to the server.
    pub async fn close(self) -> Result<()> {
        self.client.close().await
    }

    /// Runs another script from within one.
    pub(super) async fn include(&mut self, source: &mut Source) -> Result<bool> {
        if self.depth == DEPTH_MAX {
            let name = source.name.clone();
            self.complain(source, &format!("{name} is included from within itself, {DEPTH_MAX} times"))?;
            return Ok(false);
        }
        self.depth += 1;
        let outcome = Box::pin(self.lines(source)).await;
        self.depth -= 1;
        outcome
    }

    async fn lines(&mut self, source: &mut Source) -> Result<bool> {
        let mut reading = Reading::default();
        while let Some(text) = source.next_line() {
            if text.is_empty() && !reading.scanner.in_quotes() {
                continue;
            }
            if self.variables.get("ECHO") == Some("all") {
                writeln!(self.out, "{}", without_password(&text))?;
            }
            match self.line(&text, &mut reading, source).await? {
                Act::Go => {}
                Act::Quit => return Ok(true),
                Act::Stop => return Ok(false),
            }
        }
        let rest = std::mem::take(&mut reading.query);
        if reading.branches.is_active() && !rest.trim().is_empty() && !self.send(&rest, source, reading.begun, How::default()).await? {
            return Ok(!self.variables.is_on("ON_ERROR_STOP"));
        }
        if reading.branches.are_open() {
            self.complain(source, "reached EOF without finding closing \\endif(s)")?;
            return Ok(!self.variables.is_on("ON_ERROR_STOP"));
        }
        Ok(true)
    }

    async fn line(&mut self, text: &str, reading: &mut Reading, source: &mut Source) -> Result<Act> {
        let mut line = Line::new(text);
        // The statement goes on in another line; one that holds a meta-command only leaves no trace in it.
        let mut joined = None;
        if !reading.query.is_empty() {
            reading.query.push('\n');
            joined = Some(reading.query.len());
        }
        loop {
            let active = reading.branches.is_active();
            let was_empty = reading.query.is_empty();
            let end = reading.scanner.scan(&mut line, &mut reading.query, active.then_some(&self.variables));
            if was_empty && !reading.query.is_empty() {
                reading.begun = source.line;
            }
            if end == End::Backslash && joined.take() == Some(reading.query.len()) {
                reading.query.pop();
            }
            let end = match end {
                // Each line is a statement, if that is wanted.
                End::Line if self.variables.is_on("SINGLELINE") && !reading.query.is_empty() => End::Semicolon,
                end => end,
            };
            let well = match end {
                End::Line => break,
                End::Semicolon => {
                    let query = std::mem::take(&mut reading.query);
                    if !active {
                        continue;
                    }
                    let script = script_of(&query).map(|path| Source::open(Path::new(&path)));
                    let well = match script {
                        None => self.send(&query, source, reading.begun, How::default()).await?,
                        Some(Ok(mut script)) => match self.include(&mut script).await? {
                            true => true,
                            false => return Ok(Act::Stop),
                        },
                        Some(Err(message)) => self.complain(source, &message).map(|()| false)?,
                    };
                    reading.previous = query;
                    well
                }
                End::Backslash => match self.command(&mut line, reading, source).await? {
                    Some(Act::Go) => true,
                    Some(act) => return Ok(act),
                    None => false,
                },
            };
            if !well && self.variables.is_on("ON_ERROR_STOP") {
                return Ok(Act::Stop);
            }
        }
        Ok(Act::Go)
    }

    /// Writes results where they are to go.
    pub(super) fn put(&mut self, text: &str) -> Result<()> {
        match &mut self.redirected {
            Some(file) => file.write_all(text.as_bytes())?,
            None => self.out.write_all(text.as_bytes())?,
        }
        Ok(())
    }

    /// Tells of an error that is not the server's.
    pub(super) fn complain(&mut self, source: &Source, message: &str) -> Result<()> {
        self.remark(source, "error", message)
    }

    /// Tells of something odd.
    pub(super) fn warn(&mut self, source: &Source, message: &str) -> Result<()> {
        self.remark(source, "warning", message)
    }

    fn remark(&mut self, source: &Source, what: &str, message: &str) -> Result<()> {
        self.erase();
        self.out.flush()?;
        Ok(writeln!(self.complaint, "{}:{}: {what}: {message}", source.name, source.line)?)
    }

    /// Takes the progress away, if any is shown.
    pub(super) fn erase(&mut self) {
        if let Some(bar) = &mut self.bar {
            bar.erase();
        }
    }
}

/// The file that `RUN SCRIPT 'file'` names: in ksqlDB's dialect as in psql's `\i` it is the client that reads it.
fn script_of(query: &str) -> Option<String> {
    let behind = |text: &'_ str, word: &str| {
        let (first, rest) = text.split_once(char::is_whitespace)?;
        first.eq_ignore_ascii_case(word).then(|| rest.trim_start().to_string())
    };
    let file = behind(&behind(query.trim(), "run")?, "script")?;
    Some(file.trim_end_matches(|c: char| c == ';' || c.is_whitespace()).strip_prefix('\'')?.strip_suffix('\'')?.replace("''", "'"))
}

/// A line as it is shown: a password is masked. Other lines stay as they are, which alone may be no SQL.
fn without_password(line: &str) -> Cow<'_, str> {
    if line.to_ascii_lowercase().contains("password") { redacted(line) } else { line.into() }
}

/// PostgreSQL's number of a version: 150018 for `15.18 (..)`.
fn version_number(version: &str) -> String {
    let mut parts = version.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0) * 10_000 + parts.next().unwrap_or(0)).to_string()
}
