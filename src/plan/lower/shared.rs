//! Nodes that stand in a plan several times, as a WITH query does that is read twice: folded once, by one part of the dataflow.

use std::collections::HashSet;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::LogicalPlan;

use super::{Lowered, Lowering};
use crate::error::Result;
use crate::fold::Flow;

/// A node that is lowered.
pub(super) struct Part {
    plan: LogicalPlan,
    pub flow: Flow,
    append_only: bool,
    key: Option<Vec<usize>>,
}

/// The nodes that stand in a plan several times and are worth a part: those that keep state, or make more rows of one. What is within
/// them only is not told.
pub(super) fn repeated(plan: &LogicalPlan) -> HashSet<LogicalPlan> {
    let (mut seen, mut repeated) = (HashSet::new(), HashSet::new());
    let walked = plan.apply(|node| {
        if !is_worth(node) || seen.insert(node.clone()) {
            return Ok(TreeNodeRecursion::Continue);
        }
        repeated.insert(node.clone());
        Ok(TreeNodeRecursion::Jump)
    });
    // Nothing in there fails.
    debug_assert!(walked.is_ok());
    repeated
}

fn is_worth(node: &LogicalPlan) -> bool {
    use LogicalPlan::*;
    matches!(node, Aggregate(_) | Distinct(_) | Extension(_) | Join(_) | Limit(_) | RecursiveQuery(_) | Sort(_) | Unnest(_) | Window(_))
}

impl Lowering<'_> {
    /// A node that stands in the plan several times.
    pub(super) fn part(&mut self, plan: &LogicalPlan) -> Result<Lowered> {
        if !self.parts.iter().any(|part| part.plan == *plan) {
            let Lowered { flow, append_only, key } = self.node_itself(plan)?;
            self.parts.push(Part { plan: plan.clone(), flow, append_only, key });
        }
        let known = self.parts.iter().enumerate().find(|(_, part)| part.plan == *plan);
        let (number, part) = known.expect("it was put there if it was not");
        Ok(Lowered { flow: Flow::shared(number, part.flow.schema()), append_only: part.append_only, key: part.key.clone() })
    }
}
