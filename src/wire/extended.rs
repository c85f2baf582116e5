//! The extended protocol: Parse, Bind, Describe, Execute, Close, Flush, Sync.
//!
//! Manual: PostgreSQL, "Message Flow", "Extended Query" and "Pipelining".

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::backend::Backend;
use super::connection::Connection;
use super::interrupt::{Failure, Step};
use super::portals::{Portal, no_portal};
use super::read::{Message, Reader, protocol};
use super::rows;
use super::{simple, write};
use crate::data::PgType;
use crate::data::encode::Format;
use crate::engine::Parameters;
use crate::error::{Error, Result, code};

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
            // Flush: whoever waits, for a message or for a statement, writes the answers, and can be interrupted.
            _ => Reader::new(body).end().map_err(Failure::from),
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

    /// The type a client declares for a parameter; 0 and unknown leave it open. Errors: 42704.
    fn parameter_type(&self, oid: u32) -> Result<Option<PgType>> {
        match self.session.type_of_oid(oid) {
            _ if oid == 0 => Ok(None),
            Some(PgType::Unknown) => Ok(None),
            Some(ty) => Ok(Some(ty)),
            None => Err(Error::new(code::UNDEFINED_OBJECT, format!("type with OID {oid} does not exist"))
                .hint("Leave the parameter's type open, or cast it in the statement.")),
        }
    }

    async fn parse(&mut self, body: &Bytes) -> Step {
        let mut r = Reader::new(body);
        let (name, sql, n) = (r.text()?, r.text()?, r.count()?);
        let types = (0..n).map(|_| self.parameter_type(r.i32()? as u32)).collect::<Result<Vec<_>>>()?;
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
        let mut parameters = Parameters { portal: Some(portal.to_string()), ..parameters::<B>(&mut r, &prepared, statement)? };
        if !portal.is_empty() {
            // It may last, and its values hold no more than what they are counted as.
            parameters.values.iter_mut().flatten().for_each(|value| *value = Bytes::copy_from_slice(value));
        }
        let n = r.count()?;
        let codes = (0..n).map(|_| format(r.i16()?)).collect::<Result<Vec<_>>>()?;
        r.end()?;
        let formats = match B::columns(&prepared) {
            Some(columns) => rows::formats(&codes, columns.len())?,
            None => codes,
        };
        if !portal.is_empty() && self.portals.contains_key(portal) {
            return Err(Error::new(code::DUPLICATE_CURSOR, format!("cursor \"{portal}\" already exists")));
        }
        self.session.check_parameters(&prepared, &parameters)?;
        self.room_for_portal(&parameters)?;
        self.portals.insert(portal.to_string(), Portal::new(prepared, formats, parameters));
        write::bare(&mut self.socket.out, b'2');
        Ok(())
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
    Ok(Parameters { binary, values, ..Parameters::default() })
}

/// Errors: 22023 for a code that is neither text's nor binary's.
fn format(number: i16) -> Result<Format> {
    match number {
        0 => Ok(Format::Text),
        1 => Ok(Format::Binary),
        other => Err(Error::new(code::INVALID_PARAMETER_VALUE, format!("unsupported format code: {other}"))),
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
