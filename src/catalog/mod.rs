//! What exists: the fold over the stream `_catalog`.
//!
//! A [`Catalog`] is an immutable value. A DDL statement becomes a [`Change`], which is appended to the log `_catalog` as one
//! event (a row with the change as JSON); [`Catalog::apply`] folds it into the next catalog. Opening a database folds all of them.
//! So the catalog as of a position is the fold of the changes before it, like everything else.

mod comments;
mod constraint;
mod functions;
mod index;
mod ksql;
mod namespace;
mod partition;
mod policies;
mod privileges;
mod relation;
mod roles;
mod sequence;
mod trigger;
mod user_types;
mod view_options;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, code};
use crate::func::ksql::Type;

pub use comments::{Comments, Numbered, Subject};
pub use constraint::{Action, Constraint, ForeignKey, Rule};
pub use functions::{Answers, Function, FunctionId, Language, Mode, Routine, RoutineKind, Volatility, listed};
pub use index::{Index, IndexKey, Indexed};
pub use ksql::{Earlier, Ksql, KsqlColumn, Properties, QUERY_PROPERTIES, TimestampColumn, Widths, Writer, ksql_name, plain_name};
pub use namespace::{
    Name, Namespace, NamespaceId, PUBLIC_NAMESPACE, Path, SYSTEM_NAMESPACES, Scope, TEMPORARY_NAME, TEMPORARY_NAMESPACE, told,
};
pub use partition::{Bound, Datum, Entry, Partitioning, Strategy, typed_literal};
pub use policies::{Command, Condition, Policy, Security};
pub use privileges::{Granted, NewObjects, Object, PRIVILEGES, Privileges};
pub use relation::{Column, Identity, Relation, RelationKind, Schemas, clock, name_after};
pub use roles::{
    BOOTSTRAP, BOOTSTRAP_NAME, CHECKPOINT, MONITOR, Membership, PUBLIC, READ_ALL_DATA, READ_ALL_SETTINGS, READ_ALL_STATS, Role, RoleChange,
    RoleId, Roles, SIGNAL_BACKEND, WRITE_ALL_DATA,
};

use namespace::Namespaces;
pub use sequence::{Beginning, Sequence, Sequences};
pub use trigger::{Timing, Trigger, TriggerEvent};
use user_types::UserTypes;
pub use user_types::{Domain, DomainCheck, TypeId, TypeKind, UserType};
pub use view_options::{CheckOption, SaidOfView, ViewOptions};

/// Number of a relation; its pg_class oid too. User relations start at [`FIRST_RELATION`].
pub type RelationId = u32;
/// The first id given to a user's relation, PostgreSQL's FirstNormalObjectId.
pub const FIRST_RELATION: RelationId = 16_384;
/// The log of the catalog itself.
pub const CATALOG_LOG: RelationId = 1;
/// The log of the time: its events, ticks, are what `now()` is in a materialized view.
pub const CLOCK_LOG: RelationId = 2;
/// The log of the numbers that transactions have taken.
pub const NUMBERS_LOG: RelationId = 3;

mod type_by_name {
    use crate::data::PgType;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(ty: &PgType, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&ty.kept_name())
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<PgType, D::Error> {
        let name = String::deserialize(d)?;
        PgType::parse_kept(&name).map_err(|e| D::Error::custom(e.message()))
    }
}

fn public() -> NamespaceId {
    PUBLIC_NAMESPACE
}

