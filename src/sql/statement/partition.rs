//! `CREATE TABLE .. PARTITION OF`.

use crate::catalog::{Bound, Name, Partitioning};

/// A partition that is to be made.
#[derive(Clone, Debug)]
pub struct NewPartition {
    pub name: Name,
    pub parent: Name,
    /// Its values are expressions.
    pub bound: Bound,
    /// How it is partitioned in its turn.
    pub partitioning: Option<Partitioning>,
    pub if_not_exists: bool,
    /// Notices of what has no effect.
    pub told: Vec<String>,
}
