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
mod roles;
mod sequence;
mod trigger;
mod user_types;
mod view_options;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::data::{OP, PgType, ROW};
use crate::error::{Error, Result, code, nearest};
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
pub use roles::{
    BOOTSTRAP, BOOTSTRAP_NAME, CHECKPOINT, MONITOR, Membership, PUBLIC, READ_ALL_DATA, READ_ALL_SETTINGS, READ_ALL_STATS, Role, RoleChange,
    RoleId, Roles, SIGNAL_BACKEND, WRITE_ALL_DATA,
};

use namespace::Namespaces;
pub use sequence::{Beginning, Sequence, Sequences};
pub use trigger::{Timing, Trigger, TriggerEvent};
use user_types::UserTypes;
pub use user_types::{Domain, DomainCheck, TypeId, TypeKind, UserType};
pub use view_options::{SaidOfView, ViewOptions};

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

/// `_clock` as a view reads it. It is in no catalog: nobody names it.
pub fn clock() -> Relation {
    let now = Column { nullable: false, ..Column::new("now".into(), PgType::Timestamptz) };
    Relation::new(CLOCK_LOG, "_clock".into(), RelationKind::Stream, vec![now], String::new())
}

/// What a relation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RelationKind {
    /// Events, append-only.
    Stream,
    /// Rows fed by INSERT, UPDATE and DELETE, each an event; with a key the last event per key wins, without one it is a multiset.
    Table,
    /// A query kept up to date by folding.
    MaterializedView,
    /// A named query, expanded where it is used.
    View,
    /// Those rows of a partitioned table that satisfy a bound, see [`Partitioning`].
    Partition,
}

impl RelationKind {
    /// The word a user would use.
    pub fn word(self) -> &'static str {
        match self {
            RelationKind::Stream => "stream",
            RelationKind::Table | RelationKind::Partition => "table",
            RelationKind::MaterializedView => "materialized view",
            RelationKind::View => "view",
        }
    }

    /// The table access method by which PostgreSQL's clients tell streams from tables: oid and name in pg_am. `None` for views.
    pub fn access_method(self) -> Option<(u32, &'static str)> {
        match self {
            RelationKind::Stream => Some((9, "stream")),
            RelationKind::Table | RelationKind::MaterializedView | RelationKind::Partition => Some((2, "heap")),
            RelationKind::View => None,
        }
    }

    /// What CREATE TABLE .. USING that access method creates.
    pub fn of_access_method(name: &str) -> Option<RelationKind> {
        [RelationKind::Stream, RelationKind::Table].into_iter().find(|kind| kind.access_method().is_some_and(|(_, of)| of == name))
    }
}

/// A column of a relation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    /// The type, by [`PgType::kept_name`].
    #[serde(with = "type_by_name")]
    pub ty: PgType,
    /// Of a time: to how many decimals of a second its values are rounded, as `timestamp(3)` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<u8>,
    pub nullable: bool,
    /// DEFAULT expression, as SQL text.
    #[serde(default)]
    pub default: Option<String>,
    /// GENERATED .. AS IDENTITY: its default is the next number of a sequence of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// GENERATED ALWAYS AS (expression) STORED: the expression over the row's other columns, as SQL text. It has no default then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<String>,
    /// The domain that it is of: `ty` is the type beneath.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<TypeId>,
}

impl Column {
    /// A column that may be null and has no default.
    pub fn new(name: String, ty: PgType) -> Column {
        Column { name, ty, precision: None, nullable: true, default: None, identity: None, generated: None, domain: None }
    }

    /// True if it is of that type of a user, of an array of it, or of rows with attributes of it.
    pub fn is_of(&self, id: TypeId) -> bool {
        self.domain == Some(id) || self.ty.uses(id)
    }
}

/// What a column is called after a change of the columns: one that was renamed is in its place. `None` if it is gone.
pub fn name_after<'a>(name: &str, before: &[Column], after: &'a [Column]) -> Option<&'a str> {
    let kept = after.iter().find(|c| c.name == name);
    let in_place = || after.get(before.iter().position(|c| c.name == name)?).filter(|_| before.len() == after.len());
    kept.or_else(in_place).map(|c| c.name.as_str())
}

