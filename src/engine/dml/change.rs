//! UPDATE and DELETE: rows read at the head, and what becomes of them.
//!
//! A change is one query over the table (and what FROM or USING names), with these columns: the rows as they will be (for DELETE as they
//! are), then what identifies the row as it is where that is not the same ([`Identity`]), then the columns of the other relations
//! where RETURNING may want them. A row that is joined with several others is changed once, by the first of them.
//!
//! The query finds its rows as any other does: by the table's key or its UNIQUE columns where the condition names them ([`crate::serve::keys`]),
//! else by passing over the table.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::{and, concat_batches, filter_record_batch, not, or};
use arrow::datatypes::{Field, Schema};
use datafusion::catalog::TableProvider;
use sqlparser::ast::{self, Expr, Ident, SelectItem};

use super::columns::{all_not_null, cast_columns};
use super::conflict::{columns_at, found};
use super::defaults::{takes_default_only, updated_always};
use super::kept::{Computed, Made};
use super::locks::rows_of;
use super::privileges::looks;
use super::returning::{Part, Returning, names_hidden, with_positions, without_positions};
use super::through::behind;
use super::values::{declared, is_default, scalars};
use super::{Written, parsed_query};
use crate::catalog::{Column, Relation, RelationKind};
use crate::data::encode::{Style, cell_text};
use crate::data::{PgType, Position, ROW};
use crate::engine::events::{DELETE, UPSERT, changes};
use crate::engine::generated::is_set_by;
use crate::engine::query::{Planned, collect};
use crate::engine::session::{Parameters, Prepared, Response, Session, Way};
use crate::engine::table_locks::{self, Mode, Request, TableLock};
use crate::engine::triggers::{Happening, Rows};
use crate::error::{Error, Result, code};
use crate::fold::RowKeys;
use crate::fold::key_index::{Equality, KeyIndex};
use crate::plan::by_key::{Bound, ByKey};
use crate::plan::names::{folded_schema, stored_schema};
use crate::plan::reads::Read;
use crate::serve::cut::Readable;
use crate::serve::provider::RelationProvider;
use crate::serve::system::STANDS_FOR;
use crate::sql::statement::{Change, Through};
use crate::sql::subscripted::old_value;
use crate::sql::{fields_set, placeholder};

/// The name under which the query of a change knows the table, which has an alias always.
pub(super) const TARGET: &str = "everfold target";

/// How the query of a change tells rows apart.
#[derive(Clone, Copy, PartialEq)]
enum Identity {
    /// By the key, which stays as it is.
    Key,
    /// By the key as it was: all columns of the row as it is stand behind those of the row as it will be.
    OldKey,
    /// By the hidden row id, which stands behind the row.
    Row,
    /// The same, with all columns of the row as it is behind that.
    OldRow,
    /// By nothing: rows of a view that its triggers are to do something for, each with all its columns as it is behind those that it is to have.
    Shown,
}

/// A change that is planned, over names and not rows: it can be run again, as long as they mean the same.
pub(in crate::engine) struct ChangePlan {
    pub(super) planned: Planned,
    made: Made,
    /// The other relations and how many columns each has, where RETURNING may want them.
    others: Vec<(String, Vec<Field>)>,
    identity: Identity,
    /// True if it matters to rows of others what becomes of those that it changes: it has them as they were.
    follows: bool,
    /// The form of it that tells the keys of the rows, if it has that; `None` for one that changes the key.
    by_key: Option<ByKey>,
    /// RETURNING, once it was described.
    pub(super) returning: Option<Computed>,
    /// What it reads of its table too, once that was asked.
    pub(super) reads: OnceLock<Vec<Read>>,
}

/// A change that is about to be made.
pub(in crate::engine) struct Located<'a> {
    pub plan: &'a ChangePlan,
    /// The keys of the rows, which are locked; `None` if the table is.
    pub bound: Option<Bound<'a>>,
}

