//! Listens, lets clients in, and ends them all.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::backend::{Backend, Host};
use super::connection::Connection;
use super::interrupt::{Failure, Step, shutting_down};
use super::registry::Registry;
use super::socket::Socket;
use super::{startup, write};
use crate::error::{Error, Result, code};
use crate::limits::CONNECTIONS_MAX;

/// How long a client may take for its startup (PostgreSQL's authentication_timeout).
const STARTUP_TIME: Duration = Duration::from_secs(60);
/// How long sessions may take to end when the server shuts down; then they are dropped.
const SHUTDOWN_TIME: Duration = Duration::from_secs(10);
/// How long to wait after the operating system refused to accept (out of file descriptors, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections above the limit that are talked to at one time, to take cancel requests and to be told 53300.
const SURPLUS_MAX: usize = 64;

/// Opens the port. Errors: 28000 for an address that others than this machine can reach, 55006 for a port in use, 58030.
pub async fn bind(address: SocketAddr) -> Result<TcpListener> {
    if !address.ip().is_loopback() {
        let message = format!("refusing to listen on {address}: there are no roles and passwords yet, so anybody could come in");
        return Err(Error::new(code::INVALID_AUTHORIZATION, message)
            .hint("Listen on 127.0.0.1 or [::1], and let other machines in through an SSH tunnel."));
    }
    TcpListener::bind(address).await.map_err(|e| match e.kind() {
        std::io::ErrorKind::AddrInUse => Error::new(code::OBJECT_IN_USE, format!("could not listen on {address}: address already in use"))
            .hint("Is another Everfold running on that port? If not, wait a few seconds and retry; or choose a port with --listen."),
        _ => Error::new(code::IO_ERROR, format!("could not listen on {address}: {e}")),
    })
}

/// Accepts connections until `stop` completes; then tells all sessions 57P01 and waits for them to end, a limited time.
pub async fn serve<H: Host>(host: Arc<H>, listener: TcpListener, stop: impl Future<Output = ()>) {
    let registry = Registry::new();
    let (seats, surplus) = (Arc::new(Semaphore::new(CONNECTIONS_MAX)), Arc::new(Semaphore::new(SURPLUS_MAX)));
    let mut tasks = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = tasks.join_next() => continue,
            _ = &mut stop => break,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Answers are written whole, so waiting for more to send only delays them. A socket already closed fails here: no matter.
        let _ = stream.set_nodelay(true);
        let (host, registry) = (host.clone(), registry.clone());
        if let Ok(seat) = seats.clone().try_acquire_owned() {
            tasks.spawn(async move {
                converse(host, registry, stream).await;
                drop(seat);
            });
        } else if let Ok(seat) = surplus.clone().try_acquire_owned() {
            tasks.spawn(async move {
                turn_away(&registry, stream).await;
                drop(seat);
            });
        }
    }
    drop(listener);
    registry.shut_down();
    let ended = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(SHUTDOWN_TIME, ended).await.is_err() {
        tasks.shutdown().await;
    }
}

/// Serves one client over any byte stream, until it or the server ends the conversation.
pub async fn converse<H, S>(host: Arc<H>, registry: Arc<Registry>, stream: S)
where
    H: Host,
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut socket = Socket::new(stream);
    match begin(&mut socket, &registry).await {
        Ok(None) | Err(Failure::Gone) => {}
        Err(Failure::Fatal(e) | Failure::Statement(e)) => refuse(socket, &e).await,
        Ok(Some(asked)) => match host.session(&asked.user, &asked.database, &asked.settings) {
            Err(e) => refuse(socket, &e).await,
            Ok(session) => match registry.open(session.process_id(), asked.long_secret, session.canceller()) {
                Some(line) => {
                    let _leave = Leave(&registry, &line);
                    Connection::new(session, socket, line.clone()).run(&line).await;
                }
                None => {
                    if let Failure::Fatal(e) = shutting_down() {
                        refuse(socket, &e).await;
                    }
                }
            },
        },
    }
}

/// Takes the line out of the registry however the conversation ends, even when its task is dropped.
struct Leave<'a>(&'a Registry, &'a Arc<super::registry::Line>);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.close(self.1);
    }
}

async fn begin<S>(socket: &mut Socket<S>, registry: &Registry) -> Step<Option<startup::Startup>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    tokio::time::timeout(STARTUP_TIME, startup::negotiate(socket, registry)).await.unwrap_or(Err(Failure::Gone))
}

async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(mut socket: Socket<S>, e: &Error) {
    write::error(&mut socket.out, "FATAL", e);
    socket.close().await;
}

async fn turn_away<S: AsyncRead + AsyncWrite + Unpin>(registry: &Registry, stream: S) {
    let mut socket = Socket::new(stream);
    if let Ok(Some(_)) = begin(&mut socket, registry).await {
        let e = Error::new(code::TOO_MANY_CONNECTIONS, "sorry, too many clients already")
            .detail(format!("At most {CONNECTIONS_MAX} connections are served at one time."));
        refuse(socket, &e).await;
    }
}
