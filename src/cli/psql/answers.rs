//! A statement on its way: what is sent, and what is done with the answers.

use std::io::{Read, Write};
use std::path::Path;

use tokio::io::{AsyncRead, AsyncWrite};

use super::crosstab::crosstab;
use super::listings::Listing;
use super::options::Options;
use super::print::table;
use super::runner::Runner;
use super::source::{Source, plain};
use super::variables::Variables;
use crate::cli::client::{Answer, COPY_BYTES, Column, Report, Rows};
use crate::cli::copy::{Copy, End};
use crate::error::Result;
use crate::sql::redacted;

/// What is done with a statement's result.
#[derive(Clone, Default)]
pub(super) struct How {
    /// Shown in another way than `\pset` says.
    pub options: Option<Options>,
    /// Written to this file or, behind a `|`, to this program.
    pub target: Option<String>,
    /// Its one row becomes variables, named with this before the columns' names.
    pub store: Option<String>,
    /// Each of its values is run as a statement.
    pub each: bool,
    /// Its rows become a grid, of the columns that these arguments name.
    pub grid: Option<Vec<String>>,
    /// Its columns are described, and it is not run.
    pub describe: bool,
    /// The values of its parameters.
    pub bound: Option<Vec<String>>,
    /// It is no statement of the script: its rows are kept, for a command that asks.
    pub keep: bool,
}

/// Where COPY's rows come from and go to.
pub(super) enum Place {
    /// The lines after the statement; the output.
    Script,
    From(std::fs::File, u64),
    To(std::fs::File),
}

/// What was kept of the answers to one message.
#[derive(Default)]
struct Kept {
    failed: bool,
    /// Columns that were described, or a result that is to be kept.
    result: Rows,
    /// Statements that were answered, to be run.
    each: Vec<String>,
}

impl<S: AsyncRead + AsyncWrite + Unpin, O: Write, C: Write> Runner<S, O, C> {
    /// Sends a statement that begins in line `begun` of the script and shows what it answers; false if it failed. Errors: 08006.
    pub(super) async fn send(&mut self, sql: &str, source: &mut Source, begun: usize, how: How) -> Result<bool> {
        if self.variables.get("ECHO") == Some("queries") {
            writeln!(self.out, "{}", redacted(sql))?;
        }
        let begun_us = self.clock.now_us();
        if !self.variables.is_on("AUTOCOMMIT") && self.client.is_idle() && !begins_by_itself(sql) {
            self.client.query("BEGIN").await?;
            while self.client.answer().await? != Answer::Ready {}
        }
        match &how.bound {
            _ if how.describe => self.client.describe(sql).await?,
            Some(values) => self.client.bind(sql, values).await?,
            None => self.client.query(sql).await?,
        }
        let redirected = match how.target.as_ref().map(|target| self.sink(target)) {
            None => None,
            Some(Ok(sink)) => Some(self.redirected.replace(sink)),
            Some(Err(message)) => {
                self.complain(source, &message)?;
                // What the statement answers is not shown; it has run all the same.
                while self.client.answer().await? != Answer::Ready {}
                return Ok(false);
            }
        };
        let kept = self.receive(sql, source, begun, &how, Place::Script).await?;
        if let Some(before) = redirected {
            self.redirected = before;
        }
        if how.describe && !kept.failed {
            self.described(&kept.result.columns, source, begun, &how).await?;
        }
        if self.timing {
            self.put(&format!("Time: {:.3} ms\n", (self.clock.now_us() - begun_us) as f64 / 1e3))?;
        }
        let mut well = !kept.failed;
        for statement in &kept.each {
            if self.variables.get("ECHO") == Some("all") {
                writeln!(self.out, "{}", redacted(statement))?;
            }
            well &= Box::pin(self.send(statement, source, begun, How::default())).await?;
            if !well && self.variables.is_on("ON_ERROR_STOP") {
                break;
            }
        }
        Ok(well)
    }

    /// Runs a `\copy`; false if it failed.
    pub(super) async fn copy(&mut self, copy: &Copy, source: &mut Source) -> Result<bool> {
        let opened = match &copy.end {
            End::Here => Ok(Place::Script),
            End::File(path) => open(Path::new(path), copy.from).map_err(|e| format!("{path}: {}", plain(&e))),
        };
        let place = match opened {
            Ok(place) => place,
            Err(message) => {
                self.complain(source, &message)?;
                return Ok(false);
            }
        };
        self.client.query(&copy.sql).await?;
        let line = source.line;
        let kept = self.receive(&copy.sql, source, line, &How::default(), place).await?;
        Ok(!kept.failed)
    }

    /// Lists what there is; false if that failed.
    pub(super) async fn list(&mut self, listing: &Listing, source: &mut Source) -> Result<bool> {
        let Some(found) = self.ask(&listing.sql, source).await? else { return Ok(false) };
        if let Some(message) = &listing.missing
            && found.rows.is_empty()
            && !self.variables.is_on("QUIET")
        {
            self.complain(source, message)?;
            return Ok(true);
        }
        let mut options = self.options.clone();
        options.title = Some(listing.title.to_string());
        options.footer &= listing.counted;
        options.null.clear();
        self.put(&table(&options, &found.headings(), &found.rows, None))?;
        Ok(true)
    }

