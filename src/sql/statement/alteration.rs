//! What ALTER of a relation changes.

use super::{NamedType, NewRule, SecurityChange, SequenceOptions, SqlType};
use crate::catalog::{Bound, Column, Identity, Name, SaidOfView};

/// One change that ALTER asks for.
#[derive(Clone, Debug)]
pub enum Alteration {
    /// `RESUME [SKIP]`: of a materialized view.
    Resume {
        skip: bool,
    },
    Rename(String),
    RenameColumn {
        from: String,
        to: String,
    },
    AddColumn {
        column: Column,
        /// The user's type that it has.
        named: Option<NamedType>,
        key: bool,
        rules: Vec<NewRule>,
        numbered: Option<SequenceOptions>,
        if_not_exists: bool,
    },
    DropColumn {
        name: String,
        if_exists: bool,
        cascade: bool,
    },
    /// ALTER COLUMN .. TYPE .. [USING expression].
    SetType {
        column: String,
        ty: SqlType,
        /// The decimals of a second that a type of times is given.
        precision: Option<u8>,
        using: Option<String>,
    },
    SetDefault {
        column: String,
        default: Option<String>,
    },
    SetNotNull {
        column: String,
        not_null: bool,
    },
    /// ADD GENERATED .. AS IDENTITY.
    AddIdentity {
        column: String,
        kind: Identity,
        options: SequenceOptions,
    },
    /// SET GENERATED, and options of the identity column's sequence.
    AlterIdentity {
        column: String,
        kind: Option<Identity>,
        options: SequenceOptions,
    },
    DropIdentity {
        column: String,
        if_exists: bool,
    },
    /// DROP EXPRESSION of a generated column.
    DropExpression {
        column: String,
        if_exists: bool,
    },
    AddRule(NewRule),
    DropRule {
        name: String,
        if_exists: bool,
    },
    RenameRule {
        from: String,
        to: String,
    },
    SetSchema(String),
    /// ENABLE and DISABLE TRIGGER; of all without a name.
    SwitchTriggers {
        name: Option<String>,
        enabled: bool,
    },
    /// ENABLE, DISABLE, FORCE and NO FORCE ROW LEVEL SECURITY.
    Security(SecurityChange),
    /// ATTACH PARTITION: a table becomes a partition.
    Attach {
        partition: Name,
        /// Its values are expressions.
        bound: Bound,
    },
    /// DETACH PARTITION: a partition becomes a table.
    Detach {
        partition: Name,
    },
    /// VALIDATE CONSTRAINT, which any that is there has passed.
    Validate(String),
    /// What is so already.
    Nothing,
    /// SET and RESET of how the table, or a column of it, is laid out in PostgreSQL's files: notices that they have no effect.
    Storage {
        column: Option<String>,
        told: Vec<String>,
    },
    /// SET and RESET of a view.
    OfView(SaidOfView),
}
