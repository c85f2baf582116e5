//! Constraints as they are defined: what may be asked for, and what it is called.

use std::sync::Arc;

use datafusion::catalog::MemTable;

use super::{key_names, places};
use crate::catalog::{
    Action, Catalog, Constraint, ForeignKey, Index, NamespaceId, Privileges, Relation, RelationKind, Rule, TEMPORARY_NAMESPACE,
};
use crate::engine::dml::{parsed_query, quoted};
use crate::engine::indexes::check_key_types;
use crate::engine::query::Planned;
use crate::engine::session::Session;
use crate::error::{Error, Result, code};
use crate::serve::system::keys::columns_in;
use crate::sql::statement::{NewRule, What};

impl Session {
    /// The constraint that is asked for of a relation, which need not be in the catalog yet. Errors: 42703, 42P01, 42830, 42710.
    pub(in crate::engine) async fn new_constraint(&self, relation: &Relation, asked: &NewRule) -> Result<Constraint> {
        let catalog = self.scope();
        let (rule, suffix) = match &asked.what {
            What::PrimaryKey(_) | What::UniqueUsingIndex(_) => return Err(Error::internal("not a rule that is made of nothing")),
            What::Unique(columns) => {
                let found = columns.iter().map(|c| relation.column(c).map(|at| &relation.columns[at]));
                check_key_types(found.collect::<Result<Vec<_>>>()?)?;
                (Rule::Unique(columns.clone()), format!("{}_key", columns.join("_")))
            }
            What::Check { sql } => {
                let planned = self.checked_condition(relation, sql).await?;
                let of_one = match columns_in(relation, sql).as_slice() {
                    [only] => format!("{}_", relation.columns[*only].name),
                    _ => String::new(),
                };
                (Rule::Check(self.settled_expression(&self.kept_expression(sql)?, &planned.plan)?), format!("{of_one}check"))
            }
            What::References { columns, parent, parent_columns, on_delete, on_update, deferrable, deferred } => {
                // One that is being created is not found yet.
                let is_there = |namespace| namespace == relation.namespace || catalog.find_in(namespace, &parent.name).is_some();
                let first = catalog.look_up(parent, |namespace| is_there(namespace).then_some(namespace));
                let temporary = relation.namespace == TEMPORARY_NAMESPACE && parent.schema.is_none();
                let itself = relation.name == parent.name && (temporary || first == Some(relation.namespace));
                let to = if itself { Arc::new(relation.clone()) } else { catalog.known(parent)?.clone() };
                let parent_columns = if parent_columns.is_empty() { key_names(&to) } else { parent_columns.clone() };
                check_lasting(relation, &to)?;
                check_referable(relation, columns, &to, &parent_columns)?;
                check_actions(relation, columns, *on_delete, *on_update)?;
                if !itself {
                    self.may_on(Privileges::REFERENCES, &to, places(&to, &parent_columns)?)?;
                }
                let foreign = ForeignKey {
                    columns: columns.clone(),
                    parent: to.id,
                    parent_columns,
                    on_delete: *on_delete,
                    on_update: *on_update,
                    deferred: *deferred,
                    deferrable: *deferrable,
                };
                (Rule::ForeignKey(foreign), format!("{}_fkey", columns.join("_")))
            }
        };
        let taken = |name: &str| {
            let index = matches!(rule, Rule::Unique(_)) && is_taken(&catalog, relation.namespace, name);
            index || relation.constraints.iter().any(|c| c.name == name)
        };
        let name = match &asked.name {
            Some(name) if taken(name) => {
                let message = format!("constraint \"{name}\" for relation \"{}\" already exists", relation.name);
                return Err(Error::new(code::DUPLICATE_OBJECT, message));
            }
            Some(name) => name.clone(),
            None => free_name(&format!("{}_{suffix}", relation.name), &taken),
        };
        Ok(Constraint { id: self.engine.new_id(), name, rule })
    }

    /// Errors: 42804 and others for a rule over columns of which one has become of another type, those of a new one.
    pub(in crate::engine) async fn check_rule_fits(&self, relation: &Relation, constraint: &Constraint) -> Result<()> {
        match &constraint.rule {
            Rule::Unique(_) => Ok(()),
            Rule::Check(sql) => self.checked_condition(relation, sql).await.map(|_| ()),
            Rule::ForeignKey(foreign) => match self.catalog().by_id(foreign.parent) {
                Some(parent) => check_referable(relation, &foreign.columns, parent, &foreign.parent_columns),
                None => Ok(()),
            },
        }
    }

    /// The plan of a query with a condition over a relation's rows. Errors: what is wrong with it, 0A000 for a subquery.
    async fn checked_condition(&self, relation: &Relation, sql: &str) -> Result<Planned> {
        let mut names = self.names();
        let table = MemTable::try_new(relation.schema(), vec![vec![]])?;
        names.stand_ins.push((relation.name.clone(), Arc::new(table)));
        let query = parsed_query(&format!("SELECT * FROM {} WHERE NOT ({sql})", quoted(&relation.name)))?;
        let planned = self.plan_with(names, &query, &[]).await?;
        if !planned.relations.is_empty() {
            return Err(Error::unsupported("cannot use subquery in check constraint"));
        }
        Ok(planned)
    }
}

