//! CREATE, ALTER and DROP TRIGGER, and what becomes of triggers when their relation changes.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::RecordBatch;
use sqlparser::ast::{self, Expr, FunctionArgExpr, Ident};

use crate::catalog::{
    Catalog, Change, Function, FunctionId, Name, Privileges, Relation, RelationKind, RoutineKind, Timing, Trigger, TriggerEvent,
};
use crate::data::PgType;
use crate::engine::dml::parsed_query;
use crate::engine::dml::returning::in_memory;
use crate::engine::session::Session;
use crate::engine::table_locks::Request;
use crate::error::{Error, Result, code};
use crate::sql::parse::written_expression;
use crate::sql::statement::{NewTrigger, TriggerStatement};
use crate::sql::{TableMode, fold_name};

/// What the rows are called in functions and conditions.
pub const NEW: &str = "new";
pub const OLD: &str = "old";

impl Session {
    /// Runs a statement about triggers. Answers its tag.
    pub(in crate::engine) async fn run_trigger_statement(&mut self, statement: &TriggerStatement) -> Result<String> {
        let tag = match statement {
            TriggerStatement::Create { new, replace } => {
                self.create_trigger(new, *replace).await?;
                "CREATE TRIGGER"
            }
            TriggerStatement::Rename { name, table, to } => {
                self.rename_trigger(name, table, to).await?;
                "ALTER TRIGGER"
            }
            TriggerStatement::Drop { name, table, if_exists } => {
                self.drop_trigger(name, table, *if_exists).await?;
                "DROP TRIGGER"
            }
        };
        Ok(tag.into())
    }

    /// CREATE TRIGGER. Errors: 42P01, 42809, 42501, 42703, 42701, 42710, 42883, 42P17, 42804; 0A000 for what cannot fire.
    async fn create_trigger(&mut self, new: &NewTrigger, replace: bool) -> Result<()> {
        self.define().await?;
        let relation = self.scope().known(&new.table)?.clone();
        self.may(Privileges::TRIGGER, &relation)?;
        check_events(&relation, new)?;
        check_tables(new)?;
        check_columns(&relation, &new.columns)?;
        let function = self.trigger_function(&new.function)?;
        let condition = match &new.condition {
            Some(written) => Some(self.kept_condition(&relation, new, written).await?),
            None => None,
        };
        let old = relation.triggers.iter().find(|trigger| trigger.name == new.name);
        if old.is_some() && !replace {
            return Err(exists(&new.name, &relation));
        }
        let trigger = Trigger {
            id: old.map_or_else(|| self.engine.new_id(), |old| old.id),
            name: new.name.clone(),
            timing: new.timing,
            events: new.events.clone(),
            columns: new.columns.clone(),
            row: new.row,
            old_table: new.old_table.clone(),
            new_table: new.new_table.clone(),
            condition,
            function: function.id,
            arguments: new.arguments.clone(),
            enabled: true,
            comment: old.and_then(|old| old.comment.clone()),
        };
        // Who changes rows fires it, or is done before.
        self.lock(relation.id, Request::whole(TableMode::ShareRowExclusive)).await?;
        let mut altered = relation.as_ref().clone();
        altered.triggers.retain(|other| other.name != new.name);
        altered.triggers.push(trigger);
        self.stage(Change::Alter(altered), vec![])
    }

    /// The function that a trigger names. Who may change rows runs it without being asked again. Errors: 42883, 42501, 42P17 for one that
    /// returns anything else.
    fn trigger_function(&self, name: &Name) -> Result<Arc<Function>> {
        let scope = self.scope();
        let found = scope.functions_named(name).find(|f| f.inputs.is_empty()).cloned();
        let unknown = || {
            Error::new(code::UNDEFINED_FUNCTION, format!("function {name}() does not exist"))
                .hint("CREATE FUNCTION .. RETURNS trigger LANGUAGE plpgsql makes one.")
        };
        let function = found.ok_or_else(unknown)?;
        self.may_call(&function)?;
        if function.kind() != RoutineKind::Trigger {
            return Err(Error::new(code::INVALID_OBJECT_DEFINITION, format!("function {name} must return type trigger")));
        }
        Ok(function)
    }

