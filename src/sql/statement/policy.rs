//! Row level security, as statements say it.

use crate::catalog::{Command, Name};
use crate::sql::roles::RoleName;

/// What becomes of the row level security of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityChange {
    Enable,
    Disable,
    Force,
    NoForce,
}

/// A statement about a policy.
#[derive(Clone, Debug, PartialEq)]
pub enum PolicyStatement {
    /// CREATE POLICY; no command for ALL, no roles for PUBLIC.
    Create { name: String, table: Name, restrictive: bool, command: Option<Command>, said: PolicySaid },
    /// ALTER POLICY: what is not said stays.
    Alter { name: String, table: Name, said: PolicySaid },
    /// ALTER POLICY .. RENAME TO
    Rename { name: String, table: Name, to: String },
    /// DROP POLICY
    Drop { name: String, table: Name, if_exists: bool },
}

/// Roles and conditions of a policy, as far as they are said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PolicySaid {
    pub roles: Option<Vec<RoleName>>,
    /// As SQL text.
    pub using: Option<String>,
    pub check: Option<String>,
}
