//! System relations: pg_catalog, information_schema and everfold.* as queries see them.
//!
//! PostgreSQL's clients (psql's backslash commands, drivers, ORMs, BI tools) learn what exists by querying these relations and
//! by calling functions such as `pg_get_viewdef`. Three parts let them:
//!
//! - [`RELATIONS`]: each relation is one line with a function that builds its rows from a [`SystemContext`] (`relations/`),
//!   in the shape that `facts/` has recorded from PostgreSQL 15.
//! - [`functions::functions`]: the system functions, as DataFusion UDFs.
//! - [`rewrite::rewrite`]: small rules over the syntax tree that turn what DataFusion cannot plan (`::regclass`,
//!   `OPERATOR(pg_catalog.~)`, `ARRAY(SELECT ..)`) into what it can.
//!
//! The life of a query: the session takes a [`SystemContext`] as of its statement, `rewrite` turns the statement, DataFusion plans
//! it, scans call `rows` of the relations it names, functions ask for the context again. Invariants: a relation's oid is its number
//! in the catalog and what is derived from it has that number plus a constant (`names`), so all relations agree without
//! sharing state; rows are built anew for each statement, because catalogs are small and stale ones are wrong.

mod acl;
pub mod deparse;
pub mod facts;
pub mod functions;
pub mod keys;
pub mod names;
mod relations;
pub mod rewrite;
mod rows;
pub mod updatable;

pub use relations::{RELATIONS, preset, setting};

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::catalog::{
    BOOTSTRAP, Function, Granted, Namespace, NamespaceId, Object, Privileges, Relation, RoleId, SYSTEM_NAMESPACES, Scope, Sequence,
    TEMPORARY_NAMESPACE,
};
use crate::data::{PgType, Position};
use crate::error::{Error, Result, code};
use crate::log::store::Store;

pub use crate::SERVER_VERSION;
/// [`SERVER_VERSION`] as PostgreSQL's integer.
pub const SERVER_VERSION_NUM: &str = "150018";
/// What is between the name of a stand-in and the number of the relation whose columns it begins with.
pub const STANDS_FOR: &str = " of ";
/// How the names begin of what stands in for relations where a statement looks at rows that it has written.
pub const STAND_IN: &str = "everfold part ";

/// The data directory; `None` in a context of no database.
#[derive(Clone, Default)]
pub struct Directory(pub Option<Arc<dyn Store>>);

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Directory")
    }
}

/// What is gathered when it is first asked for: most statements, though they ask who they are, ask nothing of what the whole server does.
#[derive(Clone)]
pub struct Later<T>(Arc<LazyLock<T, Box<dyn FnOnce() -> T + Send>>>);

impl<T> Later<T> {
    /// What `gather` gives.
    pub fn new(gather: impl FnOnce() -> T + Send + 'static) -> Later<T> {
        Later(Arc::new(LazyLock::new(Box::new(gather))))
    }
}

impl<T: Default + 'static> Default for Later<T> {
    fn default() -> Later<T> {
        Later::new(T::default)
    }
}

impl<T> Deref for Later<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> std::fmt::Debug for Later<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Later")
    }
}

/// What system relations and system functions may know, as of one statement.
#[derive(Clone, Debug, Default)]
pub struct SystemContext {
    /// The catalog, and the path along which names are looked up.
    pub scope: Scope,
    /// The relations of this statement only, and their columns: rows that it has written.
    pub stand_ins: Vec<(String, Vec<String>)>,
    /// current_user
    pub user: String,
    pub session_user: String,
    /// The current role.
    pub role: RoleId,
    /// The name of the first superuser as the session knows it.
    pub owner: String,
    pub database: String,
    pub process_id: i32,
    /// When the server started, in microseconds since 1970.
    pub started_us: i64,
    /// A number of the database's own, the same for as long as it lives.
    pub identity: i64,
    /// The data directory.
    pub directory: Directory,
    /// Settings in force: (name, value, description).
    pub settings: Vec<(String, String, String)>,
    pub head: Position,
    /// The numbers of the transactions that have not ended, in order.
    pub running: Vec<Position>,
    pub progress: Later<Progress>,
    pub segments: Later<Vec<SegmentStatus>>,
    pub sessions: Later<Vec<SessionStatus>>,
    /// Advisory locks, held and waited for.
    pub locks: Later<Vec<LockStatus>>,
    /// Long work under way.
    pub works: Later<Vec<WorkStatus>>,
    /// What only the session itself knows; `None` where there is no session.
    pub session: Option<Arc<dyn functions::SessionActs>>,
}

