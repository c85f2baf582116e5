//! What a transaction's own statements read: what is committed, with the transaction's rows over it.
//!
//! Life of a read inside a transaction that has appended or defined something:
//! 1. [`Session::expanded`] says which materialized views rest on what the transaction has touched. The query is planned with those as
//!    plain views, since their nodes fold committed events only; a view holds what its query gives (the law), so that is the same.
//! 2. [`Session::read`] takes a cut of the relations that are committed and puts the transaction's rows over the streams ([`grown`]) and
//!    tables ([`Transaction::overlay`]) among them. A relation that the transaction has created has no committed rows.
//!
//! Rows not committed yet have provisional places: positions and offsets as if the transaction committed now; the identity of a row
//! in a table without a key, which is the position of the event that inserts it, is minus its number among the transaction's
//! events of that table ([`Transaction`] knows what to do with those).
//!
//! Cost: a stream O(own batches); a table one probe for each row that is read, after its [`Overlay`] has folded the events since the last
//! statement; a view its query.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{Schema, SchemaRef};
use parking_lot::{Mutex, RwLock};

use super::ddl::{base_logs, logged_schema, table_flow};
use super::session::Session;
use super::transaction::Transaction;
use crate::catalog::{Catalog, Relation, RelationId, RelationKind};
use crate::data::{Delta, Position, TIME};
use crate::error::Result;
use crate::fold::{Flow, Overlay};
use crate::log::{LogId, Slice, in_columns};
use crate::serve::cut::{ReadCut, Readable};
use crate::serve::table::TableRows;

impl Session {
    /// True if the session's statements must see what its transaction has done.
    pub(super) fn has_own(&self) -> bool {
        !self.temporary_tables().is_empty() || self.transaction.as_ref().is_some_and(Transaction::has_own)
    }

    /// True if names mean to the session what they mean to no other: it has temporary tables, or its transaction has defined something.
    pub(super) fn has_defined(&self) -> bool {
        !self.temporary_tables().is_empty() || self.transaction.as_ref().is_some_and(|t| t.definitions.is_some())
    }

    /// True if what the session's transaction has done to a relation is rows of a table that lie over those committed.
    pub(super) fn sees_through(&self, relation: &Relation) -> bool {
        relation.kind == RelationKind::Table && relation.ksql.is_none() && !self.has_defined()
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
        self.read_at(relations, self.settings.read_latest()).await
    }

    /// The same, always at the log's head: rows that are about to be changed.
    pub(super) async fn read_head(&self, relations: &[Arc<Relation>]) -> Result<ReadCut> {
        self.read_at(relations, false).await
    }

    /// The rows of a table as they were when the transaction had gathered so many batches, over what is committed now.
    pub(super) async fn read_before(&self, relation: &Arc<Relation>, batches: usize) -> Result<TableRows> {
        let committed = match self.engine.catalog().by_id(relation.id) {
            Some(_) => self.engine.read_cut(std::slice::from_ref(relation), false).await?.relations.remove(&relation.id),
            None => None,
        };
        let committed = if let Some(Readable::Rows(rows)) = committed { rows } else { TableRows::default() };
        let own = self.transaction.as_ref().map_or(Ok(None), |t| t.overlay(relation, Some(batches)))?;
        Ok(committed.with_own(own))
    }

    /// The rows that the transaction has put into a table, and that are there still.
    pub(super) fn own_rows(&self, relation: &Relation) -> Result<RecordBatch> {
        let own = self.transaction.as_ref().map_or(Ok(None), |t| t.overlay(relation, None))?;
        let columns: Vec<usize> = (0..relation.columns.len()).collect();
        let rows = TableRows::default().with_own(own).batches(Some(&columns)).collect::<Result<Vec<_>>>()?;
        let schema = relation.schema();
        let rows = rows.into_iter().map(|batch| Ok(RecordBatch::try_new(schema.clone(), batch.columns().to_vec())?));
        Ok(concat_batches(&schema, &rows.collect::<Result<Vec<_>>>()?)?)
    }

