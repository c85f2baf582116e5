//! The database: everything that outlives a connection.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::SessionState;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use parking_lot::Mutex;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::Semaphore;

use super::advisory::Advisory;
use super::constraints::Uniques;
use super::cut::Purpose;
use super::generated::KnownGenerators;
use super::node::{Bounds, Files, Node};
use super::notify::Hub;
use super::numbers::Numbers;
use super::partitions::KnownConditions;
use super::privileges::Identity;
use super::progress::Board;
use super::runner::Runner;
use super::sequence::Counters;
use super::session::Session;
use super::signal::Reach;
use super::table_locks::TableLocks;
use super::{checkpoint, ddl, failure, recovery, time};
use crate::catalog::{Catalog, Relation, RelationId};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::data::Position;
use crate::error::{Error, Result, code};
use crate::fold::Snapshot;
use crate::func;
use crate::limits;
use crate::log::Log;
use crate::log::store::{LocalStore, Store};
use crate::plan::arrival;
use crate::plan::names::UNQUALIFIED;
use crate::serve::cut::{ReadCut, Readable};
use crate::serve::system::SessionStatus;
use crate::serve::table::TableRows;

/// Where queries put what does not fit into their memory, in the data directory.
const SPILL: &str = "spill";
/// The file with the number by which monitoring tells databases apart, in decimal digits.
const IDENTITY: &str = "identity";

/// The database.
pub struct Engine {
    pub(super) store: Arc<dyn Store>,
    pub(super) log: Arc<Log>,
    pub(super) clock: Arc<dyn Clock>,
    /// A number of its own, from when it was made on.
    pub(super) identity: i64,
    /// When it was opened, microseconds since 1970.
    pub(super) started_us: i64,
    /// True if there is a certificate for TLS.
    pub(super) takes_tls: bool,
    pub(super) catalog: ArcSwap<Catalog>,
    /// Held by a transaction from its first change of the catalog to its end.
    pub(super) definitions: Arc<tokio::sync::Mutex<()>>,
    /// Held while the catalog changes: a short time, by who holds `definitions`.
    pub(super) ddl: Arc<tokio::sync::Mutex<()>>,
    /// The id of the next relation, above those of transactions that are not committed.
    next_relation: AtomicU32,
    pub(super) runner: Arc<Runner>,
    /// Functions, rules and settings of DataFusion, without names and without a session's own functions.
    pub(super) template: SessionState,
    /// The same without functions: the plan that a query is run by has them in it. It is copied for each query, at little cost.
    pub(super) bare: SessionState,
    /// Queries run here, apart from the sockets.
    queries: Mutex<Option<Runtime>>,
    query_handle: Handle,
    /// A place for each plan that is being made.
    pub(super) planning: Arc<Semaphore>,
    pub(super) sessions: Mutex<BTreeMap<i32, SessionStatus>>,
    /// How the connections of sessions are reached.
    pub(super) reaches: Mutex<BTreeMap<i32, Arc<Reach>>>,
    pub(super) notify: Arc<Hub>,
    /// The numbers of transactions.
    pub(super) numbers: Arc<Numbers>,
    pub(super) advisory: Advisory,
    /// What statements do to many rows.
    pub(super) board: Board,
    /// The time of the last tick; see [`super::time`].
    pub(super) last_tick: tokio::sync::Mutex<i64>,
    /// How far each sequence is.
    pub(super) counters: Counters,
    /// What is unique in tables, as of these definitions of them.
    pub(super) uniques: Mutex<HashMap<RelationId, (Arc<Relation>, Uniques)>>,
    pub(super) generators: KnownGenerators,
    pub(super) partition_conditions: KnownConditions,
    pub(super) locks: Arc<TableLocks>,
    next_process: AtomicI32,
    pub(super) view_bounds: Bounds,
    threads: Mutex<Vec<std::thread::JoinHandle<()>>>,
    /// The log's head as of the last commit, for those who wait for the next.
    pub(super) head: tokio::sync::watch::Sender<Position>,
}

