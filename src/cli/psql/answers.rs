//! A statement on its way: what is sent, and what is done with the answers.

use std::io::{Read, Write};

use super::catalogs::Each;
use super::channel::{Input, Output};
use super::crosstab::crosstab;
use super::definitions::Definition;
use super::listings::Listing;
use super::options::Options;
use super::print::{Part, part, table};
use super::runner::Runner;
use super::source::{Source, plain};
use super::variables::Variables;
use crate::cli::client::{Answer, COPY_BYTES, Column, Report, Rows, Transaction};
use crate::cli::copy::Copy;
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
    /// The lines after the statement; where results go.
    Script,
    From(Input),
    To(Output),
}

/// What was kept of the answers to one message.
#[derive(Default)]
struct Kept {
    failed: bool,
    /// Columns that were described, or a result that is to be kept.
    result: Rows,
    /// Statements that were answered, to be run.
    each: Vec<String>,
    /// The first word of the last statement's tag.
    tag: String,
}

/// The answer to a statement, as far as it has come.
#[derive(Default)]
struct Coming {
    columns: Option<Vec<Column>>,
    rows: Vec<Vec<Option<String>>>,
    /// How many rows have been shown already.
    shown: usize,
    /// Rows of a COPY have been written among the results, where a tag would be one of them.
    copied: bool,
}

/// Guards a statement of a transaction against its own failure.
const SAVEPOINT: &str = "pg_psql_temporary_savepoint";

