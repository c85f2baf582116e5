//! The locks that statements take: of rows by their keys where those are known before anything is read, else of whole tables.
//!
//! A statement that changes rows has them locked before it reads them, so that no update is lost. UPDATE, DELETE and SELECT .. FOR UPDATE
//! whose condition names values of the whole key ([`crate::plan::by_key`]) lock the rows of those; so does INSERT of few rows. Rows of a
//! table without a key, or that are found in another way, are changed with all rows of the table locked. FOR SHARE is as strong as FOR
//! UPDATE, since an INSERT may replace a row.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch};
use sqlparser::ast::{self, TableFactor};

use super::conflict::columns_at;
use super::values::{declared, scalars};
use crate::catalog::{Change, Name, Relation, RelationId, RelationKind, Scope};
use crate::engine::constraints::has_unique;
use crate::engine::ddl::base_logs;
use crate::engine::session::{Parameters, Prepared, Response, Session};
use crate::engine::table_locks::{Mode, Request, Rows, TableLock};
use crate::engine::transaction::Transaction;
use crate::error::{Error, Result, code};
use crate::fold::key_index::hashes;
use crate::limits;
use crate::plan::by_key::Bound;
use crate::sql::convert::relation_name;
use crate::sql::statement::{RowLock, Wait};
use crate::sql::{TableMode, fold_name};

/// What is said of a table that was defined otherwise while a statement waited for it.
const REDEFINED: &str = "could not serialize access due to a concurrent change of the table's definition";

/// True for the error of a statement that is to be run anew, since a table is defined otherwise than when it was begun.
pub(in crate::engine) fn is_redefined(error: &Error) -> bool {
    error.code() == code::SERIALIZATION_FAILURE && error.message() == REDEFINED
}

impl Session {
    /// Errors: 40001 for a table that is defined otherwise than when the statement was begun, or whose changes are to be checked now; 55006 where
    /// it is the statement itself that has defined it so, and would again. The caller holds the table's lock, without which nobody makes it so.
    pub(in crate::engine) fn as_begun(&self, relation: &Relation) -> Result<()> {
        let catalog = self.catalog();
        let is_now = |known: &Relation| catalog.by_id(known.id).is_some_and(|now| std::ptr::eq(now.as_ref(), known));
        let same = match &relation.entry {
            Some(entry) => is_now(&entry.table) && is_now(&entry.partition),
            None => is_now(relation),
        };
        let alone = || self.engine.locks.changes_all(self.process, relation.id);
        let checked = !self.is_constrained(relation) || self.checks && (!has_unique(relation) || alone());
        if self.is_temporary(relation.id) || same && checked {
            return Ok(());
        }
        if !same && self.redefines(relation.id) {
            let message = format!("cannot change the definition of \"{}\" because it is being used by an active statement", relation.name);
            return Err(Error::new(code::OBJECT_IN_USE, message).detail("A function or a trigger of the statement changes it."));
        }
        Err(Error::new(code::SERIALIZATION_FAILURE, REDEFINED).hint("Retry the transaction."))
    }

