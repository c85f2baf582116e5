//! The modes of a transaction: BEGIN .., SET TRANSACTION, and what READ ONLY forbids.

use super::session::{Response, Session};
use super::settings::MODES;
use super::transaction::OldSetting;
use crate::error::{Error, Result, code};
use crate::sql::ksql::ast::Statement as Ksql;
use crate::sql::{CopySource, Modes, Statement};

impl Session {
    /// The modes of a transaction that has just begun: the session's defaults, and what BEGIN says.
    pub(super) fn begin_in(&mut self, modes: &Modes) -> Result<()> {
        for (name, default) in MODES {
            self.set_until_end(name, &self.settings.get(default)?)?;
        }
        self.apply_modes(modes)
    }

    /// The modes in force, for AND CHAIN.
    pub(super) fn modes(&self) -> Modes {
        Modes {
            isolation: self.settings.get("transaction_isolation").ok(),
            read_only: Some(self.settings.is_on("transaction_read_only")),
            deferrable: Some(self.settings.is_on("transaction_deferrable")),
        }
    }

    /// SET TRANSACTION, and with `session` SET SESSION CHARACTERISTICS AS TRANSACTION.
    pub(super) fn set_transaction(&mut self, modes: &Modes, session: bool) -> Result<Response> {
        if session {
            for (name, value) in values_of(modes) {
                self.set(&format!("default_{name}"), Some(value), false)?;
            }
        } else if self.transaction.is_none() {
            let text = "SET TRANSACTION can only be used in transaction blocks";
            self.notice("WARNING", Error::new(code::NO_ACTIVE_SQL_TRANSACTION, text));
        } else {
            self.apply_modes(modes)?;
        }
        Ok(Response::Done("SET".into()))
    }

    fn apply_modes(&mut self, modes: &Modes) -> Result<()> {
        // Temporary tables are there before anything is written.
        let wrote = self.transaction.as_ref().is_some_and(|t| t.batches.len() > t.begun);
        if modes.read_only == Some(true) && wrote {
            return Err(Error::new(code::ACTIVE_SQL_TRANSACTION, "transaction read-only mode must be set before anything is written"));
        }
        values_of(modes).into_iter().try_for_each(|(name, value)| self.set_until_end(name, value))?;
        if modes.isolation.is_some() && self.repeats_reads() && !self.settings.is_on("transaction_read_only") {
            let notice =
                Error::new(code::SUCCESS, "in a transaction that may write each statement reads what is committed before it begins");
            self.notice("NOTICE", notice.hint("BEGIN .. READ ONLY for one that reads everything at one position."));
        }
        Ok(())
    }

    /// True at REPEATABLE READ and SERIALIZABLE.
    pub(super) fn repeats_reads(&self) -> bool {
        self.settings.get("transaction_isolation").is_ok_and(|level| ["repeatable read", "serializable"].contains(&level.as_str()))
    }

    /// Sets what belongs to the transaction, whose end brings the old value back.
    pub(super) fn set_until_end(&mut self, name: &str, value: &str) -> Result<()> {
        let before = self.settings.own(name);
        self.settings.set(name, Some(value))?;
        if let Some(transaction) = &mut self.transaction {
            transaction.settings.push(OldSetting { name: name.to_string(), value: before, local: true });
        }
        Ok(())
    }

    /// Errors: 25006 for a statement that writes in a transaction that is read only.
    pub(super) fn check_writable(&self, statement: &Statement) -> Result<()> {
        let explicit = self.transaction.as_ref().is_some_and(|t| t.explicit);
        let name = if explicit { "transaction_read_only" } else { "default_transaction_read_only" };
        if reads_only(statement) || !self.settings.is_on(name) {
            return Ok(());
        }
        let message = format!("cannot execute {} in a read-only transaction", word_of(statement));
        Err(Error::new(code::READ_ONLY_SQL_TRANSACTION, message).hint(if explicit {
            "BEGIN READ WRITE for a transaction that writes."
        } else {
            "SET default_transaction_read_only = off."
        }))
    }
}

