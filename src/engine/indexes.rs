//! CREATE, ALTER and DROP INDEX, and ADD CONSTRAINT .. USING INDEX.
//!
//! A definition is checked as PostgreSQL checks it, and kept whole. Of what it says only that it is unique has an effect here
//! ([`super::constraints::unique`]); what cannot be kept is refused: tablespaces, collations and operator classes that there are not.

use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast;

use super::constraints::{free_name, index_in, is_taken, referring};
use super::dml::parsed_query;
use super::partitions::{check_keys, check_rests_on_table};
use super::session::Session;
use super::table_locks::Request;
use crate::catalog::{Catalog, Change, Column, Constraint, Index, IndexKey, Indexed, Name, Relation, RelationKind, Rule};
use crate::data::PgType;
use crate::error::{Error, Result, code};
use crate::serve::system::deparse;
use crate::serve::system::facts::{self, AccessMethod};
use crate::sql::convert::is_known_collation;
use crate::sql::{TableMode, fold_name};

impl Session {
    /// CREATE INDEX. Errors: 42P07, 42703, 42704, 42P17, 0A000; 23505 for rows that are there.
    pub(super) async fn create_index(&mut self, name: Option<&str>, table: &Name, asked: &Index, if_not_exists: bool) -> Result<()> {
        let catalog = self.define().await?;
        let relation = self.scope().known(table)?.clone();
        self.must_own(&relation)?;
        self.may_create_in(relation.namespace)?;
        let taken = |name: &str| is_taken(&catalog, relation.namespace, name);
        if let Some(name) = name.filter(|name| taken(name)) {
            let exists = format!("relation \"{name}\" already exists");
            if !if_not_exists {
                return Err(Error::new(code::DUPLICATE_TABLE, exists));
            }
            self.notice("NOTICE", Error::new(code::DUPLICATE_TABLE, format!("{exists}, skipping")));
            return Ok(());
        }
        let columns = asked.keys.iter().filter_map(IndexKey::column).chain(&asked.include);
        columns.into_iter().try_for_each(|c| has_column(&relation, c))?;
        check_definition(&relation, asked)?;
        let name = name.map_or_else(|| free_name(&default_name(&relation, asked), &taken), str::to_string);
        let mut index = Index { id: self.engine.new_id(), name, ..asked.clone() };
        for text in index.texts_mut() {
            let kept = self.kept_expression(&unqualified(&relation, text)?)?;
            *text = self.settled_over_rows(&relation, kept).await?;
        }
        self.settle_index(&relation, &mut index).await?;
        let mut altered = relation.as_ref().clone();
        altered.indexes.push(index.clone());
        check_keys(&catalog, &relation, &altered)?;
        if relation.is_partition() {
            check_rests_on_table(&catalog, &relation, &index)?;
        } else if index.unique && !self.is_unique_anyway(&relation, &index) {
            self.check_can_be_unique(&relation)?;
            // Nobody puts rows meanwhile that are not compared yet.
            self.lock(relation.id, Request::whole(TableMode::Share)).await?;
            let unique = self.unique_of(&relation, &index).await?;
            self.check_unique_present(&relation, &unique).await?;
        }
        self.stage(Change::Alter(altered), vec![])
    }

    /// True for an index of a materialized view whose columns have those among them by which its query makes its rows, as GROUP BY does.
    fn is_unique_anyway(&self, relation: &Relation, index: &Index) -> bool {
        let of_view = relation.kind == RelationKind::MaterializedView;
        let Some(node) = self.node_of(relation.id).filter(|_| of_view) else { return false };
        let columns: Vec<usize> = index.keys.iter().filter_map(|key| relation.column(key.column()?).ok()).collect();
        node.with_output(|output| output.key().is_some_and(|key| key.iter().all(|k| columns.contains(k))))
    }

