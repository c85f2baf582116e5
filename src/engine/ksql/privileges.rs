//! What statements of ksqlDB's dialect may do: asked once, before they run.
//!
//! They know no users, so the rules are those of PostgreSQL's counterparts: a query needs SELECT on what it names, INSERT and DELETE are
//! what they are called, CREATE needs CREATE on the schema, and ALTER, DROP, TERMINATE and their kin the relation's owner. What PRINT and
//! TERMINATE name is found where they run, and asked about there.

use crate::catalog::{PUBLIC_NAMESPACE, Privileges, plain_name};
use crate::engine::session::Session;
use crate::error::Result;
use crate::sql::ksql::ast::{Assert, Explained, Query, Statement};

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
            Statement::InsertValues { name, .. } => self.may_do(Privileges::INSERT, name),
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

    fn may_do(&self, privilege: Privileges, name: &str) -> Result<()> {
        self.catalog().find_public(&plain_name(name)).map_or(Ok(()), |relation| self.may(privilege, relation))
    }

    fn may_query(&self, query: &Query) -> Result<()> {
        let mut names = std::iter::once(&query.from).chain(query.joins.iter().map(|join| &join.source));
        names.try_for_each(|source| self.may_do(Privileges::SELECT, &source.name))
    }
}
