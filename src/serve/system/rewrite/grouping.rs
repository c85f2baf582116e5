//! `ROLLUP ((a, b), c)` and `CUBE ((a, b), c)`, whose parentheses make one key of several expressions (manual, chapter 7.2.4):
//! DataFusion takes single expressions there, so they are written as the GROUPING SETS that they stand for.

use sqlparser::ast::{Expr, GroupByExpr, Select};

/// As many sets as PostgreSQL takes.
const SETS_MAX: usize = 4096;

/// Rewrites each of them.
pub fn expand(select: &mut Select) {
    if let GroupByExpr::Expressions(exprs, _) = &mut select.group_by {
        for expr in exprs {
            if let Some(sets) = sets(expr) {
                *expr = Expr::GroupingSets(sets);
            }
        }
    }
}

fn sets(expr: &Expr) -> Option<Vec<Vec<Expr>>> {
    let composite = |keys: &[Vec<Expr>]| keys.iter().any(|key| key.len() != 1);
    match expr {
        Expr::Rollup(keys) if composite(keys) => Some((0..=keys.len()).rev().map(|n| keys[..n].concat()).collect()),
        Expr::Cube(keys) if composite(keys) && 1usize.checked_shl(keys.len() as u32).is_some_and(|n| n <= SETS_MAX) => {
            let member = |set: usize| keys.iter().enumerate().filter(|(i, _)| set >> i & 1 == 1).flat_map(|(_, key)| key.clone()).collect();
            Some((0..1usize << keys.len()).map(member).collect())
        }
        _ => None,
    }
}
