//! What the server is started with: flags > environment > file > defaults.
//!
//! Every key is one entry of [`KEYS`]: its name in the file (`query_threads`), its flag (`--query-threads`), and the function that
//! sets it; its environment variable is `EVERFOLD_` and the name (`EVERFOLD_QUERY_THREADS`).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, code, nearest};
use crate::limits;

/// The file that is read from the working directory if it is there.
pub const FILE: &str = "everfold.toml";

/// The settings of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Directory of the database.
    pub data: PathBuf,
    /// Address of the PostgreSQL protocol; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Directory with the socket for clients on this machine; `None` for no socket.
    pub unix_socket_directory: Option<PathBuf>,
    /// Threads that run queries; 0 is one per core.
    pub query_threads: usize,
    /// Memory that all running queries may use together, in bytes.
    pub query_memory_bytes_max: usize,
    /// How often the time passes for views that depend on `now()` while nobody reads them, in milliseconds; 0 for never.
    pub clock_interval_ms: u64,
    /// Memory that one materialized view's state and rows may use, in bytes; past it the view fails.
    pub view_state_bytes_max: usize,
    /// Memory for the rows of one view that only grows, in bytes; more stand in a file.
    pub view_rows_bytes_max: usize,
    /// Rows that a view folds at once where it folds more in slices; tests have fewer.
    pub step_rows_max: usize,
    /// The server's certificate and those it is signed by, in PEM format; with it TLS is spoken.
    pub tls_cert: Option<PathBuf>,
    /// The certificate's key, in PEM format.
    pub tls_key: Option<PathBuf>,
    /// The authorities whose certificates are taken from clients, in PEM format.
    pub tls_client_ca: Option<PathBuf>,
    /// The rules who may come in from where, in the syntax of pg_hba.conf.
    pub hba_file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            data: PathBuf::from("./everfold-data"),
            listen: SocketAddr::from(([127, 0, 0, 1], 5433)),
            unix_socket_directory: None,
            query_threads: 0,
            query_memory_bytes_max: limits::QUERY_MEMORY_BYTES_MAX,
            clock_interval_ms: 1_000,
            view_state_bytes_max: limits::VIEW_STATE_BYTES_MAX,
            view_rows_bytes_max: limits::VIEW_ROWS_BYTES_MAX,
            step_rows_max: limits::STEP_ROWS_MAX,
            tls_cert: None,
            tls_key: None,
            tls_client_ca: None,
            hba_file: None,
        }
    }
}

/// A key: its name, what `--help` says, and how a value is taken.
pub struct Key {
    pub name: &'static str,
    /// Its flag, without the dashes.
    pub flag: &'static str,
    pub help: &'static str,
    /// False if the value does not fit.
    set: fn(&mut Config, &str) -> bool,
}

/// All keys.
pub const KEYS: &[Key] = &[
    Key {
        name: "data",
        flag: "data",
        help: "Directory of the database [default: ./everfold-data]",
        set: |c, v| non_empty(v).map(|v| c.data = v.into()).is_some(),
    },
    Key {
        name: "listen",
        flag: "listen",
        help: "Address to listen on [default: 127.0.0.1:5433]",
        set: |c, v| address(v).map(|a| c.listen = a).is_some(),
    },
    Key {
        name: "unix_socket_directory",
        flag: "unix-socket-directory",
        help: "Directory for a socket that clients on this machine may use, too",
        set: |c, v| non_empty(v).map(|v| c.unix_socket_directory = Some(v.into())).is_some(),
    },
    Key {
        name: "query_threads",
        flag: "query-threads",
        help: "Threads that run queries, 0 for one per core",
        set: |c, v| v.parse().map(|n| c.query_threads = n).is_ok(),
    },
    Key {
        name: "query_memory_bytes_max",
        flag: "query-memory-bytes-max",
        help: "Memory for all running queries together, in bytes",
        set: |c, v| v.parse().map(|n| c.query_memory_bytes_max = n).is_ok(),
    },
    Key {
        name: "clock_interval_ms",
        flag: "clock-interval-ms",
        help: "How often time passes for views that depend on now(), in milliseconds [default: 1000]",
        set: |c, v| v.parse().map(|n| c.clock_interval_ms = n).is_ok(),
    },
    Key {
        name: "view_state_bytes_max",
        flag: "view-state-bytes-max",
        help: "Memory for the state of one materialized view, in bytes",
        set: |c, v| v.parse().map(|n| c.view_state_bytes_max = n).is_ok(),
    },
    Key {
        name: "view_rows_bytes_max",
        flag: "view-rows-bytes-max",
        help: "Memory for the rows of one view that only grows, in bytes; more go to files",
        set: |c, v| v.parse().map(|n| c.view_rows_bytes_max = n).is_ok(),
    },
    Key {
        name: "tls_cert",
        flag: "tls-cert",
        help: "File with the server's certificate (PEM); turns TLS on",
        set: |c, v| non_empty(v).map(|v| c.tls_cert = Some(v.into())).is_some(),
    },
    Key {
        name: "tls_key",
        flag: "tls-key",
        help: "File with the certificate's key (PEM)",
        set: |c, v| non_empty(v).map(|v| c.tls_key = Some(v.into())).is_some(),
    },
    Key {
        name: "tls_client_ca",
        flag: "tls-client-ca",
        help: "File with the authorities of clients' certificates (PEM)",
        set: |c, v| non_empty(v).map(|v| c.tls_client_ca = Some(v.into())).is_some(),
    },
    Key {
        name: "hba_file",
        flag: "hba-file",
        help: "File with the rules who may come in from where (pg_hba.conf)",
        set: |c, v| non_empty(v).map(|v| c.hba_file = Some(v.into())).is_some(),
    },
];

