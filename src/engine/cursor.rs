//! DECLARE, FETCH, MOVE, CLOSE: a query whose rows are taken a few at a time.
//!
//! A cursor stands before the first row, on a row, or behind the last. One that goes forward only keeps no rows; a SCROLL cursor keeps
//! those it has passed, up to [`limits::CURSOR_BYTES_MAX`]. Rows that were read but not yet given, as when FETCH is cancelled while it
//! waits for a push query, are given by the next FETCH.

use std::collections::VecDeque;

use arrow::array::{RecordBatch, UInt64Array};
use arrow::compute::{concat_batches, take_record_batch};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use parking_lot::Mutex;

use super::dml::{declared, scalars};
use super::session::{Column, OnPortals, Parameters, Prepared, Response, Session};
use crate::data::PgType;
use crate::error::{Error, Result, code};
use crate::limits;
use crate::serve::system::CursorStatus;
use crate::sql::{CursorOptions, Move, Statement};

/// An open cursor.
pub struct Cursor {
    columns: Vec<Column>,
    /// In a lock only so that a session may be shared; it is never contended.
    stream: Mutex<SendableRecordBatchStream>,
    how: CursorOptions,
    statement: String,
    created_us: i64,
    /// Rows read from the stream, from row `dropped` on (0-based).
    rows: VecDeque<RecordBatch>,
    kept_bytes: usize,
    dropped: u64,
    /// Rows read from the stream, those dropped included.
    read: u64,
    /// True once the stream has ended.
    ended: bool,
    /// The row it stands on, from 1; 0 before the first, `read` + 1 behind the last.
    at: u64,
    /// The transaction that opened it has not ended: its ROLLBACK closes it.
    fresh: bool,
    /// A loop of a body goes over it: it stays open where that body ends its transaction, and ends with the statement that runs the body.
    pinned: bool,
}

impl Session {
    /// DECLARE. `prepared` is the whole, whose parameters are those of the query.
    pub(super) async fn declare(
        &mut self,
        name: &str,
        how: CursorOptions,
        query: &str,
        prepared: &Prepared,
        parameters: &Parameters,
    ) -> Result<Response> {
        if !how.hold && self.inside == 0 && !self.transaction.as_ref().is_some_and(|t| t.explicit) {
            return Err(Error::new(code::NO_ACTIVE_SQL_TRANSACTION, "DECLARE CURSOR can only be used in transaction blocks")
                .hint("BEGIN first, or DECLARE .. CURSOR WITH HOLD."));
        }
        if self.cursors.contains_key(name) {
            return Err(Error::new(code::DUPLICATE_CURSOR, format!("cursor \"{name}\" already exists")));
        }
        let parsed = self.parsed(query).await?;
        let (columns, stream) = match parsed {
            Statement::Query(query) => {
                let planned = self.plan_query(&query, &declared(prepared)).await?;
                let values = scalars(&planned.parameters, parameters, self.settings.reading())?;
                let stream = self.run_query(&planned, values).await?;
                (planned.columns, stream)
            }
            locking @ Statement::Locking { .. } => self.rows_locked(how, query, locking, &declared(prepared), parameters).await?,
            Statement::Ksql(_) => self.rows_pushed(query).await?,
            Statement::WithChanges { .. } => {
                return Err(Error::unsupported("DECLARE CURSOR must not contain data-modifying statements in WITH")
                    .hint("Run the statement, and declare a cursor of a SELECT of its own."));
            }
            _ => return Err(Error::syntax("a cursor needs a query")),
        };
        self.keep_cursor(name, how, columns, stream, &prepared.text)?;
        Ok(Response::Done("DECLARE CURSOR".into()))
    }

    /// Errors: 42P03 for the name of a cursor that is open.
    pub(super) fn refuse_open(&self, name: &str) -> Result<()> {
        match self.cursors.contains_key(name) {
            true => Err(Error::new(code::DUPLICATE_CURSOR, format!("cursor \"{name}\" already in use"))),
            false => Ok(()),
        }
    }

    /// Adds a cursor that stands before its rows. Errors: 53400 for too many.
    pub(super) fn keep_cursor(
        &mut self,
        name: &str,
        how: CursorOptions,
        columns: Vec<Column>,
        stream: SendableRecordBatchStream,
        statement: &str,
    ) -> Result<()> {
        if self.cursors.len() >= limits::CURSORS_MAX {
            return Err(Error::new(
                code::CONFIGURATION_LIMIT_EXCEEDED,
                format!("too many cursors in one session (limit {})", limits::CURSORS_MAX),
            )
            .hint("CLOSE those that are no longer used."));
        }
        let cursor = Cursor {
            columns,
            stream: Mutex::new(stream),
            how,
            statement: statement.trim().to_string(),
            created_us: self.engine.clock.now_us(),
            rows: VecDeque::new(),
            kept_bytes: 0,
            dropped: 0,
            read: 0,
            ended: false,
            at: 0,
            fresh: self.transaction.is_some(),
            pinned: false,
        };
        self.cursors.insert(name.to_string(), cursor);
        self.list_cursors();
        Ok(())
    }

