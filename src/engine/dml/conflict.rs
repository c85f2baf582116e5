//! INSERT .. ON CONFLICT: rows of which something unique is there already are left out, or become an UPDATE of the row that is there.
//!
//! The rows' keys are locked, or the table, from before they are looked up until they are appended, so that what is there stays so.
//! Cost: one probe for each row proposed.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::{cast, concat_batches, filter_record_batch, lexsort_to_indices, take_record_batch};
use arrow::datatypes::{DataType, FieldRef, Int64Type, Schema};
use sqlparser::ast;

use super::change::{Own, TARGET, named_items, select_from, select_of};
use super::columns::{all_not_null, cast_columns};
use super::kept::Computed;
use super::parsed_query;
use super::policies::Checked;
use super::returning::{in_memory, numbered, with_numbers};
use super::values::scalars;
use crate::catalog::{Column, Command, Relation};
use crate::data::PgType;
use crate::engine::constraints::Unique;
use crate::engine::query::{Planned, collect};
use crate::engine::session::{Parameters, Session};
use crate::engine::triggers::{Happening, Rows};
use crate::error::{Error, Result, code};
use crate::fold::key_index::{Equality, KeyIndex, NONE};
use crate::fold::{Keyed, RowKeys};
use crate::plan::names::stored_schema;
use crate::serve::table::TableRows;
use crate::sql::statement::{Conflict, ConflictTarget, ConflictUpdate, Through};

const EXCLUDED: &str = "everfold excluded";
const NUMBER: &str = "everfold number";

/// True if a statement looks at nothing but the rows that conflict with it.
fn looks_at_them_only(conflict: &Conflict) -> bool {
    let reads = |e: &ast::Expr| matches!(e, ast::Expr::Subquery(_) | ast::Expr::Exists { .. } | ast::Expr::InSubquery { .. });
    let stop = |e: &ast::Expr| if reads(e) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let given = conflict.update.iter().flat_map(|update| update.assignments.iter().map(|(_, value)| value).chain(&update.selection));
    given.into_iter().all(|value| ast::visit_expressions(value, stop).is_continue())
}

/// DO UPDATE: the table's alias, what is set, and the plan that is kept of it.
#[derive(Clone, Copy)]
pub(super) struct Merge<'a> {
    pub alias: &'a str,
    pub update: &'a ConflictUpdate,
    pub known: Option<&'a Computed>,
    pub through: Option<&'a Through>,
}

/// What rows proposed would conflict with, by one arbiter.
struct Met {
    /// The key of each row, by number; `None` where it has none, and so is never the same as another.
    numbers: Vec<Option<u32>>,
    /// The rows that are there with one of these keys, and the number of each.
    there: RecordBatch,
    there_numbers: Vec<u32>,
    /// True for rows whose key is there.
    known: BooleanArray,
    /// True if that is so of one that a change before this one in WITH has put.
    again: bool,
}

impl Met {
    /// For each row that is there the place of the row proposed of its key.
    fn places(&self) -> Vec<i64> {
        let places: HashMap<u32, i64> = self.numbers.iter().zip(0..).filter_map(|(number, place)| Some(((*number)?, place))).collect();
        self.there_numbers.iter().map(|number| places[number]).collect()
    }

    /// The rows that are there of those whose number stands last in `rows`, one for each.
    fn there_of(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let places = self.places();
        let at: HashMap<i64, u32> = places.iter().copied().zip(0..).collect();
        let wanted = cast(rows.column(rows.num_columns() - 1), &DataType::Int64)?;
        let missing = || Error::internal("a row that is changed is there");
        let wanted = wanted.as_primitive::<Int64Type>().values().iter().map(|number| at.get(number).copied().ok_or_else(missing));
        let wanted = UInt32Array::from(wanted.collect::<Result<Vec<u32>>>()?);
        Ok(take_record_batch(&with_numbers(&self.there, NUMBER, places)?, &wanted)?)
    }
}

