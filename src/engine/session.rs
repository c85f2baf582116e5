//! One client's session.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use datafusion::catalog::TableProvider;
use datafusion::execution::{FunctionRegistry, SendableRecordBatchStream, SessionState};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{Notify, Semaphore};

use super::acts::Acts;
use super::constraints::Moved;
use super::context;
use super::copy::{CopyIn, CopyOut};
use super::cursor::Cursor;
use super::database::Engine;
use super::dml::{ChangePlan, InsertPlan, Known};
use super::lookup::Lookup;
use super::numbers::bearing;
use super::plan_cache::PlanCache;
use super::plpgsql::Routines;
use super::privileges::{Authority, Identity};
use super::progress::Teller;
use super::query::Planned;
use super::set::Zoned;
use super::settings::{Settings, from_options};
use super::shape::Shape;
use super::signal::Reach;
use super::temporary::Temporary;
use super::transaction::Transaction;
use super::triggers::Fired;
use crate::catalog::{Path, RelationId, RoleId};
use crate::data::{Enums, PgType, Position};
use crate::error::{Error, Result, code};
use crate::plan::names::ContextSource;
use crate::plan::origin::Origin;
use crate::serve::system::functions::SessionActs;
use crate::serve::system::{self, Ends, SessionStatus, SystemContext};
use crate::sql::{self, Move, Statement};

/// What ReadyForQuery reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    Idle,
    InTransaction,
    Failed,
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    pub ty: PgType,
    /// To how many decimals of a second its times are rounded, where it shows a column of that precision.
    pub precision: Option<u8>,
    /// The column of a relation that it shows, if it is nothing but that.
    pub origin: Option<Origin>,
}

impl Column {
    /// A column that shows no relation's.
    pub fn new(name: impl Into<String>, ty: PgType) -> Column {
        Column { name: name.into(), ty, precision: None, origin: None }
    }

    /// The type modifier that RowDescription has of it; -1 for none.
    pub fn typmod(&self) -> i32 {
        self.precision.map_or_else(|| self.ty.typmod(), i32::from)
    }
}

/// A statement that was parsed and, as far as it can be without parameters, planned.
pub struct Prepared {
    /// Types of $1, $2, ...
    pub parameters: Vec<PgType>,
    /// The columns of its result; `None` if it returns no rows.
    pub columns: Option<Vec<Column>>,
    /// The statement's text.
    pub text: String,
    /// The path along which its names were looked up.
    pub(super) path: Path,
    /// The enumerations that there were: its types have the labels of those.
    pub(super) enums: Enums,
    pub(super) statement: Statement,
    pub(super) way: Way,
}

/// How a prepared statement is run.
pub(super) enum Way {
    /// A look-up by key, past the planner.
    Lookup(Lookup),
    /// A planned query.
    Query(Arc<Planned>),
    /// A planned UPDATE or DELETE.
    Change(Arc<ChangePlan>),
    /// An INSERT with what is planned of it.
    Insert(Arc<InsertPlan>),
    /// Everything else: by [`super::execute`].
    Statement,
}

/// Parameter values as they came over the wire: `binary` is empty (all text), one for all, or one each.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    pub binary: Vec<bool>,
    pub values: Vec<Option<Bytes>>,
    /// The portal that they are bound to, which errors name; `None` for values that stand in the text of a statement.
    pub portal: Option<String>,
    /// That text, where the statement was prepared with parameters in their places.
    pub text: Option<Arc<str>>,
}

impl Parameters {
    /// True if parameter `i` (0-based) is in binary form.
    pub fn is_binary(&self, i: usize) -> bool {
        match self.binary.as_slice() {
            [] => false,
            [all] => *all,
            each => each.get(i).copied().unwrap_or(false),
        }
    }

    /// What an error says of parameter `i` (0-based), of a portal.
    pub(super) fn place(&self, i: usize) -> Option<String> {
        let portal = match self.portal.as_deref()? {
            "" => "unnamed portal".to_string(),
            name => format!("portal \"{name}\""),
        };
        let value = if self.is_binary(i) { "" } else { " = '...'" };
        Some(format!("{portal} parameter ${}{value}", i + 1))
    }
}

