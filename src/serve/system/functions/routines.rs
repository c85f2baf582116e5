//! What functions tell about functions: PostgreSQL's, of which pg_proc has some, and those of users.

use super::Row;
use super::definitions::{names_of_types, oid};
use crate::catalog::{Answers, Column, Function, Mode, RoutineKind, Volatility};
use crate::data::quoting::{ident, literal};
use crate::error::Result;
use crate::serve::system::SystemContext;
use crate::serve::system::facts::{PROCS, Proc};
use crate::serve::system::names;
use crate::serve::system::rows::Cell;
use crate::sql::respell;

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

/// The default of the parameter of that number, from 1.
pub fn argument_default(context: &SystemContext, row: Row) -> Result<Cell> {
    let number = row[1].and_then(|n| n.parse::<usize>().ok());
    let parameters = of_user(context, row).map(Function::parameters).unwrap_or_default();
    let parameter = number.and_then(|n| parameters.get(n.checked_sub(1)?)).filter(|(mode, _)| *mode != Mode::Out);
    Ok(parameter.and_then(|(_, column)| column.default.as_ref()).map(|default| names::shown_bare(context, default)).into())
}

/// The parameters of a function: as `of_user` tells them, or the types of one of PostgreSQL's.
fn told(context: &SystemContext, row: Row, of_user: impl Fn(&Function) -> String) -> Result<Cell> {
    let known = self::of_user(context, row).map(of_user);
    Ok(known.or_else(|| built_in(row).map(|p| names_of_types(context, p.arguments))).into())
}

pub fn result(context: &SystemContext, row: Row) -> Result<Cell> {
    let known = match of_user(context, row) {
        Some(f) => Some(f).filter(|f| f.kind() != RoutineKind::Procedure).map(|f| result_of(context, f)),
        None => built_in(row).map(|p| result_type(context, p)),
    };
    Ok(known.into())
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
fn named(context: &SystemContext, column: &Column) -> String {
    let ty = names::type_name(context, column.ty.oid(), None).unwrap_or_else(|| column.ty.to_string());
    match column.name.as_str() {
        "" => ty,
        name => format!("{} {ty}", ident(name)),
    }
}

fn arguments_of(context: &SystemContext, function: &Function, defaults: bool) -> String {
    let told = |(mode, column): (Mode, &Column)| {
        let way = match mode {
            Mode::In if function.variadic && function.inputs.last().is_some_and(|last| std::ptr::eq(last, column)) => "VARIADIC ",
            Mode::In if function.kind() == RoutineKind::Procedure => "IN ",
            Mode::In => "",
            Mode::InOut => "INOUT ",
            Mode::Out => "OUT ",
        };
        let default = column.default.as_ref().filter(|_| defaults);
        let default = default.map_or(String::new(), |default| format!(" DEFAULT {}", names::shown_bare(context, default)));
        format!("{way}{}{default}", named(context, column))
    };
    let is_told = |(mode, _): &(Mode, &Column)| *mode != Mode::Out || function.answers != Answers::Table;
    function.parameters().into_iter().filter(is_told).map(told).collect::<Vec<_>>().join(", ")
}

fn result_of(context: &SystemContext, function: &Function) -> String {
    if function.answers == Answers::Table {
        let columns = function.outputs.iter().map(|column| named(context, column));
        return format!("TABLE({})", columns.collect::<Vec<_>>().join(", "));
    }
    let name = names::type_name(context, names::result_oid(context, function), None).unwrap_or_else(|| "record".into());
    if function.set { format!("SETOF {name}") } else { name }
}

fn definition_of(context: &SystemContext, function: &Function) -> String {
    let (schema, name) = (ident(context.scope.namespace_name(function.namespace)), ident(&function.name));
    let arguments = arguments_of(context, function, true);
    let (kind, language) = (function.kind().word(), function.language().name());
    let result = match function.kind() {
        RoutineKind::Procedure => String::new(),
        _ => format!(" RETURNS {}\n", result_of(context, function)),
    };
    let volatility = (function.volatility != Volatility::Volatile).then(|| format!(" {}", function.volatility));
    let strict = function.strict.then(|| " STRICT".to_string());
    let definer = function.routine.as_ref().filter(|routine| routine.definer).map(|_| " SECURITY DEFINER".to_string());
    let promises: String = volatility.into_iter().chain(strict).chain(definer).collect();
    let promises = if promises.is_empty() { promises } else { format!("{promises}\n") };
    let settings = function.routine.iter().flat_map(|routine| &routine.settings);
    let settings: String = settings.map(|(name, value)| format!(" SET {name} TO {}\n", setting_value(name, value.as_deref()))).collect();
    let mut tag = kind.to_string();
    while function.source.contains(&format!("${tag}$")) {
        tag.push('x');
    }
    let body = match function.standard {
        true => function.source.clone(),
        false => format!("AS ${tag}${}${tag}$", function.source),
    };
    let kind = kind.to_uppercase();
    format!("CREATE OR REPLACE {kind} {schema}.{name}({arguments})\n{result} LANGUAGE {language}\n{promises}{settings}{body}\n")
}

/// The value of a setting in the head of a routine: a path is a list of names.
fn setting_value(name: &str, value: Option<&str>) -> String {
    let Some(value) = value else { return "DEFAULT".into() };
    let names = value.split(", ").map(|part| respell::read_name(part).map(|name| literal(&name.name)));
    match names.collect::<Option<Vec<_>>>().filter(|_| name == "search_path") {
        Some(names) => names.join(", "),
        None => literal(value),
    }
}
