//! CREATE TEMPORARY TABLE and VIEW: tables that live in their session only, in memory, and views of it.
//!
//! Nothing of them reaches the log or the catalog. Their definitions are laid over the catalog that the session sees
//! ([`Session::catalog`]), in a schema of their own, `pg_temp`, which is before all others on the session's path unless that says where it is;
//! their rows are events that nobody commits, and are read as a transaction's own are ([`super::own`]). A transaction begins with a copy of
//! both, so that ROLLBACK and savepoints hold for them too, and COMMIT brings the copy back ([`Session::keep_temporary`]) after ON COMMIT has
//! been done. Outside of a transaction each change is one.
//!
//! Bounded: their events count as those of a transaction do ([`crate::limits::TRANSACTION_BYTES_MAX`]), and are folded to rows
//! now and then, so that a table costs what its rows do.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::events::upserts;
use super::plpgsql::Functions;
use super::privileges::denied_text;
use super::session::Session;
use super::transaction::Transaction;
use crate::catalog::{
    Catalog, Change, Column, Name, NamespaceId, Privileges, Relation, RelationId, RelationKind, Sequence, TEMPORARY_NAME,
    TEMPORARY_NAMESPACE,
};
use crate::error::{Error, Result, code};
use crate::log::LogId;
use crate::serve::table::TableRows;
use crate::sql::respell::sequence_of_default;
use crate::sql::statement::OnCommit;

/// Batches of events of one table that are kept before they are folded.
const BATCHES_MAX: usize = 16;

/// One temporary table, or a view.
#[derive(Clone)]
pub struct TemporaryTable {
    pub relation: Arc<Relation>,
    pub on_commit: OnCommit,
}

/// What a session has of them.
#[derive(Clone, Default)]
pub struct Temporary {
    pub tables: Vec<TemporaryTable>,
    /// Sequences of their columns.
    pub sequences: Vec<Arc<Sequence>>,
    /// What CREATE FUNCTION has made.
    pub functions: Functions,
    pub batches: Vec<(LogId, RecordBatch)>,
}

impl Session {
    /// The temporary tables, as the session sees them now.
    pub(super) fn temporary_tables(&self) -> &[TemporaryTable] {
        self.transaction.as_ref().map_or(&self.temporary.tables, |t| &t.temporary)
    }

    /// True for the id of a temporary table.
    pub(super) fn is_temporary(&self, id: RelationId) -> bool {
        self.temporary_tables().iter().any(|t| t.relation.id == id)
    }

    /// The catalog with the temporary tables over it.
    pub(super) fn with_temporary(&self, catalog: Arc<Catalog>) -> Arc<Catalog> {
        let tables = self.temporary_tables();
        if tables.is_empty() {
            return catalog;
        }
        let tables = tables.iter().map(|t| Change::Create(t.relation.as_ref().clone()));
        let sequences = self.temporary_sequences().iter().map(|s| Change::PutSequence(s.as_ref().clone()));
        let laid = tables.chain(sequences).try_fold(catalog.as_ref().clone(), |catalog, change| catalog.apply(&change));
        laid.map_or(catalog, Arc::new)
    }

    fn temporary_sequences(&self) -> &[Arc<Sequence>] {
        self.transaction.as_ref().map_or(&self.temporary.sequences, |t| &t.sequences)
    }

    /// A transaction that begins now.
    pub(super) fn open(&self) -> Transaction {
        let Temporary { tables, sequences, functions, batches } = self.temporary.clone();
        let mut transaction = Transaction::over(tables, batches);
        transaction.sequences = sequences;
        transaction.functions = functions;
        transaction
    }

    /// Adds a table, in the transaction that is open. Errors: 42P07 if there is one of its name already.
    pub(super) fn create_temporary(&mut self, relation: Relation, on_commit: OnCommit) -> Result<()> {
        if self.temporary_tables().iter().any(|t| t.relation.name == relation.name) {
            return Err(Error::new(code::DUPLICATE_TABLE, format!("relation \"{}\" already exists", relation.name)));
        }
        let open = self.transaction.as_mut().ok_or_else(|| Error::internal("a definition needs a transaction"))?;
        open.renew(relation.id);
        open.temporary.push(TemporaryTable { relation: Arc::new(relation), on_commit });
        self.show_catalog();
        Ok(())
    }

    /// True if there is such a table already and that is all right.
    pub(super) fn exists_temporary(&mut self, name: &str, if_not_exists: bool) -> bool {
        let exists = if_not_exists && self.temporary_tables().iter().any(|t| t.relation.name == name);
        if exists {
            self.notice("NOTICE", Error::new(code::DUPLICATE_TABLE, format!("relation \"{name}\" already exists, skipping")));
        }
        exists
    }