impl Session {
    /// Runs UPDATE or DELETE, whose word is `what`.
    pub(in crate::engine) async fn change(
        &mut self,
        what: &str,
        change: &Change,
        prepared: &Prepared,
        parameters: &Parameters,
    ) -> Result<Response> {
        let known = match &prepared.way {
            Way::Change(plan) if self.path() == prepared.path && change.cursor().is_none() => Some(plan),
            _ => None,
        };
        let mut held = Vec::new();
        let types = declared(prepared);
        let mut written = self.changed_alone(what, change, known, &types, parameters, &mut held).await?;
        let (Some(mut parts), Some(items)) = (written.unanswered.take(), &change.returning) else {
            return self.finish(what, written, prepared).await;
        };
        let events: usize = written.events.iter().map(|(_, batch)| batch.num_rows()).sum();
        let first = if written.count > 0 { self.append(written.events).await?.unwrap_or_default() } else { 0 };
        parts[0].rows = with_positions(&parts[0].rows, first + (events - written.count) as Position)?;
        let returning = Returning { with: change.with.as_ref(), items, known: None };
        self.returned(returning, &parts, &types, parameters).await?.answer(what)
    }

    /// What a change writes of rows that nobody else changes, as the locks among those `held` say. `known`: a plan of it that may still do.
    pub(super) async fn changed_alone(
        &mut self,
        what: &str,
        change: &Change,
        known: Option<&Arc<ChangePlan>>,
        types: &[Option<PgType>],
        parameters: &Parameters,
        held: &mut Vec<Option<TableLock>>,
    ) -> Result<Written> {
        loop {
            let catalog = self.engine.catalog();
            let relation = self.changeable(&change.table, what)?;
            let plan = match known.filter(|plan| {
                self.still_means(&plan.made, plan.all_planned())
                    && !plan.made.catalog.is_guarded(&relation)
                    && (Arc::ptr_eq(&plan.made.catalog, &self.catalog()) || plan.follows == self.follows(&relation, change))
            }) {
                Some(plan) => plan.clone(),
                None => {
                    let target = self.target_of(what, &relation, change).await?;
                    Arc::new(self.plan_change(&relation, target, change, types).await?)
                }
            };
            let values = scalars(&plan.planned.parameters, parameters, self.settings.reading())?;
            let bound = plan.by_key.as_ref().and_then(|by_key| by_key.bind(&self.computing(), &values));
            let rows = bound.as_ref().map_or(table_locks::Rows::All, |bound| rows_of(&relation, bound));
            let stays = what == "UPDATE" && plan.identity != Identity::OldKey;
            let request = Request::new(if stays { Mode::Change } else { Mode::Remove }, rows);
            if relation.kind != RelationKind::View {
                held.push(self.lock(relation.id, request).await?);
            }
            // What its names mean may have changed while it waited.
            if Arc::ptr_eq(&catalog, &self.engine.catalog()) {
                if relation.kind != RelationKind::View {
                    self.as_begun(&relation)?;
                }
                return self.changed(&relation, what, change, Located { plan: &plan, bound }, types, parameters).await;
            }
        }
    }

