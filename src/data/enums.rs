//! Enumerations: types whose values are labels that a user has listed (manual, chapter 8.7).
//!
//! A value is kept as the *rank* of its label: a number that the label gets when it is added and never loses, and whose order is that of
//! the definition. Ranks are given far apart, so that ADD VALUE .. BEFORE finds one in between. So RENAME VALUE and ADD VALUE change
//! nothing but the catalog: the log, which is not rewritten, stays right; and comparisons, ORDER BY, min and max, keys, and statistics of
//! segments are those of a 64-bit integer. Labels are looked up where a value becomes text and where text becomes a value. (The
//! label's text would have to be translated as of the position of every event after a rename, and its order looked up in every
//! comparison; an id of the label, as PostgreSQL keeps it, leaves the order to be looked up too.)
//!
//! In Arrow the type is a timestamp whose time zone is `enum 16400`: the type's id. DataFusion drops the metadata of fields in CASE,
//! COALESCE, set operations and aggregates, and knows no types of users; but the zone, the only parameter of a flat type that is free
//! text, is part of the data type and goes wherever the values go. Whatever was not taught about enumerations stumbles over such a
//! zone, rather than take the rank for something else.
//!
//! From the Arrow type alone comes the id of a type ([`EnumType::bare`]); [`Enums::complete`] gives it its name and labels.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringViewArray};
use arrow::datatypes::{DataType, TimeUnit, TimestampSecondType};
use serde::{Deserialize, Serialize};

use super::PgType;
use super::composites::short_name;
use crate::error::{Error, Result, code};

/// What stands before the id in the zone, and in the name of the type as the catalog keeps it.
const PREFIX: &str = "enum ";
/// Between the ranks of neighbours: 2^14 labels may be appended, and between two of them one put 48 times over in the least lucky order.
const STEP: i64 = 1 << 48;
/// Added to the object id of a type, for that of its array.
pub const ARRAY_OF: u32 = (1 << 29) + (1 << 28);

/// A label of an enumeration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Label {
    /// Its oid in pg_enum.
    pub id: u32,
    pub rank: i64,
    pub name: String,
}

/// Where a label is added.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    Last,
    Before(String),
    After(String),
}

/// An enumeration: the id says which it is.
#[derive(Clone, Debug)]
pub struct EnumType {
    id: u32,
    /// Nothing if it was made from an Arrow type.
    definition: Option<Arc<Definition>>,
}

#[derive(Debug)]
struct Definition {
    name: String,
    /// By rank.
    labels: Vec<Label>,
}

impl PartialEq for EnumType {
    fn eq(&self, other: &EnumType) -> bool {
        self.id == other.id
    }
}

impl Eq for EnumType {}

impl Hash for EnumType {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl EnumType {
    /// With the name that messages have for it, and its labels by rank.
    pub fn new(id: u32, name: String, labels: Vec<Label>) -> EnumType {
        EnumType { id, definition: Some(Arc::new(Definition { name, labels })) }
    }

    /// The type of that id, whatever its labels.
    pub fn bare(id: u32) -> EnumType {
        EnumType { id, definition: None }
    }

    /// The type that an Arrow type stands for, without its labels.
    pub fn of_arrow(data_type: &DataType) -> Option<EnumType> {
        match data_type {
            DataType::Timestamp(TimeUnit::Second, Some(zone)) => EnumType::of_kept_name(zone),
            _ => None,
        }
    }

    /// The type that [`EnumType::kept_name`] names.
    pub fn of_kept_name(name: &str) -> Option<EnumType> {
        name.strip_prefix(PREFIX)?.parse().ok().map(EnumType::bare)
    }

    /// The name by which the catalog keeps it.
    pub fn kept_name(&self) -> String {
        format!("{PREFIX}{}", self.id)
    }

    /// The Arrow type of its ranks.
    pub fn arrow(&self) -> DataType {
        DataType::Timestamp(TimeUnit::Second, Some(self.kept_name().into()))
    }

    /// Its object id.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Its name for messages.
    pub fn name(&self) -> String {
        self.definition.as_ref().map_or_else(|| self.kept_name(), |d| d.name.clone())
    }

