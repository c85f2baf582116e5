//! INSERT: rows of literals and of queries.

use arrow::array::RecordBatch;
use sqlparser::ast::{self, Expr};

use super::columns::{cast_columns, check_width, target_columns};
use super::values::{declared, literal_rows, put_value, scalars};
use crate::catalog::{Column, Relation, RelationKind};
use crate::data::Position;
use crate::data::decode::ColumnBuilder;
use crate::engine::events::events_of_rows;
use crate::engine::session::{Parameters, Prepared, Response, Session};
use crate::error::{Error, Result};
use crate::sql::Statement;

/// Rows of VALUES that are read without a pause.
const ROWS_A_TURN: usize = 1_024;

impl Session {
    pub(in crate::engine) async fn insert(
        &mut self,
        statement: &Statement,
        prepared: &Prepared,
        parameters: &Parameters,
    ) -> Result<Response> {
        let Statement::Insert { table, columns, source, returning } = statement else { return Err(Error::internal("not an INSERT")) };
        let relation = self.writable(table)?;
        let targets = target_columns(&relation, columns)?;
        let rows = match literal_rows(source) {
            Some(rows) => vec![self.literal_batch(&relation, &targets, rows, prepared, parameters).await?],
            None => self.insert_query(&relation, &targets, source, prepared, parameters).await?,
        };
        let count: usize = rows.iter().map(RecordBatch::num_rows).sum();
        let first = self.append_rows(&relation, rows.clone()).await?;
        let Some(items) = returning else { return Ok(Response::Done(format!("INSERT 0 {count}"))) };
        let planned = self.returning(&relation, items, rows, first).await?;
        let stream = self.run_query(&planned, vec![]).await?;
        Ok(Response::Rows { word: "INSERT 0".into(), columns: planned.columns, stream })
    }

    pub(in crate::engine) async fn insert_defaults(&mut self, table: &str) -> Result<Response> {
        let relation = self.writable(table)?;
        let batch = self.complete(&relation, &[], vec![], 1).await?;
        self.append_rows(&relation, vec![batch]).await?;
        Ok(Response::Done("INSERT 0 1".into()))
    }

    /// Rows of literals and parameters, as a batch of all columns. Cost O(values), no planning.
    pub(super) async fn literal_batch(
        &self,
        relation: &Relation,
        targets: &[usize],
        rows: Vec<&[Expr]>,
        prepared: &Prepared,
        parameters: &Parameters,
    ) -> Result<RecordBatch> {
        let zone = self.settings.zone();
        let builder = |t: &usize| ColumnBuilder::new(&relation.columns[*t].ty, rows.len()).in_zone(zone);
        let mut builders: Vec<ColumnBuilder> = targets.iter().map(builder).collect();
        let width = rows.first().map_or(0, |r| r.len());
        for (i, row) in rows.iter().enumerate() {
            // A long list lets other sessions, and a cancel, have their turn.
            if i % ROWS_A_TURN == ROWS_A_TURN - 1 {
                tokio::task::yield_now().await;
            }
            if row.len() != width {
                return Err(Error::syntax("VALUES lists must all be the same length"));
            }
            check_width(row.len(), targets.len(), targets.len() != relation.columns.len())?;
            for (value, builder) in row.iter().zip(&mut builders) {
                put_value(builder, value, prepared, parameters)?;
            }
        }
        let given = builders.iter_mut().take(width).map(ColumnBuilder::finish).collect();
        self.complete(relation, &targets[..width], given, rows.len()).await
    }

    /// Rows of a query, cast to the columns' types.
    pub(super) async fn insert_query(
        &mut self,
        relation: &Relation,
        targets: &[usize],
        source: &ast::Query,
        prepared: &Prepared,
        parameters: &Parameters,
    ) -> Result<Vec<RecordBatch>> {
        let planned = self.plan_query(source, &declared(prepared)).await?;
        check_width(planned.columns.len(), targets.len(), targets.len() != relation.columns.len())?;
        let targets = &targets[..planned.columns.len()];
        let wanted: Vec<&Column> = targets.iter().map(|t| &relation.columns[*t]).collect();
        let planned = cast_columns(planned, &wanted)?;
        let values = scalars(&planned.parameters, parameters, self.settings.zone())?;
        let mut rows = Vec::new();
        for batch in self.collect(&planned, values).await? {
            rows.push(self.complete(relation, targets, batch.columns().to_vec(), batch.num_rows()).await?);
        }
        Ok(rows)
    }

    /// Appends rows of all columns as events; answers the position of the first, if it is known already.
    pub(in crate::engine) async fn append_rows(&mut self, relation: &Relation, rows: Vec<RecordBatch>) -> Result<Option<Position>> {
        if rows.iter().all(|batch| batch.num_rows() == 0) {
            return Ok(Some(0));
        }
        let free = relation.kind == RelationKind::Stream && relation.ksql.is_none();
        let _held = if free { None } else { self.lock_shared(relation.id).await? };
        let mut events = Vec::with_capacity(rows.len());
        for batch in rows {
            events.extend(events_of_rows(&self.engine, relation, batch)?);
        }
        self.append(events).await
    }
}
