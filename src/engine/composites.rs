//! CREATE TYPE .. AS (attributes) and ALTER TYPE .. ATTRIBUTE: definitions like any other, in the transaction that is open.
//!
//! Rows are kept as they were when they were written, so the attributes of a type change only while nothing is of it and nothing names it:
//! PostgreSQL refuses the same, but for RENAME ATTRIBUTE and for what is no table's column.

use super::session::Session;
use super::types::{check_free, named_in, views_over};
use crate::catalog::{Catalog, Change, Column, Name, TypeKind, UserType};
use crate::data::PgType;
use crate::error::{Error, Result, code};
use crate::limits;
use crate::sql::statement::{AttributeChange, NewAttribute};

impl Session {
    /// CREATE TYPE .. AS (..). Errors: 42710, 42701, 42704, 3F000, 42501, 54000; 0A000 for attributes of types that a row cannot have.
    pub(super) async fn create_composite(&mut self, name: &Name, attributes: &[NewAttribute]) -> Result<()> {
        let catalog = self.define().await?;
        let namespace = self.scope().place_of(name)?.id;
        self.may_create_in(namespace)?;
        check_free(&catalog, namespace, &name.name)?;
        let mut columns: Vec<Column> = Vec::with_capacity(attributes.len());
        for attribute in attributes {
            let column = self.attribute(attribute)?;
            if columns.iter().any(|c| c.name == column.name) {
                return Err(Error::new(code::DUPLICATE_COLUMN, format!("column \"{}\" specified more than once", column.name)));
            }
            columns.push(column);
        }
        check_size(&name.name, &columns)?;
        let (id, name, owner, what) = (self.engine.new_id(), name.name.clone(), self.role(), TypeKind::Composite(columns));
        self.stage(Change::PutUserType(UserType { id, name, namespace, owner, what, comment: None }), vec![])
    }

    /// An attribute with its type. Errors: 42704, 3F000; 0A000 for a domain or an enumeration.
    fn attribute(&self, attribute: &NewAttribute) -> Result<Column> {
        let mut column = attribute.column.clone();
        if let Some(named) = &attribute.named {
            self.settle_types(std::slice::from_mut(&mut column), &[(0, named.clone())])?;
        }
        let kind = match (column.domain, column.ty.is_of_enum()) {
            (Some(_), _) => "a domain",
            (None, true) => "an enumeration",
            (None, false) => return Ok(column),
        };
        Err(Error::unsupported(format!("an attribute of {kind} is not supported: \"{}\"", column.name))
            .hint("Use the type beneath, or text, and a CHECK on the table's column."))
    }

    /// A type with its attributes changed. Errors: 42809 for one that has none, 0A000 while something uses it, 42703, 42701, 54000.
    pub(super) fn with_attributes(&mut self, ty: UserType, changes: &[AttributeChange]) -> Result<UserType> {
        let none = || Error::new(code::WRONG_OBJECT_TYPE, format!("\"{}\" is not a composite type", ty.name));
        let mut attributes = ty.attributes().ok_or_else(none)?.to_vec();
        check_unused(&self.catalog(), &ty)?;
        for change in changes {
            self.change_attribute(&ty.name, &mut attributes, change)?;
        }
        if attributes.is_empty() {
            return Err(Error::unsupported("a composite type without attributes is not supported").hint("DROP TYPE drops all of it."));
        }
        check_size(&ty.name, &attributes)?;
        Ok(UserType { what: TypeKind::Composite(attributes), ..ty })
    }

    fn change_attribute(&mut self, ty: &str, attributes: &mut Vec<Column>, change: &AttributeChange) -> Result<()> {
        let place = |all: &[Column], name: &str| all.iter().position(|c| c.name == name);
        let absent = |message: String| Error::new(code::UNDEFINED_COLUMN, message);
        let taken = |name: &str| Error::new(code::DUPLICATE_COLUMN, format!("column \"{name}\" of relation \"{ty}\" already exists"));
        match change {
            AttributeChange::Add(new) => {
                let column = self.attribute(new)?;
                if place(attributes, &column.name).is_some() {
                    return Err(taken(&column.name));
                }
                attributes.push(column);
            }
            AttributeChange::Retype(new) => {
                let column = self.attribute(new)?;
                let missing = || absent(format!("column \"{}\" of relation \"{ty}\" does not exist", column.name));
                let at = place(attributes, &column.name).ok_or_else(missing)?;
                attributes[at] = column;
            }
            AttributeChange::Drop { name, if_exists } => {
                let missing = format!("column \"{name}\" of relation \"{ty}\" does not exist");
                match place(attributes, name) {
                    Some(at) => drop(attributes.remove(at)),
                    None if *if_exists => self.notice("NOTICE", Error::new(code::SUCCESS, format!("{missing}, skipping"))),
                    None => return Err(absent(missing)),
                }
            }
            AttributeChange::Rename { from, to } => {
                let at = place(attributes, from).ok_or_else(|| absent(format!("column \"{from}\" does not exist")))?;
                if place(attributes, to).is_some() {
                    return Err(taken(to));
                }
                attributes[at].name = to.clone();
            }
        }
        Ok(())
    }
}

/// The type of a column holds all that there is in it, down to what is no row, and is kept with each of them. Errors: 54000 for too much of that.
fn check_size(name: &str, attributes: &[Column]) -> Result<()> {
    let (count, depth) = attributes.iter().map(|a| extent(&a.ty)).fold((0, 0), |all, one| (all.0 + one.0, all.1.max(one.1)));
    if count <= limits::COLUMNS_MAX && depth < limits::COMPOSITE_DEPTH_MAX {
        return Ok(());
    }
    let (attributes, deep) = (limits::COLUMNS_MAX, limits::COMPOSITE_DEPTH_MAX);
    let message = format!("composite type \"{name}\" is too large");
    Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, message)
        .detail(format!("With what is in its attributes it may have {attributes} of them, nested {deep} deep."))
        .hint("Keep what is further in as jsonb."))
}

/// How many attributes a type comes to, itself if it has none, and how many composite types are within one another.
fn extent(ty: &PgType) -> (usize, usize) {
    match ty {
        PgType::Array(item) => extent(item),
        PgType::Composite(of) => {
            let parts = of.attributes().iter().map(|attribute| extent(&attribute.ty));
            let (count, depth) = parts.fold((0, 0), |all, one| (all.0 + one.0, all.1.max(one.1)));
            (count, depth + 1)
        }
        _ => (1, 0),
    }
}

/// Errors: 0A000 for a type that something is of or names.
fn check_unused(catalog: &Catalog, ty: &UserType) -> Result<()> {
    let column = catalog.columns_of_type(ty.id).next().map(|(r, c)| format!("column \"{}.{}\"", r.name, c.name));
    let named = || named_in(catalog, ty.id, &[]).into_iter().next();
    let view = || views_over(catalog, ty.id).first().map(|view| format!("view \"{}\"", view.name));
    match column.or_else(named).or_else(view) {
        Some(user) => Err(Error::unsupported(format!("cannot alter type \"{}\" because {user} uses it", ty.name))
            .hint("Create another type, and ALTER what uses this one to that.")),
        None => Ok(()),
    }
}
