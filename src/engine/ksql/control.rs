//! TERMINATE, PAUSE and RESUME of persistent queries.
//!
//! A query that is stopped reads events before that position only: its sink keeps what it holds. One that is resumed goes on from there,
//! and its sink then holds what it would hold had it never been paused, since what a query gives depends on events alone.

use std::sync::Arc;

use crate::catalog::{Relation, Writer};
use crate::engine::session::{Response, Session};
use crate::error::{Error, Result, code, nearest};
use crate::sql::ksql::ast::Control;

impl Session {
    pub(super) async fn ksql_control(&mut self, action: Control, query: Option<&str>) -> Result<Response> {
        self.refuse_in_transaction("TERMINATE, PAUSE and RESUME")?;
        let engine = self.engine.clone();
        let _ddl = self.define_now().await?;
        let catalog = engine.catalog();
        let mut relations: Vec<Arc<Relation>> =
            catalog.ksql_relations().filter(|(_, k)| !k.writers.is_empty()).map(|(r, _)| r.clone()).collect();
        if let Some(query) = query {
            let found = |r: &Arc<Relation>| writers(r).any(|w| w.id.eq_ignore_ascii_case(query) && !w.is_terminated());
            if !relations.iter().any(found) {
                let error = Error::new(code::UNDEFINED_OBJECT, format!("query \"{query}\" does not exist"));
                let running = relations.iter().flat_map(|r| writers(r)).filter(|w| !w.is_terminated());
                let ids: Vec<String> = running.map(|w| w.id.clone()).collect();
                return Err(match nearest(query, ids.iter().map(String::as_str)) {
                    Some(near) => error.hint(format!("Perhaps you meant \"{near}\".")),
                    None => error.hint("SHOW QUERIES lists them."),
                });
            }
            relations.retain(found);
        }
        relations.iter().try_for_each(|relation| self.must_own(relation))?;
        for relation in relations {
            let mut ksql = relation.ksql.as_deref().cloned().ok_or_else(|| Error::internal("not a relation of this dialect"))?;
            let head = engine.log.head();
            let chosen = |w: &&mut Writer| !w.topic && query.is_none_or(|q| w.id.eq_ignore_ascii_case(q));
            let mut changed = false;
            for writer in ksql.writers.iter_mut().filter(chosen) {
                changed |= act(writer, action, head);
            }
            if changed {
                let altered = Relation { ksql: Some(Box::new(ksql)), ..relation.as_ref().clone() };
                self.alter_in_place(&engine.catalog(), altered).await?;
            }
        }
        Ok(Response::Done(
            match action {
                Control::Terminate => "TERMINATE",
                Control::Pause => "PAUSE",
                Control::Resume => "RESUME",
            }
            .into(),
        ))
    }
}

fn writers(relation: &Relation) -> impl Iterator<Item = &Writer> {
    relation.ksql.iter().flat_map(|k| &k.writers).filter(|w| !w.topic)
}

/// Applies an action at the log's head; true if it changed something.
fn act(writer: &mut Writer, action: Control, head: u64) -> bool {
    let (until, paused) = match action {
        _ if writer.is_terminated() => return false,
        Control::Terminate => (Some(writer.until.unwrap_or(head)), false),
        Control::Pause if !writer.paused => (Some(head), true),
        Control::Resume if writer.paused => (None, false),
        _ => return false,
    };
    (writer.until, writer.paused) = (until, paused);
    true
}
