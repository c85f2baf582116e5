//! A position at which several nodes are asked for what they hold.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::catalog::RelationId;
use crate::data::Position;
use crate::error::{Error, Result};
use crate::fold::Snapshot;

/// What is done when a node has reached the cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Its snapshot is taken.
    Read,
    /// Nothing; the reader looks into the live output itself.
    Reach,
    /// Its state is written to a checkpoint.
    Save,
}

/// One request for a common position. Nodes arrive one by one; then whoever waits goes on.
pub struct Cut {
    pub position: Position,
    pub purpose: Purpose,
    state: Mutex<State>,
    arrived: Notify,
}

struct State {
    missing: HashSet<RelationId>,
    snapshots: HashMap<RelationId, Snapshot>,
    error: Option<Error>,
    spent: Duration,
}

impl Cut {
    /// A cut at `position` for which `nodes` are still to arrive.
    pub fn new(position: Position, purpose: Purpose, nodes: impl IntoIterator<Item = RelationId>) -> Arc<Self> {
        let state = State { missing: nodes.into_iter().collect(), snapshots: HashMap::new(), error: None, spent: Duration::ZERO };
        Arc::new(Cut { position, purpose, state: Mutex::new(state), arrived: Notify::new() })
    }

    /// True if the cut still waits for that node.
    pub fn awaits(&self, id: RelationId) -> bool {
        self.state.lock().missing.contains(&id)
    }

    /// The node has reached the position; `snapshot` where the purpose asks for one.
    pub fn arrive(&self, id: RelationId, snapshot: Option<Snapshot>) {
        let mut state = self.state.lock();
        state.missing.remove(&id);
        if let Some(snapshot) = snapshot {
            state.snapshots.insert(id, snapshot);
        }
        if state.missing.is_empty() {
            self.arrived.notify_waiters();
        }
    }

    /// It took a node's thread so long to serve the cut.
    pub fn spend(&self, time: Duration) {
        self.state.lock().spent += time;
    }

    /// How long it took all nodes' threads, without the time that they had to wait.
    pub fn spent(&self) -> Duration {
        self.state.lock().spent
    }

    /// The cut cannot be completed.
    pub fn fail(&self, error: Error) {
        self.state.lock().error.get_or_insert(error);
        self.arrived.notify_waiters();
    }

    /// True if all have arrived.
    pub fn is_complete(&self) -> bool {
        self.state.lock().missing.is_empty()
    }

    /// What the nodes held, once all have arrived; `None` before. Errors: the first failure.
    pub fn snapshots(&self) -> Option<Result<HashMap<RelationId, Snapshot>>> {
        let state = self.state.lock();
        match &state.error {
            Some(error) => Some(Err(error.clone())),
            None if state.missing.is_empty() => Some(Ok(state.snapshots.clone())),
            None => None,
        }
    }

    /// Waits until all have arrived.
    pub async fn wait(&self) -> Result<HashMap<RelationId, Snapshot>> {
        loop {
            let arrived = self.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            if let Some(answer) = self.snapshots() {
                return answer;
            }
            arrived.await;
        }
    }
}