impl Session {
    /// What a row must not be the same as another in, of each rule that the statement means. None where nothing can conflict. Errors:
    /// 42P10, 42704, 42703.
    pub(super) async fn arbiters(&self, relation: &Arc<Relation>, conflict: &Conflict) -> Result<Vec<Arc<Unique>>> {
        let mut unique: Vec<Arc<Unique>> = Vec::new();
        if !relation.key.is_empty() {
            unique.push(Arc::new(Unique::of_key(relation)?));
        }
        unique.extend(self.uniques(relation).await?.iter().cloned());
        match &conflict.target {
            None => Ok(unique),
            Some(ConflictTarget::Constraint(name)) => {
                let missing =
                    || Error::new(code::UNDEFINED_OBJECT, format!("constraint \"{name}\" for table \"{}\" does not exist", relation.name));
                Ok(vec![unique.into_iter().find(|of| of.constraint && of.name == *name).ok_or_else(missing)?])
            }
            Some(ConflictTarget::Keys { columns, expressions, predicate }) => {
                let columns = columns.iter().map(|name| relation.column(name)).collect::<Result<BTreeSet<_>>>()?;
                let texts: Vec<String> = expressions.iter().chain(predicate).cloned().collect();
                let mut expressions = if texts.is_empty() { vec![] } else { self.over_rows(relation, &texts).await?.exprs };
                let predicate = predicate.as_ref().and_then(|_| expressions.pop());
                unique.retain(|of| of.is_inferred_by(&columns, &expressions, predicate.as_ref()));
                if unique.is_empty() {
                    let message = "there is no unique or exclusion constraint matching the ON CONFLICT specification";
                    return Err(Error::new(code::INVALID_COLUMN_REFERENCE, message)
                        .hint("Name the columns of the table's primary key or of a UNIQUE constraint, or what a unique index is on."));
                }
                Ok(unique)
            }
        }
    }

    /// True if nothing of the table is looked at but the rows of the keys proposed.
    pub(super) async fn looks_at_keys_only(&self, relation: &Arc<Relation>, conflict: &Conflict) -> Result<bool> {
        let by_key = |of: &Unique| of.by == RowKeys::Columns(relation.key.clone());
        Ok(looks_at_them_only(conflict) && matches!(self.arbiters(relation, conflict).await?.as_slice(), [only] if by_key(only)))
    }

    /// The one rule that DO UPDATE asks about. One for all rows holds wherever one with a condition does. Errors: 0A000 for several.
    async fn arbiter(&self, relation: &Arc<Relation>, conflict: &Conflict) -> Result<Arc<Unique>> {
        let mut arbiters = self.arbiters(relation, conflict).await?;
        if let Some(of_all) = arbiters.iter().position(|of| of.predicate().is_none()) {
            return Ok(arbiters.swap_remove(of_all));
        }
        match <[Arc<Unique>; 1]>::try_from(arbiters) {
            Ok([only]) => Ok(only),
            Err(several) => {
                let names: Vec<&str> = several.iter().map(|of| of.name.as_str()).collect();
                Err(Error::unsupported(format!("ON CONFLICT DO UPDATE by several partial indexes is not supported: {}", names.join(", ")))
                    .hint("Give the WHERE of one of them only."))
            }
        }
    }

