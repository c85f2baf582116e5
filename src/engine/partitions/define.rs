//! PARTITION BY and PARTITION OF, and what partitions make of other definitions.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::bounds::not_partitioned;
use crate::catalog::{
    Bound, Catalog, Change, Constraint, Index, IndexKey, Indexed, Name, Partitioning, Relation, RelationId, RelationKind, Rule, Strategy,
};
use crate::engine::alter::columns_in;
use crate::engine::constraints::unique::OneRow;
use crate::engine::constraints::{free_name, index_in, is_taken, referring};
use crate::engine::dml::parsed_query;
use crate::engine::indexes::{check_key_types, unqualified};
use crate::engine::rename::whole_name;
use crate::engine::session::Session;
use crate::error::{Error, Result, code};
use crate::func::is_hashed;
use crate::sql::statement::{Alteration, NewPartition, NewRule, What};

impl Session {
    /// How a relation is to be partitioned, as the catalog keeps it. Errors: 42703, 42P17, 42704, 0A000 for a type that has no hash here.
    pub(in crate::engine) async fn settled_partitioning(&self, relation: &Relation, asked: &Partitioning) -> Result<Partitioning> {
        if relation.kind == RelationKind::Stream {
            return Err(Error::unsupported("a stream is not partitioned").hint("Write USING heap for a table, or leave PARTITION BY out."));
        }
        let mut by = asked.clone();
        for key in &mut by.keys {
            match key {
                Indexed::Column(name) => {
                    let missing = || Error::new(code::UNDEFINED_COLUMN, format!("column \"{name}\" named in partition key does not exist"));
                    let column = relation.columns.iter().find(|c| c.name == *name).ok_or_else(missing)?;
                    if column.generated.is_some() {
                        let message = "cannot use generated column in partition key";
                        return Err(Error::new(code::INVALID_OBJECT_DEFINITION, message)
                            .detail(format!("Column \"{name}\" is a generated column.")));
                    }
                    check_key_types([column])?;
                }
                Indexed::Expression { sql, ty } => {
                    *sql = self.kept_expression(&unqualified(relation, sql)?)?;
                    *ty = self.immutable(&Arc::new(relation.clone()), sql, OneRow::PartitionKey).await?;
                }
            }
        }
        let hashed = |key: &Indexed| is_hashed(&Partitioning::type_of(key, &relation.columns));
        if by.strategy == Strategy::Hash
            && let Some(key) = by.keys.iter().find(|key| !hashed(key))
        {
            let ty = Partitioning::type_of(key, &relation.columns);
            return Err(Error::unsupported(format!("a hash partition key of type {ty} is not supported"))
                .hint("Numbers without decimals, text, boolean, uuid, dates and timestamps are hashed."));
        }
        Ok(by)
    }

    /// CREATE TABLE .. PARTITION OF. Errors: 42P01, 42P07, 42501, 23514 where the default partition has rows of it, and those of bounds.
    pub(in crate::engine) async fn create_partition(&mut self, new: &NewPartition) -> Result<()> {
        let catalog = self.define().await?;
        let scope = self.scope();
        let namespace = scope.place_of(&new.name)?.id;
        self.may_create_in(namespace)?;
        if self.exists(namespace, &new.name.name, new.if_not_exists)? {
            return Ok(());
        }
        new.told.iter().for_each(|text| self.notice("NOTICE", Error::new(code::SUCCESS, text.clone())));
        let parent = scope.known(&new.parent)?.clone();
        self.must_own(&parent)?;
        if parent.partitioning.is_none() {
            return Err(not_partitioned(&parent));
        }
        let table = catalog.lineage(&parent).last().unwrap_or(&parent).clone();
        // Nobody puts rows meanwhile that would be of it.
        self.lock_definition(table.id).await?;
        let bound = self.settled_bound(&parent, &new.bound, &new.name.name).await?;
        self.check_default(&parent, &bound).await?;
        let name = new.name.name.clone();
        let made = Relation::new(self.engine.new_id(), name, RelationKind::Partition, parent.columns.clone(), String::new());
        let mut partition = Relation { namespace, owner: self.role(), depends_on: vec![parent.id], bound: Some(Box::new(bound)), ..made };
        if let Some(by) = &new.partitioning {
            let by = self.settled_partitioning(&partition, by).await?;
            check_keys_by(&table, &by)?;
            partition.partitioning = Some(Box::new(by));
        }
        self.stage(Change::Create(partition), vec![])?;
        self.default_has_changed(parent.id).await
    }

