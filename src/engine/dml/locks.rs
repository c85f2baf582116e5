//! Locks on tables: shared by those who insert, exclusive for those who read rows to change them.
//!
//! There are no locks of rows: SELECT .. FOR UPDATE takes the exclusive lock of the tables that it names, and reads after it is had.
//! FOR SHARE takes it as well, since an INSERT, which holds the shared lock, may replace a row.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlparser::ast::{self, TableFactor};

use crate::catalog::{Name, Relation, RelationId, RelationKind, Scope};
use crate::engine::constraints::has_unique;
use crate::engine::ddl::base_logs;
use crate::engine::session::{Parameters, Prepared, Response, Session};
use crate::engine::transaction::TableLock;
use crate::error::{Error, Result, code};
use crate::limits;
use crate::sql::convert::relation_name;
use crate::sql::fold_name;
use crate::sql::statement::RowLock;

/// What is said of a table that was defined otherwise while a statement waited for it.
const REDEFINED: &str = "could not serialize access due to a concurrent change of the table's definition";

/// True for the error of a statement that is to be run anew, since a table is defined otherwise than when it was begun.
pub(in crate::engine) fn is_redefined(error: &Error) -> bool {
    error.code() == code::SERIALIZATION_FAILURE && error.message() == REDEFINED
}

impl Session {
    /// Errors: 40001 for a table that is defined otherwise than when the statement was begun, or whose changes are to be checked now. The
    /// caller holds the table's lock, without which nobody makes it so.
    pub(in crate::engine) fn as_begun(&self, relation: &Relation) -> Result<()> {
        let catalog = self.catalog();
        let same = catalog.by_id(relation.id).is_some_and(|now| std::ptr::eq(now.as_ref(), relation));
        let alone = || self.transaction.as_ref().is_some_and(|t| t.holds_exclusive(relation.id));
        let checked = !self.is_constrained(relation) || self.checks && (!has_unique(relation) || alone());
        if self.is_temporary(relation.id) || same && checked {
            return Ok(());
        }
        Err(Error::new(code::SERIALIZATION_FAILURE, REDEFINED).hint("Retry the transaction."))
    }

    /// Waits for the lock of `what`. Errors: 55P03 after `lock_timeout`, 40P01 if it is not given in time.
    pub(in crate::engine) async fn in_time<T>(&self, lock: impl Future<Output = T>, what: &str) -> Result<T> {
        let longest = Duration::from_millis(limits::LOCK_WAIT_MS_MAX);
        let asked = self.settings.time("lock_timeout").filter(|asked| *asked < longest);
        tokio::time::timeout(asked.unwrap_or(longest), lock).await.map_err(|_| match asked {
            Some(_) => Error::new(code::LOCK_NOT_AVAILABLE, "canceling statement due to lock timeout"),
            None => Error::new(code::DEADLOCK_DETECTED, format!("could not lock {what} in time"))
                .detail("Another transaction holds it, perhaps one that waits for this one.")
                .hint("Retry the transaction."),
        })
    }

    /// Holds the table against UPDATE and DELETE of others: until the answer is dropped, or inside BEGIN until its end.
    pub(in crate::engine) async fn lock_shared(&mut self, id: RelationId) -> Result<Option<TableLock>> {
        if self.is_temporary(id) || self.transaction.as_ref().is_some_and(|t| t.holds(id)) {
            return Ok(None);
        }
        let lock = self.engine.lock_of(id);
        let held = self.in_time(lock.read_owned(), "the table").await?;
        Ok(self.keep(id, TableLock::Shared(held)))
    }

