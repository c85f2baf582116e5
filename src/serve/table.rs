//! What a table or a materialized view holds for one statement: all of it, or the rows of some keys.
//!
//! A [`Snapshot`] has no index. While the relation is still as it was when the snapshot was taken, its live result answers for it, with
//! one probe a key; so it is for a statement that holds the table's lock, and often for others. Else the snapshot is passed over. A
//! statement that holds the lock of the rows that it looks up needs no snapshot: whatever becomes of others, those stay ([`TableRows::now`]).
//! What the live result is indexed by beside its key is up to those who ask: the first passes over it once.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::data::{Position, RowBatches};
use crate::error::{Error, Result};
use crate::fold::key_index::{Equality, KeyIndex, NONE};
use crate::fold::{Output, Overlay, RowKeys, Snapshot, Within};

/// Rows that are found by an index in any case; of more, up to one of [`FEW_OF`]. Others are passed over, which costs less for each.
const FEW_ROWS: usize = 1_024;
const FEW_OF: usize = 16;

/// The rows of a table or a materialized view: those committed, with those of the statement's own transaction over them.
#[derive(Clone, Default)]
pub struct TableRows {
    committed: Option<Committed>,
    own: Option<Arc<RwLock<Overlay>>>,
}

/// A live result, and how it was at the statement's position; without that, as it is whenever it is looked at.
#[derive(Clone)]
struct Committed {
    live: Arc<RwLock<Output>>,
    snapshot: Option<Snapshot>,
}

impl TableRows {
    /// What is committed, as it is whenever it is looked at.
    pub fn now(live: Arc<RwLock<Output>>) -> Self {
        TableRows { committed: Some(Committed { live, snapshot: None }), own: None }
    }

    /// The same rows as they are whenever they are looked at.
    pub fn held(mut self) -> Self {
        self.committed.iter_mut().for_each(|committed| committed.snapshot = None);
        self
    }

    /// What is committed: a snapshot of the live result.
    pub fn committed(snapshot: Snapshot, live: Arc<RwLock<Output>>) -> Self {
        TableRows { committed: Some(Committed { live, snapshot: Some(snapshot) }), own: None }
    }

    /// The same with what a transaction makes of it.
    pub fn with_own(self, own: Option<Arc<RwLock<Overlay>>>) -> Self {
        TableRows { own, ..self }
    }

    /// The same without blocks of rows in which some condition is not met, see [`Snapshot::within`]. It is for being passed over.
    pub fn within(&self, conditions: &[Within], make: bool) -> TableRows {
        let bounded = |committed: &Committed| Committed {
            live: committed.live.clone(),
            snapshot: Some(committed.snapshot().within(conditions, make)),
        };
        TableRows { committed: self.committed.as_ref().map(bounded), own: self.own.clone() }
    }

    /// How many rows there may be at most.
    pub fn count(&self) -> usize {
        let committed = self.committed.as_ref().map_or(0, |committed| committed.snapshot().rows);
        committed + self.own.as_ref().map_or(0, |own| own.read().rows().rows())
    }

    /// The columns that identify a row, if those are known.
    pub fn key(&self) -> Option<Vec<usize>> {
        self.committed.as_ref().and_then(|committed| committed.live.read().key().map(<[usize]>::to_vec))
    }

    /// The rows in batches, only the columns `projection` (all if `None`). Cost O(rows x columns) where rows have been removed or
    /// a transaction has changed some, else none.
    pub fn batches<'a>(&'a self, projection: Option<&'a [usize]>) -> Box<dyn Iterator<Item = Result<RecordBatch>> + 'a> {
        let snapshot = self.committed.as_ref().map(Committed::snapshot);
        let Some(own) = &self.own else {
            return Box::new(snapshot.into_iter().flat_map(move |rows| rows.batches(projection)));
        };
        let put = own.read().rows().snapshot();
        let put: Vec<Result<RecordBatch>> = put.chunks.iter().flat_map(|chunk| chunk.batches(projection)).collect();
        let committed = snapshot.into_iter().flat_map(|rows| rows.batches(None));
        let left = committed.map(move |rows| {
            let left = own.read().untouched(&rows?)?;
            projection.map_or(Ok(left.clone()), |columns| Ok(left.project(columns)?))
        });
        Box::new(left.chain(put))
    }

    /// What is committed, if it is better read batch by batch and no transaction changes it.
    pub fn streamed(&self) -> Option<Snapshot> {
        let committed = self.committed.as_ref().filter(|_| self.own.is_none())?;
        Some(committed.snapshot()).filter(Snapshot::is_streamed)
    }

    /// The rows at these positions, which ascend in the rows, among others; only the columns `projection`.
    pub fn batches_between(&self, projection: &[usize], positions: Range<Position>) -> RowBatches {
        match &self.committed {
            Some(committed) => committed.snapshot().batches_between(Some(projection), Some(positions)),
            None => Box::new(std::iter::empty()),
        }
    }

    /// All columns of the rows that have one of these keys, each row once.
    pub fn of_keys(&self, by: &RowKeys, keys: &[ArrayRef]) -> Result<Vec<RecordBatch>> {
        let committed = self.committed.as_ref().map_or(Ok(vec![]), |committed| committed.of_keys(by, keys))?;
        self.with_own_of(committed, by, keys)
    }

