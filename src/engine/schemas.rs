//! CREATE, ALTER and DROP SCHEMA: definitions like any other, in the transaction that is open.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::dml::quoted;
use super::privileges::denied_text;
use super::session::{Parameters, Session};
use crate::catalog::{
    Catalog, Change, Name, Namespace, NamespaceId, Object, PUBLIC_NAMESPACE, Privileges, RelationId, RoleId, SYSTEM_NAMESPACES, UserType,
    told,
};
use crate::error::{Error, Result, code};
use crate::sql::Statement;
use crate::sql::roles::RoleName;
use crate::sql::statement::SchemaChange;

impl Session {
    /// CREATE SCHEMA; the schema's name. Errors: 42P06, 42939, 42501.
    pub(super) async fn create_schema(&mut self, name: Option<&str>, owner: Option<&RoleName>, if_not_exists: bool) -> Result<String> {
        let catalog = self.define().await?;
        let owner = owner.map_or(Ok(self.role()), |owner| self.role_id(owner))?;
        let name = name.map_or_else(|| self.authority.roles.name(owner), String::from);
        self.may_create_schemas()?;
        self.may_stand_in_for(owner)?;
        check_new_name(&name)?;
        if is_taken(&catalog, &name) {
            let exists = format!("schema \"{name}\" already exists");
            if !if_not_exists {
                return Err(Error::new(code::DUPLICATE_SCHEMA, exists));
            }
            self.notice("NOTICE", Error::new(code::DUPLICATE_SCHEMA, format!("{exists}, skipping")));
            return Ok(name);
        }
        // What the catalog keeps says nothing for the first schema: where that is made again it is the same.
        let again = name == "public" && catalog.namespace(PUBLIC_NAMESPACE).is_none();
        let id = if again { PUBLIC_NAMESPACE } else { self.engine.new_id() };
        self.stage(Change::PutSchema(Namespace { id, name: name.clone(), owner }), vec![])?;
        Ok(name)
    }

    /// What CREATE SCHEMA has behind it, with names that are the new schema's first. Errors: 42P15 for something that is to be elsewhere.
    pub(super) async fn define_within(&mut self, schema: &str, definitions: &[(String, Statement)]) -> Result<()> {
        if let Some(other) = definitions.iter().filter_map(|(_, made_by)| made(made_by)?.schema.as_deref()).find(|other| *other != schema) {
            let message = format!("CREATE specifies a schema ({other}) different from the one being created ({schema})");
            return Err(Error::new("42P15", message));
        }
        let (before, shown) = (self.settings.own("search_path"), self.settings.get("search_path")?);
        let path = if shown.trim().is_empty() { quoted(schema) } else { format!("{}, {shown}", quoted(schema)) };
        self.set_until_end("search_path", &path)?;
        self.context.forget();
        let done = self.within(async |session| session.defined_within(definitions).await).await;
        self.settings.set("search_path", before.as_deref())?;
        self.context.forget();
        done
    }

    async fn defined_within(&mut self, definitions: &[(String, Statement)]) -> Result<()> {
        for (text, statement) in definitions {
            let prepared = Arc::new(Box::pin(self.plan_parsed(text, statement.clone(), &[])).await?);
            Box::pin(self.run_inside(&prepared, Parameters::default())).await?;
        }
        Ok(())
    }

    /// ALTER SCHEMA. Errors: 3F000, 42P06, 42939, 42501.
    pub(super) async fn alter_schema(&mut self, name: &str, change: &SchemaChange) -> Result<()> {
        let catalog = self.define().await?;
        let old = users_schema(&catalog, name)?.clone();
        self.must_own_schema(&old)?;
        match change {
            SchemaChange::Rename(to) => {
                self.may_create_schemas()?;
                check_new_name(to)?;
                if is_taken(&catalog, to) {
                    return Err(Error::new(code::DUPLICATE_SCHEMA, format!("schema \"{to}\" already exists")));
                }
                self.stage(Change::PutSchema(Namespace { name: to.clone(), ..old.as_ref().clone() }), vec![])?;
                self.follow_schema(&old, to)
            }
            SchemaChange::Own(owner) => {
                let owner = self.role_id(owner)?;
                if owner != old.owner {
                    self.may_stand_in_for(owner)?;
                    self.may_create_schemas()?;
                }
                self.give_schema(&old, owner)
            }
        }
    }

