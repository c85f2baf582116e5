//! Time as events: ticks, appended to the log `_clock` while there is a view that filters by `now()`.
//!
//! The fold reads no clock. So that rows may come and go as time passes, and come and go alike when the log is folded again,
//! time passes in the log: a tick bears the time of the [`Clock`](crate::clock::Clock), and `now()` in a view is the time of the
//! latest tick before the view's position. A reader has one appended before its cut, unless the last one will do; beside that one is
//! appended every [`Config::clock_interval_ms`](crate::config::Config), so that what leaves the views leaves memory too. Ticks are not
//! synced: after a crash there are new ones. Nothing is appended while no view reads them.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::TimestampMicrosecondType;

use super::database::Engine;
use super::node::{Node, read_log};
use crate::catalog::{CLOCK_LOG, RelationId, clock};
use crate::error::Result;
use crate::limits;
use crate::log::{Append, Log};

/// Makes the log of ticks known; answers the time of the last one, in microseconds.
pub fn last_tick(log: &Log) -> Result<i64> {
    let schema = clock().event_schema();
    log.register(CLOCK_LOG, schema.clone(), &[])?;
    let mut last = i64::MIN;
    for batch in read_log(log, CLOCK_LOG, 0..log.head(), &schema)? {
        last = last.max(arrow::compute::max(batch?.column(0).as_primitive::<TimestampMicrosecondType>()).unwrap_or(last));
    }
    Ok(last)
}

/// True if the node's rows depend on the time.
pub fn tells_time(node: &Node) -> bool {
    node.base_logs.contains(&CLOCK_LOG)
}

impl Engine {
    /// Before reading these relations: has the time pass, if one of them depends on it.
    pub(super) async fn tick_for(&self, ids: &[RelationId]) {
        if ids.iter().any(|id| self.node(*id).is_some_and(|node| tells_time(&node))) {
            self.tick().await;
        }
    }

    /// Appends a tick, unless the last one is behind all events and hardly old. A tick that cannot be written leaves the time where it
    /// was: a full disk does not stop reads.
    pub(super) async fn tick(&self) {
        let mut last = self.last_tick.lock().await;
        let now = self.clock.now_us();
        let behind = self.log.end_of(CLOCK_LOG) < self.log.head();
        if now <= *last || !behind && now < last.saturating_add(limits::TICK_AGE_US_MAX) {
            return;
        }
        let schema = clock().event_schema();
        let at = TimestampMicrosecondArray::from(vec![now]).with_data_type(schema.field(0).data_type().clone());
        let Ok(batch) = RecordBatch::try_new(schema, vec![Arc::new(at)]) else { return };
        if self.log.append(Append { batches: vec![(CLOCK_LOG, batch)], sync: false }).await.is_ok() {
            *last = now;
        }
    }

    /// Has the time pass while nobody reads.
    pub(super) fn tick_now_and_then(self: &Arc<Self>, interval_ms: u64) {
        if interval_ms == 0 {
            return;
        }
        let engine = Arc::downgrade(self);
        self.query_runtime().spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(interval_ms)).await;
                let Some(engine) = engine.upgrade() else { return };
                if engine.runner.reads(CLOCK_LOG) {
                    engine.tick().await;
                }
            }
        });
    }
}
