//! Schemas, and how the name that a statement writes finds a relation.
//!
//! In the code a schema of SQL is a namespace, as in PostgreSQL's own catalog: a schema is Arrow's.
//!
//! A statement carries names as they are written ([`Name`]). A [`Scope`] resolves them, and nothing else does: it is a catalog with the
//! [`Path`] along which names without a schema are looked up. From there on a relation is its id.
//!
//! The text of a query or a default that the catalog keeps is read along [`Path::kept`], whoever reads it: there a name without a schema
//! is one of [`PUBLIC_NAMESPACE`], and all others are qualified. So what it means does not change with anybody's search_path.
//! That namespace keeps its number when it is renamed; one that is created as `public` after it was dropped gets it again.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{BOOTSTRAP, Catalog, Relation, RelationId, RoleId, Sequence};
use crate::data::quoting::ident;
use crate::error::{Error, Result, code, nearest};

/// Number of a namespace; its pg_namespace oid too. Those that are created get theirs from the same numbers as relations.
pub type NamespaceId = u32;
/// The namespace that is there from the start, `public`.
pub const PUBLIC_NAMESPACE: NamespaceId = 2200;
/// The namespace of a session's temporary tables; it is in no log.
pub const TEMPORARY_NAMESPACE: NamespaceId = 14_900;
/// What statements call it.
pub const TEMPORARY_NAME: &str = "pg_temp";
/// The system's namespaces, which hold no relations of users.
pub const SYSTEM_NAMESPACES: [(NamespaceId, &str); 3] = [(11, "pg_catalog"), (13_222, "information_schema"), (14_000, "everfold")];

/// A schema.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Namespace {
    pub id: NamespaceId,
    pub name: String,
    pub owner: RoleId,
}

/// The name of a relation as a statement writes it, folded already.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    pub schema: Option<String>,
    pub name: String,
}

impl Name {
    /// A name without a schema.
    pub fn bare(name: impl Into<String>) -> Name {
        Name { schema: None, name: name.into() }
    }

    /// A name with its schema.
    pub fn qualified(schema: impl Into<String>, name: impl Into<String>) -> Name {
        Name { schema: Some(schema.into()), name: name.into() }
    }

