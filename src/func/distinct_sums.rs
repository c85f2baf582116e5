//! sum and avg of distinct intervals. Intervals of one length are equal, `1 day` and `24:00`, and only one of them may count: the distinct
//! ones are collected by array_agg, which [`super::keys`] puts in order with equal ones once, and added up behind it. Which of the equal ones
//! counts is said there too; PostgreSQL takes the one that it met first.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, ScalarUDF};
use datafusion::optimizer::AnalyzerRule;

use super::arith::rules::INTERVAL;
use super::array_agg;
use super::scalar::define::{Function, Rule};
use super::sum::accumulator;
use super::sum_state::{Spec, What};
use crate::error::Result;

/// The rule; see the head of this module.
#[derive(Debug)]
pub struct DistinctSums;

impl AnalyzerRule for DistinctSums {
    fn name(&self) -> &str {
        "distinct_sums"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> DfResult<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(collected)?.data)
    }
}

/// The functions that add lists up, for the registry.
pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![of_list(What::Sum), of_list(What::Avg)]
}

fn collected(plan: LogicalPlan) -> DfResult<Transformed<LogicalPlan>> {
    let LogicalPlan::Aggregate(mut aggregate) = plan else { return Ok(Transformed::no(plan)) };
    let old = aggregate.schema.clone();
    let calls = old.fields().len() - aggregate.aggr_expr.len();
    let mut shown: Vec<Expr> = old.columns().into_iter().map(Expr::Column).collect();
    let mut any = false;
    for (i, expr) in aggregate.aggr_expr.iter_mut().enumerate() {
        let Some((what, list)) = list_instead(expr, aggregate.input.schema())? else { continue };
        let (relation, field) = old.qualified_field(calls + i);
        *expr = list.alias_qualified(relation.cloned(), field.name());
        shown[calls + i] = of_list(what).call(vec![shown[calls + i].clone()]).alias_qualified(relation.cloned(), field.name());
        any = true;
    }
    if !any {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    }
    let aggregate = Aggregate::try_new(aggregate.input, aggregate.group_expr, aggregate.aggr_expr)?;
    let plan = LogicalPlanBuilder::from(LogicalPlan::Aggregate(aggregate)).project(shown)?.build()?;
    Ok(Transformed::yes(plan))
}

/// What a call computes of distinct intervals, and the call that collects them; `None` for any other.
fn list_instead(call: &Expr, schema: &DFSchema) -> DfResult<Option<(What, Expr)>> {
    let Expr::AggregateFunction(mut call) = call.clone().unalias() else { return Ok(None) };
    let what = match call.func.name() {
        "pg_sum" => What::Sum,
        "pg_avg" => What::Avg,
        _ => return Ok(None),
    };
    let [value] = call.params.args.as_slice() else { return Ok(None) };
    if !call.params.distinct || value.get_type(schema)? != INTERVAL {
        return Ok(None);
    }
    call.func = array_agg::function();
    // What it may be ordered by is what it adds up.
    call.params.order_by.clear();
    Ok(Some((what, Expr::AggregateFunction(call))))
}

/// The sum or the average of the items of a list of intervals that are not NULL, NULL where there are none.
fn of_list(what: What) -> Arc<ScalarUDF> {
    let rule: Rule = |types| matches!(types, [DataType::List(item)] if *item.data_type() == INTERVAL).then(|| (types.to_vec(), INTERVAL));
    match what {
        What::Avg => Function::udf("pg_average_of_list", rule, |args, output| added(&args[0], What::Avg, output)),
        _ => Function::udf("pg_sum_of_list", rule, |args, output| added(&args[0], What::Sum, output)),
    }
}

fn added(lists: &ArrayRef, what: What, output: &DataType) -> Result<ArrayRef> {
    let spec = Spec::new(what, &INTERVAL)?;
    let nothing = ScalarValue::try_from(output)?;
    let sums = lists.as_list::<i32>().iter().map(|items| match items {
        Some(items) => {
            let mut sum = accumulator(spec.clone())?;
            sum.update_batch(&[items])?;
            sum.evaluate()
        }
        None => Ok(nothing.clone()),
    });
    Ok(ScalarValue::iter_to_array(sums.collect::<DfResult<Vec<_>>>()?)?)
}
