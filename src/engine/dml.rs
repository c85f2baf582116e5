//! INSERT, UPDATE, DELETE: statements that become events.
//!
//! INSERT of plain literals or parameters goes straight from text to Arrow; anything else is a query whose rows are cast to the columns'
//! types. UPDATE and DELETE read the table's rows at the head and append what becomes of them, with the table locked against other
//! changes in between: so no update is lost, and the events say what happened, not what was asked.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Schema};
use datafusion::catalog::MemTable;
use datafusion::common::ScalarValue;
use sqlparser::ast::{self, Expr, SetExpr};

use super::events::{DELETE, UPSERT, changes, events_of_rows};
use super::ksql::insert::{check_appendable, shares_topic};
use super::query::{Planned, collect};
use super::session::{Parameters, Prepared, Response, Session};
use super::transaction::TableLock;
use crate::catalog::{Column, Relation, RelationId, RelationKind};
use crate::data::datetime::Zone;
use crate::data::decode::{ColumnBuilder, parse_text_in};
use crate::data::encode::Style;
use crate::data::{OFFSET, POSITION, PgType, Position, TIME};
use crate::error::{Error, Result, code};
use crate::limits;
use crate::sql::hidden::HIDDEN;
use crate::sql::{Statement, parse};

/// Rows of VALUES that are read without a pause.
const ROWS_A_TURN: usize = 1_024;

impl Session {
    /// The stream or table that a statement writes to. Errors: 42P01, 42809 for a view.
    pub(super) fn writable(&self, name: &str) -> Result<Arc<Relation>> {
        let catalog = self.engine.catalog();
        let relation = catalog.get(name)?;
        if relation.has_log() {
            check_appendable(relation)?;
            return Ok(relation.clone());
        }
        Err(Error::new(code::WRONG_OBJECT_TYPE, format!("cannot change {} \"{name}\"", relation.kind.word()))
            .hint("Append to the streams and tables that it reads."))
    }

    // INSERT -------------------------------------------------------------------------------------------------------------

