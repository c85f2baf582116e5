//! Comments: what COMMENT ON says about a relation, its columns, a trigger, a type, a function, a schema, the database, and what else has a number.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Catalog, Column, FunctionId, RelationId, TypeId, name_after};

/// What a comment is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Subject {
    Relation(RelationId),
    /// A relation's column, by its name.
    Column(RelationId, String),
    /// A relation's trigger, by its name.
    Trigger(RelationId, String),
    Type(TypeId),
    Function(FunctionId),
    Schema(String),
    Database,
    Numbered(Numbered),
}

/// What has no place of its own for a comment, by the number that clients know it by. Numbers are given once, so that what is left of something
/// that was dropped is about nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Numbered {
    Sequence(u32),
    Index(u32),
    Constraint(u32),
    Role(u32),
    Policy(u32),
}

/// The comments on a relation and its columns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Comments {
    pub relation: Option<String>,
    /// By the column's name.
    pub columns: BTreeMap<String, String>,
}

impl Comments {
    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.relation.is_none() && self.columns.is_empty()
    }

    /// Puts a comment on the relation or on a column of it, or takes it away.
    pub fn put(&mut self, column: Option<&str>, text: Option<String>) {
        match (column, text) {
            (None, text) => self.relation = text,
            (Some(column), Some(text)) => drop(self.columns.insert(column.to_string(), text)),
            (Some(column), None) => drop(self.columns.remove(column)),
        }
    }

    /// The comments after the columns have changed: a column that was renamed in its place keeps its own, one that is gone loses it.
    pub fn follow(&mut self, before: &[Column], after: &[Column]) {
        let old = std::mem::take(&mut self.columns).into_iter();
        self.columns = old.filter_map(|(name, text)| Some((name_after(&name, before, after)?.to_string(), text))).collect();
    }
}

impl Catalog {
    /// The comments on what is known by its number.
    pub fn numbered_comments(&self) -> &BTreeMap<Numbered, String> {
        &self.numbered_comments
    }

    /// The comment on a schema, or on the database for "".
    pub fn comment_on(&self, schema: &str) -> Option<&str> {
        let text = match (self.comments.get(schema), schema) {
            (Some(text), _) => text,
            (None, "public") => "standard public schema",
            (None, _) => "",
        };
        Some(text).filter(|t| !t.is_empty())
    }
}
