//! Row level security as it is defined: CREATE, ALTER and DROP POLICY, and what follows when what policies name is changed.
//!
//! A condition is kept as the catalog keeps a query: its names are read along [`Path::kept`](crate::catalog::Path::kept), and functions of users are
//! expanded in it. It may name other relations. What it names follows RENAME and SET SCHEMA; a column that it names is not dropped without
//! CASCADE, which drops the policy. Where a condition means nothing any more the relation cannot be read: that is an error, and never more rows.
//! A subquery resolves its names anew each time, so a relation that it reads gets and loses no column of a name that stands in the condition.
//!
//! How conditions are applied: [`crate::plan::policies`], and [`super::dml`] for rows that are written.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast::{self, Expr, Ident};

use super::dml::parsed_query;
use super::dml::returning::in_memory;
use super::privileges::{denied_text, must_be_owner};
use super::roles::grantee;
use super::session::Session;
use crate::catalog::{Change, Name, PUBLIC, Policy, Privileges, Relation, RelationId, RoleId, Scope, Security};
use crate::error::{Error, Result, code};
use crate::plan::names::Names;
use crate::plan::policies::{holds_hidden_rows, select};
use crate::plan::reads::Read;
use crate::sql::convert::relation_name;
use crate::sql::fold_name;
use crate::sql::parse::check_conditions;
use crate::sql::roles::RoleName;
use crate::sql::statement::{PolicySaid, PolicyStatement, SecurityChange};

