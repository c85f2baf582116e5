//! RETURNING: rows of what a statement writes.
//!
//! It is a query over the rows written, which stand in for the table, and over those of other relations that they were joined
//! with ([`Part`]), side by side. It is run before anything is appended: so its subqueries see what the statement saw, and where it
//! fails nothing is written. Only the positions of events are not known before,
//! and what is made of them (`xmin`, `ctid`): where these are asked for, the rows are written first. In a transaction rows have the
//! number that it takes ([`super::super::numbers`]), and so an `xmin`, though no position yet.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::memory::MemoryStream;
use sqlparser::ast;

use super::kept::Computed;
use super::values::scalars;
use super::{parsed_query, quoted};
use crate::catalog::{Relation, RelationId, RelationKind};
use crate::data::{OFFSET, POSITION, PgType, Position, TIME};
use crate::engine::query::{Planned, collect};
use crate::engine::session::{Column, Parameters, Response, Session};
use crate::error::{Error, Result, code};
use crate::plan::origin::{STAND_IN, stand_in};
use crate::sql::fold_name;
use crate::sql::hidden::{self, HIDDEN, SYSTEM};

/// Rows under a name that RETURNING may use.
pub(super) struct Part {
    pub alias: String,
    /// The relation whose columns they begin with.
    pub relation: Option<RelationId>,
    pub rows: RecordBatch,
}

/// The clause, with the WITH of its statement and the plan that is kept of it.
#[derive(Clone, Copy)]
pub(super) struct Returning<'a> {
    pub with: Option<&'a ast::With>,
    pub items: &'a [ast::SelectItem],
    pub known: Option<&'a Computed>,
}

/// What RETURNING answers.
pub(super) struct Returned {
    pub columns: Vec<Column>,
    pub schema: SchemaRef,
    pub rows: Vec<RecordBatch>,
}

impl Returned {
    /// Errors: 0A000 for other columns than the client was told: the table was defined otherwise since, and what it reads as an integer may
    /// be a text by now. What has no type of its own may get one when it runs.
    pub fn is_as_told(&self, told: &[Column]) -> Result<()> {
        let alike = |(told, now): (&Column, &Column)| told.ty == now.ty || told.origin.is_none() && told.ty == PgType::Text;
        if told.len() != self.columns.len() || !told.iter().zip(&self.columns).all(alike) {
            return Err(Error::unsupported("cached plan must not change result type").hint("Prepare the statement again."));
        }
        Ok(())
    }

    /// The rows as the answer of a statement with this tag.
    pub fn answer(self, word: &str) -> Result<Response> {
        let stream = Box::pin(MemoryStream::try_new(self.rows, self.schema, None)?);
        Ok(Response::Rows { word: word.into(), columns: self.columns, stream })
    }
}

/// The column that says which rows of several parts belong together; no `*` means it.
const NUMBER: &str = "everfold number";

impl Session {
    /// The rows of RETURNING.
    pub(super) async fn returned(
        &self,
        Returning { with, items, known }: Returning<'_>,
        parts: &[Part],
        types: &[Option<PgType>],
        parameters: &Parameters,
    ) -> Result<Returned> {
        if let (Some(known), [only]) = (known, parts)
            && let Some(rows) = self.compute(known, only.rows.clone(), parameters).await?
        {
            return Ok(Returned { columns: known.planned.columns.clone(), schema: rows.schema(), rows: vec![rows] });
        }
        let planned = self.plan_returning(with, items, parts, types).await?;
        let values = scalars(&planned.parameters, parameters, self.settings.reading())?;
        let rows = collect(self.run_query(&planned, values).await?).await?;
        let schema = rows.first().map_or(planned.schema, RecordBatch::schema);
        Ok(Returned { columns: planned.columns, schema, rows })
    }