    /// Errors: 23514 if the default partition of a relation has rows that a new partition would take.
    pub(super) async fn check_default(&mut self, parent: &Relation, bound: &Bound) -> Result<()> {
        let catalog = self.catalog();
        let Some(default) = catalog.default_partition(parent.id).filter(|_| *bound != Bound::Default) else { return Ok(()) };
        let condition = catalog.condition_in(parent, bound).unwrap_or_default();
        if self.has_row(default, &condition).await? {
            let message = format!("updated partition constraint for default partition \"{}\" would be violated by some row", default.name);
            return Err(Error::new(code::CHECK_VIOLATION, message).about(default.id, &default.name, None, None));
        }
        Ok(())
    }

    /// True if a relation has a row that meets a condition, whoever asks.
    pub(super) async fn has_row(&mut self, relation: &Arc<Relation>, condition: &str) -> Result<bool> {
        let query = parsed_query(&format!("SELECT 1 FROM {} WHERE {condition} LIMIT 1", whole_name(&self.catalog(), relation)))?;
        self.set_unasked(true);
        let found = self.first_of(relation, &query, None).await;
        self.set_unasked(false);
        Ok(found?.is_some())
    }

    /// A partition has come or gone: what rests on the default one folds again, since that is what the others are not.
    pub(super) async fn default_has_changed(&mut self, parent: RelationId) -> Result<()> {
        let Some(default) = self.catalog().default_partition(parent).map(|default| default.id) else { return Ok(()) };
        self.fold_views_again(default).await
    }

    // DROP ------------------------------------------------------------------------------------------------------------------------

    /// Takes the rows of partitions that are to be dropped out of tables that stay. `all`: what is to be dropped.
    pub(in crate::engine) async fn empty_dropped(&mut self, catalog: &Catalog, all: &BTreeSet<RelationId>) -> Result<()> {
        for partition in staying_parents(catalog, all) {
            let gone = self.rows_gone(&catalog.written(partition), "drop").await?;
            self.append(gone).await?;
        }
        Ok(())
    }

    /// The same, when they are dropped, for what rests on default partitions.
    pub(in crate::engine) async fn defaults_have_changed(&mut self, catalog: &Catalog, all: &BTreeSet<RelationId>) -> Result<()> {
        let parents: BTreeSet<RelationId> = staying_parents(catalog, all).filter_map(|partition| partition.parent()).collect();
        for parent in parents {
            self.default_has_changed(parent).await?;
        }
        Ok(())
    }

    /// The events by which the rows of a partition go. Errors: 2BP01 where rows of other tables may refer to them.
    pub(super) async fn rows_gone(
        &mut self,
        written: &Arc<Relation>,
        what: &str,
    ) -> Result<Vec<(crate::log::LogId, arrow::array::RecordBatch)>> {
        self.lock_definition(written.id).await?;
        let events = self.truncating(written).await?;
        let catalog = self.catalog();
        if let Some((child, constraint, _)) = referring(&catalog, written.id).next().filter(|_| !events.is_empty()) {
            let message = format!("cannot {what} partition {} because other objects depend on its rows", written.name);
            return Err(Error::new(code::DEPENDENT_OBJECTS_STILL_EXIST, message)
                .detail(format!("constraint {} on table {} refers to rows of its table", constraint.name, child.name))
                .hint("DELETE the rows of the partition first."));
        }
        Ok(events)
    }

    // ALTER -----------------------------------------------------------------------------------------------------------------------

