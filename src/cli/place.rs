//! Where a script runs, and as whom: a server, or an engine in this process. [`Place::connect`] begins a session there.

use std::fmt::Display;
use std::path::Path;
use std::rc::Rc;

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::{TcpStream, UnixStream};

use super::client::Client;
use crate::error::{Error, Result, code};
use crate::wire::listen::socket_path;

/// What a session is spoken over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// The way to new sessions.
pub(super) enum Way {
    /// To a server at this host and port; a host with a slash at its front is the directory of a socket.
    Server { host: String, port: String },
    /// To an engine in this process: begins a session and gives our end of the pipe to it.
    Process(Rc<dyn Fn() -> DuplexStream>),
}

/// A way to sessions, and what they are begun with.
pub(super) struct Place {
    pub way: Way,
    pub user: String,
    pub database: String,
    pub password: Option<String>,
    /// Settings that each session begins with.
    pub settings: &'static [(&'static str, &'static str)],
}

impl Place {
    /// Begins a session. Errors: 08006 if nobody answers; what the server says against it.
    pub async fn connect(&self) -> Result<Client> {
        let stream: Box<dyn Stream> = match &self.way {
            Way::Process(begin) => Box::new(begin()),
            Way::Server { host, port } => reach(host, port).await?,
        };
        Client::connect(stream, self).await
    }

    /// Host and port; empty in this process.
    pub fn address(&self) -> (&str, &str) {
        match &self.way {
            Way::Server { host, port } => (host, port),
            Way::Process(_) => ("", ""),
        }
    }

    /// `on host ".." at port ".."`, or that it is this process.
    pub fn whereabouts(&self) -> String {
        match &self.way {
            Way::Server { host, port } => format!("on host \"{host}\" at port \"{port}\""),
            Way::Process(_) => "in this process".to_string(),
        }
    }
}

async fn reach(host: &str, port: &str) -> Result<Box<dyn Stream>> {
    if host.starts_with('/') {
        let path = socket_path(Path::new(host), port);
        return Ok(Box::new(UnixStream::connect(&path).await.map_err(|e| no_answer(path.display(), &e))?));
    }
    // An address of version 6 has brackets in `host:port`.
    let address = if host.contains(':') && !host.starts_with('[') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let stream = TcpStream::connect(&address).await.map_err(|e| no_answer(&address, &e))?;
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}

fn no_answer(place: impl Display, e: &std::io::Error) -> Error {
    Error::new(code::CONNECTION_FAILURE, format!("could not connect to {place}: {e}"))
        .hint("Is the server running? Start it with: everfold serve")
}