    /// Plans RETURNING over its parts. Errors: 42803 for aggregates.
    pub(super) async fn plan_returning(
        &self,
        with: Option<&ast::With>,
        items: &[ast::SelectItem],
        parts: &[Part],
        types: &[Option<PgType>],
    ) -> Result<Planned> {
        let name = |i: usize| stand_in(i, parts[i].relation);
        let several = parts.len() > 1;
        let items: Vec<String> = match several {
            true => items.iter().map(|item| spelled_out(item, parts).unwrap_or_else(|| item.to_string())).collect(),
            false => items.iter().map(ToString::to_string).collect(),
        };
        let mut from = String::new();
        for (i, part) in parts.iter().enumerate() {
            let (table, alias) = (quoted(&name(i)), quoted(&part.alias));
            from += &match i {
                0 => format!("{table} AS {alias}"),
                _ => {
                    format!(" JOIN {table} AS {alias} ON {alias}.{NUMBER} = {}.{NUMBER}", quoted(&parts[0].alias), NUMBER = quoted(NUMBER))
                }
            };
        }
        let order = if several { format!(" ORDER BY {}.{}", quoted(&parts[0].alias), quoted(NUMBER)) } else { String::new() };
        let mut query = parsed_query(&format!("SELECT {} FROM {from}{order}", items.join(", ")))?;
        query.with = with.cloned();
        if !several {
            let schema = parts[0].rows.schema();
            let hidden: Vec<String> = HIDDEN.iter().filter(|name| schema.index_of(name).is_ok()).map(ToString::to_string).collect();
            hidden::expose(&mut query, &|table, _| if table.name.starts_with(STAND_IN) { hidden.clone() } else { vec![] });
        }
        let mut names = self.names();
        for (i, part) in parts.iter().enumerate() {
            let rows = if several { numbered(&part.rows, NUMBER)? } else { part.rows.clone() };
            names.stand_ins.push((name(i), in_memory(rows)?));
        }
        let planned = self.plan_with(names, &query, types).await?;
        refuse_aggregates(&planned.plan)?;
        Ok(planned)
    }

    /// True if all that RETURNING asks of rows of a table that are about to be written is what the transaction that is open knows: its number.
    pub(super) fn knows_number(&self, relation: &Relation, items: &[ast::SelectItem]) -> bool {
        let asked = hidden::mentioned(&mut items.to_vec());
        let number_only = asked.system && !asked.events && !asked.places;
        let numbered = relation.kind == RelationKind::Table && relation.ksql.is_none() && !self.is_temporary(relation.id);
        number_only && numbered && self.transaction.is_some()
    }

    /// Errors: 0A000 where a statement does not come to know the positions of the rows that it writes; and what RETURNING of such is refused for.
    pub(super) async fn may_return_places(
        &self,
        relation: &Relation,
        with: Option<&ast::With>,
        items: &[ast::SelectItem],
        parts: &[Part],
        types: &[Option<PgType>],
    ) -> Result<()> {
        if self.transaction.is_some() || self.is_temporary(relation.id) {
            return Err(refuse_positions());
        }
        // What cannot be answered is not written.
        self.plan_returning(with, items, parts, types).await.map(|_| ())
    }

    /// Rows of a relation as the log has them: the user's columns and the system columns.
    pub(super) fn logged(&self, relation: &Relation, range: std::ops::Range<Position>) -> Result<RecordBatch> {
        let slice = self.engine.log.read(relation.id, range)?;
        let width = relation.columns.len();
        let all = slice.schema.fields().len();
        let columns: Vec<usize> = (0..width).chain(all - HIDDEN.len()..all).collect();
        let wanted = Arc::new(slice.schema.project(&columns)?);
        Ok(concat_batches(&wanted, &slice.batches(&wanted)?.collect::<Result<Vec<_>>>()?)?)
    }
}

