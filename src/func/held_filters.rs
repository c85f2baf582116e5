//! Conditions that say nothing about groups, above an aggregate.
//!
//! DataFusion pushes a condition below an aggregate if all columns that it names are ones of the groups: groups are left out before they
//! are made. That is so of one that names no column, too (`HAVING (SELECT max(a) FROM t) = 9`), but below an aggregate that gives a row
//! even where there are none, it changes that row instead of leaving it out. And a volatile condition, which is asked once for each group
//! or row, would be asked for each row that they are made of. [`holding`] is put in the place of DataFusion's rule: it keeps such conditions
//! back, and has the rule push the others.
//!
//! The rule also compares the equalities of one column as they are written, and takes `a = 5` and `5 = a` for a contradiction. So they are
//! written alike before: the constant to the right.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Result as DfResult, internal_err};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{Aggregate, BinaryExpr, Expr, Filter, LogicalPlan, binary_expr};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// The rule that pushes conditions, by DataFusion's name.
pub const PUSHING: &str = "push_down_filter";

/// The rewriting of the rule that pushes conditions, but for those of the head of this module.
pub fn holding(theirs: &dyn OptimizerRule, plan: LogicalPlan, config: &dyn OptimizerConfig) -> DfResult<Transformed<LogicalPlan>> {
    let plan = constants_to_the_right(plan)?;
    let LogicalPlan::Filter(filter) = &plan else {
        return theirs.rewrite(plan, config);
    };
    // Filters above each other are one to the rule.
    let (mut parts, mut input, mut is_one) = (split_conjunction(&filter.predicate), &filter.input, true);
    while let LogicalPlan::Filter(next) = input.as_ref() {
        let mut below = split_conjunction(&next.predicate);
        below.append(&mut parts);
        (parts, input, is_one) = (below, &next.input, false);
    }
    let (held, pushed): (Vec<&Expr>, Vec<&Expr>) = parts.into_iter().partition(|part| is_held(part, input));
    let Some(held) = conjunction(held.into_iter().cloned()) else {
        return theirs.rewrite(plan, config);
    };
    let input = Arc::clone(input);
    let Some(pushed) = conjunction(pushed.into_iter().cloned()) else {
        return Ok(if is_one { Transformed::no(plan) } else { Transformed::yes(filtered(held, input)?) });
    };
    let mut rewritten = theirs.rewrite(filtered(pushed, input)?, config)?;
    rewritten.transformed |= !is_one;
    rewritten.map_data(|plan| match plan {
        LogicalPlan::Filter(rest) => filtered(held.and(rest.predicate), rest.input),
        other => filtered(held, Arc::new(other)),
    })
}

/// The filter, and those right below it, which are one to the rule, with constants to the right.
fn constants_to_the_right(plan: LogicalPlan) -> DfResult<LogicalPlan> {
    let LogicalPlan::Filter(mut filter) = plan else { return Ok(plan) };
    if matches!(filter.input.as_ref(), LogicalPlan::Filter(_)) {
        filter.input = Arc::new(constants_to_the_right(Arc::unwrap_or_clone(filter.input))?);
    }
    let turned = |part: &Expr| match part {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (left.as_ref(), op.swap(), right.as_ref()) {
            (Expr::Literal(..), Some(op), Expr::Column(_)) => Some(binary_expr(right.as_ref().clone(), op, left.as_ref().clone())),
            _ => None,
        },
        _ => None,
    };
    let parts = split_conjunction(&filter.predicate);
    if !parts.iter().any(|part| turned(part).is_some()) {
        return Ok(LogicalPlan::Filter(filter));
    }
    let parts = parts.into_iter().map(|part| turned(part).unwrap_or_else(|| part.clone()));
    match conjunction(parts) {
        Some(predicate) => filtered(predicate, filter.input),
        None => internal_err!("a condition has parts"),
    }
}

fn filtered(predicate: Expr, input: Arc<LogicalPlan>) -> DfResult<LogicalPlan> {
    Ok(LogicalPlan::Filter(Filter::try_new(predicate, input)?))
}

/// Whether a condition must stay above a plan.
fn is_held(condition: &Expr, input: &LogicalPlan) -> bool {
    match input {
        LogicalPlan::Aggregate(aggregate) => condition.is_volatile() || gives_always(aggregate) && condition.column_refs().is_empty(),
        LogicalPlan::Window(_) => condition.is_volatile(),
        _ => false,
    }
}

/// Whether an aggregate may give a row where there are none. What a grouping set leaves out is not looked into.
fn gives_always(aggregate: &Aggregate) -> bool {
    aggregate.group_expr.is_empty() || aggregate.group_expr.iter().any(|by| matches!(by, Expr::GroupingSet(_)))
}