impl Session {
    /// Runs CREATE, ALTER or DROP POLICY; answers its tag.
    pub(super) async fn run_policy(&mut self, statement: &PolicyStatement) -> Result<&'static str> {
        self.define().await?;
        match statement {
            PolicyStatement::Create { name, table, restrictive, command, said } => {
                let relation = self.to_secure(table)?;
                if relation.security.policy(name).is_some() {
                    return Err(duplicate(name, &relation));
                }
                let roles = self.roles_of_policy(said.roles.as_deref().unwrap_or(&[RoleName::Public]))?;
                let (id, name, restrictive, command) = (self.engine.new_id(), name.clone(), *restrictive, *command);
                let policy = Policy { id, name, restrictive, command, roles, using: None, check: None };
                let policy = self.with_conditions(&relation, policy, said).await?;
                let mut security = relation.security.clone();
                security.policies.push(policy);
                self.secure(&relation, security)?;
                Ok("CREATE POLICY")
            }
            PolicyStatement::Alter { name, table, said } => {
                let relation = self.to_secure(table)?;
                let mut policy = policy_of(&relation, name)?.clone();
                check_conditions(policy.command, said)?;
                if let Some(roles) = &said.roles {
                    policy.roles = self.roles_of_policy(roles)?;
                }
                let policy = self.with_conditions(&relation, policy, said).await?;
                self.put_policy(&relation, name, policy)?;
                Ok("ALTER POLICY")
            }
            PolicyStatement::Rename { name, table, to } => {
                let relation = self.to_secure(table)?;
                let policy = policy_of(&relation, name)?.clone();
                if relation.security.policy(to).is_some() {
                    return Err(duplicate(to, &relation));
                }
                self.put_policy(&relation, name, Policy { name: to.clone(), ..policy })?;
                Ok("ALTER POLICY")
            }
            PolicyStatement::Drop { name, table, if_exists } => {
                self.drop_policy(name, table, *if_exists)?;
                Ok("DROP POLICY")
            }
        }
    }

    fn drop_policy(&mut self, name: &str, table: &Name, if_exists: bool) -> Result<()> {
        if if_exists && self.scope().find(table).is_none() {
            self.notice("NOTICE", Error::new(code::SUCCESS, format!("relation \"{table}\" does not exist, skipping")));
            return Ok(());
        }
        if self.scope().known(table).is_ok_and(|relation| !self.authority.has_role(relation.owner)) {
            return Err(denied_text(&format!("must be owner of relation {}", table.name)));
        }
        let relation = self.to_secure(table)?;
        if if_exists && relation.security.policy(name).is_none() {
            let text = format!("policy \"{name}\" for relation \"{}\" does not exist, skipping", relation.name);
            self.notice("NOTICE", Error::new(code::SUCCESS, text));
            return Ok(());
        }
        policy_of(&relation, name)?;
        let mut security = relation.security.clone();
        security.policies.retain(|policy| policy.name != name);
        self.secure(&relation, security)
    }

    /// ENABLE, DISABLE, FORCE and NO FORCE ROW LEVEL SECURITY.
    pub(super) fn change_security(&mut self, relation: &Relation, change: SecurityChange) -> Result<()> {
        let mut security = relation.security.clone();
        match change {
            SecurityChange::Enable => security.enabled = true,
            SecurityChange::Disable => security.enabled = false,
            SecurityChange::Force => security.forced = true,
            SecurityChange::NoForce => security.forced = false,
        }
        self.secure(relation, security)
    }

    fn secure(&mut self, relation: &Relation, security: Security) -> Result<()> {
        self.stage(Change::Alter(Relation { security, ..relation.clone() }), vec![])
    }

    fn put_policy(&mut self, relation: &Relation, name: &str, policy: Policy) -> Result<()> {
        let mut security = relation.security.clone();
        security.policies.iter_mut().filter(|old| old.name == name).for_each(|old| *old = policy.clone());
        self.secure(relation, security)
    }

    /// The relation that policies are about. Errors: 42P01, 42809 for a view, 42501, 0A000 for one of ksqlDB's dialect.
    fn to_secure(&self, name: &Name) -> Result<Arc<Relation>> {
        let relation = self.scope().known(name)?.clone();
        if !self.authority.has_role(relation.owner) {
            return Err(must_be_owner(&relation));
        }
        if !relation.has_log() {
            return Err(Error::new(code::WRONG_OBJECT_TYPE, format!("\"{}\" is not a table", relation.name)));
        }
        if relation.ksql.is_some() {
            return Err(Error::unsupported(format!("\"{name}\" was made in ksqlDB's dialect, which knows no row-level security"))
                .hint("GRANT a view that has the rows which a role may see."));
        }
        Ok(relation)
    }

    fn roles_of_policy(&mut self, names: &[RoleName]) -> Result<Vec<RoleId>> {
        let roles = names.iter().map(|name| grantee(self, name)).collect::<Result<BTreeSet<_>>>()?;
        if roles.len() > 1 && roles.contains(&PUBLIC) {
            let warning = Error::new(code::INVALID_PARAMETER_VALUE, "ignoring specified roles other than PUBLIC");
            self.notice("WARNING", warning.hint("All roles are members of the PUBLIC role."));
            return Ok(vec![PUBLIC]);
        }
        Ok(roles.into_iter().collect())
    }

    /// The policy with the conditions that are said. Errors: 42804 for what is none, 42P02, and those of planning.
    async fn with_conditions(&self, relation: &Relation, mut policy: Policy, said: &PolicySaid) -> Result<Policy> {
        if let Some(sql) = &said.using {
            policy.using = Some(self.condition_of_policy(relation, sql).await?);
        }
        if let Some(sql) = &said.check {
            policy.check = Some(self.condition_of_policy(relation, sql).await?);
        }
        Ok(policy)
    }

    async fn condition_of_policy(&self, relation: &Relation, sql: &str) -> Result<String> {
        let kept = self.kept_expression(sql)?;
        let none = in_memory(arrow::array::RecordBatch::new_empty(relation.nullable().schema()))?;
        let names = self.names().within_policies(relation, none);
        let query = parsed_query(&select(relation, "1", &format!("({kept})")))?;
        let planned = self.plan_with(names.clone(), &query, &[]).await.map_err(no_condition);
        let planned = match planned {
            Ok(planned) => planned,
            Err(e) if e.code() == code::DATATYPE_MISMATCH => return Err(self.no_boolean(names, relation, &kept).await?),
            Err(e) => return Err(e),
        };
        match planned.parameters.is_empty() {
            true => self.settled_expression(&kept, &planned.plan),
            false => Err(Error::new(code::UNDEFINED_PARAMETER, "there is no parameter $1")),
        }
    }

    /// The error of an expression that is no condition. Errors: others that it has.
    async fn no_boolean(&self, names: Names, relation: &Relation, sql: &str) -> Result<Error> {
        let query = parsed_query(&select(relation, &format!("({sql})"), "true"))?;
        let told = self.plan_with(names, &query, &[]).await?;
        let ty = told.columns.first().map(|column| &column.ty).ok_or_else(|| Error::internal("an expression has a type"))?;
        Ok(Error::new(code::DATATYPE_MISMATCH, format!("argument of POLICY must be type boolean, not type {ty}")))
    }

    // What cannot have policies applied to it ------------------------------------------------------------------------------------

    /// Errors: 0A000 where policies apply to a COPY that puts rows: INSERT checks each of them.
    pub(super) fn refuse_copy_of_secured(&self, relation: &Relation) -> Result<()> {
        if !self.catalog().secures(relation, self.role()) {
            return Ok(());
        }
        Err(Error::unsupported("COPY FROM not supported with row-level security").hint("Use INSERT statements instead."))
    }

    /// Errors: 0A000 for a materialized view of what its owner may see in part only: its rows would be the same for every reader.
    pub(super) fn refuse_secured_below(&self, reads: &[Read]) -> Result<()> {
        let catalog = self.catalog();
        match reads.iter().find(|read| catalog.secures(&read.relation, read.as_owner.unwrap_or(self.role()))) {
            Some(read) => {
                let message = format!(
                    "a materialized view of \"{}\" is not supported: its row-level security applies to the owner",
                    read.relation.name
                );
                Err(Error::unsupported(message)
                    .hint("Create it as a role to whom no policy applies, such as the table's owner, or create a plain view."))
            }
            None => Ok(()),
        }
    }

    /// Errors: 0A000 where policies apply to what follows a relation's events, or speaks ksqlDB's dialect.
    pub(super) fn refuse_secured(&self, relation: &Relation) -> Result<()> {
        let catalog = self.catalog();
        if let Some(source) = catalog.unsecured_source(relation).filter(|source| catalog.secures(source, self.role())) {
            return Err(holds_hidden_rows(relation, source));
        }
        if !catalog.secures(relation, self.role()) {
            return Ok(());
        }
        let message = format!("row-level security of \"{}\" lets only queries of PostgreSQL's dialect read and write it", relation.name);
        Err(Error::unsupported(message).hint("Query it with SELECT, and change it with INSERT, UPDATE and DELETE."))
    }

    /// Errors: 42501 for the channel of a relation that the role may not read, 0A000 for one that it may read in part only.
    pub(super) fn may_listen(&self, relation: &Relation) -> Result<()> {
        self.may_on(Privileges::SELECT, relation, [])?;
        self.refuse_secured(relation)
    }

    // What policies name ---------------------------------------------------------------------------------------------------------

    /// The security of a relation of which a column gets another name. Errors: 0A000 where a subquery may name it.
    pub(super) fn security_renamed(&self, relation: &Relation, from: &str, to: &str) -> Result<Security> {
        let mut security = relation.security.clone();
        for policy in &mut security.policies {
            let name = policy.name.clone();
            for text in policy.texts_mut().filter(|text| names_column(text, from)) {
                if has_subquery(text) {
                    let message = format!("cannot rename column \"{from}\": policy \"{name}\" may name it in a subquery");
                    return Err(Error::unsupported(message).hint("Drop the policy first, and create it again."));
                }
                *text = rewritten(text, |ident| {
                    if fold_name(ident) == from {
                        *ident = Ident::with_quote('"', to);
                    }
                })?;
            }
        }
        Ok(security)
    }

    /// The security of a relation that loses a column. Errors: 2BP01 for one that policies name, without CASCADE.
    pub(super) fn security_without(&mut self, relation: &Relation, column: &str, cascade: bool) -> Result<Security> {
        let mut security = relation.security.clone();
        let names = |policy: &Policy| policy.texts().any(|text| names_column(text, column));
        let named: Vec<String> = security.policies.iter().filter(|p| names(p)).map(|p| p.name.clone()).collect();
        if !named.is_empty() && !cascade {
            let message = format!("cannot drop column {column} of table {} because other objects depend on it", relation.name);
            let depends = |policy: &String| format!("policy {policy} on table {0} depends on column {column} of table {0}", relation.name);
            return Err(Error::new(code::DEPENDENT_OBJECTS_STILL_EXIST, message)
                .detail(named.iter().map(depends).collect::<Vec<_>>().join("\n"))
                .hint("Use DROP ... CASCADE to drop the dependent objects too."));
        }
        self.tell_cascade(&named.iter().map(|p| format!("drop cascades to policy {p} on table {}", relation.name)).collect::<Vec<_>>());
        security.policies.retain(|policy| !named.contains(&policy.name));
        Ok(security)
    }

    /// Errors: 0A000 for a name that a column gets or loses where a policy that reads the relation in a subquery may mean something by it: it
    /// could mean a column of another relation then, and let other rows through.
    pub(super) fn refuse_naming_in_policies(&self, relation: &Relation, column: &str) -> Result<()> {
        let catalog = self.catalog();
        let scope = Scope::kept(catalog.clone());
        let reads = |text: &str| relations_named(&scope, text).iter().any(|named| named.id == relation.id);
        let may_mean = |policy: &Policy| policy.texts().any(|text| names_column(text, column) && reads(text));
        // Of a column that it has itself, what becomes of its own policies is settled elsewhere.
        let has_it = relation.columns.iter().any(|c| c.name == column);
        let mut others = catalog.policies().filter(|(secured, _)| !has_it || secured.id != relation.id);
        let Some((secured, policy)) = others.find(|(_, policy)| may_mean(policy)) else { return Ok(()) };
        let (name, of) = (&policy.name, &secured.name);
        let message =
            format!("policy \"{name}\" for table \"{of}\" reads \"{}\", and would mean something else by \"{column}\"", relation.name);
        Err(Error::unsupported(message).hint("Drop the policy first, and create it again."))
    }

    /// Errors: 0A000 for a column that policies name.
    pub(super) fn refuse_retyping_secured(&self, relation: &Relation, column: &str) -> Result<()> {
        let named = relation.security.policies.iter().find(|policy| policy.texts().any(|text| names_column(text, column)));
        named.map_or(Ok(()), |policy| {
            Err(Error::unsupported("cannot alter type of a column used in a policy definition")
                .detail(format!("policy {} on table {} depends on column \"{column}\"", policy.name, relation.name)))
        })
    }

    /// Takes away the policies of relations that stay which name some that go. Errors: 2BP01 without `cascade`.
    pub(super) fn drop_policies_naming(&mut self, gone: &BTreeSet<RelationId>, cascade: bool) -> Result<()> {
        let catalog = self.catalog();
        let scope = Scope::kept(catalog.clone());
        let mut told = Vec::new();
        let mut secured = Vec::new();
        for relation in catalog.relations().filter(|r| !r.security.policies.is_empty() && !gone.contains(&r.id)) {
            let names = |policy: &&Policy| policy.texts().any(|text| relations_named(&scope, text).iter().any(|r| gone.contains(&r.id)));
            let named: Vec<&Policy> = relation.security.policies.iter().filter(names).collect();
            if let (Some(policy), false) = (named.first(), cascade) {
                let first = policy.texts().flat_map(|text| relations_named(&scope, text)).find(|r| gone.contains(&r.id));
                let dropped = first.map_or(String::new(), |r| format!("{} {}", r.kind.word(), r.name));
                let message = format!("cannot drop {dropped} because other objects depend on it");
                return Err(Error::new(code::DEPENDENT_OBJECTS_STILL_EXIST, message)
                    .detail(format!("policy {} on table {} depends on {dropped}", policy.name, relation.name))
                    .hint("Use DROP ... CASCADE to drop the dependent objects too."));
            }
            told.extend(named.iter().map(|policy| format!("drop cascades to policy {} on table {}", policy.name, relation.name)));
            if !named.is_empty() {
                let mut security = relation.security.clone();
                security.policies.retain(|policy| !names(&policy));
                secured.push((relation.clone(), security));
            }
        }
        self.tell_cascade(&told);
        secured.into_iter().try_for_each(|(relation, security)| self.secure(&relation, security))
    }

    /// Takes roles out of policies, and those policies away that were for nobody else.
    pub(super) fn take_from_policies(&mut self, gone: &BTreeSet<RoleId>) -> Result<()> {
        let catalog = self.catalog();
        let is_for = |relation: &&Arc<Relation>| relation.security.policies.iter().flat_map(|p| &p.roles).any(|role| gone.contains(role));
        for relation in catalog.relations().filter(is_for) {
            let mut security = relation.security.clone();
            security.policies.iter_mut().for_each(|policy| policy.roles.retain(|role| !gone.contains(role)));
            security.policies.retain(|policy| !policy.roles.is_empty());
            self.secure(relation, security)?;
        }
        Ok(())
    }
}

