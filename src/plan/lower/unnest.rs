//! Arrays expanded to rows.

use arrow::datatypes::DataType;
use datafusion::common::{Column, NullHandling};
use datafusion::logical_expr::{LogicalPlan, Unnest};

use super::{Lowered, Lowering, unsupported};
use crate::error::Result;
use crate::fold::{self, Flow, UnnestColumn};

impl Lowering<'_> {
    pub(super) fn unnest(&mut self, unnest: &Unnest) -> Result<Lowered> {
        let nested = unnest.list_type_columns.iter().any(|(_, list)| list.depth != 1);
        if nested || !unnest.struct_type_columns.is_empty() {
            return Err(unsupported("unnest of arrays of arrays or of records", "Expand one array of plain values at a time."));
        }
        let outer = match unnest.options.null_handling {
            NullHandling::Drop => false,
            NullHandling::PreserveAndExpandEmpty => true,
            NullHandling::Preserve => return Err(unsupported("this form of unnest", "Use unnest() in FROM.")),
        };
        let input = match unnest.input.as_ref() {
            LogicalPlan::Projection(projection) if std::mem::take(&mut self.counts_rows) => self.hops(projection)?,
            input => self.node(input)?,
        };
        let schema = unnest.schema.inner().clone();
        let plain = |i: usize| matches!(input.flow.schema().field(i).data_type(), DataType::List(_));
        if !unnest.list_type_columns.iter().all(|(i, _)| plain(*i)) {
            return Err(unsupported("unnest of this type", "Expand one array of plain values at a time."));
        }
        let columns: Vec<UnnestColumn> = unnest
            .dependency_indices
            .iter()
            .enumerate()
            .map(|(output, &from)| {
                let name = Column::from(unnest.schema.qualified_field(output));
                let expand = unnest.list_type_columns.iter().any(|(i, list)| *i == from && list.output_column == name);
                UnnestColumn { input: from, expand }
            })
            .collect();
        let operator = fold::Unnest::new(columns, outer, schema);
        Ok(Lowered { flow: Flow::node(Box::new(operator), vec![input.flow]), append_only: input.append_only, key: None })
    }
}