    /// The name as SQL text, each part quoted where it must be.
    pub fn in_sql(&self) -> String {
        let schema = self.schema.as_ref().map_or(String::new(), |schema| format!("{}.", ident(schema)));
        format!("{schema}{}", ident(&self.name))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// The namespaces in which names without a schema are looked up, the first of which has one counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(Arc<[NamespaceId]>);

impl Path {
    /// A path of these.
    pub fn of(namespaces: Vec<NamespaceId>) -> Path {
        Path(namespaces.into())
    }

    /// The path along which texts that the catalog keeps are read.
    pub fn kept() -> Path {
        Path(Arc::new([PUBLIC_NAMESPACE]))
    }

    /// Its namespaces, in order.
    pub fn namespaces(&self) -> &[NamespaceId] {
        &self.0
    }
}

impl Default for Path {
    fn default() -> Path {
        Path::kept()
    }
}

/// All namespaces of users, and the relations in each by their names.
#[derive(Clone, Debug)]
pub(super) struct Namespaces {
    by_id: BTreeMap<NamespaceId, Arc<Namespace>>,
    by_name: BTreeMap<String, NamespaceId>,
    relations: BTreeMap<NamespaceId, BTreeMap<String, RelationId>>,
}

impl Default for Namespaces {
    fn default() -> Namespaces {
        let mut namespaces = Namespaces { by_id: BTreeMap::new(), by_name: BTreeMap::new(), relations: BTreeMap::new() };
        namespaces.put(Namespace { id: PUBLIC_NAMESPACE, name: "public".into(), owner: BOOTSTRAP });
        namespaces
    }
}

impl Namespaces {
    /// Puts a namespace in its place; answers the one that was there.
    pub(super) fn put(&mut self, namespace: Namespace) -> Option<Arc<Namespace>> {
        let old = self.by_id.get(&namespace.id).cloned();
        if let Some(old) = &old {
            self.by_name.remove(&old.name);
        }
        self.by_name.insert(namespace.name.clone(), namespace.id);
        self.by_id.insert(namespace.id, Arc::new(namespace));
        old
    }

    pub(super) fn take(&mut self, id: NamespaceId) -> Option<Arc<Namespace>> {
        self.relations.remove(&id);
        let gone = self.by_id.remove(&id)?;
        self.by_name.remove(&gone.name);
        Some(gone)
    }

    pub(super) fn enter(&mut self, relation: &Relation) {
        self.relations.entry(relation.namespace).or_default().insert(relation.name.clone(), relation.id);
    }

    pub(super) fn leave(&mut self, relation: &Relation) {
        if let Some(names) = self.relations.get_mut(&relation.namespace) {
            names.remove(&relation.name);
        }
    }
}

impl Catalog {
    /// The namespaces of users, by id.
    pub fn namespaces(&self) -> impl Iterator<Item = &Arc<Namespace>> {
        self.namespaces.by_id.values()
    }

    /// The user's namespace of that id.
    pub fn namespace(&self, id: NamespaceId) -> Option<&Arc<Namespace>> {
        self.namespaces.by_id.get(&id)
    }

    /// The user's namespace of that name, if there is one.
    pub fn find_namespace(&self, name: &str) -> Option<&Arc<Namespace>> {
        self.namespaces.by_name.get(name).and_then(|id| self.namespace(*id))
    }

    /// The user's namespace of that name. Errors: 3F000 with the nearest name as a hint.
    pub fn get_namespace(&self, name: &str) -> Result<&Arc<Namespace>> {
        self.find_namespace(name).ok_or_else(|| {
            let error = Error::new(code::INVALID_SCHEMA_NAME, format!("schema \"{name}\" does not exist"));
            match nearest(name, self.namespaces().map(|n| n.name.as_str())) {
                Some(near) => error.hint(format!("Perhaps you meant the schema \"{near}\".")),
                None => error,
            }
        })
    }

    /// The name of a namespace, the system's and that of temporary tables included; empty for one that is not there.
    pub fn namespace_name(&self, id: NamespaceId) -> &str {
        let system = || SYSTEM_NAMESPACES.iter().find(|s| s.0 == id).map(|s| s.1);
        let temporary = || (id == TEMPORARY_NAMESPACE).then_some(TEMPORARY_NAME);
        self.namespace(id).map(|n| n.name.as_str()).or_else(system).or_else(temporary).unwrap_or_default()
    }

    /// The id of a namespace by its name, the system's and that of temporary tables included.
    pub fn namespace_id(&self, name: &str) -> Option<NamespaceId> {
        let system = || SYSTEM_NAMESPACES.iter().find(|s| s.1 == name).map(|s| s.0);
        let temporary = || (name == TEMPORARY_NAME).then_some(TEMPORARY_NAMESPACE);
        self.find_namespace(name).map(|n| n.id).or_else(system).or_else(temporary)
    }

    /// The relation of that name in a namespace.
    pub fn find_in(&self, namespace: NamespaceId, name: &str) -> Option<&Arc<Relation>> {
        self.namespaces.relations.get(&namespace).and_then(|names| names.get(name)).and_then(|id| self.by_id(*id))
    }

    /// The sequence of that name in a namespace.
    pub fn find_sequence_in(&self, namespace: NamespaceId, name: &str) -> Option<&Arc<Sequence>> {
        self.sequences.iter().find(|s| s.namespace == namespace && s.name == name)
    }

    /// The relations of a namespace, by name.
    pub fn relations_in(&self, namespace: NamespaceId) -> impl Iterator<Item = &Arc<Relation>> {
        self.namespaces.relations.get(&namespace).into_iter().flat_map(|names| names.values()).filter_map(|id| self.by_id(*id))
    }

    /// The relation of that name among those of ksqlDB's dialect and whatever that may read: they are in [`PUBLIC_NAMESPACE`].
    pub fn find_public(&self, name: &str) -> Option<&Arc<Relation>> {
        self.find_in(PUBLIC_NAMESPACE, name)
    }

    /// The same. Errors: 42P01 with the nearest name as a hint.
    pub fn get_public(&self, name: &str) -> Result<&Arc<Relation>> {
        self.find_public(name).ok_or_else(|| Scope::kept(Arc::new(self.clone())).missing(&Name::bare(name)))
    }

    /// The whole name of a relation.
    pub fn name_of(&self, relation: &Relation) -> Name {
        Name::qualified(self.namespace_name(relation.namespace), &relation.name)
    }

    /// The channel on which changes of a relation are told: its name, with the schema where that is not the first.
    pub fn channel_of(&self, relation: &Relation) -> String {
        match relation.namespace {
            PUBLIC_NAMESPACE => relation.name.clone(),
            _ => self.name_of(relation).to_string(),
        }
    }

    /// The whole name of a sequence.
    pub fn name_of_sequence(&self, sequence: &Sequence) -> Name {
        Name::qualified(self.namespace_name(sequence.namespace), &sequence.name)
    }
}

/// A catalog as a statement sees it: with the path along which names without a schema are looked up.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    pub catalog: Arc<Catalog>,
    pub path: Path,
}

impl Deref for Scope {
    type Target = Catalog;
    fn deref(&self) -> &Catalog {
        &self.catalog
    }
}

impl Scope {
    /// The catalog as texts see it that it keeps.
    pub fn kept(catalog: Arc<Catalog>) -> Scope {
        Scope { catalog, path: Path::kept() }
    }

