//! ATTACH PARTITION and DETACH PARTITION: rows go from one table to the other, as events, in one transaction with the definitions.

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::bounds::not_partitioned;
use crate::catalog::{Bound, Catalog, Change, Constraint, Name, Relation, RelationKind, Rule, Sequence};
use crate::engine::constraints::{free_name, is_taken, key_names, referring};
use crate::engine::ddl::table_node;
use crate::engine::dml::{cast_columns, parsed_query, quoted};
use crate::engine::events::events_of_rows;
use crate::engine::rename::whole_name;
use crate::engine::session::Session;
use crate::error::{Error, Result, code};

impl Session {
    /// ATTACH PARTITION. Errors: 42P01, 42809, 42804, 42P17, 23514 for rows that are not of the bound, 0A000 for what the table has and a
    /// partition has not.
    pub(in crate::engine) async fn attach(&mut self, parent: &Arc<Relation>, name: &Name, asked: &Bound) -> Result<()> {
        let catalog = self.catalog();
        if parent.partitioning.is_none() {
            let error = not_partitioned(parent);
            let message = format!("table {}", error.message());
            return Err(Error::new(error.code(), message));
        }
        let attached = self.scope().known(name)?.clone();
        if attached.is_partition() {
            return Err(Error::new(code::WRONG_OBJECT_TYPE, format!("\"{}\" is already a partition", attached.name)));
        }
        let table = catalog.lineage(parent).last().unwrap_or(parent).clone();
        self.must_own(&attached)?;
        self.check_attachable(&catalog, &table, &attached)?;
        check_alike(&table, &attached)?;
        let bound = self.settled_bound(parent, asked, &attached.name).await?;
        self.lock_definition(table.id).await?;
        self.lock_definition(attached.id).await?;
        let own = catalog.condition_in(parent, &bound).unwrap_or_default();
        let within = catalog.written(parent).entry.as_ref().map_or(String::new(), |entry| format!("{} AND ", entry.condition));
        if self.has_row(&attached, &format!("({within}{own}) IS NOT TRUE")).await? {
            let message = format!("partition constraint of relation \"{}\" is violated by some row", attached.name);
            return Err(Error::new(code::CHECK_VIOLATION, message).about(attached.id, &attached.name, None, None));
        }
        self.check_default(parent, &bound).await?;
        let rows = self.rows_as_of(&attached, &table).await?;
        self.check_unique_among(&table, &rows).await?;
        self.tell_defaults(&table, &attached);
        let made =
            Relation::new(self.engine.new_id(), attached.name.clone(), RelationKind::Partition, table.columns.clone(), String::new());
        let partition = Relation {
            namespace: attached.namespace,
            owner: attached.owner,
            depends_on: vec![parent.id],
            bound: Some(Box::new(bound)),
            partitioning: attached.partitioning.clone(),
            indexes: attached.indexes.clone(),
            ..made
        };
        let id = partition.id;
        self.move_sequences(&catalog, &attached, id)?;
        self.stage(Change::Replace(attached.id, partition), vec![])?;
        let mark = self.gathered();
        self.put_rows(&table, rows).await?;
        self.settle_dependents(&attached, id, "attach", &[]).await?;
        // Its own partitions are those of the partition by now.
        self.check(mark).await?;
        self.default_has_changed(parent.id).await
    }

    /// DETACH PARTITION. Errors: 42P01 for what is no partition of it, 2BP01 where rows of other tables may refer to its rows.
    pub(in crate::engine) async fn detach(&mut self, parent: &Arc<Relation>, name: &Name) -> Result<()> {
        let catalog = self.catalog();
        let partition = self.scope().known(name)?.clone();
        if partition.parent() != Some(parent.id) {
            let message = format!("relation \"{}\" is not a partition of relation \"{}\"", partition.name, parent.name);
            return Err(Error::new(code::UNDEFINED_TABLE, message));
        }
        self.must_own(&partition)?;
        let written = catalog.written(&partition);
        let gone = self.rows_gone(&written, "detach").await?;
        let detached = self.detached(&catalog, &written, &partition);
        let rows = self.rows_as_of(&partition, &detached).await?;
        self.append(gone).await?;
        let detached = Arc::new(detached);
        self.stage(Change::Replace(partition.id, detached.as_ref().clone()), vec![table_node(&detached)?])?;
        self.put_rows(&detached, rows).await?;
        self.settle_dependents(&partition, detached.id, "detach", &[]).await?;
        self.default_has_changed(parent.id).await
    }

