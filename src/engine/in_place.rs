//! Another definition of a relation at once, which is there for good when the statement ends: a relation that gets columns, and one of
//! ksqlDB's dialect whose queries change.
//!
//! The relation keeps its id and its log, which gets further columns without being written anew ([`crate::log::Log::register`]): positions
//! and offsets stay. Its node, and those of all that depends on it, are built from the changed catalog and fold again. What depends on it
//! goes on as it was. To queries of ksqlDB's dialect columns that their relations get later do not exist ([`Writer::keep_width`]); views of
//! PostgreSQL's are planned by name again: what they say must be the same as before, or the change is refused.
//!
//! [`Writer::keep_width`]: crate::catalog::Writer::keep_width

use std::sync::Arc;

use super::alter::depended_on;
use super::ddl::{table_node, view_node_in};
use super::dml::parsed_query;
use super::ksql;
use super::node::Node;
use super::session::Session;
use crate::catalog::{Catalog, Change, Relation, RelationId, RelationKind, Scope};
use crate::error::{Error, Result};
use crate::plan::names::Names;

impl Session {
    /// True if what the statement does may be there for good before it ends: it is a transaction of its own, and the relation is not the
    /// session's own.
    pub(super) fn may_take_effect_at_once(&self, id: RelationId) -> bool {
        let alone = self.inside == 0 && self.transaction.as_ref().is_some_and(|t| t.alone && t.definitions.is_none());
        alone && self.engine.catalog().by_id(id).is_some()
    }

    /// Makes another definition of a relation current. The caller holds the DDL lock, and for a relation of PostgreSQL's dialect its table's.
    /// Errors: 2BP01 if a view would say something else.
    pub(super) async fn alter_in_place(&mut self, catalog: &Catalog, altered: Relation) -> Result<()> {
        let engine = self.engine.clone();
        let old = catalog.by_id(altered.id).cloned().ok_or_else(|| Error::internal("what is altered is there"))?;
        let grows = altered.columns.len() > old.columns.len();
        let mut changes = vec![Change::Alter(altered.clone())];
        if grows {
            changes.extend(keeping_widths(catalog, &old).map(Change::Alter));
        }
        let next = Arc::new(changes.iter().try_fold(catalog.clone(), |catalog, change| catalog.apply(change))?);
        let mut above = next.with_dependents(altered.id);
        above.reverse();
        if grows {
            self.check_views(&next, &old, &above).await?;
        }
        let mut nodes: Vec<Arc<Node>> = Vec::new();
        for relation in above.iter().filter_map(|id| next.by_id(*id)).filter(|r| r.has_node()) {
            nodes.push(match (relation.is_written(), relation.kind) {
                (true, _) => ksql::node::node(&engine, &next, relation)?,
                (false, RelationKind::Table) => table_node(relation)?,
                (false, _) => view_node_in(&engine, &next, relation).await?,
            });
        }
        // Nobody appends to the topic while it gets columns.
        let _held = if grows && old.ksql.is_some() { self.lock_topic(catalog, &old).await? } else { vec![] };
        let logged = altered.has_log().then(|| altered.event_schema());
        let (id, key) = (altered.id, altered.key.clone());
        logged.as_ref().map_or(Ok(()), |schema| engine.log.check(id, schema, &key))?;
        let prepare = || {
            logged.map_or(Ok(()), |schema| engine.log.register(id, schema, &key))?;
            engine.runner.restart(nodes)
        };
        self.cancel.shield(engine.change(&changes, prepare)).await
    }

    /// Errors: 2BP01 if one of the views of PostgreSQL's dialect among these relations would say something else: its query names a column
    /// that it has from elsewhere, joins by all names in common, or has a `*` that could not be spelled out.
    async fn check_views(&self, next: &Arc<Catalog>, grown: &Relation, ids: &[RelationId]) -> Result<()> {
        for view in ids.iter().filter_map(|id| next.by_id(*id)).filter(|r| r.is_view()) {
            let query = parsed_query(&view.sql)?;
            let before = self.plan_with(self.names_as_told(), &query, &[]).await?;
            let names = Names { scope: Scope::kept(next.clone()), ..self.names_as_told() };
            let after = self.plan_with(names, &query, &[]).await;
            if !after.is_ok_and(|after| after.says_the_same(&before)) {
                return Err(depended_on(grown, "add columns to", view).hint("Drop that first, and make it again."));
            }
        }
        Ok(())
    }
}

/// What reads a relation directly, with queries that see no more columns of it than it has now.
fn keeping_widths(catalog: &Catalog, relation: &Relation) -> impl Iterator<Item = Relation> {
    let (id, width) = (relation.id, relation.columns.len());
    catalog.dependents(id).into_iter().filter(|r| r.ksql.is_some()).map(move |reader| {
        let mut reader = reader.as_ref().clone();
        reader.ksql.iter_mut().flat_map(|k| &mut k.writers).for_each(|writer| writer.keep_width(id, width));
        reader
    })
}
