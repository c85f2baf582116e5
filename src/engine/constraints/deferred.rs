//! Foreign keys that COMMIT checks, and SET CONSTRAINTS.
//!
//! What is noted of one is that it is due, and of which tables rows have been changed that it is about; what these rows are, the
//! transaction's events tell. So a table of which that is noted is not written anew before.

use std::collections::{BTreeMap, BTreeSet};

use super::references::{Link, foreign_key};
use crate::catalog::{ForeignKey, Name, Relation, RelationId};
use crate::engine::session::Session;
use crate::error::{Error, Result, code};

/// Rules that COMMIT checks: their ids, with the table of whose rows a change has made each due.
pub type Deferred = BTreeSet<(RelationId, RelationId)>;

/// What SET CONSTRAINTS has said in a transaction: deferred or not.
#[derive(Default, Clone)]
pub struct Deferring {
    /// Of all rules.
    all: Option<bool>,
    /// Of single ones since, by id.
    single: BTreeMap<RelationId, bool>,
}

impl Deferring {
    fn defers(&self, rule: RelationId, foreign: &ForeignKey) -> bool {
        foreign.deferrable && self.single.get(&rule).copied().or(self.all).unwrap_or(foreign.deferred)
    }
}

impl Session {
    pub(super) fn is_deferred(&self, foreign: &ForeignKey, rule: RelationId) -> bool {
        self.transaction.as_ref().is_some_and(|t| t.deferring.defers(rule, foreign))
    }

    /// Notes that COMMIT is to check a rule, since rows of a table have changed.
    pub(super) fn defer(&mut self, rule: RelationId, changed: RelationId) {
        if let Some(transaction) = &mut self.transaction {
            transaction.deferred.insert((rule, changed));
        }
    }

    /// True if rows that the transaction has put into the child may refer to nothing until COMMIT checks the rule.
    pub(super) fn may_refer_to_nothing(&self, rule: RelationId, child: RelationId) -> bool {
        self.transaction.as_ref().is_some_and(|t| t.deferred.contains(&(rule, child)))
    }

    /// Errors: 55006 for a table of whose rows a change is still to be checked: it cannot be made another one before.
    pub(in crate::engine) fn refuse_due(&self, relation: &Relation) -> Result<()> {
        let is_due = self.transaction.as_ref().is_some_and(|t| t.deferred.iter().any(|(_, changed)| *changed == relation.id));
        if !is_due {
            return Ok(());
        }
        let message = format!("cannot ALTER TABLE \"{}\" because it has pending trigger events", relation.name);
        Err(Error::new(code::OBJECT_IN_USE, message).hint("SET CONSTRAINTS ALL IMMEDIATE, or COMMIT, first."))
    }

    /// Checks the rules that were deferred, for all that the transaction has changed. Errors: 23503.
    pub(in crate::engine) async fn check_deferred(&mut self) -> Result<()> {
        self.check_due(|_| true).await
    }

    /// The same for some of them.
    async fn check_due(&mut self, asked: impl Fn(RelationId) -> bool) -> Result<()> {
        let Some(transaction) = self.transaction.as_mut().filter(|t| !t.deferred.is_empty()) else { return Ok(()) };
        let (due, others): (Deferred, Deferred) = std::mem::take(&mut transaction.deferred).into_iter().partition(|(rule, _)| asked(*rule));
        transaction.deferred = others;
        let due: BTreeSet<RelationId> = due.into_iter().map(|(rule, _)| rule).collect();
        let catalog = self.catalog();
        for child in catalog.relations() {
            for constraint in child.constraints.iter().filter(|c| due.contains(&c.id)) {
                if let Some(foreign) = foreign_key(constraint)
                    && let Some(parent) = catalog.by_id(foreign.parent)
                {
                    self.check_link(&Link::new(child, constraint, foreign, parent)?).await?;
                }
            }
        }
        Ok(())
    }

    /// Checks both sides of a rule for all that the transaction has changed.
    async fn check_link(&self, link: &Link<'_>) -> Result<()> {
        let begun = self.transaction.as_ref().map_or(0, |t| t.begun);
        self.check_referred(link, Some(&self.own_rows(link.child)?)).await?;
        if self.events_since(link.parent.id, begun).is_empty() {
            return Ok(());
        }
        let before = self.rows_before(link.parent, begun).await?;
        self.refuse_orphans(link, before.as_ref()).await
    }

    /// SET CONSTRAINTS: from now on in this transaction; what is no longer deferred is checked at once. Errors: 23503, and those of
    /// [`Session::deferrable`].
    pub(in crate::engine) async fn set_constraints(&mut self, names: &[Name], deferred: bool) -> Result<()> {
        let in_body = self.inside > 0;
        let in_block = self.transaction.as_ref().is_some_and(|t| !t.alone || in_body);
        if !in_block {
            let text = "SET CONSTRAINTS can only be used in transaction blocks";
            self.notice("WARNING", Error::new(code::NO_ACTIVE_SQL_TRANSACTION, text));
        }
        let mut rules = BTreeSet::new();
        for name in names {
            rules.extend(self.deferrable(name)?);
        }
        let Some(transaction) = self.transaction.as_mut().filter(|_| in_block) else { return Ok(()) };
        if names.is_empty() {
            transaction.deferring = Deferring { all: Some(deferred), single: BTreeMap::new() };
        }
        transaction.deferring.single.extend(rules.iter().map(|rule| (*rule, deferred)));
        if deferred { Ok(()) } else { self.check_due(|rule| names.is_empty() || rules.contains(&rule)).await }
    }

    /// The rules of that name, in the first schema that has any. Errors: 3F000, 42704, 42809 for one that cannot be deferred.
    fn deferrable(&self, name: &Name) -> Result<Vec<RelationId>> {
        let scope = self.scope();
        scope.check_schema(name)?;
        let refused = || Error::new(code::WRONG_OBJECT_TYPE, format!("constraint \"{}\" is not deferrable", name.name));
        let found = scope.look_up(name, |namespace| {
            let (mut rules, mut keys) = (Vec::new(), false);
            for relation in scope.relations_in(namespace) {
                keys |= !relation.key.is_empty() && relation.key_name() == name.name;
                rules.extend(relation.constraints.iter().filter(|c| c.name == name.name).cloned());
            }
            (keys || !rules.is_empty()).then_some((rules, keys))
        });
        match found {
            None => Err(Error::new(code::UNDEFINED_OBJECT, format!("constraint \"{}\" does not exist", name.name))),
            Some((_, true)) => Err(refused()),
            Some((rules, false)) => rules
                .iter()
                .map(|rule| foreign_key(rule).filter(|foreign| foreign.deferrable).map(|_| rule.id).ok_or_else(refused))
                .collect(),
        }
    }
}