    /// The table that a partition becomes: with the key and the constraints of the table that it was of.
    fn detached(&self, catalog: &Catalog, table: &Relation, partition: &Relation) -> Relation {
        let made =
            Relation::new(self.engine.new_id(), partition.name.clone(), RelationKind::Table, partition.columns.clone(), String::new());
        let mut columns = made.columns.clone();
        // Whose numbers come from the table's own sequence.
        columns.iter_mut().for_each(|column| column.identity = None);
        let (key, indexes) = (key_names(table), partition.indexes.clone());
        // What a partition has as an index for a rule of its table is that rule now.
        let of_key = indexes.iter().find(|index| !key.is_empty() && index.unique_columns().as_ref() == Some(&key));
        let taken = |name: &str| is_taken(catalog, partition.namespace, name);
        let key_named = match of_key {
            Some(index) => Some(index.name.clone()),
            None if key.is_empty() => None,
            None => Some(free_name(&format!("{}_pkey", partition.name), &taken)),
        };
        let mut constraints: Vec<Constraint> = Vec::with_capacity(table.constraints.len());
        for Constraint { name, rule, .. } in &table.constraints {
            let name = match rule {
                Rule::Unique(columns) => {
                    let own = indexes.iter().find(|index| index.unique_columns().as_ref() == Some(columns));
                    let fresh = || free_name(&format!("{}_{}_key", partition.name, columns.join("_")), &taken);
                    own.map_or_else(fresh, |index| index.name.clone())
                }
                _ => name.clone(),
            };
            constraints.push(Constraint { id: self.engine.new_id(), name, rule: rule.clone() });
        }
        let named = |name: &str| key_named.as_deref() == Some(name) || constraints.iter().any(|c| c.name == name);
        let indexes = indexes.iter().filter(|index| !named(&index.name)).cloned().collect();
        Relation {
            namespace: partition.namespace,
            owner: partition.owner,
            columns,
            key: table.key.clone(),
            key_named,
            constraints,
            indexes,
            partitioning: partition.partitioning.clone(),
            ..made
        }
    }

    /// The rows of a relation as rows of another with the same columns.
    async fn rows_as_of(&self, from: &Relation, to: &Relation) -> Result<Vec<RecordBatch>> {
        let columns: Vec<String> = to.columns.iter().map(|c| quoted(&c.name)).collect();
        let query = parsed_query(&format!("SELECT {} FROM {}", columns.join(", "), whole_name(&self.catalog(), from)))?;
        let planned = cast_columns(self.plan_query(&query, &[]).await?, &to.columns.iter().collect::<Vec<_>>())?;
        let schema = to.nullable().schema();
        let rows = self.collect(&planned, vec![]).await?.into_iter().filter(|batch| batch.num_rows() > 0);
        rows.map(|batch| Ok(RecordBatch::try_new(schema.clone(), batch.columns().to_vec())?)).collect()
    }

    async fn put_rows(&mut self, table: &Arc<Relation>, rows: Vec<RecordBatch>) -> Result<()> {
        for batch in rows {
            self.append(events_of_rows(&self.engine, table, batch)?).await?;
        }
        Ok(())
    }

    /// Sequences that go with a table go with the partition that it becomes.
    fn move_sequences(&mut self, catalog: &Catalog, attached: &Relation, to: crate::catalog::RelationId) -> Result<()> {
        for sequence in catalog.sequences.owned_by(attached.id) {
            let owner = sequence.owner.as_ref().map(|(_, column)| (to, column.clone()));
            self.stage(Change::PutSequence(Sequence { owner, ..sequence.as_ref().clone() }), vec![])?;
        }
        Ok(())
    }

