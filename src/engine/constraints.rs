//! Constraints of tables: UNIQUE, CHECK and FOREIGN KEY.
//!
//! The life of a change of a constrained table: the statement runs in a transaction, its own if there is none ([`Session::constrained`]),
//! and its events are gathered there. When it has gathered all of them, [`Session::check`] looks at the table as it is then, with
//! the transaction's rows over those committed, and refuses what breaks a rule; the failed statement undoes its transaction, or
//! the part since the last savepoint. A rule that is deferred is checked by COMMIT.
//!
//! Locks make that exact among transactions: whoever changes a table with UNIQUE holds it alone; whoever inserts rows that refer to a
//! table shares it, so that no row referred to is deleted before the transaction ends.
//!
//! Cost: a CHECK is a query over the statement's rows. UNIQUE is one pass over the table's columns. A foreign key is a look-up by
//! key for each row where the table referred to is keyed by it, else a join with that table.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::Int8Type;
use datafusion::catalog::MemTable;
use datafusion::common::ScalarValue;
use sqlparser::ast;

use super::dml::{parsed_query, quoted};
use super::rename::whole_name;
use super::session::Session;
use crate::catalog::{
    Action, Catalog, Constraint, ForeignKey, Index, Name, NamespaceId, Relation, RelationId, RelationKind, Rule, TEMPORARY_NAMESPACE,
};
use crate::data::OP;
use crate::data::encode::{Style, cell_text};
use crate::error::{Error, Result, code};
use crate::fold::key_index::{Equality, KeyIndex, NONE};
use crate::sql::statement::{NewRule, What};

/// A rule that COMMIT checks: of which table, and its name.
pub type Deferred = BTreeSet<(RelationId, String)>;

impl Session {
    /// True if changes of the relation are to be checked: it has constraints, or rows of others refer to its rows.
    pub(super) fn constrained(&self, name: &Name) -> bool {
        self.scope().find(name).is_some_and(|relation| self.is_constrained(relation))
    }

    /// The same of a relation that is found already.
    pub(super) fn is_constrained(&self, relation: &Relation) -> bool {
        !relation.constraints.is_empty() || referring(&self.catalog(), relation.id).next().is_some()
    }

    /// Takes the locks that a change of the relation needs for its constraints, before its rows are read.
    pub(super) async fn lock_constrained(&mut self, name: &Name) -> Result<()> {
        let scope = self.scope();
        let Some(relation) = scope.find(name) else { return Ok(()) };
        if relation.constraints.iter().any(|c| matches!(c.rule, Rule::Unique(_))) {
            self.lock_exclusive(relation.id).await?;
        }
        for foreign in relation.constraints.iter().filter_map(foreign_key).filter(|f| f.parent != relation.id) {
            self.lock_shared(foreign.parent).await?;
        }
        Ok(())
    }

    /// How many batches the transaction has gathered: where the next statement begins.
    pub(super) fn gathered(&self) -> usize {
        self.transaction.as_ref().map_or(0, |t| t.batches.len())
    }

