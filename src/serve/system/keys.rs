//! Indexes and constraints as PostgreSQL numbers and prints them: those of primary keys, and those that were asked for.

use std::sync::Arc;

use super::SystemContext;
use super::names::{CONSTRAINT, INDEX, key_name, quoted, shown, shown_expression};
use crate::catalog::{Catalog, ForeignKey, Relation, Rule};
use crate::data::quoting::ident;

/// An index.
pub struct IndexEntry<'a> {
    pub oid: u32,
    pub name: String,
    pub relation: &'a Arc<Relation>,
    /// Columns or expressions, as SQL text.
    pub items: Vec<String>,
    pub unique: bool,
    pub primary: bool,
}

/// A constraint.
pub struct ConstraintEntry<'a> {
    pub oid: u32,
    pub name: String,
    pub relation: &'a Arc<Relation>,
    /// As pg_constraint.contype.
    pub kind: char,
    /// Indices of its columns.
    pub columns: Vec<usize>,
    /// Oid of the index behind it; 0 for none.
    pub index: u32,
    pub foreign: Option<&'a ForeignKey>,
    pub condition: Option<&'a str>,
}

fn key_items(relation: &Relation) -> Vec<String> {
    relation.key.iter().map(|k| ident(&relation.columns[*k].name)).collect()
}

fn list(columns: &[String]) -> String {
    columns.iter().map(|c| ident(c)).collect::<Vec<_>>().join(", ")
}

/// The primary key's columns, `client, seq`.
pub fn key_columns(relation: &Relation) -> String {
    key_items(relation).join(", ")
}

/// All indexes, by relation: the primary key's first.
pub fn indexes(catalog: &Catalog) -> Vec<IndexEntry<'_>> {
    let mut all = Vec::new();
    for relation in catalog.relations() {
        if !relation.key.is_empty() {
            let (oid, name, items) = (relation.id + INDEX, key_name(relation), key_items(relation));
            all.push(IndexEntry { oid, name, relation, items, unique: true, primary: true });
        }
        for constraint in &relation.constraints {
            if let Rule::Unique(columns) = &constraint.rule {
                let (oid, name, items) = (constraint.id + INDEX, constraint.name.clone(), columns.iter().map(|c| ident(c)).collect());
                all.push(IndexEntry { oid, name, relation, items, unique: true, primary: false });
            }
        }
        for index in &relation.indexes {
            let items = index.columns.iter().map(|c| if relation.column(c).is_ok() { ident(c) } else { c.clone() }).collect();
            all.push(IndexEntry { oid: index.id + INDEX, name: index.name.clone(), relation, items, unique: index.unique, primary: false });
        }
    }
    all
}

/// All constraints, by relation: the primary key first.
pub fn constraints(catalog: &Catalog) -> Vec<ConstraintEntry<'_>> {
    let mut all = Vec::new();
    for relation in catalog.relations() {
        let none = || ConstraintEntry {
            oid: relation.id + CONSTRAINT,
            name: key_name(relation),
            relation,
            kind: 'p',
            columns: relation.key.clone(),
            index: relation.id + INDEX,
            foreign: None,
            condition: None,
        };
        if !relation.key.is_empty() {
            all.push(none());
        }
        for constraint in &relation.constraints {
            let places = |names: &[String]| names.iter().filter_map(|c| relation.column(c).ok()).collect();
            let entry = ConstraintEntry { oid: constraint.id + CONSTRAINT, name: constraint.name.clone(), index: 0, ..none() };
            all.push(match &constraint.rule {
                Rule::Unique(columns) => ConstraintEntry { kind: 'u', columns: places(columns), index: constraint.id + INDEX, ..entry },
                Rule::Check(sql) => ConstraintEntry { kind: 'c', columns: vec![], condition: Some(sql), ..entry },
                Rule::ForeignKey(foreign) => {
                    ConstraintEntry { kind: 'f', columns: places(&foreign.columns), foreign: Some(foreign), ..entry }
                }
            });
        }
    }
    all
}

impl IndexEntry<'_> {
    /// The statement that would make it.
    pub fn definition(&self, catalog: &Catalog) -> String {
        let unique = if self.unique { "UNIQUE " } else { "" };
        let (index, table) = (ident(&self.name), quoted(&catalog.name_of(self.relation)));
        format!("CREATE {unique}INDEX {index} ON {table} USING btree ({})", self.items.join(", "))
    }

    /// The columns' numbers from 1; 0 for an expression.
    pub fn numbers(&self) -> impl Iterator<Item = usize> {
        self.items.iter().map(|item| self.relation.columns.iter().position(|c| ident(&c.name) == *item).map_or(0, |i| i + 1))
    }
}

impl ConstraintEntry<'_> {
    fn column_list(&self) -> String {
        self.columns.iter().map(|c| ident(&self.relation.columns[*c].name)).collect::<Vec<_>>().join(", ")
    }

    /// As pg_get_constraintdef prints it.
    pub fn definition(&self, context: &SystemContext) -> String {
        let columns = self.column_list();
        match (self.kind, self.foreign, self.condition) {
            ('p', ..) => format!("PRIMARY KEY ({columns})"),
            ('u', ..) => format!("UNIQUE ({columns})"),
            (_, Some(foreign), _) => {
                let parent = context.scope.by_id(foreign.parent).map_or(String::new(), |p| shown(context, p));
                let mut text = format!("FOREIGN KEY ({columns}) REFERENCES {parent}({})", list(&foreign.parent_columns));
                for (event, action) in [("UPDATE", foreign.on_update), ("DELETE", foreign.on_delete)] {
                    if action.letter() != 'a' {
                        text += &format!(" ON {event} {}", action.word());
                    }
                }
                if foreign.deferrable {
                    text += " DEFERRABLE";
                }
                if foreign.deferred {
                    text += " INITIALLY DEFERRED";
                }
                text
            }
            (_, None, condition) => format!("CHECK (({}))", shown_expression(context, condition.unwrap_or_default())),
        }
    }

    /// As information_schema calls its kind.
    pub fn kind_word(&self) -> &'static str {
        match self.kind {
            'p' => "PRIMARY KEY",
            'u' => "UNIQUE",
            'f' => "FOREIGN KEY",
            _ => "CHECK",
        }
    }
}
