//! Statements about roles, grants and owners, as written.

use crate::catalog::{Name, Privileges, RelationKind};
use crate::data::Secret;

use super::statement::{RoutineWord, Signature};

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub enum RoleStatement {
    /// `CREATE ROLE|USER|GROUP name [WITH] option ..`; a USER is one that may log in if the options do not say.
    Create { name: String, options: RoleOptions, in_roles: Vec<RoleName>, members: Vec<RoleName>, admins: Vec<RoleName> },
    /// `ALTER ROLE|USER name [WITH] option ..`
    Alter { role: RoleName, options: RoleOptions },
    /// `ALTER ROLE|USER|GROUP name RENAME TO name`
    Rename { from: String, to: String },
    /// `DROP ROLE|USER|GROUP [IF EXISTS] name, ..`
    Drop { names: Vec<String>, if_exists: bool },
    /// `GRANT role, .. TO role, .. [WITH ADMIN OPTION] [GRANTED BY role]`
    Join { roles: Vec<String>, members: Vec<RoleName>, admin: bool, by: Option<RoleName> },
    /// `REVOKE [ADMIN OPTION FOR] role, .. FROM role, .. [GRANTED BY role]`; with `admin_only` the membership stays.
    Leave { roles: Vec<String>, members: Vec<RoleName>, admin_only: bool, by: Option<RoleName> },
    /// `GRANT privileges ON objects TO role, .. [WITH GRANT OPTION] [GRANTED BY role]`
    Grant { privileges: Wanted, on: Target, to: Vec<RoleName>, option: bool, by: Option<RoleName> },
    /// `REVOKE [GRANT OPTION FOR] privileges ON objects FROM role, .. [GRANTED BY role] [CASCADE]`
    Revoke { privileges: Wanted, on: Target, from: Vec<RoleName>, option_only: bool, cascade: bool, by: Option<RoleName> },
    /// `ALTER DEFAULT PRIVILEGES ..`
    Defaults(NewDefaults),
    /// `SET [LOCAL] ROLE name|NONE` and `RESET ROLE`
    SetRole { name: Option<String>, local: bool, reset: bool },
    /// `SET [LOCAL] SESSION AUTHORIZATION name|DEFAULT` and its RESET
    SetSession { name: Option<String>, local: bool, reset: bool },
    /// `ALTER ROLE name|ALL SET setting ..|RESET setting|ALL`, and the same of `ALTER DATABASE name`
    Setting { of: SettingOf, change: SettingChange },
    /// `ALTER kind name OWNER TO role`; of a sequence without a kind
    Own { kind: Option<RelationKind>, name: Name, if_exists: bool, owner: RoleName },
    /// `REASSIGN OWNED BY role, .. TO role`
    Reassign { from: Vec<RoleName>, to: RoleName },
    /// `DROP OWNED BY role, .. [CASCADE]`
    DropOwned { roles: Vec<RoleName>, cascade: bool },
}

/// Whose sessions begin with a setting. There is one database, so its settings are everybody's.
#[derive(Clone, Debug, PartialEq)]
pub enum SettingOf {
    Role(RoleName),
    AllRoles,
    Database,
}

/// What becomes of settings with which sessions begin.
#[derive(Clone, Debug, PartialEq)]
pub enum SettingChange {
    /// `SET name = value`; without a value what DEFAULT or RESET say.
    To {
        name: String,
        value: Option<String>,
    },
    /// `SET name FROM CURRENT`
    FromCurrent(String),
    ResetAll,
}

/// A role as a statement names it.
#[derive(Clone, Debug, PartialEq)]
pub enum RoleName {
    Named(String),
    /// CURRENT_USER and CURRENT_ROLE
    Current,
    /// SESSION_USER
    Session,
    /// PUBLIC: everybody.
    Public,
}

/// Privileges as a statement lists them; `None` is ALL.
pub type Listed = Option<Privileges>;

/// What is in either list.
pub fn both(one: Listed, other: Listed) -> Listed {
    Some(one?.and(other?))
}

/// The privileges of GRANT and REVOKE.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// On the objects themselves: not one where all that is listed is on columns.
    pub whole: Listed,
    /// On a column of each object: its name, and what.
    pub columns: Vec<(String, Listed)>,
}

/// ALTER DEFAULT PRIVILEGES: what objects that are created from now on begin with.
#[derive(Clone, Debug, PartialEq)]
pub struct NewDefaults {
    /// Who creates them; the current role if nobody is named.
    pub owners: Vec<RoleName>,
    /// The schemas that they are in; whichever if none is named.
    pub schemas: Vec<String>,
    /// Sequences, and not relations.
    pub sequences: bool,
    pub privileges: Listed,
    pub grantees: Vec<RoleName>,
    pub change: DefaultsChange,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DefaultsChange {
    /// GRANT [WITH GRANT OPTION]
    Grant { option: bool },
    /// REVOKE [GRANT OPTION FOR]
    Revoke { option_only: bool },
}

/// What GRANT and REVOKE are about.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// Sequences too, which may be called tables.
    Relations(Vec<Name>),
    /// ALL TABLES IN SCHEMA
    AllIn(Vec<String>),
    Sequences(Vec<Name>),
    /// ALL SEQUENCES IN SCHEMA
    AllSequencesIn(Vec<String>),
    Routines(RoutineWord, Vec<Signature>),
    /// ALL FUNCTIONS, PROCEDURES or ROUTINES IN SCHEMA
    AllRoutinesIn(RoutineWord, Vec<String>),
    Schemas(Vec<String>),
    Databases(Vec<String>),
    /// Domains too.
    Types(Vec<Name>),
    Languages(Vec<String>),
}

/// Options of CREATE and ALTER ROLE; `None` where nothing is said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoleOptions {
    pub superuser: Option<bool>,
    pub inherit: Option<bool>,
    pub create_role: Option<bool>,
    pub create_db: Option<bool>,
    pub login: Option<bool>,
    pub bypass_rls: Option<bool>,
    pub connection_limit: Option<i32>,
    /// `Some(None)` is PASSWORD NULL.
    pub password: Option<Option<Secret>>,
    /// A timestamp as text.
    pub valid_until: Option<String>,
}