    /// What a change writes. The caller holds the lock of the rows.
    pub(in crate::engine) async fn changed(
        &mut self,
        relation: &Arc<Relation>,
        what: &str,
        change: &Change,
        located: Located<'_>,
        types: &[Option<PgType>],
        parameters: &Parameters,
    ) -> Result<Written> {
        let plan = located.plan;
        self.may_change(what, relation, change, plan, types).await?;
        let rows = self.rows_to_change(relation, &located, parameters).await?;
        let (width, mut rows) = (relation.columns.len(), plan.once(relation, rows)?);
        // What becomes of rows of a view its triggers do.
        let (replaced, mut events) = (relation.kind == RelationKind::View, Vec::new());
        if what != "UPDATE" {
            if what == "DELETE" && !relation.triggers.is_empty() {
                rows = self.triggered_delete(relation, rows).await?;
            }
            if !replaced {
                events.push((relation.id, changes(relation, &rows, DELETE)?));
            }
        } else {
            let update = Happening::update(relation, &change.assignments);
            let fires = update.fires_for_rows();
            if fires
                && let Some(passed) = self.before_rows(&update, Rows { old: plan.old(relation, &rows)?.as_ref(), new: Some(&rows) }).await?
            {
                rows = passed.rows(&rows)?;
            }
            rows = self.with_generated(relation, rows).await?;
            all_not_null(relation, &rows)?;
            self.check_changed(relation, &rows, looks(change)).await?;
            if let Some(through) = &change.through {
                self.check_options(through, &rows).await?;
            }
            let old = plan.old(relation, &rows)?;
            if let (Identity::OldKey, Some(old)) = (plan.identity, &old) {
                // With triggers, or where rows of others follow, any UPDATE has the rows as they were, and few change the key.
                let moved = if fires || plan.follows { Some(moved(relation, &rows, old)?) } else { None };
                let those = |rows: &RecordBatch| match &moved {
                    Some(moved) => filter_record_batch(rows, moved),
                    None => Ok(rows.clone()),
                };
                let gone = those(old)?;
                self.keys_free(relation, &those(&rows)?, &gone).await?;
                events.push((relation.id, changes(relation, &gone, DELETE)?));
            }
            if let Some(old) = &old {
                self.note_moved(relation, old, &rows);
            }
            if fires {
                self.note_rows(&update, old, Some(rows.project(&(0..width).collect::<Vec<_>>())?));
            }
            if !replaced {
                events.push((relation.id, changes(relation, &rows, UPSERT)?));
            }
        }
        events.retain(|(_, batch)| batch.num_rows() > 0);
        let mut written = Written { count: rows.num_rows(), events, returned: None, unanswered: None };
        let Some(items) = &change.returning else { return Ok(written) };
        let mut parts = plan.parts(relation, change, &rows)?;
        self.changed_through(change, &mut parts).await?;
        let hidden = what == "UPDATE" && change.is_of_table(relation) && names_hidden(items, relation);
        if hidden && !self.knows_number(relation, items) {
            let placed = with_positions(&parts[0].rows, 0)?;
            let own = std::mem::replace(&mut parts[0].rows, placed);
            self.may_return_places(relation, change.with.as_ref(), items, &parts, types).await?;
            parts[0].rows = own;
            written.unanswered = Some(parts);
        } else {
            if hidden {
                parts[0].rows = without_positions(&parts[0].rows)?;
            }
            let known = plan.returning.as_ref().filter(|_| !hidden);
            let returning = Returning { with: change.with.as_ref(), items, known };
            written.returned = Some(self.returned(returning, &parts, types, parameters).await?);
        }
        Ok(written)
    }

    /// Rows that are to be deleted, as far as triggers let them go.
    async fn triggered_delete(&mut self, relation: &Arc<Relation>, rows: RecordBatch) -> Result<RecordBatch> {
        let delete = Happening::delete(relation);
        let rows = match self.before_rows(&delete, Rows { old: Some(&rows), new: None }).await? {
            Some(passed) => passed.rows(&rows)?,
            None => rows,
        };
        self.note_rows(&delete, Some(rows.clone()), None);
        Ok(rows)
    }

    /// What the query of a change gives, at the head.
    async fn rows_to_change(&self, relation: &Arc<Relation>, located: &Located<'_>, parameters: &Parameters) -> Result<RecordBatch> {
        let planned = &located.plan.planned;
        if let Some(bound) = located.bound.as_ref().filter(|bound| bound.is_complete()) {
            let found = self.read_now(relation).await?.of_keys(&RowKeys::Columns(relation.key.clone()), &bound.keys)?;
            return bound.rows(&found, &planned.schema);
        }
        let values = scalars(&planned.parameters, parameters, self.settings.reading())?;
        let mut cut = self.read_head(&planned.relations).await?;
        if located.bound.is_some()
            && let Some(Readable::Rows(rows)) = cut.relations.get_mut(&relation.id)
        {
            *rows = std::mem::take(rows).held();
        }
        let rows = collect(self.run_at(planned, cut, values)?).await?;
        Ok(match rows.first() {
            Some(first) => concat_batches(&first.schema(), &rows)?,
            None => RecordBatch::new_empty(planned.schema.clone()),
        })
    }

