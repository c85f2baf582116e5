//! Opening: the catalog folded from its log, every node built again, states loaded from the last checkpoint.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::checkpoint;
use super::database::Engine;
use super::order::below_first;
use super::{ddl, node};
use crate::catalog::{CATALOG_LOG, Catalog, Change, FIRST_RELATION, RelationId};
use crate::error::{Error, Result, code};
use crate::log::Log;

/// The columns of `_catalog`: the change as JSON.
pub fn catalog_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("change", DataType::Utf8View, false)]))
}

/// A change as an event of `_catalog`.
pub fn catalog_event(change: &Change) -> Result<RecordBatch> {
    catalog_events([change])
}

/// Changes as events of `_catalog`, one row each.
pub fn catalog_events<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Result<RecordBatch> {
    let text = |change| serde_json::to_string(change).map_err(|e| Error::internal(e.to_string()));
    let texts = changes.into_iter().map(text).collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_new(catalog_schema(), vec![Arc::new(StringViewArray::from(texts))])?)
}

/// The catalog as of the log's head.
pub fn catalog(log: &Log) -> Result<Catalog> {
    log.register(CATALOG_LOG, catalog_schema(), &[])?;
    let slice = log.read(CATALOG_LOG, 0..log.head())?;
    let mut catalog = Catalog::default();
    let mut fold = |batch: &RecordBatch| -> Result<()> {
        let damaged = |what: String| Error::new(code::DATA_CORRUPTED, format!("_catalog: {what}"));
        let texts = batch.column(0).as_any().downcast_ref::<StringViewArray>().ok_or_else(|| damaged("not text".into()))?;
        for i in 0..texts.len() {
            let change: Change = serde_json::from_str(texts.value(i)).map_err(|e| damaged(e.to_string()))?;
            catalog = catalog.apply(&change)?;
        }
        Ok(())
    };
    for batch in slice.batches(&catalog_schema())? {
        fold(&batch?)?;
    }
    Ok(catalog)
}

/// Builds the nodes of all tables and materialized views, those below first. (That is not the order of their ids: ALTER TABLE may give a table
/// another one, which is then higher than those of the views over it.)
pub fn build(engine: &Arc<Engine>) -> Result<()> {
    let catalog = engine.catalog();
    for relation in catalog.relations().filter(|r| r.has_log()) {
        engine.log.register(relation.id, relation.event_schema(), &relation.key)?;
    }
    // A crash between a DROP and the removal of its log leaves the log behind. The server's own logs are no relations of the catalog.
    for id in engine.log.ids().into_iter().filter(|id| *id >= FIRST_RELATION && catalog.by_id(*id).is_none()) {
        engine.log.drop_log(id)?;
    }
    let position = checkpoint::latest(engine.store.as_ref(), engine.log.head())?;
    let mut loaded: HashSet<RelationId> = HashSet::new();
    let mut nodes = Vec::new();
    let with_nodes = catalog.relations().filter(|r| r.has_node()).map(|r| r.id);
    let ids = below_first(with_nodes, |id| catalog.by_id(id).map_or(Vec::new(), |r| ddl::nodes_below(&catalog, r)));
    for relation in ids.iter().filter_map(|id| catalog.by_id(*id)) {
        let below = ddl::nodes_below(&catalog, relation);
        let node = match ddl::node(engine, relation) {
            Ok(node) => {
                node.set_recovering();
                node
            }
            // A query that this version cannot plan fails its view, and not the database.
            Err(e) => {
                engine.runner.add_failed(ddl::empty_node(relation), e)?;
                continue;
            }
        };
        if let Some(position) = position
            && below.iter().all(|id| loaded.contains(id))
        {
            match checkpoint::load_node(&engine.store, &engine.log, &node, position) {
                Ok(()) => {
                    loaded.insert(relation.id);
                    nodes.push(node.clone());
                    engine.runner.add(node, Some(position))?;
                    continue;
                }
                Err(e) => eprintln!("{} \"{}\" is folded again from the log: {e}", relation.kind.word(), relation.name),
            }
        }
        // A load that failed may have left half a state behind.
        let node = ddl::node(engine, relation)?;
        node.set_recovering();
        engine.runner.add(node, None)?;
    }
    node::remove_orphans(engine.store.as_ref(), &nodes)
}