    /// The namespaces in which a name is looked up.
    pub(super) fn places(&self, name: &Name) -> Vec<NamespaceId> {
        match &name.schema {
            Some(schema) => self.namespace_id(schema).into_iter().collect(),
            None => self.path.namespaces().to_vec(),
        }
    }

    /// The relation that a name means, if there is one.
    pub fn find(&self, name: &Name) -> Option<&Arc<Relation>> {
        match &name.schema {
            Some(schema) => self.find_in(self.namespace_id(schema)?, &name.name),
            None => self.path.namespaces().iter().find_map(|namespace| self.find_in(*namespace, &name.name)),
        }
    }

    /// The relation that a name means. Errors: 42P01, which says where there is one of the name, or what is near it.
    pub fn get(&self, name: &Name) -> Result<&Arc<Relation>> {
        self.find(name).ok_or_else(|| self.missing(name))
    }

    /// The same. Errors: 3F000 too, for a schema that does not exist.
    pub fn known(&self, name: &Name) -> Result<&Arc<Relation>> {
        self.check_schema(name)?;
        self.get(name)
    }

    /// The error of a name that means no relation.
    pub fn missing(&self, name: &Name) -> Error {
        let error = Error::new(code::UNDEFINED_TABLE, format!("relation \"{name}\" does not exist"));
        if let Some(schema) = name.schema.as_ref().filter(|schema| self.namespace_id(schema).is_none()) {
            let near = nearest(schema, self.namespaces().map(|n| n.name.as_str()));
            let near = near.map_or(String::new(), |near| format!(" Perhaps you meant \"{near}\"."));
            return error.hint(format!("There is no schema \"{schema}\".{near}"));
        }
        let elsewhere = self.relations().find(|r| r.name == name.name && r.namespace != TEMPORARY_NAMESPACE);
        if let Some(other) = elsewhere {
            let whole = self.name_of(other);
            let schema = whole.schema.as_deref().unwrap_or_default();
            let or = if name.schema.is_none() { ", or put the schema into search_path" } else { "" };
            return error.hint(format!("There is one in schema \"{schema}\": write {whole}{or}."));
        }
        let places = self.places(name);
        let near = places.iter().flat_map(|namespace| self.relations_in(*namespace)).map(|r| r.name.as_str());
        match nearest(&name.name, near) {
            Some(near) => error.hint(format!("Perhaps you meant \"{}\".", Name { name: near.to_string(), ..name.clone() })),
            None => error,
        }
    }

    /// Errors: 3F000 for a name with a schema that does not exist.
    pub fn check_schema(&self, name: &Name) -> Result<()> {
        match &name.schema {
            Some(schema) if self.namespace_id(schema).is_none() => self.get_namespace(schema).map(|_| ()),
            _ => Ok(()),
        }
    }

    /// The sequence that a name means, if there is one.
    pub fn sequence(&self, name: &Name) -> Option<&Arc<Sequence>> {
        self.places(name).into_iter().find_map(|namespace| self.find_sequence_in(namespace, &name.name))
    }

    /// The first thing that `in_namespace` finds along the path, or in the schema that the name has.
    pub fn look_up<T>(&self, name: &Name, in_namespace: impl Fn(NamespaceId) -> Option<T>) -> Option<T> {
        self.places(name).into_iter().find_map(in_namespace)
    }

    /// The namespace in which a relation of that name is created. Errors: 3F000 for one that does not exist, and where there is no
    /// schema on the path; 42501 for the system's; 0A000 for that of temporary tables.
    pub fn place_of(&self, name: &Name) -> Result<Arc<Namespace>> {
        let system = |schema: &str| {
            Error::new(code::INSUFFICIENT_PRIVILEGE, format!("permission denied for schema {schema}"))
                .detail("It holds the system's relations.")
        };
        let schema = match &name.schema {
            Some(schema) => schema.as_str(),
            None => {
                let first = self.path.namespaces().iter().find(|id| **id != TEMPORARY_NAMESPACE);
                let nowhere = || {
                    Error::new(code::INVALID_SCHEMA_NAME, "no schema has been selected to create in")
                        .hint("Name one, as in schema.name, or put one that exists into search_path.")
                };
                self.namespace_name(*first.ok_or_else(nowhere)?)
            }
        };
        if schema == TEMPORARY_NAME {
            return Err(Error::unsupported("only temporary tables are in schema pg_temp").hint("Write CREATE TEMPORARY TABLE name."));
        }
        if SYSTEM_NAMESPACES.iter().any(|s| s.1 == schema) {
            return Err(system(schema));
        }
        self.get_namespace(schema).cloned()
    }

