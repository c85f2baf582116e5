//! Indexes and constraints as PostgreSQL numbers and prints them: those of primary keys, and those that were asked for.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast::{Expr, visit_expressions};

use super::SystemContext;
use super::deparse::{self, Style};
use super::names::{CONSTRAINT, INDEX, shown, shown_expression};
use crate::catalog::{Catalog, ForeignKey, Index, IndexKey, Indexed, Relation, Rule};
use crate::data::PgType;
use crate::data::quoting::{ident, literal};
use crate::sql::fold_name;
use crate::sql::parse::written_expression;

/// An index.
pub struct IndexEntry<'a> {
    pub oid: u32,
    pub relation: &'a Arc<Relation>,
    pub index: Cow<'a, Index>,
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

fn list(columns: &[String]) -> String {
    columns.iter().map(|c| ident(c)).collect::<Vec<_>>().join(", ")
}

/// The names of the primary key's columns.
fn key_names(relation: &Relation) -> Vec<String> {
    relation.key.iter().map(|k| relation.columns[*k].name.clone()).collect()
}

/// The primary key's columns, `client, seq`.
pub fn key_columns(relation: &Relation) -> String {
    list(&key_names(relation))
}

/// The index behind a constraint.
fn of_columns(id: u32, name: String, columns: &[String]) -> Index {
    let keys = columns.iter().map(|c| IndexKey::new(Indexed::Column(c.clone()))).collect();
    let (include, options) = (vec![], vec![]);
    Index { id, name, keys, unique: true, include, nulls_equal: false, method: "btree".into(), predicate: None, options }
}

/// All indexes, by relation: the primary key's first.
pub fn indexes(catalog: &Catalog) -> Vec<IndexEntry<'_>> {
    let mut all = Vec::new();
    for relation in catalog.relations() {
        if !relation.key.is_empty() {
            let index = of_columns(relation.id, relation.key_name(), &key_names(relation));
            all.push(IndexEntry { primary: true, ..IndexEntry::new(relation, Cow::Owned(index)) });
        }
        for constraint in &relation.constraints {
            if let Rule::Unique(columns) = &constraint.rule {
                all.push(IndexEntry::new(relation, Cow::Owned(of_columns(constraint.id, constraint.name.clone(), columns))));
            }
        }
        all.extend(relation.indexes.iter().map(|index| IndexEntry::new(relation, Cow::Borrowed(index))));
    }
    all
}

/// All constraints, by relation: the primary key first.
pub fn constraints(catalog: &Catalog) -> Vec<ConstraintEntry<'_>> {
    let mut all = Vec::new();
    for relation in catalog.relations() {
        let none = || ConstraintEntry {
            oid: relation.id + CONSTRAINT,
            name: relation.key_name(),
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
                Rule::Check(sql) => ConstraintEntry { kind: 'c', columns: columns_in(relation, sql), condition: Some(sql), ..entry },
                Rule::ForeignKey(foreign) => {
                    let index = catalog.by_id(foreign.parent).map_or(0, |parent| referred_index(parent, &foreign.parent_columns));
                    ConstraintEntry { kind: 'f', columns: places(&foreign.columns), foreign: Some(foreign), index, ..entry }
                }
            });
        }
    }
    all
}

/// The columns that an expression names, in the order of the table.
pub fn columns_in(relation: &Relation, sql: &str) -> Vec<usize> {
    let Ok(expr) = written_expression(sql) else { return vec![] };
    let mut found = BTreeSet::new();
    let _ = visit_expressions(&expr, |expr| {
        let name = match expr {
            Expr::Identifier(name) => Some(name),
            Expr::CompoundIdentifier(parts) => parts.last(),
            _ => None,
        };
        found.extend(name.and_then(|name| relation.column(&fold_name(name)).ok()));
        ControlFlow::<()>::Continue(())
    });
    found.into_iter().collect()
}

/// The oid of the index by which a foreign key finds the rows that it refers to; 0 if there is none.
fn referred_index(parent: &Relation, columns: &[String]) -> u32 {
    if key_names(parent) == columns {
        return parent.id + INDEX;
    }
    let unique = parent.constraints.iter().find(|c| matches!(&c.rule, Rule::Unique(of) if of == columns));
    unique.map_or(0, |c| c.id + INDEX)
}

impl<'a> IndexEntry<'a> {
    fn new(relation: &'a Arc<Relation>, index: Cow<'a, Index>) -> Self {
        IndexEntry { oid: index.id + INDEX, relation, index, primary: false }
    }

