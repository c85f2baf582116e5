//! Push queries: SELECT .. EMIT CHANGES, whose rows come as they happen.
//!
//! A push query is a dataflow of the client's own. It folds the log in ranges of positions, each up to the head or up to
//! [`limits::ORDERED_STEP_EVENTS_MAX`] events, sends what comes out, and waits for the head to move. It reads at its own pace from the log,
//! which keeps everything: a slow client holds up nobody, and nothing is buffered for it beyond one range. One that takes
//! nothing at all is cut off after `client_stall_timeout`.
//!
//! With `auto.offset.reset` at latest, which is the default, streams are read from the head on; tables are always folded from the
//! beginning, since a row of a stream is joined with the table as it is.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::execution::RecordBatchStream;
use futures::Stream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::node::rows_between;
use super::pull::batch_of;
use crate::catalog::{Relation, plain_name};
use crate::data::{Delta, Position};
use crate::engine::database::Engine;
use crate::engine::session::{Column, Response, Session};
use crate::error::{Error, Result, code};
use crate::fold::Operator;
use crate::fold::ksql::{Change, Pipeline, Program};
use crate::func::ksql::columns::pg_type;
use crate::func::ksql::{Type, Value};
use crate::limits;
use crate::plan::ksql::query::Planner;
use crate::plan::ksql::source::SourceInput;
use crate::plan::ksql::stage::{Role, Stage};
use crate::serve::cut::ReadCut;
use crate::sql::ksql::ast::Query;

/// A push query, planned.
pub struct Push {
    stage: Stage,
    inputs: Vec<SourceInput>,
    /// For each column answered its place in the key of the rows, where it is a part of it.
    told: Vec<Option<usize>>,
    limit: Option<u64>,
}

impl Push {
    /// Names and types of what it answers.
    fn types(&self) -> Vec<(String, Type)> {
        let shown = self.stage.columns.iter().filter(|c| c.role == Role::Value);
        shown.map(|c| (c.name.clone(), c.ty.clone())).collect()
    }

    /// The columns that it answers.
    pub fn columns(&self) -> Vec<Column> {
        self.types().into_iter().map(|(name, ty)| Column::new(plain_name(&name), pg_type(&ty))).collect()
    }
}

/// A push query under way.
struct Running {
    engine: Arc<Engine>,
    inputs: Vec<SourceInput>,
    relations: Vec<Arc<Relation>>,
    program: Program,
    types: Vec<(String, Type)>,
    /// For each column answered its place among the key's parts, if it is one: what a deletion still tells.
    keys: Vec<Option<usize>>,
    left: u64,
}

impl Session {
    pub(super) fn plan_push(&self, query: &Query) -> Result<Push> {
        let catalog = self.engine.catalog();
        let mut planner = Planner::new(&catalog, u32::MAX, true);
        planner.properties = self.ksql.of_queries();
        let stage = planner.query(query)?;
        Ok(Push { stage, inputs: planner.inputs, told: planner.told, limit: query.limit })
    }

    /// Runs a push query, from the first event on or from the next.
    pub(super) async fn push(&mut self, query: &Query, earliest: bool) -> Result<Response> {
        let push = self.plan_push(query)?;
        let (types, columns) = (push.types(), push.columns());
        let Push { stage, inputs: read, told: keys, limit } = push;
        let schema = batch_of(&types, &[])?.schema();
        let relations = relations_of(&read);
        let program = {
            let all = read.iter().map(|i| i.input.clone()).collect();
            Program::new(all, Pipeline::new(stage.tree), vec![], stage.table, Arc::new(Schema::empty()), String::new())
        };
        let left = limit.unwrap_or(u64::MAX);
        let running = Running { engine: self.engine.clone(), inputs: read, relations, program, types, keys, left };
        // Where it begins is settled here: what is appended once the client has the query's answer is in it.
        let start = if earliest { None } else { Some(self.engine.read_cut(&running.relations, false).await?) };
        let (send, receive) = mpsc::channel(2);
        let task = self.engine.query_runtime().spawn(async move {
            if let Err(e) = running.run(start, &send).await {
                let _ = send.send(Err(DataFusionError::External(Box::new(e)))).await;
            }
        });
        let stream = Box::pin(Pushed { schema, receive, task });
        Ok(Response::Rows { word: "SELECT".into(), columns, stream })
    }
}

fn relations_of(inputs: &[SourceInput]) -> Vec<Arc<Relation>> {
    let mut relations: Vec<Arc<Relation>> = Vec::new();
    for input in inputs.iter().filter(|i| i.node) {
        if !relations.iter().any(|r| r.id == input.relation.id) {
            relations.push(input.relation.clone());
        }
    }
    relations
}