/// The error of a condition that is none of one row.
fn no_condition(e: Error) -> Error {
    let what = match e.code() {
        of if of == code::GROUPING_ERROR => "aggregate",
        of if of == code::WINDOWING_ERROR => "window",
        _ => return e,
    };
    Error::new(e.code(), format!("{what} functions are not allowed in policy expressions"))
}

/// The policy of that name. Errors: 42704.
pub(super) fn policy_of<'a>(relation: &'a Relation, name: &str) -> Result<&'a Policy> {
    let missing = || Error::new(code::UNDEFINED_OBJECT, format!("policy \"{name}\" for table \"{}\" does not exist", relation.name));
    relation.security.policy(name).ok_or_else(missing)
}

fn duplicate(name: &str, relation: &Relation) -> Error {
    Error::new(code::DUPLICATE_OBJECT, format!("policy \"{name}\" for table \"{}\" already exists", relation.name))
}

/// The relations that a kept condition names.
fn relations_named(scope: &Scope, sql: &str) -> Vec<Arc<Relation>> {
    let mut named = Vec::new();
    if let Ok(query) = parsed_query(&format!("SELECT {sql}")) {
        let _ = ast::visit_relations(query.as_ref(), |name| {
            named.extend(relation_name(name).ok().and_then(|name| scope.find(&name).cloned()));
            ControlFlow::<()>::Continue(())
        });
    }
    named
}