    /// The rows of a query FOR UPDATE, all locked when the cursor is declared. Errors: 0A000 and 42P11 for what takes a cursor that only reads.
    async fn rows_locked(
        &mut self,
        how: CursorOptions,
        text: &str,
        locking: Statement,
        types: &[Option<PgType>],
        parameters: &Parameters,
    ) -> Result<(Vec<Column>, SendableRecordBatchStream)> {
        let prepared = Box::pin(self.plan_parsed(text, locking, types)).await?;
        let Statement::Locking { query, locks } = &prepared.statement else {
            return Err(Error::unsupported("a cursor FOR UPDATE does not call functions with bodies")
                .hint("Lock the rows in a SELECT of their own, and call the functions in another."));
        };
        if let Some(lock) = locks.first() {
            only_reads(how, &lock.word)?;
        }
        match self.locking(query, locks, &prepared, parameters).await? {
            Response::Rows { columns, stream, .. } => Ok((columns, stream)),
            _ => Err(Error::internal("a query answers rows")),
        }
    }

    pub(super) async fn fetch(&mut self, name: &str, to: Move, skip: bool) -> Result<Response> {
        let Some(cursor) = self.cursors.get_mut(name) else {
            return Ok(Response::OnPortals(OnPortals::Go { name: name.to_string(), to, skip }));
        };
        let batch = cursor.go(to).await?;
        if skip {
            return Ok(Response::Done(format!("MOVE {}", batch.num_rows())));
        }
        self.binary = cursor.how.binary;
        Ok(Response::Batch { word: "FETCH".into(), columns: cursor.columns.clone().into(), batch })
    }

    pub(super) fn close(&mut self, name: Option<&str>) -> Response {
        let Some(name) = name else {
            self.cursors.clear();
            self.list_cursors();
            return Response::OnPortals(OnPortals::CloseAll);
        };
        if self.cursors.remove(name).is_none() {
            return Response::OnPortals(OnPortals::Close(name.to_string()));
        }
        self.list_cursors();
        Response::Done("CLOSE CURSOR".into())
    }

    /// A loop goes over a cursor until it is closed.
    pub(super) fn pin_cursor(&mut self, name: &str) {
        if let Some(cursor) = self.cursors.get_mut(name) {
            cursor.pinned = true;
        }
    }

    /// A transaction ends: only cursors WITH HOLD survive it, and of these not those that it opened and rolls back. Those of loops do where
    /// a body ends it.
    pub(super) fn retain_cursors(&mut self, committed: bool) {
        if self.cursors.is_empty() {
            return;
        }
        let in_body = self.inside > 0;
        self.cursors.retain(|_, cursor| cursor.pinned && in_body || cursor.how.hold && (committed || !cursor.fresh));
        self.cursors.values_mut().for_each(|cursor| cursor.fresh = false);
        self.list_cursors();
    }

    /// For pg_cursors.
    fn list_cursors(&self) {
        let status = |(name, c): (&String, &Cursor)| CursorStatus {
            name: name.clone(),
            statement: c.statement.clone(),
            hold: c.how.hold,
            binary: c.how.binary,
            scroll: c.how.scroll,
            created_us: c.created_us,
        };
        let mut all: Vec<CursorStatus> = self.cursors.iter().map(status).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        self.acts.list_cursors(all);
    }

    /// The columns of a cursor's rows.
    pub fn cursor_columns(&self, name: &str) -> Option<Vec<Column>> {
        self.cursors.get(name).map(|cursor| cursor.columns.clone())
    }
}

/// Errors: 0A000 and 42P11 where a cursor whose query has such a clause cannot be declared so.
fn only_reads(how: CursorOptions, clause: &str) -> Result<()> {
    let unsupported = |what: &str| Error::unsupported(format!("DECLARE {what} ... {clause} is not supported"));
    match () {
        () if how.hold => Err(unsupported("CURSOR WITH HOLD").detail("Holdable cursors must be READ ONLY.")),
        () if how.scroll => Err(unsupported("SCROLL CURSOR").detail("Scrollable cursors must be READ ONLY.")),
        () if how.insensitive => {
            let message = format!("DECLARE INSENSITIVE CURSOR ... {clause} is not valid");
            Err(Error::new(code::INVALID_CURSOR_DEFINITION, message).detail("Insensitive cursors must be READ ONLY."))
        }
        () => Ok(()),
    }
}

fn forward_only() -> Error {
    Error::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, "cursor can only scan forward")
        .hint("Declare it with SCROLL option to enable backward scan.")
}