impl Running {
    async fn run(mut self, start: Option<ReadCut>, send: &mpsc::Sender<datafusion::error::Result<RecordBatch>>) -> Result<()> {
        let mut head = self.engine.head.subscribe();
        let mut from: Position = 0;
        if let Some(cut) = start {
            // Tables are there when the first event comes.
            while from < cut.position {
                let to = cut.position.min(from.saturating_add(limits::ORDERED_STEP_EVENTS_MAX));
                tokio::task::block_in_place(|| self.fold(&cut, from..to, |input| input.table))?;
                from = to;
                self.check_size()?;
            }
        }
        while self.left > 0 {
            head.borrow_and_update();
            let cut = self.engine.read_cut(&self.relations, false).await?;
            // What was cut has the columns that are wanted.
            self.check_current()?;
            while from < cut.position && self.left > 0 {
                let to = cut.position.min(from.saturating_add(limits::ORDERED_STEP_EVENTS_MAX));
                let changes = tokio::task::block_in_place(|| self.fold(&cut, from..to, |_| true))?;
                from = to;
                self.check_size()?;
                let rows = self.rows(&changes);
                if !rows.is_empty() && send.send(Ok(batch_of(&self.types, &rows)?)).await.is_err() {
                    return Ok(());
                }
            }
            if self.left == 0 {
                return Ok(());
            }
            tokio::select! {
                moved = head.changed() => if moved.is_err() { return Ok(()) },
                () = send.closed() => return Ok(()),
            }
        }
        Ok(())
    }

    /// Errors: 40001 once a relation that it reads is another than when it was planned, 42P01 once it is gone.
    fn check_current(&self) -> Result<()> {
        let catalog = self.engine.catalog();
        for input in &self.inputs {
            let name = &input.relation.name;
            match catalog.by_id(input.relation.id) {
                Some(relation) if Arc::ptr_eq(relation, &input.relation) => {}
                Some(_) => {
                    return Err(Error::new(code::SERIALIZATION_FAILURE, format!("relation \"{name}\" has been changed"))
                        .hint("Run the query again."));
                }
                None => return Err(Error::new(code::UNDEFINED_TABLE, format!("relation \"{name}\" was dropped"))),
            }
        }
        Ok(())
    }

    /// Errors: 53400 for a state larger than a view's may be.
    fn check_size(&self) -> Result<()> {
        let most = self.engine.view_bounds.state;
        if self.program.state_bytes() <= most {
            return Ok(());
        }
        Err(Error::new(code::CONFIGURATION_LIMIT_EXCEEDED, format!("the state of the query takes more than {most} bytes")))
    }

    /// Folds a range of positions, of the inputs that are wanted.
    fn fold(&mut self, cut: &ReadCut, range: std::ops::Range<Position>, wanted: impl Fn(&SourceInput) -> bool) -> Result<Vec<Change>> {
        let mut deltas: Vec<Vec<Delta>> = Vec::with_capacity(self.inputs.len());
        for input in &self.inputs {
            let readable = cut.relations.get(&input.relation.id);
            let read = wanted(input).then(|| rows_between(&self.engine, input, readable, range.clone())).transpose()?;
            deltas.push(read.unwrap_or_default());
        }
        self.program.changes(&deltas)
    }

    /// The rows to be sent, no more than are left to send. A row that goes tells its key, and NULL else.
    fn rows(&mut self, changes: &[Change]) -> Vec<Vec<Value>> {
        let mut rows = Vec::new();
        for change in changes.iter() {
            if self.left == 0 {
                break;
            }
            let row: Vec<Value> = match &change.new {
                Some(row) => row.iter().take(self.types.len()).cloned().collect(),
                None => {
                    let told = |k: usize| self.keys.get(k).copied().flatten().and_then(|k| change.key.get(k)).cloned();
                    (0..self.types.len()).map(|k| told(k).unwrap_or(Value::Null)).collect()
                }
            };
            rows.push(row);
            self.left -= 1;
        }
        rows
    }
}

/// Rows of a push query; dropping it ends the query.
struct Pushed {
    schema: SchemaRef,
    receive: mpsc::Receiver<datafusion::error::Result<RecordBatch>>,
    task: JoinHandle<()>,
}

impl Stream for Pushed {
    type Item = datafusion::error::Result<RecordBatch>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receive.poll_recv(cx)
    }
}

impl RecordBatchStream for Pushed {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

impl Drop for Pushed {
    fn drop(&mut self) {
        self.task.abort();
    }
}
