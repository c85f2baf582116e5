//! WHERE CURRENT OF: UPDATE and DELETE of the row that a cursor stands on.
//!
//! The row is found by its key, whose columns must be among those that the cursor's query gives: the condition is that the key is what FETCH
//! has shown. So it is planned anew each time.

use std::borrow::Cow;

use sqlparser::ast::{Expr, SelectItem};

use super::change::{alias_of, select_of};
use super::{parsed_query, quoted};
use crate::catalog::Relation;
use crate::data::encode::{Style, cell_text};
use crate::data::quoting::literal;
use crate::engine::cursor::Cursor;
use crate::engine::session::Session;
use crate::error::{Error, Result, code};
use crate::plan::origin::Origin;
use crate::sql::statement::Change;

impl Session {
    /// The change with the condition that CURRENT OF stands for. Errors: 34000 for no such cursor, 24000 for one that stands on no row or is not
    /// of that table, 0A000 for one that does not give the key.
    pub(super) fn at_current_row<'a>(&self, relation: &Relation, change: &'a Change) -> Result<Cow<'a, Change>> {
        let Some(name) = change.cursor() else { return Ok(Cow::Borrowed(change)) };
        let missing = || Error::new(code::INVALID_CURSOR_NAME, format!("cursor \"{name}\" does not exist"));
        let cursor = self.cursors.get(&name).ok_or_else(missing)?;
        let condition = key_of_row(relation, alias_of(change), &name, cursor)?;
        Ok(Cow::Owned(Change { selection: Some(condition), ..change.clone() }))
    }
}

/// The condition that a row of a table is the one that a cursor stands on.
fn key_of_row(relation: &Relation, alias: &str, name: &str, cursor: &Cursor) -> Result<Expr> {
    let of_table = |origin: &Origin| origin.relation == relation.id;
    if !cursor.columns().iter().any(|column| column.origin.as_ref().is_some_and(of_table)) {
        let message = format!("cursor \"{name}\" is not a simply updatable scan of table \"{}\"", relation.name);
        return Err(Error::new(code::INVALID_CURSOR_STATE, message));
    }
    if relation.key.is_empty() {
        return Err(Error::unsupported("WHERE CURRENT OF is not supported on a table without a primary key")
            .hint("Give the table a PRIMARY KEY, or name the row by its columns."));
    }
    let Some(row) = cursor.row() else {
        return Err(Error::new(code::INVALID_CURSOR_STATE, format!("cursor \"{name}\" is not positioned on a row")));
    };
    let mut conditions = Vec::with_capacity(relation.key.len());
    for k in &relation.key {
        let column = &relation.columns[*k];
        let Some(at) = cursor.columns().iter().position(|c| c.origin.is_some() && c.origin == Origin::of(relation.id, *k)) else {
            return Err(Error::unsupported("WHERE CURRENT OF is not supported for a cursor that does not give the table's key")
                .hint(format!("Select the column \"{}\" in the cursor's query, too.", column.name)));
        };
        let mut text = Vec::new();
        cell_text(row.column(at), 0, &column.ty, &Style::default(), &mut text)?;
        let value = literal(&String::from_utf8_lossy(&text));
        conditions.push(format!("{}.{} = {value}::{}", quoted(alias), quoted(&column.name), column.ty.in_sql()));
    }
    let mut query = parsed_query(&format!("SELECT {}", conditions.join(" AND ")))?;
    match select_of(&mut query)?.projection.pop() {
        Some(SelectItem::UnnamedExpr(condition)) => Ok(condition),
        _ => Err(Error::internal("a condition is an expression")),
    }
}
