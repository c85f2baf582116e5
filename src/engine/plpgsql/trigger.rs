//! Trigger functions: run for one row after the other, or once for a statement.
//!
//! NEW and OLD are variables that hold rows of the trigger's relation; one that there is not is NULL. What the trigger tells its function
//! (TG_OP and its kin) are variables too. Plans of what the function does are kept from one row to the next.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use datafusion::catalog::TableProvider;

use super::arrays::array_text;
use super::frame::{Holds, Variable};
use super::functions::array_of;
use super::queries::{Site, SiteKey, shown};
use super::run::Run;
use super::{Cell, deep};
use crate::catalog::{Relation, Trigger, TriggerEvent};
use crate::data::PgType;
use crate::data::encode::cell_text;
use crate::engine::dml::{at_precision, parsed_query};
use crate::engine::privileges::Authority;
use crate::engine::session::Session;
use crate::engine::triggers::{NEW, OLD};
use crate::error::{Error, Result, code};
use crate::sql::plpgsql::{Body, Expression, Function};

/// Where the plan of a condition is kept: no statement of a body has this number.
const CONDITION: usize = usize::MAX;

/// The values of a row, as texts.
pub type RowTexts = Vec<Option<String>>;

/// A trigger that fires for a statement.
pub struct TriggerCall {
    function: Arc<Function>,
    /// What the function is called in the CONTEXT of errors.
    name: String,
    condition: Option<Expression>,
    /// TG_NAME and its kin.
    told: Vec<(&'static str, Cell)>,
    columns: Vec<(String, PgType)>,
    sites: HashMap<SiteKey, Site>,
    /// What the function reads by names that only it knows.
    pub tables: Vec<(String, Arc<dyn TableProvider>)>,
}

/// What a trigger function made of a row.
pub enum Made {
    /// It was not asked: the condition of WHEN is not true.
    Unasked,
    /// NULL: a row that is to be written is not.
    Nothing,
    Row(RowTexts),
}

impl Session {
    /// A trigger of a relation, to be run on an event. Errors: those of reading its function.
    pub(in crate::engine) fn trigger_call(&self, relation: &Relation, trigger: &Trigger, event: TriggerEvent) -> Result<TriggerCall> {
        let catalog = self.catalog();
        let kept = catalog.function(trigger.function).ok_or_else(|| Error::internal("a trigger has its function"))?;
        let function = self.routine(kept)?;
        let expression = |text: &String| {
            let query = parsed_query(&format!("SELECT ({text})"))?;
            Ok::<_, Error>(Expression { id: CONDITION, text: text.clone(), query })
        };
        let name = |text: &str| Cell { ty: PgType::Name, text: Some(text.to_string()) };
        let schema = catalog.namespace_name(relation.namespace);
        let arguments: Vec<Option<String>> = trigger.arguments.iter().cloned().map(Some).collect();
        let arguments = Cell { ty: PgType::Array(Box::new(PgType::Text)), text: Some(array_text(&arguments)) };
        Ok(TriggerCall {
            name: format!("{}()", function.name),
            function,
            condition: trigger.condition.as_ref().map(expression).transpose()?,
            told: vec![
                ("tg_name", name(&trigger.name)),
                ("tg_when", Cell::text(trigger.timing.word())),
                ("tg_level", Cell::text(trigger.level())),
                ("tg_op", Cell::text(event.word())),
                ("tg_relid", Cell { ty: PgType::Oid, text: Some(relation.id.to_string()) }),
                ("tg_relname", name(&relation.name)),
                ("tg_table_name", name(&relation.name)),
                ("tg_table_schema", name(schema)),
                ("tg_nargs", Cell { ty: PgType::Int4, text: Some(trigger.arguments.len().to_string()) }),
                ("tg_argv", arguments),
            ],
            columns: relation.columns.iter().map(|column| (column.name.clone(), column.ty.clone())).collect(),
            sites: HashMap::new(),
            tables: vec![],
        })
    }

    /// Runs a trigger for a row as it was and as it is to be, or for none. Errors: those of the function, 54001 where triggers fire each
    /// other too deeply.
    pub(in crate::engine) async fn run_trigger(
        &mut self,
        call: &mut TriggerCall,
        old: Option<RowTexts>,
        new: Option<RowTexts>,
    ) -> Result<Made> {
        // What the statement at hand has read for itself is nothing to those of the function.
        let results = std::mem::replace(&mut self.results, call.tables.clone());
        // Nor has it the rights with which the statement checks constraints, or does what a foreign key says.
        let role = self.identity.current;
        let rights = (self.authority.role != role).then(|| {
            let own = Authority::of(&self.authority.roles, role);
            std::mem::replace(&mut self.authority, own)
        });
        let whole = std::mem::replace(&mut self.reads_whole, false);
        self.calls += 1;
        self.inside += 1;
        let function = call.function.clone();
        let done = deep(self.under(&function, async |session| session.triggered(call, old, new).await)).await;
        self.inside -= 1;
        self.calls -= 1;
        self.reads_whole = whole;
        if let Some(rights) = rights {
            self.authority = rights;
        }
        self.results = results;
        done
    }

