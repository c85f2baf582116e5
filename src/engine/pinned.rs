//! READ ONLY transactions at REPEATABLE READ or SERIALIZABLE, as pg_dump's: all their queries read at one position, that of the first.
//!
//! The first query takes a snapshot of every table and view, which shares what they hold ([`Pinned::take`]); later ones find theirs there,
//! and of streams the events before the position. Other transactions read what is committed when a statement begins, and lock
//! what they change.

use std::collections::HashMap;
use std::sync::Arc;

use super::database::Engine;
use super::own::nothing;
use super::session::Session;
use crate::catalog::{Relation, RelationId};
use crate::data::Position;
use crate::error::Result;
use crate::fold::Snapshot;
use crate::serve::cut::{ReadCut, Readable};
use crate::serve::table::TableRows;

/// What a transaction reads.
pub struct Pinned {
    position: Position,
    snapshots: HashMap<RelationId, Snapshot>,
}

impl Pinned {
    /// Everything at the log's head, but for views that have failed. Waits until all others have folded up to there.
    async fn take(engine: &Engine) -> Result<Pinned> {
        let catalog = engine.catalog();
        let mut nodes: Vec<RelationId> = catalog.relations().filter(|r| r.has_node()).map(|r| r.id).collect();
        loop {
            nodes.retain(|id| engine.failure(*id).is_none());
            match engine.snapshots(&nodes).await {
                Ok((position, snapshots)) => return Ok(Pinned { position, snapshots }),
                // A view that fails on the way up is left out.
                Err(_) if nodes.iter().any(|id| engine.failure(*id).is_some()) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// What relations held. Errors: what made a view fail.
    fn read(&self, engine: &Engine, relations: &[Arc<Relation>]) -> Result<ReadCut> {
        let mut cut = ReadCut { position: self.position, ..ReadCut::default() };
        for relation in relations {
            let readable = match (self.snapshots.get(&relation.id), engine.node(relation.id)) {
                _ if !relation.has_node() => Readable::Events(engine.log().read(relation.id, 0..self.position)?),
                (Some(snapshot), Some(node)) => Readable::Rows(TableRows::committed(snapshot.clone(), node.live())),
                _ => match engine.failure(relation.id) {
                    Some(error) => return Err(error),
                    // It was not there yet.
                    None => nothing(relation),
                },
            };
            cut.relations.insert(relation.id, readable);
        }
        Ok(cut)
    }
}

impl Session {
    /// True if the transaction reads everything at one position.
    pub(super) fn is_pinned(&self) -> bool {
        let explicit = self.transaction.as_ref().is_some_and(|t| t.explicit);
        explicit && self.settings.is_on("transaction_read_only") && self.repeats_reads()
    }

    /// What is committed of these relations: at the log's head, with `latest` as they are, or where the transaction is pinned.
    pub(super) async fn read_committed(&self, relations: &[Arc<Relation>], latest: bool) -> Result<ReadCut> {
        match self.transaction.as_ref().filter(|_| self.is_pinned()) {
            Some(transaction) => {
                let pinned = transaction.pinned.get_or_try_init(|| Pinned::take(&self.engine)).await?;
                pinned.read(&self.engine, relations)
            }
            None => self.engine.read_cut(relations, latest).await,
        }
    }
}
