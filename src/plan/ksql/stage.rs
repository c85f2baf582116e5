//! A stage of a query: the operators so far, and what the columns of their rows are.

use crate::error::{Error, Result, code, nearest};
use crate::fold::ksql::{Operator, Tree};
use crate::func::ksql::Type;
use crate::sql::ksql::ast::WindowKind;

/// What a column is to the stage's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Key,
    /// WINDOWSTART or WINDOWEND of windowed rows.
    Bound,
    Value,
    /// ROWTIME, ROWPARTITION, ROWOFFSET: there for whoever names them.
    Pseudo,
    /// Made by the planner; found by its index only.
    Hidden,
}

/// A column of a stage's rows.
#[derive(Clone, Debug)]
pub struct StageColumn {
    /// The alias of the relation it comes from; `None` for what the planner has made.
    pub source: Option<String>,
    pub name: String,
    pub ty: Type,
    pub role: Role,
}

/// The operators so far, and their rows: n columns, of which `key` identify a row of a table.
pub struct Stage {
    pub tree: Tree,
    pub columns: Vec<StageColumn>,
    pub table: bool,
    /// The window of the rows, if they are windowed.
    pub window: Option<WindowKind>,
}

impl Stage {
    /// The same columns after one more operator.
    pub fn then(self, operator: impl Operator + 'static) -> Stage {
        Stage { tree: Tree::node(operator, vec![self.tree]), ..self }
    }

    /// Indices of the columns of the given role.
    pub fn of_role(&self, role: Role) -> impl Iterator<Item = usize> + '_ {
        (0..self.columns.len()).filter(move |i| self.columns[*i].role == role)
    }

    /// Indices of the columns that identify a row of a table: the key's, and the window's bounds.
    pub fn identity(&self) -> Vec<usize> {
        self.of_role(Role::Key).chain(self.of_role(Role::Bound)).collect()
    }

    /// The aliases of the relations that the columns come from, in order.
    pub fn sources(&self) -> Vec<&str> {
        let mut sources: Vec<&str> = Vec::new();
        for source in self.columns.iter().filter_map(|c| c.source.as_deref()) {
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
        sources
    }

    fn found<'a>(&'a self, source: Option<&'a str>, name: &'a str) -> impl Iterator<Item = usize> + 'a {
        let fits = move |c: &StageColumn| c.role != Role::Hidden && c.name == name && source.is_none_or(|s| c.source.as_deref() == Some(s));
        (0..self.columns.len()).filter(move |i| fits(&self.columns[*i]))
    }

    /// True if a column of this name is in more than one of the relations.
    pub fn clashes(&self, name: &str) -> bool {
        let mut sources: Vec<&Option<String>> = self.found(None, name).map(|i| &self.columns[i].source).collect();
        sources.dedup();
        sources.len() > 1
    }

    /// The index of the column that a reference names. Errors: 42703, 42702.
    pub fn resolve(&self, source: Option<&str>, name: &str) -> Result<usize> {
        let mut found = self.found(source, name);
        match (found.next(), found.next()) {
            (Some(index), None) => Ok(index),
            (Some(_), Some(_)) => Err(Error::new(code::AMBIGUOUS_COLUMN, format!("column \"{name}\" is ambiguous"))
                .hint("Write the relation's name or alias before it.")),
            (None, _) => Err(self.unknown(source, name)),
        }
    }

    fn unknown(&self, source: Option<&str>, name: &str) -> Error {
        if let Some(source) = source.filter(|s| !self.sources().contains(s)) {
            return Error::new(code::UNDEFINED_TABLE, format!("\"{source}\" is not a relation of this query"));
        }
        let error = Error::new(code::UNDEFINED_COLUMN, format!("column \"{name}\" does not exist"));
        let names = self.columns.iter().filter(|c| c.role != Role::Hidden).map(|c| c.name.as_str());
        match nearest(name, names) {
            Some(near) => error.hint(format!("Perhaps you meant the column \"{near}\".")),
            None => error,
        }
    }
}
