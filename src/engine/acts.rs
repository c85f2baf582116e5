//! What the functions of a query do to the session that runs it, and what the session shares with them.
//!
//! A query runs on threads of its own, so what `pg_notify()`, `pg_advisory_lock()` and `set_config()` touch lives here, behind locks,
//! and the session looks at it between statements: [`Acts::committed`] and [`Acts::rolled_back`] at a transaction's end,
//! [`Acts::statement_ended`] when no statement runs any more. A function that waits for a lock blocks the thread it runs on; it is sent
//! away as soon as its statement is over, however it ends, and one that is called later still is refused ([`Caller::has_gone`]).

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::MutexGuard;

use super::advisory::{Request, UntilEnd};
use super::database::Engine;
use super::identity::{fixed, permitted};
use super::notify::Mailbox;
use super::numbers::Taken;
use super::privileges::Identity;
use super::session::Prepared;
use super::settings::Settings;
use crate::catalog::Sequence;
use crate::data::Position;
use crate::data::datetime::Zone;
use crate::error::{Error, Result, code};
use crate::func::random::Random;
use crate::limits;
use crate::serve::system::functions::{Caller, LockMode, SessionActs};
use crate::serve::system::{CursorStatus, LockKey, PreparedStatus};

/// One session's own things that functions reach.
pub struct Acts {
    engine: Weak<Engine>,
    process: i32,
    settings: Settings,
    mailbox: Arc<Mailbox>,
    pending: Mutex<Pending>,
    prepared: Mutex<BTreeMap<String, Kept>>,
    cursors: Mutex<Vec<CursorStatus>>,
    /// Warnings for the client.
    warnings: Mutex<Vec<Error>>,
    who: Mutex<Who>,
    random: Mutex<Random>,
    /// How many trigger functions run, each fired by what the one before does.
    triggers: AtomicI32,
    /// When the statement at hand came, in microseconds since 1970.
    statement_us: AtomicI64,
    transaction: Mutex<OwnTransaction>,
}

/// The transaction that is open, which may be that of a statement by itself.
#[derive(Default)]
struct OwnTransaction {
    /// True for one that gathers what it writes.
    open: bool,
    /// The number that it has taken.
    number: Option<Taken>,
}

/// Who the session is, and who set_config() has asked that it become, not yet known to it.
struct Who {
    identity: Identity,
    /// True while a function runs as its owner: it may not become anybody.
    fixed: bool,
    asked: Vec<AskedRole>,
}

/// `set_config('role' or 'session_authorization', ..)`: the session becomes that when the statement has ended.
pub(super) struct AskedRole {
    pub setting: &'static str,
    pub role: Option<String>,
    /// It lasts as long as the transaction.
    pub local: bool,
}

/// A prepared statement that is kept.
struct Kept {
    prepared: Arc<Prepared>,
    from_sql: bool,
    prepared_us: i64,
}

/// What takes effect when the transaction commits.
#[derive(Default)]
struct Pending {
    said: Vec<(String, String)>,
    /// What is in `said`: the same is told once.
    known: HashSet<(String, String)>,
    bytes: usize,
    /// True for LISTEN, false for UNLISTEN, of one channel or all.
    listening: Vec<(bool, Option<String>)>,
}

/// How much of it there was at a savepoint, and the locks that were held then.
pub(super) struct Told {
    said: usize,
    listening: usize,
    locks: UntilEnd,
}

impl std::fmt::Debug for Acts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "session {}", self.process)
    }
}

impl Acts {
    pub(super) fn new(engine: &Arc<Engine>, process: i32, identity: &Identity, settings: Settings) -> Arc<Acts> {
        Arc::new(Acts {
            engine: Arc::downgrade(engine),
            process,
            settings,
            mailbox: Arc::default(),
            pending: Mutex::default(),
            prepared: Mutex::default(),
            cursors: Mutex::default(),
            warnings: Mutex::default(),
            who: Mutex::new(Who { identity: identity.clone(), fixed: false, asked: vec![] }),
            random: Mutex::new(Random::of_bits(getrandom::u64().unwrap_or(process as u64))),
            triggers: AtomicI32::new(0),
            statement_us: AtomicI64::new(engine.clock.now_us()),
            transaction: Mutex::default(),
        })
    }

    /// Who the session is from now on. It is `fixed` while it acts for somebody else.
    pub(super) fn set_identity(&self, identity: &Identity, fixed: bool) {
        let mut who = self.who.lock();
        (who.identity, who.fixed) = (identity.clone(), fixed);
    }