/// What a statement answers.
pub enum Response {
    /// Rows; the tag is `word n` with the number of rows sent.
    Rows {
        word: String,
        columns: Vec<Column>,
        stream: SendableRecordBatchStream,
    },
    /// Few rows that are there already; the tag as above.
    Batch {
        word: String,
        columns: Arc<[Column]>,
        batch: RecordBatch,
    },
    /// No rows; the whole command tag.
    Done(String),
    /// An empty query string.
    Empty,
    CopyIn(Box<CopyIn>),
    CopyOut(CopyOut),
    /// It is about portals that the client made, which its connection keeps.
    OnPortals(OnPortals),
}

/// FETCH, MOVE and CLOSE of names that no DECLARE made: to PostgreSQL a portal of the protocol is a cursor as any other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnPortals {
    Go {
        name: String,
        to: Move,
        /// MOVE: the rows are not sent.
        skip: bool,
    },
    Close(String),
    CloseAll,
}

/// One client's state: settings, transaction, notices.
pub struct Session {
    pub(super) engine: Arc<Engine>,
    pub(super) process: i32,
    pub(super) settings: Settings,
    pub(super) transaction: Option<Transaction>,
    /// When the transaction began, or the statement that is one by itself; microseconds since 1970.
    pub(super) began_us: i64,
    /// The counters of the sequences of temporary tables, those that are no more among them.
    pub(super) temporary_counters: Vec<RelationId>,
    /// The rows of the answer at hand are to be sent in binary form.
    pub(super) binary: bool,
    pub(super) notices: Vec<(&'static str, Error)>,
    /// What its functions reach.
    pub(super) acts: Arc<Acts>,
    /// Tells the client how far a long statement is.
    pub(super) teller: Arc<Teller>,
    pub(super) cursors: HashMap<String, Cursor>,
    pub(super) plans: PlanCache,
    /// See [`Session::state`]: a session that plans nothing does without.
    state: OnceLock<Arc<SessionState>>,
    /// The same in the session's time zone, while that is not UTC.
    pub(super) zoned: Option<Zoned>,
    pub(super) context: Arc<context::Source>,
    /// Who it is.
    pub(super) identity: Identity,
    /// What that may do.
    pub(super) authority: Authority,
    /// Who called, while a function runs with its owner's rights.
    pub(super) caller: Option<RoleId>,
    pub(super) cancel: Arc<Cancel>,
    /// Temporary tables, as they are outside of a transaction.
    pub(super) temporary: Temporary,
    /// What the data-modifying CTEs of the statement at hand have answered, by their names.
    pub(super) results: Vec<(String, Arc<dyn TableProvider>)>,
    /// What the statement at hand changes is checked when it is done: it was begun so.
    pub(super) checks: bool,
    /// Each row that the statement at hand puts is one that it gives: errors may tell of it.
    pub(super) gives_rows: bool,
    /// What AFTER triggers are to run for when the statement at hand is done.
    pub(super) fired: Vec<Fired>,
    /// What the changes in WITH write when the statement that they stand in is done.
    pub(super) unwritten: Vec<(crate::log::LogId, RecordBatch)>,
    /// What the statement has made of rows that those of others follow, until it is checked.
    pub(super) moved: Vec<Moved>,
    /// A table is being defined otherwise by its owner, who reads all of it though policies be forced.
    pub(super) reads_whole: bool,
    /// How many statements that are made of others are under way, each within the one before.
    pub(super) inside: usize,
    /// How many calls of functions with bodies are under way, each within the one before.
    pub(super) calls: usize,
    /// The body that runs next may end the transaction: that of DO or CALL, where no client has begun it and nothing around needs it.
    pub(super) may_end: bool,
    /// Why the statement at hand is not ksqlDB's, if it may be meant to be: told if it is not PostgreSQL's either.
    pub(super) doubt: parking_lot::Mutex<Option<Error>>,
    /// Statements of the message at hand whose turn is yet to come, by their texts.
    pub(super) ahead: parking_lot::Mutex<HashMap<String, Statement>>,
    /// What definitions of tables say, as it is computed.
    pub(super) known: parking_lot::Mutex<Known>,
    /// Routines of the catalog as they were read, good for the records beside them.
    pub(super) routines: parking_lot::Mutex<Routines>,
    /// What was set in ksqlDB's dialect.
    pub(super) ksql: super::ksql::KsqlSession,
    /// One place: for the plan under way, or one given up that still runs.
    pub(super) planning: Arc<Semaphore>,
}

/// A request to stop, from another task.
#[derive(Default)]
pub struct Cancel {
    asked: AtomicBool,
    /// Set while a commit is under way, whose outcome must be told and not guessed.
    committing: AtomicBool,
    notify: Notify,
}

impl Cancel {
    /// Asks the running statement to stop.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::SeqCst);
        self.notify.notify_waiters();
    }

