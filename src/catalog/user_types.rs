//! Types of users: enumerations, composite types and domains.
//!
//! A column of an enumeration or a composite type has that for its type; one of a domain has the type that the domain is over, and names the domain
//! ([`Column::domain`](super::Column)), so that queries never meet one.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Catalog, Column, Function, Indexed, Name, NamespaceId, PUBLIC_NAMESPACE, Relation, RoleId, Scope};
use crate::data::composites::{id_kept_as, short_name};
use crate::data::enums::Label;
use crate::data::{Attribute, CompositeType, EnumType, Enums, PgType};
use crate::error::{Error, Result, code};

/// Number of a type of a user; its pg_type oid too. From the same numbers as those of relations.
pub type TypeId = u32;

/// A type of a user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserType {
    pub id: TypeId,
    pub name: String,
    /// The schema that it is in, as of a relation.
    #[serde(default = "super::public", skip_serializing_if = "super::is_public")]
    pub namespace: NamespaceId,
    #[serde(default = "super::bootstrap", skip_serializing_if = "super::is_bootstrap")]
    pub owner: RoleId,
    pub what: TypeKind,
    /// What COMMENT ON TYPE says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// What a type of a user is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TypeKind {
    /// Labels, by rank.
    Enum(Vec<Label>),
    Domain(Domain),
    /// The attributes of a row.
    Composite(Vec<Column>),
}

/// A type whose values are those of another that satisfy conditions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Domain {
    #[serde(with = "super::type_by_name")]
    pub base: PgType,
    pub not_null: bool,
    /// What columns of it have for a default if they are given none, as SQL text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<DomainCheck>,
}

impl Domain {
    /// The texts of its definition.
    pub fn texts(&self) -> impl Iterator<Item = &String> {
        self.default.iter().chain(self.checks.iter().map(|check| &check.sql))
    }
}

/// A named condition about VALUE.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DomainCheck {
    /// From the same numbers as those of relations.
    pub id: u32,
    pub name: String,
    /// As SQL text.
    pub sql: String,
}

/// What stands before the id of a domain in the name by which the catalog keeps it.
const DOMAIN: &str = "domain ";

impl UserType {
    /// The labels of an enumeration, by rank.
    pub fn labels(&self) -> Option<&[Label]> {
        match &self.what {
            TypeKind::Enum(labels) => Some(labels),
            TypeKind::Domain(_) | TypeKind::Composite(_) => None,
        }
    }

    /// The attributes of a composite type.
    pub fn attributes(&self) -> Option<&[Column]> {
        match &self.what {
            TypeKind::Composite(attributes) => Some(attributes),
            TypeKind::Enum(_) | TypeKind::Domain(_) => None,
        }
    }

    /// The conditions of a domain.
    pub fn checks(&self) -> &[DomainCheck] {
        match &self.what {
            TypeKind::Enum(_) | TypeKind::Composite(_) => &[],
            TypeKind::Domain(domain) => &domain.checks,
        }
    }

    /// The name of the type in texts that the catalog keeps, whatever it is called.
    pub fn kept_name(&self) -> String {
        match &self.what {
            TypeKind::Enum(_) => EnumType::bare(self.id).kept_name(),
            TypeKind::Domain(_) => format!("{DOMAIN}{}", self.id),
            TypeKind::Composite(_) => short_name(self.id),
        }
    }

    /// The name by which a query that is planned names the type: it tells all that the planner, which has no catalog, needs.
    pub fn planned_name(&self) -> String {
        self.composite().map_or_else(|| self.kept_name(), |ty| ty.kept_name())
    }

    /// The type of its values, if it is composite.
    pub fn composite(&self) -> Option<CompositeType> {
        let attribute = |column: &Column| Attribute { name: column.name.clone(), ty: column.ty.clone() };
        Some(CompositeType::new(self.id, self.attributes()?.iter().map(attribute)))
    }
}

/// All types of users.
#[derive(Clone, Debug, Default)]
pub(super) struct UserTypes {
    by_id: BTreeMap<TypeId, Arc<UserType>>,
    enums: Enums,
}

impl Catalog {
    /// What a column has for a default: its own, or that of its domain.
    pub fn default_of<'a>(&'a self, column: &'a Column) -> Option<&'a str> {
        let domain = || match &self.user_type(column.domain?)?.what {
            TypeKind::Domain(domain) => domain.default.as_deref(),
            TypeKind::Enum(_) | TypeKind::Composite(_) => None,
        };
        column.default.as_deref().or_else(domain)
    }

    /// The types of users, by id.
    pub fn user_types(&self) -> impl Iterator<Item = &Arc<UserType>> {
        self.user_types.by_id.values()
    }

    /// The domains among them.
    pub fn domains(&self) -> impl Iterator<Item = (&Arc<UserType>, &Domain)> {
        self.user_types().filter_map(|ty| match &ty.what {
            TypeKind::Domain(domain) => Some((ty, domain)),
            TypeKind::Enum(_) | TypeKind::Composite(_) => None,
        })
    }

    /// The user's type of that id.
    pub fn user_type(&self, id: TypeId) -> Option<&Arc<UserType>> {
        self.user_types.by_id.get(&id)
    }

    /// The user's type of that name in a namespace.
    pub fn find_type_in(&self, namespace: NamespaceId, name: &str) -> Option<&Arc<UserType>> {
        self.user_types().find(|t| t.namespace == namespace && t.name == name)
    }