    /// Asks what a command wants to know; `None` if that failed, which is told.
    pub(super) async fn ask(&mut self, sql: &str, source: &mut Source) -> Result<Option<Rows>> {
        let (how, line) = (How { keep: true, ..How::default() }, source.line);
        self.client.query(sql).await?;
        let kept = self.receive(sql, source, line, &how, Place::Script).await?;
        Ok((!kept.failed).then_some(kept.result))
    }

    /// Takes all answers to one message and shows them.
    async fn receive(&mut self, sql: &str, source: &mut Source, begun: usize, how: &How, mut place: Place) -> Result<Kept> {
        let (mut columns, mut rows) = (None, Vec::new());
        let (mut kept, mut silent) = (Kept::default(), false);
        loop {
            let answer = self.client.answer().await?;
            if let Answer::Notice(report) = &answer {
                self.notice(source, report)?;
                continue;
            }
            self.erase();
            match answer {
                Answer::Ready => return Ok(kept),
                // Only while it logs in.
                Answer::Scram(_) | Answer::Notice(_) => {}
                Answer::Failed(report) => {
                    kept.failed = true;
                    self.failed(sql, source, begun, &report)?;
                    (columns, rows) = (None, Vec::new());
                    if matches!(report.field(b'S'), Some("FATAL" | "PANIC")) {
                        return Ok(kept);
                    }
                }
                Answer::Columns(found) if how.describe => kept.result.columns = found,
                Answer::Columns(found) => columns = Some(found),
                Answer::Row(row) => rows.push(row),
                Answer::Empty => self.succeeded(0),
                Answer::Tag(tag) => {
                    let count = tag.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
                    if !how.keep {
                        self.succeeded(count);
                    }
                    let changed = ["INSERT", "UPDATE", "DELETE", "MERGE"].iter().any(|w| tag.starts_with(w));
                    let was_table = match columns.take() {
                        Some(columns) => {
                            let result = Rows { columns, rows: std::mem::take(&mut rows) };
                            self.result(result, source, how, &mut kept)?;
                            true
                        }
                        None => false,
                    };
                    if (!was_table || changed) && !std::mem::take(&mut silent) && !self.variables.is_on("QUIET") {
                        self.put(&format!("{tag}\n"))?;
                    }
                }
                Answer::CopyIn => self.give(source, &mut place).await?,
                // The tag would stand among the rows.
                Answer::CopyOut => silent = !matches!(place, Place::To(_)),
                Answer::CopyData(data) => match (&mut place, &mut self.redirected) {
                    (Place::To(file), _) => file.write_all(&data)?,
                    (_, Some(file)) => file.write_all(&data)?,
                    _ => self.out.write_all(&data)?,
                },
            }
        }
    }

