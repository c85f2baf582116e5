//! What the conversation needs of a session. [`Session`] is the one that serves; the tests bring a small one of their own.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;

use crate::data::PgType;
use crate::data::encode::Style;
use crate::engine::notify::Mailbox;
use crate::engine::progress::Teller;
use crate::engine::signal::Reach;
use crate::engine::{Candidate, Column, CopyIn, CopyOut, Engine, OnPortals, Parameters, Prepared, Response, Session, TransactionStatus};
use crate::error::{Error, Result};

/// How long a client may take for its startup (PostgreSQL's authentication_timeout).
pub(super) const STARTUP_TIME: Duration = Duration::from_secs(60);

/// Where sessions come from.
pub trait Host: Send + Sync + 'static {
    /// Its sessions.
    type Session: Backend;
    /// A new session; `settings` are the startup message's parameters. Errors: those a client is told before it is let in.
    fn session(self: &Arc<Self>, user: &str, database: &str, settings: &[(String, String)]) -> Result<Self::Session>;
    /// The same for one who had to show to be that user, and so is nobody else. Errors: also 28000 where there is no such role.
    fn shown_session(self: &Arc<Self>, user: &str, database: &str, settings: &[(String, String)]) -> Result<Self::Session> {
        self.session(user, database, settings)
    }
    /// A new session for somebody in this process, who is asked for nothing.
    fn owner_session(self: &Arc<Self>, user: &str, database: &str, settings: &[(String, String)]) -> Result<Self::Session> {
        self.session(user, database, settings)
    }
    /// What is known of a user who wants in.
    fn candidate(&self, _user: &str) -> Candidate {
        Candidate::default()
    }
    /// How long each step of a client's startup may take.
    fn startup_time(&self) -> Duration {
        STARTUP_TIME
    }
}

/// What a statement answers; [`Response`] with the session's own kind of COPY.
pub enum Reply<C> {
    /// Rows, and the tag without their number.
    Rows { word: String, columns: Vec<Column>, stream: SendableRecordBatchStream },
    /// No rows; the whole tag.
    Done(String),
    /// An empty query string.
    Empty,
    /// The client is to send rows.
    CopyIn(C),
    /// Rows in COPY's formats.
    CopyOut(CopyOut),
    /// Something is wanted of this connection's portals.
    OnPortals(OnPortals),
}

/// Who knows how far the statement at hand is.
pub trait Tidings: Send + Sync {
    /// How long to wait before asking, the first time and again; `None` if the client does not want to be told.
    fn interval(&self) -> Option<Duration>;
    /// What to tell the client as a NOTICE.
    fn news(&self) -> Option<Error>;
}

impl Tidings for Teller {
    fn interval(&self) -> Option<Duration> {
        Teller::interval(self)
    }
    fn news(&self) -> Option<Error> {
        self.tell()
    }
}

