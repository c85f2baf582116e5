//! MERGE.

use sqlparser::ast;

use crate::catalog::Name;

/// `MERGE INTO table USING source ON condition WHEN ..`
#[derive(Clone, Debug)]
pub struct Merge {
    pub with: Option<ast::With>,
    pub table: Name,
    pub alias: Option<String>,
    /// Each relation has an alias.
    pub source: ast::TableWithJoins,
    pub on: ast::Expr,
    /// Of those that fit a row the first one counts.
    pub whens: Vec<MergeWhen>,
}

/// What becomes of some rows.
#[derive(Clone, Debug)]
pub struct MergeWhen {
    /// True for rows of the source with a row of the table, false for those without.
    pub matched: bool,
    pub condition: Option<ast::Expr>,
    pub then: MergeAction,
}

#[derive(Clone, Debug)]
pub enum MergeAction {
    Nothing,
    Delete,
    /// What SET assigns, one column each.
    Update(Vec<(String, ast::Expr)>),
    /// No values for DEFAULT VALUES; no columns for all of them.
    Insert {
        columns: Vec<String>,
        values: Vec<ast::Expr>,
    },
}

impl Merge {
    /// The name that expressions call the table by.
    pub fn alias(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.table.name)
    }
}

impl MergeAction {
    /// The values that it puts into columns.
    pub fn values(&self) -> Vec<&ast::Expr> {
        match self {
            MergeAction::Nothing | MergeAction::Delete => vec![],
            MergeAction::Update(assignments) => assignments.iter().map(|(_, value)| value).collect(),
            MergeAction::Insert { values, .. } => values.iter().collect(),
        }
    }

    /// The same to be changed.
    pub fn values_mut(&mut self) -> Vec<&mut ast::Expr> {
        match self {
            MergeAction::Nothing | MergeAction::Delete => vec![],
            MergeAction::Update(assignments) => assignments.iter_mut().map(|(_, value)| value).collect(),
            MergeAction::Insert { values, .. } => values.iter_mut().collect(),
        }
    }
}
