//! Queries about few rows of one table or materialized view: where these are is told by its key, an index or its zone maps ([`access::at_hand`]), and what
//! the query makes of them is computed where it arrives, without DataFusion's planner.
//!
//! The plan is analyzed once, when the query is planned, and its conditions are moved down to the rows ([`OfRows::of`]), also through views. A
//! run puts the parameters in and looks at the rows ([`OfRows::rows`]); where they turn out to be many, or what is computed of them is not soon
//! done, it leaves the query to the planner and to the threads of queries.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::by_key::scanned;
use super::per_row::{Given, PerRow, Under, catching, is_plain, moved_down, source, taken_apart};
use super::soon::Effort;
use crate::catalog::Relation;
use crate::error::Result;
use crate::serve::table::TableRows;
use crate::serve::{access, bounds};

/// Rows that are compared with constants where a query arrives: those of two blocks.
const COMPARED_MAX: usize = 8_192;
/// Comparisons of each of them.
const COMPARISONS_MAX: usize = 4;
/// Rows that are answered, and sorted before, where a query arrives.
const ANSWERED_MAX: usize = 1_024;

/// What a query makes of rows of one relation.
pub struct OfRows {
    relation: Arc<Relation>,
    per_row: PerRow,
    /// What its conditions take, and what it makes of the rows that meet them.
    asked: Effort,
    made: Effort,
}

impl OfRows {
    /// True for a plan over the rows of one relation, which [`OfRows::of`] may say something of. Cost O(depth).
    pub fn may_be(plan: &LogicalPlan) -> bool {
        source(plan).and_then(scanned).is_some_and(|relation| relation.has_node())
    }

    /// What an analyzed plan makes of rows of one relation; `None` if it is about anything else, or gives another result each time.
    pub fn of(state: &SessionState, analyzed: LogicalPlan) -> Option<OfRows> {
        let moved = moved_down(state, analyzed)?;
        let per_row = taken_apart(&moved, &|input| scanned(input).is_some())?;
        let steps = per_row.steps.as_ref()?.iter().flat_map(|step| &step.expressions);
        let (asked, made) = (Effort::of(&per_row.conditions), Effort::of(steps.clone()));
        let computed = steps.chain(&per_row.conditions).all(is_plain) && asked.is_short() && made.is_short();
        let relation = source(&moved).and_then(scanned).filter(|_| computed)?;
        Some(OfRows { relation, per_row, asked, made })
    }

    /// The relation.
    pub fn relation(&self) -> &Relation {
        &self.relation
    }

    /// What the query gives where the relation has `rows`, with the columns of `schema`; `None` if that is better left to the planner. Errors:
    /// those of its expressions.
    pub fn rows(&self, under: &Under, parameters: &[ScalarValue], rows: &TableRows, schema: &SchemaRef) -> Result<Option<RecordBatch>> {
        let given = Given::new(under, parameters);
        catching(|| {
            let Some(met) = self.met(&given, parameters, rows)? else { return Ok(None) };
            if met.num_rows() > ANSWERED_MAX || !self.made.is_little_of(parameters, &met) {
                return Ok(None);
            }
            self.per_row.compute(&given, &[], met, schema).map(Some)
        })
    }

    /// Those of `rows` that meet the conditions, if it is soon known which they are.
    fn met(&self, given: &Given, parameters: &[ScalarValue], rows: &TableRows) -> Result<Option<RecordBatch>> {
        let seen = self.per_row.columns.inner();
        // What cannot be computed the planner says better.
        let Ok(conditions) = self.per_row.ready(given) else { return Ok(None) };
        let Some(found) = access::at_hand(&self.relation, seen, rows, &conditions, COMPARED_MAX)? else { return Ok(None) };
        let there = self.per_row.seen(&found)?;
        if !self.asked.is_little_of(parameters, &there) && !self.compares_few(&conditions, there.num_rows()) {
            return Ok(None);
        }
        self.per_row.meeting(given, &conditions, there).map(Some)
    }

    /// True if conditions do no more than to compare columns of short values with constants, and not of too many rows.
    fn compares_few(&self, conditions: &[Expr], rows: usize) -> bool {
        let seen = self.per_row.columns.inner();
        let is_short = |column: usize| {
            let ty = seen.field(column).data_type();
            ty.is_primitive() || matches!(ty, DataType::FixedSizeBinary(_))
        };
        let compares = |condition: &Expr| bounds::bound(condition, seen).is_some_and(|bound| is_short(bound.column));
        rows <= COMPARED_MAX && conditions.len() <= COMPARISONS_MAX && conditions.iter().all(compares)
    }
}
