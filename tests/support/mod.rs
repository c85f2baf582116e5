//! What the tests stand on: a real server, two clients, and scripts with recorded answers.
//!
//! - [`server::Server`] starts the binary on a free port and a directory of its own, and ends it when dropped.
//! - [`wire::Wire`] speaks the protocol message by message, so that a test sees what a driver would hide.
//! - [`script::check_script`] runs `tests/slt/*.slt` in both protocols and compares with what is recorded there.
//! - [`suite::Suite`] keeps the views of `sql/nexmark` or `sql/tpch` and compares each with its query, and with [`postgres`].

pub mod nexmark;
pub mod postgres;
pub mod programs;
pub mod random;
pub mod script;
pub mod server;
pub mod suite;
pub mod tpch;
pub mod wire;
