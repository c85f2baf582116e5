//! TLS: with psql, whose libpq binds SCRAM to the connection, and with rustls where a client has to misbehave.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{FIRST, run};
use crate::support::programs::available;
use crate::support::server::Server;

/// An authority and what it signs, as files of a directory.
struct Authority {
    directory: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let directory = tempfile::tempdir().unwrap();
        let mut parameters = CertificateParams::new(vec![]).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, "Test Authority");
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        std::fs::write(directory.path().join("ca.pem"), certificate.pem()).unwrap();
        Authority { directory, issuer: Issuer::new(parameters, key) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes `name.pem` and `name.key`: a certificate of `localhost` and this common name, good up to a year.
    fn sign(&self, name: &str, common_name: &str, year: i32) -> (PathBuf, PathBuf) {
        self.sign_into(self.directory.path(), name, common_name, year)
    }

    fn sign_into(&self, directory: &Path, name: &str, common_name: &str, year: i32) -> (PathBuf, PathBuf) {
        let mut parameters = CertificateParams::new(vec!["localhost".to_string(), "127.0.0.1".to_string()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2000, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(year, 1, 1);
        parameters.distinguished_name.push(DnType::CommonName, common_name);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        let (pem, secret) = (directory.join(format!("{name}.pem")), directory.join(format!("{name}.key")));
        std::fs::write(&pem, certificate.pem()).unwrap();
        std::fs::write(&secret, key.serialize_pem()).unwrap();
        // libpq refuses a key that others can read.
        std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        (pem, secret)
    }
}

fn serve(authority: &Authority, year: i32, more: &[&str]) -> Server {
    let (pem, key) = authority.sign("server", "localhost", year);
    let (pem, key) = (pem.display().to_string(), key.display().to_string());
    let server = Server::start_with(&[&["--tls-cert", &pem, "--tls-key", &key], more].concat());
    run(&mut server.connect(), &[FIRST, "CREATE ROLE guest LOGIN"]);
    server
}

/// What psql says to `SELECT 1` with these connection options: true if it was let in.
fn psql(server: &Server, user: &str, options: &str) -> (bool, String) {
    let dsn = format!("host=localhost hostaddr=127.0.0.1 port={} user={user} dbname=shop {options}", server.address.port());
    let output =
        Command::new("psql").args(["-XAtc", "SELECT 1", &dsn]).env("PGPASSWORD", "first secret").env_remove("PGSSLMODE").output().unwrap();
    (output.status.success(), format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn psql_verifies_the_server_and_binds_its_password_to_the_connection() {
    if !available("psql", &["--version"], "the test of TLS with psql") {
        return;
    }
    let authority = Authority::new();
    let server = serve(&authority, 2090, &[]);
    let root = authority.path("ca.pem").display().to_string();
    let (well, text) = psql(&server, "admin", &format!("sslmode=verify-full sslrootcert={root} channel_binding=require"));
    assert!(well && text == "1\n", "{text}");
    assert!(psql(&server, "admin", "sslmode=disable").0);
    let (well, text) = psql(&server, "admin", &format!("sslmode=verify-full sslrootcert={root} password=wrong"));
    assert!(!well && text.contains("password authentication failed"), "{text}");
}

#[test]
fn an_expired_certificate_is_warned_of_and_refused_by_the_client() {
    if !available("psql", &["--version"], "the test of an expired certificate with psql") {
        return;
    }
    let authority = Authority::new();
    let server = serve(&authority, 2001, &[]);
    let root = authority.path("ca.pem").display().to_string();
    let (well, text) = psql(&server, "admin", &format!("sslmode=verify-full sslrootcert={root}"));
    assert!(!well && text.contains("certificate"), "{text}");
    let (_, _, errors) = server.terminate();
    assert!(errors.contains("has expired: clients will refuse it"), "{errors}");
}

/// A TLS connection to the server as rustls makes it, trusting `authority`; `direct` begins with TLS at once.
async fn connect(server: &Server, authority: &Authority, direct: bool, alpn: &[&[u8]]) -> std::io::Result<TlsStream<TcpStream>> {
    use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority.path("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
    let mut stream = TcpStream::connect(server.address).await?;
    if !direct {
        stream.write_all(b"\0\0\0\x08\x04\xd2\x16\x2f").await?;
        assert_eq!(stream.read_u8().await?, b'S');
    }
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

async fn startup<S: AsyncWriteExt + AsyncReadExt + Unpin>(stream: &mut S) -> Vec<u8> {
    let body = b"\0\x03\0\0user\0admin\0\0";
    stream.write_all(&[&(body.len() as u32 + 4).to_be_bytes(), &body[..]].concat()).await.unwrap();
    message(stream).await
}

async fn message<S: AsyncReadExt + Unpin>(stream: &mut S) -> Vec<u8> {
    let mut head = [0; 5];
    stream.read_exact(&mut head).await.unwrap();
    let mut body = vec![0; u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize - 4];
    stream.read_exact(&mut body).await.unwrap();
    [&head[..1], &body].concat()
}

#[tokio::test]
async fn a_downgraded_client_is_refused() {
    let authority = Authority::new();
    let server = serve(&authority, 2090, &[]);
    let mut stream = connect(&server, &authority, false, &[]).await.unwrap();
    assert_eq!(startup(&mut stream).await, b"R\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0");
    // As if somebody in between had taken PLUS out of the list.
    let first = b"y,,n=,r=x";
    let body = [b"SCRAM-SHA-256\0", &(first.len() as u32).to_be_bytes()[..], first].concat();
    stream.write_all(&[b"p", &(body.len() as u32 + 4).to_be_bytes()[..], &body].concat()).await.unwrap();
    let answer = String::from_utf8_lossy(&message(&mut stream).await).into_owned();
    assert!(answer.starts_with('E') && answer.contains("C28000") && answer.contains("SCRAM channel binding negotiation error"), "{answer}");
}

#[tokio::test]
async fn tls_at_once_needs_the_name_of_the_protocol() {
    let authority = Authority::new();
    let server = serve(&authority, 2090, &[]);
    let mut stream = connect(&server, &authority, true, &[b"postgresql"]).await.unwrap();
    assert!(startup(&mut stream).await.starts_with(b"R\0\0\0\x0a"));
    if let Ok(mut stream) = connect(&server, &authority, true, &[]).await {
        assert!(!matches!(stream.read(&mut [0; 1]).await, Ok(1..)));
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_in_force_without_a_restart() {
    let (old, new) = (Authority::new(), Authority::new());
    let server = serve(&old, 2090, &[]);
    assert!(connect(&server, &old, false, &[]).await.is_ok());
    assert!(connect(&server, &new, false, &[]).await.is_err());
    new.sign_into(old.directory.path(), "server", "localhost", 2091);
    assert!(connect(&server, &new, false, &[]).await.is_ok());
    assert!(connect(&server, &old, false, &[]).await.is_err());
    // One that is broken changes nothing.
    std::fs::write(old.path("server.pem"), "nonsense").unwrap();
    assert!(connect(&server, &new, false, &[]).await.is_ok());
    let (_, _, errors) = server.terminate();
    assert!(errors.contains("the certificate stays as it was"), "{errors}");
}

#[test]
fn a_client_shows_who_it_is_by_its_certificate() {
    if !available("psql", &["--version"], "the test of client certificates with psql") {
        return;
    }
    let authority = Authority::new();
    let root = authority.path("ca.pem").display().to_string();
    let rules = authority.path("hba.conf");
    std::fs::write(&rules, "hostssl all robot all cert\nhostnossl all admin all reject\nhost all all all scram-sha-256\n").unwrap();
    let server = serve(&authority, 2090, &["--tls-client-ca", &root, "--hba-file", &rules.display().to_string()]);
    let (pem, key) = authority.sign("robot", "robot", 2090);
    let shown = format!("sslmode=verify-full sslrootcert={root} sslcert={} sslkey={}", pem.display(), key.display());
    // The role does not exist yet; the certificate is good.
    let (well, text) = psql(&server, "robot", &shown);
    assert!(!well && text.contains("role \"robot\" does not exist"), "{text}");
    let (well, text) = psql(&server, "robot", &format!("sslmode=verify-full sslrootcert={root} sslcert=none"));
    assert!(!well && text.contains("connection requires a valid client certificate"), "{text}");
    let (well, text) = psql(&server, "admin", &format!("sslmode=verify-full sslrootcert={root}"));
    assert!(well, "{text}");
    let (well, text) = psql(&server, "admin", "sslmode=disable");
    assert!(!well && text.contains("pg_hba.conf rejects connection"), "{text}");
}

#[test]
fn a_certificate_that_is_no_good_lets_nobody_in() {
    if !available("psql", &["--version"], "the test of certificates that are no good with psql") {
        return;
    }
    let (authority, other) = (Authority::new(), Authority::new());
    let root = authority.path("ca.pem").display().to_string();
    let rules = authority.path("hba.conf");
    std::fs::write(&rules, "hostssl all guest all cert\nhost all all all scram-sha-256\n").unwrap();
    let server = serve(&authority, 2090, &["--tls-client-ca", &root, "--hba-file", &rules.display().to_string()]);
    let shown = |by: &Authority, file: &str, common_name: &str, year: i32| {
        let (pem, key) = by.sign(file, common_name, year);
        format!("sslmode=verify-full sslrootcert={root} sslcert={} sslkey={}", pem.display(), key.display())
    };
    assert_eq!(psql(&server, "guest", &shown(&authority, "good", "guest", 2090)), (true, "1\n".to_string()));
    for (what, options) in [
        ("has expired", shown(&authority, "late", "guest", 2001)),
        ("is of an authority that the server does not know", shown(&other, "foreign", "guest", 2090)),
    ] {
        // The handshake fails, before there is a user to speak of.
        let (well, text) = psql(&server, "guest", &options);
        assert!(!well && !text.contains("guest\""), "one that {what}: {text}");
    }
    let (well, text) = psql(&server, "guest", &shown(&authority, "admin", "admin", 2090));
    assert!(!well && text.contains("certificate authentication failed for user \"guest\""), "{text}");
}
