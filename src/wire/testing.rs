//! A session that answers by the first word of a statement, for tests of the conversation and of its clients.
//!
//! | statement | answer |
//! |---|---|
//! | `rows n` | n rows (n int4, t text), one batch of at most 3 rows at a time |
//! | `echo $1` | its int4 parameter, as a row (extended protocol) |
//! | `done TAG`, `notice`, `begin`, `commit` | the tag; a notice before; the transaction's state |
//! | `fail` | an error at character 16, or at the first `é` |
//! | `hang`, `hangrows` | nothing until cancelled; one row, then nothing |
//! | `cancel` | its tag, and a cancel has come meanwhile |
//! | `listen x` | listens to the host's channel x |
//! | `panic` | a panic |
//! | `copy .. FROM STDIN`, `copyin`, `copyout` | takes data, `COPY <bytes>`; sends two lines |

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema};
use bytes::Bytes;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::backend::{Backend, Host, Reply, STARTUP_TIME, Timeout};
use crate::data::PgType;
use crate::engine::notify::{Hub, Mailbox};
use crate::engine::signal::Reach;
use crate::engine::{Column, CopyOut, Parameters, TransactionStatus};
use crate::error::{Error, Result, code};

/// Makes [`Fake`] sessions.
#[derive(Default)]
pub(crate) struct FakeHost {
    /// The last process id given.
    pub last: AtomicI32,
    /// How often a statement was prepared, in all sessions.
    pub prepared: Arc<AtomicUsize>,
    /// Commits and rollbacks of implicit transactions.
    pub implicit: Arc<AtomicUsize>,
    /// Rows taken out of `rows` streams.
    pub pulled: Arc<AtomicU64>,
    pub timeout: Option<(Timeout, Duration)>,
    /// What a startup may take, if not the usual.
    pub startup_time: Option<Duration>,
    /// Who listens: `listen x` does.
    pub hub: Hub,
}

impl FakeHost {
    pub fn new() -> Arc<FakeHost> {
        Arc::new(FakeHost::default())
    }
}

impl Host for FakeHost {
    type Session = Fake;
    fn session(self: &Arc<Self>, user: &str, _: &str, _: &[(String, String)]) -> Result<Fake> {
        if user == "nobody" {
            return Err(Error::new(code::INVALID_AUTHORIZATION, "role \"nobody\" does not exist"));
        }
        let reports = vec![("server_version".to_string(), "18.0".to_string()), ("client_encoding".to_string(), "UTF8".to_string())];
        Ok(Fake {
            host: self.clone(),
            process_id: self.last.fetch_add(1, Ordering::SeqCst) + 1,
            status: TransactionStatus::Idle,
            reports,
            notices: Vec::new(),
            cancel: Arc::new(Notify::new()),
            reach: Mutex::default(),
            statements: HashMap::new(),
            mailbox: Arc::default(),
        })
    }
    fn startup_time(&self) -> Duration {
        self.startup_time.unwrap_or(STARTUP_TIME)
    }
}

