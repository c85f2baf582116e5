use super::{RoutineWord, Signature};
use crate::catalog::{Name, RelationKind};

/// What COMMENT ON is about.
#[derive(Clone, Debug, PartialEq)]
pub enum CommentOn {
    Relation { kind: RelationKind, name: Name },
    Column { relation: Name, column: String },
    Trigger { name: String, table: Name },
    Type(Name),
    Function(RoutineWord, Signature),
    Schema(String),
    Database(String),
}
