//! The check of what a statement has gathered, in rounds.
//!
//! A round looks at the rows that the statement has put and taken away, and the next one at those that the rules of this one have. So rules
//! act one after the other and never one within another, and a chain of rows that refer to each other may be of any length. Between
//! rounds rows may refer to nothing: whether they do, and what NO ACTION says of rows that are gone, is asked when no rule has anything left to do.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::references::{Link, foreign_key};
use super::{Moved, key_names, put_and_gone, referring};
use crate::catalog::{Catalog, Relation, RelationId, RelationKind, Rule};
use crate::engine::dml::conflict::columns_at;
use crate::engine::session::Session;
use crate::error::{Error, Result, code};
use crate::fold::RowKeys;
use crate::limits;

/// What a round has to look at of a relation.
pub(super) struct Touched {
    pub relation: Arc<Relation>,
    /// The rows put, all columns of the relation.
    pub put: RecordBatch,
    /// They are as they stand there, if the transaction has gathered nothing of the relation since it had so many batches.
    since: usize,
    /// True if rows are gone.
    pub gone: bool,
    /// The rows that are touched as they were; `None` where nobody refers to them, or that is not known any more.
    pub before: Option<RecordBatch>,
    /// Those of which it is known what became of each.
    pub moved: Vec<Moved>,
}

/// What rounds leave to do.
#[derive(Default)]
pub(super) struct Agenda {
    /// True if a rule has changed rows, which another round is to look at.
    pub acted: bool,
    /// How many are done.
    rounds: usize,
    /// How often rows have followed a key.
    followed: usize,
    late: Vec<Late>,
}

impl Agenda {
    /// True in the round that looks at what the statement itself has done.
    pub(super) fn is_of_statement(&self) -> bool {
        self.rounds == 0
    }

    /// Counts that rows follow a key. Rows that are gone come to an end; keys that tables hand to each other may go round for ever. Errors: 54000.
    pub(super) fn count_followed(&mut self) -> Result<()> {
        self.followed += 1;
        if self.followed <= limits::FOLLOWED_KEYS_MAX {
            return Ok(());
        }
        Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, "ON UPDATE CASCADE has no end")
            .detail(format!("Rows follow keys at most {} times in one statement.", limits::FOLLOWED_KEYS_MAX))
            .hint("Tables whose keys refer to each other hand them on: change such keys by ways of values that no row has."))
    }
}

/// What is asked of a foreign key when no rule has anything left to do.
struct Late {
    child: RelationId,
    constraint: RelationId,
    side: Side,
    /// What [`Session::gives_rows`] was for these rows.
    given: bool,
}

enum Side {
    /// Rows of the child that were put, and [`Touched::since`].
    Child(RecordBatch, usize),
    /// Rows of the parent as they were before they were changed, if that is known: NO ACTION.
    Parent(Option<RecordBatch>),
    /// The same, which those of the child have followed.
    Followed(Option<RecordBatch>),
}

impl Session {
    /// Checks what a statement has gathered since `mark`. Errors: 23505, 23514, 23503.
    pub(in crate::engine) async fn check(&mut self, mark: usize) -> Result<()> {
        let given = self.gives_rows;
        let checked = self.check_in_rounds(mark).await;
        self.gives_rows = given;
        checked
    }

    async fn check_in_rounds(&mut self, mut mark: usize) -> Result<()> {
        let mut agenda = Agenda::default();
        loop {
            let next = self.gathered();
            self.check_round(mark, &mut agenda).await?;
            if !std::mem::take(&mut agenda.acted) {
                break;
            }
            mark = next;
            agenda.rounds += 1;
            // What rules put, no statement has given.
            self.gives_rows = false;
        }
        for late in agenda.late {
            self.check_late(late, agenda.rounds > 0).await?;
        }
        Ok(())
    }

    /// Checks what has been gathered since `mark`, and does what rules say to rows of others.
    async fn check_round(&mut self, mark: usize, agenda: &mut Agenda) -> Result<()> {
        let catalog = self.catalog();
        let touched = self.touched(&catalog, mark, agenda.rounds > 0).await?;
        for of in &touched {
            self.check_alone(&catalog, &of.relation, &of.put).await?;
        }
        for of in touched.iter().filter(|of| of.relation.kind == RelationKind::Table) {
            for (child, constraint, foreign) in referring(&catalog, of.relation.id) {
                let link = Link::new(child, constraint, foreign, &of.relation)?;
                // A row whose key has changed is one gone and one put. An upsert may change what is no key and is referred to as well.
                if of.gone || of.before.is_none() || foreign.parent_columns != key_names(&of.relation) {
                    self.check_referring(&link, of, agenda).await?;
                }
            }
        }
        for of in touched.into_iter().filter(|of| of.put.num_rows() > 0) {
            self.note_referring(&of, agenda);
        }
        Ok(())
    }