fn is_public(id: &NamespaceId) -> bool {
    *id == PUBLIC_NAMESPACE
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

fn bootstrap() -> RoleId {
    BOOTSTRAP
}

fn is_bootstrap(id: &RoleId) -> bool {
    *id == BOOTSTRAP
}

/// One change of the catalog: an event of `_catalog`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Change {
    Create(Relation),
    /// Drops these relations, dependents first.
    Drop(Vec<RelationId>),
    /// Drops a relation that nothing depends on and creates another of its name.
    Replace(RelationId, Relation),
    /// From now on the materialized view leaves out rows for which one of its expressions errs.
    LeaveOut(RelationId),
    /// Another definition of the relation of that id.
    Alter(Relation),
    /// Names a type of ksqlDB's dialect, given as it prints.
    CreateType(String, String),
    DropType(String),
    /// Creates a type of PostgreSQL's dialect, or replaces its definition.
    PutUserType(UserType),
    DropUserType(TypeId),
    /// Creates a function, or replaces its definition.
    PutFunction(Function),
    DropFunction(FunctionId),
    /// Creates a sequence, or replaces its definition.
    PutSequence(Sequence),
    DropSequence(RelationId),
    /// The counter of a sequence may have given its numbers up to this one.
    Reserve(RelationId, i64),
    /// Changes of roles and grants, all at once.
    Roles(Vec<RoleChange>),
    /// Gives relations to other owners.
    Own(Vec<(RelationId, RoleId)>),
    /// Puts a comment on something, or takes it away.
    Comment(Subject, Option<String>),
    /// Creates a schema, or gives one another name or owner.
    PutSchema(Namespace),
    /// Drops a schema in which there is nothing any more.
    DropSchema(NamespaceId),
}

/// A relation in the place of an old one, with the comments of that on what it still has.
fn commented(relation: &Relation, old: &Relation) -> Relation {
    let mut relation = relation.clone();
    relation.comments = old.comments.clone();
    relation.comments.follow(&old.columns, &relation.columns);
    relation
}

/// All relations, as of one position.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    relations: BTreeMap<RelationId, Arc<Relation>>,
    namespaces: Namespaces,
    /// Types that were given names in ksqlDB's dialect.
    types: BTreeMap<String, Type>,
    user_types: UserTypes,
    functions: BTreeMap<FunctionId, Arc<Function>>,
    pub sequences: Sequences,
    /// Who may do what.
    roles: Arc<Roles>,
    /// Comments on schemas by name, and on the database, which has none.
    comments: BTreeMap<String, String>,
    /// How many relations have row level security enabled.
    secured: usize,
    numbered_comments: BTreeMap<Numbered, String>,
    next: RelationId,
}

impl Catalog {
    /// The catalog after one more change. Errors: a change that does not fit, which means a damaged `_catalog`.
    pub fn apply(&self, change: &Change) -> Result<Catalog> {
        let mut next = self.clone();
        match change {
            Change::Create(relation) => {
                next.create(relation.clone());
                next.grant_defaults_on_relation(relation);
            }
            Change::Drop(ids) => {
                for id in ids {
                    let owned: Vec<RelationId> = next.sequences.owned_by(*id).map(|s| s.id).collect();
                    owned.into_iter().for_each(|sequence| next.take_sequence(sequence));
                    let gone = next.take(*id)?;
                    next.regrant(&gone, None);
                }
            }
            Change::Replace(old, relation) => {
                let gone = next.take(*old)?;
                next.create(commented(relation, &gone));
                next.regrant(&gone, Some(relation));
            }
            Change::LeaveOut(id) => {
                let relation = next.take(*id)?;
                next.create(Relation { leaves_out: true, ..relation.as_ref().clone() });
            }
            Change::Alter(relation) => {
                let old = next.take(relation.id)?;
                next.create(commented(relation, &old));
                next.regrant(&old, Some(relation));
            }
            Change::CreateType(name, ty) => {
                next.types.insert(name.clone(), ty.parse()?);
            }
            Change::DropType(name) => {
                next.types.remove(name);
            }
            Change::PutUserType(ty) => next.put_user_type(ty),
            Change::DropUserType(id) => next.take_user_type(*id)?,
            Change::PutFunction(function) => next.put_function(function),
            Change::DropFunction(id) => next.take_function(*id)?,
            Change::PutSequence(sequence) => {
                if next.sequences.get(sequence.id).is_none() {
                    next.grant_defaults_on_sequence(sequence);
                }
                next.next = next.next.max(sequence.id.max(sequence.counter()) + 1);
                next.sequences.put(sequence.clone());
            }
            Change::DropSequence(id) => next.take_sequence(*id),
            Change::Reserve(counter, last) => {
                // Also of one that was never committed: nothing else may get its number.
                next.next = next.next.max(counter + 1);
                next.sequences.reserve(*counter, *last);
            }
            Change::Roles(changes) => {
                let roles = Arc::make_mut(&mut next.roles);
                changes.iter().for_each(|change| roles.apply(change));
            }
            Change::Own(owners) => {
                for (id, owner) in owners {
                    let relation = next.take(*id)?;
                    next.create(Relation { owner: *owner, ..relation.as_ref().clone() });
                }
            }
            Change::Comment(subject, text) => next.comment(subject, text.clone())?,
            Change::PutSchema(namespace) => next.put_namespace(namespace),
            Change::DropSchema(id) => next.take_namespace(*id)?,
        }
        Ok(next)
    }