    /// The condition of WHEN as the catalog keeps it: whoever changes rows, along whatever path, it means the same. Errors: 42P17 for a row that
    /// the trigger does not have, 0A000 for a subquery, also as the body of a function; 42703, 42804.
    async fn kept_condition(&self, relation: &Relation, new: &NewTrigger, written: &str) -> Result<String> {
        check_rows(new, &rows_in(written)?)?;
        let kept = self.kept_expression(written)?;
        rows_in(&kept)?;
        let query = parsed_query(&format!("SELECT ({kept}) FROM \"{NEW}\", \"{OLD}\""))?;
        let mut names = self.names();
        for row in [NEW, OLD] {
            names.stand_ins.push((row.into(), in_memory(RecordBatch::new_empty(relation.nullable().schema()))?));
        }
        let planned = self.plan_with(names, &query, &[]).await?;
        match planned.columns.first().map(|column| &column.ty) {
            Some(PgType::Bool) => self.settled_expression(&kept, &planned.plan),
            Some(other) => Err(Error::new(code::DATATYPE_MISMATCH, format!("argument of WHEN must be type boolean, not type {other}"))),
            None => Err(Error::internal("a condition is a column")),
        }
    }

    /// ALTER TRIGGER .. RENAME TO. Errors: 42P01, 42501, 42704, 42710.
    async fn rename_trigger(&mut self, name: &str, table: &Name, to: &str) -> Result<()> {
        self.define().await?;
        let relation = self.scope().known(table)?.clone();
        self.must_own(&relation)?;
        known_trigger(&relation, name)?;
        if relation.triggers.iter().any(|trigger| trigger.name == to) {
            return Err(exists(to, &relation));
        }
        let mut altered = relation.as_ref().clone();
        altered.triggers.iter_mut().filter(|trigger| trigger.name == name).for_each(|trigger| trigger.name = to.to_string());
        self.stage(Change::Alter(altered), vec![])
    }

    /// DROP TRIGGER. Errors: 42P01 and 42704, unless `if_exists`; 42501.
    async fn drop_trigger(&mut self, name: &str, table: &Name, if_exists: bool) -> Result<()> {
        self.define().await?;
        let scope = self.scope();
        let skipped = |what: String| Error::new(code::SUCCESS, format!("{what} does not exist, skipping"));
        if if_exists && scope.find(table).is_none() {
            let what = match &table.schema {
                Some(schema) if scope.get_namespace(schema).is_err() => format!("schema \"{schema}\""),
                _ => format!("relation \"{table}\""),
            };
            self.notice("NOTICE", skipped(what));
            return Ok(());
        }
        let relation = scope.known(table)?.clone();
        if if_exists && !relation.triggers.iter().any(|trigger| trigger.name == name) {
            self.notice("NOTICE", skipped(format!("trigger \"{name}\" for relation \"{}\"", relation.name)));
            return Ok(());
        }
        self.must_own(&relation)?;
        known_trigger(&relation, name)?;
        let mut altered = relation.as_ref().clone();
        altered.triggers.retain(|trigger| trigger.name != name);
        self.stage(Change::Alter(altered), vec![])
    }

    /// ENABLE and DISABLE TRIGGER, of all without a name. Errors: 42704.
    pub(in crate::engine) fn switch_triggers(&mut self, relation: &Relation, name: Option<&str>, enabled: bool) -> Result<()> {
        if let Some(name) = name {
            known_trigger(relation, name)?;
        }
        let mut altered = relation.clone();
        let meant = altered.triggers.iter_mut().filter(|trigger| name.is_none_or(|name| trigger.name == name));
        meant.for_each(|trigger| trigger.enabled = enabled);
        if altered.triggers == relation.triggers { Ok(()) } else { self.stage(Change::Alter(altered), vec![]) }
    }