/// A session as the conversation drives it. Each function is documented at [`Session`], whose functions these are.
pub trait Backend: Send + 'static {
    /// A parsed and planned statement.
    type Prepared: Send + Sync + 'static;
    /// A COPY FROM STDIN under way.
    type CopyIn: Send + 'static;

    /// Types of $1, $2, ...
    fn parameters(prepared: &Self::Prepared) -> &[PgType];
    /// Columns of the result, `None` if it returns no rows.
    fn columns(prepared: &Self::Prepared) -> Option<&[Column]>;
    /// Number of columns, and whether the format is binary.
    fn copy_shape(copy: &Self::CopyIn) -> (usize, bool);
    /// Takes the payload of one CopyData message.
    fn copy_push(copy: &mut Self::CopyIn, data: Bytes) -> impl Future<Output = Result<()>> + Send;

    fn status(&self) -> TransactionStatus;
    fn split(&self, sql: &str) -> Result<Vec<std::ops::Range<usize>>>;
    /// Parses one of several statements before the first of them runs; false if those from here on are to be parsed in their turns.
    fn parse_ahead(&mut self, _sql: &str) -> impl Future<Output = Result<bool>> + Send {
        std::future::ready(Ok(false))
    }
    fn prepare(&mut self, sql: &str, types: &[Option<PgType>]) -> impl Future<Output = Result<Arc<Self::Prepared>>> + Send;
    /// Whether a statement can be bound to these values.
    fn check_parameters(&self, _prepared: &Self::Prepared, _parameters: &Parameters) -> Result<()> {
        Ok(())
    }
    fn execute(
        &mut self,
        statement: &Arc<Self::Prepared>,
        parameters: Parameters,
    ) -> impl Future<Output = Result<Reply<Self::CopyIn>>> + Send;
    fn query(&mut self, sql: &str) -> impl Future<Output = Result<Reply<Self::CopyIn>>> + Send;
    fn finish_copy(&mut self, copy: Self::CopyIn) -> impl Future<Output = Result<String>> + Send;
    fn begin_implicit(&mut self);
    fn end_implicit(&mut self, failed: bool) -> impl Future<Output = Result<()>> + Send;
    fn fail(&mut self);
    fn take_notices(&mut self) -> Vec<(&'static str, Error)>;
    fn take_reports(&mut self) -> Vec<(String, String)>;
    fn canceller(&self) -> Arc<dyn Fn() + Send + Sync>;
    fn process_id(&self) -> i32;
    /// The client's end of its connection, and ours, if it came over the network.
    fn came_from(&self, _client: SocketAddr, _server: SocketAddr) {}
    /// How other sessions reach this one's connection.
    fn reached_by(&self, _reach: Reach) {}
    /// The client has its answer, and no statement runs.
    fn idle(&mut self) {}
    /// How values are shown as text.
    fn style(&self) -> Style {
        Style::default()
    }
    /// True if the rows of the answer at hand are to be sent in binary form.
    fn answers_binary(&self) -> bool {
        false
    }
    /// The type of an object id.
    fn type_of_oid(&self, oid: u32) -> Option<PgType> {
        PgType::from_oid(oid)
    }
    /// The prepared statement of that name; the unnamed one is "".
    fn statement(&self, name: &str) -> Option<Arc<Self::Prepared>>;
    fn keep_statement(&mut self, name: &str, prepared: Arc<Self::Prepared>) -> Result<()>;
    fn forget_statement(&mut self, name: &str);
    /// Who is asked how far a statement is while it runs.
    fn tidings(&self) -> Option<Arc<dyn Tidings>> {
        None
    }
    /// Where notifications wait.
    fn mailbox(&self) -> Option<Arc<Mailbox>> {
        None
    }
    /// The columns of a cursor that DECLARE opened: to a client it is a portal as any other.
    fn cursor_columns(&self, _name: &str) -> Option<Vec<Column>> {
        None
    }
    /// How long the session may take; `None` is for ever.
    fn timeout(&self, _: Timeout) -> Option<Duration> {
        None
    }
}

/// What may take a limited time only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// One statement, rows included.
    Statement,
    Transaction,
    /// A pause of the client outside a transaction.
    Idle,
    /// A pause of the client inside a transaction.
    IdleInTransaction,
    /// While the client takes nothing of an answer.
    Stall,
}

impl Host for Engine {
    type Session = Session;
    fn session(self: &Arc<Self>, user: &str, database: &str, settings: &[(String, String)]) -> Result<Session> {
        Engine::session(self, user, database, settings)
    }
    fn shown_session(self: &Arc<Self>, user: &str, database: &str, settings: &[(String, String)]) -> Result<Session> {
        Engine::shown_session(self, user, database, settings)
    }
    fn owner_session(self: &Arc<Self>, user: &str, database: &str, settings: &[(String, String)]) -> Result<Session> {
        Engine::owner_session(self, user, database, settings)
    }
    fn candidate(&self, user: &str) -> Candidate {
        Engine::candidate(self, user)
    }
}

fn reply(response: Response) -> Reply<Box<CopyIn>> {
    match response {
        Response::Rows { word, columns, stream } => Reply::Rows { word, columns, stream },
        Response::Batch { word, columns, batch } => {
            let schema = batch.schema();
            let stream = futures::stream::iter([Ok(batch)]);
            Reply::Rows { word, columns: columns.to_vec(), stream: Box::pin(RecordBatchStreamAdapter::new(schema, stream)) }
        }
        Response::Done(tag) => Reply::Done(tag),
        Response::Empty => Reply::Empty,
        Response::CopyIn(copy) => Reply::CopyIn(copy),
        Response::CopyOut(copy) => Reply::CopyOut(copy),
        Response::OnPortals(what) => Reply::OnPortals(what),
    }
}

