//! What changes a relation that is there: ALTER .. ADD, CREATE OR REPLACE, DROP.
//!
//! A relation that is changed keeps its id and its log ([`Session::alter_in_place`]). A query that is replaced is remembered with the
//! position up to which it held, as ksqlDB goes on from the offsets and the state that the old query left: events before that are read as
//! it said.

use std::sync::Arc;

use super::create::relation_of;
use crate::catalog::{Catalog, Earlier, Ksql, KsqlColumn, Relation, Writer, plain_name};
use crate::engine::session::{Response, Session};
use crate::engine::table_locks::{Mode, TableLock};
use crate::error::{Error, Result, code};
use crate::plan::ksql::expr::resolve_type;
use crate::sql::ksql::ast::{ColumnDef, Kind};

impl Session {
    /// Errors: 25001 inside BEGIN, or among several statements of one message, for what a ROLLBACK could not undo.
    pub(super) fn refuse_in_transaction(&self, what: &str) -> Result<()> {
        if self.transaction.as_ref().is_some_and(|t| t.explicit) {
            return Err(Error::new(code::ACTIVE_SQL_TRANSACTION, format!("{what} cannot run inside a transaction block"))
                .hint("COMMIT first; it cannot be rolled back."));
        }
        Ok(())
    }

    /// Holds all relations of a topic against appends.
    pub(in crate::engine) async fn lock_topic(&mut self, catalog: &Catalog, relation: &Relation) -> Result<Vec<TableLock>> {
        let topic = relation.ksql.as_ref().map(|k| &k.topic);
        let mut held = Vec::new();
        for (other, ksql) in catalog.ksql_relations() {
            if Some(&ksql.topic) == topic && other.has_log() {
                held.extend(self.lock_table(other.id, Mode::Remove).await?);
            }
        }
        Ok(held)
    }

    /// CREATE OR REPLACE of a relation that is there. Errors: 42P16 for columns that are not the old ones and further ones behind them.
    pub(super) async fn ksql_replace(
        &mut self,
        catalog: &Catalog,
        old: &Relation,
        name: &str,
        mut ksql: Ksql,
        text: &str,
        depends_on: Vec<u32>,
    ) -> Result<()> {
        let Some(before) = old.ksql.as_deref().filter(|b| b.table == ksql.table && b.writers.is_empty() == ksql.writers.is_empty()) else {
            return Err(Error::new(code::WRONG_OBJECT_TYPE, format!("\"{name}\" cannot be replaced by a relation of another kind"))
                .hint("DROP it first."));
        };
        check_alterable(old)?;
        check_extends(&before.columns, &ksql.columns, name)?;
        if before.topic != ksql.topic {
            return Err(
                Error::new(code::INVALID_TABLE_DEFINITION, format!("the topic of \"{name}\" cannot be changed")).hint("DROP it first.")
            );
        }
        if let (Some(new), Some(old)) = (ksql.writers.first(), before.writers.first()) {
            check_sources(new, old, name)?;
        }
        if before.window != ksql.window {
            return Err(
                Error::new(code::INVALID_TABLE_DEFINITION, format!("the windows of \"{name}\" cannot be changed")).hint("DROP it first.")
            );
        }
        if let (Some(writer), Some(old)) = (ksql.writers.first_mut(), before.writers.first()) {
            // It goes on as the same query, from here on as it says now.
            writer.id = old.id.clone();
            writer.earlier = old.earlier.clone();
            let (sql, widths, properties) = (old.sql.clone(), old.widths.clone(), old.properties.clone());
            writer.earlier.push(Earlier { sql, until: self.engine.log.head(), widths, properties });
        }
        // Queries that insert into it stay, and so does what the earlier versions read.
        ksql.writers.extend(before.writers.iter().skip(1).cloned());
        let mut depends = depends_on;
        depends.extend(&old.depends_on);
        depends.sort_unstable();
        depends.dedup();
        let altered = relation_of(old.id, old.owner, name, ksql, text, depends)?;
        self.alter_in_place(catalog, altered).await
    }

    /// ALTER STREAM|TABLE name ADD COLUMN ..
    pub(super) async fn ksql_alter(&mut self, kind: Kind, name: &str, columns: &[ColumnDef]) -> Result<Response> {
        self.refuse_in_transaction("ALTER")?;
        let engine = self.engine.clone();
        let _ddl = self.define_now().await?;
        let catalog = engine.catalog();
        let old = catalog.get_public(&plain_name(name))?.clone();
        let ksql = ksql_of(&old, kind)?;
        check_alterable(&old)?;
        if !ksql.writers.is_empty() {
            return Err(Error::new(code::WRONG_OBJECT_TYPE, format!("\"{name}\" has the columns that its query gives"))
                .hint("CREATE OR REPLACE it with a query that gives more."));
        }
        let mut ksql = ksql.clone();
        for column in columns {
            if ksql.columns.iter().any(|c| plain_name(&c.name) == plain_name(&column.name)) {
                let message = format!("column \"{}\" of \"{name}\" already exists", column.name);
                return Err(Error::new(code::DUPLICATE_COLUMN, message).at(column.at));
            }
            if crate::plan::ksql::items::is_reserved(&column.name) {
                return Err(crate::plan::ksql::items::reserved(&column.name).at(column.at));
            }
            let ty = resolve_type(&column.ty, &|name| catalog.named_type(name).cloned()).map_err(|e| e.at(column.at))?;
            ksql.columns.push(KsqlColumn { name: column.name.clone(), ty, key: false, bound: false });
        }
        let altered = relation_of(old.id, old.owner, name, ksql, &old.sql, old.depends_on.clone())?;
        self.alter_in_place(&catalog, altered).await?;
        Ok(Response::Done(if kind == Kind::Stream { "ALTER STREAM" } else { "ALTER TABLE" }.into()))
    }

