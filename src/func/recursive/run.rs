//! A recursive query while it runs: the rows of the first term, and then step for step those that the second makes of the rows of the step
//! before, which stand in a [`Step`] for all who read them.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result as DfResult, internal_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, reset_plan_states};
use datafusion::physical_plan::memory::MemoryStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, InputDistributionRequirements, Partitioning, PlanProperties,
};
use futures::TryStreamExt;
use parking_lot::Mutex;

/// The rows of the step before. Clones are one and the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Step(Arc<Mutex<Vec<RecordBatch>>>);

impl PartialEq for Step {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Step {}

impl Hash for Step {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

/// The rows of the step before as a table.
#[derive(Debug)]
pub(super) struct StepTable {
    schema: SchemaRef,
    step: Step,
}

impl StepTable {
    pub(super) fn new(schema: SchemaRef, step: Step) -> Self {
        StepTable { schema, step }
    }
}

#[async_trait]
impl TableProvider for StepTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let columns = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let properties = properties(Arc::new(self.schema.project(&columns)?));
        Ok(Arc::new(StepExec { columns, step: self.step.clone(), properties }))
    }
}

fn properties(schema: SchemaRef) -> Arc<PlanProperties> {
    let known = EquivalenceProperties::new(schema);
    Arc::new(PlanProperties::new(known, Partitioning::UnknownPartitioning(1), EmissionType::Incremental, Boundedness::Bounded))
}

/// Reads columns of the rows of the step before.
#[derive(Debug)]
pub(super) struct StepExec {
    columns: Vec<usize>,
    step: Step,
    properties: Arc<PlanProperties>,
}

impl DisplayAs for StepExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StepExec")
    }
}

impl ExecutionPlan for StepExec {
    fn name(&self) -> &str {
        "StepExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![]
    }

    fn apply_expressions(&self, _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>) -> DfResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> DfResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let rows = self.step.0.lock().clone();
        Ok(Box::pin(MemoryStream::try_new(rows, self.schema(), Some(self.columns.clone()))?))
    }
}

/// A recursive query.
#[derive(Debug)]
pub(super) struct RecursionExec {
    query: String,
    /// The first term and the second.
    terms: [Arc<dyn ExecutionPlan>; 2],
    is_distinct: bool,
    /// What the second term reads; a run of the query has one of its own in its place.
    step: Step,
    properties: Arc<PlanProperties>,
}

impl RecursionExec {
    pub(super) fn new(query: String, schema: SchemaRef, terms: [Arc<dyn ExecutionPlan>; 2], is_distinct: bool, step: Step) -> Self {
        RecursionExec { query, terms, is_distinct, step, properties: properties(schema) }
    }
}

impl DisplayAs for RecursionExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecursionExec: name={}, is_distinct={}", self.query, self.is_distinct)
    }
}

impl ExecutionPlan for RecursionExec {
    fn name(&self) -> &str {
        "RecursionExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.terms.iter().collect()
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![Distribution::SinglePartition, Distribution::SinglePartition])
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false, false]
    }

    fn apply_expressions(&self, _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>) -> DfResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> DfResult<Arc<dyn ExecutionPlan>> {
        let Ok(terms) = <[Arc<dyn ExecutionPlan>; 2]>::try_from(children) else { return internal_err!("a recursive query has two terms") };
        Ok(Arc::new(RecursionExec::new(self.query.clone(), self.schema(), terms, self.is_distinct, self.step.clone())))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let [first, next] = &self.terms;
        let step = Step::default();
        let next = Arc::clone(next).transform_up(|node| match node.downcast_ref::<StepExec>() {
            Some(rows) if rows.step == self.step => {
                let (columns, step, properties) = (rows.columns.clone(), step.clone(), Arc::clone(&rows.properties));
                Ok(Transformed::yes(Arc::new(StepExec { columns, step, properties }) as Arc<dyn ExecutionPlan>))
            }
            _ => Ok(Transformed::no(node)),
        })?;
        let bytes = |what: &str| MemoryConsumer::new(what).register(context.memory_pool());
        let run = Run {
            rows: first.execute(partition, Arc::clone(&context))?,
            next: next.data,
            step,
            found: vec![],
            found_bytes: bytes("RecursionFound"),
            _step_bytes: bytes("RecursionStep"),
            known: self.is_distinct.then(|| Known::new(self.schema(), bytes("RecursionKnown"))).transpose()?,
            schema: self.schema(),
            context,
        };
        let rows = futures::stream::try_unfold(run, |mut run| async move { Ok(run.batch().await?.map(|batch| (batch, run))) });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}

/// A run of a recursive query.
struct Run {
    context: Arc<TaskContext>,
    schema: SchemaRef,
    next: Arc<dyn ExecutionPlan>,
    step: Step,
    /// What a term gives in the step at hand, and what it has given so far.
    rows: SendableRecordBatchStream,
    found: Vec<RecordBatch>,
    found_bytes: MemoryReservation,
    /// Held for the rows in `step`.
    _step_bytes: MemoryReservation,
    /// With UNION.
    known: Option<Known>,
}

impl Run {
    /// The next rows; `None` after a step that has found none.
    async fn batch(&mut self) -> DfResult<Option<RecordBatch>> {
        loop {
            while let Some(batch) = self.rows.try_next().await? {
                let batch = self.of_query(batch)?;
                if batch.num_rows() > 0 {
                    self.found_bytes.try_grow(batch.get_array_memory_size())?;
                    self.found.push(batch.clone());
                    return Ok(Some(batch));
                }
            }
            if self.found.is_empty() {
                return Ok(None);
            }
            *self.step.0.lock() = std::mem::take(&mut self.found);
            self._step_bytes = self.found_bytes.take();
            self.rows = reset_plan_states(Arc::clone(&self.next))?.execute(0, Arc::clone(&self.context))?;
        }
    }

    /// Rows of a term as the query has them.
    fn of_query(&mut self, batch: RecordBatch) -> DfResult<RecordBatch> {
        let columns = batch.columns().iter().zip(self.schema.fields()).map(|(column, field)| cast(column, field.data_type()));
        let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns.collect::<Result<_, _>>()?, &rows)?;
        match &mut self.known {
            Some(known) => known.new_rows(&batch),
            None => Ok(batch),
        }
    }
}

/// The rows that a query with UNION has found.
struct Known {
    rows: Box<dyn GroupValues>,
    bytes: MemoryReservation,
    numbers: Vec<usize>,
}

impl Known {
    fn new(schema: SchemaRef, bytes: MemoryReservation) -> DfResult<Self> {
        Ok(Known { rows: new_group_values(schema, &GroupOrdering::None)?, bytes, numbers: Vec::new() })
    }

    /// The rows that were not there before, once each.
    fn new_rows(&mut self, batch: &RecordBatch) -> DfResult<RecordBatch> {
        // Numbers are given in turn, so a new row has the least that is not given yet.
        let mut given = self.rows.len();
        self.rows.intern(batch.columns(), &mut self.numbers)?;
        let is_new = |number: usize| {
            let is_new = number == given;
            given += usize::from(is_new);
            Some(is_new)
        };
        let new: BooleanArray = self.numbers.drain(..).map(is_new).collect();
        self.bytes.try_resize(self.rows.size())?;
        Ok(filter_record_batch(batch, &new)?)
    }
}