/// A session without a database.
pub(crate) struct Fake {
    host: Arc<FakeHost>,
    process_id: i32,
    status: TransactionStatus,
    reports: Vec<(String, String)>,
    notices: Vec<(&'static str, Error)>,
    cancel: Arc<Notify>,
    reach: Mutex<Option<Reach>>,
    statements: HashMap<String, Arc<FakeStatement>>,
    mailbox: Arc<Mailbox>,
}

/// A statement's text and facts.
pub(crate) struct FakeStatement {
    text: String,
    parameters: Vec<PgType>,
    columns: Option<Vec<Column>>,
}

fn columns_of(text: &str) -> Option<Vec<Column>> {
    let n = || Column::new("n", PgType::Int4);
    match text.split_whitespace().next() {
        Some("rows" | "hangrows") => Some(vec![n(), Column::new("t", PgType::Text)]),
        Some("echo") => Some(vec![n()]),
        _ => None,
    }
}

fn batch(rows: std::ops::Range<i32>) -> RecordBatch {
    let schema = Schema::new(vec![Field::new("n", DataType::Int32, true), Field::new("t", DataType::Utf8View, true)]);
    let text: StringViewArray = rows.clone().map(|i| Some(format!("v {i}"))).collect();
    let columns: Vec<ArrayRef> = vec![Arc::new(Int32Array::from_iter_values(rows)), Arc::new(text)];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

type Batches = futures::stream::BoxStream<'static, Result<RecordBatch, DataFusionError>>;

fn rows(columns: Vec<Column>, schema: Arc<Schema>, stream: Batches) -> Reply<Vec<u8>> {
    Reply::Rows { word: "SELECT".into(), columns, stream: Box::pin(RecordBatchStreamAdapter::new(schema, stream)) }
}

impl Fake {
    fn counted(&self, n: i32) -> Batches {
        let pulled = self.host.pulled.clone();
        let starts = (0..n).step_by(3);
        futures::stream::iter(starts)
            .map(move |start| {
                let end = (start + 3).min(n);
                pulled.fetch_add((end - start) as u64, Ordering::SeqCst);
                Ok(batch(start..end))
            })
            .boxed()
    }

    async fn answer(&mut self, text: &str, parameters: Parameters) -> Result<Reply<Vec<u8>>> {
        if self.status == TransactionStatus::Failed && !text.starts_with("rollback") {
            return Err(Error::new(code::IN_FAILED_SQL_TRANSACTION, "current transaction is aborted"));
        }
        let text = text.trim_end_matches(';').trim();
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let schema = batch(0..0).schema();
        let columns = columns_of(text).unwrap_or_default();
        Ok(match word {
            "" => Reply::Empty,
            "rows" => rows(columns, schema, self.counted(rest.parse().unwrap())),
            "hangrows" => rows(columns, schema, futures::stream::iter([Ok(batch(0..1))]).chain(futures::stream::pending()).boxed()),
            "echo" => {
                let value = parameters.values[0].as_ref().map(|v| match parameters.binary.first() {
                    Some(true) => i32::from_be_bytes(v[..].try_into().unwrap()),
                    _ => std::str::from_utf8(v).unwrap().parse().unwrap(),
                });
                let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int32, true)]));
                let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(Int32Array::from(vec![value]))]).unwrap();
                rows(columns, schema, futures::stream::iter([Ok(batch)]).boxed())
            }
            "done" => Reply::Done(rest.to_string()),
            "notice" => {
                self.notices.push(("NOTICE", Error::new(code::SUCCESS, "take note")));
                Reply::Done("NOTICE".into())
            }
            "begin" => {
                self.status = TransactionStatus::InTransaction;
                Reply::Done("BEGIN".into())
            }
            "commit" | "rollback" => {
                self.status = TransactionStatus::Idle;
                Reply::Done(word.to_uppercase())
            }
            "fail" => {
                let at = text.chars().position(|c| c == 'é').map_or(16, |i| i + 1);
                return Err(Error::new(code::UNDEFINED_TABLE, "it failed").at(at).detail("detailed").hint("hinted"));
            }
            "hang" => {
                self.cancel.notified().await;
                return Err(Error::new(code::QUERY_CANCELED, "cancelled by the session"));
            }
            "cancel" => {
                (self.reach.lock().as_ref().unwrap().cancel)();
                Reply::Done("CANCEL".into())
            }
            "listen" => {
                self.host.hub.listen(self.process_id, rest, &self.mailbox);
                Reply::Done("LISTEN".into())
            }
            "panic" => panic!("as asked"),
            "copyin" => Reply::CopyIn(Vec::new()),
            "COPY" if rest.contains("FROM STDIN") => Reply::CopyIn(Vec::new()),
            "copyout" | "COPY" => {
                let chunks = futures::stream::iter([Ok(vec![Bytes::from_static(b"a\n"), Bytes::from_static(b"b\n")])]).boxed();
                Reply::CopyOut(CopyOut { columns: 1, binary: false, chunks, rows: Arc::new(AtomicU64::new(2)) })
            }
            other => return Err(Error::syntax(format!("syntax error at or near \"{other}\"")).at(1)),
        })
    }
}

