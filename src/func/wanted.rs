//! Rules that are asked only while somebody waits for the plan.
//!
//! A rule cannot be interrupted, and some take long. When the statement that is planned has been cancelled, or has taken too much time, or its
//! session has ended ([`Caller::has_gone`]), planning ends before the next rule, or before the rule's next node.

use std::sync::Arc;

use datafusion::common::Result as DfResult;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::{AnalyzerRule, ApplyOrder, OptimizerConfig, OptimizerRule};

use super::caller::Caller;
use crate::error::{Error, Result};

/// A rule as the analyzer has it.
pub type Analyzing = Arc<dyn AnalyzerRule + Send + Sync>;
/// A rule as the optimizer has it.
pub type Optimizing = Arc<dyn OptimizerRule + Send + Sync>;

/// The rules of an analyzer, each to be asked while its plan is wanted.
pub fn analyzing(rules: Vec<Analyzing>) -> Vec<Analyzing> {
    rules.into_iter().map(|rule| Arc::new(Analyzed(rule)) as Analyzing).collect()
}

/// The rules of an optimizer, each to be asked while its plan is wanted.
pub fn optimizing(rules: Vec<Optimizing>) -> Vec<Optimizing> {
    rules.into_iter().map(|rule| Arc::new(Optimized(rule)) as Optimizing).collect()
}

/// Errors: 57014 once nobody waits for the plan; so nobody sees it.
fn check(options: &ConfigOptions) -> Result<()> {
    if Caller::under(options).has_gone() { Err(Error::canceled()) } else { Ok(()) }
}

#[derive(Debug)]
struct Analyzed(Analyzing);

impl AnalyzerRule for Analyzed {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> DfResult<LogicalPlan> {
        check(config)?;
        self.0.analyze(plan, config)
    }
}

#[derive(Debug)]
struct Optimized(Optimizing);

impl OptimizerRule for Optimized {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> DfResult<Transformed<LogicalPlan>> {
        check(&config.options())?;
        self.0.rewrite(plan, config)
    }
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::LogicalPlanBuilder;
    use datafusion::optimizer::OptimizerContext;

    use super::*;
    use crate::func::{analyzer_rules, optimizer_rules};

    #[test]
    fn rules_are_not_asked_for_who_has_gone() {
        let plan = || LogicalPlanBuilder::empty(true).build().unwrap();
        let (mut options, stays) = (ConfigOptions::default(), Arc::new(()));
        Caller::staying(&stays).introduce(&mut options);
        let (analyzer, optimizer) = (analyzer_rules().remove(0), optimizer_rules().remove(0));
        let asked = |options: &ConfigOptions| {
            let context = OptimizerContext::new_with_config_options(Arc::new(options.clone()));
            (analyzer.analyze(plan(), options).is_ok(), optimizer.rewrite(plan(), &context).is_ok())
        };
        assert_eq!(asked(&options), (true, true));
        drop(stays);
        assert_eq!(asked(&options), (false, false));
    }
}
