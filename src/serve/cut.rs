//! All that one statement reads, at one position.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::catalog::RelationId;
use crate::data::Position;
use crate::fold::Snapshot;
use crate::log::Slice;

/// What a relation holds at the cut's position.
pub enum Readable {
    /// The events of a stream: sealed segments and the tail behind them.
    Events(Slice),
    /// The rows of a table or materialized view.
    Rows(Snapshot),
    /// Rows of all columns that are nobody else's: a table as the transaction sees it that is changing it.
    Batches(Vec<RecordBatch>),
}

/// The relations of one statement at one position.
#[derive(Default)]
pub struct ReadCut {
    /// The position: every event before it is seen, none after.
    pub position: Position,
    /// What each relation named holds there.
    pub relations: HashMap<RelationId, Readable>,
}

/// The rows of a snapshot, only the columns `projection` (all if `None`), chunk by chunk. Cost O(rows x columns) where rows have
/// been removed, else none.
pub fn snapshot_batches(snapshot: &Snapshot, projection: Option<&[usize]>) -> crate::error::Result<Vec<RecordBatch>> {
    snapshot.chunks.iter().map(|chunk| chunk.project(projection)).collect()
}

/// The schema of a projection.
pub fn projected(schema: &SchemaRef, projection: Option<&Vec<usize>>) -> crate::error::Result<SchemaRef> {
    Ok(match projection {
        Some(columns) => schema.project(columns)?.into(),
        None => schema.clone(),
    })
}