    /// Takes away the triggers of a relation that name a column which goes. Errors: 2BP01 without `cascade`.
    pub(in crate::engine) fn drop_triggers_on(&mut self, altered: &mut Relation, column: &str, cascade: bool) -> Result<()> {
        let names = |trigger: &Trigger| trigger.columns.iter().any(|c| c == column) || columns_of(trigger).iter().any(|c| c == column);
        let (kind, table) = (altered.kind.word(), altered.name.clone());
        let (gone, kept): (Vec<Trigger>, Vec<Trigger>) = std::mem::take(&mut altered.triggers).into_iter().partition(names);
        altered.triggers = kept;
        if !gone.is_empty() && !cascade {
            let depends = |t: &Trigger| format!("trigger {} on {kind} {table} depends on column {column} of {kind} {table}", t.name);
            let message = format!("cannot drop column {column} of {kind} {table} because other objects depend on it");
            return Err(Error::new(code::DEPENDENT_OBJECTS_STILL_EXIST, message)
                .detail(gone.iter().map(depends).collect::<Vec<_>>().join("\n"))
                .hint("Use DROP ... CASCADE to drop the dependent objects too."));
        }
        self.tell_cascade(&gone.iter().map(|t| format!("drop cascades to trigger {} on {kind} {table}", t.name)).collect::<Vec<_>>());
        Ok(())
    }
}

/// The trigger of that name. Errors: 42704.
pub fn known_trigger<'a>(relation: &'a Relation, name: &str) -> Result<&'a Trigger> {
    let unknown = || Error::new(code::UNDEFINED_OBJECT, format!("trigger \"{name}\" for table \"{}\" does not exist", relation.name));
    relation.triggers.iter().find(|trigger| trigger.name == name).ok_or_else(unknown)
}

/// The triggers that run a function, each with its relation, in the order in which they were made.
pub fn triggers_of(catalog: &Catalog, function: FunctionId) -> Vec<(Arc<Relation>, String)> {
    let of = |relation: &Arc<Relation>| {
        let running = relation.triggers.iter().filter(|trigger| trigger.function == function);
        running.map(|trigger| (trigger.id, relation.clone(), trigger.name.clone())).collect::<Vec<_>>()
    };
    let mut all: Vec<_> = catalog.relations().flat_map(of).collect();
    all.sort_by_key(|(id, _, _)| *id);
    all.into_iter().map(|(_, relation, name)| (relation, name)).collect()
}

/// Gives a column another name in the triggers of its relation.
pub fn rename_column_in_triggers(relation: &mut Relation, from: &str, to: &str) -> Result<()> {
    for trigger in &mut relation.triggers {
        trigger.columns.iter_mut().filter(|column| *column == from).for_each(|column| *column = to.to_string());
        let Some(condition) = &mut trigger.condition else { continue };
        let mut expr = written_expression(condition)?;
        let _ = ast::visit_expressions_mut(&mut expr, |e| {
            if let Expr::CompoundIdentifier(parts) = e
                && let [_, column] = parts.as_mut_slice()
                && fold_name(column) == from
            {
                *column = Ident::with_quote('"', to);
            }
            ControlFlow::<()>::Continue(())
        });
        *condition = expr.to_string();
    }
    Ok(())
}

/// The columns that the condition of a trigger names.
fn columns_of(trigger: &Trigger) -> Vec<String> {
    let rows = trigger.condition.as_ref().and_then(|condition| rows_in(condition).ok()).unwrap_or_default();
    rows.into_iter().filter_map(|(_, column)| column).collect()
}

