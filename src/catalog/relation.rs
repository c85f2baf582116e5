//! Streams, tables and views, as the catalog has them.

use std::sync::{Arc, OnceLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use super::{
    BOOTSTRAP, Bound, CLOCK_LOG, Comments, Constraint, Entry, FunctionId, Index, Ksql, NamespaceId, PUBLIC_NAMESPACE, Partitioning,
    RelationId, RoleId, Rule, Security, Trigger, TypeId, ViewOptions,
};
use crate::data::{OP, PgType, ROW};
use crate::error::{Error, Result, code, nearest};

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
    #[serde(with = "super::type_by_name")]
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

/// A relation: stream, table, materialized view or view.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Relation {
    pub id: RelationId,
    pub name: String,
    /// The schema that it is in; what was made before there were several is in the first.
    #[serde(default = "super::public", skip_serializing_if = "super::is_public")]
    pub namespace: NamespaceId,
    pub kind: RelationKind,
    pub columns: Vec<Column>,
    /// Indices of the primary key's columns; empty for none.
    pub key: Vec<usize>,
    /// What the primary key is called, if not as the table with `_pkey` behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_named: Option<String>,
    /// The query of a view, whose names are read along [`super::Path::kept`]; for streams and tables the statement that made it.
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
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub folded_again: u32,
    /// The role that owns it; what was made before there were roles is the first superuser's.
    #[serde(default = "super::bootstrap", skip_serializing_if = "super::is_bootstrap")]
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
