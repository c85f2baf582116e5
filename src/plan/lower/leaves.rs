//! What a dataflow begins with: relations and constant rows.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{Expr, TableScan};

use super::{DataflowInput, Lowered, Lowering, unsupported};
use crate::catalog::RelationKind;
use crate::error::Result;
use crate::fold::Flow;
use crate::serve::provider::RelationProvider;

impl Lowering<'_> {
    pub(super) fn scan(&mut self, scan: &TableScan) -> Result<Lowered> {
        let provider = source_as_provider(&scan.source)?;
        if let Some(table) = provider.downcast_ref::<CteWorkTable>() {
            return self.working_table(scan, table);
        }
        let Some(provider) = provider.downcast_ref::<RelationProvider>() else {
            return Err(unsupported(format!("\"{}\" as an input", scan.table_name), "Use streams, tables and materialized views."));
        };
        let relation = provider.relation.clone();
        let columns = scan.projection.clone().unwrap_or_else(|| (0..provider.schema.fields().len()).collect());
        let index = self.inputs.len();
        let stream = relation.kind == RelationKind::Stream;
        let schema: SchemaRef = Arc::new(provider.schema.project(&columns)?);
        let position = |k: &usize| columns.iter().position(|c| c == k);
        let key: Option<Vec<usize>> = if relation.key.is_empty() { None } else { relation.key.iter().map(position).collect() };
        let mut lowered = Lowered { flow: Flow::source(index, schema), append_only: stream, key };
        self.inputs.push(DataflowInput { relation, columns, schema: provider.schema.clone() });
        // Only filters that the scan took over for good are missing above it; ours takes none.
        debug_assert!(lowered.flow.schema().fields().len() == scan.projected_schema.fields().len());
        lowered.key = lowered.key.filter(|k| !k.is_empty());
        Ok(lowered)
    }

    pub(super) fn values(&mut self, schema: &DFSchema, rows: &[Vec<Expr>]) -> Result<Lowered> {
        let empty = DFSchema::empty();
        let one = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &RecordBatchOptions::new().with_row_count(Some(1)))?;
        let mut columns: Vec<Vec<ScalarValue>> = vec![Vec::with_capacity(rows.len()); schema.fields().len()];
        for row in rows {
            for (expr, column) in row.iter().zip(&mut columns) {
                let value = self.expr(expr, &empty)?.evaluate(&one)?.into_array(1)?;
                column.push(ScalarValue::try_from_array(&value, 0)?);
            }
        }
        constant(schema.inner().clone(), columns, rows.len())
    }
}

pub(super) fn constant(schema: SchemaRef, columns: Vec<Vec<ScalarValue>>, rows: usize) -> Result<Lowered> {
    // The optimizer puts an empty relation of many columns where it finds that a filter lets nothing through.
    if rows == 0 {
        return Ok(Lowered { flow: Flow::constant(RecordBatch::new_empty(schema)), append_only: true, key: None });
    }
    let mut arrays = Vec::with_capacity(columns.len());
    for (values, field) in columns.into_iter().zip(schema.fields()) {
        let array = ScalarValue::iter_to_array(values)?;
        arrays.push(if array.data_type() == field.data_type() { array } else { arrow::compute::cast(&array, field.data_type())? });
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(schema, arrays, &options)?;
    Ok(Lowered { flow: Flow::constant(batch), append_only: true, key: None })
}
