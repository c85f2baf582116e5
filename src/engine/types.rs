//! CREATE, ALTER and DROP TYPE of PostgreSQL's dialect: definitions like any other, in the transaction that is open.
//!
//! Values are ranks, which no change of a type touches ([`crate::data::enums`]). What has looked labels up is a materialized view that
//! makes text of values, or values of text: after ADD VALUE and RENAME VALUE it is folded again, with those above it, and all others
//! stay as they are. A text that the catalog keeps names labels as they were written; a change after which one of them means nothing any
//! more is refused.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ddl::view_node_with;
use super::dml::parsed_query;
use super::plpgsql::answers_rows_of;
use super::schemas::users_schema;
use super::session::Session;
use crate::catalog::{
    Catalog, Change, Column, Domain, Function, Name, NamespaceId, PUBLIC_NAMESPACE, Relation, RelationId, RelationKind, Rule, TypeId,
    TypeKind, UserType, told,
};
use crate::data::PgType;
use crate::data::enums::{self, Label, Place};
use crate::data::quoting::literal;
use crate::error::{Error, Result, code};
use crate::sql::roles::RoleName;
use crate::sql::statement::{NamedType, SqlType, TypeChange};

impl Session {
    /// The type of an object id, those of users included.
    pub fn type_of_oid(&self, oid: u32) -> Option<PgType> {
        PgType::from_oid(oid).or_else(|| self.catalog().type_of_oid(oid))
    }

    /// The type that a statement names. Errors: 42704, 3F000.
    pub(super) fn type_named(&self, ty: &SqlType) -> Result<PgType> {
        match ty {
            SqlType::Known(ty) => Ok(ty.clone()),
            SqlType::Named(named) => self.users_type(named).map(|(ty, _)| ty),
        }
    }

    /// The same. Errors: 0A000 for a domain too.
    pub(super) fn type_of_values(&self, ty: &SqlType) -> Result<PgType> {
        match ty {
            SqlType::Named(named) if self.users_type(named)?.1.is_some() => {
                let error = Error::unsupported(format!("ALTER COLUMN .. TYPE of domain \"{}\" is not supported", named.name));
                Err(error.hint("ADD COLUMN of the domain, UPDATE it from the old one, and DROP that."))
            }
            ty => self.type_named(ty),
        }
    }

    /// The type that values have, and the domain if that is what the name means.
    fn users_type(&self, named: &NamedType) -> Result<(PgType, Option<Arc<UserType>>)> {
        let scope = self.scope();
        let ty = scope.get_type(&named.name)?;
        let values = scope.type_of_oid(ty.id).ok_or_else(|| Error::internal("a type of a user is one"))?;
        match (&ty.what, named.array) {
            (TypeKind::Enum(_) | TypeKind::Composite(_), true) => Ok((PgType::Array(Box::new(values)), None)),
            (TypeKind::Enum(_) | TypeKind::Composite(_), false) => Ok((values, None)),
            (TypeKind::Domain(_), false) => Ok((values, Some(ty.clone()))),
            (TypeKind::Domain(_), true) => {
                Err(Error::unsupported("arrays of domains are not supported").hint("Use an array of the type that the domain is over."))
            }
        }
    }

    /// Gives columns the types of users that they are to have. Errors: 42704, 3F000.
    pub(super) fn settle_types(&self, columns: &mut [Column], named: &[(usize, NamedType)]) -> Result<()> {
        for (i, ty) in named {
            let column = &mut columns[*i];
            let (values, domain) = self.users_type(ty)?;
            column.ty = values;
            column.domain = domain.as_ref().map(|ty| ty.id);
        }
        Ok(())
    }

    /// CREATE TYPE .. AS ENUM. Errors: 42710, 3F000, 42501, and those of labels.
    pub(super) async fn create_enum(&mut self, name: &Name, labels: &[String]) -> Result<()> {
        let catalog = self.define().await?;
        let namespace = self.scope().place_of(name)?.id;
        self.may_create_in(namespace)?;
        check_free(&catalog, namespace, &name.name)?;
        let id = self.engine.new_id();
        let labels = enums::ranked(labels, || self.engine.new_id())?;
        let (name, owner, what) = (name.name.clone(), self.role(), TypeKind::Enum(labels));
        self.stage(Change::PutUserType(UserType { id, name, namespace, owner, what, comment: None }), vec![])
    }

