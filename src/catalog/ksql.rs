//! What ksqlDB's dialect knows about a relation beyond what PostgreSQL's does.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Catalog, Relation, RelationId};
use crate::data::Position;
use crate::func::ksql::Type;

/// A relation's side that ksqlDB's dialect sees.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ksql {
    /// The log's name. Relations that share a topic share its events: what is appended through one is appended to all of them.
    pub topic: String,
    /// The relation's columns, in their order: those of the key first.
    pub columns: Vec<KsqlColumn>,
    /// True for a table: the last row per key; false for a stream.
    pub table: bool,
    /// Where ROWTIME comes from, if not from the append.
    pub timestamp: Option<TimestampColumn>,
    /// True for a relation made with SOURCE, which nothing is appended through.
    pub read_only: bool,
    /// The kind of window of a windowed table's rows: TUMBLING, HOPPING or SESSION.
    pub window: Option<String>,
    /// The properties of WITH that say nothing about values, as given, by name.
    pub properties: BTreeMap<String, String>,
    /// What writes to it besides INSERT.
    pub writers: Vec<Writer>,
}

impl Ksql {
    /// True if it is written by what a query over its topic gives, which comes by itself to whoever declares that topic.
    pub fn reads_topic(&self) -> bool {
        self.writers.iter().any(|w| w.topic)
    }

    /// Indices of the columns that tell its rows apart: the key's, and a window's bounds.
    pub fn identity(&self) -> Vec<usize> {
        self.columns.iter().enumerate().filter(|(_, c)| c.key || c.bound).map(|(i, _)| i).collect()
    }
}

/// A column as ksqlDB's dialect names and types it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KsqlColumn {
    /// Folded as ksqlDB does: upper case unless it was quoted.
    pub name: String,
    #[serde(with = "type_by_name")]
    pub ty: Type,
    /// True for a column of the key.
    pub key: bool,
    /// True for WINDOWSTART and WINDOWEND of a windowed table, which follow the key.
    #[serde(default)]
    pub bound: bool,
}

/// `WITH (timestamp = column, timestamp_format = format)`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimestampColumn {
    pub column: String,
    pub format: Option<String>,
}

/// A persistent query.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Writer {
    /// `CSAS_NAME_7`, `CTAS_NAME_8`, `INSERTQUERY_9`, or as it was given.
    pub id: String,
    /// Its SELECT, as text.
    pub sql: String,
    /// What it was before it was replaced, the oldest first: events before each one's end are read as it says.
    #[serde(default)]
    pub earlier: Vec<Earlier>,
    /// It reads events before this position only: it was terminated there.
    pub until: Option<Position>,
    /// True while it is paused; it then goes on later from where it stands.
    #[serde(default)]
    pub paused: bool,
    /// True if it reads the topic of another relation, as this one declares it, and is no query of a user's.
    #[serde(default)]
    pub topic: bool,
    /// What it does not see of its relations.
    #[serde(default, skip_serializing_if = "Widths::is_empty")]
    pub widths: Widths,
    /// What its session had set of [`QUERY_PROPERTIES`].
    #[serde(default, skip_serializing_if = "Properties::is_empty")]
    pub properties: Properties,
}

/// Properties of a session on which the result of a query depends: a persistent query keeps those under which it was made.
pub const QUERY_PROPERTIES: [&str; 2] = ["ksql.functions.collect_list.limit", "ksql.functions.collect_set.limit"];

/// Values of properties, by name in lower case.
pub type Properties = BTreeMap<String, String>;

/// Of relations that have got columns since a query was made: how many each had then, which are those that the query sees.
pub type Widths = BTreeMap<RelationId, usize>;

impl Writer {
    /// Has it, and what it was before, see no more of a relation than these many columns, unless it sees fewer already.
    pub fn keep_width(&mut self, of: RelationId, columns: usize) {
        for widths in std::iter::once(&mut self.widths).chain(self.earlier.iter_mut().map(|e| &mut e.widths)) {
            widths.entry(of).or_insert(columns);
        }
    }

    /// True if it has ended for good; what it gave stays.
    pub fn is_terminated(&self) -> bool {
        self.until.is_some() && !self.paused
    }
}

/// A query as it was up to a position.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Earlier {
    /// Its SELECT, as text.
    pub sql: String,
    /// Where it was replaced.
    pub until: Position,
    #[serde(default, skip_serializing_if = "Widths::is_empty")]
    pub widths: Widths,
    #[serde(default, skip_serializing_if = "Properties::is_empty")]
    pub properties: Properties,
}

/// The name that PostgreSQL's dialect has for a name folded by ksqlDB's: one without lower-case letters in lower case, so that both
/// find it unquoted; others as they are.
pub fn plain_name(name: &str) -> String {
    if name.chars().any(char::is_lowercase) { name.to_string() } else { name.to_lowercase() }
}

/// The name that ksqlDB's dialect has for one of PostgreSQL's: the inverse of [`plain_name`].
pub fn ksql_name(plain: &str) -> String {
    if plain.chars().any(char::is_uppercase) { plain.to_string() } else { plain.to_uppercase() }
}

mod type_by_name {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::Type;

    pub fn serialize<S: Serializer>(ty: &Type, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&ty.to_string())
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Type, D::Error> {
        String::deserialize(d)?.parse().map_err(|e: crate::error::Error| D::Error::custom(e.message()))
    }
}

impl Catalog {
    /// The type that was given this name in ksqlDB's dialect.
    pub fn named_type(&self, name: &str) -> Option<&Type> {
        self.types.get(name)
    }

    /// All types that were given names, by name.
    pub fn named_types(&self) -> impl Iterator<Item = (&String, &Type)> {
        self.types.iter()
    }

    /// The relations made in ksqlDB's dialect, with what that knows about them.
    pub fn ksql_relations(&self) -> impl Iterator<Item = (&Arc<Relation>, &Ksql)> {
        self.relations.values().filter_map(|r| Some((r, r.ksql.as_deref()?)))
    }
}
