//! `pg_partition_tree(t)` in FROM (manual, chapter 9.27.7). Nothing is partitioned here: the tree of a table is the table (psql's `\dP+`).

use sqlparser::ast::{FunctionArg, FunctionArgExpr, Ident, TableAlias, TableFactor};

use super::build::{derived, last_name};
use crate::error::Result;

const TREE: &str = "pg_partition_tree";

/// The tree as a derived table of one row.
pub fn tree(factor: &mut TableFactor) -> Result<()> {
    let TableFactor::Table { name, alias, args: Some(args), with_ordinality: false, .. } = factor else { return Ok(()) };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(root))] = args.args.as_slice() else { return Ok(()) };
    if last_name(name) != TREE {
        return Ok(());
    }
    let sql = format!("SELECT ({root})::regclass AS relid, NULL::regclass AS parentrelid, true AS isleaf, 0 AS level");
    let alias = alias.take().unwrap_or_else(|| TableAlias { explicit: true, name: Ident::new(TREE), columns: vec![], at: None });
    *factor = derived(&sql, true, alias)?;
    Ok(())
}
