//! What rows are found by, and told apart by: the values of some of their columns, or what expressions give over a row.
//!
//! A row may have no key: with a NULL in it, where NULL equals nothing, or outside of the condition of a partial index.

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};

use super::eval::{Expr, evaluate_all, mask, take_all};
use crate::error::Result;

/// How rows come by their keys.
#[derive(Clone, Debug)]
pub enum RowKeys {
    /// By the values of these columns, in whatever order; NULL equals nothing, as in UNIQUE, REFERENCES and `WHERE column = value`.
    Columns(Vec<usize>),
    Computed(Computed),
}

/// Keys that are computed of each row, as an index on expressions has them.
#[derive(Clone, Debug)]
pub struct Computed {
    /// The index, by which those that are not needed any more are known.
    pub id: u32,
    pub exprs: Vec<Expr>,
    /// Only rows for which it is true have a key.
    pub predicate: Option<Expr>,
    /// NULLs are the same, and not each its own.
    pub nulls_equal: bool,
}

/// The keys of rows.
pub struct Keyed {
    /// The places of the rows that have one.
    pub rows: Vec<u32>,
    /// Their keys.
    pub keys: Vec<ArrayRef>,
}

impl RowKeys {
    /// The types of what a key consists of.
    pub fn types(&self, schema: &SchemaRef) -> Result<Vec<DataType>> {
        match self {
            RowKeys::Columns(columns) => Ok(columns.iter().map(|&c| schema.field(c).data_type().clone()).collect()),
            RowKeys::Computed(computed) => computed.exprs.iter().map(|e| Ok(e.data_type(schema)?)).collect(),
        }
    }

    /// The keys of rows, which may have more columns behind those that the keys are of. Errors: what an expression raises.
    pub fn of(&self, rows: &RecordBatch) -> Result<Keyed> {
        let all = || (0..rows.num_rows() as u32).collect();
        match self {
            RowKeys::Columns(columns) => {
                let keys = columns.iter().map(|&c| rows.column(c).clone()).collect();
                without_nulls(Keyed { rows: all(), keys })
            }
            RowKeys::Computed(Computed { exprs, predicate, nulls_equal, .. }) => {
                let keyed = match predicate {
                    None => Keyed { rows: all(), keys: evaluate_all(exprs, rows)? },
                    Some(predicate) => {
                        // The expressions are not computed, and do not err, for the others.
                        let mask = mask(predicate, rows)?;
                        let inside = arrow::compute::filter_record_batch(rows, &mask)?;
                        let places = mask.values().set_indices_u32().collect();
                        Keyed { rows: places, keys: evaluate_all(exprs, &inside)? }
                    }
                };
                if *nulls_equal { Ok(keyed) } else { without_nulls(keyed) }
            }
        }
    }
}

/// Without the keys that have a NULL.
fn without_nulls(keyed: Keyed) -> Result<Keyed> {
    if keyed.keys.iter().all(|key| key.null_count() == 0) {
        return Ok(keyed);
    }
    let valid = |i: &u32| keyed.keys.iter().all(|key| key.is_valid(*i as usize));
    let known: Vec<u32> = (0..keyed.rows.len() as u32).filter(valid).collect();
    let keys = take_all(&keyed.keys, &known)?;
    Ok(Keyed { rows: known.into_iter().map(|i| keyed.rows[i as usize]).collect(), keys })
}

/// Those that find the same rows by the same keys.
impl PartialEq for RowKeys {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (RowKeys::Columns(a), RowKeys::Columns(b)) => a.len() == b.len() && a.iter().all(|column| b.contains(column)),
            (RowKeys::Computed(a), RowKeys::Computed(b)) => {
                a.exprs == b.exprs && a.predicate == b.predicate && a.nulls_equal == b.nulls_equal
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, Int32Array};
    use arrow::datatypes::{Field, Int32Type, Schema};
    use datafusion::logical_expr::Operator;
    use datafusion::physical_expr::expressions::{binary, col, lit};

    use super::*;

    #[test]
    fn rows_outside_of_the_condition_have_no_key_and_do_not_err() {
        let schema = Schema::new(vec![Field::new("a", DataType::Int32, true)]);
        let rows = RecordBatch::try_new(
            Arc::new(schema.clone()),
            vec![Arc::new(Int32Array::from(vec![Some(2), None, Some(0), Some(5), Some(-5)]))],
        )
        .unwrap();
        let a = || col("a", &schema).unwrap();
        let quotient = binary(lit(10), Operator::Divide, a(), &schema).unwrap();
        let apart = binary(a(), Operator::NotEq, lit(0), &schema).unwrap();
        let keyed = |nulls_equal, predicate: Option<Expr>| {
            RowKeys::Computed(Computed { id: 1, exprs: vec![quotient.clone()], predicate, nulls_equal }).of(&rows)
        };
        assert!(keyed(false, None).is_err());
        let inside = keyed(false, Some(apart.clone())).unwrap();
        assert_eq!(inside.rows, [0, 3, 4]);
        assert_eq!(inside.keys[0].as_primitive::<Int32Type>().values(), &[5, 2, -2]);
        let positive = binary(a(), Operator::IsDistinctFrom, lit(0), &schema).unwrap();
        assert_eq!(keyed(true, Some(positive.clone())).unwrap().rows, [0, 1, 3, 4]);
        assert_eq!(keyed(false, Some(positive)).unwrap().rows, [0, 3, 4]);
        assert_eq!(RowKeys::Columns(vec![0]).of(&rows).unwrap().rows, [0, 2, 3, 4]);
    }
}
