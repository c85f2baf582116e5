//! REFERENCES: rows that refer to rows of another table, or of their own.
//!
//! Two sides. A row that is put is looked up by what it refers to. Of rows that a statement has changed or deleted, those that
//! stood before it are compared with those that are there now: what is gone must not be referred to, and the rows that do are found by their columns.
//!
//! What a rule does to those rows, [`super::actions`] tells.
//!
//! Columns of types that only SQL compares, such as numeric with double precision, have no keys in common: then a join of both tables
//! tells. It does too for a table without a key of whose rows the transaction has changed some of its own, since those leave no trace.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::{cast, concat_batches, filter_record_batch, not, or};

use super::actions::Moved;
use super::rounds::{Agenda, Touched};
use super::{about, key_of, places};
use crate::catalog::{Action, Catalog, Change, Constraint, ForeignKey, Relation, RelationId, Rule};
use crate::engine::dml::conflict::{columns_at, found, rows_among};
use crate::engine::dml::{parsed_query, quoted};
use crate::engine::own::identities;
use crate::engine::rename::whole_name;
use crate::engine::session::Session;
use crate::engine::table_locks::Mode;
use crate::error::{Error, Result, code};
use crate::fold::RowKeys;

/// A foreign key, with its columns as places in both tables.
pub(super) struct Link<'a> {
    pub(super) child: &'a Arc<Relation>,
    pub(super) constraint: &'a Constraint,
    pub(super) foreign: &'a ForeignKey,
    pub(super) parent: &'a Arc<Relation>,
    pub(super) from: Vec<usize>,
    pub(super) to: Vec<usize>,
}

impl<'a> Link<'a> {
    pub(super) fn new(
        child: &'a Arc<Relation>,
        constraint: &'a Constraint,
        foreign: &'a ForeignKey,
        parent: &'a Arc<Relation>,
    ) -> Result<Self> {
        let (from, to) = (places(child, &foreign.columns)?, places(parent, &foreign.parent_columns)?);
        Ok(Link { child, constraint, foreign, parent, from, to })
    }

    /// What rows of the child refer to, as keys of the parent; `None` if only SQL can compare them.
    fn as_parent(&self, rows: &RecordBatch) -> Result<Option<Vec<ArrayRef>>> {
        let pairs = columns_at(rows, &self.from).into_iter().zip(&self.to);
        pairs.map(|(values, to)| same_values(values, self.parent, *to)).collect()
    }

    /// What rows of the parent are referred to by, as values of the child's columns; `None` if only SQL can compare them.
    pub(super) fn as_child(&self, rows: &RecordBatch) -> Result<Option<Vec<ArrayRef>>> {
        let pairs = columns_at(rows, &self.to).into_iter().zip(&self.from);
        pairs.map(|(values, from)| same_values(values, self.child, *from)).collect()
    }

    /// The condition for a row of the child to refer to nothing.
    fn orphaned(&self, catalog: &Catalog) -> String {
        let own = |c: &String| format!("{}.{}", quoted(&self.child.name), quoted(c));
        let given = self.foreign.columns.iter().map(|c| format!("{} IS NOT NULL", own(c))).collect::<Vec<_>>().join(" AND ");
        let pairs = self.foreign.columns.iter().zip(&self.foreign.parent_columns);
        let same = pairs.map(|(c, p)| format!("\"_parent\".{} = {}", quoted(p), own(c))).collect::<Vec<_>>().join(" AND ");
        format!("{given} AND NOT EXISTS (SELECT 1 FROM {} AS \"_parent\" WHERE {same})", whole_name(catalog, self.parent))
    }

    /// The error of a row of the child that refers to nothing. `told`: to what, may be said.
    fn no_parent(&self, row: &RecordBatch, at: usize, told: bool) -> Result<Error> {
        let name = &self.constraint.name;
        let message = format!("insert or update on table \"{}\" violates foreign key constraint \"{name}\"", self.child.name);
        let key = key_told(told, &self.foreign.columns, key_of(self.child, &self.from, row, at)?);
        let detail = format!("{key} is not present in table \"{}\".", self.parent.name);
        Ok(about(code::FOREIGN_KEY_VIOLATION, message, self.child, name).detail(detail))
    }

    /// The error of a row of the parent that is gone, to which the first of these rows of the child refers still. `told`: which, may be said.
    fn still_referred(&self, rows: &RecordBatch, told: bool) -> Result<Error> {
        let (name, child) = (&self.constraint.name, &self.child.name);
        let message =
            format!("update or delete on table \"{}\" violates foreign key constraint \"{name}\" on table \"{child}\"", self.parent.name);
        let key = key_told(told, &self.foreign.parent_columns, key_of(self.child, &self.from, rows, 0)?);
        let detail = format!("{key} is still referenced from table \"{child}\".");
        Ok(about(code::FOREIGN_KEY_VIOLATION, message, self.child, name).detail(detail))
    }
}

