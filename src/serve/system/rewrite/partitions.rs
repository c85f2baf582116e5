//! `pg_partition_tree(t)` and `pg_partition_ancestors(t)` in FROM (manual, chapter 9.27.7): derived tables of what functions give as arrays.

use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, Ident, TableAlias, TableFactor};

use super::build::{derived, last_name};
use crate::error::Result;

const TREE: &str = "pg_partition_tree";
const ANCESTORS: &str = "pg_partition_ancestors";

/// Puts in what such a function stands for.
pub fn in_from(factor: &mut TableFactor) -> Result<()> {
    let TableFactor::Table { name, alias, args: Some(args), with_ordinality, .. } = factor else { return Ok(()) };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(of))] = args.args.as_slice() else { return Ok(()) };
    let function = last_name(name);
    let sql = match (function.as_str(), *with_ordinality) {
        (TREE, false) => tree(of),
        (ANCESTORS, false) => {
            format!("SELECT ancestor.relid::regclass AS relid FROM unnest(pg_partition_ancestors({of})) AS ancestor (relid)")
        }
        (ANCESTORS, true) => format!(
            "SELECT ancestor.relid::regclass AS relid, ancestor.ordinality \
             FROM unnest(pg_partition_ancestors({of})) WITH ORDINALITY AS ancestor (relid, ordinality)"
        ),
        _ => return Ok(()),
    };
    let alias = alias.take().unwrap_or_else(|| TableAlias { explicit: true, name: Ident::new(&function), columns: vec![], at: None });
    *factor = derived(&sql, true, alias)?;
    Ok(())
}

fn tree(of: &Expr) -> String {
    format!(
        "SELECT part.relid::regclass AS relid, part.parentrelid::regclass AS parentrelid, part.isleaf, part.level \
         FROM unnest(pg_partition_tree_relations({of}), pg_partition_tree_parents({of}), pg_partition_tree_leaves({of}), \
         pg_partition_tree_levels({of})) AS part (relid, parentrelid, isleaf, level)"
    )
}
