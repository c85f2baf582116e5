//! BEGIN, COMMIT, ROLLBACK around appends.
//!
//! A transaction gathers batches; COMMIT appends all of them as one, so their events get neighbouring positions and nobody sees a
//! part of them. ROLLBACK forgets them. Until then nobody sees them, the session itself included: a query over a relation that
//! the transaction has appended to is refused, rather than answered without the transaction's own rows.
//!
//! CREATE takes effect at once, so that the statements behind it can use the relation, and ROLLBACK drops it again. DROP is refused
//! inside BEGIN, since it could not be undone.

use std::collections::BTreeSet;

use arrow::array::RecordBatch;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard};

use crate::catalog::RelationId;
use crate::error::{Error, Result, code};
use crate::limits;
use crate::log::LogId;

/// A lock on a table, held until the transaction ends: shared by those who insert, exclusive for those who read rows to change them.
pub enum TableLock {
    Shared(OwnedRwLockReadGuard<()>),
    Exclusive(OwnedRwLockWriteGuard<()>),
}

/// A setting as it was before the transaction changed it.
#[derive(Debug)]
pub struct OldSetting {
    pub name: String,
    /// `None` if it was not set.
    pub value: Option<String>,
    /// True for SET LOCAL: the old value comes back at COMMIT too.
    pub local: bool,
}

/// A transaction under way.
#[derive(Default)]
pub struct Transaction {
    /// True after BEGIN; false for the implicit one around several statements.
    pub explicit: bool,
    /// True after a statement failed: only ROLLBACK helps.
    pub failed: bool,
    pub batches: Vec<(LogId, RecordBatch)>,
    bytes: usize,
    /// Relations created in it.
    pub created: Vec<RelationId>,
    /// What SET has changed in it, oldest first.
    pub settings: Vec<OldSetting>,
    /// Locks by relation.
    pub locks: Vec<(RelationId, TableLock)>,
}

impl Transaction {
    /// The one that BEGIN opens.
    pub fn explicit() -> Self {
        Transaction { explicit: true, ..Transaction::default() }
    }

    /// Adds a batch of events. Errors: 54000 when the transaction grows past its limit.
    pub fn push(&mut self, log: LogId, batch: RecordBatch) -> Result<()> {
        self.bytes += batch.get_array_memory_size();
        if self.bytes > limits::TRANSACTION_BYTES_MAX {
            return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, "the transaction is too large")
                .detail(format!("A transaction holds at most {} bytes.", limits::TRANSACTION_BYTES_MAX))
                .hint("Commit more often."));
        }
        self.batches.push((log, batch));
        Ok(())
    }

    /// The logs it has appended to.
    pub fn touched(&self) -> BTreeSet<LogId> {
        self.batches.iter().map(|(log, _)| *log).collect()
    }

    /// True if the exclusive lock of that table is held.
    pub fn holds_exclusive(&self, id: RelationId) -> bool {
        self.locks.iter().any(|(held, lock)| *held == id && matches!(lock, TableLock::Exclusive(_)))
    }

    /// True if some lock of that table is held.
    pub fn holds(&self, id: RelationId) -> bool {
        self.locks.iter().any(|(held, _)| *held == id)
    }
}

/// The error of every statement but ROLLBACK in a failed transaction.
pub fn aborted() -> Error {
    Error::new(code::IN_FAILED_SQL_TRANSACTION, "current transaction is aborted, commands ignored until end of transaction block")
}
