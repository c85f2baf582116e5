//! MERGE: rows of a source, each of which changes the row of the table that it is joined with, or adds one.
//!
//! It is one query, the source joined with the table, with these columns: the number of the WHEN that applies to the row, or -1; for each
//! WHEN that puts rows the columns of the row that it puts; and the row of the table as it is, with its row id where it has no key. What one
//! WHEN puts is computed for its own rows only, as it may err for others. All is read at the head, with the whole table locked, and
//! appended as one: rows that go, rows that are changed, rows that are new.
//!
//! Cost: that of the join. The table is passed over, whatever the source has.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int32Array, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use sqlparser::ast::{self, Expr};

use super::Written;
use super::change::{Own, TARGET, assigned_types, column_of, firsts, moved, named_items, select_from, select_of};
use super::columns::{all_not_null, cast_columns, check_width, target_columns};
use super::defaults::{generated_always, takes_default_only};
use super::not_matched::of_source;
use super::policies::Checked;
use super::values::{declared, is_default, scalars};
use crate::catalog::{Column, Command, Relation};
use crate::data::{PgType, ROW};
use crate::engine::events::{DELETE, UPSERT, changes, events_of_rows};
use crate::engine::generated::{Generators, is_set_by};
use crate::engine::query::{Planned, collect};
use crate::engine::session::{Parameters, Prepared, Response, Session};
use crate::engine::table_locks::Mode;
use crate::engine::triggers::{Happening, Rows};
use crate::error::{Error, Result, code};
use crate::sql::convert::literal;
use crate::sql::placeholder;
use crate::sql::statement::{Merge, MergeAction};

/// What a MERGE does to rows, by kind.
#[derive(Default)]
struct Effects {
    /// Rows that are gone, or get another key.
    gone: Vec<RecordBatch>,
    changed: Vec<RecordBatch>,
    /// Those among the changed that have another key.
    rekeyed: Vec<RecordBatch>,
    added: Vec<RecordBatch>,
    /// The rows of the table that are changed or deleted, as often as that happens.
    touched: Vec<RecordBatch>,
    /// Those of them that are deleted, and those that are changed, as they are.
    deleted: Vec<RecordBatch>,
    updated: Vec<RecordBatch>,
}

impl Session {
    pub(in crate::engine) async fn merge(&mut self, merge: &Merge, prepared: &Prepared, parameters: &Parameters) -> Result<Response> {
        let types = declared(prepared);
        let mut held = Vec::new();
        let written = loop {
            let catalog = self.engine.catalog();
            let relation = self.changeable(&merge.table, "MERGE")?;
            let planned = self.plan_merge(&relation, merge, &types).await?;
            held.push(self.lock_table(relation.id, Mode::Remove).await?);
            // What its names mean may have changed while it waited.
            if Arc::ptr_eq(&catalog, &self.engine.catalog()) {
                self.as_begun(&relation)?;
                break self.merged(&relation, merge, &planned, &types, parameters).await?;
            }
        };
        self.finish("MERGE", written, prepared).await
    }

    /// The types of its parameters.
    pub(in crate::engine) async fn describe_merge(&self, merge: &Merge, types: &[Option<PgType>]) -> Result<Vec<PgType>> {
        let relation = self.changeable(&merge.table, "MERGE")?;
        Ok(self.plan_merge(&relation, merge, types).await?.parameters)
    }

    /// The query of a MERGE, to be explained. Errors: what running it would say before it reads anything.
    pub(in crate::engine) async fn query_of_merge(&self, merge: &Merge, types: &[Option<PgType>]) -> Result<Planned> {
        let relation = self.changeable(&merge.table, "MERGE")?;
        let planned = self.plan_merge(&relation, merge, types).await?;
        self.may_merge(&relation, merge, &planned, types).await?;
        Ok(planned)
    }

