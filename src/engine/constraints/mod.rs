//! Constraints of tables, UNIQUE, CHECK and FOREIGN KEY, and unique indexes.
//!
//! The life of a change of a constrained table: the statement runs in a transaction, its own if there is none ([`Session::constrained`]),
//! and its events are gathered there. When it has gathered all of them, [`Session::check`] looks at the rows that it has put and at those that
//! it has taken away, with the transaction's rows over those committed, and refuses what breaks a rule; the failed statement undoes
//! its transaction, or the part since the last savepoint. What rules do to rows of others is looked at in its turn, in [`rounds`]. A rule that is deferred is checked by COMMIT, for all that the transaction has changed.
//!
//! Locks make that exact among transactions: whoever changes a table with UNIQUE has all of it to change; whoever puts rows that refer to a
//! table keeps its rows there, so that none is deleted before the transaction ends.
//!
//! Cost: for each row that is changed, a probe for each rule, whatever the size of the tables. A table's result finds its rows by
//! the keys of what is unique and by the columns of REFERENCES once a rule has asked for them ([`crate::fold::Output::index_by`]). A CHECK
//! is computed of the statement's rows.
//!
//! [`unique`] has the rules within a table, [`references`] those between tables, [`actions`] what they do to rows that refer to others, [`deferred`] those that COMMIT checks, [`define`] how rules come to be, [`told`] what errors tell
//! of rows.

mod actions;
mod deferred;
mod define;
mod references;
mod rounds;
mod told;
pub mod unique;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::Int8Type;
use datafusion::catalog::MemTable;
use sqlparser::ast;

use super::dml::parsed_query;
use super::rename::whole_name;
use super::session::Session;
use super::table_locks::Mode;
use crate::catalog::{Constraint, Name, Relation, RelationId, Rule};
use crate::data::encode::{Style, cell_text};
use crate::data::{OP, PgType};
use crate::error::{Error, Result, code};

pub(super) use actions::Moved;
pub use deferred::{Deferred, Deferring};
pub use define::{free_name, index_in, index_names, is_taken};
pub use references::referring;
use references::{Link, foreign_key};
pub use unique::{Unique, Uniques, has_unique, is_wanted};

impl Session {
    /// True if changes of the relation need a transaction: they are to be checked, or fire triggers.
    pub(super) fn constrained(&self, name: &Name) -> bool {
        let scope = self.scope();
        let relation = scope.find(name).map(|relation| scope.written(relation));
        relation.is_some_and(|relation| !relation.triggers.is_empty() || self.is_constrained(&relation))
    }

    /// True if changes of the relation are to be checked: it has constraints, or rows of others refer to its rows.
    pub(super) fn is_constrained(&self, relation: &Relation) -> bool {
        let of_domain = relation.columns.iter().any(|c| c.domain.is_some());
        let divided = relation.partitioning.is_some();
        of_domain
            || divided
            || !relation.constraints.is_empty()
            || has_unique(relation)
            || referring(&self.catalog(), relation.id).next().is_some()
    }

    /// Takes the locks that a change of the relation needs for its constraints, before its rows are read. `puts`: it does not only
    /// delete rows.
    pub(super) async fn lock_constrained(&mut self, relation: &Relation, puts: bool) -> Result<()> {
        if has_unique(relation) {
            // Values that others refer to go with an UPDATE, and with an INSERT that replaces a row, unless they are the key.
            let catalog = self.catalog();
            let by_others = referring(&catalog, relation.id).any(|(_, _, foreign)| foreign.parent_columns != key_names(relation));
            self.lock_table(relation.id, if by_others { Mode::Remove } else { Mode::Change }).await?;
        }
        for foreign in relation.constraints.iter().filter_map(foreign_key).filter(|_| puts) {
            self.lock_table(foreign.parent, Mode::Refer).await?;
        }
        Ok(())
    }

    /// How many batches the transaction has gathered: where the next statement begins.
    pub(super) fn gathered(&self) -> usize {
        self.transaction.as_ref().map_or(0, |t| t.batches.len())
    }

    /// Errors: 23502, 23514 for rows that no row of the relation may be, whatever else is there: those that an INSERT proposes are refused
    /// also where they would give way to others.
    pub(super) async fn check_by_themselves(&self, relation: &Arc<Relation>, rows: &RecordBatch) -> Result<()> {
        if rows.num_rows() == 0 || relation.ksql.is_some() {
            return Ok(());
        }
        self.check_domains(&self.catalog(), relation, rows).await?;
        for constraint in &relation.constraints {
            if let Rule::Check(condition) = &constraint.rule {
                self.check_condition(relation, constraint, condition, rows).await?;
            }
        }
        Ok(())
    }

    /// What the transaction has gathered for a log since `mark`.
    pub(super) fn events_since(&self, log: RelationId, mark: usize) -> Vec<RecordBatch> {
        let batches = self.transaction.iter().flat_map(|t| t.batches.iter().skip(mark));
        batches.filter(|(of, _)| *of == log).map(|(_, batch)| batch.clone()).collect()
    }

