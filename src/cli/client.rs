//! A small client of the PostgreSQL protocol: simple queries and COPY, over any byte stream.

use std::collections::HashMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::login::Login;
use super::place::{Place, Stream};
use crate::error::{Error, Result, code};
use crate::wire::read::Reader;
use crate::wire::write::framed;

/// Protocol 3.0.
const VERSION: i32 = 3 << 16;
/// Bytes of one CopyData message.
pub(super) const COPY_BYTES: usize = 64 << 10;

/// An error or notice as the server reported it, by its field letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Report(HashMap<u8, String>);

impl Report {
    /// A field by its letter, `M` for the message ("Error and Notice Message Fields").
    pub fn field(&self, letter: u8) -> Option<&str> {
        self.0.get(&letter).map(String::as_str)
    }

    /// 1-based character position in the statement.
    pub fn position(&self) -> Option<usize> {
        self.field(b'P').and_then(|p| p.parse().ok())
    }

    /// `ERROR:  message`.
    pub fn headline(&self) -> String {
        format!("{}:  {}\n", self.severity(), self.field(b'M').unwrap_or(""))
    }

    /// `ERROR`, `NOTICE` ..
    pub fn severity(&self) -> &str {
        self.field(b'S').unwrap_or("ERROR")
    }

    /// The lines DETAIL, HINT and, if wanted, CONTEXT, as far as there are any.
    pub fn footnotes(&self, context: bool) -> String {
        let lines = [("DETAIL", b'D'), ("HINT", b'H'), ("CONTEXT", b'W')];
        lines
            .iter()
            .take(if context { 3 } else { 2 })
            .filter_map(|(label, letter)| Some(format!("{label}:  {}\n", self.field(*letter)?)))
            .collect()
    }
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub name: String,
    /// Object id and modifier of its type.
    pub oid: u32,
    pub modifier: i32,
}

/// A result.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Option<String>>>,
}

/// What the server says during the log-in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scram {
    Begin,
    Continue(String),
    Final(String),
}

/// A message of the server, as far as the client cares.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// A step of the log-in.
    Scram(Scram),
    Columns(Vec<Column>),
    Row(Vec<Option<String>>),
    Tag(String),
    /// There was no statement in the text.
    Empty,
    Notice(Report),
    Failed(Report),
    CopyIn,
    CopyOut,
    CopyData(Bytes),
    Ready,
}

/// Whether a session is in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transaction {
    None,
    Open,
    /// It can only be rolled back.
    Failed,
}

/// A connection to a server.
pub(super) struct Client {
    stream: Box<dyn Stream>,
    input: BytesMut,
    out: BytesMut,
    /// The letter of the last ReadyForQuery.
    status: u8,
    version: String,
}

impl Client {
    /// Logs in as `place` says. Errors: what the server says against it; 08006 when it does not answer.
    pub async fn connect(stream: Box<dyn Stream>, place: &Place) -> Result<Client> {
        let mut client = Client { stream, input: BytesMut::new(), out: BytesMut::new(), status: b'I', version: String::new() };
        let mut body = BytesMut::new();
        body.put_i32(VERSION);
        let ours = [
            ("user", place.user.as_str()),
            ("database", place.database.as_str()),
            ("application_name", "everfold"),
            ("client_encoding", "UTF8"),
        ];
        for text in ours.iter().chain(place.settings).flat_map(|(name, value)| [*name, *value]).chain([""]) {
            body.put_slice(text.as_bytes());
            body.put_u8(0);
        }
        client.out.put_u32(body.len() as u32 + 4);
        client.out.put_slice(&body);
        client.flush().await?;
        let mut login = None;
        loop {
            match client.answer().await? {
                Answer::Ready => return Ok(client),
                Answer::Scram(Scram::Begin) => {
                    let password = place.password.as_deref().ok_or_else(|| {
                        Error::new(code::INVALID_PASSWORD, "the server asks for a password")
                            .hint("Set PGPASSWORD, and PGUSER for another user.")
                    })?;
                    login = Some(Login::new(password)?);
                    let first = login.as_ref().map(Login::first).unwrap_or_default();
                    framed(&mut client.out, b'p', |out| {
                        out.put_slice(b"SCRAM-SHA-256\0");
                        out.put_u32(first.len() as u32);
                        out.put_slice(first.as_bytes());
                    });
                    client.flush().await?;
                }
                Answer::Scram(Scram::Continue(answer)) => {
                    let last = login.as_mut().ok_or_else(lost)?.last(&answer)?;
                    framed(&mut client.out, b'p', |out| out.put_slice(last.as_bytes()));
                    client.flush().await?;
                }
                Answer::Scram(Scram::Final(answer)) => login.as_ref().ok_or_else(lost)?.check(&answer)?,
                Answer::Failed(report) => {
                    let message = report.field(b'M').unwrap_or("the server refused the connection");
                    return Err(Error::new(code::CONNECTION_FAILURE, message));
                }
                _ => {}
            }
        }
    }

    /// Sends a Query.
    pub async fn query(&mut self, sql: &str) -> Result<()> {
        framed(&mut self.out, b'Q', |out| {
            out.put_slice(sql.as_bytes());
            out.put_u8(0);
        });
        self.flush().await
    }

    /// The server's version, as it says.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether a transaction is open.
    pub fn transaction(&self) -> Transaction {
        match self.status {
            b'T' => Transaction::Open,
            b'E' => Transaction::Failed,
            _ => Transaction::None,
        }
    }

