//! What is done row by row, and DISTINCT.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Filter, LogicalPlan, Projection, Union};
use datafusion::physical_expr::expressions::CastExpr;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

use super::leave_out::always;
use super::window::row_number_bound;
use super::{Lowered, Lowering, column, is_column, now};
use crate::error::{Error, Result};
use crate::fold::{self, Flow};
use crate::func::cast;

impl Lowering<'_> {
    pub(super) fn filter(&mut self, filter: &Filter) -> Result<Lowered> {
        self.row_number_bound = row_number_bound(filter);
        let input = self.node(&filter.input)?;
        self.row_number_bound = None;
        let planned = filter.input.schema();
        let (predicate, comparisons) = now::split(&filter.predicate, planned)?;
        let mut lowered = input;
        if let Some(predicate) = predicate {
            let predicate = self.expr(&predicate, planned)?;
            lowered = self.guarded(lowered, vec![always([&predicate])])?;
            let schema = lowered.flow.schema();
            lowered.flow = Flow::node(Box::new(fold::Filter::new(predicate, schema)), vec![lowered.flow]);
        }
        comparisons.into_iter().try_fold(lowered, |input, comparison| self.temporal(input, comparison, planned))
    }

    pub(super) fn projection(&mut self, projection: &Projection) -> Result<Lowered> {
        let input = self.node(&projection.input)?;
        self.project(projection, input)
    }

    /// A projection over what its input was lowered to.
    pub(super) fn project(&self, projection: &Projection, input: Lowered) -> Result<Lowered> {
        let from = projection.input.schema();
        let exprs = projection.expr.iter().map(|e| self.expr(e, from)).collect::<Result<Vec<_>>>()?;
        let input = self.guarded(input, vec![always(&exprs)])?;
        let from_schema = input.flow.schema();
        let position = |k: &usize| exprs.iter().position(|e| tells_apart(e, *k, &from_schema));
        let key = input.key.as_ref().and_then(|key| key.iter().map(position).collect());
        let schema = output_schema(&exprs, &projection.schema, &from_schema)?;
        Ok(Lowered { flow: Flow::node(Box::new(fold::Project::new(exprs, schema)), vec![input.flow]), append_only: input.append_only, key })
    }

    pub(super) fn union(&mut self, union: &Union) -> Result<Lowered> {
        // A subquery that has become a join may give NULL where the plan still says that it cannot.
        let nullable = union.schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
        let schema: SchemaRef = Arc::new(Schema::new(nullable.collect::<Vec<_>>()));
        let mut flows = Vec::with_capacity(union.inputs.len());
        let mut append_only = true;
        for input in &union.inputs {
            let lowered = self.node(input)?;
            append_only &= lowered.append_only;
            let width = lowered.flow.schema().fields().len();
            let same = (0..width).all(|i| lowered.flow.schema().field(i).data_type() == schema.field(i).data_type());
            if !same {
                return Err(Error::internal("the branches of a union differ in their types"));
            }
            let columns = (0..width).map(|i| column(&lowered.flow.schema(), i)).collect();
            flows.push(Flow::node(Box::new(fold::Project::new(columns, schema.clone())), vec![lowered.flow]));
        }
        Ok(Lowered { flow: Flow::node(Box::new(fold::Union::new(schema)), flows), append_only, key: None })
    }

    pub(super) fn distinct(&mut self, input: &LogicalPlan) -> Result<Lowered> {
        let input = self.node(input)?;
        let schema = input.flow.schema();
        let key = Some((0..schema.fields().len()).collect());
        Ok(Lowered { flow: Flow::node(Box::new(fold::Distinct::new(schema)?), vec![input.flow]), append_only: input.append_only, key })
    }
}

/// True if an expression tells the values of a column apart: the column itself, or a row number made a bigint.
fn tells_apart(expr: &Arc<dyn PhysicalExpr>, index: usize, schema: &SchemaRef) -> bool {
    let by_function = expr.downcast_ref::<ScalarFunctionExpr>().is_some_and(|f| f.fun().name() == cast::NAME);
    let is_cast = by_function || expr.downcast_ref::<CastExpr>().is_some();
    let widens = *schema.field(index).data_type() == DataType::UInt64 && expr.data_type(schema).is_ok_and(|t| t == DataType::Int64);
    is_column(expr, index) || is_cast && widens && expr.children().first().is_some_and(|e| is_column(e, index))
}

/// The schema of a projection: names and metadata of the plan, types of the expressions.
fn output_schema(exprs: &[Arc<dyn PhysicalExpr>], planned: &DFSchema, input: &SchemaRef) -> Result<SchemaRef> {
    let mut fields: Vec<Field> = Vec::with_capacity(exprs.len());
    for (expr, field) in exprs.iter().zip(planned.fields()) {
        fields.push(field.as_ref().clone().with_data_type(expr.data_type(input)?));
    }
    Ok(Arc::new(Schema::new(fields)))
}
