//! Queries of ksqlDB's dialect as they are folded: record by record, in the order of positions.
//!
//! The life of a record: [`Input::changes`] reads it from Arrow as a [`Change`]; the operators of a [`Pipeline`], which the plan has made
//! of the query, pass it on, join it, group it, each seeing the state that the record before it left; [`Program`] turns what comes
//! out back into Arrow, and is the one operator of the view's flow as the rest of the fold sees it.
//!
//! The operators: [`Filter`], [`Project`], [`Explode`], [`Merge`], [`ToStream`] ([`stateless`]); [`Upsert`] makes a table of a stream
//! ([`table`]); [`AggregateSpec`] groups, without windows ([`aggregate`]), in windows of a fixed size ([`windows`]) and in sessions
//! ([`sessions`]); [`StreamJoin`], [`StreamTableJoin`], [`TableTableJoin`] and [`ForeignKeyJoin`] join; [`WithKey`], [`Stamp`] and
//! [`Restamp`] are at their edges ([`edges`]).
//!
//! Invariants: what an operator gives depends on its inputs alone, however positions are cut into steps (the property tests draw both);
//! an expression that errs is NULL for its record and never stops the query; an operator that is loaded goes on as the saved one.
//!
//! Decisions. ksqlDB's semantics is told record by record (stream time, grace, the order of what a join gives, updates that are
//! emitted one by one), so these operators are too, and rows are values rather than Arrow: see [`crate::func::ksql::value`]. Time is
//! the time of events: nothing here reads a clock.

pub mod aggregate;
mod change;
mod codec;
pub mod edges;
mod foreign_join;
mod pipeline;
mod program;
pub mod sessions;
pub mod stateless;
mod stream_join;
pub mod table;
mod table_join;
#[cfg(test)]
mod testing;
pub mod windows;

pub use aggregate::{AggregateSpec, Aggregation, WindowKind};
pub use change::{Change, Counts, Expr, Operator};
pub use edges::{Restamp, Since, Stamp, Versions, WithKey};
pub use foreign_join::ForeignKeyJoin;
pub use pipeline::{Input as Tree, Pipeline, Report};
pub use program::{Input, PSEUDO_COLUMNS, Program};
pub use stateless::{Explode, Filter, Merge, Project, TableFunction, ToStream};
pub use stream_join::{JoinKind, StreamJoin, StreamJoinSpec};
pub use table::Upsert;
pub use table_join::{StreamTableJoin, TableTableJoin};
