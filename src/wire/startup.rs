//! From the first byte to a user and a database: encryption requests, cancel requests, protocol version, settings.
//!
//! Manual: PostgreSQL, "Message Flow", "Start-up".

use tokio::io::{AsyncRead, AsyncWrite};

use super::interrupt::{Failure, Step};
use super::read::{Reader, protocol};
use super::registry::Registry;
use super::socket::Socket;
use super::write;
use crate::error::{Error, Result, code};

const CANCEL_REQUEST: i32 = 80_877_102;
const SSL_REQUEST: i32 = 80_877_103;
const GSSENC_REQUEST: i32 = 80_877_104;
/// The newest protocol version spoken: 3.2.
const NEWEST: i32 = 3 << 16 | 2;
/// Encryption requests answered in one connection; a client asks for SSL and GSS once each.
const ENCRYPTION_REQUESTS_MAX: usize = 2;

/// What a client asked for in its startup message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Startup {
    pub user: String,
    pub database: String,
    /// The other parameters, as they came.
    pub settings: Vec<(String, String)>,
    /// From protocol 3.2 on, the secret of a connection may be longer than 4 bytes.
    pub long_secret: bool,
}

/// What a client begins with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// It brought a cancel request only.
    Cancel,
    /// It asked for TLS, and was told to begin.
    Tls,
    Startup(Startup),
}

/// Reads up to the startup message; writes NegotiateProtocolVersion if need be. With `tls` a request for TLS is
/// granted, and ends the reading. Errors: fatal, 08P01, 0A000, 28000.
pub(crate) async fn negotiate<S>(socket: &mut Socket<S>, registry: &Registry, tls: bool) -> Step<Opening>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    for _ in 0..=ENCRYPTION_REQUESTS_MAX {
        let message = loop {
            match socket.startup_message().map_err(Failure::Fatal)? {
                Some(message) => break message,
                None if socket.fill().await? => {}
                None => return Err(Failure::Gone),
            }
        };
        let mut r = Reader::new(&message.body);
        match r.i32().map_err(Failure::Fatal)? {
            SSL_REQUEST if tls => {
                socket.put_byte(b'S');
                socket.flush().await?;
                return Ok(Opening::Tls);
            }
            SSL_REQUEST | GSSENC_REQUEST => {
                socket.put_byte(b'N');
                socket.flush().await?;
            }
            CANCEL_REQUEST => {
                if let Ok(process_id) = r.i32() {
                    registry.cancel(process_id, r.rest());
                }
                return Ok(Opening::Cancel);
            }
            version => return startup(version, r, socket).map(Opening::Startup).map_err(Failure::Fatal),
        }
    }
    Err(Failure::Fatal(protocol("too many encryption requests")))
}

fn startup<S: AsyncRead + AsyncWrite + Unpin>(version: i32, mut r: Reader<'_>, socket: &mut Socket<S>) -> Result<Startup> {
    let (major, minor) = (version >> 16, version & 0xffff);
    if major != 3 {
        let message = format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.2");
        return Err(Error::unsupported(message).hint("Connect with a client of PostgreSQL 7.4 or later, to this port without TLS."));
    }
    let (startup, unknown) = parameters(&mut r, version)?;
    if version > NEWEST || !unknown.is_empty() {
        write::negotiate_version(&mut socket.out, version.min(NEWEST), &unknown);
    }
    Ok(startup)
}

