//! Window functions, and the bound on a row_number() that makes it a top-N.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::logical_expr::expr::{NullTreatment, WindowFunction as PlannedCall, WindowFunctionParams};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, Operator, Window, WindowFunctionDefinition};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateExprBuilder;
use datafusion::physical_expr::expressions::{CastExpr, Column};
use datafusion::physical_plan::windows::create_udwf_window_expr;

use super::leave_out::always;
use super::{Lowered, Lowering, column, unsupported};
use crate::error::Result;
use crate::fold::{self, Flow, Guard, TopNSpec, WindowCall, WindowFunction, WindowSpec};
use crate::func::{TURN, cast, replayed};

impl Lowering<'_> {
    pub(super) fn window(&mut self, window: &Window) -> Result<Lowered> {
        if let (Some(limit), Some(call)) = (self.row_number_bound.take(), row_number(window)) {
            return self.first_of_partitions(window, &call.params, limit);
        }
        let from = window.input.schema();
        let calls = window.window_expr.iter().map(planned_call).collect::<Result<Vec<_>>>()?;
        let fields = &window.schema.fields()[from.fields().len()..];
        let input = self.node(&window.input)?;
        // Rows are left out below all calls: none of them shall see a row that another errs for.
        let guards = calls.iter().map(|call| self.window_guards(&call.params, from)).collect::<Result<Vec<_>>>()?;
        let mut lowered = self.guarded(input, guards.into_iter().flatten().collect())?;
        // Calls of one node are sorted alike, but may still differ in what they partition and order by.
        let calls: Vec<(&PlannedCall, &FieldRef)> = calls.into_iter().zip(fields).collect();
        let alike = |a: &WindowFunctionParams, b: &WindowFunctionParams| a.partition_by == b.partition_by && a.order_by == b.order_by;
        for calls in calls.chunk_by(|a, b| alike(&a.0.params, &b.0.params)) {
            let params = &calls[0].0.params;
            let input = lowered.flow.schema();
            let spec = WindowSpec {
                partition: params.partition_by.iter().map(|e| self.expr(e, from)).collect::<Result<_>>()?,
                order_by: self.order(&params.order_by, from)?,
                ties: turns(&input),
                calls: calls.iter().map(|(call, field)| self.window_call(call, field, from, &input)).collect::<Result<_>>()?,
                input,
            };
            lowered.flow = Flow::node(Box::new(fold::Window::new(spec)?), vec![lowered.flow]);
        }
        Ok(Lowered { append_only: false, ..lowered })
    }

    /// What a call evaluates over the rows.
    fn window_guards(&self, params: &WindowFunctionParams, from: &DFSchema) -> Result<[Guard; 2]> {
        let exprs = |exprs: &[Expr]| exprs.iter().map(|e| self.expr(e, from)).collect::<Result<Vec<_>>>();
        let order = self.order(&params.order_by, from)?.into_iter().map(|o| o.expr);
        let keys = Guard { filter: None, exprs: exprs(&params.partition_by)?.into_iter().chain(order).collect() };
        let filter = params.filter.as_ref().map(|e| self.expr(e, from)).transpose()?;
        Ok([keys, Guard { filter, exprs: exprs(&params.args)? }])
    }

    fn window_call(&self, call: &PlannedCall, field: &FieldRef, from: &DFSchema, input: &SchemaRef) -> Result<WindowCall> {
        let params = &call.params;
        let args = params.args.iter().map(|e| self.expr(e, from)).collect::<Result<Vec<_>>>()?;
        let ignore_nulls = params.null_treatment == Some(NullTreatment::IgnoreNulls);
        let name = field.name().clone();
        let function = match &call.fun {
            WindowFunctionDefinition::WindowUDF(function) => {
                WindowFunction::Standard(create_udwf_window_expr(function, &args, input, name, ignore_nulls)?)
            }
            WindowFunctionDefinition::AggregateUDF(function) => {
                let builder = AggregateExprBuilder::new(replayed::as_they_are(function), args).schema(input.clone()).alias(name);
                let function = Arc::new(builder.with_ignore_nulls(ignore_nulls).build()?);
                WindowFunction::Aggregate { function, filter: params.filter.as_ref().map(|e| self.expr(e, from)).transpose()? }
            }
        };
        Ok(WindowCall { function, frame: Arc::new(params.window_frame.clone()), field: Arc::clone(field) })
    }

    /// The rows whose row_number() is `limit` at most.
    fn first_of_partitions(&mut self, window: &Window, params: &WindowFunctionParams, limit: u64) -> Result<Lowered> {
        let from = window.input.schema();
        let partition = params.partition_by.iter().map(|e| self.expr(e, from)).collect::<Result<Vec<_>>>()?;
        let order_by = self.order(&params.order_by, from)?;
        let input = self.node(&window.input)?;
        let input = self.guarded(input, vec![always(partition.iter().chain(order_by.iter().map(|o| &o.expr)))])?;
        let schema = window.schema.inner().clone();
        let width = schema.fields().len() - 1;
        // A row is known by what it is partitioned by and by its number, if there is more than one.
        let columns: Option<Vec<usize>> = partition.iter().map(|e| e.downcast_ref::<Column>().map(Column::index)).collect();
        let number = (limit > 1 || partition.is_empty()).then_some(width);
        let key = columns.map(|columns| columns.into_iter().chain(number).collect()).or(input.key);
        let spec = TopNSpec {
            input: input.flow.schema(),
            partition,
            order_by,
            limit: Some(limit),
            offset: 0,
            row_number: Some(Arc::new(Field::new(schema.field(width).name(), DataType::Int64, false))),
            append_only: input.append_only,
        };
        let flow = Flow::node(spec.operator()?, vec![input.flow]);
        // DataFusion has planned the number in a type of its own.
        let mut columns: Vec<Arc<dyn PhysicalExpr>> = (0..width).map(|i| column(&flow.schema(), i)).collect();
        columns.push(Arc::new(CastExpr::new(column(&flow.schema(), width), schema.field(width).data_type().clone(), None)));
        Ok(Lowered { flow: Flow::node(Box::new(fold::Project::new(columns, schema)), vec![flow]), append_only: false, key })
    }
}

