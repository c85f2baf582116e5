//! Which partition rows are of, and rows that are of none.
//!
//! Conditions are planned once each and kept with the table ([`KnownConditions`]), so that a statement costs their evaluation.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};

use arrow::array::{Array, RecordBatch};
use datafusion::catalog::TableProvider;
use parking_lot::Mutex;

use crate::catalog::{Catalog, Condition, Name, Partitioning, Relation, RelationId};
use crate::data::encode::{Style, cell_text};
use crate::engine::session::Session;
use crate::error::{Error, Result, code};
use crate::fold::Expr;
use crate::fold::eval::{evaluate_all, mask};
use crate::serve::system::deparse;
use crate::sql::only;

/// Conditions over the rows of tables.
pub(in crate::engine) type KnownConditions = Mutex<HashMap<RelationId, Conditions>>;

/// Conditions over the rows of one table, planned.
#[derive(Default)]
pub(in crate::engine) struct Conditions {
    by_text: BTreeMap<String, Expr>,
    /// Those of the rows that no partition takes, and the catalog that says so.
    unplaced: Option<(Weak<Catalog>, Unplaced)>,
}

/// Partitioned relations from a table down, each with the condition of rows that are in it and in none of its partitions.
type Unplaced = Arc<Vec<(Arc<Relation>, Expr)>>;

/// Conditions that are kept of one table: when there are more, partitions have come and gone, and they are planned anew.
const CONDITIONS_MAX: usize = 4_096;

impl Session {
    /// The rows of the partition that a statement names; all of them if it names a table.
    pub(in crate::engine) async fn of_partition(
        &self,
        relation: &Arc<Relation>,
        rows: Arc<dyn TableProvider>,
    ) -> Result<Arc<dyn TableProvider>> {
        let Some(entry) = &relation.entry else { return Ok(rows) };
        self.names().restricted(relation, rows, &[Condition { policy: None, sql: entry.condition.clone() }]).await
    }

    /// Errors: 0A000 for a statement that means the rows of a partitioned table without those of its partitions.
    pub(in crate::engine) fn refuse_only(&self, text: &str) -> Result<()> {
        for parts in only::named(text) {
            let name = match parts.as_slice() {
                [schema, name] => Name::qualified(schema, name),
                [name] => Name::bare(name),
                _ => continue,
            };
            if self.scope().find(&name).is_some_and(|relation| relation.partitioning.is_some()) {
                return Err(Error::unsupported(format!("ONLY before the partitioned table \"{}\" is not supported", name.name))
                    .hint("It has no rows but those of its partitions: leave ONLY out, or name a partition."));
            }
        }
        Ok(())
    }

    /// Errors: 23514 for a row of the table, of those that a statement has put, that no partition takes.
    pub(in crate::engine) async fn check_placed(&self, relation: &Arc<Relation>, rows: &RecordBatch) -> Result<()> {
        if relation.partitioning.is_none() || rows.num_rows() == 0 {
            return Ok(());
        }
        for (of, condition) in self.unplaced(relation).await?.iter() {
            let unplaced = mask(condition, rows)?;
            if let Some(at) = (0..rows.num_rows()).find(|at| unplaced.value(*at)) {
                return Err(self.no_partition(relation, of, &rows.slice(at, 1)).await?);
            }
        }
        Ok(())
    }

    /// The rows of a table that no partition takes. Cost: that of writing down all bounds, while the catalog is another one than before.
    async fn unplaced(&self, table: &Arc<Relation>) -> Result<Unplaced> {
        let catalog = self.catalog();
        let known = self.engine.partition_conditions.lock().get(&table.id).and_then(|of| of.unplaced.clone());
        if let Some((of, known)) = known
            && of.as_ptr() == Arc::as_ptr(&catalog)
        {
            return Ok(known);
        }
        let mut found = Vec::new();
        for (of, condition) in catalog.unplaced(table) {
            found.push((of, self.known_condition(table, condition).await?));
        }
        let found = Arc::new(found);
        self.engine.partition_conditions.lock().entry(table.id).or_default().unplaced = Some((Arc::downgrade(&catalog), found.clone()));
        Ok(found)
    }

    /// Errors: 23514 for a row that is put into a partition and is not of it. The relation's columns come first.
    pub(in crate::engine) async fn check_entry(&self, relation: &Arc<Relation>, rows: &RecordBatch) -> Result<()> {
        let Some(entry) = relation.entry.as_ref().filter(|_| rows.num_rows() > 0) else { return Ok(()) };
        let own = mask(&self.known_condition(&entry.table, entry.condition.clone()).await?, rows)?;
        let Some(at) = (0..rows.num_rows()).find(|at| !own.value(*at)) else { return Ok(()) };
        let message = format!("new row for relation \"{}\" violates partition constraint", relation.name);
        let mut error = Error::new(code::CHECK_VIOLATION, message).about(relation.granted_on(), &relation.name, None, None);
        error.fields_mut().detail = self.failing_row(relation, &rows.slice(at, 1))?;
        Err(error)
    }

    /// A condition over the rows of a table. Cost: a plan, the first time that it is met.
    async fn known_condition(&self, table: &Arc<Relation>, condition: String) -> Result<Expr> {
        let known = self.engine.partition_conditions.lock().get(&table.id).and_then(|of| of.by_text.get(&condition).cloned());
        if let Some(known) = known {
            return Ok(known);
        }
        let planned = self.condition_over_rows(table, &condition).await?;
        let mut all = self.engine.partition_conditions.lock();
        let of_table = &mut all.entry(table.id).or_default().by_text;
        if of_table.len() >= CONDITIONS_MAX {
            of_table.clear();
        }
        of_table.insert(condition, planned.clone());
        Ok(planned)
    }

    /// The error of a row of a table that none of the partitions of a relation takes: the table, or a partition that is partitioned.
    async fn no_partition(&self, table: &Arc<Relation>, of: &Relation, row: &RecordBatch) -> Result<Error> {
        let error = Error::new(code::CHECK_VIOLATION, format!("no partition of relation \"{}\" found for row", of.name));
        let error = error.about(of.id, &of.name, None, None);
        let Some(by) = of.partitioning.as_ref().filter(|_| self.may_tell(table, &all_columns(table))) else { return Ok(error) };
        let names: Vec<String> = by.keys.iter().map(|key| deparse::key(table, key, deparse::Style::Pretty)).collect();
        let exprs = self.over_rows(table, &names).await?.exprs;
        let mut values = Vec::with_capacity(names.len());
        for (value, key) in evaluate_all(&exprs, row)?.iter().zip(&by.keys) {
            let mut text = Vec::new();
            match value.is_null(0) {
                true => text.extend(b"null"),
                false => cell_text(value, 0, &Partitioning::type_of(key, &table.columns), &Style::default(), &mut text)?,
            }
            values.push(String::from_utf8_lossy(&text).into_owned());
        }
        Ok(error.detail(format!("Partition key of the failing row contains ({}) = ({}).", names.join(", "), values.join(", "))))
    }
}

fn all_columns(relation: &Relation) -> Vec<usize> {
    (0..relation.columns.len()).collect()
}
