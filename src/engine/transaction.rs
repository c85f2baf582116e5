//! BEGIN, SAVEPOINT, COMMIT, ROLLBACK: what a session has done that nobody else sees yet.
//!
//! A transaction gathers batches of events and [`Definitions`], changes of the catalog with the nodes they need. COMMIT appends all of
//! them as one ([`Engine::commit`](super::database::Engine::commit)): the events, those of `_catalog` among them, get neighbouring positions,
//! and nobody sees a part of them. ROLLBACK forgets them. The session itself sees both at once: its catalog is the one with
//! its changes ([`Session::catalog`]), and its queries read what is committed with its own rows over it ([`super::own`]).
//!
//! A [`Savepoint`] is a copy of what was gathered when it was made: batches are shared, so that it costs O(batches).
//!
//! Whoever changes the catalog holds the lock on definitions until the transaction ends; so no two transactions build on catalogs that
//! do not know each other. Statements of ksqlDB's dialect take effect at once, and ROLLBACK drops what they have created.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, Int8Array, RecordBatch, new_null_array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Int8Type, Int64Type};
use tokio::sync::{OnceCell, OwnedMutexGuard};

use super::acts::Told;
use super::constraints::{Deferred, Deferring};
use super::events::DELETE;
use super::node::Node;
use super::numbers::bearing;
use super::own::Overlays;
use super::pinned::Pinned;
use super::plpgsql::Functions;
use super::session::{Response, Session};
use super::table_locks::TableLock;
use super::temporary::TemporaryTable;
use crate::catalog::{Catalog, Change, Relation, RelationId, Sequence};
use crate::data::{OP, ROW};
use crate::error::{Error, Result, code};
use crate::limits;
use crate::log::{Append, LogId};
use crate::serve::system::functions::SessionActs;
use crate::sql::Modes;

/// A setting as it was before the transaction changed it.
#[derive(Debug)]
pub struct OldSetting {
    pub name: String,
    /// `None` if it was not set.
    pub value: Option<String>,
    /// True for SET LOCAL: the old value comes back at COMMIT too.
    pub local: bool,
}

/// A change of the catalog that is not committed yet.
#[derive(Clone)]
pub struct Definition {
    pub change: Change,
    /// The nodes that it puts in place, those below first.
    pub nodes: Vec<Arc<Node>>,
}

/// The changes of the catalog that a transaction has made.
#[derive(Clone)]
pub struct Definitions {
    /// The catalog with all of them.
    pub catalog: Arc<Catalog>,
    pub changes: Vec<Definition>,
}

/// Where ROLLBACK TO goes back to.
struct Savepoint {
    name: String,
    batches: Vec<(LogId, RecordBatch)>,
    bytes: usize,
    settled: BTreeMap<LogId, usize>,
    deferred: Deferred,
    deferring: Deferring,
    definitions: Option<Definitions>,
    temporary: Vec<TemporaryTable>,
    sequences: Vec<Arc<Sequence>>,
    functions: Functions,
    /// Of the lists that only grow, their lengths then.
    created: usize,
    settings: usize,
    /// What NOTIFY and LISTEN had left, and the advisory locks.
    told: Told,
    cursors: HashSet<String>,
}

/// A transaction under way.
#[derive(Default)]
pub struct Transaction {
    /// True after BEGIN; false for the implicit one around several statements.
    pub explicit: bool,
    /// True for the one around a single statement: it ends with that, however that ends.
    pub alone: bool,
    /// True after a statement failed: only ROLLBACK helps.
    pub failed: bool,
    pub batches: Vec<(LogId, RecordBatch)>,
    bytes: usize,
    /// How many batches there were when it began: those of temporary tables.
    pub begun: usize,
    /// What it makes of the tables that it has touched.
    pub(super) overlays: Overlays,
    /// Tables without a key of whose rows some that it has inserted were changed, and how many batches there were when that last happened.
    settled: BTreeMap<LogId, usize>,
    pub definitions: Option<Definitions>,
    /// Temporary tables; their events are among the batches.
    pub temporary: Vec<TemporaryTable>,
    /// Their sequences.
    pub sequences: Vec<Arc<Sequence>>,
    /// Functions of the session.
    pub functions: Functions,
    /// Held from the first change of the catalog on.
    pub defining: Option<OwnedMutexGuard<()>>,
    /// Relations that statements of ksqlDB's dialect have created in it: they are there already.
    pub created: Vec<RelationId>,
    /// What SET has changed in it, oldest first.
    pub settings: Vec<OldSetting>,
    /// Locks of tables, held until it ends.
    pub locks: BTreeMap<RelationId, TableLock>,
    /// Rules that COMMIT checks.
    pub deferred: Deferred,
    /// What SET CONSTRAINTS has said.
    pub deferring: Deferring,
    /// Tables that it has created or truncated, and how many savepoints there were then.
    renewed: BTreeSet<(RelationId, usize)>,
    /// What all its queries read, once one has.
    pub pinned: OnceCell<Pinned>,
    savepoints: Vec<Savepoint>,
}

