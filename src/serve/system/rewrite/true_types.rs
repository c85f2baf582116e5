//! Functions by which information_schema tells the types of columns, a domain's being those of what is beneath it (PostgREST):
//! `_pg_truetypid(a.*, t.*)` and `_pg_truetypmod(a.*, t.*)`. Here they are what PostgreSQL defines them as.

use sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::super::SystemContext;
use super::build::last_name;
use crate::error::{Error, Result};

/// More is no name of two tables.
const ARGUMENTS_BYTES_MAX: usize = 1_000;

/// Puts the definition in the place of a call.
pub fn spelled_out(expr: &mut Expr, _: &SystemContext) -> Result<()> {
    let Expr::Function(f) = expr else { return Ok(()) };
    let name = last_name(&f.name);
    if !name.starts_with("_pg_") {
        return Ok(());
    }
    let Some([a, b]) = arguments(f) else { return Ok(()) };
    // An argument stands in the definition several times.
    if a.len() + b.len() > ARGUMENTS_BYTES_MAX {
        return Ok(());
    }
    let sql = match name.as_str() {
        "_pg_truetypid" => format!("CASE WHEN {b}.typtype = 'd' THEN {b}.typbasetype ELSE {a}.atttypid END"),
        "_pg_truetypmod" => format!("CASE WHEN {b}.typtype = 'd' THEN {b}.typtypmod ELSE {a}.atttypmod END"),
        _ => return Ok(()),
    };
    let parsed = Parser::new(&PostgreSqlDialect {}).try_with_sql(&sql).and_then(|mut parser| parser.parse_expr());
    *expr = Expr::Nested(Box::new(parsed.map_err(|e| Error::internal(e.to_string()))?));
    Ok(())
}

/// The two arguments as text; of `a.*` the name.
fn arguments(f: &Function) -> Option<[String; 2]> {
    let FunctionArguments::List(list) = &f.args else { return None };
    let text = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(name)) => Some(name.to_string()),
        FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => Some(e.to_string()),
        _ => None,
    };
    let [a, b] = list.args.as_slice() else { return None };
    Some([text(a)?, text(b)?])
}
