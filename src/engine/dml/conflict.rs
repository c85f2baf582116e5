//! INSERT .. ON CONFLICT: rows whose key is there already are left out, or become an UPDATE of the row that is there.
//!
//! The table's exclusive lock is held from before the rows are looked up until they are appended, so that what is there stays so. Cost:
//! one probe for each row proposed, or one pass over the table where they are many or the transaction has changed it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::{concat_batches, filter_record_batch, lexsort_to_indices, take_record_batch};
use arrow::datatypes::Int64Type;
use datafusion::common::ScalarValue;
use sqlparser::ast;

use super::change::{TARGET, column_of, firsts, named_items, select_from, select_of};
use super::columns::{all_not_null, cast_columns};
use super::parsed_query;
use super::returning::{in_memory, numbered};
use super::values::scalars;
use crate::catalog::{Column, Relation};
use crate::data::PgType;
use crate::engine::query::{Planned, collect};
use crate::engine::session::{Parameters, Session};
use crate::error::{Error, Result, code};
use crate::fold::key_index::{Equality, KeyIndex, NONE};
use crate::serve::cut::{Readable, snapshot_batches};
use crate::sql::statement::{Conflict, ConflictTarget, ConflictUpdate};

/// Keys that are looked up one by one; more are found in one pass over the table.
const PROBES_MAX: usize = 1_000;
const EXCLUDED: &str = "everfold excluded";
const NUMBER: &str = "everfold number";

/// The columns that must not be there twice, as indices; `None` where nothing can conflict. Errors: 42P10, 42704, 42703.
pub(super) fn arbiter(relation: &Relation, conflict: &Conflict) -> Result<Option<Vec<usize>>> {
    let key = &relation.key;
    match &conflict.target {
        None => Ok((!key.is_empty()).then(|| key.clone())),
        Some(ConflictTarget::Constraint(name)) if !key.is_empty() && *name == format!("{}_pkey", relation.name) => Ok(Some(key.clone())),
        Some(ConflictTarget::Constraint(name)) => {
            Err(Error::new(code::UNDEFINED_OBJECT, format!("constraint \"{name}\" for table \"{}\" does not exist", relation.name)))
        }
        Some(ConflictTarget::Columns(names)) => {
            let named = names.iter().map(|name| relation.column(name)).collect::<Result<Vec<_>>>()?;
            if key.is_empty() || !key.iter().all(|k| named.contains(k)) || !named.iter().all(|n| key.contains(n)) {
                let message = "there is no unique or exclusion constraint matching the ON CONFLICT specification";
                return Err(Error::new("42P10", message).hint("Name the columns of the table's primary key."));
            }
            Ok(Some(key.clone()))
        }
    }
}

impl Session {
    /// What an INSERT writes of the rows proposed, in their order. The caller holds the table's exclusive lock.
    pub(super) async fn without_conflict(
        &self,
        relation: &Arc<Relation>,
        alias: &str,
        conflict: &Conflict,
        proposed: RecordBatch,
        types: &[Option<PgType>],
        parameters: &Parameters,
    ) -> Result<RecordBatch> {
        let Some(key) = arbiter(relation, conflict)? else { return Ok(proposed) };
        let keys = columns_at(&proposed, &key);
        let first = firsts(&keys, proposed.num_rows())?;
        let there = self.rows_of_keys(relation, &key, &keys).await?;
        let known = found(&columns_at(&there, &key), &keys)?;
        let fresh: BooleanArray = (0..proposed.num_rows()).map(|i| Some(first.value(i) && !known.value(i))).collect();
        let Some(update) = &conflict.update else { return Ok(filter_record_batch(&proposed, &fresh)?) };
        if first.false_count() > 0 {
            let message = "ON CONFLICT DO UPDATE command cannot affect row a second time";
            return Err(Error::new("21000", message)
                .hint("Ensure that no rows proposed for insertion within the same command have duplicate constrained values."));
        }
        let proposed = numbered(&proposed, NUMBER)?;
        let inserted = filter_record_batch(&proposed, &fresh)?;
        if there.num_rows() == 0 {
            return without_last(relation, inserted);
        }
        let planned = self.plan_conflict(relation, alias, update, there, proposed.clone(), types).await?;
        let values = scalars(&planned.parameters, parameters, self.settings.zone())?;
        let mut batches = vec![inserted];
        for batch in collect(self.run_query(&planned, values).await?).await? {
            all_not_null(relation, &batch)?;
            check_same_key(relation, &key, &batch, &proposed)?;
            batches.push(RecordBatch::try_new(proposed.schema(), batch.columns().to_vec())?);
        }
        let all = concat_batches(&proposed.schema(), &batches)?;
        let by_number = arrow::compute::SortColumn { values: all.column(all.num_columns() - 1).clone(), options: None };
        without_last(relation, take_record_batch(&all, &lexsort_to_indices(&[by_number], None)?)?)
    }

