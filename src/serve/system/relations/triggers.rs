//! Triggers as clients ask for them: pg_trigger, information_schema.triggers, and their definitions.

use super::super::SystemContext;
use super::super::deparse::{self, Style};
use super::super::names;
use super::super::rows::{Cell, Rows};
use crate::catalog::{Privileges, Relation, Trigger, TriggerEvent};
use crate::data::quoting::{ident, literal};
use crate::error::Result;

/// All triggers, each with its relation.
fn all(context: &SystemContext) -> impl Iterator<Item = (&Relation, &Trigger)> {
    context.scope.relations().flat_map(|relation| relation.triggers.iter().map(move |trigger| (relation.as_ref(), trigger)))
}

pub fn pg_trigger(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    for (relation, trigger) in all(context) {
        let numbers = trigger.columns.iter().filter_map(|c| relation.column(c).ok()).map(|at| (at + 1).to_string());
        let arguments: String = trigger.arguments.iter().map(|argument| format!("{argument}\0")).collect();
        rows.add([
            ("oid", trigger.id.into()),
            ("tgrelid", relation.id.into()),
            ("tgname", (&trigger.name).into()),
            ("tgfoid", trigger.function.into()),
            ("tgtype", trigger.bits().into()),
            ("tgenabled", if trigger.enabled { "O" } else { "D" }.into()),
            ("tgoldtable", trigger.old_table.as_ref().into()),
            ("tgnewtable", trigger.new_table.as_ref().into()),
            ("tgnargs", trigger.arguments.len().into()),
            ("tgattr", numbers.collect::<Vec<_>>().join(" ").into()),
            ("tgargs", arguments.into()),
            ("tgqual", condition(context, relation, trigger, Style::Whole).into()),
        ])?;
    }
    Ok(())
}

/// The condition of WHEN as PostgreSQL prints it.
fn condition(context: &SystemContext, relation: &Relation, trigger: &Trigger, style: Style) -> Option<String> {
    trigger.condition.as_ref().map(|sql| deparse::condition(relation, &names::shown_expression(context, sql), style))
}

/// `EXECUTE FUNCTION f(..)`
fn action(context: &SystemContext, trigger: &Trigger) -> String {
    let named = |function: &crate::catalog::Function| match context.scope.is_visible_function(function) {
        true => ident(&function.name),
        false => format!("{}.{}", ident(context.scope.namespace_name(function.namespace)), ident(&function.name)),
    };
    let name = context.scope.function(trigger.function).map_or_else(|| "-".into(), |function| named(function));
    let arguments: Vec<String> = trigger.arguments.iter().map(|argument| literal(argument)).collect();
    format!("EXECUTE FUNCTION {name}({})", arguments.join(", "))
}

/// The CREATE TRIGGER of the trigger with that oid.
pub fn trigger_definition(context: &SystemContext, oid: u32, style: Style) -> Option<String> {
    let (relation, trigger) = all(context).find(|(_, trigger)| trigger.id == oid)?;
    let event = |event: &TriggerEvent| match (event, trigger.columns.as_slice()) {
        (TriggerEvent::Update, columns @ [_, ..]) => {
            format!("UPDATE OF {}", columns.iter().map(|column| ident(column)).collect::<Vec<_>>().join(", "))
        }
        (event, _) => event.word().to_string(),
    };
    let events: Vec<String> = trigger.events.iter().map(event).collect();
    let table = match style {
        Style::Pretty => names::shown(context, relation),
        Style::Whole => format!("{}.{}", ident(context.scope.namespace_name(relation.namespace)), ident(&relation.name)),
    };
    let when = condition(context, relation, trigger, style).map_or(String::new(), |condition| format!("WHEN ({condition}) "));
    let tables = [("OLD", &trigger.old_table), ("NEW", &trigger.new_table)];
    let tables =
        tables.map(|(word, name)| name.as_ref().map_or(String::new(), |name| format!("{word} TABLE AS {} ", ident(name)))).concat();
    let tables = if tables.is_empty() { tables } else { format!("REFERENCING {tables}") };
    Some(format!(
        "CREATE TRIGGER {} {} {} ON {table} {tables}FOR EACH {} {when}{}",
        ident(&trigger.name),
        trigger.timing.word(),
        events.join(" OR "),
        trigger.level(),
        action(context, trigger)
    ))
}

/// One row for each event of each trigger.
pub fn triggers(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    let seen = Privileges::OF_CHANGES;
    for (relation, trigger) in all(context).filter(|(relation, _)| context.may_touch(relation, seen)) {
        for event in &trigger.events {
            // Its place among those that fire at the same time.
            let alike = |other: &&Trigger| {
                other.timing == trigger.timing && other.row == trigger.row && other.events.contains(event) && other.name <= trigger.name
            };
            let order = relation.triggers.iter().filter(alike).count();
            let cells = named(context, relation, trigger).into_iter().chain([
                ("event_manipulation", event.word().into()),
                ("action_order", order.into()),
                (
                    "action_condition",
                    condition(context, relation, trigger, Style::Whole).filter(|_| context.is_owner(relation.owner)).into(),
                ),
                ("action_statement", action(context, trigger).into()),
                ("action_orientation", trigger.level().into()),
                ("action_timing", trigger.timing.word().into()),
                ("action_reference_old_table", trigger.old_table.as_ref().into()),
                ("action_reference_new_table", trigger.new_table.as_ref().into()),
            ]);
            rows.add(cells)?;
        }
    }
    Ok(())
}

pub fn triggered_update_columns(context: &SystemContext, rows: &mut Rows) -> Result<()> {
    let seen = Privileges::OF_CHANGES;
    for (relation, trigger) in all(context).filter(|(relation, _)| context.may_touch(relation, seen)) {
        for column in &trigger.columns {
            rows.add(named(context, relation, trigger).into_iter().chain([("event_object_column", column.into())]))?;
        }
    }
    Ok(())
}

fn named(context: &SystemContext, relation: &Relation, trigger: &Trigger) -> [(&'static str, Cell); 6] {
    let schema = context.scope.namespace_name(relation.namespace);
    [
        ("trigger_catalog", (&context.database).into()),
        ("trigger_schema", schema.into()),
        ("trigger_name", (&trigger.name).into()),
        ("event_object_catalog", (&context.database).into()),
        ("event_object_schema", schema.into()),
        ("event_object_table", (&relation.name).into()),
    ]
}
