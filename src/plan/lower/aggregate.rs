//! GROUP BY, GROUPING SETS and aggregate functions.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{FieldRef, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Aggregate, Expr, GroupingSet};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::{AggregateFunctionExpr, LoweredAggregateBuilder};
use datafusion::physical_expr::expressions::Literal;

use super::leave_out::{always, of_call};
use super::panes::counts_hops;
use super::{Lowered, Lowering, bare, column, unsupported};
use crate::error::Result;
use crate::fold::{self, AggregateCall, AggregateKind, Expand, Flow, Operator};

impl Lowering<'_> {
    pub(super) fn aggregate(&mut self, aggregate: &Aggregate) -> Result<Lowered> {
        if let [Expr::GroupingSet(sets)] = aggregate.group_expr.as_slice() {
            return self.grouping_sets(aggregate, sets);
        }
        self.counts_rows = counts_hops(aggregate);
        let input = self.node(&aggregate.input)?;
        self.counts_rows = false;
        let from = aggregate.input.schema();
        let groups = aggregate.group_expr.iter().map(|e| self.expr(e, from)).collect::<Result<Vec<_>>>()?;
        let schema = aggregate.schema.inner().clone();
        let calls = self.calls(aggregate, from, &input.flow.schema())?;
        // GROUP BY without aggregates is DISTINCT; with none of either there is nothing to identify.
        let key = (!groups.is_empty()).then(|| (0..groups.len()).collect());
        let append_only = input.append_only && calls.is_empty() && !groups.is_empty();
        let input = self.guarded(input, std::iter::once(always(&groups)).chain(calls.iter().map(of_call)).collect())?;
        let operator = fold::Aggregate::new(groups, calls, input.flow.schema(), schema, input.append_only)?;
        Ok(Lowered { flow: Flow::node(Box::new(operator), vec![input.flow]), append_only, key })
    }

    /// Several groupings at once: the rows are expanded to one per set, and the set's id is one more key.
    fn grouping_sets(&mut self, aggregate: &Aggregate, sets: &GroupingSet) -> Result<Lowered> {
        let input = self.node(&aggregate.input)?;
        let from = aggregate.input.schema();
        let keys = sets.distinct_expr();
        let sets = numbered(&members(sets), &keys)?;
        let keys = keys.into_iter().map(|e| self.expr(e, from)).collect::<Result<Vec<_>>>()?;
        let input = self.guarded(input, vec![always(&keys)])?;
        let schema = aggregate.schema.inner().clone();
        let width = keys.len() + 1;
        let expand = Expand::new(keys, sets, schema.fields()[..width].to_vec(), &input.flow.schema());
        let expanded = expand.schema();
        let standing = expand.empty_groups()?;
        // The arguments are planned over the columns of the input, which stand behind the keys and the id.
        let hidden = expanded.fields()[..width].iter().enumerate();
        let hidden = hidden.map(|(i, f)| (None, Arc::new(f.as_ref().clone().with_name(format!("__grouping_key_{i}")))));
        let fields = hidden.chain(from.iter().map(|(q, f)| (q.cloned(), Arc::clone(f))));
        let from = DFSchema::new_with_metadata(fields.collect(), HashMap::new())?;
        let calls = self.calls(aggregate, &from, &expanded)?;
        let groups = (0..width).map(|i| column(&expanded, i)).collect();
        let flow = Flow::node(Box::new(expand), vec![input.flow]);
        let input = self.guarded(Lowered { flow, append_only: input.append_only, key: None }, calls.iter().map(of_call).collect())?;
        let operator = fold::Aggregate::new(groups, calls, expanded, schema, input.append_only)?.with_standing(&standing.0, standing.1)?;
        Ok(Lowered { flow: Flow::node(Box::new(operator), vec![input.flow]), append_only: false, key: Some((0..width).collect()) })
    }

    /// The calls of an aggregate over an input of schema `from`.
    fn calls(&self, aggregate: &Aggregate, from: &DFSchema, input: &SchemaRef) -> Result<Vec<AggregateCall>> {
        let first = aggregate.schema.fields().len() - aggregate.aggr_expr.len();
        let fields = aggregate.schema.fields()[first..].iter();
        aggregate.aggr_expr.iter().zip(fields).map(|(e, f)| self.call(e, from, input, f.clone())).collect()
    }

    pub(super) fn call(&self, expr: &Expr, from: &DFSchema, input: &SchemaRef, field: FieldRef) -> Result<AggregateCall> {
        let Expr::AggregateFunction(AggregateFunction { params, func }) = bare(expr) else {
            return Err(unsupported(format!("the aggregate {expr}"), "Use an aggregate function."));
        };
        refuse_ambiguous(func.name(), !params.order_by.is_empty())?;
        let mut args = params.args.iter().map(|e| self.expr(e, from)).collect::<Result<Vec<_>>>()?;
        let filter = params.filter.as_ref().map(|e| self.expr(e, from)).transpose()?;
        let function = self.function(expr, from, input)?;
        let types = args.iter().map(|a| Ok(a.data_type(input)?)).collect::<Result<Vec<_>>>()?;
        let kind = AggregateKind::of(&function, &types);
        // count(*) reaches us as the count of a literal.
        let literal = |a: &Arc<dyn PhysicalExpr>| a.downcast_ref::<Literal>().is_some_and(|l| !l.value().is_null());
        if matches!(kind, AggregateKind::Count) && !params.distinct && args.iter().all(literal) {
            args.clear();
        }
        let order_by = self.order(&params.order_by, from)?;
        Ok(AggregateCall { kind, args, filter, distinct: params.distinct, order_by, field })
    }

    /// An aggregate function as DataFusion runs it.
    pub(super) fn function(&self, expr: &Expr, from: &DFSchema, input: &SchemaRef) -> Result<Arc<AggregateFunctionExpr>> {
        let context = PhysicalPlanningContext::default();
        let props = ExecutionProps::new();
        Ok(LoweredAggregateBuilder::new(expr, from, input, &props, &context).build()?.aggregate)
    }
}