fn non_empty(value: &str) -> Option<&str> {
    Some(value).filter(|v| !v.is_empty())
}

fn address(value: &str) -> Option<SocketAddr> {
    value.replace("localhost:", "127.0.0.1:").parse().ok()
}

impl Key {
    /// Its environment variable.
    pub fn variable(&self) -> String {
        format!("EVERFOLD_{}", self.name.to_uppercase())
    }

    fn apply(&self, config: &mut Config, value: &str, source: &str) -> Result<()> {
        if (self.set)(config, value) {
            return Ok(());
        }
        let message = format!("invalid value for \"{}\" from {source}: \"{value}\"", self.name);
        Err(Error::new(code::INVALID_PARAMETER_VALUE, message).hint(format!("{}.", self.help)))
    }
}

impl Config {
    /// Puts the four sources together. `flags` are (key, value); `file` is its name and its text. Errors: 22023 for a value that
    /// does not fit, 42704 for a key in the file that does not exist, 42601 for a file that is not TOML.
    pub fn resolve(flags: &[(&str, String)], environment: impl Fn(&str) -> Option<String>, file: Option<(&Path, &str)>) -> Result<Config> {
        let mut config = Config::default();
        let entries = file.map_or(Ok(Vec::new()), |(name, text)| entries(name, text))?;
        for key in KEYS {
            let flag = flags.iter().find(|(name, _)| *name == key.name).map(|(_, v)| (v.clone(), format!("--{}", key.flag)));
            let variable = || environment(&key.variable()).map(|v| (v, key.variable()));
            let entry = || {
                let (path, _) = file?;
                entries.iter().find(|(name, _)| name == key.name).map(|(_, v)| (v.clone(), path.display().to_string()))
            };
            if let Some((value, source)) = flag.or_else(variable).or_else(entry) {
                key.apply(&mut config, &value, &source)?;
            }
        }
        Ok(config)
    }

    /// The settings of this process: `flags`, the environment, and the file named, or else [`FILE`] if it exists.
    /// Errors: as [`Config::resolve`], and 58P01 for a file named that is not there.
    pub fn load(flags: &[(&str, String)], file: Option<&Path>) -> Result<Config> {
        let path = file.unwrap_or(Path::new(FILE));
        let text = match std::fs::read_to_string(path) {
            Ok(text) => Some(text),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && file.is_none() => None,
            Err(e) => return Err(Error::new(code::UNDEFINED_FILE, format!("could not read \"{}\": {e}", path.display()))),
        };
        Config::resolve(flags, |name| std::env::var(name).ok(), text.as_deref().map(|text| (path, text)))
    }
}

/// The entries of a file; all of them are keys.
fn entries(path: &Path, text: &str) -> Result<Vec<(String, String)>> {
    let place = path.display();
    let table: toml::Table = toml::from_str(text)
        .map_err(|e| Error::syntax(format!("{place} is not a valid configuration file")).detail(e.to_string().trim_end()))?;
    let mut entries = Vec::with_capacity(table.len());
    for (name, value) in table {
        if !KEYS.iter().any(|key| key.name == name) {
            let names = || KEYS.iter().map(|key| key.name);
            let hint = match nearest(&name, names()) {
                Some(near) => format!("Perhaps you meant \"{near}\"."),
                None => format!("The keys are: {}.", names().collect::<Vec<_>>().join(", ")),
            };
            return Err(Error::new(code::UNDEFINED_OBJECT, format!("unrecognized key \"{name}\" in {place}")).hint(hint));
        }
        let value = match value {
            toml::Value::String(text) => text,
            other => other.to_string(),
        };
        entries.push((name, value));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_environment_over_file_over_defaults() {
        let file = (Path::new("everfold.toml"), "data = \"/file\"\nlisten = \"127.0.0.1:1\"\nquery_threads = 3\n");
        let environment = |name: &str| match name {
            "EVERFOLD_DATA" => Some("/env".to_string()),
            "EVERFOLD_LISTEN" => Some("[::1]:2".to_string()),
            _ => None,
        };
        let config = Config::resolve(&[("data", "/flag".into())], environment, Some(file)).unwrap();
        assert_eq!(config.data, PathBuf::from("/flag"));
        assert_eq!(config.listen.to_string(), "[::1]:2");
        assert_eq!((config.query_threads, config.query_memory_bytes_max), (3, limits::QUERY_MEMORY_BYTES_MAX));
        assert_eq!(Config::resolve(&[], |_| None, None).unwrap(), Config::default());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_source() {
        let refused = |text: &str| Config::resolve(&[], |_| None, Some((Path::new("e.toml"), text))).unwrap_err();
        let e = refused("lisen = \"x\"");
        assert_eq!(e.message(), "unrecognized key \"lisen\" in e.toml");
        assert_eq!(e.fields().hint.as_deref(), Some("Perhaps you meant \"listen\"."));
        assert_eq!(refused("listen = \"here\"").message(), "invalid value for \"listen\" from e.toml: \"here\"");
        assert_eq!(refused("listen = ").code(), code::SYNTAX_ERROR);
        let e = Config::resolve(&[("listen", "5433".into())], |_| None, None).unwrap_err();
        assert_eq!(e.message(), "invalid value for \"listen\" from --listen: \"5433\"");
    }
}
