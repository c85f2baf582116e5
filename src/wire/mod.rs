//! Bytes <-> conversation: PostgreSQL's frontend/backend protocol 3.0 to 3.2, and the only place that knows it.
//!
//! The life of a connection:
//! 1. It comes in by a port, or by a socket among the files ([`listen`]); [`server::serve`] accepts it.
//! 2. `startup::negotiate` begins TLS if there is a certificate, takes cancel requests, settles the protocol version, reads user and settings;
//!    [`door`] has the client show who it is.
//! 3. `registry::Registry` gives it a line: its process id and secret, by which other connections cancel it.
//! 4. `connection::Connection::run` takes message after message: `simple.rs` for Query, `extended.rs` and `portals.rs` for Parse to Sync,
//!    `rows.rs` and `copy.rs` for what flows either way.
//! 5. The client says good-bye or is gone, or the server shuts down; the session is dropped, which rolls back what it left open.
//!
//! Invariants:
//! - *Bounded.* One connection holds at most one client message, one Arrow batch and about `socket::PENDING_BYTES` of answers:
//!   rows are pulled only as fast as the socket takes them, and reading ahead stops at `socket::AHEAD_BYTES`.
//! - *Cancellable.* Whatever waits, waits in `interrupt.rs`: for the work, the client's departure, a cancel request, the statement's
//!   deadline and the server's shutdown at once. A call into the session is asked to stop and then awaited (a commit under way must
//!   tell its outcome); a stream of rows is dropped on the spot.
//! - *Contained.* A panic in a statement is answered XX000 and ends its connection only.
//!
//! Decisions:
//! - Messages are read and written by hand (`read.rs`, `write.rs`). pgwire's decoders index into a message before they check
//!   its length, so a malformed Parse or Bind would panic, and they copy every name and value; here a value is a slice of the
//!   receive buffer. The tests hold our bytes against pgwire's codec and the tokio-postgres client.
//! - Answers are flushed when nothing is left to process, when a call has to wait, or past `socket::PENDING_BYTES`: a pipeline of
//!   n statements costs a system call or two, and nobody waits for an answer that is ready.
//! - A lone Execute before a Sync commits by itself; only where more follows is an implicit transaction opened around it.
//! - Everybody on this machine is let in until a role has a password; other addresses are refused at start until then.
//!
//! Manual: PostgreSQL, "Frontend/Backend Protocol" (chapter 54 of release 18).

mod backend;
mod charset;
mod connection;
mod copy;
pub mod door;
mod extended;
mod interrupt;
pub mod listen;
mod portals;
pub(crate) mod read;
mod registry;
mod rows;
mod scram;
pub mod server;
mod simple;
mod socket;
mod startup;
pub(crate) mod write;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use backend::{Backend, Host, Reply};
pub use registry::Registry;
