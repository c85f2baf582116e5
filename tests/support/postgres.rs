//! A PostgreSQL to compare with: the one that `EVERFOLD_POSTGRES` names, or a private one if its programs are installed.

use std::process::Command;
use std::sync::OnceLock;

use futures::SinkExt;
use tokio_postgres::{Client, Error, NoTls, SimpleQueryMessage};

/// Where Debian and others put the server's programs.
const BINARIES: [&str; 4] =
    ["/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/17/bin", "/usr/local/pgsql/bin"];

/// How to reach a PostgreSQL: `EVERFOLD_POSTGRES`, or a server of our own if its programs are installed; `None` if there is neither.
pub fn reachable() -> Option<&'static str> {
    static DSN: OnceLock<Option<String>> = OnceLock::new();
    DSN.get_or_init(|| std::env::var("EVERFOLD_POSTGRES").ok().or_else(Cluster::start)).as_deref()
}

/// A private cluster; it is stopped by the watching shell when this process is gone.
struct Cluster;

impl Cluster {
    fn start() -> Option<String> {
        let binaries = BINARIES.iter().find(|dir| std::path::Path::new(dir).join("initdb").exists())?;
        let directory = tempfile::Builder::new().prefix("everfold-pg").tempdir().ok()?.keep();
        let home = directory.display().to_string();
        // initdb refuses to run as root.
        let script = format!(
            "set -e; d={home}; b={binaries}; if [ $(id -u) = 0 ]; then chown postgres $d; r='runuser -u postgres --'; fi
             $r $b/initdb -D $d/data -A trust -U postgres --locale=C.UTF-8 -N >/dev/null
             $r $b/pg_ctl -D $d/data -o \"-F -c listen_addresses= -c unix_socket_directories=$d -c lc_messages=C -c timezone=UTC\" \
                -l $d/log -w start >/dev/null
             (while kill -0 {pid} 2>/dev/null; do sleep 1; done; $r $b/pg_ctl -D $d/data -m immediate stop; rm -rf $d) >/dev/null 2>&1 &",
            pid = std::process::id()
        );
        let started = Command::new("bash").args(["-c", &script]).status().is_ok_and(|s| s.success());
        started.then(|| format!("host={home} user=postgres dbname=postgres"))
    }
}

/// A session with a schema of its own.
pub struct Postgres {
    runtime: tokio::runtime::Runtime,
    client: Client,
}

impl Postgres {
    /// A session in the schema of that name, which is made anew.
    pub fn open(dsn: &str, schema: &str) -> Postgres {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let client = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(dsn, NoTls).await.expect("PostgreSQL is reachable");
            tokio::spawn(connection);
            let reset =
                format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}; SET search_path = {schema}; SET timezone = 'UTC'");
            client.batch_execute(&reset).await.expect("a schema can be made");
            client
        });
        Postgres { runtime, client }
    }

    /// Runs statements.
    pub fn execute(&self, sql: &str) -> Result<(), Error> {
        self.runtime.block_on(self.client.batch_execute(sql))
    }

    /// The rows of a query, cells as text.
    pub fn rows(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, Error> {
        let cells = |m: &SimpleQueryMessage| match m {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|i| row.get(i).map(str::to_string)).collect()),
            _ => None,
        };
        Ok(self.runtime.block_on(self.client.simple_query(sql))?.iter().filter_map(cells).collect())
    }

    /// Copies data in.
    pub fn copy_in(&self, sql: &str, data: &[u8]) -> Result<(), Error> {
        self.runtime.block_on(async {
            let mut sink = std::pin::pin!(self.client.copy_in(sql).await?);
            sink.send(bytes::Bytes::copy_from_slice(data)).await?;
            sink.finish().await.map(|_| ())
        })
    }
}

/// What PostgreSQL says is wrong.
pub fn complaint(e: &Error) -> String {
    e.as_db_error().map_or_else(|| e.to_string(), |d| d.message().to_string())
}