impl Transaction {
    /// As BEGIN makes it.
    pub fn explicit(self) -> Self {
        Transaction { explicit: true, ..self }
    }

    /// One that begins with these temporary tables and their events.
    pub fn over(temporary: Vec<TemporaryTable>, batches: Vec<(LogId, RecordBatch)>) -> Self {
        let bytes = batches.iter().map(|(_, batch)| batch.get_array_memory_size()).sum();
        Transaction { temporary, begun: batches.len(), batches, bytes, ..Transaction::default() }
    }

    /// True for the id of a temporary table.
    pub fn is_temporary(&self, id: RelationId) -> bool {
        self.temporary.iter().any(|t| t.relation.id == id)
    }

    /// Adds a batch of events. Errors: 54000 when the transaction grows past its limit.
    pub fn push(&mut self, log: LogId, batch: RecordBatch) -> Result<()> {
        let batch = self.settle(log, batch)?;
        self.bytes += batch.get_array_memory_size();
        if self.bytes > limits::TRANSACTION_BYTES_MAX {
            return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, "the transaction is too large")
                .detail(format!("A transaction holds at most {} bytes.", limits::TRANSACTION_BYTES_MAX))
                .hint("Commit more often."));
        }
        self.batches.push((log, batch));
        Ok(())
    }

    /// Changes of rows that the transaction itself has inserted into a table without a key. Such a row has no identity before it
    /// is committed; its events bear its number (-1 for the first) in place of one, see [`super::own`]. The row is taken
    /// out of what was gathered, and what it has become is inserted in its place. Answers what remains to be added, which may be nothing: it tells then that there
    /// was a change.
    fn settle(&mut self, log: LogId, batch: RecordBatch) -> Result<RecordBatch> {
        let Some(at) = batch.schema().index_of(ROW).ok() else { return Ok(batch) };
        let rows = batch.column(at).as_primitive::<Int64Type>();
        let own: HashSet<i64> = rows.iter().flatten().filter(|row| *row < 0).collect();
        if own.is_empty() {
            return Ok(batch);
        }
        self.overlays.clear();
        self.settled.insert(log, self.batches.len());
        let mut number = 0;
        for (_, gathered) in self.batches.iter_mut().filter(|(of, _)| *of == log) {
            let keep: BooleanArray = (0..gathered.num_rows())
                .map(|_| {
                    number -= 1;
                    Some(!own.contains(&number))
                })
                .collect();
            *gathered = filter_record_batch(gathered, &keep)?;
        }
        let ops = batch.column_by_name(OP).and_then(|ops| ops.as_primitive_opt::<Int8Type>().cloned());
        let ops: Int8Array = ops.ok_or_else(|| Error::internal("an event of a table says what it does"))?;
        let is_own = |i: usize| rows.is_valid(i) && rows.value(i) < 0;
        let pick = |f: &dyn Fn(usize) -> bool| filter_record_batch(&batch, &(0..batch.num_rows()).map(|i| Some(f(i))).collect());
        let others = pick(&|i| !is_own(i))?;
        let inserts = pick(&|i| is_own(i) && ops.value(i) != DELETE)?;
        let mut columns = inserts.columns().to_vec();
        columns[at] = new_null_array(&DataType::Int64, inserts.num_rows());
        let inserts = RecordBatch::try_new(batch.schema(), columns)?;
        Ok(arrow::compute::concat_batches(&batch.schema(), [&others, &inserts])?)
    }

    /// True if rows that it has inserted into a table without a key were changed since there were so many batches: what they were is not
    /// known any more.
    pub fn has_settled(&self, log: LogId, since: usize) -> bool {
        self.settled.get(&log).is_some_and(|at| *at >= since)
    }

    /// A statement has failed. Nothing becomes of what was done after the last savepoint, and others may have what was locked for it.
    /// Answers what was pending at that savepoint, if there is one.
    pub(super) fn fail(&mut self) -> Option<&Told> {
        self.failed = true;
        match self.savepoints.len() {
            0 => self.locks.clear(),
            n => self.unlock_since(n - 1),
        }
        self.savepoints.last().map(|savepoint| &savepoint.told)
    }

    /// Gives back the locks taken after more than so many savepoints.
    fn unlock_since(&self, savepoints: usize) {
        self.locks.values().for_each(|lock| lock.back_to(savepoints));
    }

    /// How many savepoints there are.
    pub fn savepoints(&self) -> usize {
        self.savepoints.len()
    }

    /// Takes back all that it has appended to a log.
    pub fn forget(&mut self, log: LogId) {
        let gone = |until: usize| self.batches[..until].iter().filter(|(of, _)| *of == log).count();
        self.begun -= gone(self.begun);
        self.settled.remove(&log);
        self.settled.values_mut().for_each(|at| *at -= gone(*at));
        self.batches.retain(|(of, _)| *of != log);
        self.overlays.clear();
    }

    /// The logs it has appended to.
    pub fn touched(&self) -> BTreeSet<LogId> {
        self.batches.iter().map(|(log, _)| *log).collect()
    }

    /// True if it has done anything that its own statements must see.
    pub fn has_own(&self) -> bool {
        !self.batches.is_empty() || self.definitions.is_some() || !self.temporary.is_empty()
    }

    /// Notes that a table is created or truncated.
    pub fn renew(&mut self, id: RelationId) {
        self.renewed.insert((id, self.savepoints.len()));
    }

    /// True if it has created or truncated the table since its last savepoint that is still there.
    pub fn has_renewed(&self, id: RelationId) -> bool {
        self.renewed.contains(&(id, self.savepoints.len()))
    }

    fn savepoint(&self, name: &str) -> Result<usize> {
        self.savepoints
            .iter()
            .rposition(|s| s.name == name)
            .ok_or_else(|| Error::new(code::INVALID_SAVEPOINT, format!("savepoint \"{name}\" does not exist")))
    }
}

