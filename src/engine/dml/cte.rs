//! WITH name AS (INSERT, UPDATE or DELETE .. RETURNING ..): statements within a statement.
//!
//! Each is computed in turn, and all of them see what was there before: what they write is appended as one at the end. The rows that
//! one returns are a relation of its name for those behind it ([`Session::names`](crate::engine::session::Session)).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch, not};
use arrow::datatypes::{Field, Int8Type, Schema, SchemaRef};
use sqlparser::ast::SelectItem;

use super::Written;
use super::change::numbers;
use super::conflict::columns_at;
use super::returning::{Returned, in_memory, names_hidden};
use super::values::{declared, scalars};
use crate::catalog::{Relation, TriggerEvent};
use crate::data::{OP, PgType};
use crate::engine::query::collect;
use crate::engine::session::{Column, Parameters, Prepared, Response, Session};
use crate::engine::table_locks::TableLock;
use crate::error::{Error, Result, code};
use crate::sql::Statement;
use crate::sql::statement::ChangingCte;

impl Session {
    /// Runs a statement with the changes before it, in a transaction, which knows the locks that they share.
    pub(in crate::engine) async fn with_changes(
        &mut self,
        changes: &[ChangingCte],
        then: &Statement,
        prepared: &Prepared,
        parameters: &Parameters,
    ) -> Result<Response> {
        // Where constraints are to be checked it is in a transaction already, which does not end before they are.
        let own = self.transaction.is_none();
        self.begin_alone();
        let (mark, written) = (self.results.len(), self.unwritten.len());
        let done = self.changes_then(changes, then, prepared, parameters).await;
        self.results.truncate(mark);
        self.unwritten.truncate(written);
        if own { self.end_alone(done).await } else { done }
    }

    async fn changes_then(
        &mut self,
        changes: &[ChangingCte],
        then: &Statement,
        prepared: &Prepared,
        parameters: &Parameters,
    ) -> Result<Response> {
        let (begun, mut held) = (self.unwritten.len(), Vec::new());
        for change in changes {
            let written = self.written(&change.statement, prepared, parameters, &mut held).await?;
            self.unwritten.extend(written.events);
            if let Some(returned) = written.returned {
                let schema = named_schema(&change.columns, &returned.columns, &returned.schema)?;
                let rows = concat_batches(&returned.schema, &returned.rows)?;
                let rows = RecordBatch::try_new(schema, rows.columns().to_vec())?;
                self.results.push((change.name.clone(), in_memory(rows)?));
            }
        }
        let last = match then {
            Statement::Query(query) => {
                let planned = self.plan_query(query, &declared(prepared)).await?;
                let rows =
                    collect(self.run_query(&planned, scalars(&planned.parameters, parameters, self.settings.reading())?).await?).await?;
                let schema = rows.first().map_or(planned.schema, RecordBatch::schema);
                let returned = Some(Returned { columns: planned.columns, schema, rows });
                Written { count: 0, events: vec![], returned, unanswered: None }
            }
            other => self.written(other, prepared, parameters, &mut held).await?,
        };
        let mut events = self.unwritten.split_off(begun);
        events.extend(last.events);
        events.retain(|(_, batch)| batch.num_rows() > 0);
        if !events.is_empty() {
            self.append(events).await?;
        }
        match last.returned {
            Some(returned) => returned.answer(word(then)),
            None => Ok(Response::Done(format!("{} {}", word(then), last.count))),
        }
    }

    /// The primary keys of a table that the changes before this one in WITH take, and those that they leave free; `None` for no changes.
    pub(super) fn unwritten_keys(&self, relation: &Relation) -> Result<Option<(Vec<ArrayRef>, Vec<ArrayRef>)>> {
        let schema = Arc::new(relation.schema().project(&relation.key)?);
        let (mut keys, mut puts) = (Vec::new(), Vec::new());
        for (_, batch) in self.unwritten.iter().filter(|(log, _)| *log == relation.id) {
            keys.push(RecordBatch::try_new(schema.clone(), columns_at(batch, &relation.key))?);
            match batch.column_by_name(OP).and_then(|ops| ops.as_primitive_opt::<Int8Type>()) {
                Some(ops) => puts.extend(ops.values().iter().map(|op| *op > 0)),
                None => puts.resize(puts.len() + batch.num_rows(), true),
            }
        }
        if keys.is_empty() {
            return Ok(None);
        }
        let keys = concat_batches(&schema, &keys)?;
        let numbers = numbers(keys.columns(), keys.num_rows())?;
        // The last change of a key tells.
        let last: HashMap<u32, bool> = numbers.iter().copied().zip(puts).collect();
        let taken: BooleanArray = numbers.iter().map(|number| last.get(number).copied()).collect();
        let of = |mask: &BooleanArray| filter_record_batch(&keys, mask).map(|keys| keys.columns().to_vec());
        Ok(Some((of(&taken)?, of(&not(&taken)?)?)))
    }