    /// Gives a schema to another owner.
    pub(super) fn give_schema(&mut self, schema: &Namespace, owner: RoleId) -> Result<()> {
        if schema.owner == owner {
            return Ok(());
        }
        self.stage_rights(Change::PutSchema(Namespace { owner, ..schema.clone() }))?;
        self.regrant(&Object::Schema(schema.name.clone()), schema.owner, owner)
    }

    /// DROP SCHEMA. Errors: 3F000, 42501, 2BP01 while there is something in it, and for the system's.
    pub(super) async fn drop_schemas(&mut self, names: &[String], if_exists: bool, cascade: bool) -> Result<()> {
        let catalog = self.define().await?;
        let mut wanted: Vec<Arc<Namespace>> = Vec::with_capacity(names.len());
        for name in names {
            if SYSTEM_NAMESPACES.iter().any(|s| s.1 == name) {
                let message = format!("cannot drop schema {name} because it is required by the database system");
                return Err(Error::new(code::DEPENDENT_OBJECTS_STILL_EXIST, message));
            }
            match catalog.find_namespace(name) {
                None if if_exists => {
                    self.notice("NOTICE", Error::new(code::SUCCESS, format!("schema \"{name}\" does not exist, skipping")));
                }
                found => {
                    let schema = found.map_or_else(|| catalog.get_namespace(name), Ok)?;
                    self.must_own_schema(schema)?;
                    if !wanted.iter().any(|other| other.id == schema.id) {
                        wanted.push(schema.clone());
                    }
                }
            }
        }
        self.drop_contents(&catalog, &wanted, cascade).await?;
        wanted.iter().try_for_each(|schema| self.stage(Change::DropSchema(schema.id), vec![]))
    }

    /// Drops what is in schemas, and what depends on that. Errors: 2BP01 for anything at all without `cascade`, 0A000 for relations of
    /// ksqlDB's dialect, whose queries are ended by that dialect's statements.
    pub(super) async fn drop_contents(&mut self, catalog: &Catalog, schemas: &[Arc<Namespace>], cascade: bool) -> Result<()> {
        let is_in = |namespace: NamespaceId| schemas.iter().any(|schema| schema.id == namespace);
        let inside: BTreeSet<RelationId> = catalog.relations().filter(|r| is_in(r.namespace)).map(|r| r.id).collect();
        let all: BTreeSet<RelationId> = inside.iter().flat_map(|id| catalog.with_dependents(*id)).collect();
        let alone = |owner: &Option<(RelationId, String)>| owner.as_ref().is_none_or(|(table, _)| !all.contains(table));
        let sequences: Vec<_> = catalog.sequences.iter().filter(|s| is_in(s.namespace) && alone(&s.owner)).cloned().collect();
        let types: Vec<Arc<UserType>> = catalog.user_types().filter(|t| is_in(t.namespace)).cloned().collect();
        let functions: Vec<_> = catalog.functions().filter(|f| is_in(f.namespace)).cloned().collect();
        if inside.is_empty() && sequences.is_empty() && types.is_empty() && functions.is_empty() {
            return Ok(());
        }
        let relations = || all.iter().filter_map(|id| catalog.by_id(*id));
        let shown = |schema: NamespaceId, name: &str| match schema {
            PUBLIC_NAMESPACE => Name::bare(name),
            _ => Name::qualified(catalog.namespace_name(schema), name),
        };
        if !cascade {
            let in_schema = |namespace: NamespaceId| format!("depends on schema {}", catalog.namespace_name(namespace));
            let own = relations().filter(|r| is_in(r.namespace)).map(|r| format!("{} {}", told(catalog, r), in_schema(r.namespace)));
            let of_sequences = sequences.iter().map(|s| format!("sequence {} {}", shown(s.namespace, &s.name), in_schema(s.namespace)));
            let of_types = types.iter().map(|t| format!("type {} {}", shown(t.namespace, &t.name), in_schema(t.namespace)));
            let of_functions = functions.iter().map(|f| format!("function {} {}", catalog.signature(f), in_schema(f.namespace)));
            let outside = relations().filter(|r| !is_in(r.namespace)).map(|r| {
                let on = r.depends_on.iter().filter_map(|id| catalog.by_id(*id)).find(|on| all.contains(&on.id));
                format!("{} depends on {}", told(catalog, r), on.map_or(String::new(), |on| told(catalog, on)))
            });
            let message = match schemas {
                [one] => format!("cannot drop schema {} because other objects depend on it", one.name),
                _ => "cannot drop desired object(s) because other objects depend on them".to_string(),
            };
            return Err(Error::new(code::DEPENDENT_OBJECTS_STILL_EXIST, message)
                .detail(own.chain(of_sequences).chain(of_types).chain(of_functions).chain(outside).collect::<Vec<_>>().join("\n"))
                .hint("Use DROP ... CASCADE to drop the dependent objects too."));
        }
        if let Some(ksql) = relations().find(|r| r.ksql.is_some()) {
            return Err(Error::unsupported(format!(
                "{} was made in ksqlDB's dialect and is not dropped with its schema",
                told(catalog, ksql)
            ))
            .hint("TERMINATE its queries and DROP it by itself first."));
        }
        let gone = relations().map(|r| told(catalog, r));
        let gone = gone.chain(sequences.iter().map(|s| format!("sequence {}", shown(s.namespace, &s.name))));
        let gone = gone.chain(types.iter().map(|t| format!("type {}", shown(t.namespace, &t.name))));
        let gone = gone.chain(functions.iter().map(|f| format!("function {}", catalog.signature(f))));
        let mut gone: Vec<String> = gone.map(|what| format!("drop cascades to {what}")).collect();
        // What stays when all this has gone, and is of one of the types.
        let mut dropped = functions.iter().map(|f| Change::DropFunction(f.id)).chain([Change::Drop(catalog.dependents_first(&all))]);
        let rest = dropped.try_fold(catalog.clone(), |rest, change| rest.apply(&change))?;
        gone.extend(self.users_of(&rest, &types, true)?);
        self.tell_cascade(&gone);
        self.empty_dropped(catalog, &all).await?;
        self.drop_references(catalog, &all, true)?;
        self.drop_policies_naming(&all, true)?;
        for sequence in &sequences {
            self.drop_sequence(sequence, true)?;
        }
        self.stage(Change::Drop(catalog.dependents_first(&all)), vec![])?;
        self.defaults_have_changed(catalog, &all).await?;
        self.drop_functions_in(&schemas.iter().map(|schema| schema.id).collect::<Vec<_>>())?;
        self.drop_users(&self.catalog(), &types).await?;
        types.iter().try_for_each(|ty| self.stage(Change::DropUserType(ty.id), vec![]))
    }

