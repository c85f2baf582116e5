//! Domains: types whose values are those of another that satisfy conditions (manual, chapter 8.18).
//!
//! A column of a domain is one of the type beneath, which names the domain. What the domain says of it is checked as the constraints of
//! its table are, when a statement has gathered its rows ([`super::constraints`]). A cast to a domain is one to the type beneath, around
//! which the conditions are put where the text is rewritten.

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::dml::{parsed_query, quoted};
use super::rename::whole_name;
use super::session::Session;
use crate::catalog::{Catalog, Change, Column, Domain, DomainCheck, Name, Relation, TypeKind, UserType};
use crate::error::{Error, Result, code};
use crate::sql::statement::{DomainChange, NamedType, NewRule, What};
use crate::sql::value_as;

impl Session {
    /// CREATE DOMAIN; `column` is what its definition would make of a column. Errors: 42710, 42704, 3F000, 42501, and those of its parts.
    pub(super) async fn create_domain(&mut self, name: &Name, column: &Column, named: Option<&NamedType>, rules: &[NewRule]) -> Result<()> {
        let catalog = self.define().await?;
        let namespace = self.scope().place_of(name)?.id;
        self.may_create_in(namespace)?;
        super::types::check_free(&catalog, namespace, &name.name)?;
        let mut column = column.clone();
        if let Some(named) = named {
            self.settle_types(std::slice::from_mut(&mut column), &[(0, named.clone())])?;
        }
        if column.domain.is_some() {
            return Err(Error::unsupported("a domain over a domain is not supported").hint("Repeat the conditions of that."));
        }
        self.keep_default(&mut column).await?;
        let mut domain = Domain { base: column.ty.clone(), not_null: !column.nullable, default: column.default.clone(), checks: vec![] };
        for rule in rules {
            self.add_condition(&name.name, &mut domain, rule).await?;
        }
        let (id, owner) = (self.engine.new_id(), self.role());
        let what = TypeKind::Domain(domain);
        self.stage(Change::PutUserType(UserType { id, name: name.name.clone(), namespace, owner, what, comment: None }), vec![])
    }

    /// Adds a condition that is asked for. Errors: 42710 for a name that another has, and those of the condition.
    async fn add_condition(&self, name: &str, domain: &mut Domain, rule: &NewRule) -> Result<()> {
        let What::Check { sql, .. } = &rule.what else {
            return Err(Error::syntax("a domain takes NOT NULL and CHECK constraints"));
        };
        let is_taken = |name: &str| domain.checks.iter().any(|c| c.name == name);
        let name = match &rule.name {
            Some(given) if is_taken(given) => return Err(taken(given, name)),
            Some(given) => given.clone(),
            None => super::constraints::free_name(&format!("{name}_check"), &is_taken),
        };
        let condition = value_as(sql, &format!("NULL::{}", domain.base.in_sql()))?;
        let planned = self.plan_query(parsed_query(&format!("SELECT 1 WHERE {condition}"))?.as_ref(), &[]).await?;
        if !planned.relations.is_empty() {
            return Err(Error::unsupported("cannot use subquery in check constraint"));
        }
        let sql = self.settled_expression(&self.kept_expression(sql)?, &planned.plan)?;
        domain.checks.push(DomainCheck { id: self.engine.new_id(), name, sql });
        Ok(())
    }