    /// What an INSERT, UPDATE or DELETE writes, with the locks that it needs among those `held`.
    async fn written(
        &mut self,
        statement: &Statement,
        prepared: &Prepared,
        parameters: &Parameters,
        held: &mut Vec<Option<TableLock>>,
    ) -> Result<Written> {
        match statement {
            Statement::Insert { table, returning, .. } => {
                self.refuse_places(returning.as_deref(), self.written_on(table, TriggerEvent::Insert)?.as_ref())?;
                self.inserted(statement, prepared, parameters, held).await
            }
            Statement::Update(change) | Statement::Delete(change) => {
                let what = word(statement);
                if what == "UPDATE" {
                    self.refuse_places(change.returning.as_deref(), self.changeable(&change.table, what)?.as_ref())?;
                }
                self.changed_alone(what, change, None, &declared(prepared), parameters, held).await
            }
            _ => Err(not_a_change()),
        }
    }

    /// Errors: 0A000 where RETURNING asks for positions: what writes is appended as one with the rest, when its rows have been used.
    fn refuse_places(&self, returning: Option<&[SelectItem]>, relation: &Relation) -> Result<()> {
        if !returning.is_some_and(|items| names_hidden(items, relation) && !self.knows_number(relation, items)) {
            return Ok(());
        }
        let error = Error::unsupported("positions are not known before all of the statement is written");
        Err(error.hint("RETURNING of system columns other than xmin needs a statement of its own."))
    }

    /// The types of the parameters of such a statement, and the columns that it answers.
    pub(in crate::engine) async fn describe_with_changes(
        &mut self,
        changes: &[ChangingCte],
        then: &Statement,
        types: &[Option<PgType>],
    ) -> Result<(Vec<PgType>, Option<Vec<Column>>)> {
        let mark = self.results.len();
        let described = self.describe_changes_then(changes, then, types).await;
        self.results.truncate(mark);
        described
    }

    async fn describe_changes_then(
        &mut self,
        changes: &[ChangingCte],
        then: &Statement,
        types: &[Option<PgType>],
    ) -> Result<(Vec<PgType>, Option<Vec<Column>>)> {
        let mut types = types.to_vec();
        for change in changes {
            let (parameters, columns) = self.describe_change(&change.statement, &types).await?;
            learn(&mut types, &parameters, &change.parameters);
            if let Some(columns) = columns {
                let fields: Vec<Field> = columns.iter().map(|c| c.ty.field(&c.name, true)).collect();
                let schema = named_schema(&change.columns, &columns, &Arc::new(Schema::new(fields)))?;
                self.results.push((change.name.clone(), in_memory(RecordBatch::new_empty(schema))?));
            }
        }
        match then {
            Statement::Query(query) => {
                let planned = self.plan_query(query, &types).await?;
                Ok((planned.parameters, Some(planned.columns)))
            }
            other => self.describe_change(other, &types).await,
        }
    }
}

/// Notes the types of those parameters that a statement mentions; of others it only guesses.
fn learn(types: &mut Vec<Option<PgType>>, told: &[PgType], mentioned: &BTreeSet<usize>) {
    for n in mentioned {
        if let Some(ty) = n.checked_sub(1).and_then(|i| told.get(i)) {
            types.resize(types.len().max(*n), None);
            types[n - 1].get_or_insert(ty.clone());
        }
    }
}

/// The schema of returned rows under the names that the statement gives them.
fn named_schema(names: &[String], columns: &[Column], schema: &SchemaRef) -> Result<SchemaRef> {
    if names.len() > columns.len() {
        return Err(Error::new(code::INVALID_COLUMN_REFERENCE, "WITH query has fewer columns than names are given for"));
    }
    let named = |(i, field): (usize, &Arc<Field>)| {
        let name = names.get(i).unwrap_or(&columns[i].name);
        field.as_ref().clone().with_name(name).with_nullable(true)
    };
    Ok(Arc::new(Schema::new(schema.fields().iter().enumerate().map(named).collect::<Vec<_>>())))
}

/// The word that begins the tag of a statement.
fn word(statement: &Statement) -> &'static str {
    match statement {
        Statement::Insert { .. } => "INSERT 0",
        Statement::Update(_) => "UPDATE",
        Statement::Delete(_) => "DELETE",
        _ => "SELECT",
    }
}

fn not_a_change() -> Error {
    Error::internal("not a change of data")
}
