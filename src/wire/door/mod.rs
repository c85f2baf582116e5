//! The door: who may knock, how they show who they are, and TLS.
//!
//! The life of a connection that comes in over a socket (one of this machine begins at 2):
//! 1. The first byte tells TLS at once from PostgreSQL's own startup; SSLRequest is answered `S` if there is a certificate ([`tls`]).
//! 2. The startup message names user and database; the first of the [`rules`] that fits the way it came, encryption, both names decides.
//! 3. [`authenticate`] asks for what the rule wants: nothing, a password by SCRAM ([`super::scram`]), a client's certificate, that the
//!    operating system knows it by that name.
//! 4. Whether the role exists and may log in, the session says.
//!
//! Invariants: nobody from elsewhere is ever let in for nothing ([`rules::Rules::parse`] refuses such a rule); while no role has a password,
//! everybody on this machine is, unless a rule says otherwise than by a password. Files that cannot be read when the server starts stop it; later, what was in force stays so.

pub(crate) mod certificate;
pub(crate) mod rules;
pub(crate) mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::io::{AsyncRead, AsyncWrite};

use self::rules::{Method, Rules};
use self::tls::Tls;
use super::backend::Host;
use super::interrupt::{Failure, Step};
use super::read::{Reader, protocol};
use super::scram::Exchange;
use super::socket::Socket;
use super::startup::Startup;
use super::write;
use crate::config::Config;
use crate::engine::Candidate;
use crate::error::{Error, Result, code};

/// Largest message that a client sends before it is let in, in bytes.
const SASL_BYTES_MAX: usize = 4_096;
/// The users of this machine.
const USERS: &str = "/etc/passwd";

/// The rules and the certificate in force.
pub struct Door {
    rules: ArcSwap<Rules>,
    hba_file: Option<PathBuf>,
    tls: Option<Tls>,
}

/// Who is at the other end.
pub(crate) struct Peer {
    pub origin: Origin,
    pub tls: Option<tls::Facts>,
}

/// The way it came.
pub(crate) enum Origin {
    /// From an address, to one of ours.
    Network { address: SocketAddr, local: SocketAddr },
    /// By the socket among this machine's files; the operating system's user, if it has a name.
    Local { user: Option<String> },
}

impl Origin {
    fn is_this_machine(&self) -> bool {
        match self {
            Origin::Network { address, .. } => address.ip().to_canonical().is_loopback(),
            Origin::Local { .. } => true,
        }
    }
}

impl Door {
    /// The door that the configuration describes. Errors: F0000 with file and line, 58P01.
    pub fn open(config: &Config) -> Result<Door> {
        let tls = match (&config.tls_cert, &config.tls_key) {
            (Some(cert), Some(key)) => Some(Tls::open(cert, key, config.tls_client_ca.as_deref())?),
            (None, None) if config.tls_client_ca.is_none() => None,
            _ => {
                return Err(Error::new(code::CONFIG_FILE_ERROR, "TLS needs both a certificate and its key")
                    .hint("Set tls_cert and tls_key to files in PEM format, or none of them."));
            }
        };
        let door = Door { rules: ArcSwap::from_pointee(Rules::default()), hba_file: config.hba_file.clone(), tls };
        door.read_rules()?;
        Ok(door)
    }

    fn read_rules(&self) -> Result<()> {
        let Some(path) = &self.hba_file else { return Ok(()) };
        let text = std::fs::read_to_string(path)
            .map_err(|e| Error::new(code::UNDEFINED_FILE, format!("could not read \"{}\": {e}", path.display())))?;
        let verifies = self.tls.as_ref().is_some_and(Tls::verifies_clients);
        self.rules.store(Arc::new(Rules::parse(&path.display().to_string(), &text, verifies)?));
        Ok(())
    }

    /// Reads the rules and the certificate again; what is wrong is said on standard error, and what was in force stays so.
    pub fn reload(&self) {
        if let Err(e) = self.read_rules() {
            eprintln!("the rules stay as they were: {e}");
        }
        if let Some(tls) = &self.tls {
            tls.reload();
        }
    }

    /// TLS, if there is a certificate.
    pub(crate) fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// What is not as it should be, but no reason not to start.
    pub fn warnings(&self) -> Vec<String> {
        self.tls.iter().filter_map(Tls::warning).collect()
    }
}

/// Has the client show that it is the user it says it is; true if it had to. Errors: fatal, 28000 where no rule lets it in, 28P01 for a wrong password.
pub(crate) async fn authenticate<H: Host, S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut Socket<S>,
    host: &H,
    door: &Door,
    asked: &Startup,
    peer: &Peer,
) -> Step<bool> {
    let candidate = host.candidate(&asked.user);
    let open = candidate.open && peer.origin.is_this_machine();
    match door.rules.load().decide(asked, peer, &candidate.groups) {
        Ok(Method::Scram) | Err(_) if open => Ok(false),
        decided => {
            let method = decided.map_err(Failure::Fatal)?;
            show(method, socket, asked, candidate, peer).await.map(|()| method != Method::Trust)
        }
    }
}

