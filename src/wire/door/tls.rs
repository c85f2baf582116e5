//! TLS: the certificate, read again when its files change, and the handshake.
//!
//! Files are looked at when a connection asks for TLS, so a renewed certificate is in force from the next one on, without a restart.
//! Where a new file is no good, the old certificate stays, and that is said once on standard error.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::certificate::{common_name, end_point_hash, ends_us};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Result, code};

/// PostgreSQL's name in ALPN, which a client that begins with TLS has to say.
const ALPN: &[u8] = b"postgresql";

/// The certificate and its key, and who may vouch for clients.
pub(crate) struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    state: Mutex<State>,
}

struct State {
    loaded: Loaded,
    /// The files as they were when last tried.
    stamps: Vec<Stamp>,
}

/// When a file was last written, and its length.
type Stamp = Option<(SystemTime, u64)>;

#[derive(Clone)]
struct Loaded {
    config: Arc<ServerConfig>,
    binding: Option<Vec<u8>>,
    ends_us: Option<i64>,
}

/// What is known of a connection by its TLS.
pub(crate) struct Facts {
    /// What SCRAM binds to.
    pub binding: Option<Vec<u8>>,
    /// The common name of the client's certificate, if it has shown one that is good.
    pub client: Option<String>,
}

impl Tls {
    /// TLS with these files in PEM format. Errors: F0000, 58P01.
    pub fn open(certificate: &Path, key: &Path, client_ca: Option<&Path>) -> Result<Tls> {
        let loaded = load(certificate, key, client_ca)?;
        let tls = Tls {
            certificate: certificate.to_path_buf(),
            key: key.to_path_buf(),
            client_ca: client_ca.map(Path::to_path_buf),
            state: Mutex::new(State { loaded, stamps: vec![] }),
        };
        tls.state.lock().stamps = tls.stamps();
        Ok(tls)
    }

    fn stamps(&self) -> Vec<Stamp> {
        let stamp = |path: &Path| std::fs::metadata(path).ok().and_then(|m| Some((m.modified().ok()?, m.len())));
        [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref()].into_iter().flatten().map(|path| stamp(path)).collect()
    }

    /// Reads the files again.
    pub fn reload(&self) {
        let stamps = self.stamps();
        let loaded = load(&self.certificate, &self.key, self.client_ca.as_deref());
        let mut state = self.state.lock();
        state.stamps = stamps;
        match loaded {
            Ok(loaded) => state.loaded = loaded,
            Err(e) => eprintln!("the certificate stays as it was: {e}"),
        }
    }

    fn current(&self) -> Loaded {
        if self.stamps() != self.state.lock().stamps {
            self.reload();
        }
        self.state.lock().loaded.clone()
    }

    /// True if clients may show certificates.
    pub fn verifies_clients(&self) -> bool {
        self.client_ca.is_some()
    }

    /// What is to be said about the certificate when the server starts.
    pub fn warning(&self) -> Option<String> {
        let ends = self.state.lock().loaded.ends_us?;
        (ends < SystemClock.now_us())
            .then(|| format!("the certificate in {} has expired: clients will refuse it", self.certificate.display()))
    }

    /// The handshake; with `direct` the client began with TLS at once, and has to name the protocol.
    pub async fn accept(&self, stream: TcpStream, direct: bool) -> std::io::Result<(TlsStream<TcpStream>, Facts)> {
        let loaded = self.current();
        let stream = TlsAcceptor::from(loaded.config).accept(stream).await?;
        let (_, connection) = stream.get_ref();
        if direct && connection.alpn_protocol() != Some(ALPN) {
            return Err(std::io::Error::other("received direct SSL connection request without ALPN protocol negotiation extension"));
        }
        let client = connection.peer_certificates().and_then(|chain| common_name(chain.first()?));
        Ok((stream, Facts { binding: loaded.binding, client }))
    }
}

fn load(certificate: &Path, key: &Path, client_ca: Option<&Path>) -> Result<Loaded> {
    let chain = certificates(certificate)?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| unreadable(key, "a private key", &e))?;
    let provider = Arc::new(default_provider());
    let unusable = |what: String| Error::new(code::CONFIG_FILE_ERROR, what);
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| unusable(format!("could not prepare TLS: {e}")))?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for root in certificates(path)? {
                roots.add(root).map_err(|e| unusable(format!("\"{}\" has a certificate that is no authority's: {e}", path.display())))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).allow_unauthenticated().build();
            builder.with_client_cert_verifier(verifier.map_err(|e| unusable(format!("\"{}\" cannot be used: {e}", path.display())))?)
        }
    };
    let (binding, ends_us) = (end_point_hash(&chain[0]), ends_us(&chain[0]));
    let mut config = builder.with_single_cert(chain, secret).map_err(|e| {
        unusable(format!("\"{}\" and \"{}\" cannot be used: {e}", certificate.display(), key.display()))
            .hint("The first certificate of the file has to be the server's, and the key has to be its key.")
    })?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Loaded { config: Arc::new(config), binding, ends_us })
}

/// All certificates of a file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(|all| all.collect::<std::result::Result<Vec<_>, _>>());
    let chain = read.map_err(|e| unreadable(path, "certificates", &e))?;
    if chain.is_empty() {
        return Err(Error::new(code::CONFIG_FILE_ERROR, format!("\"{}\" has no certificates in PEM format", path.display())));
    }
    Ok(chain)
}

fn unreadable(path: &Path, what: &str, e: &rustls::pki_types::pem::Error) -> Error {
    Error::new(code::CONFIG_FILE_ERROR, format!("could not read {what} from \"{}\": {e}", path.display()))
}
