//! What the tables of FROM are called (manual, chapter 7.2.1): each by a name of its own, and of this database.

use sqlparser::ast::{ObjectName, ObjectNamePart, Select, TableFactor};

use super::super::SystemContext;
use super::build::factors;
use super::queries::table_name;
use crate::error::{Error, Result, code};
use crate::sql::fold_name;

/// Errors: 42712 for a name that FROM has twice. Tables without an alias are told apart by their schemas.
pub fn named_once(select: &Select) -> Result<()> {
    let mut seen: Vec<(String, Option<&ObjectName>)> = Vec::new();
    for factor in factors(&select.from) {
        let Some(name) = table_name(factor) else { continue };
        let table = match factor {
            TableFactor::Table { name, alias: None, args: None, .. } => Some(name),
            _ => None,
        };
        let is_it = |other: Option<&ObjectName>| !matches!((other, table), (Some(other), Some(table)) if other != table);
        if seen.iter().any(|(other, of)| *other == name && is_it(*of)) {
            return Err(Error::new(code::DUPLICATE_ALIAS, format!("table name \"{name}\" specified more than once")));
        }
        seen.push((name, table));
    }
    Ok(())
}

/// Errors: 0A000 for TABLESAMPLE.
pub fn whole(factor: &TableFactor) -> Result<()> {
    match factor {
        TableFactor::Table { sample: Some(_), .. } | TableFactor::Derived { sample: Some(_), .. } => {
            let error = Error::unsupported("TABLESAMPLE is not supported");
            Err(error.hint("Filter by random(), or by a hash of the key, which gives the same rows each time."))
        }
        _ => Ok(()),
    }
}

/// Errors: 0A000 for a table of another database.
pub fn of_database(factor: &TableFactor, context: &SystemContext) -> Result<()> {
    let TableFactor::Table { name, .. } = factor else { return Ok(()) };
    let [ObjectNamePart::Identifier(database), ObjectNamePart::Identifier(schema), ObjectNamePart::Identifier(table)] = name.0.as_slice()
    else {
        return Ok(());
    };
    // Without a session, as where a stored view is planned, there is no name to compare with.
    if context.database.is_empty() || fold_name(database) == context.database {
        return Ok(());
    }
    let name = [database, schema, table].map(fold_name).join(".");
    let error = Error::unsupported(format!("cross-database references are not implemented: \"{name}\""));
    Err(error.hint("Leave the name of the database out."))
}
