//! `SELECT columns.* FROM information_schema.columns`: a table of a schema is named without it too.

use sqlparser::ast::{ObjectName, ObjectNamePart, Select, SelectItem, SelectItemQualifiedWildcardKind, TableFactor};

use super::build::last_name;

/// Gives the wildcards of a select list the schema that FROM names the table with, as the planner wants it.
pub fn qualify(select: &mut Select) {
    for item in &mut select.projection {
        let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item else { continue };
        let [ObjectNamePart::Identifier(_)] = name.0.as_slice() else { continue };
        let wanted = last_name(name);
        let mut factors = select.from.iter().flat_map(|t| std::iter::once(&t.relation).chain(t.joins.iter().map(|j| &j.relation)));
        if let Some(full) = factors.find_map(|factor| qualified(factor, &wanted)) {
            *name = full.clone();
        }
    }
}

fn qualified<'a>(factor: &'a TableFactor, wanted: &str) -> Option<&'a ObjectName> {
    match factor {
        TableFactor::Table { name, alias: None, args: None, .. } if name.0.len() > 1 && last_name(name) == wanted => Some(name),
        _ => None,
    }
}