    /// Answers when it is asked to stop.
    pub async fn asked(&self) {
        loop {
            let notified = self.notify.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if self.asked.load(Ordering::SeqCst) && !self.committing.load(Ordering::SeqCst) {
                return;
            }
            notified.await;
        }
    }

    /// Runs a commit to its end, whoever asks to stop meanwhile.
    pub(super) async fn shield<T>(&self, commit: impl Future<Output = T>) -> T {
        self.committing.store(true, Ordering::SeqCst);
        let done = commit.await;
        self.committing.store(false, Ordering::SeqCst);
        // Who was asked to stop meanwhile is told again: a body that commits in a loop would never hear of it.
        if self.asked.load(Ordering::SeqCst) {
            self.notify.notify_waiters();
        }
        done
    }
}

impl Session {
    pub(super) fn new(
        engine: Arc<Engine>,
        process: i32,
        identity: Identity,
        database: &str,
        settings: &[(String, String)],
    ) -> Result<Session> {
        let authority = Authority::of(engine.catalog().roles(), identity.current);
        let user = identity.name(&authority.roles, identity.login);
        let own = Settings::default();
        let acts = Acts::new(&engine, process, &identity, own.clone());
        let teller = Teller::new(&engine, process, &own);
        let context = Arc::new(context::Source::new(&engine, &identity, database, &own, &acts, process));
        let mut session = Session {
            process,
            settings: own,
            transaction: None,
            began_us: engine.clock.now_us(),
            temporary_counters: vec![],
            binary: false,
            notices: Vec::new(),
            acts,
            teller,
            cursors: HashMap::new(),
            plans: PlanCache::default(),
            state: OnceLock::new(),
            zoned: None,
            context,
            identity,
            authority,
            cancel: Arc::default(),
            temporary: Temporary::default(),
            results: vec![],
            checks: false,
            gives_rows: false,
            fired: vec![],
            unwritten: vec![],
            moved: vec![],
            reads_whole: false,
            inside: 0,
            calls: 0,
            may_end: false,
            doubt: Default::default(),
            ahead: Default::default(),
            caller: None,
            known: Default::default(),
            routines: Default::default(),
            ksql: Default::default(),
            planning: Arc::new(Semaphore::new(1)),
            engine,
        };
        session.show_identity();
        session.start_with_settings_of_role();
        session.start_with(settings)?;
        let status = SessionStatus {
            process_id: process,
            user,
            role: session.identity.login,
            current_role: session.identity.current,
            database: database.to_string(),
            application: session.settings.get("application_name")?,
            state: "idle".into(),
            query: String::new(),
            started_us: session.engine.clock.now_us(),
            ends: None,
        };
        session.engine.sessions.lock().insert(process, status);
        Ok(session)
    }

    /// DataFusion with the session's own functions, made when it is first asked for: it holds every function's name, which a session
    /// that is idle, or looks rows up by their keys, need not.
    pub(super) fn state(&self) -> &Arc<SessionState> {
        self.state.get_or_init(|| {
            let mut state = self.engine.template.clone();
            let system = system::functions::functions(self.context.as_function());
            let acts = system::functions::acts(&(self.acts.clone() as Arc<dyn SessionActs>));
            let number = self.engine.numbers.function(Arc::downgrade(&self.acts));
            let sequences = super::sequence::functions(&self.engine, &self.context);
            for function in system.into_iter().chain(acts).chain(sequences).chain([number]) {
                // It fails for no function: one that is there is replaced.
                let _ = state.register_udf(Arc::new(function));
            }
            Arc::new(state)
        })
    }