    /// Errors: 23505 where rows get a key that another row has, after `old` are gone and what changes before this one in WITH do is done.
    pub(super) async fn keys_free(&self, relation: &Arc<Relation>, rows: &RecordBatch, old: &RecordBatch) -> Result<()> {
        let keys = columns_at(rows, &relation.key);
        let first = firsts(&keys, rows.num_rows())?;
        if let Some(i) = (0..rows.num_rows()).find(|i| !first.value(*i)) {
            return Err(self.duplicate_key(relation, rows, i)?);
        }
        let there = self.rows_of_keys(relation, &RowKeys::Columns(relation.key.clone()), &keys).await?;
        let gone = found(&columns_at(old, &relation.key), &columns_at(&there, &relation.key))?;
        let unwritten = self.unwritten_keys(relation)?;
        let gone = match &unwritten {
            Some((_, free)) => or(&gone, &found(free, &columns_at(&there, &relation.key))?)?,
            None => gone,
        };
        let stays = filter_record_batch(&there, &not(&gone)?)?;
        let there = found(&columns_at(&stays, &relation.key), &keys)?;
        if let Some(i) = (0..rows.num_rows()).find(|i| there.value(*i)) {
            return Err(self.duplicate_key(relation, rows, i)?);
        }
        let Some((taken, _)) = unwritten else { return Ok(()) };
        let taken = found(&taken, &keys)?;
        match (0..rows.num_rows()).find(|i| taken.value(*i)) {
            Some(i) => Err(self.duplicate_key(relation, rows, i)?),
            None => Ok(()),
        }
    }

    /// The error of a key that is there already.
    pub(super) fn duplicate_key(&self, relation: &Relation, rows: &RecordBatch, i: usize) -> Result<Error> {
        let message = format!("duplicate key value violates unique constraint \"{}\"", relation.key_name());
        let error = Error::new(code::UNIQUE_VIOLATION, message);
        if !self.may_tell(relation, &relation.key) {
            return Ok(error);
        }
        let names: Vec<&str> = relation.key.iter().map(|k| relation.columns[*k].name.as_str()).collect();
        let mut values = Vec::new();
        for k in &relation.key {
            let mut text = Vec::new();
            cell_text(rows.column(*k), i, &relation.columns[*k].ty, &Style::default(), &mut text)?;
            values.push(String::from_utf8_lossy(&text).into_owned());
        }
        Ok(error.detail(format!("Key ({})=({}) already exists.", names.join(", "), values.join(", "))))
    }

    /// The columns of a row after the assignments. Errors: 42703, 42601 for a column that is set twice, 428C9 for one that is generated.
    pub(super) fn assigned(&self, relation: &Relation, own: &Own<'_>, assignments: &[(String, Expr)]) -> Result<Vec<Expr>> {
        for (i, (name, value)) in assignments.iter().enumerate() {
            let column = &relation.columns[relation.column(name)?];
            if assignments[..i].iter().any(|(other, _)| other == name) {
                return Err(Error::syntax(format!("multiple assignments to same column \"{name}\"")));
            }
            if takes_default_only(column) && !is_default(value) {
                return Err(updated_always(column));
            }
        }
        let value = |column: &Column| match assignments.iter().find(|(name, _)| *name == column.name) {
            // It is computed of the others when those are known.
            _ if column.generated.is_some() => Ok(own.column(&column.name)),
            Some((_, expr)) if is_default(expr) => self.default_expression(relation, column),
            Some((_, expr)) => {
                let mut expr = expr.clone();
                if let Some(old) = old_value(&mut expr) {
                    if !matches!(column.ty, PgType::Array(_) | PgType::Jsonb) {
                        let message = format!("cannot subscript type {} because it does not support subscripting", column.ty.base());
                        return Err(Error::new(code::DATATYPE_MISMATCH, message));
                    }
                    *old = own.column(&column.name);
                }
                Ok(expr)
            }
            None => Ok(own.column(&column.name)),
        };
        relation.columns.iter().map(value).collect()
    }

    /// The query of an UPDATE or DELETE, to be explained. Errors: what running it would say before it reads anything.
    pub(in crate::engine) async fn query_of_change(&self, what: &str, change: &Change, types: &[Option<PgType>]) -> Result<Planned> {
        let relation = self.changeable(&change.table, what)?;
        let target = self.target_of(what, &relation, change).await?;
        let plan = self.plan_change(&relation, target, change, types).await?;
        self.may_change(what, &relation, change, &plan, types).await?;
        Ok(plan.planned)
    }

    /// True if it matters to rows of others what becomes of those of an UPDATE. BEFORE triggers may set any column.
    fn follows(&self, relation: &Arc<Relation>, change: &Change) -> bool {
        let any = Happening::update(relation, &change.assignments).may_set_any();
        !change.assignments.is_empty() && self.is_followed(relation, |column| any || is_set_by(column, &change.assignments))
    }

