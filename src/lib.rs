//! Everfold: a SQL event database.
//!
//! Clients speak the PostgreSQL protocol to it. Events are appended to an immutable log, kept as Arrow in memory and as
//! Parquet on disk; materialized tables fold those events into current state, incrementally and exactly.
//!
//! **The law.** A view at position p holds exactly what its query gives over the events with position < p.

// The heads of modules are for those who read the code, and name private functions too.
#![allow(rustdoc::private_intra_doc_links)]

pub mod catalog;
pub mod cli;
pub mod clock;
pub mod config;
pub mod data;
pub mod engine;
pub mod error;
pub mod fold;
pub mod func;
pub mod limits;
pub mod log;
pub mod plan;
pub mod serve;
pub mod sql;
pub mod wire;

/// The PostgreSQL version whose behaviour clients may expect, followed by our own.
pub const SERVER_VERSION: &str = concat!("15.18 (Everfold ", env!("CARGO_PKG_VERSION"), ")");
