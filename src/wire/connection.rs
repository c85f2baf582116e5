//! One client's conversation: its state, and the loop over its messages.

use std::any::Any;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite};

use super::backend::{Backend, Timeout};
use super::charset::understood;
use super::interrupt::{Failure, Interrupt, Step};
use super::portals::Portal;
use super::read::{Message, protocol};
use super::registry::Line;
use super::socket::{PENDING_BYTES, Socket};
use super::write;
use crate::data::charset::Charset;
use crate::engine::TransactionStatus;
use crate::error::Error;

/// A connection past its startup.
pub(super) struct Connection<B: Backend, S> {
    /// Portals by name; the unnamed one is "". They are dropped before the session, for which their queries act.
    pub portals: HashMap<String, Portal<B::Prepared>>,
    pub session: B,
    pub socket: Socket<S>,
    pub interrupt: Interrupt,
    /// True while an implicit transaction is open, up to Sync or the end of a Query.
    pub implicit: bool,
    /// True from an error in the extended protocol up to Sync.
    pub skipping: bool,
    /// True from ReadyForQuery until the client's next message.
    resting: bool,
}

/// Whether the conversation goes on.
enum Next {
    Message,
    GoodBye,
}

impl<B: Backend, S: AsyncRead + AsyncWrite + Unpin + Send> Connection<B, S> {
    /// A connection whose client has been let in; nothing is said yet. In a box, as the session came.
    pub fn new(session: B, socket: Socket<S>, line: Arc<Line>) -> Box<Self> {
        let interrupt = Interrupt::new(line, session.tidings());
        Box::new(Connection { session, socket, interrupt, portals: HashMap::new(), implicit: false, skipping: false, resting: false })
    }

    /// Greets and serves the client until either side ends it.
    pub async fn run(mut self: Box<Self>, line: &Line) {
        write::authentication_ok(&mut self.socket.out);
        self.reports();
        write::backend_key(&mut self.socket.out, line.process_id, &line.secret);
        self.notices();
        self.ready();
        match self.converse().await {
            Ok(()) | Err(Failure::Gone) => {}
            Err(Failure::Fatal(e) | Failure::Statement(e)) => {
                self.socket.drop_unfinished();
                write::error(&mut self.socket.out, "FATAL", &e);
                self.socket.close().await;
            }
        }
    }

    async fn converse(&mut self) -> Step {
        while let Some(message) = self.next_message().await? {
            match AssertUnwindSafe(self.serve(message)).catch_unwind().await {
                Ok(Ok(Next::Message)) => {}
                Ok(Ok(Next::GoodBye)) => return Ok(()),
                Ok(Err(failure)) => return Err(failure),
                Err(panic) => return Err(Failure::Fatal(panicked(panic.as_ref()))),
            }
        }
        Ok(())
    }

    /// The next message; answers are flushed before it is waited for. `None` when the client has closed.
    async fn next_message(&mut self) -> Step<Option<Message>> {
        loop {
            if let Some(message) = self.socket.message().map_err(Failure::Fatal)? {
                self.resting = false;
                return Ok(Some(message));
            }
            self.notifications()?;
            let mailbox = if self.hears() { self.session.mailbox() } else { None };
            let writes = !self.socket.out.is_empty();
            let (socket, interrupt, resting) = (&mut self.socket, &mut self.interrupt, self.resting);
            // While answers wait for the client nothing more is taken out for it: what comes waits in the mailbox, and may overflow it.
            let came = async {
                match &mailbox {
                    Some(mailbox) if writes => mailbox.overflow().await,
                    Some(mailbox) => mailbox.arrival().await,
                    None => std::future::pending().await,
                }
            };
            let goes_on = async { if writes { socket.flush().await.map(|()| true) } else { socket.fill().await } };
            tokio::select! {
                biased;
                open = goes_on => if !open? { return Ok(None) },
                failure = interrupt.rest(resting) => return Err(failure),
                () = came => {}
            }
        }
    }

    /// True if the client may be told of notifications: outside a transaction and between statements.
    fn hears(&self) -> bool {
        self.resting && self.session.status() == TransactionStatus::Idle
    }

