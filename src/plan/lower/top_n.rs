//! The shapes of a plan that keep the first rows of an order: ORDER BY .. LIMIT, and row_number() with a bound on it.

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, Filter, Limit, LogicalPlan, Operator, SortExpr, Window};
use datafusion::physical_expr::expressions::{CastExpr, Column};
use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr};

use super::{Lowered, Lowering, unsupported};
use crate::error::Result;
use crate::fold::{self, Flow, TopN, TopNSpec};

impl Lowering<'_> {
    /// LIMIT and OFFSET, over a sort or over nothing: then the rows that come first by their bytes are kept.
    pub(super) fn limit(&mut self, limit: &Limit) -> Result<Lowered> {
        let number = |e: &Option<Box<Expr>>| match e.as_deref() {
            None => Ok(None),
            Some(Expr::Literal(ScalarValue::Int64(n), _)) => Ok(n.and_then(|n| u64::try_from(n).ok())),
            Some(_) => Err(unsupported("a LIMIT or OFFSET that is not a number", "Write a number.")),
        };
        let (offset, fetch) = (number(&limit.skip)?.unwrap_or(0), number(&limit.fetch)?);
        match limit.input.as_ref() {
            LogicalPlan::Sort(sort) => self.first_rows(&sort.input, &sort.expr, fetch, offset),
            // The sort below a projection keeps as many rows already.
            LogicalPlan::Projection(projection)
                if offset == 0 && matches!(projection.input.as_ref(), LogicalPlan::Sort(s) if s.fetch.map(|n| n as u64) == fetch) =>
            {
                self.node(&limit.input)
            }
            LogicalPlan::Projection(projection) if matches!(projection.input.as_ref(), LogicalPlan::Sort(_)) => {
                Err(unsupported("OFFSET over computed columns", "Compute the columns in a view of its own and apply OFFSET over that."))
            }
            other => self.first_rows(other, &[], fetch, offset),
        }
    }

    /// The rows of `input` from `offset` on, `limit` of them, in the given order.
    pub(super) fn first_rows(&mut self, input: &LogicalPlan, order: &[SortExpr], limit: Option<u64>, offset: u64) -> Result<Lowered> {
        let order_by = self.order(order, input.schema())?;
        let lowered = self.node(input)?;
        let spec = TopNSpec {
            input: lowered.flow.schema(),
            partition: vec![],
            order_by,
            limit,
            offset,
            row_number: None,
            append_only: lowered.append_only,
        };
        Ok(Lowered { flow: Flow::node(Box::new(TopN::new(spec)?), vec![lowered.flow]), append_only: false, key: lowered.key })
    }

    /// row_number(): all rows of a partition are kept, or the first ones only where a filter above asks for no more.
    pub(super) fn window(&mut self, window: &Window) -> Result<Lowered> {
        let refuse = || {
            unsupported("window functions other than one row_number()", "Use GROUP BY, or apply the window function when reading the view.")
        };
        let [expr] = window.window_expr.as_slice() else { return Err(refuse()) };
        let Expr::WindowFunction(function) = bare(expr) else { return Err(refuse()) };
        if function.fun.name() != "row_number" || function.params.filter.is_some() {
            return Err(refuse());
        }
        let limit = self.row_number_bound.take();
        let from = window.input.schema();
        let partition = function.params.partition_by.iter().map(|e| self.expr(e, from)).collect::<Result<Vec<_>>>()?;
        let order_by = self.order(&function.params.order_by, from)?;
        let lowered = self.node(&window.input)?;
        let field = window.schema.fields().last().ok_or_else(refuse)?;
        let number = Arc::new(Field::new(field.name(), DataType::Int64, false));
        let input = lowered.flow.schema();
        let spec = TopNSpec {
            input: input.clone(),
            partition,
            order_by,
            limit,
            offset: 0,
            row_number: Some(number),
            append_only: lowered.append_only,
        };
        let flow = Flow::node(Box::new(TopN::new(spec)?), vec![lowered.flow]);
        // DataFusion has planned the number in a type of its own.
        let width = input.fields().len();
        let mut columns: Vec<Arc<dyn PhysicalExpr>> = Vec::with_capacity(width + 1);
        for (i, field) in flow.schema().fields().iter().enumerate() {
            columns.push(Arc::new(Column::new(field.name(), i)));
        }
        if let Some(last) = columns.pop() {
            columns.push(Arc::new(CastExpr::new(last, field.data_type().clone(), None)));
        }
        let schema = window.schema.inner().clone();
        Ok(Lowered { flow: Flow::node(Box::new(fold::Project::new(columns, schema)), vec![flow]), append_only: false, key: None })
    }

    fn order(&self, order: &[SortExpr], schema: &DFSchema) -> Result<Vec<PhysicalSortExpr>> {
        let sort = |s: &SortExpr| {
            let options = SortOptions { descending: !s.asc, nulls_first: s.nulls_first };
            Ok(PhysicalSortExpr::new(self.expr(&s.expr, schema)?, options))
        };
        order.iter().map(sort).collect()
    }
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
    let Expr::Literal(value, _) = literal else { return None };
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
        LogicalPlan::Window(window) => window.window_expr.len() == 1 && index + 1 == window.schema.fields().len(),
        _ => false,
    }
}

/// An expression without its aliases and casts, neither of which change a row number.
fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => bare(&alias.expr),
        Expr::Cast(cast) => bare(&cast.expr),
        other => other,
    }
}
