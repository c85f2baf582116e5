//! `everfold serve`: opens the database, listens, runs until it is told to stop, closes.

use std::io::Write;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::limits;
use crate::wire::door::Door;
use crate::wire::listen::{Listener, check_exposure};
use crate::wire::server;

/// Threads that move bytes between sockets and sessions; queries run on the engine's own.
const SOCKET_WORKERS: usize = 2;

/// A runtime for sockets.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    Ok(builder.worker_threads(SOCKET_WORKERS).thread_name("socket").thread_stack_size(limits::STACK_BYTES).enable_all().build()?)
}

/// Serves `config` until SIGINT or SIGTERM; true when it ended as asked. Errors: port in use, directory locked, log corrupt.
pub(super) fn serve(config: Config) -> Result<bool> {
    let runtime = runtime()?;
    // The port first: it is cheap, and a second server on it must not touch the data.
    let door = Arc::new(Door::open(&config)?);
    let listener = runtime.block_on(Listener::open(config.listen, config.unix_socket_directory.as_deref()))?;
    let address = listener.address()?;
    let engine = Engine::open(&config)?;
    if let Err(e) = check_exposure(address, engine.asks_for_passwords()) {
        engine.shutdown();
        return Err(e);
    }
    for warning in door.warnings() {
        eprintln!("WARNING:  {warning}");
    }
    let (mut interrupt, mut terminate, mut hangup) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?)
    };
    announce(&format!(
        "everfold {} serves {} on {address}\nconnect with: psql -h {} -p {}\n",
        env!("CARGO_PKG_VERSION"),
        config.data.display(),
        address.ip(),
        address.port()
    ))?;
    engine.tell_recovery();
    let stop = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let reloaded = door.clone();
    runtime.spawn(async move {
        while hangup.recv().await.is_some() {
            reloaded.reload();
        }
    });
    runtime.block_on(server::serve(engine.clone(), listener, door, stop));
    engine.shutdown();
    announce("everfold has shut down\n")?;
    Ok(true)
}

/// Prints; nobody listening any more is no reason not to serve, nor to fail at the end.
fn announce(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed.map_err(Error::from),
    }
}