    /// ALTER TABLE of a partition: what its table has is not its own to change. Errors: 42809, 42P16, 0A000.
    pub(in crate::engine) async fn alter_partition(&mut self, partition: &Arc<Relation>, change: &Alteration) -> Result<()> {
        let catalog = self.catalog();
        let parent =
            partition.parent().and_then(|parent| catalog.by_id(parent)).ok_or_else(|| Error::internal("a partition is of a table"))?;
        match change {
            Alteration::Attach { partition: name, bound } => self.attach(partition, name, bound).await,
            Alteration::Detach { partition: name } => self.detach(partition, name).await,
            Alteration::AddRule(NewRule { what: What::PrimaryKey(columns), name }) => {
                self.add_index_of_rule(partition, name.as_deref(), columns, "pkey".into())
            }
            Alteration::AddRule(NewRule { what: What::Unique(columns), name }) => {
                self.add_index_of_rule(partition, name.as_deref(), columns, format!("{}_key", columns.join("_")))
            }
            // A dump says of each partition what it says of the table.
            Alteration::SetNotNull { column, not_null: true } if !partition.columns[partition.column(column)?].nullable => Ok(()),
            Alteration::SetDefault { column, default } => {
                let own = &partition.columns[partition.column(column)?];
                let mut asked = own.clone();
                asked.default.clone_from(default);
                self.keep_default(&mut asked).await?;
                if asked.default == own.default { Ok(()) } else { Err(of_table("another default of", partition, parent)) }
            }
            Alteration::AddColumn { .. } => Err(Error::new(code::WRONG_OBJECT_TYPE, "cannot add column to a partition")),
            Alteration::DropColumn { name, .. } => {
                partition.column(name)?;
                Err(Error::new(code::INVALID_TABLE_DEFINITION, format!("cannot drop inherited column \"{name}\"")))
            }
            Alteration::RenameColumn { from, .. } => {
                partition.column(from)?;
                Err(Error::new(code::INVALID_TABLE_DEFINITION, format!("cannot rename inherited column \"{from}\"")))
            }
            _ => Err(of_table("this change of", partition, parent)),
        }
    }

    /// ADD PRIMARY KEY and UNIQUE on a partition: an index, since its table has the rule. Errors: 0A000 where that has not.
    fn add_index_of_rule(&mut self, partition: &Arc<Relation>, name: Option<&str>, columns: &[String], suffix: String) -> Result<()> {
        let catalog = self.catalog();
        let taken = |name: &str| is_taken(&catalog, partition.namespace, name);
        self.check_free(partition.namespace, name)?;
        columns.iter().try_for_each(|c| partition.column(c).map(|_| ()))?;
        let name = name.map_or_else(|| free_name(&format!("{}_{suffix}", partition.name), &taken), str::to_string);
        let keys = columns.iter().map(|c| IndexKey::new(Indexed::Column(c.clone()))).collect();
        let index = Index {
            id: self.engine.new_id(),
            name,
            keys,
            unique: true,
            include: vec![],
            nulls_equal: false,
            method: "btree".into(),
            predicate: None,
            options: vec![],
        };
        check_rests_on_table(&catalog, partition, &index)?;
        let mut altered = partition.as_ref().clone();
        altered.indexes.push(index);
        self.stage(Change::Alter(altered), vec![])
    }

    /// A column is to get another name: keys of its table's partitions name it so. Those of the table itself are in `altered`.
    pub(in crate::engine) fn rename_in_partitioning(
        &mut self,
        relation: &Arc<Relation>,
        altered: &mut Relation,
        from: &str,
        to: &str,
        rename: fn(&mut String, &str, &str) -> Result<()>,
    ) -> Result<()> {
        let renamed = |by: &mut Option<Box<Partitioning>>| {
            by.iter_mut().flat_map(|by| &mut by.keys).try_for_each(|key| match key {
                Indexed::Column(name) if name == from => {
                    *name = to.to_string();
                    Ok(())
                }
                Indexed::Column(_) => Ok(()),
                Indexed::Expression { sql, .. } => rename(sql, from, to),
            })
        };
        renamed(&mut altered.partitioning)?;
        let catalog = self.catalog();
        for (partition, _) in catalog.partition_tree(relation).into_iter().skip(1).filter(|(of, _)| of.partitioning.is_some()) {
            let mut changed = partition.as_ref().clone();
            renamed(&mut changed.partitioning)?;
            self.stage(Change::Alter(changed), vec![])?;
        }
        Ok(())
    }

    /// ALTER INDEX .. ATTACH PARTITION: which index is a part of which is told by the tables. Errors: 42P01, 42809.
    pub(in crate::engine) async fn attach_index(&mut self, index: &Name, part: &Name) -> Result<()> {
        let catalog = self.define().await?;
        let scope = self.scope();
        let find = |name: &Name| {
            let found = scope.look_up(name, |namespace| index_in(&catalog, namespace, &name.name).map(|(relation, _)| relation));
            found.ok_or_else(|| scope.missing(name))
        };
        let (table, partition) = (find(index)?, find(part)?);
        self.must_own(table)?;
        if partition.parent() == Some(table.id) {
            return Ok(());
        }
        let message = format!("cannot attach index \"{}\" as a partition of index \"{}\"", part.name, index.name);
        Err(Error::new(code::INVALID_OBJECT_DEFINITION, message)
            .detail(format!("Index \"{}\" is not an index on any partition of table \"{}\".", part.name, table.name)))
    }
}

