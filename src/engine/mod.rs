//! Where the parts meet. The life of a statement:
//!
//! 1. The wire hands text to [`Session::query`], or to [`Session::prepare`] and [`Session::execute`].
//! 2. [`crate::sql::parse()`] makes a [`crate::sql::Statement`] of it; [`execute`] is the one match over all of them.
//! 3. A query is planned by [`query`] over names, not rows, and [`planning`] says on which thread. When it runs, [`database::Engine::read_cut`] takes the log's head,
//!    has every table and view it names brought there by the [`runner`], and DataFusion runs it on those snapshots.
//! 4. A look-up by key skips all that: [`lookup`] probes the view's output. What comes as text, as in the simple protocol, is recognised by its [`shape`], of
//!    which [`plan_cache`] has the plan.
//! 5. INSERT, UPDATE, DELETE and COPY become batches of events ([`dml`], [`copy`]); outside BEGIN they are appended at once, inside
//!    at COMMIT, all of them at neighbouring positions ([`transaction`]). Until then only the session itself reads them ([`own`]); [`numbers`] says what their `xmin` is.
//!    What breaks a constraint of a table is refused there ([`constraints`]); numbers come from sequences ([`sequence`]), columns are
//!    computed of others ([`generated`]), and [`triggers`] run before and after.
//! 6. The log calls the runner, which steps the nodes that read what was appended.
//! 7. DDL ([`ddl`], [`likes`], [`alter`], [`indexes`], [`partitions`]) is an event of the log `_catalog`; opening a database ([`recovery`]) folds it, builds every node again, and loads
//!    the last [`checkpoint`].
//! 8. Where a view depends on `now()`, time is an event too ([`time`]).
//! 9. What functions do to their session is in [`acts`]; who is told what by LISTEN in [`notify`], who holds which advisory lock in [`advisory`].
//!    What a statement may do, [`privileges`] says when it runs; [`roles`], [`grants`], [`default_privileges`] and [`drop_owned`] change it.
//!    Which rows it sees, [`policies`] define and [`crate::plan::policies`] applies.
//!    Names are looked up along search_path ([`path`]), in schemas ([`schemas`]); texts that are kept have their dates in a form that every session reads alike ([`readings`]). A READ ONLY transaction may read all at one position ([`pinned`]).
//! 10. Functions, procedures and triggers with bodies run in [`plpgsql`], their statements as those of a client do. Temporary tables ([`temporary`])
//!     are their session's alone, and so are functions in `pg_temp`.
//! 11. How far long work is, [`progress`] counts and tells.
//! 12. A view that cannot fold an event fails, and only it; [`failure`] says where and why, and mends it.
//!
//! Invariants: only the runner moves nodes; only the log gives positions; a statement sees one catalog and one cut.

mod acts;
mod advisory;
pub mod alter;
mod branches;
pub mod checkpoint;
mod comment;
mod composites;
pub mod constraints;
pub mod context;
pub mod copy;
pub mod cursor;
pub mod cut;
pub mod database;
pub mod ddl;
mod default_privileges;
pub mod dml;
mod domains;
mod drop_owned;
mod events;
pub mod execute;
pub mod explain;
pub mod failure;
mod generated;
pub mod grants;
pub mod hooks;
pub mod identity;
mod in_place;
mod indexes;
pub mod ksql;
mod likes;
pub mod lookup;
mod modes;
pub mod node;
pub mod notify;
pub mod numbers;
mod order;
pub mod own;
mod partitions;
mod path;
mod pinned;
mod plan_cache;
pub mod planning;
mod plpgsql;
mod policies;
pub mod privileges;
pub mod progress;
pub mod query;
mod readings;
pub mod recovery;
mod rename;
mod role_settings;
pub mod roles;
pub mod runner;
mod schemas;
pub mod sequence;
pub mod session;
mod set;
pub mod settings;
mod shape;
mod sharing;
pub mod signal;
mod stars;
pub mod table_locks;
pub mod temporary;
pub mod time;
pub mod transaction;
mod triggers;
mod types;
mod upkeep;

pub use copy::{CopyIn, CopyOut};
pub use database::Engine;
pub use identity::Candidate;
pub use notify::Notification;
pub use session::{Column, OnPortals, Parameters, Prepared, Response, Session, TransactionStatus};