impl Engine {
    /// Opens the database in `config.data`, creating it if there is none; answers when the log is replayed. Views that have to fold
    /// go on doing so in the background. Errors: 55006 for a directory in use, XX001 for a damaged log.
    pub fn open(config: &Config) -> Result<Arc<Engine>> {
        let store: Arc<dyn Store> = Arc::new(LocalStore::open(&config.data)?);
        let spill = config.data.join(SPILL);
        // What a server that crashed has left there.
        if spill.exists() {
            std::fs::remove_dir_all(&spill)?;
        }
        Self::open_over(store, Arc::new(SystemClock), config, Some(spill))
    }

    /// Opens the database in any store, with any clock; of `config` only what says how to run.
    pub fn open_with(store: Arc<dyn Store>, clock: Arc<dyn Clock>, config: &Config) -> Result<Arc<Engine>> {
        Self::open_over(store, clock, config, None)
    }

    fn open_over(store: Arc<dyn Store>, clock: Arc<dyn Clock>, config: &Config, spill: Option<PathBuf>) -> Result<Arc<Engine>> {
        let log = Log::open(store.clone(), clock.clone(), crate::log::Options::default())?;
        let cores = match config.query_threads {
            0 => std::thread::available_parallelism().map_or(2, |n| n.get()),
            threads => threads,
        };
        let queries = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(cores)
            .thread_name("query")
            .thread_stack_size(limits::STACK_BYTES)
            // A thread for each session that waits for an advisory lock, and those that plan and read.
            .max_blocking_threads(limits::CONNECTIONS_MAX + 512)
            .enable_all()
            .build()?;
        let runner = Runner::new(log.clone(), clock.clone(), store.clone());
        let numbers = Numbers::open(&log)?;
        let mut template = template(cores, config.query_memory_bytes_max, spill)?;
        template.register_udf(Arc::new(numbers.function(Weak::new())))?;
        let bare = without_functions(template.clone())?;
        let engine = Arc::new(Engine {
            template,
            bare,
            numbers,
            query_handle: queries.handle().clone(),
            queries: Mutex::new(Some(queries)),
            catalog: ArcSwap::from_pointee(recovery::catalog(&log)?),
            definitions: Arc::default(),
            ddl: Arc::default(),
            next_relation: AtomicU32::new(0),
            planning: Arc::new(Semaphore::new(limits::PLANS_MAX)),
            sessions: Mutex::default(),
            reaches: Mutex::default(),
            notify: Arc::default(),
            advisory: Advisory::default(),
            board: Board::default(),
            last_tick: tokio::sync::Mutex::new(time::last_tick(&log)?),
            counters: Counters::default(),
            uniques: Mutex::default(),
            generators: Mutex::default(),
            partition_conditions: Mutex::default(),
            locks: Arc::default(),
            next_process: AtomicI32::new(1),
            view_bounds: Bounds { step_rows: config.step_rows_max, ..Bounds::new(config.view_state_bytes_max, config.view_rows_bytes_max) },
            threads: Mutex::default(),
            head: tokio::sync::watch::Sender::new(log.head()),
            identity: identity(store.as_ref(), clock.as_ref())?,
            started_us: clock.now_us(),
            takes_tls: config.tls_cert.is_some(),
            store,
            log,
            clock,
            runner,
        });
        recovery::build(&engine)?;
        let finder = Arc::downgrade(&engine);
        engine.runner.hooks.on_failure(Box::new(move |id, range| {
            let engine = finder.upgrade()?;
            // The view may be about to be created: then it is in no catalog yet.
            drop(engine.ddl.blocking_lock());
            failure::find_fault(&engine, id, range).ok().flatten()
        }));
        let builder = Arc::downgrade(&engine);
        engine.runner.hooks.on_fold_again(Box::new(move |id| {
            let engine = builder.upgrade()?;
            drop(engine.ddl.blocking_lock());
            ddl::node(&engine, engine.catalog().by_id(id)?).ok()
        }));
        *engine.threads.lock() = engine.runner.spawn(cores.max(2))?;
        engine.tell_of_changes();
        // Events that came with the log are nobody's commit; nodes find them by themselves when they are queued.
        engine.checkpoint_now_and_then();
        engine.move_rows_now_and_then();
        engine.tick_now_and_then(config.clock_interval_ms);
        Ok(engine)
    }