/// Rows of the child that refer to nothing, as far as they are known.
pub(super) enum Orphans {
    /// All of them, with all that the child's result keeps of them.
    Rows(RecordBatch),
    /// A condition tells them.
    Condition(String),
}

impl Session {
    /// Errors: 23503 for a row of the child, of those given or of all, that refers to nothing.
    pub(super) async fn check_referred(&self, link: &Link<'_>, rows: Option<&RecordBatch>) -> Result<()> {
        if let Some(rows) = rows
            && let Some(keys) = link.as_parent(rows)?
        {
            let there = self.rows_of_keys(link.parent, &RowKeys::Columns(link.to.clone()), &keys).await?;
            let found = found(&columns_at(&there, &link.to), &keys)?;
            let given = |i: usize| link.from.iter().all(|c| rows.column(*c).is_valid(i));
            return match (0..rows.num_rows()).find(|i| given(*i) && !found.value(*i)) {
                Some(at) => Err(link.no_parent(rows, at, self.may_tell(link.child, &link.from))?),
                None => Ok(()),
            };
        }
        let catalog = self.catalog();
        // Rows that are given stand in under the bare name, unless they refer to rows of the same table.
        let rows = rows.filter(|_| link.parent.id != link.child.id);
        let from = if rows.is_some() { quoted(&link.child.name) } else { whole_name(&catalog, link.child) };
        let query = parsed_query(&format!("SELECT * FROM {from} WHERE {} LIMIT 1", link.orphaned(&catalog)))?;
        match self.first_of(link.child, &query, rows).await? {
            Some(row) => Err(link.no_parent(&row, 0, self.may_tell(link.child, &link.from))?),
            None => Ok(()),
        }
    }

    /// Rows of the parent are gone, or have changed: what becomes of the rows that referred to them.
    pub(super) async fn check_referring(&mut self, link: &Link<'_>, of: &Touched, agenda: &mut Agenda) -> Result<()> {
        let before = match &of.before {
            Some(before) if of.gone && of.put.num_rows() > 0 => before,
            before if of.put.num_rows() == 0 => return self.on_delete(link, before.clone(), agenda).await,
            before => return self.on_update(link, before.clone(), &of.moved, agenda).await,
        };
        // Some may have been deleted and others changed.
        let deleted = self.are_deleted(of, before).await?;
        let (deleted, changed) = (filter_record_batch(before, &deleted)?, filter_record_batch(before, &not(&deleted)?)?);
        if deleted.num_rows() > 0 {
            self.on_delete(link, Some(deleted), agenda).await?;
        }
        if changed.num_rows() > 0 { self.on_update(link, Some(changed), &of.moved, agenda).await } else { Ok(()) }
    }

    /// For each of these rows of a table as they were, whether it is gone: it is not there, nor has got another key.
    async fn are_deleted(&self, of: &Touched, before: &RecordBatch) -> Result<BooleanArray> {
        let relation = &of.relation;
        let identity = if relation.key.is_empty() { vec![relation.columns.len()] } else { relation.key.clone() };
        let keys = columns_at(before, &identity);
        let there = self.stored_rows_of_keys(relation, &RowKeys::Columns(identity.clone()), &keys).await?;
        let mut stays = found(&columns_at(&there, &identity), &keys)?;
        // A row without a key is the same row whatever becomes of it.
        for moved in of.moved.iter().filter(|_| !relation.key.is_empty()) {
            stays = or(&stays, &found(&columns_at(&moved.old, &identity), &keys)?)?;
        }
        Ok(not(&stays)?)
    }

    async fn on_delete(&mut self, link: &Link<'_>, before: Option<RecordBatch>, agenda: &mut Agenda) -> Result<()> {
        let action = link.foreign.on_delete;
        match action {
            Action::NoAction => self.later(link, before, agenda),
            Action::Restrict => self.refuse_orphans(link, before.as_ref()).await,
            Action::Cascade | Action::SetNull | Action::SetDefault => {
                self.lock_child(link, action != Action::Cascade).await?;
                let orphans = self.orphans_to_change(link, before.as_ref()).await?;
                self.act(link, action, orphans, agenda).await?;
                self.refuse_kept(link, action, before.as_ref()).await
            }
        }
    }

