//! The real binary, over TCP.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::database::Row;

/// A server of our own on a free port; it is killed when dropped.
pub struct Server {
    child: Child,
    address: String,
    /// Held, so that the server can say good-bye.
    _output: BufReader<ChildStdout>,
}

impl Server {
    /// Starts the server on a data directory; returns when it serves.
    pub fn start(data: &Path) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_everfold"));
        command.arg("serve").arg("--data").arg(data).args(["--listen", "127.0.0.1:0"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the server starts");
        let mut output = BufReader::new(child.stdout.take().expect("its output is piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("it says where it listens");
        let address = line.trim().rsplit(' ').next().unwrap_or_default().to_string();
        assert!(address.starts_with("127.0.0.1:"), "the server does not serve: {line:?}");
        Server { child, address, _output: output }
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// A connection.
    pub async fn connect(&self) -> Client {
        connect(&self.address).await
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        self.address.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been killed already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection to a server.
pub async fn connect(address: &str) -> Client {
    let (host, port) = address.rsplit_once(':').expect("an address has a port");
    let (client, connection) = tokio_postgres::connect(&format!("host={host} port={port} user=test dbname=test"), NoTls)
        .await
        .expect("the server takes connections");
    tokio::spawn(connection);
    client
}

/// The rows of a query, as sorted text.
pub async fn rows(client: &Client, sql: &str) -> Vec<Row> {
    let messages = client.simple_query(sql).await.unwrap_or_else(|e| panic!("{:?} by {sql}", e.as_db_error()));
    let cells = |m: &SimpleQueryMessage| match m {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|i| row.get(i).map(str::to_string)).collect::<Row>()),
        _ => None,
    };
    let mut rows: Vec<Row> = messages.iter().filter_map(cells).collect();
    rows.sort_unstable();
    rows
}

/// `everfold verify` on a data directory.
pub fn verify(data: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_everfold")).arg("verify").arg("--data").arg(data).output().expect("verify runs")
}

/// The files below a directory whose path holds `part`, sorted.
pub fn files(data: &Path, part: &str) -> Vec<PathBuf> {
    let (mut open, mut found) = (vec![data.to_path_buf()], Vec::new());
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).expect("a directory can be read").flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.to_string_lossy().contains(part) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