/// How an identity column takes values of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Identity {
    /// None, unless told to by OVERRIDING SYSTEM VALUE.
    Always,
    /// Any.
    ByDefault,
}

mod type_by_name {
    use super::PgType;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(ty: &PgType, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&ty.kept_name())
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<PgType, D::Error> {
        let name = String::deserialize(d)?;
        PgType::parse_kept(&name).map_err(|e| D::Error::custom(e.message()))
    }
}

/// A relation: stream, table, materialized view or view.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Relation {
    pub id: RelationId,
    pub name: String,
    /// The schema that it is in; what was made before there were several is in the first.
    #[serde(default = "public", skip_serializing_if = "is_public")]
    pub namespace: NamespaceId,
    pub kind: RelationKind,
    pub columns: Vec<Column>,
    /// Indices of the primary key's columns; empty for none.
    pub key: Vec<usize>,
    /// What the primary key is called, if not as the table with `_pkey` behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_named: Option<String>,
    /// The query of a view, whose names are read along [`Path::kept`]; for streams and tables the statement that made it.
    pub sql: String,
    /// The relations that the query names directly.
    pub depends_on: Vec<RelationId>,
    /// The functions of users that the query of a view was expanded of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<FunctionId>,
    /// What its rows must satisfy besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<Constraint>,
    /// Those that CREATE INDEX has made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<Index>,
    /// In the order of their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<Trigger>,
    /// Of a materialized view: rows for which one of its expressions errs are left out, rather than failing it.
    #[serde(default)]
    pub leaves_out: bool,
    /// How often a materialized view was begun anew for what its query does not show, as for other labels of a type.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub folded_again: u32,
    /// The role that owns it; what was made before there were roles is the first superuser's.
    #[serde(default = "bootstrap", skip_serializing_if = "is_bootstrap")]
    pub owner: RoleId,
    /// Of a relation made in ksqlDB's dialect: what that dialect knows about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ksql: Option<Box<Ksql>>,
    /// What COMMENT ON says about it and its columns.
    #[serde(default, skip_serializing_if = "Comments::is_empty")]
    pub comments: Comments,
    /// Which of its rows roles may see and put.
    #[serde(default, skip_serializing_if = "Security::is_none")]
    pub security: Security,
    /// How it is divided into partitions, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitioning: Option<Box<Partitioning>>,
    /// Of a partition: which rows it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<Box<Bound>>,
    /// Where a statement names a partition of it: that.
    #[serde(skip)]
    pub entry: Option<Arc<Entry>>,
    /// Of a plain view: how it is read.
    #[serde(default, skip_serializing_if = "ViewOptions::is_none")]
    pub view_options: ViewOptions,
    /// Made when first asked for: every INSERT needs them.
    #[serde(skip)]
    pub schemas: Schemas,
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

/// A relation's Arrow schemas, kept.
#[derive(Clone, Debug, Default)]
pub struct Schemas {
    rows: OnceLock<SchemaRef>,
    events: OnceLock<SchemaRef>,
}

impl Relation {
    /// The name of the primary key's constraint and index.
    pub fn key_name(&self) -> String {
        self.key_named.clone().unwrap_or_else(|| format!("{}_pkey", self.name))
    }

    /// A relation of the first schema without a key, of PostgreSQL's dialect, that depends on nothing.
    pub fn new(id: RelationId, name: String, kind: RelationKind, columns: Vec<Column>, sql: String) -> Relation {
        let (key, depends_on, constraints, indexes, triggers) = (vec![], vec![], vec![], vec![], vec![]);
        let (namespace, leaves_out, folded_again, owner, ksql) = (PUBLIC_NAMESPACE, false, 0, BOOTSTRAP, None);
        let (calls, comments, security, schemas) = (vec![], Comments::default(), Security::default(), Schemas::default());
        Relation {
            id,
            name,
            namespace,
            kind,
            columns,
            key,
            key_named: None,
            sql,
            depends_on,
            calls,
            constraints,
            indexes,
            triggers,
            leaves_out,
            folded_again,
            owner,
            ksql,
            comments,
            security,
            partitioning: None,
            bound: None,
            entry: None,
            view_options: ViewOptions::default(),
            schemas,
        }
    }