impl Session {
    /// The catalog as the session sees it: with the changes of its transaction.
    pub(super) fn catalog(&self) -> Arc<Catalog> {
        self.with_temporary(self.shared_catalog())
    }

    /// The catalog without temporary tables, with the changes of the transaction.
    fn shared_catalog(&self) -> Arc<Catalog> {
        match self.transaction.as_ref().and_then(|t| t.definitions.as_ref()) {
            Some(definitions) => definitions.catalog.clone(),
            None => self.engine.catalog(),
        }
    }

    /// A transaction that begins now.
    pub(super) fn begun(&self) -> Transaction {
        self.acts.begun();
        self.open()
    }

    /// Opens a transaction for one statement where none is open.
    pub(super) fn begin_alone(&mut self) {
        if self.transaction.is_none() {
            self.transaction = Some(Transaction { alone: true, ..self.begun() });
        }
    }

    /// Ends the one that [`Session::begin_alone`] opened, with what the statement answered.
    pub(super) async fn end_alone(&mut self, done: Result<Response>) -> Result<Response> {
        if self.inside > 0 || !self.transaction.as_ref().is_some_and(|t| t.alone) {
            return done;
        }
        match done {
            Ok(response) => self.commit().await.map(|()| response),
            Err(e) => {
                self.rollback().await?;
                Err(e)
            }
        }
    }

    /// Holds the lock on definitions until the transaction ends. Answers the catalog to build on. Errors: 40P01 if another
    /// transaction does not let go of it.
    pub(super) async fn define(&mut self) -> Result<Arc<Catalog>> {
        let open = self.transaction.as_ref().ok_or_else(|| Error::internal("a definition needs a transaction"))?;
        if open.defining.is_none() {
            let lock = self.engine.definitions.clone();
            let held = self.in_time(lock.lock_owned(), "the catalog").await?;
            self.transaction.get_or_insert_default().defining = Some(held);
        }
        Ok(self.catalog())
    }

