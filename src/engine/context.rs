//! What system relations and functions show, gathered when they are asked for, once a statement; what takes long to gather, each by itself.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::acts::Acts;
use super::database::Engine;
use super::numbers::Seen;
use super::path::path_of;
use super::privileges::{Authority, Identity};
use super::sequence::SharedDrawn;
use super::settings::Settings;
use crate::catalog::{BOOTSTRAP, Catalog, MONITOR, READ_ALL_SETTINGS, RelationKind, Scope};
use crate::fold::Output;
use crate::log::segment::hex;
use crate::serve::system::{Directory, Later, OperatorStatus, Progress, RelationStatus, SegmentStatus, SystemContext};

/// One session's view of the database.
pub struct Source {
    engine: Weak<Engine>,
    process: i32,
    who: Mutex<Identity>,
    database: String,
    settings: Settings,
    acts: Arc<Acts>,
    current: Mutex<Option<Arc<SystemContext>>>,
    /// Which transactions had ended when the statement began, or what it reads at was chosen.
    seen: Mutex<Option<Seen>>,
    /// What sequences have given to the session.
    pub(super) drawn: SharedDrawn,
    /// The catalog of a transaction that has changed it.
    catalog: Mutex<Option<Arc<Catalog>>>,
}

impl Source {
    pub(super) fn new(engine: &Arc<Engine>, who: &Identity, database: &str, settings: &Settings, acts: &Arc<Acts>, process: i32) -> Self {
        let (engine, settings, acts) = (Arc::downgrade(engine), settings.clone(), acts.clone());
        let (who, database) = (Mutex::new(who.clone()), database.into());
        let (current, seen, drawn, catalog) = (Mutex::default(), Mutex::default(), SharedDrawn::default(), Mutex::default());
        Source { engine, process, who, database, settings, acts, current, seen, drawn, catalog }
    }

    /// The session is somebody else from now on.
    pub(super) fn set_identity(&self, who: &Identity) {
        *self.who.lock() = who.clone();
        self.forget();
    }

    /// Forgets what sequences have given to the session: currval() and lastval() are not defined then.
    pub(super) fn forget_drawn(&self) {
        *self.drawn.lock() = Default::default();
    }

    /// The name that the client gave the database.
    pub(super) fn database(&self) -> &str {
        &self.database
    }

    /// What the session may know, as of this statement.
    pub fn get(&self) -> Arc<SystemContext> {
        self.current.lock().get_or_insert_with(|| Arc::new(self.gather())).clone()
    }

    /// The next statement gathers anew.
    pub(super) fn forget(&self) {
        *self.current.lock() = None;
    }

    /// A statement begins that reads what is committed now or later.
    pub(super) fn see(&self) {
        *self.seen.lock() = self.engine.upgrade().map(|engine| engine.numbers.seen(&engine.log));
    }

    /// Shows another catalog from now on; `None` for the one that is current.
    pub(super) fn show(&self, catalog: Option<Arc<Catalog>>) {
        *self.catalog.lock() = catalog;
        self.forget();
    }

    /// The catalog as the session sees it.
    fn catalog(&self, engine: &Engine) -> Arc<Catalog> {
        self.catalog.lock().clone().unwrap_or_else(|| engine.catalog())
    }

    /// What the current role may.
    pub(super) fn authority(&self, engine: &Engine) -> Authority {
        Authority::of(self.catalog(engine).roles(), self.who.lock().current)
    }

    /// The catalog as the session sees it, and its search_path.
    pub(super) fn scope(&self, engine: &Engine) -> Scope {
        let catalog = self.catalog(engine);
        let (who, roles) = (self.who.lock().clone(), catalog.roles());
        let path = path_of(&catalog, &self.settings.search_path(), &who.name(roles, who.current), &Authority::of(roles, who.current));
        Scope { catalog, path }
    }

    /// For functions, which are registered once a session.
    pub(super) fn as_function(self: &Arc<Self>) -> Arc<dyn Fn() -> Arc<SystemContext> + Send + Sync> {
        let source = self.clone();
        Arc::new(move || source.get())
    }