    /// Holds the table against all changes of others.
    pub(in crate::engine) async fn lock_exclusive(&mut self, id: RelationId) -> Result<Option<TableLock>> {
        if self.is_temporary(id) {
            return Ok(None);
        }
        if let Some(transaction) = &mut self.transaction {
            if transaction.holds_exclusive(id) {
                return Ok(None);
            }
            // A shared lock cannot be raised while others may hold one too; it is given back first. What was inserted under it
            // is not committed yet: others may change the rows of the same keys until the lock is had, as if before the INSERT.
            transaction.locks.retain(|(held, _)| *held != id);
        }
        let lock = self.engine.lock_of(id);
        let held = self.in_time(lock.write_owned(), "the table").await?;
        Ok(self.keep(id, TableLock::Exclusive(held)))
    }

    /// Holds the table against all changes of others, or answers 55P03 if that would take waiting.
    async fn lock_exclusive_now(&mut self, relation: &Relation, what: &str) -> Result<Option<TableLock>> {
        if self.is_temporary(relation.id) || self.transaction.as_ref().is_some_and(|t| t.holds_exclusive(relation.id)) {
            return Ok(None);
        }
        // A shared lock of one's own is in the way of the exclusive one; it is given back only where nobody else has one.
        let shared = self.transaction.as_ref().is_some_and(|t| t.holds(relation.id));
        let lock = self.engine.lock_of(relation.id);
        let held = match shared {
            false => lock.try_write_owned().ok(),
            true => {
                self.transaction.iter_mut().for_each(|t| t.locks.retain(|(held, _)| *held != relation.id));
                lock.clone().try_write_owned().ok().or_else(|| {
                    let again = lock.try_read_owned().ok()?;
                    self.keep(relation.id, TableLock::Shared(again));
                    None
                })
            }
        };
        let refused = || Error::new(code::LOCK_NOT_AVAILABLE, format!("could not obtain lock on {what} \"{}\"", relation.name));
        Ok(self.keep(relation.id, TableLock::Exclusive(held.ok_or_else(refused)?)))
    }

    /// SELECT .. FOR UPDATE: the locks are held until the transaction ends, and the rows are read when they are had.
    pub(in crate::engine) async fn locking(
        &mut self,
        query: &ast::Query,
        locks: &[RowLock],
        prepared: &Prepared,
        parameters: &Parameters,
    ) -> Result<Response> {
        let catalog = self.scope();
        let mut wanted = BTreeMap::new();
        for lock in locks {
            for relation in locked(&catalog, query, lock)? {
                *wanted.entry(relation).or_insert(false) |= lock.nowait;
            }
        }
        let mut held = Vec::with_capacity(wanted.len());
        // In one order, so that two statements do not wait for each other.
        for (id, nowait) in wanted {
            let relation = catalog.by_id(id).ok_or_else(|| Error::internal("a relation that is locked exists"))?;
            self.may_lock(relation, true)?;
            held.push(match nowait {
                true => self.lock_exclusive_now(relation, "row in relation").await?,
                false => self.lock_exclusive(id).await?,
            });
        }
        self.select(query, prepared, parameters).await
    }

    /// LOCK TABLE. Errors: 25P01 outside BEGIN, 55P03 for NOWAIT, 42809.
    pub(in crate::engine) async fn lock_tables(&mut self, tables: &[Name], exclusive: bool, nowait: bool) -> Result<Response> {
        if !self.transaction.as_ref().is_some_and(|t| t.explicit) {
            return Err(Error::new(code::NO_ACTIVE_SQL_TRANSACTION, "LOCK TABLE can only be used in transaction blocks"));
        }
        let catalog = self.scope();
        for name in tables {
            let relation = catalog.known(name)?;
            let ids = match relation.kind {
                RelationKind::Table | RelationKind::Stream => vec![relation.id],
                RelationKind::View => base_logs(&catalog, relation),
                RelationKind::MaterializedView => {
                    return Err(Error::new(code::WRONG_OBJECT_TYPE, format!("cannot lock relation \"{name}\""))
                        .detail("This operation is not supported for materialized views."));
                }
            };
            for id in ids {
                let relation = catalog.by_id(id).ok_or_else(|| Error::internal("a relation that is locked exists"))?;
                self.may_lock(relation, exclusive)?;
                match (exclusive, nowait) {
                    (true, true) => drop(self.lock_exclusive_now(relation, "relation").await?),
                    (true, false) => drop(self.lock_exclusive(id).await?),
                    (false, true) => drop(self.lock_shared_now(relation)?),
                    (false, false) => drop(self.lock_shared(id).await?),
                }
            }
        }
        Ok(Response::Done("LOCK TABLE".into()))
    }

