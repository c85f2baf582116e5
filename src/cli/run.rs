//! `everfold run`: a script, run as psql runs it.
//!
//! Both ways of running go through the wire: [`against_server`] over a socket, [`on_directory`] over a pipe inside the process to
//! a session of an engine that it opens. So a script that runs here runs with psql, and the other way round; [`super::psql`] has the details.

use std::cell::RefCell;
use std::io::{IsTerminal, Stderr, Stdout, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use clap::Args;
use tokio::task::JoinSet;

use super::place::{Place, Way};
use super::psql::{Bar, Runner, Source};
use super::serve::runtime;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::engine::Engine;
use crate::error::{Error, Result, code};
use crate::wire::{Registry, server};

/// Where servers listen if nothing is said.
const PORT: &str = "5433";
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
        let sessions = Rc::new(RefCell::new(JoinSet::new()));
        let (begun, registry, host) = (sessions.clone(), Registry::new(), engine.clone());
        let begin = move || {
            let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
            begun.borrow_mut().spawn(server::converse(host.clone(), registry.clone(), theirs));
            ours
        };
        let outcome = whole(script, source, Way::Process(Rc::new(begin))).await;
        // A session ends by itself once its pipe is closed; its error is that of a statement, already told.
        let mut sessions = sessions.take();
        while sessions.join_next().await.is_some() {}
        outcome
    });
    engine.shutdown();
    outcome
}

/// Runs the script against the server at `address` (`host:port`). True if all statements succeeded.
pub(super) fn against_server(script: &Run, address: &str) -> Result<bool> {
    let source = read(&script.script)?;
    let (host, port) = address.rsplit_once(':').unwrap_or((address, PORT));
    let way = Way::Server { host: host.to_string(), port: port.to_string() };
    runtime()?.block_on(whole(script, source, way))
}

fn read(script: &Path) -> Result<Source> {
    if script == Path::new("-") {
        return Ok(Source::new("-", &std::io::read_to_string(std::io::stdin())?));
    }
    let text = std::fs::read_to_string(script);
    let text = text.map_err(|e| Error::new(code::UNDEFINED_FILE, format!("could not read \"{}\": {e}", script.display())))?;
    Ok(Source::new(script.display().to_string(), &text))
}

async fn whole(script: &Run, mut source: Source, way: Way) -> Result<bool> {
    // PostgreSQL's own variables, so that psql and this reach a server in the same way.
    let variable = |name: &str| std::env::var(name).ok();
    let clock = Arc::new(SystemClock);
    // A terminal shows how far a long statement is; elsewhere nobody looks.
    let bar = std::io::stderr().is_terminal().then(|| Bar::new(Box::new(std::io::stderr()), clock.clone()));
    let place = Place {
        way,
        user: variable("PGUSER").or_else(|| variable("USER")).unwrap_or_else(|| "everfold".to_string()),
        database: variable("PGDATABASE").unwrap_or_else(|| "everfold".to_string()),
        password: variable("PGPASSWORD"),
        settings: match bar {
            Some(_) => &[("everfold.progress_interval", "500ms")],
            None => &[("everfold.progress_notices", "off")],
        },
    };
    let mut runner = Runner::begin(place, std::io::stdout(), std::io::stderr(), clock).await?.with_bar(bar);
    prepare(script, &mut runner)?;
    let outcome = runner.run(&mut source).await?;
    runner.close().await?;
    std::io::stdout().flush()?;
    Ok(outcome)
}

/// Sets the variables that the command line names, behind those that make a script stop at its first error.
fn prepare(script: &Run, runner: &mut Runner<Stdout, Stderr>) -> Result<()> {
    runner.set("ON_ERROR_STOP", "on")?;
    runner.set("ECHO", &script.echo)?;
    for text in &script.set {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        runner.set(name, value)?;
    }
    Ok(())
}
