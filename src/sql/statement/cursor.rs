//! Cursors: how they are declared, where they go, and the changes of the rows that they stand on.

use sqlparser::ast::{Expr, Ident};

use super::Change;
use crate::catalog::{Relation, RelationKind};
use crate::sql::fold_name;

/// What the dialect has before the name of a cursor where it reads `CURRENT OF cursor`.
pub const CURRENT_OF: &str = "current of";

/// How a cursor is declared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CursorOptions {
    /// WITH HOLD: it survives its transaction.
    pub hold: bool,
    /// SCROLL: it goes backward too.
    pub scroll: bool,
    /// BINARY: its rows are sent in binary form.
    pub binary: bool,
    /// INSENSITIVE: it shows nothing that is changed after it was declared, which is so of each one.
    pub insensitive: bool,
}

/// Where FETCH and MOVE take a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Over that many rows, backward if negative; 0 is the row at hand.
    By(i64),
    ForwardAll,
    BackwardAll,
    /// To the row of that number from 1, from the end if negative; 0 is before the first.
    Absolute(i64),
    /// To the row that many rows away.
    Relative(i64),
}

impl Change {
    /// True if its rows are those of a table under its own name: they have hidden columns.
    pub fn is_of_table(&self, relation: &Relation) -> bool {
        self.through.is_none() && relation.kind != RelationKind::View
    }

    /// The cursor of WHERE CURRENT OF.
    pub fn cursor(&self) -> Option<String> {
        let Some(Expr::Prefixed { prefix, value }) = &self.selection else { return None };
        match value.as_ref() {
            Expr::Identifier(name) if prefix.value == CURRENT_OF => Some(fold_name(name)),
            _ => None,
        }
    }

    /// Makes it a change WHERE CURRENT OF a cursor of that name, if it is one of any cursor.
    pub fn set_cursor(&mut self, name: &str) {
        if let Some(Expr::Prefixed { prefix, value }) = &mut self.selection
            && prefix.value == CURRENT_OF
        {
            **value = Expr::Identifier(Ident::with_quote('"', name));
        }
    }
}
