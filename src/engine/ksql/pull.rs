//! Pull queries: SELECT over the rows that a relation has now.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Field, Int64Type, Schema, TimestampMicrosecondType};
use datafusion::common::ScalarValue;

use crate::catalog::plain_name;
use crate::data::{OFFSET, TIME};
use crate::engine::database::Engine;
use crate::engine::ddl::logged_schema;
use crate::engine::node::read_log;
use crate::engine::session::{Column, Response, Session};
use crate::error::{Error, Result, code};
use crate::func::ksql::columns::{column, fitting_column, pg_type, value_at};
use crate::func::ksql::{Type, Value};
use crate::limits;
use crate::plan::ksql::pull::{Pull, plan};
use crate::serve::cut::{ReadCut, Readable};
use crate::sql::ksql::ast::Query;

pub use crate::plan::ksql::pull::is_pull;

impl Pull {
    /// The columns that it answers.
    pub fn columns(&self) -> Vec<Column> {
        self.outputs.iter().map(|o| Column::new(plain_name(&o.name), pg_type(&o.ty))).collect()
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
        let (types, columns) = (pull.types(), pull.columns());
        let batch = batch_of(&types, &self.rows_pulled(pull).await?)?;
        Ok(Response::Batch { word: "SELECT".into(), columns: columns.into(), batch })
    }

    /// The rows of a pull query.
    pub(super) async fn pull_rows(&self, query: &Query) -> Result<Vec<Vec<Value>>> {
        self.rows_pulled(self.plan_pull(query)?).await
    }

    /// One row is looked up at once; a scan goes on aside.
    async fn rows_pulled(&self, pull: Pull) -> Result<Vec<Vec<Value>>> {
        self.refuse_own_ksql(&pull.relation)?;
        self.teller.awaits([pull.relation.id]);
        if let (Some(key), Some(node)) = (&pull.key, self.engine.node(pull.relation.id)) {
            if !self.settings.read_latest() {
                self.engine.reach(&node).await?;
            }
            let mut rows = Vec::new();
            if let Some(found) = node.with_output(|output| output.lookup(&scalars(&pull, key)?))? {
                pull.answer(&found, &mut rows);
            }
            return Ok(rows.into_iter().map(|(_, row)| row).take(pull.limit_rows()).collect());
        }
        let cut = self.engine.read_cut(std::slice::from_ref(&pull.relation), self.settings.read_latest()).await?;
        let engine = self.engine.clone();
        self.aside(move || std::future::ready(pull.scan(&engine, &cut))).await
    }
}

/// The values of a key, as its columns have them.
fn scalars(pull: &Pull, key: &[Value]) -> Result<Vec<ScalarValue>> {
    let columns = pull.ksql.identity();
    let scalar = |(value, index): (&Value, &usize)| {
        let array = column(&[value], &pull.ksql.columns[*index].ty)?;
        Ok(ScalarValue::try_from_array(&array, 0)?)
    };
    key.iter().zip(&columns).map(scalar).collect()
}

impl Pull {
    fn types(&self) -> Vec<(String, Type)> {
        self.outputs.iter().map(|o| (o.name.clone(), o.ty.clone())).collect()
    }

    fn limit_rows(&self) -> usize {
        self.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
    }

    /// The answers of all rows at a cut, those of a table in the order of its keys. Errors: 53200 for more than a query may hold.
    fn scan(&self, engine: &Engine, cut: &ReadCut) -> Result<Vec<Vec<Value>>> {
        let (mut rows, mut bytes) = (Vec::new(), 0);
        let limit = self.limit_rows();
        let mut take = |batch: RecordBatch| {
            let first = rows.len();
            self.answer(&batch, &mut rows);
            bytes += rows[first..].iter().flat_map(|(key, row)| key.iter().chain(row)).map(Value::bytes).sum::<usize>();
            if bytes > limits::QUERY_MEMORY_BYTES_MAX {
                let message = format!("the answer takes more than {} bytes", limits::QUERY_MEMORY_BYTES_MAX);
                return Err(Error::new(code::OUT_OF_MEMORY, message).hint("Select less of it, or read it with EMIT CHANGES."));
            }
            // A table is first put into the order of its keys.
            Ok(!self.ksql.table && rows.len() >= limit)
        };
        match cut.relations.get(&self.relation.id) {
            Some(Readable::Rows(rows)) => {
                for batch in rows.batches(None) {
                    if take(batch?)? {
                        break;
                    }
                }
            }
            _ => {
                for batch in read_log(&engine.log, self.relation.id, 0..cut.position, &logged_schema(&self.relation))? {
                    if take(batch?)? {
                        break;
                    }
                }
            }
        }
        if self.ksql.table {
            rows.sort_by(|(a, _), (b, _)| in_order(a, b));
        }
        rows.truncate(limit);
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// Adds the answers of a batch's rows, each with its key before it.
    fn answer(&self, batch: &RecordBatch, rows: &mut Vec<(Vec<Value>, Vec<Value>)>) {
        let schema = batch.schema();
        let place = |name: &str| schema.index_of(name).ok();
        let times = place(TIME).and_then(|i| batch.column(i).as_primitive_opt::<TimestampMicrosecondType>());
        let offsets = place(OFFSET).and_then(|i| batch.column(i).as_primitive_opt::<Int64Type>());
        for i in 0..batch.num_rows() {
            let mut row: Vec<Value> =
                self.ksql.columns.iter().enumerate().map(|(c, column)| value_at(batch.column(c), i, &column.ty)).collect();
            row.push(times.map_or(Value::Null, |t| Value::Bigint(t.value(i).div_euclid(1_000))));
            row.push(Value::Int(0));
            row.push(offsets.map_or(Value::Bigint(0), |o| Value::Bigint(o.value(i))));
            if let Some(answer) = self.row(&row) {
                let key = row.iter().zip(&self.ksql.columns).filter(|(_, c)| c.key || c.bound).map(|(v, _)| v.clone());
                rows.push((if self.ksql.table { key.collect() } else { vec![] }, answer));
            }
        }
    }
}

/// The order of keys.
fn in_order(a: &[Value], b: &[Value]) -> Ordering {
    let unequal = a.iter().zip(b).map(|(a, b)| a.compare(b).unwrap_or(Ordering::Equal)).find(|o| o.is_ne());
    unequal.unwrap_or(Ordering::Equal)
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
