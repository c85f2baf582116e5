//! INSERT, UPDATE, DELETE, MERGE: statements that become events.
//!
//! INSERT of plain literals or parameters goes straight from text to Arrow; anything else is a query whose rows are cast to the columns'
//! types ([`insert`], [`columns`]), and ON CONFLICT decides what becomes of them ([`conflict`]). UPDATE and DELETE ([`change`]) read the
//! table's rows at the head and append what becomes of them, with the table locked against other changes in between ([`locks`]): so no
//! update is lost, and the events say what happened, not what was asked. Values that are not given come from [`defaults`]; [`known`] keeps those, and conditions, as they are computed. [`returning`]
//! answers rows of what is written; [`describe`] tells types and columns beforehand; [`create_as`] makes a table of a query's rows;
//! [`values`] knows parameters and literals. [`merge`] does all of it by one join. [`cte`] runs several of them as one. [`truncate`] deletes all rows.
//! [`privileges`] tells who may, [`policies`] which rows, and [`through`] finds the table whose rows a view shows. [`skip_locked`] locks the rows that nobody else has, and [`current_row`] finds the one
//! that a cursor stands on.
//!
//! Each statement first computes all that it writes ([`Written`]) and what it answers, and appends last: one that fails has done nothing.

pub mod change;
pub mod columns;
pub mod conflict;
pub mod create_as;
pub mod cte;
mod current_row;
pub mod defaults;
pub mod describe;
pub mod insert;
mod kept;
mod known;
pub mod locks;
mod merge;
mod not_matched;
mod policies;
mod privileges;
pub mod returning;
mod skip_locked;
mod through;
mod truncate;
pub mod values;

use std::sync::Arc;

use arrow::array::RecordBatch;
use sqlparser::ast;

use super::ksql::insert::{check_appendable, shares_topic};
use super::session::{Prepared, Response, Session};
use crate::catalog::{Name, Relation, RelationKind, TriggerEvent};
use crate::error::{Error, Result, code};
use crate::log::LogId;
use crate::sql::{Statement, parse};

pub(super) use change::ChangePlan;
pub use columns::{all_not_null, at_precision, cast_columns, target_columns};
pub(super) use defaults::refuse_volatile;
pub(super) use kept::InsertPlan;
pub(super) use known::Known;
use returning::{Part, Returned};
pub use values::{declared, scalars};

/// What a statement is about to write.
pub(in crate::engine) struct Written {
    /// Rows that it has inserted, changed or deleted.
    pub(in crate::engine) count: usize,
    pub events: Vec<(LogId, RecordBatch)>,
    returned: Option<Returned>,
    /// What RETURNING is about where it can be answered only after the events are appended, the last of which are of these rows.
    unanswered: Option<Vec<Part>>,
}

impl Session {
    /// Appends what a statement writes, and answers its tag, which begins with `word`, or the rows of RETURNING. Errors: 0A000 where these
    /// have other columns than when it was prepared.
    async fn finish(&mut self, word: &str, written: Written, prepared: &Prepared) -> Result<Response> {
        if let (Some(returned), Some(told)) = (&written.returned, &prepared.columns) {
            returned.is_as_told(told)?;
        }
        if written.count > 0 && !written.events.is_empty() {
            self.append(written.events).await?;
        }
        match written.returned {
            Some(returned) => returned.answer(word),
            None => Ok(Response::Done(format!("{word} {}", written.count))),
        }
    }

    /// The stream or table that a statement writes to, by way of a partition if it names one. Errors: 42P01, 42809 for a view.
    pub(super) fn writable(&self, name: &Name) -> Result<Arc<Relation>> {
        let scope = self.scope();
        let relation = scope.written(scope.get(name)?);
        check_writable(&relation)?;
        Ok(relation)
    }

    /// The same for a statement that does that, of which a view may have triggers in its place: any column of its rows may be NULL.
    pub(super) fn written_on(&self, name: &Name, event: TriggerEvent) -> Result<Arc<Relation>> {
        match self.scope().find(name).filter(|relation| relation.is_replaced_on(event)) {
            Some(view) => Ok(Arc::new(view.nullable())),
            None => self.writable(name),
        }
    }

    pub(super) fn changeable(&self, name: &Name, what: &str) -> Result<Arc<Relation>> {
        let relation = match TriggerEvent::named(what) {
            Some(event) => self.written_on(name, event)?,
            None => self.writable(name)?,
        };
        if relation.kind == RelationKind::View {
            return Ok(relation);
        }
        if shares_topic(&self.catalog(), &relation) {
            return Err(Error::unsupported(format!("{what} is not supported on \"{name}\": it shares its topic with other relations"))
                .hint("INSERT replaces the row of a key, DELETE FROM .. WHERE key = value removes it."));
        }
        if relation.kind == RelationKind::Table {
            return Ok(relation);
        }
        Err(Error::unsupported(format!("{what} is not supported on stream \"{name}\": events are immutable"))
            .hint("Append an event that says what changed, or use a table."))
    }
}

/// Errors: 42809 for a view.
pub(super) fn check_writable(relation: &Relation) -> Result<()> {
    if relation.columns.is_empty() {
        return Err(Error::unsupported(format!("rows without columns cannot be put into \"{}\"", relation.name)).hint("ADD COLUMN first."));
    }
    if relation.has_log() {
        return check_appendable(relation);
    }
    Err(Error::new(code::WRONG_OBJECT_TYPE, format!("cannot change {} \"{}\"", relation.kind.word(), relation.name))
        .hint("Append to the streams and tables that it reads."))
}

/// A query of our own making.
pub fn parsed_query(text: &str) -> Result<Box<ast::Query>> {
    match parse(text)? {
        Statement::Query(query) => Ok(query),
        _ => Err(Error::internal("not a query")),
    }
}

/// The name as an identifier that is taken as it is written.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
