//! What all operators do with rows: evaluate expressions over them, build batches, compare and consolidate them.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, GenericByteViewArray, Int64Array, RecordBatch, RecordBatchOptions,
    UInt32Array, make_comparator,
};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{self, SortOptions};
use arrow::datatypes::{ByteViewType, DataType, FieldRef, SchemaRef};
use datafusion::physical_expr::PhysicalExpr;

use super::key_index::{Equality, KeyIndex};
use crate::data::Delta;
use crate::data::types::check_dimensions;
use crate::error::{Error, Result};

/// A planned scalar expression.
pub type Expr = Arc<dyn PhysicalExpr>;

/// One value for each row of `batch`. Errors: what the expression raises for the first row that errs when it stands alone; `b <> 0
/// AND a / b > 1` does not for b = 0, though DataFusion may compute both sides over a whole batch.
pub fn evaluate(expr: &Expr, batch: &RecordBatch) -> Result<ArrayRef> {
    let rows = batch.num_rows();
    match evaluate_whole(expr, batch) {
        Err(e) if rows > 1 && e.is_of_data() => {
            let half = rows / 2;
            let first = evaluate(expr, &batch.slice(0, half))?;
            let second = evaluate(expr, &batch.slice(half, rows - half))?;
            Ok(compute::concat(&[&first, &second])?)
        }
        done => done,
    }
}

/// One value for each row of `batch`. Errors: what the expression raises over all of them at once.
pub fn evaluate_whole(expr: &Expr, batch: &RecordBatch) -> Result<ArrayRef> {
    Ok(expr.evaluate(batch)?.into_array(batch.num_rows())?)
}

/// [`evaluate`] for each of `exprs`.
pub fn evaluate_all(exprs: &[Expr], batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
    exprs.iter().map(|e| evaluate(e, batch)).collect()
}

/// The rows for which `predicate` is true; null counts as false. Errors: a predicate that is not boolean.
pub fn mask(predicate: &Expr, batch: &RecordBatch) -> Result<BooleanArray> {
    let values = evaluate(predicate, batch)?;
    let values = values.as_any().downcast_ref::<BooleanArray>().ok_or_else(|| Error::internal("a filter is not boolean"))?;
    Ok(if values.null_count() > 0 { compute::prep_null_mask_filter(values) } else { values.clone() })
}

/// The column in the encoding that `ty` is. Errors: 0A000 if arrays would lose dimensions.
pub fn encoded_as(column: ArrayRef, ty: &DataType) -> Result<ArrayRef> {
    if column.data_type() == ty {
        return Ok(column);
    }
    check_dimensions(column.data_type(), ty)?;
    Ok(compute::cast(&column, ty)?)
}