    /// Holds the locks on definitions for a change that takes effect at once. Errors: 0A000 where the transaction has changes of its own,
    /// on which this one cannot build; 40P01 as [`Session::define`].
    pub(super) async fn define_now(&self) -> Result<(OwnedMutexGuard<()>, OwnedMutexGuard<()>)> {
        if self.transaction.as_ref().is_some_and(|t| t.defining.is_some()) {
            return Err(Error::unsupported("this statement takes effect at once, and the transaction has changed the catalog")
                .hint("COMMIT first."));
        }
        let defining = self.in_time(self.engine.definitions.clone().lock_owned(), "the catalog").await?;
        Ok((defining, self.engine.ddl.clone().lock_owned().await))
    }

    /// Adds a change of the catalog to the transaction, with the nodes that it puts in place. The caller has called [`Session::define`].
    pub(super) fn stage(&mut self, change: Change, nodes: Vec<Arc<Node>>) -> Result<()> {
        if let Some(altered) = self.altered_temporary(&change).filter(|_| nodes.is_empty()) {
            return self.replace_temporary(altered.id, altered);
        }
        if self.changed_temporary_sequence(&change)? {
            return Ok(());
        }
        self.refuse_temporary(&change)?;
        let catalog = Arc::new(self.shared_catalog().apply(&change)?);
        let transaction = self.transaction.as_mut().ok_or_else(|| Error::internal("a definition needs a transaction"))?;
        let changes = transaction.definitions.take().map(|d| d.changes).unwrap_or_default();
        let changes = changes.into_iter().chain([Definition { change, nodes }]).collect();
        transaction.definitions = Some(Definitions { catalog, changes });
        self.show_catalog();
        Ok(())
    }

    /// The node of a relation, also where the transaction is about to put one in place.
    pub(super) fn node_of(&self, id: RelationId) -> Option<Arc<Node>> {
        let own = self.transaction.as_ref().and_then(|t| t.definitions.as_ref());
        let staged = own.and_then(|d| d.changes.iter().rev().flat_map(|c| c.nodes.iter().rev()).find(|n| n.relation.id == id).cloned());
        staged.or_else(|| self.engine.node(id))
    }

    // BEGIN to ROLLBACK -------------------------------------------------------------------------------------------------------

    pub(super) fn begin(&mut self, modes: &Modes) -> Result<()> {
        match &mut self.transaction {
            Some(transaction) if transaction.explicit => {
                self.notice("WARNING", Error::new(code::ACTIVE_SQL_TRANSACTION, "there is already a transaction in progress"));
                return Ok(());
            }
            Some(transaction) => transaction.explicit = true,
            None => self.transaction = Some(self.begun().explicit()),
        }
        self.begin_in(modes)
    }

    /// COMMIT and ROLLBACK; with `chain` the next transaction begins at once.
    pub(super) async fn end(&mut self, commit: bool, chain: bool) -> Result<Response> {
        let word = if commit { "COMMIT" } else { "ROLLBACK" };
        match &self.transaction {
            Some(t) if t.explicit => {}
            _ if chain => {
                let text = format!("{word} AND CHAIN can only be used in transaction blocks");
                return Err(Error::new(code::NO_ACTIVE_SQL_TRANSACTION, text));
            }
            _ => self.notice("WARNING", Error::new(code::NO_ACTIVE_SQL_TRANSACTION, "there is no transaction in progress")),
        }
        let modes = self.modes();
        let done = if commit && !self.transaction.as_ref().is_some_and(|t| t.failed) {
            self.commit().await?;
            word
        } else {
            self.rollback().await?;
            "ROLLBACK"
        };
        if chain {
            self.begin_at(self.acts.statement_us());
            self.transaction = Some(self.begun().explicit());
            self.begin_in(&modes)?;
        }
        Ok(Response::Done(done.into()))
    }

    /// True if a body that the statement at hand runs may end the transaction: the statement has begun it, or such a body runs the statement.
    pub(super) fn may_end_inside(&mut self) -> bool {
        let begun_by_statement = self.inside == 0 && self.transaction.as_ref().is_some_and(|t| t.alone);
        std::mem::take(&mut self.may_end) || begun_by_statement
    }

