//! Indexes as they were asked for.
//!
//! Tables are folded in memory and scanned in columns, so that an index makes no structure of its own: its definition is kept whole for
//! those who look for it. A unique one is a rule too, of which `crate::engine::constraints::unique` says how it is held.

use serde::{Deserialize, Serialize};

use super::{Column, RelationId, type_by_name};
use crate::data::PgType;

/// An index that CREATE INDEX has made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// From the same numbers as those of relations.
    pub id: RelationId,
    pub name: String,
    /// At first they were texts, under this name.
    #[serde(rename = "columns")]
    pub keys: Vec<IndexKey>,
    pub unique: bool,
    /// The columns of INCLUDE.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// NULLS NOT DISTINCT.
    #[serde(default)]
    pub nulls_equal: bool,
    /// The access method, in lower case.
    #[serde(default = "btree")]
    pub method: String,
    /// The condition of a partial index, as SQL text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicate: Option<String>,
    /// Storage parameters and their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<(String, String)>,
}

/// What an index has its entries by: one column of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "KeptKey")]
pub struct IndexKey {
    pub of: Indexed,
    /// The name of a collation other than the column's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collation: Option<String>,
    /// The name of an operator class other than the type's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opclass: Option<String>,
    #[serde(default)]
    pub descending: bool,
    #[serde(default)]
    pub nulls_first: bool,
}

/// What a column of an index holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Indexed {
    Column(String),
    /// SQL text, and its type.
    Expression {
        sql: String,
        #[serde(with = "type_by_name")]
        ty: PgType,
    },
}

/// A key as it is in the catalog: at first it was a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum KeptKey {
    Text(String),
    Whole {
        of: Indexed,
        #[serde(default)]
        collation: Option<String>,
        #[serde(default)]
        opclass: Option<String>,
        #[serde(default)]
        descending: bool,
        #[serde(default)]
        nulls_first: bool,
    },
}

impl From<KeptKey> for IndexKey {
    fn from(kept: KeptKey) -> Self {
        match kept {
            KeptKey::Text(text) => IndexKey::new(Indexed::Column(text)),
            KeptKey::Whole { of, collation, opclass, descending, nulls_first } => {
                IndexKey { of, collation, opclass, descending, nulls_first }
            }
        }
    }
}

fn btree() -> String {
    "btree".into()
}

impl IndexKey {
    /// In ascending order, NULLs last.
    pub fn new(of: Indexed) -> IndexKey {
        IndexKey { of, collation: None, opclass: None, descending: false, nulls_first: false }
    }

    /// The column that it is, if it is one.
    pub fn column(&self) -> Option<&String> {
        match &self.of {
            Indexed::Column(name) => Some(name),
            Indexed::Expression { .. } => None,
        }
    }

    /// The expression that it is, if it is one.
    pub fn expression(&self) -> Option<&String> {
        match &self.of {
            Indexed::Column(_) => None,
            Indexed::Expression { sql, .. } => Some(sql),
        }
    }
}

impl Index {
    /// The columns that are never the same in two rows, for a unique index that says no more than UNIQUE does.
    pub fn unique_columns(&self) -> Option<Vec<String>> {
        let plain = self.unique && self.predicate.is_none() && !self.nulls_equal;
        plain.then(|| self.keys.iter().map(|key| key.column().cloned()).collect())?
    }

    /// The columns that it begins with, in whose order it has all rows; none for one of some rows, or without an order.
    pub fn first_columns(&self) -> Vec<String> {
        let all_rows = self.predicate.is_none() && matches!(self.method.as_str(), "btree" | "hash");
        self.keys.iter().map_while(|key| key.column().cloned().filter(|_| all_rows)).collect()
    }

    /// The SQL texts in it: its expressions and its condition.
    pub fn texts(&self) -> impl Iterator<Item = &String> {
        self.keys.iter().filter_map(IndexKey::expression).chain(&self.predicate)
    }

    /// The same to be changed.
    pub fn texts_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let expressions = self.keys.iter_mut().filter_map(|key| match &mut key.of {
            Indexed::Expression { sql, .. } => Some(sql),
            Indexed::Column(_) => None,
        });
        expressions.chain(&mut self.predicate)
    }

    /// The names of the columns in it that are no expressions, to be changed.
    pub fn columns_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let keys = self.keys.iter_mut().filter_map(|key| match &mut key.of {
            Indexed::Column(name) => Some(name),
            Indexed::Expression { .. } => None,
        });
        keys.chain(&mut self.include)
    }

    /// Tells the expressions from the columns where both were texts: no column has the name.
    pub(super) fn settle(&mut self, columns: &[Column]) {
        for key in &mut self.keys {
            if let Indexed::Column(name) = &key.of
                && !columns.iter().any(|column| column.name == *name)
            {
                key.of = Indexed::Expression { sql: name.clone(), ty: PgType::Text };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Catalog, Change, Column, Relation, RelationKind};
    use super::*;

    #[test]
    fn an_index_that_was_kept_as_texts_is_read() {
        let kept = r#"{"id":17,"name":"i","columns":["a","lower(b)"],"unique":false}"#;
        let columns = vec![Column::new("a".into(), PgType::Int4), Column::new("b".into(), PgType::Text)];
        let mut relation = Relation::new(16, "t".into(), RelationKind::Table, columns, String::new());
        relation.indexes = vec![serde_json::from_str(kept).unwrap()];
        let catalog = Catalog::default().apply(&Change::Create(relation)).unwrap();
        let index = &catalog.by_id(16).unwrap().indexes[0];
        let expression = Indexed::Expression { sql: "lower(b)".into(), ty: PgType::Text };
        assert_eq!(index.keys, [IndexKey::new(Indexed::Column("a".into())), IndexKey::new(expression)]);
        assert_eq!((index.method.as_str(), &index.predicate, index.nulls_equal), ("btree", &None, false));
        assert_eq!(serde_json::from_str::<Index>(&serde_json::to_string(index).unwrap()).unwrap(), *index);
    }
}
