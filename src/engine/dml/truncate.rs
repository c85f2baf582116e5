//! TRUNCATE: the rows of tables are deleted, of all of them or of none, and numbering begins anew where that is asked for.
//!
//! Deletions are events, so it costs what DELETE costs. A sequence begins anew as by ALTER SEQUENCE, in the same transaction.

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::change::{Located, whole};
use crate::catalog::{Name, Privileges, Relation};
use crate::engine::constraints::referring;
use crate::engine::session::{Parameters, Response, Session};
use crate::engine::triggers::Happening;
use crate::error::{Error, Result, code};
use crate::log::LogId;
use crate::sql::statement::{Change, Truncate};

impl Session {
    /// Errors: 0A000 for a table that others refer to, which are not truncated with it.
    pub(in crate::engine) async fn truncate(&mut self, statement: &Truncate) -> Result<Response> {
        let alone = self.transaction.is_none() && statement.restart_identity;
        if alone {
            self.begin_alone();
        }
        let done = self.truncate_within(statement).await;
        if alone { self.end_alone(done).await } else { done }
    }

    async fn truncate_within(&mut self, statement: &Truncate) -> Result<Response> {
        let relations = self.truncated(&statement.tables, statement.cascade)?;
        let catalog = self.catalog();
        let mut numbering = Vec::new();
        if statement.restart_identity {
            self.define().await?;
            numbering.extend(
                relations.iter().filter(|r| r.entry.is_none()).flat_map(|relation| catalog.sequences.owned_by(relation.id)).cloned(),
            );
            numbering.iter().try_for_each(|sequence| self.must_own_sequence(sequence))?;
        }
        let mut held = Vec::with_capacity(relations.len());
        for relation in &relations {
            held.push(self.lock_definition(relation.id).await?);
        }
        for relation in &relations {
            self.before_statement(&Happening::truncate(relation)).await?;
        }
        let mut events = Vec::new();
        for relation in &relations {
            events.extend(self.truncating(relation).await?);
        }
        if !events.is_empty() {
            self.append(events).await?;
        }
        for sequence in numbering {
            self.begin_sequence(sequence.as_ref().clone(), None)?;
        }
        relations.iter().for_each(|relation| self.note_statement(&Happening::truncate(relation)));
        if let Some(transaction) = &mut self.transaction {
            relations.iter().filter(|r| r.entry.is_none()).for_each(|relation| transaction.renew(relation.id));
        }
        Ok(Response::Done("TRUNCATE TABLE".into()))
    }

    /// The events by which all rows of a table go, or of the partition by way of which it is named. The caller has locked it.
    pub(in crate::engine) async fn truncating(&mut self, relation: &Arc<Relation>) -> Result<Vec<(LogId, RecordBatch)>> {
        let all = Change {
            with: None,
            table: self.catalog().name_of(relation),
            alias: None,
            assignments: vec![],
            from: vec![],
            selection: None,
            returning: None,
            through: None,
        };
        let rows = self.of_partition(relation, whole(relation)).await?;
        let plan = self.plan_change(relation, Some(rows), &all, &[]).await?;
        let located = Located { plan: &plan, bound: None };
        Ok(self.changed(relation, "TRUNCATE", &all, located, &[], &Parameters::default()).await?.events)
    }

    /// The tables to truncate, in the order of their locks; with `cascade` also those that refer to them.
    fn truncated(&mut self, tables: &[Name], cascade: bool) -> Result<Vec<Arc<Relation>>> {
        let mut relations: Vec<Arc<Relation>> = Vec::with_capacity(tables.len());
        for table in tables {
            self.scope().check_schema(table)?;
            let relation = self.changeable(table, "TRUNCATE")?;
            if !relations.iter().any(|r| r.granted_on() == relation.granted_on()) {
                relations.push(relation);
            }
        }
        let catalog = self.catalog();
        let mut next = 0;
        while let Some(parent) = relations.get(next).cloned() {
            next += 1;
            for (child, _, _) in referring(&catalog, parent.id) {
                if relations.iter().any(|r| r.id == child.id) {
                    continue;
                }
                if !cascade {
                    return Err(is_referred_to(&parent, child));
                }
                let told = format!("truncate cascades to table \"{}\"", child.name);
                self.notice("NOTICE", Error::new(code::SUCCESS, told));
                relations.push(child.clone());
            }
        }
        relations.iter().try_for_each(|relation| self.may(Privileges::TRUNCATE, relation))?;
        relations.sort_by_key(|r| r.id);
        Ok(relations)
    }
}

fn is_referred_to(parent: &Relation, child: &Relation) -> Error {
    Error::unsupported("cannot truncate a table referenced in a foreign key constraint")
        .detail(format!("Table \"{}\" references \"{}\".", child.name, parent.name))
        .hint(format!("Truncate table \"{}\" at the same time, or use TRUNCATE ... CASCADE.", child.name))
}
