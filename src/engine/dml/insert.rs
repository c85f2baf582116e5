//! INSERT: rows of literals and of queries.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use sqlparser::ast::{self, Expr};

use super::Written;
use super::columns::{at_precision, cast_columns, check_row, check_width, target_columns};
use super::conflict::Merge;
use super::defaults::generated_always;
use super::returning::{Part, Returning, names_hidden, schema_with_hidden, without_positions};
use super::values::{check_literal, declared, literal_rows, put_value, scalars, typed};
use crate::catalog::{Column, Command, Name, Privileges, Relation, RelationKind, TriggerEvent};
use crate::data::Position;
use crate::data::decode::ColumnBuilder;
use crate::engine::events::events_of_rows;
use crate::engine::session::{Parameters, Prepared, Response, Session};
use crate::engine::table_locks::{Mode, TableLock};
use crate::engine::triggers::Happening;
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
        let Statement::Insert { table, returning, through, .. } = statement else { return Err(Error::internal("not an INSERT")) };
        if through.is_none()
            && let Some(items) = returning
            && let relation = self.written_on(table, TriggerEvent::Insert)?
            && relation.kind != RelationKind::View
            && names_hidden(items, &relation)
            && !self.knows_number(&relation, items)
        {
            return self.insert_returning_places(statement, items, prepared, parameters).await;
        }
        let mut held = Vec::new();
        let written = self.inserted(statement, prepared, parameters, &mut held).await?;
        self.finish("INSERT 0", written, prepared).await
    }

    /// What an INSERT writes, with the lock that it needs among those `held`.
    pub(super) async fn inserted(
        &mut self,
        statement: &Statement,
        prepared: &Prepared,
        parameters: &Parameters,
        held: &mut Vec<Option<TableLock>>,
    ) -> Result<Written> {
        let Statement::Insert { table, alias, source, conflict, returning, through, .. } = statement else {
            return Err(Error::internal("not an INSERT"));
        };
        let relation = self.written_on(table, TriggerEvent::Insert)?;
        let replaced = relation.kind == RelationKind::View;
        if replaced && conflict.is_some() {
            return Err(Error::unsupported(format!("ON CONFLICT is not supported on view \"{}\"", relation.name))
                .hint("Its trigger can insert with ON CONFLICT."));
        }
        self.may_insert(&relation, statement, &declared(prepared)).await?;
        let rows = self.rows_to_insert(&relation, statement, prepared, parameters, held).await?;
        if let Some(through) = through {
            self.check_options(through, &concat_batches(&relation.schema(), &rows)?).await?;
        }
        if conflict.is_none() && !relation.triggers.is_empty() {
            rows.iter().for_each(|rows| self.note_rows(&Happening::insert(&relation), None, Some(rows.clone())));
        }
        let count = rows.iter().map(RecordBatch::num_rows).sum();
        let returned = match returning {
            Some(items) => {
                let alias = alias.as_ref().unwrap_or(&table.name).clone();
                let rows = concat_batches(&relation.schema(), &rows)?;
                let known = || self.insert_plan(prepared).and_then(|plan| plan.returning.as_ref());
                let of_table = |rows| Part { alias: alias.clone(), relation: Some(relation.id), rows };
                let (written, known) = match through {
                    Some(through) => (self.seen_through(through, &alias, &rows).await?, known()),
                    None if !replaced && names_hidden(items, &relation) => (of_table(without_positions(&rows)?), None),
                    None => (of_table(rows), known()),
                };
                let written = [written];
                let returning = Returning { with: source.with.as_ref(), items, known };
                Some(self.returned(returning, &written, &declared(prepared), parameters).await?)
            }
            None => None,
        };
        if conflict.is_none() && !replaced {
            held.push(self.room_for(&relation, &rows, through.is_some()).await?);
        }
        let mut events = Vec::with_capacity(rows.len());
        for batch in rows.into_iter().filter(|_| !replaced) {
            events.extend(events_of_rows(&self.engine, &relation, batch)?);
        }
        Ok(Written { count, events, returned, unanswered: None })
    }

    /// INSERT .. RETURNING of columns that the log adds: they are known when the rows are appended. Errors: 0A000 inside BEGIN.
    async fn insert_returning_places(
        &mut self,
        statement: &Statement,
        items: &[ast::SelectItem],
        prepared: &Prepared,
        parameters: &Parameters,
    ) -> Result<Response> {
        let Statement::Insert { table, alias, source, .. } = statement else { return Err(Error::internal("not an INSERT")) };
        let relation = self.writable(table)?;
        self.may_insert(&relation, statement, &declared(prepared)).await?;
        let alias = alias.as_ref().unwrap_or(&table.name).clone();
        let none =
            [Part { alias: alias.clone(), relation: Some(relation.id), rows: RecordBatch::new_empty(schema_with_hidden(&relation)) }];
        self.may_return_places(&relation, source.with.as_ref(), items, &none, &declared(prepared)).await?;
        let mut held = Vec::new();
        let rows = self.rows_to_insert(&relation, statement, prepared, parameters, &mut held).await?;
        let count: usize = rows.iter().map(RecordBatch::num_rows).sum();
        let first = self.append_rows(&relation, rows, !held.is_empty()).await?.unwrap_or_default();
        let logged = [Part { alias, relation: Some(relation.id), rows: self.logged(&relation, first..first + count as Position)? }];
        let returning = Returning { with: source.with.as_ref(), items, known: None };
        self.returned(returning, &logged, &declared(prepared), parameters).await?.answer("INSERT 0")
    }

    /// The rows of all columns that an INSERT adds. ON CONFLICT locks them, or the table, before it looks what is there, with a lock
    /// among those `held`.
    async fn rows_to_insert(
        &mut self,
        relation: &Arc<Relation>,
        statement: &Statement,
        prepared: &Prepared,
        parameters: &Parameters,
        held: &mut Vec<Option<TableLock>>,
    ) -> Result<Vec<RecordBatch>> {
        let Statement::Insert { table, alias, columns, source, conflict, through, .. } = statement else {
            return Err(Error::internal("not an INSERT"));
        };
        let targets = target_columns(relation, columns)?;
        let literal = literal_rows(source);
        let mut by_key = false;
        if let Some(conflict) = conflict.as_ref().filter(|_| relation.kind == RelationKind::Table) {
            self.changeable(table, "ON CONFLICT")?;
            by_key = literal.is_some() && self.looks_at_keys_only(relation, conflict).await?;
            if !by_key {
                held.push(self.lock_table(relation.id, Mode::Change).await?);
                self.as_begun(relation)?;
            }
        }
        let rows = match literal {
            Some(rows) => vec![self.literal_batch(relation, &targets, rows, prepared, parameters).await?],
            None => self.insert_query(relation, &targets, source, prepared, parameters).await?,
        };
        self.check_proposed(relation, statement, &rows).await?;
        let Some(conflict) = conflict else { return Ok(rows) };
        if by_key {
            held.push(self.lock_rows(relation, Mode::Change, &rows).await?);
            self.as_begun(relation)?;
        }
        let proposed = concat_batches(&relation.schema(), &rows)?;
        self.check_by_themselves(relation, &proposed).await?;
        let alias = alias.as_deref().unwrap_or(&table.name);
        let known = self.insert_plan(prepared).and_then(|plan| plan.update.as_ref());
        let merge = conflict.update.as_ref().map(|update| Merge { alias, update, known, through: through.as_ref() });
        Ok(vec![self.without_conflict(relation, conflict, merge, proposed, &declared(prepared), parameters).await?])
    }

    pub(in crate::engine) async fn insert_defaults(&mut self, table: &Name) -> Result<Response> {
        let relation = self.writable(table)?;
        self.may_on(Privileges::INSERT, &relation, [])?;
        let batch = self.proposed(&relation, &[], vec![], 1).await?;
        self.check_new(&relation, &batch, Command::Insert, false).await?;
        let count = batch.num_rows();
        self.note_rows(&Happening::insert(&relation), None, Some(batch.clone()));
        self.append_rows(&relation, vec![batch], false).await?;
        Ok(Response::Done(format!("INSERT 0 {count}")))
    }

    /// Rows of literals and parameters, as a batch of all columns. Cost O(values), no planning.
    pub(super) async fn literal_batch(
        &mut self,
        relation: &Arc<Relation>,
        targets: &[usize],
        rows: Vec<&[Expr]>,
        prepared: &Prepared,
        parameters: &Parameters,
    ) -> Result<RecordBatch> {
        let reading = self.settings.reading();
        let builder = |t: &usize| ColumnBuilder::new(&relation.columns[*t].ty, rows.len()).reading(reading);
        let mut builders: Vec<ColumnBuilder> = targets.iter().map(builder).collect();
        let width = rows.first().map_or(0, |r| r.len());
        for (i, row) in rows.iter().enumerate() {
            // A long list lets other sessions, and a cancel, have their turn.
            if i % ROWS_A_TURN == ROWS_A_TURN - 1 {
                tokio::task::yield_now().await;
            }
            check_row(row.len(), width)?;
            check_width(row.len(), targets.len(), targets.len() != relation.columns.len())?;
            for ((value, builder), target) in row.iter().zip(&mut builders).zip(targets) {
                if relation.ksql.is_none() {
                    check_literal(value, &relation.columns[*target])?;
                }
                put_value(builder, value, prepared, parameters)?;
            }
        }
        let given = builders.iter_mut().take(width).zip(targets).map(|(b, t)| at_precision(&relation.columns[*t], b.finish()));
        let given = given.collect::<Result<Vec<_>>>()?;
        self.proposed(relation, &targets[..width], given, rows.len()).await
    }

    /// Rows of a query, cast to the columns' types. Errors: 428C9 for a query that gives values of a generated column.
    pub(super) async fn insert_query(
        &mut self,
        relation: &Arc<Relation>,
        targets: &[usize],
        source: &ast::Query,
        prepared: &Prepared,
        parameters: &Parameters,
    ) -> Result<Vec<RecordBatch>> {
        let known = self.insert_plan(prepared);
        if let Some(computed) = known.and_then(|plan| plan.computed.as_ref()) {
            let rows = self.made_of(computed, parameters, 1).await?;
            let targets = &targets[..rows.num_columns()];
            return Ok(vec![self.proposed(relation, targets, rows.columns().to_vec(), rows.num_rows()).await?]);
        }
        let planned = match known.and_then(|plan| plan.source.as_ref()) {
            Some(known) => known.clone(),
            None => self.plan_query(&typed(source, relation, targets), &declared(prepared)).await?,
        };
        check_width(planned.columns.len(), targets.len(), targets.len() != relation.columns.len())?;
        let targets = &targets[..planned.columns.len()];
        let wanted: Vec<&Column> = targets.iter().map(|t| &relation.columns[*t]).collect();
        if let Some(column) = gives_generated(source, &wanted) {
            return Err(generated_always(column));
        }
        let planned = cast_columns(planned, &wanted)?;
        let values = scalars(&planned.parameters, parameters, self.settings.reading())?;
        let mut rows = Vec::new();
        for batch in self.collect(&planned, values).await? {
            rows.push(self.proposed(relation, targets, batch.columns().to_vec(), batch.num_rows()).await?);
        }
        Ok(rows)
    }

    /// Appends rows of all columns as events, under the table's lock if that is not `held`; answers the position of the first, if it is
    /// known already.
    pub(in crate::engine) async fn append_rows(
        &mut self,
        relation: &Arc<Relation>,
        rows: Vec<RecordBatch>,
        held: bool,
    ) -> Result<Option<Position>> {
        if rows.iter().all(|batch| batch.num_rows() == 0) {
            return Ok(Some(0));
        }
        let _held = if held { None } else { self.room_for(relation, &rows, false).await? };
        let mut events = Vec::with_capacity(rows.len());
        for batch in rows {
            events.extend(events_of_rows(&self.engine, relation, batch)?);
        }
        self.append(events).await
    }

    /// Locks the rows that a plain INSERT is about to put, if others may change them. Errors: 23505 for keys that are there, where the
    /// session or the statement refuses those; 42501 for rows that the role may not replace.
    async fn room_for(&mut self, relation: &Arc<Relation>, rows: &[RecordBatch], adds_only: bool) -> Result<Option<TableLock>> {
        if appends_freely(relation) {
            return Ok(None);
        }
        let strict = self.refuses_taken_keys(relation) || adds_only && !relation.key.is_empty();
        // Where it must not replace rows, none may be put meanwhile.
        let looks = strict || self.may_replace(relation).is_err();
        let lock = self.lock_rows(relation, if looks { Mode::Change } else { Mode::Put }, rows).await?;
        self.as_begun(relation)?;
        if strict {
            self.no_key_taken(relation, rows).await?;
        } else {
            self.check_replaced(relation, rows).await?;
        }
        Ok(lock)
    }

    /// True if rows whose primary key is there are refused: ksqlDB's tables always take them.
    pub(in crate::engine) fn refuses_taken_keys(&self, relation: &Relation) -> bool {
        !relation.key.is_empty() && relation.ksql.is_none() && self.settings.refuses_taken_keys()
    }

    /// Errors: 23505 for a row whose primary key is there, or that of one before it. The caller holds the lock of these keys.
    pub(in crate::engine) async fn no_key_taken(&self, relation: &Arc<Relation>, rows: &[RecordBatch]) -> Result<()> {
        let schema = relation.schema();
        self.keys_free(relation, &concat_batches(&schema, rows)?, &RecordBatch::new_empty(schema)).await
    }
}

/// The generated column that a query gives values of. In VALUES there is DEFAULT only, which is NULL by now.
pub(super) fn gives_generated<'a>(source: &ast::Query, wanted: &[&'a Column]) -> Option<&'a Column> {
    let is_query = !matches!(source.body.as_ref(), ast::SetExpr::Values(_));
    wanted.iter().copied().find(|column| is_query && column.generated.is_some())
}

/// True for a relation whose rows nobody changes: appending to it needs no lock.
fn appends_freely(relation: &Relation) -> bool {
    relation.kind == RelationKind::Stream && relation.ksql.is_none()
}
