//! The one value of a subquery's rows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::logical_expr::ScalarUDF;

use super::super::scalar::define::Function;
use crate::error::{Error, Result, code};

/// The function's name.
pub(in crate::func) const SINGLE_ROW: &str = "single_row";

/// `single_row(values, skip, fetch)`: the one element of an array from `skip` on, at most `fetch` counted; NULL if there is none.
/// Errors: 21000 for several.
pub(super) fn single_row() -> Arc<ScalarUDF> {
    Function::udf(SINGLE_ROW, rule, kernel)
}

fn rule(types: &[DataType]) -> Option<(Vec<DataType>, DataType)> {
    match types {
        [DataType::List(item), DataType::Int32 | DataType::Int64, DataType::Int32 | DataType::Int64] => {
            Some((vec![types[0].clone(), DataType::Int64, DataType::Int64], item.data_type().clone()))
        }
        _ => None,
    }
}

fn kernel(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let lists = args[0].as_list::<i32>();
    let (skip, fetch) = (args[1].as_primitive::<Int64Type>(), args[2].as_primitive::<Int64Type>());
    let one = |row: usize| {
        if lists.is_null(row) {
            return Ok(None);
        }
        let left = (i64::from(lists.value_length(row)) - skip.value(row)).min(fetch.value(row));
        match left {
            ..=0 => Ok(None),
            1 => Ok(Some((i64::from(lists.value_offsets()[row]) + skip.value(row)) as u32)),
            _ => Err(Error::new(code::CARDINALITY_VIOLATION, "more than one row returned by a subquery used as an expression")),
        }
    };
    let indices = (0..lists.len()).map(one).collect::<Result<UInt32Array>>()?;
    Ok(compute::take(lists.values(), &indices, None)?)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, ListArray};
    use arrow::datatypes::Int32Type;

    use super::*;

    #[test]
    fn one_value_or_none_and_never_two() {
        let of = |list: Option<Vec<Option<i32>>>, skip: i64, fetch: i64| {
            let list = ListArray::from_iter_primitive::<Int32Type, _, _>([list]);
            let number = |n| Arc::new(Int64Array::from(vec![n])) as ArrayRef;
            let found = kernel(&[Arc::new(list), number(skip), number(fetch)], &DataType::Int32)?;
            Ok::<_, Error>(found.is_valid(0).then(|| found.as_primitive::<Int32Type>().value(0)))
        };
        assert_eq!(of(None, 0, i64::MAX).unwrap(), None);
        assert_eq!(of(Some(vec![]), 0, i64::MAX).unwrap(), None);
        assert_eq!(of(Some(vec![Some(7)]), 0, i64::MAX).unwrap(), Some(7));
        assert_eq!(of(Some(vec![None]), 0, i64::MAX).unwrap(), None);
        assert_eq!(of(Some(vec![Some(7), Some(8)]), 1, i64::MAX).unwrap(), Some(8));
        assert_eq!(of(Some(vec![Some(7), Some(8)]), 0, 2).unwrap_err().code(), code::CARDINALITY_VIOLATION);
    }
}
