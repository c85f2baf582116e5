//! What ALTER TYPE and ALTER DOMAIN do.

use super::roles::RoleName;
use super::statement::NewRule;
use crate::data::enums::Place;

/// What ALTER TYPE does.
#[derive(Clone, Debug, PartialEq)]
pub enum TypeChange {
    AddValue { label: String, if_not_exists: bool, place: Place },
    RenameValue { from: String, to: String },
    Rename(String),
    SetSchema(String),
    Own(RoleName),
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
