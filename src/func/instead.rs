//! Rules of DataFusion's optimizer with a rewriting of ours in their places.
//!
//! Some of them go wrong about certain plans. The function that is [`put`] in a rule's place is given the rule, to be asked about all plans
//! but those.

use std::fmt;
use std::sync::Arc;

use datafusion::common::Result as DfResult;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

/// A rule as the optimizer has it.
type Rule = Arc<dyn OptimizerRule + Send + Sync>;
/// What is done to each node instead of what the rule would do.
pub type Rewrite = fn(theirs: &dyn OptimizerRule, plan: LogicalPlan, config: &dyn OptimizerConfig) -> DfResult<Transformed<LogicalPlan>>;

/// Puts a rewriting in the place of the rule of that name, wherever it stands among these. It keeps the name and the order in which nodes
/// are visited.
pub fn put(rules: &mut [Rule], name: &str, rewrite: Rewrite) {
    for rule in rules.iter_mut().filter(|rule| rule.name() == name) {
        *rule = Arc::new(Instead { theirs: Arc::clone(rule), rewrite });
    }
}

struct Instead {
    theirs: Rule,
    rewrite: Rewrite,
}

impl fmt::Debug for Instead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.theirs.fmt(f)
    }
}

impl OptimizerRule for Instead {
    fn name(&self) -> &str {
        self.theirs.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.theirs.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> DfResult<Transformed<LogicalPlan>> {
        (self.rewrite)(self.theirs.as_ref(), plan, config)
    }
}
