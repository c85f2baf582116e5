//! Slices of arrays by several dimensions, `a[1:2][2:3]` (manual, chapter 8.15.3): where one subscript is a slice, all are, and `[n]` is `[1:n]`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, new_empty_array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::concat;
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::logical_expr::ScalarUDF;

use super::define::Function;
use crate::data::types::dimensions;
use crate::error::{Error, Result};

/// The function of an array, and of the first and the last place in each dimension.
pub const SLICES: &str = "pg_array_slices";

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![Function::udf(SLICES, rule, kernel)]
}

fn rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    let [array @ DataType::List(_), bounds @ ..] = types else { return None };
    let is_bound = |ty: &DataType| ty.is_integer() || ty.is_null();
    let fits = bounds.len().is_multiple_of(2) && bounds.iter().all(is_bound);
    fits.then(|| (std::iter::once(array.clone()).chain(bounds.iter().map(|_| DataType::Int64)).collect(), array.clone()))
}

fn kernel(args: &[ArrayRef], ty: &DataType) -> Result<ArrayRef> {
    let DataType::List(item) = ty else { return Err(Error::internal("a slice of what is no array")) };
    let (arrays, depth) = (args[0].as_list::<i32>(), dimensions(ty));
    let bounds: Vec<_> = args[1..].iter().map(|bound| bound.as_primitive::<Int64Type>()).collect();
    let sliced = |row: usize| {
        if arrays.is_null(row) || bounds.iter().any(|bound| bound.is_null(row)) {
            return Ok(None);
        }
        let bounds: Vec<(i64, i64)> = bounds.chunks(2).map(|both| (both[0].value(row), both[1].value(row))).collect();
        let part = if bounds.len() > depth { None } else { cut(&arrays.value(row), &bounds)? };
        Ok(Some(part.unwrap_or_else(|| new_empty_array(item.data_type()))))
    };
    let rows = (0..arrays.len()).map(sliced).collect::<Result<Vec<_>>>()?;
    lists(item, &rows)
}

/// The part of an array's items within the bounds of its dimensions, from the outermost; `None` if there is nothing within them.
fn cut(items: &ArrayRef, bounds: &[(i64, i64)]) -> Result<Option<ArrayRef>> {
    let Some((&(first, last), inner)) = bounds.split_first() else { return Ok(Some(Arc::clone(items))) };
    let (first, last) = (first.max(1), last.min(items.len() as i64));
    if first > last {
        return Ok(None);
    }
    let part = items.slice((first - 1) as usize, (last - first + 1) as usize);
    let (DataType::List(item), false) = (part.data_type(), inner.is_empty()) else { return Ok(Some(part)) };
    let arrays = part.as_list::<i32>();
    let parts = (0..arrays.len()).map(|i| Ok(cut(&arrays.value(i), inner)?.map(Some))).collect::<Result<Option<Vec<_>>>>()?;
    parts.map(|parts| lists(item, &parts)).transpose()
}

/// An array of arrays of these items.
fn lists(item: &FieldRef, parts: &[Option<ArrayRef>]) -> Result<ArrayRef> {
    let lengths = OffsetBuffer::from_lengths(parts.iter().map(|part| part.as_ref().map_or(0, |part| part.len())));
    let all: Vec<&dyn Array> = parts.iter().flatten().map(AsRef::as_ref).collect();
    let values = if all.is_empty() { new_empty_array(item.data_type()) } else { concat(&all)? };
    let nulls: NullBuffer = parts.iter().map(Option::is_some).collect::<Vec<bool>>().into();
    Ok(Arc::new(ListArray::try_new(Arc::clone(item), lengths, values, Some(nulls))?))
}
