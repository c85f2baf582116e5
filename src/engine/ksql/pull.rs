//! Pull queries: SELECT over the rows that a relation has now.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Field, Int64Type, Schema, TimestampMicrosecondType};

use crate::catalog::plain_name;
use crate::engine::ddl::logged_schema;
use crate::engine::node::read_log;
use crate::engine::session::{Column, Response, Session};
use crate::error::{Error, Result, code};
use crate::func::ksql::columns::{fitting_column, pg_type, value_at};
use crate::func::ksql::{Type, Value};
use crate::plan::ksql::pull::{Pull, plan};
use crate::serve::cut::{ReadCut, Readable};
use crate::sql::ksql::ast::Query;

pub use crate::plan::ksql::pull::is_pull;

/// Rows that are computed before other sessions have their turn.
const ROWS_A_TURN: usize = 4_096;

impl Pull {
    /// The columns that it answers.
    pub fn columns(&self) -> Vec<Column> {
        self.outputs.iter().map(|o| Column { name: plain_name(&o.name), ty: pg_type(&o.ty) }).collect()
    }
}

/// True for an error that may only mean that the text is PostgreSQL's after all.
fn is_doubtful(error: &Error) -> bool {
    // An operator that does not exist is an error in either dialect.
    let function = error.code() == code::UNDEFINED_FUNCTION && error.message().starts_with("function ");
    function || [code::UNDEFINED_COLUMN, code::UNDEFINED_TABLE].contains(&error.code())
}

impl Session {
    pub(super) fn plan_pull(&self, query: &Query) -> Result<Pull> {
        plan(query, &self.engine.catalog())
    }

    /// True if a query without EMIT is to be left to PostgreSQL's dialect: it does more than filter and compute, or names what this
    /// dialect has not.
    pub(super) fn is_left_to_postgres(&self, query: &Query) -> bool {
        if !is_pull(query) {
            return true;
        }
        let doubt = self.plan_pull(query).err().filter(is_doubtful);
        let left = doubt.is_some();
        *self.doubt.lock() = doubt;
        left
    }

    pub(super) async fn pull(&mut self, query: &Query) -> Result<Response> {
        let pull = self.plan_pull(query)?;
        let rows = self.rows_pulled(&pull).await?;
        let types: Vec<(String, Type)> = pull.outputs.iter().map(|o| (o.name.clone(), o.ty.clone())).collect();
        let columns = pull.columns();
        let batch = batch_of(&types, &rows)?;
        Ok(Response::Batch { word: "SELECT".into(), columns: columns.into(), batch })
    }

    /// The rows of a pull query.
    pub(super) async fn pull_rows(&self, query: &Query) -> Result<Vec<Vec<Value>>> {
        self.rows_pulled(&self.plan_pull(query)?).await
    }

    async fn rows_pulled(&self, pull: &Pull) -> Result<Vec<Vec<Value>>> {
        self.refuse_own_writes(std::slice::from_ref(&pull.relation))?;
        let cut = self.engine.read_cut(std::slice::from_ref(&pull.relation), self.settings.read_latest()).await?;
        let mut rows = Vec::new();
        let limit = usize::try_from(pull.limit.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
        let is_table = pull.ksql.table;
        for batch in self.pulled(pull, &cut)? {
            let batch = batch?;
            self.rows_of(pull, &batch, &mut rows).await;
            // A table is first put into the order of its keys.
            if !is_table && rows.len() >= limit {
                break;
            }
        }
        if is_table {
            rows.sort_by(|(a, _), (b, _)| {
                let unequal = a.iter().zip(b).map(|(a, b)| a.compare(b).unwrap_or(std::cmp::Ordering::Equal)).find(|o| o.is_ne());
                unequal.unwrap_or(std::cmp::Ordering::Equal)
            });
        }
        rows.truncate(limit);
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// The relation's rows at a cut: its columns, and for a stream `_position`, `_offset` and `_time`, for a table `_time`.
    fn pulled<'a>(&'a self, pull: &'a Pull, cut: &'a ReadCut) -> Result<Box<dyn Iterator<Item = Result<RecordBatch>> + Send + 'a>> {
        let relation = &pull.relation;
        match cut.relations.get(&relation.id) {
            Some(Readable::Rows(snapshot)) => Ok(Box::new(snapshot.chunks.iter().map(|chunk| chunk.project(None)))),
            _ => {
                let width = logged_schema(relation).fields().len();
                let columns: Vec<usize> = (0..width).collect();
                let batches: Vec<_> = read_log(&self.engine.log, relation.id, 0..cut.position, &columns)?.collect();
                Ok(Box::new(batches.into_iter()))
            }
        }
    }

    /// Adds the answers of a batch's rows, each with its key before it.
    async fn rows_of(&self, pull: &Pull, batch: &RecordBatch, rows: &mut Vec<(Vec<Value>, Vec<Value>)>) {
        let schema = batch.schema();
        let place = |name: &str| schema.index_of(name).ok();
        let times = place(crate::data::TIME).and_then(|i| batch.column(i).as_primitive_opt::<TimestampMicrosecondType>());
        let offsets = place(crate::data::OFFSET).and_then(|i| batch.column(i).as_primitive_opt::<Int64Type>());
        for i in 0..batch.num_rows() {
            if i % ROWS_A_TURN == ROWS_A_TURN - 1 {
                tokio::task::yield_now().await;
            }
            let mut row: Vec<Value> =
                pull.ksql.columns.iter().enumerate().map(|(c, column)| value_at(batch.column(c), i, &column.ty)).collect();
            row.push(times.map_or(Value::Null, |t| Value::Bigint(t.value(i).div_euclid(1_000))));
            row.push(Value::Int(0));
            row.push(offsets.map_or(Value::Bigint(0), |o| Value::Bigint(o.value(i))));
            if let Some(answer) = pull.row(&row) {
                let key = row.iter().zip(&pull.ksql.columns).filter(|(_, c)| c.key || c.bound).map(|(v, _)| v.clone());
                rows.push((if pull.ksql.table { key.collect() } else { vec![] }, answer));
            }
        }
    }
}

/// Rows as Arrow, of named and typed columns. A value that does not fit is NULL.
pub(super) fn batch_of(types: &[(String, Type)], rows: &[Vec<Value>]) -> Result<RecordBatch> {
    let mut fields = Vec::with_capacity(types.len());
    let mut columns = Vec::with_capacity(types.len());
    for (i, (name, ty)) in types.iter().enumerate() {
        let values: Vec<&Value> = rows.iter().map(|row| &row[i]).collect();
        let array = fitting_column(&values, ty)?;
        fields.push(
            Field::new(plain_name(name), array.data_type().clone(), true).with_metadata(pg_type(ty).field("", true).metadata().clone()),
        );
        columns.push(array);
    }
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows.len()));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
}
