//! Large transactions: rows reach the WAL while more are still coming, and become visible together at the end.
//!
//! The caller's thread encodes (and compresses) its rows, so that several COPYs encode at once and the writer only writes. The
//! rows carry no positions in the WAL: the commit frame gives the first, and the rest follow in the order of pushing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::batch::Part;
use super::ipc::{Encoder, TIMED};
use super::state::Shared;
use super::writer::{Request, Transaction, closed};
use super::{Committed, LogId};
use crate::error::Result;
use crate::limits;

/// Encoded rows that wait for the writer, all transactions together, in KiB; more of them wait in `push`.
pub(super) const ROOM_KIB: usize = 128 << 10;

/// Buffers kept for the next rows, each of so many bytes at most.
const PAYLOADS_MAX: usize = 8;
const PAYLOAD_BYTES_MAX: usize = 16 << 20;

/// Memory for encoded rows, used again: what one thread frees another does not get, and fresh memory costs the kernel's zeroing it.
#[derive(Default)]
pub(super) struct Payloads(Mutex<Vec<Vec<u8>>>);

impl Payloads {
    /// An empty buffer.
    fn take(&self) -> Vec<u8> {
        self.0.lock().pop().unwrap_or_default()
    }

    /// Takes a buffer back.
    pub fn give(&self, mut payload: Vec<u8>) {
        let mut kept = self.0.lock();
        if kept.len() < PAYLOADS_MAX && payload.capacity() <= PAYLOAD_BYTES_MAX {
            payload.clear();
            kept.push(payload);
        }
    }
}

/// A transaction under way; see [`super::Log::stage`]. Dropping it aborts it.
pub struct Staging {
    pub(super) shared: Arc<Shared>,
    pub(super) sender: mpsc::Sender<Request>,
    pub(super) room: Arc<Semaphore>,
    transaction: Arc<Transaction>,
    parts: Vec<Part>,
    encoder: Encoder,
    rows: u64,
    bytes: usize,
}

impl Staging {
    pub(super) fn new(shared: Arc<Shared>, sender: mpsc::Sender<Request>, room: Arc<Semaphore>) -> Result<Staging> {
        let id = shared.next_transaction.fetch_add(1, Ordering::Relaxed);
        let transaction = Arc::new(Transaction { id, failed: Mutex::new(None), aborted: AtomicBool::new(false) });
        Ok(Staging { shared, sender, room, transaction, parts: Vec::new(), encoder: Encoder::new()?, rows: 0, bytes: 0 })
    }

    /// Adds rows behind all pushed before. The columns are as for [`super::Append`]. It waits while the writer is behind.
    /// Errors: 42P01, 42804, 23502 for rows that do not fit; what the writer met before (53100, 58030); 57P01 after close.
    pub async fn push(&mut self, id: LogId, batch: RecordBatch) -> Result<()> {
        if let Some(error) = self.transaction.failed.lock().clone() {
            return Err(error);
        }
        let definition = self.shared.definition(id)?;
        for from in (0..batch.num_rows()).step_by(limits::BATCH_ROWS_MAX) {
            let rows = limits::BATCH_ROWS_MAX.min(batch.num_rows() - from);
            let part = Part::new(definition.clone(), &batch.slice(from, rows))?;
            self.send(part).await?;
        }
        Ok(())
    }

    /// [`Staging::push`] for threads that are not async.
    pub fn push_blocking(&mut self, id: LogId, batch: RecordBatch) -> Result<()> {
        futures::executor::block_on(self.push(id, batch))
    }

    pub(super) async fn send(&mut self, part: Part) -> Result<()> {
        let mut payload = self.shared.payloads.take();
        payload.extend_from_slice(&self.transaction.id.to_le_bytes());
        let flags = if part.time.is_some() { TIMED } else { 0 };
        self.encoder.section(&mut payload, part.definition.id, flags, &part.staged()?)?;
        let kib = (payload.len() / 1024 + 1).min(ROOM_KIB) as u32;
        let room = self.room.clone().acquire_many_owned(kib).await.map_err(|_| closed())?;
        let (transaction, definition) = (self.transaction.clone(), part.definition.clone());
        self.rows += part.rows as u64;
        self.bytes += part.bytes();
        self.parts.push(part);
        self.sender.send(Request::Stage { transaction, definition, payload, _room: room }).await.map_err(|_| closed())
    }

    /// Rows pushed so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes of Arrow memory held so far.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes all rows visible at one moment, at neighbouring positions in the order of pushing; durable first, if `sync`.
    /// Errors: as [`super::Log::append`]'s; then nothing is visible.
    pub async fn commit(mut self, sync: bool) -> Result<Committed> {
        let (reply, answer) = oneshot::channel();
        let parts = std::mem::take(&mut self.parts);
        let request = Request::Commit { transaction: self.transaction.clone(), parts, sync, reply };
        self.sender.send(request).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// [`Staging::commit`] for threads that are not async.
    pub fn commit_blocking(self, sync: bool) -> Result<Committed> {
        futures::executor::block_on(self.commit(sync))
    }
}

impl Drop for Staging {
    /// Lets the WAL files of an aborted transaction go. After a commit request the writer owns that decision: a transaction
    /// that it will still commit keeps its pin only if it is not marked here, so only one without rows handed over is marked.
    fn drop(&mut self) {
        if self.parts.is_empty() {
            return;
        }
        let mut pins = self.shared.pins.lock();
        self.transaction.aborted.store(true, Ordering::Relaxed);
        pins.remove(&self.transaction.id);
    }
}
