//! What a statement that writes may: the privilege to do so on the columns that it writes, and SELECT on those that it looks at, in a
//! condition, a value or RETURNING.
//!
//! Whoever holds SELECT on the whole table, and on all else that is named, is let through without a closer look. For others the statement's
//! expressions are planned as a query of the table, which reads just what they name.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast::{self, Expr, SelectItem};

use super::change::{ChangePlan, alias_of, named_items, select_of};
use super::columns::target_columns;
use super::values::is_default;
use super::{parsed_query, quoted};
use crate::catalog::{Privileges, Relation, RelationKind};
use crate::data::PgType;
use crate::engine::query::Planned;
use crate::engine::rename::whole_name;
use crate::engine::session::Session;
use crate::error::{Error, Result};
use crate::plan::inline::queries_in;
use crate::plan::reads::Read;
use crate::sql::statement::{Change, Conflict, ConflictTarget, Merge, MergeAction};
use crate::sql::{Statement, placeholder};

/// Types of parameters as far as they are declared.
type Types<'a> = &'a [Option<PgType>];

impl Session {
    /// Errors: 42501 unless the current role may make a change of that name.
    pub(super) async fn may_change(
        &self,
        what: &str,
        relation: &Relation,
        change: &Change,
        plan: &ChangePlan,
        types: Types<'_>,
    ) -> Result<()> {
        if let Some(through) = &change.through {
            let privilege = if what == "DELETE" { Privileges::DELETE } else { Privileges::UPDATE };
            return self.may_change_through(privilege, change, through, plan, types).await;
        }
        if self.authority.superuser {
            return Ok(());
        }
        match what {
            "DELETE" => self.may(Privileges::DELETE, relation)?,
            "TRUNCATE" => self.may(Privileges::TRUNCATE, relation)?,
            _ => self.may_on(Privileges::UPDATE, relation, assigned(relation, &change.assignments)?)?,
        }
        self.may_use_defaults(relation, defaulted(relation, &change.assignments)?).await?;
        let sees_all = !looks(change) || self.authority.may(Privileges::SELECT, relation);
        if relation.kind != RelationKind::View && sees_all && self.may_read(&plan.planned.reads).is_ok() {
            return Ok(());
        }
        let named = relation.kind != RelationKind::View && plan.planned.reads.iter().any(|read| read.relation.id == relation.id);
        self.may_read_for(relation, change, plan, types, named).await
    }

    /// Errors: 42501 unless the current role may read what a change of a table or view reads, the relation itself where something in it is named,
    /// or it is `named` otherwise.
    pub(super) async fn may_read_for(
        &self,
        relation: &Relation,
        change: &Change,
        plan: &ChangePlan,
        types: Types<'_>,
        named: bool,
    ) -> Result<()> {
        if let Some(known) = plan.reads.get() {
            return self.may_read(known);
        }
        let mut reads = self.reads_of_change(relation, change, types).await?;
        reads.retain(|read| read.relation.id != relation.id || !read.columns.is_empty() || named);
        self.may_read(plan.reads.get_or_init(|| reads))
    }

    /// What a change reads, of its table too.
    async fn reads_of_change(&self, relation: &Relation, change: &Change, types: Types<'_>) -> Result<Vec<Read>> {
        let mut items = values(&change.assignments);
        items.extend(change.returning.iter().flatten().cloned());
        let mut query = self.query_of(relation, alias_of(change), items)?;
        query.with = change.with.clone();
        let select = select_of(&mut query)?;
        select.from.extend(change.from.iter().cloned());
        // Where a cursor stands it has read already.
        select.selection = change.selection.clone().filter(|_| change.cursor().is_none());
        Ok(self.plan_query(&query, types).await?.reads)
    }

