//! Rows made of json (manual, chapter 9.16): `json_to_recordset(j) AS x(a int, b text)`, whose columns the query names, and
//! `json_populate_recordset(NULL::t, j)`, whose columns are those of a relation. PostgREST inserts rows so.
//!
//! Each column is the array of what its key has in every object, cast to arrays of its type, and UNNEST puts them side by side.

use sqlparser::ast::{
    ArrayElemTypeDef, CastKind, DataType, Expr, FunctionArg, FunctionArgExpr, Ident, TableAlias, TableAliasColumnDef, TableFactor, Value,
};

use super::super::SystemContext;
use super::build::{arguments, bare, call, last_name, text, when};
use super::casts;
use super::series::expanded_arrays;
use crate::error::{Error, Result, code};
use crate::sql::convert::relation_name;
use crate::sql::fold_name;

/// Each function; whether it takes an array of objects, and whether a relation gives the columns.
const FUNCTIONS: [(&str, bool, bool); 8] = [
    ("json_to_record", false, false),
    ("jsonb_to_record", false, false),
    ("json_to_recordset", true, false),
    ("jsonb_to_recordset", true, false),
    ("json_populate_record", false, true),
    ("jsonb_populate_record", false, true),
    ("json_populate_recordset", true, true),
    ("jsonb_populate_recordset", true, true),
];

/// `json_populate_record(NULL::t, j)` as a value: a row of the relation's columns, NULL for NULL. Errors: as [`in_from`].
pub fn as_value(expr: &mut Expr, context: &SystemContext) -> Result<()> {
    let Expr::Function(f) = expr else { return Ok(()) };
    let function = last_name(&f.name);
    if !matches!(function.as_str(), "json_populate_record" | "jsonb_populate_record") {
        return Ok(());
    }
    let args = arguments(f);
    let args: Vec<&Expr> = args.iter().map(|arg| &**arg).collect();
    let (base, json) = populating(&function, &args)?;
    let mut members = Vec::new();
    for (name, ty) in of_relation(base, context)? {
        refuse_array(&function, &name, &ty)?;
        let of = if is_json(&ty) { "pg_record_field" } else { "pg_record_field_text" };
        let field = call(of, vec![text(&function), json.clone(), text(&name)]);
        members.extend([text(&name), cast(field, ty)]);
    }
    let row = call("named_struct", members);
    let row = match bare(base) {
        Expr::Cast { data_type, .. } if is_composite(data_type, context) => cast(row, data_type.clone()),
        _ => row,
    };
    *expr = when(Expr::IsNotNull(Box::new(json.clone())), row);
    Ok(())
}

/// The row that json is put over, and the json: what json_populate_record takes besides makes no difference. Errors: 42883.
fn populating<'a>(function: &str, args: &[&'a Expr]) -> Result<(&'a Expr, &'a Expr)> {
    match args {
        [base, json] => Ok((base, json)),
        [base, json, _] if function.starts_with("json_") => Ok((base, json)),
        _ => Err(misfit(function, args)),
    }
}

fn misfit(function: &str, args: &[&Expr]) -> Error {
    Error::new(code::UNDEFINED_FUNCTION, format!("function {function} does not exist with {} arguments", args.len()))
}

/// Such a call in FROM as UNNEST of its columns. Errors: 42601 without columns, 0A000 for what is not supported in it.
pub fn in_from(factor: &mut TableFactor, context: &SystemContext) -> Result<()> {
    let (name, args, alias, ordinality) = match &*factor {
        TableFactor::Table { name, args: Some(args), alias, with_ordinality, .. } => (name, &args.args, alias, *with_ordinality),
        TableFactor::Function { name, args, alias, with_ordinality, .. } => (name, args, alias, *with_ordinality),
        _ => return Ok(()),
    };
    let function = last_name(name);
    let Some((_, of_array, populates)) = FUNCTIONS.into_iter().find(|(known, ..)| *known == function) else { return Ok(()) };
    let args: Vec<&Expr> = args.iter().filter_map(plain).collect();
    let (json, columns) = match (args.as_slice(), populates) {
        ([json], false) => (*json, written(alias.as_ref())?),
        (args, true) => {
            let (base, json) = populating(&function, args)?;
            (json, of_relation(base, context)?)
        }
        (args, false) => return Err(misfit(&function, args)),
    };
    let mut arrays = columns.iter().map(|(name, ty)| values(&function, json, name, ty, of_array)).collect::<Result<Vec<_>>>()?;
    let mut names: Vec<String> = columns.into_iter().map(|(name, _)| name).collect();
    // A relation's columns may be called otherwise.
    for (name, given) in names.iter_mut().zip(alias.iter().filter(|_| populates).flat_map(|a| &a.columns)) {
        *name = fold_name(&given.name);
    }
    if ordinality {
        arrays.push(call("array_ordinals", arrays.clone()));
        names.push("ordinality".to_string());
    }
    let column = |name: String| TableAliasColumnDef { name: Ident::with_quote('"', name), data_type: None };
    let name = alias.as_ref().map_or_else(|| Ident::new(&function), |a| a.name.clone());
    *factor = expanded_arrays(name, names.into_iter().map(column).collect(), arrays);
    Ok(())
}