impl SystemContext {
    /// The position of the log as a place in PostgreSQL's.
    pub fn lsn(&self) -> String {
        format!("{:X}/{:X}", self.head >> 32, self.head & u64::from(u32::MAX))
    }

    /// The name of a role as the session knows it.
    pub fn role_name(&self, id: RoleId) -> String {
        if id == BOOTSTRAP && !self.owner.is_empty() { self.owner.clone() } else { self.scope.roles().name(id) }
    }

    /// The schemas: id, name and owner. That of temporary tables is one of them while there are any.
    pub fn schemas(&self) -> Vec<(NamespaceId, String, RoleId)> {
        let system = SYSTEM_NAMESPACES.iter().map(|(id, name)| (*id, name.to_string(), BOOTSTRAP));
        let users = self.scope.namespaces().map(|n| (n.id, n.name.clone(), n.owner));
        let temporary = self.scope.relations_in(TEMPORARY_NAMESPACE).next();
        let temporary = temporary.map(|r| (TEMPORARY_NAMESPACE, self.scope.namespace_name(TEMPORARY_NAMESPACE).to_string(), r.owner));
        let mut all: Vec<_> = system.chain(users).chain(temporary).collect();
        all.sort_unstable_by_key(|schema| schema.0);
        all
    }

    /// True if the current role is a superuser.
    pub fn is_superuser(&self) -> bool {
        self.scope.roles().is_superuser(self.role)
    }

    /// What the current role may do with a sequence.
    pub fn on_sequence(&self, sequence: &Sequence) -> Granted {
        let owner = self.scope.sequence_owner(sequence);
        self.scope.roles().on(self.role, &Object::Sequence(sequence.id), owner, Privileges::ON_SEQUENCE)
    }

    /// What the current role may do with a user's schema.
    pub fn on_schema(&self, schema: &Namespace) -> Granted {
        let object = Object::Schema(schema.name.clone());
        self.scope.roles().on(self.role, &object, schema.owner, object.privileges(None))
    }

    /// True if the current role has the privileges of an owner.
    pub fn is_owner(&self, owner: RoleId) -> bool {
        self.is_superuser() || self.scope.roles().inherits(self.role).contains(&owner)
    }

    /// True if the current role owns a relation, or has one of these privileges on it or on one of its columns.
    pub fn may_touch(&self, relation: &Relation, by: Privileges) -> bool {
        let held = self.scope.roles().on_relation(self.role, relation).privileges;
        self.is_owner(relation.owner)
            || !held.within(by).is_none()
            || relation.columns.iter().any(|column| self.may_touch_column(relation, &column.name, by))
    }

    /// True if the current role owns a relation, or has one of these privileges on that column of it.
    pub fn may_touch_column(&self, relation: &Relation, column: &str, by: Privileges) -> bool {
        let held = self.scope.roles().on_column(self.role, relation, column).privileges;
        self.is_owner(relation.owner) || !held.within(by).is_none()
    }

    /// True if the current role owns a routine or may call it.
    pub fn may_call(&self, function: &Function) -> bool {
        let object = Object::Function(function.id);
        let held = || self.scope.roles().on(self.role, &object, function.owner, object.privileges(None)).privileges;
        self.is_owner(function.owner) || held().has(Privileges::EXECUTE)
    }

    /// Errors: 42501 unless the current role may use a user's schema.
    pub fn check_usable(&self, namespace: NamespaceId) -> Result<()> {
        let Some(schema) = self.scope.namespace(namespace) else { return Ok(()) };
        if self.on_schema(schema).privileges.has(Privileges::USAGE) {
            return Ok(());
        }
        Err(Error::new(code::INSUFFICIENT_PRIVILEGE, format!("permission denied for schema {}", schema.name)))
    }
}

