//! Streams and tables, as statements define them.

use super::{Like, NamedType, NewRule, OnCommit, SequenceOptions};
use crate::catalog::{Column, Name, Partitioning, RelationKind};

/// CREATE STREAM and CREATE TABLE.
#[derive(Clone, Debug)]
pub struct NewRelation {
    pub kind: RelationKind,
    /// True for a CREATE TABLE that leaves it to `default_table_access_method` what is created.
    pub by_default: bool,
    pub name: Name,
    pub columns: Vec<Column>,
    /// Indices into `columns`.
    pub key: Vec<usize>,
    pub key_named: Option<String>,
    pub rules: Vec<NewRule>,
    /// Columns that get a sequence of their own, with its options.
    pub numbered: Vec<(usize, SequenceOptions)>,
    /// LIKE among the columns. Where there is one, a primary key is among the rules: its columns may come from there.
    pub likes: Vec<Like>,
    /// Columns whose type is a user's; until they get it theirs is text.
    pub named: Vec<(usize, NamedType)>,
    pub if_not_exists: bool,
    /// Notices of what has no effect, as parameters of PostgreSQL's storage.
    pub told: Vec<String>,
    /// Of a temporary table.
    pub temporary: Option<OnCommit>,
    /// PARTITION BY
    pub partitioning: Option<Partitioning>,
}