    /// Whoever waits for the log, or listens to a relation, is told of each commit.
    fn tell_of_changes(self: &Arc<Self>) {
        let (runner, head, hub, engine) = (self.runner.clone(), self.head.clone(), self.notify.clone(), Arc::downgrade(self));
        self.log.on_commit(Box::new(move |end, logs| {
            runner.committed(logs);
            head.send_replace(end);
            if hub.is_idle() {
                return;
            }
            let Some(catalog) = engine.upgrade().map(|engine| engine.catalog()) else { return };
            let relations = logs.iter().filter_map(|log| catalog.by_id(*log)).filter(|r| !r.has_node());
            relations.for_each(|relation| hub.changed(&catalog.channel_of(relation), end));
        }));
        let (hub, engine) = (self.notify.clone(), Arc::downgrade(self));
        self.runner.hooks.on_change(Box::new(move |id, end| {
            if hub.is_idle() {
                return;
            }
            // The name as it is now: relations are renamed.
            let Some(catalog) = engine.upgrade().map(|engine| engine.catalog()) else { return };
            if let Some(relation) = catalog.by_id(id) {
                hub.changed(&catalog.channel_of(relation), end);
            }
        }));
    }

    /// A new session of a role; of the first superuser while no role has a password and there is none of that name. `settings` are the
    /// startup message's parameters. Errors: 28000 if it may not log in, 42501 if it may not connect, 53300.
    pub fn session(self: &Arc<Self>, user: &str, database: &str, settings: &[(String, String)]) -> Result<Session> {
        let identity = self.admitted(user, database, false)?;
        self.session_of(identity, database, settings)
    }

    /// A new session of a role, which the client has shown to be. Errors: those of [`Engine::session`], 28000 also where there is no such role.
    pub fn shown_session(self: &Arc<Self>, user: &str, database: &str, settings: &[(String, String)]) -> Result<Session> {
        let identity = self.admitted(user, database, true)?;
        self.session_of(identity, database, settings)
    }

    /// A new session of the first superuser, whoever there is else: for those who have the directory.
    pub fn owner_session(self: &Arc<Self>, user: &str, database: &str, settings: &[(String, String)]) -> Result<Session> {
        self.session_of(Identity::bootstrap(user), database, settings)
    }

    fn session_of(self: &Arc<Self>, identity: Identity, database: &str, settings: &[(String, String)]) -> Result<Session> {
        let process = self.next_process.fetch_add(1, Ordering::Relaxed);
        Session::new(self.clone(), process, identity, database, settings)
    }

    /// Takes a last checkpoint, ends the threads and closes the log with its clean mark.
    pub fn shutdown(&self) {
        // A checkpoint knows nothing of a first step, and is to find a thread.
        let starting = self.runner.progress().into_iter().filter(|(_, progress)| !progress.started);
        starting.filter_map(|(id, _)| self.runner.node(id)).for_each(|node| node.stop().ask());
        if self.log.head() > 0 {
            // Without a checkpoint the next start folds more; that is no reason not to stop.
            let _ = self.query_handle.block_on(async {
                tokio::time::timeout(std::time::Duration::from_secs(20), checkpoint::take(&self.runner, self.store.as_ref())).await
            });
        }
        self.runner.stop();
        for thread in self.threads.lock().drain(..) {
            let _ = thread.join();
        }
        if let Some(queries) = self.queries.lock().take() {
            queries.shutdown_background();
        }
        if let Err(e) = self.log.close() {
            eprintln!("closing the log: {e}");
        }
    }