impl<O: Write, C: Write> Runner<O, C> {
    /// Sends a statement that begins in line `begun` of the script and shows what it answers; false if it failed. Errors: 08006.
    pub(super) async fn send(&mut self, sql: &str, source: &mut Source, begun: usize, how: How) -> Result<bool> {
        if self.variables.get("ECHO") == Some("queries") {
            writeln!(self.out, "{}", redacted(sql))?;
        }
        let begun_us = self.clock.now_us();
        let transaction = self.client.transaction();
        if !self.variables.is_on("AUTOCOMMIT") && transaction == Transaction::None && !begins_by_itself(sql) {
            self.quietly("BEGIN").await?;
        }
        let guarded = self.variables.is_on("ON_ERROR_ROLLBACK") && transaction == Transaction::Open;
        if guarded {
            self.quietly(&format!("SAVEPOINT {SAVEPOINT}")).await?;
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
        let kept = self.receive(sql, source, begun, &how, &mut Place::Script).await?;
        if let Some(before) = redirected {
            self.redirected = before;
        }
        if guarded {
            self.unguard(&kept.tag).await?;
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

    /// Has a statement run of which nothing is shown.
    async fn quietly(&mut self, sql: &str) -> Result<()> {
        self.client.query(sql).await?;
        while self.client.answer().await? != Answer::Ready {}
        Ok(())
    }

    /// Gives up what a failed statement did, and that alone; one with this tag may have ended the savepoint itself.
    async fn unguard(&mut self, tag: &str) -> Result<()> {
        let over = ["COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK"].contains(&tag);
        match self.client.transaction() {
            Transaction::Failed => self.quietly(&format!("ROLLBACK TO {SAVEPOINT}")).await,
            Transaction::Open if !over => self.quietly(&format!("RELEASE {SAVEPOINT}")).await,
            _ => Ok(()),
        }
    }

    /// Runs a `\copy`; false if it failed.
    pub(super) async fn copy(&mut self, copy: &Copy, source: &mut Source) -> Result<bool> {
        self.out.flush()?;
        let opened = match copy.from {
            true => Input::open(&copy.end, &self.environment).map(|input| input.map_or(Place::Script, Place::From)),
            false => Output::open(&copy.end, &self.environment).map(|output| output.map_or(Place::Script, Place::To)),
        };
        let mut place = match opened {
            Ok(place) => place,
            Err(message) => {
                self.complain(source, &message)?;
                return Ok(false);
            }
        };
        self.client.query(&copy.sql).await?;
        let line = source.line;
        let kept = self.receive(&copy.sql, source, line, &How::default(), &mut place).await?;
        // A program may say only at its end that it has failed.
        if let Place::From(Input::Program(program)) = &mut place
            && let Err(message) = program.end()
        {
            self.complain(source, &message)?;
            return Ok(false);
        }
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
        options.title = Some(listing.title.clone());
        options.footer &= listing.counted;
        options.null.clear();
        let mut below = Vec::new();
        for (heading, sql) in &listing.below {
            let Some(lines) = self.footer(heading, sql, source).await? else { return Ok(false) };
            below.extend(lines);
        }
        self.put(&table(&options, &found.headings(), &found.rows, (!below.is_empty()).then_some(below.as_slice())))?;
        Ok(true)
    }

    /// Lists what there is, some tables for each thing found; false if that failed, or nothing is found.
    pub(super) async fn list_each(&mut self, each: &Each, source: &mut Source) -> Result<bool> {
        let Some(found) = self.ask(&each.sql, source).await? else { return Ok(false) };
        if found.rows.is_empty() && !self.variables.is_on("QUIET") {
            self.complain(source, &each.missing)?;
        }
        for row in &found.rows {
            for listing in (each.tables)(row) {
                if !self.list(&listing, source).await? {
                    return Ok(false);
                }
            }
        }
        Ok(!found.rows.is_empty())
    }

    /// Shows the definition of what has that name; false if there is none.
    pub(super) async fn define(&mut self, definition: &Definition, name: &str, source: &mut Source) -> Result<bool> {
        let Some(found) = self.ask(&definition.question(name), source).await? else { return Ok(false) };
        match found.rows.first().map(Vec::as_slice) {
            Some([Some(text), ..]) => self.put(&definition.shown(text)).map(|()| true),
            Some([_, Some(why)]) => self.complain(source, why).map(|()| false),
            _ => Ok(false),
        }
    }

    /// Asks what a command wants to know; `None` if that failed, which is told.
    pub(super) async fn ask(&mut self, sql: &str, source: &mut Source) -> Result<Option<Rows>> {
        let (how, line) = (How { keep: true, ..How::default() }, source.line);
        self.client.query(sql).await?;
        let kept = self.receive(sql, source, line, &how, &mut Place::Script).await?;
        Ok((!kept.failed).then_some(kept.result))
    }

    /// Takes all answers to one message and shows them.
    async fn receive(&mut self, sql: &str, source: &mut Source, begun: usize, how: &How, place: &mut Place) -> Result<Kept> {
        let (mut coming, mut kept) = (Coming::default(), Kept::default());
        let parts = self.part_rows(sql, how);
        // All but the last of several results are passed over, if that is wanted.
        let (all, mut last) = (self.variables.is_on("SHOW_ALL_RESULTS"), None);
        loop {
            let answer = self.client.answer().await?;
            if let Answer::Notice(report) = &answer {
                self.notice(source, report)?;
                continue;
            }
            self.erase();
            match answer {
                Answer::Ready => {
                    if let Some((coming, tag)) = last.take() {
                        self.answered(coming, tag, source, how, &mut kept)?;
                    }
                    return Ok(kept);
                }
                // Only while it logs in.
                Answer::Scram(_) | Answer::Notice(_) => {}
                Answer::Failed(report) => {
                    kept.failed = true;
                    self.failed(sql, source, begun, &report)?;
                    (coming, last) = (Coming::default(), None);
                    if matches!(report.field(b'S'), Some("FATAL" | "PANIC")) {
                        return Ok(kept);
                    }
                }
                Answer::Columns(found) if how.describe => kept.result.columns = found,
                Answer::Columns(found) => coming.columns = Some(found),
                Answer::Row(row) => {
                    coming.rows.push(row);
                    if Some(coming.rows.len()) == parts {
                        self.show_part(&mut coming, how, false)?;
                    }
                }
                Answer::Empty => self.succeeded(0),
                Answer::Tag(tag) => {
                    if !how.keep {
                        self.succeeded(tag.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0));
                    }
                    kept.tag = tag.split(' ').next().unwrap_or_default().to_string();
                    let coming = std::mem::take(&mut coming);
                    match all {
                        true => self.answered(coming, tag, source, how, &mut kept)?,
                        false => last = Some((coming, tag)),
                    }
                }
                Answer::CopyIn => self.give(source, place).await?,
                Answer::CopyOut => {
                    coming.copied = match place {
                        Place::To(Output::Standard) => self.redirected.is_none(),
                        Place::To(Output::Sink(_)) => false,
                        _ => true,
                    }
                }
                Answer::CopyData(data) => match (&mut *place, &mut self.redirected) {
                    (Place::To(output), _) => output.write(&mut self.out, &data)?,
                    (_, Some(file)) => file.write_all(&data)?,
                    _ => self.out.write_all(&data)?,
                },
            }
        }
    }

    /// How many rows are shown at a time, after `\set FETCH_COUNT`: of a query only, and if nothing else is done with its result.
    fn part_rows(&self, sql: &str, how: &How) -> Option<usize> {
        let plain = how.store.is_none() && !how.each && how.grid.is_none() && !how.describe && !how.keep;
        self.variables.get("FETCH_COUNT").and_then(|n| n.parse().ok()).filter(|n| *n > 0 && plain && is_select(sql))
    }

    /// Shows the rows that have come, as a part of the result.
    fn show_part(&mut self, coming: &mut Coming, how: &How, last: bool) -> Result<()> {
        let result = Rows { columns: coming.columns.clone().unwrap_or_default(), rows: std::mem::take(&mut coming.rows) };
        let which = Part { prior: coming.shown, first: coming.shown == 0, last };
        coming.shown += result.rows.len();
        let text = part(how.options.as_ref().unwrap_or(&self.options), &result.headings(), &result.rows, None, which);
        self.put(&text)
    }

    /// A statement has been answered: its rows, or its tag.
    fn answered(&mut self, mut coming: Coming, tag: String, source: &Source, how: &How, kept: &mut Kept) -> Result<()> {
        let changed = ["INSERT", "UPDATE", "DELETE", "MERGE"].iter().any(|word| tag.starts_with(word));
        let tagged = (coming.columns.is_none() || changed) && !coming.copied;
        if coming.shown > 0 {
            self.show_part(&mut coming, how, true)?;
        } else if let Some(columns) = coming.columns {
            self.result(Rows { columns, rows: coming.rows }, source, how, kept)?;
        }
        if tagged && !self.variables.is_on("QUIET") {
            self.put(&format!("{tag}\n"))?;
        }
        Ok(())
    }

    /// Gives COPY its rows.
    async fn give(&mut self, source: &mut Source, place: &mut Place) -> Result<()> {
        let Place::From(input) = place else {
            self.client.copy_data(source.copy_data().as_bytes()).await?;
            return self.client.copy_done().await;
        };
        let mut transfer = input.length().and_then(|total| Some(self.bar.as_ref()?.begin(total)));
        let mut buffer = vec![0; COPY_BYTES];
        loop {
            match input.read(&mut buffer) {
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
            // Its digits are never grouped.
            Some(Ok(grid)) => table(&options.ungrouped(), &grid.headings, &grid.rows, None),
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
        self.receive(&sql, source, begun, &how, &mut Place::Script).await.map(|_| ())
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

/// True for SELECT and VALUES, behind comments and parentheses; what begins with WITH may change something.
fn is_select(sql: &str) -> bool {
    let mut rest = sql;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
        rest = match (rest.strip_prefix("--"), rest.strip_prefix("/*")) {
            (Some(comment), _) => comment.split_once('\n').map_or("", |(_, behind)| behind),
            (None, Some(comment)) => comment.split_once("*/").map_or("", |(_, behind)| behind),
            (None, None) => break,
        };
    }
    let word = rest.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    ["select", "values"].iter().any(|known| word.eq_ignore_ascii_case(known))
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
