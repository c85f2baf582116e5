//! Lets clients in, and ends them all.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::backend::{Backend, Host, STARTUP_TIME};
use super::connection::Connection;
use super::door::{self, Door, Origin, Peer};
use super::interrupt::{Failure, Step, shutting_down};
use super::listen::{Incoming, Listener};
use super::registry::Registry;
use super::socket::Socket;
use super::startup::{self, Opening, Startup};
use super::write;
use crate::engine::signal::Reach;
use crate::error::{Error, Result, code};
use crate::limits::CONNECTIONS_MAX;

/// How long sessions may take to end when the server shuts down; then they are dropped.
const SHUTDOWN_TIME: Duration = Duration::from_secs(10);
/// How long to wait after the operating system refused to accept (out of file descriptors, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections above the limit that are talked to at one time, to take cancel requests and to be told 53300.
const SURPLUS_MAX: usize = 64;

/// Accepts connections until `stop` completes; then tells all sessions 57P01 and waits for them to end, a limited time.
pub async fn serve<H: Host>(host: Arc<H>, listener: Listener, door: Arc<Door>, stop: impl Future<Output = ()>) {
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
        let Ok(incoming) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (host, registry, door) = (host.clone(), registry.clone(), door.clone());
        if let Ok(seat) = seats.clone().try_acquire_owned() {
            tasks.spawn(async move {
                match incoming {
                    Incoming::Network(stream) => receive(host, registry, door, stream).await,
                    Incoming::Local(stream) => receive_local(host, &registry, &door, stream).await,
                }
                drop(seat);
            });
        } else if let Ok(seat) = surplus.clone().try_acquire_owned() {
            tasks.spawn(async move {
                match incoming {
                    Incoming::Network(stream) => turn_away(&registry, stream).await,
                    Incoming::Local(stream) => turn_away(&registry, stream).await,
                }
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

/// Serves one client over any byte stream, until it or the server ends the conversation. It is asked for nothing: who holds the other
/// end is in this process.
pub async fn converse<H, S>(host: Arc<H>, registry: Arc<Registry>, stream: S)
where
    H: Host,
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut socket = Socket::new(stream);
    let begun = in_time(host.startup_time(), startup::negotiate(&mut socket, &registry, false)).await;
    match begun {
        Ok(Opening::Startup(asked)) => {
            let session = host.owner_session(&asked.user, &asked.database, &asked.settings).map(Box::new);
            talk(session, &registry, socket, &asked).await;
        }
        Err(Failure::Fatal(e) | Failure::Statement(e)) => refuse(socket, &e).await,
        Ok(_) | Err(Failure::Gone) => {}
    }
}

/// Serves one client that came in over the socket of this machine, where nobody listens in: TLS is not spoken there.
async fn receive_local<H: Host>(host: Arc<H>, registry: &Registry, door: &Door, stream: UnixStream) {
    let user = stream.peer_cred().ok().and_then(|other| door::user_name(other.uid()));
    enter(host, registry, door, Socket::new(stream), Peer { origin: Origin::Local { user }, tls: None }).await;
}

/// Serves one client that came in over the port, over TLS if it asks for that.
async fn receive<H: Host>(host: Arc<H>, registry: Arc<Registry>, door: Arc<Door>, stream: TcpStream) {
    let (Ok(peer), Ok(local)) = (stream.peer_addr(), stream.local_addr()) else { return };
    let peer = Peer { origin: Origin::Network { address: peer, local }, tls: None };
    let Some(tls) = door.tls() else { return enter(host, &registry, &door, Socket::new(stream), peer).await };
    let begun = in_time(host.startup_time(), async {
        let mut first = [0];
        if stream.peek(&mut first).await? == 1 && first[0] == TLS_HANDSHAKE {
            return Ok(Begun::Tls(stream, true));
        }
        let mut socket = Socket::new(stream);
        match startup::negotiate(&mut socket, &registry, true).await {
            Ok(Opening::Tls) => match socket.into_stream() {
                Some(stream) => Ok(Begun::Tls(stream, false)),
                // Somebody in between has put words into the client's mouth.
                None => Err(Failure::Gone),
            },
            opening => Ok(Begun::Plain(Box::new(socket), opening)),
        }
    });
    match begun.await {
        Ok(Begun::Tls(stream, direct)) => {
            // A handshake that fails has told the client why, as far as TLS has words for it.
            if let Ok((stream, facts)) = in_time(host.startup_time(), async { Ok(tls.accept(stream, direct).await?) }).await {
                let peer = Peer { tls: Some(facts), ..peer };
                enter(host, &registry, &door, Socket::new(stream), peer).await;
            }
        }
        Ok(Begun::Plain(socket, opening)) => go_on(host, &registry, &door, *socket, peer, opening).await,
        Err(_) => {}
    }
}

/// The first byte of a TLS connection: a record with a handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// How a connection began, where TLS is spoken.
enum Begun {
    /// With TLS; at once if true.
    Tls(TcpStream, bool),
    Plain(Box<Socket<TcpStream>>, Step<Opening>),
}

async fn enter<H, S>(host: Arc<H>, registry: &Registry, door: &Door, mut socket: Socket<S>, peer: Peer)
where
    H: Host,
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let opening = in_time(host.startup_time(), startup::negotiate(&mut socket, registry, false)).await;
    go_on(host, registry, door, socket, peer, opening).await;
}

async fn go_on<H, S>(host: Arc<H>, registry: &Registry, door: &Door, mut socket: Socket<S>, peer: Peer, opening: Step<Opening>)
where
    H: Host,
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let admitted = match opening {
        Ok(Opening::Startup(asked)) => in_time(host.startup_time(), door::authenticate(&mut socket, host.as_ref(), door, &asked, &peer))
            .await
            .map(|shown| Some((asked, shown))),
        Ok(_) => Ok(None),
        Err(failure) => Err(failure),
    };
    match admitted {
        Ok(Some((asked, shown))) => {
            let begin = if shown { H::shown_session } else { H::session };
            let session = begin(&host, &asked.user, &asked.database, &asked.settings).map(Box::new);
            if let (Ok(session), Origin::Network { address, local }) = (&session, &peer.origin) {
                session.came_from(*address, *local);
            }
            talk(session, registry, socket, &asked).await;
        }
        Err(Failure::Fatal(e) | Failure::Statement(e)) => refuse(socket, &e).await,
        Ok(None) | Err(Failure::Gone) => {}
    }
}

/// The conversation itself, with a session if there is one. It comes in a box: a future has room for each place that a value is moved to.
async fn talk<B, S>(session: Result<Box<B>>, registry: &Registry, socket: Socket<S>, asked: &Startup)
where
    B: Backend,
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let session = match session {
        Ok(session) => session,
        Err(e) => return refuse(socket, &e).await,
    };
    match registry.open(session.process_id(), asked.long_secret, session.canceller()) {
        Some(line) => {
            let _leave = Leave(registry, &line);
            let (cancelled, ended) = (line.clone(), line.clone());
            session.reached_by(Reach { cancel: Box::new(move || cancelled.cancel()), end: Box::new(move || ended.end()) });
            Connection::new(*session, socket, line.clone()).run(&line).await;
        }
        None => {
            if let Failure::Fatal(e) = shutting_down() {
                refuse(socket, &e).await;
            }
        }
    }
}