    /// Errors: 23514 for a row for which the condition is false.
    async fn check_condition(&self, relation: &Arc<Relation>, constraint: &Constraint, condition: &str, rows: &RecordBatch) -> Result<()> {
        let Some(row) = self.first_where(relation, &format!("NOT ({condition})"), rows).await? else { return Ok(()) };
        let message = format!("new row for relation \"{}\" violates check constraint \"{}\"", relation.name, constraint.name);
        let mut error = about(code::CHECK_VIOLATION, message, relation, &constraint.name);
        error.fields_mut().detail = self.failing_row(relation, &row)?;
        Err(error)
    }

    /// Errors: those of a constraint that the rows that are there break.
    pub(super) async fn check_present(&mut self, relation: &Arc<Relation>, constraint: &Constraint) -> Result<()> {
        match &constraint.rule {
            Rule::Unique(columns) => self.check_columns_unique(relation, &constraint.name, columns).await,
            Rule::Check(condition) => {
                let from = whole_name(&self.catalog(), relation);
                let query = parsed_query(&format!("SELECT * FROM {from} WHERE NOT ({condition}) LIMIT 1"))?;
                match self.first_of(relation, &query, None).await? {
                    Some(_) => {
                        let message =
                            format!("check constraint \"{}\" of relation \"{}\" is violated by some row", constraint.name, relation.name);
                        Err(about(code::CHECK_VIOLATION, message, relation, &constraint.name))
                    }
                    None => Ok(()),
                }
            }
            Rule::ForeignKey(foreign) => match self.catalog().by_id(foreign.parent) {
                Some(parent) => self.check_referred(&Link::new(relation, constraint, foreign, parent)?, None).await,
                None => Ok(()),
            },
        }
    }

    /// The first row of a query over the relation, with `rows` in its place if given.
    pub(super) async fn first_of(
        &self,
        relation: &Arc<Relation>,
        query: &ast::Query,
        rows: Option<&RecordBatch>,
    ) -> Result<Option<RecordBatch>> {
        let mut names = self.names();
        if rows.is_none() {
            // A rule is about all rows, those that policies keep back included.
            names.reader = None;
        }
        if let Some(rows) = rows {
            let table = MemTable::try_new(rows.schema(), vec![vec![rows.clone()]])?;
            names.stand_ins.push((relation.name.clone(), Arc::new(table)));
        }
        let planned = self.plan_with(names, query, &[]).await?;
        Ok(self.collect(&planned, vec![]).await?.into_iter().find(|b| b.num_rows() > 0))
    }
}

/// The places of columns among those of their relation.
fn places(relation: &Relation, columns: &[String]) -> Result<Vec<usize>> {
    columns.iter().map(|name| relation.column(name)).collect()
}

/// The names of the primary key's columns.
pub(in crate::engine) fn key_names(relation: &Relation) -> Vec<String> {
    relation.key.iter().map(|k| relation.columns[*k].name.clone()).collect()
}

/// Of a table's events: the rows put, all columns of the relation, and whether rows are gone.
fn put_and_gone(relation: &Relation, events: &[RecordBatch]) -> Result<(RecordBatch, bool)> {
    let schema = relation.nullable().schema();
    let width = relation.columns.len();
    let (mut rows, mut gone) = (Vec::with_capacity(events.len()), false);
    for batch in events {
        let put = match batch.column_by_name(OP).and_then(|ops| ops.as_primitive_opt::<Int8Type>()) {
            Some(ops) => {
                let keep: BooleanArray = ops.values().iter().map(|op| Some(*op > 0)).collect();
                gone |= keep.true_count() < batch.num_rows();
                filter_record_batch(batch, &keep)?
            }
            None => batch.clone(),
        };
        rows.push(RecordBatch::try_new(schema.clone(), put.columns()[..width].to_vec())?);
    }
    Ok((concat_batches(&schema, &rows)?, gone))
}

/// The values of some columns of a row that begins with the relation's columns, as an error shows them.
fn key_of(relation: &Relation, columns: &[usize], row: &RecordBatch, at: usize) -> Result<String> {
    Ok(columns.iter().map(|c| shown(&relation.columns[*c].ty, row.column(*c), at)).collect::<Result<Vec<_>>>()?.join(", "))
}

fn shown(ty: &PgType, values: &ArrayRef, at: usize) -> Result<String> {
    if values.is_null(at) {
        return Ok("null".into());
    }
    let mut text = Vec::new();
    cell_text(values, at, ty, &Style::default(), &mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// An error about a constraint, whose fields name it.
fn about(code: &'static str, message: String, relation: &Relation, name: &str) -> Error {
    Error::new(code, message).about(relation.id, &relation.name, None, Some(name))
}
