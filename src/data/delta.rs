//! What flows: rows with weights.
//!
//! A [`Delta`] is a change of a multiset of rows: weight `+n` adds `n` copies of a row, `-n` removes them. Deltas form a
//! group: they add by concatenation, and a delta plus its negation is nothing once equal rows are consolidated. Theory:
//! Budiu et al., "DBSP: Automatic Incremental View Maintenance for Rich Query Languages", VLDB 2023.

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute;
use arrow::datatypes::{DataType, SchemaRef};

use crate::error::Result;

/// A change: n rows x c columns, and n weights. Absent weights mean all `+1`, the append-only fast path.
#[derive(Clone, Debug)]
pub struct Delta {
    /// The rows, n x c.
    pub batch: RecordBatch,
    /// Their weights, n without nulls; `None` means `+1` for each.
    pub weights: Option<Int64Array>,
}

impl Delta {
    /// Rows that are all added once.
    pub fn insert(batch: RecordBatch) -> Self {
        Delta { batch, weights: None }
    }

    /// Rows with one weight each. `weights` has as many entries as `batch` has rows and no nulls.
    pub fn weighted(batch: RecordBatch, weights: Int64Array) -> Self {
        assert_eq!(batch.num_rows(), weights.len(), "a weight for each row");
        assert_eq!(weights.null_count(), 0, "weights are never null");
        Delta { batch, weights: Some(weights) }
    }

    /// Rows with these weights, kept without them if all are +1.
    pub fn of(batch: RecordBatch, weights: Vec<i64>) -> Self {
        if weights.iter().all(|w| *w == 1) { Delta::insert(batch) } else { Delta::weighted(batch, weights.into()) }
    }

    /// Rows all of the same weight.
    pub fn uniform(batch: RecordBatch, weight: i64) -> Self {
        if weight == 1 {
            return Delta::insert(batch);
        }
        let weights = Int64Array::from(vec![weight; batch.num_rows()]);
        Delta { batch, weights: Some(weights) }
    }

    /// Number of rows, each counted once whatever its weight.
    pub fn num_rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// The weight of row `i`.
    #[inline]
    pub fn weight(&self, i: usize) -> i64 {
        self.weights.as_ref().map_or(1, |w| w.value(i))
    }

    /// The schema of the rows.
    pub fn schema(&self) -> SchemaRef {
        self.batch.schema()
    }

    /// The same weights over other columns of the same length.
    pub fn with_batch(&self, batch: RecordBatch) -> Self {
        assert_eq!(self.num_rows(), batch.num_rows(), "as many rows as before");
        Delta { batch, weights: self.weights.clone() }
    }

    /// The rows for which `mask` is true (null counts as false). Cost O(n x c).
    pub fn filter(&self, mask: &BooleanArray) -> Result<Self> {
        let batch = compute::filter_record_batch(&self.batch, mask)?;
        let weights = match &self.weights {
            Some(w) => Some(compute::filter(w, mask)?.as_any().downcast_ref::<Int64Array>().expect("Int64").clone()),
            None => None,
        };
        Ok(Delta { batch, weights })
    }

    /// The rows at `indices`, in that order. Cost O(indices x c).
    pub fn take(&self, indices: &UInt32Array) -> Result<Self> {
        let batch = take_rows(&self.batch, indices)?;
        let weights = self.weights.as_ref().map(|w| indices.values().iter().map(|&i| w.value(i as usize)).collect());
        Ok(Delta { batch, weights })
    }

    /// Bytes that are surely its own, about: what its columns hold for each row, without text behind views, which deltas share.
    pub fn own_bytes(&self) -> usize {
        let column = |c: &ArrayRef| match c.data_type() {
            DataType::Utf8View | DataType::BinaryView => c.len() * size_of::<u128>(),
            DataType::Dictionary(key, _) => c.len() * key.primitive_width().unwrap_or(0),
            other => match other.primitive_width() {
                Some(width) => c.len() * width,
                None => c.get_array_memory_size(),
            },
        };
        self.batch.columns().iter().map(column).sum::<usize>() + self.weights.as_ref().map_or(0, |w| w.len() * 8)
    }

    /// Bytes of Arrow memory behind it; shared buffers are counted each time.
    pub fn bytes(&self) -> usize {
        self.batch.get_array_memory_size() + self.weights.as_ref().map_or(0, |w| w.len() * 8)
    }
}
/// The rows of a batch at `indices`, in that order; the batch may have no columns. Cost O(indices x c).
pub fn take_rows(batch: &RecordBatch, indices: &UInt32Array) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(|c| compute::take(c, indices, None)).collect::<Result<_, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(indices.len()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns, &options)?)
}
