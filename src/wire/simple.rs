//! The simple protocol: a text of one or more statements, all parsed, and then each run and answered in turn.
//!
//! Manual: PostgreSQL, "Message Flow", "Simple Query" and "Multiple Statements in a Simple Query".

use std::ops::Range;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::backend::{Backend, Reply};
use super::connection::Connection;
use super::interrupt::{Failure, Step};
use super::read::Reader;
use super::rows::{self, Cursor, Sent};
use super::write;
use crate::data::encode::Format;
use crate::error::{Error, code};
use crate::limits;

/// Statements of one message that are parsed, or run, before other connections have their turn.
const AT_ONCE: usize = 64;

/// How a statement ended well: its tag is written only once its transaction has ended well too.
pub(super) enum Done {
    Tag(String),
    Count(String, u64),
    Empty,
}

impl<B: Backend, S: AsyncRead + AsyncWrite + Unpin + Send> Connection<B, S> {
    /// Serves a Query message, up to and including ReadyForQuery.
    pub(super) async fn simple_query(&mut self, body: &Bytes) -> Step {
        self.session.forget_statement("");
        self.portals.remove("");
        match self.statements_of(body).await {
            Ok(()) => {}
            Err(Failure::Statement(e)) => self.report(&e),
            Err(other) => return Err(other),
        }
        self.interrupt.end();
        self.ready();
        Ok(())
    }

    async fn statements_of(&mut self, body: &Bytes) -> Step {
        let mut r = Reader::new(body);
        let sql = r.text()?;
        r.end()?;
        statement_fits(sql)?;
        let ranges = self.session.split(sql)?;
        if ranges.is_empty() {
            write::bare(&mut self.socket.out, b'I');
        }
        self.implicit |= ranges.len() > 1;
        let outcome = match self.parse_ahead(sql, &ranges).await {
            Ok(()) => self.each(sql, &ranges).await,
            Err(failure) => Err(failure),
        };
        if !self.implicit {
            return outcome.map(|done| self.complete(done));
        }
        if outcome.is_err() {
            self.session.fail();
        }
        let ended = self.end_implicit(outcome.is_err()).await;
        let done = outcome?;
        ended?;
        self.complete(done);
        Ok(())
    }

    /// Has several statements parsed, since none of them runs if one of them cannot be read.
    async fn parse_ahead(&mut self, sql: &str, ranges: &[Range<usize>]) -> Step {
        if ranges.len() < 2 {
            return Ok(());
        }
        self.begin_statement()?;
        self.parse_each(sql, ranges).await
    }

    async fn parse_each(&mut self, sql: &str, ranges: &[Range<usize>]) -> Step {
        for (i, range) in ranges.iter().enumerate() {
            let parsed = self.session.parse_ahead(piece(sql, range)?);
            let parsed = self.interrupt.call(&mut self.socket, parsed).await;
            if !parsed.map_err(|failure| shifted(failure, sql, range.start))? {
                break;
            }
            // A short one is parsed without waiting for anything, and so nobody else of this thread would have his turn.
            if i % AT_ONCE == AT_ONCE - 1 {
                self.interrupt.pull(&mut self.socket, tokio::task::yield_now()).await?;
            }
        }
        Ok(())
    }

    /// Runs the statements; answers how the last one ended, which is not told yet.
    async fn each(&mut self, sql: &str, ranges: &[Range<usize>]) -> Step<Option<Done>> {
        let mut last = None;
        for (i, range) in ranges.iter().enumerate() {
            self.complete(last.take());
            // One that waits for nothing would not let others have theirs.
            if i % AT_ONCE == AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            // What stands behind a COMMIT is a transaction of its own.
            if self.implicit {
                self.session.begin_implicit();
            }
            self.begin_statement()?;
            let done = self.statement(piece(sql, range)?).await;
            last = Some(done.map_err(|failure| shifted(failure, sql, range.start))?);
        }
        Ok(last)
    }

    async fn statement(&mut self, text: &str) -> Step<Done> {
        let query = self.session.query(text);
        let reply = self.interrupt.call(&mut self.socket, query).await?;
        self.notices();
        match reply {
            Reply::Rows { word, columns, stream } => {
                let format = if self.session.answers_binary() { Format::Binary } else { Format::Text };
                let formats = rows::formats(&[format], columns.len())?;
                write::row_description(&mut self.socket.out, &columns, &formats);
                let mut cursor = Cursor::new(word, &columns, formats, self.session.style(), stream);
                let Sent::All(n) = cursor.send(&mut self.socket, &mut self.interrupt, None).await? else {
                    return Err(Error::internal("a result without a limit was cut short").into());
                };
                Ok(Done::Count(cursor.word, n))
            }
            Reply::Done(tag) => Ok(Done::Tag(tag)),
            Reply::Empty => Ok(Done::Empty),
            Reply::CopyIn(copy) => Box::pin(self.copy_in(copy)).await.map(Done::Tag),
            Reply::CopyOut(copy) => Box::pin(self.copy_out(copy)).await.map(Done::Tag),
            Reply::OnPortals(what) => Box::pin(self.on_portals(what, false)).await.map(Done::Tag),
        }
    }

    fn complete(&mut self, done: Option<Done>) {
        let Some(done) = done else { return };
        self.notices();
        match done {
            Done::Tag(tag) => write::command_complete(&mut self.socket.out, &tag),
            Done::Count(word, n) => write::command_complete_count(&mut self.socket.out, &word, n),
            Done::Empty => write::bare(&mut self.socket.out, b'I'),
        }
    }
}

/// One of the statements of a text.
fn piece<'a>(sql: &'a str, range: &Range<usize>) -> Result<&'a str, Error> {
    sql.get(range.clone()).ok_or_else(|| Error::internal("a statement was cut within a character"))
}

/// Errors: 54000 for a text longer than [`limits::STATEMENT_BYTES_MAX`].
pub(super) fn statement_fits(sql: &str) -> Result<(), Error> {
    if sql.len() <= limits::STATEMENT_BYTES_MAX {
        return Ok(());
    }
    let message = format!("statement of {} bytes is larger than {} bytes", sql.len(), limits::STATEMENT_BYTES_MAX);
    Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, message).hint("Send rows with COPY, or in several statements."))
}

/// An error's position counts from the start of the whole text.
fn shifted(failure: Failure, sql: &str, start: usize) -> Failure {
    match failure {
        Failure::Statement(mut e) => {
            if let Some(position) = &mut e.fields_mut().position {
                *position += sql[..start].chars().count();
            }
            Failure::Statement(e)
        }
        other => other,
    }
}
