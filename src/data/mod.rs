//! What flows through the server: values of PostgreSQL's types in Arrow batches, and deltas of them.

pub mod charset;
pub mod composites;
pub mod copy;
pub mod datetime;
pub mod decode;
pub mod delta;
pub mod encode;
pub mod enums;
pub mod escapes;
#[cfg(test)]
mod golden;
pub mod json;
pub mod network;
pub mod numeric;
mod opaque;
pub mod quoting;
pub mod row_file;
pub mod sha1;
pub mod text;
pub mod tid;
pub mod types;
pub mod verifier;

pub use composites::{Attribute, CompositeType};
pub use delta::Delta;
pub use enums::{EnumType, Enums};
pub use network::Network;
pub use row_file::{OpenRowFile, RowBatches, RowFile};
pub use types::PgType;
pub use verifier::{Secret, Verifier};

/// A global position: the number of events before it. The law: a view at position p holds its query over the events with position < p.
pub type Position = u64;

/// Names of the columns that the log adds behind every event's own columns, in this order: Int64, Int64, Timestamp(us, UTC), none null.
pub const POSITION: &str = "_position";
/// 0-based number of the event in its stream.
pub const OFFSET: &str = "_offset";
/// Event time; the commit time unless the event brings its own.
pub const TIME: &str = "_time";
/// Keyed tables only, before the three above: +1 upsert, -1 delete (Int8).
pub const OP: &str = "_op";
/// Tables without a key only: the position at which the row was inserted, null for an insertion itself (Int64).
pub const ROW: &str = "_row";
