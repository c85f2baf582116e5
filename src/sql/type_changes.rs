//! What ALTER TYPE and ALTER DOMAIN do.

use super::roles::RoleName;
use super::statement::{NamedType, NewRule};
use crate::catalog::Column;
use crate::data::enums::Place;

/// What ALTER TYPE does.
#[derive(Clone, Debug, PartialEq)]
pub enum TypeChange {
    AddValue {
        label: String,
        if_not_exists: bool,
        place: Place,
    },
    RenameValue {
        from: String,
        to: String,
    },
    Rename(String),
    SetSchema(String),
    Own(RoleName),
    /// Of a composite type, all of them or none.
    Attributes(Vec<AttributeChange>),
}

/// What ALTER TYPE does to the attributes of a composite type.
#[derive(Clone, Debug, PartialEq)]
pub enum AttributeChange {
    Add(NewAttribute),
    /// Another type for the one of that name.
    Retype(NewAttribute),
    Drop {
        name: String,
        if_exists: bool,
    },
    Rename {
        from: String,
        to: String,
    },
}

/// An attribute as a statement defines it.
#[derive(Clone, Debug, PartialEq)]
pub struct NewAttribute {
    pub column: Column,
    /// The user's type that it has; until it gets that its type is text.
    pub named: Option<NamedType>,
}

/// What ALTER DOMAIN does, besides what ALTER TYPE does too.
#[derive(Clone, Debug)]
pub enum DomainChange {
    SetNotNull(bool),
    /// `None` takes it away.
    SetDefault(Option<String>),
    AddCheck(NewRule),
    DropCheck {
        name: String,
        if_exists: bool,
    },
    RenameCheck {
        name: String,
        to: String,
    },
    /// Every condition is checked when it is added.
    ValidateCheck(String),
}