    /// The runtime on which queries run.
    pub fn query_runtime(&self) -> &Handle {
        &self.query_handle
    }

    /// The log.
    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// The catalog as it is now.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.catalog.load_full()
    }

    /// An id for a relation that is about to be created. It is nobody else's, also if that does not happen.
    pub(super) fn new_id(&self) -> RelationId {
        let least = self.catalog().next_id();
        let taken = self.next_relation.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |next| Some(next.max(least) + 1));
        taken.unwrap_or(least).max(least)
    }

    /// What these relations hold at the log's head. Waits until the tables and views among them have folded up to there.
    pub async fn read_cut(&self, relations: &[Arc<Relation>], latest: bool) -> Result<ReadCut> {
        let nodes: Vec<RelationId> = relations.iter().filter(|r| r.has_node()).map(|r| r.id).collect();
        let mut cut = ReadCut::default();
        let snapshots = if nodes.is_empty() {
            cut.position = self.log.head();
            HashMap::new()
        } else if latest {
            cut.position = self.log.head();
            if let Some(error) = nodes.iter().find_map(|id| self.failure(*id)) {
                return Err(error);
            }
            nodes.iter().filter_map(|id| Some((*id, self.runner.node(*id)?.snapshot()))).collect()
        } else {
            let (position, snapshots) = self.snapshots(&nodes).await?;
            cut.position = position;
            snapshots
        };
        for (id, snapshot) in snapshots {
            let node = self.node(id).ok_or_else(|| Error::internal(format!("relation {id} has no dataflow")))?;
            cut.relations.insert(id, Readable::Rows(TableRows::committed(snapshot, node.live())));
        }
        for stream in relations.iter().filter(|r| !r.has_node()) {
            cut.relations.insert(stream.id, Readable::Events(self.log.read(stream.id, 0..cut.position)?));
        }
        Ok(cut)
    }

    /// What tables and views hold at one position, the log's head. Waits until they have folded up to there.
    pub(super) async fn snapshots(&self, nodes: &[RelationId]) -> Result<(Position, HashMap<RelationId, Snapshot>)> {
        self.tick_for(nodes).await;
        let reached = self.runner.cut(nodes, Purpose::Read)?;
        Ok((reached.position, reached.wait().await?))
    }

    /// Why a view has failed, if it has.
    pub(super) fn failure(&self, id: RelationId) -> Option<Error> {
        self.runner.failure(id).map(|(_, failure)| failure.told.clone())
    }

    /// The node of a table or view.
    pub fn node(&self, id: RelationId) -> Option<Arc<Node>> {
        self.runner.node(id)
    }

    /// Waits until a node has folded all that was acknowledged before the call.
    pub async fn reach(&self, node: &Node) -> Result<()> {
        if time::tells_time(node) {
            self.tick().await;
        }
        if node.is_current(&self.log) && node.position() > 0 {
            return Ok(());
        }
        self.runner.cut(&[node.relation.id], Purpose::Reach)?.wait().await.map(|_| ())
    }

    /// Seals the tail and takes a checkpoint; answers its position.
    pub async fn checkpoint(&self) -> Result<Position> {
        let log = self.log.clone();
        let sealed = self.query_handle.spawn_blocking(move || log.seal());
        sealed.await.map_err(|e| Error::internal(e.to_string()))??;
        Ok(checkpoint::take(&self.runner, self.store.as_ref()).await?.position)
    }

    /// Moves rows of views that only grow to files when they are many, off the threads that fold.
    fn move_rows_now_and_then(self: &Arc<Self>) {
        let engine = Arc::downgrade(self);
        self.query_handle.spawn(async move {
            loop {
                tokio::time::sleep(std::time::Duration::from_millis(limits::MOVE_INTERVAL_MS)).await;
                let Some(engine) = engine.upgrade() else { return };
                let nodes = engine.runner.healthy().into_iter().filter_map(|id| engine.runner.node(id));
                let mut failed = false;
                for node in nodes.filter(|node| node.has_many_rows()) {
                    let (store, now_us) = (engine.store.clone(), engine.clock.now_us());
                    let moved =
                        engine.query_handle.spawn_blocking(move || node.move_rows(Files { store: &store, now_us }, usize::MAX)).await;
                    failed |= !matches!(moved, Ok(Ok(())));
                }
                drop(engine);
                // Where there is no room rows stay in memory, and the log has what is left of it.
                if failed {
                    tokio::time::sleep(std::time::Duration::from_millis(limits::MOVE_RETRY_MS)).await;
                }
            }
        });
    }

    /// From time to time takes a checkpoint, so that a restart after a crash folds little.
    fn checkpoint_now_and_then(self: &Arc<Self>) {
        let engine = Arc::downgrade(self);
        self.query_handle.spawn(async move {
            let [least, most] = [limits::CHECKPOINT_INTERVAL_S, limits::CHECKPOINT_INTERVAL_MAX_S].map(std::time::Duration::from_secs);
            let (mut last, mut pause) = (0, least);
            loop {
                tokio::time::sleep(pause).await;
                let Some(engine) = engine.upgrade() else { return };
                if engine.log.head() < last + limits::CHECKPOINT_EVENTS_MIN {
                    continue;
                }
                let wanted = match checkpoint::take(&engine.runner, engine.store.as_ref()).await {
                    Ok(taken) => {
                        last = taken.position;
                        taken.spent * limits::CHECKPOINT_PAUSES
                    }
                    // Where there is no room it is soon no better.
                    Err(_) => pause * 2,
                };
                pause = wanted.clamp(least, most);
            }
        });
    }
}