    /// `moved`: the rows of which it is known what became of each.
    async fn on_update(&mut self, link: &Link<'_>, before: Option<RecordBatch>, moved: &[Moved], agenda: &mut Agenda) -> Result<()> {
        let action = link.foreign.on_update;
        match action {
            Action::NoAction => self.later(link, before, agenda),
            Action::Restrict => {
                for moved in moved {
                    let rows = self.left_by(link, moved).await?.filter(|rows| rows.num_rows() > 0);
                    self.refuse_referring(link, rows)?;
                }
                self.refuse_orphans(link, before.as_ref()).await
            }
            Action::Cascade => {
                self.lock_child(link, true).await?;
                self.follow(link, moved, agenda).await?;
                self.note_referred(link, before, true, agenda);
                Ok(())
            }
            Action::SetNull | Action::SetDefault => {
                self.lock_child(link, true).await?;
                // Also where another row has got the key.
                for moved in moved {
                    if let Some(rows) = self.left_by(link, moved).await? {
                        self.act(link, action, Orphans::Rows(rows), agenda).await?;
                    }
                }
                let orphans = self.orphans_to_change(link, before.as_ref()).await?;
                self.act(link, action, orphans, agenda).await?;
                self.refuse_kept(link, action, before.as_ref()).await
            }
        }
    }

    /// NO ACTION: asked when no rule has anything left to do, or by COMMIT.
    fn later(&mut self, link: &Link<'_>, before: Option<RecordBatch>, agenda: &mut Agenda) -> Result<()> {
        match self.is_deferred(link.foreign, link.constraint.id) {
            true => self.defer(link.constraint.id, link.parent.id),
            false => self.note_referred(link, before, false, agenda),
        }
        Ok(())
    }

    /// Locks the child, whose rows a rule is about to change. `puts`: it does not only delete them.
    async fn lock_child(&mut self, link: &Link<'_>, puts: bool) -> Result<()> {
        self.lock_constrained(link.child, puts).await?;
        self.lock_table(link.child.id, Mode::Remove).await?;
        Ok(())
    }

    /// Errors: 23503 where a default refers to what is gone.
    async fn refuse_kept(&self, link: &Link<'_>, action: Action, before: Option<&RecordBatch>) -> Result<()> {
        if action == Action::SetDefault { self.refuse_orphans(link, before).await } else { Ok(()) }
    }

    /// Errors: 23503 for a row of the child that refers to what the parent had before, and has no more.
    pub(super) async fn refuse_orphans(&self, link: &Link<'_>, before: Option<&RecordBatch>) -> Result<()> {
        let orphans = self.orphans(link, before).await?;
        let rows = self.present(link, orphans).await?;
        self.refuse_referring(link, rows)
    }

    /// Errors: 0A000 for the same, where ON UPDATE CASCADE should have changed it.
    pub(super) async fn refuse_left(&self, link: &Link<'_>, before: Option<&RecordBatch>) -> Result<()> {
        let orphans = self.orphans(link, before).await?;
        match self.present(link, orphans).await? {
            Some(_) => Err(Error::unsupported("ON UPDATE CASCADE is not supported where it is not known which key a row had before")
                .hint("Change the keys with an UPDATE, of columns that have the types of those that refer to them.")),
            None => Ok(()),
        }
    }

    /// Errors: 23503 for the first of these rows of the child.
    fn refuse_referring(&self, link: &Link<'_>, rows: Option<RecordBatch>) -> Result<()> {
        match rows {
            Some(rows) => Err(link.still_referred(&rows, self.may_tell(link.parent, &link.to))?),
            None => Ok(()),
        }
    }

    /// The rows of the child that refer to what the parent had before, and has no more.
    async fn orphans(&self, link: &Link<'_>, before: Option<&RecordBatch>) -> Result<Orphans> {
        let by_condition = || Orphans::Condition(link.orphaned(&self.catalog()));
        let Some(before) = before else { return Ok(by_condition()) };
        let keys = columns_at(before, &link.to);
        let there = self.rows_of_keys(link.parent, &RowKeys::Columns(link.to.clone()), &keys).await?;
        let gone = filter_record_batch(before, &not(&found(&columns_at(&there, &link.to), &keys)?)?)?;
        match link.as_child(&gone)? {
            Some(keys) => Ok(Orphans::Rows(self.stored_rows_of_keys(link.child, &RowKeys::Columns(link.from.clone()), &keys).await?)),
            None => Ok(by_condition()),
        }
    }