    /// True if the thing of that name in that namespace is what the name means without a schema. `is_there` tells whether a namespace has one.
    pub(super) fn comes_first(&self, namespace: NamespaceId, is_there: impl Fn(NamespaceId) -> bool) -> bool {
        self.path.namespaces().iter().find(|id| **id == namespace || is_there(**id)) == Some(&namespace)
    }

    /// True if a name in a namespace, of a relation, sequence or index, needs no schema to be found.
    pub fn is_visible(&self, namespace: NamespaceId, name: &str) -> bool {
        self.comes_first(namespace, |id| self.find_in(id, name).is_some() || self.find_sequence_in(id, name).is_some())
    }

    /// The name of a relation, sequence or index, with its schema where it is not found without.
    pub fn shown(&self, namespace: NamespaceId, name: &str) -> Name {
        match self.is_visible(namespace, name) {
            true => Name::bare(name),
            false => Name::qualified(self.namespace_name(namespace), name),
        }
    }
}

/// What messages say of a relation: its kind, and its name, with its schema where that is not the first.
pub fn told(catalog: &Catalog, relation: &Relation) -> String {
    let name = match relation.namespace {
        PUBLIC_NAMESPACE => Name::bare(&relation.name),
        _ => catalog.name_of(relation),
    };
    format!("{} {name}", relation.kind.word())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Change, RelationKind};

    /// `public.t`, `a.t` and `b.u`.
    fn catalog() -> Arc<Catalog> {
        let mut catalog = Catalog::default();
        for (id, name) in [(20_000, "a"), (20_001, "b")] {
            catalog = catalog.apply(&Change::PutSchema(Namespace { id, name: name.into(), owner: BOOTSTRAP })).unwrap();
        }
        for (id, namespace, name) in [(20_002, PUBLIC_NAMESPACE, "t"), (20_003, 20_000, "t"), (20_004, 20_001, "u")] {
            let relation = Relation { namespace, ..Relation::new(id, name.into(), RelationKind::Table, vec![], String::new()) };
            catalog = catalog.apply(&Change::Create(relation)).unwrap();
        }
        Arc::new(catalog)
    }

    #[test]
    fn a_name_without_a_schema_is_looked_up_along_the_path() {
        let scope = |path: &[NamespaceId]| Scope { catalog: catalog(), path: Path::of(path.to_vec()) };
        let found = |path: &[NamespaceId], name: Name| scope(path).find(&name).map(|r| r.id);
        assert_eq!(found(&[PUBLIC_NAMESPACE, 20_000], Name::bare("t")), Some(20_002));
        assert_eq!(found(&[20_001, 20_000, PUBLIC_NAMESPACE], Name::bare("t")), Some(20_003));
        assert_eq!(found(&[PUBLIC_NAMESPACE], Name::qualified("a", "t")), Some(20_003));
        assert_eq!(found(&[PUBLIC_NAMESPACE], Name::bare("u")), None);
        assert!(scope(&[20_000]).is_visible(20_000, "t") && !scope(&[PUBLIC_NAMESPACE, 20_000]).is_visible(20_000, "t"));
        assert_eq!(scope(&[]).shown(20_001, "u").to_string(), "b.u");
    }

    #[test]
    fn what_is_not_found_is_hinted_at() {
        let scope = Scope::kept(catalog());
        let hint = |name: Name| scope.get(&name).unwrap_err().fields().hint.clone().unwrap();
        assert!(hint(Name::bare("u")).contains("write b.u"), "{}", hint(Name::bare("u")));
        assert!(hint(Name::qualified("publik", "t")).contains("\"public\""));
        assert_eq!(scope.place_of(&Name::qualified("pg_catalog", "x")).unwrap_err().code(), code::INSUFFICIENT_PRIVILEGE);
        let nowhere = Scope { path: Path::of(vec![]), ..scope.clone() };
        assert_eq!(nowhere.place_of(&Name::bare("x")).unwrap_err().code(), code::INVALID_SCHEMA_NAME);
    }

    #[test]
    fn a_relation_without_a_namespace_is_of_public() {
        let old = r#"{"Create":{"id":20005,"name":"w","kind":"Table","columns":[],"key":[],"sql":"","depends_on":[]}}"#;
        let change: Change = serde_json::from_str(old).unwrap();
        let Change::Create(relation) = &change else { panic!("not a relation") };
        assert_eq!(relation.namespace, PUBLIC_NAMESPACE);
        assert!(!serde_json::to_string(&change).unwrap().contains("namespace"));
    }
}
