//! The extended protocol: Parse, Bind, Describe, Execute, Close, Flush, Sync.
//!
//! Manual: PostgreSQL, "Message Flow", "Extended Query" and "Pipelining".

use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::backend::{Backend, Reply};
use super::connection::Connection;
use super::interrupt::{Failure, Step};
use super::read::{Message, Reader, protocol};
use super::rows::{self, Cursor, Sent};
use super::{simple, write};
use crate::data::PgType;
use crate::data::encode::Format;
use crate::engine::Parameters;
use crate::error::{Error, Result, code};
use crate::limits;

/// A statement bound to its parameters, and how far it has been run.
pub(super) struct Portal<P> {
    prepared: Arc<P>,
    formats: Vec<Format>,
    state: PortalState,
}

enum PortalState {
    Bound(Parameters),
    Open(Cursor),
    /// Its rows are all sent; the word of its tag.
    Drained(String),
    Done,
}

impl<B: Backend, S: AsyncRead + AsyncWrite + Unpin + Send> Connection<B, S> {
    /// Serves one message of the extended protocol other than Sync. After an error all are skipped up to Sync.
    pub(super) async fn extended(&mut self, message: &Message) -> Step {
        let body = &message.body;
        let outcome = match message.tag {
            b'P' => self.parse(body).await,
            b'B' => self.bind(body).map_err(Failure::from),
            b'D' => self.describe(body).map_err(Failure::from),
            b'E' => self.execute(body).await,
            b'C' => self.close_named(body).map_err(Failure::from),
            _ => Ok(self.socket.flush().await?),
        };
        match outcome {
            Err(Failure::Statement(e)) => {
                self.interrupt.end();
                self.report(&e);
                self.skipping = true;
                Ok(())
            }
            other => other,
        }
    }

    /// Serves Sync: ends the implicit transaction; the conversation is even again.
    pub(super) async fn sync(&mut self) -> Step {
        let failed = std::mem::take(&mut self.skipping);
        match self.end_implicit(failed).await {
            Err(Failure::Statement(e)) => self.report(&e),
            other => other?,
        }
        self.ready();
        Ok(())
    }

    async fn parse(&mut self, body: &Bytes) -> Step {
        let mut r = Reader::new(body);
        let (name, sql, n) = (r.text()?, r.text()?, r.count()?);
        let types = (0..n).map(|_| parameter_type(r.i32()?)).collect::<Result<Vec<_>>>()?;
        r.end()?;
        simple::statement_fits(sql)?;
        if !name.is_empty() && self.session.statement(name).is_some() {
            let message = format!("prepared statement \"{name}\" already exists");
            return Err(Error::new(code::DUPLICATE_PREPARED, message).into());
        }
        self.session.forget_statement(name);
        self.begin_statement()?;
        let prepare = self.session.prepare(sql, &types);
        let prepared = self.interrupt.call(&mut self.socket, prepare).await?;
        self.interrupt.end();
        self.notices();
        self.session.keep_statement(name, prepared)?;
        write::bare(&mut self.socket.out, b'1');
        Ok(())
    }

    fn bind(&mut self, body: &Bytes) -> Result<()> {
        let mut r = Reader::new(body);
        let (portal, statement) = (r.text()?, r.text()?);
        let prepared = self.session.statement(statement).ok_or_else(|| no_statement(statement))?;
        let parameters = parameters::<B>(&mut r, &prepared, statement)?;
        let n = r.count()?;
        let codes = (0..n).map(|_| format(r.i16()?)).collect::<Result<Vec<_>>>()?;
        r.end()?;
        let formats = match B::columns(&prepared) {
            Some(columns) => rows::formats(&codes, columns.len())?,
            None => codes,
        };
        if !portal.is_empty() && self.portals.contains_key(portal) {
            return Err(Error::new(code::DUPLICATE_CURSOR, format!("portal \"{portal}\" already exists")));
        }
        self.room_for_portal(&parameters)?;
        self.portals.insert(portal.to_string(), Portal { prepared, formats, state: PortalState::Bound(parameters) });
        write::bare(&mut self.socket.out, b'2');
        Ok(())
    }

    /// Errors: 53400 for too many portals, or too much that they hold.
    fn room_for_portal(&self, parameters: &Parameters) -> Result<()> {
        let held = self.portals.values().map(|portal| match &portal.state {
            PortalState::Bound(parameters) => size_of_values(parameters),
            _ => 0,
        });
        let full =
            self.portals.len() >= limits::PREPARED_MAX || held.sum::<usize>() + size_of_values(parameters) > limits::PORTAL_BYTES_MAX;
        if !full {
            return Ok(());
        }
        let message = format!("too many portals in one session (limit {})", limits::PREPARED_MAX);
        Err(Error::new(code::CONFIGURATION_LIMIT_EXCEEDED, message).hint("Close those that are no longer used."))
    }

    fn describe(&mut self, body: &Bytes) -> Result<()> {
        let (kind, name) = target(body)?;
        let out = &mut self.socket.out;
        let (prepared, formats) = if kind == b'S' {
            let prepared = self.session.statement(name).ok_or_else(|| no_statement(name))?;
            write::parameter_description(out, B::parameters(&prepared).iter().map(PgType::oid));
            (prepared, &[][..])
        } else {
            let Some(portal) = self.portals.get(name) else {
                let columns = self.session.cursor_columns(name).ok_or_else(|| no_portal(name))?;
                write::row_description(out, &columns, &rows::formats(&[], columns.len())?);
                return Ok(());
            };
            (portal.prepared.clone(), &portal.formats[..])
        };
        match B::columns(&prepared) {
            Some(columns) => write::row_description(out, columns, &rows::formats(formats, columns.len())?),
            None => write::bare(out, b'n'),
        }
        Ok(())
    }