/// The partitions among what is dropped whose parents stay.
fn staying_parents<'a>(catalog: &'a Catalog, all: &'a BTreeSet<RelationId>) -> impl Iterator<Item = &'a Arc<Relation>> {
    let stays = |partition: &&Arc<Relation>| partition.parent().is_some_and(|parent| !all.contains(&parent));
    all.iter().filter_map(|id| catalog.by_id(*id)).filter(stays)
}

/// Errors: 0A000 unless whatever is unique in a table has all columns by which it, or a partition of it, is partitioned. `altered`: what it is to
/// become.
pub(in crate::engine) fn check_keys(catalog: &Catalog, table: &Arc<Relation>, altered: &Relation) -> Result<()> {
    let by = catalog.partition_tree(table).into_iter().skip(1).filter_map(|(of, _)| of.partitioning.as_deref());
    altered.partitioning.as_deref().into_iter().chain(by).try_for_each(|by| check_keys_by(altered, by))
}

fn check_keys_by(table: &Relation, by: &Partitioning) -> Result<()> {
    let key: Vec<String> = table.key.iter().map(|k| table.columns[*k].name.clone()).collect();
    let primary = (!key.is_empty()).then_some(("PRIMARY KEY", key));
    let rules = table.constraints.iter().filter_map(|Constraint { rule, .. }| match rule {
        Rule::Unique(columns) => Some(columns.clone()),
        _ => None,
    });
    let indexes = table.indexes.iter().filter(|i| i.unique).map(|i| i.keys.iter().filter_map(|key| key.column().cloned()).collect());
    for (word, columns) in primary.into_iter().chain(rules.chain(indexes).map(|columns| ("UNIQUE", columns))) {
        if by.keys.iter().any(|key| matches!(key, Indexed::Expression { .. })) {
            return Err(Error::unsupported(format!("unsupported {word} constraint with partition key definition"))
                .detail(format!("{word} constraints cannot be used when partition keys include expressions.")));
        }
        if let Some(lacking) = by.columns().find(|name| !columns.contains(name)) {
            let detail =
                format!("{word} constraint on table \"{}\" lacks column \"{lacking}\" which is part of the partition key.", table.name);
            return Err(Error::unsupported("unique constraint on partitioned table must include all partitioning columns").detail(detail));
        }
    }
    Ok(())
}

/// Errors: 0A000 for a unique index of a partition where the table has no rule of these columns.
pub(in crate::engine) fn check_rests_on_table(catalog: &Catalog, partition: &Arc<Relation>, index: &Index) -> Result<()> {
    catalog.lineage(partition).last().map_or(Ok(()), |table| check_rests_on(table, index))
}

/// The same for what is to become a partition of a table.
pub(super) fn check_rests_on(table: &Relation, index: &Index) -> Result<()> {
    if !index.unique {
        return Ok(());
    }
    let key: Vec<String> = table.key.iter().map(|k| table.columns[*k].name.clone()).collect();
    let same = |theirs: &[String], ours: &[String]| theirs.len() == ours.len() && theirs.iter().all(|c| ours.contains(c));
    let held = index.unique_columns().is_some_and(|ours| same(&key, &ours) || table.unique_columns().any(|theirs| same(&theirs, &ours)));
    if held {
        return Ok(());
    }
    Err(Error::unsupported("a unique index on a partition alone is not supported")
        .hint(format!("Make it on \"{}\" first, with the columns of the partition key.", table.name)))
}

/// Errors: 42P16 for a column that is to be dropped or to get another type, and by which the table, or a partition of it, is partitioned.
pub(in crate::engine) fn refuse_key_column(catalog: &Catalog, table: &Arc<Relation>, column: &str, what: &str) -> Result<()> {
    for (of, _) in catalog.partition_tree(table) {
        let names = |key: &Indexed| match key {
            Indexed::Column(name) => name == column,
            Indexed::Expression { sql, .. } => columns_in(sql).iter().any(|name| name == column),
        };
        if of.partitioning.as_ref().is_some_and(|by| by.keys.iter().any(names)) {
            let message = format!("cannot {what} column \"{column}\" because it is part of the partition key of relation \"{}\"", of.name);
            return Err(Error::new(code::INVALID_TABLE_DEFINITION, message));
        }
    }
    Ok(())
}

fn of_table(what: &str, partition: &Relation, parent: &Relation) -> Error {
    Error::unsupported(format!("{what} partition \"{}\" is not supported", partition.name))
        .hint(format!("A partition is as its table is: ALTER TABLE {}.", parent.name))
}