    /// ALTER TYPE. Errors: 42704, 42501, and those of each change.
    pub(super) async fn alter_type(&mut self, name: &Name, domain: bool, change: &TypeChange) -> Result<()> {
        let catalog = self.define().await?;
        let ty = self.scope().get_type(name)?.as_ref().clone();
        self.must_own_type(&ty)?;
        check_kind(name, &ty, domain)?;
        let changed = match change {
            TypeChange::AddValue { label, if_not_exists, place } => return self.add_label(ty, label, *if_not_exists, place).await,
            TypeChange::RenameValue { from, to } => return self.rename_label(ty, from, to).await,
            TypeChange::Rename(_) | TypeChange::SetSchema(_)
                if let Some(f) = catalog.functions().find(|f| answers_rows_of(&catalog, f, &ty)) =>
            {
                let message = format!("cannot rename type {} because function {} returns it", ty.name, catalog.signature(f));
                return Err(Error::unsupported(message).hint("DROP the function, and create it again afterwards."));
            }
            TypeChange::Rename(to) => {
                check_free(&catalog, ty.namespace, to)?;
                UserType { name: to.clone(), ..ty }
            }
            TypeChange::SetSchema(schema) => {
                let to = users_schema(&catalog, schema)?.id;
                if to == ty.namespace {
                    return Ok(());
                }
                self.may_create_in(to)?;
                if is_taken(&catalog, to, &ty.name) {
                    let message = format!("type \"{}\" already exists in schema \"{schema}\"", ty.name);
                    return Err(Error::new(code::DUPLICATE_OBJECT, message));
                }
                UserType { namespace: to, ..ty }
            }
            TypeChange::Own(owner) => return self.own_type(ty, owner),
            TypeChange::Attributes(changes) => self.with_attributes(ty, changes)?,
        };
        self.stage(Change::PutUserType(changed), vec![])
    }

    fn own_type(&mut self, ty: UserType, owner: &RoleName) -> Result<()> {
        let owner = self.role_id(owner)?;
        if owner != ty.owner {
            self.may_stand_in_for(owner)?;
            self.may_create_in(ty.namespace)?;
        }
        self.stage(Change::PutUserType(UserType { owner, ..ty }), vec![])
    }

    async fn add_label(&mut self, ty: UserType, label: &str, if_not_exists: bool, place: &Place) -> Result<()> {
        let labels = labels_of(&ty)?;
        enums::check_label(label)?;
        if labels.iter().any(|l| l.name == label) {
            let exists = format!("enum label \"{label}\" already exists");
            if !if_not_exists {
                return Err(Error::new(code::DUPLICATE_OBJECT, exists));
            }
            self.notice("NOTICE", Error::new(code::DUPLICATE_OBJECT, format!("{exists}, skipping")));
            return Ok(());
        }
        let labels = enums::with_label(labels, self.engine.new_id(), label, place)?;
        self.relabel(ty, labels, "add a value to").await
    }

    async fn rename_label(&mut self, ty: UserType, from: &str, to: &str) -> Result<()> {
        enums::check_label(to)?;
        let mut labels = labels_of(&ty)?.to_vec();
        if labels.iter().any(|l| l.name == to) {
            return Err(Error::new(code::DUPLICATE_OBJECT, format!("enum label \"{to}\" already exists")));
        }
        let missing = || Error::new(code::INVALID_PARAMETER_VALUE, format!("\"{from}\" is not an existing enum label"));
        labels.iter_mut().find(|l| l.name == from).ok_or_else(missing)?.name = to.to_string();
        let id = ty.id;
        self.relabel(ty, labels, "rename a value of").await?;
        self.follow_label(id, from, to).await
    }

