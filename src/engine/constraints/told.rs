//! What an error about a row may tell of it: what the role may read, and of a row that its own statement gives, what it may insert. What a
//! default, a generated column or a trigger has put there is not given by it.

use arrow::array::RecordBatch;

use super::shown;
use super::unique::Unique;
use crate::catalog::{Privileges, Relation, Timing, TriggerEvent};
use crate::engine::privileges::Authority;
use crate::engine::session::Session;
use crate::error::Result;

/// The bytes that are told of each value of a row.
const VALUE_BYTES: usize = 64;

impl Session {
    /// The DETAIL about a row that breaks a rule; `None` if the role may know nothing of it.
    pub(in crate::engine) fn failing_row(&self, relation: &Relation, row: &RecordBatch) -> Result<Option<String>> {
        if self.is_secured(relation) {
            return Ok(None);
        }
        let authority = self.own_authority();
        let whole = authority.may(Privileges::SELECT, relation);
        let columns: Vec<usize> = (0..relation.columns.len()).filter(|at| whole || self.tells(&authority, relation, [*at])).collect();
        if columns.is_empty() {
            return Ok(None);
        }
        let value = |at: &usize| shown(&relation.columns[*at].ty, row.column(*at), 0).map(clipped);
        let values = columns.iter().map(value).collect::<Result<Vec<_>>>()?.join(", ");
        if whole {
            return Ok(Some(format!("Failing row contains ({values}).")));
        }
        let names: Vec<&str> = columns.iter().map(|at| relation.columns[*at].name.as_str()).collect();
        Ok(Some(format!("Failing row contains ({}) = ({values}).", names.join(", "))))
    }

    /// True if the role may know what is in these columns, of which there is one at least, of a row that an error is about.
    pub(in crate::engine) fn may_tell(&self, relation: &Relation, columns: &[usize]) -> bool {
        // Nobody is told of rows that policies may keep from him.
        !self.is_secured(relation) && self.tells(&self.own_authority(), relation, columns.iter().copied())
    }

    /// The same of what a unique index compares.
    pub(super) fn may_tell_key(&self, relation: &Relation, unique: &Unique) -> bool {
        // What an expression tells of is any column.
        let columns = if unique.expressions.is_empty() { unique.columns.iter().copied().collect() } else { all_of(relation) };
        self.may_tell(relation, &columns)
    }

    fn tells(&self, authority: &Authority, relation: &Relation, columns: impl IntoIterator<Item = usize> + Clone) -> bool {
        let gives = || columns.clone().into_iter().all(|at| is_given(relation, at));
        let gives = self.gives_rows && gives() && authority.may_on(Privileges::INSERT, relation, columns.clone());
        gives || authority.may_on(Privileges::SELECT, relation, columns)
    }

    /// What the current role may do, while a check does what it may not.
    fn own_authority(&self) -> Authority {
        Authority::of(&self.authority.roles, self.identity.current)
    }
}

/// True if what an INSERT puts into a column is what it was given, or nothing.
fn is_given(relation: &Relation, column: usize) -> bool {
    let column = &relation.columns[column];
    let is_put = column.default.is_some() || column.generated.is_some() || column.identity.is_some();
    !is_put && relation.firing(Timing::Before, TriggerEvent::Insert, true, &[]).next().is_none()
}

fn all_of(relation: &Relation) -> Vec<usize> {
    (0..relation.columns.len()).collect()
}

/// As much of a value as is told of a row.
fn clipped(mut value: String) -> String {
    if value.len() > VALUE_BYTES {
        let end = (0..=VALUE_BYTES).rev().find(|at| value.is_char_boundary(*at)).unwrap_or_default();
        value.truncate(end);
        value.push_str("...");
    }
    value
}