/// A view's rows must not depend on the order in which events were batched.
fn refuse_ambiguous(name: &str, ordered: bool) -> Result<()> {
    match name {
        "first_value" | "last_value" | "nth_value" if !ordered => {
            Err(unsupported(format!("{name}() without an order"), "Write ORDER BY behind its argument, within the parentheses."))
        }
        "approx_median" | "approx_percentile_cont" | "approx_percentile_cont_with_weight" => {
            Err(unsupported(format!("{name}()"), "Use percentile_cont(..) WITHIN GROUP (ORDER BY ..), which is exact."))
        }
        _ => Ok(()),
    }
}

/// The sets that ROLLUP, CUBE or GROUPING SETS stands for.
fn members(sets: &GroupingSet) -> Vec<Vec<&Expr>> {
    match sets {
        GroupingSet::Rollup(keys) => (0..=keys.len()).map(|n| keys[..n].iter().collect()).collect(),
        GroupingSet::Cube(keys) => {
            let member = |set: usize| keys.iter().enumerate().filter(move |(i, _)| set >> i & 1 == 1).map(|(_, e)| e).collect();
            (0..1usize << keys.len()).map(member).collect()
        }
        GroupingSet::GroupingSets(sets) => sets.iter().map(|set| set.iter().collect()).collect(),
    }
}

/// The sets with the numbers that DataFusion gives them: a bit per key that is left out, the last key's the lowest, and above
/// them how often the same set stood before.
fn numbered(sets: &[Vec<&Expr>], keys: &[&Expr]) -> Result<Vec<fold::GroupingSet>> {
    let mut before: HashMap<Vec<bool>, u64> = HashMap::new();
    let mut all = Vec::with_capacity(sets.len());
    for set in sets {
        let masked: Vec<bool> = keys.iter().map(|k| !set.contains(k)).collect();
        let bits = masked.iter().fold(0u64, |bits, m| bits << 1 | u64::from(*m));
        let copies = before.entry(masked.clone()).or_insert(0);
        let id = copies.checked_mul(1 << keys.len().min(63)).and_then(|high| high.checked_add(bits));
        let id = id.filter(|_| keys.len() < 64).ok_or_else(|| unsupported("that many grouping sets", "Write several views."))?;
        *copies += 1;
        all.push(fold::GroupingSet { masked, id });
    }
    Ok(all)
}