impl Backend for Session {
    type Prepared = Prepared;
    type CopyIn = Box<CopyIn>;

    fn parameters(prepared: &Prepared) -> &[PgType] {
        &prepared.parameters
    }
    fn columns(prepared: &Prepared) -> Option<&[Column]> {
        prepared.columns.as_deref()
    }
    fn copy_shape(copy: &Box<CopyIn>) -> (usize, bool) {
        (copy.columns, copy.binary)
    }
    async fn copy_push(copy: &mut Box<CopyIn>, data: Bytes) -> Result<()> {
        copy.push(data).await
    }
    fn status(&self) -> TransactionStatus {
        Session::status(self)
    }
    fn split(&self, sql: &str) -> Result<Vec<std::ops::Range<usize>>> {
        Session::split(self, sql)
    }
    async fn parse_ahead(&mut self, sql: &str) -> Result<bool> {
        Session::parse_ahead(self, sql).await
    }
    async fn prepare(&mut self, sql: &str, types: &[Option<PgType>]) -> Result<Arc<Prepared>> {
        Session::prepare(self, sql, types).await
    }
    async fn execute(&mut self, statement: &Arc<Prepared>, parameters: Parameters) -> Result<Reply<Box<CopyIn>>> {
        Session::execute(self, statement, parameters).await.map(reply)
    }
    async fn query(&mut self, sql: &str) -> Result<Reply<Box<CopyIn>>> {
        Session::query(self, sql).await.map(reply)
    }
    async fn finish_copy(&mut self, copy: Box<CopyIn>) -> Result<String> {
        Session::finish_copy(self, copy).await
    }
    fn check_parameters(&self, prepared: &Prepared, parameters: &Parameters) -> Result<()> {
        Session::check_parameters(self, prepared, parameters)
    }
    fn begin_implicit(&mut self) {
        Session::begin_implicit(self);
    }
    async fn end_implicit(&mut self, failed: bool) -> Result<()> {
        Session::end_implicit(self, failed).await
    }
    fn fail(&mut self) {
        Session::fail(self);
    }
    fn take_notices(&mut self) -> Vec<(&'static str, Error)> {
        Session::take_notices(self)
    }
    fn take_reports(&mut self) -> Vec<(String, String)> {
        Session::take_reports(self)
    }
    fn canceller(&self) -> Arc<dyn Fn() + Send + Sync> {
        Session::canceller(self)
    }
    fn process_id(&self) -> i32 {
        Session::process_id(self)
    }
    fn came_from(&self, client: SocketAddr, server: SocketAddr) {
        Session::came_from(self, client, server);
    }
    fn reached_by(&self, reach: Reach) {
        Session::reached_by(self, reach);
    }
    fn cursor_columns(&self, name: &str) -> Option<Vec<Column>> {
        Session::cursor_columns(self, name)
    }
    fn idle(&mut self) {
        Session::idle(self);
    }
    fn style(&self) -> Style {
        self.settings().style()
    }
    fn answers_binary(&self) -> bool {
        Session::answers_binary(self)
    }
    fn type_of_oid(&self, oid: u32) -> Option<PgType> {
        Session::type_of_oid(self, oid)
    }
    fn statement(&self, name: &str) -> Option<Arc<Prepared>> {
        self.acts().statement(name)
    }
    fn keep_statement(&mut self, name: &str, prepared: Arc<Prepared>) -> Result<()> {
        self.acts().keep_statement(name, prepared, false)
    }
    fn forget_statement(&mut self, name: &str) {
        self.acts().forget_statement(name);
    }
    fn tidings(&self) -> Option<Arc<dyn Tidings>> {
        Some(self.teller().clone())
    }
    fn mailbox(&self) -> Option<Arc<Mailbox>> {
        Some(self.acts().mailbox().clone())
    }
    fn timeout(&self, what: Timeout) -> Option<Duration> {
        self.settings().time(match what {
            Timeout::Statement => "statement_timeout",
            Timeout::Transaction => "transaction_timeout",
            Timeout::Stall => "client_stall_timeout",
            Timeout::Idle => "idle_session_timeout",
            Timeout::IdleInTransaction => "idle_in_transaction_session_timeout",
        })
    }
}