    /// Gives a type other labels. Errors: 2BP01 where the query of a view, read with them, means nothing.
    async fn relabel(&mut self, ty: UserType, labels: Vec<Label>, what: &str) -> Result<()> {
        let (id, name) = (ty.id, ty.name.clone());
        self.stage(Change::PutUserType(UserType { what: TypeKind::Enum(labels), ..ty }), vec![])?;
        // Materialized views that are folded again, and plain views over them.
        let mut again: BTreeSet<RelationId> = BTreeSet::new();
        for view in views_over(&self.catalog(), id) {
            let depends_on = |of: &str| {
                let message = format!("cannot {what} type {name} because other objects depend on it");
                Error::new(code::DEPENDENT_OBJECTS_STILL_EXIST, message).detail(of.to_string())
            };
            let query = parsed_query(&view.sql)?;
            let planned = self.plan_with(self.names_kept(), &query, &[]).await;
            let planned = planned.map_err(|e| {
                depends_on(&format!("{} would not mean anything: {}.", told(&self.catalog(), &view), e.message()))
                    .hint("Drop that first, and make it again.")
            })?;
            let above = again.iter().any(|below| view.depends_on.contains(below));
            if view.kind != RelationKind::MaterializedView {
                again.extend(above.then_some(view.id));
                continue;
            }
            let names = self.names_kept();
            let analyzed = names.state().analyzer().execute_and_check(planned.plan, names.state().config_options(), |_, _| {})?;
            if above || crate::func::enums::spells(&analyzed, id)? {
                again.insert(view.id);
                self.fold_again(&view).await?;
            }
        }
        Ok(())
    }

    /// Puts a new node of a materialized view in the place of the one that it has.
    async fn fold_again(&mut self, view: &Arc<Relation>) -> Result<()> {
        let view = Arc::new(Relation { folded_again: view.folded_again + 1, ..view.as_ref().clone() });
        let node = view_node_with(&self.engine.clone(), &self.catalog(), &view, |id| self.node_of(id)).await?;
        self.stage(Change::Alter(view.as_ref().clone()), vec![node])
    }

    /// The same for all materialized views over a relation, of PostgreSQL's dialect.
    pub(super) async fn fold_views_again(&mut self, id: RelationId) -> Result<()> {
        let catalog = self.catalog();
        let above = catalog.with_dependents(id).into_iter().rev().filter_map(|above| catalog.by_id(above).cloned());
        let views: Vec<Arc<Relation>> = above.filter(|r| r.kind == RelationKind::MaterializedView && r.ksql.is_none()).collect();
        for view in &views {
            self.fold_again(view).await?;
        }
        Ok(())
    }

    /// Defaults that are a label alone follow it. Errors: 2BP01 for a default, a CHECK or another condition that means nothing
    /// without the old one.
    async fn follow_label(&mut self, id: TypeId, from: &str, to: &str) -> Result<()> {
        let (old, new) = (literal(from), literal(to));
        let depended_on = |what: String| {
            let message = format!("cannot rename value {old} because other objects depend on it");
            Error::new(code::DEPENDENT_OBJECTS_STILL_EXIST, message)
                .detail(format!("{what} names it."))
                .hint("Drop that first, and make it again.")
        };
        if let Some(ty) = domains_over(&self.catalog(), id).find(|(_, domain)| domain.texts().any(|text| text.contains(&old))) {
            return Err(depended_on(format!("domain {}", ty.0.name)));
        }
        let catalog = self.catalog();
        let naming = |relation: &Arc<Relation>| {
            let has_it = relation.columns.iter().any(|c| c.is_of(id));
            whose_conditions(&catalog, relation, |text| text.contains(&old) && (has_it || names(&catalog, text, id))).into_iter().next()
        };
        if let Some(other) = catalog.relations().find_map(naming) {
            return Err(depended_on(other));
        }
        let of_bound = |r: &&Arc<Relation>| r.is_partition() && names(&catalog, &r.sql, id) && r.sql.contains(&old);
        if let Some(partition) = catalog.relations().find(of_bound) {
            return Err(depended_on(format!("bound of partition {}", partition.name)));
        }
        let with_it: Vec<Arc<Relation>> = catalog.columns_of_type(id).map(|(r, _)| r.clone()).collect();
        for relation in with_it {
            let mut altered = relation.as_ref().clone();
            for column in altered.columns.iter_mut().filter(|c| c.is_of(id)) {
                let cast = column.ty.in_sql();
                match &column.default {
                    Some(default) if *default == old => column.default = Some(new.clone()),
                    Some(default) if *default == format!("{old}::{cast}") => column.default = Some(format!("{new}::{cast}")),
                    _ => {}
                }
            }
            let names = |text: &str| text.contains(&old);
            let defaults =
                altered.columns.iter().filter(|c| c.default.as_deref().is_some_and(names)).map(|c| format!("default of column {}", c.name));
            let generated = altered
                .columns
                .iter()
                .filter(|c| c.generated.as_deref().is_some_and(names))
                .map(|c| format!("expression of column {}", c.name));
            let checks = altered.constraints.iter().filter(|c| matches!(&c.rule, Rule::Check(sql) if names(sql)));
            let checks = checks.map(|c| format!("constraint {}", c.name));
            let indexes = altered.indexes.iter().filter(|i| i.texts().any(|sql| names(sql))).map(|i| format!("index {}", i.name));
            if let Some(other) = defaults.chain(generated).chain(checks).chain(indexes).next() {
                return Err(depended_on(format!("{other} of {}", told(&self.catalog(), &relation))));
            }
            if altered.columns.iter().zip(&relation.columns).any(|(a, b)| a.default != b.default) {
                self.stage(Change::Alter(altered), vec![])?;
            }
        }
        Ok(())
    }

