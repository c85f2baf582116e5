//! The rows of a plan that runs in several partitions, in the order of those.
//!
//! The branches of a UNION ALL, and the parts of a table or stream, are partitions that run at once. DataFusion hands on whatever comes first, so
//! the same query gave its rows in another order each time; PostgreSQL reads one branch after the other, and who compares the outputs of scripts
//! relies on that. Here the rows of the first partition come first, then those of the next one.
//!
//! Where each row comes of one row of a relation ([`has_order`]), that is so however many they are: events that are read, written to another
//! stream or copied out stand as they were appended. What is ready before its turn waits, [`WAITING_MAX`] batches of each partition. Other rows
//! have no order without ORDER BY, and the partitions of their plan may wait for each other; there a partition with as many batches is handed on
//! out of turn.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::Result as DfResult;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNode;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::union::InterleaveExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::StreamExt;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

/// Batches of a partition that wait for their turn.
const WAITING_MAX: usize = 4;

/// The rows of a plan; dropping them stops it.
pub(super) enum Branches {
    One(SendableRecordBatchStream),
    Several(Several),
}

impl Branches {
    /// Runs a plan on the runtime of the caller. `in_turn`: no partition waits for another, and none is handed on before its turn.
    pub fn of(plan: Arc<dyn ExecutionPlan>, context: &Arc<TaskContext>, in_turn: bool) -> DfResult<Branches> {
        let mut streams = Vec::new();
        for part in parts(plan) {
            for partition in 0..part.output_partitioning().partition_count() {
                streams.push(part.execute(partition, Arc::clone(context))?);
            }
        }
        Ok(match streams.pop() {
            Some(only) if streams.is_empty() => Branches::One(only),
            last => Branches::Several(Several::of(streams.into_iter().chain(last), in_turn)),
        })
    }

    /// The next rows, or the error that the plan ends with.
    pub async fn next(&mut self) -> Option<DfResult<RecordBatch>> {
        match self {
            Branches::One(stream) => stream.next().await,
            Branches::Several(several) => several.next().await,
        }
    }
}

/// True for a plan each of whose rows comes of one row of a relation or a branch: they have the order of those.
pub(super) fn has_order(plan: &LogicalPlan) -> bool {
    use LogicalPlan as P;
    let of_one_row = |node: &LogicalPlan| {
        let of_row = matches!(node, P::Projection(_) | P::Filter(_) | P::SubqueryAlias(_) | P::Limit(_) | P::Unnest(_));
        of_row || matches!(node, P::TableScan(_) | P::Values(_) | P::EmptyRelation(_) | P::Union(_))
    };
    plan.exists(|node| Ok(!of_one_row(node))).is_ok_and(|other| !other)
}

/// Has the rows of a plan that [has an order](has_order) not dealt out to several threads, where they would lose it.
pub(super) fn keep_order(plan: &LogicalPlan, options: &mut ConfigOptions) {
    options.optimizer.enable_round_robin_repartition = false;
    if plan.exists(|node| Ok(matches!(node, LogicalPlan::Limit(_)))).unwrap_or_default() {
        options.execution.target_partitions = 1;
    }
}

/// The plans whose rows, one after the other, are those of a plan: what makes one partition of several, or lays the partitions of its inputs together,
/// takes rows as they come.
fn parts(plan: Arc<dyn ExecutionPlan>) -> Vec<Arc<dyn ExecutionPlan>> {
    let is_gathering = plan.downcast_ref::<CoalescePartitionsExec>().is_some_and(|one| one.fetch().is_none());
    if is_gathering || plan.is::<InterleaveExec>() {
        return plan.children().into_iter().map(Arc::clone).collect();
    }
    vec![plan]
}

/// Several partitions, each with what is ready of it.
pub(super) struct Several {
    ready: VecDeque<mpsc::Receiver<DfResult<RecordBatch>>>,
    in_turn: bool,
    /// Told when as much is ready of a partition as may wait.
    filled: Arc<Notify>,
    tasks: JoinSet<()>,
}

impl Several {
    fn of(streams: impl Iterator<Item = SendableRecordBatchStream>, in_turn: bool) -> Several {
        let mut several = Several { ready: VecDeque::new(), in_turn, filled: Arc::default(), tasks: JoinSet::new() };
        for mut stream in streams {
            let (send, receive) = mpsc::channel(WAITING_MAX);
            let filled = Arc::clone(&several.filled);
            several.tasks.spawn(async move {
                while let Some(batch) = stream.next().await {
                    if send.send(batch).await.is_err() {
                        return;
                    }
                    if send.capacity() == 0 {
                        filled.notify_one();
                    }
                }
            });
            several.ready.push_back(receive);
        }
        several
    }

