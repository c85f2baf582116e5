//! Rows as the events that the log takes.

use std::sync::Arc;

use arrow::array::{Int8Array, RecordBatch, new_null_array};
use arrow::datatypes::{DataType, SchemaRef};

use super::database::Engine;
use super::ksql::insert::events_of;
use crate::catalog::{Relation, RelationKind};
use crate::error::Result;
use crate::log::LogId;

/// +1 in `_op`: the row is as given. -1: it is gone.
pub(super) const UPSERT: i8 = 1;
pub(super) const DELETE: i8 = -1;

/// Rows as events of the relation, and of those that share its topic.
pub(super) fn events_of_rows(engine: &Engine, relation: &Relation, rows: RecordBatch) -> Result<Vec<(LogId, RecordBatch)>> {
    match events_of(&engine.catalog(), relation, &rows, engine.clock.now_us())? {
        Some(events) => Ok(events),
        None => Ok(vec![(relation.id, upserts(&relation.event_schema(), relation, rows)?)]),
    }
}

/// Rows as events: upserts in a table, as they are in a stream.
pub(super) fn upserts(schema: &SchemaRef, relation: &Relation, rows: RecordBatch) -> Result<RecordBatch> {
    let count = rows.num_rows();
    let mut columns = rows.columns().to_vec();
    if relation.kind == RelationKind::Table {
        columns.push(Arc::new(Int8Array::from(vec![UPSERT; count])));
        if relation.key.is_empty() {
            columns.push(new_null_array(&DataType::Int64, count));
        }
    }
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

/// Rows read from a table (its columns, then the row id where it has no key) as events.
pub(super) fn changes(relation: &Relation, rows: &RecordBatch, op: i8) -> Result<RecordBatch> {
    let width = relation.columns.len();
    let mut columns = rows.columns()[..width].to_vec();
    columns.push(Arc::new(Int8Array::from(vec![op; rows.num_rows()])));
    if relation.key.is_empty() {
        columns.push(rows.column(width).clone());
    }
    Ok(RecordBatch::try_new(relation.event_schema(), columns)?)
}
