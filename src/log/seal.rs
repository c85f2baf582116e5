//! Sealing: a thread that turns closed WAL files into segments and then removes them.
//!
//! Steps for one closed file ([`Sealer::seal`]): each log that has events before the file's end gets a segment (temporary name,
//! sync, rename, sync of the directory); under the lock the segment joins the log and its events leave the tail; then
//! the WAL files that nothing needs are removed, oldest first, each removal made durable before the next. A crash between any
//! two steps leaves events in a segment and in the WAL: recovery skips those. A failure is kept, tried again
//! with the next file or the next call, and told to whoever waits; readers go on with the tail.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use super::LogId;
use super::segment;
use super::state::Shared;
use super::store::parent;
use super::wal;
use crate::data::Position;
use crate::error::{Error, Result, code};

/// A closed WAL file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    pub number: u64,
    /// Position after its events.
    pub end: Position,
}

#[derive(Default)]
struct Queue {
    units: VecDeque<Unit>,
    /// All WAL files before the open one: number -> name.
    files: BTreeMap<u64, String>,
    /// Every file up to this number is sealed.
    sealed: Option<u64>,
    error: Option<Error>,
    /// Asks for another attempt after an error.
    retry: bool,
    stop: bool,
}

/// The sealing thread's work, and what others ask of it.
pub(super) struct Sealer {
    shared: Arc<Shared>,
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Sealer {
    pub fn new(shared: Arc<Shared>) -> Sealer {
        Sealer { shared, queue: Mutex::default(), changed: Condvar::new() }
    }

    /// Hands over a closed WAL file.
    pub fn add(&self, unit: Unit, name: String) {
        let mut queue = self.queue.lock();
        queue.files.insert(unit.number, name);
        queue.units.push_back(unit);
        queue.retry = true;
        self.changed.notify_all();
    }

    /// Waits until a file is sealed. Errors: why it could not be; it is tried again later.
    pub fn wait(&self, number: u64) -> Result<()> {
        let mut queue = self.queue.lock();
        queue.retry = true;
        queue.error = None;
        self.changed.notify_all();
        loop {
            if queue.sealed.is_some_and(|s| s >= number) || !queue.files.contains_key(&number) {
                return Ok(());
            }
            if let Some(error) = &queue.error {
                return Err(error.clone());
            }
            if queue.stop {
                return Err(Error::new(code::ADMIN_SHUTDOWN, "the log was closed"));
            }
            self.changed.wait(&mut queue);
        }
    }

    /// Waits until few enough files are unsealed. Errors: why sealing does not go on.
    pub fn wait_for_room(&self) -> Result<()> {
        let mut queue = self.queue.lock();
        while queue.units.len() >= self.shared.options.unsealed_files_max && !queue.stop {
            match &queue.error {
                Some(error) if !queue.retry => {
                    let error = error.clone();
                    queue.retry = true;
                    self.changed.notify_all();
                    return Err(error);
                }
                _ => self.changed.wait(&mut queue),
            }
        }
        Ok(())
    }

    /// Ends the thread after the file it is at.
    pub fn stop(&self) {
        self.queue.lock().stop = true;
        self.changed.notify_all();
    }

    /// The thread's life.
    pub fn run(&self) {
        while let Some(unit) = self.next() {
            let result = self.seal(unit);
            let mut queue = self.queue.lock();
            match result {
                Ok(()) => {
                    queue.units.pop_front();
                    queue.sealed = Some(unit.number);
                    queue.error = None;
                }
                Err(error) => {
                    queue.error = Some(error);
                    queue.retry = false;
                }
            }
            drop(queue);
            self.remove_files();
            self.changed.notify_all();
        }
    }

    fn next(&self) -> Option<Unit> {
        let mut queue = self.queue.lock();
        loop {
            if queue.stop {
                return None;
            }
            if let Some(&unit) = queue.units.front()
                && (queue.error.is_none() || queue.retry)
            {
                queue.error = None;
                return Some(unit);
            }
            self.changed.wait(&mut queue);
        }
    }

    fn seal(&self, unit: Unit) -> Result<()> {
        let mut ids: Vec<LogId> = self.shared.state.read().logs.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            self.seal_log(id, unit.end)?;
        }
        self.shared.pins.lock().retain(|_, pin| pin.end.is_none_or(|end| end > unit.end));
        Ok(())
    }

    fn seal_log(&self, id: LogId, end: Position) -> Result<()> {
        let shared = &self.shared;
        let (identity, definition, batches, previous) = {
            let state = shared.state.read();
            let Some(log) = state.logs.get(&id) else { return Ok(()) };
            let previous = log.segments.last().map_or([0; 32], |s| s.link());
            (log.identity.clone(), log.definition.clone(), log.tail.range(0..end), previous)
        };
        if batches.is_empty() {
            return Ok(());
        }
        let segment = Arc::new(segment::write(&shared.store, &definition, &batches, &previous, shared.options.row_group_rows)?);
        let mut state = shared.state.write();
        match state.logs.get_mut(&id) {
            Some(log) if Arc::ptr_eq(&log.identity, &identity) => log.add_segment(segment),
            _ => segment.doom(), // dropped meanwhile
        }
        Ok(())
    }

    /// Removes the WAL files that are sealed and hold no rows of a transaction that is not.
    fn remove_files(&self) {
        loop {
            let pinned = self.shared.pins.lock().values().map(|p| p.file).min().unwrap_or(u64::MAX);
            let mut queue = self.queue.lock();
            let Some(sealed) = queue.sealed else { return };
            let Some((&number, name)) = queue.files.first_key_value() else { return };
            if number > sealed || number >= pinned {
                return;
            }
            let name = name.clone();
            drop(queue);
            // A file that cannot be removed now is removed with the next one: its events are skipped if it is ever read.
            let removed = match self.shared.store.remove(&name) {
                Err(error) if error.code() == code::UNDEFINED_FILE => Ok(()),
                other => other,
            };
            if removed.and_then(|()| self.shared.store.sync_dir(parent(&name))).is_err() {
                return;
            }
            queue = self.queue.lock();
            queue.files.remove(&number);
        }
    }
}

/// Name of a closed file, for [`Sealer::add`].
pub(super) fn unit_name(number: u64, first: Position) -> String {
    wal::file_name(number, first)
}