    async fn next(&mut self) -> Option<DfResult<RecordBatch>> {
        loop {
            let Some(first) = self.ready.front_mut() else { return self.end().await };
            match first.try_recv() {
                Ok(batch) => return Some(batch),
                Err(TryRecvError::Disconnected) => {
                    self.ready.pop_front();
                    continue;
                }
                Err(TryRecvError::Empty) => {}
            }
            let in_turn = self.in_turn;
            let mut full = self.ready.iter_mut().skip(1).filter(|later| !in_turn && later.len() >= WAITING_MAX);
            if let Some(Ok(batch)) = full.next().map(mpsc::Receiver::try_recv) {
                return Some(batch);
            }
            let Some(first) = self.ready.front_mut() else { continue };
            tokio::select! {
                batch = first.recv() => match batch {
                    Some(batch) => return Some(batch),
                    None => _ = self.ready.pop_front(),
                },
                () = self.filled.notified() => {}
            }
        }
    }

    /// Nothing, unless a partition ended before its rows did.
    async fn end(&mut self) -> Option<DfResult<RecordBatch>> {
        while let Some(done) = self.tasks.join_next().await {
            if done.is_err_and(|e| e.is_panic()) {
                return Some(Err(DataFusionError::Internal("the query panicked".into())));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
    use tokio::sync::oneshot;

    /// A partition of so many batches, each of one row with its number. It begins when the other end of `after` is dropped, and drops `ends`
    /// when it has given all of them.
    fn partition(
        number: i64,
        batches: usize,
        after: Option<oneshot::Receiver<()>>,
        ends: Option<oneshot::Sender<()>>,
    ) -> SendableRecordBatchStream {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(Int64Array::from(vec![number]))]).unwrap();
        let begin = async move {
            if let Some(after) = after {
                let _ = after.await;
            }
        };
        let rows = futures::stream::once(begin).flat_map(move |()| {
            let batches: Vec<DfResult<RecordBatch>> = (0..batches).map(|_| Ok(batch.clone())).collect();
            futures::stream::iter(batches)
        });
        let end = futures::stream::once(async move { drop(ends) }).filter_map(|()| async { None });
        Box::pin(RecordBatchStreamAdapter::new(schema, rows.chain(end)))
    }

    async fn numbers(streams: Vec<SendableRecordBatchStream>, in_turn: bool) -> Vec<i64> {
        let mut several = Several::of(streams.into_iter(), in_turn);
        let mut numbers = vec![];
        while let Some(batch) = several.next().await {
            numbers.extend(batch.unwrap().column(0).as_primitive::<Int64Type>().values());
        }
        numbers
    }

    #[tokio::test]
    async fn few_rows_come_partition_by_partition() {
        let (ends, after) = oneshot::channel();
        let others = [partition(1, 0, None, None), partition(2, WAITING_MAX - 1, None, None), partition(3, 1, None, Some(ends))];
        let streams = std::iter::once(partition(0, 2, Some(after), None)).chain(others).collect();
        assert_eq!(numbers(streams, false).await, [0, 0, 2, 2, 2, 3]);
        assert!(numbers(vec![], false).await.is_empty());
    }

    #[tokio::test]
    async fn many_rows_do_not_wait_for_their_turn() {
        let (ends, after) = oneshot::channel();
        let streams = vec![partition(0, 1, Some(after), None), partition(1, 10 * WAITING_MAX, None, Some(ends))];
        let numbers = numbers(streams, false).await;
        assert_eq!(numbers.len(), 10 * WAITING_MAX + 1);
        assert!(numbers[..9 * WAITING_MAX].iter().all(|n| *n == 1), "{numbers:?}");
    }

    #[tokio::test]
    async fn where_rows_have_an_order_all_wait_for_their_turn() {
        let streams = (0..3).map(|number| partition(number, 10 * WAITING_MAX, None, None)).collect();
        let expected: Vec<i64> = (0..3).flat_map(|number| std::iter::repeat_n(number, 10 * WAITING_MAX)).collect();
        assert_eq!(numbers(streams, true).await, expected);
    }
}
