//! Row level security: which rows of a relation a role may see, and which it may put there.
//!
//! Policies belong to their relation, and go with it. A role to which they apply ([`Catalog::secures`]) sees the rows that one at least of
//! the permissive policies and all of the restrictive ones let through; where there is none for what it does, no row.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Catalog, PUBLIC, Relation, RelationId, RoleId};

/// What is said of the rows of one relation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Security {
    /// ENABLE ROW LEVEL SECURITY
    #[serde(default)]
    pub enabled: bool,
    /// FORCE ROW LEVEL SECURITY: for the owner too.
    #[serde(default)]
    pub forced: bool,
    /// By name.
    #[serde(default)]
    pub policies: Vec<Policy>,
}

/// One policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// From the same numbers as those of relations.
    pub id: RelationId,
    pub name: String,
    /// It takes rows away from those that permissive policies let through.
    pub restrictive: bool,
    /// What it is for; `None` for everything.
    pub command: Option<Command>,
    /// To whom it applies; [`PUBLIC`] for everybody.
    pub roles: Vec<RoleId>,
    /// USING: the condition, as SQL text, for rows that are there.
    pub using: Option<String>,
    /// WITH CHECK: the one for rows that are put there, where it is another.
    pub check: Option<String>,
}

/// What a policy may be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    Select,
    Insert,
    Update,
    Delete,
}

impl Command {
    /// As SQL spells it.
    pub fn word(self) -> &'static str {
        match self {
            Command::Select => "SELECT",
            Command::Insert => "INSERT",
            Command::Update => "UPDATE",
            Command::Delete => "DELETE",
        }
    }

    /// pg_policy.polcmd
    pub fn letter(self) -> &'static str {
        match self {
            Command::Select => "r",
            Command::Insert => "a",
            Command::Update => "w",
            Command::Delete => "d",
        }
    }
}

/// A condition that each row has to meet.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The policy that says so, if it is a restrictive one.
    pub policy: Option<String>,
    /// As SQL text.
    pub sql: String,
}

impl Policy {
    /// The conditions that it has.
    pub fn texts(&self) -> impl Iterator<Item = &String> {
        self.using.iter().chain(&self.check)
    }

    /// The same, to be changed.
    pub fn texts_mut(&mut self) -> impl Iterator<Item = &mut String> {
        self.using.iter_mut().chain(&mut self.check)
    }

    /// The condition of a row that is put there.
    fn for_new(&self) -> Option<&String> {
        self.check.as_ref().or(self.using.as_ref())
    }
}

impl Security {
    /// True where nothing was ever said.
    pub fn is_none(&self) -> bool {
        *self == Security::default()
    }

    /// The policy of that name.
    pub fn policy(&self, name: &str) -> Option<&Policy> {
        self.policies.iter().find(|policy| policy.name == name)
    }

    /// What rows that are there have to meet for a role, which has the rights of these, to do that with them.
    pub fn conditions(&self, command: Command, roles: &BTreeSet<RoleId>) -> Vec<Condition> {
        self.gathered(command, roles, |policy| policy.using.as_ref())
    }

    /// What rows have to meet that it puts there by that.
    pub fn checks(&self, command: Command, roles: &BTreeSet<RoleId>) -> Vec<Condition> {
        self.gathered(command, roles, Policy::for_new)
    }

    fn gathered(&self, command: Command, roles: &BTreeSet<RoleId>, of: impl Fn(&Policy) -> Option<&String>) -> Vec<Condition> {
        let is_for = |policy: &&Policy| {
            policy.command.is_none_or(|of| of == command) && policy.roles.iter().any(|role| *role == PUBLIC || roles.contains(role))
        };
        let (restrictive, permissive): (Vec<&Policy>, Vec<&Policy>) =
            self.policies.iter().filter(is_for).partition(|policy| policy.restrictive);
        let any: Vec<String> = permissive.into_iter().filter_map(&of).map(|sql| format!("({sql})")).collect();
        if any.is_empty() {
            return vec![Condition { policy: None, sql: "false".into() }];
        }
        let all =
            restrictive.into_iter().filter_map(|policy| Some(Condition { policy: Some(policy.name.clone()), sql: of(policy)?.clone() }));
        std::iter::once(Condition { policy: None, sql: any.join(" OR ") }).chain(all).collect()
    }
}

impl Catalog {
    /// True if some relation has row level security enabled.
    pub fn has_security(&self) -> bool {
        self.secured > 0
    }

    /// True if the policies of a relation apply to a role: not to superusers and who has BYPASSRLS, and to its owner only where they are
    /// forced.
    pub fn secures(&self, relation: &Relation, role: RoleId) -> bool {
        let Security { enabled, forced, .. } = relation.security;
        enabled && !self.roles().bypasses_policies(role) && (forced || !self.roles().inherits(role).contains(&relation.owner))
    }

    /// A relation whose policies apply to who owns this one, which holds what it read of that: as there is one answer of it for everybody, it
    /// has rows that its owner may not see. Cost, where no relation has policies: none.
    pub fn unsecured_source(&self, relation: &Relation) -> Option<&Arc<Relation>> {
        if !self.has_security() || relation.is_expanded() {
            return None;
        }
        self.secured_below(relation, &mut BTreeSet::new())
    }

    fn secured_below(&self, relation: &Relation, seen: &mut BTreeSet<RelationId>) -> Option<&Arc<Relation>> {
        if !seen.insert(relation.id) {
            return None;
        }
        let sources: Vec<&Arc<Relation>> = relation.depends_on.iter().filter_map(|id| self.by_id(*id)).collect();
        let secured = sources.iter().find(|source| self.secures(source, relation.owner));
        secured.copied().or_else(|| sources.into_iter().find_map(|source| self.secured_below(source, seen)))
    }

    /// True if a query of the relation depends on who asks, or did when this was what the catalog said of it: a plan may be older than the
    /// catalog, and have policies in it that hold no more, or none of those that hold now.
    pub fn is_guarded(&self, relation: &Relation) -> bool {
        if relation.security.enabled || !self.has_security() {
            return relation.security.enabled;
        }
        // It may have had another owner then.
        let now = self.by_id(relation.id).map_or(relation, |now| now.as_ref());
        now.security.enabled || self.unsecured_source(now).is_some()
    }

    /// The policies of all relations.
    pub fn policies(&self) -> impl Iterator<Item = (&Arc<Relation>, &Policy)> {
        self.relations().flat_map(|relation| relation.security.policies.iter().map(move |policy| (relation, policy)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_permissive_policy_has_to_let_a_row_through_and_no_restrictive_one_may_keep_it_back() {
        let policy = |name: &str, restrictive, command, using: &str| Policy {
            id: 1,
            name: name.into(),
            restrictive,
            command,
            roles: vec![PUBLIC],
            using: Some(using.into()),
            check: None,
        };
        let security = Security {
            enabled: true,
            forced: false,
            policies: vec![
                policy("a", false, None, "x = 1"),
                policy("b", false, Some(Command::Select), "y"),
                policy("c", true, Some(Command::Select), "z"),
            ],
        };
        let told = |command| security.conditions(command, &BTreeSet::new()).into_iter().map(|c| c.sql).collect::<Vec<_>>();
        assert_eq!(told(Command::Select), ["(x = 1) OR (y)", "z"]);
        assert_eq!(told(Command::Update), ["(x = 1)"]);
        let only_restrictive = Security { policies: security.policies[2..].to_vec(), ..security };
        assert_eq!(only_restrictive.conditions(Command::Select, &BTreeSet::new())[0].sql, "false");
    }
}