    /// What an INSERT writes of the rows proposed, in their order. The caller holds their lock.
    pub(super) async fn without_conflict(
        &mut self,
        relation: &Arc<Relation>,
        conflict: &Conflict,
        merge: Option<Merge<'_>>,
        proposed: RecordBatch,
        types: &[Option<PgType>],
        parameters: &Parameters,
    ) -> Result<RecordBatch> {
        let Some(merge) = merge else {
            let arbiters = self.arbiters(relation, conflict).await?;
            let mut met = Vec::with_capacity(arbiters.len());
            for arbiter in &arbiters {
                met.push(self.met(relation, arbiter, &proposed).await?);
            }
            let kept = filter_record_batch(&proposed, &first_come(&met, proposed.num_rows()))?;
            self.key_free(relation, &arbiters, &kept).await?;
            self.note_rows(&Happening::insert(relation), None, Some(kept.clone()));
            return Ok(kept);
        };
        let arbiter = self.arbiter(relation, conflict).await?;
        let met = self.met(relation, &arbiter, &proposed).await?;
        if relation.key.is_empty() {
            return Err(Error::unsupported("ON CONFLICT DO UPDATE is not supported on a table without a primary key")
                .hint("Give the table a PRIMARY KEY, or write UPDATE and INSERT .. WHERE NOT EXISTS in one transaction."));
        }
        let mut seen = HashSet::new();
        if met.again || met.numbers.iter().flatten().any(|number| !seen.insert(*number)) {
            let message = "ON CONFLICT DO UPDATE command cannot affect row a second time";
            return Err(Error::new(code::CARDINALITY_VIOLATION, message)
                .hint("Ensure that no rows proposed for insertion within the same command have duplicate constrained values."));
        }
        let proposed = numbered(&proposed, NUMBER)?;
        let inserted = filter_record_batch(&proposed, &arrow::compute::not(&met.known)?)?;
        self.key_free(relation, &[arbiter], &inserted).await?;
        self.note_rows(&Happening::insert(relation), None, Some(without_hidden(relation, &inserted)?));
        if met.there.num_rows() == 0 {
            return without_hidden(relation, &inserted);
        }
        self.check_there(relation, &met.there, &[Command::Update, Command::Select], Checked::InTheWay).await?;
        let update = Happening::update(relation, &merge.update.assignments);
        let mut batches = vec![inserted];
        for batch in self.merged_with(relation, merge, &met, &proposed, types, parameters).await? {
            let batch = if update.fires_for_rows() { self.triggered_update(&update, &met, batch).await? } else { batch };
            let batch = self.with_generated(relation, batch).await?;
            all_not_null(relation, &batch)?;
            check_same_key(relation, &batch)?;
            self.check_new(relation, &batch, Command::Update, true).await?;
            let width = relation.columns.len();
            let follows = self.is_followed(relation, |_| true);
            if follows || update.fires_for_rows() {
                let (old, new) = (met.there_of(&batch)?, without_hidden(relation, &batch)?);
                self.note_moved(relation, &old, &new);
                self.note_rows(&update, Some(old), Some(new));
            }
            let columns = batch.columns()[..width].iter().chain(batch.columns().last()).cloned().collect();
            batches.push(RecordBatch::try_new(proposed.schema(), columns)?);
        }
        let all = concat_batches(&proposed.schema(), &batches)?;
        let by_number = arrow::compute::SortColumn { values: all.column(all.num_columns() - 1).clone(), options: None };
        without_hidden(relation, &take_record_batch(&all, &lexsort_to_indices(&[by_number], None)?)?)
    }

    /// What becomes of the rows that are there, each with the number of the row `proposed` that it has too.
    async fn merged_with(
        &self,
        relation: &Arc<Relation>,
        merge: Merge<'_>,
        met: &Met,
        proposed: &RecordBatch,
        types: &[Option<PgType>],
        parameters: &Parameters,
    ) -> Result<Vec<RecordBatch>> {
        let places = met.places();
        let there = with_numbers(&met.there, NUMBER, places.clone())?;
        if let Some(known) = merge.known {
            let excluded = take_record_batch(proposed, &Int64Array::from(places))?;
            if let Some(merged) = self.compute(known, beside(&there, &excluded)?, parameters).await? {
                return Ok(vec![merged]);
            }
        }
        let planned = self.plan_conflict(relation, merge, there, proposed.clone(), types).await?;
        let values = scalars(&planned.parameters, parameters, self.settings.reading())?;
        collect(self.run_query(&planned, values).await?).await
    }

    /// Rows that are to become of those that are there, each with the number of the row proposed last, as triggers make them.
    async fn triggered_update(&mut self, update: &Happening, met: &Met, rows: RecordBatch) -> Result<RecordBatch> {
        let old = met.there_of(&rows)?;
        match self.before_rows(update, Rows { old: Some(&old), new: Some(&rows) }).await? {
            Some(passed) => passed.rows(&rows),
            None => Ok(rows),
        }
    }

    /// Errors: 23505 for rows whose primary key is there, or that of one before them, where that is not what the statement asks about.
    async fn key_free(&self, relation: &Arc<Relation>, arbiters: &[Arc<Unique>], rows: &RecordBatch) -> Result<()> {
        let by = RowKeys::Columns(relation.key.clone());
        if relation.key.is_empty() || arbiters.iter().any(|of| of.by == by) {
            return Ok(());
        }
        self.keys_free(relation, rows, &RecordBatch::new_empty(relation.schema())).await
    }