    /// ALTER DOMAIN. Errors: 42704, 42809, 42501, and those of rows that break what is added.
    pub(super) async fn alter_domain(&mut self, name: &Name, change: &DomainChange) -> Result<()> {
        self.define().await?;
        let ty = self.scope().get_type(name)?.as_ref().clone();
        self.must_own_type(&ty)?;
        super::types::check_kind(name, &ty, true)?;
        let TypeKind::Domain(mut domain) = ty.what.clone() else { return Err(Error::internal("a domain is one")) };
        match change {
            DomainChange::SetNotNull(not_null) => domain.not_null = *not_null,
            DomainChange::SetDefault(default) => {
                let mut column = Column { default: default.clone(), ..Column::new(ty.name.clone(), domain.base.clone()) };
                self.keep_default(&mut column).await?;
                domain.default = column.default;
            }
            DomainChange::AddCheck(rule) => self.add_condition(&ty.name, &mut domain, rule).await?,
            DomainChange::DropCheck { name: check, if_exists } => match condition(&domain, &ty, check) {
                Err(missing) if *if_exists => {
                    self.notice("NOTICE", Error::new(code::SUCCESS, format!("{}, skipping", missing.message())));
                    return Ok(());
                }
                at => drop(domain.checks.remove(at?)),
            },
            DomainChange::RenameCheck { name: check, to } => {
                let at = condition(&domain, &ty, check)?;
                if domain.checks.iter().any(|c| c.name == *to) {
                    return Err(taken(to, &ty.name));
                }
                domain.checks[at].name = to.clone();
            }
            DomainChange::ValidateCheck(check) => return condition(&domain, &ty, check).map(drop),
        }
        let changed = UserType { what: TypeKind::Domain(domain), ..ty };
        let (catalog, tightens) = (self.catalog(), matches!(change, DomainChange::SetNotNull(true) | DomainChange::AddCheck(_)));
        for (relation, column) in catalog.columns_of_type(changed.id).filter(|_| tightens) {
            if self.broken(relation, column, &changed, None).await?.is_some() {
                let (code, what) = match change {
                    DomainChange::SetNotNull(_) => (code::NOT_NULL_VIOLATION, "null values"),
                    _ => (code::CHECK_VIOLATION, "values that violate the new constraint"),
                };
                let message = format!("column \"{}\" of table \"{}\" contains {what}", column.name, relation.name);
                return Err(Error::new(code, message));
            }
        }
        self.stage(Change::PutUserType(changed), vec![])
    }

    /// Errors: 23502, 23514 for values that a column has which are none of its domain.
    pub(super) async fn check_domain_of(&self, relation: &Arc<Relation>, column: &Column) -> Result<()> {
        let catalog = self.catalog();
        let Some(domain) = column.domain.and_then(|id| catalog.user_type(id)) else { return Ok(()) };
        self.broken(relation, column, domain, None).await?.map_or(Ok(()), Err)
    }

    /// Errors: 23502, 23514 for values of the rows that are none of a column's domain.
    pub(super) async fn check_domains(&self, catalog: &Catalog, relation: &Arc<Relation>, rows: &RecordBatch) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        for column in &relation.columns {
            if let Some(domain) = column.domain.and_then(|id| catalog.user_type(id))
                && let Some(error) = self.broken(relation, column, domain, Some(rows)).await?
            {
                return Err(error);
            }
        }
        Ok(())
    }

    /// What values of a column break of what a domain says: of the rows, if they are given, else of all that are there.
    async fn broken(&self, relation: &Arc<Relation>, column: &Column, ty: &UserType, rows: Option<&RecordBatch>) -> Result<Option<Error>> {
        let TypeKind::Domain(domain) = &ty.what else { return Ok(None) };
        let name = quoted(&column.name);
        let breaks = async |condition: &str| {
            if let Some(rows) = rows {
                return Ok::<_, Error>(self.first_where(relation, condition, rows).await?.is_some());
            }
            let from = whole_name(&self.catalog(), relation);
            let query = parsed_query(&format!("SELECT * FROM {from} WHERE {condition} LIMIT 1"))?;
            Ok(self.first_of(relation, &query, None).await?.is_some())
        };
        if domain.not_null && breaks(&format!("{name} IS NULL")).await? {
            return Ok(Some(Error::new(code::NOT_NULL_VIOLATION, format!("domain {} does not allow null values", ty.name))));
        }
        for check in &domain.checks {
            if breaks(&format!("NOT ({})", value_as(&check.sql, &name)?)).await? {
                let message = format!("value for domain {} violates check constraint \"{}\"", ty.name, check.name);
                return Ok(Some(Error::new(code::CHECK_VIOLATION, message)));
            }
        }
        Ok(None)
    }
}

/// Which of the domain's conditions has that name. Errors: 42704.
fn condition(domain: &Domain, ty: &UserType, name: &str) -> Result<usize> {
    let missing = || Error::new(code::UNDEFINED_OBJECT, format!("constraint \"{name}\" of domain \"{}\" does not exist", ty.name));
    domain.checks.iter().position(|check| check.name == name).ok_or_else(missing)
}

fn taken(constraint: &str, domain: &str) -> Error {
    Error::new(code::DUPLICATE_OBJECT, format!("constraint \"{constraint}\" for domain \"{domain}\" already exists"))
}
