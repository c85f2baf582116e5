//! How the rows of a table or a materialized view that conditions are about are come by (Selinger et al., "Access Path Selection", SIGMOD
//! 1979): by their key, by an index, or by passing over those blocks that the conditions leave.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::Expr;

use super::table::TableRows;
use super::{bounds, keys};
use crate::catalog::Relation;
use crate::error::Result;
use crate::fold::RowKeys;

/// Where the rows are that may meet conditions; each of them is still to be asked whether it does.
pub enum Access {
    /// These, with all their columns, by an index on the columns `by`.
    Found { by: Vec<usize>, rows: Vec<RecordBatch> },
    /// Among those.
    Among(TableRows),
}

impl Access {
    /// The way to those of `rows`, which begin with the columns of `schema`, that may meet all `filters`. Cost: a probe for each key, or
    /// O(blocks); O(rows) the first time that an index or the bounds of a column are asked for.
    pub fn to(relation: &Relation, schema: &SchemaRef, rows: &TableRows, filters: &[Expr]) -> Result<Access> {
        for key in keys::of_table(relation) {
            if let Some(wanted) = keys::wanted(filters, schema, &key) {
                let rows = rows.of_keys(&RowKeys::Columns(key.clone()), &wanted)?;
                return Ok(Access::Found { by: key, rows });
            }
        }
        for by in indexes(relation, rows) {
            if let Some(wanted) = keys::wanted(filters, schema, &by)
                && let Some(rows) = rows.few_of_keys(&RowKeys::Columns(by.clone()), &wanted)?
            {
                return Ok(Access::Found { by, rows });
            }
        }
        Ok(Access::Among(rows.within(&bounds::within(filters, schema), true)))
    }
}

/// Those of `rows` that may meet all `filters`, with all their columns, if it is known at once where they are: by indexes and bounds that were
/// made before, and that they are at most `few`.
pub fn at_hand(
    relation: &Relation,
    schema: &SchemaRef,
    rows: &TableRows,
    filters: &[Expr],
    few: usize,
) -> Result<Option<Vec<RecordBatch>>> {
    for by in indexes(relation, rows) {
        if let Some(wanted) = keys::wanted(filters, schema, &by)
            && let Some(found) = rows.few_at_hand(&RowKeys::Columns(by), &wanted, few)?
        {
            return Ok(Some(found));
        }
    }
    let left = rows.within(&bounds::within(filters, schema), false);
    if left.count() > few || left.streamed().is_some() {
        return Ok(None);
    }
    left.batches(None).collect::<Result<_>>().map(Some)
}

/// The columns by which rows of a relation may be found, of a view's result by its key too.
fn indexes(relation: &Relation, rows: &TableRows) -> impl Iterator<Item = Vec<usize>> {
    let key = rows.key().filter(|_| relation.ksql.is_none() && relation.key.is_empty());
    key.into_iter().chain(keys::of_indexes(relation))
}