/// Takes the line out of the registry however the conversation ends, even when its task is dropped.
struct Leave<'a>(&'a Registry, &'a Arc<super::registry::Line>);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.close(self.1);
    }
}

/// A step before the client is let in, which must not take for ever.
async fn in_time<T>(most: Duration, step: impl Future<Output = Step<T>>) -> Step<T> {
    tokio::time::timeout(most, step).await.unwrap_or(Err(Failure::Gone))
}

async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(mut socket: Socket<S>, e: &Error) {
    write::error(&mut socket.out, "FATAL", e);
    socket.close().await;
}

async fn turn_away<S: AsyncRead + AsyncWrite + Unpin>(registry: &Registry, stream: S) {
    let mut socket = Socket::new(stream);
    if let Ok(Opening::Startup(_)) = in_time(STARTUP_TIME, startup::negotiate(&mut socket, registry, false)).await {
        let e = Error::new(code::TOO_MANY_CONNECTIONS, "sorry, too many clients already")
            .detail(format!("At most {CONNECTIONS_MAX} connections are served at one time."));
        refuse(socket, &e).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;

    /// Size of the future that such a function makes.
    fn future_bytes<A, B, C, D, F: Future>(_: impl FnOnce(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn the_task_of_a_connection_is_small() {
        let bytes = future_bytes(receive::<Engine>);
        assert!(bytes <= 12 << 10, "{bytes} bytes for each connection, however idle");
    }
}
