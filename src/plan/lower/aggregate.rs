//! GROUP BY and aggregate functions.

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{FieldRef, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Aggregate, Expr};
use datafusion::physical_expr::aggregate::{AggregateFunctionExpr, LoweredAggregateBuilder};
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr};

use super::{Lowered, Lowering, bare, unsupported};
use crate::error::Result;
use crate::fold::{self, AggregateCall, AggregateKind, Flow};

impl Lowering<'_> {
    pub(super) fn aggregate(&mut self, aggregate: &Aggregate) -> Result<Lowered> {
        let input = self.node(&aggregate.input)?;
        let from = aggregate.input.schema();
        if aggregate.group_expr.iter().any(|e| matches!(e, Expr::GroupingSet(_))) {
            return Err(unsupported("GROUPING SETS, ROLLUP or CUBE", "Write one view for each grouping, or UNION ALL of them."));
        }
        let groups = aggregate.group_expr.iter().map(|e| self.expr(e, from)).collect::<Result<Vec<_>>>()?;
        let schema = aggregate.schema.inner().clone();
        let input_schema = input.flow.schema();
        let mut calls = Vec::with_capacity(aggregate.aggr_expr.len());
        for (i, expr) in aggregate.aggr_expr.iter().enumerate() {
            calls.push(self.call(expr, from, &input_schema, schema.fields()[groups.len() + i].clone())?);
        }
        // GROUP BY without aggregates is DISTINCT; with none of either there is nothing to identify.
        let key = (!groups.is_empty()).then(|| (0..groups.len()).collect());
        let append_only = input.append_only && calls.is_empty() && !groups.is_empty();
        let operator = fold::Aggregate::new(groups, calls, input_schema, schema, input.append_only)?;
        Ok(Lowered { flow: Flow::node(Box::new(operator), vec![input.flow]), append_only, key })
    }

    pub(super) fn call(&self, expr: &Expr, from: &DFSchema, input: &SchemaRef, field: FieldRef) -> Result<AggregateCall> {
        let Expr::AggregateFunction(AggregateFunction { params, .. }) = bare(expr) else {
            return Err(unsupported(format!("the aggregate {expr}"), "Use an aggregate function."));
        };
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
        let order_by = params.order_by.iter().map(|s| {
            let options = SortOptions { descending: !s.asc, nulls_first: s.nulls_first };
            Ok(PhysicalSortExpr::new(self.expr(&s.expr, from)?, options))
        });
        let order_by = order_by.collect::<Result<Vec<_>>>()?;
        Ok(AggregateCall { kind, args, filter, distinct: params.distinct, order_by, field })
    }

    /// An aggregate function as DataFusion runs it.
    pub(super) fn function(&self, expr: &Expr, from: &DFSchema, input: &SchemaRef) -> Result<Arc<AggregateFunctionExpr>> {
        let context = PhysicalPlanningContext::default();
        let props = ExecutionProps::new();
        Ok(LoweredAggregateBuilder::new(expr, from, input, &props, &context).build()?.aggregate)
    }
}