    /// The same for a rule that changes them. Errors: 0A000 where it cannot be told which those are, and others refer to nothing until COMMIT.
    async fn orphans_to_change(&self, link: &Link<'_>, before: Option<&RecordBatch>) -> Result<Orphans> {
        let orphans = self.orphans(link, before).await?;
        if matches!(orphans, Orphans::Rows(_)) || !self.may_refer_to_nothing(link.constraint.id, link.child.id) {
            return Ok(orphans);
        }
        let (child, parent) = (&link.child.name, &link.parent.name);
        Err(Error::unsupported(format!(
            "it is not known which rows of \"{child}\" refer to rows of \"{parent}\" that this transaction has put"
        ))
        .detail(format!("\"{}\" is deferred, and rows may refer to nothing yet.", link.constraint.name))
        .hint("SET CONSTRAINTS ALL IMMEDIATE before, or give the table a primary key."))
    }

    /// One of the orphans at least, if there are any.
    async fn present(&self, link: &Link<'_>, orphans: Orphans) -> Result<Option<RecordBatch>> {
        match orphans {
            Orphans::Rows(rows) => Ok(Some(rows).filter(|rows| rows.num_rows() > 0)),
            Orphans::Condition(condition) => {
                let from = whole_name(&self.catalog(), link.child);
                let query = parsed_query(&format!("SELECT * FROM {from} WHERE {condition} LIMIT 1"))?;
                self.first_of(link.child, &query, None).await
            }
        }
    }

    /// The rows of a table that the events since `mark` have touched, which are locked, as they were before those. `None` if that is not
    /// known any more.
    pub(super) async fn rows_before(&self, relation: &Arc<Relation>, mark: usize) -> Result<Option<RecordBatch>> {
        if self.transaction.as_ref().is_some_and(|t| t.has_settled(relation.id, mark)) {
            return Ok(None);
        }
        let events = self.events_since(relation.id, mark);
        let events = concat_batches(&relation.event_schema(), &events)?;
        let rows = self.read_before(relation, mark).await?.held();
        let identity = if relation.key.is_empty() { vec![relation.columns.len()] } else { relation.key.clone() };
        rows_among(relation, &rows, &RowKeys::Columns(identity), &identities(relation, &events)).map(Some)
    }

    /// Takes away foreign keys that rest on what is dropped, a table or an index, as it is called. Errors: 2BP01 without `cascade`.
    pub(in crate::engine) fn drop_foreign_keys<'a>(
        &mut self,
        on: &str,
        keys: impl Iterator<Item = Referring<'a>>,
        cascade: bool,
    ) -> Result<()> {
        for (child, constraint, _) in keys {
            let told = format!("constraint {} on table {}", constraint.name, child.name);
            if !cascade {
                let message = format!("cannot drop {on} because other objects depend on it");
                return Err(Error::new(code::DEPENDENT_OBJECTS_STILL_EXIST, message)
                    .detail(format!("{told} depends on {on}"))
                    .hint("Use DROP ... CASCADE to drop the dependent objects too."));
            }
            self.notice("NOTICE", Error::new(code::SUCCESS, format!("drop cascades to {told}")));
            // It may have lost another one already.
            let mut altered = self.catalog().by_id(child.id).unwrap_or(child).as_ref().clone();
            altered.constraints.retain(|c| c.id != constraint.id);
            self.stage(Change::Alter(altered), vec![])?;
        }
        Ok(())
    }
}

/// A key as errors call it.
fn key_told(told: bool, columns: &[String], values: String) -> String {
    if told { format!("Key ({})=({values})", columns.join(", ")) } else { "Key".into() }
}

/// Values as a column of another table has them; `None` if only SQL can compare the two. A number that is too large is NULL: no
/// row has it.
fn same_values(values: ArrayRef, relation: &Relation, column: usize) -> Result<Option<ArrayRef>> {
    let ty = relation.columns[column].ty.arrow();
    if *values.data_type() == ty {
        return Ok(Some(values));
    }
    let whole = values.data_type().is_signed_integer() && ty.is_signed_integer();
    Ok(if whole { Some(cast(&values, &ty)?) } else { None })
}

/// A table whose rows refer to others, with the rule that says so.
pub type Referring<'a> = (&'a Arc<Relation>, &'a Constraint, &'a ForeignKey);

/// The tables whose rows refer to rows of `parent`.
pub fn referring(catalog: &Catalog, parent: RelationId) -> impl Iterator<Item = Referring<'_>> {
    let of = |r| move |c| foreign_key(c).map(|f| (r, c, f));
    catalog.relations().flat_map(move |r| r.constraints.iter().filter_map(of(r))).filter(move |(_, _, f)| f.parent == parent)
}

pub(super) fn foreign_key(constraint: &Constraint) -> Option<&ForeignKey> {
    match &constraint.rule {
        Rule::ForeignKey(foreign) => Some(foreign),
        _ => None,
    }
}