/// What modes set, by setting.
fn values_of(modes: &Modes) -> Vec<(&'static str, &str)> {
    let on = |value: bool| if value { "on" } else { "off" };
    let mut values = Vec::new();
    values.extend(modes.isolation.as_deref().map(|level| ("transaction_isolation", level)));
    values.extend(modes.read_only.map(|value| ("transaction_read_only", on(value))));
    values.extend(modes.deferrable.map(|value| ("transaction_deferrable", on(value))));
    values
}

/// True for a statement that appends nothing and changes no definition. EXECUTE is looked at when what it runs is.
fn reads_only(statement: &Statement) -> bool {
    match statement {
        Statement::Ksql(statement) => !matches!(
            **statement,
            Ksql::Create(_)
                | Ksql::InsertSelect { .. }
                | Ksql::InsertValues { .. }
                | Ksql::Delete { .. }
                | Ksql::Alter { .. }
                | Ksql::Drop { .. }
                | Ksql::CreateType { .. }
                | Ksql::DropType { .. }
                | Ksql::Control { .. }
        ),
        Statement::Query(_)
        // What is in a body is looked at when it runs.
        | Statement::Do(_)
        | Statement::Calling { .. }
        | Statement::CallingRows(_)
        | Statement::LockTables { .. }
        | Statement::CopyOut { source: CopySource::Table { .. } | CopySource::Query(_) | CopySource::Push(_), .. }
        | Statement::Begin { .. }
        | Statement::Commit { .. }
        | Statement::Rollback { .. }
        | Statement::Savepoint(_)
        | Statement::Release(_)
        | Statement::RollbackTo(_)
        | Statement::SetConstraints { .. }
        | Statement::Set { .. }
        | Statement::Reset(_)
        | Statement::ResetAll
        | Statement::SetTransaction { .. }
        | Statement::Discard(_)
        | Statement::Show(_)
        | Statement::Listen(_)
        | Statement::Unlisten(_)
        | Statement::Notify { .. }
        | Statement::ExplainView(_)
        | Statement::Prepare { .. }
        | Statement::Execute { .. }
        | Statement::Deallocate(_)
        | Statement::Declare { .. }
        | Statement::Fetch { .. }
        | Statement::Close(_)
        | Statement::Checkpoint
        | Statement::Upkeep(..)
        | Statement::Told { .. }
        | Statement::Empty => true,
        Statement::CreateRelation(new) => new.temporary.is_some(),
        Statement::Explain { statement, .. } => reads_only(statement),
        _ => false,
    }
}

/// The statement's first words, for an error.
fn word_of(statement: &Statement) -> String {
    match statement {
        Statement::Insert { .. } | Statement::InsertDefaults { .. } => "INSERT".into(),
        Statement::Update { .. } => "UPDATE".into(),
        Statement::Delete { .. } => "DELETE".into(),
        Statement::Merge(_) => "MERGE".into(),
        Statement::CopyIn { .. } => "COPY FROM".into(),
        Statement::CopyOut { source: CopySource::Change(_, change), .. } => word_of(change),
        Statement::Truncate(_) => "TRUNCATE TABLE".into(),
        Statement::CreateTableAs { .. } => "CREATE TABLE AS".into(),
        Statement::Locking { locks, .. } => locks.first().map_or_else(String::new, |lock| format!("SELECT {}", lock.word)),
        Statement::WithChanges { changes, .. } => changes.first().map_or_else(String::new, |change| word_of(&change.statement)),
        Statement::CreateRelation(new) => format!("CREATE {}", new.kind.word().to_uppercase()),
        Statement::CreatePartition(_) => "CREATE TABLE".into(),
        Statement::CreateView { materialized: true, .. } => "CREATE MATERIALIZED VIEW".into(),
        Statement::CreateView { .. } => "CREATE VIEW".into(),
        Statement::Drop { kind, .. } => format!("DROP {}", kind.word().to_uppercase()),
        Statement::Comment { .. } => "COMMENT".into(),
        _ => "a statement that changes something".into(),
    }
}
