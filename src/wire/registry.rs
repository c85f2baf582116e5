//! Who is connected: process ids, secrets, and the calls (cancel, shutdown) that reach a connection from outside.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;

/// What a connection is told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Nothing so far.
    None,
    /// Stop the statement.
    Cancel,
    /// Stop the statement and close.
    Shutdown,
}

/// The line to one connection.
pub(crate) struct Line {
    pub process_id: i32,
    /// What a cancel request must present: 4 bytes, from protocol 3.2 on 32.
    pub secret: Vec<u8>,
    pub calls: watch::Sender<Call>,
    /// True while a statement runs; a cancel that comes too late must not hit the next one.
    pub busy: AtomicBool,
    /// The session's own way to stop.
    pub canceller: Arc<dyn Fn() + Send + Sync>,
}

impl Line {
    /// Stops the statement that runs, if one does.
    pub fn cancel(&self) {
        if !self.busy.load(Ordering::SeqCst) {
            return;
        }
        self.calls.send_if_modified(|call| {
            let open = *call != Call::Shutdown;
            if open {
                *call = Call::Cancel;
            }
            open
        });
        (self.canceller)();
    }

    /// Ends the connection: its statement stops, and the client is told.
    pub fn end(&self) {
        self.calls.send_replace(Call::Shutdown);
    }
}

/// All lines of a server, and whether it is closing.
#[derive(Default)]
pub struct Registry {
    lines: Mutex<Lines>,
    /// Keyed hashing of a counter with a key drawn by the operating system: secrets that cannot be guessed.
    random: RandomState,
    counter: AtomicU64,
}

#[derive(Default)]
struct Lines {
    open: HashMap<i32, Arc<Line>>,
    closing: bool,
}

impl Registry {
    /// A server without connections.
    pub fn new() -> Arc<Registry> {
        Arc::new(Registry::default())
    }

    fn secret(&self, bytes: usize) -> Vec<u8> {
        let words = (0..bytes.div_ceil(8)).map(|_| self.random.hash_one(self.counter.fetch_add(1, Ordering::Relaxed)));
        let mut secret: Vec<u8> = words.flat_map(u64::to_be_bytes).collect();
        secret.truncate(bytes);
        secret
    }

    /// Opens a line to a new connection; `None` when the server is closing.
    pub(crate) fn open(&self, process_id: i32, long_secret: bool, canceller: Arc<dyn Fn() + Send + Sync>) -> Option<Arc<Line>> {
        let secret = self.secret(if long_secret { 32 } else { 4 });
        let line = Line { process_id, secret, calls: watch::Sender::new(Call::None), busy: AtomicBool::new(false), canceller };
        let line = Arc::new(line);
        let mut lines = self.lines.lock();
        if lines.closing {
            return None;
        }
        lines.open.insert(process_id, line.clone());
        Some(line)
    }

    /// Forgets a connection that has ended.
    pub(crate) fn close(&self, line: &Arc<Line>) {
        let mut lines = self.lines.lock();
        if lines.open.get(&line.process_id).is_some_and(|known| Arc::ptr_eq(known, line)) {
            lines.open.remove(&line.process_id);
        }
    }

    /// Serves a cancel request: silently does nothing unless process id and secret fit and a statement runs.
    pub(crate) fn cancel(&self, process_id: i32, secret: &[u8]) {
        let Some(line) = self.lines.lock().open.get(&process_id).cloned() else { return };
        if same(&line.secret, secret) {
            line.cancel();
        }
    }

    /// Tells every connection to stop, and lets no further one in.
    pub(crate) fn shut_down(&self) {
        let mut lines = self.lines.lock();
        lines.closing = true;
        for line in lines.open.values() {
            line.end();
        }
    }
}

/// Compares in a time that does not tell where the difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (x, y)| difference | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_secret_cancels_and_only_a_running_statement() {
        let registry = Registry::new();
        let hits = Arc::new(AtomicU64::new(0));
        let counted = hits.clone();
        let count = move || {
            counted.fetch_add(1, Ordering::SeqCst);
        };
        let line = registry.open(7, false, Arc::new(count)).unwrap();
        registry.cancel(7, &line.secret);
        assert_eq!(hits.load(Ordering::SeqCst), 0, "idle");
        line.busy.store(true, Ordering::SeqCst);
        registry.cancel(7, &[0; 3]);
        registry.cancel(8, &line.secret);
        assert_eq!(hits.load(Ordering::SeqCst), 0, "wrong secret, wrong process");
        registry.cancel(7, &line.secret);
        assert_eq!((hits.load(Ordering::SeqCst), *line.calls.borrow()), (1, Call::Cancel));
        registry.shut_down();
        assert_eq!(*line.calls.borrow(), Call::Shutdown);
        assert!(registry.open(9, true, Arc::new(|| {})).is_none());
    }
}