/// A batch of `rows` rows from columns of the schema's types; a column of another encoding of the type is cast.
pub fn batch_of(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let encoded = |(column, field): (ArrayRef, &FieldRef)| encoded_as(column, field.data_type());
    let columns = columns.into_iter().zip(schema.fields()).map(encoded).collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

/// The elements of `columns` at `indices`. No copy if those are all, in order.
pub fn take_all(columns: &[ArrayRef], indices: &[u32]) -> Result<Vec<ArrayRef>> {
    if columns.first().is_some_and(|c| c.len() == indices.len()) && indices.iter().enumerate().all(|(i, at)| i == *at as usize) {
        return Ok(columns.to_vec());
    }
    let indices = UInt32Array::from(indices.to_vec());
    columns.iter().map(|c| Ok(compute::take(c, &indices, None)?)).collect()
}

/// The elements of both, one after the other.
pub fn append_all(first: Vec<ArrayRef>, second: Vec<ArrayRef>) -> Result<Vec<ArrayRef>> {
    let pairs = first.into_iter().zip(second);
    pairs
        .map(|(a, b)| {
            if a.is_empty() {
                Ok(b)
            } else if b.is_empty() {
                Ok(a)
            } else {
                Ok(compute::concat(&[&a, &b])?)
            }
        })
        .collect()
}

/// One delta of all rows of `deltas`, in order; `None` if there are none. No copy if there is but one.
pub fn concat_deltas(schema: &SchemaRef, deltas: Vec<Delta>) -> Result<Option<Delta>> {
    let mut deltas: Vec<Delta> = deltas.into_iter().filter(|d| d.num_rows() > 0).collect();
    if deltas.len() <= 1 {
        return Ok(deltas.pop());
    }
    let rows = deltas.iter().map(Delta::num_rows).sum();
    let weights = deltas.iter().any(|d| d.weights.is_some()).then(|| {
        let mut all: Vec<i64> = Vec::with_capacity(rows);
        for delta in &deltas {
            match &delta.weights {
                Some(weights) => all.extend_from_slice(weights.values()),
                None => all.resize(all.len() + delta.num_rows(), 1),
            }
        }
        Int64Array::from(all)
    });
    let columns = (0..schema.fields().len()).map(|c| {
        let parts: Vec<&dyn Array> = deltas.iter().map(|d| d.batch.column(c).as_ref()).collect();
        Ok(compute::concat(&parts)?)
    });
    let batch = batch_of(schema, columns.collect::<Result<Vec<_>>>()?, rows)?;
    Ok(Some(Delta { batch, weights }))
}

/// A delta of `removed` with weight -1 before `added` with weight +1; `None` if both are empty.
pub fn replace(schema: &SchemaRef, removed: (Vec<ArrayRef>, usize), added: (Vec<ArrayRef>, usize)) -> Result<Option<Delta>> {
    let (before, after) = (removed.1, added.1);
    if before + after == 0 {
        return Ok(None);
    }
    if before == 0 {
        return Ok(Some(Delta::insert(batch_of(schema, added.0, after)?)));
    }
    let columns = if after == 0 { removed.0 } else { append_all(removed.0, added.0)? };
    let weights = std::iter::repeat_n(-1, before).chain(std::iter::repeat_n(1, after)).collect::<Vec<i64>>();
    Ok(Some(Delta::weighted(batch_of(schema, columns, before + after)?, Int64Array::from(weights))))
}

/// Each distinct row of `deltas` once with the sum of its weights, in order of first appearance; zeros dropped, `None` if
/// nothing is left. Rows are equal if their bytes are.
pub fn consolidate(schema: &SchemaRef, deltas: Vec<Delta>) -> Result<Option<Delta>> {
    let Some(all) = concat_deltas(schema, deltas)? else { return Ok(None) };
    let types: Vec<DataType> = schema.fields().iter().map(|f| f.data_type().clone()).collect();
    let mut index = KeyIndex::new(&types, Equality::Exact)?;
    let (mut slots, mut fresh) = (Vec::new(), Vec::new());
    index.intern(all.batch.columns(), all.num_rows(), &mut slots, &mut fresh)?;
    let mut sums = vec![0i64; fresh.len()];
    let mut first = vec![u32::MAX; fresh.len()];
    for (i, &slot) in slots.iter().enumerate() {
        sums[slot as usize] += all.weight(i);
        first[slot as usize] = first[slot as usize].min(i as u32);
    }
    let kept: Vec<u32> = (0..sums.len()).filter(|&s| sums[s] != 0).map(|s| first[s]).collect();
    if kept.is_empty() {
        return Ok(None);
    }
    let weights: Vec<i64> = sums.into_iter().filter(|w| *w != 0).collect();
    let batch = batch_of(schema, take_all(all.batch.columns(), &kept)?, kept.len())?;
    Ok(Some(Delta::of(batch, weights)))
}

/// For each row whether all columns of `a` and `b` are alike (null is like null, floats by their bits' total order).
pub fn same_rows(a: &[ArrayRef], b: &[ArrayRef], rows: usize) -> Result<BooleanBuffer> {
    let mut same = BooleanBuffer::new_set(rows);
    for (x, y) in a.iter().zip(b) {
        same = &same & &same_column(x, y)?;
    }
    Ok(same)
}

/// The places at which row `a[i]` and row `b[i]` are alike. Rows that differ in one column are not compared in the next.
pub fn same_pairs(columns: &[ArrayRef], a: &[u32], b: &[u32]) -> Result<Vec<u32>> {
    let mut alike: Vec<u32> = (0..a.len() as u32).collect();
    for column in columns {
        if alike.is_empty() {
            break;
        }
        let pairs = || alike.iter().map(|&i| (a[i as usize] as usize, b[i as usize] as usize));
        let side = |rows: &[u32]| compute::take(column, &alike.iter().map(|&i| rows[i as usize]).collect::<UInt32Array>(), None);
        let same = match column.data_type() {
            DataType::Utf8View => same_views(column.as_string_view(), pairs()),
            DataType::BinaryView => same_views(column.as_binary_view(), pairs()),
            _ => same_column(&side(a)?, &side(b)?)?,
        };
        alike = alike.into_iter().zip(&same).filter_map(|(i, same)| same.then_some(i)).collect();
    }
    Ok(alike)
}

/// For each pair of places whether the values there are alike. A copy of a row has its text where the row has it, and is not read.
fn same_views<T: ByteViewType>(values: &GenericByteViewArray<T>, pairs: impl Iterator<Item = (usize, usize)>) -> BooleanBuffer {
    let same = |(x, y)| match (values.is_null(x), values.is_null(y)) {
        (false, false) => {
            let (one, other): (&[u8], &[u8]) = (values.value(x).as_ref(), values.value(y).as_ref());
            std::ptr::eq(one, other) || one == other
        }
        (one, other) => one == other,
    };
    pairs.map(same).collect()
}

fn same_column(x: &ArrayRef, y: &ArrayRef) -> Result<BooleanBuffer> {
    if x.data_type().is_null() {
        return Ok(BooleanBuffer::new_set(x.len()));
    }
    if !x.data_type().is_nested() {
        return Ok(compute::kernels::cmp::not_distinct(x, y)?.values().clone());
    }
    let compare = make_comparator(x, y, SortOptions::default())?;
    let mut bits = BooleanBufferBuilder::new(x.len());
    (0..x.len()).for_each(|i| bits.append(compare(i, i).is_eq()));
    Ok(bits.finish())
}
