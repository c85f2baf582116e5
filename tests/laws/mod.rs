//! The law and the promises, tested.
//!
//! - [`law`]: random schemas, histories and views; each view equals its query, after every batch of events, restart and crash.
//! - [`promises`]: one test for each promise of the design.
//! - [`bank`]: transfers among accounts under concurrent writers and readers, over TCP.
//! - [`failed`]: views that cannot fold a row: where they stop, what they leave out, restarts, limits.
//! - [`keys`]: changes by key and the constraints that they are checked by, against passes over whole tables.
//! - [`kill`]: the real binary is killed under load, again and again; nothing acknowledged is lost, nothing is there twice.
//! - [`ksql`]: what queries of ksqlDB's dialect derive, however events come and whatever happens to the server.
//! - [`locks`]: changes of the same rows by many sessions at once.
//! - [`notify`]: LISTEN and NOTIFY, changes of relations, advisory locks, from session to session.
//! - [`own`]: what a transaction reads of its own writes, as if they were committed; savepoints.
//! - [`row_files`] and [`shared_rows`]: rows of views that only grow, in files of their own and in the segments.
//! - [`restart`]: checkpoints that are used, missing or damaged; torn and flipped bytes in the log.
//!
//! Environment: `EVERFOLD_SEED` (a number) and `EVERFOLD_CASES` (how many cases) steer the random tests, `EVERFOLD_KILLS` how often
//! the server is killed, `EVERFOLD_POSTGRES` (a libpq connection string) with which PostgreSQL to compare.

mod bank;
mod clock;
mod database;
mod failed;
mod keys;
mod kill;
mod ksql;
mod law;
mod locks;
mod notify;
mod own;
mod promises;
mod restart;
mod row_files;
mod server;
mod shared_rows;
