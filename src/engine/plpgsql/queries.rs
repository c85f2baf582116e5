//! SQL of a body: planned and run as any statement of the session, with variables for parameters.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::DataType;
use bytes::Bytes;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use sqlparser::ast::Expr;

use super::Cell;
use super::cursors::of_open_cursor;
use super::frame::{Columns, Frame, Holds, Place};
use super::run::Run;
use crate::catalog::{Catalog, Name, Scope};
use crate::data::PgType;
use crate::data::decode::ColumnBuilder;
use crate::data::encode::cell_text;
use crate::engine::session::{Column, Parameters, Prepared, Response};
use crate::error::{Error, Result, code};
use crate::func::styled;
use crate::plan::inline;
use crate::serve::system::{RELATIONS, SystemRelation};
use crate::sql::plpgsql::bind::{self, Seen, Variables, WholeRow};
use crate::sql::plpgsql::{Conflict, Dynamic, Embedded, Expression, Rows};
use crate::sql::statement::Statement as Sql;
use crate::sql::{parse, split};

/// What a statement that was planned before is known by.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum SiteKey {
    /// Its number in the body.
    Numbered(usize),
    /// Its text: it is one of our own making.
    Own(String),
}

/// A statement that was planned before.
pub(super) struct Site {
    prepared: Arc<Prepared>,
    /// What its parameters are.
    places: Vec<Place>,
    types: Vec<PgType>,
    /// The columns that its records had: a place counts them, so that other ones make another place of the same name.
    records: Vec<(Place, Columns)>,
    catalog: Arc<Catalog>,
}

impl Site {
    /// True as long as names mean the places that they were found at.
    fn fits(&self, frame: &Frame) -> bool {
        self.records.iter().all(|(place, columns)| frame.record(*place) == Some(columns))
    }
}

/// Rows that a statement answers, one after the other.
pub(super) struct Answer {
    pub columns: Vec<Column>,
    pub stream: SendableRecordBatchStream,
    batch: Option<RecordBatch>,
    at: usize,
}

impl Answer {
    /// One whose rows are there.
    pub fn of_batch(columns: Vec<Column>, batch: RecordBatch) -> Result<Answer> {
        let schema = batch.schema();
        let stream = datafusion::physical_plan::memory::MemoryStream::try_new(vec![batch], schema, None)?;
        Ok(Answer { columns, stream: Box::pin(stream), batch: None, at: 0 })
    }
}

/// What a statement did.
pub(super) enum Outcome {
    Rows(Answer),
    /// The number of rows it changed, if it is a statement that changes rows.
    Done(Option<usize>),
}

/// Looks names up among the variables, and gives each its parameter.
struct Binder<'a> {
    frame: &'a Frame,
    scope: Scope,
    conflict: Conflict,
    places: Vec<Place>,
}

impl Binder<'_> {
    fn at(&mut self, place: Place) -> usize {
        match self.places.iter().position(|known| *known == place) {
            Some(i) => i + 1,
            None => {
                self.places.push(place);
                self.places.len()
            }
        }
    }
}

impl Variables for Binder<'_> {
    fn parameter(&mut self, path: &[String], seen: &Seen) -> Result<Option<usize>> {
        let Some(place) = self.frame.find(path) else { return self.frame.refuse_field(path).map(|()| None) };
        match self.conflict {
            Conflict::Error if is_column(path, seen, &self.scope) => {
                Err(Error::new(code::AMBIGUOUS_COLUMN, format!("column reference \"{}\" is ambiguous", path[0]))
                    .detail("It could refer to either a PL/pgSQL variable or a table column.")
                    .hint("Call the variable otherwise, or qualify the column with its table."))
            }
            Conflict::Column if is_column(path, seen, &self.scope) => Ok(None),
            _ => Ok(Some(self.at(place))),
        }
    }

    fn positional(&mut self, n: usize) -> Result<usize> {
        let place = self.frame.input(n).ok_or_else(|| Error::new(code::UNDEFINED_PARAMETER, format!("there is no parameter ${n}")))?;
        Ok(self.at(place))
    }

    fn row(&mut self, path: &[String], seen: &Seen) -> Result<Option<WholeRow>> {
        let (frame, [name]) = (self.frame, path) else { return Ok(None) };
        let Some(place) = frame.find(path) else { return Ok(None) };
        let Holds::Row { columns, .. } = &frame.variable(place).holds else { return Ok(None) };
        let is_other = seen.relations.iter().any(|of| of.name == *name) || is_column(path, seen, &self.scope);
        if columns.is_empty() || is_other {
            return Ok(None);
        }
        let there = self.at(place.of_presence());
        let fields = columns.iter().enumerate().map(|(i, (column, _))| (column.clone(), self.at(place.of_field(i)))).collect();
        Ok(Some(WholeRow { there, fields }))
    }

    /// A name of something in the catalog is read as one: a parameter would be read as a number.
    fn value(&self, n: usize) -> Result<Expr> {
        let ty = self.places.get(n.wrapping_sub(1)).and_then(|place| self.frame.cell(*place).ok()).map(|cell| cell.ty);
        match ty.filter(PgType::is_reg) {
            Some(ty) => inline::cast(bind::parameter(n), &ty),
            None => Ok(bind::parameter(n)),
        }
    }

    fn counts_from_zero(&self, name: &str) -> bool {
        name == TG_ARGV && self.frame.is_own(name)
    }
}

