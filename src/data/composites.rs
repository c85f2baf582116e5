//! Composite types: rows whose attributes a user has listed (manual, chapter 8.16).
//!
//! A value is an Arrow struct, each child of which notes in its metadata which attribute of which type it is ([`ATTRIBUTE_KEY`]). The
//! metadata of children is part of a struct's data type, so it goes wherever the values go, as the metadata of a column does not; and a
//! child that is taken out of its row, note and all, makes no row by itself. From the Arrow type comes all of a type but its name, which
//! [`Enums::complete`](super::Enums::complete) gives it. What the catalog keeps of a column names the attributes too
//! ([`CompositeType::kept_name`]): a type that something is of keeps its attributes.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields};

use super::PgType;

/// Key in the metadata of a struct's child: the type's id, the place of the attribute, and how many there are.
pub const ATTRIBUTE_KEY: &str = "pg.attribute";
/// What stands before the id in the name of the type as the catalog keeps it.
const PREFIX: &str = "composite ";

/// A type of rows: the id says which it is.
#[derive(Clone, Debug)]
pub struct CompositeType {
    id: u32,
    /// Nothing if it was made from an Arrow type.
    name: Option<Arc<str>>,
    attributes: Arc<[Attribute]>,
}

/// What a row of the type has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attribute {
    pub name: String,
    pub ty: PgType,
}

impl PartialEq for CompositeType {
    fn eq(&self, other: &CompositeType) -> bool {
        self.id == other.id && self.attributes == other.attributes
    }
}

impl Eq for CompositeType {}

impl Hash for CompositeType {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
        self.attributes.hash(state);
    }
}

impl CompositeType {
    /// A type without the name that messages have for it.
    pub fn new(id: u32, attributes: impl IntoIterator<Item = Attribute>) -> CompositeType {
        CompositeType { id, name: None, attributes: attributes.into_iter().collect() }
    }

    /// The same type, under the name that messages have for it.
    pub fn named(self, name: &str) -> CompositeType {
        CompositeType { name: Some(name.into()), ..self }
    }

    /// The type that the children of a struct are of.
    pub fn of_fields(fields: &Fields) -> Option<CompositeType> {
        let note = fields.first()?.metadata().get(ATTRIBUTE_KEY)?;
        let id = note.split(' ').next()?.parse().ok()?;
        let fits = |(i, field): (usize, &Arc<Field>)| field.metadata().get(ATTRIBUTE_KEY) == Some(&noted(id, i, fields.len()));
        let attribute = |field: &Arc<Field>| Attribute { name: field.name().clone(), ty: PgType::of(field) };
        fields.iter().enumerate().all(fits).then(|| CompositeType::new(id, fields.iter().map(attribute)))
    }

    /// The children of a struct of its values.
    pub fn fields(&self) -> Fields {
        let field = |(i, attribute): (usize, &Attribute)| {
            let field = attribute.ty.field(&attribute.name, true);
            let mut metadata: HashMap<String, String> = field.metadata().clone();
            metadata.insert(ATTRIBUTE_KEY.to_string(), noted(self.id, i, self.attributes.len()));
            field.with_metadata(metadata)
        };
        self.attributes.iter().enumerate().map(field).collect()
    }

    /// The Arrow type of its values.
    pub fn arrow(&self) -> DataType {
        DataType::Struct(self.fields())
    }

    /// Its object id.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Its attributes, of which there is one at least.
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// Its name for messages.
    pub fn name(&self) -> String {
        self.name.as_ref().map_or_else(|| short_name(self.id), |name| name.to_string())
    }

    /// The name by which the catalog keeps the type of a column: all of it, for a fold of the catalog asks nothing else.
    pub fn kept_name(&self) -> String {
        let attributes: Vec<[String; 2]> = self.attributes.iter().map(|a| [a.name.clone(), a.ty.kept_name()]).collect();
        // There is nothing in a list of strings that JSON could not have.
        format!("{} ({})", short_name(self.id), serde_json::to_string(&attributes).unwrap_or_default())
    }

    /// The type that [`CompositeType::kept_name`] names.
    pub fn of_kept_name(name: &str) -> Option<CompositeType> {
        let (id, rest) = name.strip_prefix(PREFIX)?.split_once(' ')?;
        let attributes: Vec<[String; 2]> = serde_json::from_str(rest.strip_prefix('(')?.strip_suffix(')')?).ok()?;
        let attribute = |[name, ty]: [String; 2]| Some(Attribute { name, ty: PgType::parse_kept(&ty).ok()? });
        let attributes = attributes.into_iter().map(attribute).collect::<Option<Vec<_>>>()?;
        Some(CompositeType::new(id.parse().ok()?, attributes))
    }

    /// The type with the attributes' types made anew.
    pub fn with_types(&self, mut of: impl FnMut(PgType) -> PgType) -> CompositeType {
        let attribute = |a: &Attribute| Attribute { name: a.name.clone(), ty: of(a.ty.clone()) };
        CompositeType { attributes: self.attributes.iter().map(attribute).collect(), ..self.clone() }
    }
}

/// The name of a type in texts that the catalog keeps, where only the id counts.
pub fn short_name(id: u32) -> String {
    format!("{PREFIX}{id}")
}

/// The id in either name that the catalog has for a type.
pub fn id_kept_as(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split(' ').next()?.parse().ok()
}

/// True for what may be a name that the catalog has for a type.
pub fn is_kept_name(name: &str) -> bool {
    name.starts_with(PREFIX)
}

fn noted(id: u32, place: usize, count: usize) -> String {
    format!("{id} {place} {count}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_keeps_its_identity_through_field_arrow_type_and_name() {
        let attribute = |name: &str, ty: PgType| Attribute { name: name.to_string(), ty };
        let inner = CompositeType::new(7, [attribute("A \"b\"", PgType::Varchar(Some(3))), attribute("n", PgType::Numeric(Some((5, 2))))]);
        let items = PgType::Array(Box::new(PgType::Composite(inner.clone())));
        let outer = CompositeType::new(8, [attribute("x", PgType::Composite(inner)), attribute("y", items), attribute("z", PgType::Json)]);
        let outer = PgType::Composite(outer);
        for ty in [outer.clone(), PgType::Array(Box::new(outer))] {
            assert_eq!(PgType::of(&ty.field("c", true)), ty);
            assert_eq!(PgType::of_arrow(&ty.arrow()), ty);
            assert_eq!(PgType::parse_kept(&ty.kept_name()).unwrap(), ty);
            assert_eq!(PgType::parse(&ty.kept_name()).unwrap(), ty);
        }
        assert!(PgType::parse(&short_name(7)).is_err());
    }

    #[test]
    fn an_attribute_that_was_taken_out_of_its_row_makes_no_row() {
        let ty = CompositeType::new(7, ["a", "b"].map(|name| Attribute { name: name.to_string(), ty: PgType::Int4 }));
        let alone: Fields = ty.fields().iter().take(1).cloned().collect();
        assert_eq!(CompositeType::of_fields(&alone), None);
    }
}
