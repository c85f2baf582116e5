//! GROUP BY of several grouping sets in a subquery that depends on the row around (manual, chapter 7.2.4). The set of nothing has a row whether
//! there are rows or not, for each row around; what makes a join of the subquery would lose it. So each set is grouped by itself, before that,
//! and what they give is put together by UNION ALL: a key that a set has not is NULL there, and GROUPING is known.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result as DfResult, ScalarValue};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, GroupingSet, LogicalPlan, LogicalPlanBuilder, Union, lit};
use datafusion::optimizer::AnalyzerRule;

use super::subquery::outer_columns;

/// More sets stay as they are.
const SETS_MAX: usize = 64;

/// The analyzer rule; see the head of this module.
#[derive(Debug)]
pub struct GroupedApart;

impl AnalyzerRule for GroupedApart {
    fn name(&self) -> &str {
        "dependent_grouping_sets"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> DfResult<LogicalPlan> {
        let apart = |node: LogicalPlan| match node {
            LogicalPlan::Aggregate(aggregate) => match sets(&aggregate) {
                Some(sets) if depends(&aggregate)? => by_set(&aggregate, &sets).map(Transformed::yes),
                _ => Ok(Transformed::no(LogicalPlan::Aggregate(aggregate))),
            },
            other => Ok(Transformed::no(other)),
        };
        Ok(plan.transform_up_with_subqueries(apart)?.data)
    }
}

/// True for a grouping whose rows depend on a row around, if GROUPING asks for keys only.
fn depends(aggregate: &Aggregate) -> DfResult<bool> {
    let keys = grouping_set_to_exprlist(&aggregate.group_expr)?;
    let asks = aggregate.aggr_expr.iter().filter_map(grouping).flatten().all(|argument| keys.contains(&argument));
    let names_outer = aggregate.aggr_expr.iter().any(Expr::contains_outer) || keys.iter().any(|key| key.contains_outer());
    Ok(asks && (names_outer || !outer_columns(&aggregate.input)?.is_empty()))
}

/// The grouping sets of a grouping that has some, each key once.
fn sets(aggregate: &Aggregate) -> Option<Vec<Vec<Expr>>> {
    let [Expr::GroupingSet(grouping)] = aggregate.group_expr.as_slice() else { return None };
    let mut sets = match grouping {
        GroupingSet::GroupingSets(sets) => sets.clone(),
        GroupingSet::Rollup(keys) => (0..=keys.len()).rev().map(|n| keys[..n].to_vec()).collect(),
        GroupingSet::Cube(keys) if keys.len() < 6 => (0..1usize << keys.len())
            .map(|left_out| keys.iter().enumerate().filter(|(i, _)| left_out >> i & 1 == 0).map(|(_, key)| key.clone()).collect())
            .collect(),
        GroupingSet::Cube(_) => return None,
    };
    for set in &mut sets {
        let mut once: Vec<Expr> = Vec::new();
        set.drain(..).for_each(|key| {
            if !once.contains(&key) {
                once.push(key)
            }
        });
        *set = once;
    }
    (sets.len() <= SETS_MAX).then_some(sets)
}

fn by_set(aggregate: &Aggregate, sets: &[Vec<Expr>]) -> DfResult<LogicalPlan> {
    let keys: Vec<Expr> = grouping_set_to_exprlist(&aggregate.group_expr)?.into_iter().cloned().collect();
    let names = aggregate.schema.columns();
    // Between keys and calls stands what tells the sets apart, which nothing reads yet.
    let calls_at = names.len() - aggregate.aggr_expr.len();
    let shown: Vec<Column> = names[..keys.len()].iter().chain(&names[calls_at..]).cloned().collect();
    let mut parts = Vec::with_capacity(sets.len());
    for set in sets {
        parts.push(Arc::new(of_set(aggregate, set, &keys, &shown)?));
    }
    let union = match <[Arc<LogicalPlan>; 1]>::try_from(parts) {
        Ok([only]) => Arc::unwrap_or_clone(only),
        Err(parts) => LogicalPlan::Union(Union::try_new_with_loose_types(parts)?),
    };
    named(union.schema().columns().into_iter().map(Expr::Column).collect(), &shown, union)
}

fn named(exprs: Vec<Expr>, names: &[Column], plan: LogicalPlan) -> DfResult<LogicalPlan> {
    let named = exprs.into_iter().zip(names).map(|(expr, name)| expr.alias_qualified(name.relation.clone(), name.name.clone()));
    LogicalPlanBuilder::from(plan).project(named.collect::<Vec<_>>())?.build()
}

/// The rows of one set: the keys, and then the calls.
fn of_set(aggregate: &Aggregate, set: &[Expr], keys: &[Expr], shown: &[Column]) -> DfResult<LogicalPlan> {
    let arguments: Vec<Option<&[Expr]>> = aggregate.aggr_expr.iter().map(grouping).collect();
    let mut calls: Vec<Expr> = aggregate.aggr_expr.iter().filter(|call| grouping(call).is_none()).cloned().collect();
    if set.is_empty() && calls.is_empty() {
        calls.push(count(lit(1i64)).alias("__rows"));
    }
    let plan = LogicalPlan::Aggregate(Aggregate::try_new(Arc::clone(&aggregate.input), set.to_vec(), calls)?);
    let columns: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
    let (of_set, mut of_calls) = (&columns[..set.len()], columns[set.len()..].iter());
    let schema = aggregate.input.schema();
    let mut values = Vec::with_capacity(shown.len());
    for key in keys {
        values.push(match set.iter().position(|of| of == key) {
            Some(at) => of_set[at].clone(),
            None => match key {
                // Literals and what is computed of them get their types later.
                Expr::Column(_) => lit(ScalarValue::try_from(&key.get_type(schema)?)?),
                _ => lit(ScalarValue::Null),
            },
        });
    }
    for arguments in arguments {
        values.push(match arguments {
            // The last argument is the least bit, which is set where the key is not of the set.
            Some(arguments) => lit(arguments.iter().fold(0i32, |bits, key| bits << 1 | i32::from(!set.contains(key)))),
            None => of_calls.next().cloned().unwrap_or_else(|| lit(ScalarValue::Null)),
        });
    }
    named(values, shown, plan)
}

/// The arguments of GROUPING.
fn grouping(call: &Expr) -> Option<&[Expr]> {
    match call {
        Expr::Alias(alias) => grouping(&alias.expr),
        Expr::AggregateFunction(call) if call.func.name() == "grouping" => Some(&call.params.args),
        _ => None,
    }
}
