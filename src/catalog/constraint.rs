//! What rows of a table must satisfy besides their types.

use serde::{Deserialize, Serialize};

use super::RelationId;

/// A named rule about the rows of a table, besides its primary key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Constraint {
    /// From the same numbers as those of relations.
    pub id: RelationId,
    pub name: String,
    pub rule: Rule,
}

/// What a constraint says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Rule {
    /// No two rows have the same values in these columns, unless one of them is NULL.
    Unique(Vec<String>),
    /// The condition, as SQL text, is not false.
    Check(String),
    ForeignKey(ForeignKey),
}

/// The values of some columns, unless one is NULL, are those of a row of another table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForeignKey {
    pub columns: Vec<String>,
    /// The table referred to.
    pub parent: RelationId,
    /// Its columns, its primary key or those of a unique constraint.
    pub parent_columns: Vec<String>,
    pub on_delete: Action,
    pub on_update: Action,
    /// True if it is checked at COMMIT unless SET CONSTRAINTS says otherwise.
    pub deferred: bool,
    /// True if it may be deferred.
    pub deferrable: bool,
}

/// What becomes of rows that refer to a row that is deleted, or whose key changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    #[default]
    NoAction,
    Restrict,
    Cascade,
    SetNull,
    SetDefault,
}

impl Action {
    /// As pg_constraint.confdeltype has it.
    pub fn letter(self) -> char {
        match self {
            Action::NoAction => 'a',
            Action::Restrict => 'r',
            Action::Cascade => 'c',
            Action::SetNull => 'n',
            Action::SetDefault => 'd',
        }
    }

    /// As SQL spells it.
    pub fn word(self) -> &'static str {
        match self {
            Action::NoAction => "NO ACTION",
            Action::Restrict => "RESTRICT",
            Action::Cascade => "CASCADE",
            Action::SetNull => "SET NULL",
            Action::SetDefault => "SET DEFAULT",
        }
    }
}
