//! `WITH a (x) AS (SELECT 1, 2)`: the list names the first columns of a WITH query, and the others keep their names (manual, chapter 7.8).
//!
//! DataFusion wants a name for each. Where there may be fewer, the list goes to a table around the query, `SELECT * FROM (..) AS a (x)`,
//! whose other columns the planner names ([`crate::func`]); of a recursive query, around the part that is not recursive.

use sqlparser::ast::{Cte, Query, SelectItem, SetExpr, SetOperator, TableAlias};

use super::build::{all_of, query_of};
use crate::error::{Error, Result, code};
use crate::sql::fold_name;

/// Rewrites the WITH queries that name some of their columns. Errors: 42P10 for more names than columns.
pub fn of_first(query: &mut Query) -> Result<()> {
    let Some(with) = query.with.as_mut() else { return Ok(()) };
    with.cte_tables.iter_mut().try_for_each(|cte| named(cte, with.recursive))
}

fn named(cte: &mut Cte, recursive: bool) -> Result<()> {
    let names = cte.alias.columns.len();
    let columns = width(&cte.query.body);
    if names == 0 || columns == Some(names) {
        return Ok(());
    }
    if let Some(columns) = columns.filter(|columns| names > *columns) {
        let name = fold_name(&cte.alias.name);
        let message = format!("WITH query \"{name}\" has {columns} columns available but {names} columns specified");
        return Err(Error::new(code::INVALID_COLUMN_REFERENCE, message));
    }
    let alias = TableAlias { columns: std::mem::take(&mut cte.alias.columns), ..cte.alias.clone() };
    match cte.query.body.as_mut() {
        SetExpr::SetOperation { op: SetOperator::Union, left, .. } if recursive => {
            **left = *all_of(query_of(left.as_ref().clone())?, alias)?.body;
        }
        _ => *cte.query = all_of(cte.query.as_ref().clone(), alias)?,
    }
    Ok(())
}

/// How many columns a query has, if that is written there.
fn width(body: &SetExpr) -> Option<usize> {
    match body {
        SetExpr::Select(select) => {
            let single = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
            select.projection.iter().all(single).then_some(select.projection.len())
        }
        SetExpr::Query(query) => width(&query.body),
        SetExpr::SetOperation { left, .. } => width(left),
        SetExpr::Values(values) => values.rows.first().map(|row| row.content.len()),
        _ => None,
    }
}
