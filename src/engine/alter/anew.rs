//! A relation written anew: another one takes its place, with the same rows, and what depends on it follows.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int8Array, RecordBatch, new_null_array};
use arrow::datatypes::DataType;
use futures::StreamExt;

use super::depended_on;
use crate::catalog::{Change, Column, Relation, RelationId, RelationKind, Sequence, name_after};
use crate::data::{PgType, TIME};
use crate::engine::ddl::{table_node, view_node_with};
use crate::engine::dml::{all_not_null, cast_columns, parsed_query};
use crate::engine::events::UPSERT;
use crate::engine::node::Node;
use crate::engine::progress::Kind;
use crate::engine::query::Planned;
use crate::engine::rename::whole_name;
use crate::engine::session::Session;
use crate::error::{Error, Result};

impl Session {
    /// Puts `altered` in the place of `relation`, filled with what `items`, an expression for each of its columns, give over that.
    /// Answers it as it is in the catalog now.
    pub(super) async fn rewrite(
        &mut self,
        relation: &Arc<Relation>,
        altered: Relation,
        items: Vec<String>,
        what: &str,
    ) -> Result<Arc<Relation>> {
        let id = if altered.id == relation.id { self.engine.new_id() } else { altered.id };
        let altered = Relation { id, schemas: Default::default(), ..altered };
        self.lock_definition(relation.id).await?;
        let is_stream = relation.kind == RelationKind::Stream;
        let said = self.said_by_views(relation, &altered).await?;
        let list: Vec<String> = items.iter().enumerate().map(|(i, item)| format!("{item} AS \"column{i}\"")).collect();
        let order = if is_stream {
            format!(", {TIME} FROM {} ORDER BY _position", whole_name(&self.catalog(), relation))
        } else {
            format!(" FROM {}", whole_name(&self.catalog(), relation))
        };
        let query = parsed_query(&format!("SELECT {}{order}", list.join(", ")))?;
        let wanted: Vec<&Column> = altered.columns.iter().collect();
        let planned = cast_columns(self.plan_query(&query, &[]).await?, &wanted)?;
        let work = self.engine.begin_work(Kind::Rewrite, Some(relation), self.process, "reading");
        let mut rows = Vec::new();
        let mut read = self.run_query(&planned, vec![]).await?;
        // How many there are is known once the table has been folded up to what is read.
        work.enter("reading", self.engine.rows_of(relation));
        while let Some(batch) = read.next().await {
            let batch = batch?;
            work.gauge.add(batch.num_rows());
            rows.push(batch);
        }
        // Values of another type may be the same where they were not before.
        self.check_unique_among(&Arc::new(altered.clone()), &rows).await?;
        work.enter("writing", Some(rows.iter().map(|batch| batch.num_rows() as u64).sum()));
        // The sequences of its columns go over to it.
        let catalog = self.catalog();
        for sequence in catalog.sequences.owned_by(relation.id) {
            let after = |column: &str| name_after(column, &relation.columns, &altered.columns).unwrap_or(column).to_string();
            let owner = sequence.owner.as_ref().map(|(_, column)| (id, after(column)));
            self.stage(Change::PutSequence(Sequence { owner, ..sequence.as_ref().clone() }), vec![])?;
        }
        let node = if is_stream { None } else { Some(table_node(&Arc::new(altered.clone()))?) };
        self.stage(Change::Replace(relation.id, altered.clone()), node.into_iter().collect())?;
        for batch in rows.into_iter().filter(|b| b.num_rows() > 0) {
            all_not_null(&altered, &batch)?;
            self.append(vec![(id, event_of(&altered, &batch)?)]).await?;
            work.gauge.add(batch.num_rows());
        }
        self.alter_references(relation.id, |rule| rule.parent = id)?;
        self.settle_dependents(relation, id, what, &said).await?;
        let catalog = self.catalog();
        catalog.by_id(id).cloned().ok_or_else(|| Error::internal("a relation was lost"))
    }

