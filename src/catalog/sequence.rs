//! Sequences: numbers that are given once.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{NamespaceId, RelationId, RoleId, TEMPORARY_NAMESPACE};

/// A sequence. The numbers it has given are not part of it: see [`Sequences::reserved`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sequence {
    /// From the same numbers as those of relations.
    pub id: RelationId,
    pub name: String,
    /// The schema that it is in, as of a relation.
    #[serde(default = "super::public", skip_serializing_if = "super::is_public")]
    pub namespace: NamespaceId,
    /// `smallint`, `integer` or `bigint`.
    pub ty: String,
    pub start: i64,
    /// Never 0.
    pub increment: i64,
    pub min: i64,
    pub max: i64,
    /// Begins anew at its end, instead of failing.
    pub cycle: bool,
    /// The table and the column that it goes with: it is dropped with them.
    pub owner: Option<(RelationId, String)>,
    /// How it has begun anew, if it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<Beginning>,
    /// The role that owns it while it goes with no table, see [`super::Catalog::sequence_owner`]; what was made before sequences had owners
    /// is the first superuser's.
    #[serde(default = "super::bootstrap", skip_serializing_if = "super::is_bootstrap")]
    pub role: RoleId,
}

/// A new beginning of a sequence. Its numbers are counted by an id of their own: who does not see a transaction's new beginning takes
/// numbers from where they were, and ROLLBACK leaves them there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Beginning {
    pub counter: RelationId,
    /// The number that is given first.
    pub first: i64,
}

impl Sequence {
    /// True for one of a temporary table: its numbers are forgotten with it.
    pub fn is_temporary(&self) -> bool {
        self.namespace == TEMPORARY_NAMESPACE
    }

    /// The id that its numbers are counted by.
    pub fn counter(&self) -> RelationId {
        self.begun.as_ref().map_or(self.id, |begun| begun.counter)
    }

    /// The number that it begins, or has begun, with.
    pub fn first(&self) -> i64 {
        self.begun.as_ref().map_or(self.start, |begun| begun.first)
    }
}

/// All sequences, and up to where each may have given numbers.
#[derive(Clone, Debug, Default)]
pub struct Sequences {
    by_id: BTreeMap<RelationId, Arc<Sequence>>,
    /// By counter.
    reserved: BTreeMap<RelationId, i64>,
}

impl Sequences {
    pub(super) fn put(&mut self, sequence: Sequence) {
        let counter = sequence.counter();
        if let Some(old) = self.by_id.insert(sequence.id, Arc::new(sequence)).filter(|old| old.counter() != counter) {
            self.reserved.remove(&old.counter());
        }
    }

    pub(super) fn take(&mut self, id: RelationId) {
        if let Some(sequence) = self.by_id.remove(&id) {
            self.reserved.remove(&sequence.counter());
        }
    }

    pub(super) fn reserve(&mut self, counter: RelationId, last: i64) {
        self.reserved.insert(counter, last);
    }

    /// All of them, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Sequence>> {
        self.by_id.values()
    }

    /// The sequence of that id.
    pub fn get(&self, id: RelationId) -> Option<&Arc<Sequence>> {
        self.by_id.get(&id)
    }

    /// Those that go with columns of a relation.
    pub fn owned_by(&self, relation: RelationId) -> impl Iterator<Item = &Arc<Sequence>> {
        self.by_id.values().filter(move |s| s.owner.as_ref().is_some_and(|(owner, _)| *owner == relation))
    }

    /// Those that go with one column of it.
    pub fn of_column(&self, relation: RelationId, column: &str) -> impl Iterator<Item = &Arc<Sequence>> {
        self.owned_by(relation).filter(move |s| s.owner.as_ref().is_some_and(|(_, owner)| owner == column))
    }

    /// The last number that a counter may have given when the catalog was opened; `None` before the first.
    pub fn reserved(&self, counter: RelationId) -> Option<i64> {
        self.reserved.get(&counter).copied()
    }
}
