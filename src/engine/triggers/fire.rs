//! Runs triggers.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::{concat_batches, filter, filter_record_batch};
use arrow::datatypes::{Field, Schema};
use sqlparser::ast::Expr;

use crate::catalog::{Relation, RelationKind, Timing, Trigger, TriggerEvent};
use crate::engine::dml::conflict::{columns_at, found};
use crate::engine::dml::returning::in_memory;
use crate::engine::generated::is_set_by;
use crate::engine::plpgsql::{Made, RowTexts, TriggerCall};
use crate::engine::session::Session;
use crate::error::{Error, Result, code};
use crate::sql::Statement;
use crate::sql::statement::MergeAction;

/// Rows for which triggers run without a pause.
const ROWS_A_TURN: usize = 64;

/// What a statement does to a relation.
#[derive(Clone)]
pub struct Happening {
    pub relation: Arc<Relation>,
    pub event: TriggerEvent,
    /// The columns that an UPDATE sets.
    set: Vec<String>,
}

/// What AFTER triggers are to run for.
pub struct Fired {
    happening: Happening,
    /// The rows as they were and as they are; `None` for the statement as a whole.
    rows: Option<(Option<RecordBatch>, Option<RecordBatch>)>,
}

/// Rows that are about to be changed.
pub struct Rows<'a> {
    pub old: Option<&'a RecordBatch>,
    pub new: Option<&'a RecordBatch>,
}

/// What BEFORE triggers have made of rows.
pub struct Passed {
    /// True for those that are still to be written.
    pub kept: BooleanArray,
    /// The relation's columns of those, as they are to be; none of rows that are to be deleted.
    pub columns: Vec<ArrayRef>,
}

impl Happening {
    pub fn insert(relation: &Arc<Relation>) -> Happening {
        Happening { relation: relation.clone(), event: TriggerEvent::Insert, set: vec![] }
    }

    pub fn delete(relation: &Arc<Relation>) -> Happening {
        Happening { relation: relation.clone(), event: TriggerEvent::Delete, set: vec![] }
    }

    pub fn truncate(relation: &Arc<Relation>) -> Happening {
        Happening { relation: relation.clone(), event: TriggerEvent::Truncate, set: vec![] }
    }

    /// An UPDATE with these assignments: it sets what is generated from those columns too.
    pub fn update(relation: &Arc<Relation>, assignments: &[(String, Expr)]) -> Happening {
        let set = if relation.triggers.is_empty() { &[] } else { relation.columns.as_slice() };
        let set = set.iter().filter(|column| is_set_by(column, assignments)).map(|column| column.name.clone()).collect();
        Happening { relation: relation.clone(), event: TriggerEvent::Update, set }
    }

    fn triggers(&self, timing: Timing, row: bool) -> impl Iterator<Item = &Trigger> {
        self.relation.firing(timing, self.event, row, &self.set)
    }

    /// True if triggers ask for its rows.
    pub fn fires_for_rows(&self) -> bool {
        self.may_set_any() || self.keeps_rows()
    }

    /// True if triggers may change any column of its rows.
    pub fn may_set_any(&self) -> bool {
        self.triggers(self.timing(), true).next().is_some()
    }

    /// When the triggers run that are asked before a row is written: those of a view are all that is done to it.
    fn timing(&self) -> Timing {
        if self.relation.kind == RelationKind::View { Timing::Instead } else { Timing::Before }
    }

    /// True if AFTER triggers ask for its rows, one after the other or as a table.
    fn keeps_rows(&self) -> bool {
        self.triggers(Timing::After, true).next().is_some() || self.triggers(Timing::After, false).any(Trigger::has_tables)
    }
}

/// What a statement does, to each relation that it names, as far as there are triggers.
pub fn happenings(statement: &Statement, find: &impl Fn(&crate::catalog::Name) -> Option<Arc<Relation>>) -> Vec<Happening> {
    let known = |name| find(name).filter(|relation| !relation.triggers.is_empty());
    match statement {
        Statement::Insert { table, conflict, .. } => {
            let Some(relation) = known(table) else { return vec![] };
            let update = conflict.as_ref().and_then(|conflict| conflict.update.as_ref());
            let update = update.map(|update| Happening::update(&relation, &update.assignments));
            std::iter::once(Happening::insert(&relation)).chain(update).collect()
        }
        Statement::InsertDefaults { table } | Statement::CopyIn { table, .. } => known(table).iter().map(Happening::insert).collect(),
        Statement::Update(change) => known(&change.table).iter().map(|of| Happening::update(of, &change.assignments)).collect(),
        Statement::Delete(change) => known(&change.table).iter().map(Happening::delete).collect(),
        Statement::Merge(merge) => {
            let Some(relation) = known(&merge.table) else { return vec![] };
            let (mut inserts, mut sets, mut updates, mut deletes) = (false, Vec::new(), false, false);
            for when in &merge.whens {
                match &when.then {
                    MergeAction::Insert { .. } => inserts = true,
                    MergeAction::Update(assignments) => {
                        updates = true;
                        sets.extend(assignments.iter().cloned());
                    }
                    MergeAction::Delete => deletes = true,
                    MergeAction::Nothing => {}
                }
            }
            let insert = inserts.then(|| Happening::insert(&relation));
            let update = updates.then(|| Happening::update(&relation, &sets));
            insert.into_iter().chain(update).chain(deletes.then(|| Happening::delete(&relation))).collect()
        }
        Statement::WithChanges { changes, then } => {
            let all = changes.iter().map(|change| &change.statement).chain([then.as_ref()]);
            all.flat_map(|statement| happenings(statement, find)).collect()
        }
        _ => vec![],
    }
}