/// The array of a trigger's arguments, whose first is number 0.
const TG_ARGV: &str = "tg_argv";

impl Run<'_> {
    /// Runs a statement of SQL.
    pub(super) async fn sql(&mut self, sql: &Embedded) -> Result<Outcome> {
        let (prepared, values) = self.prepare(sql.id, &sql.text, &sql.statement).await?;
        self.execute(&prepared, values).await
    }

    /// The value of an expression. Errors: 42601 for several columns, 21000 for several rows.
    pub(super) async fn value(&mut self, expression: &Expression) -> Result<Cell> {
        if let Some(cell) = self.variable_value(expression) {
            return Ok(cell);
        }
        let sql = Sql::Query(expression.query.clone());
        let (prepared, values) = self.prepare(expression.id, &expression.text, &sql).await?;
        let Outcome::Rows(mut answer) = self.execute(&prepared, values).await? else {
            return Err(Error::internal("an expression is a query"));
        };
        let [column] = answer.columns.as_slice() else {
            let message = format!("query \"SELECT {}\" returned {} columns", expression.text, answer.columns.len());
            return Err(Error::syntax(message));
        };
        let ty = column.ty.clone();
        let Some(row) = self.next(&mut answer).await? else { return Ok(Cell { ty, text: None }) };
        if self.next(&mut answer).await?.is_some() {
            return Err(Error::new(
                code::CARDINALITY_VIOLATION,
                format!("query \"SELECT {}\" returned more than one row", expression.text),
            ));
        }
        row.into_iter().next().ok_or_else(|| Error::internal("a row has its columns"))
    }

    /// The value of a condition, as boolean.
    pub(super) async fn is_true(&mut self, condition: &Expression) -> Result<bool> {
        let cell = self.value(condition).await?;
        Ok(self.converted(cell, &PgType::Bool, None).await?.is_true())
    }

    /// Runs a text. Errors: 22004 for NULL.
    pub(super) async fn dynamic(&mut self, dynamic: &Dynamic) -> Result<Outcome> {
        let text = self.value(&dynamic.text).await?;
        let null = || Error::new(code::NULL_VALUE_NOT_ALLOWED, "query string argument of EXECUTE is null");
        let text = text.text.ok_or_else(null)?;
        let mut values = Vec::with_capacity(dynamic.using.len());
        for value in &dynamic.using {
            values.push(self.value(value).await?);
        }
        let mut outcome = Outcome::Done(None);
        for part in split(&text)? {
            if let Outcome::Rows(mut answer) = outcome {
                while self.next(&mut answer).await?.is_some() {}
            }
            outcome = self.dynamic_part(&text[part], values.clone()).await?;
        }
        Ok(outcome)
    }

    /// One statement of the text that EXECUTE runs. What it does, the next one sees.
    async fn dynamic_part(&mut self, text: &str, values: Vec<Cell>) -> Result<Outcome> {
        let statement = parse(text)?;
        if statement.controls_transaction() {
            return Err(super::unsupported("EXECUTE of transaction commands is not implemented", "Use a block with an EXCEPTION clause."));
        }
        let types: Vec<Option<PgType>> = values.iter().map(|cell| Some(cell.ty.clone())).collect();
        let prepared = Arc::new(Box::pin(self.session.plan_parsed(text, statement, &types)).await?);
        self.execute(&prepared, values).await
    }

    /// The rows of a query of our own making.
    pub(super) async fn asked(&mut self, text: &str, values: Vec<Cell>) -> Result<Answer> {
        let (key, types) = (SiteKey::Own(text.to_string()), types_of(&values));
        let known = self.site(&key).filter(|site| site.types == types).map(|site| site.prepared.clone());
        let prepared = match known {
            Some(prepared) => prepared,
            None => self.plan(key, text, parse(text)?, vec![], types).await?,
        };
        match Box::pin(self.execute(&prepared, values)).await? {
            Outcome::Rows(answer) => Ok(answer),
            Outcome::Done(_) => Err(Error::internal("a query has rows")),
        }
    }

    /// The rows of a loop or of RETURN QUERY. Errors: 42601 for a statement without rows.
    pub(super) async fn rows(&mut self, rows: &Rows) -> Result<Answer> {
        let outcome = match rows {
            Rows::Query(sql) => self.sql(sql).await?,
            Rows::Dynamic(dynamic) => self.dynamic(dynamic).await?,
            Rows::Cursor { .. } => return Err(Error::internal("a cursor is opened, and not asked")),
        };
        match outcome {
            Outcome::Rows(answer) => Ok(answer),
            Outcome::Done(_) => Err(Error::syntax("cannot open a query that returns no rows").hint("Add RETURNING to a change of rows.")),
        }
    }

    /// The next row of an answer.
    pub(super) async fn next(&mut self, answer: &mut Answer) -> Result<Option<Vec<Cell>>> {
        loop {
            if let Some(batch) = answer.batch.as_ref().filter(|batch| answer.at < batch.num_rows()) {
                let style = self.session.settings.carried();
                let mut row = Vec::with_capacity(answer.columns.len());
                for (column, array) in answer.columns.iter().zip(batch.columns()) {
                    let mut text = Vec::new();
                    cell_text(array, answer.at, &column.ty, &style, &mut text)?;
                    row.push(Cell { ty: column.ty.clone(), text: shown(array, answer.at, text) });
                }
                answer.at += 1;
                return Ok(Some(row));
            }
            match answer.stream.next().await {
                Some(batch) => (answer.batch, answer.at) = (Some(batch?), 0),
                None => return Ok(None),
            }
        }
    }

    /// The text of a value as the session shows it; it is carried in a form in which nothing is lost.
    pub(super) fn presented(&self, cell: &Cell) -> Result<Option<String>> {
        let style = self.session.settings.style();
        let is_shown = matches!(cell.ty, PgType::Bpchar(_)) || styled::shows(&cell.ty.arrow(), &style);
        let Some(text) = cell.text.as_deref().filter(|_| is_shown) else { return Ok(cell.text.clone()) };
        let mut builder = ColumnBuilder::new(&cell.ty, 1).reading(style.timezone.into());
        builder.append_text(text)?;
        let (array, mut text) = (builder.finish(), Vec::new());
        cell_text(&array, 0, &cell.ty, &style, &mut text)?;
        Ok(shown(&array, 0, text))
    }

    /// A value as one of another type, by the rules of an assignment.
    pub(super) async fn converted(&mut self, cell: Cell, to: &PgType, domain: Option<&Name>) -> Result<Cell> {
        if domain.is_none() && (cell.ty == *to || cell.text.is_none()) {
            return Ok(Cell { ty: to.clone(), text: cell.text });
        }
        if domain.is_none() && reads_as(&cell.ty, to) {
            let text = self.presented(&cell)?.unwrap_or_default();
            let mut builder = ColumnBuilder::new(to, 1).reading(self.session.settings.reading());
            builder.append_text(&text)?;
            let (array, mut text) = (builder.finish(), Vec::new());
            cell_text(&array, 0, to, &self.session.settings.carried(), &mut text)?;
            return Ok(Cell { ty: to.clone(), text: shown(&array, 0, text) });
        }
        let name = domain.map_or_else(|| to.in_sql(), Name::in_sql);
        let mut answer = self.asked(&format!("SELECT CAST($1 AS {name})"), vec![cell]).await?;
        let row = self.next(&mut answer).await?;
        let cell = row.and_then(|row| row.into_iter().next()).ok_or_else(|| Error::internal("a cast has a value"))?;
        Ok(Cell { ty: to.clone(), text: cell.text })
    }

    /// A statement of the body with parameters in the places of variables, planned, and their values.
    async fn prepare(&mut self, id: usize, text: &str, statement: &Sql) -> Result<(Arc<Prepared>, Vec<Cell>)> {
        let key = SiteKey::Numbered(id);
        if let Some(site) = self.site(&key).filter(|site| site.fits(&self.frame)) {
            let values = self.cells(&site.places)?;
            if types_of(&values) == site.types {
                return Ok((site.prepared.clone(), values));
            }
        }
        let mut statement = statement.clone();
        let mut binder = Binder { frame: &self.frame, scope: self.session.scope(), conflict: self.conflict, places: vec![] };
        bind::statement(&mut statement, &mut binder)?;
        let places = binder.places;
        let values = self.cells(&places)?;
        // A variable may name another cursor the next time.
        let again = of_open_cursor(&mut statement, &self.frame)?;
        let prepared = self.plan(key, text, statement, places, types_of(&values)).await?;
        if again {
            self.sites.remove(&SiteKey::Numbered(id));
        }
        Ok((prepared, values))
    }

    /// What was planned before, if the catalog is the same.
    fn site(&self, key: &SiteKey) -> Option<&Site> {
        self.sites.get(key).filter(|site| Arc::ptr_eq(&site.catalog, &self.session.catalog()))
    }

    /// Plans a statement, and keeps the plan.
    async fn plan(&mut self, key: SiteKey, text: &str, statement: Sql, places: Vec<Place>, types: Vec<PgType>) -> Result<Arc<Prepared>> {
        let catalog = self.session.catalog();
        let mut records: Vec<(Place, Columns)> = Vec::new();
        for place in places.iter().map(|place| place.of_row()) {
            if let Some(columns) = self.frame.record(place)
                && !records.iter().any(|(known, _)| *known == place)
            {
                records.push((place, columns.clone()));
            }
        }
        let declared: Vec<Option<PgType>> = types.iter().cloned().map(Some).collect();
        let prepared = Arc::new(Box::pin(self.session.plan_parsed(text, statement, &declared)).await?);
        self.sites.insert(key, Site { prepared: prepared.clone(), places, types, records, catalog });
        Ok(prepared)
    }

    fn cells(&self, places: &[Place]) -> Result<Vec<Cell>> {
        places.iter().map(|place| self.frame.cell(*place)).collect()
    }

    async fn execute(&mut self, prepared: &Arc<Prepared>, values: Vec<Cell>) -> Result<Outcome> {
        // What set_config() has set before is read from here on.
        self.session.adopt_settings(true);
        // A statement may have fewer parameters than a text was given values.
        let values: Vec<Option<Bytes>> =
            values.into_iter().take(prepared.parameters.len().max(1)).map(|cell| cell.text.map(Bytes::from)).collect();
        let parameters = Parameters { values, ..Parameters::default() };
        let response = Box::pin(self.session.run_inside(prepared, parameters)).await?;
        Ok(match response {
            Response::Rows { columns, stream, .. } => Outcome::Rows(Answer { columns, stream, batch: None, at: 0 }),
            Response::Batch { columns, batch, .. } => Outcome::Rows(Answer::of_batch(columns.to_vec(), batch)?),
            Response::Done(tag) => {
                let counts = ["INSERT", "UPDATE", "DELETE", "SELECT", "MERGE"].contains(&tag.split(' ').next().unwrap_or_default());
                Outcome::Done(if counts { tag.rsplit(' ').next().and_then(|n| n.parse().ok()) } else { None })
            }
            Response::Empty => Outcome::Done(None),
            Response::CopyIn(_) | Response::CopyOut(_) | Response::OnPortals(_) => {
                return Err(super::unsupported("the statement talks to the client", "Send it outside of the block."));
            }
        })
    }
}

