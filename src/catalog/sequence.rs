//! Sequences: numbers that are given once.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{NamespaceId, RelationId, RoleId};

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
    /// The role that owns it while it goes with no table, see [`super::Catalog::sequence_owner`]; what was made before sequences had owners
    /// is the first superuser's.
    #[serde(default = "super::bootstrap", skip_serializing_if = "super::is_bootstrap")]
    pub role: RoleId,
}

/// All sequences, and up to where each may have given numbers.
#[derive(Clone, Debug, Default)]
pub struct Sequences {
    by_id: BTreeMap<RelationId, Arc<Sequence>>,
    reserved: BTreeMap<RelationId, i64>,
}

impl Sequences {
    pub(super) fn put(&mut self, sequence: Sequence) {
        self.by_id.insert(sequence.id, Arc::new(sequence));
    }

    pub(super) fn take(&mut self, id: RelationId) {
        self.by_id.remove(&id);
        self.reserved.remove(&id);
    }

    pub(super) fn reserve(&mut self, id: RelationId, last: i64) {
        self.reserved.insert(id, last);
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

    /// The last number that it may have given, when the catalog was opened or since the sequence was set; `None` before the first.
    pub fn reserved(&self, id: RelationId) -> Option<i64> {
        self.reserved.get(&id).copied()
    }
}