    /// The same relation with every column nullable.
    pub fn nullable(&self) -> Relation {
        let mut open = Relation { schemas: Default::default(), ..self.clone() };
        open.columns.iter_mut().for_each(|c| c.nullable = true);
        open
    }

    /// The user's columns as an Arrow schema.
    pub fn schema(&self) -> SchemaRef {
        let make = || Arc::new(Schema::new(self.columns.iter().map(|c| c.ty.field(&c.name, c.nullable)).collect::<Vec<Field>>()));
        self.schemas.rows.get_or_init(make).clone()
    }

    /// The columns of its events as they are appended: the user's, and for tables what says upsert or delete.
    pub fn event_schema(&self) -> SchemaRef {
        self.schemas.events.get_or_init(|| Arc::new(Schema::new(self.event_fields()))).clone()
    }

    fn event_fields(&self) -> Vec<Field> {
        let mut fields: Vec<Field> = self.columns.iter().map(|c| c.ty.field(&c.name, true)).collect();
        if self.kind == RelationKind::Table {
            fields.push(Field::new(OP, DataType::Int8, false));
            if self.key.is_empty() {
                fields.push(Field::new(ROW, DataType::Int64, true));
            }
        }
        fields
    }

    /// True if some of its columns are computed of the others.
    pub fn has_generated(&self) -> bool {
        self.columns.iter().any(|c| c.generated.is_some())
    }

    /// True if events are appended to it directly.
    pub fn has_log(&self) -> bool {
        matches!(self.kind, RelationKind::Stream | RelationKind::Table)
    }

    /// True if queries of ksqlDB's dialect write to it.
    pub fn is_written(&self) -> bool {
        self.ksql.as_ref().is_some_and(|k| !k.writers.is_empty())
    }

    /// True for a view of PostgreSQL's dialect, materialized or not: its text is a query.
    pub fn is_view(&self) -> bool {
        self.ksql.is_none() && !self.has_log() && !self.is_partition()
    }

    /// True for what holds no rows of its own: its query stands in the place of its name.
    pub fn is_expanded(&self) -> bool {
        matches!(self.kind, RelationKind::View | RelationKind::Partition)
    }

    /// True if it is folded: what it holds is kept by a node of the runner, and not only by its log.
    pub fn has_node(&self) -> bool {
        match self.kind {
            RelationKind::Table | RelationKind::MaterializedView => true,
            RelationKind::Stream => self.is_written(),
            RelationKind::View | RelationKind::Partition => false,
        }
    }

    /// The columns in which no two rows are the same, NULLs aside: of each UNIQUE, and of each unique index that says no more.
    pub fn unique_columns(&self) -> impl Iterator<Item = Vec<String>> {
        let rules = self.constraints.iter().filter_map(|constraint| match &constraint.rule {
            Rule::Unique(columns) => Some(columns.clone()),
            _ => None,
        });
        rules.chain(self.indexes.iter().filter_map(Index::unique_columns))
    }

    /// The column of that name, and its index.
    pub fn column(&self, name: &str) -> Result<usize> {
        let found = self.columns.iter().position(|c| c.name == name);
        found.ok_or_else(|| {
            let message = format!("column \"{name}\" of relation \"{}\" does not exist", self.name);
            let error = Error::new(code::UNDEFINED_COLUMN, message);
            match nearest(name, self.columns.iter().map(|c| c.name.as_str())) {
                Some(near) => error.hint(format!("Perhaps you meant the column \"{near}\".")),
                None => error,
            }
        })
    }
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
