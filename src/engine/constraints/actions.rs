//! ON DELETE and ON UPDATE: what a foreign key does to rows that refer to rows which go, or get another key.
//!
//! It is a change of the child like any other, made by its owner and checked as one: a rule on the child may act in its turn, in the next
//! round ([`super::rounds`]). Rows whose parent is gone are known from what the parent had before ([`Session::act`]). Where keys change, a rule has to
//! know besides what became of each: a statement that sets columns which rules look at keeps its rows as they were, one for one
//! ([`Session::note_moved`]), until it is checked. ON UPDATE CASCADE takes them all at once ([`Session::follow`]), so that keys may be handed on
//! from row to row.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::{and, concat, filter_record_batch, is_not_null, not, or, take};
use arrow::datatypes::{Field, Schema};

use super::references::{Link, Orphans};
use super::referring;
use super::rounds::Agenda;
use crate::catalog::{Action, Column, ForeignKey, Relation, RelationId};
use crate::engine::dml::change::{Located, whole};
use crate::engine::dml::conflict::columns_at;
use crate::engine::dml::returning::in_memory;
use crate::engine::dml::{Written, quoted};
use crate::engine::privileges::Authority;
use crate::engine::rename::whole_name;
use crate::engine::session::{Parameters, Session};
use crate::engine::triggers::Happening;
use crate::error::{Error, Result, code};
use crate::fold::RowKeys;
use crate::fold::key_index::{Equality, KeyIndex};
use crate::sql::{Statement, parse};

/// Rows of a table as a statement has found them, and as it leaves them, one for one. Both have the table's columns first.
pub(in crate::engine) struct Moved {
    pub relation: RelationId,
    pub(super) old: RecordBatch,
    new: RecordBatch,
}

impl Session {
    /// True if it matters to rows of others what becomes of each row in an UPDATE that sets these columns of a table: rules act on them, or
    /// act on those of rows that are deleted, which these are not.
    pub(in crate::engine) fn is_followed(&self, relation: &Relation, is_set: impl Fn(&Column) -> bool) -> bool {
        let set = |name: &String| relation.column(name).is_ok_and(|at| is_set(&relation.columns[at]));
        let acts = |foreign: &ForeignKey| foreign.on_update != Action::NoAction || foreign.on_delete != Action::NoAction;
        referring(&self.catalog(), relation.id).any(|(_, _, foreign)| acts(foreign) && foreign.parent_columns.iter().any(set))
    }

    /// Keeps what an UPDATE makes of rows, for those that follow them.
    pub(in crate::engine) fn note_moved(&mut self, relation: &Relation, old: &RecordBatch, new: &RecordBatch) {
        if self.is_followed(relation, |_| true) {
            self.moved.push(Moved { relation: relation.id, old: old.clone(), new: new.clone() });
        }
    }