    /// The user's type that [`UserType::kept_name`] names.
    pub fn type_kept_as(&self, name: &str) -> Option<&Arc<UserType>> {
        let domain = || name.strip_prefix(DOMAIN)?.parse().ok();
        self.user_type(EnumType::of_kept_name(name).map(|ty| ty.id()).or_else(|| id_kept_as(name)).or_else(domain)?)
    }

    /// The labels of all enumerations, and the names of all composite types.
    pub fn enums(&self) -> &Enums {
        &self.user_types.enums
    }

    /// The type of an object id, those of users included.
    pub fn type_of_oid(&self, oid: u32) -> Option<PgType> {
        let of_user = |id: u32| match &self.user_type(id)?.what {
            TypeKind::Enum(_) => self.enums().get(id).cloned().map(PgType::Enum),
            TypeKind::Domain(domain) => Some(self.enums().complete(domain.base.clone())),
            TypeKind::Composite(_) => Some(self.enums().complete(PgType::Composite(self.user_type(id)?.composite()?))),
        };
        let array = || of_user(oid.checked_sub(crate::data::enums::ARRAY_OF)?).map(|item| PgType::Array(Box::new(item)));
        PgType::from_oid(oid).or_else(|| of_user(oid)).or_else(array)
    }

    /// The whole name of a type of a user.
    pub fn name_of_type(&self, ty: &UserType) -> Name {
        Name::qualified(self.namespace_name(ty.namespace), &ty.name)
    }

    /// The relations with columns of a type, and those columns.
    pub fn columns_of_type(&self, id: TypeId) -> impl Iterator<Item = (&Arc<Relation>, &super::Column)> {
        self.relations().flat_map(move |r| r.columns.iter().filter(move |c| c.is_of(id)).map(move |c| (r, c)))
    }

    pub(super) fn put_user_type(&mut self, ty: &UserType) {
        self.next = self.next.max(ty.id + 1);
        self.user_types.by_id.insert(ty.id, Arc::new(ty.clone()));
        self.name_values(ty.id);
    }

    pub(super) fn take_user_type(&mut self, id: TypeId) -> Result<()> {
        let unknown = || Error::new(code::DATA_CORRUPTED, format!("_catalog names the unknown type {id}"));
        self.user_types.by_id.remove(&id).ok_or_else(unknown)?;
        self.user_types.enums.take(id);
        Ok(())
    }

    /// The types of a schema that was renamed are called otherwise now.
    pub(super) fn rename_types_in(&mut self, namespace: NamespaceId) {
        let inside: Vec<TypeId> = self.user_types().filter(|t| t.namespace == namespace).map(|t| t.id).collect();
        inside.into_iter().for_each(|id| self.name_values(id));
    }

    /// Gives an enumeration the name and the labels that it has now, a composite type its name, and so to the columns of it.
    fn name_values(&mut self, id: TypeId) {
        let Some(ty) = self.user_type(id).cloned() else { return };
        if let TypeKind::Domain(domain) = &ty.what {
            self.next = domain.checks.iter().map(|c| c.id + 1).fold(self.next, u32::max);
        }
        let told = match ty.namespace {
            PUBLIC_NAMESPACE => Name::bare(&ty.name),
            _ => self.name_of_type(&ty),
        };
        match &ty.what {
            TypeKind::Domain(_) => return,
            TypeKind::Composite(_) => self.user_types.enums.name_composite(id, told.to_string()),
            TypeKind::Enum(labels) => {
                self.next = labels.iter().map(|l| l.id + 1).fold(self.next, u32::max);
                self.user_types.enums.put(EnumType::new(id, told.to_string(), labels.to_vec()));
            }
        }
        let with_it: Vec<Arc<Relation>> = self.columns_of_type(id).map(|(r, _)| r.clone()).collect();
        for relation in with_it {
            self.create(relation.as_ref().clone());
        }
        let names_it = |f: &&Arc<Function>| f.inputs.iter().chain(&f.outputs).any(|column| column.is_of(id));
        let functions: Vec<Arc<Function>> = self.functions().filter(names_it).cloned().collect();
        functions.iter().for_each(|function| self.put_function(function));
    }

    /// Columns of enumerations know their labels, those of composite types the names of these.
    pub(super) fn complete(&self, relation: &mut Relation) {
        for column in relation.columns.iter_mut().filter(|c| c.ty.is_of_user()) {
            column.ty = self.enums().complete(column.ty.clone());
        }
        for key in relation.indexes.iter_mut().flat_map(|index| &mut index.keys) {
            if let Indexed::Expression { ty, .. } = &mut key.of
                && ty.is_of_user()
            {
                *ty = self.enums().complete(ty.clone());
            }
        }
    }
}

impl Scope {
    /// The user's type that a name means, if there is one.
    pub fn find_type(&self, name: &Name) -> Option<&Arc<UserType>> {
        self.look_up(name, |namespace| self.find_type_in(namespace, &name.name).map(|t| t.id)).and_then(|id| self.user_type(id))
    }

    /// The same. Errors: 3F000, 42704.
    pub fn get_type(&self, name: &Name) -> Result<&Arc<UserType>> {
        self.check_schema(name)?;
        self.find_type(name).ok_or_else(|| Error::new(code::UNDEFINED_OBJECT, format!("type \"{name}\" does not exist")))
    }

    /// The name of a type, with its schema where it is not found without.
    pub fn shown_type(&self, ty: &UserType) -> Name {
        match self.comes_first(ty.namespace, |id| self.find_type_in(id, &ty.name).is_some()) {
            true => Name::bare(&ty.name),
            false => self.name_of_type(ty),
        }
    }
}
