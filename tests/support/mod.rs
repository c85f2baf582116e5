//! What the tests stand on: a real server, two clients, and scripts with recorded answers.
//!
//! - [`server::Server`] starts the binary on a free port and a directory of its own, and ends it when dropped.
//! - [`wire::Wire`] speaks the protocol message by message, so that a test sees what a driver would hide.
//! - [`script::check_script`] runs `tests/slt/*.slt` in both protocols and compares with what is recorded there.

pub mod programs;
pub mod script;
pub mod server;
pub mod wire;
