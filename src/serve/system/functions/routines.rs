//! What functions tell about functions: PostgreSQL's, of which pg_proc has some, and those of users.

use super::Row;
use super::definitions::{names_of_types, oid};
use crate::catalog::{Answers, Column, Function, Volatility};
use crate::data::quoting::ident;
use crate::error::Result;
use crate::serve::system::SystemContext;
use crate::serve::system::facts::{PROCS, Proc};
use crate::serve::system::names;
use crate::serve::system::rows::Cell;

fn built_in(row: Row) -> Option<&'static Proc> {
    let oid = oid(row[0])?;
    PROCS.iter().find(|p| p.oid == oid)
}

fn of_user<'a>(context: &'a SystemContext, row: Row) -> Option<&'a Function> {
    context.scope.function(oid(row[0])?).map(AsRef::as_ref)
}

/// Visible without a schema. Null for an oid that nothing has.
pub fn is_visible(context: &SystemContext, row: Row) -> Result<Cell> {
    let of_user = of_user(context, row).map(|f| context.scope.is_visible_function(f));
    Ok(of_user.or_else(|| built_in(row).map(|_| true)).into())
}

pub fn arguments(context: &SystemContext, row: Row) -> Result<Cell> {
    told(context, row, |f| arguments_of(context, f, true))
}

pub fn identity_arguments(context: &SystemContext, row: Row) -> Result<Cell> {
    told(context, row, |f| arguments_of(context, f, false))
}

/// The parameters of a function: as `of_user` tells them, or the types of one of PostgreSQL's.
fn told(context: &SystemContext, row: Row, of_user: impl Fn(&Function) -> String) -> Result<Cell> {
    let known = self::of_user(context, row).map(of_user);
    Ok(known.or_else(|| built_in(row).map(|p| names_of_types(context, p.arguments))).into())
}

pub fn result(context: &SystemContext, row: Row) -> Result<Cell> {
    let known = of_user(context, row).map(|f| result_of(context, f));
    Ok(known.or_else(|| built_in(row).map(|p| result_type(context, p))).into())
}

pub fn definition(context: &SystemContext, row: Row) -> Result<Cell> {
    let text = |p: &Proc| {
        let (arguments, result) = (names_of_types(context, p.arguments), result_type(context, p));
        let name = p.name;
        format!(
            "CREATE OR REPLACE FUNCTION pg_catalog.{name}({arguments})\n RETURNS {result}\n LANGUAGE internal\nAS $function${name}$function$\n"
        )
    };
    let known = of_user(context, row).map(|f| definition_of(context, f));
    Ok(known.or_else(|| built_in(row).map(text)).into())
}

fn result_type(context: &SystemContext, proc: &Proc) -> String {
    let name = names::type_name(context, proc.returns, None).unwrap_or_else(|| "-".into());
    if proc.returns_set { format!("SETOF {name}") } else { name }
}

/// `name type`
fn named(column: &Column) -> String {
    match column.name.as_str() {
        "" => column.ty.to_string(),
        name => format!("{} {}", ident(name), column.ty),
    }
}

fn arguments_of(context: &SystemContext, function: &Function, defaults: bool) -> String {
    let input = |input: &Column| match input.default.as_ref().filter(|_| defaults) {
        Some(default) => format!("{} DEFAULT {}", named(input), names::shown_bare(context, default)),
        None => named(input),
    };
    let out = function.outputs.iter().filter(|_| function.answers == Answers::Out);
    let all = function.inputs.iter().map(input).chain(out.map(|output| format!("OUT {}", named(output))));
    all.collect::<Vec<_>>().join(", ")
}

fn result_of(context: &SystemContext, function: &Function) -> String {
    if function.answers == Answers::Table {
        return format!("TABLE({})", function.outputs.iter().map(named).collect::<Vec<_>>().join(", "));
    }
    let name = names::type_name(context, names::result_oid(context, function), None).unwrap_or_else(|| "record".into());
    if function.set { format!("SETOF {name}") } else { name }
}

fn definition_of(context: &SystemContext, function: &Function) -> String {
    let (schema, name) = (ident(context.scope.namespace_name(function.namespace)), ident(&function.name));
    let (arguments, result) = (arguments_of(context, function, true), result_of(context, function));
    let volatility = (function.volatility != Volatility::Volatile).then(|| format!(" {}", function.volatility));
    let strict = function.strict.then(|| " STRICT".to_string());
    let promises: String = volatility.into_iter().chain(strict).collect();
    let promises = if promises.is_empty() { promises } else { format!("{promises}\n") };
    let mut tag = "function".to_string();
    while function.source.contains(&format!("${tag}$")) {
        tag.push('x');
    }
    let body = match function.standard {
        true => function.source.clone(),
        false => format!("AS ${tag}${}${tag}$", function.source),
    };
    format!("CREATE OR REPLACE FUNCTION {schema}.{name}({arguments})\n RETURNS {result}\n LANGUAGE sql\n{promises}{body}\n")
}