/// Errors: 42P16 for a table that refers to one which lasts shorter or longer than itself.
fn check_lasting(relation: &Relation, parent: &Relation) -> Result<()> {
    let temporary = relation.namespace == TEMPORARY_NAMESPACE;
    if temporary == (parent.namespace == TEMPORARY_NAMESPACE) {
        return Ok(());
    }
    let kind = if temporary { "temporary" } else { "permanent" };
    let message = format!("constraints on {kind} tables may reference only {kind} tables");
    Err(Error::new(code::INVALID_TABLE_DEFINITION, message))
}

/// Errors: 42601 for what would set a generated column.
fn check_actions(relation: &Relation, columns: &[String], on_delete: Action, on_update: Action) -> Result<()> {
    if !relation.columns.iter().any(|c| c.generated.is_some() && columns.contains(&c.name)) {
        return Ok(());
    }
    let sets = |action| matches!(action, Action::SetNull | Action::SetDefault);
    let refused = |of: &str| Error::syntax(format!("invalid {of} action for foreign key constraint containing generated column"));
    if sets(on_update) || on_update == Action::Cascade {
        return Err(refused("ON UPDATE"));
    }
    if sets(on_delete) { Err(refused("ON DELETE")) } else { Ok(()) }
}

/// The names of a relation's indexes.
pub fn index_names(relation: &Relation) -> Vec<String> {
    let rules = relation.constraints.iter().filter(|c| matches!(c.rule, Rule::Unique(_))).map(|c| c.name.clone());
    let key = (!relation.key.is_empty()).then(|| relation.key_name());
    rules.chain(key).chain(relation.indexes.iter().map(|i| i.name.clone())).collect()
}

/// The table of a schema that has an index of that name, and the index, where it is not that of a constraint.
pub fn index_in<'a>(catalog: &'a Catalog, namespace: NamespaceId, name: &str) -> Option<(&'a Arc<Relation>, Option<&'a Index>)> {
    let relation = catalog.relations_in(namespace).find(|r| index_names(r).iter().any(|index| index == name))?;
    Some((relation, relation.indexes.iter().find(|i| i.name == name)))
}

/// True if a schema has a relation, a sequence or an index of that name.
pub fn is_taken(catalog: &Catalog, namespace: NamespaceId, name: &str) -> bool {
    let relation = || catalog.find_in(namespace, name).is_some();
    let composite = || catalog.find_type_in(namespace, name).is_some_and(|ty| ty.attributes().is_some());
    relation() || composite() || catalog.find_sequence_in(namespace, name).is_some() || index_in(catalog, namespace, name).is_some()
}

/// The name, or the first of it with a number behind it that is not taken.
pub fn free_name(base: &str, taken: &dyn Fn(&str) -> bool) -> String {
    let numbered = (1..).map(|i| format!("{base}{i}"));
    std::iter::once(base.to_string()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
}

/// Errors: 42830 for columns that are neither the primary key nor unique, or are not as many; 42804 for types that do not compare.
fn check_referable(relation: &Relation, columns: &[String], parent: &Relation, parent_columns: &[String]) -> Result<()> {
    if parent.kind != RelationKind::Table || parent.ksql.is_some() {
        return Err(Error::new(code::WRONG_OBJECT_TYPE, format!("referenced relation \"{}\" is not a table", parent.name)));
    }
    if parent_columns.is_empty() {
        return Err(Error::new(code::UNDEFINED_OBJECT, format!("there is no primary key for referenced table \"{}\"", parent.name)));
    }
    if columns.len() != parent_columns.len() {
        return Err(Error::new(code::INVALID_FOREIGN_KEY, "number of referencing and referenced columns for foreign key disagree"));
    }
    for (column, to) in columns.iter().zip(parent_columns) {
        let (from, to) = (&relation.columns[relation.column(column)?], &parent.columns[parent.column(to)?]);
        if from.ty.is_number() != to.ty.is_number()
            || !from.ty.is_number() && from.ty.base() != to.ty.base() && from.ty.arrow() != to.ty.arrow()
        {
            let message = format!("foreign key constraint on \"{column}\" cannot be implemented");
            let detail = format!("Key columns \"{column}\" and \"{}\" are of incompatible types: {} and {}.", to.name, from.ty, to.ty);
            return Err(Error::new(code::DATATYPE_MISMATCH, message).detail(detail));
        }
    }
    let same = |others: &[String]| others.len() == parent_columns.len() && others.iter().all(|c| parent_columns.contains(c));
    if !same(&key_names(parent)) && !parent.unique_columns().any(|columns| same(&columns)) {
        let message = format!("there is no unique constraint matching given keys for referenced table \"{}\"", parent.name);
        return Err(Error::new(code::INVALID_FOREIGN_KEY, message));
    }
    Ok(())
}