    async fn met(&self, relation: &Arc<Relation>, arbiter: &Unique, proposed: &RecordBatch) -> Result<Met> {
        let Keyed { rows, keys } = arbiter.by.of(proposed)?;
        let there = self.rows_of_keys(relation, &arbiter.by, &keys).await?;
        let mut index = KeyIndex::new(&arbiter.by.types(&relation.schema())?, Equality::Sql)?;
        let mut of_keys = Vec::new();
        index.intern(&keys, rows.len(), &mut of_keys, &mut Vec::new())?;
        let mut there_numbers = index.find(&arbiter.by.of(&there)?.keys, there.num_rows())?;
        let mut numbers = vec![None; proposed.num_rows()];
        rows.iter().zip(of_keys).for_each(|(row, number)| numbers[*row as usize] = Some(number));
        let (mut there, mut taken) = (there, HashSet::new());
        let is_key = !relation.key.is_empty() && arbiter.by == RowKeys::Columns(relation.key.clone());
        if let Some((put, free)) = if is_key { self.unwritten_keys(relation)? } else { None } {
            let among = |keys: &[ArrayRef]| index.find(keys, keys.first().map_or(0, |key| key.len()));
            taken.extend(among(&put)?.into_iter().filter(|number| *number != NONE));
            let free: HashSet<u32> = among(&free)?.into_iter().collect();
            let stays: BooleanArray = there_numbers.iter().map(|number| Some(!free.contains(number))).collect();
            there = filter_record_batch(&there, &stays)?;
            there_numbers.retain(|number| !free.contains(number));
        }
        let again = !taken.is_empty();
        taken.extend(there_numbers.iter().copied());
        let known = numbers.iter().map(|number| Some(number.is_some_and(|n| taken.contains(&n)))).collect();
        Ok(Met { numbers, there, there_numbers, known, again })
    }

    /// Plans DO UPDATE: the rows that become of those that are `there`, each with the number of the row `proposed` that it has too.
    async fn plan_conflict(
        &self,
        relation: &Arc<Relation>,
        Merge { alias, update, through, .. }: Merge<'_>,
        there: RecordBatch,
        proposed: RecordBatch,
        types: &[Option<PgType>],
    ) -> Result<Planned> {
        let (own, proposed_own) = (Own::through(alias, through), Own::through("excluded", through));
        let mut values = self.assigned(relation, &own, &update.assignments)?;
        values.extend(relation.key.iter().map(|k| own.column(&relation.columns[*k].name)));
        values.push(proposed_own.column(NUMBER));
        let excluded = super::quoted(EXCLUDED);
        let same = format!("{} = {}", own.column(NUMBER), proposed_own.column(NUMBER));
        let mut join = parsed_query(&format!("SELECT 1 FROM {excluded} AS excluded WHERE {same}"))?;
        let mut query = select_from(TARGET, alias)?;
        let select = select_of(&mut query)?;
        let joined = select_of(&mut join)?;
        select.projection = named_items(values);
        select.from.append(&mut joined.from);
        select.selection = match (joined.selection.take(), update.selection.clone()) {
            (Some(equal), Some(wanted)) => Some(ast::Expr::BinaryOp {
                left: Box::new(equal),
                op: ast::BinaryOperator::And,
                right: Box::new(ast::Expr::Nested(Box::new(wanted))),
            }),
            (equal, wanted) => equal.or(wanted),
        };
        let mut names = self.names();
        for (name, rows) in [(TARGET, there), (EXCLUDED, proposed)] {
            let rows = match through {
                Some(through) => self.all_through(&names, through, (name.into(), rows)).await?,
                None => in_memory(rows)?,
            };
            names.stand_ins.push((name.into(), rows));
        }
        let planned = self.plan_with(names, &query, types).await?;
        let wanted: Vec<&Column> = relation.columns.iter().collect();
        cast_columns(planned, &wanted)
    }

    /// DO UPDATE over no rows, for the types of its parameters.
    pub(super) async fn describe_conflict(
        &self,
        relation: &Arc<Relation>,
        alias: &str,
        conflict: &Conflict,
        update: &ConflictUpdate,
        through: Option<&Through>,
        types: &[Option<PgType>],
    ) -> Result<Planned> {
        self.arbiter(relation, conflict).await?;
        let none = numbered(&RecordBatch::new_empty(relation.schema()), NUMBER)?;
        self.plan_conflict(relation, Merge { alias, update, known: None, through }, none.clone(), none, types).await
    }

