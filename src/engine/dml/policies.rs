//! Row level security of statements that write: which rows they find, and what becomes of rows must be let through too.
//!
//! The rows that UPDATE, DELETE and MERGE find come through [`Session::target`], as those of a query do through [`Names`];
//! rows to be written are checked against the policies' conditions by a query over them, before anything is appended. What constraints check,
//! and what they do to other tables, is done as the server, which no policy keeps from anything.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::{concat_batches, filter_record_batch};
use datafusion::catalog::TableProvider;

use super::change;
use super::conflict::{columns_at, found};
use super::parsed_query;
use super::privileges::looks;
use super::returning::in_memory;
use crate::catalog::{Command, Condition, Privileges, Relation, RelationId, RelationKind};
use crate::engine::privileges::denied_text;
use crate::engine::session::Session;
use crate::error::Result;
use crate::fold::RowKeys;
use crate::plan::names::Names;
use crate::plan::policies::{Reader, select};
use crate::sql::Statement;
use crate::sql::statement::Change;

/// Rows that a statement is about, and that policies are asked of.
#[derive(Clone, Copy)]
pub(super) enum Checked {
    /// That it puts there.
    New,
    /// That are there in the place of new ones.
    InTheWay,
    /// That MERGE changes or deletes.
    Target,
}

impl Checked {
    /// 42501, as PostgreSQL words it.
    fn refused(self, relation: &Relation, policy: Option<&String>) -> crate::error::Error {
        let (what, of) = match self {
            Checked::New => ("new row", ""),
            Checked::InTheWay => ("new row", " (USING expression)"),
            Checked::Target => ("target row", " (USING expression)"),
        };
        let policy = policy.map_or(String::new(), |name| format!(" \"{name}\""));
        denied_text(&format!("{what} violates row-level security policy{policy}{of} for table \"{}\"", relation.name))
    }
}

impl Session {
    /// Who the statement at hand asks for.
    pub(in crate::engine) fn reader(&self) -> Reader {
        Reader { role: self.authority.role, filtered: self.settings.row_security(), whole: self.reads_whole }
    }

    /// Runs what defines a table otherwise: its owner reads all of it, though policies be forced. Where that is given up half way, the
    /// next statement begins without.
    pub(in crate::engine) async fn reading_whole<T>(&mut self, define: impl AsyncFnOnce(&mut Session) -> Result<T>) -> Result<T> {
        self.reads_whole = true;
        let done = define(self).await;
        self.reads_whole = false;
        done
    }

    /// True if policies apply to the current role, whatever is being checked meanwhile.
    pub(in crate::engine) fn is_secured(&self, relation: &Relation) -> bool {
        self.catalog().secures(relation, self.identity.current)
    }

    /// True if policies of the relation apply to what the statement at hand does as the current role.
    /// Errors: 42501 where that is not to be.
    fn secures(&self, relation: &Relation) -> Result<bool> {
        let applies = self.catalog().secures(relation, self.authority.role);
        Ok(applies && self.names().conditions(relation, &[])?.is_some())
    }

    /// The rows of a table, or of a partition of it, that a statement may do that to.
    pub(super) async fn target(&self, relation: &Arc<Relation>, commands: &[Command]) -> Result<Arc<dyn TableProvider>> {
        let rows = self.of_partition(relation, change::target(relation)).await?;
        if !self.secures(relation)? {
            return Ok(rows);
        }
        let names = self.names();
        let secured = names.secured(relation, rows, commands).await?;
        // What the policies read is read by the statement.
        self.may_read(&names.reads.lock().take())?;
        Ok(secured)
    }

    /// The rows that an UPDATE or DELETE may change: where it looks at them, those that it sees. None for a view, whose rows its plan finds.
    pub(super) async fn target_of(&self, what: &str, relation: &Arc<Relation>, change: &Change) -> Result<Option<Arc<dyn TableProvider>>> {
        if relation.kind == RelationKind::View {
            return Ok(None);
        }
        let command = if what == "DELETE" { Command::Delete } else { Command::Update };
        let commands: &[Command] = if looks(change) { &[command, Command::Select] } else { &[command] };
        self.target(relation, commands).await.map(Some)
    }

    /// Errors: 42501 for rows of an UPDATE that policies do not let through. The relation's columns come first.
    pub(super) async fn check_changed(&self, relation: &Arc<Relation>, rows: &RecordBatch, looks_at: bool) -> Result<()> {
        self.check_new(relation, rows, Command::Update, looks_at).await
    }