/// The rows that a condition names, each with the column of it that is meant, if it is one. Errors: 0A000 for a subquery, 42703 for what is
/// of no row.
fn rows_in(condition: &str) -> Result<Vec<(String, Option<String>)>> {
    let expr = written_expression(condition)?;
    let mut rows = Vec::new();
    let done = ast::visit_expressions(&expr, |e| {
        match e {
            Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => {
                return ControlFlow::Break(
                    Error::unsupported("cannot use subquery in trigger WHEN condition").hint("Ask it in the function, with IF."),
                );
            }
            Expr::CompoundIdentifier(parts) if let [row, column] = parts.as_slice() => {
                rows.push((fold_name(row), Some(fold_name(column))));
            }
            Expr::Identifier(name) if !matches!(fold_name(name).as_str(), NEW | OLD) => {
                let message = format!("column \"{}\" does not exist", fold_name(name));
                return ControlFlow::Break(Error::new(code::UNDEFINED_COLUMN, message).hint("Write new.column or old.column."));
            }
            Expr::Identifier(name) => rows.push((fold_name(name), None)),
            Expr::Function(function) => {
                if let ast::FunctionArguments::List(list) = &function.args {
                    rows.extend(list.args.iter().filter_map(|argument| match argument {
                        ast::FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(row)) => Some((row.to_string().to_lowercase(), None)),
                        _ => None,
                    }));
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    });
    match done {
        ControlFlow::Break(e) => Err(e),
        ControlFlow::Continue(()) => Ok(rows),
    }
}

/// Errors: 42P17 for rows that the trigger does not have.
fn check_rows(new: &NewTrigger, rows: &[(String, Option<String>)]) -> Result<()> {
    let invalid = |message: &str| Err(Error::new(code::INVALID_OBJECT_DEFINITION, message));
    let names = |row: &str| rows.iter().any(|(of, _)| of == row);
    match () {
        () if !new.row && !rows.is_empty() => invalid("statement trigger's WHEN condition cannot reference column values"),
        () if names(OLD) && new.events.contains(&TriggerEvent::Insert) => {
            invalid("INSERT trigger's WHEN condition cannot reference OLD values")
        }
        () if names(NEW) && new.events.contains(&TriggerEvent::Delete) => {
            invalid("DELETE trigger's WHEN condition cannot reference NEW values")
        }
        () => Ok(()),
    }
}

/// Errors: 42809 for a view, 0A000 for what no trigger of that relation fires on.
fn check_events(relation: &Relation, new: &NewTrigger) -> Result<()> {
    let name = &relation.name;
    match relation.kind {
        RelationKind::View if new.timing == Timing::Instead => return check_instead(new),
        RelationKind::View if new.row => {
            return Err(Error::new(code::WRONG_OBJECT_TYPE, format!("\"{name}\" is a view"))
                .detail("Views cannot have row-level BEFORE or AFTER triggers."));
        }
        RelationKind::View => {
            return Err(Error::unsupported("triggers for statements on views are not supported")
                .hint("Make the trigger on the tables that the view reads, or INSTEAD OF .. FOR EACH ROW."));
        }
        RelationKind::MaterializedView => {
            return Err(Error::new(code::WRONG_OBJECT_TYPE, format!("relation \"{name}\" cannot have triggers"))
                .detail("This operation is not supported for materialized views.")
                .hint("LISTEN to the view tells of its changes."));
        }
        RelationKind::Partition => {
            return Err(Error::unsupported("a trigger on a partition is not supported")
                .hint("Make it on the partitioned table, with a condition that tells the rows: WHEN (..)."));
        }
        RelationKind::Stream | RelationKind::Table if new.timing == Timing::Instead => {
            return Err(Error::new(code::WRONG_OBJECT_TYPE, format!("\"{name}\" is a {}", relation.kind.word()))
                .detail("Tables cannot have INSTEAD OF triggers."));
        }
        RelationKind::Stream | RelationKind::Table => {}
    }
    if relation.ksql.is_some() {
        return Err(Error::unsupported(format!("triggers on \"{name}\" are not supported: it was made in ksqlDB's dialect"))
            .hint("A persistent query follows every event."));
    }
    if new.row && new.events.contains(&TriggerEvent::Truncate) {
        return Err(Error::unsupported("TRUNCATE FOR EACH ROW triggers are not supported").hint("Write FOR EACH STATEMENT."));
    }
    if relation.kind == RelationKind::Stream && new.events != [TriggerEvent::Insert] {
        return Err(Error::unsupported(format!("triggers on stream \"{name}\" fire on INSERT only: events are immutable"))
            .hint("Leave out the other events."));
    }
    Ok(())
}

/// Errors: 0A000 for what no trigger in the place of a statement has.
fn check_instead(new: &NewTrigger) -> Result<()> {
    let refused = |message: &str, hint: &str| Err(Error::unsupported(message).hint(hint));
    match () {
        () if !new.row => refused("INSTEAD OF triggers must be FOR EACH ROW", "Write FOR EACH ROW."),
        () if new.condition.is_some() => refused("INSTEAD OF triggers cannot have WHEN conditions", "Ask it in the function, with IF."),
        () if !new.columns.is_empty() => {
            refused("INSTEAD OF triggers cannot have column lists", "Compare the columns of OLD and NEW in the function.")
        }
        () if new.events.contains(&TriggerEvent::Truncate) => {
            refused("TRUNCATE FOR EACH ROW triggers are not supported", "A view is not truncated.")
        }
        () => Ok(()),
    }
}

/// Errors: 42P17 and 0A000 for tables that the trigger's event does not have.
fn check_tables(new: &NewTrigger) -> Result<()> {
    let invalid = |message: &str| Err(Error::new(code::INVALID_OBJECT_DEFINITION, message));
    if new.old_table.is_none() && new.new_table.is_none() {
        return Ok(());
    }
    let on = |event: TriggerEvent| new.events == [event];
    match () {
        () if new.timing != Timing::After => invalid("transition table name can only be specified for an AFTER trigger"),
        () if new.events.contains(&TriggerEvent::Truncate) => {
            Err(Error::unsupported("TRUNCATE triggers with transition tables are not supported").hint("Leave REFERENCING out."))
        }
        () if new.events.len() > 1 => {
            Err(Error::unsupported("transition tables cannot be specified for triggers with more than one event")
                .hint("Make a trigger for each event."))
        }
        () if !new.columns.is_empty() => Err(Error::unsupported("transition tables cannot be specified for triggers with column lists")
            .hint("Leave the columns out, and compare the tables.")),
        () if new.new_table.is_some() && on(TriggerEvent::Delete) => {
            invalid("NEW TABLE can only be specified for an INSERT or UPDATE trigger")
        }
        () if new.old_table.is_some() && on(TriggerEvent::Insert) => {
            invalid("OLD TABLE can only be specified for a DELETE or UPDATE trigger")
        }
        () if new.old_table == new.new_table => invalid("OLD TABLE name and NEW TABLE name cannot be the same"),
        () if new.row => Err(Error::unsupported("transition tables of a trigger for each row are not supported")
            .hint("It has the row as OLD and NEW; FOR EACH STATEMENT has the tables.")),
        () => Ok(()),
    }
}

/// Errors: 42703, 42701.
fn check_columns(relation: &Relation, columns: &[String]) -> Result<()> {
    for (i, column) in columns.iter().enumerate() {
        relation.column(column)?;
        if columns[..i].contains(column) {
            return Err(Error::new(code::DUPLICATE_COLUMN, format!("column \"{column}\" specified more than once")));
        }
    }
    Ok(())
}

fn exists(name: &str, relation: &Relation) -> Error {
    Error::new(code::DUPLICATE_OBJECT, format!("trigger \"{name}\" for relation \"{}\" already exists", relation.name))
}