impl Backend for Fake {
    type Prepared = FakeStatement;
    type CopyIn = Vec<u8>;

    fn parameters(prepared: &FakeStatement) -> &[PgType] {
        &prepared.parameters
    }
    fn columns(prepared: &FakeStatement) -> Option<&[Column]> {
        prepared.columns.as_deref()
    }
    fn copy_shape(_: &Vec<u8>) -> (usize, bool) {
        (1, false)
    }
    async fn copy_push(copy: &mut Vec<u8>, data: Bytes) -> Result<()> {
        if data.starts_with(b"bad") {
            return Err(Error::new(code::BAD_COPY_FILE_FORMAT, "bad row").context("COPY t, line 1"));
        }
        copy.extend_from_slice(&data);
        Ok(())
    }
    fn status(&self) -> TransactionStatus {
        self.status
    }
    fn split(&self, sql: &str) -> Result<Vec<std::ops::Range<usize>>> {
        let mut start = 0;
        let pieces = sql.split_inclusive(';').map(|piece| {
            start += piece.len();
            start - piece.len()..start
        });
        Ok(pieces.filter(|r| !sql[r.clone()].trim().is_empty()).collect())
    }
    async fn prepare(&mut self, sql: &str, types: &[Option<PgType>]) -> Result<Arc<FakeStatement>> {
        self.host.prepared.fetch_add(1, Ordering::SeqCst);
        if sql.starts_with("fail") {
            return Err(Error::new(code::UNDEFINED_TABLE, "it failed"));
        }
        let n = if sql.contains("$1") { 1 } else { 0 };
        let parameters = (0..n).map(|i| types.get(i).cloned().flatten().unwrap_or(PgType::Int4)).collect();
        Ok(Arc::new(FakeStatement { text: sql.to_string(), parameters, columns: columns_of(sql) }))
    }
    async fn execute(&mut self, statement: &Arc<FakeStatement>, parameters: Parameters) -> Result<Reply<Vec<u8>>> {
        self.answer(&statement.text, parameters).await
    }
    async fn query(&mut self, sql: &str) -> Result<Reply<Vec<u8>>> {
        self.answer(sql, Parameters::default()).await
    }
    async fn finish_copy(&mut self, copy: Vec<u8>) -> Result<String> {
        Ok(format!("COPY {}", copy.len()))
    }
    fn begin_implicit(&mut self) {}
    async fn end_implicit(&mut self, failed: bool) -> Result<()> {
        self.host.implicit.fetch_add(if failed { 100 } else { 1 }, Ordering::SeqCst);
        Ok(())
    }
    fn fail(&mut self) {
        if self.status == TransactionStatus::InTransaction {
            self.status = TransactionStatus::Failed;
        }
    }
    fn take_notices(&mut self) -> Vec<(&'static str, Error)> {
        std::mem::take(&mut self.notices)
    }
    fn take_reports(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.reports)
    }
    fn canceller(&self) -> Arc<dyn Fn() + Send + Sync> {
        let cancel = self.cancel.clone();
        Arc::new(move || cancel.notify_one())
    }
    fn reached_by(&self, reach: Reach) {
        *self.reach.lock() = Some(reach);
    }
    fn process_id(&self) -> i32 {
        self.process_id
    }
    fn statement(&self, name: &str) -> Option<Arc<FakeStatement>> {
        self.statements.get(name).cloned()
    }
    fn keep_statement(&mut self, name: &str, prepared: Arc<FakeStatement>) -> Result<()> {
        self.statements.insert(name.to_string(), prepared);
        Ok(())
    }
    fn forget_statement(&mut self, name: &str) {
        self.statements.remove(name);
    }
    fn mailbox(&self) -> Option<Arc<Mailbox>> {
        Some(self.mailbox.clone())
    }
    fn timeout(&self, what: Timeout) -> Option<Duration> {
        self.host.timeout.filter(|(of, _)| *of == what).map(|(_, time)| time)
    }
}