    /// Plans the query of a change of the rows of `target`, or of those of the view that the relation is.
    pub(in crate::engine) async fn plan_change(
        &self,
        relation: &Arc<Relation>,
        target: Option<Arc<dyn TableProvider>>,
        change: &Change,
        types: &[Option<PgType>],
    ) -> Result<ChangePlan> {
        let placed = self.at_current_row(relation, change)?;
        let change: &Change = &placed;
        let rekeyed = relation.key.iter().any(|k| is_set_by(&relation.columns[*k], &change.assignments));
        let follows = self.follows(relation, change);
        let keeps_old = follows || !change.assignments.is_empty() && Happening::update(relation, &change.assignments).fires_for_rows();
        let identity = match relation.key.is_empty() {
            true if relation.kind == RelationKind::View => Identity::Shown,
            true if keeps_old => Identity::OldRow,
            true => Identity::Row,
            false if rekeyed || keeps_old => Identity::OldKey,
            false => Identity::Key,
        };
        let mut names = self.names();
        let made = Made { catalog: names.scope.catalog.clone(), ..self.made() };
        let rows = match target {
            Some(rows) => rows,
            // What the view reads is read by this plan.
            None => names.relation(relation).await?,
        };
        let mut target = (target_of(relation), rows);
        if let Some(through) = &change.through {
            target = (TARGET.into(), self.shown_through(&names, through, target).await?);
        }
        let named = target.0.clone();
        names.stand_ins.push(target);
        let values = self.assigned(relation, &Own::of(change), &change.assignments)?;
        let query = change_query(relation, &named, change, identity, values)?;
        let planned = self.plan_with(names, &query, types).await?;
        let own = relation.columns.len() + extra(relation, identity);
        let mut others: Vec<(String, Vec<Field>)> = Vec::new();
        for (qualifier, field) in planned.plan.schema().iter().skip(own) {
            let name = qualifier.map(|q| q.table().to_string()).unwrap_or_default();
            match others.last_mut().filter(|(last, _)| *last == name) {
                Some((_, fields)) => fields.push(field.as_ref().clone()),
                None => others.push((name, vec![field.as_ref().clone()])),
            }
        }
        let wanted: Vec<&Column> = relation.columns.iter().collect();
        let (planned, by_key) = self.by_key(cast_columns(planned, &wanted)?, relation).await?;
        let by_key = by_key.filter(|_| identity == Identity::Key);
        Ok(ChangePlan { planned, made, others, identity, follows, by_key, returning: None, reads: OnceLock::new() })
    }
}

/// All rows of a table, to be changed.
pub(in crate::engine) fn whole(relation: &Arc<Relation>) -> Arc<dyn TableProvider> {
    Arc::new(RelationProvider { relation: relation.clone(), schema: stored_schema(relation, true) })
}

/// The same with all that the fold holds of a row: what its system columns are made of stands behind it.
pub(super) fn target(relation: &Arc<Relation>) -> Arc<dyn TableProvider> {
    Arc::new(RelationProvider { relation: relation.clone(), schema: folded_schema(relation) })
}

/// The types of the parameters that stand alone where a value of a column, or of a field of one, does, besides those declared.
pub(super) fn assigned_types(relation: &Relation, assignments: &[(String, Expr)], types: &mut Vec<Option<PgType>>) -> Result<()> {
    let mut note = |value: &Expr, ty: &PgType| {
        if let Some(n) = placeholder(value) {
            types.resize(types.len().max(n), None);
            types[n - 1].get_or_insert_with(|| ty.clone());
        }
    };
    for (name, value) in assignments {
        let fields = fields_set(value);
        if fields.is_empty() && placeholder(value).is_none() {
            continue;
        }
        let ty = &relation.columns[relation.column(name)?].ty;
        note(value, ty);
        let PgType::Composite(of) = ty else { continue };
        for (field, value) in fields {
            let attribute = of.attributes().iter().find(|attribute| attribute.name == field);
            attribute.into_iter().for_each(|attribute| note(value, &attribute.ty));
        }
    }
    Ok(())
}