    /// The same for the rows that an INSERT proposes.
    pub(super) async fn check_proposed(&self, relation: &Arc<Relation>, statement: &Statement, rows: &[RecordBatch]) -> Result<()> {
        for batch in rows {
            self.check_entry(relation, batch).await?;
        }
        if !self.secures(relation)? {
            return Ok(());
        }
        let Statement::Insert { conflict, returning, .. } = statement else { return Ok(()) };
        let names_rows = conflict.as_ref().is_some_and(|conflict| conflict.target.is_some() || conflict.update.is_some());
        let rows = concat_batches(&relation.schema(), rows)?;
        self.check_new(relation, &rows, Command::Insert, returning.is_some() || names_rows).await
    }

    /// The same for rows that are put by that, and 23514 for those that are not of the partition; where the statement sees rows of the table, it has to see these.
    pub(super) async fn check_new(&self, relation: &Arc<Relation>, rows: &RecordBatch, command: Command, sees: bool) -> Result<()> {
        self.check_entry(relation, rows).await?;
        if !self.secures(relation)? {
            return Ok(());
        }
        let roles = self.catalog().roles().inherits(self.authority.role);
        let mut conditions = relation.security.checks(command, &roles);
        if sees {
            conditions.extend(relation.security.conditions(Command::Select, &roles));
        }
        self.check_by_policies(relation, rows, &conditions, Checked::New).await
    }

    /// Errors: 42501 for rows that are there, and that it may not see, or not do that to.
    pub(super) async fn check_there(
        &self,
        relation: &Arc<Relation>,
        rows: &RecordBatch,
        commands: &[Command],
        which: Checked,
    ) -> Result<()> {
        if rows.num_rows() == 0 || !self.secures(relation)? {
            return Ok(());
        }
        let conditions = self.names().conditions(relation, commands)?.unwrap_or_default();
        self.check_by_policies(relation, rows, &conditions, which).await
    }

    /// Errors: 42501 unless the current role may replace rows of a table: that changes all of them but the key. INSERT is how rows of
    /// ksqlDB's tables are changed.
    pub(in crate::engine) fn may_replace(&self, relation: &Relation) -> Result<()> {
        if relation.key.is_empty() || relation.ksql.is_some() {
            return Ok(());
        }
        let others = (0..relation.columns.len()).filter(|at| !relation.key.contains(at));
        self.may_on(Privileges::UPDATE, relation, others)
    }

    /// The same where a plain INSERT replaces rows of its keys: it is an UPDATE of those, which the role needs the right to.
    pub(in crate::engine) async fn check_replaced(&self, relation: &Arc<Relation>, rows: &[RecordBatch]) -> Result<()> {
        let may = self.may_replace(relation);
        if relation.key.is_empty() || may.is_ok() && !self.secures(relation)? {
            return Ok(());
        }
        let rows = concat_batches(&relation.schema(), rows)?;
        let keys = columns_at(&rows, &relation.key);
        let there = self.rows_of_keys(relation, &RowKeys::Columns(relation.key.clone()), &keys).await?;
        if there.num_rows() == 0 {
            return Ok(());
        }
        may?;
        if !self.secures(relation)? {
            return Ok(());
        }
        self.check_there(relation, &there, &[Command::Update, Command::Select], Checked::InTheWay).await?;
        let replaces = found(&columns_at(&there, &relation.key), &keys)?;
        self.check_new(relation, &filter_record_batch(&rows, &replaces)?, Command::Update, true).await
    }

    async fn check_by_policies(
        &self,
        relation: &Arc<Relation>,
        rows: &RecordBatch,
        conditions: &[Condition],
        which: Checked,
    ) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let rows = rows.project(&(0..relation.columns.len()).collect::<Vec<_>>())?;
        let rows = in_memory(RecordBatch::try_new(relation.nullable().schema(), rows.columns().to_vec())?)?;
        for Condition { policy, sql } in conditions {
            let names = self.names().within_policies(relation, rows.clone());
            let query = parsed_query(&format!("{} LIMIT 1", select(relation, "1", &format!("({sql}) IS NOT TRUE"))))?;
            let planned = self.plan_with(names, &query, &[]).await?;
            if self.collect(&planned, vec![]).await?.iter().any(|batch| batch.num_rows() > 0) {
                return Err(which.refused(relation, policy.as_ref()));
            }
        }
        Ok(())
    }

    /// The names of a query that locks rows of these relations: it sees of them what it may change.
    pub(super) fn names_locking(&self, relations: impl IntoIterator<Item = RelationId>) -> Names {
        Names { locked: relations.into_iter().collect(), ..self.names() }
    }
}