    /// The rows of a table, as the session sees it, that have one of these keys, each once. Cost: a probe for each.
    pub(in crate::engine) async fn rows_of_keys(&self, relation: &Arc<Relation>, by: &RowKeys, keys: &[ArrayRef]) -> Result<RecordBatch> {
        without_hidden(relation, &self.stored_rows_of_keys(relation, by, keys).await?)
    }

    /// The same with the row id behind the columns, where the table has no key.
    pub(in crate::engine) async fn stored_rows_of_keys(
        &self,
        relation: &Arc<Relation>,
        by: &RowKeys,
        keys: &[ArrayRef],
    ) -> Result<RecordBatch> {
        rows_among(relation, &self.read_now(relation).await?, by, keys)
    }
}

/// The rows of a table that have one of these keys, with the row id where it has no key of its own.
pub(in crate::engine) fn rows_among(relation: &Relation, rows: &TableRows, by: &RowKeys, keys: &[ArrayRef]) -> Result<RecordBatch> {
    let schema = stored_schema(relation, true);
    let found = rows.of_keys(by, keys)?;
    // A node may keep more columns.
    let stored = |batch: RecordBatch| Ok(RecordBatch::try_new(schema.clone(), batch.columns()[..schema.fields().len()].to_vec())?);
    let found = found.into_iter().map(stored).collect::<Result<Vec<_>>>()?;
    Ok(concat_batches(&schema, &found)?)
}

/// The columns of as many rows side by side.
fn beside(left: &RecordBatch, right: &RecordBatch) -> Result<RecordBatch> {
    let (of_left, of_right) = (left.schema(), right.schema());
    let fields: Vec<FieldRef> = of_left.fields().iter().chain(of_right.fields()).cloned().collect();
    let columns = left.columns().iter().chain(right.columns()).cloned().collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// These columns of the rows.
pub(in crate::engine) fn columns_at(rows: &RecordBatch, columns: &[usize]) -> Vec<ArrayRef> {
    columns.iter().map(|c| rows.column(*c).clone()).collect()
}

/// For each of `wanted`, whether it is among `keys`.
pub(in crate::engine) fn found(keys: &[ArrayRef], wanted: &[ArrayRef]) -> Result<BooleanArray> {
    let types: Vec<_> = keys.iter().map(|k| k.data_type().clone()).collect();
    let (count, rows) = (keys.first().map_or(0, |k| k.len()), wanted.first().map_or(0, |k| k.len()));
    let mut index = KeyIndex::new(&types, Equality::Sql)?;
    index.intern(keys, count, &mut Vec::new(), &mut Vec::new())?;
    Ok(index.find(wanted, rows)?.into_iter().map(|n| Some(n != NONE)).collect())
}

/// True for the rows that none before them, and none that is there, is in the way of.
fn first_come(met: &[Met], rows: usize) -> BooleanArray {
    let mut taken = vec![HashSet::new(); met.len()];
    let free = |i: usize| {
        let free = met.iter().zip(&taken).all(|(m, taken)| m.numbers[i].is_none_or(|n| !m.known.value(i) && !taken.contains(&n)));
        if free {
            met.iter().zip(&mut taken).for_each(|(m, taken)| taken.extend(m.numbers[i]));
        }
        Some(free)
    };
    (0..rows).map(free).collect()
}

/// The relation's columns of rows that have others behind them.
fn without_hidden(relation: &Relation, rows: &RecordBatch) -> Result<RecordBatch> {
    Ok(RecordBatch::try_new(relation.schema(), rows.columns()[..relation.columns.len()].to_vec())?)
}

/// Errors: 0A000 where DO UPDATE would give a row another key. The rows have their old key behind their columns.
fn check_same_key(relation: &Relation, rows: &RecordBatch) -> Result<()> {
    for (i, k) in relation.key.iter().enumerate() {
        let before = rows.column(relation.columns.len() + i);
        if not_distinct(rows.column(*k), before)?.false_count() > 0 {
            let message = format!("ON CONFLICT DO UPDATE cannot change the primary key column \"{}\"", relation.columns[*k].name);
            return Err(Error::unsupported(message).hint("Change the key with an UPDATE of its own."));
        }
    }
    Ok(())
}
