//! Statements about triggers.

use crate::catalog::{Name, Timing, TriggerEvent};

/// A statement about triggers.
#[derive(Clone, Debug, PartialEq)]
pub enum TriggerStatement {
    /// `CREATE [OR REPLACE] TRIGGER`
    Create { new: NewTrigger, replace: bool },
    /// `ALTER TRIGGER name ON table RENAME TO`
    Rename { name: String, table: Name, to: String },
    /// `DROP TRIGGER [IF EXISTS] name ON table`
    Drop { name: String, table: Name, if_exists: bool },
}

/// What CREATE TRIGGER says.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTrigger {
    pub name: String,
    pub table: Name,
    pub timing: Timing,
    /// In their order, each once.
    pub events: Vec<TriggerEvent>,
    /// The columns of UPDATE OF.
    pub columns: Vec<String>,
    pub row: bool,
    /// OLD TABLE and NEW TABLE of REFERENCING.
    pub old_table: Option<String>,
    pub new_table: Option<String>,
    /// WHEN, as SQL text.
    pub condition: Option<String>,
    pub function: Name,
    pub arguments: Vec<String>,
}
