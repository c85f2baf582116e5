//! `SELECT columns.* FROM information_schema.columns`: a table of a schema is named without it too, and one on the path with it.

use sqlparser::ast::{ObjectName, ObjectNamePart, Select, SelectItem, SelectItemQualifiedWildcardKind, TableFactor};

use super::build::{factors, last_name};

/// Gives the wildcards of a select list the schema that FROM names the table with, as the planner wants it.
pub fn qualify(select: &mut Select) {
    for item in &mut select.projection {
        let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item else { continue };
        let (wanted, parts) = (last_name(name), name.0.len());
        let mut tables = factors(&select.from);
        match name.0.as_slice() {
            [ObjectNamePart::Identifier(_)] => {
                if let Some(full) = tables.find_map(|factor| qualified(factor, &wanted)) {
                    *name = full.clone();
                }
            }
            // The other way round: FROM leaves out the schema, which is on the path.
            [ObjectNamePart::Identifier(_), _] if tables.any(|factor| is_bare(factor, &wanted)) => drop(name.0.drain(..parts - 1)),
            _ => {}
        }
    }
}

fn is_bare(factor: &TableFactor, wanted: &str) -> bool {
    matches!(factor, TableFactor::Table { name, alias: None, args: None, .. } if name.0.len() == 1 && last_name(name) == wanted)
}

fn qualified<'a>(factor: &'a TableFactor, wanted: &str) -> Option<&'a ObjectName> {
    match factor {
        TableFactor::Table { name, alias: None, args: None, .. } if name.0.len() > 1 && last_name(name) == wanted => Some(name),
        _ => None,
    }
}
