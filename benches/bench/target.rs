//! What is measured: servers of our own on temporary directories, and what they take from the machine.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use bytes::Bytes;
use futures::SinkExt;
use tokio_postgres::{Client, NoTls};

use super::Result;

/// Bytes of one CopyData message.
const COPY_BYTES: usize = 256 << 10;
/// Ticks per second in /proc/PID/stat; 100 on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

/// A server that speaks PostgreSQL's protocol.
pub trait Target {
    /// Its port on 127.0.0.1.
    fn port(&self) -> u16;
    /// Its user.
    fn user(&self) -> &str;
    /// Seconds of processor time that it has taken.
    fn cpu(&self) -> f64;

    /// A session.
    async fn connect(&self) -> Result<Client> {
        let settings = format!("host=127.0.0.1 port={} user={} dbname=postgres", self.port(), self.user());
        let (client, connection) = tokio_postgres::connect(&settings, NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }
}

/// COPY of CSV rows into a relation; answers how many.
pub async fn copy(client: &Client, relation: &str, csv: &Bytes) -> Result<u64> {
    let sink = client.copy_in(&format!("COPY {relation} FROM STDIN (FORMAT csv)")).await?;
    let mut sink = std::pin::pin!(sink);
    for at in (0..csv.len()).step_by(COPY_BYTES) {
        sink.send(csv.slice(at..csv.len().min(at + COPY_BYTES))).await?;
    }
    Ok(sink.finish().await?)
}

/// The fields of a process's or thread's stat file behind the program's name: the first is the state.
fn stat(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.rsplit_once(')').map_or(Vec::new(), |(_, rest)| rest.split_whitespace().map(str::to_string).collect())
}

fn of_process(pid: u32) -> PathBuf {
    format!("/proc/{pid}/stat").into()
}

/// The sum of some of these fields, which are ticks, in seconds.
fn seconds(stat: &[String], fields: std::ops::Range<usize>) -> f64 {
    let ticks: u64 = stat.get(fields).unwrap_or_default().iter().filter_map(|f| f.parse::<u64>().ok()).sum();
    ticks as f64 / TICKS
}

/// A running Everfold, stopped when it goes out of scope.
pub struct Everfold {
    child: Child,
    /// Held open, since the server also says good-bye.
    out: BufReader<ChildStdout>,
    port: u16,
    directory: tempfile::TempDir,
}

impl Everfold {
    /// Starts one on an empty directory.
    pub fn start() -> Result<Everfold> {
        let directory = tempfile::tempdir()?;
        let (child, out, port) = spawn(directory.path())?;
        Ok(Everfold { child, out, port, directory })
    }

    /// Stops it, by `signal`, and starts it again on the same directory.
    pub fn restart(&mut self, signal: &str) -> Result<()> {
        Command::new("kill").args([signal, &self.child.id().to_string()]).status()?;
        self.child.wait()?;
        (self.child, self.out, self.port) = spawn(self.directory.path())?;
        Ok(())
    }

    /// Seconds of processor time that its threads of such names have taken.
    pub fn cpu_of(&self, threads: &str) -> f64 {
        let directory = format!("/proc/{}/task", self.child.id());
        let tasks = std::fs::read_dir(directory).into_iter().flatten().flatten().map(|task| task.path());
        let named = |task: &PathBuf| std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with(threads));
        tasks.filter(named).map(|task| seconds(&stat(&task.join("stat")), 11..13)).sum()
    }

    /// Its resident set, in bytes.
    pub fn resident(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// Waits until it has no sessions but these, of which the first asks.
    pub async fn until_alone(&self, clients: Vec<Client>) -> Result<Vec<Client>> {
        while clients[0].query_one("SELECT count(*) FROM everfold.sessions", &[]).await?.get::<_, i64>(0) > clients.len() as i64 {
            tokio::task::yield_now().await;
        }
        Ok(clients)
    }

    /// Its largest resident set since [`Everfold::forget_peak`], in bytes.
    pub fn peak(&self) -> u64 {
        self.memory("VmHWM:")
    }

    /// A line of /proc/PID/status, in bytes.
    fn memory(&self, what: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = text.lines().find_map(|l| l.strip_prefix(what));
        line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) << 10
    }

