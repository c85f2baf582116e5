//! A client's session, as the floor above sees it.

use std::sync::Arc;

use bytes::Bytes;
use datafusion::execution::SendableRecordBatchStream;

use crate::data::PgType;
use crate::error::{Error, Result};

/// The database: everything that outlives a connection.
pub struct Engine {}

/// One client's state: user, settings, transaction, notices.
pub struct Session {}

/// What ReadyForQuery reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    Idle,
    InTransaction,
    Failed,
}

/// A column of a result.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    pub ty: PgType,
}

/// A statement that was parsed and, as far as it can be without parameters, planned.
pub struct Prepared {
    /// Types of $1, $2, ...
    pub parameters: Vec<PgType>,
    /// The columns of its result; `None` if it returns no rows.
    pub columns: Option<Vec<Column>>,
    /// The statement's text.
    pub text: String,
}

/// Parameter values as they came over the wire: `formats` is empty (all text), one for all, or one each; false text, true binary.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    pub binary: Vec<bool>,
    pub values: Vec<Option<Bytes>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyDirection {
    In,
    Out,
}

/// A COPY .. FROM STDIN under way. Nothing is appended before `finish`; dropping it appends nothing.
pub struct CopyIn {
    pub columns: usize,
    pub binary: bool,
}

impl CopyIn {
    /// Takes the payload of one CopyData message (cut anywhere).
    pub async fn push(&mut self, _data: Bytes) -> Result<()> {
        Err(Error::internal("skeleton"))
    }
}

/// A COPY .. TO STDOUT: chunks to be sent as CopyData, each one or more whole lines; then the tag.
pub struct CopyOut {
    pub columns: usize,
    pub binary: bool,
    pub chunks: futures::stream::BoxStream<'static, Result<Bytes>>,
    pub rows: Arc<std::sync::atomic::AtomicU64>,
}

/// What a statement answers.
pub enum Response {
    /// Rows; the tag is `word n` with the number of rows sent (`SELECT 3`, `FETCH 3`, `INSERT 0 3`: then `word` is `INSERT 0`).
    Rows {
        word: String,
        columns: Vec<Column>,
        stream: SendableRecordBatchStream,
    },
    /// No rows; the whole command tag, e.g. `CREATE STREAM`.
    Done(String),
    /// An empty query string.
    Empty,
    CopyIn(Box<CopyIn>),
    CopyOut(CopyOut),
}

impl Engine {
    /// A new session. `settings` are the startup message's parameters (application_name, client_encoding, options ...).
    pub fn session(self: &Arc<Self>, _user: &str, _database: &str, _settings: &[(String, String)]) -> Result<Session> {
        Err(Error::internal("skeleton"))
    }
}

impl Session {
    pub fn status(&self) -> TransactionStatus {
        TransactionStatus::Idle
    }
    /// Splits a simple-query message into its statements: byte range of each in `sql`. Errors: 42601.
    pub fn split(&self, _sql: &str) -> Result<Vec<std::ops::Range<usize>>> {
        Err(Error::internal("skeleton"))
    }
    /// Parses and plans one statement. `types[i]` is the declared type of $i+1, if any.
    pub async fn prepare(&mut self, _sql: &str, _types: &[Option<PgType>]) -> Result<Arc<Prepared>> {
        Err(Error::internal("skeleton"))
    }
    /// Runs a prepared statement.
    pub async fn execute(&mut self, _statement: &Arc<Prepared>, _parameters: Parameters) -> Result<Response> {
        Err(Error::internal("skeleton"))
    }
    /// Runs one statement given as text, without parameters (simple protocol); cheaper than prepare and execute.
    pub async fn query(&mut self, _sql: &str) -> Result<Response> {
        Err(Error::internal("skeleton"))
    }
    /// Ends a COPY FROM STDIN well: appends everything and answers the tag (`COPY 5`).
    pub async fn finish_copy(&mut self, _copy: Box<CopyIn>) -> Result<String> {
        Err(Error::internal("skeleton"))
    }
    /// Several statements of one simple-query message, and the messages up to Sync, form one implicit transaction, as in PostgreSQL:
    /// `begin_implicit` opens it (no effect inside BEGIN), `end_implicit` commits it, or rolls it back if `failed`.
    pub fn begin_implicit(&mut self) {}
    pub async fn end_implicit(&mut self, _failed: bool) -> Result<()> {
        Ok(())
    }
    /// Notes that a statement failed: inside BEGIN the transaction is failed from now on (25P02 until ROLLBACK).
    pub fn fail(&mut self) {}
    /// Notices raised since the last call, to be sent as NoticeResponse: (severity, error).
    pub fn take_notices(&mut self) -> Vec<(&'static str, Error)> {
        Vec::new()
    }
    /// Parameters that changed and are reported by ParameterStatus since the last call (all of them at the start).
    pub fn take_reports(&mut self) -> Vec<(String, String)> {
        Vec::new()
    }
    /// Cancels what the session is doing (from another task); the running call answers 57014.
    pub fn canceller(&self) -> Arc<dyn Fn() + Send + Sync> {
        Arc::new(|| {})
    }
    /// A cursor's rows by FETCH are served by `execute`; portals of the extended protocol are the wire's own.
    pub fn process_id(&self) -> i32 {
        0
    }
}