/// How far a stream, table or view is.
#[derive(Clone, Debug, Default)]
pub struct RelationStatus {
    pub id: u32,
    /// `running`, `backfilling`, `failed`; `ready` for streams.
    pub state: String,
    /// Position up to which it is folded; for a stream the end of its events.
    pub position: Position,
    /// Events not yet folded.
    pub lag: u64,
    /// Part of the history folded, 0 to 1.
    pub progress: f64,
    pub rows: u64,
    pub state_bytes: u64,
    /// Of the files that older rows of a view stand in which only grows.
    pub file_bytes: u64,
    pub events: u64,
    /// Why it failed.
    pub error: Option<String>,
    /// The SQLSTATE of what made it fail.
    pub sqlstate: Option<String>,
    /// The event that made it fail, if it was found.
    pub failed_position: Option<Position>,
    /// Rows left out because an expression errs for them.
    pub left_out: i64,
}

/// How far everything is: relations in the order of the catalog, and the operators of those that are folded.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    pub relations: Vec<RelationStatus>,
    pub operators: Vec<OperatorStatus>,
}

/// One operator of a dataflow.
#[derive(Clone, Debug, Default)]
pub struct OperatorStatus {
    pub relation: u32,
    /// 0-based, in the order of EXPLAIN.
    pub ordinal: u32,
    pub depth: u32,
    pub operator: String,
    pub detail: String,
    pub rows_in: u64,
    pub rows_out: u64,
    pub state_bytes: u64,
    pub busy_us: u64,
}

/// One sealed segment.
#[derive(Clone, Debug, Default)]
pub struct SegmentStatus {
    pub relation: u32,
    pub file: String,
    pub first_position: Position,
    pub end_position: Position,
    pub rows: u64,
    pub bytes: u64,
    pub sha256: String,
}

/// One connection.
#[derive(Clone, Debug, Default)]
pub struct SessionStatus {
    pub process_id: i32,
    pub user: String,
    pub role: RoleId,
    /// After SET ROLE.
    pub current_role: RoleId,
    pub database: String,
    pub application: String,
    pub state: String,
    pub query: String,
    pub started_us: i64,
    /// `None` for who came by the socket file, or is in this process.
    pub ends: Option<Ends>,
}

/// The two ends of a connection over the network.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    pub client: SocketAddr,
    pub server: SocketAddr,
}

impl Ends {
    /// The address and the port of the client's end, and of the server's.
    pub fn shown(self) -> [(String, i32); 2] {
        [self.client, self.server].map(|end| (end.ip().to_canonical().to_string(), end.port().into()))
    }
}

/// The number of an advisory lock: one bigint, or two integers, which are other locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LockKey {
    One(i64),
    Two(i32, i32),
}

/// An advisory lock that a session holds or waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockStatus {
    pub key: LockKey,
    pub process_id: i32,
    pub shared: bool,
    pub granted: bool,
}

/// How far a long statement or dataflow is.
#[derive(Clone, Debug, Default)]
pub struct WorkStatus {
    /// `backfill`, `recovery`, `COPY FROM`, `COPY TO`, `rewrite`.
    pub kind: &'static str,
    /// `None` for the rows of a query.
    pub relation: Option<String>,
    pub relation_id: Option<u32>,
    /// The session whose statement it is; `None` for a dataflow.
    pub process_id: Option<i32>,
    pub phase: &'static str,
    /// Rows.
    pub done: u64,
    /// Rows, as far as is known.
    pub total: Option<u64>,
    /// Bytes that COPY has taken or given.
    pub bytes: u64,
    /// Rows per second since the phase began.
    pub per_second: Option<f64>,
    pub seconds_left: Option<f64>,
    /// When the phase began, in microseconds since 1970.
    pub started_us: i64,
}

/// A prepared statement of a session.
#[derive(Clone, Debug)]
pub struct PreparedStatus {
    pub name: String,
    pub statement: String,
    pub parameters: Vec<PgType>,
    /// Made by PREPARE, and not by a message of the protocol.
    pub from_sql: bool,
    pub prepared_us: i64,
}

/// A cursor of a session.
#[derive(Clone, Debug)]
pub struct CursorStatus {
    pub name: String,
    pub statement: String,
    pub hold: bool,
    pub binary: bool,
    pub scroll: bool,
    pub created_us: i64,
}

/// A system relation: where it lives, what it looks like, how its rows are made.
pub struct SystemRelation {
    pub schema: &'static str,
    pub name: &'static str,
    pub columns: fn() -> SchemaRef,
    pub rows: fn(&SystemContext) -> Result<RecordBatch>,
    /// It never has a row.
    pub is_empty: bool,
}
