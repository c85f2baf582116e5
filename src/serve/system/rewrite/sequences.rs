//! A sequence in FROM (manual, CREATE SEQUENCE): `SELECT last_value, is_called FROM numbers` (pg_dump, psql).

use sqlparser::ast::{Ident, TableAlias, TableFactor};

use super::super::SystemContext;
use super::super::facts::SET_FUNCTIONS;
use super::Ctes;
use super::build::{derived, last_name};
use crate::catalog::Privileges;
use crate::error::{Error, Result, code};
use crate::sql::convert::relation_name;

/// A sequence as the one row of what it is at. Errors: 42501 without the privilege to select from it.
pub fn as_relation(factor: &mut TableFactor, ctes: &Ctes, context: &SystemContext) -> Result<()> {
    let TableFactor::Table { name, alias, args: None, .. } = factor else { return Ok(()) };
    let Ok(wanted) = relation_name(name) else { return Ok(()) };
    if ctes.has(&wanted) || context.scope.find(&wanted).is_some() {
        return Ok(());
    }
    let Some(sequence) = context.scope.sequence(&wanted) else { return Ok(()) };
    context.check_usable(sequence.namespace)?;
    if !context.on_sequence(sequence).privileges.has(Privileges::SELECT) {
        return Err(Error::new(code::INSUFFICIENT_PRIVILEGE, format!("permission denied for sequence {}", sequence.name)));
    }
    let sql = format!("SELECT last_value, log_cnt, is_called FROM {SET_FUNCTIONS}.pg_sequence_state WHERE seqrelid = {}", sequence.id);
    let alias =
        alias.clone().unwrap_or_else(|| TableAlias { explicit: true, name: Ident::new(last_name(name)), columns: vec![], at: None });
    *factor = derived(&sql, false, alias)?;
    Ok(())
}