    /// The settings of the startup message; those of its command-line options come first.
    fn start_with(&mut self, settings: &[(String, String)]) -> Result<()> {
        let options =
            settings.iter().filter(|(name, _)| name == "options").map(|(_, text)| from_options(text)).collect::<Result<Vec<_>>>()?;
        let own = settings.iter().filter(|(name, _)| !["user", "database", "options", "replication"].contains(&name.as_str()));
        let own = own.filter(|(name, _)| !name.starts_with("_pq_")).cloned();
        for (name, value) in options.into_iter().flatten().chain(own) {
            self.settings.start_with(&name, &value)?;
        }
        self.settle_zone();
        // They are all told at the start; see [`Session::take_reports`].
        self.settings.report_all();
        Ok(())
    }

    /// What ReadyForQuery reports.
    pub fn status(&self) -> TransactionStatus {
        match &self.transaction {
            Some(t) if t.failed => TransactionStatus::Failed,
            Some(t) if t.explicit => TransactionStatus::InTransaction,
            _ => TransactionStatus::Idle,
        }
    }

    /// Splits a simple-query message into its statements: byte range of each in `sql`. Errors: 42601.
    pub fn split(&self, text: &str) -> Result<Vec<std::ops::Range<usize>>> {
        // Names in backticks are ksqlDB's only, and no token of PostgreSQL's.
        sql::split(text).or_else(|e| sql::ksql::split(text).map_err(|_| e))
    }

    /// Parses a statement of a message before the first one of that runs, so that none runs where another cannot be read. False for one of
    /// ksqlDB's: what it, and what stands behind it, is read as depends on what runs before. Errors: 42601.
    pub async fn parse_ahead(&mut self, text: &str) -> Result<bool> {
        // What has a plan has been parsed.
        if self.cached(text).is_some() || Shape::of(text).is_some_and(|shape| self.cached(&shape.key()).is_some()) {
            return Ok(true);
        }
        let cancel = self.cancel.clone();
        cancel.asked.store(false, Ordering::SeqCst);
        stoppable(&cancel, self.parsed_ahead(text).boxed()).await
    }

    /// Parses and plans one statement. `types[i]` is the declared type of $i+1, if any.
    pub async fn prepare(&mut self, text: &str, types: &[Option<PgType>]) -> Result<Arc<Prepared>> {
        let cancel = self.cancel.clone();
        self.begin_statement(text);
        let prepared = stoppable(&cancel, self.plan_statement(text, types).boxed()).await?;
        Ok(Arc::new(prepared))
    }

    /// Runs a prepared statement.
    pub async fn execute(&mut self, prepared: &Arc<Prepared>, parameters: Parameters) -> Result<Response> {
        if parameters.values.len() != prepared.parameters.len() {
            let message = format!(
                "bind message supplies {} parameters, but prepared statement requires {}",
                parameters.values.len(),
                prepared.parameters.len()
            );
            return Err(Error::new(code::PROTOCOL_VIOLATION, message));
        }
        // A look-up does not begin as other statements do, but what the one before asked for holds for it too.
        self.binary = false;
        self.adopt_settings(true);
        self.refresh();
        if let Way::Lookup(lookup) = &prepared.way
            && !self.has_own()
            && self.status() != TransactionStatus::Failed
            && self.path() == prepared.path
            && self.may_use(lookup)
            && self.may_look_up(lookup)
            && let Some(response) = lookup.try_now(&self.engine, prepared, &parameters)
        {
            return response;
        }
        let cancel = self.cancel.clone();
        self.begin_statement(parameters.text.as_deref().unwrap_or(&prepared.text));
        stoppable(&cancel, self.run(prepared, parameters).boxed()).await
    }

    /// Runs one statement given as text, without parameters (simple protocol). A look-up or change that differs from an earlier one in
    /// its values only is run as that one with parameters.
    pub async fn query(&mut self, text: &str) -> Result<Response> {
        if let Some(shape) = Shape::of(text)
            && let Some((prepared, parameters)) = self.of_shape(shape, text).await?
        {
            return self.execute(&prepared, parameters).await;
        }
        let cancel = self.cancel.clone();
        let prepared = match self.cached(text) {
            Some(prepared) => prepared,
            None => {
                self.begin_statement(text);
                stoppable(&cancel, self.plan_cached(text).boxed()).await?
            }
        };
        // PREPARE names its parameters for later; everything else of the simple protocol has none.
        if !prepared.parameters.is_empty() {
            return Err(sql::located(text, Error::new(code::UNDEFINED_PARAMETER, "there is no parameter $1")));
        }
        self.execute(&prepared, Parameters::default()).await
    }

