//! What a query reads: snapshots of views, prefixes of streams, system relations.
//!
//! 1. A statement is planned over [`provider::RelationProvider`]s, which know a relation's columns but hold no rows; so its
//!    plan may be kept and run again.
//! 2. For each run the engine makes a [`cut::ReadCut`]: for every relation named, what it holds at one position.
//! 3. DataFusion asks the provider to scan; it finds the cut in the session's configuration and answers with the segments and
//!    the tail of a stream, or the chunks of a view's snapshot. Of a result it takes the way that conditions allow ([`access`]): to the rows
//!    ([`table`]) that have a key, or values of columns that an index begins with ([`keys`]); else it leaves out blocks of rows by the bounds
//!    that they set ([`bounds`]).
//!
//! Invariant: whatever a plan scans, it scans at the position of the one cut.

pub mod access;
pub mod bounds;
pub mod cut;
pub mod keys;
pub mod provider;
pub mod secured;
pub mod segments;
pub mod system;
pub mod table;
