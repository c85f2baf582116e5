//! Everfold: a SQL event database.
//!
//! Clients speak the PostgreSQL protocol to it. Events are appended to an immutable log, kept as Arrow in memory and as
//! Parquet on disk; materialized tables fold those events into current state, incrementally and exactly.
//!
//! **The law.** A view at position p holds exactly what its query gives over the events with position < p.

pub mod catalog;
pub mod clock;
pub mod data;
pub mod engine;
pub mod error;
pub mod limits;
pub mod serve;
