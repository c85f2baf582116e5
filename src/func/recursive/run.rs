//! A recursive query while it runs: the rows of the first term, and then step for step those that the second makes of the rows of the step
//! before, which stand in a [`Step`] for all who read them.
//!
//! With UNION a row is there once. Of rows that are equal and differ, such as '1 month' and '30 days', that is the last one of the step that
//! finds the first of them, in the order of arrow's rows; so a step's rows are looked at together then. PostgreSQL keeps the one that it meets
//! first.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::{cast, concat_batches, filter_record_batch};
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use arrow::row::{RowConverter, SortField};
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

use crate::func::scalar::arrays::{comparable, comparable_type};
use crate::func::scalar::exact;

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
            rows: Some(first.execute(partition, Arc::clone(&context))?),
            next: next.data,
            step,
            found: vec![],
            found_bytes: bytes("RecursionFound"),
            _step_bytes: bytes("RecursionStep"),
            known: self.is_distinct.then(|| Known::new(&self.schema(), bytes("RecursionKnown"))).transpose()?,
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
    /// What a term gives in the step at hand, unless all of it was read at once, and what it has given so far.
    rows: Option<SendableRecordBatchStream>,
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
            while let Some(batch) = self.of_term().await? {
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
            self.rows = Some(reset_plan_states(Arc::clone(&self.next))?.execute(0, Arc::clone(&self.context))?);
        }
    }

    /// The next rows that the term gives: all of the step's where some may be equal and differ.
    async fn of_term(&mut self) -> DfResult<Option<RecordBatch>> {
        if self.known.as_ref().is_none_or(|known| known.forms.is_none()) {
            return match &mut self.rows {
                Some(rows) => rows.try_next().await,
                None => Ok(None),
            };
        }
        let Some(mut rows) = self.rows.take() else { return Ok(None) };
        let bytes = MemoryConsumer::new("RecursionTerm").register(self.context.memory_pool());
        let mut batches = vec![];
        while let Some(batch) = rows.try_next().await? {
            bytes.try_grow(batch.get_array_memory_size())?;
            batches.push(batch);
        }
        Ok(Some(concat_batches(&rows.schema(), &batches)?))
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
    /// What is the same for equal rows.
    rows: Box<dyn GroupValues>,
    /// What orders rows that are equal and differ, where there may be such.
    forms: Option<RowConverter>,
    bytes: MemoryReservation,
    numbers: Vec<usize>,
}

impl Known {
    fn new(schema: &SchemaRef, bytes: MemoryReservation) -> DfResult<Self> {
        let (keys, forms) = if schema.fields().iter().any(|field| exact::may_differ(field.data_type())) {
            let key = |field: &FieldRef| Ok(field.as_ref().clone().with_data_type(comparable_type(field.data_type())?));
            let keys = schema.fields().iter().map(key).collect::<DfResult<Vec<_>>>()?;
            let fields = schema.fields().iter().map(|field| SortField::new(field.data_type().clone())).collect();
            (Arc::new(Schema::new(keys)), Some(RowConverter::new(fields)?))
        } else {
            (Arc::clone(schema), None)
        };
        Ok(Known { rows: new_group_values(keys, &GroupOrdering::None)?, forms, bytes, numbers: Vec::new() })
    }

    /// The rows of which none was there before, once each. Numbers do not grow from row to row: a row whose hash another one has gets its
    /// number after the rest of its batch.
    fn new_rows(&mut self, batch: &RecordBatch) -> DfResult<RecordBatch> {
        let before = self.rows.len();
        let forms = self.forms.as_ref().map(|forms| forms.convert_columns(batch.columns())).transpose()?;
        match &forms {
            None => self.rows.intern(batch.columns(), &mut self.numbers)?,
            Some(_) => {
                let keys = batch.columns().iter().map(comparable).collect::<Result<Vec<_>, _>>()?;
                self.rows.intern(&keys, &mut self.numbers)?;
            }
        }
        let mut chosen: Vec<Option<usize>> = vec![None; self.rows.len() - before];
        for (row, number) in self.numbers.drain(..).enumerate().filter(|(_, number)| *number >= before) {
            let chosen = &mut chosen[number - before];
            let is_later_form = |at: usize| forms.as_ref().is_some_and(|forms| forms.row(at) < forms.row(row));
            if chosen.is_none_or(is_later_form) {
                *chosen = Some(row);
            }
        }
        let mut picked = vec![false; batch.num_rows()];
        chosen.into_iter().flatten().for_each(|row| picked[row] = true);
        self.bytes.try_resize(self.rows.size())?;
        Ok(filter_record_batch(batch, &picked.into())?)
    }
}