    fn create(&mut self, mut relation: Relation) {
        self.complete(&mut relation);
        let Relation { indexes, columns, .. } = &mut relation;
        indexes.iter_mut().for_each(|index| index.settle(columns));
        let numbers = relation.triggers.iter().map(|trigger| trigger.id).chain(relation.security.policies.iter().map(|policy| policy.id));
        self.next = numbers.chain([relation.id]).fold(self.next, |next, id| next.max(id + 1));
        relation.triggers.sort_by(|a, b| a.name.cmp(&b.name));
        self.secured += usize::from(relation.security.enabled);
        self.namespaces.enter(&relation);
        let (id, parent) = (relation.id, relation.parent());
        self.relations.insert(id, Arc::new(relation));
        parent.into_iter().chain([id]).for_each(|id| self.settle_partitions(id));
    }

    fn take(&mut self, id: RelationId) -> Result<Arc<Relation>> {
        let unknown = || Error::new(code::DATA_CORRUPTED, format!("_catalog names the unknown relation {id}"));
        let gone = self.relations.remove(&id).ok_or_else(unknown)?;
        self.namespaces.leave(&gone);
        self.secured -= usize::from(gone.security.enabled);
        gone.parent().into_iter().for_each(|parent| self.settle_partitions(parent));
        Ok(gone)
    }

    /// What was granted on a relation and its columns goes with them, or over to those in their place.
    fn regrant(&mut self, old: &Relation, new: Option<&Relation>) {
        self.move_grants(Object::Relation(old.id), new.map(|new| Object::Relation(new.id)));
        for column in self.roles.columns_granted(old.id) {
            let after = new.and_then(|new| Some(Object::Column(new.id, name_after(&column, &old.columns, &new.columns)?.to_string())));
            self.move_grants(Object::Column(old.id, column), after);
        }
    }

    fn move_grants(&mut self, old: Object, new: Option<Object>) {
        if new.as_ref() != Some(&old) && self.roles.mentions(&old) {
            Arc::make_mut(&mut self.roles).replace(&old, new);
        }
    }

    fn grant_defaults_on_relation(&mut self, relation: &Relation) {
        let on = NewObjects { owner: relation.owner, schema: Some(relation.namespace), sequences: false };
        self.grant_defaults(&Object::Relation(relation.id), &on, Privileges::on_relation(relation.kind));
    }

    fn grant_defaults_on_sequence(&mut self, sequence: &Sequence) {
        let on = NewObjects { owner: sequence.role, schema: Some(sequence.namespace), sequences: true };
        self.grant_defaults(&Object::Sequence(sequence.id), &on, Privileges::ON_SEQUENCE);
    }

    /// A new object begins with what ALTER DEFAULT PRIVILEGES says, unless it is its session's alone.
    fn grant_defaults(&mut self, object: &Object, on: &NewObjects, all: Privileges) {
        if on.schema != Some(TEMPORARY_NAMESPACE) && !self.roles.defaults_for(on).is_empty() {
            Arc::make_mut(&mut self.roles).grant_defaults(object, on, all);
        }
    }

    fn take_sequence(&mut self, id: RelationId) {
        self.sequences.take(id);
        self.move_grants(Object::Sequence(id), None);
    }

    /// The role that owns a sequence: the owner of the table that it goes with, if it does.
    pub fn sequence_owner(&self, sequence: &Sequence) -> RoleId {
        let table = sequence.owner.as_ref().and_then(|(id, _)| self.by_id(*id));
        table.map_or(sequence.role, |table| table.owner)
    }

    /// Grants and comments of a schema go by its name, and follow it.
    fn put_namespace(&mut self, namespace: &Namespace) {
        self.next = self.next.max(namespace.id + 1);
        let old = self.namespaces.put(namespace.clone()).filter(|old| old.name != namespace.name);
        if let Some(old) = old {
            self.rename_types_in(namespace.id);
            self.move_grants(Object::Schema(old.name.clone()), Some(Object::Schema(namespace.name.clone())));
            if let Some(text) = self.comments.remove(&old.name) {
                self.comments.insert(namespace.name.clone(), text);
            }
        }
    }