impl Session {
    fn calls_of(&self, happening: &Happening, timing: Timing, row: bool) -> Result<Vec<TriggerCall>> {
        let triggers = happening.triggers(timing, row);
        triggers.map(|trigger| self.trigger_call(&happening.relation, trigger, happening.event)).collect()
    }

    /// Runs BEFORE triggers for each row, and of a view those INSTEAD OF what is done to it; `None` where there are none. The rows begin with the relation's columns.
    pub(in crate::engine) async fn before_rows(&mut self, happening: &Happening, rows: Rows<'_>) -> Result<Option<Passed>> {
        let mut calls = self.calls_of(happening, happening.timing(), true)?;
        let count = rows.new.or(rows.old).map_or(0, RecordBatch::num_rows);
        if calls.is_empty() || count == 0 {
            return Ok(None);
        }
        let relation = &happening.relation;
        let (own, mark) = (self.own_rows_shape(happening), self.gathered());
        let (mut before, mut after) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut kept = Vec::with_capacity(count);
        for i in 0..count {
            if i % ROWS_A_TURN == ROWS_A_TURN - 1 {
                tokio::task::yield_now().await;
            }
            let old = rows.old.map(|rows| self.texts_of_row(relation, rows, i)).transpose()?;
            let new = rows.new.map(|rows| self.texts_of_row(relation, rows, i)).transpose()?;
            let made = self.before_row(&mut calls, old, new.clone()).await?;
            kept.push(made.is_some());
            // One that is not written keeps its place until then.
            after.push(made.flatten().or_else(|| new.clone()).unwrap_or_default());
            before.push(new.unwrap_or_default());
        }
        let kept = BooleanArray::from(kept);
        // What becomes of a row that is left alone is up to its trigger.
        let due = rows.old.map(|old| filter_record_batch(old, &kept)).transpose()?;
        if !self.own_rows_shape(happening).starts_with(&own) || self.has_changed(happening, due.as_ref(), mark)? {
            return Err(changed_meanwhile(happening.event));
        }
        let columns = match rows.new {
            Some(rows) => self.columns_of_texts(relation, rows.columns(), &before, &after)?,
            None => vec![],
        };
        let columns = columns.iter().map(|column| filter(column, &kept)).collect::<std::result::Result<_, _>>()?;
        Ok(Some(Passed { kept, columns }))
    }

    /// Of a table without a key, how many rows are in each batch that the transaction has gathered for it. Rows that it has inserted itself are
    /// known by their places there.
    fn own_rows_shape(&self, happening: &Happening) -> Vec<usize> {
        let Happening { relation, event, .. } = happening;
        if *event == TriggerEvent::Insert || !relation.key.is_empty() {
            return vec![];
        }
        let batches = self.transaction.iter().flat_map(|transaction| &transaction.batches);
        batches.filter(|(log, _)| *log == relation.id).map(|(_, batch)| batch.num_rows()).collect()
    }