fn plain(arg: &FunctionArg) -> Option<&Expr> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => Some(e),
        _ => None,
    }
}

/// The columns that the query lists.
fn written(alias: Option<&TableAlias>) -> Result<Vec<(String, DataType)>> {
    let missing = || Error::new(code::SYNTAX_ERROR, "a column definition list is required for functions returning \"record\"");
    let missing = || missing().hint("Write for example AS x(id int, name text).");
    let columns = alias.map(|a| a.columns.as_slice()).filter(|columns| !columns.is_empty()).ok_or_else(missing)?;
    columns.iter().map(|c| Ok((fold_name(&c.name), c.data_type.clone().ok_or_else(missing)?))).collect()
}

/// The columns of the relation as whose row NULL is cast.
fn of_relation(base: &Expr, context: &SystemContext) -> Result<Vec<(String, DataType)>> {
    let refused = || {
        let error = Error::unsupported("a base row is not supported");
        error.hint("Write NULL::name_of_a_table as the first argument, and coalesce() for what is missing in the json.")
    };
    let Expr::Cast { expr, data_type: DataType::Custom(name, _), .. } = bare(base) else { return Err(refused()) };
    if !matches!(bare(expr), Expr::Value(v) if v.value == Value::Null) {
        return Err(refused());
    }
    let unknown = || {
        let error = Error::new(code::UNDEFINED_OBJECT, format!("type \"{name}\" does not exist"));
        error.hint("Name a composite type, or a table, stream or view.")
    };
    let columns = match casts::users_type(name, context).and_then(|ty| ty.attributes()) {
        Some(attributes) => attributes,
        None => &context.scope.find(&relation_name(name)?).ok_or_else(unknown)?.columns,
    };
    columns.iter().map(|c| Ok((c.name.clone(), casts::written(&c.ty)?))).collect()
}

fn is_composite(data_type: &DataType, context: &SystemContext) -> bool {
    let DataType::Custom(name, _) = data_type else { return false };
    casts::users_type(name, context).is_some_and(|ty| ty.attributes().is_some())
}

/// The array of one column. Errors: 0A000 for a column of arrays.
fn values(function: &str, json: &Expr, name: &str, ty: &DataType, of_array: bool) -> Result<Expr> {
    refuse_array(function, name, ty)?;
    let arguments = vec![text(function), json.clone(), text(name)];
    let field = match (of_array, is_json(ty)) {
        (true, true) => call("pg_record_fields", arguments),
        (true, false) => call("pg_record_field_texts", arguments),
        (false, true) => call("make_array", vec![call("pg_record_field", arguments)]),
        (false, false) => call("make_array", vec![call("pg_record_field_text", arguments)]),
    };
    let data_type = DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(ty.clone()), None));
    Ok(cast(field, data_type))
}

fn is_json(ty: &DataType) -> bool {
    matches!(ty, DataType::JSON | DataType::JSONB)
}

fn cast(value: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::DoubleColon, expr: Box::new(value), data_type, array: false, format: None }
}

/// Errors: 0A000 for a column of arrays.
fn refuse_array(function: &str, name: &str, ty: &DataType) -> Result<()> {
    if !matches!(ty, DataType::Array(_)) {
        return Ok(());
    }
    let error = Error::unsupported(format!("column \"{name}\" of arrays in {function}() is not supported"));
    Err(error.hint("Read it as json, and its elements with json_array_elements_text()."))
}