    /// Errors: 0A000 for what holds no unique index.
    fn check_can_be_unique(&self, relation: &Relation) -> Result<()> {
        let hint = match relation.kind {
            RelationKind::Table if relation.ksql.is_none() => return Ok(()),
            RelationKind::Table => "Its rows are unique by their key.",
            RelationKind::MaterializedView => "Its rows are unique by the columns of its GROUP BY: an index on those may be unique.",
            _ => "Every event is kept: write CREATE TABLE for rows that are compared.",
        };
        Err(Error::unsupported(format!("a unique index on {} \"{}\" is not supported", relation.kind.word(), relation.name)).hint(hint))
    }

    /// Tells an index what it computes of the columns as they are now. Errors: 42P17, 42704, and those of planning.
    pub(super) async fn settle_index(&self, relation: &Arc<Relation>, index: &mut Index) -> Result<()> {
        self.computed(relation, index).await?;
        settle_opclasses(relation, index)
    }

    /// ALTER INDEX .. RENAME TO: a constraint goes with its index. Errors: 42704, 42P07.
    pub(super) async fn rename_index(&mut self, name: &Name, if_exists: bool, to: &str) -> Result<()> {
        let catalog = self.define().await?;
        let scope = self.scope();
        let Some((relation, _)) = scope.look_up(name, |namespace| index_in(&catalog, namespace, &name.name)) else {
            if !if_exists {
                scope.check_schema(name)?;
                return Err(scope.missing(name));
            }
            let text = format!("relation \"{name}\" does not exist, skipping");
            self.notice("NOTICE", Error::new(code::SUCCESS, text));
            return Ok(());
        };
        self.must_own(relation)?;
        if is_taken(&catalog, relation.namespace, to) {
            return Err(Error::new(code::DUPLICATE_TABLE, format!("relation \"{to}\" already exists")));
        }
        let mut altered = relation.as_ref().clone();
        let indexes = altered.indexes.iter_mut().map(|index| &mut index.name);
        let unique = |c: &&mut Constraint| matches!(c.rule, Rule::Unique(_));
        let mut names = indexes.chain(altered.constraints.iter_mut().filter(unique).map(|c| &mut c.name));
        match names.find(|of| **of == name.name) {
            Some(found) => *found = to.to_string(),
            None => return self.rename_key(altered, to),
        }
        self.stage(Change::Alter(altered), vec![])
    }

    /// DROP INDEX. Errors: 42704, 3F000, 2BP01 for the index of a constraint, and for one that a foreign key rests on.
    pub(super) async fn drop_indexes(&mut self, names: &[Name], if_exists: bool, cascade: bool) -> Result<()> {
        for name in names {
            let catalog = self.define().await?;
            let scope = self.scope();
            let Some((relation, index)) = scope.look_up(name, |namespace| index_in(&catalog, namespace, &name.name)) else {
                if !if_exists {
                    scope.check_schema(name)?;
                    return Err(Error::new(code::UNDEFINED_OBJECT, format!("index \"{name}\" does not exist")));
                }
                self.notice("NOTICE", Error::new(code::SUCCESS, format!("index \"{name}\" does not exist, skipping")));
                continue;
            };
            self.must_own(relation)?;
            let Some(index) = index else {
                let (name, table) = (&name.name, &relation.name);
                let message = format!("cannot drop index {name} because constraint {name} on table {table} requires it");
                return Err(Error::new(code::DEPENDENT_OBJECTS_STILL_EXIST, message)
                    .hint(format!("You can drop constraint {name} on table {table} instead.")));
            };
            self.drop_resting(&catalog, relation, index, cascade)?;
            // A table may refer to itself, and so have been altered.
            let mut altered = self.catalog().by_id(relation.id).unwrap_or(relation).as_ref().clone();
            altered.indexes.retain(|i| i.id != index.id);
            self.stage(Change::Alter(altered), vec![])?;
        }
        Ok(())
    }