    /// Errors: 42501 unless the current role may create schemas.
    fn may_create_schemas(&self) -> Result<()> {
        if self.authority.may_create_schemas() {
            return Ok(());
        }
        let (database, name) = (self.context.database(), self.identity.name(&self.authority.roles, self.role()));
        Err(denied_text(&format!("permission denied for database {database}"))
            .hint(format!("A superuser can let it: GRANT {} ON DATABASE {database} TO {name};", Privileges::CREATE)))
    }
}

/// The schema of that name, which is no system's. Errors: 3F000, 42501.
pub(super) fn users_schema<'a>(catalog: &'a Catalog, name: &str) -> Result<&'a Arc<Namespace>> {
    if SYSTEM_NAMESPACES.iter().any(|s| s.1 == name) {
        return Err(Error::new(code::INSUFFICIENT_PRIVILEGE, format!("permission denied for schema {name}"))
            .detail("It holds the system's relations."));
    }
    catalog.get_namespace(name)
}

fn is_taken(catalog: &Catalog, name: &str) -> bool {
    catalog.namespace_id(name).is_some()
}

/// Errors: 42939 for a name that the system may use.
fn check_new_name(name: &str) -> Result<()> {
    if name.starts_with("pg_") {
        return Err(Error::new(code::RESERVED_NAME, format!("unacceptable schema name \"{name}\""))
            .detail("The prefix \"pg_\" is reserved for system schemas."));
    }
    Ok(())
}

/// The relation or sequence that a statement makes, or the table of an index that it makes.
fn made(statement: &Statement) -> Option<&Name> {
    match statement {
        Statement::CreateRelation(new) => Some(&new.name),
        Statement::CreateView { name, .. } | Statement::CreateSequence { name, .. } => Some(name),
        Statement::CreatePartition(new) => Some(&new.name),
        Statement::CreateIndex { table, .. } => Some(table),
        _ => None,
    }
}