    pub(super) async fn insert(&mut self, statement: &Statement, prepared: &Prepared, parameters: &Parameters) -> Result<Response> {
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

    /// Puts the columns' defaults where VALUES says DEFAULT.
    pub(super) fn fill_defaults(&self, statement: &mut Statement) -> Result<()> {
        let Statement::Insert { table, columns, source, .. } = statement else { return Ok(()) };
        let SetExpr::Values(values) = source.body.as_mut() else { return Ok(()) };
        if !values.rows.iter().any(|row| row.content.iter().any(is_default)) {
            return Ok(());
        }
        let relation = self.writable(table)?;
        let targets = target_columns(&relation, columns)?;
        for row in &mut values.rows {
            for (value, target) in row.content.iter_mut().zip(&targets).filter(|(value, _)| is_default(value)) {
                *value = default_expression(&relation.columns[*target])?;
            }
        }
        Ok(())
    }

    pub(super) async fn insert_defaults(&mut self, table: &str) -> Result<Response> {
        let relation = self.writable(table)?;
        let batch = self.complete(&relation, &[], vec![], 1).await?;
        self.append_rows(&relation, vec![batch]).await?;
        Ok(Response::Done("INSERT 0 1".into()))
    }

    /// Types of the parameters of an INSERT .. VALUES whose values are all literals or parameters.
    pub(super) fn insert_parameters(&self, statement: &Statement, declared: &[Option<PgType>]) -> Result<Option<Vec<PgType>>> {
        let Statement::Insert { table, columns, source, .. } = statement else { return Ok(None) };
        let Some(rows) = literal_rows(source) else { return Ok(None) };
        let relation = self.writable(table)?;
        let targets = target_columns(&relation, columns)?;
        let mut types: Vec<Option<PgType>> = declared.to_vec();
        for row in rows {
            check_width(row.len(), targets.len(), !columns.is_empty())?;
            for (value, target) in row.iter().zip(&targets) {
                if let Some(n) = placeholder(value) {
                    types.resize(types.len().max(n), None);
                    types[n - 1].get_or_insert_with(|| relation.columns[*target].ty.clone());
                }
            }
        }
        Ok(Some(types.into_iter().map(|t| t.unwrap_or(PgType::Text)).collect()))
    }

    /// The types of parameters that an INSERT puts into columns as they are, besides those declared.
    pub(super) fn target_types(&self, statement: &Statement, declared: &[Option<PgType>]) -> Result<Vec<Option<PgType>>> {
        let mut types = declared.to_vec();
        let Statement::Insert { table, columns, source, .. } = statement else { return Ok(types) };
        let relation = self.writable(table)?;
        let targets = target_columns(&relation, columns)?;
        let mut note = |i: usize, value: &Expr| {
            if let (Some(n), Some(target)) = (placeholder(value), targets.get(i)) {
                types.resize(types.len().max(n), None);
                types[n - 1].get_or_insert_with(|| relation.columns[*target].ty.clone());
            }
        };
        match source.body.as_ref() {
            SetExpr::Values(values) => {
                values.rows.iter().for_each(|row| row.content.iter().enumerate().for_each(|(i, value)| note(i, value)));
            }
            SetExpr::Select(select) => select.projection.iter().enumerate().for_each(|(i, item)| match item {
                ast::SelectItem::UnnamedExpr(value) | ast::SelectItem::ExprWithAlias { expr: value, .. } => note(i, value),
                _ => {}
            }),
            _ => {}
        }
        Ok(types)
    }

    /// Rows of literals and parameters, as a batch of all columns. Cost O(values), no planning.
    async fn literal_batch(
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
    async fn insert_query(
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

    /// All columns of the relation from those given; the others get their defaults. Errors: 23502 for a null where none may be.
    pub(super) async fn complete(&self, relation: &Relation, targets: &[usize], given: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let schema = relation.schema();
        let mut columns: Vec<Option<ArrayRef>> = vec![None; relation.columns.len()];
        for (target, array) in targets.iter().zip(given) {
            columns[*target] = Some(array);
        }
        let mut all = Vec::with_capacity(columns.len());
        for (i, column) in columns.into_iter().enumerate() {
            let array = match (column, &relation.columns[i].default) {
                (Some(array), _) => array,
                (None, Some(default)) => self.default_value(&relation.columns[i], default).await?.to_array_of_size(rows)?,
                (None, None) => new_null_array(schema.field(i).data_type(), rows),
            };
            not_null(relation, i, &array)?;
            all.push(array);
        }
        Ok(RecordBatch::try_new(schema, all)?)
    }

    async fn default_value(&self, column: &Column, default: &str) -> Result<ScalarValue> {
        let Statement::Query(query) = parse(&format!("SELECT {default}"))? else {
            return Err(Error::syntax("DEFAULT takes an expression"));
        };
        // A literal needs no planning.
        if let SetExpr::Select(select) = query.body.as_ref()
            && let [ast::SelectItem::UnnamedExpr(value)] = select.projection.as_slice()
            && let Some(Some(text)) = crate::sql::convert::literal(value)
            && let Ok(value) = parse_text_in(&column.ty, &text, self.settings.zone())
        {
            return Ok(value);
        }
        let planned = cast_columns(self.plan_query(&query, &[]).await?, &[column])?;
        let batches = self.collect(&planned, vec![]).await?;
        let batch = batches.first().ok_or_else(|| Error::internal("a default has a value"))?;
        Ok(ScalarValue::try_from_array(batch.column(0), 0)?)
    }

    /// A DEFAULT must be an expression of the column's type over nothing.
    pub(super) async fn check_default(&self, column: &Column) -> Result<()> {
        match &column.default {
            Some(default) => self.default_value(column, default).await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Appends rows of all columns as events; answers the position of the first, if it is known already.
    pub(super) async fn append_rows(&mut self, relation: &Relation, rows: Vec<RecordBatch>) -> Result<Option<Position>> {
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

    /// What RETURNING selects: from the rows just inserted, or where it names system columns, from the events as the log has them.
    async fn returning(
        &self,
        relation: &Arc<Relation>,
        items: &[ast::SelectItem],
        rows: Vec<RecordBatch>,
        first: Option<Position>,
    ) -> Result<Planned> {
        let count: usize = rows.iter().map(RecordBatch::num_rows).sum();
        let mut query = returning_query(&relation.name, items)?;
        let mut names = self.names();
        let mentions = crate::sql::hidden::expose(&mut query, &|name| name == relation.name);
        let batch = match (mentions, first) {
            (false, _) => concat_batches(&relation.schema(), &rows)?,
            (true, Some(first)) => self.logged(relation, first..first + count as Position)?,
            (true, None) => {
                return Err(Error::unsupported("positions are not known before COMMIT")
                    .hint("RETURNING _position needs an INSERT outside of BEGIN."));
            }
        };
        let table = MemTable::try_new(batch.schema(), vec![vec![batch]])?;
        names.instead = Some((relation.name.clone(), Arc::new(table)));
        self.plan_with(names, &query, &[]).await
    }

    /// Events of a relation as the log has them: the user's columns and the system columns.
    fn logged(&self, relation: &Relation, range: std::ops::Range<Position>) -> Result<RecordBatch> {
        let slice = self.engine.log.read(relation.id, range.clone())?;
        let width = relation.columns.len();
        let all = slice.schema.fields().len();
        let columns: Vec<usize> = (0..width).chain(all - HIDDEN.len()..all).collect();
        let mut batches = Vec::new();
        for part in &slice.segments {
            for batch in part.segment.read(Some(&columns), range.clone())? {
                batches.push(batch?);
            }
        }
        for batch in &slice.tail {
            batches.push(batch.project(&columns)?);
        }
        Ok(concat_batches(&Arc::new(slice.schema.project(&columns)?), &batches)?)
    }

    /// The columns that an INSERT .. RETURNING answers.
    pub(super) async fn returning_columns(&self, statement: &Statement) -> Result<Option<Vec<super::session::Column>>> {
        let Statement::Insert { table, returning: Some(items), .. } = statement else { return Ok(None) };
        let relation = self.writable(table)?;
        let mut names = self.names();
        let mut query = returning_query(&relation.name, items)?;
        let mut fields: Vec<Field> = relation.schema().fields().iter().map(|f| f.as_ref().clone()).collect();
        if crate::sql::hidden::expose(&mut query, &|name| name == relation.name) {
            fields.push(PgType::Int8.field(POSITION, false));
            fields.push(PgType::Int8.field(OFFSET, false));
            fields.push(PgType::Timestamptz.field(TIME, false));
        }
        let table = MemTable::try_new(Arc::new(Schema::new(fields)), vec![vec![]])?;
        names.instead = Some((relation.name.clone(), Arc::new(table)));
        Ok(Some(self.plan_with(names, &query, &[]).await?.columns))
    }

    /// Types of the parameters of an UPDATE or DELETE.
    pub(super) async fn change_parameters(&self, statement: &Statement, declared: &[Option<PgType>]) -> Result<Vec<PgType>> {
        let (relation, query) = match statement {
            Statement::Update { table, alias, assignments, selection } => {
                let relation = self.changeable(table, "UPDATE")?;
                let query = update_query(&relation, alias.as_deref(), assignments, selection.as_ref())?;
                (relation, query)
            }
            Statement::Delete { table, alias, selection } => {
                let relation = self.changeable(table, "DELETE")?;
                let query = delete_query(&relation, alias.as_deref(), selection.as_ref())?;
                (relation, query)
            }
            _ => return Ok(vec![]),
        };
        let mut types: Vec<Option<PgType>> = declared.to_vec();
        if let Statement::Update { assignments, .. } = statement {
            for (name, value) in assignments {
                if let Some(n) = placeholder(value) {
                    types.resize(types.len().max(n), None);
                    types[n - 1].get_or_insert(relation.columns[relation.column(name)?].ty.clone());
                }
            }
        }
        let mut names = self.names();
        names.identity = true;
        Ok(self.plan_with(names, &query, &types).await?.parameters)
    }

    // UPDATE and DELETE ------------------------------------------------------------------------------------------------------

    pub(super) async fn update(&mut self, statement: &Statement, prepared: &Prepared, parameters: &Parameters) -> Result<Response> {
        let Statement::Update { table, alias, assignments, selection } = statement else { return Err(Error::internal("not an UPDATE")) };
        let relation = self.changeable(table, "UPDATE")?;
        let query = update_query(&relation, alias.as_deref(), assignments, selection.as_ref())?;
        let rekeyed = assignments.iter().any(|(name, _)| relation.key.iter().any(|k| relation.columns[*k].name == *name));
        let _held = self.lock_exclusive(relation.id).await?;
        let new = self.changed_rows(&relation, &query, prepared, parameters).await?;
        let count: usize = new.iter().map(RecordBatch::num_rows).sum();
        let mut events = Vec::new();
        if rekeyed {
            let before = delete_query(&relation, alias.as_deref(), selection.as_ref())?;
            for batch in self.changed_rows(&relation, &before, prepared, parameters).await? {
                events.push((relation.id, changes(&relation, &batch, DELETE)?));
            }
        }
        for batch in new {
            all_not_null(&relation, &batch)?;
            events.push((relation.id, changes(&relation, &batch, UPSERT)?));
        }
        if count > 0 {
            self.append(events).await?;
        }
        Ok(Response::Done(format!("UPDATE {count}")))
    }

    pub(super) async fn delete(&mut self, statement: &Statement, prepared: &Prepared, parameters: &Parameters) -> Result<Response> {
        let Statement::Delete { table, alias, selection } = statement else { return Err(Error::internal("not a DELETE")) };
        let relation = self.changeable(table, "DELETE")?;
        let query = delete_query(&relation, alias.as_deref(), selection.as_ref())?;
        let _held = self.lock_exclusive(relation.id).await?;
        let gone = self.changed_rows(&relation, &query, prepared, parameters).await?;
        let count: usize = gone.iter().map(RecordBatch::num_rows).sum();
        let events = gone.iter().map(|batch| Ok((relation.id, changes(&relation, batch, DELETE)?))).collect::<Result<Vec<_>>>()?;
        if count > 0 {
            self.append(events).await?;
        }
        Ok(Response::Done(format!("DELETE {count}")))
    }

    fn changeable(&self, name: &str, what: &str) -> Result<Arc<Relation>> {
        let relation = self.writable(name)?;
        if shares_topic(&self.engine.catalog(), &relation) {
            return Err(Error::unsupported(format!("{what} is not supported on \"{name}\": it shares its topic with other relations"))
                .hint("INSERT replaces the row of a key, DELETE FROM .. WHERE key = value removes it."));
        }
        if relation.kind == RelationKind::Table {
            return Ok(relation);
        }
        Err(Error::unsupported(format!("{what} is not supported on stream \"{name}\": events are immutable"))
            .hint("Append an event that says what changed, or use a table."))
    }

    async fn changed_rows(
        &self,
        relation: &Relation,
        query: &ast::Query,
        prepared: &Prepared,
        parameters: &Parameters,
    ) -> Result<Vec<RecordBatch>> {
        let mut names = self.names();
        names.identity = true;
        let planned = self.plan_with(names, query, &declared(prepared)).await?;
        let wanted: Vec<&Column> = relation.columns.iter().collect();
        let planned = cast_columns(planned, &wanted)?;
        let values = scalars(&planned.parameters, parameters, self.settings.zone())?;
        collect(self.run_query(&planned, values).await?).await
    }

    // Locks ------------------------------------------------------------------------------------------------------------------

    /// Holds the table against UPDATE and DELETE of others: until the answer is dropped, or inside BEGIN until its end.
    pub(super) async fn lock_shared(&mut self, id: RelationId) -> Result<Option<TableLock>> {
        if self.transaction.as_ref().is_some_and(|t| t.holds(id)) {
            return Ok(None);
        }
        let lock = self.engine.lock_of(id);
        let held = in_time(lock.read_owned()).await?;
        Ok(self.keep(id, TableLock::Shared(held)))
    }

    /// Holds the table against all changes of others.
    pub(super) async fn lock_exclusive(&mut self, id: RelationId) -> Result<Option<TableLock>> {
        if let Some(transaction) = &mut self.transaction {
            if transaction.holds_exclusive(id) {
                return Ok(None);
            }
            // A shared lock cannot be raised while others may hold one too; it is given back first. What was inserted under it
            // is not yet committed, and reading one's own uncommitted rows is refused anyway.
            transaction.locks.retain(|(held, _)| *held != id);
        }
        let lock = self.engine.lock_of(id);
        let held = in_time(lock.write_owned()).await?;
        Ok(self.keep(id, TableLock::Exclusive(held)))
    }

    fn keep(&mut self, id: RelationId, lock: TableLock) -> Option<TableLock> {
        match &mut self.transaction {
            Some(transaction) => {
                transaction.locks.push((id, lock));
                None
            }
            None => Some(lock),
        }
    }
}

/// Errors: 23502 if column `i` of the relation may not be null and `values` has one.
fn not_null(relation: &Relation, i: usize, values: &ArrayRef) -> Result<()> {
    let column = &relation.columns[i];
    if column.nullable || values.null_count() == 0 {
        return Ok(());
    }
    let message = format!("null value in column \"{}\" of relation \"{}\" violates not-null constraint", column.name, relation.name);
    Err(Error::new(code::NOT_NULL_VIOLATION, message))
}

/// Errors: 23502 for a null where the relation takes none. `rows` begins with the relation's columns.
pub(super) fn all_not_null(relation: &Relation, rows: &RecordBatch) -> Result<()> {
    (0..relation.columns.len()).try_for_each(|i| not_null(relation, i, rows.column(i)))
}

async fn in_time<T>(lock: impl Future<Output = T>) -> Result<T> {
    let wait = std::time::Duration::from_millis(limits::LOCK_WAIT_MS_MAX);
    tokio::time::timeout(wait, lock).await.map_err(|_| {
        Error::new(code::DEADLOCK_DETECTED, "could not lock the table in time")
            .detail("Another transaction holds it, perhaps one that waits for this one.")
            .hint("Retry the transaction.")
    })
}

/// The declared types of a statement's parameters.
fn declared(prepared: &Prepared) -> Vec<Option<PgType>> {
    prepared.parameters.iter().cloned().map(Some).collect()
}

/// Parameter values as scalars; text of a timestamptz without a time zone is in `zone`.
pub fn scalars(types: &[PgType], parameters: &Parameters, zone: Zone) -> Result<Vec<ScalarValue>> {
    let mut values = Vec::with_capacity(types.len());
    for (i, ty) in types.iter().enumerate() {
        let mut builder = ColumnBuilder::new(ty, 1).in_zone(zone);
        put_parameter(&mut builder, i, ty, ty, parameters)?;
        values.push(ScalarValue::try_from_array(&builder.finish(), 0)?);
    }
    Ok(values)
}

/// Appends parameter `i`, of type `from` on the wire, to a column of type `to`.
fn put_parameter(builder: &mut ColumnBuilder, i: usize, from: &PgType, to: &PgType, parameters: &Parameters) -> Result<()> {
    let Some(value) =
        parameters.values.get(i).ok_or_else(|| Error::new(code::UNDEFINED_PARAMETER, format!("there is no parameter ${}", i + 1)))?
    else {
        builder.append_null();
        return Ok(());
    };
    if !parameters.is_binary(i) {
        let text = std::str::from_utf8(value)
            .map_err(|_| Error::new(code::CHARACTER_NOT_IN_REPERTOIRE, "invalid byte sequence for encoding \"UTF8\""))?;
        return builder.append_text(text);
    }
    if from.base() == to.base() {
        return builder.append_binary(value);
    }
    // A driver may send a bigint for an integer column: by way of text, so that the column's own checks apply.
    let array = crate::data::decode::parse_binary(from, value)?.to_array()?;
    let mut text = Vec::new();
    crate::data::encode::cell_text(&array, 0, from, &Style::default(), &mut text)?;
    builder.append_text(&String::from_utf8_lossy(&text))
}

fn put_value(builder: &mut ColumnBuilder, value: &Expr, prepared: &Prepared, parameters: &Parameters) -> Result<()> {
    if let Some(n) = placeholder(value) {
        let from =
            prepared.parameters.get(n - 1).ok_or_else(|| Error::new(code::UNDEFINED_PARAMETER, format!("there is no parameter ${n}")))?;
        let to = builder.ty().clone();
        return put_parameter(builder, n - 1, from, &to, parameters);
    }
    match crate::sql::convert::literal(value) {
        Some(Some(text)) => builder.append_text(&text),
        Some(None) => {
            builder.append_null();
            Ok(())
        }
        None => Err(Error::internal("not a literal")),
    }
}

/// True for the word DEFAULT in place of a value.
fn is_default(value: &Expr) -> bool {
    matches!(value, Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default"))
}

/// What a column gets where nothing is said about it.
fn default_expression(column: &Column) -> Result<Expr> {
    let Some(text) = &column.default else { return Ok(Expr::Value(ast::Value::Null.with_empty_span())) };
    match *parsed_query(&format!("SELECT {text}"))?.body {
        SetExpr::Select(mut select) => match select.projection.pop() {
            Some(ast::SelectItem::UnnamedExpr(expr)) => Ok(expr),
            _ => Err(Error::internal("a default is an expression")),
        },
        _ => Err(Error::internal("a default is an expression")),
    }
}

/// The number of a parameter, from 1.
fn placeholder(value: &Expr) -> Option<usize> {
    let Expr::Value(v) = value else { return None };
    let ast::Value::Placeholder(name) = &v.value else { return None };
    name.strip_prefix('$')?.parse().ok().filter(|n| (1..=65_535).contains(n))
}

/// The rows of `VALUES (..), ..` if each value is a literal or a parameter.
fn literal_rows(source: &ast::Query) -> Option<Vec<&[Expr]>> {
    let SetExpr::Values(values) = source.body.as_ref() else { return None };
    if source.with.is_some() || source.order_by.is_some() || source.limit_clause.is_some() || source.fetch.is_some() {
        return None;
    }
    let rows: Vec<&[Expr]> = values.rows.iter().map(|row| row.content.as_slice()).collect();
    let plain = |e: &Expr| placeholder(e).is_some() || crate::sql::convert::literal(e).is_some();
    rows.iter().all(|row| row.iter().all(plain)).then_some(rows)
}

pub(super) fn target_columns(relation: &Relation, names: &[String]) -> Result<Vec<usize>> {
    if names.is_empty() {
        return Ok((0..relation.columns.len()).collect());
    }
    let mut targets = Vec::with_capacity(names.len());
    for name in names {
        let target = relation.column(name)?;
        if targets.contains(&target) {
            return Err(Error::new(code::DUPLICATE_COLUMN, format!("column \"{name}\" specified more than once")));
        }
        targets.push(target);
    }
    Ok(targets)
}

/// More values than columns never fit; fewer only where no columns are listed.
fn check_width(values: usize, targets: usize, listed: bool) -> Result<()> {
    if values > targets {
        return Err(Error::syntax("INSERT has more expressions than target columns"));
    }
    if values < targets && listed {
        return Err(Error::syntax("INSERT has more target columns than expressions"));
    }
    Ok(())
}

/// The plan with its first columns cast to the types wanted, as an assignment would.
fn cast_columns(planned: Planned, wanted: &[&Column]) -> Result<Planned> {
    let schema = planned.plan.schema().clone();
    let mut expressions = Vec::with_capacity(schema.fields().len());
    for (i, from) in schema.columns().into_iter().enumerate() {
        let column = datafusion::logical_expr::Expr::Column(from);
        expressions.push(match wanted.get(i) {
            Some(to) if to.ty.arrow() != *schema.field(i).data_type() => {
                check_assignable(&PgType::of(schema.field(i)), to)?;
                datafusion::logical_expr::cast(column, to.ty.arrow()).alias(format!("column{i}"))
            }
            _ => column.alias(format!("column{i}")),
        });
    }
    let plan = datafusion::logical_expr::LogicalPlanBuilder::from(planned.plan).project(expressions)?.build()?;
    let schema = plan.schema().inner().clone();
    Ok(Planned { plan, schema, ..planned })
}

/// Errors: 42804 where PostgreSQL has no assignment cast.
fn check_assignable(from: &PgType, to: &Column) -> Result<()> {
    let family = |t: &PgType| match t {
        t if t.is_number() => 1,
        PgType::Date | PgType::Timestamp | PgType::Timestamptz => 2,
        PgType::Text | PgType::Varchar(_) | PgType::Bpchar(_) | PgType::Name | PgType::Unknown => 0,
        PgType::Json | PgType::Jsonb => 3,
        other => 4 + other.oid(),
    };
    let (a, b) = (family(from), family(&to.ty));
    if a == b || a == 0 || b == 0 {
        return Ok(());
    }
    Err(Error::new(code::DATATYPE_MISMATCH, format!("column \"{}\" is of type {} but expression is of type {from}", to.name, to.ty))
        .hint("You will need to rewrite or cast the expression."))
}

/// A query of our own making.
pub(super) fn parsed_query(text: &str) -> Result<Box<ast::Query>> {
    match parse(text)? {
        Statement::Query(query) => Ok(query),
        _ => Err(Error::internal("not a query")),
    }
}

fn returning_query(name: &str, items: &[ast::SelectItem]) -> Result<Box<ast::Query>> {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    parsed_query(&format!("SELECT {} FROM {}", items.join(", "), quoted(name)))
}

/// The name as an identifier that is taken as it is written.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// SELECT of the rows as they will be, and of their row id where the table has no key.
fn update_query(
    relation: &Relation,
    alias: Option<&str>,
    assignments: &[(String, Expr)],
    selection: Option<&Expr>,
) -> Result<Box<ast::Query>> {
    for (i, (name, _)) in assignments.iter().enumerate() {
        relation.column(name)?;
        if assignments[..i].iter().any(|(other, _)| other == name) {
            return Err(Error::syntax(format!("multiple assignments to same column \"{name}\"")));
        }
    }
    let value = |column: &Column| match assignments.iter().find(|(name, _)| *name == column.name) {
        Some((_, expr)) if is_default(expr) => column.default.clone().unwrap_or("NULL".into()),
        Some((_, expr)) => expr.to_string(),
        None => quoted(&column.name),
    };
    rows_query(relation, alias, relation.columns.iter().map(value).collect(), selection)
}

/// SELECT of the rows as they are, and of their row id where the table has no key.
fn delete_query(relation: &Relation, alias: Option<&str>, selection: Option<&Expr>) -> Result<Box<ast::Query>> {
    rows_query(relation, alias, relation.columns.iter().map(|c| quoted(&c.name)).collect(), selection)
}

fn rows_query(relation: &Relation, alias: Option<&str>, mut items: Vec<String>, selection: Option<&Expr>) -> Result<Box<ast::Query>> {
    // Each item has a name of its own: two columns may be set to the same expression.
    items = items.into_iter().enumerate().map(|(i, item)| format!("{item} AS \"column{i}\"")).collect();
    if relation.key.is_empty() {
        items.push(format!("{} AS \"_row\"", crate::data::ROW));
    }
    let alias = alias.map_or(String::new(), |a| format!(" AS {}", quoted(a)));
    let condition = selection.map_or(String::new(), |s| format!(" WHERE {s}"));
    parsed_query(&format!("SELECT {} FROM {}{alias}{condition}", items.join(", "), quoted(&relation.name)))
}