    /// Gives COPY its rows.
    async fn give(&mut self, source: &mut Source, place: &mut Place) -> Result<()> {
        let Place::From(file, total) = place else {
            self.client.copy_data(source.copy_data().as_bytes()).await?;
            return self.client.copy_done().await;
        };
        let mut transfer = self.bar.as_ref().map(|bar| bar.begin(*total));
        let mut buffer = vec![0; COPY_BYTES];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return self.client.copy_done().await,
                Ok(n) => {
                    self.client.copy_data(&buffer[..n]).await?;
                    if let (Some(bar), Some(transfer)) = (&mut self.bar, &mut transfer) {
                        bar.sent(transfer, n);
                    }
                }
                Err(e) => return self.client.copy_fail(&format!("could not read from the file: {}", plain(&e))).await,
            }
        }
    }

    /// Shows rows, or does with them what is asked for.
    fn result(&mut self, result: Rows, source: &Source, how: &How, kept: &mut Kept) -> Result<()> {
        if how.keep {
            kept.result = result;
            return Ok(());
        }
        let Rows { columns, rows } = &result;
        if let Some(prefix) = &how.store {
            if rows.len() != 1 {
                let what = if rows.is_empty() { "no rows" } else { "more than one row" };
                kept.failed = true;
                return self.complain(source, &format!("{what} returned for \\gset"));
            }
            for (column, value) in columns.iter().zip(&rows[0]) {
                let name = format!("{prefix}{}", column.name);
                match value {
                    _ if Variables::is_special(&name) => {
                        self.complain(source, &format!("attempt to \\gset into specially treated variable \"{name}\" ignored"))?;
                    }
                    None => self.variables.unset(&name),
                    Some(value) => {
                        if let Err(e) = self.variables.set(&name, value) {
                            kept.failed = true;
                            return self.complain(source, &e);
                        }
                    }
                }
            }
            return Ok(());
        }
        if how.each {
            kept.each.extend(result.rows.into_iter().flatten().flatten());
            return Ok(());
        }
        let options = how.options.as_ref().unwrap_or(&self.options);
        let text = match how.grid.as_ref().map(|arguments| crosstab(&result, arguments, &options.null)) {
            None => table(options, &result.headings(), rows, None),
            Some(Ok(grid)) => table(options, &grid.headings, &grid.rows, None),
            Some(Err(message)) => {
                kept.failed = true;
                return self.complain(source, &format!("\\crosstabview: {message}"));
            }
        };
        self.put(&text)
    }

    /// `\gdesc`: names and types.
    async fn described(&mut self, columns: &[Column], source: &mut Source, begun: usize, how: &How) -> Result<()> {
        if columns.is_empty() {
            return self.put("The command has no result, or the result has no columns.\n");
        }
        let literal = super::variables::quoted_literal;
        let values: Vec<String> = columns.iter().map(|c| format!("({},{},{})", literal(&c.name), c.oid, c.modifier)).collect();
        let sql = format!(
            "SELECT name AS \"Column\", pg_catalog.format_type(tp, tpm) AS \"Type\" FROM (VALUES {}) s(name, tp, tpm)",
            values.join(", ")
        );
        let how = How { options: how.options.clone(), ..How::default() };
        self.client.query(&sql).await?;
        self.receive(&sql, source, begun, &how, Place::Script).await.map(|_| ())
    }

    fn succeeded(&mut self, rows: u64) {
        self.variables.tell("ERROR", "false");
        self.variables.tell("SQLSTATE", "00000");
        self.variables.tell("ROW_COUNT", rows.to_string());
    }

    /// Tells of a statement that failed.
    fn failed(&mut self, sql: &str, source: &Source, begun: usize, report: &Report) -> Result<()> {
        let state = report.field(b'C').unwrap_or("XX000").to_string();
        self.variables.tell("ERROR", "true");
        self.variables.tell("SQLSTATE", state.clone());
        self.variables.tell("ROW_COUNT", "0");
        self.variables.tell("LAST_ERROR_MESSAGE", report.field(b'M').unwrap_or_default());
        self.variables.tell("LAST_ERROR_SQLSTATE", state);
        self.last_error = Some(report.clone());
        self.out.flush()?;
        let text = match self.variables.get("VERBOSITY") {
            Some("sqlstate") => format!("{}:{begun}: {}:  {}\n", source.name, report.severity(), report.field(b'C').unwrap_or_default()),
            Some("terse") => format!("{}:{begun}: {}", source.name, report.headline()),
            _ => diagnosis(&source.name, begun, &redacted(sql), report, self.variables.get("SHOW_CONTEXT") != Some("never")),
        };
        write!(self.complaint, "{text}")?;
        if self.variables.get("ECHO") == Some("errors") {
            writeln!(self.complaint, "{}:{begun}: STATEMENT:  {}", source.name, redacted(sql))?;
        }
        Ok(())
    }

    /// Shows a notice: on a terminal one that tells of a progress is a bar.
    fn notice(&mut self, source: &Source, report: &Report) -> Result<()> {
        if let Some(bar) = &mut self.bar {
            if bar.notice(report.field(b'M').unwrap_or_default()) {
                return Ok(());
            }
            bar.erase();
        }
        self.out.flush()?;
        let context = self.variables.get("SHOW_CONTEXT") == Some("always");
        let terse = matches!(self.variables.get("VERBOSITY"), Some("terse" | "sqlstate"));
        let notes = if terse { String::new() } else { report.footnotes(context) };
        Ok(write!(self.complaint, "{}:{}: {}{notes}", source.name, source.line, report.headline())?)
    }
}

/// True for statements that begin or end a transaction, or cannot be in one.
fn begins_by_itself(sql: &str) -> bool {
    let word = sql.trim_start().split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default().to_ascii_lowercase();
    ["abort", "begin", "start", "commit", "end", "rollback", "prepare", "vacuum", "checkpoint", ""].contains(&word.as_str())
}

fn open(path: &Path, from: bool) -> std::io::Result<Place> {
    if !from {
        return Ok(Place::To(std::fs::File::create(path)?));
    }
    let file = std::fs::File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(std::io::Error::other("cannot copy from/to a directory"));
    }
    Ok(Place::From(file, metadata.len()))
}

/// What is told of a statement that failed: `file:line: ERROR:  message`, the line of the script with a caret under the place if
/// the server named one, and the server's further remarks. `line` is where the statement begins.
fn diagnosis(name: &str, line: usize, statement: &str, report: &Report, context: bool) -> String {
    let Some(position) = report.position() else {
        return format!("{name}:{line}: {}{}", report.headline(), report.footnotes(context));
    };
    let at = statement.char_indices().nth(position.saturating_sub(1)).map_or(statement.len(), |(i, _)| i);
    let start = statement[..at].rfind('\n').map_or(0, |i| i + 1);
    let end = statement[at..].find('\n').map_or(statement.len(), |i| at + i);
    let line = line + statement[..start].matches('\n').count();
    let label = format!("LINE {line}: ");
    let indent: String = statement[start..at].chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let (source, blank) = (&statement[start..end], " ".repeat(label.len()));
    format!("{name}:{line}: {}{label}{source}\n{blank}{indent}^\n{}", report.headline(), report.footnotes(context))
}
