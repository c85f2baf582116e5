//! WITH RECURSIVE.

use arrow::datatypes::SchemaRef;
use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::logical_expr::{LogicalPlan, RecursiveQuery, TableScan};

use super::iterations::of_each_iteration;
use super::{Lowered, Lowering, column, shared, unsupported};
use crate::data::PgType;
use crate::error::{Error, Result};
use crate::fold::{self, Flow, Recursion};

impl Lowering<'_> {
    pub(super) fn recursion(&mut self, query: &RecursiveQuery) -> Result<Lowered> {
        let first = self.node(&query.static_term)?;
        let term = of_each_iteration(query)?;
        let schema = query.schema.inner().clone();
        let recursion = Recursion::new(query.name.clone(), schema.clone(), query.is_distinct)?.bounded(self.options.step_bytes_max);
        // With UNION a row moves to an earlier iteration when that comes to derive it.
        let grows = !query.is_distinct && first.append_only;
        let (inputs, notices) = (self.inputs.len(), self.notices.len());
        let mut next = self.term(&term, grows)?;
        let append_only = grows && next.append_only;
        if grows && !append_only {
            self.inputs.truncate(inputs);
            self.notices.truncate(notices);
            next = self.term(&term, false)?;
        }
        check_types(&first.flow.schema(), &schema)?;
        check_types(&next.flow.schema(), &recursion.working())?;
        let key = query.is_distinct.then(|| (0..schema.fields().len()).collect());
        Ok(Lowered { flow: Flow::recursive(first.flow, next.flow, recursion), append_only, key })
    }

    /// The recursive term, with parts of its own: what reads the working table means something else outside. `grows` if rows are only ever
    /// added to that.
    fn term(&mut self, term: &LogicalPlan, grows: bool) -> Result<Lowered> {
        let repeated = std::mem::replace(&mut self.repeated, shared::repeated(term));
        let parts = std::mem::take(&mut self.parts);
        let around = self.working_table_grows.replace(grows);
        let lowered = self.node(term);
        self.repeated = repeated;
        let parts = std::mem::replace(&mut self.parts, parts);
        self.working_table_grows = around;
        let Lowered { flow, append_only, key } = lowered?;
        Ok(Lowered { flow: flow.with_parts(parts.into_iter().map(|part| part.flow).collect()), append_only, key })
    }

    /// The working table of the recursive query around.
    pub(super) fn working_table(&self, scan: &TableScan, table: &CteWorkTable) -> Result<Lowered> {
        let Some(append_only) = self.working_table_grows else {
            return Err(Error::internal("a working table outside of its recursive query"));
        };
        let flow = Flow::working(table.schema());
        let Some(columns) = &scan.projection else { return Ok(Lowered { flow, append_only, key: None }) };
        let exprs = columns.iter().map(|&i| column(&table.schema(), i)).collect();
        let schema = scan.projected_schema.inner().clone();
        Ok(Lowered { flow: Flow::node(Box::new(fold::Project::new(exprs, schema)), vec![flow]), append_only, key: None })
    }
}

/// Errors: 0A000 if columns are not of the SQL types that they are to have; Arrow has several of one.
fn check_types(given: &SchemaRef, wanted: &SchemaRef) -> Result<()> {
    for (given, wanted) in given.fields().iter().zip(wanted.fields()) {
        let (is, shall) = (PgType::of_arrow(given.data_type()), PgType::of_arrow(wanted.data_type()));
        if is != shall {
            let what = format!("a recursive query whose column \"{}\" is of type {is} in one term and {shall} in the other", wanted.name());
            return Err(unsupported(what, "Cast it in both terms."));
        }
    }
    Ok(())
}