    /// Errors: 42501 unless the current role may do all that a MERGE may do, whether there are rows for it or not.
    pub(super) async fn may_merge(&self, relation: &Relation, merge: &Merge, planned: &Planned, types: Types<'_>) -> Result<()> {
        if self.authority.superuser {
            return Ok(());
        }
        for when in &merge.whens {
            match &when.then {
                MergeAction::Nothing => {}
                MergeAction::Delete => self.may(Privileges::DELETE, relation)?,
                MergeAction::Update(assignments) => {
                    self.may_on(Privileges::UPDATE, relation, assigned(relation, assignments)?)?;
                    self.may_use_defaults(relation, defaulted(relation, assignments)?).await?;
                }
                MergeAction::Insert { columns, values } => {
                    let targets = target_columns(relation, columns)?;
                    self.may_on(Privileges::INSERT, relation, targets.iter().copied().take(values.len()))?;
                    let given: BTreeSet<usize> =
                        targets.into_iter().zip(values).filter(|(_, value)| !is_default(value)).map(|(at, _)| at).collect();
                    let others = (0..relation.columns.len()).filter(|at| !given.contains(at)).collect();
                    self.may_use_defaults(relation, others).await?;
                }
            }
        }
        if self.authority.may(Privileges::SELECT, relation) && self.may_read(&planned.reads).is_ok() {
            return Ok(());
        }
        let named = merge.whens.iter().flat_map(|when| when.then.values().into_iter().chain(&when.condition));
        let computed: Vec<Expr> = named.filter(|value| !is_default(value) && placeholder(value).is_none()).cloned().collect();
        let mut query = self.query_of(relation, merge.alias(), named_items(computed))?;
        query.with = merge.with.clone();
        let select = select_of(&mut query)?;
        select.from.push(merge.source.clone());
        select.selection = Some(merge.on.clone());
        let mut reads = self.plan_query(&query, types).await?.reads;
        // The table itself is not read if nothing in it is named.
        let named = |id| planned.reads.iter().any(|read| read.relation.id == id);
        reads.retain(|read| read.relation.id != relation.id || !read.columns.is_empty() || named(relation.id));
        self.may_read(&reads)
    }

    /// Errors: 42501 unless the current role may read what the defaults of these columns read.
    pub(super) async fn may_use_defaults(&self, relation: &Relation, columns: Vec<usize>) -> Result<()> {
        for at in columns {
            let default = self.default_expression(relation, &relation.columns[at])?;
            if queries_in(&default) > 0 {
                let query = parsed_query(&format!("SELECT {default}"))?;
                self.may_read(&self.plan_query(&query, &[]).await?.reads)?;
            }
        }
        Ok(())
    }

    /// Errors: 42501 unless the current role may run the INSERT. What its query reads is asked about where that runs.
    pub(in crate::engine) async fn may_insert(&self, relation: &Arc<Relation>, statement: &Statement, types: Types<'_>) -> Result<()> {
        let Statement::Insert { table, alias, columns, source, conflict, returning, through, .. } = statement else {
            return Err(Error::internal("not an INSERT"));
        };
        if let Some(through) = through {
            return self.may_insert_through(statement, through, types).await;
        }
        if self.authority.superuser {
            return Ok(());
        }
        let targets = target_columns(relation, columns)?;
        self.may_on(Privileges::INSERT, relation, targets.into_iter().take(width(source)))?;
        if let Some(update) = conflict.as_ref().and_then(|conflict| conflict.update.as_ref()) {
            self.may_on(Privileges::UPDATE, relation, assigned(relation, &update.assignments)?)?;
        }
        if self.authority.may(Privileges::SELECT, relation) {
            return Ok(());
        }
        let alias = alias.as_ref().unwrap_or(&table.name);
        let mut columns = BTreeSet::new();
        if let Some(conflict) = conflict {
            columns.extend(self.columns_of_conflict(relation, alias, conflict, types).await?);
        }
        if let Some(items) = returning {
            let mut query = self.query_of(relation, alias, items.clone())?;
            query.with = source.with.clone();
            columns.extend(self.columns_read(relation, &query, types).await?);
        }
        if columns.is_empty() { Ok(()) } else { self.may_on(Privileges::SELECT, relation, columns) }
    }