    /// ON UPDATE CASCADE: rows of the child that refer to what a row of the parent was refer to what it is. The caller holds the child's
    /// locks. Errors: 22003 for a key that does not fit the child's columns, and those of the child's own rules.
    pub(super) async fn follow(&mut self, link: &Link<'_>, moved: &[Moved], agenda: &mut Agenda) -> Result<()> {
        let mut all = Vec::with_capacity(moved.len());
        for Moved { old, new, .. } in moved {
            let other = rekeyed(&link.to, old, new)?;
            let (old, new) = (filter_record_batch(old, &other)?, filter_record_batch(new, &other)?);
            // Keys that only SQL can compare are left as they are, and refused by whoever looks for orphans.
            let (Some(keys), Some(values)) = (link.as_child(&old)?, link.as_child(&new)?) else { continue };
            let nulls = |values: &[ArrayRef]| values.iter().map(|v| v.null_count()).sum::<usize>();
            if nulls(&values) > nulls(&columns_at(&new, &link.to)) {
                return Err(Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range"));
            }
            all.push((keys, values));
        }
        // A statement changes a row once, with however many of its parts; rules may hand one on from one to the other.
        if agenda.is_of_statement() && all.len() > 1 {
            let (keys, values): (Vec<_>, Vec<_>) = all.into_iter().unzip();
            all = vec![(one_below_the_other(&keys)?, one_below_the_other(&values)?)];
        }
        for (keys, values) in all {
            self.follow_keys(link, &keys, &values, agenda).await?;
        }
        Ok(())
    }

    /// Gives the rows of the child that have one of these keys the values at its place. Errors: 54000 where that has no end.
    async fn follow_keys(&mut self, link: &Link<'_>, keys: &[ArrayRef], values: &[ArrayRef], agenda: &mut Agenda) -> Result<()> {
        let rows = self.stored_rows_of_keys(link.child, &RowKeys::Columns(link.from.clone()), keys).await?;
        if rows.num_rows() == 0 {
            return Ok(());
        }
        agenda.count_followed()?;
        let count = keys.first().map_or(0, |key| key.len());
        let places = places_of(keys, count, &columns_at(&rows, &link.from), rows.num_rows())?;
        let (rows, names) = with_values(&rows, values, &places)?;
        let set = link.foreign.columns.iter().zip(&names).map(|(c, name)| format!("{} = {}", quoted(c), quoted(name)));
        let set = set.collect::<Vec<_>>().join(", ");
        let text = format!("UPDATE {} SET {set}", whole_name(&self.catalog(), link.child));
        self.run_action(link, &text, Some(rows), agenda).await
    }

    /// The rows of the child that refer to what rows of the parent were before they got other keys; `None` if only SQL can compare them.
    pub(super) async fn left_by(&self, link: &Link<'_>, Moved { old, new, .. }: &Moved) -> Result<Option<RecordBatch>> {
        let old = filter_record_batch(old, &rekeyed(&link.to, old, new)?)?;
        let Some(keys) = link.as_child(&old)? else { return Ok(None) };
        self.stored_rows_of_keys(link.child, &RowKeys::Columns(link.from.clone()), &keys).await.map(Some)
    }

    /// Does to the orphans what the rule says. The caller holds the child's locks.
    pub(super) async fn act(&mut self, link: &Link<'_>, action: Action, orphans: Orphans, agenda: &mut Agenda) -> Result<()> {
        let name = whole_name(&self.catalog(), link.child);
        let (condition, rows) = match orphans {
            Orphans::Rows(rows) if rows.num_rows() == 0 => return Ok(()),
            Orphans::Rows(rows) => (String::new(), Some(rows)),
            Orphans::Condition(condition) => (format!(" WHERE {condition}"), None),
        };
        let value = if action == Action::SetNull { "NULL" } else { "DEFAULT" };
        let set = link.foreign.columns.iter().map(|c| format!("{} = {value}", quoted(c))).collect::<Vec<_>>().join(", ");
        let text = match action {
            Action::Cascade => format!("DELETE FROM {name}{condition}"),
            _ => format!("UPDATE {name} SET {set}{condition}"),
        };
        self.run_action(link, &text, rows, agenda).await
    }

    /// Runs the change that a rule makes, of these rows of the child or of all. The next round looks at what it has done.
    async fn run_action(&mut self, link: &Link<'_>, text: &str, rows: Option<RecordBatch>, agenda: &mut Agenda) -> Result<()> {
        let (what, change) = match parse(text)? {
            Statement::Delete(change) => ("DELETE", change),
            Statement::Update(change) => ("UPDATE", change),
            _ => return Err(Error::internal("an action is a change")),
        };
        let happening = if what == "DELETE" { Happening::delete(link.child) } else { Happening::update(link.child, &change.assignments) };
        let written = self.act_as_owner(link, &happening, (what, &change), rows).await?;
        agenda.acted |= written.count > 0;
        self.append(written.events).await?;
        self.note_statement(&happening);
        Ok(())
    }

    /// The change that a rule makes. The owner of the table makes it, whose BEFORE triggers run so, and whom
    /// policies keep from nothing here.
    async fn act_as_owner(
        &mut self,
        link: &Link<'_>,
        happening: &Happening,
        (what, change): (&str, &crate::sql::statement::Change),
        rows: Option<RecordBatch>,
    ) -> Result<Written> {
        let target = rows.map_or_else(|| Ok(whole(link.child)), in_memory)?;
        let plan = self.plan_change(link.child, Some(target), change, &[]).await?;
        let checking = self.authority.role;
        let (caller, whole) = (self.become_owner(link.child.owner), std::mem::replace(&mut self.reads_whole, true));
        let begun = self.before_statement(happening).await;
        let located = Located { plan: &plan, bound: None };
        let done = match begun {
            Ok(()) => self.changed(link.child, what, change, located, &[], &Parameters::default()).await,
            Err(e) => Err(e),
        };
        self.reads_whole = whole;
        self.go_back(caller);
        self.authority = Authority::of(&self.authority.roles, checking);
        done
    }
}

/// True for rows of which one of these columns is another than before, and that could be referred to before.
fn rekeyed(columns: &[usize], old: &RecordBatch, new: &RecordBatch) -> Result<BooleanArray> {
    let mut other = BooleanArray::from(vec![false; old.num_rows()]);
    for c in columns {
        other = or(&other, &not(&not_distinct(old.column(*c), new.column(*c))?)?)?;
    }
    for c in columns {
        other = and(&other, &is_not_null(old.column(*c))?)?;
    }
    Ok(other)
}

/// Columns of several sets of rows, as those of one.
fn one_below_the_other(parts: &[Vec<ArrayRef>]) -> Result<Vec<ArrayRef>> {
    let width = parts.first().map_or(0, Vec::len);
    let column = |at: usize| -> Result<ArrayRef> { Ok(concat(&parts.iter().map(|part| part[at].as_ref()).collect::<Vec<_>>())?) };
    (0..width).map(column).collect()
}

/// For each of `wanted` the place that its key has among `keys`, which are all different. Every one of them is there.
fn places_of(keys: &[ArrayRef], count: usize, wanted: &[ArrayRef], rows: usize) -> Result<UInt32Array> {
    let types: Vec<_> = keys.iter().map(|k| k.data_type().clone()).collect();
    let (mut index, mut numbers) = (KeyIndex::new(&types, Equality::Sql)?, Vec::new());
    index.intern(keys, count, &mut numbers, &mut Vec::new())?;
    let mut places = vec![0; index.slots()];
    numbers.iter().zip(0..).for_each(|(number, place)| places[*number as usize] = place);
    Ok(index.find(wanted, rows)?.into_iter().map(|number| places[number as usize]).collect::<Vec<u32>>().into())
}

/// Rows with further columns behind them, which have names of their own: of each row the values at its place.
fn with_values(rows: &RecordBatch, values: &[ArrayRef], places: &UInt32Array) -> Result<(RecordBatch, Vec<String>)> {
    let names: Vec<String> = (0..values.len()).map(|i| format!("everfold followed {i}")).collect();
    let mut fields: Vec<_> = rows.schema().fields().iter().cloned().collect();
    let mut columns = rows.columns().to_vec();
    for (name, values) in names.iter().zip(values) {
        fields.push(Arc::new(Field::new(name, values.data_type().clone(), true)));
        columns.push(take(values, places, None)?);
    }
    Ok((RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?, names))
}
