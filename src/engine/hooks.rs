//! Who is asked, and who is told, when a node fails or changes. Set once, when the database is opened.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use super::node::Node;
use crate::catalog::RelationId;
use crate::data::Position;
use crate::error::{Error, code};

/// Finds the event in a range that makes a node fail.
type FindFault = Box<dyn Fn(RelationId, Range<Position>) -> Option<Position> + Send + Sync>;

/// Makes a node of a relation anew, with nothing folded.
type Anew = Box<dyn Fn(RelationId) -> Option<Arc<Node>> + Send + Sync>;

/// Is told that a node's output has changed, and from which position on a query sees it.
type Changed = Box<dyn Fn(RelationId, Position) + Send + Sync>;

/// What the runner calls, each without its lock.
#[derive(Default)]
pub struct Hooks {
    find_fault: OnceLock<FindFault>,
    anew: OnceLock<Anew>,
    changed: OnceLock<Changed>,
}

impl Hooks {
    /// Sets how the event is found that makes a node fail. It is called before the failure is known to anybody.
    pub fn on_failure(&self, find: FindFault) {
        let _ = self.find_fault.set(find);
    }

    /// Sets how a node is made anew that is to fold its history in one step.
    pub fn on_fold_again(&self, anew: Anew) {
        let _ = self.anew.set(anew);
    }

    /// Sets who is told when a node's output has changed; not always in order.
    pub fn on_change(&self, changed: Changed) {
        let _ = self.changed.set(changed);
    }

    /// The event at fault, if it is found.
    pub(super) fn find_fault(&self, id: RelationId, range: Range<Position>, cause: &Error) -> Option<Position> {
        // What grew too large would only do so again.
        let limits = [code::CONFIGURATION_LIMIT_EXCEEDED, code::PROGRAM_LIMIT_EXCEEDED];
        let find = self.find_fault.get().filter(|_| !limits.contains(&cause.code()))?;
        catch_unwind(AssertUnwindSafe(|| find(id, range))).unwrap_or(None)
    }

    /// A node of a relation anew, if it can be made.
    pub(super) fn anew(&self, id: RelationId) -> Option<Arc<Node>> {
        let make = self.anew.get()?;
        catch_unwind(AssertUnwindSafe(|| make(id))).unwrap_or(None)
    }

    /// Tells that a node's output has changed.
    pub(super) fn changed(&self, id: RelationId, to: Position) {
        if let Some(tell) = self.changed.get() {
            tell(id, to);
        }
    }
}