/// Has it do so by one method.
async fn show<S: AsyncRead + AsyncWrite + Unpin>(
    method: Method,
    socket: &mut Socket<S>,
    asked: &Startup,
    candidate: Candidate,
    peer: &Peer,
) -> Step {
    match method {
        Method::Trust => Ok(()),
        Method::Scram => scram(socket, asked, candidate, peer).await,
        Method::Certificate => certificate(asked, peer).map_err(Failure::Fatal),
        Method::Peer => same_user(asked, peer).map_err(Failure::Fatal),
        Method::Reject => Err(Failure::Fatal(rules::rejected(asked, peer))),
    }
}

fn certificate(asked: &Startup, peer: &Peer) -> Result<()> {
    let refused = |message: String| Err(Error::new(code::INVALID_AUTHORIZATION, message));
    match peer.tls.as_ref().and_then(|tls| tls.client.as_ref()) {
        None => refused("connection requires a valid client certificate".into()),
        Some(name) if *name == asked.user => Ok(()),
        Some(_) => refused(format!("certificate authentication failed for user \"{}\"", asked.user)),
    }
}

fn same_user(asked: &Startup, peer: &Peer) -> Result<()> {
    match &peer.origin {
        Origin::Local { user: Some(user) } if *user == asked.user => Ok(()),
        _ => Err(Error::new(code::INVALID_AUTHORIZATION, format!("Peer authentication failed for user \"{}\"", asked.user))),
    }
}

/// The name of one of the operating system's users, as this machine's own list has it.
pub(crate) fn user_name(id: u32) -> Option<String> {
    named(&std::fs::read_to_string(USERS).ok()?, id)
}

/// Manual: passwd(5): name, password, number, and more, with colons between.
fn named(users: &str, id: u32) -> Option<String> {
    let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    fields.into_iter().find(|of| of.get(2).is_some_and(|number| number.parse() == Ok(id))).map(|of| of[0].to_string())
}

async fn scram<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut Socket<S>, asked: &Startup, candidate: Candidate, peer: &Peer) -> Step {
    let verifier = candidate.role.as_ref().filter(|_| candidate.in_time).and_then(|role| role.password.clone());
    let binding = peer.tls.as_ref().and_then(|tls| tls.binding.clone());
    let mut exchange = Exchange::new(&asked.user, verifier, &candidate.mock_key, binding).map_err(Failure::Fatal)?;
    write::authentication_sasl(&mut socket.out, exchange.mechanisms());
    let message = sasl_message(socket).await?;
    let answer = {
        let mut r = Reader::new(&message);
        let mut begin = |r: &mut Reader<'_>| -> Result<String> {
            let mechanism = r.text()?.to_string();
            let data = r.value()?.ok_or_else(|| protocol("client sent no SCRAM message"))?;
            r.end()?;
            exchange.first(&mechanism, utf8(&data)?)
        };
        begin(&mut r).map_err(Failure::Fatal)?
    };
    write::authentication(&mut socket.out, write::SASL_CONTINUE, answer.as_bytes());
    let message = sasl_message(socket).await?;
    match utf8(&message).and_then(|text| exchange.last(text)).map_err(Failure::Fatal)? {
        Some(answer) => {
            write::authentication(&mut socket.out, write::SASL_FINAL, answer.as_bytes());
            Ok(())
        }
        None => {
            let message = format!("password authentication failed for user \"{}\"", asked.user);
            Err(Failure::Fatal(Error::new(code::INVALID_PASSWORD, message)))
        }
    }
}

async fn sasl_message<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut Socket<S>) -> Step<bytes::Bytes> {
    socket.flush().await?;
    loop {
        match socket.short_message(SASL_BYTES_MAX).map_err(Failure::Fatal)? {
            Some(message) if message.tag == b'p' => return Ok(message.body),
            Some(message) => {
                let text = format!("expected SASL response, got message type {}", message.tag);
                return Err(Failure::Fatal(protocol(text)));
            }
            None if socket.fill().await? => {}
            None => return Err(Failure::Gone),
        }
    }
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| protocol("malformed SCRAM message"))
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn a_user_is_found_by_its_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\n# a comment\nann:x:1000:1000::/home/ann:/bin/sh\n";
        assert_eq!(named(users, 1000).as_deref(), Some("ann"));
        assert_eq!(named(users, 0).as_deref(), Some("root"));
        assert_eq!(named(users, 1), None);
    }
}