    /// What was asked since the last call.
    pub(super) fn take_roles(&self) -> Vec<AskedRole> {
        std::mem::take(&mut self.who.lock().asked)
    }

    fn ask_role(&self, setting: &'static str, role: Option<&str>, local: bool) -> Result<String> {
        let engine = self.engine.upgrade().ok_or_else(|| Error::new(code::ADMIN_SHUTDOWN, "the server is shutting down"))?;
        let mut who = self.who.lock();
        permitted(&who.identity, engine.catalog().roles(), setting, role)?;
        if who.fixed {
            return Err(fixed(setting));
        }
        who.asked.push(AskedRole { setting, role: role.map(str::to_string), local });
        Ok(role.unwrap_or("none").to_string())
    }

    // The ends of statements and transactions ------------------------------------------------------------------------------------

    /// A statement begins, or none runs any more: whatever still runs for the one before gives up.
    pub(super) fn next_statement(&self) {
        if let Some(engine) = self.engine.upgrade() {
            engine.advisory.dismiss(self.process);
            self.statement_us.store(engine.clock.now_us(), Ordering::Relaxed);
        }
        self.triggers.store(0, Ordering::Relaxed);
    }

    /// A transaction has begun.
    pub(super) fn begun(&self) {
        self.transaction.lock().open = true;
    }

    /// The number of the transaction, which is taken if need be, but of a statement by itself. Errors: the log's.
    pub(super) fn block_number(&self) -> Result<Option<Position>> {
        let open = self.transaction.lock().open;
        if open { self.transaction_number(true) } else { Ok(None) }
    }

    /// A trigger function begins to run.
    pub(super) fn trigger_begins(&self) {
        self.triggers.fetch_add(1, Ordering::Relaxed);
    }

    /// A trigger function has ended.
    pub(super) fn trigger_ends(&self) {
        self.triggers.fetch_sub(1, Ordering::Relaxed);
    }

    /// No statement runs, and there is no transaction: what the last one left pending takes effect.
    pub(super) fn statement_ended(&self) {
        self.committed();
    }

