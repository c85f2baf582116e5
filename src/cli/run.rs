//! `everfold run`: a script, run as psql runs it.
//!
//! Both ways of running go through the wire: [`against_server`] over a socket, [`on_directory`] over a pipe inside the process to
//! a session of an engine that it opens. So a script that runs here runs with psql, and the other way round; [`super::psql`] has the details.

use std::io::{IsTerminal, Stderr, Stdout, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::client::Client;
use super::psql::{Bar, Runner, Source};
use super::serve::runtime;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::engine::Engine;
use crate::error::{Error, Result, code};
use crate::wire::{Registry, server};

/// Bytes that may be under way in the pipe to a session in this process.
const PIPE_BYTES: usize = 256 << 10;

// What is run, and how. (A comment for clap's eyes would become the command's description.)
#[derive(Args)]
pub(super) struct Run {
    /// The script, or - for standard input
    pub script: PathBuf,
    /// Show of the script: all lines, queries as they are sent, errors' statements, or none
    #[arg(long, value_name = "WHAT", default_value = "all")]
    echo: String,
    /// Set a variable of psql's, as \set does; ON_ERROR_STOP=off goes on after errors
    #[arg(short = 'v', long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
}

/// Runs the script on the database of `config`, opened by this process. True if all statements succeeded.
pub(super) fn on_directory(script: &Run, config: &Config) -> Result<bool> {
    let source = read(&script.script)?;
    let runtime = runtime()?;
    let engine = Engine::open(config)?;
    let outcome = runtime.block_on(async {
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        let session = tokio::spawn(server::converse(engine.clone(), Registry::new(), theirs));
        let outcome = whole(script, source, ours, None).await;
        // The session ends by itself once the pipe is closed; an error of the task is that of a statement, already told.
        let _ = session.await;
        outcome
    });
    engine.shutdown();
    outcome
}

/// Runs the script against the server at `address` (`host:port`). True if all statements succeeded.
pub(super) fn against_server(script: &Run, address: &str) -> Result<bool> {
    let source = read(&script.script)?;
    runtime()?.block_on(async {
        let stream = TcpStream::connect(address).await.map_err(|e| {
            Error::new(code::CONNECTION_FAILURE, format!("could not connect to {address}: {e}"))
                .hint("Is the server running? Start it with: everfold serve")
        })?;
        stream.set_nodelay(true)?;
        whole(script, source, stream, Some(address.rsplit_once(':').unwrap_or((address, "")))).await
    })
}

fn read(script: &Path) -> Result<Source> {
    if script == Path::new("-") {
        return Ok(Source::new("-", &std::io::read_to_string(std::io::stdin())?));
    }
    let text = std::fs::read_to_string(script);
    let text = text.map_err(|e| Error::new(code::UNDEFINED_FILE, format!("could not read \"{}\": {e}", script.display())))?;
    Ok(Source::new(script.display().to_string(), &text))
}

/// `address`: host and port of a server that is not in this process.
async fn whole<S: AsyncRead + AsyncWrite + Unpin>(
    script: &Run,
    mut source: Source,
    stream: S,
    address: Option<(&str, &str)>,
) -> Result<bool> {
    // PostgreSQL's own variables, so that psql and this reach a server in the same way.
    let variable = |name: &str| std::env::var(name).ok();
    let user = variable("PGUSER").or_else(|| variable("USER")).unwrap_or_else(|| "everfold".to_string());
    let clock = Arc::new(SystemClock);
    // A terminal shows how far a long statement is; elsewhere nobody looks.
    let bar = std::io::stderr().is_terminal().then(|| Bar::new(Box::new(std::io::stderr()), clock.clone()));
    let told: &[_] = match bar {
        Some(_) => &[("everfold.progress_interval", "500ms")],
        None => &[("everfold.progress_notices", "off")],
    };
    let client = Client::connect(stream, &user, variable("PGPASSWORD").as_deref(), told).await?;
    let place = address.map_or("in this process".to_string(), |(host, port)| format!("on host \"{host}\" at port \"{port}\""));
    let here = format!("You are connected to database \"everfold\" as user \"{user}\" {place}.");
    let mut runner = Runner::new(client, std::io::stdout(), std::io::stderr(), clock, here).with_bar(bar);
    let (host, port) = address.unwrap_or_default();
    for (name, value) in [("DBNAME", "everfold"), ("USER", user.as_str()), ("HOST", host), ("PORT", port)] {
        runner.tell(name, value);
    }
    prepare(script, &mut runner)?;
    let outcome = runner.run(&mut source).await?;
    runner.close().await?;
    std::io::stdout().flush()?;
    Ok(outcome)
}

/// Sets the variables that the command line names, behind those that make a script stop at its first error.
fn prepare<S: AsyncRead + AsyncWrite + Unpin>(script: &Run, runner: &mut Runner<S, Stdout, Stderr>) -> Result<()> {
    runner.set("ON_ERROR_STOP", "on")?;
    runner.set("ECHO", &script.echo)?;
    for text in &script.set {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        runner.set(name, value)?;
    }
    Ok(())
}