    /// True if what the transaction has gathered since `mark` changes one of these rows of a table with a key.
    fn has_changed(&self, happening: &Happening, old: Option<&RecordBatch>, mark: usize) -> Result<bool> {
        let relation = &happening.relation;
        let Some(old) = old.filter(|_| !relation.key.is_empty() && self.gathered() > mark) else { return Ok(false) };
        let wanted = columns_at(old, &relation.key);
        for events in self.events_since(relation.id, mark) {
            if found(&columns_at(&events, &relation.key), &wanted)?.true_count() > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Runs BEFORE triggers for a row, each with what the one before has made of it. `None` for a row that is not to be written.
    async fn before_row(
        &mut self,
        calls: &mut [TriggerCall],
        old: Option<RowTexts>,
        mut new: Option<RowTexts>,
    ) -> Result<Option<Option<RowTexts>>> {
        for call in calls {
            match self.run_trigger(call, old.clone(), new.clone()).await? {
                Made::Unasked => {}
                Made::Nothing => return Ok(None),
                // Of a row that is to be deleted any answer lets it go.
                Made::Row(row) => new = new.map(|_| row),
            }
        }
        Ok(Some(new))
    }

    /// Notes rows for which AFTER triggers are to run.
    pub(in crate::engine) fn note_rows(&mut self, happening: &Happening, old: Option<RecordBatch>, new: Option<RecordBatch>) {
        let count = new.as_ref().or(old.as_ref()).map_or(0, RecordBatch::num_rows);
        if count > 0 && happening.keeps_rows() {
            self.fired.push(Fired { happening: happening.clone(), rows: Some((old, new)) });
        }
    }

    /// Notes a statement for which AFTER triggers are to run.
    pub(in crate::engine) fn note_statement(&mut self, happening: &Happening) {
        if happening.triggers(Timing::After, false).next().is_none() {
            return;
        }
        self.fired.push(Fired { happening: happening.clone(), rows: None });
    }

    /// Runs the BEFORE triggers of a statement.
    pub(in crate::engine) async fn before_statement(&mut self, happening: &Happening) -> Result<()> {
        self.run_once_each(happening, Timing::Before, &[]).await
    }

    /// Runs triggers for a statement; `due` has its rows.
    async fn run_once_each(&mut self, happening: &Happening, timing: Timing, due: &[Fired]) -> Result<()> {
        for trigger in happening.triggers(timing, false) {
            let mut call = self.trigger_call(&happening.relation, trigger, happening.event)?;
            for (name, is_new) in [(&trigger.old_table, false), (&trigger.new_table, true)] {
                if let Some(name) = name {
                    call.tables.push((name.clone(), in_memory(rows_of(happening, due, is_new)?)?));
                }
            }
            self.run_trigger(&mut call, None, None).await?;
        }
        Ok(())
    }

    /// Ends a statement that has gathered its events since `mark`: checks constraints, then runs its AFTER triggers, those of rows that
    /// foreign keys have changed last. Errors: 23505, 23514, 23503, those of triggers.
    pub(in crate::engine) async fn check_and_fire(&mut self, mark: usize, happenings: &[Happening]) -> Result<()> {
        let own = std::mem::take(&mut self.fired);
        self.set_unasked(true);
        let checked = self.check(mark).await;
        self.set_unasked(false);
        checked?;
        let of_keys = std::mem::replace(&mut self.fired, own);
        happenings.iter().rev().for_each(|happening| self.note_statement(happening));
        let own = std::mem::take(&mut self.fired);
        self.fire(own).await?;
        self.fire(of_keys).await
    }

    /// Runs the AFTER triggers that are due: for each row all of them, by their names.
    pub(in crate::engine) async fn fire(&mut self, due: Vec<Fired>) -> Result<()> {
        for Fired { happening, rows } in &due {
            let Some((old, new)) = rows else {
                self.run_once_each(happening, Timing::After, &due).await?;
                continue;
            };
            let mut calls = self.calls_of(happening, Timing::After, true)?;
            if calls.is_empty() {
                continue;
            }
            for i in 0..new.as_ref().or(old.as_ref()).map_or(0, RecordBatch::num_rows) {
                if i % ROWS_A_TURN == ROWS_A_TURN - 1 {
                    tokio::task::yield_now().await;
                }
                let texts =
                    |rows: &Option<RecordBatch>| rows.as_ref().map(|rows| self.texts_of_row(&happening.relation, rows, i)).transpose();
                let (old, new) = (texts(old)?, texts(new)?);
                for call in &mut calls {
                    self.run_trigger(call, old.clone(), new.clone()).await?;
                }
            }
        }
        Ok(())
    }
}

/// All rows that a statement has changed so, as they were or as they are.
fn rows_of(happening: &Happening, due: &[Fired], is_new: bool) -> Result<RecordBatch> {
    let (schema, width) = (happening.relation.nullable().schema(), happening.relation.columns.len());
    let same = |other: &Happening| other.relation.id == happening.relation.id && other.event == happening.event;
    let rows = due.iter().filter(|fired| same(&fired.happening)).filter_map(|fired| fired.rows.as_ref());
    let rows = rows.filter_map(|(old, new)| if is_new { new.as_ref() } else { old.as_ref() });
    let rows = rows.map(|rows| RecordBatch::try_new(schema.clone(), rows.columns()[..width].to_vec()));
    Ok(concat_batches(&schema, &rows.collect::<std::result::Result<Vec<_>, _>>()?)?)
}

/// The error of a BEFORE trigger that changes rows which the statement is about to change.
fn changed_meanwhile(event: TriggerEvent) -> Error {
    let what = if event == TriggerEvent::Delete { "deleted" } else { "updated" };
    let message = format!("tuple to be {what} was already modified by an operation triggered by the current command");
    Error::new(code::own("27000"), message)
        .hint("Consider using an AFTER trigger instead of a BEFORE trigger to propagate changes to other rows.")
}

impl Passed {
    /// Rows of which these are the first columns, as they are to be.
    pub fn rows(self, rows: &RecordBatch) -> Result<RecordBatch> {
        let left = filter_record_batch(rows, &self.kept)?;
        let rest = left.columns()[self.columns.len()..].iter().cloned();
        // What may not be NULL is told later.
        let fields = left.schema().fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect::<Vec<Field>>();
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), self.columns.into_iter().chain(rest).collect())?)
    }
}