    /// Starts the largest resident set anew.
    pub fn forget_peak(&self) {
        // Without this right the peak is only an upper bound, so a refusal does no harm.
        let _ = std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5");
    }
}

fn spawn(directory: &Path) -> Result<(Child, BufReader<ChildStdout>, u16)> {
    let binary = std::env::var_os("EVERFOLD_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_everfold").into());
    let mut command = Command::new(binary);
    command.arg("serve").arg("--data").arg(directory.join("data")).args(["--listen", "127.0.0.1:0"]);
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().ok_or("the output is piped")?);
    out.read_line(&mut line)?;
    let port = line.trim().rsplit(':').next().and_then(|p| p.parse().ok()).ok_or("the server says where it listens")?;
    Ok((child, out, port))
}

impl Target for Everfold {
    fn port(&self) -> u16 {
        self.port
    }
    fn user(&self) -> &str {
        "everfold"
    }
    fn cpu(&self) -> f64 {
        seconds(&stat(&of_process(self.child.id())), 11..13)
    }
}

impl Drop for Everfold {
    fn drop(&mut self) {
        // Nothing is left to be done if it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A private PostgreSQL with its default settings, stopped when it goes out of scope.
pub struct Postgres {
    binaries: PathBuf,
    directory: tempfile::TempDir,
    port: u16,
    postmaster: u32,
}

impl Postgres {
    /// Starts one if its binaries are found in $PGBIN or where Debian puts them.
    pub fn start() -> Result<Option<Postgres>> {
        let Some(binaries) = binaries() else { return Ok(None) };
        let directory = tempfile::tempdir()?;
        let data = directory.path().display().to_string();
        if is_root() {
            // PostgreSQL refuses to run as root.
            Command::new("chown").args(["postgres", &data]).status()?;
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut postgres = Postgres { binaries, directory, port, postmaster: 0 };
        postgres.call("initdb", &["-A", "trust", "-U", "postgres", "--locale=C.UTF-8"])?;
        let options = format!("-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={data}");
        postgres.call("pg_ctl", &["-w", "-l", &format!("{data}/log"), "-o", &options, "start"])?;
        let pid = std::fs::read_to_string(format!("{data}/postmaster.pid"))?;
        postgres.postmaster = pid.lines().next().unwrap_or_default().parse()?;
        Ok(Some(postgres))
    }

    fn call(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let path = self.binaries.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        command.arg("-D").arg(self.directory.path()).args(arguments).stdout(Stdio::null());
        if command.status()?.success() { Ok(()) } else { Err(format!("{program} failed").into()) }
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0)
}

fn binaries() -> Option<PathBuf> {
    let given = std::env::var_os("PGBIN").map(PathBuf::from);
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|e| e.path().join("bin"));
    let mut found: Vec<PathBuf> = given.into_iter().chain(versions).filter(|p| p.join("initdb").exists()).collect();
    found.sort();
    found.pop()
}

impl Target for Postgres {
    fn port(&self) -> u16 {
        self.port
    }
    fn user(&self) -> &str {
        "postgres"
    }
    /// Of the postmaster, its children, and those that have ended.
    fn cpu(&self) -> f64 {
        let mut total = seconds(&stat(&of_process(self.postmaster)), 11..15);
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            let stat = stat(&of_process(pid));
            if stat.get(1).is_some_and(|parent| *parent == self.postmaster.to_string()) {
                total += seconds(&stat, 11..13);
            }
        }
        total
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Err(e) = self.call("pg_ctl", &["-m", "immediate", "-w", "stop"]) {
            eprintln!("PostgreSQL on {} was not stopped: {e}", self.directory.path().display());
        }
    }
}