    /// The rows of a table for look-ups by keys: each sees them as they are then, at the head or behind it, at one position.
    pub(super) async fn read_now(&self, relation: &Arc<Relation>) -> Result<TableRows> {
        self.teller.awaits([relation.id]);
        let committed = match self.engine.node(relation.id) {
            Some(node) => {
                self.engine.reach(&node).await?;
                TableRows::now(node.live())
            }
            None => TableRows::default(),
        };
        if !self.has_own() {
            return Ok(committed);
        }
        if relation.ksql.is_some() {
            self.refuse_own_ksql(relation)?;
        }
        let own = self.transaction.as_ref().map_or_else(|| self.open().overlay(relation, None), |t| t.overlay(relation, None))?;
        Ok(committed.with_own(own))
    }

    async fn read_at(&self, relations: &[Arc<Relation>], latest: bool) -> Result<ReadCut> {
        self.teller.awaits(relations.iter().map(|r| r.id));
        let outside;
        let transaction = match &self.transaction {
            _ if !self.has_own() => return self.read_committed(relations, latest).await,
            Some(transaction) => transaction,
            None => {
                outside = self.open();
                &outside
            }
        };
        relations.iter().filter(|r| r.ksql.is_some()).try_for_each(|r| self.refuse_own_ksql(r))?;
        let committed = self.engine.catalog();
        let (there, new): (Vec<_>, Vec<_>) = relations.iter().cloned().partition(|r| committed.by_id(r.id).is_some());
        let mut cut = self.read_committed(&there, latest).await?;
        for relation in &new {
            cut.relations.insert(relation.id, nothing(relation));
        }
        for relation in relations.iter().filter(|r| r.ksql.is_none() && transaction.batches.iter().any(|(log, _)| *log == r.id)) {
            let with_own = match cut.relations.remove(&relation.id) {
                Some(Readable::Events(slice)) => {
                    let offset = self.engine.log.count(relation.id);
                    Readable::Events(grown(slice, transaction, relation.id, cut.position, offset, self.engine.clock.now_us())?)
                }
                Some(Readable::Rows(rows)) => Readable::Rows(rows.with_own(transaction.overlay(relation, None)?)),
                None => Readable::Rows(TableRows::default().with_own(transaction.overlay(relation, None)?)),
            };
            cut.relations.insert(relation.id, with_own);
        }
        Ok(cut)
    }
}

/// What a relation holds that nobody has committed.
pub(super) fn nothing(relation: &Relation) -> Readable {
    match relation.kind {
        RelationKind::Stream => {
            Readable::Events(Slice { schema: logged_schema(relation), segments: vec![], tail: vec![], range: 0..Position::MAX })
        }
        _ => Readable::Rows(TableRows::default()),
    }
}

/// A stream with the transaction's events behind those committed.
fn grown(slice: Slice, transaction: &Transaction, log: RelationId, head: Position, offset: u64, now_us: i64) -> Result<Slice> {
    let (mut position, mut offset) = (head as i64, offset as i64);
    let before = slice.schema.index_of(TIME)?;
    let added = &slice.schema.fields()[before - 2..];
    let mut tail = slice.tail;
    for (of, batch) in &transaction.batches {
        let rows = batch.num_rows() as i64;
        if *of == log {
            let mut fields = batch.schema_ref().fields().to_vec();
            fields.extend_from_slice(added);
            let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![now_us; rows as usize]));
            let mut columns = batch.columns().to_vec();
            columns.push(Arc::new(Int64Array::from_iter_values(position..position + rows)));
            columns.push(Arc::new(Int64Array::from_iter_values(offset..offset + rows)));
            columns.push(cast(&times, slice.schema.field(before).data_type())?);
            // The log may have got columns since.
            tail.push(in_columns(&slice.schema, &RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)?);
            offset += rows;
        }
        // Those of temporary tables get none.
        position += if transaction.is_temporary(*of) { 0 } else { rows };
    }
    Ok(Slice { tail, range: slice.range.start..position as Position, ..slice })
}