/// What queries share. What they cannot hold in memory goes to `spill`, or to the system's directory for temporary files.
fn template(cores: usize, memory_bytes_max: usize, spill: Option<PathBuf>) -> Result<SessionState> {
    let pool = Arc::new(FairSpillPool::new(memory_bytes_max));
    let mode = spill.map_or(DiskManagerMode::OsTmpDirectory, |directory| DiskManagerMode::Directories(vec![directory]));
    let disk = DiskManagerBuilder::default().with_mode(mode).with_max_temp_directory_size(limits::SPILL_BYTES_MAX);
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).with_disk_manager_builder(disk).build_arc()?;
    let config = func::config().with_target_partitions(cores).with_default_catalog_and_schema("everfold", UNQUALIFIED);
    let builder = SessionStateBuilder::new().with_config(config).with_runtime_env(runtime).with_default_features();
    Ok(arrival::register(func::register(builder)).build())
}

/// The state without the names of functions, but for the one by which DataFusion's optimizer writes DISTINCT ON.
fn without_functions(state: SessionState) -> Result<SessionState> {
    let distinct_on = state.udaf("first_value")?;
    let builder = SessionStateBuilder::new_from_existing(state).with_scalar_functions(vec![]).with_higher_order_functions(vec![]);
    Ok(builder.with_aggregate_functions(vec![distinct_on]).with_window_functions(vec![]).build())
}

/// The database's number, which is made when there is none: as PostgreSQL's initdb has it, the seconds in its upper half, and chance.
/// Errors: 58030, XX001 for a file of another form.
fn identity(store: &dyn Store, clock: &dyn Clock) -> Result<i64> {
    if store.list("")?.iter().any(|name| name == IDENTITY) {
        let text = store.read(IDENTITY)?;
        let number = std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok());
        return number.ok_or_else(|| Error::new(code::DATA_CORRUPTED, format!("file \"{IDENTITY}\" holds no number")));
    }
    let mut chance = [0; 4];
    getrandom::fill(&mut chance).map_err(|e| Error::internal(e.to_string()))?;
    let number = (clock.now_us() / 1_000_000) << 32 | i64::from(u32::from_le_bytes(chance));
    store.write_atomic(IDENTITY, format!("{number}\n").as_bytes())?;
    Ok(number)
}
