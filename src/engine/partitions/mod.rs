//! Partitioned tables: CREATE TABLE .. PARTITION BY and PARTITION OF, ATTACH and DETACH PARTITION.
//!
//! Decision: a partitioned table is one table, and a partition a part of it by a condition ([`crate::catalog::Partitioning`]). Partitions that are
//! tables of their own would make every materialized view over the parent fold again whenever one comes or goes, and a key of all of them a
//! matter of several tables. What this costs: ATTACH and DETACH move rows, as events.
//!
//! 1. [`bounds`] reads what a statement says of a bound, and compares it with those of the other partitions.
//! 2. [`define`] makes partitions, and takes away the rows of those that are dropped; [`attach`] moves tables in and out.
//! 3. [`placing`] refuses rows: a statement's rows that are of no partition, when it has gathered all that it writes, as other rules of the table do; rows
//!    that are put into a partition and are not of it, before they are written. What a statement finds in a partition is filtered by its condition ([`Session::of_partition`]).
//!
//! What differs from PostgreSQL: a partition has its parent's defaults, constraints and columns in their order, and triggers name the table that the statement
//! names in `TG_TABLE_NAME`. A CHECK that is broken by way of the parent is told of the parent.
//!
//! [`Session::of_partition`]: super::session::Session::of_partition

mod attach;
mod bounds;
mod define;
mod placing;

pub(super) use define::{check_keys, check_rests_on_table, refuse_key_column};
pub(super) use placing::KnownConditions;