    /// What a change makes of a temporary table whose columns stay as they are, and where they are: nobody else needs to be told.
    pub(super) fn altered_temporary(&self, change: &Change) -> Option<Relation> {
        let Change::Alter(altered) = change else { return None };
        let table = self.temporary_tables().iter().find(|t| t.relation.id == altered.id)?;
        let columns = |r: &Relation| r.columns.iter().map(|c| (c.name.clone(), c.ty.clone())).collect::<Vec<_>>();
        let stays = altered.namespace == table.relation.namespace && columns(&table.relation) == columns(altered);
        stays.then(|| altered.clone())
    }

    /// Does what a change of the catalog asks for that is about a sequence of a temporary table; false for any other.
    pub(super) fn changed_temporary_sequence(&mut self, change: &Change) -> Result<bool> {
        let id = match change {
            Change::PutSequence(sequence) if sequence.is_temporary() => sequence.id,
            Change::DropSequence(id) if self.temporary_sequences().iter().any(|s| s.id == *id) => *id,
            _ => return Ok(false),
        };
        let open = self.transaction.as_mut().ok_or_else(|| Error::internal("a definition needs a transaction"))?;
        open.sequences.retain(|s| s.id != id);
        if let Change::PutSequence(sequence) = change {
            open.sequences.push(Arc::new(sequence.clone()));
            self.temporary_counters.push(sequence.counter());
        }
        self.show_catalog();
        Ok(true)
    }

    /// Forgets how far sequences have come that are no more, of those of temporary tables.
    pub(super) fn forget_temporary_counters(&mut self) {
        let kept: BTreeSet<RelationId> = self.temporary.sequences.iter().map(|s| s.counter()).collect();
        let (stay, gone) = std::mem::take(&mut self.temporary_counters).into_iter().partition(|id| kept.contains(id));
        self.temporary_counters = stay;
        self.engine.forget_counters(gone);
    }

    /// Puts another definition in the place of that of a temporary view, or of a table whose columns stay as they are.
    pub(super) fn replace_temporary(&mut self, old: RelationId, relation: Relation) -> Result<()> {
        let open = self.transaction.as_mut().ok_or_else(|| Error::internal("a definition needs a transaction"))?;
        if let Some(table) = open.temporary.iter_mut().find(|t| t.relation.id == old) {
            table.relation = Arc::new(relation);
        }
        self.show_catalog();
        Ok(())
    }

    /// Drops those of the names that are temporary, in the transaction that is open; answers the others. Errors: 2BP01 without `cascade` for
    /// one that a temporary view reads.
    pub(super) fn drop_temporary(&mut self, kind: RelationKind, names: &[Name], cascade: bool) -> Result<Vec<Name>> {
        let (mut wanted, mut others) = (BTreeSet::new(), Vec::new());
        for name in names {
            let fits = name.schema.as_deref().is_none_or(|schema| schema == TEMPORARY_NAME);
            let is_it = |t: &&TemporaryTable| fits && t.relation.kind == kind && t.relation.name == name.name;
            match self.temporary_tables().iter().find(is_it) {
                Some(table) => drop(wanted.insert(table.relation.id)),
                None => others.push(name.clone()),
            }
        }
        if wanted.is_empty() {
            return Ok(others);
        }
        let gone = self.dropped_with(&self.catalog(), &wanted, cascade)?;
        self.forget_temporary(&gone)?;
        Ok(others)
    }

    /// Takes temporary tables and views away, in the transaction that is open.
    pub(super) fn forget_temporary(&mut self, gone: &BTreeSet<RelationId>) -> Result<()> {
        let open = self.transaction.as_mut().ok_or_else(|| Error::internal("a definition needs a transaction"))?;
        open.temporary.retain(|t| !gone.contains(&t.relation.id));
        open.sequences.retain(|s| s.owner.as_ref().is_none_or(|(table, _)| !gone.contains(table)));
        gone.iter().for_each(|id| open.forget(*id));
        self.show_catalog();
        Ok(())
    }

    /// DISCARD TEMP. Errors: 25001 inside of a transaction.
    pub(super) fn discard_temporary(&mut self) -> Result<()> {
        if self.transaction.is_some() {
            return Err(Error::new(code::ACTIVE_SQL_TRANSACTION, "DISCARD cannot run inside a transaction block")
                .hint("Drop the tables with DROP TABLE."));
        }
        self.temporary = Temporary::default();
        self.forget_temporary_counters();
        self.show_catalog();
        Ok(())
    }