    /// The look-up by key that a query is, if it is one and the transaction has nothing of its own to show.
    pub(super) fn lookup(&self, query: &sqlparser::ast::Query, types: &[Option<PgType>]) -> Option<Lookup> {
        let found = Lookup::recognise(&self.engine, &self.scope(), query, types)?;
        let sees = !self.has_own() || self.sees_through(found.relation());
        Some(found).filter(|found| sees && self.may_use(found))
    }

    /// Several statements of one simple-query message form one implicit transaction, as in PostgreSQL: opens it (no effect inside BEGIN).
    pub fn begin_implicit(&mut self) {
        if self.transaction.is_none() {
            self.transaction = Some(self.begun());
        }
    }

    /// Commits the implicit transaction, or rolls it back if `failed`; no effect inside BEGIN.
    pub async fn end_implicit(&mut self, failed: bool) -> Result<()> {
        self.ahead.lock().clear();
        match &self.transaction {
            Some(t) if !t.explicit && (failed || t.failed) => self.rollback().boxed().await,
            Some(t) if !t.explicit => self.commit().boxed().await,
            _ => Ok(()),
        }
    }

    /// Notes that a statement failed: inside BEGIN the transaction is failed from now on.
    pub fn fail(&mut self) {
        self.adopt_settings(false);
        // A statement that was stopped half way has left the count as it was.
        self.inside = 0;
        match &mut self.transaction {
            // A statement that was stopped did not end it.
            Some(transaction) if transaction.alone => {
                let settings = std::mem::take(&mut transaction.settings);
                self.transaction = None;
                // What could be set before can be set again: what the settings of a function that did not end were.
                drop(self.restore_settings(settings, false));
                self.retain_cursors(false);
                self.show_catalog();
                self.acts.rolled_back();
            }
            Some(transaction) => match transaction.fail() {
                Some(told) => self.acts.forget_since(told),
                None => self.acts.rolled_back(),
            },
            None => self.acts.rolled_back(),
        }
        self.idle();
    }

    /// Notices raised since the last call, to be sent as NoticeResponse.
    pub fn take_notices(&mut self) -> Vec<(&'static str, Error)> {
        let raised = self.acts.take_warnings().into_iter().map(|e| ("WARNING", e));
        let mut notices: Vec<_> = std::mem::take(&mut self.notices).into_iter().chain(raised).collect();
        notices.retain(|(severity, _)| self.settings.tells(severity));
        notices
    }

    /// Parameters that changed since the last call (all of them at the start).
    pub fn take_reports(&mut self) -> Vec<(String, String)> {
        self.settings.take_reports()
    }

    /// Cancels what the session is doing (from another task); the running call answers 57014.
    pub fn canceller(&self) -> Arc<dyn Fn() + Send + Sync> {
        let cancel = self.cancel.clone();
        Arc::new(move || cancel.ask())
    }

    /// Sets how other sessions reach this one's connection.
    pub fn reached_by(&self, reach: Reach) {
        self.engine.reaches.lock().insert(self.process, Arc::new(reach));
    }

    /// The session's settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What the session shares with functions, and keeps for its connection.
    pub fn acts(&self) -> &Arc<Acts> {
        &self.acts
    }

    /// What tells the client how far a long statement is.
    pub fn teller(&self) -> &Arc<Teller> {
        &self.teller
    }

    /// True if the rows of the answer at hand are to be sent in binary form, as those of a BINARY cursor.
    pub fn answers_binary(&self) -> bool {
        self.binary
    }

    /// The number of the session.
    pub fn process_id(&self) -> i32 {
        self.process
    }

    /// Says where the client is, if it came over the network.
    pub fn came_from(&self, client: SocketAddr, server: SocketAddr) {
        if let Some(status) = self.engine.sessions.lock().get_mut(&self.process) {
            status.ends = Some(Ends { client, server });
        }
    }

