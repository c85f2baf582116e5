//! Where clients come in: a TCP port, and a socket in a directory for those on this machine.
//!
//! The socket is called as PostgreSQL's is, `.s.PGSQL.` and the port, since that is where clients look for it. It goes when the server
//! ends. One that was left by a server which was killed is taken over, once nobody answers there; one that answers is not touched.

use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};

use crate::error::{Error, Result, code};

/// Connections that the operating system holds until they are accepted: all that are served may come at one time. One for which there is no
/// room tries again after a second.
const BACKLOG: u32 = 4_096;
/// Who may connect to the socket: all users of this machine, as they may to the port. What they may do is for the door to say.
const SOCKET_MODE: u32 = 0o777;

/// The port, and the socket if there is one.
pub struct Listener {
    port: TcpListener,
    socket: Option<SocketFile>,
}

/// A connection as it came in.
pub(super) enum Incoming {
    Network(TcpStream),
    Local(UnixStream),
}

/// A socket that has a name among the files, until it is dropped.
struct SocketFile {
    listener: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Listens on a port, and in `directory` if there is one. Errors: 55006 for one that is in use, 58030.
    pub async fn open(address: SocketAddr, directory: Option<&Path>) -> Result<Listener> {
        let port = listen(address).map_err(|e| match e.kind() {
            std::io::ErrorKind::AddrInUse => in_use(address.to_string(), "choose a port with --listen"),
            _ => Error::new(code::IO_ERROR, format!("could not listen on {address}: {e}")),
        })?;
        let socket = match directory {
            Some(directory) => Some(SocketFile::open(directory, port.local_addr()?.port()).await?),
            None => None,
        };
        Ok(Listener { port, socket })
    }

    /// The address of the port.
    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.port.local_addr()?)
    }

    /// The next connection. Nothing is lost if it is dropped.
    pub(super) async fn accept(&self) -> std::io::Result<Incoming> {
        let Some(socket) = &self.socket else { return self.on_port().await };
        tokio::select! {
            accepted = self.on_port() => accepted,
            accepted = socket.listener.accept() => Ok(Incoming::Local(accepted?.0)),
        }
    }

    async fn on_port(&self) -> std::io::Result<Incoming> {
        let (stream, _) = self.port.accept().await?;
        // Answers are written whole, so waiting for more to send only delays them. A socket already closed fails here: no matter.
        let _ = stream.set_nodelay(true);
        Ok(Incoming::Network(stream))
    }
}

impl SocketFile {
    async fn open(directory: &Path, port: u16) -> Result<SocketFile> {
        let path = socket_path(directory, port);
        if is_served(&path).await {
            return Err(in_use(path.display().to_string(), "choose another directory with --unix-socket-directory"));
        }
        let bound = remove_socket(&path)
            .and_then(|()| UnixListener::bind(&path))
            .and_then(|listener| std::fs::set_permissions(&path, PermissionsExt::from_mode(SOCKET_MODE)).map(|()| listener));
        match bound {
            Ok(listener) => Ok(SocketFile { listener, path }),
            Err(e) => Err(Error::new(code::IO_ERROR, format!("could not listen on {}: {e}", path.display()))),
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Whoever has removed it already has done no harm.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// True if a server is behind a socket. One that has too much to do to answer, or answers others only, is.
async fn is_served(path: &Path) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, NotFound};
    UnixStream::connect(path)
        .await
        .err()
        .is_none_or(|e| std::fs::metadata(path).is_ok() && !matches!(e.kind(), ConnectionRefused | NotFound))
}

/// Removes a socket, if there is one. Whatever else has its name stays, and is in the way.
fn remove_socket(path: &Path) -> std::io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(file) if file.file_type().is_socket() => std::fs::remove_file(path),
        _ => Ok(()),
    }
}

/// The file of the socket in a directory that belongs to a port.
pub fn socket_path(directory: &Path, port: impl std::fmt::Display) -> PathBuf {
    directory.join(format!(".s.PGSQL.{port}"))
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A server that starts again need not wait for the connections of the one before to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn in_use(what: String, otherwise: &str) -> Error {
    Error::new(code::OBJECT_IN_USE, format!("could not listen on {what}: address already in use"))
        .hint(format!("Is another Everfold running there? If not, wait a few seconds and retry; or {otherwise}."))
}

/// Errors: 28000 for an address that others than this machine can reach, while nobody is asked for a password.
pub fn check_exposure(address: SocketAddr, asks_for_passwords: bool) -> Result<()> {
    if address.ip().to_canonical().is_loopback() || asks_for_passwords {
        return Ok(());
    }
    let message = format!("refusing to listen on {address}: there are no roles and passwords yet, so anybody could come in");
    Err(Error::new(code::INVALID_AUTHORIZATION, message).hint(
        "Listen on 127.0.0.1 first and CREATE ROLE admin LOGIN SUPERUSER PASSWORD '..'; or let other machines in through an SSH tunnel.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_taken_over_only_where_nobody_answers() {
        let directory = tempfile::tempdir().unwrap();
        let path = socket_path(directory.path(), 1);
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a server that was killed leaves it");
        let first = SocketFile::open(directory.path(), 1).await.unwrap();
        let second = SocketFile::open(directory.path(), 1).await.err().unwrap();
        assert_eq!(second.code(), code::OBJECT_IN_USE);
        drop(first);
        assert!(!path.exists());
        std::fs::write(&path, "no socket").unwrap();
        assert_eq!(SocketFile::open(directory.path(), 1).await.err().unwrap().code(), code::IO_ERROR);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "no socket");
        let missing = SocketFile::open(&directory.path().join("none"), 1).await.err().unwrap();
        assert_eq!(missing.code(), code::IO_ERROR);
    }
}
