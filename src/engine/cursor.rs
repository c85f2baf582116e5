//! DECLARE, FETCH, MOVE, CLOSE: a query whose rows are taken a few at a time.

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use parking_lot::Mutex;

use super::session::{Column, Response, Session};
use crate::error::{Error, Result, code};
use crate::sql::Statement;

/// An open cursor.
pub struct Cursor {
    columns: Vec<Column>,
    /// In a lock only so that a session may be shared; it is never contended.
    stream: Mutex<SendableRecordBatchStream>,
    /// Rows that came with the last batch and are not fetched yet.
    rest: Option<RecordBatch>,
    /// Survives the transaction.
    pub hold: bool,
    /// The transaction that opened it has not ended: its ROLLBACK closes it.
    pub fresh: bool,
}

impl Session {
    pub(super) async fn declare(&mut self, name: &str, hold: bool, query: &str) -> Result<Response> {
        if !hold && !self.transaction.as_ref().is_some_and(|t| t.explicit) {
            return Err(Error::new(code::NO_ACTIVE_SQL_TRANSACTION, "DECLARE CURSOR can only be used in transaction blocks")
                .hint("BEGIN first, or DECLARE .. CURSOR WITH HOLD."));
        }
        if self.cursors.contains_key(name) {
            return Err(Error::new(code::DUPLICATE_CURSOR, format!("cursor \"{name}\" already exists")));
        }
        let (columns, stream) = match self.parsed(query).await? {
            Statement::Query(query) => self.rows_of_query(&query).await?,
            Statement::Ksql(_) => self.rows_pushed(query).await?,
            _ => return Err(Error::syntax("a cursor needs a query")),
        };
        let fresh = self.transaction.is_some();
        let cursor = Cursor { columns, stream: Mutex::new(stream), rest: None, hold, fresh };
        self.cursors.insert(name.to_string(), cursor);
        Ok(Response::Done("DECLARE CURSOR".into()))
    }

    pub(super) async fn fetch(&mut self, name: &str, count: Option<u64>, skip: bool) -> Result<Response> {
        let cursor = self.cursors.get_mut(name).ok_or_else(|| no_cursor(name))?;
        let batch = cursor.take(count.unwrap_or(u64::MAX)).await?;
        if skip {
            return Ok(Response::Done(format!("MOVE {}", batch.num_rows())));
        }
        Ok(Response::Batch { word: "FETCH".into(), columns: cursor.columns.clone().into(), batch })
    }

    pub(super) fn close(&mut self, name: Option<&str>) -> Result<Response> {
        match name {
            None => self.cursors.clear(),
            Some(name) => {
                self.cursors.remove(name).ok_or_else(|| no_cursor(name))?;
            }
        }
        Ok(Response::Done("CLOSE CURSOR".into()))
    }

    /// The columns of a cursor's rows. Errors: 34000.
    pub fn cursor_columns(&self, name: &str) -> Result<Vec<Column>> {
        Ok(self.cursors.get(name).ok_or_else(|| no_cursor(name))?.columns.clone())
    }
}

fn no_cursor(name: &str) -> Error {
    Error::new(code::INVALID_CURSOR_NAME, format!("cursor \"{name}\" does not exist"))
}

impl Cursor {
    async fn take(&mut self, count: u64) -> Result<RecordBatch> {
        let mut wanted = usize::try_from(count).unwrap_or(usize::MAX);
        let mut taken = Vec::new();
        while wanted > 0 {
            let batch = match self.rest.take() {
                Some(batch) => batch,
                None => match self.stream.get_mut().next().await {
                    Some(batch) => batch?,
                    None => break,
                },
            };
            let now = batch.num_rows().min(wanted);
            if now < batch.num_rows() {
                self.rest = Some(batch.slice(now, batch.num_rows() - now));
            }
            wanted -= now;
            taken.push(batch.slice(0, now));
        }
        // The plan's schema may still have the types from before its analysis, as those of VALUES.
        let schema = taken.first().map_or_else(|| self.stream.get_mut().schema(), RecordBatch::schema);
        Ok(concat_batches(&schema, &taken)?)
    }
}