/// The columns that a wildcard means, without the numbers of rows.
fn spelled_out(item: &ast::SelectItem, parts: &[Part]) -> Option<String> {
    let of = match item {
        ast::SelectItem::Wildcard(_) => None,
        ast::SelectItem::QualifiedWildcard(ast::SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
            Some(name.0.last().and_then(|part| part.as_ident()).map(fold_name)?)
        }
        _ => return None,
    };
    let meant = parts.iter().filter(|part| of.as_ref().is_none_or(|name| *name == part.alias));
    let columns = meant.flat_map(|part| {
        let named = |field: &Arc<Field>| format!("{}.{}", quoted(&part.alias), quoted(field.name()));
        let shown = |field: &&Arc<Field>| !HIDDEN.contains(&field.name().as_str());
        part.rows.schema().fields().iter().filter(shown).map(named).collect::<Vec<_>>()
    });
    let columns: Vec<String> = columns.collect();
    (!columns.is_empty()).then(|| columns.join(", "))
}

/// The columns of a relation's events as [`Session::logged`] answers them.
pub(super) fn schema_with_hidden(relation: &Relation) -> SchemaRef {
    let mut fields: Vec<Field> = relation.schema().fields().iter().map(|f| f.as_ref().clone()).collect();
    fields.push(PgType::Int8.field(POSITION, false));
    fields.push(PgType::Int8.field(OFFSET, false));
    fields.push(PgType::Timestamptz.field(TIME, false));
    Arc::new(Schema::new(fields))
}

/// True if RETURNING names hidden columns of events, or system columns that are made of them.
pub(super) fn names_hidden(items: &[ast::SelectItem], relation: &Relation) -> bool {
    let mentioned = hidden::mentioned(&mut items.to_vec());
    let own = |name: &str| relation.columns.iter().any(|column| column.name == *name);
    mentioned.events || mentioned.system && !SYSTEM.iter().any(|name| own(name))
}

/// The rows with the positions of the events that they come to be by, `first` on.
pub(super) fn with_positions(rows: &RecordBatch, first: Position) -> Result<RecordBatch> {
    with_numbers(rows, POSITION, (0..rows.num_rows() as i64).map(|i| first as i64 + i).collect())
}

/// The rows as those of the transaction that is open, which have no positions yet.
pub(super) fn without_positions(rows: &RecordBatch) -> Result<RecordBatch> {
    with_numbers(rows, POSITION, vec![-1; rows.num_rows()])
}

/// The refusal of positions where they are given after the statement: when a transaction ends, never in a temporary table.
fn refuse_positions() -> Error {
    Error::unsupported("positions are not known before COMMIT").hint(
        "RETURNING tells xmin of a table in a transaction, and the others outside of BEGIN, of tables without constraints beside the primary key.",
    )
}

/// The rows with their numbers from 0 as one more column.
pub(super) fn numbered(rows: &RecordBatch, name: &str) -> Result<RecordBatch> {
    with_numbers(rows, name, (0..rows.num_rows() as i64).collect())
}

/// The rows with one more column, of these numbers.
pub(super) fn with_numbers(rows: &RecordBatch, name: &str, numbers: Vec<i64>) -> Result<RecordBatch> {
    let mut fields: Vec<Field> = rows.schema().fields().iter().map(|f| f.as_ref().clone()).collect();
    fields.push(Field::new(name, DataType::Int64, false));
    let numbers: ArrayRef = Arc::new(Int64Array::from(numbers));
    let columns = rows.columns().iter().cloned().chain([numbers]).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// Rows as a relation.
pub(in crate::engine) fn in_memory(rows: RecordBatch) -> Result<Arc<dyn TableProvider>> {
    Ok(Arc::new(MemTable::try_new(rows.schema(), vec![vec![rows]])?))
}

fn refuse_aggregates(plan: &LogicalPlan) -> Result<()> {
    let mut found = None;
    plan.apply(|node| {
        found = match node {
            LogicalPlan::Aggregate(_) => Some((code::GROUPING_ERROR, "aggregate functions are not allowed in RETURNING")),
            LogicalPlan::Window(_) => Some(("42P20", "window functions are not allowed in RETURNING")),
            LogicalPlan::TableScan(_) | LogicalPlan::SubqueryAlias(_) => return Ok(TreeNodeRecursion::Jump),
            _ => return Ok(TreeNodeRecursion::Continue),
        };
        Ok(TreeNodeRecursion::Stop)
    })?;
    found.map_or(Ok(()), |(code, message)| Err(Error::new(code, message)))
}