    /// COMMIT and ROLLBACK of a body: the rest of it runs in a new transaction. Errors: 2D000 in a block that goes back to its beginning
    /// where it errs; those of the commit.
    pub(super) async fn end_inside(&mut self, commit: bool, chain: bool) -> Result<()> {
        if self.transaction.as_ref().is_some_and(|t| t.savepoints() > 0) {
            let what = if commit { "commit" } else { "roll back" };
            return Err(Error::new(code::INVALID_TRANSACTION_TERMINATION, format!("cannot {what} while a subtransaction is active")));
        }
        let modes = self.modes();
        if commit {
            self.commit().await?;
        } else {
            self.rollback().await?;
        }
        self.begin_at(self.engine.clock.now_us());
        self.context.forget();
        self.context.see();
        self.begin_alone();
        self.begin_at(self.engine.clock.now_us());
        if chain { self.begin_in(&modes) } else { Ok(()) }
    }

    /// Appends all that the transaction gathered, as one.
    pub(super) async fn commit(&mut self) -> Result<()> {
        self.set_unasked(true);
        let checked = self.check_deferred().await;
        self.set_unasked(false);
        let ready = if checked.is_ok() { self.lock_again().await } else { checked };
        if let Err(e) = ready {
            self.rollback().await?;
            return Err(e);
        }
        self.adopt_settings(true);
        self.retain_cursors(true);
        let Some(mut transaction) = self.transaction.take() else { return Ok(()) };
        let temporary = self.take_temporary(&mut transaction)?;
        self.show_catalog();
        let sync = self.settings.synchronous_commit();
        self.restore_settings(std::mem::take(&mut transaction.settings), true)?;
        let mut batches = std::mem::take(&mut transaction.batches);
        if let Some(number) = self.acts.transaction_number(false)? {
            let defined = transaction.definitions.as_ref().map(|d| &d.catalog);
            batches.retain(|(log, _)| defined.is_none_or(|catalog| catalog.by_id(*log).is_some()));
            batches = bearing(batches, number)?;
        }
        let append = Append { batches, sync };
        let engine = self.engine.clone();
        let turn = self.acts.turn(&engine).await;
        match transaction.definitions.take() {
            Some(definitions) => self.cancel.shield(self.engine.commit(definitions.changes, append)).await?,
            None if append.batches.is_empty() => {}
            None => self.cancel.shield(self.engine.log.append(append)).await.map(|_| ())?,
        }
        self.keep_temporary(temporary);
        self.acts.committed();
        drop(turn);
        Ok(())
    }

    /// Forgets all that the transaction gathered, and drops what it created.
    pub(super) async fn rollback(&mut self) -> Result<()> {
        self.adopt_settings(true);
        self.retain_cursors(false);
        self.acts.rolled_back();
        let Some(mut transaction) = self.transaction.take() else { return Ok(()) };
        self.show_catalog();
        self.restore_settings(std::mem::take(&mut transaction.settings), false)?;
        self.engine.drop_relations(&transaction.created).await
    }

    // Savepoints --------------------------------------------------------------------------------------------------------------

    /// SAVEPOINT name. Errors: 25P01 outside BEGIN, 54000 for too many.
    pub(super) fn savepoint(&mut self, name: &str) -> Result<Response> {
        self.adopt_settings(true);
        block(&mut self.transaction, "SAVEPOINT")?;
        self.keep_point(name)?;
        Ok(Response::Done("SAVEPOINT".into()))
    }

