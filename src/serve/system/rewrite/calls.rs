//! Calls with clauses that the function has no use for (manual, chapter 4.2.7): DataFusion would take no notice of them.

use sqlparser::ast::{DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments};

use super::super::SystemContext;
use super::super::facts::PROCS;
use super::build::last_name;
use crate::error::{Error, Result, code};

/// Errors: 42809 for DISTINCT, ORDER BY, FILTER or OVER with a function of single values, 42601 for DISTINCT of a star.
pub fn misused(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::Function(f) = &*expr else { return Ok(()) };
    let (mut distinct, mut ordered) = (false, false);
    if let FunctionArguments::List(list) = &f.args {
        distinct = matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct));
        ordered = list.clauses.iter().any(|clause| matches!(clause, FunctionArgumentClause::OrderBy(_)));
        if distinct && list.args.iter().any(|a| matches!(a, FunctionArg::Unnamed(FunctionArgExpr::Wildcard))) {
            return Err(Error::syntax("syntax error at or near \"*\""));
        }
    }
    let clauses = [(distinct, "DISTINCT"), (ordered, "ORDER BY"), (f.filter.is_some(), "FILTER"), (f.over.is_some(), "OVER")];
    let Some((_, clause)) = clauses.into_iter().find(|(given, _)| *given) else { return Ok(()) };
    let name = last_name(&f.name);
    if !is_plain(&name) {
        return Ok(());
    }
    let what = if clause == "OVER" { "a window function nor an aggregate function" } else { "an aggregate function" };
    Err(Error::new(code::WRONG_OBJECT_TYPE, format!("{clause} specified, but {name} is not {what}")))
}

/// Errors: 0A000 for a function of the row `t.*` that has not been given it. count() takes it as it is.
pub fn of_row(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::Function(Function { name, args: FunctionArguments::List(list), .. }) = &*expr else { return Ok(()) };
    let row = list.args.iter().find_map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(row)) => Some(row),
        _ => None,
    });
    match row.filter(|_| last_name(name) != "count") {
        Some(row) => {
            Err(Error::unsupported(format!("{}() of the whole row \"{row}\" is not supported", last_name(name))).hint("Name its columns."))
        }
        None => Ok(()),
    }
}

/// True for a function of PostgreSQL's that is neither an aggregate nor a window function.
fn is_plain(name: &str) -> bool {
    let mut kinds = PROCS.iter().filter(|p| p.name == name).map(|p| p.kind).peekable();
    kinds.peek().is_some() && kinds.all(|kind| kind == "f")
}