    /// Plans DO UPDATE: the rows that become of those that are `there`, each with the number of the row `proposed`.
    pub(super) async fn plan_conflict(
        &self,
        relation: &Arc<Relation>,
        alias: &str,
        update: &ConflictUpdate,
        there: RecordBatch,
        proposed: RecordBatch,
        types: &[Option<PgType>],
    ) -> Result<Planned> {
        let mut values = self.assigned(relation, alias, &update.assignments)?;
        values.push(column_of("excluded", NUMBER));
        let equal = relation.key.iter().map(|k| {
            let name = &relation.columns[*k].name;
            format!("{} = {}", column_of(alias, name), column_of("excluded", name))
        });
        let equal: Vec<String> = equal.collect();
        let excluded = super::quoted(EXCLUDED);
        let join = parsed_query(&format!("SELECT 1 FROM {excluded} AS excluded WHERE {}", equal.join(" AND ")))?;
        let mut query = select_from(TARGET, alias)?;
        let select = select_of(&mut query)?;
        let mut join = join;
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
        names.stand_ins.push((TARGET.into(), in_memory(there)?));
        names.stand_ins.push((EXCLUDED.into(), in_memory(proposed)?));
        let planned = self.plan_with(names, &query, types).await?;
        let wanted: Vec<&Column> = relation.columns.iter().collect();
        cast_columns(planned, &wanted)
    }

    /// DO UPDATE over no rows, for the types of its parameters.
    pub(super) async fn describe_conflict(
        &self,
        relation: &Arc<Relation>,
        alias: &str,
        update: &ConflictUpdate,
        types: &[Option<PgType>],
    ) -> Result<Planned> {
        let none = RecordBatch::new_empty(relation.schema());
        self.plan_conflict(relation, alias, update, none.clone(), numbered(&none, NUMBER)?, types).await
    }

    /// The rows of a table whose columns `key` have one of these values.
    pub(super) async fn rows_of_keys(&self, relation: &Arc<Relation>, key: &[usize], keys: &[ArrayRef]) -> Result<RecordBatch> {
        let (schema, count) = (relation.schema(), keys.first().map_or(0, |k| k.len()));
        let width = schema.fields().len();
        let mut batches = Vec::new();
        if count <= PROBES_MAX
            && key == relation.key
            && !self.has_own()
            && let Some(node) = self.engine.node(relation.id)
        {
            self.engine.reach(&node).await?;
            for i in 0..count {
                let values = keys.iter().map(|k| ScalarValue::try_from_array(k, i)).collect::<std::result::Result<Vec<_>, _>>()?;
                if let Some(row) = node.with_output(|output| output.lookup(&values))? {
                    batches.push(RecordBatch::try_new(schema.clone(), row.columns()[..width].to_vec())?);
                }
            }
            return once(&concat_batches(&schema, &batches)?, key);
        }
        let cut = self.read(std::slice::from_ref(relation)).await?;
        let held = match cut.relations.get(&relation.id) {
            Some(Readable::Rows(snapshot)) => snapshot_batches(snapshot, None)?,
            Some(Readable::Batches(batches)) => batches.clone(),
            _ => return Err(Error::internal("a table has rows")),
        };
        for batch in held {
            let wanted = found(keys, &columns_at(&batch, key))?;
            let batch = filter_record_batch(&batch, &wanted)?;
            batches.push(RecordBatch::try_new(schema.clone(), batch.columns()[..width].to_vec())?);
        }
        Ok(concat_batches(&schema, &batches)?)
    }
}

/// These columns of the rows.
pub(super) fn columns_at(rows: &RecordBatch, columns: &[usize]) -> Vec<ArrayRef> {
    columns.iter().map(|c| rows.column(*c).clone()).collect()
}

/// The first row of each key.
fn once(rows: &RecordBatch, key: &[usize]) -> Result<RecordBatch> {
    Ok(filter_record_batch(rows, &firsts(&columns_at(rows, key), rows.num_rows())?)?)
}

/// For each of `wanted`, whether it is among `keys`.
pub(super) fn found(keys: &[ArrayRef], wanted: &[ArrayRef]) -> Result<BooleanArray> {
    let types: Vec<_> = keys.iter().map(|k| k.data_type().clone()).collect();
    let (count, rows) = (keys.first().map_or(0, |k| k.len()), wanted.first().map_or(0, |k| k.len()));
    let mut index = KeyIndex::new(&types, Equality::Sql)?;
    index.intern(keys, count, &mut Vec::new(), &mut Vec::new())?;
    Ok(index.find(wanted, rows)?.into_iter().map(|n| Some(n != NONE)).collect())
}

/// The relation's columns of rows that have a number behind them.
fn without_last(relation: &Relation, rows: RecordBatch) -> Result<RecordBatch> {
    Ok(RecordBatch::try_new(relation.schema(), rows.columns()[..relation.columns.len()].to_vec())?)
}

/// Errors: 0A000 where DO UPDATE would give a row another key.
fn check_same_key(relation: &Relation, key: &[usize], rows: &RecordBatch, proposed: &RecordBatch) -> Result<()> {
    let numbers = rows.column(relation.columns.len()).as_primitive::<Int64Type>();
    for k in key {
        let before = arrow::compute::take(proposed.column(*k), numbers, None)?;
        if not_distinct(&rows.column(*k), &before)?.false_count() > 0 {
            let message = format!("ON CONFLICT DO UPDATE cannot change the primary key column \"{}\"", relation.columns[*k].name);
            return Err(Error::unsupported(message).hint("Change the key with an UPDATE of its own."));
        }
    }
    Ok(())
}
