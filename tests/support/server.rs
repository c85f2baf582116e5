//! A real server: the binary under test, on a free port, over a directory of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;

use super::wire::Wire;

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_everfold");

/// A running server. Dropping it kills the process; the directory goes with the last server over it.
pub struct Server {
    child: Child,
    /// Reads standard output and standard error to their end, so that the server never blocks on a full pipe.
    output: Vec<JoinHandle<String>>,
    directory: Arc<tempfile::TempDir>,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// A server over a new, empty directory.
    pub fn start() -> Server {
        Server::over(Arc::new(tempfile::tempdir().expect("a temporary directory")))
    }

    /// A server over an empty disk of its own of this size (as `mount` takes it), in a mount namespace that only it sees. Needs
    /// `unshare`; the disk is at [`Server::disk`].
    pub fn start_on_disk(size: &str) -> Server {
        let directory = Arc::new(tempfile::tempdir().expect("a temporary directory"));
        let mut command = Command::new("unshare");
        let script = format!("mount -t tmpfs -o size={size} tmpfs \"$1\" && shift && exec \"$@\"");
        command.args(["-r", "-m", "sh", "-c", &script, "sh"]).arg(directory.path()).arg(BINARY);
        Server::by(command, directory, &[])
    }

    /// A server over a new, empty directory, with further arguments.
    pub fn start_with(arguments: &[&str]) -> Server {
        Server::by(Command::new(BINARY), Arc::new(tempfile::tempdir().expect("a temporary directory")), arguments)
    }

    fn over(directory: Arc<tempfile::TempDir>) -> Server {
        Server::by(Command::new(BINARY), directory, &[])
    }

    fn by(mut command: Command, directory: Arc<tempfile::TempDir>, arguments: &[&str]) -> Server {
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(directory.path().join("data")).args(arguments);
        // A configuration of the machine must not reach the test.
        command.current_dir(directory.path());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the server starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("standard output is piped"));
        let mut stderr = child.stderr.take().expect("standard error is piped");
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        let mut first = String::new();
        stdout.read_line(&mut first).expect("standard output is text");
        let Some(address) = first.trim().rsplit(' ').next().and_then(|a| a.parse().ok()) else {
            panic!("the server did not say where it listens: {first:?}\n{}", errors.join().unwrap_or_default());
        };
        let rest = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stdout.read_to_string(&mut text);
            text
        });
        Server { child, output: vec![rest, errors], directory, address }
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// A directory of the test's own, beside the data.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The disk of [`Server::start_on_disk`], seen from outside.
    pub fn disk(&self) -> PathBuf {
        let path = self.directory.path();
        Path::new("/proc").join(self.child.id().to_string()).join("root").join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The memory that its process uses now, in kilobytes.
    pub fn memory_kb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
        line.and_then(|l| l.trim().split(' ').next()).and_then(|n| n.parse().ok()).unwrap_or(0)
    }

    /// A new connection.
    pub fn connect(&self) -> Wire {
        Wire::connect(self.address)
    }

    /// Kills it, with no time to say good-bye, and starts another one over the same directory.
    pub fn kill_and_restart(mut self) -> Server {
        self.child.kill().expect("it can be killed");
        let _ = self.child.wait();
        Server::over(self.directory.clone())
    }

    /// Asks it to end (SIGTERM) and answers its status and what it printed (standard output, standard error).
    pub fn terminate(mut self) -> (ExitStatus, String, String) {
        let status = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill runs");
        assert!(status.success());
        let status = self.child.wait().expect("it ends");
        let mut texts = self.output.drain(..).map(|t| t.join().unwrap_or_default());
        (status, texts.next().unwrap_or_default(), texts.next().unwrap_or_default())
    }

    /// Ends it with SIGTERM and starts another one over the same directory.
    pub fn restart(self) -> Server {
        let directory = self.directory.clone();
        let (status, _, errors) = self.terminate();
        assert!(status.success(), "{errors}");
        Server::over(directory)
    }

    /// A client of tokio-postgres, the connection driven by a task of its own.
    pub async fn client(&self) -> tokio_postgres::Client {
        let mut config = tokio_postgres::Config::new();
        config.host(self.address.ip().to_string()).port(self.address.port()).user("ann").dbname("everfold");
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.expect("it accepts");
        tokio::spawn(connection);
        client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            for text in self.output.drain(..) {
                eprint!("{}", text.join().unwrap_or_default());
            }
        }
    }
}