    /// Keeps what the open transaction has gathered so far under a name.
    pub(super) fn keep_point(&mut self, name: &str) -> Result<()> {
        let transaction = self.transaction.get_or_insert_default();
        if transaction.savepoints.len() >= limits::SAVEPOINTS_MAX {
            return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, "too many savepoints")
                .detail(format!("A transaction has at most {} at one time.", limits::SAVEPOINTS_MAX))
                .hint("RELEASE SAVEPOINT those that are not needed any more."));
        }
        transaction.savepoints.push(Savepoint {
            name: name.to_string(),
            batches: transaction.batches.clone(),
            bytes: transaction.bytes,
            settled: transaction.settled.clone(),
            deferred: transaction.deferred.clone(),
            deferring: transaction.deferring.clone(),
            definitions: transaction.definitions.clone(),
            temporary: transaction.temporary.clone(),
            sequences: transaction.sequences.clone(),
            functions: transaction.functions.clone(),
            created: transaction.created.len(),
            settings: transaction.settings.len(),
            told: self.acts.told(),
            cursors: self.cursors.keys().cloned().collect(),
        });
        Ok(())
    }

    /// RELEASE SAVEPOINT name: forgets it and those made since. Errors: 25P01, 3B001.
    pub(super) fn release(&mut self, name: &str) -> Result<Response> {
        block(&mut self.transaction, "RELEASE SAVEPOINT")?;
        self.forget_point(name)?;
        Ok(Response::Done("RELEASE".into()))
    }

    pub(super) fn forget_point(&mut self, name: &str) -> Result<()> {
        let transaction = self.transaction.get_or_insert_default();
        let at = transaction.savepoint(name)?;
        transaction.savepoints.truncate(at);
        transaction.locks.values().for_each(|lock| lock.release(at));
        transaction.renewed = transaction.renewed.iter().map(|(id, depth)| (*id, at.min(*depth))).collect();
        Ok(())
    }

    /// ROLLBACK TO SAVEPOINT name: all is as it was then, and the transaction is no longer failed. Errors: 25P01, 3B001.
    pub(super) async fn rollback_to(&mut self, name: &str) -> Result<Response> {
        self.adopt_settings(true);
        block(&mut self.transaction, "ROLLBACK TO SAVEPOINT")?;
        self.back_to(name).await?;
        Ok(Response::Done("ROLLBACK".into()))
    }

    pub(super) async fn back_to(&mut self, name: &str) -> Result<()> {
        let transaction = self.transaction.get_or_insert_default();
        let at = transaction.savepoint(name)?;
        transaction.savepoints.truncate(at + 1);
        transaction.unlock_since(at);
        transaction.renewed.retain(|(_, depth)| *depth <= at);
        transaction.overlays.clear();
        let saved = &transaction.savepoints[at];
        (transaction.batches, transaction.bytes) = (saved.batches.clone(), saved.bytes);
        transaction.settled = saved.settled.clone();
        (transaction.deferred, transaction.deferring) = (saved.deferred.clone(), saved.deferring.clone());
        transaction.definitions = saved.definitions.clone();
        transaction.temporary = saved.temporary.clone();
        transaction.sequences = saved.sequences.clone();
        transaction.functions = saved.functions.clone();
        transaction.failed = false;
        let created = transaction.created.split_off(saved.created);
        let settings = transaction.settings.split_off(saved.settings);
        self.cursors.retain(|name, _| saved.cursors.contains(name));
        self.acts.forget_since(&saved.told);
        self.show_catalog();
        self.restore_settings(settings, false)?;
        self.engine.drop_relations(&created).await
    }

    /// Errors: 0A000 for a relation of ksqlDB's dialect that the transaction has appended to: its readers see committed events only.
    pub(super) fn refuse_own_ksql(&self, relation: &Relation) -> Result<()> {
        let Some(transaction) = self.transaction.as_ref().filter(|t| !t.batches.is_empty()) else { return Ok(()) };
        let touched = transaction.touched();
        if !super::ddl::base_logs(&self.catalog(), relation).iter().any(|log| touched.contains(log)) {
            return Ok(());
        }
        Err(Error::unsupported(format!("cannot read \"{}\" before COMMIT: this transaction has appended to it", relation.name))
            .hint("What queries of ksqlDB's dialect derive follows committed events only; COMMIT first, or read before appending."))
    }
}

/// The transaction block that a statement needs. Errors: 25P01.
fn block<'a>(transaction: &'a mut Option<Transaction>, what: &str) -> Result<&'a mut Transaction> {
    let refused = || Error::new(code::NO_ACTIVE_SQL_TRANSACTION, format!("{what} can only be used in transaction blocks"));
    transaction.as_mut().filter(|t| t.explicit).ok_or_else(refused)
}

/// The error of every statement but ROLLBACK in a failed transaction.
pub fn aborted() -> Error {
    Error::new(code::IN_FAILED_SQL_TRANSACTION, "current transaction is aborted, commands ignored until end of transaction block")
}