    fn close_named(&mut self, body: &Bytes) -> Result<()> {
        let (kind, name) = target(body)?;
        if kind == b'S' {
            self.session.forget_statement(name);
        } else {
            self.portals.remove(name);
        }
        write::bare(&mut self.socket.out, b'3');
        Ok(())
    }

    async fn execute(&mut self, body: &Bytes) -> Step {
        let mut r = Reader::new(body);
        let (name, rows) = (r.text()?, r.i32()?);
        r.end()?;
        let limit = u64::try_from(rows).ok().filter(|n| *n > 0);
        // Taken out while it runs: a portal whose statement failed is not to be used again.
        let mut portal = self.portals.remove(name).ok_or_else(|| no_portal(name))?;
        self.begin_statement()?;
        portal.state = match portal.state {
            PortalState::Bound(parameters) => self.start(&portal.prepared, parameters, &portal.formats, limit).await?,
            PortalState::Open(cursor) => self.proceed(cursor, limit).await?,
            PortalState::Drained(word) => {
                write::command_complete_count(&mut self.socket.out, &word, 0);
                PortalState::Drained(word)
            }
            PortalState::Done => {
                let message = format!("portal \"{name}\" cannot be run");
                return Err(Error::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, message).into());
            }
        };
        self.interrupt.end();
        self.portals.insert(name.to_string(), portal);
        Ok(())
    }

    async fn start(
        &mut self,
        prepared: &Arc<B::Prepared>,
        parameters: Parameters,
        formats: &[Format],
        limit: Option<u64>,
    ) -> Step<PortalState> {
        // A statement alone before its Sync commits by itself, which spares the session the bookkeeping.
        if !self.implicit && !self.socket.next_is(b'S') {
            self.session.begin_implicit();
            self.implicit = true;
        }
        let execute = self.session.execute(prepared, parameters);
        let reply = self.interrupt.call(&mut self.socket, execute).await?;
        self.notices();
        let tag = match reply {
            Reply::Rows { word, columns, stream } => {
                let formats = rows::formats(formats, columns.len())?;
                return self.proceed(Cursor::new(word, &columns, formats, self.session.style(), stream), limit).await;
            }
            Reply::Empty => {
                write::bare(&mut self.socket.out, b'I');
                return Ok(PortalState::Done);
            }
            Reply::Done(tag) => tag,
            Reply::CopyIn(copy) => self.copy_in(copy).await?,
            Reply::CopyOut(copy) => self.copy_out(copy).await?,
        };
        self.notices();
        write::command_complete(&mut self.socket.out, &tag);
        Ok(PortalState::Done)
    }

    async fn proceed(&mut self, mut cursor: Cursor, limit: Option<u64>) -> Step<PortalState> {
        let sent = cursor.send(&mut self.socket, &mut self.interrupt, limit).await?;
        self.notices();
        Ok(match sent {
            Sent::Enough => {
                write::bare(&mut self.socket.out, b's');
                PortalState::Open(cursor)
            }
            Sent::All(n) => {
                write::command_complete_count(&mut self.socket.out, &cursor.word, n);
                PortalState::Drained(cursor.word)
            }
        })
    }
}

/// Formats and values of a Bind message. Errors: 08P01 for the wrong number of either.
fn parameters<B: Backend>(r: &mut Reader<'_>, prepared: &B::Prepared, statement: &str) -> Result<Parameters> {
    let codes = r.count()?;
    let binary = (0..codes).map(|_| Ok(format(r.i16()?)? == Format::Binary)).collect::<Result<Vec<_>>>()?;
    let n = r.count()?;
    if codes > 1 && codes != n {
        return Err(protocol(format!("bind message has {codes} parameter formats but {n} parameters")));
    }
    let expected = B::parameters(prepared).len();
    if n != expected {
        let message = format!("bind message supplies {n} parameters, but prepared statement \"{statement}\" requires {expected}");
        return Err(protocol(message));
    }
    let values = (0..n).map(|_| r.value()).collect::<Result<Vec<_>>>()?;
    Ok(Parameters { binary, values })
}

fn format(code: i16) -> Result<Format> {
    match code {
        0 => Ok(Format::Text),
        1 => Ok(Format::Binary),
        other => Err(protocol(format!("unsupported format code: {other}"))),
    }
}

/// The type a client declares for a parameter; 0 and unknown leave it open. Errors: 42704.
fn parameter_type(oid: i32) -> Result<Option<PgType>> {
    match oid as u32 {
        0 => Ok(None),
        oid => match PgType::from_oid(oid) {
            Some(PgType::Unknown) => Ok(None),
            Some(ty) => Ok(Some(ty)),
            None => Err(Error::new(code::UNDEFINED_OBJECT, format!("type with OID {oid} does not exist"))
                .hint("Leave the parameter's type open, or cast it in the statement.")),
        },
    }
}

fn target(body: &Bytes) -> Result<(u8, &str)> {
    let mut r = Reader::new(body);
    let (kind, name) = (r.u8()?, r.text()?);
    r.end()?;
    match kind {
        b'S' | b'P' => Ok((kind, name)),
        other => Err(protocol(format!("invalid subtype {other} of a DESCRIBE or CLOSE message"))),
    }
}

fn no_statement(name: &str) -> Error {
    let what = if name.is_empty() { "unnamed prepared statement".into() } else { format!("prepared statement \"{name}\"") };
    Error::new(code::INVALID_SQL_STATEMENT_NAME, format!("{what} does not exist"))
}

fn no_portal(name: &str) -> Error {
    Error::new(code::INVALID_CURSOR_NAME, format!("portal \"{name}\" does not exist"))
}

fn size_of_values(parameters: &Parameters) -> usize {
    parameters.values.iter().flatten().map(Bytes::len).sum()
}