/// The parameters, and the protocol options among them that are not known.
fn parameters(r: &mut Reader<'_>, version: i32) -> Result<(Startup, Vec<String>)> {
    let (mut user, mut database, mut settings, mut unknown) = (None, None, Vec::new(), Vec::new());
    loop {
        let name = r.text()?;
        if name.is_empty() {
            break;
        }
        let value = r.text()?.to_string();
        match name {
            "user" => user = Some(value),
            "database" => database = Some(value),
            "replication" if !matches!(value.as_str(), "false" | "off" | "no" | "0") => {
                return Err(Error::unsupported("replication connections are not supported").hint("Read changes with SQL instead."));
            }
            "replication" => {}
            _ if name.starts_with("_pq_.") => unknown.push(name.to_string()),
            _ => settings.push((name.to_string(), value)),
        }
    }
    r.end()?;
    let missing = || Error::new(code::INVALID_AUTHORIZATION, "no PostgreSQL user name specified in startup packet");
    let user = user.filter(|u| !u.is_empty()).ok_or_else(missing)?;
    let database = database.filter(|d| !d.is_empty()).unwrap_or_else(|| user.clone());
    Ok((Startup { user, database, settings, long_secret: version >= NEWEST }, unknown))
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, BytesMut};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    fn packet(version: i32, pairs: &[(&str, &str)]) -> BytesMut {
        let mut body = BytesMut::new();
        body.put_i32(version);
        for (k, v) in pairs {
            body.put_slice(k.as_bytes());
            body.put_u8(0);
            body.put_slice(v.as_bytes());
            body.put_u8(0);
        }
        body.put_u8(0);
        let mut packet = BytesMut::new();
        packet.put_i32(body.len() as i32 + 4);
        packet.put_slice(&body);
        packet
    }

    async fn ask(bytes: &[u8]) -> (Step<Opening>, Vec<u8>) {
        ask_of(bytes, false).await
    }

    fn started(opening: Step<Opening>) -> Startup {
        match opening {
            Ok(Opening::Startup(startup)) => startup,
            other => panic!("{other:?}"),
        }
    }

    async fn ask_of(bytes: &[u8], tls: bool) -> (Step<Opening>, Vec<u8>) {
        let (mut client, server) = duplex(4096);
        client.write_all(bytes).await.unwrap();
        let mut socket = Socket::new(server);
        let result = negotiate(&mut socket, &Registry::new(), tls).await;
        socket.flush().await.unwrap();
        drop(socket);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        (result, answer)
    }

    #[tokio::test]
    async fn encryption_is_declined_and_the_startup_read() {
        let mut bytes = BytesMut::from(&b"\0\0\0\x08\x04\xd2\x16\x2f\0\0\0\x08\x04\xd2\x16\x30"[..]);
        bytes.unsplit(packet(3 << 16, &[("user", "ann"), ("application_name", "psql")]));
        let (result, answer) = ask(&bytes).await;
        let startup = started(result);
        assert_eq!((startup.user.as_str(), startup.database.as_str(), startup.long_secret), ("ann", "ann", false));
        assert_eq!(startup.settings, [("application_name".to_string(), "psql".to_string())]);
        assert_eq!(answer, b"NN");
        let (result, answer) = ask_of(b"\0\0\0\x08\x04\xd2\x16\x2f", true).await;
        assert_eq!((result.unwrap(), answer.as_slice()), (Opening::Tls, &b"S"[..]));
    }

    #[tokio::test]
    async fn a_newer_minor_version_and_unknown_options_are_negotiated() {
        let (result, answer) = ask(&packet(3 << 16 | 9999, &[("user", "ann"), ("database", "d"), ("_pq_.x", "1")])).await;
        assert!(started(result).long_secret);
        assert_eq!(answer, b"v\0\0\0\x13\0\x03\0\x02\0\0\0\x01_pq_.x\0");
        let (result, answer) = ask(&packet(3 << 16 | 2, &[("user", "ann")])).await;
        assert!(started(result).long_secret && answer.is_empty());
    }

    #[tokio::test]
    async fn what_cannot_be_served_is_a_fatal_error() {
        let code_of = |result: Step<Opening>| match result {
            Err(Failure::Fatal(e)) => e.code(),
            other => panic!("{other:?}"),
        };
        assert_eq!(code_of(ask(&packet(2 << 16, &[("user", "ann")])).await.0), "0A000");
        assert_eq!(code_of(ask(&packet(3 << 16, &[("database", "d")])).await.0), "28000");
        assert_eq!(code_of(ask(&packet(3 << 16, &[("user", "a"), ("replication", "database")])).await.0), "0A000");
        assert_eq!(code_of(ask(b"\0\0\0\x0a\0\x03\0\0us").await.0), "08P01");
    }
}