    /// Drops the foreign keys that rest on a unique index: on its columns, where nothing else makes those unique. Errors: 2BP01 without
    /// `cascade`.
    fn drop_resting(&mut self, catalog: &Catalog, relation: &Relation, index: &Index, cascade: bool) -> Result<()> {
        let Some(columns) = index.unique_columns() else { return Ok(()) };
        let same = |others: &[String]| others.len() == columns.len() && others.iter().all(|c| columns.contains(c));
        let key: Vec<String> = relation.key.iter().map(|k| relation.columns[*k].name.clone()).collect();
        if same(&key) || relation.unique_columns().filter(|others| same(others)).count() > 1 {
            return Ok(());
        }
        let resting = referring(catalog, relation.id).filter(|(_, _, foreign)| same(&foreign.parent_columns));
        self.drop_foreign_keys(&format!("index {}", index.name), resting, cascade)
    }

    /// ADD CONSTRAINT .. UNIQUE USING INDEX: the index, with its number, becomes the constraint. Errors: 42704, 42809, 55000.
    pub(super) fn add_rule_using_index(&mut self, relation: &Arc<Relation>, name: Option<&str>, index: &str) -> Result<()> {
        let wrong = |message: String| {
            Err(Error::new(code::WRONG_OBJECT_TYPE, message)
                .detail("Cannot create a primary key or unique constraint using such an index."))
        };
        let Some(found) = relation.indexes.iter().find(|i| i.name == index).cloned() else {
            let of_constraint = super::constraints::index_names(relation).iter().any(|name| name == index);
            return Err(match of_constraint {
                true => {
                    Error::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, format!("index \"{index}\" is already associated with a constraint"))
                }
                false => Error::new(code::UNDEFINED_OBJECT, format!("index \"{index}\" does not exist")),
            });
        };
        let sorted = |key: &IndexKey| !key.descending && !key.nulls_first && key.opclass.is_none() && key.collation.is_none();
        if !found.unique {
            return wrong(format!("\"{index}\" is not a unique index"));
        }
        if found.keys.iter().any(|key| key.expression().is_some()) {
            return wrong(format!("index \"{index}\" contains expressions"));
        }
        if found.predicate.is_some() {
            return wrong(format!("\"{index}\" is a partial index"));
        }
        if let Some(at) = found.keys.iter().position(|key| !sorted(key)) {
            return wrong(format!("index \"{index}\" column number {} does not have default sorting behavior", at + 1));
        }
        let Some(columns) = found.unique_columns().filter(|_| found.include.is_empty() && found.options.is_empty()) else {
            return Err(Error::unsupported("a constraint has no INCLUDE, NULLS NOT DISTINCT or storage parameters")
                .hint("Keep the index: it is held all the same."));
        };
        let name = name.unwrap_or(index).to_string();
        if name != index {
            if is_taken(&self.catalog(), relation.namespace, &name) || relation.constraints.iter().any(|c| c.name == name) {
                return Err(Error::new(code::DUPLICATE_TABLE, format!("relation \"{name}\" already exists")));
            }
            let text = format!("ALTER TABLE / ADD CONSTRAINT USING INDEX will rename index \"{index}\" to \"{name}\"");
            self.notice("NOTICE", Error::new(code::SUCCESS, text));
        }
        let mut altered = relation.as_ref().clone();
        altered.indexes.retain(|i| i.id != found.id);
        altered.constraints.push(Constraint { id: found.id, name, rule: Rule::Unique(columns) });
        self.stage(Change::Alter(altered), vec![])
    }
}

/// Errors: 42703, as PostgreSQL words it of an index.
fn has_column(relation: &Relation, name: &str) -> Result<()> {
    relation.column(name).map(|_| ()).map_err(|_| Error::new(code::UNDEFINED_COLUMN, format!("column \"{name}\" does not exist")))
}

/// `table_column_column_idx`
fn default_name(relation: &Relation, index: &Index) -> String {
    format!("{}_{}_idx", relation.name, deparse::column_names(index).join("_"))
}

/// An expression whose columns are named without their table, which may get another name.
pub(super) fn unqualified(relation: &Relation, sql: &str) -> Result<String> {
    let mut query = parsed_query(&format!("SELECT {sql}"))?;
    let mut changed = false;
    let _ = ast::visit_expressions_mut(query.as_mut(), |e| {
        if let ast::Expr::CompoundIdentifier(parts) = e
            && let [.., table, column] = parts.as_slice()
            && fold_name(table) == relation.name
        {
            *e = ast::Expr::Identifier(column.clone());
            changed = true;
        }
        ControlFlow::<()>::Continue(())
    });
    Ok(if changed { query.to_string().trim_start_matches("SELECT ").to_string() } else { sql.to_string() })
}

