//! RETURNING: rows of what a statement has written.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Schema};
use datafusion::catalog::MemTable;
use sqlparser::ast;

use super::{parsed_query, quoted};
use crate::catalog::Relation;
use crate::data::{OFFSET, POSITION, PgType, Position, TIME};
use crate::engine::query::Planned;
use crate::engine::session::{Column, Session};
use crate::error::{Error, Result};
use crate::sql::Statement;
use crate::sql::hidden::HIDDEN;

impl Session {
    /// What RETURNING selects: from the rows just inserted, or where it names system columns, from the events as the log has them.
    pub(super) async fn returning(
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
    pub(super) fn logged(&self, relation: &Relation, range: std::ops::Range<Position>) -> Result<RecordBatch> {
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
    pub(in crate::engine) async fn returning_columns(&self, statement: &Statement) -> Result<Option<Vec<Column>>> {
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
}

pub fn returning_query(name: &str, items: &[ast::SelectItem]) -> Result<Box<ast::Query>> {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    parsed_query(&format!("SELECT {} FROM {}", items.join(", "), quoted(name)))
}
