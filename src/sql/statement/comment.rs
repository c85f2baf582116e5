//! What COMMENT ON is about.

use super::{RoutineWord, Signature};
use crate::catalog::{Name, RelationKind};
use crate::sql::roles::RoleName;

/// What COMMENT ON is about.
#[derive(Clone, Debug, PartialEq)]
pub enum CommentOn {
    Relation {
        kind: RelationKind,
        name: Name,
    },
    Column {
        relation: Name,
        column: String,
    },
    Trigger {
        name: String,
        table: Name,
    },
    Policy {
        name: String,
        table: Name,
    },
    Index(Name),
    Sequence(Name),
    /// A constraint, by its name, of a relation or a domain.
    Constraint {
        name: String,
        of: Name,
        domain: bool,
    },
    Type(Name),
    Function(RoutineWord, Signature),
    Schema(String),
    Database(String),
    Role(RoleName),
}