    /// The right to commit, for a transaction that has something to tell: others who have wait.
    pub(super) async fn turn<'a>(&self, engine: &'a Engine) -> Option<MutexGuard<'a, ()>> {
        let tells = !self.pending.lock().said.is_empty();
        if tells { Some(engine.notify.order.lock().await) } else { None }
    }

    /// The transaction has committed: tells those who listen, listens itself, gives back its locks.
    pub(super) fn committed(&self) {
        *self.transaction.lock() = OwnTransaction::default();
        let Some(engine) = self.engine.upgrade() else { return };
        let pending = std::mem::take(&mut *self.pending.lock());
        for (listen, channel) in pending.listening {
            match (listen, &channel) {
                (true, Some(channel)) => engine.notify.listen(self.process, channel, &self.mailbox),
                _ => engine.notify.unlisten(self.process, channel.as_deref()),
            }
        }
        engine.notify.publish(self.process, &pending.said);
        engine.advisory.unlock_all(self.process, true);
    }

    /// What is pending, to be gone back to.
    pub(super) fn told(&self) -> Told {
        let locks = self.engine.upgrade().map(|engine| engine.advisory.until_end(self.process)).unwrap_or_default();
        let pending = self.pending.lock();
        Told { said: pending.said.len(), listening: pending.listening.len(), locks }
    }

    /// ROLLBACK TO: what was said since is forgotten, and the locks taken since until the end of the transaction are given back.
    pub(super) fn forget_since(&self, told: &Told) {
        if let Some(engine) = self.engine.upgrade() {
            engine.advisory.unlock_since(self.process, &told.locks);
        }
        let mut pending = self.pending.lock();
        pending.listening.truncate(told.listening);
        let keep = told.said.min(pending.said.len());
        for said in pending.said.split_off(keep) {
            pending.known.remove(&said);
        }
    }

    /// The transaction has rolled back: what it said is forgotten, its locks are given back.
    pub(super) fn rolled_back(&self) {
        *self.transaction.lock() = OwnTransaction::default();
        *self.pending.lock() = Pending::default();
        if let Some(engine) = self.engine.upgrade() {
            engine.advisory.unlock_all(self.process, true);
        }
    }

    /// The session is over.
    pub(super) fn ended(&self) {
        self.next_statement();
        self.rolled_back();
        if let Some(engine) = self.engine.upgrade() {
            engine.notify.unlisten(self.process, None);
            engine.advisory.unlock_all(self.process, false);
        }
    }

    pub(super) fn take_warnings(&self) -> Vec<Error> {
        std::mem::take(&mut self.warnings.lock())
    }

    // LISTEN ---------------------------------------------------------------------------------------------------------------------

    /// What waits for the session.
    pub fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    /// LISTEN, or with `None` UNLISTEN *, once the transaction has committed. Errors: 53400 for too many channels.
    pub(super) fn listen(&self, listen: bool, channel: Option<&str>) -> Result<()> {
        let count = self.listening().len() + self.pending.lock().listening.len();
        if listen && count >= limits::CHANNELS_MAX {
            return Err(Error::new(code::CONFIGURATION_LIMIT_EXCEEDED, "the session listens to too many channels")
                .hint(format!("A session listens to at most {}.", limits::CHANNELS_MAX)));
        }
        self.pending.lock().listening.push((listen, channel.map(str::to_string)));
        Ok(())
    }

    // Prepared statements and cursors ----------------------------------------------------------------------------------------------

    /// The prepared statement of that name; the unnamed one is "".
    pub fn statement(&self, name: &str) -> Option<Arc<Prepared>> {
        self.prepared.lock().get(name).map(|kept| kept.prepared.clone())
    }

    /// Keeps a prepared statement; an unnamed one takes the place of the last. Errors: 42P05, 53400.
    pub fn keep_statement(&self, name: &str, prepared: Arc<Prepared>, from_sql: bool) -> Result<()> {
        let mut all = self.prepared.lock();
        if !name.is_empty() && all.contains_key(name) {
            return Err(Error::new(code::DUPLICATE_PREPARED, format!("prepared statement \"{name}\" already exists")));
        }
        let bytes = prepared.text.len() + all.values().map(|kept| kept.prepared.text.len()).sum::<usize>();
        if !name.is_empty() && (all.len() >= limits::PREPARED_MAX || bytes > limits::PREPARED_BYTES_MAX) {
            let message = format!("too many prepared statements in one session (limit {})", limits::PREPARED_MAX);
            return Err(
                Error::new(code::CONFIGURATION_LIMIT_EXCEEDED, message).hint("DEALLOCATE, or close, those that are no longer used.")
            );
        }
        let prepared_us = self.engine.upgrade().map_or(0, |engine| engine.clock.now_us());
        all.insert(name.to_string(), Kept { prepared, from_sql, prepared_us });
        Ok(())
    }

    /// Forgets a prepared statement; false if there is none.
    pub fn forget_statement(&self, name: &str) -> bool {
        self.prepared.lock().remove(name).is_some()
    }

    /// Forgets all prepared statements.
    pub(super) fn forget_statements(&self) {
        self.prepared.lock().clear();
    }

    pub(super) fn list_cursors(&self, cursors: Vec<CursorStatus>) {
        *self.cursors.lock() = cursors;
    }

    // Waiting ----------------------------------------------------------------------------------------------------------------------

    async fn wait_for_lock(&self, engine: &Engine, request: &Request) -> Result<()> {
        let timeout = self.settings.time("lock_timeout");
        let mut ticket = engine.advisory.stand_in_line(request)?;
        let late = async {
            match timeout {
                Some(timeout) => tokio::time::sleep(timeout).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            granted = &mut ticket.granted => {
                // To a statement that has ended in this very moment: the session would not know that it holds it.
                if granted.is_ok() && request.caller.has_gone() {
                    engine.advisory.give_back(request);
                    return Err(Error::canceled());
                }
                return granted.map_err(|_| Error::canceled());
            }
            () = late => {}
        }
        // Granted in this very moment.
        if engine.advisory.leave(ticket) {
            engine.advisory.give_back(request);
        }
        Err(Error::new(code::LOCK_NOT_AVAILABLE, "canceling statement due to lock timeout"))
    }
}

impl Acts {
    fn warn(&self, warning: Error) {
        let mut warnings = self.warnings.lock();
        if warnings.len() < limits::NOTICES_MAX {
            warnings.push(warning);
        }
    }
}

impl SessionActs for Acts {
    fn trigger_depth(&self) -> i32 {
        self.triggers.load(Ordering::Relaxed)
    }