    /// DROP TYPE. Errors: 42704, 42501, 2BP01 without `cascade` while something is of the type or names it.
    pub(super) async fn drop_types(&mut self, names: &[Name], domains: bool, if_exists: bool, cascade: bool) -> Result<()> {
        let catalog = self.define().await?;
        let scope = self.scope();
        let mut wanted: Vec<Arc<UserType>> = Vec::with_capacity(names.len());
        for name in names {
            match scope.get_type(name) {
                Ok(ty) => {
                    check_kind(name, ty, domains)?;
                    self.must_own_type(ty)?;
                    wanted.push(ty.clone());
                }
                Err(e) if if_exists => self.notice("NOTICE", Error::new(code::SUCCESS, format!("{}, skipping", e.message()))),
                Err(e) => return Err(e),
            }
        }
        let users = self.users_of(&catalog, &wanted, cascade)?;
        self.tell_cascade(&users);
        self.drop_users(&catalog, &wanted).await?;
        wanted.iter().try_for_each(|ty| self.stage(Change::DropUserType(ty.id), vec![]))
    }

    /// What goes with types: columns and views of them, policies and triggers that name them, as NOTICE tells it. Errors: 2BP01 for anything at all without `cascade`, and for a
    /// default, a CHECK or an index that names one of them.
    pub(super) fn users_of(&self, catalog: &Catalog, types: &[Arc<UserType>], cascade: bool) -> Result<Vec<String>> {
        let (mut users, mut named) = (Vec::new(), Vec::new());
        for ty in types {
            let on = |what: String| (what, shown(catalog, ty));
            let columns = catalog.columns_of_type(ty.id).filter(|(r, _)| r.has_log());
            users.extend(columns.map(|(r, c)| on(format!("column {} of {}", c.name, told(catalog, r)))));
            users.extend(views_over(catalog, ty.id).iter().map(|v| on(told(catalog, v))));
            let naming = catalog.relations().flat_map(|r| whose_conditions(catalog, r, |text| names(catalog, text, ty.id)));
            users.extend(naming.map(on));
            named.extend(named_in(catalog, ty.id, types).into_iter().map(on));
        }
        // What is of two of the types goes once.
        for all in [&mut users, &mut named] {
            let mut told = BTreeSet::new();
            all.retain(|(what, _)| told.insert(what.clone()));
        }
        if named.is_empty() && (cascade || users.is_empty()) {
            return Ok(users.into_iter().map(|(what, _)| format!("drop cascades to {what}")).collect());
        }
        let message = match types {
            [one] => format!("cannot drop type {} because other objects depend on it", shown(catalog, one)),
            _ => "cannot drop desired object(s) because other objects depend on them".to_string(),
        };
        let hint = match named.first() {
            Some((what, _)) if cascade => format!("Drop the {what} first."),
            _ => "Use DROP ... CASCADE to drop the dependent objects too.".to_string(),
        };
        let detail: Vec<String> = users.iter().chain(&named).map(|(what, ty)| format!("{what} depends on type {ty}")).collect();
        Err(Error::new(code::DEPENDENT_OBJECTS_STILL_EXIST, message).detail(detail.join("\n")).hint(hint))
    }