    /// The same by an index, each row as often as it counts. `None` where rows have none, or it is at another position by now, or they are so
    /// many that they are better passed over.
    pub fn few_of_keys(&self, by: &RowKeys, keys: &[ArrayRef]) -> Result<Option<Vec<RecordBatch>>> {
        let committed = match &self.committed {
            Some(committed) => committed.few_of_keys(by, keys)?,
            None => Some(vec![]),
        };
        self.few_with_own(committed, by, keys)
    }

    /// The same if they are at most `few`, by an index that is there.
    pub fn few_at_hand(&self, by: &RowKeys, keys: &[ArrayRef], few: usize) -> Result<Option<Vec<RecordBatch>>> {
        let committed = match &self.committed {
            Some(committed) => committed.found(&committed.live.read(), by, keys, few)?,
            None => Some(vec![]),
        };
        self.few_with_own(committed, by, keys)
    }

    fn few_with_own(&self, committed: Option<Vec<RecordBatch>>, by: &RowKeys, keys: &[ArrayRef]) -> Result<Option<Vec<RecordBatch>>> {
        // Some types have no index.
        Ok(committed.and_then(|committed| self.with_own_of(committed, by, keys).ok()))
    }

    /// These rows of the keys, with what the transaction makes of them.
    fn with_own_of(&self, committed: Vec<RecordBatch>, by: &RowKeys, keys: &[ArrayRef]) -> Result<Vec<RecordBatch>> {
        let Some(own) = &self.own else { return Ok(committed) };
        if !own.read().rows().is_indexed_by(by) {
            own.write().index_by(by)?;
        }
        let own = own.read();
        let left = committed.iter().map(|rows| own.untouched(rows)).collect::<Result<Vec<_>>>()?;
        Ok(left.into_iter().chain(own.rows().find(by, keys)?).collect())
    }
}

impl Committed {
    fn snapshot(&self) -> Snapshot {
        self.snapshot.clone().unwrap_or_else(|| self.live.read().snapshot())
    }

    fn of_keys(&self, by: &RowKeys, keys: &[ArrayRef]) -> Result<Vec<RecordBatch>> {
        match (self.probe(by, keys)?, &self.snapshot) {
            (Some(found), _) => Ok(vec![found]),
            (None, Some(snapshot)) => among(snapshot, by, keys),
            (None, None) => Err(Error::internal("rows that are locked are found by their key")),
        }
    }

    fn few_of_keys(&self, by: &RowKeys, keys: &[ArrayRef]) -> Result<Option<Vec<RecordBatch>>> {
        if !self.is_answered_by(&self.live.read()) {
            return Ok(None);
        }
        // Some types have no index.
        let Ok(output) = self.indexed(by) else { return Ok(None) };
        self.found(&output, by, keys, usize::MAX)
    }

    /// The rows by an index that the live result has, if that is as it was at the snapshot.
    fn found(&self, live: &Output, by: &RowKeys, keys: &[ArrayRef], few: usize) -> Result<Option<Vec<RecordBatch>>> {
        if !self.is_answered_by(live) {
            return Ok(None);
        }
        let most = FEW_ROWS.max(live.rows() / FEW_OF).min(few);
        Ok(live.find_few(by, keys, most)?.map(|found| vec![found]))
    }

    /// The rows by the live result's index; `None` if it is not at the snapshot any more.
    fn probe(&self, by: &RowKeys, keys: &[ArrayRef]) -> Result<Option<RecordBatch>> {
        let output = self.indexed(by)?;
        if self.is_answered_by(&output) { output.find(by, keys) } else { Ok(None) }
    }

    /// True if the live result is as it was at the snapshot.
    fn is_answered_by(&self, live: &Output) -> bool {
        self.snapshot.as_ref().is_none_or(|snapshot| live.is_at(snapshot))
    }

    /// The live result, which finds rows by these keys. Errors: see [`Output::index_by`].
    fn indexed(&self, by: &RowKeys) -> Result<RwLockReadGuard<'_, Output>> {
        let output = self.live.read();
        if output.is_indexed_by(by) {
            return Ok(output);
        }
        // Others read and write meanwhile.
        let made = output.index_aside(by)?;
        drop(output);
        let made = made.finish()?;
        let mut changing = self.live.write();
        changing.adopt(made)?;
        Ok(RwLockWriteGuard::downgrade(changing))
    }
}

/// The rows by passing over all of them.
fn among(snapshot: &Snapshot, by: &RowKeys, keys: &[ArrayRef]) -> Result<Vec<RecordBatch>> {
    let types: Vec<_> = keys.iter().map(|v| v.data_type().clone()).collect();
    let mut wanted = KeyIndex::new(&types, Equality::Sql)?;
    wanted.intern(keys, keys.first().map_or(0, |v| v.len()), &mut Vec::new(), &mut Vec::new())?;
    let chosen = |rows: RecordBatch| {
        let keyed = by.of(&rows)?;
        let found = wanted.find(&keyed.keys, keyed.rows.len())?;
        let places: UInt32Array = keyed.rows.iter().zip(found).filter(|(_, n)| *n != NONE).map(|(row, _)| Some(*row)).collect();
        Ok(take_record_batch(&rows, &places)?)
    };
    snapshot.batches(None).map(|rows| chosen(rows?)).collect()
}