impl ChangePlan {
    fn all_planned(&self) -> impl Iterator<Item = &Planned> {
        std::iter::once(&self.planned).chain(self.returning.iter().map(|computed| &computed.planned))
    }

    /// The rows, the first of each identity only.
    fn once(&self, relation: &Relation, rows: RecordBatch) -> Result<RecordBatch> {
        let width = relation.columns.len();
        let identity: Vec<ArrayRef> = match self.identity {
            Identity::Row | Identity::OldRow => vec![rows.column(width).clone()],
            Identity::Key => relation.key.iter().map(|k| rows.column(*k).clone()).collect(),
            Identity::OldKey => relation.key.iter().map(|k| rows.column(width + k).clone()).collect(),
            Identity::Shown => return Ok(rows),
        };
        let first = firsts(&identity, rows.num_rows())?;
        if first.true_count() == rows.num_rows() { Ok(rows) } else { Ok(filter_record_batch(&rows, &first)?) }
    }

    /// The rows as they are, where the plan has them.
    fn old(&self, relation: &Relation, rows: &RecordBatch) -> Result<Option<RecordBatch>> {
        let width = relation.columns.len();
        let from = match self.identity {
            Identity::Key | Identity::Row => return Ok(None),
            Identity::OldKey | Identity::Shown => width,
            Identity::OldRow => width + 1,
        };
        Ok(Some(rows.project(&(from..from + width).collect::<Vec<_>>())?))
    }

    /// What RETURNING may name: the table's rows, and those of the other relations that they were joined with.
    fn parts(&self, relation: &Relation, change: &Change, rows: &RecordBatch) -> Result<Vec<Part>> {
        let width = relation.columns.len();
        let own = RecordBatch::try_new(relation.schema(), rows.columns()[..width].to_vec())?;
        let mut parts = vec![Part { alias: alias_of(change).to_string(), relation: Some(relation.id), rows: own }];
        let mut at = width + extra(relation, self.identity);
        for (alias, fields) in &self.others {
            let columns = rows.columns()[at..at + fields.len()].to_vec();
            at += fields.len();
            let fields: Vec<Field> = fields
                .iter()
                .zip(&columns)
                .map(|(f, column)| f.clone().with_data_type(column.data_type().clone()).with_nullable(true))
                .collect();
            parts.push(Part { alias: alias.clone(), relation: None, rows: RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)? });
        }
        Ok(parts)
    }

    /// The parts as they are before there are rows.
    pub(super) fn empty_parts(&self, relation: &Relation, change: &Change) -> Vec<Part> {
        let own =
            Part { alias: alias_of(change).to_string(), relation: Some(relation.id), rows: RecordBatch::new_empty(relation.schema()) };
        let other = |(alias, fields): &(String, Vec<Field>)| Part {
            alias: alias.clone(),
            relation: None,
            rows: RecordBatch::new_empty(Arc::new(Schema::new(fields.clone()))),
        };
        std::iter::once(own).chain(self.others.iter().map(other)).collect()
    }
}

/// True for the first row of each key.
pub(super) fn firsts(keys: &[ArrayRef], rows: usize) -> Result<BooleanArray> {
    let mut seen = HashSet::new();
    Ok(numbers(keys, rows)?.into_iter().map(|n| Some(seen.insert(n))).collect())
}

/// The number of each row's key: the same for equal keys.
pub(super) fn numbers(keys: &[ArrayRef], rows: usize) -> Result<Vec<u32>> {
    let types: Vec<_> = keys.iter().map(|k| k.data_type().clone()).collect();
    let mut numbers = Vec::new();
    KeyIndex::new(&types, Equality::Sql)?.intern(keys, rows, &mut numbers, &mut Vec::new())?;
    Ok(numbers)
}

/// The columns that the query has between the row and the other relations.
fn extra(relation: &Relation, identity: Identity) -> usize {
    match identity {
        Identity::Key => 0,
        Identity::OldKey | Identity::Shown => relation.columns.len(),
        Identity::Row => 1,
        Identity::OldRow => 1 + relation.columns.len(),
    }
}

/// True for rows whose key is another than before.
pub(super) fn moved(relation: &Relation, rows: &RecordBatch, old: &RecordBatch) -> Result<BooleanArray> {
    let mut same = BooleanArray::from(vec![true; rows.num_rows()]);
    for k in &relation.key {
        same = and(&same, &not_distinct(rows.column(*k), old.column(*k))?)?;
    }
    Ok(not(&same)?)
}