    fn lock_shared_now(&mut self, relation: &Relation) -> Result<Option<TableLock>> {
        if self.is_temporary(relation.id) || self.transaction.as_ref().is_some_and(|t| t.holds(relation.id)) {
            return Ok(None);
        }
        let refused = |_| Error::new(code::LOCK_NOT_AVAILABLE, format!("could not obtain lock on relation \"{}\"", relation.name));
        let held = self.engine.lock_of(relation.id).try_read_owned().map_err(refused)?;
        Ok(self.keep(relation.id, TableLock::Shared(held)))
    }

    pub(super) fn keep(&mut self, id: RelationId, lock: TableLock) -> Option<TableLock> {
        match &mut self.transaction {
            Some(transaction) => {
                transaction.locks.push((id, lock));
                None
            }
            None => Some(lock),
        }
    }
}

/// The tables that a lock is meant for. Errors: 42P01 for `OF` something else, 42809 for a materialized view.
fn locked(catalog: &Scope, query: &ast::Query, lock: &RowLock) -> Result<Vec<RelationId>> {
    let mut factors = Vec::new();
    named_in(query, &mut factors);
    if let Some(of) = &lock.of {
        factors.retain(|(name, _)| name == of);
        if factors.is_empty() {
            let message = format!("relation \"{of}\" in {} clause not found in FROM clause", lock.word);
            return Err(Error::new(code::UNDEFINED_TABLE, message));
        }
    }
    let mut tables = Vec::new();
    for relation in factors.iter().filter_map(|(_, name)| catalog.find(name)) {
        match relation.kind {
            RelationKind::Table => tables.push(relation.id),
            // Events do not change.
            RelationKind::Stream => {}
            RelationKind::View => {
                let is_table = |id: &RelationId| catalog.by_id(*id).is_some_and(|r| r.kind == RelationKind::Table);
                tables.extend(base_logs(catalog, relation).into_iter().filter(is_table));
            }
            RelationKind::MaterializedView => {
                let message = format!("cannot lock rows in materialized view \"{}\"", relation.name);
                return Err(Error::new(code::WRONG_OBJECT_TYPE, message).hint("Lock the tables that it reads with LOCK TABLE."));
            }
        }
    }
    Ok(tables)
}

/// The relations in FROM, those of its subqueries included: the name that OF may use, and the relation's own.
fn named_in(query: &ast::Query, into: &mut Vec<(String, Name)>) {
    let ast::SetExpr::Select(select) = query.body.as_ref() else { return };
    let mut open: Vec<&ast::TableWithJoins> = select.from.iter().collect();
    while let Some(item) = open.pop() {
        for factor in std::iter::once(&item.relation).chain(item.joins.iter().map(|j| &j.relation)) {
            match factor {
                TableFactor::Table { name, alias, args: None, .. } => {
                    let Ok(own) = relation_name(name) else { continue };
                    into.push((alias.as_ref().map_or_else(|| own.name.clone(), |a| fold_name(&a.name)), own));
                }
                TableFactor::NestedJoin { table_with_joins, .. } => open.push(table_with_joins),
                TableFactor::Derived { subquery, alias, .. } => {
                    let mut inner = Vec::new();
                    named_in(subquery, &mut inner);
                    let alias = alias.as_ref().map(|a| fold_name(&a.name));
                    into.extend(inner.into_iter().map(|(name, own)| (alias.clone().unwrap_or(name), own)));
                }
                _ => {}
            }
        }
    }
}
