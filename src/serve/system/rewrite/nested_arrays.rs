//! `unnest(ARRAY[[1, 2], [3, 4]])`: an array of several dimensions has its elements as rows (manual, chapter 9.19), where the planner takes
//! it for an array of arrays, and expands one of them.

use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, FunctionArguments, TableFactor};

use super::super::SystemContext;
use super::build::{bare, last_name};
use crate::error::Result;

/// The function.
const UNNEST: &str = "unnest";

/// Makes one dimension of what a call expands.
pub fn flattened(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    if let Expr::Function(f) = expr
        && last_name(&f.name) == UNNEST
        && let FunctionArguments::List(list) = &mut f.args
    {
        of_arguments(&mut list.args);
    }
    Ok(())
}

/// The same in FROM.
pub fn in_from(factor: &mut TableFactor) {
    match factor {
        TableFactor::UNNEST { array_exprs, .. } => array_exprs.iter_mut().for_each(flatten),
        TableFactor::Table { name, args: Some(args), .. } if last_name(name) == UNNEST => of_arguments(&mut args.args),
        TableFactor::Function { name, args, .. } if last_name(name) == UNNEST => of_arguments(args),
        _ => {}
    }
}

fn of_arguments(args: &mut [FunctionArg]) {
    for arg in args {
        if let FunctionArg::Unnamed(FunctionArgExpr::Expr(array)) = arg {
            flatten(array);
        }
    }
}

fn flatten(array: &mut Expr) {
    match array {
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => flatten(inner),
        Expr::Array(array) if !array.elem.is_empty() && array.elem.iter().all(|item| matches!(bare(item), Expr::Array(_))) => {
            let items = std::mem::take(&mut array.elem).into_iter().flat_map(|mut item| {
                flatten(&mut item);
                match without_parentheses(item) {
                    Expr::Array(inner) => inner.elem,
                    other => vec![other],
                }
            });
            array.elem = items.collect();
        }
        _ => {}
    }
}

fn without_parentheses(expr: Expr) -> Expr {
    match expr {
        Expr::Nested(inner) => without_parentheses(*inner),
        other => other,
    }
}
