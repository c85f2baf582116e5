//! The names of the columns that a table of FROM has: of a relation from the catalog, of a subquery from its SELECT list.

use sqlparser::ast::{Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableAlias, TableFactor};

use super::super::SystemContext;
use super::super::facts;
use super::Ctes;
use super::build::{last_name, with_optional};
use super::queries::{DUPLICATE, name_of_item, table_name};
use crate::catalog::Name;
use crate::data::PgType;
use crate::limits;
use crate::sql::convert::relation_name;
use crate::sql::fold_name;

/// How deep the columns of a subquery are looked for.
const DEPTH_MAX: usize = 8;

/// Finds the names of columns.
#[derive(Clone, Copy)]
pub struct Columns<'a> {
    pub ctes: &'a Ctes,
    pub context: &'a SystemContext,
}

impl Columns<'_> {
    /// Those of one table of FROM, if they are known, `depth` queries further in.
    pub fn of_factor(&self, factor: &TableFactor, depth: usize) -> Option<Vec<String>> {
        if depth > DEPTH_MAX {
            return None;
        }
        let (alias, columns) = match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let wanted = relation_name(name).ok()?;
                let columns = match self.ctes.find(&wanted) {
                    Some(cte) => named_by(&cte.alias, self.of_query(&cte.query, depth)?),
                    None => match self.context.scope.find(&wanted) {
                        Some(relation) => relation.columns.iter().map(|c| c.name.clone()).collect(),
                        None if let Some(columns) = self.stand_in(&wanted) => columns.clone(),
                        None => {
                            let shape = facts::find(wanted.schema.as_deref().unwrap_or("pg_catalog"), &wanted.name)?;
                            shape.columns.iter().map(|(name, _)| name.to_string()).collect()
                        }
                    },
                };
                (alias, columns)
            }
            TableFactor::Derived { subquery, alias, .. } => (alias, self.of_query(subquery, depth)?),
            // The rows of a function, where all their columns are named.
            TableFactor::Table { alias: Some(alias), args: Some(_), .. }
            | TableFactor::Function { alias: Some(alias), .. }
            | TableFactor::UNNEST { alias: Some(alias), .. } => {
                let columns = alias.columns.iter().map(|column| fold_name(&column.name));
                return Some(columns.collect::<Vec<_>>()).filter(|columns| !columns.is_empty());
            }
            _ => return None,
        };
        Some(alias.as_ref().map_or(columns.clone(), |alias| named_by(alias, columns)))
    }

    fn stand_in(&self, wanted: &Name) -> Option<&Vec<String>> {
        let mut all = self.context.stand_ins.iter().filter(|_| wanted.schema.is_none());
        all.find(|(name, _)| *name == wanted.name).map(|(_, columns)| columns)
    }

    /// The types of the columns of a relation of the catalog.
    pub fn types_of(&self, factor: &TableFactor) -> Option<Vec<PgType>> {
        let TableFactor::Table { name, args: None, .. } = factor else { return None };
        let wanted = relation_name(name).ok()?;
        let relation = if self.ctes.has(&wanted) { None } else { self.context.scope.find(&wanted) };
        relation.map(|relation| relation.columns.iter().map(|c| c.ty.clone()).collect())
    }

    fn of_query(&self, query: &Query, depth: usize) -> Option<Vec<String>> {
        // What the query's own WITH names is not looked up here.
        if query.with.is_some() { None } else { self.of_body(&query.body, depth + 1) }
    }

    fn of_body(&self, body: &SetExpr, depth: usize) -> Option<Vec<String>> {
        match body {
            SetExpr::Select(select) => self.of_select(select, depth),
            SetExpr::Query(query) => self.of_query(query, depth),
            SetExpr::SetOperation { left, .. } => self.of_body(left, depth),
            SetExpr::Values(values) => Some((1..=values.rows.first()?.len()).map(|i| format!("column{i}")).collect()),
            _ => None,
        }
    }

    fn of_select(&self, select: &Select, depth: usize) -> Option<Vec<String>> {
        let mut columns = Vec::new();
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. } => {
                    columns.extend(name_of_item(item).map(|name| without_mark(&name)));
                }
                SelectItem::Wildcard(_) => {
                    for from in &select.from {
                        columns.extend(self.joined(&mut from.clone(), depth).ok()??.into_iter().map(|column| column.name));
                    }
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    let mut factors = select.from.iter().flat_map(with_optional).map(|(factor, _)| factor);
                    let factor = factors.find(|factor| table_name(factor).is_some_and(|table| table == last_name(name)))?;
                    columns.extend(self.of_factor(factor, depth)?);
                }
                _ => return None,
            }
        }
        (columns.len() <= limits::COLUMNS_MAX).then_some(columns)
    }
}

/// The columns under the names that an alias gives to the first of them.
fn named_by(alias: &TableAlias, mut columns: Vec<String>) -> Vec<String> {
    for (column, named) in columns.iter_mut().zip(&alias.columns) {
        *column = fold_name(&named.name);
    }
    columns
}

fn without_mark(name: &str) -> String {
    name.split(DUPLICATE).next().unwrap_or(name).to_string()
}