    /// Drops the views and columns that are of types which go, and the policies and triggers that name these.
    pub(super) async fn drop_users(&mut self, catalog: &Catalog, types: &[Arc<UserType>]) -> Result<()> {
        let views: BTreeSet<RelationId> = types.iter().flat_map(|ty| views_over(catalog, ty.id)).map(|v| v.id).collect();
        if !views.is_empty() {
            self.stage(Change::Drop(catalog.dependents_first(&views)), vec![])?;
        }
        // Before the columns that they may name too, with which they would go.
        let stays = |text: &String| !types.iter().any(|ty| names(catalog, text, ty.id));
        for relation in catalog.relations().filter(|r| !r.triggers.is_empty() || !r.security.policies.is_empty()) {
            let mut altered = relation.as_ref().clone();
            altered.security.policies.retain(|policy| policy.texts().all(stays));
            altered.triggers.retain(|trigger| trigger.condition.as_ref().is_none_or(stays));
            if altered.triggers.len() < relation.triggers.len() || altered.security.policies.len() < relation.security.policies.len() {
                self.stage(Change::Alter(altered), vec![])?;
            }
        }
        let columns: Vec<(Arc<Relation>, String)> = (types.iter().flat_map(|ty| catalog.columns_of_type(ty.id)))
            .filter(|(r, _)| r.has_log())
            .map(|(r, c)| (r.clone(), c.name.clone()))
            .collect();
        for (relation, column) in columns {
            // It may have lost another column already, and so have another number, or this one, which is of two of the types.
            let catalog = self.catalog();
            let now = catalog.find_in(relation.namespace, &relation.name).filter(|now| now.columns.iter().any(|c| c.name == column));
            let Some(now) = now.cloned() else { continue };
            self.drop_column(&catalog, &now, &column, false, true).await?;
        }
        Ok(())
    }
}

/// The views that have to do with a type, those below first: over relations with columns of it, or with a query that names it.
pub(super) fn views_over(catalog: &Catalog, id: TypeId) -> Vec<Arc<Relation>> {
    let direct = catalog.columns_of_type(id).map(|(r, _)| r.id);
    let named = catalog.relations().filter(|r| !r.has_log() && names(catalog, &r.sql, id)).map(|r| r.id);
    let all: BTreeSet<RelationId> = direct.chain(named).flat_map(|id| catalog.with_dependents(id)).collect();
    let above_first = catalog.dependents_first(&all);
    above_first.iter().rev().filter_map(|id| catalog.by_id(*id)).filter(|r| !r.is_table()).cloned().collect()
}

/// True if a text that the catalog keeps names a type, by its short name or with its attributes.
fn names(catalog: &Catalog, text: &str, id: TypeId) -> bool {
    let Some(kept) = catalog.user_type(id).map(|ty| ty.kept_name()) else { return false };
    text.contains(&format!("\"{kept}\"")) || text.contains(&format!("\"{kept} ("))
}

/// The domains over a type of a user.
fn domains_over(catalog: &Catalog, id: TypeId) -> impl Iterator<Item = (&Arc<UserType>, &Domain)> {
    catalog.domains().filter(move |(_, domain)| domain.base.uses(id))
}

/// The policies and the triggers of a relation of which `is_meant` says that a condition is meant.
fn whose_conditions(catalog: &Catalog, relation: &Relation, is_meant: impl Fn(&str) -> bool) -> Vec<String> {
    let policies = relation.security.policies.iter().filter(|policy| policy.texts().any(|text| is_meant(text)));
    let policies = policies.map(|policy| format!("policy {}", policy.name));
    let triggers = relation.triggers.iter().filter(|trigger| trigger.condition.as_ref().is_some_and(|text| is_meant(text)));
    let triggers = triggers.map(|trigger| format!("trigger {}", trigger.name));
    policies.chain(triggers).map(|what| format!("{what} on {}", told(catalog, relation))).collect()
}

