//! Waiting, with everything that may end the wait.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::backend::Tidings;
use super::registry::{Call, Line};
use super::socket::Socket;
use super::write;
use crate::error::{Error, Result, code};

/// Why a step of the conversation did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The statement failed; the conversation goes on.
    Statement(Error),
    /// The client is told, and the connection closes.
    Fatal(Error),
    /// The client has gone.
    Gone,
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Failure::Statement(e)
    }
}

impl From<std::io::Error> for Failure {
    fn from(_: std::io::Error) -> Self {
        Failure::Gone
    }
}

/// The outcome of a step.
pub(crate) type Step<T = ()> = Result<T, Failure>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Cancel,
    Timeout,
    TransactionTimeout,
    Shutdown,
}

impl Stop {
    fn failure(self) -> Failure {
        match self {
            Stop::Cancel => Failure::Statement(Error::canceled()),
            Stop::Timeout => Failure::Statement(Error::new(code::QUERY_CANCELED, "canceling statement due to statement timeout")),
            Stop::TransactionTimeout => {
                let message = "terminating connection due to transaction timeout";
                Failure::Fatal(Error::new(code::TRANSACTION_TIMEOUT, message))
            }
            Stop::Shutdown => shutting_down(),
        }
    }
}

/// 57P01, as every session is told when the server stops.
pub(crate) fn shutting_down() -> Failure {
    Failure::Fatal(Error::new(code::ADMIN_SHUTDOWN, "terminating connection due to administrator command"))
}

fn stalled(limit: Duration) -> Failure {
    let message = format!("terminating connection because the client has taken nothing of an answer for {} ms", limit.as_millis());
    Failure::Fatal(Error::new(code::IDLE_SESSION_TIMEOUT, message).hint("SET client_stall_timeout to a longer time, or to 0 for no limit."))
}

/// What may interrupt the statements of one connection.
pub(crate) struct Interrupt {
    line: Arc<Line>,
    calls: watch::Receiver<Call>,
    deadline: Option<Instant>,
    /// When the transaction has to be over.
    transaction: Option<Instant>,
    /// How long the client may take nothing of an answer.
    stall: Option<Duration>,
    /// When the client's pause is too long.
    pause: Option<Instant>,
    /// True if the pause is outside a transaction.
    idle: bool,
    news: News,
}

/// A statement that is done so soon is not asked about at all, which would cost short ones something.
const GRACE: Duration = Duration::from_millis(20);

/// What the client is told of a statement while it runs.
struct News {
    source: Option<Arc<dyn Tidings>>,
    /// When the statement was first waited for, or the client last told.
    since: Option<Instant>,
}

impl News {
    /// Answers when there is something to tell, no sooner than the source wants to be asked.
    async fn next(&mut self) -> Error {
        let Some(source) = &self.source else { return std::future::pending().await };
        loop {
            let since = *self.since.get_or_insert_with(Instant::now);
            sleep_until(since + GRACE).await;
            let Some(interval) = source.interval() else { return std::future::pending().await };
            sleep_until(since + interval).await;
            self.since = None;
            if let Some(news) = source.news() {
                return news;
            }
        }
    }
}

/// Answers at that time, or never.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Answers when the statement is to stop.
async fn stop(calls: &mut watch::Receiver<Call>, deadline: Option<Instant>, transaction: Option<Instant>) -> Stop {
    loop {
        tokio::select! {
            biased;
            _ = calls.changed() => match *calls.borrow_and_update() {
                Call::None => {}
                Call::Cancel => return Stop::Cancel,
                Call::Shutdown => return Stop::Shutdown,
            },
            () = at(deadline) => return Stop::Timeout,
            () = at(transaction) => return Stop::TransactionTimeout,
        }
    }
}

impl Interrupt {
    /// The interrupts that come over `line`; `source` knows how far statements are.
    pub fn new(line: Arc<Line>, source: Option<Arc<dyn Tidings>>) -> Self {
        let calls = line.calls.subscribe();
        let news = News { source, since: None };
        Interrupt { line, calls, deadline: None, transaction: None, stall: None, pause: None, idle: true, news }
    }