    async fn triggered(&mut self, call: &mut TriggerCall, old: Option<RowTexts>, new: Option<RowTexts>) -> Result<Made> {
        let depth = self.calls;
        let mut run = Run::new(self, &call.name, depth)?;
        run.sites = std::mem::take(&mut call.sites);
        let done = run.trigger(call, old, new).await;
        call.sites = std::mem::take(&mut run.sites);
        done
    }

    /// The values of a row of the relation, as texts.
    pub(in crate::engine) fn texts_of_row(&self, relation: &Relation, rows: &RecordBatch, row: usize) -> Result<RowTexts> {
        let style = self.settings.carried();
        let text = |(column, values): (&crate::catalog::Column, &ArrayRef)| {
            let mut text = Vec::new();
            cell_text(values, row, &column.ty, &style, &mut text)?;
            Ok(shown(values, row, text))
        };
        relation.columns.iter().zip(rows.columns()).map(text).collect()
    }

    /// The columns of a relation with other values: those in which no value is another stay as they are.
    pub(in crate::engine) fn columns_of_texts(
        &self,
        relation: &Relation,
        columns: &[ArrayRef],
        before: &[RowTexts],
        after: &[RowTexts],
    ) -> Result<Vec<ArrayRef>> {
        let reading = self.settings.reading();
        let mut all = Vec::with_capacity(relation.columns.len());
        for (at, column) in relation.columns.iter().enumerate() {
            let same = before.iter().zip(after).all(|(before, after)| before[at] == after[at]);
            all.push(match same {
                true => columns[at].clone(),
                false => at_precision(column, array_of(&column.ty, after.iter().map(|row| row[at].clone()), reading)?)?,
            });
        }
        Ok(all)
    }
}

impl Run<'_> {
    async fn trigger(&mut self, call: &TriggerCall, old: Option<RowTexts>, new: Option<RowTexts>) -> Result<Made> {
        for (name, values) in [(NEW, new), (OLD, old)] {
            let holds = Holds::Row { columns: call.columns.clone(), values, record: false };
            self.frame.declare(Variable { name: name.into(), holds, constant: false, not_null: false })?;
        }
        for (name, cell) in &call.told {
            let holds = Holds::Value { cell: cell.clone(), domain: None };
            self.frame.declare(Variable { name: (*name).into(), holds, constant: false, not_null: false })?;
        }
        if let Some(condition) = &call.condition
            && !self.is_true(condition).await?
        {
            return Ok(Made::Unasked);
        }
        let Body::Plpgsql(block) = &call.function.body else { return Err(Error::internal("a trigger function is in PL/pgSQL")) };
        // Its WHEN is asked before.
        self.session.acts().trigger_begins();
        let done = self.block(block).await;
        self.session.acts().trigger_ends();
        done?;
        match self.returned.take() {
            None => {
                let message = "control reached end of trigger procedure without RETURN";
                Err(Error::new(code::FUNCTION_EXECUTED_NO_RETURN_STATEMENT, message).context(format!("PL/pgSQL function {}", call.name)))
            }
            Some(Holds::Row { values: None, .. }) => Ok(Made::Nothing),
            Some(Holds::Row { columns, values: Some(values), .. }) => self.as_row_of(call, columns, values).await.map(Made::Row),
            Some(Holds::Value { cell: Cell { text: None, .. }, .. }) => Ok(Made::Nothing),
            Some(Holds::Value { .. }) => {
                let message = "cannot return non-composite value from function returning composite type";
                Err(Error::new(code::DATATYPE_MISMATCH, message).hint("RETURN NEW, OLD or NULL; IF tells which."))
            }
        }
    }

    /// A row that was returned as one of the trigger's relation. Errors: 42804 for another number of columns.
    async fn as_row_of(&mut self, call: &TriggerCall, columns: Vec<(String, PgType)>, values: RowTexts) -> Result<RowTexts> {
        if columns.len() != call.columns.len() {
            let message = "returned row structure does not match the structure of the triggering table";
            let (has, wanted) = (columns.len(), call.columns.len());
            let detail = format!("Number of returned columns ({has}) does not match expected column count ({wanted}).");
            let place = format!("PL/pgSQL function {} during function exit", call.name);
            return Err(Error::new(code::DATATYPE_MISMATCH, message).detail(detail).context(place));
        }
        let mut row = Vec::with_capacity(values.len());
        for (((_, ty), text), (_, to)) in columns.into_iter().zip(values).zip(&call.columns) {
            row.push(self.converted(Cell { ty, text }, to, None).await?.text);
        }
        Ok(row)
    }
}