    fn notify(&self, channel: &str, payload: &str, caller: &Caller) -> Result<()> {
        let refuse = |message: &str| Err(Error::new(code::INVALID_PARAMETER_VALUE, message));
        if channel.is_empty() {
            return refuse("channel name cannot be empty");
        }
        if channel.len() > limits::IDENTIFIER_BYTES_MAX {
            return refuse("channel name too long");
        }
        if payload.len() >= limits::PAYLOAD_BYTES_MAX {
            return refuse("payload string too long");
        }
        let mut pending = self.pending.lock();
        if caller.has_gone() {
            return Err(Error::canceled());
        }
        let said = (channel.to_string(), payload.to_string());
        if pending.known.contains(&said) {
            return Ok(());
        }
        pending.bytes += channel.len() + payload.len();
        if pending.said.len() >= limits::NOTIFICATIONS_MAX || pending.bytes > limits::NOTIFICATION_BYTES_MAX {
            return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, "too many notifications in one transaction")
                .hint(format!("A transaction sends at most {} notifications.", limits::NOTIFICATIONS_MAX)));
        }
        pending.known.insert(said.clone());
        pending.said.push(said);
        Ok(())
    }

    fn transaction_number(&self, take: bool) -> Result<Option<Position>> {
        let mut transaction = self.transaction.lock();
        if transaction.number.is_none()
            && take
            && let Some(engine) = self.engine.upgrade()
        {
            transaction.number = Some(engine.numbers.take(&engine.log)?);
        }
        Ok(transaction.number.as_ref().map(|taken| taken.number))
    }

    fn statement_us(&self) -> i64 {
        self.statement_us.load(Ordering::Relaxed)
    }

    fn now_us(&self) -> i64 {
        self.engine.upgrade().map_or(0, |engine| engine.clock.now_us())
    }

    fn zone(&self) -> Zone {
        self.settings.zone()
    }

    fn random(&self) -> &Mutex<Random> {
        &self.random
    }

    fn last_of(&self, sequence: &Sequence) -> (i64, bool) {
        let engine = self.engine.upgrade();
        engine.map_or((sequence.first(), false), |engine| futures::executor::block_on(engine.last_number(sequence)))
    }

    fn listening(&self) -> Vec<String> {
        self.engine.upgrade().map(|engine| engine.notify.channels_of(self.process)).unwrap_or_default()
    }

    fn queue_usage(&self) -> f64 {
        self.engine.upgrade().map_or(0.0, |engine| engine.notify.usage())
    }

    fn lock(&self, key: LockKey, mode: LockMode, wait: bool, caller: &Caller) -> Result<bool> {
        let Some(engine) = self.engine.upgrade() else { return Ok(false) };
        let LockMode { shared, transaction } = mode;
        let request = Request { session: self.process, key, shared, transaction, caller: caller.clone() };
        if engine.advisory.take(&request)? {
            return Ok(true);
        }
        if wait {
            // The query's other threads go on; the runtime has one to spare for each session.
            tokio::task::block_in_place(|| Handle::current().block_on(self.wait_for_lock(&engine, &request)))?;
        }
        Ok(wait)
    }

    fn unlock(&self, key: LockKey, shared: bool) -> bool {
        let held = self.engine.upgrade().is_some_and(|engine| engine.advisory.unlock(self.process, key, shared));
        if !held {
            let mode = if shared { "ShareLock" } else { "ExclusiveLock" };
            self.warn(Error::new(code::WARNING, format!("you don't own a lock of type {mode}")));
        }
        held
    }

    fn unlock_all(&self) {
        if let Some(engine) = self.engine.upgrade() {
            engine.advisory.unlock_all(self.process, false);
        }
    }

    fn set_config(&self, name: &str, value: Option<&str>, local: bool) -> Result<String> {
        match ["role", "session_authorization"].into_iter().find(|setting| name.eq_ignore_ascii_case(setting)) {
            Some(setting) => self.ask_role(setting, value, local),
            None => self.settings.set_from_function(name, value, local),
        }
    }

    fn signal(&self, process: i32, end: bool) -> Result<bool> {
        let Some(engine) = self.engine.upgrade() else { return Ok(false) };
        let found = engine.signal(self.process, process, end)?;
        if !found {
            self.warn(Error::new(code::WARNING, format!("PID {process} is not a PostgreSQL backend process")));
        }
        Ok(found)
    }

    fn prepared(&self) -> Vec<PreparedStatus> {
        let all = self.prepared.lock();
        let named = all.iter().filter(|(name, _)| !name.is_empty());
        let status = |(name, kept): (&String, &Kept)| PreparedStatus {
            name: name.clone(),
            statement: kept.prepared.text.clone(),
            parameters: kept.prepared.parameters.clone(),
            from_sql: kept.from_sql,
            prepared_us: kept.prepared_us,
        };
        named.map(status).collect()
    }

    fn cursors(&self) -> Vec<CursorStatus> {
        self.cursors.lock().clone()
    }
}
