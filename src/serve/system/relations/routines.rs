//! information_schema: functions and procedures, and their parameters. Each shows what the current role owns or may call; what a routine
//! does is shown to its owner.

use std::sync::Arc;

use super::super::SystemContext;
use super::super::facts::PROCS;
use super::super::names::{result_oid, shown_bare, type_name};
use super::super::rows::{Cell, Rows};
use super::standard::{TypeTold, type_told, yes_no};
use crate::catalog::{Answers, Function, Language, Mode, RoutineKind, Volatility};
use crate::data::PgType;
use crate::error::Result;

/// The functions of pg_proc.
pub fn routines(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for p in PROCS.iter().filter(|p| p.kind == "f") {
        rows.add([
            ("specific_catalog", (&context.database).into()),
            ("specific_schema", "pg_catalog".into()),
            ("specific_name", format!("{}_{}", p.name, p.oid).into()),
            ("routine_catalog", (&context.database).into()),
            ("routine_schema", "pg_catalog".into()),
            ("routine_name", p.name.into()),
            ("routine_type", "FUNCTION".into()),
            ("data_type", type_name(context, p.returns, None).into()),
            ("routine_body", "EXTERNAL".into()),
            ("external_language", "INTERNAL".into()),
            ("is_deterministic", yes_no(p.volatility == "i")),
            ("security_type", "INVOKER".into()),
        ])?;
    }
    shown(context).try_for_each(|f| routine_of_user(context, f, rows))
}

/// The routines of users that the current role may know of.
fn shown(context: &SystemContext) -> impl Iterator<Item = &Arc<Function>> {
    context.scope.functions().filter(|f| context.may_call(f))
}

fn routine_of_user(context: &SystemContext, f: &Function, rows: &mut Rows) -> Result<()> {
    let returns = result_oid(context, f);
    let data_type = match f.answers {
        Answers::Row(_) => Some("USER-DEFINED".to_string()),
        _ => type_name(context, returns, None),
    };
    let answers = f.kind() != RoutineKind::Procedure;
    let udt_name =
        PgType::from_oid(returns).map(|ty| ty.typname()).or_else(|| data_type.clone().filter(|_| f.kind() == RoutineKind::Trigger));
    let (data_type, udt_name) = (data_type.filter(|_| answers), udt_name.filter(|_| answers));
    let cells = named(context, f).into_iter().chain([
        ("routine_type", f.kind().word().to_uppercase().into()),
        ("data_type", data_type.into()),
        ("type_udt_catalog", answers.then_some(&context.database).into()),
        ("type_udt_schema", udt_name.is_some().then_some("pg_catalog").into()),
        ("type_udt_name", udt_name.into()),
        ("routine_body", if f.language() == Language::Sql { "SQL" } else { "EXTERNAL" }.into()),
        ("routine_definition", (!f.standard && context.is_owner(f.owner)).then_some(&f.source).into()),
        ("external_language", f.language().name().to_uppercase().into()),
        ("parameter_style", "GENERAL".into()),
        ("is_deterministic", yes_no(f.volatility == Volatility::Immutable)),
        ("sql_data_access", "MODIFIES".into()),
        ("is_null_call", if answers { yes_no(f.strict) } else { Cell::Null }),
        ("schema_level_routine", "YES".into()),
        ("security_type", if f.routine.as_ref().is_some_and(|r| r.definer) { "DEFINER" } else { "INVOKER" }.into()),
    ]);
    rows.add(cells)
}

/// What the standard names a routine of a user by: two may have one name, and each has another specific name.
pub(super) fn named(context: &SystemContext, f: &Function) -> [(&'static str, Cell); 6] {
    let schema = || Cell::from(context.scope.namespace_name(f.namespace));
    let database = || Cell::from(&context.database);
    [
        ("specific_catalog", database()),
        ("specific_schema", schema()),
        ("specific_name", format!("{}_{}", f.name, f.id).into()),
        ("routine_catalog", database()),
        ("routine_schema", schema()),
        ("routine_name", (&f.name).into()),
    ]
}

/// Parameters of routines of users, the columns of RETURNS TABLE among them.
pub fn parameters(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for f in shown(context) {
        for (i, (mode, column)) in f.parameters().into_iter().enumerate() {
            let TypeTold { data_type, udt_schema, udt_name } = type_told(context, &column.ty);
            let [catalog, schema, name, ..] = named(context, f);
            let mode = match mode {
                Mode::In => "IN",
                Mode::Out => "OUT",
                Mode::InOut => "INOUT",
            };
            rows.add([
                catalog,
                schema,
                name,
                ("ordinal_position", (i + 1).into()),
                ("parameter_mode", mode.into()),
                ("is_result", "NO".into()),
                ("as_locator", "NO".into()),
                ("parameter_name", Some(&column.name).filter(|name| !name.is_empty()).into()),
                ("data_type", data_type.into()),
                ("udt_catalog", (&context.database).into()),
                ("udt_schema", udt_schema.into()),
                ("udt_name", udt_name.into()),
                ("dtd_identifier", (i + 1).to_string().into()),
                ("parameter_default", column.default.as_ref().map(|default| shown_bare(context, default)).into()),
            ])?;
        }
    }
    Ok(())
}
