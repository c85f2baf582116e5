//! search_path: from the setting to the schemas that it means now, and names in texts that the catalog keeps.
//!
//! The setting is names; a [`Path`] is those of them that exist and that the current role may use, as of one catalog, with temporary tables
//! before all of them unless the setting names `pg_temp` itself: so a function that runs with its owner's rights is safe from what its callers
//! name as its tables (manual, "Writing SECURITY DEFINER Functions Safely"). It is computed whenever names are resolved. What was planned along another path is planned again: the session's
//! own plans are kept with their path ([`super::plan_cache::PlanCache`]), and so is a prepared statement.

use super::privileges::Authority;
use super::session::Session;
use crate::catalog::{Catalog, Name, NamespaceId, PUBLIC_NAMESPACE, Path, SYSTEM_NAMESPACES, Scope, TEMPORARY_NAME, TEMPORARY_NAMESPACE};
use crate::error::{Error, Result};
use crate::serve::system::RELATIONS;
use crate::sql::respell;

/// The path that the names of search_path mean to a role called `user`.
pub(super) fn path_of(catalog: &Catalog, names: &[String], user: &str, authority: &Authority) -> Path {
    let temporary = catalog.relations_in(TEMPORARY_NAMESPACE).next().map(|_| TEMPORARY_NAMESPACE);
    let is_named = names.iter().any(|name| name == TEMPORARY_NAME);
    let mut path: Vec<NamespaceId> = temporary.into_iter().filter(|_| !is_named).collect();
    for name in names {
        let of_user = name == "$user";
        let found = match catalog.find_namespace(if of_user { user } else { name }) {
            _ if name == TEMPORARY_NAME => temporary,
            Some(namespace) => Some(namespace.id).filter(|_| authority.may_use(namespace)),
            None if of_user => None,
            None => SYSTEM_NAMESPACES.iter().find(|s| s.1 == name).map(|s| s.0),
        };
        path.extend(found.filter(|id| !path.contains(id)));
    }
    Path::of(path)
}

impl Session {
    /// The path along which the session looks up names now.
    pub(super) fn path(&self) -> Path {
        self.path_in(&self.catalog())
    }

    /// The same as of a catalog.
    pub(super) fn path_in(&self, catalog: &Catalog) -> Path {
        let user = self.identity.name(&self.authority.roles, self.identity.current);
        path_of(catalog, &self.settings.search_path(), &user, &self.authority)
    }

    /// What names mean to the session now.
    pub(super) fn scope(&self) -> Scope {
        let catalog = self.catalog();
        Scope { path: self.path_in(&catalog), catalog }
    }

    /// A query as the catalog keeps it: with the schema before each name that means something else along [`Path::kept`].
    pub(super) fn kept_query(&self, sql: &str) -> Result<String> {
        let scope = self.scope();
        respell::query(sql, &|name| schema_to_keep(&scope, name), &|name| kept_type(&scope, name))
    }

    /// The same with the schema before each name of relations and sequences: it means the same along any path.
    pub(super) fn whole_query(&self, sql: &str) -> Result<String> {
        let scope = self.scope();
        let schema = |name: &str| {
            let found = scope.look_up(&Name::bare(name), |namespace| has(&scope, namespace, name).then_some(namespace))?;
            Some(scope.namespace_name(found).to_string())
        };
        respell::query(sql, &schema, &|name| kept_type(&scope, name))
    }

    /// An expression as the catalog keeps it. Calls of functions of users are expanded in it.
    pub(super) fn kept_expression(&self, sql: &str) -> Result<String> {
        let (scope, expanded) = (self.scope(), self.expanded_expression(sql)?);
        let sql = expanded.as_deref().unwrap_or(sql);
        respell::expression(sql, &|name| schema_to_keep(&scope, name), &|name| kept_type(&scope, name))
    }

    /// An expression that the catalog keeps, with the schema before each name of relations and sequences: it means the same along any path.
    pub(super) fn whole_expression(&self, kept: &str) -> Result<String> {
        let catalog = self.catalog();
        let schema = |name: &str| has(&catalog, PUBLIC_NAMESPACE, name).then(|| catalog.namespace_name(PUBLIC_NAMESPACE).to_string());
        respell::expression(kept, &schema, &|_| None)
    }
}

/// The error with the schema of the relation that it is about.
pub(super) fn with_schema(catalog: &Catalog, mut error: Error) -> Error {
    let about = &mut error.fields_mut().about;
    if about.table.is_some() {
        about.schema = catalog.by_id(about.relation).map(|r| catalog.namespace_name(r.namespace).to_string());
    }
    error
}

/// True if a namespace has a relation, a sequence or a system relation of that name.
fn has(catalog: &Catalog, namespace: NamespaceId, name: &str) -> bool {
    let system = || {
        let schema = catalog.namespace_name(namespace);
        SYSTEM_NAMESPACES.iter().any(|s| s.0 == namespace) && RELATIONS.iter().any(|r| r.schema == schema && r.name == name)
    };
    catalog.find_in(namespace, name).is_some() || catalog.find_sequence_in(namespace, name).is_some() || system()
}

fn schema_to_keep(scope: &Scope, name: &str) -> Option<String> {
    let found = scope.look_up(&Name::bare(name), |namespace| has(scope, namespace, name).then_some(namespace))?;
    (found != PUBLIC_NAMESPACE).then(|| scope.namespace_name(found).to_string())
}

fn kept_type(scope: &Scope, name: &Name) -> Option<String> {
    scope.find_type(name).map(|ty| format!("\"{}\"", ty.kept_name()))
}