    /// What has been gathered since `mark`, by a statement or `by_rules`, by relation. Nothing else is read before: what the transaction
    /// makes of a table is folded forward.
    async fn touched(&mut self, catalog: &Catalog, mark: usize, by_rules: bool) -> Result<Vec<Touched>> {
        let Some(transaction) = &self.transaction else { return Ok(vec![]) };
        let ids: BTreeSet<RelationId> = transaction.batches.iter().skip(mark).map(|(log, _)| *log).collect();
        let mut all_moved = std::mem::take(&mut self.moved);
        let mut touched = Vec::with_capacity(ids.len());
        for relation in ids.iter().filter_map(|id| catalog.by_id(*id)).filter(|r| r.ksql.is_none()) {
            let events = self.events_since(relation.id, mark);
            let (put, gone) = put_and_gone(relation, &events)?;
            // Several rules may have changed a row one after the other.
            let since = if by_rules && events.len() > 1 { mark } else { self.gathered() };
            let (moved, others) = all_moved.into_iter().partition(|moved| moved.relation == relation.id);
            all_moved = others;
            let referred = relation.kind == RelationKind::Table && referring(catalog, relation.id).next().is_some();
            let before = if referred { self.rows_before(relation, mark).await? } else { None };
            touched.push(Touched { relation: relation.clone(), put, since, gone, before, moved });
        }
        Ok(touched)
    }

    /// Checks rows by the rules that are about their relation alone.
    async fn check_alone(&mut self, catalog: &Catalog, relation: &Arc<Relation>, rows: &RecordBatch) -> Result<()> {
        self.check_placed(relation, rows).await?;
        self.check_domains(catalog, relation, rows).await?;
        if rows.num_rows() == 0 {
            return Ok(());
        }
        for unique in self.uniques(relation).await?.iter() {
            self.check_unique(relation, unique, rows).await?;
        }
        for constraint in &relation.constraints {
            if let Rule::Check(condition) = &constraint.rule {
                self.check_condition(relation, constraint, condition, rows).await?;
            }
        }
        Ok(())
    }

    /// Notes that rows which have been put must refer to something.
    fn note_referring(&mut self, of: &Touched, agenda: &mut Agenda) {
        for constraint in &of.relation.constraints {
            match foreign_key(constraint) {
                Some(foreign) if self.is_deferred(foreign, constraint.id) => self.defer(constraint.id, of.relation.id),
                Some(_) => {
                    let side = Side::Child(of.put.clone(), of.since);
                    agenda.late.push(Late { child: of.relation.id, constraint: constraint.id, side, given: self.gives_rows });
                }
                None => {}
            }
        }
    }

    /// Notes that nothing must refer to rows of the parent that are gone since it had those `before`. `followed`: all that did is known
    /// to have been changed.
    pub(super) fn note_referred(&self, link: &Link<'_>, before: Option<RecordBatch>, followed: bool, agenda: &mut Agenda) {
        let side = if followed { Side::Followed(before) } else { Side::Parent(before) };
        agenda.late.push(Late { child: link.child.id, constraint: link.constraint.id, side, given: self.gives_rows });
    }

    /// `acted`: rules have changed rows since the statement has.
    async fn check_late(&mut self, Late { child, constraint, side, given }: Late, acted: bool) -> Result<()> {
        let catalog = self.catalog();
        let Some(child) = catalog.by_id(child) else { return Ok(()) };
        let Some(constraint) = child.constraints.iter().find(|c| c.id == constraint) else { return Ok(()) };
        let Some(foreign) = foreign_key(constraint) else { return Ok(()) };
        let Some(parent) = catalog.by_id(foreign.parent) else { return Ok(()) };
        let link = Link::new(child, constraint, foreign, parent)?;
        self.gives_rows = given;
        match side {
            Side::Child(rows, since) => {
                let rows = if acted { self.as_left(child, rows, since).await? } else { rows };
                self.check_referred(&link, Some(&rows)).await
            }
            Side::Parent(before) => self.refuse_orphans(&link, before.as_ref()).await,
            Side::Followed(before) => self.refuse_left(&link, before.as_ref()).await,
        }
    }

    /// Rows that have been put, as rules have left them since. One that has got another key is among what has been put after it.
    async fn as_left(&self, relation: &Arc<Relation>, rows: RecordBatch, since: usize) -> Result<RecordBatch> {
        // Any change adds a batch.
        if self.events_since(relation.id, since).is_empty() {
            return Ok(rows);
        }
        if relation.key.is_empty() {
            return self.own_rows(relation);
        }
        self.rows_of_keys(relation, &RowKeys::Columns(relation.key.clone()), &columns_at(&rows, &relation.key)).await
    }
}