    fn take_namespace(&mut self, id: NamespaceId) -> Result<()> {
        let unknown = || Error::new(code::DATA_CORRUPTED, format!("_catalog names the unknown schema {id}"));
        let gone = self.namespaces.take(id).ok_or_else(unknown)?;
        self.move_grants(Object::Schema(gone.name.clone()), None);
        if self.roles.defaults().any(|(on, _, _)| on.schema == Some(id)) {
            Arc::make_mut(&mut self.roles).forget_schema(id);
        }
        self.comments.insert(gone.name.clone(), String::new());
        Ok(())
    }

    /// Who may do what. The pointer stays the same until a statement about roles and grants.
    pub fn roles(&self) -> &Arc<Roles> {
        &self.roles
    }

    fn comment(&mut self, subject: &Subject, text: Option<String>) -> Result<()> {
        match subject {
            Subject::Relation(id) | Subject::Column(id, _) => {
                let mut relation = self.take(*id)?.as_ref().clone();
                let column = if let Subject::Column(_, column) = subject { Some(column.as_str()) } else { None };
                relation.comments.put(column, text);
                self.create(relation);
            }
            Subject::Trigger(id, name) => {
                let mut relation = self.take(*id)?.as_ref().clone();
                relation.triggers.iter_mut().filter(|of| of.name == *name).for_each(|of| of.comment.clone_from(&text));
                self.create(relation);
            }
            Subject::Type(id) => {
                let unknown = || Error::new(code::DATA_CORRUPTED, format!("_catalog names the unknown type {id}"));
                let ty = self.user_type(*id).ok_or_else(unknown)?.as_ref().clone();
                self.put_user_type(&UserType { comment: text, ..ty });
            }
            Subject::Function(id) => {
                let unknown = || Error::new(code::DATA_CORRUPTED, format!("_catalog names the unknown function {id}"));
                let function = self.function(*id).ok_or_else(unknown)?.as_ref().clone();
                self.put_function(&Function { comment: text, ..function });
            }
            Subject::Schema(name) => drop(self.comments.insert(name.clone(), text.unwrap_or_default())),
            Subject::Database => drop(self.comments.insert(String::new(), text.unwrap_or_default())),
            Subject::Numbered(object) => match text {
                Some(text) => drop(self.numbered_comments.insert(*object, text)),
                None => drop(self.numbered_comments.remove(object)),
            },
        }
        Ok(())
    }

    /// The id that the next relation gets.
    pub fn next_id(&self) -> RelationId {
        self.next.max(FIRST_RELATION)
    }

    /// All relations by id.
    pub fn relations(&self) -> impl Iterator<Item = &Arc<Relation>> {
        self.relations.values()
    }

    /// The relation of that id.
    pub fn by_id(&self, id: RelationId) -> Option<&Arc<Relation>> {
        self.relations.get(&id)
    }

    /// The relations that name `id` in their query, directly.
    pub fn dependents(&self, id: RelationId) -> Vec<Arc<Relation>> {
        self.relations.values().filter(|r| r.depends_on.contains(&id)).cloned().collect()
    }

    /// `id` and everything that depends on it, dependents first.
    pub fn with_dependents(&self, id: RelationId) -> Vec<RelationId> {
        let mut all = Vec::new();
        self.visit_dependents(id, &mut BTreeSet::new(), &mut all);
        all
    }

    /// Relations in an order in which they can be dropped.
    pub fn dependents_first(&self, ids: &BTreeSet<RelationId>) -> Vec<RelationId> {
        let (mut seen, mut all) = (BTreeSet::new(), Vec::new());
        ids.iter().for_each(|id| self.visit_dependents(*id, &mut seen, &mut all));
        all.retain(|id| ids.contains(id));
        all
    }

    fn visit_dependents(&self, id: RelationId, seen: &mut BTreeSet<RelationId>, all: &mut Vec<RelationId>) {
        if seen.insert(id) {
            for dependent in self.dependents(id).iter().rev() {
                self.visit_dependents(dependent.id, seen, all);
            }
            all.push(id);
        }
    }
}
