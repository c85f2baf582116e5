//! Rows of a result, as DataRow messages.

use arrow::array::RecordBatch;
use bytes::BufMut;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite};

use super::interrupt::{Interrupt, Step};
use super::read::protocol;
use super::socket::{PENDING_BYTES, Socket};
use crate::data::PgType;
use crate::data::encode::{BatchEncoder, Format, Style};
use crate::engine::Column;
use crate::error::{Error, Result, code};

/// A result under way: its stream and how much of the batch at hand was sent.
pub(crate) struct Cursor {
    /// Tag without the number of rows.
    pub word: String,
    stream: SendableRecordBatchStream,
    types: Vec<PgType>,
    formats: Vec<Format>,
    style: Style,
    batch: Option<Batch>,
    /// How many rows it has gone past.
    pub passed: u64,
}

struct Batch {
    batch: RecordBatch,
    encoder: BatchEncoder,
    next: usize,
    rows: usize,
}

/// How sending rows ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// All of them; their number.
    All(u64),
    /// As many as were asked for; there may be more.
    Enough,
}

/// One format per column from the codes of a Bind message: none (text), one for all, or one each. Errors: 08P01.
pub(crate) fn formats(codes: &[Format], columns: usize) -> Result<Vec<Format>> {
    match codes {
        [] => Ok(vec![Format::Text; columns]),
        [one] => Ok(vec![*one; columns]),
        each if each.len() == columns => Ok(each.to_vec()),
        each => Err(protocol(format!("bind message has {} result formats but query has {columns} columns", each.len()))),
    }
}

impl Cursor {
    /// A cursor before the first row; `formats` has one entry per column.
    pub fn new(word: String, columns: &[Column], formats: Vec<Format>, style: Style, stream: SendableRecordBatchStream) -> Self {
        Cursor { word, stream, types: columns.iter().map(|c| c.ty.clone()).collect(), formats, style, batch: None, passed: 0 }
    }

    /// Sends at most `limit` rows, no faster than the socket takes them. Waits only with everything in view that may end the wait.
    pub async fn send<S>(&mut self, socket: &mut Socket<S>, interrupt: &mut Interrupt, limit: Option<u64>) -> Step<Sent>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.go(socket, interrupt, limit, false).await
    }

    /// Goes past at most `limit` rows, which are not sent.
    pub async fn skip<S>(&mut self, socket: &mut Socket<S>, interrupt: &mut Interrupt, limit: Option<u64>) -> Step<Sent>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.go(socket, interrupt, limit, true).await
    }

    /// Has the rows that are still to come in the given formats, one per column; answers those that they had.
    pub fn reformat(&mut self, formats: Vec<Format>) -> Result<Vec<Format>> {
        if let Some(batch) = &mut self.batch {
            batch.encoder = BatchEncoder::new(&batch.batch, &self.types, &formats, &self.style)?;
        }
        Ok(std::mem::replace(&mut self.formats, formats))
    }

    async fn go<S>(&mut self, socket: &mut Socket<S>, interrupt: &mut Interrupt, limit: Option<u64>, skip: bool) -> Step<Sent>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut sent = 0;
        loop {
            if limit == Some(sent) {
                return Ok(Sent::Enough);
            }
            let Some(batch) = &mut self.batch else {
                match interrupt.pull(socket, self.stream.next()).await? {
                    Some(batch) => {
                        let batch = batch.map_err(Error::from)?;
                        let encoder = BatchEncoder::new(&batch, &self.types, &self.formats, &self.style)?;
                        self.batch = Some(Batch { rows: batch.num_rows(), batch, encoder, next: 0 });
                    }
                    None => return Ok(Sent::All(sent)),
                }
                continue;
            };
            let rows = limit.map_or(u64::MAX, |limit| limit - sent);
            let gone = if skip { batch.skip(rows) } else { batch.put(socket, rows, self.formats.len())? };
            sent += gone;
            self.passed += gone;
            if batch.next == batch.rows {
                self.batch = None;
            }
            interrupt.relieve(socket).await?;
        }
    }
}

impl Batch {
    /// Leaves out at most that many rows; says how many.
    fn skip(&mut self, rows: u64) -> u64 {
        let skipped = usize::try_from(rows).map_or(self.rows - self.next, |n| n.min(self.rows - self.next));
        self.next += skipped;
        skipped as u64
    }

    /// Encodes rows until `rows` are done, the batch ends or enough bytes are pending; says how many.
    fn put<S>(&mut self, socket: &mut Socket<S>, rows: u64, columns: usize) -> Result<u64> {
        let columns = u16::try_from(columns).map_err(|_| too_large("row with more than 65535 columns"))?;
        let first = self.next;
        let end = usize::try_from(rows).map_or(self.rows, |n| self.rows.min(first.saturating_add(n)));
        while self.next < end && socket.out.len() < PENDING_BYTES {
            let start = socket.out.len();
            socket.unfinished = Some(start);
            socket.out.put_slice(&[b'D', 0, 0, 0, 0]);
            socket.out.put_u16(columns);
            let put = self.encoder.put_row(self.next, &mut socket.out);
            let length = i32::try_from(socket.out.len() - start - 1);
            let length = match (put, length) {
                (Ok(()), Ok(length)) => length,
                (put, _) => {
                    socket.out.truncate(start);
                    socket.unfinished = None;
                    put?;
                    return Err(too_large("row of more than 2 GiB"));
                }
            };
            socket.out[start + 1..start + 5].copy_from_slice(&length.to_be_bytes());
            socket.unfinished = None;
            self.next += 1;
        }
        Ok((self.next - first) as u64)
    }
}

fn too_large(what: &str) -> Error {
    Error::new(code::PROGRAM_LIMIT_EXCEEDED, format!("a {what} cannot be sent")).hint("Select less of it.")
}