/// Errors: 42809 for a view; 42704 for an access method that there is not; 22023 for such a storage parameter; 0A000 for what the method
/// does not do, and for such a collation.
fn check_definition(relation: &Relation, index: &Index) -> Result<()> {
    if relation.kind == RelationKind::View {
        return Err(Error::new(code::WRONG_OBJECT_TYPE, format!("cannot create index on relation \"{}\"", relation.name))
            .detail("This operation is not supported for views."));
    }
    let Some(method) = facts::access_method(&index.method) else {
        return Err(Error::new(code::UNDEFINED_OBJECT, format!("access method \"{}\" does not exist", index.method)));
    };
    check_method(method, index)?;
    if let Some(collation) = index.keys.iter().filter_map(|k| k.collation.as_ref()).find(|c| !is_known_collation(c)) {
        return Err(Error::unsupported(format!("collation \"{collation}\" is not supported"))
            .hint("Text is compared by its characters' codes: COLLATE \"C\"."));
    }
    match index.options.iter().find(|(name, _)| !method.parameters.contains(&name.as_str())) {
        Some((name, _)) => Err(Error::new(code::INVALID_PARAMETER_VALUE, format!("unrecognized parameter \"{name}\""))),
        None => Ok(()),
    }
}

fn check_method(method: &AccessMethod, index: &Index) -> Result<()> {
    let ordered = index.keys.iter().any(|key| key.descending || key.nulls_first);
    let cannot = |what: &str| Err(Error::unsupported(format!("access method \"{}\" does not support {what}", method.name)));
    match () {
        () if index.unique && !method.unique => cannot("unique indexes"),
        () if !index.include.is_empty() && !method.include => cannot("included columns"),
        () if index.keys.len() > 1 && !method.several => cannot("multicolumn indexes"),
        () if ordered && !method.ordered => cannot("ASC/DESC options"),
        () => Ok(()),
    }
}

/// Leaves out the operator classes and collations that there are anyway. Errors: 42704 for an operator class that there is not, or a
/// type that has none.
fn settle_opclasses(relation: &Relation, index: &mut Index) -> Result<()> {
    let Some(method) = facts::access_method(&index.method) else { return Err(Error::internal("the method was checked")) };
    for key in &mut index.keys {
        let ty = match &key.of {
            Indexed::Column(name) => &relation.columns[relation.column(name)?].ty,
            Indexed::Expression { ty, .. } => ty,
        };
        let default = facts::default_opclass(method, ty);
        let Some(name) = &key.opclass else {
            if default.is_some() {
                continue;
            }
            return Err(no_opclass(method, ty));
        };
        let Some(named) = facts::opclass(method, name) else {
            let message = format!("operator class \"{name}\" does not exist for access method \"{}\"", method.name);
            return Err(Error::new(code::UNDEFINED_OBJECT, message));
        };
        if Some(named) == default {
            key.opclass = None;
        }
    }
    index.keys.iter_mut().for_each(|key| key.collation = key.collation.take().filter(|name| name != "default"));
    Ok(())
}

fn no_opclass(method: &AccessMethod, ty: &PgType) -> Error {
    let message = format!("data type {} has no default operator class for access method \"{}\"", ty.base(), method.name);
    Error::new(code::UNDEFINED_OBJECT, message)
        .hint("You must specify an operator class for the index or define a default operator class for the data type.")
}

/// What the columns of a key must be: of types whose values are compared. Errors: 42704.
pub(super) fn check_key_types<'a>(columns: impl IntoIterator<Item = &'a Column>) -> Result<()> {
    let Some(method) = facts::access_method("btree") else { return Err(Error::internal("there is always a btree")) };
    match columns.into_iter().find(|column| facts::default_opclass(method, &column.ty).is_none()) {
        Some(column) => Err(no_opclass(method, &column.ty)),
        None => Ok(()),
    }
}