    /// Sends notifications, as many as the buffer of answers has room for.
    fn notifications(&mut self) -> Step {
        if !self.hears() {
            return Ok(());
        }
        let Some(mailbox) = self.session.mailbox() else { return Ok(()) };
        while self.socket.out.len() < PENDING_BYTES
            && let Some(notification) = mailbox.take().map_err(Failure::Fatal)?
        {
            write::notification(&mut self.socket.out, &notification);
        }
        Ok(())
    }

    /// A statement begins.
    pub fn begin_statement(&mut self) -> Step {
        let [statement, transaction, stall] =
            [Timeout::Statement, Timeout::Transaction, Timeout::Stall].map(|what| self.session.timeout(what));
        self.interrupt.begin(statement, transaction, stall)
    }

    async fn serve(&mut self, message: Message) -> Step<Next> {
        let tag = message.tag;
        let message = match understood(message, self.socket.charset()) {
            Ok(message) => message,
            Err(_) if self.skipping => return Ok(Next::Message),
            Err(e) => {
                self.report(&e);
                match tag {
                    b'Q' => self.ready(),
                    _ => self.skipping = true,
                }
                return Ok(Next::Message);
            }
        };
        match message.tag {
            b'X' => return Ok(Next::GoodBye),
            b'S' => self.sync().await?,
            // What is left of a COPY that failed.
            b'd' | b'c' | b'f' => {}
            _ if self.skipping => {}
            b'Q' => self.simple_query(&message.body).await?,
            b'P' | b'B' | b'D' | b'E' | b'C' | b'H' => self.extended(&message).await?,
            b'F' => {
                let e = Error::unsupported("the function call protocol is not supported").hint("Write SELECT function(..) instead.");
                self.report(&e);
                self.ready();
            }
            other => return Err(Failure::Fatal(protocol(format!("unexpected message type 0x{other:02X}")))),
        }
        Ok(Next::Message)
    }

    /// Ends the implicit transaction, if one is open.
    pub async fn end_implicit(&mut self, failed: bool) -> Step {
        if !std::mem::take(&mut self.implicit) {
            return Ok(());
        }
        self.begin_statement()?;
        let end = self.session.end_implicit(failed);
        let ended = self.interrupt.call(&mut self.socket, end).await;
        self.interrupt.end();
        ended
    }

    /// Tells the client, and the session, that a statement failed.
    pub fn report(&mut self, e: &Error) {
        self.session.fail();
        self.notices();
        write::error(&mut self.socket.out, "ERROR", e);
    }

    /// Sends the notices raised so far.
    pub fn notices(&mut self) {
        for (severity, e) in self.session.take_notices() {
            write::notice(&mut self.socket.out, severity, &e);
        }
    }

    fn reports(&mut self) {
        for (name, value) in self.session.take_reports() {
            if name == "client_encoding" {
                self.socket.speak(Charset::of(&value));
            }
            write::parameter_status(&mut self.socket.out, &name, &value);
        }
    }

    /// ReadyForQuery, after the parameters that changed. Portals last no longer than their transaction.
    pub fn ready(&mut self) {
        let status = self.session.status();
        // What their queries would still do is not to be done after it.
        if status == TransactionStatus::Idle {
            self.portals.clear();
        }
        self.session.idle();
        self.notices();
        self.reports();
        self.resting = true;
        // What the statement itself said comes before its end, as clients expect. A mailbox that has overflown is told of afterwards.
        let _ = self.notifications();
        write::ready(&mut self.socket.out, status);
        let idle = status == TransactionStatus::Idle;
        let timeout = if idle { Timeout::Idle } else { Timeout::IdleInTransaction };
        self.interrupt.pause(idle, self.session.timeout(timeout));
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().map(|s| s.to_string()).or_else(|| panic.downcast_ref::<String>().cloned());
    let e = Error::internal("the statement ended in an internal error").hint("This is a bug in Everfold; the other sessions go on.");
    match text {
        Some(text) => e.detail(text),
        None => e,
    }
}
