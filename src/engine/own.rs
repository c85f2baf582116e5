//! What a transaction's own statements read: what is committed, with the transaction's rows over it.
//!
//! Life of a read inside a transaction that has appended or defined something:
//! 1. [`Session::expanded`] says which materialized views rest on what the transaction has touched. The query is planned with those as
//!    plain views, since their nodes fold committed events only; a view holds what its query gives (the law), so that is the same.
//! 2. [`Session::read`] takes a cut of the relations that are committed and puts the transaction's rows over the streams ([`grown`]) and
//!    tables ([`overlaid`]) among them. A relation that the transaction has created has no committed rows.
//!
//! Rows not committed yet have provisional places: positions and offsets as if the transaction committed now; the identity of a row
//! in a table without a key, which is the position of the event that inserts it, is minus its number among the transaction's
//! events of that table ([`Transaction`] knows what to do with those).
//!
//! Cost: a stream O(own batches), a table one probe for each of its rows, a view its query.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::{cast, filter_record_batch};

use super::ddl::{base_logs, logged_schema, table_flow};
use super::session::Session;
use super::transaction::Transaction;
use crate::catalog::{Catalog, Relation, RelationId, RelationKind};
use crate::data::{Delta, Position};
use crate::error::Result;
use crate::fold::Snapshot;
use crate::fold::key_index::{Equality, KeyIndex, NONE};
use crate::log::Slice;
use crate::serve::cut::{ReadCut, Readable, snapshot_batches};

impl Session {
    /// True if the session's statements must see what its transaction has done.
    pub(super) fn has_own(&self) -> bool {
        !self.temporary_tables().is_empty() || self.transaction.as_ref().is_some_and(Transaction::has_own)
    }

    /// The materialized views to be read by their queries, since the transaction has touched what they rest on, or has made them.
    pub(super) fn expanded(&self, catalog: &Catalog) -> Arc<BTreeSet<RelationId>> {
        let Some(transaction) = self.transaction.as_ref().filter(|t| t.has_own()) else { return Arc::default() };
        let (touched, committed) = (transaction.touched(), self.engine.catalog());
        let is_new = |id: RelationId| committed.by_id(id).is_none();
        let rests = |r: &Relation| is_new(r.id) || base_logs(catalog, r).iter().any(|log| touched.contains(log) || is_new(*log));
        let views = catalog.relations().filter(|r| r.kind == RelationKind::MaterializedView && r.ksql.is_none());
        Arc::new(views.filter(|r| rests(r)).map(|r| r.id).collect())
    }

    /// What these relations hold for the session: at the log's head, or as they are if the session reads the latest; with the rows
    /// of its own transaction.
    pub(super) async fn read(&self, relations: &[Arc<Relation>]) -> Result<ReadCut> {
        let latest = self.settings.read_latest();
        self.teller.awaits(relations.iter().map(|r| r.id));
        let outside;
        let transaction = match &self.transaction {
            _ if !self.has_own() => return self.engine.read_cut(relations, latest).await,
            Some(transaction) => transaction,
            None => {
                outside = self.open();
                &outside
            }
        };
        relations.iter().filter(|r| r.ksql.is_some()).try_for_each(|r| self.refuse_own_ksql(r))?;
        let committed = self.engine.catalog();
        let (there, new): (Vec<_>, Vec<_>) = relations.iter().cloned().partition(|r| committed.by_id(r.id).is_some());
        let mut cut = self.engine.read_cut(&there, latest).await?;
        for relation in &new {
            cut.relations.insert(relation.id, nothing(relation));
        }
        for relation in relations.iter().filter(|r| r.ksql.is_none() && transaction.batches.iter().any(|(log, _)| *log == r.id)) {
            let with_own = match cut.relations.remove(&relation.id) {
                Some(Readable::Events(slice)) => {
                    let offset = self.engine.log.count(relation.id);
                    Readable::Events(grown(slice, transaction, relation.id, cut.position, offset, self.engine.clock.now_us())?)
                }
                Some(Readable::Rows(snapshot)) => Readable::Batches(overlaid(relation, Some(snapshot), transaction)?),
                _ => Readable::Batches(overlaid(relation, None, transaction)?),
            };
            cut.relations.insert(relation.id, with_own);
        }
        Ok(cut)
    }
}