    /// What the engine is asked when somebody asks for it.
    fn later<T: Default + 'static>(&self, ask: impl FnOnce(&Engine) -> T + Send + 'static) -> Later<T> {
        let engine = self.engine.clone();
        Later::new(move || engine.upgrade().map_or_else(T::default, |engine| ask(&engine)))
    }

    fn gather(&self) -> SystemContext {
        let Some(engine) = self.engine.upgrade() else { return SystemContext::default() };
        let (scope, who) = (self.scope(&engine), self.who.lock().clone());
        let catalog = scope.clone();
        let progress = self.later(move |engine| progress(engine, &catalog));
        let roles = scope.roles().clone();
        let authority = Authority::of(&roles, who.current);
        let seen = self.seen.lock().clone().unwrap_or_else(|| engine.numbers.seen(&engine.log));
        SystemContext {
            stand_ins: vec![],
            user: who.name(&roles, who.current),
            session_user: who.name(&roles, who.session),
            role: who.current,
            owner: who.name(&roles, BOOTSTRAP),
            scope,
            database: self.database.clone(),
            process_id: self.process,
            settings: settings(&engine, &self.settings, &authority),
            head: seen.head,
            running: seen.running,
            started_us: engine.started_us,
            identity: engine.identity,
            directory: Directory(authority.has_role(MONITOR).then(|| engine.store.clone())),
            progress,
            segments: self.later(segments),
            sessions: self.later(|engine| engine.sessions.lock().values().cloned().collect()),
            locks: self.later(|engine| engine.advisory.list()),
            works: self.later(|engine| engine.works()),
            session: Some(self.acts.clone()),
        }
    }
}

/// The session's settings, and those that only the engine knows.
fn settings(engine: &Engine, of_session: &Settings, authority: &Authority) -> Vec<(String, String, String)> {
    let mut all = of_session.all();
    let tls = if engine.takes_tls { "on" } else { "off" };
    all.push(("ssl".to_string(), tls.to_string(), "Shows whether the server takes TLS connections.".to_string()));
    let directory = authority.has_role(READ_ALL_SETTINGS).then(|| engine.store.local_path("")).flatten();
    let directory = directory.map(|path| std::path::absolute(&path).unwrap_or(path));
    let directory = directory.map(|path| path.display().to_string().trim_end_matches('/').to_string());
    all.extend(directory.map(|path| ("data_directory".to_string(), path, "Shows the server's data directory.".to_string())));
    all
}

fn progress(engine: &Engine, catalog: &Catalog) -> Progress {
    let head = engine.log.head();
    let nodes = engine.runner.progress();
    let Progress { mut relations, mut operators } = Progress::default();
    for relation in catalog.relations() {
        let mut status = RelationStatus { id: relation.id, state: "ready".into(), progress: 1.0, ..RelationStatus::default() };
        if relation.has_log() {
            status.events = engine.log.count(relation.id);
            status.position = engine.log.end_of(relation.id);
        }
        if relation.kind == RelationKind::Stream {
            status.rows = status.events;
        }
        if let (Some(node), Some(at)) = (engine.node(relation.id), nodes.get(&relation.id)) {
            let due = node.base_logs.iter().map(|id| engine.log.end_of(*id)).max().unwrap_or(0).min(head);
            status.position = at.position;
            status.lag = due.saturating_sub(at.position);
            status.progress = if due == 0 || status.lag == 0 { 1.0 } else { at.position as f64 / due as f64 };
            status.state = match (&at.failed, at.started) {
                (Some(_), _) => "failed",
                (None, true) if status.progress > 0.9 => "running",
                (None, _) => "backfilling",
            }
            .into();
            if let Some(failure) = &at.failed {
                status.error = Some(format!("{} {}", failure.told.message(), failure.told.fields().detail.clone().unwrap_or_default()));
                status.sqlstate = Some(failure.cause.code().to_string());
                status.failed_position = failure.position;
            }
            status.left_out = node.left_out();
            status.rows = node.with_output(|output| output.rows() as u64);
            status.state_bytes = node.state_bytes() as u64;
            status.file_bytes = node.with_output(Output::file_bytes);
            for (ordinal, report) in node.reports().into_iter().enumerate() {
                operators.push(OperatorStatus {
                    relation: relation.id,
                    ordinal: ordinal as u32,
                    depth: report.depth as u32,
                    operator: report.name.to_string(),
                    detail: report.detail,
                    rows_in: report.rows_in,
                    rows_out: report.rows_out,
                    state_bytes: report.state_bytes as u64,
                    busy_us: report.busy.as_micros() as u64,
                });
            }
        }
        relations.push(status);
    }
    Progress { relations, operators }
}

fn segments(engine: &Engine) -> Vec<SegmentStatus> {
    let mut all = Vec::new();
    for relation in engine.catalog().relations().filter(|r| r.has_log()) {
        for segment in engine.log.segments(relation.id) {
            all.push(SegmentStatus {
                relation: relation.id,
                file: segment.file.name.clone(),
                first_position: segment.first,
                end_position: segment.end,
                rows: segment.rows,
                bytes: segment.file.bytes,
                sha256: hex(&segment.sha256),
            });
        }
    }
    all
}