    /// Its labels, by rank.
    pub fn labels(&self) -> &[Label] {
        self.definition.as_ref().map_or(&[], |d| &d.labels)
    }

    /// The rank of a label. Errors: 22P02 if there is no such label.
    pub fn rank(&self, label: &str) -> Result<i64> {
        let found = self.labels().iter().find(|l| l.name == label);
        found.map(|l| l.rank).ok_or_else(|| {
            Error::new(code::INVALID_TEXT_REPRESENTATION, format!("invalid input value for enum {}: \"{label}\"", self.name()))
        })
    }

    /// The label of a value. Errors: XX000 for a value of another type.
    pub fn label(&self, rank: i64) -> Result<&str> {
        let labels = self.labels();
        let found = labels.binary_search_by_key(&rank, |l| l.rank).ok().map(|i| labels[i].name.as_str());
        found.ok_or_else(|| Error::internal(format!("a value of enum {} has no label", self.name())))
    }

    /// The labels of an array of its values.
    pub fn texts(&self, values: &ArrayRef) -> Result<StringViewArray> {
        let text = |rank: Option<i64>| rank.map(|rank| self.label(rank)).transpose();
        values.as_primitive::<TimestampSecondType>().iter().map(text).collect()
    }
}

/// What a value's Arrow type does not tell of its type: the names and labels of all enumerations, and the names of all composite types.
#[derive(Clone, Debug, Default)]
pub struct Enums {
    by_id: Arc<BTreeMap<u32, EnumType>>,
    composites: Arc<BTreeMap<u32, String>>,
}

impl Enums {
    /// True if these are the very ones of another catalog.
    pub fn is(&self, other: &Enums) -> bool {
        Arc::ptr_eq(&self.by_id, &other.by_id) && Arc::ptr_eq(&self.composites, &other.composites)
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty() && self.composites.is_empty()
    }

    /// The type of that id.
    pub fn get(&self, id: u32) -> Option<&EnumType> {
        self.by_id.get(&id)
    }

    /// Puts a type in, or in the place of the one of its id.
    pub fn put(&mut self, ty: EnumType) {
        Arc::make_mut(&mut self.by_id).insert(ty.id, ty);
    }

    /// Names a composite type.
    pub fn name_composite(&mut self, id: u32, name: String) {
        Arc::make_mut(&mut self.composites).insert(id, name);
    }

    /// Takes a type away.
    pub fn take(&mut self, id: u32) {
        Arc::make_mut(&mut self.by_id).remove(&id);
        Arc::make_mut(&mut self.composites).remove(&id);
    }

    /// A message in which types are called by their names: DataFusion knows their Arrow types only.
    pub fn worded(&self, message: &str) -> String {
        let mut worded = message.to_string();
        for ty in self.by_id.values().filter(|_| message.contains(PREFIX)) {
            let kept = ty.kept_name();
            worded = worded.replace(&format!("Timestamp(s, \"{kept}\")"), &ty.name()).replace(&kept, &ty.name());
        }
        // The longest number first: one may begin with another.
        for (id, name) in self.composites.iter().rev() {
            worded = worded.replace(&short_name(*id), name);
        }
        worded
    }