/// The overlays of a transaction, by table: each folds the table's events as they are gathered.
#[derive(Default)]
pub struct Overlays(Mutex<BTreeMap<LogId, Laid>>);

/// An overlay, and how far it has folded.
struct Laid {
    overlay: Arc<RwLock<Overlay>>,
    /// The schema of the table's events.
    schema: SchemaRef,
    flow: Flow,
    /// Of the transaction's batches, all logs' among them.
    batches: usize,
    /// Of the table's events.
    events: i64,
}

impl Overlays {
    /// Forgets them: what they have folded has changed. They are folded anew when they are asked for.
    pub fn clear(&mut self) {
        self.0.get_mut().clear();
    }
}

impl Transaction {
    /// What the transaction makes of a table: of its first `batches`, or all. `None` if it has not touched the table. Cost O(events
    /// since it was last asked).
    pub(super) fn overlay(&self, relation: &Relation, batches: Option<usize>) -> Result<Option<Arc<RwLock<Overlay>>>> {
        let until = batches.unwrap_or(self.batches.len()).min(self.batches.len());
        if !self.batches[..until].iter().any(|(log, _)| *log == relation.id) {
            return Ok(None);
        }
        let mut overlays = self.overlays.0.lock();
        let schema = logged_schema(relation);
        let known = overlays.remove(&relation.id).filter(|laid| laid.batches <= until && laid.schema == schema);
        // Folding on must not move what a statement still reads, as that of a cursor.
        let known = known.filter(|laid| laid.batches == until || Arc::strong_count(&laid.overlay) == 1);
        let mut laid = known.map_or_else(|| Laid::new(relation, schema), Ok)?;
        for (_, batch) in self.batches[laid.batches..until].iter().filter(|(log, _)| *log == relation.id) {
            laid.fold(relation, batch)?;
        }
        laid.batches = until;
        let overlay = laid.overlay.clone();
        overlays.insert(relation.id, laid);
        Ok(Some(overlay))
    }
}

impl Laid {
    fn new(relation: &Relation, schema: SchemaRef) -> Result<Self> {
        let (flow, identity) = table_flow(relation)?;
        let overlay = Arc::new(RwLock::new(Overlay::new(flow.schema(), identity)?));
        Ok(Laid { overlay, schema, flow, batches: 0, events: 0 })
    }

    /// The events may be from before the table got columns.
    fn fold(&mut self, relation: &Relation, events: &RecordBatch) -> Result<()> {
        let events = &in_columns(&relation.event_schema(), events)?;
        let change = self.flow.step(&[vec![Delta::insert(provisional(&self.schema, events, self.events)?)]])?;
        self.events += events.num_rows() as i64;
        self.overlay.write().add(change, &identities(relation, events))
    }
}

/// What identifies the rows that a table's events touch.
pub(super) fn identities(relation: &Relation, events: &RecordBatch) -> Vec<ArrayRef> {
    match relation.key.is_empty() {
        true => vec![events.column(relation.columns.len() + 1).clone()],
        false => relation.key.iter().map(|k| events.column(*k).clone()).collect(),
    }
}

/// Events of a table with the places that they have until they are committed: minus their numbers, from `before` on.
fn provisional(schema: &SchemaRef, events: &RecordBatch, before: i64) -> Result<RecordBatch> {
    let rows = events.num_rows() as i64;
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((1..=rows).map(|i| -(before + i))));
    let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![0; rows as usize]));
    let mut columns = events.columns().to_vec();
    columns.extend([numbers.clone(), numbers]);
    columns.push(cast(&times, schema.field(columns.len()).data_type())?);
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}
