//! What statements of ksqlDB's dialect may do: asked once, before they run.
//!
//! They know no users, so the rules are those of PostgreSQL's counterparts: a query needs SELECT on the columns that it names, INSERT and
//! DELETE are what they are called, CREATE needs CREATE on the schema, and ALTER, DROP, TERMINATE and their kin the relation's owner. What PRINT and
//! TERMINATE name, and whose topic a new relation is to share, is found where they run, and asked about there.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::catalog::{PUBLIC_NAMESPACE, Privileges, Relation, plain_name};
use crate::engine::session::Session;
use crate::error::Result;
use crate::plan::ksql::expr::columns_of;
use crate::sql::ksql::ast::{Assert, Explained, Item, Place, Query, Source, Statement};

impl Session {
    /// Errors: 42501. Relations that do not exist are the statement's own error.
    pub(super) fn may_ksql(&self, statement: &Statement) -> Result<()> {
        if self.authority.superuser {
            return Ok(());
        }
        match statement {
            Statement::Create(create) => {
                self.may_create_in(PUBLIC_NAMESPACE)?;
                if create.or_replace {
                    self.must_own_public(&plain_name(&create.name))?;
                }
                create.query.as_ref().map_or(Ok(()), |query| self.may_query(query))
            }
            Statement::InsertSelect { name, query, .. } => {
                self.may_create_in(PUBLIC_NAMESPACE)?;
                self.may_do(Privileges::INSERT, name)?;
                self.may_query(query)
            }
            Statement::InsertValues { name, columns, .. } => self.may_append(name, columns),
            Statement::Delete { name, .. } => self.may_do(Privileges::DELETE, name),
            Statement::Alter { name, .. } | Statement::Drop { name, .. } => self.must_own_public(&plain_name(name)),
            Statement::CreateType { .. } | Statement::DropType { .. } => self.may_create_in(PUBLIC_NAMESPACE),
            Statement::Query(query) => self.may_query(query),
            Statement::Explain(Explained::Statement(statement)) => self.may_ksql(statement),
            Statement::Assert(Assert::Values { name, .. }) => self.may_do(Privileges::SELECT, name),
            Statement::Assert(_)
            | Statement::Explain(Explained::Query(_))
            | Statement::Control { .. }
            | Statement::Show { .. }
            | Statement::Describe { .. }
            | Statement::DescribeAll { .. }
            | Statement::DescribeFunction(_)
            | Statement::Print { .. }
            | Statement::Set { .. }
            | Statement::Unset { .. }
            | Statement::Define { .. }
            | Statement::Undefine { .. }
            | Statement::RunScript { .. }
            | Statement::Refused { .. } => Ok(()),
        }
    }

    /// Errors: 42501 unless values may be put into these columns, which are all if none is named.
    fn may_append(&self, name: &str, columns: &[(String, Place)]) -> Result<()> {
        let catalog = self.catalog();
        let Some(relation) = catalog.find_public(&plain_name(name)) else { return Ok(()) };
        let place = |name: &str| relation.columns.iter().position(|column| column.name == plain_name(name));
        let named = columns.iter().map(|(name, _)| place(name).unwrap_or(relation.columns.len()));
        let all = (0..relation.columns.len()).filter(|_| columns.is_empty());
        self.may_on(Privileges::INSERT, relation, named.chain(all))?;
        self.refuse_secured(relation)
    }

    fn may_do(&self, privilege: Privileges, name: &str) -> Result<()> {
        self.catalog().find_public(&plain_name(name)).map_or(Ok(()), |relation| {
            self.may(privilege, relation)?;
            self.refuse_secured(relation)
        })
    }

    /// Errors: 42501 unless the current role owns a relation whose topic another one is to share: that would have its events, and give it others.
    pub(super) fn may_share_topic(&self, relation: &Relation, topic: &str) -> Result<()> {
        let elsewhere = || format!("The events of topic \"{topic}\" are its own. Give the new relation another topic.");
        self.must_own(relation).map_err(|e| e.hint(elsewhere()))?;
        self.refuse_secured(relation)
    }

    /// Errors: 42501 unless the columns that the query names of its sources may be read.
    fn may_query(&self, query: &Query) -> Result<()> {
        let catalog = self.catalog();
        let sources = std::iter::once(&query.from).chain(query.joins.iter().map(|join| &join.source));
        let found = |source: &Source| Some((source.called().to_string(), catalog.find_public(&plain_name(&source.name))?.clone()));
        let sources: Vec<(String, Arc<Relation>)> = sources.filter_map(found).collect();
        let named = named(query);
        sources.iter().try_for_each(|(called, relation)| {
            self.may_on(Privileges::SELECT, relation, read(relation, called, &sources, &named))?;
            self.refuse_secured(relation)
        })
    }
}

/// A column as a query names it: the source if that is said, and the name, or none for `*`.
type Named = (Option<String>, Option<String>);

/// The columns that a query names.
fn named(query: &Query) -> Vec<Named> {
    let all = query.items.iter().filter_map(|item| if let Item::All { source, .. } = item { Some((source.clone(), None)) } else { None });
    let items = query.items.iter().filter_map(|item| match item {
        Item::All { .. } => None,
        Item::Fields(expr) | Item::Expr { expr, .. } => Some(expr),
    });
    let by = query.group_by.iter().chain(&query.partition_by).flatten();
    let conditions = query.condition.iter().chain(&query.having).chain(query.joins.iter().map(|join| &join.on));
    let exprs = items.chain(by).chain(conditions);
    all.chain(exprs.flat_map(columns_of).map(|(source, name)| (source, Some(name)))).collect()
}

/// The columns that are read of one of the sources. What is no column of any, such as ROWTIME, is of the log: a number past the columns.
fn read(relation: &Relation, called: &str, sources: &[(String, Arc<Relation>)], named: &[Named]) -> BTreeSet<usize> {
    let place = |relation: &Relation, name: &str| relation.columns.iter().position(|column| column.name == plain_name(name));
    let width = relation.columns.len();
    let mut columns = BTreeSet::new();
    for (source, name) in named.iter().filter(|(source, _)| source.as_ref().is_none_or(|source| source == called)) {
        match name.as_ref().map(|name| (name, place(relation, name))) {
            None => columns.extend(0..width),
            Some((_, Some(at))) => drop(columns.insert(at)),
            Some((name, None)) => {
                let elsewhere = source.is_none() && sources.iter().any(|(_, other)| place(other, name).is_some());
                columns.extend((!elsewhere).then_some(width));
            }
        }
    }
    columns
}