    /// The type with the name and the labels that it has here, if it is a user's or an array of one.
    pub fn complete(&self, ty: PgType) -> PgType {
        match ty {
            PgType::Enum(bare) => PgType::Enum(self.get(bare.id).cloned().unwrap_or(bare)),
            PgType::Composite(bare) => {
                let known = bare.with_types(|ty| self.complete(ty));
                PgType::Composite(match self.composites.get(&bare.id()) {
                    Some(name) => known.named(name),
                    None => known,
                })
            }
            PgType::Array(item) => PgType::Array(Box::new(self.complete(*item))),
            other => other,
        }
    }
}

/// The labels of a new type, with ranks. Errors: 42602, 22023 for one that is there twice.
pub fn ranked(names: &[String], mut new_id: impl FnMut() -> u32) -> Result<Vec<Label>> {
    let mut labels: Vec<Label> = Vec::with_capacity(names.len());
    for name in names {
        check_label(name)?;
        if labels.iter().any(|l| l.name == *name) {
            return Err(Error::new(code::INVALID_PARAMETER_VALUE, format!("enum label \"{name}\" used more than once")));
        }
        labels.push(Label { id: new_id(), rank: rank_between(labels.last(), None)?, name: name.clone() });
    }
    Ok(labels)
}

/// Errors: 42602 for a label that is too long.
pub fn check_label(name: &str) -> Result<()> {
    if name.len() > crate::limits::IDENTIFIER_BYTES_MAX {
        return Err(Error::new(code::INVALID_NAME, format!("invalid enum label \"{name}\""))
            .detail(format!("Labels must be {} bytes or less.", crate::limits::IDENTIFIER_BYTES_MAX)));
    }
    Ok(())
}

/// The labels with one more. Errors: 22023 where there is no label beside which it is to be; 54000 where there is no rank left.
pub fn with_label(labels: &[Label], id: u32, name: &str, place: &Place) -> Result<Vec<Label>> {
    let find = |name: &String| {
        let missing = || Error::new(code::INVALID_PARAMETER_VALUE, format!("\"{name}\" is not an existing enum label"));
        labels.iter().position(|l| l.name == *name).ok_or_else(missing)
    };
    let at = match place {
        Place::Last => labels.len(),
        Place::Before(neighbour) => find(neighbour)?,
        Place::After(neighbour) => find(neighbour)? + 1,
    };
    let rank = rank_between(at.checked_sub(1).map(|i| &labels[i]), labels.get(at))?;
    let mut labels = labels.to_vec();
    labels.insert(at, Label { id, rank, name: name.to_string() });
    Ok(labels)
}

fn rank_between(before: Option<&Label>, after: Option<&Label>) -> Result<i64> {
    let rank = match (before, after) {
        (None, None) => Some(0),
        (Some(before), None) => before.rank.checked_add(STEP),
        (None, Some(after)) => after.rank.checked_sub(STEP),
        (Some(before), Some(after)) => Some(before.rank + (after.rank - before.rank) / 2).filter(|rank| *rank != before.rank),
    };
    let full = || {
        Error::new(code::PROGRAM_LIMIT_EXCEEDED, "there is no room left for another label there")
            .hint("Create another type, and ALTER the columns to it.")
    };
    rank.ok_or_else(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(names: &[&str]) -> Vec<Label> {
        let names: Vec<String> = names.iter().map(|n| n.to_string()).collect();
        ranked(&names, || 0).unwrap()
    }

    #[test]
    fn ranks_have_the_order_of_the_definition_and_stay() {
        let old = labels(&["sad", "happy"]);
        let mut new = old.clone();
        for (name, place) in [("ok", Place::After("sad".into())), ("worst", Place::Before("sad".into())), ("best", Place::Last)] {
            new = with_label(&new, 0, name, &place).unwrap();
        }
        let names: Vec<&str> = new.iter().map(|l| l.name.as_str()).collect();
        assert_eq!(names, ["worst", "sad", "ok", "happy", "best"]);
        assert!(new.is_sorted_by(|a, b| a.rank < b.rank));
        let (old, new) = (EnumType::new(1, "mood".into(), old), EnumType::new(1, "mood".into(), new));
        assert_eq!(old.rank("happy").unwrap(), new.rank("happy").unwrap());
        assert_eq!(new.label(new.rank("ok").unwrap()).unwrap(), "ok");
        assert_eq!(new.rank("x").unwrap_err().message(), "invalid input value for enum mood: \"x\"");
    }

    #[test]
    fn one_place_takes_many_labels_and_then_says_that_it_is_full() {
        let mut all = labels(&["a", "z"]);
        let full = (0..100).find_map(|i| match with_label(&all, 0, &i.to_string(), &Place::Before("z".into())) {
            Ok(more) => {
                all = more;
                None
            }
            Err(e) => Some((i, e.code())),
        });
        assert_eq!(full, Some((48, code::PROGRAM_LIMIT_EXCEEDED)));
    }

    #[test]
    fn the_arrow_type_names_the_enumeration() {
        let ty = EnumType::bare(16_400);
        assert_eq!(EnumType::of_arrow(&ty.arrow()), Some(ty));
        assert_eq!(EnumType::of_arrow(&PgType::Timestamptz.arrow()), None);
    }
}