    /// What a MERGE writes. The caller holds the table's lock.
    async fn merged(
        &mut self,
        relation: &Arc<Relation>,
        merge: &Merge,
        planned: &Planned,
        types: &[Option<PgType>],
        parameters: &Parameters,
    ) -> Result<Written> {
        self.may_merge(relation, merge, planned, types).await?;
        let values = scalars(&planned.parameters, parameters, self.settings.reading())?;
        let cut = self.read_head(&planned.relations).await?;
        let rows = collect(self.run_at(planned, cut, values)?).await?;
        let rows = match rows.first() {
            Some(first) => concat_batches(&first.schema(), &rows)?,
            None => RecordBatch::new_empty(planned.schema.clone()),
        };
        let generators = self.generators(relation).await?;
        let effects = self.effects(relation, merge, &rows, generators.as_ref()).await?;
        effects.check_once(relation)?;
        self.check_merged(relation, &effects).await?;
        let schema = stored(relation);
        let all = |batches: &[RecordBatch]| concat_batches(&schema, batches);
        let (gone, changed, added) = (all(&effects.gone)?, all(&effects.changed)?, concat_batches(&relation.schema(), &effects.added)?);
        if !relation.key.is_empty() {
            let keyed = |rows: &RecordBatch| RecordBatch::try_new(schema.clone(), rows.columns().to_vec());
            let mut with_new_keys = effects.rekeyed.clone();
            with_new_keys.push(keyed(&added)?);
            let with_new_keys = all(&with_new_keys)?;
            if with_new_keys.num_rows() > 0 {
                self.keys_free(relation, &with_new_keys, &gone).await?;
            }
        }
        let count = rows_of(&effects.touched) + added.num_rows();
        let mut events = Vec::new();
        if gone.num_rows() > 0 {
            events.push((relation.id, changes(relation, &gone, DELETE)?));
        }
        if changed.num_rows() > 0 {
            events.push((relation.id, changes(relation, &changed, UPSERT)?));
        }
        if added.num_rows() > 0 {
            events.extend(events_of_rows(&self.engine, relation, added)?);
        }
        Ok(Written { count, events, returned: None, unanswered: None })
    }

    /// Parts the rows of the query by what becomes of them, as triggers make them, and computes generated columns. Errors: 23502, those of
    /// triggers.
    async fn effects(
        &mut self,
        relation: &Arc<Relation>,
        merge: &Merge,
        rows: &RecordBatch,
        generators: Option<&Arc<Generators>>,
    ) -> Result<Effects> {
        let width = relation.columns.len();
        let puts = merge.whens.iter().filter(|when| matches!(when.then, MergeAction::Update(_) | MergeAction::Insert { .. })).count();
        let old = 1 + puts * width;
        let which = rows.column(0).as_any().downcast_ref::<Int32Array>().ok_or_else(|| Error::internal("the number of a WHEN is one"))?;
        let schema = stored(relation);
        let mut effects = Effects::default();
        let mut at = 1;
        for (i, when) in merge.whens.iter().enumerate() {
            let own: BooleanArray = which.iter().map(|which| Some(which == Some(i as i32))).collect();
            let rows = filter_record_batch(rows, &own)?;
            let mut before = RecordBatch::try_new(schema.clone(), rows.columns()[old..].to_vec())?;
            let put = |at: usize| rows.columns()[at..at + width].to_vec();
            match &when.then {
                MergeAction::Nothing => {}
                MergeAction::Delete => {
                    let delete = Happening::delete(relation);
                    if let Some(passed) = self.before_rows(&delete, Rows { old: Some(&before), new: None }).await? {
                        before = passed.rows(&before)?;
                    }
                    self.note_rows(&delete, Some(before.clone()), None);
                    effects.gone.push(before.clone());
                    effects.deleted.push(before.clone());
                    effects.touched.push(before);
                }
                MergeAction::Update(assignments) => {
                    let columns: Vec<ArrayRef> = put(at).into_iter().chain(before.columns()[width..].iter().cloned()).collect();
                    let mut after = RecordBatch::try_new(schema.clone(), columns)?;
                    let update = Happening::update(relation, assignments);
                    if let Some(passed) = self.before_rows(&update, Rows { old: Some(&before), new: Some(&after) }).await? {
                        before = filter_record_batch(&before, &passed.kept)?;
                        after = passed.rows(&after)?;
                    }
                    let after = self.filled(generators, after).await?;
                    all_not_null(relation, &after)?;
                    self.note_rows(&update, Some(before.clone()), Some(after.clone()));
                    self.note_moved(relation, &before, &after);
                    if relation.key.iter().any(|k| is_set_by(&relation.columns[*k], assignments)) {
                        effects.gone.push(before.clone());
                        effects.rekeyed.push(after.clone());
                    } else if update.fires_for_rows() && !relation.key.is_empty() {
                        let moved = moved(relation, &after, &before)?;
                        effects.gone.push(filter_record_batch(&before, &moved)?);
                        effects.rekeyed.push(filter_record_batch(&after, &moved)?);
                    }
                    effects.changed.push(after);
                    effects.updated.push(before.clone());
                    effects.touched.push(before);
                    at += width;
                }
                MergeAction::Insert { .. } => {
                    let insert = Happening::insert(relation);
                    let mut added = RecordBatch::try_new(relation.nullable().schema(), put(at))?;
                    if let Some(passed) = self.before_rows(&insert, Rows { old: None, new: Some(&added) }).await? {
                        added = passed.rows(&added)?;
                    }
                    let added = self.filled(generators, added).await?;
                    all_not_null(relation, &added)?;
                    let added = RecordBatch::try_new(relation.schema(), added.columns().to_vec())?;
                    self.note_rows(&insert, None, Some(added.clone()));
                    effects.added.push(added);
                    at += width;
                }
            }
        }
        Ok(effects)
    }