fn planned_call(expr: &Expr) -> Result<&PlannedCall> {
    match super::bare(expr) {
        Expr::WindowFunction(call) => Ok(call),
        other => Err(unsupported(format!("the window expression {other}"), "Use a window function.")),
    }
}

/// The columns that tell in what turn peers are taken, that of the nearest window first.
fn turns(input: &SchemaRef) -> Vec<usize> {
    (0..input.fields().len()).rev().filter(|i| input.field(*i).name().starts_with(TURN)).collect()
}

/// The only function of a node, if that is row_number().
fn row_number(window: &Window) -> Option<&PlannedCall> {
    let [expr] = window.window_expr.as_slice() else { return None };
    let call = planned_call(expr).ok()?;
    matches!(&call.fun, WindowFunctionDefinition::WindowUDF(f) if f.name() == "row_number").then_some(call)
}

/// The greatest row number that a filter over a row_number() lets through, if the filter bounds it.
pub(super) fn row_number_bound(filter: &Filter) -> Option<u64> {
    split_conjunction(&filter.predicate).into_iter().filter_map(|part| bound(part, &filter.input)).min()
}

fn bound(part: &Expr, input: &LogicalPlan) -> Option<u64> {
    let Expr::BinaryExpr(binary) = part else { return None };
    let (column, literal, op) = match (bare(&binary.left), bare(&binary.right)) {
        (column @ Expr::Column(_), literal) => (column, literal, binary.op),
        (literal, column @ Expr::Column(_)) => (column, literal, binary.op.swap()?),
        _ => return None,
    };
    // A number that was made text is ordered as text.
    let Expr::Literal(value, _) = literal else { return None };
    if !value.data_type().is_numeric() {
        return None;
    }
    let number: u64 = value.to_string().parse().ok()?;
    let number = match op {
        Operator::LtEq | Operator::Eq => number,
        Operator::Lt => number.checked_sub(1)?,
        _ => return None,
    };
    let Expr::Column(column) = column else { return None };
    is_row_number(input.schema().maybe_index_of_column(column)?, input).then_some(number)
}

/// True if column `index` of a plan is the row number of the window below.
fn is_row_number(index: usize, plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => is_row_number(index, &alias.input),
        LogicalPlan::Projection(projection) => match projection.expr.get(index).map(bare) {
            Some(Expr::Column(column)) => {
                projection.input.schema().maybe_index_of_column(column).is_some_and(|i| is_row_number(i, &projection.input))
            }
            _ => false,
        },
        LogicalPlan::Window(window) => row_number(window).is_some() && index + 1 == window.schema.fields().len(),
        _ => false,
    }
}

/// An expression without its aliases and casts, neither of which change a row number.
fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => bare(&alias.expr),
        Expr::Cast(cast) => bare(&cast.expr),
        Expr::ScalarFunction(f) if f.name() == cast::NAME => f.args.first().map_or(expr, bare),
        other => other,
    }
}
