//! Portals: bound statements, and how far each has been run.
//!
//! Execute runs one, some rows at a time. To SQL it is a cursor as any other: FETCH and MOVE go forward in it and CLOSE ends it
//! ([`Connection::on_portals`]), as asyncpg's cursors do between two Executes. Portals last no longer than their transaction.

use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::backend::{Backend, Reply};
use super::connection::Connection;
use super::interrupt::Step;
use super::read::Reader;
use super::rows::{self, Cursor, Sent};
use super::write;
use crate::data::encode::Format;
use crate::engine::{OnPortals, Parameters};
use crate::error::{Error, Result, code};
use crate::limits;
use crate::sql::Move;

/// A statement bound to its parameters, and how far it has been run.
pub(super) struct Portal<P> {
    pub prepared: Arc<P>,
    pub formats: Vec<Format>,
    state: PortalState,
}

enum PortalState {
    Bound(Parameters),
    Open(Cursor),
    /// Its rows are all sent; the word of its tag.
    Drained(String),
    Done,
}

impl<P> Portal<P> {
    /// One that has not been run.
    pub fn new(prepared: Arc<P>, formats: Vec<Format>, parameters: Parameters) -> Portal<P> {
        Portal { prepared, formats, state: PortalState::Bound(parameters) }
    }
}

impl<B: Backend, S: AsyncRead + AsyncWrite + Unpin + Send> Connection<B, S> {
    /// Errors: 53400 for too many portals, or too much that they hold.
    pub(super) fn room_for_portal(&self, parameters: &Parameters) -> Result<()> {
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

    /// Serves an Execute message.
    pub(super) async fn execute(&mut self, body: &Bytes) -> Step {
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
        let reply = self.run_bound(prepared, parameters).await?;
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
            Reply::CopyIn(copy) => Box::pin(self.copy_in(copy)).await?,
            Reply::CopyOut(copy) => Box::pin(self.copy_out(copy)).await?,
            Reply::OnPortals(what) => Box::pin(self.on_portals(what, true)).await?,
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

    async fn run_bound(&mut self, prepared: &Arc<B::Prepared>, parameters: Parameters) -> Step<Reply<B::CopyIn>> {
        // A statement alone before its Sync commits by itself, which spares the session the bookkeeping. What stands behind a COMMIT is a
        // transaction of its own.
        self.implicit |= !self.socket.next_is(b'S');
        if self.implicit {
            self.session.begin_implicit();
        }
        let execute = self.session.execute(prepared, parameters);
        let reply = self.interrupt.call(&mut self.socket, execute).await?;
        self.notices();
        Ok(reply)
    }

    /// FETCH, MOVE and CLOSE on portals; the tag. Errors: 34000 for a name that is none, 55000 for going backward, 0A000 for a FETCH that
    /// is `prepared`, which has no description of its rows, and those of the portal's statement.
    pub(super) async fn on_portals(&mut self, what: OnPortals, prepared: bool) -> Step<String> {
        match what {
            OnPortals::CloseAll => {
                self.portals.clear();
                Ok("CLOSE CURSOR ALL".into())
            }
            OnPortals::Close(name) => {
                self.portals.remove(&name).ok_or_else(|| no_cursor(&name))?;
                Ok("CLOSE CURSOR".into())
            }
            OnPortals::Go { name, to, skip } => {
                let mut portal = self.portals.remove(&name).ok_or_else(|| no_cursor(&name))?;
                let columns = B::columns(&portal.prepared).map(<[_]>::to_vec);
                let columns =
                    columns.ok_or_else(|| Error::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, format!("portal \"{name}\" has no rows")))?;
                let text = rows::formats(&[], columns.len())?;
                if !skip {
                    if prepared {
                        return Err(Error::unsupported("a prepared FETCH from a portal is not supported")
                            .hint("Execute the portal.")
                            .into());
                    }
                    write::row_description(&mut self.socket.out, &columns, &text);
                }
                let mut gone = 0;
                if let Some(mut cursor) = self.opened(&mut portal).await? {
                    let own = cursor.reformat(text)?;
                    let (left_out, wanted) = ahead(to, cursor.passed)?;
                    let sent = match cursor.skip(&mut self.socket, &mut self.interrupt, Some(left_out)).await? {
                        Sent::Enough if skip => cursor.skip(&mut self.socket, &mut self.interrupt, wanted).await?,
                        Sent::Enough => cursor.send(&mut self.socket, &mut self.interrupt, wanted).await?,
                        Sent::All(_) => Sent::All(0),
                    };
                    cursor.reformat(own)?;
                    (gone, portal.state) = match sent {
                        Sent::Enough => (wanted.unwrap_or_default(), PortalState::Open(cursor)),
                        Sent::All(n) => (n, PortalState::Drained(cursor.word)),
                    };
                }
                self.portals.insert(name, portal);
                Ok(format!("{} {gone}", if skip { "MOVE" } else { "FETCH" }))
            }
        }
    }

    /// The rows that a portal still has, taken out of it; `None` if there are none.
    async fn opened(&mut self, portal: &mut Portal<B::Prepared>) -> Step<Option<Cursor>> {
        match std::mem::replace(&mut portal.state, PortalState::Done) {
            PortalState::Open(cursor) => Ok(Some(cursor)),
            PortalState::Bound(parameters) => match self.run_bound(&portal.prepared, parameters).await? {
                Reply::Rows { word, columns, stream } => {
                    let formats = rows::formats(&portal.formats, columns.len())?;
                    Ok(Some(Cursor::new(word, &columns, formats, self.session.style(), stream)))
                }
                _ => Err(Error::internal("a statement with columns gave no rows").into()),
            },
            ended => {
                portal.state = ended;
                Ok(None)
            }
        }
    }
}

/// How many rows to leave out and then to give, of which `None` is all, from where `passed` rows are behind. Errors: 55000 to go backward.
fn ahead(to: Move, passed: u64) -> Result<(u64, Option<u64>)> {
    let one_at = |n: u64| n.checked_sub(1).map(|left_out| (left_out, Some(1)));
    let ahead = match to {
        Move::ForwardAll => Some((0, None)),
        Move::By(n) => u64::try_from(n).ok().filter(|n| *n > 0).map(|n| (0, Some(n))),
        Move::Relative(n) => u64::try_from(n).ok().and_then(one_at),
        Move::Absolute(n) => u64::try_from(n).ok().and_then(|n| n.checked_sub(passed)).and_then(one_at),
        Move::BackwardAll => None,
    };
    ahead.ok_or_else(|| {
        Error::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, "cursor can only scan forward")
            .hint("DECLARE a cursor with SCROLL to go backward.")
    })
}

fn no_cursor(name: &str) -> Error {
    Error::new(code::INVALID_CURSOR_NAME, format!("cursor \"{name}\" does not exist"))
}

pub(super) fn no_portal(name: &str) -> Error {
    Error::new(code::INVALID_CURSOR_NAME, format!("portal \"{name}\" does not exist"))
}

fn size_of_values(parameters: &Parameters) -> usize {
    parameters.values.iter().flatten().map(Bytes::len).sum()
}