    /// True if the transaction itself has another definition of a relation.
    fn redefines(&self, id: RelationId) -> bool {
        let changes = self.transaction.as_ref().and_then(|t| t.definitions.as_ref()).map_or(&[][..], |d| &d.changes);
        changes.iter().any(|definition| match &definition.change {
            Change::Alter(relation) => relation.id == id,
            Change::Replace(old, _) => *old == id,
            Change::Drop(ids) => ids.contains(&id),
            Change::Own(owned) => owned.iter().any(|(owned, _)| *owned == id),
            Change::Comment(..) => true,
            _ => false,
        })
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

    /// Locks a table, and rows of it, against what others may not do to them: until the answer is dropped, or inside BEGIN until its end.
    pub(in crate::engine) async fn lock(&mut self, id: RelationId, request: Request) -> Result<Option<TableLock>> {
        if self.is_temporary(id) {
            return Ok(None);
        }
        let lock = self.engine.locks.take(self.process, id, self.undoable(request));
        let held = self.in_time(lock, "the table").await??;
        Ok(self.keep(id, held))
    }

    /// The same for all of its rows.
    pub(in crate::engine) async fn lock_table(&mut self, id: RelationId, mode: Mode) -> Result<Option<TableLock>> {
        self.lock(id, Request::new(mode, Rows::All)).await
    }

    /// The same for who defines the table otherwise.
    pub(in crate::engine) async fn lock_definition(&mut self, id: RelationId) -> Result<Option<TableLock>> {
        self.lock(id, Request::definition()).await
    }

    /// The same for the rows of the keys that these rows have.
    pub(super) async fn lock_rows(&mut self, relation: &Relation, mode: Mode, rows: &[RecordBatch]) -> Result<Option<TableLock>> {
        let keys: Vec<Vec<ArrayRef>> = rows.iter().map(|batch| columns_at(batch, &relation.key)).collect();
        self.lock(relation.id, Request::new(mode, of_keys(relation, &keys))).await
    }

    /// Locks as [`Session::lock`] does, or answers 55P03 if that would take waiting.
    fn lock_now(&mut self, relation: &Relation, request: &Request, what: &str) -> Result<Option<TableLock>> {
        if self.is_temporary(relation.id) {
            return Ok(None);
        }
        let held = self.engine.locks.try_take(self.process, relation.id, &self.undoable(request.clone()));
        let refused = || Error::new(code::LOCK_NOT_AVAILABLE, format!("could not obtain lock on {what} \"{}\"", relation.name));
        Ok(self.keep(relation.id, held.ok_or_else(refused)?))
    }

    /// The request as it can be gone back from: to the savepoints that there are.
    pub(super) fn undoable(&self, request: Request) -> Request {
        request.after(self.transaction.as_ref().map_or(0, Transaction::savepoints))
    }

    /// Before COMMIT: locks again what the transaction has given back for more that it did not get.
    pub(in crate::engine) async fn lock_again(&mut self) -> Result<()> {
        let tables: Vec<RelationId> = self.transaction.iter().flat_map(|t| t.locks.keys().copied()).collect();
        for id in tables {
            if let Some(request) = self.engine.locks.lost(self.process, id) {
                self.lock(id, request).await?;
            }
        }
        Ok(())
    }

    /// SELECT .. FOR UPDATE: the locks are held until the transaction ends, and the rows are read when they are had.
    pub(in crate::engine) async fn locking(
        &mut self,
        query: &ast::Query,
        locks: &[RowLock],
        prepared: &Prepared,
        parameters: &Parameters,
    ) -> Result<Response> {
        if locks.iter().any(|lock| lock.wait == Wait::Skip) {
            return self.locking_others(query, locks, prepared, parameters).await;
        }
        let mut held = Vec::new();
        loop {
            let known = self.engine.catalog();
            let catalog = self.scope();
            let mut wanted = BTreeMap::new();
            for lock in locks {
                for relation in locked(&catalog, query, lock)? {
                    *wanted.entry(relation).or_insert(false) |= lock.wait == Wait::Not;
                }
            }
            let mut planned = self.plan_with(self.names_locking(wanted.keys().copied()), query, &declared(prepared)).await?;
            let values = scalars(&planned.parameters, parameters, self.settings.reading())?;
            // In one order, so that two statements do not wait for each other.
            for (id, nowait) in wanted {
                let relation = catalog.by_id(id).ok_or_else(|| Error::internal("a relation that is locked exists"))?;
                self.may_lock_rows(relation)?;
                let by_key;
                (planned, by_key) = self.by_key(planned, relation).await?;
                let rows = by_key.and_then(|by_key| by_key.bind(&self.computing(), &values).map(|bound| rows_of(relation, &bound)));
                let request = Request::selected(rows.unwrap_or(Rows::All));
                held.push(match nowait {
                    true => self.lock_now(relation, &request, "row in relation")?,
                    false => self.lock(id, request).await?,
                });
            }
            // What its names mean may have changed while it waited.
            if Arc::ptr_eq(&known, &self.engine.catalog()) {
                return self.run_selected(planned, prepared, values).await;
            }
        }
    }

    /// LOCK TABLE. Errors: 25P01 where no transaction goes on behind it, by BEGIN or in one message with others; 55P03 for NOWAIT, 42809.
    pub(in crate::engine) async fn lock_tables(&mut self, tables: &[Name], mode: TableMode, nowait: bool) -> Result<Response> {
        // A body holds what it locks as long as the transaction around it.
        if self.inside == 0 && self.transaction.as_ref().is_none_or(|t| t.alone) {
            return Err(Error::new(code::NO_ACTIVE_SQL_TRANSACTION, "LOCK TABLE can only be used in transaction blocks"));
        }
        let catalog = self.scope();
        for name in tables {
            let relation = catalog.known(name)?;
            let ids = match relation.kind {
                RelationKind::Table | RelationKind::Stream => vec![relation.id],
                RelationKind::View | RelationKind::Partition => base_logs(&catalog, relation),
                RelationKind::MaterializedView => {
                    return Err(Error::new(code::WRONG_OBJECT_TYPE, format!("cannot lock relation \"{name}\""))
                        .detail("This operation is not supported for materialized views."));
                }
            };
            for id in ids {
                let relation = catalog.by_id(id).ok_or_else(|| Error::internal("a relation that is locked exists"))?;
                self.may_lock(relation, mode)?;
                let request = Request::whole(mode);
                drop(match nowait {
                    true => self.lock_now(relation, &request, "relation")?,
                    false => self.lock(id, request).await?,
                });
            }
        }
        Ok(Response::Done("LOCK TABLE".into()))
    }

    /// Inside BEGIN the transaction has the lock from now on; one for each table holds all that the session has of it.
    pub(super) fn keep(&mut self, id: RelationId, lock: TableLock) -> Option<TableLock> {
        let Some(transaction) = &mut self.transaction else { return Some(lock) };
        transaction.locks.entry(id).or_insert(lock);
        None
    }
}

/// The rows that a query by key is of.
pub(super) fn rows_of(relation: &Relation, bound: &Bound<'_>) -> Rows {
    of_keys(relation, std::slice::from_ref(&bound.keys))
}

/// The rows of these keys; all of them for many keys, or where keys do not tell rows apart.
fn of_keys(relation: &Relation, keys: &[Vec<ArrayRef>]) -> Rows {
    let count = keys.iter().filter_map(|columns| columns.first()).map(|column| column.len()).sum::<usize>();
    if relation.kind != RelationKind::Table || relation.ksql.is_some() || relation.key.is_empty() || count > limits::STATEMENT_KEYS_MAX {
        return Rows::All;
    }
    let hashes = keys.iter().map(|columns| hashes(columns)).collect::<Result<Vec<_>>>();
    hashes.map_or(Rows::All, |hashes| Rows::Keys(hashes.into_iter().flatten().collect()))
}

/// The tables that a lock is meant for. Errors: 42P01 for `OF` something else, 42809 for a materialized view.
pub(super) fn locked(catalog: &Scope, query: &ast::Query, lock: &RowLock) -> Result<Vec<RelationId>> {
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
            RelationKind::View | RelationKind::Partition => {
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