    /// The columns that ON CONFLICT looks at: those by which rows conflict, and those that DO UPDATE names.
    async fn columns_of_conflict(
        &self,
        relation: &Arc<Relation>,
        alias: &str,
        conflict: &Conflict,
        types: Types<'_>,
    ) -> Result<BTreeSet<usize>> {
        let mut columns = BTreeSet::new();
        match &conflict.target {
            None => {}
            Some(ConflictTarget::Constraint(_)) => {
                self.arbiters(relation, conflict).await?.iter().for_each(|of| columns.extend(&of.columns));
            }
            Some(ConflictTarget::Keys { columns: names, expressions, predicate }) => {
                for name in names {
                    columns.insert(relation.column(name)?);
                }
                let texts = expressions.iter().chain(predicate).map(|text| format!("({text})")).collect::<Vec<_>>();
                if !texts.is_empty() {
                    let from = whole_name(&self.catalog(), relation);
                    let query = parsed_query(&format!("SELECT {} FROM {from}", texts.join(", ")))?;
                    columns.extend(self.columns_read(relation, &query, types).await?);
                }
            }
        }
        if let Some(update) = &conflict.update {
            // What is named of the row proposed counts too.
            let mut query = self.query_of(relation, alias, values(&update.assignments))?;
            let mut excluded = self.query_of(relation, "excluded", vec![])?;
            let select = select_of(&mut query)?;
            select.from.append(&mut select_of(&mut excluded)?.from);
            select.selection = update.selection.clone();
            columns.extend(self.columns_read(relation, &query, types).await?);
        }
        Ok(columns)
    }

    /// The columns of a relation that a query names with the session's rights.
    async fn columns_read(&self, relation: &Relation, query: &ast::Query, types: Types<'_>) -> Result<BTreeSet<usize>> {
        let reads = self.plan_query(query, types).await?.reads;
        let own = reads.into_iter().find(|read| read.relation.id == relation.granted_on() && read.as_owner.is_none());
        Ok(own.map(|read| read.columns).unwrap_or_default())
    }

    /// A query of a relation.
    pub(super) fn query_of(&self, relation: &Relation, alias: &str, items: Vec<SelectItem>) -> Result<Box<ast::Query>> {
        let mut query = parsed_query(&format!("SELECT 1 FROM {} AS {}", whole_name(&self.catalog(), relation), quoted(alias)))?;
        if !items.is_empty() {
            select_of(&mut query)?.projection = items;
        }
        Ok(query)
    }
}

/// The columns that assignments are to. Errors: 42703.
pub(super) fn assigned(relation: &Relation, assignments: &[(String, Expr)]) -> Result<Vec<usize>> {
    assignments.iter().map(|(name, _)| relation.column(name)).collect()
}

/// The columns that are set to their defaults. Errors: 42703.
pub(super) fn defaulted(relation: &Relation, assignments: &[(String, Expr)]) -> Result<Vec<usize>> {
    assignments.iter().filter(|(_, value)| is_default(value)).map(|(name, _)| relation.column(name)).collect()
}

/// The values assigned that may name a column.
fn values(assignments: &[(String, Expr)]) -> Vec<SelectItem> {
    let computed = assignments.iter().map(|(_, value)| value).filter(|value| !is_default(value) && placeholder(value).is_none());
    named_items(computed.cloned().collect())
}

/// The number of columns that a source gives, as far as that is seen: of as many fewer than there are as VALUES says.
fn width(source: &ast::Query) -> usize {
    match source.body.as_ref() {
        ast::SetExpr::Values(values) => values.rows.first().map_or(0, |row| row.content.len()),
        _ => usize::MAX,
    }
}

/// True if a change looks at rows, and does not change them as they come.
pub(super) fn looks(change: &Change) -> bool {
    change.selection.is_some()
        || change.returning.is_some()
        || !change.from.is_empty()
        || change.assignments.iter().any(|(_, value)| names_columns(value))
}

/// True if an expression names a column.
fn names_columns(value: &Expr) -> bool {
    let named = |e: &Expr| matches!(e, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) && !is_default(e);
    ast::visit_expressions(value, |e| if named(e) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }).is_break()
}