/// True for a name that is one of a column, too.
pub(super) fn is_column(path: &[String], seen: &Seen, scope: &Scope) -> bool {
    let [name] = path else { return false };
    let of_system = |of: &Name| {
        // A bare name may be one of WITH, which information_schema is not in the way of.
        let fits = |r: &&SystemRelation| r.name == of.name && r.schema == of.schema.as_deref().unwrap_or("pg_catalog");
        RELATIONS.iter().find(fits).is_some_and(|r| (r.columns)().column_with_name(name).is_some())
    };
    let has = |of: &Name| match scope.find(of) {
        Some(relation) => relation.columns.iter().any(|column| column.name == *name),
        None => of_system(of),
    };
    seen.made || seen.relations.iter().any(has)
}

/// The types of values as parameters: those of names in the catalog are texts there.
fn types_of(values: &[Cell]) -> Vec<PgType> {
    values.iter().map(|cell| if cell.ty.is_reg() { PgType::Text } else { cell.ty.clone() }).collect()
}

/// The text of a value, unless that is NULL.
pub(super) fn shown(array: &dyn Array, row: usize, text: Vec<u8>) -> Option<String> {
    let is_null = array.is_null(row) || *array.data_type() == DataType::Null;
    (!is_null).then(|| String::from_utf8_lossy(&text).into_owned())
}

/// True if the text of a value of one type is what the other reads for the same value.
fn reads_as(from: &PgType, to: &PgType) -> bool {
    let is_text = |ty: &PgType| matches!(ty, PgType::Text | PgType::Varchar(_) | PgType::Name | PgType::Unknown);
    let is_integer = |ty: &PgType| matches!(ty, PgType::Int2 | PgType::Int4 | PgType::Int8);
    let is_number = |ty: &PgType| is_integer(ty) || matches!(ty, PgType::Numeric(_) | PgType::Float8);
    is_text(from) || is_integer(from) && (is_number(to) || is_text(to)) || is_text(to) && *from != PgType::Bool
}