/// What a relation holds that nobody has committed.
fn nothing(relation: &Relation) -> Readable {
    match relation.kind {
        RelationKind::Stream => {
            Readable::Events(Slice { schema: logged_schema(relation), segments: vec![], tail: vec![], range: 0..Position::MAX })
        }
        _ => Readable::Batches(vec![]),
    }
}

/// A stream with the transaction's events behind those committed.
fn grown(slice: Slice, transaction: &Transaction, log: RelationId, head: Position, offset: u64, now_us: i64) -> Result<Slice> {
    let (mut position, mut offset) = (head as i64, offset as i64);
    let mut tail = slice.tail;
    for (of, batch) in &transaction.batches {
        let rows = batch.num_rows() as i64;
        if *of == log {
            let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![now_us; rows as usize]));
            let mut columns = batch.columns().to_vec();
            columns.push(Arc::new(Int64Array::from_iter_values(position..position + rows)));
            columns.push(Arc::new(Int64Array::from_iter_values(offset..offset + rows)));
            columns.push(cast(&times, slice.schema.field(columns.len()).data_type())?);
            tail.push(RecordBatch::try_new(slice.schema.clone(), columns)?);
            offset += rows;
        }
        // Those of temporary tables get none.
        position += if transaction.is_temporary(*of) { 0 } else { rows };
    }
    Ok(Slice { tail, range: slice.range.start..position as Position, ..slice })
}

/// The rows of a table with the transaction's events folded over them: the last event of a row wins, as in the table's own node.
pub(super) fn overlaid(relation: &Arc<Relation>, committed: Option<Snapshot>, transaction: &Transaction) -> Result<Vec<RecordBatch>> {
    let (mut flow, identity) = table_flow(relation)?;
    let schema = logged_schema(relation);
    let op = relation.columns.len();
    let mut touched: Option<KeyIndex> = None;
    let (mut events, mut number) = (Vec::new(), 0);
    for (_, batch) in transaction.batches.iter().filter(|(log, _)| *log == relation.id) {
        let rows = batch.num_rows() as i64;
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((1..=rows).map(|i| -(number + i))));
        number += rows;
        let keys: Vec<ArrayRef> = match relation.key.is_empty() {
            true => vec![batch.column(op + 1).clone()],
            false => relation.key.iter().map(|k| batch.column(*k).clone()).collect(),
        };
        let types: Vec<_> = keys.iter().map(|k| k.data_type().clone()).collect();
        let index = match &mut touched {
            Some(index) => index,
            none => none.insert(KeyIndex::new(&types, Equality::Sql)?),
        };
        index.intern(&keys, batch.num_rows(), &mut Vec::new(), &mut Vec::new())?;
        let mut columns = batch.columns().to_vec();
        columns.extend([numbers.clone(), numbers]);
        let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![0; batch.num_rows()]));
        columns.push(cast(&times, schema.field(columns.len()).data_type())?);
        events.push(Delta::insert(RecordBatch::try_new(schema.clone(), columns)?));
    }
    let mut rows = Vec::new();
    for batch in committed.iter().map(|snapshot| snapshot_batches(snapshot, None)).collect::<Result<Vec<_>>>()?.into_iter().flatten() {
        let keys: Vec<ArrayRef> = identity.iter().map(|k| batch.column(*k).clone()).collect();
        let found = touched.as_ref().map_or(Ok(vec![NONE; batch.num_rows()]), |index| index.find(&keys, batch.num_rows()))?;
        let keep: BooleanArray = found.iter().map(|n| Some(*n == NONE)).collect();
        rows.push(filter_record_batch(&batch, &keep)?);
    }
    rows.extend(flow.step(&[events])?.into_iter().map(|delta| delta.batch));
    Ok(rows)
}