    /// Errors: 42809 for what is no table; 0A000 for what a partition has no place for.
    fn check_attachable(&self, catalog: &Catalog, table: &Relation, attached: &Relation) -> Result<()> {
        if attached.kind != RelationKind::Table || attached.ksql.is_some() {
            return Err(Error::new(code::WRONG_OBJECT_TYPE, format!("\"{}\" is not a table", attached.name))
                .hint("A partition is made by CREATE TABLE .. PARTITION OF, or of a table."));
        }
        if attached.id == table.id {
            return Err(Error::new(code::DUPLICATE_TABLE, "circular inheritance not allowed"));
        }
        let unsupported = |what: &str, hint: &str| {
            Err(Error::unsupported(format!("cannot attach table \"{}\": {what}", attached.name)).hint(hint.to_string()))
        };
        if self.is_temporary(attached.id) || self.is_temporary(table.id) {
            return unsupported("it is temporary", "Attach a table of the database.");
        }
        if let Some((child, constraint, _)) = referring(catalog, attached.id).next() {
            let what = format!("constraint \"{}\" of table \"{}\" refers to it", constraint.name, child.name);
            return unsupported(&what, "Drop that constraint, and let it refer to the partitioned table.");
        }
        if !attached.triggers.is_empty() || attached.security != Default::default() {
            return unsupported("it has triggers or policies of its own", "Drop them, and make them on the partitioned table.");
        }
        let key = key_names(attached);
        if !key.is_empty() && key != key_names(table) {
            return unsupported("the partitioned table has not its primary key", "Add the key to that first.");
        }
        let held = |constraint: &Constraint| table.constraints.iter().any(|of| of.rule == constraint.rule);
        if let Some(own) = attached.constraints.iter().find(|constraint| !held(constraint)) {
            return unsupported(&format!("constraint \"{}\" is its own", own.name), "Add it to the partitioned table first, or drop it.");
        }
        match attached.indexes.iter().find(|index| super::define::check_rests_on(table, index).is_err()) {
            Some(own) => {
                unsupported(&format!("unique index \"{}\" is its own", own.name), "Make it on the partitioned table first, or drop it.")
            }
            None => Ok(()),
        }
    }

    /// The notice that a partition has the defaults of its table, where it had others.
    fn tell_defaults(&mut self, table: &Relation, attached: &Relation) {
        let differs = |(own, theirs): &(&crate::catalog::Column, &crate::catalog::Column)| {
            own.default != theirs.default && own.default.is_some() || own.identity != theirs.identity && own.identity.is_some()
        };
        let pairs = attached.columns.iter().zip(&table.columns).filter(differs);
        let names: Vec<String> = pairs.map(|(own, _)| own.name.clone()).collect();
        if !names.is_empty() {
            let text = format!("partition \"{}\" has the defaults of \"{}\" from now on: {}", attached.name, table.name, names.join(", "));
            self.notice("NOTICE", Error::new(code::SUCCESS, text));
        }
    }
}

/// Errors: 42804 for a table whose columns are not those of the partitioned one; 0A000 where they stand in another order.
fn check_alike(table: &Relation, attached: &Relation) -> Result<()> {
    let mismatch = |message: String| Error::new(code::DATATYPE_MISMATCH, message);
    if let Some(other) = attached.columns.iter().find(|c| table.column(&c.name).is_err()) {
        let message = format!("table \"{}\" contains column \"{}\" not found in parent \"{}\"", attached.name, other.name, table.name);
        return Err(mismatch(message).detail("The new partition may contain only the columns present in parent."));
    }
    for column in &table.columns {
        let Some(own) = attached.columns.iter().find(|c| c.name == column.name) else {
            return Err(mismatch(format!("child table is missing column \"{}\"", column.name)));
        };
        if own.ty != column.ty || own.domain != column.domain {
            return Err(mismatch(format!("child table \"{}\" has different type for column \"{}\"", attached.name, column.name)));
        }
        if own.nullable && !column.nullable {
            return Err(mismatch(format!("column \"{}\" in child table must be marked NOT NULL", column.name)));
        }
        if own.generated != column.generated {
            let message = format!("column \"{}\" in child table has a conflicting generation expression", column.name);
            return Err(mismatch(message));
        }
    }
    if attached.columns.iter().zip(&table.columns).any(|(own, theirs)| own.name != theirs.name) {
        return Err(Error::unsupported(format!("cannot attach table \"{}\": its columns stand in another order", attached.name))
            .hint("Make it with its columns in the order of the partitioned table's."));
    }
    if attached.columns.iter().zip(&table.columns).any(|(own, theirs)| !own.nullable && theirs.nullable) {
        return Err(Error::unsupported(format!(
            "cannot attach table \"{}\": a column of it is NOT NULL, and that of \"{}\" is not",
            attached.name, table.name
        ))
        .hint("ALTER COLUMN .. SET NOT NULL on the partitioned table, or DROP NOT NULL on the other one."));
    }
    Ok(())
}
