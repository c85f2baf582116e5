//! What a table or a materialized view holds for one statement: all of it, or the rows of some keys.
//!
//! A [`Snapshot`] has no index. While the relation is still as it was when the snapshot was taken, its live result answers for it, with
//! one probe a key; so it is for a statement that holds the table's lock, and nearly always for others. Else the snapshot is passed over.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use parking_lot::{RwLock, RwLockWriteGuard};

use crate::error::Result;
use crate::fold::key_index::{Equality, KeyIndex, NONE};
use crate::fold::{Output, Overlay, RowKeys, Snapshot};

/// The rows of a table or a materialized view: those committed, with those of the statement's own transaction over them.
#[derive(Clone, Default)]
pub struct TableRows {
    committed: Option<(Snapshot, Arc<RwLock<Output>>)>,
    own: Option<Arc<RwLock<Overlay>>>,
}

impl TableRows {
    /// What is committed: a snapshot of the live result.
    pub fn committed(snapshot: Snapshot, live: Arc<RwLock<Output>>) -> Self {
        TableRows { committed: Some((snapshot, live)), own: None }
    }

    /// The same with what a transaction makes of it.
    pub fn with_own(self, own: Option<Arc<RwLock<Overlay>>>) -> Self {
        TableRows { own, ..self }
    }

    /// The rows in batches, only the columns `projection` (all if `None`). Cost O(rows x columns) where rows have been removed or
    /// a transaction has changed some, else none.
    pub fn batches<'a>(&'a self, projection: Option<&'a [usize]>) -> Box<dyn Iterator<Item = Result<RecordBatch>> + 'a> {
        let committed = self.committed.iter().flat_map(|(snapshot, _)| snapshot.chunks.iter());
        let Some(own) = &self.own else { return Box::new(committed.map(move |chunk| chunk.project(projection))) };
        let put = own.read().rows().snapshot();
        let put: Vec<Result<RecordBatch>> = put.chunks.iter().map(|chunk| chunk.project(projection)).collect();
        let left = committed.map(move |chunk| {
            let left = own.read().untouched(&chunk.batch()?)?;
            projection.map_or(Ok(left.clone()), |columns| Ok(left.project(columns)?))
        });
        Box::new(left.chain(put))
    }

    /// All columns of the rows that have one of these keys, each row once.
    pub fn of_keys(&self, by: &RowKeys, keys: &[ArrayRef]) -> Result<Vec<RecordBatch>> {
        let committed = match &self.committed {
            Some((snapshot, live)) => match probe(live, snapshot, by, keys)? {
                Some(found) => vec![found],
                None => among(snapshot, by, keys)?,
            },
            None => vec![],
        };
        let Some(own) = &self.own else { return Ok(committed) };
        if !own.read().rows().is_indexed_by(by) {
            own.write().index_by(by)?;
        }
        let own = own.read();
        let left = committed.iter().map(|rows| own.untouched(rows)).collect::<Result<Vec<_>>>()?;
        Ok(left.into_iter().chain(own.rows().find(by, keys)?).collect())
    }
}

/// The rows by the live result's index; `None` if it is not at the snapshot any more.
fn probe(live: &RwLock<Output>, snapshot: &Snapshot, by: &RowKeys, keys: &[ArrayRef]) -> Result<Option<RecordBatch>> {
    let mut output = live.read();
    if output.is_at(snapshot) && !output.is_indexed_by(by) {
        drop(output);
        let mut changing = live.write();
        if changing.is_at(snapshot) {
            changing.index_by(by)?;
        }
        output = RwLockWriteGuard::downgrade(changing);
    }
    if output.is_at(snapshot) { output.find(by, keys) } else { Ok(None) }
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
    snapshot.chunks.iter().map(|chunk| chosen(chunk.batch()?)).collect()
}