/// True if a condition may name a column.
fn names_column(sql: &str, column: &str) -> bool {
    let Ok(query) = parsed_query(&format!("SELECT {sql}")) else { return true };
    let named = |e: &Expr| match e {
        Expr::Identifier(ident) => fold_name(ident) == column,
        Expr::CompoundIdentifier(parts) => parts.last().is_some_and(|ident| fold_name(ident) == column),
        _ => false,
    };
    ast::visit_expressions(query.as_ref(), |e| if named(e) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }).is_break()
}

fn has_subquery(sql: &str) -> bool {
    let Ok(query) = parsed_query(&format!("SELECT {sql}")) else { return true };
    let reads = |e: &Expr| matches!(e, Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. });
    ast::visit_expressions(query.as_ref(), |e| if reads(e) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }).is_break()
}

/// A condition with other names for columns.
fn rewritten(sql: &str, rename: impl Fn(&mut Ident)) -> Result<String> {
    let mut query = parsed_query(&format!("SELECT {sql}"))?;
    let _ = ast::visit_expressions_mut(query.as_mut(), |e| {
        match e {
            Expr::Identifier(ident) => rename(ident),
            Expr::CompoundIdentifier(parts) => parts.last_mut().into_iter().for_each(&rename),
            _ => {}
        }
        ControlFlow::<()>::Continue(())
    });
    Ok(query.to_string().trim_start_matches("SELECT ").to_string())
}