    /// The client has its answer, and no statement runs: outside a transaction, what the last one left pending takes effect.
    pub fn idle(&mut self) {
        self.cancel.asked.store(false, Ordering::SeqCst);
        self.leave_owner();
        self.acts.next_statement();
        self.adopt_settings(true);
        if self.transaction.is_none() {
            self.acts.statement_ended();
        }
        if let Some(status) = self.engine.sessions.lock().get_mut(&self.process) {
            let state = match self.transaction.as_ref().filter(|t| t.explicit) {
                Some(t) if t.failed => "idle in transaction (aborted)",
                Some(_) => "idle in transaction",
                None => "idle",
            };
            status.state = state.into();
        }
    }

    /// The time that `now()` tells: when the transaction began.
    pub(super) fn transaction_time(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.began_us).unwrap_or_default()
    }

    /// Has now() tell this time from here on.
    pub(super) fn begin_at(&mut self, us: i64) {
        self.began_us = us;
        self.settings.set_now(us);
    }

    pub(super) fn begin_statement(&mut self, text: &str) {
        if self.transaction.is_none() {
            self.begin_at(self.engine.clock.now_us());
        }
        self.cancel.asked.store(false, Ordering::SeqCst);
        self.acts.next_statement();
        self.adopt_settings(true);
        self.binary = false;
        self.context.forget();
        if !self.transaction.as_ref().is_some_and(|t| t.pinned.initialized()) {
            self.context.see();
        }
        self.results.clear();
        (self.inside, self.calls, self.may_end) = (0, 0, false);
        // One that was stopped half way may have left it.
        self.reads_whole = false;
        self.fired.clear();
        self.moved.clear();
        self.teller.awaits([]);
        if !self.temporary_tables().is_empty() {
            self.show_catalog();
        }
        if let Some(status) = self.engine.sessions.lock().get_mut(&self.process) {
            status.state = "active".into();
            status.query.clear();
            let text = sql::redacted(text);
            status.query.push_str(text.get(..1024).unwrap_or(&text));
        }
    }

    /// How system relations reach what they show.
    pub(super) fn context_source(&self) -> ContextSource {
        let context = self.context.clone();
        Arc::new(move || -> Arc<SystemContext> { context.get() })
    }

    pub(super) fn notice(&mut self, severity: &'static str, error: Error) {
        self.notices.push((severity, error));
    }

    /// Appends batches: at once outside a transaction, else at its end. Answers the position of the first event, if known.
    pub(super) async fn append(&mut self, batches: Vec<(crate::log::LogId, RecordBatch)>) -> Result<Option<Position>> {
        if let Some(transaction) = &mut self.transaction {
            for (log, batch) in batches {
                transaction.push(log, batch)?;
            }
            return Ok(None);
        }
        if batches.iter().any(|(log, _)| self.is_temporary(*log)) {
            let mut transaction = self.open();
            batches.into_iter().try_for_each(|(log, batch)| transaction.push(log, batch))?;
            self.transaction = Some(transaction);
            return self.commit().await.map(|()| None);
        }
        let batches = match self.acts.transaction_number(false)? {
            Some(number) => bearing(batches, number)?,
            None => batches,
        };
        let sync = self.settings.synchronous_commit();
        let committed = self.cancel.shield(self.engine.log.append(crate::log::Append { batches, sync })).await?;
        Ok(Some(committed.first))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // First, since what their queries would take for the session after its end nobody would give back.
        self.cursors.clear();
        self.acts.ended();
        self.engine.sessions.lock().remove(&self.process);
        self.engine.reaches.lock().remove(&self.process);
        self.engine.forget_counters(std::mem::take(&mut self.temporary_counters));
        if let Some(transaction) = self.transaction.take()
            && !transaction.created.is_empty()
        {
            let engine = self.engine.clone();
            self.engine.query_runtime().spawn(async move { engine.drop_relations(&transaction.created).await });
        }
    }
}

/// The future, or 57014 if the session is asked to stop first. In a box: what may be planned and run is far larger than what a connection
/// that is idle should hold, or move for each message that asks for nothing of it.
pub(super) async fn stoppable<T>(cancel: &Cancel, work: BoxFuture<'_, Result<T>>) -> Result<T> {
    tokio::select! {
        biased;
        done = work => done,
        () = cancel.asked() => Err(Error::canceled()),
    }
}