    /// A statement begins: its deadline is set, and cancels that came before it are void, unless it follows another of the same message, which
    /// has not [ended](Interrupt::end) then. Errors: the server is shutting down.
    pub fn begin(&mut self, timeout: Option<Duration>, transaction: Option<Duration>, stall: Option<Duration>) -> Step {
        let follows = self.line.busy.load(Ordering::SeqCst);
        let call = if follows { *self.calls.borrow() } else { *self.calls.borrow_and_update() };
        if call == Call::Shutdown {
            return Err(shutting_down());
        }
        self.deadline = timeout.map(|t| Instant::now() + t);
        self.stall = stall;
        self.news.since = None;
        self.transaction = self.transaction.or_else(|| transaction.map(|t| Instant::now() + t));
        self.line.busy.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// The statement has ended, and none follows.
    pub fn end(&mut self) {
        self.line.busy.store(false, Ordering::SeqCst);
        self.deadline = None;
    }

    /// The client has its answer and may pause: outside a transaction, if `idle`, and at most that long.
    pub fn pause(&mut self, idle: bool, most: Option<Duration>) {
        self.idle = idle;
        self.pause = most.map(|t| Instant::now() + t);
        if idle {
            self.transaction = None;
        }
    }

    /// Returns when the connection is to end while it waits for a message: for its pause, if it has paused, or with the server.
    pub async fn rest(&mut self, paused: bool) -> Failure {
        let (pause, transaction, idle) = (self.pause.filter(|_| paused), self.transaction, self.idle);
        // The sender lives in our own line, so this ends by the call only.
        let shutdown = self.calls.wait_for(|call| *call == Call::Shutdown);
        tokio::select! {
            biased;
            _ = shutdown => shutting_down(),
            () = at(transaction) => Stop::TransactionTimeout.failure(),
            () = at(pause) => Failure::Fatal(match idle {
                true => Error::new(code::IDLE_SESSION_TIMEOUT, "terminating connection due to idle-session timeout"),
                false => Error::new(
                    code::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
                    "terminating connection due to idle-in-transaction timeout",
                ),
            }),
        }
    }

    /// Waits for a call into the session. When it has to stop, the session is asked to, and is waited for: it alone knows whether
    /// a commit took place. It is dropped only when the client has gone.
    pub async fn call<S, T>(&mut self, socket: &mut Socket<S>, work: impl Future<Output = Result<T>>) -> Step<T>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut work = std::pin::pin!(work);
        let mut stopped = None;
        let Interrupt { line, calls, deadline, transaction, news, .. } = self;
        let result = loop {
            tokio::select! {
                biased;
                result = &mut work => break result,
                _ = socket.pump() => {
                    (line.canceller)();
                    return Err(Failure::Gone);
                }
                stop = stop(calls, *deadline, *transaction), if stopped.is_none() => {
                    stopped = Some(stop);
                    // A cancel has asked it before, but maybe before its statement began, which forgets that.
                    (line.canceller)();
                }
                notice = news.next() => write::notice(&mut socket.out, "NOTICE", &notice),
            }
        };
        match (result, stopped) {
            (Err(e), Some(stop)) if e.code() == code::QUERY_CANCELED => Err(stop.failure()),
            (result, _) => Ok(result?),
        }
    }

    /// Waits for something that may be dropped at any time: rows to come, bytes from the client.
    pub async fn pull<S, T>(&mut self, socket: &mut Socket<S>, work: impl Future<Output = T>) -> Step<T>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut work = std::pin::pin!(work);
        let Interrupt { calls, deadline, transaction, news, .. } = self;
        loop {
            tokio::select! {
                biased;
                stop = stop(calls, *deadline, *transaction) => return Err(stop.failure()),
                result = &mut work => return Ok(result),
                _ = socket.pump() => return Err(Failure::Gone),
                notice = news.next() => write::notice(&mut socket.out, "NOTICE", &notice),
            }
        }
    }

    /// Writes the answers if many are waiting; a client that does not read them can still cancel, and is cut off if it goes on so: the
    /// statement holds what it reads from.
    pub async fn relieve<S>(&mut self, socket: &mut Socket<S>) -> Step
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if socket.out.len() < super::socket::PENDING_BYTES {
            return Ok(());
        }
        loop {
            let (waiting, limit) = (socket.out.len(), self.stall.map(|t| Instant::now() + t));
            tokio::select! {
                biased;
                stop = stop(&mut self.calls, self.deadline, self.transaction) => return Err(stop.failure()),
                flushed = socket.flush() => return Ok(flushed?),
                () = at(limit) => if socket.out.len() == waiting {
                    return Err(stalled(self.stall.unwrap_or_default()));
                },
            }
        }
    }

    /// Reads from the client in the midst of a statement (COPY FROM STDIN), after writing what is pending.
    pub async fn fill<S>(&mut self, socket: &mut Socket<S>) -> Step
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Interrupt { calls, deadline, transaction, news, .. } = self;
        loop {
            // Both may be begun anew: what was written or read is taken note of in the socket.
            let work = async {
                socket.flush().await?;
                socket.fill().await
            };
            tokio::select! {
                biased;
                stop = stop(calls, *deadline, *transaction) => return Err(stop.failure()),
                more = work => return if more? { Ok(()) } else { Err(Failure::Gone) },
                notice = news.next() => write::notice(&mut socket.out, "NOTICE", &notice),
            }
        }
    }
}