impl Cursor {
    /// Moves the cursor; the rows that it passes and ends on, in the order in which it meets them.
    async fn go(&mut self, to: Move) -> Result<RecordBatch> {
        match to {
            Move::By(n) if n > 0 => self.forward(n as u64).await,
            Move::By(0) | Move::Relative(0) => self.here(),
            Move::By(n) => self.backward(n.unsigned_abs()),
            Move::ForwardAll => self.forward(u64::MAX).await,
            Move::BackwardAll => self.backward(u64::MAX),
            Move::Absolute(n) if n >= 0 => self.stand_on(n as u64).await,
            Move::Absolute(n) => {
                self.read_to(u64::MAX).await?;
                let end = self.read + 1;
                self.stand_on(end.saturating_sub(n.unsigned_abs())).await
            }
            Move::Relative(n) => {
                let target = if n > 0 { self.at.saturating_add(n as u64) } else { self.at.saturating_sub(n.unsigned_abs()) };
                self.stand_on(target).await
            }
        }
    }

    async fn forward(&mut self, n: u64) -> Result<RecordBatch> {
        let wanted = self.at.saturating_add(n);
        self.read_to(wanted).await?;
        let last = wanted.min(self.read);
        let rows = self.rows_between(self.at, last)?;
        self.at = if last < wanted { self.read + 1 } else { last };
        self.drop_passed();
        Ok(rows)
    }

    fn backward(&mut self, n: u64) -> Result<RecordBatch> {
        if !self.how.scroll {
            return Err(forward_only());
        }
        // The rows before the one at hand, the nearest first.
        let before = self.at.saturating_sub(1);
        let first = before.saturating_sub(n);
        let rows = self.rows_between(first, before)?;
        let count = rows.num_rows() as u64;
        self.at = if before < n { 0 } else { first + 1 };
        let reversed = UInt64Array::from_iter_values((0..count).rev());
        Ok(take_record_batch(&rows, &reversed)?)
    }

    /// The row at hand.
    fn here(&mut self) -> Result<RecordBatch> {
        if !self.how.scroll {
            return Err(forward_only());
        }
        let on_row = self.at > 0 && self.at <= self.read;
        if on_row { self.rows_between(self.at - 1, self.at) } else { self.rows_between(self.at, self.at) }
    }

    /// Goes to a row, which is answered if there is one.
    async fn stand_on(&mut self, row: u64) -> Result<RecordBatch> {
        if row <= self.at && !self.how.scroll {
            return Err(forward_only());
        }
        self.read_to(row).await?;
        self.at = row.min(self.read + 1);
        let on_row = self.at > 0 && self.at <= self.read;
        let rows = if on_row { self.rows_between(self.at - 1, self.at) } else { self.rows_between(self.at, self.at) };
        self.drop_passed();
        rows
    }

    /// Reads until that many rows were read, or the query has ended. May be dropped at any time.
    async fn read_to(&mut self, rows: u64) -> Result<()> {
        while self.read < rows && !self.ended {
            match self.stream.get_mut().next().await {
                None => self.ended = true,
                Some(batch) => {
                    let batch = batch?;
                    self.read += batch.num_rows() as u64;
                    self.kept_bytes += batch.get_array_memory_size();
                    self.rows.push_back(batch);
                    if self.how.scroll && self.kept_bytes > limits::CURSOR_BYTES_MAX {
                        return Err(Error::new(code::CONFIGURATION_LIMIT_EXCEEDED, "the SCROLL cursor has passed too many rows")
                            .detail(format!("It keeps at most {} bytes of rows to go back to.", limits::CURSOR_BYTES_MAX))
                            .hint("Declare it without SCROLL and FETCH forward, or select less."));
                    }
                }
            }
        }
        Ok(())
    }

    /// The columns of its rows.
    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The row that it stands on, if it does.
    pub(super) fn row(&self) -> Option<RecordBatch> {
        let mut start = self.dropped;
        for batch in &self.rows {
            let stop = start + batch.num_rows() as u64;
            if start < self.at && self.at <= stop {
                return Some(batch.slice((self.at - 1 - start) as usize, 1));
            }
            start = stop;
        }
        None
    }

    /// A cursor that only goes forward needs no row that it has passed.
    fn drop_passed(&mut self) {
        while !self.how.scroll
            && let Some(first) = self.rows.front()
            && self.dropped + (first.num_rows() as u64) < self.at
        {
            self.dropped += first.num_rows() as u64;
            self.kept_bytes -= first.get_array_memory_size();
            self.rows.pop_front();
        }
    }

    /// The rows from `first` up to before `end`, counted from 0; those of them that were read.
    fn rows_between(&mut self, first: u64, end: u64) -> Result<RecordBatch> {
        let mut parts = Vec::new();
        let mut start = self.dropped;
        for batch in &self.rows {
            let stop = start + batch.num_rows() as u64;
            let (from, to) = (first.max(start), end.min(stop));
            if from < to {
                parts.push(batch.slice((from - start) as usize, (to - from) as usize));
            }
            start = stop;
        }
        // The plan's schema may still have the types from before its analysis, as those of VALUES.
        let schema = self.rows.front().map_or_else(|| self.stream.get_mut().schema(), RecordBatch::schema);
        Ok(concat_batches(&schema, &parts)?)
    }
}
