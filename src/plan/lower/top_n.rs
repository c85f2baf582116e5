//! ORDER BY .. LIMIT and OFFSET: the first rows of an order.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::{Expr, Limit, LogicalPlan, SortExpr};
use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr};

use super::leave_out::always;
use super::{Lowered, Lowering, column, unsupported};
use crate::error::{Error, Result, code};
use crate::fold::{Flow, ITERATION, TopNSpec};

impl Lowering<'_> {
    /// LIMIT and OFFSET, over a sort or over nothing: then the rows that come first by their bytes are kept.
    pub(super) fn limit(&mut self, limit: &Limit) -> Result<Lowered> {
        let count = |e: &Option<Box<Expr>>, clause| e.as_deref().map_or(Ok(None), |e| self.row_count(e, clause));
        let (offset, fetch) = (count(&limit.skip, "OFFSET")?.unwrap_or(0), count(&limit.fetch, "LIMIT")?);
        self.limited(&limit.input, fetch, offset)
    }

    /// The rows of `plan` from `offset` on, `limit` of them, in the order of the sort that is below its projections.
    fn limited(&mut self, plan: &LogicalPlan, limit: Option<u64>, offset: u64) -> Result<Lowered> {
        match plan {
            LogicalPlan::Sort(sort) => {
                let kept = sort.fetch.map(|n| (n as u64).saturating_sub(offset));
                self.first_rows(&sort.input, &sort.expr, limit.into_iter().chain(kept).min(), offset)
            }
            LogicalPlan::Projection(projection) if is_sorted(&projection.input) => {
                let input = self.limited(&projection.input, limit, offset)?;
                self.project(projection, input)
            }
            LogicalPlan::SubqueryAlias(alias) if is_sorted(&alias.input) => self.limited(&alias.input, limit, offset),
            other => self.first_rows(other, &[], limit, offset),
        }
    }

    /// The number that LIMIT or OFFSET gives; `None` for NULL, which is none. Errors: 2201W and 2201X for negative numbers.
    fn row_count(&self, expr: &Expr, clause: &str) -> Result<Option<u64>> {
        if !expr.column_refs().is_empty() {
            return Err(unsupported(format!("a {clause} that is not constant"), "Write a number."));
        }
        let expr = self.expr(expr, &DFSchema::empty())?;
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let row = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options)?;
        let value = ScalarValue::try_from_array(&*expr.evaluate(&row)?.into_array(1)?, 0)?.cast_to(&DataType::Int64)?;
        let ScalarValue::Int64(Some(count)) = value else { return Ok(None) };
        let negative = match clause {
            "LIMIT" => code::INVALID_ROW_COUNT_IN_LIMIT_CLAUSE,
            _ => code::INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE,
        };
        u64::try_from(count).map(Some).map_err(|_| Error::new(negative, format!("{clause} must not be negative")))
    }

    /// The rows of `input` from `offset` on, `limit` of them, in the given order; of each iteration where `input` is of a recursive query.
    pub(super) fn first_rows(&mut self, input: &LogicalPlan, order: &[SortExpr], limit: Option<u64>, offset: u64) -> Result<Lowered> {
        let order_by = self.order(order, input.schema())?;
        let lowered = self.node(input)?;
        let lowered = self.guarded(lowered, vec![always(order_by.iter().map(|o| &o.expr))])?;
        let spec = TopNSpec {
            partition: self.iteration(&lowered.flow.schema()),
            input: lowered.flow.schema(),
            order_by,
            limit,
            offset,
            row_number: None,
            append_only: lowered.append_only,
        };
        Ok(Lowered { flow: Flow::node(spec.operator()?, vec![lowered.flow]), append_only: false, key: lowered.key })
    }

    /// The number of the iteration that rows are of, if they are.
    fn iteration(&self, schema: &SchemaRef) -> Vec<Arc<dyn PhysicalExpr>> {
        let numbered = self.working_table_grows.and_then(|_| schema.index_of(ITERATION).ok());
        numbered.map(|index| column(schema, index)).into_iter().collect()
    }

    pub(super) fn order(&self, order: &[SortExpr], schema: &DFSchema) -> Result<Vec<PhysicalSortExpr>> {
        let sort = |s: &SortExpr| {
            let options = SortOptions { descending: !s.asc, nulls_first: s.nulls_first };
            Ok(PhysicalSortExpr::new(self.expr(&s.expr, schema)?, options))
        };
        order.iter().map(sort).collect()
    }
}

fn is_sorted(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(_) => true,
        LogicalPlan::Projection(projection) => is_sorted(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => is_sorted(&alias.input),
        _ => false,
    }
}