    /// Errors: 0A000 for a change of the shared catalog that names a temporary table.
    pub(super) fn refuse_temporary(&self, change: &Change) -> Result<()> {
        let catalog = self.catalog();
        let takes = |c: &Column| {
            let sequence = c.default.as_deref().and_then(|default| sequence_of_default(&catalog, default));
            sequence.is_some_and(|sequence| sequence.is_temporary())
        };
        let names =
            |r: &Relation| self.is_temporary(r.id) || r.depends_on.iter().any(|id| self.is_temporary(*id)) || r.columns.iter().any(takes);
        let refused = match change {
            Change::Create(relation) | Change::Alter(relation) => names(relation),
            Change::Replace(id, relation) => self.is_temporary(*id) || names(relation),
            Change::Drop(ids) => ids.iter().any(|id| self.is_temporary(*id)),
            _ => false,
        };
        if !refused {
            return Ok(());
        }
        Err(Error::unsupported("a temporary table has no definition beyond its session: nothing can depend on it or alter it")
            .hint("Create it anew, or use a table that is not temporary."))
    }

    /// Takes what is temporary out of a transaction that is about to be committed: as it will be after the commit.
    pub(super) fn take_temporary(&self, transaction: &mut Transaction) -> Result<Temporary> {
        let tables = std::mem::take(&mut transaction.temporary);
        let is_ours = |log: &LogId| tables.iter().any(|t| t.relation.id == *log);
        let (ours, shared) = std::mem::take(&mut transaction.batches).into_iter().partition(|(log, _)| is_ours(log));
        transaction.batches = shared;
        let folding = Transaction::over(vec![], ours);
        let (functions, sequences) = (std::mem::take(&mut transaction.functions), std::mem::take(&mut transaction.sequences));
        let mut kept = Temporary { functions, sequences, ..Temporary::default() };
        for table in tables.into_iter().filter(|t| t.on_commit != OnCommit::Drop) {
            let id = table.relation.id;
            if table.on_commit == OnCommit::PreserveRows {
                kept.batches.extend(folded(&table.relation, &folding)?.into_iter().map(|batch| (id, batch)));
            }
            kept.tables.push(table);
        }
        let is_kept = |id: &RelationId| kept.tables.iter().any(|t| t.relation.id == *id);
        kept.sequences.retain(|s| s.owner.as_ref().is_none_or(|(table, _)| is_kept(table)));
        Ok(kept)
    }

    /// Puts back what [`Session::take_temporary`] answered: the transaction is committed.
    pub(super) fn keep_temporary(&mut self, kept: Temporary) {
        self.temporary = kept;
        self.forget_temporary_counters();
        self.show_catalog();
    }

    /// Shows system relations the catalog as the session sees it.
    pub(super) fn show_catalog(&self) {
        let defines = self.transaction.as_ref().is_some_and(|t| t.definitions.is_some());
        let own = defines || !self.temporary_tables().is_empty();
        self.context.show(own.then(|| self.catalog()));
    }
}

/// The events of a table: as they are, or where they are many the rows that they make, inserted.
fn folded(relation: &Arc<Relation>, transaction: &Transaction) -> Result<Vec<RecordBatch>> {
    let of = transaction.batches.iter().filter(|(log, _)| *log == relation.id);
    let events: Vec<RecordBatch> = of.map(|(_, batch)| batch.clone()).collect();
    if events.len() <= BATCHES_MAX {
        return Ok(events);
    }
    let columns: Vec<usize> = (0..relation.columns.len()).collect();
    let rows = TableRows::default().with_own(transaction.overlay(relation, None)?);
    rows.batches(Some(&columns))
        .map(|batch| {
            let rows = RecordBatch::try_new(relation.schema(), batch?.columns().to_vec())?;
            upserts(&relation.event_schema(), relation, rows)
        })
        .collect()
}

impl Session {
    /// Where a temporary relation is made. Errors: 42P16 for one with the name of another schema, 42501 for a role that may make none.
    pub(super) fn temporary_place(&self, name: &Name) -> Result<NamespaceId> {
        if name.schema.as_ref().is_some_and(|schema| schema != TEMPORARY_NAME) {
            let message = "cannot create temporary relation in non-temporary schema";
            return Err(Error::new(code::INVALID_TABLE_DEFINITION, message).hint("Leave the schema out."));
        }
        if !self.authority.may_in_database(Privileges::TEMPORARY) {
            let (database, role) = (self.context.database(), self.identity.name(&self.authority.roles, self.role()));
            return Err(denied_text(&format!("permission denied to create temporary tables in database \"{database}\""))
                .hint(format!("A superuser can let it: GRANT {} ON DATABASE {database} TO {role};", Privileges::TEMPORARY)));
        }
        Ok(TEMPORARY_NAMESPACE)
    }
}