    /// Asks for the columns of a statement.
    pub async fn describe(&mut self, sql: &str) -> Result<()> {
        self.parse(sql);
        framed(&mut self.out, b'D', |out| out.put_slice(b"S\0"));
        framed(&mut self.out, b'S', |_| {});
        self.flush().await
    }

    /// Runs a statement with these values, as text, for its parameters.
    pub async fn bind(&mut self, sql: &str, values: &[String]) -> Result<()> {
        self.parse(sql);
        framed(&mut self.out, b'B', |out| {
            out.put_slice(&[0, 0, 0, 0]);
            out.put_u16(values.len() as u16);
            for value in values {
                out.put_u32(value.len() as u32);
                out.put_slice(value.as_bytes());
            }
            out.put_u16(0);
        });
        framed(&mut self.out, b'D', |out| out.put_slice(b"P\0"));
        framed(&mut self.out, b'E', |out| out.put_slice(&[0; 5]));
        framed(&mut self.out, b'S', |_| {});
        self.flush().await
    }

    fn parse(&mut self, sql: &str) {
        framed(&mut self.out, b'P', |out| {
            out.put_u8(0);
            out.put_slice(sql.as_bytes());
            out.put_slice(&[0, 0, 0]);
        });
    }

    /// Sends a part of the rows that the server asked for.
    pub async fn copy_data(&mut self, data: &[u8]) -> Result<()> {
        for chunk in data.chunks(COPY_BYTES) {
            framed(&mut self.out, b'd', |out| out.put_slice(chunk));
            self.flush().await?;
        }
        Ok(())
    }

    /// Ends the rows.
    pub async fn copy_done(&mut self) -> Result<()> {
        framed(&mut self.out, b'c', |_| {});
        self.flush().await
    }

    /// Gives the rows up.
    pub async fn copy_fail(&mut self, reason: &str) -> Result<()> {
        framed(&mut self.out, b'f', |out| {
            out.put_slice(reason.as_bytes());
            out.put_u8(0);
        });
        self.flush().await
    }

    /// Says good-bye.
    pub async fn close(mut self) -> Result<()> {
        framed(&mut self.out, b'X', |_| {});
        self.flush().await?;
        Ok(self.stream.shutdown().await?)
    }

    async fn flush(&mut self) -> Result<()> {
        let written = self.stream.write_all(&self.out).await.and(self.stream.flush().await);
        self.out.clear();
        written.map_err(|_| lost())
    }

    /// The next message that matters. Errors: 08006 when the connection ends.
    pub async fn answer(&mut self) -> Result<Answer> {
        loop {
            let length = match self.input.get(..5) {
                Some(header) => u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize + 1,
                None => 5,
            };
            if self.input.len() < length.max(5) {
                if self.stream.read_buf(&mut self.input).await.map_err(|_| lost())? == 0 {
                    return Err(lost());
                }
                continue;
            }
            let mut frame = self.input.split_to(length);
            let tag = frame[0];
            frame.advance(5);
            if tag == b'Z' {
                self.status = frame.first().copied().unwrap_or(b'I');
            }
            if tag == b'S'
                && let Some(version) = frame.strip_prefix(b"server_version\0")
            {
                self.version = String::from_utf8_lossy(version).trim_end_matches('\0').to_string();
            }
            if let Some(answer) = decode(tag, frame.freeze())? {
                return Ok(answer);
            }
        }
    }
}

fn lost() -> Error {
    Error::new(code::CONNECTION_FAILURE, "server closed the connection unexpectedly")
        .hint("The server's own output says why. What was not yet acknowledged may or may not have been done.")
}

fn decode(tag: u8, body: Bytes) -> Result<Option<Answer>> {
    let mut r = Reader::new(&body);
    Ok(Some(match tag {
        b'T' => {
            let n = r.count()?;
            Answer::Columns((0..n).map(|_| column(&mut r)).collect::<Result<_>>()?)
        }
        b'D' => {
            let n = r.count()?;
            let text = |value: Option<Bytes>| value.map(|v| String::from_utf8_lossy(&v).into_owned());
            Answer::Row((0..n).map(|_| Ok(text(r.value()?))).collect::<Result<_>>()?)
        }
        b'C' => Answer::Tag(r.text()?.to_string()),
        b'I' => Answer::Empty,
        b'E' => Answer::Failed(report(&mut r)?),
        b'N' => Answer::Notice(report(&mut r)?),
        b'G' => Answer::CopyIn,
        b'H' => Answer::CopyOut,
        b'd' => Answer::CopyData(body),
        b'Z' => Answer::Ready,
        b'R' => {
            let number = r.i32()?;
            let text = String::from_utf8_lossy(r.rest()).into_owned();
            match number {
                0 => return Ok(None),
                10 => Answer::Scram(Scram::Begin),
                11 => Answer::Scram(Scram::Continue(text)),
                12 => Answer::Scram(Scram::Final(text)),
                _ => return Err(Error::unsupported("the server asks for an authentication that is not SCRAM-SHA-256")),
            }
        }
        _ => return Ok(None),
    }))
}

fn column(r: &mut Reader<'_>) -> Result<Column> {
    let name = r.text()?.to_string();
    let (_table, _number) = (r.i32()?, r.i16()?);
    let oid = r.i32()? as u32;
    let (_length, modifier, _format) = (r.i16()?, r.i32()?, r.i16()?);
    Ok(Column { name, oid, modifier })
}

fn report(r: &mut Reader<'_>) -> Result<Report> {
    let mut fields = HashMap::new();
    loop {
        match r.u8()? {
            0 => return Ok(Report(fields)),
            letter => fields.insert(letter, r.text()?.to_string()),
        };
    }
}