    /// The plans of the views that depend on a relation, before it only gets or loses columns; none where they become others.
    async fn said_by_views(&self, relation: &Relation, altered: &Relation) -> Result<Vec<(RelationId, Planned)>> {
        let within = |a: &[Column], b: &[Column]| a.iter().all(|c| b.iter().any(|o| o.name == c.name && o.ty == c.ty));
        if !within(&relation.columns, &altered.columns) && !within(&altered.columns, &relation.columns) {
            return Ok(vec![]);
        }
        let catalog = self.catalog();
        let mut said = Vec::new();
        for view in catalog.with_dependents(relation.id).iter().filter_map(|id| catalog.by_id(*id)).filter(|r| r.is_view()) {
            said.push((view.id, self.plan_with(self.names_as_told(), parsed_query(&view.sql)?.as_ref(), &[]).await?));
        }
        Ok(said)
    }

    /// What depends on a relation that was put in the place of another depends on it now, and is folded again. `said`: what the views among
    /// it said before. Errors: 2BP01 if a query no longer gives the columns that it gave, or says something else of the columns there were.
    pub(in crate::engine) async fn settle_dependents(
        &mut self,
        old: &Relation,
        id: RelationId,
        what: &str,
        said: &[(RelationId, Planned)],
    ) -> Result<()> {
        let mut open: Vec<RelationId> = self.catalog().with_dependents(old.id).into_iter().filter(|d| *d != old.id).collect();
        open.reverse();
        for dependent in open {
            let catalog = self.catalog();
            let Some(before) = catalog.by_id(dependent).cloned() else { continue };
            if before.ksql.is_some() {
                return Err(depended_on(old, what, &before).hint("DROP that first, and make it again."));
            }
            let depends_on = before.depends_on.iter().map(|d| if *d == old.id { id } else { *d }).collect();
            let after = Arc::new(Relation { depends_on, ..before.as_ref().clone() });
            self.stage(Change::Alter(after.as_ref().clone()), vec![])?;
            // What it is follows from what it is of.
            if after.is_partition() {
                continue;
            }
            let known = said.iter().find(|(view, _)| *view == after.id).map(|(_, planned)| planned);
            if !self.gives_its_columns(&after, known).await? {
                return Err(depended_on(old, what, &before).hint("Drop that first, and make it again."));
            }
            if after.kind == RelationKind::MaterializedView {
                let node: Arc<Node> = view_node_with(&self.engine.clone(), &self.catalog(), &after, |id| self.node_of(id)).await?;
                self.stage(Change::Alter(after.as_ref().clone()), vec![node])?;
            }
        }
        Ok(())
    }

    /// True if a view's query still gives the columns that the view has, and still says what it said `before`, where that is to stay.
    async fn gives_its_columns(&self, view: &Relation, before: Option<&Planned>) -> Result<bool> {
        let planned = self.plan_with(self.names_as_told(), parsed_query(&view.sql)?.as_ref(), &[]).await;
        Ok(planned.is_ok_and(|p| {
            before.is_none_or(|before| p.says_the_same(before))
                && p.columns.len() == view.columns.len()
                && p.columns.iter().zip(&view.columns).all(|(a, b)| a.ty.base() == b.ty.base() || b.ty == PgType::Text)
        }))
    }
}

/// Rows of all columns, and for a stream their times, as events.
fn event_of(relation: &Relation, rows: &RecordBatch) -> Result<RecordBatch> {
    let width = relation.columns.len();
    let mut columns: Vec<ArrayRef> = rows.columns()[..width].to_vec();
    let mut fields: Vec<_> = relation.event_schema().fields().iter().cloned().collect();
    if relation.kind == RelationKind::Table {
        columns.push(Arc::new(Int8Array::from(vec![UPSERT; rows.num_rows()])));
        if relation.key.is_empty() {
            columns.push(new_null_array(&DataType::Int64, rows.num_rows()));
        }
    } else {
        fields.push(Arc::new(PgType::Timestamptz.field(TIME, false)));
        columns.push(arrow::compute::cast(rows.column(width), &PgType::Timestamptz.arrow())?);
    }
    Ok(RecordBatch::try_new(Arc::new(arrow::datatypes::Schema::new(fields)), columns)?)
}