    /// The statement that would make it.
    pub fn definition(&self, context: &SystemContext, style: Style) -> String {
        let index = &self.index;
        let table = match style {
            Style::Whole => context.scope.name_of(self.relation).in_sql(),
            Style::Pretty => shown(context, self.relation),
        };
        let unique = if index.unique { "UNIQUE " } else { "" };
        let keys: Vec<String> = index.keys.iter().map(|key| self.key(context, &key.of, style) + &order(key)).collect();
        let mut text = format!("CREATE {unique}INDEX {} ON {table} USING {} ({})", ident(&index.name), index.method, keys.join(", "));
        if !index.include.is_empty() {
            text += &format!(" INCLUDE ({})", list(&index.include));
        }
        if index.nulls_equal {
            text += " NULLS NOT DISTINCT";
        }
        if !index.options.is_empty() {
            let value = |value: &String| if ident(value) == *value { value.clone() } else { literal(value) };
            let options: Vec<String> = index.options.iter().map(|(name, set)| format!("{}={}", ident(name), value(set))).collect();
            text += &format!(" WITH ({})", options.join(", "));
        }
        if let Some(predicate) = self.predicate(context, style) {
            text += &format!(" WHERE {predicate}");
        }
        text
    }

    /// A column of it from 0: a key, or a column of INCLUDE behind them.
    pub fn column(&self, context: &SystemContext, at: usize, style: Style) -> Option<String> {
        match self.index.keys.get(at) {
            Some(key) => Some(self.key(context, &key.of, style)),
            None => self.index.include.get(at - self.index.keys.len()).map(|name| ident(name)),
        }
    }

    fn key(&self, context: &SystemContext, of: &Indexed, style: Style) -> String {
        match of {
            Indexed::Column(name) => ident(name),
            Indexed::Expression { sql, ty } => {
                let sql = shown_expression(context, sql);
                deparse::key(self.relation, &Indexed::Expression { sql, ty: ty.clone() }, style)
            }
        }
    }

    /// Its expressions, as pg_get_expr prints pg_index.indexprs.
    pub fn expressions(&self, context: &SystemContext) -> Option<String> {
        let texts: Vec<String> =
            self.index.keys.iter().filter_map(|key| Some(self.shown(context, key.expression()?, Style::Whole))).collect();
        (!texts.is_empty()).then(|| texts.join(", "))
    }

    /// The condition of a partial index.
    pub fn predicate(&self, context: &SystemContext, style: Style) -> Option<String> {
        self.index.predicate.as_ref().map(|sql| self.shown(context, sql, style))
    }

    fn shown(&self, context: &SystemContext, sql: &str, style: Style) -> String {
        deparse::expression(self.relation, &shown_expression(context, sql), style)
    }

    /// How many columns it has.
    pub fn width(&self) -> usize {
        self.index.keys.len() + self.index.include.len()
    }

    /// The columns' numbers from 1; 0 for an expression.
    pub fn numbers(&self) -> impl Iterator<Item = usize> {
        let keys = self.index.keys.iter().map(IndexKey::column);
        let columns = keys.chain(self.index.include.iter().map(Some));
        columns.map(|name| name.and_then(|name| self.relation.column(name).ok()).map_or(0, |i| i + 1))
    }

    /// The columns' names and types.
    pub fn columns(&self) -> impl Iterator<Item = (String, PgType)> {
        let of_column = |name: &String| self.relation.column(name).map_or(PgType::Text, |c| self.relation.columns[c].ty.clone());
        let of_key = move |key: &IndexKey| match &key.of {
            Indexed::Column(name) => of_column(name),
            Indexed::Expression { ty, .. } => ty.clone(),
        };
        let types = self.index.keys.iter().map(of_key).chain(self.index.include.iter().map(of_column));
        deparse::column_names(&self.index).into_iter().zip(types)
    }
}

/// What stands behind a key of an index where that is not what is meant anyway.
fn order(key: &IndexKey) -> String {
    let collation = key.collation.as_ref().map_or(String::new(), |name| format!(" COLLATE {}", ident(name)));
    let opclass = key.opclass.as_ref().map_or(String::new(), |name| format!(" {}", ident(name)));
    let order = match (key.descending, key.nulls_first) {
        (false, false) => "",
        (false, true) => " NULLS FIRST",
        (true, true) => " DESC",
        (true, false) => " DESC NULLS LAST",
    };
    format!("{collation}{opclass}{order}")
}

impl ConstraintEntry<'_> {
    fn column_list(&self) -> String {
        self.columns.iter().map(|c| ident(&self.relation.columns[*c].name)).collect::<Vec<_>>().join(", ")
    }

    /// As pg_get_constraintdef prints it.
    pub fn definition(&self, context: &SystemContext, style: Style) -> String {
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
            (_, None, condition) => {
                let shown = shown_expression(context, condition.unwrap_or_default());
                format!("CHECK ({})", deparse::expression(self.relation, &shown, style))
            }
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