pub(super) fn alias_of(change: &Change) -> &str {
    change.alias.as_deref().unwrap_or(&change.table.name)
}

/// The name under which the query of UPDATE and DELETE knows the table, which tells what its system columns are.
fn target_of(relation: &Relation) -> String {
    format!("{TARGET}{STANDS_FOR}{}", relation.id)
}

/// How the query of a change names the columns of the table that it changes.
pub(super) struct Own<'a> {
    alias: &'a str,
    /// They stand behind those of a view.
    behind: bool,
}

impl<'a> Own<'a> {
    pub fn under(alias: &'a str) -> Own<'a> {
        Own { alias, behind: false }
    }

    /// The same in a statement that writes through a view, if it does.
    pub fn through(alias: &'a str, view: Option<&Through>) -> Own<'a> {
        Own { alias, behind: view.is_some() }
    }

    fn of(change: &'a Change) -> Own<'a> {
        Own::through(alias_of(change), change.through.as_ref())
    }

    pub fn column(&self, name: &str) -> Expr {
        if self.behind { column_of(self.alias, &behind(name)) } else { column_of(self.alias, name) }
    }
}

/// The query of a change of the rows of that name, see the head of this module.
fn change_query(relation: &Relation, target: &str, change: &Change, identity: Identity, mut values: Vec<Expr>) -> Result<Box<ast::Query>> {
    let own = Own::of(change);
    match identity {
        Identity::Key => {}
        Identity::OldKey | Identity::Shown => values.extend(relation.columns.iter().map(|c| own.column(&c.name))),
        Identity::Row => values.push(own.column(ROW)),
        Identity::OldRow => {
            values.extend(std::iter::once(ROW).chain(relation.columns.iter().map(|c| c.name.as_str())).map(|c| own.column(c)))
        }
    }
    let mut items: Vec<SelectItem> = named_items(values);
    if change.returning.is_some() {
        let factors = change.from.iter().flat_map(|t| std::iter::once(&t.relation).chain(t.joins.iter().map(|j| &j.relation)));
        items.extend(factors.filter_map(alias_of_factor).map(|alias| {
            let name = ast::SelectItemQualifiedWildcardKind::ObjectName(ast::ObjectName::from(vec![alias.clone()]));
            SelectItem::QualifiedWildcard(name, ast::WildcardAdditionalOptions::default())
        }));
    }
    let mut query = select_from(target, own.alias)?;
    query.with = change.with.clone();
    let select = select_of(&mut query)?;
    select.projection = items;
    select.from.extend(change.from.iter().cloned());
    select.selection = change.selection.clone();
    Ok(query)
}

pub(super) fn alias_of_factor(factor: &ast::TableFactor) -> Option<&Ident> {
    use ast::TableFactor as F;
    match factor {
        F::Table { alias, .. } | F::Derived { alias, .. } | F::Function { alias, .. } | F::UNNEST { alias, .. } => {
            alias.as_ref().map(|a| &a.name)
        }
        _ => None,
    }
}

/// Each with a name of its own, that no column of a client's has: two may be the same expression.
pub(super) fn named_items(values: Vec<Expr>) -> Vec<SelectItem> {
    let named = |(i, expr)| SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', format!("everfold column {i}")) };
    values.into_iter().enumerate().map(named).collect()
}

/// `"alias"."column"`
pub(super) fn column_of(alias: &str, column: &str) -> Expr {
    Expr::CompoundIdentifier(vec![Ident::with_quote('"', alias), Ident::with_quote('"', column)])
}

/// A SELECT from a relation under an alias, to be filled.
pub(super) fn select_from(name: &str, alias: &str) -> Result<Box<ast::Query>> {
    parsed_query(&format!("SELECT 1 FROM {} AS {}", super::quoted(name), super::quoted(alias)))
}

/// The SELECT that a query of our own making is.
pub(super) fn select_of(query: &mut ast::Query) -> Result<&mut ast::Select> {
    match query.body.as_mut() {
        ast::SetExpr::Select(select) => Ok(select),
        _ => Err(Error::internal("not a SELECT")),
    }
}
