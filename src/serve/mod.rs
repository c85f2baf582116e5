//! What a query reads: snapshots of views, prefixes of streams, system relations.

pub mod system;
