//! A node of a physical plan that passes its rows on and keeps from DataFusion's rules what they would draw wrong conclusions from.

use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result as DfResult, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::CardinalityEffect;
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties};

/// Passes its input's rows on as they are; no order that is asked for above moves below it.
#[derive(Debug)]
pub struct Fence {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
    hides: Hides,
}

/// What a fence keeps to itself.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Hides {
    /// Nothing: its input's order is known above.
    Nothing,
    /// What is known of the values of its input's rows: orders, constants, equal columns, keys.
    Values,
    /// The rows that its input keeps back: nothing of what is asked above is computed below.
    Rows,
}

impl Fence {
    /// A fence whose input keeps the order it has.
    pub fn holding_order(input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
        Arc::new(Fence::new(input, Hides::Nothing))
    }

    /// A fence above which nothing is known of the values of the input's rows; the input itself, if nothing is known of them below.
    pub fn hiding_values(input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
        let known = input.equivalence_properties();
        match known.eq_group().is_empty() && known.oeq_class().is_empty() && known.constraints().is_empty() {
            true => input,
            false => Arc::new(Fence::new(input, Hides::Values)),
        }
    }

    /// A fence below which no condition and no expression from above is computed.
    pub fn closed(input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
        Arc::new(Fence::new(input, Hides::Rows))
    }

    fn new(input: Arc<dyn ExecutionPlan>, hides: Hides) -> Self {
        let properties = match hides {
            Hides::Nothing | Hides::Rows => Arc::clone(input.properties()),
            Hides::Values => {
                let none = EquivalenceProperties::new(input.schema());
                Arc::new(input.properties().as_ref().clone().with_eq_properties(none))
            }
        };
        Fence { input, properties, hides }
    }
}

impl DisplayAs for Fence {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl ExecutionPlan for Fence {
    fn name(&self) -> &str {
        match self.hides {
            Hides::Nothing => "OffsetFence",
            Hides::Values => "NullFence",
            Hides::Rows => "PolicyFence",
        }
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(&self, _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>) -> DfResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> DfResult<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Fence::new(children.swap_remove(0), self.hides)))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        self.input.execute(partition, context)
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    fn statistics_from_inputs(&self, of_input: &[Arc<Statistics>], _: &StatisticsArgs) -> DfResult<Arc<Statistics>> {
        Ok(Arc::clone(&of_input[0]))
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }
}