    /// Errors: 42501 for rows that policies keep the statement from changing, and for those that they do not let it put.
    async fn check_merged(&self, relation: &Arc<Relation>, effects: &Effects) -> Result<()> {
        let schema = stored(relation);
        let all = |batches: &[RecordBatch]| concat_batches(&schema, batches);
        self.check_there(relation, &all(&effects.deleted)?, &[Command::Delete], Checked::Target).await?;
        self.check_there(relation, &all(&effects.updated)?, &[Command::Update], Checked::Target).await?;
        self.check_new(relation, &all(&effects.changed)?, Command::Update, true).await?;
        self.check_new(relation, &concat_batches(&relation.schema(), &effects.added)?, Command::Insert, false).await
    }

    /// Plans the query of a MERGE, see the head of this module.
    async fn plan_merge(&self, relation: &Arc<Relation>, merge: &Merge, types: &[Option<PgType>]) -> Result<Planned> {
        let mut types = types.to_vec();
        for when in &merge.whens {
            match &when.then {
                MergeAction::Update(assignments) => assigned_types(relation, assignments, &mut types)?,
                MergeAction::Insert { columns, values } => {
                    let targets = target_columns(relation, columns)?;
                    check_width(values.len(), targets.len(), !columns.is_empty())?;
                    let named = |t: usize| relation.columns[t].name.clone();
                    let given: Vec<(String, Expr)> = targets.into_iter().map(named).zip(values.iter().cloned()).collect();
                    assigned_types(relation, &given, &mut types)?;
                }
                MergeAction::Nothing | MergeAction::Delete => {}
            }
        }
        self.check_source(merge, &types).await?;
        let (query, puts) = self.merge_query(relation, &of_source(merge, relation))?;
        let mut names = self.names();
        names.stand_ins.push((TARGET.into(), self.target(relation, &[Command::Select]).await?));
        let planned = self.plan_with(names, &query, &types).await?;
        let which = Column::new("which".into(), PgType::Int4);
        let rows = std::iter::repeat_n(&relation.columns, puts + 1).flatten();
        let wanted: Vec<&Column> = std::iter::once(&which).chain(rows).collect();
        cast_columns(planned, &wanted)
    }

    /// The query, and how many WHENs in it put rows.
    fn merge_query(&self, relation: &Relation, merge: &Merge) -> Result<(Box<ast::Query>, usize)> {
        let alias = merge.alias();
        let tells = relation.key.first().map_or(ROW, |k| relation.columns[*k].name.as_str());
        let is_there = Expr::IsNotNull(Box::new(column_of(alias, tells)));
        let which = which(merge, is_there)?;
        let mut items = vec![which.clone()];
        let mut puts = 0;
        for (i, when) in merge.whens.iter().enumerate() {
            let row = match &when.then {
                MergeAction::Nothing | MergeAction::Delete => continue,
                MergeAction::Update(assignments) => self.assigned(relation, &Own::under(alias), assignments)?,
                MergeAction::Insert { columns, values } => self.inserted_by_merge(relation, columns, values)?,
            };
            puts += 1;
            for value in row {
                items.push(only_for(&which, i, value)?);
            }
        }
        items.extend(relation.columns.iter().map(|c| column_of(alias, &c.name)));
        if relation.key.is_empty() {
            items.push(column_of(alias, ROW));
        }
        let mut query = select_from(TARGET, alias)?;
        query.with = merge.with.clone();
        let select = select_of(&mut query)?;
        select.projection = named_items(items);
        let target = select.from.pop().ok_or_else(|| Error::internal("a SELECT from a relation has one"))?.relation;
        let adds = merge.whens.iter().any(|when| !when.matched);
        let on = ast::JoinConstraint::On(merge.on.clone());
        let join_operator = if adds { ast::JoinOperator::LeftOuter(on) } else { ast::JoinOperator::Inner(on) };
        let mut from = merge.source.clone();
        from.joins.push(ast::Join { relation: target, global: false, join_operator });
        select.from.push(from);
        Ok((query, puts))
    }

