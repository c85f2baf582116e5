//! Variables, parameters and answers of composite types: a variable holds the attributes as a row of a relation is held, a call gives a
//! parameter one value, and the answer has a column for each attribute.

use std::sync::Arc;

use super::Cell;
use super::frame::Holds;
use crate::catalog::{Answers, Catalog, Function, Name, UserType};
use crate::data::PgType;
use crate::data::decode::split_row;
use crate::engine::session::Session;
use crate::error::Result;
use crate::sql::plpgsql::TypeName;
use crate::sql::respell::read_name;
use crate::sql::statement::SqlType;

impl Session {
    /// The composite type that a declaration names.
    pub(super) fn composite_named(&self, ty: &TypeName) -> Option<Arc<UserType>> {
        let scope = self.scope();
        let found = match ty {
            TypeName::Row(name) => scope.find_type(name),
            TypeName::Named(SqlType::Named(named)) if !named.array => scope.find_type(&named.name),
            TypeName::Named(SqlType::Known(PgType::Composite(of))) => scope.user_type(of.id()),
            _ => None,
        };
        found.filter(|ty| ty.attributes().is_some()).cloned()
    }

    /// The same as the type of a value.
    pub(super) fn composite_value(&self, ty: &TypeName) -> Option<PgType> {
        let id = self.composite_named(ty)?.id;
        self.catalog().type_of_oid(id)
    }

    /// What a variable of that type holds at first.
    pub(super) fn composite_row(&self, ty: &TypeName) -> Option<Holds> {
        let PgType::Composite(of) = self.composite_value(ty)? else { return None };
        Some(Holds::row(of.attributes().iter().map(|a| (a.name.clone(), a.ty.clone())).collect()))
    }

    /// The composite type by whose rows a function answers, by its whole name.
    pub(super) fn composite_answer(&self, ty: &TypeName) -> Option<String> {
        let ty = self.composite_named(ty)?;
        Some(self.catalog().name_of_type(&ty).in_sql())
    }
}

/// True for the value of a row.
pub(super) fn is_row(cell: &Cell) -> bool {
    matches!(cell.ty, PgType::Composite(_) | PgType::Record)
}

/// The fields of the value of a row as values of so many columns; `None` for NULL. Errors: 22P02 for another number of them.
pub(super) fn fields_of(cell: Cell, columns: &[(String, PgType)]) -> Result<Option<Vec<Cell>>> {
    let Some(text) = cell.text else { return Ok(None) };
    let texts = split_row(&text, columns.len())?;
    Ok(Some(columns.iter().zip(texts).map(|((_, ty), text)| Cell { ty: ty.clone(), text }).collect()))
}

/// True if a function answers by rows of a composite type.
pub(in crate::engine) fn answers_rows_of(catalog: &Catalog, function: &Function, ty: &UserType) -> bool {
    let whole: Name = catalog.name_of_type(ty);
    matches!(&function.answers, Answers::Row(name) if read_name(name).is_some_and(|name| name == whole)) && ty.attributes().is_some()
}
