//! ksqlDB's values, types and functions.
//!
//! [`value::Value`] is a value and [`types::Type`] its type; [`columns`] carries them to and from Arrow, [`json`] to and from JSON,
//! [`cast`] from type to type. A [`Scalar`], an [`Aggregate`] or a [`table::TableFunction`] says by its [`signature`]s what it takes; all of
//! them are in one [`list`], and in PostgreSQL's dialect by way of [`udf`]. The planner turns an expression into a [`code::Code`], which evaluates it for a row.
//!
//! Invariants: no function panics on data, reads a clock or depends on hash order; what it cannot compute is an error, which its caller
//! makes the record's NULL.

pub mod aggregate;
pub mod arith;
pub mod cast;
pub mod code;
pub mod codec;
pub mod columns;
pub mod function;
pub mod json;
pub mod list;
pub mod pattern;
pub mod scalar;
pub mod show;
pub mod signature;
pub mod table;
pub mod types;
pub mod udf;
pub mod value;

pub use function::{Aggregate, AggregateCall, AggregateOverload, Call, Lambda, Nulls, Overload, Scalar};
pub use types::Type;
pub use value::{Row, Struct, Value};