    /// The columns of a row that INSERT adds. Errors: 428C9.
    fn inserted_by_merge(&self, relation: &Relation, columns: &[String], values: &[Expr]) -> Result<Vec<Expr>> {
        let targets = target_columns(relation, columns)?;
        let value = |(i, column): (usize, &Column)| {
            let given = targets.iter().position(|t| *t == i).and_then(|at| values.get(at));
            match given.filter(|value| !is_default(value)) {
                None => self.default_expression(relation, column),
                Some(_) if takes_default_only(column) => Err(match column.generated.is_some() {
                    true => generated_always(column),
                    false => generated_always(column).hint("Leave the column out, or define it as GENERATED BY DEFAULT."),
                }),
                Some(value) => Ok(value.clone()),
            }
        };
        relation.columns.iter().enumerate().map(value).collect()
    }
}

impl Effects {
    /// Errors: 21000 for a row of the table that is changed or deleted twice.
    fn check_once(&self, relation: &Relation) -> Result<()> {
        let touched = concat_batches(&stored(relation), &self.touched)?;
        let identity: Vec<ArrayRef> = match relation.key.is_empty() {
            true => vec![touched.column(relation.columns.len()).clone()],
            false => relation.key.iter().map(|k| touched.column(*k).clone()).collect(),
        };
        if firsts(&identity, touched.num_rows())?.true_count() == touched.num_rows() {
            return Ok(());
        }
        Err(Error::new(code::CARDINALITY_VIOLATION, "MERGE command cannot affect row a second time")
            .hint("Ensure that not more than one source row matches any one target row."))
    }
}

/// The columns of a table's rows, any of which may be missing beside a row of the source, and the row id where it has no key.
fn stored(relation: &Relation) -> SchemaRef {
    let mut fields: Vec<Field> = relation.columns.iter().map(|c| c.ty.field(&c.name, true)).collect();
    if relation.key.is_empty() {
        fields.push(Field::new(ROW, DataType::Int64, true));
    }
    Arc::new(Schema::new(fields))
}

fn rows_of(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}

/// The number of the first WHEN that applies, or -1.
fn which(merge: &Merge, is_there: Expr) -> Result<Expr> {
    let absent = Expr::IsNull(match &is_there {
        Expr::IsNotNull(column) => column.clone(),
        other => Box::new(other.clone()),
    });
    let mut cases = Vec::with_capacity(merge.whens.len());
    for (i, when) in merge.whens.iter().enumerate() {
        let side = if when.matched { is_there.clone() } else { absent.clone() };
        let condition = match &when.condition {
            None => side,
            Some(condition) => Expr::BinaryOp {
                left: Box::new(side),
                op: ast::BinaryOperator::And,
                right: Box::new(Expr::Nested(Box::new(condition.clone()))),
            },
        };
        cases.push(ast::CaseWhen { condition, result: expression(&i.to_string())? });
    }
    case(cases, Some(expression("-1")?))
}

/// A value where that WHEN applies, and NULL elsewhere. What cannot err, and draws no number, needs no such care, and keeps its type: a literal
/// has none of its own.
fn only_for(which: &Expr, i: usize, value: Expr) -> Result<Expr> {
    if is_plain(&value) || matches!(value, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) {
        return Ok(value);
    }
    let (left, right) = (Box::new(which.clone()), Box::new(expression(&i.to_string())?));
    let condition = Expr::BinaryOp { left, op: ast::BinaryOperator::Eq, right };
    case(vec![ast::CaseWhen { condition, result: value }], None)
}

/// True for a literal, a parameter and DEFAULT.
pub(super) fn is_plain(value: &Expr) -> bool {
    literal(value).is_some() || placeholder(value).is_some() || is_default(value)
}

fn case(conditions: Vec<ast::CaseWhen>, otherwise: Option<Expr>) -> Result<Expr> {
    let Expr::Case { case_token, end_token, .. } = expression("CASE WHEN true THEN 1 END")? else {
        return Err(Error::internal("a CASE is one"));
    };
    Ok(Expr::Case { case_token, end_token, operand: None, conditions, else_result: otherwise.map(Box::new) })
}

fn expression(text: &str) -> Result<Expr> {
    crate::sql::parse::written_expression(text)
}