    /// Checks what a statement has gathered since `mark`. Errors: 23505, 23514, 23503.
    pub(super) async fn check(&mut self, mark: usize) -> Result<()> {
        let catalog = self.catalog();
        let Some(transaction) = &self.transaction else { return Ok(()) };
        let touched: BTreeSet<RelationId> = transaction.batches.iter().skip(mark).map(|(log, _)| *log).collect();
        for relation in touched.iter().filter_map(|id| catalog.by_id(*id)).filter(|r| r.ksql.is_none()) {
            let events: Vec<RecordBatch> = self
                .transaction
                .iter()
                .flat_map(|t| t.batches.iter().skip(mark))
                .filter(|(log, _)| *log == relation.id)
                .map(|(_, b)| b.clone())
                .collect();
            let (rows, gone) = put_and_gone(relation, &events)?;
            // A row whose key has changed is one gone and one put.
            let gone_for_good = gone && rows.num_rows() == 0;
            for constraint in &relation.constraints {
                self.check_rows(&catalog, relation, constraint, &rows).await?;
            }
            // An upsert may change a key that is referred to as well.
            if relation.kind == RelationKind::Table && (gone || rows.num_rows() > 0) {
                for (child, constraint, foreign) in referring(&catalog, relation.id) {
                    if gone || foreign.parent_columns != key_names(relation) {
                        self.check_referring(relation, child, constraint, foreign, gone_for_good).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn check_rows(&mut self, catalog: &Catalog, relation: &Arc<Relation>, constraint: &Constraint, rows: &RecordBatch) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        match &constraint.rule {
            Rule::Check(condition) => self.check_condition(relation, constraint, condition, rows).await,
            Rule::Unique(columns) => self.check_unique(relation, constraint, columns, Some(rows)).await,
            Rule::ForeignKey(foreign) if self.is_deferred(foreign, &constraint.name) => {
                self.defer(relation.id, &constraint.name);
                Ok(())
            }
            Rule::ForeignKey(foreign) => {
                let Some(parent) = catalog.by_id(foreign.parent).cloned() else { return Ok(()) };
                if parent.id != relation.id
                    && let Some(missing) = self.missing_by_key(relation, foreign, &parent, rows)?
                {
                    return match missing {
                        None => Ok(()),
                        Some(at) => Err(no_parent(relation, constraint, foreign, &parent, rows, at)?),
                    };
                }
                let instead = (parent.id != relation.id).then_some(rows);
                self.check_orphans(relation, constraint, foreign, &parent, instead).await
            }
        }
    }

    /// Errors: 23514 for a row for which the condition is false.
    async fn check_condition(&self, relation: &Arc<Relation>, constraint: &Constraint, condition: &str, rows: &RecordBatch) -> Result<()> {
        let query = parsed_query(&format!("SELECT * FROM {} WHERE NOT ({condition}) LIMIT 1", quoted(&relation.name)))?;
        let Some(row) = self.first_of(relation, &query, Some(rows)).await? else { return Ok(()) };
        let message = format!("new row for relation \"{}\" violates check constraint \"{}\"", relation.name, constraint.name);
        let values = (0..row.num_columns()).map(|i| shown(relation, i, row.column(i), 0)).collect::<Result<Vec<_>>>()?;
        Err(about(code::CHECK_VIOLATION, message, relation, constraint).detail(format!("Failing row contains ({}).", values.join(", "))))
    }

    /// Errors: 23505 for two rows of the same values: of those of `rows` if given, else of any.
    async fn check_unique(
        &self,
        relation: &Arc<Relation>,
        constraint: &Constraint,
        columns: &[String],
        rows: Option<&RecordBatch>,
    ) -> Result<()> {
        let places = columns.iter().map(|c| relation.column(c)).collect::<Result<Vec<_>>>()?;
        let types: Vec<_> = places.iter().map(|p| relation.columns[*p].ty.arrow()).collect();
        let mut index = KeyIndex::new(&types, Equality::Sql)?;
        if let Some(rows) = rows {
            let keys: Vec<ArrayRef> = places.iter().map(|p| rows.column(*p).clone()).collect();
            index.intern(&keys, rows.num_rows(), &mut Vec::new(), &mut Vec::new())?;
        }
        let list = columns.iter().map(|c| quoted(c)).collect::<Vec<_>>().join(", ");
        let planned =
            self.plan_query(parsed_query(&format!("SELECT {list} FROM {}", whole_name(&self.catalog(), relation)))?.as_ref(), &[]).await?;
        let mut seen: Vec<bool> = Vec::new();
        for batch in self.collect(&planned, vec![]).await? {
            let keys = batch.columns();
            let mut numbers = Vec::new();
            match rows {
                Some(_) => numbers = index.find(keys, batch.num_rows())?,
                None => index.intern(keys, batch.num_rows(), &mut numbers, &mut Vec::new())?,
            }
            seen.resize(seen.len().max(index.slots()), false);
            for (i, number) in numbers.iter().enumerate().filter(|(i, n)| **n != NONE && keys.iter().all(|k| k.is_valid(*i))) {
                if std::mem::replace(&mut seen[*number as usize], true) {
                    let message = format!("duplicate key value violates unique constraint \"{}\"", constraint.name);
                    let values = places.iter().zip(keys).map(|(p, k)| shown(relation, *p, k, i)).collect::<Result<Vec<_>>>()?;
                    let detail = format!("Key ({})=({}) already exists.", columns.join(", "), values.join(", "));
                    return Err(about(code::UNIQUE_VIOLATION, message, relation, constraint).detail(detail));
                }
            }
        }
        Ok(())
    }

    /// Looks up what `rows` refer to in the parent's index, if it is keyed by just that and the transaction has not touched it.
    /// Answers `None` if it cannot; else the first row that refers to nothing, if there is one.
    fn missing_by_key(
        &self,
        relation: &Relation,
        foreign: &ForeignKey,
        parent: &Relation,
        rows: &RecordBatch,
    ) -> Result<Option<Option<usize>>> {
        let untouched = self.transaction.as_ref().is_none_or(|t| !t.touched().contains(&parent.id));
        let Some(node) = self.engine.node(parent.id).filter(|n| untouched && n.position() > 0 && n.is_current(&self.engine.log)) else {
            return Ok(None);
        };
        if foreign.parent_columns != key_names(parent) {
            return Ok(None);
        }
        let places = foreign.columns.iter().map(|c| relation.column(c)).collect::<Result<Vec<_>>>()?;
        for i in (0..rows.num_rows()).filter(|i| places.iter().all(|p| rows.column(*p).is_valid(*i))) {
            let key = places.iter().map(|p| Ok(ScalarValue::try_from_array(rows.column(*p), i)?)).collect::<Result<Vec<_>>>()?;
            if node.with_output(|output| output.lookup(&key))?.is_none() {
                return Ok(Some(Some(i)));
            }
        }
        Ok(Some(None))
    }

    /// Errors: 23503 for a row, of those given or of all, that refers to nothing.
    async fn check_orphans(
        &self,
        relation: &Arc<Relation>,
        constraint: &Constraint,
        foreign: &ForeignKey,
        parent: &Relation,
        rows: Option<&RecordBatch>,
    ) -> Result<()> {
        let catalog = self.catalog();
        // Rows that are given stand in under the bare name.
        let from = if rows.is_some() { quoted(&relation.name) } else { whole_name(&catalog, relation) };
        let orphans = orphaned(&catalog, relation, foreign, parent);
        let query = parsed_query(&format!("SELECT * FROM {from} WHERE {orphans} LIMIT 1"))?;
        match self.first_of(relation, &query, rows).await? {
            Some(row) => Err(no_parent(relation, constraint, foreign, parent, &row, 0)?),
            None => Ok(()),
        }
    }

    /// Rows of the parent are gone, or have changed: what becomes of the rows that referred to them.
    async fn check_referring(
        &mut self,
        parent: &Arc<Relation>,
        child: &Arc<Relation>,
        constraint: &Constraint,
        foreign: &ForeignKey,
        gone: bool,
    ) -> Result<()> {
        let action = if gone { foreign.on_delete } else { foreign.on_update };
        if action == Action::NoAction && self.is_deferred(foreign, &constraint.name) {
            self.defer(child.id, &constraint.name);
            return Ok(());
        }
        let catalog = self.catalog();
        let (orphans, name) = (orphaned(&catalog, child, foreign, parent), whole_name(&catalog, child));
        let statement = match action {
            _ if !gone && !matches!(action, Action::NoAction | Action::Restrict) => None,
            Action::Cascade => Some(format!("DELETE FROM {name} WHERE {orphans}")),
            Action::SetNull | Action::SetDefault => {
                let value = if action == Action::SetNull { "NULL" } else { "DEFAULT" };
                let set = foreign.columns.iter().map(|c| format!("{} = {value}", quoted(c))).collect::<Vec<_>>().join(", ");
                Some(format!("UPDATE {name} SET {set} WHERE {orphans}"))
            }
            Action::NoAction | Action::Restrict => None,
        };
        if let Some(statement) = statement {
            return Box::pin(self.run_text(&statement)).await;
        }
        let query = parsed_query(&format!("SELECT * FROM {name} WHERE {orphans} LIMIT 1"))?;
        let Some(row) = self.first_of(child, &query, None).await? else { return Ok(()) };
        if !gone && action != Action::NoAction && action != Action::Restrict {
            return Err(Error::unsupported(format!("ON UPDATE {} is not supported when the key changes", action.word()))
                .hint("Insert the row of the new key, UPDATE the rows that refer to the old one, then DELETE that."));
        }
        let message = format!(
            "update or delete on table \"{}\" violates foreign key constraint \"{}\" on table \"{}\"",
            parent.name, constraint.name, child.name
        );
        let key = key_of(child, &foreign.columns, &row, 0)?;
        let detail = format!("Key ({})=({key}) is still referenced from table \"{}\".", foreign.parent_columns.join(", "), child.name);
        Err(about(code::FOREIGN_KEY_VIOLATION, message, child, constraint).detail(detail))
    }

    /// The first row of a query over the relation, with `rows` in its place if given.
    async fn first_of(&self, relation: &Arc<Relation>, query: &ast::Query, rows: Option<&RecordBatch>) -> Result<Option<RecordBatch>> {
        let mut names = self.names();
        if let Some(rows) = rows {
            let table = MemTable::try_new(rows.schema(), vec![vec![rows.clone()]])?;
            names.stand_ins.push((relation.name.clone(), Arc::new(table)));
        }
        let planned = self.plan_with(names, query, &[]).await?;
        Ok(self.collect(&planned, vec![]).await?.into_iter().find(|b| b.num_rows() > 0))
    }

    // Deferred rules ---------------------------------------------------------------------------------------------------------

    fn is_deferred(&self, foreign: &ForeignKey, name: &str) -> bool {
        let Some(transaction) = self.transaction.as_ref().filter(|t| t.explicit) else { return false };
        let all = transaction.constraints_deferred.get("").copied();
        foreign.deferrable && transaction.constraints_deferred.get(name).copied().or(all).unwrap_or(foreign.deferred)
    }

    fn defer(&mut self, relation: RelationId, name: &str) {
        if let Some(transaction) = &mut self.transaction {
            transaction.deferred.insert((relation, name.to_string()));
        }
    }

    /// Checks the rules that were deferred; of all tables. Errors: 23503.
    pub(super) async fn check_deferred(&mut self) -> Result<()> {
        let due = self.transaction.as_mut().map(|t| std::mem::take(&mut t.deferred)).unwrap_or_default();
        let catalog = self.catalog();
        for (id, name) in due {
            let Some(relation) = catalog.by_id(id) else { continue };
            let Some(constraint) = relation.constraints.iter().find(|c| c.name == name) else { continue };
            if let Rule::ForeignKey(foreign) = &constraint.rule
                && let Some(parent) = catalog.by_id(foreign.parent)
            {
                self.check_orphans(relation, constraint, foreign, parent, None).await?;
            }
        }
        Ok(())
    }

    /// SET CONSTRAINTS: from now on in this transaction; what is no longer deferred is checked at once.
    pub(super) async fn set_constraints(&mut self, names: &[String], deferred: bool) -> Result<()> {
        let Some(transaction) = self.transaction.as_mut().filter(|t| t.explicit) else {
            let text = "SET CONSTRAINTS can only be used in transaction blocks";
            self.notice("WARNING", Error::new(code::NO_ACTIVE_SQL_TRANSACTION, text));
            return Ok(());
        };
        if names.is_empty() {
            transaction.constraints_deferred.clear();
            transaction.constraints_deferred.insert(String::new(), deferred);
        }
        transaction.constraints_deferred.extend(names.iter().map(|name| (name.clone(), deferred)));
        if deferred { Ok(()) } else { self.check_deferred().await }
    }

    // Definitions ----------------------------------------------------------------------------------------------------------------

    /// The constraint that is asked for of a relation, which need not be in the catalog yet. Errors: 42703, 42P01, 42830, 42710.
    pub(super) async fn new_constraint(&self, relation: &Relation, asked: &NewRule) -> Result<Constraint> {
        let catalog = self.scope();
        let (rule, suffix) = match &asked.what {
            What::PrimaryKey(_) => return Err(Error::internal("a primary key is no rule")),
            What::Unique(columns) => {
                columns.iter().try_for_each(|c| relation.column(c).map(|_| ()))?;
                (Rule::Unique(columns.clone()), format!("{}_key", columns.join("_")))
            }
            What::Check { sql, column } => {
                self.check_is_condition(relation, sql).await?;
                (Rule::Check(sql.clone()), column.as_ref().map_or("check".to_string(), |c| format!("{c}_check")))
            }
            What::References { columns, parent, parent_columns, on_delete, on_update, deferrable, deferred } => {
                // One that is being created is not found yet.
                let is_there = |namespace| namespace == relation.namespace || catalog.find_in(namespace, &parent.name).is_some();
                let first = catalog.look_up(parent, |namespace| is_there(namespace).then_some(namespace));
                let temporary = relation.namespace == TEMPORARY_NAMESPACE && parent.schema.is_none();
                let itself = relation.name == parent.name && (temporary || first == Some(relation.namespace));
                let to = if itself { Arc::new(relation.clone()) } else { catalog.known(parent)?.clone() };
                let parent_columns = if parent_columns.is_empty() { key_names(&to) } else { parent_columns.clone() };
                check_referable(relation, columns, &to, &parent_columns)?;
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

    async fn check_is_condition(&self, relation: &Relation, sql: &str) -> Result<()> {
        let mut names = self.names();
        let table = MemTable::try_new(relation.schema(), vec![vec![]])?;
        names.stand_ins.push((relation.name.clone(), Arc::new(table)));
        let query = parsed_query(&format!("SELECT * FROM {} WHERE NOT ({sql})", quoted(&relation.name)))?;
        let planned = self.plan_with(names, &query, &[]).await?;
        if !planned.relations.is_empty() {
            return Err(Error::unsupported("cannot use subquery in check constraint"));
        }
        Ok(())
    }

    /// Errors: those of a constraint that the rows that are there break.
    pub(super) async fn check_present(&mut self, relation: &Arc<Relation>, constraint: &Constraint) -> Result<()> {
        match &constraint.rule {
            Rule::Unique(columns) => self.check_unique(relation, constraint, columns, None).await,
            Rule::Check(condition) => {
                let from = whole_name(&self.catalog(), relation);
                let query = parsed_query(&format!("SELECT * FROM {from} WHERE NOT ({condition}) LIMIT 1"))?;
                match self.first_of(relation, &query, None).await? {
                    Some(_) => {
                        let message =
                            format!("check constraint \"{}\" of relation \"{}\" is violated by some row", constraint.name, relation.name);
                        Err(about(code::CHECK_VIOLATION, message, relation, constraint))
                    }
                    None => Ok(()),
                }
            }
            Rule::ForeignKey(foreign) => match self.catalog().by_id(foreign.parent) {
                Some(parent) => self.check_orphans(relation, constraint, foreign, parent, None).await,
                None => Ok(()),
            },
        }
    }
}

/// The tables whose rows refer to rows of `parent`, with the rules that say so.
pub fn referring(catalog: &Catalog, parent: RelationId) -> impl Iterator<Item = (&Arc<Relation>, &Constraint, &ForeignKey)> {
    let of = |r| move |c| foreign_key(c).map(|f| (r, c, f));
    catalog.relations().flat_map(move |r| r.constraints.iter().filter_map(of(r))).filter(move |(_, _, f)| f.parent == parent)
}

fn foreign_key(constraint: &Constraint) -> Option<&ForeignKey> {
    match &constraint.rule {
        Rule::ForeignKey(foreign) => Some(foreign),
        _ => None,
    }
}

/// The names of a relation's indexes.
pub fn index_names(relation: &Relation) -> Vec<String> {
    let rules = relation.constraints.iter().filter(|c| matches!(c.rule, Rule::Unique(_))).map(|c| c.name.clone());
    let key = (!relation.key.is_empty()).then(|| format!("{}_pkey", relation.name));
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
    relation() || catalog.find_sequence_in(namespace, name).is_some() || index_in(catalog, namespace, name).is_some()
}

/// The name, or the first of it with a number behind it that is not taken.
pub fn free_name(base: &str, taken: &dyn Fn(&str) -> bool) -> String {
    let numbered = (1..).map(|i| format!("{base}{i}"));
    std::iter::once(base.to_string()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
}

/// The names of the primary key's columns.
pub fn key_names(relation: &Relation) -> Vec<String> {
    relation.key.iter().map(|k| relation.columns[*k].name.clone()).collect()
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
    let unique = parent.constraints.iter().any(|c| matches!(&c.rule, Rule::Unique(columns) if same(columns)));
    if !same(&key_names(parent)) && !unique {
        let message = format!("there is no unique constraint matching given keys for referenced table \"{}\"", parent.name);
        return Err(Error::new(code::INVALID_FOREIGN_KEY, message));
    }
    Ok(())
}

/// Of a table's events: the rows put, all columns of the relation, and whether rows are gone.
fn put_and_gone(relation: &Relation, events: &[RecordBatch]) -> Result<(RecordBatch, bool)> {
    let schema = relation.nullable().schema();
    let width = relation.columns.len();
    let (mut rows, mut gone) = (Vec::with_capacity(events.len()), false);
    for batch in events {
        let put = match batch.column_by_name(OP).and_then(|ops| ops.as_primitive_opt::<Int8Type>()) {
            Some(ops) => {
                let keep: BooleanArray = ops.values().iter().map(|op| Some(*op > 0)).collect();
                gone |= keep.true_count() < batch.num_rows();
                filter_record_batch(batch, &keep)?
            }
            None => batch.clone(),
        };
        rows.push(RecordBatch::try_new(schema.clone(), put.columns()[..width].to_vec())?);
    }
    Ok((concat_batches(&schema, &rows)?, gone))
}

/// The condition for a row of `relation` to refer to nothing.
fn orphaned(catalog: &Catalog, relation: &Relation, foreign: &ForeignKey, parent: &Relation) -> String {
    let own = |c: &String| format!("{}.{}", quoted(&relation.name), quoted(c));
    let given = foreign.columns.iter().map(|c| format!("{} IS NOT NULL", own(c))).collect::<Vec<_>>().join(" AND ");
    let pairs = foreign.columns.iter().zip(&foreign.parent_columns);
    let same = pairs.map(|(c, p)| format!("\"_parent\".{} = {}", quoted(p), own(c))).collect::<Vec<_>>().join(" AND ");
    format!("{given} AND NOT EXISTS (SELECT 1 FROM {} AS \"_parent\" WHERE {same})", whole_name(catalog, parent))
}

fn no_parent(
    relation: &Relation,
    constraint: &Constraint,
    foreign: &ForeignKey,
    parent: &Relation,
    row: &RecordBatch,
    at: usize,
) -> Result<Error> {
    let message = format!("insert or update on table \"{}\" violates foreign key constraint \"{}\"", relation.name, constraint.name);
    let key = key_of(relation, &foreign.columns, row, at)?;
    let detail = format!("Key ({})=({key}) is not present in table \"{}\".", foreign.columns.join(", "), parent.name);
    Ok(about(code::FOREIGN_KEY_VIOLATION, message, relation, constraint).detail(detail))
}

/// The values of some columns of a row that begins with the relation's columns, as an error shows them.
fn key_of(relation: &Relation, columns: &[String], row: &RecordBatch, at: usize) -> Result<String> {
    let places = columns.iter().map(|c| relation.column(c)).collect::<Result<Vec<_>>>()?;
    Ok(places.iter().map(|p| shown(relation, *p, row.column(*p), at)).collect::<Result<Vec<_>>>()?.join(", "))
}

fn shown(relation: &Relation, column: usize, values: &ArrayRef, at: usize) -> Result<String> {
    if values.is_null(at) {
        return Ok("null".into());
    }
    let mut text = Vec::new();
    cell_text(values, at, &relation.columns[column].ty, &Style::default(), &mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// An error about a constraint, whose fields name it.
fn about(code: &'static str, message: String, relation: &Relation, constraint: &Constraint) -> Error {
    Error::new(code, message).about(relation.id, &relation.name, None, Some(&constraint.name))
}