    /// DROP STREAM|TABLE.
    pub(super) async fn ksql_drop(
        &mut self,
        kind: Kind,
        name: &str,
        if_exists: bool,
        delete_topic: bool,
        cascade: bool,
    ) -> Result<Response> {
        let tag = if kind == Kind::Stream { "DROP STREAM" } else { "DROP TABLE" };
        let done = Ok(Response::Done(tag.into()));
        if self.transaction.as_ref().is_some_and(|t| t.explicit) {
            return Err(Error::new(code::ACTIVE_SQL_TRANSACTION, "DROP cannot run inside a transaction block")
                .hint("COMMIT first; a DROP cannot be rolled back."));
        }
        let catalog = self.engine.catalog();
        let relation = match catalog.find_public(&plain_name(name)) {
            Some(relation) => relation.clone(),
            None if if_exists => {
                let text = format!("{} \"{name}\" does not exist, skipping", tag[5..].to_lowercase());
                self.notice("NOTICE", Error::new(code::SUCCESS, text));
                return done;
            }
            None => return catalog.get_public(&plain_name(name)).map(|_| Response::Empty),
        };
        let ksql = match ksql_of(&relation, kind) {
            Ok(ksql) => ksql,
            Err(_) if if_exists && cascade => relation.ksql.as_deref().ok_or_else(|| Error::internal("not a relation of this dialect"))?,
            Err(e) => return Err(e),
        };
        if ksql.read_only && delete_topic {
            return Err(Error::new(code::WRONG_OBJECT_TYPE, format!("\"{name}\" is read-only: its topic cannot be deleted through it")));
        }
        let above = catalog.with_dependents(relation.id);
        let readers: Vec<Arc<Relation>> =
            above.iter().filter(|id| **id != relation.id).filter_map(|id| catalog.by_id(*id)).cloned().collect();
        // A relation that only reads a dropped query's topic goes with it; anything else stands in the way.
        let users =
            |r: &&Arc<Relation>| r.ksql.as_ref().is_none_or(|k| !k.writers.iter().all(|w| w.topic) || self.engine.log.count(r.id) > 0);
        if let (false, Some(reader)) = (cascade, readers.iter().find(users)) {
            let message = format!("cannot drop \"{name}\" because other objects depend on it");
            return Err(Error::new(code::DEPENDENT_OBJECTS_STILL_EXIST, message)
                .detail(format!("{} \"{}\" depends on it.", reader.kind.word(), reader.name))
                .hint("Use DROP .. CASCADE to drop the dependent objects too."));
        }
        self.cancel.shield(self.engine.drop_relations(&[relation.id])).await?;
        done
    }
}

/// The relation's side of this dialect. Errors: 42809 if it is of the other kind, or of PostgreSQL's dialect.
pub(super) fn ksql_of(relation: &Relation, kind: Kind) -> Result<&Ksql> {
    let word = if kind == Kind::Stream { "stream" } else { "table" };
    match relation.ksql.as_deref() {
        Some(ksql) if ksql.table == (kind == Kind::Table) => Ok(ksql),
        _ => Err(Error::new(code::WRONG_OBJECT_TYPE, format!("\"{}\" is not a {word} of ksqlDB's dialect", relation.name))),
    }
}

/// Errors: 42809 for a relation made with SOURCE.
fn check_alterable(relation: &Relation) -> Result<()> {
    if relation.ksql.as_ref().is_some_and(|k| k.read_only) {
        let message = format!("cannot change read-only {} \"{}\"", relation.kind.word(), relation.name);
        return Err(Error::new(code::WRONG_OBJECT_TYPE, message).hint("It was made with SOURCE; DROP it and make it again."));
    }
    Ok(())
}

/// The relations that a query reads must stay the same: what it has read of the others is in its sink.
fn check_sources(new: &Writer, old: &Writer, name: &str) -> Result<()> {
    let sources = |writer: &Writer| -> Result<Vec<String>> {
        let query = crate::plan::ksql::source::select(&writer.sql)?;
        let mut names: Vec<String> =
            std::iter::once(&query.from).chain(query.joins.iter().map(|j| &j.source)).map(|s| s.name.clone()).collect();
        names.sort_unstable();
        Ok(names)
    };
    if sources(new)? == sources(old)? {
        return Ok(());
    }
    Err(Error::new(code::INVALID_TABLE_DEFINITION, format!("the relations that \"{name}\" is made of cannot be changed"))
        .hint("DROP it first, or add another query with INSERT INTO .. SELECT."))
}

/// The new columns must be the old ones, in their order, and further ones that are no keys.
fn check_extends(old: &[KsqlColumn], new: &[KsqlColumn], name: &str) -> Result<()> {
    let kept = new.len() >= old.len() && old.iter().zip(new).all(|(o, n)| o == n);
    if kept && new[old.len()..].iter().all(|c| !c.key) {
        return Ok(());
    }
    Err(Error::new(code::INVALID_TABLE_DEFINITION, format!("the columns of \"{name}\" can only be added to"))
        .hint("Keep the columns as they are, in their order, and put new ones behind; or DROP it first."))
}