/// Composite types with attributes of a type, and domains over it, but those that go with it; defaults of columns of other types, CHECK constraints,
/// indexes and functions, that name it.
pub(super) fn named_in(catalog: &Catalog, id: TypeId, gone: &[Arc<UserType>]) -> Vec<String> {
    let stays = |ty: &Arc<UserType>| ty.id != id && !gone.iter().any(|other| other.id == ty.id);
    let domains = domains_over(catalog, id).filter(|(ty, _)| stays(ty));
    let mut all: Vec<String> = domains.map(|(ty, _)| format!("type {}", shown(catalog, ty))).collect();
    let with_it = |ty: &&Arc<UserType>| stays(ty) && ty.attributes().is_some_and(|all| all.iter().any(|a| a.is_of(id)));
    all.extend(catalog.user_types().filter(with_it).map(|ty| format!("type {}", shown(catalog, ty))));
    for relation in catalog.relations() {
        let defaults = relation.columns.iter().filter(|c| !c.is_of(id) && c.default.as_deref().is_some_and(|d| names(catalog, d, id)));
        all.extend(defaults.map(|c| format!("default value for column {} of {}", c.name, told(catalog, relation))));
        let generated =
            relation.columns.iter().filter(|c| !c.is_of(id) && c.generated.as_deref().is_some_and(|sql| names(catalog, sql, id)));
        all.extend(generated.map(|c| format!("column {} of {}", c.name, told(catalog, relation))));
        let checks = relation.constraints.iter().filter(|c| matches!(&c.rule, Rule::Check(sql) if names(catalog, sql, id)));
        all.extend(checks.map(|c| format!("constraint {} on {}", c.name, told(catalog, relation))));
        let indexes = relation.indexes.iter().filter(|i| i.texts().any(|sql| names(catalog, sql, id)));
        all.extend(indexes.map(|i| format!("index {}", i.name)));
    }
    let answers = |f: &Function| catalog.user_type(id).is_some_and(|ty| answers_rows_of(catalog, f, ty));
    let uses = |f: &&Arc<Function>| answers(f) || f.inputs.iter().chain(&f.outputs).any(|c| c.is_of(id)) || names(catalog, &f.query, id);
    all.extend(catalog.functions().filter(uses).map(|f| format!("function {}", catalog.signature(f))));
    all
}

/// Errors: 42809 for what is to be a domain and is none.
pub(super) fn check_kind(name: &Name, ty: &UserType, domain: bool) -> Result<()> {
    if domain && !matches!(ty.what, TypeKind::Domain(_)) {
        return Err(Error::new(code::WRONG_OBJECT_TYPE, format!("\"{name}\" is not a domain")));
    }
    Ok(())
}

/// Errors: 42809 for a type that is no enumeration.
fn labels_of(ty: &UserType) -> Result<&[Label]> {
    ty.labels().ok_or_else(|| Error::new(code::WRONG_OBJECT_TYPE, format!("\"{}\" is not an enum", ty.name)))
}

fn shown(catalog: &Catalog, ty: &UserType) -> String {
    match ty.namespace {
        PUBLIC_NAMESPACE => ty.name.clone(),
        _ => catalog.name_of_type(ty).to_string(),
    }
}

/// Relations have row types of their names.
fn is_taken(catalog: &Catalog, namespace: NamespaceId, name: &str) -> bool {
    catalog.find_type_in(namespace, name).is_some() || catalog.find_in(namespace, name).is_some()
}

/// Errors: 42710 for a relation of the name of a type.
pub(super) fn check_free_of_types(catalog: &Catalog, namespace: NamespaceId, name: &str) -> Result<()> {
    match catalog.find_type_in(namespace, name) {
        Some(_) => Err(Error::new(code::DUPLICATE_OBJECT, format!("type \"{name}\" already exists")).hint(
            "A relation has an associated type of the same name, so you must use a name that doesn't conflict with any existing type.",
        )),
        None => Ok(()),
    }
}

/// Errors: 42710 if there is a type of that name.
pub(super) fn check_free(catalog: &Catalog, namespace: NamespaceId, name: &str) -> Result<()> {
    if is_taken(catalog, namespace, name) {
        return Err(Error::new(code::DUPLICATE_OBJECT, format!("type \"{name}\" already exists")));
    }
    Ok(())
}
