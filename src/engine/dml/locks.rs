//! Locks on tables: shared by those who insert, exclusive for those who read rows to change them.

use crate::catalog::RelationId;
use crate::engine::session::Session;
use crate::engine::transaction::TableLock;
use crate::error::{Error, Result, code};
use crate::limits;

impl Session {
    /// Holds the table against UPDATE and DELETE of others: until the answer is dropped, or inside BEGIN until its end.
    pub(in crate::engine) async fn lock_shared(&mut self, id: RelationId) -> Result<Option<TableLock>> {
        if self.transaction.as_ref().is_some_and(|t| t.holds(id)) {
            return Ok(None);
        }
        let lock = self.engine.lock_of(id);
        let held = in_time(lock.read_owned(), "the table").await?;
        Ok(self.keep(id, TableLock::Shared(held)))
    }

    /// Holds the table against all changes of others.
    pub(in crate::engine) async fn lock_exclusive(&mut self, id: RelationId) -> Result<Option<TableLock>> {
        if let Some(transaction) = &mut self.transaction {
            if transaction.holds_exclusive(id) {
                return Ok(None);
            }
            // A shared lock cannot be raised while others may hold one too; it is given back first. What was inserted under it
            // is not committed yet: others may change the rows of the same keys until the lock is had, as if before the INSERT.
            transaction.locks.retain(|(held, _)| *held != id);
        }
        let lock = self.engine.lock_of(id);
        let held = in_time(lock.write_owned(), "the table").await?;
        Ok(self.keep(id, TableLock::Exclusive(held)))
    }

    pub(super) fn keep(&mut self, id: RelationId, lock: TableLock) -> Option<TableLock> {
        match &mut self.transaction {
            Some(transaction) => {
                transaction.locks.push((id, lock));
                None
            }
            None => Some(lock),
        }
    }
}

/// Errors: 40P01 if the lock of `what` is not given in time.
pub async fn in_time<T>(lock: impl Future<Output = T>, what: &str) -> Result<T> {
    let wait = std::time::Duration::from_millis(limits::LOCK_WAIT_MS_MAX);
    tokio::time::timeout(wait, lock).await.map_err(|_| {
        Error::new(code::DEADLOCK_DETECTED, format!("could not lock {what} in time"))
            .detail("Another transaction holds it, perhaps one that waits for this one.")
            .hint("Retry the transaction.")
    })
}
